// The functions of expressions: one row each says how it is typed, what runs and what the help
// prints.
#pragma once

#include "runtime/expr/expr_vector.h"

typedef struct ft_expr_call {
    const ft_expr_node *node;
    const ft_vector *args;
    ft_vector *out;  // Has a slot; no nulls yet.
} ft_expr_call;

// Runs over one block. False only without memory or at the limit; items fail by ft_expr_item_fail.
typedef bool ft_expr_kernel(ft_expr_context *context, const ft_expr_call *call, ft_error *err);

typedef enum ft_gather_kind {
    FT_GATHER_NONE,
    FT_GATHER_SUM,
    FT_GATHER_MEAN,
    FT_GATHER_MIN,
    FT_GATHER_MAX,
    FT_GATHER_COUNT,
    FT_GATHER_FIRST,
    FT_GATHER_LAST,
    FT_GATHER_ARG_MAX,
    FT_GATHER_ARG_MIN,
    FT_GATHER_ANY,
    FT_GATHER_ALL,
    FT_GATHER_LIST,
} ft_gather_kind;

// Arguments, one letter each; `*` repeats the one before it (once or more in all), what stands
// behind `?` may be absent:
//   s text   i int   f number, as float   n number; all of them int or all float   o number or
//   text, all alike b bool   v list or tensor of numbers   l list of text   x anything   u
//   anything, null too   L what has a length c text or list of text   j json or any   S literal
//   text   I literal int   h text, bytes, bool or number
// The result: b i f s j l as above, n o x as the first argument, F as the first vector's elements
// (int or float), V a list of those, T f32 of the arguments' shape, X a list of the first argument,
// D first or second argument (default).
struct ft_expr_routine {
    const char *name;
    const char *args;
    char result;
    bool varies;  // Not a function of its arguments alone: random, clock.
    ft_expr_use use;
    ft_gather_kind gather;
    ft_expr_kernel *kernel;  // NULL for aggregates.
    bool (*prepare)(ft_arena *arena, ft_expr_node *node,
                    ft_error *err);  // From literal arguments; may be NULL.
    bool takes_null;                 // Null arguments do not fail the item: the kernel sees them.
};

extern const ft_expr_routine ft_expr_routines[];  // Ends with a NULL name; as ft_expr_functions.

// The kernels, by file.
ft_expr_kernel ft_kernel_len, ft_kernel_norm, ft_kernel_dot, ft_kernel_cosine, ft_kernel_argmax,
    ft_kernel_top, ft_kernel_sum_of, ft_kernel_mean_of, ft_kernel_min_of, ft_kernel_max_of,
    ft_kernel_contains, ft_kernel_join;
ft_expr_kernel ft_kernel_lower, ft_kernel_upper, ft_kernel_trim, ft_kernel_hash, ft_kernel_starts,
    ft_kernel_ends, ft_kernel_match, ft_kernel_replace, ft_kernel_sub, ft_kernel_split,
    ft_kernel_words_of, ft_kernel_repeat;
ft_expr_kernel ft_kernel_number, ft_kernel_int, ft_kernel_string, ft_kernel_default, ft_kernel_get,
    ft_kernel_now;
ft_expr_kernel ft_kernel_min, ft_kernel_max, ft_kernel_abs, ft_kernel_round, ft_kernel_floor,
    ft_kernel_ceil, ft_kernel_sqrt, ft_kernel_exp, ft_kernel_log;
ft_expr_kernel ft_kernel_words, ft_kernel_normal, ft_kernel_uniform, ft_kernel_integer;

bool ft_prepare_pattern(ft_arena *arena, ft_expr_node *node, ft_error *err);
bool ft_prepare_path(ft_arena *arena, ft_expr_node *node, ft_error *err);
bool ft_prepare_vector(ft_arena *arena, ft_expr_node *node,
                       ft_error *err);  // normal(n, ...): a bound.

// Operators.
ft_expr_kernel ft_kernel_negate, ft_kernel_arithmetic, ft_kernel_compare, ft_kernel_concat,
    ft_kernel_convert;

// JSON text of an item as a scalar. False when it is something else; *out_null for null (then
// true).
typedef struct ft_dynamic {
    ft_kind kind;  // BOOL, INT, FLOAT, STRING; JSON for arrays and objects; ANY for null.
    bool bool_value;
    int64_t int_value;
    double float_value;
    ft_slice text;  // STRING: unescaped, in the block's text; JSON: as written.
} ft_dynamic;
bool ft_dynamic_read(ft_expr_context *context, ft_slice json, ft_dynamic *out,
                     ft_error *err) FT_MUST_CHECK;
const char *ft_dynamic_kind_name(const ft_dynamic *value);

// Simple case mapping of one code point.
uint32_t ft_case_lower(uint32_t code_point);
uint32_t ft_case_upper(uint32_t code_point);

// Evaluates a node for the context's block.
bool ft_expr_node_eval(ft_expr_context *context, const ft_expr_node *node, ft_vector *out,
                       ft_error *err) FT_MUST_CHECK;
// Tells run->failed of each failed item of the block, in order, with its text.
bool ft_expr_report_failed(ft_expr_context *context, const ft_expr *const *exprs, size_t count,
                           ft_error *err) FT_MUST_CHECK;
