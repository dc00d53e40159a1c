// How a run ends before its source does: limit, enough, cancel, timeout.
#include "tests/engine/toy_stages.h"

#include "runtime/system/thread.h"

static const int64_t thread_counts[] = {1, 2, 3, 8};

typedef struct {
    toy t;
    toy_count_config *source;
    toy_scatter_config *work;
    toy_record_config *sink;
    toy_record got;
} line;

static void line_init(line *l, int64_t threads, bool blocking)
{
    memset(l, 0, sizeof(*l));
    toy_init(&l->t, threads);
    int at = toy_add(&l->t, blocking ? &toy_count_blocking : &toy_count, -1, &l->source);
    at = toy_add(&l->t, &toy_scatter, at, &l->work);
    toy_add(&l->t, blocking ? &toy_recorder_blocking : &toy_recorder, at, &l->sink);
    l->sink->record = &l->got;
    *l->source = (toy_count_config){.items = -1, .batch_most = 10, .seed = 5};
}

static void line_finish(line *l)
{
    toy_finish(&l->t);
    toy_record_finish(&l->got);
}

static void check_counts_up(const toy_record *got, int64_t items)
{
    check_int_eq(got->count, items);
    for (int64_t i = 0; i < items; i++)
        check_int_eq(got->ids[i], i);
}

TEST(limit_stops_an_endless_source)
{
    for (size_t i = 0; i < FT_COUNT_OF(thread_counts); i++)
        for (int blocking = 0; blocking < 2; blocking++) {
            line l;
            line_init(&l, thread_counts[i], blocking);
            l.t.settings.limit_items = 777;
            check_ok(toy_run(&l.t), &l.t.err);
            check_int_eq(l.t.stats.items_read, 777);
            check_counts_up(&l.got, 777);
            check_int_eq(l.got.commits, 1);
            toy_check_accounts(&l.t);
            line_finish(&l);
        }
}

// The limit is each source's own.
TEST(limit_of_two_sources)
{
    for (size_t i = 0; i < FT_COUNT_OF(thread_counts); i++) {
        toy t;
        toy_count_config *first, *second;
        toy_record_config *sink;
        toy_record got = {0};

        toy_init(&t, thread_counts[i]);
        t.settings.limit_items = 50;
        toy_add(&t, &toy_count, -1, &first);
        toy_add(&t, &toy_count, -1, &second);
        int at = toy_add(&t, &toy_recorder, 0, &sink);
        toy_link(&t, at, 1, FT_PORT_MAIN);
        *first = (toy_count_config){.items = -1};
        *second = (toy_count_config){.items = -1, .first_id = 50};
        sink->record = &got;
        check_ok(toy_run(&t), &t.err);
        check_counts_up(&got, 100);
        toy_check_accounts(&t);
        toy_finish(&t);
        toy_record_finish(&got);
    }
}

TEST(enough_stops_an_endless_source)
{
    for (size_t i = 0; i < FT_COUNT_OF(thread_counts); i++) {
        toy t;
        toy_count_config *source;
        toy_scatter_config *work;
        toy_first_config *first;
        toy_record_config *sink;
        toy_record got = {0};

        toy_init(&t, thread_counts[i]);
        toy_add(&t, &toy_count, -1, &source);
        toy_add(&t, &toy_scatter, 0, &work);
        toy_add(&t, &toy_first, 1, &first);
        toy_add(&t, &toy_recorder, 2, &sink);
        *source = (toy_count_config){.items = -1, .batch_most = 10};
        first->most = 123;
        sink->record = &got;
        check_ok(toy_run(&t), &t.err);
        check_counts_up(&got, 123);
        toy_check_accounts(&t);
        toy_finish(&t);
        toy_record_finish(&got);
    }
}

