// See check.h. A failed check leaves its test by longjmp, so tests free nothing after a failure.
#include "tests/check.h"

#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { TESTS_MAX = 512 };

static struct {
    const char *name;
    check_function *function;
} tests[TESTS_MAX];
static int test_count;
static jmp_buf end_of_test;
enum { PASSED, FAILED = 1, SKIPPED = 2 };

void check_register(const char *name, check_function *function)
{
    FT_ASSERT(test_count < TESTS_MAX);
    tests[test_count].name = name;
    tests[test_count++].function = function;
}

int check_main(int argc, char **argv)
{
    int counts[3] = {0};
    static volatile int i;  // Survives the longjmp of a failed check.
    for (i = 0; i < test_count; i++) {
        if (argc > 1 && !strstr(tests[i].name, argv[1]))
            continue;
        int result = setjmp(end_of_test);
        if (result == PASSED)
            tests[i].function();
        counts[result]++;
        if (result == FAILED)
            fprintf(stderr, "FAILED %s\n", tests[i].name);
        fflush(stderr);
    }
    printf("%d passed, %d failed, %d skipped\n", counts[PASSED], counts[FAILED], counts[SKIPPED]);
    return counts[FAILED] ? 1 : 0;
}

static void fail_here(const char *file, int line)
{
    fprintf(stderr, "  at %s:%d\n", file, line);
    longjmp(end_of_test, FAILED);
}

void check_skip(const char *why)
{
    printf("skipped: %s\n", why);
    longjmp(end_of_test, SKIPPED);
}

void check_true_at(bool condition, const char *what, const char *file, int line)
{
    if (condition)
        return;
    fprintf(stderr, "%s is false\n", what);
    fail_here(file, line);
}

void check_int_eq_at(int64_t got, int64_t want, const char *what, const char *file, int line)
{
    if (got == want)
        return;
    fprintf(stderr, "%s is %lld, want %lld\n", what, (long long)got, (long long)want);
    fail_here(file, line);
}

void check_float_near_at(double got, double want, double within, const char *what, const char *file,
                         int line)
{
    if (fabs(got - want) <= within)
        return;
    fprintf(stderr, "%s is %.17g, want %.17g within %g\n", what, got, want, within);
    fail_here(file, line);
}

void check_text_eq_at(const char *got, const char *want, const char *what, const char *file,
                      int line)
{
    if (got && want ? strcmp(got, want) == 0 : got == want)
        return;
    fprintf(stderr, "%s is\n<%s>\nwant\n<%s>\n", what, got ? got : "NULL", want ? want : "NULL");
    fail_here(file, line);
}

void check_slice_eq_at(ft_slice got, const char *want, const char *what, const char *file, int line)
{
    if (got.size == strlen(want) && (got.size == 0 || memcmp(got.data, want, got.size) == 0))
        return;
    fprintf(stderr, "%s is\n<%.*s>\nwant\n<%s>\n", what, (int)got.size, got.data ? got.data : "",
            want);
    fail_here(file, line);
}

void check_contains_at(const char *got, const char *want, const char *what, const char *file,
                       int line)
{
    if (got && strstr(got, want))
        return;
    fprintf(stderr, "%s is\n<%s>\nwhich does not contain\n<%s>\n", what, got ? got : "NULL", want);
    fail_here(file, line);
}

void check_ok_at(bool ok, const ft_error *err, const char *what, const char *file, int line)
{
    if (ok && err->code == FT_ERROR_NONE)
        return;
    fprintf(stderr, "%s %s: %s\n", what, ok ? "succeeded but left an error" : "failed",
            err->message);
    fail_here(file, line);
}

void check_fails_at(bool ok, const ft_error *err, ft_error_code code, const char *what,
                    const char *file, int line)
{
    if (!ok && err->code == code)
        return;
    fprintf(stderr, "%s %s, code %d, want failure with %d: %s\n", what, ok ? "succeeded" : "failed",
            (int)err->code, (int)code, err->message);
    fail_here(file, line);
}

const char *check_data_folder(void)
{
    static char beside[1024];
    const char *given = getenv("FTPIPE_TEST_DATA");
    struct stat found;

    if (given && stat(given, &found) == 0)
        return given;
    // The checkout's own place is known from this file's: <checkout>/tests/check.c.
    snprintf(beside, sizeof(beside), "%.*s../../shared/data",
             (int)(strlen(__FILE__) - strlen("check.c")), __FILE__);
    return stat(beside, &found) == 0 ? beside : NULL;
}
