// The encoder alone: tokens and texts a second on one thread and on several, texts in their order.
//
//   bench_embed MODEL TEXTS.jsonl [THREADS [ISA [f32|bf16|int8]]]     `text` of each line; 2
//   threads
//
// Each thread takes the next 32 texts, as the program's scheduler gives batches out. `linear` is
// the rate of the matrix products if nothing else took time, to be compared with the peak that
// bench_kernels prints.
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/concurrent/atomic.h"
#include "runtime/data/json.h"
#include "runtime/memory/alloc.h"
#include "runtime/system/clock.h"
#include "runtime/system/file.h"
#include "runtime/system/topology.h"
#include "stages/nn/pooling.h"
#include "stages/text/tokenizer.h"

enum { TEXTS_MAX = 100000, BATCH = 32, RUNS = 5, THREADS_MAX = 64 };

static ft_token_span texts[TEXTS_MAX];
static size_t text_count, token_count;
static ft_encoder *encoder;
static float *vectors;
static ft_atomic_u64 next;

static int fail(const ft_error *err)
{
    fprintf(stderr, "bench_embed: %s\n", err->message);
    return 1;
}

static bool read_texts(const char *folder, const char *path, ft_arena *arena, ft_error *err)
{
    static size_t ends[TEXTS_MAX];
    static ft_ids ids;
    const ft_tokenizer *tokenizer;
    const ft_token_settings settings = {.max_length = encoder->config.max_tokens,
                                        .add_special = true};
    ft_slice file, line;
    bool was_cut;

    if (!ft_tokenizer_load(folder, arena, &tokenizer, err) ||
        !ft_file_read(path, arena, 1 << 30, &file, err))
        return false;
    ft_token_coder *coder = ft_token_coder_create(tokenizer, settings, NULL, err);
    if (!coder)
        return false;
    while (text_count < TEXTS_MAX && ft_slice_cut(&file, '\n', &line)) {
        ft_json_node *item;
        if (line.size == 0)
            continue;
        if (!ft_json_parse(line, arena, &item, err))
            return false;
        const ft_json_node *text = ft_json_find(item, "text");
        if (!ft_token_coder_add(coder, text ? text->text : item->text, &ids, &was_cut, err))
            return false;
        ends[text_count++] = ids.count;
    }
    token_count = ids.count;
    for (size_t i = 0; i < text_count; i++) {
        const size_t from = i ? ends[i - 1] : 0;
        texts[i] = (ft_token_span){.ids = ft_ids_data(&ids) + from, .count = ends[i] - from};
    }
    ft_token_coder_destroy(coder);
    return true;
}

static void *work(void *host)
{
    ft_error err = FT_ERROR_INIT;
    ft_encoder_run *run = ft_encoder_run_create(encoder, NULL, &err);

    (void)host;
    for (;;) {
        // Relaxed: only the count matters.
        const size_t from = (size_t)ft_atomic_add(&next, BATCH, FT_RELAXED);
        if (!run || from >= text_count)
            break;
        const size_t to = from + BATCH < text_count ? from + BATCH : text_count;
        for (size_t at = from; at < to;)
            at += ft_pool_some(run, FT_POOLING_MEAN, true, texts + at, to - at,
                               vectors + at * encoder->config.hidden);
    }
    ft_encoder_run_destroy(run);
    return NULL;
}

static double seconds_on(int threads)
{
    pthread_t others[THREADS_MAX];
    const int64_t start = ft_clock_ns();

    ft_atomic_store(&next, 0, FT_RELAXED);
    for (int i = 1; i < threads; i++)
        if (pthread_create(&others[i], NULL, work, NULL) != 0)
            exit(1);
    work(NULL);
    for (int i = 1; i < threads; i++)
        pthread_join(others[i], NULL);
    return (double)(ft_clock_ns() - start) * 1e-9;
}

static double flop_of_token(const ft_encoder_config *c)
{
    return 2.0 * (double)c->layers * (double)c->hidden *
           (4.0 * (double)c->hidden + 2.0 * (double)c->intermediate);
}

static void print_rate(int threads)
{
    double best = INFINITY;

    for (int run = 0; run < RUNS; run++)
        best = fmin(best, seconds_on(threads));
    printf("%d threads: %.0f tokens/s, %.1f texts/s, linear %.1f GFLOP/s a thread\n", threads,
           (double)token_count / best, (double)text_count / best,
           1e-9 * flop_of_token(&encoder->config) * (double)token_count / best / threads);
}

static ft_precision precision_of(const char *name)
{
    if (strcmp(name, "int8") == 0)
        return FT_PRECISION_INT8;
    return strcmp(name, "bf16") == 0 ? FT_PRECISION_BF16 : FT_PRECISION_F32;
}

int main(int argc, char **argv)
{
    ft_error err = FT_ERROR_INIT;
    ft_encoder_config config;
    ft_topology machine;
    int64_t threads = 2;

    if (argc < 3 || (argc > 3 && !ft_parse_int(ft_slice_of(argv[3]), &threads)) || threads < 1 ||
        threads > THREADS_MAX) {
        fprintf(stderr, "usage: bench_embed MODEL TEXTS.jsonl [THREADS [ISA [f32|bf16|int8]]]\n");
        return 2;
    }
    ft_arena *arena = ft_arena_create();
    if (!arena || !ft_isa_force(argc > 4 ? argv[4] : NULL, &err))
        return fail(&err);
    const int64_t start = ft_clock_ns();
    if (!ft_encoder_config_read(argv[1], arena, &config, &err))
        return fail(&err);
    config.precision = precision_of(argc > 5 ? argv[5] : "f32");
    if (!ft_encoder_load(argv[1], &config, arena, &encoder, &err))
        return fail(&err);
    const int64_t loaded = ft_clock_ns();
    if (!read_texts(argv[1], argv[2], arena, &err))
        return fail(&err);
    vectors = ft_arena_alloc(arena, (text_count + 1) * config.hidden * sizeof(*vectors));
    if (!vectors)
        return 1;
    ft_topology_read("", &machine);
    printf("%s, %s: loaded in %.1f ms; %zu texts, %zu tokens\n", machine.cpu_model,
           ft_isa_name(ft_isa_level()), (double)(loaded - start) * 1e-6, text_count, token_count);
    print_rate(1);
    if (threads > 1)
        print_rate((int)threads);
    ft_arena_destroy(arena);
    return 0;
}
