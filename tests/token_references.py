"""The reference libraries behind one face, and the tokenizers that are compared with them (fuzz_tokenizers.py)."""

import base64
import importlib
import itertools
import json
import lzma
import os
import random

import numpy as np

import fuzz_model
from fuzz_pretokenize import DEEPSEEK, GRAMMARS
from fuzz_tokenize import ADDED, read, with_added, words_of
from token_texts import DATA

ALL = ("ids", "offsets", "words")


def flat(lists):
    return np.fromiter(itertools.chain.from_iterable(lists), dtype=np.int32)


def ends_of(lists):
    return np.cumsum(np.fromiter(map(len, lists), dtype=np.int32, count=len(lists)), dtype=np.int32)


class Columns:
    """Of all texts end to end: ids and, where asked for, two offsets and the word of each; `ends` is by text."""

    def __init__(self, ends, ids, offsets=None, words=None):
        self.ends, self.ids, self.offsets, self.words = ends, ids, offsets, words

    def one(self, name, i):
        """What the text number i has in a column, as a list."""
        start, end = (0 if i == 0 else int(self.ends[i - 1])), int(self.ends[i])
        width = 2 if name == "offsets" else 1
        return getattr(self, name)[width * start:width * end].tolist()


class Turn:
    """How one batch is encoded."""

    def __init__(self, number):
        self.add_special = number % 2 == 1
        self.special = "text" if number % 8 in (2, 5) else "parse"
        self.keep_special = number % 4 < 2
        self.random_ids = number % 8 == 7  # Decodes ids that no text has given.


class Reference:
    """`columns` are what it tells of each token; `known` the ids it can decode."""

    def settle(self, turn):
        """Makes the turn one that the library has."""

    def random_ids(self, lists, seed):
        """As many ids as these have, any."""
        ends = np.cumsum(np.fromiter(map(len, lists), dtype=np.int64, count=len(lists)))
        ids = np.random.default_rng(seed).choice(self.known, int(ends[-1])).tolist()
        return [ids[start:end] for start, end in zip([0] + ends.tolist(), ends.tolist())]


class Tokenizers(Reference):
    """Hugging Face's library."""

    def __init__(self, tokenizers, path):
        self.name, self.columns = "tokenizers " + tokenizers.__version__, ALL
        self.tokenizer = tokenizers.Tokenizer.from_file(path)
        self.known = np.arange(self.tokenizer.get_vocab_size(with_added_tokens=True) + 10)

    def encode(self, texts, turn):
        self.tokenizer.encode_special_tokens = turn.special == "text"
        found = self.tokenizer.encode_batch(texts, add_special_tokens=turn.add_special)
        lists = [one.ids for one in found]
        words = np.array(list(itertools.chain.from_iterable(one.word_ids for one in found)), dtype=np.float32)
        words[np.isnan(words)] = -1
        offsets = flat(itertools.chain.from_iterable(one.offsets for one in found))
        return lists, Columns(ends_of(lists), flat(lists), offsets, words.astype(np.int32))

    def decode(self, lists, keep_special):
        return self.tokenizer.decode_batch(lists, skip_special_tokens=not keep_special)


class Tiktoken(Reference):
    def __init__(self, tiktoken, name, path):
        """The published encoding of that name, but for its ranks, which are in the file."""
        self.name, self.columns = "tiktoken " + tiktoken.__version__, ("ids",)
        public = importlib.import_module("tiktoken_ext.openai_public")
        load = importlib.import_module("tiktoken.load")
        ranks = load.load_tiktoken_bpe(path)
        loader, public.load_tiktoken_bpe = public.load_tiktoken_bpe, lambda *_, **__: ranks
        try:
            settings = dict(public.ENCODING_CONSTRUCTORS[name](), explicit_n_vocab=None)
        finally:
            public.load_tiktoken_bpe = loader
        self.special = set(settings["special_tokens"].values())
        self.encoding = tiktoken.Encoding(**settings)
        self.known = np.array(sorted([*ranks.values(), *self.special]))

    def encode(self, texts, turn):
        if turn.special == "text":
            lists = [self.encoding.encode_ordinary(text) for text in texts]
        else:
            lists = [self.encoding.encode(text, allowed_special="all") for text in texts]
        return lists, Columns(ends_of(lists), flat(lists))

    def decode(self, lists, keep_special):
        if not keep_special:
            lists = [[number for number in one if number not in self.special] for one in lists]
        return [self.encoding.decode(one) for one in lists]


