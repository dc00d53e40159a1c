// Seeded random numbers (splitmix64 to seed, xoshiro256++ to run): the same on every machine and
// thread count.
#pragma once

#include <stdint.h>

typedef struct ft_random {
    uint64_t state[4];
} ft_random;

// `stream` separates uses of one seed: an item's index, a stage's number.
void ft_random_init(ft_random *random, uint64_t seed, uint64_t stream);
uint64_t ft_random_next(ft_random *random);
double ft_random_float(ft_random *random);  // [0, 1)
int64_t ft_random_between(ft_random *random, int64_t from,
                          int64_t to);       // Both included, without bias.
double ft_random_normal(ft_random *random);  // Mean 0, deviation 1.
