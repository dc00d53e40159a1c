// Every allocation of a run fails once: no crash, no leak, no hang, code NOMEM.
#include "tests/engine/toy_stages.h"

// Two branches with conditions, errors and an absorbing stage, merged again.
static bool run_once(int64_t threads, bool blocking, ft_error *err)
{
    toy t;
    toy_count_config *source;
    toy_scatter_config *left, *right;
    toy_record_config *sink, *errors, *total;
    toy_record got = {0}, bad = {0}, sum = {0};
    void *unused;
    bool ok = false;

    memset(&t, 0, sizeof(t));
    t.plan = ft_plan_create(&t.err);
    if (t.plan) {
        t.plan->run.threads = threads;
        t.plan->run.memory_bytes = 64 << 20;
        const struct {
            const ft_stage_def *def;
            int from, port;
            void *config;
        } parts[] = {
            {blocking ? &toy_count_blocking : &toy_count, -1, 0, &source},
            {&toy_scatter, 0, 0, &left},
            {blocking ? &toy_scatter_blocking : &toy_scatter_one, 0, 0, &right},
            {blocking ? &toy_recorder_blocking : &toy_recorder, 1, 0, &sink},
            {&toy_recorder, 1, FT_PORT_ERRORS, &errors},
            {&toy_sum, 2, 0, &unused},
            {&toy_recorder, 5, 0, &total},
        };
        ok = true;
        for (size_t i = 0; ok && i < FT_COUNT_OF(parts); i++) {
            ft_plan_node *node = ft_plan_add_node(t.plan, parts[i].def, "x", &t.err);
            ok =
                node && (parts[i].from < 0 || ft_plan_connect(t.plan, node, (uint32_t)parts[i].from,
                                                              (uint32_t)parts[i].port, &t.err));
            if (ok)
                memcpy(parts[i].config, &node->config, sizeof(void *));
        }
        ok = ok && ft_plan_connect(t.plan, t.plan->nodes[3], 2, FT_PORT_MAIN, &t.err);
    }
    if (ok) {
        *source = (toy_count_config){.items = 30, .batch_most = 6, .text_bytes = 10};
        *left = (toy_scatter_config){.fail = 200, .twice = 100};
        t.plan->nodes[1]->when_text = "id % 3 ~= 0";
        sink->record = &got;
        errors->record = &bad;
        total->record = &sum;
        ok = toy_run(&t);
        if (t.run)
            toy_check_accounts(&t);
    }
    *err = t.err;
    ft_run_destroy(t.run);
    ft_plan_destroy(t.plan);
    toy_record_finish(&got);
    toy_record_finish(&bad);
    toy_record_finish(&sum);
    return ok;
}

// A run makes about as many allocations as another; a few, such as for one more thread of many, may
// fail unnoticed.
static void fail_each(int64_t threads, bool blocking, bool sticky, uint64_t step)
{
    ft_error err = FT_ERROR_INIT;
    uint64_t before = ft_alloc_get_stats().allocations;

    check_ok(run_once(threads, blocking, &err), &err);
    uint64_t count = ft_alloc_get_stats().allocations - before;
    check_true(count > 200);
    for (uint64_t n = 1; n <= count; n += step) {
        int64_t live = ft_alloc_get_stats().live_blocks;
        err = (ft_error)FT_ERROR_INIT;
        ft_alloc_fail_at(n, sticky);
        bool ok = run_once(threads, blocking, &err);
        ft_alloc_fail_at(0, false);
        if (!ok && err.code != FT_ERROR_NOMEM)
            fprintf(stderr, "at allocation %llu: %s\n", (unsigned long long)n, err.message);
        check_int_eq(err.code, ok ? FT_ERROR_NONE : FT_ERROR_NOMEM);
        check_int_eq(ft_alloc_get_stats().live_blocks, live);
    }
}

TEST(allocation_fails_once)
{
    fail_each(1, false, false, 1);
    fail_each(2, false, false, 1);
    fail_each(2, true, false, 1);
}

TEST(allocation_fails_from_there_on)
{
    fail_each(1, false, true, 3);
    fail_each(3, true, true, 3);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
