// Text that is not ours to end with NUL: pointer and length, and the few things done with it.
#pragma once

#include "runtime/error.h"

typedef struct ft_slice {
    const char *data;  // Not NUL-terminated. May be NULL when size is 0.
    size_t size;       // In bytes.
} ft_slice;

#define FT_SLICE(literal) ((ft_slice){"" literal, sizeof(literal) - 1})

FT_API ft_slice
ft_slice_of(const char *text);  // Of a NUL-terminated string; NULL gives an empty slice.
FT_API bool ft_slice_equal(ft_slice a, ft_slice b);
FT_API bool ft_slice_is(ft_slice a, const char *text);
FT_API int ft_slice_compare(ft_slice a, ft_slice b);  // By bytes, then by length.
FT_API bool ft_slice_starts_with(ft_slice text, ft_slice prefix);
FT_API bool ft_slice_ends_with(ft_slice text, ft_slice suffix);
FT_API ft_slice ft_slice_trim(ft_slice text);  // Without ASCII white space at both ends.

// Cuts `*rest` at the first `separator`: returns what stands before it and leaves what stands
// behind it. False when nothing is left.
FT_API bool ft_slice_cut(ft_slice *rest, char separator, ft_slice *out_part);

// Whole text, range checked, no locale; false (without an error) when the text is not such a
// number.
FT_API bool ft_parse_int(ft_slice text, int64_t *out);
FT_API bool ft_parse_float(
    ft_slice text,
    double *out);  // Correctly rounded; takes inf, nan and their signs, as YAML spells them too.
FT_API bool ft_parse_size(ft_slice text, int64_t *out_bytes);   // 4096, 64KiB, 2GiB, 1MB
FT_API bool ft_parse_count(ft_slice text, int64_t *out);        // 10, 10k, 1M
FT_API bool ft_parse_duration(ft_slice text, int64_t *out_ms);  // 10ms, 2s, 5m, 1h

// The shortest decimal text that reads back equal; returns its length (at most FT_NUMBER_BYTES -
// 1), NUL-terminated. Whole numbers print without a point; 10^16 and more, and below 0.0001, with
// an exponent.
enum { FT_NUMBER_BYTES = 32 };
FT_API size_t ft_print_f32(float value, char out[FT_NUMBER_BYTES]);
FT_API size_t ft_print_f64(double value, char out[FT_NUMBER_BYTES]);
FT_API size_t ft_print_int(int64_t value, char out[FT_NUMBER_BYTES]);

// Bytes of a valid UTF-8 prefix of `text`; equals text.size when all of it is valid (no surrogates,
// no overlong forms).
FT_API size_t ft_utf8_valid_prefix(ft_slice text);
FT_API size_t ft_utf8_count(ft_slice text);  // Code points of valid UTF-8.
// Decodes the code point at `*at` of valid UTF-8 and moves `*at` behind it.
FT_API uint32_t ft_utf8_next(ft_slice text, size_t *at);
FT_API size_t ft_utf8_put(uint32_t code_point, char out[4]);  // Returns the bytes written.

// A growing text with a bound that is stated at init. Appending past the bound or without memory
// fails once and for all: `failed` stays set and later appends do nothing, so that only the end
// needs a check.
typedef struct ft_text {
    char *data;  // NUL-terminated whenever size > 0; NULL while empty.
    size_t size, capacity, bound;
    bool failed;
    bool at_bound;  // It failed at the bound, not for lack of memory.
} ft_text;

FT_API void ft_text_init(ft_text *text, size_t bound_bytes);
FT_API void ft_text_finish(ft_text *text);
FT_API void ft_text_clear(ft_text *text);  // Size 0; keeps the memory.
FT_API void ft_text_append(ft_text *text, ft_slice piece);
FT_API void ft_text_append_char(ft_text *text, char c);
FT_API void ft_text_append_string(ft_text *text, const char *piece);
// For many small pieces: room for `most` bytes behind the text (NULL when it fails), and the end of
// the `size` bytes that were put there.
FT_API char *ft_text_begin(ft_text *text, size_t most);
FT_API void ft_text_end(ft_text *text, size_t size);
FT_API void ft_text_format(ft_text *text, const char *format, ...) FT_PRINTF(2, 3);
FT_API ft_slice ft_text_get(const ft_text *text);  // Valid until the next append.
FT_API bool ft_text_check(const ft_text *text,
                          ft_error *err) FT_MUST_CHECK;  // False with NOMEM or LIMIT when failed.

// Edit distance with transpositions, capped; for "did you mean".
FT_API size_t ft_edit_distance(ft_slice a, ft_slice b, size_t cap);
// The nearest of `names` (NULL-terminated) to `word`, or NULL when none is near enough to be meant.
FT_API const char *ft_nearest(ft_slice word, const char *const *names);

// 64-bit hash with a seed (wyhash family); not for hostile tables without a random seed.
FT_API uint64_t ft_hash(ft_slice text, uint64_t seed);
