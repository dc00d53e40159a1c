// Stages that do not come back, or late: the rest goes on, in order; they are named; the run ends.
#include "tests/engine/toy_stages.h"

#include <unistd.h>

#include "runtime/log.h"
#include "runtime/system/clock.h"

// ---- a stage that spins at some ids, until it is let go ----

typedef struct {
    int64_t every;            // Spins at ids that are a multiple of it (and not 0).
    int64_t spin_ns;          // For so long; or
    ft_atomic_u32 *released;  // until this is set, when spin_ns is 0.
    ft_atomic_i64 *since_ns;  // When it first began to.
} hog_config;

static void spin(const hog_config *config)
{
    int64_t from = ft_clock_ns(), none = 0;

    if (config->since_ns)
        ft_atomic_cas(config->since_ns, &none, from, FT_RELAXED);
    while (config->spin_ns ? ft_clock_ns() - from < config->spin_ns
                           : !ft_atomic_load(config->released, FT_ACQUIRE))
        continue;
}

static bool hog_process(ft_stage *self, ft_batch **in, ft_error *err)
{
    const hog_config *config = self->config;

    for (size_t i = 0; i < (*in)->count; i++)
        if (toy_id(*in, i) != 0 && toy_id(*in, i) % config->every == 0)
            spin(config);
    return ft_emit(self, ft_take(in), err);
}

static const ft_stage_def hog = {
    .abi = FT_STAGE_ABI,
    .name = "hog",
    .summary = "spin",
    .kind = FT_STAGE_TRANSFORM,
    .concurrency = FT_CONCURRENCY_ANY,
    .config_size = sizeof(hog_config),
    .state_size = 1,
    .plan = toy_scatter_plan,
    .process = hog_process,
};

// ---- the log ----

static ft_atomic_i64 named_ns;
static ft_atomic_u32 named;
static char named_line[600];

static void on_log(void *host, ft_log_level level, const char *from, const char *line)
{
    int64_t none = 0;

    (void)host;
    if (level != FT_LOG_WARN || strncmp(from, "hog", 3) != 0)
        return;
    if (ft_atomic_cas(&named_ns, &none, ft_clock_ns(), FT_RELAXED))
        snprintf(named_line, sizeof(named_line), "%s", line);
    ft_atomic_add(&named, 1, FT_RELEASE);
}

static void listen(void)
{
    ft_atomic_store(&named_ns, 0, FT_RELAXED);
    ft_atomic_store(&named, 0, FT_RELAXED);
    ft_log_install(on_log, NULL, FT_LOG_WARN);
}

static const int64_t thread_counts[] = {1, 2, 3, 8};

// Turns that come back late are taken in: all items, in order, each once.
TEST(what_comes_back_is_in_order)
{
    for (size_t i = 0; i < FT_COUNT_OF(thread_counts); i++) {
        toy t;
        toy_count_config *source;
        hog_config *slow;
        toy_record_config *sink;
        toy_record got = {0};

        listen();
        toy_init(&t, thread_counts[i]);
        toy_add(&t, &toy_count, -1, &source);
        toy_add(&t, &hog, 0, &slow);
        toy_add(&t, &toy_recorder, 1, &sink);
        *source = (toy_count_config){.items = 3000, .batch_most = 10, .seed = 3};
        *slow = (hog_config){.every = 1000, .spin_ns = 120 * 1000000};
        sink->record = &got;
        check_ok(toy_run(&t), &t.err);
        check_int_eq(got.count, 3000);
        for (int64_t j = 0; j < 3000; j++)
            check_int_eq(got.ids[j], j);
        toy_check_accounts(&t);
        toy_finish(&t);
        toy_record_finish(&got);
    }
    ft_log_install(NULL, NULL, FT_LOG_ERROR);
}

// One thread, a stage that is let go only when the other branch has written all: without somebody
// in the place of the thread the run would never end.
typedef struct {
    ft_atomic_u32 released;
    toy_record got;
} other_branch;
static other_branch *other;

