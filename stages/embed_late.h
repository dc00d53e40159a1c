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

// The chunks of some items of a batch, end to end.
typedef struct embed_chunks {
    ft_late_text *texts;  // [text_count]: of the items whose chunks were found.
    size_t text_count;
    ft_late_chunk *chunks;           // [count], in tokens of the text.
    uint32_t *items;                 // [count]: of the batch.
    const int32_t **starts, **ends;  // [text_count]: in bytes; NULL where chunks are by size.
    size_t count;
    ft_buffer *memory;  // All of it.
} embed_chunks;

// Of the items `kept` with the tokens `spans`; one whose chunks cannot be found fails. `frame`:
// what stands around a text. Charged to the stage.
bool embed_late_find(ft_stage *self, const embed_late *late, const ft_window_frame *frame,
                     const ft_batch *in, const ft_token_span *spans, const uint32_t *kept,
                     size_t count, embed_chunks *out, ft_error *err) FT_MUST_CHECK;
void embed_late_finish(embed_chunks *chunks);  // A zeroed one is fine.
// Emits an item for each chunk, with its vector in column `output`.
bool embed_late_send(ft_stage *self, const embed_late *late, const ft_batch *in,
                     const embed_chunks *chunks, const ft_column *vectors, size_t output,
                     ft_error *err) FT_MUST_CHECK;
