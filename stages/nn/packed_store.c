// Keeps laid out weights: see packed_store.h.
#define _XOPEN_SOURCE 700  // st_ctim
#include "stages/nn/packed_store.h"

#include <string.h>
#include <sys/stat.h>

#include "runtime/log.h"
#include "runtime/system/build_id.h"
#include "runtime/system/clock.h"
#include "runtime/system/file.h"
#include "runtime/system/kept.h"

enum { VERSION = 1, HEAD_BYTES = 4096, JUST_NOW_MS = 50, RECORDS_KEPT = 256 };
// What is smaller is laid out within a millisecond, which is not worth a file.
enum { BYTES_MIN = 1 << 18 };

static const char mark[] = ".ftw", record_mark[] = ".ftr", magic[8] = "ftpacked";

// The rest of HEAD_BYTES is zeros.
typedef struct packed_head {
    char magic[8];
    uint32_t byte_order, version;
    uint64_t size_bytes, checksum;          // Of what is behind the head.
    char digest[FT_DIGEST_TEXT_BYTES + 7];  // The name.
} packed_head;

// ---- names ----

// Of what is there whatever the weights are.
static ft_digest *begin_digest(const ft_packed *packed)
{
    const ft_slice build = ft_build_id();
    ft_digest *digest = build.data ? ft_digest_create(packed->arena) : NULL;

    if (!digest)
        return NULL;
    ft_digest_add_number(digest, build.size);
    ft_digest_add(digest, build);
    ft_digest_add_number(digest, packed->size_bytes);
    packed->describe(packed->host, false, digest);
    return digest;
}

// The model's files as they are now. The time is that of the last change of the file or of what the
// system says of it (ctime), which nobody can set back. False: one cannot be looked at, or was
// changed within the last steps of a file system's clock: since it was mapped, or it may be so
// again at the same time.
static bool add_files(const ft_weights *weights, ft_digest *digest)
{
    for (size_t i = 0; i < weights->file_count; i++) {
        struct stat found;
        if (stat(weights->files[i], &found) != 0)
            return false;
        if ((int64_t)found.st_ctim.tv_sec * 1000 + found.st_ctim.tv_nsec / 1000000 >
            ft_clock_wall_ms() - JUST_NOW_MS)
            return false;
        ft_digest_add_number(digest, (uint64_t)found.st_dev);
        ft_digest_add_number(digest, (uint64_t)found.st_ino);
        ft_digest_add_number(digest, (uint64_t)found.st_size);
        ft_digest_add_number(digest, (uint64_t)found.st_ctim.tv_sec);
        ft_digest_add_number(digest, (uint64_t)found.st_ctim.tv_nsec);
    }
    return true;
}

void ft_packed_add_weight(const ft_weight *weight, bool with_numbers, ft_digest *digest)
{
    ft_digest_add_number(digest, weight ? 1 + (uint64_t)weight->kind : 0);
    if (!weight || !with_numbers)
        return;
    ft_digest_add_number(digest, weight->elements);
    ft_digest_add(digest, (ft_slice){weight->data, weight->end - weight->begin});
    ft_weight_forget(weight);
}

static const char *path_of(const ft_packed *packed, const char *name, const char *end)
{
    return ft_arena_format(packed->arena, "%s/%s%s", packed->store, name, end);
}

static const char *name_by_weights(const ft_packed *packed)
{
    char name[FT_DIGEST_TEXT_BYTES];
    ft_digest *digest = begin_digest(packed);

    if (!digest)
        return NULL;
    packed->describe(packed->host, true, digest);
    ft_digest_end(digest, name);
    return ft_arena_text(packed->arena, ft_slice_of(name));
}

static const char *find_record(const ft_packed *packed)
{
    char name[FT_DIGEST_TEXT_BYTES];
    ft_digest *digest = begin_digest(packed);

    if (!digest || !add_files(packed->weights, digest))
        return NULL;
    ft_digest_end(digest, name);
    return path_of(packed, name, record_mark);
}

static bool is_name(ft_slice text)
{
    for (size_t i = 0; i < text.size; i++)
        if (!((text.data[i] >= '0' && text.data[i] <= '9') ||
              (text.data[i] >= 'a' && text.data[i] <= 'f')))
            return false;
    return text.size == FT_DIGEST_TEXT_BYTES - 1;
}

