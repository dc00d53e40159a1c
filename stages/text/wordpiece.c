// Greedy longest match over two tries. A restart looks at no more bytes than the longest entry has,
// so a word costs its length times that at worst; entries that are words, which is the most, cost
// one walk.
#include "stages/text/wordpiece.h"

size_t ft_wordpiece_split(const ft_wordpiece *model, const uint8_t *word, size_t size, int32_t *out,
                          uint32_t *ends)
{
    const ft_trie *trie = &model->words;
    size_t count = 0, at = 0;

    if (size > model->max_chars &&
        ft_utf8_count((ft_slice){(const char *)word, size}) > model->max_chars)
        at = size + 1;
    while (at < size) {
        size_t matched = 0;
        int32_t id = ft_trie_longest(trie, word + at, size - at, &matched);
        if (matched == 0)
            break;
        at += matched;
        if (ends)
            ends[count] = (uint32_t)at;
        out[count++] = id;
        trie = &model->pieces;
    }
    if (at == size)
        return count;
    out[0] = model->unknown;
    if (ends)
        ends[0] = (uint32_t)size;
    return 1;
}
