// The rules of a tokenizer to and from an image: all of a definition but its vocabulary, with what
// the readers of files make sure of checked again.
#include <string.h>

#include "stages/text/charsmap.h"
#include "stages/text/pattern.h"
#include "stages/text/token_image.h"
#include "stages/text/tokenizer_parts.h"
#include "stages/text/unicode.h"

enum { STEPS_MAX = 64, PARTS_MAX = 1024, CODE_POINT_MAX = 0x10ffff };

typedef void transfer_item(void *item, ft_image *image);

// A list of steps, copied in both directions, since `one` takes what it may change.
static const void *transfer_list(const void *items, size_t *count, size_t most, size_t item_bytes,
                                 transfer_item *one, ft_image *image)
{
    *count = ft_image_count(image, *count);
    if (!ft_image_check(image, *count <= most, "there are too many of something"))
        *count = 0;
    char *copy = ft_image_alloc(image, *count + 1, item_bytes);
    if (!copy) {
        *count = 0;
        return NULL;
    }
    if (image->is_made && *count > 0)
        memcpy(copy, items, *count * item_bytes);
    for (size_t i = 0; i < *count && !image->fault; i++)
        one(copy + i * item_bytes, image);
    return copy;
}

// A text of one character.
static void transfer_char(ft_slice *text, ft_image *image)
{
    ft_image_text(image, text);
    ft_image_check(image, text->size > 0 && ft_utf8_count(*text) == 1, "a text is no character");
}

// ---- normalizer ----

static void transfer_sentencepiece(ft_normalize_step *step, ft_image *image)
{
    ft_charsmap_transfer(&step->sentencepiece.charsmap, image);
    FT_IMAGE_FIELD(image, step->sentencepiece.add_dummy_prefix, 1);
    FT_IMAGE_FIELD(image, step->sentencepiece.remove_extra_whitespaces, 1);
    FT_IMAGE_FIELD(image, step->sentencepiece.escape_whitespaces, 1);
    FT_IMAGE_FIELD(image, step->sentencepiece.treat_whitespace_as_suffix, 1);
    ft_trie_transfer_keys(&step->sentencepiece.user_defined, FT_TOKENIZER_ID_MAX, image);
}

static void transfer_normalize(void *item, ft_image *image)
{
    ft_normalize_step *step = item;

    FT_IMAGE_FIELD(image, step->kind, FT_NORMALIZE_SENTENCEPIECE);
    switch (step->kind) {
    case FT_NORMALIZE_BERT:
        FT_IMAGE_FIELD(image, step->bert.clean_text, 1);
        FT_IMAGE_FIELD(image, step->bert.handle_chinese_chars, 1);
        FT_IMAGE_FIELD(image, step->bert.strip_accents, 1);
        FT_IMAGE_FIELD(image, step->bert.lowercase, 1);
        break;
    case FT_NORMALIZE_STRIP:
        FT_IMAGE_FIELD(image, step->strip.left, 1);
        FT_IMAGE_FIELD(image, step->strip.right, 1);
        break;
    case FT_NORMALIZE_PRECOMPILED:
        ft_charsmap_transfer(&step->charsmap, image);
        ft_image_check(image, step->charsmap != NULL, "a map of characters is missing");
        break;
    case FT_NORMALIZE_REPLACE:
        ft_pattern_transfer(&step->replace.pattern, image);
        ft_image_text(image, &step->replace.content);
        break;
    case FT_NORMALIZE_PREPEND:
        ft_image_text(image, &step->prepend);
        break;
    case FT_NORMALIZE_METASPACE:
        transfer_char(&step->metaspace.replacement, image);
        FT_IMAGE_FIELD(image, step->metaspace.scheme, FT_PREPEND_NEVER);
        FT_IMAGE_FIELD(image, step->metaspace.drop_whitespace, 1);
        break;
    case FT_NORMALIZE_SENTENCEPIECE:
        transfer_sentencepiece(step, image);
        break;
    case FT_NORMALIZE_STRIP_ACCENTS:
    case FT_NORMALIZE_NFC:
    case FT_NORMALIZE_NFD:
    case FT_NORMALIZE_NFKC:
    case FT_NORMALIZE_NFKD:
    case FT_NORMALIZE_LOWERCASE:
    case FT_NORMALIZE_NMT:
    case FT_NORMALIZE_BYTE_LEVEL:
        break;
    }
}

