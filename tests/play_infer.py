#!/usr/bin/env python3
"""Classifiers, rerankers, taggers and SPLADE models through the whole program, against transformers.

The models are the tiny ones in tests/models and those in the shared test data; what is expected stands in their
reference.jsonl and reference.safetensors. At most 1e-4 from the reference; the same bits for any number of threads and
any batch.
"""

import json
import math
import os
import shutil
import struct
import sys

from program import ROOT, Player, data_folder

MODELS = os.path.join(ROOT, "tests", "models")
NEAR = 1e-4
STRATEGIES = ("none", "simple", "first", "average", "max")

PIPELINE = """
stages:
  - read: in.jsonl
    batch: %d
    fields: {%s}
%s
  - write: out.jsonl
    fields: [%s]
    mode: replace
"""


def tensors(path):
    """name: list of numbers, of a safetensors file with F32 alone."""
    with open(path, "rb") as file:
        data = file.read()
    size = struct.unpack_from("<Q", data)[0]
    out = {}
    for name, about in json.loads(data[8:8 + size]).items():
        if name != "__metadata__":
            begin, end = about["data_offsets"]
            assert about["dtype"] == "F32", name
            out[name] = struct.unpack_from("<%df" % ((end - begin) // 4), data, 8 + size + begin)
    return out


def reference(folder):
    with open(os.path.join(folder, "reference.jsonl"), encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    path = os.path.join(folder, "reference.safetensors")
    more = tensors(path) if os.path.exists(path) else {}
    for name, values in more.items():
        index, what = name.split(".", 1)
        rows[int(index)][what] = values
    return rows


def config(folder):
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as file:
        return json.load(file)


def play(player, items, types, stages, fields, threads=2, batch=64):
    player.write("in.jsonl", "".join(json.dumps(item) + "\n" for item in items))
    player.write("p.yaml", PIPELINE % (batch, types, stages, fields))
    result = player.run("run", "p.yaml", "--threads", str(threads))
    assert result.status == 0, str(result)
    return player.read("out.jsonl")


def rows_of(lines):
    return [json.loads(line) for line in lines.splitlines()]


def ids_of(rows):
    """Items with ids; types where any of the rows has them."""
    typed = any("token_type_ids" in row for row in rows)
    items = [{"tokens": row["input_ids"],
              **({"type_ids": row.get("token_type_ids", [0] * len(row["input_ids"]))} if typed else {})}
             for row in rows]
    return items, 'tokens: "i32[*]"' + (', type_ids: "i32[*]"' if typed else "")


def same_bits(player, items, types, stages, fields, want):
    for threads, batch in ((1, 1), (8, 3), (2, 1000)):
        got = play(player, items, types, stages, fields, threads, batch)
        assert got == want, "other bits with %d threads and batches of %d" % (threads, batch)


def near(got, want, what):
    assert len(got) == len(want), (what, len(got), len(want))
    worst = max((abs(a - b) for a, b in zip(got, want)), default=0)
    assert worst <= NEAR, (what, worst)
    return worst


def softmax(logits):
    top = max(logits)
    powers = [math.exp(x - top) for x in logits]
    return [x / sum(powers) for x in powers]


def sigmoid(logits):
    return [1 / (1 + math.exp(-x)) for x in logits]


def classify(player, folder):
    rows, about = reference(folder), config(folder)
    items, types = ids_of(rows)
    labels = [about["id2label"][str(i)] for i in range(len(about["id2label"]))]
    stages = "  - infer: %s\n    task: classify\n" % folder
    raw = play(player, items, types, stages + "    function_to_apply: none", "output, label, score")
    worst = max(near(got["output"], row["logits"], "logits") for got, row in zip(rows_of(raw), rows))
    print("%s: max |difference| of logits %.2e" % (os.path.basename(folder), worst))
    many = about.get("problem_type") == "multi_label_classification"
    lines = play(player, items, types, stages, "output, label, score")
    for got, row in zip(rows_of(lines), rows):
        want = (sigmoid if many or len(labels) == 1 else softmax)(row["logits"])
        near(got["output"], want, "scores")
        near([got["score"]], [max(want)], "score")
        assert got["label"] == labels[max(range(len(want)), key=want.__getitem__)], got
    lines_of_two = play(player, items, types, stages + "    top: 2", "labels, scores")
    for got, row in zip(rows_of(lines_of_two), rows):
        order = sorted(range(len(labels)), key=lambda i: -row["logits"][i])[:2]
        assert got["labels"] == [labels[i] for i in order], got
    above(player, folder, rows, items, types)
    same_bits(player, items, types, stages, "output, label, score", lines)


def above(player, folder, rows, items, types):
    """Labels whose scores are above a threshold that some pass and some do not."""
    about = config(folder)
    apply = sigmoid if about.get("problem_type") == "multi_label_classification" else softmax
    scores = [apply(row["logits"]) for row in rows]
    every = sorted(score for row in scores for score in row)
    threshold = (every[len(every) // 2 - 1] + every[len(every) // 2]) / 2
    stages = "  - infer: %s\n    task: classify\n    threshold: %r\n" % (folder, threshold)
    for got, row in zip(rows_of(play(player, items, types, stages, "labels, scores")), scores):
        order = sorted((i for i in range(len(row)) if row[i] > threshold), key=lambda i: -row[i])
        assert got["labels"] == [about["id2label"][str(i)] for i in order], (got, row)
        near(got["scores"], [row[i] for i in order], "scores above %r" % threshold)
    for threshold in 0, -1.5:  # Of logits, which may be below 0.
        stages = "  - infer: %s\n    task: classify\n    function_to_apply: none\n    threshold: %r\n" % (folder, threshold)
        for got, row in zip(rows_of(play(player, items, types, stages, "labels, scores")), rows):
            assert len(got["labels"]) == sum(x > threshold for x in row["logits"]), (got, row)


def rerank_ids(player, folder):
    rows = reference(folder)
    items, types = ids_of(rows)
    stages = "  - infer: %s\n    task: rerank\n" % folder
    lines = play(player, items, types, stages, "score")
    raw = play(player, items, types, stages + "    function_to_apply: none", "score")
    worst = max(near([got["score"]], row["logits"], "logit") for got, row in zip(rows_of(raw), rows))
    print("%s: max |difference| of logits %.2e" % (os.path.basename(folder), worst))
    for got, row in zip(rows_of(lines), rows):
        near([got["score"]], sigmoid(row["logits"]), "score")
    same_bits(player, items, types, stages, "score", lines)


def rerank_texts(player, folder):
    # An empty second text is none to transformers, and a text like any other to the tokenizers library.
    rows = [row for row in reference(folder) if row["pair"]]
    items = [{"text": row["text"], "pair": row["pair"]} for row in rows]
    stages = ("  - tokenize: %s\n    pair: pair\n    max_length: 64\n    outputs: [type_ids]\n"
              "  - infer: %s\n    task: rerank\n    function_to_apply: none\n" % (folder, folder))
    lines = play(player, items, "text: string, pair: string", stages, "tokens, score")
    for got, row in zip(rows_of(lines), rows):
        assert got["tokens"] == row["input_ids"], (got, row)
        near([got["score"]], row["logits"], "logit")


def needs_types(player, folder):
    player.write("in.jsonl", "")
    player.write("p.yaml", PIPELINE % (1, 'tokens: "i32[*]"', "  - infer: %s\n    task: rerank\n" % folder, "score"))
    result = player.run("check", "p.yaml")
    assert result.status == 3 and b"needs the field `type_ids`" in result.err, str(result)
    assert b"outputs: [type_ids]" in result.err, str(result)


def refused(player, model, option, want):
    player.write("in.jsonl", "")
    player.write("p.yaml", PIPELINE % (1, 'tokens: "i32[*]"', "  - infer: %s\n    %s\n" % (model, option), "tokens"))
    result = player.run("check", "p.yaml")
    assert result.status == 3 and want.encode() in result.err, str(result)


def other_task(player, name, task, want):
    refused(player, os.path.join(MODELS, name), "task: " + task, want)


def other_shape(player, name, file, change, want):
    """A config.json or tensors that do not fit each other: both numbers are said."""
    for one in ("config.json", "model.safetensors"):
        with open(os.path.join(MODELS, name, one), "rb") as source:
            player.write(os.path.join("m", one), source.read())
    data = player.read(os.path.join("m", file))
    assert change[0] in data, change
    player.write(os.path.join("m", file), data.replace(*change))
    refused(player, "./m", "task: classify", want)


def tag(player, folder, strategies):
    rows = reference(folder)
    items = [{"text": row["text"]} for row in rows]
    for strategy in strategies:
        stages = ("  - tokenize: %s\n    outputs: [offsets, special_mask, word_ids]\n"
                  "    offset_unit: characters\n    max_length: 64\n"
                  "  - infer: %s\n    task: token_classify\n    aggregation: %s\n" % (folder, folder, strategy))
        fields = "tokens, entities, scores, starts, ends"
        lines = play(player, items, "text: string", stages, fields)
        for got, row in zip(rows_of(lines), rows):
            want = row[strategy]
            assert got["tokens"] == row["input_ids"], (got, row)
            assert got["entities"] == [one.get("entity_group", one.get("entity")) for one in want], (strategy, got, want)
            assert got["starts"] == [one["start"] for one in want], (strategy, got, want)
            assert got["ends"] == [one["end"] for one in want], (strategy, got, want)
            near(got["scores"], [one["score"] for one in want], strategy)
        same_bits(player, items, "text: string", stages, fields, lines)


def sparse(player, folder):
    rows = reference(folder)
    items, types = ids_of(rows)
    stages = "  - infer: %s\n    task: sparse\n" % folder
    lines = play(player, items, types, stages, "indices, values")
    worst = 0
    for got, row in zip(rows_of(lines), rows):
        full = [0.0] * len(row["sparse"])
        for index, value in zip(got["indices"], got["values"]):
            assert value > 0
            full[index] = value
        assert got["indices"] == sorted(set(got["indices"])), got
        worst = max(worst, near(full, row["sparse"], "weights"))
    print("%s: max |difference| of weights %.2e" % (os.path.basename(folder), worst))
    for got, row in zip(rows_of(play(player, items, types, stages + "    top: 7", "indices, values")), rows):
        order = sorted(range(len(row["sparse"])), key=lambda i: (-row["sparse"][i], i))[:7]
        assert got["indices"] == sorted(i for i in order if row["sparse"][i] > 0), (got, order)
    for got, row in zip(rows_of(play(player, items, types, stages + "    threshold: 0.5", "indices, values")), rows):
        assert got["indices"] == [i for i, x in enumerate(row["sparse"]) if x > 0.5], got
    same_bits(player, items, types, stages, "indices, values", lines)


def sparse_of_many_words(player):
    """bert-splade with its vocabulary five times over: more than one tile of it, and each weight comes five times."""
    source, times = os.path.join(MODELS, "bert-splade"), 5
    about, rows = config(source), reference(source)
    count, about["vocab_size"] = about["vocab_size"], times * about["vocab_size"]
    player.write("m/config.json", json.dumps(about))
    with open(os.path.join(source, "model.safetensors"), "rb") as file:
        data = file.read()
    size = struct.unpack_from("<Q", data)[0]
    header, body, bodies = json.loads(data[8:8 + size]), data[8 + size:], b""
    header.pop("__metadata__", None)
    for about in header.values():
        begin, end = about["data_offsets"]
        repeat = times if about["shape"][0] == count else 1
        about["shape"][0] *= repeat
        about["data_offsets"] = [len(bodies), len(bodies) + repeat * (end - begin)]
        bodies += body[begin:end] * repeat
    text = json.dumps(header).encode()
    player.write("m/model.safetensors", struct.pack("<Q", len(text)) + text + bodies)
    items, types = ids_of(rows)
    lines = play(player, items, types, "  - infer: ./m\n    task: sparse\n", "indices, values")
    for got, row in zip(rows_of(lines), rows):
        full = [0.0] * (times * count)
        for index, value in zip(got["indices"], got["values"]):
            full[index] = value
        near(full, list(row["sparse"]) * times, "weights")


def larger_tokenizer(player):
    """More tokens than the model has vectors for are refused before anything runs, with both numbers and places."""
    folder = os.path.join(player.folder, "m")
    shutil.copytree(os.path.join(MODELS, "bert-rerank"), folder)
    tokenizer = json.loads(player.read("m/tokenizer.json"))
    tokenizer["model"]["vocab"]["qqq"] = 200
    player.write("m/tokenizer.json", json.dumps(tokenizer))
    refused(player, folder, "task: classify", "the tokenizer in `%s/tokenizer.json` has 201 tokens, and the model in `%s` 200"
            % (folder, folder))
    other = os.path.join(player.folder, "g")
    shutil.copytree(os.path.join(MODELS, "llama"), other)
    shutil.copy(os.path.join(MODELS, "roberta-rerank", "tokenizer.json"), other)
    refused(player, other, "task: generate", "the tokenizer in `%s/tokenizer.json` has 340 tokens, and the model in `%s` 256"
            % (other, other))


def tokenizer_of_another(player):
    """Tokens of a tokenizer that is not the model's, and of more tokens than that has: so too."""
    roberta = os.path.join(MODELS, "roberta-rerank")
    for name, task in (("bert-rerank", "rerank"), ("bert-classify", "classify"), ("bert-tag", "token_classify"), ("bert-splade", "sparse")):
        folder = os.path.join(MODELS, name)
        player.write("in.jsonl", "")
        player.write("p.yaml", PIPELINE % (1, "text: string", (
            "  - tokenize: %s\n    outputs: [type_ids, offsets, special_mask]\n  - limit: 3\n"
            "  - infer: %s\n    task: %s") % (roberta, folder, task), "text"))
        result = player.run("check", "p.yaml")
        for want in ("the tokenizer in `%s/tokenizer.json` has 340 tokens, and the model in `%s` %d" % (
                roberta, folder, config(folder)["vocab_size"]), "`tokens` is made with it: use `tokenize: %s`" % folder, "p.yaml:9:12"):
            assert result.status == 3 and want.encode() in result.err, (want, str(result))


def long_texts(player, task, folder, fields):
    """Texts of more tokens than a worker has room for at first, and of more than the model takes."""
    most = config(folder)["max_position_embeddings"]
    long = [1 + i * 7 % 140 for i in range(most + 100)]
    texts = [long[:5], long[:700], long, long[:most - 1] + long[-1:], long[:most]]
    items = [{"tokens": ids, "special_mask": [0] * len(ids), "offsets": [[i, i + 1] for i in range(len(ids))]}
             for ids in texts]
    types = 'tokens: "i32[*]", special_mask: "i32[*]", offsets: "i32[*, 2]"'
    stages = "  - infer: %s\n    task: %s\n" % (folder, task)
    lines = play(player, items, types, stages, fields)
    rows = rows_of(lines)
    assert len(rows) == len(texts) and rows[1] != rows[4], rows
    for name in fields.split(", "):
        if name not in ("starts", "ends"):  # The last token stands elsewhere.
            assert rows[2][name] == rows[3][name], (name, rows[2][name], rows[3][name])
    same_bits(player, items, types, stages, fields, lines)


def long_cancelled(player, name, task):
    """One text is minutes of attention: the run ends long before."""
    folder = os.path.join(player.folder, "m")
    shutil.copytree(os.path.join(MODELS, name), folder)
    player.write("m/config.json", json.dumps({**config(folder), "max_position_embeddings": 300000}))
    item = {"tokens": [7] * 300000, "special_mask": [0] * 300000, "offsets": [[0, 0]] * 300000}
    player.write("in.jsonl", json.dumps(item))
    player.write("p.yaml", PIPELINE % (1, 'tokens: "i32[*]", special_mask: "i32[*]", offsets: "i32[*, 2]"',
                                       "  - infer: %s\n    task: %s" % (folder, task), "tokens") + "\nrun: {timeout: 1s}\n")
    result = player.run("run", "p.yaml", timeout=30)
    assert result.status != 0 and b"took longer than 1000 ms" in result.err, str(result)


def long_sparse(player):
    """A classifier's layers with the words' table behind them are a masked language model."""
    for one in ("config.json", "model.safetensors"):
        with open(os.path.join(MODELS, "modernbert-classify", one), "rb") as source:
            player.write(os.path.join("m", one),
                         source.read().replace(b"ModernBertForSequenceClassification", b"ModernBertForMaskedLM"))
    long_texts(player, "sparse", os.path.join(player.folder, "m"), "indices, values")


def main():
    player = Player()
    player.case("long texts sparse", long_sparse)
    for task, name in (("classify", "modernbert-classify"), ("sparse", "modernbert-splade"), ("token_classify", "modernbert-tag")):
        player.case("cancelled " + name, long_cancelled, name, task)
    for task, name, fields in (("classify", "modernbert-classify", "output, label"),
                               ("token_classify", "modernbert-tag", "entities, scores, starts, ends")):
        player.case("long texts " + name, long_texts, task, os.path.join(MODELS, name), fields)
    for name in ("bert-classify", "bert-multilabel", "distilbert-classify", "roberta-classify", "xlm-roberta-classify", "mpnet-classify",
                 "modernbert-classify", "modernbert-classify-mean"):
        player.case("classify " + name, classify, os.path.join(MODELS, name))
    for name in ("bert-rerank", "roberta-rerank", "xlm-roberta-rerank"):
        player.case("rerank " + name, rerank_ids, os.path.join(MODELS, name))
        player.case("rerank texts " + name, rerank_texts, os.path.join(MODELS, name))
    player.case("rerank needs types", needs_types, os.path.join(MODELS, "bert-rerank"))
    for name, task, want in (
            ("bert-tag", "classify", "the model is a BertForTokenClassification, which is for another task"),
            ("bert-splade", "token_classify", "say `task: sparse`, or name another model"),
            ("bert", "classify", "the architecture `BertModel` has no head that is supported"),
            ("bert-classify", "none", "no `task` is given"),
            ("bert-classify", "rerank\n    top: 2", "`top` says nothing of this task"),
            ("bert-classify", "classify\n    ignore_labels: [negative]", "`ignore_labels` says nothing of this task"),
            ("bert-classify", "classify\n    labels: [a, b]", "`labels` has 2 names, and the network 3 outputs"),
            ("bert-classify", "classify\n    top: 4", "`top` is more than the 3 outputs")):
        player.case("refused " + name + " " + task, other_task, name, task, want)
    for file, change, want in (
            ("config.json", (b'"2": "positive"', b'"2": "positive", "3": "mixed"'), "[3, 36]; config.json says [4, 36]"),
            ("config.json", (b'"2": "positive"', b'"1": "positive"'), "config.json"),
            ("config.json", (b'"2": "positive"', b'"3": "positive"'), "has 3 labels, and `3` is not one number below"),
            ("config.json", (b'"2": "positive"', b'"2": 2'), "`2` is not one number below that with a text"),
            ("model.safetensors", (b"classifier.weight", b"classifier.wright"), "tensor `classifier.weight` is missing"),
            ("model.safetensors", (b"bert.pooler.dense.bias", b"bert.pooler.dense.bios"), "`bert.pooler.dense.bias`")):
        player.case("refused " + want, other_shape, "bert-classify", file, change, want)
    player.case("larger tokenizer", larger_tokenizer)
    player.case("tokenizer of another", tokenizer_of_another)
    player.case("tag bert-tag", tag, os.path.join(MODELS, "bert-tag"), STRATEGIES)
    player.case("tag distilbert-tag", tag, os.path.join(MODELS, "distilbert-tag"), STRATEGIES)
    # Words of byte-level BPE are those of the tokenizer here, and what stands between spaces there.
    player.case("tag roberta-tag", tag, os.path.join(MODELS, "roberta-tag"), ("none", "simple"))
    player.case("tag modernbert-tag", tag, os.path.join(MODELS, "modernbert-tag"), ("none", "simple"))
    for name in ("bert-splade", "distilbert-splade", "roberta-splade", "xlm-roberta-splade", "mpnet-splade",
                 "modernbert-splade", "modernbert-splade-untied"):
        player.case("sparse " + name, sparse, os.path.join(MODELS, name))
    player.case("sparse of many words", sparse_of_many_words)
    shared = data_folder()
    for name, function in (("syn-distilbert-cls", classify), ("syn-bert-crossencoder", rerank_ids)):
        if shared:
            player.case("shared " + name, function, os.path.join(shared, "models", name))
        else:
            print("skipped: %s: no test data" % name)
    return player.end()


if __name__ == "__main__":
    sys.exit(main())
