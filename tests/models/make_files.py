#!/usr/bin/env python3
"""Makes the GGUF files and the sentence-transformers models in this folder (read make_models.py first).

    python3 tests/models/make_files.py [NAME...]

GGUF files have llama.cpp's names and keys, as its convert_hf_to_gguf.py writes them. The reference of NAME-KIND.gguf is
NAME-KIND.jsonl and .safetensors: what transformers computes with the weights as that file has them, dequantised by the
package gguf. Models of sentence-transformers have `text`, and `prompt` where one is used, in reference.jsonl, and
`vectors` [texts, dimensions] in reference.safetensors.
"""

import os
import shutil
import sys

import gguf
import numpy as np
import torch
import transformers as hf
from safetensors.torch import load_file, save_file

from fixture import HERE, classic, fill, read_json, save, texts, write_json, write_reference
from make_heads import SENTENCES, add_tokenizer, byte_pairs, word_pieces
from make_models import LENGTHS, bert_config, decoder_config

KINDS = {"f32": gguf.GGMLQuantizationType.F32, "f16": gguf.GGMLQuantizationType.F16,
         "bf16": gguf.GGMLQuantizationType.BF16, "q8_0": gguf.GGMLQuantizationType.Q8_0,
         "q4_0": gguf.GGMLQuantizationType.Q4_0}


# ---- GGUF ----

BERT_NAMES = {"attention.self.query": "attn_q", "attention.self.key": "attn_k", "attention.self.value": "attn_v",
              "attention.output.dense": "attn_output", "attention.output.LayerNorm": "attn_output_norm",
              "intermediate.dense": "ffn_up", "output.dense": "ffn_down", "output.LayerNorm": "layer_output_norm"}
LLAMA_NAMES = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
               "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
               "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
               "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm"}
NOMIC_NAMES = {**LLAMA_NAMES, "post_attention_layernorm": "attn_output_norm", "post_mlp_layernorm": "layer_output_norm"}
WHOLE = {"embeddings.word_embeddings": "token_embd", "embeddings.position_embeddings": "position_embd",
         "embeddings.token_type_embeddings": "token_types", "embeddings.LayerNorm": "token_embd_norm",
         "embed_tokens": "token_embd", "norm": "output_norm", "lm_head": "output"}


def ggml_name(name, family):
    name = name.removeprefix("model.")
    for prefix in ("encoder.layer.", "layers."):
        if name.startswith(prefix):
            layer, rest = name[len(prefix):].split(".", 1)
            part, kind = rest.rsplit(".", 1)
            return "blk.%s.%s.%s" % (layer, {"bert": BERT_NAMES, "nomic_bert": NOMIC_NAMES}.get(family, LLAMA_NAMES)[part],
                                     kind)
    part, kind = name.rsplit(".", 1)
    return "%s.%s" % (WHOLE[part], kind) if part in WHOLE else None


def turn(weight, heads, back=False):
    """llama.cpp's order of the rows of queries and keys: the halves of a head interleaved."""
    parts = (heads, weight.shape[0] // heads // 2, 2) if back else (heads, 2, weight.shape[0] // heads // 2)
    return weight.reshape(*parts, *weight.shape[1:]).swapaxes(1, 2).reshape(weight.shape)


def heads_of(name, config):
    """How many heads the rows of this weight are interleaved by; 0: they are not."""
    if config.model_type != "llama":
        return 0
    return config.num_attention_heads if ".q_proj." in name else config.num_key_value_heads * (".k_proj." in name)


def quantize(data, use):
    if use == gguf.GGMLQuantizationType.F16:
        return data.astype(np.float16)
    return gguf.quants.quantize(data, use)


def fuse(tensors):
    """Queries, keys and values as one matrix, and their biases as one vector, as nomic-bert has them."""
    for name in [name for name in tensors if ".attn_q." in name]:
        parts = [tensors.pop(name.replace("attn_q.", "attn_%s." % part)) for part in "qkv"]
        tensors[name.replace("attn_q.", "attn_qkv.")] = (sum((names for names, _ in parts), []),
                                                         np.concatenate([data for _, data in parts]))


def write_weights(writer, model, kind, bias):
    """Matrices as `kind`, biases as `bias`, all else F32, as llama.cpp does (whose biases are F32); the model has
    then the weights as a reader has them."""
    config, tensors, state = model.config, {}, {}
    for name, value in model.state_dict().items():
        to = ggml_name(name, config.model_type)
        if not to or (name == "lm_head.weight" and config.tie_word_embeddings):
            continue
        heads = heads_of(name, config)
        data = value.numpy().astype(np.float32)
        tensors[to] = ([name], turn(data, heads) if heads else data)
    if config.model_type == "nomic_bert":
        fuse(tensors)
    for to, (names, data) in tensors.items():
        is_small = data.ndim < 2 or to.startswith(("position_embd", "token_types"))
        use = KINDS[bias if to.endswith(".bias") and "norm" not in to else "f32" if is_small else kind]
        stored = quantize(data, use)
        writer.add_tensor(to, stored, raw_dtype=use)
        seen = gguf.quants.dequantize(stored, use).astype(np.float32)
        for name, part in zip(names, np.split(seen, len(names))):
            heads = heads_of(name, config)
            state[name] = torch.tensor(turn(part, heads, back=True) if heads else part)
    model.load_state_dict(state, strict=False)


def write_head(writer, config, types):
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_file_type(types)
    writer.add_vocab_size(config.vocab_size)


def write_bert_head(writer, config):
    writer.add_layer_norm_eps(config.layer_norm_eps)
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.CLS)
    writer.add_token_type_count(config.type_vocab_size)


