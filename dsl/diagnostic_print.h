// The shapes that diagnostics are printed in, each into a growing text; ft_diagnostics_print writes
// it out.
#pragma once

#include "dsl/diagnostic.h"

void ft_diagnostics_print_text(const ft_diagnostics *all, bool color, ft_text *out);
void ft_diagnostics_print_json(const ft_diagnostics *all, ft_text *out);
void ft_diagnostics_print_github(const ft_diagnostics *all, ft_text *out);
