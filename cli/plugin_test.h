// Parts of the test of a plug-in: the made-up input and the host that watches. Used by
// plugin_test.c, plugin_input.c and plugin_host.c only.
#pragma once

#include "runtime/concurrent/atomic.h"
#include "runtime/random.h"
#include "runtime/stage.h"

enum { FT_TEST_BATCHES = 64, FT_TEST_ITEMS_MAX = 24, FT_TEST_GUARD_BYTES = 64 };

// What came of one batch: a digest of all that was emitted, in order, and of the items that failed.
typedef struct ft_test_outcome {
    uint64_t digest;
    uint64_t items;
    bool failed;
} ft_test_outcome;

// One stage, planned and loaded, and what goes in.
typedef struct ft_test_subject {
    const ft_stage_def *def;
    ft_arena *arena;
    void *config;
    const void *shared;
    ft_schema input, output;
    bool *live;  // [output.count], all true.
    ft_account account;
    size_t batch_count;  // 0 for a source.
    ft_batch *batches[FT_TEST_BATCHES];
    uint64_t config_digest, input_digest;
    int64_t seed;
} ft_test_subject;

// An instance, guarded: its state lies between two guards.
typedef struct ft_test_instance {
    ft_stage stage;  // First.
    char *guarded;   // Guard, state, guard.
    uint64_t counters[256];
    ft_test_outcome *outcome;  // Of the batch at hand.
    uint64_t sequence;         // Of a source's lineages.
    bool has_enough;
    ft_random chaos;
} ft_test_instance;

// plugin_input.c: options, plan and load, and batches of random items. False with `err`: the stage
// cannot be tried, which is no fault of it.
bool ft_test_subject_open(ft_test_subject *subject, const ft_stage_def *def,
                          ft_error *err) FT_MUST_CHECK;
void ft_test_subject_close(ft_test_subject *subject);
uint64_t ft_test_digest_inputs(const ft_test_subject *subject);

// plugin_host.c
bool ft_test_instance_open(ft_test_instance *instance, ft_test_subject *subject, int number,
                           ft_error *err) FT_MUST_CHECK;
void ft_test_instance_close(ft_test_instance *instance);
// False when the stage wrote in front of its state or behind it.
bool ft_test_instance_is_whole(const ft_test_instance *instance);
void ft_test_yield(ft_test_instance *instance);  // Now and then lets another thread go first.
uint64_t ft_test_digest_batch(uint64_t digest, const ft_batch *batch);
