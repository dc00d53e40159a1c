// What the readers of tokenizer files share: faults with their place, members with their types.
#include "stages/text/definition_read.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "stages/text/pattern.h"
#include "stages/text/unicode.h"

enum { SHOWN_BYTES = 60, SEQUENCE_DEPTH_MAX = 16 };

bool ft_tokenizer_fault(ft_error *err, const char *path, const char *place, const char *format, ...)
{
    char what[FT_ERROR_MESSAGE_BYTES];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(what, sizeof(what), format, arguments);
    va_end(arguments);
    if (place)
        ft_fail(err, FT_ERROR_DATA, "`%s`, at `%s`: %s", path, place, what);
    else
        ft_fail(err, FT_ERROR_DATA, "`%s`: %s", path, what);
    err->number = FT_TOKENIZER_ERROR;
    return false;
}

static int shown(ft_slice text)
{
    return (int)(text.size < SHOWN_BYTES ? text.size : SHOWN_BYTES);
}

bool ft_definition_refuse(const ft_definition_reader *r, const char *place,
                          const ft_json_node *type, ft_error *err)
{
    if (!type || type->kind != FT_JSON_STRING)
        return ft_tokenizer_fault(err, r->path, place, "`type` is missing or not a text");
    return ft_tokenizer_fault(err, r->path, place,
                              "this tokenizer uses `%.*s`, which this version does not read",
                              shown(type->text), type->text.data);
}

bool ft_definition_refuse_old(const ft_definition_reader *r, const char *place, const char *what,
                              ft_error *err)
{
    ft_tokenizer_fault(err, r->path, place, "%s is not possible in version 2.0", what);
    ft_hint(err, "tokenizers 1.0 writes older files as 2.0; a file that says \"version\": \"1.0\" "
                 "is read too.");
    return false;
}

