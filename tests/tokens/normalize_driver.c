// Answers what steps of normalisation make of texts, for tests/fuzz_normalize.py: each text on
// standard input as u32 size and bytes; on standard output, for each, u32 size, the bytes, and with
// `spans` first among the steps a u32 start and end for each of them.
//
//   normalize_driver [spans] STEP...
//   STEP: nfc nfd nfkc nfkd lowercase nmt strip_accents byte_level bert:CHAL strip:LR prepend:HEX
//         literal:HEX:HEX regex:HEX:HEX precompiled:FILE sentencepiece:DXES:FILE:HEX
//   (letters stand for flags: those that are there are on; FILE may be empty; the last HEX is a
//   user-defined piece, empty for none)
//
// Every text also goes through without spans, and must be the same bytes.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/memory/alloc.h"
#include "runtime/system/clock.h"
#include "runtime/system/file.h"
#include "stages/text/charsmap.h"
#include "stages/text/normalize.h"
#include "stages/text/pattern.h"

enum { STEPS_MAX = 16, FILE_BYTES_MAX = 1 << 26 };

static int fail(const ft_error *err)
{
    fprintf(stderr, "normalize_driver: %s\n", err->message);
    return 1;
}

static ft_slice unhex(ft_slice text, ft_arena *arena)
{
    char *bytes = ft_arena_alloc(arena, text.size / 2 + 1);
    char pair[3] = {0};

    for (size_t i = 0; i + 1 < text.size && bytes; i += 2) {
        memcpy(pair, text.data + i, 2);
        bytes[i / 2] = (char)strtoul(pair, NULL, 16);
    }
    return (ft_slice){bytes, text.size / 2};
}

static bool has(ft_slice flags, char flag)
{
    return flags.size > 0 && memchr(flags.data, flag, flags.size);
}

static bool read_map(ft_slice path, ft_arena *arena, const ft_charsmap **out, ft_error *err)
{
    const char *name = ft_arena_text(arena, path);
    ft_slice blob;

    *out = NULL;
    if (path.size == 0)
        return true;
    return ft_file_read(name, arena, FILE_BYTES_MAX, &blob, err) &&
           ft_charsmap_parse(blob, name, "the map", arena, out, err);
}

static bool read_sentencepiece(ft_slice rest, ft_normalize_step *step, ft_arena *arena,
                               ft_error *err)
{
    ft_slice flags, path, piece;
    ft_trie *trie = ft_arena_zero(arena, 1, sizeof(*trie));

    ft_slice_cut(&rest, ':', &flags);
    ft_slice_cut(&rest, ':', &path);
    piece = unhex(rest, arena);
    step->sentencepiece.add_dummy_prefix = has(flags, 'D');
    step->sentencepiece.remove_extra_whitespaces = has(flags, 'X');
    step->sentencepiece.escape_whitespaces = has(flags, 'E');
    step->sentencepiece.treat_whitespace_as_suffix = has(flags, 'S');
    if (piece.size > 0) {
        ft_trie_key key = ft_trie_make_key(piece, 0);
        if (!ft_trie_build(&key, 1, arena, trie, err))
            return false;
        step->sentencepiece.user_defined = trie;
    }
    return read_map(path, arena, &step->sentencepiece.charsmap, err);
}

static const struct {
    const char *name;
    ft_normalize_kind kind;
} kinds[] = {{"bert", FT_NORMALIZE_BERT},
             {"strip", FT_NORMALIZE_STRIP},
             {"strip_accents", FT_NORMALIZE_STRIP_ACCENTS},
             {"nfc", FT_NORMALIZE_NFC},
             {"nfd", FT_NORMALIZE_NFD},
             {"nfkc", FT_NORMALIZE_NFKC},
             {"nfkd", FT_NORMALIZE_NFKD},
             {"lowercase", FT_NORMALIZE_LOWERCASE},
             {"nmt", FT_NORMALIZE_NMT},
             {"precompiled", FT_NORMALIZE_PRECOMPILED},
             {"literal", FT_NORMALIZE_REPLACE},
             {"regex", FT_NORMALIZE_REPLACE},
             {"prepend", FT_NORMALIZE_PREPEND},
             {"byte_level", FT_NORMALIZE_BYTE_LEVEL},
             {"sentencepiece", FT_NORMALIZE_SENTENCEPIECE}};

static bool read_step(ft_slice text, ft_normalize_step *step, ft_arena *arena, ft_error *err)
{
    ft_slice rest = text, name, pattern;
    size_t found = 0;

    ft_slice_cut(&rest, ':', &name);
    while (found < FT_COUNT_OF(kinds) && !ft_slice_is(name, kinds[found].name))
        found++;
    if (found == FT_COUNT_OF(kinds))
        return ft_fail(err, FT_ERROR_USAGE, "no such step: %.*s", (int)name.size, name.data);
    *step = (ft_normalize_step){.kind = kinds[found].kind};
    switch (step->kind) {
    case FT_NORMALIZE_BERT:
        step->bert = (ft_bert_rules){.clean_text = has(rest, 'C'),
                                     .handle_chinese_chars = has(rest, 'H'),
                                     .strip_accents = has(rest, 'A'),
                                     .lowercase = has(rest, 'L')};
        return true;
    case FT_NORMALIZE_STRIP:
        step->strip.left = has(rest, 'L');
        step->strip.right = has(rest, 'R');
        return true;
    case FT_NORMALIZE_PREPEND:
        step->prepend = unhex(rest, arena);
        return true;
    case FT_NORMALIZE_REPLACE:
        ft_slice_cut(&rest, ':', &pattern);
        pattern = unhex(pattern, arena);
        step->replace.content = unhex(rest, arena);
        return ft_slice_is(name, "literal")
                   ? ft_pattern_literal(pattern, arena, &step->replace.pattern, err)
                   : ft_pattern_regex(pattern, "step", "pattern", arena, &step->replace.pattern,
                                      err);
    case FT_NORMALIZE_PRECOMPILED:
        return read_map(rest, arena, &step->charsmap, err);
    case FT_NORMALIZE_SENTENCEPIECE:
        return read_sentencepiece(rest, step, arena, err);
    case FT_NORMALIZE_STRIP_ACCENTS:
    case FT_NORMALIZE_NFC:
    case FT_NORMALIZE_NFD:
    case FT_NORMALIZE_NFKC:
    case FT_NORMALIZE_NFKD:
    case FT_NORMALIZE_LOWERCASE:
    case FT_NORMALIZE_NMT:
    case FT_NORMALIZE_BYTE_LEVEL:
    case FT_NORMALIZE_METASPACE:
        break;
    }
    return true;
}

