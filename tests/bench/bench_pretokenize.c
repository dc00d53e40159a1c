// The driver of tests/fuzz_pretokenize.py, and the rate of the grammars on one thread.
//
//   bench_pretokenize --cut STEP...    stdin: texts as u32 size and bytes; stdout, of each: u32
//   count, and of each
//                                      word u32 start, end (offsets in bytes of the text), size,
//                                      and its bytes
//   bench_pretokenize --words STEP...  the same by the grammar that those steps have, as long as
//   the vectors of this
//                                      machine find what the plain matcher finds; or by the
//                                      grammar of a name, =NAME
//   bench_pretokenize FILE [GRAMMAR..] MB/s of a file's text, for each grammar and instruction set
//
// STEP: KIND and its fields, each behind a colon; see parse_step. Texts have their bytes in
// hexadecimal.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/memory/alloc.h"
#include "runtime/system/clock.h"
#include "runtime/system/file.h"
#include "stages/nn/kernel/isa.h"
#include "stages/text/byte_level.h"
#include "stages/text/pattern.h"
#include "stages/text/pretokenize.h"
#include "stages/text/word_grammar.h"

enum { STEPS_MAX = 16, ENDS = 1 << 10 };

static int fail(const ft_error *err)
{
    fprintf(stderr, "bench_pretokenize: %s\n", err->message);
    return 1;
}

static ft_slice from_hex(ft_slice hex, ft_arena *arena)
{
    char *bytes = ft_arena_alloc(arena, hex.size / 2 + 1);

    for (size_t i = 0; i + 1 < hex.size; i += 2) {
        char two[3] = {hex.data[i], hex.data[i + 1], 0};
        bytes[i / 2] = (char)strtol(two, NULL, 16);
    }
    return (ft_slice){bytes, hex.size / 2};
}

static unsigned number(ft_slice text)
{
    int64_t value = 0;

    ft_ignore(ft_parse_int(text, &value));
    return (unsigned)value;
}

// bert, byte_level:PREFIX:REGEX, delimiter:HEX, metaspace:HEX:SCHEME:SPLIT, whitespace,
// white_split, split:literal|regex:HEX:BEHAVIOR:INVERT, punctuation:BEHAVIOR, digits:INDIVIDUAL,
// scripts, length:N
static bool parse_step(const char *spec, ft_arena *arena, ft_pre_step *out, ft_error *err)
{
    static const char *const names[] = {"bert",       "byte_level",  "delimiter", "metaspace",
                                        "whitespace", "white_split", "split",     "punctuation",
                                        "digits",     "scripts",     "length"};
    ft_slice rest = ft_slice_of(spec), field[5] = {0};

    for (size_t i = 0; i < 5 && ft_slice_cut(&rest, ':', &field[i]); i++)
        continue;
    *out = (ft_pre_step){0};
    size_t kind = 0;
    while (kind < FT_COUNT_OF(names) && !ft_slice_is(field[0], names[kind]))
        kind++;
    if (kind == FT_COUNT_OF(names))
        return ft_fail(err, FT_ERROR_USAGE, "no such step: %s", spec);
    out->kind = (ft_pre_kind)kind;
    if (out->kind == FT_PRE_BYTE_LEVEL) {
        out->byte_level.add_prefix_space = number(field[1]);
        out->byte_level.use_regex = number(field[2]);
    } else if (out->kind == FT_PRE_CHAR_DELIMITER) {
        out->delimiter = ft_utf8_next(from_hex(field[1], arena), &(size_t){0});
    } else if (out->kind == FT_PRE_METASPACE) {
        out->metaspace.replacement = from_hex(field[1], arena);
        out->metaspace.scheme = (ft_prepend_scheme)number(field[2]);
        out->metaspace.split = number(field[3]);
    } else if (out->kind == FT_PRE_PUNCTUATION) {
        out->punctuation = (ft_split_behavior)number(field[1]);
    } else if (out->kind == FT_PRE_DIGITS) {
        out->individual_digits = number(field[1]);
    } else if (out->kind == FT_PRE_FIXED_LENGTH) {
        out->length = number(field[1]);
    } else if (out->kind == FT_PRE_SPLIT) {
        out->split.behavior = (ft_split_behavior)number(field[3]);
        out->split.invert = number(field[4]);
        ft_slice source = from_hex(field[2], arena);
        return ft_slice_is(field[1], "literal")
                   ? ft_pattern_literal(source, arena, &out->split.pattern, err)
                   : ft_pattern_regex(source, "-", spec, arena, &out->split.pattern, err);
    }
    return true;
}

