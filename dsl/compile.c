// A pipeline file to a checked plan: the keys of the file, then params, run, stages, links, and
// last the engine's checker. Every step goes on after a fault as far as it can, so that one call of
// `check` tells all there is to tell; what could only follow from an earlier fault stays unsaid.
#include "dsl/compile.h"

#include <string.h>

#include "dsl/compilation.h"

enum { ENOUGH_ERRORS = 200 };

static const char *const top_keys[] = {"ftpipe",   "name",   "params", "run",
                                       "defaults", "stages", NULL};

// ---- shared by the files of the compiler ----

bool ft_compiler_refuse(ft_compiler *c, const ft_diagnostic *fault)
{
    ft_diagnostic copy = *fault;

    copy.source = c->source;
    ft_diagnostics_add(c->diagnostics, &copy);
    return false;
}

bool ft_compiler_nomem(ft_compiler *c)
{
    ft_diagnostics_add_nomem(c->diagnostics);
    return false;
}

const char *ft_compiler_quote(ft_compiler *c, ft_slice text)
{
    return ft_quote(ft_diagnostics_arena(c->diagnostics), text);
}

const char *ft_compiler_help(ft_compiler *c, const char *sentence)
{
    size_t size = strlen(sentence);
    char *copy;

    if (size == 0)
        return NULL;
    if (sentence[size - 1] == '.' && (size < 2 || sentence[size - 2] != '.'))
        size--;
    copy = ft_arena_text(ft_diagnostics_arena(c->diagnostics), (ft_slice){sentence, size});
    if (copy && size > 1 && copy[0] >= 'A' && copy[0] <= 'Z' &&
        ((copy[1] >= 'a' && copy[1] <= 'z') || copy[1] == ' '))
        copy[0] = (char)(copy[0] + 'a' - 'A');
    return copy;
}

bool ft_compiler_has_enough(const ft_compiler *c)
{
    return ft_diagnostics_count(c->diagnostics, FT_SEVERITY_ERROR) >= ENOUGH_ERRORS;
}

const char *ft_compiler_nearest(ft_compiler *c, ft_slice word, const char *const *names,
                                const char **out_best)
{
    if (out_best)
        *out_best = NULL;
    if (ft_compiler_has_enough(c))
        return NULL;
    return ft_words_nearest(ft_diagnostics_arena(c->diagnostics), word, names, out_best);
}

bool ft_compiler_refuse_value(ft_compiler *c, int number, const ft_yaml_node *at,
                              const ft_error *err)
{
    if (err->code == FT_ERROR_NOMEM)
        return ft_compiler_nomem(c);
    return ft_compiler_refuse(
        c, &(ft_diagnostic){.number = err->number ? err->number : number,
                            .mark = ft_yaml_mark_within(c->source, at, err->offset, err->length),
                            .message = FT_SAY(c, "%s", err->message),
                            .help = ft_compiler_help(c, err->hint)});
}

// ---- the file ----

static const ft_yaml_node *section(const ft_compiler *c, const char *key)
{
    const ft_yaml_pair *pair = ft_yaml_find(c->root, key);

    return pair ? pair->value : NULL;
}

static bool is_null(const ft_yaml_node *node)
{
    return node->kind == FT_YAML_SCALAR && node->type == FT_YAML_NULL;
}

static bool is_stage_name(const ft_compiler *c, ft_slice name)
{
    for (size_t i = 0; c->stage_names[i]; i++)
        if (ft_slice_is(name, c->stage_names[i]))
            return true;
    return false;
}

static void check_top_key(ft_compiler *c, const ft_yaml_pair *pair)
{
    ft_slice key = pair->key->text;

    for (size_t i = 0; top_keys[i]; i++)
        if (ft_slice_is(key, top_keys[i]))
            return;
    if (ft_slice_starts_with(key, FT_SLICE("x-")))
        return;
    if (is_stage_name(c, key)) {
        const char *name = ft_compiler_quote(c, key);
        ft_compiler_refuse(
            c, &(ft_diagnostic){
                   .number = 101,
                   .mark = pair->key->mark,
                   .message =
                       FT_SAY(c, "`%s` is a stage, and stages stand in the list `stages:`", name),
                   .help = FT_SAY(c, "write `stages:` and below it, indented, `- %s: ...`", name)});
        return;
    }
    ft_compile_unknown_key(c, FT_WORD_TOP, pair, top_keys, "a pipeline");
}

