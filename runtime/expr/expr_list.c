// Kernels for lists and tensors. Sums run from the first element to the last in double precision,
// so that a result depends on neither the batch nor the machine's vector width.
#include "runtime/expr/expr_routine.h"

#include <math.h>
#include <string.h>

#include "runtime/data/json.h"

// The dtype in which a list's or tensor's numbers lie.
static ft_dtype dtype_of(ft_type type)
{
    if (type.kind == FT_KIND_TENSOR)
        return type.dtype;
    return type.kind == FT_KIND_INT ? FT_DTYPE_I64 : FT_DTYPE_F64;
}

static bool json_length(ft_slice text, int64_t *out, ft_error *why)
{
    ft_json json;
    ft_json_value value, key;
    bool first = true, more = true;

    *out = 0;
    ft_json_init(&json, text);
    if (!ft_json_read(&json, &value, why))
        return false;
    if (value.kind != FT_JSON_ARRAY && value.kind != FT_JSON_OBJECT)
        return ft_fail(why, FT_ERROR_DATA, "a number, true, false and null have no length");
    for (;; ++*out) {
        bool ok = value.kind == FT_JSON_ARRAY
                      ? ft_json_next_element(&json, &first, &more, why)
                      : ft_json_next_member(&json, &first, &more, &key, why);
        if (!ok)
            return false;
        if (!more)
            return true;
        if (!ft_json_skip(&json, NULL, why))
            return false;
    }
}

static bool dynamic_length(ft_expr_context *context, const ft_expr_call *call, size_t i,
                           ft_error *err)
{
    ft_dynamic value;
    ft_error why = FT_ERROR_INIT;
    int64_t *out = &ft_vector_ints(call->out)[i];

    if (!ft_dynamic_read(context, ft_vector_texts(&call->args[0])[i], &value, err))
        return false;
    if (value.kind == FT_KIND_STRING)
        *out = (int64_t)ft_utf8_count(value.text);
    else if (!json_length(ft_vector_texts(&call->args[0])[i], out, &why))
        ft_expr_item_fail(context, call->node, i, "%s", why.message);
    return true;
}

// Code points of a text, bytes of bytes, elements of a list, first dimension of a tensor.
bool ft_kernel_len(ft_expr_context *context, const ft_expr_call *call, ft_error *err)
{
    ft_type type = call->node->args[0]->type;
    int64_t *out = ft_vector_ints(call->out);
    const ft_vector *arg = &call->args[0];

    for (size_t i = 0; i < context->count; i++) {
        out[i] = 0;
        if (type.list)
            out[i] = (int64_t)ft_vector_spans(arg)[i].count;
        else if (type.kind == FT_KIND_TENSOR)
            out[i] = type.shape[0];
        else if (type.kind == FT_KIND_STRING)
            out[i] = (int64_t)ft_utf8_count(ft_vector_texts(arg)[i]);
        else if (type.kind == FT_KIND_BYTES)
            out[i] = (int64_t)ft_vector_texts(arg)[i].size;
        else if (ft_expr_counts(context, i) && !dynamic_length(context, call, i, err))
            return false;
    }
    return true;
}

static double dot(const ft_span *a, ft_dtype a_dtype, const ft_span *b, ft_dtype b_dtype)
{
    double sum = 0;

    if (a_dtype == FT_DTYPE_F32 && b_dtype == FT_DTYPE_F32) {
        const float *x = (const float *)(const void *)a->base,
                    *y = (const float *)(const void *)b->base;
        for (size_t j = 0; j < a->count; j++)
            sum += (double)x[j] * (double)y[j];
        return sum;
    }
    for (size_t j = 0; j < a->count; j++)
        sum += ft_number_at(a->base, a_dtype, j) * ft_number_at(b->base, b_dtype, j);
    return sum;
}

bool ft_kernel_norm(ft_expr_context *context, const ft_expr_call *call, ft_error *err)
{
    ft_dtype dtype = dtype_of(call->node->args[0]->type);
    const ft_span *spans = ft_vector_spans(&call->args[0]);

    (void)err;
    for (size_t i = 0; i < context->count; i++)
        ft_vector_floats(call->out)[i] = sqrt(dot(&spans[i], dtype, &spans[i], dtype));
    return true;
}

