#!/usr/bin/env python3
"""Our pre-tokenizers' cuts and offsets against tokenizers 0.23.3, on seeded random texts.

    tests/fuzz_pretokenize.py PROGRAM [--count N] [--seed N] [--only WORD] [--short]

PROGRAM is bench_pretokenize, which answers words on a pipe. Every step with each of its fields, every split behaviour
with literals, known and unknown expressions, random sequences of steps, and every grammar, whose vectors the program
itself compares with its plain matcher. One difference fails. Also, without --short: texts of 1 MB of one character, in
bounded time.

Skips (exit status 0, and says so) where the reference is not installed: the environment of the peers is looked for in
$FTPIPE_PEERS, then ~/.cache/ftpipe-peers.
"""

import argparse
import os
import random
import struct
import subprocess
import sys
import time

WANTED_VERSION = "0.23.3"
BEHAVIORS = ["removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"]
FOLDED = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
CASED = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+%s|"
         r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*%s|")
WHITE = r"\s*[\r\n]+|\s+(?!\S)|\s+"
DEEPSEEK = [r"\p{N}{1,3}", "[一-龥\u3040-ゟ゠-ヿ]+",
            "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+|"
            " ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"]
# The expressions that have a grammar.
GRAMMARS = {
    "gpt2": r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "gpt2 shorter": r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "gpt2 possessive": r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s",
    "cl100k": FOLDED + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|" + WHITE,
    "cl100k shorter": r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|"
                      r"\s*[\r\n]|\s+(?!\S)|\s+",
    "cl100k of tiktoken": r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*+|"
                          r"\s++$|\s*[\r\n]|\s+(?!\S)|\s",
    "qwen2": FOLDED + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|" + WHITE,
    "qwen3.5": FOLDED + r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|" + WHITE,
    "o200k": CASED % (FOLDED + "?", FOLDED + "?") + r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|" + WHITE,
    "tekken": CASED % ("", "") + r"\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|" + WHITE,
    "deepseek": DEEPSEEK[2],
    "clip": r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+",
}
TIKTOKEN = (r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|"
            r"\s*[\r\n]|\s+(?!\S)|\s")
RUNS = [r"\s+", r"\s", r"\p{N}+", r"\p{N}{1,3}", r"\p{N}", r"\p{L}+", " ", " +", " {2,}", "[0-9]", "[0-9]+",
        "[0-9][0-9][0-9]", "[0-9]{1,3}", "\n", r"\n", "[\r\n]", r"[\r\n]", DEEPSEEK[1]]
# These go to Oniguruma; only with characters that its Unicode has too.
UNKNOWN = [r"[aeiou]", r"a*", r"(?=[A-Z])", r"\b", r"^.", r".$", r"\d+|\w", r"(?<=e)[^e]*", r"\h{2}", r"x?", r"(a|b)\1",
           r"\p{Lu}\p{Ll}*", r"[^\s]+\s?", r"\s?\p{L}+|[,.!?]", r"\s+$", r"(?i:ss)", r"\R", r"\X"]
LITERALS = [" ", "a", "ab", "aa", "\n", ".", "--", "中", "é", "", "▁", "'s", "(", "a.b", "x#y", "\\"]
ODD = ["ſ", "'ſ", "'ſe", "K", "ǅ", "ʰ", "ª", "中", "文", "あ", "ー", "゠", "・", "゛", "\u3097", "\u3040", "가", "é", "ß", "İ",
       "Σ", "\u0301", "\u0345", "\u20dd", "½", "²", "٣", "Ⅷ", "〇", "\U00011de0", "\U00016ff4", "\U0001d7d8", "😀", "👩‍👩‍👧", "€",
       "“", "”", "’", "—", "…", "«", "\x85", "\xa0", "\xad", "\u1680", "\u2003", "\u2028", "\u3000", "\u200b", "\u200d",
       "\ufeff", "\ufffd", "\U0010ffff", "\ue000", "\u0378", "\u180e", "\x00", "\x01", "\x1c", "\x1f", "\x7f", "\x0b",
       "\x0c", "▁", "Ж", "ж", "א", "ا", "ก", "ა", "Ა", "𐐀", "𐐨", "ꙁ", "ﬁ", "Å", "\u1c89", "\U00010d4a", "\ua7cb"]
