// SentencePiece's .model: a protocol buffer (sentencepiece_model.proto) with the pieces, what the
// trainer was told and how texts are normalised. Read by hand, since it takes three message types:
// every tag is a varint of number << 3 | wire type, every length is checked against what is left.
#include <stdio.h>
#include <string.h>

#include "stages/text/charsmap.h"
#include "stages/text/tokenizer_parts.h"

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };
enum { MODEL_PIECES = 1, MODEL_TRAINER = 2, MODEL_NORMALIZER = 3 };
enum { PIECE_TEXT = 1, PIECE_SCORE = 2, PIECE_TYPE = 3 };
enum {
    TRAINER_MODEL_TYPE = 3,
    TRAINER_SUFFIX = 24,
    TRAINER_BYTE_FALLBACK = 35,
    TRAINER_UNKNOWN = 40,
    TRAINER_BEGIN = 41,
    TRAINER_END = 42,
    TRAINER_UNKNOWN_SURFACE = 44
};
enum {
    NORMALIZER_CHARSMAP = 2,
    NORMALIZER_DUMMY_PREFIX = 3,
    NORMALIZER_EXTRA_SPACES = 4,
    NORMALIZER_ESCAPE = 5
};
enum { TYPE_UNIGRAM = 1, TYPE_BPE = 2 };
enum {
    PIECE_NORMAL = 1,
    PIECE_UNKNOWN,
    PIECE_CONTROL,
    PIECE_USER_DEFINED,
    PIECE_UNUSED,
    PIECE_BYTE
};

typedef struct field {
    uint32_t number;
    int wire;
    uint64_t value;  // VARINT and 32.
    ft_slice bytes;
} field;

typedef struct model_file {
    const ft_definition_reader *r;
    const char *start;  // Of the file.
    ft_slice trainer, normalizer;
    ft_sentencepiece rules;
    ft_piece *pieces;
    size_t piece_count;
    int32_t *control;  // Ids of control pieces, [control_count].
    size_t control_count;
    uint64_t model_type, begin, end;
} model_file;

static bool read_varint(ft_slice *rest, uint64_t *out)
{
    *out = 0;
    for (unsigned shift = 0; shift < 64 && rest->size > 0; shift += 7) {
        uint8_t byte = (uint8_t)*rest->data;
        *rest = (ft_slice){rest->data + 1, rest->size - 1};
        *out |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return true;
    }
    return false;
}

static bool take(ft_slice *rest, uint64_t size, ft_slice *out)
{
    if (size > rest->size)
        return false;
    *out = (ft_slice){rest->data, (size_t)size};
    *rest = (ft_slice){rest->data + size, rest->size - (size_t)size};
    return true;
}

static bool read_field(const model_file *in, ft_slice *rest, const char *message, field *out,
                       ft_error *err)
{
    size_t at = (size_t)(rest->data - in->start);
    uint64_t tag, size;
    uint32_t word;
    bool done = read_varint(rest, &tag) && tag >> 3 <= UINT32_MAX;

    if (done) {
        out->number = (uint32_t)(tag >> 3);
        out->wire = (int)(tag & 7);
        if (out->wire == WIRE_VARINT) {
            done = read_varint(rest, &out->value);
        } else if (out->wire == WIRE_BYTES) {
            done = read_varint(rest, &size) && take(rest, size, &out->bytes);
        } else if (out->wire == WIRE_64) {
            done = take(rest, 8, &out->bytes);
        } else if (out->wire == WIRE_32) {
            done = take(rest, 4, &out->bytes);
            if (done) {
                memcpy(&word, out->bytes.data, sizeof(word));
                out->value = word;
            }
        } else {
            done = false;
        }
    }
    return done || ft_tokenizer_fault(err, in->r->path, message,
                                      "cut off, or not a SentencePiece model, at byte %zu", at);
}

// ---- pieces ----

