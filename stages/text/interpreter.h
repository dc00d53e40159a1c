// Any tokenizer, step by step as its definition says: added tokens, normaliser, pre-tokenizer,
// model. It takes whatever a file may ask for, keeps places on request, and is what the fast paths
// are tested against.
#pragma once

#include "stages/text/token.h"
#include "stages/text/tokenizer.h"

typedef struct ft_interpreter ft_interpreter;

// Scratch memory of one instance, charged to `account` (may be NULL).
ft_interpreter *ft_interpreter_create(const ft_tokenizer *tokenizer,
                                      ft_special_tokens special_tokens, ft_account *account,
                                      ft_error *err);
void ft_interpreter_destroy(ft_interpreter *interpreter);
// Adds the tokens of a text of valid UTF-8 behind those that are there, with the columns that `out`
// has, without special ones around; stops when there are `enough`.
bool ft_interpreter_add(ft_interpreter *interpreter, ft_slice text, size_t enough, ft_tokens *out,
                        ft_error *err) FT_MUST_CHECK;
