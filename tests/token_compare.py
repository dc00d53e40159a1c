"""Compares many texts at a time: asks build/*/tests/token_driver and a reference library, both as arrays, side by side."""

import os
import struct
import subprocess
import sys
import zlib

import numpy as np

import token_driver as driver
import token_texts
from token_references import Columns, Turn

LIST = 16
ENCODE, DECODE, IDS, PLAIN = 0 | LIST, 2 | LIST, 3 | LIST, 4 | LIST
COLUMNS = driver.OFFSETS | driver.WORD_IDS
BATCH = 2000
SHOWN = 3


class Error(Exception):
    """What the driver said of the whole list."""


class Driver:
    """One process, asked again and again; one thread at a time may use it."""

    def __init__(self, program, tokenizer, compiled):
        self.process = subprocess.Popen([program, tokenizer] + ["compiled"] * compiled, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        return self.process.wait()

    def numbers(self, count):
        return np.frombuffer(self.bytes(4 * count), dtype=np.int32)

    def bytes(self, size):
        data = self.process.stdout.read(size)
        if len(data) < size:
            raise RuntimeError("%s ended" % self.process.args)
        return data

    def ask(self, op, texts, **options):
        head = driver.request(op, [], **options)
        parts = [head, struct.pack("=I", len(texts))]
        for text in texts:
            parts.append(len(text).to_bytes(4, "little"))
            parts.append(text)
        self.process.stdin.write(b"".join(parts))
        self.process.stdin.flush()
        if self.numbers(1)[0]:
            raise Error(self.bytes(int(self.numbers(1)[0])).decode())
        return self.numbers(int(self.numbers(1)[0]))

    def encode(self, texts, op=ENCODE, **options):
        ends = self.ask(op, texts, columns=COLUMNS, **options)
        count = int(self.numbers(1)[0])
        return Columns(ends, self.numbers(count), self.numbers(2 * count), self.numbers(count))

    def ids(self, texts, **options):
        ends = self.ask(IDS, texts, **options)
        return Columns(ends, self.numbers(int(self.numbers(1)[0])))

    def decode(self, lists, keep_special):
        """Texts as bytes."""
        ends = self.ask(DECODE, [np.asarray(ids, dtype=np.int32).tobytes() for ids in lists],
                        add_special=keep_special).tolist()
        data = self.bytes(ends[-1] if ends else 0)
        return [data[start:end] for start, end in zip([0] + ends, ends)]


def in_characters(texts, columns):
    """Offsets in bytes as offsets in characters, and whether each stands between two of these."""
    blob = np.frombuffer(b"".join(texts) + b"\0", dtype=np.uint8)
    begins = (blob & 0xc0) != 0x80
    numbers = np.cumsum(begins, dtype=np.int32) - 1  # Of the character at each byte.
    sizes = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    firsts = np.repeat(np.cumsum(sizes) - sizes, 2 * np.diff(columns.ends, prepend=0))
    places = firsts + columns.offsets
    return numbers[places] - numbers[firsts], begins[places]


class Comparison:
    """One of our files against its reference."""

    def __init__(self, program, case, path, compiled):
        self.case, self.path, self.wrong = case, path, 0
        self.driver = Driver(program, path, compiled)

    def close(self):
        if self.driver.close() != 0:
            self.wrong += 1
            print("%s: the driver failed at its end" % self.path, file=sys.stderr)

    def fail(self, what, text, want, got):
        self.wrong += 1
        if self.wrong <= SHOWN:
            print("%s (%s): %s of %r\n  want %.600s\n  ours %.600s" % (
                self.case.name, os.path.basename(self.path), what, text if len(text) < 300 else text[:300] + "...", want, got),
                file=sys.stderr, flush=True)

    def encode(self, texts, options):
        """All ways to encode: in a thread of its own while the reference works."""
        return [self.attempt(self.driver.encode, texts, **options), self.attempt(self.driver.ids, texts, **options),
                self.attempt(self.driver.encode, texts, op=PLAIN, **options)]

    def attempt(self, call, *arguments, **options):
        try:
            return call(*arguments, **options)
        except Error as error:
            return error

    def check(self, texts, encoded, want, answers):
        fast, _, plain = answers
        if not isinstance(fast, Error) and not isinstance(plain, Error):
            for name in ("ids", "offsets", "words"):
                self.check_column(name, " against the interpreter's", texts, plain, fast)
        for how, got, names in zip(("", " by the coder", " by the interpreter"), answers,
                                   (self.case.reference.columns, ("ids",), self.case.reference.columns)):
            if isinstance(got, Error):
                self.fail("failure" + how, "", "", got)
                continue
            if "offsets" in names:
                got.offsets, is_between = in_characters(encoded, got)
                if not np.all(is_between):
                    self.fail("offsets inside of characters", texts[int(np.searchsorted(
                        got.ends, np.argmin(is_between) // 2, side="right"))], "", "")
            for name in names:
                self.check_column(name, how, texts, want, got)

    def check_column(self, name, how, texts, want, got):
        if np.array_equal(want.ends, got.ends) and np.array_equal(getattr(want, name), getattr(got, name)):
            return
        for i, text in enumerate(texts):
            if want.one(name, i) != got.one(name, i):
                self.fail(name + how, text, want.one(name, i), got.one(name, i))

    def check_decoded(self, ids, want, keep_special):
        got = self.attempt(self.driver.decode, ids, keep_special)
        if isinstance(got, Error):
            self.fail("failure to decode", "", "", got)
            return
        for one, expected, found in zip(ids, want, got):
            if expected.encode() != found:
                self.fail("decoded", str(one), expected, found.decode())


def run_batch(case, comparisons, pool, texts, turn, number):
    encoded = [text.encode() for text in texts]
    case.reference.settle(turn)
    options = dict(special=turn.special, add_special=turn.add_special)
    pending = [pool.submit(one.encode, encoded, options) for one in comparisons]
    ids, want = case.reference.encode(texts, turn)
    for one, answers in zip(comparisons, pending):
        one.check(texts, encoded, want, answers.result())
    if turn.random_ids:
        ids = case.reference.random_ids(ids, number)
    decoded = case.reference.decode(ids, turn.keep_special)
    for one in comparisons:
        one.check_decoded(ids, decoded, turn.keep_special)


def run(case, program, count, seed, corpus, pool, compiled=False):
    """(texts, differences)"""
    seed = zlib.crc32(case.name.encode()) ^ seed
    texts = token_texts.Texts(seed, case.words, case.added, corpus)
    comparisons = [Comparison(program, case, path, compiled) for path in case.paths]
    size, done = min(BATCH, count // 8 + 1), 0
    while done < count:
        batch = texts.batch(min(size, count - done))
        run_batch(case, comparisons, pool, batch, Turn(done // size), seed + done)
        done += len(batch)
    for one in comparisons:
        one.close()
    return done, sum(one.wrong for one in comparisons)
