// SentencePiece's .model.
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"tokenizer.model", "tokenizer_config.json", NULL};

    fuzz_tokenizer(names, (ft_slice){(const char *)data, size});
    return 0;
}
