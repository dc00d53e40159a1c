// The vocabulary of a GGUF file: tokens, their types and scores or merges, under the keys
// `tokenizer.ggml.*`, of the models that llama.cpp calls llama (SentencePiece BPE), gpt2
// (byte-level BPE), bert (WordPiece) and t5 (Unigram). What words are is told by a name alone,
// `tokenizer.ggml.pre`. A file that carries the tokenizer.json itself is read by that.
#include <stdio.h>
#include <string.h>

#include "stages/nn/gguf.h"
#include "stages/text/pattern.h"
#include "stages/text/tokenizer_parts.h"
#include "stages/text/vocabulary.h"
#include "stages/text/word_grammar.h"

#define KEY(name) "tokenizer.ggml." name

enum { TYPE_NORMAL = 1, TYPE_UNKNOWN, TYPE_CONTROL, TYPE_USER_DEFINED, TYPE_UNUSED, TYPE_BYTE };
enum { BERT_MAX_CHARS = 100 };

typedef struct gguf_file {
    const ft_definition_reader *r;
    const ft_gguf *gguf;
    const ft_gguf_value *tokens, *types, *scores;
    ft_piece *pieces;
    bool add_begin, add_end;
} gguf_file;

// -1 for none. `fallback` is what llama.cpp takes where the key is not there.
static bool read_id(const gguf_file *in, const char *key, int64_t fallback, int32_t *out,
                    ft_error *err)
{
    int64_t id = fallback < (int64_t)in->tokens->count ? fallback : -1;

    if (!ft_gguf_get_int(in->gguf, key, &id, err))
        return false;
    if (id < -1 || id >= (int64_t)in->tokens->count)
        return ft_tokenizer_fault(err, in->r->path, key,
                                  "the id %lld is none of the %zu tokens' ids", (long long)id,
                                  in->tokens->count);
    *out = (int32_t)id;
    return true;
}

static int type_of(const gguf_file *in, size_t at)
{
    return in->types ? ft_gguf_int_at(in->types, at) : TYPE_NORMAL;
}

// ---- tokens ----

static bool find_tables(gguf_file *in, bool scored, ft_error *err)
{
    if (!ft_gguf_get_array(in->gguf, KEY("tokens"), FT_GGUF_TEXT, &in->tokens, err) ||
        !ft_gguf_get_array(in->gguf, KEY("token_type"), FT_GGUF_I32, &in->types, err) ||
        !ft_gguf_get_array(in->gguf, KEY("scores"), FT_GGUF_F32, &in->scores, err))
        return false;
    if (!in->tokens || in->tokens->count == 0 || in->tokens->count > FT_TOKENIZER_ID_MAX)
        return ft_tokenizer_fault(err, in->r->path, KEY("tokens"), "missing, empty or too many");
    if (in->types && in->types->count != in->tokens->count)
        return ft_tokenizer_fault(err, in->r->path, KEY("token_type"), "%zu types of %zu tokens",
                                  in->types->count, in->tokens->count);
    if (scored && (!in->scores || in->scores->count != in->tokens->count))
        return ft_tokenizer_fault(err, in->r->path, KEY("scores"), "not a score for each token");
    return true;
}

static bool read_tokens(gguf_file *in, ft_error *err)
{
    size_t count = in->tokens->count;
    ft_slice rest = in->tokens->bytes;
    char place[FT_PLACE_BYTES];

    in->pieces = ft_arena_zero(in->r->scratch, count, sizeof(*in->pieces));
    if (!in->pieces)
        return ft_fail_nomem(err, count * sizeof(*in->pieces));
    for (size_t i = 0; i < count; i++) {
        ft_slice text = ft_gguf_next_text(&rest);
        if (ft_utf8_valid_prefix(text) < text.size)
            return ft_tokenizer_fault(err, in->r->path, ft_model_place(place, KEY("tokens"), i),
                                      "not valid UTF-8");
        in->pieces[i] = (ft_piece){.text = text, .id = (int32_t)i};
    }
    in->r->out->model.pieces = in->pieces;
    in->r->out->model.piece_count = count;
    return true;
}

