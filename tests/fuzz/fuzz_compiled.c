// Compiled tokenizers whose checksums are right: what stands in one is checked before it is
// followed.
//
// An input is the number of a tokenizer and changes of its compiled form: 8 bytes each, where (from
// the beginning of the notes, or of the arrays when the first bit is set), how many bytes, and what
// becomes of them.
#include <stdio.h>
#include <string.h>

#include "runtime/memory/alloc.h"
#include "stages/text/bpe.h"
#include "tests/fuzz/fuzz.h"
#include "tests/tokens/compiled_form.h"

enum { KINDS = 6, HEAD_BYTES = 128, NOTES_AT = 64, TEXT_BYTES = 1 << 16, CHANGE_BYTES = 8 };

#define ADDED                                                                                    \
    "\"added_tokens\":[{\"id\":0,\"content\":\"[X]\",\"single_word\":false,\"lstrip\":true,"     \
    "\"rstrip\":true,\"normalized\":false,\"special\":true},{\"id\":1,\"content\":\"n\\u00e9\"," \
    "\"single_word\":true,\"lstrip\":false,\"rstrip\":false,\"normalized\":true,"                \
    "\"special\":false}],"

static const char wordpiece[] =
    "{" ADDED "\"normalizer\":{\"type\":\"BertNormalizer\",\"clean_text\":true,"
    "\"handle_chinese_chars\":true,\"strip_accents\":null,\"lowercase\":true},"
    "\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},\"post_processor\":{\"type\":"
    "\"BertProcessing\",\"sep\":[\"[X]\",0],\"cls\":[\"[X]\",0]},\"decoder\":{\"type\":"
    "\"WordPiece\",\"prefix\":\"##\",\"cleanup\":true},\"model\":{\"type\":\"WordPiece\","
    "\"unk_token\":\"[X]\",\"continuing_subword_prefix\":\"##\",\"max_input_chars_per_word\":100,"
    "\"vocab\":{\"[X]\":0,\"n\\u00e9\":1,\"a\":2,\"##b\":3,\"he\":4,\"##l\":5,\"##lo\":6}}}";

