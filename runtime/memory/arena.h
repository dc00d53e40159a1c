// Memory that is freed as a whole: plans, vocabularies, weights. Named after its life:
// `plan_arena`, `model_arena`. One thread at a time writes; reading what it holds needs nothing.
#pragma once

#include "runtime/error.h"
#include "runtime/slice.h"

typedef struct ft_arena ft_arena;

FT_API ft_arena *ft_arena_create(void);  // NULL without memory.
// For what is written once and read by all: weights, vocabularies. Whole pages, which
// ft_arena_protect makes read-only (or writable again); a write then faults. Counted objects in it
// are made by ft_object_init_immortal.
ft_arena *ft_arena_create_immortal(void);
void ft_arena_protect(ft_arena *arena, bool read_only);
FT_API void ft_arena_destroy(ft_arena *arena);  // Protected or not.

// Aligned to 16 bytes (`_aligned`: as asked, up to 4096), not cleared (`_zero`: cleared). NULL
// without memory.
FT_API void *ft_arena_alloc(ft_arena *arena, size_t size_bytes) FT_MUST_CHECK;
FT_API void *ft_arena_zero(ft_arena *arena, size_t count, size_t size_bytes) FT_MUST_CHECK;
FT_API void *ft_arena_aligned(ft_arena *arena, size_t size_bytes, size_t alignment) FT_MUST_CHECK;
FT_API char *ft_arena_text(ft_arena *arena, ft_slice text) FT_MUST_CHECK;  // NUL-terminated copy.
FT_API char *ft_arena_format(ft_arena *arena, const char *format, ...)
    FT_PRINTF(2, 3) FT_MUST_CHECK;
// `finish(object)` runs when the arena is destroyed, last added first. For mapped files. False
// without memory.
FT_API bool ft_arena_defer(ft_arena *arena, void (*finish)(void *object),
                           void *object) FT_MUST_CHECK;
FT_API size_t ft_arena_size_bytes(const ft_arena *arena);
