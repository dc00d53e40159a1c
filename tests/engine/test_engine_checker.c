// What ft_plan_check finds: numbers of faults, one for one mistake, types and liveness along edges.
#include "tests/engine/toy_stages.h"

typedef struct {
    int count;
    int numbers[8];
    const ft_plan_node *nodes[8];
    char messages[8][FT_ERROR_MESSAGE_BYTES];
} faults;

static void collect(void *host, const ft_plan_node *node, const ft_plan_node *other,
                    const ft_error *fault)
{
    faults *all = host;

    (void)other;
    check_true(all->count < 8 && fault->code != FT_ERROR_NONE);
    all->numbers[all->count] = fault->number;
    all->nodes[all->count] = node;
    snprintf(all->messages[all->count++], FT_ERROR_MESSAGE_BYTES, "%s", fault->message);
}

static bool keep_plan(ft_stage_plan *plan, void *config, ft_error *err)
{
    (void)plan;
    (void)config;
    (void)err;
    return true;
}

static bool want_text_plan(ft_stage_plan *plan, void *config, ft_error *err)
{
    size_t at;

    (void)config;
    return ft_plan_read(plan, "field", "text", FT_TYPE(STRING), &at, err) &&
           ft_plan_add(plan, "length", FT_TYPE(INT), &at, err);
}

static bool make_other_plan(ft_stage_plan *plan, void *config, ft_error *err)
{
    size_t at;

    (void)config;
    return ft_plan_add(plan, "id", FT_TYPE(STRING), &at, err);
}

static bool make_many_plan(ft_stage_plan *plan, void *config, ft_error *err)
{
    static const char *const names[] = {"id", "text", "unread", FT_FIELD_RAW};
    size_t at;

    (void)config;
    for (size_t i = 0; i < FT_COUNT_OF(names); i++)
        if (!ft_plan_add(plan, names[i], i ? FT_TYPE(STRING) : FT_TYPE(INT), &at, err))
            return false;
    return true;
}

static bool read_all_plan(ft_stage_plan *plan, void *config, ft_error *err)
{
    (void)config;
    (void)err;
    ft_plan_read_all(plan);
    return true;
}

enum { FEW = 4, SOME = 16 };

static bool wish_few_plan(ft_stage_plan *plan, void *config, ft_error *err)
{
    (void)config;
    (void)err;
    plan->batch_wish = FEW;
    return true;
}

#define TOY_PLAN(name_, kind_, plan_, then_) \
    static const ft_stage_def name_ = {      \
        .abi = FT_STAGE_ABI,                 \
        .name = #name_,                      \
        .summary = "plan",                   \
        .kind = kind_,                       \
        .concurrency = FT_CONCURRENCY_ANY,   \
        .config_size = 1,                    \
        .state_size = 1,                     \
        .plan = plan_,                       \
        .then = then_,                       \
    }
TOY_PLAN(want_text, FT_STAGE_TRANSFORM, want_text_plan, NULL);
TOY_PLAN(make_other, FT_STAGE_TRANSFORM, make_other_plan, NULL);
TOY_PLAN(wish_few, FT_STAGE_TRANSFORM, wish_few_plan, NULL);
TOY_PLAN(decode, FT_STAGE_TRANSFORM, make_other_plan, NULL);
TOY_PLAN(cut, FT_STAGE_SOURCE, keep_plan, &decode);
TOY_PLAN(many, FT_STAGE_SOURCE, make_many_plan, NULL);
TOY_PLAN(into, FT_STAGE_SINK, read_all_plan, NULL);
TOY_PLAN(into_text, FT_STAGE_SINK, want_text_plan, NULL);

static const ft_stage_def wish_some = {
    .abi = FT_STAGE_ABI,
    .name = "wish_some",
    .summary = "plan",
    .kind = FT_STAGE_TRANSFORM,
    .concurrency = FT_CONCURRENCY_ANY,
    .batch_items = SOME,
    .config_size = 1,
    .state_size = 1,
    .plan = keep_plan,
};

static void *unused;

