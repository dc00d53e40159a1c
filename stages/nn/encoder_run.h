// What a run of an encoder holds, for the parts that it is made of.
#pragma once

#include "runtime/memory/buffer.h"
#include "stages/nn/encoder.h"

enum { FT_ENCODER_QUERIES = FT_PANEL_COLUMNS };  // Of a head that attention takes at a time.

struct ft_encoder_run {
    const ft_encoder *encoder;
    ft_account *account;
    bool (*is_cancelled)(const void *host);  // Or NULL.
    const void *host;
    ft_team *team;            // Or NULL.
    ft_encoder_run *members;  // Of a team: this run with working memory of their own, [0] with its.
    size_t members_capacity;  // For texts of so many tokens.
    ft_buffer *members_buffer;
    ft_buffer *buffer;
    size_t capacity;  // Tokens; 0: no buffer, since it could not grow.
    // Rows, each `_row` floats apart. `middle` and `beside` are of one block of rows; `middle` has
    // the inputs of `down`, of which in narrow numbers only some lie there at a time, and of a
    // gated network what some of them are multiplied with.
    float *hidden, *heads, *middle, *beside;
    size_t hidden_row, heads_row, middle_row;
    uint32_t *places;  // [capacity]: of each row in its text.
    float *scores;     // [capacity][FT_ENCODER_QUERIES]
    float *queries;    // [head_size][FT_ENCODER_QUERIES]
    float *inverse;    // [FT_ENCODER_QUERIES]
    // A block's inputs in narrow numbers: of `heads` and `up`, and of `mix` and `down`.
    char *narrow_hidden, *narrow_middle;
    float *angles[2];  // [capacity][2][pairs]: cosines and sines, of global and local layers.
};

static inline bool ft_encoder_is_cancelled(const ft_encoder_run *run)
{
    return run->is_cancelled && run->is_cancelled(run->host);
}

// Attention of one head within each text, or with `is_first` of each text's first row alone; the
// result takes the place of the queries. `rows` of a text: ft_encoder_rows. Cancelled, it leaves
// the rest as it is.
void ft_encoder_attend(const ft_encoder_run *run, const ft_encoder_layer *layer,
                       const ft_token_span *spans, size_t count, size_t number, bool is_first);
