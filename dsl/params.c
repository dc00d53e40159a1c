// Parameters and `${...}`. Filling in happens inside scalars that are already parsed, so that no
// value can bring YAML of its own along. What a parameter is worth: -p, else its default.
#include <string.h>

#include "dsl/compilation.h"

enum { FILLED_BYTES_MAX = 1 << 20, PARAMS_MAX = 1000 };

// ---- reading `params:` ----

static bool is_name(ft_slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && (i == 0 || !((c >= '0' && c <= '9') || c == '-')))
            return false;
    }
    return text.size > 0;
}

// {default: x, help: text}: only these keys, at least one of them.
static bool is_described(const ft_yaml_node *node)
{
    if (node->kind != FT_YAML_MAP || node->count == 0)
        return false;
    for (size_t i = 0; i < node->count; i++)
        if (!ft_yaml_is_text(node->pairs[i].key, "default") &&
            !ft_yaml_is_text(node->pairs[i].key, "help"))
            return false;
    return true;
}

static const char *given_on_command_line(const ft_compile_settings *settings, ft_slice name)
{
    for (size_t i = settings->param_count; i > 0; i--)
        if (ft_slice_is(name, settings->param_names[i - 1]))
            return settings->param_texts[i - 1];
    return NULL;
}

static const char *type_name(ft_yaml_type type)
{
    switch (type) {
    case FT_YAML_BOOL:
        return "true or false";
    case FT_YAML_INT:
        return "a whole number";
    case FT_YAML_FLOAT:
        return "a number";
    case FT_YAML_NULL:
    case FT_YAML_STRING:
        break;
    }
    return "text";
}

// The text of -p, as a scalar of the type that the default has.
static const ft_yaml_node *given_value(ft_compiler *c, const ft_yaml_node *key,
                                       const ft_yaml_node *standard, const char *text)
{
    ft_slice value = ft_slice_of(text);
    ft_yaml_type want = standard ? standard->type : FT_YAML_STRING, have = ft_yaml_type_of(value);
    ft_yaml_node *node = ft_arena_zero(c->arena, 1, sizeof(*node));

    if (!node) {
        ft_compiler_nomem(c);
        return NULL;
    }
    if (standard && standard->kind != FT_YAML_SCALAR) {
        ft_compiler_refuse(
            c,
            &(ft_diagnostic){.number = 113,
                             .mark = key->mark,
                             .message = FT_SAY(c, "`-p` cannot set `%s`, which is %s",
                                               ft_compiler_quote(c, key->text),
                                               standard->kind == FT_YAML_LIST ? "a list" : "a map"),
                             .help = "change it in the file"});
        return NULL;
    }
    bool fits = want == FT_YAML_NULL || want == FT_YAML_STRING || want == have ||
                (want == FT_YAML_FLOAT && have == FT_YAML_INT) ||
                ft_slice_starts_with(value, FT_SLICE("${"));
    if (!fits) {
        ft_compiler_refuse(
            c, &(ft_diagnostic){.number = 113,
                                .mark = key->mark,
                                .message = FT_SAY(c, "`-p %s=%s`: this parameter is %s",
                                                  ft_compiler_quote(c, key->text),
                                                  ft_compiler_quote(c, value), type_name(want)),
                                .label = FT_SAY(c, "its default is `%s`",
                                                ft_compiler_quote(c, standard->text))});
        return NULL;
    }
    *node = (ft_yaml_node){.kind = FT_YAML_SCALAR,
                           .style = FT_YAML_FILLED,
                           .mark = key->mark,
                           .text = value,
                           .weight = 1,
                           .quoted = standard && standard->quoted};
    node->type = want == FT_YAML_STRING ? FT_YAML_STRING
                 : have == FT_YAML_NULL ? FT_YAML_STRING
                                        : have;
    return node;
}

