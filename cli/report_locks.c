// A lock is called a bottleneck when at least half of all waiting was for it and that was at least
// a tenth of what the run's threads could have worked: then it is where the run queues. Utilization
// is told without that too, since a lock that is held most of the time has room for no more
// threads, whether or not they wait yet.
#include "cli/report_locks.h"

#include <string.h>

#include "runtime/concurrent/contention.h"
#include "runtime/concurrent/parking.h"
#include "runtime/data/json.h"
#include "runtime/memory/alloc.h"

enum { LOCKS_SHOWN = 10, LARGE_BYTES = 16 << 20, TIMED_MIN = 16 };
static const double bottleneck_share = 0.1, bottleneck_part = 0.5, heavy_use = 0.5;

void ft_report_locks_start(void)
{
    ft_contention_start();
    ft_lock_profile_enable(true);
    ft_alloc_measure(true);
}

void ft_report_locks_stop(void)
{
    ft_contention_stop();
    ft_lock_profile_enable(false);
    ft_alloc_measure(false);
}

typedef struct {
    ft_contention locks[LOCKS_SHOWN];
    size_t count;
    double all_wait_ns, capacity_ns;
    const ft_contention *bottleneck;  // NULL: none.
} findings;

static const char *holder_of(const ft_contention *lock)
{
    return lock->holder ? lock->holder : "the engine";
}

static double use_of(const ft_contention *lock, const ft_run_stats *stats)
{
    double use = stats->elapsed_ns > 0 ? (double)lock->hold_ns / (double)stats->elapsed_ns : 0;
    return use > 1 ? 1 : use;
}

// The locks of one byte of shared collections, summed up by class; in the order of the others.
static void add_class(const ft_lock_class *class_of, void *host)
{
    findings *out = host;
    // Relaxed: the run is over.
    const char *holder = ft_atomic_load(&class_of->holder, FT_RELAXED);
    ft_contention found = {.lock = class_of->name,
                           .holder = holder ? holder : "not known",
                           .waits = ft_atomic_load(&class_of->contentions, FT_RELAXED),
                           .wait_ns = ft_atomic_load(&class_of->wait_ns, FT_RELAXED),
                           .max_wait_ns = ft_atomic_load(&class_of->max_wait_ns, FT_RELAXED)};
    size_t at = out->count < LOCKS_SHOWN ? out->count++ : LOCKS_SHOWN;

    for (; at > 0 && out->locks[at - 1].wait_ns < found.wait_ns; at--)
        if (at < LOCKS_SHOWN)
            out->locks[at] = out->locks[at - 1];
    if (at < LOCKS_SHOWN)
        out->locks[at] = found;
}

// Few timed holds may stand for much by chance: they are no ground for a warning.
static bool is_heavy(const ft_contention *lock, const ft_run_stats *stats)
{
    return lock->timed >= TIMED_MIN && use_of(lock, stats) >= heavy_use;
}

static void find(const ft_run_stats *stats, findings *out)
{
    *out = (findings){.capacity_ns = (double)stats->elapsed_ns * stats->threads};
    size_t count = ft_contention_get(out->locks, LOCKS_SHOWN);
    // A lock that nobody waited for is only told of when that is about to change.
    for (size_t i = 0; i < count; i++)
        if (out->locks[i].waits > 0 || is_heavy(&out->locks[i], stats))
            out->locks[out->count++] = out->locks[i];
    ft_lock_profile_visit(add_class, out);
    for (size_t i = 0; i < out->count; i++)
        out->all_wait_ns += (double)out->locks[i].wait_ns;
    if (out->count == 0)
        return;
    double wait = (double)out->locks[0].wait_ns;
    if (wait >= bottleneck_part * out->all_wait_ns && wait >= bottleneck_share * out->capacity_ns)
        out->bottleneck = &out->locks[0];
}

// ---- text ----

static void put_lock(const ft_contention *lock, const ft_run_stats *stats, ft_text *out)
{
    char waits[FT_FIGURE_BYTES], waited[FT_FIGURE_BYTES], most[FT_FIGURE_BYTES];

    ft_text_format(out, "  %-16s %-16s %12s %10s %10s %6.0f %%\n", lock->lock, holder_of(lock),
                   ft_figure_count(lock->waits, waits),
                   ft_figure_time((int64_t)lock->wait_ns, waited),
                   ft_figure_time((int64_t)lock->max_wait_ns, most), 100 * use_of(lock, stats));
}

