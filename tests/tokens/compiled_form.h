// A tokenizer's compiled form in memory, for tests.
#pragma once

#include <stddef.h>

#include "stages/text/decode.h"
#include "stages/text/text_encoder.h"
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

// Ids of a text with all that is known of them, by the fast path too, and the text again. What is
// hostile may give any ids, or a message; what it decodes to is UTF-8. Returns whether that holds.
static inline bool compiled_run(const ft_tokenizer *tokenizer, ft_slice text)
{
    const ft_encode_settings settings = {.columns = FT_ENCODE_OFFSETS | FT_ENCODE_WORD_IDS |
                                                    FT_ENCODE_TYPE_IDS | FT_ENCODE_SPECIAL_MASK,
                                         .add_special = true};
    const ft_token_settings plain = {.truncation = FT_TRUNCATE_NONE, .add_special = true};
    ft_error err = FT_ERROR_INIT;
    ft_decoder decoder = {0};
    ft_encodings out;
    ft_slice back;
    bool was_cut;

    ft_encodings_init(&out, NULL);
    ft_text_encoder *encoder =
        ft_text_encoder_create(tokenizer, settings, FT_SPECIAL_PARSE, false, NULL, &err);
    ft_token_coder *coder = ft_token_coder_create(tokenizer, plain, NULL, &err);
    bool done = encoder && coder &&
                ft_text_encoder_add(encoder, text, NULL, &out, &was_cut, &err) &&
                ft_token_coder_add(coder, text, &out.ids, &was_cut, &err) &&
                ft_tokenizer_decode(tokenizer, &decoder, ft_ids_data(&out.ids), out.ids.count,
                                    false, &back, &err);
    bool is_right = done ? ft_utf8_valid_prefix(back) == back.size : err.message[0] != '\0';
    ft_decoder_finish(&decoder);
    ft_text_encoder_destroy(encoder);
    ft_token_coder_destroy(coder);
    ft_encodings_finish(&out);
    return is_right;
}
