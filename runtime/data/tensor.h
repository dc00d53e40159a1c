// A view of a buffer: element type, shape, strides. Slicing makes another view, never a copy.
#pragma once

#include "runtime/data/type.h"
#include "runtime/memory/buffer.h"

typedef struct ft_tensor {
    ft_object object;
    ft_buffer *buffer;  // One reference.
    char *data;  // First element, inside the buffer. Read-only while tensor or buffer is shared.
    ft_dtype dtype;
    uint8_t rank;
    uint16_t home;  // Whose pool the struct came from.
    int64_t shape[FT_RANK_MAX];
    int64_t strides[FT_RANK_MAX];  // In elements; row-major unless a view says otherwise.
} ft_tensor;

// A new, contiguous tensor; not cleared. Fails when the product of the shape overflows, without
// memory, or at the limit.
FT_API ft_tensor *ft_tensor_create(ft_account *account, ft_dtype dtype, size_t rank,
                                   const int64_t *shape, ft_error *err) FT_MUST_CHECK;
static inline ft_tensor *ft_tensor_create_1d(ft_account *account, ft_dtype dtype, size_t count,
                                             ft_error *err)
{
    int64_t shape[1] = {(int64_t)count};
    return ft_tensor_create(account, dtype, 1, shape, err);
}
// A contiguous view at `offset_bytes` of the buffer; checks that it fits. Takes its own reference
// on the buffer.
FT_API ft_tensor *ft_tensor_view(ft_buffer *buffer, size_t offset_bytes, ft_dtype dtype,
                                 size_t rank, const int64_t *shape, ft_error *err) FT_MUST_CHECK;
// Rows [from, from + count) along the first axis.
FT_API ft_tensor *ft_tensor_slice(const ft_tensor *tensor, int64_t from, int64_t count,
                                  ft_error *err) FT_MUST_CHECK;
FT_API ft_tensor *ft_tensor_ref(ft_tensor *tensor);
FT_API void ft_tensor_unref(ft_tensor *tensor);  // NULL is fine.
FT_API int64_t ft_tensor_elements(const ft_tensor *tensor);
FT_API bool ft_tensor_is_contiguous(const ft_tensor *tensor);
// Unshared, and its buffer too: may be written.
FT_API bool ft_tensor_is_writable(const ft_tensor *tensor);

static inline const float *ft_tensor_f32(const ft_tensor *tensor)
{
    return (const float *)(const void *)tensor->data;
}
static inline const int32_t *ft_tensor_i32(const ft_tensor *tensor)
{
    return (const int32_t *)(const void *)tensor->data;
}
static inline const int64_t *ft_tensor_i64(const ft_tensor *tensor)
{
    return (const int64_t *)(const void *)tensor->data;
}
