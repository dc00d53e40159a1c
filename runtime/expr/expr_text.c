// Kernels for text: case, trimming, searching, cutting and joining. All of them keep valid UTF-8
// valid.
//
// lower and upper use Unicode's simple mapping, one code point for one (so ß stays, and İ becomes
// i). match is a POSIX extended regular expression, compiled once when the plan is made; it works
// on bytes (no locale is set), so `.` is one byte of a longer character. regcomp and regexec take
// their memory from libc, not from our door: patterns are bounded, for a hostile one could ask for
// any amount.
#include "runtime/expr/expr_routine.h"

#include <regex.h>
#include <string.h>

static bool append_text(ft_expr_context *context, ft_slice a, ft_slice b, ft_slice *out,
                        ft_error *err)
{
    char *joined = ft_expr_text_alloc(context, a.size + b.size, err);

    if (!joined)
        return false;
    if (a.size)
        memcpy(joined, a.data, a.size);
    if (b.size)
        memcpy(joined + a.size, b.data, b.size);
    *out = (ft_slice){joined, a.size + b.size};
    return true;
}

bool ft_kernel_concat(ft_expr_context *context, const ft_expr_call *call, ft_error *err)
{
    const ft_slice *a = ft_vector_texts(&call->args[0]), *b = ft_vector_texts(&call->args[1]);

    for (size_t i = 0; i < context->count; i++) {
        bool ok = true;
        if (ft_expr_counts(context, i))
            ok = append_text(context, a[i], b[i], &ft_vector_texts(call->out)[i], err);
        else
            ft_vector_texts(call->out)[i] = (ft_slice){0};
        if (!ok)
            return false;
    }
    return true;
}

// ---- case ----

enum { ASCII_STEP = 16 };  // A width that compilers make one vector of.

static bool is_ascii(const char *text)
{
    char bits = 0;

    for (size_t k = 0; k < ASCII_STEP; k++)
        bits |= text[k];
    return !(bits & 0x80);
}

// `first` is the first letter of the case that is changed.
static char flip(char c, char first)
{
    return (char)(c ^ ((unsigned char)(c - first) < 26 ? 32 : 0));
}

static bool change_case(ft_expr_context *context, ft_slice text, uint32_t (*map)(uint32_t),
                        ft_slice *out, ft_error *err)
{
    char first = map == ft_case_upper ? 'a' : 'A';
    // A character of one or two bytes may become one of three; longer ones do not grow.
    size_t bound = text.size + text.size / 2 + 4;
    char *made = ft_expr_text_alloc(context, bound, err);
    size_t size = 0, at = 0;

    if (!made)
        return false;
    while (at < text.size) {
        if (text.size - at >= ASCII_STEP && is_ascii(text.data + at)) {
            for (size_t k = 0; k < ASCII_STEP; k++)
                made[size + k] = flip(text.data[at + k], first);
            size += ASCII_STEP;
            at += ASCII_STEP;
            continue;
        }
        if (!(text.data[at] & 0x80)) {
            made[size++] = flip(text.data[at++], first);
            continue;
        }
        uint32_t point = map(ft_utf8_next(text, &at));
        size += ft_utf8_put(point, made + size);
        FT_ASSERT(size <= bound);
    }
    *out = (ft_slice){made, size};
    return true;
}

static bool change_cases(ft_expr_context *context, const ft_expr_call *call,
                         uint32_t (*map)(uint32_t), ft_error *err)
{
    for (size_t i = 0; i < context->count; i++) {
        ft_slice *out = &ft_vector_texts(call->out)[i];
        *out = (ft_slice){0};
        if (ft_expr_counts(context, i) &&
            !change_case(context, ft_vector_texts(&call->args[0])[i], map, out, err))
            return false;
    }
    return true;
}

bool ft_kernel_lower(ft_expr_context *context, const ft_expr_call *call, ft_error *err)
{
    return change_cases(context, call, ft_case_lower, err);
}

bool ft_kernel_upper(ft_expr_context *context, const ft_expr_call *call, ft_error *err)
{
    return change_cases(context, call, ft_case_upper, err);
}

