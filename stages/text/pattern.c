// Literals, runs of one class, and the choice between these, the grammars and Oniguruma.
#include "stages/text/pattern.h"

#include <string.h>

#include "stages/text/category.h"
#include "stages/text/pattern_onig.h"
#include "stages/text/token_image.h"
#include "stages/text/word_grammar.h"

typedef enum pattern_kind { LITERAL, GRAMMAR, RUN, ONIGURUMA } pattern_kind;

// Between `min` and `max` characters of one class, as many as there are.
typedef struct run {
    const char *source;
    unsigned set;              // Categories, or else:
    uint32_t first, last;      // A range of code points,
    uint32_t first_2, last_2;  // and another.
    size_t min, max;
} run;

struct ft_pattern {
    pattern_kind kind;
    ft_slice source;
    const ft_grammar *grammar;
    const run *run;
    void *regex;
};

static const run runs[] = {
    {"\\s+", .set = FT_SET_WHITE, .min = 1, .max = SIZE_MAX},
    {"\\s", .set = FT_SET_WHITE, .min = 1, .max = 1},
    {"\\p{N}+", .set = FT_SET_NUMBER, .min = 1, .max = SIZE_MAX},
    {"\\p{N}{1,3}", .set = FT_SET_NUMBER, .min = 1, .max = 3},
    {"\\p{N}", .set = FT_SET_NUMBER, .min = 1, .max = 1},
    {"\\p{L}+", .set = FT_SET_LETTER, .min = 1, .max = SIZE_MAX},
    {" ", .first = ' ', .last = ' ', .min = 1, .max = 1},
    {" +", .first = ' ', .last = ' ', .min = 1, .max = SIZE_MAX},
    {" {2,}", .first = ' ', .last = ' ', .min = 2, .max = SIZE_MAX},
    {"[0-9]", .first = '0', .last = '9', .min = 1, .max = 1},
    {"[0-9]+", .first = '0', .last = '9', .min = 1, .max = SIZE_MAX},
    {"[0-9][0-9][0-9]", .first = '0', .last = '9', .min = 3, .max = 3},
    {"[0-9]{1,3}", .first = '0', .last = '9', .min = 1, .max = 3},
    {"\n", .first = '\n', .last = '\n', .min = 1, .max = 1},
    {"\\n", .first = '\n', .last = '\n', .min = 1, .max = 1},
    {"[\r\n]", .first = '\n', .last = '\n', .first_2 = '\r', .last_2 = '\r', .min = 1, .max = 1},
    {"[\\r\\n]", .first = '\n', .last = '\n', .first_2 = '\r', .last_2 = '\r', .min = 1, .max = 1},
    // DeepSeek V3.
    {"[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+", .first = 0x4e00, .last = 0x9fa5,
     .first_2 = 0x3040, .last_2 = 0x30ff, .min = 1, .max = SIZE_MAX},
};

static bool make(ft_arena *arena, ft_slice source, ft_pattern **out, ft_error *err)
{
    ft_pattern *pattern = ft_arena_zero(arena, 1, sizeof(*pattern));
    char *copy = ft_arena_text(arena, source);

    if (!pattern || !copy)
        return ft_fail(err, FT_ERROR_NOMEM, "out of memory for a tokenizer's pattern");
    pattern->source = (ft_slice){copy, source.size};
    *out = pattern;
    return true;
}

bool ft_pattern_literal(ft_slice text, ft_arena *arena, const ft_pattern **out, ft_error *err)
{
    ft_pattern *pattern;

    if (!make(arena, text, &pattern, err))
        return false;
    pattern->kind = LITERAL;
    *out = pattern;
    return true;
}

bool ft_pattern_regex(ft_slice source, const char *path, const char *place, ft_arena *arena,
                      const ft_pattern **out, ft_error *err)
{
    ft_pattern *pattern;

    if (source.size > FT_PATTERN_BYTES_MAX)
        return ft_fail(err, FT_ERROR_DATA,
                       "`%s`, at `%s`: a regular expression of %zu bytes; at most %d are taken",
                       path, place, source.size, FT_PATTERN_BYTES_MAX);
    if (!make(arena, source, &pattern, err))
        return false;
    *out = pattern;
    pattern->grammar = ft_grammar_of_regex(source);
    if (pattern->grammar) {
        pattern->kind = GRAMMAR;
        return true;
    }
    for (size_t i = 0; i < FT_COUNT_OF(runs); i++) {
        if (ft_slice_is(source, runs[i].source)) {
            pattern->kind = RUN;
            pattern->run = &runs[i];
            return true;
        }
    }
    pattern->kind = ONIGURUMA;
    return ft_onig_compile(source, path, place, arena, &pattern->regex, err);
}

