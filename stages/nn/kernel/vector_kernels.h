// The kernels in terms of vectors; each of kernels_avx2.c and kernels_avx512.c defines the words
// below and includes this.
//
//   V            a vector of LANES floats            v_load v_store v_set v_zero
//   v_add v_mul v_fma (a * b + c) v_max v_floor      v_scale(x, n): x * 2^n
//   v_below(x, limit, value): value where x < limit, else 0      v_abs
//   v_choose(x, y, a, b): a where x < y, else b                   v_sum: of all lanes, in one order
//   TILE_ROWS    rows of C that fit the registers beside TILE_VECTORS vectors of columns
//
// A tile of C stays in registers while k runs over the whole depth: one fused multiply-add for each
// element and k, in order. That is the only order there is, so tiles of any height give the same
// bits.
#pragma once

typedef struct tile {
    const float *a, *b, *bias, *scale;
    const float *ahead;  // For each k a cache line of it is fetched, or two.
    bool fetches_two;
    float *c;
    size_t a_row, a_step, b_step, c_row, depth;
    bool add;
} tile;

FT_ALWAYS_INLINE void tile_store(const tile *t, V sums[TILE_ROWS][TILE_VECTORS], int rows,
                                 int vectors)
{
    for (int r = 0; r < rows; r++) {
        float *c = t->c + (size_t)r * t->c_row;
        for (int v = 0; v < vectors; v++) {
            V value = sums[r][v];
            if (t->scale)
                value = v_mul(value, v_set(t->scale[r]));
            if (t->bias)
                value = v_add(value, v_load(t->bias + v * LANES));
            if (t->add)
                value = v_add(value, v_load(c + v * LANES));
            v_store(c + v * LANES, value);
        }
    }
}

// `rows`, `vectors` and `a_along` are constants at every call, so that all loops but the one over k
// are unrolled. `a_along`: A's elements of one row lie beside each other; else those of one k do.
FT_ALWAYS_INLINE void tile_run(const tile *t, const int rows, const int vectors, const bool a_along)
{
    V sums[TILE_ROWS][TILE_VECTORS];
    const float *b = t->b, *ahead = t->ahead;
    const bool fetches_two = t->fetches_two;
    const size_t step = a_along ? t->a_row : t->a_step, b_step = t->b_step;
    // Four rows to a pointer: x86 addresses p + {0, 1, 2, 3} steps without further registers.
    const float *a0 = t->a, *a4 = rows > 4 ? a0 + 4 * step : a0;
    const float *a8 = rows > 8 ? a0 + 8 * step : a0, *a12 = rows > 12 ? a0 + 12 * step : a0;

#pragma GCC unroll 16
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++)
            sums[r][v] = v_zero();
    for (size_t k = 0; k < t->depth; k++) {
        V columns[TILE_VECTORS];
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++)
            columns[v] = v_load(b + v * LANES);
        b += b_step;
        _mm_prefetch((const char *)ahead, _MM_HINT_T1);
        ahead += 16;
        // A fetch takes the place of a load, whether the line is there or not: a tile of eight rows
        // is a seventh slower with a second one.
        if (fetches_two) {
            _mm_prefetch((const char *)ahead, _MM_HINT_T1);
            ahead += 16;
        }
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++) {
            const float *group = r < 4 ? a0 : r < 8 ? a4 : r < 12 ? a8 : a12;
            const V x = v_set(a_along ? group[(size_t)(r & 3) * step] : a0[r]);
#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++)
                sums[r][v] = v_fma(x, columns[v], sums[r][v]);
        }
        if (a_along) {
            a0++;
            a4++;
            a8++;
            a12++;
        } else {
            a0 += step;
        }
    }
    tile_store(t, sums, rows, vectors);
}

// One function for each height, so that no row of a short tile is computed in vain.
FT_ALWAYS_INLINE void tile_rows(const tile *t, size_t rows, const int vectors, const bool a_along)
{
    switch (rows) {
#define TILE_CASE(n)                      \
    case n:                               \
        tile_run(t, n, vectors, a_along); \
        break;
        TILE_CASE(1)
        TILE_CASE(2)
        TILE_CASE(3)
        TILE_CASE(4)
        TILE_CASE(5)
        TILE_CASE(6)
#if TILE_ROWS > 6
        TILE_CASE(7)
        TILE_CASE(8)
        TILE_CASE(9)
        TILE_CASE(10)
        TILE_CASE(11)
        TILE_CASE(12)
        TILE_CASE(13)
        TILE_CASE(14)
#endif
#undef TILE_CASE
    default:
        break;
    }
}

