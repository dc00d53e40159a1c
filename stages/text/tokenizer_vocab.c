// vocab.txt: one token a line, its id is the line's number from 0. The rules come from
// tokenizer_config.json beside it, as BERT's tokenizers have them: lower case unless
// `do_lower_case` is false, Chinese characters by themselves, [CLS] text [SEP].
#include <string.h>

#include "runtime/data/json.h"
#include "stages/text/tokenizer_parts.h"

typedef struct special {
    const char *name;  // In tokenizer_config.json.
    const char *fallback;
    bool required;
} special;

enum {
    SPECIAL_UNKNOWN,
    SPECIAL_SEPARATOR,
    SPECIAL_PADDING,
    SPECIAL_CLASS,
    SPECIAL_MASK,
    SPECIAL_COUNT
};
static const special specials[SPECIAL_COUNT] = {
    [SPECIAL_UNKNOWN] = {"unk_token", "[UNK]", true},
    [SPECIAL_SEPARATOR] = {"sep_token", "[SEP]", true},
    [SPECIAL_PADDING] = {"pad_token", "[PAD]", false},
    [SPECIAL_CLASS] = {"cls_token", "[CLS]", true},
    [SPECIAL_MASK] = {"mask_token", "[MASK]", false},
};

enum { BERT_MAX_CHARS = 100 };

static bool read_flag(const ft_json_node *config, const char *name, bool fallback, const char *path,
                      bool *out, ft_error *err)
{
    const ft_json_node *node = ft_json_find(config, name);

    *out = fallback;
    if (!node || node->kind == FT_JSON_NULL)
        return true;
    if (node->kind != FT_JSON_TRUE && node->kind != FT_JSON_FALSE)
        return ft_tokenizer_fault(err, path, name,
                                  "in tokenizer_config.json beside it: not true or false");
    *out = node->kind == FT_JSON_TRUE;
    return true;
}

static bool read_rules(ft_tokenizer *tokenizer, const ft_json_node *config, ft_error *err)
{
    ft_bert_rules *rules = &tokenizer->rules;
    const char *path = tokenizer->info.path;

    rules->clean_text = true;
    return read_flag(config, "do_lower_case", true, path, &rules->lowercase, err) &&
           read_flag(config, "tokenize_chinese_chars", true, path, &rules->handle_chinese_chars,
                     err) &&
           read_flag(config, "strip_accents", rules->lowercase, path, &rules->strip_accents, err);
}

// A token's text: a string, or an object with `content`.
static bool read_special(const ft_json_node *config, const special *what, const char *path,
                         ft_slice *out, ft_error *err)
{
    const ft_json_node *node = ft_json_find(config, what->name);

    *out = ft_slice_of(what->fallback);
    if (!node || node->kind == FT_JSON_NULL)
        return true;
    if (node->kind == FT_JSON_OBJECT)
        node = ft_json_find(node, "content");
    if (!node || node->kind != FT_JSON_STRING)
        return ft_tokenizer_fault(err, path, what->name,
                                  "in tokenizer_config.json beside it: not a text");
    *out = node->text;
    return true;
}

// White space at the end of a line is not part of its token.
static ft_slice trim_end(ft_slice line)
{
    const uint8_t *bytes = (const uint8_t *)line.data;

    while (line.size > 0) {
        size_t at = line.size;
        if (!(ft_unicode_get(ft_unicode_previous(bytes, &at))->flags & FT_UNICODE_WHITE))
            break;
        line.size = at;
    }
    return line;
}

static bool read_lines(ft_vocabulary *vocabulary, ft_slice text, ft_arena *scratch, ft_error *err)
{
    size_t lines = 1;

    // The end of the last line begins no other.
    if (text.size > 0 && text.data[text.size - 1] == '\n')
        text.size--;
    for (size_t i = 0; i < text.size; i++)
        lines += text.data[i] == '\n';
    if (lines > FT_TOKENIZER_ID_MAX)
        return ft_tokenizer_fault(err, vocabulary->path, NULL, "more than %d lines",
                                  FT_TOKENIZER_ID_MAX);
    vocabulary->entries = ft_arena_zero(scratch, lines, sizeof(*vocabulary->entries));
    if (!vocabulary->entries)
        return ft_fail_nomem(err, lines * sizeof(*vocabulary->entries));
    ft_slice line;
    while (ft_slice_cut(&text, '\n', &line)) {
        int32_t id = (int32_t)vocabulary->count;
        vocabulary->entries[vocabulary->count++] = ft_trie_make_key(trim_end(line), id);
    }
    return true;
}

static bool add_specials(ft_tokenizer *tokenizer, ft_vocabulary *vocabulary, const ft_slice *texts,
                         ft_added_token *added, ft_error *err)
{
    for (size_t i = 0; i < SPECIAL_COUNT; i++) {
        bool found = false;
        for (size_t j = 0; j < vocabulary->count && !found; j++)
            found = ft_slice_equal(vocabulary->entries[j].text, texts[i]);
        if (!found && specials[i].required) {
            ft_tokenizer_fault(err, tokenizer->info.path, NULL, "no line says `%.*s`",
                               (int)texts[i].size, texts[i].data);
            ft_hint(err,
                    "If the vocabulary spells it otherwise, say so as `%s` in a "
                    "tokenizer_config.json beside it.",
                    specials[i].name);
            return false;
        }
        if (found)
            added[vocabulary->added_count++] =
                (ft_added_token){.content = texts[i], .special = true};
    }
    vocabulary->added = added;
    return true;
}

bool ft_tokenizer_read_vocab(ft_tokenizer *tokenizer, ft_slice text, bool with_vocabulary,
                             ft_arena *scratch, ft_arena *arena, ft_error *err)
{
    const char *path = tokenizer->info.path;
    ft_vocabulary vocabulary = {
        .path = path, .prefix = FT_SLICE("##"), .max_chars = BERT_MAX_CHARS};
    const ft_json_node *config = NULL;
    ft_slice texts[SPECIAL_COUNT];
    ft_added_token added[SPECIAL_COUNT];

    size_t valid = ft_utf8_valid_prefix(text);
    if (valid < text.size)
        return ft_tokenizer_fault(err, path, NULL, "not valid UTF-8 at byte %zu", valid);
    if (!ft_tokenizer_read_beside(path, "tokenizer_config.json", scratch, &config, err) ||
        !read_rules(tokenizer, config, err))
        return false;
    for (size_t i = 0; i < SPECIAL_COUNT; i++) {
        if (!read_special(config, &specials[i], path, &texts[i], err))
            return false;
    }
    tokenizer->before_count = tokenizer->after_count = 1;
    if (!read_lines(&vocabulary, text, scratch, err) ||
        !add_specials(tokenizer, &vocabulary, texts, added, err))
        return false;
    if (!with_vocabulary)
        return true;
    vocabulary.unknown = texts[SPECIAL_UNKNOWN];
    int32_t *ids = ft_arena_zero(arena, 2, sizeof(*ids));
    if (!ids)
        return ft_fail_nomem(err, 2 * sizeof(*ids));
    if (!ft_tokenizer_build(tokenizer, &vocabulary, arena, err))
        return false;
    ids[0] = ft_vocabulary_find(&vocabulary, texts[SPECIAL_CLASS]);
    ids[1] = ft_vocabulary_find(&vocabulary, texts[SPECIAL_SEPARATOR]);
    tokenizer->before = ids;
    tokenizer->after = ids + 1;
    return true;
}
