// One list of values, and several of free nodes, over one pool of nodes. A lease puts free nodes on
// the list that its id says and takes them from there first, so that a push and a pop meet others
// at one place only: the head of the values. Who loses there backs off.
//
// Nothing else is counted: there are never more nodes than the cap, and the stack is full when none
// is free. How many values there are is what was made less what is free; each free node knows how
// many lie under it.
//
// `next` and `depth` are read by those who lose a race after the node has gone elsewhere, so they
// are atomic; what they read then, their compare-and-swap refuses.
#include "runtime/concurrent/stack.h"

#include "runtime/concurrent/backoff.h"
#include "runtime/memory/alloc.h"
#include "runtime/memory/collector.h"

enum {
    CHUNKS = 18,
    CHUNK_FIRST = 64,
    CHUNK_SHIFT = 6,
    INDEX_BITS = 24,
    LINE_BYTES = 64,
    FREE_LISTS = FT_BOUND(8, 2),
};
#define INDEX_MASK (((uint64_t)1 << INDEX_BITS) - 1)

typedef struct {
    ft_atomic_u64 word;
    ft_atomic_u32 next;   // Index + 1; 0: the last.
    ft_atomic_u32 depth;  // Of a free one: how many there are from here on.
} node;

// A node that the caller alone has.
typedef struct {
    node *at;
    uint32_t index;
} held;

typedef struct {
    ft_atomic_u64 head;
    char padding[LINE_BYTES - sizeof(ft_atomic_u64)];
} list;

