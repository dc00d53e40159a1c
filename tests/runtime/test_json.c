// JSON: the public suite, the reader's walk, escapes, the tree, and mutated text.
#define _XOPEN_SOURCE 700  // mkstemp, ftruncate
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/data/json.h"
#include "runtime/memory/alloc.h"
#include "runtime/random.h"
#include "tests/check.h"

static ft_slice slice(const char *text)
{
    return (ft_slice){text, strlen(text)};
}

static bool accepts(const char *text)
{
    ft_error err = FT_ERROR_INIT;
    return ft_json_check(slice(text), &err);
}

// An exact copy on the heap, so that the sanitizer sees any read behind the end.
static char *exact_copy(const char *data, size_t size)
{
    char *copy = malloc(size ? size : 1);
    check_true(copy != NULL);
    if (size)
        memcpy(copy, data, size);
    return copy;
}

static void check_suite_file(const char *folder, const char *name)
{
    char path[1400];
    static char text[1 << 20];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    check_true(file != NULL);
    size_t size = fread(text, 1, sizeof(text), file);
    fclose(file);
    char *copy = exact_copy(text, size);
    ft_error err = FT_ERROR_INIT;
    ft_arena *arena = ft_arena_create();
    ft_json_node *tree = NULL;
    bool ok = ft_json_check((ft_slice){copy, size}, &err);
    if (ok != (name[0] == 'y') && name[0] != 'i') {
        fprintf(stderr, "%s: %s\n", name, ok ? "accepted" : err.message);
        check_true(false);
    }
    err = (ft_error)FT_ERROR_INIT;
    ok = ft_json_parse((ft_slice){copy, size}, arena, &tree, &err);
    // The tree alone refuses keys that are there twice.
    check_true(ok == (name[0] == 'y') || name[0] == 'i' || strstr(name, "duplicated_key"));
    ft_arena_destroy(arena);
    free(copy);
}

TEST(json_suite)
{
    char folder[1100];
    const char *data = check_data_folder();
    if (!data)
        check_skip("no test data");
    snprintf(folder, sizeof(folder), "%s/conformance/JSONTestSuite/test_parsing", data);
    DIR *files = opendir(folder);
    if (!files)
        check_skip("no JSONTestSuite");
    int count = 0;
    for (struct dirent *entry; (entry = readdir(files)) != NULL;) {
        if (!strstr(entry->d_name, ".json"))
            continue;
        check_suite_file(folder, entry->d_name);
        count++;
    }
    closedir(files);
    check_true(count > 100);
}

TEST(json_depth_is_bounded)
{
    char text[2 * FT_JSON_DEPTH_MAX + 3];
    memset(text, '[', FT_JSON_DEPTH_MAX + 1);
    memset(text + FT_JSON_DEPTH_MAX + 1, ']', FT_JSON_DEPTH_MAX + 1);
    text[sizeof(text) - 1] = '\0';
    ft_error err = FT_ERROR_INIT;
    check_fails(ft_json_check((ft_slice){text, sizeof(text) - 1}, &err), &err, FT_ERROR_DATA);
    check_contains(err.message, "deeper than 256");
    check_true(ft_json_check((ft_slice){text + 1, sizeof(text) - 3}, &err));
}

TEST(json_says_where)
{
    ft_error err = FT_ERROR_INIT;
    check_fails(ft_json_check(slice("{\"a\": 1,}"), &err), &err, FT_ERROR_DATA);
    check_text_eq(err.message, "invalid JSON at byte 8: expected a key in quotes, found `}`");
    err = (ft_error)FT_ERROR_INIT;
    check_fails(ft_json_check(slice("[1, 2"), &err), &err, FT_ERROR_DATA);
    check_text_eq(err.message, "invalid JSON at byte 5: expected `,` or `]`, but the text ends");
    err = (ft_error)FT_ERROR_INIT;
    check_fails(ft_json_check(slice("\"0123456789abcdef\xc3(\""), &err), &err, FT_ERROR_DATA);
    check_contains(err.message, "at byte 17: expected valid UTF-8, found byte 0xc3");
    err = (ft_error)FT_ERROR_INIT;
    check_fails(ft_json_check(slice(""), &err), &err, FT_ERROR_DATA);
}

TEST(json_strings_of_every_length)
{
    // What ends or spoils a string, at every place around the width of a vector.
    char text[80];
    for (size_t size = 0; size < 70; size++) {
        memset(text, 'x', sizeof(text));
        text[0] = '"';
        text[size + 1] = '"';
        char *copy = exact_copy(text, size + 2);
        ft_error err = FT_ERROR_INIT;
        check_true(ft_json_check((ft_slice){copy, size + 2}, &err));
        check_true(!ft_json_check((ft_slice){copy, size + 1}, &err));
        for (size_t at = 1; at <= size; at++) {
            copy[at] = '\n';
            check_true(!ft_json_check((ft_slice){copy, size + 2}, &err));
            copy[at] = (char)0x80;
            check_true(!ft_json_check((ft_slice){copy, size + 2}, &err));
            copy[at] = (char)0x7f;
            check_true(ft_json_check((ft_slice){copy, size + 2}, &err));
            copy[at] = 'x';
        }
        free(copy);
    }
}

