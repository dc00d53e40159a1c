// Large blocks straight from the kernel, so that what is freed leaves the process: resident memory
// follows what is accounted. A few just freed blocks are kept, since the next batch usually wants
// the same sizes: 5 MiB, and while much is in use about as much as was in use lately (40 MiB at
// most).
//
// For runtime/memory only; buffers use it from FT_PAGES_MIN bytes on. Under sanitizers blocks come
// from ft_alloc_aligned, so that every overrun is seen.
#pragma once

#include "runtime/compiler.h"

enum { FT_PAGES_MIN = 256 * 1024 };

// Rounds up to what a block of that size really takes. False on overflow.
bool ft_pages_round(size_t *size_bytes);
// `size_bytes` as ft_pages_round gave it. NULL without memory. Counted as one allocation.
void *ft_pages_create(size_t size_bytes) FT_MUST_CHECK;
// All zero. Fresh from the kernel, so a page takes memory only once it is written to.
void *ft_pages_zero(size_t size_bytes) FT_MUST_CHECK;
void ft_pages_destroy(void *pages, size_t size_bytes);
// The same, of pages that are read-only or of a size that nobody wants again: they are not kept.
void ft_pages_discard(void *pages, size_t size_bytes);
// Gives back the freed blocks that are kept, and forgets how much was in use.
void ft_pages_trim(void);
// Moves pages rather than bytes. NULL without memory: the old block stays.
void *ft_pages_resize(void *pages, size_t old_bytes, size_t new_bytes) FT_MUST_CHECK;

// Of alloc.c: a failure was asked for now; count one block made or freed; neither counted nor made
// to fail.
void *ft_alloc_raw(size_t size_bytes, size_t alignment) FT_MUST_CHECK;
void ft_free_raw(void *pointer);
bool ft_alloc_must_fail(void);
void ft_alloc_count(bool is_free);
