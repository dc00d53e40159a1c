// Reads safetensors files.
//
//   u64 size of the header | header: {"name": {"dtype", "shape", "data_offsets": [begin, end]},
//   ...} | data
//
// Two walks over the header, the first to count tensors, so that one table holds them. Of several
// entries with one name the last counts, as in the reference library. Then, ordered by their
// offsets, the tensors must cover the data exactly.
#include "stages/nn/safetensors.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/data/json.h"
#include "runtime/system/file.h"

// ---- the header ----

typedef struct header {
    ft_json json;
    ft_arena *arena;
    ft_weight *tensors;
    size_t count;
} header;

static bool fail_header(ft_error *err, const char *what)
{
    return ft_fail(err, FT_ERROR_DATA, "wrong header: %s", what);
}

static bool fail_in_tensor(const ft_weight *tensor, ft_error *err)
{
    if (err->code == FT_ERROR_DATA)
        ft_error_while(err, "tensor `%.*s`",
                       (int)(tensor->name.size < 100 ? tensor->name.size : 100), tensor->name.data);
    return false;
}

static bool read_kind(ft_json_value value, ft_weight_kind *out, ft_error *err)
{
    if (value.kind != FT_JSON_STRING)
        return fail_header(err, "`dtype` is not a string");
    for (int kind = 0; kind < FT_WEIGHT_PLAIN_COUNT; kind++)
        if (!value.has_escapes &&
            ft_slice_is(value.text, ft_weight_kind_name((ft_weight_kind)kind))) {
            *out = (ft_weight_kind)kind;
            return true;
        }
    return ft_fail(err, FT_ERROR_DATA, "wrong header: unknown dtype `%.*s`",
                   (int)(value.text.size < 40 ? value.text.size : 40), value.text.data);
}

// A whole number from 0 to 2^64 - 1, written as one.
static bool read_size(header *h, uint64_t *out, ft_error *err)
{
    ft_json_value value;
    uint64_t number = 0;

    if (!ft_json_read(&h->json, &value, err))
        return false;
    if (value.kind != FT_JSON_NUMBER)
        return fail_header(err, "a shape or an offset is not a number");
    for (size_t i = 0; i < value.text.size; i++) {
        const char digit = value.text.data[i];
        if (digit < '0' || digit > '9')
            return fail_header(err, "a shape or an offset is not a whole number");
        if (FT_MUL_OVERFLOWS(number, 10U, &number) ||
            FT_ADD_OVERFLOWS(number, (uint64_t)(digit - '0'), &number))
            return fail_header(err, "a shape or an offset is out of range");
    }
    *out = number;
    return true;
}

// The numbers of an array; `out` NULL: only counts them. Leaves the reader behind the array.
static bool read_sizes(header *h, uint64_t *out, size_t *out_count, ft_error *err)
{
    ft_json_value value;
    bool first = true, more = false;
    size_t count = 0;

    if (!ft_json_read(&h->json, &value, err))
        return false;
    if (value.kind != FT_JSON_ARRAY)
        return fail_header(err, "a shape or `data_offsets` is not an array");
    for (;; count++) {
        uint64_t size = 0;
        if (!ft_json_next_element(&h->json, &first, &more, err))
            return false;
        if (!more)
            break;
        if (!read_size(h, &size, err))
            return false;
        if (out)
            out[count] = size;
    }
    *out_count = count;
    return true;
}

static bool read_shape(header *h, ft_weight *tensor, ft_error *err)
{
    const ft_json start = h->json;
    size_t count = 0;

    if (!read_sizes(h, NULL, &count, err))
        return false;
    uint64_t *shape = ft_arena_zero(h->arena, count + 1, sizeof(*shape));
    if (!shape)
        return ft_fail_nomem(err, (count + 1) * sizeof(*shape));
    h->json = start;
    tensor->shape = shape;
    return read_sizes(h, shape, &tensor->rank, err);
}

static bool read_offsets(header *h, ft_weight *tensor, ft_error *err)
{
    const ft_json start = h->json;
    uint64_t offsets[2];
    size_t count = 0;

    if (!read_sizes(h, NULL, &count, err))
        return false;
    if (count != 2)
        return fail_header(err, "`data_offsets` is not a pair");
    h->json = start;
    if (!read_sizes(h, offsets, &count, err))
        return false;
    if (offsets[0] > SIZE_MAX || offsets[1] > SIZE_MAX)
        return fail_header(err, "an offset is out of range");
    tensor->begin = (size_t)offsets[0];
    tensor->end = (size_t)offsets[1];
    return true;
}

static bool read_member(header *h, ft_json_value key, ft_weight *tensor, unsigned *seen,
                        ft_error *err)
{
    static const char *const names[] = {"dtype", "shape", "data_offsets"};
    ft_json_value value;
    unsigned which = 0;

    while (which < 3 && !ft_json_key_is(&key, names[which]))
        which++;
    if (which == 3)
        return ft_json_skip(&h->json, NULL, err);
    if (*seen & (1U << which))
        return ft_fail(err, FT_ERROR_DATA, "wrong header: `%s` twice in one entry", names[which]);
    *seen |= 1U << which;
    if (which == 0)
        return ft_json_read(&h->json, &value, err) && read_kind(value, &tensor->kind, err);
    return which == 1 ? read_shape(h, tensor, err) : read_offsets(h, tensor, err);
}

