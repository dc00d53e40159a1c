// tokenizer.json, version 1.0: https://huggingface.co/docs/tokenizers says what its parts do.
//
// One pass notes where the members are (they come in any order); then each is read: the vocabulary
// by the pull reader, all else as a small tree. What this version does not know is refused with its
// name and its place.
#include <string.h>

#include "runtime/data/json.h"
#include "runtime/memory/alloc.h"
#include "stages/text/tokenizer_parts.h"

enum {
    MEMBER_VERSION,
    MEMBER_NORMALIZER,
    MEMBER_PRE,
    MEMBER_POST,
    MEMBER_ADDED,
    MEMBER_MODEL,
    MEMBER_COUNT
};
static const char *const member_names[MEMBER_COUNT] = {
    "version", "normalizer", "pre_tokenizer", "post_processor", "added_tokens", "model"};

enum {
    FIELD_TYPE,
    FIELD_UNKNOWN,
    FIELD_PREFIX,
    FIELD_MAX_CHARS,
    FIELD_VOCAB,
    FIELD_MERGES,
    FIELD_COUNT
};
static const char *const field_names[FIELD_COUNT] = {
    "type",  "unk_token", "continuing_subword_prefix", "max_input_chars_per_word",
    "vocab", "merges"};

typedef struct reader {
    ft_tokenizer *tokenizer;
    const char *path;
    ft_arena *scratch, *arena;
    ft_slice members[MEMBER_COUNT];  // Their texts; empty when absent.
    ft_slice fields[FIELD_COUNT];    // Of the model.
} reader;

// Notes the texts of those members of the object `text` that `names` lists. `at` is where the
// object is, or NULL.
static bool note_members(const reader *r, ft_slice text, const char *at, const char *const *names,
                         size_t count, ft_slice *out, ft_error *err)
{
    ft_json json;
    ft_json_value value, key;
    bool first = true, more;

    ft_json_init(&json, text);
    if (!ft_json_read(&json, &value, err))
        return false;
    if (value.kind != FT_JSON_OBJECT)
        return ft_tokenizer_fault(err, r->path, at, "not an object");
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
                return ft_tokenizer_fault(err, r->path, at, "`%s` is there twice", names[i]);
            out[i] = member;
        }
    }
    return ft_json_end(&json, err);
}

static bool is_absent(ft_slice text)
{
    return text.size == 0 || ft_slice_is(text, "null");
}

static bool refuse(const reader *r, const char *place, const ft_json_node *type, ft_error *err)
{
    if (!type || type->kind != FT_JSON_STRING)
        ft_tokenizer_fault(err, r->path, place, "`type` is missing or not a text");
    else
        ft_tokenizer_fault(err, r->path, place,
                           "this tokenizer uses `%.*s`, which this version does not read",
                           (int)(type->text.size < 60 ? type->text.size : 60), type->text.data);
    ft_hint(err,
            "Tokenizers of the BERT family are read: BertNormalizer, BertPreTokenizer, WordPiece.");
    return false;
}

// Parses a component and checks that its type is `wanted`. `*out` is NULL when the component is
// null.
static bool read_component(const reader *r, int member, const char *wanted,
                           const ft_json_node **out, ft_error *err)
{
    ft_json_node *node;

    *out = NULL;
    if (is_absent(r->members[member]))
        return true;
    if (!ft_json_parse(r->members[member], r->scratch, &node, err))
        return false;
    const ft_json_node *type = ft_json_find(node, "type");
    if (!type || type->kind != FT_JSON_STRING || !ft_slice_is(type->text, wanted))
        return refuse(r, member_names[member], type, err);
    *out = node;
    return true;
}

// A member that is true, false or, with `or_null`, null (which leaves `*out` as it is).
static bool read_bool(const reader *r, const ft_json_node *object, const char *place,
                      const char *name, bool or_null, bool *out, ft_error *err)
{
    const ft_json_node *node = ft_json_find(object, name);

    if (or_null && (!node || node->kind == FT_JSON_NULL))
        return true;
    if (!node || (node->kind != FT_JSON_TRUE && node->kind != FT_JSON_FALSE))
        return ft_tokenizer_fault(err, r->path, place, "`%s` is missing or not true or false",
                                  name);
    *out = node->kind == FT_JSON_TRUE;
    return true;
}

