// Input streams: see stream.h. Packed bytes pass through one buffer of 128 KiB; unpacked ones go
// straight to the caller's. The state of the unpackers is some 40 KiB for gzip and, for zstd, the
// window that the frame asks for, at most 128 MiB.
//
// The first bytes of a stream whose name does not say that it is packed are read into `head`,
// looked at, and then given out or unpacked with the rest, so that a pipe loses nothing.
#include "stages/io/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef FT_HAVE_ZLIB
#include "stages/io/zlib_memory.h"
#endif
#ifdef FT_HAVE_ZSTD
#include <zstd.h>
#endif

#include "runtime/memory/alloc.h"

enum { PACKED_BYTES = 128 * 1024, HEAD_BYTES = 4 };

struct ft_stream {
    const char *path;
    char *shown;  // For messages: the path in backticks, or standard input.
    int fd;
    bool is_live;
    ft_packing packing;
    bool is_known;  // How it is packed: by its name or by its head.
    char head[HEAD_BYTES];
    size_t head_size, head_at;  // Of a text: what has not been given out of it.
    uint64_t text_bytes;        // Given out so far.
    char *packed;               // [PACKED_BYTES]; packed_at..packed_size is not used up.
    size_t packed_size, packed_at;
    bool packed_end;  // The file has no more.
    bool in_frame;    // Inside a gzip member or a zstd frame: the file must not end here.
    bool any_frame;   // One has been begun: an empty file has none and is an empty text.
    bool was_full;    // The last read filled its room: the unpacker may hold more.
#ifdef FT_HAVE_ZLIB
    z_stream gzip;
    bool gzip_is_open;
#endif
#ifdef FT_HAVE_ZSTD
    ZSTD_DStream *zstd;
#endif
};

ft_packing ft_packing_find(ft_slice path, ft_slice *out_rest)
{
    static const struct {
        const char *ending;
        ft_packing packing;
    } endings[] = {{".gz", FT_PACKING_GZIP}, {".zst", FT_PACKING_ZSTD}};
    for (size_t i = 0; i < FT_COUNT_OF(endings); i++) {
        const ft_slice ending = ft_slice_of(endings[i].ending);
        if (!ft_slice_ends_with(path, ending))
            continue;
        if (out_rest)
            *out_rest = (ft_slice){path.data, path.size - ending.size};
        return endings[i].packing;
    }
    if (out_rest)
        *out_rest = path;
    return FT_PACKING_NONE;
}

// ---- gzip ----

#ifdef FT_HAVE_ZLIB
static bool gzip_open(ft_stream *stream, ft_error *err)
{
    stream->gzip.zalloc = ft_zlib_alloc;
    stream->gzip.zfree = ft_zlib_free;
    if (inflateInit2(&stream->gzip, 15 + 16) != Z_OK)  // Largest window, gzip header only.
        return ft_fail_nomem(err, sizeof(stream->gzip));
    stream->gzip_is_open = true;
    return true;
}

// Between members: zero bytes are padding. False when a byte is there that begins no member.
static bool gzip_begin(ft_stream *stream, bool *out_begun, ft_error *err)
{
    const unsigned char *packed = (const unsigned char *)stream->packed;
    if (stream->any_frame)
        while (stream->packed_at < stream->packed_size && packed[stream->packed_at] == 0)
            stream->packed_at++;
    *out_begun = stream->packed_at < stream->packed_size;
    if (!*out_begun)
        return true;
    if (packed[stream->packed_at] != 0x1f)
        return stream->any_frame
                   ? ft_fail(err, FT_ERROR_IO,
                             "%s: something that is not gzip follows the compressed data, after "
                             "%llu bytes of text",
                             stream->shown, (unsigned long long)stream->text_bytes)
                   : ft_fail(err, FT_ERROR_IO, "%s is not a gzip file", stream->shown);
    if (inflateReset(&stream->gzip) != Z_OK)
        return ft_fail(err, FT_ERROR_IO, "%s: cannot begin a gzip member", stream->shown);
    stream->in_frame = stream->any_frame = true;
    return true;
}

