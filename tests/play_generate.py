#!/usr/bin/env python3
"""Text that `infer` generates with a real model, stories260K of the shared test data; ends with "N passed, N failed".

The text is the one that karpathy/llama2.c prints for the model; whatever threads, batches, order and room in the cache
there are, an item's text is the same; stop texts, seeds, and what does not fit.
"""

import json
import sys

from program import Player, need_data

# karpathy/llama2.c, doc/stories260K.md.
STORY = ("Once upon a time, there was a little girl named Lily. She loved to play outside in the park. One day, she saw a "
         "big, red ball. She wanted to play with it, but it was too high.\n")
PROMPTS = ["Once upon a time", "Lily went", "The dog", "One day, a boy", "It was", "Tom and his mom", "", "Once upon a time"]

PIPELINE = """
stages:
  - read: in.jsonl
    batch: %d
    fields: {id: int, text: string}
  - tokenize: %s
  - infer: %s
    task: generate
%s
  - write: out.jsonl
    fields: [id, output, finish]
    mode: replace
"""


def generate(player, options, prompts=None, batch=64, threads=2, order=None):
    """(the run, id -> (output, finish))"""
    prompts = PROMPTS if prompts is None else prompts
    order = order or list(range(len(prompts)))
    model = need_data("models", "stories260K")
    player.write("in.jsonl", "".join(json.dumps({"id": at, "text": prompts[at]}) + "\n" for at in order))
    lines = "".join("    %s\n" % option for option in options)
    player.write("p.yaml", PIPELINE % (batch, model, model, lines))
    done = player.run("run", "p.yaml", "--threads", str(threads))
    if done.status != 0:
        return done, {}
    rows = [json.loads(line) for line in player.read("out.jsonl").splitlines()]
    return done, {row["id"]: (row["output"], row["finish"]) for row in rows}


def texts(player, options, **how):
    done, rows = generate(player, options, **how)
    assert done.status == 0, str(done)
    return rows


def story(player):
    output, finish = texts(player, ["max_tokens: 200"], prompts=[""])[0]
    assert output.startswith(STORY), output
    assert finish == "length", finish


def same_text(player):
    for options in (["max_tokens: 40"], ["max_tokens: 40", "temperature: 1.1", "top_p: 0.95", "seed: 7"]):
        want = texts(player, options)
        assert len(want) == len(PROMPTS)
        for batch, threads, cache in ((1, 1, 0), (1, 2, 0), (3, 2, 128), (64, 1, 64)):
            room = ["cache: %d" % cache] if cache else []
            got = texts(player, options + room, batch=batch, threads=threads)
            assert got == want, (options, batch, threads, cache, got, want)


def seeds(player):
    hot = ["max_tokens: 30", "temperature: 1.5"]
    one, two = texts(player, hot + ["seed: 1"]), texts(player, hot + ["seed: 2"])
    assert one != two
    assert one == texts(player, hot + ["seed: 1"])
    assert one[0] != one[7], "two items of one text are drawn alike"


def stops(player):
    whole = texts(player, ["max_tokens: 60"])[0][0]
    for stop in ("Lily", "red ball", ", t", "l named L"):
        output, finish = texts(player, ["max_tokens: 60", "stop: [nowhere, \"%s\"]" % stop])[0]
        assert stop in whole and output == whole[:whole.index(stop)], (stop, output)
        assert finish == "stop", finish


def pieces(player, options, prompts=None, batch=64):
    """id -> the pieces in their order, each (output, finish, tokens_out or None)."""
    prompts = PROMPTS if prompts is None else prompts
    model = need_data("models", "stories260K")
    player.write("in.jsonl", "".join(json.dumps({"id": at, "text": text}) + "\n" for at, text in enumerate(prompts)))
    lines = "".join("    %s\n" % option for option in options + ["stream: true"])
    fields = "[id, output, finish, tokens_out]" if "tokens_out: true" in options else "[id, output, finish]"
    player.write("p.yaml", (PIPELINE % (batch, model, model, lines)).replace("[id, output, finish]", fields))
    done = player.run("run", "p.yaml")
    assert done.status == 0, str(done)
    rows = {}
    for line in player.read("out.jsonl").splitlines():
        row = json.loads(line)
        rows.setdefault(row["id"], []).append((row["output"], row["finish"], row.get("tokens_out")))
    return rows


def whole(parts):
    assert all(finish is None and output for output, finish, _ in parts[:-1]), parts
    return "".join(output for output, _, _ in parts), parts[-1][1]


