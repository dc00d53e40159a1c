// Pipelines with bytes changed, dropped, doubled and moved: never a crash, and either a plan or an
// error. Seeded, so that a failure comes again; run under ASan and UBSan.
#include "tests/dsl/compile_text.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "runtime/memory/alloc.h"
#include "runtime/random.h"
#include "runtime/system/file.h"

enum { MUTATIONS = 20000, TEXT_MAX = 4096, CHANGES_MAX = 6, FILES_MAX = 400 };

static const char *const seeds[] = {
    "ftpipe: 1\nname: t\nparams:\n  docs: docs.jsonl\n  n: {default: 5, help: h}\nrun: {memory: "
    "2GiB, max_errors: 1%}\n"
    "defaults: {on_error: skip}\nx-a: &a {max_length: 3, normalize: true}\nstages:\n  - read: "
    "${params.docs}\n"
    "    types: {id: int, text: \"string\"}\n  - tokenize: words\n    <<: *a\n    when: len(text) "
    "> ${params.n}\n"
    "  - embed: words\n  - name: out\n    write: 'it''s.npy'\n    key: \"a\\u00e9\\n\"\n    "
    "fields: [embedding, id]\n"
    "  - {input: [read.errors, errors], drop: }\n",
    "stages:\n  - type: read\n    path: ${HOST:-x}/a\n  - filter: |\n      len(text) > 5\n        "
    "and id ~= 3 or text == \"\xC3\xA9\"\n"
    "  - filter: >-\n      id < 7\n      and true\n  - &w\n    write: y\n    key: k\n  - <<: *w\n  "
    "  write: z # c\n",
    "stages:\n  - read: ${params.x}\n  - embed: [a[1], words(1, 2)]\n    batch_size: yes\n    "
    "when: #tokens > 5\n  - dorp\n"
    "  - name: errors\n    input: raed.x\n    workers: {min: 1}\n    on_error: {retry: 3}\n",
    "a: &a [1, 2]\nb: &b [*a, *a]\nc: {<<: *b, ? x : y}\n---\n%YAML 1.2\n--- !!map\n? |\n  k\n: - "
    "v\n...\n",
};

static const char pieces[] = ":-?[]{}#&*!|>'\"%@`,\t\n \\$(){}0159az_.~=<";

static size_t below(ft_random *random, size_t bound)
{
    return (size_t)ft_random_between(random, 0, (int64_t)bound - 1);
}

static size_t change(char *text, size_t size, ft_random *random)
{
    size_t at = size ? below(random, size) : 0;
    char piece = pieces[below(random, sizeof(pieces) - 1)];
    size_t span = 1 + below(random, 12);

    if (span > size - at)
        span = size - at;
    switch (below(random, 6)) {
    case 0:
        if (size)
            text[at] = piece;
        return size;
    case 1:
        memmove(text + at, text + at + span, size - at - span);
        return size - span;
    case 2:
        if (size + 1 >= TEXT_MAX)
            return size;
        memmove(text + at + 1, text + at, size - at);
        text[at] = piece;
        return size + 1;
    case 3:
        if (size + span >= TEXT_MAX)
            return size;
        memmove(text + at + span, text + at, size - at);
        return size + span;
    case 4:
        if (size)
            text[at] = (char)below(random, 256);
        return size;
    default:
        return at > 20 || size < 40 ? size : size - span;
    }
}

static void play(const char *text, size_t size)
{
    // A block of just this size, so that a read behind its end is seen.
    char *exact = ft_alloc(size ? size : 1);

    check_true(exact != NULL);
    memcpy(exact, text, size);
    compiled done = compile_slice_with((ft_slice){exact, size}, "n", "7");
    size_t errors = ft_diagnostics_count(done.diagnostics, FT_SEVERITY_ERROR);
    check_int_eq(done.plan == NULL, errors > 0);
    for (size_t i = 0; i < errors && ft_diagnostics_get(done.diagnostics, i); i++) {
        const ft_diagnostic *one = ft_diagnostics_get(done.diagnostics, i);
        check_true(one->mark.offset <= size && one->mark.line > 0 && one->mark.length > 0 &&
                   one->message[0]);
        check_true(ft_explanation_find(one->number) != NULL);
    }
    FILE *out = tmpfile();
    check_true(out != NULL);
    ft_diagnostics_print(done.diagnostics, FT_FORMAT_TEXT, true, out);
    ft_diagnostics_print(done.diagnostics, FT_FORMAT_JSON, false, out);
    fclose(out);
    compiled_finish(&done);
    ft_free(exact);
}

TEST(the_seeds_are_played_as_they_are)
{
    for (size_t i = 0; i < FT_COUNT_OF(seeds); i++)
        play(seeds[i], strlen(seeds[i]));
    compiled good = compile_text(seeds[0]);
    if (!good.plan)
        ft_diagnostics_print(good.diagnostics, FT_FORMAT_TEXT, false, stderr);
    check_true(good.plan != NULL);
    compiled_finish(&good);
}

// The files of broken/, beside this one, and the seeds above.
static int compare_slices(const void *a, const void *b)
{
    return ft_slice_compare(*(const ft_slice *)a, *(const ft_slice *)b);
}

static size_t load_all(ft_arena *arena, ft_slice *out, size_t capacity)
{
    const char *end = strrchr(__FILE__, '/');
    size_t count = 0;
    ft_error err = FT_ERROR_INIT;

    for (size_t i = 0; i < FT_COUNT_OF(seeds); i++)
        out[count++] = ft_slice_of(seeds[i]);
    const char *folder =
        ft_arena_format(arena, "%.*s/broken", end ? (int)(end - __FILE__) : 1, __FILE__);
    DIR *files = folder ? opendir(folder) : NULL;
    for (struct dirent *one; files && count < capacity && (one = readdir(files));) {
        const char *path = ft_path_join(arena, folder, one->d_name);
        ft_slice text;
        if (!path || !ft_slice_ends_with(ft_slice_of(path), FT_SLICE(".yaml")))
            continue;
        check_ok(ft_file_read(path, arena, TEXT_MAX, &text, &err), &err);
        if (text.size < TEXT_MAX)
            out[count++] = text;
    }
    if (files)
        closedir(files);
    // The order of a folder is not the same everywhere.
    qsort(out + FT_COUNT_OF(seeds), count - FT_COUNT_OF(seeds), sizeof(*out), compare_slices);
    return count;
}

TEST(no_change_crashes)
{
    char text[TEXT_MAX];
    ft_slice files[FILES_MAX];
    ft_arena *arena = ft_arena_create();
    ft_random random;

    check_true(arena != NULL);
    size_t count = load_all(arena, files, FILES_MAX);

    ft_random_init(&random, 20261122, 0);
    for (int i = 0; i < MUTATIONS; i++) {
        // Half of them of the seeds, which have more in them.
        ft_slice file = files[below(&random, i % 2 ? count : FT_COUNT_OF(seeds))];
        size_t size = file.size, changes = 1 + below(&random, CHANGES_MAX);

        if (size > 0)
            memcpy(text, file.data, size);
        for (size_t k = 0; k < changes; k++)
            size = change(text, size, &random);
        play(text, size);
    }
    ft_arena_destroy(arena);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
