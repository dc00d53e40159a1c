#!/usr/bin/env python3
"""Makes the first inputs of the fuzzers: small valid files of every kind that a reader takes, with vocabularies of a few
tokens made here.

    tests/fuzz/make_seeds.py FOLDER     writes FOLDER/READER/NAME

What tests/fuzz/corpus holds grew from these by fuzzing and was cut down to what reaches something of its own
(tests/fuzz_readers.py --grow).
"""

import base64
import json
import os
import struct
import sys

BESIDE = b"\n--beside--\n"
SIGN = "\u2581"
CONFIG = {"model_max_length": 512, "do_lower_case": False, "add_bos_token": True, "add_eos_token": True,
          "cls_token": {"content": "[CLS]"}, "strip_accents": None, "tokenize_chinese_chars": True}


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


# ---- charsmap ----

def charsmap(rules):
    """A double array of darts-clone in which every node has a block of 256 units for itself."""
    pool, units, root = b"", [], {}
    for text, becomes in rules.items():
        node = root
        for byte in text.encode():
            node = node.setdefault(byte, {})
        node[None] = len(pool)
        pool += becomes.encode() + b"\0"
    blocks = [root]

    def offset(here, to):
        """The field of a unit at `here` whose children are around `to`."""
        field = here ^ to
        return field << 10 if field < 1 << 21 else field >> 8 << 10 | 1 << 9

    units += [0] * 512
    units[0] = offset(0, 256)
    for number, node in enumerate(blocks):
        base = 256 * (number + 1)
        for key, child in node.items():
            if key is None:
                units[base] = 1 << 31 | child
                continue
            blocks.append(child)
            at, to = base ^ key, 256 * (len(blocks))
            units += [0] * (to + 256 - len(units))
            units[at] = offset(at, to) | (1 << 8 if None in child else 0) | key
    trie = struct.pack("<%dI" % len(units), *units)
    return struct.pack("<I", len(trie)) + trie + pool


MAPS = {"plain": charsmap({"A": "a", "\u00e9": "e"}), "spaces": charsmap({"\u3000": " ", "\t": " ", "\u200b": ""})}


# ---- tokenizer.json ----

WORDPIECE = {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 9,
             "vocab": {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "[MASK]": 3, "a": 4, "he": 5, "##l": 6, "##lo": 7, ".": 8, "4": 9}}
BPE = {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
       "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
       "vocab": {"a": 0, "b": 1, "c": 2, "ab": 3, "\u0120": 4, "\u0120ab": 5, "l": 6, "ll": 7, "1": 8},
       "merges": ["a b", "\u0120 ab", ["l", "l"]]}
SPACED = dict(BPE, unk_token="<unk>", fuse_unk=True, byte_fallback=True,
              vocab={"<unk>": 0, "<s>": 1, "</s>": 2, "<0xC3>": 3, "<0xA9>": 4, SIGN: 5, "a": 6, "b": 7, "ab": 8, SIGN + "ab": 9},
              merges=["a b", SIGN + " ab"])
SUFFIXED = dict(BPE, end_of_word_suffix="</w>", unk_token="a", vocab={"a": 0, "b</w>": 1, "ab</w>": 2, "c</w>": 3},
                merges=["a b</w>"])
PREFIXED = dict(BPE, continuing_subword_prefix="##", unk_token="a", vocab={"a": 0, "##b": 1, "ab": 2}, merges=["a ##b"])
UNIGRAM = {"type": "Unigram", "unk_id": 0, "byte_fallback": False,
           "vocab": [["<unk>", 0.0], [SIGN, -2.5], ["a", -3], ["b", -3.5], ["ab", -4e0], [SIGN + "he", -5.25], ["l", -6]]}
FALLBACK = dict(UNIGRAM, byte_fallback=True, vocab=UNIGRAM["vocab"] + [["<0x%02X>" % byte, -9] for byte in (0xc3, 0xa9)])
WORDLEVEL = {"type": "WordLevel", "unk_token": "u", "vocab": {"u": 0, "Hello": 1, "don": 2, "'": 3, "1234": 4}}
MODELS = {"wordpiece": WORDPIECE, "bpe": BPE, "spaced": SPACED, "suffixed": SUFFIXED, "prefixed": PREFIXED, "unigram": UNIGRAM,
          "fallback": FALLBACK, "wordlevel": WORDLEVEL}

NORMALIZERS = [
    {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True},
    {"type": "Strip", "strip_left": True, "strip_right": True}, {"type": "StripAccents"}, {"type": "NFC"}, {"type": "NFD"},
    {"type": "NFKC"}, {"type": "NFKD"}, {"type": "Lowercase"}, {"type": "Nmt"}, {"type": "ByteLevel"},
    {"type": "Prepend", "prepend": SIGN}, {"type": "Replace", "pattern": {"String": " "}, "content": SIGN},
    {"type": "Replace", "pattern": {"Regex": "[a-c]+|\\s"}, "content": "x"}]
