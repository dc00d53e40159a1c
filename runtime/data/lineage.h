// Where items come from and what became of them: one lineage for each batch that a source starts.
//
// Every batch that descends from it holds a reference and says for each of its items which row of
// the lineage it comes from. Sinks mark rows written, failures mark rows failed; when the last
// batch is gone, `done` is told and each row is exactly one of: failed (any descendant failed),
// written (a descendant reached a sink), held (absorbed by a stage that keeps it, such as gather),
// dropped. So `read = written + dropped + failed` holds by construction, and the lowest sequence
// number that is not done is what a journal may commit up to.
#pragma once

#include "runtime/concurrent/atomic.h"
#include "runtime/error.h"
#include "runtime/memory/account.h"
#include "runtime/memory/refcount.h"

typedef enum ft_row_state { FT_ROW_WRITTEN = 1, FT_ROW_FAILED = 2, FT_ROW_HELD = 4 } ft_row_state;

// A place in a source, meaningful outside the process: the source's part (file number, subject ...)
// and the byte offset or sequence number in it.
typedef struct ft_position {
    uint32_t part;
    uint64_t offset;
} ft_position;

typedef struct ft_lineage {
    ft_object object;
    uint32_t source;           // The node that started it.
    uint64_t sequence;         // Counts up from 0 for each source, without gaps.
    size_t count;              // Source items.
    uint64_t first_index;      // Of the first item, counted from the source's start.
    ft_atomic_u8 *states;      // [count], bits of ft_row_state; any thread ORs.
    ft_position *positions;    // [count], or NULL when the index says it all.
    const char *const *parts;  // Names of the parts; owned by the source, lives as long as the run.
    void (*done)(
        struct ft_lineage *lineage);  // Called once when the last reference goes; any thread.
    void *host;                       // The engine's, for `done`.
    ft_account *account;
    size_t charged_bytes;
    uint16_t home;  // Whose pool the block came from.
} ft_lineage;

// Charged to `account` (17 bytes an item with positions). `positions` is NULL unless
// `with_positions`.
FT_API ft_lineage *ft_lineage_create(ft_account *account, size_t count, bool with_positions,
                                     ft_error *err) FT_MUST_CHECK;
FT_API ft_lineage *ft_lineage_ref(ft_lineage *lineage);
FT_API void ft_lineage_unref(ft_lineage *lineage);  // NULL is fine.
void ft_lineage_mark(ft_lineage *lineage, size_t row, ft_row_state state);
typedef struct ft_lineage_totals {
    uint64_t written, dropped, failed, held;
} ft_lineage_totals;
ft_lineage_totals ft_lineage_sum(const ft_lineage *lineage);
