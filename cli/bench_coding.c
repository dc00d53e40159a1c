// Loads a tokenizer and texts, which is not counted, and goes over the texts until a tenth of a
// second has gone by.
#include "cli/bench_coding.h"

#include "runtime/data/json.h"
#include "runtime/system/clock.h"
#include "runtime/system/file.h"
#include "runtime/system/thread.h"
#include "stages/text/text_encoder.h"

enum { LEAST_NS = 100000000, TEXTS_BYTES_MAX = 1 << 30, BATCH_TEXTS = 256, THREADS = 2 };

typedef struct {
    ft_slice *items;
    size_t count, bytes;
} texts;

typedef struct {
    const ft_tokenizer *tokenizer;
    texts texts;
} work;

// ---- texts ----

static bool add_text(ft_json *json, ft_arena *arena, texts *out, ft_error *err)
{
    ft_slice *text = &out->items[out->count];

    if (!ft_json_is_at_text(json))
        return ft_fail(err, FT_ERROR_DATA, "`text` is not a string");
    char *to = ft_arena_alloc(arena, json->size - json->at);
    if (!to)
        return ft_fail_nomem(err, json->size);
    text->data = to;
    if (!ft_json_read_text(json, to, &text->size, err))
        return false;
    out->bytes += text->size;
    out->count++;
    return true;
}

static bool read_line(ft_slice line, ft_arena *arena, texts *out, ft_error *err)
{
    ft_json json;
    ft_json_value value, key;
    bool first = true, more = true;

    ft_json_init(&json, line);
    if (!ft_json_read(&json, &value, err))
        return false;
    if (value.kind != FT_JSON_OBJECT)
        return ft_fail(err, FT_ERROR_DATA, "a line is not an object `{...}`");
    for (;;) {
        if (!ft_json_next_member(&json, &first, &more, &key, err))
            return false;
        if (!more)
            return true;
        if (!(ft_json_key_is(&key, "text") ? add_text(&json, arena, out, err)
                                           : ft_json_skip(&json, NULL, err)))
            return false;
    }
}

static bool read_texts(const char *path, ft_arena *arena, texts *out, ft_error *err)
{
    ft_slice file, line;
    size_t lines = 1;

    if (!ft_file_read(path, arena, TEXTS_BYTES_MAX, &file, err))
        return false;
    for (size_t i = 0; i < file.size; i++)
        lines += file.data[i] == '\n';
    out->items = ft_arena_zero(arena, lines, sizeof(*out->items));
    if (!out->items)
        return ft_fail_nomem(err, lines * sizeof(*out->items));
    while (ft_slice_cut(&file, '\n', &line))
        if (line.size > 0 && !read_line(line, arena, out, err)) {
            ft_error_while(err, "`%s`", path);
            return false;
        }
    return out->bytes > 0 || ft_fail(err, FT_ERROR_DATA, "`%s` has no `text`", path);
}

// ---- passes ----

static ft_token_coder *make_coder(const work *w, ft_error *err)
{
    const ft_token_settings settings = {.truncation = FT_TRUNCATE_NONE};
    return ft_token_coder_create(w->tokenizer, settings, NULL, err);
}

// Texts `from`, `from + step` and so on, in batches of which only the last one's ids are kept.
static bool pass(ft_token_coder *coder, const texts *all, size_t from, size_t step, ft_ids *ids,
                 ft_error *err)
{
    bool was_cut;

    for (size_t i = from, done = 0; i < all->count; i += step, done++) {
        if (done % BATCH_TEXTS == 0)
            ids->count = 0;
        if (!ft_token_coder_add(coder, all->items[i], ids, &was_cut, err))
            return false;
    }
    return true;
}

static double rate(const work *w, size_t passes, int64_t ns)
{
    return (double)w->texts.bytes * (double)passes * 1e3 / (double)ns;
}

static bool rate_cold(const work *w, double *out, ft_error *err)
{
    ft_ids ids = {0};
    size_t passes = 0;
    int64_t spent = 0;
    bool ok = true;

    // The first one is not counted: memory of the process is there afterwards.
    for (size_t i = 0; ok && spent < LEAST_NS; i++) {
        ft_token_coder *coder = make_coder(w, err);
        int64_t from = ft_clock_ns();
        ok = coder && pass(coder, &w->texts, 0, 1, &ids, err);
        spent += i > 0 ? ft_clock_ns() - from : 0;
        passes += i > 0;
        ft_token_coder_destroy(coder);
    }
    ft_ids_finish(&ids);
    *out = rate(w, passes, spent);
    return ok;
}

static bool rate_warm(const work *w, double *out, ft_error *err)
{
    ft_token_coder *coder = make_coder(w, err);
    ft_ids ids = {0};
    size_t passes = 0;
    int64_t spent = 0;
    bool ok = coder && pass(coder, &w->texts, 0, 1, &ids, err);

    for (int64_t from = ft_clock_ns(); ok && spent < LEAST_NS; passes++) {
        ok = pass(coder, &w->texts, 0, 1, &ids, err);
        spent = ft_clock_ns() - from;
    }
    ft_ids_finish(&ids);
    ft_token_coder_destroy(coder);
    *out = rate(w, passes, spent);
    return ok;
}

// ---- offsets ----

static bool pass_offsets(ft_text_encoder *encoder, const texts *all, ft_encodings *encodings,
                         ft_error *err)
{
    bool was_cut;

    for (size_t i = 0; i < all->count; i++) {
        if (i % BATCH_TEXTS == 0)
            encodings->ids.count = encodings->offsets.count = encodings->ends.count = 0;
        if (!ft_text_encoder_add(encoder, all->items[i], NULL, encodings, &was_cut, err))
            return false;
    }
    return true;
}

