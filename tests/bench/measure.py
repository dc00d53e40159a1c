#!/usr/bin/env python3
"""The measures of the main job beside the programs that ftpipe is compared with, interleaved, as ratios.

    measure.py [--peers FOLDER] [WORK ...]      works: essay embed scaling start (default: all)

`--peers` is the folder of the peers' scripts (essay.py, embed_peers.py), set up by its setup.sh.
Run it on an idle machine. Every line says what was compared, the median ratio with its range, and the goal.
OPENBLAS_CORETYPE and OPENBLAS_L2_SIZE are unset.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
FTPIPE = os.path.join(ROOT, "build", "release", "ftpipe")
STORE = os.path.expanduser(os.environ.get("FTPIPE_STORE", "~/.cache/ftpipe/models"))
MINILM = os.path.join(STORE, "all-MiniLM-L6-v2")


def wall(command, cpu=None, cwd=ROOT):
    if cpu is not None:
        command = ["taskset", "-c", str(cpu)] + command
    start = time.perf_counter()
    subprocess.run(command, cwd=cwd, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def say(work, goal, values, unit="x"):
    print(json.dumps({"work": work, "goal": goal, "median": round(statistics.median(values), 3),
                      "min": round(min(values), 3), "max": round(max(values), 3), "unit": unit,
                      "reps": len(values)}), flush=True)


def essay(peers):
    """Whole processes: the essay's script, its function alone, against the pipeline."""
    program = ("import sys; sys.path.insert(0, %r); import essay; "
               "run = essay.%s(); assert run() == 900000")
    for kind in ("tokens_threads", "tokens_processes"):
        ratios = []
        for rep in range(12):
            python = wall(["/usr/bin/python3", "-c", program % (peers, kind)])
            ours = wall([FTPIPE, "run", "-q", "pipelines/essay-tokenize.yaml"])
            if rep:
                ratios.append(python / ours)
        say("essay-tokenize against the essay's %s" % kind.split("_")[1], ">= 10", ratios)


def peer_lines(command):
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.decode()
    return [json.loads(line) for line in out.splitlines() if line.startswith("{")]


