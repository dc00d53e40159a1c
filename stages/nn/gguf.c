// Reads the head of GGUF files.
//
//   "GGUF" | u32 version | u64 tensors | u64 values
//   values:  text key, u32 type, value (an array: u32 type, u64 count, elements)
//   tensors: text name, u32 rank, u64 shape[rank], u32 type, u64 offset
//   to the alignment, then the data, in which the tensors follow each other, each padded to the
//   alignment
//
// A text is a u64 size and its bytes.
#include "stages/nn/gguf.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    HEAD_BYTES = 24,
    VERSION_MIN = 2,
    VERSION_MAX = 3,
    VALUE_BYTES_MIN = 8 + 1 + 4 + 1,   // A key of one letter and a byte.
    TENSOR_BYTES_MIN = 8 + 4 + 4 + 8,  // No name, no dimensions.
    NAME_BYTES_MAX = 63,
    ALIGNMENT = 32,
    SHOWN_BYTES = 60,
};

static const uint8_t sizes[FT_GGUF_TYPE_COUNT] = {
    [FT_GGUF_U8] = 1,  [FT_GGUF_I8] = 1,  [FT_GGUF_U16] = 2, [FT_GGUF_I16] = 2,
    [FT_GGUF_U32] = 4, [FT_GGUF_I32] = 4, [FT_GGUF_F32] = 4, [FT_GGUF_BOOL] = 1,
    [FT_GGUF_U64] = 8, [FT_GGUF_I64] = 8, [FT_GGUF_F64] = 8};

static const char *const type_names[FT_GGUF_TYPE_COUNT] = {
    [FT_GGUF_U8] = "u8",     [FT_GGUF_I8] = "i8",   [FT_GGUF_U16] = "u16", [FT_GGUF_I16] = "i16",
    [FT_GGUF_U32] = "u32",   [FT_GGUF_I32] = "i32", [FT_GGUF_F32] = "f32", [FT_GGUF_BOOL] = "bool",
    [FT_GGUF_TEXT] = "text", [FT_GGUF_U64] = "u64", [FT_GGUF_I64] = "i64", [FT_GGUF_F64] = "f64"};

// ggml's types: so many elements of a row are stored as so many bytes. What is 0 is no type (any
// more).
static const struct {
    uint16_t elements, bytes;
    const char *name;
} blocks[] = {
    [0] = {1, 4, "F32"},         [1] = {1, 2, "F16"},         [2] = {32, 18, "Q4_0"},
    [3] = {32, 20, "Q4_1"},      [6] = {32, 22, "Q5_0"},      [7] = {32, 24, "Q5_1"},
    [8] = {32, 34, "Q8_0"},      [9] = {32, 36, "Q8_1"},      [10] = {256, 84, "Q2_K"},
    [11] = {256, 110, "Q3_K"},   [12] = {256, 144, "Q4_K"},   [13] = {256, 176, "Q5_K"},
    [14] = {256, 210, "Q6_K"},   [15] = {256, 292, "Q8_K"},   [16] = {256, 66, "IQ2_XXS"},
    [17] = {256, 74, "IQ2_XS"},  [18] = {256, 98, "IQ3_XXS"}, [19] = {256, 50, "IQ1_S"},
    [20] = {32, 18, "IQ4_NL"},   [21] = {256, 110, "IQ3_S"},  [22] = {256, 82, "IQ2_S"},
    [23] = {256, 136, "IQ4_XS"}, [24] = {1, 1, "I8"},         [25] = {1, 2, "I16"},
    [26] = {1, 4, "I32"},        [27] = {1, 8, "I64"},        [28] = {1, 8, "F64"},
    [29] = {256, 56, "IQ1_M"},   [30] = {1, 2, "BF16"},       [34] = {256, 54, "TQ1_0"},
    [35] = {256, 66, "TQ2_0"},   [39] = {32, 17, "MXFP4"},
};

typedef struct reader {
    const char *path;
    ft_slice file, rest;
} reader;

static int shown(ft_slice text)
{
    return (int)(text.size < SHOWN_BYTES ? text.size : SHOWN_BYTES);
}

