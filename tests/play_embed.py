#!/usr/bin/env python3
"""embed with the modules of sentence-transformers, and what its options make of a vector, through `ftpipe run`. Ends
with "N passed, N failed, N skipped".

    play_embed.py PROGRAM

The models of `models/chain-*` were made by `models/make_files.py`; their vectors are those of sentence-transformers.
STS-B: Spearman's correlation of the scores that people gave with cosines of MiniLM's vectors.
"""

import array
import itertools
import json
import os
import random
import shutil
import struct
import sys

from program import ROOT, Player, need_data, need_minilm

MODELS = os.path.join(ROOT, "tests", "models")
PROMPTS = "config_sentence_transformers.json"
MOST = 1e-5
STS_SPEARMAN, STS_MOST = 86.716, 0.05  # In hundredths: 0.0005 of the coefficient.
STS_INT8_MOST = 0.3
LONG_TOKENS = 200000


def vectors_of(path):
    """The rows of an .npy file of f32, f16, i8 or u8."""
    with open(path, "rb") as file:
        data = file.read()
    size = struct.unpack_from("<H", data, 8)[0]
    header = data[10:10 + size].decode()
    kind = header.split("'descr': '")[1].split("'")[0]
    rows, columns = (int(part) for part in header.split("(")[1].split(")")[0].split(","))
    numbers = struct.unpack_from("<%d%s" % (rows * columns, {"<f4": "f", "<f2": "e", "|i1": "b", "|u1": "B"}[kind]),
                                 data, 10 + size)
    return [numbers[i * columns:(i + 1) * columns] for i in range(rows)]


def embed(player, model, texts, prompt=None, pools_prompt=True, option="prompt", isa="auto", **options):
    """The vectors of texts; `prompt` stands before each, or the one of that name with `option`."""
    player.write("in.jsonl", "".join(json.dumps({"text": text}) + "\n" for text in texts))
    stage = {"embed": model, **options}
    tokens = {"tokenize": model}
    if prompt is not None:
        tokens[option] = prompt
        if not pools_prompt:
            stage[option] = prompt
    stages = [{"read": "in.jsonl"}, tokens, stage,
              {"write": "out.npy", "mode": "replace", "fields": ["embedding"]}]
    player.write("p.yaml", json.dumps({"stages": stages}))
    result = player.run("run", "p.yaml", "--threads", "2", env={"FTPIPE_ISA": isa})
    assert result.status == 0, str(result)
    return vectors_of(os.path.join(player.folder, "out.npy"))


def reference(name):
    """(folder, texts with their prompts' names, vectors, prompts) of a model with a chain."""
    folder = os.path.join(MODELS, name)
    if not os.path.exists(os.path.join(folder, "reference.safetensors")):
        raise Player.Skip("no models/%s" % name)
    with open(os.path.join(folder, "reference.jsonl"), encoding="utf-8") as file:
        texts = [json.loads(line) for line in file]
    with open(os.path.join(folder, "reference.safetensors"), "rb") as file:
        data = file.read()
    size = struct.unpack_from("<Q", data)[0]
    entry = json.loads(data[8:8 + size])["vectors"]
    count, width = entry["shape"]
    numbers = struct.unpack_from("<%df" % (count * width), data, 8 + size + entry["data_offsets"][0])
    with open(os.path.join(folder, "config_sentence_transformers.json"), encoding="utf-8") as file:
        prompts = json.load(file)["prompts"]
    return folder, texts, [numbers[i * width:(i + 1) * width] for i in range(count)], prompts


def difference(got, want):
    assert len(got) == len(want) and all(len(a) == len(b) for a, b in zip(got, want))
    return max(abs(x - y) for a, b in zip(got, want) for x, y in zip(a, b))


def chain(player, name, pools_prompt=True):
    folder, texts, want, prompts = reference(name)
    for prompt in {text.get("prompt") for text in texts}:
        which = [i for i, text in enumerate(texts) if text.get("prompt") == prompt]
        got = embed(player, folder, [texts[i]["text"] for i in which], prompts[prompt] if prompt else None,
                    pools_prompt)
        worst = difference(got, [want[i] for i in which])
        print("%s, prompt %s: %d texts, largest difference %.2g" % (name, prompt, len(which), worst))
        assert worst <= MOST, worst
        if prompt:
            assert got == embed(player, folder, [texts[i]["text"] for i in which], prompt, pools_prompt, "prompt_name")


def default_prompt(player, name, pools_prompt=True):
    """default_prompt_name counts where nothing else is said, as in sentence-transformers."""
    original, texts, want, _ = reference(name)
    folder = os.path.join(player.folder, name)
    shutil.copytree(original, folder)
    path = os.path.join(folder, PROMPTS)
    with open(path, encoding="utf-8") as file:
        config = json.load(file)
    with open(path, "w", encoding="utf-8") as file:
        json.dump({**config, "default_prompt_name": "query"}, file)
    for prompt, given, option in ("query", None, "prompt"), (None, "", "prompt"), ("document", "document", "prompt_name"):
        which = [i for i, text in enumerate(texts) if text.get("prompt") == prompt]
        got = embed(player, folder, [texts[i]["text"] for i in which], given, pools_prompt, option)
        assert difference(got, [want[i] for i in which]) <= MOST, prompt


