// .tiktoken. The name says which words go with it: it is picked by the size, so that all are met.
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[][2] = {{"gpt2.tiktoken"},        {"r50k_base.tiktoken"},
                                           {"p50k_base.tiktoken"},   {"p50k_edit.tiktoken"},
                                           {"cl100k_base.tiktoken"}, {"o200k_base.tiktoken"},
                                           {"other.tiktoken"}};

    fuzz_tokenizer(names[size % FT_COUNT_OF(names)], (ft_slice){(const char *)data, size});
    return 0;
}
