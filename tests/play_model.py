#!/usr/bin/env python3
"""Runs the lock-free code under ftmc, the model checker in tests/mc, and then mutants of it, each of which must be
caught. Ends with "N passed, N failed".

    tests/play_model.py                     the default: every target's short configurations, every mutant
    tests/play_model.py --long              the long configurations too
    tests/play_model.py stack ring          these targets only
    tests/play_model.py --no-mutants | --mutants-only
    tests/play_model.py stack --only stack-pop --replay ccb2...     one execution, step by step

A target is tests/mc/targets/target_NAME.c; its lines `// sources:` list what it is linked with (CORE: see below). A mutant
is an entry of tests/mc/mutants.py.
"""

import concurrent.futures
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import threading

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, "build", "mc")
CORE = ["runtime/system/lease.c", "runtime/memory/refcount.c", "runtime/memory/epoch.c", "runtime/memory/pool.c",
        "runtime/concurrent/lock.c", "runtime/concurrent/parking.c"]
FLAGS = ["-std=c17", "-D_GNU_SOURCE=", "-DFT_MODEL", "-O1", "-g", "-Wall", "-Wextra", "-Wno-unused-value",
         "-Werror=implicit-function-declaration"]
# Plain accesses call __tsan_read8 and so on, which ftmc has; ThreadSanitizer itself is not linked.
TARGET_FLAGS = FLAGS + ["-fPIC", "-fsanitize=thread", "-include", "tests/mc/mc_intercept.h"]
SHORT_S, LONG_S, MUTANT_S = 120, 7200, 120


def gcc(arguments):
    done = subprocess.run(["gcc"] + arguments, cwd=ROOT, text=True, capture_output=True)
    return done.returncode == 0, done.stderr


def build_checker():
    sources = sorted(name for name in os.listdir(os.path.join(ROOT, "tests/mc"))
                     if name.endswith(".c") and name != "mc_stubs.c")
    ok, said = gcc(FLAGS + ["-O2", "-I."] + ["tests/mc/" + name for name in sources] +
                   ["-o", os.path.join(BUILD, "ftmc"), "-rdynamic", "-ldl"])
    if not ok:
        sys.exit(said + "0 passed, 1 failed")


def source_of(target):
    return "tests/mc/targets/target_%s.c" % target


def sources_of(target):
    with open(os.path.join(ROOT, source_of(target)), encoding="utf-8") as file:
        text = file.read()
    names = " ".join(re.findall(r"^// sources:(.*)$", text, re.M)).split()
    names = [name for word in names for name in (CORE if word == "CORE" else [word])]
    included = re.findall(r'^#include "([^"]+\.c)"', text, re.M)
    return [name for name in names if name not in included], included


