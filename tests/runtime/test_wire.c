// Batches as bytes: every layout there and back, slices and strides too; cut off at every length;
// and changed at random, where whatever is taken must still be a batch.
#include <string.h>

#include "runtime/data/wire.h"
#include "runtime/memory/alloc.h"
#include "runtime/random.h"
#include "tests/check.h"

enum { COUNT = 23, WIDTH = 7, MUTATIONS = 40000, FLIPS_MAX = 8 };

static ft_account account;
static ft_field fields[WIDTH] = {{.name = "n"},    {.name = "v"},   {.name = "text"},
                                 {.name = "list"}, {.name = "ids"}, {.name = "flag"},
                                 {.name = "gone"}};
static const ft_schema schema = {.count = WIDTH, .fields = fields};

static void init(void)
{
    ft_account_init(&account, INT64_C(64) << 20);
    fields[0].type = FT_TYPE(INT);
    fields[1].type = FT_TYPE_VECTOR(F32, 3);
    fields[2].type = FT_TYPE(STRING);
    fields[3].type = FT_TYPE_LIST(STRING);
    fields[4].type = FT_TYPE_IDS;
    fields[5].type = FT_TYPE(BOOL);
    fields[6].type = FT_TYPE(STRING);
}

static bool add_value(ft_builder *b, size_t column, size_t item, ft_error *err)
{
    static const char *const texts[] = {"",
                                        "Gr\xc3\xbc\xc3\x9f"
                                        "e",
                                        "\xe6\x97\xa5\xe6\x9c\xac", "plain"};
    float vector[3] = {(float)item, 0.5f, -1};
    int32_t ids[4] = {(int32_t)item, 2, 3, 4};
    ft_slice text = ft_slice_of(texts[item % FT_COUNT_OF(texts)]);

    if ((item + column) % 5 == 4)
        return ft_builder_add_null(b, err);
    switch (column) {
    case 0:
        return ft_builder_add_int(b, (int64_t)item * 7 - 3, err);
    case 1:
        return ft_builder_add_numbers(b, vector, 3, err);
    case 2:
        return ft_builder_add_text(b, text, err);
    case 3:
        for (size_t i = 0; i < item % 4; i++)
            if (!ft_builder_add_element(b, text, err))
                return false;
        return ft_builder_end_list(b, err);
    case 4:
        return ft_builder_add_numbers(b, ids, item % 5, err);
    default:
        return ft_builder_add_bool(b, item % 2 == 0, err);
    }
}

static void fill(ft_batch *batch)
{
    ft_error err = FT_ERROR_INIT;

    for (size_t i = 0; i + 1 < WIDTH; i++) {  // The last one is absent.
        ft_builder b;
        ft_column column;
        check_ok(ft_builder_init(&b, fields[i].type, &account, batch->count, 0, &err), &err);
        for (size_t j = 0; j < batch->count; j++)
            check_ok(add_value(&b, i, j, &err), &err);
        check_ok(ft_builder_take(&b, &column, &err), &err);
        ft_builder_finish(&b);
        ft_batch_set(batch, i, &column);
    }
    batch->columns[WIDTH - 1].type = fields[WIDTH - 1].type;
}

static ft_batch *make(bool with_positions)
{
    static const char *const parts[] = {"a.jsonl", "b.jsonl"};
    ft_error err = FT_ERROR_INIT;
    ft_lineage *lineage = ft_lineage_create(&account, COUNT, with_positions, &err);

    check_true(lineage);
    lineage->source = 3;
    lineage->sequence = 11;
    lineage->first_index = 500;
    for (size_t i = 0; with_positions && i < COUNT; i++)
        lineage->positions[i] = (ft_position){.part = i > 9, .offset = i * 100};
    lineage->parts = with_positions ? parts : NULL;
    ft_batch *batch = ft_batch_create(&account, COUNT, WIDTH, lineage, &err);
    check_true(batch);
    ft_lineage_unref(lineage);
    fill(batch);
    return batch;
}

// What was written, in a buffer of exactly its size, so that a sanitizer sees every byte beyond.
static ft_buffer *flatten(const ft_wire *wire)
{
    ft_error err = FT_ERROR_INIT;
    ft_buffer *buffer = ft_buffer_create(NULL, wire->size_bytes, &err);
    size_t at = 0;

    check_true(buffer);
    for (size_t i = 0; i < wire->count; i++) {
        memcpy((char *)buffer->data + at, wire->parts[i].iov_base, wire->parts[i].iov_len);
        at += wire->parts[i].iov_len;
    }
    check_int_eq(at, wire->size_bytes);
    return buffer;
}

static bool read_from(ft_buffer *buffer, size_t size, ft_batch *base, ft_wire_names *names,
                      ft_batch **out, ft_error *err)
{
    ft_wire_reader reader = {.buffer = buffer, .end = size};
    ft_wire_scope scope = {
        .account = &account, .schema = &schema, .base = base, .names = base ? NULL : names};

    return ft_wire_get_batch(&reader, &scope, out, err);
}

