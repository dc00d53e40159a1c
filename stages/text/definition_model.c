// The model of a tokenizer.json: its kind, its rules, its vocabulary and merges.
#include <stdio.h>
#include <string.h>

#include "runtime/memory/alloc.h"
#include "stages/text/byte_level.h"
#include "stages/text/definition_read.h"
#include "stages/text/score.h"
#include "stages/text/vocabulary.h"

enum {
    FIELD_TYPE,
    FIELD_VOCAB,
    FIELD_MERGES,
    FIELD_UNKNOWN,
    FIELD_UNKNOWN_ID,
    FIELD_PREFIX,
    FIELD_SUFFIX,
    FIELD_MAX_CHARS,
    FIELD_DROPOUT,
    FIELD_FUSE,
    FIELD_FALLBACK,
    FIELD_IGNORE,
    FIELD_BYTE_LEVEL,
    FIELD_FILES,
    FIELD_COUNT
};
static const char *const field_names[FIELD_COUNT] = {"type",
                                                     "vocab",
                                                     "merges",
                                                     "unk_token",
                                                     "unk_id",
                                                     "continuing_subword_prefix",
                                                     "end_of_word_suffix",
                                                     "max_input_chars_per_word",
                                                     "dropout",
                                                     "fuse_unk",
                                                     "byte_fallback",
                                                     "ignore_merges",
                                                     "byte_level",
                                                     "files"};

// How much of a file an entry takes, and how many are made room for at first.
enum { ENTRY_BYTES = 16, FIRST_MAX = 32768 };

// In the order of ft_model_kind.
static const char *const kinds[] = {"WordPiece", "BPE", "Unigram", "WordLevel"};

typedef struct reader {
    const ft_definition_reader *r;
    ft_slice fields[FIELD_COUNT];
    ft_slice unknown;  // The text of the unknown token; data NULL: none.
    // Grow while they are read.
    ft_piece *pieces;
    ft_merge_text *merges;
    size_t piece_count, merge_count, capacity;
    bool byte_level;
} reader;

static bool fault(const reader *in, int field, const char *what, ft_error *err)
{
    char place[64];

    snprintf(place, sizeof(place), "model.%s", field_names[field]);
    return ft_tokenizer_fault(err, in->r->path, place, "%s", what);
}

// Models of older files have no `type`: it shows in their fields, in the reference's order.
static bool find_kind(const reader *in, ft_error *err)
{
    ft_model_definition *model = &in->r->out->model;
    ft_slice type = in->fields[FIELD_TYPE];
    const ft_slice *fields = in->fields;

    if (type.size == 0 && in->r->is_version_2)
        return ft_definition_refuse_old(in->r, "model", "a model without a `type`", err);
    if (type.size == 0) {
        if (fields[FIELD_MERGES].size > 0)
            model->kind = FT_MODEL_BPE;
        else if (fields[FIELD_VOCAB].size > 0 && fields[FIELD_VOCAB].data[0] == '[')
            model->kind = FT_MODEL_UNIGRAM;
        else if (fields[FIELD_PREFIX].size == 0 && fields[FIELD_MAX_CHARS].size == 0)
            model->kind = FT_MODEL_WORDLEVEL;
        else
            model->kind = FT_MODEL_WORDPIECE;
        return true;
    }
    if (type.size < 2 || type.data[0] != '"')
        return fault(in, FIELD_TYPE, "not a text", err);
    ft_json_node node = {.kind = FT_JSON_STRING, .text = {type.data + 1, type.size - 2}};
    for (size_t i = 0; i < FT_COUNT_OF(kinds); i++) {
        if (ft_slice_is(node.text, kinds[i])) {
            model->kind = (ft_model_kind)i;
            return true;
        }
    }
    return ft_definition_refuse(in->r, "model.type", &node, err);
}

// ---- fields ----