bool ft_definition_note_members(const ft_definition_reader *r, ft_slice text, const char *place,
                                const char *const *names, size_t count, ft_slice *out,
                                ft_error *err)
{
    ft_json json;
    ft_json_value value, key;
    bool first = true, more;

    memset(out, 0, count * sizeof(*out));
    ft_json_init(&json, text);
    if (!ft_json_read(&json, &value, err))
        return false;
    if (value.kind != FT_JSON_OBJECT)
        return ft_tokenizer_fault(err, r->path, place, "not an object");
    for (;;) {
        ft_slice member;
        if (!ft_json_next_member(&json, &first, &more, &key, err))
            return false;
        if (!more)
            break;
        if (!ft_json_skip(&json, &member, err))
            return false;
        for (size_t i = 0; i < count; i++) {
            if (!ft_json_key_is(&key, names[i]))
                continue;
            if (out[i].data)
                return ft_tokenizer_fault(err, r->path, place ? place : names[i],
                                          "`%s` is there twice", names[i]);
            out[i] = member;
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (ft_slice_is(out[i], "null"))
            out[i].size = 0;
    }
    return ft_json_end(&json, err);
}

// ---- members ----

const ft_json_node *ft_member(const ft_component *c, const char *name)
{
    const ft_json_node *node = ft_json_find(c->node, name);

    return node && node->kind != FT_JSON_NULL ? node : NULL;
}

bool ft_member_fault(const ft_component *c, const char *name, const char *what, ft_error *err)
{
    return ft_tokenizer_fault(err, c->reader->path, c->place, "`%s` is missing or %s", name, what);
}

bool ft_member_bool(const ft_component *c, const char *name, ft_member_rule rule, bool *out,
                    ft_error *err)
{
    const ft_json_node *node = ft_member(c, name);

    if (!node && rule == FT_MEMBER_OPTIONAL)
        return true;
    if (!node || (node->kind != FT_JSON_TRUE && node->kind != FT_JSON_FALSE))
        return ft_member_fault(c, name, "not true or false", err);
    *out = node->kind == FT_JSON_TRUE;
    return true;
}

bool ft_member_size(const ft_component *c, const char *name, ft_member_rule rule, size_t *out,
                    ft_error *err)
{
    const ft_json_node *node = ft_member(c, name);
    int64_t number;

    if (!node && rule == FT_MEMBER_OPTIONAL)
        return true;
    if (!node || !ft_json_get_int(node, &number) || number < 0)
        return ft_member_fault(c, name, "not a whole number of at least 0", err);
    *out = (size_t)number;
    return true;
}

bool ft_member_text(const ft_component *c, const char *name, ft_member_rule rule, ft_slice *out,
                    ft_error *err)
{
    const ft_json_node *node = ft_member(c, name);

    if (!node && rule == FT_MEMBER_OPTIONAL)
        return true;
    if (!node || node->kind != FT_JSON_STRING)
        return ft_member_fault(c, name, "not a text", err);
    const char *copy = ft_arena_text(c->reader->arena, node->text);
    *out = (ft_slice){copy, node->text.size};
    return copy || ft_fail_nomem(err, node->text.size);
}

bool ft_member_char(const ft_component *c, const char *name, ft_member_rule rule, ft_slice *out,
                    ft_error *err)
{
    ft_slice text = {0};
    size_t at = 0;

    if (!ft_member_text(c, name, rule, &text, err))
        return false;
    if (!text.data)
        return true;
    if (text.size > 0)
        ft_unicode_next((const uint8_t *)text.data, &at);
    if (text.size == 0 || at != text.size)
        return ft_member_fault(c, name, "not one character", err);
    *out = text;
    return true;
}

bool ft_member_choice(const ft_component *c, const char *name, const char *const *choices,
                      ft_member_rule rule, int *out, ft_error *err)
{
    const ft_json_node *node = ft_member(c, name);

    if (!node && rule == FT_MEMBER_OPTIONAL)
        return true;
    for (int i = 0; node && node->kind == FT_JSON_STRING && choices[i]; i++) {
        if (ft_slice_is(node->text, choices[i])) {
            *out = i;
            return true;
        }
    }
    return ft_member_fault(c, name, "none of those that there are", err);
}

bool ft_member_pattern(const ft_component *c, const char *name, const ft_pattern **out,
                       ft_error *err)
{
    const ft_definition_reader *r = c->reader;
    const ft_json_node *node = ft_member(c, name);
    const ft_json_node *literal = node ? ft_json_find(node, "String") : NULL;
    const ft_json_node *regex = node ? ft_json_find(node, "Regex") : NULL;

    if (literal && literal->kind == FT_JSON_STRING)
        return ft_pattern_literal(literal->text, r->arena, out, err);
    if (regex && regex->kind == FT_JSON_STRING)
        return ft_pattern_regex(regex->text, r->path, c->place, r->arena, out, err);
    return ft_member_fault(c, name, "neither a `String` nor a `Regex`", err);
}

bool ft_member_id(const ft_definition_reader *r, const ft_json_node *node, const char *place,
                  int32_t *out, ft_error *err)
{
    int64_t id;

    if (!node || !ft_json_get_int(node, &id))
        return ft_tokenizer_fault(err, r->path, place, "an id is missing or not a whole number");
    if (id < 0 || id > FT_TOKENIZER_ID_MAX)
        return ft_tokenizer_fault(err, r->path, place, "the id %lld is out of range 0..%d",
                                  (long long)id, FT_TOKENIZER_ID_MAX);
    *out = (int32_t)id;
    return true;
}

// ---- sequences ----

static bool flatten(const ft_component *c, const char *member, ft_component_read *read,
                    void *context, int depth, ft_error *err)
{
    const ft_definition_reader *r = c->reader;
    const ft_json_node *type = ft_json_find(c->node, "type");

    if (c->node->kind != FT_JSON_OBJECT)
        return ft_tokenizer_fault(err, r->path, c->place, "not an object");
    if (!type || type->kind != FT_JSON_STRING || !ft_slice_is(type->text, "Sequence"))
        return read(c, context, err);
    const ft_json_node *list = ft_member(c, member);
    if (!list || list->kind != FT_JSON_ARRAY)
        return ft_member_fault(c, member, "not a list", err);
    if (depth == SEQUENCE_DEPTH_MAX)
        return ft_tokenizer_fault(err, r->path, c->place, "sequences in each other, more than %d",
                                  SEQUENCE_DEPTH_MAX);
    for (size_t i = 0; i < list->count; i++) {
        const char *place = ft_arena_format(r->scratch, "%s.%s[%zu]", c->place, member, i);
        const ft_component one = {r, &list->children[i], place};
        if (!place)
            return ft_fail_nomem(err, strlen(c->place));
        if (!flatten(&one, member, read, context, depth + 1, err))
            return false;
    }
    return true;
}

bool ft_definition_flatten(const ft_definition_reader *r, const ft_json_node *node,
                           const char *place, const char *member, ft_component_read *read,
                           void *context, ft_error *err)
{
    const ft_component all = {r, node, place};

    return flatten(&all, member, read, context, 0, err);
}
