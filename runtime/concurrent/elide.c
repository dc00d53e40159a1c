// The policy: what to do after each way that an attempt can end.
//
//   conflict, retry      try again, up to RETRIES times; then lock, and skip the next SKIP_CONFLICT
//   lock was held        wait until it is free first, or every waiter aborts every other (the
//                        lemming effect), at most BUSY_SPINS pauses; then lock, skip SKIP_BUSY
//   anything else        will fail again (capacity, a system call): lock, skip SKIP_HOPELESS
//
// The numbers are ck_elide's. After WINDOW attempts of which less than half committed, the lock is
// never elided again.
#include "runtime/concurrent/elide.h"

#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

enum {
    RETRIES = 5,
    BUSY_SPINS = 256,
    SKIP_CONFLICT = 2,
    SKIP_BUSY = 5,
    SKIP_HOPELESS = 65535,
    WINDOW = 1024,
    READ_TRIES = 3,
};

static ft_atomic_pointer chosen_ops;  // NULL: the CPU's.

// ---- the CPU's transactions ----

#if defined(__x86_64__)

// The instructions by their bytes, so that no compiler flag is needed and other files cannot get
// transactions by accident. An abort goes back to behind XBEGIN with all registers and all memory
// as they were there.
static inline uint32_t rtm_begin(void)
{
    uint32_t status = UINT32_MAX;

    __asm__ volatile(".byte 0xc7, 0xf8, 0, 0, 0, 0" : "+a"(status)::"memory");
    return status;
}

static inline void rtm_end(void)
{
    __asm__ volatile(".byte 0x0f, 0x01, 0xd5" ::: "memory");
}

static inline void rtm_abort_busy(void)
{
    __asm__ volatile(".byte 0xc6, 0xf8, 0xff" ::: "memory");
}

static uint32_t rtm_attempt(void *host, const ft_atomic_u32 *held, ft_elide_section section,
                            void *argument)
{
    uint32_t status = rtm_begin();

    (void)host;
    if (status != UINT32_MAX)
        return status ? status : FT_ELIDE_NO_REASON;
    // Relaxed: inside a transaction all loads are of one instant.
    if (ft_atomic_load(held, FT_RELAXED))
        rtm_abort_busy();
    section(argument);
    rtm_end();
    return FT_ELIDE_COMMITTED;
}

static bool has_rtm(void)
{
    unsigned a = 0, b = 0, c = 0, d = 0;
    const unsigned rtm = 1u << 11, always_aborts = 1u << 11;

    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & rtm) && !(d & always_aborts);
}

static const ft_elide_ops rtm_ops = {.name = "rtm", .attempt = rtm_attempt};

static const ft_elide_ops *cpu_ops(void)
{
    static ft_atomic_u32 known;  // 1: none, 2: RTM. Every thread finds the same.
    uint32_t answer = ft_atomic_load(&known, FT_RELAXED);

    if (!answer) {
        answer = has_rtm() ? 2 : 1;
        ft_atomic_store(&known, answer, FT_RELAXED);
    }
    return answer == 2 ? &rtm_ops : NULL;
}

#else

static const ft_elide_ops *cpu_ops(void)
{
    return NULL;
}

#endif

const ft_elide_ops *ft_elide_get_ops(void)
{
    // Acquire pairs with the release of whoever set them.
    const ft_elide_ops *ops = ft_atomic_load(&chosen_ops, FT_ACQUIRE);
    return ops ? ops : cpu_ops();
}

void ft_elide_set_ops(const ft_elide_ops *ops)
{
    union {
        const ft_elide_ops *in;
        void *out;
    } pointer = {ops};
    ft_atomic_store(&chosen_ops, pointer.out, FT_RELEASE);
}

// ---- sections ----

void ft_elide_init(ft_elide_lock *lock)
{
    memset(lock, 0, sizeof(*lock));
    ft_mutex_init(&lock->mutex);
}

void ft_elide_finish(ft_elide_lock *lock)
{
    ft_mutex_finish(&lock->mutex);
}

static void lock_in_full(ft_elide_lock *lock)
{
    ft_mutex_lock(&lock->mutex);
    // Sequentially consistent: on x86 a locked instruction, so that every transaction that has read
    // 0 is aborted before anything of the section is done.
    ft_atomic_exchange(&lock->held, 1, FT_SEQ_CST);
}

static void unlock_in_full(ft_elide_lock *lock)
{
    ft_atomic_store(&lock->held, 0, FT_RELEASE);
    ft_mutex_unlock(&lock->mutex);
}

static void count(ft_atomic_u64 *counter)
{
    ft_atomic_store(counter, ft_atomic_load(counter, FT_RELAXED) + 1, FT_RELAXED);
}

