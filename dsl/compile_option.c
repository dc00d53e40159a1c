// Values into options. What a value may be (one text, a list, a map) follows from the option's
// type; what a text means is the option table's business (ft_option_set).
#include <stdio.h>
#include <string.h>

#include "dsl/compilation.h"
#include "runtime/system/file.h"

enum { NUMBER_CONTAINED = 119 };
enum { WORKERS_MAX = 4096, BUDGET_MS_MAX = 24 * 3600 * 1000 };

const char *const ft_common_keys[] = {"name",     "input",      "when",    "from",  "to",
                                      "workers",  "batch",      "order",   "class", "budget",
                                      "on_error", "on_runaway", "isolate", NULL};

typedef struct value {
    ft_compiler *c;
    ft_stage_entry *entry;
    const ft_option *option;
    const ft_yaml_pair *pair;
    const ft_yaml_node *node;  // The pair's value, filled in.
} value;

static bool is_empty(const ft_yaml_node *node)
{
    return node->kind == FT_YAML_SCALAR && node->type == FT_YAML_NULL && !node->quoted;
}

// ---- nothing where something is wanted ----

static bool is_condition(const char *key)
{
    return strcmp(key, "when") == 0 || strcmp(key, "filter") == 0;
}

// `when: #tokens > 512`: the comment, or false when there is none.
static bool find_comment(const ft_source *source, const ft_yaml_pair *pair, size_t *out_start,
                         size_t *out_end)
{
    ft_slice text = source->text;
    size_t at = pair->key->end_offset;

    while (at < text.size && (text.data[at] == ' ' || text.data[at] == ':'))
        at++;
    if (at >= text.size || text.data[at] != '#')
        return false;
    *out_start = at;
    while (at < text.size && text.data[at] != '\n' && text.data[at] != '\r')
        at++;
    while (at > *out_start && text.data[at - 1] == ' ')
        at--;
    *out_end = at;
    return true;
}

// `#tokens > 512` was meant as Lua's length: `len(tokens) > 512`.
static const char *with_len(ft_compiler *c, ft_slice comment)
{
    size_t word = 1;

    while (word < comment.size &&
           ((comment.data[word] >= 'a' && comment.data[word] <= 'z') || comment.data[word] == '_'))
        word++;
    if (word == 1 || word + 2 >= comment.size || comment.data[word] != ' ' ||
        !strchr("<>=!~", comment.data[word + 1]))
        return NULL;
    return FT_SAY(c, "len(%.*s)%.*s", (int)(word - 1), comment.data + 1, (int)(comment.size - word),
                  comment.data + word);
}

static bool refuse_empty(ft_compiler *c, const ft_yaml_pair *pair, const char *wanted)
{
    const char *key = ft_compiler_quote(c, pair->key->text);
    ft_diagnostic fault = {
        .number = 102, .mark = pair->key->mark, .label = "nothing stands behind it"};
    size_t start, end;

    fault.message = FT_SAY(c, "`%s` needs a value: %s", key, wanted);
    if (find_comment(c->source, pair, &start, &end)) {
        ft_slice comment = {c->source->text.data + start, end - start};
        const char *meant = with_len(c, comment);

        fault.number = 12;
        fault.mark = ft_yaml_mark_from(c->source->text, pair->key->mark, start, end);
        fault.label = NULL;
        fault.message = is_condition(key)
                            ? "this condition is empty: in YAML ` #` starts a comment"
                            : FT_SAY(c, "`%s` is empty: in YAML ` #` starts a comment", key);
        fault.help = meant ? FT_SAY(c, "write `%s`", meant)
                           : FT_SAY(c,
                                    "write the value in front of the comment (%s), or in quotes if "
                                    "it starts with `#`",
                                    wanted);
    }
    return ft_compiler_refuse(c, &fault);
}

