#!/usr/bin/env python3
"""Plays tests/cli/*.cli through the program, and what text cannot say: signals, a terminal, closed pipes.

    tests/play_cli.py PROGRAM [NAME]      ends with "N passed, N failed, N skipped"

A case is a paragraph; `#` begins a comment:

    case: what it shows
    @ name                a file in the case's scratch folder, which is the working folder; its lines follow
    | line
    $ ftpipe ARGUMENTS    run in a shell's words, perhaps with NAME=VALUE before it; `< name` behind it: standard input
    exit 0                expected status (0 when not given)
    > line                all of standard output, line by line; with none of them it must be empty,
    >? pattern            or patterns that are found in it, in this order
    ? pattern             found in standard error, in this order
    ?! pattern            not found in standard error
    = name                a file that must now hold exactly the lines that follow
    | line
"""

import fcntl
import glob
import json
import os
import pty
import re
import select
import shlex
import signal
import struct
import subprocess
import sys
import termios
import threading
import time

from program import ROOT, Player

ENDLESS = "name: endless\nstages:\n  - generate: 100G\n    fields: {n: index}\n  - filter: n % 3 ~= 0\n  - drop:\n"


# ---- cases written as text ----

def parse(path):
    """Yields (name, list of (line number, line))."""
    case, name = [], None
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file.read().split("\n") + [""], 1):
            if line.startswith("#"):
                continue
            if not line.strip():
                if case:
                    yield name, case
                case, name = [], None
            elif line.startswith("case: "):
                name = line[6:]
                case = [(number, line)]
            else:
                assert case, "%s:%d: no case" % (path, number)
                case.append((number, line))


def text_of(line):
    return line[2:] if len(line) > 1 else ""


def check_order(what, text, patterns):
    at = 0
    for pattern in patterns:
        found = re.compile(pattern, re.M).search(text, at)
        assert found, "%s has no %r%s:\n%s" % (what, pattern, " behind what came before" if at else "", text)
        at = found.end()


def judge(result, expected):
    out, err = result.out.decode(errors="replace"), result.err.decode(errors="replace")
    assert result.status == expected["exit"], "want status %d\n%s" % (expected["exit"], result)
    if expected["patterns"]:
        check_order("stdout", out, expected["patterns"])
    else:
        want = "".join(line + "\n" for line in expected["out"])
        assert out == want, "stdout is\n%s\nwant\n%s\n%s" % (out, want, result)
    check_order("stderr", err, expected["err"])
    for pattern in expected["not_err"]:
        assert not re.search(pattern, err, re.M), "stderr has %r:\n%s" % (pattern, err)


def run_command(player, line):
    words = shlex.split(line)
    env = {}
    while re.match(r"[A-Z_]+=", words[0]):
        key, value = words.pop(0).split("=", 1)
        env[key] = value
    assert words[0] == "ftpipe", line
    stdin = b""
    if "<" in words:
        at = words.index("<")
        stdin = player.read(words[at + 1])
        words = words[:at]
    env.setdefault("FTPIPE_STORE", os.path.join(player.folder, "store"))
    return player.run(*words[1:], stdin=stdin, env=env, timeout=120)


