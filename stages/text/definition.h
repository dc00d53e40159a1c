// What a tokenizer's file says, whatever its format: the parts of a tokenizer.json, in the order in
// which a text goes through them. Readers make it, ft_tokenizer is compiled from it.
//
//   text -> added tokens cut out -> normalise -> pre-tokenise (words) -> model (ids of a word)
//        -> post-process (special tokens around);  back: ids -> texts of tokens -> decode
//
// Sequences of components are flattened: a list of steps is run one after the other, which is what
// the reference's `Sequence` does. All of it lives in the arena that the reader was given and is
// read-only afterwards. Texts are valid UTF-8 unless it says bytes.
//
// Source of the components and their fields: the documentation of tokenizers 0.23.3.
#pragma once

#include "runtime/memory/arena.h"
#include "stages/text/added_tokens.h"
#include "stages/text/bert.h"

// Finds places in a text: a literal or a regular expression (pattern.h).
typedef struct ft_pattern ft_pattern;
// The precompiled normalisation of SentencePiece (charsmap.h).
typedef struct ft_charsmap ft_charsmap;

typedef enum ft_normalize_kind {
    FT_NORMALIZE_BERT,
    FT_NORMALIZE_STRIP,
    FT_NORMALIZE_STRIP_ACCENTS,  // Drops every mark (Unicode category M), of decomposed text.
    FT_NORMALIZE_NFC,
    FT_NORMALIZE_NFD,
    FT_NORMALIZE_NFKC,
    FT_NORMALIZE_NFKD,
    FT_NORMALIZE_LOWERCASE,
    FT_NORMALIZE_NMT,
    FT_NORMALIZE_PRECOMPILED,
    FT_NORMALIZE_REPLACE,
    FT_NORMALIZE_PREPEND,
    FT_NORMALIZE_BYTE_LEVEL,  // Each byte becomes its letter (byte_level.h).
    FT_NORMALIZE_METASPACE,   // Of version 2.0: SentencePiece's sign for spaces, none is cut.
    // Of SentencePiece's own files (not in a tokenizer.json):
    FT_NORMALIZE_SENTENCEPIECE,
} ft_normalize_kind;

typedef enum ft_prepend_scheme {
    FT_PREPEND_ALWAYS,
    FT_PREPEND_FIRST,  // Only where the text itself begins.
    FT_PREPEND_NEVER,
} ft_prepend_scheme;

typedef struct ft_normalize_step {
    ft_normalize_kind kind;
    union {
        ft_bert_rules bert;
        struct {
            bool left, right;
        } strip;
        const ft_charsmap *charsmap;  // PRECOMPILED: grapheme by grapheme, as the reference.
        struct {
            const ft_pattern *pattern;
            ft_slice content;
        } replace;
        ft_slice prepend;
        struct {
            ft_slice replacement;  // One character.
            ft_prepend_scheme scheme;
            bool drop_whitespace;  // Of all white space only the words' signs are left.
        } metaspace;
        struct {                          // SENTENCEPIECE
            const ft_charsmap *charsmap;  // Longest prefix at each place; NULL: nothing is mapped.
            const ft_trie *user_defined;  // Pieces that stay as they are; NULL: none.
            bool add_dummy_prefix, remove_extra_whitespaces, escape_whitespaces,
                treat_whitespace_as_suffix;
        } sentencepiece;
    };
} ft_normalize_step;

typedef enum ft_split_behavior {
    FT_SPLIT_REMOVED,
    FT_SPLIT_ISOLATED,
    FT_SPLIT_MERGED_WITH_PREVIOUS,
    FT_SPLIT_MERGED_WITH_NEXT,
    FT_SPLIT_CONTIGUOUS,
} ft_split_behavior;

typedef enum ft_pre_kind {
    FT_PRE_BERT,
    FT_PRE_BYTE_LEVEL,
    FT_PRE_CHAR_DELIMITER,
    FT_PRE_METASPACE,
    FT_PRE_WHITESPACE,        // \w+|[^\w\s]+
    FT_PRE_WHITESPACE_SPLIT,  // At white space.
    FT_PRE_SPLIT,
    FT_PRE_PUNCTUATION,
    FT_PRE_DIGITS,
    FT_PRE_UNICODE_SCRIPTS,
    FT_PRE_FIXED_LENGTH,
} ft_pre_kind;

typedef struct ft_pre_step {
    ft_pre_kind kind;
    union {
        struct {
            bool add_prefix_space, use_regex;
        } byte_level;
        uint32_t delimiter;  // A code point.
        struct {
            ft_slice replacement;  // One character.
            ft_prepend_scheme scheme;
            bool split;
        } metaspace;
        struct {
            const ft_pattern *pattern;
            ft_split_behavior behavior;
            bool invert;
        } split;
        ft_split_behavior punctuation;
        bool individual_digits;
        size_t length;  // FIXED_LENGTH, in code points.
    };
} ft_pre_step;

typedef enum ft_model_kind {
    FT_MODEL_WORDPIECE,
    FT_MODEL_BPE,
    FT_MODEL_UNIGRAM,
    FT_MODEL_WORDLEVEL,
} ft_model_kind;

