// What places cost, how two threads do, and how long texts of one kind take.
//
//   bench_encode TOKENIZER TEXTS.jsonl   ids alone (ft_token_coder), with offsets, with offsets and
//       words (ft_text_encoder), on one thread; `cold`: a new coder for each pass, `warm`: one that
//       has seen the text. Passes interleave; medians, and the times of ids alone as the measure.
//   bench_encode --threads TOKENIZER TEXTS.jsonl   ids of all texts on one thread, and on two at
//       once, each with a coder of its own; and what the machine gives two threads that share
//       nothing but arithmetic
//   bench_encode --worst TOKENIZER KIB   so much of one kind of text, twice and four times as much:
//       MB/s of ids, of places
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/memory/alloc.h"
#include "runtime/system/clock.h"
#include "stages/text/text_encoder.h"
#include "tests/bench/bench_texts.h"

typedef struct way {
    const char *name;
    unsigned columns;
} way;

static const way ways[] = {
    {"ids", 0},
    {"offsets", FT_ENCODE_OFFSETS},
    {"offsets+words", FT_ENCODE_OFFSETS | FT_ENCODE_WORD_IDS},
};
enum { WAYS = FT_COUNT_OF(ways), PASSES = 11, BATCH = 256 };

static int fail(const ft_error *err)
{
    fprintf(stderr, "bench_encode: %s\n", err->message);
    exit(1);
}

static bench_texts read_texts(const char *path, ft_arena *arena)
{
    ft_error err = FT_ERROR_INIT;
    bench_texts out;

    if (!bench_texts_read(path, arena, &out, &err))
        fail(&err);
    return out;
}

// One way to encode: a coder for ids alone, else an encoder.
typedef struct machine {
    ft_token_coder *coder;
    ft_text_encoder *encoder;
    ft_encodings out;
} machine;

static void open_machine(machine *m, const ft_tokenizer *tokenizer, unsigned columns)
{
    ft_error err = FT_ERROR_INIT;

    *m = (machine){0};
    if (columns == 0)
        m->coder = ft_token_coder_create(
            tokenizer, (ft_token_settings){.truncation = FT_TRUNCATE_NONE}, NULL, &err);
    else
        m->encoder = ft_text_encoder_create(
            tokenizer, (ft_encode_settings){.columns = columns, .truncation = FT_TRUNCATE_NONE},
            FT_SPECIAL_PARSE, false, NULL, &err);
    if (!m->coder && !m->encoder)
        fail(&err);
}

static void close_machine(machine *m)
{
    ft_token_coder_destroy(m->coder);
    ft_text_encoder_destroy(m->encoder);
    ft_encodings_finish(&m->out);
}

static void empty(ft_encodings *e)
{
    e->ids.count = e->offsets.count = e->word_ids.count = e->ends.count = 0;
}

static void encode(machine *m, ft_slice text)
{
    ft_error err = FT_ERROR_INIT;
    bool was_cut;

    if (!(m->coder ? ft_token_coder_add(m->coder, text, &m->out.ids, &was_cut, &err)
                   : ft_text_encoder_add(m->encoder, text, NULL, &m->out, &was_cut, &err)))
        fail(&err);
}

// Nanoseconds of this thread for all texts, in batches as the peers get them.
static int64_t pass(machine *m, const bench_texts *all)
{
    int64_t start = ft_clock_thread_cpu_ns();

    for (size_t i = 0; i < all->count; i++) {
        if (i % BATCH == 0)
            empty(&m->out);
        encode(m, all->items[i]);
    }
    return ft_clock_thread_cpu_ns() - start;
}

static double median(int64_t *times, size_t count)
{
    qsort(times, count, sizeof(*times), bench_compare_times);
    return (double)times[count / 2];
}

