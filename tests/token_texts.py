"""Random texts for tokenizers, quick to make: mutated corpus, words of a vocabulary, edge cases, random code points.

What is drawn for each character comes from numpy, a batch at a time; pieces are made anew for every batch.
"""

import json
import lzma
import os
import random

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.environ.get("FTPIPE_TEST_DATA", os.path.join(HERE, "../../shared/data"))
CORPUS_CHARACTERS = 3_000_000
SPECIAL = ["[SEP]", "[CLS]", "[UNK]", "[MASK]", "[PAD]", "[sep]", "[SEP", "<s>", "</s>", "<unk>", "<pad>", "<extra_id_0>",
           "<|endoftext|>", "<|fim_prefix|>", "<|endofprompt|>", "<|begin_of_text|>", "<|eot_id|>", "<|endoftext|", "<0x41>",
           "<0xE4>", "<0x00>"]
EDGES = [
    "", " ", "  ", "   ", "\t", "\n", "\n\n", " \n ", "\r\n", "\r\n\t", " \n  ", "\n ", "\r", "\x0b", "\x0c", "\0", "\x01",
    "\x1c", "\x1f", "\x7f", "\x85", "\xa0", "\xad", "\u1680", "\u180e", "\u2003", "\u2028", "\u2029", "\u3000", "\u200b",
    "\u200c", "\u200d", "\u200e", "\ufeff", "\ufffd", "\uffff", "\ufffe", "\U0010ffff", "\ue000", "\u0378", "\ufe0f",
    "▁", "▁▁", " ▁ ", "▁a", "Ġ", "Ċ", "Ã", "##", "##ing", "</w>", "'s", "'S", "'ſ", "'re", "'LL", "'ll", "''s", "'", "ſ",
    "don't've", "I'VE", "a's't", "123", "1234567", "3.14", "1st", "١٢٣", "½", "²", "Ⅷ", "ↀ", "〇", "①", "...", "!?", "!\n", "/\n/",
    "//", "a'b", "U.S.A.", "foo_bar", "$+<=>^`|~", "XMLHttp", "parseHTML", "ǅ", "ʰ", "ª", "ß", "ẞ", "İ", "ı", "Σ", "ς", "Å",
    "K", "ﬁ", "ﬃ", "ﷺ", "㌔", "ａｂｃ", "～", "e\u0301", "e\u0301\u0327", "\u0300", "\u0301", "\u0345", "\u20dd", "\u0344",
    "\u0f73\u0f71", "\u0dddx", "\u302e", "가", "각", "힣", "\u1100\u1161\u11a8", "한국어", "中", "文", "中文", "日本語", "あ", "ー", "゠",
    "・", "㐀", "\U00020000", "\U0002b820", "\U0002b920", "\U0002f800", "豈", "العربية", "हिन्दी", "ไทย", "👩‍👩‍👧", "🏳️‍🌈",
    "\U0001f1e9\U0001f1ea", "😀", "\U0001d165", "\U0001d15e", "\U0001e000", "⹃", "᙭", "\u2260", "\u226e", "\u1fef", "Ꭰ", "ꭰ",
    "ꙁ", "ᾈ", "ǆ", "Ω", "x" * 70, "é" * 40, "a" * 300, "a" * 16, "a" * 17, "a" * 99, "a" * 100, "a" * 101, "é" * 101, "中" * 60]
BETWEEN = [" ", " ", " ", " ", "", "", ", ", "\n", "-", "  "]


def ranges(*bounds):
    return np.concatenate([np.arange(first, last + 1) for first, last in bounds])


ALPHABETS = [
    ranges((0x20, 0x7e)), ranges((0x61, 0x7a)), ranges((0x41, 0x5a), (0x61, 0x7a), (0x20, 0x20)),
    np.array([ord(c) for c in " \n\t\r  \n\u00a0\u3000\u2003\u0085"]), ranges((0x30, 0x39)), ranges((0x21, 0x2f), (0x3a, 0x40)),
    ranges((0, 0xff)), ranges((0xa0, 0x24f)), ranges((0x300, 0x36f)), ranges((0x370, 0x52f)), ranges((0x590, 0x6ff)),
    ranges((0x900, 0xdff)), ranges((0xe00, 0x11ff)), ranges((0x1e00, 0x20cf)), ranges((0x2000, 0x2bff)),
    ranges((0x3000, 0x30ff)), ranges((0x4e00, 0x9fff)), ranges((0xac00, 0xd7a3)), ranges((0, 0xd7ff), (0xe000, 0xffff)),
    ranges((0xfb00, 0xffff)), ranges((0x10000, 0x1ffff)), ranges((0x1d000, 0x1d7ff), (0x1f000, 0x1faff)),
    ranges((0, 0xd7ff), (0xe000, 0x10ffff)), np.array([ord(c) for c in "'sStTrReEvVlLmMdD ſ"])]