class Sentencepiece(Reference):
    """Special tokens in a text are but text, none are added and none decoded. GGUF files have the same vocabulary but
    for what special ids decode to: `with_special` says whether to try them."""

    def __init__(self, sentencepiece, path, with_special=True):
        self.name, self.columns = "sentencepiece " + sentencepiece.__version__, ("ids", "offsets")
        self.processor = sentencepiece.SentencePieceProcessor(model_file=path)
        self.known = np.array([i for i in range(self.processor.get_piece_size()) if with_special or
                               not (self.processor.is_control(i) or self.processor.is_unknown(i))])

    def encode(self, texts, turn):
        found = self.processor.encode(texts, return_type="offset_mapping", num_threads=1)
        lists = [one["ids"] for one in found]
        offsets = flat(itertools.chain.from_iterable(one["offsets"] for one in found))
        return lists, Columns(ends_of(lists), flat(lists), offsets)

    def settle(self, turn):
        turn.special, turn.add_special, turn.keep_special = "text", False, False

    def decode(self, lists, _):
        return self.processor.decode(lists, num_threads=1)


class Case:
    """A reference, and our tokenizers that are the same."""

    def __init__(self, name, reference, paths, words, added=()):
        self.name, self.reference, self.paths, self.added = name, reference, paths, list(added)
        self.words = sorted({word for word in words if word})


# ---- tokenizer.json ----

NAMES = ["bert-base-uncased", "gpt2", "cl100k_base", "llama3", "llama2", "t5-small"]
GGUF = {"bert-base-uncased": "bert-bge", "gpt2": "gpt-2"}


def split(pattern, behavior="Isolated", invert=False):
    return {"type": "Split", "pattern": pattern if isinstance(pattern, dict) else {"Regex": pattern}, "behavior": behavior,
            "invert": invert}


def sequence(*steps):
    return {"type": "Sequence", "pretokenizers": list(steps)}


def byte_level(add_prefix_space=False, use_regex=False, trim_offsets=True):
    return {"type": "ByteLevel", "add_prefix_space": add_prefix_space, "trim_offsets": trim_offsets, "use_regex": use_regex}


