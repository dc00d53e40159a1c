// Picks tokens.
//
// Sorting a vocabulary for each token would cost more than a small model's layers. Top-k finds its
// last value by a heap of k; top-p takes tokens off a heap of all that are left until it has
// enough.
#include "stages/nn/sampler.h"

#include <math.h>
#include <string.h>

#include "runtime/memory/alloc.h"
#include "runtime/memory/buffer.h"

struct ft_sampler {
    size_t vocabulary;
    ft_buffer *buffer, *marks_buffer;
    ft_candidate *candidates;  // [vocabulary]
    uint8_t *marks;            // [vocabulary]: penalised; zeros between calls.
};

ft_sampler *ft_sampler_create(size_t vocabulary, ft_account *account, ft_error *err)
{
    ft_sampler *sampler = ft_alloc_zero(1, sizeof(*sampler));
    size_t bytes;

    if (!sampler || FT_MUL_OVERFLOWS(vocabulary, sizeof(ft_candidate), &bytes)) {
        ft_free(sampler);
        ft_fail_nomem(err, sizeof(*sampler));
        return NULL;
    }
    sampler->vocabulary = vocabulary;
    sampler->buffer = ft_buffer_create(account, bytes, err);
    sampler->marks_buffer = sampler->buffer ? ft_buffer_zero(account, vocabulary, err) : NULL;
    if (!sampler->marks_buffer) {
        ft_sampler_destroy(sampler);
        return NULL;
    }
    sampler->candidates = sampler->buffer->data;
    sampler->marks = sampler->marks_buffer->data;
    return sampler;
}

void ft_sampler_destroy(ft_sampler *sampler)
{
    if (!sampler)
        return;
    ft_buffer_unref(sampler->marks_buffer);
    ft_buffer_unref(sampler->buffer);
    ft_free(sampler);
}

void ft_sampler_penalize(ft_sampler *sampler, float *logits, const int32_t *ids, size_t count,
                         float penalty)
{
    for (size_t i = 0; i < count; i++) {
        const size_t id = (size_t)ids[i];
        FT_ASSERT(id < sampler->vocabulary);
        if (sampler->marks[id])
            continue;
        sampler->marks[id] = 1;
        logits[id] = logits[id] < 0 ? logits[id] * penalty : logits[id] / penalty;
    }
    for (size_t i = 0; i < count; i++)
        sampler->marks[ids[i]] = 0;
}

// ---- heaps ----

// The k greatest values so far, the least of them on top.
static void sink_value(float *heap, size_t count, size_t at)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= count)
            return;
        if (child + 1 < count && heap[child + 1] < heap[child])
            child++;
        if (heap[at] <= heap[child])
            return;
        const float value = heap[at];
        heap[at] = heap[child];
        heap[child] = value;
        at = child;
    }
}

// The k-th greatest of `logits`; the heap takes the room of the candidates, which are not there
// yet.
static float find_kth(ft_sampler *sampler, const float *logits, size_t k)
{
    float *heap = (float *)(void *)sampler->candidates;

    memcpy(heap, logits, k * sizeof(*heap));
    for (size_t i = k / 2; i-- > 0;)
        sink_value(heap, k, i);
    for (size_t i = k; i < sampler->vocabulary; i++)
        if (logits[i] > heap[0]) {
            heap[0] = logits[i];
            sink_value(heap, k, 0);
        }
    return heap[0];
}

static bool is_before(const ft_candidate *a, const ft_candidate *b)
{
    return a->logit > b->logit || (a->logit == b->logit && a->id < b->id);
}

static void swap(ft_candidate *a, ft_candidate *b)
{
    const ft_candidate value = *a;
    *a = *b;
    *b = value;
}

static void sink(ft_candidate *heap, size_t count, size_t at)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= count)
            return;
        if (child + 1 < count && is_before(&heap[child + 1], &heap[child]))
            child++;
        if (!is_before(&heap[child], &heap[at]))
            return;
        swap(&heap[at], &heap[child]);
        at = child;
    }
}

// ---- the steps ----

