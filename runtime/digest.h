// A digest that names what is in a file so that nobody can make another file of that name: BLAKE2b
// (RFC 7693) of 32 bytes, as libsodium has it. For tables in memory ft_hash is quicker.
#pragma once

#include "runtime/memory/arena.h"
#include "runtime/slice.h"

enum { FT_DIGEST_BYTES = 32, FT_DIGEST_TEXT_BYTES = 2 * FT_DIGEST_BYTES + 1 };

typedef struct ft_digest ft_digest;

bool ft_digest_is_built_in(void);
// NULL: no memory, or this build is without libsodium.
ft_digest *ft_digest_create(ft_arena *arena);
void ft_digest_add(ft_digest *digest, ft_slice bytes);
void ft_digest_add_number(ft_digest *digest, uint64_t number);
// The digest in hexadecimal. Nothing can be added any more.
void ft_digest_end(ft_digest *digest, char out[FT_DIGEST_TEXT_BYTES]);
