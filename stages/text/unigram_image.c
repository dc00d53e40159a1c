// A Unigram model to and from an image.
#include "stages/text/token_image.h"
#include "stages/text/unigram.h"

void ft_unigram_transfer(ft_unigram *unigram, const ft_vocab *vocab, ft_image *image)
{
    const void *pieces = unigram->pieces;
    size_t count = vocab->count;

    unigram->vocab = vocab;
    FT_IMAGE_ID(image, unigram->unknown);
    FT_IMAGE_FIELD(image, unigram->byte_fallback, 1);
    FT_IMAGE_FIELD(image, unigram->single_precision, 1);
    ft_image_double(image, &unigram->unknown_score);
    for (size_t i = 0; i < FT_COUNT_OF(unigram->byte_tokens); i++)
        FT_IMAGE_ID(image, unigram->byte_tokens[i]);
    ft_image_table(image, &pieces, count, sizeof(*unigram->pieces), NULL, NULL);
    unigram->pieces = pieces;
    // The trie's values are places among the pieces.
    ft_trie_transfer(&unigram->trie, (int32_t)count - 1, image);
}
