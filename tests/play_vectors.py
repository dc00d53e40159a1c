#!/usr/bin/env python3
"""all-MiniLM-L6-v2 through the whole program against the reference vectors; ends with "N passed, N failed".

Parity: at most 1e-5 from sentence-transformers. Bits: the same for any number of threads, any batch size, any order of
the input.
"""

import json
import os
import random
import sys

from program import Player, need_data, need_minilm, need_numpy

PIPELINE = """
stages:
  - read: in.jsonl
    batch: %d
    fields: {id: int, text: string}
  - tokenize: %s
  - embed: %s
  - name: vectors
    write: out.npy
    fields: [embedding]
    mode: replace
  - name: ids
    write: ids.jsonl
    fields: [id]
    mode: replace
"""


def embed(player, texts, model, threads=2, batch=64, env=None):
    numpy = need_numpy()
    player.write("in.jsonl", "".join(json.dumps({"id": i, "text": t}) + "\n" for i, t in texts))
    player.write("p.yaml", PIPELINE % (batch, model, model))
    result = player.run("run", "p.yaml", "--threads", str(threads), timeout=600, env=env)
    assert result.status == 0, str(result)
    ids = [json.loads(line)["id"] for line in player.read("ids.jsonl").splitlines()]
    vectors = numpy.load(os.path.join(player.folder, "out.npy"))
    return {i: vectors[row].tobytes() for row, i in enumerate(ids)}, vectors, ids


def texts_of_reference():
    with open(need_data("vectors", "embeddings", "minilm_A.texts.jsonl"), encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return [(number, row["text"] if isinstance(row, dict) else row) for number, row in enumerate(rows)]


def parity(player):
    numpy = need_numpy()
    texts, model = texts_of_reference(), need_minilm(player)
    want = numpy.load(need_data("vectors", "embeddings", "minilm_A.npy"))
    _, got, ids = embed(player, texts, model)
    assert ids == list(range(len(texts))), "not in input order"
    assert got.shape == want.shape and got.dtype == numpy.float32
    worst = float(numpy.abs(got - want).max())
    print("max |difference| %.2e over %d texts" % (worst, len(texts)))
    assert worst <= 1e-5, worst


def parity_of_other_levels(player):
    """The other instruction sets that this CPU has are as near."""
    numpy = need_numpy()
    texts, model = texts_of_reference(), need_minilm(player)
    want = numpy.load(need_data("vectors", "embeddings", "minilm_A.npy"))
    for level in ("avx2", "generic"):
        _, got, _ = embed(player, texts[:60], model, env={"FTPIPE_ISA": level})
        worst = float(numpy.abs(got - want[:60]).max())
        print("%s: max |difference| %.2e" % (level, worst))
        assert worst <= 1e-5, (level, worst)


def same_bits(player):
    texts, model = texts_of_reference(), need_minilm(player)
    assert any(not text for _, text in texts), "the empty text is among them"
    want, _, _ = embed(player, texts, model, threads=1, batch=64)
    for threads in (2, 8):
        got, _, _ = embed(player, texts, model, threads=threads)
        assert got == want, "%d threads give other bits" % threads
    for batch in (1, 7):
        got, _, _ = embed(player, texts, model, batch=batch)
        assert got == want, "batches of %d give other bits" % batch
    shuffled = list(texts)
    random.Random(3).shuffle(shuffled)
    got, _, _ = embed(player, shuffled, model, batch=13)
    assert got == want, "another order of the input gives other bits"


def main():
    player = Player()
    for function in (parity, parity_of_other_levels, same_bits):
        player.case(function.__name__, function)
    return player.end()


if __name__ == "__main__":
    sys.exit(main())
