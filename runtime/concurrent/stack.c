// Two heads over one pool of nodes: the values, and the nodes that are free. `next` is read by
// those who lose a race after the node has gone elsewhere, so it is atomic; what they read then,
// their compare-and-swap refuses.
#include "runtime/concurrent/stack.h"

#include "runtime/memory/alloc.h"
#include "runtime/memory/collector.h"

enum { CHUNKS = 18, CHUNK_FIRST = 64, CHUNK_SHIFT = 6, INDEX_BITS = 24, LINE_BYTES = 64 };
#define INDEX_MASK (((uint64_t)1 << INDEX_BITS) - 1)

typedef struct {
    ft_atomic_u64 word;
    ft_atomic_u32 next;  // Index + 1; 0: the last.
} node;

struct ft_stack {
    ft_cyclic cyclic;
    int64_t cap;
    ft_account *account;
    ft_atomic_pointer chunks[CHUNKS];  // node[CHUNK_FIRST << i]
    char padding_a[LINE_BYTES];
    ft_atomic_u64 values;
    char padding_b[LINE_BYTES];
    ft_atomic_u64 free;
    ft_atomic_u32 made;  // Nodes that were ever given out.
    char padding_c[LINE_BYTES];
    ft_atomic_i64 count;
};

static node *node_at(const ft_stack *stack, uint32_t index)
{
    uint32_t at = index + CHUNK_FIRST;
    unsigned chunk = 31u - (unsigned)FT_LEADING_ZEROS_64((uint64_t)at << 32);

    // Acquire pairs with the release of whoever made the chunk.
    node *nodes = ft_atomic_load(&stack->chunks[chunk - CHUNK_SHIFT], FT_ACQUIRE);
    return &nodes[at - (1u << chunk)];
}

static uint64_t head_with(uint64_t head, uint64_t next)
{
    return ((head >> INDEX_BITS) + 1) << INDEX_BITS | next;
}

static void list_push(const ft_stack *stack, ft_atomic_u64 *list, uint32_t index)
{
    // Acquire: `next` passes on what the head's pusher released.
    uint64_t head = ft_atomic_load(list, FT_ACQUIRE);

    do
        // Release is for stack_trace; for those who pop, the exchange below does.
        ft_atomic_store(&node_at(stack, index)->next, (uint32_t)(head & INDEX_MASK), FT_RELEASE);
    while (!ft_atomic_cas_weak_acquire(list, &head, head_with(head, index + 1)));
}

// False: it is empty.
static bool list_pop(const ft_stack *stack, ft_atomic_u64 *list, uint32_t *out)
{
    // Acquire pairs with the release of the push: next and word are there.
    uint64_t head = ft_atomic_load(list, FT_ACQUIRE);
    uint64_t next;

    do {
        if (!(head & INDEX_MASK))
            return false;
        *out = (uint32_t)(head & INDEX_MASK) - 1;
        next = ft_atomic_load(&node_at(stack, *out)->next, FT_RELAXED);
        // Acquire also when it fails: `head` is read anew. FT_ACQ_REL keeps releases that were made
        // before on the list alive.
    } while (!ft_atomic_cas_weak_acquire(list, &head, head_with(head, next)));
    return true;
}

// ---- nodes ----

static bool make_chunk(ft_stack *stack, unsigned chunk, ft_error *err)
{
    size_t bytes = ((size_t)CHUNK_FIRST << chunk) * sizeof(node);
    void *expected = NULL;

    if (ft_atomic_load(&stack->chunks[chunk], FT_ACQUIRE))
        return true;
    if (!ft_shared_reserve(stack->account, bytes, err))
        return false;
    node *made = ft_alloc_zero(1, bytes);
    // Release pairs with the acquire of those who use it.
    if (made && ft_atomic_cas(&stack->chunks[chunk], &expected, made, FT_ACQ_REL))
        return true;
    ft_account_release(stack->account, (int64_t)bytes);
    if (!made)
        return ft_fail_nomem(err, bytes);
    ft_free(made);  // Somebody else was first.
    return true;
}

static bool take_node(ft_stack *stack, uint32_t *out, ft_error *err)
{
    if (list_pop(stack, &stack->free, out))
        return true;
    uint32_t index = ft_atomic_load(&stack->made, FT_RELAXED);
    do {
        uint32_t at = index + CHUNK_FIRST;
        unsigned chunk = 31u - (unsigned)FT_LEADING_ZEROS_64((uint64_t)at << 32) - CHUNK_SHIFT;
        if (index >= INDEX_MASK - 1 || chunk >= CHUNKS)
            return ft_fail(err, FT_ERROR_LIMIT, "a shared stack holds at most %d values",
                           (int)INDEX_MASK - 1);
        if (!make_chunk(stack, chunk, err))
            return false;
    } while (!ft_atomic_cas_weak(&stack->made, &index, index + 1, FT_RELAXED));
    *out = index;
    return true;
}

// ---- life ----

static void drop_value(ft_value *value, void *host)
{
    (void)host;
    ft_value_drop(value);
}

