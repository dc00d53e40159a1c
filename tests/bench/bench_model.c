// A model of a tokenizer by itself: the driver of tests/fuzz_model.py, and what a word costs.
//
//   bench_model --split DEFINITION          stdin: words as u32 size and bytes; stdout: u32 count
//   and
//                                           (i32 id, u32 start, u32 end) of each; count UINT32_MAX:
//                                           the word failed
//   bench_model DEFINITION WORDS            WORDS as above; times
//
// DEFINITION, all little-endian, a text being u32 size and bytes: u32 kind, i32 unknown, u32 flags
// (1 is_bytes, 2 fuse_unknown, 4 byte_fallback, 8 ignore_merges, 16 single_precision), u32
// merge_rule, u32 max_chars, text prefix, text suffix; u32 count of pieces, each text, i32 id, u32
// kind, f64 score; u32 count of merges, each text left, text right.
//
// Each word is split with its places, then for its ids twice, so that the cache answers once; where
// the model takes bytes, as bytes too. All must agree.
#include <stdio.h>
#include <string.h>

#include "runtime/memory/alloc.h"
#include "runtime/system/clock.h"
#include "runtime/system/file.h"
#include "stages/text/bpe.h"
#include "stages/text/token_model.h"

enum { FILE_MAX = 1 << 30 };

typedef struct reader {
    ft_slice rest;
    bool failed;
} reader;

static ft_slice take(reader *r, size_t size)
{
    if (size > r->rest.size) {
        r->failed = true;
        return (ft_slice){0};
    }
    ft_slice taken = {r->rest.data, size};
    r->rest = (ft_slice){r->rest.data + size, r->rest.size - size};
    return taken;
}

static uint32_t take_u32(reader *r)
{
    uint32_t value = 0;
    ft_slice bytes = take(r, sizeof(value));

    if (bytes.size > 0)
        memcpy(&value, bytes.data, sizeof(value));
    return value;
}

static ft_slice take_text(reader *r)
{
    return take(r, take_u32(r));
}

static double take_f64(reader *r)
{
    double value = 0;
    ft_slice bytes = take(r, sizeof(value));

    if (bytes.size > 0)
        memcpy(&value, bytes.data, sizeof(value));
    return value;
}

static bool read_definition(ft_slice file, const char *path, ft_arena *arena,
                            ft_model_definition *out, ft_error *err)
{
    reader r = {.rest = file};

    *out = (ft_model_definition){.kind = (ft_model_kind)take_u32(&r)};
    out->unknown = (int32_t)take_u32(&r);
    uint32_t flags = take_u32(&r);
    out->is_bytes = flags & 1;
    out->fuse_unknown = flags & 2;
    out->byte_fallback = flags & 4;
    out->ignore_merges = flags & 8;
    out->single_precision = flags & 16;
    out->merge_rule = take_u32(&r);
    out->max_chars = take_u32(&r);
    out->prefix = take_text(&r);
    out->suffix = take_text(&r);
    out->piece_count = take_u32(&r);
    ft_piece *pieces = ft_arena_zero(arena, out->piece_count + 1, sizeof(*pieces));
    for (size_t i = 0; i < out->piece_count && !r.failed; i++) {
        pieces[i].text = take_text(&r);
        pieces[i].id = (int32_t)take_u32(&r);
        pieces[i].kind = take_u32(&r);
        pieces[i].score = take_f64(&r);
    }
    out->pieces = pieces;
    out->merge_count = take_u32(&r);
    ft_merge_text *merges = ft_arena_zero(arena, out->merge_count + 1, sizeof(*merges));
    for (size_t i = 0; i < out->merge_count && !r.failed; i++) {
        merges[i].left = take_text(&r);
        merges[i].right = take_text(&r);
    }
    if (r.failed)
        return ft_fail(err, FT_ERROR_DATA, "%s is cut off", path);
    return ft_merges_resolve(pieces, out->piece_count, out->prefix, merges, out->merge_count, path,
                             arena, &out->merges, err);
}

typedef struct driver {
    const ft_token_model *model;
    ft_model_scratch *scratch;
    ft_model_token *tokens;
    int32_t *ids;
    size_t room;
    bool is_bytes;
} driver;

static void make_room(driver *d, size_t size)
{
    size_t room = ft_token_model_room(d->model, size);

    if (room <= d->room)
        return;
    ft_free(d->tokens);
    ft_free(d->ids);
    d->tokens = ft_alloc_array(room, sizeof(*d->tokens));
    d->ids = ft_alloc_array(room, sizeof(*d->ids));
    d->room = d->tokens && d->ids ? room : 0;
}

static bool differs(const char *what, ft_slice word)
{
    fprintf(stderr, "bench_model: %s gives other ids: `%.*s`\n", what, (int)word.size, word.data);
    return false;
}

