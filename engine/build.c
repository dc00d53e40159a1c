// Builds the graph: nodes and their modes, edges with their column maps, streams in their ranks,
// lanes.
#include "engine/build.h"

#include "engine/chain.h"
#include "engine/domain.h"
#include "engine/sources.h"
#include "runtime/memory/alloc.h"

enum { SPARES_MIN = 8, SPARES_PER_THREAD = 4 };

static void *room(ft_run *run, size_t count, size_t size_bytes, ft_error *err)
{
    void *block = ft_arena_zero(run->arena, count ? count : 1, size_bytes);
    if (!block)
        ft_ignore(ft_fail_nomem(err, count * size_bytes));
    return block;
}

// ---- nodes ----

// `is_asking`: the first of a chain, whose turns wait for a container.
static ft_mode mode_of(const ft_run *run, const ft_plan_node *plan, bool is_asking)
{
    if (plan->def->kind == FT_STAGE_SOURCE)
        return FT_MODE_SOURCE;
    if (plan->concurrency != FT_CONCURRENCY_ANY)
        return FT_MODE_SERIAL;
    if (is_asking || plan->blocks || (plan->workers > 0 && plan->workers < run->threads))
        return FT_MODE_CAPPED;
    return FT_MODE_PARALLEL;
}

static size_t named_ports(const ft_stage_def *def)
{
    size_t count = 0;

    while (def->ports && def->ports[count])
        count++;
    return count;
}

static bool init_node(ft_run *run, size_t index, ft_error *err)
{
    ft_node *node = &run->nodes[index];
    const ft_plan_node *plan = run->plan->nodes[index];

    node->run = run;
    node->plan = plan;
    node->index = (uint32_t)index;
    node->mode = mode_of(run, plan, node->chain && node->link == 0);
    node->def = plan->def;
    node->on_pool = plan->blocks;
    // In a process of its own it is alone anyway.
    if (plan->domain && !node->chain && !(node->domain = ft_domain_get(run, plan->domain, err)))
        return false;
    node->is_last = plan->def->kind == FT_STAGE_SINK && !plan->def->then;
    node->retries = !node->is_last && node->mode != FT_MODE_SERIAL;
    node->retries_one = !node->is_last;
    node->keeps = node->is_last || (run->settings.stress & FT_STRESS_SHARED);
    for (size_t i = 0; i < plan->output.count; i++)
        node->makes_dead = node->makes_dead || !plan->live[i];
    node->keeps_order = !plan->order_any && !run->plan->run.order_any;
    node->cap = 1;
    node->instance_room = 1;
    if (node->mode == FT_MODE_CAPPED) {
        node->cap = plan->workers > 0 ? plan->workers : run->threads;
        if (node->chain && node->link == 0)
            node->cap = (int64_t)node->chain->room;
        node->instance_room = (size_t)node->cap;
    } else if (node->mode == FT_MODE_PARALLEL) {
        node->cap = run->threads;
        node->instance_room = run->worker_room;
    }
    node->port_count = 2 + named_ports(plan->def);
    if (node->port_count > FT_PORTS_MAX)
        return ft_fail(err, FT_ERROR_USAGE, "`%s` has more than %d ports", plan->name,
                       FT_PORTS_MAX - 2);
    node->ports = room(run, node->port_count, sizeof(ft_port), err);
    node->instances = room(run, node->instance_room, sizeof(*node->instances), err);
    if (!node->ports || !node->instances)
        return false;
    node->serial_task = (ft_task){.kind = FT_TASK_SERIAL, .node = node};
    node->end_task = (ft_task){.kind = FT_TASK_END, .node = node};
    ft_atomic_store(&node->open, (int64_t)plan->input_count, FT_RELAXED);
    ft_mutex_init(&node->lock);
    if (node->chain && !ft_chain_join(node, err))
        return false;
    if (node->mode != FT_MODE_SOURCE)
        return true;
    node->serial_task.kind = FT_TASK_SOURCE;
    ft_atomic_store(&node->open, 1, FT_RELAXED);  // Until it has nothing more to give.
    node->source = room(run, 1, sizeof(ft_source), err);
    if (!node->source)
        return false;
    run->sources[run->source_count++] = node;
    return ft_source_init(node, err);
}