static void check_version(ft_compiler *c)
{
    const ft_yaml_node *version = section(c, "ftpipe");

    if (!version || ft_yaml_is_text(version, "1"))
        return;
    ft_compiler_refuse(
        c,
        &(ft_diagnostic){.number = 114,
                         .mark = version->mark,
                         .message = version->kind == FT_YAML_SCALAR && version->type == FT_YAML_INT
                                        ? FT_SAY(c,
                                                 "this pipeline is written in version %s of the "
                                                 "language, and this ftpipe knows version 1",
                                                 ft_compiler_quote(c, version->text))
                                        : "`ftpipe` is the version of the language, a number",
                         .help = "write `ftpipe: 1`, or leave it out"});
}

static void read_name(ft_compiler *c)
{
    const ft_yaml_node *name = section(c, "name");

    if (!name)
        return;
    if (name->kind != FT_YAML_SCALAR || name->text.size == 0 || is_null(name)) {
        ft_compiler_refuse(c,
                           &(ft_diagnostic){.number = 102,
                                            .mark = name->mark,
                                            .message = "the pipeline's `name` must be a text",
                                            .help = "write a word or two, or leave the line out"});
        return;
    }
    const ft_yaml_node *filled = ft_params_fill(c, name);
    if (!filled || filled->kind != FT_YAML_SCALAR)
        return;
    c->plan->name = ft_arena_text(c->plan->arena, filled->text);
    if (!c->plan->name)
        ft_compiler_nomem(c);
}

static void read_defaults(ft_compiler *c)
{
    static const char *const keys[] = {"workers", "batch", "order", "on_error", NULL};
    const ft_yaml_node *defaults = section(c, "defaults");

    if (!defaults || is_null(defaults))
        return;
    if (defaults->kind != FT_YAML_MAP) {
        ft_compiler_refuse(
            c,
            &(ft_diagnostic){.number = 102,
                             .mark = defaults->mark,
                             .message = "`defaults` must be a map of keys that all stages get",
                             .help = "write `defaults:` and below it, indented, `on_error: skip`"});
        return;
    }
    for (size_t i = 0; i < defaults->count; i++) {
        const ft_yaml_node *key = defaults->pairs[i].key;
        bool known = false, common = false;

        for (size_t k = 0; keys[k]; k++)
            known = known || ft_slice_is(key->text, keys[k]);
        for (size_t k = 0; ft_common_keys[k]; k++)
            common = common || ft_slice_is(key->text, ft_common_keys[k]);
        if (known)
            continue;
        if (common || is_stage_name(c, key->text))
            ft_compiler_refuse(
                c, &(ft_diagnostic){.number = 115,
                                    .mark = key->mark,
                                    .message = FT_SAY(c, "`%s` cannot be the same for all stages",
                                                      ft_compiler_quote(c, key->text)),
                                    .help = "`defaults` takes `workers`, `batch`, `order` and "
                                            "`on_error`; write this one in the stage"});
        else
            ft_compile_unknown_key(c, FT_WORD_STAGE, &defaults->pairs[i], keys, "`defaults`");
    }
    c->defaults = defaults;
}

// ---- the root ----

static bool refuse_root(ft_compiler *c)
{
    const ft_yaml_node *root = c->root;
    ft_diagnostic fault = {
        .number = 101,
        .mark = {1, 1, 1, 0},
        .message = "this file holds no pipeline",
        .help = "write `stages:` and below it, indented, `- read: FILE` and `- write: FILE`"};

    if (!root)
        return ft_compiler_refuse(c, &fault);
    fault.mark = root->mark;
    if (root->kind == FT_YAML_LIST) {
        fault.message = "a list stands where a pipeline has keys";
        fault.help = "write `stages:` above the list";
        fault.fix_line = "stages:";
        fault.fix_above_line = root->mark.line;
    } else {
        fault.message = FT_SAY(c, "a pipeline is a map with the key `stages`, and this is %s",
                               ft_yaml_describe(root, ft_diagnostics_arena(c->diagnostics)));
    }
    return ft_compiler_refuse(c, &fault);
}