static bool fault(const char *path, const char *what, ft_slice name, const char *why, ft_error *err)
{
    return ft_fail(err, FT_ERROR_DATA, "`%s`, %s `%.*s`: %s", path, what, shown(name), name.data,
                   why);
}

static bool cut_off(const reader *in, const char *what, ft_error *err)
{
    return ft_fail(err, FT_ERROR_DATA, "`%s`: cut off in %s, at byte %zu", in->path, what,
                   in->file.size - in->rest.size);
}

static bool take(reader *in, uint64_t size, ft_slice *out)
{
    if (size > in->rest.size)
        return false;
    *out = (ft_slice){in->rest.data, (size_t)size};
    in->rest = (ft_slice){in->rest.data + size, in->rest.size - (size_t)size};
    return true;
}

static bool take_number(reader *in, void *out, size_t size)
{
    ft_slice bytes;

    if (!take(in, size, &bytes))
        return false;
    memcpy(out, bytes.data, size);
    return true;
}

static bool take_text(reader *in, ft_slice *out)
{
    uint64_t size;

    return take_number(in, &size, sizeof(size)) && take(in, size, out);
}

// ---- values ----

static bool take_array(reader *in, ft_gguf_value *value, ft_error *err)
{
    uint32_t type;
    uint64_t count;
    ft_slice start;

    if (!take_number(in, &type, sizeof(type)) || !take_number(in, &count, sizeof(count)))
        return cut_off(in, "an array", err);
    if (type >= FT_GGUF_TYPE_COUNT || type == FT_GGUF_ARRAY)
        return fault(in->path, "key", value->key, "its elements are of no known type", err);
    value->type = (ft_gguf_type)type;
    value->is_array = true;
    start = in->rest;
    // The smallest text is its size.
    uint64_t least = type == FT_GGUF_TEXT ? sizeof(uint64_t) : sizes[type];
    if (count > in->rest.size / least)
        return fault(in->path, "key", value->key, "it has more elements than the file has bytes",
                     err);
    value->count = (size_t)count;
    if (type != FT_GGUF_TEXT)
        return take(in, count * least, &value->bytes) || cut_off(in, "an array", err);
    for (uint64_t i = 0; i < count; i++) {
        ft_slice text;
        if (!take_text(in, &text))
            return fault(in->path, "key", value->key, "a text ends behind the end of the file",
                         err);
    }
    value->bytes = (ft_slice){start.data, start.size - in->rest.size};
    return true;
}

static bool take_value(reader *in, ft_gguf_value *value, ft_error *err)
{
    uint32_t type;

    if (!take_text(in, &value->key) || !take_number(in, &type, sizeof(type)))
        return cut_off(in, "a key", err);
    if (value->key.size == 0)
        return ft_fail(err, FT_ERROR_DATA, "`%s`: a key without a name, before byte %zu", in->path,
                       in->file.size - in->rest.size);
    if (type >= FT_GGUF_TYPE_COUNT)
        return fault(in->path, "key", value->key, "its value is of no known type", err);
    if (type == FT_GGUF_ARRAY)
        return take_array(in, value, err);
    value->type = (ft_gguf_type)type;
    value->count = 1;
    bool done =
        type == FT_GGUF_TEXT ? take_text(in, &value->bytes) : take(in, sizes[type], &value->bytes);
    return done || fault(in->path, "key", value->key, "its value is cut off", err);
}

static int compare_keys(const void *a, const void *b)
{
    return ft_slice_compare(((const ft_gguf_value *)a)->key, ((const ft_gguf_value *)b)->key);
}