// A text and the same text as a string, with escapes of all kinds, more often at some densities
// than at others.
static size_t make_string(ft_random *random, char *text, size_t size, char *json, size_t *json_size)
{
    static const char *const pieces[][2] = {
        {"\n", "\\n"},    {"\"", "\\\""},           {"\\", "\\\\"},   {"/", "\\/"},
        {"\t", "\\t"},    {"\xc3\xa9", "\xc3\xa9"}, {"A", "\\u0041"}, {"\xe2\x82\xac", "\\u20ac"},
        {"\x7f", "\x7f"},
    };
    const uint64_t rarity = 1 + ft_random_next(random) % 40;
    size_t at = 0, out = 0;
    json[out++] = '"';
    while (at + 4 < size) {
        const char *plain = "x", *written = "x";
        if (ft_random_next(random) % rarity == 0) {
            const size_t which = ft_random_next(random) % FT_COUNT_OF(pieces);
            plain = pieces[which][0];
            written = pieces[which][1];
        }
        memcpy(text + at, plain, strlen(plain));
        memcpy(json + out, written, strlen(written));
        at += strlen(plain);
        out += strlen(written);
    }
    json[out++] = '"';
    *json_size = out;
    return at;
}

TEST(json_text_is_copied_and_unescaped)
{
    enum { BYTES = 300 };
    char text[BYTES], made[6 * BYTES + 8];
    ft_random random;

    ft_random_init(&random, 20261128, 0);
    for (int round = 0; round < 20000; round++) {
        size_t json_size, found;
        const size_t size =
            make_string(&random, text, 5 + (size_t)round % (BYTES - 5), made, &json_size);
        char *copy = exact_copy(made, json_size), *out = exact_copy(made, json_size);
        ft_error err = FT_ERROR_INIT;
        ft_json json;
        ft_json_init(&json, (ft_slice){copy, json_size});
        check_true(ft_json_is_at_text(&json));
        check_true(ft_json_read_text(&json, out, &found, &err));
        check_true(found == size && memcmp(out, text, size) == 0);
        check_int_eq(json.at, json_size);
        // What spoils it is found wherever it stands, and so is a missing end.
        const size_t where = 1 + ft_random_next(&random) % (json_size - 2);
        copy[where] = (char)(round % 2 ? 0x1f : 0xff);
        ft_json_init(&json, (ft_slice){copy, json_size});
        check_fails(ft_json_read_text(&json, out, &found, &err), &err, FT_ERROR_DATA);
        ft_json_init(&json, (ft_slice){made, where});
        check_fails(ft_json_read_text(&json, out, &found, &err), &err, FT_ERROR_DATA);
        free(copy);
        free(out);
    }
}

TEST(json_walk)
{
    ft_json json;
    ft_json_value value, key;
    ft_slice text;
    ft_error err = FT_ERROR_INIT;
    bool first = true, more;
    ft_json_init(&json, slice(" {\"a\" : [1, {\"b\":[]}] , \"\\u0063\":\"x\\ny\"} "));
    check_ok(ft_json_read(&json, &value, &err), &err);
    check_int_eq(value.kind, FT_JSON_OBJECT);
    check_ok(ft_json_next_member(&json, &first, &more, &key, &err), &err);
    check_true(more && ft_json_key_is(&key, "a") && !ft_json_key_is(&key, "ab"));
    check_ok(ft_json_skip(&json, &text, &err), &err);
    check_slice_eq(text, "[1, {\"b\":[]}]");
    check_ok(ft_json_next_member(&json, &first, &more, &key, &err), &err);
    check_true(more && key.has_escapes && ft_json_key_is(&key, "c") && !ft_json_key_is(&key, ""));
    check_ok(ft_json_read(&json, &value, &err), &err);
    check_true(value.has_escapes);
    check_ok(ft_json_next_member(&json, &first, &more, &key, &err), &err);
    check_true(!more);
    check_ok(ft_json_end(&json, &err), &err);
}

static void check_unescape(const char *text, const char *want)
{
    char out[64];
    size_t size;
    ft_error err = FT_ERROR_INIT;
    check_ok(ft_json_unescape(slice(text), out, &size, &err), &err);
    check_true(size <= strlen(text));
    check_slice_eq(((ft_slice){out, size}), want);
}

