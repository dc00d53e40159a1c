// Names of stages, and who reads from whom: what `input:` says, else the nearest stage above with
// an output.
#include <string.h>

#include "dsl/compilation.h"

enum { NAME_BYTES_MAX = 64 };

// ---- names ----

static bool is_taken(const ft_compiler *c, const char *name)
{
    for (size_t i = 0; i < c->entry_count; i++)
        if (c->entries[i].name && strcmp(c->entries[i].name, name) == 0)
            return true;
    return false;
}

static bool is_stage_name(ft_slice name)
{
    if (name.size == 0 || name.size > NAME_BYTES_MAX)
        return false;
    for (size_t i = 0; i < name.size; i++) {
        char ch = name.data[i];
        bool letter = (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || ch == '_';
        if (!letter && (i == 0 || !((ch >= '0' && ch <= '9') || ch == '-')))
            return false;
    }
    return true;
}

static bool refuse_name(ft_compiler *c, const ft_yaml_node *at)
{
    bool is_errors = ft_yaml_is_text(at, "errors");

    return ft_compiler_refuse(
        c,
        &(ft_diagnostic){
            .number = 206,
            .mark = at->mark,
            .message =
                is_errors
                    ? "a stage cannot be called `errors`: `input: errors` means all that failed"
                : at->kind == FT_YAML_SCALAR
                    ? FT_SAY(c, "`%s` is no name for a stage", ft_compiler_quote(c, at->text))
                    : "a stage's `name` must be a word",
            .help =
                is_errors
                    ? "call it `rejected`, say"
                    : "use a letter first, then letters, digits, `_` and `-`, at most 64 of them"});
}

static bool read_given_name(ft_compiler *c, ft_stage_entry *entry)
{
    const ft_yaml_pair *pair = ft_yaml_find(entry->yaml, "name");

    if (!pair || (entry->def && ft_option_find(entry->def->options, FT_SLICE("name"))))
        return true;
    const ft_yaml_node *value = ft_params_fill(c, pair->value);
    if (!value || value->kind != FT_YAML_SCALAR || !is_stage_name(value->text) ||
        ft_slice_is(value->text, "errors")) {
        entry->failed = true;
        return value ? refuse_name(c, value) : false;
    }
    const char *name = ft_arena_text(c->plan->arena, value->text);
    if (!name)
        return ft_compiler_nomem(c);
    for (size_t i = 0; i < c->entry_count; i++) {
        if (!c->entries[i].name || strcmp(c->entries[i].name, name) != 0)
            continue;
        entry->failed = true;
        return ft_compiler_refuse(
            c, &(ft_diagnostic){.number = 201,
                                .mark = pair->value->mark,
                                .message = FT_SAY(c, "two stages are called `%s`", name),
                                .label = "again here",
                                .has_other = true,
                                .other = c->entries[i].name_at->mark,
                                .other_label = "first here",
                                .help = "give each stage a name of its own"});
    }
    entry->name = name;
    entry->name_at = pair->value;
    return true;
}

// write, write_2, write_3 ... by place in the file.
static bool make_name(ft_compiler *c, ft_stage_entry *entry)
{
    size_t number = 1;

    for (const ft_stage_entry *other = c->entries; other < entry; other++)
        number += other->def == entry->def;
    for (;; number++) {
        const char *name =
            number == 1 ? entry->def->name
                        : ft_arena_format(c->plan->arena, "%s_%zu", entry->def->name, number);
        if (!name)
            return ft_compiler_nomem(c);
        if (is_taken(c, name))
            continue;
        entry->name = name;
        return true;
    }
}

bool ft_compile_names(ft_compiler *c)
{
    for (size_t i = 0; i < c->entry_count; i++)
        if (c->entries[i].yaml->kind == FT_YAML_MAP)
            read_given_name(c, &c->entries[i]);
    for (size_t i = 0; i < c->entry_count; i++) {
        ft_stage_entry *entry = &c->entries[i];

        if (!entry->def)
            continue;
        if (!entry->name && !make_name(c, entry))
            return false;
        if (entry->node)
            entry->node->name = entry->name;
    }
    return true;
}

// ---- links ----

static bool gives_output(const ft_stage_entry *entry)
{
    return !entry->def || entry->def->kind != FT_STAGE_SINK || entry->def->then;
}

static ft_stage_entry *find_entry(const ft_compiler *c, ft_slice name)
{
    for (size_t i = 0; i < c->entry_count; i++)
        if (c->entries[i].name && ft_slice_is(name, c->entries[i].name))
            return &c->entries[i];
    return NULL;
}

// A link to what is not in the plan poisons quietly: the cause has been told.
static bool connect(ft_compiler *c, ft_stage_entry *entry, ft_stage_entry *from, uint32_t port)
{
    ft_error err = FT_ERROR_INIT;

    if (!from->node) {
        entry->failed = true;
        return true;
    }
    if (port == FT_PORT_ERRORS)
        c->reads_errors = true;
    if (ft_plan_connect(c->plan, entry->node, from->index, port, &err))
        return true;
    return ft_compiler_nomem(c);
}

typedef struct link_text {
    const ft_yaml_node *at;
    ft_slice name, port;  // port: empty for the main output.
} link_text;

static link_text split_link(const ft_yaml_node *node)
{
    const char *dot = memchr(node->text.data, '.', node->text.size);
    link_text link = {.at = node, .name = node->text};

    if (dot) {
        link.name.size = (size_t)(dot - node->text.data);
        link.port = (ft_slice){dot + 1, node->text.size - link.name.size - 1};
    }
    return link;
}

static bool refuse_link(ft_compiler *c, const link_text *link, ft_diagnostic fault)
{
    fault.mark = link->at->mark;
    c->links_uncertain = true;
    return ft_compiler_refuse(c, &fault);
}

static const char **names_above(ft_compiler *c, const ft_stage_entry *entry)
{
    const char **names = c->entry_names;
    size_t count = 0;

    if (!names)
        names = c->entry_names = ft_arena_zero(c->arena, c->entry_count + 2, sizeof(*names));
    for (const ft_stage_entry *other = c->entries; names && other < entry; other++)
        if (other->name)
            names[count++] = other->name;
    if (!names)
        return NULL;
    names[count] = "errors";
    names[count + 1] = NULL;
    return names;
}

// "`a`, `b`, `c` and 4 more"; `names` ends with `errors`, which is none of them.
static const char *list_above(ft_compiler *c, const char *const *names)
{
    enum { SHOWN = 5 };
    size_t count = 0;
    const char *text = "";

    while (names[count + 1])
        count++;
    for (size_t i = 0; text && i < count && (i < SHOWN || count == SHOWN + 1); i++)
        text = FT_SAY(c, "%s%s`%s`", text, i == 0 ? "" : i + 1 == count ? " and " : ", ", names[i]);
    if (text && count > SHOWN + 1)
        text = FT_SAY(c, "%s and %zu more", text, count - SHOWN);
    return text ? FT_SAY(c,
                         count == 1 ? "the stage above is called %s"
                                    : "the stages above are called %s",
                         text)
                : NULL;
}

// `docs` may mean `read_docs`: a name that has the word in it, or stands in it.
static const char *find_kin(ft_compiler *c, ft_slice word, const char *const *names)
{
    const char *text = ft_arena_text(c->arena, word);

    for (size_t i = 0; text && word.size >= 3 && names[i + 1]; i++)
        if (strstr(names[i], text) || (strlen(names[i]) >= 3 && strstr(text, names[i])))
            return names[i];
    return NULL;
}

static bool refuse_unknown(ft_compiler *c, const ft_stage_entry *entry, const link_text *link)
{
    const char **names = names_above(c, entry);
    bool is_path = memchr(link->at->text.data, '/', link->at->text.size) || link->name.size == 0;
    const char *best = NULL, *near = NULL;
    const char *name = ft_compiler_quote(c, is_path ? link->at->text : link->name);
    ft_diagnostic fault = {.number = 204};

    if (!names)
        return ft_compiler_nomem(c);
    fault.message = FT_SAY(c, "there is no stage `%s` to read from", name);
    near = ft_compiler_nearest(c, link->name, names, &best);
    if (is_path) {
        fault.help = "`input` names a stage; a file is read by `- read: FILE`";
    } else if (near) {
        fault.help = FT_SAY(c, "did you mean %s?", near);
        if (!strchr(near, ' ') && link->at->style == FT_YAML_PLAIN)
            fault.replacement =
                link->port.size ? FT_SAY(c, "%s.%.*s", best, (int)link->port.size, link->port.data)
                                : best;
    } else if (names[1]) {
        const char *kin = find_kin(c, link->name, names);
        fault.help = kin ? FT_SAY(c, "did you mean `%s`?", kin) : list_above(c, names);
    }
    return refuse_link(c, link, fault);
}

static bool find_port(ft_compiler *c, const ft_stage_entry *from, const link_text *link,
                      uint32_t *out)
{
    const char *const *ports = from->def ? from->def->ports : NULL;

    *out = FT_PORT_MAIN;
    if (link->port.size == 0 && !(link->at->text.size > link->name.size))
        return true;
    *out = FT_PORT_ERRORS;
    if (ft_slice_is(link->port, "errors") || !from->def)
        return true;
    for (uint32_t i = 0; ports && ports[i]; i++)
        if (ft_slice_is(link->port, ports[i])) {
            *out = i + 1;
            return true;
        }
    const char *port = ft_compiler_quote(c, link->port);
    return refuse_link(
        c, link,
        (ft_diagnostic){.number = 209,
                        .message = FT_SAY(c, "`%s` has no port `%s`", from->name, port),
                        .has_other = true,
                        .other = from->type_at->mark,
                        .other_label =
                            ports && ports[0]
                                ? FT_SAY(c, "has the ports `errors` and `%s`", ports[0])
                                : "has the port `errors` and its output, which needs no name",
                        .help = FT_SAY(c, "read its output with `%s`, what failed with `%s.errors`",
                                       from->name, from->name)});
}

static bool find_link(ft_compiler *c, ft_stage_entry *entry, const link_text *link,
                      ft_stage_entry **out, uint32_t *out_port)
{
    ft_stage_entry *from = find_entry(c, link->name);

    if (!from)
        return refuse_unknown(c, entry, link);
    if (from >= entry)
        return refuse_link(
            c, link,
            (ft_diagnostic){
                .number = 210,
                .message =
                    from == entry
                        ? FT_SAY(c, "`%s` would read from itself", entry->name)
                        : FT_SAY(c, "`%s` stands below, and a stage reads from stages above it",
                                 from->name),
                .has_other = true,
                .other = from->type_at->mark,
                .other_label = FT_SAY(c, "`%s` is here", from->name),
                .help = from == entry ? "name a stage above"
                                      : FT_SAY(c, "move `%s` above this stage", from->name)});
    *out = from;
    return find_port(c, from, link, out_port);
}

// All errors ports above that nobody reads by name.
static bool connect_errors(ft_compiler *c, ft_stage_entry *entry, const ft_yaml_node *at)
{
    size_t count = 0;

    for (ft_stage_entry *from = c->entries; from < entry; from++) {
        if (!from->def || from->errors_read_by_name)
            continue;
        count++;
        if (!connect(c, entry, from, FT_PORT_ERRORS))
            return false;
    }
    if (count > 0 || c->links_uncertain)
        return true;
    return ft_compiler_refuse(
        c, &(ft_diagnostic){
               .number = 211,
               .mark = at->mark,
               .message = entry == c->entries
                              ? "no stage above can fail: this is the first one"
                              : "all errors of the stages above are read by other stages already",
               .help = entry == c->entries ? "put it behind the stages whose failed items it takes"
                                           : "remove this stage"});
}

static bool connect_one(ft_compiler *c, ft_stage_entry *entry, const ft_yaml_node *node)
{
    ft_stage_entry *from = NULL;
    uint32_t port;

    node = ft_params_fill(c, node);
    if (!node)
        return false;
    if (node->kind != FT_YAML_SCALAR || node->text.size == 0 ||
        (node->type == FT_YAML_NULL && !node->quoted))
        return ft_compiler_refuse(
            c, &(ft_diagnostic){
                   .number = 102,
                   .mark = node->mark,
                   .message = FT_SAY(c, "`input` is the name of a stage above, not %s",
                                     ft_yaml_describe(node, ft_diagnostics_arena(c->diagnostics))),
                   .help = "write `input: NAME`, `input: NAME.errors` or `input: [NAME, NAME]`"});
    if (ft_slice_is(node->text, "errors"))
        return connect_errors(c, entry, node);
    link_text link = split_link(node);
    return find_link(c, entry, &link, &from, &port) && connect(c, entry, from, port);
}

static bool is_listed_twice(ft_compiler *c, const ft_yaml_node *list, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (list->items[i]->kind != FT_YAML_SCALAR || list->items[at]->kind != FT_YAML_SCALAR ||
            !ft_slice_equal(list->items[i]->text, list->items[at]->text))
            continue;
        ft_compiler_refuse(
            c, &(ft_diagnostic){.number = 212,
                                .mark = list->items[at]->mark,
                                .message = FT_SAY(c, "`%s` is read twice",
                                                  ft_compiler_quote(c, list->items[at]->text)),
                                .label = "again here",
                                .has_other = true,
                                .other = list->items[i]->mark,
                                .other_label = "first here",
                                .help = "name it once"});
        return true;
    }
    return false;
}

