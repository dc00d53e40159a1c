// The rows of `ftpipe bench tokenize`: rates of each family of tokenizers on one thread beside
// other libraries, with offsets, on two threads, and within `ftpipe run`.
//
// Texts, vocabularies and how other libraries are called come from the folder of the peers' scripts
// (tokenize_peers.py); peer_tokenize.py, beside this program, asks there. A peer whose ids are not
// ours is not measured.
#define _GNU_SOURCE  // realpath, mkdtemp
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/bench_coding.h"
#include "cli/bench_program.h"
#include "cli/bench_rows.h"
#include "cli/process.h"
#include "cli/surroundings.h"
#include "runtime/data/json.h"

enum { PEERS_MAX = FT_BENCH_SIDES_MAX - 1, COPIES = 60, OUTPUT_BYTES = 4096, PATH_BYTES = 256 };

typedef struct {
    const char *name;
    const char *peers[PEERS_MAX + 1];
    double cold, warm;  // Goals: times the best peer.
    double old;         // Times tokenizers 0.23.3; 0: nothing is said of it.
} family;

static const family families[] = {
    {"wordpiece", {"tokie", "hf-rc", "flash", "hf"}, 3, 3, 35},
    {"t5", {"tokie", "sp", "hf-rc", "hf"}, 2, 2, 0},
    {"gpt2", {"gigatoken", "hf-rc", "tokie", "tiktoken", "hf"}, 2, 1, 0},
    {"cl100k", {"gigatoken", "hf-rc", "tokie", "tiktoken", "hf"}, 2, 1, 0},
    {"llama3", {"gigatoken", "hf-rc", "tokie", "tiktoken", "hf"}, 2, 1, 0},
    {"llama2", {"hf-rc", "sp", "gigatoken", "tokie", "hf"}, 2, 2, 0},
};

typedef struct {
    ft_bench *bench;
    ft_error *err;
    const char *peers;         // The folder of the scripts; NULL: none.
    const char *script;        // peer_tokenize.py; NULL: it is not there.
    char folder[64], out[64];  // Scratch; what runs write goes to memory where it can.
    const char *warm_texts, *cold_texts, *many_texts;
    // Of the family at work:
    const family *family;
    const char *tokenizer;
    ft_bench_side cold[PEERS_MAX], warm[PEERS_MAX];
    size_t peer_count;
} table;

static const char *path_in(const table *t, const char *folder, const char *name)
{
    return ft_arena_format(t->bench->arena, "%s/%s", folder, name);
}

// ---- texts and vocabularies ----

// The texts many times over under further names, so that the start of a run is little beside it.
static bool link_copies(table *t)
{
    for (int i = 0; i < COPIES; i++) {
        const char *to = ft_arena_format(t->bench->arena, "%s/many-%02d.jsonl", t->folder, i);
        if (!to)
            return ft_fail_nomem(t->err, PATH_BYTES);
        if (symlink(t->warm_texts, to) != 0)
            return ft_fail_errno(t->err, errno, "cannot make `%s`", to);
    }
    t->many_texts = path_in(t, t->folder, "many-*.jsonl");
    return t->many_texts || ft_fail_nomem(t->err, PATH_BYTES);
}

static bool prepare(table *t)
{
    const char *const argv[] = {"python3", t->script, t->peers, "prepare", t->folder, NULL};
    const ft_process process = {.argv = argv};

    if (!t->script)
        return ft_fail(t->err, FT_ERROR_IO,
                       "no `peer_tokenize.py`: neither in `peers/` beside this program nor in bin/ "
                       "of FTPIPE_PEERS");
    if (!ft_process_run(&process, NULL, t->err)) {
        ft_hint(t->err, "`--peers` names the folder that holds tokenize_peers.py.");
        return false;
    }
    t->warm_texts = path_in(t, t->folder, "texts.jsonl");
    t->cold_texts = path_in(t, t->folder, "texts-cold.jsonl");
    return (t->warm_texts && t->cold_texts) || ft_fail_nomem(t->err, PATH_BYTES);
}

