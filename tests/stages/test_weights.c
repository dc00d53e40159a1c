// A model's tensors: one file, shards, GGUF; blocks of ggml against their definition; what is
// refused.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/system/file.h"
#include "stages/nn/safetensors_write.h"
#include "stages/nn/weights.h"
#include "tests/check.h"

static char folder[64];
static const char *const files[] = {"model.safetensors", "model.safetensors.index.json",
                                    "a.safetensors", "b.safetensors"};

static void make_folder(void)
{
    snprintf(folder, sizeof(folder), "/tmp/ftpipe-weights-XXXXXX");
    check_true(mkdtemp(folder) != NULL);
}

static const char *path_of(const char *name)
{
    static char path[128];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static void drop_folder(void)
{
    for (size_t i = 0; i < FT_COUNT_OF(files); i++)
        remove(path_of(files[i]));
    check_true(rmdir(folder) == 0);
}

static void write_text(const char *name, const char *text)
{
    FILE *file = fopen(path_of(name), "w");

    check_true(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void write_shard(const char *name, const char *first, const char *second)
{
    static const float values[] = {1, 2, 3, 4, 5, 6};
    static const uint64_t shape[] = {2, 3};
    const ft_weight_source sources[] = {
        {.name = first, .kind = FT_WEIGHT_F32, .rank = 2, .shape = shape, .data = values},
        {.name = second, .kind = FT_WEIGHT_F32, .rank = 1, .shape = shape, .data = values + 4},
    };
    ft_error err = FT_ERROR_INIT;

    check_ok(ft_safetensors_write(path_of(name), sources, 2, &err), &err);
}

TEST(weights_of_shards)
{
    ft_error err = FT_ERROR_INIT;
    ft_arena *arena = ft_arena_create();
    ft_weights *weights;
    float value;

    make_folder();
    write_shard("a.safetensors", "one", "two");
    write_shard("b.safetensors", "three", "four");
    write_text("model.safetensors.index.json",
               "{\"metadata\": {\"total_size\": 64}, \"weight_map\": {\"two\": \"a.safetensors\", "
               "\"three\": \"b.safetensors\", \"one\": \"a.safetensors\"}}");
    check_ok(ft_weights_open(folder, arena, &weights, &err), &err);
    check_int_eq(weights->count, 3);
    const ft_weight *one = ft_weights_find(weights, "one"), *two = ft_weights_find(weights, "two");
    check_true(one && two && ft_weights_find(weights, "three"));
    check_true(!ft_weights_find(weights, "four"));  // Not in the index.
    check_int_eq(one->shape[0], 2);
    check_int_eq(one->shape[1], 3);
    ft_weight_read(one, 5, 1, &value);
    check_float_near((double)value, 6, 0);
    ft_weight_read(two, 0, 1, &value);
    check_float_near((double)value, 5, 0);
    // One file has precedence, as in transformers.
    write_shard("model.safetensors", "five", "six");
    check_ok(ft_weights_open(folder, arena, &weights, &err), &err);
    check_int_eq(weights->count, 2);
    ft_arena_destroy(arena);
    drop_folder();
}

static void check_refused(const char *index, ft_error_code code, const char *message)
{
    ft_error err = FT_ERROR_INIT;
    ft_arena *arena = ft_arena_create();
    ft_weights *weights = NULL;

    write_text("model.safetensors.index.json", index);
    check_fails(ft_weights_open(folder, arena, &weights, &err), &err, code);
    check_contains(err.message, message);
    check_true(!weights);
    ft_arena_destroy(arena);
}

TEST(weights_refuses_indexes)
{
    ft_error err = FT_ERROR_INIT;
    ft_arena *arena = ft_arena_create();
    ft_weights *weights = NULL;

    make_folder();
    check_fails(ft_weights_open(folder, arena, &weights, &err), &err, FT_ERROR_IO);
    check_contains(err.message, "no weights");
    ft_arena_destroy(arena);
    write_shard("a.safetensors", "one", "two");
    check_refused("{}", FT_ERROR_DATA, "`weight_map`");
    check_refused("[]", FT_ERROR_DATA, "`weight_map`");
    check_refused("{\"weight_map\": []}", FT_ERROR_DATA, "`weight_map`");
    check_refused("{\"weight_map\": {\"one\": 1}}", FT_ERROR_DATA, "is not a string");
    check_refused("{\"weight_map\": {\"one\": \"../a\"}}", FT_ERROR_DATA, "`../a` is not the name");
    check_refused("{\"weight_map\": {\"one\": \"..\"}}", FT_ERROR_DATA, "`..` is not the name");
    check_refused("{\"weight_map\": {\"one\": \"/etc/passwd\"}}", FT_ERROR_DATA,
                  "`/etc/passwd` is not the name");
    check_refused("{\"weight_map\": {\"one\": \"\"}}", FT_ERROR_DATA, "is not the name");
    check_refused("{\"weight_map\": {\"one\": \"a.safetensors\\u0000\"}}", FT_ERROR_DATA,
                  "is not the name");
    check_refused("{\"weight_map\": {\"one\": \"no.safetensors\"}}", FT_ERROR_IO, "no.safetensors");
    check_refused("{\"weight_map\": {\"ten\": \"a.safetensors\"}}", FT_ERROR_DATA,
                  "tensor `ten` is not in `a.safetensors`");
    check_refused("{\"weight_map\": {\"one\\u0000\": \"a.safetensors\"}}", FT_ERROR_DATA,
                  "is not in `a.safetensors`");
    check_refused("{\"weight_map\"", FT_ERROR_DATA, "index.json");
    drop_folder();
}

// Scale 0.5 (half 0x3800). Q8_0: element i is i - 16. Q4_0: byte i holds i low and 15 - i high.
static void make_block(ft_weight_kind kind, char *out)
{
    out[0] = 0;
    out[1] = 0x38;
    for (int i = 0; i < (kind == FT_WEIGHT_Q8_0 ? 32 : 16); i++)
        out[2 + i] = (char)(kind == FT_WEIGHT_Q8_0 ? i - 16 : i | (15 - i) << 4);
}

static double element_of(ft_weight_kind kind, size_t i)
{
    if (kind == FT_WEIGHT_Q8_0)
        return 0.5 * ((double)i - 16);
    return 0.5 * ((i < 16 ? (double)i : 15 - (double)(i - 16)) - 8);
}

TEST(weights_in_blocks)
{
    const uint64_t shape[] = {2, 32};

    for (ft_weight_kind kind = FT_WEIGHT_Q8_0; kind <= FT_WEIGHT_Q4_0; kind++) {
        const size_t bytes = kind == FT_WEIGHT_Q8_0 ? 34 : 18;
        char *data = malloc(2 * bytes);
        check_true(data != NULL);
        make_block(kind, data);
        make_block(kind, data + bytes);
        data[bytes + 1] = 0x3C;  // The second block's scale is 1.
        const ft_weight weight = {
            .kind = kind, .rank = 2, .shape = shape, .elements = 64, .data = data};
        for (size_t from = 0; from < 64; from++)
            for (size_t count = 0; count <= 64 - from; count++) {
                float out[64];
                ft_weight_read(&weight, from, count, out);
                for (size_t i = from; i < from + count; i++)
                    check_float_near((double)out[i - from],
                                     element_of(kind, i % 32) * (i < 32 ? 1 : 2), 0);
            }
        free(data);
    }
}

// The three GGUF files hold one model: halves and blocks differ from the floats by their rounding.
TEST(weights_of_gguf)
{
    const char *data = check_data_folder();
    static const char *const kinds[] = {"f32", "f16", "q8_0"};
    static const double errors[] = {0, 1.0 / 2048, 1.0 / 254};
    ft_arena *arena = ft_arena_create();
    ft_error err = FT_ERROR_INIT;
    ft_weights *all[3];
    char path[1200];

    if (!data)
        check_skip("no test data");
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof(path), "%s/models/stories260K/stories260K-%s.gguf", data, kinds[i]);
        check_ok(ft_weights_open(path, arena, &all[i], &err), &err);
        check_true(all[i]->gguf != NULL);
        check_int_eq(all[i]->count, all[0]->count);
    }
    check_true(all[0]->count > 40);
    for (size_t t = 0; t < all[0]->count; t++)
        for (size_t i = 1; i < 3; i++) {
            const ft_weight *exact = &all[0]->tensors[t], *other = &all[i]->tensors[t];
            check_true(ft_slice_equal(exact->name, other->name));
            check_int_eq(exact->elements, other->elements);
            for (size_t from = 0; from < exact->elements; from += 4) {
                float want[4], got[4];
                ft_weight_read(exact, from, 4, want);
                ft_weight_read(other, from, 4, got);
                for (size_t k = 0; k < 4; k++)
                    check_float_near((double)got[k], (double)want[k], errors[i] * 4 + 1e-7);
            }
        }
    const ft_weight *words = ft_weights_find(all[0], "token_embd.weight");
    check_true(words && words->rank == 2 && words->shape[0] == 512 && words->shape[1] == 64);
    ft_arena_destroy(arena);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
