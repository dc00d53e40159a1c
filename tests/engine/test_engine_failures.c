// Items that fail, stages that fail, and `when`.
#include "tests/engine/toy_stages.h"

static const int64_t thread_counts[] = {1, 2, 3, 8};

enum { ITEMS = 2000 };

typedef struct {
    toy t;
    toy_count_config *source;
    toy_scatter_config *work;
    toy_record_config *sink;
    toy_record got;
    int errors_told;
    char place[256], text[64];
} line;

static void on_item_error(void *host, const ft_plan_node *node, const char *place, ft_slice text,
                          const ft_error *why)
{
    line *l = host;

    check_true(node != NULL && why->code != FT_ERROR_NONE);
    if (l->errors_told++ == 0) {
        snprintf(l->place, sizeof(l->place), "%s", place);
        snprintf(l->text, sizeof(l->text), "%.*s", (int)text.size, text.data ? text.data : "");
    }
}

static void line_init(line *l, int64_t threads)
{
    memset(l, 0, sizeof(*l));
    toy_init(&l->t, threads);
    l->t.settings.on_item_error = on_item_error;
    l->t.settings.host = l;
    int at = toy_add(&l->t, &toy_count, -1, &l->source);
    at = toy_add(&l->t, &toy_scatter, at, &l->work);
    toy_add(&l->t, &toy_recorder, at, &l->sink);
    l->sink->record = &l->got;
    *l->source = (toy_count_config){.items = ITEMS, .batch_most = 10, .seed = 5};
}

static void line_finish(line *l)
{
    toy_finish(&l->t);
    toy_record_finish(&l->got);
}

static int64_t count_fates(const toy_scatter_config *config, toy_fate fate, int64_t *out_first)
{
    int64_t count = 0;

    for (int64_t id = 0; id < ITEMS; id++)
        if (toy_fate_of(config, id) == fate && count++ == 0)
            *out_first = id;
    return count;
}

TEST(failed_items_are_skipped)
{
    for (size_t i = 0; i < FT_COUNT_OF(thread_counts); i++) {
        line l;
        int64_t first = 0;
        line_init(&l, thread_counts[i]);
        *l.work = (toy_scatter_config){.seed = 3, .fail = 100};
        l.t.plan->nodes[1]->on_error = FT_ON_ERROR_SKIP;
        check_ok(toy_run(&l.t), &l.t.err);
        int64_t failed = count_fates(l.work, TOY_FAIL, &first);
        check_int_eq(l.got.count, ITEMS - failed);
        check_int_eq(l.t.stats.items_failed, failed);
        check_int_eq(l.t.stats.stages[1].items_failed, failed);
        check_int_eq(l.errors_told, failed);
        toy_check_accounts(&l.t);
        line_finish(&l);
    }
}

// Nobody reads the errors: the first failed item, in the order of items, stops the run, at any
// number of threads.
TEST(failed_item_stops_the_run_in_order)
{
    for (size_t i = 0; i < FT_COUNT_OF(thread_counts); i++) {
        line l;
        int64_t first = 0;
        char want[64];
        line_init(&l, thread_counts[i]);
        *l.work = (toy_scatter_config){.seed = 8, .fail = 20, .spin = 200};
        check_fails(toy_run(&l.t), &l.t.err, FT_ERROR_DATA);
        count_fates(l.work, TOY_FAIL, &first);
        snprintf(want, sizeof(want), "item %lld: item %lld is bad", (long long)first + 1,
                 (long long)first);
        check_text_eq(l.t.err.message, want);
        check_true(l.t.failed_node == l.t.plan->nodes[1]);
        check_int_eq(l.got.commits, 0);
        check_int_eq(l.got.closes, 1);
        // All whole batches before it were written, and nothing behind it.
        check_true((int64_t)l.got.count <= first);
        check_true((int64_t)l.got.count > first - 10);
        toy_check_accounts(&l.t);
        line_finish(&l);
    }
}

TEST(too_many_failed_items)
{
    line l;
    int64_t first;

    line_init(&l, 2);
    *l.work = (toy_scatter_config){.seed = 3, .fail = 100};
    l.t.plan->run.max_errors = 20;
    check_fails(toy_run(&l.t), &l.t.err, FT_ERROR_LIMIT);
    check_contains(l.t.err.message, "more than 20 items failed");
    line_finish(&l);

    line_init(&l, 2);
    *l.work = (toy_scatter_config){.seed = 3, .fail = 100};
    l.t.plan->run.max_errors_share = 0.001;
    check_fails(toy_run(&l.t), &l.t.err, FT_ERROR_LIMIT);
    line_finish(&l);

    line_init(&l, 2);
    *l.work = (toy_scatter_config){.seed = 3, .fail = 100};
    l.t.plan->run.max_errors_share = 0.5;
    check_ok(toy_run(&l.t), &l.t.err);
    check_int_eq(l.t.stats.items_failed, count_fates(l.work, TOY_FAIL, &first));
    line_finish(&l);
}

