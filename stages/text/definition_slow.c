// The files beside vocab.json, read in the order of transformers' from_pretrained: the tokens of
// tokenizer_config.json's `added_tokens_decoder`, or else of added_tokens.json, then the special
// ones by name, where special_tokens_map.json comes before tokenizer_config.json. A special token
// that no file names is the class's, where the vocabulary has it.
#include "stages/text/definition_slow.h"

#include <string.h>

#include "stages/text/tokenizer_parts.h"
#include "stages/text/vocabulary.h"

#define CONFIG "tokenizer_config.json"
#define MAP "special_tokens_map.json"
#define ADDED "added_tokens.json"

static const char *const names[FT_SLOW_COUNT] = {
    [FT_SLOW_BEGIN] = "bos_token",   [FT_SLOW_END] = "eos_token",
    [FT_SLOW_UNKNOWN] = "unk_token", [FT_SLOW_SEPARATOR] = "sep_token",
    [FT_SLOW_PADDING] = "pad_token", [FT_SLOW_CLASS] = "cls_token",
    [FT_SLOW_MASK] = "mask_token"};

#define GPT2_TOKENS {"<|endoftext|>", "<|endoftext|>", "<|endoftext|>"}
#define ROBERTA_TOKENS {"<s>", "</s>", "<unk>", "</s>", "<pad>", "<s>", "<mask>"}
#define BERT_TOKENS {"[CLS]", "[SEP]", "[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]"}
#define QWEN2_TOKENS {NULL, "<|endoftext|>", "<|endoftext|>", NULL, "<|endoftext|>"}

// By the class of the tokenizer, or the type of the model where nothing says the class.
static const struct {
    const char *class_name, *model_type;
    const char *grammar;
    ft_slow_template around;
    const char *special[FT_SLOW_COUNT];
} classes[] = {
    {"GPT2Tokenizer", "gpt2", NULL, FT_SLOW_PLAIN, GPT2_TOKENS},
    {"CodeGenTokenizer", "codegen", NULL, FT_SLOW_PLAIN, GPT2_TOKENS},
    {"GPT2Tokenizer", "gpt_neo", NULL, FT_SLOW_PLAIN, GPT2_TOKENS},
    {"GPT2Tokenizer", "gptj", NULL, FT_SLOW_PLAIN, GPT2_TOKENS},
    {"GPT2Tokenizer", "opt", NULL, FT_SLOW_PLAIN, GPT2_TOKENS},
    {"RobertaTokenizer", "roberta", NULL, FT_SLOW_ROBERTA, ROBERTA_TOKENS},
    {"BartTokenizer", "bart", NULL, FT_SLOW_ROBERTA, ROBERTA_TOKENS},
    {"LongformerTokenizer", "longformer", NULL, FT_SLOW_ROBERTA, ROBERTA_TOKENS},
    {"LEDTokenizer", "led", NULL, FT_SLOW_ROBERTA, ROBERTA_TOKENS},
    {"MvpTokenizer", "mvp", NULL, FT_SLOW_ROBERTA, ROBERTA_TOKENS},
    {"DebertaTokenizer", "deberta", NULL, FT_SLOW_BERT, BERT_TOKENS},
    {"Qwen2Tokenizer", "qwen2", "qwen2", FT_SLOW_PLAIN, QWEN2_TOKENS},
};

typedef struct beside {
    const ft_definition_reader *r;
    const ft_json_node *config, *map, *added, *model;  // NULL: the file is not there.
} beside;

static bool fault(const beside *in, const char *file, const char *name, const char *what,
                  ft_error *err)
{
    return ft_tokenizer_fault(err, in->r->path, name, "in the %s beside it: %s", file, what);
}

static const ft_json_node *find_text(const ft_json_node *object, const char *name)
{
    const ft_json_node *node = object ? ft_json_find(object, name) : NULL;

    return node && node->kind == FT_JSON_STRING ? node : NULL;
}

// ---- the class ----

