// Cuts long texts into windows: see windows.h.
#include "stages/nn/windows.h"

#include <string.h>

// How one text is cut.
typedef struct cut {
    size_t head, body, tail;  // Tokens of the text.
    size_t room;              // Of `body` that a window takes.
    size_t windows;
} cut;

static size_t widest_head(const ft_window_frame *frame)
{
    return frame->prompt > frame->head_count ? frame->prompt : frame->head_count;
}

bool ft_window_frame_check(const ft_window_frame *frame, ft_error *err)
{
    const size_t around = widest_head(frame) + frame->tail_count;

    if (around <= frame->size / 2)
        return true;
    return ft_fail(err, FT_ERROR_USAGE,
                   "windows of %zu tokens, %zu of them the prompt and special ones, leave too "
                   "little room for a text",
                   frame->size, around);
}

static bool is_same(const int32_t *ids, const int32_t *want, size_t count)
{
    return count == 0 || memcmp(ids, want, count * sizeof(*ids)) == 0;
}

static cut find_cut(const ft_window_frame *frame, const ft_token_span *text)
{
    cut c = {.windows = 1};

    if (text->count <= frame->size)
        return c;
    if (frame->prompt > 0)
        c.head = frame->prompt;
    else if (is_same(text->ids, frame->head, frame->head_count))
        c.head = frame->head_count;
    if (is_same(text->ids + text->count - frame->tail_count, frame->tail, frame->tail_count))
        c.tail = frame->tail_count;
    c.body = text->count - c.head - c.tail;
    c.room = frame->size - c.head - c.tail;
    c.windows = (c.body + c.room - 1) / c.room;
    return c;
}

static int32_t *put_ids(int32_t *to, const int32_t *from, size_t count)
{
    memcpy(to, from, count * sizeof(*to));
    return to + count;
}

// Copies the windows of a text that is too long; returns the end of what was written.
static int32_t *put_windows(const ft_token_span *text, const cut *c, int32_t *ids,
                            ft_token_span *spans)
{
    for (size_t done = 0, i = 0; i < c->windows; i++, done += c->room) {
        const size_t left = c->body - done;
        spans[i] = (ft_token_span){.ids = ids};
        ids = put_ids(ids, text->ids, c->head);
        ids = put_ids(ids, text->ids + c->head + done, left < c->room ? left : c->room);
        ids = put_ids(ids, text->ids + text->count - c->tail, c->tail);
        spans[i].count = (size_t)(ids - spans[i].ids);
    }
    return ids;
}

bool ft_windows_cut(const ft_window_frame *frame, const ft_token_span *texts, size_t count,
                    ft_account *account, ft_windows *out, ft_error *err)
{
    size_t windows = 0, copied = 0;

    *out = (ft_windows){0};
    for (size_t i = 0; i < count; i++) {
        const cut c = find_cut(frame, &texts[i]);
        windows += c.windows;
        copied += c.windows > 1 ? c.body + c.windows * (c.head + c.tail) : 0;
    }
    out->memory = ft_buffer_create(account,
                                   windows * sizeof(*out->spans) + count * sizeof(*out->of_text) +
                                       copied * sizeof(int32_t),
                                   err);
    if (!out->memory)
        return false;
    out->spans = out->memory->data;
    out->of_text = (size_t *)(void *)(out->spans + windows);
    int32_t *ids = (int32_t *)(void *)(out->of_text + count);
    for (size_t i = 0; i < count; i++) {
        const cut c = find_cut(frame, &texts[i]);
        out->of_text[i] = c.windows;
        if (c.windows == 1)
            out->spans[out->count] = texts[i];
        else
            ids = put_windows(&texts[i], &c, ids, out->spans + out->count);
        out->count += c.windows;
    }
    return true;
}

void ft_windows_finish(ft_windows *windows)
{
    ft_buffer_unref(windows->memory);
    *windows = (ft_windows){0};
}