def write_nomic_head(writer, config):
    writer.add_layer_norm_eps(config.layer_norm_eps)
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.MEAN)
    writer.add_token_type_count(config.type_vocab_size)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])


def write_decoder_head(writer, config):
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])


def write_qwen2_head(writer, config):
    write_decoder_head(writer, config)


def write_qwen3_head(writer, config):
    write_decoder_head(writer, config)
    writer.add_key_length(config.head_dim)
    writer.add_value_length(config.head_dim)
    writer.add_pooling_type(gguf.PoolingType.LAST)


def write_llama_head(writer, config):
    rope, half = config.rope_parameters, config.head_dim // 2
    write_decoder_head(writer, config)
    writer.add_rope_dimension_count(config.head_dim)
    # What each frequency is divided by, as convert_hf_to_gguf.py has it for Llama 3.
    low = rope["original_max_position_embeddings"] / rope["low_freq_factor"]
    high = rope["original_max_position_embeddings"] / rope["high_freq_factor"]
    factors = []
    for i in range(half):
        wave = 2 * np.pi * rope["rope_theta"] ** (i / half)
        smooth = (rope["original_max_position_embeddings"] / wave - rope["low_freq_factor"]) / (
            rope["high_freq_factor"] - rope["low_freq_factor"])
        factors.append(1 if wave < high else rope["factor"] if wave > low else
                       1 / ((1 - smooth) / rope["factor"] + smooth))
    writer.add_tensor("rope_freqs.weight", np.array(factors, dtype=np.float32))


HEADS = {"bert": write_bert_head, "nomic-bert": write_nomic_head, "llama": write_llama_head, "qwen2": write_qwen2_head,
         "qwen3": write_qwen3_head}


def write_gguf(folder, name, kind, model, family=None, bias="f32"):
    family = family or name
    writer = gguf.GGUFWriter(os.path.join(folder, "%s-%s.gguf" % (name, kind)), family)
    write_head(writer, model.config, getattr(gguf.LlamaFileType, {"f32": "ALL_F32"}.get(kind, "MOSTLY_" + kind.upper())))
    HEADS[family](writer, model.config)
    write_weights(writer, model, kind, bias)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def new_folder(name):
    folder = os.path.join(HERE, name)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    return folder


def rename_reference(folder, name, kind):
    for end in ("jsonl", "safetensors"):
        os.rename(os.path.join(folder, "reference." + end), os.path.join(folder, "%s-%s.%s" % (name, kind, end)))


def refer_hidden(folder, name, kind, model, rows):
    with torch.no_grad():
        hidden = {"%d.hidden" % i: model(torch.tensor([ids])).last_hidden_state[0] for i, ids in enumerate(rows)}
    write_reference(folder, [{"input_ids": ids} for ids in rows], hidden)
    rename_reference(folder, name, kind)


