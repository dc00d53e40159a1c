// The encoder: against a plain double-precision one on small random models, the same bits in any
// company, broken models, and the real MiniLM where it is there.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/data/json.h"
#include "runtime/memory/alloc.h"
#include "runtime/random.h"
#include "runtime/system/file.h"
#include "stages/nn/embed_chain.h"
#include "stages/nn/safetensors_write.h"
#include "stages/text/tokenizer.h"
#include "tests/check.h"

// ---- a small random model ----

enum {
    LAYERS = 2,
    VOCABULARY = 60,
    POSITIONS = 90,
    PER_LAYER = 16,
    COUNT = 5 + LAYERS * PER_LAYER
};

typedef struct model {
    size_t hidden, heads, intermediate;
    const char *prefix;
    ft_weight_kind kind;
    char folder[64];
    char names[COUNT][96];
    uint64_t shapes[COUNT][2];
    float *values[COUNT];  // What the file means, whatever its kind.
    uint16_t *halves[COUNT];
    ft_weight_source weights[COUNT];
    size_t count;
} model;

static void add_weight(model *m, ft_random *random, const char *name, size_t rows, size_t columns)
{
    const size_t i = m->count++, size = rows * (columns ? columns : 1);
    const bool is_gain = strstr(name, "LayerNorm.weight") != NULL;

    snprintf(m->names[i], sizeof(m->names[i]), "%s%s", m->prefix, name);
    m->shapes[i][0] = rows;
    m->shapes[i][1] = columns;
    m->values[i] = calloc(size, sizeof(float));
    m->halves[i] = calloc(size, sizeof(uint16_t));
    check_true(m->values[i] && m->halves[i]);
    for (size_t k = 0; k < size; k++) {
        float value = (float)(0.15 * ft_random_normal(random) + (is_gain ? 1 : 0));
        uint32_t bits;
        memcpy(&bits, &value, sizeof(bits));
        if (m->kind == FT_WEIGHT_BF16)
            bits &= 0xFFFF0000U;
        m->halves[i][k] = (uint16_t)(bits >> 16);
        memcpy(&value, &bits, sizeof(value));
        m->values[i][k] = value;
    }
    m->weights[i] = (ft_weight_source){
        .name = m->names[i],
        .kind = m->kind,
        .rank = columns ? 2 : 1,
        .shape = m->shapes[i],
        .data = m->kind == FT_WEIGHT_BF16 ? (const void *)m->halves[i] : m->values[i],
    };
}

