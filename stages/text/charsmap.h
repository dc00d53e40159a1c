// The precompiled normalisation of SentencePiece: texts and what each becomes.
//
// A blob of u32 size of the trie, the trie, the pool; little endian. The trie is a double array of
// darts-clone: 32-bit units, the child of unit i for byte b at i ^ offset ^ b if its label is b, a
// value unit at i ^ offset if its flag says so. A value is where its text begins in the pool; it
// ends at the next NUL. Source: SentencePiece's documentation of its normalisation, and
// darts-clone.
#pragma once

#include "runtime/memory/arena.h"
#include "runtime/slice.h"

typedef struct ft_charsmap {
    const uint32_t *units;  // [count]; every offset and value in it has been checked.
    size_t count;
    const uint8_t *pool;  // [pool_size], valid UTF-8, NUL behind it.
    size_t pool_size;
    // ASCII that no rule takes unless something that is not ASCII follows.
    bool is_plain[128];
    bool keeps_letters;  // All of it that is printed, but the space, is so.
} ft_charsmap;

// `place` names it in messages ("normalizer.precompiled_charsmap").
bool ft_charsmap_parse(ft_slice blob, const char *path, const char *place, ft_arena *arena,
                       const ft_charsmap **out, ft_error *err) FT_MUST_CHECK;
// The same from base64, as a tokenizer.json has it.
bool ft_charsmap_parse_base64(ft_slice text, const char *path, const char *place, ft_arena *arena,
                              const ft_charsmap **out, ft_error *err) FT_MUST_CHECK;

typedef struct ft_image ft_image;
// To or from an image (token_image.h), where it is checked as when it is parsed.
void ft_charsmap_transfer(const ft_charsmap **map, ft_image *image);

// What the shortest (`_longest`: the longest) text of the map becomes that `key` begins with;
// returns its size, 0 when there is none.
size_t ft_charsmap_shortest(const ft_charsmap *map, const uint8_t *key, size_t size,
                            ft_slice *out_becomes);
size_t ft_charsmap_longest(const ft_charsmap *map, const uint8_t *key, size_t size,
                           ft_slice *out_becomes);
