// Tokenizer files that are wrong, for tests: written into a folder of their own, changed at random,
// loaded while allocations fail.
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/memory/alloc.h"
#include "runtime/random.h"
#include "stages/text/tokenizer.h"
#include "tests/check.h"

static char folder[64];  // In memory where that can be: thousands of files are written.

// Returns its path, until the next call.
static inline const char *write_file(const char *name, const void *bytes, size_t size)
{
    static char path[128];

    if (!folder[0]) {
        const char *parent = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
        snprintf(folder, sizeof(folder), "%s/ftpipe-test-XXXXXX", parent);
        check_true(mkdtemp(folder) != NULL);
    }
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    check_true(file && fwrite(bytes, 1, size, file) == size && fclose(file) == 0);
    return path;
}

static inline void remove_file(const char *name)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    remove(path);
}

// Loads and, when that succeeds, makes ids of the text; without `ids` of an empty one too. What
// loads can be described by the quick look that `check` takes, but for a failing allocation.
static inline bool load_and_code(const char *path, const char *text, ft_ids *ids, ft_error *err)
{
    ft_arena *arena = ft_arena_create();
    const ft_tokenizer *tokenizer;
    ft_tokenizer_info info;
    ft_error quick = FT_ERROR_INIT;
    ft_ids own = {0};
    bool was_cut;

    if (!arena)
        return ft_fail_nomem(err, 1);
    bool described = ft_tokenizer_describe(path, arena, &info, &quick);
    bool ok = ft_tokenizer_load(path, arena, &tokenizer, err);
    check_true(ok == (err->code == FT_ERROR_NONE));
    check_true(!ok || described || quick.code == FT_ERROR_NOMEM);
    if (ok) {
        check_true(!described ||
                   info.special_count == ft_tokenizer_get_info(tokenizer)->special_count);
        ft_token_coder *coder =
            ft_token_coder_create(tokenizer, (ft_token_settings){.add_special = true}, NULL, err);
        ok = coder &&
             ft_token_coder_add(coder, ft_slice_of(text), ids ? ids : &own, &was_cut, err) &&
             (ids || ft_token_coder_add(coder, FT_SLICE(""), &own, &was_cut, err));
        ft_token_coder_destroy(coder);
    }
    ft_ids_finish(&own);
    ft_arena_destroy(arena);
    return ok;
}

// `from` with the first `old` replaced by `new`.
static inline size_t replaced(const char *from, const char *old, const char *new, char *out,
                              size_t room)
{
    const char *at = strstr(from, old);

    check_true(at != NULL);
    return (size_t)snprintf(out, room, "%.*s%s%s", (int)(at - from), from, new, at + strlen(old));
}

// Each kind of harm, seeded: bytes changed, cut, doubled; numbers made huge; members swapped.
static inline size_t mutate(ft_random *random, char *text, size_t size, size_t room)
{
    static const char *const pieces[] = {"99999999999999999999",
                                         "-1",
                                         "null",
                                         "{",
                                         "}",
                                         "[",
                                         "]",
                                         "\"",
                                         "\\u0000",
                                         "\\ud800",
                                         "true",
                                         ",",
                                         ":",
                                         "\xc3",
                                         "\xf4\x90\x80\x80",
                                         "1e999",
                                         "[[[[[[[[[[[[[[[["};
    int64_t changes = ft_random_between(random, 1, 4);

    for (int64_t i = 0; i < changes; i++) {
        size_t at = (size_t)ft_random_between(random, 0, (int64_t)size - 1);
        const char *piece = pieces[ft_random_between(random, 0, FT_COUNT_OF(pieces) - 1)];
        size_t length = strlen(piece);
        switch (ft_random_between(random, 0, 3)) {
        case 0:
            text[at] = (char)ft_random_between(random, 0, 255);
            break;
        case 1:
            size = at + 1;
            break;
        case 2:
            if (size + length < room) {
                memmove(text + at + length, text + at, size - at);
                memcpy(text + at, piece, length);
                size += length;
            }
            break;
        default: {
            size_t gone = (size_t)ft_random_between(random, 0, 20);
            gone = gone < size - at ? gone : size - at - 1;
            memmove(text + at, text + at + gone, size - at - gone);
            size -= gone;
        }
        }
    }
    return size;
}

// Files of that name, each `from` with other changes; loaded by `path`, NULL: the file itself.
static inline void check_mutations(const char *path, const char *name, const char *from,
                                   const char *text, int rounds)
{
    static char changed[8192];
    ft_random random;
    int accepted = 0;

    ft_random_init(&random, 11, 3);
    for (int i = 0; i < rounds; i++) {
        ft_error err = FT_ERROR_INIT;
        memcpy(changed, from, strlen(from));
        size_t size = mutate(&random, changed, strlen(from), sizeof(changed));
        const char *file = write_file(name, changed, size);
        accepted += load_and_code(path ? path : file, text, NULL, &err);
        check_true(err.code == FT_ERROR_NONE || err.message[0] != '\0');
        check_true(err.code != FT_ERROR_NOMEM);
    }
    check_true(accepted > 0 && accepted < rounds);
}

// Once each allocation alone, once it and all behind it.
static inline void check_failing_allocations(const char *path, const char *text)
{
    ft_error probe = FT_ERROR_INIT;
    int64_t live = ft_alloc_get_stats().live_blocks;

    check_ok(load_and_code(path, text, NULL, &probe), &probe);
    for (int sticky = 0; sticky < 2; sticky++) {
        for (uint64_t nth = 1;; nth++) {
            ft_error err = FT_ERROR_INIT;
            ft_alloc_fail_at(nth, sticky);
            bool ok = load_and_code(path, text, NULL, &err);
            ft_alloc_fail_at(0, false);
            check_int_eq(ft_alloc_get_stats().live_blocks, live);
            if (ok)
                break;
            check_int_eq(err.code, FT_ERROR_NOMEM);
            check_true(nth < 5000);
        }
    }
}
