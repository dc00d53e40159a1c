// How long texts of one kind take; tests/play_worst_cases.py looks whether time grows with size.
//
//   bench_worst_cases TOKENIZER KIB   so much of one kind of text, twice and four times as much:
//       MB/s of ids (ft_token_coder), and of ids with places and words (ft_text_encoder)
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/memory/alloc.h"
#include "runtime/system/clock.h"
#include "stages/text/text_encoder.h"

typedef struct way {
    const char *name;
    unsigned columns;
} way;

static const way ways[] = {
    {"ids", 0},
    {"offsets+words", FT_ENCODE_OFFSETS | FT_ENCODE_WORD_IDS},
};

static int fail(const ft_error *err)
{
    fprintf(stderr, "bench_worst_cases: %s\n", err->message);
    exit(1);
}

// One way to encode: a coder for ids alone, else an encoder.
typedef struct machine {
    ft_token_coder *coder;
    ft_text_encoder *encoder;
    ft_encodings out;
} machine;

static void open_machine(machine *m, const ft_tokenizer *tokenizer, unsigned columns)
{
    ft_error err = FT_ERROR_INIT;

    *m = (machine){0};
    if (columns == 0)
        m->coder = ft_token_coder_create(
            tokenizer, (ft_token_settings){.truncation = FT_TRUNCATE_NONE}, NULL, &err);
    else
        m->encoder = ft_text_encoder_create(
            tokenizer, (ft_encode_settings){.columns = columns, .truncation = FT_TRUNCATE_NONE},
            FT_SPECIAL_PARSE, false, NULL, &err);
    if (!m->coder && !m->encoder)
        fail(&err);
}

static void close_machine(machine *m)
{
    ft_token_coder_destroy(m->coder);
    ft_text_encoder_destroy(m->encoder);
    ft_encodings_finish(&m->out);
}

static void encode(machine *m, ft_slice text)
{
    ft_error err = FT_ERROR_INIT;
    bool was_cut;

    if (!(m->coder ? ft_token_coder_add(m->coder, text, &m->out.ids, &was_cut, &err)
                   : ft_text_encoder_add(m->encoder, text, NULL, &m->out, &was_cut, &err)))
        fail(&err);
}

static const struct {
    const char *name, *unit;
} kinds[] = {
    {"a", "a"},
    {"emoji", "\xf0\x9f\x98\x80"},
    {"families", "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa9\xe2\x80\x8d"},
    {"no spaces", "thequickbrownfoxjumpsoverthelazydog"},
    {"Chinese", "\xe4\xb8\xad\xe6\x96\x87"},
    {"spaces", " "},
    {"newlines", "\n"},
    {"tabs", "\t"},
    {"marks", "\xcc\x81"},
    {"marks of two classes", "\xcc\x81\xcc\xa7"},
    {"a number", "7"},
    {"signs", "!"},
    {"U+2581", "\xe2\x96\x81"},
    {"prefixes of added tokens", "<|endoftex"},
    {"of <extra_id_0>", "<extra_id_"},
    {"of [MASK]", "[MAS"},
    {"apostrophes", "'"},
    {"NUL", "\0"},
};

static double rate_of(const ft_tokenizer *tokenizer, unsigned columns, ft_slice text)
{
    machine m;

    open_machine(&m, tokenizer, columns);
    int64_t start = ft_clock_thread_cpu_ns();
    encode(&m, text);
    double rate = (double)text.size * 1e3 / (double)(ft_clock_thread_cpu_ns() - start);
    close_machine(&m);
    return rate;
}

static void measure(const ft_tokenizer *tokenizer, size_t least)
{
    const size_t sizes[] = {least, 2 * least, 4 * least};
    char *text = ft_alloc(sizes[2]);

    for (size_t k = 0; text && k < FT_COUNT_OF(kinds); k++) {
        size_t unit = strlen(kinds[k].unit) + (kinds[k].unit[0] == 0);
        for (size_t i = 0; i + unit <= sizes[2]; i += unit)
            memcpy(text + i, kinds[k].unit, unit);
        printf("{\"text\": \"%s\"", kinds[k].name);
        for (size_t w = 0; w < FT_COUNT_OF(ways); w++) {
            printf(", \"%s\": [", ways[w].name);
            for (size_t i = 0; i < FT_COUNT_OF(sizes); i++)
                printf(
                    "%s%.1f", i ? ", " : "",
                    rate_of(tokenizer, ways[w].columns, (ft_slice){text, sizes[i] / unit * unit}));
            printf("]");
        }
        printf("}\n");
        fflush(stdout);
    }
    ft_free(text);
}

int main(int argc, char **argv)
{
    ft_error err = FT_ERROR_INIT;
    const ft_tokenizer *tokenizer;

    if (argc != 3) {
        fprintf(stderr, "usage: bench_worst_cases TOKENIZER KIB\n");
        return 2;
    }
    ft_arena *arena = ft_arena_create();
    if (!arena || !ft_tokenizer_load(argv[1], arena, &tokenizer, &err))
        return fail(&err);
    measure(tokenizer, (size_t)strtoul(argv[2], NULL, 10) << 10);
    ft_arena_destroy(arena);
    return 0;
}
