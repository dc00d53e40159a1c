// Facts about the program itself: what of the runtime is active, and if not, why not. What runs
// without a global lock, and where something else stands in, is said here in one place.
//
// Parts of the runtime that a build may lack are looked for by their headers, so that this page
// cannot claim what is not there.
#include <stdio.h>
#ifndef FT_SANITIZED
#include <mimalloc.h>
#endif

#include "cli/doctor.h"
#include "runtime/concurrent/elide.h"
#include "runtime/system/topology.h"

static const char group[] = "runtime";

static void add(ft_facts *facts, const char *name, ft_fact_state state, const char *value,
                const char *advice)
{
    ft_facts_add(facts, (ft_fact){group, name, state, value, advice});
}

static void add_memory(ft_facts *facts)
{
#ifdef FT_SANITIZED
    add(facts, "allocator", FT_FACT_POOR, "libc's, under a sanitizer",
        "For speed use a build without FTPIPE_SANITIZE.");
#else
    int version = mi_version();
    add(facts, "allocator", FT_FACT_GOOD,
        ft_facts_text(facts, "mimalloc %d.%d.%d, a heap for each thread", version / 100,
                      version / 10 % 10, version % 10),
        NULL);
#endif
    add(facts, "BLAS", FT_FACT_GOOD, "none: own kernels, on the run's own threads", NULL);
#if __has_include("runtime/system/lease.h")
    add(facts, "reference counts", FT_FACT_GOOD, "biased to the lease that owns the object", NULL);
#else
    add(facts, "reference counts", FT_FACT_NOTE, "atomic in this build", NULL);
#endif
#if __has_include("runtime/memory/epoch.h")
    add(facts, "reclamation", FT_FACT_GOOD, "epochs, driven by bytes", NULL);
#else
    add(facts, "reclamation", FT_FACT_NOTE, "by reference counts alone in this build", NULL);
#endif
#if __has_include("runtime/memory/collector.h")
    add(facts, "cycle collector", FT_FACT_GOOD, "active when scripts share objects; no pauses",
        NULL);
#else
    add(facts, "cycle collector", FT_FACT_NOTE, "not in this build: nothing makes cycles", NULL);
#endif
}

static void add_elision(ft_facts *facts)
{
    add(facts, "lock elision", FT_FACT_GOOD, ft_elide_describe(), NULL);
}

static void add_scheduler(ft_facts *facts)
{
    ft_topology machine;

    ft_topology_read(facts->root, &machine);
    add(facts, "global lock", FT_FACT_GOOD, "none: stages run on all workers", NULL);
#if __has_include("engine/runaway.h")
    add(facts, "runaway monitor", FT_FACT_GOOD, "active in a run: an endless stage is left behind",
        NULL);
#else
    add(facts, "runaway monitor", FT_FACT_NOTE,
        "not in this build: an endless stage keeps its thread", NULL);
#endif
    add(facts, "quota", FT_FACT_GOOD,
        machine.quota > 0 ? ft_facts_text(facts, "obeyed: %d workers", machine.workers)
                          : "none to obey",
        NULL);
}

void ft_doctor_program(ft_facts *facts)
{
    add(facts, "version", FT_FACT_GOOD, FT_VERSION, NULL);
    add_scheduler(facts);
    add_memory(facts);
    add_elision(facts);
}
