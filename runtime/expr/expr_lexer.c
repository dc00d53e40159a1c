// Cuts an expression's text into words. What a user of another language would type is refused here
// with what Lua writes.
#include "runtime/expr/expr_lexer.h"

#include <stdio.h>
#include <string.h>

bool ft_expr_syntax_error(ft_error *err, size_t offset, size_t length, const char *format, ...)
{
    char text[FT_ERROR_MESSAGE_BYTES];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    ft_fail(err, FT_ERROR_USAGE, "%s", text);
    err->number = 401;
    err->offset = offset;
    err->length = length;
    return false;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_name_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c & 0x80);
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static int hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    return (c | 32) - 'a' + 10;
}

// What other languages write, the longest first, and what is written here.
static const struct {
    const char *theirs, *ours;
} foreign[] = {
    {"&&", "`and`"},   {"||", "`or`"},        {"===", "`==`"},        {"!==", "`~=`"},
    {"=>", "`>=`"},    {"=<", "`<=`"},        {"<>", "`~=`"},         {"**", "`^`"},
    {"++", "`x + 1`"}, {"<<", "`x * 2 ^ n`"}, {">>", "`x // 2 ^ n`"}, {"??", "`default(x, y)`"},
    {"&", "`and`"},    {"|", "`or`"},         {"=", "`==`"},          {"!", "`not`"},
};

static const char *const signs[] = {"==", "~=", "!=", "<=", ">=", "..", "//", "+", "-",
                                    "*",  "/",  "%",  "^",  "<",  ">",  "(",  ")", ","};

static bool fail_unknown(ft_lexer *lexer, ft_error *err)
{
    ft_slice rest = {lexer->text.data + lexer->at, lexer->text.size - lexer->at};
    size_t at = lexer->at;
    char c = rest.data[0];
    const char *hint = NULL;

    if (c == '#')
        hint = "Write `len(x)` for the length of x.";
    else if (c == '?')
        hint = "Write `condition and a or b`.";
    else if (c == '[')
        hint = "Lists are opened by functions: first of all `top`, `argmax`, `join`; JSON by "
               "`get(x, \"a.1\")`.";
    else if (c == '$')
        hint = "`${...}` is filled in only when the file is read: check its spelling there.";
    else if (c == ':')
        hint = "There are no methods: write `sub(text, 1, 60)`, not `text:sub(1, 60)`.";
    else if (c == '.')
        hint = "Fields have no parts: write the field alone, and `get(field, \"a.b\")` for JSON.";
    else if (c == '~')
        hint = "Write `~=` for not equal and `not x` for the opposite.";
    else if (c == '`')
        hint = "Texts stand in \"double\" or 'single' quotes.";
    size_t used = 0;
    uint32_t point = ft_utf8_next(rest, &used);
    if (point == 0x201C || point == 0x201D || point == 0x2018 || point == 0x2019)
        hint = "Use the straight quotes \" or '.";
    if ((unsigned char)c < 32)
        ft_expr_syntax_error(err, at, 1, "a control character (byte %d) cannot stand here", c);
    else
        ft_expr_syntax_error(err, at, used, "`%.*s` cannot stand here", (int)used, rest.data);
    if (hint)
        ft_hint(err, "%s", hint);
    return false;
}

static bool read_sign(ft_lexer *lexer, ft_word *out, ft_error *err)
{
    ft_slice rest = {lexer->text.data + lexer->at, lexer->text.size - lexer->at};
    size_t sign_size = 0;

    for (size_t i = 0; i < FT_COUNT_OF(signs) && !sign_size; i++)
        if (ft_slice_starts_with(rest, ft_slice_of(signs[i])))
            sign_size = strlen(signs[i]);
    for (size_t i = 0; i < FT_COUNT_OF(foreign); i++) {
        size_t size = strlen(foreign[i].theirs);
        if (size <= sign_size || !ft_slice_starts_with(rest, ft_slice_of(foreign[i].theirs)))
            continue;
        ft_expr_syntax_error(err, lexer->at, size, "`%s` is not an operator here",
                             foreign[i].theirs);
        ft_hint(err, "Write %s.", foreign[i].ours);
        return false;
    }
    if (!sign_size)
        return fail_unknown(lexer, err);
    out->kind = FT_WORD_SIGN;
    out->text = (ft_slice){rest.data, sign_size};
    lexer->at += sign_size;
    return true;
}

