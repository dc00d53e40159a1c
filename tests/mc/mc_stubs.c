// What the targets' sources need beside what is checked: errors that say nothing, contention that
// is not noted, types of collections that a target does not have.
#include "runtime/concurrent/contention.h"
#include "runtime/concurrent/shared_value.h"
#include "tests/mc/mc.h"

// The only thread-local variable that the targets have.
void *mc_thread_local(size_t *out_size);
#if MC_HAS_LEASES
void *mc_thread_local(size_t *out_size)
{
    *out_size = sizeof(ft_own);
    return &ft_own;
}
#else
void *mc_thread_local(size_t *out_size)
{
    *out_size = 0;
    return NULL;
}
#endif

void ft_assert_failed(const char *condition, const char *file, int line)
{
    mc_fail("%s:%d: FT_ASSERT: %s", file, line, condition);
}

bool ft_fail(ft_error *err, ft_error_code code, const char *format, ...)
{
    (void)format;
    err->code = code;
    return false;
}

void ft_hint(ft_error *err, const char *format, ...)
{
    (void)err;
    (void)format;
}

bool ft_fail_nomem(ft_error *err, size_t wanted_bytes)
{
    (void)wanted_bytes;
    err->code = FT_ERROR_NOMEM;
    return false;
}

bool ft_contention_is_on(void)
{
    return false;
}

void ft_contention_note_wait(const char *lock, const char *holder, int64_t wait_ns)
{
    (void)lock;
    (void)holder;
    (void)wait_ns;
}

void ft_contention_note_hold(const char *lock, const char *holder, int64_t hold_ns, int times)
{
    (void)lock;
    (void)holder;
    (void)hold_ns;
    (void)times;
}

uint64_t ft_hash(ft_slice text, uint64_t seed)
{
    return seed + text.size;
}

#define FT_WEAK __attribute__((weak))
FT_WEAK const ft_object_type ft_dict_type = {.name = "dict"};
FT_WEAK const ft_object_type ft_list_type = {.name = "list"};
FT_WEAK const ft_object_type ft_set_type = {.name = "set"};
FT_WEAK const ft_object_type ft_counter_type = {.name = "counter"};
FT_WEAK const ft_object_type ft_stack_type = {.name = "stack"};
FT_WEAK const ft_object_type ft_queue_type = {.name = "queue"};
