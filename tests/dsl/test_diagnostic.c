// The renderer: the three shapes that messages should have, wide characters, tabs, long lines,
// counts, JSON and GitHub.
#include "dsl/diagnostic.h"

#include <stdio.h>
#include <string.h>

#include "tests/check.h"

static char printed[65536];

static const char *print(ft_diagnostics *all, ft_diagnostic_format format, bool color)
{
    FILE *out = fmemopen(printed, sizeof(printed), "w");

    check_true(out != NULL);
    ft_diagnostics_print(all, format, color, out);
    check_true(fclose(out) == 0);
    return printed;
}

static const char *print_one(const ft_diagnostic *one, ft_diagnostic_format format)
{
    ft_diagnostics *all = ft_diagnostics_create();

    check_true(all != NULL);
    ft_diagnostics_add(all, one);
    print(all, format, false);
    ft_diagnostics_destroy(all);
    return printed;
}

static ft_mark mark_text(const ft_source *source, const char *part)
{
    const char *at = strstr(source->text.data, part);

    check_true(at != NULL);
    return ft_mark_at(source->text, (size_t)(at - source->text.data),
                      (size_t)(at - source->text.data) + strlen(part));
}

static ft_source source_of(const char *text)
{
    return (ft_source){"pipeline.yaml", ft_slice_of(text)};
}

TEST(both_ends_of_a_link_and_the_line_to_write)
{
    ft_source source = source_of("# one\nstages:\n  - read: docs.jsonl\n  - embed: ./minilm\n");

    check_text_eq(
        print_one(
            &(ft_diagnostic){.number = 311,
                             .source = &source,
                             .mark = mark_text(&source, "embed"),
                             .message = "`embed` needs `tokens`, and no stage above makes it",
                             .label = "reads tokens: i32[n]",
                             .has_other = true,
                             .other = mark_text(&source, "read"),
                             .other_label =
                                 "gives  id: int, text: string          (from its first 100 lines)",
                             .help = "tokenise first",
                             .fix_line = "  - tokenize: ./minilm",
                             .fix_above_line = 4},
            FT_FORMAT_TEXT),
        "pipeline.yaml:4:5: error[E0311]: `embed` needs `tokens`, and no stage above makes it\n"
        "   |\n"
        " 3 |   - read: docs.jsonl\n"
        "   |     ---- gives  id: int, text: string          (from its first 100 lines)\n"
        " 4 |   - embed: ./minilm\n"
        "   |     ^^^^^ reads tokens: i32[n]\n"
        "   |\n"
        " help: tokenise first\n"
        "   |\n"
        " 4 +   - tokenize: ./minilm\n"
        "   |\n"
        " more: ftpipe explain E0311\n");
}

TEST(what_fix_would_do)
{
    ft_source source = source_of("\n\n\n\n\n\n    batch_size: 64\n");

    check_text_eq(print_one(&(ft_diagnostic){.number = 107,
                                             .source = &source,
                                             .mark = mark_text(&source, "batch_size"),
                                             .message = "`batch_size` is called `batch` here",
                                             .replacement = "batch"},
                            FT_FORMAT_TEXT),
                  "pipeline.yaml:7:5: error[E0107]: `batch_size` is called `batch` here\n"
                  "   |\n"
                  " 7 |     batch_size: 64\n"
                  "   |     ^^^^^^^^^^ (fixed by `ftpipe check --fix`)\n");
}

TEST(help_alone)
{
    ft_source source = source_of("\n\n\n\n\n\n\n\n    when: #tokens > 512\n");

    check_text_eq(
        print_one(
            &(ft_diagnostic){.number = 12,
                             .source = &source,
                             .mark = mark_text(&source, "#tokens > 512"),
                             .message = "this condition is empty: in YAML ` #` starts a comment",
                             .help = "write `len(tokens) > 512`"},
            FT_FORMAT_TEXT),
        "pipeline.yaml:9:11: error[E0012]: this condition is empty: in YAML ` #` starts a comment\n"
        "   |\n"
        " 9 |     when: #tokens > 512\n"
        "   |           ^^^^^^^^^^^^^\n"
        " help: write `len(tokens) > 512`\n");
}

