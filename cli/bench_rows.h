// The tables of `ftpipe bench`.
#pragma once

#include "cli/bench_program.h"

// What the rows work on: a scratch folder with texts and pipelines, removed at the end.
typedef struct ft_bench_scratch {
    char folder[64];
    const char *model;  // all-MiniLM-L6-v2 in the model store; NULL: it is not there.
} ft_bench_scratch;

enum {
    FT_BENCH_TEXTS = 200,     // In each of texts-a and texts-b.
    FT_BENCH_VECTORS = 60000  // That infer.yaml makes.
};

// Makes the folder and fills it: texts-a.jsonl, texts-b.jsonl (the same once more), more.jsonl
// (nine times); tokenize.yaml, infer.yaml (a network of 3 MiB), infer-large.yaml (14 MiB),
// embed.yaml, twice.yaml (a and b).
bool ft_bench_scratch_make(ft_bench *bench, ft_bench_scratch *scratch, ft_error *err) FT_MUST_CHECK;
void ft_bench_scratch_remove(const ft_bench_scratch *scratch);

// `ftpipe run` on one of the scratch pipelines: what it measures, with extra arguments. NULL
// without memory.
const char *const *ft_bench_run_argv(ft_bench *bench, const ft_bench_scratch *scratch,
                                     const char *pipeline, const char *flag, const char *value);

// A run of one of the scratch pipelines, as a side.
typedef struct ft_bench_run {
    const char *pipeline, *flag, *value;
    ft_bench_measure_of what;
    bool needs_model;
} ft_bench_run;
// A file with a text; and a folder with the files that are in it, gone.
bool ft_bench_write_file(const char *path, const char *text, ft_error *err) FT_MUST_CHECK;
void ft_bench_remove_folder(const char *folder);
// Memory of a pipeline with 2 threads against 2 processes, which load each its own model.
bool ft_bench_memory(ft_bench *bench, const ft_bench_scratch *scratch, const char *pipeline,
                     const char *what, ft_error *err) FT_MUST_CHECK;
// Without what it needs the side has neither function nor program: "not installed".
ft_bench_side ft_bench_run_side(ft_bench *bench, const ft_bench_scratch *scratch, const char *name,
                                const ft_bench_run *run);
// ft_bench_measure with a copy of the row, which the results keep.
bool ft_bench_add(ft_bench *bench, const ft_bench_row *row, ft_error *err) FT_MUST_CHECK;

// The runtime's claims, one row each.
bool ft_bench_runtime(ft_bench *bench, const ft_bench_scratch *scratch,
                      ft_error *err) FT_MUST_CHECK;
// Throughput over 1 to N threads, with the global lock, and in processes, as SVG, with the fitted
// terms of the universal scalability law.
bool ft_bench_plot(ft_bench *bench, const ft_bench_scratch *scratch, const char *path,
                   ft_error *err) FT_MUST_CHECK;
typedef struct ft_bench_essay_options {
    const char *plot;    // Where the picture of throughput over threads goes.
    const char *script;  // The essay's own workloads in Python; NULL: left out.
    const char *python;  // What runs it.
} ft_bench_essay_options;
// The essay's table of threads and processes, measured.
bool ft_bench_essay(ft_bench *bench, const ft_bench_scratch *scratch,
                    const ft_bench_essay_options *options, ft_error *err) FT_MUST_CHECK;

typedef struct ft_bench_tokenize_options {
    const char *peers;  // The folder of tokenize_peers.py; NULL: none.
    const char *texts;  // JSONL with a `text` each, instead of the peers' texts.
} ft_bench_tokenize_options;
// Tokenizers beside other libraries.
bool ft_bench_tokenize(ft_bench *bench, const ft_bench_tokenize_options *options,
                       ft_error *err) FT_MUST_CHECK;
// The kernels' products beside OpenBLAS's and oneDNN's. Prints as it goes.
bool ft_bench_kernels(ft_bench *bench, ft_error *err) FT_MUST_CHECK;
