#!/usr/bin/env python3
"""Our models of tokenizers against the references, word by word: ids and places.

    tests/fuzz_model.py PROGRAM [--count N] [--seed N] [--only NAME] [--time WORDS]

PROGRAM is bench_model, which answers on a pipe. A word goes to the model as it is, without normaliser and
pre-tokeniser: `tokenizers.models.*.tokenize` for what a tokenizer.json holds, tiktoken for a file of ranks,
sentencepiece for a .model. Real vocabularies come from the data folder, others are random: small alphabets, so that
pieces overlap and merges compete, with every option. One difference fails.

--time writes the words of the corpus for each real vocabulary and prints what PROGRAM says of them.

Skips (exit status 0, and says so) where the reference or the data is not installed: the environment of the peers is
looked for in $FTPIPE_PEERS, then ~/.cache/ftpipe-peers.
"""

import argparse
import base64
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
WORDPIECE, BPE, UNIGRAM, WORDLEVEL = range(4)
LISTED, BY_ID, BY_SCORE = range(3)
NORMAL, CONTROL, USER_DEFINED, UNUSED = range(4)
FAILED = 0xFFFFFFFF
TIKTOKEN_PATTERN = (r"""'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|"""
                    r"""\s++$|\s*[\r\n]|\s+(?!\S)|\s""")


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


def import_or_none(name):
    try:
        return __import__(name)
    except ImportError:
        return None


def letters():
    """The letter that stands for each byte in byte-level vocabularies."""
    own = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in own]
    table = {byte: chr(byte) for byte in own}
    table.update({byte: chr(256 + i) for i, byte in enumerate(others)})
    return [table[byte] for byte in range(256)]


LETTERS = letters()


def as_letters(text):
    return "".join(LETTERS[byte] for byte in text.encode())


def text_field(text):
    data = text if isinstance(text, bytes) else text.encode()
    return struct.pack("<I", len(data)) + data


def definition(kind, pieces, unknown=-1, is_bytes=False, fuse_unknown=False, byte_fallback=False, ignore_merges=False,
               single_precision=False, merge_rule=LISTED, max_chars=0, prefix="", suffix="", merges=()):
    """What bench_model reads; pieces are (text, id, kind, score)."""
    flags = (is_bytes * 1 + fuse_unknown * 2 + byte_fallback * 4 + ignore_merges * 8 + single_precision * 16)
    parts = [struct.pack("<IiIII", kind, unknown, flags, merge_rule, max_chars), text_field(prefix), text_field(suffix),
             struct.pack("<I", len(pieces))]
    for text, number, piece_kind, score in pieces:
        parts += [text_field(text), struct.pack("<iId", number, piece_kind, score)]
    parts.append(struct.pack("<I", len(merges)))
    for left, right in merges:
        parts += [text_field(left), text_field(right)]
    return b"".join(parts)


class Case:
    """A vocabulary: our definition, the reference as a function of a word, and where words come from."""

    def __init__(self, name, blob, reference, word, count_share=1.0, has_places=True):
        self.name, self.blob, self.reference, self.word = name, blob, reference, word
        self.count_share, self.has_places = count_share, has_places


class Words:
    """Words of a corpus, mutated, and random ones."""

    def __init__(self, seed, corpus):
        self.random, self.corpus = random.Random(seed), corpus

    def code_point(self):
        pick = self.random.random()
        top = 0x80 if pick < .3 else 0x250 if pick < .5 else 0x3000 if pick < .7 else 0x10000 if pick < .9 else 0x110000
        while True:
            code = self.random.randrange(top)
            if not 0xD800 <= code <= 0xDFFF:
                return chr(code)

    def text(self):
        pick = self.random.random()
        word = self.random.choice(self.corpus)
        if pick < .55:
            return word
        if pick < .7:
            return word + self.text()
        if pick < .8:
            at = self.random.randrange(len(word) + 1)
            return word[:at] + self.code_point() + word[at:]
        if pick < .85:
            return self.random.choice((word.upper(), word.capitalize(), word.lower(), word[::-1])) or "x"
        if pick < .9:
            return self.random.choice((word[:2] or "a", self.code_point())) * self.random.randrange(1, 40)
        if pick < .902:
            return "".join(self.random.choice(self.corpus) for _ in range(self.random.randrange(20, 400)))
        return "".join(self.code_point() for _ in range(self.random.randrange(1, 12)))


