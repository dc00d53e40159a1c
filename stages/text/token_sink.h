// Where models put what they find, and memory for words that are too long for the stack.
#pragma once

#include "runtime/memory/buffer.h"
#include "stages/text/token_model.h"

// Ids, or tokens with their places; exactly one of the two is not NULL.
typedef struct ft_token_sink {
    int32_t *ids;
    ft_model_token *tokens;
    size_t count, room;  // `count` goes on beyond `room`, where nothing is written.
} ft_token_sink;

static inline void ft_token_sink_put(ft_token_sink *sink, int32_t id, size_t start, size_t end)
{
    size_t at = sink->count++;

    if (FT_UNLIKELY(at >= sink->room))
        return;
    if (sink->ids)
        sink->ids[at] = id;
    else
        sink->tokens[at] =
            (ft_model_token){.id = id, .start = (uint32_t)start, .end = (uint32_t)end};
}

// Grows with the longest word; what is larger than WORK_KEPT goes back behind each word.
enum { FT_MODEL_WORK_KEPT = 1 << 18 };

typedef struct ft_model_work {
    ft_buffer *buffer;
    ft_account *account;  // May be NULL.
} ft_model_work;

// Room for `size` bytes, aligned to 64; what was there is lost. NULL with `err` set.
static inline void *ft_model_work_get(ft_model_work *work, size_t size, ft_error *err)
{
    if (!work->buffer || work->buffer->size_bytes < size) {
        ft_buffer_unref(work->buffer);
        work->buffer = ft_buffer_create(work->account, size, err);
    }
    return work->buffer ? work->buffer->data : NULL;
}

static inline void ft_model_work_trim(ft_model_work *work)
{
    if (work->buffer && work->buffer->size_bytes > FT_MODEL_WORK_KEPT) {
        ft_buffer_unref(work->buffer);
        work->buffer = NULL;
    }
}