static FT_NOINLINE void tile_wide(const tile *t, size_t rows)
{
    if (t->a_step == 1)
        tile_rows(t, rows, TILE_VECTORS, true);
    else
        tile_rows(t, rows, TILE_VECTORS, false);
}

#if TILE_VECTORS * LANES > 16
static FT_NOINLINE void tile_narrow(const tile *t, size_t rows)
{
    if (t->a_step == 1)
        tile_rows(t, rows, 1, true);
    else
        tile_rows(t, rows, 1, false);
}
#endif

// Rows in tiles of nearly the same height: 16 are 8 + 8, not 14 + 2, which would wait for its own
// sums.
static void multiply_columns(const ft_multiply *m, size_t column, void (*run)(const tile *, size_t))
{
    const size_t tiles = (m->rows + TILE_ROWS - 1) / TILE_ROWS;
    size_t done = 0;

    for (size_t i = 0; i < tiles; i++) {
        // The last two tiles fetch a half each of what comes next, or one tile both.
        const float *next = m->ahead && i + 2 >= tiles ? m->ahead : m->b;
        const bool is_second = next != m->b && tiles > 1 && i + 1 == tiles;
        const size_t rows = (m->rows - done + (tiles - i) - 1) / (tiles - i);
        const tile t = {
            .a = m->a + done * m->a_row,
            .b = m->b + column,
            .bias = m->bias ? m->bias + column : NULL,
            .scale = m->scale ? m->scale + done : NULL,
            .ahead = is_second ? next + 16 * m->depth : next,
            .fetches_two = m->ahead && tiles == 1,
            .c = m->c + done * m->c_row + column,
            .a_row = m->a_row,
            .a_step = m->a_step,
            .b_step = m->b_step,
            .c_row = m->c_row,
            .depth = m->depth,
            .add = m->add,
        };
        run(&t, rows);
        done += rows;
    }
}

static void vector_multiply(const ft_multiply *m)
{
#if TILE_VECTORS * LANES > 16
    multiply_columns(m, 0, m->columns > 16 ? tile_wide : tile_narrow);
#else
    for (size_t column = 0; column < m->columns; column += 16)
        multiply_columns(m, column, tile_wide);
#endif
}

// e^x for x <= 0 or small: x = n ln 2 + r, |r| <= ln 2 / 2, and a polynomial (relative error 2e-9
// before rounding).
FT_ALWAYS_INLINE V vector_exp(V x)
{
    const V low = v_max(v_set(-87.0F),
                        x);  // Below that the result is denormal: it stays at e^-87. NaN passes.
    const V n = v_round(v_mul(low, v_set(1.44269504F)));
    V r = v_fma(n, v_set(-0.693359375F),
                low);  // ln 2 in two parts, so that n times the first is exact.
    r = v_fma(n, v_set(2.12194440e-4F), r);
    V p = v_set(1.395605388097465e-3F);
    p = v_fma(p, r, v_set(8.375130593776703e-3F));
    p = v_fma(p, r, v_set(4.166608303785324e-2F));
    p = v_fma(p, r, v_set(1.6666415333747864e-1F));
    p = v_fma(p, r, v_set(0.5F));
    p = v_fma(p, r, v_set(1.0F));
    p = v_fma(p, r, v_set(1.0F));
    return v_scale(p, n);
}