static bool other_process(ft_stage *self, ft_batch **in, ft_error *err)
{
    (void)self;
    for (size_t i = 0; i < (*in)->count; i++)
        if (!toy_record_add(&other->got, toy_id(*in, i), err))
            return false;
    if (other->got.count == 20000)
        ft_atomic_store(&other->released, 1, FT_RELEASE);
    return true;
}

static const ft_stage_def other_sink = {
    .abi = FT_STAGE_ABI,
    .name = "other",
    .summary = "record",
    .kind = FT_STAGE_SINK,
    .concurrency = FT_CONCURRENCY_ONE,
    .config_size = 1,
    .state_size = 1,
    .plan = toy_record_plan,
    .process = other_process,
};

// The source `from` and all behind it are honest, however slow the machine is.
static void be_patient(toy *t, int from)
{
    for (size_t i = (size_t)from; i < t->plan->node_count; i++)
        t->plan->nodes[i]->budget_ms = 60000;
}

TEST(the_rest_goes_on)
{
    const size_t rounds = FT_COUNT_OF(thread_counts);
    bool is_placed = false;

    // On a busy machine the thread may not get to say in time where it is: then once more.
    for (size_t i = 0; i < rounds || (!is_placed && i < 10 * rounds); i++) {
        int64_t threads = thread_counts[i % rounds];
        toy t;
        toy_count_config *source, *beside;
        hog_config *endless;
        toy_record_config *sink;
        toy_record got = {0};
        void *none;
        other_branch branch = {0};
        ft_atomic_i64 since = {0};

        listen();
        other = &branch;
        toy_init(&t, threads);
        t.settings.chaos = 0;  // It takes the threads that are needed here.
        toy_add(&t, &toy_count, -1, &source);
        toy_add(&t, &hog, 0, &endless);
        toy_add(&t, &toy_recorder, 1, &sink);
        int at = toy_add(&t, &toy_count, -1, &beside);
        toy_add(&t, &other_sink, at, &none);
        be_patient(&t, at);
        *source = (toy_count_config){.items = 20, .batch_most = 10, .seed = 3};
        *beside = (toy_count_config){.items = 20000, .batch_most = 10, .seed = 4};
        *endless = (hog_config){.every = 1, .released = &branch.released, .since_ns = &since};
        sink->record = &got;
        check_ok(toy_run(&t), &t.err);
        check_int_eq(got.count, 20);
        check_int_eq(branch.got.count, 20000);
        toy_check_accounts(&t);
        if (threads == 1) {
            check_true(ft_atomic_load(&named, FT_ACQUIRE) > 0);
            printf("named after %.1f ms: %s\n",
                   (double)(ft_atomic_load(&named_ns, FT_RELAXED) -
                            ft_atomic_load(&since, FT_RELAXED)) /
                       1e6,
                   named_line);
            is_placed = is_placed || strstr(named_line, "item ") != NULL;
        }
        toy_finish(&t);
        toy_record_finish(&got);
        toy_record_finish(&branch.got);
    }
    check_true(is_placed);
    ft_log_install(NULL, NULL, FT_LOG_ERROR);
}

// ---- the other functions of a stage ----

// Spins in one of them until it is let go.
typedef enum { IN_OPEN, IN_FLUSH, IN_COMMIT } where;
typedef struct {
    where at;
    bool (*is_over)(void);
} stuck_config;
static ft_atomic_i64 stuck_since_ns;

static void stick(const ft_stage *self, where at)
{
    const stuck_config *config = self->config;
    int64_t none = 0;

    if (config->at != at)
        return;
    ft_atomic_cas(&stuck_since_ns, &none, ft_clock_ns(), FT_RELAXED);
    while (!config->is_over())
        continue;
}

static bool stuck_open(ft_stage *self, ft_error *err)
{
    (void)err;
    stick(self, IN_OPEN);
    return true;
}

