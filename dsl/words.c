// One table of other tools' words, one of what is not there yet; both are searched from the start,
// as they are short.
#include "dsl/words.h"

#include <string.h>

enum { CANDIDATES = 3 };

static const char read_help[] =
    "a source is a stage like the others: write `- read: FILE` as the first one in `stages:`";
static const char write_help[] =
    "a sink is a stage like the others: write `- write: FILE` as the last one in `stages:`";
static const char type_help[] = "a stage's type is its key: write `- embed: MODEL`";
static const char errors_help[] =
    "give a sink `input: errors` (all that failed above) or `input: STAGE.errors`";

static const ft_word words[] = {
    {FT_WORD_TOP, "steps", "stages", NULL},
    {FT_WORD_TOP, "stage", "stages", NULL},
    {FT_WORD_TOP, "processors", "stages", NULL},
    {FT_WORD_TOP, "transforms", "stages", NULL},
    {FT_WORD_TOP, "filters", "stages", NULL},
    {FT_WORD_TOP, "tasks", "stages", NULL},
    {FT_WORD_TOP, "pipeline", "stages", NULL},
    {FT_WORD_TOP, "nodes", "stages", NULL},
    {FT_WORD_TOP, "source", NULL, read_help},
    {FT_WORD_TOP, "sources", NULL, read_help},
    {FT_WORD_TOP, "in", NULL, read_help},
    {FT_WORD_TOP, "input", NULL, read_help},
    {FT_WORD_TOP, "inputs", NULL, read_help},
    {FT_WORD_TOP, "sink", NULL, write_help},
    {FT_WORD_TOP, "sinks", NULL, write_help},
    {FT_WORD_TOP, "output", NULL, write_help},
    {FT_WORD_TOP, "outputs", NULL, write_help},
    {FT_WORD_TOP, "out", NULL, write_help},
    {FT_WORD_TOP, "parameters", "params", NULL},
    {FT_WORD_TOP, "param", "params", NULL},
    {FT_WORD_TOP, "vars", "params", NULL},
    {FT_WORD_TOP, "variables", "params", NULL},
    {FT_WORD_TOP, "env", "params", "the environment is read where it is used: `${NAME:-default}`"},
    {FT_WORD_TOP, "default", "defaults", NULL},
    {FT_WORD_TOP, "settings", "run", NULL},
    {FT_WORD_TOP, "config", "run", NULL},
    {FT_WORD_TOP, "version", "ftpipe",
     "the version of the language is `ftpipe: 1`, and may be left out"},
    {FT_WORD_STAGE, "inputs", "input", NULL},
    {FT_WORD_STAGE, "needs", "input", NULL},
    {FT_WORD_STAGE, "depends_on", "input", NULL},
    {FT_WORD_STAGE, "from_", "input", NULL},
    {FT_WORD_STAGE, "uses", NULL, type_help},
    {FT_WORD_STAGE, "component", NULL, type_help},
    {FT_WORD_STAGE, "kind", NULL, type_help},
    {FT_WORD_STAGE, "source", NULL, "write `- read: FILE`"},
    {FT_WORD_STAGE, "sources", NULL, "write `- read: FILE`"},
    {FT_WORD_STAGE, "in", NULL, "write `- read: FILE`"},
    {FT_WORD_STAGE, "sink", NULL, "write `- write: FILE`"},
    {FT_WORD_STAGE, "sinks", NULL, "write `- write: FILE`"},
    {FT_WORD_STAGE, "output", NULL, "write `- write: FILE`; the field that a stage makes is `to:`"},
    {FT_WORD_STAGE, "outputs", NULL,
     "write `- write: FILE`; the field that a stage makes is `to:`"},
    {FT_WORD_STAGE, "out", NULL, "write `- write: FILE`; the field that a stage makes is `to:`"},
    {FT_WORD_STAGE, "config", NULL,
     "options stand beside the stage's key, at the same indentation"},
    {FT_WORD_STAGE, "options", NULL,
     "options stand beside the stage's key, at the same indentation"},
    {FT_WORD_STAGE, "settings", NULL,
     "options stand beside the stage's key, at the same indentation"},
    {FT_WORD_STAGE, "with", NULL, "options stand beside the stage's key, at the same indentation"},
    {FT_WORD_STAGE, "batch_size", "batch", NULL},
    {FT_WORD_STAGE, "batching", "batch", NULL},
    {FT_WORD_STAGE, "num_proc", "workers", NULL},
    {FT_WORD_STAGE, "num_workers", "workers", NULL},
    {FT_WORD_STAGE, "concurrency", "workers", NULL},
    {FT_WORD_STAGE, "parallelism", "workers", NULL},
    {FT_WORD_STAGE, "threads", "workers", NULL},
    {FT_WORD_STAGE, "replicas", "workers", NULL},
    {FT_WORD_STAGE, "id", "name", NULL},
    {FT_WORD_STAGE, "label", "name", NULL},
    {FT_WORD_STAGE, "alias", "name", NULL},
    {FT_WORD_STAGE, "key", "name", NULL},
    {FT_WORD_STAGE, "if", "when", NULL},
    {FT_WORD_STAGE, "condition", "when", NULL},
    {FT_WORD_STAGE, "continue-on-error", "on_error", "write `on_error: skip`"},
    {FT_WORD_STAGE, "error_handling", "on_error", "write `on_error: skip` or `on_error: stop`"},
    {FT_WORD_STAGE, "dead_letter", NULL, errors_help},
    {FT_WORD_STAGE, "dead_letter_queue", NULL, errors_help},
    {FT_WORD_STAGE, "timeout-minutes", "timeout", NULL},
    {FT_WORD_STAGE, "max_batch_size", "batch", NULL},
    {FT_WORD_RUN, "num_threads", "threads", NULL},
    {FT_WORD_RUN, "workers", "threads", NULL},
    {FT_WORD_RUN, "num_workers", "threads", NULL},
    {FT_WORD_RUN, "concurrency", "threads", NULL},
    {FT_WORD_RUN, "parallelism", "threads", NULL},
    {FT_WORD_RUN, "jobs", "threads", NULL},
    {FT_WORD_RUN, "memory_limit", "memory", NULL},
    {FT_WORD_RUN, "mem", "memory", NULL},
    {FT_WORD_RUN, "max_memory", "memory", NULL},
    {FT_WORD_RUN, "threshold", "max_errors", NULL},
    {FT_WORD_RUN, "random_seed", "seed", NULL},
    {FT_WORD_RUN, "timeout-minutes", "timeout", NULL},
};

