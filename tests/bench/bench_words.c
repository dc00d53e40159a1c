// Rates of the rule `words` on ASCII, by each instruction set that there is.
#include <stdio.h>
#include <string.h>

#include "runtime/memory/alloc.h"
#include "runtime/system/clock.h"
#include "stages/nn/kernel/isa.h"
#include "stages/text/split_words.h"

// The essay's line, many times over; every word is written.
int main(void)
{
    enum { LINES = 100000, REPEATS = 21, WORDS = 9 };
    static const char line[] = "The Global Interpreter Lock is finally optional in CPython.";
    static const struct {
        const char *name;
        ft_split_ascii *split;
        ft_isa isa;
    } ways[] = {{"plain", ft_split_ascii_plain, FT_ISA_GENERIC},
#if defined(__x86_64__)
                {"avx2", ft_split_ascii_avx2, FT_ISA_AVX2},
#endif
                {"best", NULL, FT_ISA_GENERIC}};
    const size_t size = sizeof(line) - 1;
    char *text = ft_alloc(LINES * size);
    ft_word_sink sink = {.bytes = ft_alloc(LINES * size + FT_WORD_SINK_SLACK),
                         .ends =
                             ft_alloc_array(LINES * WORDS + FT_WORD_SINK_SLACK, sizeof(int32_t))};

    if (!text || !sink.bytes || !sink.ends)
        return 1;
    for (size_t i = 0; i < LINES; i++)
        memcpy(text + i * size, line, size);
    for (size_t way = 0; way < FT_COUNT_OF(ways); way++) {
        ft_split_ascii *split = ways[way].split ? ways[way].split : ft_split_ascii_choose();
        int64_t best = INT64_MAX;
        for (int repeat = 0; repeat < REPEATS && ft_isa_has(ways[way].isa); repeat++) {
            int64_t start = ft_clock_thread_cpu_ns();
            sink.size = sink.count = 0;
            for (size_t i = 0; i < LINES; i++)
                ft_ignore(split(&sink, (const uint8_t *)text + i * size, size));
            int64_t took = ft_clock_thread_cpu_ns() - start;
            best = took < best ? took : best;
        }
        printf("{\"work\": \"words\", \"way\": \"%s\", \"words\": %zu, \"ms\": %.3f}\n",
               ways[way].name, sink.count, (double)best / 1e6);
    }
    ft_free(text);
    ft_free(sink.bytes);
    ft_free(sink.ends);
    return 0;
}
