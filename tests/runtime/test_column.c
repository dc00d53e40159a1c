// Columns of every layout: built, sliced, selected and joined, with and without nulls, checked item
// by item against what was put in; the 2 GiB bound; types and tensors; and every allocation failing
// once.
#include <stdio.h>
#include <string.h>

#include "runtime/data/column.h"
#include "runtime/memory/alloc.h"
#include "tests/check.h"

static ft_account account;

static ft_type type_of(const char *text)
{
    ft_error err = FT_ERROR_INIT;
    ft_type type;

    check_ok(ft_type_parse(ft_slice_of(text), &type, &err), &err);
    return type;
}

// Item `i` of every test column: what it holds follows from the number alone.
static size_t list_size(size_t i)
{
    return i * 7 % 5;
}
static bool is_null_item(size_t i, size_t null_every)
{
    return null_every > 0 && i % null_every == 2;
}

static size_t make_text(size_t i, char out[64])
{
    return (size_t)snprintf(out, 64, "%.*s%zu", (int)(i % 20), "abcdefghijklmnopqrst", i);
}

static bool add(ft_builder *b, size_t i, size_t null_every, ft_error *err)
{
    char text[64];
    float numbers[64];

    if (is_null_item(i, null_every))
        return ft_builder_add_null(b, err);
    switch (ft_type_layout(b->type)) {
    case FT_LAYOUT_TEXT:
        return ft_builder_add_text(b, (ft_slice){text, make_text(i, text)}, err);
    case FT_LAYOUT_FIXED:
        if (b->type.kind == FT_KIND_INT)
            return ft_builder_add_int(b, (int64_t)i * 3, err);
        for (size_t k = 0; k < b->item_numbers; k++)
            numbers[k] = (float)(i * 10 + k);
        return ft_builder_add_numbers(b, numbers, b->item_numbers, err);
    case FT_LAYOUT_NUMBERS:
        for (size_t k = 0; k < list_size(i) * b->item_numbers; k++)
            numbers[k] = (float)(i * 10 + k);
        return ft_builder_add_numbers(b, numbers, list_size(i) * b->item_numbers, err);
    case FT_LAYOUT_TEXTS:
        break;
    }
    for (size_t k = 0; k < list_size(i); k++)
        if (!ft_builder_add_element(b, (ft_slice){text, make_text(i + k, text)}, err))
            return false;
    return ft_builder_end_list(b, err);
}

static void check_numbers(const ft_column *column, size_t row, size_t count, size_t i)
{
    const float *numbers =
        ft_tensor_f32(column->values) + row * (size_t)ft_type_elements(column->type);

    for (size_t k = 0; k < count; k++)
        check_float_near(numbers[k], (double)(i * 10 + k), 0);
}

// Item `at` of the column is what item `i` was made as.
static void check_item(const ft_column *column, size_t at, size_t i, size_t null_every)
{
    char text[64];

    check_true(ft_column_is_null(column, at) == is_null_item(i, null_every));
    if (is_null_item(i, null_every))
        return;
    switch (ft_type_layout(column->type)) {
    case FT_LAYOUT_TEXT:
        make_text(i, text);
        check_slice_eq(ft_column_text(column, at), text);
        return;
    case FT_LAYOUT_FIXED:
        if (column->type.kind == FT_KIND_INT)
            check_int_eq(ft_tensor_i64(column->values)[at], (int64_t)i * 3);
        else
            check_numbers(column, at, (size_t)ft_type_elements(column->type), i);
        return;
    case FT_LAYOUT_NUMBERS:
    case FT_LAYOUT_TEXTS:
        break;
    }
    const int32_t *offsets = ft_tensor_i32(column->offsets) + at;
    check_int_eq(offsets[1] - offsets[0], list_size(i));
    if (!column->inner) {
        check_numbers(column, (size_t)offsets[0],
                      list_size(i) * (size_t)ft_type_elements(column->type), i);
        return;
    }
    for (size_t k = 0; k < list_size(i); k++) {
        make_text(i + k, text);
        check_slice_eq(ft_column_element(column, offsets[0] + (int32_t)k), text);
    }
}

static bool build(const char *type, size_t from, size_t count, size_t null_every, ft_column *out,
                  ft_error *err)
{
    ft_builder b;
    bool ok = ft_builder_init(&b, type_of(type), &account, count % 3 ? count : 0, 0, err);

    for (size_t i = 0; i < count && ok; i++)
        ok = add(&b, from + i, null_every, err);
    ok = ok && ft_builder_take(&b, out, err);
    ft_builder_finish(&b);
    return ok;
}

static const char *const types[] = {"string",   "int",       "f32[3]", "f32[*]",
                                    "f32[*,2]", "string[*]", "json",   "f32"};
static const size_t null_choices[] = {0, 3, 11, 500};