static const char bpe[] =
    "{" ADDED "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\","
    "\"prepend\":\"\\u2581\"},{\"type\":\"Replace\",\"pattern\":{\"Regex\":\" +?\"},\"content\":"
    "\"\\u2581\"},{\"type\":\"NFKC\"},{\"type\":\"Strip\",\"strip_left\":true,"
    "\"strip_right\":false}]},\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":["
    "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(?=[0-9])\"},\"behavior\":\"Isolated\","
    "\"invert\":false},{\"type\":\"Digits\",\"individual_digits\":true},{\"type\":"
    "\"Punctuation\"},{\"type\":\"Metaspace\",\"replacement\":\"\\u2581\",\"prepend_scheme\":"
    "\"first\",\"split\":true},{\"type\":\"CharDelimiterSplit\",\"delimiter\":\"-\"},{\"type\":"
    "\"FixedLength\",\"length\":9}]},\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":"
    "\"BPEDecoder\",\"suffix\":\"</w>\"},{\"type\":\"ByteFallback\"},{\"type\":\"Metaspace\","
    "\"replacement\":\"\\u2581\",\"prepend_scheme\":\"always\"},{\"type\":\"CTC\",\"pad_token\":"
    "\"p\",\"word_delimiter_token\":\"|\",\"cleanup\":true},{\"type\":\"Strip\",\"content\":"
    "\" \",\"start\":1,\"stop\":1},{\"type\":\"Replace\",\"pattern\":{\"String\":\"b\"},"
    "\"content\":\"c\"}]},\"model\":{\"type\":\"BPE\",\"unk_token\":\"[X]\","
    "\"end_of_word_suffix\":\"</w>\",\"byte_fallback\":true,\"fuse_unk\":true,\"vocab\":{\"[X]\":0,"
    "\"n\":1,\"e\":2,\"h\":3,\"he\":4,\"l\":5,\"o</w>\":6,\"lo</w>\":7,\"<0x41>\":8,"
    "\"\\u2581\":9,\"e</w>\":10},\"merges\":[\"h e\",\"l o</w>\"]}}";

// A map of characters of one block that maps nothing, and a template for two texts.
static const char unigram[] =
    "{" ADDED "\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"AAQAA%s=\"},"
    "\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"\\u2581\",\"prepend_scheme\":"
    "\"always\",\"split\":true},\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":["
    "{\"SpecialToken\":{\"id\":\"x\",\"type_id\":0}},{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],"
    "\"pair\":[{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},{\"Sequence\":{\"id\":\"B\","
    "\"type_id\":1}}],\"special_tokens\":{\"x\":{\"id\":\"x\",\"ids\":[0],\"tokens\":[\"[X]\"]}}},"
    "\"decoder\":{\"type\":\"Metaspace\",\"replacement\":\"\\u2581\",\"prepend_scheme\":"
    "\"always\"},\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"byte_fallback\":true,\"vocab\":["
    "[\"[X]\",0],[\"n\\u00e9\",-1],[\"\\u2581\",-2],[\"h\",-3],[\"he\",-3.5],[\"l\",-4],"
    "[\"<0xC3>\",-5],[\"\\u2581he\",-4]]}}";

// Pieces of SentencePiece: the text, the type (2 unknown, 3 control, 4 the user's, 5 unused), the
// score 0.
static const char sentencepiece[] =
    "\x0a\x0c\x0a\x05<unk>\x15\0\0\0\0\x18\x02\x0a\x0a\x0a\x03<s>\x15\0\0\0\0\x18\x03"
    "\x0a\x0c\x0a\x05[USE]\x15\0\0\0\0\x18\x04\x0a\x08\x0a\x01h\x15\0\0\0\0\x18\x01"
    "\x0a\x08\x0a\x01\x65\x15\0\0\0\0\x18\x01\x0a\x09\x0a\x02he\x15\0\0\0\0\x18\x05"
    "\x12\x02\x18\x02";

static const char text[] = "Hello  he lo, n\u00e9 [X] [USE] don't 1234\n\t caf\u00e9 cafe\u0301 "
                           "\u4f60\u597d\u2581ab\U0001f600 a-b.";

static const char *const names[KINDS] = {"tokenizer.json", "tokenizer.json",
                                         "tokenizer.json", "tokenizer.model",
                                         "tokenizer.json", "cl100k_base.tiktoken"};

static void put_letters(ft_text *out)
{
    ft_text_append_string(out, "{" ADDED
                               "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":"
                               "false,\"trim_offsets\":true,\"use_regex\":true},\"decoder\":"
                               "{\"type\":\"ByteLevel\"},\"model\":{\"type\":\"BPE\","
                               "\"vocab\":{\"he\":256");
    for (unsigned byte = 0; byte < 256; byte++) {
        char letter[5] = {0};
        ft_utf8_put(ft_bpe_letter((uint8_t)byte), letter);
        bool is_quoted = letter[0] == '"' || letter[0] == '\\';
        ft_text_format(out, ",\"%s%s\":%u", is_quoted ? "\\" : "", letter, byte);
    }
    ft_text_append_string(out, "},\"merges\":[\"h e\"]}}");
}

static void put_bytes(ft_text *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (unsigned byte = 0; byte < 256; byte++)
        ft_text_format(out, "%c%c== %u\n", digits[byte >> 2], digits[(byte & 3) << 4], byte);
    ft_text_append_string(out, "aGU= 256\n");
}

static void put_file(unsigned kind, ft_text *out)
{
    enum { ZEROS = 1366 };  // Of base64.
    char zeros[ZEROS + 1] = {0};

    memset(zeros, 'A', ZEROS);
    switch (kind) {
    case 0:
        ft_text_append_string(out, wordpiece);
        break;
    case 1:
        ft_text_append_string(out, bpe);
        break;
    case 2:
        ft_text_format(out, unigram, zeros);
        break;
    case 3:
        ft_text_append(out, (ft_slice){sentencepiece, sizeof(sentencepiece) - 1});
        break;
    case 4:
        put_letters(out);
        break;
    default:
        put_bytes(out);
        break;
    }
}

// The compiled form of each, made once.
static ft_slice compile(unsigned kind)
{
    static ft_slice made[KINDS];
    const char *const files[] = {names[kind], NULL};
    char path[64];
    ft_text file;
    ft_error err = FT_ERROR_INIT;
    const ft_tokenizer *tokenizer;

    if (made[kind].data)
        return made[kind];
    ft_arena *arena = ft_arena_create();
    ft_text_init(&file, TEXT_BYTES);
    put_file(kind, &file);
    fuzz_set_files(files, ft_text_get(&file));
    snprintf(path, sizeof(path), "%s%s", FUZZ_FOLDER, names[kind]);
    bool done = ft_tokenizer_load(path, arena, &tokenizer, &err) &&
                compiled_print(tokenizer, arena, &made[kind], &err);
    if (!done)
        fprintf(stderr, "%s\n", err.message);
    FUZZ_CHECK(done);
    ft_text_finish(&file);
    ft_arena_destroy(arena);
    return made[kind];
}

static void change(char *bytes, size_t size, const uint8_t *how)
{
    uint32_t where, what;
    uint64_t notes_at;

    memcpy(&where, how, sizeof(where));
    memcpy(&what, how + sizeof(where), sizeof(what));
    memcpy(&notes_at, bytes + NOTES_AT, sizeof(notes_at));
    const size_t width = where >> 1 & 1 ? sizeof(what) : 1;
    const size_t from = where & 1 ? HEAD_BYTES : (size_t)notes_at;
    if (size - from < width)
        return;
    memcpy(bytes + from + (where >> 2) % (size - from - width + 1), &what, width);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    ft_slice good = compile(data[0] % KINDS);
    ft_arena *arena = ft_arena_create();
    // Mapping it anew each time would take a third of the time.
    static char *copies[KINDS];
    const char *fault;

    if (!copies[data[0] % KINDS])
        copies[data[0] % KINDS] = ft_alloc_aligned(good.size, 64);
    char *copy = copies[data[0] % KINDS];
    FUZZ_CHECK(arena && copy);
    memcpy(copy, good.data, good.size);
    for (size_t at = 1; at + CHANGE_BYTES <= size; at += CHANGE_BYTES)
        change(copy, good.size, data + at);
    ft_image_seal(copy, good.size);
    const ft_tokenizer *tokenizer = compiled_open((ft_slice){copy, good.size}, true, arena, &fault);
    FUZZ_CHECK(tokenizer || size > CHANGE_BYTES);
    if (tokenizer)
        FUZZ_CHECK(compiled_run(tokenizer, (ft_slice){text, sizeof(text) - 1}));
    ft_arena_destroy(arena);
    return 0;
}