static const ft_missing_feature missing[] = {
    {FT_WORD_TOP, "include", "Write all stages in one file, or make the file with a program."},
    {FT_WORD_TOP, "templates",
     "Write the stages out; YAML's `&name` and `<<: *name` save repeating options."},
    {FT_WORD_TOP, "secrets", "Take the value from the environment: `${NAME}`."},
    {FT_WORD_TOP, "matrix",
     "Use `params:` and run once for each value: `ftpipe run FILE -p name=value`."},
    {FT_WORD_TOP, "tests", "Keep a small input beside the pipeline and compare what it writes."},
    {FT_WORD_STAGE, "queue",
     "Leave it out: the memory between stages is bounded by `run: {memory: 1GiB}`."},
    {FT_WORD_STAGE, "timeout", "Bound the whole run: `run: {timeout: 1h}`."},
    {FT_WORD_STAGE, "cache", "Leave it out: every item is computed."},
    {FT_WORD_STAGE, "device", "Leave it out: stages run on the CPU."},
    {FT_WORD_STAGE, "secret", "Take the value from the environment: `${NAME}`."},
    {FT_WORD_STAGE, "retry", "Use `on_error: skip`, or read what failed: `input: errors`."},
    {FT_WORD_RUN, "checkpoint", "Leave it out: a run starts from the beginning."},
    {FT_WORD_RUN, "mode", "Leave it out: a run ends when its sources end."},
    {FT_WORD_RUN, "state", "Leave it out: nothing is kept between runs."},
    {FT_WORD_RUN, "lua_path", "Put modules in the pipeline's folder."},
};

