// From what a file says to what runs: sorted entries, tries, added tokens with their ids.
//
// Ids of added tokens are given as the reference gives them: a token that is in the vocabulary has
// that id, any other the next one behind vocabulary and added tokens, whatever the file says.
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "runtime/log.h"
#include "runtime/memory/alloc.h"
#include "stages/text/tokenizer_parts.h"

bool ft_tokenizer_fault(ft_error *err, const char *path, const char *place, const char *format, ...)
{
    char what[FT_ERROR_MESSAGE_BYTES];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(what, sizeof(what), format, arguments);
    va_end(arguments);
    if (place)
        ft_fail(err, FT_ERROR_DATA, "`%s`, at `%s`: %s", path, place, what);
    else
        ft_fail(err, FT_ERROR_DATA, "`%s`: %s", path, what);
    err->number = FT_TOKENIZER_ERROR;
    return false;
}

// Cut for messages; never in the middle of a character.
static ft_slice shortened(ft_slice text)
{
    enum { SHOWN = 60 };

    if (text.size <= SHOWN)
        return text;
    size_t size = SHOWN;
    while (size > 0 && ((unsigned char)text.data[size] & 0xc0) == 0x80)
        size--;
    return (ft_slice){text.data, size};
}

int32_t ft_vocabulary_find(const ft_vocabulary *vocabulary, ft_slice text)
{
    size_t low = 0, high = vocabulary->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = ft_slice_compare(vocabulary->entries[middle].text, text);
        if (order == 0)
            return vocabulary->entries[middle].value;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return -1;
}

// Of equal texts a file of lines means the last; in JSON they are a fault.
static bool drop_duplicates(ft_vocabulary *vocabulary, ft_error *err)
{
    ft_trie_key *entries = vocabulary->entries;
    size_t count = 0;

    for (size_t i = 0; i < vocabulary->count; i++) {
        if (count > 0 && ft_slice_equal(entries[count - 1].text, entries[i].text)) {
            ft_slice shown = shortened(entries[i].text);
            if (vocabulary->place)
                return ft_tokenizer_fault(err, vocabulary->path, vocabulary->place,
                                          "`%.*s` is there twice", (int)shown.size, shown.data);
            count--;
        }
        entries[count++] = entries[i];
    }
    vocabulary->count = count;
    return true;
}

static bool check_ids(const ft_vocabulary *vocabulary, ft_error *err)
{
    int32_t highest = 0;
    bool unique = true;

    for (size_t i = 0; i < vocabulary->count; i++)
        highest = vocabulary->entries[i].value > highest ? vocabulary->entries[i].value : highest;
    size_t words = (size_t)highest / 64 + 1;
    uint64_t *seen = ft_alloc_zero(words, sizeof(*seen));
    if (!seen)
        return ft_fail_nomem(err, words * sizeof(*seen));
    for (size_t i = 0; i < vocabulary->count && unique; i++) {
        uint32_t id = (uint32_t)vocabulary->entries[i].value;
        if (seen[id / 64] >> (id % 64) & 1) {
            ft_slice shown = shortened(vocabulary->entries[i].text);
            unique = ft_tokenizer_fault(err, vocabulary->path, vocabulary->place,
                                        "two tokens have the id %u, one of them is `%.*s`", id,
                                        (int)shown.size, shown.data);
        }
        seen[id / 64] |= UINT64_C(1) << (id % 64);
    }
    ft_free(seen);
    return unique;
}

static bool build_model(ft_wordpiece *model, ft_vocabulary *vocabulary, ft_arena *arena,
                        ft_error *err)
{
    ft_slice unknown = vocabulary->unknown, prefix = vocabulary->prefix;
    size_t count = 0;

    model->max_chars = vocabulary->max_chars;
    model->unknown = ft_vocabulary_find(vocabulary, unknown);
    if (model->unknown < 0) {
        ft_slice shown = shortened(unknown);
        return ft_tokenizer_fault(err, vocabulary->path, vocabulary->place,
                                  "the unknown token `%.*s` is not in the vocabulary",
                                  (int)shown.size, shown.data);
    }
    ft_trie_key *pieces = ft_alloc_array(vocabulary->count, sizeof(*pieces));
    if (!pieces)
        return ft_fail_nomem(err, vocabulary->count * sizeof(*pieces));
    for (size_t i = 0; i < vocabulary->count; i++) {
        ft_slice text = vocabulary->entries[i].text;
        if (ft_slice_starts_with(text, prefix)) {
            ft_slice rest = {text.data + prefix.size, text.size - prefix.size};
            pieces[count++] = ft_trie_make_key(rest, vocabulary->entries[i].value);
        }
    }
    bool built = ft_trie_build(vocabulary->entries, vocabulary->count, arena, &model->words, err) &&
                 ft_trie_build(pieces, count, arena, &model->pieces, err);
    ft_free(pieces);
    return built;
}