// Exactly as large as the text, so that a sanitizer sees a read behind it.
static char *read_text(uint32_t *size)
{
    if (fread(size, sizeof(*size), 1, stdin) != 1)
        return NULL;
    char *text = ft_alloc(*size);
    if (text && fread(text, 1, *size, stdin) != *size) {
        ft_free(text);
        return NULL;
    }
    return text;
}

static void put_number(size_t value)
{
    uint32_t number = (uint32_t)value;

    fwrite(&number, sizeof(number), 1, stdout);
}

static int answer_cut(const ft_pre_step *steps, size_t count)
{
    ft_error err = FT_ERROR_INIT;
    ft_words words = {.text.has_spans = true}, spare = {.text.has_spans = true};
    uint32_t size;
    char *text;

    while ((text = read_text(&size))) {
        words.count = 0;
        if (!ft_aligned_set(&words.text, (ft_slice){text, size}, 0, &err))
            return fail(&err);
        if (size > 0 && !ft_words_add(&words, (ft_word_range){0, size, -1}, &err))
            return fail(&err);
        if (!ft_pretokenize(steps, count, &words, &spare, &err))
            return fail(&err);
        put_number(words.count);
        for (size_t i = 0; i < words.count; i++) {
            ft_word_range word = ft_words_data(&words)[i];
            ft_span origin = ft_aligned_origin(&words.text, word.from, word.to);
            put_number(origin.start);
            put_number(origin.end);
            put_number(word.to - word.from);
            fwrite(words.text.bytes + word.from, 1, word.to - word.from, stdout);
        }
        ft_free(text);
    }
    ft_words_finish(&words);
    ft_words_finish(&spare);
    return 0;
}

// All ends, in calls with room for `room`.
static size_t cut_all(ft_grammar_cutter *cut, const ft_grammar *grammar, ft_slice text,
                      uint32_t *ends, size_t room)
{
    size_t count = 0, more;

    while ((more = cut(grammar, text, count ? ends[count - 1] : 0, ends + count, room)) > 0)
        count += more;
    return count;
}

static bool agree(const ft_grammar *grammar, ft_slice text, const uint32_t *want, size_t count,
                  uint32_t *ends)
{
    static const struct {
        ft_isa isa;
        ft_grammar_cutter *cut;
    } cutters[] = {
        {FT_ISA_GENERIC, ft_grammar_cut_plain},
#if defined(__x86_64__)
        {FT_ISA_AVX2, ft_grammar_cut_avx2},
        {FT_ISA_AVX512, ft_grammar_cut_avx512},
#endif
    };
    static const size_t rooms[] = {1, 63, 64, 200, ENDS};

    for (size_t i = 0; i < FT_COUNT_OF(cutters); i++) {
        if (!ft_isa_has(cutters[i].isa))
            continue;
        for (size_t j = 0; j < FT_COUNT_OF(rooms); j++) {
            size_t got = cut_all(cutters[i].cut, grammar, text, ends, rooms[j]);
            if (got == count && memcmp(ends, want, count * sizeof(*ends)) == 0)
                continue;
            fprintf(stderr, "%s, %s, room %zu: %zu words, plainly %zu, of: %.*s\n", grammar->name,
                    ft_isa_name(cutters[i].isa), rooms[j], got, count, (int)text.size, text.data);
            for (size_t k = 0; k < count || k < got; k++) {
                if (k >= count || k >= got || ends[k] != want[k]) {
                    fprintf(stderr, "word %zu: ends %u, plainly %u\n", k, ends[k], want[k]);
                    break;
                }
            }
            return false;
        }
    }
    return true;
}

