// zlib's memory from the program's allocator.
#pragma once

#include <zlib.h>

#include "runtime/memory/alloc.h"

static inline void *ft_zlib_alloc(void *host, unsigned count, unsigned size)
{
    (void)host;
    return ft_alloc_zero(count, size);
}

static inline void ft_zlib_free(void *host, void *block)
{
    (void)host;
    ft_free(block);
}
