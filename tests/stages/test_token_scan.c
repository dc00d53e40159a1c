// What is done with every byte of a compiled tokenizer: each instruction set gives what plain
// loops give.
#include <string.h>

#include "runtime/memory/alloc.h"
#include "runtime/random.h"
#include "runtime/slice.h"
#include "stages/nn/kernel/isa.h"
#include "stages/text/token_scan.h"
#include "tests/check.h"

enum { BYTES = 4096 };

static const ft_token_scan *const scans[] = {
    &ft_token_scan_plain,
#ifdef __x86_64__
    &ft_token_scan_avx2,
#endif
};

static size_t count_scans(void)
{
    return ft_isa_has(FT_ISA_AVX2) ? FT_COUNT_OF(scans) : 1;
}

// Three bytes before it are zeros.
static uint8_t *make_room(void)
{
    uint8_t *room = ft_alloc_zero(BYTES + FT_TOKEN_SCAN_BEFORE, 1);

    check_true(room != NULL);
    return room;
}

// As many whole blocks as `size` needs, zeros behind it.
static void check_text(const uint8_t *text, size_t size)
{
    uint8_t *room = make_room();
    bool want = ft_utf8_valid_prefix((ft_slice){(const char *)text, size}) == size;

    check_true(size < BYTES);
    memcpy(room + FT_TOKEN_SCAN_BEFORE, text, size);
    for (size_t i = 0; i < count_scans(); i++)
        check_true(scans[i]->is_utf8(room + FT_TOKEN_SCAN_BEFORE, size / FT_TOKEN_SCAN_BLOCK + 1) ==
                   want);
    ft_free(room);
}

// Every two bytes, and every three and four of which the others can be anything that matters, at
// the border of two blocks.
TEST(utf8_is_what_it_is_elsewhere)
{
    static const uint8_t rests[] = {0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90,
                                    0x9f, 0xa0, 0xbf, 0xc2, 0xff};
    uint8_t text[40];

    memset(text, 'a', sizeof(text));
    for (size_t at = FT_TOKEN_SCAN_BLOCK - 4; at <= FT_TOKEN_SCAN_BLOCK; at++) {
        for (unsigned lead = 0x7f; lead < 256; lead++) {
            text[at] = (uint8_t)lead;
            for (size_t i = 0; i < sizeof(rests); i++) {
                for (size_t k = 0; k < sizeof(rests); k++) {
                    const uint8_t last[] = {'a', 0x80, 0xbf};
                    for (size_t n = 0; n < sizeof(last); n++) {
                        text[at + 1] = rests[i];
                        text[at + 2] = rests[k];
                        text[at + 3] = last[n];
                        check_text(text, sizeof(text));
                        check_text(text, at + 1);
                        check_text(text, at + 2);
                    }
                }
            }
        }
        memset(text, 'a', sizeof(text));
    }
}

// The same sum everywhere, and another for every bit that changes and for stripes that change
// places.
TEST(sums_tell_changes)
{
    enum { STRIPES = 5, SIZE = STRIPES * FT_TOKEN_SCAN_STRIPE };
    uint8_t *room = make_room(), stripe[FT_TOKEN_SCAN_STRIPE];
    ft_random random;

    ft_random_init(&random, 7, 0);
    for (size_t i = 0; i < SIZE; i++)
        room[i] = (uint8_t)ft_random_next(&random);
    for (size_t i = 0; i < count_scans(); i++) {
        const uint64_t sum = scans[i]->sum(room, STRIPES, 1);
        check_true(sum == scans[0]->sum(room, STRIPES, 1));
        check_true(sum != scans[i]->sum(room, STRIPES, 2));
        check_true(sum != scans[i]->sum(room, STRIPES - 1, 1));
        for (size_t bit = 0; bit < 8 * SIZE; bit++) {
            room[bit / 8] ^= (uint8_t)(1 << bit % 8);
            check_true(sum != scans[i]->sum(room, STRIPES, 1));
            room[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        memcpy(stripe, room, sizeof(stripe));
        memmove(room, room + sizeof(stripe), sizeof(stripe));
        memcpy(room + sizeof(stripe), stripe, sizeof(stripe));
        check_true(sum != scans[i]->sum(room, STRIPES, 1));
    }
    ft_free(room);
}

// All numbers but one are fine, at every place.
TEST(what_leads_out_is_found)
{
    enum { NODES = 70 };
    static const int32_t numbers[] = {INT32_MIN, -2, -1, 0, 1, 255, 256, 511, 512, INT32_MAX};
    ft_trie_node nodes[NODES] = {0};
    ft_vocab_slot slots[NODES] = {0};

    for (size_t i = 0; i < count_scans(); i++) {
        for (size_t at = 0; at < NODES; at++) {
            for (size_t k = 0; k < FT_COUNT_OF(numbers); k++) {
                const int32_t number = numbers[k];
                nodes[at].base = number;
                check_true(scans[i]->are_inside(nodes, NODES, 512, 255) ==
                           (number >= 0 && number < 512));
                nodes[at].base = 511;
                nodes[at].check = number;  // Is compared only.
                nodes[at].value = number;
                check_true(scans[i]->are_inside(nodes, NODES, 512, 255) ==
                           (number >= -1 && number <= 255));
                nodes[at].value = -1;
                slots[at] = (ft_vocab_slot){(uint32_t)number, (uint32_t)number};
                check_true(scans[i]->are_slots(slots, NODES, 256) ==
                           (number >= -1 && number < 256));
                slots[at].record = 255;
            }
        }
    }
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