TEST(field_that_nobody_makes)
{
    toy t;
    faults all = {0};

    toy_init(&t, 1);
    toy_count_config *source;
    toy_add(&t, &toy_count, -1, &source);
    toy_add(&t, &want_text, 0, &unused);
    toy_add(&t, &want_text, 1, &unused);  // Below the faulty one: stays quiet.
    toy_add(&t, &into, 2, &unused);
    check_true(!ft_plan_check(t.plan, collect, &all));
    check_int_eq(all.count, 1);
    check_int_eq(all.numbers[0], 311);
    check_true(all.nodes[0] == t.plan->nodes[1]);
    check_true(t.plan->nodes[1]->failed);
    toy_finish(&t);
}

TEST(output_that_nobody_reads)
{
    toy t;
    faults all = {0};

    toy_init(&t, 1);
    toy_count_config *source;
    toy_add(&t, &toy_count, -1, &source);
    toy_add(&t, &make_other, 0, &unused);
    check_true(!ft_plan_check(t.plan, collect, &all));
    check_int_eq(all.count, 1);
    check_int_eq(all.numbers[0], 205);
    check_text_eq(all.messages[0], "nothing reads what `make_other_1` gives");
    toy_finish(&t);
}

TEST(circle)
{
    toy t;
    faults all = {0};

    toy_init(&t, 1);
    toy_count_config *source;
    toy_add(&t, &toy_count, -1, &source);
    toy_add(&t, &make_other, 0, &unused);
    toy_add(&t, &make_other, 1, &unused);
    toy_link(&t, 1, 2, FT_PORT_MAIN);
    check_true(!ft_plan_check(t.plan, collect, &all));
    check_int_eq(all.count, 1);
    check_int_eq(all.numbers[0], 203);
    toy_finish(&t);
}

TEST(inputs_of_the_wrong_kind)
{
    toy t;
    faults all = {0};

    toy_init(&t, 1);
    toy_count_config *source;
    toy_add(&t, &toy_count, -1, &source);
    toy_add(&t, &into, 0, &unused);
    toy_add(&t, &into, 1, &unused);   // Reads from a sink.
    toy_add(&t, &into, -1, &unused);  // Reads from nothing.
    check_true(!ft_plan_check(t.plan, collect, &all));
    check_int_eq(all.count, 2);
    // In the order in which stages can be typed: one that reads nothing comes before one that
    // waits.
    check_true((all.numbers[0] == 208 && all.numbers[1] == 202) ||
               (all.numbers[0] == 202 && all.numbers[1] == 208));
    toy_finish(&t);
}

TEST(merge_of_types_that_disagree)
{
    toy t;
    faults all = {0};

    toy_init(&t, 1);
    toy_count_config *source;
    toy_add(&t, &toy_count, -1, &source);
    toy_add(&t, &make_other, 0, &unused);
    toy_add(&t, &into, 0, &unused);
    toy_link(&t, 2, 1, FT_PORT_MAIN);
    check_true(!ft_plan_check(t.plan, collect, &all));
    check_int_eq(all.count, 1);
    check_int_eq(all.numbers[0], 313);
    check_text_eq(all.messages[0], "`id` is int from `toy_count_0` and string from `make_other_1`");
    toy_finish(&t);
}

TEST(merge_is_the_union)
{
    toy t;

    toy_init(&t, 1);
    toy_count_config *source, *other;
    toy_add(&t, &toy_count, -1, &source);
    toy_add(&t, &toy_count, -1, &other);
    other->text_bytes = 4;
    toy_add(&t, &into, 0, &unused);
    toy_link(&t, 2, 1, FT_PORT_MAIN);
    check_true(toy_check(&t));
    const ft_schema *input = &t.plan->nodes[2]->input;
    check_int_eq(input->count, 2);
    check_text_eq(input->fields[0].name, "id");
    check_text_eq(input->fields[1].name, "text");
    toy_finish(&t);
}

TEST(conditions)
{
    static const struct {
        const char *when;
        int number;
        size_t offset;
    } cases[] = {
        {"id >", 401, 4},
        {"nothing > 1", 402, 0},
        {"id + 1", 406, 0},
        {"id > 1", 0, 0},
    };

    for (size_t i = 0; i < FT_COUNT_OF(cases); i++) {
        toy t;
        faults all = {0};
        toy_count_config *source;
        toy_init(&t, 1);
        toy_add(&t, &toy_count, -1, &source);
        toy_add(&t, &toy_scatter, 0, &unused);
        toy_add(&t, &into, 1, &unused);
        t.plan->nodes[1]->when_text = cases[i].when;
        check_true(ft_plan_check(t.plan, collect, &all) == (cases[i].number == 0));
        check_int_eq(all.count, cases[i].number != 0);
        check_int_eq(all.numbers[0], cases[i].number);
        toy_finish(&t);
    }
}

