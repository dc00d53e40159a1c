// Late chunking: a text goes through the encoder as a whole, and the rows of each of its chunks are
// pooled alone, so that a chunk's vector knows what stands around the chunk (Günther et al. 2024,
// arXiv:2409.04701).
//
//   [CLS] a b c d e f [SEP]  ->  rows of all of them  ->  pool([CLS] a b c), pool(d e f [SEP])
//
// A text of more tokens than the encoder takes goes through it in windows (the paper's algorithm
// 2): slices of its tokens, without special ones of their own, each beginning with the last
// `overlap` tokens of the one before. These are seen again so that the others have something before
// them; their rows are those that the window before gave.
#pragma once

#include "runtime/memory/account.h"
#include "runtime/memory/buffer.h"
#include "stages/nn/embed_chain.h"

// Tokens [begin, end) of a text, at least one.
typedef struct ft_late_chunk {
    size_t begin, end;
} ft_late_chunk;

typedef struct ft_late_text {
    ft_token_span span;
    const ft_late_chunk *chunks;  // Each begins and ends no earlier than the one before.
    size_t chunk_count;
} ft_late_text;

// Where the chunks of a text are that was cut by bytes.
typedef struct ft_late_cuts {
    // Of each token the bytes [offsets[2 * i], offsets[2 * i + 1]) of the text: none of special
    // ones.
    const int32_t *offsets;
    size_t tokens, prompt;         // Chunks are of tokens from `prompt` on.
    const int32_t *starts, *ends;  // [count], bytes.
    size_t count;
} ft_late_cuts;

// The tokens that have something of each chunk. What has no bytes and stands before the first one
// belongs to it, and what stands behind the last one to that ([CLS] and [SEP]). Where no token has
// bytes, as of a blank text, a chunk that is the only one and begins at 0 is all of them. DATA:
// chunks that are not in order, or that no token is of.
bool ft_late_find(const ft_late_cuts *cuts, ft_late_chunk *out, ft_error *err) FT_MUST_CHECK;
// Chunks of `size` tokens of a text of `tokens`, from `prompt` on. Not counted are those before
// `head` and the `tail` last ones, which belong to the first and the last chunk. Returns how many
// chunks there are; with `out` NULL only that.
size_t ft_late_cut(size_t tokens, size_t prompt, size_t head, size_t tail, size_t size,
                   ft_late_chunk *out);

typedef struct ft_late_run {
    ft_encoder_run *run;
    const ft_chain *chain;
    ft_account *account;
    size_t overlap;  // Less than the encoder's `max_tokens`.
    float *scratch;  // ft_chain_scratch floats,
    float *vector;   // and the chain's `size`.
    // Takes the vector of the next chunk, of the first text's first on.
    void (*put)(void *host, float *vector);
    bool (*is_cancelled)(void *host);  // Asked before each chunk; `run` is watched by itself.
    void *host;
} ft_late_run;

// Of a text longer than the encoder takes the rows of one window and of the chunks that it leaves
// open are held, charged to the account. CANCELLED: by `is_cancelled` or by the run.
bool ft_late_run_texts(const ft_late_run *late, const ft_late_text *texts, size_t count,
                       ft_error *err) FT_MUST_CHECK;