static bool play(const char *type, size_t count, size_t null_every, ft_error *err)
{
    ft_column whole = {0}, slice = {0}, selected = {0}, joined = {0};
    uint32_t indices[400];
    size_t chosen = 0, cut = count / 3, rest = count - cut;

    bool ok = build(type, 0, count, null_every, &whole, err) &&
              ft_column_slice(&whole, cut, rest, &slice, err);
    // Runs, gaps, repeats, backwards.
    for (size_t i = 0; i < rest; i++)
        if (i % 7 < 4)
            indices[chosen++] = (uint32_t)i;
    for (size_t i = 0; i < rest && chosen < FT_COUNT_OF(indices); i += 5)
        indices[chosen++] = (uint32_t)(rest - 1 - i);
    ok = ok && ft_column_select(&slice, indices, chosen, &account, &selected, err);
    ft_column parts[3] = {slice, {.type = whole.type}, whole};
    size_t counts[3] = {rest, 0, count};
    ok = ok && ft_column_join(parts, counts, 3, &account, &joined, err);
    if (ok) {
        for (size_t i = 0; i < count; i++) {
            check_item(&whole, i, i, null_every);
            check_item(&joined, rest + i, i, null_every);
        }
        for (size_t i = 0; i < rest; i++) {
            check_item(&slice, i, cut + i, null_every);
            check_item(&joined, i, cut + i, null_every);
        }
        for (size_t i = 0; i < chosen; i++)
            check_item(&selected, i, cut + indices[i], null_every);
        check_true(slice.values->buffer == whole.values->buffer);
        check_true(ft_column_size_bytes(&joined, rest + count) >=
                   ft_column_size_bytes(&whole, count));
    }
    ft_column_finish(&whole);
    ft_column_finish(&slice);
    ft_column_finish(&selected);
    ft_column_finish(&joined);
    return ok;
}

TEST(every_layout_goes_through_everything)
{
    ft_account_init(&account, INT64_C(1) << 30);
    for (size_t t = 0; t < FT_COUNT_OF(types); t++) {
        for (size_t n = 0; n < FT_COUNT_OF(null_choices); n++) {
            static const size_t counts[] = {0, 1, 2, 8, 9, 64, 301};
            for (size_t c = 0; c < FT_COUNT_OF(counts); c++) {
                ft_error err = FT_ERROR_INIT;
                check_ok(play(types[t], counts[c], null_choices[n], &err), &err);
                check_int_eq(ft_account_used_bytes(&account), 0);
            }
        }
    }
}

TEST(every_allocation_may_fail)
{
    ft_account_init(&account, INT64_C(1) << 30);
    for (size_t t = 0; t < FT_COUNT_OF(types); t++) {
        for (uint64_t n = 1;; n++) {
            ft_error err = FT_ERROR_INIT;
            int64_t before = ft_alloc_get_stats().live_blocks;
            ft_alloc_fail_at(n, n % 2);
            bool ok = play(types[t], 60, 11, &err);
            ft_alloc_fail_at(0, false);
            check_int_eq(ft_alloc_get_stats().live_blocks, before);
            check_int_eq(ft_account_used_bytes(&account), 0);
            check_true(ok == (err.code == FT_ERROR_NONE));
            if (ok)
                break;
            check_int_eq(err.code, FT_ERROR_NOMEM);
        }
    }
}

TEST(nulls_and_absent_columns)
{
    ft_error err = FT_ERROR_INIT;
    ft_column column, joined, copy;

    ft_account_init(&account, 1 << 20);
    for (size_t t = 0; t < FT_COUNT_OF(types); t++) {
        check_ok(ft_column_nulls(type_of(types[t]), 20, &account, &column, &err), &err);
        for (size_t i = 0; i < 20; i++)
            check_true(ft_column_is_null(&column, i));
        ft_column parts[2] = {{.type = column.type}, column};
        size_t counts[2] = {5, 20};
        check_ok(ft_column_join(parts, counts, 2, &account, &joined, &err), &err);
        check_true(ft_column_is_null(&joined, 24) && ft_column_is_null(&joined, 0));
        copy = ft_column_ref(&joined);
        ft_column_finish(&joined);
        check_true(ft_column_is_null(&copy, 3));
        ft_column_finish(&copy);
        ft_column_finish(&column);
        check_ok(ft_column_select(&(ft_column){.type = type_of("int")}, NULL, 0, &account, &column,
                                  &err),
                 &err);
        check_true(column.values == NULL);
    }
    check_int_eq(ft_account_used_bytes(&account), 0);
}

TEST(texts_of_two_gib_are_refused)
{
    ft_error err = FT_ERROR_INIT;
    ft_builder b;
    // Only the size counts: the add is refused before a byte is read (volatile: the compiler may
    // not see the lie).
    static char one[1];
    volatile size_t two_gib = INT32_MAX;

    ft_account_init(&account, 1 << 20);
    check_ok(ft_builder_init(&b, type_of("string"), &account, 0, 0, &err), &err);
    check_ok(ft_builder_add_text(&b, (ft_slice){one, 1}, &err), &err);
    check_fails(ft_builder_add_text(&b, (ft_slice){one, two_gib}, &err), &err, FT_ERROR_LIMIT);
    ft_builder_finish(&b);
    check_fails(ft_builder_init(&b, type_of("string[*]"), &account, 0, (size_t)INT32_MAX + 1, &err),
                &err, FT_ERROR_LIMIT);
    ft_builder_finish(&b);
    // The account refuses what would still be a legal column.
    err = (ft_error)FT_ERROR_INIT;
    check_fails(ft_builder_init(&b, type_of("string"), &account, 0, 2 << 20, &err), &err,
                FT_ERROR_LIMIT);
    ft_builder_finish(&b);
    check_int_eq(ft_account_used_bytes(&account), 0);
}

