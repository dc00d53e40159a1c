// Throughput over threads, a line a mode. Every round measures every point of every line once, so
// that what else the machine does falls on all of them.
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/bench_rows.h"
#include "cli/bench_scaling.h"

enum { MODES = 3, LEAST_POINTS = 4, TEXT_MAX = 64 * 1024 };

// What is run: embed where its model is, else a network that this program makes.
typedef struct {
    const char *name, *unit, *file;
    double items;
} load;

static const load with_model = {"embed", "texts a second", "embed.yaml", FT_BENCH_TEXTS};
static const load without = {"infer", "items a second", "infer.yaml", FT_BENCH_VECTORS};

typedef struct {
    ft_bench_side sides[MODES][FT_SCALING_POINTS];
    const load *load;
    ft_scaling scaling;
} plot;

// ---- measuring ----

static bool make_side(ft_bench *bench, const ft_bench_scratch *scratch, plot *p, int mode, int n,
                      ft_error *err)
{
    static const char *const flags[MODES] = {"--threads", "--processes", "--threads"};
    const char *workers = ft_arena_format(bench->arena, "%s=%d", flags[mode], n);
    ft_bench_run run = {p->load->file, workers, mode == 2 ? "--global-lock" : NULL, FT_BENCH_WALL,
                        p->load == &with_model};

    if (!workers)
        return ft_fail_nomem(err, 32);
    p->sides[mode][n - 1] = ft_bench_run_side(bench, scratch, p->scaling.lines[mode].name, &run);
    return p->sides[mode][n - 1].function || ft_fail_nomem(err, sizeof(run));
}

static bool make_sides(ft_bench *bench, const ft_bench_scratch *scratch, plot *p, ft_error *err)
{
    size_t room = (size_t)p->scaling.rounds * (size_t)p->scaling.points;

    for (int mode = 0; mode < MODES; mode++) {
        ft_scaling_line *line = &p->scaling.lines[mode];
        line->rates = ft_arena_zero(bench->arena, room, sizeof(double));
        line->is_measured = true;
        if (!line->rates)
            return ft_fail_nomem(err, room * sizeof(double));
        for (int n = 1; n <= p->scaling.points; n++)
            if (!make_side(bench, scratch, p, mode, n, err))
                return false;
    }
    return true;
}

// A line that fails ends there, with its cause.
static void measure_point(plot *p, int round, int mode, int n)
{
    ft_scaling_line *line = &p->scaling.lines[mode];
    ft_error err = FT_ERROR_INIT;
    double seconds = 0;

    if (!line->is_measured)
        return;
    if (!ft_bench_run_once(&p->sides[mode][n - 1], &seconds, &err)) {
        fprintf(stderr, "ftpipe: %s with %d workers: %s\n", line->name, n, err.message);
        line->is_measured = false;
    } else if (round >= 0) {
        line->rates[round * p->scaling.points + n - 1] = p->load->items / seconds;
    }
}

static void measure(plot *p)
{
    for (int round = -1; round < p->scaling.rounds; round++) {  // The first one warms up.
        if (isatty(STDERR_FILENO))
            fprintf(stderr, "\r\033[Kmeasuring: %s, round %d", p->scaling.title, round + 1);
        for (int n = 1; n <= p->scaling.points; n++)
            for (int mode = 0; mode < MODES; mode++)
                measure_point(p, round, mode, n);
    }
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K");
}

// ---- telling ----

static bool write_picture(const char *path, const ft_scaling *scaling, ft_error *err)
{
    ft_text out;

    ft_text_init(&out, TEXT_MAX);
    ft_scaling_draw(scaling, &out);
    bool ok = ft_text_check(&out, err);
    FILE *file = ok ? fopen(path, "we") : NULL;
    bool written = file && fwrite(out.data, 1, out.size, file) == out.size;
    written = file && fclose(file) == 0 && written;
    if (ok && !written)
        ok = ft_fail(err, FT_ERROR_IO, "cannot write `%s`", path);
    ft_text_finish(&out);
    return ok;
}

