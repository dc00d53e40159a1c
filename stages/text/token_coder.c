// Text to ids: added tokens, then the fast path that fits the tokenizer or the interpreter, special
// ids around, cut to a length.
//
// Memory does not depend on the text, but for tokenizers that have added tokens with `normalized:
// true` (those are looked for in the normalised text, which is then made as a whole) and for those
// that the interpreter runs.
#include <string.h>

#include "runtime/memory/alloc.h"
#include "stages/text/bert_coder.h"
#include "stages/text/byte_coder.h"
#include "stages/text/interpreter.h"
#include "stages/text/normalize.h"
#include "stages/text/placer.h"
#include "stages/text/space_coder.h"
#include "stages/text/tokenizer_parts.h"

struct ft_token_coder {
    const ft_tokenizer *tokenizer;
    ft_token_settings settings;
    ft_account *account;
    // One of these is there:
    ft_bert_coder *bert;
    ft_byte_coder *bytes;
    ft_space_coder *spaced;
    ft_interpreter *interpreter;
    ft_tokens tokens;        // Of the interpreter.
    ft_aligned part, spare;  // What is normalised, but for BERT.
    ft_placer placer;
    // Of the text at work:
    ft_ids *ids;
    ft_placer *places;  // NULL: ids alone.
    size_t enough;      // Stop at so many ids; SIZE_MAX: never.
};

ft_token_coder *ft_token_coder_create(const ft_tokenizer *tokenizer, ft_token_settings settings,
                                      ft_account *account, ft_error *err)
{
    size_t special = settings.add_special ? tokenizer->info.special_count : 0;

    if (settings.max_length > 0 && settings.max_length < special) {
        ft_fail(err, FT_ERROR_USAGE, "%zu ids a text leave no room for the %zu special ones",
                settings.max_length, special);
        return NULL;
    }
    ft_token_coder *coder = ft_alloc_zero(1, sizeof(*coder));
    if (!coder) {
        ft_fail_nomem(err, sizeof(*coder));
        return NULL;
    }
    coder->tokenizer = tokenizer;
    coder->settings = settings;
    coder->account = coder->placer.account = account;
    coder->part.account = coder->spare.account = account;
    ft_tokens_init(&coder->tokens, account);
    if (tokenizer->is_bert)
        coder->bert = ft_bert_coder_create(tokenizer->is_bert, account, err);
    else if (tokenizer->grammar)
        coder->bytes = ft_byte_coder_create(tokenizer->model, tokenizer->grammar, account, err);
    else if (tokenizer->is_spaced)
        coder->spaced =
            ft_space_coder_create(&tokenizer->definition, tokenizer->model, account, err);
    else
        coder->interpreter =
            ft_interpreter_create(tokenizer, settings.special_tokens, account, err);
    if (!coder->bert && !coder->bytes && !coder->spaced && !coder->interpreter)
        ft_token_coder_destroy(ft_take(&coder));
    return coder;
}

void ft_token_coder_destroy(ft_token_coder *coder)
{
    if (!coder)
        return;
    ft_bert_coder_destroy(coder->bert);
    ft_byte_coder_destroy(coder->bytes);
    ft_space_coder_destroy(coder->spaced);
    ft_aligned_finish(&coder->part);
    ft_aligned_finish(&coder->spare);
    ft_interpreter_destroy(coder->interpreter);
    ft_tokens_finish(&coder->tokens);
    ft_placer_finish(&coder->placer);
    ft_free(coder);
}

// ---- BERT ----

// `given`: where it stands.
static bool add_token(ft_token_coder *coder, const ft_added_token *token, ft_span given,
                      ft_error *err)
{
    if (!ft_added_token_allow(token, coder->settings.special_tokens, err) ||
        !ft_ids_reserve(coder->ids, 1, err))
        return false;
    ft_ids_data(coder->ids)[coder->ids->count++] = token->id;
    return !coder->places || ft_placer_add_token(coder->places, given, err);
}