// gelu(x) = x Phi(x) = max(x, 0) - t Q(t) with t = |x| and Q the tail of the normal distribution, Q
// = e^-P(t) with a polynomial fitted to -ln Q on [0, 6.5] (absolute error of the whole below 4e-8,
// relative to the tail below 7e-6). Beyond 6.5 t Q(t) is less than 3e-10 and taken as 0.
FT_ALWAYS_INLINE V vector_gelu(V x)
{
    const V t = v_abs(x);
    V p = v_set(-1.1888811046745218e-9F);
    p = v_fma(p, t, v_set(4.769895411982361e-8F));
    p = v_fma(p, t, v_set(-8.440252372565737e-7F));
    p = v_fma(p, t, v_set(8.582407645008061e-6F));
    p = v_fma(p, t, v_set(-5.3607327572535723e-5F));
    p = v_fma(p, t, v_set(1.8480015569366515e-4F));
    p = v_fma(p, t, v_set(3.5499695513863117e-5F));
    p = v_fma(p, t, v_set(-4.875061567872763e-3F));
    p = v_fma(p, t, v_set(3.639993071556091e-2F));
    p = v_fma(p, t, v_set(3.1828773021698e-1F));
    p = v_fma(p, t, v_set(7.978875041007996e-1F));
    p = v_fma(p, t, v_set(6.931471228599548e-1F));
    const V tail = v_mul(t, vector_exp(v_sub(v_zero(), p)));
    return v_sub(v_max(v_zero(), x), v_below(t, 6.5F, tail));
}

// 1 / (1 + e^-x) from e^-|x|, which cannot overflow.
FT_ALWAYS_INLINE V vector_sigmoid(V x)
{
    const V one = v_set(1.0F), size = v_abs(x);
    const V e = v_choose(v_set(87.0F), size, v_zero(), vector_exp(v_sub(v_zero(), size)));
    return v_div(v_choose(x, v_zero(), e, one), v_add(one, e));
}

// tanh x = x P(x^2) near 0, where 1 - e^-2|x| would cancel, else by that.
FT_ALWAYS_INLINE V vector_tanh(V x)
{
    const V size = v_abs(x), square = v_mul(x, x), one = v_set(1.0F);
    V p = v_set(-5.70498872745e-3F);
    p = v_fma(p, square, v_set(2.06390887954e-2F));
    p = v_fma(p, square, v_set(-5.37397155531e-2F));
    p = v_fma(p, square, v_set(1.33314422036e-1F));
    p = v_fma(p, square, v_set(-3.33332819422e-1F));
    const V near = v_fma(v_mul(p, square), x, x);
    const V e = vector_exp(v_mul(v_set(-2.0F), size));
    const V far = v_div(v_sub(one, e), v_add(one, e));
    return v_choose(size, v_set(0.625F), near, v_choose(x, v_zero(), v_sub(v_zero(), far), far));
}

FT_ALWAYS_INLINE V vector_activated(const ft_activation f, V x)
{
    switch (f) {
    case FT_ACTIVATION_NONE:
        break;
    case FT_ACTIVATION_RELU:
        return v_max(v_zero(), x);  // NaN stays.
    case FT_ACTIVATION_GELU:
        return vector_gelu(x);
    case FT_ACTIVATION_TANH:
        return vector_tanh(x);
    case FT_ACTIVATION_SIGMOID:
        return vector_sigmoid(x);
    case FT_ACTIVATION_GELU_TANH: {  // (1 + tanh u) / 2 is sigmoid(2 u).
        const V cubic =
            v_fma(v_mul(x, x), v_set(2.0F * 0.797884561F * 0.044715F), v_set(2.0F * 0.797884561F));
        return v_mul(x, vector_sigmoid(v_mul(x, cubic)));
    }
    case FT_ACTIVATION_QUICK_GELU:
        return v_mul(x, vector_sigmoid(v_mul(x, v_set(1.702F))));
    case FT_ACTIVATION_SILU:
        return v_mul(x, vector_sigmoid(x));
    }
    return x;
}

typedef struct elements {
    float *x;
    const float *by;  // NULL: not multiplied.
    size_t stride, rows, columns;
} elements;

// `f` is a constant at every call.
FT_ALWAYS_INLINE void activate_rows(const ft_activation f, const elements *e)
{
    for (size_t row = 0; row < e->rows; row++) {
        float *x = e->x + row * e->stride;
        const float *by = e->by ? e->by + row * e->stride : NULL;
        for (size_t column = 0; column < e->columns; column += LANES) {
            const V value = vector_activated(f, v_load(x + column));
            v_store(x + column, by ? v_mul(value, v_load(by + column)) : value);
        }
    }
}