def play_text(player, lines):
    at = 0
    blank = {"exit": 0, "out": [], "patterns": [], "err": [], "not_err": []}
    expected, result = dict(blank), None

    def body():
        nonlocal at
        taken = []
        while at < len(lines) and lines[at][1].startswith("|"):
            taken.append(text_of(lines[at][1]))
            at += 1
        return "".join(line + "\n" for line in taken)

    def settle():
        if result:
            judge(result, expected)
    while at < len(lines):
        line = lines[at][1]
        at += 1
        if line.startswith("case: "):
            continue
        if line.startswith("@ "):
            player.write(line[2:], body())
        elif line.startswith("$ "):
            settle()
            expected = {key: list(value) if isinstance(value, list) else value for key, value in blank.items()}
            result = run_command(player, line[2:])
        elif line.startswith("exit "):
            expected["exit"] = int(line[5:])
        elif line.startswith(">? "):
            expected["patterns"].append(line[3:])
        elif line.startswith(">"):
            expected["out"].append(text_of(line))
        elif line.startswith("?! "):
            expected["not_err"].append(line[3:])
        elif line.startswith("? "):
            expected["err"].append(line[2:])
        elif line.startswith("= "):
            settle()
            result = None
            want, got = body(), player.read(line[2:]).decode()
            assert got == want, "%s is\n%s\nwant\n%s" % (line[2:], got, want)
        else:
            raise AssertionError("line %d is none of the format: %s" % lines[at - 1])
    settle()


# ---- signals and terminals ----

def start(player, *arguments, **more):
    return subprocess.Popen([player.program, *arguments], cwd=player.folder, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, **more)


def wait_for(stream, pattern, seconds=60):
    """Reads `stream` until the pattern is there; the process is known to be at work then."""
    found, end = b"", time.monotonic() + seconds
    while not re.search(pattern, found):
        assert time.monotonic() < end, "no %r in %r" % (pattern, found)
        if select.select([stream], [], [], 1)[0]:
            got = os.read(stream.fileno(), 65536)
            assert got, "ended: %r" % found
            found += got
    return found


def finish(process):
    rest = {}

    def drain(name, stream):
        rest[name] = stream.read()
    threads = [threading.Thread(target=drain, args=pair) for pair in (("out", process.stdout), ("err", process.stderr))]
    for thread in threads:
        thread.start()
    status = process.wait(60)
    for thread in threads:
        thread.join()
    return status, rest["out"], rest["err"]


def stopped_by(player, number, status):
    player.write("p.yaml", ENDLESS)
    process = start(player, "run", "p.yaml", "--json")
    wait_for(process.stderr, rb'"event":"progress"')
    process.send_signal(number)
    got, _, err = finish(process)
    assert got == status, (got, err[-2000:])
    end = json.loads(err.decode().splitlines()[-1])
    assert end["event"] == "end" and end["outcome"] == "stopped", end
    assert end["read"] == end["written"] + end["dropped"] + end["failed"] and end["read"] > 0, end


def interrupt(player):
    stopped_by(player, signal.SIGINT, 130)


def terminate(player):
    stopped_by(player, signal.SIGTERM, 143)


def interrupt_keeps_what_was_written(player):
    player.write("p.yaml", "stages:\n  - generate: 100G\n    fields: {n: index}\n  - write: out.jsonl\n")
    process = start(player, "run", "p.yaml", "--json")
    wait_for(process.stderr, rb'"event":"progress"')
    process.send_signal(signal.SIGINT)
    got, _, err = finish(process)
    assert got == 130, (got, err[-2000:])
    end = json.loads(err.decode().splitlines()[-1])
    lines = player.read("out.jsonl").splitlines()
    assert end["written"] == len(lines), (end["written"], len(lines))
    assert json.loads(lines[-1]) == {"n": len(lines) - 1}, lines[-1]


def interrupt_twice_stops_at_once(player):
    """The sink is a pipe that nobody reads: the drain cannot end, the second signal must."""
    player.write("p.yaml", "stages:\n  - generate: 100G\n    fields: {n: index}\n  - print:\n")
    process = start(player, "run", "p.yaml", "--json")
    wait_for(process.stderr, rb'"event":"progress"')
    process.send_signal(signal.SIGINT)
    for _ in range(2):
        try:
            process.wait(2)
            break
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
    got, _, _ = finish(process)
    assert got == 130, got


