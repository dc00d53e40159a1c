#!/usr/bin/env python3
"""Our WordPiece ids against tokenizers 0.23.3, on seeded random texts.

    tests/fuzz_tokenize.py PROGRAM [--count N] [--seed N]

PROGRAM is ids_driver, which answers ids on a pipe. Texts are random code points of all planes, words of the
vocabularies mutated, edge cases, and mixtures of these, for several tokenizers: real ones from the data folder, all
combinations of the normaliser's flags, and added tokens with all their flags. One difference fails.

Skips (exit status 0, and says so) where the reference or the data is not installed: the environment of the peers is
looked for in $FTPIPE_PEERS, then ~/.cache/ftpipe-peers.
"""

import argparse
import json
import lzma
import os
import random
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.environ.get("FTPIPE_TEST_DATA", os.path.join(HERE, "../../shared/data"))
WANTED_VERSION = "0.23.3"
EDGES = ["", " ", "\t", "\n", "\r\n", "\0", "\x01", "\x7f", "\x85", "\xa0", "\xad", "\u0300", "\u0345", "\u037e", "İ",
         "ı", "ẞ", "ß", "Σ", "ς", "ﬁ", "Å", "Å", "e\u0301", "가", "힣", "각", "中", "文", "㐀", "\U00020000", "\U0002b820",
         "\U0002b920", "豈", "\u200b", "\u200d", "\u2028", "\u3000", "\ufeff", "\ufffd", "\uffff", "\U0010ffff", "😀",
         "👩‍👩‍👧", "\U0001d165", "\U0001d16d", "\u302e", "\u302f", "\u1e000"[:1], "\U0001e000", "\u2260", "\u226e",
         "\u1fef", "\u2000", "⹃", "᙭", "[SEP]", "[CLS]", "[UNK]", "[MASK]", "[PAD]", "[sep]", "[ SEP ]", "[SEP", "##",
         "##ing", "don't", "U.S.A.", "a" * 16, "a" * 17, "a" * 32, "a" * 33, "a" * 99, "a" * 100, "a" * 101,
         "é" * 100, "é" * 101, "$+<=>^`|~", "x" * 200, "\U0001d15e", "\u0dddx", "ꙁ", "Ⅷ", "ǆ", "ᾈ", "Ω", "ↀ", "Ꭰ",
         "ꭰ", "\u0f73\u0f71", "\u1100\u1161\u11a8", "<tok>", "<TOK>", "tök", "TÖK", " w ", "word", "中文", "sp ace"]
ADDED = [dict(content="<tok>"), dict(content="<tok>x"), dict(content="Tök", normalized=True),
         dict(content="word", single_word=True), dict(content="lef", lstrip=True), dict(content="rig", rstrip=True),
         dict(content="both", lstrip=True, rstrip=True, single_word=True), dict(content="中文", normalized=True),
         dict(content="sp ace", normalized=True, single_word=True), dict(content="é", normalized=True, rstrip=True),
         dict(content="  ", normalized=False), dict(content="hello", special=True), dict(content="\u0301x")]


def find_reference():
    """Runs this script again in the environment of the peers where this one has no reference."""
    try:
        import tokenizers
        if tokenizers.__version__ == WANTED_VERSION:
            return tokenizers
    except ImportError:
        pass
    root = os.environ.get("FTPIPE_PEERS", os.path.expanduser("~/.cache/ftpipe-peers"))
    python = os.path.join(root, "venv/bin/python")
    if os.path.exists(python) and os.path.realpath(sys.prefix) != os.path.realpath(os.path.join(root, "venv")):
        os.execv(python, [python, *sys.argv])
    return None


def read(name):
    path = os.path.join(DATA, "tokenizers", name, "tokenizer.json")
    opener = open if os.path.exists(path) else lzma.open
    with opener(path if opener is open else path + ".xz", "rt", encoding="utf-8") as file:
        return dict(json.load(file), truncation=None, padding=None)


def words_of(description):
    """The vocabulary as words that a text may have."""
    vocab = description["model"]["vocab"]
    for entry in vocab:
        word = entry if isinstance(entry, str) else entry[0]
        yield word.removeprefix("##").removesuffix("</w>").replace("▁", " ").replace("Ġ", " ")


class Driver:
    """ids_driver for one tokenizer; started anew for each batch."""

    def __init__(self, program, tokenizer, *flags):
        self.command = [program, tokenizer, *flags]

    def encode(self, texts):
        batch = b"".join(struct.pack("<I", len(text)) + text for text in texts)
        done = subprocess.run(self.command, input=batch, stdout=subprocess.PIPE, timeout=300)
        if done.returncode != 0:
            raise SystemExit(f"{self.command} ended with {done.returncode}")
        answers, at = [], 0
        for _ in texts:
            count, = struct.unpack_from("<I", done.stdout, at)
            answers.append(list(struct.unpack_from(f"<{count}i", done.stdout, at + 4)))
            at += 4 + 4 * count
        return answers


