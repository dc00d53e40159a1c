// The texts that a tokenizer is measured with: the `text` of each line of a JSONL file.
#pragma once

#include "runtime/data/json.h"
#include "runtime/system/file.h"

typedef struct bench_texts {
    ft_slice *items;
    size_t count, bytes;
} bench_texts;

static inline bool bench_texts_add(bench_texts *texts, ft_slice line, ft_arena *arena,
                                   ft_error *err)
{
    bool first = true, more = true;
    ft_json_value value, key;
    ft_json json;
    size_t size;

    ft_json_init(&json, line);
    if (!ft_json_read(&json, &value, err))
        return false;
    while (ft_json_next_member(&json, &first, &more, &key, err) && more) {
        if (!ft_json_key_is(&key, "text")) {
            if (!ft_json_skip(&json, NULL, err))
                return false;
            continue;
        }
        if (!ft_json_read(&json, &value, err))
            return false;
        char *text = ft_arena_alloc(arena, value.text.size + 1);
        if (!text)
            return ft_fail_nomem(err, value.text.size + 1);
        if (!ft_json_unescape(value.text, text, &size, err))
            return false;
        texts->items[texts->count++] = (ft_slice){text, size};
        texts->bytes += size;
    }
    return !more;
}

static inline bool bench_texts_read(const char *path, ft_arena *arena, bench_texts *out,
                                    ft_error *err)
{
    ft_slice file, line;
    size_t lines = 1;

    *out = (bench_texts){0};
    if (!ft_file_read(path, arena, (size_t)1 << 31, &file, err))
        return false;
    for (size_t i = 0; i < file.size; i++)
        lines += file.data[i] == '\n';
    out->items = ft_arena_zero(arena, lines, sizeof(*out->items));
    if (!out->items)
        return ft_fail_nomem(err, lines * sizeof(*out->items));
    while (ft_slice_cut(&file, '\n', &line)) {
        if (line.size > 0 && !bench_texts_add(out, line, arena, err))
            return false;
    }
    return true;
}

static inline int bench_compare_times(const void *left, const void *right)
{
    const int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;

    return (a > b) - (a < b);
}
