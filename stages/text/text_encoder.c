// The tokens of each text, then special ones, cutting and padding (text_encoding.h).
#include "stages/text/text_encoder.h"

#include "runtime/memory/alloc.h"
#include "stages/text/interpreter.h"
#include "stages/text/tokenizer_parts.h"

struct ft_text_encoder {
    const ft_tokenizer *tokenizer;
    ft_encode_settings settings;
    // One of the two:
    ft_token_coder *coder;
    ft_interpreter *interpreter;
    ft_tokens a, b;
    size_t enough;  // Tokens of one text beyond which all are cut off.
};

enum { PLACES = FT_ENCODE_OFFSETS | FT_ENCODE_WORD_IDS };

static void open_tokens(ft_text_encoder *encoder, ft_tokens *tokens, ft_account *account)
{
    const ft_post_definition *post = &encoder->tokenizer->definition.post;

    ft_tokens_init(tokens, account);
    tokens->has_places = encoder->settings.columns & PLACES;
    tokens->has_words = encoder->settings.columns & FT_ENCODE_WORD_IDS;
    tokens->has_spaces = post->trim_offsets && (encoder->settings.columns & FT_ENCODE_OFFSETS);
}

ft_text_encoder *ft_text_encoder_create(const ft_tokenizer *tokenizer, ft_encode_settings settings,
                                        ft_special_tokens special_tokens, bool pairs,
                                        ft_account *account, ft_error *err)
{
    const ft_token_settings token_settings = {.truncation = FT_TRUNCATE_NONE,
                                              .special_tokens = special_tokens};
    // One more tells that something was cut off. Special tokens are to be found anywhere.
    bool stops = settings.max_length > 0 && settings.truncation == FT_TRUNCATE_RIGHT && !pairs &&
                 !settings.windows && special_tokens != FT_SPECIAL_ERROR;

    if (!ft_encode_check(tokenizer, &settings, pairs, err))
        return NULL;
    ft_text_encoder *encoder = ft_alloc_zero(1, sizeof(*encoder));
    if (!encoder) {
        ft_fail_nomem(err, sizeof(*encoder));
        return NULL;
    }
    encoder->tokenizer = tokenizer;
    encoder->settings = settings;
    encoder->enough = stops && settings.max_length < SIZE_MAX ? settings.max_length + 1 : SIZE_MAX;
    open_tokens(encoder, &encoder->a, account);
    open_tokens(encoder, &encoder->b, account);
    if (settings.is_plain)
        encoder->interpreter = ft_interpreter_create(tokenizer, special_tokens, account, err);
    else
        encoder->coder = ft_token_coder_create(tokenizer, token_settings, account, err);
    if (!encoder->interpreter && !encoder->coder)
        ft_text_encoder_destroy(ft_take(&encoder));
    return encoder;
}

void ft_text_encoder_destroy(ft_text_encoder *encoder)
{
    if (!encoder)
        return;
    ft_interpreter_destroy(encoder->interpreter);
    ft_token_coder_destroy(encoder->coder);
    ft_tokens_finish(&encoder->a);
    ft_tokens_finish(&encoder->b);
    ft_free(encoder);
}

static bool find_tokens(ft_text_encoder *encoder, ft_slice text, ft_tokens *out, ft_error *err)
{
    out->text = text;
    if (encoder->coder)
        return ft_token_coder_add_tokens(encoder->coder, text, encoder->enough, out, err);
    ft_tokens_clear(out);
    return ft_interpreter_add(encoder->interpreter, text, encoder->enough, out, err);
}

bool ft_text_encoder_add(ft_text_encoder *encoder, ft_slice a, const ft_slice *b, ft_encodings *out,
                         bool *out_cut, ft_error *err)
{
    return find_tokens(encoder, a, &encoder->a, err) &&
           (!b || find_tokens(encoder, *b, &encoder->b, err)) &&
           ft_encode(encoder->tokenizer, &encoder->settings, &encoder->a, b ? &encoder->b : NULL,
                     out, out_cut, err);
}