static bool read_normalizer(const reader *r, ft_error *err)
{
    const char *place = member_names[MEMBER_NORMALIZER];
    ft_bert_rules *rules = &r->tokenizer->rules;
    const ft_json_node *node;

    if (!read_component(r, MEMBER_NORMALIZER, "BertNormalizer", &node, err))
        return false;
    if (!node)
        return true;
    if (!read_bool(r, node, place, "clean_text", false, &rules->clean_text, err) ||
        !read_bool(r, node, place, "handle_chinese_chars", false, &rules->handle_chinese_chars,
                   err) ||
        !read_bool(r, node, place, "lowercase", false, &rules->lowercase, err))
        return false;
    rules->strip_accents = rules->lowercase;
    return read_bool(r, node, place, "strip_accents", true, &rules->strip_accents, err);
}

static bool read_pre_tokenizer(const reader *r, ft_error *err)
{
    const ft_json_node *node;

    if (!read_component(r, MEMBER_PRE, "BertPreTokenizer", &node, err))
        return false;
    return node || ft_tokenizer_fault(err, r->path, member_names[MEMBER_PRE],
                                      "this tokenizer has none, which this version does not read");
}

static bool read_id(const reader *r, const ft_json_node *node, const char *place, int32_t *out,
                    ft_error *err)
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

// ["[SEP]", 102]
static bool read_pair(const reader *r, const ft_json_node *node, const char *name, int32_t *out,
                      ft_error *err)
{
    const ft_json_node *pair = ft_json_find(node, name);

    if (!pair || pair->kind != FT_JSON_ARRAY || pair->count != 2)
        return ft_tokenizer_fault(err, r->path, member_names[MEMBER_POST],
                                  "`%s` is not a token and its id", name);
    return read_id(r, &pair->children[1], member_names[MEMBER_POST], out, err);
}

static bool read_bert_processing(const reader *r, const ft_json_node *node, ft_error *err)
{
    int32_t *ids = ft_arena_zero(r->arena, 2, sizeof(*ids));

    if (!ids)
        return ft_fail_nomem(err, 2 * sizeof(*ids));
    r->tokenizer->before = ids;
    r->tokenizer->after = ids + 1;
    r->tokenizer->before_count = r->tokenizer->after_count = 1;
    return read_pair(r, node, "cls", &ids[0], err) && read_pair(r, node, "sep", &ids[1], err);
}

// The ids of a special token of a template, from the template's own table.
static bool find_special(const reader *r, const ft_json_node *table, const ft_json_node *piece,
                         const ft_json_node **out, ft_error *err)
{
    const char *place = "post_processor.single";
    const ft_json_node *name = ft_json_find(piece, "id");
    const ft_json_node *entry = NULL, *ids = NULL;

    if (!name || name->kind != FT_JSON_STRING)
        return ft_tokenizer_fault(err, r->path, place, "a special token has no `id`");
    for (size_t i = 0; table && table->kind == FT_JSON_OBJECT && i < table->count && !entry; i++) {
        if (ft_slice_equal(table->keys[i], name->text))
            entry = &table->children[i];
    }
    if (entry)
        ids = ft_json_find(entry, "ids");
    if (!ids || ids->kind != FT_JSON_ARRAY)
        return ft_tokenizer_fault(
            err, r->path, "post_processor.special_tokens", "`%.*s` is missing or has no `ids`",
            (int)(name->text.size < 60 ? name->text.size : 60), name->text.data);
    *out = ids;
    return true;
}

