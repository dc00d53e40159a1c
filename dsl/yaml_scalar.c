// Scalars: the core schema of YAML 1.2, and the way back from a place in a value to its place in
// the file.
#include <string.h>

#include "dsl/yaml.h"

static bool is_one_of(ft_slice text, const char *const *words)
{
    for (; *words; words++)
        if (ft_slice_is(text, *words))
            return true;
    return false;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static size_t skip_digits(ft_slice text, size_t at)
{
    while (at < text.size && is_digit(text.data[at]))
        at++;
    return at;
}

// [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?
static ft_yaml_type number_type(ft_slice text)
{
    size_t at = text.size > 0 && (text.data[0] == '-' || text.data[0] == '+');
    size_t whole = skip_digits(text, at), digits = whole - at;
    bool is_float = false;

    at = whole;
    if (at < text.size && text.data[at] == '.') {
        size_t end = skip_digits(text, at + 1);
        digits += end - at - 1;
        at = end;
        is_float = true;
    }
    if (digits == 0)
        return FT_YAML_STRING;
    if (at < text.size && (text.data[at] == 'e' || text.data[at] == 'E')) {
        at++;
        at += at < text.size && (text.data[at] == '-' || text.data[at] == '+');
        size_t end = skip_digits(text, at);
        if (end == at)
            return FT_YAML_STRING;
        at = end;
        is_float = true;
    }
    if (at != text.size)
        return FT_YAML_STRING;
    return is_float ? FT_YAML_FLOAT : FT_YAML_INT;
}

static bool is_hex_or_octal(ft_slice text)
{
    if (text.size < 3 || text.data[0] != '0' || (text.data[1] != 'x' && text.data[1] != 'o'))
        return false;
    for (size_t i = 2; i < text.size; i++) {
        bool fits =
            text.data[1] == 'x' ? is_hex(text.data[i]) : text.data[i] >= '0' && text.data[i] <= '7';
        if (!fits)
            return false;
    }
    return true;
}

ft_yaml_type ft_yaml_type_of(ft_slice text)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const bools[] = {"true", "True", "TRUE", "false", "False", "FALSE", NULL};
    static const char *const floats[] = {".nan",  ".NaN",  ".NAN",  ".inf",  ".Inf",
                                         ".INF",  "+.inf", "+.Inf", "+.INF", "-.inf",
                                         "-.Inf", "-.INF", NULL};

    if (is_one_of(text, nulls))
        return FT_YAML_NULL;
    if (is_one_of(text, bools))
        return FT_YAML_BOOL;
    if (is_one_of(text, floats))
        return FT_YAML_FLOAT;
    return is_hex_or_octal(text) ? FT_YAML_INT : number_type(text);
}

const ft_yaml_pair *ft_yaml_find(const ft_yaml_node *map, const char *key)
{
    if (!map || map->kind != FT_YAML_MAP)
        return NULL;
    for (size_t i = 0; i < map->count; i++)
        if (ft_slice_is(map->pairs[i].key->text, key))
            return &map->pairs[i];
    return NULL;
}

bool ft_yaml_is_text(const ft_yaml_node *node, const char *text)
{
    return node->kind == FT_YAML_SCALAR && ft_slice_is(node->text, text);
}

const char *ft_yaml_describe(const ft_yaml_node *node, ft_arena *arena)
{
    if (node->kind == FT_YAML_LIST)
        return "a list";
    if (node->kind == FT_YAML_MAP)
        return "a map";
    switch (node->type) {
    case FT_YAML_NULL:
        return "nothing";
    case FT_YAML_BOOL:
    case FT_YAML_INT:
    case FT_YAML_FLOAT:
        return ft_arena_format(arena, "`%s`", ft_quote(arena, node->text));
    case FT_YAML_STRING:
        break;
    }
    return ft_arena_format(arena, "the text `%s`", ft_quote(arena, node->text));
}

// ---- places within ----

static size_t line_end(ft_slice text, size_t at)
{
    while (at < text.size && text.data[at] != '\n')
        at++;
    return at;
}