TEST(json_unescape)
{
    check_unescape("", "");
    check_unescape("plain", "plain");
    check_unescape("\\\"\\\\\\/\\b\\f\\n\\r\\t", "\"\\/\b\f\n\r\t");
    check_unescape("a\\u00e9b", "a\xc3\xa9"
                                "b");
    check_unescape("\\uD83D\\uDE00!", "\xf0\x9f\x98\x80!");
    check_unescape("\\u20AC", "\xe2\x82\xac");
    const char *const lone[] = {"\\ud83d", "\\ud83dx", "\\ude00", "\\ud83d\\u0041", "\\ud83d\\n"};
    for (size_t i = 0; i < FT_COUNT_OF(lone); i++) {
        char out[64];
        size_t size;
        ft_error err = FT_ERROR_INIT;
        check_fails(ft_json_unescape(slice(lone[i]), out, &size, &err), &err, FT_ERROR_DATA);
    }
}

TEST(json_put)
{
    ft_text out;
    ft_text_init(&out, 1 << 16);
    char all[130];
    for (size_t i = 0; i < 128; i++)
        all[i] = (char)i;
    memcpy(all + 128, "\xc3\xa9", 2);
    ft_json_put_string(&out, (ft_slice){all, sizeof(all)});
    // Reads back equal, with all controls escaped.
    ft_json json;
    ft_json_value value;
    ft_error err = FT_ERROR_INIT;
    char back[1024];
    size_t size;
    ft_json_init(&json, ft_text_get(&out));
    check_ok(ft_json_read(&json, &value, &err), &err);
    check_ok(ft_json_unescape(value.text, back, &size, &err), &err);
    check_int_eq(size, sizeof(all));
    check_true(memcmp(back, all, size) == 0);
    ft_text_clear(&out);
    ft_json_put_string(&out, slice("\x01\n\"\\/"));
    check_slice_eq(ft_text_get(&out), "\"\\u0001\\n\\\"\\\\/\"");
    ft_text_clear(&out);
    const double numbers[] = {0.1, 3, -0.0, (double)INFINITY, (double)NAN, 1e300};
    for (size_t i = 0; i < FT_COUNT_OF(numbers); i++) {
        ft_json_put_float(&out, numbers[i]);
        ft_text_append_char(&out, ' ');
    }
    check_slice_eq(ft_text_get(&out), "0.1 3.0 -0.0 null null 1e300 ");
    ft_text_finish(&out);
}

TEST(json_tree)
{
    ft_arena *arena = ft_arena_create();
    ft_json_node *root;
    ft_error err = FT_ERROR_INIT;
    int64_t integer;
    double number;
    check_ok(
        ft_json_parse(slice("{\"a\": [1, 2.5, {\"b\": null}], \"c\\n\": \"d\\u00e9\", \"e\": {}}"),
                      arena, &root, &err),
        &err);
    check_int_eq(root->count, 3);
    check_slice_eq(root->keys[1], "c\n");
    check_slice_eq(ft_json_find(root, "c\n")->text, "d\xc3\xa9");
    const ft_json_node *list = ft_json_find(root, "a");
    check_int_eq(list->count, 3);
    check_true(ft_json_get_int(&list->children[0], &integer) && integer == 1);
    check_true(!ft_json_get_int(&list->children[1], &integer));
    check_true(ft_json_get_float(&list->children[1], &number) && number == 2.5);
    check_int_eq(ft_json_find(&list->children[2], "b")->kind, FT_JSON_NULL);
    check_int_eq(ft_json_find(root, "e")->count, 0);
    check_true(ft_json_find(root, "x") == NULL && ft_json_find(list, "x") == NULL);
    check_fails(ft_json_parse(slice("{\"a\":1,\"\\u0061\":2}"), arena, &root, &err), &err,
                FT_ERROR_DATA);
    check_contains(err.message, "the key `a` is there twice");
    ft_arena_destroy(arena);
}

TEST(json_tree_many_keys)
{
    ft_arena *arena = ft_arena_create();
    ft_text text;
    ft_json_node *root;
    ft_error err = FT_ERROR_INIT;
    ft_text_init(&text, 1 << 20);
    for (int i = 0; i < 5000; i++)
        ft_text_format(&text, "%c\"k%d\":%d", i ? ',' : '{', i, i);
    ft_text_append_char(&text, '}');
    check_ok(ft_json_parse(ft_text_get(&text), arena, &root, &err), &err);
    check_int_eq(root->count, 5000);
    check_slice_eq(ft_json_find(root, "k4321")->text, "4321");
    text.size--;
    ft_text_append_string(&text, ",\"k17\":0}");
    check_fails(ft_json_parse(ft_text_get(&text), arena, &root, &err), &err, FT_ERROR_DATA);
    check_contains(err.message, "`k17`");
    ft_text_finish(&text);
    ft_arena_destroy(arena);
}

