// From a tokenizer's file to ids and back.
#include <stdio.h>
#include <string.h>

#include "runtime/memory/account.h"
#include "stages/text/decode.h"
#include "stages/text/text_encoder.h"
#include "tests/fuzz/fuzz.h"

enum { PATH_BYTES = 80, TAIL_BYTES = 48, IDS_SHOWN = 64 };
// What small texts need, and few enough that the caches are small.
enum { ACCOUNT_BYTES = 1 << 18 };
enum { ALL_COLUMNS = 63, FEW_IDS = 8, FEW_COMMON = 2 };

// White space, a contraction, digits, accents both ways, no spaces between words, a special token,
// a surrogate's worth of bytes, what SentencePiece marks spaces with.
static const char fixed_text[] = "Hello  don't 1234\n\t caf\u00e9 cafe\u0301 \u4f60\u597d[MASK]<s> "
                                 "ab\u2581\U0001f600.";

typedef struct machine {
    const ft_tokenizer *tokenizer;
    ft_account account;
    ft_token_coder *coder;
    ft_text_encoder *encoder, *windows;
    ft_decoder decoder;
    ft_encodings out, of_coder;
} machine;

ft_slice fuzz_text(ft_slice input, size_t bytes_max)
{
    size_t size = input.size < bytes_max ? input.size : bytes_max;
    ft_slice text = {input.data + input.size - size, size};

    while (text.size > 0 && ((uint8_t)text.data[0] & 0xc0) == 0x80)
        text = (ft_slice){text.data + 1, text.size - 1};
    text.size = ft_utf8_valid_prefix(text);
    return text;
}

static bool skip(const char **at, const char *what)
{
    size_t size = strlen(what);

    if (strncmp(*at, what, size) != 0)
        return false;
    *at += size;
    return true;
}

// What is behind the name of the file, which a message begins with; NULL: it names another. Only
// the beginning is looked at: what is quoted further on may be anything.
static const char *behind_path(const char *message, const char *path)
{
    const char *at = message;

    skip(&at, "in `tokenizer.huggingface.json`: ");
    skip(&at, "reading ");
    return skip(&at, "`") && skip(&at, path) && skip(&at, "`") ? at : NULL;
}

// A place in the file, or where a line, a byte or a key is.
static bool is_place(const char *at)
{
    static const char *const places[] = {", at `",
                                         ", key `",
                                         ", tensor `",
                                         ": at byte ",
                                         ": line ",
                                         ": in line ",
                                         ": not valid UTF-8 at byte ",
                                         ": invalid JSON at byte ",
                                         ": invalid JSON: the key `",
                                         ": a key without a name, before byte "};

    for (size_t i = 0; i < FT_COUNT_OF(places); i++) {
        if (skip(&at, places[i]))
            return true;
    }
    return skip(&at, ": cut off") && (strstr(at, ", at byte ") || strstr(at, " behind byte "));
}

// What is wrong with a file as a whole, is not in it at all, or is in another one, has no place.
static bool is_of_whole_file(const char *at)
{
    static const char *const faults[] = {"not a GGUF file",
                                         "GGUF of version ",
                                         "one of `tokenizer.ggml.",
                                         "not an object",
                                         "no line says `",
                                         "more than ",
                                         "which words and special tokens go with this file",
                                         "there is no `" FUZZ_FOLDER,
                                         "how `",
                                         "in the ",
                                         "the id ",
                                         "the token that goes with every text, `",
                                         "no id up to "};
    static const char *const counted[] = {" pieces", " tokens", " keys are more than fit into",
                                          " tensors are more than fit into"};

    if (!skip(&at, ": "))
        return false;
    for (size_t i = 0; i < FT_COUNT_OF(faults); i++) {
        if (skip(&at, faults[i]))
            return true;
    }
    at += strspn(at, "0123456789");
    for (size_t i = 0; i < FT_COUNT_OF(counted); i++) {
        if (skip(&at, counted[i]))
            return true;
    }
    return false;
}