TEST(when_must_let_items_pass_unchanged)
{
    toy t;
    faults all = {0};
    toy_count_config *source;

    toy_init(&t, 1);
    toy_add(&t, &toy_count, -1, &source);
    toy_add(&t, &make_other, 0, &unused);
    toy_add(&t, &into, 1, &unused);
    t.plan->nodes[1]->when_text = "id > 1";
    check_true(!ft_plan_check(t.plan, collect, &all));
    check_int_eq(all.count, 1);
    check_int_eq(all.numbers[0], 314);
    toy_finish(&t);
}

TEST(hidden_stage_takes_over_the_output)
{
    toy t;

    toy_init(&t, 1);
    toy_add(&t, &cut, -1, &unused);
    toy_add(&t, &into, 0, &unused);
    toy_add(&t, &into, -1, &unused);
    toy_link(&t, 2, 0, FT_PORT_ERRORS);
    check_true(toy_check(&t));
    check_int_eq(t.plan->node_count, 4);
    const ft_plan_node *hidden = t.plan->nodes[1];
    check_true(hidden->is_hidden && hidden->def == &decode &&
               hidden->config == t.plan->nodes[0]->config);
    check_int_eq(hidden->inputs[0].node, 0);
    check_int_eq(t.plan->nodes[2]->inputs[0].node, 1);
    check_text_eq(t.plan->nodes[2]->input.fields[0].name, "id");
    check_int_eq(t.plan->nodes[3]->input_count, 2);  // The errors of both.
    check_true(t.plan->nodes[0]->errors_are_read && hidden->errors_are_read);
    check_true(toy_check(&t));  // A second time changes nothing.
    check_int_eq(t.plan->node_count, 4);
    toy_finish(&t);
}

TEST(wishes_for_small_batches_reach_the_source)
{
    toy t;
    toy_count_config *source;

    toy_init(&t, 1);
    toy_add(&t, &toy_count, -1, &source);
    toy_add(&t, &make_other, 0, &unused);
    toy_add(&t, &wish_some, 1, &unused);
    toy_add(&t, &into, 2, &unused);
    check_true(toy_check(&t));
    check_int_eq(t.plan->nodes[0]->batch_wish, SOME);
    check_int_eq(t.plan->nodes[1]->batch_wish, SOME);
    check_int_eq(t.plan->nodes[3]->batch_wish, 0);
    toy_finish(&t);

    toy_init(&t, 1);
    toy_add(&t, &cut, -1, &unused);
    toy_add(&t, &wish_some, 0, &unused);
    toy_add(&t, &wish_few, 1, &unused);  // Says so in its plan, and wants less.
    toy_add(&t, &into, 2, &unused);
    check_true(toy_check(&t));
    for (size_t i = 0; i < 4; i++)  // Through the hidden stage too.
        check_int_eq(t.plan->nodes[i]->batch_wish, FEW);
    toy_finish(&t);
}

TEST(only_what_is_read_is_live)
{
    toy t;

    toy_init(&t, 1);
    toy_add(&t, &many, -1, &unused);
    toy_add(&t, &want_text, 0, &unused);
    toy_add(&t, &into_text, 1, &unused);
    check_true(toy_check(&t));
    const ft_plan_node *source = t.plan->nodes[0];
    static const bool want[] = {false, true, false, false};
    for (size_t i = 0; i < 4; i++)
        check_int_eq(source->live[i], want[i]);
    toy_finish(&t);

    toy_init(&t, 1);
    toy_add(&t, &many, -1, &unused);
    toy_add(&t, &want_text, 0, &unused);
    toy_add(&t, &into, 1, &unused);  // Reads all there is.
    check_true(toy_check(&t));
    for (size_t i = 0; i < 4; i++)
        check_true(t.plan->nodes[0]->live[i]);
    toy_finish(&t);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
