// From what a file says to what runs: the model, the added tokens with their ids, the special ids
// around a text, the fast path if one fits.
#include <stdlib.h>
#include <string.h>

#include "runtime/log.h"
#include "runtime/memory/account.h"
#include "runtime/memory/alloc.h"
#include "stages/text/decode.h"
#include "stages/text/normalize.h"
#include "stages/text/pattern.h"
#include "stages/text/space_coder.h"
#include "stages/text/token_image.h"
#include "stages/text/tokenizer_parts.h"
#include "stages/text/vocabulary.h"
#include "stages/text/word_grammar.h"

// ---- added tokens ----

// For one token while it is normalised: forty rules that make two letters of each fill any memory.
enum { TOKEN_MEMORY = 1 << 22 };
// Of what is sought. A text is compared with the longest token from each of its bytes on: one that
// rules made 64 KiB of the same letter took seconds on a text of such letters.
enum { SOUGHT_BYTES_MAX = 4096 };

// For each token the first one of the same text.
static bool find_firsts(const ft_definition *definition, int32_t *firsts, ft_error *err)
{
    size_t count = definition->added_count;
    ft_trie_key *keys = ft_alloc_array(count, sizeof(*keys));

    if (!keys)
        return ft_fail_nomem(err, count * sizeof(*keys));
    for (size_t i = 0; i < count; i++)
        keys[i] = ft_trie_make_key(definition->added[i].content, (int32_t)i);
    ft_trie_sort(keys, count);
    for (size_t i = 0; i < count; i++) {
        bool is_equal = i > 0 && ft_slice_equal(keys[i].text, keys[i - 1].text);
        firsts[keys[i].value] = is_equal ? firsts[keys[i - 1].value] : keys[i].value;
    }
    ft_free(keys);
    return true;
}

// Ids as the reference gives them, whatever the file says: a token that is in the vocabulary has
// that id, any other the next one behind the vocabulary. Of equal texts the last one's flags hold.
// `firsts` becomes the place of each text in `tokens`.
static size_t number_added(const ft_tokenizer *tokenizer, int32_t *firsts, ft_added_token *tokens)
{
    const ft_definition *definition = &tokenizer->definition;
    int32_t next = (int32_t)definition->model.piece_count;
    size_t count = 0;

    for (size_t i = 0; i < definition->added_count; i++) {
        ft_added_token token = definition->added[i];
        bool is_first = firsts[i] == (int32_t)i;
        int32_t said = token.id;
        if (token.content.size == 0)
            continue;
        firsts[i] = is_first ? (int32_t)count++ : firsts[firsts[i]];
        token.id =
            is_first ? ft_token_model_find(tokenizer->model, token.content) : tokens[firsts[i]].id;
        if (token.id < 0)
            token.id = definition->has_added_ids ? said : next++;
        if (said != token.id && said >= 0)
            ft_log(FT_LOG_WARN, "tokenizer",
                   "`%s`: the added token `%.*s` is said to have the id %d and has %d",
                   definition->path, (int)(token.content.size < 60 ? token.content.size : 60),
                   token.content.data, said, token.id);
        tokens[firsts[i]] = token;
    }
    return count;
}

static int compare_ids(const void *a, const void *b)
{
    const ft_added_token *left = a, *right = b;

    return (left->id > right->id) - (left->id < right->id);
}

// What is looked for of a token with `normalized`: its content, normalised as if it did not begin
// the text, and without the sign for spaces that is put in last.
static bool normalize_token(const ft_tokenizer *tokenizer, ft_added_token *token, ft_arena *arena,
                            ft_error *err)
{
    const ft_definition *definition = &tokenizer->definition;
    ft_slice shown = ft_shown(token->content);
    size_t steps = definition->normalize_count;
    ft_account account;

    steps -= steps > 0 && definition->normalize[steps - 1].kind == FT_NORMALIZE_METASPACE;
    ft_account_init(&account, TOKEN_MEMORY);
    ft_aligned text = {.account = &account}, spare = {.account = &account};
    bool done = ft_aligned_set(&text, token->content, 1, err) &&
                ft_normalize(definition->normalize, steps, &text, &spare, err);
    if (done && text.size == 0)
        done = ft_tokenizer_fault(err, definition->path, "added_tokens",
                                  "nothing is left of the token `%.*s` when it is normalised",
                                  (int)shown.size, shown.data);
    else if (!done && err->code == FT_ERROR_LIMIT)
        done = ft_tokenizer_fault(err, definition->path, "added_tokens",
                                  "the token `%.*s` becomes too large when it is normalised",
                                  (int)shown.size, shown.data);
    if (done) {
        const char *copy = ft_arena_text(arena, (ft_slice){(const char *)text.bytes, text.size});
        token->content = (ft_slice){copy, text.size};
        done = copy || ft_fail_nomem(err, text.size);
    }
    ft_aligned_finish(&text);
    ft_aligned_finish(&spare);
    return done;
}

