// The scanner in plain C, and the choice between the three.
//
// A class table of 128 bytes gives two bits a byte; eight classes are gathered into eight bits by
// one multiplication.
#include "stages/text/ascii_scan.h"

#include <string.h>

#include "stages/nn/kernel/isa.h"

enum { WORD = 1, SINGLE = 2, STOP = 4 };

#define X4(c) c, c, c, c
#define X8(c) X4(c), X4(c)
#define X16(c) X8(c), X8(c)
#define LETTERS X16(WORD), X8(WORD), WORD, WORD
static const uint8_t classes[128] = {
    X8(STOP),  STOP,    0,          0,          STOP,       STOP,
    0,         STOP,    STOP,  // 0x00: tab, line feed, return
    X16(STOP),                 // 0x10
    0,         SINGLE,  SINGLE,     SINGLE,     X4(SINGLE), X8(SINGLE),  // 0x20: space
    X8(WORD),  WORD,    WORD,       SINGLE,     SINGLE,     X4(SINGLE),  // 0x30: digits
    SINGLE,    LETTERS, SINGLE,     X4(SINGLE),                          // 0x40: capitals
    SINGLE,    LETTERS, X4(SINGLE), STOP,                                // 0x60: small letters
};

// Bytes that hold a one in their lowest bit to bits, first byte lowest.
static uint64_t gather(uint64_t ones)
{
    return ones * UINT64_C(0x0102040810204080) >> 56;
}

size_t ft_ascii_scan_plain(ft_marked_text *text, const uint8_t *in, size_t size, bool lowercase)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    size_t room = text->capacity - text->at;
    size_t at = 0;

    size = size < room ? size : room;
    while (at < size) {
        uint8_t kinds[8] = {0};
        size_t taken = 0;
        uint8_t *out = text->bytes + text->at;
        for (; taken < 8 && at + taken < size; taken++) {
            uint8_t c = in[at + taken];
            uint8_t kind = c < 0x80 ? classes[c] : STOP;
            if (kind == STOP)
                break;
            kinds[taken] = kind;
            out[taken] = lowercase && c >= 'A' && c <= 'Z' ? c | 0x20 : c;
        }
        if (taken == 0)
            break;
        uint64_t all;
        memcpy(&all, kinds, sizeof(all));
        ft_marked_put(text, gather(all & ones), gather(all >> 1 & ones), taken);
        at += taken;
    }
    return at;
}

ft_ascii_scan *ft_ascii_scan_choose(void)
{
#if defined(__x86_64__)
    if (ft_isa_level() >= FT_ISA_AVX512)
        return ft_ascii_scan_avx512;
    if (ft_isa_level() >= FT_ISA_AVX2)
        return ft_ascii_scan_avx2;
#endif
    return ft_ascii_scan_plain;
}