static ft_batch *there_and_back(const ft_batch *batch, ft_batch *base, ft_wire_names *names)
{
    ft_error err = FT_ERROR_INIT;
    ft_wire wire;
    ft_batch *back = NULL;

    ft_wire_init(&wire);
    check_ok(ft_wire_put_batch(&wire, batch, base, WIDTH, &err), &err);
    ft_buffer *buffer = flatten(&wire);
    check_ok(read_from(buffer, wire.size_bytes, base, names, &back, &err), &err);
    ft_buffer_unref(buffer);
    ft_wire_finish(&wire);
    ft_batch_assert_valid(back);
    return back;
}

static void check_same(const ft_batch *a, const ft_batch *b)
{
    check_int_eq(a->count, b->count);
    for (size_t i = 0; i < WIDTH; i++) {
        check_true(ft_batch_has(a, i) == ft_batch_has(b, i));
        for (size_t j = 0; ft_batch_has(a, i) && j < a->count; j++) {
            const ft_column *x = &a->columns[i], *y = &b->columns[i];
            check_true(ft_column_is_null(x, j) == ft_column_is_null(y, j));
            if (ft_column_is_null(x, j))
                continue;
            if (i == 0)
                check_int_eq(ft_tensor_i64(x->values)[(int64_t)j * x->values->strides[0]],
                             ft_tensor_i64(y->values)[j]);
            if (i == 1)
                check_true(memcmp(x->values->data + (int64_t)j * x->values->strides[0] * 4,
                                  y->values->data + j * 12, 12) == 0);
            if (i == 2)
                check_true(ft_slice_equal(ft_column_text(x, j), ft_column_text(y, j)));
            if (i == 5)
                check_int_eq(x->values->data[j], y->values->data[j]);
            for (int32_t k = 0;
                 i == 3 && k < ft_tensor_i32(x->offsets)[j + 1] - ft_tensor_i32(x->offsets)[j]; k++)
                check_true(ft_slice_equal(ft_column_element(x, ft_tensor_i32(x->offsets)[j] + k),
                                          ft_column_element(y, ft_tensor_i32(y->offsets)[j] + k)));
            for (int32_t k = 0;
                 i == 4 && k < ft_tensor_i32(x->offsets)[j + 1] - ft_tensor_i32(x->offsets)[j]; k++)
                check_int_eq(ft_tensor_i32(x->values)[ft_tensor_i32(x->offsets)[j] + k],
                             ft_tensor_i32(y->values)[ft_tensor_i32(y->offsets)[j] + k]);
        }
    }
}

TEST(every_layout_there_and_back)
{
    init();
    ft_wire_names names = {.arena = ft_arena_create()};
    ft_batch *batch = make(true);
    ft_batch *back = there_and_back(batch, NULL, &names);
    check_same(batch, back);
    check_int_eq(back->lineage->source, 3);
    check_int_eq(back->lineage->sequence, 11);
    check_int_eq(back->lineage->first_index, 500);
    check_int_eq(back->lineage->count, COUNT);
    check_text_eq(back->lineage->parts[back->lineage->positions[3].part], "a.jsonl");
    check_text_eq(back->lineage->parts[back->lineage->positions[17].part], "b.jsonl");
    check_int_eq(back->lineage->positions[17].offset, 1700);
    ft_batch_unref(back);
    ft_batch_unref(batch);
    ft_arena_destroy(names.arena);
    check_int_eq(ft_account_used_bytes(&account), 0);
}

TEST(slices_and_selections)
{
    ft_error err = FT_ERROR_INIT;
    uint32_t some[5] = {20, 3, 3, 0, 22};

    init();
    ft_wire_names names = {.arena = ft_arena_create()};
    ft_batch *batch = make(false);
    for (size_t from = 0; from < COUNT; from++)
        for (size_t count = 0; count <= COUNT - from; count += 3) {
            ft_batch *slice = ft_batch_slice(batch, from, count, &err);
            check_true(slice);
            ft_batch *back = there_and_back(slice, NULL, &names);
            check_same(slice, back);
            for (size_t i = 0; i < count; i++)
                check_int_eq(ft_batch_row(back, i), from + i);
            ft_batch_unref(back);
            ft_batch_unref(slice);
        }
    ft_batch *selected = ft_batch_select(batch, some, 5, &err);
    check_true(selected);
    ft_batch *back = there_and_back(selected, NULL, &names);
    check_same(selected, back);
    check_int_eq(ft_batch_row(back, 4), 22);
    ft_batch_unref(back);
    ft_batch_unref(selected);
    ft_batch_unref(batch);
    ft_arena_destroy(names.arena);
    check_int_eq(ft_account_used_bytes(&account), 0);
}

