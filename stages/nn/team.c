// Shares loops among threads.
//
// A loop is cut into pieces, and each member has as many of them as the others, side by side: what
// is read piece by piece then lies so in memory. Who is done with its own takes those that others
// have not begun.
//
// One word for each share says of which loop it is, its pieces, and how many of them are taken. Who
// takes one raises the word by a compare-and-swap, which fails when another loop has begun; and no
// loop begins before all pieces of the last are done. So whoever has a piece may read what the loop
// is, and nobody else does.
#include "stages/nn/team.h"

#include <sched.h>

#include "runtime/concurrent/lock.h"
#include "runtime/memory/alloc.h"
#include "runtime/system/clock.h"
#include "runtime/system/thread.h"

enum {
    PIECE_BITS = 12,
    PIECES_EACH = 4,  // Of a member, so that one who is late does not keep the others waiting.
    LOOKS = 20000,    // Of a helper before it sleeps: some tenths of a millisecond.
    MOVE_NS = 20000000,
    LOOKS_AT_END = 2000,  // Of the caller, before it lets others have its processor.
};

typedef struct helper {
    ft_team *team;
    size_t member, members;  // Of the team when it is whole.
    ft_thread thread;
} helper;

// Of a loop: a member's pieces.
typedef struct share {
    _Alignas(64) ft_atomic_u64 next;
} share;

struct ft_team {
    helper helpers[FT_TEAM_MEMBERS_MAX - 1];  // [members - 1]
    size_t members;
    // The loop; written while no piece is out.
    ft_team_work *work;
    void *host;
    size_t rounds, pieces;
    share shares[FT_TEAM_MEMBERS_MAX];  // [members]
    _Alignas(64) ft_atomic_u32 undone;  // Pieces.
    ft_atomic_u32 sleepers, ended;
    ft_atomic_u32 moves;  // Times that the members should each go to a processor of its own.
    int64_t moved_ns;     // The last time; the caller's.
    ft_mutex mutex;       // Of sleeping.
    ft_condition wake;
};

static uint64_t pieces_of(uint64_t next)
{
    return next >> PIECE_BITS & ((1U << PIECE_BITS) - 1);
}

static uint64_t taken_of(uint64_t next)
{
    return next & ((1U << PIECE_BITS) - 1);
}

static bool has_pieces(uint64_t next)
{
    return taken_of(next) < pieces_of(next);
}

// The first piece of a share, of all.
static size_t share_begin(const ft_team *team, size_t of)
{
    return team->pieces * of / team->members;
}

// Does a piece of this share if there is one.
static bool do_piece_of(ft_team *team, size_t of, size_t member)
{
    ft_atomic_u64 *word = &team->shares[of].next;
    uint64_t next = ft_atomic_load(word, FT_RELAXED);

    do {
        if (!has_pieces(next))
            return false;
        // Acquire pairs with the store in ft_team_run: the loop, and what was done before it.
    } while (!ft_atomic_cas_weak(word, &next, next + 1, FT_ACQUIRE));
    const size_t piece = share_begin(team, of) + (size_t)taken_of(next);
    const size_t first = team->rounds * piece / team->pieces;
    const size_t end = team->rounds * (piece + 1) / team->pieces;
    team->work(team->host, first, end - first, member);
    // Release pairs with the acquire in ft_team_run.
    ft_atomic_sub(&team->undone, 1, FT_RELEASE);
    return true;
}

// Does a piece if there is one: of the member's own share while it has some.
static bool do_piece(ft_team *team, size_t member, size_t members)
{
    for (size_t of = member; of < members; of++)
        if (do_piece_of(team, of, member))
            return true;
    for (size_t of = 0; of < member; of++)
        if (do_piece_of(team, of, member))
            return true;
    return false;
}

static bool is_called(const ft_team *team, size_t members)
{
    bool is_it = ft_atomic_load(&team->ended, FT_RELAXED);

    for (size_t of = 0; of < members && !is_it; of++)
        is_it = has_pieces(ft_atomic_load(&team->shares[of].next, FT_SEQ_CST));
    return is_it;
}

static void sleep_until_called(ft_team *team, size_t members)
{
    ft_mutex_lock(&team->mutex);
    // In one order with the caller's: either it sees the sleeper or the sleeper sees the piece.
    ft_atomic_add(&team->sleepers, 1, FT_SEQ_CST);
    while (!is_called(team, members))
        ft_condition_wait(&team->wake, &team->mutex);
    ft_atomic_sub(&team->sleepers, 1, FT_RELAXED);
    ft_mutex_unlock(&team->mutex);
}

