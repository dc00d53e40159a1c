// How anything fails: a function returns false exactly when it has filled the caller's ft_error.
//
// The struct lives on the caller's stack and owns nothing, so that "out of memory" can be said too.
// Nothing here is global; a NULL `err` is not allowed.
#pragma once

#include <stdarg.h>

#include "runtime/compiler.h"

// Codes are reactions, not causes: what the caller can do about it.
#define FT_ERROR_MAP(X)                                                         \
    X(NONE, "none", "nothing failed")                                           \
    X(USAGE, "usage", "the pipeline or the command line is wrong: change it")   \
    X(DATA, "data", "this item or file is wrong: skip it, route it or stop")    \
    X(IO, "io", "the outside refused: a file, a disk, a pipe")                  \
    X(LIMIT, "limit", "a bound that was set is reached: raise it or send less") \
    X(NOMEM, "nomem", "the system has no memory left")                          \
    X(CANCELLED, "cancelled", "the run is being stopped; not a fault")

typedef enum ft_error_code {
#define FT_ERROR_ENUM(name, text, meaning) FT_ERROR_##name,
    FT_ERROR_MAP(FT_ERROR_ENUM)
#undef FT_ERROR_ENUM
} ft_error_code;

enum { FT_ERROR_MESSAGE_BYTES = 400, FT_ERROR_HINT_BYTES = 240 };

typedef struct ft_error {
    ft_error_code code;
    int number;  // The diagnostic that `ftpipe explain` knows: 311 is E0311. 0: none of its own.
    int saved_errno;  // errno when the system refused, else 0.
    const char
        *option;  // The option whose text is at fault (a literal or the plan's string), else NULL.
    size_t offset;  // Where in that option's text, in bytes; `length` bytes from there. 0, 0: all
                    // of it.
    size_t length;
    char message[FT_ERROR_MESSAGE_BYTES];  // One line, lower case, no full stop, no function names.
    char hint[FT_ERROR_HINT_BYTES];        // A sentence that says what to do, or empty.
} ft_error;

#define FT_ERROR_INIT {.code = FT_ERROR_NONE}

// Fills `err` and returns false, so that `return ft_fail(err, ...)` is the one way to fail.
FT_API bool ft_fail(ft_error *err, ft_error_code code, const char *format, ...) FT_PRINTF(3, 4);

// As ft_fail with FT_ERROR_IO, the text of `saved_errno` behind the message: "cannot open x: No
// such file or directory".
FT_API bool ft_fail_errno(ft_error *err, int saved_errno, const char *format, ...) FT_PRINTF(3, 4);

// "out of memory: wanted N bytes". Returns false.
FT_API bool ft_fail_nomem(ft_error *err, size_t wanted_bytes);

// Adds what to do. Keeps a hint that is there.
FT_API void ft_hint(ft_error *err, const char *format, ...) FT_PRINTF(2, 3);

// Puts "while ...: " context in front of the message; the code stays.
FT_API void ft_error_while(ft_error *err, const char *format, ...) FT_PRINTF(2, 3);

// Says which option is at fault, for the caret; `length` 0 means the whole text. Returns false, to
// be chained.
FT_API bool ft_error_at(ft_error *err, const char *option, size_t offset, size_t length);

// "usage", "data" ...
FT_API const char *ft_error_code_name(ft_error_code code);

// A broken invariant of ours: prints place and condition, then aborts; on in release too. Never for
// input, never for lack of memory.
#define FT_ASSERT(condition) \
    (FT_LIKELY(condition) ? (void)0 : ft_assert_failed(#condition, __FILE__, __LINE__))
FT_API FT_NORETURN void ft_assert_failed(const char *condition, const char *file, int line);

#ifdef FT_DEBUG
#define FT_DEBUG_ASSERT(condition) FT_ASSERT(condition)
#else
#define FT_DEBUG_ASSERT(condition) ((void)0)
#endif
