// Throughput over threads: one line a mode, and what the universal scalability law makes of it,
//
//   X(n) = X(1) n / (1 + sigma (n - 1) + kappa n (n - 1))
//
// (Gunther 1993): sigma is the share that is serial or contended, kappa what coherence costs. Both
// are fitted by least squares to n X(1) / X(n) - 1, which is linear in them, over 1 to the number
// of CPUs; two CPUs give one equation, so kappa is then 0 and sigma its upper bound.
#include "cli/bench_rows.h"

#include <stdio.h>
#include <string.h>

#include "runtime/slice.h"

enum {
    POINTS_MAX = 16,
    MODES = 3,
    WIDTH = 640,
    HEIGHT = 400,
    LEFT = 64,
    RIGHT = 24,
    TOP = 60,
    BOTTOM = 56,
    TEXT_MAX = 64 * 1024,
};

typedef struct {
    const char *name, *flag, *color;
    double rate[POINTS_MAX];  // Items a second with i + 1 workers; 0: not measured.
    double sigma, kappa;
} line;

// ---- measuring ----

static const char *const counts[POINTS_MAX] = {"1", "2",  "3",  "4",  "5",  "6",  "7",  "8",
                                               "9", "10", "11", "12", "13", "14", "15", "16"};

static bool measure_point(ft_bench *bench, const ft_bench_scratch *scratch, line *l, int n,
                          ft_error *err)
{
    const char *workers =
        ft_arena_format(bench->arena, "%s=%s",
                        strcmp(l->flag, "--processes") == 0 ? l->flag : "--threads", counts[n]);
    // Processes have as many threads in the parent, by themselves.
    bool is_one_lock = strcmp(l->flag, "--global-lock") == 0;
    ft_bench_run run = {"embed.yaml", workers, is_one_lock ? l->flag : NULL, FT_BENCH_WALL, true};
    ft_bench_side side = ft_bench_run_side(bench, scratch, l->name, &run);
    double values[FT_BENCH_REPEAT], seconds;
    int repeat = bench->repeat < 3 ? bench->repeat : 3;

    if (!workers)
        return ft_fail_nomem(err, 32);
    for (int i = 0; i < repeat; i++) {
        ft_error own = FT_ERROR_INIT;
        if (!side.function || !ft_bench_in_child(side.function, side.host, -1, &seconds, &own))
            return true;  // The line ends here; the table says why.
        values[i] = seconds;
    }
    l->rate[n] = FT_BENCH_TEXTS / ft_bench_median(values, (size_t)repeat);
    return true;
}

static void fit(line *l, int cpus)
{
    // Normal equations of y = sigma a + kappa b, with a = n - 1, b = n (n - 1).
    double aa = 0, ab = 0, bb = 0, ay = 0, by = 0;

    for (int i = 1; i < cpus && i < POINTS_MAX && l->rate[i] > 0; i++) {
        double n = i + 1, a = n - 1, b = n * a, y = n * l->rate[0] / l->rate[i] - 1;
        aa += a * a;
        ab += a * b;
        bb += b * b;
        ay += a * y;
        by += b * y;
    }
    double determinant = aa * bb - ab * ab;
    if (determinant > 1e-9) {
        l->sigma = (ay * bb - by * ab) / determinant;
        l->kappa = (aa * by - ab * ay) / determinant;
    }
    if (determinant <= 1e-9 || l->sigma < 0 || l->kappa < 0) {
        l->kappa = 0;
        l->sigma = aa > 0 ? ay / aa : 0;
    }
    if (l->sigma < 0)
        l->sigma = 0;
}

// ---- drawing ----

typedef struct {
    int points;
    double top;
} scale;

static double x_of(const scale *s, int i)
{
    return LEFT + (double)(WIDTH - LEFT - RIGHT) * i / (s->points > 1 ? s->points - 1 : 1);
}

static double y_of(const scale *s, double rate)
{
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * rate / s->top;
}

