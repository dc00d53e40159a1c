// ftmc's own tests: small programs whose outcomes the memory model decides. Each lists exactly what
// may come out, with the reason; too much and too little both fail.
#include "runtime/concurrent/atomic.h"
#include "tests/mc/mc.h"

#define RLX FT_RELAXED
#define ACQ FT_ACQUIRE
#define REL FT_RELEASE
#define AR FT_ACQ_REL
#define SC FT_SEQ_CST
#define W(a, v, o) ft_atomic_store(&(a), v, o)
#define R(a, o) (int)ft_atomic_load(&(a), o)
#define ADD(a, v, o) (int)ft_atomic_add(&(a), v, o)
#define SWAP(a, v, o) (int)ft_atomic_exchange(&(a), v, o)

static ft_atomic_u32 x, y, z;
static int r[6];
static int plain;
static pthread_mutex_t mutex;
static pthread_cond_t condition;

static void setup(void)
{
    for (int i = 0; i < 6; i++)
        r[i] = 0;
}

static void finish2(void)
{
    mc_outcome("%d%d", r[0], r[1]);
}

static void finish3(void)
{
    mc_outcome("%d%d%d", r[0], r[1], r[2]);
}

static void finish4(void)
{
    mc_outcome("%d%d%d%d", r[0], r[1], r[2], r[3]);
}

static void finish_xy(void)
{
    mc_outcome("%d%d", R(x, RLX), R(y, RLX));
}

static void finish_xr(void)
{
    mc_outcome("%d%d", R(x, RLX), r[0]);
}

static void finish_z6(void)
{
    mc_outcome(r[0] == 1 && r[1] == 3 && r[2] == 0 ? "yes" : "no");
}

#define ONE if (t == 1)
#define TWO if (t == 2)
#define THREE if (t == 3)
#define FOUR if (t == 4)

// Store buffering.
#define SB(name, w, l)      \
    static void name(int t) \
    {                       \
        ONE                 \
        {                   \
            W(x, 1, w);     \
            r[0] = R(y, l); \
        }                   \
        TWO                 \
        {                   \
            W(y, 1, w);     \
            r[1] = R(x, l); \
        }                   \
    }
SB(sb_relaxed, RLX, RLX)
SB(sb_release_acquire, REL, ACQ)
SB(sb_seq_cst, SC, SC)
SB(sb_half, SC, ACQ)

static void sb_rmw(int t)
{
    ONE
    {
        SWAP(x, 1, AR);
        r[0] = ADD(y, 0, AR);
    }
    TWO
    {
        SWAP(y, 1, AR);
        r[1] = ADD(x, 0, AR);
    }
}

// The sleep protocol's: both sides change one word.
static void sb_one_word(int t)
{
    ONE
    {
        W(x, 1, RLX);
        ADD(z, 1, AR);
        r[0] = R(y, RLX);
    }
    TWO
    {
        W(y, 1, RLX);
        ADD(z, 1, AR);
        r[1] = R(x, RLX);
    }
}

// Message passing.
#define MP(name, w, l)        \
    static void name(int t)   \
    {                         \
        ONE                   \
        {                     \
            W(x, 1, RLX);     \
            W(y, 1, w);       \
        }                     \
        TWO                   \
        {                     \
            r[0] = R(y, l);   \
            r[1] = R(x, RLX); \
        }                     \
    }
MP(mp_relaxed, RLX, RLX)
MP(mp_release, REL, RLX)
MP(mp_acquire, RLX, ACQ)
MP(mp_release_acquire, REL, ACQ)
MP(mp_seq_cst, SC, SC)

// Load buffering: never 11 here (mc.h).
#define LB(name, l, w)      \
    static void name(int t) \
    {                       \
        ONE                 \
        {                   \
            r[0] = R(x, l); \
            W(y, 1, w);     \
        }                   \
        TWO                 \
        {                   \
            r[1] = R(y, l); \
            W(x, 1, w);     \
        }                   \
    }
LB(lb_relaxed, RLX, RLX)
LB(lb_release_acquire, ACQ, REL)

// Independent reads of independent writes.
#define IRIW(name, w, l)    \
    static void name(int t) \
    {                       \
        ONE W(x, 1, w);     \
        TWO W(y, 1, w);     \
        THREE               \
        {                   \
            r[0] = R(x, l); \
            r[1] = R(y, l); \
        }                   \
        FOUR                \
        {                   \
            r[2] = R(y, l); \
            r[3] = R(x, l); \
        }                   \
    }
IRIW(iriw_relaxed, RLX, RLX)
IRIW(iriw_release_acquire, REL, ACQ)
IRIW(iriw_seq_cst, SC, SC)

// Coherence: two loads of one location never go back.
static void corr(int t)
{
    ONE W(x, 1, RLX);
    TWO
    {
        r[0] = R(x, RLX);
        r[1] = R(x, RLX);
    }
}

