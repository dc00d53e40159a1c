// Tensors: a struct of shape and strides over a counted buffer. Making, viewing and slicing check
// every product.
#include "runtime/data/tensor.h"

#include <string.h>

#include "runtime/memory/pool.h"

static void tensor_destroy(ft_object *object)
{
    ft_tensor *tensor = (ft_tensor *)(void *)object;

    ft_buffer_unref(tensor->buffer);
    ft_pool_free(tensor, sizeof(*tensor), tensor->home);
}

static void tensor_trace(ft_object *object, void (*visit)(ft_object *child, void *host), void *host)
{
    ft_tensor *tensor = (ft_tensor *)(void *)object;

    if (tensor->buffer)
        visit(&tensor->buffer->object, host);
}

static const ft_object_type tensor_type = {
    .name = "tensor", .destroy = tensor_destroy, .trace = tensor_trace};

// Bytes of a contiguous tensor of that shape; false when a size is negative or the product
// overflows.
static bool shape_bytes(ft_dtype dtype, size_t rank, const int64_t *shape, size_t *out)
{
    size_t bytes = ft_dtype_size_bytes(dtype);

    for (size_t i = 0; i < rank; i++)
        if (shape[i] < 0 || FT_MUL_OVERFLOWS(bytes, (size_t)shape[i], &bytes))
            return false;
    *out = bytes;
    return bytes <= PTRDIFF_MAX;
}

static bool bad_shape(ft_error *err)
{
    return ft_fail(err, FT_ERROR_LIMIT, "a tensor of this shape is larger than the address space");
}

static ft_tensor *tensor_new(ft_dtype dtype, size_t rank, const int64_t *shape, ft_error *err)
{
    FT_ASSERT(rank <= FT_RANK_MAX);
    uint16_t home;
    ft_tensor *tensor = ft_pool_zero(sizeof(*tensor), &home);
    if (!tensor) {
        ft_fail_nomem(err, sizeof(*tensor));
        return NULL;
    }
    ft_object_init(&tensor->object, &tensor_type);
    tensor->home = home;
    tensor->dtype = dtype;
    tensor->rank = (uint8_t)rank;
    int64_t stride = 1;
    for (size_t i = rank; i > 0; i--) {
        tensor->shape[i - 1] = shape[i - 1];
        tensor->strides[i - 1] = stride;
        stride *= shape[i - 1] > 0 ? shape[i - 1] : 1;
    }
    return tensor;
}

ft_tensor *ft_tensor_create(ft_account *account, ft_dtype dtype, size_t rank, const int64_t *shape,
                            ft_error *err)
{
    size_t bytes;

    if (!shape_bytes(dtype, rank, shape, &bytes)) {
        bad_shape(err);
        return NULL;
    }
    ft_tensor *tensor = tensor_new(dtype, rank, shape, err);
    if (!tensor)
        return NULL;
    tensor->buffer = ft_buffer_create(account, bytes, err);
    if (!tensor->buffer) {
        ft_pool_free(tensor, sizeof(*tensor), tensor->home);
        return NULL;
    }
    tensor->data = tensor->buffer->data;
    return tensor;
}

ft_tensor *ft_tensor_view(ft_buffer *buffer, size_t offset_bytes, ft_dtype dtype, size_t rank,
                          const int64_t *shape, ft_error *err)
{
    size_t bytes, end;

    if (!shape_bytes(dtype, rank, shape, &bytes)) {
        bad_shape(err);
        return NULL;
    }
    if (FT_ADD_OVERFLOWS(offset_bytes, bytes, &end) || end > buffer->size_bytes) {
        ft_fail(err, FT_ERROR_DATA, "a tensor of %zu bytes at %zu does not fit %zu bytes", bytes,
                offset_bytes, buffer->size_bytes);
        return NULL;
    }
    ft_tensor *tensor = tensor_new(dtype, rank, shape, err);
    if (!tensor)
        return NULL;
    tensor->buffer = ft_buffer_ref(buffer);
    tensor->data = (char *)buffer->data + offset_bytes;
    return tensor;
}

ft_tensor *ft_tensor_slice(const ft_tensor *tensor, int64_t from, int64_t count, ft_error *err)
{
    FT_ASSERT(tensor->rank > 0 && from >= 0 && count >= 0 && from <= tensor->shape[0] - count);
    ft_tensor *slice = tensor_new(tensor->dtype, tensor->rank, tensor->shape, err);
    if (!slice)
        return NULL;
    memcpy(slice->strides, tensor->strides, sizeof(slice->strides));
    slice->shape[0] = count;
    slice->buffer = ft_buffer_ref(tensor->buffer);
    slice->data =
        tensor->data + from * tensor->strides[0] * (int64_t)ft_dtype_size_bytes(tensor->dtype);
    return slice;
}

ft_tensor *ft_tensor_ref(ft_tensor *tensor)
{
    ft_object_ref(&tensor->object);
    return tensor;
}

void ft_tensor_unref(ft_tensor *tensor)
{
    if (tensor)
        ft_object_unref(&tensor->object);
}

int64_t ft_tensor_elements(const ft_tensor *tensor)
{
    int64_t elements = 1;

    for (size_t i = 0; i < tensor->rank; i++)
        elements *= tensor->shape[i];
    return elements;
}

bool ft_tensor_is_contiguous(const ft_tensor *tensor)
{
    int64_t stride = 1;

    for (size_t i = tensor->rank; i > 0; i--) {
        if (tensor->shape[i - 1] > 1 && tensor->strides[i - 1] != stride)
            return false;
        stride *= tensor->shape[i - 1] > 0 ? tensor->shape[i - 1] : 1;
    }
    return true;
}

bool ft_tensor_is_writable(const ft_tensor *tensor)
{
    return ft_object_is_unique(&tensor->object) && ft_object_is_unique(&tensor->buffer->object);
}
