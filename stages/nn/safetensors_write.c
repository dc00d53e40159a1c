// Writes safetensors files: the header in one text, the data behind it in the order given.
#include "stages/nn/safetensors_write.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/data/json.h"

enum { PATH_BYTES = 4096 };

static bool size_of(const ft_weight_source *weight, size_t *out, ft_error *err)
{
    static const unsigned char bytes[FT_WEIGHT_KIND_COUNT] = {
        [FT_WEIGHT_BOOL] = 1, [FT_WEIGHT_U8] = 1,  [FT_WEIGHT_I8] = 1,   [FT_WEIGHT_I16] = 2,
        [FT_WEIGHT_U16] = 2,  [FT_WEIGHT_F16] = 2, [FT_WEIGHT_BF16] = 2, [FT_WEIGHT_I32] = 4,
        [FT_WEIGHT_U32] = 4,  [FT_WEIGHT_F32] = 4, [FT_WEIGHT_C64] = 8,  [FT_WEIGHT_F64] = 8,
        [FT_WEIGHT_I64] = 8,  [FT_WEIGHT_U64] = 8,
    };
    size_t size = bytes[weight->kind];

    if (size == 0)
        return ft_fail(err, FT_ERROR_DATA, "tensor `%s`: %s is not written", weight->name,
                       ft_weight_kind_name(weight->kind));
    for (size_t i = 0; i < weight->rank; i++)
        if (weight->shape[i] > SIZE_MAX || FT_MUL_OVERFLOWS(size, (size_t)weight->shape[i], &size))
            return ft_fail(err, FT_ERROR_DATA, "tensor `%s`: the shape is too large", weight->name);
    *out = size;
    return true;
}

static bool put_header(ft_text *header, const ft_weight_source *weights, size_t count,
                       ft_error *err)
{
    size_t at = 0, size;

    ft_text_append_char(header, '{');
    for (size_t i = 0; i < count; i++) {
        if (!size_of(&weights[i], &size, err))
            return false;
        if (FT_ADD_OVERFLOWS(at, size, &size))
            return ft_fail(err, FT_ERROR_DATA, "tensor `%s`: the file would be too large",
                           weights[i].name);
        if (i > 0)
            ft_text_append_char(header, ',');
        ft_json_put_string(header, ft_slice_of(weights[i].name));
        ft_text_format(header, ":{\"dtype\":\"%s\",\"shape\":[",
                       ft_weight_kind_name(weights[i].kind));
        for (size_t k = 0; k < weights[i].rank; k++)
            ft_text_format(header, "%s%" PRIu64, k ? "," : "", weights[i].shape[k]);
        ft_text_format(header, "],\"data_offsets\":[%zu,%zu]}", at, size);
        at = size;
    }
    ft_text_append_char(header, '}');
    while (!header->failed && header->size % 8 != 0)  // The data begins at a multiple of 8.
        ft_text_append_char(header, ' ');
    return ft_text_check(header, err);
}

static bool write_bytes(int fd, const char *path, const void *bytes, size_t size, ft_error *err)
{
    const char *at = bytes;

    while (size > 0) {
        const ssize_t written = write(fd, at, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return ft_fail_errno(err, errno, "cannot write `%s`", path);
        at += written;
        size -= (size_t)written;
    }
    return true;
}

static bool write_all(int fd, const char *path, ft_slice header, const ft_weight_source *weights,
                      size_t count, ft_error *err)
{
    unsigned char length[8];
    size_t size;

    for (size_t i = 0; i < sizeof(length); i++)
        length[i] = (unsigned char)((uint64_t)header.size >> (8 * i));
    if (!write_bytes(fd, path, length, sizeof(length), err) ||
        !write_bytes(fd, path, header.data, header.size, err))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!size_of(&weights[i], &size, err) || !write_bytes(fd, path, weights[i].data, size, err))
            return false;
    return true;
}

bool ft_safetensors_write(const char *path, const ft_weight_source *weights, size_t count,
                          ft_error *err)
{
    char part[PATH_BYTES];
    ft_text header;

    if (snprintf(part, sizeof(part), "%s.part", path) >= PATH_BYTES)
        return ft_fail(err, FT_ERROR_USAGE, "the path is too long: `%.60s...`", path);
    ft_text_init(&header, FT_SAFETENSORS_HEADER_MAX);
    if (!put_header(&header, weights, count, err)) {
        ft_text_finish(&header);
        return false;
    }
    const int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) {
        ft_text_finish(&header);
        return ft_fail_errno(err, errno, "cannot write `%s`", part);
    }
    bool ok = write_all(fd, part, ft_text_get(&header), weights, count, err);
    ft_text_finish(&header);
    if (close(fd) != 0 && ok)
        ok = ft_fail_errno(err, errno, "cannot write `%s`", part);
    if (ok && rename(part, path) != 0)
        ok = ft_fail_errno(err, errno, "cannot rename `%s`", part);
    if (!ok)
        unlink(part);
    return ok;
}