def corpus(seed):
    """Characters of documents taken at random, as an array."""
    pick, taken, size = random.Random(seed), [], 0
    with lzma.open(os.path.join(DATA, "text/corpus.jsonl.xz"), "rb") as file:
        lines = file.read().split(b"\n")
    while size < CORPUS_CHARACTERS:
        line = pick.choice(lines)
        if line:
            text = json.loads(line)["text"]
            start = pick.randrange(len(text) + 1)
            taken.append(text[start:start + 20000])
            size += len(taken[-1])
    return characters("".join(taken))


def characters(text):
    return np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)


class Texts:
    def __init__(self, seed, words, added, corpus_array):
        self.random, self.numbers = random.Random(seed), np.random.default_rng(seed)
        self.words, self.corpus = words, corpus_array
        self.special = SPECIAL + added
        sizes = [len(alphabet) for alphabet in ALPHABETS]
        self.alphabet = np.concatenate(ALPHABETS).astype(np.uint32)
        self.alphabet_sizes = np.array(sizes)
        self.alphabet_starts = np.cumsum([0] + sizes[:-1])

    def random_strings(self, sizes):
        """Each from two alphabets."""
        total, count = int(sizes.sum()), len(sizes)
        common, rare = self.numbers.integers(0, len(ALPHABETS), (2, count))
        which = np.where(self.numbers.random(total) < .75, np.repeat(common, sizes), np.repeat(rare, sizes))
        places = (self.numbers.random(total) * self.alphabet_sizes[which]).astype(np.int64)
        return self.cut(self.alphabet[self.alphabet_starts[which] + places], sizes)

    def corpus_strings(self, sizes):
        """Each with a few characters changed, left out, or there twice."""
        total = int(sizes.sum())
        starts = self.numbers.integers(0, len(self.corpus) - int(sizes.max(initial=1)), len(sizes))
        before = np.cumsum(sizes) - sizes
        taken = self.corpus[np.repeat(starts - before, sizes) + np.arange(total)].copy()
        changed = self.numbers.random(total) * np.repeat(self.numbers.choice([1, 1, 4, 60], len(sizes)), sizes)
        places = np.flatnonzero(changed < .02)
        taken[places] = characters("".join(self.random_strings(np.full(len(places), 1))))
        times = np.ones(total, dtype=np.int64)
        times[(changed > .02) & (changed < .03)] = 0
        times[(changed > .03) & (changed < .04)] = 2
        ends = np.cumsum(times)[np.cumsum(sizes) - 1]
        return self.cut(np.repeat(taken, times), np.diff(ends, prepend=0))

    @staticmethod
    def cut(array, sizes):
        text = array.astype("<u4").tobytes().decode("utf-32-le")
        ends = np.cumsum(sizes).tolist()
        return [text[start:end] for start, end in zip([0] + ends, ends)]

    def word(self, strange):
        word = self.random.choice(self.words)
        change = self.random.random()
        if change < .15:
            return word.upper()
        if change < .3:
            return word.capitalize()
        if change < .4:
            at = self.random.randrange(len(word) + 1)
            return word[:at] + strange + word[at:]
        return word + self.random.choice(self.words) if change < .45 else word

    def pieces(self, count):
        strange = self.random_strings(self.numbers.integers(1, 8, count))
        made = []
        for one in strange:
            pick = self.random.random()
            made.append(self.word(one[:1]) if pick < .5 else self.random.choice(EDGES) if pick < .72 else
                        self.random.choice(self.special) if pick < .8 else one)
        return made

    def joined(self, pieces, length):
        return self.random.choice(BETWEEN).join(self.random.choices(pieces, k=length))

    def batch(self, count):
        pieces = self.pieces(max(count // 2, 10))
        corpus_sizes = np.minimum(self.numbers.geometric(1 / 40, count * 30 // 100 + 1), 600)
        random_sizes = np.minimum(self.numbers.geometric(1 / 12, count * 15 // 100 + 1), 200)
        made = self.corpus_strings(corpus_sizes) + self.random_strings(random_sizes)
        for i in range(0, len(made), 8):
            at = self.random.randrange(len(made[i]) + 1)
            made[i] = made[i][:at] + self.random.choice(pieces) + made[i][at:]
        made += self.corpus_strings(self.numbers.integers(600, 4000, count // 500))
        made += [self.joined(pieces, self.random.randrange(100, 600)) for _ in range(count // 1000)]
        for _ in range(count // 50):
            made.append(self.random.choice(pieces) + self.random.choice(pieces)[:2] * self.random.randrange(1, 60))
        lengths = self.numbers.integers(1, 11, max(count - len(made), 0)).tolist()
        made += [self.joined(pieces, length) for length in lengths]
        self.random.shuffle(made)
        return made[:count]
