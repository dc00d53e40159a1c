// Which build of the program this is.
#pragma once

#include "runtime/slice.h"

// What the linker calculated from everything that it linked (its option --build-id, which compilers
// of distributions give): the same for equal programs alone. data NULL: it did not.
ft_slice ft_build_id(void);
