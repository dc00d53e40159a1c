// Answers what a tokenizer makes of texts, for tests in Python (tests/token_driver.py): requests on
// standard input, answers on standard output, numbers as u32 of this machine.
//
//   token_driver TOKENIZER
//   request:  op, columns, add_special, special_tokens, max_length, truncation, pair_truncation,
//             windows, stride, pad_to; then for each text its size and bytes (op ENCODE: one, PAIR:
//             two; DECODE: one, ids as i32, where add_special says whether special tokens stay;
//             IDS: one, by ft_token_coder with its fast paths)
//   answer:   0 and, of ENCODE and PAIR, the count of windows and where each ends, the count of
//   ids,
//             the ids, then each column that was asked for in the order of its bit; of DECODE the
//             size and the text; or 1, the size and the text of an error
#include <stdio.h>
#include <string.h>

#include "runtime/memory/alloc.h"
#include "stages/text/decode.h"
#include "stages/text/text_encoder.h"

enum { OP_ENCODE, OP_PAIR, OP_DECODE, OP_IDS };

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

static void encode(const ft_tokenizer *tokenizer, const request *r, ft_slice a, const ft_slice *b)
{
    ft_error err = FT_ERROR_INIT;
    ft_encodings out;
    bool was_cut;
    const ft_encode_settings settings = {
        .columns = r->columns,
        .add_special = r->add_special,
        .max_length = r->max_length,
        .truncation = (ft_truncation)r->truncation,
        .pair_truncation = (ft_pair_truncation)r->pair_truncation,
        .windows = r->windows,
        .stride = r->stride,
        .pad_to = r->pad_to,
    };

    ft_encodings_init(&out, NULL);
    ft_text_encoder *encoder = ft_text_encoder_create(
        tokenizer, settings, (ft_special_tokens)r->special_tokens, b != NULL, NULL, &err);
    if (encoder && ft_text_encoder_add(encoder, a, b, &out, &was_cut, &err))
        answer_encodings(&out, r->columns);
    else
        answer_error(&err);
    ft_text_encoder_destroy(encoder);
    ft_encodings_finish(&out);
}

// One coder for all texts, so that its cache is filled.
static void code_ids(const ft_tokenizer *tokenizer, const request *r, ft_slice text)
{
    static ft_token_coder *coder;
    static request made;
    ft_error err = FT_ERROR_INIT;
    ft_encodings out;
    bool was_cut;

    ft_encodings_init(&out, NULL);
    if (!coder || memcmp(&made, r, sizeof(made)) != 0) {
        ft_token_coder_destroy(coder);
        made = *r;
        coder = ft_token_coder_create(
            tokenizer,
            (ft_token_settings){r->max_length, (ft_truncation)r->truncation,
                                (ft_special_tokens)r->special_tokens, r->add_special},
            NULL, &err);
    }
    if (coder && ft_token_coder_add(coder, text, &out.ids, &was_cut, &err))
        answer_encodings(&out, 0);
    else
        answer_error(&err);
    ft_encodings_finish(&out);
}

static void decode(const ft_tokenizer *tokenizer, const request *r, ft_slice ids)
{
    ft_error err = FT_ERROR_INIT;
    ft_decoder decoder = {0};
    ft_slice text;

    if (ft_tokenizer_decode(tokenizer, &decoder, (const int32_t *)(const void *)ids.data,
                            ids.size / sizeof(int32_t), !r->add_special, &text, &err)) {
        put_number(0);
        put_number(text.size);
        put(text.data, text.size);
    } else {
        answer_error(&err);
    }
    ft_decoder_finish(&decoder);
}

int main(int argc, char **argv)
{
    ft_error err = FT_ERROR_INIT;
    ft_arena *arena = ft_arena_create();
    const ft_tokenizer *tokenizer;
    request r;

    if (argc != 2 || !arena || !ft_tokenizer_load(argv[1], arena, &tokenizer, &err)) {
        fprintf(stderr, "%s\n", argc == 2 ? err.message : "usage: token_driver TOKENIZER");
        return 1;
    }
    while (fread(&r, sizeof(r), 1, stdin) == 1) {
        ft_slice a = {0}, b = {0};
        if (!read_text(&a) || (r.op == OP_PAIR && !read_text(&b)))
            return 1;
        if (r.op == OP_DECODE)
            decode(tokenizer, &r, a);
        else if (r.op == OP_IDS)
            code_ids(tokenizer, &r, a);
        else
            encode(tokenizer, &r, a, r.op == OP_PAIR ? &b : NULL);
        ft_free((void *)(uintptr_t)a.data);
        ft_free((void *)(uintptr_t)b.data);
    }
    ft_arena_destroy(arena);
    return 0;
}
