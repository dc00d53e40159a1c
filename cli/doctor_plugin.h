// `ftpipe doctor --plugin`: a plug-in's stages run from many threads before they are trusted.
//
//   parent                     child (this program again)         child (ftpipe-tsan, if it is
//   there) ft_doctor_plugin  ----->   ft_plugin_test: lines on stdout    the same, under
//   ThreadSanitizer facts, verdict    <-----
//
// In children, so that a crash or an endless loop is a result too.
#pragma once

#include "cli/doctor.h"

// Adds the facts and writes the verdict. `*out_passed`: nothing was found. Fails only when no child
// could be run.
bool ft_doctor_plugin(ft_facts *facts, const char *path, bool *out_passed,
                      ft_error *err) FT_MUST_CHECK;

// The child's half (`--inside`): prints "STAGE\tSTATE\tTEXT" lines, STATE one of begin, good, note,
// poor. False when the library cannot be loaded.
bool ft_plugin_test(const char *path, ft_error *err) FT_MUST_CHECK;
