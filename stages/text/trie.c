// Building a double-array trie from sorted keys, breadth first.
//
// Nodes are given out in blocks of 256, so that base ^ byte stays in its block. A node's children
// go to the first block among the OPEN_MAX newest whose free places fit them; a block in which a
// search failed TRIES_MAX times is closed. So a build is linear in the number of nodes, and some 5
// % of the places stay empty.
#include "stages/text/trie.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/memory/alloc.h"
#include "stages/text/token_image.h"
#include "stages/text/token_scan.h"

enum { BLOCK = 256, OPEN_MAX = 16, TRIES_MAX = 24, BITS = BLOCK / 64 };

// Children to be placed: the keys [from, to) agree in `depth` bytes.
typedef struct task {
    int32_t node;
    uint32_t from, to;
    uint32_t depth;
} task;

typedef struct open_block {
    int32_t first;        // Its first node.
    int tries;            // Searches that found no room.
    uint64_t free[BITS];  // One bit a place.
} open_block;

typedef struct builder {
    const ft_trie_key *keys;
    ft_trie_node *nodes;
    size_t count, capacity;
    task *tasks;  // A ring would save memory; a stack keeps it small, since depth is what it holds.
    size_t task_count, task_capacity;
    open_block open[OPEN_MAX];
    size_t open_count;
} builder;

ft_trie_key ft_trie_make_key(ft_slice text, int32_t value)
{
    uint64_t head = 0;

    for (size_t i = 0; i < sizeof(head); i++)
        head = head << 8 | (i < text.size ? (unsigned char)text.data[i] : 0u);
    return (ft_trie_key){.head = head, .text = text, .value = value};
}

static int compare_keys(const void *left, const void *right)
{
    const ft_trie_key *a = left, *b = right;

    if (a->head != b->head)
        return a->head < b->head ? -1 : 1;
    int order = ft_slice_compare(a->text, b->text);
    if (order != 0)
        return order;
    return (a->value > b->value) - (a->value < b->value);
}

// A key's head and where it stands.
typedef struct head {
    uint64_t head;
    uint64_t place;
} head;

enum { DIGIT_BITS = 11, DIGITS = 1 << DIGIT_BITS };

static void sort_digit(const head *from, head *to, size_t count, unsigned shift)
{
    uint32_t starts[DIGITS] = {0}, sum = 0;

    for (size_t i = 0; i < count; i++)
        starts[from[i].head >> shift & (DIGITS - 1)]++;
    for (size_t i = 0; i < DIGITS; i++) {
        uint32_t here = starts[i];
        starts[i] = sum;
        sum += here;
    }
    for (size_t i = 0; i < count; i++)
        to[starts[from[i].head >> shift & (DIGITS - 1)]++] = from[i];
}

// By heads, digit by digit from the last; then runs of equal heads by comparing.
static void sort_by_heads(ft_trie_key *keys, ft_trie_key *copy, head *heads, head *other,
                          size_t count)
{
    memcpy(copy, keys, count * sizeof(*keys));
    for (size_t i = 0; i < count; i++)
        heads[i] = (head){keys[i].head, i};
    for (unsigned shift = 0; shift < 64; shift += DIGIT_BITS) {
        sort_digit(heads, other, count, shift);
        head *swapped = heads;
        heads = other;
        other = swapped;
    }
    for (size_t i = 0; i < count; i++)
        keys[i] = copy[heads[i].place];
    for (size_t from = 0, to; from < count; from = to) {
        for (to = from + 1; to < count && keys[to].head == keys[from].head;)
            to++;
        if (to - from > 1)
            qsort(keys + from, to - from, sizeof(*keys), compare_keys);
    }
}

void ft_trie_sort(ft_trie_key *keys, size_t count)
{
    enum { FEW = 4096 };
    const size_t each = sizeof(*keys) + 2 * sizeof(head);
    ft_trie_key *memory = NULL;

    if (count >= FEW && count < UINT32_MAX)
        memory = ft_alloc_array(count, each);
    if (memory) {
        head *heads = (head *)(void *)(memory + count);
        sort_by_heads(keys, memory, heads, heads + count, count);
    } else if (count > 1) {
        qsort(keys, count, sizeof(*keys), compare_keys);  // Without memory too.
    }
    ft_free(memory);
}

// Makes room for one more of `size_bytes`; false without memory.
static bool grow(void *items, size_t count, size_t *capacity, size_t size_bytes)
{
    void **block = items;

    if (count < *capacity)
        return true;
    size_t wanted = *capacity ? *capacity * 2 : 1024;
    size_t bytes;
    if (FT_MUL_OVERFLOWS(wanted, size_bytes, &bytes))
        return false;
    void *moved = ft_realloc(*block, bytes);
    if (!moved)
        return false;
    *block = moved;
    *capacity = wanted;
    return true;
}

static bool add_task(builder *b, task one)
{
    void *tasks = b->tasks;
    bool done = grow(&tasks, b->task_count, &b->task_capacity, sizeof(*b->tasks));

    b->tasks = tasks;
    if (done)
        b->tasks[b->task_count++] = one;
    return done;
}

