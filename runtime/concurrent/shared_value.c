// Words and what stands behind them.
#include "runtime/concurrent/shared_value.h"

#include <string.h>

#include "runtime/memory/alloc.h"
#include "runtime/memory/collector.h"

enum {
    TAG_FLOAT = 3,
    TAGS = 7,
    COLLECTION_BYTES = 256,  // About, for the reclaimer's sums.
};

// What the last charge of this thread that failed had wanted; 0: none did.
static FT_THREAD_LOCAL size_t short_bytes;

const char *ft_value_kind_name(ft_value_kind kind)
{
    static const char *const names[] = {"nil",  "boolean", "integer", "number",  "string", "tensor",
                                        "dict", "list",    "set",     "counter", "stack",  "queue"};
    return names[kind];
}

bool ft_shared_charge(ft_account *account, size_t size_bytes, ft_error *err)
{
    ft_collector_owe(size_bytes);
    if (!account || ft_account_try_charge(account, (int64_t)size_bytes, account->common_bytes))
        return true;
    short_bytes = size_bytes;
    ft_fail(err, FT_ERROR_LIMIT, "shared state of %zu bytes more does not fit into `run.memory`",
            size_bytes);
    ft_hint(err, "Keep less in ctx.shared, or raise `run.memory`.");
    return false;
}

bool ft_shared_make_room(ft_account *account, ft_error *err)
{
    size_t wanted = short_bytes;

    short_bytes = 0;
    if (err->code != FT_ERROR_LIMIT || !wanted || !ft_collector_make_room(account, wanted))
        return false;
    *err = (ft_error)FT_ERROR_INIT;
    return true;
}

bool ft_shared_reserve(ft_account *account, size_t size_bytes, ft_error *err)
{
    bool ok = ft_shared_charge(account, size_bytes, err);

    while (!ok && ft_shared_make_room(account, err))
        ok = ft_shared_charge(account, size_bytes, err);
    return ok;
}

// ---- boxes and strings ----

typedef struct {
    ft_object object;
    ft_account *account;
    ft_value value;  // INT or FLOAT.
} box;

static void box_destroy(ft_object *object)
{
    ft_account_release(((box *)(void *)object)->account, (int64_t)sizeof(box));
    ft_free(object);
}

static const ft_object_type box_type = {.name = "number", .destroy = box_destroy};

static void string_destroy(ft_object *object)
{
    ft_string *string = (ft_string *)(void *)object;

    ft_account_release(string->account, (int64_t)(sizeof(*string) + string->size + 1));
    ft_free(string);
}

static const ft_object_type string_type = {.name = "string", .destroy = string_destroy};

ft_string *ft_string_create(ft_slice text, ft_account *account, ft_error *err)
{
    size_t bytes;

    if (FT_ADD_OVERFLOWS(text.size, sizeof(ft_string) + 1, &bytes)) {
        ft_ignore(ft_fail_nomem(err, text.size));
        return NULL;
    }
    if (!ft_shared_charge(account, bytes, err))
        return NULL;
    ft_string *string = ft_alloc(bytes);
    if (!string) {
        ft_account_release(account, (int64_t)bytes);
        ft_ignore(ft_fail_nomem(err, bytes));
        return NULL;
    }
    ft_object_init_shared(&string->object, &string_type);
    string->account = account;
    string->size = text.size;
    string->hash = ft_hash(text, 0);
    if (text.size > 0)
        memcpy(string->data, text.data, text.size);
    string->data[text.size] = 0;
    return string;
}

ft_string *ft_string_reserve(ft_slice text, ft_account *account, ft_error *err)
{
    ft_string *string = ft_string_create(text, account, err);

    while (!string && ft_shared_make_room(account, err))
        string = ft_string_create(text, account, err);
    return string;
}

// ---- values ----

void ft_value_drop(ft_value *value)
{
    if (ft_value_has_object(value->kind))
        ft_object_unref(value->object);
    *value = (ft_value){FT_VALUE_NIL, {0}};
}

static double number_of(const ft_value *value)
{
    return value->kind == FT_VALUE_INT ? (double)value->integer : value->number;
}

static bool is_number(const ft_value *value)
{
    return value->kind == FT_VALUE_INT || value->kind == FT_VALUE_FLOAT;
}

bool ft_value_equals(const ft_value *a, const ft_value *b)
{
    if (is_number(a) && is_number(b) && a->kind != b->kind)
        return number_of(a) == number_of(b);
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case FT_VALUE_NIL:
        return true;
    case FT_VALUE_BOOL:
        return a->boolean == b->boolean;
    case FT_VALUE_INT:
        return a->integer == b->integer;
    case FT_VALUE_FLOAT:
        // A NaN that was read is the one that is there: else `update` would never come to an end.
        return a->number == b->number || memcmp(&a->number, &b->number, sizeof(a->number)) == 0;
    case FT_VALUE_STRING: {
        ft_slice x = ft_string_slice((const ft_string *)(const void *)a->object);
        ft_slice y = ft_string_slice((const ft_string *)(const void *)b->object);
        return x.size == y.size && memcmp(x.data, y.data, x.size) == 0;
    }
    case FT_VALUE_TENSOR:
    case FT_VALUE_DICT:
    case FT_VALUE_LIST:
    case FT_VALUE_SET:
    case FT_VALUE_COUNTER:
    case FT_VALUE_STACK:
    case FT_VALUE_QUEUE:
        return a->object == b->object;
    }
    return false;
}

