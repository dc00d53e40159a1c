// Runs a checked plan: makes the graph, the workers and the account, runs until the sources end, a
// stage fails, or it is cancelled, and reports what became of every item.
#pragma once

#include <stdio.h>

#include "engine/plan.h"

typedef struct ft_run ft_run;

enum { FT_RUN_THREADS_MAX = 1024 };

// Testing modes that must not change any result (style.md 6.2).
enum {
    FT_STRESS_ONE_ITEM = 1,     // Every batch of a source holds one item.
    FT_STRESS_SHARED = 2,       // Every batch is shared when a stage gets it.
    FT_STRESS_ONE_BATCH = 4,    // One batch in flight.
    FT_STRESS_LONG_TRAINS = 8,  // Every turn of a source makes as many batches as it may.
};

// Of one stage, for progress and summary; hidden nodes are added to their owner.
typedef struct ft_stage_stats {
    const char *name;
    const ft_stage_def *def;
    uint64_t items_in, items_out, items_dropped, items_failed,
        items_made;  // in + made = out + dropped + failed
    uint64_t batches;
    uint64_t runaways;        // Turns that did not come back in time and were left behind.
    int64_t busy_ns;          // Thread time inside the stage, all instances.
    int64_t waiting_batches;  // Ready, and nobody works on them yet.
    int64_t running;          // Instances at work now.
    int64_t instances;        // At most at once.
    int64_t opened;           // Instances there are.
    int64_t kept_bytes;       // What they keep, while ft_alloc_measure is on.
    uint64_t *counters;       // [of def->counters], NULL without.
} ft_stage_stats;

// Of one worker and its lease, when the run is over.
typedef struct ft_worker_stats {
    int64_t kept_bytes;  // By its own instances of stages that have one for each worker, while
                         // ft_alloc_measure is on.
    int64_t pool_bytes;  // Free blocks of its lease.
    const ft_stage_stats *largest;  // Of these stages the one that keeps most; NULL: it has none.
    int64_t largest_bytes;
} ft_worker_stats;

typedef struct ft_run_stats {
    int64_t elapsed_ns;
    uint64_t items_read, items_written, items_dropped,
        items_failed;           // Source items; read = the other three at the end.
    uint64_t items_unfinished;  // Left behind by a run that failed or was stopped at once; else 0.
    uint64_t items_in_flight;
    int64_t memory_used_bytes, memory_peak_bytes, memory_limit_bytes;
    int threads;
    double source_share;  // 0..1 of the input that was read, -1 when not known.
    size_t stage_count;
    ft_stage_stats *stages;  // In the plan's order, without hidden ones.
    size_t worker_count;     // 0 before the end.
    ft_worker_stats *workers;
} ft_run_stats;

typedef struct ft_run_settings {
    unsigned stress;      // FT_STRESS_ flags.
    int64_t limit_items;  // --limit: each source stops after so many; 0: none.
    // One failed item that was skipped, routed or stops the run; any thread, one at a time. `text`:
    // the item's first 200 bytes.
    void (*on_item_error)(void *host, const ft_plan_node *node, const char *place, ft_slice text,
                          const ft_error *why);
    void *host;
    bool global_lock;   // One lock around all stages, to compare with.
    int64_t processes;  // Parallel transforms run in so many child processes; 0: in this one.
    int64_t grace_ms;   // How long a turn that does not come back is waited for when all else is
                        // done; 0: 30 s, and 2 s after a second Ctrl-C.
    uint64_t chaos;     // For tests: turns yield and are left behind by chance, with this seed.
    FILE *trace;        // Chrome trace JSON, or NULL.
    bool ends_program;  // The program ends with it. Else what it used goes back to the system when
                        // it is destroyed, which takes some 0.2 ms.
} ft_run_settings;

// Loads models, opens nothing yet. `*out_node` (may be NULL) says which stage failed.
ft_run *ft_run_create(const ft_plan *plan, const ft_run_settings *settings,
                      const ft_plan_node **out_node, ft_error *err) FT_MUST_CHECK;
// Runs to the end on threads of its own and commits the sinks. Blocks. False: failed or cancelled;
// the stats are right all the same.
bool ft_run_wait(ft_run *run, const ft_plan_node **out_node, ft_error *err) FT_MUST_CHECK;
// Stops the sources and lets what is in flight finish ("drain"); a second call stops at once. Safe
// in a signal handler and from any thread.
void ft_run_cancel(ft_run *run);
// A snapshot; any thread, at any time between create and destroy. The caller frees nothing: `stats`
// is filled in place, its arrays belong to the run. One thread at a time.
void ft_run_get_stats(ft_run *run, ft_run_stats *out);
// Does nothing when a thread is still inside a stage that did not come back (ft_run_is_abandoned):
// run, plan and models are the thread's as long as it lives, so the program ends by _exit.
void ft_run_destroy(ft_run *run);
bool ft_run_is_abandoned(const ft_run *run);
