// Answers what a tokenizer makes of texts, for tests in Python (tests/token_driver.py): requests on
// standard input, answers on standard output, numbers as u32 of this machine.
//
//   token_driver TOKENIZER [compiled]   compiled: by way of its compiled form
//   request:  op, columns, add_special, special_tokens, max_length, truncation, pair_truncation,
//             windows, stride, pad_to; then for each text its size and bytes (op ENCODE: one, PAIR:
//             two; DECODE: one, ids as i32, where add_special says whether special tokens stay;
//             IDS: one, by ft_token_coder with its fast paths; PLAIN: one, as ENCODE, by the
//             interpreter). With op | LIST, the count of texts stands before the texts.
//   answer:   0 and, of ENCODE, PAIR and PLAIN, the count of windows and where each ends, the count
//             of ids, the ids, then each column that was asked for in the order of its bit; of
//             DECODE the size and the text; or 1, the size and the text of an error. Of a LIST: one
//             such answer for all, where each text is a window (of DECODE: the count, where each
//             text ends, the texts)
#include <stdio.h>
#include <string.h>

#include "runtime/memory/alloc.h"
#include "stages/text/decode.h"
#include "stages/text/text_encoder.h"
#include "tests/tokens/compiled_form.h"

enum { OP_ENCODE, OP_PAIR, OP_DECODE, OP_IDS, OP_PLAIN, OP_LIST = 16 };

typedef struct request {
    uint32_t op, columns, add_special, special_tokens, max_length, truncation, pair_truncation,
        windows, stride, pad_to;
} request;

static void put(const void *bytes, size_t size)
{
    if (size > 0 && fwrite(bytes, size, 1, stdout) != 1)
        perror("token_driver");
}

static void put_number(size_t number)
{
    uint32_t n = (uint32_t)number;

    put(&n, sizeof(n));
}

static void answer_error(const ft_error *err)
{
    put_number(1);
    put_number(strlen(err->message));
    put(err->message, strlen(err->message));
}

// Exactly as large as the text, so that a sanitizer sees a read behind it.
static bool read_text(ft_slice *out)
{
    uint32_t size;

    if (fread(&size, sizeof(size), 1, stdin) != 1)
        return false;
    char *text = ft_alloc(size);
    *out = (ft_slice){text, size};
    return text && (size == 0 || fread(text, size, 1, stdin) == 1);
}

static void answer_encodings(const ft_encodings *e, unsigned columns)
{
    const struct {
        unsigned bit;
        const ft_ids *column;
    } all[] = {{FT_ENCODE_TYPE_IDS, &e->type_ids},   {FT_ENCODE_OFFSETS, &e->offsets},
               {FT_ENCODE_WORD_IDS, &e->word_ids},   {FT_ENCODE_SPECIAL_MASK, &e->special},
               {FT_ENCODE_ATTENTION, &e->attention}, {FT_ENCODE_SEQUENCE, &e->sequence}};

    put_number(0);
    put_number(e->ends.count);
    put(ft_ids_data(&e->ends), e->ends.count * sizeof(int32_t));
    put_number(e->ids.count);
    put(ft_ids_data(&e->ids), e->ids.count * sizeof(int32_t));
    for (size_t i = 0; i < FT_COUNT_OF(all); i++) {
        if (columns & all[i].bit)
            put(ft_ids_data(all[i].column), all[i].column->count * sizeof(int32_t));
    }
}

// One of each kind for all texts that are asked for in the same way, so that caches are filled.
typedef struct workers {
    const ft_tokenizer *tokenizer;
    request made;
    ft_text_encoder *encoder;
    ft_token_coder *coder;
    ft_decoder decoder;
} workers;

static void drop_workers(workers *w)
{
    ft_text_encoder_destroy(ft_take(&w->encoder));
    ft_token_coder_destroy(ft_take(&w->coder));
}

static bool encode(workers *w, const request *r, ft_slice a, const ft_slice *b, ft_encodings *out,
                   ft_error *err)
{
    const ft_encode_settings settings = {
        .columns = r->columns,
        .add_special = r->add_special,
        .max_length = r->max_length,
        .truncation = (ft_truncation)r->truncation,
        .pair_truncation = (ft_pair_truncation)r->pair_truncation,
        .windows = r->windows,
        .stride = r->stride,
        .pad_to = r->pad_to,
        .is_plain = (r->op & ~(unsigned)OP_LIST) == OP_PLAIN,
    };
    bool was_cut;

    if (!w->encoder)
        w->encoder = ft_text_encoder_create(
            w->tokenizer, settings, (ft_special_tokens)r->special_tokens, b != NULL, NULL, err);
    return w->encoder && ft_text_encoder_add(w->encoder, a, b, out, &was_cut, err);
}

static bool code_ids(workers *w, const request *r, ft_slice text, ft_encodings *out, ft_error *err)
{
    const ft_token_settings settings = {r->max_length, (ft_truncation)r->truncation,
                                        (ft_special_tokens)r->special_tokens, r->add_special};
    bool was_cut;

    if (!w->coder)
        w->coder = ft_token_coder_create(w->tokenizer, settings, NULL, err);
    if (!w->coder || !ft_token_coder_add(w->coder, text, &out->ids, &was_cut, err) ||
        !ft_ids_reserve(&out->ends, 1, err))
        return false;
    ft_ids_data(&out->ends)[out->ends.count++] = (int32_t)out->ids.count;
    return true;
}