// The name that the record holds; NULL: there is none.
static const char *read_record(const ft_packed *packed)
{
    ft_error err = FT_ERROR_INIT;
    ft_slice text;

    if (!packed->record || !ft_file_map_own(packed->record, packed->arena, &text, &err))
        return NULL;
    return is_name(text) ? ft_arena_text(packed->arena, text) : NULL;
}

// ---- opening ----

static packed_head head_of(const char *name, const char *bytes, size_t size)
{
    packed_head head = {.byte_order = 0x01020304,
                        .version = VERSION,
                        .size_bytes = size,
                        .checksum = ft_hash((ft_slice){bytes, size}, VERSION)};

    memcpy(head.magic, magic, sizeof(magic));
    memcpy(head.digest, name, FT_DIGEST_TEXT_BYTES);
    return head;
}

static const char *map_place(const ft_packed *packed, const char *name, const char *place)
{
    ft_error err = FT_ERROR_INIT;
    ft_slice file;

    if (!ft_file_map_own(place, packed->arena, &file, &err)) {
        ft_log(FT_LOG_DEBUG, "weights", "none kept: %s", err.message);
        return NULL;
    }
    if (file.size == HEAD_BYTES + packed->size_bytes) {
        const char *bytes = file.data + HEAD_BYTES;
        const packed_head wanted = head_of(name, bytes, packed->size_bytes);
        if (memcmp(file.data, &wanted, sizeof(wanted)) == 0)
            return bytes;
    }
    ft_log(FT_LOG_INFO, "weights", "`%s` is damaged and made anew", place);
    return NULL;
}

static void keep_record(const ft_packed *packed, const char *name)
{
    ft_error err = FT_ERROR_INIT;
    const ft_slice text = ft_slice_of(name);

    if (!packed->record)
        return;
    if (ft_kept_write(packed->record, &text, 1, packed->arena, &err))
        ft_kept_bound(packed->store, record_mark, RECORDS_KEPT, UINT64_MAX);
    else
        ft_log(FT_LOG_DEBUG, "weights", "%s", err.message);
}

const char *ft_packed_open(ft_packed *packed)
{
    const char *bytes;

    packed->record = packed->place = NULL;
    if (!packed->store || packed->size_bytes < BYTES_MIN ||
        packed->size_bytes > FT_PACKED_KEPT_BYTES - HEAD_BYTES)
        return NULL;
    packed->record = find_record(packed);
    const char *recorded = read_record(packed);
    if (recorded) {
        packed->place = path_of(packed, recorded, mark);
        bytes = packed->place ? map_place(packed, recorded, packed->place) : NULL;
        if (bytes)
            return bytes;
    }
    const char *name = name_by_weights(packed);
    packed->place = name ? path_of(packed, name, mark) : NULL;
    bytes = packed->place && (!recorded || strcmp(name, recorded) != 0)
                ? map_place(packed, name, packed->place)
                : NULL;
    if (bytes)
        keep_record(packed, name);
    return bytes;
}

// ---- keeping ----

const char *ft_packed_keep(ft_packed *packed, const char *bytes)
{
    ft_error err = FT_ERROR_INIT;
    char head_bytes[HEAD_BYTES] = {0}, name[FT_DIGEST_TEXT_BYTES];

    if (!packed->place)
        return NULL;
    memcpy(name, packed->place + strlen(packed->store) + 1, sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    const packed_head head = head_of(name, bytes, packed->size_bytes);
    memcpy(head_bytes, &head, sizeof(head));
    const ft_slice parts[] = {{head_bytes, HEAD_BYTES}, {bytes, packed->size_bytes}};
    if (!ft_kept_write(packed->place, parts, FT_COUNT_OF(parts), packed->arena, &err)) {
        ft_log(FT_LOG_DEBUG, "weights", "not kept: %s", err.message);
        return NULL;
    }
    keep_record(packed, name);
    ft_kept_bound(packed->store, mark, FT_PACKED_KEPT, FT_PACKED_KEPT_BYTES);
    return map_place(packed, name, packed->place);
}

void ft_packed_look(const char *store, ft_arena *arena, size_t *out_count, uint64_t *out_size_bytes)
{
    ft_kept kept;

    ft_kept_look(store, mark, arena, &kept);
    *out_count = kept.count;
    *out_size_bytes = kept.size_bytes;
}