// Adds the ids of one piece of a template: to `before` until the text has been seen, then to
// `after`.
static bool add_piece(const reader *r, const ft_json_node *post, const ft_json_node *piece,
                      int32_t *ids, bool *seen, ft_error *err)
{
    const char *place = "post_processor.single";
    ft_tokenizer *tokenizer = r->tokenizer;
    const ft_json_node *special = ft_json_find(piece, "SpecialToken");
    const ft_json_node *sequence = ft_json_find(piece, "Sequence");
    const ft_json_node *list = NULL;

    if (sequence) {
        const ft_json_node *which = ft_json_find(sequence, "id");
        if (!which || which->kind != FT_JSON_STRING || !ft_slice_is(which->text, "A") || *seen)
            return ft_tokenizer_fault(err, r->path, place,
                                      "the text `A` is to be there once, and no other");
        *seen = true;
        return true;
    }
    if (!special)
        return ft_tokenizer_fault(err, r->path, place, "neither `SpecialToken` nor `Sequence`");
    if (!find_special(r, ft_json_find(post, "special_tokens"), special, &list, err))
        return false;
    for (size_t i = 0; i < list->count; i++) {
        if (ids && !read_id(r, &list->children[i], "post_processor.special_tokens", ids++, err))
            return false;
    }
    *(*seen ? &tokenizer->after_count : &tokenizer->before_count) += list->count;
    return true;
}

static bool read_template(const reader *r, const ft_json_node *post, ft_error *err)
{
    const ft_json_node *single = ft_json_find(post, "single");
    ft_tokenizer *tokenizer = r->tokenizer;
    int32_t *ids = NULL;

    if (!single || single->kind != FT_JSON_ARRAY)
        return ft_tokenizer_fault(err, r->path, "post_processor.single", "missing or not a list");
    // Once to count, once to fill.
    for (int round = 0; round < 2; round++) {
        bool seen = false;
        int32_t *next = ids;
        tokenizer->before_count = tokenizer->after_count = 0;
        for (size_t i = 0; i < single->count; i++) {
            if (ids)
                next = ids + tokenizer->before_count + tokenizer->after_count;
            if (!add_piece(r, post, &single->children[i], next, &seen, err))
                return false;
        }
        if (!seen)
            return ft_tokenizer_fault(err, r->path, "post_processor.single",
                                      "the text `A` is not in it");
        size_t count = tokenizer->before_count + tokenizer->after_count;
        if (!ids)
            ids = ft_arena_zero(r->arena, count + 1, sizeof(*ids));
        if (!ids)
            return ft_fail_nomem(err, (count + 1) * sizeof(*ids));
    }
    tokenizer->before = ids;
    tokenizer->after = ids + tokenizer->before_count;
    return true;
}

static bool read_post_processor(const reader *r, ft_error *err)
{
    ft_slice text = r->members[MEMBER_POST];
    ft_json_node *node;

    if (is_absent(text))
        return true;
    if (!ft_json_parse(text, r->scratch, &node, err))
        return false;
    const ft_json_node *type = ft_json_find(node, "type");
    if (type && type->kind == FT_JSON_STRING && ft_slice_is(type->text, "TemplateProcessing"))
        return read_template(r, node, err);
    if (type && type->kind == FT_JSON_STRING && ft_slice_is(type->text, "BertProcessing"))
        return read_bert_processing(r, node, err);
    return refuse(r, member_names[MEMBER_POST], type, err);
}

static bool read_added_token(const reader *r, const ft_json_node *node, ft_added_token *token,
                             int64_t *out_id, ft_error *err)
{
    const char *place = member_names[MEMBER_ADDED];
    const ft_json_node *content = ft_json_find(node, "content");
    int32_t id;

    if (!content || content->kind != FT_JSON_STRING)
        return ft_tokenizer_fault(err, r->path, place, "a token has no `content`");
    token->content = content->text;
    if (!read_id(r, ft_json_find(node, "id"), place, &id, err))
        return false;
    *out_id = id;
    return read_bool(r, node, place, "single_word", false, &token->single_word, err) &&
           read_bool(r, node, place, "lstrip", false, &token->lstrip, err) &&
           read_bool(r, node, place, "rstrip", false, &token->rstrip, err) &&
           read_bool(r, node, place, "normalized", false, &token->normalized, err) &&
           read_bool(r, node, place, "special", false, &token->special, err);
}

