// Log lines go to a sink that cli/ installs; nothing else prints. Levels are a scale by frequency:
// error, warn (went on anyway, the text says so), info once per run, debug once per stage instance.
// Per batch is trace, not log.
#pragma once

#include "runtime/compiler.h"

typedef enum ft_log_level { FT_LOG_ERROR, FT_LOG_WARN, FT_LOG_INFO, FT_LOG_DEBUG } ft_log_level;
typedef void ft_log_sink(void *host, ft_log_level level, const char *from, const char *line);

// Before threads start. NULL: silent (the default).
void ft_log_install(ft_log_sink *sink, void *host, ft_log_level up_to);
bool ft_log_is_on(ft_log_level level);
// `from`: the stage's name or the room. Any thread.
void ft_log(ft_log_level level, const char *from, const char *format, ...) FT_PRINTF(3, 4);
