#!/usr/bin/env python3
"""Every allocation fails, alone or with all behind it: pipelines on a tiny model, with FT_FAIL_ALLOC=n[,sticky]. Ends with "N passed, N failed".

    play_failures.py PROGRAM            1,000 seeded points
    play_failures.py PROGRAM --all      every point of every pipeline

No point may crash, leak (AddressSanitizer looks) or succeed with other output than the undisturbed run.
"""

import concurrent.futures
import json
import os
import random
import re
import struct
import subprocess
import sys
import tempfile

from program import SANITIZER

VOCAB = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "c", "the", "cat", "##s", "sat", "."]
WIDTH, HEADS, LAYERS, INNER, POSITIONS = 32, 2, 2, 64, 64


def safetensors(tensors):
    header, data = {}, b""
    for name, (shape, values) in tensors.items():
        raw = struct.pack("<%df" % len(values), *values)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def tiny_model(folder):
    rng = random.Random(1)

    def values(count):
        return [rng.uniform(-0.2, 0.2) for _ in range(count)]
    tensors = {}

    def add(name, *shape):
        count = 1
        for size in shape:
            count *= size
        tensors[name] = (list(shape), values(count))

    def norm(name):
        tensors[name + ".weight"] = ([WIDTH], [1.0] * WIDTH)
        tensors[name + ".bias"] = ([WIDTH], [0.0] * WIDTH)

    def linear(name, out, into):
        add(name + ".weight", out, into)
        add(name + ".bias", out)
    add("embeddings.word_embeddings.weight", len(VOCAB), WIDTH)
    add("embeddings.position_embeddings.weight", POSITIONS, WIDTH)
    add("embeddings.token_type_embeddings.weight", 2, WIDTH)
    norm("embeddings.LayerNorm")
    for layer in range(LAYERS):
        at = "encoder.layer.%d." % layer
        for part in ("query", "key", "value"):
            linear(at + "attention.self." + part, WIDTH, WIDTH)
        linear(at + "attention.output.dense", WIDTH, WIDTH)
        norm(at + "attention.output.LayerNorm")
        linear(at + "intermediate.dense", INNER, WIDTH)
        linear(at + "output.dense", WIDTH, INNER)
        norm(at + "output.LayerNorm")
    files = {
        "model.safetensors": safetensors(tensors),
        "vocab.txt": ("\n".join(VOCAB) + "\n").encode(),
        "config.json": json.dumps({
            "architectures": ["BertModel"], "model_type": "bert", "hidden_act": "gelu", "hidden_size": WIDTH,
            "num_attention_heads": HEADS, "num_hidden_layers": LAYERS, "intermediate_size": INNER,
            "max_position_embeddings": POSITIONS, "type_vocab_size": 2, "vocab_size": len(VOCAB),
            "layer_norm_eps": 1e-12, "pad_token_id": 0}).encode(),
    }
    os.makedirs(folder)
    for name, content in files.items():
        with open(os.path.join(folder, name), "wb") as file:
            file.write(content)


PIPELINES = {
    "embed": """
stages:
  - read: in.jsonl
    batch: 3
  - tokenize: tiny
  - embed: tiny
    pooling: mean
  - write: out.npy
    fields: [embedding]
    mode: replace
  - write: out.jsonl
    mode: replace
""",
    "items": """
params: {least: 1}
stages:
  - name: docs
    read: in.jsonl
    fields: {id: int, text: string}
  - lua: |
      item.n = #item.text
    adds: {n: int}
  - map: {m: n * 2, t: upper(text)}
  - name: some
    filter: id >= ${params.least} and len(t) > 1
  - name: all
    input: [docs, some]
    limit: 9
  - write: out.csv
    fields: [id, text]
    mode: replace
  - gather:
    input: some
    fields: {total: sum(m)}
  - print: total
  - name: bad
    input: errors
    write: bad.jsonl
    mode: replace
""",
}
OUTPUTS = ("out.npy", "out.jsonl", "out.csv", "bad.jsonl")


def prepare(folder):
    tiny_model(os.path.join(folder, "tiny"))
    with open(os.path.join(folder, "in.jsonl"), "w", encoding="utf-8") as file:
        for i, text in enumerate(["the cat sat.", "a b c", "cats", "", "unknown words", "the the the"] * 2):
            file.write(json.dumps({"id": i, "text": text, "more": [1, 2]}) + "\n")
    for name, yaml in PIPELINES.items():
        with open(os.path.join(folder, name + ".yaml"), "w", encoding="utf-8") as file:
            file.write(yaml)


def play(program, folder, name, point):
    """One run with the allocation `point` failing (0: none): (status, output, standard error)."""
    work = tempfile.mkdtemp(dir=folder)
    for link in ("tiny", "in.jsonl"):
        os.symlink(os.path.join(folder, link), os.path.join(work, link))
    env = dict(os.environ, FT_FAIL_ALLOC=point, NO_COLOR="1")
    done = subprocess.run([program, "run", os.path.join(folder, name + ".yaml"), "--threads", "1"], cwd=work, env=env,
                          capture_output=True, timeout=120, check=False)
    outputs = [done.stdout]
    for output in OUTPUTS:
        path = os.path.join(work, output)
        outputs.append(open(path, "rb").read() if os.path.exists(path) else None)
    subprocess.run(["rm", "-rf", work], check=True)
    return done.returncode, outputs, done.stderr.decode(errors="replace")


def judge(name, point, result, whole):
    """What is wrong with this run, or None."""
    status, outputs, err = result
    if status < 0 or status == SANITIZER:
        return "%s, allocation %s: status %d\n%s" % (name, point, status, err[-1500:])
    if status == 0 and outputs != whole:
        return "%s, allocation %s: succeeded with other output" % (name, point)
    if status not in (0, 1, 3):
        return "%s, allocation %s: status %d\n%s" % (name, point, status, err[-1500:])
    if status != 0 and "memory" not in err:
        return "%s, allocation %s: does not say that memory ran out\n%s" % (name, point, err[-1500:])
    return None


def count_points(program, folder, name):
    """How many allocations the undisturbed run makes, by bisection: past the last one the run succeeds."""
    env = dict(os.environ, FT_FAIL_ALLOC="0")
    done = subprocess.run([program, "run", os.path.join(folder, name + ".yaml"), "--threads", "1", "--json"], cwd=folder,
                          env=env, capture_output=True, text=True, timeout=120, check=False)
    found = re.findall(r'"allocations":\s*(\d+)', done.stderr + done.stdout)
    assert found, "no count of allocations in the end event:\n" + done.stderr[-1000:]
    return int(found[-1])


def main():
    program = os.path.abspath(sys.argv[1])
    passed, failures = 0, []
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(2) as pool:
        prepare(folder)
        wholes, points = {}, []
        for name in PIPELINES:
            wholes[name] = play(program, folder, name, "0")
            if wholes[name][0] != 0:
                failures.append("%s does not run undisturbed:\n%s" % (name, wholes[name][2]))
                continue
            for point in range(1, count_points(program, folder, name) + 1):
                points += [(name, str(point)), (name, "%d,sticky" % point)]
        if "--all" not in sys.argv:
            points = sorted(random.Random(11).sample(points, min(1000, len(points))))
        results = pool.map(lambda at: play(program, folder, *at), points)
        for (name, point), result in zip(points, results):
            fault = judge(name, point, result, wholes[name][1])
            passed += fault is None
            failures += [fault] if fault else []
    print("\n".join(failures[:10]))
    print("%d passed, %d failed" % (passed, len(failures)))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
