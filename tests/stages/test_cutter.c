// The cutter against a plain loop, over all sizes of blocks; CSV ends and fields, whole and
// mutated; broken UTF-8 against Python's replacements.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/data/json.h"
#include "runtime/memory/alloc.h"
#include "runtime/random.h"
#include "stages/io/csv.h"
#include "stages/io/cutter.h"
#include "stages/io/encoding.h"
#include "stages/io/rows.h"
#include "tests/check.h"

static char path[64];

// One file for all tests of this program, removed at the end of each.
static const char *write_file(const char *text, size_t size)
{
    snprintf(path, sizeof(path), "/tmp/ftpipe-test-%ld", (long)getpid());
    FILE *file = fopen(path, "wb");
    check_true(file != NULL);
    check_int_eq(fwrite(text, 1, size, file), size);
    check_int_eq(fclose(file), 0);
    return path;
}

// All items that the cutter gives, each with '|' behind it, and their offsets checked against
// `text`.
static void cut_all(ft_cutter *cutter, const char *text, ft_text *out)
{
    ft_error err = FT_ERROR_INIT;
    ft_text_clear(out);
    for (bool more = true, wait; more;) {
        ft_block block;
        check_ok(ft_cutter_next(cutter, &block, &more, &wait, &err), &err);
        for (size_t i = 0; i < block.count; i++) {
            const ft_slice item = ft_column_text(&block.column, i);
            const ft_position *at = (const ft_position *)block.positions->data + i;
            // What a line holds stands in the file where its position says.
            if (cutter->cut == FT_CUT_LINES && item.size)
                check_true(memcmp(text + at->offset, item.data, item.size) == 0);
            ft_text_append(out, item);
            ft_text_append_char(out, '|');
        }
        ft_block_finish(&block);
    }
    ft_cutter_finish(cutter);
}

static void split_plainly(ft_slice text, ft_text *out)
{
    ft_text_clear(out);
    while (text.size > 0) {
        const char *end = memchr(text.data, '\n', text.size);
        size_t size = end ? (size_t)(end - text.data) : text.size;
        const size_t next = end ? size + 1 : size;
        if (end && size > 0 && text.data[size - 1] == '\r')
            size--;
        ft_text_append(out, (ft_slice){text.data, size});
        ft_text_append_char(out, '|');
        text = (ft_slice){text.data + next, text.size - next};
    }
}

TEST(cutter_lines_like_a_loop)
{
    ft_random random;
    ft_text want, got;
    char text[300];
    ft_random_init(&random, 7, 0);
    ft_text_init(&want, 1 << 16);
    ft_text_init(&got, 1 << 16);
    for (int round = 0; round < 600; round++) {
        const size_t size = ft_random_next(&random) % sizeof(text);
        for (size_t i = 0; i < size; i++)
            text[i] = "ab\n\r"[ft_random_next(&random) % (round % 2 ? 4 : 3)];
        const char *paths[] = {write_file(text, size)};
        ft_cutter cutter = {
            .paths = paths, .path_count = 1, .block_bytes = 1 + ft_random_next(&random) % 64};
        cut_all(&cutter, text, &got);
        split_plainly((ft_slice){text, size}, &want);
        if (want.size == 0)
            check_int_eq(got.size, 0);
        else
            check_text_eq(got.data, want.data);
    }
    ft_text_finish(&want);
    ft_text_finish(&got);
    unlink(path);
}

static void check_cut(ft_cut cut, const char *text, const char *want)
{
    ft_text got;
    ft_text_init(&got, 1 << 16);
    for (size_t block_bytes = 1; block_bytes < 40; block_bytes++) {
        const char *paths[] = {write_file(text, strlen(text))};
        ft_cutter cutter = {.paths = paths,
                            .path_count = 1,
                            .cut = cut,
                            .delimiter = ',',
                            .block_bytes = block_bytes};
        cut_all(&cutter, text, &got);
        check_slice_eq(ft_text_get(&got), want);
    }
    ft_text_finish(&got);
    unlink(path);
}

TEST(cutter_paragraphs_in_any_block)
{
    check_cut(FT_CUT_PARAGRAPHS, "\n\na\nb\n\n \t\n\nc\n", "a\nb|c|");
    check_cut(FT_CUT_PARAGRAPHS, "a\r\nb\r\n\r\nc\r\n", "a\r\nb|c|");
    check_cut(FT_CUT_PARAGRAPHS, "a\n\nb", "a|b|");
    check_cut(FT_CUT_PARAGRAPHS, "\n \n", "");
    check_cut(FT_CUT_PARAGRAPHS, "", "");
    check_cut(FT_CUT_LINES,
              "\xef\xbb\xbf"
              "a\n\xef\xbb\xbf\n",
              "a|\xef\xbb\xbf|");
}