// ---- errors as items ----

typedef struct {
    char *text;
    size_t size;
    int items;
} noted;
typedef struct {
    noted *notes;
} note_config;

static bool note_plan(ft_stage_plan *plan, void *config, ft_error *err)
{
    static const char *const names[] = {"id", "text", "error", "stage", "place", "code"};
    size_t at;

    (void)config;
    for (size_t i = 0; i < FT_COUNT_OF(names); i++)
        if (!ft_plan_read(plan, NULL, names[i], i == 0 ? FT_TYPE(INT) : FT_TYPE(STRING), &at, err))
            return false;
    return true;
}

// One line for each item: its id, then its texts.
static bool note_process(ft_stage *self, ft_batch **in, ft_error *err)
{
    const note_config *config = self->config;
    noted *notes = config->notes;

    (void)err;
    for (size_t i = 0; i < (*in)->count; i++) {
        notes->text = realloc(notes->text, notes->size + 4096);
        notes->size +=
            (size_t)snprintf(notes->text + notes->size, 64, "%lld", (long long)toy_id(*in, i));
        for (size_t j = 1; j < self->input->count; j++) {
            ft_slice text = ft_column_text(&(*in)->columns[j], i);
            notes->size += (size_t)snprintf(notes->text + notes->size, 1024, "|%.*s",
                                            (int)text.size, text.data);
        }
        notes->size += (size_t)snprintf(notes->text + notes->size, 2, "\n");
        notes->items++;
    }
    return true;
}

static const ft_stage_def note = {
    .abi = FT_STAGE_ABI,
    .name = "note",
    .summary = "note",
    .kind = FT_STAGE_SINK,
    .concurrency = FT_CONCURRENCY_ONE,
    .config_size = sizeof(note_config),
    .state_size = 1,
    .plan = note_plan,
    .process = note_process,
};

TEST(errors_port_carries_the_item_and_the_cause)
{
    for (size_t i = 0; i < FT_COUNT_OF(thread_counts); i++) {
        line l;
        noted notes = {0};
        note_config *sink;
        int64_t first = 0;
        char want[256];

        line_init(&l, thread_counts[i]);
        l.source->text_bytes = 3;
        *l.work = (toy_scatter_config){.seed = 11, .fail = 50};
        int at = toy_add(&l.t, &note, -1, &sink);
        toy_link(&l.t, at, 1, FT_PORT_ERRORS);
        sink->notes = &notes;
        check_ok(toy_run(&l.t), &l.t.err);
        int64_t failed = count_fates(l.work, TOY_FAIL, &first);
        check_int_eq(notes.items, failed);
        check_int_eq(l.got.count, ITEMS - failed);
        check_int_eq(l.t.stats.items_failed, failed);
        check_int_eq(l.t.stats.items_written, ITEMS - failed);
        snprintf(want, sizeof(want), "%lld|xxx|item %lld is bad|toy_scatter_1|item %lld|data\n",
                 (long long)first, (long long)first, (long long)first + 1);
        check_true(strncmp(notes.text, want, strlen(want)) == 0);
        toy_check_accounts(&l.t);
        line_finish(&l);
        free(notes.text);
    }
}

// ---- stages that fail ----

TEST(stage_fails_in_order)
{
    for (size_t i = 0; i < FT_COUNT_OF(thread_counts); i++) {
        line l;
        line_init(&l, thread_counts[i]);
        *l.work = (toy_scatter_config){.fails_at = 1003, .spin = 100};
        check_fails(toy_run(&l.t), &l.t.err, FT_ERROR_IO);
        check_text_eq(l.t.err.message, "the toy stage broke at 1003");
        check_int_eq(l.got.commits, 0);
        check_true(l.got.count > 990 && l.got.count <= 1003);
        toy_check_accounts(&l.t);
        line_finish(&l);
    }
}

TEST(source_fails_and_what_it_read_is_done)
{
    for (size_t i = 0; i < FT_COUNT_OF(thread_counts); i++) {
        line l;
        line_init(&l, thread_counts[i]);
        l.source->fails_at = 700;
        check_fails(toy_run(&l.t), &l.t.err, FT_ERROR_IO);
        check_true(l.t.failed_node == l.t.plan->nodes[0]);
        check_int_eq(l.got.count, l.t.stats.items_read);
        check_int_eq(l.got.commits, 0);
        toy_check_accounts(&l.t);
        line_finish(&l);
    }
}

