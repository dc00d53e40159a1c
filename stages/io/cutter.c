// Cutting: see cutter.h. One pass finds the end of an item and moves the item down over what was
// squeezed out before it. A byte order mark at the start of a file is not text and is left out.
#include "stages/io/cutter.h"

#include <string.h>

#include "stages/io/csv.h"

enum {
    ITEMS_FIRST = 256,          // Room for items to begin with.
    WASTE_BYTES_MAX = 1 << 20,  // More than this is given back in any case.
};

static char *text_of(const ft_cutter *cutter)
{
    return cutter->values->data;
}

// The buffer starts with what the last block left over.
static bool begin_block(ft_cutter *cutter, ft_error *err)
{
    if (cutter->rest) {
        const size_t left = cutter->filled;
        if (!ft_buffer_resize(cutter->rest, cutter->block_bytes + left, err))
            return false;
        cutter->values = cutter->rest;
        cutter->rest = NULL;
    } else {
        cutter->values = ft_buffer_create(cutter->account, cutter->block_bytes, err);
    }
    if (!cutter->values)
        return false;
    cutter->written = cutter->count = 0;
    cutter->offsets = ft_buffer_create(cutter->account, (ITEMS_FIRST + 1) * sizeof(int32_t), err);
    if (!cutter->offsets)
        return false;
    cutter->positions = ft_buffer_create(cutter->account, ITEMS_FIRST * sizeof(ft_position), err);
    if (!cutter->positions)
        return false;
    ((int32_t *)cutter->offsets->data)[0] = 0;
    return true;
}

static bool grow_items(ft_cutter *cutter, ft_error *err)
{
    const size_t capacity = cutter->positions->size_bytes / sizeof(ft_position);
    if (cutter->count < capacity)
        return true;
    return ft_buffer_resize(cutter->positions, 2 * capacity * sizeof(ft_position), err) &&
           ft_buffer_resize(cutter->offsets, (2 * capacity + 1) * sizeof(int32_t), err);
}

// The item [start, end) is complete; the next one begins at `next`.
static bool end_item(ft_cutter *cutter, size_t end, size_t next, ft_error *err)
{
    char *text = text_of(cutter);
    const size_t start = cutter->start;
    const uint64_t offset = cutter->file_base + start;
    cutter->start = cutter->scanned = next;
    if (cutter->header_is_next) {
        cutter->header_is_next = false;
        return cutter->on_header(cutter->host, cutter->path, (ft_slice){text + start, end - start},
                                 err);
    }
    if (!grow_items(cutter, err))
        return false;
    if (cutter->written != start)
        memmove(text + cutter->written, text + start, end - start);
    cutter->written += end - start;
    ((ft_position *)cutter->positions->data)[cutter->count++] =
        (ft_position){(uint32_t)cutter->path, offset};
    ((int32_t *)cutter->offsets->data)[cutter->count] = (int32_t)cutter->written;
    return true;
}

// Without the carriage return that stands before a line feed at `end`.
static size_t without_return(const ft_cutter *cutter, size_t end)
{
    return end > cutter->start && text_of(cutter)[end - 1] == '\r' ? end - 1 : end;
}

static bool is_blank(ft_slice line)
{
    return ft_slice_trim(line).size == 0;
}

static bool cut_lines(ft_cutter *cutter, ft_error *err)
{
    while (cutter->scanned < cutter->filled) {
        const char *text = text_of(cutter);
        const char *found = memchr(text + cutter->scanned, '\n', cutter->filled - cutter->scanned);
        if (!found) {
            cutter->scanned = cutter->filled;
            break;
        }
        const size_t end = (size_t)(found - text);
        if (cutter->skip_blank && is_blank((ft_slice){text + cutter->start, end - cutter->start}))
            cutter->start = cutter->scanned = end + 1;
        else if (!end_item(cutter, without_return(cutter, end), end + 1, err))
            return false;
    }
    return true;
}