static void activate_elements(ft_activation f, const elements *e)
{
    switch (f) {
#define ACTIVATION_CASE(name)   \
    case name:                  \
        activate_rows(name, e); \
        break;
        ACTIVATION_CASE(FT_ACTIVATION_NONE)
        ACTIVATION_CASE(FT_ACTIVATION_RELU)
        ACTIVATION_CASE(FT_ACTIVATION_GELU)
        ACTIVATION_CASE(FT_ACTIVATION_TANH)
        ACTIVATION_CASE(FT_ACTIVATION_SIGMOID)
        ACTIVATION_CASE(FT_ACTIVATION_GELU_TANH)
        ACTIVATION_CASE(FT_ACTIVATION_QUICK_GELU)
        ACTIVATION_CASE(FT_ACTIVATION_SILU)
#undef ACTIVATION_CASE
    }
}

static void vector_activate(ft_activation f, float *x, size_t stride, size_t rows, size_t columns)
{
    activate_elements(f, &(elements){x, NULL, stride, rows, columns});
}

static void vector_gate(ft_activation f, float *x, const float *by, size_t stride, size_t rows,
                        size_t columns)
{
    activate_elements(f, &(elements){x, by, stride, rows, columns});
}

// The whole vectors of a row, then what remains one by one.
static float row_mean(const float *x, size_t size, size_t whole)
{
    V sum = v_zero();

    for (size_t i = 0; i < whole; i += LANES)
        sum = v_add(sum, v_load(x + i));
    float total = v_sum(sum);
    for (size_t i = whole; i < size; i++)
        total += x[i];
    return total / (float)size;
}

static void vector_norm_row(const float *x, float *y, const ft_layer_norm *norm)
{
    const size_t size = norm->size, whole = size - size % LANES;
    const float mean = norm->is_rms ? 0.0F : row_mean(x, size, whole);
    V square = v_zero();

    for (size_t i = 0; i < whole; i += LANES) {
        const V d = v_sub(v_load(x + i), v_set(mean));
        square = v_fma(d, d, square);
    }
    float variance = v_sum(square);
    for (size_t i = whole; i < size; i++)
        variance += (x[i] - mean) * (x[i] - mean);
    const float scale = 1.0F / sqrtf(variance / (float)size + norm->epsilon);
    for (size_t i = 0; i < whole; i += LANES) {
        const V d = v_mul(v_sub(v_load(x + i), v_set(mean)), v_set(scale));
        const V gained = norm->gain ? v_mul(d, v_load(norm->gain + i)) : d;
        v_store(y + i, norm->bias ? v_add(gained, v_load(norm->bias + i)) : gained);
    }
    for (size_t i = whole; i < size; i++) {
        const float d = (x[i] - mean) * scale * (norm->gain ? norm->gain[i] : 1.0F);
        y[i] = norm->bias ? d + norm->bias[i] : d;
    }
}

static void vector_norm_rows(const float *x, float *y, size_t stride, size_t rows,
                             const ft_layer_norm *norm)
{
    for (size_t row = 0; row < rows; row++)
        vector_norm_row(x + row * stride, y + row * stride, norm);
}

// The halves of whole vectors, then pairs one by one: interleaved ones are rare, and the compiler
// finds the shuffles.
static void rotate_head(float *x, const ft_rotation *r)
{
    const size_t whole = r->is_interleaved ? 0 : r->pairs - r->pairs % LANES;
    const size_t step = r->is_interleaved ? 2 : 1, apart = r->is_interleaved ? 1 : r->pairs;

    for (size_t i = 0; i < whole; i += LANES) {
        const V c = v_load(r->cosines + i), s = v_load(r->sines + i);
        const V first = v_load(x + i), second = v_load(x + r->pairs + i);
        v_store(x + i, v_sub(v_mul(first, c), v_mul(second, s)));
        v_store(x + r->pairs + i, v_fma(first, s, v_mul(second, c)));
    }
    for (size_t i = whole; i < r->pairs; i++) {
        float *pair = x + i * step;
        const float first = pair[0], second = pair[apart];
        pair[0] = first * r->cosines[i] - second * r->sines[i];
        pair[apart] = second * r->cosines[i] + first * r->sines[i];
    }
}

static void vector_rotate(float *x, size_t heads, size_t head_step, const ft_rotation *r)
{
    for (size_t head = 0; head < heads; head++)
        rotate_head(x + head * head_step, r);
}