SPLIT = {"type": "Split", "pattern": {"String": " "}, "behavior": "Isolated", "invert": False}
PRES = [
    {"type": "BertPreTokenizer"}, {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
    {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False},
    {"type": "CharDelimiterSplit", "delimiter": "l"},
    {"type": "Metaspace", "replacement": SIGN, "prepend_scheme": "always", "split": True},
    {"type": "Metaspace", "replacement": "_", "prepend_scheme": "first", "split": False},
    {"type": "Metaspace", "replacement": SIGN, "add_prefix_space": False},
    {"type": "Whitespace"}, {"type": "WhitespaceSplit"}, {"type": "Punctuation", "behavior": "Contiguous"},
    {"type": "Digits", "individual_digits": True}, {"type": "Digits", "individual_digits": False}, {"type": "UnicodeScripts"},
    {"type": "FixedLength", "length": 3}, SPLIT,
    dict(SPLIT, pattern={"Regex": "\\d{1,2}|[^\\s]+?"}, invert=True, behavior="Removed"),
    dict(SPLIT, behavior="MergedWithPrevious"), dict(SPLIT, behavior="MergedWithNext"), dict(SPLIT, behavior="Contiguous"),
    dict(SPLIT, pattern={"Regex": "\\p{N}{1,3}"})]
SPECIAL = {"type": "TemplateProcessing",
           "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
           "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "[SEP]", "type_id": 0}},
                    {"Sequence": {"id": "B", "type_id": 1}}],
           "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [1, 2], "tokens": ["[CLS]", "x"]},
                              "[SEP]": {"id": "[SEP]", "ids": [2], "tokens": ["[SEP]"]}}}
