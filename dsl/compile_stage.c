// The list `stages:`: which type each entry is, and each of its keys to the option or common key
// that it names.
#include <string.h>

#include "dsl/compilation.h"

enum { STAGES_MAX = 1000, KEYS_MAX = 1000 };

static const char stages_help[] =
    "write `stages:` and below it, indented, `- read: FILE` and `- write: FILE`";

static const ft_stage_def *find_def(const ft_compiler *c, ft_slice name)
{
    for (size_t i = 0; c->settings->stages[i]; i++)
        if (ft_slice_is(name, c->settings->stages[i]->name))
            return c->settings->stages[i];
    return NULL;
}

static bool is_common(ft_slice key)
{
    for (size_t i = 0; ft_common_keys[i]; i++)
        if (ft_slice_is(key, ft_common_keys[i]))
            return true;
    return false;
}

// ---- unknown keys ----

static const char *list_keys(ft_compiler *c, const char *const *names)
{
    char text[240];
    size_t size = 0;

    for (size_t i = 0; names[i]; i++) {
        size_t length = strlen(names[i]);
        if (size + length + 8 > sizeof(text))
            return NULL;
        const char *between = i == 0 ? "" : names[i + 1] ? ", " : " and ";
        memcpy(text + size, between, strlen(between));
        size += strlen(between);
        memcpy(text + size, names[i], length);
        size += length;
    }
    return FT_SAY(c, "%.*s", (int)size, text);
}

static bool is_name_of(const char *name, const char *const *names)
{
    for (; *names; names++)
        if (strcmp(*names, name) == 0)
            return true;
    return false;
}

static bool refuse_missing(ft_compiler *c, const ft_yaml_node *key,
                           const ft_missing_feature *feature)
{
    return ft_compiler_refuse(
        c, &(ft_diagnostic){.number = 108,
                            .mark = key->mark,
                            .message = FT_SAY(c, "`%s` is not available in this version of ftpipe",
                                              feature->key),
                            .help = ft_compiler_help(c, feature->instead)});
}

// Where a new name alone makes it right.
static bool can_rename(const ft_compiler *c, const ft_yaml_pair *pair, const ft_word *word)
{
    if (word->place == FT_WORD_TOP && ft_yaml_find(c->root, word->ours))
        return false;
    return strcmp(word->ours, "stages") != 0 || pair->value->kind == FT_YAML_LIST;
}

static bool refuse_word(ft_compiler *c, const ft_yaml_pair *pair, const ft_word *word,
                        const char *const *names)
{
    ft_diagnostic fault = {.number = 107, .mark = pair->key->mark};

    if (word->ours && ft_words_find_missing(word->place, ft_slice_of(word->ours))) {
        const ft_missing_feature *feature =
            ft_words_find_missing(word->place, ft_slice_of(word->ours));
        fault.message =
            FT_SAY(c, "`%s` would be called `%s` here, which is not available in this version",
                   word->said, word->ours);
        fault.help = ft_compiler_help(c, feature->instead);
    } else if (word->ours && is_name_of(word->ours, names)) {
        fault.message = FT_SAY(c, "`%s` is called `%s` here", word->said, word->ours);
        fault.help = word->help;
        fault.replacement = word->help || !can_rename(c, pair, word) ? NULL : word->ours;
    } else {
        fault.message = FT_SAY(c, "there is no key `%s` here", word->said);
        fault.help = word->help;
    }
    return ft_compiler_refuse(c, &fault);
}

bool ft_compile_unknown_key(ft_compiler *c, ft_word_place place, const ft_yaml_pair *pair,
                            const char *const *names, const char *where)
{
    ft_slice key = pair->key->text;
    const ft_missing_feature *feature = ft_words_find_missing(place, key);
    const ft_word *word = ft_words_find(place, key);
    const char *best = NULL, *listed;

    if (feature)
        return refuse_missing(c, pair->key, feature);
    if (word && (!word->ours || is_name_of(word->ours, names) ||
                 ft_words_find_missing(place, ft_slice_of(word->ours))))
        return refuse_word(c, pair, word, names);
    const char *near = ft_compiler_nearest(c, key, names, &best);
    bool sure = near && !strchr(near, ' ');
    ft_diagnostic fault = {.number = 106, .mark = pair->key->mark};
    fault.message = FT_SAY(c, "%s has no key `%s`", where, ft_compiler_quote(c, key));
    if (near) {
        fault.help = FT_SAY(c, "did you mean %s?", near);
        fault.replacement = sure ? best : NULL;
    } else {
        listed = list_keys(c, names);
        fault.help = listed ? FT_SAY(c, "it has %s", listed) : NULL;
    }
    return ft_compiler_refuse(c, &fault);
}