bool ft_kernel_trim(ft_expr_context *context, const ft_expr_call *call, ft_error *err)
{
    (void)err;
    for (size_t i = 0; i < context->count; i++)
        ft_vector_texts(call->out)[i] = ft_slice_trim(ft_vector_texts(&call->args[0])[i]);
    return true;
}

// ---- hash, starts, ends ----

bool ft_kernel_hash(ft_expr_context *context, const ft_expr_call *call, ft_error *err)
{
    ft_type type = call->node->args[0]->type;
    size_t size = ft_vector_item_bytes(type);

    (void)err;
    for (size_t i = 0; i < context->count; i++) {
        const char *number = (const char *)call->args[0].data + i * size;
        ft_slice value = size == sizeof(ft_slice) ? ft_vector_texts(&call->args[0])[i]
                                                  : (ft_slice){number, size};
        ft_vector_ints(call->out)[i] = (int64_t)(ft_hash(value, 0) & INT64_MAX);
    }
    return true;
}

bool ft_kernel_starts(ft_expr_context *context, const ft_expr_call *call, ft_error *err)
{
    const ft_slice *a = ft_vector_texts(&call->args[0]), *b = ft_vector_texts(&call->args[1]);

    (void)err;
    for (size_t i = 0; i < context->count; i++)
        ft_vector_bools(call->out)[i] = ft_slice_starts_with(a[i], b[i]);
    return true;
}

bool ft_kernel_ends(ft_expr_context *context, const ft_expr_call *call, ft_error *err)
{
    const ft_slice *a = ft_vector_texts(&call->args[0]), *b = ft_vector_texts(&call->args[1]);

    (void)err;
    for (size_t i = 0; i < context->count; i++)
        ft_vector_bools(call->out)[i] = ft_slice_ends_with(a[i], b[i]);
    return true;
}

// Where `part` first stands in `text` from `from` on; text.size when nowhere. Linear but for
// unlikely repeats of the first byte.
static size_t find_from(ft_slice text, ft_slice part, size_t from)
{
    if (part.size == 0)
        return from;
    while (from < text.size && part.size <= text.size - from) {
        const char *found =
            memchr(text.data + from, part.data[0], text.size - from - part.size + 1);
        if (!found)
            break;
        if (memcmp(found, part.data, part.size) == 0)
            return (size_t)(found - text.data);
        from = (size_t)(found - text.data) + 1;
    }
    return text.size;
}

static bool list_contains(const ft_span *list, ft_slice wanted)
{
    for (size_t j = 0; j < list->count; j++) {
        ft_slice element = {list->base + list->inner[j],
                            (size_t)(list->inner[j + 1] - list->inner[j])};
        if (ft_slice_equal(element, wanted))
            return true;
    }
    return false;
}

bool ft_kernel_contains(ft_expr_context *context, const ft_expr_call *call, ft_error *err)
{
    const ft_slice *wanted = ft_vector_texts(&call->args[1]);
    bool in_list = call->node->args[0]->type.list;

    (void)err;
    for (size_t i = 0; i < context->count; i++) {
        bool *out = &ft_vector_bools(call->out)[i];
        *out = false;
        if (!ft_expr_counts(context, i))
            continue;
        if (in_list) {
            *out = list_contains(&ft_vector_spans(&call->args[0])[i], wanted[i]);
            continue;
        }
        ft_slice text = ft_vector_texts(&call->args[0])[i];
        *out = wanted[i].size == 0 || find_from(text, wanted[i], 0) < text.size;
    }
    return true;
}

// ---- match ----

enum { PATTERN_BYTES_MAX = 1024, PATTERN_DEPTH_MAX = 32, PATTERN_REPEATS_MAX = 1000 };

static bool fail_pattern(ft_error *err, const ft_expr_node *pattern, const char *why)
{
    ft_fail(err, FT_ERROR_USAGE, "this pattern is not one that `match` takes: %s", why);
    ft_hint(err,
            "`match` takes POSIX extended regular expressions: [0-9]+ where others write \\d+.");
    err->number = 401;
    err->offset = pattern->offset;
    err->length = pattern->length;
    return false;
}

