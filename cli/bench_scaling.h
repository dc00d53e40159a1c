// Throughput over workers: what the universal scalability law makes of it, and its picture.
//
//   X(n) = X(1) n / (1 + sigma (n - 1) + kappa n (n - 1))
//
// (Gunther 1993): sigma is the share that is serial or contended, kappa what coherence costs.
#pragma once

#include "runtime/error.h"
#include "runtime/slice.h"

enum { FT_SCALING_POINTS = 16 };

typedef struct ft_scaling_figure {
    double median, least, most;  // Of the rounds.
} ft_scaling_figure;

typedef struct ft_scaling_line {
    const char *name, *light, *dark;  // Colours on white and on black.
    double *rates;                    // [round * points + n - 1]: items a second with n workers.
    bool is_measured;
    ft_scaling_figure rate[FT_SCALING_POINTS];
    ft_scaling_figure sigma, kappa;
} ft_scaling_line;

typedef struct ft_scaling {
    const char *title, *unit;
    ft_scaling_line *lines;
    int count, rounds;
    int points;  // Workers of the last point.
    int cpus;    // Points beyond are measured and drawn, and not fitted.
} ft_scaling;

// The law's terms by least squares over 1 to `count` workers. n X(1) / X(n) - 1 is linear in them,
// so it takes no iteration. Fewer than three points do not determine both: then kappa is 0, and
// sigma (sigma + 2 kappa, in truth) is the most it can be. So is the one where the other came out
// below 0, which says that noise is larger than it.
void ft_scaling_fit(const double *rates, int count, double *out_sigma, double *out_kappa);
// Fills in what follows from `rates`, round by round: sorts nothing that the caller has. False
// without memory.
bool ft_scaling_conclude(const ft_scaling *scaling, ft_error *err) FT_MUST_CHECK;
// An SVG that is readable on white and on black.
void ft_scaling_draw(const ft_scaling *scaling, ft_text *out);
