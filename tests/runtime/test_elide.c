// Lock elision under a transactional memory that follows a script: every way that an attempt can
// end, and how many attempts each costs. And the sequence lock under writers.
#include "runtime/concurrent/elide.h"
#include "runtime/system/thread.h"
#include "tests/check.h"

enum { BUSY = FT_ELIDE_EXPLICIT | (int)((uint32_t)FT_ELIDE_CODE_BUSY << FT_ELIDE_CODE_SHIFT) };

// ---- a transactional memory that does what it is told ----

typedef struct {
    const uint32_t *statuses;  // One for each attempt; COMMITTED behind the end.
    size_t count, at;
} script;

static uint32_t scripted_attempt(void *host, const ft_atomic_u32 *held, ft_elide_section section,
                                 void *argument)
{
    script *s = host;
    uint32_t status = s->at < s->count ? s->statuses[s->at] : FT_ELIDE_COMMITTED;

    check_true(!ft_atomic_load(held, FT_RELAXED));
    s->at++;
    if (status == FT_ELIDE_COMMITTED)
        section(argument);
    return status;
}

static void add_one(void *argument)
{
    (*(int *)argument)++;
}

typedef struct {
    ft_elide_lock lock;
    script script;
    ft_elide_ops ops;
    int sum;
} fixture;

static void begin(fixture *f, const uint32_t *statuses, size_t count)
{
    *f = (fixture){.script = {.statuses = statuses, .count = count}};
    f->ops = (ft_elide_ops){"scripted", scripted_attempt, &f->script};
    ft_elide_init(&f->lock);
    ft_elide_set_ops(&f->ops);
}

static void end(fixture *f)
{
    ft_elide_set_ops(NULL);
    ft_elide_finish(&f->lock);
}

// Runs `sections` sections; checks how many attempts that took and how many took the lock.
static void run(fixture *f, int sections, uint64_t attempts, uint64_t locked)
{
    ft_elide_stats before = ft_elide_get_stats(&f->lock);
    int sum = f->sum;

    for (int i = 0; i < sections; i++)
        ft_elide_run(&f->lock, add_one, &f->sum);
    ft_elide_stats after = ft_elide_get_stats(&f->lock);
    check_int_eq(f->sum - sum, sections);
    check_int_eq(after.attempts - before.attempts, attempts);
    check_int_eq(after.locked - before.locked, locked);
}

TEST(a_section_that_commits_takes_no_lock)
{
    fixture f;

    begin(&f, NULL, 0);
    run(&f, 100, 100, 0);
    check_int_eq(ft_elide_get_stats(&f.lock).commits, 100);
    end(&f);
}

TEST(a_conflict_is_tried_again_five_times)
{
    static const uint32_t two[] = {FT_ELIDE_CONFLICT, FT_ELIDE_CONFLICT | FT_ELIDE_RETRY};
    static const uint32_t six[] = {FT_ELIDE_CONFLICT, FT_ELIDE_RETRY, FT_ELIDE_CONFLICT,
                                   FT_ELIDE_CONFLICT, FT_ELIDE_RETRY, FT_ELIDE_CONFLICT};
    fixture f;

    begin(&f, two, 2);
    run(&f, 1, 3, 0);
    end(&f);
    begin(&f, six, 6);
    run(&f, 1, 6, 1);
    run(&f, 2, 0, 2);  // Two are skipped,
    run(&f, 3, 3, 0);  // then it is tried again.
    end(&f);
}

TEST(what_cannot_succeed_is_not_tried_again)
{
    static const uint32_t hopeless[] = {FT_ELIDE_CAPACITY, FT_ELIDE_NO_REASON, FT_ELIDE_DEBUG,
                                        FT_ELIDE_NESTED, FT_ELIDE_EXPLICIT | 7u << 24};
    fixture f;

    for (size_t i = 0; i < FT_COUNT_OF(hopeless); i++) {
        begin(&f, &hopeless[i], 1);
        run(&f, 1, 1, 1);
        run(&f, 65535, 0, 65535);
        run(&f, 1, 1, 0);
        end(&f);
    }
}

TEST(a_lock_that_is_held_is_waited_for)
{
    static const uint32_t busy[] = {(uint32_t)BUSY, (uint32_t)BUSY};
    fixture f;

    begin(&f, busy, 2);
    run(&f, 1, 3, 0);
    // Held for longer than anybody waits: no attempt at all, and five sections without one.
    ft_atomic_store(&f.lock.held, 1, FT_RELAXED);
    run(&f, 1, 0, 1);  // It clears `held` when it unlocks.
    run(&f, 5, 0, 5);
    run(&f, 1, 1, 0);
    end(&f);
}

TEST(a_lock_that_never_gives_way_is_skipped_for_long)
{
    static const uint32_t busy[] = {(uint32_t)BUSY, (uint32_t)BUSY, (uint32_t)BUSY,
                                    (uint32_t)BUSY, (uint32_t)BUSY, (uint32_t)BUSY};
    fixture f;

    begin(&f, busy, 6);
    run(&f, 1, 6, 1);
    run(&f, 5, 0, 5);
    run(&f, 1, 1, 0);
    end(&f);
}

