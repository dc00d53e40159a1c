// vocab.json and merges.txt, the two files of GPT-2's tokenizers and their like: the ids of tokens,
// and a line for each merge. How words are cut and what stands around a text is not in them: it
// goes with the name of the class, which tokenizer_config.json or config.json beside them tell.
// special_tokens_map.json and added_tokens.json say more, as the slow tokenizers of transformers
// have them (tokenization_utils_base.py, convert_slow_tokenizer.py).
#include <stdio.h>
#include <string.h>

#include "runtime/system/file.h"
#include "stages/text/definition_slow.h"
#include "stages/text/pattern.h"
#include "stages/text/tokenizer_parts.h"
#include "stages/text/vocabulary.h"
#include "stages/text/word_grammar.h"

#define VOCAB FT_SLICE("vocab.json")
#define MERGES FT_SLICE("merges.txt")

// The path with another ending; `from` is there.
static const char *with_ending(const char *path, ft_slice from, ft_slice to, ft_arena *arena)
{
    return ft_arena_format(arena, "%.*s%.*s", (int)(strlen(path) - from.size), path, (int)to.size,
                           to.data);
}

bool ft_definition_find_merges(const char **path, bool *out_found, ft_arena *arena, ft_error *err)
{
    ft_slice text = ft_slice_of(*path);

    *out_found = ft_slice_ends_with(text, VOCAB) || ft_slice_ends_with(text, MERGES);
    if (!ft_slice_ends_with(text, MERGES))
        return true;
    *path = with_ending(*path, MERGES, VOCAB, arena);
    return *path || ft_fail_nomem(err, text.size);
}

const char *ft_definition_merges_of(const char *path, ft_arena *arena)
{
    return ft_slice_ends_with(ft_slice_of(path), VOCAB) ? with_ending(path, VOCAB, MERGES, arena)
                                                        : path;
}

// ---- vocab.json ----

typedef struct vocab_file {
    const ft_definition_reader *r;
    ft_slice text;
    ft_piece *pieces;  // [capacity]
    size_t count, capacity;
    uint64_t *ids;  // [id_words]: a bit for each that is taken.
    size_t id_words;
} vocab_file;

static bool piece_fault(const vocab_file *in, const ft_json_value *key, const char *what,
                        ft_error *err)
{
    ft_slice shown = ft_shown(key->text);
    char place[FT_PLACE_BYTES];

    snprintf(place, sizeof(place), "byte %zu", (size_t)(key->text.data - in->text.data));
    return ft_tokenizer_fault(err, in->r->path, place, "the id of `%.*s` is %s", (int)shown.size,
                              shown.data, what);
}

// Grows with the largest: ids reach far beyond what most files have.
static bool take_id(vocab_file *in, size_t id, bool *out_was_taken, ft_error *err)
{
    if (id / 64 >= in->id_words) {
        size_t wanted = id / 64 + 1 > 2 * in->id_words ? id / 64 + 1 : 2 * in->id_words;
        uint64_t *larger = ft_arena_zero(in->r->scratch, wanted, sizeof(*larger));
        if (!larger)
            return ft_fail_nomem(err, wanted * sizeof(*larger));
        if (in->id_words > 0)
            memcpy(larger, in->ids, in->id_words * sizeof(*larger));
        in->ids = larger;
        in->id_words = wanted;
    }
    *out_was_taken = in->ids[id / 64] >> (id % 64) & 1;
    in->ids[id / 64] |= UINT64_C(1) << (id % 64);
    return true;
}

static bool read_piece(vocab_file *in, const ft_json_value *key, const ft_json_value *value,
                       ft_error *err)
{
    ft_piece piece = {.text = key->text};
    int64_t id;
    bool was_taken = false;

    if (value->kind != FT_JSON_NUMBER || !ft_parse_int(value->text, &id))
        return piece_fault(in, key, "not a whole number", err);
    if (id < 0 || id > FT_TOKENIZER_ID_MAX)
        return piece_fault(in, key, "out of the range 0..16777215", err);
    if (!take_id(in, (size_t)id, &was_taken, err))
        return false;
    if (was_taken)
        return piece_fault(in, key, "that of another token too; each is to have its own", err);
    piece.id = (int32_t)id;
    if (key->has_escapes) {
        char *copy = ft_arena_alloc(in->r->scratch, key->text.size + 1);
        if (!copy)
            return ft_fail_nomem(err, key->text.size);
        piece.text.data = copy;
        if (!ft_json_unescape(key->text, copy, &piece.text.size, err)) {
            ft_error_while(err, "at byte %zu", (size_t)(key->text.data - in->text.data));
            return false;
        }
    }
    in->pieces[in->count++] = piece;
    return true;
}

