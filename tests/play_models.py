#!/usr/bin/env python3
"""The tiny models of tests/models through the whole program against the reference libraries; ends with
"N passed, N failed".

Every architecture, and every file format, at most 1e-4 from transformers and sentence-transformers, on every instruction
set that the CPU has; bitwise the same for any number of threads, any batch, any order of the input. Needs no NumPy.
"""

import array
import ast
import json
import os
import random
import shutil
import struct
import sys

from program import ROOT, Player, is_sanitized

MODELS = os.path.join(ROOT, "tests", "models")
BOUND = 1e-4
ENCODERS = ["bert", "bert-sharded", "distilbert", "roberta", "xlm-roberta", "camembert", "mpnet", "nomic-bert", "gte",
            "modernbert", "modernbert-5", "modernbert-wide", "qwen3-embedding", "gemma3-embedding", "bert-quick-gelu", "bert-relu",
            "nomic-bert-half", "qwen3-linear"]
GGUF = ["gguf-bert/bert-%s" % kind for kind in ("f32", "f16", "bf16", "q8_0", "q4_0")] + \
    ["gguf-%s-%s" % (name, kind) for kind in ("f32", "q8_0", "q4_0")
     for name in ("nomic-bert/nomic-bert", "nomic-bert/biased", "qwen3-embedding/qwen3")]
POOLED = {"gguf-bert/bert-f32": "cls", "gguf-nomic-bert/nomic-bert-q8_0": "mean", "gguf-qwen3-embedding/qwen3-q4_0": "lasttoken"}
CHAINS = ["chain-dense", "chain-all", "chain-last", "chain-norm"]

EMBED = """
stages:
  - read: in.jsonl
    batch: %d
    fields: {id: int, %s}
%s
  - name: vectors
    write: out.npy
    fields: [embedding]
    mode: replace
  - name: ids
    write: ids.jsonl
    fields: [id]
    mode: replace
"""


# ---- files ----

def read_safetensors(path):
    """Name -> (shape, numbers); all F32."""
    with open(path, "rb") as file:
        data = file.read()
    size = struct.unpack("<Q", data[:8])[0]
    tensors = {}
    for name, entry in json.loads(data[8:8 + size]).items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        tensors[name] = (entry["shape"], array.array("f", data[8 + size + begin:8 + size + end]))
    return tensors


def read_npy(data):
    """The rows of a two-dimensional array of F32, as bytes."""
    assert data[:8] == b"\x93NUMPY\x01\x00", data[:8]
    head = 10 + struct.unpack("<H", data[8:10])[0]
    values = ast.literal_eval(data[10:head].decode())
    assert values["descr"] == "<f4" and not values["fortran_order"] and len(values["shape"]) == 2, values
    width = 4 * values["shape"][1]
    return [data[at:at + width] for at in range(head, len(data), width)]


