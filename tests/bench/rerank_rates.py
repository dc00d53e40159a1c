#!/usr/bin/env python3
"""rerank and classify beside ONNX Runtime, interleaved: 50 pairs, or texts, of unequal length, on all CPUs.

    VENV/bin/python tests/bench/rerank_rates.py PROGRAM rerank|classify [--reps 5]     torch, transformers, onnx, onnxruntime

The model has the size of a MiniLM-L6 cross-encoder (BERT: 6 layers, 384 numbers, a pooler) and random weights; ONNX Runtime has it by
torch's exporter. It runs at each batch size, padded to the longest of the batch, in order of arrival and sorted by length, in one
session with all threads and in sessions of one thread each that take the next batch; the fastest of these on two tries is measured.
Tokens are there for both sides. ftpipe's time is `steady` (that of 13 times 50 less that of one, a twelfth: JSONL in and out counts,
its start does not) and, for 650, that of a whole run. A round asks both sides; times and ratios are medians.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import warnings

import numpy
import onnxruntime
import torch
import transformers as hf

COUNT, MANY, WORDS, LABELS = 50, 13, 30522, 5
CPUS = len(os.sched_getaffinity(0))
NAMES = ["input_ids", "attention_mask", "token_type_ids"]
PIPELINE = """
stages:
  - read: %d.jsonl
    fields: {tokens: "i32[*]", type_ids: "i32[*]"}
  - infer: model
    task: %s
    function_to_apply: none
  - write: out.jsonl
    fields: [%s]
    mode: replace
"""


def make_items(task):
    """(ids, types): questions of 6 to 16 tokens, and passages as long as paragraphs are: many short ones, few long ones."""
    draw = random.Random(7)
    items = []
    for _ in range(COUNT):
        question, passage = draw.randint(6, 16), min(240, max(12, int(draw.lognormvariate(4.2, 0.7))))
        parts = [[draw.randrange(1000, WORDS) for _ in range(size)] + [102] for size in (question, passage)]
        if task == "classify":
            items.append(([101] + parts[1], [0] * (passage + 2)))
        else:
            items.append(([101] + parts[0] + parts[1], [0] * (question + 2) + [1] * (passage + 1)))
    return items


def make_model(folder, task):
    torch.manual_seed(1)
    config = hf.BertConfig(vocab_size=WORDS, hidden_size=384, num_hidden_layers=6, num_attention_heads=12,
                           intermediate_size=1536, num_labels=1 if task == "rerank" else LABELS)
    path = os.path.join(folder, "model")
    hf.BertForSequenceClassification(config).eval().save_pretrained(path)
    model = hf.BertForSequenceClassification.from_pretrained(path, attn_implementation="eager").eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(model, tuple(torch.ones(2, 16, dtype=torch.long) for _ in NAMES), path + ".onnx",
                          input_names=NAMES, output_names=["logits"], dynamo=False, opset_version=17,
                          dynamic_axes={name: {0: "batch", 1: "length"} for name in NAMES})


def session(folder, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(os.path.join(folder, "model.onnx"), options, ["CPUExecutionProvider"])


def batches(items, size, is_sorted):
    order = list(range(len(items)))
    if is_sorted:
        order.sort(key=lambda i: -len(items[i][0]))
    for first in range(0, len(order), size):
        some = order[first:first + size]
        feed = {name: numpy.zeros((len(some), max(len(items[i][0]) for i in some)), numpy.int64) for name in NAMES}
        for row, i in enumerate(some):
            for name, values in zip(NAMES, (items[i][0], [1] * len(items[i][0]), items[i][1])):
                feed[name][row, :len(values)] = values
        yield some, feed


class Peer:
    def __init__(self, folder, items):
        self.groups = {1: [session(folder, CPUS)], CPUS: [session(folder, 1) for _ in range(CPUS)]}
        self.work = {(size, is_sorted): list(batches(items, size, is_sorted))
                     for size in (1, 4, 8, 16, COUNT) for is_sorted in (False, True)}
        self.out = [None] * len(items)
        self.best = min((min(self.seconds(setting) for _ in range(2)), setting)
                        for setting in ((sessions, work) for sessions in self.groups for work in self.work))[1]

    def seconds(self, setting):
        sessions, work = setting
        todo, lock = iter(self.work[work]), threading.Lock()

        def take(own):
            while True:
                with lock:
                    some, feed = next(todo, (None, None))
                if some is None:
                    return
                for i, row in zip(some, own.run(None, feed)[0]):
                    self.out[i] = row.tolist()

        begin = time.perf_counter()
        threads = [threading.Thread(target=take, args=(own,)) for own in self.groups[sessions]]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return time.perf_counter() - begin

    def __str__(self):
        sessions, (size, is_sorted) = self.best
        return "ONNX Runtime %s, %d session(s), batch %d, %s" % (
            onnxruntime.__version__, sessions, size, "sorted" if is_sorted else "in order of arrival")


class Ours:
    def __init__(self, program, folder, items, task):
        self.program, self.folder, self.field = program, folder, "score" if task == "rerank" else "output"
        lines = "".join(json.dumps({"tokens": ids, "type_ids": types}) + "\n" for ids, types in items)
        for times in (1, MANY):
            with open(os.path.join(folder, "%d.jsonl" % times), "w", encoding="utf-8") as file:
                file.write(lines * times)
            with open(os.path.join(folder, "%d.yaml" % times), "w", encoding="utf-8") as file:
                file.write(PIPELINE % (times, task, self.field))

    def seconds(self, times):
        begin = time.perf_counter()
        subprocess.run([self.program, "run", "-q", "%d.yaml" % times], cwd=self.folder, check=True)
        return time.perf_counter() - begin

    def logits(self):
        with open(os.path.join(self.folder, "out.jsonl"), encoding="utf-8") as lines:
            values = [json.loads(line)[self.field] for line in lines]
        return [value if isinstance(value, list) else [value] for value in values]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("task", choices=("rerank", "classify"))
    parser.add_argument("--reps", type=int, default=5)
    options = parser.parse_args()
    items, theirs, steady, whole = make_items(options.task), [], [], []
    with tempfile.TemporaryDirectory() as folder:
        make_model(folder, options.task)
        peer, ours = Peer(folder, items), Ours(os.path.abspath(options.program), folder, items, options.task)
        for _ in range(options.reps):
            theirs.append(peer.seconds(peer.best))
            whole.append(ours.seconds(MANY))
            steady.append((whole[-1] - ours.seconds(1)) / (MANY - 1))
        worst = max(abs(a - b) for row, want in zip(ours.logits(), peer.out) for a, b in zip(row, want))
    lengths = [len(ids) for ids, _ in items]
    print("%s, %d items of %d to %d tokens, %d together: %s %.1f ms; largest difference of logits %.1e" % (
        options.task, COUNT, min(lengths), max(lengths), sum(lengths), peer, statistics.median(theirs) * 1e3, worst))
    for name, times in (("steady", steady), ("run", [seconds / MANY for seconds in whole])):
        ratios = [a / b for a, b in zip(theirs, times)]
        print("  ftpipe, %-6s %.1f ms, ratio %.2f (%.2f-%.2f)" % (
            name, statistics.median(times) * 1e3, statistics.median(ratios), min(ratios), max(ratios)))
    return 0 if worst < 1e-4 else 1


if __name__ == "__main__":
    sys.exit(main())
