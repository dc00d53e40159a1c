// Lays the modules behind an encoder out and runs them: see embed_chain.h.
#include "stages/nn/embed_chain.h"

#include <string.h>

// ---- loading ----

static bool load_vector(const ft_weight *weight, ft_arena *arena, const float **out, ft_error *err)
{
    float *values =
        ft_arena_aligned(arena, ft_pad(weight->elements, FT_PANEL_COLUMNS) * sizeof(float), 64);

    if (!values)
        return ft_fail_nomem(err, weight->elements * sizeof(float));
    memset(values, 0, ft_pad(weight->elements, FT_PANEL_COLUMNS) * sizeof(float));
    ft_weight_read(weight, 0, weight->elements, values);
    *out = values;
    return true;
}

static void load_linear(ft_linear *linear, const ft_weight *weight, const ft_weight *bias,
                        char **block)
{
    const ft_groups plain = {0};

    ft_linear_place(linear, block);
    ft_linear_put(linear, weight, 0, plain, plain);
    if (bias)
        ft_linear_put_bias(linear, bias, 0, bias->elements, 0, plain);
    ft_weight_forget(weight);
}

bool ft_chain_load(ft_chain *chain, ft_arena *arena, ft_error *err)
{
    size_t total = 0;

    chain->kernels = ft_kernels_get();
    const bool blas = chain->kernels->isa == FT_ISA_GENERIC && ft_blas_load();
    for (size_t i = 0; i < chain->count; i++) {
        ft_chain_step *step = &chain->steps[i];
        if (step->kind == FT_CHAIN_LAYER_NORM) {
            step->norm = (ft_layer_norm){.epsilon = 1e-5F, .size = step->inputs};
            if (!load_vector(step->weight, arena, &step->norm.gain, err) ||
                !load_vector(step->bias, arena, &step->norm.bias, err))
                return false;
        }
        if ((step->weight && step->kind == FT_CHAIN_DENSE &&
             !ft_linear_init(&step->linear, step->outputs, step->inputs, FT_PRECISION_F32, blas,
                             &total, err)) ||
            (step->residual && !ft_linear_init(&step->residual_linear, step->outputs, step->inputs,
                                               FT_PRECISION_F32, blas, &total, err)))
            return false;
    }
    if (total == 0)
        return true;
    char *block = ft_linear_block(arena, total);
    if (!block)
        return ft_fail_nomem(err, total);
    for (size_t i = 0; i < chain->count; i++) {
        ft_chain_step *step = &chain->steps[i];
        if (step->kind != FT_CHAIN_DENSE)
            continue;
        load_linear(&step->linear, step->weight, step->bias, &block);
        if (step->residual)
            load_linear(&step->residual_linear, step->residual, NULL, &block);
    }
    return true;
}

// ---- running ----

static size_t stride_of(const ft_chain *chain)
{
    return ft_row_stride(chain->widest);
}

size_t ft_chain_scratch(const ft_chain *chain)
{
    return 2 * (1 + FT_LINEAR_ROWS_BEHIND) * stride_of(chain);
}

static void run_dense(const ft_chain *chain, const ft_chain_step *step, const float *from,
                      float *to)
{
    const size_t stride = stride_of(chain);
    ft_linear_use use = {
        .x = from,
        .x_row = stride,
        .y = to,
        .y_row = stride,
        .rows = 1,
        .activation = step->activation,
    };

    ft_linear_run(&step->linear, chain->kernels, &use);
    if (step->residual) {
        use.add = true;
        use.activation = FT_ACTIVATION_NONE;
        ft_linear_run(&step->residual_linear, chain->kernels, &use);
    } else if (step->adds_input) {
        for (size_t k = 0; k < step->outputs; k++)
            to[k] += from[k];
    }
}

bool ft_chain_is_first(const ft_chain *chain, size_t first)
{
    return chain->pooling_count == 1 && chain->poolings[0] == FT_POOLING_CLS && first == 0;
}

void ft_chain_run(const ft_chain *chain, ft_rows rows, size_t first, size_t count, float *scratch,
                  float *out)
{
    float *from = scratch, *to = scratch + (1 + FT_LINEAR_ROWS_BEHIND) * stride_of(chain);

    for (size_t i = 0; i < chain->pooling_count; i++)
        ft_pool(chain->poolings[i], rows, first, count, chain->hidden, from + i * chain->hidden);
    for (size_t i = 0; i < chain->count; i++) {
        const ft_chain_step *step = &chain->steps[i];
        if (step->kind == FT_CHAIN_NORMALIZE) {
            ft_pool_normalize(from, step->inputs);
        } else if (step->kind == FT_CHAIN_LAYER_NORM) {
            chain->kernels->norm(from, from, stride_of(chain), 1, &step->norm);
        } else {
            run_dense(chain, step, from, to);
            float *other = from;
            from = to;
            to = other;
        }
    }
    memcpy(out, from, chain->size * sizeof(*out));
}
