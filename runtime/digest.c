// BLAKE2b as RFC 7693 has it, on machines of either byte order.
#include "runtime/digest.h"

#include <string.h>

enum { ROUNDS = 12, BLOCK = 128 };

static const uint64_t start[8] = {
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
    0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
};

// Which words of the block each round takes; the last two rounds are as the first two.
static const uint8_t order[10][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
    {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
    {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
    {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
    {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
};

static uint64_t load(const unsigned char *from)
{
    uint64_t word = 0;

    for (size_t i = 0; i < 8; i++)
        word |= (uint64_t)from[i] << (8 * i);
    return word;
}

static uint64_t turn(uint64_t word, unsigned by)
{
    return word >> by | word << (64 - by);
}

static void mix(uint64_t *a, uint64_t *b, uint64_t *c, uint64_t *d, uint64_t x, uint64_t y)
{
    *a += *b + x;
    *d = turn(*d ^ *a, 32);
    *c += *d;
    *b = turn(*b ^ *c, 24);
    *a += *b + y;
    *d = turn(*d ^ *a, 16);
    *c += *d;
    *b = turn(*b ^ *c, 63);
}

static void compress(ft_digest *digest, const unsigned char *block, bool is_last)
{
    uint64_t v[16], words[16];

    for (size_t i = 0; i < 16; i++)
        words[i] = load(block + 8 * i);
    memcpy(v, digest->state, sizeof(digest->state));
    memcpy(v + 8, start, sizeof(start));
    v[12] ^= digest->count;
    if (is_last)
        v[14] = ~v[14];
    for (size_t round = 0; round < ROUNDS; round++) {
        const uint8_t *at = order[round % 10];
        for (size_t i = 0; i < 4; i++)
            mix(&v[i], &v[i + 4], &v[i + 8], &v[i + 12], words[at[2 * i]], words[at[2 * i + 1]]);
        for (size_t i = 0; i < 4; i++)
            mix(&v[i], &v[4 + (i + 1) % 4], &v[8 + (i + 2) % 4], &v[12 + (i + 3) % 4],
                words[at[8 + 2 * i]], words[at[9 + 2 * i]]);
    }
    for (size_t i = 0; i < 8; i++)
        digest->state[i] ^= v[i] ^ v[i + 8];
}

void ft_digest_init(ft_digest *digest)
{
    *digest = (ft_digest){0};
    memcpy(digest->state, start, sizeof(start));
    digest->state[0] ^= 0x01010000 ^ FT_DIGEST_BYTES;  // No key, no tree.
}

void ft_digest_add(ft_digest *digest, ft_slice bytes)
{
    // The last block is compressed by ft_digest_end, even where it is full.
    while (bytes.size > 0) {
        if (digest->used == BLOCK) {
            digest->count += BLOCK;
            compress(digest, digest->block, false);
            digest->used = 0;
        }
        if (digest->used == 0 && bytes.size > BLOCK) {
            digest->count += BLOCK;
            compress(digest, (const unsigned char *)bytes.data, false);
            bytes = (ft_slice){bytes.data + BLOCK, bytes.size - BLOCK};
            continue;
        }
        const size_t room = BLOCK - digest->used;
        const size_t some = bytes.size < room ? bytes.size : room;
        memcpy(digest->block + digest->used, bytes.data, some);
        digest->used += some;
        bytes = (ft_slice){bytes.data + some, bytes.size - some};
    }
}

void ft_digest_add_number(ft_digest *digest, uint64_t number)
{
    char bytes[8];

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(number >> (8 * i));
    ft_digest_add(digest, (ft_slice){bytes, sizeof(bytes)});
}

void ft_digest_end(ft_digest *digest, char out[FT_DIGEST_TEXT_BYTES])
{
    static const char digits[] = "0123456789abcdef";

    memset(digest->block + digest->used, 0, BLOCK - digest->used);
    digest->count += digest->used;
    compress(digest, digest->block, true);
    for (size_t i = 0; i < FT_DIGEST_BYTES; i++) {
        const unsigned byte = (unsigned)(digest->state[i / 8] >> (8 * (i % 8))) & 0xFF;
        out[2 * i] = digits[byte >> 4];
        out[2 * i + 1] = digits[byte & 15];
    }
    out[FT_DIGEST_TEXT_BYTES - 1] = '\0';
}
