#!/usr/bin/env python3
"""Tokenizer files in other spellings than those of the data folder: tokenizer.json of version 2.0, vocab.json with
merges.txt. Ends with "N passed, N failed".

    tests/play_tokenizer_files.py DRIVER         build/release/tests/token_driver

The files of version 2.0 are what tokenizers 1.0 makes of those of the data folder, and of variants of them: the first
must give the ids of the data folder, the others those of tokenizers 1.0 itself. vocab.json and merges.txt are written
from gpt2's tokenizer.json and compared with the vectors and with what tokenizers 0.23.3 makes of the two files, put
together as transformers does.

Skips, and says so, what needs a reference or data that is not there: the environments of the peers are looked for in
$FTPIPE_PEERS, then ~/.cache/ftpipe-peers.
"""

import json
import os
import subprocess
import sys
import tempfile

import token_driver as driver
from fuzz_tokenize import ADDED, DATA, Texts, find_reference, read, words_of
from play_tokenizers import Play, files_of, read_rows

PEERS = os.environ.get("FTPIPE_PEERS", os.path.expanduser("~/.cache/ftpipe-peers"))
NEWER = os.path.join(PEERS, "venv-rc/bin/python")
TEXTS = 60
# Reads a file of any version, writes it as 2.0 with other parts, and encodes texts with what it has written.
CONVERT = """
import json, sys, tokenizers
job = json.load(sys.stdin)
made = tokenizers.Tokenizer.from_file(job["from"]).__reduce__()[1][0]
if job["parts"]:
    made = json.dumps(dict(json.loads(made), **job["parts"]))
with open(job["to"], "w", encoding="utf-8") as file:
    file.write(made)
tokenizer = tokenizers.Tokenizer._unpickle(made, None, None)
plain = [tokenizer.encode(text, add_special_tokens=False).ids for text in job["texts"]]
json.dump([plain, [tokenizer.encode(text).ids for text in job["texts"]]], sys.stdout)
"""


