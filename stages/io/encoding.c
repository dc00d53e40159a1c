// Invalid UTF-8: see encoding.h. A maximal part is the longest beginning of some valid sequence,
// at least one byte.
#include "stages/io/encoding.h"

static bool is_between(unsigned char c, unsigned char low, unsigned char high)
{
    return c >= low && c <= high;
}

// Bytes of the part at `p`, which no valid sequence begins.
static size_t broken_size(const unsigned char *p, size_t left)
{
    const unsigned char lead = p[0];
    const size_t wanted = is_between(lead, 0xc2, 0xdf)   ? 2
                          : is_between(lead, 0xe0, 0xef) ? 3
                          : is_between(lead, 0xf0, 0xf4) ? 4
                                                         : 1;
    // The second byte has a narrower range behind some leads: no overlong forms, no surrogates.
    const unsigned char low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    const unsigned char high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (wanted == 1 || left < 2 || !is_between(p[1], low, high))
        return 1;
    size_t size = 2;
    while (size < wanted && size < left && is_between(p[size], 0x80, 0xbf))
        size++;
    return size;
}

void ft_encoding_replace(ft_slice text, ft_text *out)
{
    while (text.size > 0) {
        const size_t valid = ft_utf8_valid_prefix(text);
        ft_text_append(out, (ft_slice){text.data, valid});
        text = (ft_slice){text.data + valid, text.size - valid};
        if (text.size == 0)
            break;
        const size_t broken = broken_size((const unsigned char *)text.data, text.size);
        ft_text_append_string(out, "\xef\xbf\xbd");
        text = (ft_slice){text.data + broken, text.size - broken};
    }
}

bool ft_encoding_fail(size_t prefix, ft_error *err)
{
    ft_fail(err, FT_ERROR_DATA, "invalid UTF-8 at byte %zu of the item", prefix);
    ft_hint(err, "`encoding_errors: replace` puts U+FFFD in its place.");
    return false;
}