static bool read_piece(model_file *in, ft_slice bytes, ft_error *err)
{
    ft_piece *piece = &in->pieces[in->piece_count];
    uint64_t type = PIECE_NORMAL;
    char place[48];
    field f;

    snprintf(place, sizeof(place), "pieces[%zu]", in->piece_count);
    *piece = (ft_piece){.id = (int32_t)in->piece_count};
    while (bytes.size > 0) {
        if (!read_field(in, &bytes, place, &f, err))
            return false;
        if (f.number == PIECE_TEXT && f.wire == WIRE_BYTES) {
            piece->text = f.bytes;
        } else if (f.number == PIECE_SCORE && f.wire == WIRE_32) {
            uint32_t bits = (uint32_t)f.value;
            float score;
            memcpy(&score, &bits, sizeof(score));
            piece->score = (double)score;
        } else if (f.number == PIECE_TYPE && f.wire == WIRE_VARINT) {
            type = f.value;
        }
    }
    if (piece->text.size == 0 || ft_utf8_valid_prefix(piece->text) < piece->text.size)
        return ft_tokenizer_fault(err, in->r->path, place, "empty, or not valid UTF-8");
    if (!(piece->score >= -1e30 && piece->score <= 1e30))
        return ft_tokenizer_fault(err, in->r->path, place, "its score is not a number");
    if (type == PIECE_USER_DEFINED)
        piece->kind = FT_PIECE_USER_DEFINED;
    else if (type == PIECE_UNUSED)
        piece->kind = FT_PIECE_UNUSED;
    else if (type != PIECE_NORMAL)
        piece->kind = FT_PIECE_CONTROL;
    if (type == PIECE_UNKNOWN)
        in->r->out->model.unknown = piece->id;
    if (type == PIECE_CONTROL)
        in->control[in->control_count++] = piece->id;
    in->piece_count++;
    return true;
}

// Counts the pieces, notes the other parts.
static bool read_parts(model_file *in, ft_slice text, ft_error *err)
{
    ft_slice rest = text;
    size_t count = 0;
    field f;

    while (rest.size > 0) {
        if (!read_field(in, &rest, NULL, &f, err))
            return false;
        if (f.wire != WIRE_BYTES)
            continue;
        count += f.number == MODEL_PIECES;
        if (f.number == MODEL_TRAINER)
            in->trainer = f.bytes;
        else if (f.number == MODEL_NORMALIZER)
            in->normalizer = f.bytes;
    }
    if (count == 0 || count > FT_TOKENIZER_ID_MAX)
        return ft_tokenizer_fault(err, in->r->path, NULL, "%zu pieces", count);
    in->pieces = ft_arena_zero(in->r->scratch, count, sizeof(*in->pieces));
    in->control = ft_arena_zero(in->r->arena, count, sizeof(*in->control));
    if (!in->pieces || !in->control)
        return ft_fail_nomem(err, count * sizeof(*in->pieces));
    while (text.size > 0) {
        if (!read_field(in, &text, NULL, &f, err))
            return false;
        if (f.number == MODEL_PIECES && f.wire == WIRE_BYTES && !read_piece(in, f.bytes, err))
            return false;
    }
    return true;
}

// ---- the trainer's and the normaliser's settings ----

static bool read_trainer(model_file *in, ft_error *err)
{
    ft_slice rest = in->trainer;
    field f;

    in->model_type = TYPE_UNIGRAM;
    in->begin = 1;
    in->end = 2;
    in->rules.unknown_surface = FT_SLICE(" \xe2\x81\x87 ");
    while (rest.size > 0) {
        if (!read_field(in, &rest, "trainer_spec", &f, err))
            return false;
        if (f.wire == WIRE_BYTES && f.number == TRAINER_UNKNOWN_SURFACE)
            in->rules.unknown_surface = f.bytes;
        if (f.wire != WIRE_VARINT)
            continue;
        if (f.number == TRAINER_MODEL_TYPE)
            in->model_type = f.value;
        else if (f.number == TRAINER_BYTE_FALLBACK)
            in->rules.byte_fallback = f.value != 0;
        else if (f.number == TRAINER_SUFFIX)
            in->rules.treat_whitespace_as_suffix = f.value != 0;
        else if (f.number == TRAINER_BEGIN)
            in->begin = f.value;
        else if (f.number == TRAINER_END)
            in->end = f.value;
    }
    if (in->model_type != TYPE_UNIGRAM && in->model_type != TYPE_BPE)
        return ft_tokenizer_fault(err, in->r->path, "trainer_spec.model_type",
                                  "neither Unigram nor BPE, which are what this version reads");
    ft_slice surface = in->rules.unknown_surface;
    if (ft_utf8_valid_prefix(surface) < surface.size)
        return ft_tokenizer_fault(err, in->r->path, "trainer_spec.unk_surface", "not valid UTF-8");
    in->rules.is_bpe = in->model_type == TYPE_BPE;
    in->r->out->model.single_precision = true;
    return true;
}

