// Slices, numbers with units, UTF-8, growing texts, nearest words, hashes and random numbers.
#include <stdio.h>
#include <string.h>

#include "runtime/memory/alloc.h"
#include "runtime/random.h"
#include "tests/check.h"

TEST(slices_compare_and_cut)
{
    check_true(ft_slice_equal(FT_SLICE(""), (ft_slice){NULL, 0}));
    check_true(ft_slice_is(FT_SLICE("abc"), "abc") && !ft_slice_is(FT_SLICE("abc"), "abcd"));
    check_true(ft_slice_compare(FT_SLICE("a"), FT_SLICE("ab")) < 0);
    check_true(ft_slice_compare(FT_SLICE("\xff"), FT_SLICE("a")) > 0);
    check_true(ft_slice_starts_with(FT_SLICE("abc"), FT_SLICE("ab")));
    check_true(ft_slice_ends_with(FT_SLICE("abc"), FT_SLICE("bc")));
    check_true(ft_slice_ends_with(FT_SLICE("abc"), (ft_slice){NULL, 0}));
    check_true(!ft_slice_ends_with(FT_SLICE("c"), FT_SLICE("bc")));
    check_slice_eq(ft_slice_trim(FT_SLICE(" \t a b\r\n")), "a b");
    ft_slice rest = FT_SLICE("a,,b,"), part;
    check_true(ft_slice_cut(&rest, ',', &part));
    check_slice_eq(part, "a");
    check_true(ft_slice_cut(&rest, ',', &part));
    check_slice_eq(part, "");
    check_true(ft_slice_cut(&rest, ',', &part));
    check_slice_eq(part, "b");
    check_true(ft_slice_cut(&rest, ',', &part));
    check_slice_eq(part, "");
    check_true(!ft_slice_cut(&rest, ',', &part));
}

TEST(integers_are_whole_and_in_range)
{
    int64_t value;
    static const char *const bad[] = {"",
                                      "-",
                                      "+",
                                      "1 ",
                                      " 1",
                                      "1.0",
                                      "0x10",
                                      "9223372036854775808",
                                      "-9223372036854775809",
                                      "1e3",
                                      "99999999999999999999999",
                                      NULL};

    check_true(ft_parse_int(FT_SLICE("9223372036854775807"), &value));
    check_true(value == INT64_MAX);
    check_true(ft_parse_int(FT_SLICE("-9223372036854775808"), &value));
    check_true(value == INT64_MIN);
    check_true(ft_parse_int(FT_SLICE("+07"), &value));
    check_int_eq(value, 7);
    for (int i = 0; bad[i]; i++)
        check_true(!ft_parse_int(ft_slice_of(bad[i]), &value));
    char text[FT_NUMBER_BYTES];
    check_int_eq(ft_print_int(INT64_MIN, text), 20);
    check_text_eq(text, "-9223372036854775808");
    ft_print_int(0, text);
    check_text_eq(text, "0");
}

static int64_t size_of(const char *text)
{
    int64_t value;
    return ft_parse_size(ft_slice_of(text), &value) ? value : -1;
}

static int64_t count_of(const char *text)
{
    int64_t value;
    return ft_parse_count(ft_slice_of(text), &value) ? value : -1;
}

static int64_t duration_of(const char *text)
{
    int64_t value;
    return ft_parse_duration(ft_slice_of(text), &value) ? value : -1;
}

TEST(units_are_what_they_say)
{
    check_int_eq(size_of("4096"), 4096);
    check_int_eq(size_of("64KiB"), 65536);
    check_int_eq(size_of("2GiB"), INT64_C(2) << 30);
    check_int_eq(size_of("1MB"), 1000000);
    check_int_eq(size_of("1.5 KiB"), 1536);
    check_int_eq(size_of("0.3KiB"), -1);
    check_int_eq(size_of("8388608TiB"), -1);
    check_int_eq(size_of("1XB"), -1);
    check_int_eq(size_of("-1"), -1);
    check_int_eq(size_of(""), -1);
    check_int_eq(count_of("10k"), 10000);
    check_int_eq(count_of("1.25M"), 1250000);
    check_int_eq(count_of("10 000"), -1);
    check_int_eq(duration_of("10ms"), 10);
    check_int_eq(duration_of("1.5s"), 1500);
    check_int_eq(duration_of("5m"), 300000);
    check_int_eq(duration_of("1h"), 3600000);
    check_int_eq(duration_of("0"), 0);
    check_int_eq(duration_of("5"), -1);
}