// Four rows to columns: whole squares of four, then what remains one by one.
static void turn_four(const float *x, size_t stride, size_t size, float scale, float *out,
                      size_t columns)
{
    const size_t whole = size - size % 4;
    const __m128 by = _mm_set1_ps(scale);

    for (size_t k = 0; k < whole; k += 4) {
        __m128 a = _mm_mul_ps(_mm_loadu_ps(x + k), by);
        __m128 b = _mm_mul_ps(_mm_loadu_ps(x + stride + k), by);
        __m128 c = _mm_mul_ps(_mm_loadu_ps(x + 2 * stride + k), by);
        __m128 d = _mm_mul_ps(_mm_loadu_ps(x + 3 * stride + k), by);
        _MM_TRANSPOSE4_PS(a, b, c, d);
        _mm_storeu_ps(out + k * columns, a);
        _mm_storeu_ps(out + (k + 1) * columns, b);
        _mm_storeu_ps(out + (k + 2) * columns, c);
        _mm_storeu_ps(out + (k + 3) * columns, d);
    }
    for (size_t k = whole; k < size; k++)
        for (size_t i = 0; i < 4; i++)
            out[k * columns + i] = x[i * stride + k] * scale;
}

static void vector_turn(const float *x, size_t stride, size_t rows, size_t size, float scale,
                        float *out, size_t columns)
{
    const size_t whole = rows - rows % 4;

    for (size_t row = 0; row < whole; row += 4)
        turn_four(x + row * stride, stride, size, scale, out + row, columns);
    for (size_t k = 0; whole < columns && k < size; k++)
        for (size_t i = whole; i < columns; i++)
            out[k * columns + i] = i < rows ? x[i * stride + k] * scale : 0;
}

static void vector_softmax(float *scores, size_t keys, size_t columns, float *out_inverse_sums)
{
    for (size_t column = 0; column < columns; column += LANES) {
        float *s = scores + column;
        V most = v_load(s), sum = v_zero();

        for (size_t key = 1; key < keys; key++)
            most = v_max(most, v_load(s + key * columns));
        for (size_t key = 0; key < keys; key++) {
            const V e = vector_exp(v_sub(v_load(s + key * columns), most));
            v_store(s + key * columns, e);
            sum = v_add(sum, e);
        }
        v_store(out_inverse_sums + column, v_div(v_set(1.0F), sum));
    }
}

// Zeros outside, so that every lane adds up what lies on its places, wherever a row begins.
static void vector_weigh(float *x, size_t from, size_t to, float *out_sum)
{
    const size_t begin = from / LANES * LANES, end = (to + LANES - 1) / LANES * LANES;
    V most = v_set(x[from]), sum = v_zero();

    for (size_t i = begin; i < from; i++)
        x[i] = x[from];
    for (size_t i = to; i < end; i++)
        x[i] = x[from];
    for (size_t i = begin; i < end; i += LANES)
        most = v_max(most, v_load(x + i));
    const V top = v_set(v_most(most));
    for (size_t i = begin; i < end; i += LANES)
        v_store(x + i, vector_exp(v_sub(v_load(x + i), top)));
    for (size_t i = from / 16 * 16; i < from; i++)
        x[i] = 0;
    for (size_t i = to; i < (to + 15) / 16 * 16; i++)
        x[i] = 0;
    for (size_t i = begin; i < end; i += LANES)
        sum = v_add(sum, v_load(x + i));
    *out_sum = v_sum(sum);
}

// What a level is made of; narrow_kernels.h has the products of bf16 and int8.
#define VECTOR_KERNELS(level)                  \
    {                                          \
        .isa = (level),                        \
        .multiply = vector_multiply,           \
        .multiply_bf16 = vector_multiply_bf16, \
        .multiply_int8 = vector_multiply_int8, \
        .multiply_stored = STORED_MULTIPLY,    \
        .to_bf16 = vector_to_bf16,             \
        .to_bytes = vector_to_bytes,           \
        .activate = vector_activate,           \
        .gate = vector_gate,                   \
        .norm = vector_norm_rows,              \
        .turn = vector_turn,                   \
        .softmax = vector_softmax,             \
        .weigh = vector_weigh,                 \
        .rotate = vector_rotate,               \
    }
