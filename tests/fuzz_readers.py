#!/usr/bin/env python3
"""Hostile files: libFuzzer on every reader of files, under AddressSanitizer and UBSan.

    tests/fuzz_readers.py BUILD [--only WORD] [--long]
    tests/fuzz_readers.py BUILD --grow FOLDER SECONDS [--only WORD]
    tests/fuzz_readers.py BUILD --coverage

BUILD is build/fuzz (or build/fuzz-coverage, for the last). A reader is a program BUILD/tests/fuzz/fuzz_NAME; its corpus is
tests/fuzz/corpus/NAME. Every input of the corpus is read once, then --runs more are made of it with a fixed seed; a crash, a
leak, a broken promise (tests/fuzz/fuzz.h), more than 10 s or much memory fails, and the input is kept in BUILD/found.

--long makes 10^7 of each. --grow fuzzes for some time into FOLDER/NAME and cuts that down to what the corpus lacks, to be
copied there. --coverage says which lines of each reader's files the corpus reaches, and fails below 90 %.
"""

import argparse
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FUZZ = os.path.join(ROOT, "tests", "fuzz")
RUNS, LONG_RUNS, LEAST_COVERED = 20000, 10 ** 7, 90.0
# A reader takes no more memory for a small file than these, in MiB: together, and in one piece.
LIMITS = ["-timeout=10", "-rss_limit_mb=1024", "-malloc_limit_mb=128", "-max_len=4096"]
ENVIRONMENT = dict(os.environ, ASAN_OPTIONS="detect_leaks=1:allocator_may_return_null=1:quarantine_size_mb=4:malloc_context_size=3",
                   UBSAN_OPTIONS="print_stacktrace=1", ASAN_SYMBOLIZER_PATH="/usr/lib/llvm-14/bin/llvm-symbolizer")
JSON_FILES = ["definition_json", "definition_model", "definition_post", "definition_read", "definition_steps"]
# The files of each reader.
FILES = {
    "tokenizer_json": ["stages/text/%s.c" % name for name in JSON_FILES] + ["stages/text/tokenizer.c"],
    "sentencepiece": ["stages/text/definition_sentencepiece.c"],
    "tiktoken": ["stages/text/definition_tiktoken.c"],
    "vocab_json": ["stages/text/definition_merges.c", "stages/text/definition_slow.c"],
    "vocab_txt": ["stages/text/definition_vocab.c"],
    "gguf": ["stages/text/definition_gguf.c", "stages/text/definition_rules.c", "stages/nn/gguf.c"],
    "base64": ["stages/text/base64.c"],
    "charsmap": ["stages/text/charsmap.c"],
    "compiled": ["stages/text/%s.c" % name for name in ["bpe_image", "definition_image", "token_image", "unigram_image",
                                                        "vocabulary_image"]],
    "weights": ["stages/nn/%s.c" % name for name in ["safetensors", "weight", "weights"]],
    "chain": ["stages/nn/embed_chain_read.c"],
    "config": ["stages/nn/%s.c" % name for name in ["decoder_ends", "encoder_config", "encoder_gguf", "encoder_json"]],
    "heads": ["stages/nn/heads_read.c"],
    "prompts": ["stages/text/prompts.c"],
    "pattern": ["stages/text/pattern.c", "stages/text/pattern_onig.c"],
}


def readers(build, word):
    found = sorted(glob.glob(os.path.join(build, "tests", "fuzz", "fuzz_*")))
    return [os.path.basename(path)[5:] for path in found if os.access(path, os.X_OK) and word in path]


def corpus_of(reader):
    return os.path.join(FUZZ, "corpus", reader)


