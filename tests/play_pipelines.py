#!/usr/bin/env python3
"""Runs every file of pipelines/ as its comment says, from a copy of the folder; ends with "N passed, N failed"."""

import json
import os
import random
import shutil
import sys

from program import ROOT, Player, is_sanitized, need_minilm, need_numpy


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


def one_by_one(player):
    """Every pipeline of the folder has a case here."""
    names = {name for name in os.listdir(os.path.join(ROOT, "pipelines")) if name.endswith(".yaml")}
    assert names == {"hello.yaml", "embed.yaml", "essay-tokenize.yaml", "essay-infer.yaml", "lua.yaml",
                     "lost-update.yaml"}, names


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
                     one_by_one, order_under_load):
        player.case(function.__name__, function)
    return player.end()


if __name__ == "__main__":
    sys.exit(main())