// What is looked for of a token with `normalized`: its content, normalised.
static bool normalize_token(ft_added_token *token, ft_bert *bert, ft_bert_rules rules,
                            ft_arena *arena, ft_error *err)
{
    size_t size = 0;
    ft_buffer *buffer = ft_buffer_create(NULL, token->content.size + FT_BERT_ROOM, err);

    if (!buffer)
        return false;
    bool done = ft_bert_normalize(bert, rules, token->content, buffer, &size, err);
    if (done) {
        const char *copy = ft_arena_text(arena, (ft_slice){buffer->data, size});
        token->content = (ft_slice){copy, size};
        done = copy || ft_fail_nomem(err, size);
    }
    ft_buffer_unref(buffer);
    return done;
}

static const ft_added_token *find_equal(const ft_added_token *tokens, size_t count,
                                        ft_slice content)
{
    for (size_t i = 0; i < count; i++) {
        if (ft_slice_equal(tokens[i].content, content))
            return &tokens[i];
    }
    return NULL;
}

// Ids as the reference gives them; a token that is there already is left out.
static size_t number_added(const ft_vocabulary *vocabulary, ft_added_token *tokens)
{
    int64_t next = (int64_t)vocabulary->count;
    size_t count = 0;

    for (size_t i = 0; i < vocabulary->added_count; i++) {
        ft_added_token token = vocabulary->added[i];
        if (token.content.size == 0 || find_equal(tokens, count, token.content))
            continue;
        token.id = ft_vocabulary_find(vocabulary, token.content);
        if (token.id < 0)
            token.id = (int32_t)next;
        if (token.id >= next)
            next = token.id + 1;
        if (vocabulary->added_ids && vocabulary->added_ids[i] != token.id) {
            ft_slice shown = shortened(token.content);
            ft_log(FT_LOG_WARN, "tokenizer",
                   "`%s`: the added token `%.*s` is said to have the id %lld and has %d",
                   vocabulary->path, (int)shown.size, shown.data,
                   (long long)vocabulary->added_ids[i], token.id);
        }
        tokens[count++] = token;
    }
    return count;
}

static bool fill_added(ft_tokenizer *tokenizer, const ft_vocabulary *vocabulary,
                       ft_added_token *tokens, ft_bert *bert, ft_arena *arena, ft_error *err)
{
    size_t count = number_added(vocabulary, tokens);

    for (size_t i = 0; i < count; i++) {
        if (!tokens[i].normalized)
            continue;
        ft_slice shown = shortened(tokens[i].content);
        if (!normalize_token(&tokens[i], bert, tokenizer->rules, arena, err))
            return false;
        if (tokens[i].content.size == 0)
            return ft_tokenizer_fault(err, vocabulary->path, "added_tokens",
                                      "nothing is left of the token `%.*s` when it is normalised",
                                      (int)shown.size, shown.data);
    }
    return ft_added_set_build(tokens, count, false, arena, &tokenizer->added, err) &&
           ft_added_set_build(tokens, count, true, arena, &tokenizer->added_normalized, err);
}

static bool build_added(ft_tokenizer *tokenizer, const ft_vocabulary *vocabulary, ft_arena *arena,
                        ft_error *err)
{
    if (vocabulary->added_count == 0)
        return true;
    ft_added_token *tokens = ft_alloc_array(vocabulary->added_count, sizeof(*tokens));
    ft_bert *bert = ft_alloc_zero(1, sizeof(*bert));
    bool done = tokens && bert
                    ? fill_added(tokenizer, vocabulary, tokens, bert, arena, err)
                    : ft_fail_nomem(err, vocabulary->added_count * sizeof(*tokens) + sizeof(*bert));
    ft_free(tokens);
    ft_free(bert);
    return done;
}

bool ft_tokenizer_build(ft_tokenizer *tokenizer, ft_vocabulary *vocabulary, ft_arena *arena,
                        ft_error *err)
{
    ft_trie_sort(vocabulary->entries, vocabulary->count);
    return drop_duplicates(vocabulary, err) && check_ids(vocabulary, err) &&
           build_model(&tokenizer->model, vocabulary, arena, err) &&
           build_added(tokenizer, vocabulary, arena, err);
}
