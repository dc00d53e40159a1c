// Expressions of `filter:`, `when:`, `map:`, `gather:` and `generate:`: written as in Lua, typed
// when the plan is made, run over whole columns without an interpreter of items.
//
// Numbers of its errors: E0401 syntax, E0402 no such field, E0403 no such function, E0404 the types
// do not fit, E0405 wrong number of arguments, E0406 not a condition, E0407 an aggregate where none
// can be, or a field outside of one, E0408 too long or too deep, E0409 an item that the expression
// cannot take (the only one that comes while items run).
//
//   or  and  not  == ~= != < <= > >=  ..  + -  * / // %  unary -  ^   ( )
//   literals 1 1.5 "a" 'a' true false nil   field names   functions f(x, y)
//
// Fields have no parts: JSON is opened by `get(field, "a.b")`. `c and a or b` chooses a value.
// null in an operator other than == ~= != `not` and the function `default` fails the item. int and
// int give int (`/` and `^` give float); int and float give float. Overflow of int fails the item.
#pragma once

#include "runtime/data/batch.h"

typedef struct ft_expr ft_expr;

typedef enum ft_expr_use {
    FT_EXPR_ITEM,       // One value for each item.
    FT_EXPR_GATHER,     // One value for all items: sum(x) min max mean count() first(x) last(x)
                        // arg_max(a, b) list(x) ...
    FT_EXPR_GENERATE,   // As ITEM, with `index` and the random functions words(a, b), normal(n),
                        // uniform(a, b), integer(a, b).
    FT_EXPR_CONDITION,  // As ITEM, and its type must be bool (or any, which is looked at when the
                        // item comes): E0406.
} ft_expr_use;

// Parses and types `text`. On failure `err->offset` and `length` point into `text`. Lives in the
// arena.
FT_API bool ft_expr_compile(ft_arena *arena, ft_slice text, const ft_schema *schema,
                            ft_expr_use use, const ft_expr **out, ft_error *err) FT_MUST_CHECK;
FT_API ft_type ft_expr_type(const ft_expr *expr);
FT_API bool ft_expr_reads(const ft_expr *expr, size_t field);
// Bytes of one value, roughly: sources size their batches by it.
size_t ft_expr_guess_bytes(const ft_expr *expr);
// It reads no field and has no `index`, random function or clock.
bool ft_expr_is_constant(const ft_expr *expr);

// What failed for single items: `failed` is called for each, in order of items; such an item's
// value is null. It returns false to stop the evaluation, with `err` filled.
typedef struct ft_expr_run {
    ft_account *account;
    uint64_t seed;
    bool (*failed)(void *host, size_t item, const ft_error *why, ft_error *err);
    void *host;
    void *scratch;  // Kept between calls by the caller: starts NULL, given back by
                    // ft_expr_free_scratch. One thread's.
} ft_expr_run;
FT_API void ft_expr_free_scratch(ft_expr_run *run);

FT_API bool ft_expr_eval(const ft_expr *expr, const ft_batch *batch, ft_expr_run *run,
                         ft_column *out, ft_error *err) FT_MUST_CHECK;
// A condition: out[i] = 1, or 0 when false or failed.
FT_API bool ft_expr_test(const ft_expr *expr, const ft_batch *batch, ft_expr_run *run, uint8_t *out,
                         ft_error *err) FT_MUST_CHECK;

// FT_EXPR_GATHER: folds batches, in order, into one value. The state belongs to one stage instance.
typedef struct ft_expr_fold ft_expr_fold;
ft_expr_fold *ft_expr_fold_create(const ft_expr *expr, ft_account *account,
                                  ft_error *err) FT_MUST_CHECK;
void ft_expr_fold_destroy(ft_expr_fold *fold);
bool ft_expr_fold_add(ft_expr_fold *fold, const ft_batch *batch, ft_expr_run *run,
                      ft_error *err) FT_MUST_CHECK;
// Several values of the same items, at most FT_EXPR_FOLDS_MAX: an item that one of them cannot take
// is in none of them and is reported once.
enum { FT_EXPR_FOLDS_MAX = 256 };
bool ft_expr_folds_add(ft_expr_fold *const *folds, size_t count, const ft_batch *batch,
                       ft_expr_run *run, ft_error *err) FT_MUST_CHECK;
bool ft_expr_fold_end(ft_expr_fold *fold, ft_builder *out,
                      ft_error *err) FT_MUST_CHECK;  // Adds one item.

// The functions, for help, docs and "did you mean": name, signature, one line.
typedef struct ft_expr_function {
    const char *name, *signature, *doc;
    ft_expr_use use;
} ft_expr_function;
extern const ft_expr_function ft_expr_functions[];  // Ends with a NULL name.
