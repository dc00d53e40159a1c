// What a model of the encoder's kinds says of itself: config.json or GGUF's keys, and beside it how
// its vectors are pooled.
//
// One description for all architectures: which norms, positions, attention and feed-forward network
// a model has. Decoders (Llama, Qwen) are described by it as well: they are causal.
#pragma once

#include "runtime/memory/arena.h"
#include "stages/nn/encoder_names.h"
#include "stages/nn/kernel/kernels.h"

typedef enum ft_rope_scaling {
    FT_ROPE_PLAIN,
    FT_ROPE_LINEAR,  // All frequencies divided by `factor`.
    FT_ROPE_LLAMA3,  // Low ones divided, high ones not, and a slope between.
} ft_rope_scaling;

// Rotary positions: pair i turns by position * theta^(-2i / (2 * pairs)), scaled.
typedef struct ft_rope {
    double theta;
    ft_rope_scaling scaling;
    double factor, low, high;   // LLAMA3: `low` and `high` are wave lengths' shares of
    double original_positions;  // this many positions.
} ft_rope;

typedef struct ft_encoder_config {
    const char *family;             // As the file says it: "bert".
    const ft_encoder_names *names;  // Of its tensors; also what it has at all.
    size_t hidden, layers, intermediate;
    size_t heads, key_heads;  // `key_heads` divides `heads`.
    size_t head_size;
    size_t vocabulary;
    size_t types;       // Of tokens; 0: the model has none.
    size_t positions;   // Rows of the table, or as many as rotary positions were trained for.
    size_t max_tokens;  // Of one sequence: what `positions` allows, or less where the model was
                        // made for less.
    // The first position is `position_offset`; with `has_padding` tokens of the id `padding` are at
    // the position of that number and are not counted (RoBERTa).
    size_t position_offset, padding;
    bool has_padding;
    size_t pairs;  // Of a head that turn; 0: no rotary positions.
    bool is_interleaved;
    ft_rope ropes[2];  // Of layers that see everything, and of local ones.
    size_t buckets;    // Of distances (MPNet); 0: none.

    float epsilon;
    bool is_rms;                               // RMSNorm, not LayerNorm.
    bool adds_one;                             // To the norms' gains (Gemma).
    bool norm_bias, attention_bias, mlp_bias;  // See ft_bias.
    float word_scale;  // Of the words' rows: 1, or the root of `hidden` (Gemma).
    float score_scale;
    bool is_causal;
    // A local layer's query sees so many tokens before it and behind it.
    size_t window_before, window_behind;
    const bool *is_local;  // [layers]; NULL: none is.
    ft_activation activation;

    // The caller's: what the layers' weights and inputs are brought to, and where narrow ones are
    // kept (packed_store.h; NULL: nowhere). With F32 and `keeps_stored` weights that are narrower
    // in the file stay so: the same bits, in less memory.
    ft_precision precision;
    bool keeps_stored;
    const char *weight_store;
} ft_encoder_config;

// `path`: a folder with config.json, or a GGUF file. What is not supported is refused by name.
bool ft_encoder_config_read(const char *path, ft_arena *arena, ft_encoder_config *out,
                            ft_error *err) FT_MUST_CHECK;
// The cosines and sines of one position for layers of a kind: [pairs] each. `factors`: NULL, or
// [pairs] that divide the frequencies.
void ft_rope_angles(const ft_rope *rope, size_t pairs, const float *factors, size_t position,
                    float *cosines, float *sines);
