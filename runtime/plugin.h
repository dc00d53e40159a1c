// What a shared library exports to give stages: a list of the same definitions that stages/ has.
//
//   FT_PLUGIN(&upper, &lower)    at the end of one of its files
//
// A definition says itself how many threads may be in it at once (`concurrency`): ANY, ONE, or
// nothing. All stages of a library that say nothing run in one lock domain of that library: at
// most one of them works at a time. Code outside of stages (constructors, threads of its own) is
// the library's to look after; what it calls here from such a thread must be FT_API too.
//
// Two numbers say whether library and program fit: `abi` counts up when a declaration changes its
// meaning, `layout` is made from the sizes of what both sides look into.
#pragma once

#include "runtime/concurrent/lock.h"
#include "runtime/memory/alloc.h"
#include "runtime/stage.h"

typedef struct ft_plugin {
    uint32_t abi;                       // FT_STAGE_ABI of the headers it was made with.
    uint32_t layout;                    // FT_PLUGIN_LAYOUT of the same.
    const ft_stage_def *const *stages;  // NULL-terminated, at most FT_PLUGIN_STAGES_MAX.
    bool stays;  // Never unloaded: it has started threads, or left pointers to itself with others.
} ft_plugin;

enum { FT_PLUGIN_STAGES_MAX = 64 };

#define FT_PLUGIN_SYMBOL "ftpipe_plugin"

// Of all structs that a stage may look into; mixed so that two that change at once hardly cancel.
#define FT_PLUGIN_LAYOUT                                                                       \
    ((uint32_t)(sizeof(ft_stage_def) + 3 * sizeof(ft_stage) + 7 * sizeof(ft_stage_plan) +      \
                13 * sizeof(ft_stage_load) + 29 * sizeof(ft_batch) + 53 * sizeof(ft_column) +  \
                97 * sizeof(ft_tensor) + 193 * sizeof(ft_buffer) + 389 * sizeof(ft_builder) +  \
                769 * sizeof(ft_option) + 1543 * sizeof(ft_error) + 3079 * sizeof(ft_object) + \
                6151 * sizeof(ft_lineage) + 12289 * sizeof(ft_type) +                          \
                24593 * sizeof(ft_stage_host) + 49157 * offsetof(ft_batch, columns) +          \
                98317 * sizeof(ft_field) + 196613 * sizeof(ft_schema)))

// Defines what the program looks for. Its arguments are pointers to definitions.
#define FT_PLUGIN(...)                                                             \
    FT_API extern const ft_plugin ftpipe_plugin;                                   \
    static const ft_stage_def *const ftpipe_plugin_stages[] = {__VA_ARGS__, NULL}; \
    const ft_plugin ftpipe_plugin = {                                              \
        .abi = FT_STAGE_ABI, .layout = FT_PLUGIN_LAYOUT, .stages = ftpipe_plugin_stages}
