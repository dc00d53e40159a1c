// safetensors: the verdicts of the reference library (0.8.0), values of every readable type, what
// is written is read back, and mutated files.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/data/json.h"
#include "runtime/random.h"
#include "runtime/system/file.h"
#include "stages/nn/safetensors_write.h"
#include "tests/check.h"

// Parses an exact copy on the heap, so that the sanitizer sees any read behind the end.
static bool parses(const void *bytes, size_t size, ft_error *err)
{
    ft_arena *arena = ft_arena_create();
    ft_safetensors *file = NULL;
    char *copy = malloc(size ? size : 1);

    check_true(arena && copy);
    if (size)
        memcpy(copy, bytes, size);
    bool ok = ft_safetensors_parse((ft_slice){copy, size}, arena, &file, err);
    check_true(ok == (err->code == FT_ERROR_NONE));
    if (ok)
        for (size_t i = 0; i < file->count; i++) {
            float value = 0;
            const ft_weight *tensor = &file->tensors[i];
            if (tensor->elements > 0 && ft_weight_kind_is_float(tensor->kind))
                ft_weight_read(tensor, tensor->elements - 1, 1, &value);
        }
    ft_arena_destroy(arena);
    free(copy);
    return ok;
}

static bool accepts(const char *header, size_t data_bytes)
{
    char file[2048] = {0};
    const size_t size = strlen(header);
    ft_error err = FT_ERROR_INIT;

    file[0] = (char)(size & 255);
    file[1] = (char)(size >> 8);
    memcpy(file + 8, header, size);
    return parses(file, 8 + size + data_bytes, &err);
}

TEST(safetensors_conformance_files)
{
    char path[1200];
    ft_slice text;
    ft_error err = FT_ERROR_INIT;
    ft_json_node *root;
    size_t wrong = 0;
    const char *data = check_data_folder();

    if (!data)
        check_skip("no test data");
    ft_arena *arena = ft_arena_create();
    snprintf(path, sizeof(path), "%s/conformance/safetensors/expected.json", data);
    check_ok(ft_file_read(path, arena, 1 << 20, &text, &err), &err);
    check_ok(ft_json_parse(text, arena, &root, &err), &err);
    const ft_json_node *cases = ft_json_find(root, "cases");
    check_true(cases && cases->count > 20);
    for (size_t i = 0; i < cases->count; i++) {
        const ft_json_node *verdict = ft_json_find(&cases->children[i], "reference");
        ft_error why = FT_ERROR_INIT;
        snprintf(path, sizeof(path), "%s/conformance/safetensors/%.*s.safetensors", data,
                 (int)cases->keys[i].size, cases->keys[i].data);
        check_ok(ft_file_read(path, arena, 1 << 20, &text, &err), &err);
        if (parses(text.data, text.size, &why) == ft_slice_is(verdict->text, "ACCEPT"))
            continue;
        fprintf(stderr, "%s: %s\n", path, why.message);
        wrong++;
    }
    check_int_eq(wrong, 0);
    ft_arena_destroy(arena);
}

// Each verdict is that of the reference library on the same bytes.
TEST(safetensors_header_verdicts)
{
#define A "\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}"
    check_true(accepts("{" A "}", 4));
    check_true(accepts(" {" A "}  ", 4));
    check_true(!accepts("{" A "}x", 4));
    check_true(accepts("{\"__metadata__\":null," A "}", 4));
    check_true(accepts("{\"__metadata__\":{\"a\":\"b\",\"a\":\"c\"}," A "}", 4));
    check_true(!accepts("{\"__metadata__\":{\"a\":1}," A "}", 4));
    check_true(!accepts("{\"__metadata__\":{},\"__metadata__\":{}," A "}", 4));
    check_true(!accepts("{\"a\":{\"dtype\":\"U8\",\"shape\":[4.0],\"data_offsets\":[0,4]}}", 4));
    check_true(!accepts("{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[-0,4]}}", 4));
    check_true(!accepts("{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4,5]}}", 4));
    check_true(!accepts("{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0]}}", 4));
    check_true(!accepts(
        "{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", 4));
    check_true(
        accepts("{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4],\"x\":[1]}}", 4));
    check_true(accepts("{\"a\":{\"d\\u0074ype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", 4));
    check_true(accepts("{\"a\":{\"dtype\":\"F4\",\"shape\":[8],\"data_offsets\":[0,4]}}", 4));
    check_true(!accepts("{\"a\":{\"dtype\":\"F4\",\"shape\":[7],\"data_offsets\":[0,4]}}", 4));
    check_true(accepts(
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1,1,4],\"data_offsets\":[0,4]}}", 4));
    check_true(accepts(
        "{\"b\":{\"dtype\":\"U8\",\"shape\":[0,18446744073709551615],\"data_offsets\":[4,4]}," A
        "}",
        4));
    // The last of two with one name counts.
    check_true(accepts("{\"a\":{\"dtype\":\"U8\",\"shape\":[9],\"data_offsets\":[0,9]}," A "}", 4));
    check_true(
        !accepts("{" A ",\"a\":{\"dtype\":\"U8\",\"shape\":[9],\"data_offsets\":[0,9]}}", 4));
    check_true(!accepts(
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[18446744073709551616],\"data_offsets\":[0,4]}}", 4));
#undef A
}

