// Medians round by round, and a picture made of lines, circles and words: classes give the colours,
// so that one style sheet turns them round on a dark page.
#include "cli/bench_scaling.h"

#include <stdio.h>

#include "cli/bench.h"
#include "runtime/memory/alloc.h"

enum { WIDTH = 680, HEIGHT = 420, LEFT = 60, RIGHT = 24, TOP = 96, BOTTOM = 56, RULES = 4 };

// ---- the law ----

void ft_scaling_fit(const double *rates, int count, double *out_sigma, double *out_kappa)
{
    // Normal equations of y = sigma a + kappa b, with a = n - 1, b = n (n - 1).
    double aa = 0, ab = 0, bb = 0, ay = 0, by = 0;

    for (int i = 1; i < count; i++) {
        double n = i + 1, a = n - 1, b = n * a, y = n * rates[0] / rates[i] - 1;
        aa += a * a;
        ab += a * b;
        bb += b * b;
        ay += a * y;
        by += b * y;
    }
    double determinant = aa * bb - ab * ab;
    *out_sigma = aa > 0 ? ay / aa : 0;
    *out_kappa = 0;
    if (count < 3)
        return;
    double sigma = (ay * bb - by * ab) / determinant, kappa = (aa * by - ab * ay) / determinant;
    if (kappa < 0)
        return;
    *out_sigma = sigma < 0 ? 0 : sigma;
    *out_kappa = sigma < 0 ? by / bb : kappa;
}

static ft_scaling_figure figure_of(double *values, int count)
{
    double median = ft_bench_median(values, (size_t)count);  // Sorts them.

    return (ft_scaling_figure){median, values[0], values[count - 1]};
}

bool ft_scaling_conclude(const ft_scaling *s, ft_error *err)
{
    double *values = ft_alloc_zero((size_t)(3 * s->rounds), sizeof(*values));

    if (!values)
        return ft_fail_nomem(err, (size_t)(3 * s->rounds) * sizeof(*values));
    double *sigma = values + s->rounds, *kappa = sigma + s->rounds;
    int fitted = s->cpus < s->points ? s->cpus : s->points;
    for (int i = 0; i < s->count; i++) {
        ft_scaling_line *line = &s->lines[i];
        if (!line->is_measured)
            continue;
        for (int n = 0; n < s->points; n++) {
            for (int round = 0; round < s->rounds; round++)
                values[round] = line->rates[round * s->points + n];
            line->rate[n] = figure_of(values, s->rounds);
        }
        for (int round = 0; round < s->rounds; round++)
            ft_scaling_fit(&line->rates[round * s->points], fitted, &sigma[round], &kappa[round]);
        line->sigma = figure_of(sigma, s->rounds);
        line->kappa = figure_of(kappa, s->rounds);
    }
    ft_free(values);
    return true;
}

// ---- the picture ----

// The height of RULES round steps: 1, 2 or 5 times a power of ten each.
static double round_up(double top)
{
    static const double digits[] = {1, 2, 5};

    for (double power = 1e-3;; power *= 10)
        for (size_t i = 0; i < FT_COUNT_OF(digits); i++)
            if (digits[i] * power * RULES >= top)
                return digits[i] * power * RULES;
}

static double top_of(const ft_scaling *s)
{
    double top = 0;

    for (int i = 0; i < s->count; i++)
        for (int n = 0; s->lines[i].is_measured && n < s->points; n++)
            if (s->lines[i].rate[n].most > top)
                top = s->lines[i].rate[n].most;
    return round_up(top);
}

static double x_of(const ft_scaling *s, int n)
{
    int steps = s->points > 1 ? s->points - 1 : 1;

    return LEFT + 12 + (double)(WIDTH - LEFT - RIGHT - 24) * (n - 1) / steps;
}

static double y_of(double top, double rate)
{
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * rate / top;
}

static void put_style(const ft_scaling *s, bool is_dark, ft_text *out)
{
    ft_text_format(out,
                   ".ground{fill:%s}.text{fill:%s}.rule{stroke:%s}\n"
                   ".cpus{stroke:%s;stroke-dasharray:4 4}\n",
                   is_dark ? "#0d1117" : "#ffffff", is_dark ? "#c9d1d9" : "#424a53",
                   is_dark ? "#30363d" : "#d8dee4", is_dark ? "#8b949e" : "#8c959f");
    for (int i = 0; i < s->count; i++) {
        const char *color = is_dark ? s->lines[i].dark : s->lines[i].light;
        ft_text_format(out, ".stroke%d{stroke:%s;stroke-width:2}.fill%d{fill:%s}\n", i, color, i,
                       color);
    }
}

