// tokenizer.json, version 1.0: https://huggingface.co/docs/tokenizers says what its parts do; and
// 2.0, which tokenizers 1.0 brings (tk-serialize/SPEC.md in its sources). The newer one has fewer
// spellings: two of the pre-tokenizers of the older one are a normalizer and a property of the
// model there, special tokens of templates are ids.
//
// One pass notes where the members are (they come in any order); then each is read: the vocabulary
// and the merges by the pull reader, all else as a small tree. What this version does not know is
// refused with its name and its place.
#include <stdlib.h>

#include "stages/text/tokenizer_parts.h"

enum {
    MEMBER_VERSION,
    MEMBER_NORMALIZER,
    MEMBER_PRE,
    MEMBER_POST,
    MEMBER_DECODER,
    MEMBER_ADDED,
    MEMBER_MODEL,
    MEMBER_COUNT
};
static const char *const member_names[MEMBER_COUNT] = {
    "version", "normalizer", "pre_tokenizer", "post_processor", "decoder", "added_tokens", "model"};

static bool read_added_token(const ft_component *c, ft_added_token *token, ft_error *err)
{
    return ft_member_text(c, "content", FT_MEMBER_REQUIRED, &token->content, err) &&
           ft_member_id(c->reader, ft_member(c, "id"), c->place, &token->id, err) &&
           ft_member_bool(c, "single_word", FT_MEMBER_REQUIRED, &token->single_word, err) &&
           ft_member_bool(c, "lstrip", FT_MEMBER_REQUIRED, &token->lstrip, err) &&
           ft_member_bool(c, "rstrip", FT_MEMBER_REQUIRED, &token->rstrip, err) &&
           ft_member_bool(c, "normalized", FT_MEMBER_REQUIRED, &token->normalized, err) &&
           ft_member_bool(c, "special", FT_MEMBER_REQUIRED, &token->special, err);
}

static int compare_keys(const void *a, const void *b)
{
    const uint64_t *left = a, *right = b;

    return (*left > *right) - (*left < *right);
}

// Version 2.0: they are taken in the order of their ids, equal ones as they stand.
static bool order_added(const ft_definition_reader *r, ft_added_token *tokens, size_t count,
                        ft_error *err)
{
    uint64_t *keys = ft_arena_zero(r->scratch, count + 1, sizeof(*keys));
    ft_added_token *copy = ft_arena_zero(r->scratch, count + 1, sizeof(*copy));

    if (!keys || !copy)
        return ft_fail_nomem(err, count * sizeof(*copy));
    for (size_t i = 0; i < count; i++) {
        copy[i] = tokens[i];
        keys[i] = (uint64_t)tokens[i].id << 32 | i;
    }
    qsort(keys, count, sizeof(*keys), compare_keys);
    for (size_t i = 0; i < count; i++)
        tokens[i] = copy[(uint32_t)keys[i]];
    return true;
}

static bool read_added(const ft_definition_reader *r, ft_slice text, ft_error *err)
{
    const char *place = member_names[MEMBER_ADDED];
    ft_json_node *list;

    if (!ft_json_parse(text, r->scratch, &list, err))
        return false;
    if (list->kind != FT_JSON_ARRAY)
        return ft_tokenizer_fault(err, r->path, place, "not a list");
    ft_added_token *tokens = ft_arena_zero(r->arena, list->count + 1, sizeof(*tokens));
    if (!tokens)
        return ft_fail_nomem(err, list->count * sizeof(*tokens));
    for (size_t i = 0; i < list->count; i++) {
        const ft_component c = {r, &list->children[i], place};
        if (!read_added_token(&c, &tokens[i], err))
            return false;
    }
    r->out->added = tokens;
    r->out->added_count = list->count;
    return !r->is_version_2 || order_added(r, tokens, list->count, err);
}

static bool read_version(ft_definition_reader *r, ft_slice version, ft_error *err)
{
    r->is_version_2 = ft_slice_is(version, "\"2.0\"");
    if (r->is_version_2 || version.size == 0 || ft_slice_is(version, "\"1.0\""))
        return true;
    ft_tokenizer_fault(err, r->path, "version",
                       "the version %.*s, which this version does not read",
                       (int)(version.size < 60 ? version.size : 60), version.data);
    ft_hint(err, "Files of the versions \"1.0\" and \"2.0\" are read.");
    return false;
}

// What the JSON reader finds fault with knows neither the file nor the member.
static bool name_member(const ft_definition_reader *r, int member, ft_error *err)
{
    if (err->number == 0 && err->code == FT_ERROR_DATA) {
        ft_error_while(err, "`%s`, at `%s`", r->path, member_names[member]);
        err->number = FT_TOKENIZER_ERROR;
    }
    return false;
}

bool ft_definition_read_json(const ft_definition_reader *given, ft_slice text, ft_error *err)
{
    // The model first: its name says most of what a tokenizer is.
    static bool (*const read[MEMBER_COUNT])(const ft_definition_reader *, const ft_json_node *,
                                            ft_error *) = {
        [MEMBER_NORMALIZER] = ft_definition_read_normalizer,
        [MEMBER_PRE] = ft_definition_read_pre_tokenizer,
        [MEMBER_POST] = ft_definition_read_post_processor,
        [MEMBER_DECODER] = ft_definition_read_decoder,
    };
    ft_slice members[MEMBER_COUNT];
    ft_definition_reader own = *given, *r = &own;
    bool byte_level = false;

    if (!ft_definition_note_members(r, text, NULL, member_names, MEMBER_COUNT, members, err)) {
        if (err->number == 0 && err->code == FT_ERROR_DATA) {
            ft_error_while(err, "`%s`", r->path);
            err->number = FT_TOKENIZER_ERROR;
        }
        return false;
    }
    if (!read_version(r, members[MEMBER_VERSION], err))
        return false;
    if (members[MEMBER_MODEL].size == 0)
        return ft_tokenizer_fault(err, r->path, "model", "missing");
    r->out->path = r->path;
    if (!ft_definition_read_model(r, members[MEMBER_MODEL], &byte_level, err))
        return name_member(r, MEMBER_MODEL, err);
    for (int i = 0; i < MEMBER_COUNT; i++) {
        ft_json_node *node;
        if (!read[i] || members[i].size == 0)
            continue;
        if (!ft_json_parse(members[i], r->scratch, &node, err) || !read[i](r, node, err))
            return name_member(r, i, err);
    }
    if (members[MEMBER_ADDED].size > 0 && !read_added(r, members[MEMBER_ADDED], err))
        return name_member(r, MEMBER_ADDED, err);
    return !r->is_version_2 || ft_definition_make_words(r, byte_level, err);
}
