// BLAKE2b of 32 bytes (RFC 7693): names what is in a file so that nobody can make another file of
// that name. For tables in memory ft_hash is quicker.
#pragma once

#include "runtime/slice.h"

enum { FT_DIGEST_BYTES = 32, FT_DIGEST_TEXT_BYTES = 2 * FT_DIGEST_BYTES + 1 };

typedef struct ft_digest {
    uint64_t state[8];
    uint64_t count;  // Bytes that were taken in whole blocks.
    unsigned char block[128];
    size_t used;  // Of the block.
} ft_digest;

void ft_digest_init(ft_digest *digest);
void ft_digest_add(ft_digest *digest, ft_slice bytes);
void ft_digest_add_number(ft_digest *digest, uint64_t number);
// The digest in hexadecimal. Nothing can be added any more.
void ft_digest_end(ft_digest *digest, char out[FT_DIGEST_TEXT_BYTES]);
