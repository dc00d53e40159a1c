// The collections of liburcu under the load of cli/bench_workload.h: the lock-free hash table and
// the lock-free stack.
//
//   peer_collections_urcu dict|stack THREADS OPERATIONS      prints {"ns": ... for an operation}
#define _GNU_SOURCE
#define URCU_INLINE_SMALL_FUNCTIONS
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <urcu.h>
#include <urcu/lfstack.h>
#include <urcu/rculfhash.h>

#include "cli/bench_workload.h"

typedef struct {
    struct cds_lfht_node node;
    struct rcu_head head;
    int64_t key, value;
} entry;

typedef struct {
    struct cds_lfs_node node;
    int64_t value;
} cell;

typedef struct {
    int thread, is_stack;
    int64_t operations;
    uint64_t sum;
} job;

static struct cds_lfht *table;
static struct cds_lfs_stack stack;

static unsigned long hash_of(int64_t key)
{
    uint64_t x = (uint64_t)key * UINT64_C(0x9e3779b97f4a7c15);
    return (unsigned long)(x ^ x >> 32);
}

static int matches(struct cds_lfht_node *node, const void *key)
{
    return caa_container_of(node, entry, node)->key == *(const int64_t *)key;
}

static void free_entry(struct rcu_head *head)
{
    free(caa_container_of(head, entry, head));
}

static void put(int64_t key)
{
    entry *made = malloc(sizeof(*made));

    cds_lfht_node_init(&made->node);
    made->key = made->value = key;
    struct cds_lfht_node *old =
        cds_lfht_add_replace(table, hash_of(key), matches, &key, &made->node);
    if (old)
        call_rcu(&caa_container_of(old, entry, node)->head, free_entry);
}

static void use_table(job *j)
{
    workload w = workload_start(j->thread);
    struct cds_lfht_iter found;
    int64_t key;

    for (int64_t i = 0; i < j->operations; i++) {
        workload_kind kind = workload_pick(&w, &key);
        rcu_read_lock();
        if (kind == WORKLOAD_WRITE) {
            put(key);
        } else {
            cds_lfht_lookup(table, hash_of(key), matches, &key, &found);
            struct cds_lfht_node *node = cds_lfht_iter_get_node(&found);
            if (node && kind == WORKLOAD_READ)
                j->sum += (uint64_t)caa_container_of(node, entry, node)->value;
            else if (node && cds_lfht_del(table, node) == 0)
                call_rcu(&caa_container_of(node, entry, node)->head, free_entry);
        }
        rcu_read_unlock();
    }
}

// Popping under the stack's own mutex is its fastest way: without, each node waits for a grace
// period, which costs three times as much on one thread.
static void use_stack(job *j)
{
    for (int64_t i = 0; i < j->operations; i += 2) {
        cell *made = malloc(sizeof(*made));
        cds_lfs_node_init(&made->node);
        made->value = i;
        cds_lfs_push(&stack, &made->node);
        struct cds_lfs_node *node = cds_lfs_pop_blocking(&stack);
        if (node) {
            j->sum += (uint64_t)caa_container_of(node, cell, node)->value;
            free(caa_container_of(node, cell, node));
        }
    }
}

static void *run(void *host)
{
    job *j = host;

    rcu_register_thread();
    if (j->is_stack)
        use_stack(j);
    else
        use_table(j);
    rcu_unregister_thread();
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t threads[64];
    job jobs[64];
    struct timespec from, to;

    if (argc != 4 || atoi(argv[2]) < 1 || atoi(argv[2]) > 64)
        return 2;
    int count = atoi(argv[2]), is_stack = strcmp(argv[1], "stack") == 0;
    int64_t operations = atoll(argv[3]);
    rcu_register_thread();
    cds_lfs_init(&stack);
    table = cds_lfht_new(WORKLOAD_KEYS, 64, 0, CDS_LFHT_AUTO_RESIZE, NULL);
    rcu_read_lock();
    for (int64_t key = 0; !is_stack && key < WORKLOAD_KEYS; key += 2)
        put(key);
    rcu_read_unlock();
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (int i = 0; i < count; i++) {
        jobs[i] = (job){i, is_stack, operations, 0};
        pthread_create(&threads[i], NULL, run, &jobs[i]);
    }
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    clock_gettime(CLOCK_MONOTONIC, &to);
    double ns = (double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec);
    printf("{\"ns\":%g}\n", ns / ((double)operations * count));
    fflush(stdout);
    _Exit(0);
}
