#!/usr/bin/env python3
"""Runs every file of pipelines/ as its comment says, from a copy of the folder; ends with "N passed, N failed"."""

import json
import math
import os
import random
import shutil
import struct
import sys

from program import ROOT, Player, is_sanitized, need_data, need_minilm, need_numpy


def bring(player):
    for name in ("pipelines", "docs"):
        shutil.copytree(os.path.join(ROOT, name), os.path.join(player.folder, name))


def expect(result, status=0):
    assert result.status == status, str(result)
    return result


def hello(player):
    bring(player)
    out = expect(player.run("run", "pipelines/hello.yaml")).out.decode().splitlines()
    want = [["hello", "pipeline"],
            ["the", "global", "interpreter", "lock", "is", "finally", "optional", "in", "cpython"]]
    assert [json.loads(line) for line in out] == want, out


def essay_tokenize(player):
    bring(player)
    out = expect(player.run("run", "pipelines/essay-tokenize.yaml")).out
    assert out == b"900000\n", out


def lost_update(player):
    """`get` and then `set` may lose; what is one step never does. One thread alone loses nothing."""
    bring(player)
    for threads in ("1", "2", "4"):
        item = json.loads(expect(player.run("run", "pipelines/lost-update.yaml", "--threads", threads)).out)
        assert item["incr"] == item["counter"] == item["items"] == 200000, item
        assert item["get_then_set"] <= 200000 and (threads != "1" or item["get_then_set"] == 200000), item


def essay_infer(player):
    bring(player)
    expect(player.run("new", "weights", "out/linear.safetensors", "--layers", "512,10", "--seed", "7"))
    outs = set()
    for threads in ("1", "4"):
        out = expect(player.run("run", "pipelines/essay-infer.yaml", "-p", "items=2000", "--threads", threads)).out
        item = json.loads(out)
        assert item["items"] == 2000, out
        assert len(item["first"]) == 1 and len(item["first"][0]) == 10, out
        outs.add(out)
    assert len(outs) == 1, "other numbers with other threads: %s" % outs


def essay_infer_is_right(player):
    """The layer's output against Python's own arithmetic, in double precision."""
    bring(player)
    expect(player.run("new", "weights", "w.safetensors", "--layers", "512,10", "--seed", "7"))
    player.write("p.yaml", """
stages:
  - generate: 20
    fields: {input: "normal(1, 512)"}
  - infer: w.safetensors
  - write: out.jsonl
    fields: [input, output]
""")
    expect(player.run("run", "p.yaml"))
    raw = player.read("w.safetensors")
    size = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:8 + size])
    import array

    def tensor(name):
        start, end = header[name]["data_offsets"]
        values = array.array("f")
        values.frombytes(raw[8 + size + start:8 + size + end])
        return values
    assert header["0.weight"]["shape"] == [10, 512] and header["0.bias"]["shape"] == [10], header
    weight, bias = tensor("0.weight"), tensor("0.bias")
    for line in player.read("out.jsonl").splitlines():
        item = json.loads(line)
        x, y = item["input"][0], item["output"][0]
        for j in range(10):
            want = bias[j] + sum(weight[j * 512 + i] * x[i] for i in range(512))
            assert abs(want - y[j]) <= 1e-4 * max(1, abs(want)), (want, y[j])


def embed(player):
    bring(player)
    need_minilm(player)
    numpy = need_numpy()
    if is_sanitized(player):  # Under which a batch of long paragraphs takes as long as a stage that has run away.
        for name in ("errors.md", "performance.md", "stages.md"):
            os.unlink(os.path.join(player.folder, "docs", name))
    first = None
    for _ in range(2):  # Runs a second time without complaint.
        expect(player.run("run", "pipelines/embed.yaml", timeout=600))
        vectors = numpy.load(os.path.join(player.folder, "out/vectors.npy"))
        items = [json.loads(line) for line in player.read("out/paragraphs.jsonl").splitlines()]
        assert vectors.dtype == numpy.float32 and vectors.shape == (len(items), 384), vectors.shape
        assert len(items) > 5 and all(item["text"].strip() for item in items)
        assert numpy.allclose(numpy.linalg.norm(vectors, axis=1), 1, atol=1e-5)
        assert first is None or first == player.read("out/vectors.npy")
        first = player.read("out/vectors.npy")


def embed_other_text(player):
    bring(player)
    need_minilm(player)
    numpy = need_numpy()
    player.write("my/one.md", "First paragraph,\nsame paragraph.\n\nSecond.\n")
    player.write("my/two.md", "\n\nThird.")
    expect(player.run("run", "pipelines/embed.yaml", "-p", "docs=my/*.md", timeout=600))
    texts = [json.loads(line)["text"] for line in player.read("out/paragraphs.jsonl").splitlines()]
    assert texts == ["First paragraph,\nsame paragraph.", "Second.", "Third."], texts
    assert numpy.load(os.path.join(player.folder, "out/vectors.npy")).shape == (3, 384)


def lua(player):
    bring(player)
    out = expect(player.run("run", "pipelines/lua.yaml")).out.decode()
    assert out == "Hello, pipeline.\nThe Global Interpret\n", out


def infer(player, name, *more):
    """Runs a pipeline of `infer` with the tiny model that it names; returns what it wrote."""
    bring(player)
    os.symlink(os.path.join(ROOT, "tests"), os.path.join(player.folder, "tests"))
    expect(player.run("run", "pipelines/%s.yaml" % name, *more))
    return {file[:-6]: [json.loads(line) for line in player.read("out/" + file).splitlines()]
            for file in sorted(os.listdir(os.path.join(player.folder, "out")))}


