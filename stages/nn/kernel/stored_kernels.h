// Products with stored weights in terms of vectors, beside words_avx2.h or words_avx512.h, with
// these words more:
//
//   i_load8(p), i_load16(p)    LANES bytes as signed numbers, LANES 16-bit ones as unsigned
//   v_load_half(p)             LANES halves as floats
//   SUMS_MAX                   vectors of sums that fit the registers beside what is loaded
//
// A weight becomes a float as it is loaded, which costs a few instructions for each SUMS_MAX of
// multiplication. A tile of few rows takes four vectors of columns instead of two: with fewer sums
// each would wait for itself, and memory for both.
#pragma once

enum { SOME_VECTORS = TILE_VECTORS, MANY_VECTORS = 2 * TILE_VECTORS };

typedef struct stored_tile {
    const ft_stored_multiply *m;
    size_t row, column;  // Of C.
    const char *b;       // Its panel, from its first column on.
    size_t panel;        // Bytes of one.
} stored_tile;

// Where vector `v` of a tile's columns lies: in the next panel when the first is at its end.
#define STORED_VECTOR(t, v, size) \
    ((v) * LANES / FT_PANEL_COLUMNS * (t)->panel + (v) * LANES % FT_PANEL_COLUMNS * (size))

// `stored`, `rows` and `vectors` are constants at every call.
FT_ALWAYS_INLINE void stored_add(const stored_tile *t, const ft_stored stored, const int rows,
                                 const int vectors, size_t k, const char *b, const V *scales,
                                 V sums[SUMS_MAX])
{
    const size_t step = t->m->a_row;
    // Four rows to a pointer: see vector_kernels.h.
    const float *a0 = t->m->a + t->row * step + k, *a4 = rows > 4 ? a0 + 4 * step : a0;
    const float *a8 = rows > 8 ? a0 + 8 * step : a0, *a12 = rows > 12 ? a0 + 12 * step : a0;
    V columns[MANY_VECTORS];

#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) {
        const size_t size = stored == FT_STORED_Q8_0 ? 1 : 2;
        const char *at = b + STORED_VECTOR(t, (size_t)v, size);
        if (stored == FT_STORED_Q8_0)
            columns[v] = v_mul(scales[v], v_of(i_load8(at)));
        else if (stored == FT_STORED_F16)
            columns[v] = v_load_half(at);
        else
            columns[v] = v_cast(i_left(i_load16(at), 16));
    }
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) {
        const float *group = r < 4 ? a0 : r < 8 ? a4 : r < 12 ? a8 : a12;
        const V x = v_set(group[(size_t)(r & 3) * step]);
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++)
            sums[r * vectors + v] = v_fma(x, columns[v], sums[r * vectors + v]);
    }
}

FT_ALWAYS_INLINE void stored_store(const stored_tile *t, const int rows, const int vectors,
                                   const V sums[SUMS_MAX])
{
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) {
        float *c = t->m->c + (t->row + (size_t)r) * t->m->c_row + t->column;
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) {
            const float *bias = t->m->bias + t->column + v * LANES;
            const V value = v_add(sums[r * vectors + v], v_load(bias));
            v_store(c + v * LANES, t->m->add ? v_add(value, v_load(c + v * LANES)) : value);
        }
    }
}

FT_ALWAYS_INLINE void stored_run(const stored_tile *t, const ft_stored stored, const int rows,
                                 const int vectors)
{
    const bool is_blocks = stored == FT_STORED_Q8_0;
    const size_t block = is_blocks ? FT_STORED_BLOCK : t->m->depth;
    const size_t k_bytes = is_blocks ? FT_PANEL_COLUMNS : FT_PANEL_COLUMNS * 2;
    const char *b = t->b;
    V sums[SUMS_MAX], scales[MANY_VECTORS];

#pragma GCC unroll 32
    for (int i = 0; i < rows * vectors; i++)
        sums[i] = v_zero();
    for (size_t first = 0; first < t->m->depth; first += block) {
        if (is_blocks) {
            // A tile's first column in bytes is half of what it is among the scales.
            const char *at = b + t->column % FT_PANEL_COLUMNS;
#pragma GCC unroll 4
            for (int v = 0; v < vectors; v++)
                scales[v] = v_load_half(at + STORED_VECTOR(t, (size_t)v, 2));
            b += FT_PANEL_COLUMNS * 2;
        }
        for (size_t k = 0; k < block; k++, b += k_bytes) {
            _mm_prefetch(b + AHEAD, _MM_HINT_T0);
            if (vectors * LANES > FT_PANEL_COLUMNS)
                _mm_prefetch(b + t->panel + AHEAD, _MM_HINT_T0);
            stored_add(t, stored, rows, vectors, first + k, b, scales, sums);
        }
    }
    stored_store(t, rows, vectors, sums);
}

// One function for each height, so that no row of a short tile is computed in vain.
FT_ALWAYS_INLINE void stored_rows(const stored_tile *t, size_t rows, const ft_stored stored,
                                  const int vectors)
{
    switch (rows) {
#define STORED_CASE(n)                         \
    case n:                                    \
        if ((n) * vectors <= SUMS_MAX)         \
            stored_run(t, stored, n, vectors); \
        break;
        STORED_CASE(1)
        STORED_CASE(2)
        STORED_CASE(3)
        STORED_CASE(4)
        STORED_CASE(5)
        STORED_CASE(6)
#if SUMS_MAX > 12
        STORED_CASE(7)
        STORED_CASE(8)
        STORED_CASE(9)
        STORED_CASE(10)
        STORED_CASE(11)
        STORED_CASE(12)
        STORED_CASE(13)
#endif
#undef STORED_CASE
    default:
        break;
    }
}

// Rows in tiles of nearly the same height.
FT_ALWAYS_INLINE void stored_columns(stored_tile t, const ft_stored stored, const int vectors)
{
    const size_t most = (size_t)(SUMS_MAX / vectors), tiles = (t.m->rows + most - 1) / most;

    for (size_t i = 0; i < tiles; i++) {
        const size_t rows = (t.m->rows - t.row + (tiles - i) - 1) / (tiles - i);
        stored_rows(&t, rows, stored, vectors);
        t.row += rows;
    }
}

FT_ALWAYS_INLINE void stored_panels(const ft_stored_multiply *m, const ft_stored stored)
{
    const size_t panel = 4 * FT_PANEL_COLUMNS * ft_stored_units(stored, m->depth);
    const size_t width = m->panels * FT_PANEL_COLUMNS;
    const size_t size = stored == FT_STORED_Q8_0 ? 1 : 2;
    stored_tile t = {.m = m, .panel = panel};

    while (t.column < width) {
        const bool is_few = m->rows <= SUMS_MAX / MANY_VECTORS;
        const size_t many = MANY_VECTORS * LANES, some = SOME_VECTORS * LANES;
        t.b = m->b + t.column / FT_PANEL_COLUMNS * panel + t.column % FT_PANEL_COLUMNS * size;
        if (is_few && width - t.column >= many) {
            stored_columns(t, stored, MANY_VECTORS);
            t.column += many;
        } else {
            stored_columns(t, stored, SOME_VECTORS);
            t.column += some;
        }
    }
}

static void stored_multiply(const ft_stored_multiply *m)
{
    switch (m->stored) {
    case FT_STORED_F16:
        stored_panels(m, FT_STORED_F16);
        break;
    case FT_STORED_BF16:
        stored_panels(m, FT_STORED_BF16);
        break;
    case FT_STORED_Q8_0:
        stored_panels(m, FT_STORED_Q8_0);
        break;
    case FT_STORED_NONE:
        break;
    }
}
