// What a text becomes: the tokens of one text, before special ones are put around.
#pragma once

#include "runtime/memory/buffer.h"

// Offsets are bytes of the text that was given, also where it was normalised; a token of nothing
// (a space that was put in front) has start == end.
typedef struct ft_token {
    int32_t id;
    uint32_t start, end;
    int32_t word;  // The word it is part of, from 0.
} ft_token;

// Tokens that grow; memory is charged to the account. A zeroed one with its account is empty.
typedef struct ft_tokens {
    ft_buffer *buffer;
    size_t count;
    ft_account *account;  // May be NULL.
} ft_tokens;

static inline ft_token *ft_tokens_data(const ft_tokens *tokens)
{
    return tokens->buffer ? tokens->buffer->data : NULL;
}
bool ft_tokens_reserve(ft_tokens *tokens, size_t more, ft_error *err) FT_MUST_CHECK;
void ft_tokens_finish(ft_tokens *tokens);
