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

enum {
    FIRST_BITS = 16,
    MOST_BITS = 22,
    LEAST_BITS = 14,
    LARGEST_BITS = 30,
    SHARE = 64,
    GROWTH_BITS = 2
};

static bool make_tables(ft_word_cache *cache, ft_error *err)
{
    size_t size = (size_t)1 << cache->size_bits;

    // As large as it is only because words have come that will fill it. A block that has been in
    // use is cleared in a fraction of the time in which the kernel makes as many fresh pages.
    cache->buffer = ft_buffer_create(cache->account, size, err);
    if (!cache->buffer)
        return false;
    memset(cache->buffer->data, 0, size);
    cache->shorts = cache->buffer->data;
    cache->longs = (ft_word_long *)(void *)((char *)cache->buffer->data + size / 2);
    // Each half holds buckets and entries of 64 bytes.
    cache->shift = 64 - (cache->size_bits - 1 - 6);
    return true;
}

bool ft_word_cache_init(ft_word_cache *cache, size_t max_bytes, ft_account *account, ft_error *err)
{
    unsigned most = MOST_BITS;

    while (max_bytes > 0 && most > LEAST_BITS && (size_t)1 << most > max_bytes)
        most--;
    while (max_bytes > 0 && most < LARGEST_BITS && (size_t)2 << most <= max_bytes)
        most++;
    while (account && most > LEAST_BITS && INT64_C(1) << most > account->limit_bytes / SHARE)
        most--;
    *cache = (ft_word_cache){
        .account = account,
        .size_bits = most < FIRST_BITS ? most : FIRST_BITS,
        .size_bits_most = most,
    };
    return make_tables(cache, err);
}

void ft_word_cache_grow(ft_word_cache *cache)
{
    ft_word_cache old = *cache;
    const size_t places = (size_t)1 << (64 - old.shift);
    ft_error err = FT_ERROR_INIT;

    cache->size_bits += GROWTH_BITS;
    if (cache->size_bits > cache->size_bits_most)
        cache->size_bits = cache->size_bits_most;
    cache->added = 0;
    if (!make_tables(cache, &err)) {
        *cache = old;
        cache->size_bits_most = old.size_bits;
        return;
    }
    // Of a bucket the older one first, so that the order stays. Empty entries have no key.
    for (size_t i = 2 * places; i-- > 0;) {
        const ft_word_short *entry = &old.shorts[i];
        ft_word_short *bucket = ft_word_cache_bucket(cache, entry->key);
        if (entry->key[0] == 0)
            continue;
        bucket[1] = bucket[0];
        bucket[0] = *entry;
    }
    for (size_t i = 0; i < places; i++)
        if (old.longs[i].count > 0)
            *ft_word_cache_long_at(cache, old.longs[i].key) = old.longs[i];
    ft_buffer_discard(old.buffer);
}

void ft_word_cache_finish(ft_word_cache *cache)
{
    ft_buffer_unref(cache->buffer);
    *cache = (ft_word_cache){0};
}

void ft_word_cache_add_short(ft_word_cache *cache, ft_word_short *bucket, const uint64_t key[2],
                             const int32_t *ids, const uint32_t *ends, size_t count)
{
    cache->added++;
    bucket[1] = bucket[0];
    bucket[0] = (ft_word_short){.key = {key[0], key[1]}, .count = FT_WORD_MANY};
    if (count > FT_WORD_SHORT_IDS)
        return;
    memcpy(bucket[0].ids, ids, count * sizeof(*ids));
    bucket[0].count = (uint8_t)count;
    for (size_t i = 0; i < count; i++)
        bucket[0].ends[i] = (uint8_t)ends[i];
}

void ft_word_cache_add_packed(ft_word_cache *cache, ft_word_short *bucket, const uint64_t key[2],
                              const int32_t *ids, size_t count)
{
    ft_word_short entry = {.key = {key[0], key[1]}};

    entry.packed[15] = FT_WORD_MANY;
    if (count <= FT_WORD_PACKED_IDS) {
        for (size_t i = 0; i < count; i++)
            memcpy(entry.packed + 3 * i, &ids[i], 3);
        entry.packed[15] = (uint8_t)count;
    }
    cache->added++;
    bucket[1] = bucket[0];
    bucket[0] = entry;
}
