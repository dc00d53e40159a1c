// run.memory: the limit is never passed, nothing waits for ever, and an item that is too big fails
// alone.
#include "tests/engine/toy_stages.h"

enum { MIB = 1 << 20 };

static const int64_t thread_counts[] = {1, 2, 3, 8};

typedef struct {
    toy t;
    toy_count_config *source;
    toy_scatter_config *work;
    toy_record_config *sink;
    toy_record got;
} line;

static void line_init(line *l, int64_t threads, const ft_stage_def *work, const ft_stage_def *sink)
{
    memset(l, 0, sizeof(*l));
    toy_init(&l->t, threads);
    l->t.plan->run.memory_bytes = 16 * MIB;
    int at = toy_add(&l->t, &toy_count, -1, &l->source);
    at = toy_add(&l->t, work, at, &l->work);
    toy_add(&l->t, sink, at, &l->sink);
    l->sink->record = &l->got;
}

static void line_finish(line *l)
{
    toy_finish(&l->t);
    toy_record_finish(&l->got);
}

static void check_ids(const toy_record *got, int64_t items, int64_t but)
{
    size_t at = 0;

    check_int_eq(got->count, but >= 0 ? items - 1 : items);
    for (int64_t id = 0; id < items; id++)
        if (id != but)
            check_int_eq(got->ids[at++], id);
}

// Twelve times the limit goes through a slow sink.
TEST(slow_sink_with_little_memory)
{
    for (size_t i = 0; i < FT_COUNT_OF(thread_counts); i++)
        for (int any = 0; any < 2; any++) {
            line l;
            line_init(&l, thread_counts[i], &toy_scatter,
                      i % 2 ? &toy_recorder : &toy_recorder_blocking);
            l.t.plan->run.order_any = any;
            *l.source =
                (toy_count_config){.items = 1000, .batch_most = 4, .text_bytes = 200 * 1024};
            l.sink->spin = 2000;
            check_ok(toy_run(&l.t), &l.t.err);
            check_int_eq(l.got.count, 1000);
            if (!any)
                check_ids(&l.got, 1000, -1);
            toy_check_accounts(&l.t);
            line_finish(&l);
        }
}

// Every turn wants so much that only some fit side by side.
TEST(greedy_turns_wait_for_each_other)
{
    for (size_t i = 0; i < FT_COUNT_OF(thread_counts); i++)
        for (int one = 0; one < 2; one++) {
            line l;
            line_init(&l, thread_counts[i], one ? &toy_scatter_one : &toy_scatter, &toy_recorder);
            *l.source = (toy_count_config){.items = 300, .batch_most = 2, .text_bytes = 1000};
            l.work->hold_bytes = 5 * MIB;  // Two items of a batch: 10 MiB of 16.
            l.work->spin = 10000;
            check_ok(toy_run(&l.t), &l.t.err);
            check_ids(&l.got, 300, -1);
            toy_check_accounts(&l.t);
            line_finish(&l);
        }
}

// A batch of items that do not fit together is cut; one that does not fit at all fails alone.
TEST(batch_is_split_when_it_does_not_fit)
{
    for (size_t i = 0; i < FT_COUNT_OF(thread_counts); i++) {
        line l;
        line_init(&l, thread_counts[i], &toy_scatter, &toy_recorder);
        *l.source =
            (toy_count_config){.items = 200, .batch_most = 16, .text_bytes = 100 * 1024, .seed = 4};
        l.work->hold_bytes = 3 * MIB;
        check_ok(toy_run(&l.t), &l.t.err);
        check_ids(&l.got, 200, -1);
        toy_check_accounts(&l.t);
        line_finish(&l);
    }
}

static void run_huge(int64_t threads, int64_t huge_bytes, bool blocking)
{
    line l;

    line_init(&l, threads, &toy_scatter, blocking ? &toy_recorder_blocking : &toy_recorder);
    if (blocking) {
        l.t.plan->nodes[0]->def = &toy_count_blocking;
        l.t.plan->nodes[0]->blocks = true;
    }
    *l.source = (toy_count_config){.items = 400,
                                   .batch_most = 1,
                                   .text_bytes = 40 * 1024,
                                   .seed = 9,
                                   .huge_id = 150,
                                   .huge_bytes = huge_bytes};
    check_ok(toy_run(&l.t), &l.t.err);
    check_ids(&l.got, 400, -1);
    toy_check_accounts(&l.t);
    check_true(l.t.stats.memory_peak_bytes >= huge_bytes);
    line_finish(&l);
}

// One item of more than half of the memory among small ones goes through.
TEST(huge_item_passes)
{
    for (size_t i = 0; i < FT_COUNT_OF(thread_counts); i++) {
        run_huge(thread_counts[i], 9 * MIB, false);
        run_huge(thread_counts[i], 9 * MIB, true);
    }
}

// A stage that wants more for one item than there is: that item fails, the others do not.
TEST(item_too_big_fails_alone)
{
    for (size_t i = 0; i < FT_COUNT_OF(thread_counts); i++)
        for (int one = 0; one < 2; one++) {
            line l;
            line_init(&l, thread_counts[i], one ? &toy_scatter_one : &toy_scatter, &toy_recorder);
            l.t.plan->nodes[1]->on_error = FT_ON_ERROR_SKIP;
            // hold_bytes is for each item, so all are too big; used is past the share at which
            // batches are kept.
            *l.source = (toy_count_config){
                .items = 40, .batch_most = one ? 1 : 8, .text_bytes = 600 * 1024};
            l.work->hold_bytes = 16 * MIB;
            check_ok(toy_run(&l.t), &l.t.err);
            check_int_eq(l.got.count, 0);
            check_int_eq(l.t.stats.items_failed, 40);
            toy_check_accounts(&l.t);
            line_finish(&l);
        }
}

TEST(too_little_memory_is_refused)
{
    line l;

    line_init(&l, 2, &toy_scatter, &toy_recorder);
    l.t.plan->run.memory_bytes = MIB;
    check_fails(toy_run(&l.t), &l.t.err, FT_ERROR_USAGE);
    check_contains(l.t.err.message, "16 MiB");
    line_finish(&l);
}

// Two branches that want much meet again in front of one sink.
TEST(merge_with_little_memory)
{
    for (size_t i = 0; i < FT_COUNT_OF(thread_counts); i++) {
        toy t;
        toy_count_config *source;
        toy_scatter_config *left, *right;
        toy_record_config *sink;
        toy_record got = {0};

        toy_init(&t, thread_counts[i]);
        t.plan->run.memory_bytes = 16 * MIB;
        toy_add(&t, &toy_count, -1, &source);
        toy_add(&t, &toy_scatter, 0, &left);
        toy_add(&t, &toy_scatter, 0, &right);
        int at = toy_add(&t, &toy_recorder, 1, &sink);
        toy_link(&t, at, 2, FT_PORT_MAIN);
        sink->record = &got;
        *source = (toy_count_config){.items = 200, .batch_most = 1, .text_bytes = 300 * 1024};
        left->hold_bytes = 4 * MIB;
        left->spin = 50000;
        right->hold_bytes = 6 * MIB;
        check_ok(toy_run(&t), &t.err);
        check_int_eq(got.count, 400);
        for (size_t j = 0; j < got.count; j++)
            check_int_eq(got.ids[j], j / 2);
        toy_check_accounts(&t);
        toy_finish(&t);
        toy_record_finish(&got);
    }
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
