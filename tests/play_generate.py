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


def room(player):
    """A cache that holds one item at a time; what can never fit fails with both numbers."""
    assert texts(player, ["max_tokens: 40", "cache: 60"]) == texts(player, ["max_tokens: 40"])
    done, _ = generate(player, ["max_tokens: 40", "cache: 42"])
    assert done.status == 1 and b"40 that may follow need room in the cache, which has 42" in done.err, str(done)
    done, _ = generate(player, ["context: 4"])
    assert done.status == 1 and b"tokens, and the context is 4" in done.err, str(done)


def refused(player):
    for option, message in (("top_k: 3", b"`top_k` has no effect without `temperature`"),
                            ("top_p: 0", b"`top_p`"),
                            ("labels: [a]", b"`labels` says nothing of this task"),
                            ("stop: [\"\"]", b"`stop` has an empty text"),
                            ("context: 513", b"`context` is 513, and the model takes 512")):
        done, _ = generate(player, [option])
        assert done.status == 3 and message in done.err, str(done)


def main():
    player = Player()
    for case in (story, same_text, seeds, stops, room, refused):
        player.case(case.__name__, case)
    return player.end()


if __name__ == "__main__":
    sys.exit(main())
