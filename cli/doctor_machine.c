// Facts about the machine, from /proc, /sys and three system calls that are tried and take nothing.
// _GNU_SOURCE for syscall and prlimit's RLIMIT_NICE.
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cli/doctor.h"
#include "cli/terminal.h"
#include "runtime/system/topology.h"
#include "stages/nn/kernel/isa.h"

enum { CACHES_MAX = 8, NODES_MAX = 64, PATH_BYTES = 128, NICE_ZERO = 20, IO_URING_BYTES = 120 };

static const char group[] = "machine";

static void add(ft_facts *facts, const char *name, ft_fact_state state, const char *value,
                const char *advice)
{
    ft_facts_add(facts, (ft_fact){group, name, state, value, advice});
}

static void add_cores(ft_facts *facts, const ft_topology *machine)
{
    const char *online = ft_facts_line(facts, "/sys/devices/system/cpu/online");
    long present = sysconf(_SC_NPROCESSORS_ONLN);
    bool all = machine->cpus_allowed >= present;

    ft_slice model = ft_slice_trim(ft_slice_of(machine->cpu_model));
    add(facts, "cpu", FT_FACT_GOOD,
        model.size ? ft_facts_text(facts, "%.*s", (int)model.size, model.data) : "not known", NULL);
    add(facts, "cores", FT_FACT_GOOD,
        ft_facts_text(facts, "%ld online%s%s%s", present, online ? " (" : "", online ? online : "",
                      online ? ")" : ""),
        NULL);
    add(facts, "affinity", all ? FT_FACT_GOOD : FT_FACT_NOTE,
        ft_facts_text(facts, "%d of them allowed", machine->cpus_allowed),
        all ? NULL : "The others are kept from this process: taskset, cpuset or the container.");
    if (machine->quota <= 0)
        add(facts, "quota", FT_FACT_GOOD, "none", NULL);
    else
        add(facts, "quota", machine->quota < machine->cpus_allowed ? FT_FACT_NOTE : FT_FACT_GOOD,
            ft_facts_text(facts, "%.2f CPUs by cgroup", machine->quota),
            machine->quota < machine->cpus_allowed
                ? "Past it the kernel stops all threads for the rest of each period."
                : NULL);
    add(facts, "workers", FT_FACT_GOOD,
        ft_facts_text(facts, "%d: the least of affinity and quota, at least 1", machine->workers),
        NULL);
}

// "L2 2048K unified, shared by 0-1", of the first core.
static void add_caches(ft_facts *facts)
{
    char path[PATH_BYTES];
    bool any = false;

    for (int i = 0; i < CACHES_MAX; i++) {
        snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu0/cache/index%d/level", i);
        const char *level = ft_facts_line(facts, path);
        snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu0/cache/index%d/size", i);
        const char *size = level ? ft_facts_line(facts, path) : NULL;
        snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu0/cache/index%d/type", i);
        const char *type = size ? ft_facts_line(facts, path) : NULL;
        snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu0/cache/index%d/shared_cpu_list",
                 i);
        const char *shared = type ? ft_facts_line(facts, path) : NULL;
        if (!shared)
            continue;
        any = true;
        add(facts, ft_facts_text(facts, "cache L%s", level), FT_FACT_GOOD,
            ft_facts_text(facts, "%s %s, of CPUs %s", size, type, shared), NULL);
    }
    if (!any)
        add(facts, "cache", FT_FACT_NOTE, "not told by this system", NULL);
}

static void add_numa(ft_facts *facts)
{
    char path[PATH_BYTES];
    int nodes = 0;

    for (int i = 0; i < NODES_MAX; i++) {
        snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/cpulist", i);
        const char *cpus = ft_facts_line(facts, path);
        if (!cpus)
            continue;
        nodes++;
        add(facts, ft_facts_text(facts, "NUMA node %d", i), FT_FACT_GOOD,
            ft_facts_text(facts, "CPUs %s", *cpus ? cpus : "none"), NULL);
    }
    if (nodes == 0)
        add(facts, "NUMA", FT_FACT_GOOD, "one node: not told by this system", NULL);
    if (nodes > 1)
        add(facts, "NUMA binding", FT_FACT_NOTE, "threads are not bound to nodes",
            "Run one process for each node: `numactl --cpunodebind=N --membind=N ftpipe run ...`.");
}

