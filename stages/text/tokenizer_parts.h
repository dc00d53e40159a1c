// The inside of a tokenizer, for the files that read one and the coder that runs one.
#pragma once

#include "runtime/data/json.h"
#include "stages/text/added_tokens.h"
#include "stages/text/bert.h"
#include "stages/text/tokenizer.h"
#include "stages/text/wordpiece.h"

struct ft_tokenizer {
    ft_tokenizer_info info;
    ft_bert_rules rules;
    ft_wordpiece model;
    ft_added_set added;             // Looked for in the text as it is.
    ft_added_set added_normalized;  // In the normalised text.
    const int32_t *before, *after;  // Special ids around a text.
    size_t before_count, after_count;
};

enum { FT_TOKENIZER_ERROR = 605, FT_TOKENIZER_ID_MAX = (1 << 24) - 1 };
// A tokenizer.json or vocab.txt is read whole.
enum { FT_TOKENIZER_FILE_MAX = 1 << 28 };

// A vocabulary as it was read: texts and ids, in any order.
typedef struct ft_vocabulary {
    ft_trie_key *entries;  // [count]
    size_t count;
    const char *path;   // For messages.
    const char *place;  // "model.vocab", or NULL for a file of lines.
    ft_slice unknown, prefix;
    size_t max_chars;
    const ft_added_token
        *added;  // [added_count]; ids are set by ft_tokenizer_build, as the reference does.
    const int64_t *added_ids;  // [added_count]: what the file says they are; only compared.
    size_t added_count;
} ft_vocabulary;

// Fails with number 605: "FILE: at `place`: ...".
bool ft_tokenizer_fault(ft_error *err, const char *path, const char *place, const char *format, ...)
    FT_PRINTF(4, 5);

// Makes tries and sets of a vocabulary whose `rules` are set in `tokenizer`. Sorts `entries`.
// Allocates from `arena`.
bool ft_tokenizer_build(ft_tokenizer *tokenizer, ft_vocabulary *vocabulary, ft_arena *arena,
                        ft_error *err) FT_MUST_CHECK;
// The id of a text in sorted entries; -1 when it is not there.
int32_t ft_vocabulary_find(const ft_vocabulary *vocabulary, ft_slice text);

// tokenizer_json.c and tokenizer_vocab.c: `with_vocabulary` false reads only the rules. `scratch`
// may go afterwards.
bool ft_tokenizer_read_json(ft_tokenizer *tokenizer, ft_slice text, bool with_vocabulary,
                            ft_arena *scratch, ft_arena *arena, ft_error *err) FT_MUST_CHECK;
bool ft_tokenizer_read_vocab(ft_tokenizer *tokenizer, ft_slice text, bool with_vocabulary,
                             ft_arena *scratch, ft_arena *arena, ft_error *err) FT_MUST_CHECK;
// tokenizer_config.json or another small file beside `path`, as a tree in the arena; `*out` NULL
// when it is not there.
bool ft_tokenizer_read_beside(const char *path, const char *name, ft_arena *arena,
                              const ft_json_node **out, ft_error *err) FT_MUST_CHECK;
