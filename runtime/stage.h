// The stage interface: all that a stage may know, and all that the engine knows of a stage.
//
//   options -> config   plan             load            open         process, process ... flush
//   close (from the table)    (types, fields)  (models, once)  (instance)   (one batch in, any out)
//   (what is held)
//
// `config` and what `load` made are read-only and shared by all instances on all threads; `state`
// belongs to one instance, and no two threads are ever in the same instance at once, so a stage
// needs no locks. A stage sees neither threads nor edges nor YAML: what it may ask for is in the
// functions below, which the engine provides in a run and the harness in a test.
// docs/writing-a-stage.md walks through one.
#pragma once

#include "runtime/data/batch.h"
#include "runtime/expr/expr.h"
#include "runtime/option.h"

enum { FT_STAGE_ABI = 1 };

typedef enum ft_stage_kind { FT_STAGE_SOURCE, FT_STAGE_TRANSFORM, FT_STAGE_SINK } ft_stage_kind;

typedef enum ft_concurrency {
    FT_CONCURRENCY_UNDECLARED,
    FT_CONCURRENCY_ANY,  // Any number of instances at once, batches in any order; the engine
                         // restores the order behind.
    FT_CONCURRENCY_ONE,  // One instance, which sees the batches in order (unless `order: any`).
} ft_concurrency;

// How long a turn takes that comes back. Stages that wait for the outside (`blocks`) have threads
// of their own instead.
typedef enum ft_pace {
    FT_PACE_SHORT,    // Milliseconds: left behind when it keeps others waiting for longer.
    FT_PACE_COMPUTE,  // Long and honest: has a budget of 10 s a turn.
} ft_pace;

typedef struct ft_stage ft_stage;
typedef struct ft_stage_plan ft_stage_plan;
typedef struct ft_stage_load ft_stage_load;

typedef struct ft_stage_def {
    uint32_t abi;         // FT_STAGE_ABI.
    const char *name;     // As the pipeline spells it; also the file's name.
    const char *summary;  // Completes "this stage will ..."; no full stop.
    const char *example;  // A few lines of YAML that `ftpipe stages NAME` shows; tested by `check`.
    ft_stage_kind kind;
    ft_concurrency concurrency;
    bool blocks;          // Waits for the outside: its turns run on threads of their own.
    bool absorbs;         // Keeps what it takes and gives a result of all of it later (gather).
    bool discards;        // A sink that keeps nothing: what it takes counts as dropped.
    int64_t batch_items;  // A costly transform: how many items make a good turn; sources above it
                          // make batches of at most so many. 0: no wish.
    const ft_option *options;  // Ends with FT_OPT_END.
    const char *const
        *ports;  // Named outputs beside the main one and `errors`; NULL-terminated, or NULL.
    const char *const *counters;  // Names for ft_count; NULL-terminated, or NULL.
    size_t config_size, state_size;
    ft_pace pace;
    // Runs behind this stage with the same config, on all cores: what a source cuts, it decodes.
    // May be NULL.
    const struct ft_stage_def *then;

    // Compile time, no data moves: which fields come in and go out, of which type. May change
    // `config` (paths resolved, column indices, compiled expressions; allocate from plan->arena).
    // Reads headers of models, never weights.
    bool (*plan)(ft_stage_plan *plan, void *config, ft_error *err);
    // Once, before any `open`: what all instances share. Models are found by content through
    // ft_load_share.
    bool (*load)(ft_stage_load *load, const void *config, void **out_shared, ft_error *err);
    // Per instance, on the thread that first runs it. `state` is zeroed.
    bool (*open)(ft_stage *self, ft_error *err);
    // A transform or sink: `*in` is lent; ft_take(in) keeps it or passes it on. Emits any number of
    // batches.
    bool (*process)(ft_stage *self, ft_batch **in, ft_error *err);
    // A source: emits one batch and returns, or sets `*out_done` when there is nothing more.
    bool (*produce)(ft_stage *self, bool *out_done, ft_error *err);
    // Everything has come: emit what is held.
    bool (*flush)(ft_stage *self, ft_error *err);
    // A sink: make durable (written, synced, renamed) what was written. After `flush`, only when
    // the run succeeded.
    bool (*commit)(ft_stage *self, ft_error *err);
    void (*close)(ft_stage *self);  // Also after a failed `open`, `process` or `commit`.
} ft_stage_def;