const ft_grammar *ft_pattern_grammar(const ft_pattern *pattern)
{
    return pattern->grammar;
}

bool ft_pattern_is(const ft_pattern *pattern, ft_slice source)
{
    return pattern->kind != LITERAL && ft_slice_equal(pattern->source, source);
}

bool ft_pattern_is_literal(const ft_pattern *pattern, ft_slice text)
{
    return pattern->kind == LITERAL && ft_slice_equal(pattern->source, text);
}

static bool next_literal(ft_slice literal, ft_slice text, size_t from, size_t *start, size_t *end)
{
    const char *at = text.data + from, *stop = text.data + text.size;

    if (literal.size == 0) {
        *start = *end = from;
        return true;
    }
    while ((size_t)(stop - at) >= literal.size) {
        size_t places = (size_t)(stop - at) - literal.size + 1;
        at = memchr(at, literal.data[0], places);
        if (!at)
            return false;
        if (memcmp(at, literal.data, literal.size) == 0) {
            *start = (size_t)(at - text.data);
            *end = *start + literal.size;
            return true;
        }
        at++;
    }
    return false;
}

static bool is_of(const run *of, uint32_t c)
{
    if (of->set)
        return ft_category_bit(c) & of->set;
    return (c >= of->first && c <= of->last) || (c >= of->first_2 && c <= of->last_2 && c > 0);
}

static bool next_run(const run *of, ft_slice text, size_t from, size_t *start, size_t *end)
{
    const uint8_t *bytes = (const uint8_t *)text.data;

    while (from < text.size) {
        size_t at = from, next = from, taken = 0;
        while (taken < of->max && at < text.size && is_of(of, ft_unicode_next(bytes, &next))) {
            at = next;
            taken++;
        }
        if (taken >= of->min) {
            *start = from;
            *end = at;
            return true;
        }
        // Too few: none of them begins a match, nor does the one behind, which is of another class.
        from = next;
    }
    return false;
}

static bool next_word(const ft_grammar *grammar, ft_slice text, size_t from, size_t *start,
                      size_t *end)
{
    while (from < text.size) {
        *end = ft_grammar_match(grammar, text, from);
        *start = from;
        if (*end > from)
            return true;
        ft_unicode_next((const uint8_t *)text.data, &from);
    }
    return false;
}

bool ft_pattern_next(const ft_pattern *pattern, ft_slice text, size_t from, bool *found,
                     size_t *out_start, size_t *out_end, ft_error *err)
{
    switch (pattern->kind) {
    case LITERAL:
        *found = next_literal(pattern->source, text, from, out_start, out_end);
        break;
    case GRAMMAR:
        *found = next_word(pattern->grammar, text, from, out_start, out_end);
        break;
    case RUN:
        *found = next_run(pattern->run, text, from, out_start, out_end);
        break;
    case ONIGURUMA:
        return ft_onig_next(pattern->regex, text, from, found, out_start, out_end, err);
    }
    return true;
}

bool ft_pattern_step(const ft_pattern *pattern, ft_slice text, ft_matches *matches, bool *found,
                     size_t *out_start, size_t *out_end, ft_error *err)
{
    *found = false;
    while (matches->at <= text.size) {
        if (!ft_pattern_next(pattern, text, matches->at, found, out_start, out_end, err))
            return false;
        if (!*found)
            return true;
        if (*out_start < *out_end || !matches->any || matches->last_end != *out_end) {
            matches->at = matches->last_end = *out_end;
            matches->any = true;
            return true;
        }
        *found = false;
        if (matches->at < text.size)
            ft_unicode_next((const uint8_t *)text.data, &matches->at);
        else
            matches->at++;
    }
    return true;
}

void ft_pattern_transfer(const ft_pattern **pattern, ft_image *image)
{
    bool is_literal = *pattern && (*pattern)->kind == LITERAL;
    ft_slice source = *pattern ? (*pattern)->source : (ft_slice){0};
    ft_error err = FT_ERROR_INIT;

    FT_IMAGE_FIELD(image, is_literal, 1);
    ft_image_text(image, &source);
    if (image->is_made || image->fault)
        return;
    ft_image_check(image,
                   is_literal ? ft_pattern_literal(source, image->arena, pattern, &err)
                              : ft_pattern_regex(source, "", "", image->arena, pattern, &err),
                   "a regular expression is not one");
}
