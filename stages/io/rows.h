// Rows of JSONL and CSV into columns: the fields that somebody reads are extracted, the rest is
// only checked.
#pragma once

#include "stages/io/value.h"

typedef struct ft_rows_field {
    const char *name;
    ft_type type;
    size_t column;  // CSV: which field of the record, ascending. JSONL: not used.
} ft_rows_field;

typedef struct ft_rows {
    ft_account *account;
    size_t count;  // Fields.
    ft_rows_field *fields;
    ft_builder *builders;
    struct ft_rows_cell *cells;  // [count]: what the current row has for each.
    size_t csv_columns;          // Fields of each record.
    char delimiter;
    size_t row_count;  // Rows so far.
    ft_value_scratch scratch;
    char *text;  // CSV: a field without its doubled quotes.
    size_t text_capacity;
} ft_rows;

// `fields` must live as long.
bool ft_rows_init(ft_rows *rows, ft_rows_field *fields, size_t count, ft_account *account,
                  ft_error *err) FT_MUST_CHECK;
void ft_rows_finish(ft_rows *rows);
// Begins the rows of a batch, which are `text_bytes` long together.
bool ft_rows_begin(ft_rows *rows, size_t expected_rows, size_t text_bytes,
                   ft_error *err) FT_MUST_CHECK;
// One row more in every column. With FT_ERROR_DATA the row is wrong and stands in the columns with
// whatever it had: the caller leaves it out.
bool ft_rows_add_json(ft_rows *rows, ft_slice line, ft_error *err) FT_MUST_CHECK;
bool ft_rows_add_csv(ft_rows *rows, ft_slice record, ft_error *err) FT_MUST_CHECK;
bool ft_rows_take(ft_rows *rows, size_t field, ft_column *out, ft_error *err) FT_MUST_CHECK;