static bool stuck_pass(ft_stage *self, ft_batch **in, ft_error *err)
{
    return ft_emit(self, ft_take(in), err);
}

static bool stuck_flush(ft_stage *self, ft_error *err)
{
    (void)err;
    stick(self, IN_FLUSH);
    return true;
}

static bool stuck_drop(ft_stage *self, ft_batch **in, ft_error *err)
{
    (void)self, (void)in, (void)err;
    return true;
}

static bool stuck_commit(ft_stage *self, ft_error *err)
{
    (void)err;
    stick(self, IN_COMMIT);
    return true;
}

static const ft_stage_def stuck = {
    .abi = FT_STAGE_ABI,
    .name = "hog",
    .summary = "spin",
    .kind = FT_STAGE_TRANSFORM,
    .concurrency = FT_CONCURRENCY_ANY,
    .config_size = sizeof(stuck_config),
    .state_size = 1,
    .plan = toy_scatter_plan,
    .open = stuck_open,
    .process = stuck_pass,
    .flush = stuck_flush,
};

static const ft_stage_def stuck_sink = {
    .abi = FT_STAGE_ABI,
    .name = "hog",
    .summary = "spin",
    .kind = FT_STAGE_SINK,
    .concurrency = FT_CONCURRENCY_ONE,
    .config_size = sizeof(stuck_config),
    .state_size = 1,
    .plan = toy_record_plan,
    .open = stuck_open,
    .process = stuck_drop,
    .commit = stuck_commit,
};

static bool is_other_branch_done(void)
{
    return ft_atomic_load(&other->released, FT_ACQUIRE) != 0;
}

static void check_named(const char *call)
{
    check_true(ft_atomic_load(&named, FT_ACQUIRE) > 0);
    printf("named after %.1f ms: %s\n",
           (double)(ft_atomic_load(&named_ns, FT_RELAXED) -
                    ft_atomic_load(&stuck_since_ns, FT_RELAXED)) /
               1e6,
           named_line);
    check_true(strstr(named_line, call) != NULL);
}

// As the_rest_goes_on, for a stage that does not come back from `open` or `flush`.
static void rest_goes_on(where at, int64_t threads, bool capped)
{
    toy t;
    toy_count_config *source, *beside;
    stuck_config *config;
    toy_record_config *sink;
    toy_record got = {0};
    void *none;
    other_branch branch = {0};

    listen();
    ft_atomic_store(&stuck_since_ns, 0, FT_RELAXED);
    other = &branch;
    toy_init(&t, threads);
    t.settings.chaos = 0;  // It takes the threads that are needed here.
    toy_add(&t, &toy_count, -1, &source);
    toy_add(&t, &stuck, 0, &config);
    toy_add(&t, &toy_recorder, 1, &sink);
    int from = toy_add(&t, &toy_count, -1, &beside);
    toy_add(&t, &other_sink, from, &none);
    be_patient(&t, from);
    t.plan->nodes[1]->workers = capped ? 1 : 0;
    *source = (toy_count_config){.items = 20, .batch_most = 10, .seed = 3};
    *beside = (toy_count_config){.items = 20000, .batch_most = 10, .seed = 4};
    *config = (stuck_config){.at = at, .is_over = is_other_branch_done};
    sink->record = &got;
    check_ok(toy_run(&t), &t.err);
    check_int_eq(got.count, 20);
    check_int_eq(branch.got.count, 20000);
    toy_check_accounts(&t);
    if (threads == 1) {
        check_named(at == IN_OPEN ? "from `open`" : "from `flush`");
        check_true(t.stats.stages[1].runaways >= 1);  // Whoever comes next opens its own.
    }
    toy_finish(&t);
    toy_record_finish(&got);
    toy_record_finish(&branch.got);
    ft_log_install(NULL, NULL, FT_LOG_ERROR);
}