// What is sought of each token, and how each is decoded.
static bool set_contents(const ft_tokenizer *tokenizer, ft_added_token *tokens,
                         ft_added_token *sought, size_t count, ft_arena *arena, ft_error *err)
{
    memcpy(sought, tokens, count * sizeof(*tokens));
    for (size_t i = 0; i < count; i++) {
        if (sought[i].normalized && !normalize_token(tokenizer, &sought[i], arena, err))
            return false;
        if (sought[i].content.size > SOUGHT_BYTES_MAX) {
            ft_slice shown = ft_shown(tokens[i].content);
            return ft_tokenizer_fault(err, tokenizer->definition.path, "added_tokens",
                                      "the token `%.*s` is of %zu bytes; at most %d are taken",
                                      (int)shown.size, shown.data, sought[i].content.size,
                                      SOUGHT_BYTES_MAX);
        }
        // Decoded as it is sought; the reference then no longer knows a special one by its text.
        tokens[i].special &= ft_slice_equal(tokens[i].content, sought[i].content);
        tokens[i].content = sought[i].content;
    }
    return true;
}

static bool build_added(ft_tokenizer *tokenizer, ft_arena *arena, ft_error *err)
{
    ft_definition *definition = &tokenizer->definition;
    size_t count = definition->added_count;

    if (count == 0)
        return true;
    ft_added_token *tokens = ft_arena_zero(arena, count, sizeof(*tokens));
    ft_added_token *sought = ft_alloc_zero(count, sizeof(*sought));
    int32_t *firsts = ft_alloc_array(count, sizeof(*firsts));
    bool done = tokens && sought && firsts ? find_firsts(definition, firsts, err)
                                           : ft_fail_nomem(err, count * sizeof(*tokens));
    if (done) {
        count = number_added(tokenizer, firsts, tokens);
        done = set_contents(tokenizer, tokens, sought, count, arena, err) &&
               ft_added_set_build(sought, count, false, arena, &tokenizer->added, err) &&
               ft_added_set_build(sought, count, true, arena, &tokenizer->added_normalized, err);
    }
    if (done) {
        qsort(tokens, count, sizeof(*tokens), compare_ids);
        definition->added = tokens;
        definition->added_count = count;
    }
    ft_free(sought);
    ft_free(firsts);
    return done;
}

static const ft_added_token *find_added(const ft_tokenizer *tokenizer, int32_t id)
{
    const ft_added_token key = {.id = id};
    const ft_definition *definition = &tokenizer->definition;

    if (definition->added_count == 0)
        return NULL;
    return bsearch(&key, definition->added, definition->added_count, sizeof(key), compare_ids);
}

