// The tree of a JSON file: see ft_json_node in json.h.
//
// Finished values wait on a stack until their container closes; then they move to the arena as one
// array of the right size. So the arena holds no waste, and nothing recurses.
#include <string.h>

#include "runtime/data/json.h"
#include "runtime/memory/alloc.h"
#include "runtime/system/file.h"

typedef struct pending {
    ft_json_node node;
    ft_slice key;
} pending;

typedef struct json_tree {
    ft_json json;
    ft_arena *arena;
    pending *stack;  // Values whose container is still open.
    size_t count, capacity;
    struct {
        size_t first;  // Index in the stack of its first child.
        ft_slice key;  // Its own key in the container around it.
        bool is_object;
    } open[FT_JSON_DEPTH_MAX];
} json_tree;

static bool push_value(json_tree *tree, ft_json_node node, ft_slice key, ft_error *err)
{
    if (tree->count == tree->capacity) {
        const size_t capacity = tree->capacity ? tree->capacity * 2 : 64;
        size_t bytes;
        if (FT_MUL_OVERFLOWS(capacity, sizeof(*tree->stack), &bytes))
            return ft_fail_nomem(err, SIZE_MAX);
        pending *grown = ft_realloc(tree->stack, bytes);
        if (!grown)
            return ft_fail_nomem(err, bytes);
        tree->stack = grown;
        tree->capacity = capacity;
    }
    tree->stack[tree->count++] = (pending){node, key};
    return true;
}

// A copy of a string without its escapes: the text that was read need not live on.
static bool keep_text(json_tree *tree, const ft_json_value *value, ft_slice *out, ft_error *err)
{
    char *copy = ft_arena_alloc(tree->arena, value->text.size + 1);
    if (!copy)
        return ft_fail_nomem(err, value->text.size + 1);
    size_t size = value->text.size;
    if (value->has_escapes) {
        if (!ft_json_unescape(value->text, copy, &size, err)) {
            if (err->code == FT_ERROR_DATA)
                ft_error_while(err, "at byte %zu", (size_t)(value->text.data - tree->json.text));
            return false;
        }
    } else if (size) {
        memcpy(copy, value->text.data, size);
    }
    copy[size] = '\0';
    *out = (ft_slice){copy, size};
    return true;
}

// Few keys are compared pair by pair, many through a table of hashes.
static bool check_keys_many(const ft_slice *keys, size_t count, ft_error *err)
{
    size_t slots = 64;
    while (slots < count * 2)
        slots *= 2;
    uint32_t *table = ft_alloc_zero(slots, sizeof(*table));
    if (!table)
        return ft_fail_nomem(err, slots * sizeof(*table));
    bool ok = true;
    for (size_t i = 0; ok && i < count; i++) {
        size_t slot = (size_t)ft_hash(keys[i], 0x6a736f6e) & (slots - 1);
        for (; table[slot]; slot = (slot + 1) & (slots - 1))
            if (ft_slice_equal(keys[table[slot] - 1], keys[i])) {
                ok = ft_fail(err, FT_ERROR_DATA, "invalid JSON: the key `%.*s` is there twice",
                             (int)(keys[i].size < 64 ? keys[i].size : 64), keys[i].data);
                break;
            }
        table[slot] = (uint32_t)(i + 1);
    }
    ft_free(table);
    return ok;
}

static bool check_keys(const ft_slice *keys, size_t count, ft_error *err)
{
    if (count > UINT32_MAX / 4)
        return ft_fail(err, FT_ERROR_LIMIT, "a JSON object with %zu keys is more than is read here",
                       count);
    if (count > 16)
        return check_keys_many(keys, count, err);
    for (size_t i = 1; i < count; i++)
        for (size_t j = 0; j < i; j++)
            if (ft_slice_equal(keys[i], keys[j]))
                return ft_fail(err, FT_ERROR_DATA, "invalid JSON: the key `%.*s` is there twice",
                               (int)(keys[i].size < 64 ? keys[i].size : 64), keys[i].data);
    return true;
}