static bool find_class(const beside *in, size_t *out, ft_error *err)
{
    const ft_json_node *said = find_text(in->config, "tokenizer_class");

    *out = 0;
    said = said ? said : find_text(in->model, "tokenizer_class");
    bool is_class = said != NULL;
    said = said ? said : find_text(in->model, "model_type");
    if (!said)
        return true;
    ft_slice name = said->text;
    if (is_class && ft_slice_ends_with(name, FT_SLICE("Fast")))
        name.size -= 4;
    for (size_t i = 0; i < FT_COUNT_OF(classes); i++) {
        *out = i;
        if (ft_slice_is(name, is_class ? classes[i].class_name : classes[i].model_type))
            return true;
    }
    ft_slice shown = ft_shown(name);
    ft_tokenizer_fault(err, in->r->path, NULL,
                       "how `%.*s` cuts words is not known, and this file does not say it",
                       (int)shown.size, shown.data);
    ft_hint(err, "Use the tokenizer.json of the model, which `save_pretrained` of its fast "
                 "tokenizer writes.");
    return false;
}

static bool read_flag(const beside *in, const char *name, bool *out, ft_error *err)
{
    const ft_json_node *node = in->config ? ft_json_find(in->config, name) : NULL;

    *out = node && node->kind == FT_JSON_TRUE;
    return !node || *out || node->kind == FT_JSON_FALSE || node->kind == FT_JSON_NULL ||
           fault(in, CONFIG, name, "not true or false", err);
}

// ---- tokens ----

// A text, or an object with `content` and how the token is sought.
static bool read_token(const beside *in, const char *file, const char *name,
                       const ft_json_node *node, ft_added_token *token, ft_error *err)
{
    const char *const flags[] = {"single_word", "lstrip", "rstrip", "normalized", "special"};
    bool *const out[] = {&token->single_word, &token->lstrip, &token->rstrip, &token->normalized,
                         &token->special};
    const ft_json_node *content =
        node->kind == FT_JSON_OBJECT ? ft_json_find(node, "content") : node;

    if (!content || content->kind != FT_JSON_STRING)
        return fault(in, file, name, "a token that is not a text, nor has its `content`", err);
    for (size_t i = 0; node->kind == FT_JSON_OBJECT && i < FT_COUNT_OF(flags); i++) {
        const ft_json_node *flag = ft_json_find(node, flags[i]);
        if (flag && flag->kind != FT_JSON_TRUE && flag->kind != FT_JSON_FALSE)
            return fault(in, file, flags[i], "not true or false", err);
        if (flag)
            *out[i] = flag->kind == FT_JSON_TRUE;
    }
    const char *copy = ft_arena_text(in->r->arena, content->text);
    token->content = (ft_slice){copy, content->text.size};
    return copy || ft_fail_nomem(err, content->text.size);
}

static bool read_special(const beside *in, size_t class, ft_slow_rules *rules, ft_error *err)
{
    for (size_t i = 0; i < FT_SLOW_COUNT; i++) {
        ft_added_token *token = &rules->special[i];
        const ft_json_node *node = in->map ? ft_json_find(in->map, names[i]) : NULL;
        const char *file = node ? MAP : CONFIG, *fallback = classes[class].special[i];
        if (!node && in->config)
            node = ft_json_find(in->config, names[i]);
        if (node && node->kind == FT_JSON_NULL)
            continue;
        rules->is_said[i] = node != NULL;
        if (!node)
            token->content = ft_slice_of(fallback);
        else if (!read_token(in, file, names[i], node, token, err))
            return false;
        token->special = true;
        // The space in front of a mask is part of it.
        if (i == FT_SLOW_MASK && (!node || node->kind == FT_JSON_STRING))
            token->lstrip = true;
    }
    return true;
}

static bool is_special(const ft_slow_rules *rules, ft_slice text)
{
    for (size_t i = 0; i < FT_SLOW_COUNT; i++) {
        if (ft_slice_equal(rules->special[i].content, text))
            return true;
    }
    return false;
}

static bool check_id(const beside *in, const char *file, ft_slice text, int64_t id, ft_error *err)
{
    ft_slice shown = ft_shown(text);

    return (id >= 0 && id <= FT_TOKENIZER_ID_MAX) ||
           ft_tokenizer_fault(err, in->r->path, NULL,
                              "in the %s beside it, the id of `%.*s` is none of 0..%d", file,
                              (int)shown.size, shown.data, FT_TOKENIZER_ID_MAX);
}

