// What `read` is told, and what its plan finds out; shared by its two halves.
#pragma once

#include "runtime/stage.h"
#include "stages/io/paths.h"
#include "stages/io/rows.h"

typedef struct ft_read_config {
    // Options.
    const char *path;
    int format;  // ft_format.
    ft_map fields;
    int encoding_errors;  // ft_read_encoding.
    bool header;
    const char *delimiter;
    int per;  // ft_read_per.
    // Made by the plan.
    ft_paths files;
    char separator;  // CSV.
    bool is_live;    // Not a regular file: may make us wait.
    size_t block_bytes;
    size_t column_count;  // Fields that are known; CSV: all columns, in the file's order.
    ft_rows_field *columns;
} ft_read_config;

typedef enum ft_read_encoding { FT_READ_FAIL, FT_READ_REPLACE } ft_read_encoding;
typedef enum ft_read_per { FT_READ_LINE, FT_READ_PARAGRAPH } ft_read_per;

// Finds files, format and fields.
bool ft_read_plan(ft_stage_plan *plan, ft_read_config *config, ft_error *err) FT_MUST_CHECK;

// The half that turns lines into fields.
extern const ft_stage_def ft_read_decode;
