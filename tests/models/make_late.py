#!/usr/bin/env python3
"""Makes the reference of late chunking in chain-dense (read make_files.py first, which makes the model).

    python3 tests/models/make_late.py

late.jsonl has texts with `starts` and `ends`, the bytes of their chunks, and in `by_size` how many tokens chunks have,
the special ones aside; `overlap` is how many tokens windows have in common, late.safetensors has `I.vectors` and
`I.by_size`, a row for each chunk. What is computed, after Günther et al. 2024 (arXiv:2409.04701, algorithms 1 and 2): the
encoder sees all tokens of a text, in slices of 40 where there are more, of which each but the first gives no rows for its
first `overlap` tokens; the rows of a chunk's tokens go through the modules behind the encoder. The first chunk has [CLS],
the last one [SEP].
"""

import json
import os
import random

import torch
from safetensors.torch import save_file
from sentence_transformers import SentenceTransformer

from fixture import HERE
from make_files import TEXTS

LONGEST = 40


def rows_of(model, ids, overlap):
    """The last hidden states of all tokens."""
    rows, start = [], 0
    while True:
        some = torch.tensor([ids[start:start + LONGEST]])
        out = model[0].auto_model(input_ids=some, attention_mask=torch.ones_like(some)).last_hidden_state[0]
        rows.append(out[overlap if start else 0:])
        if start + LONGEST >= len(ids):
            return torch.cat(rows)
        start += LONGEST - overlap


def vector_of(model, rows):
    features = {"token_embeddings": rows[None], "attention_mask": torch.ones(1, len(rows), dtype=torch.int64)}
    for module in list(model)[1:]:
        features = module(features)
    return features["sentence_embedding"][0]


def spans_of(text, source):
    """Chunks in bytes, at the ends of words; the second of three begins within the first."""
    places = [0] + [at + 1 for at, letter in enumerate(text) if letter == " "] + [len(text)]
    cuts = sorted(set(source.sample(places, min(len(places), 6)) + [0, len(text)]))
    spans = [(a, b) for a, b in zip(cuts, cuts[1:]) if text[a:b].strip()] or [(0, len(text))]
    spans = [(max(spans[at - 1][0], a - 9) if at % 3 == 1 else a, b) for at, (a, b) in enumerate(spans)]
    return [(len(text[:a].encode()), len(text[:b].encode())) for a, b in spans]


def tokens_of(offsets, spans):
    """For each chunk the first token and the one behind the last."""
    chunks = []
    for start, end in spans:
        inside = [at for at, (a, b) in enumerate(offsets) if a < b and b > start and a < end]
        chunks.append([inside[0], inside[-1] + 1])
    chunks[0][0], chunks[-1][1] = 0, len(offsets)
    return chunks


def by_size(count, size):
    body = list(range(1, count - 1, size)) or [1]
    chunks = [[at, min(at + size, count - 1)] for at in body]
    chunks[0][0], chunks[-1][1] = 0, count
    return chunks


def main():
    folder = os.path.join(HERE, "chain-dense")
    model = SentenceTransformer(folder, device="cpu", model_kwargs={"dtype": torch.float32})
    source, lines, tensors = random.Random(5), [], {}
    texts = [text for text in TEXTS if text] + [" ".join([TEXTS[-1], TEXTS[0], TEXTS[-1], "Zürich."])]
    for index, text in enumerate(texts):
        overlap, size = (5, 7) if index % 2 == 0 else (12, 11)
        encoded = model.tokenizer.backend_tokenizer
        encoded.no_truncation()
        encoded.no_padding()
        encoded = encoded.encode(text)
        offsets = [(len(text[:a].encode()), len(text[:b].encode())) for a, b in encoded.offsets]
        spans = spans_of(text, source)
        with torch.no_grad():
            rows = rows_of(model, encoded.ids, overlap)
            for name, chunks in ("vectors", tokens_of(offsets, spans)), ("by_size", by_size(len(encoded.ids), size)):
                tensors["%d.%s" % (index, name)] = torch.stack([vector_of(model, rows[a:b]) for a, b in chunks])
        lines.append({"text": text, "starts": [a for a, _ in spans], "ends": [b for _, b in spans], "by_size": size,
                      "overlap": overlap})
    with open(os.path.join(folder, "late.jsonl"), "w", encoding="utf-8") as file:
        for line in lines:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    save_file(tensors, os.path.join(folder, "late.safetensors"))
    print([(len(line["text"]), len(line["starts"]), tensors["%d.by_size" % at].shape[0]) for at, line in enumerate(lines)])


if __name__ == "__main__":
    main()