void fuzz_check_error(const ft_error *err, const char *path)
{
    const char *at = behind_path(err->message, path);
    bool is_fine = err->code == FT_ERROR_DATA && at && (is_place(at) || is_of_whole_file(at));

    if (!is_fine)
        fprintf(stderr, "code %s, of `%s`: %s\n", ft_error_code_name(err->code), path,
                err->message);
    FUZZ_CHECK(is_fine);
}

// The text's fault, or too much of it.
static void check_refusal(const ft_error *err)
{
    if (err->code != FT_ERROR_DATA && err->code != FT_ERROR_LIMIT)
        fprintf(stderr, "code %s: %s\n", ft_error_code_name(err->code), err->message);
    FUZZ_CHECK(err->code == FT_ERROR_DATA || err->code == FT_ERROR_LIMIT);
    FUZZ_CHECK(err->message[0] != '\0');
}

static void reset(ft_encodings *e)
{
    ft_ids *const columns[] = {&e->ids,     &e->type_ids,  &e->offsets,  &e->word_ids,
                               &e->special, &e->attention, &e->sequence, &e->ends};

    for (size_t i = 0; i < FT_COUNT_OF(columns); i++)
        columns[i]->count = 0;
}

static void check_columns(const ft_encodings *e, size_t bytes)
{
    const int32_t *offsets = ft_ids_data(&e->offsets);

    FUZZ_CHECK(e->offsets.count == 2 * e->ids.count && e->word_ids.count == e->ids.count);
    FUZZ_CHECK(e->type_ids.count == e->ids.count && e->special.count == e->ids.count);
    for (size_t i = 0; i < e->offsets.count; i += 2)
        FUZZ_CHECK(0 <= offsets[i] && offsets[i] <= offsets[i + 1] &&
                   (size_t)offsets[i + 1] <= bytes);
}

static void check_equal(const ft_encodings *coded, const ft_encodings *e)
{
    bool equal = coded->ids.count == e->ids.count &&
                 (e->ids.count == 0 || memcmp(ft_ids_data(&coded->ids), ft_ids_data(&e->ids),
                                              e->ids.count * sizeof(int32_t)) == 0);

    for (size_t i = 0; !equal && i < IDS_SHOWN; i++) {
        if (i < coded->ids.count || i < e->ids.count)
            fprintf(stderr, "id %zu: %d by the coder, %d by the interpreter\n", i,
                    i < coded->ids.count ? ft_ids_data(&coded->ids)[i] : -1,
                    i < e->ids.count ? ft_ids_data(&e->ids)[i] : -1);
    }
    FUZZ_CHECK(equal);
}

static void decode(machine *m, const ft_ids *ids, bool skip_special)
{
    ft_error err = FT_ERROR_INIT;
    ft_slice text;

    if (!ft_tokenizer_decode(m->tokenizer, &m->decoder, ft_ids_data(ids), ids->count, skip_special,
                             &text, &err))
        check_refusal(&err);
    else
        FUZZ_CHECK(ft_utf8_valid_prefix(text) == text.size);
}

static void run(machine *m, ft_slice text)
{
    ft_error err = FT_ERROR_INIT, of_coder = FT_ERROR_INIT;
    ft_slice part = {text.data, text.size / 3};
    bool cut;

    part.size = ft_utf8_valid_prefix(part);
    reset(&m->out);
    reset(&m->of_coder);
    bool encoded = ft_text_encoder_add(m->encoder, text, NULL, &m->out, &cut, &err);
    bool coded = ft_token_coder_add(m->coder, text, &m->of_coder.ids, &cut, &of_coder);
    // Rules may make a text as large as they like; one of the two needs less memory for it.
    bool is_limit = err.code == FT_ERROR_LIMIT || of_coder.code == FT_ERROR_LIMIT;
    if (encoded != coded && !is_limit)
        fprintf(stderr, "by the interpreter: %s\nby the coder: %s\n", err.message,
                of_coder.message);
    FUZZ_CHECK(encoded == coded || is_limit);
    if (encoded && coded) {
        check_columns(&m->out, text.size);
        check_equal(&m->of_coder, &m->out);
        decode(m, &m->out.ids, false);
        decode(m, &m->out.ids, true);
    } else {
        if (!encoded)
            check_refusal(&err);
        if (!coded)
            check_refusal(&of_coder);
    }
    if (!m->windows)
        return;
    reset(&m->out);
    err = (ft_error)FT_ERROR_INIT;
    if (!ft_text_encoder_add(m->windows, text, &part, &m->out, &cut, &err))
        check_refusal(&err);
    else
        check_columns(&m->out, text.size);
}

