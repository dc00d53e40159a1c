// What people type who come from other tools, and what is planned but not there: so that the answer
// is the word to write, not "unknown key".
#pragma once

#include "runtime/memory/arena.h"
#include "runtime/slice.h"

typedef enum ft_word_place { FT_WORD_TOP, FT_WORD_STAGE, FT_WORD_RUN } ft_word_place;

typedef struct ft_word {
    ft_word_place place;
    const char *said;
    const char *
        ours;  // The key it is called here, and what replaces it; NULL: no key of ours, see `help`.
    const char *help;  // More than the name, or NULL.
} ft_word;

// A key of the language that this version does not have.
typedef struct ft_missing_feature {
    ft_word_place place;
    const char *key;
    const char *instead;  // A sentence: what to do now.
} ft_missing_feature;

const ft_word *ft_words_find(ft_word_place place, ft_slice said);                    // NULL: none.
const ft_missing_feature *ft_words_find_missing(ft_word_place place, ft_slice key);  // NULL: none.
const ft_missing_feature *ft_words_find_missing_stage(ft_slice type);                // NULL: none.

// The at most three of `names` (NULL-terminated) that are nearest to `word`, nearest first, as
// "`a`, `b` or `c`"; NULL when none is near. `*out_best` (may be NULL) is the nearest.
const char *ft_words_nearest(ft_arena *arena, ft_slice word, const char *const *names,
                             const char **out_best);
