// Random values of `generate`. Each is a function of the run's seed, the item's index and the
// call's place in the expression, so that no number of threads and no batch size changes it.
#include "runtime/expr/expr_routine.h"

#include <string.h>

#include "runtime/random.h"

// Frequent words of plain English, so that tokenizers see words of their vocabulary.
static const char *const vocabulary[] = {
    "the",     "of",      "and",     "to",     "in",      "is",     "that",    "for",    "it",
    "as",      "was",     "with",    "be",     "by",      "on",     "not",     "he",     "his",
    "but",     "at",      "are",     "this",   "have",    "from",   "or",      "had",    "an",
    "they",    "which",   "one",     "you",    "were",    "her",    "all",     "she",    "there",
    "would",   "their",   "we",      "him",    "been",    "has",    "when",    "who",    "will",
    "more",    "no",      "if",      "out",    "so",      "said",   "what",    "up",     "its",
    "about",   "into",    "than",    "them",   "can",     "only",   "other",   "new",    "some",
    "could",   "time",    "these",   "two",    "may",     "then",   "do",      "first",  "any",
    "my",      "now",     "such",    "like",   "our",     "over",   "man",     "me",     "even",
    "most",    "made",    "after",   "also",   "did",     "many",   "before",  "must",   "through",
    "years",   "where",   "much",    "your",   "way",     "well",   "down",    "should", "because",
    "each",    "just",    "those",   "people", "how",     "too",    "little",  "state",  "good",
    "very",    "make",    "world",   "still",  "own",     "see",    "men",     "work",   "long",
    "get",     "here",    "between", "both",   "life",    "being",  "under",   "never",  "day",
    "same",    "another", "know",    "while",  "last",    "might",  "us",      "great",  "old",
    "year",    "off",     "come",    "since",  "against", "go",     "came",    "right",  "used",
    "take",    "three",   "water",   "house",  "river",   "stone",  "garden",  "letter", "window",
    "morning", "bridge",  "village", "forest", "summer",  "winter", "machine",
};

static uint64_t item_index(const ft_expr_context *context, size_t i)
{
    const ft_batch *batch = context->batch;
    size_t item = context->first + i;
    uint64_t row = ft_batch_row(batch, item);

    return batch->lineage ? batch->lineage->first_index + row : row;
}

static void start_random(const ft_expr_context *context, const ft_expr_call *call, size_t i,
                         ft_random *out)
{
    // Each call has a seed of its own; the multiplier is odd, so that no two sites share one.
    uint64_t seed = context->run->seed + (call->node->site + 1) * 0x9E3779B97F4A7C15U;

    ft_random_init(out, seed, item_index(context, i));
}

enum { WORDS_MAX = 1000000, WORD_BYTES_MAX = 8 };

bool ft_kernel_words(ft_expr_context *context, const ft_expr_call *call, ft_error *err)
{
    for (size_t i = 0; i < context->count; i++) {
        int64_t from = ft_vector_ints(&call->args[0])[i];
        int64_t to = ft_vector_ints(&call->args[1])[i];
        ft_random random;
        ft_vector_texts(call->out)[i] = (ft_slice){0};
        if (from < 0 || to < from || to > WORDS_MAX) {
            ft_expr_item_fail(context, call->node, i, "cannot make from %lld to %lld words",
                              (long long)from, (long long)to);
            ft_expr_item_hint(
                context, "Give the fewest and the most of them, up to 1000000: words(20, 400).");
        }
        if (!ft_expr_counts(context, i))
            continue;
        start_random(context, call, i, &random);
        size_t count = (size_t)ft_random_between(&random, from, to);
        char *made = ft_expr_text_alloc(context, count * WORD_BYTES_MAX, err);
        size_t size = 0;
        if (!made)
            return false;
        for (size_t k = 0; k < count; k++) {
            const char *word = vocabulary[ft_random_next(&random) % FT_COUNT_OF(vocabulary)];
            size_t word_size = strlen(word);
            if (k)
                made[size++] = ' ';
            memcpy(made + size, word, word_size);
            size += word_size;
        }
        ft_vector_texts(call->out)[i] = (ft_slice){made, size};
    }
    return true;
}

enum { NORMAL_MAX = 1 << 24 };

bool ft_prepare_vector(ft_arena *arena, ft_expr_node *node, ft_error *err)
{
    int64_t elements = 1;

    (void)arena;
    for (size_t k = 0; k < node->arg_count; k++) {
        int64_t n = node->args[k]->int_value;
        if (n >= 1 && n <= NORMAL_MAX && elements * n <= NORMAL_MAX) {
            elements *= n;
            continue;
        }
        ft_fail(err, FT_ERROR_USAGE, "a tensor of this shape cannot be made");
        ft_hint(err, "Give sizes from 1, of at most 16777216 numbers in all: normal(384).");
        err->number = 404;
        err->offset = node->args[k]->offset;
        err->length = node->args[k]->length;
        return false;
    }
    return true;
}

bool ft_kernel_normal(ft_expr_context *context, const ft_expr_call *call, ft_error *err)
{
    size_t count = (size_t)ft_type_elements(call->node->type);

    for (size_t i = 0; i < context->count; i++) {
        float *made = (float *)(void *)ft_expr_text_alloc(context, count * sizeof(*made), err);
        ft_random random;
        if (!made)
            return false;
        start_random(context, call, i, &random);
        for (size_t k = 0; k < count; k++)
            made[k] = (float)ft_random_normal(&random);
        ft_vector_spans(call->out)[i] = (ft_span){(const char *)made, NULL, count};
    }
    return true;
}

bool ft_kernel_uniform(ft_expr_context *context, const ft_expr_call *call, ft_error *err)
{
    (void)err;
    for (size_t i = 0; i < context->count; i++) {
        double from = ft_vector_floats(&call->args[0])[i], to = ft_vector_floats(&call->args[1])[i];
        ft_random random;
        start_random(context, call, i, &random);
        ft_vector_floats(call->out)[i] = from + (to - from) * ft_random_float(&random);
    }
    return true;
}

bool ft_kernel_integer(ft_expr_context *context, const ft_expr_call *call, ft_error *err)
{
    (void)err;
    for (size_t i = 0; i < context->count; i++) {
        int64_t from = ft_vector_ints(&call->args[0])[i], to = ft_vector_ints(&call->args[1])[i];
        ft_random random;
        ft_vector_ints(call->out)[i] = 0;
        if (to < from) {
            ft_expr_item_fail(context, call->node, i, "there is no whole number from %lld to %lld",
                              (long long)from, (long long)to);
            continue;
        }
        start_random(context, call, i, &random);
        ft_vector_ints(call->out)[i] = ft_random_between(&random, from, to);
    }
    return true;
}