// Options and common keys, NULL-terminated.
static const char *const *all_keys(ft_compiler *c, const ft_stage_entry *entry)
{
    const ft_stage_def *def = entry->def;
    size_t count = ft_option_count(def->options), at = 0;
    const char **names = ft_arena_zero(c->arena, count + 16, sizeof(*names));

    if (!names) {
        ft_compiler_nomem(c);
        return NULL;
    }
    for (size_t i = 0; i < count; i++)
        if (!def->options[i].is_main || entry->is_long)
            names[at++] = def->options[i].name;
    for (size_t i = 0; ft_common_keys[i] && at < count + 15; i++)
        names[at++] = ft_common_keys[i];
    return names;
}

static void refuse_stage_key(ft_compiler *c, ft_stage_entry *entry, const ft_yaml_pair *pair)
{
    const char *const *names = all_keys(c, entry);

    entry->failed = true;
    if (names)
        ft_compile_unknown_key(c, FT_WORD_STAGE, pair, names, FT_SAY(c, "`%s`", entry->def->name));
}

// ---- the type of an entry ----

static void refuse_two_types(ft_compiler *c, const ft_yaml_pair *first, const ft_yaml_pair *second)
{
    const char *name = ft_compiler_quote(c, second->key->text);

    ft_compiler_refuse(
        c, &(ft_diagnostic){.number = 109,
                            .mark = second->key->mark,
                            .message = FT_SAY(c, "`%s` and `%s` are two stages, and stand in one",
                                              ft_compiler_quote(c, first->key->text), name),
                            .label = "a stage of its own",
                            .has_other = true,
                            .other = first->key->mark,
                            .other_label = "this stage is one already",
                            .help = FT_SAY(c, "start a new stage: `- %s: ...`", name)});
}

static void refuse_type(ft_compiler *c, const ft_yaml_node *at, ft_slice type)
{
    const ft_missing_feature *feature = ft_words_find_missing_stage(type);
    const char *best = NULL, *near, *name = ft_compiler_quote(c, type);

    if (feature) {
        ft_compiler_refuse(
            c, &(ft_diagnostic){
                   .number = 108,
                   .mark = at->mark,
                   .message = FT_SAY(c, "the stage `%s` is not available in this version of ftpipe",
                                     feature->key),
                   .help = ft_compiler_help(c, feature->instead)});
        return;
    }
    near = ft_compiler_nearest(c, type, c->stage_names, &best);
    bool exact = at->style == FT_YAML_PLAIN && ft_slice_equal(at->text, type);
    ft_compiler_refuse(
        c, &(ft_diagnostic){.number = 105,
                            .mark = at->mark,
                            .message = FT_SAY(c, "there is no stage `%s`", name),
                            .help = near ? FT_SAY(c, "did you mean %s?", near)
                                         : "`ftpipe stages` lists them all",
                            .replacement = near && exact && !strchr(near, ' ') ? best : NULL});
}

// No key is a type: the likeliest is the first that is no common key.
static void refuse_no_type(ft_compiler *c, const ft_stage_entry *entry)
{
    const ft_yaml_node *map = entry->yaml;
    const ft_yaml_pair *first = NULL;

    for (size_t i = 0; i < map->count && !first; i++) {
        ft_slice key = map->pairs[i].key->text;
        if (!is_common(key) && !ft_words_find_missing(FT_WORD_STAGE, key))
            first = &map->pairs[i];
    }
    for (size_t i = 0; i < map->count; i++)
        if (ft_words_find_missing_stage(map->pairs[i].key->text))
            first = &map->pairs[i];
    if (!first) {
        ft_compiler_refuse(
            c, &(ft_diagnostic){.number = 105,
                                .mark = map->count ? map->pairs[0].key->mark : map->mark,
                                .message =
                                    "this stage has no type: no key of it is the name of a stage",
                                .help = "add one, such as `read: FILE` or `write: FILE`; `ftpipe "
                                        "stages` lists them all"});
        return;
    }
    const ft_word *word = ft_words_find(FT_WORD_STAGE, first->key->text);
    if (word && !word->ours)
        ft_compiler_refuse(
            c, &(ft_diagnostic){.number = 107,
                                .mark = first->key->mark,
                                .message = FT_SAY(c, "there is no stage `%s`", word->said),
                                .help = word->help});
    else
        refuse_type(c, first->key, first->key->text);
}

