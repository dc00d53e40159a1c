"""Talks to build/*/tests/token_driver: what ftpipe's tokenizers make of texts."""

import struct
import subprocess

TYPE_IDS, OFFSETS, WORD_IDS, SPECIAL_MASK, ATTENTION, SEQUENCE = 1, 2, 4, 8, 16, 32
NAMES = [(TYPE_IDS, "type_ids"), (OFFSETS, "offsets"), (WORD_IDS, "word_ids"), (SPECIAL_MASK, "special_tokens_mask"),
         (ATTENTION, "attention_mask"), (SEQUENCE, "sequence_ids")]
TRUNCATE = {"right": 0, "left": 1, None: 2}
STRATEGY = {"longest_first": 0, "only_first": 1, "only_second": 2}
SPECIAL = {"parse": 0, "text": 1, "error": 2}


def request(op, texts, columns=0, add_special=False, special="parse", max_length=0, truncation=None,
            strategy="longest_first", windows=False, stride=0, pad_to=0):
    head = struct.pack("=10I", op, columns, add_special, SPECIAL[special], max_length, TRUNCATE[truncation],
                       STRATEGY[strategy], windows, stride, pad_to)
    return head + b"".join(struct.pack("=I", len(text)) + text for text in texts)


def encode(text, **options):
    return request(0, [text.encode()], **options), options.get("columns", 0)


def plain(text, **options):
    """By the interpreter, without fast paths."""
    return request(4, [text.encode()], **options), options.get("columns", 0)


def ids(text, **options):
    """By the coder, with its fast paths."""
    return request(3, [text.encode()], **options), "ids"


def pair(a, b, **options):
    return request(1, [a.encode(), b.encode()], **options), options.get("columns", 0)


def decode(ids, keep_special=True):
    return request(2, [struct.pack("=%di" % len(ids), *ids)], add_special=keep_special), None


class Answers:
    def __init__(self, data):
        self.data, self.at = data, 0

    def numbers(self, count):
        found = struct.unpack_from("=%di" % count, self.data, self.at)
        self.at += 4 * count
        return list(found)

    def text(self):
        size, = self.numbers(1)
        self.at += size
        return self.data[self.at - size:self.at].decode()

    def next(self, columns):
        """A list of windows (dictionaries), a text (of decode), ids (of ids), or an Error."""
        if self.numbers(1)[0]:
            return Error(self.text())
        if columns is None:
            return self.text()
        if columns == "ids":
            self.numbers(self.numbers(1)[0])
            return self.numbers(self.numbers(1)[0])
        ends = self.numbers(self.numbers(1)[0])
        count, = self.numbers(1)
        made = {"ids": self.numbers(count)}
        for bit, name in NAMES:
            if columns & bit:
                made[name] = self.numbers(count * (1 + (bit == OFFSETS)))
        if "offsets" in made:
            flat = made["offsets"]
            made["offsets"] = [list(span) for span in zip(flat[::2], flat[1::2])]
        starts = [0] + ends[:-1]
        return [{name: column[start:end] for name, column in made.items()} for start, end in zip(starts, ends)]


class Error(str):
    pass


def ask(program, tokenizer, requests, timeout=600, compiled=False):
    """The answers to a list of what encode, pair and decode give."""
    done = subprocess.run([program, tokenizer] + ["compiled"] * compiled, input=b"".join(one for one, _ in requests),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout)
    if done.returncode != 0:
        raise RuntimeError("%s %s ended with %d: %s" % (program, tokenizer, done.returncode,
                                                        done.stderr.decode(errors="replace")[-2000:]))
    answers = Answers(done.stdout)
    return [answers.next(columns) for _, columns in requests]
