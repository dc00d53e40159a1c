// Head, arrays, notes. What is taken of an opened image is checked before it is believed.
#include "stages/text/token_image.h"

#include <assert.h>
#include <string.h>

#include "runtime/memory/alloc.h"
#include "stages/text/token_scan.h"

enum { ALIGNMENT = 64, BUILD_BYTES = 32, VERSION = 2, PIECE_BYTES = 1 << 15 };
#define BYTES_MAX ((size_t)1 << 31)

typedef struct image_head {
    char magic[8];
    uint64_t byte_order;  // As this machine has it.
    uint32_t version, head_bytes;
    uint8_t build[BUILD_BYTES];  // Of the program, zeros behind it.
    uint64_t file_bytes, notes_at;
    uint64_t checksum;  // Of the head, with 0 here, and the notes.
    uint8_t rest[48];
} image_head;

static_assert(sizeof(image_head) == 2 * ALIGNMENT, "arrays begin behind it");

static const char magic[8] = {'f', 't', 'p', 'i', 'p', 'e', 0x1a, 'k'};
static const uint64_t byte_order = UINT64_C(0x0102030405060708);

// ---- checksum ----

// What is left of the last stripe goes by the hash of short texts.
static uint64_t checksum_of(ft_slice bytes, uint64_t seed)
{
    const size_t stripes = bytes.size / FT_TOKEN_SCAN_STRIPE;
    const size_t whole = stripes * FT_TOKEN_SCAN_STRIPE;
    uint64_t sum =
        ft_token_scan_choose()->sum((const uint8_t *)bytes.data, stripes, seed ^ bytes.size);

    return ft_hash((ft_slice){bytes.data + whole, bytes.size - whole}, sum);
}

static uint64_t checksum_head(image_head head, ft_slice notes)
{
    head.checksum = 0;
    return checksum_of(notes, ft_hash((ft_slice){(const char *)&head, sizeof(head)}, VERSION));
}

// Of an array, piece by piece; `*is_right` becomes false when `look` says so.
static uint64_t checksum_array(const char *items, size_t count, size_t item_bytes,
                               ft_image_look *look, void *host, bool *is_right)
{
    const size_t most = PIECE_BYTES / item_bytes;
    uint64_t sum = count;

    for (size_t from = 0; from < count; from += most) {
        size_t piece = count - from < most ? count - from : most;
        sum = checksum_of((ft_slice){items + from * item_bytes, piece * item_bytes}, sum);
        *is_right = *is_right && (!look || look(items + from * item_bytes, piece, host));
    }
    return sum;
}

// ---- making ----

void ft_image_init(ft_image *image, ft_arena *arena)
{
    *image = (ft_image){.is_made = true, .arena = arena};
    ft_text_init(&image->arrays, BYTES_MAX);
    ft_text_init(&image->notes, BYTES_MAX);
}

void ft_image_finish(ft_image *image)
{
    ft_text_finish(&image->arrays);
    ft_text_finish(&image->notes);
    *image = (ft_image){0};
}

static void pad(ft_text *arrays)
{
    static const char zeros[ALIGNMENT];

    ft_text_append(arrays, (ft_slice){zeros, (ALIGNMENT - arrays->size % ALIGNMENT) % ALIGNMENT});
}

static image_head head_of(ft_slice build)
{
    image_head head = {
        .byte_order = byte_order, .version = VERSION, .head_bytes = sizeof(image_head)};

    memcpy(head.magic, magic, sizeof(magic));
    memcpy(head.build, build.data, build.size < BUILD_BYTES ? build.size : BUILD_BYTES);
    return head;
}

void ft_image_seal(char *bytes, size_t size)
{
    image_head head;

    memcpy(&head, bytes, sizeof(head));
    head.file_bytes = size;
    head.checksum = 0;
    if (head.notes_at <= size)
        head.checksum =
            checksum_head(head, (ft_slice){bytes + head.notes_at, size - (size_t)head.notes_at});
    memcpy(bytes, &head, sizeof(head));
}

bool ft_image_print(ft_image *image, ft_slice build, ft_slice *out, ft_error *err)
{
    image_head head = head_of(build);

    // What is read behind the last array is zeros, or notes.
    pad(&image->arrays);
    if (!ft_text_check(&image->arrays, err) || !ft_text_check(&image->notes, err))
        return false;
    ft_slice arrays = ft_text_get(&image->arrays), notes = ft_text_get(&image->notes);
    head.notes_at = sizeof(head) + arrays.size;
    size_t size = sizeof(head) + arrays.size + notes.size;
    char *bytes = ft_alloc_aligned(size, ALIGNMENT);
    if (!bytes)
        return ft_fail_nomem(err, size);
    memcpy(bytes, &head, sizeof(head));
    if (arrays.size > 0)
        memcpy(bytes + sizeof(head), arrays.data, arrays.size);
    if (notes.size > 0)
        memcpy(bytes + head.notes_at, notes.data, notes.size);
    ft_image_seal(bytes, size);
    *out = (ft_slice){bytes, size};
    return true;
}

// ---- opening ----

bool ft_image_fail(ft_image *image, const char *fault)
{
    image->fault = image->fault ? image->fault : fault;
    return false;
}

bool ft_image_check(ft_image *image, bool is_right, const char *fault)
{
    if (!is_right)
        ft_image_fail(image, fault);
    return image->fault == NULL;
}

