// tokenizer.json, and what the files beside it say of the model's length.
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"tokenizer.json", "tokenizer_config.json",
                                        "sentence_bert_config.json", "config.json", NULL};

    fuzz_tokenizer(names, (ft_slice){(const char *)data, size});
    return 0;
}
