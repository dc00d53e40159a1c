// Allocation: counts, failure on demand, arenas, buffers and their pages, the account.
#define _GNU_SOURCE  // mincore
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "runtime/memory/alloc.h"
#include "runtime/memory/arena.h"
#include "runtime/memory/buffer.h"
#include "runtime/memory/pages.h"
#include "runtime/system/thread.h"
#include "tests/check.h"

TEST(alloc_counts_and_fails_on_demand)
{
    int64_t before = ft_alloc_get_stats().live_blocks;
    void *a = ft_alloc(0), *b = ft_alloc_zero(10, 10), *c = ft_alloc_aligned(100, 64);

    check_true(a && b && c && (uintptr_t)c % 64 == 0);
    check_int_eq(ft_alloc_get_stats().live_blocks, before + 3);
    check_true(ft_alloc_array(SIZE_MAX / 2, 3) == NULL && ft_alloc_zero(SIZE_MAX / 2, 3) == NULL);
    check_true(ft_alloc(SIZE_MAX) == NULL);
    ft_alloc_fail_at(2, false);
    void *d = ft_alloc(1);
    check_true(d != NULL && ft_realloc(b, 1000) == NULL);
    b = ft_realloc(b, 1000);
    check_true(b != NULL);
    ft_alloc_fail_at(1, true);
    check_true(ft_alloc(1) == NULL && ft_alloc(1) == NULL && ft_copy_text("x", 1) == NULL);
    ft_alloc_fail_at(0, false);
    ft_free(a);
    ft_free(b);
    ft_free(c);
    ft_free(d);
    ft_free(NULL);
    check_int_eq(ft_alloc_get_stats().live_blocks, before);
}

static void allocate_much(void *host)
{
    void *kept[16] = {0};

    for (size_t i = 0; i < 10000; i++) {
        ft_free(kept[i % 16]);
        kept[i % 16] = ft_alloc(i % 300);
    }
    for (size_t i = 0; i < 16; i++)
        ft_free(kept[i]);
    (void)host;
}

TEST(counts_are_right_over_threads)
{
    ft_error err = FT_ERROR_INIT;
    int64_t before = ft_alloc_get_stats().live_blocks;
    ft_thread threads[4];

    for (int round = 0; round < 80; round++) {  // More threads than there are shards.
        for (int i = 0; i < 4; i++)
            check_ok(ft_thread_start(&threads[i], "allocates", allocate_much, NULL, &err), &err);
        for (int i = 0; i < 4; i++)
            ft_thread_join(&threads[i]);
        if (round == 70)
            break;
    }
    check_int_eq(ft_alloc_get_stats().live_blocks, before);
}

static void note(void *object)
{
    char *text = *(char **)object;
    *(char **)object = text + 1;
}

TEST(arena_gives_aligned_memory)
{
    int64_t before = ft_alloc_get_stats().live_blocks;
    ft_arena *arena = ft_arena_create();
    char marks[] = "ab", *at = marks;

    for (size_t i = 0; i < 2000; i++) {
        size_t alignment = (size_t)1 << (i % 13);
        char *p = ft_arena_aligned(arena, i * 7 % 9000, alignment);
        check_true(p != NULL && (uintptr_t)p % alignment == 0);
        memset(p, (int)i, i * 7 % 9000);
    }
    check_true(ft_arena_zero(arena, SIZE_MAX / 2, 4) == NULL);
    check_true(ft_arena_alloc(arena, SIZE_MAX - 20) == NULL);
    check_text_eq(ft_arena_format(arena, "%s-%d", "x", 5), "x-5");
    check_text_eq(ft_arena_text(arena, (ft_slice){"abc", 2}), "ab");
    check_true(ft_arena_defer(arena, note, &at) && ft_arena_defer(arena, note, &at));
    check_true(ft_arena_size_bytes(arena) > 2000 * 3000);
    ft_arena_destroy(arena);
    ft_arena_destroy(NULL);
    check_true(at == marks + 2);
    check_int_eq(ft_alloc_get_stats().live_blocks, before);
}

static void released(void *host, void *data, size_t size_bytes)
{
    *(size_t *)host = size_bytes + (data != NULL);
}

TEST(buffers_charge_what_they_take)
{
    ft_error err = FT_ERROR_INIT;
    ft_account account;
    size_t told = 0;

    ft_account_init(&account, 10 << 20);
    ft_buffer *buffer = ft_buffer_create(&account, 1000, &err);
    check_true(buffer && (uintptr_t)buffer->data % 64 == 0);
    check_true(ft_account_used_bytes(&account) >= 1064);
    for (size_t size = 1000; size < 4000000; size = size * 5 / 3) {
        memset(buffer->data, 'a', buffer->size_bytes);
        size_t old = buffer->size_bytes;
        check_ok(ft_buffer_resize(buffer, size, &err), &err);
        check_int_eq(((char *)buffer->data)[old - 1], 'a');
        check_int_eq(buffer->size_bytes, size);
        check_int_eq(ft_account_used_bytes(&account), (int64_t)buffer->charged_bytes);
    }
    int64_t used = ft_account_used_bytes(&account);
    check_fails(ft_buffer_resize(buffer, 20 << 20, &err), &err, FT_ERROR_LIMIT);
    check_int_eq(ft_account_used_bytes(&account), used);
    err = (ft_error)FT_ERROR_INIT;
    check_ok(ft_buffer_resize(buffer, 10, &err), &err);
    check_true(ft_account_used_bytes(&account) < 200);
    check_true(ft_buffer_create(&account, SIZE_MAX - 3, &err) == NULL &&
               err.code == FT_ERROR_NOMEM);
    ft_buffer_unref(buffer);
    check_int_eq(ft_account_used_bytes(&account), 0);
    check_true(ft_account_peak_bytes(&account) <= 10 << 20);
    ft_buffer *borrowed = ft_buffer_borrow(&told, 8, released, &told, &err);
    ft_buffer_unref(ft_buffer_ref(borrowed));
    check_int_eq(told, 0);
    ft_buffer_unref(borrowed);
    check_int_eq(told, 9);
}