def embed(peers):
    pipeline = ("stages:\n  - read: %s\n    fields: {text: string}\n  - tokenize: " + MINILM + "\n    max_length: 256\n"
                "  - embed: " + MINILM + "\n  - write: %s\n    fields: [embedding]\n    mode: replace\n")
    with tempfile.TemporaryDirectory() as scratch:
        path = os.path.join(scratch, "embed.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write("params: {docs: in.jsonl}\n" + pipeline % ("${params.docs}", os.path.join(scratch, "v.npy")))
        for line in peer_lines([sys.executable, os.path.join(peers, "embed_peers.py"), "--work", "mixed,mixed-sorted",
                                "--threads", "2", "--best", "--peers", "st,ort-fp32,ov-f32,ct2-f32",
                                "--also", "ftpipe=%s run -q %s -p docs={input}" % (FTPIPE, path)]):
            print(json.dumps(line), flush=True)


def corpus(path, copies):
    text = subprocess.run(["xz", "-dc", os.path.join(ROOT, "..", "shared", "data", "text", "corpus.jsonl.xz")], check=True,
                          stdout=subprocess.PIPE).stdout.decode()
    texts = []
    for line in text.splitlines():
        item = json.loads(line)
        if item["lang"] == "en":
            texts += [part for part in item["text"].split("\n\n") if 40 < len(part) < 1200]
    with open(path, "w", encoding="utf-8") as out:
        for text in texts[:1500] * copies:
            out.write(json.dumps({"text": text}) + "\n")


def scaling(_):
    """Two threads against two processes with one thread each, pinned to a core each, that do the same work each."""
    with tempfile.TemporaryDirectory() as scratch:
        corpus(os.path.join(scratch, "in.jsonl"), 1)
        for name in ("a", "b"):
            with open(os.path.join(scratch, name + ".yaml"), "w", encoding="utf-8") as file:
                file.write("stages:\n  - read: in.jsonl\n    fields: {text: string}\n  - tokenize: %s\n  - embed: %s\n"
                           "  - write: %s.npy\n    fields: [embedding]\n    mode: replace\n" % (MINILM, MINILM, name))
        ratios = []
        for rep in range(4):
            start = time.perf_counter()
            both = [subprocess.Popen(["taskset", "-c", str(cpu), FTPIPE, "run", "-q", name + ".yaml", "--threads", "1"],
                                     cwd=scratch, stderr=subprocess.DEVNULL) for cpu, name in ((0, "a"), (1, "b"))]
            assert [process.wait() for process in both] == [0, 0]
            two_processes = time.perf_counter() - start  # Twice the work.
            one = 2 * wall([FTPIPE, "run", "-q", "a.yaml", "--threads", "2"], cwd=scratch)
            if rep:
                ratios.append(two_processes / one)
        say("embed: 2 threads against 2 pinned processes", ">= 0.95", ratios)
        peaks = {}
        for threads in ("1", "2"):
            # A small parent: what this process holds would count as the child's before it is the program.
            code = ("import os, subprocess, sys; p = subprocess.Popen(sys.argv[1:], stderr=subprocess.DEVNULL); "
                    "print(os.wait4(p.pid, 0)[2].ru_maxrss)")
            peaks[threads] = int(subprocess.run(
                [sys.executable, "-I", "-c", code, FTPIPE, "run", "-q", "a.yaml", "--threads", threads], cwd=scratch,
                check=True, stdout=subprocess.PIPE).stdout) / 1024
        say("embed: RSS that the second thread adds", "<= 24", [peaks["2"] - peaks["1"]], "MiB")


def first_output(command, cwd):
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    process.stdout.readline()
    took = time.perf_counter() - start
    process.communicate()
    return took


def start(_):
    with tempfile.TemporaryDirectory() as scratch:
        with open(os.path.join(scratch, "tokens.yaml"), "w", encoding="utf-8") as file:
            file.write("stages:\n  - read: in.txt\n  - tokenize: %s\n  - print: tokens\n" % MINILM)
        with open(os.path.join(scratch, "vector.yaml"), "w", encoding="utf-8") as file:
            file.write("stages:\n  - read: in.txt\n  - tokenize: %s\n  - embed: %s\n  - print: embedding\n"
                       % (MINILM, MINILM))
        with open(os.path.join(scratch, "in.txt"), "w", encoding="utf-8") as file:
            file.write("a cat sat on a mat\n")
        works = {
            "python3 -I -c pass": ("beside", lambda: wall(["/usr/bin/python3", "-I", "-c", "pass"])),
            "check embed.yaml": ("<= 20", lambda: wall([FTPIPE, "check", "pipelines/embed.yaml"])),
            "first token line": ("<= 50", lambda: first_output([FTPIPE, "run", "tokens.yaml"], scratch)),
            "first vector": ("<= 200", lambda: first_output([FTPIPE, "run", "vector.yaml"], scratch)),
        }
        times = {name: [] for name in works}
        for rep in range(22):
            for name, (_, run) in works.items():
                took = run()
                if rep:
                    times[name].append(1000 * took)
        for name, (goal, _) in works.items():
            say("start: " + name, goal, times[name], "ms")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--peers", default=os.path.join(ROOT, "..", "shared", "peers"))
    arguments.add_argument("works", nargs="*", default=["essay", "start", "scaling", "embed"])
    options = arguments.parse_args()
    for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
        os.environ.pop(name, None)
    version = subprocess.run([FTPIPE, "version"], stdout=subprocess.PIPE, check=True).stdout.decode()
    print(json.dumps({"machine": platform.machine(), "load": os.getloadavg()[0], "version": version.splitlines()}))
    for name in options.works:
        globals()[name](os.path.abspath(options.peers))


if __name__ == "__main__":
    main()
