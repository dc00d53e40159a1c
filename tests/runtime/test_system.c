// Files, paths, threads, conditions, clocks and the log's sink.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/concurrent/lock.h"
#include "runtime/log.h"
#include "runtime/memory/alloc.h"
#include "runtime/system/clock.h"
#include "runtime/system/file.h"
#include "runtime/system/thread.h"
#include "tests/check.h"

static char path[64];

static void put(const char *text)
{
    snprintf(path, sizeof(path), "/tmp/ftpipe-system-XXXXXX");
    int fd = mkstemp(path);
    check_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

TEST(files_are_read_whole)
{
    ft_arena *arena = ft_arena_create();
    ft_error err = FT_ERROR_INIT;
    ft_slice text;

    put("hello");
    check_ok(ft_file_read(path, arena, 5, &text, &err), &err);
    check_slice_eq(text, "hello");
    check_int_eq(text.data[5], 0);
    check_fails(ft_file_read(path, arena, 4, &text, &err), &err, FT_ERROR_LIMIT);
    err = (ft_error)FT_ERROR_INIT;
    check_ok(ft_file_map(path, arena, &text, &err), &err);
    check_slice_eq(text, "hello");
    ft_file_map_release(text);
    check_slice_eq(text, "hello");  // From the file again.
    unlink(path);
    put("");
    check_ok(ft_file_read(path, arena, 5, &text, &err), &err);
    check_slice_eq(text, "");
    check_ok(ft_file_map(path, arena, &text, &err), &err);
    check_slice_eq(text, "");
    unlink(path);
    check_fails(ft_file_read(path, arena, 5, &text, &err), &err, FT_ERROR_IO);
    check_contains(err.message, "No such file");
    check_int_eq(err.saved_errno, ENOENT);
    check_fails(ft_file_read("/tmp", arena, 5, &text, &err), &err, FT_ERROR_IO);
    check_text_eq(err.message, "`/tmp` is a directory, not a file");
    check_fails(ft_file_map("/dev/null", arena, &text, &err), &err, FT_ERROR_IO);
    // A file whose size is not told before it is read.
    err = (ft_error)FT_ERROR_INIT;
    check_ok(ft_file_read("/proc/self/status", arena, 1 << 20, &text, &err), &err);
    check_true(text.size > 100);
    check_fails(ft_file_read("/proc/self/status", arena, 10, &text, &err), &err, FT_ERROR_LIMIT);
    check_fails(ft_file_read("/dev/zero", arena, 100000, &text, &err), &err, FT_ERROR_LIMIT);
    ft_arena_destroy(arena);
}

TEST(files_without_memory)
{
    put("hello");
    for (uint64_t n = 1;; n++) {
        int64_t before = ft_alloc_get_stats().live_blocks;
        ft_error err = FT_ERROR_INIT;
        ft_slice text;
        ft_alloc_fail_at(n, false);
        ft_arena *arena = ft_arena_create();
        bool ok = arena && ft_file_read("/proc/self/status", arena, 1 << 20, &text, &err) &&
                  ft_file_map(path, arena, &text, &err);
        ft_alloc_fail_at(0, false);
        ft_arena_destroy(arena);
        check_int_eq(ft_alloc_get_stats().live_blocks, before);
        if (ok)
            break;
    }
    unlink(path);
}

TEST(paths_join)
{
    ft_arena *arena = ft_arena_create();

    check_text_eq(ft_path_join(arena, "a/b", "c"), "a/b/c");
    check_text_eq(ft_path_join(arena, "a/", "c"), "a/c");
    check_text_eq(ft_path_join(arena, "", "c"), "c");
    check_text_eq(ft_path_join(arena, "a", "/c"), "/c");
    check_int_eq(ft_file_find("/tmp"), FT_FILE_FOLDER);
    check_int_eq(ft_file_find("/dev/null"), FT_FILE_OTHER);
    check_int_eq(ft_file_find("/dev/null/such"), FT_FILE_MISSING);
    char endless[5000];  // Longer than a path may be.
    memset(endless, 'x', sizeof(endless) - 1);
    endless[sizeof(endless) - 1] = '\0';
    check_int_eq(ft_file_find(endless), FT_FILE_UNKNOWN);
    ft_arena_destroy(arena);
}

typedef struct {
    ft_mutex lock;
    ft_condition changed;
    int turn, sum;
} shared;

// Two threads take turns, a thousand times each.
static void take_turns(void *host)
{
    shared *s = host;

    ft_mutex_lock(&s->lock);
    int mine = s->sum++ % 2;
    for (int i = 0; i < 1000; i++) {
        while (s->turn % 2 != mine)
            ft_condition_wait(&s->changed, &s->lock);
        s->turn++;
        ft_condition_wake_all(&s->changed);
    }
    ft_mutex_unlock(&s->lock);
}

TEST(threads_take_turns)
{
    ft_error err = FT_ERROR_INIT;
    ft_thread a, b, never = {.started = false};
    shared s = {.turn = 0};

    ft_mutex_init(&s.lock);
    ft_condition_init(&s.changed);
    check_ok(ft_thread_start(&a, "a-name-longer-than-fifteen", take_turns, &s, &err), &err);
    check_ok(ft_thread_start(&b, "b", take_turns, &s, &err), &err);
    ft_thread_join(&a);
    ft_thread_join(&b);
    ft_thread_join(&never);
    check_int_eq(s.turn, 2000);
    ft_alloc_fail_at(1, false);
    check_fails(ft_thread_start(&a, "a", take_turns, &s, &err), &err, FT_ERROR_NOMEM);
    ft_alloc_fail_at(0, false);
    ft_thread_join(&a);
    check_true(ft_mutex_try_lock(&s.lock) && !ft_mutex_try_lock(&s.lock));
    int64_t start = ft_clock_ns();
    check_true(!ft_condition_wait_ms(&s.changed, &s.lock, 5));
    check_true(ft_clock_ns() - start >= 5000000);
    ft_mutex_unlock(&s.lock);
    ft_condition_finish(&s.changed);
    ft_mutex_finish(&s.lock);
    check_true(ft_clock_wall_ms() > INT64_C(1600000000000));
    check_true(ft_clock_thread_cpu_ns() > 0);
}

static void keep(void *host, ft_log_level level, const char *from, const char *line)
{
    snprintf(host, 64, "%d %s: %s", (int)level, from, line);
}

TEST(log_lines_reach_the_sink)
{
    char kept[64] = "";

    ft_log(FT_LOG_ERROR, "x", "nobody listens");
    ft_log_install(keep, kept, FT_LOG_INFO);
    check_true(ft_log_is_on(FT_LOG_WARN) && !ft_log_is_on(FT_LOG_DEBUG));
    ft_log(FT_LOG_DEBUG, "x", "too fine");
    check_text_eq(kept, "");
    ft_log(FT_LOG_WARN, "read", "a\nb %d", 5);
    check_text_eq(kept, "1 read: a b 5");
    ft_log_install(NULL, NULL, FT_LOG_ERROR);
    check_true(!ft_log_is_on(FT_LOG_ERROR));
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
