// Sampling against transformers' LogitsProcessors (sampler_fixture.py), draws, and logits that are
// no numbers.
#include <math.h>
#include <string.h>

#include "runtime/data/json.h"
#include "runtime/random.h"
#include "runtime/system/file.h"
#include "stages/nn/sampler.h"
#include "tests/check.h"

enum { VOCABULARY = 40 };

static double number_of(const ft_json_node *node, const char *name, double otherwise)
{
    const ft_json_node *found = ft_json_find(node, name);
    double value = otherwise;

    check_true(!found || ft_json_get_float(found, &value));
    return value;
}

static void read_numbers(const ft_json_node *node, double *out, size_t count)
{
    check_true(node && node->kind == FT_JSON_ARRAY && node->count == count);
    for (size_t i = 0; i < count; i++)
        check_true(ft_json_get_float(&node->children[i], &out[i]));
}

// The file beside this one.
static const ft_json_node *read_cases(ft_arena *arena)
{
    ft_error err = FT_ERROR_INIT;
    const char *path = ft_arena_format(
        arena, "%.*ssampler.json", (int)(strlen(__FILE__) - strlen("test_sampler.c")), __FILE__);
    ft_json_node *root;
    ft_slice text;

    check_ok(ft_file_read(path, arena, 1 << 20, &text, &err), &err);
    check_ok(ft_json_parse(text, arena, &root, &err), &err);
    check_true(root->kind == FT_JSON_ARRAY && root->count > 20);
    return root;
}

static ft_sampling read_sampling(const ft_json_node *node)
{
    return (ft_sampling){
        .temperature = (float)number_of(node, "temperature", 0),
        .top_k = (size_t)number_of(node, "top_k", 0),
        .top_p = (float)number_of(node, "top_p", 1),
        .min_p = (float)number_of(node, "min_p", 0),
        .repetition_penalty = (float)number_of(node, "repetition_penalty", 1),
    };
}

static ft_sampler *create(size_t vocabulary)
{
    ft_error err = FT_ERROR_INIT;
    ft_sampler *sampler = ft_sampler_create(vocabulary, NULL, &err);

    check_ok(sampler != NULL, &err);
    return sampler;
}

static void check_case(ft_sampler *sampler, const ft_json_node *node)
{
    const ft_sampling sampling = read_sampling(node);
    double numbers[VOCABULARY], seen[12], want[VOCABULARY], got[VOCABULARY] = {0};
    const ft_candidate *candidates;
    float logits[VOCABULARY];
    int32_t ids[12];

    read_numbers(ft_json_find(node, "logits"), numbers, VOCABULARY);
    read_numbers(ft_json_find(node, "probabilities"), want, VOCABULARY);
    read_numbers(ft_json_find(node, "seen"), seen, 12);
    for (size_t i = 0; i < VOCABULARY; i++)
        logits[i] = (float)numbers[i];
    for (size_t i = 0; i < 12; i++)
        ids[i] = (int32_t)seen[i];
    ft_sampler_penalize(sampler, logits, ids, 12, sampling.repetition_penalty);
    const size_t count = ft_sampler_filter(sampler, &sampling, logits, &candidates);
    for (size_t i = 0; i < count; i++)
        got[candidates[i].id] = candidates[i].probability;
    for (size_t i = 0; i < VOCABULARY; i++)
        check_float_near(got[i], want[i], 1e-6);
}

TEST(filters_as_transformers)
{
    ft_arena *arena = ft_arena_create();
    const ft_json_node *cases = read_cases(arena);
    ft_sampler *sampler = create(VOCABULARY);

    for (size_t i = 0; i < cases->count; i++)
        check_case(sampler, &cases->children[i]);
    ft_sampler_destroy(sampler);
    ft_arena_destroy(arena);
}

// Each token as often as its probability says, within four deviations.
TEST(draws_what_probabilities_say)
{
    static const float logits[] = {1, 0, -1, 2};
    enum { DRAWS = 100000 };
    const ft_sampling sampling = {.temperature = 1, .top_p = 1, .repetition_penalty = 1};
    ft_sampler *sampler = create(4);
    double sum = 0;
    int counts[4] = {0};

    for (uint64_t i = 0; i < DRAWS; i++) {
        ft_random random;
        ft_random_init(&random, 3, i);
        counts[ft_sampler_pick(sampler, &sampling, logits, ft_random_float(&random))]++;
    }
    for (size_t i = 0; i < 4; i++)
        sum += exp((double)logits[i]);
    for (size_t i = 0; i < 4; i++) {
        const double share = exp((double)logits[i]) / sum;
        check_float_near(counts[i] / (double)DRAWS, share,
                         4 * sqrt(share * (1 - share) / (double)DRAWS));
    }
    ft_sampler_destroy(sampler);
}

TEST(borders_of_draws)
{
    static const float logits[] = {0, -INFINITY, 0};
    const ft_sampling sampling = {.temperature = 1, .top_p = 1, .repetition_penalty = 1};
    ft_sampler *sampler = create(3);

    check_int_eq(ft_sampler_pick(sampler, &sampling, logits, 0), 0);
    check_int_eq(ft_sampler_pick(sampler, &sampling, logits, 0.49), 0);
    check_int_eq(ft_sampler_pick(sampler, &sampling, logits, 0.51), 2);
    check_int_eq(ft_sampler_pick(sampler, &sampling, logits, 1 - 0x1p-53), 2);
    ft_sampler_destroy(sampler);
}

TEST(greedy_takes_the_first_of_equal_ones)
{
    static const float logits[] = {-1, 5, 5, 2};
    const ft_sampling sampling = {.temperature = 0, .top_p = 1, .repetition_penalty = 1};
    ft_sampler *sampler = create(4);

    check_int_eq(ft_sampler_pick(sampler, &sampling, logits, 0.9), 1);
    ft_sampler_destroy(sampler);
}

TEST(no_token_of_what_is_no_number)
{
    static const float broken[][2] = {{0, NAN}, {NAN, NAN}, {INFINITY, 0}, {-INFINITY, -INFINITY}};
    ft_sampler *sampler = create(2);

    for (size_t i = 0; i < FT_COUNT_OF(broken); i++)
        for (int hot = 0; hot < 2; hot++) {
            const ft_sampling sampling = {.temperature = (float)hot, .top_k = 1, .top_p = 0.5F};
            check_int_eq(ft_sampler_pick(sampler, &sampling, broken[i], 0.5), -1);
        }
    ft_sampler_destroy(sampler);
}

// Logits over a temperature may be infinite, and are then not drawn from but compared.
TEST(lowest_temperatures)
{
    static const float logits[][3] = {{-1, 3, 2}, {-1, 0, -2}, {-5, -3, -4}};
    ft_sampler *sampler = create(3);

    for (size_t i = 0; i < FT_COUNT_OF(logits); i++) {
        const ft_sampling sampling = {.temperature = 1e-39F, .top_p = 1};
        check_int_eq(ft_sampler_pick(sampler, &sampling, logits[i], 0.999), 1);
    }
    ft_sampler_destroy(sampler);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
