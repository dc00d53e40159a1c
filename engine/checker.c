// The checker: hidden nodes, order, types along every edge, conditions, readers, liveness.
//
// A node whose plan failed, and all below it, are "uncertain": the fields that come in are not
// fully known there, so errors about fields and expressions (E0311 to E0499) are kept quiet and one
// mistake gives one message.
#include <string.h>

#include "engine/liveness.h"
#include "engine/memory_limit.h"
#include "engine/plan.h"
#include "engine/schema_union.h"

enum { THEN_DEPTH_MAX = 8, NUMBER_FIELDS = 311, NUMBER_FIELDS_END = 499 };

typedef struct {
    ft_plan *plan;
    ft_plan_report *report;
    void *host;
    bool faulty;      // Something was reported.
    uint32_t *order;  // [node_count], upstream first.
    bool *uncertain;  // [node_count]
    ft_node_reads *reads;
    int64_t memory_bytes;
} checker;

static void report(checker *check, const ft_plan_node *node, const ft_plan_node *other,
                   const ft_error *fault)
{
    check->faulty = true;
    check->report(check->host, node, other, fault);
}

static bool fault(ft_error *err, int number, const char *option, const char *hint)
{
    err->number = number;
    ft_hint(err, "%s", hint);
    return ft_error_at(err, option, 0, 0);
}

// ---- hidden nodes ----

// Links that named a stage's output now mean that of the last node behind it; its errors are those
// of all of them.
static bool relink(checker *check, const uint32_t *first, const uint32_t *last, ft_error *err)
{
    ft_plan *plan = check->plan;

    for (size_t i = 0; i < plan->node_count; i++) {
        ft_plan_node *node = plan->nodes[i];
        ft_plan_input *inputs = node->inputs;
        size_t count = node->input_count;
        if (node->is_hidden)
            continue;
        node->inputs = NULL;
        node->input_count = 0;
        for (size_t j = 0; j < count; j++) {
            uint32_t from = first[inputs[j].node], to = last[inputs[j].node];
            uint32_t port = inputs[j].port;
            if (port == FT_PORT_ERRORS) {
                for (uint32_t at = from; at <= to; at++)
                    if (!ft_plan_connect(plan, node, at, port, err))
                        return false;
            } else if (!ft_plan_connect(plan, node, port == FT_PORT_MAIN ? to : from, port, err)) {
                return false;
            }
        }
    }
    return true;
}

static ft_plan_node *make_hidden(ft_plan *plan, const ft_plan_node *owner, const ft_stage_def *def)
{
    ft_plan_node *node = ft_arena_zero(plan->arena, 1, sizeof(*node));
    if (!node)
        return NULL;
    node->def = def;
    node->name = owner->name;
    node->config = owner->config;
    node->from = owner->from;
    node->to = owner->to;
    node->on_error = owner->on_error;
    node->order_any = owner->order_any;
    node->domain = owner->domain;
    node->is_hidden = true;
    node->concurrency = def->concurrency;
    node->blocks = def->blocks;
    return node;
}

// A plan that was checked before has its hidden nodes already.
static bool has_hidden(const ft_plan *plan)
{
    for (size_t i = 0; i < plan->node_count; i++)
        if (plan->nodes[i]->is_hidden)
            return true;
    return false;
}

static bool add_hidden(checker *check, ft_error *err)
{
    ft_plan *plan = check->plan;
    size_t count = plan->node_count, total = 0;

    if (has_hidden(plan))
        return true;
    for (size_t i = 0; i < count; i++)
        for (const ft_stage_def *def = plan->nodes[i]->def; def; def = def->then)
            total++;
    if (total == count)
        return true;
    FT_ASSERT(total <= count * THEN_DEPTH_MAX);
    ft_plan_node **nodes = ft_arena_zero(plan->arena, total, sizeof(ft_plan_node *));
    uint32_t *first = ft_arena_zero(plan->arena, count, sizeof(*first));
    uint32_t *last = ft_arena_zero(plan->arena, count, sizeof(*last));
    if (!nodes || !first || !last)
        return ft_fail_nomem(err, total * sizeof(*nodes));
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        ft_plan_node *owner = plan->nodes[i];
        first[i] = (uint32_t)at;
        nodes[at++] = owner;
        for (const ft_stage_def *def = owner->def->then; def; def = def->then) {
            ft_plan_node *hidden = make_hidden(plan, owner, def);
            if (!hidden || !ft_plan_connect(plan, hidden, (uint32_t)at - 1, FT_PORT_MAIN, err))
                return ft_fail_nomem(err, sizeof(*hidden));
            nodes[at++] = hidden;
        }
        last[i] = (uint32_t)at - 1;
    }
    plan->nodes = nodes;
    plan->node_count = total;
    return relink(check, first, last, err);
}