static bool read_normalizer(model_file *in, ft_error *err)
{
    ft_sentencepiece *rules = &in->rules;
    ft_slice rest = in->normalizer;
    field f;

    rules->add_dummy_prefix = true;
    rules->remove_extra_whitespaces = true;
    rules->escape_whitespaces = true;
    rules->charsmap_place = "normalizer_spec.precompiled_charsmap";
    while (rest.size > 0) {
        if (!read_field(in, &rest, "normalizer_spec", &f, err))
            return false;
        if (f.number == NORMALIZER_CHARSMAP && f.wire == WIRE_BYTES)
            rules->charsmap = f.bytes;
        else if (f.number == NORMALIZER_DUMMY_PREFIX && f.wire == WIRE_VARINT)
            rules->add_dummy_prefix = f.value != 0;
        else if (f.number == NORMALIZER_EXTRA_SPACES && f.wire == WIRE_VARINT)
            rules->remove_extra_whitespaces = f.value != 0;
        else if (f.number == NORMALIZER_ESCAPE && f.wire == WIRE_VARINT)
            rules->escape_whitespaces = f.value != 0;
    }
    return true;
}

// ---- around the text, and back ----

static bool read_flag(const ft_json_node *config, const char *name)
{
    const ft_json_node *node = config ? ft_json_find(config, name) : NULL;

    return node && node->kind == FT_JSON_TRUE;
}

// The .model says which ids begin and end a text, a tokenizer_config.json beside it whether they
// are put there.
static bool make_template(const model_file *in, ft_error *err)
{
    ft_template_part *parts = ft_arena_zero(in->r->arena, 3, sizeof(*parts));
    const ft_json_node *config;
    size_t count = 0;

    if (!parts)
        return ft_fail_nomem(err, 3 * sizeof(*parts));
    if (!ft_tokenizer_read_beside(in->r->path, "tokenizer_config.json", in->r->scratch, &config,
                                  err))
        return false;
    if (read_flag(config, "add_bos_token") && in->begin < in->piece_count)
        parts[count++] = (ft_template_part){FT_PART_SPECIAL, (int32_t)in->begin, 0};
    parts[count++] = (ft_template_part){FT_PART_A, 0, 0};
    if (read_flag(config, "add_eos_token") && in->end < in->piece_count)
        parts[count++] = (ft_template_part){FT_PART_SPECIAL, (int32_t)in->end, 0};
    in->r->out->post.single = parts;
    in->r->out->post.single_count = count;
    return true;
}

bool ft_definition_read_sentencepiece(const ft_definition_reader *r, ft_slice text, ft_error *err)
{
    model_file in = {.r = r, .start = text.data};

    r->out->path = r->path;
    r->out->model.unknown = -1;
    if (!read_parts(&in, text, err) || !read_trainer(&in, err) || !read_normalizer(&in, err) ||
        !make_template(&in, err))
        return false;
    in.rules.pieces = in.pieces;
    in.rules.piece_count = in.piece_count;
    r->out->control = in.control;
    r->out->control_count = in.control_count;
    return ft_definition_make_sentencepiece(r, &in.rules, err);
}
