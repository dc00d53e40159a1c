// Tokenizers: a text to the ids that a model was trained on, exactly as the reference libraries
// (tokenizers 0.23.3, sentencepiece, tiktoken) have it.
//
//   ft_tokenizer     a vocabulary and its rules, read from files once, read-only, shared by all
//                    threads
//   ft_token_coder   one instance's scratch memory and cache of words; makes ids
//
// What is read, each by a reader of its own (definition_*.c) into the same ft_definition:
//
//   tokenizer.json 1.0 and 2.0     every component and every model that they have
//   vocab.json with merges.txt     BPE as GPT-2, RoBERTa, DeBERTa and Qwen2 have it
//   vocab.txt                      WordPiece as BERT has it
//   SentencePiece's .model         Unigram and BPE
//   .tiktoken                      the encodings that tiktoken publishes, told by the file's name
//   .gguf                          the vocabularies that llama.cpp calls llama, gpt2, bert and t5
//
// What else matters of vocab.json, vocab.txt and .model is in tokenizer_config.json and its like
// beside them. A file that wants something that is not there is refused with its name and place.
// Truncation and padding of a tokenizer.json are not used: they are the stage's to say.
#pragma once

#include "runtime/memory/arena.h"
#include "stages/text/token.h"

typedef struct ft_tokenizer ft_tokenizer;

// What can be said of a tokenizer without its vocabulary.
typedef struct ft_tokenizer_info {
    const char *path;      // The file that is read.
    size_t max_length;     // Ids of one text that the model takes, special ones included; 0 when
                           // nothing says.
    size_t special_count;  // Ids that are added to one text,
    size_t pair_special_count;  // and to two.
} ft_tokenizer_info;

// `path` is one of these files, known by the end of its name, or a folder that holds one: a
// tokenizer.json before a tokenizer.model, a vocab.json with merges.txt, a vocab.txt. Checks the
// rules of the file, not its vocabulary: quick, for `check`. What `out` points to lives in the
// arena.
bool ft_tokenizer_describe(const char *path, ft_arena *arena, ft_tokenizer_info *out,
                           ft_error *err) FT_MUST_CHECK;
// All of it, into the arena. ft_tokenizer_open (tokenizer_store.h) does it once and keeps what it
// made.
bool ft_tokenizer_load(const char *path, ft_arena *arena, const ft_tokenizer **out,
                       ft_error *err) FT_MUST_CHECK;
const ft_tokenizer_info *ft_tokenizer_get_info(const ft_tokenizer *tokenizer);
// The ids that `add_special` puts around one text. They live as long as the tokenizer.
typedef struct ft_special_ids {
    const int32_t *before, *after;
    size_t before_count, after_count;
} ft_special_ids;
ft_special_ids ft_tokenizer_get_special(const ft_tokenizer *tokenizer);
// One more than the largest id that plain text can have: added tokens are left aside.
size_t ft_tokenizer_id_end(const ft_tokenizer *tokenizer);
// The text of a token, as the vocabulary spells it; data NULL when there is none with that id.
ft_slice ft_tokenizer_token_text(const ft_tokenizer *tokenizer, int32_t id);

struct ft_decoder;
// Ids back to text; those that no token has are left out. `*out` lives until the decoder is used
// again.
bool ft_tokenizer_decode(const ft_tokenizer *tokenizer, struct ft_decoder *decoder,
                         const int32_t *ids, size_t count, bool skip_special, ft_slice *out,
                         ft_error *err) FT_MUST_CHECK;

typedef enum ft_truncation {
    FT_TRUNCATE_RIGHT,  // Keeps the first ids.
    FT_TRUNCATE_LEFT,   // Keeps the last ones.
    FT_TRUNCATE_NONE,
    FT_TRUNCATE_ERROR,  // A text that is too long fails.
} ft_truncation;

// What to do with special tokens that are written in a text: "[SEP]".
typedef enum ft_special_tokens {
    FT_SPECIAL_PARSE,  // They become their ids.
    FT_SPECIAL_TEXT,   // They are text like any other.
    FT_SPECIAL_ERROR,  // The text fails.
} ft_special_tokens;

typedef struct ft_token_settings {
    size_t max_length;  // Special ids included; 0: no limit.
    ft_truncation truncation;
    ft_special_tokens special_tokens;
    bool add_special;  // The tokenizer's own around each text: [CLS] ... [SEP].
} ft_token_settings;

typedef struct ft_token_coder ft_token_coder;

// About 4 MiB at most, charged to `account` (may be NULL). Fails (USAGE) when max_length leaves no
// room for special ids.
ft_token_coder *ft_token_coder_create(const ft_tokenizer *tokenizer, ft_token_settings settings,
                                      ft_account *account, ft_error *err) FT_MUST_CHECK;
void ft_token_coder_destroy(ft_token_coder *coder);
// Adds the ids of one text of valid UTF-8 behind those that are there. `*out_cut` says whether
// truncation took some. On failure `ids` is as before; DATA is this text's fault.
bool ft_token_coder_add(ft_token_coder *coder, ft_slice text, ft_ids *ids, bool *out_cut,
                        ft_error *err) FT_MUST_CHECK;
// What one text is, without special ids around and all of it, in the columns that `out` has, which
// is emptied before; stops when there are `enough` ids. Of the settings only special_tokens count.
bool ft_token_coder_add_tokens(ft_token_coder *coder, ft_slice text, size_t enough, ft_tokens *out,
                               ft_error *err) FT_MUST_CHECK;