static bool read_number(ft_lexer *lexer, ft_word *out, ft_error *err)
{
    const char *text = lexer->text.data;
    size_t from = lexer->at, at = from, size = lexer->text.size;
    bool is_hexadecimal = size - at > 2 && text[at] == '0' && (text[at + 1] | 32) == 'x';
    bool is_float = false;

    if (is_hexadecimal)
        for (at += 2; at < size && is_hex(text[at]); at++) {
        }
    while (!is_hexadecimal && at < size) {
        bool is_exponent = (text[at] | 32) == 'e';
        if (text[at] == '.' && at + 1 < size && text[at + 1] == '.')
            break;
        if (!is_digit(text[at]) && text[at] != '.' && !is_exponent)
            break;
        is_float = is_float || !is_digit(text[at]);
        at++;
        if (is_exponent && at < size && (text[at] == '+' || text[at] == '-'))
            at++;
    }
    while (at < size && is_name_start(text[at]))
        at++;
    ft_slice number = {text + from, at - from};
    bool fits;
    if (is_hexadecimal) {
        uint64_t value = 0;
        fits = number.size > 2 && number.size <= 18;
        for (size_t i = 2; i < number.size && fits; i++) {
            fits = is_hex(number.data[i]);
            value = value * 16 + (fits ? (uint64_t)hex_value(number.data[i]) : 0);
        }
        fits = fits && value <= INT64_MAX;
        out->int_value = (int64_t)value;
    } else {
        fits = is_float ? ft_parse_float(number, &out->float_value)
                        : ft_parse_int(number, &out->int_value);
    }
    if (!fits) {
        ft_expr_syntax_error(err, from, number.size, "`%.*s` is not a number",
                             (int)(number.size > 60 ? 60 : number.size), number.data);
        ft_hint(err, "%s",
                "Whole numbers go up to 9223372036854775807; larger ones are written "
                "with a point: 1e20.");
        return false;
    }
    out->kind = is_float ? FT_WORD_FLOAT : FT_WORD_INT;
    out->text = number;
    lexer->at = at;
    return true;
}

// `\u{1F600}`: `at` stands behind the u.
static bool read_code_point(ft_lexer *lexer, char *out, size_t *out_size, ft_error *err)
{
    size_t from = lexer->at;
    uint32_t value = 0;
    size_t digits = 0;

    if (from < lexer->text.size && lexer->text.data[from] == '{') {
        for (lexer->at++; lexer->at < lexer->text.size && digits < 7; digits++, lexer->at++) {
            char c = lexer->text.data[lexer->at];
            if (!is_hex(c))
                break;
            value = value * 16 + (uint32_t)hex_value(c);
        }
        bool is_closed = lexer->at < lexer->text.size && lexer->text.data[lexer->at] == '}';
        bool is_surrogate = value >= 0xD800 && value < 0xE000;
        if (is_closed && digits && value <= 0x10FFFF && !is_surrogate) {
            lexer->at++;
            *out_size += ft_utf8_put(value, out + *out_size);
            return true;
        }
    }
    ft_expr_syntax_error(err, from - 2, 2, "`\\u` wants a code point in braces");
    ft_hint(err, "Write `\\u{20AC}`.");
    return false;
}

