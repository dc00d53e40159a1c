// Four items with a field of every kind, and values printed as text: for the tests of expressions.
#pragma once

#include <stdio.h>
#include <string.h>

#include "runtime/expr/expr.h"
#include "tests/check.h"

enum { ROWS = 4 };

static const ft_field fixture_fields[] = {
    {"a", {.kind = FT_KIND_INT}},
    {"b", {.kind = FT_KIND_INT}},
    {"x", {.kind = FT_KIND_FLOAT}},
    {"s", {.kind = FT_KIND_STRING}},
    {"t", {.kind = FT_KIND_STRING}},
    {"ok", {.kind = FT_KIND_BOOL}},
    {"tokens", {.kind = FT_KIND_STRING, .list = true}},
    {"ids", {.kind = FT_KIND_TENSOR, .dtype = FT_DTYPE_I32, .list = true}},
    {"vec", {.kind = FT_KIND_TENSOR, .dtype = FT_DTYPE_F32, .rank = 1, .shape = {3}}},
    {"score", {.kind = FT_KIND_TENSOR, .dtype = FT_DTYPE_F32}},
    {"j", {.kind = FT_KIND_ANY}},
    {"k", {.kind = FT_KIND_ANY}},
    {"meta", {.kind = FT_KIND_JSON}},
    {"raw", {.kind = FT_KIND_BYTES}},
    {"lost", {.kind = FT_KIND_INT}},  // Absent from the batch.
    {FT_FIELD_RAW, {.kind = FT_KIND_STRING}},
};
static const ft_schema fixture_schema = {.count = FT_COUNT_OF(fixture_fields),
                                         .fields = fixture_fields};

static const char *const fixture_a[ROWS] = {"7", "-3", "0", NULL};
static const char *const fixture_b[ROWS] = {"2", "5", "0", "4"};
static const char *const fixture_x[ROWS] = {"1.5", "-0.25", "2", "1e300"};
static const char *const fixture_s[ROWS] = {"Hello, World", "", "ÄÖÜ straße", " a b  c "};
static const char *const fixture_t[ROWS] = {"World", "12", NULL, "a"};
static const char *const fixture_ok[ROWS] = {"1", "0", "1", NULL};
static const char *const fixture_j[ROWS] = {"5", "\"t\\u00e4t\"",
                                            "{\"k\":[10,20],\"n\":{\"m\":1.5}}", "null"};
static const char *const fixture_k[ROWS] = {"true", "5.0", "[1,2,3]", "\"5\""};
static const char *const fixture_meta[ROWS] = {"{\"a\":{\"b\":1}}", "{\"a\":[{\"b\":\"x\"},2]}",
                                               "[]", NULL};
static const char *const fixture_raw[ROWS] = {"ab", "\xff\xfe", "", "z"};

static inline void fixture_scalar(ft_column *out, ft_type type, const char *const texts[ROWS])
{
    ft_error err = FT_ERROR_INIT;
    ft_builder builder;
    int64_t whole;
    double number;
    bool ok = ft_builder_init(&builder, type, NULL, ROWS, 0, &err);

    for (size_t i = 0; ok && i < ROWS; i++) {
        ft_slice text = ft_slice_of(texts[i]);
        if (!texts[i])
            ok = ft_builder_add_null(&builder, &err);
        else if (type.kind == FT_KIND_INT)
            ok = ft_parse_int(text, &whole) && ft_builder_add_int(&builder, whole, &err);
        else if (type.kind == FT_KIND_FLOAT)
            ok = ft_parse_float(text, &number) && ft_builder_add_float(&builder, number, &err);
        else if (type.kind == FT_KIND_BOOL)
            ok = ft_builder_add_bool(&builder, text.data[0] == '1', &err);
        else
            ok = ft_builder_add_text(&builder, text, &err);
    }
    ok = ok && ft_builder_take(&builder, out, &err);
    ft_builder_finish(&builder);
    check_true(ok);
}

static inline void fixture_tokens(ft_column *out)
{
    static const char *const all[] = {"the", "cat", "x", "a", "b", "c"};
    static const size_t counts[ROWS] = {2, 0, 1, 3};
    ft_error err = FT_ERROR_INIT;
    ft_builder builder;
    size_t at = 0;
    bool ok = ft_builder_init(&builder, FT_TYPE_LIST(STRING), NULL, 0, 0, &err);

    for (size_t i = 0; ok && i < ROWS; i++) {
        for (size_t j = 0; ok && j < counts[i]; j++)
            ok = ft_builder_add_element(&builder, ft_slice_of(all[at++]), &err);
        ok = ok && ft_builder_end_list(&builder, &err);
    }
    ok = ok && ft_builder_take(&builder, out, &err);
    ft_builder_finish(&builder);
    check_true(ok);
}

static inline void fixture_numbers(ft_column *out, ft_type type, const void *numbers,
                                   const size_t counts[ROWS], size_t bytes)
{
    ft_error err = FT_ERROR_INIT;
    ft_builder builder;
    bool ok = ft_builder_init(&builder, type, NULL, 0, 0, &err);
    const char *at = numbers;

    for (size_t i = 0; ok && i < ROWS; at += counts[i++] * bytes)
        ok = ft_builder_add_numbers(&builder, at, counts[i], &err);
    ok = ok && ft_builder_take(&builder, out, &err);
    ft_builder_finish(&builder);
    check_true(ok);
}

