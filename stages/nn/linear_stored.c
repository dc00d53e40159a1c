// Lays weights out in panels as the file has them.
#include <string.h>

#include "stages/nn/linear.h"

enum {
    BLOCK = FT_STORED_BLOCK,
    Q8_0_BYTES = 2 + BLOCK,
    Q4_0_BYTES = 2 + BLOCK / 2,
    UNIT = 4,
};

ft_stored ft_linear_stored(const ft_weight *weight, ft_groups inputs)
{
    const bool is_spread = inputs.size != inputs.padded;

    if (weight->kind == FT_WEIGHT_F16)
        return FT_STORED_F16;
    if (weight->kind == FT_WEIGHT_BF16)
        return FT_STORED_BF16;
    // A block's inputs must stay side by side. Four bits are eight with the same scale.
    if ((weight->kind == FT_WEIGHT_Q8_0 || weight->kind == FT_WEIGHT_Q4_0) && !is_spread &&
        weight->rank == 2 && weight->shape[1] % BLOCK == 0)
        return FT_STORED_Q8_0;
    return FT_STORED_NONE;
}

// A block as ggml has it (ggml-common.h): a half as scale, then 32 signed bytes, or 16 bytes whose
// low halves are elements 0 to 15 and whose high halves are elements 16 to 31, each less 8.
static void put_block(char *block, size_t column, const char *from, bool is_wide)
{
    char *numbers = block + 2 * FT_PANEL_COLUMNS + column;

    memcpy(block + 2 * column, from, 2);
    for (size_t k = 0; k < BLOCK; k++) {
        const unsigned char pair = (unsigned char)from[2 + k % (BLOCK / 2)];
        const int nibble = (k < BLOCK / 2 ? pair & 15 : pair >> 4) - 8;
        numbers[k * FT_PANEL_COLUMNS] = is_wide ? from[2 + k] : (char)nibble;
    }
}

void ft_linear_put_stored(const ft_linear *linear, const ft_weight *weight, size_t row,
                          size_t output, ft_groups inputs)
{
    const size_t depth = (size_t)weight->shape[1], column = output % FT_PANEL_COLUMNS;
    char *panel =
        linear->panels + output / FT_PANEL_COLUMNS * linear->units * UNIT * FT_PANEL_COLUMNS;

    FT_ASSERT(linear->stored == ft_linear_stored(weight, inputs));
    if (linear->stored == FT_STORED_Q8_0) {
        const bool is_wide = weight->kind == FT_WEIGHT_Q8_0;
        const size_t bytes = is_wide ? Q8_0_BYTES : Q4_0_BYTES, blocks = depth / BLOCK;
        for (size_t i = 0; i < blocks; i++)
            put_block(panel + i * FT_STORED_BLOCK_BYTES, column,
                      weight->data + (row * blocks + i) * bytes, is_wide);
        return;
    }
    for (size_t k = 0; k < depth; k++)
        memcpy(panel + (ft_spread(k, inputs) * FT_PANEL_COLUMNS + column) * 2,
               weight->data + (row * depth + k) * 2, 2);
}