def read_reference(folder, name="reference"):
    with open(os.path.join(MODELS, folder, name + ".jsonl"), encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return rows, read_safetensors(os.path.join(MODELS, folder, name + ".safetensors"))


# ---- running ----

def embed(player, stages, field, values, batch=64, threads=2, order=None, env=None):
    """The vector of each value, as bytes."""
    order = order or list(range(len(values)))
    kind = {"tokens": '"i32[*]"', "text": "string"}[field]
    player.write("in.jsonl", "".join(json.dumps({"id": i, field: values[i]}) + "\n" for i in order))
    player.write("p.yaml", EMBED % (batch, "%s: %s" % (field, kind), stages))
    result = player.run("run", "p.yaml", "--threads", str(threads), env=env)
    assert result.status == 0, str(result)
    ids = [json.loads(line)["id"] for line in player.read("ids.jsonl").splitlines()]
    assert ids == order, "not in the order of the input"
    rows = read_npy(player.read("out.npy"))
    assert len(rows) == len(values), (len(rows), len(values))
    return dict(zip(ids, rows))


def worst_of(got, want):
    numbers = array.array("f", got)
    assert len(numbers) == len(want), (len(numbers), len(want))
    worst = max(abs(have - need) for have, need in zip(numbers, want))
    return worst if worst == worst else float("inf")


def pool(pooling, shape, numbers):
    count, size = shape
    columns = [numbers[i::size] for i in range(size)]
    if pooling == "cls":
        return numbers[:size]
    return [max(column) if pooling == "max" else sum(column) / count for column in columns]


def compare(player, model, rows, tensors, env=None):
    """Three poolings together see every row of the model's last hidden state."""
    worst = 0.0
    for pooling in ("mean", "cls", "max"):
        use = [i for i, row in enumerate(rows) if "token_type_ids" not in row
               and ("%d.hidden" % i in tensors or pooling == "mean")]
        stages = "  - {embed: \"%s\", pooling: %s, normalize: \"false\"}" % (model, pooling)
        vectors = embed(player, stages, "tokens", [rows[i]["input_ids"] for i in use], env=env)
        for place, i in enumerate(use):
            if "%d.hidden" % i in tensors:
                want = pool(pooling, *tensors["%d.hidden" % i])
            else:
                want = tensors["%d.mean" % i][1]
            here = worst_of(vectors[place], want)
            assert here <= BOUND, "%s of text %d (%d tokens): %g" % (pooling, i, len(rows[i]["input_ids"]), here)
            worst = max(worst, here)
    return worst


# ---- cases ----

def encoder(player, name):
    rows, tensors = read_reference(name)
    for level in (None, "avx2", "generic"):
        if level and is_sanitized(player):
            continue
        worst = compare(player, os.path.join(MODELS, name), rows, tensors, {"FTPIPE_ISA": level} if level else None)
        print("%s, %s: max |difference| %.2e" % (name, level or "best", worst))


def other_config(player, name):
    """The same weights under the keys that transformers 5 writes."""
    folder = os.path.join(player.folder, "model")
    shutil.copytree(os.path.join(MODELS, name), folder)
    os.replace(os.path.join(folder, "config.transformers.json"), os.path.join(folder, "config.json"))
    compare(player, folder, *read_reference(name))


def gguf(player, name):
    folder, file = name.split("/")
    worst = compare(player, os.path.join(MODELS, name + ".gguf"), *read_reference(folder, file))
    print("%s: max |difference| %.2e" % (name, worst))


def gguf_pooling(player, name, pooling):
    """The file says how its vectors are pooled."""
    model = os.path.join(MODELS, name + ".gguf")
    values = [row["input_ids"] for row in read_reference(*name.split("/"))[0]]
    said = embed(player, "  - embed: \"%s\"" % model, "tokens", values)
    assert said == embed(player, "  - {embed: \"%s\", pooling: %s}" % (model, pooling), "tokens", values)
    assert said != embed(player, "  - {embed: \"%s\", pooling: max}" % model, "tokens", values)


def same_bits(player, name):
    rows, _ = read_reference(name)
    values = [row["input_ids"] for row in rows] * 3
    stages = "  - {embed: \"%s\", pooling: mean}" % os.path.join(MODELS, name)
    want = embed(player, stages, "tokens", values, threads=1)
    assert all(want[i] == want[i % len(rows)] for i in want), "the same text has other bits further on"
    for batch, threads in ((1, 2), (5, 1), (7, 2)):
        order = list(range(len(values)))
        random.Random(batch).shuffle(order)
        got = embed(player, stages, "tokens", values, batch, threads, order)
        assert got == want, "batches of %d on %d threads give other bits" % (batch, threads)


def chain(player, name):
    rows, tensors = read_reference(name)
    folder, (shape, numbers), worst = os.path.join(MODELS, name), tensors["vectors"], 0.0
    use = [i for i, row in enumerate(rows) if "prompt" not in row]
    stages = "  - tokenize: \"%s\"\n  - embed: \"%s\"" % (folder, folder)
    vectors = embed(player, stages, "text", [rows[i]["text"] for i in use])
    for place, i in enumerate(use):
        here = worst_of(vectors[place], numbers[i * shape[1]:(i + 1) * shape[1]])
        assert here <= BOUND, "%s: %g" % (rows[i]["text"], here)
        worst = max(worst, here)
    print("%s: max |difference| %.2e" % (name, worst))


def main():
    player = Player()
    for name in ENCODERS:
        player.case("encoder " + name, encoder, name)
        player.case("same bits " + name, same_bits, name)
    for name in ENCODERS:
        if os.path.exists(os.path.join(MODELS, name, "config.transformers.json")):
            player.case("other config " + name, other_config, name)
    for name in GGUF:
        player.case("gguf " + name, gguf, name)
    for name, pooling in POOLED.items():
        player.case("pooling of " + name, gguf_pooling, name, pooling)
    for name in CHAINS:
        player.case("chain " + name, chain, name)
    return player.end()


if __name__ == "__main__":
    sys.exit(main())