static void dot_or_cosine(ft_expr_context *context, const ft_expr_call *call, bool cosine)
{
    ft_dtype a_dtype = dtype_of(call->node->args[0]->type);
    ft_dtype b_dtype = dtype_of(call->node->args[1]->type);

    for (size_t i = 0; i < context->count; i++) {
        const ft_span *a = &ft_vector_spans(&call->args[0])[i];
        const ft_span *b = &ft_vector_spans(&call->args[1])[i];
        double *out = &ft_vector_floats(call->out)[i];
        *out = 0;
        if (a->count != b->count) {
            ft_expr_item_fail(context, call->node, i, "one side has %zu elements, the other %zu",
                              a->count, b->count);
            continue;
        }
        *out = dot(a, a_dtype, b, b_dtype);
        if (cosine)
            *out /= sqrt(dot(a, a_dtype, a, a_dtype)) * sqrt(dot(b, b_dtype, b, b_dtype));
    }
}

bool ft_kernel_dot(ft_expr_context *context, const ft_expr_call *call, ft_error *err)
{
    (void)err;
    dot_or_cosine(context, call, false);
    return true;
}

bool ft_kernel_cosine(ft_expr_context *context, const ft_expr_call *call, ft_error *err)
{
    (void)err;
    dot_or_cosine(context, call, true);
    return true;
}

static bool is_int_dtype(ft_dtype dtype)
{
    return dtype == FT_DTYPE_U8 || dtype == FT_DTYPE_I8 || dtype == FT_DTYPE_I32 ||
           dtype == FT_DTYPE_I64;
}

static int64_t int_at(const char *base, ft_dtype dtype, size_t j)
{
    if (dtype == FT_DTYPE_I64)
        return ((const int64_t *)(const void *)base)[j];
    return (int64_t)ft_number_at(base, dtype, j);
}

// Is element a before b in "largest first"? NaN is the last of all.
static bool is_larger(const char *base, ft_dtype dtype, size_t a, size_t b)
{
    if (is_int_dtype(dtype))
        return int_at(base, dtype, a) > int_at(base, dtype, b);
    double x = ft_number_at(base, dtype, a), y = ft_number_at(base, dtype, b);
    return x > y || (isnan(y) && !isnan(x));
}

static bool fail_empty(ft_expr_context *context, const ft_expr_call *call, size_t i)
{
    ft_slice text = ft_expr_node_text(context, call->node->args[0]);

    ft_expr_item_fail(context, call->node, i, "`%.*s` is empty in this item", (int)text.size,
                      text.data);
    return true;
}

// The largest element's index (the first of equals), or the smallest's.
static size_t find_extreme(const ft_span *span, ft_dtype dtype, bool most)
{
    size_t best = 0;

    for (size_t j = 1; j < span->count; j++) {
        bool wins =
            most ? is_larger(span->base, dtype, j, best) : is_larger(span->base, dtype, best, j);
        bool is_nan = !is_int_dtype(dtype) && isnan(ft_number_at(span->base, dtype, j));
        bool best_nan = !is_int_dtype(dtype) && isnan(ft_number_at(span->base, dtype, best));
        if (!is_nan && (wins || best_nan))
            best = j;
    }
    return best;
}

bool ft_kernel_argmax(ft_expr_context *context, const ft_expr_call *call, ft_error *err)
{
    ft_dtype dtype = dtype_of(call->node->args[0]->type);

    (void)err;
    for (size_t i = 0; i < context->count; i++) {
        const ft_span *span = &ft_vector_spans(&call->args[0])[i];
        if (!span->count)
            fail_empty(context, call, i);
        ft_vector_ints(call->out)[i] = (int64_t)find_extreme(span, dtype, true);
    }
    return true;
}

static void extreme_of(ft_expr_context *context, const ft_expr_call *call, bool most)
{
    ft_dtype dtype = dtype_of(call->node->args[0]->type);

    for (size_t i = 0; i < context->count; i++) {
        const ft_span *span = &ft_vector_spans(&call->args[0])[i];
        size_t best = find_extreme(span, dtype, most);
        if (!span->count)
            fail_empty(context, call, i);
        if (call->node->type.kind == FT_KIND_INT)
            ft_vector_ints(call->out)[i] = span->count ? int_at(span->base, dtype, best) : 0;
        else
            ft_vector_floats(call->out)[i] =
                span->count ? ft_number_at(span->base, dtype, best) : 0;
    }
}

bool ft_kernel_min_of(ft_expr_context *context, const ft_expr_call *call, ft_error *err)
{
    (void)err;
    extreme_of(context, call, false);
    return true;
}

bool ft_kernel_max_of(ft_expr_context *context, const ft_expr_call *call, ft_error *err)
{
    (void)err;
    extreme_of(context, call, true);
    return true;
}