static void put_bottleneck(const findings *found, const ft_run_stats *stats, ft_text *out)
{
    const ft_contention *lock = found->bottleneck;

    if (lock)
        ft_text_format(out,
                       "  `%s` makes the run queue for `%s`: %.0f %% of the time of all threads "
                       "was spent waiting for it\n"
                       "    hold it shorter, give each instance or key a lock of its own, or "
                       "declare the stage `one`\n",
                       holder_of(lock), lock->lock,
                       100 * (double)lock->wait_ns / found->capacity_ns);
    for (size_t i = 0; i < found->count; i++)
        if (&found->locks[i] != lock && is_heavy(&found->locks[i], stats))
            ft_text_format(out, "  `%s` is held %.0f %% of the run by `%s`: few more threads fit\n",
                           found->locks[i].lock, 100 * use_of(&found->locks[i], stats),
                           holder_of(&found->locks[i]));
}

static bool is_overuse(const ft_stage_stats *stage)
{
    return stage->opened > 1 && stage->kept_bytes / stage->opened >= LARGE_BYTES;
}

static void put_memory(const ft_run_stats *stats, ft_text *out)
{
    char each[FT_FIGURE_BYTES], all[FT_FIGURE_BYTES];

    ft_text_append_string(out, "kept by each instance\n");
    for (size_t i = 0; i < stats->stage_count; i++) {
        const ft_stage_stats *stage = &stats->stages[i];
        if (stage->opened == 0)
            continue;
        ft_text_format(out, "  %-16s %lld x %s = %s\n", stage->name, (long long)stage->opened,
                       ft_figure_bytes(stage->kept_bytes / stage->opened, each),
                       ft_figure_bytes(stage->kept_bytes, all));
        if (is_overuse(stage))
            ft_text_format(out,
                           "    `%s` keeps much for every thread: what is only read is made once "
                           "in `load`; fewer `workers:` keep less\n",
                           stage->name);
    }
}

void ft_report_locks_put_text(const ft_run_stats *stats, ft_text *out)
{
    findings found;

    find(stats, &found);
    if (found.count == 0) {
        ft_text_append_string(out, "locks: nobody waited for one\n");
    } else {
        ft_text_format(out, "%-18s %-16s %12s %10s %10s %8s\n", "locks", "held by", "waits",
                       "waited", "longest", "in use");
        for (size_t i = 0; i < found.count; i++)
            put_lock(&found.locks[i], stats, out);
        put_bottleneck(&found, stats, out);
    }
    put_memory(stats, out);
}

// ---- JSON ----

static void put_member(ft_text *out, const char *name, const char *value)
{
    ft_text_format(out, "\"%s\":", name);
    ft_json_put_string(out, ft_slice_of(value));
}

void ft_report_locks_put_json(const ft_run_stats *stats, ft_text *out)
{
    findings found;

    find(stats, &found);
    ft_text_append_string(out, "{\"v\":1,\"locks\":[");
    for (size_t i = 0; i < found.count; i++) {
        const ft_contention *lock = &found.locks[i];
        ft_text_append_string(out, i ? ",\n{" : "\n{");
        put_member(out, "lock", lock->lock);
        ft_text_append_char(out, ',');
        put_member(out, "holder", holder_of(lock));
        ft_text_format(
            out, ",\"waits\":%llu,\"wait_ns\":%llu,\"max_wait_ns\":%llu,\"utilization\":%.4f}",
            (unsigned long long)lock->waits, (unsigned long long)lock->wait_ns,
            (unsigned long long)lock->max_wait_ns, use_of(lock, stats));
    }
    ft_text_append_string(out, "\n],\"memory\":[");
    for (size_t i = 0; i < stats->stage_count; i++) {
        const ft_stage_stats *stage = &stats->stages[i];
        ft_text_append_string(out, i ? ",\n{" : "\n{");
        put_member(out, "stage", stage->name);
        ft_text_format(out, ",\"instances\":%lld,\"bytes\":%lld,\"overuse\":%s}",
                       (long long)stage->opened, (long long)stage->kept_bytes,
                       is_overuse(stage) ? "true" : "false");
    }
    ft_text_format(out, "\n],\"elapsed_ns\":%lld,\"threads\":%d,\"bottleneck\":",
                   (long long)stats->elapsed_ns, stats->threads);
    if (found.bottleneck) {
        ft_text_append_char(out, '{');
        put_member(out, "lock", found.bottleneck->lock);
        ft_text_append_char(out, ',');
        put_member(out, "stage", holder_of(found.bottleneck));
        ft_text_format(out, ",\"share\":%.4f}",
                       (double)found.bottleneck->wait_ns / found.capacity_ns);
    } else {
        ft_text_append_string(out, "null");
    }
    ft_text_append_string(out, "}\n");
}
