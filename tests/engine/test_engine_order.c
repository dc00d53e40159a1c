// Order, fan-out and merges: what comes out, and in which order, at several thread counts.
#include "tests/engine/toy_stages.h"

static const int64_t thread_counts[] = {1, 2, 3, 8};

static void append_fate(toy_record *want, const toy_scatter_config *config, int64_t id)
{
    ft_error err = FT_ERROR_INIT;
    toy_fate fate = toy_fate_of(config, id);

    if (fate == TOY_KEEP || fate == TOY_TWICE)
        check_true(toy_record_add(want, id, &err));
    if (fate == TOY_TWICE)
        check_true(toy_record_add(want, id, &err));
}

static void check_same(const toy_record *got, const toy_record *want)
{
    check_int_eq(got->count, want->count);
    for (size_t i = 0; i < want->count; i++)
        check_int_eq(got->ids[i], want->ids[i]);
}

static int compare_ids(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

static void sort_ids(toy_record *record)
{
    if (record->count)
        qsort(record->ids, record->count, sizeof(*record->ids), compare_ids);
}

static void run_linear(int64_t threads, bool any, bool blocking, int64_t items)
{
    toy t;
    toy_count_config *source;
    toy_scatter_config *first, *second;
    toy_record_config *sink;
    toy_record got = {0}, want = {0};

    toy_init(&t, threads);
    t.plan->run.order_any = any;
    int at = toy_add(&t, blocking ? &toy_count_blocking : &toy_count, -1, &source);
    at = toy_add(&t, &toy_scatter, at, &first);
    at = toy_add(&t, blocking ? &toy_scatter_blocking : &toy_scatter_one, at, &second);
    toy_add(&t, blocking ? &toy_recorder_blocking : &toy_recorder, at, &sink);
    *source = (toy_count_config){.items = items, .batch_most = 9, .seed = 3};
    *first = (toy_scatter_config){.seed = 1, .drop = 100, .twice = 100};
    *second = (toy_scatter_config){.seed = 2, .drop = 50};
    sink->record = &got;
    check_ok(toy_run(&t), &t.err);
    for (int64_t id = 0; id < items; id++) {
        toy_record once = {0};
        append_fate(&once, first, id);
        for (size_t i = 0; i < once.count; i++)
            append_fate(&want, second, id);
        toy_record_finish(&once);
    }
    if (any)
        sort_ids(&got);
    check_same(&got, &want);
    check_int_eq(got.commits, 1);
    check_int_eq(got.closes, 1);
    check_int_eq(t.stats.items_read, items);
    toy_check_accounts(&t);
    toy_finish(&t);
    toy_record_finish(&got);
    toy_record_finish(&want);
}

TEST(order_linear)
{
    for (size_t i = 0; i < FT_COUNT_OF(thread_counts); i++) {
        run_linear(thread_counts[i], false, false, 5000);
        run_linear(thread_counts[i], true, false, 5000);
        run_linear(thread_counts[i], false, true, 500);
        run_linear(thread_counts[i], false, false, 0);
    }
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