static void put_axes(const ft_scaling *s, double top, ft_text *out)
{
    for (int i = 0; i <= RULES; i++) {
        double rate = top * i / RULES, y = y_of(top, rate);
        ft_text_format(out,
                       "<line class=\"rule\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>\n"
                       "<text class=\"text\" x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%g</text>\n",
                       LEFT, WIDTH - RIGHT, y, y, LEFT - 8, y + 4, rate);
    }
    for (int n = 1; n <= s->points; n++)
        ft_text_format(
            out, "<text class=\"text\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%d</text>\n",
            x_of(s, n), HEIGHT - BOTTOM + 18, n);
    if (s->cpus < s->points)
        ft_text_format(out,
                       "<line class=\"cpus\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>\n"
                       "<text class=\"text\" x=\"%.1f\" y=\"%d\">more workers than CPUs</text>\n",
                       x_of(s, s->cpus), x_of(s, s->cpus), TOP, HEIGHT - BOTTOM,
                       x_of(s, s->cpus) + 8, HEIGHT - BOTTOM - 8);
    ft_text_format(out,
                   "<text class=\"text\" x=\"%d\" y=\"%d\" text-anchor=\"middle\">workers, on %d "
                   "CPU%s; %s, median of %d rounds (bars: least to most)</text>\n",
                   (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14, s->cpus, s->cpus == 1 ? "" : "s",
                   s->unit, s->rounds);
}

// What the fit can say: with two CPUs only the sum of both terms.
static void put_terms(const ft_scaling *s, const ft_scaling_line *line, ft_text *out)
{
    if (!line->is_measured)
        ft_text_append_string(out, "not measured");
    else if (s->cpus < 2)
        ft_text_append_string(out, "one CPU, nothing to fit");
    else if (s->cpus == 2)
        ft_text_format(out, "σ + 2κ = %.3f (%.3f to %.3f)", line->sigma.median, line->sigma.least,
                       line->sigma.most);
    else
        ft_text_format(out, "σ = %.3f (%.3f to %.3f), κ = %.4f (%.4f to %.4f)", line->sigma.median,
                       line->sigma.least, line->sigma.most, line->kappa.median, line->kappa.least,
                       line->kappa.most);
}

static void put_legend(const ft_scaling *s, int i, ft_text *out)
{
    int y = 44 + 18 * i;

    ft_text_format(out,
                   "<line class=\"stroke%d\" x1=\"%d\" x2=\"%d\" y1=\"%d\" y2=\"%d\"/>\n"
                   "<text class=\"text\" x=\"%d\" y=\"%d\">%s: ",
                   i, LEFT, LEFT + 24, y - 4, y - 4, LEFT + 32, y, s->lines[i].name);
    put_terms(s, &s->lines[i], out);
    ft_text_append_string(out, "</text>\n");
}

static void put_line(const ft_scaling *s, double top, int i, ft_text *out)
{
    const ft_scaling_line *line = &s->lines[i];

    ft_text_format(out, "<polyline class=\"stroke%d\" fill=\"none\" points=\"", i);
    for (int n = 1; n <= s->points; n++)
        ft_text_format(out, "%.1f,%.1f ", x_of(s, n), y_of(top, line->rate[n - 1].median));
    ft_text_append_string(out, "\"/>\n");
    for (int n = 1; n <= s->points; n++) {
        const ft_scaling_figure *rate = &line->rate[n - 1];
        double x = x_of(s, n);
        ft_text_format(out,
                       "<line class=\"stroke%d\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>"
                       "<circle class=\"stroke%d ",
                       i, x, x, y_of(top, rate->least), y_of(top, rate->most), i);
        ft_text_format(out, n <= s->cpus ? "fill%d" : "ground", i);
        ft_text_format(out, "\" cx=\"%.1f\" cy=\"%.1f\" r=\"4\"/>\n", x, y_of(top, rate->median));
    }
}

void ft_scaling_draw(const ft_scaling *s, ft_text *out)
{
    double top = top_of(s);

    ft_text_format(out,
                   "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
                   "viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"13\">\n"
                   "<title>%s</title>\n<style>\n",
                   WIDTH, HEIGHT, WIDTH, HEIGHT, s->title);
    put_style(s, false, out);
    ft_text_append_string(out, "@media (prefers-color-scheme: dark) {\n");
    put_style(s, true, out);
    ft_text_format(out,
                   "}\n</style>\n<rect class=\"ground\" width=\"100%%\" height=\"100%%\"/>\n"
                   "<text class=\"text\" x=\"%d\" y=\"22\" font-weight=\"bold\">%s</text>\n",
                   LEFT, s->title);
    put_axes(s, top, out);
    for (int i = 0; i < s->count; i++) {
        put_legend(s, i, out);
        if (s->lines[i].is_measured)
            put_line(s, top, i, out);
    }
    ft_text_append_string(out, "</svg>\n");
}
