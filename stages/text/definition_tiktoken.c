// .tiktoken: a line for each token, its bytes in base64 and its rank, which is its id. The words
// and the special tokens are not in the file: they go with the name of the encoding, which is the
// file's. Source: the published encodings of tiktoken (openai_public.py).
#include <string.h>

#include "stages/text/base64.h"
#include "stages/text/pattern.h"
#include "stages/text/tokenizer_parts.h"

typedef struct special_token {
    const char *text;
    int32_t id;
} special_token;

typedef struct encoding {
    const char *name;
    const char *pattern;
    special_token special[6];
} encoding;

#define GPT2_WORDS "'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
// White space at the end of a text is one word, which the expression of tokenizer.json files cuts
// behind its last line feed. As published but for `{1,3}+`, which is something else in Oniguruma.
#define CL100K_WORDS                                                    \
    "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}++|\\p{N}{1,3}" \
    "| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*+|\\s++$|\\s*[\\r\\n]|\\s+(?!\\S)|\\s"
#define O200K_WORDS                                                \
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*"  \
    "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"  \
    "|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+" \
    "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"  \
    "|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

static const encoding encodings[] = {
    {"gpt2", GPT2_WORDS, {{"<|endoftext|>", 50256}}},
    {"r50k_base", GPT2_WORDS, {{"<|endoftext|>", 50256}}},
    {"p50k_base", GPT2_WORDS, {{"<|endoftext|>", 50256}}},
    {"p50k_edit",
     GPT2_WORDS,
     {{"<|endoftext|>", 50256},
      {"<|fim_prefix|>", 50281},
      {"<|fim_middle|>", 50282},
      {"<|fim_suffix|>", 50283}}},
    {"cl100k_base",
     CL100K_WORDS,
     {{"<|endoftext|>", 100257},
      {"<|fim_prefix|>", 100258},
      {"<|fim_middle|>", 100259},
      {"<|fim_suffix|>", 100260},
      {"<|endofprompt|>", 100276}}},
    {"o200k_base", O200K_WORDS, {{"<|endoftext|>", 199999}, {"<|endofprompt|>", 200018}}},
};

static const encoding *find_encoding(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    size_t size = strcspn(name, ".");

    for (size_t i = 0; i < FT_COUNT_OF(encodings); i++) {
        if (strlen(encodings[i].name) == size && memcmp(encodings[i].name, name, size) == 0)
            return &encodings[i];
    }
    return NULL;
}

static bool read_line(const ft_definition_reader *r, ft_slice line, size_t number, ft_piece *piece,
                      ft_error *err)
{
    const char *space = memchr(line.data, ' ', line.size);
    size_t letters = space ? (size_t)(space - line.data) : 0, at, size;
    int64_t rank;

    uint8_t *bytes = ft_arena_alloc(r->scratch, letters / 4 * 3 + 1);
    if (!bytes)
        return ft_fail_nomem(err, letters);
    if (letters == 0 || !ft_base64_decode((ft_slice){line.data, letters}, bytes, &size, &at) ||
        size == 0)
        return ft_tokenizer_fault(err, r->path, NULL,
                                  "line %zu is not a token in base64 and its rank", number);
    if (!ft_parse_int((ft_slice){space + 1, line.size - letters - 1}, &rank) || rank < 0 ||
        rank > FT_TOKENIZER_ID_MAX)
        return ft_tokenizer_fault(err, r->path, NULL,
                                  "in line %zu, the rank is not a number of 0..%d", number,
                                  FT_TOKENIZER_ID_MAX);
    *piece = (ft_piece){.text = {(const char *)bytes, size}, .id = (int32_t)rank};
    return true;
}

static bool read_pieces(const ft_definition_reader *r, ft_slice text, ft_error *err)
{
    size_t lines = 1, number = 0, count = 0;
    ft_slice line;

    for (size_t i = 0; i < text.size; i++)
        lines += text.data[i] == '\n';
    ft_piece *pieces = ft_arena_zero(r->scratch, lines, sizeof(*pieces));
    if (!pieces)
        return ft_fail_nomem(err, lines * sizeof(*pieces));
    while (ft_slice_cut(&text, '\n', &line)) {
        number++;
        if (line.size > 0 && line.data[line.size - 1] == '\r')
            line.size--;
        if (line.size > 0 && !read_line(r, line, number, &pieces[count++], err))
            return false;
    }
    r->out->model.pieces = pieces;
    r->out->model.piece_count = count;
    return true;
}

static bool make_parts(const ft_definition_reader *r, const encoding *e, ft_error *err)
{
    ft_pre_step *pre = ft_arena_zero(r->arena, 1, sizeof(*pre));
    ft_decode_step *decode = ft_arena_zero(r->arena, 1, sizeof(*decode));
    ft_added_token *added = ft_arena_zero(r->arena, FT_COUNT_OF(e->special), sizeof(*added));

    if (!pre || !decode || !added)
        return ft_fail_nomem(err, sizeof(*pre));
    pre->kind = FT_PRE_SPLIT;
    pre->split.behavior = FT_SPLIT_ISOLATED;
    decode->kind = FT_DECODE_BYTES;
    for (size_t i = 0; i < FT_COUNT_OF(e->special) && e->special[i].text; i++)
        added[r->out->added_count++] = (ft_added_token){
            .content = ft_slice_of(e->special[i].text), .id = e->special[i].id, .special = true};
    r->out->pre = pre;
    r->out->decode = decode;
    r->out->pre_count = r->out->decode_count = 1;
    r->out->added = added;
    r->out->has_added_ids = true;
    return ft_pattern_regex(ft_slice_of(e->pattern), r->path, e->name, r->arena,
                            &pre->split.pattern, err);
}

bool ft_definition_read_tiktoken(const ft_definition_reader *r, ft_slice text, ft_error *err)
{
    const encoding *e = find_encoding(r->path);
    ft_model_definition *model = &r->out->model;

    r->out->path = r->path;
    if (!e) {
        ft_tokenizer_fault(err, r->path, NULL,
                           "which words and special tokens go with this file is told by its name, "
                           "and this is none that is known");
        ft_hint(err, "Name it gpt2, r50k_base, p50k_base, p50k_edit, cl100k_base or o200k_base "
                     "(.tiktoken), or use the tokenizer.json of the model.");
        return false;
    }
    model->kind = FT_MODEL_BPE;
    model->merge_rule = FT_MERGES_BY_ID;
    model->is_bytes = true;
    model->ignore_merges = true;
    model->unknown = -1;
    return make_parts(r, e, err) && (!r->with_vocabulary || read_pieces(r, text, err));
}
