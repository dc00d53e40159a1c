// ftpipe bench: the claims of the runtime as measured rows, beside the programs it is compared
// with.
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/bench_rows.h"
#include "cli/command.h"
#include "runtime/data/json.h"
#include "runtime/system/topology.h"
#include "stages/nn/kernel/isa.h"

enum { REPEAT_MAX = 1000, PATH_BYTES = 4096 };

static const ft_flag flags[] = {
    {"json", 0, NULL, NULL, "one JSON object a row"},
    {"repeat", 0, "N", NULL, "repetitions of each side (7)"},
    {"only", 0, "TEXT", NULL, "only rows with TEXT in their name"},
    {"plot", 0, "FILE", NULL, "essay: throughput over threads as SVG (ftpipe-essay.svg)"},
    {"script", 0, "FILE", NULL, "essay: the essay's own workloads in Python, run beside ours"},
    {"python", 0, "PROGRAM", NULL, "essay: what runs the script (python3)"},
    {"peers", 0, "DIR", NULL,
     "tokenize: the folder of tokenize_peers.py, with texts, vocabularies and other libraries"},
    {"texts", 0, "FILE", NULL, "tokenize: JSONL with a `text` each, instead of the peers'"},
    {NULL},
};

static void print_machine(const ft_bench *bench)
{
    ft_topology machine;
    double load = 0;
    FILE *file = fopen("/proc/loadavg", "re");
    char text[32] = "";

    ft_topology_read("", &machine);
    if (file && fgets(text, sizeof(text), file))
        ft_parse_float((ft_slice){text, strcspn(text, " ")}, &load);
    if (file)
        fclose(file);
    if (bench->is_json)
        printf("{\"cpu\":\"%s\",\"cpus\":%d,\"isa\":\"%s\",\"load\":%.2f,\"repeat\":%d}\n",
               machine.cpu_model, machine.cpus_allowed, ft_isa_name(ft_isa_level()), load,
               bench->repeat);
    else
        printf("%s, %d CPUs, %s kernels; median of %d rounds (least-most)%s\n\n", machine.cpu_model,
               machine.cpus_allowed, ft_isa_name(ft_isa_level()), bench->repeat,
               load > 0.5 ? "; the machine is busy: figures of 2 threads are worth little" : "");
    fflush(stdout);
}

static bool read_arguments(const ft_arguments *arguments, ft_bench *bench, ft_error *err)
{
    int64_t repeat = FT_BENCH_REPEAT;
    char path[PATH_BYTES];
    ssize_t size = readlink("/proc/self/exe", path, sizeof(path) - 1);

    if (!ft_arguments_get_count(arguments, "repeat", 1, &repeat, err))
        return false;
    if (repeat > REPEAT_MAX)
        return ft_fail(err, FT_ERROR_USAGE, "`--repeat` is at most %d", REPEAT_MAX);
    if (size <= 0)
        return ft_fail(err, FT_ERROR_IO, "cannot find this program: /proc is not mounted");
    bench->arena = arguments->arena;
    bench->repeat = (int)repeat;
    bench->is_json = ft_arguments_has(arguments, "json");
    bench->only = ft_arguments_get(arguments, "only");
    bench->program = ft_arena_text(arguments->arena, (ft_slice){path, (size_t)size});
    return bench->program || ft_fail_nomem(err, (size_t)size);
}

static ft_bench_essay_options essay_options(const ft_arguments *arguments)
{
    return (ft_bench_essay_options){.plot = ft_arguments_get(arguments, "plot"),
                                    .script = ft_arguments_get(arguments, "script"),
                                    .python = ft_arguments_get(arguments, "python")};
}

// What is measured, with the flags that belong to it.
static const struct {
    const char *name;
    const char *flags[4];
} tables[] = {{"runtime", {NULL}},
              {"essay", {"plot", "script", "python", NULL}},
              {"tokenize", {"peers", "texts", NULL}},
              {"kernels", {NULL}}};
enum { RUNTIME, ESSAY, TOKENIZE, KERNELS };

static bool find_table(const ft_arguments *arguments, size_t *out, ft_error *err)
{
    const char *what = arguments->operands[0];

    for (*out = 0; *out < FT_COUNT_OF(tables) && strcmp(what, tables[*out].name) != 0;)
        ++*out;
    if (*out == FT_COUNT_OF(tables))
        return ft_fail(err, FT_ERROR_USAGE,
                       "`bench` takes `runtime`, `essay`, `tokenize` or `kernels`, not `%s`", what);
    for (size_t i = 0; i < FT_COUNT_OF(tables); i++)
        for (size_t j = 0; tables[i].flags[j]; j++)
            if (i != *out && ft_arguments_get(arguments, tables[i].flags[j]))
                return ft_fail(err, FT_ERROR_USAGE, "`--%s` belongs to `bench %s`",
                               tables[i].flags[j], tables[i].name);
    return true;
}

// These two work on texts and pipelines that they make.
static bool measure_scratch(const ft_arguments *arguments, ft_bench *bench, size_t table,
                            ft_error *err)
{
    const ft_bench_essay_options options = essay_options(arguments);
    ft_bench_scratch scratch = {0};

    bool ok = ft_bench_scratch_make(bench, &scratch, err);
    if (ok && table == ESSAY)
        ok = ft_bench_essay(bench, &scratch, &options, err);
    else if (ok)
        ok = ft_bench_runtime(bench, &scratch, err);
    if (scratch.folder[0])
        ft_bench_scratch_remove(&scratch);
    return ok;
}

static int bench_command(const ft_arguments *arguments)
{
    const ft_bench_tokenize_options options = {.peers = ft_arguments_get(arguments, "peers"),
                                               .texts = ft_arguments_get(arguments, "texts")};
    ft_bench bench = {0};
    ft_error err = FT_ERROR_INIT;
    size_t table;

    if (!find_table(arguments, &table, &err) || !read_arguments(arguments, &bench, &err))
        return ft_command_fail(FT_EXIT_USAGE, &err);
    print_machine(&bench);
    bool ok = table == KERNELS    ? ft_bench_kernels(&bench, &err)
              : table == TOKENIZE ? ft_bench_tokenize(&bench, &options, &err)
                                  : measure_scratch(arguments, &bench, table, &err);
    if (!bench.is_json && table != KERNELS)
        ft_bench_print(&bench);
    return ok ? FT_EXIT_DONE : ft_command_fail(FT_EXIT_FAILED, &err);
}

const ft_command ft_command_bench = {
    .name = "bench",
    .operands = "runtime|essay|tokenize|kernels",
    .summary =
        "measure the runtime, the tokenizers and the kernels beside what they are compared with",
    .details =
        "examples:\n"
        "  ftpipe bench runtime                    every claim with its goal; an idle machine, "
        "please\n"
        "  ftpipe bench runtime --only counter     some rows\n"
        "  ftpipe bench essay --plot essay.svg     threads, the global lock, and Python\n"
        "  ftpipe bench tokenize --peers DIR       tokenizers beside other libraries\n"
        "  ftpipe bench kernels                    products beside OpenBLAS, and oneDNN if "
        "installed\n\n"
        "Sides take turns, each repetition in a process of its own; what counts is the median of "
        "the\nratios. Peers are looked for beside this program in `peers/` and in bin/ of "
        "FTPIPE_PEERS.\n",
    .flags = flags,
    .operands_min = 1,
    .operands_max = 1,
    .run = bench_command,
};
