// GGUF: the verdicts of ggml's own loader, values of every type, and mutated files.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/data/json.h"
#include "runtime/random.h"
#include "runtime/system/file.h"
#include "stages/nn/gguf.h"
#include "tests/check.h"

// Reads all that the file says, from an exact copy on the heap, so that the sanitizer sees any read
// behind the end.
static bool parses(const void *bytes, size_t size, size_t *values, size_t *tensors, ft_error *err)
{
    ft_arena *arena = ft_arena_create();
    ft_gguf *file = NULL;
    char *copy = malloc(size ? size : 1);
    uint64_t sum = 0;

    check_true(arena && copy);
    if (size)
        memcpy(copy, bytes, size);
    bool ok = ft_gguf_parse((ft_slice){copy, size}, "a.gguf", arena, &file, err);
    check_true(ok == (err->code == FT_ERROR_NONE));
    *values = ok ? file->value_count : 0;
    *tensors = ok ? file->tensor_count : 0;
    for (size_t i = 0; i < *values; i++) {
        ft_slice rest = file->values[i].bytes;
        if (file->values[i].type != FT_GGUF_TEXT || !file->values[i].is_array)
            continue;
        for (size_t k = 0; k < file->values[i].count; k++)
            sum += ft_gguf_next_text(&rest).size;
        check_int_eq(rest.size, 0);
    }
    for (size_t i = 0; i < *tensors; i++) {
        check_true(file->tensors[i].rank <= FT_GGUF_RANK_MAX);
        for (size_t k = 0; k < file->tensors[i].bytes.size; k++)
            sum += (uint8_t)file->tensors[i].bytes.data[k];
    }
    check_true(sum < UINT64_MAX);
    ft_arena_destroy(arena);
    free(copy);
    return ok;
}

TEST(gguf_conformance_files)
{
    static const char *const folder = "conformance/gguf";
    char path[1200], counts[64];
    ft_slice text;
    ft_error err = FT_ERROR_INIT;
    ft_json_node *root;
    const char *data = check_data_folder();

    if (!data)
        check_skip("no test data");
    ft_arena *arena = ft_arena_create();
    snprintf(path, sizeof(path), "%s/%s/expected.json", data, folder);
    check_ok(ft_file_read(path, arena, 1 << 20, &text, &err), &err);
    check_ok(ft_json_parse(text, arena, &root, &err), &err);
    const ft_json_node *cases = ft_json_find(root, "cases");
    check_int_eq(cases->count, 38);
    for (size_t i = 0; i < cases->count; i++) {
        ft_error verdict = FT_ERROR_INIT;
        size_t values, tensors;
        snprintf(path, sizeof(path), "%s/%s/%.*s.gguf", data, folder, (int)cases->keys[i].size,
                 cases->keys[i].data);
        check_ok(ft_file_read(path, arena, 1 << 20, &text, &err), &err);
        bool ok = parses(text.data, text.size, &values, &tensors, &verdict);
        // "ACCEPT v3 kv=1 t=1"
        snprintf(counts, sizeof(counts), "ACCEPT v3 kv=%zu t=%zu", values, tensors);
        ft_slice info = ft_json_find(&cases->children[i], "info")->text;
        if (!ft_slice_is(info, ok ? counts : "REJECT")) {
            fprintf(stderr, "%s: %s, and ggml says %.*s\n", path, ok ? counts : verdict.message,
                    (int)info.size, info.data);
            check_true(false);
        }
    }
    ft_arena_destroy(arena);
}

// ---- a file with a value of every type ----

typedef struct maker {
    char bytes[2048];
    size_t size;
} maker;

static void put(maker *m, const void *bytes, size_t size)
{
    check_true(m->size + size <= sizeof(m->bytes));
    memcpy(m->bytes + m->size, bytes, size);
    m->size += size;
}

static void put_u32(maker *m, uint32_t number)
{
    put(m, &number, sizeof(number));
}

static void put_u64(maker *m, uint64_t number)
{
    put(m, &number, sizeof(number));
}

static void put_text(maker *m, const char *text)
{
    put_u64(m, strlen(text));
    put(m, text, strlen(text));
}

static void put_value(maker *m, const char *key, uint32_t type, const void *bytes, size_t size)
{
    put_text(m, key);
    put_u32(m, type);
    put(m, bytes, size);
}

