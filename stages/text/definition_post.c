// The post-processor of a tokenizer.json: what stands around one text and around two.
#include <string.h>

#include "stages/text/definition_read.h"

enum { PARTS_MAX = 1024 };

typedef struct templates {
    bool has_template;
    ft_template_part *parts;  // [PARTS_MAX], those of `single`, then those of `pair`.
    size_t count;
} templates;

static bool add_part(const ft_component *c, templates *t, ft_template_part part, ft_error *err)
{
    if (t->count == PARTS_MAX)
        return ft_tokenizer_fault(err, c->reader->path, c->place, "more than %d parts", PARTS_MAX);
    t->parts[t->count++] = part;
    return true;
}

static ft_template_part special(int32_t id, int32_t type_id)
{
    return (ft_template_part){FT_PART_SPECIAL, id, type_id};
}

// ["[SEP]", 102]
static bool read_token_id(const ft_component *c, const char *name, int32_t *out, ft_error *err)
{
    const ft_json_node *pair = ft_member(c, name);

    if (!pair || pair->kind != FT_JSON_ARRAY || pair->count != 2)
        return ft_member_fault(c, name, "not a token and its id", err);
    return ft_member_id(c->reader, &pair->children[1], c->place, out, err);
}

// Sets the definition's templates to the parts there are, of which the first `single` are for one
// text.
static void set_templates(const ft_component *c, templates *t, size_t single)
{
    ft_post_definition *post = &c->reader->out->post;

    post->single = t->parts;
    post->single_count = single;
    post->pair = t->parts + single;
    post->pair_count = t->count - single;
    t->has_template = true;
}

static bool read_bert(const ft_component *c, templates *t, ft_error *err)
{
    int32_t sep, cls;

    if (!read_token_id(c, "sep", &sep, err) || !read_token_id(c, "cls", &cls, err))
        return false;
    const ft_template_part parts[] = {special(cls, 0),   {FT_PART_A, 0, 0}, special(sep, 0),
                                      special(cls, 0),   {FT_PART_A, 0, 0}, special(sep, 0),
                                      {FT_PART_B, 0, 1}, special(sep, 1)};
    memcpy(t->parts, parts, sizeof(parts));
    t->count = FT_COUNT_OF(parts);
    set_templates(c, t, 3);
    return true;
}

static bool read_trim(const ft_component *c, ft_error *err)
{
    ft_post_definition *post = &c->reader->out->post;

    return ft_member_bool(c, "trim_offsets", FT_MEMBER_REQUIRED, &post->trim_offsets, err) &&
           ft_member_bool(c, "add_prefix_space", FT_MEMBER_REQUIRED, &post->add_prefix_space, err);
}

static bool read_roberta(const ft_component *c, templates *t, ft_error *err)
{
    int32_t sep, cls;

    if (!read_token_id(c, "sep", &sep, err) || !read_token_id(c, "cls", &cls, err) ||
        !read_trim(c, err))
        return false;
    const ft_template_part parts[] = {special(cls, 0), {FT_PART_A, 0, 0}, special(sep, 0),
                                      special(cls, 0), {FT_PART_A, 0, 0}, special(sep, 0),
                                      special(sep, 0), {FT_PART_B, 0, 0}, special(sep, 0)};
    memcpy(t->parts, parts, sizeof(parts));
    t->count = FT_COUNT_OF(parts);
    set_templates(c, t, 3);
    return true;
}

// The ids of a special token, from the template's own table.
static bool find_special(const ft_component *c, ft_slice name, const ft_json_node **out,
                         ft_error *err)
{
    const ft_json_node *table = ft_json_find(c->node, "special_tokens");
    const ft_json_node *ids = NULL;

    for (size_t i = 0; table && table->kind == FT_JSON_OBJECT && i < table->count; i++) {
        if (ft_slice_equal(table->keys[i], name)) {
            ids = ft_json_find(&table->children[i], "ids");
            break;
        }
    }
    if (!ids || ids->kind != FT_JSON_ARRAY)
        return ft_tokenizer_fault(err, c->reader->path, c->place,
                                  "in `special_tokens`, `%.*s` is missing or has no `ids`",
                                  (int)(name.size < 60 ? name.size : 60), name.data);
    *out = ids;
    return true;
}