// {"50257": {"content": "<pad>", ...}}
static bool read_decoder(const beside *in, const ft_json_node *object, ft_slow_rules *rules,
                         ft_error *err)
{
    for (size_t i = 0; i < object->count; i++) {
        ft_added_token *token = &rules->added[rules->added_count];
        int64_t id;
        if (!ft_parse_int(object->keys[i], &id))
            id = -1;
        if (!check_id(in, CONFIG, object->keys[i], id, err) ||
            !read_token(in, CONFIG, "added_tokens_decoder", &object->children[i], token, err))
            return false;
        token->id = (int32_t)id;
        rules->added_count++;
    }
    return true;
}

// {"<pad>": 50257}
static bool read_added(const beside *in, const ft_json_node *object, ft_slow_rules *rules,
                       ft_error *err)
{
    for (size_t i = 0; i < object->count; i++) {
        ft_added_token *token = &rules->added[rules->added_count];
        const ft_json_node key = {.kind = FT_JSON_STRING, .text = object->keys[i]};
        int64_t id;
        if (!ft_json_get_int(&object->children[i], &id))
            id = -1;
        if (!check_id(in, ADDED, key.text, id, err) ||
            !read_token(in, ADDED, NULL, &key, token, err))
            return false;
        token->id = (int32_t)id;
        token->special = is_special(rules, key.text);
        token->normalized = !token->special;
        rules->added_count++;
    }
    return true;
}

static bool read_more(const beside *in, const char *file, const ft_json_node *list,
                      ft_slow_rules *rules, ft_error *err)
{
    for (size_t i = 0; i < list->count; i++) {
        ft_added_token *token = &rules->added[rules->added_count];
        if (!read_token(in, file, "additional_special_tokens", &list->children[i], token, err))
            return false;
        token->id = -1;
        token->special = true;
        rules->added_count++;
    }
    return true;
}

static const ft_json_node *find_list(const ft_json_node *object, const char *name,
                                     ft_json_kind kind)
{
    const ft_json_node *node = object ? ft_json_find(object, name) : NULL;

    return node && node->kind == kind ? node : NULL;
}

static bool read_all_added(const beside *in, ft_slow_rules *rules, ft_error *err)
{
    const char *more = "additional_special_tokens", *file = MAP;
    const ft_json_node *decoder = find_list(in->config, "added_tokens_decoder", FT_JSON_OBJECT);
    const ft_json_node *list = find_list(in->map, more, FT_JSON_ARRAY);
    size_t count = decoder ? decoder->count : in->added ? in->added->count : 0;

    rules->keeps_flags = decoder != NULL;

    if (!list) {
        file = CONFIG;
        list = find_list(in->config, more, FT_JSON_ARRAY);
    }
    count += list ? list->count : 0;
    rules->added = ft_arena_zero(in->r->scratch, count + 1, sizeof(*rules->added));
    if (!rules->added)
        return ft_fail_nomem(err, count * sizeof(*rules->added));
    return (!decoder || read_decoder(in, decoder, rules, err)) &&
           (decoder || !in->added || read_added(in, in->added, rules, err)) &&
           (!list || read_more(in, file, list, rules, err));
}

bool ft_slow_rules_read(const ft_definition_reader *r, ft_slow_rules *out, ft_error *err)
{
    beside in = {.r = r};
    size_t class;

    *out = (ft_slow_rules){0};
    if (!ft_tokenizer_read_beside(r->path, CONFIG, r->scratch, &in.config, err) ||
        !ft_tokenizer_read_beside(r->path, MAP, r->scratch, &in.map, err) ||
        !ft_tokenizer_read_beside(r->path, ADDED, r->scratch, &in.added, err) ||
        !ft_tokenizer_read_beside(r->path, "config.json", r->scratch, &in.model, err) ||
        !find_class(&in, &class, err))
        return false;
    // Who writes the one no longer means the other.
    if (find_list(in.config, "added_tokens_decoder", FT_JSON_OBJECT))
        in.map = NULL;
    out->grammar = classes[class].grammar;
    out->around = classes[class].around;
    return read_flag(&in, "add_prefix_space", &out->add_prefix_space, err) &&
           read_flag(&in, "add_bos_token", &out->add_begin, err) &&
           read_special(&in, class, out, err) && read_all_added(&in, out, err);
}