TEST(utf8_is_checked_as_rfc_3629_has_it)
{
    static const struct {
        const char *text;
        size_t valid;
    } cases[] = {
        {"abc", 3},
        {"\xc3\xa9", 2},
        {"\xe2\x82\xac", 3},
        {"\xf0\x9f\x98\x80", 4},
        {"a\x80", 1},
        {"a\xc3", 1},
        {"a\xc0\xaf", 1},
        {"\xe0\x80\x80", 0},
        {"\xed\xa0\x80", 0},
        {"\xed\x9f\xbf", 3},
        {"\xf4\x8f\xbf\xbf", 4},
        {"\xf4\x90\x80\x80", 0},
        {"\xf0\x8f\xbf\xbf", 0},
        {"\xf5\x80\x80\x80", 0},
        {"\xe2\x82", 0},
        {"\xff", 0},
    };
    char padded[128];

    for (size_t i = 0; i < FT_COUNT_OF(cases); i++) {
        check_int_eq(ft_utf8_valid_prefix(ft_slice_of(cases[i].text)), cases[i].valid);
        for (size_t before = 0; before < 70; before++) {
            memset(padded, 'x', before);
            size_t size = strlen(cases[i].text);
            memcpy(padded + before, cases[i].text, size);
            check_int_eq(ft_utf8_valid_prefix((ft_slice){padded, before + size}),
                         before + cases[i].valid);
        }
    }
}

// Long texts go another way than single characters: what those say of each is what must come out.
TEST(utf8_is_checked_alike_at_any_length)
{
    static const char *const pieces[] = {"x",
                                         "\xc3\xa9",
                                         "\xe2\x82\xac",
                                         "\xf0\x9f\x98\x80",
                                         "\xed\x9f\xbf",
                                         "\xf4\x8f\xbf\xbf",
                                         "plain text of some length"};
    char text[400];
    ft_random random;

    ft_random_init(&random, 20261128, 0);

    for (int round = 0; round < 20000; round++) {
        size_t size = 0, valid = 0;
        while (size < sizeof(text) - 32) {
            const char *piece = pieces[ft_random_next(&random) % FT_COUNT_OF(pieces)];
            memcpy(text + size, piece, strlen(piece));
            size += strlen(piece);
        }
        if (round % 4 > 0)
            text[ft_random_next(&random) % size] = (char)ft_random_next(&random);
        size -= ft_random_next(&random) % 40;
        for (size_t next = 0; next < size; valid = next) {
            size_t left = size - next;
            // A valid prefix of four bytes or fewer begins with a whole character.
            size_t found = ft_utf8_valid_prefix((ft_slice){text + next, left < 4 ? left : 4});
            if (found == 0)
                break;
            ft_utf8_next((ft_slice){text, size}, &next);
        }
        check_int_eq(ft_utf8_valid_prefix((ft_slice){text, size}), valid);
    }
}

TEST(utf8_code_points_go_round)
{
    char text[4];

    for (uint32_t c = 0; c < 0x110000; c++) {
        if (c >= 0xd800 && c < 0xe000)
            continue;
        ft_slice slice = {text, ft_utf8_put(c, text)};
        size_t at = 0;
        check_int_eq(ft_utf8_valid_prefix(slice), slice.size);
        check_int_eq(ft_utf8_next(slice, &at), c);
        check_int_eq(at, slice.size);
        check_int_eq(ft_utf8_count(slice), 1);
    }
}

