// Sources are looked at before they are read, so that one that is changed meanwhile is not taken
// for what was compiled. _XOPEN_SOURCE for realpath and st_ctim.
#define _XOPEN_SOURCE 700
#include "stages/text/tokenizer_store.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime/log.h"
#include "runtime/memory/alloc.h"
#include "runtime/system/build_id.h"
#include "runtime/system/clock.h"
#include "runtime/system/file.h"
#include "runtime/system/kept.h"
#include "stages/text/token_image.h"
#include "stages/text/tokenizer_parts.h"

enum { SOURCES_MAX = 8, NAME_BYTES = 64 };
static const char mark[] = ".ftk";
// The clock of file systems has steps: a file may be changed twice within one. Those that were
// changed just now are not kept yet.
enum { JUST_NOW_MS = 100 };
// Some 4,000 pieces: what is smaller is built within half a millisecond, which is not worth a file.
enum { IMAGE_BYTES_MIN = 1 << 18 };

// What a file is, as far as that can be told without reading it. The time is that of the last
// change of the file or of what the system says of it (ctime): nobody can set that back, as they
// can the other (mtime). All 0: not there.
typedef struct identity {
    uint64_t device, inode, size, seconds, nanoseconds;
} identity;

typedef struct sources {
    identity files[SOURCES_MAX];  // The tokenizer's own first.
    size_t count;
    bool is_fresh;  // One was changed just now.
} sources;

static bool look_at(const char *path, sources *out)
{
    struct stat found;
    identity *one = &out->files[out->count++];

    FT_ASSERT(out->count <= SOURCES_MAX);
    *one = (identity){0};
    if (!path)
        return false;
    if (stat(path, &found) != 0)
        return errno == ENOENT || errno == ENOTDIR;
    *one = (identity){(uint64_t)found.st_dev, (uint64_t)found.st_ino, (uint64_t)found.st_size,
                      (uint64_t)found.st_ctim.tv_sec, (uint64_t)found.st_ctim.tv_nsec};
    out->is_fresh |= (int64_t)found.st_ctim.tv_sec * 1000 + found.st_ctim.tv_nsec / 1000000 >
                     ft_clock_wall_ms() - JUST_NOW_MS;
    return S_ISREG(found.st_mode);
}

// All that is read of a tokenizer, there or not.
static bool find_sources(const char *path, ft_arena *arena, sources *out)
{
    *out = (sources){0};
    if (!look_at(path, out) || out->files[0].size == 0)
        return false;
    for (size_t i = 0; ft_tokenizer_files_beside[i]; i++) {
        if (!look_at(ft_tokenizer_path_beside(path, ft_tokenizer_files_beside[i], arena), out))
            return false;
    }
    return look_at(ft_definition_merges_of(path, arena), out);
}

// Writes them, or checks that they are the same.
static void transfer_sources(const sources *now, ft_image *image)
{
    bool is_same = true;

    for (size_t i = 0; i < now->count; i++) {
        const identity *one = &now->files[i];
        const uint64_t fields[] = {one->device, one->inode, one->size, one->seconds,
                                   one->nanoseconds};
        for (size_t j = 0; j < FT_COUNT_OF(fields); j++)
            is_same &= ft_image_number(image, fields[j], UINT64_MAX) == fields[j];
    }
    ft_image_check(image, is_same, "the tokenizer's files have changed");
}

// ---- where ----

// The file's path from the root, through the links of its folder but not its own: what is beside it
// is beside the link.
static const char *absolute_path(const char *path, ft_arena *arena)
{
    char room[PATH_MAX];
    const char *folder = ft_tokenizer_path_beside(path, ".", arena);
    const char *slash = strrchr(path, '/');

    if (!folder || !realpath(folder, room))
        return NULL;
    return ft_path_join(arena, room, slash ? slash + 1 : path);
}

