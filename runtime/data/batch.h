// What travels between stages: `count` items as columns, and where they came from.
//
// Immutable while shared. A stage that is the only owner writes in place: ft_batch_make_writable
// gives it a batch of its own (the same one if nobody else holds it), whose columns it may replace.
// Column indices are those of the schema of the edge; a column that nothing downstream reads may be
// absent (type set, values NULL).
#pragma once

#include "runtime/data/column.h"
#include "runtime/data/lineage.h"
#include "runtime/data/schema.h"

typedef struct ft_batch {
    ft_object object;
    size_t count;  // Items.
    ft_lineage *
        lineage;  // One reference; NULL for items that come from no source item (a gather's total).
    uint32_t *rows;  // [count]: item i descends from row rows[i] of the lineage; NULL: from row i.
    ft_account *account;                     // What `rows` and the struct are charged to.
    size_t width;                            // Columns.
    ft_column *columns;                      // [width]
    uint16_t home, columns_home, rows_home;  // Whose pools the blocks came from.
    // The engine's own: what the next stage makes of this batch, where that is known already
    // (engine/known.h); else NULL. One reference. Batches that are made from this one have none.
    ft_object *known;
} ft_batch;

// A batch of `count` items with `width` absent columns. Takes its own reference on `lineage` (may
// be NULL).
FT_API ft_batch *ft_batch_create(ft_account *account, size_t count, size_t width,
                                 ft_lineage *lineage, ft_error *err) FT_MUST_CHECK;
FT_API ft_batch *ft_batch_ref(ft_batch *batch);
FT_API void ft_batch_unref(ft_batch *batch);  // NULL is fine.
// Around a queue between threads, with everything that the batch holds: runtime/memory/refcount.h.
void ft_batch_hand_over(ft_batch *batch);
void ft_batch_receive(ft_batch *batch);
// Makes `*batch` unshared and at least `width` columns wide. Columns are shared with the old batch,
// never copied.
FT_API bool ft_batch_make_writable(ft_batch **batch, size_t width, ft_error *err) FT_MUST_CHECK;
// Replaces a column of an unshared batch; takes the column's references (it is zeroed).
FT_API void ft_batch_set(ft_batch *batch, size_t index, ft_column *column);
// Items [from, from + count): another batch, nothing of the values is copied.
FT_API ft_batch *ft_batch_slice(const ft_batch *batch, size_t from, size_t count,
                                ft_error *err) FT_MUST_CHECK;
// The items `indices[0..count)`; repeats allowed (one item becomes several). All of them in order:
// another reference.
FT_API ft_batch *ft_batch_select(ft_batch *batch, const uint32_t *indices, size_t count,
                                 ft_error *err) FT_MUST_CHECK;
// A new batch with the lineage and rows of the items `indices` of `from` (NULL: all of them) and
// `width` absent columns.
FT_API ft_batch *ft_batch_derive(const ft_batch *from, const uint32_t *indices, size_t count,
                                 size_t width, ft_error *err) FT_MUST_CHECK;
// Item i of an unshared batch that has a lineage and no rows descends from row rows[i]. Copies.
bool ft_batch_set_rows(ft_batch *batch, const uint32_t *rows, ft_error *err) FT_MUST_CHECK;
FT_API size_t ft_batch_size_bytes(const ft_batch *batch);
static inline size_t ft_batch_row(const ft_batch *batch, size_t item)
{
    return batch->rows ? batch->rows[item] : item;
}
static inline bool ft_batch_has(const ft_batch *batch, size_t column)
{
    return column < batch->width && batch->columns[column].values != NULL;
}
// "docs.jsonl, byte 5120" or "item 17": where an item comes from. Returns `out`.
FT_API const char *ft_batch_print_place(const ft_batch *batch, size_t item, char *out,
                                        size_t out_bytes);
// Aborts when offsets, counts, bitmaps or types disagree (debug and stress builds check each batch
// that is emitted).
FT_API void ft_batch_assert_valid(const ft_batch *batch);
