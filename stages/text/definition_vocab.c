// vocab.txt: one token a line, its id is the line's number from 0. The rules come from
// tokenizer_config.json beside it, as BERT's tokenizers have them: lower case unless
// `do_lower_case` is false, Chinese characters by themselves, [CLS] text [SEP].
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

static bool read_rules(const ft_definition_reader *r, const ft_json_node *config, ft_error *err)
{
    ft_normalize_step *normalize = ft_arena_zero(r->arena, 1, sizeof(*normalize));
    ft_pre_step *pre = ft_arena_zero(r->arena, 1, sizeof(*pre));
    ft_bert_rules rules = {.clean_text = true};

    if (!normalize || !pre)
        return ft_fail_nomem(err, sizeof(*normalize) + sizeof(*pre));
    if (!read_flag(config, "do_lower_case", true, r->path, &rules.lowercase, err) ||
        !read_flag(config, "tokenize_chinese_chars", true, r->path, &rules.handle_chinese_chars,
                   err) ||
        !read_flag(config, "strip_accents", rules.lowercase, r->path, &rules.strip_accents, err))
        return false;
    *normalize = (ft_normalize_step){.kind = FT_NORMALIZE_BERT, .bert = rules};
    *pre = (ft_pre_step){.kind = FT_PRE_BERT};
    r->out->normalize = normalize;
    r->out->pre = pre;
    r->out->normalize_count = r->out->pre_count = 1;
    return true;
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

// Of equal lines the last means: an earlier one keeps its number and no text finds it.
static bool read_lines(const ft_definition_reader *r, ft_slice text, ft_error *err)
{
    size_t lines = 1, count = 0;

    // The end of the last line begins no other.
    if (text.size > 0 && text.data[text.size - 1] == '\n')
        text.size--;
    for (size_t i = 0; i < text.size; i++)
        lines += text.data[i] == '\n';
    if (lines > FT_TOKENIZER_ID_MAX)
        return ft_tokenizer_fault(err, r->path, NULL, "more than %d lines", FT_TOKENIZER_ID_MAX);
    ft_piece *pieces = ft_arena_zero(r->scratch, lines, sizeof(*pieces));
    if (!pieces)
        return ft_fail_nomem(err, lines * sizeof(*pieces));
    ft_slice line;
    while (ft_slice_cut(&text, '\n', &line)) {
        pieces[count] = (ft_piece){.text = trim_end(line), .id = (int32_t)count};
        count++;
    }
    r->out->model.pieces = pieces;
    r->out->model.piece_count = count;
    return true;
}

// The id of the last line that says `text`; -1 when none does.
static int32_t find_line(const ft_model_definition *model, ft_slice text)
{
    for (size_t i = model->piece_count; i > 0; i--) {
        if (ft_slice_equal(model->pieces[i - 1].text, text))
            return model->pieces[i - 1].id;
    }
    return -1;
}

static bool add_specials(const ft_definition_reader *r, const ft_slice *texts,
                         int32_t ids[SPECIAL_COUNT], ft_error *err)
{
    ft_added_token *added = ft_arena_zero(r->arena, SPECIAL_COUNT, sizeof(*added));

    if (!added)
        return ft_fail_nomem(err, SPECIAL_COUNT * sizeof(*added));
    for (size_t i = 0; i < SPECIAL_COUNT; i++) {
        ids[i] = find_line(&r->out->model, texts[i]);
        if (ids[i] < 0 && specials[i].required) {
            ft_tokenizer_fault(err, r->path, NULL, "no line says `%.*s`", (int)texts[i].size,
                               texts[i].data);
            ft_hint(err,
                    "If the vocabulary spells it otherwise, say so as `%s` in a "
                    "tokenizer_config.json beside it.",
                    specials[i].name);
            return false;
        }
        if (ids[i] < 0)
            continue;
        const char *copy = ft_arena_text(r->arena, texts[i]);
        if (!copy)
            return ft_fail_nomem(err, texts[i].size);
        added[r->out->added_count++] =
            (ft_added_token){.content = {copy, texts[i].size}, .id = ids[i], .special = true};
    }
    r->out->added = added;
    return true;
}

bool ft_definition_read_vocab(const ft_definition_reader *r, ft_slice text, ft_error *err)
{
    ft_model_definition *model = &r->out->model;
    const ft_json_node *config = NULL;
    ft_slice texts[SPECIAL_COUNT];
    int32_t ids[SPECIAL_COUNT];

    r->out->path = r->path;
    model->kind = FT_MODEL_WORDPIECE;
    model->prefix = FT_SLICE("##");
    model->max_chars = BERT_MAX_CHARS;
    size_t valid = ft_utf8_valid_prefix(text);
    if (valid < text.size)
        return ft_tokenizer_fault(err, r->path, NULL, "not valid UTF-8 at byte %zu", valid);
    if (!ft_tokenizer_read_beside(r->path, "tokenizer_config.json", r->scratch, &config, err) ||
        !read_rules(r, config, err))
        return false;
    for (size_t i = 0; i < SPECIAL_COUNT; i++) {
        if (!read_special(config, &specials[i], r->path, &texts[i], err))
            return false;
    }
    if (!read_lines(r, text, err) || !add_specials(r, texts, ids, err))
        return false;
    model->unknown = ids[SPECIAL_UNKNOWN];
    return ft_definition_make_bert_template(r, ids[SPECIAL_CLASS], ids[SPECIAL_SEPARATOR], err) &&
           ft_definition_make_wordpiece_decoder(r, err);
}