static int answer_words(const ft_grammar *grammar)
{
    uint8_t letters[2];
    uint32_t size;
    char *text;

    if (!grammar) {
        fprintf(stderr, "bench_pretokenize: these steps have no grammar\n");
        return 1;
    }
    while ((text = read_text(&size))) {
        ft_slice all = {text, size};
        uint32_t *want = ft_alloc((size + ENDS) * sizeof(*want));
        uint32_t *ends = ft_alloc((size + ENDS) * sizeof(*ends));
        if (!want || !ends)
            return 1;
        size_t count = cut_all(ft_grammar_cut_plain, grammar, all, want, ENDS), from = 0;
        if (!agree(grammar, all, want, count, ends))
            return 1;
        put_number(count);
        for (size_t i = 0; i < count; i++) {
            size_t length = 0;
            for (size_t k = from; k < want[i]; k++)
                length += ft_byte_letters_put((const uint8_t *)text + k, 1, letters);
            put_number(from);
            put_number(want[i]);
            put_number(length);
            for (; from < want[i]; from++) {
                length = ft_byte_letters_put((const uint8_t *)text + from, 1, letters);
                fwrite(letters, 1, length, stdout);
            }
        }
        ft_free(want);
        ft_free(ends);
        ft_free(text);
    }
    return 0;
}

static double rate(const ft_grammar *grammar, ft_slice text, uint32_t *ends)
{
    double best = 0;

    for (int pass = 0; pass < 9; pass++) {
        int64_t start = ft_clock_thread_cpu_ns();
        size_t at = 0, count;
        while ((count = ft_grammar_cut(grammar, text, at, ends, ENDS)) > 0)
            at = ends[count - 1];
        double took = (double)(ft_clock_thread_cpu_ns() - start);
        double mb_s = (double)text.size * 1e3 / took;
        best = mb_s > best ? mb_s : best;
    }
    return best;
}

static int measure(int argc, char **argv)
{
    static const char *const all[] = {"gpt2",  "starcoder", "cl100k",      "qwen2", "qwen3.5",
                                      "o200k", "tekken",    "deepseek-v3", "clip"};
    ft_error err = FT_ERROR_INIT;
    ft_arena *arena = ft_arena_create();
    uint32_t ends[ENDS];
    ft_slice text;

    if (!arena || !ft_file_read(argv[1], arena, (size_t)1 << 31, &text, &err))
        return fail(&err);
    size_t count = argc > 2 ? (size_t)argc - 2 : FT_COUNT_OF(all);
    for (size_t i = 0; i < count; i++) {
        const char *name = argc > 2 ? argv[i + 2] : all[i];
        const ft_grammar *grammar = ft_grammar_named(name);
        if (!grammar) {
            fprintf(stderr, "bench_pretokenize: no grammar %s\n", name);
            return 1;
        }
        printf("%-12s", name);
        for (int isa = 0; isa < FT_ISA_COUNT; isa++) {
            if (!ft_isa_has((ft_isa)isa))
                continue;
            if (!ft_isa_force(ft_isa_name((ft_isa)isa), &err))
                return fail(&err);
            printf("  %s %6.0f MB/s", ft_isa_name((ft_isa)isa), rate(grammar, text, ends));
        }
        printf("\n");
    }
    ft_arena_destroy(arena);
    return 0;
}

int main(int argc, char **argv)
{
    bool cut = argc > 1 && strcmp(argv[1], "--cut") == 0;
    bool grammar = argc > 1 && strcmp(argv[1], "--words") == 0;
    ft_error err = FT_ERROR_INIT;
    ft_pre_step steps[STEPS_MAX];
    size_t count = 0;

    if (!cut && !grammar) {
        if (argc > 1)
            return measure(argc, argv);
        fprintf(stderr, "usage: bench_pretokenize --cut|--words STEP... | FILE [GRAMMAR...]\n");
        return 2;
    }
    if (grammar && argc > 2 && argv[2][0] == '=')
        return answer_words(ft_grammar_named(argv[2] + 1));
    ft_arena *arena = ft_arena_create();
    if (!arena)
        return 1;
    for (; count < STEPS_MAX && (int)count + 2 < argc; count++) {
        if (!parse_step(argv[count + 2], arena, &steps[count], &err))
            return fail(&err);
    }
    int status = cut ? answer_cut(steps, count) : answer_words(ft_grammar_of_steps(steps, count));
    ft_arena_destroy(arena);
    return status;
}
