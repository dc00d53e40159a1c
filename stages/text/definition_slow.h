// What the slow tokenizers of transformers say beside a vocabulary: the class, its special tokens
// and what it puts around a text. For definition_merges.c.
#pragma once

#include "stages/text/definition_read.h"

typedef enum ft_slow_special {
    FT_SLOW_BEGIN,
    FT_SLOW_END,
    FT_SLOW_UNKNOWN,
    FT_SLOW_SEPARATOR,
    FT_SLOW_PADDING,
    FT_SLOW_CLASS,
    FT_SLOW_MASK,
    FT_SLOW_COUNT
} ft_slow_special;

typedef enum ft_slow_template {
    FT_SLOW_PLAIN,    // A; a text begins with its token where add_bos_token says so.
    FT_SLOW_ROBERTA,  // <s> A </s>, <s> A </s></s> B </s>
    FT_SLOW_BERT,     // [CLS] A [SEP], [CLS] A [SEP] B [SEP]
} ft_slow_template;

typedef struct ft_slow_rules {
    // Of the class:
    const char *grammar;  // What cuts words, of normalised text (NFC); NULL: GPT-2's, as it is.
    ft_slow_template around;
    // Of the files beside the vocabulary:
    bool add_prefix_space, add_begin;
    ft_added_token special[FT_SLOW_COUNT];  // Without content: there is none. Ids are not set.
    bool is_said[FT_SLOW_COUNT];            // A file names it; else the class does.
    ft_added_token *added;                  // [added_count], in scratch memory; -1: no id is said.
    size_t added_count;
    bool keeps_flags;  // How a token is sought is as `added` has it, whatever `special` says.
} ft_slow_rules;

// Reads the files beside r->path.
bool ft_slow_rules_read(const ft_definition_reader *r, ft_slow_rules *out,
                        ft_error *err) FT_MUST_CHECK;
// Makes the added tokens and what stands around a text. With a vocabulary, the definition's pieces
// are there.
bool ft_slow_rules_make(const ft_definition_reader *r, const ft_slow_rules *rules,
                        ft_error *err) FT_MUST_CHECK;