// Two readers agree on the order of two stores.
static void corr2(int t)
{
    ONE W(x, 1, RLX);
    TWO W(x, 2, RLX);
    THREE
    {
        r[0] = R(x, RLX);
        r[1] = R(x, RLX);
    }
    FOUR
    {
        r[2] = R(x, RLX);
        r[3] = R(x, RLX);
    }
}

static void finish_corr2(void)
{
    bool one_way = (r[0] == 1 && r[1] == 2) || (r[2] == 1 && r[3] == 2);
    bool other_way = (r[0] == 2 && r[1] == 1) || (r[2] == 2 && r[3] == 1);
    mc_outcome(one_way && other_way ? "differ" : "agree");
}

// A thread's own stores stay in order, and it does not read what is before its own.
static void coww(int t)
{
    ONE
    {
        W(x, 1, RLX);
        W(x, 2, RLX);
        r[0] = R(x, RLX);
    }
    TWO r[1] = R(x, RLX);
}

// What was read does not come behind what is stored then.
static void corw(int t)
{
    ONE
    {
        r[0] = R(x, RLX);
        W(x, 2, RLX);
    }
    TWO W(x, 1, RLX);
}

#define TWO_TWO_W(name, o)  \
    static void name(int t) \
    {                       \
        ONE                 \
        {                   \
            W(x, 1, o);     \
            W(y, 2, o);     \
        }                   \
        TWO                 \
        {                   \
            W(y, 1, o);     \
            W(x, 2, o);     \
        }                   \
    }
TWO_TWO_W(w22_relaxed, RLX)
TWO_TWO_W(w22_release, REL)
TWO_TWO_W(w22_seq_cst, SC)

// Release sequences: r0 is the plain data.
#define SEQUENCE(name, middle) \
    static void name(int t)    \
    {                          \
        ONE                    \
        {                      \
            W(x, 1, RLX);      \
            W(y, 1, REL);      \
        }                      \
        TWO middle;            \
        THREE                  \
        {                      \
            r[0] = R(y, ACQ);  \
            r[1] = R(x, RLX);  \
        }                      \
    }
SEQUENCE(sequence_rmw, ADD(y, 2, RLX))
SEQUENCE(sequence_store, W(y, 3, RLX))

static void sequence_own(int t)
{
    ONE
    {
        W(x, 1, RLX);
        W(y, 1, REL);
        W(y, 2, RLX);
    }
    TWO
    {
        r[0] = R(y, ACQ);
        r[1] = R(x, RLX);
    }
}

// RMWs read the one directly before them: no two the same.
static void rmw_chain(int t)
{
    r[t - 1] = ADD(x, 1, RLX);
}

static void cas_once(int t)
{
    uint32_t none = 0;

    r[t - 1] = ft_atomic_cas(&x, &none, (uint32_t)t, RLX);
}

// An exchange beside a store: the store may come before it, behind it.
static void rmw_store(int t)
{
    ONE r[0] = SWAP(x, 1, RLX);
    TWO W(x, 2, RLX);
    TWO r[1] = R(x, RLX);
}

// Causality through three threads (WRC).
#define WRC(name, w, l)       \
    static void name(int t)   \
    {                         \
        ONE W(x, 1, RLX);     \
        TWO                   \
        {                     \
            r[0] = R(x, RLX); \
            W(y, 1, w);       \
        }                     \
        THREE                 \
        {                     \
            r[1] = R(y, l);   \
            r[2] = R(x, RLX); \
        }                     \
    }
WRC(wrc_relaxed, RLX, RLX)
WRC(wrc_release_acquire, REL, ACQ)

// The RMW that reads an older store than the newest one done.
static void rmw_old(int t)
{
    ONE
    {
        W(x, 1, RLX);
        W(y, 1, RLX);
    }
    TWO
    {
        r[0] = R(y, RLX);
        r[1] = ADD(x, 4, RLX);
    }
}

// The example of P0668: the RMW's seq_cst reads a release that is not, so the store to x, which
// happens before the RMW, need not be before it in S.
static void z6(int t)
{
    ONE
    {
        W(x, 1, SC);
        W(y, 1, REL);
    }
    TWO
    {
        r[0] = ADD(y, 1, SC);
        r[1] = R(y, RLX);
    }
    THREE
    {
        W(y, 3, SC);
        r[2] = R(x, SC);
    }
}

// ---- blocking ----

static void critical(int t)
{
    pthread_mutex_lock(&mutex);
    r[t - 1] = ++plain;
    pthread_mutex_unlock(&mutex);
}

static void setup_plain(void)
{
    setup();
    plain = 0;
}

static void handed(int t)
{
    pthread_mutex_lock(&mutex);
    ONE
    {
        plain = 1;
        pthread_cond_signal(&condition);
    }
    TWO
    {
        while (!plain)
            pthread_cond_wait(&condition, &mutex);
        r[0] = plain;
    }
    pthread_mutex_unlock(&mutex);
}

static void spin(int t)
{
    ONE
    {
        plain = 1;
        W(x, 1, REL);
    }
    TWO
    {
        while (!R(x, ACQ))
            FT_PAUSE();
        r[0] = plain;
    }
}