def corpus_words():
    """Words with the space in front of them, most of all of them once."""
    seen = {}
    with lzma.open(os.path.join(DATA, "text/corpus.jsonl.xz"), "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            if number % 40 == 0:
                for word in json.loads(line)["text"].split(" "):
                    seen[" " + word] = None
    return list(seen)


def hf_reference(model):
    def reference(word):
        try:
            return [(token.id, *token.offsets) for token in model.tokenize(word)]
        except Exception:  # The reference has no class of its own for it.
            return None
    return reference


def read_json(name):
    path = os.path.join(DATA, "tokenizers", name, "tokenizer.json")
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    with lzma.open(path + ".xz", "rt", encoding="utf-8") as file:
        return json.load(file)


def pairs_of(merges):
    return [tuple(merge) if isinstance(merge, list) else tuple(merge.split(" ")) for merge in merges]


def real_case(tokenizers, name, words, make_word):
    """One of the tokenizer.json files."""
    tokenizer = tokenizers.Tokenizer.from_str(json.dumps(read_json(name)))
    # Written by the reference: its reader rounds scores otherwise than Python's, in the last bit.
    model = json.loads(tokenizer.to_str())["model"]
    if isinstance(model["vocab"], list):
        kind = UNIGRAM
    else:
        kind = {"BPE": BPE, "WordPiece": WORDPIECE}[model.get("type", "BPE" if "merges" in model else "WordPiece")]
    if kind == UNIGRAM:
        pieces = [(text, i, NORMAL, score) for i, (text, score) in enumerate(model["vocab"])]
        unknown = model["unk_id"]
    else:
        pieces = [(text, number, NORMAL, 0.0) for text, number in model["vocab"].items()]
        unknown = model["vocab"].get(model.get("unk_token"), -1)
    blob = definition(kind, pieces, unknown, fuse_unknown=model.get("fuse_unk") or False,
                      byte_fallback=model.get("byte_fallback") or False,
                      ignore_merges=model.get("ignore_merges") or False,
                      max_chars=model.get("max_input_chars_per_word", 0),
                      prefix=model.get("continuing_subword_prefix") or "", suffix=model.get("end_of_word_suffix") or "",
                      merges=pairs_of(model.get("merges", ())))
    return Case(name, blob, hf_reference(tokenizer.model),
                lambda: make_word(words.text()))


def tiktoken_case(tiktoken, words):
    ranks = {}
    with open(os.path.join(DATA, "tokenizers/cl100k_base/cl100k_base.tiktoken"), "rb") as file:
        for line in file:
            text, rank = line.split()
            ranks[base64.b64decode(text)] = int(rank)
    encoding = tiktoken.Encoding("cl100k", pat_str=TIKTOKEN_PATTERN, mergeable_ranks=ranks, special_tokens={})
    sizes = {rank: len(text) for text, rank in ranks.items()}

    def reference(word):
        at, tokens = 0, []
        for number in encoding._encode_single_piece(word):
            tokens.append((number, at, at + sizes[number]))
            at += sizes[number]
        return tokens

    def make_word():
        word = words.text().encode()
        if words.random.random() < .1:
            word = words.random.randbytes(words.random.randrange(1, 20))
        return word
    blob = definition(BPE, [(text, rank, NORMAL, 0.0) for text, rank in ranks.items()], is_bytes=True,
                      merge_rule=BY_ID, ignore_merges=True)
    return Case("cl100k_base.tiktoken", blob, reference, make_word)


def sentencepiece_pieces(processor):
    pieces = []
    for i in range(processor.get_piece_size()):
        kind = (CONTROL if processor.is_control(i) or processor.is_unknown(i) or processor.is_byte(i)
                else UNUSED if processor.is_unused(i) else NORMAL)
        pieces.append((processor.id_to_piece(i), i, kind, processor.get_score(i)))
    return pieces


def sentencepiece_reference(processor, before):
    def reference(word):
        assert word.startswith(before)
        return [(number, 0, 0) for number in processor.encode(word[len(before):])]
    return reference


def plain(word):
    """Without what SentencePiece's normaliser changes."""
    return "".join(c for c in word if c not in " \t\n\r\0\u00a0\u3000\u2581" and c.isprintable()) or "x"


def varint(number):
    out = b""
    while number >= 0x80:
        out += bytes([number & 0x7f | 0x80])
        number >>= 7
    return out + bytes([number])


def read_varint(data, at):
    number = shift = 0
    while True:
        byte = data[at]
        at, number, shift = at + 1, number | (byte & 0x7f) << shift, shift + 7
        if byte < 0x80:
            return number, at


def with_types(model, types):
    """A .model whose pieces of these ids have another type: a field behind the others of the piece's message."""
    out, at, number = b"", 0, 0
    while at < len(model):
        start = at
        tag, at = read_varint(model, at)
        size, at = read_varint(model, at)  # All fields of the outermost message are messages.
        message, at = model[at:at + size], at + size
        if tag >> 3 == 1 and number in types:
            message += b"\x18" + varint(types[number])
            out += varint(tag) + varint(len(message)) + message
        else:
            out += model[start:at]
        number += tag >> 3 == 1
    return out


TYPE_UNUSED = 5


def unused_of(processor, random_, share, user_defined):
    """Some of the pieces that may be: single characters too."""
    return {i: TYPE_UNUSED for i in range(processor.get_piece_size())
            if processor.id_to_piece(i) not in user_defined and not (
                processor.is_control(i) or processor.is_unknown(i) or processor.is_byte(i)) and random_.random() < share}


def train_sentencepiece(sentencepiece, words, kind, **options):
    """The bytes of a .model of the corpus' words."""
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, "text")
        with open(source, "w", encoding="utf-8") as file:
            texts = [plain(words.text()) for _ in range(20000)]
            file.write("\n".join(text for text in texts if max(text) < "\u0250"))
        sentencepiece.SentencePieceTrainer.train(
            input=source, model_prefix=os.path.join(folder, "m"), model_type=kind, vocab_size=1500,
            character_coverage=.985, minloglevel=2, hard_vocab_limit=False, **options)
        with open(os.path.join(folder, "m.model"), "rb") as file:
            return file.read()