// ---- order and readers ----

// Upstream first, and the file's order among those that are ready. False when there is a circle,
// which is reported.
static bool sort_nodes(checker *check)
{
    ft_plan *plan = check->plan;
    size_t placed = 0;
    bool *done = check->uncertain;  // Borrowed; cleared below.

    for (bool moved = true; moved && placed < plan->node_count;) {
        moved = false;
        for (size_t i = 0; i < plan->node_count; i++) {
            const ft_plan_node *node = plan->nodes[i];
            bool ready = !done[i];
            for (size_t j = 0; ready && j < node->input_count; j++)
                ready = done[node->inputs[j].node];
            if (!ready)
                continue;
            done[i] = moved = true;
            check->order[placed++] = (uint32_t)i;
        }
    }
    bool sorted = placed == plan->node_count;
    for (size_t i = 0; !sorted && i < plan->node_count; i++)
        if (!done[i]) {
            ft_error err = FT_ERROR_INIT;
            ft_fail(&err, FT_ERROR_USAGE, "`%s` reads from itself, through what stands between",
                    plan->nodes[i]->name);
            fault(&err, 203, "input", "Let every stage read from stages above it.");
            report(check, plan->nodes[i], NULL, &err);
            break;
        }
    memset(done, 0, plan->node_count * sizeof(*done));
    return sorted;
}

static bool gives_output(const ft_plan_node *node)
{
    return node->def->kind != FT_STAGE_SINK || node->def->then;
}

// Every node has the inputs that its kind asks for.
static bool check_inputs(const checker *check, const ft_plan_node *node, const ft_plan_node **other,
                         ft_error *err)
{
    bool is_source = node->def->kind == FT_STAGE_SOURCE;

    if (is_source && node->input_count) {
        ft_fail(err, FT_ERROR_USAGE, "`%s` is a source and takes no input", node->name);
        return fault(err, 207, "input", "Remove `input`, or let the next stage read from both.");
    }
    if (!is_source && !node->input_count) {
        ft_fail(err, FT_ERROR_USAGE, "`%s` has nothing to read from", node->name);
        return fault(err, 202, NULL, "Put a source such as `read:` or `generate:` above it.");
    }
    for (size_t i = 0; i < node->input_count; i++) {
        const ft_plan_node *from = check->plan->nodes[node->inputs[i].node];
        if (node->inputs[i].port != FT_PORT_MAIN || gives_output(from))
            continue;
        *other = from;
        ft_fail(err, FT_ERROR_USAGE, "`%s` cannot read from `%s`: it is a sink and gives nothing",
                node->name, from->name);
        return fault(err, 208, "input", "Read from the stage above that sink.");
    }
    return true;
}

static void check_readers(checker *check)
{
    ft_plan *plan = check->plan;

    for (size_t i = 0; i < plan->node_count; i++) {
        ft_plan_node *node = plan->nodes[i];
        bool is_read = !gives_output(node);
        node->errors_are_read = false;
        for (size_t j = 0; j < plan->node_count; j++)
            for (size_t k = 0; k < plan->nodes[j]->input_count; k++) {
                const ft_plan_input *input = &plan->nodes[j]->inputs[k];
                if (input->node == i && input->port == FT_PORT_ERRORS)
                    node->errors_are_read = true;
                else if (input->node == i && input->port == FT_PORT_MAIN)
                    is_read = true;
            }
        if (is_read)
            continue;
        ft_error err = FT_ERROR_INIT;
        ft_fail(&err, FT_ERROR_USAGE, "nothing reads what `%s` gives", node->name);
        fault(&err, 205, NULL,
              "Add a sink behind it: `write:`, or `drop:` if nothing is to be kept.");
        report(check, node, NULL, &err);
    }
}