static bool find_texts(table *t, const char *given)
{
    char whole[4096];

    if (t->peers && !prepare(t))
        return false;
    if (given) {
        if (!realpath(given, whole))
            return ft_fail_errno(t->err, errno, "cannot read `%s`", given);
        t->warm_texts = t->cold_texts = ft_arena_text(t->bench->arena, ft_slice_of(whole));
    }
    if (t->warm_texts)
        return link_copies(t);
    ft_fail(t->err, FT_ERROR_USAGE, "no texts to tokenize");
    ft_hint(t->err,
            "`--texts FILE.jsonl` names lines with a `text` each; `--peers DIR`, the folder "
            "of tokenize_peers.py, brings texts, vocabularies and other libraries.");
    return false;
}

// Of the peers' folder, or for WordPiece of the model store. NULL: there is none.
static const char *find_tokenizer(const table *t)
{
    const char *name = ft_arena_format(t->bench->arena, "%s.json", t->family->name);
    const char *path = name && t->peers ? path_in(t, t->folder, name) : NULL;
    const char *store = ft_surroundings_store(t->bench->arena);

    if (path && access(path, R_OK) == 0)
        return path;
    path = store && strcmp(t->family->name, "wordpiece") == 0
               ? path_in(t, store, "all-MiniLM-L6-v2")
               : NULL;
    return path && access(path, R_OK) == 0 ? path : NULL;
}

// ---- sides ----

static ft_bench_side our_side(const table *t, const char *name, const char *texts,
                              ft_bench_coding_of what)
{
    ft_bench_side side = {.name = name, .cpus = what == FT_BENCH_CODING_THREADS ? 0 : 1};
    ft_bench_coding *coding = ft_arena_zero(t->bench->arena, 1, sizeof(*coding));

    if (!t->tokenizer)
        side.missing = "no vocabulary: `--peers DIR` brings it";
    if (!coding || !t->tokenizer)
        return side;
    *coding = (ft_bench_coding){t->tokenizer, texts, what};
    side.function = ft_bench_code;
    side.host = coding;
    return side;
}

static const char *const *peer_argv(const table *t, const char *peer, const char *way,
                                    const char *texts)
{
    const char *root = ft_surroundings_peers(t->bench->arena);
    const char **argv = ft_arena_zero(t->bench->arena, 9, sizeof(char *));

    if (!argv || !root)
        return NULL;
    argv[0] = ft_arena_format(t->bench->arena, "%s/%s/bin/python", root,
                              strcmp(peer, "hf-rc") == 0 ? "venv-rc" : "venv");
    argv[1] = t->script;
    argv[2] = t->peers;
    argv[3] = way;
    argv[4] = peer;
    argv[5] = t->family->name;
    argv[6] = t->tokenizer;
    argv[7] = texts;
    return argv[0] && access(argv[0], X_OK) == 0 ? argv : NULL;
}

// What a peer says of itself and its ids: its version, and whether they are ours.
static bool ask_peer(const table *t, const char *peer, double crc, const char **out_version,
                     const char **out_missing)
{
    const char *const *argv = peer_argv(t, peer, "check", t->cold_texts);
    char text[OUTPUT_BYTES];
    ft_error ignored = FT_ERROR_INIT;
    ft_json_node *answer;
    double theirs;

    *out_version = peer;
    *out_missing = "not installed";
    if (!argv || !ft_bench_ask(argv, text, sizeof(text), &ignored))
        return false;
    const char *line = strrchr(text, '{');
    if (!line ||
        !ft_json_parse(ft_slice_trim(ft_slice_of(line)), t->bench->arena, &answer, &ignored))
        return false;
    const ft_json_node *version = ft_json_find(answer, "version");
    *out_version = version ? ft_arena_text(t->bench->arena, version->text) : NULL;
    *out_missing = "its ids are not ours";
    return *out_version && ft_json_get_float(ft_json_find(answer, "crc"), &theirs) && theirs == crc;
}