def reference_lines(name):
    with open(os.path.join(ROOT, "tests", "models", name, "reference.jsonl"), encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def reference_numbers(name):
    """All of F32: tensor -> numbers."""
    with open(os.path.join(ROOT, "tests", "models", name, "reference.safetensors"), "rb") as file:
        data = file.read()
    size = int.from_bytes(data[:8], "little")
    return {tensor: struct.unpack_from("<%df" % ((about["data_offsets"][1] - about["data_offsets"][0]) // 4), data,
                                       8 + size + about["data_offsets"][0])
            for tensor, about in json.loads(data[8:8 + size]).items() if tensor != "__metadata__"}


def rerank(player):
    """The two of the pairs that transformers scored too."""
    numbers = reference_numbers("bert-rerank")
    want = {(row["text"], row["pair"]): 1 / (1 + math.exp(-numbers["%d.logits" % at][0]))
            for at, row in enumerate(reference_lines("bert-rerank"))}
    scores = infer(player, "rerank")["scores"]
    assert len(scores) == 5, scores
    found = [(item["score"], want[item["query"], item["passage"]]) for item in scores
             if (item["query"], item["passage"]) in want]
    assert len(found) == 2 and all(abs(a - b) <= 1e-4 for a, b in found), found
    least = sorted(item["score"] for item in scores)[2]
    expect(player.run("run", "pipelines/rerank.yaml", "-p", "least=%r" % least))
    kept = [json.loads(line) for line in player.read("out/scores.jsonl").splitlines()]
    assert kept == [item for item in scores if item["score"] >= least], kept


def classify(player):
    """Every text is in one of the two files."""
    out = infer(player, "classify", "-p", "sure=0.45")
    texts = player.read("pipelines/hello.txt").decode().splitlines()
    assert sorted(item["text"] for items in out.values() for item in items) == sorted(texts), out
    assert out["sure"] and out["unsure"], out
    for item in out["sure"]:
        assert item["score"] >= 0.45 and item["label"] in ("negative", "neutral", "positive"), item
    for item in out["unsure"]:
        assert max(item["output"]) < 0.45 and abs(sum(item["output"]) - 1) < 1e-5, item


def entities(player):
    """What transformers' pipeline finds in the same texts; theirs count code points."""
    rows = [row for row in reference_lines("bert-tag") if row["text"].isascii()]
    player.write("texts.txt", "".join(row["text"] + "\n" for row in rows))
    for item, row in zip(infer(player, "entities", "-p", "texts=texts.txt")["entities"], rows):
        assert item["text"] == row["text"], (item, row)
        assert item["entities"] == [one["entity_group"] for one in row["first"]], (item, row)
        assert item["starts"] == [one["start"] for one in row["first"]], (item, row)
        assert item["ends"] == [one["end"] for one in row["first"]], (item, row)


def sparse(player):
    for item in infer(player, "sparse")["sparse"]:
        assert 0 < len(item["indices"]) == len(item["values"]) <= 64, item
        assert item["indices"] == sorted(set(item["indices"])) and item["indices"][-1] < 300, item
        assert min(item["values"]) > 0, item


def generate(player):
    """A model has no default: it must be named. The story is the one that llama2.c prints for stories260K."""
    bring(player)
    missing = expect(player.run("check", "pipelines/generate.yaml"), 3)
    assert b"model" in missing.err, missing.err
    model = need_data("models", "stories260K")
    player.write("prompts.txt", "Once upon a time, there was a little girl named Lily. She\n")
    expect(player.run("run", "pipelines/generate.yaml", "-p", "model=" + model, "-p", "prompts=prompts.txt", "-p", "tokens=20"))
    item = json.loads(player.read("out/generated.jsonl"))
    assert item["output"].startswith(" loved to play outside in the park."), item
    assert item["finish"] == "length", item


def one_by_one(player):
    """Every pipeline of the folder has a case here."""
    names = {name for name in os.listdir(os.path.join(ROOT, "pipelines")) if name.endswith(".yaml")}
    assert names == {"hello.yaml", "embed.yaml", "essay-tokenize.yaml", "essay-infer.yaml", "lua.yaml",
                     "lost-update.yaml", "classify.yaml", "rerank.yaml", "entities.yaml", "sparse.yaml",
                     "generate.yaml"}, names


def order_under_load(player):
    """Input order through parallel stages of uneven cost, a fan-out and a merge, at several thread counts."""
    random.seed(5)
    lines = [json.dumps({"id": i, "text": "w " * random.randrange(60)}) for i in range(5000)]
    player.write("in.jsonl", "\n".join(lines) + "\n")
    player.write("p.yaml", """
stages:
  - name: docs
    read: in.jsonl
    batch: 17
  - name: slow
    lua: |
      local n = 0
      for i = 1, (item.id % 7) * 50 do n = n + i end
      item.n = n
    adds: {n: int}
  - name: fast
    input: docs
    map: {n: "0"}
  - name: both
    input: [slow, fast]
    filter: id % 3 ~= 0
  - write: out.jsonl
    fields: [id, n]
    mode: replace
""")
    outs = set()
    for threads in ("1", "2", "5"):
        expect(player.run("run", "p.yaml", "--threads", threads))
        outs.add(player.read("out.jsonl"))
    assert len(outs) == 1, "the bytes depend on the number of threads"
    ids = [json.loads(line)["id"] for line in outs.pop().splitlines()]
    assert sorted(ids) == sorted(2 * [i for i in range(5000) if i % 3])


def main():
    player = Player()
    for function in (hello, essay_tokenize, lost_update, essay_infer, essay_infer_is_right, embed, embed_other_text, lua,
                     rerank, classify, entities, sparse, generate,
                     one_by_one, order_under_load):
        player.case(function.__name__, function)
    return player.end()


if __name__ == "__main__":
    sys.exit(main())
