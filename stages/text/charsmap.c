// Reads the blob, checks every unit once, so that a walk needs no checks.
#include "stages/text/charsmap.h"

#include <string.h>

#include "stages/text/base64.h"
#include "stages/text/definition_read.h"
#include "stages/text/token_image.h"

enum { BLOCK = 256, HEAD_BYTES = sizeof(uint32_t) };
static const uint32_t VALUE = UINT32_C(1) << 31;

static uint32_t label_of(uint32_t unit)
{
    return unit & (VALUE | 0xff);  // Of a value unit no byte.
}

static bool has_value(uint32_t unit)
{
    return unit >> 8 & 1;
}

static uint32_t offset_of(uint32_t unit)
{
    return unit >> 10 << ((unit >> 9 & 1) * 8);
}

// Where a step from unit `at` may lead, and the text that its value names, are there.
static bool check_unit(const ft_charsmap *map, size_t at, const char *path, const char *place,
                       ft_error *err)
{
    uint32_t unit = map->units[at];
    size_t to = at ^ offset_of(unit);

    if (unit & VALUE)
        return true;
    if ((to | (BLOCK - 1)) >= map->count)
        return ft_tokenizer_fault(err, path, place, "unit %zu of its trie leads to unit %zu of %zu",
                                  at, to, map->count);
    if (!has_value(unit))
        return true;
    size_t text = map->units[to] & ~VALUE;
    if (!(map->units[to] & VALUE))
        return ft_tokenizer_fault(err, path, place, "unit %zu of its trie has no value at unit %zu",
                                  at, to);
    if (text > map->pool_size || (map->pool[text] & 0xc0) == 0x80)
        return ft_tokenizer_fault(err, path, place,
                                  "unit %zu of its trie names the text at byte %zu of %zu, where "
                                  "none begins",
                                  at, text, map->pool_size);
    return true;
}

// The child of the node whose children are around `base`; `*base` becomes its own.
static bool step(const ft_charsmap *map, size_t *base, uint8_t byte, uint32_t *out_unit)
{
    size_t child = *base ^ byte;
    uint32_t unit = map->units[child];

    if (byte == 0 || label_of(unit) != byte)
        return false;
    *base = child ^ offset_of(unit);
    *out_unit = unit;
    return true;
}

static void find_plain(ft_charsmap *map)
{
    for (unsigned c = 0; c < sizeof(map->is_plain); c++) {
        size_t base = offset_of(map->units[0]), below;
        uint32_t unit;
        map->is_plain[c] = true;
        if (!step(map, &base, (uint8_t)c, &unit))
            continue;
        map->is_plain[c] = !has_value(unit);
        for (unsigned next = 0; next < sizeof(map->is_plain); next++) {
            below = base;
            if (step(map, &below, (uint8_t)next, &unit))
                map->is_plain[c] = false;
        }
    }
    map->keeps_letters = true;
    for (unsigned c = '!'; c <= '~'; c++)
        map->keeps_letters &= map->is_plain[c];
}

// All units and texts.
static bool check_map(ft_charsmap *map, const char *path, const char *place, ft_error *err)
{
    ft_slice texts = {(const char *)map->pool, map->pool_size};
    size_t valid = ft_utf8_valid_prefix(texts);

    if (valid != texts.size)
        return ft_tokenizer_fault(err, path, place, "byte %zu of its texts is not UTF-8", valid);
    for (size_t i = 0; i < map->count; i++) {
        if (!check_unit(map, i, path, place, err))
            return false;
    }
    if (map->units[0] & VALUE)
        return ft_tokenizer_fault(err, path, place, "the root of its trie is a value");
    find_plain(map);
    return true;
}

static uint32_t read_u32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

