// The dice of chaos builds: FT_CHAOS=seed, FT_CHAOS_ONE_IN=n (32). The same seed gives each thread
// the same dice in the order in which threads begin; what they meet is the machine's to say.
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#include "tests/chaos/chaos_atomic.h"

enum { ONE_IN = 32, LONG_ONE_IN = 64, SPINS = 200, LONG_YIELDS = 20 };

static uint64_t seed, one_in;
static _Atomic(uint64_t) threads;
static _Thread_local uint64_t own;

static uint64_t number_of(const char *name, uint64_t fallback)
{
    const char *text = getenv(name);

    return text ? strtoull(text, NULL, 10) : fallback;
}

__attribute__((constructor)) static void read_seed(void)
{
    seed = number_of("FT_CHAOS", 0);
    one_in = number_of("FT_CHAOS_ONE_IN", ONE_IN);
}

static uint64_t next_dice(void)
{
    if (!own)
        own = seed * UINT64_C(0x9e3779b97f4a7c15) +
              atomic_fetch_add_explicit(&threads, 1, memory_order_relaxed) + 1;
    own ^= own << 13;
    own ^= own >> 7;
    own ^= own << 17;
    return own >> 11;
}

void ft_chaos_point(void)
{
    if (!seed || !one_in)
        return;
    uint64_t dice = next_dice();
    if (dice % one_in != 0)
        return;
    dice /= one_in;
    if (dice % LONG_ONE_IN == 0) {
        for (int i = 0; i < LONG_YIELDS; i++)
            sched_yield();
    } else if (dice % 2 == 0) {
        sched_yield();
    } else {
        for (uint64_t i = dice / 2 % SPINS; i > 0; i--)
            FT_PAUSE();
    }
}

bool ft_chaos_grows(void)
{
    return seed != 0 && (seed % 2 == 1 || next_dice() % 4 == 0);
}