static void measure_places(const ft_tokenizer *tokenizer, const bench_texts *all)
{
    int64_t cold[WAYS][PASSES], warm[WAYS][PASSES];
    machine kept[WAYS];
    double base_cold = 0, base_warm = 0;

    for (size_t w = 0; w < WAYS; w++) {
        open_machine(&kept[w], tokenizer, ways[w].columns);
        pass(&kept[w], all);
    }
    for (size_t i = 0; i < PASSES; i++) {
        for (size_t w = 0; w < WAYS; w++) {
            machine fresh;
            open_machine(&fresh, tokenizer, ways[w].columns);
            cold[w][i] = pass(&fresh, all);
            close_machine(&fresh);
            warm[w][i] = pass(&kept[w], all);
        }
    }
    for (size_t w = 0; w < WAYS; w++) {
        double cold_ns = median(cold[w], PASSES), warm_ns = median(warm[w], PASSES);
        base_cold = w == 0 ? cold_ns : base_cold;
        base_warm = w == 0 ? warm_ns : base_warm;
        printf("{\"work\": \"%s\", \"mb\": %.2f, \"cold_mb_s\": %.1f, \"warm_mb_s\": %.1f, "
               "\"cold_ratio\": %.2f, \"warm_ratio\": %.2f}\n",
               ways[w].name, (double)all->bytes / 1e6, (double)all->bytes * 1e3 / cold_ns,
               (double)all->bytes * 1e3 / warm_ns, cold_ns / base_cold, warm_ns / base_warm);
        close_machine(&kept[w]);
    }
}

// ---- two threads ----

typedef struct runner {
    const ft_tokenizer *tokenizer;  // NULL: arithmetic alone.
    const bench_texts *all;
    pthread_barrier_t *barrier;
    size_t repeats;
    uint64_t sum;
} runner;

static void *run(void *argument)
{
    runner *r = argument;
    machine m;

    if (r->tokenizer) {
        open_machine(&m, r->tokenizer, 0);
        pass(&m, r->all);
    }
    pthread_barrier_wait(r->barrier);
    for (size_t i = 0; i < r->repeats; i++) {
        if (r->tokenizer)
            pass(&m, r->all);
        for (size_t n = 0; !r->tokenizer && n < 20000000; n++)
            r->sum = r->sum * UINT64_C(6364136223846793005) + 1;
    }
    pthread_barrier_wait(r->barrier);
    if (r->tokenizer)
        close_machine(&m);
    return NULL;
}

// Seconds that `threads` threads take, each for the same work.
static double time_threads(const ft_tokenizer *tokenizer, const bench_texts *all, unsigned threads,
                           size_t repeats)
{
    runner runners[2] = {{tokenizer, all, NULL, repeats, 1}, {tokenizer, all, NULL, repeats, 1}};
    pthread_barrier_t barrier;
    pthread_t ids[2];

    pthread_barrier_init(&barrier, NULL, threads + 1);
    for (unsigned i = 0; i < threads; i++) {
        runners[i].barrier = &barrier;
        if (pthread_create(&ids[i], NULL, run, &runners[i]) != 0)
            exit(1);
    }
    pthread_barrier_wait(&barrier);
    int64_t start = ft_clock_ns();
    pthread_barrier_wait(&barrier);
    double took = (double)(ft_clock_ns() - start) / 1e9;
    for (unsigned i = 0; i < threads; i++)
        pthread_join(ids[i], NULL);
    pthread_barrier_destroy(&barrier);
    return took;
}

static void measure_threads(const ft_tokenizer *tokenizer, const bench_texts *all)
{
    enum { ROUNDS = 5 };
    const size_t repeats = 1 + 20000000 / (all->bytes + 1);
    double gain[ROUNDS], bare[ROUNDS], rate = 0;

    for (size_t i = 0; i < ROUNDS; i++) {
        double one = time_threads(tokenizer, all, 1, repeats);
        double two = time_threads(tokenizer, all, 2, repeats);
        gain[i] = 2 * one / two;
        rate = (double)(repeats * all->bytes) / one / 1e6;
        one = time_threads(NULL, NULL, 1, 5);
        two = time_threads(NULL, NULL, 2, 5);
        bare[i] = 2 * one / two;
    }
    for (size_t i = 0; i < ROUNDS; i++)
        printf("{\"work\": \"two threads\", \"one_mb_s\": %.1f, \"gain\": %.3f, "
               "\"arithmetic_gain\": %.3f}\n",
               rate, gain[i], bare[i]);
}

