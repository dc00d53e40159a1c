// How long a tokenizer takes until it can be used, in milliseconds: the median and the least of
// ROUNDS (1). With STORE it is opened in its compiled form, else read from its file.
//
//   bench_load TOKENIZER [ROUNDS [STORE]]
#include <stdio.h>
#include <stdlib.h>

#include "runtime/slice.h"
#include "runtime/system/clock.h"
#include "stages/text/tokenizer_store.h"

enum { ROUNDS_MAX = 1000 };

static int compare(const void *a, const void *b)
{
    const double left = *(const double *)a, right = *(const double *)b;

    return (left > right) - (left < right);
}

// Milliseconds of one round; negative when it failed.
static double measure(const char *path, const char *store)
{
    ft_error err = FT_ERROR_INIT;
    ft_arena *arena = ft_arena_create();
    const ft_tokenizer *tokenizer;

    if (!arena)
        return -1;
    int64_t start = ft_clock_ns();
    bool done = ft_tokenizer_open(path, store, arena, &tokenizer, &err);
    double ms = (double)(ft_clock_ns() - start) / 1e6;
    if (!done)
        fprintf(stderr, "%s\n", err.message);
    ft_arena_destroy(arena);
    return done ? ms : -1;
}

int main(int argc, char **argv)
{
    double ms[ROUNDS_MAX];
    int64_t rounds = 1;

    if (argc < 2 || argc > 4 ||
        (argc > 2 &&
         (!ft_parse_int(ft_slice_of(argv[2]), &rounds) || rounds < 1 || rounds > ROUNDS_MAX))) {
        fprintf(stderr, "usage: bench_load TOKENIZER [ROUNDS [STORE]]\n");
        return 2;
    }
    const char *store = argc == 4 ? argv[3] : NULL;
    // The first one makes the compiled form.
    if (store && measure(argv[1], store) < 0)
        return 1;
    for (int64_t i = 0; i < rounds; i++) {
        ms[i] = measure(argv[1], store);
        if (ms[i] < 0)
            return 1;
    }
    qsort(ms, (size_t)rounds, sizeof(ms[0]), compare);
    printf("%.3f least %.3f\n", ms[rounds / 2], ms[0]);
    return 0;
}
