// The running graph: what a checked plan becomes. Private to the engine.
//
//   task      a packet for a node, a serial node that has work, a source, or the end of a node
//   packet    a train: consecutive tickets of one stream, each with its batches: none, one or some
//   ticket    a stream and a sequence number
//
// Trains. What a packet costs (a task, locks, two looks at the clock, a flight) is paid once for
// all tickets in it. A source decides how many there are; after that a train is neither cut nor
// joined, so all packets that descend from it hold the same tickets, and what follows holds for
// the first of them as for all.
//
// Order. Every source is a stream, and so is what a node emits when it is flushed. Streams have a
// rank: sources in the file's order, each followed by the flushes of the nodes that it is the last
// source of. Along every edge travels, for every stream that comes through it, exactly one packet
// for each sequence number (or a fixed number of them, `pieces`, behind a merge that does not keep
// order), even if it is empty. So whoever must restore the order, a serial node or a merge, knows
// at any time which packet is next: engine/order.c.
//
// Locks, in the order in which they may be taken: node->lock, then list, pool or idle lock; gate
// lock, then idle lock. No batch is let go of under a lock, because the last reference to a lineage
// calls back into the engine.
#pragma once

#include "engine/idle.h"
#include "engine/ring.h"
#include "engine/run.h"
#include "runtime/concurrent/atomic.h"
#include "runtime/concurrent/lock.h"
#include "runtime/system/thread.h"

typedef struct ft_chain ft_chain;
typedef struct ft_domain ft_domain;
typedef struct ft_edge ft_edge;
typedef struct ft_flight ft_flight;
typedef struct ft_instance ft_instance;
typedef struct ft_node ft_node;
typedef struct ft_packet ft_packet;
typedef struct ft_stream ft_stream;
typedef struct ft_task ft_task;
typedef struct ft_trace_buffer ft_trace_buffer;
typedef struct ft_turn ft_turn;
typedef struct ft_worker ft_worker;
typedef struct ft_zygote ft_zygote;

enum {
    FT_CACHE_LINE_BYTES = 64,
    FT_PORTS_MAX = 64,
    FT_PROGRESS_ALL = 1000000,
    FT_TRAIN_MAX = 128,  // Tickets.
};

// ---- what travels ----

typedef enum ft_task_kind {
    FT_TASK_PACKET,
    FT_TASK_SERIAL,
    FT_TASK_SOURCE,
    FT_TASK_END,
    FT_TASK_ABANDONED,  // A turn that has failed because it did not come back: abandon.h.
    FT_TASK_RETURNED,   // A turn that was left behind and has come back.
} ft_task_kind;

// Something a worker can do; in one list at a time.
struct ft_task {
    ft_task *next, *prev;
    ft_task_kind kind;
    ft_node *node;
};

typedef struct ft_ticket {
    uint32_t stream;    // Rank of the stream.
    uint64_t sequence;  // Counts up from 0 in the stream, without gaps.
} ft_ticket;

// Batches of a train, or of the turn that makes one, in the order of their tickets.
typedef struct ft_batch_list {
    ft_batch **items;
    size_t count, capacity;
    uint32_t *ends;  // [ends_room]: those of the train's ticket i end before items[ends[i]]. Not
                     // used for a train of one.
    size_t ends_room;
    bool is_counted;  // Some of them are not immortal, so they must change hands.
} ft_batch_list;

struct ft_packet {
    ft_task task;           // First: a task of kind PACKET is its packet.
    ft_packet *next_piece;  // Pieces of the same tickets, put together by a merge.
    ft_ticket ticket;       // The first; the others follow without gaps.
    uint32_t tickets;
    uint32_t input;     // By which of the node's inputs it came.
    ft_flight *flight;  // One reference.
    ft_batch_list list;
};

// All that descends from one batch of a source (or from one flush): in flight until its last packet
// is consumed.
struct ft_flight {
    ft_atomic_u32 packets;       // References; the last one takes it out of the list.
    uint64_t birth;              // Age: lower is older.
    ft_node *source;             // NULL for a flush.
    bool is_large;               // It counts for two of its source's trains.
    bool alone;                  // A big batch: its source starts no other before it is done.
    uint32_t tickets;            // Of the train.
    ft_atomic_i64 slowest_ns;    // The longest turn that any of it took.
    ft_flight *older, *younger;  // Under the gate's lock.
};