static bool gzip_step(ft_stream *stream, char *out, size_t capacity, size_t *out_size,
                      ft_error *err)
{
    z_stream *gzip = &stream->gzip;
    bool begun = true;
    if (!stream->in_frame && !gzip_begin(stream, &begun, err))
        return false;
    if (!begun)
        return true;
    const size_t bounded = capacity < INT32_MAX ? capacity : INT32_MAX;
    gzip->next_in = (unsigned char *)stream->packed + stream->packed_at;
    gzip->avail_in = (unsigned)(stream->packed_size - stream->packed_at);
    gzip->next_out = (unsigned char *)out;
    gzip->avail_out = (unsigned)bounded;
    const int result = inflate(gzip, Z_NO_FLUSH);
    stream->packed_at = stream->packed_size - gzip->avail_in;
    *out_size = bounded - gzip->avail_out;
    if (result == Z_STREAM_END)
        stream->in_frame = false;
    else if (result == Z_MEM_ERROR)
        return ft_fail_nomem(err, 1 << 15);
    else if (result != Z_OK && result != Z_BUF_ERROR)
        return ft_fail(err, FT_ERROR_IO, "%s: wrong gzip data after %llu bytes of text (%s)",
                       stream->shown, (unsigned long long)(stream->text_bytes + *out_size),
                       gzip->msg ? gzip->msg : "no details");
    return true;
}
#endif

// ---- zstd ----

#ifdef FT_HAVE_ZSTD
static bool zstd_step(ft_stream *stream, char *out, size_t capacity, size_t *out_size,
                      ft_error *err)
{
    if (stream->packed_at == stream->packed_size && !stream->in_frame)
        return true;
    ZSTD_inBuffer in = {stream->packed, stream->packed_size, stream->packed_at};
    ZSTD_outBuffer to = {out, capacity, 0};
    const size_t result = ZSTD_decompressStream(stream->zstd, &to, &in);
    stream->packed_at = in.pos;
    *out_size = to.pos;
    if (ZSTD_isError(result))
        return ft_fail(err, FT_ERROR_IO, "%s: wrong zstd data after %llu bytes of text (%s)",
                       stream->shown, (unsigned long long)(stream->text_bytes + to.pos),
                       ZSTD_getErrorName(result));
    stream->in_frame = result != 0;
    stream->any_frame = true;
    return true;
}
#endif

// ---- streams ----

static bool open_unpacker(ft_stream *stream, ft_error *err)
{
    stream->packed = ft_alloc(PACKED_BYTES);
    if (!stream->packed)
        return ft_fail_nomem(err, PACKED_BYTES);
#ifdef FT_HAVE_ZLIB
    if (stream->packing == FT_PACKING_GZIP)
        return gzip_open(stream, err);
#endif
#ifdef FT_HAVE_ZSTD
    if (stream->packing == FT_PACKING_ZSTD) {
        stream->zstd = ZSTD_createDStream();
        return stream->zstd != NULL || ft_fail_nomem(err, PACKED_BYTES);
    }
#endif
    const bool is_gzip = stream->packing == FT_PACKING_GZIP;
    ft_fail(err, FT_ERROR_USAGE, "%s is compressed with %s, which this ftpipe was built without",
            stream->shown, is_gzip ? "gzip" : "zstd");
    ft_hint(err, "Unpack it first, or build ftpipe where the headers of %s are installed.",
            is_gzip ? "zlib" : "libzstd");
    return false;
}

static bool set_shown(ft_stream *stream, bool is_standard, ft_error *err)
{
    static const char standard[] = "standard input";
    const size_t size = is_standard ? sizeof(standard) : strlen(stream->path) + 3;
    stream->shown = ft_alloc(size);
    if (!stream->shown)
        return ft_fail_nomem(err, size);
    if (is_standard)
        memcpy(stream->shown, standard, size);
    else
        snprintf(stream->shown, size, "`%s`", stream->path);
    return true;
}