static const ft_missing_feature missing_stages[] = {
    {FT_WORD_STAGE, "http", "Read from a file or from stdin: `- read: \"-\"`."},
    {FT_WORD_STAGE, "reply", "Write to a file or to stdout: `- write: \"-\"`."},
    {FT_WORD_STAGE, "route", "Use one `filter` stage for each case, with the same `input:`."},
    {FT_WORD_STAGE, "dedupe", "Use a `lua` stage with `ctx.shared.set(\"seen\")`."},
    {FT_WORD_STAGE, "sample",
     "Use `filter:` with a condition on a hash, such as `hash(text) % 100 == 0`."},
    {FT_WORD_STAGE, "flatten", "Use a `lua` stage: give back a list of items."},
    {FT_WORD_STAGE, "rate", "Leave it out: stages are slowed by what stands below them."},
    {FT_WORD_STAGE, "exec",
     "Use a `lua` stage, or run the program on the file that `write` makes."},
    {FT_WORD_STAGE, "call", "Use a `lua` stage."},
    {FT_WORD_STAGE, "use", "Write the stages out: templates are not there yet."},
    {FT_WORD_STAGE, "join", "Use a `lua` stage."},
    {FT_WORD_STAGE, "window", "Use `gather`."},
    {FT_WORD_STAGE, "sort", "Sort the file that `write` makes."},
};

const ft_word *ft_words_find(ft_word_place place, ft_slice said)
{
    for (size_t i = 0; i < FT_COUNT_OF(words); i++)
        if (words[i].place == place && ft_slice_is(said, words[i].said))
            return &words[i];
    return NULL;
}

const ft_missing_feature *ft_words_find_missing(ft_word_place place, ft_slice key)
{
    for (size_t i = 0; i < FT_COUNT_OF(missing); i++)
        if (missing[i].place == place && ft_slice_is(key, missing[i].key))
            return &missing[i];
    return NULL;
}

const ft_missing_feature *ft_words_find_missing_stage(ft_slice type)
{
    for (size_t i = 0; i < FT_COUNT_OF(missing_stages); i++)
        if (ft_slice_is(type, missing_stages[i].key))
            return &missing_stages[i];
    return NULL;
}

// ---- nearest ----

typedef struct near_name {
    const char *name;
    size_t distance;
} near_name;

static void consider(near_name best[CANDIDATES], const char *name, size_t distance)
{
    size_t at = CANDIDATES;

    for (size_t i = 0; i < CANDIDATES; i++)
        if (best[i].name && strcmp(best[i].name, name) == 0)
            return;
    while (at > 0 && (!best[at - 1].name || distance < best[at - 1].distance))
        at--;
    if (at == CANDIDATES)
        return;
    for (size_t i = CANDIDATES - 1; i > at; i--)
        best[i] = best[i - 1];
    best[at] = (near_name){name, distance};
}

const char *ft_words_nearest(ft_arena *arena, ft_slice word, const char *const *names,
                             const char **out_best)
{
    size_t allowed = word.size <= 2 ? 1 : (word.size + 2) / 3 < 4 ? (word.size + 2) / 3 : 4;
    near_name best[CANDIDATES] = {{0}};

    for (; *names; names++) {
        ft_slice name = ft_slice_of(*names);
        size_t distance = ft_edit_distance(word, name, allowed + 1);
        bool is_start = word.size >= 3 && ft_slice_starts_with(name, word);
        if (is_start || (distance <= allowed && distance < name.size))
            consider(best, *names, is_start && distance > 1 ? 1 : distance);
    }
    if (out_best)
        *out_best = best[0].name;
    if (!best[0].name)
        return NULL;
    // One letter off is meant; others are only worth a word when nothing is that near.
    if (!best[1].name || (best[0].distance == 1 && best[1].distance > 1))
        return ft_arena_format(arena, "`%s`", best[0].name);
    if (!best[2].name || best[2].distance > best[0].distance + 1)
        return ft_arena_format(arena, "`%s` or `%s`", best[0].name, best[1].name);
    return ft_arena_format(arena, "`%s`, `%s` or `%s`", best[0].name, best[1].name, best[2].name);
}