// ---- plan: compile time ----

// What the stages may know of the surroundings. Set by cli/.
typedef struct ft_environment {
    const char *model_store;      // Folder; models are <store>/<name>/. NULL: none.
    const char *tokenizer_store;  // Folder of compiled tokenizers. NULL: none.
    const char *pipeline_folder;  // Where the pipeline file is; "" for the working directory.
    uint64_t seed;
    bool deep;      // `check --deep`: also look whether outputs can be written.
    bool will_run;  // False in `check` and `graph`: do not refuse an output file that exists.
    bool (*can_pull)(const char *name);  // Does `ftpipe pull` know the model? NULL: it knows none.
    const char *weight_store;            // Folder of weights that were laid out. NULL: none.
} ft_environment;

struct ft_stage_plan {
    ft_arena *arena;  // Lives as long as the plan.
    const ft_environment *environment;
    const char *stage_name;  // For files and counters; messages get it from the engine.
    const ft_schema *input;  // Items that come in; empty for sources.
    const char *from, *to;   // The common options, NULL when not given.
    int64_t batch_items;     // `batch:`; 0 when not given.
    int64_t memory_bytes;    // `run.memory`: sources size their batches by it.
    // What the stage decides:
    ft_concurrency concurrency;  // Starts as the def's; lua's `parallel = "one"` lowers it.
    bool blocks;                 // Starts as the def's; a writer to a pipe raises it.
    int64_t batch_wish;          // Starts as the def's `batch_items`.
    ft_field *output_fields;     // Starts as a copy of the input's.
    size_t output_count, output_capacity;
    bool output_open;
    // Hears of fields that are read and do not come in; NULL but in tests, which make them up.
    void (*missing)(ft_stage_plan *plan, const char *name, ft_type want);
    void *missing_host;
    bool *reads;  // [input->count]
    bool shares;  // All instances must be in one process: they share what `load` makes and change
                  // it.
    bool reads_all;  // Needs every field there is, and @raw.
};

// The field `name` comes in and has a type that `want` accepts; marks it read. Fails with E0311 (no
// such field) or E0312 (other type), saying what comes in and, for tokens and embedding, which
// stage makes it. `option` is where the name was written, NULL when it is the stage's own default.
// A field of type any is accepted: check it when the item comes.
FT_API bool ft_plan_read(ft_stage_plan *plan, const char *option, const char *name, ft_type want,
                         size_t *out_index, ft_error *err) FT_MUST_CHECK;
// The stage gives `name`: a new field, or a new value for one there is. `out_index` is its column
// in the output.
FT_API bool ft_plan_add(ft_stage_plan *plan, const char *name, ft_type type, size_t *out_index,
                        ft_error *err) FT_MUST_CHECK;
// Nothing of the input goes on (gather, generate): starts the output schema afresh.
FT_API void ft_plan_clear(ft_stage_plan *plan);
// Reads all fields, as a writer without `fields:` does.
FT_API void ft_plan_read_all(ft_stage_plan *plan);
// Compiles an expression that stands in `option` against the input, and marks what it reads.
FT_API bool ft_plan_expr(ft_stage_plan *plan, const char *option, const char *text, ft_expr_use use,
                         const ft_expr **out, ft_error *err) FT_MUST_CHECK;

// ---- load: once a run ----

struct ft_stage_load {
    ft_arena *arena;  // Immortal: lives to the end of the run, read-only once loading is over.
    const ft_environment *environment;
    void *registry;  // What ft_load_share has made so far: starts NULL, kept from one stage's load
                     // to the next.
    ft_account *account;  // Of the run; NULL in tests. For what grows while it lives: models are
                          // not charged.
    int threads;          // How many instances there may be at once.
    bool is_contained;  // In a process that has some of the instances only: nothing is shared with
                        // the others.
};

