#!/usr/bin/env python3
"""Static embeddings beside model2vec and wordllama, interleaved: text in, vectors out, on all CPUs.

    static_rates.py PEERS PROGRAM [--texts 20000] [--reps 5]

PEERS is the folder of common.py, which brings the texts (English paragraphs of 5 to 256 tokens) and the environment of the peers;
wordllama's table lies in the test data beside it. A table of random numbers, of the size of potion-base-8M, stands for model2vec's.

Each peer runs at the best of its batch sizes, with tokenizers' threads or not, in one process, in as many as there are CPUs, each with
a share of the texts, and, of model2vec, with its own `use_multiprocessing`. Texts are there as Python strings, starting and loading
do not count, and vectors stay in memory. ftpipe's `run` is a whole process from JSONL to .npy, with the texts twenty times over;
its `steady` rate is what is left without start and end: that of twenty times less that of four times. A round asks everybody once; rates and ratios are medians.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time

FEW, MANY = 4, 20
BATCHES = {"model2vec": (256, 1024, 4096), "wordllama": (16, 64, 256)}
PIPELINE = """
stages:
  - read: %s
  - tokenize: %s
  - embed: %s
  - write: out.npy
    fields: [embedding]
    mode: replace
"""


def make_potion(folder, tokenizer):
    """What model2vec and ftpipe load: potion-base-8M's shape, a BERT vocabulary."""
    import numpy
    from safetensors.numpy import save_file

    os.makedirs(folder)
    with open(tokenizer, encoding="utf-8") as file:
        about = json.load(file)
    about["truncation"] = about["padding"] = None
    rows = len(about["model"]["vocab"])
    table = numpy.random.default_rng(1).standard_normal((rows, 256)).astype(numpy.float32)
    save_file({"embeddings": table}, os.path.join(folder, "model.safetensors"))
    for name, value in (("tokenizer.json", about), ("config.json", {"model_type": "model2vec", "normalize": True})):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            json.dump(value, file)
    return folder


def load_model2vec(folder):
    from model2vec import StaticModel

    model = StaticModel.from_pretrained(folder)
    return lambda texts, batch, own: model.encode(texts, batch_size=batch, max_length=512, use_multiprocessing=own)


def load_wordllama(folder):
    """Without its padding, as its own folder of tokenizers has it."""
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer
    from wordllama import WordLlamaInference

    tokenizer = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
    table = load_file(os.path.join(folder, "model.safetensors"))["embedding.weight"]
    model = WordLlamaInference(table, tokenizer)
    return lambda texts, batch, own: model.embed(texts, batch_size=batch)


LOADERS = {"model2vec": load_model2vec, "wordllama": load_wordllama}


def serve(pipe, peer, folder, texts):
    encode = LOADERS[peer](folder)
    for threads, batch, own in iter(pipe.recv, None):
        os.environ["TOKENIZERS_PARALLELISM"] = "true" if threads else "false"
        pipe.send(len(encode(texts, batch, own)))


class Peer:
    """One process with all texts, and one for each CPU with a share of them."""

    def __init__(self, name, folder, texts):
        self.name, self.count, cpus = name, len(texts), len(os.sched_getaffinity(0))
        context = multiprocessing.get_context("spawn")
        self.groups = {}
        for instances in {1, cpus}:
            self.groups[instances] = []
            for i in range(instances):
                pipe, other = context.Pipe()
                # Not daemons: model2vec starts processes of its own.
                process = context.Process(target=serve, args=(other, name, folder, texts[i::instances]))
                process.start()
                self.groups[instances].append(pipe)
        owns = (False, True) if name == "model2vec" else (False,)
        self.settings = [(instances, threads, batch, own) for instances in self.groups for threads in (False, True)
                         for batch in BATCHES[name] for own in owns if not (own and instances > 1)]

    def rate(self, setting):
        begin = time.perf_counter()
        for pipe in self.groups[setting[0]]:
            pipe.send(setting[1:])
        assert sum(pipe.recv() for pipe in self.groups[setting[0]]) == self.count
        return self.count / (time.perf_counter() - begin)

    def find_best(self):
        for instances in self.groups:  # Untimed: what is made at first use.
            self.rate((instances, False, BATCHES[self.name][0], False))
        rates = sorted(((self.rate(setting), setting) for setting in self.settings), reverse=True)[:3]
        self.best = max((max(self.rate(setting), rate), setting) for rate, setting in rates)[1]

    def end(self):
        for pipe in (pipe for group in self.groups.values() for pipe in group):
            pipe.send(None)

    def __str__(self):
        return "%s (%d process(es), tokenizers' threads %s, batch %d%s)" % (
            self.name, self.best[0], "on" if self.best[1] else "off", self.best[2],
            ", use_multiprocessing" if self.best[3] else "")


class Ours:
    def __init__(self, program, model, texts, folder):
        self.program, self.folder, self.count = program, folder, len(texts)
        lines = "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts)
        for times in (FEW, MANY):
            with open(os.path.join(folder, "%d.jsonl" % times), "w", encoding="utf-8") as file:
                file.write(lines * times)
            with open(os.path.join(folder, "%d.yaml" % times), "w", encoding="utf-8") as file:
                file.write(PIPELINE % ("%d.jsonl" % times, model, model))

    def seconds(self, times):
        begin = time.perf_counter()
        subprocess.run([self.program, "run", "-q", "%d.yaml" % times], cwd=self.folder, check=True)
        return time.perf_counter() - begin

    def rates(self):
        """(of the whole process, steady)"""
        few, many = self.seconds(FEW), self.seconds(MANY)
        return MANY * self.count / many, (MANY - FEW) * self.count / (many - few)


def compare(peer, ours, reps):
    peer.find_best()
    theirs, whole, steady = [], [], []
    for _ in range(reps):
        theirs.append(peer.rate(peer.best))
        for rates, rate in zip((whole, steady), ours.rates()):
            rates.append(rate)
    print("%s: %.0f texts/s" % (peer, statistics.median(theirs)))
    for name, rates in (("run", whole), ("steady", steady)):
        ratios = [a / b for a, b in zip(rates, theirs)]
        print("  ftpipe, %-6s %.0f texts/s, ratio %.1f (%.1f-%.1f)" % (
            name, statistics.median(rates), statistics.median(ratios), min(ratios), max(ratios)), flush=True)
    peer.end()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("peers")
    parser.add_argument("program")
    parser.add_argument("--texts", type=int, default=20000)
    parser.add_argument("--reps", type=int, default=5)
    options = parser.parse_args()
    sys.path.insert(0, os.path.abspath(options.peers))
    import common

    common.enter_venv()
    import tokenizers

    models = os.path.join(common.DATA, "models")
    word_pieces = os.path.join(models, "all-MiniLM-L6-v2", "tokenizer.json")
    tokenizer = tokenizers.Tokenizer.from_file(word_pieces)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    texts, program = common.paragraphs(options.texts, tokenizer), os.path.abspath(options.program)
    print("%d texts, %.2f MB, %d CPUs" % (len(texts), sum(len(text.encode()) for text in texts) / 1e6,
                                          len(os.sched_getaffinity(0))), flush=True)
    # A disk is not what is measured.
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:
        for name, model in (("model2vec", make_potion(os.path.join(folder, "potion"), word_pieces)),
                            ("wordllama", os.path.join(models, "wordllama-l2-256"))):
            compare(Peer(name, model, texts), Ours(program, model, texts, folder), options.reps)
    return 0


if __name__ == "__main__":
    sys.exit(main())