static void add_peer(table *t, const char *peer, double crc)
{
    ft_bench_side side = {.key = "mb_s", .cpus = 1, .is_optional = true};
    bool is_there = ask_peer(t, peer, crc, &side.name, &side.missing);

    if (!side.name)
        return;
    t->cold[t->peer_count] = t->warm[t->peer_count] = side;
    if (is_there) {
        t->cold[t->peer_count].argv = peer_argv(t, peer, "cold", t->cold_texts);
        t->warm[t->peer_count].argv = peer_argv(t, peer, "warm", t->warm_texts);
    }
    t->peer_count++;
}

static bool find_peers(table *t)
{
    ft_bench_side crc_side = our_side(t, "ftpipe", t->cold_texts, FT_BENCH_CODING_CRC);
    double crc;

    t->peer_count = 0;
    if (!t->peers || !t->tokenizer)
        return true;
    if (!crc_side.function || !ft_bench_run_once(&crc_side, &crc, t->err))
        return false;
    for (size_t i = 0; t->family->peers[i]; i++)
        add_peer(t, t->family->peers[i], crc);
    return true;
}

// ---- rows ----

static bool add(const table *t, ft_bench_row *row, const char *what, double goal)
{
    row->what = ft_arena_format(t->bench->arena, "%s, %s", t->family->name, what);
    row->goal = goal;
    row->goal_text = ft_arena_format(t->bench->arena, "%s %g", row->at_least ? ">=" : "<=", goal);
    return row->what && row->goal_text ? ft_bench_add(t->bench, row, t->err)
                                       : ft_fail_nomem(t->err, PATH_BYTES);
}

// Whether `--only` takes the row, which is to be known before peers are asked: that takes seconds
// each.
static bool is_wanted(const table *t, const char *what)
{
    const char *name = ft_arena_format(t->bench->arena, "%s, %s", t->family->name, what);

    return !t->bench->only || (name && strstr(name, t->bench->only));
}

static bool measure_rates(table *t)
{
    ft_bench_row row = {
        .unit = "MB/s", .ratio = FT_BENCH_OURS_BY_PEER, .more_is_better = true, .at_least = true};

    if (!is_wanted(t, "not seen before") && !is_wanted(t, "seen before, against 0.23.3"))
        return true;
    if (!find_peers(t))
        return false;
    row.sides[0] = our_side(t, "ftpipe", t->cold_texts, FT_BENCH_CODING_COLD);
    memcpy(row.sides + 1, t->cold, t->peer_count * sizeof(*t->cold));
    if (!add(t, &row, "not seen before", t->family->cold))
        return false;
    row.sides[0] = our_side(t, "ftpipe", t->warm_texts, FT_BENCH_CODING_WARM);
    memcpy(row.sides + 1, t->warm, t->peer_count * sizeof(*t->warm));
    if (!add(t, &row, "seen before", t->family->warm))
        return false;
    if (t->family->old == 0 || t->peer_count == 0)
        return true;
    // The last one of each family is tokenizers 0.23.3.
    memset(row.sides + 1, 0, PEERS_MAX * sizeof(*row.sides));
    row.sides[1] = t->warm[t->peer_count - 1];
    return add(t, &row, "seen before, against 0.23.3", t->family->old);
}

// Against the ids alone, and against one thread.
static bool measure_more(const table *t)
{
    ft_bench_row row = {
        .unit = "MB/s", .ratio = FT_BENCH_PEER_BY_OURS, .more_is_better = true, .goal = 1.3};

    row.sides[0] = our_side(t, "offsets", t->warm_texts, FT_BENCH_CODING_OFFSETS);
    row.sides[1] = our_side(t, "ids", t->warm_texts, FT_BENCH_CODING_WARM);
    if (!add(t, &row, "ids and offsets: times as long", 1.3))
        return false;
    row.ratio = FT_BENCH_OURS_BY_PEER;
    row.at_least = true;
    row.sides[0] = our_side(t, "2 threads", t->warm_texts, FT_BENCH_CODING_THREADS);
    row.sides[1].name = "1 thread";
    return add(t, &row, "2 threads", 1.95);
}