// ---- pre-tokenizer ----

static void transfer_pre(void *item, ft_image *image)
{
    ft_pre_step *step = item;

    FT_IMAGE_FIELD(image, step->kind, FT_PRE_FIXED_LENGTH);
    switch (step->kind) {
    case FT_PRE_BYTE_LEVEL:
        FT_IMAGE_FIELD(image, step->byte_level.add_prefix_space, 1);
        FT_IMAGE_FIELD(image, step->byte_level.use_regex, 1);
        break;
    case FT_PRE_CHAR_DELIMITER:
        FT_IMAGE_FIELD(image, step->delimiter, CODE_POINT_MAX);
        break;
    case FT_PRE_METASPACE:
        transfer_char(&step->metaspace.replacement, image);
        FT_IMAGE_FIELD(image, step->metaspace.scheme, FT_PREPEND_NEVER);
        FT_IMAGE_FIELD(image, step->metaspace.split, 1);
        break;
    case FT_PRE_SPLIT:
        ft_pattern_transfer(&step->split.pattern, image);
        FT_IMAGE_FIELD(image, step->split.behavior, FT_SPLIT_CONTIGUOUS);
        FT_IMAGE_FIELD(image, step->split.invert, 1);
        break;
    case FT_PRE_PUNCTUATION:
        FT_IMAGE_FIELD(image, step->punctuation, FT_SPLIT_CONTIGUOUS);
        break;
    case FT_PRE_DIGITS:
        FT_IMAGE_FIELD(image, step->individual_digits, 1);
        break;
    case FT_PRE_FIXED_LENGTH:
        FT_IMAGE_FIELD(image, step->length, SIZE_MAX);
        break;
    case FT_PRE_BERT:
    case FT_PRE_WHITESPACE:
    case FT_PRE_WHITESPACE_SPLIT:
    case FT_PRE_UNICODE_SCRIPTS:
        break;
    }
}

// ---- what stands around a text ----

static void transfer_part(void *item, ft_image *image)
{
    ft_template_part *part = item;

    FT_IMAGE_FIELD(image, part->kind, FT_PART_B);
    FT_IMAGE_ID(image, part->id);
    FT_IMAGE_FIELD(image, part->type_id, INT32_MAX);
}

// Each of the texts is in it once.
static bool check_template(const ft_template_part *parts, size_t count, unsigned texts)
{
    unsigned seen[3] = {0};

    for (size_t i = 0; i < count; i++)
        seen[parts[i].kind]++;
    return count == 0 || (seen[FT_PART_A] == 1 && seen[FT_PART_B] == texts - 1);
}

static void transfer_post(ft_post_definition *post, ft_image *image)
{
    post->single = transfer_list(post->single, &post->single_count, PARTS_MAX,
                                 sizeof(*post->single), transfer_part, image);
    post->pair = transfer_list(post->pair, &post->pair_count, PARTS_MAX, sizeof(*post->pair),
                               transfer_part, image);
    FT_IMAGE_FIELD(image, post->trim_offsets, 1);
    FT_IMAGE_FIELD(image, post->add_prefix_space, 1);
    FT_IMAGE_FIELD(image, post->first_window_types, 1);
    if (!image->fault)
        ft_image_check(image,
                       check_template(post->single, post->single_count, 1) &&
                           check_template(post->pair, post->pair_count, 2),
                       "a template is without its text");
}

// ---- decoder ----

