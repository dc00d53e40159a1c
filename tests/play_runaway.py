#!/usr/bin/env python3
"""Endless Lua scripts in real pipelines: the rest goes on, they are named, the run ends. Ends with "N passed, N failed".

    play_runaway.py PROGRAM
"""

import json
import os
import subprocess
import sys
import tempfile

PROGRAM = os.path.abspath(sys.argv[1])
LINES = 20000
RESULT = {"passed": 0, "failed": 0}

# One script loops for ever at one item until its limit of CPU time is used up; beside it another branch.
PIPELINE = """
stages:
  - read: in.txt
    name: lines
  - lua: |
      if item.text == "77" then while true do end end
    name: loops
    limits: {time: %s}
    %s
  - write: looped.jsonl
  - read: in.txt
    name: others
  - write: others.jsonl
"""


def check(name, holds, about=""):
    RESULT["passed" if holds else "failed"] += 1
    if not holds:
        print("FAILED %s %s" % (name, about))


def run(folder, text, *flags, timeout=120):
    with open(os.path.join(folder, "p.yaml"), "w", encoding="utf-8") as file:
        file.write(text)
    for name in ("looped.jsonl", "others.jsonl"):
        if os.path.exists(os.path.join(folder, name)):
            os.remove(os.path.join(folder, name))
    done = subprocess.run([PROGRAM, "run", "p.yaml", "--json"] + list(flags), cwd=folder, capture_output=True,
                          timeout=timeout)
    events = [json.loads(line) for line in done.stderr.decode().splitlines()]
    return done.returncode, events


def numbers(folder, name):
    with open(os.path.join(folder, name), encoding="utf-8") as file:
        return [int(json.loads(line)["text"]) for line in file]


def end_of(events):
    return next((event for event in events if event["event"] == "end"), {})


def comes_back(folder, threads):
    """The script's own limit stops it: left behind meanwhile, its item fails, all others come in order."""
    code, events = run(folder, PIPELINE % ("400ms", "on_error: skip"), "--threads", str(threads))
    name = "comes back on %d threads" % threads
    check(name, code == 0, events[-3:])
    check(name + ": the rest", numbers(folder, "looped.jsonl") == [n for n in range(LINES) if n != 77])
    check(name + ": other branch", numbers(folder, "others.jsonl") == list(range(LINES)))
    named = [e for e in events if e["event"] == "warning" and e["from"] == "loops" and "not come back" in e["message"]]
    if threads == 1:  # With more the others may be done before anything has waited for long.
        check(name + ": named", len(named) == 1 and "in.txt, byte" in named[0]["message"], named)
        loops = next(s for s in end_of(events)["stages"] if s["name"] == "loops")
        check(name + ": marked", loops["runaways"] == 1, loops)


def honest(folder):
    """A budget says that it is honest: nobody is left behind."""
    code, events = run(folder, PIPELINE % ("200ms", "on_error: skip\n    budget: 10s"), "--threads", "1")
    check("budget", code == 0, events[-3:])
    check("budget: nobody named", not [e for e in events if e["event"] == "warning"], events)


def fails(folder):
    """on_runaway: fail: its items have failed while it still loops."""
    code, events = run(folder, PIPELINE % ("20s", "on_error: skip\n    on_runaway: fail"), "--threads", "1")
    end = end_of(events)
    check("fail", code == 0, events[-3:])
    check("fail: before it comes back", end.get("elapsed_s", 99) < 15, end.get("elapsed_s"))
    got = numbers(folder, "looped.jsonl")
    check("fail: the rest in order", got == sorted(got) and 77 not in got)
    check("fail: accounts", end["read"] == end["written"] + end["dropped"] + end["failed"] and end["failed"] > 0, end)
    check("fail: other branch", numbers(folder, "others.jsonl") == list(range(LINES)))


def global_lock(folder):
    code, events = run(folder, PIPELINE % ("200ms", "on_error: skip"), "--threads", "2", "--global-lock")
    check("global lock", code == 0, events[-3:])
    check("global lock: the rest", numbers(folder, "looped.jsonl") == [n for n in range(LINES) if n != 77])
    check("global lock: no monitor", not [e for e in events if e["event"] == "warning"], events)


def main():
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "in.txt"), "w", encoding="utf-8") as file:
            file.writelines("%d\n" % n for n in range(LINES))
        for threads in (1, 2, 3, 8):
            comes_back(folder, threads)
        honest(folder)
        fails(folder)
        global_lock(folder)
    print("%d passed, %d failed" % (RESULT["passed"], RESULT["failed"]))
    return 1 if RESULT["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