static bool is_control(const ft_definition *definition, int32_t id)
{
    size_t low = 0, high = definition->control_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (definition->control[middle] == id)
            return true;
        if (definition->control[middle] < id)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

ft_slice ft_tokenizer_token_text(const ft_tokenizer *tokenizer, int32_t id)
{
    const ft_added_token *added = find_added(tokenizer, id);

    return added ? added->content : ft_token_model_text(tokenizer->model, id);
}

ft_special_ids ft_tokenizer_get_special(const ft_tokenizer *tokenizer)
{
    return (ft_special_ids){tokenizer->before, tokenizer->after, tokenizer->before_count,
                            tokenizer->after_count};
}

size_t ft_tokenizer_id_end(const ft_tokenizer *tokenizer)
{
    size_t end = ft_token_model_id_end(tokenizer->model);

    // Vocabularies list added tokens too.
    while (end > 0 && find_added(tokenizer, (int32_t)(end - 1)))
        end--;
    return end;
}

bool ft_tokenizer_decode(const ft_tokenizer *tokenizer, struct ft_decoder *decoder,
                         const int32_t *ids, size_t count, bool skip_special, ft_slice *out,
                         ft_error *err)
{
    const ft_definition *definition = &tokenizer->definition;

    ft_decoder_start(decoder);
    for (size_t i = 0; i < count; i++) {
        const ft_added_token *added = find_added(tokenizer, ids[i]);
        ft_slice text = added ? added->content : ft_token_model_text(tokenizer->model, ids[i]);
        if (!text.data || (skip_special && added && added->special))
            continue;
        // Bytes before it and behind it are no character together.
        if (skip_special && is_control(definition, ids[i]))
            text.size = 0;
        if (!ft_decoder_add(decoder, text, err))
            return false;
    }
    return ft_decoder_run(decoder, definition->decode, definition->decode_count, out, err);
}

// ---- special ids around one text ----

static bool build_special(ft_tokenizer *tokenizer, ft_arena *arena, ft_error *err)
{
    const ft_post_definition *post = &tokenizer->definition.post;
    int32_t *ids = ft_arena_zero(arena, post->single_count + 1, sizeof(*ids));
    size_t count = 0;

    if (!ids)
        return ft_fail_nomem(err, post->single_count * sizeof(*ids));
    tokenizer->before = tokenizer->after = ids;
    tokenizer->before_count = tokenizer->after_count = 0;
    for (size_t i = 0; i < post->single_count; i++) {
        if (post->single[i].kind == FT_PART_SPECIAL) {
            ids[count++] = post->single[i].id;
        } else {
            tokenizer->before_count = count;
            tokenizer->after = ids + count;
        }
    }
    tokenizer->after_count = count - tokenizer->before_count;
    return true;
}

// ---- fast paths ----

// The grammar that cuts what the definition's steps cut; NULL: there is none.
static const ft_grammar *find_grammar(const ft_definition *d)
{
    const ft_pre_step *first = d->pre;

    if (!d->model.is_bytes)
        return ft_grammar_of_steps(d->pre, d->pre_count);
    bool is_split = d->pre_count == 1 && first->kind == FT_PRE_SPLIT && !first->split.invert &&
                    first->split.behavior == FT_SPLIT_ISOLATED;
    return is_split ? ft_pattern_grammar(first->split.pattern) : NULL;
}

static void find_fast_path(ft_tokenizer *tokenizer)
{
    const ft_definition *d = &tokenizer->definition;
    bool is_plain = d->normalize_count == 0;

    if (d->model.kind == FT_MODEL_WORDPIECE && d->pre_count == 1 && d->pre[0].kind == FT_PRE_BERT &&
        (is_plain || (d->normalize_count == 1 && d->normalize[0].kind == FT_NORMALIZE_BERT))) {
        tokenizer->is_bert = ft_token_model_wordpiece(tokenizer->model);
        tokenizer->bert_rules = is_plain ? (ft_bert_rules){false} : d->normalize[0].bert;
    }
    if (d->model.kind == FT_MODEL_BPE && ft_token_model_takes_bytes(tokenizer->model))
        tokenizer->grammar = find_grammar(d);
    tokenizer->is_spaced = ft_space_rule_of(d, tokenizer->model) != FT_SPACES_NONE;
}

static size_t count_special(const ft_template_part *parts, size_t count)
{
    size_t special = 0;

    for (size_t i = 0; i < count; i++)
        special += parts[i].kind == FT_PART_SPECIAL;
    return special;
}

void ft_tokenizer_count_special(ft_tokenizer *tokenizer)
{
    const ft_post_definition *post = &tokenizer->definition.post;

    tokenizer->info.special_count = count_special(post->single, post->single_count);
    tokenizer->info.pair_special_count = count_special(post->pair, post->pair_count);
}

bool ft_tokenizer_finish(ft_tokenizer *tokenizer, ft_arena *arena, ft_error *err)
{
    const ft_definition *definition = &tokenizer->definition;

    for (size_t i = 0; i < definition->pre_count; i++) {
        const ft_pre_step *step = &definition->pre[i];
        tokenizer->needs_places |=
            step->kind == FT_PRE_METASPACE && step->metaspace.scheme == FT_PREPEND_FIRST;
    }
    if (!build_special(tokenizer, arena, err))
        return false;
    find_fast_path(tokenizer);
    return true;
}

bool ft_tokenizer_compile(ft_tokenizer *tokenizer, ft_arena *arena, ft_error *err)
{
    const ft_definition *definition = &tokenizer->definition;

    return ft_token_model_build(&definition->model, definition->path, arena, &tokenizer->model,
                                err) &&
           build_added(tokenizer, arena, err) && ft_tokenizer_finish(tokenizer, arena, err);
}

void ft_tokenizer_transfer(ft_tokenizer *tokenizer, ft_image *image)
{
    ft_error err = FT_ERROR_INIT;

    FT_IMAGE_FIELD(image, tokenizer->info.max_length, SIZE_MAX);
    ft_definition_transfer(&tokenizer->definition, image);
    ft_token_model_transfer(&tokenizer->model, image);
    ft_added_set_transfer(&tokenizer->added, false, image);
    ft_added_set_transfer(&tokenizer->added_normalized, true, image);
    if (image->is_made || image->fault)
        return;
    const ft_model_definition *model = &tokenizer->definition.model;
    ft_tokenizer_count_special(tokenizer);
    ft_image_check(image, ft_token_model_is(tokenizer->model, model->kind, model->is_bytes),
                   "the model is of another kind");
    ft_image_check(image, ft_tokenizer_finish(tokenizer, image->arena, &err),
                   "there is no memory for it");
}
