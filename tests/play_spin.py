#!/usr/bin/env python3
"""Checks tests/model/MODEL.pml with Spin in every state it can reach, and that each of its mutants is caught.

    play_spin.py MODEL [--long]      --long: also the larger models. Ends with "N passed, N failed".
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "model")
# Each model: pan's options (how deep, how many states), then (defines, whether it holds), and the same behind --long.
MODELS = {
    "handoff": (["-m1000000"], [
        ([], True), (["FAIL"], True), (["NO_CAS"], False), (["NO_COUNT"], False), (["NO_WAIT"], False),
        (["FAIL", "TWO_STEPS"], False)], []),
    "collector": (["-m200000", "-w26"], [
        (["FIELDS=1"], True), (["NO_SEQ"], False), (["NO_CAS"], False), (["NO_GRACE"], False), (["NO_CHECK"], False)],
        [(["OPS=1"], True), (["OBJECTS=3", "FIELDS=1", "OPS=1"], True)]),
}
CUT_SHORT = ("max search depth too small", "out of memory", "memory limit")


def errors_of(model, options, words, folder):
    """How many errors Spin finds in all states; None when it could not look at all of them."""
    defines = ["-D" + word for word in words]
    subprocess.run(["spin"] + defines + ["-a", model], cwd=folder, check=True, capture_output=True)
    subprocess.run(["gcc", "-O2", "-DSAFETY", "-o", "pan", "pan.c"], cwd=folder, check=True, capture_output=True)
    said = subprocess.run(["./pan"] + options, cwd=folder, capture_output=True, text=True, timeout=600).stdout
    errors, states = re.search(r"errors: (\d+)", said), re.search(r"(\d+) states, stored", said)
    print("%-30s %s states, %s errors" % (" ".join(words) or "as it is", states.group(1), errors.group(1)))
    return None if any(sign in said for sign in CUT_SHORT) else int(errors.group(1))


def main():
    names = [word for word in sys.argv[1:] if not word.startswith("--")]
    if len(names) != 1 or names[0] not in MODELS:
        sys.exit("play_spin.py takes one model: %s" % ", ".join(MODELS))
    if not shutil.which("spin") or not shutil.which("gcc"):
        print("skipped: spin and gcc check %s.pml\n0 passed, 0 failed, 1 skipped" % names[0])
        return 0
    options, cases, more = MODELS[names[0]]
    cases = cases + (more if "--long" in sys.argv else [])
    failed = 0
    for words, good in cases:
        with tempfile.TemporaryDirectory() as folder:
            errors = errors_of(os.path.join(FOLDER, names[0] + ".pml"), options, words, folder)
        if errors is None or (errors == 0) != good:
            failed += 1
            print("FAILED %s: %s errors" % (" ".join(words) or "as it is", errors))
    print("%d passed, %d failed" % (len(cases) - failed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
