// A text of more tokens than a model takes, as several that it takes.
//
//   [CLS] a b c d e [SEP]   ->   [CLS] a b c [SEP]   [CLS] d e [SEP]
#pragma once

#include "runtime/memory/account.h"
#include "runtime/memory/buffer.h"
#include "stages/nn/encoder.h"

// What stands around each window: of the tokenizer's special ids those that the text has.
typedef struct ft_window_frame {
    size_t size;  // Most tokens of a window, those around it included.
    const int32_t *head, *tail;
    size_t head_count, tail_count;
    size_t prompt;  // Tokens that each text begins with, whichever they are, `head` among them:
                    // each window has them too. 0: only `head`.
} ft_window_frame;

typedef struct ft_windows {
    ft_token_span *spans;  // [count], text by text, without types.
    size_t count;
    size_t *of_text;    // How many windows each text has.
    ft_buffer *memory;  // All of it.
} ft_windows;

// Frames that take up more than half of each window are refused: what is copied stays below twice
// the tokens.
bool ft_window_frame_check(const ft_window_frame *frame, ft_error *err) FT_MUST_CHECK;
// A text that fits is its own only window, where it lies. Charged to `account`.
bool ft_windows_cut(const ft_window_frame *frame, const ft_token_span *texts, size_t count,
                    ft_account *account, ft_windows *out, ft_error *err) FT_MUST_CHECK;
void ft_windows_finish(ft_windows *windows);  // A zeroed one is fine.
