// A language model alone: tokens a second of prompts and of sequences that go on.
//
//   bench_generate MODEL THREADS WORK ...
//
// A work is prefill:TOKENS or decode:SEQUENCES, as in peers/peer_generate.py, which measures
// llama.cpp beside it. One line of JSON each; the best of three after one for nothing.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/system/clock.h"
#include "stages/nn/decoder.h"

enum { BEFORE = 128, FURTHER = 64, SEQUENCES_MAX = 64, CONTEXT = 2048, CACHE = 16384, RUNS = 4 };

typedef struct bench {
    ft_lm_run *run;
    size_t vocabulary;
    double sum;  // Of logits, so that they are read.
} bench;

static int32_t id_of(const bench *b, size_t sequence, size_t place)
{
    return (int32_t)((place * 7919 + sequence * 104729 + 11) % b->vocabulary);
}

static void take(void *host, size_t piece, float *logits)
{
    bench *b = host;
    b->sum += (double)logits[piece];
}

static ft_lm_sequence begin(bench *b, size_t tokens)
{
    ft_error err = FT_ERROR_INIT;
    ft_lm_sequence sequence;
    bool fits;

    if (!ft_lm_begin(b->run, tokens, &sequence, &fits, &err) || !fits) {
        fprintf(stderr, "bench_generate: no room for %zu tokens\n", tokens);
        exit(1);
    }
    return sequence;
}

static void read_prompt(bench *b, ft_lm_sequence *sequence, size_t number, size_t count)
{
    int32_t ids[FT_LM_ROWS_MAX];

    for (size_t done = 0; done < count;) {
        const size_t some = count - done < FT_LM_ROWS_MAX ? count - done : FT_LM_ROWS_MAX;
        for (size_t i = 0; i < some; i++)
            ids[i] = id_of(b, number, done + i);
        done += some;
        ft_lm_step(b->run, &(ft_lm_piece){sequence, ids, some, done == count}, 1, take, b);
    }
}

static double prefill(bench *b, size_t count)
{
    ft_lm_sequence sequence = begin(b, count);
    const int64_t start = ft_clock_ns();

    read_prompt(b, &sequence, 0, count);
    const double seconds = (double)(ft_clock_ns() - start) * 1e-9;
    ft_lm_end(b->run, &sequence);
    return (double)count / seconds;
}

static double decode(bench *b, size_t count)
{
    ft_lm_sequence sequences[SEQUENCES_MAX];
    ft_lm_piece pieces[SEQUENCES_MAX];
    int32_t ids[SEQUENCES_MAX];

    for (size_t i = 0; i < count; i++) {
        sequences[i] = begin(b, BEFORE + FURTHER);
        read_prompt(b, &sequences[i], i, BEFORE);
    }
    const int64_t start = ft_clock_ns();
    for (size_t place = BEFORE; place < BEFORE + FURTHER; place++) {
        for (size_t i = 0; i < count; i++) {
            ids[i] = id_of(b, i, place);
            pieces[i] = (ft_lm_piece){&sequences[i], &ids[i], 1, true};
        }
        ft_lm_step(b->run, pieces, count, take, b);
    }
    const double seconds = (double)(ft_clock_ns() - start) * 1e-9;
    for (size_t i = 0; i < count; i++)
        ft_lm_end(b->run, &sequences[i]);
    return (double)(count * FURTHER) / seconds;
}

static bool measure(bench *b, const char *work)
{
    const char *colon = strchr(work, ':');
    const size_t count = colon ? strtoul(colon + 1, NULL, 10) : 0;
    const bool is_prefill = strncmp(work, "prefill:", 8) == 0;
    double best = 0;

    if (count == 0 || count > (is_prefill ? (size_t)CONTEXT : (size_t)SEQUENCES_MAX))
        return false;
    for (int run = 0; run < RUNS; run++) {
        const double rate = is_prefill ? prefill(b, count) : decode(b, count);
        best = run > 0 && rate > best ? rate : best;
    }
    printf("{\"work\": \"%s\", \"rate\": %.1f}\n", work, best);
    fflush(stdout);
    return true;
}

int main(int argc, char **argv)
{
    ft_error err = FT_ERROR_INIT;
    ft_encoder_config config;
    ft_account account;
    ft_lm *lm;
    ft_arena *arena = ft_arena_create();

    if (argc < 4) {
        fprintf(stderr, "usage: bench_generate MODEL THREADS WORK ...\n");
        return 2;
    }
    ft_account_init(&account, INT64_C(1) << 40);
    bool ok = arena && ft_encoder_config_read(argv[1], arena, &config, &err);
    config.keeps_stored = true;
    ok = ok && ft_lm_load(argv[1], &config, arena, &lm, &err);
    if (!ok) {
        fprintf(stderr, "bench_generate: %s\n", err.message);
        return 1;
    }
    ft_team *team = ft_team_create(strtoul(argv[2], NULL, 10), &err);
    if (!team) {
        fprintf(stderr, "bench_generate: %s\n", err.message);
        return 1;
    }
    bench b = {.run = ft_lm_run_create(lm, CACHE, CONTEXT, team, &account, &err),
               .vocabulary = config.vocabulary};
    if (!b.run) {
        fprintf(stderr, "bench_generate: %s\n", err.message);
        return 1;
    }
    for (int i = 3; i < argc; i++)
        if (!measure(&b, argv[i])) {
            fprintf(stderr, "bench_generate: no work `%s`\n", argv[i]);
            return 2;
        }
    ft_lm_run_destroy(b.run);
    ft_team_destroy(team);
    ft_arena_destroy(arena);
    return 0;
}