TEST(wide_characters_and_tabs_stay_in_line)
{
    ft_source source = source_of("a: \"日本é\", x\tbad\n");

    check_contains(print_one(&(ft_diagnostic){.number = 1,
                                              .source = &source,
                                              .mark = mark_text(&source, "bad"),
                                              .message = "m"},
                             FT_FORMAT_TEXT),
                   " 1 | a: \"日本é\", x    bad\n   |                  ^^^\n");
    check_contains(print_one(&(ft_diagnostic){.number = 1,
                                              .source = &source,
                                              .mark = mark_text(&source, "本é"),
                                              .message = "m"},
                             FT_FORMAT_TEXT),
                   "   |       ^^^\n");
}

TEST(what_cannot_be_shown_is_replaced)
{
    ft_source source = {"p", {"a: \x01\xff \xE2\x80\xAE.", 10}};

    check_contains(print_one(&(ft_diagnostic){.number = 3,
                                              .source = &source,
                                              .mark = ft_mark_at(source.text, 4, 5),
                                              .message = "m"},
                             FT_FORMAT_TEXT),
                   " 1 | a: \xEF\xBF\xBD\xEF\xBF\xBD \xEF\xBF\xBD.\n   |     ^\n");
}

TEST(long_lines_are_cut_around_the_caret)
{
    char text[1002];

    memset(text, 'x', 1000);
    memcpy(text + 500, "HERE", 4);
    memcpy(text + 1000, "\n", 2);
    ft_source source = source_of(text);
    const char *shown = print_one(
        &(ft_diagnostic){
            .number = 1, .source = &source, .mark = mark_text(&source, "HERE"), .message = "m"},
        FT_FORMAT_TEXT);
    const char *line = strstr(shown, " 1 | "), *carets = strstr(shown, "^^^^");
    check_true(line && carets && strstr(shown, "^^^^^") == NULL);
    const char *here = strstr(line, "HERE"), *bar = strstr(strchr(line, '\n'), "   | ");
    check_true(here && bar && here - line < 60);
    check_int_eq(carets - bar, here - line);
    check_true(strlen(shown) < 400);
}

TEST(many_errors_are_counted)
{
    ft_source source = source_of("abcdefghijklmnop\n");
    ft_diagnostics *all = ft_diagnostics_create();

    check_true(all != NULL);
    for (size_t i = 13; i > 0; i--)
        ft_diagnostics_add(all, &(ft_diagnostic){.number = 1,
                                                 .source = &source,
                                                 .mark = ft_mark_at(source.text, i, i + 1),
                                                 .message = "m",
                                                 .severity = i == 13 ? FT_SEVERITY_WARNING : 0});
    ft_diagnostics_add(all, &(ft_diagnostic){.number = 1,
                                             .source = &source,
                                             .mark = ft_mark_at(source.text, 5, 6),
                                             .message = "m"});
    const char *text = print(all, FT_FORMAT_TEXT, false);
    check_contains(text, "pipeline.yaml:1:2:");
    check_contains(text, "pipeline.yaml:1:11:");
    check_true(strstr(text, "pipeline.yaml:1:12:") == NULL);
    check_contains(text, "\n... and 2 more errors, 1 more warning\n");
    check_int_eq(ft_diagnostics_count(all, FT_SEVERITY_ERROR), 12);
    check_int_eq(ft_diagnostics_get(all, 0)->mark.column, 2);
    check_true(ft_diagnostics_get(all, 13) == NULL);
    ft_diagnostics_destroy(all);
}

TEST(more_than_can_be_kept_are_counted_too)
{
    ft_source source = source_of("abc\n");
    ft_diagnostics *all = ft_diagnostics_create();

    check_true(all != NULL);
    for (size_t i = 0; i < 1200; i++)
        ft_diagnostics_add(
            all, &(ft_diagnostic){
                     .number = (int)i, .source = &source, .mark = {1, 1, 1, 0}, .message = "m"});
    check_int_eq(ft_diagnostics_count(all, FT_SEVERITY_ERROR), 1200);
    check_contains(print(all, FT_FORMAT_TEXT, false), "... and 1190 more errors\n");
    ft_diagnostics_destroy(all);
}

