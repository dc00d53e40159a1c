// The stages that are built in; cli/ hands the list to dsl/.
#pragma once

#include "runtime/stage.h"

extern const ft_stage_def *const ft_builtin_stages[];  // NULL-terminated, sorted by name.
