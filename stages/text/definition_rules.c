// What several tokenizer files mean without saying it: the steps of SentencePiece and of BERT, and
// what version 2.0 of tokenizer.json tells in two places.
#include <string.h>

#include "stages/text/charsmap.h"
#include "stages/text/pattern.h"
#include "stages/text/tokenizer_parts.h"
#include "stages/text/vocabulary.h"

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
    // They are left alone, so that they are found in the text as it is.
    if (!ft_pieces_user_defined(rules->pieces, rules->piece_count, r->arena,
                                &step->sentencepiece.user_defined, err))
        return false;
    return rules->charsmap.size == 0 ||
           ft_charsmap_parse(rules->charsmap, r->path, rules->charsmap_place, r->arena,
                             &step->sentencepiece.charsmap, err);
}

static bool copy(const ft_definition_reader *r, ft_slice *text, ft_error *err)
{
    text->data = ft_arena_text(r->arena, *text);
    return text->data || ft_fail_nomem(err, text->size);
}

static bool make_decoder(const ft_definition_reader *r, const ft_sentencepiece *rules,
                         ft_error *err)
{
    ft_decode_step *step = ft_arena_zero(r->arena, 1, sizeof(*step));
    int32_t unknown = r->out->model.unknown;

    if (!step)
        return ft_fail_nomem(err, sizeof(*step));
    step->kind = FT_DECODE_SENTENCEPIECE;
    step->sentencepiece.drops_space = rules->add_dummy_prefix;
    step->sentencepiece.drops_spaces = rules->remove_extra_whitespaces;
    step->sentencepiece.has_bytes = rules->byte_fallback;
    for (size_t i = 0; i < rules->piece_count && rules->unknown_surface.data; i++) {
        if (rules->pieces[i].id == unknown)
            step->sentencepiece.unknown = rules->pieces[i].text;
    }
    step->sentencepiece.unknown_surface = rules->unknown_surface;
    r->out->decode = step;
    r->out->decode_count = 1;
    return copy(r, &step->sentencepiece.unknown, err) &&
           copy(r, &step->sentencepiece.unknown_surface, err);
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
    return make_normalizer(r, rules, err) && make_decoder(r, rules, err);
}

// ---- version 2.0 ----

// Splits in front of each sign that the normalizer puts in place of spaces.
static bool splits_at(const ft_definition *d, ft_slice sign)
{
    const ft_pre_step *pre = d->pre;

    return d->pre_count == 1 && pre->kind == FT_PRE_SPLIT && !pre->split.invert &&
           pre->split.behavior == FT_SPLIT_MERGED_WITH_NEXT &&
           ft_pattern_is_literal(pre->split.pattern, sign);
}

// The last step of the normalizer and the only one of the pre-tokenizer are together what the
// Metaspace of version 1.0 is, which has a fast path. But normalised added tokens are sought
// between the two, and `first` asks for the beginning of the text as it was before other steps.
static bool is_metaspace(const ft_definition *d)
{
    const ft_normalize_step *last =
        d->normalize_count > 0 ? &d->normalize[d->normalize_count - 1] : NULL;

    if (!last || last->kind != FT_NORMALIZE_METASPACE || !splits_at(d, last->metaspace.replacement))
        return false;
    for (size_t i = 0; i < d->added_count; i++) {
        if (d->added[i].normalized)
            return false;
    }
    if (last->metaspace.drop_whitespace)
        return last->metaspace.scheme == FT_PREPEND_ALWAYS;
    return last->metaspace.scheme != FT_PREPEND_FIRST || d->normalize_count == 1;
}

bool ft_definition_make_words(const ft_definition_reader *r, bool byte_level, ft_error *err)
{
    ft_definition *d = r->out;
    ft_pre_step *steps = ft_arena_zero(r->arena, d->pre_count + 2, sizeof(*steps));
    size_t count = 0;

    if (!steps)
        return ft_fail_nomem(err, (d->pre_count + 2) * sizeof(*steps));
    if (is_metaspace(d)) {
        const ft_normalize_step *last = &d->normalize[--d->normalize_count];
        if (last->metaspace.drop_whitespace)
            steps[count++].kind = FT_PRE_WHITESPACE_SPLIT;
        steps[count].kind = FT_PRE_METASPACE;
        steps[count].metaspace.replacement = last->metaspace.replacement;
        steps[count].metaspace.scheme = last->metaspace.scheme;
        steps[count++].metaspace.split = true;
    } else {
        for (size_t i = 0; i < d->pre_count; i++)
            steps[count++] = d->pre[i];
    }
    if (byte_level)
        steps[count++].kind = FT_PRE_BYTE_LEVEL;
    d->pre = steps;
    d->pre_count = count;
    return true;
}