static void put_axes(const scale *s, int cpus, ft_text *out)
{
    ft_text_format(out,
                   "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
                   "viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"12\">\n"
                   "<title>Throughput of embed over workers</title>\n"
                   "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
                   WIDTH, HEIGHT, WIDTH, HEIGHT);
    for (int i = 0; i <= 4; i++) {
        double rate = s->top * i / 4;
        ft_text_format(out,
                       "<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#ddd\"/>\n"
                       "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\" fill=\"#555\">%.0f</text>\n",
                       LEFT, WIDTH - RIGHT, y_of(s, rate), y_of(s, rate), LEFT - 8,
                       y_of(s, rate) + 4, rate);
    }
    for (int i = 0; i < s->points; i++)
        ft_text_format(out,
                       "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\" fill=\"#555\">%d</text>\n",
                       x_of(s, i), HEIGHT - BOTTOM + 18, i + 1);
    ft_text_format(out,
                   "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\" fill=\"#555\">workers, on %d "
                   "CPUs</text>\n<text x=\"%d\" y=\"20\" fill=\"#555\">texts a second</text>\n",
                   (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14, cpus, LEFT);
}

static void put_line(const scale *s, const line *l, int index, ft_text *out)
{
    ft_text_append_string(out, "<polyline fill=\"none\" stroke-width=\"2\" stroke=\"");
    ft_text_append_string(out, l->color);
    ft_text_append_string(out, "\" points=\"");
    for (int i = 0; i < s->points && l->rate[i] > 0; i++)
        ft_text_format(out, "%.1f,%.1f ", x_of(s, i), y_of(s, l->rate[i]));
    ft_text_append_string(out, "\"/>\n");
    for (int i = 0; i < s->points && l->rate[i] > 0; i++)
        ft_text_format(out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\" fill=\"%s\"/>\n", x_of(s, i),
                       y_of(s, l->rate[i]), l->color);
    ft_text_format(out, "<text x=\"%d\" y=\"%d\" fill=\"%s\">%s: sigma %.3f, kappa %.4f</text>\n",
                   LEFT + 150, 14 + 14 * index, l->color, l->name, l->sigma, l->kappa);
}

static bool write_picture(const char *path, line *lines, int points, int cpus, ft_error *err)
{
    scale s = {.points = points};
    ft_text out;

    for (int i = 0; i < MODES; i++)
        for (int j = 0; j < points; j++)
            if (lines[i].rate[j] * 1.1 > s.top)
                s.top = lines[i].rate[j] * 1.1;
    if (s.top <= 0)
        return true;  // Nothing was measured.
    ft_text_init(&out, TEXT_MAX);
    put_axes(&s, cpus, &out);
    for (int i = 0; i < MODES; i++)
        put_line(&s, &lines[i], i, &out);
    ft_text_append_string(&out, "</svg>\n");
    bool ok = ft_text_check(&out, err);
    FILE *file = ok ? fopen(path, "we") : NULL;
    bool written = file && fwrite(out.data, 1, out.size, file) == out.size;
    written = file && fclose(file) == 0 && written;
    if (ok && !written)
        ok = ft_fail(err, FT_ERROR_IO, "cannot write `%s`", path);
    ft_text_finish(&out);
    return ok;
}

static void print_lines(const ft_bench *bench, const line *lines, int points)
{
    for (int i = 0; i < MODES; i++) {
        if (bench->is_json)
            printf("{\"what\":\"embed over workers: %s\",\"sigma\":%.4f,\"kappa\":%.5f,\"rate\":[",
                   lines[i].name, lines[i].sigma, lines[i].kappa);
        else
            printf("embed over workers: %-12s sigma %.3f  kappa %.4f  texts/s", lines[i].name,
                   lines[i].sigma, lines[i].kappa);
        for (int j = 0; j < points; j++)
            printf(bench->is_json ? "%s%.1f" : "%s %.1f", bench->is_json && j ? "," : "",
                   lines[i].rate[j]);
        printf(bench->is_json ? "]}\n" : "\n");
    }
}

bool ft_bench_plot(ft_bench *bench, const ft_bench_scratch *scratch, const char *path,
                   ft_error *err)
{
    line lines[MODES] = {{"threads", "--threads", "#1a7f37", {0}, 0, 0},
                         {"processes", "--processes", "#0969da", {0}, 0, 0},
                         {"global lock", "--global-lock", "#b35900", {0}, 0, 0}};
    int cpus = ft_bench_cpu_count();
    int points = cpus > POINTS_MAX ? POINTS_MAX : cpus < 4 ? 4 : cpus;

    if (bench->only && !strstr("embed over workers", bench->only))
        return true;
    for (int n = 0; n < points; n++)
        for (int i = 0; i < MODES; i++)
            if (!measure_point(bench, scratch, &lines[i], n, err))
                return false;
    for (int i = 0; i < MODES; i++)
        fit(&lines[i], cpus);
    print_lines(bench, lines, points);
    return write_picture(path, lines, points, cpus, err);
}
