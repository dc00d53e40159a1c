// Four letters to three bytes; the letters before the padding may be two or three less.
#include "stages/text/base64.h"

// The six bits of a letter; -1 for any other byte.
static int bits_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool ft_base64_decode(ft_slice text, uint8_t *out, size_t *out_size, size_t *out_at)
{
    size_t letters = text.size, size = 0;

    *out_at = text.size;
    if (text.size % 4 != 0)
        return false;
    for (int i = 0; i < 2 && letters > 0 && text.data[letters - 1] == '='; i++)
        letters--;
    for (size_t at = 0; at < letters; at += 4) {
        uint32_t group = 0;
        size_t count = letters - at < 4 ? letters - at : 4;
        for (size_t i = 0; i < count; i++) {
            int bits = bits_of(text.data[at + i]);
            if (bits < 0) {
                *out_at = at + i;
                return false;
            }
            group |= (uint32_t)bits << (18 - 6 * i);
        }
        for (size_t i = 0; i + 1 < count; i++)
            out[size++] = (uint8_t)(group >> (16 - 8 * i));
    }
    *out_size = size;
    return true;
}