// Upstream first; the plan was checked, so there is no circle.
static bool sort_nodes(ft_run *run, ft_error *err)
{
    bool *done = room(run, run->node_count, sizeof(bool), err);
    size_t placed = 0;

    run->order = room(run, run->node_count, sizeof(*run->order), err);
    if (!done || !run->order)
        return false;
    for (bool moved = true; moved;) {
        moved = false;
        for (size_t i = 0; i < run->node_count; i++) {
            const ft_plan_node *plan = run->nodes[i].plan;
            bool ready = !done[i];
            for (size_t j = 0; ready && j < plan->input_count; j++)
                ready = done[plan->inputs[j].node];
            if (!ready)
                continue;
            done[i] = moved = true;
            run->order[placed++] = (uint32_t)i;
        }
    }
    FT_ASSERT(placed == run->node_count);
    return true;
}

// ---- edges ----

static size_t port_of(const ft_node *node, uint32_t port)
{
    return port == FT_PORT_ERRORS ? node->port_count - 1 : port;
}

static bool map_columns(ft_run *run, ft_edge *edge, const ft_schema *from, ft_error *err)
{
    const ft_schema *to = &edge->to->plan->input;
    bool same = from->count == to->count;

    for (size_t i = 0; same && i < to->count; i++)
        same = ft_slice_is(ft_slice_of(from->fields[i].name), to->fields[i].name) &&
               ft_type_equal(from->fields[i].type, to->fields[i].type);
    if (same)
        return true;
    edge->map = room(run, to->count, sizeof(size_t), err);
    for (size_t i = 0; edge->map && i < to->count; i++)
        edge->map[i] = ft_schema_find(from, ft_slice_of(to->fields[i].name));
    return edge->map != NULL;
}

static bool add_edges(ft_run *run, ft_error *err)
{
    for (size_t i = 0; i < run->node_count; i++)
        for (size_t j = 0; j < run->nodes[i].plan->input_count; j++) {
            const ft_plan_input *input = &run->nodes[i].plan->inputs[j];
            ft_node *from = &run->nodes[input->node];
            FT_ASSERT(port_of(from, input->port) < from->port_count);
            from->ports[port_of(from, input->port)].edge_count++;
            from->edge_count++;
            if (from->open_ports <= port_of(from, input->port))
                from->open_ports = port_of(from, input->port) + 1;
        }
    for (size_t i = 0; i < run->node_count; i++)
        for (size_t j = 0; j < run->nodes[i].port_count; j++) {
            ft_port *port = &run->nodes[i].ports[j];
            port->edges = room(run, port->edge_count, sizeof(ft_edge), err);
            if (!port->edges)
                return false;
            port->edge_count = 0;
        }
    for (size_t i = 0; i < run->node_count; i++)
        for (size_t j = 0; j < run->nodes[i].plan->input_count; j++) {
            const ft_plan_input *input = &run->nodes[i].plan->inputs[j];
            ft_node *from = &run->nodes[input->node];
            ft_port *port = &from->ports[port_of(from, input->port)];
            ft_edge *edge = &port->edges[port->edge_count++];
            edge->to = &run->nodes[i];
            edge->input = (uint32_t)j;
            bool errors = input->port == FT_PORT_ERRORS;
            if (!map_columns(run, edge, errors ? &from->plan->errors : &from->plan->output, err))
                return false;
        }
    return true;
}

// ---- streams and lanes ----

// The source, by its place in the file, that a node's input ends with; SIZE_MAX before any.
static size_t last_source(const ft_run *run, const ft_node *node, const size_t *last)
{
    size_t latest = 0;

    if (node->source)
        for (size_t i = 0; i < run->source_count; i++)
            if (run->sources[i] == node)
                return i;
    for (size_t i = 0; i < node->plan->input_count; i++)
        if (last[node->plan->inputs[i].node] > latest)
            latest = last[node->plan->inputs[i].node];
    return latest;
}

static void add_stream(ft_run *run, ft_node *node)
{
    ft_stream *stream = &run->streams[run->stream_count];

    stream->rank = (uint32_t)run->stream_count++;
    ft_atomic_store(&stream->total, UINT64_MAX, FT_RELAXED);
    node->flushed = stream;
}

static bool rank_streams(ft_run *run, ft_error *err)
{
    size_t *last = room(run, run->node_count, sizeof(*last), err);

    run->streams = room(run, run->node_count, sizeof(*run->streams), err);
    if (!last || !run->streams)
        return false;
    for (size_t i = 0; i < run->node_count; i++)
        last[run->order[i]] = last_source(run, &run->nodes[run->order[i]], last);
    for (size_t i = 0; i < run->source_count; i++) {
        add_stream(run, run->sources[i]);
        for (size_t j = 0; j < run->node_count; j++) {
            ft_node *node = &run->nodes[run->order[j]];
            if (!node->source && last[run->order[j]] == i)
                add_stream(run, node);
        }
    }
    return true;
}

