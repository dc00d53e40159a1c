// A tokenizer's compiled form in memory, for tests.
#pragma once

#include <stddef.h>

#include "stages/text/token_image.h"
#include "stages/text/tokenizer_parts.h"

#define COMPILED_BUILD FT_SLICE("a build of tests")

// The bytes of its file, at a multiple of 64; ft_free them.
static inline bool compiled_print(const ft_tokenizer *tokenizer, ft_arena *arena, ft_slice *out,
                                  ft_error *err)
{
    ft_tokenizer copy = *tokenizer;
    ft_image image;

    ft_image_init(&image, arena);
    ft_tokenizer_transfer(&copy, &image);
    bool done = !image.fault && ft_image_print(&image, COMPILED_BUILD, out, err);
    ft_image_finish(&image);
    return done;
}

// What it is again; NULL, and why not. `is_unsummed`: arrays may be changed.
static inline const ft_tokenizer *compiled_open(ft_slice bytes, bool is_unsummed, ft_arena *arena,
                                                const char **out_fault)
{
    ft_tokenizer *tokenizer = ft_arena_zero(arena, 1, sizeof(*tokenizer));
    ft_image image;

    if (tokenizer && ft_image_open(&image, bytes, COMPILED_BUILD, arena)) {
        image.is_unsummed = is_unsummed;
        tokenizer->info.path = tokenizer->definition.path = "compiled";
        ft_tokenizer_transfer(tokenizer, &image);
    }
    *out_fault = tokenizer ? image.fault : "no memory";
    return *out_fault ? NULL : tokenizer;
}