TEST(a_message_without_memory_is_an_error_too)
{
    ft_diagnostics *all = ft_diagnostics_create();

    check_true(all != NULL);
    ft_diagnostics_add(all, &(ft_diagnostic){.number = 1});
    check_int_eq(ft_diagnostics_count(all, FT_SEVERITY_ERROR), 1);
    check_contains(print(all, FT_FORMAT_TEXT, false), "error[E0608]: out of memory\n");
    check_contains(print(all, FT_FORMAT_JSON, false), "\"code\":\"E0608\"");
    ft_diagnostics_destroy(all);
}

TEST(json_carries_spans_and_edits)
{
    ft_source source = source_of("é: \"batch_size\"\n");

    check_text_eq(print_one(&(ft_diagnostic){.number = 107,
                                             .source = &source,
                                             .mark = mark_text(&source, "batch_size"),
                                             .message = "a \"b\"\n",
                                             .label = "l",
                                             .help = "h",
                                             .has_other = true,
                                             .other = mark_text(&source, "é"),
                                             .other_label = "o",
                                             .fix_line = "  f",
                                             .fix_above_line = 1,
                                             .replacement = "batch"},
                            FT_FORMAT_JSON),
                  "{\"v\":1,\"errors\":1,\"warnings\":0,\"diagnostics\":[\n"
                  "{\"severity\":\"error\",\"code\":\"E0107\",\"message\":\"a "
                  "\\\"b\\\"\\u000a\",\"file\":\"pipeline.yaml\","
                  "\"span\":{\"line\":1,\"column\":5,\"length\":10,\"offset\":5,\"label\":\"l\"},"
                  "\"other\":{\"line\":1,\"column\":1,\"length\":1,\"offset\":0,\"label\":\"o\"},"
                  "\"help\":\"h\","
                  "\"insert\":{\"above_line\":1,\"text\":\"  "
                  "f\"},\"edits\":[{\"offset\":5,\"end\":15,\"text\":\"batch\"}]}]}\n");
}

TEST(github_annotations_are_escaped)
{
    ft_source source = {"a,b:c.yaml", FT_SLICE("abc\n")};

    check_text_eq(print_one(&(ft_diagnostic){.number = 901,
                                             .severity = FT_SEVERITY_WARNING,
                                             .source = &source,
                                             .mark = {1, 2, 2, 1},
                                             .message = "100% of\nit",
                                             .help = "h"},
                            FT_FORMAT_GITHUB),
                  "::warning file=a%2Cb%3Ac.yaml,line=1,col=2,endColumn=4,title=W0901::100%25 "
                  "of%0Ait%0Ahelp: h\n");
}

TEST(colour_is_only_added)
{
    ft_source source = source_of("abc\n");
    ft_diagnostics *all = ft_diagnostics_create();
    char plain[4096];

    check_true(all != NULL);
    ft_diagnostics_add(
        all,
        &(ft_diagnostic){
            .number = 1, .source = &source, .mark = {1, 1, 3, 0}, .message = "m", .help = "h"});
    snprintf(plain, sizeof(plain), "%s", print(all, FT_FORMAT_TEXT, false));
    const char *from = print(all, FT_FORMAT_TEXT, true);
    char *to = printed;
    check_contains(from, "\033[1;31m");
    while (*from) {
        if (*from == '\033')
            from = strchr(from, 'm') + 1;
        else
            *to++ = *from++;
    }
    *to = '\0';
    check_text_eq(printed, plain);
    ft_diagnostics_destroy(all);
}

TEST(the_catalogue_is_sorted_and_whole)
{
    int last = 0;

    for (const ft_explanation *one = ft_explanations; one->number; one++) {
        check_true(one->number > last && one->title[0] && strlen(one->text) > 40);
        check_true(one->text[strlen(one->text) - 1] == '\n');
        check_true(ft_explanation_find(one->number) == one);
        last = one->number;
    }
    check_true(ft_explanation_find(311) != NULL);
    check_true(ft_explanation_find(999) == NULL && ft_explanation_find(0) == NULL);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