def refer_greedy(folder, name, kind, model, prompts):
    rows, tensors = [], {}
    with torch.no_grad():
        for index, prompt in enumerate(prompts):
            ids, margins = list(prompt), []
            tensors["%d.last_logits" % index] = model(torch.tensor([ids])).logits[0, -1]
            for _ in range(16):
                best = model(torch.tensor([ids])).logits[0, -1].topk(2)
                margins.append(round(float(best.values[0] - best.values[1]), 5))
                ids.append(int(best.indices[0]))
            rows.append({"prompt_ids": prompt, "greedy_ids": ids[len(prompt):], "margins": margins})
    write_reference(folder, rows, tensors)
    rename_reference(folder, name, kind)


def make_gguf_bert():
    folder, rows = new_folder("gguf-bert"), texts(81, LENGTHS, 150)
    for kind in KINDS:
        model = fill(hf.BertModel(bert_config(vocab_size=150, hidden_size=32, num_attention_heads=2,
                                              intermediate_size=64), add_pooling_layer=False), 81)
        write_gguf(folder, "bert", kind, model)
        refer_hidden(folder, "bert", kind, model, rows)


def make_gguf_llama():
    folder, prompts = new_folder("gguf-llama"), texts(82, [9, 1, 60], 150)
    rope = {"rope_type": "llama3", "rope_theta": 10000.0, "factor": 8.0, "low_freq_factor": 1.0,
            "high_freq_factor": 4.0, "original_max_position_embeddings": 32}
    for kind in KINDS:
        model = fill(hf.LlamaForCausalLM(decoder_config(hf.LlamaConfig, vocab_size=150, rope_parameters=rope,
                                                        tie_word_embeddings=True)), 82)
        write_gguf(folder, "llama", kind, model)
        refer_greedy(folder, "llama", kind, model, prompts)


def add_biases(model):
    """Biases where llama.cpp's nomic-bert may have them and transformers' model has none."""
    for layer in model.layers:
        for linear in (layer.self_attn.q_proj, layer.self_attn.k_proj, layer.self_attn.v_proj, layer.self_attn.o_proj,
                       layer.mlp.gate_proj, layer.mlp.up_proj, layer.mlp.down_proj):
            linear.bias = torch.nn.Parameter(torch.zeros(linear.out_features))
    return model


def make_gguf_nomic_bert():
    """Queries, keys and values in one tensor. `biased`: with biases, which are in blocks as well where the matrices are;
    no converter writes that and the format has it."""
    folder, rows = new_folder("gguf-nomic-bert"), texts(83, LENGTHS, 120)
    config = hf.NomicBertConfig(vocab_size=120, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
                                intermediate_size=64, max_position_embeddings=128)
    for kind in ("f32", "q8_0", "q4_0"):
        for name in ("nomic-bert", "biased"):
            model = hf.NomicBertModel(config, add_pooling_layer=False)
            model = fill(add_biases(model) if name == "biased" else model, 83)
            write_gguf(folder, name, kind, model, "nomic-bert", kind)
            refer_hidden(folder, name, kind, model, rows)


def make_gguf_qwen3_embedding():
    """As Qwen3-Embedding: heads wider than hidden / heads, causal."""
    folder, rows = new_folder("gguf-qwen3-embedding"), texts(84, LENGTHS, 120)
    for kind in ("f32", "q8_0", "q4_0"):
        config = decoder_config(hf.Qwen3Config, vocab_size=120, head_dim=16, tie_word_embeddings=True)
        model = fill(hf.Qwen3Model(config), 84)
        write_gguf(folder, "qwen3", kind, model)
        refer_hidden(folder, "qwen3", kind, model, rows)


def make_gguf_qwen2():
    folder, prompts = new_folder("gguf-qwen2"), texts(85, [9, 1, 60], 120)
    for kind in ("f32", "q8_0"):
        model = fill(hf.Qwen2ForCausalLM(decoder_config(hf.Qwen2Config, vocab_size=120, tie_word_embeddings=False)), 85)
        write_gguf(folder, "qwen2", kind, model)
        refer_greedy(folder, "qwen2", kind, model, prompts)


# ---- sentence-transformers ----

TEXTS = SENTENCES + ["", "salt", "Zürich", " ".join(SENTENCES)]


def halve(folder):
    path = os.path.join(folder, "model.safetensors")
    save_file({name: tensor.to(torch.float16) for name, tensor in load_file(path).items()}, path)
    path = os.path.join(folder, "config.json")
    write_json(path, {**read_json(path), "dtype": "float16"})


