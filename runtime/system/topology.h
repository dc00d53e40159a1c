// How many cores we may use: the affinity mask, and the quota of cgroup v1 or v2 at every level.
#pragma once

#include "runtime/error.h"

typedef struct ft_topology {
    int cpus_allowed;            // By the affinity mask.
    double quota;                // CPUs by cgroup quota; 0: none.
    int workers;                 // max(1, min(cpus_allowed, ceil(quota))).
    int64_t memory_bytes;        // Physical.
    int64_t memory_limit_bytes;  // The lowest cgroup limit, or physical.
    char cpu_model[64];
} ft_topology;

// `root` is put before /proc and /sys: "" for the machine, a folder of fake files in tests.
void ft_topology_read(const char *root, ft_topology *out);
