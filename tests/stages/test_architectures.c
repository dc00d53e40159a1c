// Every architecture against what transformers computes with the same small model, and the
// references beside the shared test data.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/data/json.h"
#include "runtime/system/file.h"
#include "stages/nn/encoder.h"
#include "tests/check.h"

enum { TEXTS_MAX = 64, PATH_BYTES = 1200 };

typedef struct reference {
    ft_arena *arena;
    ft_safetensors *values;
    size_t count;
    ft_token_span spans[TEXTS_MAX];
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

static void read_lines(reference *r, const char *path)
{
    ft_error err = FT_ERROR_INIT;
    ft_slice text, line;

    check_ok(ft_file_read(path, r->arena, 8 << 20, &text, &err), &err);
    while (r->count < TEXTS_MAX && ft_slice_cut(&text, '\n', &line)) {
        ft_json_node *root;
        size_t count = 0, types = 0;
        if (line.size == 0)
            continue;
        check_ok(ft_json_parse(line, r->arena, &root, &err), &err);
        const ft_json_node *ids = ft_json_find(root, "input_ids"),
                           *type_ids = ft_json_find(root, "token_type_ids");
        if (!ids)
            ids = ft_json_find(root, "prompt_ids");
        check_true(ids != NULL);
        ft_token_span *span = &r->spans[r->count];
        span->ids = read_ids(r, ids, &count);
        span->types = type_ids ? read_ids(r, type_ids, &types) : NULL;
        span->count = count;
        check_true(!type_ids || types == count);
        r->count++;
    }
    check_true(r->count > 0);
}

// FOLDER/NAME.jsonl has the texts and FOLDER/VALUES.safetensors what comes out.
static void open_reference(reference *r, const char *folder, const char *name, const char *values)
{
    char path[PATH_BYTES + 128];
    ft_error err = FT_ERROR_INIT;

    memset(r, 0, sizeof(*r));
    r->arena = ft_arena_create();
    snprintf(path, sizeof(path), "%s/%s.jsonl", folder, name);
    read_lines(r, path);
    snprintf(path, sizeof(path), "%s/%s.safetensors", folder, values);
    check_ok(ft_safetensors_open(path, r->arena, &r->values, &err), &err);
}

static const ft_weight *find_value(const reference *r, const char *before, size_t text,
                                   const char *what)
{
    char name[64];

    snprintf(name, sizeof(name), "%s%zu.%s", before, text, what);
    return ft_safetensors_find(r->values, name);
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

// What stands behind a decoder: its own head, or the words again.
static const ft_weight *find_head(const ft_encoder *encoder)
{
    const ft_weight *head = ft_weights_find(encoder->weights, "lm_head.weight");

    if (!head)
        head = ft_weights_find(encoder->weights, "output.weight");
    return head ? head : encoder->words;
}

static double worst_of_logits(const ft_encoder *encoder, ft_rows rows, size_t count,
                              const ft_weight *want)
{
    const ft_weight *head = find_head(encoder);
    const size_t size = encoder->config.hidden, words = encoder->config.vocabulary;
    float *weights = malloc(size * sizeof(*weights)), value;
    double worst = 0;

    check_true(weights && want->elements == count * words && head->elements == words * size);
    for (size_t word = 0; word < words; word++) {
        ft_weight_read(head, word * size, size, weights);
        for (size_t row = 0; row < count; row++) {
            double sum = 0;
            for (size_t k = 0; k < size; k++)
                sum += (double)weights[k] * (double)rows.at[row * rows.stride + k];
            ft_weight_read(want, row * words + word, 1, &value);
            const double off = fabs(sum - (double)value);
            worst = off <= worst ? worst : off;
        }
    }
    free(weights);
    return worst;
}

static double worst_of_text(const reference *r, const ft_encoder *encoder, size_t text,
                            ft_rows rows, size_t tokens, size_t *compared)
{
    const size_t size = encoder->config.hidden;
    const ft_rows last = {rows.at + (tokens - 1) * rows.stride, rows.stride};
    static const char *const befores[] = {"", "s", "p"};
    double worst = 0;

    for (size_t i = 0; i < FT_COUNT_OF(befores); i++) {
        const ft_weight *hidden = find_value(r, befores[i], text, "hidden");
        const ft_weight *mean = find_value(r, befores[i], text, "mean");
        const ft_weight *all = find_value(r, befores[i], text, "all_logits");
        const ft_weight *logits = find_value(r, befores[i], text, "last_logits");
        if (!hidden)
            hidden = find_value(r, befores[i], text, "last_hidden");
        *compared += hidden || mean || all || logits;
        const double off[] = {
            hidden ? worst_of_rows(rows, tokens, size, hidden) : 0,
            mean ? worst_of_mean(rows, tokens, size, mean) : 0,
            all ? worst_of_logits(encoder, rows, tokens, all) : 0,
            logits ? worst_of_logits(encoder, last, 1, logits) : 0,
        };
        for (size_t k = 0; k < FT_COUNT_OF(off); k++)
            worst = off[k] <= worst ? worst : off[k];
    }
    return worst;
}

// First rows of all texts at once are those that each has among all of its own.
static void check_first_rows(const reference *r, ft_encoder_run *run, ft_encoder_run *other)
{
    const size_t size = ft_encoder_run_encoder(run)->config.hidden;
    ft_rows rows, alone;

    for (size_t done = 0; done < r->count;) {
        const size_t some = ft_encoder_run_first(run, r->spans + done, r->count - done, &rows);
        for (size_t i = done; i < done + some; i++, rows.at += rows.stride) {
            check_int_eq(ft_encoder_run_some(other, &r->spans[i], 1, &alone), 1);
            check_true(memcmp(rows.at, alone.at, size * sizeof(float)) == 0);
        }
        done += some;
    }
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
            const double off = worst_of_text(r, encoder, i, rows, tokens, compared);
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
    check_first_rows(r, run, other);
    ft_encoder_run_destroy(other);
    ft_encoder_run_destroy(run);
    ft_arena_destroy(arena);
    return worst;
}

// `model` may be on another path than the reference.
static void check_reference(const reference *r, const char *model)
{
    ft_error err = FT_ERROR_INIT;

    for (int isa = 0; isa < FT_ISA_COUNT; isa++) {
        size_t compared = 0;
        if (!ft_isa_has((ft_isa)isa))
            continue;
        check_ok(ft_isa_force(ft_isa_name((ft_isa)isa), &err), &err);
        const double worst = run_model(r, model, &compared);
        fprintf(stderr, "%s, %s: %zu texts, largest difference %.2g\n", model,
                ft_isa_name((ft_isa)isa), compared, worst);
        check_true(compared > 0);
        check_true(worst <= 1e-4);
    }
    check_ok(ft_isa_force("auto", &err), &err);
}

static void fixture_path(char out[PATH_BYTES], const char *name)
{
    find_models(out);
    const size_t size = strlen(out);
    snprintf(out + size, PATH_BYTES - size, "/%s", name);
}

static void check_fixture(const char *name)
{
    char folder[PATH_BYTES];
    reference r;

    fixture_path(folder, name);
    open_reference(&r, folder, "reference", "reference");
    check_reference(&r, folder);
    ft_arena_destroy(r.arena);
}

#define FIXTURE(test, name)   \
    TEST(architecture_##test) \
    {                         \
        check_fixture(name);  \
    }

FIXTURE(bert, "bert")
FIXTURE(bert_in_shards, "bert-sharded")
FIXTURE(camembert, "camembert")
FIXTURE(distilbert, "distilbert")
FIXTURE(gemma3, "gemma3-embedding")
FIXTURE(gte, "gte")
FIXTURE(modernbert, "modernbert")
FIXTURE(modernbert_with_biases, "modernbert-5")
FIXTURE(modernbert_wide, "modernbert-wide")
FIXTURE(mpnet, "mpnet")
FIXTURE(nomic_bert, "nomic-bert")
FIXTURE(qwen3, "qwen3-embedding")
FIXTURE(roberta, "roberta")
FIXTURE(xlm_roberta, "xlm-roberta")

FIXTURE(llama, "llama")
FIXTURE(mistral, "mistral")
FIXTURE(qwen2, "qwen2")
FIXTURE(qwen3_with_head, "qwen3")

static void copy_file(const char *folder, const char *name, const char *to)
{
    char path[PATH_BYTES + 64];
    ft_error err = FT_ERROR_INIT;
    ft_arena *arena = ft_arena_create();
    ft_slice bytes;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    check_ok(ft_file_read(path, arena, 8 << 20, &bytes, &err), &err);
    FILE *file = fopen(to, "w");
    check_true(file && fwrite(bytes.data, 1, bytes.size, file) == bytes.size && fclose(file) == 0);
    ft_arena_destroy(arena);
}

// The same weights under the keys that transformers writes.
static void check_other_config(const char *name)
{
    static const char *const files[] = {"config.json", "model.safetensors"};
    static const char *const from[] = {"config.transformers.json", "model.safetensors"};
    char folder[PATH_BYTES], made[] = "/tmp/ftpipe-architecture-XXXXXX";
    char path[128];
    reference r;

    fixture_path(folder, name);
    check_true(mkdtemp(made) != NULL);
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof(path), "%s/%s", made, files[i]);
        copy_file(folder, from[i], path);
    }
    open_reference(&r, folder, "reference", "reference");
    check_reference(&r, made);
    ft_arena_destroy(r.arena);
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof(path), "%s/%s", made, files[i]);
        check_true(unlink(path) == 0);
    }
    check_true(rmdir(made) == 0);
}