static void note_attempt(ft_elide_lock *lock, bool committed)
{
    uint32_t attempts = ft_atomic_load(&lock->attempts, FT_RELAXED) + 1;
    uint32_t commits = ft_atomic_load(&lock->commits, FT_RELAXED) + (committed ? 1 : 0);

    count(&lock->all_attempts);
    if (committed)
        count(&lock->all_commits);
    if (attempts >= WINDOW) {
        if (commits < WINDOW / 2)
            ft_atomic_store(&lock->is_off, 1, FT_RELAXED);
        attempts = commits = 0;
    }
    ft_atomic_store(&lock->attempts, attempts, FT_RELAXED);
    ft_atomic_store(&lock->commits, commits, FT_RELAXED);
}

static bool wait_until_free(const ft_elide_lock *lock)
{
    for (int i = 0; i < BUSY_SPINS; i++) {
        if (!ft_atomic_load(&lock->held, FT_RELAXED))
            return true;
        FT_PAUSE();
    }
    return false;
}

static bool is_busy(uint32_t status)
{
    return (status & FT_ELIDE_EXPLICIT) && status >> FT_ELIDE_CODE_SHIFT == FT_ELIDE_CODE_BUSY;
}

// Tries the section as a transaction. False: it has not run, and `lock->skip` says for how long not
// to try again.
static bool try_elided(ft_elide_lock *lock, const ft_elide_ops *ops, ft_elide_section section,
                       void *argument)
{
    uint32_t skip = SKIP_CONFLICT;

    for (int tries = 0; tries <= RETRIES; tries++) {
        if (!wait_until_free(lock)) {
            skip = SKIP_BUSY;
            break;
        }
        uint32_t status = ops->attempt(ops->host, &lock->held, section, argument);
        note_attempt(lock, status == FT_ELIDE_COMMITTED);
        if (status == FT_ELIDE_COMMITTED)
            return true;
        if (is_busy(status)) {
            skip = SKIP_BUSY;
        } else if (status & (FT_ELIDE_RETRY | FT_ELIDE_CONFLICT)) {
            skip = SKIP_CONFLICT;
        } else {
            skip = SKIP_HOPELESS;
            break;
        }
    }
    ft_atomic_store(&lock->skip, skip, FT_RELAXED);
    return false;
}

static bool may_elide(ft_elide_lock *lock)
{
    if (ft_atomic_load(&lock->is_off, FT_RELAXED))
        return false;
    uint32_t skip = ft_atomic_load(&lock->skip, FT_RELAXED);
    if (skip == 0)
        return true;
    ft_atomic_store(&lock->skip, skip - 1, FT_RELAXED);
    return false;
}

void ft_elide_run(ft_elide_lock *lock, ft_elide_section section, void *argument)
{
    const ft_elide_ops *ops = ft_elide_get_ops();

    if (ops && may_elide(lock) && try_elided(lock, ops, section, argument))
        return;
    lock_in_full(lock);
    count(&lock->all_locked);
    section(argument);
    unlock_in_full(lock);
}

ft_elide_stats ft_elide_get_stats(const ft_elide_lock *lock)
{
    return (ft_elide_stats){
        .attempts = ft_atomic_load(&lock->all_attempts, FT_RELAXED),
        .commits = ft_atomic_load(&lock->all_commits, FT_RELAXED),
        .locked = ft_atomic_load(&lock->all_locked, FT_RELAXED),
    };
}

// ---- the sequence ----

void ft_elide_write_begin(ft_elide_lock *lock)
{
    lock_in_full(lock);
    // Acquire and release: the writes that follow stay behind it, for whoever acquires them.
    ft_atomic_add(&lock->sequence, 1, FT_ACQ_REL);
}

void ft_elide_write_end(ft_elide_lock *lock)
{
    // Release pairs with the acquire of a reader that begins.
    ft_atomic_add(&lock->sequence, 1, FT_RELEASE);
    unlock_in_full(lock);
}

ft_elide_reader ft_elide_read_begin(ft_elide_lock *lock)
{
    return (ft_elide_reader){.lock = lock};
}

// True when what has been read since the sequence was taken is of one instant.
static bool was_undisturbed(const ft_elide_reader *reader)
{
    // Relaxed: the loads of the body are acquire, so this one cannot come before them; and a value
    // stored by a writer brings the writer's odd sequence along.
    return !(reader->sequence & 1) &&
           ft_atomic_load(&reader->lock->sequence, FT_RELAXED) == reader->sequence;
}

bool ft_elide_read_more(ft_elide_reader *reader)
{
    if (reader->is_locked) {
        unlock_in_full(reader->lock);
        return false;
    }
    if (reader->tries > 0 && was_undisturbed(reader))
        return false;
    if (reader->tries < READ_TRIES) {
        reader->tries++;
        // Acquire pairs with the release of the last writer's end.
        reader->sequence = ft_atomic_load(&reader->lock->sequence, FT_ACQUIRE);
        return true;
    }
    lock_in_full(reader->lock);
    reader->is_locked = true;
    return true;
}
