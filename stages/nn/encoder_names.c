// The names of tensors, as transformers and llama.cpp (gguf-py/gguf/constants.py) write them.
#include "stages/nn/encoder_names.h"

#include <stddef.h>

#define HAS_BIAS(...) {__VA_ARGS__, .bias = FT_BIAS_ALWAYS}

#define BERT_FRONT                                             \
    [FT_FRONT_WORDS] = {"embeddings.word_embeddings"},         \
    [FT_FRONT_POSITIONS] = {"embeddings.position_embeddings"}, \
    [FT_FRONT_TYPES] = {"embeddings.token_type_embeddings"},   \
    [FT_FRONT_NORM] = HAS_BIAS("embeddings.LayerNorm")
#define BERT_LAYER                                                                              \
    [FT_LAYER_QUERY] = HAS_BIAS("attention.self.query"),                                        \
    [FT_LAYER_KEY] = HAS_BIAS("attention.self.key"),                                            \
    [FT_LAYER_VALUE] = HAS_BIAS("attention.self.value"),                                        \
    [FT_LAYER_MIX] = HAS_BIAS("attention.output.dense"),                                        \
    [FT_LAYER_MIX_SUM] = HAS_BIAS("attention.output.LayerNorm"),                                \
    [FT_LAYER_UP] = HAS_BIAS("intermediate.dense"), [FT_LAYER_DOWN] = HAS_BIAS("output.dense"), \
    [FT_LAYER_MLP_SUM] = HAS_BIAS("output.LayerNorm")

const ft_encoder_names ft_names_bert = {
    .prefixes = {"", "bert."},
    .layers = "encoder.layer.",
    .front = {BERT_FRONT},
    .layer = {BERT_LAYER},
};

const ft_encoder_names ft_names_roberta = {
    .prefixes = {"", "roberta."},
    .layers = "encoder.layer.",
    .front = {BERT_FRONT},
    .layer = {BERT_LAYER},
};

const ft_encoder_names ft_names_distilbert = {
    .prefixes = {"", "distilbert."},
    .layers = "transformer.layer.",
    .front =
        {
            [FT_FRONT_WORDS] = {"embeddings.word_embeddings"},
            [FT_FRONT_POSITIONS] = {"embeddings.position_embeddings"},
            [FT_FRONT_NORM] = HAS_BIAS("embeddings.LayerNorm"),
        },
    .layer =
        {
            [FT_LAYER_QUERY] = HAS_BIAS("attention.q_lin"),
            [FT_LAYER_KEY] = HAS_BIAS("attention.k_lin"),
            [FT_LAYER_VALUE] = HAS_BIAS("attention.v_lin"),
            [FT_LAYER_MIX] = HAS_BIAS("attention.out_lin"),
            [FT_LAYER_MIX_SUM] = HAS_BIAS("sa_layer_norm"),
            [FT_LAYER_UP] = HAS_BIAS("ffn.lin1"),
            [FT_LAYER_DOWN] = HAS_BIAS("ffn.lin2"),
            [FT_LAYER_MLP_SUM] = HAS_BIAS("output_layer_norm"),
        },
};

const ft_encoder_names ft_names_mpnet = {
    .prefixes = {"", "mpnet."},
    .layers = "encoder.layer.",
    .front =
        {
            [FT_FRONT_WORDS] = {"embeddings.word_embeddings"},
            [FT_FRONT_POSITIONS] = {"embeddings.position_embeddings"},
            [FT_FRONT_NORM] = HAS_BIAS("embeddings.LayerNorm"),
            [FT_FRONT_BUCKETS] = {"encoder.relative_attention_bias"},
        },
    .layer =
        {
            [FT_LAYER_QUERY] = HAS_BIAS("attention.attn.q"),
            [FT_LAYER_KEY] = HAS_BIAS("attention.attn.k"),
            [FT_LAYER_VALUE] = HAS_BIAS("attention.attn.v"),
            [FT_LAYER_MIX] = HAS_BIAS("attention.attn.o"),
            [FT_LAYER_MIX_SUM] = HAS_BIAS("attention.LayerNorm"),
            [FT_LAYER_UP] = HAS_BIAS("intermediate.dense"),
            [FT_LAYER_DOWN] = HAS_BIAS("output.dense"),
            [FT_LAYER_MLP_SUM] = HAS_BIAS("output.LayerNorm"),
        },
};

const ft_encoder_names ft_names_nomic = {
    .prefixes = {"", "bert."},
    .layers = "encoder.layers.",
    .front =
        {
            [FT_FRONT_WORDS] = {"embeddings.word_embeddings"},
            [FT_FRONT_TYPES] = {"embeddings.token_type_embeddings"},
            [FT_FRONT_NORM] = HAS_BIAS("emb_ln"),
        },
    .layer =
        {
            [FT_LAYER_QKV] = {"attn.Wqkv"},
            [FT_LAYER_MIX] = {"attn.out_proj"},
            [FT_LAYER_MIX_SUM] = HAS_BIAS("norm1"),
            [FT_LAYER_GATE] = {"mlp.fc12"},
            [FT_LAYER_UP] = {"mlp.fc11"},
            [FT_LAYER_DOWN] = {"mlp.fc2"},
            [FT_LAYER_MLP_SUM] = HAS_BIAS("norm2"),
        },
};

