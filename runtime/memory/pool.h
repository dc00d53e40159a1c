// Blocks for tensors and messages: kept by size in each lease, and brought home when another lease
// frees them.
//
// In a pipeline a block is made in the first stage and freed in the last, often by another thread;
// an allocator that keeps what a thread frees with that thread then grows on one side and starves
// on the other. Here a block remembers the lease that it came from. What another lease frees is
// gathered, up to 32 of one size for one home, and delivered by one locked operation; the home
// takes it in between two turns. If the home waits or is gone the blocks go to a global shelf,
// from which anybody takes. (BatchIt, snmalloc: message passing with batches.)
//
// Bounds: FT_POOL_LEASE_BYTES in each lease, FT_POOL_SHELF_BYTES in the global shelf, 32 blocks of
// at most 64 KiB in all for each home on the way; what is more goes back to the allocator. Under
// sanitizers nothing is kept.
#pragma once

#include "runtime/compiler.h"

struct ft_lease;

enum {
    FT_POOL_LEASE_BYTES = 1 << 20,
    FT_POOL_SHELF_BYTES = 4 << 20,
    FT_POOL_MAX = 256 * 1024,  // Larger blocks are the allocator's, or whole pages.
    FT_POOL_ALIGNMENT = 64,
};

// What a block of that size really takes.
size_t ft_pool_round(size_t size_bytes);
// Aligned to 64 bytes, not cleared; NULL without memory. The caller keeps `out_home` beside it.
void *ft_pool_alloc(size_t size_bytes, uint16_t *out_home) FT_MUST_CHECK;
void *ft_pool_zero(size_t size_bytes, uint16_t *out_home) FT_MUST_CHECK;  // Cleared.
void ft_pool_free(void *block, size_t size_bytes, uint16_t home);  // Of any size; NULL is fine.

// Of lease.c. Takes in what has come home; before a wait, also sends off what is for others; at the
// end of a lease, gives everything to the global shelf.
void ft_pool_turn_end(struct ft_lease *lease);
void ft_pool_detach(struct ft_lease *lease);
void ft_pool_rescue(struct ft_lease *lease);  // It sleeps now: what came last goes to the shelf.
void ft_pool_retire(struct ft_lease *lease);

// For reports: bytes kept by a lease (about), and by the global shelf.
int64_t ft_pool_lease_bytes(const struct ft_lease *lease);
int64_t ft_pool_shelf_bytes(void);
// Gives all that the global shelf keeps back to the allocator.
void ft_pool_trim(void);
