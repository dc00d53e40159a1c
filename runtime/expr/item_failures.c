// One byte an item; items are looked at again only when one has failed.
#include "runtime/expr/item_failures.h"

#include <string.h>

#include "runtime/memory/alloc.h"

static bool item_failed(void *host, size_t item, const ft_error *why, ft_error *err)
{
    ft_item_failures *failures = host;

    if (failures->failed[item])
        return true;
    failures->failed[item] = 1;
    failures->count++;
    return ft_item_fail(failures->stage, failures->batch, item, why, err);
}

void ft_item_failures_init(ft_item_failures *failures, ft_stage *stage)
{
    *failures = (ft_item_failures){.stage = stage};
    failures->run.account = stage->account;
    failures->run.seed = stage->seed;
    failures->run.failed = item_failed;
    failures->run.host = failures;
}

void ft_item_failures_finish(ft_item_failures *failures)
{
    ft_expr_free_scratch(&failures->run);
    ft_free(failures->failed);
    failures->failed = NULL;
    failures->capacity = 0;
}

bool ft_item_failures_start(ft_item_failures *failures, const ft_batch *batch, ft_error *err)
{
    if (batch->count > failures->capacity) {
        ft_free(failures->failed);
        failures->capacity = 0;
        failures->failed = ft_alloc(batch->count);
        if (!failures->failed)
            return ft_fail_nomem(err, batch->count);
        failures->capacity = batch->count;
    }
    if (batch->count)
        memset(failures->failed, 0, batch->count);
    failures->batch = batch;
    failures->count = 0;
    return true;
}

bool ft_item_failures_leave_out(const ft_item_failures *failures, ft_batch **batch, ft_error *err)
{
    size_t kept = 0, total = (*batch)->count;

    if (!failures->count)
        return true;
    uint32_t *indices = ft_alloc_array(total, sizeof(*indices));
    if (!indices)
        return ft_fail_nomem(err, total * sizeof(*indices));
    for (size_t i = 0; i < total; i++)
        if (!failures->failed[i])
            indices[kept++] = (uint32_t)i;
    ft_batch *rest = ft_batch_select(*batch, indices, kept, err);
    ft_free(indices);
    if (!rest)
        return false;
    ft_batch_unref(*batch);
    *batch = rest;
    return true;
}
