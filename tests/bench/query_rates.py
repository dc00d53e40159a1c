#!/usr/bin/env python3
"""One query at a time beside ONNX Runtime, interleaved: text in, normalised vector out, median over the texts.

    VENV/bin/python tests/bench/query_rates.py PROGRAM MODEL PEERS [--reps 5]      onnxruntime, tokenizers, numpy

MODEL is all-MiniLM-L6-v2's folder, PEERS the folder of the peers' setup (models/minilm.onnx and, with fused layers,
models/minilm-opt.onnx). 200 texts of 14 to 16 tokens, made of the vocabulary's whole words, go one after the other: to ONNX Runtime
within Python (tokens, model, mean, norm), with one thread and with all, of which the best counts; to ftpipe as a line of JSON into the pipe of
`ftpipe run`, whose line with the vector is waited for on another. So the pipes and the JSON of 384 numbers count on our side. A
round asks all sides; ratios are of the same round.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import tempfile
import time

import numpy
import onnxruntime
import tokenizers

COUNT, WARM = 200, 20
CPUS = len(os.sched_getaffinity(0))
PIPELINE = """
run: {threads: %d}
stages:
  - read: "-"
    format: jsonl
    fields: {text: string}
  - tokenize: %s
  - embed: %s
  - write: "-"
    format: jsonl
    fields: [embedding]
"""


def make_texts(tokenizer):
    draw = random.Random(11)
    words = sorted(word for word in tokenizer.get_vocab() if word.isascii() and word.isalpha())
    texts = [" ".join(draw.choices(words, k=draw.randint(12, 14))) for _ in range(COUNT + WARM)]
    assert all(14 <= len(tokenizer.encode(text).ids) <= 16 for text in texts)
    return texts


def times_of(ask, texts):
    """The median over the texts but the first WARM, in milliseconds, and the last vector."""
    times, vector = [], None
    for text in texts:
        start = time.perf_counter()
        vector = ask(text)
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times[WARM:]), vector


def onnx(path, threads, tokenizer):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    wanted = {one.name: numpy.int32 if "int32" in one.type else numpy.int64 for one in session.get_inputs()}

    def ask(text):
        coded = tokenizer.encode(text)
        rows = {"input_ids": coded.ids, "attention_mask": coded.attention_mask, "token_type_ids": coded.type_ids}
        hidden, = session.run(["last_hidden_state"], {name: numpy.array([rows[name]], kind) for name, kind in wanted.items()})
        vector = hidden[0].mean(0)  # No padding: all rows count.
        return vector / numpy.linalg.norm(vector)
    return ask


class Pipe:
    def __init__(self, program, model, threads, folder):
        path = os.path.join(folder, "query%d.yaml" % threads)
        with open(path, "w", encoding="utf-8") as file:
            file.write(PIPELINE % (threads, model, model))
        self.process = subprocess.Popen([program, "run", "-q", path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, text):
        self.process.stdin.write(json.dumps({"text": text}).encode() + b"\n")
        self.process.stdin.flush()
        return self.process.stdout.readline()

    def close(self):
        self.process.stdin.close()
        assert self.process.wait() == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=os.path.abspath)
    parser.add_argument("model", type=os.path.abspath)
    parser.add_argument("peers", type=os.path.abspath)
    parser.add_argument("--reps", type=int, default=5)
    options = parser.parse_args()
    tokenizer = tokenizers.Tokenizer.from_file(os.path.join(options.model, "tokenizer.json"))
    tokenizer.no_padding()
    texts = make_texts(tokenizer)
    with tempfile.TemporaryDirectory() as folder:
        pipe = Pipe(options.program, options.model, CPUS, folder)
        sides = {"ftpipe": pipe.ask}
        for name in ("minilm", "minilm-opt"):
            for threads in sorted({1, CPUS}):
                path = os.path.join(options.peers, "models", name + ".onnx")
                sides["onnxruntime %s, %s, %d threads" % (onnxruntime.__version__, name, threads)] = onnx(path, threads, tokenizer)
        rounds = {name: [] for name in sides}
        vectors = {}
        for _ in range(options.reps):
            for name, ask in sides.items():
                middle, vectors[name] = times_of(ask, texts)
                rounds[name].append(middle)
        pipe.close()
    ours = numpy.array(json.loads(vectors.pop("ftpipe"))["embedding"])
    for name, vector in vectors.items():
        assert ours @ vector > 0.9999, name  # The same work was done.
    peers = {name: statistics.median(times) for name, times in rounds.items() if name != "ftpipe"}
    best = min(peers, key=peers.get)
    ratios = [a / b for a, b in zip(rounds["ftpipe"], rounds[best])]
    for name, times in rounds.items():
        print("%-48s p50 %.3f ms (%.3f-%.3f)" % (name, statistics.median(times), min(times), max(times)))
    print("ftpipe / %s: %.3f (%.3f-%.3f), goal <= 0.6" % (best, statistics.median(ratios), min(ratios), max(ratios)))


if __name__ == "__main__":
    main()