// Tokens that are looked for in the text itself. As in llama.cpp those of the user always are, and
// control tokens and the unknown one where special tokens are parsed.
static bool read_added(const gguf_file *in, ft_error *err)
{
    ft_definition *out = in->r->out;
    size_t count = 0;

    out->has_added_ids = true;
    for (size_t i = 0; i < in->tokens->count; i++) {
        int type = type_of(in, i);
        count += type == TYPE_CONTROL || type == TYPE_USER_DEFINED || type == TYPE_UNKNOWN;
    }
    ft_added_token *added = ft_arena_zero(in->r->arena, count + 1, sizeof(*added));
    if (!added)
        return ft_fail_nomem(err, count * sizeof(*added));
    for (size_t i = 0; i < in->tokens->count; i++) {
        int type = type_of(in, i);
        ft_slice text = in->pieces[i].text;
        if (text.size == 0 ||
            !(type == TYPE_CONTROL || type == TYPE_USER_DEFINED || type == TYPE_UNKNOWN))
            continue;
        const char *copy = ft_arena_text(in->r->arena, text);
        if (!copy)
            return ft_fail_nomem(err, text.size);
        added[out->added_count++] = (ft_added_token){
            .content = {copy, text.size}, .id = (int32_t)i, .special = type != TYPE_USER_DEFINED};
    }
    out->added = added;
    return true;
}

// [begin] A [end], and the same of B behind it.
static bool make_template(const gguf_file *in, int64_t begin_fallback, int64_t end_fallback,
                          ft_error *err)
{
    ft_template_part *parts = ft_arena_zero(in->r->arena, 9, sizeof(*parts));
    ft_post_definition *post = &in->r->out->post;
    int32_t begin, end;
    size_t count = 0;

    if (!parts)
        return ft_fail_nomem(err, 9 * sizeof(*parts));
    if (!read_id(in, KEY("bos_token_id"), begin_fallback, &begin, err) ||
        !read_id(in, KEY("eos_token_id"), end_fallback, &end, err))
        return false;
    for (int text = 0; text < 3; text++) {
        int32_t type_id = text == 2;
        if (in->add_begin && begin >= 0)
            parts[count++] = (ft_template_part){FT_PART_SPECIAL, begin, type_id};
        parts[count++] = (ft_template_part){text == 2 ? FT_PART_B : FT_PART_A, 0, type_id};
        if (in->add_end && end >= 0)
            parts[count++] = (ft_template_part){FT_PART_SPECIAL, end, type_id};
        if (text == 0)
            post->single_count = count;
    }
    post->single = parts;
    post->pair = parts + post->single_count;
    post->pair_count = count - post->single_count;
    return true;
}

// ---- llama and t5: SentencePiece ----

// llama.cpp asks in its merges for no type: there unused pieces are as normal ones.
static bool score_pieces(const gguf_file *in, bool is_bpe, bool *has_bytes, ft_error *err)
{
    char place[FT_PLACE_BYTES];

    *has_bytes = false;
    for (size_t i = 0; i < in->tokens->count; i++) {
        ft_piece *piece = &in->pieces[i];
        int type = type_of(in, i);
        piece->score = (double)ft_gguf_float_at(in->scores, i);
        if (!(piece->score >= -1e30 && piece->score <= 1e30))
            return ft_tokenizer_fault(err, in->r->path, ft_model_place(place, KEY("scores"), i),
                                      "not a number");
        *has_bytes |= type == TYPE_BYTE;
        if (type == TYPE_UNUSED)
            piece->kind = is_bpe ? FT_PIECE_NORMAL : FT_PIECE_UNUSED;
        else if (type != TYPE_NORMAL || piece->text.size == 0)
            piece->kind = FT_PIECE_CONTROL;
    }
    return true;
}

static bool read_charsmap(const gguf_file *in, ft_slice *out, ft_error *err)
{
    const ft_gguf_value *value = ft_gguf_find(in->gguf, KEY("precompiled_charsmap"));

    if (!value)
        return true;
    if (!value->is_array || (value->type != FT_GGUF_U8 && value->type != FT_GGUF_I8))
        return ft_tokenizer_fault(err, in->r->path, KEY("precompiled_charsmap"),
                                  "not an array of bytes");
    *out = value->bytes;
    return true;
}

