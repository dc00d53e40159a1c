// Packed streams there and back, cut short at every byte, and mutated; output files and what they
// leave behind.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/memory/alloc.h"
#include "runtime/random.h"
#include "stages/io/output.h"
#include "stages/io/packer.h"
#include "stages/io/stream.h"
#include "tests/check.h"

static char folder[64];

static const char *in_folder(const char *name)
{
    static char path[4][128];
    static int turn;
    char *out = path[turn++ & 3];
    if (!folder[0]) {
        snprintf(folder, sizeof(folder), "/tmp/ftpipe-test-XXXXXX");
        check_true(mkdtemp(folder) != NULL);
    }
    snprintf(out, sizeof(path[0]), "%s/%s", folder, name);
    return out;
}

static void write_file(const char *path, const char *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    check_true(file != NULL);
    check_int_eq(fwrite(bytes, 1, size, file), size);
    check_int_eq(fclose(file), 0);
}

static size_t read_file(const char *path, char *out, size_t room)
{
    FILE *file = fopen(path, "rb");
    check_true(file != NULL);
    const size_t size = fread(out, 1, room, file);
    fclose(file);
    return size;
}

// The whole text, read in pieces of `piece` bytes. False with `err`.
static bool read_stream(const char *path, size_t piece, char *out, size_t *out_size, ft_error *err)
{
    size_t size = 0, got = 1;
    ft_stream *stream = ft_stream_open(path, err);
    bool ok = stream != NULL;
    while (ok && got > 0) {
        ok = ft_stream_read(stream, out + size, piece, &got, err);
        size += ok ? got : 0;
        check_true(size < 1 << 20);
    }
    ft_stream_close(stream);
    *out_size = size;
    return ok;
}

static bool is_built_in(const char *name)
{
    ft_error err = FT_ERROR_INIT;
    return ft_packer_check(name, &err);
}

static bool append_to_text(void *host, ft_slice bytes, ft_error *err)
{
    ft_text_append(host, bytes);
    return ft_text_check(host, err);
}

// `times` members or frames of the same text.
static void pack(const char *name, ft_slice text, int times, ft_text *out)
{
    ft_error err = FT_ERROR_INIT;
    for (int i = 0; i < times; i++) {
        ft_packer *packer;
        check_ok(ft_packer_open(name, &packer, &err), &err);
        check_ok(ft_packer_put(packer, text, append_to_text, out, &err), &err);
        check_ok(ft_packer_end(packer, append_to_text, out, &err), &err);
        ft_packer_close(packer);
    }
}

static void check_there_and_back(const char *name)
{
    static char text[200000], back[1 << 20];
    ft_random random;
    ft_error err = FT_ERROR_INIT;
    ft_text packed;
    size_t size;
    if (!is_built_in(name))
        check_skip("not built in");
    ft_random_init(&random, 3, 0);
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)('a' + ft_random_next(&random) % (i % 1000 < 500 ? 2 : 26));
    const size_t sizes[] = {0, 1, 1000, sizeof(text)};
    ft_text_init(&packed, 1 << 20);
    for (size_t i = 0; i < FT_COUNT_OF(sizes); i++)
        for (int times = 1; times < 4; times++) {
            ft_text_clear(&packed);
            pack(name, (ft_slice){text, sizes[i]}, times, &packed);
            write_file(in_folder(name), packed.data, packed.size);
            check_ok(read_stream(in_folder(name), i % 2 ? 100000 : 777, back, &size, &err), &err);
            check_int_eq(size, sizes[i] * (size_t)times);
            for (int k = 0; k < times; k++)
                check_true(memcmp(back + (size_t)k * sizes[i], text, sizes[i]) == 0);
        }
    ft_text_finish(&packed);
}

TEST(stream_gzip_there_and_back)
{
    check_there_and_back("a.gz");
}

TEST(stream_zstd_there_and_back)
{
    check_there_and_back("a.zst");
}

// Cut short anywhere but between members, a file fails and says so.
static void check_cut_short(const char *name)
{
    static char back[1 << 20];
    ft_text packed;
    size_t size;
    if (!is_built_in(name))
        check_skip("not built in");
    ft_text_init(&packed, 1 << 20);
    pack(name, FT_SLICE("one line of text\n"), 2, &packed);
    for (size_t cut = 0; cut <= packed.size; cut++) {
        ft_error err = FT_ERROR_INIT;
        write_file(in_folder(name), packed.data, cut);
        const bool ok = read_stream(in_folder(name), 1000, back, &size, &err);
        check_true(ok == (cut % (packed.size / 2) == 0));
        if (!ok)
            check_contains(err.message, "the compressed data ends early, after ");
    }
    ft_text_finish(&packed);
}

