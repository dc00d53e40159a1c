// Half of the memory goes to short words, half to long ones.
#include "stages/text/word_cache.h"

#include <string.h>

#define M(n) \
    ((n) >= 8 ? ~UINT64_C(0) : (n) <= 0 ? UINT64_C(0) : ~UINT64_C(0) >> ((64 - 8 * (n)) & 63))
#define MASKS(n) {M(n), M((n) - 8)}

// Keys are loaded as little-endian numbers, so low bytes are first bytes.
const uint64_t ft_word_masks[FT_WORD_SHORT + 1][2] = {
    MASKS(0), MASKS(1),  MASKS(2),  MASKS(3),  MASKS(4),  MASKS(5),  MASKS(6),  MASKS(7),  MASKS(8),
    MASKS(9), MASKS(10), MASKS(11), MASKS(12), MASKS(13), MASKS(14), MASKS(15), MASKS(16),
};

enum { CACHE_MAX_BITS = 22, CACHE_MIN_BITS = 14, CACHE_SHARE = 64 };

bool ft_word_cache_init(ft_word_cache *cache, ft_account *account, ft_error *err)
{
    unsigned bits = CACHE_MAX_BITS;

    while (account && bits > CACHE_MIN_BITS &&
           INT64_C(1) << bits > account->limit_bytes / CACHE_SHARE)
        bits--;
    size_t size = (size_t)1 << bits;
    cache->buffer = ft_buffer_create(account, size, err);
    if (!cache->buffer)
        return false;
    memset(cache->buffer->data, 0, size);
    cache->shorts = cache->buffer->data;
    cache->longs = (ft_word_long *)(void *)((char *)cache->buffer->data + size / 2);
    // Each half holds buckets and entries of 64 bytes.
    cache->short_shift = cache->long_shift = 64 - (bits - 1 - 6);
    return true;
}

void ft_word_cache_finish(ft_word_cache *cache)
{
    ft_buffer_unref(cache->buffer);
    *cache = (ft_word_cache){0};
}

void ft_word_cache_add_short(ft_word_short *bucket, const uint64_t key[2], const int32_t *ids,
                             size_t count)
{
    bucket[1] = bucket[0];
    bucket[0] = (ft_word_short){.key = {key[0], key[1]}, .count = FT_WORD_MANY};
    if (count > FT_WORD_SHORT_IDS)
        return;
    memcpy(bucket[0].ids, ids, count * sizeof(*ids));
    bucket[0].count = (uint32_t)count;
}