static bool read_tensor(header *h, ft_weight *tensor, ft_error *err)
{
    ft_json_value value;
    bool first = true, more = false;
    unsigned seen = 0;

    if (!ft_json_read(&h->json, &value, err))
        return false;
    if (value.kind != FT_JSON_OBJECT)
        return fail_header(err, "an entry is not an object");
    for (;;) {
        if (!ft_json_next_member(&h->json, &first, &more, &value, err))
            return false;
        if (!more)
            break;
        if (!read_member(h, value, tensor, &seen, err))
            return false;
    }
    return seen == 7 || fail_header(err, "an entry lacks `dtype`, `shape` or `data_offsets`");
}

// {"name": "text", ...} or null: nothing here is needed, but all of it is checked.
static bool skip_metadata(header *h, ft_error *err)
{
    ft_json_value value;
    bool first = true, more = false;

    if (!ft_json_read(&h->json, &value, err))
        return false;
    if (value.kind == FT_JSON_NULL)
        return true;
    if (value.kind != FT_JSON_OBJECT)
        return fail_header(err, "`__metadata__` is not an object");
    for (;;) {
        if (!ft_json_next_member(&h->json, &first, &more, &value, err))
            return false;
        if (!more)
            return true;
        if (!ft_json_read(&h->json, &value, err))
            return false;
        if (value.kind != FT_JSON_STRING)
            return fail_header(err, "a value of `__metadata__` is not a string");
    }
}

static bool copy_name(header *h, ft_json_value key, ft_slice *out, ft_error *err)
{
    *out = key.text;
    if (!key.has_escapes)
        return true;
    char *name = ft_arena_alloc(h->arena, key.text.size + 1);
    if (!name)
        return ft_fail_nomem(err, key.text.size + 1);
    *out = (ft_slice){name, 0};
    return ft_json_unescape(key.text, name, &out->size, err);
}

// With h->tensors NULL only counts.
static bool walk_header(header *h, ft_slice text, ft_error *err)
{
    ft_json_value value;
    bool first = true, more = false, has_metadata = false;

    ft_json_init(&h->json, text);
    h->count = 0;
    if (!ft_json_read(&h->json, &value, err))
        return false;
    if (value.kind != FT_JSON_OBJECT)
        return fail_header(err, "not an object");
    for (;;) {
        if (!ft_json_next_member(&h->json, &first, &more, &value, err))
            return false;
        if (!more)
            break;
        if (ft_json_key_is(&value, "__metadata__")) {
            if (has_metadata)
                return fail_header(err, "`__metadata__` twice");
            has_metadata = true;
            if (!skip_metadata(h, err))
                return false;
            continue;
        }
        if (!h->tensors) {
            if (!ft_json_skip(&h->json, NULL, err))
                return false;
        } else if (!copy_name(h, value, &h->tensors[h->count].name, err)) {
            return false;
        } else if (!read_tensor(h, &h->tensors[h->count], err)) {
            return fail_in_tensor(&h->tensors[h->count], err);
        }
        h->count++;
    }
    return ft_json_end(&h->json, err);
}

// ---- checks of the whole ----

static int compare_names(const void *a, const void *b)
{
    const ft_weight *x = a, *y = b;
    const int order = ft_slice_compare(x->name, y->name);

    // `rank` etc. say nothing of the order in the file; `data` holds it until the data part is
    // known.
    if (order)
        return order;
    return x->data < y->data ? -1 : x->data > y->data;
}

