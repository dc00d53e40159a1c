// Mistakes that libyaml lets pass: lines of a quoted text or of a list in brackets that are not
// indented, comments without a blank in front, a lone `-`; and the comma that splits a call within
// brackets. Each is a look at the text around a node.
#include <string.h>

#include "dsl/yaml.h"

static bool refuse(const ft_source *source, ft_diagnostics *all, ft_diagnostic fault)
{
    fault.source = source;
    ft_diagnostics_add(all, &fault);
    return false;
}

static size_t line_end(ft_slice text, size_t at)
{
    while (at < text.size && text.data[at] != '\n')
        at++;
    return at;
}

static size_t skip(ft_slice text, size_t at, const char *set)
{
    while (at < text.size && text.data[at] && strchr(set, text.data[at]))
        at++;
    return at;
}

// ---- scalars ----

// Each further line of a text in quotes stands deeper than what holds it.
static bool check_quoted(const ft_source *source, const ft_yaml_node *node, int indent,
                         ft_diagnostics *all)
{
    ft_slice text = source->text;

    for (size_t at = line_end(text, node->mark.offset) + 1; at < node->end_offset;
         at = line_end(text, at) + 1) {
        size_t start = skip(text, at, " "), end = line_end(text, at);
        bool is_tab = start < end && text.data[start] == '\t';

        if ((int64_t)(start - at) > indent || skip(text, start, " \t\r") >= end)
            continue;
        return refuse(
            source, all,
            (ft_diagnostic){
                .number = is_tab ? 4 : 19,
                .mark = ft_mark_at(text, start, is_tab ? start + 1 : end),
                .message =
                    is_tab ? "this line is indented with a tab, and YAML takes only spaces"
                           : "this line continues the text in quotes above, and must be indented",
                .help = "indent it deeper than the key above, or close the quote on its line"});
    }
    return true;
}

// The indentation of a block is that of its first line with text; empty lines above must not be
// deeper.
static bool check_block(const ft_source *source, const ft_yaml_node *node, int indent,
                        ft_diagnostics *all)
{
    ft_slice text = source->text;
    size_t at = skip(text, node->mark.offset + 1, "+-0123456789"), deepest = 0, deepest_at = 0;

    if (at < text.size && text.data[at] == '#')
        return refuse(source, all,
                      (ft_diagnostic){.number = 23,
                                      .mark = ft_mark_at(text, at, SIZE_MAX),
                                      .message = "behind `|` or `>` the line must end",
                                      .help = "put a blank in front of the comment"});
    for (size_t i = node->mark.offset + 1; i < at; i++)
        if (text.data[i] >= '0' && text.data[i] <= '9')
            return true;
    for (at = line_end(text, at) + 1; at < text.size; at = line_end(text, at) + 1) {
        size_t start = skip(text, at, " "), end = line_end(text, at);
        bool is_empty = start >= end || text.data[start] == '\r';

        if (!is_empty && (start - at >= deepest || (int64_t)(start - at) <= indent))
            return true;
        if (!is_empty)
            break;
        if (start - at > deepest) {
            deepest = start - at;
            deepest_at = at;
        }
    }
    if (at >= text.size)
        return true;
    return refuse(
        source, all,
        (ft_diagnostic){.number = 19,
                        .mark = ft_mark_at(text, deepest_at, deepest_at + deepest),
                        .message = "this empty line is indented deeper than the text below it",
                        .help = "remove its blanks"});
}

bool ft_yaml_check_scalar(const ft_source *source, const ft_yaml_node *node, int indent,
                          ft_diagnostics *diagnostics)
{
    switch (node->style) {
    case FT_YAML_PLAIN:
        if (!ft_slice_is(node->text, "-"))
            return true;
        return refuse(source, diagnostics,
                      (ft_diagnostic){.number = 22,
                                      .mark = node->mark,
                                      .message = "a lone `-` starts a list in YAML",
                                      .help = "put it in quotes: \"-\"",
                                      .replacement = "\"-\""});
    case FT_YAML_SINGLE_QUOTED:
    case FT_YAML_DOUBLE_QUOTED:
        return check_quoted(source, node, indent, diagnostics);
    case FT_YAML_LITERAL:
    case FT_YAML_FOLDED:
        return check_block(source, node, indent, diagnostics);
    case FT_YAML_FILLED:
        break;
    }
    return true;
}

