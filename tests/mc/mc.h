// ftmc: a stateless model checker for code that uses runtime/concurrent/atomic.h. What it checks is
// the real source, compiled with FT_MODEL; this header is what a target (tests/mc/targets) sees.
//
// MEMORY MODEL. An execution is a graph: program order, which store each load reads (rf), and for
// each location the order of its stores (mo). ftmc builds exactly those graphs that C11 as repaired
// by RC11 (Lahav et al., PLDI 2017) and C++20 (P0668) allows, event by event:
//   load         may read any store that coherence leaves: not one that is hidden by a later store
//                that happens before the load, or that was read by a load that happens before it
//   store        may come anywhere in mo behind what happens before it, not only last (2+2W)
//   RMW          reads a store and comes directly behind it in mo, so no two read the same one
//   release      a store's clock; taken over by an acquire that reads it or an RMW chain behind it.
//                (The C++20 release sequence: a later plain store of the same thread is not in it.
//                C11's was longer; what holds here holds there.)
//   seq_cst      acquire and release, and: a choice is refused if with it there is no total order S
//                of the seq_cst operations that agrees with "strongly happens before" and, location
//                by location, with coherence. That is the definition, not a stronger stand-in.
//   failed CAS   is a load with the order that is given for failure
// Limits, on purpose:
//   LB   rf and program order together have no cycle: a load never reads a store of its own future.
//        RC11 forbids that load buffering; C11's text does not, and an ARM or POWER core may move a
//        relaxed store before an earlier independent relaxed load. So ftmc is sound for RC11; what
//        is wrong under C11 only because of such a move, it does not find.
//   weak CAS  does not fail without a cause. Every use is a loop that has no effect when it fails.
//   fences    there are none in the code base.
//
// SEARCH. Depth first over who steps next and which choice it gets; dynamic partial order reduction
// with sleep sets (Flanagan, Godefroid 2005; Abdulla et al. 2014) over the graph: two steps commute
// unless one reads what the other writes, since a load that comes later may still read the older
// store, and a store that comes later may still be put before the other one in mo.
//
// FINDINGS. A failed mc_check or FT_ASSERT, a deadlock, an endless wait, use after free, double
// free, a leak, a data race on any plain access (all of the target's code is compiled with
// -fsanitize=thread, but linked with ftmc's own __tsan_* functions; so nothing has to be
// annotated), a lock misused, a bound passed.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MC_THREADS = 5 };  // Beside the first thread, which runs setup and finish.

typedef struct mc_target {
    const char *name;
    const char *what;         // One line: who does what.
    int threads;              // run(1) to run(threads), at once.
    void (*setup)(void);      // Before: alone.
    void (*run)(int thread);  // thread: 1 ...
    void (*finish)(void);     // Afterwards: alone; checks what is left, frees everything.
    // Exactly these mc_outcome texts, sorted; "*": what the search without reduction finds; NULL:
    // not looked at.
    const char *outcomes;
    bool is_long;        // With --long only.
    bool is_huge;        // With --only alone: it takes more than an hour.
    uint32_t max_steps;  // In one execution; 0: 5000.
    int argument;        // mc_argument().
    // The threads from this one on are alike (0: none are): run() does the same for all of them,
    // and nothing tells them apart. So they begin in their order; any other is one of these with
    // other names.
    int alike;
} mc_target;

extern const mc_target mc_targets[];  // The last one has no name.

// The execution has failed.
#define mc_check(condition) \
    ((condition) ? (void)0 : mc_fail("%s:%d: check failed: %s", __FILE__, __LINE__, #condition))
__attribute__((noreturn, format(printf, 1, 2))) void mc_fail(const char *format, ...);
// The outcome of this execution, among those of all.
__attribute__((format(printf, 1, 2))) void mc_outcome(const char *format, ...);
int mc_argument(void);
// A value that the environment chooses: all of 0 to count - 1 are tried.
unsigned mc_choose(unsigned count);
// In setup and finish: runs `body` as that thread (its thread-local variables, its lease).
void mc_as(int thread, void (*body)(void));
// In setup: an atomic that nothing depends on (a statistic): its operations are no steps.
void mc_statistic(const void *at, size_t size);
// Blocks that were allocated and not freed.
int mc_live_blocks(void);
// In setup: each call of ft_clock_ns gives 1, or that much more: a choice.
void mc_let_clock_jump(int64_t ns);
// In setup: each call of a thread's own gives that much more than its last one.
void mc_let_clock_run(int64_t ns);

// ---- histories ----

// What threads did, for mc_is_linearizable: call begin before and end after each operation.
enum { MC_HISTORY_OPS = 16, MC_HISTORY_STATE = 128 };
typedef struct mc_operation {
    int kind;
    int64_t argument, result;
    int thread;
    bool done;
    uint32_t begin[MC_THREADS + 1];  // What happened before it.
    uint32_t end;                    // Its own thread's clock.
} mc_operation;
mc_operation *mc_begin(int kind, int64_t argument);
void mc_end(mc_operation *operation, int64_t result);
// True if the operations, each at one instant, in some order that agrees with happens-before, are
// what `apply` says: it changes `state` (first all zero) and returns whether it could have had that
// result.
bool mc_is_linearizable(bool (*apply)(void *state, const mc_operation *operation));
