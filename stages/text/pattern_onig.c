// The library is optional at build time. Its limits are its own global defaults, set once: a match
// parameter of our own could not be shared between threads, since the library counts in it.
#include "stages/text/pattern_onig.h"

#include <limits.h>

#include "runtime/concurrent/lock.h"

#ifdef FT_HAVE_ONIG
#include <oniguruma.h>

// Backtracking steps of one search, and what it may remember for them. The reference allows as many
// steps for each place it tries, and any memory.
enum { STEPS_MAX = 10 * 1000 * 1000, STACK_MAX = 1000 * 1000 };

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void start(void)
{
    OnigEncoding encodings[] = {ONIG_ENCODING_UTF8};

    onig_initialize(encodings, 1);
    onig_set_retry_limit_in_match(STEPS_MAX);
    onig_set_retry_limit_in_search(10 * (unsigned long)STEPS_MAX);
    onig_set_match_stack_limit_size(STACK_MAX);
}

static void finish(void *regex)
{
    onig_free(regex);
}

bool ft_onig_compile(ft_slice source, const char *path, const char *place, ft_arena *arena,
                     void **out, ft_error *err)
{
    const OnigUChar *bytes = (const OnigUChar *)(source.data ? source.data : "");
    OnigErrorInfo info;
    regex_t *regex = NULL;

    pthread_once(&once, start);
    int status = onig_new(&regex, bytes, bytes + source.size, ONIG_OPTION_NONE, ONIG_ENCODING_UTF8,
                          ONIG_SYNTAX_ONIGURUMA, &info);
    if (status == ONIGERR_MEMORY)
        return ft_fail(err, FT_ERROR_NOMEM, "out of memory for a regular expression");
    if (status != ONIG_NORMAL) {
        OnigUChar why[ONIG_MAX_ERROR_MESSAGE_LEN];
        int length = onig_error_code_to_str(why, status, &info);
        return ft_fail(err, FT_ERROR_DATA, "`%s`, at `%s`: not a regular expression: %.*s", path,
                       place, length, (const char *)why);
    }
    if (!ft_arena_defer(arena, finish, regex)) {
        onig_free(regex);
        return ft_fail(err, FT_ERROR_NOMEM, "out of memory for a regular expression");
    }
    *out = regex;
    return true;
}

bool ft_onig_next(void *regex, ft_slice text, size_t from, bool *found, size_t *out_start,
                  size_t *out_end, ft_error *err)
{
    const OnigUChar *bytes = (const OnigUChar *)(text.data ? text.data : "");
    OnigRegion region = {0};

    if (text.size > INT_MAX)
        return ft_fail(err, FT_ERROR_LIMIT,
                       "a text of %zu bytes is longer than a regular expression takes: at most %d",
                       text.size, INT_MAX);
    int status = onig_search(regex, bytes, bytes + text.size, bytes + from, bytes + text.size,
                             &region, ONIG_OPTION_NONE);
    *found = status >= 0;
    if (*found) {
        *out_start = (size_t)region.beg[0];
        *out_end = (size_t)region.end[0];
    }
    onig_region_free(&region, 0);
    // \K within what is looked at behind or ahead moves a match's start to anywhere.
    if (*found && (*out_start < from || *out_end < *out_start))
        return ft_fail(
            err, FT_ERROR_DATA,
            "the tokenizer's regular expression found the bytes %zu to %zu of a text when "
            "it was asked from byte %zu on",
            *out_start, *out_end, from);
    if (status >= 0 || status == ONIG_MISMATCH)
        return true;
    if (status == ONIGERR_MEMORY)
        return ft_fail(err, FT_ERROR_NOMEM, "out of memory for a regular expression");
    OnigUChar why[ONIG_MAX_ERROR_MESSAGE_LEN];
    int length = onig_error_code_to_str(why, status);
    return ft_fail(err, FT_ERROR_DATA,
                   "the tokenizer's regular expression gave up on a text of %zu bytes: %.*s",
                   text.size, length, (const char *)why);
}
#else
bool ft_onig_compile(ft_slice source, const char *path, const char *place, ft_arena *arena,
                     void **out, ft_error *err)
{
    (void)source;
    (void)arena;
    (void)out;
    ft_fail(err, FT_ERROR_USAGE,
            "`%s`, at `%s`: this regular expression needs Oniguruma, which this build is without",
            path, place);
    ft_hint(err, "Install libonig-dev and build again.");
    return false;
}

bool ft_onig_next(void *regex, ft_slice text, size_t from, bool *found, size_t *out_start,
                  size_t *out_end, ft_error *err)
{
    (void)regex;
    (void)text;
    (void)from;
    (void)found;
    (void)out_start;
    (void)out_end;
    return ft_fail(err, FT_ERROR_USAGE, "this build is without Oniguruma");
}
#endif
