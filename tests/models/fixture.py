"""What the makers of the models in this folder share: random weights, folders, references.

A reference is computed from the folder as it lies there (`from_pretrained`), in fp32, one text at a time: whatever is
in config.json and in the rounded weights counts.
"""

import json
import os
import random
import shutil

import torch
from safetensors.torch import save_file

HERE = os.path.dirname(os.path.abspath(__file__))
torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)


def fill(model, seed):
    """Weights under which every term of the model counts: biases and gains far from 0 and 1, attention that is
    sharp here and broad there."""
    generator = torch.Generator().manual_seed(seed)
    kind = type(model).__name__
    spread = 0.25 if kind.endswith("CausalLM") else 0.7  # Little enough that a token's successor is not itself.
    tables = {id(module.weight) for module in model.modules() if isinstance(module, torch.nn.Embedding)}
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            noise = torch.randn(parameter.shape, generator=generator)
            if id(parameter) in tables:
                parameter.copy_(noise * spread)
            elif parameter.dim() > 1:
                parameter.copy_(noise * 1.2 / parameter.shape[-1] ** 0.5)
                if kind.endswith("TokenClassification") and name.startswith("classifier"):
                    parameter.mul_(4)  # Neighbours have different labels.
            elif name.endswith("bias"):
                parameter.copy_(noise * 0.3)
            else:  # A gain; Gemma adds its 1 when it runs.
                parameter.copy_(noise * 0.3 + (0.0 if kind.startswith("Gemma") else 1.0))
    return model.eval()


def write_json(path, value):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=1, ensure_ascii=False)
        file.write("\n")


def read_json(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def save(model, name, seed, dtype=torch.float32, config=None, **more):
    """The model in its folder, made anew. `config` changes what config.json says before it is written: into the keys
    that published models have."""
    folder = os.path.join(HERE, name)
    shutil.rmtree(folder, ignore_errors=True)
    fill(model, seed).to(dtype).save_pretrained(folder, **more)
    path = os.path.join(folder, "config.json")
    values = read_json(path)
    for key in ("transformers_version", "_name_or_path"):
        values.pop(key, None)
    write_json(path, config(values) if config else values)
    generation = os.path.join(folder, "generation_config.json")
    if os.path.exists(generation):
        os.remove(generation)
    return folder


def classic(values):
    """The keys of models published before transformers 5."""
    values = dict(values)
    values["torch_dtype"] = values.pop("dtype")
    rope = dict(values.pop("rope_parameters", None) or {})
    if "full_attention" in rope:  # ModernBERT
        values["global_rope_theta"] = rope["full_attention"]["rope_theta"]
        values["local_rope_theta"] = rope["sliding_attention"]["rope_theta"]
    elif rope:
        values["rope_theta"] = rope.pop("rope_theta")
        if rope.get("rope_type") != "default":
            values["rope_scaling"] = rope
    return values


def load(auto, folder):
    return auto.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()


def texts(seed, lengths, vocabulary, first=5):
    """Token ids from `first` on: below are the special ones."""
    source = random.Random(seed)
    return [[source.randrange(first, vocabulary) for _ in range(length)] for length in lengths]


def write_reference(folder, rows, tensors):
    with open(os.path.join(folder, "reference.jsonl"), "w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    save_file({key: value.contiguous().to(torch.float32) for key, value in tensors.items()},
              os.path.join(folder, "reference.safetensors"))


def reference(folder, auto, rows, take, long=100):
    """Runs each row ({"input_ids", "token_type_ids"?}) alone. `take` names the output: "last_hidden_state" (stored as
    I.hidden, of texts longer than `long` only the mean, I.mean) or "logits" (I.logits)."""
    model, tensors = load(auto, folder), {}
    with torch.no_grad():
        for index, row in enumerate(rows):
            inputs = {key: torch.tensor([value]) for key, value in row.items()}
            if "input_ids" not in inputs:
                continue
            out = model(**inputs)[take][0]
            if take == "logits":
                tensors["%d.logits" % index] = out
            elif len(out) > long:
                tensors["%d.mean" % index] = out.mean(0)
            else:
                tensors["%d.hidden" % index] = out
    write_reference(folder, rows, tensors)
