// Compiled tokenizers: they give what the tokenizer gives that they were made of, and whatever is
// not whole, not of this build, not this user's or not of these files is made anew.
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/memory/alloc.h"
#include "runtime/random.h"
#include "runtime/system/clock.h"
#include "runtime/system/file.h"
#include "stages/text/decode.h"
#include "stages/text/text_encoder.h"
#include "stages/text/tokenizer_store.h"
#include "tests/check.h"
#include "tests/tokens/compiled_form.h"

enum { WORDS = 6000, HEAD_BYTES = 128, PATH_BYTES = 256, NOTES_AT = 64, CHILDREN = 6 };
// More than the tenth of a second for which a file is of just now.
enum { SETTLED_MS = 110 };
enum { ALL_COLUMNS = FT_ENCODE_TYPE_IDS | FT_ENCODE_OFFSETS | FT_ENCODE_WORD_IDS };

static const char *const texts[] = {
    "Hello  don't 1234\n\t caf\u00e9 cafe\u0301 \u4f60\u597d[MASK]<s> ab\u2581\U0001f600.",
    "word17word18 Word5999 [SEP] unknown \u00fcber",
    "  The quick (\"brown\") fox can't jump 32.3 feet, right?\r\n\r\n"
    "\u0420\u0443\u0441\u0441\u043a\u0438\u0439 "
    "\u043d\u0430\u0440\u043e\u0434 \ud55c\uad6d\uc5b4 \u0627\u0644\u0639\u0631\u0628\u064a\u0629 "
    "<|endoftext|> \u1e9e\ufb01 \u3000 end",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "",
};

static char folder[64], store[96];

// ---- files ----