enum { FT_PIECE_BYTES_MAX = 1 << 16 };

// A token of the vocabulary. The text of byte-level and .tiktoken vocabularies is whatever the file
// has: letters that stand for bytes in a tokenizer.json; with `is_bytes` of the definition plain
// bytes, not valid UTF-8.
typedef struct ft_piece {
    ft_slice text;
    int32_t id;
    // Of a SentencePiece file; all are NORMAL elsewhere.
    enum {
        FT_PIECE_NORMAL,
        FT_PIECE_CONTROL,  // Never in a word: unknown, control and byte pieces.
        FT_PIECE_USER_DEFINED,
        FT_PIECE_UNUSED,
    } kind;
    double score;  // UNIGRAM; SentencePiece BPE: the rank is by score, higher first.
} ft_piece;

// BPE: the ids of two tokens that become one; the rank is the place in the list.
typedef struct ft_merge {
    int32_t left, right, merged;
} ft_merge;

typedef struct ft_model_definition {
    ft_model_kind kind;
    const ft_piece *pieces;  // [piece_count], as they stand in the file; ids may have holes.
    size_t piece_count;
    bool is_bytes;
    int32_t unknown;  // -1: none.
    // WORDPIECE
    ft_slice prefix;  // BPE's continuing_subword_prefix too.
    size_t max_chars;
    // BPE
    const ft_merge *merges;  // [merge_count]
    size_t merge_count;
    // Instead of merges: two neighbours merge when their joined text is a piece; the rank is the
    // id (BY_ID: .tiktoken) or the score, higher first, then leftmost (BY_SCORE: SentencePiece).
    enum { FT_MERGES_LISTED, FT_MERGES_BY_ID, FT_MERGES_BY_SCORE } merge_rule;
    ft_slice suffix;  // end_of_word_suffix
    bool fuse_unknown, byte_fallback, ignore_merges;
    // UNIGRAM: sums in f32, with SentencePiece's order of equals, for a .model file.
    bool single_precision;
} ft_model_definition;

// One part of a template: a special token's ids, or a text.
typedef struct ft_template_part {
    enum { FT_PART_SPECIAL, FT_PART_A, FT_PART_B } kind;
    int32_t id;  // SPECIAL; a token of several ids is several parts.
    int32_t type_id;
} ft_template_part;

typedef struct ft_post_definition {
    // What stands around one text and around two; an empty one is just A, or A B.
    const ft_template_part *single, *pair;
    size_t single_count, pair_count;
    bool trim_offsets;        // White space at the ends of a token is not part of its offsets.
    bool add_prefix_space;    // With trim_offsets: the space that was added is kept out.
    bool first_window_types;  // TemplateProcessing: further windows have the types 0 and 1.
} ft_post_definition;

typedef enum ft_decode_kind {
    FT_DECODE_BPE,  // suffix
    FT_DECODE_BYTE_LEVEL,
    FT_DECODE_WORDPIECE,
    FT_DECODE_METASPACE,
    FT_DECODE_CTC,
    FT_DECODE_REPLACE,
    FT_DECODE_FUSE,
    FT_DECODE_STRIP,
    FT_DECODE_BYTE_FALLBACK,
    FT_DECODE_BYTES,          // Of .tiktoken: texts are bytes, end to end.
    FT_DECODE_SENTENCEPIECE,  // Of SentencePiece's own files: all that it does.
} ft_decode_kind;

typedef struct ft_decode_step {
    ft_decode_kind kind;
    union {
        ft_slice suffix;
        struct {
            ft_slice prefix;
            bool cleanup;
        } wordpiece;
        struct {
            ft_slice replacement;
            ft_prepend_scheme scheme;
        } metaspace;
        struct {
            ft_slice pad_token, word_delimiter;
            bool cleanup;
        } ctc;
        struct {
            const ft_pattern *pattern;
            ft_slice content;
        } replace;
        struct {
            ft_slice content;
            size_t start, stop;
        } strip;
        struct {
            ft_slice unknown, unknown_surface;  // The piece, and what stands for it in a text.
            bool drops_space;                   // The sign that the first piece begins with,
            bool drops_spaces;                  // and those of pieces before there is any text.
            bool has_bytes;                     // Pieces like <0xE4> are bytes.
        } sentencepiece;
    };
} ft_decode_step;

typedef struct ft_definition {
    const char *path;  // For messages.
    const ft_normalize_step *normalize;
    size_t normalize_count;
    const ft_pre_step *pre;
    size_t pre_count;
    ft_model_definition model;
    ft_post_definition post;
    const ft_decode_step *decode;  // None: texts of tokens, a space between.
    size_t decode_count;
    const int32_t *control;  // [control_count], ascending: ids of SentencePiece that are special,
    size_t control_count;    // but never found in a text.
    const ft_added_token *added;  // [added_count]; of a compiled tokenizer, by id.
    size_t added_count;
    bool
        has_added_ids;  // Their ids hold; else the reference's rule gives them (tokenizer_build.c).
} ft_definition;