// ---- types ----

static bool type_input(checker *check, ft_plan_node *node, const ft_plan_node **other,
                       ft_error *err)
{
    ft_plan *plan = check->plan;
    ft_union_part *parts = ft_arena_zero(plan->arena, node->input_count + 1, sizeof(*parts));
    bool only_errors = true;

    if (!parts)
        return ft_fail_nomem(err, sizeof(*parts));
    for (size_t i = 0; i < node->input_count; i++) {
        const ft_plan_node *from = plan->nodes[node->inputs[i].node];
        bool errors = node->inputs[i].port == FT_PORT_ERRORS;
        parts[i] =
            (ft_union_part){.schema = errors ? &from->errors : &from->output, .name = from->name};
        only_errors = only_errors && errors;
        *other = from;
    }
    if (node->input_count == 0) {
        node->input = (ft_schema){0};
        return true;
    }
    return ft_schema_unite(plan->arena, parts, node->input_count, only_errors, &node->input, err);
}

// A bypassed item keeps its fields: the stage may add some (they are null then), but not change or
// remove any.
static bool check_bypass(const ft_plan_node *node, ft_error *err)
{
    for (size_t i = 0; i < node->input.count && gives_output(node); i++) {
        const ft_field *field = &node->input.fields[i];
        size_t out = ft_schema_find(&node->output, ft_slice_of(field->name));
        if (out != FT_FIELD_NONE && ft_type_equal(node->output.fields[out].type, field->type))
            continue;
        if (out == FT_FIELD_NONE && ft_field_is_hidden(field))
            continue;
        ft_fail(err, FT_ERROR_USAGE, "`when` cannot let items pass `%s` unchanged: it %s `%s`",
                node->name, out == FT_FIELD_NONE ? "removes" : "changes the type of", field->name);
        return fault(err, 314, "when",
                     "Use `filter:` above it, or let the stage add a field of another name.");
    }
    return true;
}

static bool check_when(checker *check, ft_plan_node *node, ft_node_reads *reads, ft_error *err)
{
    if (!node->when_text)
        return true;
    if (!ft_expr_compile(check->plan->arena, ft_slice_of(node->when_text), &node->input,
                         FT_EXPR_CONDITION, &node->when, err)) {
        err->option = "when";
        return false;
    }
    for (size_t i = 0; i < node->input.count; i++)
        if (ft_expr_reads(node->when, i))
            reads->reads[i] = true;
    return check_bypass(node, err);
}

// What is shared within one process is not shared with one of its own.
static bool check_process(const ft_plan_node *node, ft_error *err)
{
    if (!node->shares || !(node->isolate || node->on_runaway == FT_ON_RUNAWAY_PROCESS))
        return true;
    ft_fail(err, FT_ERROR_USAGE,
            "`%s` uses `ctx.shared`, which is shared within one process, and runs in one of its "
            "own",
            node->name);
    return fault(err, 315, node->isolate ? "isolate" : "on_runaway",
                 "Leave it out, or pass what the scripts share as fields of the items.");
}

static bool plan_stage(checker *check, ft_plan_node *node, ft_node_reads *reads, ft_error *err)
{
    ft_arena *arena = check->plan->arena;
    size_t capacity = node->input.count + 4;
    ft_stage_plan plan = {
        .arena = arena,
        .environment = &check->plan->environment,
        .stage_name = node->name,
        .input = &node->input,
        .from = node->from,
        .to = node->to,
        .batch_items = node->batch_items,
        .memory_bytes = check->memory_bytes,
        .concurrency = node->def->concurrency,
        .blocks = node->def->blocks,
        .batch_wish = node->def->batch_items,
        .output_count = node->input.count,
        .output_capacity = capacity,
        .output_open = node->input.open,
    };

    plan.output_fields = ft_arena_zero(arena, capacity, sizeof(ft_field));
    plan.reads = ft_arena_zero(arena, node->input.count + 1, sizeof(bool));
    if (!plan.output_fields || !plan.reads)
        return ft_fail_nomem(err, capacity * sizeof(ft_field));
    if (node->input.count)
        memcpy(plan.output_fields, node->input.fields, node->input.count * sizeof(ft_field));
    bool ok = !node->def->plan || node->def->plan(&plan, node->config, err);
    // What passes by keeps the values that it has.
    for (size_t i = 0; node->when_text && i < node->input.count && i < plan.output_count; i++)
        if (plan.output_fields[i].origin != node->input.fields[i].origin)
            plan.output_fields[i].origin = NULL;
    node->batch_wish = plan.batch_wish;
    node->output = (ft_schema){
        .count = plan.output_count, .fields = plan.output_fields, .open = plan.output_open};
    node->blocks = plan.blocks;
    node->shares = plan.shares;
    node->concurrency = plan.concurrency == FT_CONCURRENCY_ANY && node->def->kind != FT_STAGE_SOURCE
                            ? FT_CONCURRENCY_ANY
                            : FT_CONCURRENCY_ONE;
    reads->reads = plan.reads;
    reads->all = plan.reads_all;
    return ok && check_process(node, err) && check_when(check, node, reads, err);
}