static double float_sum(const ft_span *span, ft_dtype dtype)
{
    double sum = 0;

    for (size_t j = 0; j < span->count; j++)
        sum += ft_number_at(span->base, dtype, j);
    return sum;
}

static bool int_sum(const ft_span *span, ft_dtype dtype, int64_t *out)
{
    *out = 0;
    for (size_t j = 0; j < span->count; j++)
        if (FT_ADD_OVERFLOWS(*out, int_at(span->base, dtype, j), out))
            return false;
    return true;
}

bool ft_kernel_sum_of(ft_expr_context *context, const ft_expr_call *call, ft_error *err)
{
    ft_dtype dtype = dtype_of(call->node->args[0]->type);

    (void)err;
    for (size_t i = 0; i < context->count; i++) {
        const ft_span *span = &ft_vector_spans(&call->args[0])[i];
        if (call->node->type.kind == FT_KIND_FLOAT)
            ft_vector_floats(call->out)[i] = float_sum(span, dtype);
        else if (!int_sum(span, dtype, &ft_vector_ints(call->out)[i]))
            ft_expr_item_fail(context, call->node, i,
                              "the sum does not fit a whole number of 64 bits");
    }
    return true;
}

bool ft_kernel_mean_of(ft_expr_context *context, const ft_expr_call *call, ft_error *err)
{
    ft_dtype dtype = dtype_of(call->node->args[0]->type);

    (void)err;
    for (size_t i = 0; i < context->count; i++) {
        const ft_span *span = &ft_vector_spans(&call->args[0])[i];
        if (!span->count)
            fail_empty(context, call, i);
        ft_vector_floats(call->out)[i] =
            float_sum(span, dtype) / (double)(span->count ? span->count : 1);
    }
    return true;
}

// Is `a` a better member of the top than `b`? Of equals the first is.
static bool is_before(const ft_span *span, ft_dtype dtype, uint32_t a, uint32_t b)
{
    if (is_larger(span->base, dtype, a, b))
        return true;
    return !is_larger(span->base, dtype, b, a) && a < b;
}

// A heap of the best `k` with the worst of them on top; then sorted in place, best first.
static void sift(const ft_span *span, ft_dtype dtype, uint32_t *heap, size_t size, size_t at)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= size)
            return;
        if (child + 1 < size && is_before(span, dtype, heap[child], heap[child + 1]))
            child++;
        if (is_before(span, dtype, heap[child], heap[at]))
            return;
        uint32_t moved = heap[at];
        heap[at] = heap[child];
        heap[child] = moved;
        at = child;
    }
}

static void find_top(const ft_span *span, ft_dtype dtype, uint32_t *heap, size_t k)
{
    for (size_t j = 0; j < k; j++)
        heap[j] = (uint32_t)j;
    for (size_t at = k / 2; at-- > 0;)
        sift(span, dtype, heap, k, at);
    for (size_t j = k; j < span->count; j++) {
        if (!is_before(span, dtype, (uint32_t)j, heap[0]))
            continue;
        heap[0] = (uint32_t)j;
        sift(span, dtype, heap, k, 0);
    }
    for (size_t end = k; end > 1; end--) {
        uint32_t worst = heap[0];
        heap[0] = heap[end - 1];
        heap[end - 1] = worst;
        sift(span, dtype, heap, end - 1, 0);
    }
}

// top(x, k): the k largest elements, largest first.
bool ft_kernel_top(ft_expr_context *context, const ft_expr_call *call, ft_error *err)
{
    ft_dtype dtype = dtype_of(call->node->args[0]->type);
    size_t bytes = ft_dtype_size_bytes(dtype);

    for (size_t i = 0; i < context->count; i++) {
        const ft_span *span = &ft_vector_spans(&call->args[0])[i];
        int64_t wanted = ft_vector_ints(&call->args[1])[i];
        ft_vector_spans(call->out)[i] = (ft_span){0};
        if (!ft_expr_counts(context, i) || wanted <= 0 || span->count == 0)
            continue;
        size_t k = (uint64_t)wanted < span->count ? (size_t)wanted : span->count;
        uint32_t *heap = (uint32_t *)(void *)ft_expr_text_alloc(context, k * sizeof(*heap), err);
        char *numbers = heap ? ft_expr_text_alloc(context, k * bytes, err) : NULL;
        if (!numbers)
            return false;
        find_top(span, dtype, heap, k);
        for (size_t j = 0; j < k; j++)
            memcpy(numbers + j * bytes, span->base + heap[j] * bytes, bytes);
        ft_vector_spans(call->out)[i] = (ft_span){numbers, NULL, k};
    }
    return true;
}
