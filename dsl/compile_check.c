// The engine's checker, and its faults brought to their places in the file: the value of the option
// that it names, the other end of the edge with the fields that come from there, and the line to
// write where that is plain.
#include <string.h>

#include "dsl/compilation.h"

enum {
    NUMBER_DEAD_END = 205,
    NUMBER_NO_FIELD = 311,
    NUMBER_FIELDS_END = 499,
    NUMBER_NO_READER = 901
};

static ft_stage_entry *entry_of(ft_compiler *c, const ft_plan_node *node)
{
    const ft_plan_node *visible = NULL;

    if (!node)
        return NULL;
    // A hidden node stands behind its owner.
    for (size_t i = 0; i < c->plan->node_count; i++) {
        if (!c->plan->nodes[i]->is_hidden)
            visible = c->plan->nodes[i];
        if (c->plan->nodes[i] == node)
            break;
    }
    for (size_t i = 0; i < c->entry_count; i++)
        if (c->entries[i].node == visible || c->entries[i].node == node)
            return &c->entries[i];
    return NULL;
}

// The key and value of an option as the user wrote it; the type's own for the main one.
static const ft_yaml_pair *pair_of(const ft_stage_entry *entry, const char *option)
{
    const ft_yaml_pair *pair = ft_yaml_find(entry->yaml, option);
    const ft_option *found = ft_option_find(entry->def->options, ft_slice_of(option));

    if (!pair && found && found->is_main && !entry->is_long)
        return entry->type;
    return pair;
}

// `option` may be "fields.score": the value of one name in a map.
static const ft_yaml_pair *pair_within(const ft_stage_entry *entry, const char *option)
{
    const char *dot = strchr(option, '.');
    char head[64];

    if (!dot || (size_t)(dot - option) >= sizeof(head))
        return pair_of(entry, option);
    memcpy(head, option, (size_t)(dot - option));
    head[dot - option] = '\0';
    const ft_yaml_pair *outer = pair_of(entry, head);
    const ft_yaml_pair *inner = outer ? ft_yaml_find(outer->value, dot + 1) : NULL;
    return inner ? inner : outer;
}

static bool is_same_text(ft_slice value, const ft_error *fault)
{
    return fault->offset + fault->length <= value.size;
}

// In a list or map, the one value or name that the message quotes.
static const ft_yaml_node *node_quoted(const ft_yaml_node *node, const char *message)
{
    const ft_yaml_node *found = NULL;

    for (size_t i = 0; i < node->count; i++) {
        const ft_yaml_node *item = node->kind == FT_YAML_LIST ? node->items[i] : node->pairs[i].key;
        char quoted[96];

        if (item->kind != FT_YAML_SCALAR || item->text.size + 3 > sizeof(quoted))
            continue;
        quoted[0] = '`';
        memcpy(quoted + 1, item->text.data, item->text.size);
        memcpy(quoted + 1 + item->text.size, "`", 2);
        if (strstr(message, quoted))
            found = found ? found : item;
    }
    return found;
}

// The scalar, list or map that the fault is about; NULL: the stage itself.
static const ft_yaml_node *node_at_fault(const ft_stage_entry *entry, const ft_error *fault)
{
    const ft_yaml_pair *pair = fault->option ? pair_within(entry, fault->option) : NULL;

    if (!pair)
        return NULL;
    const ft_yaml_node *value = pair->value;
    if (value->kind == FT_YAML_SCALAR)
        return value->type == FT_YAML_NULL && !value->quoted ? pair->key : value;
    const ft_yaml_node *item = node_quoted(value, fault->message);
    // An expression of a map: the value whose name the message quotes, if it is long enough.
    for (size_t i = 0; item && value->kind == FT_YAML_MAP && i < value->count; i++)
        if (value->pairs[i].key == item && fault->length > 0 &&
            is_same_text(value->pairs[i].value->text, fault))
            return value->pairs[i].value;
    return item ? item : value;
}

static ft_mark mark_of(const ft_compiler *c, const ft_stage_entry *entry, const ft_error *fault)
{
    const ft_yaml_node *node = node_at_fault(entry, fault);

    if (!node)
        return entry->type_at->mark;
    // What was filled in does not stand in the file.
    if (node->kind != FT_YAML_SCALAR || ft_params_is_used(node))
        return node->mark;
    return ft_yaml_mark_within(c->source, node, fault->offset, fault->length);
}

// ---- the other end ----