// A pair in windows may have no room for its special tokens.
static void make_machine(machine *m, const ft_tokenizer *tokenizer)
{
    const ft_encode_settings all = {
        .columns = ALL_COLUMNS, .add_special = true, .truncation = FT_TRUNCATE_NONE};
    const ft_encode_settings cut = {.columns = ALL_COLUMNS,
                                    .add_special = true,
                                    .max_length = FEW_IDS,
                                    .truncation = FT_TRUNCATE_RIGHT,
                                    .windows = true,
                                    .stride = FEW_COMMON,
                                    .pad_to = FEW_IDS};
    const ft_token_settings plain = {.truncation = FT_TRUNCATE_NONE, .add_special = true};
    ft_error err = FT_ERROR_INIT;

    *m = (machine){.tokenizer = tokenizer};
    ft_account_init(&m->account, ACCOUNT_BYTES);
    m->decoder.account = &m->account;
    ft_encodings_init(&m->out, &m->account);
    ft_encodings_init(&m->of_coder, &m->account);
    m->coder = ft_token_coder_create(tokenizer, plain, &m->account, &err);
    m->encoder = ft_text_encoder_create(tokenizer, all, FT_SPECIAL_PARSE, false, &m->account, &err);
    if (!m->coder || !m->encoder)
        fprintf(stderr, "%s\n", err.message);
    FUZZ_CHECK(m->coder && m->encoder);
    m->windows = ft_text_encoder_create(tokenizer, cut, FT_SPECIAL_TEXT, true, &m->account, &err);
    FUZZ_CHECK(m->windows || err.code == FT_ERROR_USAGE);
}

static void use(const ft_tokenizer *tokenizer, ft_slice input)
{
    machine m;

    make_machine(&m, tokenizer);
    run(&m, (ft_slice){fixed_text, sizeof(fixed_text) - 1});
    run(&m, fuzz_text(input, TAIL_BYTES));
    run(&m, (ft_slice){"", 0});
    ft_token_coder_destroy(m.coder);
    ft_text_encoder_destroy(m.encoder);
    ft_text_encoder_destroy(m.windows);
    ft_decoder_finish(&m.decoder);
    ft_encodings_finish(&m.out);
    ft_encodings_finish(&m.of_coder);
    FUZZ_CHECK(ft_account_used_bytes(&m.account) == 0);
}

// A file beside the tokenizer's is at fault when the message names it.
static void check_fault(const ft_error *err, const char *const *names)
{
    char path[PATH_BYTES];

    for (size_t i = 0; names[i]; i++) {
        snprintf(path, sizeof(path), "%s%s", FUZZ_FOLDER, names[i]);
        if (behind_path(err->message, path))
            break;
    }
    fuzz_check_error(err, path);
}

void fuzz_tokenizer(const char *const *names, ft_slice input)
{
    ft_error err = FT_ERROR_INIT, of_rules = FT_ERROR_INIT;
    ft_arena *arena = ft_arena_create();
    const ft_tokenizer *tokenizer;
    ft_tokenizer_info info;
    char path[PATH_BYTES];

    FUZZ_CHECK(arena);
    fuzz_set_files(names, input);
    snprintf(path, sizeof(path), "%s%s", FUZZ_FOLDER, names[0]);
    bool described = ft_tokenizer_describe(path, arena, &info, &of_rules);
    bool loaded = ft_tokenizer_load(path, arena, &tokenizer, &err);
    // Whose rules are at fault does not load.
    FUZZ_CHECK(described || !loaded);
    if (!described)
        check_fault(&of_rules, names);
    if (loaded)
        use(tokenizer, input);
    else
        check_fault(&err, names);
    ft_arena_destroy(arena);
}
