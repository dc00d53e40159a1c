// Texts to everything that a model may be given: ids with their types, places, words and masks,
// pairs, windows, padding. For ids alone ft_token_coder is faster.
#pragma once

#include "stages/text/text_encoding.h"

typedef struct ft_text_encoder ft_text_encoder;

// One instance's scratch memory, charged to `account` (may be NULL). Fails (USAGE) as
// ft_encode_check does; `pairs`: whether there will be two texts.
ft_text_encoder *ft_text_encoder_create(const ft_tokenizer *tokenizer, ft_encode_settings settings,
                                        ft_special_tokens special_tokens, bool pairs,
                                        ft_account *account, ft_error *err);
void ft_text_encoder_destroy(ft_text_encoder *encoder);
// Adds what one text, or two (`b` not NULL), of valid UTF-8 become, behind what is there. On
// failure `out` is as before; DATA is these texts' fault.
bool ft_text_encoder_add(ft_text_encoder *encoder, ft_slice a, const ft_slice *b, ft_encodings *out,
                         bool *out_cut, ft_error *err) FT_MUST_CHECK;
