// Cells in blocks of CELLS leases, made when the first of them adds. A lease that is retired leaves
// its cell as it is: the next holder of the id goes on with the value that it finds, and it starts
// after the old one has stopped, so a cell never has two writers and nothing need be moved.
#include "runtime/concurrent/counter.h"

#include "runtime/memory/alloc.h"

enum {
    CELLS = FT_COUNTER_CELLS,
    BLOCKS = FT_COUNTER_BLOCKS,
    BLOCK_BYTES = FT_COUNTER_CELLS * FT_COUNTER_CELL_BYTES,
};

typedef ft_counter_cell cell;

static void release_block(const ft_counter *counter, cell *block)
{
    ft_account_release(counter->account, BLOCK_BYTES);
    ft_free(block);
}

static void counter_destroy(ft_object *object)
{
    ft_counter *counter = (ft_counter *)(void *)object;

    for (size_t i = 0; i < BLOCKS; i++) {
        cell *block = ft_atomic_load(&counter->blocks[i], FT_ACQUIRE);
        if (block)
            release_block(counter, block);
    }
    ft_account_release(counter->account, (int64_t)sizeof(*counter));
    ft_free(counter);
}

const ft_object_type ft_counter_type = {.name = "counter", .destroy = counter_destroy};

ft_counter *ft_counter_create(ft_account *account, ft_error *err)
{
    ft_counter *counter = ft_alloc_zero(1, sizeof(*counter));

    if (!counter) {
        ft_ignore(ft_fail_nomem(err, sizeof(*counter)));
        return NULL;
    }
    ft_object_init_shared(&counter->object, &ft_counter_type);
    counter->account = account;
    return counter;
}

ft_counter *ft_counter_create_exact(ft_account *account, ft_error *err)
{
    ft_counter *counter = ft_counter_create(account, err);

    if (counter)
        counter->is_exact = true;
    return counter;
}

ft_counter *ft_counter_ref(ft_counter *counter)
{
    ft_object_ref(&counter->object);
    return counter;
}

void ft_counter_unref(ft_counter *counter)
{
    if (counter)
        ft_object_unref(&counter->object);
}

FT_NOINLINE static cell *make_block(ft_counter *counter, size_t index)
{
    ft_account *account = counter->account;
    void *expected = NULL;

    if (account && !ft_account_try_charge(account, BLOCK_BYTES, account->common_bytes))
        return NULL;
    cell *made = ft_alloc_aligned(BLOCK_BYTES, FT_COUNTER_CELL_BYTES);
    if (!made) {
        ft_account_release(account, BLOCK_BYTES);
        return NULL;
    }
    for (size_t i = 0; i < CELLS; i++)
        ft_atomic_store(&made[i].value, 0, FT_RELAXED);
    // Release pairs with the acquire of those who use the block.
    if (ft_atomic_cas(&counter->blocks[index], &expected, made, FT_ACQ_REL))
        return made;
    release_block(counter, made);
    return ft_atomic_load(&counter->blocks[index], FT_ACQUIRE);
}

void ft_counter_add_slow(ft_counter *counter, int64_t by)
{
    uint32_t id = ft_lease_current()->id;
    cell *block = NULL;

    if (!counter->is_exact) {
        block = ft_atomic_load(&counter->blocks[id / CELLS], FT_ACQUIRE);
        if (!block)
            block = make_block(counter, id / CELLS);
    }
    if (block)
        ft_counter_add(counter, by);
    else
        ft_atomic_add(&counter->rest, by, FT_RELAXED);
}

int64_t ft_counter_sum(const ft_counter *counter)
{
    uint64_t sum = (uint64_t)ft_atomic_load(&counter->rest, FT_RELAXED);

    for (size_t i = 0; i < BLOCKS; i++) {
        const cell *block = ft_atomic_load(&counter->blocks[i], FT_ACQUIRE);
        for (size_t j = 0; block && j < CELLS; j++)
            sum += (uint64_t)ft_atomic_load(&block[j].value, FT_RELAXED);
    }
    return (int64_t)sum;
}

bool ft_counter_is_exact(const ft_counter *counter)
{
    return counter->is_exact;
}
