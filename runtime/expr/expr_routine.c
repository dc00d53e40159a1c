// The table of functions. One row gives both what the compiler needs and what a user reads; rows of
// one name differ in how many arguments they take or in where they stand.
#include "runtime/expr/expr_routine.h"

//   name, signature, arguments, result, use, gather, kernel, prepare, varies, takes null, doc
// clang-format off
#define ROUTINES(X) \
    X(len, "len(x)", "L", 'i', ITEM, NONE, ft_kernel_len, NULL, 0, 0, \
      "Code points of a text, elements of a list, first dimension of a tensor, bytes of bytes.") \
    X(lower, "lower(text)", "s", 's', ITEM, NONE, ft_kernel_lower, NULL, 0, 0, \
      "The text in lower case, by Unicode's simple mapping.") \
    X(upper, "upper(text)", "s", 's', ITEM, NONE, ft_kernel_upper, NULL, 0, 0, \
      "The text in upper case, by Unicode's simple mapping.") \
    X(trim, "trim(text)", "s", 's', ITEM, NONE, ft_kernel_trim, NULL, 0, 0, \
      "The text without white space at its ends.") \
    X(hash, "hash(x)", "h", 'i', ITEM, NONE, ft_kernel_hash, NULL, 0, 0, \
      "A number from 0 to 2^63 - 1, the same for equal values in every run.") \
    X(match, "match(text, \"pattern\")", "sS", 'b', ITEM, NONE, ft_kernel_match, \
      ft_prepare_pattern, 0, 0, \
      "Whether a POSIX extended regular expression is found in the text.") \
    X(starts, "starts(text, start)", "ss", 'b', ITEM, NONE, ft_kernel_starts, NULL, 0, 0, \
      "Whether the text begins with `start`.") \
    X(ends, "ends(text, end)", "ss", 'b', ITEM, NONE, ft_kernel_ends, NULL, 0, 0, \
      "Whether the text ends with `end`.") \
    X(contains, "contains(x, text)", "cs", 'b', ITEM, NONE, ft_kernel_contains, NULL, 0, 0, \
      "Whether `text` stands in a text, or is an element of a list of texts.") \
    X(replace, "replace(text, old, new)", "sss", 's', ITEM, NONE, ft_kernel_replace, NULL, 0, 0, \
      "The text with each `old` (plain text) replaced by `new`.") \
    X(sub, "sub(text, from, to)", "si?i", 's', ITEM, NONE, ft_kernel_sub, NULL, 0, 0, \
      "Characters `from` to `to` (or the end), counted from 1; negative from the end.") \
    X(repeat, "repeat(text, n)", "si", 's', ITEM, NONE, ft_kernel_repeat, NULL, 0, 0, \
      "The text n times.") \
    X(split, "split(text, separator)", "ss", 'l', ITEM, NONE, ft_kernel_split, NULL, 0, 0, \
      "The list of what stands between separators.") \
    X(words, "words(text)", "s", 'l', ITEM, NONE, ft_kernel_words_of, NULL, 0, 0, \
      "The list of the text's words, cut at white space.") \
    X(join, "join(list, between)", "l?s", 's', ITEM, NONE, ft_kernel_join, NULL, 0, 0, \
      "The texts of a list in one, with `between` (or a space) between them.") \
    X(number, "number(x)", "h", 'f', ITEM, NONE, ft_kernel_number, NULL, 0, 0, \
      "A text, bool or number as a float.") \
    X(int, "int(x)", "h", 'i', ITEM, NONE, ft_kernel_int, NULL, 0, 0, \
      "A text, bool or whole number as an int; a fraction fails, see floor.") \
    X(string, "string(x)", "h", 's', ITEM, NONE, ft_kernel_string, NULL, 0, 0, \
      "A number, bool or JSON value as text.") \
    X(default, "default(x, y)", "uu", 'D', ITEM, NONE, ft_kernel_default, NULL, 0, 1, \
      "x, or y where x is null.") \
    X(get, "get(json, \"a.b\")", "jS", 'j', ITEM, NONE, ft_kernel_get, ft_prepare_path, 0, 1, \
      "The value at a path in JSON, null when there is none; elements count from 1.") \
    X(min, "min(list)", "v", 'F', ITEM, NONE, ft_kernel_min_of, NULL, 0, 0, \
      "The smallest element of a list or tensor.") \
    X(min, "min(a, b, ...)", "nn*", 'n', ITEM, NONE, ft_kernel_min, NULL, 0, 0, \
      "The smallest of some numbers.") \
    X(max, "max(list)", "v", 'F', ITEM, NONE, ft_kernel_max_of, NULL, 0, 0, \
      "The largest element of a list or tensor.") \
    X(max, "max(a, b, ...)", "nn*", 'n', ITEM, NONE, ft_kernel_max, NULL, 0, 0, \
      "The largest of some numbers.") \
    X(sum, "sum(list)", "v", 'F', ITEM, NONE, ft_kernel_sum_of, NULL, 0, 0, \
      "The sum of a list or tensor.") \
    X(mean, "mean(list)", "v", 'f', ITEM, NONE, ft_kernel_mean_of, NULL, 0, 0, \
      "The mean of a list or tensor.") \
    X(abs, "abs(x)", "n", 'n', ITEM, NONE, ft_kernel_abs, NULL, 0, 0, \
      "The number without its sign.") \
    X(round, "round(x)", "f", 'i', ITEM, NONE, ft_kernel_round, NULL, 0, 0, \
      "The nearest whole number, halves away from zero.") \
    X(round, "round(x, digits)", "fi", 'f', ITEM, NONE, ft_kernel_round, NULL, 0, 0, \
      "The number with so many digits behind the point.") \
    X(floor, "floor(x)", "f", 'i', ITEM, NONE, ft_kernel_floor, NULL, 0, 0, \
      "The largest whole number that is not above x.") \
    X(ceil, "ceil(x)", "f", 'i', ITEM, NONE, ft_kernel_ceil, NULL, 0, 0, \
      "The smallest whole number that is not below x.") \
    X(sqrt, "sqrt(x)", "f", 'f', ITEM, NONE, ft_kernel_sqrt, NULL, 0, 0, "The square root.") \
    X(exp, "exp(x)", "f", 'f', ITEM, NONE, ft_kernel_exp, NULL, 0, 0, "e to the power x.") \
    X(log, "log(x)", "f", 'f', ITEM, NONE, ft_kernel_log, NULL, 0, 0, "The natural logarithm.") \
    X(norm, "norm(v)", "v", 'f', ITEM, NONE, ft_kernel_norm, NULL, 0, 0, \
      "The length of a vector: the root of the sum of its squares.") \
    X(dot, "dot(a, b)", "vv", 'f', ITEM, NONE, ft_kernel_dot, NULL, 0, 0, \
      "The dot product of two vectors.") \
    X(cosine, "cosine(a, b)", "vv", 'f', ITEM, NONE, ft_kernel_cosine, NULL, 0, 0, \
      "The cosine of the angle between two vectors.") \
    X(argmax, "argmax(v)", "v", 'i', ITEM, NONE, ft_kernel_argmax, NULL, 0, 0, \
      "The position of the largest element, counted from 0 as classes are.") \
    X(top, "top(v, k)", "vi", 'V', ITEM, NONE, ft_kernel_top, NULL, 0, 0, \
      "The list of the k largest elements, largest first.") \
    X(now, "now()", "", 'f', ITEM, NONE, ft_kernel_now, NULL, 1, 0, "Seconds since 1970.") \
    X(sum, "sum(x)", "n", 'n', GATHER, SUM, NULL, NULL, 0, 0, "The sum over all items.") \
    X(mean, "mean(x)", "f", 'f', GATHER, MEAN, NULL, NULL, 0, 0, "The mean over all items.") \
    X(min, "min(x)", "o", 'o', GATHER, MIN, NULL, NULL, 0, 0, "The smallest of all items.") \
    X(max, "max(x)", "o", 'o', GATHER, MAX, NULL, NULL, 0, 0, "The largest of all items.") \
    X(count, "count()", "", 'i', GATHER, COUNT, NULL, NULL, 0, 0, "How many items there are.") \
    X(count, "count(x)", "u", 'i', GATHER, COUNT, NULL, NULL, 0, 1, "How many items have x.") \
    X(first, "first(x)", "u", 'x', GATHER, FIRST, NULL, NULL, 0, 1, "x of the first item.") \
    X(last, "last(x)", "u", 'x', GATHER, LAST, NULL, NULL, 0, 1, "x of the last item.") \
    X(arg_max, "arg_max(x, by)", "xo", 'x', GATHER, ARG_MAX, NULL, NULL, 0, 0, \
      "x of the item where `by` is largest, the first of equals.") \
    X(arg_min, "arg_min(x, by)", "xo", 'x', GATHER, ARG_MIN, NULL, NULL, 0, 0, \
      "x of the item where `by` is smallest, the first of equals.") \
    X(any, "any(x)", "b", 'b', GATHER, ANY, NULL, NULL, 0, 0, "Whether x is true for some item.") \
    X(all, "all(x)", "b", 'b', GATHER, ALL, NULL, NULL, 0, 0, \
      "Whether x is true for every item.") \
    X(list, "list(x)", "o", 'X', GATHER, LIST, NULL, NULL, 0, 0, "The list of x of all items, \
      in order.") \
    X(words, "words(a, b)", "ii", 's', GENERATE, NONE, ft_kernel_words, NULL, 1, 0, \
      "From a to b random English words.") \
    X(normal, "normal(n, ...)", "I?III", 'T', GENERATE, NONE, ft_kernel_normal, \
      ft_prepare_vector, 1, 0, \
      "A tensor of that shape of normally distributed numbers: f32[n].") \
    X(uniform, "uniform(a, b)", "ff", 'f', GENERATE, NONE, ft_kernel_uniform, NULL, 1, 0, \
      "A random number from a up to b.") \
    X(integer, "integer(a, b)", "ii", 'i', GENERATE, NONE, ft_kernel_integer, NULL, 1, 0, \
      "A random whole number from a to b, both included.")
// clang-format on

const ft_expr_routine ft_expr_routines[] = {
#define ROW(name, signature, args, result, use, gather, kernel, prepare, varies, takes_null, doc) \
    {#name, args, result, varies, FT_EXPR_##use, FT_GATHER_##gather, kernel, prepare, takes_null},
    ROUTINES(ROW)
#undef ROW
        {.name = NULL},
};

const ft_expr_function ft_expr_functions[] = {
#define ROW(name, signature, args, result, use, gather, kernel, prepare, varies, takes_null, doc) \
    {#name, signature, doc, FT_EXPR_##use},
    ROUTINES(ROW)
#undef ROW
        {.name = NULL},
};
