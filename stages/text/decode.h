// Tokens back to text, by the decoders of tokenizers 0.23.3.
#pragma once

#include "runtime/memory/buffer.h"
#include "stages/text/definition.h"

// Texts end to end, and where each ends.
typedef struct ft_text_list {
    ft_buffer *bytes, *ends;
    size_t size, count;
} ft_text_list;

// Scratch memory of one instance. A zeroed one with its account is ready.
typedef struct ft_decoder {
    ft_text_list now, next;
    ft_account *account;  // May be NULL.
} ft_decoder;

void ft_decoder_start(ft_decoder *decoder);
// The text of the next token, as it stands in the vocabulary.
bool ft_decoder_add(ft_decoder *decoder, ft_slice token, ft_error *err) FT_MUST_CHECK;
// The text of all of them, valid UTF-8 (what bytes give that is not is replaced by U+FFFD); it
// lives until the decoder is used again.
bool ft_decoder_run(ft_decoder *decoder, const ft_decode_step *steps, size_t count, ft_slice *out,
                    ft_error *err) FT_MUST_CHECK;
void ft_decoder_finish(ft_decoder *decoder);
// The byte that a token of byte fallback stands for, "<0xE4>"; -1 for any other text.
int ft_byte_of_token(ft_slice text);
