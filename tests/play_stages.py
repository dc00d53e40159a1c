#!/usr/bin/env python3
"""Plays tests/stages/*.test: stages in the real program, each case in six modes.

    play_stages.py PROGRAM [WORD]       # only cases with WORD in their name (stage.test:line)

A file holds cases, separated by blank lines. First comes the stage, as it would stand behind `- ` in
`stages:` (further lines indented by two spaces), then lines that begin with:

    <   an item that comes in, as JSON          <:  types of the items that come in, as `fields:` has them
    >   an item that must come out, as JSON (numbers exactly), in this order
    =   NAME N: the stage's counter             !   the run fails, and stderr contains this text
    @   NAME: a file that must be there; its lines follow, each behind `| ` (.gz is packed)
    @x  NAME: the same, its bytes in hexadecimal
    ?   NAME: a file that must be there afterwards, in the same way (`-`: standard output; .npy as its dtype, shape
        and values); `? NAME none`: it must not be there
    ~   MODE ...: only these modes, for a stage whose result rightly depends on the borders of batches
    #   a comment

The case's scratch folder is the working directory. A transform stands between `read: in.jsonl` and `write: "-"`.
"""

import ast
import gzip
import json
import os
import re
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from program import Player, ROOT  # noqa: E402

MODES = {"as-written": [], "one-item": ["--stress", "one-item"], "shared": ["--stress", "shared"],
         "one-batch": ["--stress", "one-batch"],
         "long-trains": ["--stress", "one-item,long-trains"],
         "processes": ["--processes", "2"]}
MARK = re.compile(r"(<:|@x|[<>=!@?~#|])(?: |$)")
KINDS = {}


class Case:
    def __init__(self, name):
        self.name = name
        self.stage, self.types, self.modes = [], None, list(MODES)
        self.items, self.wanted, self.counters, self.failures = [], None, [], []
        self.files, self.results = [], []

    def add(self, mark, text):
        if mark == "<":
            self.items.append(text)
        elif mark == "<:":
            self.types = text
        elif mark == ">":
            self.wanted = (self.wanted or []) + [json.loads(text)]
        elif mark == "=":
            name, count = text.split()
            self.counters.append((name, int(count)))
        elif mark == "!":
            self.failures.append(text)
        elif mark in ("@", "@x"):
            self.files.append([text, mark == "@x", []])
            self.lines = self.files[-1][2]
        elif mark == "?":
            name, *rest = text.split()
            self.results.append([name, rest == ["none"], []])
            self.lines = self.results[-1][2]
        elif mark == "|":
            self.lines.append(text)
        elif mark == "~":
            self.modes = text.split()


def read_cases(path):
    """The cases of a file. A blank line ends one; inside of it every line is the stage's or has a mark."""
    cases, case = [], None
    base = os.path.basename(path)
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file.read().split("\n"), 1):
            if not line.strip():
                case = None
                continue
            found = MARK.match(line)
            if case is None and found and found.group(1) == "#":
                continue
            if case is None:
                case = Case("%s:%d" % (base, number))
                cases.append(case)
            if found:
                case.add(found.group(1), line[found.end():])
            else:
                case.stage.append(line)
    return cases


def kind_of(player, case):
    """source, transform or sink, as the program's own catalogue says."""
    if not KINDS:
        listed = json.loads(player.run("stages", "--json").out)
        for stage in listed["stages"] if isinstance(listed, dict) else listed:
            KINDS[stage["name"]] = stage["kind"]
    for line in case.stage:
        key = re.match(r"\s*(\w+):", line)
        if key and key.group(1) in KINDS:
            return KINDS[key.group(1)]
    raise AssertionError("which stage is this? %s" % case.stage)


def pipeline_of(kind, case):
    lines = ["stages:"]
    if kind != "source":
        lines.append("  - {read: in.jsonl, name: items%s}" % (", fields: %s" % case.types if case.types else ""))
    lines.append("  - " + case.stage[0])
    lines += ["  " + line for line in case.stage[1:]]
    if kind != "sink":
        lines.append("  - {write: \"-\", name: result}")
    return "\n".join(lines) + "\n"