def build_target(target, folder, changed=None):
    """Links build/mc/FOLDER/TARGET.so. `changed`: {file: new text}, in front of the checkout's."""
    os.makedirs(os.path.join(folder, "o"), exist_ok=True)
    include = ["."]
    own_source = source_of(target)
    linked, included = sources_of(target)
    for name, text in (changed or {}).items():
        path = os.path.join(folder, "src", name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        include = [os.path.join(folder, "src"), "."]
        if name.endswith(".c") and name not in linked + included + [own_source]:
            return None, "%s is not part of target %s" % (name, target)
    whole = any(name.endswith(".h") for name in changed or {})
    objects = []
    files = [own_source, "tests/mc/mc_stubs.c"] + linked
    for name in files:
        # What is not changed is compiled once for all.
        own = whole or name in (changed or {}) or name == files[0]
        at = os.path.join(folder if own else BUILD, "o", name.replace("/", "-") + ".o")
        objects.append(at)
        source = os.path.join(folder, "src", name) if name in (changed or {}) else name
        if not own and os.path.exists(at) and newer(at):
            continue
        # Two targets may compile the same file at once: an object appears whole or not at all.
        part = "%s.%d" % (at, threading.get_ident())
        ok, said = gcc(TARGET_FLAGS + ["-I" + path for path in include] + ["-c", source, "-o", part])
        if not ok:
            return None, said
        os.replace(part, at)
    library = os.path.join(folder, target + ".so")
    ok, said = gcc(["-shared", "-o", library, "-Wl,-z,now"] + objects)
    return (library, "") if ok else (None, said)


NEWEST = 0.0


def newer(path):
    return os.path.getmtime(path) > NEWEST


def find_newest():
    newest = 0.0
    for folder in ("runtime", "engine", "tests/mc"):
        for base, _, names in os.walk(os.path.join(ROOT, folder)):
            newest = max([newest] + [os.path.getmtime(os.path.join(base, name)) for name in names])
    return newest


def run(library, arguments, timeout):
    try:
        done = subprocess.run([os.path.join(BUILD, "ftmc"), library] + arguments, cwd=ROOT, text=True, errors="replace",
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout)
        return done.returncode, done.stdout
    except subprocess.TimeoutExpired:
        return -1, "took longer than %d s\n" % timeout


def with_lines(output):
    """Places like `target+0x1234` as lines of source."""
    def line_of(found):
        path, offset = found.group(1), found.group(2)
        said = subprocess.run(["addr2line", "-f", "-e", path, hex(int(offset, 16) - 1)], text=True, capture_output=True)
        words = said.stdout.split()
        return "%s (%s)" % (words[0], os.path.relpath(words[1], ROOT)) if len(words) > 1 else found.group()
    return re.sub(r"(\S+\.so)\+(0x[0-9a-f]+)", line_of, output)


def check_target(target, arguments):
    library, said = build_target(target, os.path.join(BUILD, target))
    if not library:
        return 0, 1, said
    status, output = run(library, arguments, LONG_S if {"--long", "--only"} & set(arguments) else SHORT_S)
    found = re.findall(r"^(\d+) passed, (\d+) failed$", output, re.M)
    passed, failed = map(int, found[-1]) if found else (0, 1)
    if status != 0 and not failed:
        failed = 1
    return passed, failed, with_lines(re.sub(r"^\d+ passed, \d+ failed\n", "", output, flags=re.M))


def check_mutant(number, mutant):
    name = "%s: %s" % (mutant["target"], mutant["what"])
    with open(os.path.join(ROOT, mutant["file"]), encoding="utf-8") as file:
        text = file.read()
    for old, new in mutant["edits"]:
        if text.count(old) != 1:
            return 0, 1, "FAILED mutant %s: the text stands %d times in %s\n" % (name, text.count(old), mutant["file"])
        text = text.replace(old, new)
    folder = os.path.join(BUILD, "mutant-%d" % number)
    shutil.rmtree(folder, ignore_errors=True)
    library, said = build_target(mutant["target"], folder, {mutant["file"]: text})
    if not library:
        return 0, 1, "FAILED mutant %s: %s\n" % (name, said)
    status, output = run(library, ["--only", mutant["only"]] if mutant["only"] else [],
                         MUTANT_S)
    shutil.rmtree(folder, ignore_errors=True)
    caught = re.search(r"^FAILED (\S+) after (\d+) executions: (.*)$", output, re.M)
    if status != 1 or not caught:
        return 0, 1, "FAILED mutant %s: not caught\n%s" % (name, output)
    return 1, 0, "mutant %s: caught by %s after %s executions: %s\n" % (name, *caught.groups())


def load_mutants():
    spec = importlib.util.spec_from_file_location("mutants", os.path.join(ROOT, "tests/mc/mutants.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.MUTANTS


def main():
    global NEWEST
    arguments = sys.argv[1:]
    if not shutil.which("gcc"):
        print("skipped: gcc builds the model checker\n0 passed, 0 failed, 1 skipped")
        return 0
    targets = sorted(re.findall(r"^target_(\w+)\.c$", "\n".join(os.listdir(os.path.join(ROOT, "tests/mc/targets"))),
                                re.M))
    words = [word for word in arguments if word in targets]
    rest = [word for word in arguments if word not in targets]
    switches = {"--no-mutants", "--mutants-only"} & set(rest)
    rest = [word for word in rest if word not in switches]
    targets = words or targets
    os.makedirs(os.path.join(BUILD, "o"), exist_ok=True)
    NEWEST = find_newest()
    build_checker()
    jobs = [] if "--mutants-only" in switches else [(check_target, (target, rest)) for target in targets]
    if "--no-mutants" not in switches and not [word for word in rest if word != "--long"]:
        jobs += [(check_mutant, (i, mutant)) for i, mutant in enumerate(load_mutants()) if mutant["target"] in targets]
    passed = failed = 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for done in pool.map(lambda job: job[0](*job[1]), jobs):
            passed, failed = passed + done[0], failed + done[1]
            sys.stdout.write(done[2])
            sys.stdout.flush()
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