static bool read_sentencepiece(gguf_file *in, bool is_bpe, ft_error *err)
{
    ft_sentencepiece rules = {.is_bpe = is_bpe,
                              .add_dummy_prefix = true,
                              .escape_whitespaces = true,
                              .charsmap_place = KEY("precompiled_charsmap")};
    ft_model_definition *model = &in->r->out->model;

    in->add_begin = is_bpe;
    in->add_end = !is_bpe;
    if (!find_tables(in, true, err) || !read_charsmap(in, &rules.charsmap, err) ||
        !ft_gguf_get_bool(in->gguf, KEY("add_space_prefix"), &rules.add_dummy_prefix, err) ||
        !ft_gguf_get_bool(in->gguf, KEY("remove_extra_whitespaces"),
                          &rules.remove_extra_whitespaces, err) ||
        !ft_gguf_get_bool(in->gguf, KEY("add_bos_token"), &in->add_begin, err) ||
        !ft_gguf_get_bool(in->gguf, KEY("add_eos_token"), &in->add_end, err) ||
        !read_id(in, KEY("unknown_token_id"), is_bpe ? 0 : 2, &model->unknown, err) ||
        !make_template(in, is_bpe ? 1 : -1, is_bpe ? 2 : 1, err))
        return false;
    if (!in->r->with_vocabulary)
        return true;
    if (!read_tokens(in, err) || !score_pieces(in, is_bpe, &rules.byte_fallback, err) ||
        !read_added(in, err))
        return false;
    rules.pieces = in->pieces;
    rules.piece_count = in->tokens->count;
    return ft_definition_make_sentencepiece(in->r, &rules, err);
}

// ---- bert ----

// "##ing" is written as "ing" there, and "ing" as "\u2581ing".
static bool respell(gguf_file *in, ft_error *err)
{
    static const ft_slice mark = {"\xe2\x96\x81", 3};

    for (size_t i = 0; i < in->tokens->count; i++) {
        ft_slice *text = &in->pieces[i].text;
        if (type_of(in, i) != TYPE_NORMAL ||
            (ft_slice_starts_with(*text, FT_SLICE("[")) &&
             ft_slice_ends_with(*text, FT_SLICE("]")) && text->size > 1))
            continue;
        if (ft_slice_starts_with(*text, mark)) {
            *text = (ft_slice){text->data + mark.size, text->size - mark.size};
            continue;
        }
        char *copy = ft_arena_alloc(in->r->scratch, text->size + 2);
        if (!copy)
            return ft_fail_nomem(err, text->size + 2);
        memcpy(copy, "##", 2);
        memcpy(copy + 2, text->data, text->size);
        *text = (ft_slice){copy, text->size + 2};
    }
    return true;
}

static bool read_bert(gguf_file *in, ft_error *err)
{
    ft_definition *out = in->r->out;
    ft_normalize_step *normalize = ft_arena_zero(in->r->arena, 1, sizeof(*normalize));
    ft_pre_step *pre = ft_arena_zero(in->r->arena, 1, sizeof(*pre));
    int32_t cls, sep;

    if (!normalize || !pre)
        return ft_fail_nomem(err, sizeof(*normalize));
    // As llama.cpp has it: the file does not say whether capitals matter.
    *normalize = (ft_normalize_step){.kind = FT_NORMALIZE_BERT, .bert = {true, true, true, true}};
    *pre = (ft_pre_step){.kind = FT_PRE_BERT};
    out->normalize = normalize;
    out->pre = pre;
    out->normalize_count = out->pre_count = 1;
    out->model.kind = FT_MODEL_WORDPIECE;
    out->model.prefix = FT_SLICE("##");
    out->model.max_chars = BERT_MAX_CHARS;
    if (!find_tables(in, false, err) ||
        !read_id(in, KEY("unknown_token_id"), -1, &out->model.unknown, err) ||
        !read_id(in, KEY("bos_token_id"), -1, &cls, err) ||
        !read_id(in, KEY("cls_token_id"), cls, &cls, err) ||
        !read_id(in, KEY("eos_token_id"), -1, &sep, err) ||
        !read_id(in, KEY("seperator_token_id"), sep, &sep, err))
        return false;
    if (out->model.unknown < 0 || cls < 0 || sep < 0)
        return ft_tokenizer_fault(err, in->r->path, NULL,
                                  "one of `tokenizer.ggml.unknown_token_id`, `cls_token_id` and "
                                  "`seperator_token_id` is missing");
    return ft_definition_make_bert_template(in->r, cls, sep, err) &&
           ft_definition_make_wordpiece_decoder(in->r, err) &&
           (!in->r->with_vocabulary ||
            (read_tokens(in, err) && respell(in, err) && read_added(in, err)));
}

