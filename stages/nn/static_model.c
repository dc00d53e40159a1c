// Static embeddings: see static_model.h.
#include "stages/nn/static_model.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "runtime/data/json.h"
#include "runtime/system/file.h"
#include "stages/nn/kernel/isa.h"
#include "stages/nn/safetensors.h"

enum {
    CONFIG_BYTES_MAX = 1 << 20,
    TOKENIZER_BYTES_MAX = 1 << 28,
    SIZE_MOST = 1 << 16,
    GROUP_ROWS = 32,  // Added up together.
    LINE_BYTES = 64,
};

// ---- finding ----

static bool read_config(const char *folder, ft_arena *arena, bool *out_there, bool *out_model2vec,
                        bool *out_is_said, bool *out_normalize, ft_error *err)
{
    const char *path = ft_path_join(arena, folder, "config.json");
    const ft_json_node *root;

    if (!path)
        return ft_fail_nomem(err, strlen(folder));
    *out_there = ft_file_find(path) != FT_FILE_MISSING;
    if (!*out_there)
        return true;
    if (!ft_json_parse_file(path, arena, CONFIG_BYTES_MAX, &root, err))
        return false;
    const ft_json_node *type = ft_json_find(root, "model_type");
    // Newer versions of the library write no `model_type`; then the tensor's name tells.
    *out_model2vec =
        !type || (type->kind == FT_JSON_STRING && ft_slice_is(type->text, "model2vec"));
    *out_is_said = type != NULL;
    const ft_json_node *normalize = ft_json_find(root, "normalize");
    *out_normalize = normalize && normalize->kind == FT_JSON_TRUE;
    return true;
}

static bool fail_shape(const char *path, const ft_weight *tensor, const char *want, ft_error *err)
{
    char shape[96];

    return ft_fail(err, FT_ERROR_DATA, "%s: tensor `%.*s` is %s %s, not %s", path,
                   (int)(tensor->name.size < 60 ? tensor->name.size : 60), tensor->name.data,
                   ft_weight_kind_name(tensor->kind),
                   ft_weight_print_shape(tensor, shape, sizeof(shape)), want);
}

static bool check_tensors(const char *path, ft_static_model *m, ft_error *err)
{
    const ft_weight *table = m->table;

    if (table->rank != 2 || table->shape[0] < 1 || table->shape[0] > INT32_MAX ||
        table->shape[1] < 1 || table->shape[1] > SIZE_MOST ||
        (table->kind != FT_WEIGHT_F16 && table->kind != FT_WEIGHT_F32))
        return fail_shape(path, table, "F16 or F32 [rows, numbers]", err);
    m->rows = m->vocabulary = (size_t)table->shape[0];
    m->size = (size_t)table->shape[1];
    if (m->mapping) {
        if (m->mapping->rank != 1 || m->mapping->elements < 1 || m->mapping->elements > INT32_MAX ||
            (m->mapping->kind != FT_WEIGHT_I32 && m->mapping->kind != FT_WEIGHT_I64))
            return fail_shape(path, m->mapping, "I32 or I64 [tokens]", err);
        m->vocabulary = m->mapping->elements;
    }
    if (m->weights && (m->weights->rank != 1 || m->weights->elements != m->vocabulary ||
                       !ft_weight_kind_is_float(m->weights->kind)))
        return fail_shape(path, m->weights, "one number for each token", err);
    return true;
}

bool ft_static_model_find(const char *folder, ft_arena *arena, bool *out_is, ft_static_model *out,
                          ft_error *err)
{
    const char *path = ft_path_join(arena, folder, "model.safetensors");
    bool has_config = false, is_model2vec = false, is_said = false, normalize = false;
    ft_safetensors *file;

    *out_is = false;
    if (!path)
        return ft_fail_nomem(err, strlen(folder));
    const ft_file_kind kind = ft_file_find(folder);
    if (kind == FT_FILE_UNKNOWN)
        return ft_fail_errno(err, errno, "cannot look at `%s`", folder);
    if (kind != FT_FILE_FOLDER)
        return true;
    if (!read_config(folder, arena, &has_config, &is_model2vec, &is_said, &normalize, err))
        return false;
    if ((has_config && !is_model2vec) || ft_file_find(path) == FT_FILE_MISSING)
        return true;
    if (!ft_safetensors_open(path, arena, &file, err))
        return false;
    ft_static_model model = {.normalize = normalize, .forgets_unknown = is_model2vec};
    model.table = ft_safetensors_find(file, is_model2vec ? "embeddings" : "embedding.weight");
    if (!model.table && is_model2vec && is_said)
        return ft_fail(err, FT_ERROR_DATA, "%s: tensor `embeddings` is missing", path);
    if (!model.table || (!is_model2vec && file->count != 1))
        return true;
    if (is_model2vec) {
        model.mapping = ft_safetensors_find(file, "mapping");
        model.weights = ft_safetensors_find(file, "weights");
    }
    if (!check_tensors(path, &model, err))
        return false;
    *out = model;
    *out_is = true;
    return true;
}

// ---- loading ----

static int64_t row_of(const ft_static_model *m, int32_t id)
{
    int32_t narrow;
    int64_t wide;

    if (!m->mapping)
        return id;
    if (m->mapping->kind == FT_WEIGHT_I64) {
        memcpy(&wide, m->mapping->data + (size_t)id * sizeof(wide), sizeof(wide));
        return wide;
    }
    memcpy(&narrow, m->mapping->data + (size_t)id * sizeof(narrow), sizeof(narrow));
    return narrow;
}