WORDS = ["the", "of", "and", "to", "in", "HTTP", "parseHTML", "XMLHttp", "don't", "it's", "we're", "I'VE", "she'll",
         "I'd", "I'm", "'tis", "'S", "'Re", "a's't", "x'll've", "''s", "!'s", "'", "''", "100", "1234567", "3.14", "1st",
         "B2B", "foo_bar", "a/b", "//", "/\n/", "!\n/x", "http://x.y/z?q=1", "...", "!!", "!x", "(a)", "$5", "<|x|>",
         "\n", "\n\n", "\r\n", " \n ", "\n  \n", "\t", "  ", "   ", "\n\t", ".\n", ". \n\n ", "!\r\n\t", "- ", "#", "=="]


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


class Texts:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def code_point(self):
        pick = self.random.random()
        top = 0x80 if pick < .3 else 0x250 if pick < .5 else 0x3100 if pick < .7 else 0x10000 if pick < .85 else 0x20000
        top = top if pick < .97 else 0x110000
        while True:
            code = self.random.randrange(top)
            if not 0xD800 <= code <= 0xDFFF:
                return chr(code)

    def piece(self, odd):
        pick = self.random.random()
        if pick < .45:
            return self.random.choice(WORDS)
        if pick < .6:
            return self.random.choice(["a", "B", " ", " ", "1", "'", "s", "l", "\n", "/", ".", "E", "e", "\t", "\r", "ll"])
        if pick < .7:
            return chr(self.random.randrange(0x20, 0x7f))
        if odd < .5:
            return self.random.choice(WORDS)
        if pick < .85:
            return self.random.choice(ODD)
        return self.code_point()

    def text(self):
        odd, size = self.random.random(), self.random.random()
        between = self.random.choice([" ", " ", " ", "", "", "\n"])
        length = self.random.randrange(1, 12) if size < .8 else self.random.randrange(12, 60)
        if size > .995:
            length = self.random.randrange(100, 400)
        text = between.join(self.piece(odd) for _ in range(length))
        if self.random.random() < .05:
            text += self.random.choice([" ", "a", "\n", "1", "!", "é", "A"]) * self.random.randrange(1, 200)
        return text


class Oldest(Texts):
    """No characters that Unicode 14 has not; none of which case folding is more than one character."""

    def code_point(self):
        return chr(self.random.choice([self.random.randrange(0x80), self.random.randrange(0xa0, 0x250),
                                       self.random.randrange(0x4e00, 0x9000)]))

    def piece(self, odd):
        piece = super().piece(odd)
        return piece if all(c < "\u0250" or "\u4e00" <= c < "\u9000" for c in piece) else "é"


def hexed(text):
    return text.encode().hex()