static bool read_added(const reader *r, ft_vocabulary *vocabulary, ft_error *err)
{
    ft_json_node *list;

    if (is_absent(r->members[MEMBER_ADDED]))
        return true;
    if (!ft_json_parse(r->members[MEMBER_ADDED], r->scratch, &list, err))
        return false;
    if (list->kind != FT_JSON_ARRAY)
        return ft_tokenizer_fault(err, r->path, member_names[MEMBER_ADDED], "not a list");
    ft_added_token *tokens = ft_arena_zero(r->scratch, list->count + 1, sizeof(*tokens));
    int64_t *ids = ft_arena_zero(r->scratch, list->count + 1, sizeof(*ids));
    if (!tokens || !ids)
        return ft_fail_nomem(err, list->count * (sizeof(*tokens) + sizeof(*ids)));
    for (size_t i = 0; i < list->count; i++) {
        if (!read_added_token(r, &list->children[i], &tokens[i], &ids[i], err))
            return false;
    }
    vocabulary->added = tokens;
    vocabulary->added_ids = ids;
    vocabulary->added_count = list->count;
    return true;
}

static bool read_text_field(const reader *r, int field, ft_slice *out, ft_error *err)
{
    ft_json_node *node;
    char place[64] = "model.";

    memcpy(place + strlen("model."), field_names[field], strlen(field_names[field]) + 1);
    if (r->fields[field].size == 0)
        return ft_tokenizer_fault(err, r->path, place, "missing");
    if (!ft_json_parse(r->fields[field], r->scratch, &node, err))
        return false;
    if (node->kind != FT_JSON_STRING)
        return ft_tokenizer_fault(err, r->path, place, "not a text");
    *out = node->text;
    return true;
}

// Models of older files have no `type`: it shows in their fields.
static bool check_model_type(const reader *r, ft_error *err)
{
    ft_json_node type = {.kind = FT_JSON_STRING, .text = FT_SLICE("WordPiece")};

    if (r->fields[FIELD_TYPE].size > 0) {
        if (!read_text_field(r, FIELD_TYPE, &type.text, err))
            return false;
    } else if (r->fields[FIELD_MERGES].size > 0) {
        type.text = FT_SLICE("BPE");
    } else if (r->fields[FIELD_VOCAB].size > 0 && r->fields[FIELD_VOCAB].data[0] == '[') {
        type.text = FT_SLICE("Unigram");
    } else if (r->fields[FIELD_PREFIX].size == 0 && r->fields[FIELD_MAX_CHARS].size == 0) {
        type.text = FT_SLICE("WordLevel");
    }
    return ft_slice_is(type.text, "WordPiece") || refuse(r, "model.type", &type, err);
}

static bool read_model_fields(const reader *r, ft_vocabulary *vocabulary, ft_error *err)
{
    int64_t max_chars;

    if (!read_text_field(r, FIELD_UNKNOWN, &vocabulary->unknown, err) ||
        !read_text_field(r, FIELD_PREFIX, &vocabulary->prefix, err))
        return false;
    if (!ft_parse_int(r->fields[FIELD_MAX_CHARS], &max_chars) || max_chars < 0)
        return ft_tokenizer_fault(err, r->path, "model.max_input_chars_per_word",
                                  "missing or not a whole number of at least 0");
    vocabulary->max_chars = (size_t)max_chars;
    if (r->fields[FIELD_VOCAB].size == 0)
        return ft_tokenizer_fault(err, r->path, "model.vocab", "missing");
    return true;
}