TEST(open_and_flush_are_left_behind)
{
    for (size_t i = 0; i < FT_COUNT_OF(thread_counts); i++)
        for (int capped = 0; capped < 2; capped++) {
            rest_goes_on(IN_OPEN, thread_counts[i], capped);
            rest_goes_on(IN_FLUSH, thread_counts[i], capped);
        }
}

static bool is_named(void)
{
    return ft_atomic_load(&named, FT_ACQUIRE) > 0;
}

// Nobody can take the place of the thread that waits for the run: it opens the ends of a pipeline,
// and commits. Only when the stage has been named does it go on here.
TEST(the_callers_own_stages_are_named)
{
    for (int i = 0; i < 2; i++) {
        toy t;
        toy_count_config *source;
        stuck_config *config;

        listen();
        ft_atomic_store(&stuck_since_ns, 0, FT_RELAXED);
        toy_init(&t, 2);
        toy_add(&t, &toy_count, -1, &source);
        toy_add(&t, &stuck_sink, 0, &config);
        *source = (toy_count_config){.items = 20, .batch_most = 10, .seed = 3};
        *config = (stuck_config){.at = i ? IN_COMMIT : IN_OPEN, .is_over = is_named};
        check_ok(toy_run(&t), &t.err);
        check_named(i ? "from `commit`" : "from `open`");
        check_true(strstr(named_line, "the run waits for it") != NULL);
        check_int_eq(ft_atomic_load(&named, FT_ACQUIRE), 1);
        toy_finish(&t);
    }
    ft_log_install(NULL, NULL, FT_LOG_ERROR);
}

// `on_runaway: fail`, and no item is to blame.
static ft_atomic_u32 has_failed;

static bool is_failed(void)
{
    return ft_atomic_load(&has_failed, FT_ACQUIRE) != 0;
}

static void on_failure(void *host, ft_log_level level, const char *from, const char *line)
{
    on_log(host, level, from, line);
    // The thread comes back at the end of the run, which waits for it.
    if (is_named())
        ft_atomic_store(&has_failed, 1, FT_RELEASE);
}

TEST(a_flush_that_may_not_be_left_fails_the_run)
{
    toy t;
    toy_count_config *source;
    stuck_config *config;
    toy_record_config *sink;
    toy_record got = {0};

    listen();
    ft_log_install(on_failure, NULL, FT_LOG_WARN);
    toy_init(&t, 1);
    t.settings.chaos = 0;
    toy_add(&t, &toy_count, -1, &source);
    toy_add(&t, &stuck, 0, &config);
    toy_add(&t, &toy_recorder, 1, &sink);
    t.plan->nodes[1]->on_runaway = FT_ON_RUNAWAY_FAIL;
    *source = (toy_count_config){.items = 20, .batch_most = 10, .seed = 3};
    *config = (stuck_config){.at = IN_FLUSH, .is_over = is_failed};
    sink->record = &got;
    check_true(!toy_run(&t));
    check_true(strstr(t.err.message, "has not come back from `flush`") != NULL);
    check_true(t.failed_node && strcmp(t.failed_node->name, "hog_1") == 0);
    toy_finish(&t);
    toy_record_finish(&got);
    ft_log_install(NULL, NULL, FT_LOG_ERROR);
}

// A mode to compare with; no result changes.
TEST(global_lock)
{
    for (size_t i = 0; i < FT_COUNT_OF(thread_counts); i++)
        for (int blocking = 0; blocking < 2; blocking++) {
            toy t;
            toy_count_config *source;
            toy_scatter_config *work;
            toy_record_config *sink;
            toy_record got = {0};

            toy_init(&t, thread_counts[i]);
            t.settings.chaos = 0;
            t.settings.global_lock = true;
            toy_add(&t, blocking ? &toy_count_blocking : &toy_count, -1, &source);
            toy_add(&t, &toy_scatter, 0, &work);
            toy_add(&t, &toy_recorder, 1, &sink);
            *source = (toy_count_config){.items = 20000, .batch_most = 10, .seed = 3};
            work->spin = 200;
            sink->record = &got;
            check_ok(toy_run(&t), &t.err);
            check_int_eq(got.count, 20000);
            for (int64_t j = 0; j < 20000; j++)
                check_int_eq(got.ids[j], j);
            toy_check_accounts(&t);
            toy_finish(&t);
            toy_record_finish(&got);
        }
}

