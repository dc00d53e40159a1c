// Pools a text's rows chunk by chunk: see late_chunks.h.
#include "stages/nn/late_chunks.h"

#include <string.h>

// ---- cutting ----

static bool fail_order(size_t chunk, ft_error *err)
{
    ft_fail(err, FT_ERROR_DATA, "chunk %zu of the text begins or ends before the one before it",
            chunk + 1);
    ft_hint(err, "`starts` and `ends` say where each chunk is, in the order of the text.");
    return false;
}

static bool fail_empty(const ft_late_cuts *cuts, size_t chunk, ft_error *err)
{
    ft_fail(err, FT_ERROR_DATA, "no token is of chunk %zu of the text, bytes %d to %d", chunk + 1,
            (int)cuts->starts[chunk], (int)cuts->ends[chunk]);
    ft_hint(err, "`tokenize` must see all of the text that was cut (`truncation: none`), and give "
                 "`offsets` in bytes.");
    return false;
}

static bool has_bytes(const ft_late_cuts *cuts, size_t token)
{
    return cuts->offsets[2 * token] < cuts->offsets[2 * token + 1];
}

// The one chunk of a blank text, which has special tokens alone: it is all of them, as if the text
// had not been cut.
static bool find_blank(const ft_late_cuts *cuts, ft_late_chunk *out)
{
    if (cuts->count != 1 || cuts->starts[0] != 0 || cuts->prompt >= cuts->tokens)
        return false;
    for (size_t i = cuts->prompt; i < cuts->tokens; i++)
        if (has_bytes(cuts, i))
            return false;
    *out = (ft_late_chunk){cuts->prompt, cuts->tokens};
    return true;
}

bool ft_late_find(const ft_late_cuts *cuts, ft_late_chunk *out, ft_error *err)
{
    // `end` is behind the last token with bytes of those before `seen`.
    size_t begin = cuts->prompt, end = begin, seen = begin;

    if (find_blank(cuts, out))
        return true;
    for (size_t i = 0; i < cuts->count; i++) {
        if (i > 0 && (cuts->starts[i] < cuts->starts[i - 1] || cuts->ends[i] < cuts->ends[i - 1]))
            return fail_order(i, err);
        while (begin < cuts->tokens &&
               (!has_bytes(cuts, begin) || cuts->offsets[2 * begin + 1] <= cuts->starts[i]))
            begin++;
        seen = seen > begin ? seen : begin;
        for (; seen < cuts->tokens; seen++) {
            if (!has_bytes(cuts, seen))
                continue;
            if (cuts->offsets[2 * seen] >= cuts->ends[i])
                break;
            end = seen + 1;
        }
        out[i] = (ft_late_chunk){begin, end};
        if (end <= begin)
            return fail_empty(cuts, i, err);
    }
    if (cuts->count == 0)
        return ft_fail(err, FT_ERROR_DATA, "the text has no chunks");
    while (out[0].begin > cuts->prompt && !has_bytes(cuts, out[0].begin - 1))
        out[0].begin--;
    ft_late_chunk *last = &out[cuts->count - 1];
    while (last->end < cuts->tokens && !has_bytes(cuts, last->end))
        last->end++;
    return true;
}

size_t ft_late_cut(size_t tokens, size_t prompt, size_t head, size_t tail, size_t size,
                   ft_late_chunk *out)
{
    const size_t body = head + tail < tokens ? tokens - head - tail : 0;
    const size_t count = body > 0 ? (body + size - 1) / size : 1;

    for (size_t i = 0; out && i < count; i++)
        out[i] = (ft_late_chunk){i > 0 ? head + i * size : prompt,
                                 i + 1 < count ? head + (i + 1) * size : tokens};
    return count;
}

// ---- windows ----

// How far the texts have been run. Of a text in several windows rows are copied: those from token
// `kept_from` on, which the next chunk begins at, or before.
typedef struct progress {
    const ft_late_run *late;
    const ft_late_text *texts;
    size_t text, chunk;  // The next ones.
    ft_buffer *rows;
    size_t kept_from, kept;
    ft_error *err;
} progress;

static size_t window_size(const ft_late_run *late)
{
    return ft_encoder_run_encoder(late->run)->config.max_tokens;
}

static size_t count_windows(const ft_late_run *late, size_t tokens)
{
    const size_t size = window_size(late), step = size - late->overlap;

    return tokens <= size ? 1 : 1 + (tokens - size + step - 1) / step;
}

static ft_token_span window_of(const ft_late_run *late, const ft_token_span *text, size_t window)
{
    const size_t from = window * (window_size(late) - late->overlap), left = text->count - from;

    return (ft_token_span){.ids = text->ids + from,
                           .types = text->types ? text->types + from : NULL,
                           .count = left < window_size(late) ? left : window_size(late)};
}

static bool check_cancelled(const ft_late_run *late, ft_error *err)
{
    return !late->is_cancelled(late->host) || ft_fail(err, FT_ERROR_CANCELLED, "cancelled");
}

