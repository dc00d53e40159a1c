// Products of narrow numbers and what turns floats to them, in terms of vectors; included beside
// vector_kernels.h, with these words more:
//
//   VI           a vector of LANES 32-bit integers, or of as many units of narrow numbers; i_...
//   v_dot_bf16(sum, a, b), v_dot_bytes(sum, a, b): sum + the products in each unit
//   v_store_bf16(to, x)     to the nearest, ties to even; NaN stays one
//   BF16_ROWS BYTES_ROWS    rows of a tile: as TILE_ROWS where one instruction does it
//
// A tile is that of vector_kernels.h, its k a unit. Who lacks the instructions multiplies exactly
// what they would: vpmaddubsw will not do, since it saturates at 16 bits.
#pragma once

#include <string.h>

#if !defined(v_dot_bytes)
// Even and odd bytes as 16-bit numbers.
FT_ALWAYS_INLINE VI v_dot_bytes(VI sum, VI a, VI b)
{
    const VI a_even = i_and(a, i_set(0x00FF00FF)), a_odd = i_right16(a, 8);
    const VI b_even = i_signed_right16(i_left16(b, 8), 8), b_odd = i_signed_right16(b, 8);
    const VI even = i_multiply_pairs16(a_even, b_even), odd = i_multiply_pairs16(a_odd, b_odd);
    return i_add(sum, i_add(even, odd));
}
#endif

#if !defined(v_dot_bf16)
// A bfloat16 is the upper half of a float.
FT_ALWAYS_INLINE VI v_dot_bf16(VI sum, VI a, VI b)
{
    const VI high = i_set((int)0xFFFF0000);
    const V first = v_fma(v_cast(i_left(a, 16)), v_cast(i_left(b, 16)), v_cast(sum));
    return i_cast(v_fma(v_cast(i_and(a, high)), v_cast(i_and(b, high)), first));
}
#endif

FT_ALWAYS_INLINE VI unit_broadcast(const char *unit)
{
    int32_t value;

    memcpy(&value, unit, sizeof(value));
    return i_set(value);
}

// A tile's place in a product.
typedef struct narrow_tile {
    const ft_narrow_multiply *m;
    size_t row, column;
    const char *ahead;
} narrow_tile;

// Sums of `units` units from the `first` on. `rows` and `is_bytes` are constants at every call.
FT_ALWAYS_INLINE void narrow_sums(const narrow_tile *t, size_t first, size_t units, const int rows,
                                  const bool is_bytes, VI sums[TILE_ROWS][TILE_VECTORS])
{
    const char *b = t->m->b + 4 * (first * FT_PANEL_COLUMNS + t->column);
    const char *ahead = t->ahead + 64 * first;
    const size_t step = t->m->a_row;
    const char *a0 = t->m->a + t->row * step + 4 * first, *a4 = rows > 4 ? a0 + 4 * step : a0;
    const char *a8 = rows > 8 ? a0 + 8 * step : a0, *a12 = rows > 12 ? a0 + 12 * step : a0;

#pragma GCC unroll 16
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (int v = 0; v < TILE_VECTORS; v++)
            sums[r][v] = i_zero();
    for (size_t k = 0; k < 4 * units; k += 4) {
        VI columns[TILE_VECTORS];
#pragma GCC unroll 2
        for (int v = 0; v < TILE_VECTORS; v++)
            columns[v] = i_load(b + 4 * v * LANES);
        b += 4 * FT_PANEL_COLUMNS;
        _mm_prefetch(ahead, _MM_HINT_T1);
        ahead += 64;
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++) {
            const char *group = r < 4 ? a0 : r < 8 ? a4 : r < 12 ? a8 : a12;
            const VI x = unit_broadcast(group + (size_t)(r & 3) * step + k);
#pragma GCC unroll 2
            for (int v = 0; v < TILE_VECTORS; v++)
                sums[r][v] = is_bytes ? v_dot_bytes(sums[r][v], x, columns[v])
                                      : v_dot_bf16(sums[r][v], x, columns[v]);
        }
    }
}