static bool refuse_kind(ft_compiler *c, const ft_yaml_pair *pair, const ft_yaml_node *node,
                        const char *wanted)
{
    if (is_empty(node) && node->style != FT_YAML_FILLED)
        return refuse_empty(c, pair, wanted);
    return ft_compiler_refuse(
        c,
        &(ft_diagnostic){.number = 102,
                         .mark = node->mark,
                         .message = FT_SAY(
                             c, "`%s` is %s, not %s", ft_compiler_quote(c, pair->key->text), wanted,
                             ft_yaml_describe(node, ft_diagnostics_arena(c->diagnostics)))});
}

// ---- lists and maps ----

const char *ft_compile_type_words(ft_compiler *c, const ft_option *option)
{
    switch (option->type) {
    case FT_OPTION_STRING:
        return "a text";
    case FT_OPTION_PATH:
        return "a path";
    case FT_OPTION_MODEL:
        return "a model: a folder or a name";
    case FT_OPTION_FIELD:
        return "the name of a field";
    case FT_OPTION_EXPR:
        return "an expression such as `len(text) > 10`";
    case FT_OPTION_CHOICE:
        return FT_SAY(c, "one of %s", ft_option_print_type(option, c->arena));
    case FT_OPTION_BOOL:
        return "true or false";
    case FT_OPTION_INT:
        return "a whole number";
    case FT_OPTION_COUNT:
        return "a count such as 64 or 10k";
    case FT_OPTION_SIZE:
        return "a size such as 64KiB or 1GiB";
    case FT_OPTION_DURATION:
        return "a duration such as 200ms or 5s";
    case FT_OPTION_FLOAT:
        return "a number";
    case FT_OPTION_STRINGS:
        return "a list of texts";
    case FT_OPTION_FIELDS:
        return "a list of fields";
    case FT_OPTION_MAP:
        break;
    }
    return "a map of names and values";
}

static const char *type_words(const value *v)
{
    return ft_compile_type_words(v->c, v->option);
}

// `read: {path: x, format: y}`: options one level too deep.
static bool refuse_nested(const value *v)
{
    ft_compiler *c = v->c;
    const ft_yaml_node *first = v->node->pairs[0].key;
    const char *key = ft_compiler_quote(c, v->pair->key->text);

    return ft_compiler_refuse(
        c, &(ft_diagnostic){.number = 102,
                            .mark = first->mark,
                            .message = FT_SAY(c, "options stand beside `%s`, not below it", key),
                            .has_other = true,
                            .other = v->pair->key->mark,
                            .other_label = FT_SAY(c, "takes %s", type_words(v)),
                            .help = FT_SAY(c, "let `%s` start in the same column as `%s`",
                                           ft_compiler_quote(c, first->text), key)});
}

static bool is_nested(const value *v)
{
    return v->option->is_main && v->node->kind == FT_YAML_MAP && v->node->count > 0 &&
           ft_option_find(v->entry->def->options, v->node->pairs[0].key->text);
}

// The main setting is known to the user by the stage's name: `limit`, not `items`.
static bool refuse_this(const value *v, const ft_error *err)
{
    size_t length = strlen(v->option->name);
    ft_error said = *err;
    ft_slice key = v->pair->key->text;
    bool named = said.message[0] == '`' &&
                 strncmp(said.message + 1, v->option->name, length) == 0 &&
                 said.message[length + 1] == '`';

    if (named && key.size < 64 && !ft_slice_is(key, "type"))
        snprintf(said.message, sizeof(said.message), "`%.*s%s", (int)key.size, key.data,
                 err->message + length + 1);
    if (said.code == FT_ERROR_NOMEM)
        return ft_compiler_nomem(v->c);
    ft_diagnostic fault = {
        .number = said.number ? said.number : 104,
        .mark = ft_yaml_mark_within(v->c->source, v->node, said.offset, said.length),
        .message = FT_SAY(v->c, "%s", said.message),
        .help = ft_compiler_help(v->c, said.hint),
    };
    ft_params_add_origin(v->c, v->pair->value, &fault);
    return ft_compiler_refuse(v->c, &fault);
}