// A view with every second row of another tensor.
TEST(strides)
{
    ft_error err = FT_ERROR_INIT;

    init();
    ft_wire_names names = {.arena = ft_arena_create()};
    ft_batch *batch = make(false);
    for (size_t i = 0; i < 2; i++) {
        ft_tensor *values = batch->columns[i].values;
        values->shape[0] = COUNT / 2;
        values->strides[0] *= 2;
    }
    ft_batch *half = ft_batch_slice(batch, 0, COUNT / 2, &err);
    check_true(half);
    ft_batch *back = there_and_back(half, NULL, &names);
    check_same(half, back);
    ft_batch_unref(back);
    ft_batch_unref(half);
    ft_batch_unref(batch);
    ft_arena_destroy(names.arena);
}

TEST(columns_of_the_base_are_not_sent)
{
    ft_error err = FT_ERROR_INIT;
    ft_wire wire;

    init();
    ft_batch *base = make(true), *copy = ft_batch_derive(base, NULL, COUNT, WIDTH, &err);
    check_true(copy);
    for (size_t i = 0; i < WIDTH; i++)
        copy->columns[i] = ft_column_ref(&base->columns[i]);
    ft_wire_init(&wire);
    check_ok(ft_wire_put_batch(&wire, copy, base, WIDTH, &err), &err);
    check_true(wire.size_bytes < 1024);
    ft_wire_finish(&wire);
    ft_batch *back = there_and_back(copy, base, NULL);
    for (size_t i = 0; i < WIDTH; i++)
        check_true(back->columns[i].values == base->columns[i].values);
    check_true(back->lineage == base->lineage);
    ft_batch_unref(back);
    ft_batch_unref(copy);
    ft_batch_unref(base);
    check_int_eq(ft_account_used_bytes(&account), 0);
}

// ---- hostile ----

// Reads what may be anything. What is taken is a batch that every stage may work with.
static bool try_read(ft_buffer *buffer, size_t size, ft_batch *base)
{
    ft_error err = FT_ERROR_INIT;
    ft_wire_names names = {.arena = ft_arena_create()};
    ft_batch *back = NULL;

    bool ok = read_from(buffer, size, base, &names, &back, &err);
    check_true(ok == (err.code == FT_ERROR_NONE));
    if (ok) {
        ft_batch_assert_valid(back);
        for (size_t i = 0; i < WIDTH; i++)
            check_true(!ft_batch_has(back, i) ||
                       ft_type_equal(back->columns[i].type, fields[i].type));
        for (size_t j = 0; ft_batch_has(back, 2) && j < back->count; j++) {
            ft_slice text = ft_column_text(&back->columns[2], j);
            check_int_eq(ft_utf8_valid_prefix(text), text.size);
        }
        ft_batch_unref(back);
    } else {
        check_true(err.message[0] != '\0');
    }
    ft_arena_destroy(names.arena);
    return ok;
}

static ft_buffer *copy_of(const ft_buffer *buffer, size_t size)
{
    ft_error err = FT_ERROR_INIT;
    ft_buffer *copy = ft_buffer_create(NULL, size, &err);

    check_true(copy);
    memcpy(copy->data, buffer->data, size);
    return copy;
}

static void play_hostile(bool with_base)
{
    ft_error err = FT_ERROR_INIT;
    ft_wire wire;
    uint64_t seed = with_base ? 1 : 2;
    size_t taken = 0;

    init();
    ft_batch *batch = make(true), *base = with_base ? ft_batch_ref(batch) : NULL;
    ft_batch *sent = ft_batch_slice(batch, 1, COUNT - 1, &err);
    check_true(sent);
    ft_wire_init(&wire);
    check_ok(ft_wire_put_batch(&wire, sent, base, WIDTH, &err), &err);
    ft_buffer *whole = flatten(&wire);
    for (size_t size = 0; size < wire.size_bytes; size++) {
        ft_buffer *cut = copy_of(whole, size);
        check_true(!try_read(cut, size, base));
        ft_buffer_unref(cut);
    }
    for (int i = 0; i < MUTATIONS; i++) {
        ft_buffer *changed = copy_of(whole, wire.size_bytes);
        uint64_t dice = ft_hash((ft_slice){(const char *)&i, sizeof(i)}, seed);
        for (uint64_t flips = dice % FLIPS_MAX + 1; flips > 0; flips--) {
            dice = ft_hash((ft_slice){(const char *)&dice, sizeof(dice)}, seed);
            // Heads most of all: they stand in front, and every 64 bytes behind.
            size_t at = dice % 3 == 0 ? dice / 3 % 400 : dice / 3 % wire.size_bytes;
            ((unsigned char *)changed->data)[at % wire.size_bytes] ^=
                (unsigned char)(dice >> 40 | 1);
        }
        taken += try_read(changed, wire.size_bytes, base);
        ft_buffer_unref(changed);
    }
    // A change of a value is no damage that can be seen; of a size or an offset it must be.
    check_true(taken > 0 && taken < MUTATIONS / 2);
    ft_buffer_unref(whole);
    ft_wire_finish(&wire);
    ft_batch_unref(sent);
    ft_batch_unref(base);
    ft_batch_unref(batch);
    check_int_eq(ft_account_used_bytes(&account), 0);
}

TEST(hostile_with_a_lineage)
{
    play_hostile(false);
}

TEST(hostile_with_a_base)
{
    play_hostile(true);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