TEST(elision_that_does_not_win_is_switched_off)
{
    static uint32_t statuses[4096];
    fixture f;

    for (size_t i = 0; i < FT_COUNT_OF(statuses); i++)
        statuses[i] = i % 3 == 0 ? FT_ELIDE_COMMITTED : FT_ELIDE_CONFLICT;
    begin(&f, statuses, FT_COUNT_OF(statuses));
    for (int i = 0; i < 4096; i++)
        ft_elide_run(&f.lock, add_one, &f.sum);
    check_int_eq(f.sum, 4096);
    check_int_eq(ft_elide_get_stats(&f.lock).attempts, 1024);
    run(&f, 100, 0, 100);
    end(&f);
}

TEST(without_transactions_the_lock_is_taken)
{
    ft_elide_lock lock;
    int sum = 0;

    ft_elide_init(&lock);
    for (int i = 0; i < 10; i++)
        ft_elide_run(&lock, add_one, &sum);
    ft_elide_stats stats = ft_elide_get_stats(&lock);
    check_int_eq(sum, 10);
    if (ft_elide_get_ops())
        check_int_eq(stats.commits + stats.locked, 10);
    else
        check_int_eq(stats.locked, 10);
    ft_elide_finish(&lock);
}

// ---- threads ----

enum { THREADS = 3, SECTIONS = 20000, READS = 20000 };

// A transaction that runs alone, as a real one seems to: what others do meanwhile aborts it.
static uint32_t serial_attempt(void *host, const ft_atomic_u32 *held, ft_elide_section section,
                               void *argument)
{
    ft_elide_lock *lock = host;

    (void)held;
    if (!ft_mutex_try_lock(&lock->mutex))
        return (uint32_t)BUSY;
    section(argument);
    ft_mutex_unlock(&lock->mutex);
    return FT_ELIDE_COMMITTED;
}

typedef struct {
    ft_elide_lock lock;
    int sum;                 // Under the lock.
    ft_atomic_u64 one, two;  // Equal, but while somebody writes.
    ft_atomic_u32 torn;
} shared_state;

static void add_many(void *host)
{
    shared_state *s = host;

    for (int i = 0; i < SECTIONS; i++)
        ft_elide_run(&s->lock, add_one, &s->sum);
}

static void write_pairs(void *host)
{
    shared_state *s = host;

    for (int i = 0; i < READS; i++) {
        ft_elide_write_begin(&s->lock);
        // Only writers change it, and they hold the lock. Release as the header asks.
        uint64_t next = ft_atomic_load(&s->one, FT_RELAXED) + 1;
        ft_atomic_store(&s->one, next, FT_RELEASE);
        ft_atomic_store(&s->two, next, FT_RELEASE);
        ft_elide_write_end(&s->lock);
    }
}

static void read_pairs(void *host)
{
    shared_state *s = host;

    for (int i = 0; i < READS; i++) {
        uint64_t one = 0, two = 0;
        for (ft_elide_reader r = ft_elide_read_begin(&s->lock); ft_elide_read_more(&r);) {
            one = ft_atomic_load(&s->one, FT_ACQUIRE);
            two = ft_atomic_load(&s->two, FT_ACQUIRE);
        }
        if (one != two)
            ft_atomic_add(&s->torn, 1, FT_RELAXED);
    }
}

static void run_threads(shared_state *s, void (*const *mains)(void *))
{
    ft_thread threads[THREADS] = {0};
    ft_error err = FT_ERROR_INIT;

    for (int i = 0; i < THREADS; i++)
        check_ok(ft_thread_start(&threads[i], "elide", mains[i], s, &err), &err);
    for (int i = 0; i < THREADS; i++)
        ft_thread_join(&threads[i]);
}

TEST(no_section_is_lost_between_transactions_and_locks)
{
    static void (*const mains[])(void *) = {add_many, add_many, add_many};
    static shared_state s;
    ft_elide_ops ops = {"serial", serial_attempt, &s.lock};

    ft_elide_init(&s.lock);
    ft_elide_set_ops(&ops);
    run_threads(&s, mains);
    ft_elide_set_ops(NULL);
    check_int_eq(s.sum, THREADS * SECTIONS);
    ft_elide_finish(&s.lock);
}

TEST(a_reader_never_sees_half_a_write)
{
    static void (*const mains[])(void *) = {write_pairs, read_pairs, write_pairs};
    static shared_state s;

    ft_elide_init(&s.lock);
    run_threads(&s, mains);
    check_int_eq(ft_atomic_load(&s.torn, FT_RELAXED), 0);
    check_int_eq(ft_atomic_load(&s.two, FT_RELAXED), 2 * READS);
    ft_elide_finish(&s.lock);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