static bool read_text(const reader *in, int field, bool required, ft_slice *out, ft_error *err)
{
    ft_json_node *node;

    if (in->fields[field].size == 0)
        return !required || fault(in, field, "missing", err);
    if (!ft_json_parse(in->fields[field], in->r->scratch, &node, err))
        return false;
    if (node->kind != FT_JSON_STRING)
        return fault(in, field, "not a text", err);
    const char *copy = ft_arena_text(in->r->arena, node->text);
    *out = (ft_slice){copy, node->text.size};
    return copy || ft_fail_nomem(err, node->text.size);
}

static bool read_bool(const reader *in, int field, bool *out, ft_error *err)
{
    ft_slice text = in->fields[field];

    *out = ft_slice_is(text, "true");
    return text.size == 0 || *out || ft_slice_is(text, "false") ||
           fault(in, field, "not true or false", err);
}

static bool read_size(const reader *in, int field, size_t *out, ft_error *err)
{
    int64_t number;

    if (!ft_parse_int(in->fields[field], &number) || number < 0)
        return fault(in, field, "missing or not a whole number of at least 0", err);
    *out = (size_t)number;
    return true;
}

static bool read_bpe_fields(reader *in, ft_model_definition *model, ft_error *err)
{
    double dropout = 0;

    if (in->fields[FIELD_DROPOUT].size > 0 &&
        (!ft_parse_float(in->fields[FIELD_DROPOUT], &dropout) || dropout != 0))
        return fault(in, FIELD_DROPOUT,
                     "merges that are left out at random are for training, this version has none",
                     err);
    if (in->r->is_version_2 && in->fields[FIELD_BYTE_LEVEL].size == 0)
        return fault(in, FIELD_BYTE_LEVEL, "missing", err);
    return read_bool(in, FIELD_BYTE_LEVEL, &in->byte_level, err) &&
           read_text(in, FIELD_UNKNOWN, false, &in->unknown, err) &&
           read_text(in, FIELD_PREFIX, false, &model->prefix, err) &&
           read_text(in, FIELD_SUFFIX, false, &model->suffix, err) &&
           read_bool(in, FIELD_FUSE, &model->fuse_unknown, err) &&
           read_bool(in, FIELD_FALLBACK, &model->byte_fallback, err) &&
           read_bool(in, FIELD_IGNORE, &model->ignore_merges, err);
}

static bool read_unigram_fields(reader *in, ft_model_definition *model, ft_error *err)
{
    size_t unknown = 0;

    if (!read_bool(in, FIELD_FALLBACK, &model->byte_fallback, err))
        return false;
    if (in->fields[FIELD_UNKNOWN_ID].size == 0)
        return true;
    if (!read_size(in, FIELD_UNKNOWN_ID, &unknown, err))
        return false;
    if (unknown > FT_TOKENIZER_ID_MAX)
        return fault(in, FIELD_UNKNOWN_ID, "out of range", err);
    model->unknown = (int32_t)unknown;
    return true;
}

static bool read_fields(reader *in, ft_error *err)
{
    ft_model_definition *model = &in->r->out->model;

    model->unknown = -1;
    switch (model->kind) {
    case FT_MODEL_WORDPIECE:
        return read_text(in, FIELD_UNKNOWN, true, &in->unknown, err) &&
               read_text(in, FIELD_PREFIX, true, &model->prefix, err) &&
               read_size(in, FIELD_MAX_CHARS, &model->max_chars, err);
    case FT_MODEL_BPE:
        return read_bpe_fields(in, model, err);
    case FT_MODEL_UNIGRAM:
        return read_unigram_fields(in, model, err);
    case FT_MODEL_WORDLEVEL:
        return read_text(in, FIELD_UNKNOWN, true, &in->unknown, err);
    }
    return true;
}

// ---- vocabulary ----

