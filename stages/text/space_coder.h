// The fast path for the tokenizers of SentencePiece's family: normalised text is cut into words at
// white space or at its sign U+2581, and each word goes through the cache of the model. Words that
// come again, which most do, cost one look.
#pragma once

#include "stages/text/aligned.h"
#include "stages/text/definition.h"
#include "stages/text/ids.h"
#include "stages/text/placer.h"

typedef enum ft_space_rule {
    FT_SPACES_NONE,   // This path does not fit.
    FT_SPACES_WHITE,  // WhitespaceSplit, then Metaspace: a word is what stands between white space.
    FT_SPACES_EACH,   // Metaspace alone: a word at each space.
    FT_SPACES_RUNS,   // No pre-tokenizer, and a BPE model none of whose tokens goes on from other
                      // characters to the sign: what stands before a sign cannot merge with it.
} ft_space_rule;

ft_space_rule ft_space_rule_of(const ft_definition *definition, const ft_token_model *model);

typedef struct ft_space_coder ft_space_coder;

// Scratch memory of one instance, charged to `account` (may be NULL).
ft_space_coder *ft_space_coder_create(const ft_definition *definition, const ft_token_model *model,
                                      ft_account *account, ft_error *err);
void ft_space_coder_destroy(ft_space_coder *coder);
// Adds the ids of normalised text without added tokens, and places them (`placer` not NULL), whose
// text it is of, from `at` on; stops when `ids` has `enough`. 64 bytes behind the text may be read.
bool ft_space_coder_add(ft_space_coder *coder, ft_slice text, size_t at, size_t enough, ft_ids *ids,
                        ft_placer *placer, ft_error *err) FT_MUST_CHECK;

// Whether a text need not be normalised: all that would happen to it is that the sign takes the
// place of spaces, and stands in front; with places, also that they follow from the ids.
// `*out_done` false: nothing has been added, since the text has signs of its own.
bool ft_space_coder_is_raw(const ft_space_coder *coder, bool with_places);
bool ft_space_coder_add_raw(ft_space_coder *coder, ft_slice text, size_t enough, ft_ids *ids,
                            ft_placer *placer, bool *out_done, ft_error *err) FT_MUST_CHECK;