// Moves the children of the container that ends from the stack to the arena and makes its node.
static bool close_container(json_tree *tree, ft_error *err)
{
    const size_t first = tree->open[tree->json.depth].first, count = tree->count - first;
    const bool is_object = tree->open[tree->json.depth].is_object;
    ft_json_node node = {.kind = is_object ? FT_JSON_OBJECT : FT_JSON_ARRAY, .count = count};
    node.children = ft_arena_zero(tree->arena, count ? count : 1, sizeof(*node.children));
    if (!node.children)
        return ft_fail_nomem(err, count * sizeof(*node.children));
    if (is_object) {
        node.keys = ft_arena_zero(tree->arena, count ? count : 1, sizeof(*node.keys));
        if (!node.keys)
            return ft_fail_nomem(err, count * sizeof(*node.keys));
    }
    for (size_t i = 0; i < count; i++) {
        node.children[i] = tree->stack[first + i].node;
        if (is_object)
            node.keys[i] = tree->stack[first + i].key;
    }
    if (is_object && !check_keys(node.keys, count, err))
        return false;
    tree->count = first;
    return push_value(tree, node, tree->open[tree->json.depth].key, err);
}

static bool read_value(json_tree *tree, ft_slice key, bool *out_opened, ft_error *err)
{
    ft_json_value value;
    if (!ft_json_read(&tree->json, &value, err))
        return false;
    *out_opened = value.kind == FT_JSON_OBJECT || value.kind == FT_JSON_ARRAY;
    if (*out_opened) {
        const int level = tree->json.depth - 1;
        tree->open[level].first = tree->count;
        tree->open[level].key = key;
        tree->open[level].is_object = value.kind == FT_JSON_OBJECT;
        return true;
    }
    ft_json_node node = {.kind = value.kind};
    return keep_text(tree, &value, &node.text, err) && push_value(tree, node, key, err);
}

static bool read_tree(json_tree *tree, ft_error *err)
{
    ft_slice key = {NULL, 0};
    do {
        bool first, more = false;
        if (!read_value(tree, key, &first, err))
            return false;
        while (!more && tree->json.depth > 0) {
            ft_json_value name;
            const bool in_object = tree->open[tree->json.depth - 1].is_object;
            if (in_object ? !ft_json_next_member(&tree->json, &first, &more, &name, err)
                          : !ft_json_next_element(&tree->json, &first, &more, err))
                return false;
            if (more && in_object && !keep_text(tree, &name, &key, err))
                return false;
            if (!more && !close_container(tree, err))
                return false;
        }
    } while (tree->json.depth > 0);
    return ft_json_end(&tree->json, err);
}

bool ft_json_parse(ft_slice text, ft_arena *arena, ft_json_node **out, ft_error *err)
{
    json_tree *tree = ft_alloc_zero(1, sizeof(*tree));
    if (!tree)
        return ft_fail_nomem(err, sizeof(*tree));
    ft_json_init(&tree->json, text);
    tree->arena = arena;
    bool ok = read_tree(tree, err);
    if (ok) {
        ft_json_node *root = ft_arena_alloc(arena, sizeof(*root));
        if (root) {
            *root = tree->stack[0].node;
            *out = root;
        } else {
            ok = ft_fail_nomem(err, sizeof(*root));
        }
    }
    ft_free(tree->stack);
    ft_free(tree);
    return ok;
}

bool ft_json_parse_file(const char *path, ft_arena *arena, size_t bound_bytes,
                        const ft_json_node **out, ft_error *err)
{
    ft_json_node *root;
    ft_slice text;

    if (!ft_file_read(path, arena, bound_bytes, &text, err))
        return false;
    if (!ft_json_parse(text, arena, &root, err)) {
        ft_error_while(err, "reading `%s`", path);
        return false;
    }
    *out = root;
    return true;
}

const ft_json_node *ft_json_find(const ft_json_node *object, const char *key)
{
    if (!object || object->kind != FT_JSON_OBJECT)
        return NULL;
    for (size_t i = 0; i < object->count; i++)
        if (ft_slice_is(object->keys[i], key))
            return &object->children[i];
    return NULL;
}

bool ft_json_get_int(const ft_json_node *node, int64_t *out)
{
    if (!node || node->kind != FT_JSON_NUMBER)
        return false;
    if (ft_parse_int(node->text, out))
        return true;
    // 512.0 and 1e3 are integers as well; beyond 2^53 a float may have lost some of it.
    double value;
    if (!ft_parse_float(node->text, &value) || !(value >= -0x1p53 && value <= 0x1p53) ||
        value != (double)(int64_t)value)
        return false;
    *out = (int64_t)value;
    return true;
}

bool ft_json_get_float(const ft_json_node *node, double *out)
{
    return node && node->kind == FT_JSON_NUMBER && ft_parse_float(node->text, out);
}
