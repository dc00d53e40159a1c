// The host of a plug-in under test: what it emits becomes a digest, and every call back lets other
// threads go first now and then, so that many more interleavings are seen than chance would give.
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "cli/plugin_test.h"
#include "runtime/memory/alloc.h"

enum { YIELD_IN = 4, GUARD = 0xA5, FAILED_MARK = 0x5bd1 };

static ft_test_instance *instance_of(ft_stage *self)
{
    return (ft_test_instance *)(void *)self;
}

void ft_test_yield(ft_test_instance *instance)
{
    if (ft_random_between(&instance->chaos, 1, YIELD_IN) == 1)
        sched_yield();
}

// ---- digests ----

static uint64_t add_bytes(uint64_t digest, const void *data, size_t size)
{
    return ft_hash((ft_slice){data, size}, digest ^ (size + 0x9e3779b97f4a7c15u));
}

static uint64_t digest_item(uint64_t digest, const ft_column *column, size_t item)
{
    size_t number = ft_type_element_size_bytes(column->type);
    size_t elements = (size_t)ft_type_elements(column->type);
    const int32_t *offsets = column->offsets ? ft_tensor_i32(column->offsets) : NULL;

    switch (ft_type_layout(column->type)) {
    case FT_LAYOUT_FIXED:
        return add_bytes(digest, column->values->data + item * elements * number,
                         elements * number);
    case FT_LAYOUT_TEXT: {
        ft_slice text = ft_column_text(column, item);
        return add_bytes(digest, text.data, text.size);
    }
    case FT_LAYOUT_NUMBERS:
        return add_bytes(digest, column->values->data + (size_t)offsets[item] * elements * number,
                         (size_t)(offsets[item + 1] - offsets[item]) * elements * number);
    case FT_LAYOUT_TEXTS:
        for (int32_t i = offsets[item]; i < offsets[item + 1]; i++) {
            ft_slice text = ft_column_element(column, i);
            digest = add_bytes(digest, text.data, text.size);
        }
        return add_bytes(digest, "", 0);
    }
    return digest;
}

uint64_t ft_test_digest_batch(uint64_t digest, const ft_batch *batch)
{
    digest = add_bytes(digest, &batch->count, sizeof(batch->count));
    for (size_t i = 0; i < batch->width; i++)
        for (size_t item = 0; ft_batch_has(batch, i) && item < batch->count; item++)
            digest = ft_column_is_null(&batch->columns[i], item)
                         ? add_bytes(digest, "null", 4)
                         : digest_item(digest, &batch->columns[i], item);
    return digest;
}

// ---- the host ----

static bool host_emit(ft_stage *self, size_t port, ft_batch *batch, ft_error *err)
{
    ft_test_instance *instance = instance_of(self);
    ft_test_outcome *outcome = instance->outcome;

    (void)err;
    if (outcome) {
        outcome->digest = add_bytes(outcome->digest, &port, sizeof(port));
        outcome->digest = ft_test_digest_batch(outcome->digest, batch);
        outcome->items += batch->count;
    }
    ft_batch_unref(batch);
    ft_test_yield(instance);
    return true;
}

static bool host_item_fail(ft_stage *self, const ft_batch *batch, size_t item, const ft_error *why,
                           ft_error *err)
{
    ft_test_instance *instance = instance_of(self);

    (void)batch, (void)err;
    if (instance->outcome) {
        size_t mark[2] = {FAILED_MARK, item};
        instance->outcome->digest = add_bytes(instance->outcome->digest, mark, sizeof(mark));
        instance->outcome->digest =
            add_bytes(instance->outcome->digest, why->message, strlen(why->message));
    }
    ft_test_yield(instance);
    return true;
}

static void host_enough(ft_stage *self)
{
    instance_of(self)->has_enough = true;
}

static bool host_cancelled(const ft_stage *self)
{
    (void)self;
    return false;
}

static bool host_start(ft_stage *self, ft_lineage *lineage, ft_error *err)
{
    (void)err;
    lineage->sequence = instance_of(self)->sequence++;
    return true;
}

static const ft_stage_host host = {
    .emit = host_emit,
    .item_fail = host_item_fail,
    .enough = host_enough,
    .cancelled = host_cancelled,
    .start = host_start,
};

// ---- instances ----

bool ft_test_instance_open(ft_test_instance *instance, ft_test_subject *subject, int number,
                           ft_error *err)
{
    const ft_stage_def *def = subject->def;
    size_t size = def->state_size + 2 * FT_TEST_GUARD_BYTES;

    *instance = (ft_test_instance){.guarded = ft_alloc_aligned(size, 64)};
    if (!instance->guarded)
        return ft_fail_nomem(err, size);
    memset(instance->guarded, GUARD, size);
    memset(instance->guarded + FT_TEST_GUARD_BYTES, 0, def->state_size);
    ft_random_init(&instance->chaos, (uint64_t)subject->seed, (uint64_t)number);
    instance->stage = (ft_stage){.def = def,
                                 .name = def->name,
                                 .config = subject->config,
                                 .state = instance->guarded + FT_TEST_GUARD_BYTES,
                                 .shared = subject->shared,
                                 .account = &subject->account,
                                 .input = &subject->input,
                                 .output = &subject->output,
                                 .live = subject->live,
                                 .input_width = subject->input.count,
                                 .output_width = subject->output.count,
                                 .instance = number,
                                 .threads = 8,
                                 .seed = 1,
                                 .counters = instance->counters,
                                 .host = &host};
    return !def->open || def->open(&instance->stage, err);
}

void ft_test_instance_close(ft_test_instance *instance)
{
    if (instance->guarded && instance->stage.def->close)
        instance->stage.def->close(&instance->stage);
    ft_free(instance->guarded);
    instance->guarded = NULL;
}

bool ft_test_instance_is_whole(const ft_test_instance *instance)
{
    const unsigned char *guarded = (const unsigned char *)instance->guarded;
    size_t behind = FT_TEST_GUARD_BYTES + instance->stage.def->state_size;

    for (size_t i = 0; i < FT_TEST_GUARD_BYTES; i++)
        if (guarded[i] != GUARD || guarded[behind + i] != GUARD)
            return false;
    return true;
}