static int compare_offsets(const void *a, const void *b)
{
    const ft_weight *x = *(const ft_weight *const *)a, *y = *(const ft_weight *const *)b;

    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

// Sorts by name; of equal names the last in the file stays.
static void sort_tensors(ft_safetensors *file)
{
    size_t kept = 0;

    for (size_t i = 0; i < file->count; i++)
        file->tensors[i].data = file->bytes.data + i;
    qsort(file->tensors, file->count, sizeof(*file->tensors), compare_names);
    for (size_t i = 0; i < file->count; i++) {
        if (kept > 0 && ft_slice_equal(file->tensors[kept - 1].name, file->tensors[i].name))
            kept--;
        file->tensors[kept++] = file->tensors[i];
    }
    file->count = kept;
}

static bool fail_tensor(ft_error *err, const ft_weight *tensor, const char *what)
{
    return ft_fail(err, FT_ERROR_DATA, "tensor `%.*s`: %s",
                   (int)(tensor->name.size < 120 ? tensor->name.size : 120), tensor->name.data,
                   what);
}

static bool check_size(ft_weight *tensor, ft_error *err)
{
    uint64_t elements = 1, bits;

    for (size_t i = 0; i < tensor->rank; i++)
        if (FT_MUL_OVERFLOWS(elements, tensor->shape[i], &elements))
            return fail_tensor(err, tensor, "the shape is too large");
    if (FT_MUL_OVERFLOWS(elements, (uint64_t)ft_weight_kind_bits(tensor->kind), &bits))
        return fail_tensor(err, tensor, "the shape is too large");
    if (bits % 8 != 0)
        return fail_tensor(err, tensor, "the elements do not fill whole bytes");
    if (bits / 8 != tensor->end - tensor->begin)
        return fail_tensor(err, tensor, "shape and `data_offsets` disagree");
    tensor->elements = (size_t)elements;
    return true;
}

// From the first byte of the data to the last, every byte belongs to one tensor.
static bool check_cover(ft_safetensors *file, ft_arena *arena, size_t data_bytes, ft_error *err)
{
    size_t at = 0;

    if (file->count > 0) {
        ft_weight **order = ft_arena_zero(arena, file->count, sizeof(*order));
        if (!order)
            return ft_fail_nomem(err, file->count * sizeof(*order));
        for (size_t i = 0; i < file->count; i++)
            order[i] = &file->tensors[i];
        qsort(order, file->count, sizeof(*order), compare_offsets);
        for (size_t i = 0; i < file->count; i++) {
            if (order[i]->begin != at || order[i]->end < at)
                return fail_tensor(err, order[i], "overlaps its neighbour or leaves a gap");
            if (!check_size(order[i], err))
                return false;
            at = order[i]->end;
        }
    }
    if (at > data_bytes)
        return ft_fail(err, FT_ERROR_DATA, "truncated: the tensors need %zu bytes, %zu are there",
                       at, data_bytes);
    if (at < data_bytes)
        return ft_fail(err, FT_ERROR_DATA, "%zu bytes behind the last tensor", data_bytes - at);
    return true;
}

static uint64_t read_little_endian(const char *bytes)
{
    uint64_t value = 0;

    for (int i = 7; i >= 0; i--)
        value = value << 8 | (unsigned char)bytes[i];
    return value;
}

static bool cut_header(ft_slice bytes, ft_slice *out_header, ft_slice *out_data, ft_error *err)
{
    if (bytes.size < 8)
        return ft_fail(err, FT_ERROR_DATA, "not a safetensors file: only %zu bytes", bytes.size);
    const uint64_t size = read_little_endian(bytes.data);
    if (size > FT_SAFETENSORS_HEADER_MAX)
        return ft_fail(err, FT_ERROR_DATA, "not a safetensors file: a header of %" PRIu64 " bytes",
                       size);
    if (size > bytes.size - 8)
        return ft_fail(err, FT_ERROR_DATA,
                       "truncated: the header needs %" PRIu64 " bytes, %zu are there", size,
                       bytes.size - 8);
    *out_header = (ft_slice){bytes.data + 8, (size_t)size};
    *out_data = (ft_slice){bytes.data + 8 + size, bytes.size - 8 - (size_t)size};
    return true;
}

bool ft_safetensors_parse(ft_slice bytes, ft_arena *arena, ft_safetensors **out, ft_error *err)
{
    ft_slice text = {0}, data = {0};
    header h = {.arena = arena};

    if (!cut_header(bytes, &text, &data, err))
        return false;
    if (!walk_header(&h, text, err))
        return false;
    ft_safetensors *file = ft_arena_zero(arena, 1, sizeof(*file));
    ft_weight *tensors = ft_arena_zero(arena, h.count + 1, sizeof(*tensors));
    if (!file || !tensors)
        return ft_fail_nomem(err, (h.count + 1) * sizeof(*tensors));
    h.tensors = tensors;
    if (!walk_header(&h, text, err))
        return false;
    *file = (ft_safetensors){.count = h.count, .tensors = tensors, .bytes = bytes};
    sort_tensors(file);
    if (!check_cover(file, arena, data.size, err))
        return false;
    for (size_t i = 0; i < file->count; i++)
        tensors[i].data = data.data + tensors[i].begin;
    *out = file;
    return true;
}

bool ft_safetensors_open(const char *path, ft_arena *arena, ft_safetensors **out, ft_error *err)
{
    ft_slice bytes;

    if (!ft_file_map(path, arena, &bytes, err))
        return false;
    if (ft_safetensors_parse(bytes, arena, out, err)) {
        for (size_t i = 0; i < (*out)->count; i++)
            (*out)->tensors[i].is_mapped = true;
        return true;
    }
    if (err->code == FT_ERROR_DATA)
        ft_error_while(err, "%s", path);
    return false;
}

const ft_weight *ft_safetensors_find(const ft_safetensors *file, const char *name)
{
    const ft_slice want = ft_slice_of(name);
    size_t low = 0, high = file->count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = ft_slice_compare(file->tensors[middle].name, want);
        if (order == 0)
            return &file->tensors[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}