// `ftpipe run` as a whole, from the file to the file, against the library in memory.
static bool measure_run(const table *t, const char *format, double goal)
{
    const char *file = ft_arena_format(t->bench->arena, "%s/run-%s.yaml", t->folder, format);
    const char *output = ft_arena_format(t->bench->arena, "%s/ids.%s", t->out, format);
    const char *pipeline =
        output ? ft_arena_format(
                     t->bench->arena,
                     "run: {threads: 1}\nstages:\n  - read: '%s'\n    fields: {text: string}\n"
                     "  - tokenize: %s\n    truncation: none\n    add_special: false\n"
                     "  - write: %s\n    fields: [tokens]\n",
                     t->many_texts, t->tokenizer ? t->tokenizer : "", output)
               : NULL;
    const char **argv = ft_arena_zero(t->bench->arena, 5, sizeof(char *));
    ft_bench_program *program = ft_arena_zero(t->bench->arena, 1, sizeof(*program));
    ft_bench_row row = {.unit = "s", .ratio = FT_BENCH_PEER_BY_OURS, .at_least = true};

    if (!file || !pipeline || !argv || !program)
        return ft_fail_nomem(t->err, PATH_BYTES);
    if (!ft_bench_write_file(file, pipeline, t->err))
        return false;
    argv[0] = t->bench->program;
    argv[1] = "run";
    argv[2] = "-q";
    argv[3] = file;
    program->argv = argv;
    program->folder = t->folder;
    program->output = output;
    row.sides[0] = our_side(t, "ftpipe run", t->warm_texts, FT_BENCH_CODING_SECONDS);
    row.sides[1] = row.sides[0];
    row.sides[1].name = "the library";
    row.sides[1].scale = COPIES;
    if (t->tokenizer) {
        row.sides[0].function = ft_bench_run_program;
        row.sides[0].host = program;
    }
    return add(t, &row,
               strcmp(format, "npy") == 0 ? "ftpipe run: JSONL to ids as .npy"
                                          : "ftpipe run: JSONL to ids as JSONL",
               goal);
}

static bool measure_family(table *t)
{
    t->tokenizer = find_tokenizer(t);
    return measure_rates(t) && measure_more(t) && measure_run(t, "npy", 0.8) &&
           measure_run(t, "jsonl", 0.5);
}

// ---- scratch ----

static bool make_scratch(table *t)
{
    snprintf(t->folder, sizeof(t->folder), "/tmp/ftpipe-bench-XXXXXX");
    snprintf(t->out, sizeof(t->out), "/dev/shm/ftpipe-bench-XXXXXX");
    if (!mkdtemp(t->folder))
        return ft_fail(t->err, FT_ERROR_IO, "cannot make a folder in /tmp");
    if (!mkdtemp(t->out))
        snprintf(t->out, sizeof(t->out), "%s", t->folder);
    return true;
}

static void remove_scratch(const table *t)
{
    ft_bench_remove_folder(t->folder);
    if (strcmp(t->out, t->folder) != 0)
        ft_bench_remove_folder(t->out);
}

bool ft_bench_tokenize(ft_bench *bench, const ft_bench_tokenize_options *options, ft_error *err)
{
    table t = {.bench = bench, .err = err, .peers = options->peers};

    t.script = ft_bench_find_peer(bench, "peer_tokenize.py");
    if (!make_scratch(&t))
        return false;
    bool ok = find_texts(&t, options->texts);
    for (size_t i = 0; ok && i < FT_COUNT_OF(families); i++) {
        t.family = &families[i];
        ok = measure_family(&t);
    }
    remove_scratch(&t);
    return ok;
}