// The text of `key` in an object; data NULL when it has none.
static bool find_member(ft_slice object, const char *key, ft_slice *out, ft_error *err)
{
    ft_json json;
    ft_json_value name;
    bool first = true, more = false;

    *out = (ft_slice){0};
    ft_json_init(&json, object);
    if (!ft_json_read(&json, &name, err))
        return false;
    if (name.kind != FT_JSON_OBJECT)
        return true;
    for (;;) {
        ft_slice value;
        if (!ft_json_next_member(&json, &first, &more, &name, err))
            return false;
        if (!more)
            return true;
        const bool is_it = ft_json_key_is(&name, key);
        if (!ft_json_skip(&json, &value, err))
            return false;
        if (is_it) {
            *out = value;
            return true;
        }
    }
}

// `unk_id` of Unigram, else the id of `unk_token`.
static bool find_unknown(ft_slice tokenizer, ft_arena *arena, int32_t *out, ft_error *err)
{
    ft_slice model, id, token, vocabulary;
    ft_json_node *name;
    int64_t number;

    *out = -1;
    if (!find_member(tokenizer, "model", &model, err))
        return false;
    if (!model.data)
        return true;
    if (!find_member(model, "unk_id", &id, err) || !find_member(model, "unk_token", &token, err) ||
        !find_member(model, "vocab", &vocabulary, err))
        return false;
    if (!id.data && token.data && vocabulary.data) {
        if (!ft_json_parse(token, arena, &name, err))
            return false;
        if (name->kind != FT_JSON_STRING)
            return true;
        const char *text = ft_arena_text(arena, name->text);
        if (!text)
            return ft_fail_nomem(err, name->text.size);
        if (!find_member(vocabulary, text, &id, err))
            return false;
    }
    if (id.data && ft_parse_int(id, &number) && number >= 0 && number <= INT32_MAX)
        *out = (int32_t)number;
    return true;
}

bool ft_static_model_load(ft_static_model *model, const char *folder, ft_arena *arena,
                          ft_error *err)
{
    const char *path = ft_path_join(arena, folder, "tokenizer.json");
    ft_arena *scratch;
    ft_slice text;

    for (size_t id = 0; id < model->vocabulary; id++) {
        const int64_t row = row_of(model, (int32_t)id);
        if (row < 0 || (uint64_t)row >= model->rows)
            return ft_fail(err, FT_ERROR_DATA,
                           "%s: `mapping` of token %zu is row %" PRId64 ", and there are %zu",
                           folder, id, row, model->rows);
    }
    model->unknown = -1;
    const bool is_half = model->table->kind == FT_WEIGHT_F16;
    model->add = is_half ? ft_static_add_f16 : ft_static_add_f32;
#if defined(__x86_64__)
    if (ft_isa_level() != FT_ISA_GENERIC)
        model->add = is_half ? ft_static_add_f16_avx2 : ft_static_add_f32_avx2;
#endif
    if (!path)
        return ft_fail_nomem(err, strlen(folder));
    if (!model->forgets_unknown || ft_file_find(path) == FT_FILE_MISSING)
        return true;
    scratch = ft_arena_create();
    if (!scratch)
        return ft_fail_nomem(err, 0);
    bool ok = ft_file_read(path, scratch, TOKENIZER_BYTES_MAX, &text, err);
    if (ok && !find_unknown(text, scratch, &model->unknown, err)) {
        ft_error_while(err, "%s", path);
        ok = false;
    }
    ft_arena_destroy(scratch);
    return ok;
}

// ---- running ----

// Adds up by columns, since a number is divided when all of it is there.
void ft_static_add_f32(const ft_static_rows *rows, size_t first, size_t size, float *out)
{
    for (size_t k = first; k < size; k++) {
        for (size_t i = 0; i < rows->count; i++) {
            float value;
            memcpy(&value, rows->at[i] + k * sizeof(value), sizeof(value));
            out[k] += value * rows->weights[i];
        }
        out[k] /= rows->divisor;
    }
}

void ft_static_add_f16(const ft_static_rows *rows, size_t first, size_t size, float *out)
{
    for (size_t k = first; k < size; k++) {
        for (size_t i = 0; i < rows->count; i++) {
            const ft_weight halves = {
                .kind = FT_WEIGHT_F16, .elements = size, .data = rows->at[i], .end = 2 * size};
            float value;
            ft_weight_read(&halves, k, 1, &value);
            out[k] += value * rows->weights[i];
        }
        out[k] /= rows->divisor;
    }
}

// Rows lie anywhere in a table that is larger than the caches: all of a group's are asked for
// before the first one is added.
static void fetch(const char *row, size_t size_bytes)
{
    for (size_t at = 0; at < size_bytes; at += LINE_BYTES)
        FT_PREFETCH(row + at);
}

void ft_static_model_run(const ft_static_model *model, const int32_t *ids, size_t count, float *out)
{
    const size_t row_bytes = model->size * (model->table->kind == FT_WEIGHT_F32 ? 4 : 2);
    const char *at[GROUP_ROWS];
    float weights[GROUP_ROWS];
    size_t counted = 0;

    memset(out, 0, model->size * sizeof(*out));
    for (size_t i = 0; i < count;) {
        size_t rows = 0;
        for (; i < count && rows < GROUP_ROWS; i++) {
            if (ids[i] == model->unknown)
                continue;
            at[rows] = model->table->data + (size_t)row_of(model, ids[i]) * row_bytes;
            fetch(at[rows], row_bytes);
            weights[rows] = 1;
            if (model->weights)
                ft_weight_read(model->weights, (size_t)ids[i], 1, &weights[rows]);
            rows++;
        }
        counted += rows;
        const float divisor = i < count || counted == 0 ? 1 : (float)counted;
        model->add(&(ft_static_rows){at, weights, rows, divisor}, 0, model->size, out);
    }
}
