#!/usr/bin/env python3
"""Whole tokenizers of every family against tokenizers 0.23.3, on seeded random texts: ids by the interpreter and by the
fast paths, places, words, texts decoded from ids.

    tests/fuzz_tokenizers.py DRIVER [--count N] [--seed N] [--only NAME]

DRIVER is build/*/tests/token_driver. The tokenizers are those of the data folder and, made of their parts, some with
other components, so that every pair of normaliser, pre-tokenizer and model meets. One difference fails. Skips (exit
status 0, and says so) where the reference or the data is not there, as fuzz_tokenize.py does.
"""

import argparse
import json
import lzma
import os
import sys
import tempfile

import token_driver as driver
from fuzz_tokenize import DATA, WANTED_VERSION, Texts, find_reference, with_added

NAMES = ["bert-base-uncased", "gpt2", "cl100k_base", "llama3", "llama2", "t5-small"]
EDGES = ["▁", "▁▁", " ▁ ", "  ", "   ", "\n\n", " \n ", "\r\n\t", "<s>", "</s>", "<unk>", "<|endoftext|>", "<0x41>", "<0xE4>",
         "Ġ", "Ċ", "'s", "'S", "'re", "'LL", "ſ", "123", "1234567", "١٢٣", "½", "Ⅷ", "...", "!?", "a'b", "don't've",
         "\u3000", "\u00a0", "\u200b", "\u0301", "e\u0301\u0327", "한국어", "日本語", "العربية", "हिन्दी", "ไทย", "👩‍👩‍👧", "🏳️‍🌈",
         "\U0001f1e9\U0001f1ea", "ﷺ", "㌔", "ﬃ", "①", "ａｂｃ", "～", "x" * 70, "é" * 40, "a" * 300, "<extra_id_0>"]
PARTS = [
    ("metaspace first", "llama2", dict(normalizer=None, pre_tokenizer={
        "type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": False})),
    ("metaspace always", "llama2", dict(normalizer=None, pre_tokenizer={
        "type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True})),
    ("gemma", "llama2", dict(
        normalizer={"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
        pre_tokenizer={"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False})),
    ("gpt2 with NFC and a space in front", "gpt2", dict(normalizer={"type": "NFC"}, pre_tokenizer={
        "type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True})),
    ("gpt2 with NFC", "gpt2", dict(normalizer={"type": "NFC"})),
    ("gpt2 with digits and punctuation", "gpt2", dict(pre_tokenizer={"type": "Sequence", "pretokenizers": [
        {"type": "Punctuation", "behavior": "Contiguous"}, {"type": "Digits", "individual_digits": True},
        {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}]})),
    ("t5 split at white space", "t5-small", dict(pre_tokenizer={"type": "Sequence", "pretokenizers": [
        {"type": "WhitespaceSplit"},
        {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}]})),
    ("t5 with NFKC and first", "t5-small", dict(normalizer={"type": "NFKC"}, pre_tokenizer={
        "type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": True})),
    ("bert as word level", "bert-base-uncased", dict(pre_tokenizer={"type": "Whitespace"}, normalizer={
        "type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "StripAccents"}, {"type": "Lowercase"}]})),
    ("bert in scripts", "bert-base-uncased", dict(pre_tokenizer={"type": "Sequence", "pretokenizers": [
        {"type": "UnicodeScripts"}, {"type": "WhitespaceSplit"}]})),
]


def read(name):
    path = os.path.join(DATA, "tokenizers", name, "tokenizer.json")
    opener = open if os.path.exists(path) else lzma.open
    with opener(path if opener is open else path + ".xz", "rt", encoding="utf-8") as file:
        return dict(json.load(file), truncation=None, padding=None)


def words_of(description):
    vocab = description["model"]["vocab"]
    return [entry if isinstance(entry, str) else entry[0] for entry in vocab]


class MoreTexts(Texts):
    def piece(self):
        if self.random.random() < .25:
            return self.random.choice(EDGES)
        return super().piece().replace("▁", " ").replace("Ġ", " ")


def bytes_offsets(text, spans):
    """Places in code points to places in bytes."""
    at = [0]
    for character in text:
        at.append(at[-1] + len(character.encode()))
    return [[at[start], at[end]] for start, end in spans]


def differences(text, want, windows, coded, special):
    got = windows[0]
    if got["ids"] != want.ids:
        return "ids", want.ids, got["ids"]
    if coded != special:
        return "ids by the coder", special, coded
    places = bytes_offsets(text, want.offsets)
    if got["offsets"] != places:
        return "places", places, got["offsets"]
    words = [-1 if word is None else word for word in want.word_ids]
    if got["word_ids"] != words:
        return "words", words, got["word_ids"]
    return None


def compare(name, reference, program, path, texts):
    wrong = 0
    wanted = reference.encode_batch(texts, add_special_tokens=False)
    special = [one.ids for one in reference.encode_batch(texts, add_special_tokens=True)]
    decoded = reference.decode_batch([one.ids for one in wanted], skip_special_tokens=False)
    got = driver.ask(program, path, [driver.encode(text, columns=driver.OFFSETS | driver.WORD_IDS) for text in texts])
    coded = driver.ask(program, path, [driver.ids(text, add_special=True) for text in texts])
    back = driver.ask(program, path, [driver.decode(one.ids) for one in wanted])
    for i, text in enumerate(texts):
        differ = differences(text, wanted[i], got[i], coded[i], special[i])
        if not differ and back[i] != decoded[i]:
            differ = "decoded", decoded[i], back[i]
        if differ:
            wrong += 1
            if wrong <= 3:
                print("%s: %s of %r\n  want %.400s\n  ours %.400s" % (name, differ[0], text[:200], differ[1], differ[2]),
                      file=sys.stderr)
    return wrong


def run(tokenizers, options, scratch):
    described = [(name, read(name)) for name in NAMES]
    described += [(name, dict(dict(described)[base], **parts)) for name, base, parts in PARTS]
    described += [(name + " with added tokens", with_added(tokenizers, dict(described)[name]))
                  for name in ("bert-base-uncased", "gpt2", "t5-small")]
    described = [one for one in described if options.only in one[0]]
    done = wrong = 0
    for number, (name, description) in enumerate(described):
        path = os.path.join(scratch, "%d.json" % number)
        with open(path, "w", encoding="utf-8") as file:
            json.dump(description, file)
        reference = tokenizers.Tokenizer.from_file(path)
        texts = MoreTexts(options.seed + number, words_of(description))
        left = options.count // len(described) + 1
        while left > 0:
            batch = [texts.text() for _ in range(min(left, 2000))]
            wrong += compare(name, reference, options.program, path, batch)
            done += len(batch)
            left -= len(batch)
    return done, wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=os.path.abspath)
    parser.add_argument("--count", type=int, default=8000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    tokenizers = find_reference()
    if not tokenizers or not os.path.exists(DATA):
        print("skipped: tokenizers " + WANTED_VERSION + " or the data folder is not there")
        print("0 passed, 0 failed, 1 skipped")
        return 0
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    with tempfile.TemporaryDirectory() as scratch:
        done, wrong = run(tokenizers, options, scratch)
    print("%d texts, seed %d, %d differ" % (done, options.seed, wrong))
    print("%d passed, %d failed" % (wrong == 0, wrong > 0))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
