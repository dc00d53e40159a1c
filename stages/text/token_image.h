// What a compiled tokenizer is made of, as the bytes of a file that is used where it is mapped:
//
//   head     128 bytes: what the file is, of which build of the program, its size, a checksum
//            of the head and the notes
//   arrays   tables as they lie in memory, each at a multiple of 64 bytes
//   notes    numbers and texts, one behind the other: sizes, rules, where each array is and the
//            checksum of it
//
// A structure has one function for both directions, ft_NAME_transfer: it writes what it holds to an
// image that is being made and takes it from one that was opened, so that both agree. Arrays are
// not copied when they are taken: pages of the file are shared by all processes that use it.
//
// An image that was opened may say anything, its checksums being right: what is taken from it is
// checked before it is followed. The first fault stays, and nothing that is taken behind it counts.
// An array is summed and checked piece by piece when it is taken, each while it is in the nearest
// cache: both together cost little more than reading it.
#pragma once

#include "runtime/error.h"
#include "runtime/memory/arena.h"
#include "runtime/slice.h"

typedef struct ft_image {
    bool is_made;           // Else it was opened.
    bool is_unsummed;       // Checksums of arrays are not compared: for tests of what is behind.
    ft_arena *arena;        // Where structures are made that have the fields.
    ft_text arrays, notes;  // Of one that is made.
    ft_slice bytes;         // Of one that was opened: the file; arrays are before `notes_at`.
    size_t notes_at, at;
    const char *fault;  // NULL: none. What is wrong with it.
} ft_image;

// ---- making ----

void ft_image_init(ft_image *image, ft_arena *arena);
void ft_image_finish(ft_image *image);  // Both kinds; a zeroed one is fine.
// The bytes of the file; ft_free them. Of program `build`.
bool ft_image_print(ft_image *image, ft_slice build, ft_slice *out, ft_error *err) FT_MUST_CHECK;

// Writes into the head the size and the checksum, when head or notes have been changed.
void ft_image_seal(char *bytes, size_t size);

// ---- opening ----

// `bytes` lie at a multiple of 64 and stay. False, with `fault` set: cut off, changed, of another
// build, or something else altogether.
bool ft_image_open(ft_image *image, ft_slice bytes, ft_slice build, ft_arena *arena) FT_MUST_CHECK;
// Notes a fault unless there is one.
bool ft_image_fail(ft_image *image, const char *fault);
// The same unless `is_right`; returns whether there is none.
bool ft_image_check(ft_image *image, bool is_right, const char *fault);

// ---- both ----

// Of one that is made: writes `value` and returns it. Of one that was opened: the next number; a
// fault and 0 when it is above `most`.
uint64_t ft_image_number(ft_image *image, uint64_t value, uint64_t most);
// Valid UTF-8; not terminated.
void ft_image_text(ft_image *image, ft_slice *text);
void ft_image_bytes(ft_image *image, ft_slice *bytes);
// Whether `count` items of an array that was opened are right, of which `items` is the first.
typedef bool ft_image_look(const void *items, size_t count, void *host);
// `*items`, `*count` of them of `item_bytes` each. The pointer is never NULL. One that was opened
// is shown to `look` (NULL: to nobody), from its first item to its last.
void ft_image_array(ft_image *image, const void **items, size_t *count, size_t item_bytes,
                    ft_image_look *look, void *host);
// Of an array whose size is known: others are a fault, and false.
bool ft_image_table(ft_image *image, const void **items, size_t count, size_t item_bytes,
                    ft_image_look *look, void *host);
void ft_image_double(ft_image *image, double *value);
// How many follow of what has a note each, at least; no more than there are notes left.
size_t ft_image_count(ft_image *image, size_t count);
// Zeroed, in the arena. NULL, and a fault, without memory.
void *ft_image_alloc(ft_image *image, size_t count, size_t item_bytes);

// A field that is a number, an enum or a bool.
#define FT_IMAGE_FIELD(image, field, most) \
    ((field) = (__typeof__(field))ft_image_number((image), (uint64_t)(field), (most)))
// A field that is an id, or -1.
#define FT_IMAGE_ID(image, field) \
    ((field) = (int32_t)ft_image_number((image), (uint64_t)((int64_t)(field) + 1), INT32_MAX) - 1)
