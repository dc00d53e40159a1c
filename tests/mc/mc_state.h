// What ftmc's own files share: threads, locations, the graph of the current execution, the search.
#pragma once

#include <setjmp.h>
#include <ucontext.h>

#include "tests/mc/mc.h"

enum { THREADS = MC_THREADS + 1, CHOICES = 48, SLEPT = 20, SEEN = 16 };

// Events of each thread so far, one may say: event number `at[t]` of t and all before it.
typedef struct vclock {
    uint32_t at[THREADS];
} vclock;

typedef enum op_kind {
    OP_NONE,
    OP_LOAD,
    OP_STORE,
    OP_CHANGE,  // Add, sub, or, exchange.
    OP_CAS,
    OP_LOCK,
    OP_TRY_LOCK,
    OP_UNLOCK,
    OP_WAIT,  // Lets the mutex go and queues itself.
    OP_SIGNAL,
    OP_BROADCAST,
    OP_CHOOSE,
} op_kind;

// What a thread is about to do.
typedef struct op {
    op_kind kind;
    uint8_t size, how;
    int order, on_failure;
    void *at;     // The atomic, the mutex, the condition.
    void *mutex;  // Of OP_WAIT.
    uint64_t value, expected;
    unsigned count;  // Of OP_CHOOSE.
    const char *place;
} op;

typedef struct store {
    struct location *location;
    struct store *rf;  // Of an RMW: what it read.
    uint64_t value;
    uint32_t id;   // thread << 24 | idx: the same in all executions with this prefix.
    uint32_t idx;  // Its thread's event.
    uint16_t pos;  // In mo.
    uint8_t thread;
    bool is_rmw, is_release;
    vclock release;  // What an acquire takes over.
    vclock past;     // Of po and rf: for the search.
} store;

typedef struct read_event {
    store *source;
    uint32_t idx;
    int step;
    uint8_t thread;
    bool mark;  // An RMW (no other one reads the same store); of a mutex: an unlock.
} read_event;

typedef enum location_kind { AT_ATOMIC, AT_MUTEX, AT_CONDITION, AT_CHOICE } location_kind;

typedef struct location {
    void *at;
    location_kind kind;
    uint8_t size;
    bool is_statistic;
    store **mo;
    int mo_count, mo_room;
    read_event *reads;  // Loads, RMWs; lockings; operations on a condition.
    int read_count, read_room;
    // Mutex, condition: the last operation.
    int holder;  // 0: free, else 1 + thread.
    uint32_t tail;
    vclock tail_past, tail_clock;
    uint8_t waiters[THREADS];  // Of a condition, in order of arrival.
    int waiter_count;
} location;

// One way to go on from a state: a source, a position, a waiter, a value.
typedef struct choice {
    uint32_t id;     // Of the source: what sleeps is named by it.
    uint16_t index;  // Among all that the operation has: for the replay.
    store *source;
    uint16_t pos;  // Of a store, in mo.
} choice;

typedef struct slept {
    bool all;
    uint8_t count;
    uint32_t ids[SLEPT];
} slept;

// A step of the path that is being explored. The first part stays while the path is; the second is
// of the execution.
typedef struct node {
    uint8_t thread;
    uint8_t backtrack, done;  // Sets of threads.
    bool is_fresh;            // The choices of `thread` are not known yet.
    bool takes_all;  // They are all there will ever be: the thread sleeps wholly afterwards.
    uint8_t choice_count, choice;
    uint16_t indexes[CHOICES];
    uint32_t ids[CHOICES];
    uint16_t preemptions;
    slept slept[THREADS];

    uint8_t enabled;
    uint32_t idx;
    vclock before, past;  // Of po and rf: without and with what this step itself read.
} node;

typedef enum thread_state { T_READY, T_WAITS, T_SPINS, T_DONE } thread_state;

typedef struct thread {
    ucontext_t context;
    jmp_buf jump;
    bool is_started;
    char *stack;
    char *tls;  // The target's thread-local variables while another thread runs.
    thread_state state;
    op pending;
    choice chosen;
    uint64_t result;
    vclock clock;  // Happens before the next event, with its own last one.
    vclock past;   // Of po and rf.
    void *waits_for;
    // Since the last pause: what it read, and whether it did anything but read. A second round that
    // is the same as the one before shows that the thread waits for one of these to change.
    struct {
        location *at;
        store *source;
    } seen[SEEN];
    int seen_count;
    bool has_news;
    int64_t clock_calls;
    bool has_begun;
    vclock begun;  // The past of its first step.
    uint64_t trail, last_trail;
} thread;

typedef enum verdict { GOES_ON, COMPLETE, PRUNED, FAILED } verdict;

typedef struct options {
    const char *only, *replay;
    bool is_long, naive, trace, list;
    int preemptions;  // -1: no bound.
    double seconds;
} options;

typedef struct mc_state {
    const mc_target *target;
    options options;
    thread threads[THREADS];
    int self;         // Who runs.
    bool sequential;  // Setup or finish.
    int starting;     // The thread that runs to its first operation; 0: all have.
    verdict verdict;
    char message[512];
    jmp_buf main_jump;

    node *nodes;
    int node_count, node_room, depth;
    bool bound_hit;
    uint64_t executions, pruned, steps;

    int64_t clock_jump_ns, clock_run_ns;
    char outcome[64];
    const char *replay_at;
} mc_state;

extern mc_state *mc;

// ---- mc_main.c ----

typedef struct image {  // The target's variables, as they were when it was loaded.
    char *data, *data_copy;
    size_t data_size;
    char *tls, *tls_copy;
    size_t tls_size;
} image;
extern image mc_image;
double mc_seconds(void);

// ---- mc_explore.c ----

// Waits for its turn, then performs; what it gave is in the thread's `result`.
void mc_visible(const op *o);
bool mc_run_target(const mc_target *target);
// Ends the execution.
void mc_stop(verdict verdict) __attribute__((noreturn));
// The step of `read` should also be tried behind this one.
void mc_note_race(const read_event *read);
void mc_block(thread_state state);

// ---- mc_memory.c ----

location *mc_location(void *at, location_kind kind, size_t size);
// All ways in which the thread's operation can go on; returns how many.
int mc_choices(const thread *t, const op *o, choice *out);
void mc_perform(thread *t, const op *o, const choice *c);
void mc_memory_reset(void);
void mc_add_read(location *l, store *source, bool mark);
// What the step's own operation writes: races with those who read it before.
void mc_note_write(const location *l, const vclock *before, bool with_unlocks);
void mc_describe(const op *o, const choice *c, uint64_t result, char *out, size_t room);

// ---- mc_sync.c ----

int mc_sync_choices(const op *o, choice *out);
void mc_sync_perform(thread *t, const op *o, const choice *c);
bool mc_is_enabled(const thread *t);

// ---- mc_shadow.c ----

void mc_shadow_reset(void);
void mc_check_alive(const void *at, size_t size, const char *what);
void mc_note_atomic(const void *at, size_t size);  // To be over before the memory is freed.
const char *mc_name(const void *at);

// ---- mc_history.c ----

void mc_history_reset(void);

static inline void clock_join(vclock *into, const vclock *from)
{
    for (int i = 0; i < THREADS; i++)
        if (from->at[i] > into->at[i])
            into->at[i] = from->at[i];
}