// ---- ids ----

typedef struct numbering {
    const ft_definition_reader *r;
    const ft_slow_rules *rules;
    ft_vocab vocab;
    ft_vocab added;  // Those of the rules that have an id; records are as they stand there.
    ft_added_token *tokens;
    size_t count;
    size_t named, named_end;  // Those of `tokens` that are special by name.
    int32_t next;
} numbering;

static bool build_lists(numbering *n, ft_error *err)
{
    const ft_definition_reader *r = n->r;
    const ft_slow_rules *rules = n->rules;
    const ft_model_definition *model = &r->out->model;
    ft_piece *pieces = ft_arena_zero(r->scratch, rules->added_count + 1, sizeof(*pieces));
    size_t count = 0;

    n->tokens = ft_arena_zero(r->arena, rules->added_count + FT_SLOW_COUNT + 1, sizeof(*n->tokens));
    if (!pieces || !n->tokens)
        return ft_fail_nomem(err, rules->added_count * sizeof(*n->tokens));
    for (size_t i = 0; i < rules->added_count && rules->added[i].id >= 0; i++)
        pieces[count++] = (ft_piece){.text = rules->added[i].content, .id = rules->added[i].id};
    if (!ft_vocab_build(model->pieces, model->piece_count, FT_VOCAB_KEEP, r->path, r->scratch,
                        &n->vocab, err) ||
        !ft_vocab_build(pieces, count, FT_VOCAB_KEEP, r->path, r->scratch, &n->added, err))
        return false;
    for (size_t i = 0; i < model->piece_count; i++)
        n->next = model->pieces[i].id >= n->next ? model->pieces[i].id + 1 : n->next;
    for (size_t i = 0; i < count; i++)
        n->next = pieces[i].id >= n->next ? pieces[i].id + 1 : n->next;
    return true;
}

// Each id has one text.
static bool check_text(const numbering *n, const ft_added_token *token, ft_error *err)
{
    ft_slice text = ft_vocab_text(&n->vocab, token->id);

    if (!text.data)
        text = ft_vocab_text(&n->added, token->id);
    if (ft_slice_equal(text, token->content))
        return true;
    ft_slice shown = ft_shown(token->content), other = ft_shown(text);
    return ft_tokenizer_fault(err, n->r->path, NULL,
                              "the id %d of the added token `%.*s` is that of `%.*s` too",
                              token->id, (int)shown.size, shown.data, (int)other.size, other.data);
}

static int32_t find_id(const numbering *n, ft_slice text)
{
    int32_t id = ft_vocab_find(&n->vocab, text);

    id = id >= 0 ? id : ft_vocab_find(&n->added, text);
    for (size_t i = n->named; id < 0 && i < n->named_end; i++)
        id = ft_slice_equal(n->tokens[i].content, text) ? n->tokens[i].id : -1;
    return id;
}

// A token without an id of its own: that of its text, the next one where there is none.
static int32_t add_special(numbering *n, ft_added_token token)
{
    int32_t listed = ft_vocab_find(&n->added, token.content), id = find_id(n, token.content);

    if (listed >= 0 && n->rules->keeps_flags) {
        token = n->rules->added[ft_vocab_record_of(&n->added, listed)];
        token.special = true;
    }
    token.id = id >= 0 ? id : n->next++;
    n->tokens[n->count++] = token;
    return token.id;
}

static bool is_required(const ft_slow_rules *rules, size_t special)
{
    if (special == FT_SLOW_BEGIN)
        return rules->around == FT_SLOW_PLAIN && rules->add_begin;
    return rules->around != FT_SLOW_PLAIN &&
           (special == FT_SLOW_CLASS || special == FT_SLOW_SEPARATOR);
}

