// What architectures of text encoders and decoders have in common and how their files name it.
//
// A model is a front (embeddings), layers of attention and a feed-forward network, and maybe a last
// norm. An architecture is a table of the tensors that each of these has: what its table does not
// name, it does not have.
#pragma once

#include "runtime/compiler.h"

typedef enum ft_front_part {
    FT_FRONT_WORDS,         // [vocabulary, hidden]
    FT_FRONT_POSITIONS,     // [positions, hidden]
    FT_FRONT_TYPES,         // [types, hidden]
    FT_FRONT_NORM,          // Of the sum of these.
    FT_FRONT_LAST_NORM,     // Of what the last layer gives.
    FT_FRONT_BUCKETS,       // [buckets, heads]: what a distance adds to a score (T5, MPNet).
    FT_FRONT_ROPE_FACTORS,  // [pairs]: what each frequency is divided by (GGUF).
    FT_FRONT_COUNT,
} ft_front_part;

typedef enum ft_layer_part {
    FT_LAYER_QUERY,
    FT_LAYER_KEY,
    FT_LAYER_VALUE,
    FT_LAYER_QKV,         // The three end to end.
    FT_LAYER_MIX,         // What attention gives, back to `hidden`.
    FT_LAYER_QUERY_NORM,  // Of each head.
    FT_LAYER_KEY_NORM,
    FT_LAYER_GATE,  // That the activation stands behind.
    FT_LAYER_UP,
    FT_LAYER_GATE_UP,  // The two end to end.
    FT_LAYER_UP_GATE,
    FT_LAYER_DOWN,
    // A norm stands before attention (pre-norm), behind it, or behind the sum with what went in
    // (post-norm); the same for the feed-forward network.
    FT_LAYER_MIX_BEFORE,
    FT_LAYER_MIX_BEHIND,
    FT_LAYER_MIX_SUM,
    FT_LAYER_MLP_BEFORE,
    FT_LAYER_MLP_BEHIND,
    FT_LAYER_MLP_SUM,
    FT_LAYER_COUNT,
} ft_layer_part;

typedef enum ft_bias {
    FT_BIAS_NONE,
    FT_BIAS_ALWAYS,
    FT_BIAS_ATTENTION,  // Where the model's configuration says so: for attention's layers,
    FT_BIAS_MLP,        // for the feed-forward network's,
    FT_BIAS_NORM,       // or for norms.
    FT_BIAS_OPTIONAL,   // Where the file has it.
} ft_bias;

typedef struct ft_part_name {
    const char *name;  // Without ".weight" and ".bias"; NULL: no such part.
    ft_bias bias;
    bool skips_first;  // The first layer has none (ModernBERT, whose front has a norm).
    bool is_optional;
} ft_part_name;

enum { FT_PREFIX_COUNT = 3 };

typedef struct ft_encoder_names {
    // What all names may begin with: the model alone, or inside of one with a head. Ends with NULL.
    const char *prefixes[FT_PREFIX_COUNT + 1];
    const char *layers;  // Before the layer's number and a point.
    ft_part_name front[FT_FRONT_COUNT], layer[FT_LAYER_COUNT];
} ft_encoder_names;

extern const ft_encoder_names ft_names_bert, ft_names_roberta, ft_names_distilbert, ft_names_mpnet,
    ft_names_nomic, ft_names_modernbert, ft_names_gte, ft_names_llama, ft_names_qwen2,
    ft_names_qwen3, ft_names_gemma3, ft_names_gguf_bert, ft_names_gguf_nomic, ft_names_gguf_llama,
    ft_names_gguf_qwen2, ft_names_gguf_qwen3;