// ---- gpt2: byte-level BPE ----

// By the names that llama.cpp knows: what cuts words, and what else follows from the name.
static const struct {
    const char *grammar;
    bool is_llama3;  // Whole words that are tokens are not merged; a text begins with its token.
    const char *names[20];
} cutters[] = {
    {"gpt2",
     false,
     {"gpt-2", "phi-2", "jina-es", "jina-de", "jina-v2-es", "jina-v2-de", "jina-v1-en",
      "jina-v2-code", "roberta-bpe", "gigachat", "a.x-4.0", "mellum", "modern-bert", "exaone4",
      "mpt", "olmo", "jais", "trillion", "granite-docling"}},
    {"starcoder",
     false,
     {"starcoder", "refact", "command-r", "codeshell", "smollm", "exaone", "minerva-7b"}},
    {"cl100k",
     true,
     {"llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2"}},
    {"cl100k", false, {"dbrx", "smaug-bpe", "glm4", "chatglm-bpe"}},
    {"qwen2", false, {"qwen2", "deepseek-r1-qwen", "stablelm2", "megrez", "hunyuan", "kormo"}},
    {"qwen3.5", false, {"qwen35"}},
    {"o200k", false, {"gpt-4o", "llama4"}},
    {"tekken", true, {"tekken"}},
    {"deepseek-v3", false, {"deepseek-v3", "hunyuan-dense"}},
};

static bool add_split(const ft_definition_reader *r, const char *source, ft_pre_step *step,
                      ft_error *err)
{
    *step = (ft_pre_step){.kind = FT_PRE_SPLIT, .split.behavior = FT_SPLIT_ISOLATED};
    return ft_pattern_regex(ft_slice_of(source), r->path, KEY("pre"), r->arena,
                            &step->split.pattern, err);
}

static bool make_cutter(const ft_definition_reader *r, const char *grammar, ft_error *err)
{
    ft_pre_step *steps = ft_arena_zero(r->arena, 4, sizeof(*steps));
    const char *source = ft_grammar_regex(grammar);
    size_t count = 0;

    if (!steps)
        return ft_fail_nomem(err, 4 * sizeof(*steps));
    r->out->pre = steps;
    if (strcmp(grammar, "starcoder") == 0)
        steps[count++] = (ft_pre_step){.kind = FT_PRE_DIGITS, .individual_digits = true};
    if (strcmp(grammar, "starcoder") == 0 || strcmp(grammar, "gpt2") == 0) {
        source = NULL;
    } else if (strcmp(grammar, "deepseek-v3") == 0) {
        source = ft_grammar_regex("deepseek-v3-last");
        if (!add_split(r, "\\p{N}{1,3}", &steps[count++], err) ||
            !add_split(r, "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+", &steps[count++], err))
            return false;
    }
    if (source && !add_split(r, source, &steps[count++], err))
        return false;
    steps[count++] = (ft_pre_step){.kind = FT_PRE_BYTE_LEVEL, .byte_level.use_regex = !source};
    r->out->pre_count = count;
    return true;
}

static bool find_cutter(gguf_file *in, ft_error *err)
{
    ft_slice name = {0};

    if (!ft_gguf_get_text(in->gguf, KEY("pre"), &name, err))
        return false;
    for (size_t i = 0; i < FT_COUNT_OF(cutters); i++) {
        for (size_t k = 0; k < FT_COUNT_OF(cutters[i].names) && cutters[i].names[k]; k++) {
            if (!ft_slice_is(name, cutters[i].names[k]))
                continue;
            in->add_begin = in->r->out->model.ignore_merges = cutters[i].is_llama3;
            return make_cutter(in->r, cutters[i].grammar, err);
        }
    }
    ft_slice shown = ft_shown(name);
    ft_tokenizer_fault(err, in->r->path, KEY("pre"),
                       "how a text is cut into words has the name `%.*s`, which is not known",
                       (int)shown.size, shown.data);
    ft_hint(err, "Use the tokenizer.json of the model instead.");
    return false;
}