// The object for `key` (a kind and a path: "tokenizer /models/x"), made by `create` the first time
// it is asked for, so that all stages that name one model share one copy.
FT_API bool ft_load_share(ft_stage_load *load, const char *key,
                          bool (*create)(ft_stage_load *load, const void *host, void **out,
                                         ft_error *err),
                          const void *host, void **out, ft_error *err) FT_MUST_CHECK;

// ---- run ----

typedef struct ft_stage_host {
    bool (*emit)(ft_stage *self, size_t port, ft_batch *batch, ft_error *err);
    bool (*item_fail)(ft_stage *self, const ft_batch *batch, size_t item, const ft_error *why,
                      ft_error *err);
    void (*enough)(ft_stage *self);
    bool (*cancelled)(const ft_stage *self);
    bool (*start)(ft_stage *self, ft_lineage *lineage, ft_error *err);
    bool (*port_is_read)(const ft_stage *self,
                         size_t port);               // May be NULL: then every port may be.
    void (*progress)(ft_stage *self, double share);  // May be NULL.
    void (*wait_readable)(ft_stage *self, int fd);   // May be NULL.
} ft_stage_host;

struct ft_stage {
    const ft_stage_def *def;
    const char *name;
    const void *config;
    void *state;
    const void *shared;   // From `load`.
    ft_account *account;  // What this stage allocates for items is charged here.
    const ft_schema *input, *output;
    const bool *live;  // [output->count]: read by something downstream; others need not be made.
    size_t input_width, output_width;  // Columns of batches: input->count, output->count.
    int instance;                      // Number of this instance, from 0.
    int threads;                       // Of the run.
    int64_t batch_items;               // `batch:`; 0 when not given.
    uint64_t seed;
    uint64_t *counters;  // One for each name in def->counters; this instance's own.
    const ft_stage_host *host;
    void *host_data;
};

// Sends a batch on; takes it whether or not it succeeds. False (CANCELLED) when the run is being
// stopped: return false.
static inline bool ft_emit(ft_stage *self, ft_batch *batch, ft_error *err)
{
    return self->host->emit(self, 0, batch, err);
}
// Port 1 is def->ports[0].
static inline bool ft_emit_port(ft_stage *self, size_t port, ft_batch *batch, ft_error *err)
{
    return self->host->emit(self, port, batch, err);
}
// Whether somebody reads port `port`; what nobody reads need not be made.
static inline bool ft_port_is_read(const ft_stage *self, size_t port)
{
    return !self->host->port_is_read || self->host->port_is_read(self, port);
}
// Item `item` of `batch` could not be done: by `on_error` it goes to `.errors`, is skipped, or
// stops the run (then this returns false: return false at once). The stage leaves the item out of
// what it emits.
static inline bool ft_item_fail(ft_stage *self, const ft_batch *batch, size_t item,
                                const ft_error *why, ft_error *err)
{
    return self->host->item_fail(self, batch, item, why, err);
}
// A source: gives a new lineage (count and positions filled) its source and sequence number, before
// the first batch of it is emitted. One lineage, one emitted batch.
static inline bool ft_source_start(ft_stage *self, ft_lineage *lineage, ft_error *err)
{
    return self->host->start(self, lineage, err);
}
// A source: how much of its input it has read, 0 to 1, for those who wait. A source that cannot
// know says nothing.
static inline void ft_source_progress(ft_stage *self, double share)
{
    if (self->host->progress)
        self->host->progress(self, share);
}
// A source that blocks: waits, without waking up meanwhile, until `fd` can be read (or has ended,
// or failed: the read tells) or the source is to stop, which ft_is_cancelled tells.
static inline void ft_source_wait(ft_stage *self, int fd)
{
    if (self->host->wait_readable)
        self->host->wait_readable(self, fd);
}
// Nothing more is wanted: upstream may stop (limit).
static inline void ft_enough(ft_stage *self)
{
    self->host->enough(self);
}
// A long-running stage asks now and then, and returns false with FT_ERROR_CANCELLED.
static inline bool ft_is_cancelled(const ft_stage *self)
{
    return self->host->cancelled(self);
}
static inline void ft_count(ft_stage *self, size_t counter, uint64_t by)
{
    self->counters[counter] += by;
}