static void transfer_decode(void *item, ft_image *image)
{
    ft_decode_step *step = item;

    FT_IMAGE_FIELD(image, step->kind, FT_DECODE_SENTENCEPIECE);
    switch (step->kind) {
    case FT_DECODE_BPE:
        ft_image_text(image, &step->suffix);
        break;
    case FT_DECODE_WORDPIECE:
        ft_image_text(image, &step->wordpiece.prefix);
        FT_IMAGE_FIELD(image, step->wordpiece.cleanup, 1);
        break;
    case FT_DECODE_METASPACE:
        transfer_char(&step->metaspace.replacement, image);
        FT_IMAGE_FIELD(image, step->metaspace.scheme, FT_PREPEND_NEVER);
        break;
    case FT_DECODE_CTC:
        ft_image_text(image, &step->ctc.pad_token);
        ft_image_text(image, &step->ctc.word_delimiter);
        FT_IMAGE_FIELD(image, step->ctc.cleanup, 1);
        ft_image_check(image, step->ctc.word_delimiter.size > 0, "a text is empty");
        break;
    case FT_DECODE_REPLACE:
        ft_pattern_transfer(&step->replace.pattern, image);
        ft_image_text(image, &step->replace.content);
        break;
    case FT_DECODE_STRIP:
        transfer_char(&step->strip.content, image);
        FT_IMAGE_FIELD(image, step->strip.start, SIZE_MAX);
        FT_IMAGE_FIELD(image, step->strip.stop, SIZE_MAX);
        break;
    case FT_DECODE_SENTENCEPIECE:
        ft_image_text(image, &step->sentencepiece.unknown);
        ft_image_text(image, &step->sentencepiece.unknown_surface);
        FT_IMAGE_FIELD(image, step->sentencepiece.drops_space, 1);
        FT_IMAGE_FIELD(image, step->sentencepiece.drops_spaces, 1);
        FT_IMAGE_FIELD(image, step->sentencepiece.has_bytes, 1);
        break;
    case FT_DECODE_BYTE_LEVEL:
    case FT_DECODE_FUSE:
    case FT_DECODE_BYTE_FALLBACK:
    case FT_DECODE_BYTES:
        break;
    }
}

// ---- added tokens ----

static void transfer_token(void *item, ft_image *image)
{
    ft_added_token *token = item;

    ft_image_text(image, &token->content);
    FT_IMAGE_ID(image, token->id);
    FT_IMAGE_FIELD(image, token->single_word, 1);
    FT_IMAGE_FIELD(image, token->lstrip, 1);
    FT_IMAGE_FIELD(image, token->rstrip, 1);
    FT_IMAGE_FIELD(image, token->normalized, 1);
    FT_IMAGE_FIELD(image, token->special, 1);
    ft_image_check(image, token->content.size > 0, "an added token is empty");
}

static const ft_added_token *transfer_tokens(const ft_added_token *tokens, size_t *count,
                                             ft_image *image)
{
    return transfer_list(tokens, count, SIZE_MAX, sizeof(*tokens), transfer_token, image);
}

void ft_added_set_transfer(ft_added_set *set, bool normalized, ft_image *image)
{
    size_t count = set->count;
    const ft_added_token *tokens = transfer_tokens(set->tokens, &count, image);
    ft_error err = FT_ERROR_INIT;

    // Few: the trie is made again, so that it needs no check.
    if (!image->is_made && !image->fault)
        ft_image_check(image,
                       ft_added_set_build(tokens, count, normalized, image->arena, set, &err),
                       "there is no memory for it");
}

void ft_definition_transfer(ft_definition *definition, ft_image *image)
{
    ft_definition *d = definition;

    d->normalize = transfer_list(d->normalize, &d->normalize_count, STEPS_MAX,
                                 sizeof(*d->normalize), transfer_normalize, image);
    d->pre = transfer_list(d->pre, &d->pre_count, STEPS_MAX, sizeof(*d->pre), transfer_pre, image);
    FT_IMAGE_FIELD(image, d->model.kind, FT_MODEL_WORDLEVEL);
    FT_IMAGE_FIELD(image, d->model.is_bytes, 1);
    transfer_post(&d->post, image);
    d->decode = transfer_list(d->decode, &d->decode_count, STEPS_MAX, sizeof(*d->decode),
                              transfer_decode, image);
    const void *control = d->control;
    ft_image_array(image, &control, &d->control_count, sizeof(*d->control), NULL, NULL);
    d->control = control;
    d->added = transfer_tokens(d->added, &d->added_count, image);
    // Texts that are bytes are put together, not looked into.
    if (!image->fault && d->model.is_bytes)
        ft_image_check(image, d->decode_count == 1 && d->decode[0].kind == FT_DECODE_BYTES,
                       "bytes are decoded as text");
}