class Texts:
    def __init__(self, seed, words):
        self.random, self.words = random.Random(seed), words

    def code_point(self):
        pick = self.random.random()
        top = 0x80 if pick < .3 else 0x250 if pick < .5 else 0x3000 if pick < .7 else 0x10000 if pick < .9 else 0x110000
        while True:
            code = self.random.randrange(top)
            if not 0xD800 <= code <= 0xDFFF:
                return chr(code)

    def word(self):
        word = self.random.choice(self.words)
        if word.startswith("##"):
            word = word[2:]
        change = self.random.random()
        if change < .15:
            word = word.upper()
        elif change < .3:
            word = word.capitalize()
        elif change < .4 and word:
            at = self.random.randrange(len(word) + 1)
            word = word[:at] + self.code_point() + word[at:]
        elif change < .45:
            word += self.word()
        return word

    def piece(self):
        pick = self.random.random()
        if pick < .5:
            return self.word()
        if pick < .65:
            return self.random.choice(EDGES)
        if pick < .75:
            return self.random.choice(ADDED)["content"]
        return "".join(self.code_point() for _ in range(self.random.randrange(1, 8)))

    def text(self):
        between = self.random.choice([" ", " ", " ", "", ", ", "\n", "-"])
        length = self.random.randrange(1, 12) if self.random.random() < .98 else self.random.randrange(100, 4000)
        return between.join(self.piece() for _ in range(length))


def variants(tokenizers, base):
    """(name, tokenizer.json as a dictionary): the real one, every combination of flags, added tokens."""
    base = dict(base, truncation=None, padding=None)
    yield "as published", base
    for bits in range(24):
        clean, chinese, lower = bits & 1, bits & 2, bits & 4
        accents = (None, False, True)[bits // 8]
        yield f"flags {bits}", dict(base, normalizer={
            "type": "BertNormalizer", "clean_text": bool(clean), "handle_chinese_chars": bool(chinese),
            "strip_accents": accents, "lowercase": bool(lower)})
    yield "no normalizer", dict(base, normalizer=None)
    for bits in (0, 7, 15, 23):
        one = next(v for n, v in variants_of_flags(base) if n == bits)
        yield f"added tokens {bits}", with_added(tokenizers, one)
    model = dict(base["model"], max_input_chars_per_word=5)
    yield "words of 5", dict(base, model=model)
    model = dict(base["model"], continuing_subword_prefix="a", max_input_chars_per_word=100000)
    yield "prefix a, long words", dict(base, model=model)
    model = dict(base["model"], continuing_subword_prefix="")
    yield "no prefix", dict(base, model=model)


def variants_of_flags(base):
    for bits in range(24):
        yield bits, dict(base, normalizer={
            "type": "BertNormalizer", "clean_text": bool(bits & 1), "handle_chinese_chars": bool(bits & 2),
            "strip_accents": (None, False, True)[bits // 8], "lowercase": bool(bits & 4)})


def with_added(tokenizers, description):
    tokenizer = tokenizers.Tokenizer.from_str(json.dumps(description))
    for token in ADDED:
        flags = dict(normalized=False, **{k: v for k, v in token.items() if k not in ("content", "normalized")})
        flags["normalized"] = token.get("normalized", False)
        tokenizer.add_tokens([tokenizers.AddedToken(token["content"], **flags)])
    return json.loads(tokenizer.to_str())


def compare(name, reference, driver, texts, special):
    wrong = 0
    answers = driver.encode([text.encode() for text in texts])
    for text, got, want in zip(texts, answers, reference.encode_batch(texts, add_special_tokens=special)):
        if got != want.ids:
            wrong += 1
            if wrong <= 3:
                print(f"{name}: {text[:200]!r}\n  ours {got[:60]}\n  want {want.ids[:60]}", file=sys.stderr)
    return wrong


def run(tokenizers, program, count, seed, scratch):
    path = os.path.join(DATA, "tokenizers/bert-base-uncased/tokenizer.json")
    with open(path, encoding="utf-8") as file:
        base = json.load(file)
    texts = Texts(seed, list(base["model"]["vocab"]))
    all_variants = list(variants(tokenizers, base))
    # Half of the texts go to the tokenizer as it is, the rest to the others evenly.
    shares = [count // 2] + [count // 2 // (len(all_variants) - 1) + 1] * (len(all_variants) - 1)
    wrong = done = 0
    for number, ((name, description), share) in enumerate(zip(all_variants, shares)):
        file_path = os.path.join(scratch, f"{number}.json")
        with open(file_path, "w", encoding="utf-8") as file:
            json.dump(description, file)
        reference = tokenizers.Tokenizer.from_file(file_path)
        special = number % 2 == 0
        as_text = number % 5 == 4
        reference.encode_special_tokens = as_text
        flags = ["add"] * special + ["special=text"] * as_text
        driver = Driver(program, file_path, *flags)
        while share > 0:
            batch = [texts.text() for _ in range(min(share, 2000))]
            wrong += compare(name, reference, driver, batch, special)
            done += len(batch)
            share -= len(batch)
    return done, wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--count", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    tokenizers = find_reference()
    if not tokenizers or not os.path.exists(DATA):
        print("skipped: tokenizers " + WANTED_VERSION + " or the data folder is not there")
        print("0 passed, 0 failed, 1 skipped")
        return 0
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    with tempfile.TemporaryDirectory() as scratch:
        done, wrong = run(tokenizers, os.path.abspath(options.program), options.count, options.seed, scratch)
    print(f"{done} texts, seed {options.seed}, {wrong} differ")
    print(f"{int(wrong == 0)} passed, {int(wrong > 0)} failed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