static bool same_ids(const driver *d, size_t count, size_t wanted)
{
    bool same = count == wanted;

    for (size_t i = 0; i < count && same; i++)
        same = d->ids[i] == d->tokens[i].id;
    return same;
}

// The bytes that letters stand for; false when one of them stands for none.
static bool raw_word(const driver *d, ft_slice word, char *out, size_t *out_size)
{
    *out_size = 0;
    if (d->is_bytes) {
        memcpy(out, word.data, word.size);
        *out_size = word.size;
        return true;
    }
    for (size_t at = 0; at < word.size;) {
        int byte = ft_bpe_byte(ft_utf8_next(word, &at));
        if (byte < 0)
            return false;
        out[(*out_size)++] = (char)byte;
    }
    return true;
}

static bool check_bytes(driver *d, ft_slice word, size_t wanted, ft_error *err)
{
    // 64 bytes behind a word may be read.
    char *raw = ft_alloc(word.size + 64);
    ft_model_token *tokens = ft_alloc_array(d->room, sizeof(*tokens));
    size_t size, count = 0;
    uint32_t each = 0;
    bool same = raw && tokens;

    if (same && raw_word(d, word, raw, &size)) {
        ft_slice bytes = {raw, size};
        uint32_t end = (uint32_t)size;
        for (int i = 0; i < 2 && same; i++)
            same = ft_token_model_byte_ids(d->model, d->scratch, bytes, d->ids, d->room, &count,
                                           err) &&
                   same_ids(d, count, wanted);
        same =
            same &&
            ft_token_model_byte_words(d->model, d->scratch, bytes, &end, &each, 1, d->ids, d->room,
                                      &count, err) &&
            same_ids(d, count, wanted) && each == wanted &&
            ft_token_model_byte_split(d->model, d->scratch, bytes, tokens, d->room, &count, err) &&
            same_ids(d, count, wanted);
        // Places: a letter is a byte.
        for (size_t i = 0, from = 0; i < count && same; i++) {
            ft_slice part = {word.data + d->tokens[i].start, d->tokens[i].end - d->tokens[i].start};
            same =
                tokens[i].id == d->tokens[i].id && tokens[i].start == from &&
                tokens[i].end - tokens[i].start == (d->is_bytes ? part.size : ft_utf8_count(part));
            from = tokens[i].end;
        }
    }
    ft_free(raw);
    ft_free(tokens);
    return same || differs("the path of bytes", word);
}

// Splits in all ways. `*out_count` UINT32_MAX: the word failed. False when ways differ.
static bool split_word(driver *d, ft_slice word, uint32_t *out_count)
{
    ft_error err = FT_ERROR_INIT;
    size_t count, again;

    make_room(d, word.size);
    if (!ft_token_model_split(d->model, d->scratch, word, d->tokens, d->room, &count, &err)) {
        *out_count = UINT32_MAX;
        return true;
    }
    *out_count = (uint32_t)count;
    for (int i = 0; i < 2; i++) {
        if (!ft_token_model_ids(d->model, d->scratch, word, d->ids, d->room, &again, &err) ||
            !same_ids(d, again, count))
            return differs(i > 0 ? "the cache" : "asking for ids only", word);
    }
    return !ft_token_model_takes_bytes(d->model) || check_bytes(d, word, count, &err);
}

static bool answer(driver *d)
{
    uint32_t size, count;
    bool done = true;

    while (done && fread(&size, sizeof(size), 1, stdin) == 1) {
        char *text = ft_alloc((size_t)size + 64);
        done = text && fread(text, 1, size, stdin) == size &&
               split_word(d, (ft_slice){text, size}, &count);
        ft_free(text);
        fwrite(&count, sizeof(count), 1, stdout);
        if (count != UINT32_MAX)
            fwrite(d->tokens, sizeof(*d->tokens), count, stdout);
    }
    return done;
}

typedef struct words {
    char *text;
    uint32_t *ends;
    size_t count, size;
} words;

static bool read_words(const char *path, ft_arena *arena, words *out, ft_error *err)
{
    ft_slice file;

    if (!ft_file_read(path, arena, FILE_MAX, &file, err))
        return false;
    reader r = {.rest = file};
    out->text = ft_arena_zero(arena, file.size + 64, 1);
    out->ends = ft_arena_alloc(arena, (file.size / 4 + 1) * sizeof(*out->ends));
    while (r.rest.size > 0 && !r.failed) {
        ft_slice word = take_text(&r);
        if (word.size == 0)
            continue;
        memcpy(out->text + out->size, word.data, word.size);
        out->size += word.size;
        out->ends[out->count++] = (uint32_t)out->size;
    }
    return !r.failed || ft_fail(err, FT_ERROR_DATA, "%s is cut off", path);
}

static void show(const char *what, const words *w, int64_t ns, size_t tokens)
{
    printf("%-28s %8.1f MB/s %8.1f ns/word %9zu tokens\n", what, (double)w->size * 1e3 / (double)ns,
           (double)ns / (double)w->count, tokens);
}