const ft_encoder_names ft_names_modernbert = {
    .prefixes = {"", "model."},
    .layers = "layers.",
    .front =
        {
            [FT_FRONT_WORDS] = {"embeddings.tok_embeddings"},
            [FT_FRONT_NORM] = {"embeddings.norm", .bias = FT_BIAS_NORM},
            [FT_FRONT_LAST_NORM] = {"final_norm", .bias = FT_BIAS_NORM},
        },
    .layer =
        {
            [FT_LAYER_MIX_BEFORE] = {"attn_norm", .bias = FT_BIAS_NORM, .skips_first = true},
            [FT_LAYER_QKV] = {"attn.Wqkv", .bias = FT_BIAS_ATTENTION},
            [FT_LAYER_MIX] = {"attn.Wo", .bias = FT_BIAS_ATTENTION},
            [FT_LAYER_MLP_BEFORE] = {"mlp_norm", .bias = FT_BIAS_NORM},
            [FT_LAYER_GATE_UP] = {"mlp.Wi", .bias = FT_BIAS_MLP},
            [FT_LAYER_DOWN] = {"mlp.Wo", .bias = FT_BIAS_MLP},
        },
};

const ft_encoder_names ft_names_gte = {
    .prefixes = {"", "new."},
    .layers = "encoder.layer.",
    .front =
        {
            [FT_FRONT_WORDS] = {"embeddings.word_embeddings"},
            [FT_FRONT_TYPES] = {"embeddings.token_type_embeddings"},
            [FT_FRONT_NORM] = HAS_BIAS("embeddings.LayerNorm"),
        },
    .layer =
        {
            [FT_LAYER_QKV] = HAS_BIAS("attention.qkv_proj"),
            [FT_LAYER_MIX] = HAS_BIAS("attention.o_proj"),
            [FT_LAYER_MIX_SUM] = HAS_BIAS("attn_ln"),
            [FT_LAYER_UP_GATE] = {"mlp.up_gate_proj"},
            [FT_LAYER_DOWN] = HAS_BIAS("mlp.down_proj"),
            [FT_LAYER_MLP_SUM] = HAS_BIAS("mlp_ln"),
        },
};

#define LLAMA_FRONT                                  \
    .prefixes = {"", "model."}, .layers = "layers.", \
    .front = {                                       \
        [FT_FRONT_WORDS] = {"embed_tokens"},         \
        [FT_FRONT_LAST_NORM] = {"norm"},             \
    }
// In Qwen2 the query's, the key's and the value's biases are always there and the mix has none:
// `query` and `mix` are of different kinds.
#define LLAMA_LAYER(query, mix)                               \
    [FT_LAYER_MIX_BEFORE] = {"input_layernorm"},              \
    [FT_LAYER_QUERY] = {"self_attn.q_proj", .bias = query},   \
    [FT_LAYER_KEY] = {"self_attn.k_proj", .bias = query},     \
    [FT_LAYER_VALUE] = {"self_attn.v_proj", .bias = query},   \
    [FT_LAYER_MIX] = {"self_attn.o_proj", .bias = mix},       \
    [FT_LAYER_GATE] = {"mlp.gate_proj", .bias = FT_BIAS_MLP}, \
    [FT_LAYER_UP] = {"mlp.up_proj", .bias = FT_BIAS_MLP},     \
    [FT_LAYER_DOWN] = {"mlp.down_proj", .bias = FT_BIAS_MLP}
#define HEAD_NORMS \
    [FT_LAYER_QUERY_NORM] = {"self_attn.q_norm"}, [FT_LAYER_KEY_NORM] = {"self_attn.k_norm"}

const ft_encoder_names ft_names_llama = {
    LLAMA_FRONT,
    .layer =
        {
            LLAMA_LAYER(FT_BIAS_ATTENTION, FT_BIAS_ATTENTION),
            [FT_LAYER_MLP_BEFORE] = {"post_attention_layernorm"},
        },
};

const ft_encoder_names ft_names_qwen2 = {
    LLAMA_FRONT,
    .layer =
        {
            LLAMA_LAYER(FT_BIAS_ALWAYS, FT_BIAS_NONE),
            [FT_LAYER_MLP_BEFORE] = {"post_attention_layernorm"},
        },
};

const ft_encoder_names ft_names_qwen3 = {
    LLAMA_FRONT,
    .layer =
        {
            LLAMA_LAYER(FT_BIAS_ATTENTION, FT_BIAS_ATTENTION),
            HEAD_NORMS,
            [FT_LAYER_MLP_BEFORE] = {"post_attention_layernorm"},
        },
};