static void try_lock(int t)
{
    if (pthread_mutex_trylock(&mutex) == 0) {
        r[t - 1] = 1;
        pthread_mutex_unlock(&mutex);
    }
}

// By what each got from x, whoever it was.
static void alike(int t)
{
    (void)t;
    int first = ADD(x, 1, RLX), second = R(y, RLX);
    ADD(y, 1, RLX);
    r[first] = second;
}

#define ALIKE "000 001 002 010 011 012 020 021 100 101 102 110 120 200 201 210"
#define L(name, threads, end, outcomes, why) \
    {#name, why, threads, setup_plain, name, end, outcomes, false, false, 0}

const mc_target mc_targets[] = {
    L(sb_relaxed, 2, finish2, "00 01 10 11", "each store may still be on its way"),
    L(sb_release_acquire, 2, finish2, "00 01 10 11", "release and acquire do not order W, R"),
    L(sb_seq_cst, 2, finish2, "01 10 11", "one of the stores is first in S"),
    L(sb_half, 2, finish2, "00 01 10 11", "loads that are not in S are not ordered by it"),
    L(sb_rmw, 2, finish2, "01 10 11",
      "00: both ADDs first, and each swap would acquire the other's"),
    L(sb_one_word, 2, finish2, "01 10 11", "of two RMWs of one word the later one acquires"),
    L(mp_relaxed, 2, finish2, "00 01 10 11", "nothing orders the two stores"),
    L(mp_release, 2, finish2, "00 01 10 11", "the loads are not ordered"),
    L(mp_acquire, 2, finish2, "00 01 10 11", "the stores are not ordered"),
    L(mp_release_acquire, 2, finish2, "00 01 11", "who acquires y sees x"),
    L(mp_seq_cst, 2, finish2, "00 01 11", "who acquires y sees x"),
    L(lb_relaxed, 2, finish2, "00 01 10", "RC11 forbids 11; C11 would allow it: see mc.h"),
    L(lb_release_acquire, 2, finish2, "00 01 10", "11 would happen before itself"),
    L(iriw_relaxed, 4, finish4,
      "0000 0001 0010 0011 0100 0101 0110 0111 1000 1001 1010 1011 1100 1101 1110 1111", "all"),
    L(iriw_release_acquire, 4, finish4,
      "0000 0001 0010 0011 0100 0101 0110 0111 1000 1001 1010 1011 1100 1101 1110 1111",
      "1010: the readers need not agree on the order of independent stores"),
    L(iriw_seq_cst, 4, finish4,
      "0000 0001 0010 0011 0100 0101 0110 0111 1000 1001 1011 1100 1101 1110 1111",
      "all but 1010, since S is one order"),
    L(corr, 2, finish2, "00 01 11", "not 10: the second load is not behind the first"),
    L(corr2, 4, finish_corr2, "agree", "there is one order of the stores of a location"),
    L(coww, 2, finish2, "20 21 22", "its own last store; another reader may be late"),
    L(corw, 2, finish_xr, "10 20 21", "not 11: what was read is before the own store"),
    L(w22_relaxed, 2, finish_xy, "11 12 21 22", "11: both first stores last, a cycle of po and mo"),
    L(w22_release, 2, finish_xy, "11 12 21 22", "release does not order stores among themselves"),
    L(w22_seq_cst, 2, finish_xy, "12 21 22", "S agrees with mo: not 11"),
    L(sequence_rmw, 3, finish2, "00 01 11 20 21 31", "the RMW passes the release on: 3 with 1"),
    L(sequence_store, 3, finish2, "00 01 11 30 31", "another thread's store breaks the sequence"),
    L(sequence_own, 2, finish2, "00 01 11 20 21",
      "20: since C++20 so does the own thread's plain store"),
    L(rmw_chain, 3, finish3, "012 021 102 120 201 210", "each value once"),
    L(cas_once, 3, finish3, "001 010 100", "exactly one"),
    L(rmw_store, 2, finish2, "02 21 22", "nothing comes between the swap and what it read: not 01"),
    L(wrc_relaxed, 3, finish3, "000 001 010 011 100 101 110 111", "no order"),
    L(wrc_release_acquire, 3, finish3, "000 001 010 011 100 101 111",
      "110: what the middle one has read before its release is seen"),
    L(rmw_old, 2, finish2, "00 01 10 11", "10: the RMW may come before a store done earlier"),
    L(z6, 3, finish_z6, "no yes", "C++20 and POWER allow it, C++11 did not"),
    L(critical, 2, finish2, "12 21", "one at a time, no race"),
    L(handed, 2, finish2, "10", "the signal is not lost"),
    L(spin, 2, finish2, "10", "it ends, and the data is there"),
    L(alike, 3, finish3, ALIKE, "loads that may be late"),
    {"in_order", "the same, where they begin in order", 3, setup_plain, alike, finish3, ALIKE,
     .alike = 1},
    L(try_lock, 2, finish2, "01 10 11", "one fails while the other has it"),
    {.name = NULL},
};