def closed_stdout(player):
    player.write("p.yaml", "stages:\n  - generate: 1M\n    fields: {n: index}\n  - print:\n")
    reader, writer = os.pipe()
    os.close(reader)
    result = player.run("run", "p.yaml", stdout=writer)
    os.close(writer)
    assert result.status == 1 and b"Broken pipe" in result.err, str(result)
    for command in (["stages"], ["version"], ["explain"]):
        with open("/dev/full", "wb") as full:
            result = player.run(*command, stdout=full)
        assert result.status == 1 and b"stdout" in result.err, str(result)


class Terminal:
    """The program on a pseudo-terminal; `screen` is what stands there after all moves of the cursor."""

    def __init__(self, player, columns, *arguments, env=None):
        self.output = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(player.folder)
            os.environ.update({"TERM": "xterm", **(env or {})})
            fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
            os.execv(player.program, [player.program, *arguments])

    def read(self, seconds, until=None):
        end = time.monotonic() + seconds
        while time.monotonic() < end and not (until and re.search(until, self.output)):
            if not select.select([self.fd], [], [], 0.1)[0]:
                continue
            try:
                got = os.read(self.fd, 65536)
            except OSError:
                return
            if not got:
                return
            self.output += got

    def end(self):
        self.read(60)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def screen(self):
        lines, row = [""], 0
        for part in re.findall(r"\x1b\[\d*[A-Za-z]|\r\n|\r|\n|[^\x1b\r\n]+", self.output.decode(errors="replace")):
            if part == "\r\n":
                row += 1
                lines += [""] * (row + 1 - len(lines))
            elif part == "\r":
                pass
            elif part.endswith("A") and part.startswith("\x1b"):
                row -= int(part[2:-1])
                assert row >= 0, "the cursor left the screen"
            elif part == "\x1b[J":
                lines = lines[:row] + [""]
            elif not part.startswith("\x1b"):
                lines[row] = part
        return lines


def progress_block(player):
    player.write("p.yaml", ENDLESS)
    terminal = Terminal(player, 60, "run", "p.yaml")
    terminal.read(60, rb"bottleneck(?s:.*)bottleneck")
    lines = [line for line in terminal.screen() if line]
    block = "\n".join(lines)
    assert lines[0].startswith("endless   ") and "items" in lines[0] and "/s" in lines[0], block
    assert re.search(r"^  filter +[█▏▎▍▌▋▊▉]+ +\d+ %  ◀ bottleneck: \d of \d", block, re.M), block
    assert re.search(r"^  memory .* of ", block, re.M), block
    assert all(len(line) < 60 for line in lines), block
    os.kill(terminal.pid, signal.SIGINT)
    status = terminal.end()
    screen = "\n".join(terminal.screen())
    assert status == 130, status
    assert "◀" not in screen, "the block was left behind:\n" + screen
    assert "endless: stopped in" in screen and "read = " in screen, screen


def no_block_over_data(player):
    """What is printed stands on the same terminal: no block is drawn into it."""
    player.write("p.yaml", "stages:\n  - generate: 300k\n    fields: {n: index}\n  - print: n\n")
    terminal = Terminal(player, 60, "run", "p.yaml")
    assert terminal.end() == 0
    lines = terminal.output.decode().split("\r\n")
    assert b"\x1b" not in terminal.output
    assert lines[:300000] == [str(i) for i in range(300000)]


def colours(player):
    player.write("p.yaml", "stages:\n  - reed: x\n")
    for arguments, env, wanted in ((["check", "p.yaml"], {}, True),
                                   (["check", "p.yaml"], {"NO_COLOR": "1"}, False),
                                   (["check", "p.yaml", "--color", "never"], {}, False),
                                   (["check", "p.yaml", "--color", "always"], {"NO_COLOR": "1"}, True),
                                   (["check", "p.yaml"], {"TERM": "dumb"}, False)):
        terminal = Terminal(player, 80, *arguments, env=env)
        assert terminal.end() == 3
        assert (b"\x1b[" in terminal.output) == wanted, (arguments, env, terminal.output)


