// Terminal and figures. _DEFAULT_SOURCE for the window size, which POSIX.1-2008 does not have.
#define _DEFAULT_SOURCE
#include "cli/terminal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { COLUMNS_DEFAULT = 80, COLUMNS_MIN = 20, COLUMNS_MAX = 1000 };

int ft_terminal_columns(void)
{
    struct winsize size;

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < COLUMNS_MIN)
        return COLUMNS_DEFAULT;
    return size.ws_col < COLUMNS_MAX ? size.ws_col : COLUMNS_MAX;
}

ft_terminal ft_terminal_find(const char *color)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    bool is_terminal = isatty(STDERR_FILENO) == 1;
    bool plain = (no_color && *no_color) || (term && strcmp(term, "dumb") == 0);
    ft_terminal found = {.is_terminal = is_terminal, .columns = COLUMNS_DEFAULT};

    found.color = is_terminal && !plain;
    if (color && strcmp(color, "always") == 0)
        found.color = true;
    if (color && strcmp(color, "never") == 0)
        found.color = false;
    if (is_terminal)
        found.columns = ft_terminal_columns();
    // A terminal that cannot move its cursor gets lines, as a file does.
    if (term && strcmp(term, "dumb") == 0)
        found.is_terminal = false;
    return found;
}

const char *ft_figure_count(uint64_t count, char out[FT_FIGURE_BYTES])
{
    char digits[FT_FIGURE_BYTES];
    int size = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)count);
    char *at = out;

    for (int i = 0; i < size; i++) {
        *at++ = digits[i];
        if ((size - i) % 3 == 1 && i + 1 < size)
            *at++ = ',';
    }
    *at = 0;
    return out;
}

const char *ft_figure_bytes(int64_t bytes, char out[FT_FIGURE_BYTES])
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB"};
    double value = (double)bytes;
    size_t unit = 0;

    while (value >= 1024 && unit + 1 < FT_COUNT_OF(units)) {
        value /= 1024;
        unit++;
    }
    snprintf(out, FT_FIGURE_BYTES, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
    return out;
}

const char *ft_figure_time(int64_t ns, char out[FT_FIGURE_BYTES])
{
    int64_t seconds = ns / 1000000000;

    if (seconds < 1)
        snprintf(out, FT_FIGURE_BYTES, "%lld ms", (long long)((ns + 500000) / 1000000));
    else if (seconds < 60)
        snprintf(out, FT_FIGURE_BYTES, "%.1f s", (double)ns * 1e-9);
    else if (seconds < 3600)
        snprintf(out, FT_FIGURE_BYTES, "%lld:%02lld", (long long)(seconds / 60),
                 (long long)(seconds % 60));
    else
        snprintf(out, FT_FIGURE_BYTES, "%lld:%02lld:%02lld", (long long)(seconds / 3600),
                 (long long)(seconds / 60 % 60), (long long)(seconds % 60));
    return out;
}

const char *ft_figure_share(double share, char out[FT_FIGURE_BYTES])
{
    snprintf(out, FT_FIGURE_BYTES, "%.0f %%", share * 100);
    return out;
}
