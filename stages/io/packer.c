// Packing: see packer.h. One buffer of 128 KiB for what comes out; the packers' own state is some
// 300 KiB for gzip and a few MiB for zstd.
#include "stages/io/packer.h"

#ifdef FT_HAVE_ZLIB
#include "stages/io/zlib_memory.h"
#endif
#ifdef FT_HAVE_ZSTD
#include <zstd.h>
#endif

#include "runtime/memory/alloc.h"
#include "stages/io/stream.h"

enum { PACKED_BYTES = 128 * 1024, INPUT_BYTES_MAX = 1 << 30 };

struct ft_packer {
    ft_packing packing;
    char *packed;
#ifdef FT_HAVE_ZLIB
    z_stream gzip;
    bool gzip_is_open;
#endif
#ifdef FT_HAVE_ZSTD
    ZSTD_CStream *zstd;
#endif
};

bool ft_packer_check(const char *path, ft_error *err)
{
    const ft_packing packing = ft_packing_find(ft_slice_of(path), NULL);
    bool is_missing = false;
#ifndef FT_HAVE_ZLIB
    is_missing = is_missing || packing == FT_PACKING_GZIP;
#endif
#ifndef FT_HAVE_ZSTD
    is_missing = is_missing || packing == FT_PACKING_ZSTD;
#endif
    if (!is_missing)
        return true;
    const bool is_gzip = packing == FT_PACKING_GZIP;
    ft_fail(err, FT_ERROR_USAGE, "`%s` asks for %s, which this ftpipe was built without", path,
            is_gzip ? "gzip" : "zstd");
    ft_hint(err, "Build ftpipe where the headers of %s are installed, or drop `%s` from the name.",
            is_gzip ? "zlib" : "libzstd", is_gzip ? ".gz" : ".zst");
    return false;
}

#ifdef FT_HAVE_ZLIB
static bool gzip_step(ft_packer *packer, ft_slice *in, bool ends, size_t *out_size, bool *out_done,
                      ft_error *err)
{
    z_stream *gzip = &packer->gzip;
    const size_t taken = in->size < INPUT_BYTES_MAX ? in->size : INPUT_BYTES_MAX;
    // zlib only reads `next_in`, but its type says otherwise.
    __builtin_memcpy(&gzip->next_in, &in->data, sizeof(in->data));
    gzip->avail_in = (unsigned)taken;
    gzip->next_out = (unsigned char *)packer->packed;
    gzip->avail_out = PACKED_BYTES;
    const int result = deflate(gzip, ends ? Z_FINISH : Z_NO_FLUSH);
    if (result == Z_STREAM_ERROR)
        return ft_fail(err, FT_ERROR_IO, "gzip cannot go on");
    const size_t used = taken - gzip->avail_in;
    *in = (ft_slice){in->data + used, in->size - used};
    *out_size = PACKED_BYTES - gzip->avail_out;
    *out_done = ends ? result == Z_STREAM_END : in->size == 0 && gzip->avail_out > 0;
    return true;
}
#endif

#ifdef FT_HAVE_ZSTD
static bool zstd_step(ft_packer *packer, ft_slice *in, bool ends, size_t *out_size, bool *out_done,
                      ft_error *err)
{
    ZSTD_inBuffer from = {in->data, in->size, 0};
    ZSTD_outBuffer to = {packer->packed, PACKED_BYTES, 0};
    const size_t left =
        ZSTD_compressStream2(packer->zstd, &to, &from, ends ? ZSTD_e_end : ZSTD_e_continue);
    if (ZSTD_isError(left))
        return ft_fail(err, FT_ERROR_IO, "zstd cannot go on: %s", ZSTD_getErrorName(left));
    *in = (ft_slice){in->data + from.pos, in->size - from.pos};
    *out_size = to.pos;
    *out_done = ends ? left == 0 : in->size == 0;
    return true;
}
#endif

static bool step(ft_packer *packer, ft_slice *in, bool ends, size_t *out_size, bool *out_done,
                 ft_error *err)
{
#ifdef FT_HAVE_ZLIB
    if (packer->packing == FT_PACKING_GZIP)
        return gzip_step(packer, in, ends, out_size, out_done, err);
#endif
#ifdef FT_HAVE_ZSTD
    if (packer->packing == FT_PACKING_ZSTD)
        return zstd_step(packer, in, ends, out_size, out_done, err);
#endif
    (void)packer, (void)in, (void)ends, (void)out_size, (void)out_done;
    return ft_fail(err, FT_ERROR_USAGE, "this packing was not built in");
}

static bool pack(ft_packer *packer, ft_slice in, bool ends, ft_packer_sink *sink, void *host,
                 ft_error *err)
{
    for (bool done = false; !done;) {
        size_t size = 0;
        if (!step(packer, &in, ends, &size, &done, err))
            return false;
        if (size > 0 && !sink(host, (ft_slice){packer->packed, size}, err))
            return false;
    }
    return true;
}

bool ft_packer_put(ft_packer *packer, ft_slice bytes, ft_packer_sink *sink, void *host,
                   ft_error *err)
{
    return bytes.size == 0 || pack(packer, bytes, false, sink, host, err);
}

bool ft_packer_end(ft_packer *packer, ft_packer_sink *sink, void *host, ft_error *err)
{
    return pack(packer, (ft_slice){"", 0}, true, sink, host, err);
}

static bool open_codec(ft_packer *packer, ft_error *err)
{
    packer->packed = ft_alloc(PACKED_BYTES);
    if (!packer->packed)
        return ft_fail_nomem(err, PACKED_BYTES);
#ifdef FT_HAVE_ZLIB
    if (packer->packing == FT_PACKING_GZIP) {
        packer->gzip.zalloc = ft_zlib_alloc;
        packer->gzip.zfree = ft_zlib_free;
        const int result = deflateInit2(&packer->gzip, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16,
                                        8, Z_DEFAULT_STRATEGY);
        packer->gzip_is_open = result == Z_OK;
        return result == Z_OK || ft_fail_nomem(err, 1 << 18);
    }
#endif
#ifdef FT_HAVE_ZSTD
    if (packer->packing == FT_PACKING_ZSTD) {
        packer->zstd = ZSTD_createCStream();
        if (!packer->zstd)
            return ft_fail_nomem(err, 1 << 20);
        // A checksum, as the zstd program writes.
        ZSTD_CCtx_setParameter(packer->zstd, ZSTD_c_checksumFlag, 1);
        return true;
    }
#endif
    return ft_fail(err, FT_ERROR_USAGE, "this packing was not built in");
}

bool ft_packer_open(const char *path, ft_packer **out, ft_error *err)
{
    *out = NULL;
    const ft_packing packing = ft_packing_find(ft_slice_of(path), NULL);
    if (packing == FT_PACKING_NONE)
        return true;
    if (!ft_packer_check(path, err))
        return false;
    ft_packer *packer = ft_alloc_zero(1, sizeof(*packer));
    if (!packer)
        return ft_fail_nomem(err, sizeof(*packer));
    packer->packing = packing;
    if (!open_codec(packer, err)) {
        ft_packer_close(packer);
        return false;
    }
    *out = packer;
    return true;
}

void ft_packer_close(ft_packer *packer)
{
    if (!packer)
        return;
#ifdef FT_HAVE_ZLIB
    if (packer->gzip_is_open)
        deflateEnd(&packer->gzip);
#endif
#ifdef FT_HAVE_ZSTD
    ZSTD_freeCStream(packer->zstd);
#endif
    ft_free(packer->packed);
    ft_free(packer);
}
