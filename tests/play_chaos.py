#!/usr/bin/env python3
"""Chaos: threads lose the CPU at any atomic operation, tables are made anew at any insert, rings have 2 or 4 slots. Ends
with "N passed, N failed".

    play_chaos.py FOLDER            some seeds, FOLDER being build/PRESET/tests
    play_chaos.py FOLDER --long     many

The engine's random graphs (where turns are also left behind by chance), the torture and the linearizability checks must
pass with every seed, and pipelines on 1, 2, 3 and 8 threads must write the same bytes.
"""

import os
import subprocess
import sys
import tempfile

import play_faults
import play_failures

TIMEOUT_S = 600
THREADS = (1, 2, 3, 8)
# (program, seeds, seeds with --long, environment)
PROGRAMS = [
    ("chaos_stress_2", 2, 100, {"FTPIPE_SEEDS": "50"}),
    ("chaos_stress_4", 2, 100, {"FTPIPE_SEEDS": "50"}),
    ("chaos_torture", 4, 100, {"FT_TORTURE": "8000"}),
    ("chaos_linearize", 2, 50, {"FT_HISTORIES": "100"}),
]
PIPELINE_SEEDS, PIPELINE_SEEDS_LONG = 2, 100


class Count:
    passed = failed = 0


def judge(ok, what, output):
    Count.passed += ok
    Count.failed += not ok
    if not ok:
        print("FAILED %s\n%s" % (what, output[-3000:]), flush=True)


def run_programs(folder, long):
    for name, few, many, env in PROGRAMS:
        for seed in range(1, (many if long else few) + 1):
            # Other graphs and histories with each seed as well.
            own = dict(env, FT_CHAOS=str(seed))
            if name == "chaos_linearize":
                own["FTPIPE_SEED"] = str(seed * 100000)
            done = subprocess.run([os.path.join(folder, name)], env=dict(os.environ, **own), timeout=TIMEOUT_S, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
            judge(done.returncode == 0, "%s with %s" % (name, own), done.stdout)
        print("%s: seeds 1 to %d" % (name, seed), flush=True)


def run_pipelines(folder, long):
    program = os.path.join(folder, "ftpipe_chaos")
    with tempfile.TemporaryDirectory() as scratch:
        play_failures.prepare(scratch)
        faults = play_faults.Faults(program, None, None, scratch)
        for name, yaml in play_faults.PIPELINES.items():
            with open(os.path.join(scratch, name + ".yaml"), "w", encoding="utf-8") as file:
                file.write(yaml)
            whole = faults.play(name, None, {"FT_CHAOS": "0"})
            judge(whole.status == 0, name + " without chaos", whole.err)
            for seed in range(1, (PIPELINE_SEEDS_LONG if long else PIPELINE_SEEDS) + 1):
                for threads in THREADS:
                    got = faults.play(name, None, {"FT_CHAOS": str(seed)}, threads)
                    same = (got.status, got.out, got.files) == (0, whole.out, whole.files)
                    judge(same, "%s with FT_CHAOS=%d on %d threads" % (name, seed, threads), got.err)
            print("%s: seeds 1 to %d on %s threads" % (name, seed, ", ".join(map(str, THREADS))), flush=True)


def main():
    folder = os.path.abspath(sys.argv[1])
    run_programs(folder, "--long" in sys.argv)
    run_pipelines(folder, "--long" in sys.argv)
    print("%d passed, %d failed" % (Count.passed, Count.failed))
    return 1 if Count.failed else 0


if __name__ == "__main__":
    sys.exit(main())