def fuzz(build, reader, *arguments, log=None):
    """Runs libFuzzer; returns its exit status, how many inputs were run, and what it said."""
    words = os.path.join(FUZZ, reader + ".dict")
    kept = os.path.join(build, "found", reader) + os.sep
    os.makedirs(kept, exist_ok=True)
    command = [os.path.join(build, "tests", "fuzz", "fuzz_" + reader), "-artifact_prefix=" + kept, "-print_final_stats=1", "-entropic=0"]
    command += LIMITS + ["-dict=" + words] * os.path.exists(words) + list(arguments)
    done = subprocess.run(command, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace", check=False)
    count = re.search(r"number_of_executed_units: (\d+)", done.stdout)
    return done.returncode, int(count.group(1)) if count else 0, done.stdout


def test(build, reader, runs):
    with tempfile.TemporaryDirectory() as grown:
        inputs = len(os.listdir(corpus_of(reader)))
        status, count, output = fuzz(build, reader, "-seed=1", "-runs=%d" % (runs + inputs), grown, corpus_of(reader))
    print("%-16s %d inputs of the corpus, %d runs: %s" % (reader, inputs, count, "ok" if status == 0 else "FAILED"), flush=True)
    if status != 0:
        print("\n".join(output.splitlines()[-60:]))
    return status == 0 and count >= runs


def grow(build, reader, folder, seconds):
    new, cut = os.path.join(folder, reader), os.path.join(folder, reader + ".new")
    os.makedirs(new, exist_ok=True)
    status, count, output = fuzz(build, reader, "-max_total_time=%d" % seconds, "-report_slow_units=1", new, corpus_of(reader))
    shutil.rmtree(cut, ignore_errors=True)
    shutil.copytree(corpus_of(reader), cut)
    fuzz(build, reader, "-merge=1", cut, new)
    for name in os.listdir(corpus_of(reader)):
        os.remove(os.path.join(cut, name))
    print("%-16s %d runs, status %d, %d new inputs in %s" % (reader, count, status, len(os.listdir(cut)), cut), flush=True)
    if status != 0 or "Slowest unit" in output:
        print("\n".join(output.splitlines()[-60:]))
    return status == 0


def coverage(build, reader):
    """Lines of the reader's files, and those that the corpus does not reach."""
    program = os.path.join(build, "tests", "fuzz", "fuzz_" + reader)
    with tempfile.TemporaryDirectory() as scratch:
        raw, profile = os.path.join(scratch, "raw"), os.path.join(scratch, "profile")
        subprocess.run([program, "-runs=0", "-max_len=65536", corpus_of(reader)], env=dict(ENVIRONMENT, LLVM_PROFILE_FILE=raw),
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
        subprocess.run(["llvm-profdata-14", "merge", "-sparse", raw, "-o", profile], check=True)
        files = [os.path.join(ROOT, name) for name in FILES[reader]]
        report = subprocess.run(["llvm-cov-14", "export", program, "-instr-profile=" + profile, "-summary-only", *files],
                                stdout=subprocess.PIPE, check=True)
        lines = json.loads(report.stdout)["data"][0]["totals"]["lines"]
        shown = subprocess.run(["llvm-cov-14", "show", program, "-instr-profile=" + profile, *files], stdout=subprocess.PIPE,
                               text=True, check=True).stdout
    missed, name = [], ""
    for line in shown.splitlines():
        if line.startswith("/"):
            name = os.path.basename(line.rstrip(":"))
        found = re.match(r" *(\d+)\| *0\|(.*)", line)
        if found:
            missed.append("  %s:%s %s" % (name, found.group(1), found.group(2)))
    print("%-16s %d of %d lines, %.1f %%" % (reader, lines["covered"], lines["count"], lines["percent"]))
    print("\n".join(missed))
    return lines["percent"] >= LEAST_COVERED


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=os.path.abspath)
    parser.add_argument("--only", default="")
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--grow", nargs=2, metavar=("FOLDER", "SECONDS"))
    parser.add_argument("--coverage", action="store_true")
    options = parser.parse_args()
    done = []
    for reader in readers(options.build, options.only):
        if options.coverage:
            done.append(coverage(options.build, reader))
        elif options.grow:
            done.append(grow(options.build, reader, options.grow[0], int(options.grow[1])))
        else:
            done.append(test(options.build, reader, LONG_RUNS if options.long else options.runs))
    print("%d passed, %d failed" % (sum(done), len(done) - sum(done)))
    return 0 if done and all(done) else 1


if __name__ == "__main__":
    sys.exit(main())
