#!/usr/bin/env python3
"""Our normalisers against tokenizers 0.23.3 and sentencepiece, bytes and spans, on seeded random texts.

    tests/fuzz_normalize.py PROGRAM [--count N] [--seed N]

PROGRAM is normalize_driver. Each batch of texts goes through one random sequence of steps, or through SentencePiece's
own normaliser with random flags. What a character of the result came from is asked of a tokenizer that takes every
character for a word. Texts that the reference panics on are left out and counted. One difference fails.

Skips (exit status 0, and says so) where the references are not installed: see fuzz_tokenize.py.
"""

import argparse
import io
import os
import random
import struct
import subprocess
import sys
import tempfile

from fuzz_tokenize import WANTED_VERSION, find_reference

BATCH = 500
# Where normal forms, clusters and letter case are hard: first and last of ranges from which random ones are taken.
RANGES = [(0x20, 0x7E), (0, 0x1F), (0x7F, 0xFF), (0x100, 0x24F), (0x300, 0x36F), (0x370, 0x3FF), (0x400, 0x4FF),
          (0x591, 0x5C7), (0x600, 0x6FF), (0x900, 0x97F), (0x980, 0xDFF), (0xE00, 0xFFF), (0x1000, 0x109F),
          (0x1100, 0x11FF), (0x1780, 0x17FF), (0x1AB0, 0x1AFF), (0x1B00, 0x1BFF), (0x1C80, 0x1CFF), (0x1D00, 0x1FFF),
          (0x2000, 0x206F), (0x2070, 0x2BFF), (0x2C00, 0x2DFF), (0x3000, 0x33FF), (0x4E00, 0x9FFF), (0xA640, 0xA8FF),
          (0xA900, 0xAAFF), (0xAB00, 0xABFF), (0xAC00, 0xD7A3), (0xD7B0, 0xD7FF), (0xE000, 0xF8FF), (0xF900, 0xFAFF),
          (0xFB00, 0xFDFF), (0xFE00, 0xFFFF), (0x10000, 0x11FFF), (0x16000, 0x16FFF), (0x1D100, 0x1D7FF),
          (0x1E000, 0x1EFFF), (0x1F000, 0x1FAFF), (0x1F1E6, 0x1F1FF), (0x1F3FB, 0x1F3FF), (0x20000, 0x2FFFF),
          (0xE0000, 0xE01EF), (0, 0xFFFF), (0, 0x10FFFF)]
PIECES = ["e\u0301", "E\u0323\u0302", "\u1100\u1161\u11a8", "\uac00\u11a8", "각", "\u0344", "\u0f73\u0f71", "\u0958",
          "\u0915\u094d\u0937", "\u0915\u094d\u200d\u0937", "\u0600\u0915", "👩‍👩‍👧", "👍🏽", "🇩🇪🇫🇷🇮", "\r\n", "\r", "\n",
          "  ", " ", "\u3000", "\u00a0", "\u200b", "\u200d", "\ufeff", "\u2581", "ﬁ", "①", "Å", "Å", "İ", "ı", "ẞ", "Σ",
          "Ⱥ", "K", "\u1e9b\u0323", "\ufdfa", "㍿", "½", "Ǆ", "中", "豈", "\U0002f800", "\U0002b920", "\u0345\u0301",
          "\u0327\u0301", "\u0301\u0327", "\u0e33", "\u302e\u0301", "\u1026", "\u102b", "\U0001d15e", "\U00011131\U00011127",
          "a\u0301\u0327\u0323", "\u00b7", "\ufffd", "\0", "\x7f", "\u0085", "\u00ad", "a" * 20, "é" * 20, "\u0301" * 40,
          "\u0323\u0301" * 30, "the quick brown", "Привет", "日本語", "한국어", "हिन्दी", "ไทย", "العربية", "Việt Nam", "¨", "´"]
# Rules that delete, lengthen, overlap and begin in the middle of clusters.
OWN_RULES = [("a", "bc"), ("ab", ""), ("é", ""), ("e\u0301", "E"), ("\u0301", "x"), ("①", "1"), ("ff", "f f"), ("x", " "),
             ("👍", "+1+1"), ("👍🏽", "u"), ("\r\n", "\n"), ("한", "\u1112\u1161\u11ab"), ("क", "k"), ("\u200d", ""), ("q", " ab "),
             ("the", "  "), ("日本", "jp"), ("\u3000", " "), ("\u0915\u094d", "KK"), ("e\u0301\u0327", "EEEEE")]


