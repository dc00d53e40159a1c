#!/usr/bin/env python3
"""Tokenizers against what the reference libraries made of the same texts: ids, places, special tokens, decoded texts,
pairs, windows, padding. All of it twice: by the tokenizers as they are loaded, and by way of their compiled form. Ends
with "N passed, N failed".

    tests/play_tokenizers.py DRIVER         build/release/tests/token_driver

The texts and results are those of the data folder (tokenizers 0.23.3, sentencepiece, tiktoken, kitoken, llama.cpp,
swift-transformers); without it all is skipped.
"""

import base64
import json
import lzma
import os
import struct
import sys
import tempfile
import unicodedata

import token_driver as driver

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.environ.get("FTPIPE_TEST_DATA", os.path.join(HERE, "../../shared/data"))
SHOWN = 5
# Which GGUF vocabulary has which tokenizer; that of t5-small is made.
GGUF = {"gpt2": "gpt-2", "bert-base-uncased": "bert-bge", "llama2": "llama-spm"}


class Play:
    def __init__(self, program, scratch, compiled):
        self.program, self.scratch, self.compiled = program, scratch, compiled
        self.passed = self.failed = 0

    def tokenizer(self, name, file="tokenizer.json"):
        path = os.path.join(DATA, "tokenizers", name, file)
        if os.path.exists(path):
            return path
        unpacked = os.path.join(self.scratch, name, file)
        if not os.path.exists(unpacked):
            os.makedirs(os.path.dirname(unpacked), exist_ok=True)
            with lzma.open(path + ".xz") as packed, open(unpacked, "wb") as out:
                out.write(packed.read())
        return unpacked

    def ask(self, path, requests):
        return driver.ask(self.program, path, requests, compiled=self.compiled)

    def compare(self, what, rows, wanted, found):
        differ = [(row, want, got) for row, want, got in zip(rows, wanted, found) if want != got]
        self.passed += len(wanted) - len(differ)
        self.failed += len(differ)
        for row, want, got in differ[:SHOWN]:
            print("FAILED %s: %s\n  wanted %.300s\n  found  %.300s" % (what, json.dumps(row)[:200], want, got))
        if len(differ) > SHOWN:
            print("  and %d more" % (len(differ) - SHOWN))

    def ids(self, what, path, rows, **options):
        requests = [driver.encode(row["text"], **options) for row in rows]
        found = self.ask(path, requests)
        self.compare(what, [row["text"] for row in rows], [row["ids"] for row in rows],
                     [got if isinstance(got, driver.Error) else got[0]["ids"] for got in found])
        coded = self.ask(path, [driver.ids(row["text"], **options) for row in rows])
        self.compare(what + " by the coder", [row["text"] for row in rows], [row["ids"] for row in rows], coded)

    def decoded(self, what, path, rows, wanted="decoded", **options):
        found = self.ask(path, [driver.decode(row["ids"], **options) for row in rows])
        self.compare(what, [row["ids"] for row in rows], [row[wanted] for row in rows], found)

    def texts(self, name, rows):
        path = self.tokenizer(name)
        columns = driver.OFFSETS
        shown = [row["text"] for row in rows]
        plain = self.ask(path, [driver.plain(text, columns=columns) for text in shown])
        self.compare(name + " by the fast path", shown, plain,
                     self.ask(path, [driver.encode(text, columns=columns) for text in shown]))
        self.compare(name + " ids", shown, [row["ids"] for row in rows], [got[0]["ids"] for got in plain])
        self.compare(name + " places", shown, [row["offsets_bytes"] for row in rows],
                     [got[0]["offsets"] for got in plain])
        self.ids(name + " ids with special ones", path, [dict(row, ids=row["ids_special"]) for row in rows],
                 add_special=True)
        self.decoded(name + " decoded", path, rows)
        if name == "cl100k_base":
            ranks = self.tokenizer(name, name + ".tiktoken")
            self.ids(name + ".tiktoken ids", ranks, rows)
            self.decoded(name + ".tiktoken decoded", ranks, rows)

    def pairs(self, name, rows):
        columns = driver.TYPE_IDS | driver.ATTENTION | driver.SPECIAL_MASK
        requests = []
        for row in rows:
            cut = row["truncation"] or {}
            requests.append(driver.pair(
                row["a"], row["b"], columns=columns, add_special=True, max_length=cut.get("max_length", 0),
                truncation=cut.get("direction", "right") if cut else None, strategy=cut.get("strategy", "longest_first"),
                windows=True, stride=cut.get("stride", 0), pad_to=row["pad_to"] or 0))
        found = self.ask(self.tokenizer(name), requests)
        names = ["ids", "type_ids", "attention_mask", "special_tokens_mask"]
        self.compare(name + " pairs that cannot be cut", rows, [bool(row.get("error")) for row in rows],
                     [isinstance(got, driver.Error) for got in found])
        good = [(row, got) for row, got in zip(rows, found) if not row.get("error") and not isinstance(got, driver.Error)]
        for key in names:
            self.compare("%s pairs, %s" % (name, key), [row for row, _ in good], [row[key] for row, _ in good],
                         [got[0][key] for _, got in good])
        self.compare(name + " pairs, windows", [row for row, _ in good],
                     [[over["ids"] if isinstance(over, dict) else over for over in row["overflowing"]] for row, _ in good],
                     [[window["ids"] for window in got[1:]] for _, got in good])

    def sentencepiece(self, name, rows):
        """By the library itself on its .model, where a special token in the text is but text."""
        path = self.tokenizer(name, "tokenizer.model")
        self.ids(name + ".model ids", path, rows, special="text")
        self.decoded(name + ".model decoded", path, rows)

    def kitoken(self, name, rows):
        self.ids(name + " ids by kitoken", self.tokenizer(name), [row for row in rows if row["hf_agrees"]])

    def llama_cpp(self, name, rows):
        """Without what the tokenizer puts around: their ids of the text alone."""
        tokenizer = {"gpt-2": "gpt2", "llama-spm": "llama2", "bert-bge": "bert-base-uncased"}.get(name, name)
        self.ids(name + " ids by llama.cpp", self.tokenizer(tokenizer), rows)
        if name != "llama3":
            self.ids(name + ".gguf ids by llama.cpp", self.gguf(name), rows)

    def gguf(self, name):
        return self.tokenizer("gguf-vocab", "ggml-vocab-%s.gguf" % name)

    def gguf_texts(self, name, rows):
        """The vocabulary of a GGUF file says the same as the tokenizer.json."""
        path = self.gguf(GGUF[name]) if name in GGUF else self.unigram_gguf(name)
        if name == "llama2":
            # sentencepiece's ids: between special tokens, llama.cpp begins every part with a space.
            rows = read_rows(os.path.join(DATA, "vectors", "sentencepiece", name + ".jsonl"))
        if name not in GGUF:
            # The reference maps whole graphemes, SentencePiece (and llama.cpp) the longest prefix that there is.
            rows = [row for row in rows if not any(unicodedata.combining(c) or unicodedata.category(c) in ("Cc", "Mc")
                                                   for c in row["text"].replace("\n", " "))]
        self.ids(name + ".gguf ids", path, rows, special="text" if name == "llama2" else "parse")
        self.decoded(name + ".gguf decoded", path, rows)

    def unigram_gguf(self, name):
        """No GGUF file of the model t5 is among the data: one is made of the tokenizer.json."""
        with open(self.tokenizer(name), encoding="utf-8") as file:
            parts = json.load(file)
        pieces = parts["model"]["vocab"]
        special = {token["content"] for token in parts["added_tokens"] if token["special"]}
        charsmap = base64.b64decode(parts["normalizer"]["precompiled_charsmap"])
        path = os.path.join(self.scratch, name + ".gguf")
        with open(path, "wb") as out:
            out.write(gguf([
                ("tokenizer.ggml.model", "t5"), ("tokenizer.ggml.pre", "default"),
                ("tokenizer.ggml.tokens", [piece for piece, _ in pieces]),
                ("tokenizer.ggml.scores", [score for _, score in pieces]),
                ("tokenizer.ggml.token_type", [3 if piece in special else 1 for piece, _ in pieces]),
                ("tokenizer.ggml.unknown_token_id", parts["model"]["unk_id"]),
                ("tokenizer.ggml.precompiled_charsmap", charsmap),
                ("tokenizer.ggml.remove_extra_whitespaces", True), ("tokenizer.ggml.add_eos_token", True)]))
        return path

    def swift_text(self, name, row):
        tokenizer = {"bert": "bert-base-uncased", "gpt2": "gpt2", "llama": "llama2"}[name.split("_")[0]]
        self.ids(tokenizer + " ids of a long text by swift-transformers", self.tokenizer(tokenizer),
                 [{"text": row["text"], "ids": row["token_ids"]}], add_special=True)

    def swift_tests(self, _, rows):
        """Ids alone: what they decode has had its spaces cleaned up by transformers afterwards."""
        for name, list_of in rows.items():
            tokenizer = next(real for part, real in (("bert", "bert-base-uncased"), ("gpt2", "gpt2"), ("Llama", "llama2"))
                             if part in name)
            path = self.tokenizer(tokenizer)
            rows = [dict(row, text=row["input"], ids=row["encoded"]["input_ids"]) for row in list_of]
            self.ids(name + " ids by swift-transformers", path, rows, add_special=True)

    def invalid(self, _, rows):
        """What is left of bytes that are no UTF-8, once there is U+FFFD for each maximal part."""
        for name in sorted(rows[0]["ids"]):
            self.ids(name + " ids of invalid UTF-8", self.tokenizer(name),
                     [{"text": row["replaced_text"], "ids": row["ids"][name]} for row in rows])


