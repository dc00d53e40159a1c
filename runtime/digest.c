// BLAKE2b by libsodium, where it is there.
#include "runtime/digest.h"

#ifdef FT_HAVE_SODIUM
#include <sodium.h>

struct ft_digest {
    crypto_generichash_state state;
};

bool ft_digest_is_built_in(void)
{
    return true;
}

ft_digest *ft_digest_create(ft_arena *arena)
{
    // sodium_init chooses the code for this CPU; any thread may call it, and more than once.
    ft_digest *digest =
        sodium_init() >= 0 ? ft_arena_aligned(arena, sizeof(*digest), _Alignof(ft_digest)) : NULL;

    if (digest)
        crypto_generichash_init(&digest->state, NULL, 0, FT_DIGEST_BYTES);
    return digest;
}

void ft_digest_add(ft_digest *digest, ft_slice bytes)
{
    crypto_generichash_update(&digest->state, (const unsigned char *)bytes.data, bytes.size);
}

void ft_digest_end(ft_digest *digest, char out[FT_DIGEST_TEXT_BYTES])
{
    unsigned char bytes[FT_DIGEST_BYTES];

    crypto_generichash_final(&digest->state, bytes, sizeof(bytes));
    sodium_bin2hex(out, FT_DIGEST_TEXT_BYTES, bytes, sizeof(bytes));
}

#else

bool ft_digest_is_built_in(void)
{
    return false;
}

ft_digest *ft_digest_create(ft_arena *arena)
{
    (void)arena;
    return NULL;
}

void ft_digest_add(ft_digest *digest, ft_slice bytes)
{
    (void)digest;
    (void)bytes;
}

void ft_digest_end(ft_digest *digest, char out[FT_DIGEST_TEXT_BYTES])
{
    (void)digest;
    out[0] = '\0';
}

#endif

void ft_digest_add_number(ft_digest *digest, uint64_t number)
{
    char bytes[8];

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(number >> (8 * i));
    ft_digest_add(digest, (ft_slice){bytes, sizeof(bytes)});
}
