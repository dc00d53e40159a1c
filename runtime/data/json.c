// JSON, read in place and written: see json.h. RFC 8259 to the letter, nothing more.
//
// The reader is a cursor. Strings are found by looking at 16 bytes at a time for what can end or
// spoil them (a quote, a backslash, a control character); whether any byte was above 0x7f is
// noted on the way, and only such strings are validated as UTF-8 afterwards. Skipping a value of
// any depth walks iteratively with one bit a level, so that hostile nesting costs no stack.
//
// The tree for configuration files is in json_tree.c.
#include "runtime/data/json.h"

#include <string.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "runtime/data/json_copy.h"

void ft_json_init(ft_json *json, ft_slice text)
{
    *json = (ft_json){.text = text.data, .size = text.size};
}

static bool fail_at(const ft_json *json, size_t at, const char *what, ft_error *err)
{
    if (at >= json->size)
        return ft_fail(err, FT_ERROR_DATA, "invalid JSON at byte %zu: %s, but the text ends", at,
                       what);
    unsigned char c = (unsigned char)json->text[at];
    if (c > ' ' && c < 0x7f)
        return ft_fail(err, FT_ERROR_DATA, "invalid JSON at byte %zu: %s, found `%c`", at, what, c);
    return ft_fail(err, FT_ERROR_DATA, "invalid JSON at byte %zu: %s, found byte 0x%02x", at, what,
                   c);
}

static void skip_space(ft_json *json)
{
    while (json->at < json->size) {
        char c = json->text[json->at];
        if (c != ' ' && c != '\n' && c != '\r' && c != '\t')
            return;
        json->at++;
    }
}

#if defined(__SSE2__)
enum { BLOCK_BYTES = 64 };

// Bit i: byte i of the block cannot stand in a string as it is. `*high` likewise: it is above 0x7f.
static inline uint64_t find_specials(const char *text, uint64_t *high)
{
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');
    const __m128i control = _mm_set1_epi8(0x1f);
    uint64_t stops = 0, highs = 0;
    for (int i = 0; i < BLOCK_BYTES / 16; i++) {
        const __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(text + 16 * i));
        __m128i stop = _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, backslash));
        stop = _mm_or_si128(stop, _mm_cmpeq_epi8(_mm_min_epu8(bytes, control), bytes));
        stops |= (uint64_t)(unsigned)_mm_movemask_epi8(stop) << 16 * i;
        highs |= (uint64_t)(unsigned)_mm_movemask_epi8(bytes) << 16 * i;
    }
    *high = highs;
    return stops;
}
#endif

// Index of the first byte from `at` on that cannot stand in a string as it is, or `size`.
// Sets `*has_high` when a byte above 0x7f stands before it.
static size_t find_special(const char *text, size_t at, size_t size, bool *has_high)
{
#if defined(__SSE2__)
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');
    const __m128i control = _mm_set1_epi8(0x1f);
    unsigned high = 0;
    for (; size - at >= 16; at += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(text + at));
        __m128i stop = _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, backslash));
        stop = _mm_or_si128(stop, _mm_cmpeq_epi8(_mm_min_epu8(bytes, control), bytes));
        unsigned stops = (unsigned)_mm_movemask_epi8(stop);
        unsigned highs = (unsigned)_mm_movemask_epi8(bytes);
        if (stops) {
            unsigned before = FT_TRAILING_ZEROS_64(stops);
            if (high | (highs & ((1u << before) - 1)))
                *has_high = true;
            return at + before;
        }
        high |= highs;
    }
    if (high)
        *has_high = true;
#endif
    for (; at < size; at++) {
        unsigned char c = (unsigned char)text[at];
        if (c == '"' || c == '\\' || c < 0x20)
            break;
        if (c >= 0x80)
            *has_high = true;
    }
    return at;
}

