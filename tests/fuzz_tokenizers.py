#!/usr/bin/env python3
"""Whole tokenizers of every family against the reference libraries, on seeded random texts: ids, places in
bytes and in characters and words by the interpreter and by the fast paths, and texts decoded from ids.

    tests/fuzz_tokenizers.py DRIVER [--count N] [--seed N] [--only NAME] [--log FILE] [--compiled] [--list]

DRIVER is build/*/tests/token_driver. tokenizer.json files are compared with tokenizers 0.23.3, .tiktoken files with
tiktoken, .model files with sentencepiece, GGUF vocabularies with the one of these that has the same. --count texts go to
each tokenizer: those of the data folder and, made of their parts, some with the components of other families. --only
takes the tokenizer of that name or else those with it in their names; --compiled goes by way of their compiled forms. One
difference fails.

Skips (exit status 0, and says so) where the reference or the data is not there, as fuzz_tokenize.py does.
"""

import argparse
import importlib.util
import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

from fuzz_tokenize import DATA, WANTED_VERSION, find_reference


def write_log(path, case, done, seed, wrong):
    with open(path, "a", encoding="utf-8") as log:
        log.write("%s\t%s\tseed %d\t%d texts\t%d differ\n" % (case.name, case.reference.name, seed, done, wrong))


def run_all(tokenizers, options, scratch):
    import token_compare  # numpy is there by now.
    import token_references
    import token_texts
    corpus = token_texts.corpus(options.seed)
    cases = list(token_references.all_cases(tokenizers, corpus, scratch))
    exact = [one for one in cases if one[0] == options.only]
    done = wrong = 0
    with ThreadPoolExecutor(1) as pool:
        for name, make in exact or [one for one in cases if options.only in one[0]]:
            if options.list:
                print(name)
                continue
            start, case = time.monotonic(), make()
            texts, differ = token_compare.run(case, options.program, options.count, options.seed, corpus, pool, options.compiled)
            if options.log:
                write_log(options.log, case, texts, options.seed, differ)
            print("%-36s %8d texts, %d differ from %s, %.1f s" % (
                name, texts, differ, case.reference.name, time.monotonic() - start), flush=True)
            done, wrong = done + texts, wrong + differ
    return done, wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=os.path.abspath)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="")
    parser.add_argument("--log", default="")
    parser.add_argument("--compiled", action="store_true", help="by way of their compiled forms")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    tokenizers = find_reference()
    if not tokenizers or not importlib.util.find_spec("numpy") or not os.path.exists(DATA):
        print("skipped: tokenizers " + WANTED_VERSION + ", numpy or the data folder is not there")
        print("0 passed, 0 failed, 1 skipped")
        return 0
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    with tempfile.TemporaryDirectory() as scratch:
        done, wrong = run_all(tokenizers, options, scratch)
    if not options.list:
        print("%d texts, seed %d, %d differ" % (done, options.seed, wrong))
        print("%d passed, %d failed" % (wrong == 0, wrong > 0))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
