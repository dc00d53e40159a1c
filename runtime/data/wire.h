// Batches as bytes, between two processes of one run: written as a list of parts that point at the
// columns, so that nothing is copied before it is sent; read as views of one buffer.
//
//   u64 count, u32 width, flags ...   rows   { type, sizes   offsets   inner   validity   values }
//   x width
//
// Both ends are the same program on the same machine, so numbers are in its own order. The reader
// trusts nothing: the other side may have corrupted its memory. Every size is checked against what
// is there, offsets against their values, text against UTF-8, types against the schema. The buffer
// must be the reader's own; one that the other side can still write to may change after the check.
//
// A batch may be written relative to the one that it was made from, its base: they share a lineage,
// and a column that is the base's own is sent as its number.
#pragma once

#include <sys/uio.h>

#include "runtime/data/batch.h"

// ---- writing ----

typedef struct ft_wire_block ft_wire_block;

typedef struct ft_wire {
    struct iovec *parts;  // [count]
    size_t count, capacity;
    size_t size_bytes;      // Of all parts.
    ft_wire_block *blocks;  // Copies of what is small.
} ft_wire;

void ft_wire_init(ft_wire *wire);
void ft_wire_finish(ft_wire *wire);
void ft_wire_clear(ft_wire *wire);  // Empty, to be used again.
// Copies `size_bytes` in.
bool ft_wire_put(ft_wire *wire, const void *data, size_t size_bytes, ft_error *err) FT_MUST_CHECK;
// Points at the batch's columns: they must stay until the wire was sent. Writes at most `width`
// columns. `base` may be NULL: then the lineage goes along.
bool ft_wire_put_batch(ft_wire *wire, const ft_batch *batch, const ft_batch *base, size_t width,
                       ft_error *err) FT_MUST_CHECK;

// ---- reading ----

typedef struct ft_wire_reader {
    ft_buffer *buffer;
    size_t at, end;  // In bytes of the buffer.
} ft_wire_reader;

// Names of the parts of sources, as far as they have come; they live as long as the arena.
typedef struct ft_wire_names {
    ft_arena *arena;
    const char **items;  // [count], NULL for those that have not come.
    size_t count;
} ft_wire_names;

// What a batch that comes must be.
typedef struct ft_wire_scope {
    ft_account *account;
    const ft_schema *schema;  // Its columns have these types, or are absent.
    ft_batch *base;           // What it was written relative to, or NULL: it brings a lineage.
    ft_wire_names *names;     // Without a base only.
} ft_wire_scope;

bool ft_wire_get(ft_wire_reader *reader, void *out, size_t size_bytes, ft_error *err) FT_MUST_CHECK;
bool ft_wire_get_batch(ft_wire_reader *reader, const ft_wire_scope *scope, ft_batch **out,
                       ft_error *err) FT_MUST_CHECK;
// What was read cannot have been written by a sane process. Returns false.
bool ft_wire_refuse(ft_error *err, const char *what);