struct ft_stream {
    ft_atomic_u64 total;  // Packets there are in it; UINT64_MAX while not known.
    uint64_t made;        // Packets so far; of whoever runs the source or the flush.
    uint32_t rank;
};

// ---- nodes ----

struct ft_edge {
    ft_node *to;
    uint32_t input;  // Which of `to`'s inputs.
    size_t *map;     // [to->plan->input.count]: column of the sender, FT_FIELD_NONE for none; NULL:
                     // the same columns.
};

typedef struct ft_port {
    ft_edge *edges;
    size_t edge_count;
} ft_port;

// A stream that comes into a node, and how many packets of each ticket.
typedef struct ft_lane {
    uint32_t stream;
    uint32_t pieces;
} ft_lane;

typedef enum ft_source_state { FT_SOURCE_IDLE, FT_SOURCE_RUNNING, FT_SOURCE_ENDED } ft_source_state;

// Of sources only.
typedef struct ft_source {
    ft_atomic_u32 state;      // ft_source_state; whoever moves it from IDLE to RUNNING may run it.
    ft_atomic_u32 alone;      // A big batch is under way.
    ft_atomic_i64 in_flight;  // Trains.
    ft_atomic_u32 train;      // Tickets that its next train may have.
    ft_atomic_u64 items;      // Started so far.
    ft_atomic_u32 told_to_stop;
    ft_atomic_i64 progress;  // 1 + share of the input in FT_PROGRESS_ALL parts; 0: not known.
    uint64_t sequence;       // Of the next lineage.
    int wake_fd;             // Readable from when it is told to stop; -1: not a source that blocks.
    size_t
        *waits_for;  // [waits_count]: ranks of streams that must have ended before this one starts.
    size_t waits_count;
    ft_atomic_i64 large;  // Of the trains in flight, those that count for two.
} ft_source;

typedef enum ft_mode {
    FT_MODE_PARALLEL,  // A packet is a task of its own; one instance for each worker, no lock.
    FT_MODE_CAPPED,  // The same with at most `cap` instances, or on the blocking pool: packets may
                     // queue.
    FT_MODE_SERIAL,  // One instance, one packet at a time.
    FT_MODE_SOURCE,
} ft_mode;

struct ft_node {
    ft_run *run;
    const ft_plan_node *plan;
    const ft_stage_def *def;  // The plan's, or one whose functions ask a container: chain.h.
    uint32_t index;
    ft_mode mode;
    bool on_pool;     // Its turns wait for the outside, or for a container.
    ft_chain *chain;  // NULL: its stage runs here.
    uint32_t link;    // Which of the chain it is.
    bool is_last;     // A sink: what it takes is written.
    bool keeps_order;
    bool joins;         // Not serial, and puts the pieces of a ticket together.
    bool is_met;        // Puts them together, serial or not: trains come cut.
    int64_t cap;        // Instances at once.
    ft_domain *domain;  // NULL: none; domain.h.
    const void *shared;
    ft_port *ports;  // [port_count]: main, named ones, errors (the last).
    size_t port_count, edge_count;
    size_t open_ports;          // Behind the last port that anybody reads.
    bool retries, retries_one;  // A batch (of one item) may be tried again: may_retry in turn.c.
    bool keeps;                 // Holds on to a batch while the stage has it.
    bool makes_dead;            // Some columns of its output are read by nobody.
    ft_lane *lanes;             // [lane_count], by rank: what comes in.
    size_t lane_count;
    ft_stream *
        flushed;  // The stream of what its flush emits; of its batches for a source. NULL: nothing.
    ft_source *source;  // NULL: not one.

    ft_task serial_task, end_task;
    ft_atomic_i64 open;            // Unfinished inputs + packets that have come and are not done.
    ft_atomic_u32 runaways;        // Turns that were left behind.
    ft_atomic_i64 patience_ns;     // What its turns may take: grows with those that came back.
    ft_atomic_u32 enough;          // It said so, or all who read it did.
    bool said_enough;              // Under run->enough_lock.
    ft_atomic_pointer *instances;  // [instance_room] of ft_instance; by worker for PARALLEL.
    size_t instance_room;