def metaspace(scheme, cut=True):
    return {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": cut}


def with_word_ends(model):
    """A byte-level vocabulary as CLIP's: every token also with </w>, and the merges of both."""
    vocab = list(model["vocab"]) + [token + "</w>" for token in model["vocab"]]
    merges = [pair if isinstance(pair, list) else pair.split(" ") for pair in model["merges"]]
    merges = [pair for left, right in merges for pair in ([left, right], [left, right + "</w>"])]
    return dict(model, vocab={token: number for number, token in enumerate(vocab)}, merges=merges,
                end_of_word_suffix="</w>", unk_token="<|endoftext|>")


def word_level(model):
    return {"type": "WordLevel", "vocab": model["vocab"], "unk_token": "[UNK]"}


NFC, DIGITS = {"type": "NFC"}, {"type": "Digits", "individual_digits": True}
# What these families have, with a vocabulary of another.
FAMILIES = [
    ("o200k", "cl100k_base", dict(pre_tokenizer=sequence(split(GRAMMARS["o200k"]), byte_level()))),
    ("o200k, what is between removed", "cl100k_base",
     dict(pre_tokenizer=sequence(split(GRAMMARS["o200k"], "Removed", True), byte_level()))),
    ("tekken", "cl100k_base", dict(pre_tokenizer=sequence(split(GRAMMARS["tekken"]), byte_level()))),
    ("qwen2", "cl100k_base", dict(normalizer=NFC, pre_tokenizer=sequence(split(GRAMMARS["qwen2"]), byte_level()))),
    ("qwen3.5", "cl100k_base", dict(normalizer=NFC, pre_tokenizer=sequence(split(GRAMMARS["qwen3.5"]), byte_level()))),
    ("deepseek-v3", "cl100k_base", dict(pre_tokenizer=sequence(*map(split, DEEPSEEK), byte_level()))),
    ("starcoder", "gpt2", dict(pre_tokenizer=sequence(DIGITS, byte_level(use_regex=True)))),
    ("modernbert", "gpt2", dict(normalizer=NFC, pre_tokenizer=byte_level(use_regex=True))),
    ("roberta", "gpt2", dict(
        pre_tokenizer=byte_level(use_regex=True),
        post_processor={"type": "RobertaProcessing", "sep": ["<|endoftext|>", 50256], "cls": ["!", 0], "trim_offsets": True,
                        "add_prefix_space": False})),
    ("bart, a space in front", "gpt2", dict(
        pre_tokenizer=byte_level(add_prefix_space=True, use_regex=True),
        post_processor={"type": "RobertaProcessing", "sep": ["<|endoftext|>", 50256], "cls": ["!", 0], "trim_offsets": True,
                        "add_prefix_space": True})),
    ("falcon", "gpt2", dict(pre_tokenizer=sequence(
        {"type": "Punctuation", "behavior": "Contiguous"}, byte_level(use_regex=True),
        {"type": "Digits", "individual_digits": False}, split("[0-9][0-9][0-9]")))),
    ("clip", "gpt2", dict(
        normalizer={"type": "Sequence", "normalizers": [NFC, {"type": "Replace", "pattern": {"Regex": "\\s+"}, "content": " "},
                                                        {"type": "Lowercase"}]},
        pre_tokenizer=sequence(split(GRAMMARS["clip"], "Removed", True), byte_level()), model=with_word_ends,
        decoder={"type": "BPEDecoder", "suffix": "</w>"})),
    ("bert, cased", "bert-base-uncased", dict(normalizer={
        "type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": False,
        "lowercase": False})),
    ("xlm-roberta", "t5-small", dict(pre_tokenizer=sequence({"type": "WhitespaceSplit"}, metaspace("always")))),
]
# Every pair of normaliser, pre-tokenizer and model meets.
PARTS = [
    ("metaspace first", "llama2", dict(normalizer=None, pre_tokenizer=metaspace("first", False))),
    ("metaspace always", "llama2", dict(normalizer=None, pre_tokenizer=metaspace("always"))),
    ("gemma", "llama2", dict(normalizer={"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
                             pre_tokenizer=split({"String": " "}, "MergedWithPrevious"))),
    ("gpt2 with NFC and a space in front", "gpt2", dict(normalizer=NFC, pre_tokenizer=byte_level(True, True))),
    ("gpt2 with digits and punctuation", "gpt2", dict(pre_tokenizer=sequence(
        {"type": "Punctuation", "behavior": "Contiguous"}, DIGITS, byte_level(use_regex=True)))),
    ("t5 with NFKC and first", "t5-small", dict(normalizer={"type": "NFKC"}, pre_tokenizer=metaspace("first"))),
    ("bert with other words", "bert-base-uncased", dict(pre_tokenizer={"type": "Whitespace"}, normalizer={
        "type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "StripAccents"}, {"type": "Lowercase"}]})),
    ("bert in scripts", "bert-base-uncased", dict(pre_tokenizer=sequence(
        {"type": "UnicodeScripts"}, {"type": "WhitespaceSplit"}))),
    ("word level", "bert-base-uncased", dict(model=word_level)),
]


def unpacked(name, scratch):
    """A file of the data folder that lies there packed."""
    path = os.path.join(scratch, os.path.basename(name))
    if not os.path.exists(path):
        with lzma.open(os.path.join(DATA, "tokenizers", name + ".xz")) as packed, open(path, "wb") as out:
            out.write(packed.read())
    return path


def gguf_path(name, scratch):
    return unpacked("gguf-vocab/ggml-vocab-%s.gguf" % name, scratch)


class Descriptions:
    """tokenizer.json files, each read when it is asked for."""

    def __init__(self, tokenizers, scratch):
        self.tokenizers, self.scratch, self.real = tokenizers, scratch, {}

    def base(self, name):
        if name not in self.real:
            self.real[name] = read(name)
        return self.real[name]

    def case(self, name, description, added=(), paths=()):
        path = os.path.join(self.scratch, name.replace(" ", "-") + ".json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(description, file)
        return Case(name, Tokenizers(self.tokenizers, path), [path, *paths], words_of(description), added)

    def made(self, name, base, parts):
        description = dict(self.base(base), **parts)
        if callable(description["model"]):
            description["model"] = description["model"](self.base(base)["model"])
        return self.case(name, description)

    def added(self, base):
        return self.case(base + " with added tokens", with_added(self.tokenizers, self.base(base)),
                         [token["content"] for token in ADDED])

    def published(self, name):
        """With the GGUF file that has the same vocabulary."""
        return self.case(name, self.base(name),
                         paths=[gguf_path(GGUF[name], self.scratch)] if name in GGUF else [])


def json_cases(tokenizers, scratch):
    """(name, function that makes the case)."""
    make = Descriptions(tokenizers, scratch)
    for name in NAMES:
        yield name, lambda name=name: make.published(name)
    for name, base, parts in FAMILIES + PARTS:
        yield name, lambda name=name, base=base, parts=parts: make.made(name, base, parts)
    for name in ("bert-base-uncased", "gpt2", "t5-small", "llama2"):
        yield name + " with added tokens", lambda name=name: make.added(name)


# ---- .tiktoken ----

def byte_letters():
    """The byte that each letter of a byte-level vocabulary stands for."""
    own = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in own]
    return {**{chr(byte): byte for byte in own}, **{chr(256 + i): byte for i, byte in enumerate(others)}}


def tiktoken_case(tiktoken, name, scratch):
    """gpt2's ranks are those of its tokenizer.json; o200k_base has the ranks of cl100k_base, and words of its own."""
    path = os.path.join(scratch, name + ".tiktoken")
    if name == "gpt2":
        table, vocab = byte_letters(), read("gpt2")["model"]["vocab"]
        ranks = [(bytes(table[letter] for letter in token), rank) for token, rank in vocab.items()
                 if token != "<|endoftext|>"]
        data = b"".join(base64.b64encode(token) + b" %d\n" % rank for token, rank in ranks)
    else:
        with open(os.path.join(DATA, "tokenizers/cl100k_base/cl100k_base.tiktoken"), "rb") as file:
            data = file.read()
    with open(path, "wb") as file:
        file.write(data)
    words = [base64.b64decode(line.split()[0]).decode(errors="ignore") for line in data.splitlines()]
    # "gpt2" itself wants files of another kind; r50k_base is the same words.
    return Case(name + ".tiktoken", Tiktoken(tiktoken, "r50k_base" if name == "gpt2" else name, path), [path], words)


# ---- .model ----

def pieces_of(reference):
    return [reference.processor.id_to_piece(int(i)).replace("▁", " ") for i in reference.known]


def llama2_model(sentencepiece, scratch):
    path = os.path.join(DATA, "tokenizers/llama2/tokenizer.model")
    reference = Sentencepiece(sentencepiece, path, with_special=False)
    return Case("llama2.model", reference, [path, gguf_path("llama-spm", scratch)], pieces_of(reference))


USER_DEFINED = ["ing", "über", "中文", "▁the▁", "<user>", "  ", "ab", "abc"]
TRAINED = [
    ("unigram", dict(model_type="unigram")),
    ("unigram, bytes and user-defined", dict(model_type="unigram", byte_fallback=True, user_defined_symbols=USER_DEFINED)),
    ("unigram, spaces kept", dict(model_type="unigram", normalization_rule_name="nmt_nfkc_cf", add_dummy_prefix=False,
                                  remove_extra_whitespaces=False, user_defined_symbols=USER_DEFINED)),
    ("unigram, space as suffix", dict(model_type="unigram", treat_whitespace_as_suffix=True, split_digits=True)),
    ("bpe", dict(model_type="bpe")),
    ("bpe, bytes and user-defined", dict(model_type="bpe", byte_fallback=True, user_defined_symbols=USER_DEFINED)),
    ("bpe, spaces kept", dict(model_type="bpe", normalization_rule_name="identity", add_dummy_prefix=False,
                              remove_extra_whitespaces=False, byte_fallback=True, allow_whitespace_only_pieces=True)),
    ("bpe, space as suffix", dict(model_type="bpe", treat_whitespace_as_suffix=True, normalization_rule_name="nfkc",
                                  user_defined_symbols=USER_DEFINED)),
    ("unigram, unused pieces", dict(model_type="unigram", unused=.2)),
    ("bpe, unused pieces", dict(model_type="bpe", unused=.3)),
    ("bpe, bytes, unused and user-defined", dict(model_type="bpe", byte_fallback=True, unused=.2,
                                                 user_defined_symbols=USER_DEFINED)),
]


def trained_model(sentencepiece, name, options, corpus, scratch):
    """`unused`: the share of pieces that are made unused, which no trainer does."""
    path = os.path.join(scratch, name.replace(" ", "-"))
    options, share = dict(options), options.get("unused", 0)
    options.pop("unused", None)
    text = corpus[:400000].astype("<u4").tobytes().decode("utf-32-le")
    lines = [line.strip() for line in text.splitlines()]
    sentencepiece.SentencePieceTrainer.train(**dict(dict(
        sentence_iterator=iter([line for line in lines if line]), model_prefix=path[:-6], vocab_size=2000,
        character_coverage=.99, hard_vocab_limit=False, minloglevel=2, num_threads=1), **options))
    reference, added = Sentencepiece(sentencepiece, path), options.get("user_defined_symbols", [])
    if share:
        types = fuzz_model.unused_of(reference.processor, random.Random(1), share, added)
        with open(path, "rb") as file:
            model = fuzz_model.with_types(file.read(), types)
        with open(path, "wb") as file:
            file.write(model)
        reference = Sentencepiece(sentencepiece, path)
    return Case(name, reference, [path], pieces_of(reference), added)


def import_or_none(name):
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def all_cases(tokenizers, corpus, scratch):
    """(name, function that makes the case) of everything that is installed."""
    yield from json_cases(tokenizers, scratch)
    tiktoken, sentencepiece = import_or_none("tiktoken"), import_or_none("sentencepiece")
    if tiktoken:
        for name in ("cl100k_base", "gpt2", "o200k_base"):
            yield name + ".tiktoken", lambda name=name: tiktoken_case(tiktoken, name, scratch)
    if sentencepiece:
        yield "llama2.model", lambda: llama2_model(sentencepiece, scratch)
        for name, options in TRAINED:
            name += ".model"
            yield name, lambda name=name, options=options: trained_model(sentencepiece, name, options, corpus, scratch)