static void write_text(const model *m, const char *name, const char *text)
{
    char path[200];

    snprintf(path, sizeof(path), "%s/%s", m->folder, name);
    remove(path);  // A file cut to nothing and written anew is flushed to the disk by some file
                   // systems.
    FILE *file = fopen(path, "w");
    check_true(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void write_config(const model *m)
{
    char text[1000];

    snprintf(text, sizeof(text),
             "{\"model_type\": \"bert\", \"hidden_size\": %zu, \"num_hidden_layers\": %d, "
             "\"num_attention_heads\": %zu,"
             " \"intermediate_size\": %zu, \"vocab_size\": %d, \"max_position_embeddings\": %d, "
             "\"hidden_act\": \"gelu\","
             " \"type_vocab_size\": 2, \"layer_norm_eps\": 1e-12}",
             m->hidden, LAYERS, m->heads, m->intermediate, VOCABULARY, POSITIONS);
    write_text(m, "config.json", text);
}

static void make_model(model *m)
{
    static const struct {
        const char *name;
        int rows, columns;  // 1: hidden, 2: intermediate.
    } layer[PER_LAYER] = {
        {"attention.self.query.weight", 1, 1},
        {"attention.self.query.bias", 1, 0},
        {"attention.self.key.weight", 1, 1},
        {"attention.self.key.bias", 1, 0},
        {"attention.self.value.weight", 1, 1},
        {"attention.self.value.bias", 1, 0},
        {"attention.output.dense.weight", 1, 1},
        {"attention.output.dense.bias", 1, 0},
        {"attention.output.LayerNorm.weight", 1, 0},
        {"attention.output.LayerNorm.bias", 1, 0},
        {"intermediate.dense.weight", 2, 1},
        {"intermediate.dense.bias", 2, 0},
        {"output.dense.weight", 1, 2},
        {"output.dense.bias", 1, 0},
        {"output.LayerNorm.weight", 1, 0},
        {"output.LayerNorm.bias", 1, 0},
    };
    const size_t sizes[] = {0, m->hidden, m->intermediate};
    ft_error err = FT_ERROR_INIT;
    ft_random random;
    char path[200], name[96];

    snprintf(m->folder, sizeof(m->folder), "/tmp/ftpipe-encoder-XXXXXX");
    check_true(mkdtemp(m->folder) != NULL);
    ft_random_init(&random, m->hidden, m->heads);
    add_weight(m, &random, "embeddings.word_embeddings.weight", VOCABULARY, m->hidden);
    add_weight(m, &random, "embeddings.position_embeddings.weight", POSITIONS, m->hidden);
    add_weight(m, &random, "embeddings.token_type_embeddings.weight", 2, m->hidden);
    add_weight(m, &random, "embeddings.LayerNorm.weight", m->hidden, 0);
    add_weight(m, &random, "embeddings.LayerNorm.bias", m->hidden, 0);
    for (int l = 0; l < LAYERS; l++)
        for (size_t i = 0; i < PER_LAYER; i++) {
            snprintf(name, sizeof(name), "encoder.layer.%d.%s", l, layer[i].name);
            add_weight(m, &random, name, sizes[layer[i].rows], sizes[layer[i].columns]);
        }
    write_config(m);
    snprintf(path, sizeof(path), "%s/model.safetensors", m->folder);
    check_ok(ft_safetensors_write(path, m->weights, COUNT, &err), &err);
}

static void drop_model(model *m)
{
    static const char *const files[] = {
        "config.json",         "model.safetensors",         "modules.json",
        "pooling/config.json", "sentence_bert_config.json", "pooling"};
    char path[200];

    for (size_t i = 0; i < FT_COUNT_OF(files); i++) {
        snprintf(path, sizeof(path), "%s/%s", m->folder, files[i]);
        remove(path);
    }
    rmdir(m->folder);
    for (size_t i = 0; i < m->count; i++) {
        free(m->values[i]);
        free(m->halves[i]);
    }
}

// ---- the plain encoder ----

static void plain_norm(double *x, size_t size, const float *gain, const float *bias)
{
    double mean = 0, variance = 0;

    for (size_t i = 0; i < size; i++)
        mean += x[i] / (double)size;
    for (size_t i = 0; i < size; i++)
        variance += (x[i] - mean) * (x[i] - mean) / (double)size;
    for (size_t i = 0; i < size; i++)
        x[i] = (x[i] - mean) / sqrt(variance + 1e-12) * (double)gain[i] + (double)bias[i];
}

// y = x W^T + b
static void plain_linear(const double *x, size_t in, double *y, size_t out, const float *weight,
                         const float *bias)
{
    for (size_t o = 0; o < out; o++) {
        y[o] = (double)bias[o];
        for (size_t i = 0; i < in; i++)
            y[o] += x[i] * (double)weight[o * in + i];
    }
}

enum { WIDEST = 200 };
static double hidden[POSITIONS][WIDEST], query[POSITIONS][WIDEST], key[POSITIONS][WIDEST],
    value[POSITIONS][WIDEST];
static double mixed[POSITIONS][WIDEST];

static void plain_attention(const model *m, size_t tokens)
{
    const size_t size = m->hidden / m->heads;
    double score[POSITIONS];

    for (size_t h = 0; h < m->hidden; h += size)
        for (size_t q = 0; q < tokens; q++) {
            double sum = 0;
            for (size_t k = 0; k < tokens; k++) {
                score[k] = 0;
                for (size_t i = h; i < h + size; i++)
                    score[k] += query[q][i] * key[k][i] / sqrt((double)size);
                score[k] = exp(score[k]);
                sum += score[k];
            }
            for (size_t i = h; i < h + size; i++) {
                mixed[q][i] = 0;
                for (size_t k = 0; k < tokens; k++)
                    mixed[q][i] += score[k] / sum * value[k][i];
            }
        }
}

static void plain_layer(const model *m, size_t tokens, float *const *w)
{
    double middle[WIDEST], out[WIDEST];

    for (size_t t = 0; t < tokens; t++) {
        plain_linear(hidden[t], m->hidden, query[t], m->hidden, w[0], w[1]);
        plain_linear(hidden[t], m->hidden, key[t], m->hidden, w[2], w[3]);
        plain_linear(hidden[t], m->hidden, value[t], m->hidden, w[4], w[5]);
    }
    plain_attention(m, tokens);
    for (size_t t = 0; t < tokens; t++) {
        plain_linear(mixed[t], m->hidden, out, m->hidden, w[6], w[7]);
        for (size_t i = 0; i < m->hidden; i++)
            hidden[t][i] += out[i];
        plain_norm(hidden[t], m->hidden, w[8], w[9]);
        plain_linear(hidden[t], m->hidden, middle, m->intermediate, w[10], w[11]);
        for (size_t i = 0; i < m->intermediate; i++)
            middle[i] *= 0.5 * erfc(-middle[i] / sqrt(2));
        plain_linear(middle, m->intermediate, out, m->hidden, w[12], w[13]);
        for (size_t i = 0; i < m->hidden; i++)
            hidden[t][i] += out[i];
        plain_norm(hidden[t], m->hidden, w[14], w[15]);
    }
}

static double pooled(size_t tokens, size_t i, ft_pooling pooling)
{
    double sum = 0, most = hidden[0][i], weighted = 0;

    for (size_t t = 0; t < tokens; t++) {
        sum += hidden[t][i];
        most = fmax(most, hidden[t][i]);
        weighted += hidden[t][i] * (double)(t + 1);
    }
    switch (pooling) {
    case FT_POOLING_CLS:
        return hidden[0][i];
    case FT_POOLING_MAX:
        return most;
    case FT_POOLING_MEAN_SQRT:
        return sum / sqrt((double)tokens);
    case FT_POOLING_WEIGHTED_MEAN:
        return weighted / ((double)tokens * (double)(tokens + 1) / 2);
    case FT_POOLING_LAST:
        return hidden[tokens - 1][i];
    case FT_POOLING_MEAN:
    case FT_POOLING_UNKNOWN:
    case FT_POOLING_COUNT:
        break;
    }
    return sum / (double)tokens;
}

static void plain_encode(const model *m, const int32_t *ids, size_t tokens, ft_pooling pooling,
                         double *out)
{
    for (size_t t = 0; t < tokens; t++) {
        for (size_t i = 0; i < m->hidden; i++)
            hidden[t][i] = (double)m->values[0][(size_t)ids[t] * m->hidden + i] +
                           (double)m->values[1][t * m->hidden + i] + (double)m->values[2][i];
        plain_norm(hidden[t], m->hidden, m->values[3], m->values[4]);
    }
    for (int l = 0; l < LAYERS; l++)
        plain_layer(m, tokens, m->values + 5 + l * PER_LAYER);
    for (size_t i = 0; i < m->hidden; i++)
        out[i] = pooled(tokens, i, pooling);
}

// ---- comparisons ----

enum { TEXTS = 64 };
static int32_t ids[TEXTS][POSITIONS];
static ft_token_span spans[TEXTS];

static void make_texts(void)
{
    ft_random random;

    ft_random_init(&random, 5, 0);
    for (size_t i = 0; i < TEXTS; i++) {
        const int64_t longest = i % 4 == 0 ? POSITIONS : 20;
        spans[i] =
            (ft_token_span){.ids = ids[i], .count = (size_t)ft_random_between(&random, 1, longest)};
        for (size_t t = 0; t < POSITIONS; t++)
            ids[i][t] = (int32_t)ft_random_between(&random, 0, VOCABULARY - 1);
    }
}

static float *encode(const ft_encoder *encoder, ft_pooling pooling, const ft_token_span *texts,
                     size_t count, size_t step)
{
    ft_error err = FT_ERROR_INIT;
    const size_t size = encoder->config.hidden;
    float *out = malloc(count * size * sizeof(*out));
    ft_encoder_run *run = ft_encoder_run_create(encoder, NULL, &err);

    check_true(out && run);
    for (size_t done = 0; done < count;) {
        const size_t left = count - done;
        done += ft_pool_some(run, pooling, false, texts + done, left < step ? left : step,
                             out + done * size);
    }
    ft_encoder_run_destroy(run);
    return out;
}

// Each text alone, shared by three.
static void check_same_bits_of_team(const ft_encoder *encoder, const float *want)
{
    const size_t size = encoder->config.hidden;
    ft_error err = FT_ERROR_INIT;
    ft_encoder_run *run = ft_encoder_run_create(encoder, NULL, &err);
    ft_team *team = ft_team_create(3, &err);
    float got[WIDEST];

    check_ok(run && team, &err);
    ft_encoder_run_share(run, team);
    for (size_t i = 0; i < TEXTS; i++) {
        check_int_eq(ft_pool_some(run, FT_POOLING_MEAN, false, spans + i, 1, got), 1);
        check_true(memcmp(got, want + i * size, size * sizeof(*got)) == 0);
    }
    ft_encoder_run_share(run, NULL);
    ft_encoder_run_destroy(run);
    ft_team_destroy(team);
}

// `host` points to what counts down.
static bool is_at_end(const void *host)
{
    size_t *left = *(size_t *const *)host;

    *left -= *left > 0;
    return *left == 0;
}

// Wherever a run is cancelled, it says so, and the next one is as if nothing had been.
static void check_cancelled(const ft_encoder *encoder, const float *want)
{
    const size_t size = encoder->config.hidden;
    ft_error err = FT_ERROR_INIT;
    ft_encoder_run *run = ft_encoder_run_create(encoder, NULL, &err);
    size_t left, *const host = &left, looks = 0, taken = 0;
    ft_rows rows;
    float got[WIDEST];

    check_ok(run != NULL, &err);
    for (; taken == 0; looks++) {
        check_true(looks < 100000);
        left = looks + 1;
        ft_encoder_run_watch(run, is_at_end, &host);
        taken = ft_encoder_run_some(run, spans, TEXTS, &rows);
    }
    check_true(looks > encoder->config.layers && left > 0);
    check_int_eq(ft_pool_some(run, FT_POOLING_MEAN, false, spans, 1, got), 0);
    left = SIZE_MAX;
    check_int_eq(ft_pool_some(run, FT_POOLING_MEAN, false, spans, 1, got), 1);
    check_true(memcmp(got, want, size * sizeof(*got)) == 0);
    ft_encoder_run_destroy(run);
}

static void check_same_bits(const ft_encoder *encoder, const float *want)
{
    static const size_t steps[] = {1, 7, TEXTS};
    const size_t size = encoder->config.hidden;
    ft_token_span shuffled[TEXTS];

    for (size_t i = 0; i < FT_COUNT_OF(steps); i++) {
        float *got = encode(encoder, FT_POOLING_MEAN, spans, TEXTS, steps[i]);
        check_true(memcmp(got, want, TEXTS * size * sizeof(*got)) == 0);
        free(got);
    }
    for (size_t i = 0; i < TEXTS; i++)
        shuffled[i] = spans[i * 37 % TEXTS];
    check_same_bits_of_team(encoder, want);
    check_cancelled(encoder, want);
    float *got = encode(encoder, FT_POOLING_MEAN, shuffled, TEXTS, 5);
    for (size_t i = 0; i < TEXTS; i++)
        check_true(memcmp(got + i * size, want + i * 37 % TEXTS * size, size * sizeof(*got)) == 0);
    free(got);
}

static void check_model(model *m)
{
    ft_error err = FT_ERROR_INIT;
    ft_arena *arena = ft_arena_create();
    ft_encoder_config config;
    ft_encoder *encoder;
    double want[WIDEST];

    check_ok(ft_encoder_config_read(m->folder, arena, &config, &err), &err);
    check_ok(ft_encoder_check(m->folder, &config, arena, &err), &err);
    check_ok(ft_encoder_load(m->folder, &config, arena, &encoder, &err), &err);
    for (int pooling = FT_POOLING_MEAN; pooling < FT_POOLING_COUNT; pooling++) {
        float *got = encode(encoder, (ft_pooling)pooling, spans, TEXTS, TEXTS);
        for (size_t i = 0; i < TEXTS; i += pooling == FT_POOLING_MEAN ? 1 : 16) {
            plain_encode(m, spans[i].ids, spans[i].count, (ft_pooling)pooling, want);
            for (size_t k = 0; k < m->hidden; k++)
                check_float_near((double)got[i * m->hidden + k], want[k],
                                 2e-5 * (1 + fabs(want[k])));
        }
        if (pooling == FT_POOLING_MEAN)
            check_same_bits(encoder, got);
        free(got);
    }
    ft_arena_destroy(arena);
}

static void check_all_levels(model *m)
{
    ft_error err = FT_ERROR_INIT;

    make_texts();
    make_model(m);
    for (int isa = 0; isa < FT_ISA_COUNT; isa++) {
        if (!ft_isa_has((ft_isa)isa))
            continue;
        check_ok(ft_isa_force(ft_isa_name((ft_isa)isa), &err), &err);
        check_model(m);
    }
    check_ok(ft_isa_force("auto", &err), &err);
    drop_model(m);
}

TEST(encoder_heads_of_eight)
{
    model m = {.hidden = 40, .heads = 5, .intermediate = 72, .prefix = "", .kind = FT_WEIGHT_F32};
    check_all_levels(&m);
}

TEST(encoder_heads_of_sixty_four)
{
    model m = {
        .hidden = 128, .heads = 2, .intermediate = 160, .prefix = "bert.", .kind = FT_WEIGHT_F32};
    check_all_levels(&m);
}

TEST(encoder_weights_of_sixteen_bits)
{
    model m = {.hidden = 32, .heads = 1, .intermediate = 33, .prefix = "", .kind = FT_WEIGHT_BF16};
    check_all_levels(&m);
}

// Of a text that is too long the first tokens and the very last one count.
TEST(encoder_cuts_long_texts)
{
    model m = {.hidden = 32, .heads = 2, .intermediate = 48, .prefix = "", .kind = FT_WEIGHT_F32};
    ft_error err = FT_ERROR_INIT;
    ft_encoder_config config;
    ft_encoder *encoder;
    int32_t cut[30];

    make_texts();
    make_model(&m);
    write_text(&m, "sentence_bert_config.json", "{\"max_seq_length\": 30}");
    ft_arena *arena = ft_arena_create();
    check_ok(ft_encoder_config_read(m.folder, arena, &config, &err), &err);
    check_int_eq(config.max_tokens, 30);
    check_ok(ft_encoder_load(m.folder, &config, arena, &encoder, &err), &err);
    memcpy(cut, ids[0], sizeof(cut));
    cut[29] = ids[0][POSITIONS - 1];
    const ft_token_span both[2] = {{.ids = ids[0], .count = POSITIONS}, {.ids = cut, .count = 30}};
    float *got = encode(encoder, FT_POOLING_MEAN, both, 2, 2);
    check_true(memcmp(got, got + m.hidden, m.hidden * sizeof(*got)) == 0);
    free(got);
    ft_arena_destroy(arena);
    drop_model(&m);
}

// ---- models that are refused ----

static void check_refused(const model *m, const char *file, const char *text, const char *message)
{
    ft_error err = FT_ERROR_INIT;
    ft_encoder_config config;
    ft_chain chain;
    ft_arena *arena = ft_arena_create();

    write_text(m, file, text);
    if (ft_encoder_config_read(m->folder, arena, &config, &err) &&
        ft_encoder_check(m->folder, &config, arena, &err))
        check_true(!ft_chain_read(m->folder, config.hidden, arena, &chain, &err));
    check_true(err.code != FT_ERROR_NONE);
    check_contains(err.message, message);
    ft_arena_destroy(arena);
}

TEST(encoder_refuses)
{
    model m = {.hidden = 32, .heads = 2, .intermediate = 48, .prefix = "", .kind = FT_WEIGHT_F32};
    char path[200];

    make_model(&m);
    check_refused(&m, "modules.json", "[{\"type\": \"a.CNN\"}]", "module `CNN` is not supported");
    check_refused(&m, "modules.json", "[{\"type\": \"a.Pooling\", \"path\": \"no\"}]",
                  "no/config.json");
    check_refused(&m, "modules.json", "{}", "not an array");
    snprintf(path, sizeof(path), "%s/pooling", m.folder);
    check_true(mkdir(path, 0700) == 0);
    write_text(&m, "modules.json",
               "[{\"type\": \"a.Pooling\", \"path\": \"pooling\"}, {\"type\": \"b.Normalize\"}]");
    check_refused(&m, "pooling/config.json", "{\"pooling_mode_first\": true}",
                  "`pooling_mode_first`");
    check_refused(&m, "pooling/config.json", "{\"pooling_mode\": [\"mean\", \"best\"]}", "`best`");
    check_refused(&m, "pooling/config.json", "{\"word_embedding_dimension\": 31}",
                  "`word_embedding_dimension`");
    write_text(&m, "pooling/config.json",
               "{\"pooling_mode_cls_token\": true, \"pooling_mode_max_tokens\": false}");
    check_refused(&m, "sentence_bert_config.json", "{\"max_seq_length\": 0}", "`max_seq_length`");
    write_text(&m, "sentence_bert_config.json", "{\"max_seq_length\": 5000}");

    ft_error err = FT_ERROR_INIT;
    ft_encoder_config config;
    ft_chain chain;
    ft_arena *arena = ft_arena_create();
    check_ok(ft_encoder_config_read(m.folder, arena, &config, &err), &err);
    check_ok(ft_chain_read(m.folder, config.hidden, arena, &chain, &err), &err);
    check_int_eq(chain.pooling_count, 1);
    check_int_eq(chain.poolings[0], FT_POOLING_CLS);
    check_true(chain.count == 1 && chain.steps[0].kind == FT_CHAIN_NORMALIZE);
    check_int_eq(config.max_tokens, POSITIONS);
    ft_arena_destroy(arena);

    check_refused(&m, "config.json", "{\"model_type\": \"t5\"}",
                  "`model_type` `t5` is not supported");
    check_refused(&m, "config.json", "{\"hidden_size\": 32}", "`model_type` is missing");
    check_refused(&m, "config.json", "{\"model_type\": \"bert\", \"hidden_size\": 1e9}",
                  "`hidden_size`");
    check_refused(&m, "config.json", "[]", "not an object");
    check_refused(&m, "config.json", "{", "config.json");
    m.intermediate = 49;
    write_config(&m);
    check_refused(&m, "sentence_bert_config.json", "{}", "[48, 32]; config.json says [49, 32]");
    m.intermediate = 48;
    write_config(&m);
    snprintf(path, sizeof(path), "%s/model.safetensors", m.folder);
    remove(path);
    check_refused(&m, "sentence_bert_config.json", "{}", "no weights");
    drop_model(&m);
}

// Configuration files with bytes changed: never a crash; what is accepted is looked at and run.
TEST(encoder_mutated_config)
{
    model m = {.hidden = 32, .heads = 2, .intermediate = 48, .prefix = "", .kind = FT_WEIGHT_F32};
    static const char alphabet[] = "0123456789{}[],:\"-+eE.\\utruefalsnl ";
    char path[200], text[1000], changed[1000];
    ft_random random;
    size_t accepted = 0;

    make_model(&m);
    snprintf(path, sizeof(path), "%s/config.json", m.folder);
    FILE *file = fopen(path, "r");
    check_true(file != NULL);
    const size_t size = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[size] = 0;
    ft_random_init(&random, 9, 0);
    for (int round = 0; round < 20000; round++) {
        ft_error err = FT_ERROR_INIT;
        ft_encoder_config config;
        ft_arena *arena = ft_arena_create();
        memcpy(changed, text, size + 1);
        for (int64_t n = ft_random_between(&random, 1, 3); n > 0; n--)
            changed[ft_random_between(&random, 0, (int64_t)size - 1)] =
                alphabet[ft_random_between(&random, 0, sizeof(alphabet) - 2)];
        write_text(&m, "config.json", changed);
        bool ok = ft_encoder_config_read(m.folder, arena, &config, &err) &&
                  ft_encoder_check(m.folder, &config, arena, &err);
        check_true(ok == (err.code == FT_ERROR_NONE));
        accepted += ok;
        ft_arena_destroy(arena);
    }
    check_true(accepted > 0 && accepted < 20000);
    drop_model(&m);
}

// ---- the real model ----

static const char *find_minilm(char *out, size_t out_bytes)
{
    const char *given = getenv("FTPIPE_TEST_MINILM"), *home = getenv("HOME");

    if (given)
        snprintf(out, out_bytes, "%s", given);
    else
        snprintf(out, out_bytes, "%s/.cache/ftpipe/models/all-MiniLM-L6-v2", home ? home : "");
    char weights[1200];
    snprintf(weights, sizeof(weights), "%s/model.safetensors", out);
    return ft_file_find(weights) == FT_FILE_REGULAR ? out : NULL;
}

#ifdef FT_SANITIZED
enum { MINILM_TEXTS = 30 };  // Sanitised kernels are ten times slower.
#else
enum { MINILM_TEXTS = 200 };
#endif
enum { MINILM_ALL = 200, MINILM_SIZE = 384 };

// Little-endian float32 behind an .npy header.
static const float *read_vectors(const char *data, ft_arena *arena)
{
    char path[1200];
    ft_error err = FT_ERROR_INIT;
    ft_slice bytes;
    const size_t size = (size_t)MINILM_ALL * MINILM_SIZE * sizeof(float);

    snprintf(path, sizeof(path), "%s/vectors/embeddings/minilm_A.npy", data);
    check_ok(ft_file_read(path, arena, 1 << 20, &bytes, &err), &err);
    check_true(bytes.size > size);
    float *vectors = ft_arena_alloc(arena, size);
    check_true(vectors != NULL);
    memcpy(vectors, bytes.data + bytes.size - size, size);
    return vectors;
}

static void tokenize(const char *data, const char *folder, ft_arena *arena, ft_ids *all,
                     size_t *ends)
{
    char path[1200];
    ft_error err = FT_ERROR_INIT;
    const ft_tokenizer *tokenizer;
    ft_slice file, line;
    bool cut;
    size_t count = 0;

    check_ok(ft_tokenizer_load(folder, arena, &tokenizer, &err), &err);
    ft_token_coder *coder = ft_token_coder_create(
        tokenizer, (ft_token_settings){.max_length = 256, .add_special = true}, NULL, &err);
    check_true(coder != NULL);
    snprintf(path, sizeof(path), "%s/vectors/embeddings/minilm_A.texts.jsonl", data);
    check_ok(ft_file_read(path, arena, 1 << 20, &file, &err), &err);
    while (count < MINILM_TEXTS && ft_slice_cut(&file, '\n', &line)) {
        ft_json_node *item;
        check_ok(ft_json_parse(line, arena, &item, &err), &err);
        check_ok(ft_token_coder_add(coder, ft_json_find(item, "text")->text, all, &cut, &err),
                 &err);
        ends[count++] = all->count;
    }
    check_int_eq(count, MINILM_TEXTS);
    ft_token_coder_destroy(coder);
}

typedef struct minilm {
    const char *folder;
    const float *want;
    ft_token_span texts[MINILM_TEXTS];
    float got[MINILM_TEXTS * MINILM_SIZE];
} minilm;

static void run_minilm(minilm *m, ft_precision precision)
{
    ft_error err = FT_ERROR_INIT;
    ft_encoder_config config;
    ft_encoder *encoder;
    ft_arena *arena = ft_arena_create();

    check_ok(ft_encoder_config_read(m->folder, arena, &config, &err), &err);
    config.precision = precision;
    check_ok(ft_encoder_load(m->folder, &config, arena, &encoder, &err), &err);
    ft_encoder_run *run = ft_encoder_run_create(encoder, NULL, &err);
    check_true(run != NULL);
    for (size_t done = 0; done < MINILM_TEXTS;)
        done += ft_pool_some(run, FT_POOLING_MEAN, true, m->texts + done, MINILM_TEXTS - done,
                             m->got + done * MINILM_SIZE);
    // Alone a text has the same bits.
    for (size_t i = 0; i < 5; i++) {
        float alone[MINILM_SIZE];
        ft_pool_some(run, FT_POOLING_MEAN, true, &m->texts[i], 1, alone);
        check_true(memcmp(alone, m->got + i * MINILM_SIZE, sizeof(alone)) == 0);
    }
    ft_encoder_run_destroy(run);
    ft_arena_destroy(arena);
}

static double cosine(const float *a, const float *b)
{
    double product = 0, left = 0, right = 0;

    for (size_t i = 0; i < MINILM_SIZE; i++) {
        product += (double)a[i] * (double)b[i];
        left += (double)a[i] * (double)a[i];
        right += (double)b[i] * (double)b[i];
    }
    return product / sqrt(left * right);
}

typedef struct pair {
    double value;
    size_t at;
} pair;

static int compare_pairs(const void *left, const void *right)
{
    const double a = ((const pair *)left)->value, b = ((const pair *)right)->value;
    return (a > b) - (a < b);
}

// Ranks of the similarities of all pairs of texts.
static size_t rank_pairs(const float *vectors, pair *pairs, double *ranks)
{
    size_t count = 0;

    for (size_t i = 0; i < MINILM_TEXTS; i++)
        for (size_t k = 0; k < i; k++, count++)
            pairs[count] =
                (pair){cosine(vectors + i * MINILM_SIZE, vectors + k * MINILM_SIZE), count};
    qsort(pairs, count, sizeof(*pairs), compare_pairs);
    for (size_t i = 0; i < count; i++)
        ranks[pairs[i].at] = (double)i;
    return count;
}

static double spearman(const float *a, const float *b)
{
    enum { PAIRS = MINILM_TEXTS * (MINILM_TEXTS - 1) / 2 };
    static pair pairs[PAIRS];
    static double left[PAIRS], right[PAIRS];
    double sum = 0;
    const size_t count = rank_pairs(a, pairs, left);
    const double n = (double)count;

    rank_pairs(b, pairs, right);
    for (size_t i = 0; i < count; i++)
        sum += pow(left[i] - right[i], 2);
    return 1 - 6 * sum / (n * (n * n - 1));
}

static void check_minilm(minilm *m, ft_precision precision)
{
    double worst = 0, least = 1, mean = 0;

    run_minilm(m, precision);
    for (size_t i = 0; i < (size_t)MINILM_TEXTS * MINILM_SIZE; i++)
        worst = fmax(worst, fabs((double)m->got[i] - (double)m->want[i]));
    for (size_t i = 0; i < MINILM_TEXTS; i++) {
        const double cos = cosine(m->got + i * MINILM_SIZE, m->want + i * MINILM_SIZE);
        least = fmin(least, cos);
        mean += cos / MINILM_TEXTS;
    }
    const double ranks = spearman(m->got, m->want);
    fprintf(stderr,
            "MiniLM, precision %d, %d texts: largest difference %.2g, cosine %.6f (least %.6f), "
            "Spearman %.6f\n",
            precision, MINILM_TEXTS, worst, mean, least, ranks);
    if (precision == FT_PRECISION_F32)
        check_true(worst <= 1e-5);
    check_true(precision == FT_PRECISION_INT8 ? mean >= 0.998 && least >= 0.995 : least >= 0.9999);
    check_true(ranks >= 0.999);
}

TEST(encoder_minilm_vectors)
{
    static minilm m;
    char folder[1100];
    const char *data = check_data_folder();
    ft_ids all = {0};
    size_t ends[MINILM_TEXTS];

    if (!data || !find_minilm(folder, sizeof(folder)))
        check_skip("no MiniLM: FTPIPE_TEST_MINILM names its folder, `ftpipe pull all-MiniLM-L6-v2` "
                   "fetches it");
    ft_arena *arena = ft_arena_create();
    m.folder = folder;
    m.want = read_vectors(data, arena);
    tokenize(data, folder, arena, &all, ends);
    for (size_t i = 0; i < MINILM_TEXTS; i++) {
        const size_t from = i ? ends[i - 1] : 0;
        m.texts[i] = (ft_token_span){.ids = ft_ids_data(&all) + from, .count = ends[i] - from};
    }
    check_minilm(&m, FT_PRECISION_F32);
    check_minilm(&m, FT_PRECISION_BF16);
    check_minilm(&m, FT_PRECISION_INT8);
    ft_ids_finish(&all);
    ft_arena_destroy(arena);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
