// Liveness, backwards: a field that leaves a node is live when a reader of that edge reads it or passes it on to where it
// is live. A field goes through a node when input and output have it under the same name; one that the node makes anew
// under an old name counts as passed on too, which keeps a dead value alive at worst.
#include "engine/liveness.h"

static bool is_live_at(const ft_plan_node *node, const ft_node_reads *reads, size_t field)
{
    if (reads->all || reads->reads[field])
        return true;
    size_t out = ft_schema_find(&node->output, ft_slice_of(node->input.fields[field].name));
    if (out != FT_FIELD_NONE && node->live[out])
        return true;
    return node->errors_are_read;  // The item as it came in travels on through the errors port.
}

// What `reader` wants of `node`'s output.
static void add_reader(ft_plan_node *node, const ft_plan_node *reader, const ft_node_reads *reads)
{
    for (size_t i = 0; i < node->output.count; i++) {
        size_t field = ft_schema_find(&reader->input, ft_slice_of(node->output.fields[i].name));
        if (field != FT_FIELD_NONE && is_live_at(reader, reads, field))
            node->live[i] = true;
    }
}

bool ft_plan_find_live(ft_plan *plan, const ft_node_reads *reads, const uint32_t *order, ft_error *err)
{
    for (size_t i = 0; i < plan->node_count; i++) {
        ft_plan_node *node = plan->nodes[i];
        node->live = ft_arena_zero(plan->arena, node->output.count + 1, sizeof(bool));
        if (!node->live)
            return ft_fail_nomem(err, node->output.count + 1);
    }
    for (size_t at = plan->node_count; at-- > 0;) {
        const ft_plan_node *reader = plan->nodes[order[at]];
        for (size_t i = 0; i < reader->input_count; i++)
            if (reader->inputs[i].port != FT_PORT_ERRORS)
                add_reader(plan->nodes[reader->inputs[i].node], reader, &reads[order[at]]);
    }
    return true;
}
