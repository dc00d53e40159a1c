// CSV as RFC 4180 has it: fields in quotes may hold delimiters, line ends and doubled quotes.
#pragma once

#include "runtime/slice.h"

// Where the record that begins at `text` ends: the index of the line feed behind it. `*out_state`
// keeps what was found when the end is not there yet, so that a longer text is not scanned again;
// it starts as zero.
typedef struct ft_csv_scan {
    size_t at;  // Everything before is scanned.
    bool in_quotes;
} ft_csv_scan;
bool ft_csv_find_end(ft_slice text, char delimiter, ft_csv_scan *scan, size_t *out_end);

// Walks the fields of one record (without its line end).
typedef struct ft_csv_field {
    ft_slice text;  // Without the quotes around it.
    bool quoted;
    bool has_escapes;  // Has doubled quotes: see ft_csv_unescape.
} ft_csv_field;
typedef struct ft_csv_walk {
    ft_slice record;
    char delimiter;
    size_t at;
    bool done;
} ft_csv_walk;
void ft_csv_walk_init(ft_csv_walk *walk, ft_slice record, char delimiter);
// `*out_more` false: there was no further field.
bool ft_csv_next(ft_csv_walk *walk, ft_csv_field *out, bool *out_more, ft_error *err) FT_MUST_CHECK;
// Makes doubled quotes single; `out` has room for text.size bytes. Returns the size.
size_t ft_csv_unescape(ft_slice text, char *out);
// Appends `text` as a field, in quotes where it must be.
void ft_csv_put(ft_text *out, ft_slice text, char delimiter);
// The same inside quotes that the caller writes, for a long text in pieces: doubles its quotes.
void ft_csv_put_escaped(ft_text *out, ft_slice text);
