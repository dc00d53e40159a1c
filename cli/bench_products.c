// The rows of `ftpipe bench kernels`: products of a layer's shape in each precision, what turns
// their inputs to narrow numbers counted, beside OpenBLAS's and oneDNN's in floats, on one thread.
//
// All take turns within a round, as many products each as take some milliseconds; a figure is the
// median of the rounds. Weights lie packed as a model's do; the libraries get them as they take
// them best, and pack what they will within the call.
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "cli/bench_peaks.h"
#include "cli/bench_rows.h"
#include "runtime/memory/alloc.h"
#include "runtime/system/clock.h"
#include "stages/nn/linear.h"

enum { REPEAT_MAX = 1000, ROWS_MAX = 1024, WIDEST = 3072, DEEPEST = 1536 };
enum { OPENBLAS = FT_PRECISION_COUNT, ONEDNN, SIDES };

static const char *const side_names[SIDES] = {"f32", "bf16", "int8", "OpenBLAS f32", "oneDNN f32"};
static const size_t row_counts[] = {1, 8, 16, 56, 256, ROWS_MAX};
static const size_t layers[][2] = {{1152, 384}, {1536, 384}, {384, 1536}, {3072, 768}};

// As dnnl.h has it: row-major, the number of columns as the leading dimension.
typedef int dnnl_sgemm(char trans_a, char trans_b, int64_t m, int64_t n, int64_t k, float alpha,
                       const float *a, int64_t lda, const float *b, int64_t ldb, float beta,
                       float *c, int64_t ldc);
typedef void omp_set_threads(int count);

typedef struct products {
    ft_linear linears[FT_PRECISION_COUNT];
    size_t rows, outputs, inputs;
    float *x, *y, *b;
    char *scratch;
    dnnl_sgemm *onednn;  // NULL: not installed.
    bool has_blas;
    double peaks[FT_PRECISION_COUNT];
} products;

static dnnl_sgemm *find_onednn(void)
{
    static const char *const names[] = {"libdnnl.so.3", "libdnnl.so.2"};
    dnnl_sgemm *found = NULL;
    omp_set_threads *limit = NULL;

    for (size_t i = 0; i < FT_COUNT_OF(names) && !found; i++) {
        // Global, so that the OpenMP that it brings is found.
        void *library = dlopen(names[i], RTLD_NOW | RTLD_GLOBAL);
        void *symbol = library ? dlsym(library, "dnnl_sgemm") : NULL;
        memcpy(&found, &symbol, sizeof(found));
    }
    void *symbol = found ? dlsym(RTLD_DEFAULT, "omp_set_num_threads") : NULL;
    memcpy(&limit, &symbol, sizeof(limit));
    if (limit)
        limit(1);
    return found;
}

static void run_side(const products *p, int side)
{
    if (side == ONEDNN) {
        ft_ignore(p->onednn('N', 'N', (int64_t)p->rows, (int64_t)p->outputs, (int64_t)p->inputs,
                            1.0F, p->x, (int64_t)p->inputs, p->b, (int64_t)p->outputs, 0.0F, p->y,
                            (int64_t)p->outputs) == 0);
    } else if (side == OPENBLAS) {
        ft_blas_multiply(&(ft_multiply){.a = p->x,
                                        .a_row = p->inputs,
                                        .b = p->b,
                                        .b_step = p->outputs,
                                        .c = p->y,
                                        .c_row = p->outputs,
                                        .rows = p->rows,
                                        .columns = p->outputs,
                                        .depth = p->inputs});
    } else {
        ft_linear_run(&p->linears[side], ft_kernels_get(),
                      &(ft_linear_use){.x = p->x,
                                       .x_row = ft_row_stride(p->inputs),
                                       .y = p->y,
                                       .y_row = ft_row_stride(p->outputs),
                                       .rows = p->rows,
                                       .scratch = p->scratch});
    }
}

// Operations a nanosecond.
static double rate(const products *p, int side)
{
    const double each = 2.0 * (double)p->rows * (double)p->outputs * (double)p->inputs;
    const int count = 1 + (int)(2e8 / each);
    const int64_t start = ft_clock_ns();

    for (int i = 0; i < count; i++)
        run_side(p, side);
    return each * count / (double)(ft_clock_ns() - start);
}

static void print_shape(const ft_bench *bench, const products *p, const double *medians)
{
    static const char *const keys[SIDES] = {"f32", "bf16", "int8", "openblas", "onednn"};

    if (bench->is_json) {
        printf("{\"rows\":%zu,\"outputs\":%zu,\"inputs\":%zu", p->rows, p->outputs, p->inputs);
        for (int side = 0; side < SIDES; side++)
            if (medians[side] > 0)
                printf(",\"%s\":%.1f", keys[side], medians[side]);
        puts("}");
    } else {
        printf("%5zu %5zu x %4zu", p->rows, p->outputs, p->inputs);
        for (int side = 0; side < FT_PRECISION_COUNT; side++)
            printf(p->peaks[side] > 0 ? " %8.1f %3.0f%%" : " %8.1f    -", medians[side],
                   100 * medians[side] / p->peaks[side]);
        for (int side = FT_PRECISION_COUNT; side < SIDES; side++)
            printf(medians[side] > 0 ? " %12.1f" : "            -", medians[side]);
        puts("");
    }
    fflush(stdout);
}

