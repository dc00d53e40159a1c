// What words became last time: a bounded table of an instance, so that a word that is seen again
// costs one look.
//
// Two tables, keys padded with zeros (no word has a NUL byte that is looked up here):
//   short  keys to 16 bytes, to 3 ids (5 packed ones), entries of 32 bytes, buckets of two in one
//          cache line
//   long   keys to 32 bytes, to 7 ids, entries of 64 bytes, one place each
// A newcomer displaces what is in its place. The tables begin small, so that few words stay in few
// pages and in the nearest cache, and become four times as large when as many words have come as
// there are buckets.
#pragma once

#include "runtime/memory/account.h"
#include "runtime/memory/buffer.h"

enum {
    FT_WORD_SHORT = 16,
    FT_WORD_SHORT_IDS = 3,
    FT_WORD_PACKED_IDS = 5,
    FT_WORD_LONG = 32,
    FT_WORD_LONG_IDS = 7,
    FT_WORD_MANY = 255
};

typedef struct ft_word_short {
    uint64_t key[2];
    union {
        struct {
            int32_t ids[FT_WORD_SHORT_IDS];
            uint8_t count;                    // FT_WORD_MANY: the ids are in the other table.
            uint8_t ends[FT_WORD_SHORT_IDS];  // Where each ends in the word, in bytes.
        };
        // Where ids are of 24 bits: those, and in the last byte the count.
        uint8_t packed[16];
    };
} ft_word_short;

typedef struct ft_word_long {
    uint64_t key[4];
    int32_t ids[FT_WORD_LONG_IDS];
    uint32_t count;  // 0: nothing is here.
} ft_word_long;

typedef struct ft_word_cache {
    ft_buffer *buffer;
    ft_word_short *shorts;  // [2 << short_bits]
    ft_word_long *longs;    // [1 << long_bits]
    unsigned shift;         // 64 - bits: as many places are in each table.
    unsigned size_bits, size_bits_most;
    size_t added;  // Newcomers, since it has this size.
    ft_account *account;
} ft_word_cache;

// Grows up to `max_bytes` (0: 4 MiB), and to a 64th of what the account allows, down to 16 KiB.
bool ft_word_cache_init(ft_word_cache *cache, size_t max_bytes, ft_account *account,
                        ft_error *err) FT_MUST_CHECK;
void ft_word_cache_finish(ft_word_cache *cache);  // A zeroed one is fine.

// Whether it would be better larger.
static inline bool ft_word_cache_is_crowded(const ft_word_cache *cache)
{
    return cache->added >> (64 - cache->shift) && cache->size_bits < cache->size_bits_most;
}

// Makes it larger; what it holds goes to new places. Without memory it stays as it is, for good.
void ft_word_cache_grow(ft_word_cache *cache);

// [n] masks the first n bytes of 16.
extern const uint64_t ft_word_masks[FT_WORD_SHORT + 1][2];

// The first `size` bytes at `word`, at most 16, padded with zeros; 16 bytes may be read there.
static inline void ft_word_key(const uint8_t *word, size_t size, uint64_t out[2])
{
    __builtin_memcpy(out, word, 16);
    out[0] &= ft_word_masks[size][0];
    out[1] &= ft_word_masks[size][1];
}

static inline uint64_t ft_word_mix(uint64_t a, uint64_t b)
{
    uint64_t high;
    uint64_t low =
        ft_mul_wide(a ^ UINT64_C(0xa0761d6478bd642f), b ^ UINT64_C(0xe7037ed1a0b428db), &high);

    return (low ^ high) * UINT64_C(0x9e3779b97f4a7c15);
}

// The bucket of two for a key.
static inline ft_word_short *ft_word_cache_bucket(const ft_word_cache *cache, const uint64_t key[2])
{
    return cache->shorts + 2 * (ft_word_mix(key[0], key[1]) >> cache->shift);
}

// Makes `key` the newest of its bucket. With more ids than there is room for only `count` is kept:
// FT_WORD_MANY.
void ft_word_cache_add_short(ft_word_cache *cache, ft_word_short *bucket, const uint64_t key[2],
                             const int32_t *ids, const uint32_t *ends, size_t count);

// The same with packed ids.
void ft_word_cache_add_packed(ft_word_cache *cache, ft_word_short *bucket, const uint64_t key[2],
                              const int32_t *ids, size_t count);

// How many, or FT_WORD_MANY.
static inline size_t ft_word_packed_count(const ft_word_short *entry)
{
    return entry->packed[15];
}

static inline int32_t ft_word_packed_id(const ft_word_short *entry, size_t index)
{
    uint32_t id;

    __builtin_memcpy(&id, entry->packed + 3 * index, sizeof(id));
    return (int32_t)(id & 0xffffff);
}

static inline bool ft_word_short_holds(const ft_word_short *entry, const uint64_t key[2])
{
    return ((entry->key[0] ^ key[0]) | (entry->key[1] ^ key[1])) == 0;
}

// A word of at most 32 bytes, padded with zeros.
static inline void ft_word_long_key(const uint8_t *word, size_t size, uint64_t out[4])
{
    size_t tail = size > FT_WORD_SHORT ? size - FT_WORD_SHORT : 0;

    ft_word_key(word, size - tail, out);
    ft_word_key(word + FT_WORD_SHORT, tail, out + 2);
}

static inline ft_word_long *ft_word_cache_long_at(const ft_word_cache *cache, const uint64_t key[4])
{
    return cache->longs +
           (ft_word_mix(ft_word_mix(key[0], key[1]), ft_word_mix(key[2], key[3])) >> cache->shift);
}

// The place of a word of 17 to 32 bytes, or of a short one with many ids.
static inline ft_word_long *ft_word_cache_long(const ft_word_cache *cache, const uint8_t *word,
                                               size_t size)
{
    uint64_t key[4];

    ft_word_long_key(word, size, key);
    return ft_word_cache_long_at(cache, key);
}