def line_every_ten_seconds(player):
    """Not a terminal: no moves of the cursor, a line now and then."""
    player.write("p.yaml", ENDLESS)
    process = start(player, "run", "p.yaml")
    found = wait_for(process.stderr, rb"items", 60)
    process.send_signal(signal.SIGINT)
    status, _, err = finish(process)
    assert status == 130 and b"\x1b" not in found + err, found + err
    assert re.match(rb"ftpipe: endless: \d+\.\d s   [\d,]+ items", found), found


def events(player):
    """Every line is an object with "v" and "event"; figures add up."""
    player.write("p.yaml", "name: n\nstages:\n  - generate: 100\n    fields: {n: index}\n"
                           "  - map: {m: 10 // (n % 10)}\n    on_error: skip\n  - filter: m > 2\n  - drop:\n")
    result = player.run("run", "p.yaml", "--json")
    assert result.status == 0, str(result)
    seen = [json.loads(line) for line in result.err.decode().splitlines()]
    assert all(event["v"] == 1 for event in seen)
    assert seen[0]["event"] == "start" and [s["name"] for s in seen[0]["stages"]] == \
        ["generate", "map", "filter", "drop"], seen[0]
    failed = [event for event in seen if event["event"] == "item_error"]
    assert len(failed) == 10 and all(e["stage"] == "map" and e["message"] and e["place"] for e in failed), failed
    end = seen[-1]
    assert (end["event"], end["outcome"], end["read"], end["failed"]) == ("end", "done", 100, 10), end
    assert end["read"] == end["written"] + end["dropped"] + end["failed"], end
    for stage in end["stages"]:
        assert stage["in"] + stage["made"] == stage["out"] + stage["dropped"] + stage["failed"], stage


def stage_catalogue(player):
    result = player.run("stages", "--json")
    catalogue = json.loads(result.out)
    names = [stage["name"] for stage in catalogue]
    assert names == sorted(names) and len(names) >= 10, names
    for stage in catalogue:
        assert stage["summary"] and not stage["summary"].endswith("."), stage
        assert stage["example"], "%s has no example" % stage["name"]
        for option in stage["options"]:
            assert option["doc"], (stage["name"], option["name"])
            assert option["name"] not in names, "%s: an option named like a stage: %s" % (stage["name"], option["name"])
        plain = player.run("stages", stage["name"])
        assert plain.status == 0 and plain.out.decode().startswith(stage["name"] + " - "), str(plain)


def trace(player):
    player.write("p.yaml", "stages:\n  - generate: 1000\n    fields: {n: index}\n  - drop:\n")
    result = player.run("run", "p.yaml", "--trace", "t.json")
    assert result.status == 0, str(result)
    events = json.loads(player.read("t.json"))
    turns = [event for event in events if event["ph"] == "X"]
    names = {event["tid"]: event["args"]["name"] for event in events if event["ph"] == "M"}
    assert turns and {event["tid"] for event in turns} == set(names), "a track without a name"
    assert len(set(names.values())) == len(names), names
    assert all(re.fullmatch(r"(worker|blocking|spare) \d+", name) for name in names.values()), names
    for track in names:  # The turns of one thread lie one behind the other.
        own = sorted((event["ts"], event["dur"]) for event in turns if event["tid"] == track)
        for (begin, length), (after, _) in zip(own, own[1:]):
            assert after >= begin + length - 0.01, "turns overlap on track %s" % names[track]
    counters = {event["name"] for event in events if event["ph"] == "C"}
    assert counters == {"memory", "in flight"}, counters


def version(player):
    found = json.loads(player.run("version", "--json").out)
    assert found["v"] == 1 and found["ftpipe"] and set(found["libraries"]) == {
        "libyaml", "lua", "mimalloc", "zlib", "zstd", "libsodium"}, found
    assert found["isa"] in ("generic", "avx2", "avx2-vnni", "avx512", "avx512-vnni", "avx512-bf16") and found["threads"] >= 1, found
    for isa in ("generic",):
        assert json.loads(player.run("version", "--json", env={"FTPIPE_ISA": isa}).out)["isa"] == isa