static bool read_entry(const reader *r, const ft_json_value *key, const ft_json_value *value,
                       ft_trie_key *out, ft_error *err)
{
    ft_slice text = key->text;
    int64_t id;

    if (key->has_escapes) {
        char *copy = ft_arena_alloc(r->scratch, text.size + 1);
        if (!copy)
            return ft_fail_nomem(err, text.size + 1);
        if (!ft_json_unescape(text, copy, &text.size, err))
            return false;
        text.data = copy;
    }
    int shown = (int)(text.size < 60 ? text.size : 60);
    if (value->kind != FT_JSON_NUMBER || !ft_parse_int(value->text, &id))
        return ft_tokenizer_fault(err, r->path, "model.vocab",
                                  "the id of `%.*s` is not a whole number", shown, text.data);
    if (id < 0 || id > FT_TOKENIZER_ID_MAX)
        return ft_tokenizer_fault(err, r->path, "model.vocab",
                                  "the id %lld of `%.*s` is out of range 0..%d", (long long)id,
                                  shown, text.data, FT_TOKENIZER_ID_MAX);
    *out = ft_trie_make_key(text, (int32_t)id);
    return true;
}

static bool read_vocab(const reader *r, ft_vocabulary *vocabulary, ft_error *err)
{
    ft_json json;
    ft_json_value value, key;
    bool first = true, more;
    size_t capacity = 0;

    ft_json_init(&json, r->fields[FIELD_VOCAB]);
    if (!ft_json_read(&json, &value, err))
        return false;
    if (value.kind != FT_JSON_OBJECT)
        return ft_tokenizer_fault(err, r->path, "model.vocab", "not an object");
    for (;;) {
        if (!ft_json_next_member(&json, &first, &more, &key, err))
            return false;
        if (!more)
            return true;
        if (!ft_json_read(&json, &value, err))
            return false;
        if (vocabulary->count == capacity) {
            size_t wanted = capacity ? capacity * 2 : 32768;
            ft_trie_key *grown = ft_realloc(vocabulary->entries, wanted * sizeof(*grown));
            if (!grown)
                return ft_fail_nomem(err, wanted * sizeof(*grown));
            vocabulary->entries = grown;
            capacity = wanted;
        }
        if (!read_entry(r, &key, &value, &vocabulary->entries[vocabulary->count], err))
            return false;
        vocabulary->count++;
    }
}

static bool check_version(const reader *r, ft_error *err)
{
    ft_slice version = r->members[MEMBER_VERSION];

    if (version.size == 0 || ft_slice_is(version, "\"1.0\""))
        return true;
    ft_tokenizer_fault(err, r->path, "version",
                       "the version %.*s, which this version does not read",
                       (int)(version.size < 60 ? version.size : 60), version.data);
    ft_hint(err, "Files of version \"1.0\" are read.");
    return false;
}

static bool read_model(const reader *r, bool with_vocabulary, ft_error *err)
{
    ft_vocabulary vocabulary = {.path = r->path, .place = "model.vocab"};

    if (!read_model_fields(r, &vocabulary, err) || !read_added(r, &vocabulary, err))
        return false;
    if (!with_vocabulary)
        return true;
    bool built = read_vocab(r, &vocabulary, err) &&
                 ft_tokenizer_build(r->tokenizer, &vocabulary, r->arena, err);
    ft_free(vocabulary.entries);
    return built;
}

bool ft_tokenizer_read_json(ft_tokenizer *tokenizer, ft_slice text, bool with_vocabulary,
                            ft_arena *scratch, ft_arena *arena, ft_error *err)
{
    reader r = {
        .tokenizer = tokenizer, .path = tokenizer->info.path, .scratch = scratch, .arena = arena};

    if (!note_members(&r, text, NULL, member_names, MEMBER_COUNT, r.members, err) ||
        !check_version(&r, err))
        return false;
    if (is_absent(r.members[MEMBER_MODEL]))
        return ft_tokenizer_fault(err, r.path, "model", "missing");
    if (!note_members(&r, r.members[MEMBER_MODEL], "model", field_names, FIELD_COUNT, r.fields,
                      err))
        return false;
    // The model first: its name says most of what a tokenizer is.
    return check_model_type(&r, err) && read_normalizer(&r, err) && read_pre_tokenizer(&r, err) &&
           read_post_processor(&r, err) && read_model(&r, with_vocabulary, err);
}