// The vectors of those next chunks that end at token `end` or before it; rows are from token `from`
// on. How many chunks have a row in common is for the input to say: one go of the encoder may have
// any amount of pooling behind it.
static bool pool_chunks(progress *p, ft_rows rows, size_t from, size_t end)
{
    const ft_late_run *late = p->late;
    const ft_late_text *text = &p->texts[p->text];

    for (; p->chunk < text->chunk_count && text->chunks[p->chunk].end <= end; p->chunk++) {
        const ft_late_chunk *chunk = &text->chunks[p->chunk];
        if (!check_cancelled(late, p->err))
            return false;
        const ft_rows its = {rows.at + (chunk->begin - from) * rows.stride, rows.stride};
        ft_chain_run(late->chain, its, 0, chunk->end - chunk->begin, late->scratch, late->vector);
        late->put(late->host, late->vector);
    }
    return true;
}

// Drops the rows before the next chunk, and makes room for `count` more.
static bool make_room(progress *p, size_t count)
{
    const ft_late_text *text = &p->texts[p->text];
    const size_t row = p->late->chain->hidden * sizeof(float);
    const size_t next = p->chunk < text->chunk_count ? text->chunks[p->chunk].begin : SIZE_MAX;
    size_t drop = next > p->kept_from ? next - p->kept_from : 0, bytes;

    drop = drop < p->kept ? drop : p->kept;
    if (drop > 0)
        memmove(p->rows->data, (char *)p->rows->data + drop * row, (p->kept - drop) * row);
    p->kept -= drop;
    p->kept_from += drop;
    if (p->rows && p->rows->size_bytes >= (p->kept + count) * row)
        return true;
    // Half as much again, or a long chunk is copied with each window; but no more than is left.
    const size_t left = text->span.count - p->kept_from, some = (p->kept + count) / 2 * 3 + 1;
    if (FT_MUL_OVERFLOWS(some < left ? some : left, row, &bytes))
        return ft_fail_nomem(p->err, SIZE_MAX);
    ft_buffer *larger = ft_buffer_create(p->late->account, bytes, p->err);
    if (!larger)
        return false;
    if (p->kept > 0)
        memcpy(larger->data, p->rows->data, p->kept * row);
    ft_buffer_unref(p->rows);
    p->rows = larger;
    return true;
}

static bool take_window(progress *p, ft_rows rows, size_t window, size_t count)
{
    const ft_late_run *late = p->late;
    const size_t hidden = late->chain->hidden, skipped = window > 0 ? late->overlap : 0;
    const size_t from = window * (window_size(late) - late->overlap);

    if (!make_room(p, count - skipped))
        return false;
    float *kept = p->rows->data;
    for (size_t row = skipped; row < count; row++)
        memcpy(kept + p->kept++ * hidden, rows.at + row * rows.stride, hidden * sizeof(*kept));
    return pool_chunks(p, (ft_rows){kept, hidden}, p->kept_from, from + count);
}

// The rows of a window of the next text; with the last one the text is done.
static bool take_rows(progress *p, ft_rows rows, size_t window, size_t windows, size_t count)
{
    if (!(windows == 1 ? pool_chunks(p, rows, 0, count) : take_window(p, rows, window, count)))
        return false;
    if (window + 1 < windows)
        return true;
    FT_ASSERT(p->chunk == p->texts[p->text].chunk_count);
    p->text++;
    p->chunk = p->kept = p->kept_from = 0;
    return true;
}

static bool run_windows(progress *p, const ft_token_span *windows, size_t count)
{
    const ft_late_run *late = p->late;
    size_t window = 0;

    if (!ft_encoder_run_reserve(late->run, windows, count, p->err))
        return false;
    for (size_t done = 0; done < count;) {
        ft_rows rows;
        const size_t taken = ft_encoder_run_some(late->run, windows + done, count - done, &rows);
        if (taken == 0)
            return ft_fail(p->err, FT_ERROR_CANCELLED, "cancelled");
        for (size_t i = done; i < done + taken; i++) {
            const size_t of_text = count_windows(late, p->texts[p->text].span.count);
            if (!take_rows(p, rows, window, of_text, windows[i].count))
                return false;
            window = window + 1 < of_text ? window + 1 : 0;
            rows.at += windows[i].count * rows.stride;
        }
        done += taken;
    }
    return true;
}

bool ft_late_run_texts(const ft_late_run *late, const ft_late_text *texts, size_t count,
                       ft_error *err)
{
    progress p = {.late = late, .texts = texts, .err = err};
    size_t windows = 0, at = 0;

    FT_ASSERT(late->overlap < window_size(late));
    for (size_t i = 0; i < count; i++)
        windows += count_windows(late, texts[i].span.count);
    ft_buffer *buffer = ft_buffer_create(late->account, windows * sizeof(ft_token_span), err);
    if (!buffer)
        return false;
    ft_token_span *spans = buffer->data;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < count_windows(late, texts[i].span.count); k++)
            spans[at++] = window_of(late, &texts[i].span, k);
    const bool ok = run_windows(&p, spans, windows);
    ft_buffer_unref(p.rows);
    ft_buffer_unref(buffer);
    return ok;
}
