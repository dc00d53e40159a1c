// Random small programs: the search with reduction must find the outcomes that the search without
// it finds. The program is a function of the target's number.
#include "runtime/concurrent/atomic.h"
#include "tests/mc/mc.h"

enum { PLACES = 2, STEPS_MAX = 3 };

static ft_atomic_u32 places[PLACES];
static pthread_mutex_t mutex;
static unsigned results[MC_THREADS + 1][STEPS_MAX];
static const ft_order load_orders[] = {FT_RELAXED, FT_ACQUIRE, FT_SEQ_CST};
static const ft_order store_orders[] = {FT_RELAXED, FT_RELEASE, FT_SEQ_CST};
static const ft_order change_orders[] = {FT_RELAXED, FT_ACQ_REL, FT_SEQ_CST};

static unsigned next(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(*state >> 40);
}

static void setup(void)
{
    for (int i = 0; i <= MC_THREADS; i++)
        for (int j = 0; j < STEPS_MAX; j++)
            results[i][j] = 0;
}

static unsigned step(uint64_t *state, uint32_t value)
{
    unsigned what = next(state) % 13, order = next(state) % 3;
    ft_atomic_u32 *at = &places[next(state) % PLACES];
    uint32_t expected = next(state) % 3;

    if (what < 4)
        return ft_atomic_load(at, load_orders[order]);
    if (what < 7)
        ft_atomic_store(at, value, store_orders[order]);
    else if (what < 9)
        return ft_atomic_add(at, value, change_orders[order]);
    else if (what < 11)
        return ft_atomic_cas(at, &expected, value, change_orders[order]) ? 9 : expected;
    else if (pthread_mutex_trylock(&mutex) == 0) {
        unsigned seen = ft_atomic_load(at, FT_RELAXED);
        pthread_mutex_unlock(&mutex);
        return seen;
    } else
        return 8;
    return 0;
}

static void run(int thread)
{
    uint64_t state = (uint64_t)mc_argument() * 31 + (uint64_t)thread * 1000003;
    unsigned steps = 2 + next(&state) % 2;

    for (unsigned i = 0; i < steps && i < STEPS_MAX; i++)
        results[thread][i] = step(&state, (uint32_t)thread);
}

static void finish(void)
{
    unsigned text[10], count = 0;

    for (int i = 1; i <= 3; i++)
        for (int j = 0; j < STEPS_MAX; j++)
            text[count++] = results[i][j];
    mc_outcome("%u,%u,%u,%u,%u,%u,%u,%u,%u/%u,%u", text[0], text[1], text[2], text[3], text[4],
               text[5], text[6], text[7], text[8], ft_atomic_load(&places[0], FT_RELAXED),
               ft_atomic_load(&places[1], FT_RELAXED));
}

#define RANDOM(n) \
    {"random-" #n, "a program", 3, setup, run, finish, "*", .argument = (n), .max_steps = 0}
#define LONG(n) \
    {"random-" #n, "a program", 3, setup, run, finish, "*", .is_long = true, .argument = (n)}

const mc_target mc_targets[] = {
    RANDOM(1),  RANDOM(2),  RANDOM(3),  RANDOM(4),  RANDOM(5),  RANDOM(6),      RANDOM(7),
    RANDOM(8),  RANDOM(9),  RANDOM(10), RANDOM(11), RANDOM(12), RANDOM(13),     RANDOM(14),
    RANDOM(15), RANDOM(16), RANDOM(17), RANDOM(18), RANDOM(19), RANDOM(20),     RANDOM(21),
    RANDOM(22), RANDOM(23), RANDOM(24), RANDOM(25), RANDOM(26), RANDOM(27),     RANDOM(28),
    RANDOM(29), RANDOM(30), RANDOM(31), RANDOM(32), LONG(33),   LONG(34),       LONG(35),
    LONG(36),   LONG(37),   LONG(38),   LONG(39),   LONG(40),   LONG(41),       LONG(42),
    LONG(43),   LONG(44),   LONG(45),   LONG(46),   LONG(47),   LONG(48),       LONG(49),
    LONG(50),   LONG(51),   LONG(52),   LONG(53),   LONG(54),   LONG(55),       LONG(56),
    LONG(57),   LONG(58),   LONG(59),   LONG(60),   LONG(61),   LONG(62),       LONG(63),
    LONG(64),   LONG(65),   LONG(66),   LONG(67),   LONG(68),   LONG(69),       LONG(70),
    LONG(71),   LONG(72),   LONG(73),   LONG(74),   LONG(75),   LONG(76),       LONG(77),
    LONG(78),   LONG(79),   LONG(80),   LONG(81),   LONG(82),   LONG(83),       LONG(84),
    LONG(85),   LONG(86),   LONG(87),   LONG(88),   LONG(89),   LONG(90),       LONG(91),
    LONG(92),   LONG(93),   LONG(94),   LONG(95),   LONG(96),   {.name = NULL},
};