static bool read_merges(gguf_file *in, ft_error *err)
{
    ft_model_definition *model = &in->r->out->model;
    const ft_gguf_value *merges;
    char place[FT_PLACE_BYTES];

    if (!ft_gguf_get_array(in->gguf, KEY("merges"), FT_GGUF_TEXT, &merges, err))
        return false;
    if (!merges)
        return ft_tokenizer_fault(err, in->r->path, KEY("merges"), "missing");
    ft_merge_text *texts = ft_arena_zero(in->r->scratch, merges->count + 1, sizeof(*texts));
    if (!texts)
        return ft_fail_nomem(err, merges->count * sizeof(*texts));
    ft_slice rest = merges->bytes;
    for (size_t i = 0; i < merges->count; i++) {
        ft_slice text = ft_gguf_next_text(&rest);
        const char *space = text.size > 0 ? memchr(text.data + 1, ' ', text.size - 1) : NULL;
        if (!space || ft_utf8_valid_prefix(text) < text.size)
            return ft_tokenizer_fault(err, in->r->path, ft_model_place(place, KEY("merges"), i),
                                      "not two tokens with a space between");
        size_t left = (size_t)(space - text.data);
        texts[i] = (ft_merge_text){{text.data, left}, {space + 1, text.size - left - 1}};
    }
    model->merge_count = merges->count;
    return ft_merges_resolve(in->pieces, in->tokens->count, model->prefix, texts, merges->count,
                             in->r->path, in->r->scratch, &model->merges, err);
}

static bool read_gpt2(gguf_file *in, ft_error *err)
{
    ft_definition *out = in->r->out;
    ft_decode_step *decode = ft_arena_zero(in->r->arena, 1, sizeof(*decode));

    if (!decode)
        return ft_fail_nomem(err, sizeof(*decode));
    decode->kind = FT_DECODE_BYTE_LEVEL;
    out->decode = decode;
    out->decode_count = 1;
    out->model.kind = FT_MODEL_BPE;
    out->model.unknown = -1;
    if (!find_cutter(in, err) || !find_tables(in, false, err) ||
        !ft_gguf_get_bool(in->gguf, KEY("add_bos_token"), &in->add_begin, err) ||
        !ft_gguf_get_bool(in->gguf, KEY("add_eos_token"), &in->add_end, err) ||
        !make_template(in, -1, -1, err))
        return false;
    return !in->r->with_vocabulary ||
           (read_tokens(in, err) && read_added(in, err) && read_merges(in, err));
}

// ---- the file ----

static bool read_vocabulary(gguf_file *in, ft_error *err)
{
    ft_slice model = {0};

    if (!ft_gguf_get_text(in->gguf, KEY("model"), &model, err))
        return false;
    if (ft_slice_is(model, "llama") || ft_slice_is(model, "t5"))
        return read_sentencepiece(in, ft_slice_is(model, "llama"), err);
    if (ft_slice_is(model, "bert"))
        return read_bert(in, err);
    if (ft_slice_is(model, "gpt2"))
        return read_gpt2(in, err);
    if (!model.data)
        return ft_tokenizer_fault(err, in->r->path, KEY("model"),
                                  "missing: there is no vocabulary in this file");
    ft_slice shown = ft_shown(model);
    ft_tokenizer_fault(err, in->r->path, KEY("model"),
                       "a vocabulary of the kind `%.*s`, which this version does not read",
                       (int)shown.size, shown.data);
    ft_hint(err, "The kinds llama, gpt2, bert and t5 are read.");
    return false;
}

bool ft_definition_read_gguf(const ft_definition_reader *r, ft_slice text, ft_error *err)
{
    gguf_file in = {.r = r};
    ft_slice json = {0};
    ft_gguf *gguf;

    r->out->path = r->path;
    bool done = ft_gguf_parse(text, r->path, r->scratch, &gguf, err) &&
                ft_gguf_get_text(gguf, "tokenizer.huggingface.json", &json, err);
    if (done && json.data) {
        done = ft_definition_read_json(r, json, err);
        if (!done)
            ft_error_while(err, "in `tokenizer.huggingface.json`");
    } else if (done) {
        in.gguf = gguf;
        done = read_vocabulary(&in, err);
    }
    if (!done && err->number == 0 && err->code == FT_ERROR_DATA)
        err->number = FT_TOKENIZER_ERROR;
    return done;
}