// A name from 128 bits of hash: two paths of one name will not be met.
static const char *stored_path(const char *file, const char *store, ft_arena *arena)
{
    static const uint64_t seeds[2] = {0x9e3779b97f4a7c15u, 0xd1b54a32d192ed03u};
    ft_slice build = ft_build_id();
    const char *absolute = absolute_path(file, arena);

    if (!absolute || !build.data)
        return NULL;
    uint64_t hashes[2];
    for (size_t i = 0; i < 2; i++)
        hashes[i] = ft_hash(ft_slice_of(absolute), ft_hash(build, seeds[i]));
    return ft_arena_format(arena, "%s/%016llx%016llx.ftk", store, (unsigned long long)hashes[0],
                           (unsigned long long)hashes[1]);
}

const char *ft_tokenizer_stored_path(const char *path, const char *store, ft_arena *arena)
{
    ft_error err = FT_ERROR_INIT;
    const char *file;

    if (!ft_tokenizer_find_file(path, arena, &file, &err))
        return NULL;
    return stored_path(file, store, arena);
}

// ---- reading ----

static bool open_stored(const char *place, const char *file, const sources *now, ft_arena *arena,
                        const ft_tokenizer **out)
{
    ft_error err = FT_ERROR_INIT;
    ft_image image;
    ft_slice bytes;

    if (!ft_file_map_own(place, arena, &bytes, &err)) {
        ft_log(FT_LOG_DEBUG, "tokenizer", "no compiled form: %s", err.message);
        return false;
    }
    ft_tokenizer *tokenizer = ft_arena_zero(arena, 1, sizeof(*tokenizer));
    if (!tokenizer)
        return false;
    tokenizer->info.path = tokenizer->definition.path = file;
    bool done = ft_image_open(&image, bytes, ft_build_id(), arena);
    if (done)
        transfer_sources(now, &image);
    if (!image.fault)
        ft_tokenizer_transfer(tokenizer, &image);
    if (image.fault)
        ft_log(FT_LOG_INFO, "tokenizer", "the compiled form `%s` is made anew: %s", place,
               image.fault);
    ft_file_map_release(bytes);
    *out = tokenizer;
    return !image.fault;
}

// ---- writing ----

void ft_tokenizer_store_look(const char *store, ft_arena *arena, ft_tokenizers_kept *out)
{
    ft_kept kept;

    ft_kept_look(store, mark, arena, &kept);
    *out = (ft_tokenizers_kept){kept.count, kept.size_bytes};
}

static void save(const ft_tokenizer *tokenizer, const sources *then, const char *place,
                 const char *store)
{
    ft_arena *arena = ft_arena_create();
    ft_tokenizer copy = *tokenizer;
    ft_error err = FT_ERROR_INIT;
    ft_slice bytes = {0};
    ft_image image;

    if (!arena)
        return;
    ft_image_init(&image, arena);
    transfer_sources(then, &image);
    ft_tokenizer_transfer(&copy, &image);
    if (!image.fault && ft_image_print(&image, ft_build_id(), &bytes, &err)) {
        if (bytes.size >= IMAGE_BYTES_MIN && ft_kept_write(place, &bytes, 1, arena, &err))
            ft_kept_bound(store, mark, FT_TOKENIZERS_KEPT, UINT64_MAX);
    }
    if (err.code != FT_ERROR_NONE)
        ft_log(FT_LOG_DEBUG, "tokenizer", "the compiled form is not kept: %s", err.message);
    ft_image_finish(&image);
    ft_free((void *)(uintptr_t)bytes.data);
    ft_arena_destroy(arena);
}

bool ft_tokenizer_open(const char *path, const char *store, ft_arena *arena,
                       const ft_tokenizer **out, ft_error *err)
{
    ft_error unseen = FT_ERROR_INIT;
    sources now;
    const char *file = NULL, *place = NULL;
    const char *own_path = ft_arena_text(arena, ft_slice_of(path));

    // What is wrong with the path is said by ft_tokenizer_load.
    if (own_path && store && ft_tokenizer_find_file(own_path, arena, &file, &unseen) &&
        find_sources(file, arena, &now))
        place = stored_path(file, store, arena);
    if (place && open_stored(place, file, &now, arena, out))
        return true;
    if (!ft_tokenizer_load(path, arena, out, err))
        return false;
    if (place && !now.is_fresh)
        save(*out, &now, place, store);
    return true;
}
