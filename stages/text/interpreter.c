// The steps of a definition, one after the other, for each part of the text between added tokens.
// Memory grows with the longest part.
#include "stages/text/interpreter.h"

#include <string.h>

#include "runtime/memory/alloc.h"
#include "stages/text/normalize.h"
#include "stages/text/placer.h"
#include "stages/text/pretokenize.h"
#include "stages/text/tokenizer_parts.h"

struct ft_interpreter {
    const ft_tokenizer *tokenizer;
    ft_special_tokens special_tokens;
    ft_account *account;
    ft_model_scratch *model;
    ft_words words, spare;
    ft_buffer *found;  // Tokens of the word at work.
    // Of the text at work:
    ft_tokens *out;
    size_t enough;
    int32_t word;  // How many words there were.
};

ft_interpreter *ft_interpreter_create(const ft_tokenizer *tokenizer,
                                      ft_special_tokens special_tokens, ft_account *account,
                                      ft_error *err)
{
    ft_interpreter *self = ft_alloc_zero(1, sizeof(*self));

    if (!self) {
        ft_fail_nomem(err, sizeof(*self));
        return NULL;
    }
    self->tokenizer = tokenizer;
    self->special_tokens = special_tokens;
    self->account = account;
    self->words.text.account = self->spare.text.account = account;
    self->model = ft_model_scratch_create(tokenizer->model, 0, account, err);
    if (!self->model)
        ft_interpreter_destroy(ft_take(&self));
    return self;
}

void ft_interpreter_destroy(ft_interpreter *self)
{
    if (!self)
        return;
    ft_model_scratch_destroy(self->model);
    ft_words_finish(&self->words);
    ft_words_finish(&self->spare);
    ft_buffer_unref(self->found);
    ft_free(self);
}

bool ft_added_token_allow(const ft_added_token *token, ft_special_tokens policy, ft_error *err)
{
    if (!token->special || policy != FT_SPECIAL_ERROR)
        return true;
    ft_fail(err, FT_ERROR_DATA, "the text holds the special token `%.*s`", (int)token->content.size,
            token->content.data);
    ft_hint(err,
            "Set `special_tokens: text` to take it as text, or `parse` to take it as the token.");
    return false;
}

// One token behind the others; there is room.
static void put_token(ft_interpreter *self, int32_t id, ft_span span)
{
    ft_tokens *out = self->out;

    ft_ids_data(&out->ids)[out->ids.count++] = id;
    if (out->has_places)
        ft_tokens_place(out, span, self->word);
    if (out->has_spaces)
        ft_ids_data(&out->spaces)[out->spaces.count++] = ft_tokenizer_spaces(self->tokenizer, id);
}

static bool add_token(ft_interpreter *self, int32_t id, ft_span place, ft_error *err)
{
    if (!ft_tokens_reserve(self->out, 1, err))
        return false;
    put_token(self, id, place);
    self->word++;
    return true;
}

static bool find_room(ft_interpreter *self, size_t tokens, ft_error *err)
{
    size_t bytes;

    if (FT_MUL_OVERFLOWS(tokens, sizeof(ft_model_token), &bytes))
        return ft_fail_nomem(err, tokens);
    if (self->found && self->found->size_bytes >= bytes)
        return true;
    ft_buffer_unref(ft_take(&self->found));
    self->found = ft_buffer_create(self->account, bytes, err);
    return self->found != NULL;
}

// The tokens of one word.
static bool add_word(ft_interpreter *self, ft_word_range range, ft_error *err)
{
    ft_aligned *text = &self->words.text;
    ft_slice word = {(const char *)text->bytes + range.from, range.to - range.from};
    size_t count, room = ft_token_model_room(self->tokenizer->model, word.size);

    if (!find_room(self, room, err) || !ft_tokens_reserve(self->out, room, err))
        return false;
    if (self->out->has_places) {
        ft_model_token *found = self->found->data;
        if (!ft_token_model_split(self->tokenizer->model, self->model, word, found, room, &count,
                                  err))
            return false;
        for (size_t i = 0; i < count; i++)
            put_token(
                self, found[i].id,
                ft_aligned_origin(text, range.from + found[i].start, range.from + found[i].end));
    } else {
        int32_t *ids = self->found->data;
        if (!ft_token_model_ids(self->tokenizer->model, self->model, word, ids, room, &count, err))
            return false;
        for (size_t i = 0; i < count; i++)
            put_token(self, ids[i], (ft_span){0});
    }
    self->word++;
    return true;
}

// The normalised text of `words`, cut at the added tokens that are looked for in it.
static bool cut_normalized(ft_interpreter *self, ft_error *err)
{
    ft_words *words = &self->words;
    ft_added_walk walk = {.set = &self->tokenizer->added_normalized,
                          .text = {(const char *)words->text.bytes, words->text.size},
                          .skip_special = self->special_tokens == FT_SPECIAL_TEXT};
    const ft_added_token *token;
    ft_slice before;

    words->count = 0;
    while (ft_added_next(&walk, &before, &token)) {
        uint32_t from = (uint32_t)(before.data - walk.text.data), to = from + (uint32_t)before.size;
        if (to > from && !ft_words_add(words, (ft_word_range){from, to, -1}, err))
            return false;
        if (!token)
            continue;
        if (!ft_added_token_allow(token, self->special_tokens, err) ||
            !ft_words_add(
                words, (ft_word_range){(uint32_t)walk.token_start, (uint32_t)walk.taken, token->id},
                err))
            return false;
    }
    return true;
}

// A part of the text in which no raw added token is; `start` is where it stands.
static bool add_part(ft_interpreter *self, ft_slice part, size_t start, ft_error *err)
{
    const ft_definition *definition = &self->tokenizer->definition;
    ft_words *words = &self->words;

    if (!ft_aligned_set(&words->text, part, start, err) ||
        !ft_normalize(definition->normalize, definition->normalize_count, &words->text,
                      &self->spare.text, err) ||
        !cut_normalized(self, err) ||
        !ft_pretokenize(definition->pre, definition->pre_count, words, &self->spare, err))
        return false;
    for (size_t i = 0; i < words->count && self->out->ids.count < self->enough; i++) {
        ft_word_range range = ft_words_data(words)[i];
        ft_span place = {0};
        if (range.id >= 0 && self->out->has_places)
            place = ft_aligned_origin(&words->text, range.from, range.to);
        if (!(range.id >= 0 ? add_token(self, range.id, place, err) : add_word(self, range, err)))
            return false;
    }
    return true;
}

bool ft_interpreter_add(ft_interpreter *self, ft_slice text, size_t enough, ft_tokens *out,
                        ft_error *err)
{
    ft_added_walk walk = {.set = &self->tokenizer->added,
                          .text = text,
                          .skip_special = self->special_tokens == FT_SPECIAL_TEXT};
    const ft_added_token *token;
    ft_slice before;

    self->out = out;
    self->enough = enough;
    self->word = 0;
    // Metaspace's `first` asks where a word comes from.
    self->words.text.has_spans = self->spare.text.has_spans =
        out->has_places || self->tokenizer->needs_places;
    while (out->ids.count < enough && ft_added_next(&walk, &before, &token)) {
        size_t start = (size_t)(before.data - text.data);
        if (before.size > 0 && !add_part(self, before, start, err))
            return false;
        if (!token)
            continue;
        ft_span place = {(uint32_t)walk.token_start, (uint32_t)walk.taken};
        if (!ft_added_token_allow(token, self->special_tokens, err) ||
            !add_token(self, token->id, place, err))
            return false;
    }
    return true;
}
