// What the targets' sources need beside what is checked: errors that say nothing, contention that
// is not noted, types of collections that a target does not have.
#include "runtime/concurrent/contention.h"
#include "runtime/concurrent/shared_value.h"
#include "runtime/memory/collector.h"
#include "tests/mc/mc.h"

// Found by __tls_get_addr, unlike the product's: the loader then tells where they all are.
static _Thread_local char anchor;
void mc_touch(void);
void mc_touch(void)
{
    *(volatile char *)&anchor = 0;
}

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

FT_WEAK ft_atomic_u32 ft_collector_is_ready;
FT_WEAK void ft_collector_make_ready(void)
{
}

// Without the collector (a target that has it links runtime/memory/collector.c).
FT_WEAK void ft_collector_turn_end(ft_lease *lease)
{
    (void)lease;
}

FT_WEAK void ft_collector_owe(size_t size_bytes)
{
    (void)size_bytes;
}

FT_WEAK bool ft_collector_make_room(ft_account *account, size_t size_bytes)
{
    (void)account;
    (void)size_bytes;
    return false;
}