def weights(player):
    player.run("new", "weights", "a/w.safetensors", "--layers", "8,4,2", "--seed", "7")
    player.run("new", "weights", "b.safetensors", "--layers=8,4,2", "--seed=7")
    player.run("new", "weights", "c.safetensors", "--layers", "8,4,2", "--seed", "8")
    a, b, c = (player.read(name) for name in ("a/w.safetensors", "b.safetensors", "c.safetensors"))
    assert a == b and a != c and len(a) == len(c)
    size = struct.unpack("<Q", a[:8])[0]
    header = json.loads(a[8:8 + size])
    shapes = {name: tensor["shape"] for name, tensor in header.items()}
    assert shapes == {"0.weight": [4, 8], "0.bias": [4], "2.weight": [2, 4], "2.bias": [2]}, shapes
    ends = sorted(tuple(tensor["data_offsets"]) for tensor in header.values())
    assert ends[0][0] == 0 and all(x[1] == y[0] for x, y in zip(ends, ends[1:])), ends
    assert len(a) == 8 + size + ends[-1][1]
    values = struct.unpack("<%df" % (ends[-1][1] // 4), a[8 + size:])
    assert max(map(abs, values)) <= 0.5 and len(set(values)) > 40, values


def fixes_go_through_links(player):
    player.write("real/p.yaml", "stages:\n  - generate: 1\n    fields: {n: index}\n    num_workers: 1\n  - print:\n")
    os.chmod(os.path.join(player.folder, "real/p.yaml"), 0o640)
    os.symlink("real/p.yaml", os.path.join(player.folder, "p.yaml"))
    result = player.run("check", "--fix", "p.yaml")
    assert result.status == 0, str(result)
    assert os.path.islink(os.path.join(player.folder, "p.yaml"))
    assert b"    workers: 1" in player.read("real/p.yaml")
    assert os.stat(os.path.join(player.folder, "real/p.yaml")).st_mode & 0o777 == 0o640
    assert os.listdir(os.path.join(player.folder, "real")) == ["p.yaml"]


def check_is_quick(player):
    """20 ms for a small file, the best of many (a loaded machine is no fault of ours)."""
    player.write("p.yaml", "stages:\n  - generate: 10\n    fields: {n: index}\n  - print:\n")
    best = 1e9
    for _ in range(21):
        begin = time.monotonic()
        result = player.run("check", "p.yaml")
        best = min(best, time.monotonic() - begin)
        assert result.status == 0, str(result)
    limit = 0.02 if "/release/" in player.program or "/cli/" in player.program else 1
    assert best < limit, "%.1f ms" % (best * 1e3)


def readme_blocks_of_this_repository(player):
    files = [path for path in glob.glob(os.path.join(ROOT, "*.md")) + glob.glob(os.path.join(ROOT, "docs", "*.md"))]
    assert files
    result = player.run("check", *files, folder=ROOT)
    assert result.status in (0, 3), str(result)
    assert b"E00" not in result.err, str(result)  # Examples may name models that are not here, but must be YAML.


def main():
    player = Player()
    for path in sorted(glob.glob(os.path.join(ROOT, "tests", "cli", "*.cli"))):
        for name, lines in parse(path):
            player.case("%s: %s" % (os.path.basename(path), name), play_text, lines)
    for function in (interrupt, terminate, interrupt_keeps_what_was_written, interrupt_twice_stops_at_once,
                     closed_stdout, progress_block, no_block_over_data, colours, line_every_ten_seconds, events, stage_catalogue, trace,
                     version, weights, fixes_go_through_links, check_is_quick, readme_blocks_of_this_repository):
        player.case(function.__name__, function)
    return player.end()


if __name__ == "__main__":
    sys.exit(main())