TEST(cutter_records_in_any_block)
{
    check_cut(FT_CUT_CSV, "a,b\n1,\"x\ny\"\n\n2,\"\"\"\n\"\"\"\r\n3,4",
              "a,b|1,\"x\ny\"|2,\"\"\"\n\"\"\"|3,4|");
    check_cut(FT_CUT_CSV, "\"a\",\"b,\n\"\n\"\"\n", "\"a\",\"b,\n\"|\"\"|");
    check_cut(FT_CUT_CSV, "a\"b\nc\n", "a\"b|c|");
    check_cut(FT_CUT_CSV, "\"a\n", "\"a\n|");
}

TEST(cutter_long_line_grows_by_quarters)
{
    ft_account account;
    ft_error err = FT_ERROR_INIT;
    const size_t size = 8 << 20;
    char *text = malloc(size + 2);
    check_true(text != NULL);
    memset(text, 'x', size);
    text[size] = '\n';
    text[size + 1] = 'y';
    const char *paths[] = {write_file(text, size + 2)};
    ft_account_init(&account, 64 << 20);
    ft_cutter cutter = {
        .paths = paths, .path_count = 1, .block_bytes = 16 * 1024, .account = &account};
    ft_block block;
    bool more, wait;
    check_ok(ft_cutter_next(&cutter, &block, &more, &wait, &err), &err);
    check_int_eq(ft_column_text(&block.column, 0).size, size);
    check_true(ft_account_peak_bytes(&account) < (int64_t)(size + size / 2));
    ft_block_finish(&block);
    ft_cutter_finish(&cutter);
    check_int_eq(ft_account_used_bytes(&account), 0);
    // The account is what limits a line.
    ft_account_init(&account, 4 << 20);
    ft_cutter small = {
        .paths = paths, .path_count = 1, .block_bytes = 16 * 1024, .account = &account};
    check_fails(ft_cutter_next(&small, &block, &more, &wait, &err), &err, FT_ERROR_LIMIT);
    ft_cutter_finish(&small);
    check_int_eq(ft_account_used_bytes(&account), 0);
    free(text);
    unlink(path);
}

TEST(cutter_without_memory)
{
    const char *paths[] = {write_file("a\nbb\nccc\n", 9)};
    for (uint64_t nth = 1;; nth++) {
        ft_error err = FT_ERROR_INIT;
        ft_block block = {0};
        bool ok = true;
        ft_cutter cutter = {.paths = paths, .path_count = 1, .block_bytes = 4};
        ft_alloc_fail_at(nth, true);
        for (bool more = true, wait; ok && more;) {
            ok = ft_cutter_next(&cutter, &block, &more, &wait, &err);
            if (ok)
                ft_block_finish(&block);
        }
        ft_alloc_fail_at(0, false);
        ft_cutter_finish(&cutter);
        check_true(ok || err.code == FT_ERROR_NOMEM);
        if (ok)
            break;
        check_true(nth < 200);
    }
    unlink(path);
}

// ---- CSV ----

static const char *walk(const char *record)
{
    static char out[256];
    static ft_error err;
    ft_csv_walk walk;
    ft_csv_field field;
    err = (ft_error)FT_ERROR_INIT;
    out[0] = '\0';
    ft_csv_walk_init(&walk, (ft_slice){record, strlen(record)}, ',');
    for (bool more;;) {
        char text[100];
        if (!ft_csv_next(&walk, &field, &more, &err))
            return err.message;
        if (!more)
            return out;
        const size_t size = ft_csv_unescape(field.text, text);
        snprintf(out + strlen(out), sizeof(out) - strlen(out), "%s[%.*s]", field.quoted ? "q" : "",
                 (int)size, text);
    }
}

TEST(csv_fields)
{
    check_text_eq(walk("a,b"), "[a][b]");
    check_text_eq(walk(""), "[]");
    check_text_eq(walk(","), "[][]");
    check_text_eq(walk("\"a,\"\"b\"\"\",c"), "q[a,\"b\"][c]");
    check_text_eq(walk("\"\",\"\"\"\""), "q[]q[\"]");
    check_contains(walk("\"a"), "never closed");
    check_contains(walk("\"a\"b"), "behind the closing quote");
    check_contains(walk("a\"b"), "inside the unquoted field");
}

// Whatever is put as CSV reads back, and whatever is read ends.
TEST(csv_there_and_back)
{
    ft_random random;
    ft_text text;
    ft_random_init(&random, 11, 0);
    ft_text_init(&text, 1 << 16);
    for (int round = 0; round < 20000; round++) {
        char value[24];
        const size_t size = ft_random_next(&random) % sizeof(value);
        for (size_t i = 0; i < size; i++)
            value[i] = "ab\",\n\r "[ft_random_next(&random) % 7];
        ft_text_clear(&text);
        ft_csv_put(&text, (ft_slice){value, size}, ',');
        ft_text_append_char(&text, '\n');
        ft_csv_scan scan = {0};
        size_t end;
        check_true(ft_csv_find_end(ft_text_get(&text), ',', &scan, &end));
        check_int_eq(end, text.size - 1);
        ft_csv_walk walk;
        ft_csv_field field;
        ft_error err = FT_ERROR_INIT;
        bool more;
        char back[24];
        ft_csv_walk_init(&walk, (ft_slice){text.data, end}, ',');
        check_ok(ft_csv_next(&walk, &field, &more, &err), &err);
        check_int_eq(ft_csv_unescape(field.text, back), size);
        check_true(memcmp(back, value, size) == 0);
        check_ok(ft_csv_next(&walk, &field, &more, &err), &err);
        check_true(!more);
    }
    ft_text_finish(&text);
}