static const ft_yaml_node *param_value(ft_compiler *c, const ft_yaml_pair *pair)
{
    const ft_yaml_node *standard = pair->value;
    const char *given = given_on_command_line(c->settings, pair->key->text);

    if (is_described(standard)) {
        const ft_yaml_pair *found = ft_yaml_find(standard, "default");
        standard = found ? found->value : NULL;
    } else if (standard->kind == FT_YAML_SCALAR && standard->type == FT_YAML_NULL &&
               !standard->quoted) {
        standard = NULL;
    }
    if (given)
        return given_value(c, pair->key, standard, given);
    if (standard)
        return ft_params_fill(c, standard);
    const char *name = ft_compiler_quote(c, pair->key->text);
    ft_compiler_refuse(
        c,
        &(ft_diagnostic){.number = 112,
                         .mark = pair->key->mark,
                         .message = FT_SAY(c, "parameter `%s` has no value", name),
                         .help = FT_SAY(c, "give one on the command line: `-p %s=VALUE`", name)});
    return NULL;
}

static bool check_param_key(ft_compiler *c, const ft_yaml_node *key)
{
    if (is_name(key->text))
        return true;
    return ft_compiler_refuse(
        c, &(ft_diagnostic){.number = 110,
                            .mark = key->mark,
                            .message = FT_SAY(c, "`%s` is no name for a parameter",
                                              ft_compiler_quote(c, key->text)),
                            .help = "use letters, digits, `_` and `-`"});
}

// Made anew each time, in one place: a file with many wrong names must not cost a list for each.
static const char **param_names(ft_compiler *c)
{
    if (!c->param_names)
        c->param_names = ft_arena_zero(c->arena, PARAMS_MAX + 1, sizeof(*c->param_names));
    for (size_t i = 0; c->param_names && i < c->param_count; i++)
        c->param_names[i] = c->params[i].name;
    return c->param_names;
}

static const ft_param *find_param(const ft_compiler *c, ft_slice name)
{
    for (size_t i = 0; i < c->param_count; i++)
        if (ft_slice_is(name, c->params[i].name))
            return &c->params[i];
    return NULL;
}

// -p names that the file does not have.
static void check_given(ft_compiler *c, ft_mark where)
{
    const char **names = param_names(c);

    for (size_t i = 0; names && i < c->settings->param_count; i++) {
        ft_slice name = ft_slice_of(c->settings->param_names[i]);
        if (find_param(c, name))
            continue;
        const char *near = ft_compiler_nearest(c, name, names, NULL);
        ft_compiler_refuse(
            c,
            &(ft_diagnostic){.number = 113,
                             .mark = where,
                             .message = FT_SAY(c, "`-p %s=...`: the pipeline has no such parameter",
                                               ft_compiler_quote(c, name)),
                             .help = near ? FT_SAY(c, "did you mean %s?", near)
                                          : "list it under `params:` with a default"});
    }
}

bool ft_params_read(ft_compiler *c)
{
    const ft_yaml_pair *section = ft_yaml_find(c->root, "params");
    const ft_yaml_node *params = section ? section->value : NULL;

    if (params && params->kind == FT_YAML_SCALAR && params->type == FT_YAML_NULL)
        params = NULL;
    if (params && params->kind != FT_YAML_MAP)
        return ft_compiler_refuse(
            c,
            &(ft_diagnostic){.number = 102,
                             .mark = params->mark,
                             .message = "`params` must be a map of names and defaults",
                             .help = "write `params:` and below it, indented, `docs: docs.jsonl`"});
    if (params && params->count > PARAMS_MAX)
        return ft_compiler_refuse(
            c, &(ft_diagnostic){.number = 9,
                                .mark = params->mark,
                                .message = "there are more than 1000 parameters"});
    c->params = ft_arena_zero(c->arena, params ? params->count + 1 : 1, sizeof(*c->params));
    if (!c->params)
        return ft_compiler_nomem(c);
    for (size_t i = 0; params && i < params->count; i++) {
        const ft_yaml_pair *pair = &params->pairs[i];
        const char *name = ft_arena_text(c->arena, pair->key->text);

        if (!name)
            return ft_compiler_nomem(c);
        if (!check_param_key(c, pair->key))
            continue;
        const ft_yaml_node *value = param_value(c, pair);
        c->params[c->param_count++] = (ft_param){name, pair->key, value};
    }
    check_given(c, section ? section->key->mark : (ft_mark){1, 1, 1, 0});
    return true;
}