static bool connect_given(ft_compiler *c, ft_stage_entry *entry, const ft_yaml_pair *pair)
{
    const ft_yaml_node *value = ft_params_fill(c, pair->value);
    bool ok = true;

    if (!value)
        return false;
    if (value->kind != FT_YAML_LIST)
        return connect_one(c, entry,
                           value->type == FT_YAML_NULL && !value->quoted && value->text.size == 0 &&
                                   value->kind == FT_YAML_SCALAR
                               ? pair->value
                               : value);
    if (value->count > c->entry_count + 1)
        return ft_compiler_refuse(
            c, &(ft_diagnostic){.number = 212,
                                .mark = value->mark,
                                .message = "`input` names more stages than there are",
                                .help = "name each stage above once"});
    if (value->count == 0)
        return ft_compiler_refuse(
            c,
            &(ft_diagnostic){
                .number = 102,
                .mark = value->mark,
                .message = "`input` is an empty list",
                .help = "name a stage above, or leave `input` out to read from the nearest one"});
    for (size_t i = 0; i < value->count && !ft_compiler_has_enough(c); i++)
        ok = !is_listed_twice(c, value, i) && connect_one(c, entry, value->items[i]) && ok;
    return ok;
}

// A stage that reads only errors stands beside the line of stages, and is not what those below it
// read from.
static void connect_nearest(ft_compiler *c, ft_stage_entry *entry)
{
    for (ft_stage_entry *from = entry; from > c->entries;) {
        from--;
        if (!gives_output(from))
            continue;
        if (!connect(c, entry, from, FT_PORT_MAIN))
            entry->failed = true;
        return;
    }
}

