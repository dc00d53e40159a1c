// Loops that threads share: every round is done once, by one member at a time, and what it writes
// is there when the loop has ended; helpers that sleep come back.
#include <string.h>

#include "runtime/concurrent/atomic.h"
#include "runtime/system/clock.h"
#include "stages/nn/team.h"
#include "tests/check.h"

enum { ROUNDS = 1000 };

typedef struct shared {
    uint32_t done[ROUNDS];
    uint32_t by_member[FT_TEAM_MEMBERS_MAX];  // Not atomic: a member is one thread at a time.
    size_t members, grain;
} shared;

static void mark(void *host, size_t first, size_t count, size_t member)
{
    shared *s = host;

    check_true(member < s->members && count > 0 && first + count <= ROUNDS);
    for (size_t i = first; i < first + count; i++)
        s->done[i]++;
    s->by_member[member] += (uint32_t)count;
}

static void check_team(size_t members, int loops)
{
    ft_error err = FT_ERROR_INIT;
    ft_team *team = ft_team_create(members, &err);
    shared s = {.members = members};
    uint32_t all = 0, total = 0;

    check_ok(team != NULL, &err);
    check_int_eq(ft_team_members(team), members);
    for (int loop = 0; loop < loops; loop++) {
        const size_t rounds = (size_t)loop * 37 % (ROUNDS + 1);
        memset(s.done, 0, sizeof(s.done));
        ft_team_run(team, rounds, 1 + (size_t)loop % 7, mark, &s);
        for (size_t i = 0; i < ROUNDS; i++)
            check_int_eq(s.done[i], i < rounds);
        all += (uint32_t)rounds;
    }
    for (size_t i = 0; i < members; i++)
        total += s.by_member[i];
    check_int_eq(total, all);
    ft_team_destroy(team);
}

TEST(team_rounds)
{
    for (size_t members = 1; members <= 4; members++)
        check_team(members, 3000);
    check_team(FT_TEAM_MEMBERS_MAX, 100);
}

TEST(team_of_nobody)
{
    shared s = {.members = 1};

    check_int_eq(ft_team_members(NULL), 1);
    ft_team_run(NULL, ROUNDS, 1, mark, &s);
    ft_team_run(NULL, 0, 1, mark, &s);
    check_int_eq(s.by_member[0], ROUNDS);
    ft_team_destroy(NULL);
}

// Rounds that wait for each other: two members are there at once.
typedef struct meeting {
    ft_team *team;
    ft_atomic_u32 here;
    bool met;
} meeting;

static void meet(void *host, size_t first, size_t count, size_t member)
{
    meeting *m = host;
    const int64_t deadline = ft_clock_ns() + INT64_C(20000000000);

    (void)first, (void)count, (void)member;
    ft_atomic_add(&m->here, 1, FT_RELAXED);
    while (ft_atomic_load(&m->here, FT_ACQUIRE) < 2 && ft_clock_ns() < deadline)
        FT_PAUSE();
    if (member == 0)
        m->met = ft_atomic_load(&m->here, FT_ACQUIRE) == 2;
}

TEST(team_helpers_wake)
{
    ft_error err = FT_ERROR_INIT;
    meeting m = {.team = ft_team_create(2, &err)};

    check_ok(m.team != NULL, &err);
    for (int i = 0; i < 20; i++) {
        // Longer than a helper looks out for the next loop.
        const int64_t until = ft_clock_ns() + 3000000;
        while (ft_clock_ns() < until)
            FT_PAUSE();
        m.met = false;
        ft_atomic_store(&m.here, 0, FT_RELAXED);
        ft_team_run(m.team, 2, 1, meet, &m);
        check_true(m.met);
    }
    ft_team_destroy(m.team);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
