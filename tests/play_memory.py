#!/usr/bin/env python3
"""run.memory holds: read -> tokenize -> write with a slow sink and one line of 100 MiB. Ends with "N passed, N failed".

    play_memory.py PROGRAM              200 MB of text
    play_memory.py PROGRAM --full       2 GB

Accounted bytes stay within run.memory, and resident memory within a tenth above it plus the vocabulary.
"""

import json
import os
import re
import subprocess
import sys

from program import Player, need_data, need_minilm

MIB = 1 << 20
LIMIT = 256 * MIB
LINE = 100 * MIB
LAYER_WEIGHTS = 6 * (4 * 384 * 384 + 2 * 384 * 1536)  # Of all-MiniLM-L6-v2.


# Files are written piece by piece: until it executes the program, a child's peak of resident memory is this program's.


def write_line(file, words, size, end):
    for _ in range(size // len(words)):
        file.write(words)
    file.write(words[:size % len(words)] + end)


def make_input(path, size):
    words = ("the quick brown fox jumps over a lazy dog while reading embeddings of long documents about "
             "compilers and schedulers ").encode()
    line = (words * 4)[:390] + b"\n"
    block = line * 2048
    with open(path, "wb") as file:
        written = 0
        while written < size:
            file.write(block)
            written += len(block)
            if written - len(block) < size // 2 <= written:
                write_line(file, words, LINE, b"\n")
                written += LINE + 1


def slow_reader(pipe):
    """Reads to the end, doing something for every piece so that it is slower than the program; returns the lines."""
    lines = 0
    while True:
        piece = pipe.read(1 << 16)
        if not piece:
            return lines
        lines += piece.count(b"\n")
        sum(piece[::7])


def resident(player, yaml):
    """Runs a pipeline with a slow reader on its standard output: (peak RSS in bytes, end event, lines)."""
    player.write("p.yaml", yaml)
    process = subprocess.Popen([player.program, "run", "p.yaml", "--json", "--threads", "2"], cwd=player.folder,
                               stdout=subprocess.PIPE, stderr=open(os.path.join(player.folder, "err"), "wb"))
    lines = slow_reader(process.stdout)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    err = player.read("err").decode(errors="replace")
    assert process.returncode == 0, err[-3000:]
    events = [json.loads(line) for line in err.splitlines() if line.startswith("{")]
    return usage.ru_maxrss * 1024, events[-1], lines


def holds(player, size):
    model = need_data("models", "all-MiniLM-L6-v2")
    yaml = "run: {memory: 256MiB}\nstages:\n  - read: %s\n    format: text\n  - tokenize: " + model + \
           "\n    max_length: 256\n  - write: '-'\n    format: jsonl\n    fields: [tokens]\n"
    player.write("small.txt", "one line\n")
    base, _, _ = resident(player, yaml % "small.txt")  # The program with its vocabulary, before any data.
    make_input(os.path.join(player.folder, "in.txt"), size)
    peak, end, lines = resident(player, yaml % "in.txt")
    accounted = end["memory_peak_bytes"]
    print("accounted %.1f MiB, resident %.1f MiB, of it %.1f MiB before any data; %d lines"
          % (accounted / MIB, peak / MIB, base / MIB, lines))
    assert end["read"] == lines == end["written"], (end, lines)
    assert accounted <= LIMIT, accounted
    assert peak <= 282 * MIB + base, peak


def too_little(player):
    player.write("in.txt", "x\n")
    player.write("p.yaml", "run: {memory: 1MiB}\nstages:\n  - read: in.txt\n  - drop:\n")
    result = player.run("run", "p.yaml")
    assert result.status in (1, 3) and re.search(rb"16 ?MiB", result.err), str(result)


def line_too_big(player):
    """A line that run.memory cannot hold stops the source: it says so, and no half of a file appears."""
    with open(os.path.join(player.folder, "in.txt"), "wb") as file:
        file.write(b"one\n")
        write_line(file, b"x" * 1024, 40 * MIB, b"\ntwo\n")
    player.write("p.yaml", "run: {memory: 16MiB}\nstages:\n  - read: in.txt\n    on_error: skip\n  - write: out.txt\n")
    result = player.run("run", "p.yaml")
    assert result.status == 1 and b"`run.memory`" in result.err, str(result)
    assert not os.path.exists(os.path.join(player.folder, "out.txt")), str(result)


SHARED = """run: {memory: 16MiB, threads: 1}
stages:
  - generate: %s
  - lua: |
      ctx.shared.list("kept", 100000000):append(%s)
  - drop:
"""


def shared_state_is_bounded(player, value):
    """What scripts keep in ctx.shared counts against run.memory: numbers that need a box, and counters too."""
    peaks = []
    for items in "1", "2M":
        player.write("p.yaml", SHARED % (items, value))
        process = subprocess.Popen([player.program, "run", "p.yaml"], cwd=player.folder,
                                   stderr=open(os.path.join(player.folder, "err"), "wb"))
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        peaks.append(usage.ru_maxrss * 1024)
    err = player.read("err")
    assert process.returncode == 1 and b"does not fit into `run.memory`" in err, err[-2000:]
    assert peaks[1] - peaks[0] <= 24 * MIB, peaks  # What the allocator needs around small blocks is in it.


def embed_holds(player, dtype, weight_bytes, count, size):
    """Peak RSS is at most the packed weights (MiniLM's layers) and 80 MiB with run.memory of 64 MiB, whatever the texts."""
    packed = LAYER_WEIGHTS * weight_bytes
    words = "the quick brown fox jumps over a lazy dog while reading embeddings of long documents "
    with open(os.path.join(player.folder, "in.jsonl"), "w", encoding="utf-8") as file:
        for _ in range(count):
            file.write('{"text": "')
            write_line(file, words, size, '"}\n')
    model = need_minilm(player)
    peak, event, _ = resident(player, json.dumps({"run": {"memory": "64MiB"}, "stages": [
        {"read": "in.jsonl", "fields": {"text": "string"}}, {"tokenize": model, "truncation": "none"},
        {"embed": model, "dtype": dtype}, {"write": "-", "format": "jsonl", "fields": ["embedding"]}]}))
    print("%s, %d texts of %d bytes: peak %.1f MiB, weights %.1f MiB" % (dtype, count, size, peak / MIB, packed / MIB))
    assert event["written"] == count, event
    assert peak <= packed + 80 * MIB, peak / MIB


def main():
    player = Player()
    player.case("holds", holds, (2000 if "--full" in player.arguments else 200) * 1000000)
    player.case("too_little", too_little)
    player.case("line_too_big", line_too_big)
    for dtype, weight_bytes in (("f32", 4), ("bf16", 2), ("int8", 1)):
        player.case("embed_one_line_" + dtype, embed_holds, dtype, weight_bytes, 1, 30 * MIB)
        player.case("embed_long_texts_" + dtype, embed_holds, dtype, weight_bytes, 30, 100000)
    player.case("shared_floats", shared_state_is_bounded, "item.index + 0.1")
    player.case("shared_counters", shared_state_is_bounded, "ctx.shared.counter()")
    return player.end()


if __name__ == "__main__":
    sys.exit(main())
