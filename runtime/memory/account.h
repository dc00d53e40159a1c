// What a run may hold in flight: `run.memory`. Buffers charge it when they are made and release it
// when they go.
//
// Charging past the limit calls `wait` (the engine's: it lets other turns finish, or lets the
// oldest unfinished batch use the reserved tenth); without one it fails with FT_ERROR_LIMIT. The
// sum never passes `limit_bytes`.
#pragma once

#include "runtime/concurrent/atomic.h"
#include "runtime/error.h"

typedef struct ft_account ft_account;

struct ft_account {
    int64_t limit_bytes;   // Never passed.
    int64_t common_bytes;  // What ordinary charges may fill: the limit less the reserved tenth.
    ft_atomic_i64 used_bytes;
    ft_atomic_i64 peak_bytes;
    // Called when `common_bytes` would be passed. Returns true when the charge has been made, else
    // fills `err`.
    bool (*wait)(ft_account *account, int64_t size_bytes, ft_error *err);
    void (*released)(
        ft_account *account);  // Called after a release while somebody waits. May be NULL.
    ft_atomic_u32 waiters;
    void *host;  // The engine's.
};

void ft_account_init(ft_account *account, int64_t limit_bytes);
FT_API bool ft_account_charge(ft_account *account, int64_t size_bytes, ft_error *err) FT_MUST_CHECK;
// Charges when used + size stays within `ceiling_bytes`; else changes nothing and returns false.
// Never waits.
bool ft_account_try_charge(ft_account *account, int64_t size_bytes,
                           int64_t ceiling_bytes) FT_MUST_CHECK;
FT_API void ft_account_release(ft_account *account, int64_t size_bytes);
int64_t ft_account_used_bytes(const ft_account *account);
int64_t ft_account_peak_bytes(const ft_account *account);
