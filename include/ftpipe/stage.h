// All that a stage in a shared library needs: one include.
//
// These are the program's own headers, so that a stage from outside and one from stages/ are
// written alike. The build makes one self-contained file of this and of all that it includes
// (cmake/PublicHeader.cmake), which `cmake --install` puts into include/ftpipe/. What may be called
// is marked FT_API; docs/writing-a-stage.md walks through a plug-in.
#pragma once

#include "runtime/plugin.h"