TEST(types_print_as_they_are_parsed)
{
    static const char *const good[] = {"any",       "bool",    "int",        "float",      "string",
                                       "bytes",     "json",    "f32",        "f32[384]",   "i32[*]",
                                       "string[*]", "json[*]", "f16[2,3,4]", "f32[*,384]", NULL};
    static const char *const bad[] = {"",
                                      "text",
                                      "f32[",
                                      "f32[]",
                                      "f32[0]",
                                      "f32[-1]",
                                      "string[3]",
                                      "i32[3,*]",
                                      "f32]",
                                      "f32[2,2,2,2]",
                                      "f32[99999999999]",
                                      "f32[65536,65536]",
                                      "any[*]",
                                      "i32[**]",
                                      "[*]",
                                      NULL};
    char text[FT_TYPE_TEXT_BYTES];
    ft_type type;

    for (int i = 0; good[i]; i++)
        check_text_eq(ft_type_print(type_of(good[i]), text), good[i]);
    check_text_eq(ft_type_print(type_of(" f32[ 2 , 3 ] "), text), "f32[2,3]");
    for (int i = 0; bad[i]; i++) {
        ft_error err = FT_ERROR_INIT;
        check_fails(ft_type_parse(ft_slice_of(bad[i]), &type, &err), &err, FT_ERROR_USAGE);
    }
    ft_error err = FT_ERROR_INIT;
    ft_ignore(ft_type_parse(FT_SLICE("strng"), &type, &err));
    check_text_eq(err.hint, "Did you mean `string`?");
    check_true(ft_type_accepts(FT_TYPE_VECTOR(F32, -1), type_of("f32[7]")));
    check_text_eq(ft_type_print(FT_TYPE_VECTOR(F32, -1), text), "f32[d]");
    check_true(!ft_type_accepts(FT_TYPE_VECTOR(F32, 8), type_of("f32[7]")));
    check_true(!ft_type_accepts(FT_TYPE_VECTOR(F32, -1), type_of("f64[7]")));
    check_true(ft_type_accepts(FT_TYPE(ANY), type_of("i32[*]")));
    check_true(!ft_type_accepts(FT_TYPE(STRING), FT_TYPE_LIST(STRING)));
    check_int_eq(ft_type_elements(type_of("f32[2,3]")), 6);
    check_int_eq(ft_type_element_size_bytes(type_of("float")), 8);
    check_int_eq(ft_type_element_size_bytes(type_of("f16[2]")), 2);
    check_true(ft_type_is_text(type_of("any")) && !ft_type_is_text(type_of("string[*]")));
}

TEST(tensors_view_and_slice)
{
    ft_error err = FT_ERROR_INIT;
    int64_t shape[2] = {4, 3}, huge[2] = {INT64_MAX / 2, 8}, negative[1] = {-1};

    ft_account_init(&account, 1 << 20);
    ft_tensor *tensor = ft_tensor_create(&account, FT_DTYPE_F32, 2, shape, &err);
    check_true(tensor && ft_tensor_is_writable(tensor) && ft_tensor_is_contiguous(tensor));
    for (int i = 0; i < 12; i++)
        ((float *)(void *)tensor->data)[i] = (float)i;
    ft_tensor *slice = ft_tensor_slice(tensor, 1, 2, &err);
    check_true(!ft_tensor_is_writable(tensor) && ft_tensor_elements(slice) == 6);
    check_float_near(ft_tensor_f32(slice)[0], 3, 0);
    ft_tensor_unref(tensor);
    check_true(ft_tensor_is_writable(slice));
    int64_t six[1] = {6};
    ft_tensor *view = ft_tensor_view(slice->buffer, 24, FT_DTYPE_F32, 1, six, &err);
    check_float_near(ft_tensor_f32(view)[5], 11, 0);
    check_true(!ft_tensor_view(slice->buffer, 28, FT_DTYPE_F32, 1, six, &err) &&
               err.code == FT_ERROR_DATA);
    check_true(!ft_tensor_create(&account, FT_DTYPE_F64, 2, huge, &err) &&
               err.code == FT_ERROR_LIMIT);
    check_true(!ft_tensor_create(&account, FT_DTYPE_F64, 1, negative, &err));
    ft_tensor_unref(view);
    ft_tensor_unref(slice);
    ft_tensor_unref(NULL);
    check_int_eq(ft_account_used_bytes(&account), 0);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
