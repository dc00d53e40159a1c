// What shared collections hold: nil, numbers, strings, tensors and other collections, each as one
// 64-bit word, so that it can be read and exchanged atomically.
//
//   ...x00   a counted object; below FT_WORD_OBJECTS: nothing, nil, false, true
//   ...x01   an integer of 61 bits
//   ...x10   a counted object that may be part of a cycle
//   ...x11   a double whose last three bits are 0
//
// What may be part of a cycle is told from the word, so that the cycle collector can go through a
// collection without touching strings and tensors, which may go at any time. x is 0, but for a mark
// that a collection may put on a word in its own field (FT_WORD_MARK); no function here takes it.
//
// Other numbers are boxed in a counted object that never changes. What goes into a collection is
// published (memory/refcount.h): from then on any lease may read it.
#pragma once

#include "runtime/concurrent/counter.h"
#include "runtime/data/tensor.h"
#include "runtime/error.h"
#include "runtime/memory/epoch.h"
#include "runtime/memory/refcount.h"
#include "runtime/slice.h"

typedef enum ft_value_kind {
    FT_VALUE_NIL,
    FT_VALUE_BOOL,
    FT_VALUE_INT,
    FT_VALUE_FLOAT,
    FT_VALUE_STRING,
    FT_VALUE_TENSOR,
    FT_VALUE_DICT,
    FT_VALUE_LIST,
    FT_VALUE_SET,
    FT_VALUE_COUNTER,
    FT_VALUE_STACK,
    FT_VALUE_QUEUE,
} ft_value_kind;

typedef struct ft_value {
    ft_value_kind kind;
    union {
        bool boolean;
        int64_t integer;
        double number;
        ft_object *object;  // Strings, tensors, collections.
    };
} ft_value;

typedef uint64_t ft_word;
enum {
    FT_WORD_NONE = 0,  // No value at all; nil is one.
    FT_WORD_CYCLIC = 2,
    FT_WORD_MARK = 4,
    FT_WORD_NIL = 8,
    FT_WORD_FALSE = 16,
    FT_WORD_TRUE = 24,
    FT_WORD_OBJECTS = 32,
};

const char *ft_value_kind_name(ft_value_kind kind);
static inline bool ft_value_has_object(ft_value_kind kind)
{
    return kind >= FT_VALUE_STRING;
}

// ---- strings ----

// Bytes that never change, counted, shared from the start.
typedef struct ft_string {
    ft_object object;
    ft_account *account;
    uint64_t hash;
    size_t size;
    char data[];  // NUL behind the end.
} ft_string;

// Charged to `account` (may be NULL): LIMIT when it is full. _reserve: by ft_shared_reserve.
ft_string *ft_string_create(ft_slice text, ft_account *account, ft_error *err) FT_MUST_CHECK;
ft_string *ft_string_reserve(ft_slice text, ft_account *account, ft_error *err) FT_MUST_CHECK;
static inline ft_slice ft_string_slice(const ft_string *string)
{
    return (ft_slice){string->data, string->size};
}

// ---- values ----

// Drops the reference of a value that holds one.
void ft_value_drop(ft_value *value);
// Equal numbers (an integer equals the same float), equal bytes, the same object.
bool ft_value_equals(const ft_value *a, const ft_value *b);

// Integers of 61 bits are in the word itself. False: it is none of them.
static inline bool ft_word_of_int(int64_t integer, ft_word *out)
{
    *out = (uint64_t)integer << 3 | 1;
    return (int64_t)*out >> 3 == integer;
}
static inline bool ft_word_is_small_int(ft_word word)
{
    return (word & 7) == 1;
}
static inline int64_t ft_word_small_int(ft_word word)
{
    return (int64_t)word >> 3;
}
static inline ft_object *ft_word_object(ft_word word)
{
    return (word & 1) == 0 && word >= FT_WORD_OBJECTS
               ? (ft_object *)(uintptr_t)(word & ~(ft_word)FT_WORD_CYCLIC)
               : NULL;
}
// The same for what the cycle collector looks at.
static inline ft_object *ft_word_cyclic(ft_word word)
{
    return (word & 3) == FT_WORD_CYCLIC ? ft_word_object(word) : NULL;
}

// A word of the value, which must not be dying; takes a reference of its own and publishes.
bool ft_word_make_other(const ft_value *value, ft_account *account, ft_word *out,
                        ft_error *err) FT_MUST_CHECK;
FT_MUST_CHECK static inline bool ft_word_make(const ft_value *value, ft_account *account,
                                              ft_word *out, ft_error *err)
{
    return (value->kind == FT_VALUE_INT && ft_word_of_int(value->integer, out)) ||
           ft_word_make_other(value, account, out, err);
}
// What the word says. Inside a section or while the word's reference is held: borrowed.
ft_value ft_word_borrow_other(ft_word word);
static inline ft_value ft_word_borrow(ft_word word)
{
    if (ft_word_is_small_int(word))
        return (ft_value){FT_VALUE_INT, {.integer = ft_word_small_int(word)}};
    return ft_word_borrow_other(word);
}
// The same with a reference of the caller's own; inside a section. False: it is dying, read again.
bool ft_word_keep_object(ft_word word, ft_value *out) FT_MUST_CHECK;
FT_MUST_CHECK static inline bool ft_word_keep(ft_word word, ft_value *out)
{
    if (!ft_word_is_small_int(word) && ft_word_object(word))
        return ft_word_keep_object(word, out);
    *out = ft_word_borrow(word);
    return true;
}
// Gives up the reference of a word that was unlinked where others may have read it. Outside of
// sections.
void ft_word_retire_object(ft_object *object);
static inline void ft_word_retire(ft_word word)
{
    if (FT_UNLIKELY(ft_word_object(word) != NULL))
        ft_word_retire_object(ft_word_object(word));
}
// Gives up the reference of a word that nobody else can have seen.
static inline void ft_word_drop(ft_word word)
{
    if (FT_UNLIKELY(ft_word_object(word) != NULL))
        ft_object_unref(ft_word_object(word));
}
// The word came into a field of `holder` or left one: where the cycle collector looks at it, it
// must notice (ft_object_note_move). Others spare everybody the write to the header.
static inline void ft_word_note_move(ft_object *holder, ft_word word)
{
    if (FT_UNLIKELY(ft_word_cyclic(word) != NULL))
        ft_object_note_move(holder);
}

// Charges without waiting: nobody sleeps under a collection's lock. False with LIMIT.
bool ft_shared_charge(ft_account *account, size_t size_bytes, ft_error *err) FT_MUST_CHECK;
// Not under a lock: when a charge of this thread has just failed, waits for the cycle collector.
// True when that gave memory back: `err` is cleared, do it again.
bool ft_shared_make_room(ft_account *account, ft_error *err) FT_MUST_CHECK;
// Not under a lock: charges, if need be behind the cycle collector.
bool ft_shared_reserve(ft_account *account, size_t size_bytes, ft_error *err) FT_MUST_CHECK;

// The types of the collections, by which a value's kind is found.
extern const ft_object_type ft_dict_type, ft_list_type, ft_set_type, ft_stack_type, ft_queue_type;
