#!/usr/bin/env python3
"""How long tokenizers take to load and to open, against the reference library, in turns.

    tests/bench/measure_load.py BENCH_LOAD TOKENIZER...     build/release/tests/bench_load

A tokenizer is a file that both read; `250k` is one of that many pieces, made here of the t5-small of the data folder: it
has XLM-RoBERTa's size and parts, not its pieces. Each round starts both programs anew. The reference is the tokenizers
of $FTPIPE_PEERS/venv (~/.cache/ftpipe-peers).
"""

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.environ.get("FTPIPE_TEST_DATA", os.path.join(HERE, "../../../shared/data"))
PEERS = os.environ.get("FTPIPE_PEERS", os.path.expanduser("~/.cache/ftpipe-peers"))
ROUNDS, OPENED = 11, 21
PIECES = 250002
REFERENCE = """
import sys, time
from tokenizers import Tokenizer
start = time.perf_counter()
Tokenizer.from_file(sys.argv[1])
print((time.perf_counter() - start) * 1e3)
"""
# Greek, Cyrillic, Hebrew, Arabic, Devanagari, Thai, Georgian.
SCRIPTS = [(0x3b1, 0x3ca), (0x430, 0x450), (0x5d0, 0x5eb), (0x627, 0x64b), (0x905, 0x93a), (0xe01, 0xe31), (0x10d0, 0x10f1)]
HAN = (0x4e00, 0x9fa0)


def make_pieces(known):
    """A half pairs of known pieces, most others words of other scripts."""
    chance = random.Random(7)
    pieces = dict.fromkeys(known)
    short = [piece for piece in known if len(piece) < 7]
    while len(pieces) < PIECES - 5:
        kind = chance.random()
        if kind < .5:
            piece = chance.choice(short) + chance.choice(short).lstrip("\u2581")
        elif kind < .9:
            first, end = chance.choice(SCRIPTS)
            piece = "\u2581" * (chance.random() < .5)
            piece += "".join(chr(chance.randrange(first, end)) for _ in range(chance.choice([2, 3, 4, 4, 5, 6])))
        else:
            piece = chr(chance.randrange(*HAN)) + chr(chance.randrange(*HAN))
        pieces[piece] = None
    return list(pieces)


def make_large(path):
    with open(os.path.join(DATA, "tokenizers/t5-small/tokenizer.json"), encoding="utf-8") as file:
        made = json.load(file)
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    pieces = make_pieces([piece for piece, _ in made["model"]["vocab"] if not piece.startswith("<")])
    vocab = [[piece, 0.0] for piece in special]
    vocab += [[piece, -4.0 - place * 5e-5] for place, piece in enumerate(pieces)] + [["<mask>", 0.0]]
    made["model"] = {"type": "Unigram", "unk_id": 3, "vocab": vocab, "byte_fallback": False}
    made["added_tokens"] = [
        {"id": number, "content": text, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
         "special": True} for number, text in [*enumerate(special), (len(vocab) - 1, "<mask>")]]
    made["post_processor"] = None
    with open(path, "w", encoding="utf-8") as file:
        json.dump(made, file, ensure_ascii=False, indent=2)


def ask(command):
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[0])


def main():
    bench, names = sys.argv[1], sys.argv[2:]
    python = os.path.join(PEERS, "venv/bin/python")
    with tempfile.TemporaryDirectory() as scratch:
        for name in names:
            path = os.path.join(scratch, "large.json") if name == "250k" else name
            if name == "250k":
                make_large(path)
            theirs, ours = [], []
            for _ in range(ROUNDS):
                theirs.append(ask([python, "-c", REFERENCE, path]))
                ours.append(ask([bench, path]))
            opened = ask([bench, path, str(OPENED), os.path.join(scratch, "store")])
            theirs, ours = statistics.median(theirs), statistics.median(ours)
            print("%s: reference %.1f ms, load %.1f ms (%.2f), open %.2f ms" % (name, theirs, ours, ours / theirs, opened))


if __name__ == "__main__":
    main()