bool ft_image_open(ft_image *image, ft_slice bytes, ft_slice build, ft_arena *arena)
{
    const image_head wanted = head_of(build);
    image_head head;

    *image = (ft_image){.bytes = bytes, .arena = arena};
    if (bytes.size < sizeof(head) || (uintptr_t)bytes.data % ALIGNMENT != 0)
        return ft_image_fail(image, "it is cut off");
    memcpy(&head, bytes.data, sizeof(head));
    if (memcmp(head.magic, magic, sizeof(magic)) != 0)
        return ft_image_fail(image, "it is something else");
    if (head.byte_order != byte_order)
        return ft_image_fail(image, "it is of a machine of another byte order");
    if (head.version != VERSION || head.head_bytes != sizeof(head) ||
        memcmp(head.build, wanted.build, BUILD_BYTES) != 0)
        return ft_image_fail(image, "it is of another version of the program");
    if (head.file_bytes != bytes.size || head.notes_at < sizeof(head) || head.notes_at > bytes.size)
        return ft_image_fail(image, "it is cut off");
    ft_slice notes = {bytes.data + head.notes_at, bytes.size - (size_t)head.notes_at};
    if (checksum_head(head, notes) != head.checksum)
        return ft_image_fail(image, "its checksum is wrong");
    image->notes_at = image->at = (size_t)head.notes_at;
    return true;
}

// The next bytes of the notes; NULL: there are not so many.
static const char *next(ft_image *image, size_t size)
{
    if (!ft_image_check(image,
                        image->at <= image->bytes.size && size <= image->bytes.size - image->at,
                        "its notes are cut off"))
        return NULL;
    image->at += size;
    return image->bytes.data + image->at - size;
}

// ---- both ----

uint64_t ft_image_number(ft_image *image, uint64_t value, uint64_t most)
{
    if (image->is_made) {
        ft_text_append(&image->notes, (ft_slice){(const char *)&value, sizeof(value)});
        return value;
    }
    const char *bytes = next(image, sizeof(value));
    if (!bytes)
        return 0;
    memcpy(&value, bytes, sizeof(value));
    return ft_image_check(image, value <= most, "a number is out of range") ? value : 0;
}

void ft_image_double(ft_image *image, double *value)
{
    uint64_t bits = 0;

    if (image->is_made)
        memcpy(&bits, value, sizeof(bits));
    bits = ft_image_number(image, bits, UINT64_MAX);
    memcpy(value, &bits, sizeof(bits));
}

size_t ft_image_count(ft_image *image, size_t count)
{
    uint64_t most = image->is_made ? SIZE_MAX : (image->bytes.size - image->at) / sizeof(count);

    return (size_t)ft_image_number(image, count, most);
}

void *ft_image_alloc(ft_image *image, size_t count, size_t item_bytes)
{
    void *made = ft_arena_zero(image->arena, count, item_bytes);

    if (!made)
        ft_image_fail(image, "there is no memory for it");
    return made;
}

void ft_image_bytes(ft_image *image, ft_slice *bytes)
{
    size_t size = (size_t)ft_image_number(image, bytes->size, SIZE_MAX);

    if (image->is_made) {
        ft_text_append(&image->notes, *bytes);
        return;
    }
    const char *data = next(image, size);
    *bytes = (ft_slice){data ? data : "", data ? size : 0};
}

void ft_image_text(ft_image *image, ft_slice *text)
{
    ft_image_bytes(image, text);
    if (!image->is_made &&
        !ft_image_check(image, ft_utf8_valid_prefix(*text) == text->size, "a text is not UTF-8"))
        *text = (ft_slice){"", 0};
}

void ft_image_array(ft_image *image, const void **items, size_t *count, size_t item_bytes,
                    ft_image_look *look, void *host)
{
    static const uint64_t nothing[8];
    size_t bytes = 0, at = image->arrays.size + sizeof(image_head);
    bool is_right = true;

    if (image->is_made) {
        ft_image_number(image, at, UINT64_MAX);
        ft_image_number(image, *count, UINT64_MAX);
        ft_image_number(image, item_bytes, UINT64_MAX);
        ft_image_number(image, checksum_array(*items, *count, item_bytes, NULL, NULL, &is_right),
                        UINT64_MAX);
        if (*count > 0)
            ft_text_append(&image->arrays, (ft_slice){*items, *count * item_bytes});
        pad(&image->arrays);
        return;
    }
    at = (size_t)ft_image_number(image, 0, image->notes_at);
    *count = (size_t)ft_image_number(image, 0, image->notes_at);
    size_t found_bytes = (size_t)ft_image_number(image, 0, SIZE_MAX);
    uint64_t checksum = ft_image_number(image, 0, UINT64_MAX);
    bool is_there = ft_image_check(image,
                                   found_bytes == item_bytes && at % ALIGNMENT == 0 &&
                                       !FT_MUL_OVERFLOWS(*count, item_bytes, &bytes) &&
                                       bytes <= image->notes_at - at,
                                   "an array is not in it");
    *items = is_there ? image->bytes.data + at : (const char *)nothing;
    *count = is_there ? *count : 0;
    if (is_there)
        ft_image_check(image,
                       checksum_array(*items, *count, item_bytes, look, host, &is_right) ==
                               checksum ||
                           image->is_unsummed,
                       "the checksum of an array is wrong");
    ft_image_check(image, is_right, "an array leads out of what there is");
}

bool ft_image_table(ft_image *image, const void **items, size_t count, size_t item_bytes,
                    ft_image_look *look, void *host)
{
    size_t found = count;

    ft_image_array(image, items, &found, item_bytes, look, host);
    return ft_image_check(image, found == count, "an array has another size");
}