POSTS = [
    SPECIAL, {"type": "BertProcessing", "sep": ["[SEP]", 2], "cls": ["[CLS]", 1]},
    {"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 1], "trim_offsets": True, "add_prefix_space": False},
    {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
    {"type": "Sequence", "processors": [{"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False}, SPECIAL]}]
DECODERS = [
    {"type": "BPEDecoder", "suffix": "</w>"}, {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True},
    {"type": "WordPiece", "prefix": "##", "cleanup": True}, {"type": "WordPiece", "prefix": "##", "cleanup": False},
    {"type": "Metaspace", "replacement": SIGN, "prepend_scheme": "always", "split": True},
    {"type": "CTC", "pad_token": "<pad>", "word_delimiter_token": "|", "cleanup": True},
    {"type": "Replace", "pattern": {"String": SIGN}, "content": " "}, {"type": "Fuse"}, {"type": "ByteFallback"},
    {"type": "Strip", "content": " ", "start": 1, "stop": 1}]
MEMBERS = {"normalizer": "normalizers", "pre_tokenizer": "pretokenizers", "post_processor": "processors", "decoder": "decoders"}


def added(id, content, **flags):
    return dict({"id": id, "content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
                 "special": True}, **flags)


def json_file(model, **parts):
    return dict({"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
                 "pre_tokenizer": None, "post_processor": None, "decoder": None, "model": model}, **parts)


def sequence(kind, *parts):
    return {"type": "Sequence", MEMBERS[kind]: list(parts)}


def letters():
    """Those that stand for bytes in a vocabulary of GPT-2's kind."""
    plain = [byte for byte in range(256) if 33 <= byte <= 126 or byte >= 161 and byte != 173]
    return [chr(byte) for byte in plain] + [chr(256 + number) for number in range(256 - len(plain))]


def json_seeds():
    seeds = {"model-" + name: compact(json_file(model)) for name, model in MODELS.items()}
    untyped = {name: {key: value for key, value in model.items() if key != "type"} for name, model in MODELS.items()}
    seeds.update(("untyped-" + name, compact(json_file(model))) for name, model in untyped.items())
    kinds = list(MODELS)
    for member, parts in (("normalizer", NORMALIZERS), ("pre_tokenizer", PRES), ("post_processor", POSTS), ("decoder", DECODERS)):
        for number, part in enumerate(parts):
            model = MODELS[kinds[number % len(kinds)]]
            seeds["%s-%d" % (member, number)] = compact(json_file(model, **{member: part}))
    for name, blob in MAPS.items():
        part = {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(blob).decode()}
        seeds["precompiled-" + name] = compact(json_file(UNIGRAM, normalizer=part))
    seeds["bert"] = compact(json_file(
        WORDPIECE, normalizer=NORMALIZERS[0], pre_tokenizer=PRES[0], post_processor=SPECIAL, decoder=DECODERS[2],
        added_tokens=[added(3, "[MASK]", lstrip=True), added(10, "Hello", normalized=True, special=False)]))
    seeds["gpt2"] = compact(json_file(BPE, pre_tokenizer=PRES[2], post_processor=POSTS[3], decoder=DECODERS[1],
                                      added_tokens=[added(9, "<s>", single_word=True, rstrip=True)]))
    seeds["llama2"] = compact(json_file(
        SPACED, normalizer=sequence("normalizer", NORMALIZERS[10], NORMALIZERS[11]),
        decoder=sequence("decoder", DECODERS[6], DECODERS[8], DECODERS[7], DECODERS[9]), post_processor=POSTS[2]))
    seeds["t5"] = compact(json_file(UNIGRAM, pre_tokenizer=sequence("pre_tokenizer", PRES[8], PRES[4]), decoder=DECODERS[4]))
    seeds["spaced"] = compact(json_file(SPACED, pre_tokenizer=PRES[4], decoder=DECODERS[4]))
    all_bytes = dict(BPE, vocab={text: id for id, text in enumerate(letters() + ["ll", "llo"])}, merges=["l l", "ll o"])
    seeds["bytes"] = compact(json_file(all_bytes, pre_tokenizer=PRES[1], decoder=DECODERS[1]))
    seeds["bytes-whole"] = compact(json_file(dict(all_bytes, ignore_merges=True), pre_tokenizer=PRES[2]))
    config = compact({"model_max_length": 77, "max_seq_length": 88, "max_position_embeddings": 99})
    seeds["beside"] = BESIDE.join([compact(json_file(WORDLEVEL, pre_tokenizer=PRES[7])), config, config, config])
    seeds["escapes"] = json.dumps(json_file(dict(BPE, vocab={"\u00e9": 0, "\U0001f600": 1, "a\n": 2}, merges=[])), indent=1).encode()
    return seeds


def json_faults():
    """Files that are refused, each for another reason."""
    text = {"Sequence": {"id": "A", "type_id": 0}}
    posts = {"twice-a": dict(SPECIAL, single=[text, text]), "only-a": dict(SPECIAL, pair=[text]),
             "type-id": dict(SPECIAL, single=[{"Sequence": {"id": "A", "type_id": -1}}]),
             "second-post": sequence("post_processor", SPECIAL, POSTS[1]), "parts": dict(SPECIAL, single=[text] * 70)}
    deep = PRES[0]
    for _ in range(17):
        deep = sequence("pre_tokenizer", deep)
    models = {"dropout": dict(BPE, dropout=0.1), "unknown-large": dict(UNIGRAM, unk_id=1 << 24), "unknown-behind": dict(UNIGRAM, unk_id=7),
              "scores": dict(UNIGRAM, vocab=[["a"]]), "scored": dict(UNIGRAM, vocab=[1]), "list": dict(UNIGRAM, vocab={}),
              "object": dict(BPE, vocab=[]), "versioned": dict(BPE, merges=["#version: 0.2", "a b"]), "merge": dict(BPE, merges=[1]),
              "merge-numbers": dict(BPE, merges=[[1, 2]]), "merge-deep": dict(BPE, merges=[[[]]]), "id": dict(BPE, vocab={"a": 1 << 24})}
    files = {"model-" + name: json_file(model) for name, model in models.items()}
    files.update(("post-" + name, json_file(WORDPIECE, post_processor=post)) for name, post in posts.items())
    files["added"] = json_file(BPE, added_tokens={})
    files["added-id"] = json_file(BPE, added_tokens=[added(1 << 24, "x")])
    files["deep"] = json_file(BPE, pre_tokenizer=deep)
    files["long"] = json_file(BPE, pre_tokenizer=sequence("pre_tokenizer", *[PRES[7]] * 70))
    files["delimiter"] = json_file(BPE, decoder=dict(DECODERS[5], word_delimiter_token=""))
    files["few"] = json_file(BPE, decoder={"type": "Metaspace", "replacement": SIGN}, pre_tokenizer={"type": "Punctuation"})
    files["few-bytes"] = json_file(BPE, pre_tokenizer={"type": "ByteLevel", "add_prefix_space": True})
    return {"refused-" + name: compact(file) for name, file in files.items()}


# ---- SentencePiece ----

def varint(number):
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def field(number, value):
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    return varint(number << 3) + varint(value)


def sentencepiece(pieces, trainer, normalizer):
    out = b""
    for text, score, kind in pieces:
        out += field(1, field(1, text.encode()) + field(2, float(score)) + (field(3, kind) if kind != 1 else b""))
    return out + field(2, b"".join(field(*one) for one in trainer)) + field(3, b"".join(field(*one) for one in normalizer))


PIECES = [("<unk>", 0, 2), ("<s>", 0, 3), ("</s>", 0, 3), (SIGN, -3, 1), ("a", -4, 1), ("b", -5, 1), ("ab", -1, 1),
          (SIGN + "ab", -2, 1), ("user", 0, 4), ("l", -6, 1)]
BYTES = [("<0x%02X>" % byte, 0, 6) for byte in range(256)]


def sentencepiece_seeds():
    unigram, bpe = [(3, 1), (40, 0), (41, 1), (42, 2)], [(3, 2), (35, 1), (41, 1), (42, 2)]
    plain = [(3, 1), (4, 1), (5, 1)]
    config = compact({"add_bos_token": True, "add_eos_token": True})
    return {
        "unigram": sentencepiece(PIECES, unigram, plain),
        "unused": sentencepiece(PIECES + [("ll", -3, 5)], unigram, plain),
        "bpe": sentencepiece(PIECES, bpe[:1], plain),
        "bytes": sentencepiece(PIECES + BYTES, bpe, [(3, 0), (4, 0), (5, 0)]),
        "suffix": sentencepiece(PIECES, unigram + [(24, 1)], plain),
        "map": sentencepiece(PIECES, unigram, plain + [(2, MAPS["spaces"])]),
        "beside": sentencepiece(PIECES, unigram, plain) + BESIDE + config,
        "wires": sentencepiece(PIECES[:5], [(3, 1), (7, 1.0)], []) + varint(9 << 3 | 1) + bytes(8) + field(8, 3),
    }


# ---- .tiktoken and vocab.txt ----

def tiktoken(texts):
    return b"".join(b"%s %d\n" % (base64.b64encode(text), rank) for rank, text in enumerate(texts))


def tiktoken_seeds():
    letters = [bytes([byte]) for byte in range(32, 127)]
    few = [b"a", b"b", b" ", b"l", b"e", b"ab", b" a", b"ll", b"\xc3", b"\xa9"]
    seeds = {"letters": tiktoken(letters + [b"ll", b"lo", b"llo"])}
    seeds.update(("few-%d" % more, tiktoken(few) + b"\n" * more) for more in range(7))
    seeds["returns"] = tiktoken(few).replace(b"\n", b"\r\n")
    return seeds


def vocab_seeds():
    lines = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nhe\n##l\n##lo\ndon\n'\nt\n##t\n.\n1\n##2\n\u4f60\n".encode()
    other = {"unk_token": "u", "sep_token": "s", "cls_token": {"content": "c"}, "pad_token": None, "mask_token": "m",
             "do_lower_case": True, "tokenize_chinese_chars": False, "strip_accents": True, "model_max_length": 20}
    return {"plain": lines, "end": lines.rstrip(b"\n"), "spaces": lines.replace(b"\n", b" \t\r\n") + b"he\n",
            "beside": lines + BESIDE + compact(CONFIG), "names": b"u\ns\nc\nm\na\n##b\n" + BESIDE + compact(other)}


def vocab_json_seeds():
    vocab = {text: id for id, text in enumerate(letters() + ["ll", "llo", "\u0120d", "<|endoftext|>"])}
    merges = b"#version: 0.2\nl l\nll o\n\u0120 d\n".replace(b"\\u0120", "\u0120".encode())
    configs = [{"tokenizer_class": "GPT2Tokenizer", "add_prefix_space": True, "model_max_length": 20},
               {"tokenizer_class": "RobertaTokenizer", "bos_token": "ll", "eos_token": {"content": "llo"}},
               {"tokenizer_class": "Qwen2Tokenizer", "added_tokens_decoder": {"300": {"content": "he", "special": True, "lstrip": True}}},
               {"tokenizer_class": "DebertaTokenizer"}]
    special = {"unk_token": "ll", "bos_token": {"content": "llo", "rstrip": True}, "additional_special_tokens": ["<x>"]}
    seeds = {"plain": compact(vocab) + BESIDE + merges, "alone": compact(vocab), "few": compact({"a": 0, "b": 1, "ab": 2}) + BESIDE + b"a b\n",
             "lines": compact(vocab) + BESIDE + merges.replace(b"\n", b"\r\n") + b"l\nx y\n"}
    for config in configs:
        seeds[config["tokenizer_class"]] = BESIDE.join([compact(vocab), merges, compact(config), compact(special),
                                                        compact({"<new>": 400, "he": 401}), compact({"model_type": "gpt2"})])
    seeds["model type"] = BESIDE.join([compact(vocab), merges, b"{}", b"{}", b"{}", compact({"model_type": "roberta"})])
    return seeds


def json_2_seeds():
    """Of version 2.0."""
    bpe = {"type": "BPE", "vocab": {text: id for id, text in enumerate(letters() + ["ll", "llo"])}, "merges": [["l", "l"], ["ll", "o"]],
           "byte_level": True}
    regex = {"type": "Split", "pattern": {"Regex": "'s|\\w+|\\s+"}, "behavior": "Isolated", "invert": False}
    signs = {"type": "MetaspaceNormalizer", "replacement": SIGN, "prepend": "first", "drop_whitespace": False}
    cut = {"type": "Split", "pattern": {"String": SIGN}, "behavior": "MergedWithNext", "invert": False}
    post = {"type": "TemplateProcessing", "single": [{"ids": [0]}, {"sequence": "A"}], "pair": [{"ids": [0]}, {"sequence": "A"},
                                                                                           {"sequence": "B", "type_id": 1}]}
    word = {"type": "WordLevel", "vocab": {"a": 0, SIGN + "a": 1}, "unk_token": "a"}
    models = {"bytes": (bpe, {"pre_tokenizer": regex}), "signs": (word, {"normalizer": signs, "pre_tokenizer": cut}),
              "words": (word, {"normalizer": dict(signs, prepend="always", drop_whitespace=True), "pre_tokenizer": cut}),
              "post": (word, {"post_processor": post}), "added": (word, {"added_tokens": [added(2, "<x>")]})}
    return {"v2-" + name: compact(dict({"version": "2.0"}, **parts, model=model)) for name, (model, parts) in models.items()}


# ---- GGUF ----

U8, I8, U16, I16, U32, I32, F32, BOOL, TEXT, ARRAY, U64, I64, F64 = range(13)
CODES = {U8: "B", I8: "b", U16: "H", I16: "h", U32: "I", I32: "i", F32: "f", BOOL: "?", U64: "Q", I64: "q", F64: "d"}


def gguf_text(text):
    bytes = text if not isinstance(text, str) else text.encode()
    return struct.pack("<Q", len(bytes)) + bytes


def gguf_one(kind, value):
    return gguf_text(value) if kind == TEXT else struct.pack("<" + CODES[kind], value)


def gguf_value(kind, value):
    if isinstance(value, list) or kind == U8 and isinstance(value, bytes):
        return struct.pack("<IIQ", ARRAY, kind, len(value)) + b"".join(gguf_one(kind, one) for one in value)
    return struct.pack("<I", kind) + gguf_one(kind, value)


def gguf(keys, tensors=(), version=3):
    out = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(keys))
    for key, kind, value in keys:
        out += gguf_text(key) + gguf_value(kind, value)
    offset = 0
    for name, shape, kind, size in tensors:
        out += gguf_text(name) + struct.pack("<I%dQIQ" % len(shape), len(shape), *shape, kind, offset)
        offset += (size + 31) // 32 * 32
    return out + (b"\0" * (-len(out) % 32) + bytes(offset) if tensors else b"")


def gguf_seeds():
    def vocabulary(model, texts, types=None, scores=None, **more):
        keys = [("tokenizer.ggml.model", TEXT, model), ("tokenizer.ggml.tokens", TEXT, list(texts))]
        if types:
            keys.append(("tokenizer.ggml.token_type", I32, types))
        if scores:
            keys.append(("tokenizer.ggml.scores", F32, scores))
        for name, (kind, value) in more.items():
            keys.append(("tokenizer.ggml." + name, kind, value))
        return keys

    texts, scores, types = zip(*PIECES)
    kinds, points = list(types), [float(score) for score in scores]
    bert = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", SIGN + "he", "llo", SIGN + "don", SIGN + "'", "[x"]
    bert_ids = dict(unknown_token_id=(U32, 1), cls_token_id=(U32, 2), seperator_token_id=(U32, 3))
    gpt2 = ["a", "b", "c", "ab", "\u0120", "\u0120ab", "l", "ll", "<s>"]
    merges = ["a b", "\u0120 ab", "l l"]
    seeds = {
        "head": gguf([("general.alignment", U32, 32), ("a", U8, 1), ("b", I64, -1), ("c", F64, 1.0), ("d", BOOL, True)],
                     [("w", (32, 2), 0, 256), ("v", (32,), 8, 34), ("u", (4, 1, 1, 1), 1, 8)]),
        "llama": gguf(vocabulary("llama", texts, kinds, points, bos_token_id=(U32, 1), eos_token_id=(I32, 2), unknown_token_id=(U16, 0),
                                 add_space_prefix=(BOOL, False), add_eos_token=(BOOL, True), remove_extra_whitespaces=(BOOL, True))),
        "bytes": gguf(vocabulary("llama", [text for text, _, _ in PIECES + BYTES], kinds + [6] * 256, points + [0.0] * 256)),
        "t5": gguf(vocabulary("t5", texts, [kind if kind != 6 else 1 for kind in kinds], points, unknown_token_id=(U8, 0),
                              precompiled_charsmap=(U8, MAPS["spaces"])), version=2),
        "bert": gguf(vocabulary("bert", bert, [3, 2, 3, 3, 1, 1, 1, 1, 1], **bert_ids)),
        "untyped": gguf(vocabulary("bert", bert, **bert_ids)),
        "json": gguf([("tokenizer.huggingface.json", TEXT, compact(json_file(WORDPIECE, pre_tokenizer=PRES[0])))]),
    }
    seeds["gpt2-bytes"] = gguf(vocabulary("gpt2", letters() + ["ll"], pre=(TEXT, "gpt-2"), merges=(TEXT, ["l l"])))
    names = ("gpt-2", "starcoder", "llama-bpe", "dbrx", "qwen2", "qwen35", "gpt-4o", "tekken", "deepseek-v3")
    for name in names:
        seeds["gpt2-" + name] = gguf(vocabulary("gpt2", gpt2, [1] * 8 + [3], pre=(TEXT, name), merges=(TEXT, merges),
                                                add_bos_token=(BOOL, name == "gpt-2"), bos_token_id=(U32, 8)))
    seeds["refused-types"] = gguf(vocabulary("bert", bert, [1], **bert_ids))
    seeds["refused-map"] = gguf(vocabulary("t5", texts, kinds, points, precompiled_charsmap=(U32, [1])))
    seeds["refused-bool"] = gguf(vocabulary("llama", texts, kinds, points, add_bos_token=(U8, 1)))
    seeds["refused-array"] = gguf(vocabulary("llama", texts, kinds) + [("tokenizer.ggml.scores", F64, points)])
    seeds["refused-large"] = gguf(vocabulary("llama", texts, kinds, points, bos_token_id=(U64, 1 << 63)))
    seeds["refused-alignment"] = gguf([("general.alignment", U64, 32)])
    seeds["refused-twice"] = gguf([], [("w", (1,), 24, 1), ("w", (1,), 24, 1)])
    seeds["refused-tensor"] = gguf([], [("weights-of-something", (1, 1, 1, 1), 24, 1)])[:-96]
    return seeds


# ---- a model's tensors ----

def safetensors(tensors, more=None):
    """Entries are (name, dtype, shape, bytes)."""
    head, at = dict(more or {}), 0
    for name, kind, shape, data in tensors:
        head[name] = {"dtype": kind, "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    head = compact(head)
    return struct.pack("<Q", len(head)) + head + b"".join(data for _, _, _, data in tensors)


def weights_seeds():
    kinds = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "U8": 1, "BOOL": 1, "C64": 8, "F8_E4M3": 1}
    one = [("a", "F32", [2, 2], bytes(range(16))), ("b.c", "BF16", [3], bytes(range(6)))]
    two = [("d", "F16", [], b"\x00\x3c"), ("e", "F4", [4], b"\x12\x34")]
    names = {"a": "a.safetensors", "b.c": "a.safetensors", "d": "b.safetensors"}
    seeds = {"kind-" + kind: b"S" + safetensors([("w", kind, [1, 2], bytes(2 * width))]) for kind, width in kinds.items()}
    seeds["some"] = b"S" + safetensors(one + two, {"__metadata__": {"format": "pt"}})
    seeds["none"] = b"S" + safetensors([])
    seeds["escaped"] = b"S" + safetensors([("w\n\"\u00e9", "F32", [0, 3], b"")])
    for fault, index in {"good": {"metadata": {"total_size": 22}, "weight_map": names}, "no-map": {}, "number": {"weight_map": {"a": 1}},
                         "outside": {"weight_map": {"a": "../a.safetensors"}}, "elsewhere": {"weight_map": {"d": "a.safetensors"}},
                         "missing": {"weight_map": {"d": "c.safetensors"}}}.items():
        seeds["shards-" + fault] = BESIDE.join([b"I" + compact(index), safetensors(one), safetensors(two)])
    for kind, data in {0: 128, 1: 64, 2: 18, 8: 34, 30: 64, 24: 32, 26: 128, 12: 144}.items():
        seeds["gguf-%d" % kind] = b"G" + gguf([], [("w", (32, 1), kind, data)])
    seeds["gguf-split"] = b"G" + gguf([("split.count", U32, 2)], [])
    return seeds


def config_seeds():
    """The tests' own tiny models."""
    models, seeds = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "models"), {}
    for name in sorted(os.listdir(models)):
        for file in ("config.json", "config.transformers.json"):
            parts = []
            for part in (file, "modules.json", "1_Pooling/config.json", "sentence_bert_config.json"):
                path = os.path.join(models, name, part)
                if not os.path.exists(path):
                    break
                with open(path, encoding="utf-8") as text:
                    parts.append(compact(json.load(text)))
            if parts and not name.endswith(("-tag", "-classify", "-rerank", "-splade")):
                seeds[name + file[6:-5]] = BESIDE.join(parts)
    sizes = {"block_count": 2, "context_length": 64, "embedding_length": 32, "feed_forward_length": 64, "attention.head_count": 4}
    llama = {"attention.head_count_kv": 2, "rope.dimension_count": 8, "attention.key_length": 8, "attention.sliding_window": 8}
    for family, more in {"bert": {"pooling_type": 1, "token_type_count": 2}, "nomic-bert": {}, "modern-bert": {}, "llama": llama,
                         "qwen2": llama, "qwen3": llama, "gemma3": llama, "mamba": {}}.items():
        keys = [("general.architecture", TEXT, family)] + [(family + "." + key, U32, n) for key, n in {**sizes, **more}.items()]
        keys += [(family + ".attention.layer_norm_epsilon", F32, 1e-12), (family + ".attention.layer_norm_rms_epsilon", F32, 1e-6),
                 (family + ".rope.freq_base", F32, 10000.0), (family + ".attention.causal", BOOL, False)]
        seeds["gguf-" + family] = gguf(keys, [("token_embd.weight", (32, 2), 0, 256)])
        for scaling in ("linear", "yarn") if family == "qwen3" else ():
            rope = [(family + ".rope.scaling.type", TEXT, scaling), (family + ".rope.scaling.factor", F32, 2.0)]
            seeds["gguf-rope-" + scaling] = gguf(keys + rope, [("token_embd.weight", (32, 2), 0, 256)])
    for name, ids in {"one": [1], "two": [1, 0], "outside": [2]}.items():
        ends = [("tokenizer.ggml.%s_token_id" % end, U32, at) for end, at in zip(("eos", "eot"), ids)]
        sizes_of = [("llama." + key, U32, n) for key, n in {**sizes, **llama}.items()]
        seeds["gguf-ends-" + name] = gguf([("general.architecture", TEXT, "llama")] + sizes_of +
                                          [("llama.attention.layer_norm_rms_epsilon", F32, 1e-6)] + ends,
                                          [("token_embd.weight", (32, 2), 0, 256)])
    for name, ids in {"one": 1, "list": [1, 2, 1], "outside": 256, "below": -1, "text": "</s>", "null": None,
                      "many": list(range(40))}.items():
        seeds["ends-" + name] = BESIDE.join([seeds["llama"], compact([]), compact({}), compact({}), compact({"eos_token_id": ids})])
    linear = {"rope_type": "linear", "rope_theta": 1e4, "factor": 2.0}
    qwen3 = json.loads(seeds["qwen3-embedding"].split(BESIDE)[0])
    seeds["rope-linear"] = compact({**qwen3, "rope_scaling": linear})
    seeds["refused-causal"] = compact({**json.loads(seeds["bert"].split(BESIDE)[0]), "is_causal": True})
    return seeds


def chain_seeds():
    """For an encoder of four numbers a row."""
    def modules(*names):
        return compact([{"type": "sentence_transformers.models." + name.split("_")[-1], "path": name if "_" in name else ""}
                        for name in names])
    flags = ["cls_token", "max_tokens", "mean_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken"]
    modes = ["mean", "cls", "max", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"]
    mean = {"word_embedding_dimension": 4, "pooling_mode_mean_tokens": True}
    norm = [compact({"dimension": 3}), safetensors([("norm.weight", "F32", [3], bytes(12)), ("norm.bias", "F32", [3], bytes(12))])]
    seeds = {}
    for activation in ("Identity", "Tanh", "ReLU", "GELU", "SiLU", "Sigmoid", "Softmax"):
        dense = {"in_features": 4, "out_features": 3, "bias": True, "activation_function": "torch.nn.modules.linear." + activation}
        weights = [("linear.weight", "F32", [3, 4], bytes(48)), ("linear.bias", "F16", [3], bytes(6))]
        seeds["dense-" + activation] = BESIDE.join(
            [modules("Transformer", "1_Pooling", "2_Dense", "3_LayerNorm", "Normalize"), compact(mean), compact(dense),
             safetensors(weights)] + norm)
    dense = {"in_features": 4, "out_features": 3, "bias": False, "use_residual": True, "module_input_name": "sentence_embedding"}
    seeds["residual"] = BESIDE.join(
        [modules("1_Pooling", "2_Dense", "Normalize"), compact(mean), compact(dense),
         safetensors([("linear.weight", "BF16", [3, 4], bytes(24)), ("residual.weight", "F32", [3, 4], bytes(48))])])
    for flag in flags + ["other_tokens"]:
        seeds["flag-" + flag] = BESIDE.join([modules("1_Pooling"), compact({"pooling_mode_" + flag: True, "include_prompt": False})])
    for mode in modes + [modes, "other", 1, ["mean", "mean"]]:
        seeds["mode-%s" % (mode if isinstance(mode, str) else len(str(mode)))] = BESIDE.join(
            [modules("1_Pooling"), compact({"embedding_dimension": 4, "pooling_mode": mode})])
    dense = {"in_features": 8, "out_features": 30, "bias": False}
    seeds["wide"] = BESIDE.join(
        [modules("1_Pooling", "Normalize", "2_Dense", "Normalize"), compact({"pooling_mode": ["mean", "max"]}), compact(dense),
         safetensors([("linear.weight", "F16", [30, 8], bytes(480))])])
    seeds["normalize-first"] = BESIDE.join([modules("1_Pooling", "Normalize", "2_Dense")] + seeds["residual"].split(BESIDE)[1:])
    seeds["refused-many"] = modules(*["Normalize"] * 17)
    seeds["without-modules"] = BESIDE + compact(mean)
    for number in range(5):
        keys = [("general.architecture", TEXT, "bert"), ("bert.pooling_type", U32, number)]
        seeds["gguf-%d" % number] = gguf(keys, [("token_embd.weight", (32, 2), 0, 256)])
    seeds["gguf-refused"] = gguf([("general.architecture", TEXT, "bert"), ("bert.pooling_type", TEXT, "mean")])
    seeds["gguf-nameless"] = gguf([("general.architecture", U32, 1)])
    for name in ("../1_Pooling", "/1_Pooling", "1_WordWeights"):
        seeds["refused-%d" % len(name)] = modules(name)
    return seeds


def heads_seeds():
    """For an encoder of two numbers a row and three words."""
    def model(outputs, *parts):
        shapes = {"dense": [2, 2], "norm": [2], "out": [outputs, 2]}
        tensors = []
        for name, kind in parts:
            shape = shapes[kind]
            count = shape[0] * (shape[1] if len(shape) > 1 else 1)
            if not name.endswith(".bias"):
                tensors.append((name + ".weight", "F32", shape, bytes(4 * count)))
            tensors.append((name if name.endswith(".bias") else name + ".bias", "BF16", shape[:1], bytes(2 * shape[0])))
        return safetensors(tensors)

    bert = [("bert.pooler.dense", "dense"), ("classifier", "out")]
    roberta = [("classifier.dense", "dense"), ("classifier.out_proj", "out")]
    modern = [("head.dense", "dense"), ("head.norm", "norm"), ("classifier", "out")]
    seeds = {}
    for name, parts in {"Bert": bert, "Roberta": roberta, "XLMRoberta": roberta, "Camembert": roberta, "MPNet": roberta,
                        "DistilBert": [("pre_classifier", "dense"), ("classifier", "out")], "ModernBert": modern}.items():
        config = {"architectures": [name + "ForSequenceClassification"]}
        seeds["sequence-" + name] = BESIDE.join([compact(config), model(2, *parts)])
        parts = modern if name == "ModernBert" else [("classifier", "out")]
        config = {"architectures": [name + "ForTokenClassification"], "id2label": {"1": "B", "0": "A", "2": "C"}}
        seeds["tokens-" + name] = BESIDE.join([compact(config), model(3, *parts)])
    lm = [("lm_head.dense", "dense"), ("lm_head.layer_norm", "norm"), ("lm_head.bias", "out")]
    predictions = "cls.predictions."
    for name, words, parts in (
            ("Bert", "bert.embeddings.word_embeddings", [(predictions + "transform.dense", "dense"), (predictions + "transform.LayerNorm", "norm"),
                                                         (predictions + "bias", "out")]),
            ("DistilBert", "distilbert.embeddings.word_embeddings", [("vocab_transform", "dense"), ("vocab_layer_norm", "norm"),
                                                                     ("vocab_projector.bias", "out")]),
            ("Roberta", "roberta.embeddings.word_embeddings", lm), ("MPNet", "mpnet.embeddings.word_embeddings", lm),
            ("ModernBert", "model.embeddings.tok_embeddings", [("head.dense", "dense"), ("head.norm", "norm"), ("decoder.bias", "out")])):
        config = {"architectures": [name + "ForMaskedLM"], "hidden_act": "relu", "activation": "gelu_new", "classifier_activation": "silu"}
        seeds["words-" + name] = BESIDE.join([compact(config), model(3, *parts, (words, "out"))])
    bert_model = model(3, *bert)
    for name, more in {"number": {"num_labels": 3}, "none": {"num_labels": 0}, "list": {"id2label": []}, "text": {"num_labels": "3"},
                       "empty": {"id2label": {}}, "not-number": {"id2label": {"a": "b"}}, "not-text": {"id2label": {"0": 1}},
                       "multi": {"num_labels": 3, "problem_type": "multi_label_classification"},
                       "regression": {"problem_type": "regression"}}.items():
        seeds["labels-" + name] = BESIDE.join([compact({"architectures": ["BertForSequenceClassification"], **more}), bert_model])
    for name, more in {"mean": "mean", "cls": "cls", "other": "max"}.items():
        seeds["pooling-" + name] = BESIDE.join([compact(
            {"architectures": ["ModernBertForSequenceClassification"], "classifier_pooling": more, "classifier_activation": "tanh"}),
            model(2, *modern)])
    seeds["refused-activation"] = compact({"architectures": ["ModernBertForSequenceClassification"], "classifier_activation": "mish"})
    for name, value in {"none": None, "empty": [], "two": ["a", "b"], "other": ["BertModel"], "number": [1]}.items():
        seeds["architectures-" + name] = compact({"architectures": value} if value is not None else {})
    seeds["not-json"] = b"{"
    seeds["missing"] = compact({"architectures": ["BertForSequenceClassification"]})
    seeds["shape"] = BESIDE.join([compact({"architectures": ["BertForTokenClassification"]}), model(3, ("classifier", "out"))])
    seeds["rank"] = BESIDE.join([compact({"architectures": ["BertForTokenClassification"]}), safetensors(
        [("classifier.weight", "F32", [2, 2], bytes(16)), ("classifier.bias", "F32", [2, 1], bytes(8))])])
    seeds["kind"] = BESIDE.join([compact({"architectures": ["BertForTokenClassification"]}), safetensors(
        [("classifier.weight", "I64", [2, 2], bytes(32)), ("classifier.bias", "F32", [2], bytes(8))])])
    return seeds


def prompts_seeds():
    prompts = {"query": "query: ", "document": "passage: ", "clustering": None}
    return {name: compact(value) for name, value in {
        "some": {"prompts": prompts}, "default": {"prompts": prompts, "default_prompt_name": "document"},
        "null": {"prompts": prompts, "default_prompt_name": "clustering"}, "no-default": {"prompts": prompts, "default_prompt_name": "a"},
        "none": {"prompts": None, "default_prompt_name": None}, "empty": {}, "array": [], "list": {"prompts": []},
        "number": {"prompts": {"query": 1}}, "name": {"default_prompt_name": 1}, "nul": {"prompts": {"query": "a\0"}},
        "many": {"prompts": {"name %d" % i: "\u00e9" for i in range(40)}}}.items()} | {"not-json": b"{", "twice": b'{"prompts":{},"prompts":{}}'}


# ---- the small ones ----

def charsmap_seeds():
    seeds = dict(MAPS)
    seeds["text"] = MAPS["plain"] + BESIDE + "\u00e9AxA\u0301".encode()
    seeds["letters"] = base64.b64encode(MAPS["spaces"])
    seeds["empty"] = charsmap({"b": ""})
    return seeds


def base64_seeds():
    return {"%d" % size: base64.b64encode(bytes(range(200, 200 + size))) for size in (0, 1, 2, 3, 30)}


def pattern_seeds():
    known = ["\\s+", "\\s", "\\p{N}+", "\\p{N}{1,3}", "\\p{N}", "\\p{L}+", " ", " +", " {2,}", "[0-9]", "[0-9]+", "[0-9][0-9][0-9]",
             "[0-9]{1,3}", "\n", "\\n", "[\r\n]", "[\\r\\n]", "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"]
    words = ["'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
             "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
             "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
             "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"]
    others = ["a*", "(a|b)+?c", "(?<=a)b|$", "[[:alpha:]]+", "\\w+|[^\\w\\s]+", "(?i)hello", "x{2,}|^", "(", "\\X", "\\p{Han}", ""]
    text = "Hello don't 1234  \n\r\n \u4f60\u597d \u0661\u0662 ab!?".encode()
    seeds = {"%02d" % number: pattern.encode() + BESIDE + text for number, pattern in enumerate(known + words + others)}
    seeds["gives-up"] = b"(x+x+)+(?:y|z|\\d)" + BESIDE + b"x" * 26
    return seeds


def main():
    makers = {"tokenizer_json": lambda: dict(json_seeds(), **json_faults(), **json_2_seeds()), "sentencepiece": sentencepiece_seeds, "tiktoken": tiktoken_seeds,
              "vocab_txt": vocab_seeds, "vocab_json": vocab_json_seeds, "gguf": gguf_seeds, "charsmap": charsmap_seeds, "base64": base64_seeds,
              "pattern": pattern_seeds, "weights": weights_seeds, "config": config_seeds, "chain": chain_seeds,
              "heads": heads_seeds, "prompts": prompts_seeds}
    for reader, make in makers.items():
        folder = os.path.join(sys.argv[1], reader)
        os.makedirs(folder, exist_ok=True)
        for name, data in make().items():
            with open(os.path.join(folder, name), "wb") as file:
                file.write(data)


if __name__ == "__main__":
    main()
