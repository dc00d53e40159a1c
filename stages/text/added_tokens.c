// Finding added tokens: skip to a byte that a token begins with, then walk the trie.
#include "stages/text/added_tokens.h"

#include <string.h>

#include "runtime/memory/alloc.h"
#include "stages/text/unicode.h"

static void note_first(ft_added_set *set, uint8_t byte)
{
    if (!(set->firsts[byte / 64] >> (byte % 64) & 1))
        set->first_count++;
    set->firsts[byte / 64] |= UINT64_C(1) << (byte % 64);
    set->first = byte;
}

static bool fill_trie(ft_added_set *set, ft_trie_key *keys, ft_arena *arena, ft_error *err)
{
    size_t unique = 0;

    for (size_t i = 0; i < set->count; i++) {
        keys[i] = ft_trie_make_key(set->tokens[i].content, (int32_t)i);
        note_first(set, (uint8_t)set->tokens[i].content.data[0]);
    }
    ft_trie_sort(keys, set->count);
    for (size_t i = 0; i < set->count; i++) {
        if (unique == 0 || !ft_slice_equal(keys[unique - 1].text, keys[i].text))
            keys[unique++] = keys[i];
    }
    return ft_trie_build(keys, unique, arena, &set->trie, err);
}

bool ft_added_set_build(const ft_added_token *tokens, size_t count, bool normalized,
                        ft_arena *arena, ft_added_set *out, ft_error *err)
{
    *out = (ft_added_set){0};
    if (count == 0)
        return true;
    ft_added_token *kept = ft_arena_zero(arena, count, sizeof(*kept));
    if (!kept)
        return ft_fail_nomem(err, count * sizeof(*kept));
    for (size_t i = 0; i < count; i++) {
        if (tokens[i].normalized != normalized)
            continue;
        ft_added_token *token = &kept[out->count++];
        *token = tokens[i];
        char *content = ft_arena_text(arena, tokens[i].content);
        if (!content)
            return ft_fail_nomem(err, tokens[i].content.size);
        token->content.data = content;
    }
    out->tokens = kept;
    if (out->count == 0)
        return true;
    ft_trie_key *keys = ft_alloc_array(out->count, sizeof(*keys));
    if (!keys)
        return ft_fail_nomem(err, out->count * sizeof(*keys));
    bool built = fill_trie(out, keys, arena, err);
    ft_free(keys);
    return built;
}

// The next byte that a token begins with, from `at` on; text.size when there is none.
static size_t find_first(const ft_added_set *set, ft_slice text, size_t at)
{
    const uint8_t *bytes = (const uint8_t *)text.data;

    if (at >= text.size)
        return text.size;
    if (set->first_count == 1) {
        const uint8_t *found = memchr(bytes + at, set->first, text.size - at);
        return found ? (size_t)(found - bytes) : text.size;
    }
    while (at < text.size && !(set->firsts[bytes[at] / 64] >> (bytes[at] % 64) & 1))
        at++;
    return at;
}

static bool is_word_character(uint32_t c)
{
    return ft_unicode_get(c)->flags & FT_UNICODE_WORD;
}

static bool is_single_word(ft_slice text, size_t start, size_t end)
{
    const uint8_t *bytes = (const uint8_t *)text.data;

    if (start > 0 && is_word_character(ft_unicode_previous(bytes, &start)))
        return false;
    return end == text.size || !is_word_character(ft_unicode_next(bytes, &end));
}

// Moves `start` over white space before it, not past `floor`.
static size_t strip_left(ft_slice text, size_t start, size_t floor)
{
    const uint8_t *bytes = (const uint8_t *)text.data;

    while (start > floor) {
        size_t before = start;
        if (!(ft_unicode_get(ft_unicode_previous(bytes, &before))->flags & FT_UNICODE_WHITE))
            break;
        start = before;
    }
    return start > floor ? start : floor;
}

static size_t strip_right(ft_slice text, size_t end)
{
    const uint8_t *bytes = (const uint8_t *)text.data;

    while (end < text.size) {
        size_t behind = end;
        if (!(ft_unicode_get(ft_unicode_next(bytes, &behind))->flags & FT_UNICODE_WHITE))
            break;
        end = behind;
    }
    return end;
}

static ft_slice part(ft_slice text, size_t from, size_t to)
{
    return (ft_slice){text.data + from, to > from ? to - from : 0};
}

// A match at [start, end) that is not discarded: gives it out.
static void give(ft_added_walk *walk, const ft_added_token *token, size_t start, size_t end,
                 ft_slice *out_before)
{
    if (token->lstrip)
        start = strip_left(walk->text, start, walk->taken);
    if (token->rstrip)
        end = strip_right(walk->text, end);
    *out_before = part(walk->text, walk->taken, start);
    walk->token_start = start;
    walk->taken = end;
}

bool ft_added_next(ft_added_walk *walk, ft_slice *out_before, const ft_added_token **out_token)
{
    const ft_added_set *set = walk->set;
    ft_slice text = walk->text;

    *out_token = NULL;
    while (set->count > 0 && walk->search_at < text.size) {
        size_t start = find_first(set, text, walk->search_at);
        if (start == text.size)
            break;
        size_t size = 0;
        int32_t index = ft_trie_longest(&set->trie, (const uint8_t *)text.data + start,
                                        text.size - start, &size);
        if (index == FT_TRIE_NONE) {
            walk->search_at = start + 1;
            continue;
        }
        const ft_added_token *token = &set->tokens[index];
        walk->search_at = start + size;
        if (walk->skip_special && token->special)
            continue;
        if (token->single_word && !is_single_word(text, start, start + size))
            continue;
        give(walk, token, start, start + size, out_before);
        *out_token = token;
        return true;
    }
    walk->search_at = text.size;
    *out_before = part(text, walk->taken, text.size);
    walk->taken = text.size;
    return out_before->size > 0;
}