// `scanned` is always at the beginning of a line: a paragraph ends where a blank line begins.
static bool cut_paragraphs(ft_cutter *cutter, bool at_end, ft_error *err)
{
    while (cutter->scanned < cutter->filled) {
        char *text = text_of(cutter);
        const size_t line = cutter->scanned;
        const char *found = memchr(text + line, '\n', cutter->filled - line);
        if (!found && !at_end)
            break;
        const size_t end = found ? (size_t)(found - text) : cutter->filled;
        const size_t next = found ? end + 1 : end;
        if (!is_blank((ft_slice){text + line, end - line})) {
            cutter->scanned = next;
        } else if (cutter->start == line) {
            cutter->start = cutter->scanned = next;  // Blank lines before a paragraph.
        } else if (!end_item(cutter, without_return(cutter, line - 1), next, err)) {
            return false;
        }
    }
    if (at_end && cutter->start < cutter->filled) {
        size_t end = cutter->filled;
        if (text_of(cutter)[end - 1] == '\n')
            end = without_return(cutter, end - 1);
        return end_item(cutter, end, cutter->filled, err);
    }
    return true;
}

static bool cut_records(ft_cutter *cutter, ft_error *err)
{
    for (;;) {
        const ft_slice text = {text_of(cutter) + cutter->start, cutter->filled - cutter->start};
        ft_csv_scan scan = {.at = cutter->scanned - cutter->start, .in_quotes = cutter->in_quotes};
        size_t end;
        if (!ft_csv_find_end(text, cutter->delimiter, &scan, &end)) {
            cutter->scanned = cutter->start + scan.at;
            cutter->in_quotes = scan.in_quotes;
            return true;
        }
        end += cutter->start;
        cutter->in_quotes = false;
        const size_t stop = without_return(cutter, end);
        if (stop == cutter->start)
            cutter->start = cutter->scanned = end + 1;  // An empty line is no record.
        else if (!end_item(cutter, stop, end + 1, err))
            return false;
    }
}

static bool cut_items(ft_cutter *cutter, bool at_end, ft_error *err)
{
    if (cutter->at_file_start) {
        if (cutter->filled - cutter->start < 3 && !at_end)
            return true;
        cutter->at_file_start = false;
        if (cutter->filled - cutter->start >= 3 &&
            memcmp(text_of(cutter) + cutter->start, "\xef\xbb\xbf", 3) == 0)
            cutter->start = cutter->scanned = cutter->start + 3;
    }
    if (cutter->cut == FT_CUT_PARAGRAPHS)
        return cut_paragraphs(cutter, at_end, err);
    if (!(cutter->cut == FT_CUT_CSV ? cut_records(cutter, err) : cut_lines(cutter, err)))
        return false;
    // The last line of a file needs no line feed.
    const ft_slice last = {text_of(cutter) + cutter->start, cutter->filled - cutter->start};
    if (at_end && last.size > 0 && !(cutter->skip_blank && is_blank(last)))
        return end_item(cutter, cutter->filled, cutter->filled, err);
    return true;
}

static bool open_next(ft_cutter *cutter, ft_error *err)
{
    cutter->stream = ft_stream_open(cutter->paths[cutter->path], err);
    if (!cutter->stream)
        return false;
    cutter->file_base = 0 - (uint64_t)cutter->filled;
    cutter->start = cutter->scanned = cutter->filled;
    cutter->at_file_start = true;
    cutter->in_quotes = false;
    cutter->header_is_next = cutter->on_header != NULL;
    return true;
}

// The file has ended: what is left is its last item.
static bool end_file(ft_cutter *cutter, ft_error *err)
{
    const bool had_header = !cutter->header_is_next;
    if (!cut_items(cutter, true, err))
        return false;
    if (!had_header && cutter->header_is_next)
        return ft_fail(err, FT_ERROR_DATA, "`%s` is empty: it has no header row",
                       cutter->paths[cutter->path]);
    ft_stream_close(cutter->stream);
    cutter->stream = NULL;
    cutter->path++;
    return true;
}

// Room to read into: a line that fills the whole block makes it grow.
static bool grow_values(ft_cutter *cutter, ft_error *err)
{
    const size_t capacity = cutter->values->size_bytes;
    if (cutter->filled < capacity)
        return true;
    const size_t wanted = capacity + capacity / 4 + cutter->block_bytes;
    if (wanted > INT32_MAX) {
        ft_fail(err, FT_ERROR_LIMIT, "an item of more than %zu bytes in `%s`", cutter->filled,
                cutter->paths[cutter->path]);
        ft_hint(err, "Items of 2 GiB and more are not taken.");
        return false;
    }
    return ft_buffer_resize(cutter->values, wanted, err);
}