// A block of empty nodes; the oldest open one is closed when there are too many.
static open_block *add_block(builder *b)
{
    void *nodes = b->nodes;
    bool done = grow(&nodes, b->count + BLOCK - 1, &b->capacity, sizeof(*b->nodes));

    b->nodes = nodes;
    if (!done || b->count > INT32_MAX - BLOCK)
        return NULL;
    for (size_t i = 0; i < BLOCK; i++)
        b->nodes[b->count + i] =
            (ft_trie_node){.base = 0, .check = FT_TRIE_NONE, .value = FT_TRIE_NONE};
    if (b->open_count == OPEN_MAX) {
        memmove(b->open, b->open + 1, (OPEN_MAX - 1) * sizeof(b->open[0]));
        b->open_count--;
    }
    open_block *block = &b->open[b->open_count++];
    *block = (open_block){.first = (int32_t)b->count};
    memset(block->free, 0xff, sizeof(block->free));
    b->count += BLOCK;
    return block;
}

static bool is_free(const open_block *block, unsigned place)
{
    return block->free[place / 64] >> (place % 64) & 1;
}

// A base in `block` for all `bytes`; -1 when there is none.
static int32_t find_base(const open_block *block, const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < BITS; i++) {
        for (uint64_t left = block->free[i]; left; left &= left - 1) {
            unsigned base = ((unsigned)i * 64 + FT_TRAILING_ZEROS_64(left)) ^ bytes[0];
            size_t fit = 1;
            while (fit < count && is_free(block, base ^ bytes[fit]))
                fit++;
            if (fit == count)
                return block->first + (int32_t)base;
        }
    }
    return -1;
}

static void close_block(builder *b, size_t index)
{
    memmove(b->open + index, b->open + index + 1, (b->open_count - index - 1) * sizeof(b->open[0]));
    b->open_count--;
}

// Takes places for the children of `node`. False without memory.
static bool place(builder *b, int32_t node, const uint8_t *bytes, size_t count)
{
    int32_t base = -1;
    size_t at = 0;

    while (at < b->open_count && base < 0) {
        open_block *block = &b->open[at];
        base = find_base(block, bytes, count);
        if (base >= 0)
            break;
        if (++block->tries >= TRIES_MAX)
            close_block(b, at);
        else
            at++;
    }
    if (base < 0) {
        if (!add_block(b))
            return false;
        at = b->open_count - 1;
        base = find_base(&b->open[at], bytes, count);
    }
    b->nodes[node].base = base;
    for (size_t i = 0; i < count; i++) {
        unsigned spot = ((unsigned)base & (BLOCK - 1)) ^ bytes[i];
        b->open[at].free[spot / 64] &= ~(UINT64_C(1) << (spot % 64));
        b->nodes[base ^ bytes[i]].check = node;
    }
    return true;
}

// Keys are walked in their order, their texts lie anywhere: so the head is the one to ask.
static uint8_t key_byte(const builder *b, uint32_t key, uint32_t depth)
{
    const ft_trie_key *one = &b->keys[key];

    if (depth < sizeof(one->head))
        return (uint8_t)(one->head >> (56 - 8 * depth));
    return (uint8_t)one->text.data[depth];
}

static bool expand(builder *b, task one)
{
    uint8_t bytes[BLOCK];
    uint32_t starts[BLOCK + 1];
    size_t count = 0;

    if (one.from < one.to && b->keys[one.from].text.size == one.depth)
        b->nodes[one.node].value = b->keys[one.from++].value;
    if (one.from == one.to)
        return true;
    for (uint32_t i = one.from; i < one.to; i++) {
        uint8_t byte = key_byte(b, i, one.depth);
        if (count == 0 || bytes[count - 1] != byte) {
            starts[count] = i;
            bytes[count++] = byte;
        }
    }
    starts[count] = one.to;
    if (!place(b, one.node, bytes, count))
        return false;
    for (size_t i = 0; i < count; i++) {
        task child = {.node = b->nodes[one.node].base ^ bytes[i],
                      .from = starts[i],
                      .to = starts[i + 1],
                      .depth = one.depth + 1};
        if (!add_task(b, child))
            return false;
    }
    return true;
}

static bool build(builder *b, size_t count)
{
    open_block *first = add_block(b);

    if (!first)
        return false;
    first->free[0] &= ~UINT64_C(1);  // The root's place.
    if (!add_task(b, (task){.node = FT_TRIE_ROOT, .from = 0, .to = (uint32_t)count, .depth = 0}))
        return false;
    while (b->task_count > 0) {
        if (!expand(b, b->tasks[--b->task_count]))
            return false;
    }
    return true;
}