// A list, or one text as a list of one.
static bool set_list(const value *v)
{
    ft_compiler *c = v->c;
    size_t count = v->node->kind == FT_YAML_LIST ? v->node->count : 1;
    ft_slice *items = ft_arena_zero(c->arena, count + 1, sizeof(*items));
    ft_error err = FT_ERROR_INIT;

    if (!items)
        return ft_compiler_nomem(c);
    for (size_t i = 0; i < count; i++) {
        const ft_yaml_node *item =
            v->node->kind == FT_YAML_LIST ? ft_params_fill(c, v->node->items[i]) : v->node;
        if (!item)
            return false;
        if (item->kind != FT_YAML_SCALAR || is_empty(item))
            return ft_compiler_refuse(
                c, &(ft_diagnostic){
                       .number = 102,
                       .mark = item->mark,
                       .message = FT_SAY(
                           c, "`%s` is %s, and this entry is %s", v->option->name, type_words(v),
                           ft_yaml_describe(item, ft_diagnostics_arena(c->diagnostics)))});
        items[i] = item->text;
    }
    if (ft_option_set_strings(v->option, v->entry->node->config, items, count, c->plan->arena,
                              &err))
        return true;
    return refuse_this(v, &err);
}

static bool set_map(const value *v)
{
    ft_compiler *c = v->c;
    size_t count = v->node->count;
    ft_slice *names = ft_arena_zero(c->arena, count + 1, sizeof(*names));
    ft_slice *texts = ft_arena_zero(c->arena, count + 1, sizeof(*texts));
    bool *quoted = ft_arena_zero(c->arena, count + 1, sizeof(*quoted));
    ft_error err = FT_ERROR_INIT;

    if (!names || !texts || !quoted)
        return ft_compiler_nomem(c);
    for (size_t i = 0; i < count; i++) {
        const ft_yaml_pair *pair = &v->node->pairs[i];
        const ft_yaml_node *item = ft_params_fill(c, pair->value);
        if (!item)
            return false;
        if (item->kind != FT_YAML_SCALAR || is_empty(item))
            return refuse_kind(c, pair, item, "one value");
        names[i] = pair->key->text;
        texts[i] = item->text;
        quoted[i] = item->quoted;
    }
    if (ft_option_set_map(v->option, v->entry->node->config, names, texts, quoted, count,
                          c->plan->arena, &err))
        return true;
    return refuse_this(v, &err);
}

// ---- one text ----

// What to do about a model that is not there, beside trying another name.
static const char *help_for_model(const value *v, bool is_path)
{
    ft_compiler *c = v->c;
    const char *name = is_path ? NULL : ft_arena_text(c->arena, v->node->text);
    bool (*can_pull)(const char *) = c->plan->environment.can_pull;

    if (name && can_pull && can_pull(name))
        return FT_SAY(c, "fetch it: `ftpipe pull %s`", name);
    if (strcmp(v->entry->def->name, "infer") == 0)
        return "name a model's folder or a safetensors file, or make trial weights: `ftpipe new "
               "weights PATH --layers 512,10`";
    return "name a folder with the files of a model, or a model that `ftpipe pull` fetches "
           "(`ftpipe pull --list`)";
}

static bool refuse_model(const value *v)
{
    ft_compiler *c = v->c;
    const char *name = ft_compiler_quote(c, v->node->text);
    bool is_path = memchr(v->node->text.data, '/', v->node->text.size) != NULL;
    const char *const *words = v->option->choices;
    const char *near = words ? ft_nearest(v->node->text, words) : NULL;
    const char *help = help_for_model(v, is_path);
    ft_diagnostic fault = {.number = 604, .mark = v->node->mark};

    fault.message = is_path ? FT_SAY(c, "there is no model at `%s`", name)
                            : FT_SAY(c,
                                     "there is no model `%s`, neither here nor in the model "
                                     "store",
                                     name);
    fault.help = near && help ? FT_SAY(c, "did you mean `%s`? Else %s", near, help) : help;
    ft_params_add_origin(c, v->pair->value, &fault);
    return ft_compiler_refuse(c, &fault);
}

static bool is_choice(const ft_option *option, ft_slice text)
{
    for (const char *const *word = option->choices; word && *word; word++)
        if (ft_slice_is(text, *word))
            return true;
    return false;
}

