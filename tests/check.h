// What unit tests are written with: checks that print both sides, and a main that counts.
//
//   TEST(queue_blocks_when_full) { ... check_int_eq(got, want); }
//   int main(int argc, char **argv) { return check_main(argc, argv); }      // An argument runs
//   only tests with it in their name.
#pragma once

#include "runtime/error.h"
#include "runtime/slice.h"

typedef void check_function(void);
void check_register(const char *name, check_function *function);
int check_main(int argc, char **argv);

#define TEST(name)                                                 \
    static void test_##name(void);                                 \
    __attribute__((constructor)) static void register_##name(void) \
    {                                                              \
        check_register(#name, test_##name);                        \
    }                                                              \
    static void test_##name(void)

// A failed check ends its test (longjmp), so that what follows may rely on it.
#define check_true(condition) check_true_at((condition), #condition, __FILE__, __LINE__)
#define check_int_eq(got, want) \
    check_int_eq_at((int64_t)(got), (int64_t)(want), #got, __FILE__, __LINE__)
#define check_float_near(got, want, within) \
    check_float_near_at(got, want, within, #got, __FILE__, __LINE__)
#define check_text_eq(got, want) \
    check_text_eq_at(got, want, #got, __FILE__, __LINE__)  // NUL-terminated.
#define check_slice_eq(got, want) \
    check_slice_eq_at(got, want, #got, __FILE__, __LINE__)  // ft_slice against a string.
#define check_contains(got, want) check_contains_at(got, want, #got, __FILE__, __LINE__)
// The call succeeded and left the error empty / failed with that code. Both check "false exactly
// when err is set".
#define check_ok(call, err) check_ok_at((call), err, #call, __FILE__, __LINE__)
#define check_fails(call, err, code) check_fails_at((call), err, code, #call, __FILE__, __LINE__)

void check_true_at(bool condition, const char *what, const char *file, int line);
void check_int_eq_at(int64_t got, int64_t want, const char *what, const char *file, int line);
void check_float_near_at(double got, double want, double within, const char *what, const char *file,
                         int line);
void check_text_eq_at(const char *got, const char *want, const char *what, const char *file,
                      int line);
void check_slice_eq_at(ft_slice got, const char *want, const char *what, const char *file,
                       int line);
void check_contains_at(const char *got, const char *want, const char *what, const char *file,
                       int line);
void check_ok_at(bool ok, const ft_error *err, const char *what, const char *file, int line);
void check_fails_at(bool ok, const ft_error *err, ft_error_code code, const char *what,
                    const char *file, int line);

// The folder of shared test data (FTPIPE_TEST_DATA, else ../shared/data beside the checkout), or
// NULL: skip, and say so.
const char *check_data_folder(void);
void check_skip(const char *why);  // Ends the test, counted as skipped.