// Texts stay where they are in the file, which is in the scratch arena, unless they have escapes.
static bool text_of(const reader *in, const ft_json_value *value, ft_slice *out, ft_error *err)
{
    *out = value->text;
    if (!value->has_escapes)
        return true;
    char *copy = ft_arena_alloc(in->r->scratch, out->size + 1);
    if (!copy)
        return ft_fail_nomem(err, out->size + 1);
    out->data = copy;
    return ft_json_unescape(value->text, copy, &out->size, err);
}

// At first for as many as a text of `text_bytes` may hold, and not many more.
static bool grow(void **array, size_t *capacity, size_t entry_bytes, size_t text_bytes,
                 ft_error *err)
{
    size_t wanted = *capacity                              ? *capacity * 2
                    : text_bytes < ENTRY_BYTES * FIRST_MAX ? text_bytes / ENTRY_BYTES + 1
                                                           : FIRST_MAX;
    void *grown = ft_realloc(*array, wanted * entry_bytes);

    if (!grown)
        return ft_fail_nomem(err, wanted * entry_bytes);
    *array = grown;
    *capacity = wanted;
    return true;
}

static bool add_piece(reader *in, const ft_piece *piece, ft_error *err)
{
    void *pieces = in->pieces;

    if (in->piece_count == in->capacity) {
        if (!grow(&pieces, &in->capacity, sizeof(*piece), in->fields[FIELD_VOCAB].size, err))
            return false;
        in->pieces = pieces;
    }
    in->pieces[in->piece_count++] = *piece;
    if (in->unknown.data && ft_slice_equal(piece->text, in->unknown))
        in->r->out->model.unknown = piece->id;
    return true;
}

static bool read_entry(reader *in, const ft_json_value *key, const ft_json_value *value,
                       ft_error *err)
{
    const char *place = "model.vocab";
    ft_piece piece = {0};
    int64_t id;

    if (!text_of(in, key, &piece.text, err))
        return false;
    int shown = (int)(piece.text.size < 60 ? piece.text.size : 60);
    if (value->kind != FT_JSON_NUMBER || !ft_parse_int(value->text, &id))
        return ft_tokenizer_fault(err, in->r->path, place, "the id of `%.*s` is not a whole number",
                                  shown, piece.text.data);
    if (id < 0 || id > FT_TOKENIZER_ID_MAX)
        return ft_tokenizer_fault(err, in->r->path, place,
                                  "the id %lld of `%.*s` is out of range 0..%d", (long long)id,
                                  shown, piece.text.data, FT_TOKENIZER_ID_MAX);
    piece.id = (int32_t)id;
    return add_piece(in, &piece, err);
}

// {"text": id, ...}
static bool read_object(reader *in, ft_json *json, ft_error *err)
{
    ft_json_value value, key;
    bool first = true, more;

    for (;;) {
        if (!ft_json_next_member(json, &first, &more, &key, err))
            return false;
        if (!more)
            return true;
        if (!ft_json_read(json, &value, err) || !read_entry(in, &key, &value, err))
            return false;
    }
}

static bool pair_fault(const reader *in, int field, size_t at, const char *what, ft_error *err)
{
    char place[64];

    snprintf(place, sizeof(place), "model.%s[%zu]", field_names[field], at);
    return ft_tokenizer_fault(err, in->r->path, place, "not %s", what);
}

// The two scalars of an array whose opening has been read.
static bool read_two(const reader *in, ft_json *json, int field, size_t at, const char *what,
                     ft_json_value two[2], ft_error *err)
{
    bool first = true, more;

    for (int i = 0; i < 2; i++) {
        if (!ft_json_next_element(json, &first, &more, err))
            return false;
        if (!more)
            return pair_fault(in, field, at, what, err);
        if (!ft_json_read(json, &two[i], err))
            return false;
        if (two[i].kind == FT_JSON_ARRAY || two[i].kind == FT_JSON_OBJECT)
            return pair_fault(in, field, at, what, err);
    }
    return ft_json_next_element(json, &first, &more, err) &&
           (!more || pair_fault(in, field, at, what, err));
}

