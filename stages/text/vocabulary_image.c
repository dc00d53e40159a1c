// A vocabulary to and from an image, where its texts are valid UTF-8, records lie in them end to
// end, and the hash table has a free slot, so that a search ends.
#include <string.h>

#include "stages/text/token_image.h"
#include "stages/text/token_scan.h"
#include "stages/text/vocabulary.h"

enum { TABLE_BITS_MAX = 26 };

static const char fault[] = "the vocabulary is wrong";

// What is known while the arrays are taken, in this order.
typedef struct looked {
    ft_vocab vocab;  // Its sizes, then its texts.
    bool is_text;
    size_t text_bytes, text_at;  // Without the tail; how many were looked at.
    size_t offset;               // Where the next record's text begins.
} looked;

// Texts are UTF-8. The first bytes of a piece and the last go through `edge`: before the first
// piece there is nothing, and behind the last one's end there are zeros.
static bool look_at_texts(const void *items, size_t count, void *host)
{
    enum { BEFORE = FT_TOKEN_SCAN_BEFORE, BLOCK = FT_TOKEN_SCAN_BLOCK };
    looked *l = host;
    const ft_token_scan *scan = ft_token_scan_choose();
    const uint8_t *bytes = items;
    uint8_t edge[BEFORE + BLOCK] = {0};
    const size_t before = l->text_at < BEFORE ? l->text_at : BEFORE;
    const size_t first = count < BLOCK ? count : BLOCK;

    l->text_at += count;
    if (!l->is_text)
        return true;
    memcpy(edge + BEFORE - before, bytes - before, before);
    memcpy(edge + BEFORE, bytes, first);
    if (!scan->is_utf8(edge + BEFORE, 1))
        return false;
    const size_t blocks = (count - first) / BLOCK, at = first + blocks * BLOCK;
    if (!scan->is_utf8(bytes + first, blocks))
        return false;
    if (at == count)
        return true;
    memset(edge, 0, sizeof(edge));
    memcpy(edge, bytes + at - BEFORE, count - at + BEFORE);
    return scan->is_utf8(edge + BEFORE, 1);
}

// Records lie end to end in the texts.
static bool look_at_records(const void *items, size_t count, void *host)
{
    looked *l = host;
    const ft_vocab_record *records = items;
    const char *texts = l->vocab.texts;
    size_t offset = l->offset;
    bool is_wrong = false;

    for (size_t i = 0; i < count; i++) {
        const ft_vocab_record record = records[i];
        is_wrong |= record.offset != offset;
        is_wrong |= record.size > l->vocab.longest;
        is_wrong |= (uint32_t)record.id + 1 > FT_VOCAB_ID_MAX + 1;
        offset += record.size;
        if (offset > l->text_bytes)
            return false;
        // At a border of characters: the whole is UTF-8.
        is_wrong |= l->is_text && ((uint8_t)texts[offset] & 0xc0) == 0x80;
    }
    l->offset = offset;
    return !is_wrong;
}

static bool look_at_order(const void *items, size_t count, void *host)
{
    const looked *l = host;
    const uint32_t *order = items;
    bool is_wrong = false;

    for (size_t i = 0; i < count; i++)
        is_wrong |= order[i] >= l->vocab.count;
    return !is_wrong;
}

static bool look_at_slots(const void *items, size_t count, void *host)
{
    const looked *l = host;

    return ft_token_scan_choose()->are_slots(items, count, l->vocab.count);
}

// Usually one of the first: at most half of them are taken.
static bool has_free_slot(const ft_vocab_slot *slots, size_t count)
{
    size_t at = 0;

    while (at < count && slots[at].record != UINT32_MAX)
        at++;
    return at < count;
}

static void transfer_texts(looked *l, ft_image *image)
{
    const void *texts = l->vocab.texts;
    size_t bytes = FT_VOCAB_TAIL;

    for (size_t i = 0; image->is_made && i < l->vocab.count; i++)
        bytes += l->vocab.records[i].size;
    ft_image_array(image, &texts, &bytes, 1, look_at_texts, l);
    ft_image_check(image, bytes >= FT_VOCAB_TAIL, fault);
    l->text_bytes = bytes - FT_VOCAB_TAIL;
    l->vocab.texts = texts;
}

void ft_vocab_transfer(ft_vocab *vocab, bool is_text, ft_image *image)
{
    looked l = {.vocab = *vocab, .is_text = is_text};
    ft_vocab *v = &l.vocab;
    const void *records = v->records, *order = v->order, *slots = v->slots;
    unsigned bits = image->is_made ? 64 - v->shift : 0;
    bool has_order = v->order != NULL;

    FT_IMAGE_FIELD(image, bits, TABLE_BITS_MAX);
    FT_IMAGE_FIELD(image, v->count, FT_VOCAB_ID_MAX);
    FT_IMAGE_FIELD(image, v->longest, FT_PIECE_BYTES_MAX);
    FT_IMAGE_FIELD(image, v->ordered, v->count);
    FT_IMAGE_FIELD(image, has_order, 1);
    transfer_texts(&l, image);
    ft_image_table(image, &records, v->count, sizeof(*v->records), look_at_records, &l);
    if (has_order)
        ft_image_table(image, &order, v->ordered, sizeof(*v->order), look_at_order, &l);
    ft_image_check(image, bits > 0, fault);
    ft_image_table(image, &slots, (size_t)1 << bits, sizeof(*v->slots), look_at_slots, &l);
    if (image->is_made || !ft_image_check(image, l.offset == l.text_bytes, fault) || image->fault ||
        !ft_image_check(image, has_free_slot(slots, (size_t)1 << bits), fault))
        return;
    v->records = records;
    v->order = order;
    v->slots = slots;
    v->shift = 64 - bits;
    *vocab = *v;
}