class Cases:
    """(name, the reference's pre-tokenizer, our steps, kind of texts)."""

    def __init__(self, tokenizers, seed):
        self.pre, self.regex, self.random = tokenizers.pre_tokenizers, tokenizers.Regex, random.Random(seed)

    def split(self, regex, source, behavior, invert):
        pattern = self.regex(source) if regex else source
        step = f"split:{'regex' if regex else 'literal'}:{hexed(source)}:{BEHAVIORS.index(behavior)}:{int(invert)}"
        return self.pre.Split(pattern, behavior, invert), [step]

    def simple(self):
        pre = self.pre
        yield pre.BertPreTokenizer(), ["bert"]
        yield pre.Whitespace(), ["whitespace"]
        yield pre.WhitespaceSplit(), ["white_split"]
        yield pre.UnicodeScripts(), ["scripts"]
        for flag in (False, True):
            yield pre.Digits(flag), [f"digits:{int(flag)}"]
            for regex in (False, True):
                yield pre.ByteLevel(flag, use_regex=regex), [f"byte_level:{int(flag)}:{int(regex)}"]
        for char in " ae\n中é":
            yield pre.CharDelimiterSplit(char), [f"delimiter:{hexed(char)}"]
        for number, scheme in enumerate(["always", "first", "never"]):
            for split in (False, True):
                for char in "▁_a":
                    yield (pre.Metaspace(char, prepend_scheme=scheme, split=split),
                           [f"metaspace:{hexed(char)}:{number}:{int(split)}"])
        for number, behavior in enumerate(BEHAVIORS):
            yield pre.Punctuation(behavior), [f"punctuation:{number}"]
        for length in (1, 2, 5, 100):
            yield pre.FixedLength(length), [f"length:{length}"]

    def splits(self):
        for invert in (False, True):
            for behavior in BEHAVIORS:
                for source in LITERALS:
                    yield self.split(False, source, behavior, invert)
                for source in RUNS + list(GRAMMARS.values()):
                    yield self.split(True, source, behavior, invert)

    def unknown(self):
        for source in UNKNOWN:
            for behavior in BEHAVIORS:
                yield self.split(True, source, behavior, self.random.random() < .5)

    def sequences(self, count):
        singles = list(self.simple()) + list(self.splits())
        for _ in range(count):
            chosen = [self.random.choice(singles) for _ in range(self.random.randrange(2, 5))]
            yield self.pre.Sequence([one for one, _ in chosen]), [step for _, steps in chosen for step in steps]

    def grammars(self):
        letters = self.pre.ByteLevel(False, use_regex=False)
        last = "byte_level:0:0"
        yield "gpt2", self.pre.ByteLevel(False, use_regex=True), ["byte_level:0:1"]
        yield ("starcoder", self.pre.Sequence([self.pre.Digits(True), self.pre.ByteLevel(False, use_regex=True)]),
               ["digits:1", "byte_level:0:1"])
        for name, source in GRAMMARS.items():
            one, steps = self.split(True, source, "isolated", False)
            yield name, self.pre.Sequence([one, letters]), [*steps, last]
        one, steps = self.split(True, GRAMMARS["o200k"], "removed", True)
        yield "o200k inverted", self.pre.Sequence([one, letters]), [*steps, last]
        three = [self.split(True, source, "isolated", False) for source in DEEPSEEK]
        yield ("deepseek-v3", self.pre.Sequence([one for one, _ in three] + [letters]),
               [step for _, steps in three for step in steps] + [last])


def answers(program, mode, steps, texts):
    batch = b"".join(struct.pack("<I", len(text)) + text for text in texts)
    done = subprocess.run([program, mode, *steps], input=batch, stdout=subprocess.PIPE, timeout=600)
    if done.returncode != 0:
        print(f"{[program, mode, *steps]} ended with {done.returncode}", file=sys.stderr)
    return done.stdout


def expected(text, pieces):
    """The answer for one text, as the program writes it."""
    out = [struct.pack("<I", len(pieces))]
    if text.isascii():
        for piece, (start, end) in pieces:
            piece = piece.encode()
            out.append(struct.pack("<3I", start, end, len(piece)) + piece)
        return b"".join(out)
    places = [0]
    for char in text:
        places.append(places[-1] + len(char.encode()))
    for piece, (start, end) in pieces:
        piece = piece.encode()
        out.append(struct.pack("<3I", places[start], places[end], len(piece)) + piece)
    return b"".join(out)


def parse(data, at):
    count, = struct.unpack_from("<I", data, at)
    at, words = at + 4, []
    for _ in range(count):
        start, end, size = struct.unpack_from("<3I", data, at)
        words.append((data[at + 12:at + 12 + size].decode(errors="replace"), start, end))
        at += 12 + size
    return words, at


def compare(name, program, mode, steps, texts, wanted):
    """How many texts differ; shows the first ones."""
    got = answers(program, mode, steps, [text.encode() for text in texts])
    want = [expected(text, pieces) for text, pieces in zip(texts, wanted)]
    if got == b"".join(want):
        return 0
    at = wrong = 0
    for text, one in zip(texts, want):
        try:
            words, end = parse(got, at)
        except struct.error:
            print(f"{name}: no answer to {text!r}", file=sys.stderr)
            return wrong + 1
        if got[at:end] != one:
            wrong += 1
            if wrong <= 2:
                print(f"{name}: {text!r}\n  ours {words}\n  want {parse(one, 0)[0]}", file=sys.stderr)
        at = end
    return max(wrong, 1)