// Another reader of the source has not had enough: it gets everything.
TEST(enough_of_one_branch_stops_nothing)
{
    toy t;
    toy_count_config *source;
    toy_first_config *first;
    toy_record_config *sink, *all;
    toy_record got = {0}, got_all = {0};

    toy_init(&t, 2);
    toy_add(&t, &toy_count, -1, &source);
    toy_add(&t, &toy_first, 0, &first);
    toy_add(&t, &toy_recorder, 1, &sink);
    toy_add(&t, &toy_recorder, 0, &all);
    *source = (toy_count_config){.items = 3000, .batch_most = 10};
    first->most = 5;
    sink->record = &got;
    all->record = &got_all;
    check_ok(toy_run(&t), &t.err);
    check_counts_up(&got, 5);
    check_counts_up(&got_all, 3000);
    toy_check_accounts(&t);
    toy_finish(&t);
    toy_record_finish(&got);
    toy_record_finish(&got_all);
}

// ---- cancel ----

typedef struct {
    line *l;
    int times;
    uint64_t after_items;
} canceller;

// Cancels once enough items have come in, from another thread, as Ctrl-C does.
static void cancel_later(void *host)
{
    canceller *c = host;
    ft_run_stats stats;

    do
        ft_run_get_stats(c->l->t.run, &stats);
    while (stats.items_read < c->after_items);
    for (int i = 0; i < c->times; i++)
        ft_run_cancel(c->l->t.run);
}

static void run_cancelled(int64_t threads, int times, bool blocking)
{
    line l;
    canceller c = {&l, times, 2000};
    ft_thread thread;

    line_init(&l, threads, blocking);
    l.sink->spin = 100;
    check_true(toy_check(&l.t));
    l.t.run = ft_run_create(l.t.plan, &l.t.settings, NULL, &l.t.err);
    check_true(l.t.run != NULL);
    check_ok(ft_thread_start(&thread, "cancel", cancel_later, &c, &l.t.err), &l.t.err);
    check_fails(ft_run_wait(l.t.run, NULL, &l.t.err), &l.t.err, FT_ERROR_CANCELLED);
    ft_thread_join(&thread);
    ft_run_get_stats(l.t.run, &l.t.stats);
    if (times == 1) {
        check_int_eq(l.got.commits, 1);
        check_counts_up(&l.got, (int64_t)l.t.stats.items_read);
    } else {
        // The second one may come when the drain that the first one began is over already.
        check_true(l.got.commits == 0 || l.got.count == l.t.stats.items_read);
        check_counts_up(&l.got, (int64_t)l.got.count);
    }
    check_int_eq(l.got.closes, 1);
    toy_check_accounts(&l.t);
    line_finish(&l);
}

TEST(first_cancel_drains)
{
    for (size_t i = 0; i < FT_COUNT_OF(thread_counts); i++) {
        run_cancelled(thread_counts[i], 1, false);
        run_cancelled(thread_counts[i], 1, true);
    }
}

TEST(second_cancel_stops_at_once)
{
    for (size_t i = 0; i < FT_COUNT_OF(thread_counts); i++) {
        run_cancelled(thread_counts[i], 2, false);
        run_cancelled(thread_counts[i], 2, true);
    }
}

TEST(timeout_stops_at_once)
{
    line l;

    line_init(&l, 2, false);
    l.t.plan->run.timeout_ms = 30;
    check_fails(toy_run(&l.t), &l.t.err, FT_ERROR_LIMIT);
    check_contains(l.t.err.message, "longer than 30 ms");
    check_int_eq(l.got.commits, 0);
    toy_check_accounts(&l.t);
    line_finish(&l);
}

// A cancel before the run begins.
TEST(cancel_before_the_start)
{
    line l;

    line_init(&l, 2, false);
    check_true(toy_check(&l.t));
    l.t.run = ft_run_create(l.t.plan, &l.t.settings, NULL, &l.t.err);
    ft_run_cancel(l.t.run);
    check_fails(ft_run_wait(l.t.run, NULL, &l.t.err), &l.t.err, FT_ERROR_CANCELLED);
    ft_run_get_stats(l.t.run, &l.t.stats);
    check_int_eq(l.got.commits, 1);
    toy_check_accounts(&l.t);
    line_finish(&l);
}

// A run that was made and never started leaks nothing.
TEST(create_and_destroy)
{
    line l;

    line_init(&l, 4, false);
    check_true(toy_check(&l.t));
    l.t.run = ft_run_create(l.t.plan, &l.t.settings, NULL, &l.t.err);
    check_true(l.t.run != NULL);
    line_finish(&l);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