    // Under `lock`:
    ft_mutex lock;
    ft_packet *first, *last;            // Waiting packets; by ticket where it joins.
    bool scheduled;                     // SERIAL: somebody has it.
    int64_t running;                    // CAPPED.
    ft_task *ready_first, *ready_last;  // CAPPED: packets that wait for an instance.
    ft_instance *free_instance;         // CAPPED.
    size_t instances_made;              // CAPPED.
    size_t lane;                        // SERIAL, keeps_order: the next ticket.
    uint64_t sequence;
};

// ---- a turn ----

// One stay of a worker inside a stage, and what the stage gave meanwhile.
struct ft_turn {
    ft_worker *worker;
    ft_ticket first;  // Of the train.
    ft_flight *flight;
    ft_stream *stream;   // Emitted batches open tickets of this stream (source, flush); NULL: they
                         // belong to those of the train.
    ft_batch_list *out;  // [port_count]
    uint32_t train;      // Tickets that there may be.
    uint32_t sent;       // Of them, that have been sent ahead of the end of the turn.
    uint32_t tickets;    // Done with and not sent: out[].ends.
    size_t bytes;        // A source's: of its output that has not been sent.
    uint64_t items_in, items_out, items_failed, items_dropped, items_made;
    uint64_t balance;  // In - out - failed of the tickets that are done with.
    uint64_t birth;    // For the gate.
    int64_t started_ns, ended_ns;
    int64_t waited_ns;  // For memory.
    bool is_open;       // A stream's: something was given for the ticket at work.
    const char *part;   // Of what the stage was given: part of the source, NULL where the next is
                        // an item's number; and
    uint64_t place;     // the position in it + 1; 0: not known.
    bool may_cut;       // The stage is at work: what is done may be sent ahead.
    bool may_undo;      // What the stage is at can be done again.
    bool is_undone;     // And is to be: an older turn needs the memory.
    bool stops;         // An item failed and that stops the run.
};

typedef struct ft_instance_stats {
    ft_atomic_u64 items_in, items_out, items_dropped, items_failed, items_made, batches;
    ft_atomic_i64 busy_ns;
    ft_atomic_i64 kept_bytes;  // Its state and what `open` left, or if more, what `close` gave
                               // back; while memory is measured.
    ft_atomic_u32 is_running;
} ft_instance_stats;

struct ft_instance {
    ft_stage stage;  // First, so that a stage's `self` is its instance.
    ft_node *node;
    ft_instance *next_free;
    ft_instance *replaced;     // The one before it, which an abandoned thread keeps or has kept.
    bool was_opened, is_open;  // `open` was called; it succeeded.
    ft_turn turn;
    size_t counter_count;
    ft_atomic_u64
        *counters;        // [counter_count]: the stage's own as of its last turn, for statistics.
    uint8_t *conditions;  // Of `when`: grows with the batches.
    size_t condition_room;
    ft_expr_run expr;
    ft_instance_stats stats;  // Written by whoever runs the instance only.
};

// ---- workers ----

// Tasks that found no room in a ring, or came from threads that have none.
typedef struct ft_task_list {
    ft_mutex lock;  // Guards the list.
    ft_task *first, *last;
    ft_atomic_i64 count;
} ft_task_list;

struct ft_worker {
    ft_run *run;
    ft_thread thread;
    ft_ring *ring;    // NULL for threads of the pool.
    ft_task *next;    // Runs next: what its last turn made, while the cache is warm. NULL while a
                      // stage runs, so nothing stands in it that others would have to steal.
    uint32_t hot;     // Tasks in a row that ran from `next`.
    uint32_t ticks;   // Tasks that it ran.
    ft_instance *at;  // The instance whose turn is under way.
    uint32_t slot;
    ft_trace_buffer *trace;  // trace.c's; NULL before its first turn.
    int64_t last_ns;         // When its last turn ended, if it has not slept since; else 0.
    bool is_spare;
    bool is_away;  // Inside a source that waits for the outside, or left behind: not counted in
                   // `active`.
    bool has_one_lock;   // global_lock.h
    bool is_left;        // Left behind, and its turn handed over: the thread ends.
    bool is_free;        // Such a thread has ended: the slot may be used again. Under idle_lock.
    int64_t pool_bytes;  // Its lease's free blocks, when its thread ended.
    struct ft_watch *watch;  // runaway.h
    bool publishes;  // What it makes is put up for all at once (a source or a flush is still
                     // running).
};