TEST(stream_gzip_cut_short)
{
    check_cut_short("a.gz");
}

TEST(stream_zstd_cut_short)
{
    check_cut_short("a.zst");
}

// Random changes: it ends, with the text or an error; gzip and zstd have checksums, so that what
// comes out is right or fails.
static void check_mutated(const char *name, uint64_t seed, int rounds)
{
    static const char text[] = "some text, some more text, and the same text again and again\n";
    static char back[1 << 20];
    ft_random random;
    ft_text packed;
    size_t size;
    int failures = 0;
    if (!is_built_in(name))
        check_skip("not built in");
    ft_random_init(&random, seed, 0);
    ft_text_init(&packed, 1 << 20);
    pack(name, (ft_slice){text, sizeof(text) - 1}, 2, &packed);
    for (int round = 0; round < rounds; round++) {
        char changed[1024];
        ft_error err = FT_ERROR_INIT;
        memcpy(changed, packed.data, packed.size);
        for (uint64_t i = 1 + ft_random_next(&random) % 3; i > 0; i--)
            changed[ft_random_next(&random) % packed.size] ^=
                (char)(1u << ft_random_next(&random) % 8);
        write_file(in_folder(name), changed, packed.size);
        const bool ok = read_stream(in_folder(name), 4096, back, &size, &err);
        check_true(ok == (err.code == FT_ERROR_NONE));
        failures += !ok;
    }
    check_true(failures > rounds / 2);
    ft_text_finish(&packed);
}

TEST(stream_gzip_mutated)
{
    check_mutated("a.gz", 5, 1500);
}

TEST(stream_zstd_mutated)
{
    check_mutated("a.zst", 6, 1500);
}

TEST(stream_zero_padding_behind_gzip)
{
    static char back[1 << 20];
    ft_error err = FT_ERROR_INIT;
    ft_text packed;
    size_t size;
    if (!is_built_in("a.gz"))
        check_skip("not built in");
    ft_text_init(&packed, 1 << 20);
    pack("a.gz", FT_SLICE("x"), 1, &packed);
    for (int i = 0; i < 1000; i++)
        ft_text_append_char(&packed, 0);
    write_file(in_folder("a.gz"), packed.data, packed.size);
    check_ok(read_stream(in_folder("a.gz"), 1000, back, &size, &err), &err);
    check_int_eq(size, 1);
    ft_text_finish(&packed);
}

