// The harness: children, rounds, medians.
#define _GNU_SOURCE  // sched_setaffinity, pipe2
#include "cli/bench.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/surroundings.h"
#include "cli/terminal.h"
#include "runtime/data/json.h"
#include "runtime/memory/alloc.h"

enum { OUTPUT_BYTES = 64 * 1024, PATH_BYTES = 1024, COPIES_MAX = 64 };

typedef struct {
    bool ok;
    double value;
    ft_error err;
} answer;

typedef struct {
    pid_t pid;
    int from;  // The end of the pipe that its answer comes out of.
} child;

// ---- CPUs ----

int ft_bench_cpu_count(void)
{
    cpu_set_t set;

    return sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
}

// The allowed CPU with number `index` among the allowed ones.
static int nth_cpu(int index)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof(set), &set) != 0)
        return -1;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET((size_t)cpu, &set) && index-- == 0)
            return cpu;
    return -1;
}

static void tie_to_cpu(int cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    sched_setaffinity(0, sizeof(set), &set);
}

static void tie_to_last(int cpus)
{
    cpu_set_t set;
    int count = ft_bench_cpu_count();

    CPU_ZERO(&set);
    for (int i = count > cpus ? count - cpus : 0; i < count; i++)
        CPU_SET((size_t)nth_cpu(i), &set);
    sched_setaffinity(0, sizeof(set), &set);
}

// ---- children ----

// The number behind `key` in the last line that has it.
static bool find_number(const char *text, const char *key, double *out)
{
    char wanted[64];
    bool found = false;

    snprintf(wanted, sizeof(wanted), "\"%s\":", key);
    for (const char *at = text; (at = strstr(at, wanted));) {
        at += strlen(wanted);
        at += strspn(at, " ");
        found = ft_parse_float((ft_slice){at, strspn(at, "+-.eE0123456789")}, out) || found;
    }
    return found;
}

static size_t read_all(int fd, char *out, size_t room)
{
    size_t size = 0;

    while (size < room) {
        ssize_t got = read(fd, out + size, room - size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        size += (size_t)got;
    }
    return size;
}

// In the child: becomes a peer's program. Never returns.
FT_NORETURN static void become(const ft_bench_side *side, int to)
{
    union {
        const char *const *given;
        char *const *wanted;  // execvp's signature lacks a const that its contract has.
    } argv = {side->argv};
    int nowhere = open("/dev/null", O_RDWR);

    dup2(nowhere, STDIN_FILENO);
    dup2(nowhere, STDERR_FILENO);
    dup2(to, STDOUT_FILENO);
    execvp(argv.wanted[0], argv.wanted);
    _exit(127);
}

static bool start(const ft_bench_side *side, int cpu, child *out, ft_error *err)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) != 0)
        return ft_fail_errno(err, errno, "cannot make a pipe");
    fflush(stdout);
    fflush(stderr);
    pid_t pid = fork();
    if (pid < 0) {
        int saved = errno;
        close(ends[0]);
        close(ends[1]);
        return ft_fail_errno(err, saved, "cannot start a process");
    }
    if (pid == 0) {
        close(ends[0]);
        if (cpu >= 0)
            tie_to_cpu(cpu);
        else if (side->cpus > 0)
            tie_to_last(side->cpus);
        if (side->argv)
            become(side, ends[1]);
        answer a = {.err = FT_ERROR_INIT};
        a.ok = side->function(side->host, &a.value, &a.err);
        ssize_t written = write(ends[1], &a, sizeof(a));
        _exit(written == (ssize_t)sizeof(a) ? 0 : 1);
    }
    close(ends[1]);
    *out = (child){pid, ends[0]};
    return true;
}