// No `stages`: the words of other tools have said why already, if they could.
static bool find_stages(ft_compiler *c, size_t errors_before, const ft_yaml_node **out)
{
    const ft_yaml_pair *pair = ft_yaml_find(c->root, "stages");

    *out = pair ? pair->value : NULL;
    if (pair)
        return true;
    if (ft_diagnostics_count(c->diagnostics, FT_SEVERITY_ERROR) > errors_before)
        return false;
    return ft_compiler_refuse(
        c,
        &(ft_diagnostic){
            .number = 101,
            .mark = c->root->count ? c->root->pairs[0].key->mark : c->root->mark,
            .message = "this pipeline has no `stages`",
            .help = "write `stages:` and below it, indented, `- read: FILE` and `- write: FILE`"});
}

// Before the check: sources size their batches by the memory.
static void apply_command_line(ft_compiler *c)
{
    const ft_run_options *given = c->settings->run;
    ft_run_options *run = &c->plan->run;

    if (!given)
        return;
    if (given->threads > 0)
        run->threads = given->threads;
    if (given->memory_bytes > 0)
        run->memory_bytes = given->memory_bytes;
    run->order_any = run->order_any || given->order_any;
}

static void compile_root(ft_compiler *c)
{
    const ft_yaml_node *stages, *run = section(c, "run");
    size_t errors = ft_diagnostics_count(c->diagnostics, FT_SEVERITY_ERROR);

    for (size_t i = 0; i < c->root->count; i++)
        check_top_key(c, &c->root->pairs[i]);
    bool has_stages = find_stages(c, errors, &stages);
    check_version(c);
    if (!ft_params_read(c))
        return;
    read_name(c);
    read_defaults(c);
    if (run && !is_null(run))
        ft_compile_run(c, run);
    apply_command_line(c);
    if (!has_stages || !ft_compile_stages(c, stages) || !ft_compile_names(c))
        return;
    ft_compile_shared(c);
    ft_compile_links(c);
    ft_compile_check(c);
}

// ---- the compilation ----

static bool list_names(ft_compiler *c)
{
    const ft_stage_def *const *stages = c->settings->stages;
    size_t count = 0;

    while (stages[count])
        count++;
    c->stage_names = ft_arena_zero(c->arena, count + 2, sizeof(*c->stage_names));
    for (size_t i = 0; c->stage_names && i < count; i++)
        c->stage_names[i] = stages[i]->name;
    if (c->stage_names)
        c->stage_names[count] = FT_PLUGIN_KEY;
    return c->stage_names ? true : ft_compiler_nomem(c);
}

// The name of a pipeline without one: its file's, without folder and ending.
static const char *name_of_file(ft_arena *arena, const char *path)
{
    if (path && path[0] == '-')  // -e, or stdin.
        path = NULL;
    const char *slash = path ? strrchr(path, '/') : NULL, *start = slash  ? slash + 1
                                                                   : path ? path
                                                                          : "pipeline";
    const char *dot = strrchr(start, '.');
    size_t size = dot && dot > start ? (size_t)(dot - start) : strlen(start);

    return ft_arena_text(arena, (ft_slice){start, size});
}

static bool start_plan(ft_compiler *c)
{
    ft_error err = FT_ERROR_INIT;

    c->plan = ft_plan_create(&err);
    if (!c->plan)
        return ft_compiler_nomem(c);
    if (c->settings->environment)
        c->plan->environment = *c->settings->environment;
    c->plan->run.max_errors = -1;
    c->plan->name = name_of_file(c->plan->arena, c->source->path);
    return c->plan->name ? true : ft_compiler_nomem(c);
}

static void compile(ft_compiler *c)
{
    if (!ft_yaml_parse(c->source, c->arena, c->diagnostics, &c->root))
        return;
    if (!c->root || c->root->kind != FT_YAML_MAP) {
        refuse_root(c);
        return;
    }
    if (list_names(c) && start_plan(c))
        compile_root(c);
}

ft_plan *ft_compile(const ft_source *source, const ft_compile_settings *settings,
                    ft_diagnostics *diagnostics)
{
    ft_compiler c = {.source = source,
                     .settings = settings,
                     .diagnostics = diagnostics,
                     .arena = ft_arena_create()};
    size_t errors = ft_diagnostics_count(diagnostics, FT_SEVERITY_ERROR);

    if (c.arena)
        compile(&c);
    else
        ft_compiler_nomem(&c);
    ft_arena_destroy(c.arena);
    if (ft_diagnostics_count(diagnostics, FT_SEVERITY_ERROR) == errors)
        return c.plan;
    ft_plan_destroy(c.plan);
    return NULL;
}