// Rows of random text: each is an item or a failure, and the columns stay equally long.
TEST(rows_mutated)
{
    static const char csv_spice[] = "\"\",,,ab1.-\xc3\xa9\xff 0e[]{}tnull";
    static const char json_seed[] = "{\"i\":12,\"f\":1.5,\"s\":\"x\\ny\",\"w\":[\"a\",\"\\u0041\"],"
                                    "\"t\":[[1,2],[3,4]],\"j\":{\"a\":[]}}";
    ft_type matrix = {.kind = FT_KIND_TENSOR, .dtype = FT_DTYPE_F32, .rank = 2, .shape = {2, 2}};
    ft_rows_field fields[] = {
        {"i", FT_TYPE(INT), 0},         {"f", FT_TYPE(FLOAT), 1}, {"s", FT_TYPE(STRING), 2},
        {"w", FT_TYPE_LIST(STRING), 3}, {"t", matrix, 4},         {"j", FT_TYPE(JSON), 5},
    };
    const size_t count = FT_COUNT_OF(fields);
    ft_random random;
    ft_rows rows;
    ft_error err = FT_ERROR_INIT;
    ft_random_init(&random, 13, 0);
    check_ok(ft_rows_init(&rows, fields, count, NULL, &err), &err);
    rows.csv_columns = count;
    rows.delimiter = ',';
    for (int batch = 0; batch < 200; batch++) {
        check_ok(ft_rows_begin(&rows, 100, 10000, &err), &err);
        for (int row = 0; row < 100; row++) {
            char text[200];
            size_t size = sizeof(json_seed) - 1;
            ft_error why = FT_ERROR_INIT;
            bool ok;
            if (batch % 2) {
                memcpy(text, json_seed, size);
                for (uint64_t i = ft_random_next(&random) % 4; i > 0; i--)
                    text[ft_random_next(&random) % size] =
                        csv_spice[ft_random_next(&random) % (sizeof(csv_spice) - 1)];
                ok = ft_rows_add_json(&rows, (ft_slice){text, size}, &why);
            } else {
                size = ft_random_next(&random) % 60;
                for (size_t i = 0; i < size; i++)
                    text[i] = csv_spice[ft_random_next(&random) % (sizeof(csv_spice) - 1)];
                ok = ft_rows_add_csv(&rows, (ft_slice){text, size}, &why);
            }
            check_true(ok || why.code == FT_ERROR_DATA);
            check_int_eq(rows.row_count, row + 1);
            for (size_t i = 0; i < count; i++)
                check_int_eq(rows.builders[i].count, row + 1);
        }
        for (size_t i = 0; i < count; i++) {
            ft_column column;
            check_ok(ft_rows_take(&rows, i, &column, &err), &err);
            ft_column_finish(&column);
        }
    }
    ft_rows_finish(&rows);
}

// ---- encoding ----

static size_t unhex(ft_slice hex, char *out)
{
    for (size_t i = 0; i + 1 < hex.size; i += 2) {
        char digits[3] = {hex.data[i], hex.data[i + 1], 0};
        out[i / 2] = (char)strtol(digits, NULL, 16);
    }
    return hex.size / 2;
}

TEST(encoding_replaces_as_python)
{
    char name[1100], line[4096], bytes[2048];
    const char *data = check_data_folder();
    ft_error err = FT_ERROR_INIT;
    ft_text got;
    int count = 0;
    if (!data)
        check_skip("no test data");
    snprintf(name, sizeof(name), "%s/vectors/invalid_utf8.jsonl", data);
    FILE *file = fopen(name, "rb");
    if (!file)
        check_skip("no invalid_utf8.jsonl");
    ft_text_init(&got, 1 << 16);
    for (; fgets(line, sizeof(line), file); count++) {
        ft_arena *arena = ft_arena_create();
        ft_json_node *root;
        check_ok(ft_json_parse((ft_slice){line, strlen(line)}, arena, &root, &err), &err);
        const size_t size = unhex(ft_json_find(root, "bytes_hex")->text, bytes);
        ft_text_clear(&got);
        ft_encoding_replace((ft_slice){bytes, size}, &got);
        check_true(ft_slice_equal(ft_text_get(&got), ft_json_find(root, "replaced_text")->text));
        ft_arena_destroy(arena);
    }
    fclose(file);
    ft_text_finish(&got);
    check_true(count >= 10);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
