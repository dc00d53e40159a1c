// Lock elision: a critical section that runs without taking its lock when nobody else is in the
// way.
//
// Two ways, after ck_elide and Linux' sequence locks:
//   transactions     ft_elide_run tries the section as a hardware transaction (RTM) and takes the
//                    lock when that does not work out. Where the CPU has none (every AMD, most
//                    Intel since microcode took it away) it simply locks.
//   sequence lock    ft_elide_read_begin, ft_elide_read_more: readers run beside each other and
//                    beside nobody who writes; what they read must be atomic (acquire loads).
//                    Works everywhere.
//
// Off unless it wins: each lock keeps its own account of what its attempts came to, skips some
// sections after a failure, and gives up for good where less than half of the attempts commit. And
// no lock of the program is one: what was measured is in docs/decisions.md.
#pragma once

#include "runtime/concurrent/atomic.h"
#include "runtime/concurrent/lock.h"

// What an attempt came to: 0, or why it was aborted, as RTM reports it in EAX.
enum {
    FT_ELIDE_COMMITTED = 0,
    FT_ELIDE_EXPLICIT = 1,    // The section, or the check of the lock, gave up: see the code.
    FT_ELIDE_RETRY = 2,       // The CPU says that the next attempt may succeed.
    FT_ELIDE_CONFLICT = 4,    // Another core touched the same line.
    FT_ELIDE_CAPACITY = 8,    // More lines than the cache holds back.
    FT_ELIDE_DEBUG = 16,      // A breakpoint.
    FT_ELIDE_NESTED = 32,     // In an inner transaction.
    FT_ELIDE_NO_REASON = 64,  // EAX was 0: an interrupt, a page fault, a system call.
    FT_ELIDE_CODE_SHIFT = 24,
    FT_ELIDE_CODE_BUSY = 0xFF,  // Code of an explicit abort: the lock was held.
};

typedef void (*ft_elide_section)(void *argument);

typedef struct ft_elide_ops {
    const char *name;  // "rtm", or the test's.
    // One attempt: runs `section` as a transaction that also reads `*held` (so that whoever takes
    // the lock aborts it), and returns how it ended. The section has run exactly if COMMITTED.
    uint32_t (*attempt)(void *host, const ft_atomic_u32 *held, ft_elide_section section,
                        void *argument);
    void *host;
} ft_elide_ops;

typedef struct ft_elide_stats {
    uint64_t attempts, commits, locked;
} ft_elide_stats;

typedef struct ft_elide_lock {
    ft_mutex mutex;
    ft_atomic_u32 held;      // 1 while somebody has the mutex; a transaction reads it.
    ft_atomic_u32 sequence;  // Odd while somebody writes.
    // The policy's account. Relaxed and without a lock: a lost update only delays a decision.
    ft_atomic_u32 skip;  // Sections that take the lock at once before the next attempt.
    ft_atomic_u32 attempts, commits;  // Of this window of WINDOW attempts.
    ft_atomic_u32 is_off;             // It does not win here.
    ft_atomic_u64 all_attempts, all_commits, all_locked;
} ft_elide_lock;

void ft_elide_init(ft_elide_lock *lock);
void ft_elide_finish(ft_elide_lock *lock);
// Runs the section, elided or under the lock: exactly once. It must not block, call the system, or
// take another lock. Any thread.
void ft_elide_run(ft_elide_lock *lock, ft_elide_section section, void *argument);
ft_elide_stats ft_elide_get_stats(const ft_elide_lock *lock);

// The writer's side where readers use the sequence. What readers load is stored with release, so
// that a reader who sees a new value sees the odd sequence as well.
void ft_elide_write_begin(ft_elide_lock *lock);
void ft_elide_write_end(ft_elide_lock *lock);
// The reader's side:
//     for (ft_elide_reader r = ft_elide_read_begin(lock); ft_elide_read_more(&r);)
//         value = ft_atomic_load(&shared, FT_ACQUIRE);
// The body runs until it was not disturbed; after three disturbances it runs once under the lock.
typedef struct ft_elide_reader {
    ft_elide_lock *lock;
    uint32_t sequence;
    uint8_t tries;  // 0: the body has not run.
    bool is_locked;
} ft_elide_reader;
ft_elide_reader ft_elide_read_begin(ft_elide_lock *lock);
bool ft_elide_read_more(ft_elide_reader *reader);

// What attempts transactions: RTM where CPUID says that it is there and does not always abort; NULL
// where it is not. Any thread; the answer does not change but for ft_elide_set_ops.
const ft_elide_ops *ft_elide_get_ops(void);
// Test seam: another way to attempt, NULL for the CPU's own. While no section runs.
void ft_elide_set_ops(const ft_elide_ops *ops);