// The same for all candidates that are left.
static void set_probabilities(ft_candidate *candidates, size_t count)
{
    float most = candidates[0].logit;
    double sum = 0;

    for (size_t i = 1; i < count; i++)
        most = candidates[i].logit > most ? candidates[i].logit : most;
    for (size_t i = 0; i < count; i++) {
        candidates[i].probability = exp((double)candidates[i].logit - (double)most);
        sum += candidates[i].probability;
    }
    for (size_t i = 0; i < count; i++)
        candidates[i].probability /= sum;
}

// Keeps a candidate as long as those before it do not reach `top_p`; best first from then on.
static size_t keep_top_p(ft_candidate *candidates, size_t count, double top_p)
{
    size_t kept = 0;
    double sum = 0;

    set_probabilities(candidates, count);
    for (size_t i = count / 2; i-- > 0;)
        sink(candidates, count, i);
    // The heap shrinks from its end, where what was taken off gathers, last taken first.
    for (size_t left = count; left > 0 && (kept == 0 || sum < top_p); kept++) {
        sum += candidates[0].probability;
        swap(&candidates[0], &candidates[--left]);
        sink(candidates, left, 0);
    }
    for (size_t i = 0; i < kept && i < count - 1 - i; i++)
        swap(&candidates[i], &candidates[count - 1 - i]);
    return kept;
}

static size_t keep_min_p(ft_candidate *candidates, size_t count, double min_p)
{
    double most = 0;
    size_t kept = 0;

    set_probabilities(candidates, count);
    for (size_t i = 0; i < count; i++)
        most = candidates[i].probability > most ? candidates[i].probability : most;
    for (size_t i = 0; i < count; i++)
        if (candidates[i].probability >= min_p * most)
            candidates[kept++] = candidates[i];
    return kept;
}

// -1: the greatest is not a finite number, or there is a NaN.
static int32_t find_greatest(const float *logits, size_t count)
{
    size_t best = 0;

    for (size_t i = 0; i < count; i++) {
        if (isnan(logits[i]))
            return -1;
        if (logits[i] > logits[best])
            best = i;
    }
    return isfinite(logits[best]) ? (int32_t)best : -1;
}

size_t ft_sampler_filter(ft_sampler *sampler, const ft_sampling *sampling, const float *logits,
                         const ft_candidate **out)
{
    ft_candidate *candidates = sampler->candidates;
    const int32_t greatest = find_greatest(logits, sampler->vocabulary);
    float least = -INFINITY;
    size_t count = 0;

    *out = candidates;
    if (greatest < 0)
        return 0;
    // Where the temperature is so low that the quotient is infinite, nothing else is ever drawn.
    if (sampling->temperature <= 0 || !isfinite(logits[greatest] / sampling->temperature)) {
        candidates[0] = (ft_candidate){greatest, logits[greatest], 1};
        return 1;
    }
    if (sampling->top_k > 0 && sampling->top_k < sampler->vocabulary)
        least = find_kth(sampler, logits, sampling->top_k);
    for (size_t i = 0; i < sampler->vocabulary; i++)
        if (logits[i] >= least)
            candidates[count++] =
                (ft_candidate){.id = (int32_t)i, .logit = logits[i] / sampling->temperature};
    if (sampling->top_p < 1)
        count = keep_top_p(candidates, count, (double)sampling->top_p);
    if (sampling->min_p > 0)
        count = keep_min_p(candidates, count, (double)sampling->min_p);
    set_probabilities(candidates, count);
    return count;
}

int32_t ft_sampler_pick(ft_sampler *sampler, const ft_sampling *sampling, const float *logits,
                        double number)
{
    const ft_candidate *candidates;
    double sum = 0;

    if (sampling->temperature <= 0)
        return find_greatest(logits, sampler->vocabulary);
    const size_t count = ft_sampler_filter(sampler, sampling, logits, &candidates);
    for (size_t i = 0; i < count; i++) {
        sum += candidates[i].probability;
        if (number < sum)
            return candidates[i].id;
    }
    // Rounding may leave the sum below 1. The last that can be drawn at all.
    for (size_t i = count; i-- > 0;)
        if (candidates[i].probability > 0)
            return candidates[i].id;
    return -1;
}
