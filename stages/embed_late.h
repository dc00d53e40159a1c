// embed's `long: late`: an item for each chunk of a text (stages/nn/late_chunks.h).
#pragma once

#include "runtime/stage.h"
#include "stages/nn/late_chunks.h"
#include "stages/nn/windows.h"

typedef struct embed_late {
    size_t tokens;   // Of a chunk; 0: chunks are where the items say.
    size_t overlap;  // Of windows.
    // Columns: what comes in, unless there is `tokens`, and where each chunk is, which goes out.
    size_t offsets, starts, ends;
    size_t start, end;
} embed_late;

// What the options come to (0: not given). `window`: tokens that the encoder takes.
bool embed_late_plan(ft_stage_plan *plan, const ft_chain *chain, int64_t tokens, int64_t overlap,
                     size_t window, embed_late *out, ft_error *err) FT_MUST_CHECK;

// What a run needs of the stage.
typedef struct embed_late_use {
    const embed_late *late;
    const ft_window_frame *frame;  // What stands around a text.
    ft_encoder_run *run;
    const ft_chain *chain;
    float *scratch;  // ft_chain_scratch floats, and behind them the chain's `size`.
    ft_type type;    // Of a vector,
    size_t output;   // and its column.
    // Ends a vector and writes it, `*out` moving on.
    void (*put)(ft_stage *self, float *vector, char **out);
} embed_late_use;

// Emits an item for each chunk of the items `kept` with the tokens `spans`; one whose chunks cannot
// be found fails.
bool embed_late_process(ft_stage *self, const embed_late_use *use, const ft_batch *in,
                        const ft_token_span *spans, const uint32_t *kept, size_t count,
                        ft_error *err) FT_MUST_CHECK;
