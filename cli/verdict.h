// What `ftpipe doctor --plugin` found, kept for the same file: a small text in the cache folder,
// named by a hash of the library's content, so that a new build has no verdict.
#pragma once

#include "dsl/compile.h"

// For ft_compile_settings.plugin_verdict. UNTESTED too when the file cannot be read.
ft_plugin_verdict ft_verdict_find(const char *path);
// Writes it; quietly not when there is no cache folder. `text`: what was found, a line a stage.
bool ft_verdict_write(const char *path, ft_plugin_verdict verdict, ft_slice text,
                      ft_error *err) FT_MUST_CHECK;