static void wake(ft_team *team)
{
    ft_mutex_lock(&team->mutex);
    ft_condition_wake_all(&team->wake);
    ft_mutex_unlock(&team->mutex);
}

static void help(void *host)
{
    const helper *h = host;
    ft_team *team = h->team;
    uint32_t moves = 0, wanted = 1;
    int looks = 0;

    while (!ft_atomic_load(&team->ended, FT_RELAXED)) {
        if (moves != wanted)
            ft_thread_settle(h->member, h->members);
        moves = wanted;
        if (do_piece(team, h->member, h->members)) {
            looks = 0;
        } else if (looks++ < LOOKS) {
            FT_PAUSE();
        } else {
            sleep_until_called(team, h->members);
            looks = 0;
        }
        wanted = 1 + ft_atomic_load(&team->moves, FT_RELAXED);
    }
}

// A helper has had a piece for long. It may share a processor with the caller beside an idle one,
// and the kernel is seen to leave that so for seconds.
static void spread(ft_team *team)
{
    const int64_t now = ft_clock_ns();

    if (now - team->moved_ns > MOVE_NS) {
        team->moved_ns = now;
        ft_thread_settle(0, team->members);
        ft_atomic_add(&team->moves, 1, FT_RELAXED);
    }
    sched_yield();
}

ft_team *ft_team_create(size_t members, ft_error *err)
{
    ft_team *team = ft_alloc_aligned(sizeof(*team), 64);

    if (!team) {
        ft_fail_nomem(err, sizeof(*team));
        return NULL;
    }
    *team = (ft_team){.members = 1};
    ft_mutex_init(&team->mutex);
    ft_condition_init(&team->wake);
    members = members < FT_TEAM_MEMBERS_MAX ? members : FT_TEAM_MEMBERS_MAX;
    for (size_t i = 0; i + 1 < members; i++)
        team->helpers[i] = (helper){.team = team, .member = i + 1, .members = members};
    for (size_t i = 0; i + 1 < members; i++, team->members++)
        if (!ft_thread_start(&team->helpers[i].thread, "ft-team", help, &team->helpers[i], err)) {
            ft_team_destroy(team);
            return NULL;
        }
    return team;
}

void ft_team_destroy(ft_team *team)
{
    if (!team)
        return;
    ft_atomic_store(&team->ended, 1, FT_RELAXED);
    wake(team);
    for (size_t i = 0; i + 1 < team->members; i++)
        ft_thread_join(&team->helpers[i].thread);
    ft_condition_finish(&team->wake);
    ft_mutex_finish(&team->mutex);
    ft_free(team);
}

size_t ft_team_members(const ft_team *team)
{
    return team ? team->members : 1;
}

void ft_team_run(ft_team *team, size_t rounds, size_t grain, ft_team_work *work, void *host)
{
    const size_t members = ft_team_members(team);
    size_t pieces = rounds / grain;

    pieces = pieces < members * PIECES_EACH ? pieces : members * PIECES_EACH;
    if (members == 1 || pieces < 2) {
        if (rounds > 0)
            work(host, 0, rounds, 0);
        return;
    }
    // Relaxed: no piece is out, so no other thread changes it.
    const uint64_t loop = (ft_atomic_load(&team->shares[0].next, FT_RELAXED) >> 2 * PIECE_BITS) + 1;
    team->work = work;
    team->host = host;
    team->rounds = rounds;
    team->pieces = pieces;
    ft_atomic_store(&team->undone, (uint32_t)pieces, FT_RELAXED);
    for (size_t of = members; of-- > 0;) {
        const uint64_t count = share_begin(team, of + 1) - share_begin(team, of);
        ft_atomic_store(&team->shares[of].next, loop << 2 * PIECE_BITS | count << PIECE_BITS,
                        FT_SEQ_CST);
    }
    if (ft_atomic_load(&team->sleepers, FT_SEQ_CST) > 0)
        wake(team);
    while (do_piece(team, 0, members))
        ;
    for (int looks = 0; ft_atomic_load(&team->undone, FT_ACQUIRE) > 0; looks++) {
        if (looks < LOOKS_AT_END)
            FT_PAUSE();
        else
            spread(team);
    }
}