// Twice: to count the tokens, then to read them.
static bool walk_vocab(vocab_file *in, bool is_counting, ft_error *err)
{
    ft_json json;
    ft_json_value value, key;
    bool first = true, more;

    ft_json_init(&json, in->text);
    if (!ft_json_read(&json, &value, err))
        return false;
    if (value.kind != FT_JSON_OBJECT)
        return ft_tokenizer_fault(err, in->r->path, NULL, "not an object of tokens and their ids");
    for (;;) {
        if (!ft_json_next_member(&json, &first, &more, &key, err))
            return false;
        if (!more)
            return ft_json_end(&json, err);
        if (is_counting) {
            in->capacity++;
            if (!ft_json_skip(&json, NULL, err))
                return false;
        } else if (!ft_json_read(&json, &value, err) || !read_piece(in, &key, &value, err)) {
            return false;
        }
    }
}

static bool read_vocab(const ft_definition_reader *r, ft_slice text, ft_error *err)
{
    vocab_file in = {.r = r, .text = text};

    if (!walk_vocab(&in, true, err))
        return false;
    if (in.capacity > FT_TOKENIZER_ID_MAX)
        return ft_tokenizer_fault(err, r->path, NULL, "%zu tokens", in.capacity);
    in.pieces = ft_arena_zero(r->scratch, in.capacity + 1, sizeof(*in.pieces));
    if (!in.pieces)
        return ft_fail_nomem(err, in.capacity * sizeof(*in.pieces));
    if (!walk_vocab(&in, false, err))
        return false;
    r->out->model.pieces = in.pieces;
    r->out->model.piece_count = in.count;
    return true;
}

// ---- merges.txt ----

typedef struct merges_file {
    const char *path;
    ft_vocab vocab;
    char *joined;  // [2 * FT_PIECE_BYTES_MAX]
} merges_file;

static bool find_token(const merges_file *in, size_t line, ft_slice text, int32_t *out,
                       ft_error *err)
{
    char place[FT_PLACE_BYTES];

    *out = ft_vocab_find(&in->vocab, text);
    if (*out >= 0)
        return true;
    ft_slice shown = ft_shown(text);
    snprintf(place, sizeof(place), "line %zu", line);
    ft_tokenizer_fault(err, in->path, place, "`%.*s` is not in the vocabulary", (int)shown.size,
                       shown.data);
    ft_hint(err, "Both parts of a merge and what they become are tokens of the vocab.json beside "
                 "it: the two files are to be of one model.");
    return false;
}

static bool read_merge(const merges_file *in, ft_slice line, size_t number, ft_merge *out,
                       ft_error *err)
{
    const char *space = memchr(line.data, ' ', line.size);
    size_t left = space ? (size_t)(space - line.data) : 0;
    char place[FT_PLACE_BYTES];

    if (!space || memchr(space + 1, ' ', line.size - left - 1)) {
        snprintf(place, sizeof(place), "line %zu", number);
        return ft_tokenizer_fault(err, in->path, place, "not two tokens with one space between");
    }
    ft_slice one = {line.data, left}, two = {space + 1, line.size - left - 1};
    if (!find_token(in, number, one, &out->left, err) ||
        !find_token(in, number, two, &out->right, err))
        return false;
    if (one.size > 0)
        memcpy(in->joined, one.data, one.size);
    if (two.size > 0)
        memcpy(in->joined + one.size, two.data, two.size);
    return find_token(in, number, (ft_slice){in->joined, one.size + two.size}, &out->merged, err);
}