static ft_span token_span(const ft_added_walk *walk)
{
    return (ft_span){(uint32_t)walk->token_start, (uint32_t)walk->taken};
}

// Ids of text in which normalised added tokens are to be found.
static bool add_normalized(ft_token_coder *coder, ft_slice part, ft_error *err)
{
    const ft_tokenizer *tokenizer = coder->tokenizer;
    size_t size = 0;
    ft_buffer *buffer = ft_buffer_create(coder->account, part.size + 8 * FT_BERT_ROOM, err);

    if (!buffer)
        return false;
    bool done = ft_bert_normalize(ft_bert_coder_bert(coder->bert), tokenizer->bert_rules, part,
                                  buffer, &size, err);
    ft_added_walk walk = {.set = &tokenizer->added_normalized,
                          .text = {buffer->data, size},
                          .skip_special = coder->settings.special_tokens == FT_SPECIAL_TEXT};
    const ft_added_token *token;
    ft_slice before;
    while (done && coder->ids->count < coder->enough && ft_added_next(&walk, &before, &token)) {
        // It is normalised already: only cut into words.
        done = ft_bert_coder_add(coder->bert, (ft_bert_rules){false}, before, 0, coder->enough,
                                 coder->ids, NULL, err) &&
               (!token || add_token(coder, token, token_span(&walk), err));
    }
    ft_buffer_unref(buffer);
    return done;
}

static bool add_bert(ft_token_coder *coder, ft_slice text, ft_error *err)
{
    const ft_tokenizer *tokenizer = coder->tokenizer;
    ft_added_walk walk = {.set = &tokenizer->added,
                          .text = text,
                          .skip_special = coder->settings.special_tokens == FT_SPECIAL_TEXT};
    const ft_added_token *token;
    ft_slice before;

    while (coder->ids->count < coder->enough && ft_added_next(&walk, &before, &token)) {
        if (before.size > 0) {
            bool done = tokenizer->added_normalized.count > 0
                            ? add_normalized(coder, before, err)
                            : ft_bert_coder_add(coder->bert, tokenizer->bert_rules, before,
                                                (size_t)(before.data - text.data), coder->enough,
                                                coder->ids, coder->places, err);
            if (!done)
                return false;
        }
        if (token && !add_token(coder, token, token_span(&walk), err))
            return false;
    }
    return true;
}

// ---- byte-level BPE, and words with SentencePiece's sign ----

// What comes is the given text itself, from `start` on.
static void place_given(ft_token_coder *coder, size_t start)
{
    if (!coder->places)
        return;
    coder->places->origins = NULL;
    coder->places->text = NULL;
    coder->places->start = (uint32_t)start;
}

// `start`: where the part stands in the text.
static bool normalize_part(ft_token_coder *coder, size_t start, ft_slice *part, ft_error *err)
{
    const ft_definition *definition = &coder->tokenizer->definition;

    place_given(coder, start);
    if (definition->normalize_count == 0 && coder->bytes)
        return true;
    coder->part.has_spans = coder->spare.has_spans = coder->places != NULL;
    // Without places only matters whether the text begins with it, and the text may be of any size.
    if (!ft_aligned_set(&coder->part, *part, coder->places ? start : start > 0, err) ||
        !ft_normalize(definition->normalize, definition->normalize_count, &coder->part,
                      &coder->spare, err))
        return false;
    *part = (ft_slice){(const char *)coder->part.bytes, coder->part.size};
    if (coder->places && !ft_origins_is_plain(&coder->part.origins, start)) {
        coder->places->origins = &coder->part.origins;
        coder->places->text = &coder->part;
    }
    return true;
}

// Where something stands in the given text that stands at `span` in the normalised one.
static ft_span given_span(ft_token_coder *coder, ft_span span)
{
    const ft_placer *places = coder->places;

    if (!places)
        return span;
    if (places->text)
        return ft_aligned_origin(&coder->part, span.start, span.end);
    return (ft_span){places->start + span.start, places->start + span.end};
}

