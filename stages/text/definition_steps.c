// The normalizer, the pre-tokenizer and the decoder of a tokenizer.json: lists of steps.
#include <stdio.h>

#include "stages/text/charsmap.h"
#include "stages/text/definition_read.h"

enum { STEPS_MAX = 64 };

typedef enum versions { BOTH, ONLY_1, ONLY_2 } versions;

// One type of component: its name and how its members are read into a step.
typedef struct component_type {
    const char *name;
    int kind;
    bool (*read)(const ft_component *c, void *step, ft_error *err);  // NULL: it has no members.
    versions versions;
} component_type;

typedef struct step_list {
    const component_type *types;
    size_t type_count, step_bytes, count;
    uint8_t *steps;  // [STEPS_MAX]
    void (*set_kind)(void *step, int kind);
} step_list;

static bool read_step(const ft_component *c, void *context, ft_error *err)
{
    step_list *list = context;
    const ft_json_node *type = ft_json_find(c->node, "type");

    for (size_t i = 0; type && type->kind == FT_JSON_STRING && i < list->type_count; i++) {
        const component_type *one = &list->types[i];
        if (!ft_slice_is(type->text, one->name))
            continue;
        if (one->versions == ONLY_1 && c->reader->is_version_2) {
            char what[64];
            snprintf(what, sizeof(what), "`%s`", one->name);
            return ft_definition_refuse_old(c->reader, c->place, what, err);
        }
        if (one->versions == ONLY_2 && !c->reader->is_version_2)
            break;
        if (list->count == STEPS_MAX)
            return ft_tokenizer_fault(err, c->reader->path, c->place, "more than %d components",
                                      STEPS_MAX);
        void *step = list->steps + list->count++ * list->step_bytes;
        list->set_kind(step, one->kind);
        return !one->read || one->read(c, step, err);
    }
    return ft_definition_refuse(c->reader, c->place, type, err);
}

static bool read_steps(const ft_definition_reader *r, const ft_json_node *node, const char *place,
                       const char *member, step_list *list, ft_error *err)
{
    list->steps = ft_arena_zero(r->arena, STEPS_MAX, list->step_bytes);
    if (!list->steps)
        return ft_fail_nomem(err, STEPS_MAX * list->step_bytes);
    return ft_definition_flatten(r, node, place, member, read_step, list, err);
}

// What version 1.0 demands and 2.0 has a value for.
static ft_member_rule required_in_1(const ft_component *c)
{
    return c->reader->is_version_2 ? FT_MEMBER_OPTIONAL : FT_MEMBER_REQUIRED;
}

// ---- normalizer ----

static bool read_bert(const ft_component *c, void *step, ft_error *err)
{
    ft_bert_rules *rules = &((ft_normalize_step *)step)->bert;

    if (!ft_member_bool(c, "clean_text", FT_MEMBER_REQUIRED, &rules->clean_text, err) ||
        !ft_member_bool(c, "handle_chinese_chars", FT_MEMBER_REQUIRED, &rules->handle_chinese_chars,
                        err) ||
        !ft_member_bool(c, "lowercase", FT_MEMBER_REQUIRED, &rules->lowercase, err))
        return false;
    rules->strip_accents = rules->lowercase;
    if (c->reader->is_version_2 && !ft_json_find(c->node, "strip_accents"))
        return ft_member_fault(c, "strip_accents", "not true, false or null", err);
    return ft_member_bool(c, "strip_accents", FT_MEMBER_OPTIONAL, &rules->strip_accents, err);
}

static bool read_strip(const ft_component *c, void *step, ft_error *err)
{
    ft_normalize_step *s = step;

    return ft_member_bool(c, "strip_left", FT_MEMBER_REQUIRED, &s->strip.left, err) &&
           ft_member_bool(c, "strip_right", FT_MEMBER_REQUIRED, &s->strip.right, err);
}

static bool read_precompiled(const ft_component *c, void *step, ft_error *err)
{
    ft_normalize_step *s = step;
    ft_slice blob = {0};

    return ft_member_text(c, "precompiled_charsmap", FT_MEMBER_REQUIRED, &blob, err) &&
           ft_charsmap_parse_base64(blob, c->reader->path, c->place, c->reader->arena, &s->charsmap,
                                    err);
}

