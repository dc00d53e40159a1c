// Reference-counted bytes: owned, or borrowed from somebody who is told when they are no longer
// needed.
#pragma once

#include "runtime/memory/account.h"
#include "runtime/memory/refcount.h"

enum { FT_BUFFER_ALIGNMENT = 64 };

typedef struct ft_buffer {
    ft_object object;
    void *data;            // Aligned to 64 bytes when owned. Read-only while the buffer is shared.
    size_t size_bytes;     // Usable bytes.
    size_t charged_bytes;  // What was charged to `account`.
    ft_account *account;   // NULL: not accounted (models, tests).
    void (*release)(void *host, void *data,
                    size_t size_bytes);  // Borrowed: called once; any thread.
    void *host;
    uint16_t home, data_home;  // Whose pool the struct and the data came from.
    bool is_discarded;         // Its pages go back to the system at once.
} ft_buffer;

// Not cleared. 64 bytes behind the end may be read (not written): kernels load whole vectors.
FT_API ft_buffer *ft_buffer_create(ft_account *account, size_t size_bytes,
                                   ft_error *err) FT_MUST_CHECK;
// The same, all zero. Of a large one only the pages that are written to take memory.
FT_API ft_buffer *ft_buffer_zero(ft_account *account, size_t size_bytes,
                                 ft_error *err) FT_MUST_CHECK;
// Borrowed bytes; `release` may be NULL for bytes that outlive everything.
FT_API ft_buffer *ft_buffer_borrow(void *data, size_t size_bytes,
                                   void (*release)(void *, void *, size_t), void *host,
                                   ft_error *err) FT_MUST_CHECK;
// Grows or shrinks an unshared, owned buffer; may move it. On failure it is as before.
FT_API bool ft_buffer_resize(ft_buffer *buffer, size_t size_bytes, ft_error *err) FT_MUST_CHECK;
FT_API ft_buffer *ft_buffer_ref(ft_buffer *buffer);  // Returns its argument.
FT_API void ft_buffer_unref(ft_buffer *buffer);      // NULL is fine.
// The same of an unshared one whose size nobody will want again: its pages are not kept.
void ft_buffer_discard(ft_buffer *buffer);
