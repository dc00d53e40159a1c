// vocab.json with merges.txt, and what the slow tokenizers of transformers keep beside them.
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"vocab.json",
                                        "merges.txt",
                                        "tokenizer_config.json",
                                        "special_tokens_map.json",
                                        "added_tokens.json",
                                        "config.json",
                                        NULL};

    fuzz_tokenizer(names, (ft_slice){(const char *)data, size});
    return 0;
}