static bool take_values(reader *in, uint64_t count, ft_arena *arena, ft_gguf *out, ft_error *err)
{
    if (count > in->rest.size / VALUE_BYTES_MIN)
        return ft_fail(err, FT_ERROR_DATA, "`%s`: %" PRIu64 " keys are more than fit into the file",
                       in->path, count);
    ft_gguf_value *values = ft_arena_zero(arena, (size_t)count + 1, sizeof(*values));
    if (!values)
        return ft_fail_nomem(err, (size_t)count * sizeof(*values));
    for (size_t i = 0; i < count; i++) {
        if (!take_value(in, &values[i], err))
            return false;
    }
    qsort(values, (size_t)count, sizeof(*values), compare_keys);
    for (size_t i = 1; i < count; i++) {
        if (ft_slice_equal(values[i - 1].key, values[i].key))
            return fault(in->path, "key", values[i].key, "it is there twice", err);
    }
    out->values = values;
    out->value_count = (size_t)count;
    return true;
}

// ---- tensors ----

static bool measure(const reader *in, ft_gguf_tensor *t, uint64_t *out_bytes, ft_error *err)
{
    const uint64_t limit = INT64_MAX;
    uint64_t elements = 1;

    if (t->type >= FT_COUNT_OF(blocks) || blocks[t->type].elements == 0)
        return fault(in->path, "tensor", t->name, "its type is not known", err);
    for (size_t i = 0; i < FT_GGUF_RANK_MAX; i++) {
        if (t->shape[i] > limit || FT_MUL_OVERFLOWS(elements, t->shape[i], &elements) ||
            elements > limit)
            return fault(in->path, "tensor", t->name, "its dimensions are out of range", err);
    }
    if (t->shape[0] % blocks[t->type].elements != 0)
        return fault(in->path, "tensor", t->name, "its rows are no whole number of blocks", err);
    if (FT_MUL_OVERFLOWS(elements / blocks[t->type].elements, (uint64_t)blocks[t->type].bytes,
                         out_bytes) ||
        *out_bytes > limit)
        return fault(in->path, "tensor", t->name, "its dimensions are out of range", err);
    return true;
}

// `*expected`: where the data of the next tensor begins, which is where it must.
static bool take_tensor(reader *in, uint64_t alignment, ft_gguf_tensor *t, uint64_t *expected,
                        ft_error *err)
{
    uint32_t rank;
    uint64_t offset, bytes = 0;

    if (!take_text(in, &t->name) || !take_number(in, &rank, sizeof(rank)))
        return cut_off(in, "the tensors", err);
    if (t->name.size > NAME_BYTES_MAX)
        return fault(in->path, "tensor", t->name, "its name is too long", err);
    if (rank > FT_GGUF_RANK_MAX)
        return fault(in->path, "tensor", t->name, "it has more than 4 dimensions", err);
    t->rank = rank;
    for (size_t i = 0; i < FT_GGUF_RANK_MAX; i++) {
        t->shape[i] = 1;
        if (i < rank && !take_number(in, &t->shape[i], sizeof(t->shape[i])))
            return cut_off(in, "the tensors", err);
    }
    if (!take_number(in, &t->type, sizeof(t->type)) || !take_number(in, &offset, sizeof(offset)))
        return cut_off(in, "the tensors", err);
    if (!measure(in, t, &bytes, err))
        return false;
    if (offset != *expected)
        return fault(in->path, "tensor", t->name, "it does not follow the one before it", err);
    // Both are below 2^63, and the alignment below 2^32.
    *expected = offset + (bytes + alignment - 1) / alignment * alignment;
    t->bytes.size = (size_t)bytes;
    if (*expected > in->file.size)
        return fault(in->path, "tensor", t->name, "it ends behind the end of the file", err);
    return true;
}

static int compare_names(const void *a, const void *b)
{
    return ft_slice_compare(*(const ft_slice *)a, *(const ft_slice *)b);
}

static bool names_differ(const reader *in, const ft_gguf_tensor *tensors, size_t count,
                         ft_arena *arena, ft_error *err)
{
    ft_slice *names = ft_arena_alloc(arena, (count + 1) * sizeof(*names));

    if (!names)
        return ft_fail_nomem(err, count * sizeof(*names));
    for (size_t i = 0; i < count; i++)
        names[i] = tensors[i].name;
    qsort(names, count, sizeof(*names), compare_names);
    for (size_t i = 1; i < count; i++) {
        if (ft_slice_equal(names[i - 1], names[i]))
            return fault(in->path, "tensor", names[i], "it is there twice", err);
    }
    return true;
}