static void note_errors_read(ft_compiler *c, const ft_yaml_node *node)
{
    if (node->kind == FT_YAML_LIST) {
        for (size_t i = 0; i < node->count; i++)
            if (node->items[i]->kind == FT_YAML_SCALAR)
                note_errors_read(c, node->items[i]);
        return;
    }
    if (node->kind != FT_YAML_SCALAR)
        return;
    link_text link = split_link(node);
    ft_stage_entry *from = find_entry(c, link.name);
    if (from && ft_slice_is(link.port, "errors"))
        from->errors_read_by_name = true;
}

static const ft_yaml_pair *input_of(const ft_stage_entry *entry)
{
    if (entry->def && ft_option_find(entry->def->options, FT_SLICE("input")))
        return NULL;
    return ft_yaml_find(entry->yaml, "input");
}

void ft_compile_links(ft_compiler *c)
{
    for (size_t i = 0; i < c->entry_count; i++) {
        const ft_yaml_pair *input = input_of(&c->entries[i]);
        if (input)
            note_errors_read(c, input->value);
    }
    for (size_t i = 0; i < c->entry_count; i++) {
        ft_stage_entry *entry = &c->entries[i];
        const ft_yaml_pair *input = input_of(entry);

        if (!entry->node)
            continue;
        if (input && !connect_given(c, entry, input)) {
            entry->failed = true;
            c->links_uncertain = true;
        } else if (!input && entry->def->kind != FT_STAGE_SOURCE) {
            connect_nearest(c, entry);
        }
    }
}