TEST(json_tree_without_memory)
{
    for (uint64_t nth = 1;; nth++) {
        ft_error err = FT_ERROR_INIT;
        ft_json_node *root;
        ft_alloc_fail_at(nth, true);
        ft_arena *arena = ft_arena_create();
        bool ok = arena &&
                  ft_json_parse(slice("{\"a\":[1,{\"b\":\"c\\n\"}],\"d\":[]}"), arena, &root, &err);
        ft_alloc_fail_at(0, false);
        check_true(ok || !arena || err.code == FT_ERROR_NOMEM);
        ft_arena_destroy(arena);
        if (ok)
            return;
        check_true(nth < 100);
    }
}

// Whatever the bytes are: the reader ends, and the check and the tree agree (but for equal keys).
TEST(json_mutated)
{
    static const char seed_text[] =
        "{\"id\":17,\"text\":\"a \\\"quoted\\\" \\u00e9\\ud83d\\ude00 text of some length "
        "\xc3\xa9\","
        "\"v\":[1,-2.5e3,true,false,null,{\"deep\":[[[]]]}],\"empty\":{}}";
    static const char spice[] = "\"\\{}[],:0123456789.-+eEtfnu \n\x80\xc3\xa9\xff";
    ft_random random;
    ft_random_init(&random, 20261122, 0);
    for (int round = 0; round < 100000; round++) {
        char *text = exact_copy(seed_text, sizeof(seed_text) - 1);
        size_t size = sizeof(seed_text) - 1;
        for (uint64_t i = 0, changes = 1 + ft_random_next(&random) % 4; i < changes; i++)
            text[ft_random_next(&random) % size] =
                spice[ft_random_next(&random) % (sizeof(spice) - 1)];
        if (ft_random_next(&random) % 4 == 0) {
            size = ft_random_next(&random) % size;
            char *shorter = exact_copy(text, size);
            free(text);
            text = shorter;
        }
        ft_error err = FT_ERROR_INIT, tree_err = FT_ERROR_INIT;
        ft_json_node *root;
        const bool ok = ft_json_check((ft_slice){text, size}, &err);
        check_true(ok == (err.code == FT_ERROR_NONE));
        if (ok || round % 16 == 0) {
            ft_arena *arena = ft_arena_create();
            const bool tree_ok = ft_json_parse((ft_slice){text, size}, arena, &root, &tree_err);
            check_true(ok || !tree_ok);
            ft_arena_destroy(arena);
        }
        free(text);
    }
}

TEST(json_files)
{
    char path[] = "/tmp/ftpipe-test-json-XXXXXX";
    ft_arena *arena = ft_arena_create();
    const ft_json_node *root;
    int64_t value;
    ft_error err = FT_ERROR_INIT;

    int fd = mkstemp(path);
    check_true(fd >= 0 && write(fd, "{\"a\": 7}", 8) == 8);
    check_ok(ft_json_parse_file(path, arena, 8, &root, &err), &err);
    check_true(ft_json_get_int(ft_json_find(root, "a"), &value) && value == 7);
    check_true(!ft_json_parse_file(path, arena, 7, &root, &err) && err.code == FT_ERROR_LIMIT);
    check_contains(err.message, path);
    err = (ft_error)FT_ERROR_INIT;
    check_true(ftruncate(fd, 5) == 0);
    check_true(!ft_json_parse_file(path, arena, 8, &root, &err) && err.code == FT_ERROR_DATA);
    check_contains(err.message, path);
    check_contains(err.message, "at byte 5");
    err = (ft_error)FT_ERROR_INIT;
    close(fd);
    unlink(path);
    check_true(!ft_json_parse_file(path, arena, 8, &root, &err) && err.code == FT_ERROR_IO);
    check_contains(err.message, path);
    ft_arena_destroy(arena);
}

TEST(json_small_refusals)
{
    const char *const good[] = {"0",  " -0 ", "1e5",     "1.5E-3", "\"\"",
                                "[]", "{}",   "[[],{}]", "null"};
    const char *const bad[] = {"01",   "-",   "1.",      ".5",          "+1",     "1e",
                               "tru",  "nul", "'a'",     "[1 2]",       "{1:2}",  "{\"a\" 1}",
                               "[,1]", "1 2", "\"\\x\"", "\"\\u12g4\"", "\"\t\"", "[1,]"};
    for (size_t i = 0; i < FT_COUNT_OF(good); i++)
        check_true(accepts(good[i]));
    for (size_t i = 0; i < FT_COUNT_OF(bad); i++)
        check_true(!accepts(bad[i]));
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