def gguf(values):
    """A GGUF file of these keys and values: texts, whole numbers, truths, bytes, lists of texts, floats or numbers."""
    def text(one):
        return struct.pack("<Q", len(one.encode())) + one.encode()

    def value(one):
        if isinstance(one, bool):
            return struct.pack("<IB", 7, one)
        if isinstance(one, int):
            return struct.pack("<II", 4, one)
        if isinstance(one, str):
            return struct.pack("<I", 8) + text(one)
        if isinstance(one, bytes):
            return struct.pack("<IIQ", 9, 0, len(one)) + one
        kind, pack = {str: (8, text), float: (6, lambda x: struct.pack("<f", x)),
                      int: (5, lambda x: struct.pack("<i", x))}[type(one[-1])]
        return struct.pack("<IIQ", 9, kind, len(one)) + b"".join(pack(x) for x in one)

    return b"GGUF" + struct.pack("<IQQ", 3, 0, len(values)) + b"".join(text(key) + value(one) for key, one in values)


def read_rows(path):
    opener = lzma.open if path.endswith(".xz") else open
    with opener(path, "rt", encoding="utf-8") as file:
        return json.load(file) if path.endswith(".json") else [json.loads(line) for line in file]


def files_of(folder):
    """The vectors of a folder, or of the files whose names begin so."""
    folder, _, start = folder.partition(":")
    folder = os.path.join(DATA, "vectors", folder)
    for file in sorted(os.listdir(folder)):
        if ".json" in file and file.startswith(start):
            yield os.path.join(folder, file)