def sentencepiece_cases(sentencepiece, words):
    processor = sentencepiece.SentencePieceProcessor(model_file=os.path.join(DATA, "tokenizers/llama2/tokenizer.model"))
    blob = definition(BPE, sentencepiece_pieces(processor), processor.unk_id(), byte_fallback=True, merge_rule=BY_SCORE)
    yield Case("llama2.model", blob, sentencepiece_reference(processor, "\u2581"),
               lambda: "\u2581" + plain(words.text()), has_places=False)
    for number, (kind, fallback, share) in enumerate(
            (k, f, s) for k in ("unigram", "bpe") for f in (False, True) for s in (0, .2)):
        texts = ["ing", "\u00fcber"] + (["x", "th", "the", "in\u00e9", "\u4e2d\u6587"] if kind == "bpe" else [])
        model = train_sentencepiece(sentencepiece, words, kind, byte_fallback=fallback, add_dummy_prefix=False,
                                    normalization_rule_name="identity", user_defined_symbols=texts)
        processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        unused = unused_of(processor, words.random, share, texts)
        processor = sentencepiece.SentencePieceProcessor(model_proto=with_types(model, unused))
        pieces = [(text, i, USER_DEFINED if text in texts else piece_kind, score)
                  for text, i, piece_kind, score in sentencepiece_pieces(processor)]
        blob = definition(UNIGRAM if kind == "unigram" else BPE, pieces, processor.unk_id(), byte_fallback=fallback,
                          single_precision=kind == "unigram", merge_rule=BY_SCORE)
        yield Case(f"sentencepiece {number}", blob, sentencepiece_reference(processor, ""),
                   lambda: plain(words.text()), has_places=False)