def prepare(player, case, kind):
    for name, is_hex, lines in case.files:
        content = bytes.fromhex("".join(lines)) if is_hex else "".join(line + "\n" for line in lines).encode()
        player.write(name, gzip.compress(content) if name.endswith(".gz") and not is_hex else content)
    if kind != "source":
        player.write("in.jsonl", "".join(item + "\n" for item in case.items))
    player.write("case.yaml", pipeline_of(kind, case))


def describe_npy(data):
    """dtype, shape and values, read by the format's description and not by us."""
    assert data[:8] == b"\x93NUMPY\x01\x00", "not an .npy file"
    size = struct.unpack("<H", data[8:10])[0]
    assert (10 + size) % 64 == 0, "the header does not end at a multiple of 64"
    header = ast.literal_eval(data[10:10 + size].decode())
    code = {"<f4": "f", "<f8": "d", "<i4": "i", "<i8": "q", "|u1": "B", "|i1": "b", "|b1": "?", "<f2": "e"}
    values = [value for value, in struct.iter_unpack("<" + code[header["descr"]], data[10 + size:])]
    count = 1
    for dimension in header["shape"]:
        count *= dimension
    assert count == len(values), "%d values for the shape %s" % (len(values), header["shape"])
    return "%s %s %s\n" % (header["descr"], header["shape"], values)


def check_results(player, case, result):
    for name, must_miss, lines in case.results:
        path = os.path.join(player.folder, name)
        if must_miss:
            assert not os.path.exists(path), "%s is there" % name
            continue
        assert name == "-" or os.path.exists(path), "no file %s" % name
        got = result.out if name == "-" else player.read(name)
        if name.endswith(".gz"):
            got = gzip.decompress(got)
        got = describe_npy(got) if name.endswith(".npy") else got.decode()
        want = "".join(line + "\n" for line in lines)
        assert got == want, "%s is\n%r\nand not\n%r" % (name, got, want)


def same(got, want):
    """Equal as JSON: the order of keys says nothing, and true is not 1."""
    if isinstance(got, dict) and isinstance(want, dict):
        return got.keys() == want.keys() and all(same(got[key], want[key]) for key in want)
    if isinstance(got, list) and isinstance(want, list):
        return len(got) == len(want) and all(map(same, got, want))
    return isinstance(got, bool) == isinstance(want, bool) and got == want


def check_counters(case, result, kind):
    stages = []
    for line in result.err.decode().splitlines():
        if line.startswith("{") and json.loads(line).get("event") == "end":
            stages = json.loads(line)["stages"]
    assert stages, "no end event"
    stage = stages[0 if kind == "source" else 1]
    for name, count in case.counters:
        got = stage["counters"].get(name, stage.get(name))
        assert got == count, "counter %s is %s and not %d" % (name, got, count)


def play(player, case, mode):
    kind = kind_of(player, case)
    prepare(player, case, kind)
    result = player.run("run", "case.yaml", *(["--json"] if case.counters else ["-q"]), *MODES[mode])
    text = result.err.decode(errors="replace")
    if case.failures:
        assert result.status != 0, "it succeeded\n%s" % result
        for failure in case.failures:
            assert failure in text, "stderr does not contain %r\n%s" % (failure, result)
    else:
        assert result.status == 0, "it failed\n%s" % result
    is_text = any(name == "-" for name, _, _ in case.results)
    if case.wanted is not None or not (kind == "sink" or case.failures or is_text):
        got = [json.loads(line) for line in result.out.decode().splitlines()]
        wanted = case.wanted or []
        assert len(got) == len(wanted) and all(map(same, got, wanted)), \
            "it gives\n%s\nand not\n%s\n%s" % ("\n".join(map(json.dumps, got)), "\n".join(map(json.dumps, wanted)), text)
    check_results(player, case, result)
    if case.counters:
        check_counters(case, result, kind)


def main():
    player = Player()
    folder = os.path.join(ROOT, "tests", "stages")
    for name in sorted(os.listdir(folder)):
        if not name.endswith(".test"):
            continue
        for case in read_cases(os.path.join(folder, name)):
            for mode in case.modes:
                if mode == "processes" and "ctx.shared" in "".join(case.stage):
                    continue  # It says so: tests/play_processes.py.
                player.case("%s %s" % (case.name, mode), lambda p, c=case, m=mode: play(p, c, m))
    return player.end()


if __name__ == "__main__":
    sys.exit(main())