static bool open_file(ft_stream *stream, ft_error *err)
{
    struct stat found;
    const bool is_standard = strcmp(stream->path, "-") == 0;
    if (!set_shown(stream, is_standard, err))
        return false;
    if (is_standard) {
        stream->fd = STDIN_FILENO;
    } else {
        stream->fd = open(stream->path, O_RDONLY | O_CLOEXEC);
        if (stream->fd < 0)
            return ft_fail_errno(err, errno, "cannot open `%s`", stream->path);
        stream->packing = ft_packing_find(ft_slice_of(stream->path), NULL);
        stream->is_known = stream->packing != FT_PACKING_NONE;
    }
    if (fstat(stream->fd, &found) != 0)
        return ft_fail_errno(err, errno, "cannot look at %s", stream->shown);
    if (S_ISDIR(found.st_mode)) {
        ft_fail(err, FT_ERROR_IO, "`%s` is a directory, not a file", stream->path);
        ft_hint(err, "To read all files in it, write `%s/*`.", stream->path);
        return false;
    }
    stream->is_live = !S_ISREG(found.st_mode);
    return stream->packing == FT_PACKING_NONE || open_unpacker(stream, err);
}

ft_stream *ft_stream_open(const char *path, ft_error *err)
{
    ft_stream *stream = ft_alloc_zero(1, sizeof(*stream));
    if (!stream) {
        ft_fail_nomem(err, sizeof(*stream));
        return NULL;
    }
    stream->path = path;
    stream->fd = -1;
    if (open_file(stream, err))
        return stream;
    ft_stream_close(stream);
    return NULL;
}

void ft_stream_close(ft_stream *stream)
{
    if (!stream)
        return;
#ifdef FT_HAVE_ZLIB
    if (stream->gzip_is_open)
        inflateEnd(&stream->gzip);
#endif
#ifdef FT_HAVE_ZSTD
    ZSTD_freeDStream(stream->zstd);
#endif
    if (stream->fd > STDIN_FILENO)
        close(stream->fd);  // Nothing was written: there is nothing to lose.
    ft_free(stream->packed);
    ft_free(stream->shown);
    ft_free(stream);
}

bool ft_stream_is_live(const ft_stream *stream)
{
    return stream->is_live;
}

int ft_stream_fd(const ft_stream *stream)
{
    return stream->fd;
}

int64_t ft_stream_taken_bytes(const ft_stream *stream)
{
    off_t at = lseek(stream->fd, 0, SEEK_CUR);

    return at < 0 ? 0 : (int64_t)at;
}

bool ft_stream_is_ready(ft_stream *stream)
{
    if (!stream->is_live || stream->packed_at < stream->packed_size || stream->was_full ||
        stream->head_at < stream->head_size)
        return true;
    struct pollfd wanted = {.fd = stream->fd, .events = POLLIN};
    // Errors and hang-ups are for the read to tell.
    return poll(&wanted, 1, 0) != 0;
}

static bool read_some(ft_stream *stream, char *out, size_t capacity, size_t *out_size,
                      ft_error *err)
{
    ssize_t got;
    while ((got = read(stream->fd, out, capacity)) < 0) {
        // Standard input may have been made non-blocking by whoever shares it.
        struct pollfd wanted = {.fd = stream->fd, .events = POLLIN};
        if (errno == EAGAIN)
            ft_ignore(poll(&wanted, 1, -1) > 0);
        else if (errno != EINTR)
            break;
    }
    if (got < 0)
        return ft_fail_errno(err, errno, "cannot read %s", stream->shown);
    *out_size = (size_t)got;
    return true;
}

// ---- what has no telling name ----