static ft_value_kind kind_of(const ft_object_type *type)
{
    if (type == &string_type)
        return FT_VALUE_STRING;
    if (type == &ft_dict_type)
        return FT_VALUE_DICT;
    if (type == &ft_list_type)
        return FT_VALUE_LIST;
    if (type == &ft_set_type)
        return FT_VALUE_SET;
    if (type == &ft_counter_type)
        return FT_VALUE_COUNTER;
    if (type == &ft_stack_type)
        return FT_VALUE_STACK;
    return type == &ft_queue_type ? FT_VALUE_QUEUE : FT_VALUE_TENSOR;
}

// ---- words ----

static bool box_number(const ft_value *value, ft_account *account, ft_word *out, ft_error *err)
{
    if (!ft_shared_charge(account, sizeof(box), err))
        return false;
    box *made = ft_alloc(sizeof(*made));
    if (!made) {
        ft_account_release(account, (int64_t)sizeof(*made));
        return ft_fail_nomem(err, sizeof(*made));
    }
    ft_object_init_shared(&made->object, &box_type);
    made->account = account;
    made->value = *value;
    *out = (uintptr_t)made;
    return true;
}

static bool make_float(const ft_value *value, ft_account *account, ft_word *out, ft_error *err)
{
    uint64_t bits;

    memcpy(&bits, &value->number, sizeof(bits));
    if (bits & TAGS)
        return box_number(value, account, out, err);
    *out = bits | TAG_FLOAT;
    return true;
}

bool ft_word_make_other(const ft_value *value, ft_account *account, ft_word *out, ft_error *err)
{
    switch (value->kind) {
    case FT_VALUE_NIL:
        *out = FT_WORD_NIL;
        return true;
    case FT_VALUE_BOOL:
        *out = value->boolean ? FT_WORD_TRUE : FT_WORD_FALSE;
        return true;
    case FT_VALUE_INT:
        return ft_word_of_int(value->integer, out) || box_number(value, account, out, err);
    case FT_VALUE_FLOAT:
        return make_float(value, account, out, err);
    case FT_VALUE_STRING:
    case FT_VALUE_TENSOR:
    case FT_VALUE_DICT:
    case FT_VALUE_LIST:
    case FT_VALUE_SET:
    case FT_VALUE_COUNTER:
    case FT_VALUE_STACK:
    case FT_VALUE_QUEUE:
        break;
    }
    ft_object_publish(value->object);
    ft_object_ref(value->object);
    *out = (uintptr_t)value->object | (value->object->type->is_cyclic ? FT_WORD_CYCLIC : 0);
    return true;
}

static ft_value borrow_object(ft_object *object)
{
    if (object->type == &box_type)
        return ((const box *)(const void *)object)->value;
    return (ft_value){kind_of(object->type), {.object = object}};
}

ft_value ft_word_borrow_other(ft_word word)
{
    ft_value value = {FT_VALUE_NIL, {0}};
    uint64_t bits = word & ~(uint64_t)TAGS;

    if (ft_word_object(word))
        return borrow_object(ft_word_object(word));
    if ((word & TAGS) == TAG_FLOAT) {
        value.kind = FT_VALUE_FLOAT;
        memcpy(&value.number, &bits, sizeof(bits));
    } else if (word == FT_WORD_FALSE || word == FT_WORD_TRUE) {
        value = (ft_value){FT_VALUE_BOOL, {.boolean = word == FT_WORD_TRUE}};
    }
    return value;
}

bool ft_word_keep_object(ft_word word, ft_value *out)
{
    *out = borrow_object(ft_word_object(word));
    // What a box holds has been copied.
    return !ft_value_has_object(out->kind) || ft_object_try_ref(out->object);
}

static void unref(void *pointer)
{
    ft_object_unref(pointer);
}

static size_t size_of(const ft_object *object)
{
    if (object->type == &string_type)
        return sizeof(ft_string) + ((const ft_string *)(const void *)object)->size;
    if (object->type == &box_type)
        return sizeof(box);
    if (kind_of(object->type) != FT_VALUE_TENSOR)
        return COLLECTION_BYTES;
    const ft_tensor *tensor = (const ft_tensor *)(const void *)object;
    return sizeof(*tensor) + tensor->buffer->size_bytes;
}

void ft_word_retire_object(ft_object *object)
{
    ft_retire(object, unref, size_of(object));
}