// Also where a block comes from what was used before.
TEST(buffers_of_zeros)
{
    ft_error err = FT_ERROR_INIT;
    ft_account account;

    ft_account_init(&account, 10 << 20);
    for (size_t size = 100; size <= 3000000; size *= 30)
        for (int round = 0; round < 2; round++) {
            ft_buffer *buffer = ft_buffer_zero(&account, size, &err);
            check_ok(buffer != NULL, &err);
            check_int_eq(ft_account_used_bytes(&account), (int64_t)buffer->charged_bytes);
            const char *data = buffer->data;
            check_true(data[0] == 0 && memcmp(data, data + 1, size - 1) == 0);
            memset(buffer->data, 'a', size);
            ft_buffer_unref(buffer);
        }
    check_int_eq(ft_account_used_bytes(&account), 0);
}

// Small ones and large ones; of pages, none stay behind for the next buffer of the size.
TEST(a_discarded_buffer_leaves_nothing)
{
    ft_error err = FT_ERROR_INIT;
    ft_account account;
    int64_t before = ft_alloc_get_stats().live_blocks;

    ft_account_init(&account, 10 << 20);
    for (size_t size = 100; size <= 3000000; size *= 30) {
        ft_buffer *buffer = ft_buffer_zero(&account, size, &err);
        check_ok(buffer != NULL, &err);
        void *data = buffer->data;
        memset(data, 'a', size);
        ft_buffer_discard(buffer);
        check_int_eq(ft_account_used_bytes(&account), 0);
        check_int_eq(ft_alloc_get_stats().live_blocks, before);
#ifndef FT_SANITIZED  // Under sanitizers all blocks are the allocator's.
        unsigned char is_there;
        if (size > FT_PAGES_MIN)
            check_true(mincore(data, 1, &is_there) != 0 && errno == ENOMEM);
#endif
    }
}

TEST(buffers_without_memory)
{
    for (size_t size = 100; size <= 3000000; size *= 30) {
        for (uint64_t n = 1;; n++) {
            int64_t before = ft_alloc_get_stats().live_blocks;
            ft_error err = FT_ERROR_INIT;
            ft_account account;
            ft_account_init(&account, 100 << 20);
            ft_alloc_fail_at(n, false);
            ft_buffer *buffer = ft_buffer_create(&account, size, &err);
            bool ok = buffer && ft_buffer_resize(buffer, size * 3, &err);
            ft_alloc_fail_at(0, false);
            ft_buffer_unref(buffer);
            check_int_eq(ft_alloc_get_stats().live_blocks, before);
            check_int_eq(ft_account_used_bytes(&account), 0);
            check_true(ok == (err.code == FT_ERROR_NONE));
            if (ok)
                break;
        }
    }
}

static bool wait_and_charge(ft_account *account, int64_t size_bytes, ft_error *err)
{
    *(int *)account->host += 1;
    return ft_account_try_charge(account, size_bytes, account->limit_bytes) ||
           ft_fail(err, FT_ERROR_LIMIT, "no");
}

static void released_some(ft_account *account)
{
    *(int *)account->host += 100;
}

TEST(account_never_passes_its_limit)
{
    ft_error err = FT_ERROR_INIT;
    ft_account account;
    int calls = 0;

    ft_account_init(&account, 1000);
    check_int_eq(account.common_bytes, 900);
    check_ok(ft_account_charge(&account, 900, &err), &err);
    account.wait = wait_and_charge;
    account.released = released_some;
    account.host = &calls;
    check_ok(ft_account_charge(&account, 100, &err), &err);
    check_int_eq(calls, 1);
    check_fails(ft_account_charge(&account, 1, &err), &err, FT_ERROR_LIMIT);
    check_int_eq(ft_account_used_bytes(&account), 1000);
    ft_account_release(&account, 500);
    check_int_eq(calls, 2);
    ft_atomic_store(&account.waiters, 1, FT_SEQ_CST);
    ft_account_release(&account, 500);
    check_int_eq(calls, 102);
    check_int_eq(ft_account_peak_bytes(&account), 1000);
    check_true(!ft_account_try_charge(&account, INT64_MAX, INT64_MAX));
    err = (ft_error)FT_ERROR_INIT;
    check_ok(ft_account_charge(NULL, 5, &err), &err);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
