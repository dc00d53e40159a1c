// The fast path for BERT's tokenizers: normalising, cutting into words and WordPiece in one pass
// over the text, 64 bytes at a time where they are ASCII, with a cache of words.
//
//   text -> chunks of marked text -> words -> cache or tries -> ids
#pragma once

#include "stages/text/bert.h"
#include "stages/text/placer.h"
#include "stages/text/wordpiece.h"

typedef struct ft_bert_coder ft_bert_coder;

// Scratch memory of one instance: about 4 MiB at most, charged to `account` (may be NULL).
ft_bert_coder *ft_bert_coder_create(const ft_wordpiece *model, ft_account *account, ft_error *err);
void ft_bert_coder_destroy(ft_bert_coder *coder);
// Adds the ids of a part of a text, valid UTF-8 without added tokens, and places them (`placer` not
// NULL), in a text where the part is at `start`; stops when `ids` has `enough`. Once the normaliser
// has moved marks (moved_marks) places are not right.
bool ft_bert_coder_add(ft_bert_coder *coder, ft_bert_rules rules, ft_slice part, size_t start,
                       size_t enough, ft_ids *ids, ft_placer *placer, ft_error *err) FT_MUST_CHECK;
// Its normaliser, to be used between parts.
ft_bert *ft_bert_coder_bert(ft_bert_coder *coder);