TEST(architecture_with_other_activations)
{
    check_fixture("bert-quick-gelu");
    check_fixture("bert-relu");
}

// Positions divided by a factor, and heads of which a half turns.
TEST(architecture_with_other_rotations)
{
    check_fixture("qwen3-linear");
    check_fixture("nomic-bert-half");
}

TEST(architecture_keys_of_transformers)
{
    check_other_config("nomic-bert");
    check_other_config("gte");
}

static void check_gguf(const char *folder_name, const char *name, const char *kind)
{
    char folder[PATH_BYTES], file[64], path[PATH_BYTES + 80];
    reference r;

    fixture_path(folder, folder_name);
    snprintf(file, sizeof(file), "%s-%s", name, kind);
    snprintf(path, sizeof(path), "%s/%s.gguf", folder, file);
    open_reference(&r, folder, file, file);
    check_reference(&r, path);
    ft_arena_destroy(r.arena);
}

TEST(architecture_gguf)
{
    static const char *const kinds[] = {"f32", "f16", "bf16", "q8_0", "q4_0"};

    for (size_t i = 0; i < FT_COUNT_OF(kinds); i++) {
        check_gguf("gguf-bert", "bert", kinds[i]);
        check_gguf("gguf-llama", "llama", kinds[i]);
    }
}