// Sources that type their items by a look at the data say so.
static bool has_sampled(const ft_stage_entry *entry, const ft_plan_node *node)
{
    const ft_option *fields = ft_option_find(entry->def->options, FT_SLICE("fields"));

    return entry->def->kind == FT_STAGE_SOURCE && fields && fields->type == FT_OPTION_MAP &&
           strcmp(entry->def->name, "read") == 0 && !ft_yaml_find(entry->yaml, "fields") &&
           node->output.open;
}

static void add_other(ft_compiler *c, ft_stage_entry *other, const ft_plan_node *node,
                      ft_diagnostic *fault)
{
    ft_arena *messages = ft_diagnostics_arena(c->diagnostics);
    const char *fields;

    if (!other || other->type_at->mark.offset == fault->mark.offset)
        return;
    if (node->output.count == 0 && !node->output.open)
        return;
    fields = ft_schema_print(&node->output, messages);
    if (!fields)
        return;
    fault->has_other = true;
    fault->other = other->type_at->mark;
    fault->other_label =
        ft_arena_format(messages, "gives  %s%s", *fields ? fields : "items without known fields",
                        has_sampled(other, node) ? "          (from its first 100 lines)" : "");
}

// ---- the line to write ----

// The source text of a stage's model, to offer the stage that is missing with the same one.
static const ft_yaml_node *model_of(const ft_stage_entry *entry)
{
    for (const ft_option *option = entry->def->options; option && option->name; option++) {
        const ft_yaml_pair *pair =
            option->type == FT_OPTION_MODEL ? pair_of(entry, option->name) : NULL;
        if (pair && pair->value->kind == FT_YAML_SCALAR && pair->value->style != FT_YAML_LITERAL)
            return pair->value;
    }
    return NULL;
}

static bool has_stage(const ft_compiler *c, const char *name)
{
    for (size_t i = 0; c->stage_names[i]; i++)
        if (strcmp(c->stage_names[i], name) == 0)
            return true;
    return false;
}

static void add_fix(ft_compiler *c, const ft_stage_entry *entry, const ft_error *err,
                    ft_diagnostic *fault)
{
    static const struct {
        const char *field, *stage, *help, *label;
    } makers[] = {{"`tokens`", "tokenize", "tokenise first", "reads tokens: i32[*]"},
                  {"`embedding`", "embed", "embed first", NULL}};
    const ft_yaml_node *model = model_of(entry);
    ft_mark start = entry->yaml->mark;

    for (size_t i = 0; i < FT_COUNT_OF(makers) && err->number == NUMBER_NO_FIELD; i++) {
        if (!strstr(err->message, makers[i].field) ||
            strcmp(entry->def->name, makers[i].stage) == 0 || !has_stage(c, makers[i].stage))
            continue;
        int indent = start.column >= 3 ? (int)start.column - 3 : 0;
        fault->help = makers[i].help;
        if (!err->option)
            fault->label = makers[i].label;
        fault->fix_line =
            FT_SAY(c, "%*s- %s: %.*s", indent, "", makers[i].stage,
                   model ? (int)model->text.size : 5, model ? model->text.data : "MODEL");
        fault->fix_above_line = start.line;
        return;
    }
}

// ---- faults ----

// "reads tokens: i32[*]" of a hint stands best behind the carets.
static void take_label(ft_compiler *c, const ft_error *err, ft_diagnostic *fault)
{
    if (strncmp(err->hint, "reads ", 6) == 0 || strncmp(err->hint, "Reads ", 6) == 0)
        fault->label = ft_compiler_help(c, err->hint);
    else
        fault->help = ft_compiler_help(c, err->hint);
}

// A stage says what is wrong without naming itself: "needs `tokens`, ...".
static bool begins_with_verb(const char *message)
{
    return strncmp(message, "needs ", 6) == 0 || strncmp(message, "reads ", 6) == 0;
}

// Faults that a stage gives no number to.
static int number_of(const ft_error *err)
{
    if (err->number)
        return err->number;
    switch (err->code) {
    case FT_ERROR_IO:
        return 602;
    case FT_ERROR_DATA:
        return 603;
    case FT_ERROR_LIMIT:
        return 607;
    case FT_ERROR_USAGE:
        return err->option ? 104 : 118;
    case FT_ERROR_NONE:
    case FT_ERROR_NOMEM:
    case FT_ERROR_CANCELLED:
        break;
    }
    return 118;
}

// What comes in matters for these, and would be noise for the syntax of an expression.
static bool is_about_fields(int number)
{
    return number >= NUMBER_NO_FIELD && number <= NUMBER_FIELDS_END && number != 401 &&
           number != 403 && number != 405 && number != 408;
}