static bool read_replace(const ft_component *c, void *step, ft_error *err)
{
    ft_normalize_step *s = step;

    return ft_member_pattern(c, "pattern", &s->replace.pattern, err) &&
           ft_member_text(c, "content", FT_MEMBER_REQUIRED, &s->replace.content, err);
}

static bool read_prepend(const ft_component *c, void *step, ft_error *err)
{
    return ft_member_text(c, "prepend", FT_MEMBER_REQUIRED, &((ft_normalize_step *)step)->prepend,
                          err);
}

// In the order of ft_prepend_scheme.
static const char *const schemes[] = {"always", "first", "never", NULL};

static bool read_metaspace_normalizer(const ft_component *c, void *step, ft_error *err)
{
    ft_normalize_step *s = step;
    int scheme = 0;

    if (!ft_member_char(c, "replacement", FT_MEMBER_REQUIRED, &s->metaspace.replacement, err) ||
        !ft_member_choice(c, "prepend", schemes, FT_MEMBER_REQUIRED, &scheme, err))
        return false;
    s->metaspace.scheme = (ft_prepend_scheme)scheme;
    return ft_member_bool(c, "drop_whitespace", FT_MEMBER_REQUIRED, &s->metaspace.drop_whitespace,
                          err);
}

static void set_normalize_kind(void *step, int kind)
{
    ((ft_normalize_step *)step)->kind = (ft_normalize_kind)kind;
}

bool ft_definition_read_normalizer(const ft_definition_reader *r, const ft_json_node *node,
                                   ft_error *err)
{
    static const component_type types[] = {
        {"BertNormalizer", FT_NORMALIZE_BERT, read_bert, BOTH},
        {"Strip", FT_NORMALIZE_STRIP, read_strip, BOTH},
        {"StripAccents", FT_NORMALIZE_STRIP_ACCENTS, NULL, BOTH},
        {"NFC", FT_NORMALIZE_NFC, NULL, BOTH},
        {"NFD", FT_NORMALIZE_NFD, NULL, BOTH},
        {"NFKC", FT_NORMALIZE_NFKC, NULL, BOTH},
        {"NFKD", FT_NORMALIZE_NFKD, NULL, BOTH},
        {"Lowercase", FT_NORMALIZE_LOWERCASE, NULL, BOTH},
        {"Nmt", FT_NORMALIZE_NMT, NULL, BOTH},
        {"Precompiled", FT_NORMALIZE_PRECOMPILED, read_precompiled, BOTH},
        {"Replace", FT_NORMALIZE_REPLACE, read_replace, BOTH},
        {"Prepend", FT_NORMALIZE_PREPEND, read_prepend, BOTH},
        {"ByteLevel", FT_NORMALIZE_BYTE_LEVEL, NULL, BOTH},
        {"MetaspaceNormalizer", FT_NORMALIZE_METASPACE, read_metaspace_normalizer, ONLY_2},
    };
    step_list list = {.types = types,
                      .type_count = FT_COUNT_OF(types),
                      .step_bytes = sizeof(ft_normalize_step),
                      .set_kind = set_normalize_kind};

    bool done = read_steps(r, node, "normalizer", "normalizers", &list, err);
    r->out->normalize = (const ft_normalize_step *)(const void *)list.steps;
    r->out->normalize_count = list.count;
    return done;
}

// ---- pre-tokenizer ----

// In the order of ft_split_behavior.
static const char *const behaviors[] = {"Removed",        "Isolated",   "MergedWithPrevious",
                                        "MergedWithNext", "Contiguous", NULL};

static bool read_byte_level(const ft_component *c, void *step, ft_error *err)
{
    ft_pre_step *s = step;

    s->byte_level.use_regex = true;
    return ft_member_bool(c, "add_prefix_space", FT_MEMBER_REQUIRED,
                          &s->byte_level.add_prefix_space, err) &&
           ft_member_bool(c, "use_regex", FT_MEMBER_OPTIONAL, &s->byte_level.use_regex, err);
}

static bool read_delimiter(const ft_component *c, void *step, ft_error *err)
{
    ft_slice text = {0};
    size_t at = 0;

    if (!ft_member_char(c, "delimiter", FT_MEMBER_REQUIRED, &text, err))
        return false;
    ((ft_pre_step *)step)->delimiter = ft_unicode_next((const uint8_t *)text.data, &at);
    return true;
}

