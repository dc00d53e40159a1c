// The records of wire.h's format, for its writer and its reader.
#pragma once

#include "runtime/data/type.h"

enum {
    FT_WIRE_HAS_LINEAGE = 1,
    FT_WIRE_HAS_ROWS = 2,
    FT_WIRE_POSITIONS = 4,
    FT_WIRE_FLAGS = 7,
};

typedef struct ft_wire_batch {
    uint64_t count, sequence, lineage_count, first_index;
    uint32_t width, flags, source;
} ft_wire_batch;

enum { FT_WIRE_ABSENT, FT_WIRE_SAME, FT_WIRE_PLAIN };

// An ft_type in numbers that may have any value.
typedef struct ft_wire_type {
    int64_t shape[FT_RANK_MAX];
    uint32_t kind, dtype;
    uint8_t list, rank;
} ft_wire_type;

typedef struct ft_wire_column {
    ft_wire_type type;
    uint64_t rows;      // Of the values tensor.
    uint64_t elements;  // Of lists, all items together.
    uint32_t index;     // SAME: the base's column.
    uint8_t kind;
    uint8_t has_validity;
    uint8_t validity_bit;  // Where the first item's bit is, below 8.
} ft_wire_column;
