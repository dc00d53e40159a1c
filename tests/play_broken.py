#!/usr/bin/env python3
"""Plays tests/dsl/broken/*.yaml through `ftpipe check` and compares what it says with NAME.txt beside it.

Usage: play_broken.py PROGRAM [--update] [NAME...]

A first line "# args: ..." gives more arguments. The exit code must be 3, or 0 where only warnings are expected.
--update writes the .txt files anew: read the difference before committing it."""

import os
import shlex
import subprocess
import sys

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "dsl", "broken")


def arguments_of(path):
    with open(path, "rb") as file:
        first = file.readline().decode("utf-8", "replace")
    return shlex.split(first[len("# args:"):]) if first.startswith("# args:") else []


def play(program, name):
    command = [program, "check", name + ".yaml"] + arguments_of(os.path.join(FOLDER, name + ".yaml"))
    # Nothing of this machine: no store (and none can be made, not even by root, below a device), no
    # colours, no variables that a pipeline could see.
    surroundings = {"PATH": os.environ.get("PATH", ""), "HOME": "/dev/null", "NO_COLOR": "1",
                    "FTPIPE_STORE": "/dev/null/models", "LC_ALL": "C.UTF-8"}
    for key in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS"):
        if key in os.environ:
            surroundings[key] = os.environ[key]
    done = subprocess.run(command, cwd=FOLDER, env=surroundings, capture_output=True, timeout=60)
    return done.returncode, done.stderr.decode("utf-8", "replace")


def check(program, name, update):
    code, said = play(program, name)
    path = os.path.join(FOLDER, name + ".txt")
    faults = []
    if code not in (0, 3) or (code == 0) == ("error[" in said):
        faults.append("exit code %d" % code)
    if update and not faults:
        with open(path, "w", encoding="utf-8") as file:
            file.write(said)
        return faults
    try:
        with open(path, encoding="utf-8") as file:
            wanted = file.read()
    except FileNotFoundError:
        return faults + ["there is no %s.txt" % name]
    if said != wanted:
        faults.append("it says\n%s\nand not\n%s" % (said, wanted))
    return faults


def main():
    words = [word for word in sys.argv[1:] if word != "--update"]
    if not words:
        sys.exit(__doc__)
    program, update = os.path.abspath(words[0]), "--update" in sys.argv
    names = words[1:] or sorted(name[:-5] for name in os.listdir(FOLDER) if name.endswith(".yaml"))
    failed = 0
    for name in names:
        for fault in check(program, name, update):
            failed += 1
            print("FAILED %s: %s" % (name, fault))
    print("%d passed, %d failed" % (len(names) - failed, failed))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
