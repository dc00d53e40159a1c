// Texts and pipelines for measurements, made by this program itself: the same everywhere.
#include "cli/bench_rows.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/process.h"
#include "cli/surroundings.h"

// How often the longest text is there: one thread is to have more than two seconds of it, so that
// the start of a run is little beside it.
enum { MORE_NAMES = 9 };

static void more_path(const ft_bench_scratch *scratch, int number, char *out, size_t room)
{
    snprintf(out, room, "%s/more-%d.jsonl", scratch->folder, number);
}

bool ft_bench_write_file(const char *path, const char *text, ft_error *err)
{
    FILE *file = fopen(path, "we");
    bool ok = file && fputs(text, file) >= 0;
    ok = file && fclose(file) == 0 && ok;
    return ok || ft_fail(err, FT_ERROR_IO, "cannot write `%s`", path);
}

static bool put_file(const ft_bench_scratch *scratch, const char *name, const char *text,
                     ft_error *err)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/%s", scratch->folder, name);
    return ft_bench_write_file(path, text, err);
}

static bool make_texts(ft_bench *bench, const ft_bench_scratch *scratch, const char *count,
                       const char *name, ft_error *err)
{
    const char *text = ft_arena_format(bench->arena,
                                       "stages:\n  - generate: %s\n    fields: {text: "
                                       "'words(10, 120)'}\n  - write: %s\n",
                                       count, name);
    const char *const argv[] = {bench->program, "run", "-q", "make.yaml", NULL};
    ft_process process = {.argv = argv, .folder = scratch->folder};

    if (!text)
        return ft_fail_nomem(err, 256);
    return put_file(scratch, "make.yaml", text, err) && ft_process_run(&process, NULL, err);
}

// The same text under more names.
static bool repeat_more(const ft_bench_scratch *scratch, ft_error *err)
{
    char from[128], to[128];

    snprintf(from, sizeof(from), "%s/more.jsonl", scratch->folder);
    for (int i = 2; i <= MORE_NAMES; i++) {
        more_path(scratch, i, to, sizeof(to));
        if (link(from, to) != 0)
            return ft_fail_errno(err, errno, "cannot write `%s`", to);
    }
    return true;
}

static const char *embed_pipeline(ft_bench *bench, const ft_bench_scratch *scratch,
                                  const char *which)
{
    return ft_arena_format(bench->arena,
                           "stages:\n  - read: %s/texts-%s.jsonl\n    fields: {text: string}\n"
                           "  - tokenize: %s\n  - embed: %s\n  - drop: [embedding]\n",
                           scratch->folder, which, scratch->model, scratch->model);
}

// The essay's workloads. Its lines of text, as in pipelines/essay-tokenize.yaml; one vector, made
// once a worker and multiplied 80,000 times; 400,000 numbers into one stack; 400,000 increments.
static const struct {
    const char *name, *text;
} essay[] = {
    {"essay-tokens.yaml",
     "run: {threads: 4}\nstages:\n  - generate: 100k\n    batch: 10000\n    fields:\n"
     "      text: '\"The Global Interpreter Lock is finally optional in CPython.\"'\n"
     "  - tokenize: words\n    workers: 4\n  - gather:\n    fields: {total: sum(len(tokens))}\n"
     "  - print: total\n"},
    {"essay-linear.yaml",
     "run: {threads: 4}\nstages:\n  - generate: 80k\n    batch: 500\n    fields: {n: index}\n"
     "  - lua: |\n      x = x or ft.zeros(\"f32\", 512)\n      item.input = x\n"
     "    adds: {input: 'f32[512]'}\n    workers: 4\n"
     "  - infer: linear.safetensors\n    workers: 4\n"
     "  - gather:\n    fields: {total: count()}\n  - print: total\n"},
    {"essay-stack.yaml",
     "run: {threads: 4}\nstages:\n  - generate: 400\n    batch: 10\n    fields: {n: index}\n"
     "  - lua: |\n      local stack = ctx.shared.stack(\"stack\")\n"
     "      for number = 1, 1000 do stack:push(number) end\n    workers: 4\n"
     "  - gather:\n    fields: {total: count()}\n"
     "  - lua: 'item.total = #ctx.shared.stack(\"stack\")'\n  - print:\n"},
    {"essay-counter.yaml",
     "run: {threads: 4}\nstages:\n  - generate: 400\n    batch: 10\n    fields: {n: index}\n"
     "  - lua: |\n      local cells = ctx.shared.dict(\"cells\")\n"
     "      for _ = 1, 1000 do cells:incr(\"cell\") end\n    workers: 4\n"
     "  - gather:\n    fields: {result: count()}\n"
     "  - lua: 'item.result = ctx.shared.dict(\"cells\"):get(\"cell\")'\n  - print:\n"},
};

static bool make_network(ft_bench *bench, const ft_bench_scratch *scratch, const char *name,
                         const char *layers, ft_error *err)
{
    const char *const argv[] = {bench->program, "new",    "weights", name, "--layers",
                                layers,         "--seed", "7",       NULL};
    ft_process process = {.argv = argv, .folder = scratch->folder};

    return ft_process_run(&process, NULL, err);
}

static bool make_essay(ft_bench *bench, const ft_bench_scratch *scratch, ft_error *err)
{
    for (size_t i = 0; i < FT_COUNT_OF(essay); i++)
        if (!put_file(scratch, essay[i].name, essay[i].text, err))
            return false;
    return make_network(bench, scratch, "linear.safetensors", "512,10", err);
}