static bool is_uncertain(const checker *check, const ft_plan_node *node)
{
    for (size_t i = 0; i < node->input_count; i++)
        if (check->uncertain[node->inputs[i].node])
            return true;
    return false;
}

static void check_node(checker *check, uint32_t index)
{
    ft_plan_node *node = check->plan->nodes[index];
    const ft_plan_node *other = NULL;
    ft_error err = FT_ERROR_INIT;
    bool quiet = is_uncertain(check, node);

    bool ok = check_inputs(check, node, &other, &err) && type_input(check, node, &other, &err);
    if (quiet)
        node->input.open = true;
    ok = ok && plan_stage(check, node, &check->reads[index], &err);
    if (ok && !ft_schema_of_errors(check->plan->arena, &node->input, &node->errors, &err))
        ok = false;
    node->failed = !ok;
    check->uncertain[index] = quiet || !ok;
    bool about_fields = err.number >= NUMBER_FIELDS && err.number <= NUMBER_FIELDS_END;
    if (!ok && !(quiet && about_fields))
        report(check, node, other, &err);
    if (!ok && !check->reads[index].reads)
        check->reads[index].reads =
            ft_arena_zero(check->plan->arena, node->input.count + 1, sizeof(bool));
}

static bool allocate(checker *check, ft_error *err)
{
    ft_plan *plan = check->plan;
    size_t count = plan->node_count ? plan->node_count : 1;

    check->order = ft_arena_zero(plan->arena, count, sizeof(*check->order));
    check->uncertain = ft_arena_zero(plan->arena, count, sizeof(*check->uncertain));
    check->reads = ft_arena_zero(plan->arena, count, sizeof(*check->reads));
    if (!check->order || !check->uncertain || !check->reads)
        return ft_fail_nomem(err, count * sizeof(*check->reads));
    return true;
}

// Costly stages want batches that are small enough to be shared out evenly among the cores. Behind
// all stages' `plan`, which may change the wish.
static void pass_wishes_up(const checker *check)
{
    const ft_plan *plan = check->plan;

    for (size_t i = plan->node_count; i-- > 0;) {
        const ft_plan_node *node = plan->nodes[check->order[i]];
        for (size_t j = 0; j < node->input_count && node->batch_wish; j++) {
            ft_plan_node *above = plan->nodes[node->inputs[j].node];
            if (above->batch_wish == 0 || above->batch_wish > node->batch_wish)
                above->batch_wish = node->batch_wish;
        }
    }
}

bool ft_plan_check(ft_plan *plan, ft_plan_report *report_fault, void *host)
{
    checker check = {.plan = plan, .report = report_fault, .host = host};
    ft_error err = FT_ERROR_INIT;

    check.memory_bytes = ft_memory_limit_of(&plan->run);
    if (!add_hidden(&check, &err) || !allocate(&check, &err)) {
        report(&check, plan->node_count ? plan->nodes[0] : NULL, NULL, &err);
        return false;
    }
    if (!sort_nodes(&check))
        return false;
    check_readers(&check);
    for (size_t i = 0; i < plan->node_count; i++)
        check_node(&check, check.order[i]);
    pass_wishes_up(&check);
    if (!check.faulty && !ft_plan_find_live(plan, check.reads, check.order, &err))
        report(&check, plan->nodes[0], NULL, &err);
    return !check.faulty;
}
