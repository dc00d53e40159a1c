// What the terminal can show, and figures as people read them.
#pragma once

#include "runtime/slice.h"

typedef struct ft_terminal {
    bool is_terminal;  // Standard error is one.
    bool color;
    int columns;  // 80 when not known.
} ft_terminal;

// `color`: "auto", "always", "never" or NULL (auto).
ft_terminal ft_terminal_find(const char *color);
int ft_terminal_columns(void);

enum { FT_FIGURE_BYTES = 32 };
const char *ft_figure_count(uint64_t count, char out[FT_FIGURE_BYTES]);  // 1,234,567
const char *ft_figure_bytes(int64_t bytes, char out[FT_FIGURE_BYTES]);   // 1.1 GiB
const char *ft_figure_time(int64_t ns, char out[FT_FIGURE_BYTES]);  // 12 ms, 4.2 s, 1:43, 2:03:04
const char *ft_figure_share(double share, char out[FT_FIGURE_BYTES]);  // 41 %
