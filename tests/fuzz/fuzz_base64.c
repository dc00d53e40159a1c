// Base64, back and forth.
#include <string.h>

#include "runtime/memory/alloc.h"
#include "stages/text/base64.h"
#include "tests/fuzz/fuzz.h"

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// A letter for the six bits at bit 6 * `at`; bits behind the end are 0.
static char letter_at(const uint8_t *bytes, size_t size, size_t at)
{
    size_t byte = 6 * at / 8;
    unsigned pair = (unsigned)(byte < size ? bytes[byte] : 0) << 8;

    pair |= byte + 1 < size ? bytes[byte + 1] : 0;
    return letters[pair >> (10 - 6 * at % 8) & 63];
}

// The letters before the padding are those of the bytes; of the last only the bits that count.
static void check_back(ft_slice text, const uint8_t *bytes, size_t size)
{
    size_t count = (8 * size + 5) / 6;

    FUZZ_CHECK(count <= text.size && text.size - count <= 3);
    for (size_t i = 0; i + 1 < count; i++)
        FUZZ_CHECK(text.data[i] == letter_at(bytes, size, i));
    FUZZ_CHECK(count == 0 || memchr(letters, text.data[count - 1], 64));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ft_slice text = {(const char *)data, size};
    uint8_t *bytes = ft_alloc(size / 4 * 3 + (size < 4));
    size_t bytes_size, at;

    FUZZ_CHECK(bytes);
    if (ft_base64_decode(text, bytes, &bytes_size, &at)) {
        FUZZ_CHECK(bytes_size <= size / 4 * 3);
        check_back(text, bytes, bytes_size);
    } else {
        FUZZ_CHECK(at <= size);
        FUZZ_CHECK(at == size ? size % 4 != 0 : !memchr(letters, data[at], 64));
    }
    ft_free(bytes);
    return 0;
}
