#!/usr/bin/env python3
"""Makes the model2vec folders of this directory, with random rows, and what the library gives for texts.

    ~/.cache/ftpipe-peers/venv/bin/python tests/models/make_static.py TOKENIZER.json   (of WordPiece, 200 pieces)
"""

import json
import os
import sys

import numpy
from model2vec import StaticModel
from tokenizers import Tokenizer

HERE = os.path.dirname(os.path.abspath(__file__))
TEXTS = ["The harbour of Lisbon was full of ships.", "", "salt", "Zürich", "☃ ☃", "snow ☃ fell on the roofs " * 60]


def make(name, quantized):
    tokenizer = Tokenizer.from_file(sys.argv[1])
    random = numpy.random.default_rng(17 + quantized)
    count = tokenizer.get_vocab_size()
    more = {}
    if quantized:
        more = {"weights": random.uniform(0.1, 2, count).astype(numpy.float32),
                "token_mapping": random.integers(0, 50, count)}
    rows = random.normal(0, 1, (50 if quantized else count, 21)).astype(numpy.float32)
    folder = os.path.join(HERE, name)
    StaticModel(rows, tokenizer, normalize=not quantized, **more).save_pretrained(folder)
    for file in os.listdir(folder):
        if file not in ("config.json", "model.safetensors", "tokenizer.json"):
            os.remove(os.path.join(folder, file))
    model = StaticModel.from_pretrained(folder, force_download=False)
    with open(os.path.join(folder, "reference.jsonl"), "w", encoding="utf-8") as file:
        for text in TEXTS:
            vector = [float(x) for x in model.encode([text])[0]]
            file.write(json.dumps({"text": text, "embedding": vector}, ensure_ascii=False) + "\n")


make("static", False)
make("static-mapped", True)