struct ft_stack {
    ft_cyclic cyclic;
    int64_t cap;
    ft_account *account;
    ft_atomic_pointer chunks[CHUNKS];  // node[CHUNK_FIRST << i]
    char padding_a[LINE_BYTES];
    ft_atomic_u32 made;  // Nodes that were ever given out.
    char padding_b[LINE_BYTES];
    list values;
    list free[FREE_LISTS];
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

// Where the head points to; NULL: nowhere.
static node *first_of(const ft_stack *stack, uint64_t head)
{
    return head & INDEX_MASK ? node_at(stack, (uint32_t)(head & INDEX_MASK) - 1) : NULL;
}

FT_ALWAYS_INLINE void list_push(const ft_stack *stack, list *l, held h, bool counts)
{
    // Acquire: `next` passes on what the head's pusher released, and the first one's depth is
    // there.
    uint64_t head = ft_atomic_load(&l->head, FT_ACQUIRE);
    unsigned pauses = FT_BACKOFF_FIRST;

    for (;;) {
        // Release is for stack_trace; for those who pop, the exchange below does.
        ft_atomic_store(&h.at->next, (uint32_t)(head & INDEX_MASK), FT_RELEASE);
        if (counts) {
            const node *first = first_of(stack, head);
            uint32_t under = first ? ft_atomic_load(&first->depth, FT_RELAXED) : 0;
            ft_atomic_store(&h.at->depth, under + 1, FT_RELAXED);
        }
        // When it fails it reads `head` anew, with acquire.
        if (ft_atomic_cas_weak_acquire(&l->head, &head, head_with(head, h.index + 1)))
            return;
        ft_backoff(&pauses);
        head = ft_atomic_load(&l->head, FT_ACQUIRE);
    }
}

// False: it is empty.
FT_ALWAYS_INLINE bool list_pop(const ft_stack *stack, list *l, held *out)
{
    // Acquire pairs with the release of the push: next and word are there.
    uint64_t head = ft_atomic_load(&l->head, FT_ACQUIRE);
    unsigned pauses = FT_BACKOFF_FIRST;

    while (head & INDEX_MASK) {
        out->index = (uint32_t)(head & INDEX_MASK) - 1;
        out->at = node_at(stack, out->index);
        uint64_t next = ft_atomic_load(&out->at->next, FT_RELAXED);
        // Acquire and release: it keeps releases that were made before on the list alive.
        if (ft_atomic_cas_weak_acquire(&l->head, &head, head_with(head, next)))
            return true;
        ft_backoff(&pauses);
        head = ft_atomic_load(&l->head, FT_ACQUIRE);
    }
    return false;
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

static list *own_free_list(ft_stack *stack)
{
    // A thread without a lease has an id that says so, which chooses a list as well.
    return &stack->free[ft_own.id % FREE_LISTS];
}

// The sum of the tags of all free lists: as long as it stays, none has changed.
static uint64_t free_changes(const ft_stack *stack)
{
    uint64_t sum = 0;

    // Acquire: in the order of the program, and behind what the pushes released.
    for (size_t i = 0; i < FREE_LISTS; i++)
        sum += ft_atomic_load(&stack->free[i].head, FT_ACQUIRE) >> INDEX_BITS;
    return sum;
}

// Looks at all lists.
static bool find_free_node(ft_stack *stack, held *out)
{
    for (size_t i = 0; i < FREE_LISTS; i++)
        if (list_pop(stack, &stack->free[i], out))
            return true;
    return false;
}

static bool say_full(const ft_stack *stack, ft_error *err)
{
    if (stack->cap >= (int64_t)INDEX_MASK)
        return ft_fail(err, FT_ERROR_LIMIT, "a shared stack holds at most %d values",
                       (int)INDEX_MASK - 1);
    ft_fail(err, FT_ERROR_LIMIT, "a shared stack holds its %lld values already",
            (long long)stack->cap);
    ft_hint(err, "Take some out, or give it a larger cap when it is made.");
    return false;
}

static bool make_node(ft_stack *stack, uint32_t index, held *out, ft_error *err)
{
    uint32_t at = index + CHUNK_FIRST;
    unsigned chunk = 31u - (unsigned)FT_LEADING_ZEROS_64((uint64_t)at << 32) - CHUNK_SHIFT;

    if (!make_chunk(stack, chunk, err))
        return false;
    *out = (held){node_at(stack, index), index};
    return true;
}

// One that is free on another list, else a new one.
FT_NOINLINE static bool take_other_node(ft_stack *stack, held *out, ft_error *err)
{
    uint64_t changes;
    int64_t most = stack->cap < (int64_t)INDEX_MASK ? stack->cap : (int64_t)INDEX_MASK - 1;

    if (find_free_node(stack, out))
        return true;
    uint32_t index = ft_atomic_load(&stack->made, FT_RELAXED);
    while (index < most) {
        if (!make_node(stack, index, out, err))
            return false;
        if (ft_atomic_cas_weak(&stack->made, &index, index + 1, FT_RELAXED))
            return true;
    }
    // Full, if the lists were empty at one moment, and not only each when it was looked at.
    do {
        changes = free_changes(stack);
        if (find_free_node(stack, out))
            return true;
    } while (changes != free_changes(stack));
    return say_full(stack, err);
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
    uint64_t at = ft_atomic_load(&stack->values.head, FT_ACQUIRE) & INDEX_MASK;

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
    held h;
    ft_word word;

    if (!ft_word_make(value, stack->account, &word, err))
        return false;
    if (FT_UNLIKELY(!list_pop(stack, own_free_list(stack), &h)) &&
        !take_other_node(stack, &h, err)) {
        ft_word_drop(word);
        return false;
    }
    // Release pairs with stack_trace, which may come to the node from one that has moved on.
    ft_atomic_store(&h.at->word, word, FT_RELEASE);
    list_push(stack, &stack->values, h, false);
    ft_word_note_move(&stack->cyclic.object, word);
    return true;
}

// The node is the caller's alone: its word comes out with its reference.
static inline ft_value take_value(ft_stack *stack, held h)
{
    ft_word word = ft_atomic_load(&h.at->word, FT_RELAXED);
    ft_value value = ft_word_borrow(word);

    ft_atomic_store(&h.at->word, FT_WORD_NONE, FT_RELAXED);
    ft_word_note_move(&stack->cyclic.object, word);
    list_push(stack, own_free_list(stack), h, true);
    // A boxed number has been copied; what is an object keeps the reference.
    if (!ft_value_has_object(value.kind))
        ft_word_drop(word);
    return value;
}

bool ft_stack_pop(ft_stack *stack, ft_value *out)
{
    held h;

    if (!list_pop(stack, &stack->values, &h))
        return false;
    *out = take_value(stack, h);
    return true;
}

int64_t ft_stack_pop_all(ft_stack *stack, void (*visit)(ft_value *value, void *host), void *host)
{
    ft_atomic_u64 *values = &stack->values.head;
    uint64_t head = ft_atomic_load(values, FT_ACQUIRE);
    int64_t taken = 0;

    while (!ft_atomic_cas_weak_acquire(values, &head, head_with(head, 0)))
        continue;
    uint64_t at = head & INDEX_MASK;
    while (at) {
        uint32_t index = (uint32_t)at - 1;
        held h = {node_at(stack, index), index};
        at = ft_atomic_load(&h.at->next, FT_RELAXED);
        ft_value value = take_value(stack, h);
        visit(&value, host);
        taken++;
    }
    return taken;
}

static uint32_t free_count(const ft_stack *stack, const list *l)
{
    uint64_t head = ft_atomic_load(&l->head, FT_ACQUIRE), before;
    uint32_t depth;

    // The depth is the head's, if it is the head still.
    do {
        const node *first = first_of(stack, head);
        before = head;
        depth = first ? ft_atomic_load(&first->depth, FT_ACQUIRE) : 0;
        head = ft_atomic_load(&l->head, FT_ACQUIRE);
    } while (head != before);
    return depth;
}

int64_t ft_stack_count(const ft_stack *stack)
{
    int64_t count = 0;

    for (size_t i = 0; i < FREE_LISTS; i++)
        count -= free_count(stack, &stack->free[i]);
    count += ft_atomic_load(&stack->made, FT_RELAXED);
    return count > 0 ? count : 0;
}
