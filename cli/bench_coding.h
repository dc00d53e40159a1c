// Our side of `ftpipe bench tokenize`: rates of the library on the `text` of each line of a file.
#pragma once

#include "cli/bench.h"

typedef enum ft_bench_coding_of {
    FT_BENCH_CODING_CRC,      // CRC-32 of the ids of each text and a -1 behind them, as i32.
    FT_BENCH_CODING_COLD,     // MB/s: a new coder for each pass, whose making is not counted.
    FT_BENCH_CODING_WARM,     // MB/s: texts that the coder has seen.
    FT_BENCH_CODING_OFFSETS,  // MB/s: the same, with where each token stands.
    FT_BENCH_CODING_THREADS,  // MB/s: two threads, each with a coder of its own and half the texts.
    FT_BENCH_CODING_SECONDS,  // Seconds for the texts, seen before.
} ft_bench_coding_of;

typedef struct ft_bench_coding {
    const char *tokenizer, *texts;
    ft_bench_coding_of what;
} ft_bench_coding;

// An ft_bench_function; `host` is an ft_bench_coding.
bool ft_bench_code(const void *host, double *out, ft_error *err);
