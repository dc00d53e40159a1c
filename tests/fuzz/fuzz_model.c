// What the fuzzers of a model's files share.
#include <stdio.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

// What may be wrong with a file without a place in it.
static const char *const of_whole_files[] = {"not an object", "not an array", "truncated",
                                             "decoders are not supported", NULL};

void fuzz_check_model_error(const ft_error *err)
{
    const char *at = strstr(err->message, FUZZ_FOLDER);
    bool is_placed = false;

    // Missing files are IO, what this version does not run is USAGE.
    bool is_fine = err->code == FT_ERROR_DATA || err->code == FT_ERROR_LIMIT ||
                   err->code == FT_ERROR_IO || err->code == FT_ERROR_USAGE;
    if (at) {
        const char *behind = at + strcspn(at, ": `");
        // Of a file that is missing its name says all, of which a message has the beginning.
        is_placed = err->code == FT_ERROR_IO || strpbrk(behind, "`0123456789") != NULL;
        for (size_t i = 0; of_whole_files[i]; i++)
            is_placed |= strstr(behind, of_whole_files[i]) != NULL;
    }
    if (!is_fine || !is_placed)
        fprintf(stderr, "code %s: %s\n", ft_error_code_name(err->code), err->message);
    FUZZ_CHECK(is_fine && is_placed);
}