// With two CPUs only the sum of both terms is known: it bounds each.
static void print_terms(const ft_scaling *s, const ft_scaling_line *line)
{
    if (s->cpus == 2)
        printf("sigma + 2 kappa = %.3f (%.3f-%.3f)", line->sigma.median, line->sigma.least,
               line->sigma.most);
    else if (s->cpus > 2)
        printf("sigma %.3f (%.3f-%.3f), kappa %.4f (%.4f-%.4f)", line->sigma.median,
               line->sigma.least, line->sigma.most, line->kappa.median, line->kappa.least,
               line->kappa.most);
}

static void print_terms_json(const ft_scaling *s, const ft_scaling_line *line)
{
    if (s->cpus == 2)
        printf(",\"sigma_plus_2_kappa\":[%.4f,%.4f,%.4f]", line->sigma.median, line->sigma.least,
               line->sigma.most);
    else if (s->cpus > 2)
        printf(",\"sigma\":[%.4f,%.4f,%.4f],\"kappa\":[%.5f,%.5f,%.5f]", line->sigma.median,
               line->sigma.least, line->sigma.most, line->kappa.median, line->kappa.least,
               line->kappa.most);
}

static void print_line(const ft_scaling *s, const ft_scaling_line *line)
{
    printf("%s: %-12s", s->title, line->name);
    for (int n = 0; n < s->points; n++)
        printf(" %.0f (%.0f-%.0f)", line->rate[n].median, line->rate[n].least, line->rate[n].most);
    printf(" %s; ", s->unit);
    print_terms(s, line);
    printf("\n");
}

// Three numbers are the median, the least and the most.
static void print_line_json(const ft_scaling *s, const ft_scaling_line *line)
{
    printf("{\"what\":\"%s: %s\",\"unit\":\"%s\",\"cpus\":%d,\"workers\":[", s->title, line->name,
           s->unit, s->cpus);
    for (int n = 0; n < s->points; n++)
        printf("%s[%.5g,%.5g,%.5g]", n ? "," : "", line->rate[n].median, line->rate[n].least,
               line->rate[n].most);
    printf("]");
    print_terms_json(s, line);
    printf("}\n");
}

bool ft_bench_plot(ft_bench *bench, const ft_bench_scratch *scratch, const char *path,
                   ft_error *err)
{
    ft_scaling_line lines[MODES] = {{.name = "threads", .light = "#1a7f37", .dark = "#3fb950"},
                                    {.name = "processes", .light = "#0969da", .dark = "#58a6ff"},
                                    {.name = "global lock", .light = "#bc4c00", .dark = "#f0883e"}};
    plot p = {.load = scratch->model ? &with_model : &without};
    int cpus = ft_bench_cpu_count();
    const char *title = ft_arena_format(bench->arena, "%s over workers", p.load->name);

    if (!title)
        return ft_fail_nomem(err, 32);
    if (bench->only && !strstr(title, bench->only))
        return true;
    p.scaling = (ft_scaling){.title = title,
                             .unit = p.load->unit,
                             .lines = lines,
                             .count = MODES,
                             .rounds = bench->repeat,
                             .points = cpus < LEAST_POINTS ? LEAST_POINTS : cpus,
                             .cpus = cpus};
    if (p.scaling.points > FT_SCALING_POINTS)
        p.scaling.points = FT_SCALING_POINTS;
    if (!make_sides(bench, scratch, &p, err))
        return false;
    measure(&p);
    if (!ft_scaling_conclude(&p.scaling, err))
        return false;
    for (int i = 0; i < MODES; i++)
        if (lines[i].is_measured && bench->is_json)
            print_line_json(&p.scaling, &lines[i]);
        else if (lines[i].is_measured)
            print_line(&p.scaling, &lines[i]);
    return write_picture(path, &p.scaling, err);
}