def prompts_refused(player):
    original = reference("chain-all")[0]
    folder = os.path.join(player.folder, "m")
    shutil.copytree(original, folder)

    def check(stage, *messages):
        player.write("in.jsonl", "")
        player.write("p.yaml", json.dumps({"stages": [
            {"read": "in.jsonl", "fields": {"text": "string", "tokens": "i32[*]"}}, stage, {"drop": None}]}))
        result = player.run("check", "p.yaml")
        assert result.status == 3 and all(message in result.err + result.out for message in messages), str(result)

    for stage in "tokenize", "embed":
        check({stage: folder, "prompt_name": "question"}, b"no prompt `question`", b"there is document, query", b"prompt_name")
        check({stage: folder, "prompt_name": "query", "prompt": "a"}, b"both say")
    check({"tokenize": "words", "prompt_name": "query"}, b"`prompt_name` says nothing")
    check({"embed": reference("chain-dense")[0], "prompt_name": "query"}, b"`prompt_name` says nothing here")
    for text, message in (("{", b"reading"), ("[]", b"not an object"), ('{"prompts": 1}', b"`prompts` is not an object"),
                          ('{"prompts": {"a": 1}}', b"the prompt `a` is not a text"),
                          ('{"prompts": {"a": "b\\u0000"}}', b"the prompt `a` has a NUL"),
                          ('{"default_prompt_name": 1}', b"`default_prompt_name` is not a text"),
                          ('{"default_prompt_name": "a"}', b"`default_prompt_name` is `a`"),
                          ('{"prompts": {"a": ""}, "prompts": {}}', b"prompts"),
                          ('{"prompts": {"a": "%s"}}' % ("b" * (1 << 20)), b"1048576")):
        player.write("m/" + PROMPTS, text)
        for stage in "tokenize", "embed":
            check({stage: folder}, PROMPTS.encode(), message)
    for text in "{}", '{"prompts": null}', '{"prompts": {}}':
        player.write("m/" + PROMPTS, text)
        check({"tokenize": folder, "prompt_name": "query"}, b"has no prompts")
    player.write("m/" + PROMPTS, json.dumps({"prompts": {"name %d" % i: None for i in range(100)}}))
    check({"tokenize": folder, "prompt_name": "query"}, b"there is name 0, name 1,", b" more")


def larger_tokenizer(player):
    """More tokens than the model has vectors for are refused; added ones where an item has them."""
    folder = os.path.join(player.folder, "m")
    shutil.copytree(reference("chain-dense")[0], folder)
    with open(os.path.join(folder, "tokenizer.json"), encoding="utf-8") as file:
        tokenizer = json.load(file)
    player.write("in.jsonl", '{"text": "salt"}\n{"text": "salt qqq"}\n')

    def run(tokenizer, *stages):
        player.write("m/tokenizer.json", json.dumps(tokenizer))
        player.write("p.yaml", json.dumps({"stages": [
            {"read": "in.jsonl", "fields": {"tokens": "i32[*]"}}, *stages, {"embed": folder, "on_error": "skip"},
            {"write": "out.jsonl", "mode": "replace", "fields": ["text"]}]}))
        return player.run("run", "p.yaml")

    added = {**tokenizer["added_tokens"][0], "id": 200, "content": "qqq", "special": False}
    more = {**tokenizer, "added_tokens": tokenizer["added_tokens"] + [added]}
    vocab = {**tokenizer["model"]["vocab"], "qqq": 200}
    for listed in more, {**more, "model": {**tokenizer["model"], "vocab": vocab}}:
        result = run(listed, {"tokenize": folder})
        assert b"token 200 is outside the model's vocabulary of 200" in result.err, str(result)
        assert [json.loads(line)["text"] for line in player.read("out.jsonl").splitlines()] == ["salt"]
    larger = {**tokenizer, "model": {**tokenizer["model"], "vocab": vocab}}
    want = "the tokenizer in `%s` has 201 tokens, and the model in `%s` 200" % (
        os.path.join(folder, "tokenizer.json"), folder)
    result = run(larger, {"tokenize": folder})
    assert result.status == 3 and want.encode() in result.err, str(result)
    assert player.run("check", "p.yaml").status == 3
    # An added token is no fault of the model's, but of a prompt that has it.
    assert run(more, {"tokenize": folder, "prompt": "salt: "}).status == 0
    result = run(more, {"tokenize": folder, "prompt": "qqq: "})
    want = "token 200 of the prompt `qqq: ` is outside the vocabulary of 200 of the model in `%s`" % folder
    assert result.status == 3 and want.encode() in result.err, str(result)
    # Shown are 60 bytes of it, and no half of a character.
    result = run(more, {"tokenize": folder, "prompt": "qqq: " + "é" * 60})
    want = "the prompt `qqq: %s` is outside" % ("é" * 27)
    assert result.status == 3 and want.encode() in result.err, str(result)
    # One that cannot be read is no fault where tokens come from elsewhere.
    player.write("in.jsonl", '{"text": "salt", "tokens": [2, 7, 3]}\n')
    assert run(larger).status == 3
    assert run([]).status == 0