// ---- within brackets ----

// `c,#comment`: libyaml takes it for a comment.
static bool check_comment(const ft_source *source, const ft_yaml_node *child, ft_diagnostics *all)
{
    ft_slice text = source->text;
    size_t at = child->end_offset < text.size ? skip(text, child->end_offset, " ") : text.size;

    if (at + 1 >= text.size || text.data[at] != ',' || text.data[at + 1] != '#')
        return true;
    return refuse(source, all,
                  (ft_diagnostic){.number = 12,
                                  .mark = ft_mark_at(text, at + 1, SIZE_MAX),
                                  .message = "a comment needs a blank in front of its `#`"});
}

bool ft_yaml_check_flow_child(const ft_source *source, const ft_yaml_node *child, int indent,
                              ft_diagnostics *diagnostics)
{
    ft_slice text = source->text;
    size_t start = child->mark.offset;

    if (start > text.size || !check_comment(source, child, diagnostics))
        return start > text.size;
    if ((int64_t)child->mark.column - 1 > indent)
        return true;
    while (start > 0 && text.data[start - 1] != '\n')
        start--;
    if (skip(text, start, " ") != child->mark.offset)
        return true;
    return refuse(
        source, diagnostics,
        (ft_diagnostic){
            .number = 19,
            .mark = child->mark,
            .message = "this line continues what stands in brackets above, and must be indented",
            .help = "indent it deeper than the key above"});
}

// More `(` than `)`: part of a call such as words(20, 400).
static bool is_open_call(const ft_yaml_node *node)
{
    int depth = 0;

    if (node->kind != FT_YAML_SCALAR || node->style != FT_YAML_PLAIN)
        return false;
    for (size_t i = 0; i < node->text.size; i++)
        depth += node->text.data[i] == '(' ? 1 : node->text.data[i] == ')' ? -1 : 0;
    return depth > 0;
}

// `{text: words(20, 400)}`: in { } and [ ] the comma ends the value, wherever it stands.
bool ft_yaml_check_split(const ft_source *source, const ft_yaml_node *value,
                         const ft_yaml_node *next, ft_diagnostics *diagnostics)
{
    ft_arena *messages = ft_diagnostics_arena(diagnostics);
    ft_slice text = source->text;
    size_t start = value->mark.offset, end = next->end_offset;

    if (!is_open_call(value) || end <= start || end > text.size ||
        memchr(text.data + start, '\n', end - start))
        return true;
    // The call ends with the bracket that closes it.
    int depth = 0;
    for (end = start; end < text.size && text.data[end] != '\n'; end++) {
        depth += text.data[end] == '(' ? 1 : text.data[end] == ')' ? -1 : 0;
        if (text.data[end] == ')' && depth == 0) {
            end++;
            break;
        }
    }
    ft_slice call = {text.data + start, end - start};
    const char *quoted = memchr(call.data, '"', call.size)
                             ? ft_arena_format(messages, "'%.*s'", (int)call.size, call.data)
                             : ft_arena_format(messages, "\"%.*s\"", (int)call.size, call.data);
    return refuse(source, diagnostics,
                  (ft_diagnostic){
                      .number = 13,
                      .mark = ft_mark_at(text, start, end),
                      .message = "the comma splits this in two: within `{ }` and `[ ]`, text "
                                 "with a comma must be in quotes",
                      .help = quoted ? ft_arena_format(messages, "write %s", quoted) : NULL,
                      .replacement = call.size < 200 ? quoted : NULL,
                  });
}