// What regcomp would take without complaint, and never come back from.
static const char *find_pattern_fault(ft_slice pattern)
{
    int64_t repeats = 1;
    size_t depth = 0;

    if (pattern.size > PATTERN_BYTES_MAX)
        return "it is longer than 1024 bytes";
    for (size_t i = 0; i < pattern.size; i++) {
        char c = pattern.data[i];
        if (c == 0)
            return "it has a NUL byte";
        if (c == '\\' && i + 1 < pattern.size) {
            c = pattern.data[++i];
            bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
            if (is_letter || (c >= '0' && c <= '9'))
                return "a backslash may only stand before a sign";
            continue;
        }
        depth += c == '(';
        depth -= c == ')' && depth > 0;
        if (depth > PATTERN_DEPTH_MAX)
            return "its parentheses are nested more than 32 deep";
        if (c != '{')
            continue;
        int64_t count = 0;
        for (size_t k = i + 1; k < pattern.size && pattern.data[k] != '}'; k++) {
            bool is_digit = pattern.data[k] >= '0' && pattern.data[k] <= '9';
            count = is_digit && count < 100000 ? count * 10 + (pattern.data[k] - '0') : 0;
            if (count > PATTERN_REPEATS_MAX)
                return "it repeats more than 1000 times";
        }
        // Counts of nested groups multiply; all are taken as nested.
        repeats *= count > 1 ? count : 2;
        if (repeats > PATTERN_REPEATS_MAX)
            return "its repeats multiply to more than 1000";
    }
    return NULL;
}

static void free_pattern(void *pattern)
{
    regfree(pattern);
}

bool ft_prepare_pattern(ft_arena *arena, ft_expr_node *node, ft_error *err)
{
    const ft_expr_node *pattern = node->args[1];
    const char *fault = find_pattern_fault(pattern->text);

    if (fault)
        return fail_pattern(err, pattern, fault);
    char *text = ft_arena_text(arena, pattern->text);
    regex_t *made = ft_arena_zero(arena, 1, sizeof(*made));
    if (!text || !made)
        return ft_fail_nomem(err, sizeof(*made));
    int code = regcomp(made, text, REG_EXTENDED | REG_NOSUB);
    if (code == REG_ESPACE)
        return ft_fail_nomem(err, pattern->text.size);
    if (code) {
        char why[128];
        regerror(code, made, why, sizeof(why));
        return fail_pattern(err, pattern, why);
    }
    if (!ft_arena_defer(arena, free_pattern, made)) {
        regfree(made);
        return ft_fail_nomem(err, sizeof(*made));
    }
    node->prepared = made;
    return true;
}

bool ft_kernel_match(ft_expr_context *context, const ft_expr_call *call, ft_error *err)
{
    const regex_t *pattern = call->node->prepared;
    char *copy = NULL;
    size_t capacity = 0;

    for (size_t i = 0; i < context->count; i++) {
        ft_slice text = ft_vector_texts(&call->args[0])[i];
        ft_vector_bools(call->out)[i] = false;
        if (!ft_expr_counts(context, i))
            continue;
        if (text.size && memchr(text.data, 0, text.size)) {
            ft_expr_item_fail(context, call->node, i,
                              "this text has a NUL byte, which `match` cannot see past");
            continue;
        }
        if (text.size >= capacity) {
            capacity = text.size * 2 + 256;
            copy = ft_expr_text_alloc(context, capacity, err);
            if (!copy)
                return false;
        }
        if (text.size)
            memcpy(copy, text.data, text.size);
        copy[text.size] = 0;
        int code = regexec(pattern, copy, 0, NULL, 0);
        if (code == REG_ESPACE)
            return ft_fail_nomem(err, text.size);
        ft_vector_bools(call->out)[i] = code == 0;
    }
    return true;
}

// ---- replace, sub, repeat ----

