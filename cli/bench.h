// Measuring side by side: what `ftpipe bench` and its rows are made of.
//
// A figure from another hour or machine is no comparison, so the sides of a duel take turns, A B C
// A B C, and what counts is the median of their ratios, round by round. Every repetition runs in a
// process of its own (forked before any thread exists, or another program), so that no side finds
// warm pools, running threads or memory that the one before it left.
#pragma once

#include "runtime/error.h"
#include "runtime/memory/arena.h"

enum { FT_BENCH_SIDES_MAX = 6, FT_BENCH_REPEAT = 7 };

typedef struct ft_bench ft_bench;

// One repetition of one side: the figure it came to. Runs in a child process.
typedef bool (*ft_bench_function)(const void *host, double *out, ft_error *err);

typedef struct ft_bench_side {
    const char *name;            // "ftpipe", "oneTBB parallel_pipeline".
    ft_bench_function function;  // NULL: `argv`.
    const void *host;
    const char *const *argv;  // A program that prints {"KEY": number} lines; the last one counts.
    const char *key;
    double scale;  // Its number times this is the figure; 0: 1.
    int cpus;      // Tied to so many CPUs, the last ones; 0: not tied.
    int copies;    // So many processes at once, each tied to a CPU of its own: the figure is the
                   // longest of them. 0: one.
    bool is_optional;     // A peer: skipped, with the cause, where it is not installed.
    const char *missing;  // Why it has neither function nor program; NULL: "not installed".
} ft_bench_side;

typedef enum ft_bench_ratio {
    FT_BENCH_OURS_BY_PEER,  // ours / best peer's
    FT_BENCH_PEER_BY_OURS,  // best peer's / ours: how many times less ours is
    FT_BENCH_FIGURE,        // ours alone
} ft_bench_ratio;

typedef struct ft_bench_row {
    const char *what;
    const char *unit;  // Of the figures.
    ft_bench_ratio ratio;
    bool more_is_better;  // Of the figures: decides which peer is the best.
    bool at_least;        // The goal is a least value; else a most.
    double goal;
    const char *goal_text;                    // "<= 1/8".
    ft_bench_side sides[FT_BENCH_SIDES_MAX];  // The first is ours; ends with a NULL name.
} ft_bench_row;

// What came of it. Texts live in the bench's arena.
typedef struct ft_bench_result {
    const ft_bench_row *row;
    bool is_measured;
    const char *peer;     // The best one; NULL without.
    double ours, theirs;  // Medians.
    double ratio, least, most;
    bool is_met;
    const char *others;  // Medians of the peers that are not the best; NULL without.
    const char *note;    // Why it was not measured, or which peers were skipped.
} ft_bench_result;

struct ft_bench {
    ft_arena *arena;
    int repeat;
    bool is_json;
    const char *only;     // Rows with this in their name; NULL: all.
    const char *program;  // Of this process, to be run again.
    ft_bench_result *results;
    size_t count, capacity;
};

// Measures a row and keeps (with `is_json`: prints) its result. False only without memory: a side
// that fails is said in the result. Rows that `only` leaves out are passed over.
bool ft_bench_measure(ft_bench *bench, const ft_bench_row *row, ft_error *err) FT_MUST_CHECK;
// The table of all results.
void ft_bench_print(const ft_bench *bench);
// The path of a peer's program: beside this program in `peers/`, else in bin/ of FTPIPE_PEERS
// (~/.cache/ftpipe-peers). NULL where there is none.
const char *ft_bench_find_peer(const ft_bench *bench, const char *name);
// One repetition of a side.
bool ft_bench_run_once(const ft_bench_side *side, double *out, ft_error *err) FT_MUST_CHECK;
// What a program prints, NUL-terminated; it must end with status 0.
bool ft_bench_ask(const char *const *argv, char *out, size_t room, ft_error *err) FT_MUST_CHECK;
double ft_bench_median(double *values, size_t count);  // Sorts them.
int ft_bench_cpu_count(void);
