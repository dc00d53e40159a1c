// The kernels' rates: products of the shapes of MiniLM and of larger models beside OpenBLAS, and
// the elementwise ones.
//
//   bench_kernels [generic|avx2|avx512]     GFLOP/s on one thread, best of some runs
//
// `peak` is what fused multiply-adds on registers alone reach. Unset OPENBLAS_CORETYPE and
// OPENBLAS_L2_SIZE, which keep OpenBLAS from its best kernels.
#include <stdio.h>
#include <stdlib.h>

#include "runtime/memory/alloc.h"
#include "runtime/system/clock.h"
#include "runtime/system/topology.h"
#include "stages/nn/kernel/blas.h"
#include "stages/nn/linear.h"

enum { RUNS = 30, ROWS_MAX = 1024 };

#if defined(__x86_64__)
#include <immintrin.h>

// Twelve chains of sums hide the latency of one; the empty assembler statement keeps the loop from
// being folded.
__attribute__((target("avx2,fma"))) static void peak_avx2(size_t count)
{
    __m256 sums[12] = {0};
    __m256 x = _mm256_set1_ps(0.5F);

    for (size_t i = 0; i < count; i++)
#pragma GCC unroll 12
        for (int k = 0; k < 12; k++) {
            sums[k] = _mm256_fmadd_ps(x, x, sums[k]);
            __asm__ volatile("" : "+x"(sums[k]));
        }
}

__attribute__((target("avx512f"))) static void peak_avx512(size_t count)
{
    __m512 sums[12] = {0};
    __m512 x = _mm512_set1_ps(0.5F);

    for (size_t i = 0; i < count; i++)
#pragma GCC unroll 12
        for (int k = 0; k < 12; k++) {
            sums[k] = _mm512_fmadd_ps(x, x, sums[k]);
            __asm__ volatile("" : "+v"(sums[k]));
        }
}

static double peak(ft_isa isa)
{
    const size_t count = 4000000;
    const double flop = 2.0 * 12 * (isa == FT_ISA_AVX512 ? 16 : 8) * (double)count;
    double best = 0;

    for (int run = 0; run < 5 && isa != FT_ISA_GENERIC; run++) {
        const int64_t start = ft_clock_ns();
        if (isa == FT_ISA_AVX512)
            peak_avx512(count);
        else
            peak_avx2(count);
        const double rate = flop / (double)(ft_clock_ns() - start);
        best = rate > best ? rate : best;
    }
    return best;
}
#else
static double peak(ft_isa isa)
{
    (void)isa;
    return 0;
}
#endif

typedef struct shape {
    size_t rows, outputs, inputs;
} shape;

static float *numbers(size_t count)
{
    float *x = ft_alloc_aligned(count * sizeof(*x), 64);

    if (!x)
        exit(1);
    for (size_t i = 0; i < count; i++)
        x[i] = (float)(i % 17) * 0.125F - 1;
    return x;
}

static double flop(const shape *s)
{
    return 2.0 * (double)s->rows * (double)s->outputs * (double)s->inputs;
}

static double own_rate(const shape *s, float *x, float *y)
{
    ft_error err = FT_ERROR_INIT;
    ft_arena *arena = ft_arena_create();
    ft_linear linear;
    size_t total = 0;
    double best = 0;

    if (!arena ||
        !ft_linear_init(&linear, s->outputs, s->inputs, FT_PRECISION_F32, false, &total, &err))
        exit(1);
    char *block = ft_linear_block(arena, total);
    if (!block)
        exit(1);
    ft_linear_place(&linear, &block);
    const ft_linear_use use = {.x = x,
                               .x_row = ft_row_stride(s->inputs),
                               .y = y,
                               .y_row = ft_row_stride(s->outputs),
                               .rows = s->rows};
    for (int run = 0; run < RUNS; run++) {
        const int64_t start = ft_clock_ns();
        ft_linear_run(&linear, ft_kernels_get(), &use);
        const double rate = flop(s) / (double)(ft_clock_ns() - start);
        best = rate > best ? rate : best;
    }
    ft_arena_destroy(arena);
    return best;
}

