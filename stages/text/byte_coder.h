// The fast path for byte-level BPE: words of the raw text by a hand-written grammar, ids of each
// from its bytes, through a cache; the letters that stand for bytes are never written.
#pragma once

#include "stages/text/ids.h"
#include "stages/text/placer.h"
#include "stages/text/word_grammar.h"

typedef struct ft_byte_coder ft_byte_coder;

// Scratch memory of one instance: the model's, and what the longest word takes; charged to
// `account` (may be NULL).
ft_byte_coder *ft_byte_coder_create(const ft_token_model *model, const ft_grammar *grammar,
                                    ft_account *account, ft_error *err);
void ft_byte_coder_destroy(ft_byte_coder *coder);
// Adds the ids of a part of a text, valid UTF-8, normalised, without added tokens, and places them
// (`placer` not NULL), whose text the part is of, from `at` on; stops when `ids` has `enough`.
bool ft_byte_coder_add(ft_byte_coder *coder, ft_slice part, size_t at, size_t enough, ft_ids *ids,
                       ft_placer *placer, ft_error *err) FT_MUST_CHECK;
