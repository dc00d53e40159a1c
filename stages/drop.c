// drop: the end for items that nobody wants to keep, as in measurements.
//
//   - drop:
//
// It reads no field, so what only it would read need not be made; `fields:` names what must be made
// all the same. Its items count as dropped, not as written.
#include "runtime/stage.h"

typedef struct drop_config {
    ft_strings fields;
} drop_config;

enum { COUNTER_ITEMS };

static bool drop_plan(ft_stage_plan *plan, void *config_data, ft_error *err)
{
    const drop_config *config = config_data;
    for (size_t i = 0; i < config->fields.count; i++) {
        size_t column;
        if (!ft_plan_read(plan, "fields", config->fields.items[i], FT_TYPE(ANY), &column, err))
            return false;
    }
    return true;
}

static bool drop_process(ft_stage *self, ft_batch **in, ft_error *err)
{
    (void)err;
    ft_count(self, COUNTER_ITEMS, (*in)->count);
    return true;
}

static const ft_option options[] = {
    FT_OPT_FIELDS(drop_config, fields, .is_main = true,
                  .doc = "Fields that are to be made although nobody keeps them."),
    FT_OPT_END,
};

static const char *const counters[] = {"items", NULL};

const ft_stage_def ft_stage_drop = {
    .abi = FT_STAGE_ABI,
    .name = "drop",
    .summary = "let items go, and count them",
    .example = "- drop:",
    .kind = FT_STAGE_SINK,
    .discards = true,
    .concurrency = FT_CONCURRENCY_ANY,
    .pace = FT_PACE_COMPUTE,
    .options = options,
    .counters = counters,
    .config_size = sizeof(drop_config),
    .plan = drop_plan,
    .process = drop_process,
};