typedef bool way_function(driver *d, const words *w, size_t *out_tokens, ft_error *err);

static bool way_ids(driver *d, const words *w, size_t *out_tokens, ft_error *err)
{
    for (size_t i = 0, start = 0, count; i < w->count; start = w->ends[i++], *out_tokens += count) {
        if (!ft_token_model_ids(d->model, d->scratch,
                                (ft_slice){w->text + start, w->ends[i] - start}, d->ids, d->room,
                                &count, err))
            return false;
    }
    return true;
}

static bool way_split(driver *d, const words *w, size_t *out_tokens, ft_error *err)
{
    for (size_t i = 0, start = 0, count; i < w->count; start = w->ends[i++], *out_tokens += count) {
        if (!ft_token_model_split(d->model, d->scratch,
                                  (ft_slice){w->text + start, w->ends[i] - start}, d->tokens,
                                  d->room, &count, err))
            return false;
    }
    return true;
}

static bool way_byte_split(driver *d, const words *w, size_t *out_tokens, ft_error *err)
{
    for (size_t i = 0, start = 0, count; i < w->count; start = w->ends[i++], *out_tokens += count) {
        if (!ft_token_model_byte_split(d->model, d->scratch,
                                       (ft_slice){w->text + start, w->ends[i] - start}, d->tokens,
                                       d->room, &count, err))
            return false;
    }
    return true;
}

static bool way_byte_words(driver *d, const words *w, size_t *out_tokens, ft_error *err)
{
    uint32_t *counts = ft_alloc_array(w->count + 1, sizeof(*counts));
    bool done = counts && ft_token_model_byte_words(d->model, d->scratch,
                                                    (ft_slice){w->text, w->size}, w->ends, counts,
                                                    w->count, d->ids, d->room, out_tokens, err);

    ft_free(counts);
    return done;
}

// Once with a new cache, then the best of five with what that left.
static bool measure(driver *d, const words *w, const char *name, way_function *way, ft_error *err)
{
    int64_t best = INT64_MAX;
    char what[64];

    for (int i = 0; i < 6; i++) {
        size_t tokens = 0;
        int64_t from = ft_clock_thread_cpu_ns();
        if (i == 0) {
            ft_model_scratch_destroy(d->scratch);
            d->scratch = ft_model_scratch_create(d->model, 0, NULL, err);
        }
        if (!d->scratch || !way(d, w, &tokens, err))
            return false;
        int64_t ns = ft_clock_thread_cpu_ns() - from;
        best = i > 0 && ns < best ? ns : best;
        snprintf(what, sizeof(what), "%s, %s", name, i == 0 ? "cold" : "warm");
        if (i == 0 || i == 5)
            show(what, w, i == 0 ? ns : best, tokens);
    }
    return true;
}

static bool time_model(driver *d, const char *path, ft_arena *arena, ft_error *err)
{
    words w = {0};

    if (!read_words(path, arena, &w, err))
        return false;
    make_room(d, w.size + 1);
    if (ft_token_model_takes_bytes(d->model))
        return measure(d, &w, "byte words", way_byte_words, err) &&
               measure(d, &w, "byte words, places", way_byte_split, err);
    return measure(d, &w, "ids by the cache", way_ids, err) &&
           measure(d, &w, "places, no cache", way_split, err);
}

int main(int argc, char **argv)
{
    ft_error err = FT_ERROR_INIT;
    ft_arena *arena = ft_arena_create();
    bool split = argc == 3 && strcmp(argv[1], "--split") == 0;
    const char *path = argv[split ? 2 : 1];
    ft_model_definition definition;
    driver d = {0};
    ft_slice file;

    if (argc != 3)
        return 2;
    int64_t from = ft_clock_thread_cpu_ns();
    bool done = ft_file_read(path, arena, FILE_MAX, &file, &err) &&
                read_definition(file, path, arena, &definition, &err);
    int64_t middle = ft_clock_thread_cpu_ns();
    done = done && ft_token_model_build(&definition, path, arena, &d.model, &err);
    int64_t to = ft_clock_thread_cpu_ns();
    if (!split && done)
        printf("read %.1f ms, build %.1f ms, %.1f MiB\n", (double)(middle - from) * 1e-6,
               (double)(to - middle) * 1e-6, (double)ft_arena_size_bytes(arena) / 1048576);
    d.is_bytes = done && definition.is_bytes;
    if (done)
        d.scratch = ft_model_scratch_create(d.model, 0, NULL, &err);
    done = d.scratch && (split ? answer(&d) : time_model(&d, argv[2], arena, &err));
    if (!done)
        fprintf(stderr, "bench_model: %s\n", err.message);
    ft_model_scratch_destroy(d.scratch);
    ft_free(d.tokens);
    ft_free(d.ids);
    ft_arena_destroy(arena);
    return done ? 0 : 1;
}