def play_all(play):
    for folder, run in (("tokenizers", play.texts), ("pairs", play.pairs), ("sentencepiece", play.sentencepiece),
                        ("third_party/kitoken", play.kitoken), ("third_party/llama.cpp", play.llama_cpp),
                        ("third_party/swift-transformers:bert_", play.swift_text),
                        ("third_party/swift-transformers:gpt2_", play.swift_text),
                        ("third_party/swift-transformers:llama_", play.swift_text),
                        ("third_party/swift-transformers:tokenizer_", play.swift_tests), (":invalid", play.invalid),
                        ("tokenizers:gpt2", play.gguf_texts), ("tokenizers:bert-base", play.gguf_texts),
                        ("tokenizers:llama2", play.gguf_texts), ("tokenizers:t5-small", play.gguf_texts)):
        for file in files_of(folder):
            try:
                run(os.path.basename(file).split(".")[0], read_rows(file))
            except RuntimeError as error:
                play.failed += 1
                print("FAILED %s: %s" % (file, error))


def main():
    if not os.path.isdir(DATA):
        print("skipped: no test data\n0 passed, 0 failed, 1 skipped")
        return 0
    passed = failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        for compiled in (False, True):
            play = Play(sys.argv[1], scratch, compiled)
            play_all(play)
            passed, failed = passed + play.passed, failed + play.failed
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