static bool read_type_id(const ft_component *piece, int32_t *out, ft_error *err)
{
    size_t type_id = 0;

    if (!ft_member_size(piece, "type_id", FT_MEMBER_OPTIONAL, &type_id, err))
        return false;
    if (type_id > INT32_MAX)
        return ft_member_fault(piece, "type_id", "out of range", err);
    *out = (int32_t)type_id;
    return true;
}

static bool add_special(const ft_component *c, const ft_component *piece, templates *t,
                        ft_error *err)
{
    const ft_json_node *name = ft_member(piece, "id"), *ids = NULL;
    int32_t type_id;

    if (!name || name->kind != FT_JSON_STRING)
        return ft_member_fault(piece, "id", "not a text", err);
    if (!read_type_id(piece, &type_id, err) || !find_special(c, name->text, &ids, err))
        return false;
    for (size_t i = 0; i < ids->count; i++) {
        int32_t id;
        if (!ft_member_id(c->reader, &ids->children[i], c->place, &id, err) ||
            !add_part(c, t, special(id, type_id), err))
            return false;
    }
    return true;
}

static bool add_sequence(const ft_component *piece, templates *t, ft_error *err)
{
    const ft_json_node *which = ft_member(piece, "id");
    ft_template_part part = {.kind = FT_PART_A};

    if (!which || which->kind != FT_JSON_STRING ||
        (!ft_slice_is(which->text, "A") && !ft_slice_is(which->text, "B")))
        return ft_member_fault(piece, "id", "neither A nor B", err);
    if (ft_slice_is(which->text, "B"))
        part.kind = FT_PART_B;
    return read_type_id(piece, &part.type_id, err) && add_part(piece, t, part, err);
}

// Of version 2.0: {"ids": [101], "type_id": 1} or {"seq": "A"}.
static bool add_piece(const ft_component *piece, templates *t, ft_error *err)
{
    const ft_json_node *ids = ft_member(piece, "ids"), *which = ft_member(piece, "seq");
    int32_t type_id, id;

    if ((ids != NULL) == (which != NULL))
        return ft_tokenizer_fault(err, piece->reader->path, piece->place,
                                  "neither `ids` nor `seq`, or both");
    if (!read_type_id(piece, &type_id, err))
        return false;
    if (which) {
        bool is_b = which->kind == FT_JSON_STRING && ft_slice_is(which->text, "B");
        if (!is_b && !(which->kind == FT_JSON_STRING && ft_slice_is(which->text, "A")))
            return ft_member_fault(piece, "seq", "neither A nor B", err);
        return add_part(piece, t, (ft_template_part){is_b ? FT_PART_B : FT_PART_A, 0, type_id},
                        err);
    }
    if (ids->kind != FT_JSON_ARRAY)
        return ft_member_fault(piece, "ids", "not a list", err);
    for (size_t i = 0; i < ids->count; i++) {
        if (!ft_member_id(piece->reader, &ids->children[i], piece->place, &id, err) ||
            !add_part(piece, t, special(id, type_id), err))
            return false;
    }
    return true;
}

// `{"Sequence": {"id": "A"}}` or `{"SpecialToken": {"id": "[SEP]"}}`.
static bool add_named_piece(const ft_component *c, const ft_component *given, templates *t,
                            ft_error *err)
{
    ft_component piece = *given;
    bool is_text;

    piece.node = ft_json_find(given->node, "Sequence");
    is_text = piece.node != NULL;
    if (!is_text)
        piece.node = ft_json_find(given->node, "SpecialToken");
    if (!piece.node)
        return ft_tokenizer_fault(err, c->reader->path, piece.place,
                                  "neither `SpecialToken` nor `Sequence`");
    return is_text ? add_sequence(&piece, t, err) : add_special(c, &piece, t, err);
}

