// The tables of a BPE model to and from an image. Each hash table has a free place, so that a
// search ends; what a table gives is a symbol, which may be any number.
#include "stages/text/bpe.h"
#include "stages/text/token_image.h"

enum { TABLE_BITS_MAX = 26, BYTES = 256 };

static const char fault[] = "a table of the model is wrong";

// Symbols of characters.
static const ft_bpe_chars *transfer_chars(const ft_bpe_chars *chars, ft_image *image)
{
    ft_bpe_chars *copy = ft_image_alloc(image, 1, sizeof(*copy));
    const void *ascii = chars ? chars->ascii : NULL, *others = chars ? chars->others : NULL;
    unsigned bits = chars ? 32 - chars->shift : 0;
    bool has_free = false;

    FT_IMAGE_FIELD(image, bits, TABLE_BITS_MAX);
    ft_image_table(image, &ascii, FT_COUNT_OF(chars->ascii), sizeof(chars->ascii[0]), NULL, NULL);
    ft_image_table(image, &others, (size_t)1 << bits, sizeof(*chars->others), NULL, NULL);
    if (image->is_made || !copy || !ft_image_check(image, bits > 0, fault))
        return chars;
    for (size_t i = 0; i < FT_COUNT_OF(copy->ascii); i++)
        copy->ascii[i] = ((const uint32_t *)ascii)[i];
    copy->others = others;
    copy->shift = 32 - bits;
    for (size_t i = 0; i < (size_t)1 << bits && !has_free; i++)
        has_free = copy->others[i].code_point == UINT32_MAX;
    ft_image_check(image, has_free, fault);
    return copy;
}

// Those with prefix and suffix are often the same.
static void transfer_all_chars(ft_bpe *bpe, ft_image *image)
{
    for (unsigned i = 0; i < FT_COUNT_OF(bpe->chars); i++) {
        unsigned same = 0;
        while (image->is_made && bpe->chars[same] != bpe->chars[i])
            same++;
        FT_IMAGE_FIELD(image, same, i);
        bpe->chars[i] = same < i ? bpe->chars[same] : transfer_chars(bpe->chars[i], image);
    }
}

static void transfer_pairs(ft_bpe *bpe, ft_image *image)
{
    const void *pairs = bpe->pairs;
    unsigned bits = image->is_made ? 64 - bpe->pair_shift : 0;
    bool has_free = false;

    FT_IMAGE_FIELD(image, bits, TABLE_BITS_MAX);
    if (!ft_image_table(image, &pairs, (size_t)1 << bits, sizeof(*bpe->pairs), NULL, NULL) ||
        image->is_made)
        return;
    bpe->pairs = pairs;
    bpe->pair_shift = 64 - bits;
    for (size_t i = 0; i < (size_t)1 << bits && !has_free; i++)
        has_free = bpe->pairs[i].key == UINT64_MAX;
    ft_image_check(image, has_free && bits > 0, fault);
}

static void transfer_words(ft_bpe *bpe, ft_image *image)
{
    const void *words = bpe->words;
    unsigned bits = image->is_made ? 64 - bpe->word_shift : 0;
    bool has_free = false;

    FT_IMAGE_FIELD(image, bits, TABLE_BITS_MAX);
    if (!ft_image_table(image, &words, (size_t)1 << bits, sizeof(*bpe->words), NULL, NULL) ||
        image->is_made)
        return;
    bpe->words = words;
    bpe->word_shift = 64 - bits;
    for (size_t i = 0; i < (size_t)1 << bits && !has_free; i++)
        has_free = bpe->words[i].rest == 0;
    ft_image_check(image, has_free && bits > 0, fault);
}

static bool look_numbers(const void *items, size_t count, void *host)
{
    const uint32_t *numbers = items;
    const ft_bpe *bpe = host;
    bool right = true;

    for (size_t i = 0; i < count; i++)
        right &= numbers[i] < bpe->unused_count || numbers[i] == FT_BPE_NOTHING;
    return right;
}

static void transfer_unused(ft_bpe *bpe, ft_image *image)
{
    const void *unused = bpe->unused;

    FT_IMAGE_FIELD(image, bpe->unused_count, FT_VOCAB_ID_MAX);
    ft_image_array(image, &unused, &bpe->unused_ids, sizeof(*bpe->unused), look_numbers, bpe);
    bpe->unused = unused;
    ft_image_check(image, bpe->unused_count <= bpe->unused_ids, fault);
}

// Of a model that takes words raw.
static void transfer_raw(ft_bpe *bpe, ft_image *image)
{
    const void *cells = bpe->byte_cells, *raw_sizes = bpe->raw_sizes;

    transfer_words(bpe, image);
    ft_image_table(image, &cells, (size_t)BYTES * BYTES, sizeof(*bpe->byte_cells), NULL, NULL);
    FT_IMAGE_FIELD(image, bpe->raw_count, FT_VOCAB_ID_MAX + 1);
    ft_image_table(image, &raw_sizes, bpe->raw_count, sizeof(*bpe->raw_sizes), NULL, NULL);
    bpe->byte_cells = cells;
    bpe->raw_sizes = raw_sizes;
    if (!bpe->takes_spaces)
        return;
    const void *joins = bpe->joins;
    ft_image_table(image, &joins, BYTES, sizeof(*bpe->joins), NULL, NULL);
    bpe->joins = joins;
}

void ft_bpe_transfer(ft_bpe *bpe, const ft_vocab *vocab, ft_image *image)
{
    bpe->vocab = vocab;
    FT_IMAGE_ID(image, bpe->unknown);
    FT_IMAGE_FIELD(image, bpe->fuse_unknown, 1);
    FT_IMAGE_FIELD(image, bpe->byte_fallback, 1);
    FT_IMAGE_FIELD(image, bpe->ignore_merges, 1);
    FT_IMAGE_FIELD(image, bpe->by_text, 1);
    FT_IMAGE_FIELD(image, bpe->is_bytes, 1);
    FT_IMAGE_FIELD(image, bpe->takes_bytes, 1);
    FT_IMAGE_FIELD(image, bpe->takes_spaces, 1);
    FT_IMAGE_FIELD(image, bpe->unique_sizes, 1);
    for (size_t i = 0; i < BYTES; i++) {
        FT_IMAGE_ID(image, bpe->byte_tokens[i]);
        FT_IMAGE_FIELD(image, bpe->byte_symbols[i], UINT32_MAX);
    }
    ft_image_text(image, &bpe->prefix);
    ft_image_text(image, &bpe->suffix);
    ft_trie_transfer_keys(&bpe->user_defined, FT_VOCAB_ID_MAX, image);
    transfer_unused(bpe, image);
    transfer_pairs(bpe, image);
    // A model of bytes has no characters; all of it goes by bytes.
    if (!bpe->is_bytes)
        transfer_all_chars(bpe, image);
    if (bpe->takes_bytes || bpe->takes_spaces)
        transfer_raw(bpe, image);
    ft_image_check(image, bpe->takes_bytes || !bpe->is_bytes, fault);
    ft_image_check(image, !bpe->takes_bytes || !bpe->takes_spaces, fault);
}