static double blas_rate(const shape *s, const float *x, float *y)
{
    float *b = numbers(s->outputs * s->inputs);
    const ft_multiply m = {.a = x,
                           .a_row = s->inputs,
                           .b = b,
                           .b_step = s->outputs,
                           .c = y,
                           .c_row = s->outputs,
                           .rows = s->rows,
                           .columns = s->outputs,
                           .depth = s->inputs};
    double best = 0;

    for (int run = 0; run < RUNS; run++) {
        const int64_t start = ft_clock_ns();
        ft_blas_multiply(&m);
        const double rate = flop(s) / (double)(ft_clock_ns() - start);
        best = rate > best ? rate : best;
    }
    ft_free(b);
    return best;
}

static void print_products(void)
{
    static const size_t rows[] = {1, 4, 8, 14, 33, 64, 84, 256, 1024};
    static const size_t layers[][2] = {
        {384, 384}, {1152, 384}, {1536, 384}, {384, 1536}, {3072, 768}};
    const bool blas = ft_blas_load();
    const double most = peak(ft_isa_level());
    float *x = numbers((ROWS_MAX + FT_LINEAR_ROWS_BEHIND) * 3200), *y = numbers(ROWS_MAX * 3200);

    printf("peak %.1f GFLOP/s\n%6s %14s %8s %8s %6s %6s\n", most, "rows", "layer", "own",
           "OpenBLAS", "ratio", "peak");
    for (size_t l = 0; l < FT_COUNT_OF(layers); l++)
        for (size_t r = 0; r < FT_COUNT_OF(rows); r++) {
            const shape s = {rows[r], layers[l][0], layers[l][1]};
            const double own = own_rate(&s, x, y), other = blas ? blas_rate(&s, x, y) : 0;
            printf("%6zu %6zu x %5zu %8.1f %8.1f %6.2f %5.0f%%\n", s.rows, s.outputs, s.inputs, own,
                   other, blas ? own / other : 0, most > 0 ? 100 * own / most : 0);
        }
    ft_free(x);
    ft_free(y);
}

static void print_others(void)
{
    enum { COUNT = 84 * 1536 };
    const ft_kernels *kernels = ft_kernels_get();
    float *x = numbers(COUNT), *gain = numbers(384), inverse[32];
    const ft_layer_norm norm = {.gain = gain, .bias = gain, .epsilon = 1e-12F, .size = 384};
    double best[3] = {1e9, 1e9, 1e9};

    for (int run = 0; run < RUNS; run++) {
        int64_t times[4];
        times[0] = ft_clock_ns();
        kernels->activate(FT_ACTIVATION_GELU, x, 1536, 84, 1536);
        times[1] = ft_clock_ns();
        kernels->norm(x, x, 384, COUNT / 384, &norm);
        times[2] = ft_clock_ns();
        kernels->softmax(x, COUNT / 32, 32, inverse);
        times[3] = ft_clock_ns();
        for (int i = 0; i < 3; i++) {
            const double each = (double)(times[i + 1] - times[i]) / COUNT;
            best[i] = each < best[i] ? each : best[i];
        }
    }
    printf("ns a number: gelu %.3f, layer norm %.3f, softmax %.3f\n", best[0], best[1], best[2]);
    ft_free(x);
    ft_free(gain);
}

int main(int argc, char **argv)
{
    ft_error err = FT_ERROR_INIT;
    ft_topology machine;

    if (!ft_isa_force(argc > 1 ? argv[1] : NULL, &err)) {
        fprintf(stderr, "bench_kernels: %s\n", err.message);
        return 2;
    }
    ft_topology_read("", &machine);
    printf("%s, %s\n", machine.cpu_model, ft_isa_name(ft_isa_level()));
    print_products();
    print_others();
    return 0;
}