class Texts:
    def __init__(self, seed, words):
        self.random, self.words = random.Random(seed), words

    def code_point(self):
        first, last = self.random.choice(RANGES)
        while True:
            code = self.random.randint(first, last)
            if not 0xD800 <= code <= 0xDFFF:
                return chr(code)

    def piece(self):
        pick = self.random.random()
        if pick < .3:
            return self.random.choice(self.words)
        if pick < .6:
            return self.random.choice(PIECES)
        if pick < .8:
            return "".join(self.code_point() for _ in range(self.random.randint(1, 6)))
        first, last = self.random.choice(RANGES)  # Neighbours in one script.
        codes = [self.random.randint(first, last) for _ in range(self.random.randint(2, 8))]
        return "".join(chr(code) for code in codes if not 0xD800 <= code <= 0xDFFF)

    def text(self):
        between = self.random.choice(["", "", " ", " ", "\n"])
        length = self.random.randint(0, 10) if self.random.random() < .99 else self.random.randint(50, 400)
        return between.join(self.piece() for _ in range(length))


def words_of(maps):
    """Sources and results of rules, and words of real text."""
    words = []
    for rules in maps:
        words += [source for source, _ in rules[::37]] + [result for _, result in rules[::59] if result]
    return words + "It was the best of times, it was the WORST of times; naïve café — “x”… 25 °C".split()


def charsmap_of(spec):
    """The charsmap in a NormalizerSpec: field 2 of its protobuf."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = spec[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value
    while at < len(spec):
        key = varint()
        if key & 7 == 0:
            varint()
        else:
            size = varint()
            if key >> 3 == 2:
                return spec[at:at + size]
            at += size
    return b""


class Map:
    """A charsmap in all its forms: a file for us, a blob and an object for the references."""

    def __init__(self, spm, scratch, name, **source):
        self.source = source
        normalizer = spm.SentencePieceNormalizer(**source)
        self.rules = normalizer.Decompile()
        self.blob = charsmap_of(normalizer.serialized_normalizer_spec())
        self.path = os.path.join(scratch, name)
        with open(self.path, "wb") as file:
            file.write(self.blob)


class Driver:
    def __init__(self, program):
        self.program = program

    def answer(self, steps, texts):
        """(bytes, spans in bytes) of each text."""
        batch = b"".join(struct.pack("<I", len(text)) + text for text in texts)
        done = subprocess.run([self.program, "spans", *steps], input=batch, stdout=subprocess.PIPE, timeout=300)
        if done.returncode != 0:
            raise SystemExit(f"{steps} ended with {done.returncode}")
        answers, at = [], 0
        for _ in texts:
            size, = struct.unpack_from("<I", done.stdout, at)
            at += 4
            numbers = struct.unpack_from(f"<{2 * size}I", done.stdout, at + size)
            answers.append((done.stdout[at:at + size], list(zip(numbers[::2], numbers[1::2]))))
            at += 9 * size
        return answers


class Steps:
    """Random sequences: what the driver is told and what the reference does."""

    def __init__(self, tokenizers, maps, seed):
        self.tokenizers, self.normalizers, self.maps = tokenizers, tokenizers.normalizers, maps
        self.random = random.Random(seed)
        self.precompiled = [self.normalizers.Precompiled(one.blob) for one in maps]

    def bert(self):
        clean, chinese, lower = (self.random.random() < .5 for _ in range(3))
        accents = self.random.choice([None, False, True])
        strips = lower if accents is None else accents
        flags = "C" * clean + "H" * chinese + "A" * strips + "L" * lower
        return "bert:" + flags, self.normalizers.BertNormalizer(
            clean_text=clean, handle_chinese_chars=chinese, strip_accents=accents, lowercase=lower)

    def strip(self):
        left, right = self.random.random() < .7, self.random.random() < .7
        return "strip:" + "L" * left + "R" * right, self.normalizers.Strip(left=left, right=right)

    def replace(self):
        """No properties of characters: our Oniguruma may know another Unicode than the reference's."""
        content = self.random.choice(["", "x", "\u2581", "ab", "é\u0301", " "])
        hexed = content.encode().hex()
        if self.random.random() < .5:
            literal = self.random.choice([" ", "\u2581", "a", "e\u0301", "\u0301", "``", "ab", "the", "日"])
            return f"literal:{literal.encode().hex()}:{hexed}", self.normalizers.Replace(literal, content)
        regex = self.random.choice([r"\s+", r" {2,}", r"[a-m]", "[\u0300-\u036f]+", r"(?<=a)b|c", r"[0-9]{1,3}", r"\.$",
                                    r"(?:x|y)+?"])
        return (f"regex:{regex.encode().hex()}:{hexed}",
                self.normalizers.Replace(self.tokenizers.Regex(regex), content))

    def last_replace(self):
        """Matches of nothing: later steps of the reference do not survive one at the start."""
        regex = self.random.choice([r"^", r"\s*", r"(?=a)", r"$", r"x*", r"(?<=[a-m])"])
        content = self.random.choice(["", "x", "\u2581 "])
        return (f"regex:{regex.encode().hex()}:{content.encode().hex()}",
                self.normalizers.Replace(self.tokenizers.Regex(regex), content))

    def prepend(self):
        content = self.random.choice(["\u2581", " ", "abc", "\u0301"])
        return "prepend:" + content.encode().hex(), self.normalizers.Prepend(content)

    def one(self):
        pick, n = self.random.random(), self.normalizers
        if pick < .2:
            index = self.random.randrange(len(self.maps))
            return "precompiled:" + self.maps[index].path, self.precompiled[index]
        if pick < .3:
            return self.bert()
        if pick < .4:
            return self.replace()
        if pick < .45:
            return self.prepend()
        if pick < .5:
            return self.strip()
        return self.random.choice([("nfc", n.NFC()), ("nfd", n.NFD()), ("nfkc", n.NFKC()), ("nfkd", n.NFKD()),
                                   ("nfc", n.NFC()), ("nfkc", n.NFKC()), ("lowercase", n.Lowercase()), ("nmt", n.Nmt()),
                                   ("strip_accents", n.StripAccents()), ("byte_level", n.ByteLevel())])

    def sequence(self):
        steps = [self.one() for _ in range(self.random.choice([1, 1, 1, 2, 2, 3, 4]))]
        if self.random.random() < .05:
            steps.append(self.last_replace())
        elif self.random.random() < .02:
            steps.append(("prepend:", self.normalizers.Prepend("")))
        return [ours for ours, _ in steps], self.normalizers.Sequence([theirs for _, theirs in steps])