// totals += scale * (sums - zero * B's sums): the difference is exact, its parts being below 2^24.
FT_ALWAYS_INLINE void narrow_add_group(const narrow_tile *t, size_t group, const int rows,
                                       VI sums[TILE_ROWS][TILE_VECTORS],
                                       V totals[TILE_ROWS][TILE_VECTORS])
{
    const size_t step = t->m->a_groups_row;
    const ft_byte_group *a = t->m->a_groups + t->row * step + group;
    const size_t place = group * FT_PANEL_COLUMNS + t->column;
    V scales[TILE_VECTORS], zeros[TILE_VECTORS];

#pragma GCC unroll 2
    for (int v = 0; v < TILE_VECTORS; v++) {
        scales[v] = v_load(t->m->b_scales + place + v * LANES);
        zeros[v] = v_sub(v_zero(), v_load(t->m->b_sums + place + v * LANES));
    }
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) {
        const V scale = v_set(a[(size_t)r * step].scale);
        const V zero = v_set(a[(size_t)r * step].zero);
#pragma GCC unroll 2
        for (int v = 0; v < TILE_VECTORS; v++) {
            const V sum = v_fma(zero, zeros[v], v_of(sums[r][v]));
            totals[r][v] = v_fma(sum, v_mul(scale, scales[v]), totals[r][v]);
        }
    }
}

FT_ALWAYS_INLINE void narrow_store(const narrow_tile *t, const int rows,
                                   V totals[TILE_ROWS][TILE_VECTORS])
{
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) {
        float *c = t->m->c + (t->row + (size_t)r) * t->m->c_row + t->column;
#pragma GCC unroll 2
        for (int v = 0; v < TILE_VECTORS; v++) {
            const V value = v_add(totals[r][v], v_load(t->m->bias + t->column + v * LANES));
            v_store(c + v * LANES, t->m->add ? v_add(value, v_load(c + v * LANES)) : value);
        }
    }
}

FT_ALWAYS_INLINE void narrow_run(const narrow_tile *t, const int rows, const bool is_bytes)
{
    const size_t units = t->m->units, step = is_bytes ? FT_BYTE_GROUP / 4 : units;
    VI sums[TILE_ROWS][TILE_VECTORS];
    V totals[TILE_ROWS][TILE_VECTORS];

    if (is_bytes) {
        for (int r = 0; r < rows; r++)
            for (int v = 0; v < TILE_VECTORS; v++)
                totals[r][v] = v_zero();
        for (size_t first = 0, group = 0; first < units; first += step, group++) {
            narrow_sums(t, first, units - first < step ? units - first : step, rows, true, sums);
            narrow_add_group(t, group, rows, sums, totals);
        }
    } else {
        narrow_sums(t, 0, units, rows, false, sums);
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
            for (int v = 0; v < TILE_VECTORS; v++)
                totals[r][v] = v_cast(sums[r][v]);
    }
    narrow_store(t, rows, totals);
}

FT_ALWAYS_INLINE void narrow_rows(const narrow_tile *t, size_t rows, const bool is_bytes)
{
    const int most = is_bytes ? BYTES_ROWS : BF16_ROWS;

    switch (rows) {
#define NARROW_CASE(n)                  \
    case n:                             \
        if (n <= most)                  \
            narrow_run(t, n, is_bytes); \
        break;
        NARROW_CASE(1)
        NARROW_CASE(2)
        NARROW_CASE(3)
        NARROW_CASE(4)
        NARROW_CASE(5)
        NARROW_CASE(6)
#if TILE_ROWS > 6
        NARROW_CASE(7)
        NARROW_CASE(8)
        NARROW_CASE(9)
        NARROW_CASE(10)
        NARROW_CASE(11)
        NARROW_CASE(12)
        NARROW_CASE(13)
        NARROW_CASE(14)
#endif
#undef NARROW_CASE
    default:
        break;
    }
}