static bool find_long_type(ft_compiler *c, ft_stage_entry *entry, const ft_yaml_pair *pair)
{
    const ft_yaml_node *value = ft_params_fill(c, pair->value);

    if (!value)
        return false;
    entry->is_long = true;
    entry->type = pair;
    entry->type_at = pair->value;
    if (value->kind != FT_YAML_SCALAR)
        return ft_compiler_refuse(c,
                                  &(ft_diagnostic){.number = 102,
                                                   .mark = value->mark,
                                                   .message = "`type` must be the name of a stage",
                                                   .help = "write `type: read`"});
    entry->def = find_def(c, value->text);
    if (!entry->def)
        refuse_type(c, pair->value, value->text);
    return entry->def != NULL;
}

// A key is a type unless the entry's other type has an option of that name.
static bool find_type(ft_compiler *c, ft_stage_entry *entry)
{
    const ft_yaml_node *map = entry->yaml;
    const ft_yaml_pair *long_form = ft_yaml_find(map, "type");

    for (size_t i = 0; i < map->count; i++) {
        ft_slice key = map->pairs[i].key->text;
        const ft_stage_def *def = find_def(c, key);
        bool is_plugin = ft_slice_is(key, FT_PLUGIN_KEY);
        if (!def && !is_plugin)
            continue;
        if (entry->def && ft_option_find(entry->def->options, key))
            continue;
        if (entry->def) {
            refuse_two_types(c, entry->type, &map->pairs[i]);
            return false;
        }
        if (is_plugin && !ft_compile_plugin(c, entry, &map->pairs[i]))
            return false;
        if (is_plugin)
            continue;
        entry->def = def;
        entry->type = &map->pairs[i];
        entry->type_at = map->pairs[i].key;
    }
    if (entry->def)
        return true;
    if (long_form)
        return find_long_type(c, entry, long_form);
    refuse_no_type(c, entry);
    return false;
}

// ---- one entry ----

static bool refuse_entry(ft_compiler *c, const ft_yaml_node *node)
{
    ft_diagnostic fault = {.number = 103, .mark = node->mark};
    const char *text = ft_compiler_quote(c, node->text);
    const char *colon =
        node->kind == FT_YAML_SCALAR ? memchr(node->text.data, ':', node->text.size) : NULL;
    ft_slice word = {node->text.data, colon ? (size_t)(colon - node->text.data) : 0};

    fault.message = FT_SAY(c, "a stage is a map such as `read: FILE`, and this is %s",
                           ft_yaml_describe(node, ft_diagnostics_arena(c->diagnostics)));
    if (colon && find_def(c, word)) {
        fault.number = 20;
        fault.message = "a space is missing behind the `:`";
        fault.mark = ft_yaml_mark_within(c->source, node, 0, word.size + 1);
        fault.help =
            FT_SAY(c, "write `%.*s: %s`", (int)word.size, word.data,
                   ft_compiler_quote(c, (ft_slice){colon + 1, node->text.size - word.size - 1}));
        fault.replacement =
            node->style == FT_YAML_PLAIN ? FT_SAY(c, "%.*s: ", (int)word.size, word.data) : NULL;
    } else if (node->kind == FT_YAML_SCALAR && find_def(c, node->text)) {
        fault.message = FT_SAY(c, "a `:` is missing behind `%s`", text);
        fault.help = FT_SAY(c, "write `- %s:`", text);
        fault.replacement = node->style == FT_YAML_PLAIN ? FT_SAY(c, "%s:", text) : NULL;
    } else if (node->kind == FT_YAML_SCALAR && node->type == FT_YAML_NULL) {
        fault.message = "this entry is empty";
        fault.help = "write a stage such as `- read: FILE`, or remove the `-`";
    }
    return ft_compiler_refuse(c, &fault);
}