def make_asker(tokenizers):
    """Bytes and, of each character, where it came from in characters of the text; None after a panic."""
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel({"?": 0}, unk_token="?"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.FixedLength(length=1)

    def ask(normalizer, texts):
        tokenizer.normalizer = normalizer
        answers = []
        for text in texts:
            try:
                answers.append((normalizer.normalize_str(text), tokenizer.encode(text).offsets))
            except BaseException as error:  # pylint: disable=broad-except
                if type(error).__name__ != "PanicException":
                    raise
                answers.append(None)
        return answers
    return ask


def places_of(text):
    """Byte -> number of the character that begins there."""
    places, at = {}, 0
    for number, char in enumerate(text):
        places[at] = number
        at += len(char.encode())
    places[at] = len(text)
    return places


def complain(steps, text, got, want):
    print(f"{steps}: {text[:200]!r}\n  ours {got!r}\n  want {want!r}"[:4000], file=sys.stderr)


def compare(steps, texts, ours, theirs):
    wrong = panics = 0
    for text, (got, spans), want in zip(texts, ours, theirs):
        if want is None:
            panics += 1
            continue
        places, at, offsets = places_of(text), 0, []
        for char in got.decode():
            width = len(char.encode())
            same = spans[at:at + width] == [spans[at]] * width
            offsets.append((places[spans[at][0]], places[spans[at][1]]) if same else None)
            at += width
        if (got.decode(), offsets) != want:
            wrong += 1
            if wrong <= 2:
                complain(steps, text, (got.decode(), offsets), want)
    return wrong, panics


def run_reference(tokenizers, driver, maps, count, seed):
    steps, texts = Steps(tokenizers, maps, seed), Texts(seed + 1, words_of(one.rules for one in maps))
    ask = make_asker(tokenizers)
    done = wrong = panics = 0
    while done < count:
        batch = [texts.text() for _ in range(min(BATCH, count - done))]
        ours, normalizer = steps.sequence()
        try:
            found = compare(ours, batch, driver.answer(ours, [text.encode() for text in batch]), ask(normalizer, batch))
        except KeyError as error:
            raise SystemExit(f"{ours}: a span that is not at a character: {error}") from error
        wrong, panics, done = wrong + found[0], panics + found[1], done + len(batch)
    return done, wrong, panics


def trained(spm, **options):
    model = io.BytesIO()
    sentences = ["hello world this is a test", "another line of it", "naïve café"] * 20
    spm.SentencePieceTrainer.train(sentence_iterator=iter(sentences), model_writer=model, vocab_size=60, minloglevel=5,
                                   hard_vocab_limit=False, **options)
    return spm.SentencePieceProcessor(model_proto=model.getvalue())


def sentencepiece_kinds(spm, maps, chooser):
    """(what the driver is told, a function from text to text and offsets), without end."""
    by_name = {one.source.get("rule_name"): one for one in maps}
    models = []
    for suffix in (False, True):
        for piece in ("", "  x", "é"):
            for rule in ("nmt_nfkc", "identity"):
                flags = dict(add_dummy_prefix=chooser.random() < .7, remove_extra_whitespaces=chooser.random() < .7)
                model = trained(spm, treat_whitespace_as_suffix=suffix, normalization_rule_name=rule,
                                user_defined_symbols=[piece] if piece else [], **flags)
                letters = "D" * flags["add_dummy_prefix"] + "X" * flags["remove_extra_whitespaces"] + "E" + "S" * suffix
                path = by_name[rule].path if rule in by_name else ""
                models.append((f"sentencepiece:{letters}:{path}:{piece.encode().hex()}", model.Normalize))
    while True:
        if chooser.random() < .5:
            yield chooser.choice(models)
            continue
        one = chooser.choice(maps)
        flags = [chooser.random() < .5 for _ in range(3)]
        normalizer = spm.SentencePieceNormalizer(add_dummy_prefix=flags[0], escape_whitespaces=flags[1],
                                                 remove_extra_whitespaces=flags[2], **one.source)
        letters = "D" * flags[0] + "E" * flags[1] + "X" * flags[2]
        yield f"sentencepiece:{letters}:{one.path}:", normalizer.Normalize


def run_sentencepiece(spm, driver, maps, count, seed):
    texts = Texts(seed + 2, words_of(one.rules for one in maps))
    kinds = sentencepiece_kinds(spm, maps, random.Random(seed + 3))
    done = wrong = 0
    while done < count:
        step, normalize = next(kinds)
        batch = [texts.text() for _ in range(min(BATCH, count - done))]
        for text, (got, spans) in zip(batch, driver.answer([step], [text.encode() for text in batch])):
            places, at, offsets = places_of(text), 0, []
            for char in got.decode():
                offsets.append(places[spans[at][0]])
                at += len(char.encode())
            want = normalize(text, with_offsets=True)
            # Where the last one ends; and every byte ends where the next begins.
            last = [places[spans[-1][1]]] if spans else list(want[1][-1:])
            joined = all(spans[i][1] == spans[i + 1][0] for i in range(len(spans) - 1))
            if (got.decode(), offsets + last) != (want[0], list(want[1])) or not joined:
                wrong += 1
                if wrong <= 5:
                    complain(step, text, (got.decode(), offsets + last, joined), want)
        done += len(batch)
    return done, wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--count", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    tokenizers = find_reference()
    try:
        import sentencepiece as spm
    except ImportError:
        spm = None
    if not tokenizers or not spm:
        print(f"skipped: tokenizers {WANTED_VERSION} or sentencepiece is not there")
        print("0 passed, 0 failed, 1 skipped")
        return 0
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    spm.set_min_log_level(3)
    driver = Driver(os.path.abspath(options.program))
    with tempfile.TemporaryDirectory() as scratch:
        maps = [Map(spm, scratch, name, rule_name=name) for name in ("nmt_nfkc", "nfkc", "nmt_nfkc_cf", "nfkc_cf")]
        maps.append(Map(spm, scratch, "own", norm_map=OWN_RULES))
        done, wrong, panics = run_reference(tokenizers, driver, maps, options.count * 3 // 4, options.seed)
        more, more_wrong = run_sentencepiece(spm, driver, maps, options.count // 4, options.seed)
    print(f"{done} texts through steps, {wrong} differ, {panics} left out where the reference panics; {more} through"
          f" SentencePiece's normaliser, {more_wrong} differ; seed {options.seed}")
    wrong += more_wrong
    print(f"{int(wrong == 0)} passed, {int(wrong > 0)} failed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
