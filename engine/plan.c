// The builder of plans: nodes and links in the order of the file. Everything lives in the plan's
// arena, so that nothing needs to be undone when a step fails.
#include "engine/plan.h"

#include <string.h>

ft_plan *ft_plan_create(ft_error *err)
{
    ft_arena *arena = ft_arena_create();
    if (!arena) {
        ft_ignore(ft_fail_nomem(err, sizeof(ft_plan)));
        return NULL;
    }
    ft_plan *plan = ft_arena_zero(arena, 1, sizeof(*plan));
    if (!plan) {
        ft_arena_destroy(arena);
        ft_ignore(ft_fail_nomem(err, sizeof(*plan)));
        return NULL;
    }
    plan->arena = arena;
    plan->name = "pipeline";
    plan->run.max_errors = -1;
    plan->environment.pipeline_folder = "";
    return plan;
}

void ft_plan_destroy(ft_plan *plan)
{
    if (plan)
        ft_arena_destroy(plan->arena);
}

// Room for one more in an array of the arena whose capacity is the next power of two (4 at least),
// so that it needs no member of its own. NULL without memory.
static void *grow(ft_arena *arena, void *array, size_t count, size_t element_bytes)
{
    if (count && (count < 4 || (count & (count - 1))))
        return array;
    size_t capacity = count ? 2 * count : 4;
    void *larger = ft_arena_zero(arena, capacity, element_bytes);
    if (larger && count)
        memcpy(larger, array, count * element_bytes);
    return larger;
}

ft_plan_node *ft_plan_add_node(ft_plan *plan, const ft_stage_def *def, const char *name,
                               ft_error *err)
{
    ft_plan_node **nodes =
        grow(plan->arena, (void *)plan->nodes, plan->node_count, sizeof(ft_plan_node *));
    ft_plan_node *node = ft_arena_zero(plan->arena, 1, sizeof(*node));
    void *config = ft_arena_zero(plan->arena, 1, def->config_size ? def->config_size : 1);
    const char *copy = ft_arena_text(plan->arena, ft_slice_of(name));
    if (!nodes || !node || !config || !copy) {
        ft_ignore(ft_fail_nomem(err, sizeof(*node) + def->config_size));
        return NULL;
    }
    plan->nodes = nodes;
    if (def->options && !ft_option_defaults(def->options, config, plan->arena, err))
        return NULL;
    node->def = def;
    node->name = copy;
    node->config = config;
    node->concurrency = def->concurrency;
    node->blocks = def->blocks;
    node->pace = def->pace;
    plan->nodes[plan->node_count++] = node;
    return node;
}

bool ft_plan_connect(ft_plan *plan, ft_plan_node *node, uint32_t from_node, uint32_t port,
                     ft_error *err)
{
    ft_plan_input *inputs = grow(plan->arena, node->inputs, node->input_count, sizeof(*inputs));
    if (!inputs)
        return ft_fail_nomem(err, sizeof(*inputs));
    node->inputs = inputs;
    node->inputs[node->input_count++] = (ft_plan_input){.node = from_node, .port = port};
    return true;
}