// Data without a telling name, from standard input, in the smallest portions that a pipe can give.
static void check_from_a_pipe(const char *name, ft_slice bytes, const char *want)
{
    char back[100];
    ft_error err = FT_ERROR_INIT;
    size_t size = 0, got = 1;
    int ends[2];
    const int saved = dup(STDIN_FILENO);
    check_int_eq(pipe(ends), 0);
    check_int_eq(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
    close(ends[0]);
    ft_stream *stream = ft_stream_open(name, &err);
    check_true(stream != NULL);
    check_true(ft_stream_is_live(stream));
    // All of it is in the pipe before the first read, which must not wait.
    check_int_eq(write(ends[1], bytes.data, bytes.size), bytes.size);
    close(ends[1]);
    while (got > 0) {
        check_true(ft_stream_is_ready(stream));
        check_ok(ft_stream_read(stream, back + size, 1, &got, &err), &err);
        size += got;
        check_true(size < sizeof(back));
    }
    ft_stream_close(stream);
    check_int_eq(dup2(saved, STDIN_FILENO), STDIN_FILENO);
    close(saved);
    back[size] = '\0';
    check_text_eq(back, want);
}

TEST(stream_standard_input_is_recognised)
{
    ft_text packed;
    if (!is_built_in("a.gz") || !is_built_in("a.zst"))
        check_skip("not built in");
    ft_text_init(&packed, 1 << 20);
    pack("a.gz", FT_SLICE("some text\n"), 2, &packed);
    check_from_a_pipe("-", ft_text_get(&packed), "some text\nsome text\n");
    ft_text_clear(&packed);
    pack("a.zst", FT_SLICE("some text\n"), 2, &packed);
    check_from_a_pipe("-", ft_text_get(&packed), "some text\nsome text\n");
    check_from_a_pipe("-", FT_SLICE("(\xc2\xb5) plain"), "(\xc2\xb5) plain");
    check_from_a_pipe("-", FT_SLICE("("), "(");
    check_from_a_pipe("-", FT_SLICE(""), "");
    ft_text_finish(&packed);
}

// ---- output ----

TEST(output_append_refused_cuts_nothing)
{
    ft_error err = FT_ERROR_INIT;
    char back[100];
    const char *path = in_folder("both.txt");
    write_file(path, "old", 3);
    ft_output *one = ft_output_open(path, FT_OUTPUT_APPEND, NULL, &err);
    check_true(one != NULL);
    check_ok(ft_output_put(one, FT_SLICE("new"), &err), &err);
    check_true(ft_output_open(path, FT_OUTPUT_APPEND, NULL, &err) == NULL);
    check_contains(err.message, "is being written by another stage or run");
    err = (ft_error)FT_ERROR_INIT;
    check_ok(ft_output_commit(one, &err), &err);
    ft_output_close(one);
    check_int_eq(read_file(path, back, sizeof(back)), 6);
}

TEST(output_appears_at_the_commit)
{
    ft_error err = FT_ERROR_INIT;
    char back[100];
    const char *path = in_folder("new/folder/out.txt");
    unlink(path);
    ft_output *output = ft_output_open(path, FT_OUTPUT_CREATE, NULL, &err);
    check_true(output != NULL);
    check_ok(ft_output_put(output, FT_SLICE("hello"), &err), &err);
    check_true(access(path, F_OK) != 0);
    check_true(access(in_folder("new/folder/out.txt.part"), F_OK) == 0);
    check_ok(ft_output_rewrite(output, FT_SLICE("J"), &err), &err);
    check_ok(ft_output_commit(output, &err), &err);
    ft_output_close(output);
    check_int_eq(read_file(path, back, sizeof(back)), 5);
    check_true(memcmp(back, "Jello", 5) == 0);
    check_true(access(in_folder("new/folder/out.txt.part"), F_OK) != 0);
}

TEST(output_create_loses_no_race)
{
    ft_error err = FT_ERROR_INIT;
    char back[100];
    const char *path = in_folder("race.txt");
    unlink(path);
    ft_output *output = ft_output_open(path, FT_OUTPUT_CREATE, NULL, &err);
    check_true(output != NULL);
    write_file(path, "theirs", 6);
    check_ok(ft_output_put(output, FT_SLICE("ours"), &err), &err);
    check_fails(ft_output_commit(output, &err), &err, FT_ERROR_IO);
    check_contains(err.message, "exists");
    ft_output_close(output);
    check_int_eq(read_file(path, back, sizeof(back)), 6);
    check_true(access(in_folder("race.txt.part"), F_OK) != 0);
}

TEST(output_two_writers_of_one_file)
{
    ft_error err = FT_ERROR_INIT;
    const char *path = in_folder("two.txt");
    ft_output *one = ft_output_open(path, FT_OUTPUT_REPLACE, NULL, &err);
    check_true(one != NULL);
    check_ok(ft_output_put(one, FT_SLICE("one"), &err), &err);
    check_true(ft_output_open(path, FT_OUTPUT_REPLACE, NULL, &err) == NULL);
    check_contains(err.message, "is being written by another stage or run");
    err = (ft_error)FT_ERROR_INIT;
    check_ok(ft_output_commit(one, &err), &err);
    ft_output_close(one);
}

TEST(output_without_commit_leaves_nothing)
{
    ft_error err = FT_ERROR_INIT;
    char back[100];
    const char *path = in_folder("old.txt");
    write_file(path, "old", 3);
    uint64_t existing;
    ft_output *output = ft_output_open(path, FT_OUTPUT_APPEND, &existing, &err);
    check_true(output != NULL);
    check_int_eq(existing, 3);
    check_ok(ft_output_put(output, FT_SLICE("new"), &err), &err);
    ft_output_close(output);
    check_int_eq(read_file(path, back, sizeof(back)), 3);
    output = ft_output_open(path, FT_OUTPUT_REPLACE, NULL, &err);
    check_true(output != NULL);
    check_ok(ft_output_put(output, FT_SLICE("new"), &err), &err);
    ft_output_close(output);
    check_int_eq(read_file(path, back, sizeof(back)), 3);
}

TEST(output_full_device)
{
    ft_error err = FT_ERROR_INIT;
    ft_output *output = ft_output_open("/dev/full", FT_OUTPUT_CREATE, NULL, &err);
    if (!output)
        check_skip("no /dev/full");
    check_fails(ft_output_put(output, FT_SLICE("x"), &err), &err, FT_ERROR_IO);
    check_text_eq(err.message, "cannot write `/dev/full`: No space left on device");
    ft_output_close(output);
}

TEST(output_folder_that_cannot_be)
{
    ft_error err = FT_ERROR_INIT;
    write_file(in_folder("file"), "x", 1);
    check_true(ft_output_open(in_folder("file/out.txt"), FT_OUTPUT_CREATE, NULL, &err) == NULL);
    check_int_eq(err.code, FT_ERROR_IO);
}

TEST(zz_remove_the_folder)
{
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    check_int_eq(folder[0] ? system(command) : 0, 0);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
