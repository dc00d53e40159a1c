// The interpreter for each text, then special tokens, cutting and padding (text_encoding.h).
#include "stages/text/text_encoder.h"

#include "runtime/memory/alloc.h"
#include "stages/text/interpreter.h"

struct ft_text_encoder {
    const ft_tokenizer *tokenizer;
    ft_encode_settings settings;
    ft_interpreter *interpreter;
    ft_tokens a, b;
};

enum { PLACES = FT_ENCODE_OFFSETS | FT_ENCODE_WORD_IDS };

ft_text_encoder *ft_text_encoder_create(const ft_tokenizer *tokenizer, ft_encode_settings settings,
                                        ft_special_tokens special_tokens, bool pairs,
                                        ft_account *account, ft_error *err)
{
    if (!ft_encode_check(tokenizer, &settings, pairs, err))
        return NULL;
    ft_text_encoder *encoder = ft_alloc_zero(1, sizeof(*encoder));
    if (!encoder) {
        ft_fail_nomem(err, sizeof(*encoder));
        return NULL;
    }
    encoder->tokenizer = tokenizer;
    encoder->settings = settings;
    encoder->a.account = encoder->b.account = account;
    encoder->interpreter = ft_interpreter_create(tokenizer, special_tokens, account, err);
    if (!encoder->interpreter)
        ft_text_encoder_destroy(ft_take(&encoder));
    return encoder;
}

void ft_text_encoder_destroy(ft_text_encoder *encoder)
{
    if (!encoder)
        return;
    ft_interpreter_destroy(encoder->interpreter);
    ft_tokens_finish(&encoder->a);
    ft_tokens_finish(&encoder->b);
    ft_free(encoder);
}

bool ft_text_encoder_add(ft_text_encoder *encoder, ft_slice a, const ft_slice *b, ft_encodings *out,
                         bool *out_cut, ft_error *err)
{
    bool with_places = encoder->settings.columns & PLACES;

    encoder->a.count = encoder->b.count = 0;
    if (!ft_interpreter_add(encoder->interpreter, a, with_places, SIZE_MAX, &encoder->a, err) ||
        (b &&
         !ft_interpreter_add(encoder->interpreter, *b, with_places, SIZE_MAX, &encoder->b, err)))
        return false;
    return ft_encode(encoder->tokenizer, &encoder->settings, &encoder->a, b ? &encoder->b : NULL,
                     out, out_cut, err);
}