// Reads and cuts until the block is full, the files end or a pipe is silent.
static bool fill_block(ft_cutter *cutter, bool *out_wait, ft_error *err)
{
    *out_wait = false;
    for (;;) {
        if (!cutter->stream && cutter->path == cutter->path_count)
            return true;
        if (!cutter->stream && !open_next(cutter, err))
            return false;
        if (cutter->filled == cutter->values->size_bytes && cutter->count > 0)
            return true;
        if (!ft_stream_is_ready(cutter->stream)) {
            *out_wait = cutter->count == 0;
            return true;
        }
        size_t size;
        if (!grow_values(cutter, err) ||
            !ft_stream_read(cutter->stream, text_of(cutter) + cutter->filled,
                            cutter->values->size_bytes - cutter->filled, &size, err))
            return false;
        cutter->filled += size;
        if (!(size ? cut_items(cutter, false, err) : end_file(cutter, err)))
            return false;
    }
}

// Hands the finished items over as a column; the buffer stays with the cutter for the rest of it.
static bool take_block(ft_cutter *cutter, ft_block *out, ft_error *err)
{
    const int64_t offsets = (int64_t)cutter->count + 1, bytes = (int64_t)cutter->written;
    *out = (ft_block){.count = cutter->count};
    out->column.type = FT_TYPE(BYTES);
    out->column.values = ft_tensor_view(cutter->values, 0, FT_DTYPE_U8, 1, &bytes, err);
    if (!out->column.values)
        return false;
    out->column.offsets = ft_tensor_view(cutter->offsets, 0, FT_DTYPE_I32, 1, &offsets, err);
    if (!out->column.offsets) {
        ft_block_finish(out);
        return false;
    }
    out->positions = cutter->positions;
    cutter->positions = NULL;
    ft_buffer_unref(cutter->offsets);
    cutter->offsets = NULL;
    return true;
}

// Moves the unfinished item to a small buffer of its own, so that the block can be given back or
// shrunk to what it holds.
static bool keep_rest(ft_cutter *cutter, ft_error *err)
{
    const size_t left = cutter->filled - cutter->start, capacity = cutter->values->size_bytes;
    ft_buffer *rest = NULL;
    if (left) {
        rest = ft_buffer_create(cutter->account, left, err);
        if (!rest)
            return false;
        memcpy(rest->data, text_of(cutter) + cutter->start, left);
    }
    cutter->rest = rest;
    const size_t waste = capacity - cutter->written;
    if ((waste > capacity / 4 || waste > WASTE_BYTES_MAX) &&
        !ft_buffer_resize(cutter->values, cutter->written, err))
        return false;
    cutter->file_base += cutter->start;
    cutter->scanned -= cutter->start;
    cutter->filled = left;
    cutter->start = 0;
    return true;
}

bool ft_cutter_next(ft_cutter *cutter, ft_block *out, bool *out_more, bool *out_wait, ft_error *err)
{
    *out = (ft_block){0};
    *out_more = true;
    if (!cutter->values && !begin_block(cutter, err))
        return false;
    if (!fill_block(cutter, out_wait, err))
        return false;
    if (*out_wait)
        return true;
    if (cutter->count == 0) {
        *out_more = false;
        return true;
    }
    if (!keep_rest(cutter, err) || !take_block(cutter, out, err))
        return false;
    ft_buffer_unref(cutter->values);
    cutter->values = NULL;
    return true;
}

int ft_cutter_fd(const ft_cutter *cutter)
{
    return cutter->stream ? ft_stream_fd(cutter->stream) : -1;
}

void ft_cutter_finish(ft_cutter *cutter)
{
    ft_stream_close(cutter->stream);
    ft_buffer_unref(cutter->values);
    ft_buffer_unref(cutter->rest);
    ft_buffer_unref(cutter->offsets);
    ft_buffer_unref(cutter->positions);
    cutter->stream = NULL;
    cutter->values = cutter->rest = cutter->offsets = cutter->positions = NULL;
}

void ft_block_finish(ft_block *block)
{
    ft_column_finish(&block->column);
    ft_buffer_unref(block->positions);
    *block = (ft_block){0};
}