static bool replace_all(ft_expr_context *context, ft_slice text, ft_slice from, ft_slice to,
                        ft_slice *out, ft_error *err)
{
    size_t hits = 0, at, size, grown;

    *out = text;
    if (from.size == 0)
        return true;
    for (at = find_from(text, from, 0); at < text.size; at = find_from(text, from, at + from.size))
        hits++;
    if (!hits)
        return true;
    if (FT_MUL_OVERFLOWS(hits, to.size, &grown) ||
        FT_ADD_OVERFLOWS(text.size - hits * from.size, grown, &size))
        return ft_fail_nomem(err, SIZE_MAX);
    char *made = ft_expr_text_alloc(context, size, err);
    if (!made)
        return false;
    size_t done = 0, last = 0;
    for (at = find_from(text, from, 0); at < text.size; at = find_from(text, from, last)) {
        memcpy(made + done, text.data + last, at - last);
        done += at - last;
        if (to.size)
            memcpy(made + done, to.data, to.size);
        done += to.size;
        last = at + from.size;
    }
    memcpy(made + done, text.data + last, text.size - last);
    *out = (ft_slice){made, size};
    return true;
}

bool ft_kernel_replace(ft_expr_context *context, const ft_expr_call *call, ft_error *err)
{
    for (size_t i = 0; i < context->count; i++) {
        ft_vector_texts(call->out)[i] = (ft_slice){0};
        if (ft_expr_counts(context, i) &&
            !replace_all(context, ft_vector_texts(&call->args[0])[i],
                         ft_vector_texts(&call->args[1])[i], ft_vector_texts(&call->args[2])[i],
                         &ft_vector_texts(call->out)[i], err))
            return false;
    }
    return true;
}

// As string.sub in Lua, but in code points: from 1, negative counts from the end, both ends
// included.
static ft_slice sub_text(ft_slice text, int64_t from, int64_t to)
{
    int64_t length = from < 0 || to < 0 ? (int64_t)ft_utf8_count(text) : INT64_MAX;
    size_t at = 0, begin;
    int64_t number = 1;

    from = from < 0 ? from + length + 1 : from;
    to = to < 0 ? to + length + 1 : to;
    from = from < 1 ? 1 : from;
    for (; number < from && at < text.size; number++)
        ft_utf8_next(text, &at);
    begin = at;
    for (; number <= to && at < text.size; number++)
        ft_utf8_next(text, &at);
    return (ft_slice){text.data + begin, at - begin};
}

bool ft_kernel_sub(ft_expr_context *context, const ft_expr_call *call, ft_error *err)
{
    (void)err;
    for (size_t i = 0; i < context->count; i++) {
        ft_vector_texts(call->out)[i] = (ft_slice){0};
        if (!ft_expr_counts(context, i))
            continue;
        int64_t to = call->node->arg_count > 2 ? ft_vector_ints(&call->args[2])[i] : -1;
        ft_vector_texts(call->out)[i] =
            sub_text(ft_vector_texts(&call->args[0])[i], ft_vector_ints(&call->args[1])[i], to);
    }
    return true;
}

enum { REPEAT_BYTES_MAX = 256 * 1024 * 1024 };

bool ft_kernel_repeat(ft_expr_context *context, const ft_expr_call *call, ft_error *err)
{
    for (size_t i = 0; i < context->count; i++) {
        ft_slice text = ft_vector_texts(&call->args[0])[i];
        int64_t times = ft_vector_ints(&call->args[1])[i];
        size_t size;
        ft_vector_texts(call->out)[i] = (ft_slice){0};
        if (!ft_expr_counts(context, i) || times <= 0 || text.size == 0)
            continue;
        if (FT_MUL_OVERFLOWS(text.size, (size_t)times, &size) || size > REPEAT_BYTES_MAX) {
            ft_expr_item_fail(context, call->node, i, "the text would be longer than 256 MiB");
            continue;
        }
        char *made = ft_expr_text_alloc(context, size, err);
        if (!made)
            return false;
        for (size_t at = 0; at < size; at += text.size)
            memcpy(made + at, text.data, text.size);
        ft_vector_texts(call->out)[i] = (ft_slice){made, size};
    }
    return true;
}

// ---- lists of text ----

