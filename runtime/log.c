// The log's one sink. Lines are made on the caller's stack and cut at 1 KiB; the sink must be fit
// for any thread.
#include "runtime/log.h"

#include <stdarg.h>
#include <stdio.h>

enum { LINE_BYTES = 1024 };

// Written by ft_log_install before threads start, read-only after.
static struct {
    ft_log_sink *sink;
    void *host;
    ft_log_level up_to;
} installed;

void ft_log_install(ft_log_sink *sink, void *host, ft_log_level up_to)
{
    installed.sink = sink;
    installed.host = host;
    installed.up_to = up_to;
}

bool ft_log_is_on(ft_log_level level)
{
    return installed.sink && level <= installed.up_to;
}

void ft_log(ft_log_level level, const char *from, const char *format, ...)
{
    char line[LINE_BYTES];
    va_list args;

    if (!ft_log_is_on(level))
        return;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    for (char *c = line; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = ' ';
    installed.sink(installed.host, level, from, line);
}
