// Configurations and GGUF files of every family with bytes changed: refused with a reason, or run;
// and what is refused by name.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/random.h"
#include "runtime/system/file.h"
#include "stages/nn/encoder.h"
#include "tests/check.h"

enum { PATH_BYTES = 1200, FILE_BYTES = 1 << 20 };
#ifdef FT_SANITIZED
enum { ROUNDS = 300 };
#else
enum { ROUNDS = 1500 };
#endif

static char folder[64], text[FILE_BYTES], changed[FILE_BYTES];

static void path_of_fixture(char out[PATH_BYTES], const char *name)
{
    snprintf(out, PATH_BYTES, "%.*smodels/%s",
             (int)(strlen(__FILE__) - strlen("stages/test_encoder_hostile.c")), __FILE__, name);
    if (ft_file_find(out) == FT_FILE_MISSING)
        snprintf(out, PATH_BYTES, "tests/models/%s", name);
}

static size_t read_fixture(const char *name, char out[FILE_BYTES])
{
    char path[PATH_BYTES];

    path_of_fixture(path, name);
    FILE *file = fopen(path, "r");
    check_true(file != NULL);
    const size_t size = fread(out, 1, FILE_BYTES - 1, file);
    check_true(size > 0 && size < FILE_BYTES - 1);
    out[size] = 0;
    fclose(file);
    return size;
}

