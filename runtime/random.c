// splitmix64 spreads the seed, xoshiro256++ runs: small, fast, and the same everywhere. Not for
// secrets.
#include "runtime/random.h"

#include <math.h>

#include "runtime/compiler.h"

static uint64_t split(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

void ft_random_init(ft_random *random, uint64_t seed, uint64_t stream)
{
    // The stream goes through the generator once, so that (1, 2) and (2, 1) have nothing in common.
    uint64_t state = seed, by_stream = stream;

    state ^= split(&by_stream) * 0xd6e8feb86659fd93u;
    for (int i = 0; i < 4; i++)
        random->state[i] = split(&state);
}

static uint64_t rotate(uint64_t value, int by)
{
    return value << by | value >> (64 - by);
}

uint64_t ft_random_next(ft_random *random)
{
    uint64_t *s = random->state;
    uint64_t result = rotate(s[0] + s[3], 23) + s[0];
    uint64_t shifted = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotate(s[3], 45);
    return result;
}

double ft_random_float(ft_random *random)
{
    return (double)(ft_random_next(random) >> 11) * 0x1p-53;
}

int64_t ft_random_between(ft_random *random, int64_t from, int64_t to)
{
    uint64_t range = (uint64_t)to - (uint64_t)from + 1;  // 0: all of 2^64.
    uint64_t high, low;

    if (range == 0)
        return (int64_t)ft_random_next(random);
    // The low half of the product tells whether this draw is one of the few that would favour some
    // results.
    uint64_t threshold = (0 - range) % range;
    do
        low = ft_mul_wide(ft_random_next(random), range, &high);
    while (low < threshold);
    return (int64_t)((uint64_t)from + high);
}

double ft_random_normal(ft_random *random)
{
    // Box-Muller; 1 - u is never 0, so the logarithm is finite.
    double radius = sqrt(-2.0 * log(1.0 - ft_random_float(random)));
    double angle = 6.283185307179586476925 * ft_random_float(random);

    return radius * cos(angle);
}
