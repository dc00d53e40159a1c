// Every architecture against what transformers computes with the same small model, and the
// references beside the shared test data.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/data/json.h"
#include "runtime/system/file.h"
#include "stages/nn/encoder.h"
#include "tests/check.h"

enum { TEXTS_MAX = 64, PATH_BYTES = 1200 };

typedef struct reference {
    char folder[PATH_BYTES];
    ft_arena *arena;
    ft_safetensors *values;  // NULL: the lines hold them.
    size_t count;
    ft_token_span spans[TEXTS_MAX];
    const ft_json_node *lines[TEXTS_MAX];
} reference;

// ---- reading references ----

static void find_models(char out[PATH_BYTES])
{
    snprintf(out, PATH_BYTES, "%.*smodels",
             (int)(strlen(__FILE__) - strlen("stages/test_architectures.c")), __FILE__);
    if (ft_file_find(out) != FT_FILE_FOLDER)
        snprintf(out, PATH_BYTES, "tests/models");
}

static const int32_t *read_ids(reference *r, const ft_json_node *node, size_t *out_count)
{
    int32_t *ids = ft_arena_zero(r->arena, node->count + 1, sizeof(*ids));
    int64_t value = 0;

    check_true(ids && node->kind == FT_JSON_ARRAY);
    for (size_t i = 0; i < node->count; i++) {
        check_true(ft_json_get_int(&node->children[i], &value));
        ids[i] = (int32_t)value;
    }
    *out_count = node->count;
    return ids;
}

static void read_lines(reference *r)
{
    char path[PATH_BYTES + 32];
    ft_error err = FT_ERROR_INIT;
    ft_slice text, line;

    snprintf(path, sizeof(path), "%s/reference.jsonl", r->folder);
    check_ok(ft_file_read(path, r->arena, 8 << 20, &text, &err), &err);
    while (r->count < TEXTS_MAX && ft_slice_cut(&text, '\n', &line)) {
        ft_json_node *root;
        size_t count = 0, types = 0;
        if (line.size == 0)
            continue;
        check_ok(ft_json_parse(line, r->arena, &root, &err), &err);
        const ft_json_node *ids = ft_json_find(root, "input_ids"),
                           *type_ids = ft_json_find(root, "token_type_ids");
        check_true(ids != NULL);
        ft_token_span *span = &r->spans[r->count];
        span->ids = read_ids(r, ids, &count);
        span->types = type_ids ? read_ids(r, type_ids, &types) : NULL;
        span->count = count;
        check_true(!type_ids || types == count);
        r->lines[r->count++] = root;
    }
    check_true(r->count > 0);
}

static void open_reference(reference *r, const char *folder, const char *values)
{
    char path[PATH_BYTES + 64];
    ft_error err = FT_ERROR_INIT;

    memset(r, 0, sizeof(*r));
    snprintf(r->folder, sizeof(r->folder), "%s", folder);
    r->arena = ft_arena_create();
    read_lines(r);
    if (values) {
        snprintf(path, sizeof(path), "%s/%s", folder, values);
        check_ok(ft_safetensors_open(path, r->arena, &r->values, &err), &err);
    }
}

static const ft_weight *find_value(const reference *r, const char *before, size_t text,
                                   const char *what)
{
    char name[64];

    snprintf(name, sizeof(name), "%s%zu.%s", before, text, what);
    return r->values ? ft_safetensors_find(r->values, name) : NULL;
}

// ---- comparisons ----

static double worst_of_rows(ft_rows rows, size_t count, size_t size, const ft_weight *want)
{
    double worst = 0;
    float *values = malloc(size * sizeof(*values));

    check_true(values && want->elements == count * size);
    for (size_t row = 0; row < count; row++) {
        ft_weight_read(want, row * size, size, values);
        for (size_t k = 0; k < size; k++) {
            const double off = fabs((double)rows.at[row * rows.stride + k] - (double)values[k]);
            worst = off <= worst ? worst : off;  // NaN too.
        }
    }
    free(values);
    return worst;
}

static double worst_of_mean(ft_rows rows, size_t count, size_t size, const ft_weight *want)
{
    double worst = 0;

    check_int_eq(want->elements, size);
    for (size_t k = 0; k < size; k++) {
        double sum = 0;
        float value;
        for (size_t row = 0; row < count; row++)
            sum += (double)rows.at[row * rows.stride + k];
        ft_weight_read(want, k, 1, &value);
        const double off = fabs(sum / (double)count - (double)value);
        worst = off <= worst ? worst : off;
    }
    return worst;
}

