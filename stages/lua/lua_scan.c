// Words first (strings and comments are single words or none), then the word `item` and what
// follows.
//
// Counted as written: `item.a =`, and each of `item.a, item.b = 1, 2`. A whole `item` may stand
// behind `return` or in `item:method(`; anywhere else every field may be read.
#include "stages/lua/lua_scan.h"

#include <string.h>

typedef enum token_kind { TOKEN_NAME, TOKEN_STRING, TOKEN_SYMBOL } token_kind;

typedef struct token {
    token_kind kind;
    ft_slice text;  // Strings: without quotes.
    size_t at;
} token;

typedef struct lexer {
    ft_slice text;
    size_t at;
    token *tokens;
    size_t count;
} lexer;

static char peek(const lexer *in, size_t ahead)
{
    return in->at + ahead < in->text.size ? in->text.data[in->at + ahead] : '\0';
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// At a `[`: the number of `=` of a long bracket, or -1 when it is not one.
static int long_level(const lexer *in)
{
    size_t i = 1;

    while (peek(in, i) == '=')
        i++;
    return peek(in, i) == '[' ? (int)i - 1 : -1;
}

// Behind the long bracket that starts here; `*out_text` is what stands in it.
static void skip_long(lexer *in, int level, ft_slice *out_text)
{
    size_t from = in->at + (size_t)level + 2;

    for (in->at = from; in->at < in->text.size; in->at++) {
        int equals = 0;
        if (peek(in, 0) != ']')
            continue;
        while (peek(in, (size_t)equals + 1) == '=')
            equals++;
        if (equals == level && peek(in, (size_t)level + 1) == ']')
            break;
        in->at += (size_t)equals;
    }
    *out_text = (ft_slice){in->text.data + (from < in->at ? from : in->at),
                           in->at > from ? in->at - from : 0};
    in->at += (size_t)level + 2;
}

static void skip_comment(lexer *in)
{
    ft_slice ignored;

    in->at += 2;
    int level = peek(in, 0) == '[' ? long_level(in) : -1;
    if (level >= 0)
        skip_long(in, level, &ignored);
    else
        while (in->at < in->text.size && peek(in, 0) != '\n')
            in->at++;
}

static void skip_quoted(lexer *in, ft_slice *out_text)
{
    char quote = peek(in, 0);
    size_t from = ++in->at;

    while (in->at < in->text.size && peek(in, 0) != quote && peek(in, 0) != '\n')
        in->at += peek(in, 0) == '\\' ? 2 : 1;
    if (in->at > in->text.size)
        in->at = in->text.size;
    *out_text = (ft_slice){in->text.data + from, in->at - from};
    in->at++;
}

static void read_token(lexer *in)
{
    token *next = &in->tokens[in->count];
    char c = peek(in, 0);
    size_t from = in->at;
    int level = c == '[' ? long_level(in) : -1;

    next->at = from;
    if (c == '-' && peek(in, 1) == '-') {
        skip_comment(in);
        return;
    }
    if (c == ' ' || (c >= '\t' && c <= '\r')) {
        in->at++;
        return;
    }
    in->count++;
    if (level >= 0) {
        next->kind = TOKEN_STRING;
        skip_long(in, level, &next->text);
    } else if (c == '"' || c == '\'') {
        next->kind = TOKEN_STRING;
        skip_quoted(in, &next->text);
    } else if (is_name_char(c)) {
        next->kind = TOKEN_NAME;
        while (is_name_char(peek(in, 0)))
            in->at++;
        next->text = (ft_slice){in->text.data + from, in->at - from};
    } else {
        bool is_pair = (strchr("=<>~", c) && peek(in, 1) == '=') ||
                       (c == '.' && peek(in, 1) == '.') || (c == ':' && peek(in, 1) == ':');
        next->kind = TOKEN_SYMBOL;
        in->at += is_pair ? 2 : 1;
        next->text = (ft_slice){in->text.data + from, in->at - from};
    }
}

static bool is_symbol(const lexer *in, size_t at, const char *text)
{
    return at < in->count && in->tokens[at].kind == TOKEN_SYMBOL &&
           ft_slice_is(in->tokens[at].text, text);
}

static bool is_word(const lexer *in, size_t at, const char *text)
{
    return at < in->count && in->tokens[at].kind == TOKEN_NAME &&
           ft_slice_is(in->tokens[at].text, text);
}

// `.NAME` or `["NAME"]` at `at`: how many tokens, or 0; `*out_name` is the name's token.
static size_t member_at(const lexer *in, size_t at, size_t *out_name)
{
    *out_name = at + 1;
    if (at + 1 >= in->count)
        return 0;
    if (is_symbol(in, at, ".") && in->tokens[at + 1].kind == TOKEN_NAME)
        return 2;
    if (is_symbol(in, at, "[") && in->tokens[at + 1].kind == TOKEN_STRING &&
        is_symbol(in, at + 2, "]"))
        return 3;
    return 0;
}

// Does an `=` follow, directly or behind other targets of the same assignment?
static bool is_target(const lexer *in, size_t at)
{
    size_t name;

    while (is_symbol(in, at, ",") && at + 1 < in->count && in->tokens[at + 1].kind == TOKEN_NAME) {
        at += 2;
        for (size_t size; (size = member_at(in, at, &name)) > 0;)
            at += size;
    }
    return is_symbol(in, at, "=");
}

static void add(ft_slice *names, size_t *count, ft_slice name)
{
    for (size_t i = 0; i < *count; i++)
        if (ft_slice_equal(names[i], name))
            return;
    names[(*count)++] = name;
}

static void look_at_item(const lexer *in, size_t at, ft_lua_scan *out)
{
    size_t name, inner_name;
    size_t size = member_at(in, at + 1, &name);

    if (is_symbol(in, at + 1, ":"))
        return;
    if (size == 0) {
        bool is_returned = at > 0 && is_word(in, at - 1, "return") && !is_symbol(in, at + 1, "[") &&
                           !is_symbol(in, at + 1, "..");
        out->reads_any |= !is_returned;
        return;
    }
    size_t behind = at + 1 + size;
    ft_slice field = in->tokens[name].text;
    if (is_target(in, behind)) {
        add(out->written, &out->written_count, field);
        return;
    }
    size_t inner = member_at(in, behind, &inner_name);
    if (inner && !out->has_inner && is_symbol(in, behind + inner, "=")) {
        out->has_inner = true;
        out->inner = field;
        out->inner_at = in->tokens[at].at;
    }
    add(out->read, &out->read_count, field);
}

// `{NAME =` and `, NAME =`.
static bool is_key(const lexer *in, size_t at)
{
    return at > 0 && in->tokens[at].kind == TOKEN_NAME && is_symbol(in, at + 1, "=") &&
           (is_symbol(in, at - 1, "{") || is_symbol(in, at - 1, ",") || is_symbol(in, at - 1, ";"));
}

bool ft_lua_scan_text(ft_slice text, ft_arena *arena, ft_lua_scan *out, ft_error *err)
{
    lexer words = {.text = text};
    size_t items = 0, keys = 0;

    *out = (ft_lua_scan){0};
    // Every token takes a byte at least.
    words.tokens = ft_arena_zero(arena, text.size + 1, sizeof(token));
    if (!words.tokens)
        return ft_fail_nomem(err, (text.size + 1) * sizeof(token));
    while (words.at < text.size)
        read_token(&words);
    for (size_t i = 0; i < words.count; i++) {
        items += is_word(&words, i, "item");
        keys += is_key(&words, i);
    }
    out->keys = ft_arena_zero(arena, keys + 1, sizeof(ft_slice));
    out->written = ft_arena_zero(arena, items + 1, sizeof(ft_slice));
    out->read = ft_arena_zero(arena, items + 1, sizeof(ft_slice));
    if (!out->keys || !out->written || !out->read)
        return ft_fail_nomem(err, (items + 1) * sizeof(ft_slice));
    for (size_t i = 0; i < words.count; i++) {
        bool is_member = i > 0 && (is_symbol(&words, i - 1, ".") || is_symbol(&words, i - 1, ":"));
        if (is_key(&words, i))
            out->keys[out->key_count++] = words.tokens[i].text;
        if (is_word(&words, i, "item") && !is_member)
            look_at_item(&words, i, out);
    }
    return true;
}