// Value of four hex digits, or -1.
static int32_t parse_hex4(const char *text)
{
    int32_t value = 0;
    for (int i = 0; i < 4; i++) {
        char c = text[i];
        int32_t digit;
        if (c >= '0' && c <= '9')
            digit = c - '0';
        else if (c >= 'a' && c <= 'f')
            digit = c - 'a' + 10;
        else if (c >= 'A' && c <= 'F')
            digit = c - 'A' + 10;
        else
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

// What a letter behind a backslash stands for, 0 for none.
static char meaning_of(char letter)
{
    static const char meanings[256] = {['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
                                       ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t'};
    return meanings[(unsigned char)letter];
}

// `*at` is at a backslash: checks the escape's form and moves behind it.
static bool skip_escape(const ft_json *json, size_t *at, ft_error *err)
{
    size_t letter = *at + 1;
    if (letter >= json->size)
        return fail_at(json, letter, "expected an escape", err);
    const char c = json->text[letter];
    if (FT_LIKELY(meaning_of(c))) {
        *at = letter + 1;
        return true;
    }
    if (c == 'u') {
        if (json->size - letter < 5 || parse_hex4(json->text + letter + 1) < 0)
            return fail_at(json, letter, "expected four hexadecimal digits behind `\\u`", err);
        *at = letter + 5;
        return true;
    }
    return fail_at(json, letter, "expected an escape (one of \" \\ / b f n r t u)", err);
}

// `json->at` is at the opening quote; leaves it behind the closing one.
static bool read_string(ft_json *json, ft_json_value *out, ft_error *err)
{
    size_t start = json->at + 1, at = start;
    bool has_high = false, has_escapes = false;
    for (;;) {
        at = find_special(json->text, at, json->size, &has_high);
        if (at >= json->size)
            return fail_at(json, at, "expected the closing quote of a string", err);
        char c = json->text[at];
        if (c == '"')
            break;
        if (c != '\\')
            return fail_at(json, at, "a control character in a string must be escaped", err);
        has_escapes = true;
        if (!skip_escape(json, &at, err))
            return false;
    }
    ft_slice text = {json->text + start, at - start};
    if (has_high) {
        size_t valid = ft_utf8_valid_prefix(text);
        if (valid != text.size)
            return fail_at(json, start + valid, "expected valid UTF-8", err);
    }
    json->at = at + 1;
    json->has_escapes = has_escapes;
    *out = (ft_json_value){FT_JSON_STRING, text, has_escapes};
    return true;
}

static size_t skip_digits(const ft_json *json, size_t at)
{
    while (at < json->size && json->text[at] >= '0' && json->text[at] <= '9')
        at++;
    return at;
}

static bool read_number(ft_json *json, ft_json_value *out, ft_error *err)
{
    size_t start = json->at, at = start;
    if (json->text[at] == '-')
        at++;
    size_t end = skip_digits(json, at);
    if (end == at)
        return fail_at(json, at, "expected a digit", err);
    if (json->text[at] == '0' && end - at > 1)
        return fail_at(json, at, "a number must not begin with 0", err);
    at = end;
    if (at < json->size && json->text[at] == '.') {
        end = skip_digits(json, ++at);
        if (end == at)
            return fail_at(json, at, "expected a digit behind the point", err);
        at = end;
    }
    if (at < json->size && (json->text[at] == 'e' || json->text[at] == 'E')) {
        at++;
        if (at < json->size && (json->text[at] == '+' || json->text[at] == '-'))
            at++;
        end = skip_digits(json, at);
        if (end == at)
            return fail_at(json, at, "expected a digit in the exponent", err);
        at = end;
    }
    json->at = at;
    *out = (ft_json_value){FT_JSON_NUMBER, {json->text + start, at - start}, false};
    return true;
}

static bool read_word(ft_json *json, const char *word, ft_json_kind kind, ft_json_value *out,
                      ft_error *err)
{
    size_t size = strlen(word);
    if (json->size - json->at < size || memcmp(json->text + json->at, word, size) != 0)
        return fail_at(json, json->at, "expected a value", err);
    *out = (ft_json_value){kind, {json->text + json->at, size}, false};
    json->at += size;
    return true;
}

static bool read_opening(ft_json *json, ft_json_kind kind, ft_json_value *out, ft_error *err)
{
    if (json->depth >= FT_JSON_DEPTH_MAX)
        return ft_fail(err, FT_ERROR_DATA, "invalid JSON at byte %zu: nested deeper than %d levels",
                       json->at, FT_JSON_DEPTH_MAX);
    *out = (ft_json_value){kind, {json->text + json->at, 1}, false};
    json->depth++;
    json->at++;
    return true;
}

bool ft_json_read(ft_json *json, ft_json_value *out, ft_error *err)
{
    skip_space(json);
    if (json->at >= json->size)
        return fail_at(json, json->at, "expected a value", err);
    switch (json->text[json->at]) {
    case '"':
        return read_string(json, out, err);
    case '{':
        return read_opening(json, FT_JSON_OBJECT, out, err);
    case '[':
        return read_opening(json, FT_JSON_ARRAY, out, err);
    case 't':
        return read_word(json, "true", FT_JSON_TRUE, out, err);
    case 'f':
        return read_word(json, "false", FT_JSON_FALSE, out, err);
    case 'n':
        return read_word(json, "null", FT_JSON_NULL, out, err);
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9':
        return read_number(json, out, err);
    default:
        return fail_at(json, json->at, "expected a value", err);
    }
}

// Between elements or members: consumes the comma or the end. `*out_more` false: it was the end.
static bool next_in(ft_json *json, char close, bool *first, bool *out_more, ft_error *err)
{
    skip_space(json);
    if (json->at < json->size && json->text[json->at] == close) {
        json->at++;
        json->depth--;
        *first = false;
        *out_more = false;
        return true;
    }
    if (!*first) {
        if (json->at >= json->size || json->text[json->at] != ',')
            return fail_at(json, json->at,
                           close == ']' ? "expected `,` or `]`" : "expected `,` or `}`", err);
        json->at++;
    }
    *first = false;
    *out_more = true;
    return true;
}

bool ft_json_next_element(ft_json *json, bool *first, bool *out_more, ft_error *err)
{
    return next_in(json, ']', first, out_more, err);
}

bool ft_json_next_member(ft_json *json, bool *first, bool *out_more, ft_json_value *out_key,
                         ft_error *err)
{
    if (!next_in(json, '}', first, out_more, err))
        return false;
    if (!*out_more)
        return true;
    skip_space(json);
    if (json->at >= json->size || json->text[json->at] != '"')
        return fail_at(json, json->at, "expected a key in quotes", err);
    if (!read_string(json, out_key, err))
        return false;
    skip_space(json);
    if (json->at >= json->size || json->text[json->at] != ':')
        return fail_at(json, json->at, "expected `:` behind a key", err);
    json->at++;
    return true;
}

bool ft_json_skip(ft_json *json, ft_slice *out_text, ft_error *err)
{
    // Bit d: the value opened at depth d is an object.
    uint64_t objects[FT_JSON_DEPTH_MAX / 64] = {0};
    const int outer = json->depth;
    skip_space(json);
    const size_t start = json->at;
    do {
        ft_json_value value;
        if (!ft_json_read(json, &value, err))
            return false;
        bool first = false;
        if (value.kind == FT_JSON_OBJECT || value.kind == FT_JSON_ARRAY) {
            const unsigned level = (unsigned)json->depth - 1;
            const uint64_t bit = UINT64_C(1) << (level & 63);
            objects[level >> 6] &= ~bit;
            if (value.kind == FT_JSON_OBJECT)
                objects[level >> 6] |= bit;
            first = true;
        }
        // Climbs out of what ends here, up to the next value to read.
        for (bool more = false; !more && json->depth > outer;) {
            const unsigned level = (unsigned)json->depth - 1;
            const bool ok = (objects[level >> 6] >> (level & 63)) & 1
                                ? ft_json_next_member(json, &first, &more, &value, err)
                                : ft_json_next_element(json, &first, &more, err);
            if (!ok)
                return false;
        }
    } while (json->depth > outer);
    if (out_text)
        *out_text = (ft_slice){json->text + start, json->at - start};
    return true;
}

bool ft_json_end(ft_json *json, ft_error *err)
{
    skip_space(json);
    if (json->at != json->size)
        return fail_at(json, json->at, "expected nothing behind the value", err);
    return true;
}

bool ft_json_check(ft_slice text, ft_error *err)
{
    ft_json json;
    ft_json_init(&json, text);
    return ft_json_skip(&json, NULL, err) && ft_json_end(&json, err);
}

// Decodes the escape `\uXXXX` at `*at` (of checked form), with its other half where it has one, and
// moves behind it. Returns the code point, or UINT32_MAX for a half of a surrogate pair alone.
static uint32_t decode_unicode(ft_slice text, size_t *at)
{
    const uint32_t high = (uint32_t)parse_hex4(text.data + *at + 2);
    *at += 6;
    if (high < 0xd800 || high > 0xdfff)
        return high;
    if (high >= 0xdc00 || text.size - *at < 6 || text.data[*at] != '\\' ||
        text.data[*at + 1] != 'u')
        return UINT32_MAX;
    const int32_t low = parse_hex4(text.data + *at + 2);
    if (low < 0xdc00 || low > 0xdfff)
        return UINT32_MAX;
    *at += 6;
    return 0x10000 + ((high - 0xd800) << 10) + ((uint32_t)low - 0xdc00);
}

// Decodes any escape into `out`. Returns how many bytes, 0 for half of a pair.
static size_t decode_escape(ft_slice text, size_t *at, char out[4])
{
    FT_DEBUG_ASSERT(text.size - *at >= 2);
    if (text.data[*at + 1] != 'u') {
        out[0] = meaning_of(text.data[*at + 1]);
        *at += 2;
        return 1;
    }
    const uint32_t code_point = decode_unicode(text, at);
    return code_point == UINT32_MAX ? 0 : ft_utf8_put(code_point, out);
}

static bool fail_half(const char *escape, ft_error *err)
{
    return ft_fail(err, FT_ERROR_DATA,
                   "invalid JSON: `%.6s` in a string is half of a surrogate pair", escape);
}

// Copies what can stand in a string as it is, from `*at` on, and moves both behind it.
static inline void copy_plain(const ft_json *json, size_t *at, char *out, size_t *size,
                              bool *has_high)
{
#if defined(__x86_64__)
    if (json->size - *at >= BLOCK_BYTES && __builtin_cpu_supports("avx512vbmi2") &&
        __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("bmi2"))
        ft_json_copy_avx512vbmi2(json, at, out, size, has_high);
#endif
#if defined(__SSE2__)
    // A block is copied before it is known how much of it is plain: most of them are all of it.
    while (json->size - *at >= BLOCK_BYTES) {
        uint64_t high;
        const uint64_t stops = find_specials(json->text + *at, &high);
        memcpy(out + *size, json->text + *at, BLOCK_BYTES);
        if (FT_LIKELY(stops)) {
            const size_t plain = FT_TRAILING_ZEROS_64(stops);
            *has_high |= (high & ((UINT64_C(1) << plain) - 1)) != 0;
            *at += plain;
            *size += plain;
            return;
        }
        *has_high |= high != 0;
        *at += BLOCK_BYTES;
        *size += BLOCK_BYTES;
    }
#endif
    const size_t end = find_special(json->text, *at, json->size, has_high);
    memcpy(out + *size, json->text + *at, end - *at);
    *size += end - *at;
    *at = end;
}

bool ft_json_is_at_text(ft_json *json)
{
    skip_space(json);
    return json->at < json->size && json->text[json->at] == '"';
}

bool ft_json_read_text(ft_json *json, char *out, size_t *out_size, ft_error *err)
{
    const size_t start = json->at + 1;
    size_t at = start, size = 0;
    bool has_high = false;
    FT_DEBUG_ASSERT(ft_json_is_at_text(json));
    for (;;) {
        copy_plain(json, &at, out, &size, &has_high);
        if (at >= json->size)
            return fail_at(json, at, "expected the closing quote of a string", err);
        const char c = json->text[at];
        if (c == '"')
            break;
        if (c != '\\')
            return fail_at(json, at, "a control character in a string must be escaped", err);
        const char meaning = meaning_of(json->size - at > 1 ? json->text[at + 1] : 0);
        if (FT_LIKELY(meaning)) {
            out[size++] = meaning;
            at += 2;
            continue;
        }
        const size_t escape = at;
        size_t behind = at;
        if (!skip_escape(json, &behind, err))
            return false;
        // What it stands for is never longer than itself.
        const size_t count = decode_escape((ft_slice){json->text, json->size}, &at, out + size);
        if (count == 0)
            return fail_half(json->text + escape, err);
        size += count;
    }
    if (has_high) {
        // As it was read: an escape cannot stand for half of a character.
        const ft_slice text = {json->text + start, at - start};
        const size_t valid = ft_utf8_valid_prefix(text);
        if (valid != text.size)
            return fail_at(json, start + valid, "expected valid UTF-8", err);
    }
    json->at = at + 1;
    *out_size = size;
    return true;
}

bool ft_json_unescape(ft_slice text, char *out, size_t *out_size, ft_error *err)
{
    size_t at = 0, size = 0;
    while (at < text.size) {
        bool has_high;
        const size_t end = find_special(text.data, at, text.size, &has_high);
        const size_t plain = end - at;
        memmove(out + size, text.data + at, plain);
        at = end;
        size += plain;
        if (at == text.size)
            break;
        const size_t escape = at;
        // An escape is never shorter than what it stands for, so this never passes text.size.
        char bytes[4];
        const size_t count = decode_escape(text, &at, bytes);
        if (count == 0)
            return fail_half(text.data + escape, err);
        memcpy(out + size, bytes, count);
        size += count;
    }
    *out_size = size;
    return true;
}

bool ft_json_key_is(const ft_json_value *key, const char *name)
{
    if (!key->has_escapes)
        return ft_slice_is(key->text, name);
    const size_t name_size = strlen(name);
    size_t at = 0, matched = 0;
    while (at < key->text.size) {
        char bytes[4] = {key->text.data[at]};
        size_t count = 1;
        if (bytes[0] != '\\') {
            at++;
        } else {
            count = decode_escape(key->text, &at, bytes);
            if (count == 0)
                return false;
        }
        if (name_size - matched < count || memcmp(name + matched, bytes, count) != 0)
            return false;
        matched += count;
    }
    return matched == name_size;
}

void ft_json_put_escaped(ft_text *out, ft_slice text)
{
    static const char hex[] = "0123456789abcdef";
    static const char letters[] = "\"\\bfnrt", meanings[] = "\"\\\b\f\n\r\t";
    for (size_t at = 0; at < text.size;) {
        bool has_high;
        const size_t stop = find_special(text.data, at, text.size, &has_high);
        ft_text_append(out, (ft_slice){text.data + at, stop - at});
        at = stop;
        if (at == text.size)
            break;
        const unsigned char c = (unsigned char)text.data[at++];
        const char *meaning = c ? strchr(meanings, c) : NULL;
        if (meaning) {
            char escape[2] = {'\\', letters[meaning - meanings]};
            ft_text_append(out, (ft_slice){escape, 2});
        } else {
            char escape[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
            ft_text_append(out, (ft_slice){escape, 6});
        }
    }
}

void ft_json_put_string(ft_text *out, ft_slice text)
{
    ft_text_append_char(out, '"');
    ft_json_put_escaped(out, text);
    ft_text_append_char(out, '"');
}

void ft_json_put_float(ft_text *out, double value)
{
    char number[FT_NUMBER_BYTES];
    if (value - value != 0) {  // Infinite, or not a number.
        ft_text_append_string(out, "null");
        return;
    }
    const size_t size = ft_print_f64(value, number);
    ft_text_append(out, (ft_slice){number, size});
    // Keeps the point, so that a field of floats reads back as one.
    if (!memchr(number, '.', size) && !memchr(number, 'e', size))
        ft_text_append_string(out, ".0");
}
