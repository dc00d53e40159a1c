// Stages for tests of dsl/: tables and types like those of real ones, nothing that runs.
#pragma once

#include "engine/plan.h"

typedef struct fake_config {
    const char *path, *model, *condition, *key, *note;
    int64_t max_length, count, size, wait;
    double score;
    int mode;
    bool normalize;
    ft_strings fields;
    ft_map types;
} fake_config;

static const char *const fake_modes[] = {"create", "replace", "append", NULL};
static const char *const fake_words[] = {"words", NULL};

static const ft_option fake_read_options[] = {
    FT_OPT_PATH(fake_config, path, .is_main = true, .required = true, .doc = "What to read."),
    FT_OPT_MAP(fake_config, types, .doc = "Types of fields."),
    FT_OPT_CHOICE(fake_config, mode, fake_modes, .fallback = "create", .doc = "A choice."),
    FT_OPT_END,
};
static const ft_option fake_tokenize_options[] = {
    FT_OPT_MODEL(fake_config, model, .is_main = true, .required = true, .choices = fake_words,
                 .doc = "A model."),
    FT_OPT_INT(fake_config, max_length, .min = 1, .max = 8192, .doc = "Cut here."),
    FT_OPT_BOOL(fake_config, normalize, .doc = "Yes or no."),
    FT_OPT_SIZE(fake_config, size, .doc = "A size."),
    FT_OPT_DURATION(fake_config, wait, .doc = "A time."),
    FT_OPT_FLOAT(fake_config, score, .doc = "A number."),
    FT_OPT_END,
};
static const ft_option fake_filter_options[] = {
    FT_OPT_EXPR(fake_config, condition, .is_main = true, .required = true,
                .doc = "Which items stay."),
    FT_OPT_END,
};
static const ft_option fake_write_options[] = {
    FT_OPT_PATH(fake_config, path, .is_main = true, .required = true, .doc = "Where to."),
    FT_OPT_FIELDS(fake_config, fields, .doc = "Which fields."),
    FT_OPT_CHOICE(fake_config, mode, fake_modes, .fallback = "create",
                  .doc = "What with a file that exists."),
    FT_OPT_STRING(fake_config, key, .required = true, .doc = "Needed here."),
    FT_OPT_END,
};
static const ft_option fake_drop_options[] = {FT_OPT_END};

static bool fake_read_plan(ft_stage_plan *plan, void *config, ft_error *err)
{
    size_t index;

    (void)config;
    return ft_plan_add(plan, "id", FT_TYPE(INT), &index, err) &&
           ft_plan_add(plan, "text", FT_TYPE(STRING), &index, err);
}

static bool fake_tokenize_plan(ft_stage_plan *plan, void *config, ft_error *err)
{
    size_t index;

    (void)config;
    return ft_plan_read(plan, plan->from ? "from" : NULL, plan->from ? plan->from : "text",
                        FT_TYPE(STRING), &index, err) &&
           ft_plan_add(plan, "tokens", FT_TYPE_IDS, &index, err);
}

static bool fake_embed_plan(ft_stage_plan *plan, void *config, ft_error *err)
{
    size_t index;

    (void)config;
    return ft_plan_read(plan, NULL, "tokens", FT_TYPE_IDS, &index, err) &&
           ft_plan_add(plan, "embedding", FT_TYPE_VECTOR(F32, 4), &index, err);
}

static bool fake_filter_plan(ft_stage_plan *plan, void *config, ft_error *err)
{
    const ft_expr *expr;
    const fake_config *own = config;

    return ft_plan_expr(plan, "condition", own->condition, FT_EXPR_ITEM, &expr, err);
}

static bool fake_write_plan(ft_stage_plan *plan, void *config, ft_error *err)
{
    const fake_config *own = config;
    size_t index;

    for (size_t i = 0; i < own->fields.count; i++)
        if (!ft_plan_read(plan, "fields", own->fields.items[i], FT_TYPE(ANY), &index, err))
            return false;
    return true;
}

#define FAKE_STAGE(id, NAME, KIND, PLAN, ...)                                  \
    static const ft_stage_def fake_##id = {.abi = FT_STAGE_ABI,                \
                                           .name = NAME,                       \
                                           .summary = "do nothing",            \
                                           .kind = FT_STAGE_##KIND,            \
                                           .concurrency = FT_CONCURRENCY_ANY,  \
                                           .options = fake_##id##_options,     \
                                           .config_size = sizeof(fake_config), \
                                           .plan = PLAN,                       \
                                           __VA_ARGS__}

#define fake_embed_options fake_tokenize_options
FAKE_STAGE(drop, "drop", SINK, NULL, .state_size = 0);
FAKE_STAGE(embed, "embed", TRANSFORM, fake_embed_plan, .state_size = 0);
FAKE_STAGE(filter, "filter", TRANSFORM, fake_filter_plan, .state_size = 0);
FAKE_STAGE(read, "read", SOURCE, fake_read_plan, .state_size = 0);
FAKE_STAGE(tokenize, "tokenize", TRANSFORM, fake_tokenize_plan, .state_size = 0);
FAKE_STAGE(write, "write", SINK, fake_write_plan, .state_size = 0);

static const ft_stage_def *const fake_stages[] = {
    &fake_drop, &fake_embed, &fake_filter, &fake_read, &fake_tokenize, &fake_write, NULL};