// A name that could lead out of the store is a path, never looked up there.
static bool is_store_name(ft_slice text)
{
    return text.size > 0 && text.data[0] != '.' && !memchr(text.data, '/', text.size);
}

// A word of the option's own, an existing path, or a name in the store.
static bool find_model(const value *v, ft_slice *out)
{
    ft_compiler *c = v->c;
    const char *store = c->plan->environment.model_store;
    const char *path = ft_arena_text(c->arena, v->node->text);

    *out = v->node->text;
    if (is_choice(v->option, v->node->text))
        return true;
    if (!path)
        return ft_compiler_nomem(c);
    if (ft_file_find(path) != FT_FILE_MISSING)
        return true;
    if (!store || !is_store_name(v->node->text))
        return refuse_model(v);
    const char *in_store = ft_path_join(c->arena, store, path);
    if (!in_store)
        return ft_compiler_nomem(c);
    *out = ft_slice_of(in_store);
    return ft_file_find(in_store) != FT_FILE_MISSING || refuse_model(v);
}

// true and false in any of the spellings of YAML 1.2; `yes` is text there, and what was meant is
// clear.
static bool read_bool(const value *v, ft_slice *out)
{
    static const char *const yes[] = {"yes", "Yes", "YES", "on", "On", "ON", "y", "1", NULL};
    static const char *const no[] = {"no", "No", "NO", "off", "Off", "OFF", "n", "0", NULL};
    const char *meant = NULL;

    *out = v->node->text;
    if (v->node->type == FT_YAML_BOOL)
        *out = (v->node->text.data[0] | 32) == 't' ? FT_SLICE("true") : FT_SLICE("false");
    for (size_t i = 0; yes[i] && !meant; i++)
        meant = ft_slice_is(*out, yes[i]) ? "true" : ft_slice_is(*out, no[i]) ? "false" : NULL;
    if (!meant)
        return true;
    bool in_place = v->node->style == FT_YAML_PLAIN;
    return ft_compiler_refuse(
        v->c, &(ft_diagnostic){
                  .number = 117,
                  .mark = v->node->mark,
                  .message = FT_SAY(v->c, "`%s` is true or false, and `%s` is text in YAML 1.2",
                                    v->option->name, ft_compiler_quote(v->c, v->node->text)),
                  .help = FT_SAY(v->c, "write `%s: %s`",
                                 ft_compiler_quote(v->c, v->pair->key->text), meant),
                  .replacement = in_place ? meant : NULL});
}

static bool set_scalar(const value *v)
{
    ft_slice text = v->node->text;
    ft_error err = FT_ERROR_INIT;

    if (v->option->type == FT_OPTION_MODEL && !find_model(v, &text))
        return false;
    bool is_bool = v->option->type == FT_OPTION_BOOL ||
                   (v->option->type == FT_OPTION_CHOICE && is_choice(v->option, FT_SLICE("true")));
    if (is_bool && !read_bool(v, &text))
        return false;
    if (ft_option_set(v->option, v->entry->node->config, text, v->c->plan->arena, &err))
        return true;
    return refuse_this(v, &err);
}

bool ft_compile_option(ft_compiler *c, ft_stage_entry *entry, const ft_option *option,
                       const ft_yaml_pair *pair)
{
    value v = {c, entry, option, pair, ft_params_fill(c, pair->value)};
    bool is_list = option->type == FT_OPTION_STRINGS || option->type == FT_OPTION_FIELDS;
    bool is_map = option->type == FT_OPTION_MAP;

    if (!v.node)
        return false;
    if (is_map && v.node->kind == FT_YAML_MAP)
        return set_map(&v);
    if (is_list &&
        (v.node->kind == FT_YAML_LIST || (v.node->kind == FT_YAML_SCALAR && !is_empty(v.node))))
        return set_list(&v);
    if (is_nested(&v))
        return refuse_nested(&v);
    if (is_map || is_list || v.node->kind != FT_YAML_SCALAR || is_empty(v.node))
        return refuse_kind(c, pair, v.node, type_words(&v));
    return set_scalar(&v);
}

