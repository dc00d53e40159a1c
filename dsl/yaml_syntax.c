// What is wrong with the text, in the user's words. libyaml says in which state it was and where;
// from that, and from the characters around the place, we guess the mistake. A table maps its
// sentences to the functions that explain them.
#include <string.h>
#include <yaml.h>

#include "dsl/yaml.h"

typedef struct problem {
    const ft_source *source;
    ft_slice text;
    ft_arena *arena;  // For messages.
    size_t at;        // Where libyaml stopped, in bytes.
    size_t context;   // Where what it was reading starts.
    ft_diagnostic fault;
} problem;

static const char unclosed_help[] =
    "close it on the same line; for long text use a block: `key: |`";

size_t ft_yaml_bom_bytes(ft_slice text)
{
    return ft_slice_starts_with(text, FT_SLICE("\xEF\xBB\xBF")) ? 3 : 0;
}

// ---- looking around ----

static char char_at(const problem *p, size_t at)
{
    return at < p->text.size ? p->text.data[at] : '\0';
}

static size_t line_start(ft_slice text, size_t at)
{
    if (at > text.size)
        at = text.size;
    while (at > 0 && text.data[at - 1] != '\n')
        at--;
    return at;
}

static size_t line_end(ft_slice text, size_t at)
{
    while (at < text.size && text.data[at] != '\n' && text.data[at] != '\r')
        at++;
    return at;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// The last byte before `at` on its line that is no blank; 0 when there is none.
static char char_before(const problem *p, size_t at)
{
    size_t start = line_start(p->text, at);

    while (at > start && is_blank(p->text.data[at - 1]))
        at--;
    return at > start ? p->text.data[at - 1] : '\0';
}

// The first `: ` of the line, or its end.
static size_t first_colon(ft_slice text, size_t start)
{
    size_t end = line_end(text, start);

    for (size_t i = start; i < end; i++)
        if (text.data[i] == ':' && (i + 1 == end || is_blank(text.data[i + 1])))
            return i;
    return end;
}

// `at`, moved behind blanks and "- ".
static size_t content_start(ft_slice text, size_t at)
{
    while (at < text.size &&
           (is_blank(text.data[at]) ||
            (text.data[at] == '-' && at + 1 < text.size && is_blank(text.data[at + 1]))))
        at++;
    return at;
}

static ft_slice rest_of_line(const problem *p, size_t at)
{
    size_t end = line_end(p->text, at);

    return ft_slice_trim((ft_slice){p->text.data + at, end > at ? end - at : 0});
}

static void mark(problem *p, size_t start, size_t end)
{
    p->fault.mark = ft_mark_at(p->text, start, end);
}

static void mark_rest(problem *p, size_t at)
{
    mark(p, at, line_end(p->text, at));
}

// In quotes: what YAML would else take apart.
static const char *in_quotes(ft_arena *arena, ft_slice text)
{
    char quote =
        memchr(text.data, '"', text.size) || memchr(text.data, '\\', text.size) ? '\'' : '"';

    if (quote == '\'' && memchr(text.data, '\'', text.size))
        return NULL;
    return ft_arena_format(arena, "%c%.*s%c", quote, (int)text.size, text.data, quote);
}

static void offer_quotes(problem *p, size_t start, size_t end)
{
    while (end > start && is_blank(p->text.data[end - 1]))
        end--;
    if (end - start > 200 || end == start)
        return;
    mark(p, start, end);
    p->fault.replacement = in_quotes(p->arena, (ft_slice){p->text.data + start, end - start});
    if (p->fault.replacement)
        p->fault.help = ft_arena_format(p->arena, "put it in quotes: %s", p->fault.replacement);
}

// ---- before libyaml ----

static bool refuse_at(const ft_source *source, ft_diagnostics *all, size_t at, ft_diagnostic fault)
{
    fault.source = source;
    fault.mark = ft_mark_at(source->text, at, at + 1);
    ft_diagnostics_add(all, &fault);
    return false;
}

// ASCII in two or four bytes, without a byte order mark: of every four bytes, each place is always
// zero or never.
static bool looks_wide(ft_slice text)
{
    size_t count = (text.size < 64 ? text.size : 64) / 4, places = 0;

    for (size_t place = 0; place < 4; place++) {
        size_t zeros = 0;
        for (size_t i = 0; i < count; i++)
            zeros += !text.data[i * 4 + place];
        if (zeros > 0 && zeros < count)
            return false;
        places += zeros > 0;
    }
    return places == 2 || places == 3;
}

static bool check_encoding(const ft_source *source, ft_diagnostics *all)
{
    ft_slice text = source->text;

    bool has_mark = ft_slice_starts_with(text, FT_SLICE("\xFF\xFE")) ||
                    ft_slice_starts_with(text, FT_SLICE("\xFE\xFF"));

    // No pipeline is without ASCII, so no wide one without a zero.
    if (!looks_wide(text) && (!has_mark || (text.size > 2 && !memchr(text.data, 0, text.size))))
        return true;
    return refuse_at(source, all, 0,
                     (ft_diagnostic){
                         .number = 2,
                         .message = "this file is UTF-16 or UTF-32, and a pipeline must be UTF-8",
                         .help = "save it again as UTF-8: `iconv -f UTF-16 -t UTF-8 OLD > NEW`",
                     });
}

static bool check_bytes(const ft_source *source, ft_diagnostics *all)
{
    ft_slice text = source->text;
    size_t valid = ft_utf8_valid_prefix(text);
    ft_arena *arena = ft_diagnostics_arena(all);
    const char *nul = text.size > 0 ? memchr(text.data, 0, text.size) : NULL;

    if (nul)
        return refuse_at(source, all, (size_t)(nul - text.data),
                         (ft_diagnostic){
                             .number = 3,
                             .message = "this is not a text file, or it was cut off while being "
                                        "written: there is a NUL byte in it",
                         });
    for (size_t i = 0; i < valid; i++) {
        unsigned char c = (unsigned char)text.data[i];

        if ((c >= 0x20 && c != 0x7F) || c == '\n' || c == '\r' || c == '\t')
            continue;
        return refuse_at(
            source, all, i,
            (ft_diagnostic){
                .number = 3,
                .message = ft_arena_format(arena, "there is a control character (0x%02X) here", c),
                .help =
                    ft_arena_format(arena, "remove it, or write \"\\x%02X\" in double quotes", c),
            });
    }
    if (valid == text.size)
        return true;
    return refuse_at(
        source, all, valid,
        (ft_diagnostic){
            .number = 3,
            .message = ft_arena_format(arena, "the byte 0x%02X is not valid UTF-8 here",
                                       (unsigned char)text.data[valid]),
            .help = "save the file again as UTF-8: `iconv -f LATIN1 -t UTF-8 OLD > NEW`",
        });
}

bool ft_yaml_check_text(const ft_source *source, ft_diagnostics *diagnostics)
{
    if (source->text.size > FT_YAML_BYTES_MAX)
        return refuse_at(
            source, diagnostics, 0,
            (ft_diagnostic){
                .number = 9,
                .message = "this file is larger than 4 MiB, too large for a pipeline",
                .help = "is it a data file? Then name it in a pipeline: `- read: FILE`",
            });
    return check_encoding(source, diagnostics) && check_bytes(source, diagnostics);
}

// ---- one function for each kind of mistake ----

static bool explain_tab(problem *p)
{
    size_t start = line_start(p->text, p->at);

    for (size_t i = start; i < p->text.size && is_blank(p->text.data[i]); i++) {
        if (p->text.data[i] != '\t')
            continue;
        size_t end = i;
        while (end < p->text.size && is_blank(p->text.data[end]))
            end++;
        mark(p, i, end);
        p->fault.number = 4;
        p->fault.message = "this line is indented with a tab, and YAML takes only spaces";
        p->fault.help = "use two spaces for each level";
        return true;
    }
    return false;
}

static void explain_bad_start(problem *p)
{
    char c = char_at(p, p->at);

    p->fault.number = c == '\t' ? 4 : 18;
    mark(p, p->at, p->at + 1);
    if (c == '\t') {
        p->fault.message = "a tab stands here, and YAML takes only spaces";
        p->fault.help = "use spaces";
        return;
    }
    p->fault.message = c == '`' ? "a value must not start with a backquote"
                                : ft_arena_format(p->arena, "a value must not start with `%c`", c);
    offer_quotes(p, p->at, line_end(p->text, p->at));
}

// `read:x` instead of `read: x`, in the line at `start`.
static bool explain_missing_space(problem *p, size_t start)
{
    size_t at = content_start(p->text, start), end = line_end(p->text, at), word = at;

    while (word < end && is_word(p->text.data[word]))
        word++;
    if (word == at || word + 1 >= end || p->text.data[word] != ':' ||
        p->text.data[word + 1] == '/' || first_colon(p->text, at) != end)
        return false;
    mark(p, at, word + 1);
    p->fault.number = 20;
    p->fault.message = "a space is missing behind the `:`";
    p->fault.replacement = ft_arena_format(p->arena, "%.*s: ", (int)(word - at), p->text.data + at);
    p->fault.help =
        ft_arena_format(p->arena, "write `%.*s: %s`", (int)(word - at), p->text.data + at,
                        ft_quote(p->arena, rest_of_line(p, word + 1)));
    return true;
}

static size_t previous_line(const problem *p, size_t start)
{
    while (start > 0) {
        start = line_start(p->text, start - 1);
        size_t at = content_start(p->text, start);
        if (at != line_end(p->text, at) && p->text.data[at] != '#')
            return start;
    }
    return SIZE_MAX;
}

static void explain_indentation(problem *p, const char *message, const char *help)
{
    size_t start = line_start(p->text, p->at), at = start;

    while (at < p->text.size && is_blank(p->text.data[at]))
        at++;
    mark_rest(p, at);
    p->fault.number = 19;
    p->fault.message = message;
    p->fault.help = help;
}

// Also when a value runs over several lines and then a `: ` comes.
static void explain_colon(problem *p)
{
    size_t start = line_start(p->text, p->at), at = content_start(p->text, start);
    size_t colon = first_colon(p->text, at), above = previous_line(p, start);

    if (colon < p->at) {
        size_t value = content_start(p->text, colon + 1);
        mark(p, p->at, p->at + 1);
        p->fault.number = 6;
        p->fault.message = "a second `: ` on one line: YAML would start a map here";
        p->fault.label = "this `:`";
        offer_quotes(p, value, line_end(p->text, value));
        if (p->fault.replacement)
            p->fault.label = NULL;
        return;
    }
    if (above != SIZE_MAX && explain_missing_space(p, above))
        return;
    explain_indentation(
        p, "this line is indented deeper than its neighbours, so YAML joins it to the value above",
        "let it start in the same column as the key above that it belongs with");
}

static void explain_missing_colon(problem *p)
{
    size_t at = p->context;
    char c = char_at(p, at);

    if (c == '"' || c == '\'') {
        mark_rest(p, at);
        p->fault.number = 16;
        p->fault.message = "this quote is not closed on its line";
        p->fault.help = unclosed_help;
        return;
    }
    if (explain_missing_space(p, at))
        return;
    mark_rest(p, at);
    p->fault.number = 20;
    p->fault.message = "a `:` is missing: every line here is `key: value`";
}

static void explain_unclosed_quote(problem *p)
{
    mark_rest(p, p->context);
    p->fault.number = 16;
    p->fault.message = "this quote is never closed";
    p->fault.help = unclosed_help;
}

static void explain_escape(problem *p)
{
    size_t at = p->at;

    while (at > p->context && char_at(p, at) != '\\')
        at--;
    mark(p, at, at + 2);
    p->fault.number = 21;
    p->fault.message = ft_arena_format(
        p->arena, "`%s` means nothing in double quotes",
        ft_quote(p->arena, (ft_slice){p->text.data + at, p->text.size - at < 2 ? 1 : 2}));
    p->fault.help = "write `\\\\` for a backslash, or use single quotes, which change nothing";
}

static void explain_list_in_line(problem *p)
{
    ft_slice rest = rest_of_line(p, p->at);

    mark_rest(p, p->at);
    p->fault.number = 22;
    if (rest.size == 1) {
        p->fault.message = "a lone `-` starts a list in YAML";
        offer_quotes(p, p->at, p->at + 1);
        return;
    }
    p->fault.message = "a `- ` list cannot start on the line of its key";
    p->fault.help = rest.size > 2
                        ? ft_arena_format(p->arena, "start it on the next line, or write `[%.*s]`",
                                          (int)(rest.size - 2), rest.data + 2)
                        : "start it on the next line";
}

static void explain_alias(problem *p)
{
    char sign = char_at(p, p->context);

    mark_rest(p, p->context);
    p->fault.number = 14;
    p->fault.message =
        sign == '*'
            ? "a value that starts with `*` is an alias in YAML, and this is no name of one"
            : "a value that starts with `&` is an anchor in YAML, and this is no name for one";
    offer_quotes(p, p->context, line_end(p->text, p->context));
    if (ft_slice_is(rest_of_line(p, p->context), "*.errors")) {
        p->fault.replacement = "errors";
        p->fault.help = "write `errors` for what failed in any stage above";
    }
}

static void explain_tag(problem *p)
{
    mark_rest(p, p->context);
    p->fault.number = 11;
    p->fault.message = "a value that starts with `!` is a tag in YAML, and this is none";
    offer_quotes(p, p->context, line_end(p->text, p->context));
}

static void explain_block_header(problem *p)
{
    mark_rest(p, p->at);
    p->fault.number = 23;
    p->fault.message = "behind `|` or `>` the line must end";
    p->fault.help = "start the text on the next line, indented";
}

static void explain_directive(problem *p)
{
    mark_rest(p, line_start(p->text, p->at));
    p->fault.number = 24;
    p->fault.message =
        "a line that starts with `%` is a directive in YAML, and this is none that is known";
    p->fault.help = "remove the line; a pipeline needs none";
}

static void explain_question_mark(problem *p)
{
    mark_rest(p, p->at);
    p->fault.number = 10;
    p->fault.message = "a value must not start with `? `, which marks a key in YAML";
    offer_quotes(p, p->at, line_end(p->text, p->at));
}

// `${params.x}` or `a[1]` within { } or [ ].
static bool explain_bracket_in_flow(problem *p)
{
    size_t start = p->at, end = p->at;
    char c = char_at(p, p->at), before = p->at > 0 ? char_at(p, p->at - 1) : '\0',
         close = c == '{' ? '}' : ']';

    if (!(c == '{' && before == '$') && !(c == '[' && is_word(before)))
        return false;
    while (start > 0 && !strchr(" ,[{\n", p->text.data[start - 1]))
        start--;
    while (end < p->text.size && char_at(p, end) != close && char_at(p, end) != '\n')
        end++;
    end += char_at(p, end) == close;
    while (end < p->text.size && !strchr(",]} \r\n", p->text.data[end]))
        end++;
    p->fault.number = 5;
    p->fault.message = c == '{' ? "within `{ }` and `[ ]`, a `${...}` must be in quotes"
                                : "within `{ }` and `[ ]`, text with a `[` must be in quotes";
    offer_quotes(p, start, end);
    return true;
}

// `f(1, "x")` within { } or [ ]: stopped at the `)` behind a quote.
static bool explain_call_in_flow(problem *p)
{
    size_t start = p->at, floor = line_start(p->text, p->at);
    int depth = 0;

    if (char_at(p, p->at) != ')')
        return false;
    do {
        depth += p->text.data[start] == ')' ? 1 : p->text.data[start] == '(' ? -1 : 0;
        if (depth == 0)
            break;
    } while (start-- > floor);
    if (depth != 0)
        return false;
    while (start > floor && is_word(p->text.data[start - 1]))
        start--;
    p->fault.number = 13;
    p->fault.message =
        "the comma splits this in two: within `{ }` and `[ ]`, text with a comma must be in quotes";
    offer_quotes(p, start, p->at + 1);
    return true;
}

static void explain_flow(problem *p)
{
    char open = char_at(p, p->context), close = open == '{' ? '}' : ']';
    bool later = memchr(p->text.data + p->context, '\n', p->at - p->context) != NULL;

    if (explain_bracket_in_flow(p) || explain_call_in_flow(p))
        return;
    p->fault.number = 17;
    if (p->at >= p->text.size || later) {
        mark_rest(p, p->context);
        p->fault.message = ft_arena_format(p->arena, "this `%c` is not closed", open);
        p->fault.help = ft_arena_format(p->arena, "add `%c`", close);
        return;
    }
    mark(p, p->at, p->at + 1);
    p->fault.message = ft_arena_format(p->arena, "a `,` or `%c` is missing here", close);
    p->fault.help = "put text with special characters in quotes";
}

static void explain_no_value(problem *p)
{
    char c = char_at(p, p->at);

    if (p->at >= p->text.size || c == '\n' || c == '\r') {
        mark_rest(p, p->context);
        p->fault.number = 17;
        p->fault.message = "this is not finished: something is missing at its end";
        return;
    }
    mark(p, p->at, p->at + 1);
    p->fault.number = 17;
    p->fault.message = ft_arena_format(p->arena, "a value is missing in front of this `%c`", c);
    if ((unsigned char)c >= 0x80 || c == '-')
        p->fault.message = "a value is expected here";
    p->fault.help = "if it is meant as text, put it in quotes";
}

static void explain_key(problem *p)
{
    char before = char_before(p, p->at);

    if (char_at(p, p->at) == ':') {
        mark(p, p->at, p->at + 1);
        p->fault.number = 10;
        p->fault.message = "a key is missing in front of the `:`";
        return;
    }
    if (before == '"' || before == '\'' || before == ']' || before == '}') {
        size_t value = content_start(p->text, first_colon(p->text, line_start(p->text, p->at)) + 1);
        mark_rest(p, p->at);
        p->fault.number = 25;
        p->fault.message = before == '"' || before == '\''
                               ? "there is text behind the closing quote"
                               : "there is text behind the closing bracket";
        p->fault.help =
            "put all of the value in quotes, or none of it; or is a quote missing above?";
        if (before == '\'' && char_at(p, p->at - 1) == '\'' && is_word(char_at(p, p->at)))
            p->fault.help = "write an apostrophe twice in single quotes, or use double quotes";
        else if (value < p->at && char_at(p, value) == before && (before == '"' || before == '\''))
            offer_quotes(p, value, line_end(p->text, value));
        return;
    }
    explain_indentation(p, "the indentation of this line fits none of the lines above",
                        "let it start in the same column as the keys that it belongs with");
}

static void explain_dash(problem *p)
{
    explain_indentation(p, "this line stands in a list and does not start with `- `",
                        "start it with `- `, or indent it so that it belongs to the entry above");
}

static void explain_extra(problem *p)
{
    if (char_before(p, p->at)) {
        explain_key(p);
        return;
    }
    explain_indentation(p, "the pipeline has ended above, and this line does not belong to it",
                        "let its keys and lists start in the same column as those above");
}

static void explain_anything(problem *p)
{
    mark_rest(p, p->at);
    p->fault.number = 1;
    p->fault.message = "this is not valid YAML";
    p->fault.help = "look for a missing quote, bracket or `:` here or just above";
}

// ---- libyaml's sentences ----

typedef struct sentence {
    const char *problem, *context;  // Parts of them; NULL: any.
    void (*explain)(problem *p);
} sentence;

static const sentence sentences[] = {
    {"unexpected end of stream", "quoted scalar", explain_unclosed_quote},
    {"unexpected document indicator", "quoted scalar", explain_unclosed_quote},
    {"unknown escape", NULL, explain_escape},
    {"hexdecimal", NULL, explain_escape},
    {"invalid Unicode character escape", NULL, explain_escape},
    {"cannot start any token", NULL, explain_bad_start},
    {"mapping values are not allowed", NULL, explain_colon},
    {"block sequence entries are not allowed", NULL, explain_list_in_line},
    {"mapping keys are not allowed", NULL, explain_question_mark},
    {"could not find expected ':'", NULL, explain_missing_colon},
    {"alphabetic or numeric", "directive", explain_directive},
    {"alphabetic or numeric", NULL, explain_alias},
    {NULL, "scanning a block scalar", explain_block_header},
    {NULL, "directive", explain_directive},
    {"incompatible YAML document", NULL, explain_directive},
    {"duplicate %", NULL, explain_directive},
    {NULL, "tag", explain_tag},
    {"undefined tag handle", NULL, explain_tag},
    {"',' or ']'", NULL, explain_flow},
    {"',' or '}'", NULL, explain_flow},
    {"did not find expected node content", NULL, explain_no_value},
    {"did not find expected '-' indicator", NULL, explain_dash},
    {"did not find expected key", NULL, explain_key},
    {"<document start>", NULL, explain_extra},
    {NULL, NULL, explain_anything},
};

static bool contains(const char *text, const char *part)
{
    return !part || (text && strstr(text, part));
}

static size_t offset_of(ft_slice text, size_t index)
{
    size_t at = ft_yaml_bom_bytes(text);

    for (; index > 0 && at < text.size; index--)
        do
            at++;
        while (at < text.size && ((unsigned char)text.data[at] & 0xC0) == 0x80);
    return at;
}

// Points at the last line with something on it when the problem is that the text ends.
static size_t step_back_from_end(ft_slice text, size_t at)
{
    if (at < text.size)
        return at;
    while (at > 0 &&
           (is_blank(text.data[at - 1]) || text.data[at - 1] == '\n' || text.data[at - 1] == '\r'))
        at--;
    return at > 0 ? at - 1 : 0;
}

void ft_yaml_explain_problem(const struct yaml_parser_s *parser, const ft_source *source,
                             ft_diagnostics *diagnostics)
{
    problem p = {
        .source = source, .text = source->text, .arena = ft_diagnostics_arena(diagnostics)};

    if (parser->error == YAML_MEMORY_ERROR) {
        ft_diagnostics_add_nomem(diagnostics);
        return;
    }
    p.fault.source = source;
    if (parser->error == YAML_READER_ERROR) {
        p.at = p.context = parser->problem_offset + ft_yaml_bom_bytes(p.text);
        mark(&p, p.at, p.at + 1);
        p.fault.number = 3;
        p.fault.message = "there is a control character here";
        ft_diagnostics_add(diagnostics, &p.fault);
        return;
    }
    p.at = offset_of(p.text, parser->problem_mark.index);
    p.context = parser->context ? offset_of(p.text, parser->context_mark.index) : p.at;
    if (p.context > p.at)
        p.context = p.at;
    if (p.at < p.text.size && explain_tab(&p)) {
        ft_diagnostics_add(diagnostics, &p.fault);
        return;
    }
    for (size_t i = 0; i < FT_COUNT_OF(sentences); i++) {
        if (!contains(parser->problem, sentences[i].problem) ||
            !contains(parser->context, sentences[i].context))
            continue;
        if (sentences[i].explain == explain_anything)
            p.at = step_back_from_end(p.text, p.at);
        sentences[i].explain(&p);
        break;
    }
    ft_diagnostics_add(diagnostics, &p.fault);
}