TEST(texts_grow_to_their_bound)
{
    ft_error err = FT_ERROR_INIT;
    ft_text text;

    ft_text_init(&text, 10);
    ft_text_append_string(&text, "abc");
    ft_text_format(&text, "%04d", 12);
    ft_text_append_char(&text, '!');
    check_slice_eq(ft_text_get(&text), "abc0012!");
    check_text_eq(text.data, "abc0012!");
    ft_text_append_string(&text, "xy");
    check_ok(ft_text_check(&text, &err), &err);
    ft_text_append_char(&text, 'z');
    ft_text_append_string(&text, "");
    check_fails(ft_text_check(&text, &err), &err, FT_ERROR_LIMIT);
    ft_text_finish(&text);
    ft_text_init(&text, 1000);
    ft_alloc_fail_at(1, false);
    ft_text_append_string(&text, "x");
    ft_alloc_fail_at(0, false);
    ft_text_append_string(&text, "y");
    check_fails(ft_text_check(&text, &err), &err, FT_ERROR_NOMEM);
    ft_text_finish(&text);
}

TEST(near_words_are_found)
{
    static const char *const names[] = {"read", "write", "tokenize", "embed", "infer", NULL};

    check_text_eq(ft_nearest(FT_SLICE("tokenise"), names), "tokenize");
    check_text_eq(ft_nearest(FT_SLICE("raed"), names), "read");
    check_text_eq(ft_nearest(FT_SLICE("writ"), names), "write");
    check_true(ft_nearest(FT_SLICE("parquet"), names) == NULL);
    check_true(ft_nearest(FT_SLICE("x"), names) == NULL);
    check_int_eq(ft_edit_distance(FT_SLICE("ca"), FT_SLICE("ac"), 9), 1);
    check_int_eq(ft_edit_distance(FT_SLICE(""), FT_SLICE("abc"), 9), 3);
    check_int_eq(ft_edit_distance(FT_SLICE("kitten"), FT_SLICE("sitting"), 9), 3);
    check_int_eq(ft_edit_distance(FT_SLICE("kitten"), FT_SLICE("sitting"), 2), 2);
}

TEST(hashes_differ_by_every_bit)
{
    // 64 single-bit changes of texts of each size up to 80: no two hashes alike.
    uint64_t seen[80 * 8 + 1];
    char text[80];

    for (size_t size = 1; size <= sizeof(text); size++) {
        size_t count = 0;
        memset(text, 0, sizeof(text));
        seen[count++] = ft_hash((ft_slice){text, size}, 1);
        for (size_t bit = 0; bit < size * 8; bit++) {
            text[bit / 8] = (char)(1u << bit % 8);
            seen[count++] = ft_hash((ft_slice){text, size}, 1);
            text[bit / 8] = 0;
        }
        for (size_t i = 0; i < count; i++)
            for (size_t j = 0; j < i; j++)
                check_true(seen[i] != seen[j]);
    }
    check_true(ft_hash(FT_SLICE("a"), 1) != ft_hash(FT_SLICE("a"), 2));
    check_true(ft_hash(FT_SLICE(""), 1) == ft_hash((ft_slice){NULL, 0}, 1));
}

TEST(random_numbers_keep_their_range)
{
    ft_random a, b;
    double sum = 0, squares = 0;
    int seen[6] = {0};

    ft_random_init(&a, 7, 1);
    ft_random_init(&b, 7, 2);
    check_true(ft_random_next(&a) != ft_random_next(&b));
    for (int i = 0; i < 60000; i++) {
        int64_t value = ft_random_between(&a, -2, 3);
        check_true(value >= -2 && value <= 3);
        seen[value + 2]++;
        double x = ft_random_normal(&a);
        sum += x;
        squares += x * x;
        double u = ft_random_float(&a);
        check_true(u >= 0 && u < 1);
    }
    for (int i = 0; i < 6; i++)
        check_true(seen[i] > 9500 && seen[i] < 10500);
    check_float_near(sum / 60000, 0, 0.02);
    check_float_near(squares / 60000, 1, 0.03);
    check_int_eq(ft_random_between(&a, 5, 5), 5);
    ft_ignore(ft_random_between(&a, INT64_MIN, INT64_MAX) != 0);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