// Threads for stages that wait for the outside; one more is started when a task comes and none is
// free. There is room for as many as may be at work at once, and no task waits for another of them,
// so none has to wait for ever.
typedef struct ft_pool {
    ft_mutex lock;
    ft_condition come;
    ft_task *first, *last;
    ft_worker *workers;
    size_t room, started, idle, queued;
    size_t sources;  // Threads that are inside a source, where they may stay.
    bool closed;
} ft_pool;

// ---- memory ----

typedef struct ft_gate_waiter ft_gate_waiter;

typedef struct ft_gate {
    ft_mutex lock;  // Guards all of this.
    ft_flight *oldest, *youngest;
    ft_gate_waiter *waiters;  // Oldest first.
    ft_atomic_u64 births;
} ft_gate;

typedef enum ft_stop { FT_STOP_NONE, FT_STOP_SOURCES, FT_STOP_NOW } ft_stop;

struct ft_run {
    const ft_plan *plan;
    ft_run_settings settings;
    ft_arena *arena;     // Nodes, edges, lanes.
    ft_arena *immortal;  // What stages load.
    ft_account account;
    int threads;
    ft_node *nodes;  // [node_count], in the plan's order.
    size_t node_count;
    ft_stream *streams;  // [stream_count], by rank.
    size_t stream_count;
    ft_node **sources;  // [source_count]
    size_t source_count;
    ft_domain *domains;  // All there are.
    ft_chain *chains;    // All there are.
    ft_zygote *zygote;   // NULL without chains.
    uint32_t *order;     // [node_count]: upstream first.

    ft_worker *workers;  // [worker_room]: the threads of the run, then spares.
    ft_ring *rings;      // [worker_room]
    size_t worker_room;
    ft_task_list injected;
    ft_pool pool;

    // Parking: see scheduler.c.
    ft_idle idle;
    ft_mutex idle_lock;  // Guards the next block.
    ft_condition spare_wake;
    int64_t spare_tokens, spares_parked;
    ft_atomic_i64 workers_started;
    // Workers that wait for memory, those that were left behind for good, and spares that stand in
    // for both.
    int64_t blocked, replaced, spares_out;
    ft_atomic_i64
        active;  // Threads that can still do something by themselves, and tasks given to the pool.
    ft_atomic_u64 resumed;  // How often somebody became active when nobody was.
    ft_atomic_u32 over;     // Threads are to leave.

    ft_gate gate;
    struct ft_watch *watches;         // [worker_room]: runaway.h
    struct ft_monitor *monitor;       // monitor.h
    struct ft_global_lock *one_lock;  // global_lock.h; NULL without --global-lock.
    bool is_abandoned;  // A thread is still inside a stage, and keeps the run: nothing is freed.
    ft_run *next_kept;

    ft_atomic_u32 stop;        // ft_stop
    ft_atomic_u32 cancels;     // Calls of ft_run_cancel.
    ft_atomic_u32 failing;     // An error is set: nothing from its ticket on is done any more.
    bool is_committed;         // Every sink has.
    ft_atomic_u32 ends_badly;  // A turn has failed; for the accounts only.
    ft_atomic_i64 unfinished;  // Nodes.
    void *bell;                // Semaphore that the waiting thread sleeps on.
    ft_mutex enough_lock;      // Guards said_enough of all nodes.

    ft_mutex error_lock;  // Guards the next three, and the calls of on_item_error.
    ft_error error;
    ft_ticket error_ticket;
    const ft_plan_node *error_node;

    ft_atomic_u64 items_read, items_failed_events;
    ft_atomic_u64 written, dropped, failed, held, left_behind;  // Rows of lineages that are done.
    ft_atomic_u32 loose_failed, loose_written;  // Of items without a lineage (a gather's result).
    int64_t started_ns_own;                     // The same, for the run's own threads.
    ft_atomic_i64 started_ns, ended_ns;
    ft_mutex trace_lock;      // Guards settings.trace and the next two.
    ft_trace_buffer *traces;  // One for each thread that has worked; NULL without a trace.
    bool traced_any;
    ft_run_stats stats;
};