// Cuts at `separator`; without one, at runs of white space, and empty parts are left out.
static bool cut(ft_expr_context *context, ft_slice text, ft_slice separator, ft_span *out,
                ft_error *err)
{
    bool at_space = separator.size == 0;
    size_t parts = 1, at;

    *out = (ft_span){.inner = NULL};
    if (at_space)
        for (size_t i = 0; i < text.size; i++)
            parts += strchr(" \t\r\n\f\v", text.data[i]) != NULL;
    else
        for (at = find_from(text, separator, 0); at < text.size;
             at = find_from(text, separator, at + separator.size))
            parts++;
    int32_t *inner = (int32_t *)(void *)ft_expr_text_alloc(context, (parts + 1) * 4, err);
    char *made = inner ? ft_expr_text_alloc(context, text.size, err) : NULL;
    if (!made)
        return false;
    size_t size = 0, count = 0, from = 0;
    inner[0] = 0;
    while (from <= text.size && count < parts) {
        size_t end = from, next;
        if (at_space)
            while (end < text.size && !strchr(" \t\r\n\f\v", text.data[end]))
                end++;
        else
            end = find_from(text, separator, from);
        next = end + (at_space ? 1 : separator.size);
        if (end > from)
            memcpy(made + size, text.data + from, end - from);
        size += end - from;
        if (end > from || !at_space)
            inner[++count] = (int32_t)size;
        from = next;
    }
    *out = (ft_span){made, inner, count};
    return true;
}

static bool cut_all(ft_expr_context *context, const ft_expr_call *call, ft_error *err)
{
    for (size_t i = 0; i < context->count; i++) {
        ft_slice separator =
            call->node->arg_count > 1 ? ft_vector_texts(&call->args[1])[i] : (ft_slice){0};
        ft_slice text = ft_vector_texts(&call->args[0])[i];
        ft_vector_spans(call->out)[i] = (ft_span){0};
        if (!ft_expr_counts(context, i))
            continue;
        if (call->node->arg_count > 1 && separator.size == 0) {
            ft_expr_item_fail(context, call->node, i, "`split` cannot cut at an empty text");
            ft_expr_item_hint(context, "Leave it away to cut at white space.");
            continue;
        }
        if (text.size > INT32_MAX / 4) {
            ft_expr_item_fail(context, call->node, i, "a text of %zu bytes is too long for a list",
                              text.size);
            continue;
        }
        if (!cut(context, text, separator, &ft_vector_spans(call->out)[i], err))
            return false;
    }
    return true;
}

bool ft_kernel_split(ft_expr_context *context, const ft_expr_call *call, ft_error *err)
{
    return cut_all(context, call, err);
}

bool ft_kernel_words_of(ft_expr_context *context, const ft_expr_call *call, ft_error *err)
{
    return cut_all(context, call, err);
}

static bool join(ft_expr_context *context, const ft_span *list, ft_slice between, ft_slice *out,
                 ft_error *err)
{
    size_t size;

    *out = (ft_slice){0};
    if (list->count == 0)
        return true;
    if (FT_MUL_OVERFLOWS(between.size, list->count - 1, &size) ||
        FT_ADD_OVERFLOWS(size, (size_t)(list->inner[list->count] - list->inner[0]), &size))
        return ft_fail_nomem(err, SIZE_MAX);
    char *made = ft_expr_text_alloc(context, size, err);
    if (!made)
        return false;
    size_t at = 0;
    for (size_t j = 0; j < list->count; j++) {
        size_t element = (size_t)(list->inner[j + 1] - list->inner[j]);
        if (j && between.size) {
            memcpy(made + at, between.data, between.size);
            at += between.size;
        }
        if (element)
            memcpy(made + at, list->base + list->inner[j], element);
        at += element;
    }
    *out = (ft_slice){made, size};
    return true;
}

bool ft_kernel_join(ft_expr_context *context, const ft_expr_call *call, ft_error *err)
{
    for (size_t i = 0; i < context->count; i++) {
        ft_slice between =
            call->node->arg_count > 1 ? ft_vector_texts(&call->args[1])[i] : FT_SLICE(" ");
        ft_vector_texts(call->out)[i] = (ft_slice){0};
        if (ft_expr_counts(context, i) && !join(context, &ft_vector_spans(&call->args[0])[i],
                                                between, &ft_vector_texts(call->out)[i], err))
            return false;
    }
    return true;
}
