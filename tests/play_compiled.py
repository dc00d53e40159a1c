#!/usr/bin/env python3
"""Compiled tokenizers as the program keeps them: made by the first run, used by the next, made anew when they are not what
they should be, and never in the way. Ends with "N passed, N failed, N skipped".

    tests/play_compiled.py build/release/ftpipe [CASE]
"""

import json
import os
import subprocess
import sys
import time

from program import Player

WORDS = 8000
PIPELINE = """\
stages:
  - read: in.jsonl
    fields: {text: string}
  - tokenize: vocab.txt
  - write: out.jsonl
"""


def prepare(player, first="word", changed=None):
    """A tokenizer that is large enough to be kept, and not of just now. `changed`: when it says that it was changed."""
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(first + str(number) for number in range(WORDS))]
    path = player.write("vocab.txt", "\n".join(pieces) + "\n")
    os.utime(path, (1000, changed or 1000 + ord(first[-1])))
    # What was changed within the last 100 ms is not kept, and nobody can set that time back.
    while time.time() - os.stat(path).st_ctime < 0.11:
        pass
    player.write("text", " ".join("word%d" % number for number in range(0, WORDS, 7)) + " other\n")


def kept(player, cache="cache"):
    folder = os.path.join(player.folder, cache, "ftpipe", "tokenizers")
    return [os.path.join(folder, name) for name in os.listdir(folder)] if os.path.isdir(folder) else []


def count(player, cache="cache"):
    result = player.run("tokens", "-m", "vocab.txt", "text", env={"XDG_CACHE_HOME": os.path.join(player.folder, cache)})
    assert result.status == 0 and not result.err, str(result)
    return int(result.out.split()[0])


def version(path):
    found = os.stat(path)
    return found.st_ino, found.st_mtime_ns


def made_once(player):
    prepare(player)
    wanted = count(player)
    assert wanted == (WORDS + 6) // 7 + 1, wanted
    path, = kept(player)
    before = version(path)
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert count(player) == wanted and kept(player) == [path] and version(path) == before


def used_by_a_pipeline(player):
    prepare(player)
    env = {"XDG_CACHE_HOME": os.path.join(player.folder, "cache")}
    player.write("p.yaml", PIPELINE)
    player.write("in.jsonl", "".join(json.dumps({"text": "word%d no word7" % number}) + "\n" for number in range(50)))
    outputs = []
    for _ in range(2):
        result = player.run("run", "p.yaml", env=env)
        assert result.status == 0, str(result)
        outputs.append(player.read("out.jsonl"))
        os.unlink(os.path.join(player.folder, "out.jsonl"))
    assert len(kept(player)) == 1 and outputs[0] == outputs[1] and b"tokens" in outputs[0], outputs[0][:200]


def changed_tokenizer(player):
    prepare(player)
    wanted = count(player)
    path, = kept(player)
    before = version(path)
    prepare(player, "worm")
    found = count(player)
    assert found > 0 and kept(player) == [path] and version(path) != before
    prepare(player)
    assert count(player) == wanted


def written_in_place(player):
    """With the size and the time that it had: what it was compiled to is not taken for what it is."""
    prepare(player, changed=1000)
    path = os.path.join(player.folder, "vocab.txt")
    before = os.stat(path)

    def ids():
        result = player.run("run", "p.yaml", env={"XDG_CACHE_HOME": os.path.join(player.folder, "cache")})
        assert result.status == 0, str(result)
        out = os.path.join(player.folder, "out.jsonl")
        with open(out, encoding="utf-8") as file:
            tokens = json.loads(file.readline())["tokens"]
        os.unlink(out)
        return tokens

    player.write("p.yaml", PIPELINE)
    player.write("in.jsonl", json.dumps({"text": "word0 word7"}) + "\n")
    assert ids() == [2, 5, 12, 3]
    assert len(kept(player)) == 1
    prepare(player, "worm", changed=1000)
    after = os.stat(path)
    assert (after.st_ino, after.st_size, after.st_mtime_ns) == (before.st_ino, before.st_size, before.st_mtime_ns)
    assert ids() == [2, 1, 1, 3]
    prepare(player, changed=1000)
    assert ids() == [2, 5, 12, 3]


def damaged(player):
    prepare(player)
    wanted = count(player)
    path, = kept(player)
    with open(path, "rb") as file:
        good = file.read()
    for size, at in ((len(good), len(good) // 2), (len(good), 70), (len(good), len(good) - 9), (len(good) // 3, 200), (0, 0)):
        bad = bytearray(good[:size])
        if bad:
            bad[at] ^= 4
        with open(path, "wb") as file:
            file.write(bad)
        assert count(player) == wanted
        with open(path, "rb") as file:
            assert file.read() == good


def nowhere_to_keep_it(player):
    prepare(player)
    wanted = count(player)
    player.write("file", "")
    assert count(player, "file") == wanted
    result = player.run("tokens", "-m", "vocab.txt", "text", env={"XDG_CACHE_HOME": "", "HOME": player.folder + "/home"})
    assert result.status == 0 and not result.err and int(result.out.split()[0]) == wanted, str(result)
    assert not os.path.exists(os.path.join(player.folder, "home")), "a home was made"


def at_once(player):
    prepare(player)
    env = dict(os.environ, XDG_CACHE_HOME=os.path.join(player.folder, "cache"))
    command = [player.program, "tokens", "-m", "vocab.txt", "text"]
    running = [subprocess.Popen(command, cwd=player.folder, env=env, stdout=subprocess.PIPE) for _ in range(8)]
    outputs = [one.communicate(timeout=120)[0] for one in running]
    assert all(one.returncode == 0 for one in running) and len(set(outputs)) == 1, outputs
    assert len(kept(player)) == 1, kept(player)


def check_keeps_nothing(player):
    prepare(player)
    player.write("p.yaml", PIPELINE)
    player.write("in.jsonl", "")
    result = player.run("check", "p.yaml", env={"XDG_CACHE_HOME": os.path.join(player.folder, "cache")})
    assert result.status == 0 and not kept(player), str(result)


def told_by_doctor(player):
    prepare(player)
    env = {"XDG_CACHE_HOME": os.path.join(player.folder, "cache")}

    def told(env):
        result = player.run("doctor", "--json", env=env)
        assert result.status == 0, str(result)
        fact, = [fact for fact in json.loads(result.out)["facts"] if fact["name"] == "tokenizers"]
        return fact["state"], fact["value"]

    folder = os.path.join(player.folder, "cache", "ftpipe", "tokenizers")
    assert told(env) == ("good", "none compiled yet in " + folder), told(env)
    count(player)
    path, = kept(player)
    size = os.stat(path).st_size
    assert told(env) == ("good", "1 compiled, %.1f KiB, in %s" % (size / 1024, folder)), (told(env), size)
    state, value = told({"XDG_CACHE_HOME": "", "HOME": player.folder + "/home"})
    assert state == "note" and value.startswith("not kept"), value


def main():
    player = Player()
    for function in (made_once, used_by_a_pipeline, changed_tokenizer, written_in_place, damaged, nowhere_to_keep_it, at_once,
                     check_keeps_nothing, told_by_doctor):
        player.case(function.__name__, function)
    return player.end()


if __name__ == "__main__":
    sys.exit(main())