// ---- texts of one kind ----

static const struct {
    const char *name, *unit;
} kinds[] = {
    {"a", "a"},
    {"emoji", "\xf0\x9f\x98\x80"},
    {"families", "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa9\xe2\x80\x8d"},
    {"no spaces", "thequickbrownfoxjumpsoverthelazydog"},
    {"Chinese", "\xe4\xb8\xad\xe6\x96\x87"},
    {"spaces", " "},
    {"newlines", "\n"},
    {"tabs", "\t"},
    {"marks", "\xcc\x81"},
    {"marks of two classes", "\xcc\x81\xcc\xa7"},
    {"a number", "7"},
    {"signs", "!"},
    {"U+2581", "\xe2\x96\x81"},
    {"prefixes of added tokens", "<|endoftex"},
    {"of <extra_id_0>", "<extra_id_"},
    {"of [MASK]", "[MAS"},
    {"apostrophes", "'"},
    {"NUL", "\0"},
};

static double rate_of(const ft_tokenizer *tokenizer, unsigned columns, ft_slice text)
{
    machine m;

    open_machine(&m, tokenizer, columns);
    int64_t start = ft_clock_thread_cpu_ns();
    encode(&m, text);
    double rate = (double)text.size * 1e3 / (double)(ft_clock_thread_cpu_ns() - start);
    close_machine(&m);
    return rate;
}

static void measure_worst(const ft_tokenizer *tokenizer, size_t least)
{
    const size_t sizes[] = {least, 2 * least, 4 * least};
    char *text = ft_alloc(sizes[2]);

    for (size_t k = 0; text && k < FT_COUNT_OF(kinds); k++) {
        size_t unit = strlen(kinds[k].unit) + (kinds[k].unit[0] == 0);
        for (size_t i = 0; i + unit <= sizes[2]; i += unit)
            memcpy(text + i, kinds[k].unit, unit);
        printf("{\"text\": \"%s\"", kinds[k].name);
        for (size_t w = 0; w < WAYS; w += 2) {
            printf(", \"%s\": [", ways[w].name);
            for (size_t i = 0; i < FT_COUNT_OF(sizes); i++)
                printf(
                    "%s%.1f", i ? ", " : "",
                    rate_of(tokenizer, ways[w].columns, (ft_slice){text, sizes[i] / unit * unit}));
            printf("]");
        }
        printf("}\n");
        fflush(stdout);
    }
    ft_free(text);
}

int main(int argc, char **argv)
{
    bool threads = argc > 1 && strcmp(argv[1], "--threads") == 0;
    bool worst = argc > 1 && strcmp(argv[1], "--worst") == 0;
    int at = threads || worst ? 2 : 1;
    ft_error err = FT_ERROR_INIT;
    const ft_tokenizer *tokenizer;

    if (argc != at + 2) {
        fprintf(stderr, "usage: bench_encode [--threads] TOKENIZER TEXTS.jsonl | "
                        "--worst TOKENIZER KIB\n");
        return 2;
    }
    ft_arena *arena = ft_arena_create();
    if (!arena || !ft_tokenizer_load(argv[at], arena, &tokenizer, &err))
        fail(&err);
    if (worst) {
        measure_worst(tokenizer, (size_t)strtoul(argv[at + 1], NULL, 10) << 10);
    } else {
        bench_texts all = read_texts(argv[at + 1], arena);
        threads ? measure_threads(tokenizer, &all) : measure_places(tokenizer, &all);
    }
    ft_arena_destroy(arena);
    return 0;
}
