// What a language model has written as text, token by token: only the new tokens are decoded, and
// only what is new is searched for the texts that end it.
#pragma once

#include "runtime/option.h"
#include "stages/text/decode.h"
#include "stages/text/tokenizer.h"

// One thread's scratch memory.
typedef struct infer_text_scratch {
    ft_decoder decoder;
    ft_text before;
} infer_text_scratch;

// Of one sequence: text that was not dropped yet. Ready when zeroed and started.
typedef struct infer_text {
    ft_buffer *buffer;  // NULL: none. Charged to the scratch's account.
    size_t size, searched;
    bool is_open;    // The three that follow are known:
    size_t anchor;   // One more than the token that those to come are decoded behind; 0: none,
    size_t window;   // the first token that is decoded behind it,
    size_t settled;  // and tokens whose text is there.
} infer_text;

void infer_text_scratch_init(infer_text_scratch *scratch, ft_account *account);
void infer_text_scratch_finish(infer_text_scratch *scratch);

// Behind a prompt of `prompt` tokens.
void infer_text_start(infer_text *text, size_t prompt);
void infer_text_finish(infer_text *text);
// Adds the text of tokens [settled, count) of `ids`, which begin with the prompt. Bytes that are no
// character yet wait for the tokens that follow, unless `is_last`. The text is the same however
// many tokens a call adds.
bool infer_text_extend(infer_text *text, infer_text_scratch *scratch, const ft_tokenizer *tokenizer,
                       const int32_t *ids, size_t count, bool is_last, ft_error *err) FT_MUST_CHECK;
ft_slice infer_text_get(const infer_text *text);
// Cuts the text at the earliest of the texts in `stop`, wherever tokens begin and end, and says
// whether there was one.
bool infer_text_cut(infer_text *text, const ft_strings *stop);
// Bytes at the end that one of `stop` may begin with.
size_t infer_text_held(const infer_text *text, const ft_strings *stop);
void infer_text_drop(infer_text *text, size_t bytes);  // The first ones.