static bool take_tensors(reader *in, uint64_t count, ft_arena *arena, ft_gguf *out, ft_error *err)
{
    uint64_t expected = 0;

    if (count > in->rest.size / TENSOR_BYTES_MIN)
        return ft_fail(err, FT_ERROR_DATA,
                       "`%s`: %" PRIu64 " tensors are more than fit into the file", in->path,
                       count);
    ft_gguf_tensor *tensors = ft_arena_zero(arena, (size_t)count + 1, sizeof(*tensors));
    if (!tensors)
        return ft_fail_nomem(err, (size_t)count * sizeof(*tensors));
    out->tensors = tensors;
    out->tensor_count = (size_t)count;
    for (size_t i = 0; i < count; i++) {
        tensors[i].bytes.data = in->file.data + expected;  // Moved when the head has ended.
        if (!take_tensor(in, out->alignment, &tensors[i], &expected, err))
            return false;
    }
    size_t head = in->file.size - in->rest.size, over = head % out->alignment;
    size_t padding = over > 0 ? out->alignment - over : 0;
    if (count == 0)
        return true;
    if (padding > in->rest.size || expected > in->rest.size - padding)
        return ft_fail(err, FT_ERROR_DATA,
                       "`%s`: cut off in the data of the tensors: %" PRIu64
                       " bytes belong behind byte %zu",
                       in->path, expected, head + padding);
    for (size_t i = 0; i < count; i++)
        tensors[i].bytes.data += head + padding;
    return names_differ(in, tensors, (size_t)count, arena, err);
}

// ---- the file ----

static bool find_alignment(ft_gguf *file, ft_error *err)
{
    const ft_gguf_value *value = ft_gguf_find(file, "general.alignment");

    file->alignment = ALIGNMENT;
    if (!value)
        return true;
    if (value->is_array || value->type != FT_GGUF_U32)
        return fault(file->path, "key", value->key, "it is not a u32", err);
    memcpy(&file->alignment, value->bytes.data, sizeof(file->alignment));
    if (file->alignment == 0 || (file->alignment & (file->alignment - 1)) != 0)
        return fault(file->path, "key", value->key, "it is not a power of 2", err);
    return true;
}

bool ft_gguf_parse(ft_slice bytes, const char *path, ft_arena *arena, ft_gguf **out, ft_error *err)
{
    reader in = {path, bytes, bytes};
    ft_gguf *file = ft_arena_zero(arena, 1, sizeof(*file));
    uint64_t tensors, values;
    ft_slice magic;

    if (!file)
        return ft_fail_nomem(err, sizeof(*file));
    file->path = path;
    if (!take(&in, 4, &magic) || !ft_slice_is(magic, "GGUF"))
        return ft_fail(err, FT_ERROR_DATA, "`%s`: not a GGUF file", path);
    if (!take_number(&in, &file->version, sizeof(file->version)) ||
        !take_number(&in, &tensors, sizeof(tensors)) || !take_number(&in, &values, sizeof(values)))
        return cut_off(&in, "the head", err);
    if (file->version < VERSION_MIN || file->version > VERSION_MAX) {
        ft_fail(err, FT_ERROR_DATA, "`%s`: GGUF of version %" PRIu32, path, file->version);
        ft_hint(err, "Versions %d and %d are read, of little-endian files.", VERSION_MIN,
                VERSION_MAX);
        return false;
    }
    *out = file;
    return take_values(&in, values, arena, file, err) && find_alignment(file, err) &&
           take_tensors(&in, tensors, arena, file, err);
}

// ---- what is asked of it ----

const char *ft_gguf_type_name(uint32_t type)
{
    return blocks[type].name;
}

const ft_gguf_value *ft_gguf_find(const ft_gguf *file, const char *key)
{
    const ft_gguf_value sought = {.key = ft_slice_of(key)};

    if (file->value_count == 0)
        return NULL;
    return bsearch(&sought, file->values, file->value_count, sizeof(sought), compare_keys);
}

