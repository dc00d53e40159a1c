// GGUF: its head, and the vocabulary in it.
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"model.gguf", NULL};

    fuzz_tokenizer(names, (ft_slice){(const char *)data, size});
    return 0;
}