// The four items, or (copies > 1) those again and again.
static inline ft_batch *fixture_batch(ft_account *account, size_t copies)
{
    static const int32_t ids[] = {5, 1, 9, 3, 2, 2};
    static const size_t id_counts[ROWS] = {3, 0, 1, 2}, threes[ROWS] = {3, 3, 3, 3},
                        ones[ROWS] = {1, 1, 1, 1};
    static const float vec[] = {3, 4, 0, 1, 0, 0, 0.5F, 0.5F, 0.5F, 0, 0, 0};
    static const float score[] = {0.5F, 2, -1, 0};
    ft_error err = FT_ERROR_INIT;
    ft_batch *batch = ft_batch_create(account, ROWS, fixture_schema.count, NULL, &err);

    check_true(batch);
    ft_column *c = batch->columns;
    fixture_scalar(&c[0], FT_TYPE(INT), fixture_a);
    fixture_scalar(&c[1], FT_TYPE(INT), fixture_b);
    fixture_scalar(&c[2], FT_TYPE(FLOAT), fixture_x);
    fixture_scalar(&c[3], FT_TYPE(STRING), fixture_s);
    fixture_scalar(&c[4], FT_TYPE(STRING), fixture_t);
    fixture_scalar(&c[5], FT_TYPE(BOOL), fixture_ok);
    fixture_tokens(&c[6]);
    fixture_numbers(&c[7], FT_TYPE_IDS, ids, id_counts, 4);
    fixture_numbers(&c[8], FT_TYPE_VECTOR(F32, 3), vec, threes, 4);
    fixture_numbers(&c[9], fixture_fields[9].type, score, ones, 4);
    fixture_scalar(&c[10], FT_TYPE(ANY), fixture_j);
    fixture_scalar(&c[11], FT_TYPE(ANY), fixture_k);
    fixture_scalar(&c[12], FT_TYPE(JSON), fixture_meta);
    fixture_scalar(&c[13], FT_TYPE(BYTES), fixture_raw);
    c[14].type = FT_TYPE(INT);
    c[15].type = FT_TYPE(STRING);
    if (copies == 1)
        return batch;
    static uint32_t indices[ROWS * 4096];
    check_true(copies * ROWS <= FT_COUNT_OF(indices));
    for (size_t i = 0; i < copies * ROWS; i++)
        indices[i] = (uint32_t)(i * 7 % ROWS);
    ft_batch *many = ft_batch_select(batch, indices, copies * ROWS, &err);
    check_true(many);
    ft_batch_unref(batch);
    return many;
}

// ---- values as text ----

static inline void print_element(ft_text *out, const ft_column *column, size_t i)
{
    const char *values = column->values->data;
    char number[FT_NUMBER_BYTES];
    ft_kind kind = column->type.kind;
    ft_dtype dtype = kind == FT_KIND_INT     ? FT_DTYPE_I64
                     : kind == FT_KIND_FLOAT ? FT_DTYPE_F64
                                             : column->type.dtype;

    if (kind == FT_KIND_BOOL)
        ft_text_append_string(out, values[i] ? "true" : "false");
    else if (dtype == FT_DTYPE_I64)
        ft_text_append(out,
                       (ft_slice){number, ft_print_int(ft_tensor_i64(column->values)[i], number)});
    else if (dtype == FT_DTYPE_F64)
        ft_text_append(
            out,
            (ft_slice){number, ft_print_f64(((const double *)(const void *)values)[i], number)});
    else if (dtype == FT_DTYPE_I32)
        ft_text_append(out,
                       (ft_slice){number, ft_print_int(ft_tensor_i32(column->values)[i], number)});
    else
        ft_text_append(out,
                       (ft_slice){number, ft_print_f32(ft_tensor_f32(column->values)[i], number)});
}

static inline void print_item(ft_text *out, const ft_column *column, size_t i)
{
    ft_type type = column->type;

    if (ft_column_is_null(column, i)) {
        ft_text_append_string(out, "null");
    } else if (type.list) {
        const int32_t *offsets = ft_tensor_i32(column->offsets);
        ft_text_append_string(out, "[");
        for (int32_t j = offsets[i]; j < offsets[i + 1]; j++) {
            ft_text_append_string(out, j > offsets[i] ? "," : "");
            if (column->inner)
                ft_text_append(out, ft_column_element(column, j));
            else
                print_element(out, column, (size_t)j);
        }
        ft_text_append_string(out, "]");
    } else if (ft_type_is_text(type)) {
        ft_text_append(out, ft_column_text(column, i));
    } else if (type.kind == FT_KIND_TENSOR && type.rank) {
        size_t elements = (size_t)ft_type_elements(type);
        for (size_t j = 0; j < elements; j++) {
            ft_text_append_string(out, j ? "," : "<");
            print_element(out, column, i * elements + j);
        }
        ft_text_append_string(out, ">");
    } else {
        print_element(out, column, i);
    }
}

// Which items failed, and the first message.
typedef struct failures {
    uint8_t failed[ROWS * 4096];
    size_t count, last;
    ft_error first;
} failures;

static inline bool note_failure(void *host, size_t item, const ft_error *why, ft_error *err)
{
    failures *noted = host;

    (void)err;
    // In order, each once.
    check_true(noted->count == 0 || item > noted->last);
    check_true(why->code == FT_ERROR_DATA && why->number == 409 && why->message[0]);
    if (noted->count++ == 0)
        noted->first = *why;
    noted->last = item;
    noted->failed[item] = 1;
    return true;
}

// "7 | -3 | ! | null" where ! has failed.
static inline void print_column(ft_text *out, const ft_column *column, size_t count,
                                const failures *noted)
{
    for (size_t i = 0; i < count; i++) {
        ft_text_append_string(out, i ? " | " : "");
        if (noted->failed[i]) {
            check_true(ft_column_is_null(column, i));
            ft_text_append_string(out, "!");
        } else {
            print_item(out, column, i);
        }
    }
}
