// Vectors in smaller numbers, as sentence-transformers' quantize_embeddings makes them.
#pragma once

#include "runtime/data/type.h"

typedef enum ft_vector_format {
    FT_VECTOR_F32,
    FT_VECTOR_F16,
    FT_VECTOR_I8,       // Level - 128.
    FT_VECTOR_U8,       // Level 0 to 255 of a range.
    FT_VECTOR_BINARY,   // Eight bits less 128, as i8.
    FT_VECTOR_UBINARY,  // Eight bits, the first number's highest, 1 where it is above 0.
} ft_vector_format;

// What the 256 levels of I8 and U8 span; numbers beyond are at the nearest level.
typedef struct ft_range {
    float low, high;
} ft_range;

ft_dtype ft_vector_dtype(ft_vector_format format);
// How many numbers of that type `size` floats become.
size_t ft_vector_numbers(ft_vector_format format, size_t size);
void ft_vector_write(ft_vector_format format, ft_range range, const float *vector, size_t size,
                     void *out);
// To the nearest half, ties to even; what is too large is infinite.
uint16_t ft_half_of(float value);
