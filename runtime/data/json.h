// JSON as RFC 8259 has it, hostile or not: a pull reader that allocates nothing, and a writer.
//
// The reader walks the text in place: strings come as slices of it, numbers keep their text. Depth
// is bounded. Errors say the byte offset. Accepts exactly one value with white space around it;
// invalid UTF-8 is refused.
#pragma once

#include "runtime/memory/arena.h"
#include "runtime/slice.h"

typedef enum ft_json_kind {
    FT_JSON_NULL,
    FT_JSON_FALSE,
    FT_JSON_TRUE,
    FT_JSON_NUMBER,
    FT_JSON_STRING,
    FT_JSON_ARRAY,
    FT_JSON_OBJECT,
} ft_json_kind;

enum { FT_JSON_DEPTH_MAX = 256 };

typedef struct ft_json {
    const char *text;  // Start of all of it.
    size_t size, at;   // `at`: next byte to read.
    int depth;
    bool has_escapes;  // Of the last string.
} ft_json;

typedef struct ft_json_value {
    ft_json_kind kind;
    ft_slice text;     // Scalars: as written (strings without their quotes, escapes undone by
                       // ft_json_unescape).
    bool has_escapes;  // Strings.
} ft_json_value;

void ft_json_init(ft_json *json, ft_slice text);
// Reads the next value: a scalar whole; an array or object only its opening, then _next_element /
// _next_member walk it.
bool ft_json_read(ft_json *json, ft_json_value *out, ft_error *err) FT_MUST_CHECK;
// Whether the value that is next is a string. Then _read_text reads it and undoes its escapes in
// one pass, into `out`, which has room for as many bytes as are left of the text.
bool ft_json_is_at_text(ft_json *json);
bool ft_json_read_text(ft_json *json, char *out, size_t *out_size, ft_error *err) FT_MUST_CHECK;
// Inside an array: `*out_more` false at its end (which is consumed), else the element is to be read
// or skipped next. `first` is true in the first call for this array, and is set to false by it.
bool ft_json_next_element(ft_json *json, bool *first, bool *out_more, ft_error *err) FT_MUST_CHECK;
// The same for an object; the key (raw, see has_escapes in it) has been read, its value is next.
bool ft_json_next_member(ft_json *json, bool *first, bool *out_more, ft_json_value *out_key,
                         ft_error *err) FT_MUST_CHECK;
// Skips one value of any kind, fully checked; `out_text` (may be NULL) is its text.
bool ft_json_skip(ft_json *json, ft_slice *out_text, ft_error *err) FT_MUST_CHECK;
// After the outermost value: only white space may follow.
bool ft_json_end(ft_json *json, ft_error *err) FT_MUST_CHECK;
// One value, nothing else: checks all of it.
bool ft_json_check(ft_slice text, ft_error *err) FT_MUST_CHECK;
// Undoes the escapes of a string's text; writes at most text.size bytes and returns how many. Lone
// surrogates fail.
bool ft_json_unescape(ft_slice text, char *out, size_t *out_size, ft_error *err) FT_MUST_CHECK;
// Does a key (as read) say `name`? Undoes escapes if it has any.
bool ft_json_key_is(const ft_json_value *key, const char *name);

// A small tree for configuration files (not for item data). Lives in the arena.
typedef struct ft_json_node {
    ft_json_kind kind;
    ft_slice text;                  // Strings unescaped; numbers as written.
    size_t count;                   // Of elements or members.
    struct ft_json_node *children;  // [count]
    ft_slice *keys;  // Objects: [count], unescaped, in the file's order; duplicates are refused.
} ft_json_node;
bool ft_json_parse(ft_slice text, ft_arena *arena, ft_json_node **out, ft_error *err) FT_MUST_CHECK;
// The same of a file, of at most `bound_bytes`. Errors name it.
bool ft_json_parse_file(const char *path, ft_arena *arena, size_t bound_bytes,
                        const ft_json_node **out, ft_error *err) FT_MUST_CHECK;
const ft_json_node *ft_json_find(const ft_json_node *object,
                                 const char *key);  // NULL when not there or not an object.
bool ft_json_get_int(const ft_json_node *node, int64_t *out);  // False: not an integer in range.
bool ft_json_get_float(const ft_json_node *node, double *out);

// Appends `text` as a JSON string with quotes. `text` must be valid UTF-8 (non-ASCII is left as it
// is).
void ft_json_put_string(ft_text *out, ft_slice text);
// The same without the quotes, to put a long text in pieces.
void ft_json_put_escaped(ft_text *out, ft_slice text);
void ft_json_put_float(ft_text *out, double value);  // inf and nan, which JSON has not, as null.
