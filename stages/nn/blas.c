// OpenBLAS through the dynamic loader.
//
// It stays loaded to the end of the program, as its memory and its threads do.
#include "stages/nn/blas.h"

#include <dlfcn.h>
#include <string.h>

typedef void gemm(int order, int trans_a, int trans_b, int m, int n, int k, float alpha,
                  const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc);
typedef void set_threads(int count);

enum { ROW_MAJOR = 101, NO_TRANSPOSE = 111 };  // As cblas.h numbers them.

static gemm *product;
static bool tried;

// ISO C knows no conversion from an object pointer to a function pointer; POSIX promises that their
// bytes agree.
static void *find(void *library, const char *name, void *out, size_t size)
{
    void *symbol = dlsym(library, name);

    memcpy(out, &symbol, size);
    return symbol;
}

bool ft_blas_load(void)
{
    set_threads *limit = NULL;
    gemm *found = NULL;

    if (tried)
        return product != NULL;
    tried = true;
    void *library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return false;
    if (!find(library, "cblas_sgemm", &found, sizeof(found)) ||
        !find(library, "openblas_set_num_threads", &limit, sizeof(limit))) {
        dlclose(library);
        return false;
    }
    limit(1);
    product = found;
    return true;
}

void ft_blas_multiply(const ft_multiply *m)
{
    product(ROW_MAJOR, NO_TRANSPOSE, NO_TRANSPOSE, (int)m->rows, (int)m->columns, (int)m->depth,
            1.0F, m->a, (int)m->a_row, m->b, (int)m->b_step, 0.0F, m->c, (int)m->c_row);
}