// Ids of text without raw added tokens.
static bool add_part(ft_token_coder *coder, size_t start, ft_slice part, ft_error *err)
{
    ft_added_walk walk = {.set = &coder->tokenizer->added_normalized,
                          .skip_special = coder->settings.special_tokens == FT_SPECIAL_TEXT};
    const ft_added_token *token;
    ft_slice before;

    if (coder->spaced && walk.set->count == 0 &&
        ft_space_coder_is_raw(coder->spaced, coder->places != NULL)) {
        bool done;
        place_given(coder, start);
        if (!ft_space_coder_add_raw(coder->spaced, part, coder->enough, coder->ids, coder->places,
                                    &done, err))
            return false;
        if (done)
            return true;
    }
    if (!normalize_part(coder, start, &part, err))
        return false;
    walk.text = part;
    while (coder->ids->count < coder->enough && ft_added_next(&walk, &before, &token)) {
        size_t at = (size_t)(before.data - part.data);
        bool done = coder->spaced ? ft_space_coder_add(coder->spaced, before, at, coder->enough,
                                                       coder->ids, coder->places, err)
                                  : ft_byte_coder_add(coder->bytes, before, at, coder->enough,
                                                      coder->ids, coder->places, err);
        if (!done || (token && !add_token(coder, token, given_span(coder, token_span(&walk)), err)))
            return false;
    }
    return true;
}

static bool add_parts(ft_token_coder *coder, ft_slice text, ft_error *err)
{
    ft_added_walk walk = {.set = &coder->tokenizer->added,
                          .text = text,
                          .skip_special = coder->settings.special_tokens == FT_SPECIAL_TEXT};
    const ft_added_token *token;
    ft_slice before;

    while (coder->ids->count < coder->enough && ft_added_next(&walk, &before, &token)) {
        size_t start = (size_t)(before.data - text.data);
        if ((before.size > 0 && !add_part(coder, start, before, err)) ||
            (token && !add_token(coder, token, token_span(&walk), err)))
            return false;
    }
    return true;
}

// ---- any other ----

static bool add_interpreted(ft_token_coder *coder, ft_slice text, ft_error *err)
{
    ft_ids *ids = coder->ids;
    size_t enough = coder->enough == SIZE_MAX ? SIZE_MAX : coder->enough - ids->count;

    ft_tokens_clear(&coder->tokens);
    if (!ft_interpreter_add(coder->interpreter, text, enough, &coder->tokens, err) ||
        !ft_ids_reserve(ids, coder->tokens.ids.count, err))
        return false;
    if (coder->tokens.ids.count > 0)
        memcpy(ft_ids_data(ids) + ids->count, ft_ids_data(&coder->tokens.ids),
               coder->tokens.ids.count * sizeof(int32_t));
    ids->count += coder->tokens.ids.count;
    return true;
}

// ---- all of it ----

static bool add_text(ft_token_coder *coder, ft_slice text, ft_error *err)
{
    if (coder->bert)
        return add_bert(coder, text, err);
    return coder->bytes || coder->spaced ? add_parts(coder, text, err)
                                         : add_interpreted(coder, text, err);
}

// Cuts what was added behind `start` to `budget` ids.
static bool cut(ft_token_coder *coder, size_t start, size_t budget, bool *out_cut, ft_error *err)
{
    ft_ids *ids = coder->ids;
    size_t count = ids->count - start;

    if (count <= budget)
        return true;
    if (coder->settings.truncation == FT_TRUNCATE_ERROR) {
        ft_fail(err, FT_ERROR_DATA, "the text has more than %zu tokens",
                coder->settings.max_length);
        ft_hint(err, "Set `truncation: right` to cut it, or a larger `max_length`.");
        return false;
    }
    int32_t *data = ft_ids_data(ids) + start;
    if (coder->settings.truncation == FT_TRUNCATE_LEFT)
        memmove(data, data + count - budget, budget * sizeof(*data));
    ids->count = start + budget;
    *out_cut = true;
    return true;
}