static void add_memory(ft_facts *facts, const ft_topology *machine)
{
    char physical[FT_FIGURE_BYTES], limit[FT_FIGURE_BYTES];
    const char *huge = ft_facts_line(facts, "/sys/kernel/mm/transparent_hugepage/enabled");
    bool never = huge && strstr(huge, "[never]");

    add(facts, "memory", FT_FACT_GOOD,
        ft_facts_text(facts, "%s, of which %s may be used",
                      ft_figure_bytes(machine->memory_bytes, physical),
                      ft_figure_bytes(machine->memory_limit_bytes, limit)),
        NULL);
    add(facts, "huge pages", never ? FT_FACT_NOTE : FT_FACT_GOOD, huge ? huge : "not told",
        never ? "Large tensors gain by them: echo madvise > "
                "/sys/kernel/mm/transparent_hugepage/enabled"
              : NULL);
}

static void add_isa(ft_facts *facts)
{
    ft_isa best = FT_ISA_GENERIC;

    for (int i = 0; i < FT_ISA_COUNT; i++)
        if (ft_isa_has((ft_isa)i))
            best = (ft_isa)i;
    bool forced = ft_isa_level() != best;
    add(facts, "instructions", forced ? FT_FACT_POOR : FT_FACT_GOOD,
        ft_facts_text(facts, "%s in use, %s available", ft_isa_name(ft_isa_level()),
                      ft_isa_name(best)),
        forced ? "FTPIPE_ISA holds the kernels back: unset it." : NULL);
}

// A thread may be made nicer without leave; back to normal only within this limit.
static void add_nice(ft_facts *facts)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NICE, &limit) != 0)
        return;
    long least = limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur > 40
                     ? -NICE_ZERO
                     : NICE_ZERO - (long)limit.rlim_cur;
    if (least > 19)
        least = 19;
    bool back = least <= 0 || geteuid() == 0;
    add(facts, "nice limit", back ? FT_FACT_GOOD : FT_FACT_NOTE,
        geteuid() == 0 ? "none: root" : ft_facts_text(facts, "down to %ld", least),
        back ? NULL : "A thread that was set back cannot be raised again: ulimit -e 20.");
}

static const char *state_of(long result)
{
    if (result >= 0)
        return "available";
    return errno == EPERM || errno == EACCES ? "denied (seccomp or sysctl)" : "not in this kernel";
}

static void add_kernel(ft_facts *facts)
{
    char parameters[IO_URING_BYTES] = {0};

#ifdef SYS_io_uring_setup
    long ring = syscall(SYS_io_uring_setup, 1, parameters);
    add(facts, "io_uring", FT_FACT_NOTE,
        ft_facts_text(facts, "%s, not used: files are read by read(2), each source on a thread",
                      state_of(ring)),
        NULL);
    if (ring >= 0)
        close((int)ring);
#endif
#ifdef SYS_membarrier
    long commands = syscall(SYS_membarrier, 0, 0, 0);
    bool usable = commands > 0 && (commands & (1 << 3));  // MEMBARRIER_CMD_PRIVATE_EXPEDITED.
    add(facts, "membarrier", usable ? FT_FACT_GOOD : FT_FACT_NOTE,
        usable ? "available, private expedited" : state_of(commands > 0 ? 0 : commands), NULL);
#endif
    (void)parameters;
}

void ft_doctor_machine(ft_facts *facts)
{
    ft_topology machine;

    ft_topology_read(facts->root, &machine);
    add_cores(facts, &machine);
    add_caches(facts);
    add_numa(facts);
    add_memory(facts, &machine);
    add_isa(facts);
    add_nice(facts);
    add_kernel(facts);
}