typedef struct side {
    ft_aligned text, spare;
} side;

static bool run(side *one, ft_slice text, const ft_normalize_step *steps, size_t count,
                ft_error *err)
{
    return ft_aligned_set(&one->text, text, 0, err) &&
           ft_normalize(steps, count, &one->text, &one->spare, err);
}

static int answer(const ft_normalize_step *steps, size_t count, bool wants_spans)
{
    ft_error err = FT_ERROR_INIT;
    side plain = {0}, aligned = {.text.has_spans = true, .spare.has_spans = true};
    uint32_t size;

    while (fread(&size, sizeof(size), 1, stdin) == 1) {
        // Exactly as large as the text, so that a sanitizer sees a read behind it.
        char *bytes = ft_alloc(size);
        if (!bytes || fread(bytes, 1, size, stdin) != size)
            return 1;
        ft_slice text = {bytes, size};
        if (!run(&plain, text, steps, count, &err) || !run(&aligned, text, steps, count, &err))
            return fail(&err);
        uint32_t out = (uint32_t)plain.text.size;
        if (aligned.text.size != out ||
            (out > 0 && memcmp(plain.text.bytes, aligned.text.bytes, out) != 0)) {
            fprintf(stderr, "normalize_driver: other bytes without spans\n");
            return 1;
        }
        fwrite(&out, sizeof(out), 1, stdout);
        fwrite(plain.text.bytes, 1, out, stdout);
        for (size_t i = 0; wants_spans && i < out; i++) {
            ft_span span = ft_aligned_span(&aligned.text, i);
            fwrite(&span, sizeof(span), 1, stdout);
        }
        ft_free(bytes);
    }
    ft_aligned_finish(&plain.text);
    ft_aligned_finish(&plain.spare);
    ft_aligned_finish(&aligned.text);
    ft_aligned_finish(&aligned.spare);
    return 0;
}

// MB/s over all texts of standard input, best of some passes, without and with spans.
static int measure(const ft_normalize_step *steps, size_t count)
{
    enum { PASSES = 9, TEXTS_MAX = 1 << 18 };
    ft_error err = FT_ERROR_INIT;
    ft_arena *arena = ft_arena_create();
    ft_slice *texts = ft_arena_zero(arena, TEXTS_MAX, sizeof(*texts));
    size_t text_count = 0, bytes = 0;
    uint32_t size;

    while (texts && text_count < TEXTS_MAX && fread(&size, sizeof(size), 1, stdin) == 1) {
        char *text = ft_arena_alloc(arena, size + 1);
        if (!text || fread(text, 1, size, stdin) != size)
            return 1;
        texts[text_count++] = (ft_slice){text, size};
        bytes += size;
    }
    for (int spans = 0; spans < 2; spans++) {
        side one = {.text.has_spans = spans, .spare.has_spans = spans};
        int64_t best = INT64_MAX;
        for (int pass = 0; pass < PASSES; pass++) {
            int64_t start = ft_clock_thread_cpu_ns();
            for (size_t i = 0; i < text_count; i++) {
                if (!run(&one, texts[i], steps, count, &err))
                    return fail(&err);
            }
            int64_t took = ft_clock_thread_cpu_ns() - start;
            best = took < best ? took : best;
        }
        printf("%s spans: %.0f MB/s over %.1f MB\n", spans ? "with" : "without",
               (double)bytes * 1e3 / (double)best, (double)bytes / 1e6);
        ft_aligned_finish(&one.text);
        ft_aligned_finish(&one.spare);
    }
    ft_arena_destroy(arena);
    return 0;
}

int main(int argc, char **argv)
{
    ft_error err = FT_ERROR_INIT;
    ft_arena *arena = ft_arena_create();
    ft_normalize_step steps[STEPS_MAX];
    size_t count = 0;
    int at = 1;
    bool wants_spans = argc > 1 && strcmp(argv[1], "spans") == 0;
    bool wants_rate = argc > 1 && strcmp(argv[1], "rate") == 0;

    for (at += wants_spans || wants_rate; at < argc && count < STEPS_MAX; at++) {
        if (!read_step(ft_slice_of(argv[at]), &steps[count++], arena, &err))
            return fail(&err);
    }
    int status = wants_rate ? measure(steps, count) : answer(steps, count, wants_spans);
    ft_arena_destroy(arena);
    return status;
}