// [["text", score], ...]: the id is the place in the list.
static bool read_scored(reader *in, ft_json *json, ft_error *err)
{
    static const char what[] = "a text and its score";
    ft_json_value value, two[2];
    bool first = true, more;

    for (;;) {
        ft_piece piece = {.id = (int32_t)in->piece_count};
        if (!ft_json_next_element(json, &first, &more, err))
            return false;
        if (!more)
            return true;
        if (!ft_json_read(json, &value, err))
            return false;
        if (value.kind != FT_JSON_ARRAY)
            return pair_fault(in, FIELD_VOCAB, in->piece_count, what, err);
        if (!read_two(in, json, FIELD_VOCAB, in->piece_count, what, two, err))
            return false;
        if (two[0].kind != FT_JSON_STRING || two[1].kind != FT_JSON_NUMBER ||
            !ft_score_parse(two[1].text, &piece.score))
            return pair_fault(in, FIELD_VOCAB, in->piece_count, what, err);
        if (in->piece_count > FT_TOKENIZER_ID_MAX)
            return fault(in, FIELD_VOCAB, "too many tokens", err);
        if (!text_of(in, &two[0], &piece.text, err) || !add_piece(in, &piece, err))
            return false;
    }
}

static bool read_vocabulary(reader *in, ft_error *err)
{
    bool is_list = in->r->out->model.kind == FT_MODEL_UNIGRAM;
    ft_json json;
    ft_json_value value;

    ft_json_init(&json, in->fields[FIELD_VOCAB]);
    if (!ft_json_read(&json, &value, err))
        return false;
    if (value.kind != (is_list ? FT_JSON_ARRAY : FT_JSON_OBJECT))
        return fault(in, FIELD_VOCAB, is_list ? "not a list" : "not an object", err);
    in->capacity = 0;
    return is_list ? read_scored(in, &json, err) : read_object(in, &json, err);
}

// ---- merges ----

static bool add_merge(reader *in, ft_merge_text merge, ft_error *err)
{
    void *merges = in->merges;

    if (in->merge_count == in->capacity) {
        if (!grow(&merges, &in->capacity, sizeof(merge), in->fields[FIELD_MERGES].size, err))
            return false;
        in->merges = merges;
    }
    in->merges[in->merge_count++] = merge;
    return true;
}

// "a b", with one space.
static bool read_merge_line(reader *in, const ft_json_value *value, ft_error *err)
{
    ft_slice text;

    if (!text_of(in, value, &text, err))
        return false;
    if (ft_slice_starts_with(text, FT_SLICE("#version")))
        return true;
    const char *space = memchr(text.data, ' ', text.size);
    size_t left = space ? (size_t)(space - text.data) : 0;
    if (!space || memchr(space + 1, ' ', text.size - left - 1))
        return pair_fault(in, FIELD_MERGES, in->merge_count, "two tokens with one space between",
                          err);
    return add_merge(in, (ft_merge_text){{text.data, left}, {space + 1, text.size - left - 1}},
                     err);
}

static bool read_merge(reader *in, ft_json *json, ft_error *err)
{
    static const char what[] = "two tokens";
    ft_json_value value, two[2];
    ft_merge_text merge;

    if (!ft_json_read(json, &value, err))
        return false;
    if (value.kind == FT_JSON_STRING && in->r->is_version_2)
        return ft_definition_refuse_old(in->r, "model.merges", "a merge in one text", err);
    if (value.kind == FT_JSON_STRING)
        return read_merge_line(in, &value, err);
    if (value.kind != FT_JSON_ARRAY)
        return pair_fault(in, FIELD_MERGES, in->merge_count, what, err);
    if (!read_two(in, json, FIELD_MERGES, in->merge_count, what, two, err))
        return false;
    if (two[0].kind != FT_JSON_STRING || two[1].kind != FT_JSON_STRING)
        return pair_fault(in, FIELD_MERGES, in->merge_count, what, err);
    return text_of(in, &two[0], &merge.left, err) && text_of(in, &two[1], &merge.right, err) &&
           add_merge(in, merge, err);
}

