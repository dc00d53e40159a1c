// Rate of the tokenizers on one thread, and the driver of tests/fuzz_tokenize.py.
//
//   bench_tokenize TOKENIZER TEXTS.jsonl
//       MB/s over the `text` of each line. cold_mb_s: a new tokenizer and a new coder for each
//       pass, the text not seen before; what the coder takes to be made counts, loading does not.
//       warm_mb_s: a coder that has seen the text. Medians, and the best.
//   bench_tokenize --ids TOKENIZER [special=parse|text] [add]
//       stdin: texts as u32 size and bytes; stdout: u32 count and i32 ids of each
//   bench_tokenize --words
//
// Beside the peers in one run: tests/bench/tokenize_rates.py.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/memory/alloc.h"
#include "runtime/system/clock.h"
#include "stages/nn/kernel/isa.h"
#include "stages/text/split_words.h"
#include "stages/text/tokenizer_parts.h"
#include "stages/text/word_grammar.h"
#include "tests/bench/bench_texts.h"

static int fail(const ft_error *err)
{
    fprintf(stderr, "bench_tokenize: %s\n", err->message);
    return 1;
}

static int answer_ids(int argc, char **argv)
{
    ft_error err = FT_ERROR_INIT;
    ft_arena *arena = ft_arena_create();
    ft_token_settings settings = {.truncation = FT_TRUNCATE_NONE};
    const ft_tokenizer *tokenizer;
    ft_ids ids = {0};
    uint32_t size;
    bool was_cut;

    for (int i = 3; i < argc; i++) {
        settings.add_special |= strcmp(argv[i], "add") == 0;
        if (strcmp(argv[i], "special=text") == 0)
            settings.special_tokens = FT_SPECIAL_TEXT;
    }
    if (!ft_tokenizer_load(argv[2], arena, &tokenizer, &err))
        return fail(&err);
    ft_token_coder *coder = ft_token_coder_create(tokenizer, settings, NULL, &err);
    if (!coder)
        return fail(&err);
    while (fread(&size, sizeof(size), 1, stdin) == 1) {
        // Exactly as large as the text, so that a sanitizer sees a read behind it.
        char *text = ft_alloc(size);
        if (!text || fread(text, 1, size, stdin) != size)
            return 1;
        ids.count = 0;
        if (!ft_token_coder_add(coder, (ft_slice){text, size}, &ids, &was_cut, &err))
            return fail(&err);
        uint32_t count = (uint32_t)ids.count;
        fwrite(&count, sizeof(count), 1, stdout);
        fwrite(ft_ids_data(&ids), sizeof(int32_t), ids.count, stdout);
        ft_free(text);
    }
    ft_ids_finish(&ids);
    ft_token_coder_destroy(coder);
    ft_arena_destroy(arena);
    return 0;
}

// Nanoseconds of one pass; those of this thread, so that others on the machine do not count.
static int64_t pass(ft_token_coder *coder, const bench_texts *all, ft_ids *ids, size_t *out_ids)
{
    ft_error err = FT_ERROR_INIT;
    int64_t start = ft_clock_thread_cpu_ns();
    bool was_cut;

    *out_ids = 0;
    for (size_t i = 0; i < all->count; i++) {
        // Batches of 256 texts, as the peers get them.
        if (i % 256 == 0) {
            *out_ids += ids->count;
            ids->count = 0;
        }
        if (!ft_token_coder_add(coder, all->items[i], ids, &was_cut, &err))
            exit(fail(&err));
    }
    *out_ids += ids->count;
    ids->count = 0;
    return ft_clock_thread_cpu_ns() - start;
}

typedef struct rates {
    double median, best;
} rates;

static rates rates_of(int64_t *times, size_t count, size_t bytes)
{
    qsort(times, count, sizeof(*times), bench_compare_times);
    return (rates){(double)bytes * 1e3 / (double)times[count / 2],
                   (double)bytes * 1e3 / (double)times[0]};
}

