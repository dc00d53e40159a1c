// OpenBLAS through the dynamic loader.
//
// It stays loaded to the end of the program, as its memory and its threads do.
//
// Its kernels work on a few rows at a time, and not all of them add in the same order: with those
// for Haswell and Zen rows 6 to 11 of every 12 differ from rows 0 to 5 in the last bit. So when it
// is loaded we look for the largest height at which equal rows give equal bits, wherever they are.
#include "stages/nn/kernel/blas.h"

#include <dlfcn.h>
#include <string.h>

#include "runtime/concurrent/lock.h"

typedef void gemm(int order, int trans_a, int trans_b, int m, int n, int k, float alpha,
                  const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc);
typedef void set_threads(int count);
typedef char *get_config(void);

enum {
    ROW_MAJOR = 101,  // As cblas.h numbers them.
    NO_TRANSPOSE = 111,
    COLUMNS = FT_PANEL_COLUMNS,
    DEPTH_MAX = 1024,
};

// Written by `load` alone.
static ft_once once = FT_ONCE_INIT;
static gemm *product;
static size_t row_count;
static const char *description;

// ISO C knows no conversion from an object pointer to a function pointer; POSIX promises that their
// bytes agree.
static void *find(void *library, const char *name, void *out, size_t size)
{
    void *symbol = dlsym(library, name);

    memcpy(out, &symbol, size);
    return symbol;
}

// Whether equal rows of `a` give equal rows of the product.
static bool is_even(gemm *multiply, size_t rows, size_t depth, float *a, float *b)
{
    static float c[FT_BLAS_ROWS_MAX * COLUMNS];

    for (size_t k = 0; k < depth; k++) {
        for (size_t row = 0; row < rows; row++)
            a[row * depth + k] = 1.0F / (float)(k + 3);
        for (size_t column = 0; column < COLUMNS; column++)
            b[k * COLUMNS + column] = 1.0F / (float)(k * 7 % 31 + column + 1);
    }
    multiply(ROW_MAJOR, NO_TRANSPOSE, NO_TRANSPOSE, (int)rows, COLUMNS, (int)depth, 1.0F, a,
             (int)depth, b, COLUMNS, 0.0F, c, COLUMNS);
    for (size_t row = 1; row < rows; row++)
        if (memcmp(c, c + row * COLUMNS, COLUMNS * sizeof(*c)) != 0)
            return false;
    return true;
}

// Small depths may go another way than large ones.
static size_t find_rows(gemm *multiply)
{
    static const size_t heights[] = {FT_BLAS_ROWS_MAX, 16, 8, 4};
    static const size_t depths[] = {33, 96, 384, DEPTH_MAX};
    static float a[FT_BLAS_ROWS_MAX * DEPTH_MAX], b[DEPTH_MAX * COLUMNS];

    for (size_t i = 0; i < FT_COUNT_OF(heights); i++) {
        bool even = true;
        for (size_t k = 0; even && k < FT_COUNT_OF(depths); k++)
            even = is_even(multiply, heights[i], depths[k], a, b);
        if (even)
            return heights[i];
    }
    return 1;
}

size_t ft_blas_rows(void)
{
    return row_count;
}

const char *ft_blas_describe(void)
{
    return description;
}

static void load(void)
{
    set_threads *limit = NULL;
    get_config *describe = NULL;
    gemm *found = NULL;

    void *library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return;
    if (!find(library, "cblas_sgemm", &found, sizeof(found)) ||
        !find(library, "openblas_set_num_threads", &limit, sizeof(limit))) {
        dlclose(library);
        return;
    }
    bool can_describe = find(library, "openblas_get_config", &describe, sizeof(describe)) != NULL;
    description = can_describe ? describe() : "OpenBLAS, of a version that does not say which";
    limit(1);
    row_count = find_rows(found);
    product = found;
}

bool ft_blas_load(void)
{
    ft_once_run(&once, load);
    return product != NULL;
}

void ft_blas_multiply(const ft_multiply *m)
{
    product(ROW_MAJOR, NO_TRANSPOSE, NO_TRANSPOSE, (int)m->rows, (int)m->columns, (int)m->depth,
            1.0F, m->a, (int)m->a_row, m->b, (int)m->b_step, 0.0F, m->c, (int)m->c_row);
}
