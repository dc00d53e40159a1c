// 64 bytes a step, without a branch on where escapes are: letters behind backslashes are looked up
// all at once, and what is left is pushed together.
#include "runtime/data/json_copy.h"

#if defined(__x86_64__)
#include <immintrin.h>

enum { STEP = 64 };

// What a letter behind a backslash stands for, 0 for none.
static const char meanings[128] = {['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
                                   ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t'};

// Bytes with an odd number of backslashes right before them: of each run, that begins at an even or
// an odd place, the carry of an addition gives the end. Langdale, Lemire: Parsing Gigabytes of JSON
// per Second, 2019, section 3.1.1.
static inline uint64_t find_escaped(uint64_t backslashes)
{
    const uint64_t even = UINT64_C(0x5555555555555555), behind = backslashes << 1;
    const uint64_t odd_starts = backslashes & ~even & ~behind;

    return (even ^ (odd_starts + backslashes) << 1) & behind;
}

void ft_json_copy_avx512vbmi2(const ft_json *json, size_t *at, char *out, size_t *size,
                              bool *has_high)
{
    const __m512i low = _mm512_loadu_si512(meanings), high = _mm512_loadu_si512(meanings + 64);
    const char *from = json->text + *at, *const end = json->text + json->size;
    char *to = out + *size;
    uint64_t highs = 0;

    while (end - from >= STEP) {
        const __m512i bytes = _mm512_loadu_si512(from);
        const uint64_t backslashes = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('\\'));
        const uint64_t escaped = find_escaped(backslashes);
        const uint64_t starts = backslashes & ~escaped;
        const __m512i meant = _mm512_permutex2var_epi8(low, bytes, high);
        const uint64_t above = _mm512_movepi8_mask(bytes);
        const uint64_t unknown = escaped & (above | _mm512_testn_epi8_mask(meant, meant));
        const uint64_t stops = (_mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('"')) & ~escaped) |
                               unknown >> 1 | _mm512_cmplt_epu8_mask(bytes, _mm512_set1_epi8(0x20));
        const __m512i text = _mm512_mask_blend_epi8(escaped, bytes, meant);
        // Mostly all of it is taken, and the next step need not wait for how much.
        if (FT_LIKELY(!(stops | starts >> 63))) {
            _mm512_storeu_si512(to, _mm512_maskz_compress_epi8(~starts, text));
            highs |= above;
            to += STEP - __builtin_popcountll(starts);
            from += STEP;
            continue;
        }
        // An escape whose letter comes in the next step waits for it.
        const unsigned taken = stops ? (unsigned)FT_TRAILING_ZEROS_64(stops) : STEP - 1;
        const uint64_t kept = ~starts & _bzhi_u64(~UINT64_C(0), taken);
        _mm512_storeu_si512(to, _mm512_maskz_compress_epi8(kept, text));
        highs |= above & kept;
        to += __builtin_popcountll(kept);
        from += taken;
        if (stops)
            break;
    }
    *at = (size_t)(from - json->text);
    *size = (size_t)(to - out);
    *has_high |= highs != 0;
}
#endif