bool ft_trie_build(const ft_trie_key *keys, size_t count, ft_arena *arena, ft_trie *out,
                   ft_error *err)
{
    builder b = {.keys = keys};
    ft_trie_node *nodes = NULL;

    // What most vocabularies need, so that few blocks are moved; without it, it grows from nothing.
    b.nodes = count < UINT32_MAX / 4 ? ft_alloc_array(4 * count + BLOCK, sizeof(*b.nodes)) : NULL;
    b.capacity = b.nodes ? 4 * count + BLOCK : 0;
    if (count < UINT32_MAX && build(&b, count))
        nodes = ft_arena_aligned(arena, b.count * sizeof(*nodes), 64);
    if (nodes) {
        memcpy(nodes, b.nodes, b.count * sizeof(*nodes));
        *out = (ft_trie){.nodes = nodes, .count = b.count};
    }
    size_t wanted = (b.count + BLOCK) * sizeof(*nodes);
    ft_free(b.nodes);
    ft_free(b.tasks);
    return nodes || ft_fail_nomem(err, wanted);
}

int32_t ft_trie_longest(const ft_trie *trie, const uint8_t *text, size_t size, size_t *out_size)
{
    int32_t value = FT_TRIE_NONE;
    int32_t node = FT_TRIE_ROOT;

    for (size_t i = 0; i < size; i++) {
        node = ft_trie_step(trie, node, text[i]);
        if (node == FT_TRIE_NONE)
            break;
        if (trie->nodes[node].value != FT_TRIE_NONE) {
            value = trie->nodes[node].value;
            *out_size = i + 1;
        }
    }
    return value;
}

typedef struct trie_bounds {
    size_t count;
    int32_t value_most;
} trie_bounds;

static bool look_at_nodes(const void *items, size_t count, void *host)
{
    const trie_bounds *bounds = host;

    return ft_token_scan_choose()->are_inside(items, count, bounds->count, bounds->value_most);
}

// Steps stay among the nodes, since blocks are whole and a base is in one.
void ft_trie_transfer(ft_trie *trie, int32_t value_most, ft_image *image)
{
    const void *nodes = trie->nodes;

    FT_IMAGE_FIELD(image, trie->count, INT32_MAX);
    ft_image_check(image, trie->count > 0 && trie->count % BLOCK == 0,
                   "a trie is not of whole blocks");
    trie_bounds bounds = {trie->count, value_most};
    ft_image_table(image, &nodes, trie->count, sizeof(*trie->nodes), look_at_nodes, &bounds);
    trie->nodes = nodes;
}

// The text that leads to a node, from its end to its front: the block of a node is that of its
// parent's base. `room` bytes are before `end`.
static ft_slice key_of(const ft_trie *trie, int32_t node, char *end, size_t room)
{
    size_t size = 0;

    for (; node != FT_TRIE_ROOT && size < room; node = trie->nodes[node].check)
        end[-(ptrdiff_t)++size] = (char)(node ^ trie->nodes[trie->nodes[node].check].base);
    return (ft_slice){end - size, size};
}

static void put_keys(const ft_trie *trie, ft_image *image)
{
    enum { KEY_BYTES_MAX = 1 << 16 };
    char *room = ft_image_alloc(image, KEY_BYTES_MAX, 1);
    size_t count = 0;

    for (size_t i = 0; trie && i < trie->count; i++)
        count += trie->nodes[i].value != FT_TRIE_NONE;
    ft_image_count(image, count);
    for (size_t i = 0; trie && room && i < trie->count; i++) {
        int32_t value = trie->nodes[i].value;
        if (value == FT_TRIE_NONE)
            continue;
        ft_slice key = key_of(trie, (int32_t)i, room + KEY_BYTES_MAX, KEY_BYTES_MAX);
        ft_image_text(image, &key);
        FT_IMAGE_ID(image, value);
    }
}

static void take_keys(const ft_trie **trie, int32_t value_most, ft_image *image)
{
    size_t count = ft_image_count(image, 0), kept = 0;
    ft_trie *made = ft_image_alloc(image, 1, sizeof(*made));
    ft_trie_key *keys = ft_image_alloc(image, count + 1, sizeof(*keys));
    ft_error err = FT_ERROR_INIT;

    for (size_t i = 0; i < count && !image->fault; i++) {
        ft_slice text = {0};
        ft_image_text(image, &text);
        int32_t value = (int32_t)ft_image_number(image, 0, (uint64_t)value_most + 1) - 1;
        ft_image_check(image, text.size > 0 && value >= 0, "a key of a trie is empty");
        keys[i] = ft_trie_make_key(text, value);
    }
    if (image->fault || count == 0)
        return;
    ft_trie_sort(keys, count);
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || !ft_slice_equal(keys[kept - 1].text, keys[i].text))
            keys[kept++] = keys[i];
    }
    ft_image_check(image, ft_trie_build(keys, kept, image->arena, made, &err),
                   "there is no memory for it");
    *trie = made;
}

void ft_trie_transfer_keys(const ft_trie **trie, int32_t value_most, ft_image *image)
{
    if (image->is_made)
        put_keys(*trie, image);
    else
        take_keys(trie, value_most, image);
}