// Queries, keys and values in one tensor, where `biased` has biases in blocks too.
TEST(architecture_gguf_fused)
{
    static const char *const kinds[] = {"f32", "q8_0", "q4_0"};

    for (size_t i = 0; i < FT_COUNT_OF(kinds); i++) {
        check_gguf("gguf-nomic-bert", "nomic-bert", kinds[i]);
        check_gguf("gguf-nomic-bert", "biased", kinds[i]);
    }
}

TEST(architecture_gguf_qwen)
{
    check_gguf("gguf-qwen2", "qwen2", "f32");
    check_gguf("gguf-qwen2", "qwen2", "q8_0");
    check_gguf("gguf-qwen3-embedding", "qwen3", "f32");
    check_gguf("gguf-qwen3-embedding", "qwen3", "q8_0");
    check_gguf("gguf-qwen3-embedding", "qwen3", "q4_0");
}

// ---- the shared test data ----

static void check_shared(const char *name, const char *lines, const char *values, const char *file)
{
    const char *data = check_data_folder();
    char folder[PATH_BYTES], path[PATH_BYTES + 80];
    reference r;

    if (!data)
        check_skip("no test data");
    snprintf(folder, sizeof(folder), "%s/models/%s", data, name);
    snprintf(path, sizeof(path), "%s%s%s", folder, *file ? "/" : "", file);
    open_reference(&r, folder, lines, values);
    check_reference(&r, path);
    ft_arena_destroy(r.arena);
}

TEST(architecture_shared_distilbert)
{
    check_shared("syn-distilbert", "reference", "reference_hidden", "");
}

TEST(architecture_shared_llama)
{
    check_shared("syn-llama-mha", "reference", "reference_logits", "");
}

TEST(architecture_shared_stories)
{
    check_shared("stories260K", "reference", "reference_logits", "");
    check_shared("stories260K", "reference-gguf-f32", "reference_logits-gguf-f32",
                 "stories260K-f32.gguf");
    check_shared("stories260K", "reference-gguf-f16", "reference_logits-gguf-f16",
                 "stories260K-f16.gguf");
    check_shared("stories260K", "reference-gguf-q8_0", "reference_logits-gguf-q8_0",
                 "stories260K-q8_0.gguf");
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
