// Plain C, the way for text that is not ASCII, and the choice.
#include "stages/text/split_words.h"

#include <string.h>

#include "stages/nn/kernel/isa.h"
#include "stages/text/unicode.h"

enum { CAPITAL_SIGMA = 0x3a3, SMALL_SIGMA = 0x3c3, FINAL_SIGMA = 0x3c2 };

// Adds up the eight bytes of `x`.
static size_t sum_bytes(uint64_t x)
{
    const uint64_t odd = UINT64_C(0x00ff00ff00ff00ff);

    return (size_t)(((x & odd) + (x >> 8 & odd)) * UINT64_C(0x0001000100010001) >> 48);
}

size_t ft_split_words_count(ft_slice text, size_t *out_bytes)
{
    enum { STEPS = 255 };  // As often a byte can be counted up.
    const uint64_t ones = UINT64_C(0x0101010101010101), low = 0x7f * ones;
    size_t words = 1, others = 0, at = 0;

    while (text.size - at >= sizeof(ones)) {
        uint64_t spaces = 0, high = 0;
        for (int i = 0; i < STEPS && text.size - at >= sizeof(ones); i++) {
            uint64_t bytes;
            memcpy(&bytes, text.data + at, sizeof(bytes));
            uint64_t differs = bytes ^ ' ' * ones;
            spaces += ~(((differs & low) + low) | differs) >> 7 & ones;
            high += bytes >> 7 & ones;
            at += sizeof(bytes);
        }
        words += sum_bytes(spaces);
        others += sum_bytes(high);
    }
    for (; at < text.size; at++) {
        words += text.data[at] == ' ';
        others += (unsigned char)text.data[at] >= 0x80;
    }
    // Of two bytes three can become (U+0130), never more.
    *out_bytes = text.size + others / 2;
    return words;
}

static bool is_deleted(uint32_t c)
{
    return c == '.' || c == ',';
}

bool ft_split_ascii_plain(ft_word_sink *sink, const uint8_t *text, size_t size)
{
    uint8_t seen = 0;
    size_t out = sink->size, count = sink->count;

    for (size_t i = 0; i < size; i++) {
        uint8_t c = text[i];
        seen |= c;
        sink->bytes[out] = c >= 'A' && c <= 'Z' ? c | 0x20 : c;
        sink->ends[count] = (int32_t)out;
        count += c == ' ';
        out += c != ' ' && !is_deleted(c);
    }
    sink->ends[count++] = (int32_t)out;
    if (seen >= 0x80)
        return false;
    sink->size = out;
    sink->count = count;
    return true;
}

// Is there a cased letter before `at`, characters that do not count aside?
static bool is_cased_before(const uint8_t *text, size_t at)
{
    while (at > 0) {
        uint16_t flags = ft_unicode_get(ft_unicode_previous(text, &at))->flags;
        if (!(flags & FT_UNICODE_IGNORABLE))
            return flags & FT_UNICODE_CASED;
    }
    return false;
}

static bool is_cased_behind(const uint8_t *text, size_t at, size_t size)
{
    while (at < size) {
        uint16_t flags = ft_unicode_get(ft_unicode_next(text, &at))->flags;
        if (!(flags & FT_UNICODE_IGNORABLE))
            return flags & FT_UNICODE_CASED;
    }
    return false;
}

static void put(ft_word_sink *sink, uint32_t c)
{
    char bytes[4];
    size_t size = ft_utf8_put(c, bytes);

    memcpy(sink->bytes + sink->size, bytes, size);
    sink->size += size;
}

void ft_split_unicode(ft_word_sink *sink, ft_slice text)
{
    const uint8_t *bytes = (const uint8_t *)text.data;
    size_t at = 0;

    while (at < text.size) {
        size_t start = at;
        uint32_t c = ft_unicode_next(bytes, &at);
        const ft_code_point *record = ft_unicode_get(c);
        if (c == ' ') {
            sink->ends[sink->count++] = (int32_t)sink->size;
        } else if (c == CAPITAL_SIGMA) {
            bool final = is_cased_before(bytes, start) && !is_cased_behind(bytes, at, text.size);
            put(sink, final ? FINAL_SIGMA : SMALL_SIGMA);
        } else if (record->flags & FT_UNICODE_LOWERS_TO_MANY) {
            put(sink, 'i');
            put(sink, 0x307);
        } else if (!is_deleted(c)) {
            put(sink, (uint32_t)((int32_t)c + record->lower));
        }
    }
    sink->ends[sink->count++] = (int32_t)sink->size;
}

ft_split_ascii *ft_split_ascii_choose(void)
{
#if defined(__x86_64__)
    if (ft_isa_level() >= FT_ISA_AVX512 && __builtin_cpu_supports("avx512vbmi2"))
        return ft_split_ascii_avx512vbmi2;
    if (ft_isa_level() >= FT_ISA_AVX2)
        return ft_split_ascii_avx2;
#endif
    return ft_split_ascii_plain;
}

void ft_split_words(ft_word_sink *sink, ft_slice text)
{
    if (!ft_split_ascii_choose()(sink, (const uint8_t *)text.data, text.size))
        ft_split_unicode(sink, text);
}
