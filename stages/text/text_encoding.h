// What a model takes: ids of one text or of two with special tokens around, cut to a length, with
// what cuts left as further windows, padded. By the rules of tokenizers 0.23.3.
#pragma once

#include "stages/text/definition.h"
#include "stages/text/ids.h"
#include "stages/text/token.h"
#include "stages/text/tokenizer.h"

// The columns that are made besides the ids.
enum {
    FT_ENCODE_TYPE_IDS = 1,      // What the template says; 0 for padding unless it says otherwise.
    FT_ENCODE_OFFSETS = 2,       // Bytes of the text: start and end of each.
    FT_ENCODE_WORD_IDS = 4,      // -1 for special tokens and padding.
    FT_ENCODE_SPECIAL_MASK = 8,  // 1 for special tokens and padding.
    FT_ENCODE_ATTENTION = 16,    // 0 for padding.
    FT_ENCODE_SEQUENCE = 32,     // 0, 1: the text it is of; -1 for special tokens and padding.
};

typedef enum ft_pair_truncation {
    FT_PAIR_LONGEST_FIRST,
    FT_PAIR_ONLY_FIRST,
    FT_PAIR_ONLY_SECOND,
} ft_pair_truncation;

typedef struct ft_encode_settings {
    unsigned columns;
    bool add_special;
    size_t max_length;  // Special ids included; 0: no limit.
    ft_truncation truncation;
    ft_pair_truncation pair_truncation;
    bool windows;                 // What is cut off becomes further windows,
    size_t stride;                // which begin with the last `stride` tokens of the one before.
    size_t pad_to, pad_multiple;  // 0: none.
    bool pad_left;
    int32_t pad_id, pad_type_id;
    bool is_plain;  // By the interpreter, never a fast path: tests compare the two.
} ft_encode_settings;

// Windows end to end, columns side by side; a column that was not asked for is empty. Offsets hold
// two numbers for each id.
typedef struct ft_encodings {
    ft_ids ids, type_ids, offsets, word_ids, special, attention, sequence;
    ft_ids ends;  // Where each window ends.
} ft_encodings;

void ft_encodings_init(ft_encodings *encodings, ft_account *account);
void ft_encodings_finish(ft_encodings *encodings);  // A zeroed one is fine.

// Checks what does not depend on texts. USAGE: the length leaves no room, or the stride is too
// long.
bool ft_encode_check(const ft_tokenizer *tokenizer, const ft_encode_settings *settings, bool pair,
                     ft_error *err) FT_MUST_CHECK;
// Adds the windows of one text (`b` NULL) or of a pair behind those there are. `*out_cut`: whether
// anything was cut off. DATA: the texts cannot be cut so. On failure `out` is as before.
bool ft_encode(const ft_tokenizer *tokenizer, const ft_encode_settings *settings,
               const ft_tokens *a, const ft_tokens *b, ft_encodings *out, bool *out_cut,
               ft_error *err) FT_MUST_CHECK;