static void stack_destroy(ft_object *object)
{
    ft_stack *stack = (ft_stack *)(void *)object;

    ft_stack_pop_all(stack, drop_value, NULL);
    for (unsigned i = 0; i < CHUNKS; i++) {
        void *nodes = ft_atomic_load(&stack->chunks[i], FT_ACQUIRE);
        if (nodes)
            ft_account_release(stack->account,
                               (int64_t)(((size_t)CHUNK_FIRST << i) * sizeof(node)));
        ft_free(nodes);
    }
    ft_account_release(stack->account, (int64_t)sizeof(*stack));
    ft_free(stack);
}

// While others push and pop this may see nodes that have moved on, any of them or the same one
// twice: the collector notices, by the stack's own count of changes. `left` ends it all the same.
static void stack_trace(ft_object *object, void (*visit)(ft_object *child, void *host), void *host)
{
    const ft_stack *stack = (const ft_stack *)(const void *)object;
    uint32_t left = ft_atomic_load(&stack->made, FT_RELAXED);
    uint64_t at = ft_atomic_load(&stack->values, FT_ACQUIRE) & INDEX_MASK;

    for (; at && left > 0; left--) {
        const node *n = node_at(stack, (uint32_t)at - 1);
        ft_object *child = ft_word_cyclic(ft_atomic_load(&n->word, FT_ACQUIRE));
        if (child)
            visit(child, host);
        // Acquire pairs with the release of the push: the node that it leads to is there, though it
        // was not reached by way of the head.
        at = ft_atomic_load(&n->next, FT_ACQUIRE);
    }
}

static void stack_clear(ft_object *object)
{
    ft_stack_pop_all((ft_stack *)(void *)object, drop_value, NULL);
}

static size_t stack_bytes(const ft_object *object)
{
    const ft_stack *stack = (const ft_stack *)(const void *)object;
    return sizeof(*stack) + 2 * sizeof(node) * ft_atomic_load(&stack->made, FT_RELAXED);
}

const ft_object_type ft_stack_type = {.name = "stack",
                                      .destroy = stack_destroy,
                                      .trace = stack_trace,
                                      .is_cyclic = true,
                                      .clear = stack_clear,
                                      .size_bytes = stack_bytes};

ft_stack *ft_stack_create(int64_t cap, ft_account *account, ft_error *err)
{
    if (!ft_shared_reserve(account, sizeof(ft_stack), err))
        return NULL;
    ft_stack *stack = ft_alloc_zero(1, sizeof(*stack));
    if (!stack) {
        ft_account_release(account, (int64_t)sizeof(*stack));
        ft_ignore(ft_fail_nomem(err, sizeof(*stack)));
        return NULL;
    }
    ft_cyclic_init(&stack->cyclic, &ft_stack_type);
    stack->cap = cap;
    stack->account = account;
    return stack;
}

// ---- values ----

bool ft_stack_push(ft_stack *stack, const ft_value *value, ft_error *err)
{
    uint32_t index;
    ft_word word;

    if (ft_atomic_load(&stack->count, FT_RELAXED) >= stack->cap) {
        ft_fail(err, FT_ERROR_LIMIT, "a shared stack holds its %lld values already",
                (long long)stack->cap);
        ft_hint(err, "Take some out, or give it a larger cap when it is made.");
        return false;
    }
    if (!ft_word_make(value, stack->account, &word, err))
        return false;
    if (!take_node(stack, &index, err)) {
        ft_word_drop(word);
        return false;
    }
    // Release pairs with stack_trace, which may come to the node from one that has moved on.
    ft_atomic_store(&node_at(stack, index)->word, word, FT_RELEASE);
    ft_atomic_add(&stack->count, 1, FT_RELAXED);
    list_push(stack, &stack->values, index);
    ft_object_note_move(&stack->cyclic.object);
    return true;
}

// The node is the caller's alone: its word comes out with its reference.
static ft_value take_value(ft_stack *stack, uint32_t index)
{
    ft_word word = ft_atomic_exchange(&node_at(stack, index)->word, FT_WORD_NONE, FT_RELAXED);
    ft_value value = ft_word_borrow(word);

    list_push(stack, &stack->free, index);
    ft_atomic_sub(&stack->count, 1, FT_RELAXED);
    // A boxed number has been copied; what is an object keeps the reference.
    if (!ft_value_has_object(value.kind))
        ft_word_drop(word);
    return value;
}

bool ft_stack_pop(ft_stack *stack, ft_value *out)
{
    uint32_t index;

    if (!list_pop(stack, &stack->values, &index))
        return false;
    *out = take_value(stack, index);
    ft_object_note_move(&stack->cyclic.object);
    return true;
}

int64_t ft_stack_pop_all(ft_stack *stack, void (*visit)(ft_value *value, void *host), void *host)
{
    uint64_t head = ft_atomic_load(&stack->values, FT_ACQUIRE);
    int64_t taken = 0;

    while (!ft_atomic_cas_weak_acquire(&stack->values, &head, head_with(head, 0)))
        continue;
    ft_object_note_move(&stack->cyclic.object);
    uint64_t at = head & INDEX_MASK;
    while (at) {
        uint32_t index = (uint32_t)at - 1;
        at = ft_atomic_load(&node_at(stack, index)->next, FT_RELAXED);
        ft_value value = take_value(stack, index);
        visit(&value, host);
        taken++;
    }
    return taken;
}

int64_t ft_stack_count(const ft_stack *stack)
{
    return ft_atomic_load(&stack->count, FT_RELAXED);
}