// `text == english`: what comes in stands in the message already; what may be meant does not.
static const char *help_for_name(ft_compiler *c, const ft_stage_entry *entry, const ft_error *err,
                                 const char *help)
{
    static const char start[] = "no field `";
    const char *name = err->message + sizeof(start) - 1, *end;

    if (err->number != 402 || strncmp(err->message, start, sizeof(start) - 1) != 0 ||
        (strncmp(err->hint, "What comes in", 13) != 0 &&
         strncmp(err->hint, "what comes in", 13) != 0))
        return help;
    end = strchr(name, '`');
    if (!end || !entry)
        return help;
    return FT_SAY(c,
                  "write `\"%.*s\"` if it is text; a field that is not known above is named in "
                  "`fields:` where it is read",
                  (int)(end - name), name);
}

static bool is_below_failed(const ft_plan *plan, const ft_plan_node *node)
{
    for (size_t i = 0; i < node->input_count; i++) {
        const ft_plan_node *from = plan->nodes[node->inputs[i].node];
        // A stage that was not planned for sure has no more than what came in: look further up.
        for (size_t steps = 0; from && steps < plan->node_count; steps++) {
            if (from->failed)
                return true;
            from = from->input_count > 0 ? plan->nodes[from->inputs[0].node] : NULL;
        }
    }
    return false;
}

static void report(void *host, const ft_plan_node *node, const ft_plan_node *other,
                   const ft_error *err)
{
    ft_compiler *c = host;
    ft_stage_entry *entry = entry_of(c, node), *from = entry_of(c, other);
    ft_diagnostic fault = {0};

    if (err->code == FT_ERROR_NOMEM || !entry) {
        ft_compiler_nomem(c);
        return;
    }
    fault.number = number_of(err);
    // Of a plan that was cut before its first faulty stage, nobody reads the end.
    if (err->number == NUMBER_DEAD_END && c->links_uncertain)
        return;
    // "Name a field", below a stage whose fields are not known.
    if (err->number == 0 && err->code == FT_ERROR_USAGE && is_below_failed(c->plan, node))
        return;
    fault.message = begins_with_verb(err->message) ? FT_SAY(c, "`%s` %s", entry->name, err->message)
                                                   : FT_SAY(c, "%s", err->message);
    fault.mark = mark_of(c, entry, err);
    take_label(c, err, &fault);
    const ft_yaml_node *at = node_at_fault(entry, err);
    if (at)
        ft_params_add_origin(c, at, &fault);
    if (is_about_fields(err->number) && from && !fault.has_other)
        add_other(c, from, other, &fault);
    if (fault.has_other)
        fault.help = help_for_name(c, entry, err, fault.help);
    if (err->number == 208 && from) {
        fault.has_other = true;
        fault.other = from->type_at->mark;
        fault.other_label = "this is a sink";
    }
    add_fix(c, entry, err, &fault);
    ft_compiler_refuse(c, &fault);
}

// ---- lints ----

static void lint(ft_compiler *c)
{
    const ft_yaml_pair *run = ft_yaml_find(c->root, "run");
    const ft_yaml_pair *bound = run ? ft_yaml_find(run->value, "max_errors") : NULL;
    bool skips = false;

    for (size_t i = 0; i < c->plan->node_count; i++)
        skips = skips || c->plan->nodes[i]->on_error == FT_ON_ERROR_SKIP;
    if (ft_diagnostics_count(c->diagnostics, FT_SEVERITY_ERROR) > 0 || !bound || c->reads_errors ||
        skips || c->plan->run.max_errors == 0)
        return;
    ft_compiler_refuse(
        c, &(ft_diagnostic){
               .severity = FT_SEVERITY_WARNING,
               .number = NUMBER_NO_READER,
               .mark = bound->key->mark,
               .message = FT_SAY(
                   c, "%s may fail, but nothing says where to: the first one will stop the run",
                   ft_compiler_quote(c, bound->value->text)),
               .help = "add a sink with `input: errors`, or `on_error: skip`"});
}

void ft_compile_check(ft_compiler *c)
{
    size_t good = c->plan->node_count;

    // What stands above the first faulty stage can be checked; the rest would be told what it
    // cannot help.
    for (size_t i = c->entry_count; i > 0; i--)
        if (c->entries[i - 1].failed) {
            if (c->entries[i - 1].node)
                good = c->entries[i - 1].index;
            else
                for (size_t k = i; k < c->entry_count; k++)
                    if (c->entries[k].node) {
                        good = c->entries[k].index;
                        break;
                    }
        }
    if (good < c->plan->node_count || c->links_uncertain) {
        c->links_uncertain = true;
        c->plan->node_count = good;
    }
    if (c->plan->node_count > 0 && ft_plan_check(c->plan, report, c))
        lint(c);
}