def run(tokenizers, program, options):
    cases = Cases(tokenizers, options.seed)
    texts, oldest = Texts(options.seed), Oldest(options.seed)
    onig = subprocess.run([program, "--cut", "split:regex:" + hexed("a|b") + ":0:0"], input=b"",
                          capture_output=True).returncode == 0
    jobs = [(steps[0], one, "--cut", steps, texts, 1) for one, steps in cases.simple()]
    jobs += [(steps[0], one, "--cut", steps, texts, .4) for one, steps in cases.splits()]
    jobs += [("sequence", one, "--cut", steps, texts, .2) for one, steps in cases.sequences(200)]
    jobs += [(name, one, "--words", steps, texts, 12) for name, one, steps in cases.grammars()]
    if onig:
        jobs += [(steps[0], one, "--cut", steps, oldest, .1) for one, steps in cases.unknown()]
    jobs = [job for job in jobs if options.only in " ".join([job[0], job[2], *job[3]])]
    whole, wrong, done = sum(job[5] for job in jobs), 0, 0
    for name, one, mode, steps, source, weight in jobs:
        share = max(1, round(options.count * weight / whole))
        while share > 0:
            batch = [source.text() for _ in range(min(share, 5000))]
            share -= len(batch)
            done += len(batch)
            wrong += compare(name, program, mode, steps, batch, [one.pre_tokenize_str(text) for text in batch])
    if not onig:
        print("skipped: this build is without Oniguruma")
    return done, wrong


def run_tiktoken(program, options):
    """tiktoken's own expression, by Python's package regex; no newer characters than that has."""
    try:
        import regex
    except ImportError:
        return 0, 0
    compiled, source = regex.compile(TIKTOKEN.replace("$", r"\Z"), regex.V1), Oldest(options.seed + 1)
    batch = [source.text() + " \n " * (index % 3) for index in range(max(100, options.count // 50))]
    letters = {byte: char for byte, char in zip(*byte_letters())}
    wanted = []
    for text in batch:
        wanted.append([("".join(letters[byte] for byte in found.group().encode()), found.span())
                       for found in compiled.finditer(text)])
    return len(batch), compare("tiktoken", program, "--words", ["=cl100k-tiktoken"], batch, wanted)


def byte_letters():
    plain = [*range(0x21, 0x7f), *range(0xa1, 0xad), *range(0xae, 0x100)]
    rest = [byte for byte in range(256) if byte not in plain]
    return plain + rest, [chr(byte) for byte in plain] + [chr(0x100 + place) for place in range(len(rest))]


def run_long(program, cases):
    """1 MB of one thing each: linear, so that none takes a second, also on a busy machine with sanitizers."""
    late = 0
    units = ["a", "A", " ", "\n", " \n", "\t", "1", "!", "'", "'s", "/", "\n/", "é", "😀", "中", "あ", "\u0301", "中A", "A中",
             " a", "\x01", "ǅ", "a" * 63 + " "]
    long_texts = [(unit * (1000000 // len(unit.encode()))).encode() for unit in units]
    long_texts += [b"A" * 500000 + b"a" * 500000, ("中" + "A" * 999000).encode(), b" " * 999999 + b"a"]
    for name, _, steps in cases.grammars():
        for mode in ("--cut", "--words"):
            if mode == "--words" and name in ("o200k inverted",):
                continue
            start = time.process_time() + os.times().children_user
            answers(program, mode, steps, long_texts)
            took = time.process_time() + os.times().children_user - start
            if took > 60:
                late += 1
                print(f"{name} {mode}: {len(long_texts)} texts of 1 MB took {took:.1f} s", file=sys.stderr)
    return late


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--count", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="")
    parser.add_argument("--short", action="store_true")
    options = parser.parse_args()
    tokenizers = find_reference()
    if not tokenizers:
        print("skipped: tokenizers " + WANTED_VERSION + " is not there")
        print("0 passed, 0 failed, 1 skipped")
        return 0
    program = os.path.abspath(options.program)
    done, wrong = run(tokenizers, program, options)
    more, differ = (0, 0) if options.only else run_tiktoken(program, options)
    late = 0 if options.only or options.short else run_long(program, Cases(tokenizers, options.seed))
    print(f"{done + more} texts, seed {options.seed}, {wrong + differ} differ, {late} late")
    failed = int(wrong + differ > 0) + int(late > 0)
    print(f"{2 - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
