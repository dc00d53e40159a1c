// "Did you mean": edit distance with transpositions, capped, and the nearest of some names. And the
// hash of a text.
#include <string.h>

#include "runtime/slice.h"

enum {
    WORD_MAX = 64
};  // Longer words are never near each other: nobody mistypes them by a letter or two.

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;
    return least < c ? least : c;
}

size_t ft_edit_distance(ft_slice a, ft_slice b, size_t cap)
{
    size_t rows[3][WORD_MAX + 1];
    size_t *before = rows[0], *last = rows[1], *row = rows[2];

    if (a.size > WORD_MAX || b.size > WORD_MAX)
        return ft_slice_equal(a, b) ? 0 : cap;
    for (size_t j = 0; j <= b.size; j++)
        last[j] = j;
    memset(before, 0, sizeof(rows[0]));
    for (size_t i = 1; i <= a.size; i++) {
        row[0] = i;
        for (size_t j = 1; j <= b.size; j++) {
            size_t change = a.data[i - 1] != b.data[j - 1];
            row[j] = min3(row[j - 1] + 1, last[j] + 1, last[j - 1] + change);
            if (i > 1 && j > 1 && a.data[i - 1] == b.data[j - 2] &&
                a.data[i - 2] == b.data[j - 1] && before[j - 2] + 1 < row[j])
                row[j] = before[j - 2] + 1;
        }
        size_t *spare = before;
        before = last;
        last = row;
        row = spare;
    }
    return last[b.size] < cap ? last[b.size] : cap;
}

const char *ft_nearest(ft_slice word, const char *const *names)
{
    // A third of the letters may be wrong, but never so many that another word of the same length
    // is "near".
    size_t allowed = word.size <= 2 ? 1 : (word.size + 2) / 3 < 4 ? (word.size + 2) / 3 : 4;
    size_t best = allowed + 1;
    const char *nearest = NULL;

    for (; *names; names++) {
        ft_slice name = ft_slice_of(*names);
        size_t distance = ft_edit_distance(word, name, best);
        if (distance < best && distance < name.size) {
            best = distance;
            nearest = *names;
        }
    }
    return nearest;
}

static uint64_t load64(const char *p)
{
    uint64_t value;
    memcpy(&value, p, sizeof(value));
    return value;
}

static uint64_t load_tail(const char *p, size_t size)
{
    uint64_t value = 0;
    memcpy(&value, p, size);
    return value;
}

static uint64_t mix(uint64_t a, uint64_t b)
{
    uint64_t high, low = ft_mul_wide(a, b, &high);
    return low ^ high;
}

uint64_t ft_hash(ft_slice text, uint64_t seed)
{
    static const uint64_t key0 = 0x9e3779b97f4a7c15u, key1 = 0xd6e8feb86659fd93u,
                          key2 = 0xa0761d6478bd642fu;
    const char *p = text.data;
    size_t left = text.size;
    uint64_t state = mix(seed ^ key0, key1);

    while (left > 16) {
        state = mix(load64(p) ^ key1, load64(p + 8) ^ state);
        p += 16;
        left -= 16;
    }
    uint64_t a = 0, b = 0;
    if (left > 8) {
        a = load64(p);
        b = load_tail(p + 8, left - 8);
    } else if (left > 0) {
        a = load_tail(p, left);
    }
    state = mix(a ^ key2, b ^ state);
    return mix(state ^ key0, (uint64_t)text.size ^ key1);
}
