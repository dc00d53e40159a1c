// UTF-8: validation as RFC 3629 has it (no surrogates, nothing overlong, nothing past U+10FFFF),
// and single code points.
#include "runtime/slice_utf8.h"

#include <string.h>

enum { LONG_BYTES = 64 };  // From here on a call pays.

static const uint64_t high_bits = 0x8080808080808080u;

// Length of the valid sequence that begins at `p` (a byte >= 0x80), 0 when there is none.
static size_t sequence_size(const unsigned char *p, size_t left)
{
    if (p[0] < 0xc2 || p[0] > 0xf4)
        return 0;
    if (p[0] < 0xe0)
        return left >= 2 && (p[1] & 0xc0) == 0x80 ? 2 : 0;
    if (p[0] < 0xf0) {
        if (left < 3 || (p[1] & 0xc0) != 0x80 || (p[2] & 0xc0) != 0x80)
            return 0;
        bool overlong = p[0] == 0xe0 && p[1] < 0xa0;
        bool surrogate = p[0] == 0xed && p[1] >= 0xa0;
        return overlong || surrogate ? 0 : 3;
    }
    if (left < 4 || (p[1] & 0xc0) != 0x80 || (p[2] & 0xc0) != 0x80 || (p[3] & 0xc0) != 0x80)
        return 0;
    bool overlong = p[0] == 0xf0 && p[1] < 0x90;
    bool too_high = p[0] == 0xf4 && p[1] >= 0x90;
    return overlong || too_high ? 0 : 4;
}

size_t ft_utf8_valid_prefix(ft_slice text)
{
    const unsigned char *bytes = (const unsigned char *)text.data;
    size_t at = 0;

#if defined(__x86_64__)
    if (text.size >= LONG_BYTES && __builtin_cpu_supports("avx2"))
        at = ft_utf8_skip_avx2(text);
#endif
    while (at < text.size) {
        // Most text is ASCII: 32 bytes a step, in a form that the compiler turns into vector loads.
        while (text.size - at >= 32) {
            uint64_t words[4];
            memcpy(words, bytes + at, sizeof(words));
            if ((words[0] | words[1] | words[2] | words[3]) & high_bits)
                break;
            at += 32;
        }
        while (at < text.size && bytes[at] < 0x80)
            at++;
        while (at < text.size && bytes[at] >= 0x80) {
            size_t size = sequence_size(bytes + at, text.size - at);
            if (size == 0)
                return at;
            at += size;
        }
    }
    return at;
}

size_t ft_utf8_count(ft_slice text)
{
    size_t count = 0;

    for (size_t i = 0; i < text.size; i++)
        count += ((unsigned char)text.data[i] & 0xc0) != 0x80;
    return count;
}

uint32_t ft_utf8_next(ft_slice text, size_t *at)
{
    const unsigned char *p = (const unsigned char *)text.data + *at;

    if (p[0] < 0x80) {
        *at += 1;
        return p[0];
    }
    if (p[0] < 0xe0) {
        *at += 2;
        return (uint32_t)(p[0] & 0x1f) << 6 | (p[1] & 0x3f);
    }
    if (p[0] < 0xf0) {
        *at += 3;
        return (uint32_t)(p[0] & 0x0f) << 12 | (uint32_t)(p[1] & 0x3f) << 6 | (p[2] & 0x3f);
    }
    *at += 4;
    return (uint32_t)(p[0] & 0x07) << 18 | (uint32_t)(p[1] & 0x3f) << 12 |
           (uint32_t)(p[2] & 0x3f) << 6 | (p[3] & 0x3f);
}

size_t ft_utf8_put(uint32_t code_point, char out[4])
{
    if (code_point < 0x80) {
        out[0] = (char)code_point;
        return 1;
    }
    if (code_point < 0x800) {
        out[0] = (char)(0xc0 | code_point >> 6);
        out[1] = (char)(0x80 | (code_point & 0x3f));
        return 2;
    }
    if (code_point < 0x10000) {
        out[0] = (char)(0xe0 | code_point >> 12);
        out[1] = (char)(0x80 | (code_point >> 6 & 0x3f));
        out[2] = (char)(0x80 | (code_point & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | code_point >> 18);
    out[1] = (char)(0x80 | (code_point >> 12 & 0x3f));
    out[2] = (char)(0x80 | (code_point >> 6 & 0x3f));
    out[3] = (char)(0x80 | (code_point & 0x3f));
    return 4;
}