static bool is_given(const ft_yaml_node *value)
{
    return value->kind != FT_YAML_SCALAR || value->type != FT_YAML_NULL || value->quoted;
}

// `- read:` without a value may still have its main setting by its own name.
static bool compile_type_key(ft_compiler *c, ft_stage_entry *entry)
{
    const ft_option *main_option = ft_option_find_main(entry->def->options);
    const ft_yaml_pair *pair = entry->type;

    if (entry->is_long)
        return true;
    if (!main_option) {
        if (!is_given(pair->value))
            return true;
        return ft_compiler_refuse(
            c, &(ft_diagnostic){
                   .number = 104,
                   .mark = pair->value->mark,
                   .message = FT_SAY(c, "`%s` takes no value of its own", entry->def->name),
                   .help = FT_SAY(c, "write `%s:` and its options below", entry->def->name)});
    }
    const ft_yaml_pair *by_name = ft_yaml_find(entry->yaml, main_option->name);
    if (!is_given(pair->value) && (by_name || !main_option->required))
        return true;
    return ft_compile_option(c, entry, main_option, pair);
}

static bool refuse_second_main(ft_compiler *c, const ft_stage_entry *entry,
                               const ft_yaml_pair *pair)
{
    return ft_compiler_refuse(
        c,
        &(ft_diagnostic){.number = 106,
                         .mark = pair->key->mark,
                         .message = FT_SAY(c, "`%s` is given twice: it is what stands behind `%s:`",
                                           ft_compiler_quote(c, pair->key->text), entry->def->name),
                         .has_other = true,
                         .other = entry->type->value->mark,
                         .other_label = "given here",
                         .help = "keep one of the two"});
}

static bool compile_key(ft_compiler *c, ft_stage_entry *entry, const ft_yaml_pair *pair)
{
    const ft_option *option = ft_option_find(entry->def->options, pair->key->text);

    if (pair == entry->type)
        return true;
    if (option && option->is_main && !entry->is_long && is_given(entry->type->value))
        return refuse_second_main(c, entry, pair);
    if (option)
        return ft_compile_option(c, entry, option, pair);
    if (is_common(pair->key->text))
        return ft_compile_common(c, entry, pair, false);
    refuse_stage_key(c, entry, pair);
    return false;
}

static void check_required(ft_compiler *c, ft_stage_entry *entry)
{
    for (const ft_option *option = entry->def->options; option && option->name; option++) {
        const ft_yaml_pair *pair = ft_yaml_find(entry->yaml, option->name);

        if (!option->required || pair || (option->is_main && !entry->is_long))
            continue;
        entry->failed = true;
        ft_compiler_refuse(c, &(ft_diagnostic){.number = 116,
                                               .mark = entry->type_at->mark,
                                               .message = FT_SAY(c, "`%s` needs `%s`",
                                                                 entry->def->name, option->name),
                                               .label = FT_SAY(c, "`%s` is missing", option->name),
                                               .help = FT_SAY(c, "add `%s:` (%s)", option->name,
                                                              ft_compile_type_words(c, option))});
    }
}

static void apply_defaults(ft_compiler *c, ft_stage_entry *entry)
{
    for (size_t i = 0; c->defaults && i < c->defaults->count; i++) {
        const ft_yaml_pair *pair = &c->defaults->pairs[i];
        bool is_workers = ft_slice_is(pair->key->text, "workers");

        if (!is_common(pair->key->text) || ft_slice_is(pair->key->text, "name") ||
            (is_workers && entry->def->concurrency != FT_CONCURRENCY_ANY))
            continue;
        if (!ft_compile_common(c, entry, pair, true))
            entry->failed = true;
    }
}

