// Which stages run in containers, and together.
#include "engine/chain.h"

#include <string.h>

#include "engine/container.h"

enum { LINKS_MAX = 64 };  // Bits of `flushed`.

static bool asks_for_process(const ft_plan_node *plan)
{
    return plan->isolate || plan->on_runaway == FT_ON_RUNAWAY_PROCESS;
}

// --processes: transforms that any number of workers may run.
static bool is_parallel(const ft_plan_node *plan)
{
    return plan->def->kind == FT_STAGE_TRANSFORM && plan->concurrency == FT_CONCURRENCY_ANY &&
           !plan->blocks;
}

bool ft_chain_is_contained(const ft_run *run, const ft_plan_node *plan)
{
    return asks_for_process(plan) || (run->settings.processes > 0 && is_parallel(plan));
}

static bool is_same_schema(const ft_schema *a, const ft_schema *b)
{
    bool same = a->count == b->count;

    for (size_t i = 0; same && i < a->count; i++)
        same = strcmp(a->fields[i].name, b->fields[i].name) == 0 &&
               ft_type_equal(a->fields[i].type, b->fields[i].type);
    return same;
}

// The only stage that reads the main output of node `from`; NULL: there are others, or none.
static const ft_plan_node *only_reader(const ft_plan *plan, size_t from)
{
    const ft_plan_node *found = NULL;

    for (size_t i = 0; i < plan->node_count; i++)
        for (size_t j = 0; j < plan->nodes[i]->input_count; j++) {
            const ft_plan_input *input = &plan->nodes[i]->inputs[j];
            if (input->node != from || input->port != FT_PORT_MAIN)
                continue;
            if (found)
                return NULL;
            found = plan->nodes[i];
        }
    return found;
}

// What comes out of one goes into the other as it is, so it need not come over. A condition or a
// batch size is the engine's business: it ends the chain.
static bool is_linked(const ft_run *run, size_t from, const ft_plan_node *to)
{
    const ft_plan_node *plan = run->plan->nodes[from];

    return !asks_for_process(plan) && !asks_for_process(to) && is_parallel(to) &&
           only_reader(run->plan, from) == to && to->input_count == 1 && !plan->when && !to->when &&
           to->batch_items == 0 && to->workers == 0 && plan->workers == 0 &&
           is_same_schema(&plan->output, &to->input);
}

static ft_chain *add_chain(ft_run *run, const ft_plan_node *plan, ft_error *err)
{
    ft_chain *chain = ft_arena_zero(run->arena, 1, sizeof(*chain));
    ft_chain **end = &run->chains;
    bool is_serial = plan->concurrency != FT_CONCURRENCY_ANY;

    if (chain)
        chain->nodes = ft_arena_zero(run->arena, run->plan->node_count, sizeof(ft_node *));
    if (!chain || !chain->nodes) {
        ft_ignore(ft_fail_nomem(err, sizeof(*chain)));
        return NULL;
    }
    while (*end) {
        chain->index++;
        end = &(*end)->next;
    }
    *end = chain;
    chain->run = run;
    chain->is_shared = asks_for_process(plan);
    chain->kills = chain->is_shared && plan->on_runaway != FT_ON_RUNAWAY_LEAVE;
    chain->keeps_state = is_serial && (plan->def->state_size > 0 || plan->def->absorbs);
    chain->room = 1;
    if (!is_serial) {
        int64_t most = run->settings.processes > 0 && !chain->is_shared ? run->settings.processes
                                                                        : run->threads;
        chain->room = (size_t)(plan->workers > 0 && plan->workers < most ? plan->workers : most);
    }
    return chain;
}

// What the instances share must be in one process.
static bool check_shares(const ft_run *run, ft_error *err)
{
    for (size_t i = 0; i < run->plan->node_count && run->settings.processes > 0; i++) {
        const ft_plan_node *node = run->plan->nodes[i];
        if (!node->shares || !is_parallel(node))
            continue;
        ft_fail(err, FT_ERROR_USAGE,
                "`%s` uses `ctx.shared`, which is shared within one process only", node->name);
        ft_hint(err, "Run the pipeline without `--processes`.");
        return false;
    }
    return true;
}

bool ft_chains_build(ft_run *run, ft_error *err)
{
    const ft_plan *plan = run->plan;

    if (!check_shares(run, err))
        return false;
    for (size_t i = 0; i < plan->node_count; i++) {
        const ft_plan_node *node = plan->nodes[i];
        if (run->nodes[i].chain || !ft_chain_is_contained(run, node))
            continue;
        ft_chain *chain = add_chain(run, node, err);
        if (!chain)
            return false;
        // Downstream nodes may stand anywhere behind it.
        size_t at = i;
        for (bool more = true; more;) {
            run->nodes[at].chain = chain;
            run->nodes[at].link = (uint32_t)chain->count;
            chain->nodes[chain->count++] = &run->nodes[at];
            more = false;
            for (size_t j = 0; j < plan->node_count && !more; j++)
                if (!run->nodes[j].chain && chain->count < LINKS_MAX &&
                    is_linked(run, at, plan->nodes[j])) {
                    at = j;
                    more = true;
                }
        }
    }
    return true;
}

size_t ft_chain_counters(const ft_node *node)
{
    const ft_stage_def *def = node->plan->def;
    size_t count = 0;

    while (def->counters && def->counters[count])
        count++;
    return count;
}

bool ft_chain_join(ft_node *node, ft_error *err)
{
    ft_chain *chain = node->chain;
    ft_stage_def *def = ft_arena_zero(node->run->arena, 1, sizeof(*def));

    if (!def)
        return ft_fail_nomem(err, sizeof(*def));
    *def = *node->plan->def;
    ft_container_take_def(def, node->link == 0);
    node->def = def;
    if (node->link > 0) {
        // What is known of a batch is known of all of it: it is not cut into halves.
        node->retries = node->retries_one = false;
        return true;
    }
    node->on_pool = true;
    chain->containers = ft_arena_zero(node->run->arena, chain->room, ft_container_size_bytes());
    return chain->containers || ft_fail_nomem(err, chain->room);
}

void ft_chain_node_ended(ft_node *node)
{
    if (node->chain && node->link + 1 == node->chain->count)
        ft_containers_close(node->chain);
}

void ft_chains_close(ft_run *run)
{
    for (ft_chain *chain = run->chains; chain; chain = chain->next)
        ft_containers_close(chain);
}