static bool rate_offsets(const work *w, double *out, ft_error *err)
{
    const ft_encode_settings settings = {.columns = FT_ENCODE_OFFSETS,
                                         .truncation = FT_TRUNCATE_NONE};
    ft_text_encoder *encoder =
        ft_text_encoder_create(w->tokenizer, settings, FT_SPECIAL_PARSE, false, NULL, err);
    ft_encodings encodings;
    size_t passes = 0;
    int64_t spent = 0;

    ft_encodings_init(&encodings, NULL);
    bool ok = encoder && pass_offsets(encoder, &w->texts, &encodings, err);
    for (int64_t from = ft_clock_ns(); ok && spent < LEAST_NS; passes++) {
        ok = pass_offsets(encoder, &w->texts, &encodings, err);
        spent = ft_clock_ns() - from;
    }
    ft_encodings_finish(&encodings);
    ft_text_encoder_destroy(encoder);
    *out = rate(w, passes, spent);
    return ok;
}

// ---- threads ----

typedef struct {
    const work *work;
    ft_token_coder *coder;
    ft_ids ids;
    size_t number, passes;
    bool ok;
    ft_error err;
} hand;

static void work_on(void *host)
{
    hand *h = host;

    ft_thread_settle(h->number, THREADS);
    for (size_t i = 0; h->ok && i < h->passes; i++)
        h->ok = pass(h->coder, &h->work->texts, h->number, THREADS, &h->ids, &h->err);
}

// All hands at once; how long until the last is done.
static bool run_hands(hand *hands, size_t passes, int64_t *out_ns, ft_error *err)
{
    ft_thread threads[THREADS] = {0};
    int64_t from = ft_clock_ns();
    bool ok = true;

    for (size_t i = 0; ok && i < THREADS; i++) {
        hands[i].passes = passes;
        ok = ft_thread_start(&threads[i], "tokenize", work_on, &hands[i], err);
    }
    for (size_t i = 0; i < THREADS; i++)
        ft_thread_join(&threads[i]);
    *out_ns = ft_clock_ns() - from;
    for (size_t i = 0; ok && i < THREADS; i++) {
        ok = hands[i].ok;
        if (!ok)
            *err = hands[i].err;
    }
    return ok;
}

static bool rate_threads(const work *w, double *out, ft_error *err)
{
    hand hands[THREADS] = {0};
    int64_t once = 0, spent = 0;
    size_t passes = 0;
    bool ok = true;

    for (size_t i = 0; ok && i < THREADS; i++) {
        hands[i] = (hand){.work = w, .number = i, .err = FT_ERROR_INIT};
        hands[i].coder = make_coder(w, err);
        ok = hands[i].ok = hands[i].coder != NULL;
    }
    // The second run says how many passes are long enough beside the start of threads.
    ok = ok && run_hands(hands, 1, &once, err) && run_hands(hands, 1, &once, err);
    if (ok) {
        passes = 2 * (size_t)LEAST_NS / (size_t)(once > 0 ? once : 1) + 1;
        ok = run_hands(hands, passes, &spent, err);
    }
    for (size_t i = 0; i < THREADS; i++) {
        ft_token_coder_destroy(hands[i].coder);
        ft_ids_finish(&hands[i].ids);
    }
    *out = spent > 0 ? rate(w, passes, spent) : 0;
    return ok;
}

// ---- parity ----

// CRC-32 as zlib's (polynomial 0xedb88320), continued.
static uint32_t add_crc(uint32_t crc, const void *data, size_t size)
{
    const uint8_t *bytes = data;

    crc = ~crc;
    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc;
}

static bool find_crc(const work *w, double *out, ft_error *err)
{
    static const int32_t end = -1;
    ft_token_coder *coder = make_coder(w, err);
    ft_ids ids = {0};
    uint32_t crc = 0;
    bool ok = coder != NULL, was_cut;

    for (size_t i = 0; ok && i < w->texts.count; i++) {
        ids.count = 0;
        ok = ft_token_coder_add(coder, w->texts.items[i], &ids, &was_cut, err);
        if (ids.count > 0)
            crc = add_crc(crc, ft_ids_data(&ids), ids.count * sizeof(int32_t));
        crc = add_crc(crc, &end, sizeof(end));
    }
    ft_ids_finish(&ids);
    ft_token_coder_destroy(coder);
    *out = crc;
    return ok;
}

static bool do_work(const work *w, ft_bench_coding_of what, double *out, ft_error *err)
{
    switch (what) {
    case FT_BENCH_CODING_CRC:
        return find_crc(w, out, err);
    case FT_BENCH_CODING_COLD:
        return rate_cold(w, out, err);
    case FT_BENCH_CODING_OFFSETS:
        return rate_offsets(w, out, err);
    case FT_BENCH_CODING_THREADS:
        return rate_threads(w, out, err);
    case FT_BENCH_CODING_WARM:
    case FT_BENCH_CODING_SECONDS:
        break;
    }
    if (!rate_warm(w, out, err))
        return false;
    if (what == FT_BENCH_CODING_SECONDS)
        *out = (double)w->texts.bytes * 1e-6 / *out;
    return true;
}

bool ft_bench_code(const void *host, double *out, ft_error *err)
{
    const ft_bench_coding *coding = host;
    ft_arena *arena = ft_arena_create();
    work w = {0};

    if (!arena)
        return ft_fail_nomem(err, 4096);
    bool ok = ft_tokenizer_load(coding->tokenizer, arena, &w.tokenizer, err) &&
              read_texts(coding->texts, arena, &w.texts, err) &&
              do_work(&w, coding->what, out, err);
    ft_arena_destroy(arena);
    return ok;
}