// `add_prefix_space: false` of older files stands for the scheme `never`.
static bool read_scheme(const ft_component *c, ft_prepend_scheme *out, ft_error *err)
{
    bool add_prefix_space = true;
    int scheme = FT_PREPEND_ALWAYS;

    if (c->reader->is_version_2 && ft_member(c, "add_prefix_space"))
        return ft_definition_refuse_old(c->reader, c->place, "`add_prefix_space`", err);
    if (!ft_member_bool(c, "add_prefix_space", FT_MEMBER_OPTIONAL, &add_prefix_space, err) ||
        !ft_member_choice(c, "prepend_scheme", schemes,
                          c->reader->is_version_2 ? FT_MEMBER_REQUIRED : FT_MEMBER_OPTIONAL,
                          &scheme, err))
        return false;
    if (!add_prefix_space && scheme != FT_PREPEND_NEVER)
        return ft_tokenizer_fault(err, c->reader->path, c->place,
                                  "`add_prefix_space: false` contradicts `prepend_scheme: %s`",
                                  schemes[scheme]);
    *out = (ft_prepend_scheme)scheme;
    return true;
}

static bool read_metaspace(const ft_component *c, void *step, ft_error *err)
{
    ft_pre_step *s = step;

    s->metaspace.split = true;
    return ft_member_char(c, "replacement", FT_MEMBER_REQUIRED, &s->metaspace.replacement, err) &&
           read_scheme(c, &s->metaspace.scheme, err) &&
           ft_member_bool(c, "split", FT_MEMBER_OPTIONAL, &s->metaspace.split, err);
}

static bool read_split(const ft_component *c, void *step, ft_error *err)
{
    ft_pre_step *s = step;
    int behavior = FT_SPLIT_ISOLATED;

    if (!ft_member_pattern(c, "pattern", &s->split.pattern, err) ||
        !ft_member_choice(c, "behavior", behaviors, required_in_1(c), &behavior, err))
        return false;
    s->split.behavior = (ft_split_behavior)behavior;
    return ft_member_bool(c, "invert", required_in_1(c), &s->split.invert, err);
}

static bool read_punctuation(const ft_component *c, void *step, ft_error *err)
{
    int behavior = FT_SPLIT_ISOLATED;

    if (!ft_member_choice(c, "behavior", behaviors, FT_MEMBER_OPTIONAL, &behavior, err))
        return false;
    ((ft_pre_step *)step)->punctuation = (ft_split_behavior)behavior;
    return true;
}

static bool read_digits(const ft_component *c, void *step, ft_error *err)
{
    return ft_member_bool(c, "individual_digits", required_in_1(c),
                          &((ft_pre_step *)step)->individual_digits, err);
}

static bool read_fixed_length(const ft_component *c, void *step, ft_error *err)
{
    ft_pre_step *s = step;

    s->length = 5;
    return ft_member_size(c, "length",
                          c->reader->is_version_2 ? FT_MEMBER_REQUIRED : FT_MEMBER_OPTIONAL,
                          &s->length, err);
}

static void set_pre_kind(void *step, int kind)
{
    ((ft_pre_step *)step)->kind = (ft_pre_kind)kind;
}

bool ft_definition_read_pre_tokenizer(const ft_definition_reader *r, const ft_json_node *node,
                                      ft_error *err)
{
    static const component_type types[] = {
        {"BertPreTokenizer", FT_PRE_BERT, NULL, BOTH},
        {"ByteLevel", FT_PRE_BYTE_LEVEL, read_byte_level, ONLY_1},
        {"CharDelimiterSplit", FT_PRE_CHAR_DELIMITER, read_delimiter, BOTH},
        {"Metaspace", FT_PRE_METASPACE, read_metaspace, ONLY_1},
        {"Whitespace", FT_PRE_WHITESPACE, NULL, BOTH},
        {"WhitespaceSplit", FT_PRE_WHITESPACE_SPLIT, NULL, BOTH},
        {"Split", FT_PRE_SPLIT, read_split, BOTH},
        {"Punctuation", FT_PRE_PUNCTUATION, read_punctuation, BOTH},
        {"Digits", FT_PRE_DIGITS, read_digits, BOTH},
        {"UnicodeScripts", FT_PRE_UNICODE_SCRIPTS, NULL, BOTH},
        {"FixedLength", FT_PRE_FIXED_LENGTH, read_fixed_length, BOTH},
    };
    step_list list = {.types = types,
                      .type_count = FT_COUNT_OF(types),
                      .step_bytes = sizeof(ft_pre_step),
                      .set_kind = set_pre_kind};

    bool done = read_steps(r, node, "pre_tokenizer", "pretokenizers", &list, err);
    r->out->pre = (const ft_pre_step *)(const void *)list.steps;
    r->out->pre_count = list.count;
    return done;
}