// One text, or with b two, behind what `out` has.
static bool code(workers *w, const request *r, ft_slice a, const ft_slice *b, ft_encodings *out,
                 ft_error *err)
{
    if (memcmp(&w->made, r, sizeof(*r)) != 0)
        drop_workers(w);
    w->made = *r;
    return (r->op & ~(unsigned)OP_LIST) == OP_IDS ? code_ids(w, r, a, out, err)
                                                  : encode(w, r, a, b, out, err);
}

static bool decode(workers *w, const request *r, ft_slice ids, ft_slice *out, ft_error *err)
{
    return ft_tokenizer_decode(w->tokenizer, &w->decoder, (const int32_t *)(const void *)ids.data,
                               ids.size / sizeof(int32_t), !r->add_special, out, err);
}

static void free_text(ft_slice text)
{
    ft_free((void *)(uintptr_t)text.data);
}

static bool answer_one(workers *w, const request *r)
{
    ft_error err = FT_ERROR_INIT;
    ft_slice a = {0}, b = {0}, text;
    ft_encodings out;

    if (!read_text(&a) || (r->op == OP_PAIR && !read_text(&b)))
        return false;
    ft_encodings_init(&out, NULL);
    if (r->op == OP_DECODE && decode(w, r, a, &text, &err)) {
        put_number(0);
        put_number(text.size);
        put(text.data, text.size);
    } else if (r->op != OP_DECODE && code(w, r, a, r->op == OP_PAIR ? &b : NULL, &out, &err)) {
        answer_encodings(&out, r->columns);
    } else {
        answer_error(&err);
    }
    ft_encodings_finish(&out);
    free_text(a);
    free_text(b);
    return true;
}

// The decoded texts end to end.
typedef struct text_list {
    char *bytes;
    size_t size, room;
    ft_ids ends;
} text_list;

static bool add_text(text_list *list, ft_slice text, ft_error *err)
{
    if (text.size > list->room - list->size) {
        list->room = 2 * list->room + text.size;
        char *grown = ft_realloc(list->bytes, list->room);
        if (!grown)
            return ft_fail_nomem(err, list->room);
        list->bytes = grown;
    }
    if (text.size > 0)
        memcpy(list->bytes + list->size, text.data, text.size);
    list->size += text.size;
    if (!ft_ids_reserve(&list->ends, 1, err))
        return false;
    ft_ids_data(&list->ends)[list->ends.count++] = (int32_t)list->size;
    return true;
}

static void answer_texts(const text_list *list)
{
    put_number(0);
    put_number(list->ends.count);
    put(ft_ids_data(&list->ends), list->ends.count * sizeof(int32_t));
    put(list->bytes, list->size);
}

static bool answer_list(workers *w, const request *r)
{
    ft_error err = FT_ERROR_INIT;
    bool is_decode = r->op == (OP_DECODE | OP_LIST), done = true;
    text_list texts = {0};
    ft_encodings out;
    ft_slice a, text;
    uint32_t count;

    if (fread(&count, sizeof(count), 1, stdin) != 1)
        return false;
    ft_encodings_init(&out, NULL);
    for (uint32_t i = 0; i < count; i++) {
        if (!read_text(&a))
            return false;
        if (done)
            done = is_decode ? decode(w, r, a, &text, &err) && add_text(&texts, text, &err)
                             : code(w, r, a, NULL, &out, &err);
        free_text(a);
    }
    if (!done)
        answer_error(&err);
    else if (is_decode)
        answer_texts(&texts);
    else
        answer_encodings(&out, r->columns);
    ft_encodings_finish(&out);
    ft_ids_finish(&texts.ends);
    ft_free(texts.bytes);
    return true;
}

// Loaded, compiled, and opened when what was loaded is gone.
static bool load_compiled(const char *path, ft_arena *arena, const ft_tokenizer **out,
                          ft_error *err)
{
    ft_arena *passing = ft_arena_create();
    const char *fault = NULL;
    ft_slice bytes = {0};

    bool done = passing && ft_tokenizer_load(path, passing, out, err) &&
                compiled_print(*out, passing, &bytes, err);
    if (passing)
        ft_arena_destroy(passing);
    if (!done)
        return false;
    *out = compiled_open(bytes, false, arena, &fault);
    if (!ft_arena_defer(arena, ft_free, (void *)(uintptr_t)bytes.data))
        return ft_fail_nomem(err, 1);
    return *out || ft_fail(err, FT_ERROR_DATA, "the compiled form is not used: %s", fault);
}

int main(int argc, char **argv)
{
    ft_error err = FT_ERROR_INIT;
    ft_arena *arena = ft_arena_create();
    workers w = {0};
    request r;
    bool done = true;

    const bool is_compiled = argc == 3 && strcmp(argv[2], "compiled") == 0;
    if (argc != 2 + is_compiled || !arena ||
        !(is_compiled ? load_compiled(argv[1], arena, &w.tokenizer, &err)
                      : ft_tokenizer_load(argv[1], arena, &w.tokenizer, &err))) {
        fprintf(stderr, "%s\n",
                argc == 2 + is_compiled ? err.message : "usage: token_driver TOKENIZER [compiled]");
        return 1;
    }
    while (done && fread(&r, sizeof(r), 1, stdin) == 1) {
        done = r.op & OP_LIST ? answer_list(&w, &r) : answer_one(&w, &r);
        fflush(stdout);
    }
    drop_workers(&w);
    ft_decoder_finish(&w.decoder);
    ft_arena_destroy(arena);
    return !done;
}
