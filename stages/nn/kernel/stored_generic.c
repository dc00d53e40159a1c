// Products with stored weights in plain C.
#include <string.h>

#include "runtime/data/half.h"
#include "stages/nn/kernel/stored.h"

// The weights of a panel for input `k`.
static void read_columns(const ft_stored_multiply *m, const char *panel, size_t k,
                         float out[FT_PANEL_COLUMNS])
{
    const char *block = panel + k / FT_STORED_BLOCK * FT_STORED_BLOCK_BYTES;
    const char *numbers = block + FT_PANEL_COLUMNS * 2 + k % FT_STORED_BLOCK * FT_PANEL_COLUMNS;
    const bool is_blocks = m->stored == FT_STORED_Q8_0;

    for (size_t column = 0; column < FT_PANEL_COLUMNS; column++) {
        const char *at =
            is_blocks ? block + column * 2 : panel + (k * FT_PANEL_COLUMNS + column) * 2;
        uint16_t half;
        memcpy(&half, at, sizeof(half));
        if (is_blocks)
            out[column] = ft_float_of_half(half) * (float)(signed char)numbers[column];
        else
            out[column] =
                m->stored == FT_STORED_F16 ? ft_float_of_half(half) : ft_float_of_bfloat(half);
    }
}

static void multiply_panel(const ft_stored_multiply *m, size_t panel)
{
    const size_t units = ft_stored_units(m->stored, m->depth);
    const char *b = m->b + panel * units * 4 * FT_PANEL_COLUMNS;
    const float *bias = m->bias + panel * FT_PANEL_COLUMNS;
    float columns[FT_PANEL_COLUMNS];

    for (size_t row = 0; row < m->rows; row++) {
        float *c = m->c + row * m->c_row + panel * FT_PANEL_COLUMNS;
        float sums[FT_PANEL_COLUMNS] = {0};
        for (size_t k = 0; k < m->depth; k++) {
            const float x = m->a[row * m->a_row + k];
            read_columns(m, b, k, columns);
            for (size_t column = 0; column < FT_PANEL_COLUMNS; column++)
                sums[column] += x * columns[column];
        }
        for (size_t column = 0; column < FT_PANEL_COLUMNS; column++) {
            const float sum = sums[column] + bias[column];
            c[column] = m->add ? sum + c[column] : sum;
        }
    }
}

void ft_stored_multiply_generic(const ft_stored_multiply *m)
{
    for (size_t panel = 0; panel < m->panels; panel++)
        multiply_panel(m, panel);
}
