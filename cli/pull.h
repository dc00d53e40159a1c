// `ftpipe pull NAME`: fills the model store, every file verified by its sha256.
#pragma once

#include "runtime/error.h"

bool ft_pull_knows(const char *name);  // Is there a list of files and checksums for this model?
// Fetches into <store>/<name>/ unless it is there and whole. Speaks on stderr. An interrupted pull
// goes on where it was.
bool ft_pull(const char *store, const char *name, ft_error *err) FT_MUST_CHECK;
// The whole of `ftpipe pull --list` on stdout.
void ft_pull_list(void);
