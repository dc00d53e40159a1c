// Pre-tokenizers: a text to words, exactly as tokenizers 0.23.3 cuts.
#pragma once

#include "stages/text/aligned.h"
#include "stages/text/definition.h"

typedef struct ft_word_range {
    uint32_t from, to;  // Bytes of the text, not empty unless it is an added token.
    int32_t id;         // Of an added token, which nothing cuts; -1: a word for the model.
} ft_word_range;

// Words in order, without holes but for what was removed. A zeroed one with accounts is empty.
typedef struct ft_words {
    ft_aligned text;
    ft_buffer *buffer;
    size_t count;
} ft_words;

static inline ft_word_range *ft_words_data(const ft_words *words)
{
    return words->buffer ? words->buffer->data : NULL;
}
bool ft_words_add(ft_words *words, ft_word_range range, ft_error *err) FT_MUST_CHECK;
void ft_words_finish(ft_words *words);

// Cuts every word that has no id by each step in turn. `spare` is memory that is used again (same
// account). Metaspace's `first` asks whether a word comes from the beginning of the given text:
// with other steps or a normaliser before it `words` must have spans for that, also when nobody
// asks for offsets.
bool ft_pretokenize(const ft_pre_step *steps, size_t count, ft_words *words, ft_words *spare,
                    ft_error *err) FT_MUST_CHECK;