bool ft_charsmap_parse(ft_slice blob, const char *path, const char *place, ft_arena *arena,
                       const ft_charsmap **out, ft_error *err)
{
    const uint8_t *bytes = (const uint8_t *)blob.data;

    if (blob.size < HEAD_BYTES)
        return ft_tokenizer_fault(err, path, place, "%zu bytes: the size of its trie is cut off",
                                  blob.size);
    size_t trie_bytes = read_u32(bytes);
    if (trie_bytes > blob.size - HEAD_BYTES)
        return ft_tokenizer_fault(err, path, place, "a trie of %zu bytes where %zu are left",
                                  trie_bytes, blob.size - HEAD_BYTES);
    if (trie_bytes == 0 || trie_bytes % (BLOCK * sizeof(uint32_t)) != 0)
        return ft_tokenizer_fault(
            err, path, place, "a trie of %zu bytes, not of whole blocks of 256 units", trie_bytes);
    ft_slice texts = {blob.data + HEAD_BYTES + trie_bytes, blob.size - HEAD_BYTES - trie_bytes};
    ft_charsmap *map = ft_arena_zero(arena, 1, sizeof(*map));
    uint32_t *units = ft_arena_alloc(arena, trie_bytes);
    char *pool = ft_arena_text(arena, texts);
    if (!map || !units || !pool)
        return ft_fail_nomem(err, blob.size);
    *map = (ft_charsmap){.units = units,
                         .count = trie_bytes / sizeof(*units),
                         .pool = (const uint8_t *)pool,
                         .pool_size = texts.size};
    for (size_t i = 0; i < map->count; i++)
        units[i] = read_u32(bytes + HEAD_BYTES + i * sizeof(*units));
    *out = map;
    return check_map(map, path, place, err);
}

bool ft_charsmap_parse_base64(ft_slice text, const char *path, const char *place, ft_arena *arena,
                              const ft_charsmap **out, ft_error *err)
{
    uint8_t *blob = ft_arena_alloc(arena, text.size / 4 * 3 + 1);
    size_t size, at;

    if (!blob)
        return ft_fail_nomem(err, text.size);
    if (!ft_base64_decode(text, blob, &size, &at))
        return ft_tokenizer_fault(err, path, place, "%s at letter %zu of %zu",
                                  at == text.size ? "base64 that is cut off" : "no base64", at,
                                  text.size);
    return ft_charsmap_parse((ft_slice){(const char *)blob, size}, path, place, arena, out, err);
}

static void get_text(const ft_charsmap *map, size_t base, ft_slice *out)
{
    const char *text = (const char *)map->pool + (map->units[base] & ~VALUE);

    *out = (ft_slice){text, strlen(text)};
}

size_t ft_charsmap_shortest(const ft_charsmap *map, const uint8_t *key, size_t size,
                            ft_slice *out_becomes)
{
    size_t base = offset_of(map->units[0]);
    uint32_t unit;

    for (size_t i = 0; i < size && step(map, &base, key[i], &unit); i++) {
        if (has_value(unit)) {
            get_text(map, base, out_becomes);
            return i + 1;
        }
    }
    return 0;
}

size_t ft_charsmap_longest(const ft_charsmap *map, const uint8_t *key, size_t size,
                           ft_slice *out_becomes)
{
    size_t base = offset_of(map->units[0]), value_base = 0, longest = 0;
    uint32_t unit;

    for (size_t i = 0; i < size && step(map, &base, key[i], &unit); i++) {
        // A rule that ends inside of a character is none: the rest would be no text.
        if (has_value(unit) && (i + 1 == size || (key[i + 1] & 0xc0) != 0x80)) {
            value_base = base;
            longest = i + 1;
        }
    }
    if (longest > 0)
        get_text(map, value_base, out_becomes);
    return longest;
}

void ft_charsmap_transfer(const ft_charsmap **map, ft_image *image)
{
    ft_charsmap copy = *map ? **map : (ft_charsmap){0};
    const void *units = copy.units, *pool = copy.pool;
    size_t bytes = copy.pool_size + 1;  // With the NUL.
    bool is_there = *map != NULL;
    ft_error err = FT_ERROR_INIT;

    FT_IMAGE_FIELD(image, is_there, 1);
    if (!is_there)
        return;
    ft_image_array(image, &units, &copy.count, sizeof(*copy.units), NULL, NULL);
    ft_image_array(image, &pool, &bytes, 1, NULL, NULL);
    if (image->is_made)
        return;
    ft_charsmap *made = ft_image_alloc(image, 1, sizeof(*made));
    if (!made || !ft_image_check(image,
                                 copy.count > 0 && copy.count % BLOCK == 0 && bytes > 0 &&
                                     ((const char *)pool)[bytes - 1] == '\0',
                                 "a map of characters is cut off"))
        return;
    *made =
        (ft_charsmap){.units = units, .count = copy.count, .pool = pool, .pool_size = bytes - 1};
    ft_image_check(image, check_map(made, "", "", &err), "a map of characters is wrong");
    *map = made;
}