def tokenizer_of_another(player):
    """Ids that a tokenizer makes which is not the model's are refused before anything runs, wherever it stands above."""
    folder, other = os.path.join(player.folder, "m"), os.path.join(player.folder, "other")
    shutil.copytree(reference("chain-dense")[0], folder)
    own = json.loads(player.read("m/tokenizer.json"))
    larger = {**own, "model": {**own["model"], "vocab": {**own["model"]["vocab"], "qqq": 200}}}
    player.write("in.jsonl", '{"text": "salt", "ids": [2, 7, 3]}\n{"text": "salt qqq", "ids": [2, 200, 3]}\n')

    def run(tokenizer, stages, command="run"):
        player.write("other/tokenizer.json", json.dumps(tokenizer))
        player.write("p.yaml", "stages:\n" + "".join("  - %s\n" % stage for stage in (
            'read: in.jsonl\n    fields: {text: string, ids: "i32[*]"}', *stages, "embed: %s\n    from: ids\n    on_error: skip" % folder,
            "write: out.jsonl\n    mode: replace\n    fields: [text]")))
        return player.run(command, "p.yaml")

    def refused(result, line, *messages):
        assert result.status == 3, str(result)
        for message in (*messages, "p.yaml:%d:12" % line, "`ids` is made with it: use `tokenize: %s`" % folder):
            assert message.encode() in result.err, (message, str(result))

    makes = "tokenize: %s\n    to: ids" % other
    numbers = "the tokenizer in `%s/tokenizer.json` has 201 tokens, and the model in `%s` 200" % (other, folder)
    refused(run(larger, [makes]), 6, numbers)
    refused(run(larger, [makes, "limit: 9", 'filter: text != ""'], "check"), 8, numbers)
    refused(run(larger, [makes, "tokenize: %s" % folder]), 7, numbers)  # Another field.
    # Special ids that are beyond, where they are put.
    template = {**own["post_processor"], "special_tokens": {
        "[CLS]": {"id": "[CLS]", "ids": [200], "tokens": ["[CLS]"]}, "[SEP]": {"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]}}}
    special = {**own, "post_processor": template}
    refused(run(special, [makes]), 6, "token 200, which the tokenizer in `%s/tokenizer.json` puts around each text, is outside the "
            "vocabulary of 200 of the model in `%s`" % (other, folder))
    assert run(special, [makes + "\n    add_special: false"]).status == 0
    # Where a stage gives the field anew, or it was read, an item is what is refused.
    for stages in [], [makes, "tokenize: %s\n    to: ids" % folder], [makes, 'lua: item.ids = {2, 7, 3}\n    adds: {ids: "i32[*]"}']:
        result = run(larger, stages)
        assert result.status == 0, str(result)
        got = [json.loads(line)["text"] for line in player.read("out.jsonl").splitlines()]
        assert got == (["salt", "salt qqq"] if stages else ["salt"]), got
    # What is made by two tokenizers is known of neither.
    result = run(larger, ["tokenize: %s\n    to: ids" % folder, makes + "\n    when: text == \"salt\""])
    assert result.status == 0 and player.read("out.jsonl").count(b"salt") == 2, str(result)
    result = run(larger, [makes + "\n    name: a", "tokenize: %s\n    to: ids\n    name: b\n    input: read" % folder,
                          "limit: 9\n    input: [a, b]"])
    assert result.status == 0 and b"token 200 is outside the model's vocabulary of 200" in result.err, str(result)


def length(vector):
    return sum(x * x for x in vector) ** 0.5


def smaller_numbers(player):
    """What quantize_embeddings does, by its definition, of the vectors that come out as f32."""
    folder, texts, _, _ = reference("chain-dense")
    texts = [text["text"] for text in texts if "prompt" not in text]
    full = embed(player, folder, texts)
    assert embed(player, folder, texts, output="f16") == \
        [struct.unpack("<%de" % len(v), struct.pack("<%de" % len(v), *v)) for v in full]
    bits = [tuple(sum((v[i + k] > 0) << (7 - k) for k in range(8)) for i in range(0, len(v), 8)) for v in full]
    assert embed(player, folder, texts, output="ubinary") == bits
    assert embed(player, folder, texts, output="binary") == [tuple(b - 128 for b in row) for row in bits]
    for ranges, options in ((-1, 1), {}), ((-0.25, 0.5), {"ranges": [-0.25, 0.5]}):
        step = (ranges[1] - ranges[0]) / 255
        got = embed(player, folder, texts, output="uint8", **options)
        for row, vector in zip(got, full):
            for level, x in zip(row, vector):
                want = max(0, min(255, (x - ranges[0]) / step))  # Floored in f32: a level at its edge may be the next.
                assert want - 1 - 1e-4 <= level <= want + 1e-4, (level, x)
        assert embed(player, folder, texts, output="int8", **options) == [tuple(x - 128 for x in row) for row in got]


def shorter(player):
    """`dim` cuts behind the model's normalisation, as truncate_dim does; normalize: true acts behind it."""
    folder, texts, want, _ = reference("chain-dense")
    which = [i for i, text in enumerate(texts) if "prompt" not in text]
    texts, want = [texts[i]["text"] for i in which], [want[i][:8] for i in which]
    assert difference(embed(player, folder, texts, dim=8), want) <= MOST
    unit = embed(player, folder, texts, dim=8, normalize="true")
    assert difference(unit, [[x / length(v) for x in v] for v in want]) <= MOST


def each_token(player):
    """pooling: none gives rows whose mean is what pooling: mean gives."""
    folder, texts, _, _ = reference("chain-all")
    texts = [text["text"] for text in texts if "prompt" not in text]
    mean = embed(player, folder, texts, pooling="mean")
    player.write("p.yaml", json.dumps({"stages": [
        {"read": "in.jsonl"}, {"tokenize": folder}, {"embed": folder, "pooling": "none"},
        {"write": "out.jsonl", "mode": "replace", "fields": ["tokens", "embedding"]}]}))
    result = player.run("run", "p.yaml")
    assert result.status == 0, str(result)
    rows = [json.loads(line) for line in player.read("out.jsonl").splitlines()]
    assert len(rows) == len(texts)
    for row, want in zip(rows, mean):
        vectors = row["embedding"]
        vectors = vectors if isinstance(vectors[0], list) else \
            [vectors[i:i + len(want)] for i in range(0, len(vectors), len(want))]
        assert len(vectors) == len(row["tokens"])
        assert difference([[sum(column) / len(vectors) for column in zip(*vectors)]], [want]) <= 1e-5


def first_token(player):
    """pooling: cls gives the first of the rows that pooling: none gives, bit for bit, whatever the layers are."""
    for name, dtype in itertools.product(("bert", "modernbert", "modernbert-wide", "gemma3-embedding"), ("f32", "bf16", "int8")):
        folder = os.path.join(MODELS, name)
        with open(os.path.join(folder, "reference.jsonl"), encoding="utf-8") as file:
            lists = [json.loads(line)["input_ids"] for line in file]
        options = {"dtype": dtype, "normalize": "false"}
        got, _ = of_tokens(player, folder, lists, "--threads", "2", pooling="cls", **options)
        # A text alone, whose outputs two threads share.
        for ids, vector in list(zip(lists, got))[-2:]:
            alone, _ = of_tokens(player, folder, [ids], "--threads", "2", pooling="cls", **options)
            assert alone == [vector], (name, dtype, len(ids))
        player.write("in.jsonl", "".join(json.dumps({"tokens": ids}) + "\n" for ids in lists))
        player.write("p.yaml", json.dumps({"stages": [
            {"read": "in.jsonl", "fields": {"tokens": "i32[*]"}}, {"embed": folder, "pooling": "none", **options},
            {"write": "out.jsonl", "mode": "replace", "fields": ["embedding"]}]}))
        result = player.run("run", "p.yaml")
        assert result.status == 0, str(result)
        width = len(got[0])
        for line, vector in zip(player.read("out.jsonl").splitlines(), got, strict=True):
            rows = json.loads(line)["embedding"]
            first = rows[0] if isinstance(rows[0], list) else rows[:width]
            assert struct.pack("<%df" % width, *first) == struct.pack("<%df" % width, *vector), (name, dtype)


def of_tokens(player, model, lists, *extra, **options):
    """The vectors of lists of ids."""
    player.write("in.jsonl", "".join(json.dumps({"tokens": ids}) + "\n" for ids in lists))
    player.write("p.yaml", json.dumps({"stages": [
        {"read": "in.jsonl", "fields": {"tokens": "i32[*]"}}, {"embed": model, **options},
        {"write": "out.npy", "mode": "replace", "fields": ["embedding"]}]}))
    result = player.run("run", "p.yaml", *extra)
    assert result.status == 0, str(result)
    return vectors_of(os.path.join(player.folder, "out.npy")), result


def tokens_of(player, model, texts, **options):
    player.write("in.jsonl", "".join(json.dumps({"text": text}) + "\n" for text in texts))
    player.write("p.yaml", json.dumps({"stages": [
        {"read": "in.jsonl"}, {"tokenize": model, "truncation": "none", **options},
        {"write": "out.jsonl", "mode": "replace", "fields": ["tokens"]}]}))
    result = player.run("run", "p.yaml")
    assert result.status == 0, str(result)
    return [json.loads(line)["tokens"] for line in player.read("out.jsonl").splitlines()]


def cut(ids, size, before, after):
    """Windows of a list of ids, with its first and last ones around each."""
    if len(ids) <= size:
        return [ids]
    head, body, tail = ids[:before], ids[before:len(ids) - after], ids[len(ids) - after:]
    room = size - before - after
    return [head + body[i:i + room] + tail for i in range(0, len(body), room)]


def mean_of_windows(player, model, lists, size, around, skipped=0, **options):
    windows = [cut(ids, size, *around) for ids in lists]
    vectors = of_tokens(player, model, [window for text in windows for window in text], normalize="false", **options)[0]
    vectors = iter(vectors)
    means = []
    for text in windows:
        weights = [len(window) - skipped for window in text]
        rows = [next(vectors) for _ in text]
        means.append([sum(w * x for w, x in zip(weights, column)) / sum(weights) for column in zip(*rows)])
    return means


def unit(vectors):
    return [[x / length(vector) for x in vector] for vector in vectors]


def windows(player):
    """long: window is the mean of what the windows alone give, by their tokens, whatever travels beside a text."""
    folder, lines, _, _ = reference("chain-dense")  # Takes 40 tokens.
    texts = [" ".join(line["text"] for line in lines[first:first + count]) or "salt"
             for first, count in ((0, 1), (0, 3), (3, 14), (11, 1), (5, 9), (0, 24))]
    lists = tokens_of(player, folder, texts)
    assert max(map(len, lists)) > 400 and min(map(len, lists)) < 8
    lists += [lists[-1][:1] + lists[-1][1:n] + lists[-1][-1:] for n in (38, 39, 40, 41, 76, 77, 78)]
    want = mean_of_windows(player, folder, lists, 40, (1, 1))
    for normalize, wanted in ("false", want), ("true", unit(want)), ("auto", unit(want)):
        got = of_tokens(player, folder, lists, long="window", normalize=normalize)[0]
        assert difference(got, wanted) <= MOST, (normalize, difference(got, wanted))
    of_first = of_tokens(player, folder, lists, long="window", pooling="cls", normalize="false")[0]
    assert difference(of_first, mean_of_windows(player, folder, lists, 40, (1, 1), pooling="cls")) <= MOST
    assert difference(of_tokens(player, folder, lists, long="window", dim=8)[0], [v[:8] for v in got]) == 0
    cut_off = of_tokens(player, folder, lists)[0]
    for choice, count in ("window", 0), ("truncate", sum(len(ids) > 40 for ids in lists)):
        events = of_tokens(player, folder, lists, "--json", long=choice)[1].err.splitlines()
        counters = {stage["name"]: stage["counters"] for stage in json.loads(events[-1])["stages"]}
        assert counters["embed"] == {"tokens": sum(map(len, lists)), "truncated": count}, counters
    for ids, a, b in zip(lists, cut_off, got):
        assert (a == b) == (len(ids) <= 40)
    for threads in "1", "2":
        backwards = of_tokens(player, folder, lists[::-1], "--threads", threads, long="window")[0]
        assert backwards[::-1] == got
    assert [of_tokens(player, folder, [ids], long="window")[0][0] for ids in lists] == got
    # Through tokenize, and without special tokens: windows then have none.
    player.write("in.jsonl", "".join(json.dumps({"text": text}) + "\n" for text in texts))
    player.write("p.yaml", json.dumps({"stages": [
        {"read": "in.jsonl"}, {"tokenize": folder, "truncation": "none"}, {"embed": folder, "long": "window"},
        {"write": "out.npy", "mode": "replace", "fields": ["embedding"]}]}))
    result = player.run("run", "p.yaml")
    assert result.status == 0, str(result)
    assert vectors_of(os.path.join(player.folder, "out.npy")) == got[:len(texts)]
    bare = [ids[1:-1] for ids in lists[1:]]
    got = of_tokens(player, folder, bare, long="window")[0]
    assert difference(got, unit(mean_of_windows(player, folder, bare, 40, (0, 0)))) <= MOST


def windows_with_prompt(player):
    """A prompt that pooling leaves out stands in each window."""
    folder, lines, _, prompts = reference("chain-all")
    size = 40  # tokenizer_config.json says it; the encoder has 64 positions.
    prompt = prompts["query"]
    lists = tokens_of(player, folder, [line["text"] for line in lines[:14]] + [lines[13]["text"] * 2], prompt=prompt)
    skipped = len(tokens_of(player, folder, [prompt], add_special=False)[0]) + 1
    assert max(map(len, lists)) > 2 * size and skipped > 2
    want = mean_of_windows(player, folder, lists, size, (skipped, 1), skipped, prompt=prompt)
    got = of_tokens(player, folder, lists, long="window", normalize="false", prompt=prompt)[0]
    assert difference(got, want) <= MOST, difference(got, want)
    player.write("p.yaml", json.dumps({"stages": [
        {"read": "in.jsonl", "fields": {"tokens": "i32[*]"}},
        {"embed": folder, "long": "window", "prompt": "salt " * 20}, {"drop": None}]}))
    result = player.run("run", "p.yaml")
    assert result.status != 0 and b"windows of 40 tokens" in result.err, str(result)


def late_reference():
    """(folder, lines, for each the vectors of its chunks, and those by size)."""
    folder = reference("chain-dense")[0]
    with open(os.path.join(folder, "late.jsonl"), encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    with open(os.path.join(folder, "late.safetensors"), "rb") as file:
        data = file.read()
    size = struct.unpack_from("<Q", data)[0]
    entries = json.loads(data[8:8 + size])

    def read(at, name):
        entry = entries["%d.%s" % (at, name)]
        numbers = array.array("f", data[8 + size + entry["data_offsets"][0]:8 + size + entry["data_offsets"][1]])
        return [list(numbers[i:i + entry["shape"][1]]) for i in range(0, len(numbers), entry["shape"][1])]

    return folder, lines, [read(at, "vectors") for at in range(len(lines))], [read(at, "by_size") for at in range(len(lines))]


def late_of(player, model, lines, *extra, before=None, status=0, **options):
    """The items that embed makes of chunks, as JSON."""
    player.write("in.jsonl", "".join(json.dumps({"id": at, **line}) + "\n" for at, line in enumerate(lines)))
    fields = {} if before else {"starts": "i32[*]", "ends": "i32[*]"}
    player.write("p.yaml", json.dumps({"stages": [
        {"read": "in.jsonl", "fields": {"id": "int", "text": "string", **fields}}, *([before] if before else []),
        {"tokenize": model, "truncation": "none", "outputs": ["offsets"]}, {"embed": model, "long": "late", **options},
        {"write": "out.jsonl", "mode": "replace", "fields": ["id", "start", "end", "embedding"]}]}))
    result = player.run("run", "p.yaml", *extra)
    assert result.status == status, str(result)
    return [json.loads(line) for line in player.read("out.jsonl").splitlines()] if status == 0 else result


def late(player):
    """long: late, as the paper's algorithms give it with transformers' rows; short texts and such as are run in windows."""
    folder, lines, vectors, by_size = late_reference()
    worst = 0
    for overlap, size in (5, 7), (12, 11):
        use = [at for at, line in enumerate(lines) if line["overlap"] == overlap]
        some = [{key: lines[at][key] for key in ("text", "starts", "ends")} for at in use]
        more = {} if overlap == 5 else {"overlap": overlap}  # 40 / 8 is what it is by itself.
        rows = late_of(player, folder, some, **more)
        assert [(row["id"], row["start"], row["end"]) for row in rows] == \
            [(at, *place) for at, line in enumerate(some) for place in zip(line["starts"], line["ends"])]
        want = [vector for at in use for vector in vectors[at]]
        worst = max(worst, difference([row["embedding"] for row in rows], want))
        assert late_of(player, folder, some, "--threads", "1", **more) == rows
        alone = [row for at, line in enumerate(some)
                 for row in late_of(player, folder, [line], **more)] if overlap == 12 else rows
        assert [row["embedding"] for row in alone] == [row["embedding"] for row in rows], "other bits in other company"
        sized = late_of(player, folder, some, chunk_tokens=size, **more)
        worst = max(worst, difference([row["embedding"] for row in sized], [vector for at in use for vector in by_size[at]]))
        assert all(a["end"] == b["start"] for a, b in zip(sized, sized[1:]) if a["id"] == b["id"])
    print("late chunking: max |difference| %.2e" % worst)
    assert worst <= MOST


def late_of_chunks(player):
    """What `chunk` finds goes to `embed` by way of the items: the same as if they had said it."""
    folder, lines, _, _ = late_reference()
    texts = [{"text": line["text"]} for line in lines]
    cutter = {"chunk": 12, "tokenizer": folder, "overlap": 3, "split": False}
    player.write("in.jsonl", "".join(json.dumps(text) + "\n" for text in texts))
    player.write("p.yaml", json.dumps({"stages": [{"read": "in.jsonl"}, cutter, {"write": "out.jsonl"}]}))
    result = player.run("run", "p.yaml")
    assert result.status == 0, str(result)
    places = [json.loads(line) for line in player.read("out.jsonl").splitlines()]
    player.write("p.yaml", json.dumps({"stages": [
        {"read": "in.jsonl"}, {**cutter, "split": True, "outputs": ["start", "end"]},
        {"write": "out.jsonl", "mode": "replace", "fields": ["start", "end"]}]}))
    assert player.run("run", "p.yaml").status == 0
    pairs = [json.loads(line) for line in player.read("out.jsonl").splitlines()]
    assert [{"start": a, "end": b} for line in places for a, b in zip(line["starts"], line["ends"])] == pairs
    rows = late_of(player, folder, texts, before=cutter)
    assert rows == late_of(player, folder, places) and len(rows) == len(pairs)


def late_of_broken_items(player):
    folder, lines, _, _ = late_reference()
    line = {key: lines[0][key] for key in ("text", "starts", "ends")}
    for change, message in (({"starts": [9, 0], "ends": [20, 30]}, b"chunk 2 of the text begins or ends before"),
                            ({"starts": [0]}, b"`starts` and"), ({"starts": [], "ends": []}, b"no chunks"),
                            ({"starts": [0, 500], "ends": [9, 600]}, b"no token is of chunk 2"),
                            ({"starts": [-2147483648], "ends": [-1]}, b"no token is of chunk 1")):
        result = late_of(player, folder, [{**line, **change}], status=1)
        assert message in result.err, str(result)


def late_of_blank_texts(player):
    """`chunk` gives a text without tokens one chunk: the vector is that of the text as a whole."""
    folder = late_reference()[0]
    texts = ["", " ", "salt", " \n\t "]
    rows = late_of(player, folder, [{"text": text} for text in texts],
                   before={"chunk": 12, "tokenizer": folder, "split": False})
    assert [(row["id"], row["start"], row["end"]) for row in rows] == \
        [(at, 0, len(text)) for at, text in enumerate(texts)]
    assert [tuple(array.array("f", row["embedding"])) for row in rows] == embed(player, folder, texts)
    for starts, ends in ([0, 1], [1, 1]), ([3], [9]):
        result = late_of(player, folder, [{"text": " ", "starts": starts, "ends": ends}], status=1)
        assert b"no token is of chunk 1" in result.err, str(result)


def late_cancelled(player):
    """As many chunks as an item says, each of all its tokens, are minutes of pooling: the run ends long before."""
    folder = late_reference()[0]
    words, chunks = 3000, 600000
    player.write("in.jsonl", json.dumps({"text": "salt " * words, "starts": [0] * chunks, "ends": [5 * words] * chunks}))
    player.write("p.yaml", json.dumps({"run": {"timeout": "1s"}, "stages": [
        {"read": "in.jsonl", "fields": {"text": "string", "starts": "i32[*]", "ends": "i32[*]"}},
        {"tokenize": folder, "truncation": "none", "outputs": ["offsets"]}, {"embed": folder, "long": "late"},
        {"drop": None}]}))
    result = player.run("run", "p.yaml", timeout=30)
    assert result.status != 0 and b"took longer than 1000 ms" in result.err, str(result)


def late_of_tokens_without_bytes(player):
    """Chunks are found in one pass, whatever stands behind them: chunks x tokens would be the better part of a minute."""
    tokens, chunks = 100000, 1000000
    player.write("in.jsonl", json.dumps({"tokens": [7] * tokens, "offsets": [[0, 4]] + [[0, 0]] * (tokens - 1),
                                         "starts": [0] * chunks, "ends": [4] * chunks}))
    player.write("p.yaml", json.dumps({"run": {"timeout": "1s"}, "stages": [
        {"read": "in.jsonl", "fields": {"offsets": "i32[*,2]", **{name: "i32[*]" for name in ("tokens", "starts", "ends")}}},
        {"embed": late_reference()[0], "long": "late"}, {"drop": None}]}))
    result = player.run("run", "p.yaml", timeout=30)  # Finding does not ask whether it is to end.
    assert result.status == 0 or b"took longer than 1000 ms" in result.err, str(result)


def long_text_cancelled(player, long, tokens, threads):
    """One text, or one window of it, is minutes of attention: the run ends long before, whether a team shares it or not."""
    folder = os.path.join(player.folder, "m")
    shutil.copytree(os.path.join(MODELS, "nomic-bert"), folder)
    shutil.copy(os.path.join(reference("chain-dense")[0], "tokenizer.json"), folder)
    config = json.loads(player.read("m/config.json"))
    player.write("m/config.json", json.dumps({**config, "n_positions": LONG_TOKENS}))
    player.write("in.jsonl", json.dumps({"tokens": [7] * tokens}))
    player.write("p.yaml", json.dumps({"run": {"timeout": "1s"}, "stages": [
        {"read": "in.jsonl", "fields": {"tokens": "i32[*]"}}, {"embed": folder, "pooling": "mean", "long": long}, {"drop": None}]}))
    result = player.run("run", "p.yaml", "--threads", str(threads), timeout=30)
    assert result.status != 0 and b"took longer than 1000 ms" in result.err, str(result)


def late_with_prompt(player):
    """A prompt that pooling leaves out is in no chunk; a text of one chunk has the vector that it has without."""
    folder, lines, _, prompts = reference("chain-all")
    prompt, texts = prompts["query"], [line["text"] for line in lines[:14] if line["text"]]
    lists = tokens_of(player, folder, texts, prompt=prompt)
    options = {"prompt": prompt, "pooling": "mean", "normalize": "false"}
    short = [ids for ids in lists if len(ids) <= 40]
    got = of_tokens(player, folder, short, long="late", chunk_tokens=40, **options)[0]
    assert got == of_tokens(player, folder, short, **options)[0] and len(short) > 5


def refused(player):
    folder = reference("chain-dense")[0]
    for options, message in (({"dim": 25}, b"more than the model's 24"), ({"pooling": "none", "dim": 37}, b"36"),
                             ({"ranges": [0, 1]}, b"`ranges` says nothing"), ({"prompt": "a"}, b"`prompt` says nothing"), ({"dtype": "f16"}, b"`dtype`"),
                             ({"output": "int8", "ranges": [1, 0]}, b"the lower one first"),
                             ({"long": "window", "pooling": "none"}, b"`pooling: none` makes one of each"),
                             ({"long": "later"}, b"truncate"), ({"long": "late"}, b"`starts`"),
                             ({"chunk_tokens": 9}, b"`chunk_tokens` says nothing"),
                             ({"long": "late", "chunk_tokens": 9, "pooling": "cls"}, b"first token alone"),
                             ({"long": "late", "chunk_tokens": 9, "overlap": 21}, b"at most half")):
        player.write("p.yaml", json.dumps({"stages": [{"read": "in.jsonl", "fields": {"tokens": "i32[*]"}},
                                                      {"embed": folder, **options}, {"drop": None}]}))
        player.write("in.jsonl", "")
        result = player.run("check", "p.yaml")
        assert result.status != 0 and message in result.err + result.out, str(result)


def static(player, name):
    """What model2vec gives: texts without tokens, unknown ones, more than 512 of them."""
    folder = os.path.join(MODELS, name)
    with open(os.path.join(folder, "reference.jsonl"), encoding="utf-8") as file:
        want = [json.loads(line) for line in file]
    got = embed(player, folder, [line["text"] for line in want])
    worst = difference(got, [line["embedding"] for line in want])
    print("%s: %d texts, largest difference %.2g" % (name, len(want), worst))
    assert worst <= 1e-6, worst


def static_wide(player, kind, letter):
    """More columns than are added up at a time, and some left over, against sums in double precision."""
    size, texts = 75, ["salt", "birds, stars and bridges " * 40, "the old mill", "a"]
    random.seed(3)
    shutil.copytree(os.path.join(MODELS, "static"), os.path.join(player.folder, "wide"))
    count = len(json.loads(player.read("wide/tokenizer.json"))["model"]["vocab"])
    data = struct.pack("<%d%s" % (count * size, letter), *(random.gauss(0, 1) for _ in range(count * size)))
    table = struct.unpack("<%d%s" % (count * size, letter), data)
    header = json.dumps({"embeddings": {"dtype": kind, "shape": [count, size], "data_offsets": [0, len(data)]}}).encode()
    player.write("wide/model.safetensors", struct.pack("<Q", len(header)) + header + data)
    player.write("in.jsonl", "".join(json.dumps({"text": text}) + "\n" for text in texts))
    player.write("p.yaml", json.dumps({"stages": [{"read": "in.jsonl"}, {"tokenize": "./wide"},
                                                  {"write": "out.jsonl", "fields": ["tokens"]}]}))
    result = player.run("run", "p.yaml")
    assert result.status == 0, str(result)
    want = []
    for ids in (json.loads(line)["tokens"] for line in player.read("out.jsonl").splitlines()):
        mean = [sum(table[i * size + k] for i in ids) / len(ids) for k in range(size)]
        want.append([x / length(mean) for x in mean])
    for isa in ("generic", "auto"):
        worst = difference(embed(player, "./wide", texts, isa=isa), want)
        assert worst <= 1e-6, (isa, worst)


def wordllama(player):
    folder = need_data("models", "wordllama-l2-256")
    with open(os.path.join(folder, "reference_texts.jsonl"), encoding="utf-8") as file:
        texts = [json.loads(line)["text"] for line in file]
    want = vectors_of(os.path.join(folder, "reference_meanpool.npy"))
    worst = difference(embed(player, folder, texts), want)
    print("wordllama, %d texts: largest difference %.2g" % (len(texts), worst))
    assert worst == 0, worst


def ranks(values):
    order = sorted(range(len(values)), key=values.__getitem__)
    result, i = [0.0] * len(values), 0
    while i < len(order):
        j = i
        while j < len(order) and values[order[j]] == values[order[i]]:
            j += 1
        for k in order[i:j]:
            result[k] = (i + j - 1) / 2
        i = j
    return result


def spearman(a, b):
    a, b = ranks(a), ranks(b)
    middle = (len(a) - 1) / 2
    a, b = [x - middle for x in a], [x - middle for x in b]
    return sum(x * y for x, y in zip(a, b)) / (length(a) * length(b))


def sts(player, dtype, most):
    path = need_data("sts", "stsb-en-dev.jsonl")
    model = need_minilm(player)
    with open(path, encoding="utf-8") as file:
        pairs = [json.loads(line) for line in file]
    vectors = embed(player, model, [pair[key] for key in ("sentence1", "sentence2") for pair in pairs],
                    dtype=dtype)
    cosines = [sum(x * y for x, y in zip(a, b)) for a, b in zip(vectors, vectors[len(pairs):])]
    got = 100 * spearman(cosines, [pair["score"] for pair in pairs])
    print("STS-B in %s, %d pairs: Spearman %.3f, the reference's %.3f" % (dtype, len(pairs), got, STS_SPEARMAN))
    assert abs(got - STS_SPEARMAN) <= most, got


def main():
    player = Player()
    player.case("chain_dense", chain, "chain-dense")
    player.case("chain_all", chain, "chain-all", False)
    player.case("default_prompt_dense", default_prompt, "chain-dense")
    player.case("default_prompt_all", default_prompt, "chain-all", False)
    player.case("prompts_refused", prompts_refused)
    player.case("smaller_numbers", smaller_numbers)
    player.case("shorter", shorter)
    player.case("each_token", each_token)
    player.case("first_token", first_token)
    player.case("windows", windows)
    player.case("windows_with_prompt", windows_with_prompt)
    for function in (late, late_of_chunks, late_of_broken_items, late_of_blank_texts, late_of_tokens_without_bytes,
                     late_cancelled, late_with_prompt):
        player.case(function.__name__, function)
    for long, tokens, threads in ("truncate", LONG_TOKENS, 1), ("truncate", LONG_TOKENS + 9, 2), ("window", 2 * LONG_TOKENS, 1):
        player.case("long_text_cancelled_%s_%d" % (long, threads), long_text_cancelled, long, tokens, threads)
    player.case("larger_tokenizer", larger_tokenizer)
    player.case("tokenizer_of_another", tokenizer_of_another)
    player.case("refused", refused)
    player.case("static", static, "static")
    player.case("static_mapped", static, "static-mapped")
    player.case("static_wide_f32", static_wide, "F32", "f")
    player.case("static_wide_f16", static_wide, "F16", "e")
    player.case("wordllama", wordllama)
    player.case("sts_f32", sts, "f32", STS_MOST)
    player.case("sts_bf16", sts, "bf16", STS_MOST)
    player.case("sts_int8", sts, "int8", STS_INT8_MOST)
    return player.end()


if __name__ == "__main__":
    sys.exit(main())