// ---- filling in ----

// One `${...}`: `inside` is what stands between the braces, `start` and `end` its place in the
// scalar's text.
typedef struct reference {
    const ft_yaml_node *at;
    ft_slice inside;
    size_t start, end;
} reference;

static bool refuse_reference(ft_compiler *c, const reference *r, ft_diagnostic fault)
{
    fault.number = fault.number ? fault.number : 111;
    fault.mark = ft_yaml_mark_within(c->source, r->at, r->start, r->end - r->start);
    return ft_compiler_refuse(c, &fault);
}

static ft_slice behind(ft_slice text, size_t bytes)
{
    return (ft_slice){text.data + bytes, text.size - bytes};
}

static bool is_exact(const ft_compiler *c, const reference *r)
{
    ft_mark mark = ft_yaml_mark_within(c->source, r->at, r->start, r->end - r->start);
    ft_slice text = c->source->text;

    return text.size - mark.offset >= r->end - r->start &&
           memcmp(text.data + mark.offset, r->at->text.data + r->start, r->end - r->start) == 0;
}

static bool find_parameter(ft_compiler *c, const reference *r, const ft_yaml_node **out)
{
    ft_slice name = behind(r->inside, strlen("params."));
    const ft_param *param = find_param(c, name);
    const char *best = NULL;

    if (param) {
        *out = param->value;
        return param->value != NULL;
    }
    const char **names = param_names(c);
    if (!names)
        return ft_compiler_nomem(c);
    const char *near = ft_compiler_nearest(c, name, names, &best);
    return refuse_reference(
        c, r,
        (ft_diagnostic){
            .message = FT_SAY(c, "there is no parameter `%s`", ft_compiler_quote(c, name)),
            .help = near ? FT_SAY(c, "did you mean %s?", near)
                         : "list it under `params:` with a default",
            .replacement = near && is_exact(c, r) ? FT_SAY(c, "${params.%s}", best) : NULL});
}

static bool is_variable(ft_slice name)
{
    for (size_t i = 0; i < name.size; i++) {
        char ch = name.data[i];
        bool letter = (ch >= 'A' && ch <= 'Z') || (ch >= 'a' && ch <= 'z') || ch == '_';
        if (!letter && (i == 0 || ch < '0' || ch > '9'))
            return false;
    }
    return name.size > 0;
}

static bool refuse_name(ft_compiler *c, const reference *r)
{
    static const char *const unavailable[] = {"matrix.", "secrets.", "env.", "item."};

    for (size_t i = 0; i < FT_COUNT_OF(unavailable); i++)
        if (ft_slice_starts_with(r->inside, ft_slice_of(unavailable[i])))
            return refuse_reference(
                c, r,
                (ft_diagnostic){
                    .message = FT_SAY(c, "`${%s}` is not available in this version",
                                      ft_compiler_quote(c, r->inside)),
                    .help =
                        "use `${params.NAME}`, or `${NAME}` for a variable of the environment"});
    return refuse_reference(
        c, r,
        (ft_diagnostic){
            .message = r->inside.size
                           ? FT_SAY(c, "`${%s}` names nothing", ft_compiler_quote(c, r->inside))
                           : "this `${}` is empty",
            .help = "write `${params.NAME}` or `${ENV_NAME:-default}`, or `$${` for a plain `${`"});
}

