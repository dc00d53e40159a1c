// The types of fields, from the first lines of a file, when the plan is made.
//
// ints and floats together give float; null says nothing; anything else together gives any. Objects
// and nested arrays give json, arrays of numbers or texts give lists of them.
#pragma once

#include "runtime/data/schema.h"
#include "runtime/memory/arena.h"

enum { FT_SAMPLE_LINES = 100, FT_SAMPLE_BYTES = 1 << 20 };

typedef struct ft_sample_field {
    const char *name;
    ft_type type;
    bool is_known;  // False: only null came.
} ft_sample_field;

typedef struct ft_sample {
    size_t count;
    ft_sample_field *fields;  // In the order of their first appearance. In the arena.
} ft_sample;

// The first lines of the JSONL file at `path`. Lines that are no JSON objects are left for the run
// to complain about; a file that cannot be opened or unpacked fails.
bool ft_sample_jsonl(const char *path, ft_arena *arena, ft_sample *out,
                     ft_error *err) FT_MUST_CHECK;
// The header of a CSV file, and types from the first records. `has_header` false: no names
// (fields[i].name is NULL).
bool ft_sample_csv(const char *path, char delimiter, bool has_header, ft_arena *arena,
                   ft_sample *out, ft_error *err) FT_MUST_CHECK;
// The names in a header record, checked: none empty, none twice. `out->fields` in the arena.
bool ft_sample_header(ft_slice record, char delimiter, ft_arena *arena, ft_sample *out,
                      ft_error *err) FT_MUST_CHECK;