static bool read_escape(ft_lexer *lexer, char *out, size_t *out_size, ft_error *err)
{
    static const char names[] = "nrtabfv\\\"'";
    static const char values[] = "\n\r\t\a\b\f\v\\\"'";
    char c = lexer->at < lexer->text.size ? lexer->text.data[lexer->at] : 0;
    const char *found = c ? strchr(names, c) : NULL;

    if (found) {
        out[(*out_size)++] = values[found - names];
        lexer->at++;
        return true;
    }
    if (c == 'u') {
        lexer->at++;
        return read_code_point(lexer, out, out_size, err);
    }
    ft_expr_syntax_error(err, lexer->at - 1, c ? 2 : 1, "unrecognized escape in a text");
    ft_hint(err, "%s",
            "Known are \\n \\r \\t \\a \\b \\f \\v \\\\ \\\" \\' and \\u{XXXX}; a backslash itself "
            "is `\\\\`.");
    return false;
}

static bool read_string(ft_lexer *lexer, ft_word *out, ft_error *err)
{
    size_t from = lexer->at, size = 0;
    char quote = lexer->text.data[lexer->at++];
    // An escape is never shorter than what it stands for.
    char *text = ft_arena_alloc(lexer->arena, lexer->text.size - from);

    if (!text)
        return ft_fail_nomem(err, lexer->text.size - from);
    while (lexer->at < lexer->text.size) {
        char c = lexer->text.data[lexer->at++];
        if (c == quote) {
            out->kind = FT_WORD_STRING;
            out->text = (ft_slice){text, size};
            return true;
        }
        if (c != '\\')
            text[size++] = c;
        else if (!read_escape(lexer, text, &size, err))
            return false;
    }
    ft_expr_syntax_error(err, from, lexer->text.size - from, "this text has no closing %c", quote);
    ft_hint(err, "%s",
            "In YAML, an expression with quotes at both ends loses them: "
            "put the other kind around it.");
    return false;
}

static void read_name(ft_lexer *lexer, ft_word *out)
{
    static const char *const words[] = {"and", "or", "not"};
    size_t from = lexer->at;

    while (lexer->at < lexer->text.size &&
           (is_name_start(lexer->text.data[lexer->at]) || is_digit(lexer->text.data[lexer->at])))
        lexer->at++;
    out->kind = FT_WORD_NAME;
    out->text = (ft_slice){lexer->text.data + from, lexer->at - from};
    for (size_t i = 0; i < FT_COUNT_OF(words); i++)
        if (ft_slice_is(out->text, words[i]))
            out->kind = FT_WORD_SIGN;
}

// Names may hold letters of any script, not signs: a curly quote is no name.
static bool is_sign_point(ft_slice rest)
{
    size_t at = 0;
    uint32_t point = ft_utf8_next(rest, &at);

    return (point >= 0x2000 && point <= 0x2BFF) || point == 0xA0 || point == 0xFEFF ||
           (point >= 0x3000 && point <= 0x3003);
}

bool ft_lexer_next(ft_lexer *lexer, ft_word *out, ft_error *err)
{
    ft_slice text = lexer->text;
    bool ok = true;

    while (lexer->at < text.size && strchr(" \t\r\n", text.data[lexer->at]) && text.data[lexer->at])
        lexer->at++;
    size_t from = lexer->at;
    *out = (ft_word){.kind = FT_WORD_END, .offset = from};
    if (from == text.size)
        return true;
    char c = text.data[from];
    bool is_fraction = c == '.' && from + 1 < text.size && is_digit(text.data[from + 1]);
    if (is_digit(c) || is_fraction)
        ok = read_number(lexer, out, err);
    else if (c == '"' || c == '\'')
        ok = read_string(lexer, out, err);
    else if ((c & 0x80) && is_sign_point((ft_slice){text.data + from, text.size - from}))
        ok = fail_unknown(lexer, err);
    else if (is_name_start(c))
        read_name(lexer, out);
    else
        ok = read_sign(lexer, out, err);
    out->offset = from;
    out->length = lexer->at - from;
    return ok;
}
