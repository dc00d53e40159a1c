// What several tokenizer files mean without saying it: the steps of SentencePiece and of BERT.
#include <string.h>

#include "stages/text/charsmap.h"
#include "stages/text/tokenizer_parts.h"

// ---- BERT ----

bool ft_definition_make_bert_template(const ft_definition_reader *r, int32_t cls, int32_t sep,
                                      ft_error *err)
{
    const ft_template_part parts[] = {
        {FT_PART_SPECIAL, cls, 0}, {FT_PART_A, 0, 0},         {FT_PART_SPECIAL, sep, 0},
        {FT_PART_SPECIAL, cls, 0}, {FT_PART_A, 0, 0},         {FT_PART_SPECIAL, sep, 0},
        {FT_PART_B, 0, 1},         {FT_PART_SPECIAL, sep, 1},
    };
    ft_template_part *copy = ft_arena_zero(r->arena, FT_COUNT_OF(parts), sizeof(*copy));

    if (!copy)
        return ft_fail_nomem(err, sizeof(parts));
    memcpy(copy, parts, sizeof(parts));
    r->out->post = (ft_post_definition){
        .single = copy, .pair = copy + 3, .single_count = 3, .pair_count = FT_COUNT_OF(parts) - 3};
    return true;
}

bool ft_definition_make_wordpiece_decoder(const ft_definition_reader *r, ft_error *err)
{
    ft_decode_step *step = ft_arena_zero(r->arena, 1, sizeof(*step));

    if (!step)
        return ft_fail_nomem(err, sizeof(*step));
    step->kind = FT_DECODE_WORDPIECE;
    step->wordpiece.prefix = FT_SLICE("##");
    step->wordpiece.cleanup = true;
    r->out->decode = step;
    r->out->decode_count = 1;
    return true;
}

// ---- SentencePiece ----

// The normaliser leaves user-defined pieces alone, so that they are found in the text as it is.
static bool keep_user_defined(const ft_definition_reader *r, const ft_sentencepiece *rules,
                              ft_normalize_step *step, ft_error *err)
{
    ft_trie_key *keys = ft_arena_zero(r->scratch, rules->piece_count + 1, sizeof(*keys));
    ft_trie *trie = ft_arena_zero(r->arena, 1, sizeof(*trie));
    size_t count = 0, kept = 0;

    if (!keys || !trie)
        return ft_fail_nomem(err, rules->piece_count * sizeof(*keys));
    for (size_t i = 0; i < rules->piece_count; i++) {
        if (rules->pieces[i].kind == FT_PIECE_USER_DEFINED)
            keys[count++] = ft_trie_make_key(rules->pieces[i].text, (int32_t)i);
    }
    if (count == 0)
        return true;
    ft_trie_sort(keys, count);
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || !ft_slice_equal(keys[kept - 1].text, keys[i].text))
            keys[kept++] = keys[i];
    }
    step->sentencepiece.user_defined = trie;
    return ft_trie_build(keys, kept, r->arena, trie, err);
}

static bool make_normalizer(const ft_definition_reader *r, const ft_sentencepiece *rules,
                            ft_error *err)
{
    ft_normalize_step *step = ft_arena_zero(r->arena, 1, sizeof(*step));

    if (!step)
        return ft_fail_nomem(err, sizeof(*step));
    step->kind = FT_NORMALIZE_SENTENCEPIECE;
    step->sentencepiece.add_dummy_prefix = rules->add_dummy_prefix;
    step->sentencepiece.remove_extra_whitespaces = rules->remove_extra_whitespaces;
    step->sentencepiece.escape_whitespaces = rules->escape_whitespaces;
    step->sentencepiece.treat_whitespace_as_suffix = rules->treat_whitespace_as_suffix;
    r->out->normalize = step;
    r->out->normalize_count = 1;
    if (!keep_user_defined(r, rules, step, err))
        return false;
    return rules->charsmap.size == 0 ||
           ft_charsmap_parse(rules->charsmap, r->path, rules->charsmap_place, r->arena,
                             &step->sentencepiece.charsmap, err);
}

static bool make_decoder(const ft_definition_reader *r, bool strip_space, ft_error *err)
{
    ft_decode_step *steps = ft_arena_zero(r->arena, 4, sizeof(*steps));
    size_t count = 0;

    if (!steps)
        return ft_fail_nomem(err, 4 * sizeof(*steps));
    steps[count].kind = FT_DECODE_METASPACE;
    steps[count].metaspace.replacement = FT_SLICE("\xe2\x96\x81");
    steps[count++].metaspace.scheme = FT_PREPEND_NEVER;
    steps[count++].kind = FT_DECODE_BYTE_FALLBACK;
    steps[count++].kind = FT_DECODE_FUSE;
    if (strip_space) {
        steps[count].kind = FT_DECODE_STRIP;
        steps[count].strip.content = FT_SLICE(" ");
        steps[count++].strip.start = 1;
    }
    r->out->decode = steps;
    r->out->decode_count = count;
    return true;
}

bool ft_definition_make_sentencepiece(const ft_definition_reader *r, const ft_sentencepiece *rules,
                                      ft_error *err)
{
    ft_model_definition *model = &r->out->model;

    model->kind = rules->is_bpe ? FT_MODEL_BPE : FT_MODEL_UNIGRAM;
    model->merge_rule = rules->is_bpe ? FT_MERGES_BY_SCORE : FT_MERGES_LISTED;
    model->byte_fallback = rules->byte_fallback;
    model->fuse_unknown = true;
    model->pieces = rules->pieces;
    model->piece_count = rules->piece_count;
    return make_normalizer(r, rules, err) && make_decoder(r, rules->add_dummy_prefix, err);
}