class Small:
    """Random vocabularies over few letters."""

    def __init__(self, tokenizers, seed):
        self.tokenizers, self.random = tokenizers, random.Random(seed)

    def alphabet(self):
        return self.random.sample(list("abcd") + ["\u00e9", "\u4e2d", "\U0001f600", "#", "<", "\0"],
                                  self.random.randrange(2, 8))

    def word(self, alphabet, extra):
        pool = alphabet + (["x", "\u00fc", "\u3042"] if self.random.random() < extra else [])
        size = self.random.randrange(1, 30) if self.random.random() < .97 else self.random.randrange(30, 400)
        return "".join(self.random.choice(pool) for _ in range(size))

    def byte_tokens(self):
        """All, none, or some of them."""
        pick = self.random.random()
        if pick < .3:
            return []
        return [f"<0x{byte:02X}>" for byte in range(256) if pick < .7 or self.random.random() < .8]

    def ids(self, count):
        """As they come, mixed, or with holes."""
        pick = self.random.random()
        if pick < .4:
            return list(range(count))
        if pick < .7:
            return self.random.sample(range(count), count)
        return self.random.sample(range(count * 50), count)

    def bpe(self, number):
        alphabet = self.alphabet()
        prefix = self.random.choice(("", "", "", "##", "\u00e9"))
        suffix = self.random.choice(("", "", "", "</w>", "a"))
        texts = [c for c in alphabet if self.random.random() < .9]
        if prefix or suffix:
            texts += [a + c + b for c in alphabet for a in ("", prefix) for b in ("", suffix)
                      if self.random.random() < .9]
        pieces, merges = list(dict.fromkeys(texts)), []
        for _ in range(self.random.randrange(1, 60)):
            if not pieces:
                break
            left, right = self.random.choice(pieces), self.random.choice(pieces)
            if prefix and not right.startswith(prefix):
                continue
            if len(left + right) > 40:
                continue
            merges.append((left, right))
            pieces.append(left + right[len(prefix):])
        if self.random.random() < .3:
            merges += self.random.sample(merges, len(merges) // 3)
        self.random.shuffle(merges)
        unknown = self.random.choice((None, "<unk>"))
        pieces = list(dict.fromkeys(pieces + (["<unk>"] if unknown else []) + self.byte_tokens()))
        vocab = dict(zip(pieces, self.ids(len(pieces))))
        options = dict(fuse_unk=self.random.random() < .5, byte_fallback=self.random.random() < .5,
                       ignore_merges=self.random.random() < .3)
        given = dict(unk_token=unknown, continuing_subword_prefix=prefix, end_of_word_suffix=suffix)
        model = self.tokenizers.models.BPE(vocab, merges, **{name: text for name, text in given.items() if text},
                                           **options)
        blob = definition(BPE, [(text, i, NORMAL, 0.0) for text, i in vocab.items()], vocab.get(unknown, -1),
                          fuse_unknown=options["fuse_unk"], byte_fallback=options["byte_fallback"],
                          ignore_merges=options["ignore_merges"], prefix=prefix, suffix=suffix, merges=merges)
        return Case(f"small BPE {number}", blob, hf_reference(model), lambda: self.word(alphabet, .3))

    def byte_level(self, number):
        pool = [LETTERS[byte] for byte in self.random.sample(range(256), 6)]
        pieces, merges = list(LETTERS), []
        for _ in range(self.random.randrange(1, 80)):
            grown = pieces[256:] + pool
            left, right = self.random.choice(grown), self.random.choice(grown)
            if len(left + right) <= 24:
                merges.append((left, right))
                pieces.append(left + right)
        self.random.shuffle(merges)
        pieces += ["".join(self.random.choice(pool) for _ in range(self.random.randrange(1, 40))) for _ in range(9)]
        pieces = list(dict.fromkeys(pieces))
        vocab = dict(zip(pieces, self.ids(len(pieces))))
        whole = self.random.random() < .5
        blob = definition(BPE, [(text, i, NORMAL, 0.0) for text, i in vocab.items()], ignore_merges=whole,
                          merges=merges)
        words = pieces[256:] or pool
        return Case(f"small byte-level BPE {number}", blob,
                    hf_reference(self.tokenizers.models.BPE(vocab, merges, ignore_merges=whole)),
                    lambda: self.random.choice(words) if self.random.random() < .2 else self.word(pool, 0))

    def unigram(self, number):
        alphabet = self.alphabet()
        scores = self.random.choice(([-1.0, -2.0, -3.0], [0.0, 5.0, -5.0, 100.0], None))
        texts = [c for c in alphabet if self.random.random() < .9]
        texts += [self.word(alphabet, .1)[:self.random.randrange(1, 9)] for _ in range(self.random.randrange(1, 60))]
        texts += self.byte_tokens() + self.random.choices(texts, k=3) if texts else []
        self.random.shuffle(texts)
        vocab = [(text, self.random.choice(scores) if scores else -self.random.random() * 20) for text in texts]
        unknown = self.random.randrange(len(vocab)) if vocab and self.random.random() < .9 else None
        fallback = self.random.random() < .5
        model = self.tokenizers.models.Unigram(vocab, unknown, fallback)
        blob = definition(UNIGRAM, [(text, i, NORMAL, score) for i, (text, score) in enumerate(vocab)],
                          -1 if unknown is None else unknown, byte_fallback=fallback)
        return Case(f"small Unigram {number}", blob, hf_reference(model), lambda: self.word(alphabet, .3))

    def words(self, number):
        alphabet = self.alphabet()
        prefix = self.random.choice(("##", "", "a", "\u00e9"))
        texts = ["<unk>"] if self.random.random() < .8 else []
        for _ in range(self.random.randrange(1, 80)):
            text = self.word(alphabet, .1)[:self.random.randrange(1, 6)]
            texts.append(self.random.choice(("", prefix)) + text)
        texts = list(dict.fromkeys(texts))
        vocab = dict(zip(texts, self.ids(len(texts))))
        pieces = [(text, i, NORMAL, 0.0) for text, i in vocab.items()]
        if number % 2:
            model = self.tokenizers.models.WordLevel(vocab, unk_token="<unk>")
            blob = definition(WORDLEVEL, pieces, vocab.get("<unk>", -1))
            return Case(f"small WordLevel {number}", blob, hf_reference(model), lambda: self.word(alphabet, .1)[:4])
        most = self.random.choice((5, 100))
        model = self.tokenizers.models.WordPiece(vocab, unk_token="<unk>", max_input_chars_per_word=most,
                                                 continuing_subword_prefix=prefix)
        blob = definition(WORDPIECE, pieces, vocab.get("<unk>", -1), prefix=prefix, max_chars=most)
        return Case(f"small WordPiece {number}", blob, hf_reference(model), lambda: self.word(alphabet, .1))

    def cases(self, count):
        for number in range(count):
            make = (self.bpe, self.byte_level, self.unigram, self.words)[number % 4]
            yield make(number // 4)


def run(program, case, count):
    """Returns the number of words that differ."""
    words = [case.word() for _ in range(count)]
    batch = b"".join(text_field(word) for word in words)
    with tempfile.NamedTemporaryFile() as file:
        file.write(case.blob)
        file.flush()
        done = subprocess.run([program, "--split", file.name], input=batch, stdout=subprocess.PIPE, timeout=600)
    if done.returncode != 0:
        print(f"FAIL {case.name}: the program ended with {done.returncode}")
        return 1
    at, different = 0, 0
    for word in words:
        wanted = case.reference(word)
        size, = struct.unpack_from("<I", done.stdout, at)
        at += 4
        got = None
        if size != FAILED:
            numbers = struct.unpack_from(f"<{3 * size}i", done.stdout, at)
            at += 12 * size
            got = [numbers[i:i + 3] for i in range(0, 3 * size, 3)]
        if wanted is not None and not case.has_places:
            wanted, got = [token[0] for token in wanted], got and [token[0] for token in got]
        if wanted != got:
            different += 1
            if different <= 3:
                print(f"FAIL {case.name}: {word[:200]!r}\n  wanted {str(wanted)[:400]}\n  got    {str(got)[:400]}")
    return different


def real_cases(tokenizers, words):
    spaced = lambda word: word.replace(" ", "\u2581")
    yield real_case(tokenizers, "gpt2", words, as_letters)
    yield real_case(tokenizers, "llama3", words, as_letters)
    yield real_case(tokenizers, "cl100k_base", words, as_letters)
    yield real_case(tokenizers, "llama2", words, spaced)
    yield real_case(tokenizers, "t5-small", words, spaced)
    yield real_case(tokenizers, "bert-base-uncased", words, lambda word: word.strip().lower() or "x")
    tiktoken, sentencepiece = import_or_none("tiktoken"), import_or_none("sentencepiece")
    if tiktoken:
        yield tiktoken_case(tiktoken, words)
    if sentencepiece:
        yield from sentencepiece_cases(sentencepiece, words)


def pre_tokenized(tokenizer, name, texts):
    """The words of texts as the model gets them; as bytes where letters stand for bytes."""
    for text in texts:
        if tokenizer.normalizer:
            text = tokenizer.normalizer.normalize_str(text)
        for word, (start, end) in tokenizer.pre_tokenizer.pre_tokenize_str(text):
            yield text[start:end] if name in ("gpt2", "llama3", "cl100k_base") else word


def time_cases(tokenizers, program, folder, cases, path):
    """Times on the words of a file of texts, in their order."""
    with open(path, encoding="utf-8") as file:
        texts = [json.loads(line)["text"] for line in file]
    for case in cases:
        name = case.name.removesuffix(".tiktoken")
        if case.name == "llama2.model" or case.name.startswith("sentencepiece"):
            continue
        if name == "llama2":  # It cuts nothing; we do, in front of each space.
            words = ["\u2581" + word for text in texts for word in text.split(" ")]
        else:
            words = list(pre_tokenized(tokenizers.Tokenizer.from_str(json.dumps(read_json(name))), name, texts))
        definition_path, words_path = os.path.join(folder, "definition"), os.path.join(folder, "words")
        with open(definition_path, "wb") as file:
            file.write(case.blob)
        with open(words_path, "wb") as file:
            for word in words:
                file.write(text_field(word))
        print(f"{case.name}: {len(words)} words, {len(set(words))} different", flush=True)
        subprocess.run([program, definition_path, words_path], check=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--count", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="")
    parser.add_argument("--time", metavar="TEXTS.jsonl")
    arguments = parser.parse_args()
    tokenizers = find_reference()
    if not tokenizers or not os.path.isdir(DATA):
        print("skipped: no reference or no data\n0 passed, 0 failed, 1 skipped")
        return 0
    words = Words(arguments.seed, corpus_words())
    if arguments.time:
        with tempfile.TemporaryDirectory() as folder:
            time_cases(tokenizers, arguments.program, folder, real_cases(tokenizers, words), arguments.time)
        return 0
    failed = passed = total = 0
    # Half of the words to real vocabularies, half to small ones of some 300 words each.
    each = max(arguments.count // 2 // 12, 50)
    smalls = max(arguments.count // 2 // 300, 40)
    for case in real_cases(tokenizers, words):
        if arguments.only in case.name:
            different = run(arguments.program, case, each)
            failed, passed, total = failed + (different > 0), passed + (different == 0), total + each
    for case in Small(tokenizers, arguments.seed).cases(smalls):
        if arguments.only in case.name:
            different = run(arguments.program, case, 300)
            failed, passed, total = failed + (different > 0), passed + (different == 0), total + 300
    print(f"seed {arguments.seed}, {total} words")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