static bool read_merges(reader *in, ft_error *err)
{
    ft_json json;
    ft_json_value value;
    bool first = true, more;

    in->capacity = 0;
    if (in->fields[FIELD_MERGES].size == 0)
        return fault(in, FIELD_MERGES, "missing", err);
    ft_json_init(&json, in->fields[FIELD_MERGES]);
    if (!ft_json_read(&json, &value, err))
        return false;
    if (value.kind != FT_JSON_ARRAY)
        return fault(in, FIELD_MERGES, "not a list", err);
    for (;;) {
        if (!ft_json_next_element(&json, &first, &more, err))
            return false;
        if (!more)
            return true;
        if (!read_merge(in, &json, err))
            return false;
    }
}

// ---- all of it ----

// Version 2.0 has no word for a byte that is no token.
static bool check_bytes(const reader *in, ft_error *err)
{
    bool seen[256] = {false};

    for (size_t i = 0; i < in->piece_count; i++) {
        ft_slice text = in->pieces[i].text;
        size_t at = 0;
        int byte = text.size > 0 ? ft_byte_of_letter(ft_utf8_next(text, &at)) : -1;
        if (byte >= 0 && at == text.size)
            seen[byte] = true;
    }
    for (unsigned byte = 0; byte < 256; byte++) {
        if (!seen[byte])
            return ft_tokenizer_fault(err, in->r->path, "model.vocab",
                                      "with `byte_level` there is no token for the byte 0x%02x",
                                      byte);
    }
    return true;
}

static bool read_tables(reader *in, ft_error *err)
{
    ft_model_definition *model = &in->r->out->model;

    if (!read_vocabulary(in, err))
        return false;
    if (in->unknown.data && model->unknown < 0)
        return ft_tokenizer_fault(err, in->r->path, "model.unk_token",
                                  "the unknown token `%.*s` is not in the vocabulary",
                                  (int)(in->unknown.size < 60 ? in->unknown.size : 60),
                                  in->unknown.data);
    if (model->kind == FT_MODEL_UNIGRAM && model->unknown >= 0 &&
        (size_t)model->unknown >= in->piece_count)
        return fault(in, FIELD_UNKNOWN_ID, "behind the end of the vocabulary", err);
    if (model->kind == FT_MODEL_BPE && !read_merges(in, err))
        return false;
    if (in->byte_level && !check_bytes(in, err))
        return false;
    model->pieces = in->pieces;
    model->piece_count = in->piece_count;
    model->merge_count = in->merge_count;
    return model->kind != FT_MODEL_BPE ||
           ft_merges_resolve(in->pieces, in->piece_count, model->prefix, in->merges,
                             in->merge_count, in->r->path, in->r->scratch, &model->merges, err);
}

bool ft_definition_read_model(const ft_definition_reader *r, ft_slice text, bool *out_byte_level,
                              ft_error *err)
{
    reader in = {.r = r};

    if (!ft_definition_note_members(r, text, "model", field_names, FIELD_COUNT, in.fields, err) ||
        !find_kind(&in, err) || !read_fields(&in, err))
        return false;
    if (r->is_version_2 && in.fields[FIELD_FILES].size > 0)
        return fault(&in, FIELD_FILES, "a vocabulary in other files is not possible", err);
    *out_byte_level = r->is_version_2 && in.byte_level;
    if (in.fields[FIELD_VOCAB].size == 0)
        return fault(&in, FIELD_VOCAB, "missing", err);
    if (!r->with_vocabulary)
        return true;
    bool done = read_tables(&in, err);
    // The pieces go with the scratch arena.
    if (in.pieces && !ft_arena_defer(r->scratch, ft_free, in.pieces))
        done = ft_fail_nomem(err, sizeof(void *));
    ft_free(in.merges);
    return done;
}