static void make_file(maker *m)
{
    const int8_t small = -2;
    const uint16_t middle = 65535;
    const int64_t large = -5000000000;
    const uint64_t too_large = UINT64_MAX;
    const float scores[] = {0.5F, -1.5F};

    *m = (maker){.size = 0};
    put(m, "GGUF", 4);
    put_u32(m, 3);
    put_u64(m, 1);
    put_u64(m, 8);
    put_value(m, "i8", FT_GGUF_I8, &small, 1);
    put_value(m, "u16", FT_GGUF_U16, &middle, 2);
    put_value(m, "i64", FT_GGUF_I64, &large, 8);
    put_value(m, "u64", FT_GGUF_U64, &too_large, 8);
    put_value(m, "bool", FT_GGUF_BOOL, "\1", 1);
    put_text(m, "text");
    put_u32(m, FT_GGUF_TEXT);
    put_text(m, "A");
    put_text(m, "texts");
    put_u32(m, FT_GGUF_ARRAY);
    put_u32(m, FT_GGUF_TEXT);
    put_u64(m, 2);
    put_text(m, "");
    put_text(m, "bc");
    put_text(m, "scores");
    put_u32(m, FT_GGUF_ARRAY);
    put_u32(m, FT_GGUF_F32);
    put_u64(m, 2);
    put(m, scores, sizeof(scores));
    put_text(m, "w");
    put_u32(m, 1);
    put_u64(m, 64);
    put_u32(m, 8);  // Q8_0: 34 bytes for 32 elements.
    put_u64(m, 0);
    while (m->size % 32 != 0)
        put(m, "", 1);
    for (int i = 0; i < 96; i++)
        put(m, "\7", 1);
}

TEST(gguf_values)
{
    ft_arena *arena = ft_arena_create();
    ft_error err = FT_ERROR_INIT, refused = FT_ERROR_INIT, range = FT_ERROR_INIT;
    const ft_gguf_value *array;
    ft_gguf *file;
    ft_slice text = {0};
    int64_t number = 7;
    bool truth = false;
    maker m;

    make_file(&m);
    check_ok(ft_gguf_parse((ft_slice){m.bytes, m.size}, "a.gguf", arena, &file, &err), &err);
    check_ok(ft_gguf_get_int(file, "none", &number, &err), &err);
    check_int_eq(number, 7);
    check_ok(ft_gguf_get_int(file, "i8", &number, &err), &err);
    check_int_eq(number, -2);
    check_ok(ft_gguf_get_int(file, "u16", &number, &err), &err);
    check_int_eq(number, 65535);
    check_ok(ft_gguf_get_int(file, "i64", &number, &err), &err);
    check_int_eq(number, -5000000000);
    check_fails(ft_gguf_get_int(file, "u64", &number, &range), &range, FT_ERROR_DATA);
    check_contains(range.message, "key `u64`: it is out of range");
    check_ok(ft_gguf_get_bool(file, "bool", &truth, &err), &err);
    check_true(truth);
    check_ok(ft_gguf_get_text(file, "text", &text, &err), &err);
    check_true(ft_slice_is(text, "A"));
    check_fails(ft_gguf_get_text(file, "texts", &text, &refused), &refused, FT_ERROR_DATA);
    check_contains(refused.message, "`a.gguf`, key `texts`: a text is wanted, and it is an array");
    check_ok(ft_gguf_get_array(file, "texts", FT_GGUF_TEXT, &array, &err), &err);
    ft_slice rest = array->bytes;
    check_true(ft_gguf_next_text(&rest).size == 0 && ft_slice_is(ft_gguf_next_text(&rest), "bc"));
    check_ok(ft_gguf_get_array(file, "scores", FT_GGUF_F32, &array, &err), &err);
    check_true(ft_gguf_float_at(array, 0) == 0.5F && ft_gguf_float_at(array, 1) == -1.5F);
    check_int_eq(file->tensors[0].bytes.size, 68);
    check_true(file->tensors[0].bytes.data[0] == 7 && file->tensors[0].bytes.data[67] == 7);
    ft_arena_destroy(arena);
}

TEST(gguf_mutated)
{
    const char *asked = getenv("FTPIPE_FUZZ_ROUNDS");
    long rounds = asked ? atol(asked) : 20000;
    ft_random random;
    maker good, m;
    long accepted = 0;

    make_file(&good);
    ft_random_init(&random, 12, 3);
    for (long i = 0; i < rounds; i++) {
        ft_error err = FT_ERROR_INIT;
        size_t values, tensors;
        m = good;
        for (int64_t k = ft_random_between(&random, 1, 3); k > 0; k--) {
            size_t at = (size_t)ft_random_between(&random, 0, (int64_t)m.size - 1);
            if (ft_random_between(&random, 0, 7) == 0)
                m.size = at + 1;
            else
                m.bytes[at] = (char)ft_random_between(&random, 0, 255);
        }
        bool ok = parses(m.bytes, m.size, &values, &tensors, &err);
        accepted += ok;
        check_true(ok || (err.code == FT_ERROR_DATA && strstr(err.message, "`a.gguf`")));
    }
    check_true(accepted > 0 && accepted < rounds);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
