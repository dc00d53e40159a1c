// Lineages: one block of states and positions behind the struct. States are ORed by any thread;
// whoever drops the last reference sees them all (the release and acquire of ft_object_unref), so
// reading them there needs no order.
#include "runtime/data/lineage.h"

#include "runtime/memory/pool.h"

static void lineage_destroy(ft_object *object)
{
    ft_lineage *lineage = (ft_lineage *)(void *)object;
    ft_account *account = lineage->account;
    int64_t charged = (int64_t)lineage->charged_bytes;

    if (lineage->done)
        lineage->done(lineage);
    ft_pool_free(lineage, lineage->charged_bytes, lineage->home);
    ft_account_release(account, charged);
}

static const ft_object_type lineage_type = {.name = "lineage", .destroy = lineage_destroy};

ft_lineage *ft_lineage_create(ft_account *account, size_t count, bool with_positions, ft_error *err)
{
    size_t positions = with_positions ? sizeof(ft_position) : 0;
    size_t bytes;

    // Struct, positions (which need the alignment), states.
    if (FT_MUL_OVERFLOWS(count, positions + 1, &bytes) ||
        FT_ADD_OVERFLOWS(bytes, sizeof(ft_lineage), &bytes) || bytes > PTRDIFF_MAX) {
        ft_fail_nomem(err, SIZE_MAX);
        return NULL;
    }
    if (!ft_account_charge(account, (int64_t)bytes, err))
        return NULL;
    uint16_t home;
    ft_lineage *lineage = ft_pool_zero(bytes, &home);
    if (!lineage) {
        ft_account_release(account, (int64_t)bytes);
        ft_fail_nomem(err, bytes);
        return NULL;
    }
    ft_object_init(&lineage->object, &lineage_type);
    char *behind = (char *)(lineage + 1);
    lineage->home = home;
    lineage->count = count;
    lineage->positions = with_positions ? (ft_position *)(void *)behind : NULL;
    lineage->states = (ft_atomic_u8 *)(void *)(behind + count * positions);
    lineage->account = account;
    lineage->charged_bytes = bytes;
    return lineage;
}

ft_lineage *ft_lineage_ref(ft_lineage *lineage)
{
    ft_object_ref(&lineage->object);
    return lineage;
}

void ft_lineage_unref(ft_lineage *lineage)
{
    if (lineage)
        ft_object_unref(&lineage->object);
}

void ft_lineage_mark(ft_lineage *lineage, size_t row, ft_row_state state)
{
    FT_ASSERT(row < lineage->count);
    // Relaxed: read by lineage_destroy, behind the last unref. Looked at first, as most rows are
    // marked once only.
    if (!(ft_atomic_load(&lineage->states[row], FT_RELAXED) & state))
        ft_atomic_or(&lineage->states[row], (uint8_t)state, FT_RELAXED);
}

ft_lineage_totals ft_lineage_sum(const ft_lineage *lineage)
{
    ft_lineage_totals totals = {0};

    for (size_t i = 0; i < lineage->count; i++) {
        unsigned state = ft_atomic_load(&lineage->states[i], FT_RELAXED);
        if (state & FT_ROW_FAILED)
            totals.failed++;
        else if (state & FT_ROW_WRITTEN)
            totals.written++;
        else if (state & FT_ROW_HELD)
            totals.held++;
        else
            totals.dropped++;
    }
    return totals;
}
