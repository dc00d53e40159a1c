#!/usr/bin/env python3
"""Texts that make tokenizers slow: one letter, emoji, no spaces, one word, spaces, marks ... Ends with "N passed, N failed".

    tests/play_worst_cases.py BENCH [--long]         build/release/tests/bench_worst_cases

Work must grow with the text and no faster: the rate for 1 MB (--long: 4 MB) must not fall below SHARE of the rate for a quarter
of it, of ids alone and of ids with places. Were it quadratic it would fall to a quarter.
"""

import json
import lzma
import os
import subprocess
import sys
import tempfile

from fuzz_tokenize import DATA

NAMES = ["bert-base-uncased", "gpt2", "cl100k_base", "llama3", "llama2", "t5-small"]
SHARE, TRIES = .45, 3


def unpacked(name, scratch):
    path = os.path.join(DATA, "tokenizers", name, "tokenizer.json")
    if os.path.exists(path):
        return path
    out = os.path.join(scratch, name + ".json")
    with lzma.open(path + ".xz") as packed, open(out, "wb") as file:
        file.write(packed.read())
    return out


def measure(bench, path, least_kib):
    done = subprocess.run([bench, path, str(least_kib)], stdout=subprocess.PIPE, text=True, timeout=600, check=True)
    for line in done.stdout.splitlines():
        row = json.loads(line)
        for way in row.keys() - {"text"}:
            yield (row["text"], way), row[way]


def play(bench, name, path, least_kib):
    """(how many were linear, which were not): a busy machine gets more than one chance."""
    best = {}
    for _ in range(TRIES):
        for key, rates in measure(bench, path, least_kib):
            share = rates[-1] / rates[0]
            if share > best.get(key, (0,))[0]:
                best[key] = share, rates
        slow = [key for key, (share, _) in best.items() if share < SHARE]
        if not slow:
            break
    for text, way in slow:
        print("FAILED %s: %s of \"%s\" at %s MB/s for %d KiB, twice, four times that" % (name, way, text, best[text, way][1], least_kib))
    least = min(best, key=lambda key: min(best[key][1]))
    print("%-20s slowest: %s of \"%s\", %.1f MB/s" % (name, least[1], least[0], min(best[least][1])))
    return len(best) - len(slow), len(slow)


def main():
    if not os.path.isdir(DATA):
        print("skipped: no test data\n0 passed, 0 failed, 1 skipped")
        return 0
    passed = failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        for name in NAMES:
            least_kib = 1024 if "--long" in sys.argv else 256
            right, wrong = play(os.path.abspath(sys.argv[1]), name, unpacked(name, scratch), least_kib)
            passed, failed = passed + right, failed + wrong
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