TEST(sink_fails)
{
    for (size_t i = 0; i < FT_COUNT_OF(thread_counts); i++) {
        line l;
        line_init(&l, thread_counts[i]);
        l.sink->fails_at = 555;
        check_fails(toy_run(&l.t), &l.t.err, FT_ERROR_IO);
        check_int_eq(l.got.count, 555);
        check_int_eq(l.got.commits, 0);
        toy_check_accounts(&l.t);
        line_finish(&l);
    }
}

static bool refuse_open(ft_stage *self, ft_error *err)
{
    (void)self;
    return ft_fail(err, FT_ERROR_IO, "cannot open the toy");
}

TEST(open_fails)
{
    ft_stage_def defs[2] = {toy_scatter, toy_recorder};

    for (size_t i = 0; i < 2; i++) {
        line l;
        line_init(&l, 2);
        defs[i].open = refuse_open;
        l.t.plan->nodes[i + 1]->def = &defs[i];
        check_fails(toy_run(&l.t), &l.t.err, FT_ERROR_IO);
        check_text_eq(l.t.err.message, "cannot open the toy");
        check_true(l.t.failed_node == l.t.plan->nodes[i + 1]);
        check_int_eq(l.got.count, 0);
        toy_check_accounts(&l.t);
        line_finish(&l);
    }
}

// ---- gather ----

TEST(absorbed_items_are_what_became_of_their_sum)
{
    for (size_t i = 0; i < FT_COUNT_OF(thread_counts); i++)
        for (int fails = 0; fails < 2; fails++) {
            toy t;
            toy_count_config *source;
            toy_record_config *sink;
            toy_record got = {0};
            void *unused;

            toy_init(&t, thread_counts[i]);
            toy_add(&t, &toy_count, -1, &source);
            toy_add(&t, &toy_sum, 0, &unused);
            toy_add(&t, &toy_recorder, 1, &sink);
            *source = (toy_count_config){.items = ITEMS};
            sink->record = &got;
            sink->fail = fails ? 1000 : 0;
            t.plan->nodes[2]->on_error = FT_ON_ERROR_SKIP;
            check_ok(toy_run(&t), &t.err);
            check_int_eq(t.stats.items_written, fails ? 0 : ITEMS);
            check_int_eq(t.stats.items_failed, fails ? ITEMS : 0);
            check_int_eq(got.count, fails ? 0 : 1);
            if (!fails)
                check_int_eq(got.ids[0], ITEMS * (ITEMS - 1) / 2);
            toy_check_accounts(&t);
            toy_finish(&t);
            toy_record_finish(&got);
        }
}

// ---- when ----

static void run_when(int64_t threads, const char *when, int fail, bool on_sink)
{
    line l;
    int64_t at = 0;

    line_init(&l, threads);
    *l.work = (toy_scatter_config){.seed = 21, .drop = 200, .twice = 200, .fail = fail};
    l.t.plan->nodes[1]->on_error = FT_ON_ERROR_SKIP;
    l.t.plan->nodes[on_sink ? 2 : 1]->when_text = when;
    check_ok(toy_run(&l.t), &l.t.err);
    bool all = strcmp(when, "id >= 0") == 0, none = strcmp(when, "id < 0") == 0;
    for (int64_t id = 0; id < ITEMS; id++) {
        bool taken = all || (!none && id % 3 == 0);
        toy_fate fate = taken || on_sink ? toy_fate_of(l.work, id) : TOY_KEEP;
        int copies = on_sink && !taken ? 0 : fate == TOY_TWICE ? 2 : fate == TOY_KEEP;
        while (copies--)
            check_int_eq(l.got.ids[at++], id);
    }
    check_int_eq(l.got.count, at);
    toy_check_accounts(&l.t);
    line_finish(&l);
}

TEST(when_lets_the_others_pass_in_order)
{
    for (size_t i = 0; i < FT_COUNT_OF(thread_counts); i++) {
        run_when(thread_counts[i], "id % 3 == 0", 0, false);
        run_when(thread_counts[i], "id % 3 == 0", 100, false);
        run_when(thread_counts[i], "id >= 0", 100, false);
        run_when(thread_counts[i], "id < 0", 100, false);
        run_when(thread_counts[i], "id % 3 == 0", 0, true);
    }
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
