// The law's terms and the picture of `ftpipe bench essay`.
#include <stdlib.h>
#include <string.h>

#include "cli/bench_scaling.h"
#include "tests/check.h"

enum { MOST = 8, ROUNDS = 3, TEXT_MAX = 64 * 1024 };

static double law(double one, double n, double sigma, double kappa)
{
    return one * n / (1 + sigma * (n - 1) + kappa * n * (n - 1));
}

// ---- the fit ----

TEST(both_terms_come_back)
{
    double rates[MOST], sigma, kappa;

    for (int n = 1; n <= MOST; n++)
        rates[n - 1] = law(250, n, 0.05, 0.002);
    ft_scaling_fit(rates, MOST, &sigma, &kappa);
    check_float_near(sigma, 0.05, 1e-9);
    check_float_near(kappa, 0.002, 1e-9);
}

// One equation, sigma + 2 kappa.
TEST(two_points_give_the_sum)
{
    double rates[] = {100, law(100, 2, 0.03, 0.01)}, sigma, kappa;

    ft_scaling_fit(rates, 2, &sigma, &kappa);
    check_float_near(sigma, 0.05, 1e-9);
    check_float_near(kappa, 0, 0);
}

// More than twice as fast with two: noise, and told as it is.
TEST(two_points_may_be_below_zero)
{
    double rates[] = {100, 204}, sigma, kappa;

    ft_scaling_fit(rates, 2, &sigma, &kappa);
    check_float_near(sigma, 200.0 / 204 - 1, 1e-9);
}

TEST(one_point_gives_nothing)
{
    double rates[] = {100}, sigma, kappa;

    ft_scaling_fit(rates, 1, &sigma, &kappa);
    check_float_near(sigma, 0, 0);
    check_float_near(kappa, 0, 0);
}

// A term that would come out negative is 0, and the other is fitted alone.
TEST(no_term_is_negative)
{
    double rates[MOST], sigma, kappa;

    for (int n = 1; n <= MOST; n++)
        rates[n - 1] = law(100, n, 0.1, -0.001);
    ft_scaling_fit(rates, MOST, &sigma, &kappa);
    check_true(sigma > 0.08 && sigma < 0.1);
    check_float_near(kappa, 0, 0);
    for (int n = 1; n <= MOST; n++)
        rates[n - 1] = law(100, n, -0.01, 0.01);
    ft_scaling_fit(rates, MOST, &sigma, &kappa);
    check_float_near(sigma, 0, 0);
    check_true(kappa > 0.005 && kappa < 0.01);
}

// ---- the picture ----

typedef struct {
    double rates[2][ROUNDS * MOST];
    ft_scaling_line lines[2];
    ft_scaling scaling;
} scene;

static void make_scene(scene *s, int cpus, int points)
{
    ft_error err = FT_ERROR_INIT;

    *s = (scene){.lines = {{.name = "threads", .light = "#111111", .dark = "#eeeeee"},
                           {.name = "processes", .light = "#222222", .dark = "#dddddd"}}};
    for (int i = 0; i < 2; i++) {
        s->lines[i].rates = s->rates[i];
        s->lines[i].is_measured = true;
        for (int round = 0; round < ROUNDS; round++)
            for (int n = 1; n <= points; n++)
                s->rates[i][round * points + n - 1] =
                    law(100 + round, n < cpus ? n : cpus, 0.02 * round, 0);
    }
    s->scaling = (ft_scaling){.title = "embed over workers",
                              .unit = "texts a second",
                              .lines = s->lines,
                              .count = 2,
                              .rounds = ROUNDS,
                              .points = points,
                              .cpus = cpus};
    check_ok(ft_scaling_conclude(&s->scaling, &err), &err);
}

static size_t count_of(const char *text, const char *word)
{
    size_t count = 0;

    for (const char *at = text; (at = strstr(at, word)); at++)
        count++;
    return count;
}

// Every element is closed by its own name, attributes are in quotes, and no text has a bare `<`.
static void check_well_formed(const char *text)
{
    const char *open[16];
    size_t depth = 0, lengths[16];

    for (const char *at = text; (at = strchr(at, '<'));) {
        const char *end = strchr(at, '>');
        check_true(end != NULL);
        size_t quotes = 0;
        for (const char *c = at + 1; c < end; c++) {
            check_true(*c != '<');
            quotes += *c == '"';
        }
        check_int_eq(quotes % 2, 0);
        bool is_end = at[1] == '/';
        size_t length = strcspn(at + 1 + is_end, " />");
        if (is_end) {
            check_true(depth-- > 0);
            check_true(lengths[depth] == length && memcmp(open[depth], at + 2, length) == 0);
        } else if (end[-1] != '/') {
            check_true(depth < 16);
            open[depth] = at + 1;
            lengths[depth++] = length;
        }
        at = end;
    }
    check_int_eq(depth, 0);
}

static void check_picture(int cpus, int points, size_t hollow, const char *terms)
{
    static char text[TEXT_MAX];
    ft_text out;
    scene s;

    make_scene(&s, cpus, points);
    ft_text_init(&out, TEXT_MAX);
    ft_scaling_draw(&s.scaling, &out);
    ft_slice got = ft_text_get(&out);
    check_true(!out.failed && got.size < sizeof(text));
    memcpy(text, got.data, got.size);
    text[got.size] = 0;
    ft_text_finish(&out);
    check_well_formed(text);
    check_int_eq(count_of(text, "<polyline"), 2);
    check_int_eq(count_of(text, "<circle"), 2 * (size_t)points);
    check_int_eq(count_of(text, "ground\" cx"), 2 * hollow);
    check_int_eq(count_of(text, "prefers-color-scheme: dark"), 1);
    check_contains(text, "#111111");
    check_contains(text, "#eeeeee");
    check_contains(text, terms);
}

// Beyond the CPUs points are hollow, and what the fit says is no more than it can know.
TEST(a_picture_for_two_cpus)
{
    check_picture(2, 4, 2, "threads: σ + 2κ = 0.020 (0.000 to 0.040)");
}

TEST(a_picture_for_many_cpus)
{
    check_picture(8, 8, 0, "processes: σ = 0.020 (0.000 to 0.040), κ = 0.0000");
}

TEST(a_picture_for_one_cpu)
{
    check_picture(1, 4, 3, "one CPU, nothing to fit");
}

TEST(rounds_become_median_least_and_most)
{
    scene s;

    make_scene(&s, 2, 4);
    check_float_near(s.lines[0].rate[0].median, 101, 1e-9);
    check_float_near(s.lines[0].rate[0].least, 100, 1e-9);
    check_float_near(s.lines[0].rate[0].most, 102, 1e-9);
    check_float_near(s.lines[1].sigma.least, 0, 1e-9);
    check_float_near(s.lines[1].sigma.median, 0.02, 1e-9);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
