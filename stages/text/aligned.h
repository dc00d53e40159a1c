// A text on its way through a tokenizer: its bytes as they are now, and where in the given text
// each came from. What changes a text writes a new one beside it (ft_rewrite, ft_aligned_swap) or
// works in place; spans follow by the reference's rules (NormalizedString), so that offsets are
// equal to the last one.
#pragma once

#include <string.h>

#include "runtime/memory/buffer.h"
#include "runtime/slice.h"
#include "stages/text/origins.h"
#include "stages/text/unicode.h"

// A zeroed one with its account is empty. One thread at a time.
typedef struct ft_aligned {
    ft_buffer *byte_buffer;
    uint8_t *bytes;  // [size], valid UTF-8; 64 bytes behind may be read.
    size_t size;
    size_t capacity;  // Bytes there is room for.
    uint32_t start;   // Of the given text: the origin of what came from nowhere.
    bool has_spans;   // Else only ids are asked for, and `origins` is empty.
    ft_origins origins;
    ft_account *account;  // May be NULL.
} ft_aligned;

// Room for `size` bytes in all; keeps what is there. Asked for a little more each time, it grows
// geometrically. LIMIT beyond UINT32_MAX bytes.
bool ft_aligned_reserve(ft_aligned *text, size_t size, ft_error *err) FT_MUST_CHECK;
// `given`, each character with its own range, the first byte at `start` of the whole text.
bool ft_aligned_set(ft_aligned *text, ft_slice given, size_t start, ft_error *err) FT_MUST_CHECK;
// Empties it, as the beginning of what `like` becomes.
void ft_aligned_empty(ft_aligned *text, const ft_aligned *like);
// Adds `count` bytes of one origin. The caller has reserved.
void ft_aligned_put(ft_aligned *text, const uint8_t *bytes, size_t count, ft_span origin);
// The range of the given text that the bytes [from, to) came from.
ft_span ft_aligned_origin(ft_aligned *text, size_t from, size_t to);
// Of one byte.
static inline ft_span ft_aligned_span(ft_aligned *text, size_t at)
{
    return ft_origins_of(&text->origins, text->bytes, text->size, at, at + 1);
}
// Adds the letters that stand for the byte at `at` of another text (byte_level.h). The caller has
// reserved.
void ft_aligned_put_letter(ft_aligned *text, ft_aligned *in, size_t at);
// Adds the bytes [from, to) of another text as they are. The caller has reserved.
void ft_aligned_copy(ft_aligned *text, ft_aligned *in, size_t from, size_t to);
// Contents and memory; account and has_spans are alike.
void ft_aligned_swap(ft_aligned *a, ft_aligned *b);
void ft_aligned_finish(ft_aligned *text);

// A text written anew from an old one, character by character, each with a change: what it does to
// the old text at `at`, from which it has its span. This is the reference's `transform`.
typedef struct ft_rewrite {
    ft_aligned *in;
    ft_aligned *out;
    size_t at;  // In `in`.
} ft_rewrite;

enum {
    FT_CHANGE_REPLACES = 0,  // Stands for the character at `at`; -n: and for the n behind it.
    FT_CHANGE_ADDS = 1,      // A character more, with the span of what is before `at`.
};

// Empties `out`, which takes over where the text began.
void ft_rewrite_begin(ft_rewrite *rewrite, ft_aligned *in, ft_aligned *out);
// Room for `bytes` more. Must be asked for before keep and put.
FT_MUST_CHECK static inline bool ft_rewrite_room(ft_rewrite *rewrite, size_t bytes, ft_error *err)
{
    ft_aligned *out = rewrite->out;

    if (FT_LIKELY(out->capacity - out->size >= bytes))
        return true;
    if (FT_ADD_OVERFLOWS(bytes, out->size, &bytes))
        bytes = SIZE_MAX;
    return ft_aligned_reserve(out, bytes, err);
}
// The old text from `at` up to `to` as it is.
void ft_rewrite_keep(ft_rewrite *rewrite, size_t to);
// Drops the next `count` characters of the old text.
void ft_rewrite_drop(ft_rewrite *rewrite, size_t count);
// The span of a character with that change, `at` moved behind what it stands for.
ft_span ft_rewrite_span(ft_rewrite *rewrite, int64_t change);
static inline void ft_rewrite_put(ft_rewrite *rewrite, uint32_t c, int64_t change)
{
    ft_aligned *out = rewrite->out;
    uint8_t *to = out->bytes + out->size;
    size_t size = 1;

    if (c < 0x80)
        to[0] = (uint8_t)c;
    else
        size = ft_utf8_put(c, (char *)to);
    if (out->has_spans) {
        ft_span span = ft_rewrite_span(rewrite, change);
        // As large as before: it may go on standing for itself.
        if (span.end - span.start == size)
            ft_origins_keep(&out->origins, out->size, span.start);
        else
            ft_origins_put(&out->origins, out->size, size, span);
    }
    out->size += size;
}
