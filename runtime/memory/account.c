// The account of bytes in flight: one compare-and-swap to charge, one subtraction to release.
//
// `used_bytes` and `waiters` meet like this: a waiter raises `waiters`, then looks at `used_bytes`;
// a release lowers `used_bytes`, then looks at `waiters`. All four are sequentially consistent, so
// at least one of the two sees the other and no wake-up is lost.
#include "runtime/memory/account.h"

#include <string.h>

void ft_account_init(ft_account *account, int64_t limit_bytes)
{
    memset(account, 0, sizeof(*account));
    account->limit_bytes = limit_bytes;
    account->common_bytes = limit_bytes - limit_bytes / 10;
}

static void note_peak(ft_account *account, int64_t used)
{
    // Relaxed: a statistic that only grows.
    int64_t peak = ft_atomic_load(&account->peak_bytes, FT_RELAXED);

    while (used > peak && !ft_atomic_cas_weak(&account->peak_bytes, &peak, used, FT_RELAXED))
        continue;
}

bool ft_account_try_charge(ft_account *account, int64_t size_bytes, int64_t ceiling_bytes)
{
    int64_t used = ft_atomic_load(&account->used_bytes, FT_SEQ_CST);
    int64_t sum;

    if (ceiling_bytes > account->limit_bytes)
        ceiling_bytes = account->limit_bytes;
    do {
        if (FT_ADD_OVERFLOWS(used, size_bytes, &sum) || sum > ceiling_bytes)
            return false;
    } while (!ft_atomic_cas_weak(&account->used_bytes, &used, sum, FT_SEQ_CST));
    note_peak(account, sum);
    return true;
}

bool ft_account_charge(ft_account *account, int64_t size_bytes, ft_error *err)
{
    if (!account || size_bytes <= 0)
        return true;
    if (FT_LIKELY(ft_account_try_charge(account, size_bytes, account->common_bytes)))
        return true;
    if (account->wait)
        return account->wait(account, size_bytes, err);
    if (ft_account_try_charge(account, size_bytes, account->limit_bytes))
        return true;
    ft_fail(err, FT_ERROR_LIMIT, "%lld bytes more would pass the memory limit of %lld bytes",
            (long long)size_bytes, (long long)account->limit_bytes);
    ft_hint(err, "Raise `run.memory`.");
    return false;
}

void ft_account_release(ft_account *account, int64_t size_bytes)
{
    if (!account || size_bytes <= 0)
        return;
    int64_t before = ft_atomic_sub(&account->used_bytes, size_bytes, FT_SEQ_CST);
    FT_ASSERT(before >= size_bytes);
    if (FT_UNLIKELY(ft_atomic_load(&account->waiters, FT_SEQ_CST)) && account->released)
        account->released(account);
}

int64_t ft_account_used_bytes(const ft_account *account)
{
    return ft_atomic_load(&account->used_bytes, FT_RELAXED);
}

int64_t ft_account_peak_bytes(const ft_account *account)
{
    return ft_atomic_load(&account->peak_bytes, FT_RELAXED);
}