static ft_token_coder *open_coder(const ft_tokenizer *tokenizer)
{
    ft_error err = FT_ERROR_INIT;
    ft_token_coder *coder = ft_token_coder_create(
        tokenizer, (ft_token_settings){.truncation = FT_TRUNCATE_NONE}, NULL, &err);

    if (!coder)
        exit(fail(&err));
    return coder;
}

static int64_t cold_pass(const char *path, const bench_texts *all, size_t *out_ids,
                         double *out_load_ms)
{
    ft_error err = FT_ERROR_INIT;
    ft_arena *arena = ft_arena_create();
    const ft_tokenizer *tokenizer;
    ft_ids ids = {0};
    int64_t start = ft_clock_ns();

    if (!ft_tokenizer_load(path, arena, &tokenizer, &err))
        exit(fail(&err));
    *out_load_ms = (double)(ft_clock_ns() - start) / 1e6;
    start = ft_clock_thread_cpu_ns();
    ft_token_coder *coder = open_coder(tokenizer);
    int64_t made = ft_clock_thread_cpu_ns() - start;
    int64_t took = pass(coder, all, &ids, out_ids);
    ft_ids_finish(&ids);
    ft_token_coder_destroy(coder);
    ft_arena_destroy(arena);
    return made + took;
}

// The model and what runs it.
static const char *work_of(const ft_tokenizer *tokenizer)
{
    static const char *const models[] = {[FT_MODEL_WORDPIECE] = "wordpiece",
                                         [FT_MODEL_BPE] = "bpe",
                                         [FT_MODEL_UNIGRAM] = "unigram",
                                         [FT_MODEL_WORDLEVEL] = "wordlevel"};
    static char work[64];
    const char *path = tokenizer->is_bert     ? "bert"
                       : tokenizer->grammar   ? tokenizer->grammar->name
                       : tokenizer->is_spaced ? "spaces"
                                              : "interpreter";

    snprintf(work, sizeof(work), "%s %s", models[tokenizer->definition.model.kind], path);
    return work;
}

static int time_texts(const char *path, const char *texts_path)
{
    enum { COLD = 9, WARM = 15 };
    ft_error err = FT_ERROR_INIT;
    ft_arena *arena = ft_arena_create();
    const ft_tokenizer *tokenizer;
    bench_texts all;
    ft_ids ids = {0};
    int64_t times[WARM];
    size_t count;
    double load_ms;

    if (!bench_texts_read(texts_path, arena, &all, &err) ||
        !ft_tokenizer_load(path, arena, &tokenizer, &err))
        return fail(&err);
    for (int i = 0; i < COLD; i++)
        times[i] = cold_pass(path, &all, &count, &load_ms);
    rates cold = rates_of(times, COLD, all.bytes);
    ft_token_coder *coder = open_coder(tokenizer);
    pass(coder, &all, &ids, &count);
    for (int i = 0; i < WARM; i++)
        times[i] = pass(coder, &all, &ids, &count);
    rates warm = rates_of(times, WARM, all.bytes);
    printf("{\"work\": \"%s\", \"isa\": \"%s\", \"texts\": %zu, \"mb\": %.2f, \"tokens\": %zu, "
           "\"load_ms\": %.2f, \"cold_mb_s\": %.1f, \"warm_mb_s\": %.1f, "
           "\"cold_best_mb_s\": %.1f, \"warm_best_mb_s\": %.1f}\n",
           work_of(tokenizer), ft_isa_name(ft_isa_level()), all.count, (double)all.bytes / 1e6,
           count, load_ms, cold.median, warm.median, cold.best, warm.best);
    ft_ids_finish(&ids);
    ft_token_coder_destroy(coder);
    ft_arena_destroy(arena);
    return 0;
}

// The essay's line, many times over; every word is written.
static int time_words(void)
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

int main(int argc, char **argv)
{
    if (argc >= 3 && strcmp(argv[1], "--ids") == 0)
        return answer_ids(argc, argv);
    if (argc == 2 && strcmp(argv[1], "--words") == 0)
        return time_words();
    if (argc != 3) {
        fprintf(stderr, "usage: bench_tokenize TOKENIZER TEXTS.jsonl\n");
        return 2;
    }
    return time_texts(argv[1], argv[2]);
}