// In a one-liner, `map y=x*2 z=1` is `map: {y: x*2, z: 1}`: where the main setting is a map, words
// that name nothing else are its entries.
static bool gather_entries(ft_compiler *c, ft_stage_entry *entry)
{
    const ft_option *main_option = ft_option_find_main(entry->def->options);
    const ft_yaml_node *from = entry->yaml, *given = entry->type->value;
    size_t own = given->kind == FT_YAML_MAP ? given->count : 0;

    if (strcmp(c->source->path, "-e") != 0 || !main_option || main_option->type != FT_OPTION_MAP ||
        entry->is_long || (is_given(given) && given->kind != FT_YAML_MAP))
        return true;
    ft_yaml_node *nodes = ft_arena_zero(c->arena, 2, sizeof(*nodes));
    ft_yaml_pair *pairs = ft_arena_zero(c->arena, from->count, sizeof(*pairs));
    ft_yaml_pair *made = ft_arena_zero(c->arena, own + from->count, sizeof(*made));
    if (!nodes || !pairs || !made)
        return ft_compiler_nomem(c);
    ft_yaml_node *stage = &nodes[0], *map = &nodes[1];
    *stage = *from;
    stage->pairs = pairs;
    stage->count = 0;
    *map = (ft_yaml_node){
        .kind = FT_YAML_MAP, .mark = entry->type_at->mark, .pairs = made, .count = own};
    if (own > 0)
        memcpy(made, given->pairs, own * sizeof(*made));
    for (size_t i = 0; i < from->count; i++) {
        const ft_yaml_pair *pair = &from->pairs[i];
        bool known = pair == entry->type || is_common(pair->key->text) ||
                     ft_option_find(entry->def->options, pair->key->text);
        *(known ? &pairs[stage->count++] : &made[map->count++]) = *pair;
    }
    if (map->count == own)
        return true;
    pairs[0].value = map;  // The type is the first word of a stage.
    entry->yaml = stage;
    entry->type = &pairs[0];
    return true;
}

static bool compile_entry(ft_compiler *c, ft_stage_entry *entry)
{
    ft_error err = FT_ERROR_INIT;

    if (entry->yaml->kind != FT_YAML_MAP)
        return refuse_entry(c, entry->yaml);
    if (entry->yaml->count > KEYS_MAX)
        return ft_compiler_refuse(
            c, &(ft_diagnostic){.number = 9,
                                .mark = entry->yaml->mark,
                                .message = "this stage has more than 1000 keys"});
    if (!find_type(c, entry) || !gather_entries(c, entry))
        return false;
    entry->index = (uint32_t)c->plan->node_count;
    entry->node = ft_plan_add_node(c->plan, entry->def, entry->def->name, &err);
    if (!entry->node)
        return ft_compiler_nomem(c);
    entry->node->order_any = c->plan->run.order_any;
    entry->node->library = entry->library;
    entry->node->domain = entry->domain;
    apply_defaults(c, entry);
    if (!compile_type_key(c, entry))
        entry->failed = true;
    for (size_t i = 0; i < entry->yaml->count; i++)
        if (!compile_key(c, entry, &entry->yaml->pairs[i]))
            entry->failed = true;
    check_required(c, entry);
    return true;
}

bool ft_compile_stages(ft_compiler *c, const ft_yaml_node *stages)
{
    bool is_null = stages->kind == FT_YAML_SCALAR && stages->type == FT_YAML_NULL;
    ft_mark at = is_null ? ft_yaml_find(c->root, "stages")->key->mark : stages->mark;

    if (stages->kind != FT_YAML_LIST)
        return ft_compiler_refuse(
            c, &(ft_diagnostic){.number = 103,
                                .mark = at,
                                .message = stages->kind == FT_YAML_MAP
                                               ? "`stages` must be a list, and this is a map"
                                           : is_null ? "`stages` is empty"
                                                     : "`stages` must be a list",
                                .help = stages->kind == FT_YAML_MAP ? "start each stage with `- `"
                                                                    : stages_help});
    if (stages->count == 0)
        return ft_compiler_refuse(
            c, &(ft_diagnostic){
                   .number = 101, .mark = at, .message = "`stages` is empty", .help = stages_help});
    if (stages->count > STAGES_MAX)
        return ft_compiler_refuse(
            c, &(ft_diagnostic){
                   .number = 9, .mark = at, .message = "this pipeline has more than 1000 stages"});
    c->entries = ft_arena_zero(c->arena, stages->count, sizeof(*c->entries));
    if (!c->entries)
        return ft_compiler_nomem(c);
    c->entry_count = stages->count;
    for (size_t i = 0; i < stages->count; i++) {
        ft_stage_entry *entry = &c->entries[i];

        entry->yaml = stages->items[i];
        if (!compile_entry(c, entry)) {
            entry->failed = true;
            c->links_uncertain = true;
        }
    }
    return true;
}