def streams(player):
    """Pieces are the text that comes in one; the last alone says why it ended; they come one by one."""
    for options in (["max_tokens: 40"], ["max_tokens: 40", "temperature: 1.3", "seed: 3"],
                    ["max_tokens: 60", "stop: [Lily, \"red ball\", \". \"]"]):
        want = texts(player, options)
        for batch in (1, 3, 64):
            got = pieces(player, options, batch=batch)
            assert {at: whole(parts) for at, parts in got.items()} == want, (options, got, want)
            assert all(len(parts) > 3 for at, parts in got.items() if len(want[at][0]) > 40), got


def stream_tokens(player):
    got = pieces(player, ["max_tokens: 30", "tokens_out: true"])
    assert all(sum(len(ids) for _, _, ids in parts) == 30 for parts in got.values()), got
    assert all(len(ids) >= 1 for parts in got.values() for _, _, ids in parts), got


def stream_stops(player):
    """No piece has a part of the text that ended it."""
    story = texts(player, ["max_tokens: 60"])[0][0]
    for stop in ("named Lily", "red ball", "outside in the park."):
        got = pieces(player, ["max_tokens: 60", "stop: [\"%s\"]" % stop], prompts=PROMPTS[:1])
        assert whole(got[0]) == (story[:story.index(stop)], "stop"), (stop, got)


def dtypes(player):
    """The file's own numbers give f32's text; narrow products something close to it."""
    for name in ("", "/stories260K-q8_0.gguf", "/stories260K-f16.gguf"):
        found = {}
        for dtype in ("auto", "f32", "bf16", "int8"):
            model = need_data("models", "stories260K")
            player.write("in.jsonl", json.dumps({"id": 0, "text": ""}) + "\n")
            lines = "    max_tokens: 24\n    dtype: %s\n    tokenizer: %s\n" % (dtype, model)
            player.write("p.yaml", PIPELINE % (64, model, model + name, lines))
            done = player.run("run", "p.yaml")
            assert done.status == 0, str(done)
            found[dtype] = json.loads(player.read("out.jsonl"))["output"]
        assert found["auto"] == found["f32"], found
        assert all(text.startswith("Once upon a time") for text in found.values()), found


def room(player):
    """A cache that holds one item at a time; what can never fit fails with both numbers."""
    assert texts(player, ["max_tokens: 40", "cache: 60"]) == texts(player, ["max_tokens: 40"])
    done, _ = generate(player, ["max_tokens: 40", "cache: 42"])
    assert done.status == 1 and b"40 that may follow need room in the cache, which has 42" in done.err, str(done)
    done, _ = generate(player, ["cache: 2000000000"])
    assert done.status != 0 and b"a cache of 2000000000 tokens: 3840000004096 bytes more do not fit" in done.err, str(done)
    done, _ = generate(player, ["context: 4"])
    assert done.status == 1 and b"tokens, and the context is 4" in done.err, str(done)


def tokenizer_of_another(player):
    """Prompts by a tokenizer with more tokens than the model has."""
    llama2, model = need_data("tokenizers", "llama2"), need_data("models", "stories260K")
    player.write("in.jsonl", "")
    player.write("p.yaml", PIPELINE % (1, llama2, model, ""))
    done = player.run("check", "p.yaml")
    assert done.status == 3 and b"has 32000 tokens, and the model in" in done.err and b"p.yaml:7:12" in done.err, str(done)
    assert ("`tokens` is made with it: use `tokenize: %s`" % model).encode() in done.err, str(done)


def refused(player):
    llama2 = need_data("tokenizers", "llama2")
    done, _ = generate(player, ["tokenizer: " + llama2])
    assert done.status == 3 and b"has 32000 tokens, and the model in" in done.err and b"p.yaml:9:16" in done.err, str(done)
    for option, message in (("top_k: 3", b"`top_k` has no effect without `temperature`"),
                            ("top_p: 0", b"`top_p`"),
                            ("labels: [a]", b"`labels` says nothing of this task"),
                            ("stop: [\"\"]", b"`stop` has an empty text"),
                            ("context: 513", b"`context` is 513, and the model takes 512")):
        done, _ = generate(player, [option])
        assert done.status == 3 and message in done.err, str(done)


def main():
    player = Player()
    for case in (story, same_text, seeds, stops, streams, stream_tokens, stream_stops, dtypes, room, tokenizer_of_another, refused):
        player.case(case.__name__, case)
    return player.end()


if __name__ == "__main__":
    sys.exit(main())