static bool read_lines(const ft_definition_reader *r, const merges_file *in, ft_slice text,
                       ft_error *err)
{
    size_t lines = 1, number = 0, count = 0;
    ft_slice line;

    for (size_t i = 0; i < text.size; i++)
        lines += text.data[i] == '\n';
    ft_merge *merges = ft_arena_zero(r->scratch, lines, sizeof(*merges));
    if (!merges)
        return ft_fail_nomem(err, lines * sizeof(*merges));
    // The end of the last line begins no other.
    if (text.size > 0 && text.data[text.size - 1] == '\n')
        text.size--;
    while (ft_slice_cut(&text, '\n', &line)) {
        number++;
        if (line.size > 0 && line.data[line.size - 1] == '\r')
            line.size--;
        // The version is the first line; the reference takes it anywhere.
        if (ft_slice_starts_with(line, FT_SLICE("#version")))
            continue;
        if (!read_merge(in, line, number, &merges[count], err))
            return false;
        count++;
    }
    r->out->model.merges = merges;
    r->out->model.merge_count = count;
    return true;
}

static bool read_merges(const ft_definition_reader *r, const char *path, ft_error *err)
{
    const ft_model_definition *model = &r->out->model;
    merges_file in = {.path = path, .joined = ft_arena_alloc(r->scratch, 2 * FT_PIECE_BYTES_MAX)};
    ft_slice text;

    if (!in.joined)
        return ft_fail_nomem(err, 2 * FT_PIECE_BYTES_MAX);
    if (!ft_file_read(path, r->scratch, FT_TOKENIZER_FILE_MAX, &text, err)) {
        err->number = err->number ? err->number : FT_TOKENIZER_ERROR;
        return false;
    }
    size_t valid = ft_utf8_valid_prefix(text);
    if (valid < text.size)
        return ft_tokenizer_fault(err, path, NULL, "not valid UTF-8 at byte %zu", valid);
    return ft_vocab_build(model->pieces, model->piece_count, FT_VOCAB_FORGET, r->path, r->scratch,
                          &in.vocab, err) &&
           read_lines(r, &in, text, err);
}

// ---- words ----

static bool make_words(const ft_definition_reader *r, const ft_slow_rules *rules, ft_error *err)
{
    ft_pre_step *pre = ft_arena_zero(r->arena, 2, sizeof(*pre));
    ft_decode_step *decode = ft_arena_zero(r->arena, 1, sizeof(*decode));
    ft_normalize_step *normalize = ft_arena_zero(r->arena, 1, sizeof(*normalize));
    size_t count = 0;

    if (!pre || !decode || !normalize)
        return ft_fail_nomem(err, 2 * sizeof(*pre));
    decode->kind = FT_DECODE_BYTE_LEVEL;
    normalize->kind = FT_NORMALIZE_NFC;
    r->out->decode = decode;
    r->out->normalize = normalize;
    r->out->pre = pre;
    r->out->decode_count = 1;
    r->out->normalize_count = rules->grammar ? 1 : 0;
    if (rules->grammar) {
        pre[count] = (ft_pre_step){.kind = FT_PRE_SPLIT, .split.behavior = FT_SPLIT_ISOLATED};
        if (!ft_pattern_regex(ft_slice_of(ft_grammar_regex(rules->grammar)), r->path,
                              rules->grammar, r->arena, &pre[count++].split.pattern, err))
            return false;
    }
    pre[count++] = (ft_pre_step){
        .kind = FT_PRE_BYTE_LEVEL,
        .byte_level = {.add_prefix_space = rules->add_prefix_space, .use_regex = !rules->grammar}};
    r->out->pre_count = count;
    return true;
}

bool ft_definition_read_merges(const ft_definition_reader *r, ft_slice text, ft_error *err)
{
    const char *merges = ft_definition_merges_of(r->path, r->scratch);
    ft_model_definition *model = &r->out->model;
    ft_slow_rules rules;

    if (!merges)
        return ft_fail_nomem(err, strlen(r->path));
    if (ft_file_find(merges) == FT_FILE_MISSING) {
        ft_tokenizer_fault(err, r->path, NULL, "there is no `%s`, which goes with it", merges);
        ft_hint(err, "Put the merges.txt of the model beside it, or use its tokenizer.json.");
        return false;
    }
    r->out->path = r->path;
    r->out->has_added_ids = true;
    model->kind = FT_MODEL_BPE;
    // All bytes have their letters: there is no unknown one.
    model->unknown = -1;
    if (!ft_slow_rules_read(r, &rules, err) || !make_words(r, &rules, err))
        return false;
    if (r->with_vocabulary && (!read_vocab(r, text, err) || !read_merges(r, merges, err)))
        return false;
    return ft_slow_rules_make(r, &rules, err);
}
