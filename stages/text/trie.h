// A set of byte strings with a number each, as a double-array trie: a step is one load and one
// comparison.
#pragma once

#include "runtime/memory/arena.h"
#include "runtime/slice.h"

typedef struct ft_trie_node {
    int32_t base;   // The child for byte b is at base ^ b ...
    int32_t check;  // ... if that node's `check` is this one.
    int32_t value;  // FT_TRIE_NONE where no string ends.
} ft_trie_node;

typedef struct ft_trie {
    const ft_trie_node *nodes;  // [count], a multiple of 256; the root is node 0.
    size_t count;
} ft_trie;

enum { FT_TRIE_NONE = -1, FT_TRIE_ROOT = 0 };

typedef struct ft_trie_key {
    uint64_t head;  // The first 8 bytes, so that most comparisons need no look at the text.
    ft_slice text;
    int32_t value;  // Not negative.
} ft_trie_key;

ft_trie_key ft_trie_make_key(ft_slice text, int32_t value);
// By bytes; keys of equal text keep their order by `value`.
void ft_trie_sort(ft_trie_key *keys, size_t count);
// `keys` are sorted and no two texts are equal. The trie lives in the arena.
bool ft_trie_build(const ft_trie_key *keys, size_t count, ft_arena *arena, ft_trie *out,
                   ft_error *err) FT_MUST_CHECK;

typedef struct ft_image ft_image;
// To or from an image (token_image.h): values up to `value_most`.
void ft_trie_transfer(ft_trie *trie, int32_t value_most, ft_image *image);
// The same of a small one, or NULL, as its keys, which are UTF-8: it is built again, so that a text
// is never cut inside of a character.
void ft_trie_transfer_keys(const ft_trie **trie, int32_t value_most, ft_image *image);

// The child of `node` for `byte`, or FT_TRIE_NONE.
static inline int32_t ft_trie_step(const ft_trie *trie, int32_t node, uint8_t byte)
{
    int32_t child = trie->nodes[node].base ^ byte;

    return trie->nodes[child].check == node ? child : FT_TRIE_NONE;
}

// The longest string of the set that `text` begins with: its value, FT_TRIE_NONE when there is
// none.
int32_t ft_trie_longest(const ft_trie *trie, const uint8_t *text, size_t size, size_t *out_size);