static const char *inside(const char *name)
{
    static char path[128];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static void write_file(const char *name, const char *bytes, size_t size)
{
    remove(inside(name));  // A file cut to nothing and written anew may be flushed to the disk.
    FILE *file = fopen(inside(name), "w");
    check_true(file && fwrite(bytes, 1, size, file) == size && fclose(file) == 0);
}

static void make_folder(void)
{
    snprintf(folder, sizeof(folder), "/tmp/ftpipe-hostile-XXXXXX");
    check_true(mkdtemp(folder) != NULL);
}

static void drop_folder(void)
{
    remove(inside("config.json"));
    remove(inside("model.safetensors"));
    remove(inside("model.gguf"));
    check_true(rmdir(folder) == 0);
}

// Whether the model is taken; then a short text must come through.
static bool is_taken(const char *path, ft_error *err)
{
    static const int32_t ids[] = {0, 1, 2, 3, 1, 0, 2};
    const ft_token_span span = {.ids = ids, .count = FT_COUNT_OF(ids)};
    ft_arena *arena = ft_arena_create();
    ft_encoder_config config;
    ft_encoder *encoder;
    ft_rows rows;

    bool ok = ft_encoder_config_read(path, arena, &config, err) &&
              ft_encoder_check(path, &config, arena, err) &&
              ft_encoder_load(path, &config, arena, &encoder, err);
    check_true(ok == (err->code == FT_ERROR_NONE));
    if (ok && config.vocabulary > 3) {
        ft_encoder_run *run = ft_encoder_run_create(encoder, NULL, err);
        check_true(run != NULL);
        check_int_eq(ft_encoder_run_some(run, &span, 1, &rows), 1);
        ft_encoder_run_destroy(run);
    }
    ft_arena_destroy(arena);
    return ok;
}

static void check_mutated(const char *name, uint64_t seed)
{
    static const char alphabet[] = "0123456789{}[],:\"-+eE.\\utruefalsnl ";
    char path[PATH_BYTES];
    ft_error err = FT_ERROR_INIT;
    ft_random random;
    size_t taken = 0;

    make_folder();
    snprintf(path, sizeof(path), "%s/model.safetensors", name);
    size_t size = read_fixture(path, text);
    write_file("model.safetensors", text, size);
    snprintf(path, sizeof(path), "%s/config.json", name);
    size = read_fixture(path, text);
    write_file("config.json", text, size);
    check_ok(is_taken(folder, &err), &err);
    ft_random_init(&random, seed, 0);
    for (int round = 0; round < ROUNDS; round++) {
        ft_error why = FT_ERROR_INIT;
        memcpy(changed, text, size + 1);
        for (int64_t n = ft_random_between(&random, 1, 3); n > 0; n--)
            changed[ft_random_between(&random, 0, (int64_t)size - 1)] =
                alphabet[ft_random_between(&random, 0, sizeof(alphabet) - 2)];
        write_file("config.json", changed, size);
        taken += is_taken(folder, &why);
    }
    check_true(taken > 0 && taken < ROUNDS);
    drop_folder();
}

TEST(hostile_config)
{
    static const char *const names[] = {"bert",
                                        "roberta",
                                        "distilbert",
                                        "mpnet",
                                        "nomic-bert",
                                        "gte",
                                        "modernbert",
                                        "modernbert-5",
                                        "gemma3-embedding",
                                        "qwen3-embedding",
                                        "llama",
                                        "mistral"};

    for (size_t i = 0; i < FT_COUNT_OF(names); i++)
        check_mutated(names[i], i);
}

// In the head, where keys and shapes are.
TEST(hostile_gguf)
{
    static const char *const names[] = {"gguf-bert/bert-q8_0.gguf", "gguf-llama/llama-f16.gguf",
                                        "gguf-nomic-bert/biased-q8_0.gguf",
                                        "gguf-qwen3-embedding/qwen3-q8_0.gguf"};
    enum { HEAD_BYTES = 3000 };
    ft_random random;

    for (size_t i = 0; i < FT_COUNT_OF(names); i++) {
        const size_t size = read_fixture(names[i], text);
        size_t taken = 0;
        check_true(size > HEAD_BYTES);
        make_folder();
        ft_random_init(&random, i, 0);
        for (int round = 0; round < ROUNDS; round++) {
            ft_error why = FT_ERROR_INIT;
            memcpy(changed, text, size);
            for (int64_t n = ft_random_between(&random, 1, 2); n > 0; n--)
                changed[ft_random_between(&random, 0, HEAD_BYTES - 1)] =
                    (char)ft_random_between(&random, 0, 255);
            write_file("model.gguf", changed, size);
            taken += is_taken(inside("model.gguf"), &why);
        }
        check_true(taken > 0 && taken < ROUNDS);
        drop_folder();
    }
}

// ---- what is refused by name ----

// `config` of the fixture with `text` in the place of `of`.
static void check_refused(const char *name, const char *of, const char *by, const char *message)
{
    char path[PATH_BYTES];
    ft_error err = FT_ERROR_INIT;

    make_folder();
    snprintf(path, sizeof(path), "%s/model.safetensors", name);
    size_t size = read_fixture(path, text);
    write_file("model.safetensors", text, size);
    snprintf(path, sizeof(path), "%s/config.json", name);
    ft_ignore(read_fixture(path, text) > 0);
    const char *at = strstr(text, of);
    check_true(at != NULL);
    size = (size_t)snprintf(changed, sizeof(changed), "%.*s%s%s", (int)(at - text), text, by,
                            at + strlen(of));
    write_file("config.json", changed, size);
    check_true(!is_taken(folder, &err));
    check_contains(err.message, "config.json");
    check_contains(err.message, message);
    drop_folder();
}

TEST(hostile_refused_by_name)
{
    check_refused("bert", "\"gelu\"", "\"mish\"", "`hidden_act` `mish` is not supported");
    check_refused("bert", "\"gelu\"", "\"relu2\"", "`hidden_act` `relu2` is not supported");
    check_refused("bert", "\"is_decoder\": false", "\"is_decoder\": true", "`is_decoder` true");
    check_refused("bert", "{", "{\"position_embedding_type\": \"alibi\",",
                  "`position_embedding_type` `alibi`");
    check_refused("bert", "{", "{\"quantization_config\": {\"bits\": 4},", "`quantization_config`");
    check_refused("bert", "\"num_attention_heads\": 3", "\"num_attention_heads\": 5",
                  "`hidden_size` 36 is not a multiple of `num_attention_heads` 5");
    check_refused("roberta", "\"pad_token_id\": 1", "\"pad_token_id\": 65", "66 positions");
    check_refused("mpnet", "\"relative_attention_num_buckets\": 32",
                  "\"relative_attention_num_buckets\": 33", "`relative_attention_num_buckets`");
    check_refused("mpnet", "\"max_position_embeddings\": 202",
                  "\"max_position_embeddings\": 1048576",
                  "4 heads with relative positions of 1048574 tokens");
    check_refused("nomic-bert", "\"prenorm\": false", "\"prenorm\": true", "`prenorm` true");
    check_refused("gte", "\"rope_theta\"",
                  "\"rope_scaling\": {\"type\": \"ntk\", \"factor\": 8},"
                  "\"rope_theta\"",
                  "`rope_type` `ntk`");
    check_refused("llama", "\"llama3\"", "\"yarn\"", "`rope_type` `yarn`");
    check_refused("llama", "\"high_freq_factor\": 4.0", "\"high_freq_factor\": 0.5", "factor");
    check_refused("llama", "\"num_key_value_heads\": 2", "\"num_key_value_heads\": 3",
                  "4 heads of queries are not a multiple of 3");
    check_refused("modernbert-5", "\"full_attention\",", "\"linear_attention\",",
                  "`layer_types` `linear_attention`");
    check_refused("mistral", "{", "{\"is_causal\": false,", "`sliding_window` without");
    check_refused("gemma3-embedding", "\"attn_logit_softcapping\": null",
                  "\"attn_logit_softcapping\": 50.0", "`attn_logit_softcapping`");
    check_refused("qwen3-embedding", "\"layer_types\"",
                  "\"attention_bias\": \"no\",\"layer_types\"", "config.json");
}

// A bias that the configuration does not speak of must not be left out in silence.
TEST(hostile_misfits)
{
    ft_error other = FT_ERROR_INIT;

    make_folder();
    size_t size = read_fixture("modernbert-5/model.safetensors", text);
    write_file("model.safetensors", text, size);
    ft_ignore(read_fixture("modernbert-5/config.json", text) > 0);
    const char *at = strstr(text, "\"mlp_bias\": true");
    check_true(at != NULL);
    size = (size_t)snprintf(changed, sizeof(changed), "%.*s\"mlp_bias\": false%s", (int)(at - text),
                            text, at + strlen("\"mlp_bias\": true"));
    write_file("config.json", changed, size);
    check_true(!is_taken(folder, &other));
    check_contains(other.message, "is there, and the model is said to have none");
    drop_folder();
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
