// What the checker finds wrong with such a plan is a mistake of this program, and is reported as
// the measurement's failure.
#include "cli/bench_line.h"

#include <string.h>

#include "runtime/system/clock.h"

// ---- stages ----

bool ft_bench_plan_source(ft_stage_plan *plan, void *config, ft_error *err)
{
    size_t at;

    (void)config;
    return ft_plan_add(plan, "value", FT_TYPE(INT), &at, err);
}

bool ft_bench_plan_reader(ft_stage_plan *plan, void *config, ft_error *err)
{
    size_t at;

    (void)config;
    return ft_plan_read(plan, NULL, "value", FT_TYPE(INT), &at, err);
}

bool ft_bench_swallow(ft_stage *self, ft_batch **in, ft_error *err)
{
    (void)self;
    (void)in;
    (void)err;
    return true;
}

bool ft_bench_emit_value(ft_stage *self, int64_t value, ft_error *err)
{
    ft_column column = {.type = FT_TYPE(INT)};
    ft_batch *batch = ft_batch_create(self->account, 1, self->output_width, NULL, err);

    if (batch)
        column.values = ft_tensor_create_1d(self->account, FT_DTYPE_I64, 1, err);
    if (!column.values) {
        ft_batch_unref(batch);
        return false;
    }
    ((int64_t *)(void *)column.values->data)[0] = value;
    ft_batch_set(batch, 0, &column);
    return ft_emit(self, batch, err);
}

// ---- plans ----

static void note_fault(void *host, const ft_plan_node *node, const ft_plan_node *other,
                       const ft_error *fault)
{
    (void)node;
    (void)other;
    *(ft_error *)host = *fault;
}

static bool add_part(ft_plan *plan, const ft_bench_part *part, ft_error *err)
{
    ft_plan_node *node = ft_plan_add_node(plan, part->def, part->def->name, err);

    if (!node)
        return false;
    if (part->config)
        memcpy(node->config, part->config, part->def->config_size);
    if (part->configure && !part->configure(node->config, plan->arena, err))
        return false;
    node->batch_items = part->batch_items;
    return part->from < 0 || ft_plan_connect(plan, node, (uint32_t)part->from, FT_PORT_MAIN, err);
}

ft_plan *ft_bench_line_plan(const ft_bench_part *parts, size_t count, int threads, ft_error *err)
{
    ft_plan *plan = ft_plan_create(err);
    bool ok = plan != NULL;

    for (size_t i = 0; ok && i < count; i++)
        ok = add_part(plan, &parts[i], err);
    if (ok)
        plan->run.threads = threads;
    if (ok && ft_plan_check(plan, note_fault, err))
        return plan;
    if (plan)
        ft_plan_destroy(plan);
    return NULL;
}

bool ft_bench_line_run(const ft_bench_part *parts, size_t count, int threads, int64_t *out_ns,
                       ft_error *err)
{
    const ft_run_settings settings = {0};
    ft_plan *plan = ft_bench_line_plan(parts, count, threads, err);
    ft_run *run = plan ? ft_run_create(plan, &settings, NULL, err) : NULL;
    bool ok = run != NULL;

    if (ok) {
        int64_t from = ft_clock_ns();
        ok = ft_run_wait(run, NULL, err);
        *out_ns = ft_clock_ns() - from;
    }
    ft_run_destroy(run);
    if (plan)
        ft_plan_destroy(plan);
    return ok;
}