// `on_runaway: fail`: the items have failed at once, and what comes behind them goes on in order;
// what the stage gives later is not wanted any more.
TEST(failed_items_close_their_place)
{
    for (size_t i = 0; i < FT_COUNT_OF(thread_counts); i++)
        for (int capped = 0; capped < 2; capped++) {
            toy t;
            toy_count_config *source;
            hog_config *slow;
            toy_record_config *sink;
            toy_record got = {0};

            listen();
            toy_init(&t, thread_counts[i]);
            t.settings.chaos = 0;
            toy_add(&t, &toy_count, -1, &source);
            toy_add(&t, &hog, 0, &slow);
            toy_add(&t, &toy_recorder, 1, &sink);
            t.plan->nodes[1]->on_runaway = FT_ON_RUNAWAY_FAIL;
            t.plan->nodes[1]->on_error = FT_ON_ERROR_SKIP;
            t.plan->nodes[1]->workers = capped ? 2 : 0;
            *source = (toy_count_config){.items = 40000, .batch_most = 10, .seed = 3};
            *slow = (hog_config){.every = 15000, .spin_ns = 1500 * INT64_C(1000000)};
            sink->record = &got;
            check_ok(toy_run(&t), &t.err);
            check_int_eq(t.stats.items_read, 40000);
            check_int_eq(t.stats.items_read,
                         t.stats.items_written + t.stats.items_failed + t.stats.items_dropped);
            check_true(t.stats.items_failed > 0);
            check_int_eq(got.count, 40000 - (int64_t)t.stats.items_failed);
            for (size_t j = 1; j < got.count; j++)
                check_true(got.ids[j] > got.ids[j - 1]);
            for (size_t j = 0; j < got.count; j++)
                check_true(got.ids[j] != 15000 && got.ids[j] != 30000);
            check_int_eq(t.stats.stages[1].runaways, 2);
            if (!ft_run_is_abandoned(t.run)) {
                toy_check_accounts(&t);
                toy_finish(&t);
            } else {
                ft_run_destroy(t.run);
            }
            toy_record_finish(&got);
        }
    ft_log_install(NULL, NULL, FT_LOG_ERROR);
}

// Never comes back: the run ends all the same, says which stage it was, and keeps what the thread
// uses. Last, as the thread spins on until the program ends.
static ft_atomic_u32 never;

TEST(an_endless_stage_ends_the_run)
{
    toy t;
    toy_count_config *source;
    hog_config *endless;
    toy_record_config *sink;
    static toy_record got;

    listen();
    toy_init(&t, 2);
    t.settings.grace_ms = 100;
    toy_add(&t, &toy_count, -1, &source);
    toy_add(&t, &hog, 0, &endless);
    toy_add(&t, &toy_recorder, 1, &sink);
    *source = (toy_count_config){.items = 3000, .batch_most = 10, .seed = 3};
    *endless = (hog_config){.every = 1500, .released = &never};
    sink->record = &got;
    check_true(!toy_run(&t));
    check_true(t.failed_node && strcmp(t.failed_node->name, "hog_1") == 0);
    check_true(strstr(t.err.message, "has not come back") != NULL);
    check_true(ft_run_is_abandoned(t.run));
    check_int_eq(t.stats.items_read, t.stats.items_written + t.stats.items_dropped +
                                         t.stats.items_failed + t.stats.items_unfinished);
    check_true(t.stats.stages[1].runaways == 1);
    ft_run_destroy(t.run);
    ft_log_install(NULL, NULL, FT_LOG_ERROR);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
