// BLAKE2b beside Python's hashlib (blake2b of 32 bytes), and in pieces of any size.
#include <string.h>

#include "runtime/digest.h"
#include "tests/check.h"

enum { LONGEST = 1000 };

static const struct {
    size_t size;
    const char *digest;
} known[] = {
    {0, "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8"},
    {1, "ee155ace9c40292074cb6aff8c9ccdd273c81648ff1149ef36bcea6ebb8a3e25"},
    {64, "bb447dddb2721745b8e7c3b373d844b8f6e070ca7d5a7993e631ab94f364caab"},
    {127, "f609ab2904b340cd075920018e0e3c6f6a90a3dae3edf03d3cccc0634a81ffe3"},
    {128, "0702c64922fb7635a1b799668a7e89ba9c5fe55ed7bd2fdecb001544073afad9"},
    {129, "490091b32bad7b3380c9e593d341bce9b73ff9d4ebcf0091ff932bdff7279897"},
    {255, "b579b3e762db9a4a9def50ea22419ca669a4875f015a167f52baa86547df7554"},
    {256, "3d0cb2693dfbac42af5a6cc960953fea8714aa39c4bcd054ef61d6b5e98ade4a"},
    {257, "080f7f2ee61cc8ffcf2ad907f7a9824a8445c5e4b194a0106c65f9b9c1ea6787"},
    {1000, "a2ae1ecc90361e0bb07dab9789a4b0a724ee3cf05623ac6cefa1e6af3da4aae8"},
};

// Byte i of a text of `size`.
static void fill(char *out, size_t size)
{
    for (size_t i = 0; i < size; i++)
        out[i] = (char)((i * 7 + size) % 256);
}

static void check_in_pieces(const char *bytes, size_t size, size_t piece, const char *want)
{
    char got[FT_DIGEST_TEXT_BYTES];
    ft_arena *arena = ft_arena_create();
    ft_digest *digest = arena ? ft_digest_create(arena) : NULL;

    check_true(digest);
    for (size_t at = 0; at < size; at += piece)
        ft_digest_add(digest, (ft_slice){bytes + at, size - at < piece ? size - at : piece});
    ft_digest_end(digest, got);
    check_text_eq(got, want);
    ft_arena_destroy(arena);
}

TEST(digest_of_known_texts)
{
    static const size_t pieces[] = {1, 3, 127, 128, 129, 256, LONGEST};
    char bytes[LONGEST];

    if (!ft_digest_is_built_in())
        check_skip("not built in");
    for (size_t i = 0; i < FT_COUNT_OF(known); i++) {
        fill(bytes, known[i].size);
        for (size_t k = 0; k < FT_COUNT_OF(pieces); k++)
            check_in_pieces(bytes, known[i].size, pieces[k], known[i].digest);
    }
}

TEST(digest_of_abc)
{
    if (!ft_digest_is_built_in())
        check_skip("not built in");
    check_in_pieces("abc", 3, 3,
                    "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