static bool find_variable(ft_compiler *c, const reference *r, ft_slice *out)
{
    ft_slice name = r->inside, standard = {0};
    bool has_standard = false;

    for (size_t i = 0; i + 1 < r->inside.size && !has_standard; i++)
        if (r->inside.data[i] == ':' && r->inside.data[i + 1] == '-') {
            has_standard = true;
            name.size = i;
            standard = behind(r->inside, i + 2);
        }
    if (!is_variable(name))
        return refuse_name(c, r);
    const char *text = ft_arena_text(c->arena, name);
    if (!text)
        return ft_compiler_nomem(c);
    const char *value =
        c->settings->environment_variable ? c->settings->environment_variable(text) : NULL;
    if ((value && *value) || has_standard) {
        *out = value && *value ? ft_slice_of(value) : standard;
        if (ft_utf8_valid_prefix(*out) == out->size)
            return true;
        return refuse_reference(
            c, r,
            (ft_diagnostic){
                .number = 601,
                .message = FT_SAY(c, "the environment variable `%s` is not valid UTF-8", text)});
    }
    if (find_param(c, name))
        return refuse_reference(
            c, r,
            (ft_diagnostic){.message = FT_SAY(c, "parameters are written `${params.%s}`", text),
                            .replacement =
                                is_exact(c, r) ? FT_SAY(c, "${params.%s}", text) : NULL});
    return refuse_reference(
        c, r,
        (ft_diagnostic){.number = 601,
                        .message = FT_SAY(c, "the environment variable `%s` is %s", text,
                                          value ? "empty" : "not set"),
                        .help = FT_SAY(c, "set it, or give a default: `${%s:-DEFAULT}`", text)});
}

static bool find_dollar(ft_slice text, size_t from, size_t *out)
{
    for (size_t i = from; i + 1 < text.size; i++)
        if (text.data[i] == '$' && text.data[i + 1] == '{') {
            *out = i;
            return true;
        }
    return false;
}

static bool read_reference(ft_compiler *c, const ft_yaml_node *node, size_t dollar, reference *out)
{
    const char *data = node->text.data,
               *close = memchr(data + dollar, '}', node->text.size - dollar);

    *out = (reference){.at = node, .start = dollar, .end = node->text.size};
    if (!close)
        return refuse_reference(
            c, out,
            (ft_diagnostic){.message = "this `${` has no `}`",
                            .help = "close it, or write `$${` for a plain `${`"});
    out->end = (size_t)(close - data) + 1;
    out->inside = (ft_slice){data + dollar + 2, out->end - dollar - 3};
    return true;
}

static ft_yaml_node *make_scalar(ft_compiler *c, const ft_yaml_node *at, ft_slice text,
                                 ft_yaml_type type)
{
    ft_yaml_node *node = ft_arena_zero(c->arena, 1, sizeof(*node));
    const char *copy = ft_arena_text(c->arena, text);

    if (!node || !copy) {
        ft_compiler_nomem(c);
        return NULL;
    }
    *node = (ft_yaml_node){.kind = FT_YAML_SCALAR,
                           .type = type,
                           .style = FT_YAML_FILLED,
                           .mark = at->mark,
                           .end_offset = at->end_offset,
                           .text = {copy, text.size},
                           .weight = 1};
    return node;
}

// The scalar is one `${...}` and nothing else.
static const ft_yaml_node *fill_whole(ft_compiler *c, const reference *r)
{
    ft_slice text;

    if (!ft_slice_starts_with(r->inside, FT_SLICE("params.")))
        return find_variable(c, r, &text) ? make_scalar(c, r->at, text, ft_yaml_type_of(text))
                                          : NULL;
    const ft_yaml_node *value = NULL;
    ft_yaml_node *copy = ft_arena_zero(c->arena, 1, sizeof(*copy));
    if (!copy) {
        ft_compiler_nomem(c);
        return NULL;
    }
    if (!find_parameter(c, r, &value))
        return NULL;
    *copy = *value;
    copy->mark = r->at->mark;
    copy->end_offset = r->at->end_offset;
    copy->style = FT_YAML_FILLED;
    return copy;
}

