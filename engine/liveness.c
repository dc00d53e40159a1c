// Liveness, backwards: a field that leaves a node is live when a reader of that edge reads it or
// passes it on to where it is live. A field goes through a node when input and output have it under
// the same name; one that the node makes anew under an old name counts as passed on too, which
// keeps a dead value alive at worst.
#include "engine/liveness.h"

static bool is_live_at(const ft_plan_node *node, const ft_node_reads *reads, size_t field)
{
    if (reads->all || reads->reads[field])
        return true;
    size_t out = ft_schema_find(&node->output, ft_slice_of(node->input.fields[field].name));
    return out != FT_FIELD_NONE && node->live[out];
}

// The item as it came in travels on through the errors port: what `reader` wants of it, `node`
// reads.
static void add_errors_reader(const ft_plan_node *node, ft_node_reads *own,
                              const ft_plan_node *reader, const ft_node_reads *reads)
{
    for (size_t i = 0; i < node->input.count; i++) {
        size_t field = ft_schema_find(&reader->input, ft_slice_of(node->input.fields[i].name));
        if (field != FT_FIELD_NONE && is_live_at(reader, reads, field))
            own->reads[i] = true;
    }
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

bool ft_plan_find_live(ft_plan *plan, ft_node_reads *reads, const uint32_t *order, ft_error *err)
{
    for (size_t i = 0; i < plan->node_count; i++) {
        ft_plan_node *node = plan->nodes[i];
        node->live = ft_arena_zero(plan->arena, node->output.count + 1, sizeof(bool));
        if (!node->live)
            return ft_fail_nomem(err, node->output.count + 1);
    }
    for (size_t at = plan->node_count; at-- > 0;) {
        const ft_plan_node *reader = plan->nodes[order[at]];
        for (size_t i = 0; i < reader->input_count; i++) {
            uint32_t from = reader->inputs[i].node;
            if (reader->inputs[i].port == FT_PORT_ERRORS)
                add_errors_reader(plan->nodes[from], &reads[from], reader, &reads[order[at]]);
            else
                add_reader(plan->nodes[from], reader, &reads[order[at]]);
        }
    }
    return true;
}