// ---- common keys ----

typedef struct common {
    ft_compiler *c;
    ft_plan_node *node;
    const ft_yaml_pair *pair;
    const ft_yaml_node *value;
} common;

static bool refuse_feature(const common *k, const ft_yaml_node *at, const char *what,
                           const char *instead)
{
    return ft_compiler_refuse(
        k->c, &(ft_diagnostic){
                  .number = 108,
                  .mark = at->mark,
                  .message = FT_SAY(k->c, "%s is not available in this version of ftpipe", what),
                  .help = instead});
}

static bool refuse_common(const common *k, const char *wanted)
{
    ft_compiler *c = k->c;

    if (k->value->kind != FT_YAML_SCALAR || is_empty(k->value))
        return refuse_kind(c, k->pair, k->value, wanted);
    return ft_compiler_refuse(
        c, &(ft_diagnostic){.number = 104,
                            .mark = k->value->mark,
                            .message = FT_SAY(c, "`%s` is %s, not `%s`",
                                              ft_compiler_quote(c, k->pair->key->text), wanted,
                                              ft_compiler_quote(c, k->value->text))});
}

static bool set_text(const common *k, const char **out, const char *wanted)
{
    if (k->value->kind != FT_YAML_SCALAR || is_empty(k->value) || k->value->text.size == 0)
        return refuse_common(k, wanted);
    *out = ft_arena_text(k->c->plan->arena, k->value->text);
    return *out ? true : ft_compiler_nomem(k->c);
}

static bool set_workers(const common *k)
{
    int64_t workers = 0;

    if (k->value->kind == FT_YAML_MAP)
        return refuse_feature(k, k->value, "a range of workers",
                              "write one number, or `workers: auto`");
    if (ft_yaml_is_text(k->value, "auto"))
        return true;
    if (k->value->kind != FT_YAML_SCALAR || !ft_parse_int(k->value->text, &workers) ||
        workers < 1 || workers > WORKERS_MAX)
        return refuse_common(k, "a whole number between 1 and 4096, or `auto`");
    k->node->workers = workers;
    return true;
}

// n, auto, or {items: n}.
static bool set_batch(const common *k)
{
    const ft_yaml_node *items = k->value;
    int64_t count = 0;

    if (items->kind == FT_YAML_MAP) {
        for (size_t i = 0; i < items->count; i++)
            if (!ft_yaml_is_text(items->pairs[i].key, "items"))
                return refuse_feature(k, items->pairs[i].key,
                                      FT_SAY(k->c, "`%s` in `batch`",
                                             ft_compiler_quote(k->c, items->pairs[i].key->text)),
                                      "give the number of items: `batch: 64`, or leave it out");
        const ft_yaml_pair *found = ft_yaml_find(items, "items");
        items = found ? ft_params_fill(k->c, found->value) : items;
        if (!items)
            return false;
    }
    if (ft_yaml_is_text(items, "auto"))
        return true;
    if (items->kind != FT_YAML_SCALAR || !ft_parse_count(items->text, &count) || count < 1 ||
        count > INT32_MAX)
        return refuse_common(k, "a number of items such as 64 or 10k, or `auto`");
    k->node->batch_items = count;
    return true;
}

static bool set_order(const common *k)
{
    bool any = ft_yaml_is_text(k->value, "any");

    if (!any && !ft_yaml_is_text(k->value, "input"))
        return refuse_common(k, "`input` or `any`");
    k->node->order_any = any;
    return true;
}

static bool set_on_error(const common *k)
{
    if (k->value->kind == FT_YAML_MAP || ft_yaml_is_text(k->value, "retry"))
        return refuse_feature(k, k->value, "`retry` in `on_error`",
                              "use `on_error: skip`, or read what failed with `input: errors`");
    if (ft_yaml_is_text(k->value, "stop"))
        k->node->on_error = FT_ON_ERROR_STOP;
    else if (ft_yaml_is_text(k->value, "skip"))
        k->node->on_error = FT_ON_ERROR_SKIP;
    else
        return refuse_common(k, "`stop` or `skip`");
    return true;
}

