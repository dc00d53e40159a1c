// Buffers: small ones from the allocator, from FT_PAGES_MIN on whole pages. What is charged is what
// is taken from the system: size, the 64 readable bytes behind it, and the rounding.
#include "runtime/memory/buffer.h"

#include <string.h>

#include "runtime/memory/alloc.h"
#include "runtime/memory/pages.h"
#include "runtime/memory/pool.h"

enum { TAIL_BYTES = 64 };

static void buffer_destroy(ft_object *object);
static const ft_object_type buffer_type = {.name = "buffer", .destroy = buffer_destroy};

// Bytes of the block for `size_bytes` of data. False on overflow.
static bool block_bytes(size_t size_bytes, size_t *out)
{
    if (FT_ADD_OVERFLOWS(size_bytes, (size_t)TAIL_BYTES + FT_BUFFER_ALIGNMENT - 1, out))
        return false;
    *out -= *out % FT_BUFFER_ALIGNMENT;
    if (*out > INT64_MAX / 2)
        return false;
    if (*out < FT_PAGES_MIN)
        *out = ft_pool_round(*out);
    return *out < FT_PAGES_MIN || ft_pages_round(out);
}

static void *block_create(size_t bytes, bool is_zero, uint16_t *out_home)
{
    void *data;

    *out_home = 0;
    if (bytes < FT_PAGES_MIN)
        data = (is_zero ? ft_pool_zero : ft_pool_alloc)(bytes, out_home);
    else
        data = (is_zero ? ft_pages_zero : ft_pages_create)(bytes);

#ifdef FT_SANITIZED
    // Kernels may read the tail; it must not make a sanitizer that tracks values unhappy.
    if (data)
        memset((char *)data + bytes - TAIL_BYTES, 0, TAIL_BYTES);
#endif
    return data;
}

static void block_destroy(void *data, size_t bytes, uint16_t home)
{
    if (bytes < FT_PAGES_MIN)
        ft_pool_free(data, bytes, home);
    else
        ft_pages_destroy(data, bytes);
}

static ft_buffer *buffer_new(ft_error *err)
{
    uint16_t home;
    ft_buffer *buffer = ft_pool_zero(sizeof(*buffer), &home);

    if (!buffer) {
        ft_fail_nomem(err, sizeof(*buffer));
        return NULL;
    }
    buffer->home = home;
    ft_object_init(&buffer->object, &buffer_type);
    return buffer;
}

static void buffer_destroy(ft_object *object)
{
    ft_buffer *buffer = (ft_buffer *)(void *)object;

    if (buffer->charged_bytes >= FT_PAGES_MIN && buffer->is_discarded) {
        ft_pages_discard(buffer->data, buffer->charged_bytes);
        ft_account_release(buffer->account, (int64_t)buffer->charged_bytes);
    } else if (buffer->charged_bytes > 0) {
        block_destroy(buffer->data, buffer->charged_bytes, buffer->data_home);
        ft_account_release(buffer->account, (int64_t)buffer->charged_bytes);
    } else if (buffer->release) {
        buffer->release(buffer->host, buffer->data, buffer->size_bytes);
    }
    ft_pool_free(buffer, sizeof(*buffer), buffer->home);
}

static ft_buffer *create(ft_account *account, size_t size_bytes, bool is_zero, ft_error *err)
{
    size_t bytes;

    if (!block_bytes(size_bytes, &bytes)) {
        ft_fail_nomem(err, size_bytes);
        return NULL;
    }
    ft_buffer *buffer = buffer_new(err);
    if (!buffer)
        return NULL;
    if (!ft_account_charge(account, (int64_t)bytes, err)) {
        ft_pool_free(buffer, sizeof(*buffer), buffer->home);
        return NULL;
    }
    buffer->data = block_create(bytes, is_zero, &buffer->data_home);
    if (!buffer->data) {
        ft_account_release(account, (int64_t)bytes);
        ft_pool_free(buffer, sizeof(*buffer), buffer->home);
        ft_fail_nomem(err, bytes);
        return NULL;
    }
    buffer->size_bytes = size_bytes;
    buffer->charged_bytes = bytes;
    buffer->account = account;
    return buffer;
}

ft_buffer *ft_buffer_create(ft_account *account, size_t size_bytes, ft_error *err)
{
    return create(account, size_bytes, false, err);
}

ft_buffer *ft_buffer_zero(ft_account *account, size_t size_bytes, ft_error *err)
{
    return create(account, size_bytes, true, err);
}

ft_buffer *ft_buffer_borrow(void *data, size_t size_bytes, void (*release)(void *, void *, size_t),
                            void *host, ft_error *err)
{
    ft_buffer *buffer = buffer_new(err);

    if (!buffer)
        return NULL;
    buffer->data = data;
    buffer->size_bytes = size_bytes;
    buffer->release = release;
    buffer->host = host;
    return buffer;
}

// Moves the data into a block of another size.
static void *block_move(ft_buffer *buffer, size_t size_bytes, size_t bytes)
{
    uint16_t home;

    if (buffer->charged_bytes >= FT_PAGES_MIN && bytes >= FT_PAGES_MIN)
        return ft_pages_resize(buffer->data, buffer->charged_bytes, bytes);
    void *moved = block_create(bytes, false, &home);
    if (!moved)
        return NULL;
    memcpy(moved, buffer->data, size_bytes < buffer->size_bytes ? size_bytes : buffer->size_bytes);
    block_destroy(buffer->data, buffer->charged_bytes, buffer->data_home);
    buffer->data_home = home;
    return moved;
}

bool ft_buffer_resize(ft_buffer *buffer, size_t size_bytes, ft_error *err)
{
    size_t bytes;

    // A stage's state may have come with it from another thread.
    ft_object_receive(&buffer->object);
    FT_ASSERT(buffer->charged_bytes > 0 && ft_object_is_unique(&buffer->object));
    if (!block_bytes(size_bytes, &bytes))
        return ft_fail_nomem(err, size_bytes);
    if (bytes == buffer->charged_bytes) {
        buffer->size_bytes = size_bytes;
        return true;
    }
    int64_t more = (int64_t)bytes - (int64_t)buffer->charged_bytes;
    if (!ft_account_charge(buffer->account, more, err))
        return false;
    void *moved = block_move(buffer, size_bytes, bytes);
    if (!moved) {
        ft_account_release(buffer->account, more);
        return ft_fail_nomem(err, bytes);
    }
    ft_account_release(buffer->account, -more);
    buffer->data = moved;
    buffer->size_bytes = size_bytes;
    buffer->charged_bytes = bytes;
    return true;
}

ft_buffer *ft_buffer_ref(ft_buffer *buffer)
{
    ft_object_ref(&buffer->object);
    return buffer;
}

void ft_buffer_unref(ft_buffer *buffer)
{
    if (buffer)
        ft_object_unref(&buffer->object);
}

void ft_buffer_discard(ft_buffer *buffer)
{
    if (buffer)
        buffer->is_discarded = true;
    ft_buffer_unref(buffer);
}