// `texts`: how many texts the template is for; each is to be in it once, in order.
static bool read_template(const ft_component *c, const char *name, unsigned texts, templates *t,
                          ft_error *err)
{
    const ft_json_node *list = ft_member(c, name);
    size_t first = t->count;
    unsigned seen[3] = {0};

    if (!list || list->kind != FT_JSON_ARRAY)
        return ft_member_fault(c, name, "not a list", err);
    for (size_t i = 0; i < list->count; i++) {
        const char *place = ft_arena_format(c->reader->scratch, "%s.%s[%zu]", c->place, name, i);
        const ft_component piece = {c->reader, &list->children[i], place};
        if (!place)
            return ft_fail_nomem(err, strlen(c->place));
        if (!(c->reader->is_version_2 ? add_piece(&piece, t, err)
                                      : add_named_piece(c, &piece, t, err)))
            return false;
    }
    for (size_t i = first; i < t->count; i++) {
        if (c->reader->is_version_2 && t->parts[i].kind == FT_PART_B && seen[FT_PART_A] == 0)
            return ft_tokenizer_fault(err, c->reader->path, c->place,
                                      "`%s` has the text B in front of A", name);
        seen[t->parts[i].kind]++;
    }
    if (seen[FT_PART_A] != 1 || seen[FT_PART_B] != texts - 1)
        return ft_tokenizer_fault(err, c->reader->path, c->place,
                                  "`%s` is to hold %s once each, and no other text", name,
                                  texts == 1 ? "the text A" : "the texts A and B");
    return true;
}

static bool read_templates(const ft_component *c, templates *t, ft_error *err)
{
    if (!read_template(c, "single", 1, t, err))
        return false;
    size_t single = t->count;
    // A template that nobody made for two texts is just both.
    const ft_json_node *pair = ft_member(c, "pair");
    bool is_made = pair && !(pair->kind == FT_JSON_ARRAY && pair->count == 0);
    if ((is_made || c->reader->is_version_2) && !read_template(c, "pair", 2, t, err))
        return false;
    set_templates(c, t, single);
    c->reader->out->post.first_window_types = true;
    return true;
}

static bool read_processor(const ft_component *c, void *context, ft_error *err)
{
    const ft_json_node *type = ft_json_find(c->node, "type");
    templates *t = context;

    if (!type || type->kind != FT_JSON_STRING)
        return ft_definition_refuse(c->reader, c->place, type, err);
    if (c->reader->is_version_2 && !ft_slice_is(type->text, "TemplateProcessing"))
        return ft_definition_refuse_old(c->reader, c->place,
                                        "what is not of the type `TemplateProcessing`", err);
    if (ft_slice_is(type->text, "ByteLevel"))
        return read_trim(c, err);
    if (t->has_template)
        return ft_tokenizer_fault(err, c->reader->path, c->place,
                                  "a second component that puts special tokens around a text");
    if (ft_slice_is(type->text, "TemplateProcessing"))
        return read_templates(c, t, err);
    if (ft_slice_is(type->text, "BertProcessing"))
        return read_bert(c, t, err);
    if (ft_slice_is(type->text, "RobertaProcessing"))
        return read_roberta(c, t, err);
    return ft_definition_refuse(c->reader, c->place, type, err);
}

bool ft_definition_read_post_processor(const ft_definition_reader *r, const ft_json_node *node,
                                       ft_error *err)
{
    templates t = {.parts = ft_arena_zero(r->arena, PARTS_MAX, sizeof(*t.parts))};

    if (!t.parts)
        return ft_fail_nomem(err, PARTS_MAX * sizeof(*t.parts));
    if (r->is_version_2)
        return read_processor(&(ft_component){r, node, "post_processor"}, &t, err);
    return ft_definition_flatten(r, node, "post_processor", "processors", read_processor, &t, err);
}
