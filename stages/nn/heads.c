// Lays a head out and runs it: see heads.h.
#include "stages/nn/heads.h"

#include "stages/nn/heads_read.h"

// ---- loading ----

static void put(ft_linear *linear, const ft_weight *weight, const ft_weight *bias, char **block)
{
    const ft_groups plain = {0};

    ft_linear_place(linear, block);
    ft_linear_put(linear, weight, 0, plain, plain);
    if (bias)
        ft_linear_put_bias(linear, bias, 0, bias->elements, 0, plain);
    ft_weight_forget(weight);
}

static bool load_vector(const ft_weight *weight, ft_arena *arena, const float **out, ft_error *err)
{
    float *copy = weight ? ft_arena_aligned(arena, weight->elements * sizeof(*copy), 64) : NULL;

    *out = copy;
    if (!weight)
        return true;
    if (!copy)
        return ft_fail_nomem(err, weight->elements * sizeof(*copy));
    ft_weight_read(weight, 0, weight->elements, copy);
    return true;
}

bool ft_head_load(const char *folder, const ft_encoder_config *encoder, ft_arena *arena,
                  ft_head **out, ft_error *err)
{
    ft_head *head = ft_arena_zero(arena, 1, sizeof(*head));
    ft_head_tensors found;
    size_t total = 0;

    if (!head)
        return ft_fail_nomem(err, sizeof(*head));
    ft_head_config *c = &head->config;
    if (!ft_head_find(folder, encoder, arena, c, &found, err))
        return false;
    head->kernels = ft_kernels_get();
    head->has_dense = found.dense != NULL;
    head->has_norm = found.norm != NULL;
    const bool blas = head->kernels->isa == FT_ISA_GENERIC && ft_blas_load();
    if ((head->has_dense && !ft_linear_init(&head->dense, c->hidden, c->hidden, FT_PRECISION_F32,
                                            blas, &total, err)) ||
        !ft_linear_init(&head->out, c->outputs, c->hidden, FT_PRECISION_F32, blas, &total, err))
        return false;
    char *block = ft_linear_block(arena, total);
    if (!block)
        return ft_fail_nomem(err, total);
    if (head->has_dense)
        put(&head->dense, found.dense, found.dense_bias, &block);
    put(&head->out, found.out, found.out_bias, &block);
    head->norm = (ft_layer_norm){.size = c->hidden, .epsilon = c->epsilon};
    if (!load_vector(found.norm, arena, &head->norm.gain, err) ||
        !load_vector(found.norm_bias, arena, &head->norm.bias, err))
        return false;
    *out = head;
    return true;
}

// ---- running ----

size_t ft_head_scratch(const ft_head *head, size_t rows)
{
    return (rows + FT_LINEAR_ROWS_BEHIND) * ft_row_stride(head->config.hidden);
}

const float *ft_head_transform(const ft_head *head, const float *x, size_t x_row, size_t rows,
                               float *scratch, size_t *out_row)
{
    const size_t stride = ft_row_stride(head->config.hidden);

    *out_row = head->has_dense ? stride : x_row;
    if (!head->has_dense)
        return x;
    ft_linear_run(&head->dense, head->kernels,
                  &(ft_linear_use){.x = x,
                                   .x_row = x_row,
                                   .y = scratch,
                                   .y_row = stride,
                                   .rows = rows,
                                   .activation = head->config.activation});
    if (head->has_norm)
        head->kernels->norm(scratch, scratch, stride, rows, &head->norm);
    return scratch;
}

size_t ft_head_run_tile(const ft_head *head, const float *x, size_t x_row, size_t rows,
                        size_t first, float *y)
{
    const size_t left = head->out.width - first, outputs = head->config.outputs - first;
    ft_linear tile = head->out;

    // Panels of floats lie one behind the other, so some of them are a layer of their own.
    tile.panels += first * tile.units * sizeof(float);
    tile.bias += first;
    tile.width = left < FT_HEAD_TILE ? left : FT_HEAD_TILE;
    tile.outputs = outputs < FT_HEAD_TILE ? outputs : FT_HEAD_TILE;
    ft_linear_run(
        &tile, head->kernels,
        &(ft_linear_use){.x = x, .x_row = x_row, .y = y, .y_row = FT_HEAD_TILE, .rows = rows});
    return tile.outputs;
}
