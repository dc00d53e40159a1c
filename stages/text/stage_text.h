// What stages that give texts to a tokenizer have in common.
#pragma once

#include "runtime/stage.h"
#include "stages/text/tokenizer.h"

// The tokenizer at `path`, one for all stages that name it.
bool ft_stage_load_tokenizer(ft_stage_load *load, const char *path, void **out,
                             ft_error *err) FT_MUST_CHECK;

// The text of an item. A field whose type was not known before is a JSON string, which is unescaped
// into `*unescaped` (NULL at first, charged to the stage; whoever has it unrefs it) and lives until
// the next call with that. What comes out is valid UTF-8. DATA: the item has no text, or one that
// is not.
bool ft_stage_text(ft_stage *self, ft_buffer **unescaped, const ft_column *column, size_t item,
                   ft_slice *out, ft_error *why) FT_MUST_CHECK;

// An item that failed for its own sake (DATA) is told and left out; else the run fails.
bool ft_stage_leave_out(ft_stage *self, const ft_batch *in, size_t item, const ft_error *why,
                        ft_error *err) FT_MUST_CHECK;

// Makes `*buffer` (NULL at first) at least so large; what is in it is lost.
bool ft_stage_room(ft_stage *self, ft_buffer **buffer, size_t bytes, ft_error *err) FT_MUST_CHECK;

// A list of names of an option as a set: bit i for `names[i]` (NULL-terminated). One that is twice
// there or none of them fails at the option.
bool ft_stage_read_names(const ft_strings *given, const char *option, const char *const *names,
                         unsigned *out, ft_error *err) FT_MUST_CHECK;

// The items `kept` of a batch, all of them or fewer, wide enough for the stage's output and
// unshared; takes `*in` when it is all of them.
bool ft_stage_keep(ft_stage *self, ft_batch **in, const uint32_t *kept, size_t count,
                   ft_batch **out, ft_error *err) FT_MUST_CHECK;

// The items `items` of a batch, in order, one of them maybe several times, as a new batch that is
// as wide as the stage's output. Columns that nothing downstream reads are absent: a text of which
// only this stage reads anything is not repeated for each of its pieces.
ft_batch *ft_stage_repeat(ft_stage *self, const ft_batch *in, const uint32_t *items, size_t count,
                          ft_error *err) FT_MUST_CHECK;

// Adds the new value of one item to its builder; on failure nothing was added. DATA: the item's
// fault.
typedef bool ft_stage_add(ft_stage *self, const ft_batch *in, size_t item, ft_builder *out,
                          ft_error *why);
// A new value for each item: those that fail are left out, the others go on with the new column
// `output`.
bool ft_stage_add_column(ft_stage *self, ft_batch **in, size_t output, ft_stage_add *add,
                         ft_error *err) FT_MUST_CHECK;

// ---- plan time: tokens, and the model that takes them ----

// Finds the field that tokens come in: `from`, else `tokens`, as i32[*] and known to be that.
bool ft_stage_plan_tokens(ft_stage_plan *plan, size_t *out_index, ft_error *err) FT_MUST_CHECK;

// The tokenizer in `folder`, which may be the model's own, gives plain text no ids from `rows` on,
// which is how many the model has vectors for. Tokens that were added may lie beyond
// (embeddinggemma's for images): items that have them fail. A folder without a tokenizer that can
// be read is no fault: tokens may come from elsewhere. DATA: with both numbers and both places.
bool ft_stage_check_vocabulary(const ft_stage_plan *plan, const char *folder, const char *model,
                               size_t rows, ft_error *err) FT_MUST_CHECK;
// The same of the tokenizer that made the field of tokens that ft_stage_plan_tokens found, and that
// what it put around each text is below `rows`. Where it is not known, of the one in `folder`.
bool ft_stage_check_tokens(const ft_stage_plan *plan, size_t field, const char *folder,
                           const char *model, size_t rows, ft_error *err) FT_MUST_CHECK;
// The same of a text that stands before each item's, and of all its tokens.
bool ft_stage_check_prompt(const ft_stage_plan *plan, const char *model, size_t rows,
                           const char *prompt, ft_special_tokens special,
                           ft_error *err) FT_MUST_CHECK;
