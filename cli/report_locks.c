// A lock is called a bottleneck when at least half of all waiting was for it and that was at least
// a tenth of what the run's threads could have worked: then it is where the run queues. Utilization
// is told without that too, since a lock that is held most of the time has room for no more
// threads, whether or not they wait yet.
#include "cli/report_locks.h"

#include <string.h>
#include <sys/resource.h>

#include "runtime/concurrent/contention.h"
#include "runtime/concurrent/parking.h"
#include "runtime/data/json.h"
#include "runtime/memory/alloc.h"

enum { LOCKS_SHOWN = 10, LARGE_BYTES = 16 << 20, TIMED_MIN = 16, FAR_ABOVE = 4 };
static const double bottleneck_share = 0.1, bottleneck_part = 0.5, heavy_use = 0.5,
                    large_part = 0.5;

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

// ---- workers' memory ----

typedef struct {
    size_t count;  // Workers that have instances of their own.
    int64_t kept_bytes, resident_bytes;
    bool is_overuse;  // What workers keep is most of what the process had, and there are several.
} worker_sums;

static bool has_instances(const ft_worker_stats *worker)
{
    return worker->largest != NULL;
}

static void add_up(const ft_run_stats *stats, worker_sums *out)
{
    struct rusage usage = {0};

    *out = (worker_sums){0};
    for (size_t i = 0; i < stats->worker_count; i++) {
        out->count += has_instances(&stats->workers[i]);
        out->kept_bytes += stats->workers[i].kept_bytes;
    }
    getrusage(RUSAGE_SELF, &usage);
    out->resident_bytes = (int64_t)usage.ru_maxrss << 10;
    out->is_overuse = out->count > 1 && out->kept_bytes >= (int64_t)out->count * LARGE_BYTES &&
                      (double)out->kept_bytes >= large_part * (double)out->resident_bytes;
}

// How many times as much as the others keep on average; 0: there are no others, or it is little.
static double times_others(const ft_worker_stats *worker, const worker_sums *sums)
{
    if (!has_instances(worker) || sums->count < 2 || worker->kept_bytes < LARGE_BYTES)
        return 0;
    double others = (double)(sums->kept_bytes - worker->kept_bytes) / (double)(sums->count - 1);
    return (double)worker->kept_bytes / (others < 1 ? 1 : others);
}

static void put_workers(const ft_run_stats *stats, ft_text *out)
{
    char kept[FT_FIGURE_BYTES], most[FT_FIGURE_BYTES], pool[FT_FIGURE_BYTES];
    worker_sums sums;

    add_up(stats, &sums);
    if (sums.count == 0)
        return;
    ft_text_append_string(out, "kept by each worker\n");
    for (size_t i = 0; i < stats->worker_count; i++) {
        const ft_worker_stats *worker = &stats->workers[i];
        if (!has_instances(worker))
            continue;
        ft_text_format(out, "  worker %-9zu %s (`%s` %s), and %s in free blocks\n", i,
                       ft_figure_bytes(worker->kept_bytes, kept), worker->largest->name,
                       ft_figure_bytes(worker->largest_bytes, most),
                       ft_figure_bytes(worker->pool_bytes, pool));
        if (times_others(worker, &sums) >= FAR_ABOVE)
            ft_text_format(out, "    %.0f times what each of the others keeps\n",
                           times_others(worker, &sums));
    }
    if (sums.is_overuse)
        ft_text_format(out,
                       "  workers keep %s for themselves, of %s that the process had at most: what "
                       "all may read is kept once, in `load` or in a shared collection\n",
                       ft_figure_bytes(sums.kept_bytes, kept),
                       ft_figure_bytes(sums.resident_bytes, most));
}

static void put_workers_json(const ft_run_stats *stats, ft_text *out)
{
    worker_sums sums;
    bool is_first = true;

    add_up(stats, &sums);
    ft_text_append_string(out, "\n],\"workers\":[");
    for (size_t i = 0; i < stats->worker_count; i++) {
        const ft_worker_stats *worker = &stats->workers[i];
        if (!has_instances(worker))
            continue;
        ft_text_format(
            out, "%s\n{\"worker\":%zu,\"bytes\":%lld,\"free_block_bytes\":%lld,\"most\":",
            is_first ? "" : ",", i, (long long)worker->kept_bytes, (long long)worker->pool_bytes);
        ft_json_put_string(out, ft_slice_of(worker->largest->name));
        ft_text_format(out, ",\"far_above_others\":%s}",
                       times_others(worker, &sums) >= FAR_ABOVE ? "true" : "false");
        is_first = false;
    }
    ft_text_format(out, "\n],\"worker_bytes\":%lld,\"resident_bytes\":%lld,\"worker_overuse\":%s",
                   (long long)sums.kept_bytes, (long long)sums.resident_bytes,
                   sums.is_overuse ? "true" : "false");
}

// ---- stages' memory, in text ----

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
    put_workers(stats, out);
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
    put_workers_json(stats, out);
    ft_text_format(out, ",\"elapsed_ns\":%lld,\"threads\":%d,\"bottleneck\":",
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