static bool set_class(const common *k)
{
    bool is_long = ft_yaml_is_text(k->value, "compute");

    if (!is_long && !ft_yaml_is_text(k->value, "short"))
        return refuse_common(k, "`short` or `compute`");
    k->node->pace = is_long ? FT_PACE_COMPUTE : FT_PACE_SHORT;
    return true;
}

static bool set_budget(const common *k)
{
    int64_t budget_ms = 0;

    if (k->value->kind != FT_YAML_SCALAR || !ft_parse_duration(k->value->text, &budget_ms) ||
        budget_ms < 1 || budget_ms > BUDGET_MS_MAX)
        return refuse_common(k, "a time such as 500ms or 30s");
    k->node->budget_ms = budget_ms;
    return true;
}

// Sources and sinks have places in the input, and commits: they stay with the engine.
static bool check_may_contain(const common *k, const char *wish)
{
    const ft_stage_def *def = k->node->def;
    const char *kind = def->kind == FT_STAGE_SOURCE ? "source" : "sink";

    if (def->kind == FT_STAGE_TRANSFORM)
        return true;
    return ft_compiler_refuse(
        k->c, &(ft_diagnostic){.number = NUMBER_CONTAINED,
                               .mark = k->value->mark,
                               .message = FT_SAY(k->c, "`%s` is for transforms, and `%s` is a %s",
                                                 wish, def->name, kind),
                               .help = "leave it out; a stage below or above it can have it"});
}

static bool set_on_runaway(const common *k)
{
    if (ft_yaml_is_text(k->value, "process")) {
        if (!check_may_contain(k, "on_runaway: process"))
            return false;
        k->node->on_runaway = FT_ON_RUNAWAY_PROCESS;
    } else if (ft_yaml_is_text(k->value, "leave"))
        k->node->on_runaway = FT_ON_RUNAWAY_LEAVE;
    else if (ft_yaml_is_text(k->value, "fail"))
        k->node->on_runaway = FT_ON_RUNAWAY_FAIL;
    else
        return refuse_common(k, "`leave`, `fail` or `process`");
    return true;
}

static bool set_isolate(const common *k)
{
    if (!ft_yaml_is_text(k->value, "process"))
        return refuse_common(k, "`process`");
    k->node->isolate = check_may_contain(k, "isolate: process");
    return k->node->isolate;
}

// A default does not hold where the stage says otherwise. `name` and `input` are read with all
// stages in view.
bool ft_compile_common(ft_compiler *c, ft_stage_entry *entry, const ft_yaml_pair *pair,
                       bool is_default)
{
    ft_slice key = pair->key->text;
    common k = {.c = c, .node = entry->node, .pair = pair};

    if (ft_slice_is(key, "name") || ft_slice_is(key, "input"))
        return true;
    const char *name = ft_arena_text(c->arena, key);
    if (!name)
        return ft_compiler_nomem(c);
    if (is_default && ft_yaml_find(entry->yaml, name))
        return true;
    k.value = ft_params_fill(c, pair->value);
    if (!k.value)
        return false;
    if (ft_slice_is(key, "when"))
        return set_text(&k, &k.node->when_text, "a condition such as `len(text) > 10`");
    if (ft_slice_is(key, "from"))
        return set_text(&k, &k.node->from, "the name of a field");
    if (ft_slice_is(key, "to"))
        return set_text(&k, &k.node->to, "the name of a field");
    if (ft_slice_is(key, "workers"))
        return set_workers(&k);
    if (ft_slice_is(key, "batch"))
        return set_batch(&k);
    if (ft_slice_is(key, "class"))
        return set_class(&k);
    if (ft_slice_is(key, "budget"))
        return set_budget(&k);
    if (ft_slice_is(key, "on_runaway"))
        return set_on_runaway(&k);
    if (ft_slice_is(key, "isolate"))
        return set_isolate(&k);
    return ft_slice_is(key, "order") ? set_order(&k) : set_on_error(&k);
}
