// What kernels work on: the values of one node for a block of at most FT_EXPR_BLOCK items, and
// where they are kept.
//
//   bool u8   int i64   float f64   text ft_slice   lists and tensors ft_span
//
// A block's vectors lie in slots of one size that are taken and given back as the tree is walked,
// so an expression holds about as many slots as its tree is high, whatever the number of items.
// Text that kernels make lies in chunks that last to the end of the block.
#pragma once

#include "runtime/expr/expr_tree.h"

enum { FT_EXPR_BLOCK = 1024 };

// The elements of one list or tensor.
typedef struct ft_span {
    const char *base;
    const int32_t *inner;  // Lists of text: element j is base[inner[j]] up to base[inner[j + 1]].
    size_t count;          // Elements; of a tensor: numbers.
} ft_span;

typedef struct ft_vector {
    void *data;
    uint8_t *nulls;  // [count] 1: null. NULL: none is.
    void *slot;      // Where data or nulls lie, or NULL when the data is the column's.
} ft_vector;

typedef struct ft_expr_scratch ft_expr_scratch;

typedef struct ft_expr_context {
    const ft_expr *expr;
    const ft_batch *batch;
    ft_expr_run *run;
    ft_expr_scratch *scratch;
    size_t first, count;          // The block: items [first, first + count) of the batch.
    const uint8_t *active;        // [count] Items whose failures count; NULL: all.
    const ft_column *aggregates;  // Values of aggregates once gathered.
    ft_error *why;                // The text of the first failure is wanted.
    bool any_failed;
    uint8_t failed[FT_EXPR_BLOCK];
} ft_expr_context;

static inline bool *ft_vector_bools(const ft_vector *v)
{
    return (bool *)v->data;
}
static inline int64_t *ft_vector_ints(const ft_vector *v)
{
    return (int64_t *)v->data;
}
static inline double *ft_vector_floats(const ft_vector *v)
{
    return (double *)v->data;
}
static inline ft_slice *ft_vector_texts(const ft_vector *v)
{
    return (ft_slice *)v->data;
}
static inline ft_span *ft_vector_spans(const ft_vector *v)
{
    return (ft_span *)v->data;
}
static inline bool ft_vector_is_null(const ft_vector *v, size_t i)
{
    return v->nulls && v->nulls[i];
}

bool ft_expr_scratch_get(ft_expr_run *run, ft_expr_scratch **out, ft_error *err) FT_MUST_CHECK;
void ft_expr_scratch_reset(ft_expr_scratch *scratch);  // Text goes; slots stay.
bool ft_vector_take(ft_expr_context *context, ft_vector *out, ft_error *err) FT_MUST_CHECK;
void ft_vector_give(ft_expr_context *context, ft_vector *vector);
// The vector's nulls, all 0 when there were none. It must have a slot.
uint8_t *ft_vector_add_nulls(const ft_expr_context *context, ft_vector *vector);
char *ft_expr_text_alloc(ft_expr_context *context, size_t size_bytes,
                         ft_error *err) FT_MUST_CHECK;  // 16-byte aligned.
size_t ft_vector_item_bytes(ft_type type);
// The block's items of a column; `from` is the first of them.
bool ft_vector_load(ft_expr_context *context, const ft_column *column, size_t from, ft_vector *out,
                    ft_error *err) FT_MUST_CHECK;
// The type in which a column's values are loaded: a tensor of rank 0 is a number.
ft_type ft_vector_loaded_type(ft_type type);

// Number i of `data` as float.
double ft_number_at(const char *data, ft_dtype dtype, size_t i);

// Adds item i of a vector to a builder of its type; nulls are the caller's to see.
bool ft_vector_put(const ft_vector *value, ft_type type, size_t i, ft_builder *builder,
                   ft_error *err) FT_MUST_CHECK;

// Item i of the block cannot be done. The text is only made when somebody asks for it (`why`).
static inline bool ft_expr_counts(const ft_expr_context *context, size_t i)
{
    return !context->failed[i] && (!context->active || context->active[i]);
}
void ft_expr_item_fail(ft_expr_context *context, const ft_expr_node *node, size_t i,
                       const char *format, ...) FT_PRINTF(4, 5);
void ft_expr_item_hint(ft_expr_context *context, const char *format, ...) FT_PRINTF(2, 3);
// Fails the items where `vector`, the value of `node`, is null.
void ft_expr_fail_nulls(ft_expr_context *context, const ft_expr_node *node,
                        const ft_vector *vector);
// The text of a node, cut to what a message can show: "%.*s" of these two.
ft_slice ft_expr_node_text(const ft_expr_context *context, const ft_expr_node *node);
