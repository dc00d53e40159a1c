// Ids that grow.
#pragma once

#include "runtime/memory/buffer.h"

// Memory is charged to the account. A zeroed one with its account is empty.
typedef struct ft_ids {
    ft_buffer *buffer;
    size_t count;
    ft_account *account;  // May be NULL.
} ft_ids;

static inline int32_t *ft_ids_data(const ft_ids *ids)
{
    return ids->buffer ? ids->buffer->data : NULL;
}
// Room for `more` ids behind those there are.
bool ft_ids_reserve(ft_ids *ids, size_t more, ft_error *err) FT_MUST_CHECK;
void ft_ids_finish(ft_ids *ids);  // A zeroed one is fine.