// ---- decoder ----

static bool read_bpe_decoder(const ft_component *c, void *step, ft_error *err)
{
    return ft_member_text(c, "suffix", FT_MEMBER_REQUIRED, &((ft_decode_step *)step)->suffix, err);
}

static bool read_wordpiece_decoder(const ft_component *c, void *step, ft_error *err)
{
    ft_decode_step *s = step;

    return ft_member_text(c, "prefix", FT_MEMBER_REQUIRED, &s->wordpiece.prefix, err) &&
           ft_member_bool(c, "cleanup", FT_MEMBER_REQUIRED, &s->wordpiece.cleanup, err);
}

static bool read_metaspace_decoder(const ft_component *c, void *step, ft_error *err)
{
    ft_decode_step *s = step;

    return ft_member_char(c, "replacement", FT_MEMBER_REQUIRED, &s->metaspace.replacement, err) &&
           read_scheme(c, &s->metaspace.scheme, err);
}

static bool read_ctc_decoder(const ft_component *c, void *step, ft_error *err)
{
    ft_decode_step *s = step;

    if (!ft_member_text(c, "pad_token", FT_MEMBER_REQUIRED, &s->ctc.pad_token, err) ||
        !ft_member_text(c, "word_delimiter_token", FT_MEMBER_REQUIRED, &s->ctc.word_delimiter, err))
        return false;
    if (s->ctc.word_delimiter.size == 0)
        return ft_member_fault(c, "word_delimiter_token", "empty", err);
    return ft_member_bool(c, "cleanup", FT_MEMBER_REQUIRED, &s->ctc.cleanup, err);
}

static bool read_replace_decoder(const ft_component *c, void *step, ft_error *err)
{
    ft_decode_step *s = step;

    return ft_member_pattern(c, "pattern", &s->replace.pattern, err) &&
           ft_member_text(c, "content", FT_MEMBER_REQUIRED, &s->replace.content, err);
}

static bool read_strip_decoder(const ft_component *c, void *step, ft_error *err)
{
    ft_decode_step *s = step;

    return ft_member_char(c, "content", FT_MEMBER_REQUIRED, &s->strip.content, err) &&
           ft_member_size(c, "start", FT_MEMBER_REQUIRED, &s->strip.start, err) &&
           ft_member_size(c, "stop", FT_MEMBER_REQUIRED, &s->strip.stop, err);
}

static void set_decode_kind(void *step, int kind)
{
    ((ft_decode_step *)step)->kind = (ft_decode_kind)kind;
}

bool ft_definition_read_decoder(const ft_definition_reader *r, const ft_json_node *node,
                                ft_error *err)
{
    static const component_type types[] = {
        {"BPEDecoder", FT_DECODE_BPE, read_bpe_decoder, BOTH},
        {"ByteLevel", FT_DECODE_BYTE_LEVEL, NULL, BOTH},
        {"WordPiece", FT_DECODE_WORDPIECE, read_wordpiece_decoder, BOTH},
        {"Metaspace", FT_DECODE_METASPACE, read_metaspace_decoder, BOTH},
        {"CTC", FT_DECODE_CTC, read_ctc_decoder, BOTH},
        {"Replace", FT_DECODE_REPLACE, read_replace_decoder, BOTH},
        {"Fuse", FT_DECODE_FUSE, NULL, BOTH},
        {"Strip", FT_DECODE_STRIP, read_strip_decoder, BOTH},
        {"ByteFallback", FT_DECODE_BYTE_FALLBACK, NULL, BOTH},
    };
    step_list list = {.types = types,
                      .type_count = FT_COUNT_OF(types),
                      .step_bytes = sizeof(ft_decode_step),
                      .set_kind = set_decode_kind};

    bool done = read_steps(r, node, "decoder", "decoders", &list, err);
    r->out->decode = (const ft_decode_step *)(const void *)list.steps;
    r->out->decode_count = list.count;
    return done;
}