static bool make_inference(ft_bench *bench, const ft_bench_scratch *scratch, const char *name,
                           int vectors, const char *activations, const char *network,
                           const char *layers, ft_error *err)
{
    const char *pipeline =
        ft_arena_format(bench->arena,
                        "run: {seed: 7}\nstages:\n  - generate: %d\n    fields: {input: 'normal(1, "
                        "512)'}\n  - infer: %s\n    activations: [%s]\n"
                        "  - gather:\n    fields: {first: first(output)}\n  - print: first\n",
                        vectors, network, activations);

    if (!pipeline)
        return ft_fail_nomem(err, 256);
    return put_file(scratch, name, pipeline, err) &&
           make_network(bench, scratch, network, layers, err);
}

// A network whose weights stay in a core's cache, and one that is larger than the program.
static bool make_infer(ft_bench *bench, const ft_bench_scratch *scratch, ft_error *err)
{
    return make_inference(bench, scratch, "infer.yaml", FT_BENCH_VECTORS, "relu, relu",
                          "network.safetensors", "512,1024,256,10", err) &&
           make_inference(bench, scratch, "infer-large.yaml", FT_BENCH_VECTORS / 6,
                          "relu, relu, relu, relu", "large.safetensors",
                          "512,1024,1024,1024,1024,10", err);
}

static bool make_pipelines(ft_bench *bench, const ft_bench_scratch *scratch, ft_error *err)
{
    const char *model = scratch->model;

    if (!model)
        return true;
    const char *tokenize =
        ft_arena_format(bench->arena,
                        "stages:\n  - read: %s/more*.jsonl\n    fields: {text: string}\n"
                        "  - tokenize: %s\n  - gather:\n    fields: {n: sum(len(tokens))}\n"
                        "  - print: n\n",
                        scratch->folder, model);
    const char *embed = embed_pipeline(bench, scratch, "a");
    const char *twice = embed_pipeline(bench, scratch, "*");
    if (!tokenize || !embed || !twice)
        return ft_fail_nomem(err, 512);
    return put_file(scratch, "tokenize.yaml", tokenize, err) &&
           put_file(scratch, "embed.yaml", embed, err) &&
           put_file(scratch, "twice.yaml", twice, err);
}

bool ft_bench_scratch_make(ft_bench *bench, ft_bench_scratch *scratch, ft_error *err)
{
    const char *store = ft_surroundings_store(bench->arena);
    const char *model = store ? ft_arena_format(bench->arena, "%s/all-MiniLM-L6-v2", store) : NULL;

    snprintf(scratch->folder, sizeof(scratch->folder), "/tmp/ftpipe-bench-XXXXXX");
    if (!mkdtemp(scratch->folder))
        return ft_fail(err, FT_ERROR_IO, "cannot make a folder in /tmp");
    scratch->model = model && access(model, R_OK) == 0 ? model : NULL;
    return make_texts(bench, scratch, "200", "texts-a.jsonl", err) &&
           make_texts(bench, scratch, "200", "texts-b.jsonl", err) &&
           make_texts(bench, scratch, "500k", "more.jsonl", err) && repeat_more(scratch, err) &&
           make_infer(bench, scratch, err) && make_essay(bench, scratch, err) &&
           make_pipelines(bench, scratch, err);
}

void ft_bench_remove_folder(const char *folder)
{
    char path[512];
    struct dirent *entry;
    DIR *open_folder = opendir(folder);

    while (open_folder && (entry = readdir(open_folder))) {
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] != '.')
            unlink(path);
    }
    if (open_folder)
        closedir(open_folder);
    rmdir(folder);
}

void ft_bench_scratch_remove(const ft_bench_scratch *scratch)
{
    ft_bench_remove_folder(scratch->folder);
}

const char *const *ft_bench_run_argv(ft_bench *bench, const ft_bench_scratch *scratch,
                                     const char *pipeline, const char *flag, const char *value)
{
    const char **argv = ft_arena_zero(bench->arena, 8, sizeof(char *));
    const char *path = ft_arena_format(bench->arena, "%s/%s", scratch->folder, pipeline);
    size_t at = 0;

    if (!argv || !path)
        return NULL;
    argv[at++] = bench->program;
    argv[at++] = "run";
    argv[at++] = "-q";
    argv[at++] = path;
    if (flag)
        argv[at++] = flag;
    if (value)
        argv[at++] = value;
    return argv;
}

bool ft_bench_add(ft_bench *bench, const ft_bench_row *row, ft_error *err)
{
    // The results keep the row.
    ft_bench_row *kept = ft_arena_zero(bench->arena, 1, sizeof(*kept));

    if (!kept)
        return ft_fail_nomem(err, sizeof(*kept));
    *kept = *row;
    return ft_bench_measure(bench, kept, err);
}

ft_bench_side ft_bench_run_side(ft_bench *bench, const ft_bench_scratch *scratch, const char *name,
                                const ft_bench_run *run)
{
    ft_bench_side side = {.name = name};
    ft_bench_program *program = ft_arena_zero(bench->arena, 1, sizeof(*program));

    if (!program || (run->needs_model && !scratch->model))
        return side;
    program->argv = ft_bench_run_argv(bench, scratch, run->pipeline, run->flag, run->value);
    program->what = run->what;
    program->folder = scratch->folder;
    if (program->argv) {
        side.function = ft_bench_run_program;
        side.host = program;
    }
    return side;
}