static const struct {
    ft_packing packing;
    const char *magic;  // Neither can begin a text in UTF-8.
} magics[] = {{FT_PACKING_GZIP, "\x1f\x8b"}, {FT_PACKING_ZSTD, "\x28\xb5\x2f\xfd"}};

// Whether the head begins as packed data does; `*out_more` when further bytes must tell.
static ft_packing look_at_head(const ft_stream *stream, bool *out_more)
{
    *out_more = false;
    for (size_t i = 0; i < FT_COUNT_OF(magics); i++) {
        const size_t wanted = strlen(magics[i].magic);
        const size_t size = stream->head_size < wanted ? stream->head_size : wanted;
        if (memcmp(stream->head, magics[i].magic, size) != 0)
            continue;
        if (size == wanted)
            return magics[i].packing;
        *out_more = true;
    }
    return FT_PACKING_NONE;
}

static bool find_packing(ft_stream *stream, ft_error *err)
{
    bool more = true;
    while (more) {
        size_t got;
        if (!read_some(stream, stream->head + stream->head_size, HEAD_BYTES - stream->head_size,
                       &got, err))
            return false;
        stream->head_size += got;
        stream->packing = look_at_head(stream, &more);
        more = more && got > 0;
    }
    stream->is_known = true;
    if (stream->packing == FT_PACKING_NONE)
        return true;
    if (!open_unpacker(stream, err))
        return false;
    memcpy(stream->packed, stream->head, stream->head_size);
    stream->packed_size = stream->head_size;
    stream->head_size = 0;
    return true;
}

static bool read_plain(ft_stream *stream, char *out, size_t capacity, size_t *out_size,
                       ft_error *err)
{
    const size_t left = stream->head_size - stream->head_at;
    if (left == 0)
        return read_some(stream, out, capacity, out_size, err);
    *out_size = left < capacity ? left : capacity;
    memcpy(out, stream->head + stream->head_at, *out_size);
    stream->head_at += *out_size;
    return true;
}

// ---- reading ----

static bool refill(ft_stream *stream, ft_error *err)
{
    stream->packed_at = stream->packed_size = 0;
    if (!read_some(stream, stream->packed, PACKED_BYTES, &stream->packed_size, err))
        return false;
    stream->packed_end = stream->packed_size == 0;
    return true;
}

static bool unpack_step(ft_stream *stream, char *out, size_t capacity, size_t *out_size,
                        ft_error *err)
{
    *out_size = 0;
#ifdef FT_HAVE_ZLIB
    if (stream->packing == FT_PACKING_GZIP)
        return gzip_step(stream, out, capacity, out_size, err);
#endif
#ifdef FT_HAVE_ZSTD
    if (stream->packing == FT_PACKING_ZSTD)
        return zstd_step(stream, out, capacity, out_size, err);
#endif
    (void)out;
    (void)capacity;
    return ft_fail(err, FT_ERROR_USAGE, "%s cannot be unpacked", stream->shown);
}

bool ft_stream_read(ft_stream *stream, char *out, size_t capacity, size_t *out_size, ft_error *err)
{
    *out_size = 0;
    if (!stream->is_known && !find_packing(stream, err))
        return false;
    if (stream->packing == FT_PACKING_NONE)
        return read_plain(stream, out, capacity, out_size, err);
    for (;;) {
        // Some text may still be inside the unpacker, so it is asked before the file.
        size_t size;
        if (!unpack_step(stream, out, capacity, &size, err))
            return false;
        stream->text_bytes += size;
        *out_size = size;
        stream->was_full = size == capacity;
        if (size > 0)
            return true;
        if (stream->packed_at < stream->packed_size)
            continue;
        if (!stream->packed_end && !refill(stream, err))
            return false;
        if (!stream->packed_end)
            continue;
        if (!stream->in_frame)
            return true;
        return ft_fail(err, FT_ERROR_IO,
                       "%s: the compressed data ends early, after %llu bytes of text",
                       stream->shown, (unsigned long long)stream->text_bytes);
    }
}