// Rows in tiles of nearly the same height, the last two fetching a half each of what comes next.
FT_ALWAYS_INLINE void narrow_multiply(const ft_narrow_multiply *m, const bool is_bytes)
{
    const size_t most = is_bytes ? BYTES_ROWS : BF16_ROWS, tiles = (m->rows + most - 1) / most;

    for (size_t column = 0; column < FT_PANEL_COLUMNS; column += TILE_VECTORS * LANES) {
        size_t done = 0;
        for (size_t i = 0; i < tiles; i++) {
            const bool is_last = i + 1 == tiles && tiles > 1;
            const char *ahead = m->ahead ? m->ahead + (is_last ? 64 * m->units : 0) : m->b;
            const size_t rows = (m->rows - done + (tiles - i) - 1) / (tiles - i);
            const narrow_tile t = {m, done, column, i + 2 >= tiles ? ahead : m->b};
            narrow_rows(&t, rows, is_bytes);
            done += rows;
        }
    }
}

static void vector_multiply_bf16(const ft_narrow_multiply *m)
{
    narrow_multiply(m, false);
}

static void vector_multiply_int8(const ft_narrow_multiply *m)
{
    narrow_multiply(m, true);
}

// ---- floats to narrow numbers ----

#if !defined(v_store_bf16)
// NaN keeps its upper bits and is made quiet.
FT_ALWAYS_INLINE VI to_bf16(V x)
{
    const VI bits = i_cast(x), odd = i_and(i_right(bits, 16), i_set(1));
    const VI rounded = i_right(i_add(bits, i_add(odd, i_set(0x7FFF))), 16);
    const VI quiet = i_and(v_is_nan(x), i_set(0x7FC0));
    return i_max(rounded, quiet);
}

#define v_store_bf16(to, x) i_store16(to, to_bf16(x))
#endif

static uint16_t one_to_bf16(float x)
{
    uint32_t bits;

    memcpy(&bits, &x, sizeof(bits));
    return x != x ? 0x7FC0 : (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

static void vector_to_bf16(const ft_narrowing *n)
{
    const size_t whole = n->size - n->size % LANES;

    for (size_t row = 0; row < n->rows; row++) {
        const float *x = n->x + row * n->x_row;
        uint16_t *out = (uint16_t *)(void *)(n->out + row * n->out_row);
        for (size_t i = 0; i < whole; i += LANES)
            v_store_bf16(out + i, v_load(x + i));
        for (size_t i = whole; i < n->size; i++)
            out[i] = one_to_bf16(x[i]);
        if (n->size % 2)
            out[n->size] = 0;
    }
}

// `size` is at most FT_BYTE_GROUP.
static ft_byte_group to_byte_group(const float *x, size_t size, uint8_t *out)
{
    const size_t whole = size - size % LANES;
    V low = v_zero(), high = v_zero();

    for (size_t i = 0; i < whole; i += LANES) {
        const V value = v_load(x + i);
        low = v_min(value, low);
        high = v_max(value, high);
    }
    float least = -v_most(v_sub(v_zero(), low)), most = v_most(high);
    for (size_t i = whole; i < size; i++) {
        least = x[i] < least ? x[i] : least;
        most = x[i] > most ? x[i] : most;
    }
    const ft_byte_group group = ft_byte_group_of(least, most);
    const float inverse = ft_byte_group_inverse(group);
    const VI zero = i_set((int32_t)group.zero);
    for (size_t i = 0; i < whole; i += LANES) {
        const VI value = i_of(v_mul(v_load(x + i), v_set(inverse)));
        i_store8(out + i, i_max(i_add(value, zero), i_zero()));
    }
    for (size_t i = whole; i < size; i++)
        out[i] = ft_byte_of(x[i], inverse, group.zero);
    return group;
}

static void vector_to_bytes(const ft_narrowing *n)
{
    for (size_t row = 0; row < n->rows; row++) {
        const float *x = n->x + row * n->x_row;
        uint8_t *out = (uint8_t *)n->out + row * n->out_row;
        for (size_t at = 0, group = 0; at < n->size; at += FT_BYTE_GROUP, group++) {
            const size_t some = n->size - at < FT_BYTE_GROUP ? n->size - at : FT_BYTE_GROUP;
            n->out_groups[row * n->out_groups_row + group] = to_byte_group(x + at, some, out + at);
        }
        memset(out + n->size, 0, ft_narrow_units(FT_PRECISION_INT8, n->size) * 4 - n->size);
    }
}