static void start(void)
{
    snprintf(folder, sizeof(folder), "%s/ftpipe-store-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    check_true(mkdtemp(folder) != NULL);
    snprintf(store, sizeof(store), "%s/cache/tokenizers", folder);
}

static void finish(void)
{
    char command[PATH_BYTES];

    snprintf(command, sizeof(command), "rm -rf %s", folder);
    check_int_eq(system(command), 0);
}

static void write_bytes(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");

    check_true(file && fwrite(bytes, 1, size, file) == size && fclose(file) == 0);
}

// As if it had been written so many seconds after 1970.
static void set_time(const char *path, long seconds)
{
    const struct timespec times[2] = {{.tv_sec = seconds}, {.tv_sec = seconds}};

    check_int_eq(utimensat(AT_FDCWD, path, times, 0), 0);
}

// Waits until the file is not of just now, which is not kept: nobody can set its ctime back.
static void let_settle(const char *path)
{
    struct stat found;

    check_int_eq(stat(path, &found), 0);
    const int64_t changed_ms =
        (int64_t)found.st_ctim.tv_sec * 1000 + found.st_ctim.tv_nsec / 1000000;
    while (ft_clock_wall_ms() - changed_ms < SETTLED_MS)
        sched_yield();
}

// A vocab.txt of words that begin with `letter`, written in place.
static const char *write_vocab(char letter, long seconds)
{
    static char path[PATH_BYTES];
    ft_text text;

    ft_text_init(&text, SIZE_MAX);
    ft_text_append_string(&text, "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n##1\n##2\n");
    for (int i = 0; i < WORDS; i++)
        ft_text_format(&text, "%cord%d\n", letter, i);
    snprintf(path, sizeof(path), "%s/vocab.txt", folder);
    write_bytes(path, text.data, text.size);
    set_time(path, seconds);
    let_settle(path);
    ft_text_finish(&text);
    return path;
}

// ---- tokenizers ----

static void add_texts(const ft_tokenizer *tokenizer, ft_encodings *out)
{
    const ft_encode_settings settings = {.columns = ALL_COLUMNS, .add_special = true};
    ft_error err = FT_ERROR_INIT;
    bool was_cut;

    ft_encodings_init(out, NULL);
    ft_text_encoder *encoder =
        ft_text_encoder_create(tokenizer, settings, FT_SPECIAL_PARSE, false, NULL, &err);
    ft_token_coder *coder = ft_token_coder_create(
        tokenizer, (ft_token_settings){.truncation = FT_TRUNCATE_NONE}, NULL, &err);
    check_ok(encoder && coder, &err);
    for (size_t i = 0; i < FT_COUNT_OF(texts); i++) {
        check_ok(ft_text_encoder_add(encoder, ft_slice_of(texts[i]), NULL, out, &was_cut, &err),
                 &err);
        // By the fast path too, into a column that is not used else.
        check_ok(ft_token_coder_add(coder, ft_slice_of(texts[i]), &out->sequence, &was_cut, &err),
                 &err);
    }
    ft_text_encoder_destroy(encoder);
    ft_token_coder_destroy(coder);
}

static void check_column(const ft_ids *got, const ft_ids *want)
{
    check_int_eq(got->count, want->count);
    check_true(want->count == 0 ||
               memcmp(ft_ids_data(got), ft_ids_data(want), want->count * sizeof(int32_t)) == 0);
}

static void check_decoded(const ft_tokenizer *got, const ft_tokenizer *want, const ft_ids *ids)
{
    ft_decoder decoders[2] = {0};
    ft_error err = FT_ERROR_INIT;
    ft_slice text[2];

    check_ok(
        ft_tokenizer_decode(got, &decoders[0], ft_ids_data(ids), ids->count, false, &text[0], &err),
        &err);
    check_ok(ft_tokenizer_decode(want, &decoders[1], ft_ids_data(ids), ids->count, false, &text[1],
                                 &err),
             &err);
    check_true(ft_slice_equal(text[0], text[1]));
    ft_decoder_finish(&decoders[0]);
    ft_decoder_finish(&decoders[1]);
}

static void check_same(const ft_tokenizer *got, const ft_tokenizer *want)
{
    ft_encodings a, b;

    add_texts(got, &a);
    add_texts(want, &b);
    check_column(&a.ids, &b.ids);
    check_column(&a.offsets, &b.offsets);
    check_column(&a.word_ids, &b.word_ids);
    check_column(&a.type_ids, &b.type_ids);
    check_column(&a.sequence, &b.sequence);
    check_decoded(got, want, &b.ids);
    check_text_eq(ft_tokenizer_get_info(got)->path, ft_tokenizer_get_info(want)->path);
    check_int_eq(ft_tokenizer_get_info(got)->max_length, ft_tokenizer_get_info(want)->max_length);
    check_int_eq(ft_tokenizer_get_info(got)->special_count,
                 ft_tokenizer_get_info(want)->special_count);
    check_int_eq(ft_tokenizer_get_info(got)->pair_special_count,
                 ft_tokenizer_get_info(want)->pair_special_count);
    ft_encodings_finish(&a);
    ft_encodings_finish(&b);
}

// Opens it by way of the store; it is what the file says. Where its compiled form is, is in
// `place`.
static void check_opens(const char *path, char place[PATH_BYTES])
{
    ft_arena *arena = ft_arena_create();
    const ft_tokenizer *opened, *loaded;
    ft_error err = FT_ERROR_INIT;

    check_ok(ft_tokenizer_open(path, store, arena, &opened, &err), &err);
    check_ok(ft_tokenizer_load(path, arena, &loaded, &err), &err);
    check_same(opened, loaded);
    const char *stored = ft_tokenizer_stored_path(path, store, arena);
    check_true(stored != NULL);
    snprintf(place, PATH_BYTES, "%s", stored);
    ft_arena_destroy(arena);
}

// The file at `place`, as a number that changes when it is written anew; 0: none.
static uint64_t version_of(const char *place)
{
    struct stat found;

    if (lstat(place, &found) != 0)
        return 0;
    return (uint64_t)found.st_ino * 1000003 + (uint64_t)found.st_ctim.tv_nsec + 1;
}

// It is there and used: what is not used is written anew.
static void check_used(const char *path)
{
    char place[PATH_BYTES];

    check_opens(path, place);
    uint64_t version = version_of(place);
    check_true(version != 0);
    check_opens(path, place);
    check_int_eq(version_of(place), version);
}

// What has become of the file at `place` is not used.
static void check_made_anew(const char *path, const char *place)
{
    char same[PATH_BYTES];
    uint64_t version = version_of(place);

    check_opens(path, same);
    check_text_eq(same, place);
    check_true(version_of(place) != 0 && version_of(place) != version);
    check_used(path);
}

// The bytes of a file, at a multiple of 64; ft_free them.
static char *read_bytes(const char *path, size_t *size)
{
    ft_arena *arena = ft_arena_create();
    ft_error err = FT_ERROR_INIT;
    ft_slice bytes;

    check_ok(ft_file_read(path, arena, SIZE_MAX, &bytes, &err), &err);
    char *copy = ft_alloc_aligned(bytes.size, 64);
    check_true(copy != NULL);
    memcpy(copy, bytes.data, bytes.size);
    *size = bytes.size;
    ft_arena_destroy(arena);
    return copy;
}

// ---- tests ----

TEST(stored_forms_give_what_files_give)
{
    static const char *const names[] = {"bert-base-uncased",
                                        "gpt2",
                                        "llama2",
                                        "llama2/tokenizer.model",
                                        "t5-small",
                                        "cl100k_base",
                                        "cl100k_base/cl100k_base.tiktoken"};
    const char *data = check_data_folder();
    char path[PATH_BYTES];

    if (!data)
        check_skip("no test data");
    start();
    for (size_t i = 0; i < FT_COUNT_OF(names); i++) {
        snprintf(path, sizeof(path), "%s/tokenizers/%s", data, names[i]);
        check_used(path);
    }
    finish();
}

TEST(changed_files_are_compiled_again)
{
    char place[PATH_BYTES], beside[PATH_BYTES];

    start();
    const char *path = write_vocab('w', 1000);
    check_used(path);
    check_opens(path, place);
    uint64_t version = version_of(place);
    // Of the same size and in place: with another time, and with its old one.
    write_vocab('v', 2000);
    check_opens(path, place);
    check_true(version_of(place) != version);
    write_vocab('w', 2000);
    check_made_anew(path, place);
    // Another file of the same size and time.
    snprintf(beside, sizeof(beside), "%s/other", folder);
    check_int_eq(rename(path, beside), 0);
    write_vocab('u', 2000);
    check_made_anew(path, place);
    // A file beside it that was not there, then another one.
    snprintf(beside, sizeof(beside), "%s/tokenizer_config.json", folder);
    write_bytes(beside, "{\"model_max_length\": 77}", 24);
    let_settle(beside);
    check_made_anew(path, place);
    write_bytes(beside, "{\"model_max_length\": 99, \"do_lower_case\": false}", 48);
    let_settle(beside);
    check_made_anew(path, place);
    check_int_eq(unlink(beside), 0);
    check_made_anew(path, place);
    finish();
}

TEST(what_was_changed_just_now_is_not_kept)
{
    char place[PATH_BYTES];

    start();
    const char *path = write_vocab('w', 1000);
    set_time(path, 1000);  // Whatever it says of its time.
    check_opens(path, place);
    check_int_eq(version_of(place), 0);
    let_settle(path);
    check_used(path);
    finish();
}

// Every byte of the head, and some others, one at a time.
TEST(changed_and_cut_forms_are_made_anew)
{
    char place[PATH_BYTES];
    size_t size;

    start();
    const char *path = write_vocab('w', 1000);
    check_opens(path, place);
    char *bytes = read_bytes(place, &size);
    for (size_t at = 0; at < size; at += at < HEAD_BYTES ? 7 : size / 12) {
        bytes[at] ^= 0x10;
        write_bytes(place, bytes, size);
        check_made_anew(path, place);
        bytes[at] ^= 0x10;
    }
    const size_t cuts[] = {0, 1, HEAD_BYTES - 1, HEAD_BYTES, size / 2, size - 1};
    for (size_t i = 0; i < FT_COUNT_OF(cuts); i++) {
        write_bytes(place, bytes, cuts[i]);
        check_made_anew(path, place);
    }
    ft_free(bytes);
    finish();
}

TEST(forms_that_others_may_have_written_are_made_anew)
{
    char place[PATH_BYTES], other[PATH_BYTES];

    start();
    const char *path = write_vocab('w', 1000);
    check_opens(path, place);
    check_int_eq(chmod(place, 0620), 0);
    check_made_anew(path, place);
    check_int_eq(chmod(place, 0602), 0);
    check_made_anew(path, place);
    snprintf(other, sizeof(other), "%s/other", folder);
    check_int_eq(rename(place, other), 0);
    check_int_eq(symlink(other, place), 0);
    check_made_anew(path, place);
    if (geteuid() == 0) {
        check_int_eq(chown(place, 1, 1), 0);
        check_made_anew(path, place);
    }
    struct stat found;
    check_int_eq(stat(place, &found), 0);
    check_int_eq(found.st_mode & 0777, 0600);
    finish();
}

TEST(without_a_place_to_write_it_is_loaded)
{
    char place[PATH_BYTES];

    start();
    const char *path = write_vocab('w', 1000);
    // A file where the folder would be, which not even root can write into.
    snprintf(store, sizeof(store), "%s/vocab.txt/tokenizers", folder);
    check_opens(path, place);
    check_int_eq(version_of(place), 0);
    // A folder where the file would be.
    snprintf(store, sizeof(store), "%s/cache", folder);
    check_opens(path, place);
    check_int_eq(unlink(place), 0);
    check_int_eq(mkdir(place, 0777), 0);
    check_opens(path, place);
    // What cannot be loaded says so, as without a store.
    ft_arena *arena = ft_arena_create();
    const ft_tokenizer *tokenizer;
    ft_error err = FT_ERROR_INIT, of_load = FT_ERROR_INIT;
    check_fails(ft_tokenizer_open("/nowhere/vocab.txt", store, arena, &tokenizer, &err), &err,
                FT_ERROR_IO);
    check_true(!ft_tokenizer_load("/nowhere/vocab.txt", arena, &tokenizer, &of_load));
    check_text_eq(err.message, of_load.message);
    ft_arena_destroy(arena);
    finish();
}

static size_t count_files(void)
{
    DIR *opened = opendir(store);
    size_t count = 0;

    check_true(opened != NULL);
    for (struct dirent *entry; (entry = readdir(opened));)
        count += strstr(entry->d_name, ".ftk") != NULL;
    closedir(opened);
    return count;
}

TEST(the_oldest_forms_are_forgotten)
{
    char place[PATH_BYTES], old[PATH_BYTES];

    start();
    const char *path = write_vocab('w', 1000);
    check_used(path);
    for (int i = 0; i < FT_TOKENIZERS_KEPT + 5; i++) {
        snprintf(old, sizeof(old), "%s/old%d.ftk%s", store, i, i % 2 ? "" : ".Ab12cd");
        write_bytes(old, "old", 3);
        set_time(old, 100 + i);
    }
    check_int_eq(count_files(), FT_TOKENIZERS_KEPT + 6);
    write_vocab('v', 2000);
    check_opens(path, place);
    check_int_eq(count_files(), FT_TOKENIZERS_KEPT);
    check_true(version_of(place) != 0);
    snprintf(old, sizeof(old), "%s/old5.ftk", store);
    check_int_eq(version_of(old), 0);
    snprintf(old, sizeof(old), "%s/old%d.ftk", store, FT_TOKENIZERS_KEPT + 3);
    check_true(version_of(old) != 0);
    finish();
}

// All begin with an empty store, so that each makes it.
TEST(processes_make_it_at_once)
{
    pid_t children[CHILDREN];
    char place[PATH_BYTES];

    start();
    const char *path = write_vocab('w', 1000);
    for (int i = 0; i < CHILDREN; i++) {
        children[i] = fork();
        check_true(children[i] >= 0);
        if (children[i] > 0)
            continue;
        ft_arena *arena = ft_arena_create();
        const ft_tokenizer *tokenizer;
        ft_error err = FT_ERROR_INIT;
        bool ok = arena && ft_tokenizer_open(path, store, arena, &tokenizer, &err) &&
                  ft_tokenizer_open(path, store, arena, &tokenizer, &err) &&
                  ft_slice_is(ft_tokenizer_token_text(tokenizer, 7), "word0");
        _exit(ok ? 0 : 1);
    }
    for (int i = 0; i < CHILDREN; i++) {
        int status = -1;
        check_int_eq(waitpid(children[i], &status, 0), children[i]);
        check_int_eq(status, 0);
    }
    check_int_eq(count_files(), 1);  // None was left half written.
    check_used(path);
    check_opens(path, place);
    finish();
}

// ---- forms whose checksum is right ----

static ft_slice print_form(const char *path, ft_arena *arena)
{
    const ft_tokenizer *tokenizer;
    ft_error err = FT_ERROR_INIT;
    ft_slice bytes = {0};

    check_ok(ft_tokenizer_load(path, arena, &tokenizer, &err), &err);
    check_ok(compiled_print(tokenizer, arena, &bytes, &err), &err);
    return bytes;
}

TEST(heads_say_what_is_wrong)
{
    static const struct {
        size_t at;
        const char *fault;
    } faults[] = {{0, "something else"},   {8, "another byte order"}, {16, "another version"},
                  {20, "another version"}, {24, "another version"},   {NOTES_AT + 5, "cut off"}};
    ft_arena *arena = ft_arena_create();
    const char *fault;

    start();
    ft_slice bytes = print_form(write_vocab('w', 1000), arena);
    char *head = (char *)(uintptr_t)bytes.data;
    check_true(compiled_open(bytes, false, arena, &fault) != NULL);
    for (size_t i = 0; i < FT_COUNT_OF(faults); i++) {
        head[faults[i].at] ^= 1;
        ft_image_seal(head, bytes.size);
        check_true(compiled_open(bytes, false, arena, &fault) == NULL);
        check_contains(fault, faults[i].fault);
        head[faults[i].at] ^= 1;
    }
    // The other byte order, all of it.
    for (size_t i = 0; i < 4; i++) {
        char byte = head[8 + i];
        head[8 + i] = head[15 - i];
        head[15 - i] = byte;
    }
    ft_image_seal(head, bytes.size);
    check_true(compiled_open(bytes, false, arena, &fault) == NULL);
    check_contains(fault, "another byte order");
    ft_free(head);
    ft_arena_destroy(arena);
    finish();
}

// One to four changes, half of them among the notes, which say how all else is read.
static void mutate(char *bytes, size_t size, ft_random *random)
{
    uint64_t notes_at;

    memcpy(&notes_at, bytes + NOTES_AT, sizeof(notes_at));
    for (uint64_t count = 1 + (ft_random_next(random) & 3); count > 0; count--) {
        size_t from = (ft_random_next(random) & 1) ? (size_t)notes_at : HEAD_BYTES;
        size_t at = from + (size_t)(ft_random_next(random) % (size - from));
        bytes[at] =
            (char)(ft_random_next(random) & 1 ? bytes[at] ^ (1 << (ft_random_next(random) & 7))
                                              : (int)(ft_random_next(random) & 255));
    }
    ft_image_seal(bytes, size);
}

TEST(hostile_forms_do_no_harm)
{
    static const char *const names[] = {"bert-base-uncased", "gpt2", "llama2/tokenizer.model",
                                        "t5-small", "cl100k_base/cl100k_base.tiktoken"};
    enum { ROUNDS = 60 };
    const char *data = check_data_folder();
    ft_random random;
    char path[PATH_BYTES];
    int opened = 0, refused = 0;

    if (!data)
        check_skip("no test data");
    ft_random_init(&random, 20261128, 0);
    for (size_t i = 0; i < FT_COUNT_OF(names); i++) {
        ft_arena *arena = ft_arena_create();
        snprintf(path, sizeof(path), "%s/tokenizers/%s", data, names[i]);
        ft_slice good = print_form(path, arena);
        char *copy = ft_alloc_aligned(good.size, 64);
        check_true(copy != NULL);
        for (int round = 0; round < ROUNDS; round++) {
            ft_arena *passing = ft_arena_create();
            const char *fault;
            memcpy(copy, good.data, good.size);
            mutate(copy, good.size, &random);
            const ft_tokenizer *tokenizer =
                compiled_open((ft_slice){copy, good.size}, true, passing, &fault);
            for (size_t k = 0; tokenizer && k < FT_COUNT_OF(texts); k++)
                check_true(compiled_run(tokenizer, ft_slice_of(texts[k])));
            opened += tokenizer != NULL;
            refused += tokenizer == NULL;
            ft_arena_destroy(passing);
        }
        ft_free(copy);
        ft_free((void *)(uintptr_t)good.data);
        ft_arena_destroy(arena);
    }
    // Both ways are gone often.
    check_true(opened > ROUNDS / 2 && refused > ROUNDS / 2);
}

TEST(failing_allocations_are_survived)
{
    char place[PATH_BYTES];
    int failed = 0;

    start();
    const char *path = write_vocab('w', 1000);
    for (uint64_t nth = 1; nth < 200; nth++) {
        ft_arena *arena = ft_arena_create();
        const ft_tokenizer *tokenizer;
        ft_error err = FT_ERROR_INIT;
        check_opens(path, place);
        ft_alloc_fail_at(nth, nth % 2);
        bool ok = ft_tokenizer_open(path, store, arena, &tokenizer, &err);
        ft_alloc_fail_at(0, false);
        check_true(ok || err.code == FT_ERROR_NOMEM);
        failed += !ok;
        if (ok)
            check_slice_eq(ft_tokenizer_token_text(tokenizer, 7), "word0");
        ft_arena_destroy(arena);
    }
    check_true(failed > 0);
    finish();
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