const ft_encoder_names ft_names_gemma3 = {
    LLAMA_FRONT,
    .layer =
        {
            LLAMA_LAYER(FT_BIAS_ATTENTION, FT_BIAS_ATTENTION),
            HEAD_NORMS,
            [FT_LAYER_MIX_BEHIND] = {"post_attention_layernorm"},
            [FT_LAYER_MLP_BEFORE] = {"pre_feedforward_layernorm"},
            [FT_LAYER_MLP_BEHIND] = {"post_feedforward_layernorm"},
        },
};

// ---- GGUF ----

#define GGUF_START .prefixes = {""}, .layers = "blk."
#define GGUF_POST_NORMS                                                     \
    [FT_LAYER_MIX_SUM] = HAS_BIAS("attn_output_norm"), [FT_LAYER_MLP_SUM] = \
                                                           HAS_BIAS("layer_output_norm")

const ft_encoder_names ft_names_gguf_bert = {
    GGUF_START,
    .front =
        {
            [FT_FRONT_WORDS] = {"token_embd"},
            [FT_FRONT_POSITIONS] = {"position_embd"},
            [FT_FRONT_TYPES] = {"token_types"},
            [FT_FRONT_NORM] = HAS_BIAS("token_embd_norm"),
        },
    .layer =
        {
            [FT_LAYER_QUERY] = HAS_BIAS("attn_q"),
            [FT_LAYER_KEY] = HAS_BIAS("attn_k"),
            [FT_LAYER_VALUE] = HAS_BIAS("attn_v"),
            [FT_LAYER_MIX] = HAS_BIAS("attn_output"),
            [FT_LAYER_UP] = HAS_BIAS("ffn_up"),
            [FT_LAYER_DOWN] = HAS_BIAS("ffn_down"),
            GGUF_POST_NORMS,
        },
};

const ft_encoder_names ft_names_gguf_nomic = {
    GGUF_START,
    .front =
        {
            [FT_FRONT_WORDS] = {"token_embd"},
            [FT_FRONT_TYPES] = {"token_types"},
            [FT_FRONT_NORM] = HAS_BIAS("token_embd_norm"),
        },
    .layer =
        {
            [FT_LAYER_QKV] = {"attn_qkv", .bias = FT_BIAS_OPTIONAL},
            [FT_LAYER_MIX] = {"attn_output", .bias = FT_BIAS_OPTIONAL},
            [FT_LAYER_GATE] = {"ffn_gate", .bias = FT_BIAS_OPTIONAL},
            [FT_LAYER_UP] = {"ffn_up", .bias = FT_BIAS_OPTIONAL},
            [FT_LAYER_DOWN] = {"ffn_down", .bias = FT_BIAS_OPTIONAL},
            GGUF_POST_NORMS,
        },
};

#define GGUF_LLAMA_FRONT                                                           \
    GGUF_START, .front = {                                                         \
                    [FT_FRONT_WORDS] = {"token_embd"},                             \
                    [FT_FRONT_LAST_NORM] = {"output_norm"},                        \
                    [FT_FRONT_ROPE_FACTORS] = {"rope_freqs", .is_optional = true}, \
    }
// `query`: as of LLAMA_LAYER.
#define GGUF_LLAMA_LAYER(query)                                                               \
    [FT_LAYER_MIX_BEFORE] = {"attn_norm"}, [FT_LAYER_QUERY] = {"attn_q", .bias = query},      \
    [FT_LAYER_KEY] = {"attn_k", .bias = query}, [FT_LAYER_VALUE] = {"attn_v", .bias = query}, \
    [FT_LAYER_MIX] = {"attn_output", .bias = FT_BIAS_OPTIONAL},                               \
    [FT_LAYER_MLP_BEFORE] = {"ffn_norm"},                                                     \
    [FT_LAYER_GATE] = {"ffn_gate", .bias = FT_BIAS_OPTIONAL},                                 \
    [FT_LAYER_UP] = {"ffn_up", .bias = FT_BIAS_OPTIONAL},                                     \
    [FT_LAYER_DOWN] = {"ffn_down", .bias = FT_BIAS_OPTIONAL}

const ft_encoder_names ft_names_gguf_llama = {
    GGUF_LLAMA_FRONT,
    .layer = {GGUF_LLAMA_LAYER(FT_BIAS_OPTIONAL)},
};

const ft_encoder_names ft_names_gguf_qwen2 = {
    GGUF_LLAMA_FRONT,
    .layer = {GGUF_LLAMA_LAYER(FT_BIAS_ALWAYS)},
};

const ft_encoder_names ft_names_gguf_qwen3 = {
    GGUF_LLAMA_FRONT,
    .layer =
        {
            GGUF_LLAMA_LAYER(FT_BIAS_OPTIONAL),
            [FT_LAYER_QUERY_NORM] = {"attn_q_norm"},
            [FT_LAYER_KEY_NORM] = {"attn_k_norm"},
        },
};
