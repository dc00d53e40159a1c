// What `check` tells a person: a place, the user's own words, both ends of a bad link, one fix, a
// number that `ftpipe explain` knows. Collected first, printed together: at most ten, then a count.
#pragma once

#include <stdio.h>

#include "runtime/memory/arena.h"
#include "runtime/slice.h"

typedef struct ft_mark {
    uint32_t line, column;  // From 1; column in code points.
    uint32_t length;        // In code points; at least 1.
    size_t offset;          // In bytes, in the source text.
} ft_mark;

typedef struct ft_source {
    const char *path;  // As the user typed it; "-e" for a one-liner.
    ft_slice text;
} ft_source;

typedef enum ft_severity { FT_SEVERITY_ERROR, FT_SEVERITY_WARNING } ft_severity;

typedef struct ft_diagnostic {
    ft_severity severity;
    int number;  // 311: E0311.
    const ft_source *source;
    ft_mark mark;
    const char *message;  // "`embed` needs `tokens`, and no stage above makes it"
    const char *label;    // Behind the carets: "reads tokens: i32[*]"; may be NULL.
    bool has_other;
    ft_mark
        other;  // A second place in the same file, and what it says: "gives id: int, text: string".
    const char *other_label;
    const char *help;         // "tokenise first"; may be NULL.
    const char *fix_line;     // A line to write, shown with `+`; may be NULL.
    uint32_t fix_above_line;  // Before which line.
    const char *replacement;  // For `check --fix`: what `mark` is to be replaced by; NULL: nothing
                              // to apply.
} ft_diagnostic;

typedef struct ft_diagnostics ft_diagnostics;

ft_diagnostics *ft_diagnostics_create(void);  // NULL without memory.
void ft_diagnostics_destroy(ft_diagnostics *all);
ft_arena *ft_diagnostics_arena(ft_diagnostics *all);  // For messages.
// A message that could not be made or kept (NULL, no memory) is counted as an error all the same,
// "out of memory".
void ft_diagnostics_add(ft_diagnostics *all, const ft_diagnostic *one);
void ft_diagnostics_add_nomem(ft_diagnostics *all);
size_t ft_diagnostics_count(const ft_diagnostics *all, ft_severity severity);
const ft_diagnostic *ft_diagnostics_get(const ft_diagnostics *all, size_t index);

typedef enum ft_diagnostic_format {
    FT_FORMAT_TEXT,
    FT_FORMAT_JSON,
    FT_FORMAT_GITHUB
} ft_diagnostic_format;
// The place of the bytes from `offset` to `end`, cut at the end of the line. Counts from the start
// of the text.
ft_mark ft_mark_at(ft_slice text, size_t offset, size_t end);
// A user's text for a message: at most 60 bytes and "...", control characters replaced. "" without
// memory.
const char *ft_quote(ft_arena *arena, ft_slice text);

// Sorted by place. `color` only for text. Writes to `out` (a memory stream or stderr; cli/
// decides).
void ft_diagnostics_print(const ft_diagnostics *all, ft_diagnostic_format format, bool color,
                          FILE *out);

// The catalogue behind `ftpipe explain` and docs/errors.md.
typedef struct ft_explanation {
    int number;
    const char *title, *text;
} ft_explanation;
extern const ft_explanation ft_explanations[];  // Sorted; ends with number 0.
const ft_explanation *ft_explanation_find(int number);