static bool add_all(ft_token_coder *coder, ft_slice text, bool *out_cut, ft_error *err)
{
    const ft_tokenizer *tokenizer = coder->tokenizer;
    const ft_token_settings *settings = &coder->settings;
    ft_ids *ids = coder->ids;
    size_t before = settings->add_special ? tokenizer->before_count : 0;
    size_t after = settings->add_special ? tokenizer->after_count : 0;
    bool limited = settings->max_length > 0 && settings->truncation != FT_TRUNCATE_NONE;
    size_t budget = limited ? settings->max_length - before - after : SIZE_MAX;

    if (!ft_ids_reserve(ids, before + after + 1, err))
        return false;
    memcpy(ft_ids_data(ids) + ids->count, tokenizer->before, before * sizeof(int32_t));
    ids->count += before;
    size_t start = ids->count;
    // Special tokens anywhere in the text are to be found even where ids are enough.
    bool stops = limited && settings->truncation != FT_TRUNCATE_LEFT &&
                 settings->special_tokens != FT_SPECIAL_ERROR;
    if (!stops || FT_ADD_OVERFLOWS(start, budget, &coder->enough) || coder->enough == SIZE_MAX)
        coder->enough = SIZE_MAX;
    else
        coder->enough++;
    if (text.size > 0 && !add_text(coder, text, err))
        return false;
    if (!cut(coder, start, budget, out_cut, err) || !ft_ids_reserve(ids, after, err))
        return false;
    memcpy(ft_ids_data(ids) + ids->count, tokenizer->after, after * sizeof(int32_t));
    ids->count += after;
    return true;
}

bool ft_token_coder_add(ft_token_coder *coder, ft_slice text, ft_ids *ids, bool *out_cut,
                        ft_error *err)
{
    size_t start = ids->count;

    coder->ids = ids;
    coder->places = NULL;
    *out_cut = false;
    if (add_all(coder, text, out_cut, err))
        return true;
    ids->count = start;
    return false;
}

static bool add_plainly(ft_token_coder *coder, ft_slice text, size_t enough, ft_tokens *out,
                        ft_error *err)
{
    ft_tokens_clear(out);
    if (!coder->interpreter)
        coder->interpreter = ft_interpreter_create(coder->tokenizer, coder->settings.special_tokens,
                                                   coder->account, err);
    return coder->interpreter && ft_interpreter_add(coder->interpreter, text, enough, out, err);
}

bool ft_token_coder_add_tokens(ft_token_coder *coder, ft_slice text, size_t enough, ft_tokens *out,
                               ft_error *err)
{
    const bool is_fast = coder->bert || coder->bytes || coder->spaced;

    ft_tokens_clear(out);
    if (text.size > UINT32_MAX)
        return ft_fail(err, FT_ERROR_LIMIT,
                       "a text of more than %u bytes is longer than a tokenizer takes", UINT32_MAX);
    // BERT's path does not keep where marks were that it puts in order, nor the normalised text.
    if (!is_fast || (out->has_places && coder->bert && coder->tokenizer->added_normalized.count))
        return add_plainly(coder, text, enough, out, err);
    coder->ids = &out->ids;
    coder->enough = enough;
    coder->places = out->has_places ? &coder->placer : NULL;
    ft_placer_begin(&coder->placer, coder->tokenizer, out);
    if (coder->bert)
        ft_bert_coder_bert(coder->bert)->moved_marks = false;
    if (text.size > 0 && !add_text(coder, text, err))
        return false;
    if (coder->places && coder->bert && ft_bert_coder_bert(coder->bert)->moved_marks)
        return add_plainly(coder, text, enough, out, err);
    return true;
}
