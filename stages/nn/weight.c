// What is the same for tensors of all formats: their types, and values as floats.
#define _DEFAULT_SOURCE  // madvise
#include "stages/nn/weight.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/data/half.h"

typedef struct weight_kind {
    const char *name;
    unsigned bits;
} weight_kind;

static const weight_kind kinds[FT_WEIGHT_KIND_COUNT] = {
    [FT_WEIGHT_BOOL] = {"BOOL", 8},
    [FT_WEIGHT_F4] = {"F4", 4},
    [FT_WEIGHT_F6_E2M3] = {"F6_E2M3", 6},
    [FT_WEIGHT_F6_E3M2] = {"F6_E3M2", 6},
    [FT_WEIGHT_U8] = {"U8", 8},
    [FT_WEIGHT_I8] = {"I8", 8},
    [FT_WEIGHT_F8_E5M2] = {"F8_E5M2", 8},
    [FT_WEIGHT_F8_E4M3] = {"F8_E4M3", 8},
    [FT_WEIGHT_F8_E8M0] = {"F8_E8M0", 8},
    [FT_WEIGHT_F8_E4M3FNUZ] = {"F8_E4M3FNUZ", 8},
    [FT_WEIGHT_F8_E5M2FNUZ] = {"F8_E5M2FNUZ", 8},
    [FT_WEIGHT_I16] = {"I16", 16},
    [FT_WEIGHT_U16] = {"U16", 16},
    [FT_WEIGHT_F16] = {"F16", 16},
    [FT_WEIGHT_BF16] = {"BF16", 16},
    [FT_WEIGHT_I32] = {"I32", 32},
    [FT_WEIGHT_U32] = {"U32", 32},
    [FT_WEIGHT_F32] = {"F32", 32},
    [FT_WEIGHT_C64] = {"C64", 64},
    [FT_WEIGHT_F64] = {"F64", 64},
    [FT_WEIGHT_I64] = {"I64", 64},
    [FT_WEIGHT_U64] = {"U64", 64},
    [FT_WEIGHT_Q8_0] = {"Q8_0", 0},
    [FT_WEIGHT_Q4_0] = {"Q4_0", 0},
};

const char *ft_weight_kind_name(ft_weight_kind kind)
{
    return kinds[kind].name;
}

bool ft_weight_kind_is_float(ft_weight_kind kind)
{
    return kind == FT_WEIGHT_F32 || kind == FT_WEIGHT_F16 || kind == FT_WEIGHT_BF16 ||
           kind == FT_WEIGHT_F64 || kind == FT_WEIGHT_Q8_0 || kind == FT_WEIGHT_Q4_0;
}

unsigned ft_weight_kind_bits(ft_weight_kind kind)
{
    return kinds[kind].bits;
}

// As ggml has them (ggml-common.h): a half as scale, then 32 signed bytes, or 16 bytes whose low
// halves are elements 0 to 15 and whose high halves are elements 16 to 31, each less 8.
enum { BLOCK = 32, Q8_0_BYTES = 2 + BLOCK, Q4_0_BYTES = 2 + BLOCK / 2 };

static void read_blocks(const ft_weight *weight, size_t from, size_t count, float *out)
{
    const bool is_wide = weight->kind == FT_WEIGHT_Q8_0;

    for (size_t i = 0; i < count;) {
        const size_t first = (from + i) % BLOCK;
        const char *block = weight->data + (from + i) / BLOCK * (is_wide ? Q8_0_BYTES : Q4_0_BYTES);
        uint16_t half;
        memcpy(&half, block, sizeof(half));
        const float scale = ft_float_of_half(half);
        for (size_t k = first; k < BLOCK && i < count; k++, i++) {
            const unsigned char pair = (unsigned char)block[2 + k % (BLOCK / 2)];
            const int nibble = (k < BLOCK / 2 ? pair & 15 : pair >> 4) - 8;
            out[i] = scale * (float)(is_wide ? (signed char)block[2 + k] : nibble);
        }
    }
}

void ft_weight_read(const ft_weight *weight, size_t from, size_t count, float *out)
{
    const bool wide = weight->kind == FT_WEIGHT_F64;

    FT_ASSERT(from <= weight->elements && count <= weight->elements - from);
    if (weight->kind == FT_WEIGHT_F32) {
        if (count > 0)
            memcpy(out, weight->data + from * sizeof(float), count * sizeof(float));
        return;
    }
    FT_ASSERT(ft_weight_kind_is_float(weight->kind));
    if (weight->kind >= FT_WEIGHT_PLAIN_COUNT) {
        read_blocks(weight, from, count, out);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        uint16_t half;
        double number;
        if (wide) {
            memcpy(&number, weight->data + (from + i) * sizeof(number), sizeof(number));
            out[i] = (float)number;
            continue;
        }
        memcpy(&half, weight->data + (from + i) * sizeof(half), sizeof(half));
        out[i] = weight->kind == FT_WEIGHT_F16 ? ft_float_of_half(half) : ft_float_of_bfloat(half);
    }
}

ft_weight ft_weight_rows(const ft_weight *weight, size_t first, size_t count, uint64_t shape[2])
{
    ft_weight rows = *weight;

    FT_ASSERT(weight->rank == 2 && first <= weight->shape[0] && count <= weight->shape[0] - first);
    const size_t row =
        weight->shape[0] ? (weight->end - weight->begin) / (size_t)weight->shape[0] : 0;
    shape[0] = count;
    shape[1] = weight->shape[1];
    rows.shape = shape;
    rows.elements = count * (size_t)shape[1];
    rows.data += first * row;
    rows.begin += first * row;
    rows.end = rows.begin + count * row;
    return rows;
}

const char *ft_weight_print_shape(const ft_weight *weight, char *out, size_t out_bytes)
{
    size_t at = 0;

    at += (size_t)snprintf(out, out_bytes, "[");
    for (size_t i = 0; i < weight->rank && at + 24 < out_bytes; i++)
        at += (size_t)snprintf(out + at, out_bytes - at, "%s%" PRIu64, i ? ", " : "",
                               weight->shape[i]);
    snprintf(out + at, out_bytes - at, "]");
    return out;
}

void ft_weight_forget(const ft_weight *weight)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const uintptr_t begin = ((uintptr_t)weight->data + page - 1) / page * page;
    const uintptr_t end = ((uintptr_t)weight->data + (weight->end - weight->begin)) / page * page;

    if (!weight->is_mapped || begin >= end)
        return;
    // A hint: when it is refused, the pages stay, and nothing else changes.
    ft_ignore(madvise((void *)begin, end - begin, MADV_DONTNEED) == 0);
}
