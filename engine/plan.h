// The plan: what a pipeline file says, checked, read-only while it runs. dsl/ (or a test) builds it
// stage by stage; ft_plan_check types every edge; engine/run.h runs it. Everything lives in the
// plan's arena.
#pragma once

#include "runtime/stage.h"

typedef struct ft_plan ft_plan;

typedef enum ft_on_error {
    FT_ON_ERROR_DEFAULT,  // To `.errors` if that is read, else the run stops.
    FT_ON_ERROR_STOP,
    FT_ON_ERROR_SKIP,
} ft_on_error;

// What becomes of a turn that does not come back.
typedef enum ft_on_runaway {
    FT_ON_RUNAWAY_LEAVE,    // It keeps its place in the order; the rest goes on.
    FT_ON_RUNAWAY_FAIL,     // Its items have failed; its place is closed.
    FT_ON_RUNAWAY_PROCESS,  // It runs in a child, which is ended.
} ft_on_runaway;

enum { FT_PORT_MAIN = 0, FT_PORT_ERRORS = 1000 };  // 1, 2 ...: def->ports[0], [1] ...

typedef struct ft_plan_input {
    uint32_t node;  // Index of the stage it comes from.
    uint32_t port;
} ft_plan_input;

// One stage of the plan. Filled by the builder up to the mark, by ft_plan_check behind it.
typedef struct ft_plan_node {
    const ft_stage_def *def;
    const char *name;       // Unique.
    void *config;           // def->config_size bytes; options set, defaults applied.
    ft_plan_input *inputs;  // [input_count]; more than one: a merge, in this order.
    size_t input_count;
    const char *when_text;  // `when:`, or NULL.
    const char *from, *to;  // NULL when not given.
    int64_t workers;        // 0: auto.
    int64_t batch_items;    // 0: auto.
    ft_on_error on_error;
    ft_pace pace;       // `class:`; the def's where it is not given.
    int64_t budget_ms;  // `budget:`; the longest that a turn may take, 0: by its pace.
    ft_on_runaway on_runaway;
    bool isolate;         // `isolate: process`: it runs in a child.
    bool order_any;       // `order: any` here or in `run`.
    const char *library;  // The plug-in's file; NULL: built in.
    const void *domain;   // Nodes with the same one are never at work at once; NULL: none.
    bool is_hidden;  // Made by the checker: a def's `then`. Shown as part of the stage above it.
    // ---- made by ft_plan_check ----
    ft_schema input, output;
    ft_schema errors;  // What its `errors` port gives.
    const ft_expr *when;
    ft_concurrency concurrency;
    bool blocks;
    bool *live;  // [output.count]: read by something downstream.
    bool errors_are_read;
    bool shares;         // It uses what all instances share: they must be in one process.
    int64_t batch_wish;  // Least wish of the stages here and below; 0: none has one.
    bool failed;         // Its plan failed: what stands below was typed as any, quietly.
} ft_plan_node;

typedef struct ft_run_options {
    int64_t threads;       // 0: as many as cores.
    int64_t memory_bytes;  // 0: a quarter of the memory, at most the cgroup's limit.
    bool order_any;
    int64_t max_errors;       // -1: not set (0 if no errors port is read, else no bound).
    double max_errors_share;  // 0.01 = 1 %; 0: not set.
    uint64_t seed;
    int64_t timeout_ms;  // 0: none.
} ft_run_options;

struct ft_plan {
    ft_arena *arena;
    const char *name;
    ft_plan_node **nodes;  // In the file's order, hidden ones behind their owner; upstream may
                           // stand anywhere above.
    size_t node_count;
    ft_run_options run;
    ft_environment environment;
};

ft_plan *ft_plan_create(ft_error *err) FT_MUST_CHECK;
void ft_plan_destroy(ft_plan *plan);
// Adds a node with its config zeroed and defaults applied. Its index is node_count - 1 of then.
ft_plan_node *ft_plan_add_node(ft_plan *plan, const ft_stage_def *def, const char *name,
                               ft_error *err) FT_MUST_CHECK;
bool ft_plan_connect(ft_plan *plan, ft_plan_node *node, uint32_t from_node, uint32_t port,
                     ft_error *err) FT_MUST_CHECK;

// Told of each fault, in the file's order. `node` is the stage it is about, `fault->option` which
// of its options (NULL: the type key; "input", "when", "workers" ...: the common ones), `other` the
// other end of a bad link or NULL.
typedef void ft_plan_report(void *host, const ft_plan_node *node, const ft_plan_node *other,
                            const ft_error *fault);

// Types every edge: adds hidden nodes, calls each stage's `plan` upstream first, compiles `when`,
// types the error ports, finds which fields are read (`live`). A stage below a faulty one is typed
// from `any` and stays quiet about what it cannot know, so that one mistake gives one message.
// Returns false when anything was reported.
bool ft_plan_check(ft_plan *plan, ft_plan_report *report, void *host);