def convert(source, target, texts=(), parts=None):
    job = {"from": source, "to": target, "texts": texts, "parts": parts}
    done = subprocess.run([NEWER, "-c", CONVERT], input=json.dumps(job), capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        raise RuntimeError("tokenizers 1.0: " + done.stderr[-500:])
    return json.loads(done.stdout)


def metaspace(scheme, split=True):
    return {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": split}


def metaspace_normalizer(scheme):
    return {"type": "MetaspaceNormalizer", "replacement": "▁", "prepend": scheme, "drop_whitespace": True}


def with_added(description):
    """Without those that tokenizers 1.0 finds elsewhere than 0.23.3: white space behind a token that takes it, and a
    single word directly behind a token."""
    added = [dict(dict(single_word=False, lstrip=False, rstrip=False, normalized=False, special=False), **one)
             for one in ADDED if one["content"].strip() and not one.get("single_word")]
    first = len(description["model"]["vocab"])
    return dict(description, added_tokens=description["added_tokens"] + [
        dict(one, id=first + i) for i, one in enumerate(added)])


def variants():
    """(name, a file of version 1.0, what its 2.0 has otherwise)."""
    t5, llama2, gpt2 = (read(name) for name in ("t5-small", "llama2", "gpt2"))
    strip = {"type": "Strip", "strip_left": True, "strip_right": False}
    for name, base in (("t5", t5), ("llama2", llama2)):
        for scheme, split, normalizer in (("always", True, None), ("first", True, None), ("never", True, None),
                                          ("first", False, None), ("first", True, strip)):
            one = dict(base, normalizer=normalizer, pre_tokenizer=metaspace(scheme, split))
            what = "%s, %s%s%s" % (name, scheme, " in one" * (not split), " stripped" * bool(normalizer))
            yield what, one, None
            yield what + ", added tokens", with_added(one), None
        for scheme in ("always", "first", "never"):
            parts = {"normalizer": metaspace_normalizer(scheme), "pre_tokenizer": None}
            yield "%s, words, %s" % (name, scheme), with_added(base), parts
        yield name + ", words in the middle", with_added(base), {"normalizer": {
            "type": "Sequence", "normalizers": [metaspace_normalizer("first"), strip]}}
    yield "gpt2, NFC", with_added(dict(gpt2, normalizer={"type": "NFC"})), None
    yield "gpt2, digits", dict(gpt2, pre_tokenizer={"type": "Sequence", "pretokenizers": [
        {"type": "Digits", "individual_digits": True},
        {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}]}), None
    yield "gpt2, uncut", dict(gpt2, pre_tokenizer={
        "type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}), None
    yield "gpt2, template", gpt2, {"post_processor": {
        "type": "TemplateProcessing", "single": [{"ids": [1, 2]}, {"seq": "A", "type_id": 1}, {"ids": [3]}],
        "pair": [{"seq": "A"}, {"ids": [4], "type_id": 1}, {"seq": "B", "type_id": 1}]}}


class Files(Play):
    def both(self, what, path, texts, plain, special):
        self.ids(what, path, [{"text": text, "ids": ids} for text, ids in zip(texts, plain)])
        self.ids(what + ", special", path, [{"text": text, "ids": ids} for text, ids in zip(texts, special)],
                 add_special=True)

    def version_2(self):
        for file in files_of("tokenizers"):
            name, rows = os.path.basename(file).split(".")[0], read_rows(file)
            path = os.path.join(self.scratch, name + ".2.json")
            convert(self.tokenizer(name), path)
            self.both(name + " 2.0", path, [row["text"] for row in rows], [row["ids"] for row in rows],
                      [row["ids_special"] for row in rows])
            self.decoded(name + " 2.0 decoded", path, rows)
        for number, (name, description, parts) in enumerate(variants()):
            old, new = (os.path.join(self.scratch, "variant.%d.json" % version) for version in (1, 2))
            with open(old, "w", encoding="utf-8") as out:
                json.dump(description, out)
            texts = Texts(number, list(words_of(description)))
            # Of newer characters the two versions know different things.
            made = ["".join(c for c in texts.text()[:2000] if c < "\u0250") for _ in range(TEXTS)]
            self.both("2.0 of " + name, new, made, *convert(old, new, made, parts))

    # ---- vocab.json and merges.txt ----

    def merges_folder(self, name, **beside):
        """gpt2's model as two files; `beside`: what other files hold."""
        folder = os.path.join(self.scratch, name)
        os.makedirs(folder)
        model = read("gpt2")["model"]
        pairs = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
        for file, text in (("vocab.json", json.dumps(model["vocab"])),
                           ("merges.txt", "\n".join(["#version: 0.2", *pairs, ""]))):
            with open(os.path.join(folder, file), "w", encoding="utf-8") as out:
                out.write(text)
        for file, what in beside.items():
            with open(os.path.join(folder, file + ".json"), "w", encoding="utf-8") as out:
                json.dump(what, out)
        return folder

    def merges(self):
        rows = [row for file in files_of("tokenizers:gpt2") for row in read_rows(file)]
        folder = self.merges_folder("plain")
        for path in (folder, os.path.join(folder, "vocab.json"), os.path.join(folder, "merges.txt")):
            self.both("gpt2 from " + os.path.basename(path), path, [row["text"] for row in rows],
                      [row["ids"] for row in rows], [row["ids_special"] for row in rows])
        for ending in ("vocab.json", "merges.txt"):
            os.rename(os.path.join(folder, ending), os.path.join(folder, "gpt2-" + ending))
        path = os.path.join(folder, "gpt2-merges.txt")
        self.ids("gpt2 from gpt2-merges.txt", path, rows)
        self.decoded("gpt2 from gpt2-merges.txt, decoded", path, rows)

    def classes(self, tokenizers):
        """Against the parts that convert_slow_tokenizer.py of transformers takes for each class."""
        for name, beside, make in slow_classes(tokenizers):
            folder = self.merges_folder(name, **beside)
            bpe = tokenizers.models.BPE.from_file(os.path.join(folder, "vocab.json"), os.path.join(folder, "merges.txt"))
            reference = tokenizers.Tokenizer(bpe)
            reference.decoder = tokenizers.decoders.ByteLevel()
            make(reference)
            texts = Texts(1, list(words_of(read("gpt2"))))
            texts = [texts.text().replace("<tok>", mark) for mark in ("<mask>", "[MASK]", "<new>", "</s>") * TEXTS]
            self.reference(name, folder, reference, texts)

    def reference(self, name, path, reference, texts):
        made = [reference.encode(text, add_special_tokens=False).ids for text in texts]
        self.both(name, path, texts, made, [reference.encode(text).ids for text in texts])
        pairs = list(zip(texts[::2], texts[1::2]))
        found = self.ask(path, [driver.pair(a, b, columns=driver.TYPE_IDS, add_special=True)
                                                for a, b in pairs])
        wanted = [reference.encode(a, b) for a, b in pairs]
        self.compare(name + " pairs", pairs, [[one.ids, one.type_ids] for one in wanted],
                     [[got[0]["ids"], got[0]["type_ids"]] for got in found])
        self.compare(name + " decoded", made, reference.decode_batch(made, skip_special_tokens=False),
                     self.ask(path, [driver.decode(ids) for ids in made]))


def slow_classes(tokenizers):
    """(name, the files beside, what is put into a tokenizer of the reference)."""
    parts, words, around = tokenizers, tokenizers.pre_tokenizers, tokenizers.processors
    special = {"bos_token": "<s>", "eos_token": "</s>", "sep_token": "</s>", "cls_token": "<s>", "unk_token": "<unk>",
               "pad_token": "<pad>", "mask_token": {"content": "<mask>", "lstrip": True, "rstrip": False,
                                                    "normalized": True, "single_word": False}}
    first = 50257

    def add(tokenizer, *contents, **flags):
        tokenizer.add_special_tokens([parts.AddedToken(content, normalized=False, **flags) for content in contents])

    def gpt2(tokenizer):
        tokenizer.pre_tokenizer = words.ByteLevel(add_prefix_space=False)
        add(tokenizer, "<|endoftext|>")
        tokenizer.post_processor = around.TemplateProcessing(
            single="<|endoftext|>:0 $A:0", pair="<|endoftext|>:0 $A:0 $B:1",
            special_tokens=[("<|endoftext|>", 50256)])

    def roberta(tokenizer):
        tokenizer.pre_tokenizer = words.ByteLevel(add_prefix_space=True)
        add(tokenizer, "<s>", "</s>", "<unk>", "<pad>")
        add(tokenizer, "<mask>", lstrip=True)
        tokenizer.post_processor = around.RobertaProcessing(
            ("</s>", first + 1), ("<s>", first), add_prefix_space=True, trim_offsets=True)

    def deberta(tokenizer):
        tokenizer.pre_tokenizer = words.ByteLevel(add_prefix_space=False)
        tokenizer.add_tokens([parts.AddedToken("<new>", normalized=True)])
        add(tokenizer, "[CLS]", "[SEP]", "[PAD]")
        add(tokenizer, "[MASK]", lstrip=True)
        tokenizer.post_processor = around.TemplateProcessing(
            single="[CLS]:0 $A:0 [SEP]:0", pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
            special_tokens=[("[CLS]", first + 1), ("[SEP]", first + 2)])

    def qwen2(tokenizer):
        tokenizer.normalizer = parts.normalizers.NFC()
        tokenizer.pre_tokenizer = words.Sequence([words.Split(parts.Regex(
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"
            r"\s+(?!\S)|\s+"), behavior="isolated", invert=False),
            words.ByteLevel(add_prefix_space=False, use_regex=False)])
        add(tokenizer, "<|endoftext|>", "<new>")
        add(tokenizer, "[MASK]", rstrip=True)
        add(tokenizer, "</s>")

    config = {"tokenizer_class": "GPT2TokenizerFast", "add_bos_token": True}
    yield "class GPT2", {"tokenizer_config": config}, gpt2
    yield "class RoBERTa", {"config": {"model_type": "roberta"}, "tokenizer_config": {"add_prefix_space": True},
                            "special_tokens_map": special}, roberta
    added = {"<new>": first, "[CLS]": first + 1, "[SEP]": first + 2, "[PAD]": first + 3, "[MASK]": first + 4}
    yield "class DeBERTa", {"tokenizer_config": {"tokenizer_class": "DebertaTokenizer", "mask_token": {
        "content": "[MASK]", "lstrip": True}}, "added_tokens": added}, deberta
    decoder = {str(first): {"content": "<new>", "special": True},
               str(first + 1): {"content": "[MASK]", "rstrip": True, "special": True}}
    yield "class Qwen2", {"tokenizer_config": {
        "tokenizer_class": "Qwen2Tokenizer", "added_tokens_decoder": decoder, "bos_token": None,
        "additional_special_tokens": ["[MASK]", "</s>"]}, "special_tokens_map": {"eos_token": "<not read>"}}, qwen2


def main():
    if not os.path.isdir(DATA):
        print("skipped: no test data\n0 passed, 0 failed, 1 skipped")
        return 0
    tokenizers, skipped = find_reference(), 0
    with tempfile.TemporaryDirectory() as scratch:
        # By way of the compiled form: what it does not hold of them would be missed.
        play = Files(sys.argv[1], scratch, compiled=True)
        play.merges()
        if tokenizers:
            play.classes(tokenizers)
        else:
            skipped += 1
            print("skipped: tokenizers 0.23.3 is not there: vocab.json with merges.txt by class")
        if os.path.exists(NEWER):
            play.version_2()
        else:
            skipped += 1
            print("skipped: tokenizers 1.0 is not there: tokenizer.json 2.0")
    print("%d passed, %d failed, %d skipped" % (play.passed, play.failed, skipped))
    return 1 if play.failed or not play.passed else 0


if __name__ == "__main__":
    sys.exit(main())