def publish(folder, longest):
    """The names and keys that models had before sentence-transformers 5.4."""
    modules = read_json(os.path.join(folder, "modules.json"))
    for module in modules:
        module["type"] = "sentence_transformers.models." + module["type"].rsplit(".", 1)[1]
        if module["type"].endswith("Normalize"):
            shutil.rmtree(os.path.join(folder, module["path"]))
    write_json(os.path.join(folder, "modules.json"), modules)
    write_json(os.path.join(folder, "sentence_bert_config.json"), {"max_seq_length": longest, "do_lower_case": False})
    path = os.path.join(folder, "1_Pooling", "config.json")
    values = read_json(path)
    modes = values["pooling_mode"] if isinstance(values["pooling_mode"], list) else [values["pooling_mode"]]
    flags = {"pooling_mode_" + key: key.split("_token")[0] in modes or key in modes
             for key in ("cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens",
                         "lasttoken")}
    write_json(path, {"word_embedding_dimension": values["embedding_dimension"], **flags,
                      "include_prompt": values["include_prompt"]})


def chain(name, seed, config, auto, made, pooling, dense=(), normalize=True, prompts=None, longest=40, include=True,
          published=True, norm=False):
    """A folder with modules.json: the model, pooling, with `norm` a LayerNorm, layers of `dense` (outputs, activation, bias,
    and maybe whether the input is added), normalisation."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer import modules as st
    inner = save(auto(config), name + "-inner", seed, config=classic)
    add_tokenizer(inner, made, auto is hf.BertModel)
    modules = [st.Transformer(inner, max_seq_length=longest)]
    modules.append(st.Pooling(modules[0].get_embedding_dimension(), pooling_mode=pooling, include_prompt=include))
    width = modules[1].get_embedding_dimension()
    if norm:
        modules.append(fill(st.LayerNorm(width), seed))
    for outputs, activation, bias, *residual in dense:
        more = {"use_residual": True} if residual else {}
        modules.append(fill(st.Dense(width, outputs, bias=bias, activation_function=activation, **more), seed + width))
        width = outputs
    if normalize:
        modules.append(st.Normalize())
    folder = new_folder(name)
    SentenceTransformer(modules=modules, prompts=prompts, device="cpu").save(folder, create_model_card=False)
    shutil.rmtree(inner)
    halve(folder)
    if published:
        publish(folder, longest)
    model = SentenceTransformer(folder, device="cpu", model_kwargs={"dtype": torch.float32})
    rows = [{"text": text} for text in TEXTS]
    rows += [{"text": text, "prompt": prompt} for prompt in prompts or {} for text in TEXTS[:3] + TEXTS[-2:]]
    vectors = [model.encode(row["text"], prompt_name=row.get("prompt"), batch_size=1) for row in rows]
    write_reference(folder, rows, {"vectors": torch.tensor(np.stack(vectors))})


PROMPTS = {"query": "Where is it? ", "document": "The text: "}


def make_chain_dense():
    """As EmbeddingGemma: the mean, two layers, normalised."""
    chain("chain-dense", 91, bert_config(vocab_size=200), hf.BertModel, word_pieces(), "mean",
          [(80, torch.nn.Identity(), False), (24, torch.nn.Tanh(), True)], prompts=PROMPTS)


def make_chain_all():
    """Every pooling mode end to end, not normalised; tokens of the prompt do not count."""
    chain("chain-all", 92, bert_config(vocab_size=200), hf.BertModel, word_pieces(),
          ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"), normalize=False,
          prompts=PROMPTS, include=False, published=False)


def make_chain_norm():
    """LayerNorm, and layers that add what comes in: as it is, and by a matrix of their own."""
    chain("chain-norm", 94, bert_config(vocab_size=200), hf.BertModel, word_pieces(), "mean",
          [(36, torch.nn.ReLU(), True, True), (20, torch.nn.Identity(), False, True)], normalize=False, norm=True,
          published=False)


def make_chain_last():
    """As Qwen3-Embedding: the last token."""
    tokenizer = byte_pairs()
    config = decoder_config(hf.Qwen3Config, vocab_size=340, head_dim=12, tie_word_embeddings=True)
    chain("chain-last", 93, config, hf.Qwen3Model, tokenizer, "lasttoken", prompts={"query": "Find it: "})


MODELS = {name[5:].replace("_", "-"): function for name, function in sorted(globals().items())
          if name.startswith("make_") and function.__module__ == __name__}


def main():
    for name in sys.argv[1:] or MODELS:
        MODELS[name]()
        print(name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
