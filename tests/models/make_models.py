#!/usr/bin/env python3
"""Makes the tiny models in this folder: every architecture that `embed` and `infer` know, random weights, and what the
reference libraries compute with them.

    python3 tests/models/make_models.py [NAME...]

Needs transformers 5.23.0, torch, sentence-transformers 6.2.0, tokenizers 0.23.3 and gguf 0.19.0; the tests need none of
them. NAME/config.json and NAME/model.safetensors are the model, NAME/reference.jsonl has a text per line (`input_ids`,
`token_type_ids` where they are not all 0, or `text`) and NAME/reference.safetensors what comes out for line I:
`I.hidden` [tokens, hidden], `I.mean` [hidden] of a text too long to store, `I.logits`.
"""

import json
import os
import sys

import torch
import transformers as hf

from fixture import classic, fill, load, read_json, reference, save, texts, write_json, write_reference

LENGTHS = [1, 2, 3, 8, 17, 33, 61]
# The padding token within a text has a position of its own and is not counted.
PADDED = [[0, 7, 1, 9, 1, 1, 30, 2]]
BF16, F16 = torch.bfloat16, torch.float16


def rows_of(ids, types=False):
    rows = [{"input_ids": row} for row in ids]
    if types:
        for row in rows:
            count = len(row["input_ids"])
            row["token_type_ids"] = [0] * (count - count // 2) + [1] * (count // 2)
    return rows


# ---- encoders ----

def bert_config(**more):
    return hf.BertConfig(**{**dict(vocab_size=300, hidden_size=36, num_hidden_layers=2, num_attention_heads=3,
                                   intermediate_size=50, max_position_embeddings=64), **more})


def roberta_config(**more):
    return hf.RobertaConfig(**{**dict(vocab_size=300, hidden_size=40, num_hidden_layers=2, num_attention_heads=2,
                                      intermediate_size=64, max_position_embeddings=66, type_vocab_size=1,
                                      layer_norm_eps=1e-5, pad_token_id=1, bos_token_id=0, eos_token_id=2), **more})


def xlm_roberta_config(**more):
    return hf.XLMRobertaConfig(**roberta_config(**{**dict(vocab_size=320, hidden_size=32, num_attention_heads=4),
                                                   **more}).to_diff_dict())


def distilbert_config(**more):
    return hf.DistilBertConfig(**{**dict(vocab_size=300, dim=32, n_layers=2, n_heads=4, hidden_dim=72,
                                         max_position_embeddings=64), **more})


def mpnet_config(**more):
    # A text of more than 128 tokens reaches the last bucket of relative positions.
    return hf.MPNetConfig(**{**dict(vocab_size=300, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
                                    intermediate_size=48, max_position_embeddings=202, pad_token_id=1, bos_token_id=0,
                                    eos_token_id=2), **more})


def modernbert_config(**more):
    # Layers 0 and 3 see everything, 1 and 2 four tokens to each side.
    return hf.ModernBertConfig(**{**dict(vocab_size=300, hidden_size=32, num_hidden_layers=4, num_attention_heads=2,
                                         intermediate_size=40, max_position_embeddings=900, local_attention=8,
                                         pad_token_id=3, bos_token_id=1, eos_token_id=2, cls_token_id=1,
                                         sep_token_id=2), **more})


def make_bert():
    folder = save(hf.BertModel(bert_config()), "bert", 1)
    reference(folder, hf.BertModel, rows_of(texts(1, LENGTHS + [64], 300)) + rows_of(texts(2, [2, 9, 40], 300), types=True),
              "last_hidden_state")


def make_bert_sharded():
    """The weights in several files, half as wide as they were computed."""
    folder = save(hf.BertModel(bert_config(hidden_act="gelu_new", hidden_size=48)), "bert-sharded", 2, F16,
                  max_shard_size="40KB")
    reference(folder, hf.BertModel, rows_of(texts(3, LENGTHS, 300)), "last_hidden_state")


def make_bert_quick_gelu():
    folder = save(hf.BertModel(bert_config(vocab_size=120, hidden_act="quick_gelu"), add_pooling_layer=False), "bert-quick-gelu", 14)
    reference(folder, hf.BertModel, rows_of(texts(16, LENGTHS, 120)), "last_hidden_state")


def make_bert_relu():
    folder = save(hf.BertModel(bert_config(vocab_size=120, hidden_act="relu"), add_pooling_layer=False), "bert-relu", 15)
    reference(folder, hf.BertModel, rows_of(texts(17, LENGTHS, 120)), "last_hidden_state")


def make_distilbert():
    folder = save(hf.DistilBertModel(distilbert_config()), "distilbert", 3, BF16, classic)
    reference(folder, hf.DistilBertModel, rows_of(texts(4, LENGTHS, 300)), "last_hidden_state")


def make_roberta():
    folder = save(hf.RobertaModel(roberta_config()), "roberta", 4, F16, classic)
    reference(folder, hf.RobertaModel, rows_of(texts(5, LENGTHS + [64], 300) + PADDED), "last_hidden_state")


def make_xlm_roberta():
    folder = save(hf.XLMRobertaModel(xlm_roberta_config()), "xlm-roberta", 5, BF16, classic)
    reference(folder, hf.XLMRobertaModel, rows_of(texts(6, LENGTHS, 320)), "last_hidden_state")


def make_camembert():
    config = hf.CamembertConfig(**roberta_config(hidden_size=32, bos_token_id=5, eos_token_id=6).to_diff_dict())
    folder = save(hf.CamembertModel(config), "camembert", 6, F16, classic)
    reference(folder, hf.CamembertModel, rows_of(texts(7, LENGTHS, 300)), "last_hidden_state")


def make_mpnet():
    folder = save(hf.MPNetModel(mpnet_config()), "mpnet", 7, F16, classic)
    reference(folder, hf.MPNetModel, rows_of(texts(8, LENGTHS + [200], 300) + PADDED), "last_hidden_state")


def nomic_published(values):
    """The keys of nomic-ai/nomic-embed-text-v1.5, whose names of weights save_pretrained writes as well."""
    return {"model_type": "nomic_bert", "architectures": ["NomicBertModel"], "activation_function": "swiglu",
            "n_embd": values["hidden_size"], "n_head": values["num_attention_heads"],
            "n_layer": values["num_hidden_layers"], "n_inner": values["intermediate_size"],
            "n_positions": values["max_position_embeddings"], "vocab_size": values["vocab_size"],
            "type_vocab_size": values["type_vocab_size"], "layer_norm_epsilon": values["layer_norm_eps"],
            "rotary_emb_base": values["rope_parameters"]["rope_theta"], "rotary_emb_fraction": 1.0,
            "rotary_emb_interleaved": False, "rotary_emb_scale_base": None, "rotary_scaling_factor": None,
            "max_trained_positions": values["max_position_embeddings"], "qkv_proj_bias": False,
            "mlp_fc1_bias": False, "mlp_fc2_bias": False, "prenorm": False, "parallel_block": False,
            "use_rms_norm": False, "causal": False, "tie_word_embeddings": True, "pad_vocab_size_multiple": 64,
            "torch_dtype": "float32"}


def make_nomic_bert():
    """config.json has the published keys, config.transformers.json those of transformers; the weights are the same."""
    config = hf.NomicBertConfig(vocab_size=300, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
                                intermediate_size=48, max_position_embeddings=128)
    folder = save(hf.NomicBertModel(config, add_pooling_layer=False), "nomic-bert", 8)
    reference(folder, hf.NomicBertModel, rows_of(texts(9, LENGTHS + [128], 300)) + rows_of(texts(10, [2, 9, 40], 300), types=True),
              "last_hidden_state")
    path = os.path.join(folder, "config.json")
    values = read_json(path)
    write_json(os.path.join(folder, "config.transformers.json"), values)
    write_json(path, nomic_published(values))


def turn_half(query, key, cosines, sines, unsqueeze_dim=1):
    """Of each head the first half turns and the rest passes, as transformers' modeling_phi.py has it."""
    from transformers.models.phi import modeling_phi
    half = query.shape[-1] // 2
    turned = modeling_phi.apply_rotary_pos_emb(query[..., :half], key[..., :half], cosines, sines, unsqueeze_dim=unsqueeze_dim)
    return [torch.cat((part, whole[..., half:]), -1) for part, whole in zip(turned, (query, key))]


def make_nomic_bert_half():
    """`rotary_emb_fraction` 0.5, which nomic's own code knows and transformers' does not: the library's model with the
    frequencies of half a head (its rope type `linear`, of factor 1) and Phi's way of turning them."""
    from transformers.models.nomic_bert import modeling_nomic_bert
    config = hf.NomicBertConfig(vocab_size=120, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48,
                                max_position_embeddings=128, rope_parameters={"rope_type": "linear", "rope_theta": 1000.0,
                                                                              "factor": 1.0, "partial_rotary_factor": 0.5})
    folder = save(hf.NomicBertModel(config, add_pooling_layer=False), "nomic-bert-half", 16)
    whole = modeling_nomic_bert.apply_rotary_pos_emb
    modeling_nomic_bert.apply_rotary_pos_emb = turn_half
    reference(folder, hf.NomicBertModel, rows_of(texts(18, LENGTHS + [128], 120)), "last_hidden_state")
    modeling_nomic_bert.apply_rotary_pos_emb = whole
    path = os.path.join(folder, "config.json")
    write_json(path, {**nomic_published(read_json(path)), "rotary_emb_fraction": 0.5})


def gte_published(values):
    """The keys of Alibaba-NLP/gte-base-en-v1.5 and gte-multilingual-base."""
    values = classic(values)
    return {**values, "model_type": "new", "architectures": ["NewModel"], "layer_norm_type": "layer_norm",
            "pack_qkv": True, "position_embedding_type": "rope", "unpad_inputs": False,
            "use_memory_efficient_attention": False, "logn_attention_scale": False, "logn_attention_clip1": False}


def make_gte():
    """As make_nomic_bert; no token types, as in gte-multilingual-base with one type."""
    config = hf.GteConfig(vocab_size=300, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
                          intermediate_size=48, max_position_embeddings=128, pad_token_id=1, bos_token_id=0,
                          eos_token_id=2)
    folder = save(hf.GteModel(config), "gte", 9, F16)
    reference(folder, hf.GteModel, rows_of(texts(11, LENGTHS + [128], 300)), "last_hidden_state")
    path = os.path.join(folder, "config.json")
    values = read_json(path)
    write_json(os.path.join(folder, "config.transformers.json"), values)
    write_json(path, gte_published(values))


def modernbert_published(values):
    """The keys of answerdotai/ModernBERT-base and gte-modernbert-base."""
    values = dict(values)
    values["torch_dtype"] = values.pop("dtype")
    ropes = values.pop("rope_parameters")
    values.pop("layer_types")
    return {**values, "global_attn_every_n_layers": 3, "global_rope_theta": ropes["full_attention"]["rope_theta"],
            "local_rope_theta": ropes["sliding_attention"]["rope_theta"], "position_embedding_type": "absolute"}


def make_modernbert():
    folder = save(hf.ModernBertModel(modernbert_config()), "modernbert", 10, config=modernbert_published)
    reference(folder, hf.ModernBertModel, rows_of(texts(12, LENGTHS + [90, 700], 300)), "last_hidden_state")


def make_modernbert_5():
    """As transformers 5 writes it, with biases and windows in other layers."""
    config = modernbert_config(norm_bias=True, attention_bias=True, mlp_bias=True, local_attention=6,
                               layer_types=["sliding_attention", "full_attention", "sliding_attention",
                                            "sliding_attention"])
    folder = save(hf.ModernBertModel(config), "modernbert-5", 11, BF16)
    reference(folder, hf.ModernBertModel, rows_of(texts(13, LENGTHS, 300)), "last_hidden_state")


def make_modernbert_wide():
    """With more outputs between the gated layers than are run at a time, and no whole number of panels of them."""
    folder = save(hf.ModernBertModel(modernbert_config(intermediate_size=300)), "modernbert-wide", 14, BF16)
    reference(folder, hf.ModernBertModel, rows_of(texts(14, [1, 17, 61], 300)), "last_hidden_state")


# ---- decoders that embed ----

def make_qwen3_embedding():
    """As Qwen3-Embedding: heads wider than hidden / heads, causal, the last token's vector."""
    config = hf.Qwen3Config(vocab_size=300, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
                            num_key_value_heads=2, head_dim=12, intermediate_size=48, max_position_embeddings=900,
                            rope_parameters={"rope_type": "default", "rope_theta": 1000000.0},
                            tie_word_embeddings=True, bos_token_id=0, eos_token_id=1)
    folder = save(hf.Qwen3Model(config), "qwen3-embedding", 12, BF16, classic)
    reference(folder, hf.Qwen3Model, rows_of(texts(14, LENGTHS + [90, 600], 300)), "last_hidden_state")


def make_qwen3_linear():
    """Positions divided by 4, and ReLU before the gate."""
    config = decoder_config(hf.Qwen3Config, vocab_size=120, head_dim=12, hidden_act="relu", tie_word_embeddings=True,
                            rope_parameters={"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0})
    folder = save(hf.Qwen3Model(config), "qwen3-linear", 17, config=classic)
    reference(folder, hf.Qwen3Model, rows_of(texts(19, LENGTHS + [200], 120)), "last_hidden_state")


def gemma3_published(values):
    """The keys of google/embeddinggemma-300m."""
    values = dict(values)
    values["torch_dtype"] = values.pop("dtype")
    ropes = values.pop("rope_parameters")
    return {**values, "rope_theta": ropes["full_attention"]["rope_theta"], "rope_scaling": None,
            "rope_local_base_freq": ropes["sliding_attention"]["rope_theta"]}


def make_gemma3_embedding():
    """As EmbeddingGemma: no causal mask, windows of which a token sees half to each side."""
    config = hf.Gemma3TextConfig(vocab_size=300, hidden_size=32, num_hidden_layers=3, num_attention_heads=2,
                                 num_key_value_heads=1, head_dim=16, intermediate_size=48,
                                 max_position_embeddings=900, sliding_window=8, use_bidirectional_attention=True,
                                 query_pre_attn_scalar=24, layer_types=["sliding_attention", "sliding_attention",
                                                                        "full_attention"])
    folder = save(hf.Gemma3TextModel(config), "gemma3-embedding", 13, BF16, gemma3_published)
    reference(folder, hf.Gemma3TextModel, rows_of(texts(15, LENGTHS + [90, 600], 300)), "last_hidden_state")


# ---- generation ----

def greedy(name, config, auto, seed, prompts, steps=24, dtype=BF16, change=classic):
    """`greedy_ids` and the margin of the first over the second logit at each step; `I.last_logits` [vocabulary] of each
    prompt, `0.all_logits` [tokens, vocabulary]. Written without the library's generate(): every step anew, no cache."""
    folder = save(auto(config), name, seed, dtype, change)
    model, rows, tensors = load(auto, folder), [], {}
    with torch.no_grad():
        for index, prompt in enumerate(prompts):
            ids, margins = list(prompt), []
            logits = model(torch.tensor([ids])).logits[0]
            tensors["%d.last_logits" % index] = logits[-1].clone()
            if index == 0:
                tensors["0.all_logits"] = logits
            for _ in range(steps):
                logits = model(torch.tensor([ids])).logits[0, -1]
                best = logits.topk(2)
                margins.append(round(float(best.values[0] - best.values[1]), 5))
                ids.append(int(best.indices[0]))
            rows.append({"prompt_ids": prompt, "greedy_ids": ids[len(prompt):], "margins": margins})
    write_reference(folder, rows, tensors)


def decoder_config(kind, **more):
    return kind(**{**dict(vocab_size=256, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
                          num_key_value_heads=2, intermediate_size=64, max_position_embeddings=256, bos_token_id=0,
                          eos_token_id=1, pad_token_id=None), **more})


LLAMA3_SCALING = {"rope_type": "llama3", "rope_theta": 10000.0, "factor": 8.0, "low_freq_factor": 1.0,
                  "high_freq_factor": 4.0, "original_max_position_embeddings": 32}


def make_llama():
    config = decoder_config(hf.LlamaConfig, rope_parameters=LLAMA3_SCALING, tie_word_embeddings=True)
    greedy("llama", config, hf.LlamaForCausalLM, 31, texts(31, [9, 1, 2, 40, 100], 256), dtype=torch.float32)


def make_qwen2():
    config = decoder_config(hf.Qwen2Config, tie_word_embeddings=False)
    greedy("qwen2", config, hf.Qwen2ForCausalLM, 32, texts(32, [9, 1, 33], 256))


def make_qwen3():
    """As transformers 5 writes it."""
    config = decoder_config(hf.Qwen3Config, head_dim=12, tie_word_embeddings=True)
    greedy("qwen3", config, hf.Qwen3ForCausalLM, 33, texts(33, [9, 1, 33], 256), change=None)


def make_mistral():
    """A sliding window that the prompts are longer than."""
    config = decoder_config(hf.MistralConfig, sliding_window=12, num_key_value_heads=1, tie_word_embeddings=False)
    greedy("mistral", config, hf.MistralForCausalLM, 34, texts(34, [9, 1, 40], 256), dtype=F16)


MODELS = {name[5:].replace("_", "-"): function for name, function in sorted(globals().items())
          if name.startswith("make_")}


def main():
    for name in sys.argv[1:] or MODELS:
        MODELS[name]()
        print(name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