static double worst_of_text(const reference *r, size_t text, ft_rows rows, size_t tokens,
                            size_t size, size_t *compared)
{
    const ft_weight *hidden = find_value(r, "", text, "hidden"),
                    *mean = find_value(r, "", text, "mean");

    if (!hidden)
        hidden = find_value(r, "s", text, "last_hidden");
    *compared += hidden || mean;
    if (hidden)
        return worst_of_rows(rows, tokens, size, hidden);
    return mean ? worst_of_mean(rows, tokens, size, mean) : 0;
}

// All texts at once, then each alone: the same bits, and those of the reference.
static double run_model(const reference *r, const char *path, size_t *compared)
{
    ft_error err = FT_ERROR_INIT;
    ft_arena *arena = ft_arena_create();
    ft_encoder_config config;
    ft_encoder *encoder;
    ft_rows rows, alone;
    double worst = 0;

    check_ok(ft_encoder_config_read(path, arena, &config, &err), &err);
    check_ok(ft_encoder_check(path, &config, arena, &err), &err);
    check_ok(ft_encoder_load(path, &config, arena, &encoder, &err), &err);
    ft_encoder_run *run = ft_encoder_run_create(encoder, NULL, &err);
    ft_encoder_run *other = ft_encoder_run_create(encoder, NULL, &err);
    check_true(run && other);
    check_ok(ft_encoder_run_reserve(run, r->spans, r->count, &err), &err);
    for (size_t done = 0; done < r->count;) {
        const size_t some = ft_encoder_run_some(run, r->spans + done, r->count - done, &rows);
        for (size_t i = done; i < done + some; i++) {
            const size_t tokens = ft_encoder_rows(encoder, &r->spans[i]);
            check_int_eq(tokens, r->spans[i].count);
            const double off = worst_of_text(r, i, rows, tokens, config.hidden, compared);
            worst = off <= worst ? worst : off;
            check_ok(ft_encoder_run_reserve(other, &r->spans[i], 1, &err), &err);
            check_int_eq(ft_encoder_run_some(other, &r->spans[i], 1, &alone), 1);
            for (size_t row = 0; row < tokens; row++)
                check_true(memcmp(rows.at + row * rows.stride, alone.at + row * alone.stride,
                                  config.hidden * sizeof(float)) == 0);
            rows.at += tokens * rows.stride;
        }
        done += some;
    }
    ft_encoder_run_destroy(other);
    ft_encoder_run_destroy(run);
    ft_arena_destroy(arena);
    return worst;
}

static void check_reference(const char *folder, const char *values, const char *model, double bound)
{
    ft_error err = FT_ERROR_INIT;
    char path[PATH_BYTES + 64];
    reference r;

    open_reference(&r, folder, values);
    snprintf(path, sizeof(path), "%s%s%s", folder, *model ? "/" : "", model);
    for (int isa = 0; isa < FT_ISA_COUNT; isa++) {
        size_t compared = 0;
        if (!ft_isa_has((ft_isa)isa))
            continue;
        check_ok(ft_isa_force(ft_isa_name((ft_isa)isa), &err), &err);
        const double worst = run_model(&r, path, &compared);
        fprintf(stderr, "%s, %s: %zu texts, largest difference %.2g\n", path,
                ft_isa_name((ft_isa)isa), compared, worst);
        check_true(compared > 0);
        check_true(worst <= bound);
    }
    check_ok(ft_isa_force("auto", &err), &err);
    ft_arena_destroy(r.arena);
}

static void check_fixture(const char *name, const char *model)
{
    char models[PATH_BYTES], folder[PATH_BYTES + 64];

    find_models(models);
    snprintf(folder, sizeof(folder), "%s/%s", models, name);
    check_reference(folder, "reference.safetensors", model, 1e-4);
}

#define FIXTURE(test, name)      \
    TEST(architecture_##test)    \
    {                            \
        check_fixture(name, ""); \
    }

FIXTURE(bert, "bert")
FIXTURE(bert_in_shards, "bert-sharded")
FIXTURE(camembert, "camembert")
FIXTURE(distilbert, "distilbert")
FIXTURE(gemma3, "gemma3-embedding")
FIXTURE(gte, "gte")
FIXTURE(modernbert, "modernbert")
FIXTURE(modernbert_with_biases, "modernbert-5")
FIXTURE(mpnet, "mpnet")
FIXTURE(nomic_bert, "nomic-bert")
FIXTURE(qwen3, "qwen3-embedding")
FIXTURE(roberta, "roberta")
FIXTURE(xlm_roberta, "xlm-roberta")

TEST(architecture_shared_distilbert)
{
    const char *data = check_data_folder();
    char folder[PATH_BYTES];

    if (!data)
        check_skip("no test data");
    snprintf(folder, sizeof(folder), "%s/models/syn-distilbert", data);
    check_reference(folder, "reference_hidden.safetensors", "", 1e-4);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
