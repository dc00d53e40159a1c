// The `run:` section: an option table of its own, so that its values are read like those of a
// stage.
#include <string.h>

#include "dsl/compilation.h"

typedef struct run_config {
    int64_t threads, memory, seed, timeout;
    int order;
    const char *max_errors;
} run_config;

static const char *const orders[] = {"input", "any", NULL};

static const ft_option run_options[] = {
    FT_OPT_INT(run_config, threads, .min = 1, .max = 4096,
               .doc = "Threads of the whole process; default: as many as cores."),
    FT_OPT_SIZE(run_config, memory, .min = 1 << 20, .max = INT64_C(1) << 50,
                .doc = "Cap for everything in flight."),
    FT_OPT_CHOICE(run_config, order, orders, .fallback = "input",
                  .doc = "`any` is faster and loses the order."),
    FT_OPT_STRING(run_config, max_errors,
                  .doc = "Items that may fail before the run stops: a count or a share (1%)."),
    FT_OPT_INT(run_config, seed, .min = 0, .max = INT64_MAX, .doc = "Seed of everything random."),
    FT_OPT_DURATION(run_config, timeout, .min = 1, .max = INT64_MAX,
                    .doc = "The run stops after this time."),
    FT_OPT_END,
};

static const char *const run_keys[] = {"threads", "memory",  "order", "max_errors",
                                       "seed",    "timeout", NULL};

// A count, or a share such as 1%.
static void set_max_errors(ft_compiler *c, const ft_yaml_node *at, const char *text)
{
    ft_slice value = ft_slice_of(text);
    bool is_share = ft_slice_ends_with(value, FT_SLICE("%"));
    double share = 0;
    int64_t count = 0;

    value.size -= is_share;
    if (is_share && ft_parse_float(value, &share) && share >= 0 && share <= 100) {
        c->plan->run.max_errors_share = share / 100;
        if (share == 0)
            c->plan->run.max_errors = 0;
        return;
    }
    if (!is_share && ft_parse_count(value, &count) && count >= 0) {
        c->plan->run.max_errors = count;
        return;
    }
    ft_compiler_refuse(
        c, &(ft_diagnostic){
               .number = 104,
               .mark = at->mark,
               .message =
                   FT_SAY(c, "`max_errors` is a count such as 100 or a share such as 1%%, not `%s`",
                          ft_compiler_quote(c, ft_slice_of(text)))});
}

static void set_one(ft_compiler *c, run_config *config, const ft_yaml_pair *pair)
{
    const ft_option *option = ft_option_find(run_options, pair->key->text);
    ft_error err = FT_ERROR_INIT;

    if (!option) {
        ft_compile_unknown_key(c, FT_WORD_RUN, pair, run_keys, "`run`");
        return;
    }
    const ft_yaml_node *value = ft_params_fill(c, pair->value);
    if (!value)
        return;
    const char *key = ft_compiler_quote(c, pair->key->text);
    if (value->kind != FT_YAML_SCALAR || (value->type == FT_YAML_NULL && !value->quoted)) {
        ft_compiler_refuse(
            c,
            &(ft_diagnostic){.number = 102,
                             .mark = value->kind == FT_YAML_SCALAR ? pair->key->mark : value->mark,
                             .message = FT_SAY(
                                 c, "`%s` is %s, not %s", key,
                                 ft_option_print_type(option, ft_diagnostics_arena(c->diagnostics)),
                                 ft_yaml_describe(value, ft_diagnostics_arena(c->diagnostics)))});
        return;
    }
    if (ft_slice_is(value->text, "auto") &&
        (option->type == FT_OPTION_INT || option->type == FT_OPTION_SIZE))
        return;
    if (!ft_option_set(option, config, value->text, c->arena, &err))
        ft_compiler_refuse_value(c, 104, value, &err);
    else if (strcmp(option->name, "max_errors") == 0)
        set_max_errors(c, value, config->max_errors);
}

void ft_compile_run(ft_compiler *c, const ft_yaml_node *run)
{
    run_config config = {0};

    if (run->kind != FT_YAML_MAP) {
        ft_compiler_refuse(
            c, &(ft_diagnostic){.number = 102,
                                .mark = run->mark,
                                .message = "`run` must be a map of settings",
                                .help = "write `run:` and below it, indented, `memory: 1GiB`"});
        return;
    }
    for (size_t i = 0; i < run->count; i++)
        set_one(c, &config, &run->pairs[i]);
    c->plan->run.threads = config.threads;
    c->plan->run.memory_bytes = config.memory;
    c->plan->run.order_any = config.order == 1;
    c->plan->run.seed = (uint64_t)config.seed;
    c->plan->run.timeout_ms = config.timeout;
    if (ft_yaml_find(run, "seed"))
        c->plan->environment.seed = c->plan->run.seed;
}