static bool number_special(numbering *n, int32_t ids[FT_SLOW_COUNT], ft_error *err)
{
    const ft_slow_rules *rules = n->rules;

    n->named = n->named_end = n->count;
    for (size_t i = 0; i < FT_SLOW_COUNT; i++) {
        const ft_added_token *token = &rules->special[i];
        ids[i] = -1;
        if (token->content.size > 0 && (rules->is_said[i] || find_id(n, token->content) >= 0))
            ids[i] = add_special(n, *token);
        n->named_end = n->count;
        if (ids[i] >= 0 || !is_required(rules, i))
            continue;
        ft_tokenizer_fault(err, n->r->path, NULL,
                           "the token that goes with every text, `%.*s`, "
                           "is not in it",
                           (int)token->content.size, token->content.data);
        ft_hint(err,
                "If the vocabulary spells it otherwise, say so as `%s` in a " CONFIG " beside it.",
                names[i]);
        return false;
    }
    return true;
}

static bool number(numbering *n, int32_t ids[FT_SLOW_COUNT], ft_error *err)
{
    const ft_slow_rules *rules = n->rules;

    if (!build_lists(n, err))
        return false;
    for (size_t i = 0; i < rules->added_count && rules->added[i].id >= 0; i++) {
        if (!check_text(n, &rules->added[i], err))
            return false;
        n->tokens[n->count++] = rules->added[i];
    }
    if (!number_special(n, ids, err))
        return false;
    for (size_t i = 0; i < rules->added_count; i++) {
        if (rules->added[i].id < 0 && rules->added[i].content.size > 0)
            add_special(n, rules->added[i]);
    }
    if (n->next > FT_TOKENIZER_ID_MAX + 1)
        return ft_tokenizer_fault(err, n->r->path, NULL,
                                  "no id up to %d is left for the special tokens",
                                  FT_TOKENIZER_ID_MAX);
    n->r->out->added = n->tokens;
    n->r->out->added_count = n->count;
    return true;
}

// ---- around a text ----

static bool set_parts(const ft_definition_reader *r, const ft_template_part *parts, size_t count,
                      size_t single, ft_error *err)
{
    ft_template_part *copy = ft_arena_zero(r->arena, count, sizeof(*copy));

    if (!copy)
        return ft_fail_nomem(err, count * sizeof(*copy));
    memcpy(copy, parts, count * sizeof(*copy));
    r->out->post.single = copy;
    r->out->post.pair = copy + single;
    r->out->post.single_count = single;
    r->out->post.pair_count = count - single;
    return true;
}

static bool make_around(const ft_definition_reader *r, const ft_slow_rules *rules,
                        const int32_t ids[FT_SLOW_COUNT], ft_error *err)
{
    const ft_template_part begin = {FT_PART_SPECIAL, ids[FT_SLOW_BEGIN], 0},
                           cls = {FT_PART_SPECIAL, ids[FT_SLOW_CLASS], 0},
                           sep = {FT_PART_SPECIAL, ids[FT_SLOW_SEPARATOR], 0},
                           a = {FT_PART_A, 0, 0}, b = {FT_PART_B, 0, 0};
    ft_post_definition *post = &r->out->post;

    if (rules->around == FT_SLOW_BERT)
        return ft_definition_make_bert_template(r, cls.id, sep.id, err);
    if (rules->around == FT_SLOW_ROBERTA) {
        const ft_template_part parts[] = {cls, a, sep, cls, a, sep, sep, b, sep};
        post->trim_offsets = true;
        post->add_prefix_space = rules->add_prefix_space;
        return set_parts(r, parts, FT_COUNT_OF(parts), 3, err);
    }
    if (!rules->add_begin)
        return true;
    const ft_template_part parts[] = {begin, a, begin, a, {FT_PART_B, 0, 1}};
    post->first_window_types = true;
    return set_parts(r, parts, FT_COUNT_OF(parts), 2, err);
}

bool ft_slow_rules_make(const ft_definition_reader *r, const ft_slow_rules *rules, ft_error *err)
{
    numbering n = {.r = r, .rules = rules};
    int32_t ids[FT_SLOW_COUNT] = {0};

    // Without a vocabulary there are no ids, but it is known how many stand around.
    return (!r->with_vocabulary || number(&n, ids, err)) && make_around(r, rules, ids, err);
}