static void measure_shape(const ft_bench *bench, const products *p)
{
    double rates[SIDES][REPEAT_MAX], medians[SIDES] = {0};

    for (int round = 0; round < bench->repeat; round++)
        for (int side = 0; side < SIDES; side++)
            if ((side != OPENBLAS || p->has_blas) && (side != ONEDNN || p->onednn))
                rates[side][round] = rate(p, side);
            else
                rates[side][round] = 0;
    for (int side = 0; side < SIDES; side++)
        medians[side] = ft_bench_median(rates[side], (size_t)bench->repeat);
    print_shape(bench, p, medians);
}

// Weights of all precisions for one shape, of the numbers in `p->b`.
static bool place_layers(products *p, ft_arena *arena, ft_error *err)
{
    const uint64_t shape[2] = {p->outputs, p->inputs};
    const ft_weight weight = {.kind = FT_WEIGHT_F32,
                              .rank = 2,
                              .shape = shape,
                              .elements = p->outputs * p->inputs,
                              .data = (const char *)p->b};

    for (int i = 0; i < FT_PRECISION_COUNT; i++) {
        size_t total = 0;
        if (!ft_linear_init(&p->linears[i], p->outputs, p->inputs, (ft_precision)i, false, &total,
                            err))
            return false;
        char *block = ft_linear_block(arena, total);
        if (!block)
            return ft_fail_nomem(err, total);
        ft_linear_place(&p->linears[i], &block);
        ft_linear_put(&p->linears[i], &weight, 0, (ft_groups){0}, (ft_groups){0});
    }
    const size_t scratch = ft_linear_scratch(&p->linears[FT_PRECISION_BF16], ROWS_MAX);
    p->scratch = ft_arena_aligned(arena, scratch, 64);
    return p->scratch || ft_fail_nomem(err, scratch);
}

static float *make_numbers(ft_arena *arena, size_t count, ft_error *err)
{
    float *x = ft_arena_aligned(arena, count * sizeof(*x), 64);

    if (!x)
        ft_fail_nomem(err, count * sizeof(*x));
    for (size_t i = 0; x && i < count; i++)
        x[i] = (float)(i * 7 % 31) / 16 - 1;
    return x;
}

static void print_head(const ft_bench *bench, const products *p)
{
    if (bench->is_json) {
        printf("{\"peaks\":{\"f32\":%.1f,\"bf16\":%.1f,\"int8\":%.1f}}\n", p->peaks[0], p->peaks[1],
               p->peaks[2]);
        return;
    }
    printf("GFLOP/s (int8: GOP/s) on one thread, and the share of what instructions on registers "
           "alone reach:\nf32 %.1f, bf16 %.1f, int8 %.1f (0: this level has no instruction)\n",
           p->peaks[0], p->peaks[1], p->peaks[2]);
    if (p->has_blas)
        printf("%s\n", ft_blas_describe());
    printf("\n%5s %12s %13s %13s %13s %12s %12s\n", "rows", "layer", side_names[0], side_names[1],
           side_names[2], side_names[OPENBLAS], side_names[ONEDNN]);
}

bool ft_bench_kernels(ft_bench *bench, ft_error *err)
{
    products p = {.onednn = find_onednn(), .has_blas = ft_blas_load()};
    ft_arena *arena = bench->arena;

    p.x = make_numbers(arena, (size_t)ROWS_MAX * ft_row_stride(DEEPEST), err);
    p.y = p.x ? make_numbers(arena, (size_t)ROWS_MAX * ft_row_stride(WIDEST), err) : NULL;
    p.b = p.y ? make_numbers(arena, (size_t)WIDEST * DEEPEST, err) : NULL;
    if (!p.b)
        return false;
    for (int i = 0; i < FT_PRECISION_COUNT; i++)
        p.peaks[i] = ft_bench_peak(ft_isa_level(), (ft_precision)i);
    print_head(bench, &p);
    for (size_t layer = 0; layer < FT_COUNT_OF(layers); layer++) {
        p.outputs = layers[layer][0];
        p.inputs = layers[layer][1];
        if (!place_layers(&p, arena, err))
            return false;
        for (size_t i = 0; i < FT_COUNT_OF(row_counts); i++) {
            p.rows = row_counts[i];
            measure_shape(bench, &p);
        }
    }
    return true;
}