// Source bytes that the value byte at `at` of a double-quoted scalar takes up, and how many value
// bytes they make.
static size_t escape_width(ft_slice text, size_t at, size_t *out_made)
{
    static const struct {
        char letter;
        size_t hex;
    } wide[] = {{'x', 2}, {'u', 4}, {'U', 8}};

    *out_made = 1;
    if (text.data[at] != '\\' || at + 1 >= text.size)
        return 1;
    for (size_t i = 0; i < FT_COUNT_OF(wide); i++) {
        if (text.data[at + 1] != wide[i].letter)
            continue;
        uint32_t code = 0;
        char bytes[4];
        for (size_t k = 0; k < wide[i].hex && at + 2 + k < text.size; k++) {
            char c = text.data[at + 2 + k];
            code = code * 16 + (uint32_t)(is_digit(c) ? c - '0' : (c | 32) - 'a' + 10);
        }
        *out_made = ft_utf8_put(code, bytes);
        return 2 + wide[i].hex;
    }
    switch (text.data[at + 1]) {
    case 'N':
    case '_':
        *out_made = 2;
        break;
    case 'L':
    case 'P':
        *out_made = 3;
        break;
    default:
        break;
    }
    return 2;
}

static size_t quoted_offset(ft_slice text, const ft_yaml_node *node, size_t offset)
{
    size_t at = node->mark.offset + 1;

    for (size_t made = 0; made < offset && at + 1 < node->end_offset;) {
        size_t width = 1, bytes = 1;

        if (node->style == FT_YAML_DOUBLE_QUOTED)
            width = escape_width(text, at, &bytes);
        else if (text.data[at] == '\'')
            width = 2;
        at += width;
        made += bytes;
    }
    return at;
}

// A `|` block keeps its lines: find the line, add the indentation that was taken away.
static size_t block_offset(ft_slice text, const ft_yaml_node *node, size_t offset)
{
    size_t at = line_end(text, node->mark.offset) + 1, value_line = 0;
    size_t indent = SIZE_MAX;

    for (size_t i = 0; i < node->text.size && indent == SIZE_MAX;) {
        size_t end = line_end(node->text, i),
               source_end = line_end(text, at < text.size ? at : text.size);
        size_t width = source_end - at;
        if (at < source_end && text.data[source_end - 1] == '\r')
            width--;
        if (end > i)
            indent = width >= end - i ? width - (end - i) : 0;
        if (end >= offset && indent == SIZE_MAX)
            return at;
        if (indent != SIZE_MAX)
            break;
        i = end + 1;
        value_line = i;
        at = source_end + 1;
    }
    while (value_line < node->text.size && at < text.size) {
        size_t end = line_end(node->text, value_line), source_end = line_end(text, at);
        if (offset <= end) {
            size_t column = end > value_line ? indent + offset - value_line : 0;
            return at + column < source_end ? at + column : source_end;
        }
        value_line = end + 1;
        at = source_end + 1;
    }
    return node->mark.offset;
}

ft_mark ft_yaml_mark_from(ft_slice text, ft_mark base, size_t start, size_t end)
{
    ft_slice rest = {text.data + base.offset, text.size - base.offset};
    ft_mark mark = ft_mark_at(rest, start - base.offset, end - base.offset);

    if (mark.line == 1)
        mark.column += base.column - 1;
    mark.line += base.line - 1;
    mark.offset += base.offset;
    return mark;
}

static bool is_on_one_line(ft_slice text, const ft_yaml_node *node)
{
    return node->end_offset <= text.size && line_end(text, node->mark.offset) >= node->end_offset;
}

ft_mark ft_yaml_mark_within(const ft_source *source, const ft_yaml_node *node, size_t offset,
                            size_t length)
{
    ft_slice text = source->text;
    size_t start, end;

    if (node->kind != FT_YAML_SCALAR || offset > node->text.size || (offset == 0 && length == 0) ||
        node->style == FT_YAML_FILLED || node->style == FT_YAML_FOLDED)
        return node->mark;
    if (length == 0 || length > node->text.size - offset)
        length = node->text.size > offset ? node->text.size - offset : 1;
    if (node->style == FT_YAML_LITERAL) {
        size_t stop = line_end(node->text, offset);
        // A place that is a whole line starts with its text.
        while (length > 1 && node->text.data[offset] == ' ') {
            offset++;
            length--;
        }
        start = block_offset(text, node, offset);
        end = start + (offset + length < stop ? length : stop > offset ? stop - offset : 1);
    } else if (!is_on_one_line(text, node)) {
        return node->mark;
    } else if (node->style == FT_YAML_PLAIN) {
        start = node->mark.offset + offset;
        end = start + length;
    } else {
        start = quoted_offset(text, node, offset);
        end = quoted_offset(text, node, offset + length);
    }
    return ft_yaml_mark_from(text, node->mark, start, end);
}
