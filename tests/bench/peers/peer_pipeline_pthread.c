/* What people write by hand for a line of five serial stages with POSIX threads.
 *
 *   peer_pipeline_pthread stages|workers THREADS MESSAGES ROUNDS    prints {"ns": ... for a
 * message}
 *
 *   stages    a thread for each stage, bounded queues of 256 between them (THREADS is not used)
 *   workers   THREADS threads, each takes a message through all stages, a mutex around each stage
 *
 * A stage adds 1 to the message and works for ROUNDS of workload_spin, as ours does. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/bench_workload.h"

enum { STAGES = 5, ROOM = 256, THREADS_MAX = 64 };

typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t filled, emptied;
    int64_t *items[ROOM];
    size_t head, count;
} queue;

static queue queues[STAGES];
static pthread_mutex_t locks[STAGES];
static int64_t *numbers, message_count, round_count;
static _Atomic int64_t next_message;

static void push(queue *q, int64_t *item)
{
    pthread_mutex_lock(&q->lock);
    while (q->count == ROOM)
        pthread_cond_wait(&q->emptied, &q->lock);
    q->items[(q->head + q->count++) % ROOM] = item;
    pthread_cond_signal(&q->filled);
    pthread_mutex_unlock(&q->lock);
}

static int64_t *pop(queue *q)
{
    pthread_mutex_lock(&q->lock);
    while (q->count == 0)
        pthread_cond_wait(&q->filled, &q->lock);
    int64_t *item = q->items[q->head];
    q->head = (q->head + 1) % ROOM;
    q->count--;
    pthread_cond_signal(&q->emptied);
    pthread_mutex_unlock(&q->lock);
    return item;
}

static void *run_stage(void *host)
{
    const size_t at = (size_t)((queue *)host - queues);

    for (int64_t i = 0; i < message_count; i++) {
        int64_t *item = pop(&queues[at]);
        workload_spin(round_count);
        ++*item;
        if (at + 1 < STAGES)
            push(&queues[at + 1], item);
    }
    return NULL;
}

static void *run_worker(void *host)
{
    int64_t at;

    (void)host;
    while ((at = atomic_fetch_add(&next_message, 1)) < message_count)
        for (int stage = 0; stage < STAGES; stage++) {
            pthread_mutex_lock(&locks[stage]);
            workload_spin(round_count);
            ++numbers[at];
            pthread_mutex_unlock(&locks[stage]);
        }
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t threads[THREADS_MAX];
    struct timespec from, to;

    if (argc != 5 || atoi(argv[2]) < 1 || atoi(argv[2]) > THREADS_MAX)
        return 2;
    int is_workers = strcmp(argv[1], "workers") == 0;
    int count = is_workers ? atoi(argv[2]) : STAGES;
    message_count = atoll(argv[3]);
    round_count = atoll(argv[4]);
    numbers = calloc((size_t)message_count, sizeof(*numbers));
    for (int i = 0; i < STAGES; i++) {
        pthread_mutex_init(&queues[i].lock, NULL);
        pthread_cond_init(&queues[i].filled, NULL);
        pthread_cond_init(&queues[i].emptied, NULL);
        pthread_mutex_init(&locks[i], NULL);
    }
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (int i = 0; i < count; i++)
        pthread_create(&threads[i], NULL, is_workers ? run_worker : run_stage, &queues[i % STAGES]);
    for (int64_t i = 0; !is_workers && i < message_count; i++)
        push(&queues[0], &numbers[i]);
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    clock_gettime(CLOCK_MONOTONIC, &to);
    for (int64_t i = 0; i < message_count; i++)
        if (numbers[i] != STAGES)
            return 1;
    double ns = (double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec);
    printf("{\"ns\":%g}\n", ns / (double)message_count);
    return 0;
}