static bool take_output(const ft_bench_side *side, const char *text, int status, double *out,
                        ft_error *err)
{
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return ft_fail(err, FT_ERROR_IO, "`%s` ended with status %d", side->argv[0],
                       WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    if (!find_number(text, side->key, out))
        return ft_fail(err, FT_ERROR_DATA, "`%s` printed no \"%s\"", side->argv[0], side->key);
    return true;
}

// All that it prints, and how it ends.
static bool collect(const child *c, char *out, size_t room, size_t *out_size, int *out_status,
                    ft_error *err)
{
    *out_size = read_all(c->from, out, room - 1);
    out[*out_size] = 0;
    close(c->from);
    while (waitpid(c->pid, out_status, 0) < 0)
        if (errno != EINTR)
            return ft_fail_errno(err, errno, "cannot wait for a process");
    return true;
}

static bool finish(const ft_bench_side *side, const child *c, double *out, ft_error *err)
{
    static char text[OUTPUT_BYTES];
    int status = 0;
    size_t size;

    if (!collect(c, text, sizeof(text), &size, &status, err))
        return false;
    if (side->argv)
        return take_output(side, text, status, out, err);
    answer a;
    if (size != sizeof(a))
        return ft_fail(err, FT_ERROR_IO, "the measurement ended by signal %d",
                       WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    memcpy(&a, text, sizeof(a));
    *out = a.value;
    if (!a.ok)
        *err = a.err;
    return a.ok;
}

bool ft_bench_run_once(const ft_bench_side *side, double *out, ft_error *err)
{
    child children[COPIES_MAX];
    int copies = side->copies > 1 ? side->copies : 1, started = 0;
    bool ok = true;

    while (ok && started < copies && started < COPIES_MAX) {
        ok = start(side, side->copies > 0 ? nth_cpu(started) : -1, &children[started], err);
        started += ok;
    }
    *out = 0;
    for (int i = 0; i < started; i++) {
        double value = 0;
        ft_error own = FT_ERROR_INIT;
        if (!finish(side, &children[i], &value, &own)) {
            if (ok)
                *err = own;
            ok = false;
        }
        if (value > *out)
            *out = value;
    }
    if (side->scale != 0)
        *out *= side->scale;
    return ok;
}

bool ft_bench_ask(const char *const *argv, char *out, size_t room, ft_error *err)
{
    const ft_bench_side side = {.argv = argv};
    child c;
    size_t size;
    int status = 0;

    if (!start(&side, -1, &c, err) || !collect(&c, out, room, &size, &status, err))
        return false;
    return status == 0 || ft_fail(err, FT_ERROR_IO, "`%s` failed", argv[0]);
}

// ---- rounds ----

typedef struct {
    const ft_bench_row *row;
    size_t sides;
    bool skipped[FT_BENCH_SIDES_MAX];
    double *values[FT_BENCH_SIDES_MAX];  // [repeat]
    int rounds;
} duel;

static void add_note(ft_bench *bench, ft_bench_result *result, const char *name,
                     const char *message)
{
    const char *note = ft_arena_format(bench->arena, "%s%s%s: %s", result->note ? result->note : "",
                                       result->note ? "; " : "", name, message);
    if (note)
        result->note = note;
}

// One round of all sides; the warm-up's figures are thrown away. False when ours failed.
static bool run_round(ft_bench *bench, duel *d, int round, ft_bench_result *result)
{
    for (size_t i = 0; i < d->sides; i++) {
        const ft_bench_side *side = &d->row->sides[i];
        ft_error err = FT_ERROR_INIT;
        double value = 0;
        if (d->skipped[i])
            continue;
        if (!ft_bench_run_once(side, &value, &err)) {
            add_note(bench, result, side->name, err.message);
            d->skipped[i] = true;
            if (i == 0 || !side->is_optional)
                return false;
        }
        if (round >= 0)
            d->values[i][round] = value;
    }
    return true;
}

static double median_of(ft_bench *bench, const duel *d, size_t side)
{
    double *copy = ft_arena_zero(bench->arena, (size_t)d->rounds, sizeof(double));

    if (!copy)
        return 0;
    memcpy(copy, d->values[side], (size_t)d->rounds * sizeof(double));
    return ft_bench_median(copy, (size_t)d->rounds);
}

// The peer with the best median; 0: there is none.
static size_t best_peer(ft_bench *bench, const duel *d)
{
    size_t best = 0;
    double best_median = 0;

    for (size_t i = 1; i < d->sides; i++) {
        if (d->skipped[i])
            continue;
        double median = median_of(bench, d, i);
        if (!best || (d->row->more_is_better ? median > best_median : median < best_median)) {
            best = i;
            best_median = median;
        }
    }
    return best;
}

static double ratio_of(const ft_bench_row *row, double ours, double theirs)
{
    if (row->ratio == FT_BENCH_FIGURE)
        return ours;
    double above = row->ratio == FT_BENCH_OURS_BY_PEER ? ours : theirs;
    double below = row->ratio == FT_BENCH_OURS_BY_PEER ? theirs : ours;
    return below != 0 ? above / below : 0;
}

// "tokenizers 1.0.0rc3 29.3, sentencepiece 0.2.3 26.1"
static const char *list_others(ft_bench *bench, const duel *d, size_t best)
{
    const char *list = NULL;

    for (size_t i = 1; i < d->sides; i++)
        if (!d->skipped[i] && i != best)
            list = ft_arena_format(bench->arena, "%s%s%s %.3g", list ? list : "", list ? ", " : "",
                                   d->row->sides[i].name, median_of(bench, d, i));
    return list;
}

static void conclude(ft_bench *bench, const duel *d, ft_bench_result *result)
{
    const ft_bench_row *row = d->row;
    size_t peer = best_peer(bench, d);
    double *ratios = ft_arena_zero(bench->arena, (size_t)d->rounds, sizeof(double));

    if (!ratios || (row->ratio != FT_BENCH_FIGURE && !peer))
        return;
    for (int i = 0; i < d->rounds; i++)
        ratios[i] = ratio_of(row, d->values[0][i], peer ? d->values[peer][i] : 0);
    result->ratio = ft_bench_median(ratios, (size_t)d->rounds);
    result->least = ratios[0];
    result->most = ratios[d->rounds - 1];
    result->ours = median_of(bench, d, 0);
    result->theirs = peer ? median_of(bench, d, peer) : 0;
    result->peer = peer ? row->sides[peer].name : NULL;
    result->others = list_others(bench, d, peer);
    result->is_measured = true;
    result->is_met = row->at_least ? result->ratio >= row->goal : result->ratio <= row->goal;
}

static ft_bench_result *add_result(ft_bench *bench, const ft_bench_row *row)
{
    if (bench->count == bench->capacity) {
        size_t capacity = bench->capacity ? 2 * bench->capacity : 32;
        ft_bench_result *grown = ft_arena_zero(bench->arena, capacity, sizeof(*grown));
        if (!grown)
            return NULL;
        if (bench->count > 0)
            memcpy(grown, bench->results, bench->count * sizeof(*grown));
        bench->results = grown;
        bench->capacity = capacity;
    }
    ft_bench_result *result = &bench->results[bench->count++];
    *result = (ft_bench_result){.row = row};
    return result;
}

static void print_json(const ft_bench_result *result);

bool ft_bench_measure(ft_bench *bench, const ft_bench_row *row, ft_error *err)
{
    if (bench->only && !strstr(row->what, bench->only))
        return true;
    duel d = {.row = row, .rounds = bench->repeat};
    ft_bench_result *result = add_result(bench, row);
    bool ok = result != NULL;

    while (d.sides < FT_BENCH_SIDES_MAX && row->sides[d.sides].name)
        d.sides++;
    for (size_t i = 0; ok && i < d.sides; i++) {
        const ft_bench_side *side = &row->sides[i];
        d.values[i] = ft_arena_zero(bench->arena, (size_t)bench->repeat, sizeof(double));
        ok = d.values[i] != NULL;
        if (side->function || side->argv)
            continue;
        d.skipped[i] = true;
        add_note(bench, result, side->name, side->missing ? side->missing : "not installed");
    }
    if (!ok)
        return ft_fail_nomem(err, sizeof(*result));
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[Kmeasuring: %s", row->what);
    for (int round = -1; ok && round < bench->repeat; round++)
        ok = run_round(bench, &d, round, result);
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K");
    if (ok)
        conclude(bench, &d, result);
    if (bench->is_json)
        print_json(result);
    return true;
}

// ---- results ----

static void print_json(const ft_bench_result *result)
{
    const ft_bench_row *row = result->row;
    ft_text out;

    ft_text_init(&out, OUTPUT_BYTES);
    ft_text_append_string(&out, "{\"what\":");
    ft_json_put_string(&out, ft_slice_of(row->what));
    ft_text_append_string(&out, ",\"goal\":");
    ft_json_put_string(&out, ft_slice_of(row->goal_text));
    if (result->is_measured) {
        ft_text_format(&out, ",\"ratio\":%.6g,\"min\":%.6g,\"max\":%.6g,\"met\":%s,\"ours\":%.6g",
                       result->ratio, result->least, result->most,
                       result->is_met ? "true" : "false", result->ours);
        if (result->peer) {
            ft_text_format(&out, ",\"theirs\":%.6g,\"peer\":", result->theirs);
            ft_json_put_string(&out, ft_slice_of(result->peer));
        }
        if (result->others) {
            ft_text_append_string(&out, ",\"others\":");
            ft_json_put_string(&out, ft_slice_of(result->others));
        }
        ft_text_append_string(&out, ",\"unit\":");
        ft_json_put_string(&out, ft_slice_of(row->unit));
    }
    if (result->note) {
        ft_text_append_string(&out, ",\"note\":");
        ft_json_put_string(&out, ft_slice_of(result->note));
    }
    ft_text_append_string(&out, "}\n");
    if (!out.failed)
        fwrite(out.data, 1, out.size, stdout);
    fflush(stdout);
    ft_text_finish(&out);
}

static void print_figure(double value, const char *unit, char *out, size_t room)
{
    snprintf(out, room, "%.*f %s", value < 10 ? 2 : value < 1000 ? 1 : 0, value, unit);
}

void ft_bench_print(const ft_bench *bench)
{
    size_t widest = 0;
    char ours[48], theirs[48];

    for (size_t i = 0; i < bench->count; i++)
        if (ft_utf8_count(ft_slice_of(bench->results[i].row->what)) > widest)
            widest = ft_utf8_count(ft_slice_of(bench->results[i].row->what));
    for (size_t i = 0; i < bench->count; i++) {
        const ft_bench_result *r = &bench->results[i];
        size_t width = ft_utf8_count(ft_slice_of(r->row->what));
        printf("%s%*s  ", r->row->what, (int)(widest - width), "");
        if (!r->is_measured) {
            printf("not measured: %s\n", r->note ? r->note : "no peer");
            continue;
        }
        print_figure(r->ours, r->row->unit, ours, sizeof(ours));
        print_figure(r->theirs, r->row->unit, theirs, sizeof(theirs));
        printf("%-4s %8.3f (%.3f-%.3f)  goal %-8s %s", r->is_met ? "ok" : "MISS", r->ratio,
               r->least, r->most, r->row->goal_text, ours);
        if (r->peer)
            printf(", %s %s%s%s", r->peer, theirs, r->others ? ", " : "",
                   r->others ? r->others : "");
        printf("%s%s%s\n", r->note ? " (" : "", r->note ? r->note : "", r->note ? ")" : "");
    }
}

// ---- peers ----

const char *ft_bench_find_peer(const ft_bench *bench, const char *name)
{
    const char *slash = strrchr(bench->program, '/');
    const char *peers = ft_surroundings_peers(bench->arena);
    const char *path = NULL;

    if (slash)
        path = ft_arena_format(bench->arena, "%.*s/peers/%s", (int)(slash - bench->program),
                               bench->program, name);
    if (path && access(path, X_OK) == 0)
        return path;
    path = peers ? ft_arena_format(bench->arena, "%s/bin/%s", peers, name) : NULL;
    return path && access(path, X_OK) == 0 ? path : NULL;
}