static void add_lane(ft_node *node, uint32_t stream, uint32_t pieces)
{
    size_t at = 0;

    while (at < node->lane_count && node->lanes[at].stream < stream)
        at++;
    if (at < node->lane_count && node->lanes[at].stream == stream) {
        node->lanes[at].pieces += pieces;
        return;
    }
    for (size_t i = node->lane_count++; i > at; i--)
        node->lanes[i] = node->lanes[i - 1];
    node->lanes[at] = (ft_lane){.stream = stream, .pieces = pieces};
}

static bool find_lanes(ft_run *run, ft_node *node, ft_error *err)
{
    node->lanes = room(run, run->stream_count, sizeof(ft_lane), err);
    if (!node->lanes)
        return false;
    for (size_t i = 0; i < node->plan->input_count; i++) {
        const ft_node *from = &run->nodes[node->plan->inputs[i].node];
        bool restores = from->joins || (from->mode == FT_MODE_SERIAL && from->keeps_order);
        for (size_t j = 0; j < from->lane_count; j++)
            add_lane(node, from->lanes[j].stream, restores ? 1 : from->lanes[j].pieces);
        if (from->source || from->plan->def->flush)
            add_lane(node, from->flushed->rank, 1);
    }
    for (size_t i = 0; i < node->lane_count; i++)
        if (node->lanes[i].pieces > 1 && node->keeps_order) {
            node->is_met = true;
            node->joins = node->mode != FT_MODE_SERIAL;
        }
    return true;
}

// A source whose stream meets others at a node that restores the order waits for those before it:
// what it made would only stand there and take memory.
static bool find_waits(ft_run *run, ft_node *source, ft_error *err)
{
    bool *meets = room(run, run->stream_count, sizeof(bool), err);
    ft_source *own = source->source;

    own->waits_for = room(run, run->stream_count, sizeof(*own->waits_for), err);
    if (!meets || !own->waits_for)
        return false;
    for (size_t i = 0; i < run->node_count; i++) {
        const ft_node *node = &run->nodes[i];
        bool passes = false;
        if (node->mode != FT_MODE_SERIAL || !node->keeps_order)
            continue;
        for (size_t j = 0; j < node->lane_count; j++)
            passes = passes || node->lanes[j].stream == source->flushed->rank;
        for (size_t j = 0; passes && j < node->lane_count; j++)
            if (node->lanes[j].stream < source->flushed->rank)
                meets[node->lanes[j].stream] = true;
    }
    for (size_t i = 0; i < run->stream_count; i++)
        if (meets[i])
            own->waits_for[own->waits_count++] = i;
    return true;
}

bool ft_graph_build(ft_run *run, ft_error *err)
{
    size_t spares = SPARES_PER_THREAD * (size_t)run->threads;

    run->node_count = 0;
    run->worker_room = (size_t)run->threads + (spares < SPARES_MIN ? SPARES_MIN : spares);
    run->nodes = room(run, run->plan->node_count, sizeof(ft_node), err);
    run->sources = room(run, run->plan->node_count, sizeof(ft_node *), err);
    if (!run->nodes || !run->sources || !ft_chains_build(run, err))
        return false;
    for (size_t i = 0; i < run->plan->node_count; i++) {
        run->node_count++;
        if (!init_node(run, i, err))
            return false;
    }
    if (!sort_nodes(run, err) || !add_edges(run, err) || !rank_streams(run, err))
        return false;
    for (size_t i = 0; i < run->node_count; i++)
        if (!find_lanes(run, &run->nodes[run->order[i]], err))
            return false;
    for (size_t i = 0; i < run->source_count; i++)
        if (!find_waits(run, run->sources[i], err))
            return false;
    ft_atomic_store(&run->unfinished, (int64_t)run->node_count, FT_RELAXED);
    return true;
}

void ft_graph_finish(ft_run *run)
{
    for (size_t i = 0; i < run->node_count; i++) {
        ft_node *node = &run->nodes[i];
        if (!node->run)
            continue;
        if (node->source)
            ft_source_finish(node);
        for (size_t j = 0; node->instances && j < node->instance_room; j++) {
            ft_instance *instance = ft_atomic_load(&node->instances[j], FT_ACQUIRE);
            for (ft_instance *before; instance; instance = before) {
                before = instance->replaced;
                ft_free(instance->stage.counters);
                ft_free(instance->counters);
                ft_free(instance);
            }
        }
        if (node->ports && node->instances)
            ft_mutex_finish(&node->lock);
    }
}
