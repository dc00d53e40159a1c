// Facts about the program itself: what of the runtime is active, and if not, why not. What runs
// without a global lock, and where something else stands in, is said here in one place.
#include <stdio.h>
#ifndef FT_SANITIZED
#include <mimalloc.h>
#endif

#include "cli/doctor.h"
#include "cli/surroundings.h"
#include "cli/terminal.h"
#include "runtime/concurrent/elide.h"
#include "runtime/system/build_id.h"
#include "runtime/system/topology.h"
#include "stages/nn/kernel/blas.h"
#include "stages/nn/kernel/isa.h"
#include "stages/nn/packed_store.h"
#include "stages/text/tokenizer_store.h"

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
    add(facts, "reference counts", FT_FACT_GOOD, "biased to the lease that owns the object", NULL);
    add(facts, "reclamation", FT_FACT_GOOD, "epochs, driven by bytes", NULL);
    add(facts, "cycle collector", FT_FACT_GOOD, "active when scripts share objects; no pauses",
        NULL);
}

// As the encoder chooses (stages/nn/encoder_model.c).
static void add_blas(ft_facts *facts)
{
    const char *kernels = ft_surroundings_variable("OPENBLAS_CORETYPE");
    bool is_used = ft_isa_level() == FT_ISA_GENERIC && ft_blas_load();

    if (ft_isa_level() != FT_ISA_GENERIC)
        add(facts, "BLAS", FT_FACT_GOOD,
            ft_facts_text(facts, "none: own %s kernels, on the run's own threads",
                          ft_isa_name(ft_isa_level())),
            NULL);
    else if (ft_isa_has(FT_ISA_AVX2))
        add(facts, "BLAS", FT_FACT_NOTE,
            is_used ? ft_blas_describe() : "no libopenblas.so.0: own generic kernels",
            "Unset FTPIPE_ISA, so that our own kernels for this processor run.");
    else if (is_used)
        add(facts, "BLAS", FT_FACT_GOOD, ft_blas_describe(), NULL);
    else
        add(facts, "BLAS", FT_FACT_POOR, "no libopenblas.so.0: own generic kernels",
            "Install OpenBLAS (Debian: libopenblas0-pthread).");
    if (kernels && is_used)
        add(facts, "OPENBLAS_CORETYPE", FT_FACT_NOTE,
            ft_facts_text(facts, "%s: OpenBLAS uses the kernels for that", kernels),
            "Unset it, so that OpenBLAS picks the kernels for this processor.");
    else if (kernels)
        add(facts, "OPENBLAS_CORETYPE", FT_FACT_GOOD,
            ft_facts_text(facts, "%s: without effect, OpenBLAS is not used", kernels), NULL);
}

// No lock of the program is an ft_elide_lock: docs/decisions.md says why.
static void add_elision(ft_facts *facts)
{
    bool has_transactions = ft_elide_get_ops() != NULL;

    add(facts, "lock elision", has_transactions ? FT_FACT_NOTE : FT_FACT_GOOD,
        has_transactions
            ? "not used: what this CPU's transactions would win was never measured"
            : "not used: the CPU has no transactions, and sequence locks are slower here",
        NULL);
}

// What is kept so that the next start is quick.
static void add_tokenizers(ft_facts *facts)
{
    const char *folder = ft_surroundings_tokenizers(facts->arena);
    char size[FT_FIGURE_BYTES];
    ft_tokenizers_kept kept;

    if (!ft_build_id().data) {
        add(facts, "tokenizers", FT_FACT_NOTE, "not kept: this program has no build id",
            "Each start compiles its tokenizer anew. Link with --build-id.");
        return;
    }
    if (!folder) {
        add(facts, "tokenizers", FT_FACT_NOTE, "not kept: there is no folder for them",
            "Each start compiles its tokenizer anew. Set XDG_CACHE_HOME.");
        return;
    }
    ft_tokenizer_store_look(folder, facts->arena, &kept);
    add(facts, "tokenizers", FT_FACT_GOOD,
        kept.count == 0 ? ft_facts_text(facts, "none compiled yet in %s", folder)
                        : ft_facts_text(facts, "%zu compiled, %s, in %s", kept.count,
                                        ft_figure_bytes((int64_t)kept.size_bytes, size), folder),
        NULL);
}

static void add_weights(ft_facts *facts)
{
    const char *folder = ft_surroundings_weights(facts->arena);
    char size[FT_FIGURE_BYTES];
    uint64_t size_bytes;
    size_t count;

    if (!ft_digest_is_built_in()) {
        add(facts, "weights", FT_FACT_NOTE, "not kept: this program was built without libsodium",
            "Each start lays bf16 and int8 weights out anew. Build where libsodium's headers are.");
        return;
    }
    if (!ft_build_id().data || !folder) {
        add(facts, "weights", FT_FACT_NOTE,
            folder ? "not kept: this program has no build id"
                   : "not kept: there is no folder for them",
            folder ? "Each start lays bf16 and int8 weights out anew. Link with --build-id."
                   : "Each start lays bf16 and int8 weights out anew. Set XDG_CACHE_HOME.");
        return;
    }
    ft_packed_look(folder, facts->arena, &count, &size_bytes);
    add(facts, "weights", FT_FACT_GOOD,
        count == 0 ? ft_facts_text(facts, "none of bf16 or int8 kept yet in %s", folder)
                   : ft_facts_text(facts, "%zu kept, %s, in %s", count,
                                   ft_figure_bytes((int64_t)size_bytes, size), folder),
        NULL);
}

static void add_scheduler(ft_facts *facts)
{
    ft_topology machine;

    ft_topology_read(facts->root, &machine);
    add(facts, "global lock", FT_FACT_GOOD, "none: stages run on all workers", NULL);
    add(facts, "runaway monitor", FT_FACT_GOOD, "active in a run: an endless stage is left behind",
        NULL);
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
    add_blas(facts);
    add_elision(facts);
    add_tokenizers(facts);
    add_weights(facts);
}
