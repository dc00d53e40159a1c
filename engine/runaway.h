// Turns that do not come back: how a thread is left behind with one, and how its result is taken in
// if it does come back after all.
//
// `open` and `flush` are watched like a turn. A thread that was left behind in `open` goes on with
// the turn before it hands it over, and one that was left behind in `flush` hands over the end of
// the node. Where nobody can take a thread's place (the caller's of ft_run_wait, which opens the
// ends of a pipeline and commits its sinks; whoever opens an instance in the place of an abandoned
// one) the word says BOUND, and the stage is only named.
//
// Threads of the pool, whose stages may wait for as long as they like, are claimed only by the end
// of the run, which abandons those that do not come back.
//
// Every thread has a watch. Its word says what the thread is at, and a compare-and-swap on it
// decides every race between the thread and the monitor:
//
//   ENGINE --enter--> STAGE --leave--> ENGINE         the thread's, at every turn
//                     STAGE --claim--> LEFT           the monitor's: the thread is left behind
//
// The word also counts turns, so the monitor cannot claim another turn than the one that it looked
// at. While a stage calls back into the engine (it waits for memory, or a source sends a train) the
// word says ENGINE, so no thread is left behind that holds a lock of the engine.
//
// A thread that is left behind keeps its lease, its slot, its instance and its turn; a fresh thread
// with a slot of its own takes its place, and its queue can be stolen from, as ever. It is demoted
// to SCHED_IDLE, so it may be long without the processor: when its stage returns it hands the turn
// over with one push that takes no lock, rings the monitor and ends. Another worker finishes the
// turn. The one exception: a stage that needs memory which is not there, or a source that emits,
// takes the locks of that as everybody does.
//
// From Go's sysmon and retake (runtime/proc.go), which can preempt; native code cannot be, so the
// thread stays where it is and the processor goes on without it.
#pragma once

#include "engine/flow.h"
#include "engine/sources.h"
#include "engine/turn.h"

typedef struct ft_watch ft_watch;

enum { FT_TRACE_FRAMES = 24, FT_TRACE_PLACE_BYTES = 256 };

typedef enum ft_watch_state {
    FT_WATCH_ENGINE,
    FT_WATCH_STAGE,
    FT_WATCH_LEFT,
    FT_WATCH_BOUND,  // In a stage; the thread cannot be left behind.
} ft_watch_state;

// What a thread that was left behind hands over.
typedef enum ft_watch_kind {
    FT_WATCH_PACKET,
    FT_WATCH_SOURCE,
    FT_WATCH_END,
} ft_watch_kind;

typedef struct ft_kept_batch {
    ft_batch *batch;
    uint32_t ticket;  // Number in the train.
} ft_kept_batch;

typedef struct ft_closing {
    ft_task task;  // First.
    ft_watch *watch;
} ft_closing;

// Of a turn whose items are to fail if it does not come back: abandon.h.
typedef struct ft_abandoned {
    ft_kept_batch *items;  // [count]: what the stage was given; NULL: not kept.
    size_t count;
    uint32_t tickets;
    bool is_begun;
    ft_atomic_u32 parts;  // Of the two that must be done before all is let go.
    ft_instance *lost;
    ft_closing closing;
} ft_abandoned;

struct ft_watch {
    ft_task task;              // First, so that a task of kind RETURNED is its watch.
    ft_atomic_u64 word;        // Turn number * 4 + ft_watch_state.
    ft_atomic_i64 started_ns;  // Of the stay in the stage.
    ft_atomic_pointer node;    // ft_node whose stage it is.
    ft_atomic_pointer call;    // Name of the stage's function; NULL: the one of its turns.
    ft_atomic_i64 clock;       // Of the thread's CPU time; 0: no thread yet.

    // The thread's own; of the one that finishes the turn once it is handed over.
    ft_worker *worker;
    uint64_t number;
    bool is_inside;         // Between enter and leave.
    ft_watch_kind kind;     // Which of the next three it is.
    ft_packet_turn packet;  // Here, as the thread may end before the turn does.
    ft_source_stay source;
    ft_node_end end;
    ft_watch *next;  // In the list of those that came back.

    ft_abandoned abandoned;

    // The monitor's own: the turn that it has seen, since when, and the thread's CPU time then.
    uint64_t seen;
    int64_t seen_cpu_ns;
    uint64_t told;              // Of BOUND: the word that was named.
    ft_thread *leaving;         // Handed over, and not joined yet.
    ft_atomic_u32 is_finished;  // The turn is; its slot is free once the thread has been joined.
    int64_t left_ns;            // When it was left behind.
    bool is_forced;             // By a test: says nothing.

    // Written by the thread in a signal handler, for the log.
    ft_atomic_u32 is_traced;
    ft_atomic_i64 nice_errno;  // 0: it was demoted.
    int frame_count;
    void *frames[FT_TRACE_FRAMES];
    char place[FT_TRACE_PLACE_BYTES];
};

bool ft_runaway_init(ft_run *run, ft_error *err) FT_MUST_CHECK;
// The calling thread is the worker's from here on.
void ft_watch_attach(ft_worker *worker);

// The worker is about to run the stage of `node`. Nothing happens if it was left behind before.
void ft_watch_enter(ft_worker *worker, ft_node *node, int64_t now_ns);
// It has returned. False: the thread was left behind, and must hand the turn over and end.
bool ft_watch_leave(ft_worker *worker) FT_MUST_CHECK;
// The same for another function of the stage than that of its turns.
void ft_watch_begin(ft_worker *worker, ft_node *node, const char *call);
bool ft_watch_end(ft_worker *worker) FT_MUST_CHECK;
// The same where the worker goes on with the turn if it was left behind: it hands it over later.
void ft_watch_go_on(ft_worker *worker);
// The same on a thread in whose place there can be no other.
void ft_watch_bind(ft_watch *watch, ft_node *node, const char *call);
void ft_watch_unbind(ft_watch *watch, ft_run *run);
// The watch of the thread that waits for the run.
ft_watch *ft_watch_caller(const ft_run *run);
// A stage calls the engine for something that takes locks or long. False: nothing to resume.
bool ft_watch_pause(ft_worker *worker);
void ft_watch_resume(ft_worker *worker);

// Left behind: gives the turn, or the end of the node, to whoever the monitor finds. The thread
// touches nothing afterwards but its worker's `is_left`.
void ft_runaway_hand_over(ft_worker *worker, ft_watch_kind kind);
// Whose turn it is that was handed over.
ft_node *ft_runaway_node(const ft_watch *watch);
// Gives all that the turn holds to another lease, or takes it.
void ft_runaway_pass(ft_watch *watch, bool take);
// Finishes the turn that a task of kind RETURNED stands for.
void ft_runaway_finish(ft_worker *worker, ft_task *task);
// Lets go of it instead; no threads run.
void ft_runaway_drop(ft_task *task);

// The monitor's: leaves the turn behind that `seen` is the word of. False: it has come back, or no
// thread can be had in its place.
bool ft_runaway_leave(ft_run *run, ft_watch *watch, uint64_t seen);
// Has the thread demote itself and write down where it is, and says so in the log.
void ft_runaway_tell(ft_run *run, ft_watch *watch, const ft_node *node, const char *call,
                     int64_t age_ns);
// The run is over: the thread will not be waited for. False: it has come back from its stage.
bool ft_runaway_abandon(ft_watch *watch);
// The stage that a thread is inside of; NULL.
ft_node *ft_watch_stage(const ft_watch *watch);