TEST(safetensors_read_values)
{
    static const uint64_t shape[] = {5};
    static const float f32[] = {1.5F, -2, 0, 3.25F, 65504};
    static const double f64[] = {1.5, -2, 0, 3.25, 65504};
    static const uint16_t f16[] = {0x3E00, 0xC000, 0x0000, 0x4280, 0x7BFF};
    static const uint16_t bf16[] = {0x3FC0, 0xC000, 0x0000, 0x4050, 0x4780};
    static const uint16_t odd[] = {0x0001, 0x8400, 0x03FF, 0x7C00,
                                   0xFC00};  // Denormals, least normal, infinities.
    const ft_weight_source weights[] = {
        {"f32", FT_WEIGHT_F32, 1, shape, f32},     {"f64", FT_WEIGHT_F64, 1, shape, f64},
        {"f16", FT_WEIGHT_F16, 1, shape, f16},     {"bf16", FT_WEIGHT_BF16, 1, shape, bf16},
        {"o\"dd\n", FT_WEIGHT_F16, 1, shape, odd},
    };
    char path[] = "/tmp/ftpipe-test-XXXXXX";
    ft_error err = FT_ERROR_INIT;
    ft_safetensors *file;
    float got[5];
    ft_arena *arena = ft_arena_create();
    const int fd = mkstemp(path);

    check_true(fd >= 0 && close(fd) == 0);
    check_ok(ft_safetensors_write(path, weights, FT_COUNT_OF(weights), &err), &err);
    check_ok(ft_safetensors_open(path, arena, &file, &err), &err);
    check_int_eq(file->count, FT_COUNT_OF(weights));
    for (size_t i = 0; i < 3; i++) {
        const ft_weight *tensor = ft_safetensors_find(file, weights[i].name);
        check_true(tensor != NULL);
        check_int_eq(tensor->elements, 5);
        ft_weight_read(tensor, 0, 5, got);
        check_true(memcmp(got, f32, sizeof(f32)) == 0);
    }
    ft_weight_read(ft_safetensors_find(file, "bf16"), 0, 5, got);
    check_true(memcmp(got, f32, 4 * sizeof(float)) == 0);
    check_float_near((double)got[4], 65536, 0);
    ft_weight_read(ft_safetensors_find(file, "o\"dd\n"), 0, 5, got);
    check_float_near((double)got[0], 0x1p-24, 0);
    check_float_near((double)got[1], -0x1p-14, 0);
    check_float_near((double)got[2], 0x3FFp-24, 0);
    check_true((double)got[3] > 1e38 && (double)got[4] < -1e38);
    check_true(ft_safetensors_find(file, "f3") == NULL);
    unlink(path);
    ft_arena_destroy(arena);
}

TEST(safetensors_write_fails)
{
    static const uint64_t shape[] = {1};
    static const float value[] = {1};
    const ft_weight_source weight = {"w", FT_WEIGHT_F32, 1, shape, value};
    const ft_weight_source small = {"w", FT_WEIGHT_F4, 1, shape, value};
    ft_error err = FT_ERROR_INIT;

    check_fails(ft_safetensors_write("/nowhere/there/w.safetensors", &weight, 1, &err), &err,
                FT_ERROR_IO);
    err = (ft_error)FT_ERROR_INIT;
    check_fails(ft_safetensors_write("/tmp/never", &small, 1, &err), &err, FT_ERROR_DATA);
}

// Bytes changed, cut, doubled and moved: never a crash, and an error exactly when it fails.
TEST(safetensors_mutated)
{
    static const char header[] =
        "{\"__metadata__\":{\"format\":\"pt\"},\"0.weight\":{\"dtype\":\"F32\",\"shape\":[2,3],"
        "\"data_offsets\":[0,24]},"
        "\"0.bias\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[24,28]}}   ";
    enum { SIZE = 8 + sizeof(header) - 1 + 28 };
    char file[SIZE + 64] = {0}, changed[SIZE + 64];
    ft_random random;
    size_t accepted = 0;

    file[0] = (char)(sizeof(header) - 1);
    memcpy(file + 8, header, sizeof(header) - 1);
    ft_random_init(&random, 7, 0);
    for (int round = 0; round < 20000; round++) {
        static const char digits[] = "0123456789{}[],:\"-e.\\u";
        size_t size = SIZE;
        ft_error err = FT_ERROR_INIT;
        memcpy(changed, file, sizeof(file));
        for (int64_t n = ft_random_between(&random, 1, 3); n > 0; n--) {
            const size_t at = (size_t)ft_random_between(&random, 0, SIZE - 1);
            switch (ft_random_between(&random, 0, 3)) {
            case 0:
                changed[at] = (char)ft_random_next(&random);
                break;
            case 1:
                changed[at] = digits[ft_random_between(&random, 0, sizeof(digits) - 2)];
                break;
            case 2:
                memmove(changed + at, changed + at + 1, SIZE - at - 1);
                break;
            default:
                size = (size_t)ft_random_between(&random, 0, SIZE);
                break;
            }
        }
        accepted += parses(changed, size, &err);
    }
    check_true(accepted > 0 && accepted < 20000);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