static bool wrong_type(const ft_gguf *file, const ft_gguf_value *value, const char *wanted,
                       ft_error *err)
{
    char why[64];

    snprintf(why, sizeof(why), "%s is wanted, and it is %s%s", wanted,
             value->is_array ? "an array of " : "", type_names[value->type]);
    return fault(file->path, "key", value->key, why, err);
}

bool ft_gguf_get_text(const ft_gguf *file, const char *key, ft_slice *out, ft_error *err)
{
    const ft_gguf_value *value = ft_gguf_find(file, key);

    if (!value)
        return true;
    if (value->is_array || value->type != FT_GGUF_TEXT)
        return wrong_type(file, value, "a text", err);
    *out = value->bytes;
    return true;
}

bool ft_gguf_get_bool(const ft_gguf *file, const char *key, bool *out, ft_error *err)
{
    const ft_gguf_value *value = ft_gguf_find(file, key);

    if (!value)
        return true;
    if (value->is_array || value->type != FT_GGUF_BOOL)
        return wrong_type(file, value, "a bool", err);
    *out = value->bytes.data[0] != 0;
    return true;
}

bool ft_gguf_get_float(const ft_gguf *file, const char *key, double *out, ft_error *err)
{
    const ft_gguf_value *value = ft_gguf_find(file, key);
    float single;

    if (!value)
        return true;
    if (value->is_array || (value->type != FT_GGUF_F32 && value->type != FT_GGUF_F64))
        return wrong_type(file, value, "a number with a fraction", err);
    if (value->type == FT_GGUF_F64) {
        memcpy(out, value->bytes.data, sizeof(*out));
        return true;
    }
    memcpy(&single, value->bytes.data, sizeof(single));
    *out = (double)single;
    return true;
}

bool ft_gguf_get_int(const ft_gguf *file, const char *key, int64_t *out, ft_error *err)
{
    static const bool is_signed[FT_GGUF_TYPE_COUNT] = {
        [FT_GGUF_I8] = true, [FT_GGUF_I16] = true, [FT_GGUF_I32] = true, [FT_GGUF_I64] = true};
    const ft_gguf_value *value = ft_gguf_find(file, key);
    uint64_t bits = 0;

    if (!value)
        return true;
    if (value->is_array || sizes[value->type] == 0 || value->type == FT_GGUF_F32 ||
        value->type == FT_GGUF_F64 || value->type == FT_GGUF_BOOL)
        return wrong_type(file, value, "a whole number", err);
    memcpy(&bits, value->bytes.data, value->bytes.size);
    if (value->type == FT_GGUF_U64 && bits > INT64_MAX)
        return fault(file->path, "key", value->key, "it is out of range", err);
    unsigned width = 8 * sizes[value->type];
    if (is_signed[value->type] && width < 64 && bits >> (width - 1))
        bits |= UINT64_MAX << width;
    *out = (int64_t)bits;
    return true;
}

bool ft_gguf_get_array(const ft_gguf *file, const char *key, ft_gguf_type type,
                       const ft_gguf_value **out, ft_error *err)
{
    const ft_gguf_value *value = ft_gguf_find(file, key);
    char wanted[32];

    *out = value;
    if (!value || (value->is_array && value->type == type))
        return true;
    snprintf(wanted, sizeof(wanted), "an array of %s", type_names[type]);
    return wrong_type(file, value, wanted, err);
}

ft_slice ft_gguf_next_text(ft_slice *rest)
{
    uint64_t size;

    memcpy(&size, rest->data, sizeof(size));
    ft_slice text = {rest->data + sizeof(size), (size_t)size};
    *rest = (ft_slice){text.data + text.size, rest->size - sizeof(size) - text.size};
    return text;
}

int32_t ft_gguf_int_at(const ft_gguf_value *array, size_t at)
{
    int32_t number;

    memcpy(&number, array->bytes.data + at * sizeof(number), sizeof(number));
    return number;
}

float ft_gguf_float_at(const ft_gguf_value *array, size_t at)
{
    float number;

    memcpy(&number, array->bytes.data + at * sizeof(number), sizeof(number));
    return number;
}