static bool append_reference(ft_compiler *c, const reference *r, ft_text *text)
{
    ft_slice piece;
    const ft_yaml_node *value = NULL;

    if (!ft_slice_starts_with(r->inside, FT_SLICE("params."))) {
        if (!find_variable(c, r, &piece))
            return false;
        ft_text_append(text, piece);
        return true;
    }
    if (!find_parameter(c, r, &value))
        return false;
    if (value->kind != FT_YAML_SCALAR)
        return refuse_reference(
            c, r,
            (ft_diagnostic){
                .message = FT_SAY(c, "this parameter is %s, and stands in the middle of a text",
                                  value->kind == FT_YAML_LIST ? "a list" : "a map"),
                .help = "let it stand alone: `key: ${params.NAME}`"});
    ft_text_append(text, value->text);
    return true;
}

// `$${` gives `${`; all else is filled in.
static bool append_filled(ft_compiler *c, const ft_yaml_node *node, ft_text *text)
{
    size_t at = 0, dollar;

    while (find_dollar(node->text, at, &dollar)) {
        if (dollar > at && node->text.data[dollar - 1] == '$') {
            ft_text_append(text, (ft_slice){node->text.data + at, dollar - 1 - at});
            ft_text_append_string(text, "${");
            at = dollar + 2;
            continue;
        }
        reference r;
        ft_text_append(text, (ft_slice){node->text.data + at, dollar - at});
        if (!read_reference(c, node, dollar, &r) || !append_reference(c, &r, text))
            return false;
        at = r.end;
    }
    ft_text_append(text, behind(node->text, at));
    return true;
}

static const ft_yaml_node *fill_text(ft_compiler *c, const ft_yaml_node *node)
{
    ft_text text;
    ft_error err = FT_ERROR_INIT;
    ft_yaml_node *filled = NULL;

    ft_text_init(&text, FILLED_BYTES_MAX);
    if (append_filled(c, node, &text)) {
        if (!ft_text_check(&text, &err))
            ft_compiler_refuse_value(c, 104, node, &err);
        else
            filled = make_scalar(c, node, ft_text_get(&text), FT_YAML_STRING);
    }
    ft_text_finish(&text);
    if (filled)
        filled->quoted = node->quoted;
    return filled;
}

const ft_yaml_node *ft_params_fill(ft_compiler *c, const ft_yaml_node *node)
{
    size_t dollar;
    reference r;

    if (node->kind != FT_YAML_SCALAR || node->style == FT_YAML_FILLED ||
        !find_dollar(node->text, 0, &dollar))
        return node;
    if (dollar > 0)
        return fill_text(c, node);
    if (!read_reference(c, node, 0, &r))
        return NULL;
    return r.end == node->text.size ? fill_whole(c, &r) : fill_text(c, node);
}

bool ft_params_is_used(const ft_yaml_node *node)
{
    size_t dollar;

    return node->kind == FT_YAML_SCALAR && find_dollar(node->text, 0, &dollar);
}

void ft_params_add_origin(ft_compiler *c, const ft_yaml_node *node, ft_diagnostic *fault)
{
    ft_slice prefix = FT_SLICE("${params."), text = node->text;

    if (fault->has_other || node->kind != FT_YAML_SCALAR || !ft_slice_starts_with(text, prefix) ||
        !ft_slice_ends_with(text, FT_SLICE("}")))
        return;
    const ft_param *param =
        find_param(c, (ft_slice){text.data + prefix.size, text.size - prefix.size - 1});
    if (!param || !param->value || param->value->kind != FT_YAML_SCALAR)
        return;
    bool given = given_on_command_line(c->settings, param->key->text) != NULL;
    fault->has_other = true;
    fault->other = param->key->mark;
    fault->other_label = FT_SAY(c, "is `%s`%s", ft_compiler_quote(c, param->value->text),
                                given ? ", given by -p" : "");
}
