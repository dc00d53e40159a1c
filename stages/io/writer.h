// Items as text: one value as JSON, one item as a line of JSONL or CSV.
//
// Text gathers in a buffer of some 64 KiB before it goes to the output; what is longer goes there
// in pieces or at once, so that an item of any size needs no memory of its size here.
// As JSON, floats are the shortest text that reads back equal, nan and inf are null, tensors and
// lists are arrays, and bytes are base64.
#pragma once

#include "runtime/data/batch.h"
#include "stages/io/output.h"

typedef struct ft_writer {
    ft_output *output;
    ft_text text;
    ft_text cell;  // One value: nested JSON before CSV doubles its quotes, an unescaped string.
} ft_writer;

void ft_writer_init(ft_writer *writer, ft_output *output);  // Takes the output.
void ft_writer_finish(ft_writer *writer);
bool ft_writer_flush(ft_writer *writer, ft_error *err) FT_MUST_CHECK;  // To the output.
bool ft_writer_put(ft_writer *writer, ft_slice bytes, ft_error *err) FT_MUST_CHECK;

bool ft_writer_put_string(ft_writer *writer, ft_slice text, ft_error *err) FT_MUST_CHECK;
// A value as JSON; an absent column or a null gives null.
bool ft_writer_put_json(ft_writer *writer, const ft_column *column, size_t item,
                        ft_error *err) FT_MUST_CHECK;
// A text as it is, anything else as JSON, a null as nothing. What is of type any goes by its value:
// strings and other scalars as they are, arrays and objects as JSON.
bool ft_writer_put_plain(ft_writer *writer, const ft_column *column, size_t item,
                         ft_error *err) FT_MUST_CHECK;
// The same as a field of CSV, in quotes where it must be.
bool ft_writer_put_csv(ft_writer *writer, const ft_column *column, size_t item, char delimiter,
                       ft_error *err) FT_MUST_CHECK;

// Which fields make up a line of JSONL.
typedef struct ft_line_plan {
    size_t count;           // Fields to be written, in this order ...
    const size_t *columns;  // ... their columns ...
    const char *const *names;
    size_t raw;  // ... the column of @raw, from which the rest is copied, or
                 // FT_FIELD_NONE.
    bool *seen;  // [count], scratch.
} ft_line_plan;
// One item as a line. With `raw`, its line is copied, the fields in it replaced and the others
// added at the end; a line that is no JSON object is put into a field `raw`.
bool ft_writer_put_line(ft_writer *writer, const ft_line_plan *plan, const ft_batch *batch,
                        size_t item, ft_error *err) FT_MUST_CHECK;
