#!/usr/bin/env python3
"""Builds and runs all tests, step by step; called by tools/test. Ends with "N passed, N failed".

Each step is a command that ends in such a line itself. What a passing step prints goes to build/test-logs; what a
failing one prints is shown.
"""

import concurrent.futures
import glob
import os
import re
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LOGS = os.path.join(ROOT, "build", "test-logs")
CLOSING = re.compile(r"^(?:\w+: )?(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", re.M)
PYTHON = sys.executable
STEP_S, LONG_S = 900, 6 * 3600  # How long one step may take.
TARGETS = {"fuzz": ["fuzzers"], "fuzz-coverage": ["fuzzers"]}

# Extra options of each sanitizer; a report ends the program with status 86, so that it cannot pass for an error.
SANITIZERS = {
    "ASAN_OPTIONS": "detect_leaks=1:exitcode=86:allocator_may_return_null=1:detect_stack_use_after_return=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:exitcode=86",
    "TSAN_OPTIONS": "exitcode=86:halt_on_error=1:second_deadlock_stack=1",
}


class Totals:
    passed = failed = skipped = 0


def environment():
    env = dict(os.environ, **SANITIZERS)
    env.pop("FTPIPE_ISA", None)
    return env


def run(name, command, timeout=STEP_S):
    """Runs one step; returns (passed, failed, skipped, seconds, output)."""
    start = time.monotonic()
    try:
        done = subprocess.run(command, cwd=ROOT, env=environment(), timeout=timeout, text=True, errors="replace",
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        output, status = done.stdout, done.returncode
    except subprocess.TimeoutExpired as late:
        output = (late.stdout or b"").decode(errors="replace") if isinstance(late.stdout, bytes) else late.stdout or ""
        output, status = output + "\ntook longer than %d s\n" % timeout, 124
    seconds = time.monotonic() - start
    found = CLOSING.findall(output)
    passed, failed, skipped = (int(number or 0) for number in found[-1]) if found else (0, 0, 0)
    if status != 0 and failed == 0:
        failed = 1
    if status == 0 and not found:
        passed = 1  # A build.
    with open(os.path.join(LOGS, re.sub(r"\W+", "-", name) + ".log"), "w", encoding="utf-8") as log:
        log.write(output)
    return passed, failed, skipped, seconds, output


def report(name, result):
    passed, failed, skipped, seconds, output = result
    Totals.passed += passed
    Totals.failed += failed
    Totals.skipped += skipped
    print("%-4s %-44s %5d passed%s%s  %.1f s" % (
        "FAIL" if failed else "ok", name, passed, ", %d failed" % failed if failed else "",
        ", %d skipped" % skipped if skipped else "", seconds), flush=True)
    for line in sorted(set(re.findall(r"^skipped: .*$", output, re.M))):
        print("       " + line)
    if failed:
        print("".join("    | %s\n" % line for line in output.splitlines()[-60:]), flush=True)


def build(preset):
    configure = run("configure " + preset, ["cmake", "--preset", preset])
    if configure[1]:
        report("configure " + preset, configure)
        return False
    result = run("build " + preset, ["cmake", "--build", "--preset", preset, "--target", *TARGETS.get(preset, ["ftpipe", "tests"])])
    report("build " + preset, result)
    return not result[1]


def unit_tests(preset, folders):
    names = []
    for folder in folders:
        names += [os.path.splitext(os.path.basename(path))[0]
                  for path in glob.glob(os.path.join(ROOT, "tests", folder, "test_*.c"))]
    return [("%s %s" % (preset, name), ["build/%s/tests/%s" % (preset, name)]) for name in sorted(names)]


def faults(preset, long):
    built = "build/%s/tests/" % preset
    return player(preset, "play_faults.py", built + "fault_injector", built + "fail_malloc.so", *(["--all"] if long else []))


def chaos(preset, long):
    return ("%s play_chaos.py" % preset, [PYTHON, "tests/play_chaos.py", "build/%s/tests" % preset] + ["--long"] * long)


def full(preset, program, **numbers):
    """A test at its full size."""
    return ("%s %s, in full" % (preset, program),
            ["env"] + ["%s=%d" % pair for pair in numbers.items()] + ["build/%s/tests/%s" % (preset, program)])


def in_full(preset):
    return [full(preset, "test_torture", FT_TORTURE=10 ** 7), full(preset, "test_linearize", FT_HISTORIES=10 ** 4)]


def player(preset, script, *more):
    return ("%s %s" % (preset, script), [PYTHON, "tests/" + script, "build/%s/ftpipe" % preset] + list(more))


def steps(long):
    """(preset or None, [(name, command)]): a group shares a build and runs two at a time."""
    all_rooms = ["runtime", "engine", "dsl", "stages", "cli"]
    return [
        (None, [("tidy", [PYTHON, "tools/tidy.py"]), ("format", ["tools/format", "--check"]),
                ("category table", [PYTHON, "tools/make_category_table.py", "--check"]),
                ("model play_spin.py handoff", [PYTHON, "tests/play_spin.py", "handoff"]),
                ("model play_model.py", [PYTHON, "tests/play_model.py"] + (["--long"] if long else [])),
                ("model play_spin.py collector", [PYTHON, "tests/play_spin.py", "collector"] + ["--long"] * long)]),
        ("release", unit_tests("release", all_rooms) + [
            player("release", "play_stages.py"), player("release", "play_broken.py"),
            player("release", "play_cli.py"), player("release", "play_pipelines.py"),
            player("release", "play_bad_input.py"), player("release", "play_vectors.py"),
            player("release", "play_infer.py"), player("release", "play_generate.py"),
            player("release", "play_embed.py"), player("release", "play_models.py"),
            player("release", "play_memory.py"), player("release", "play_pull.py"), player("release", "play_compiled.py"),
            player("release", "play_weights.py"),
            player("release", "play_plugins.py"),
            ("release play_tokenizers.py", [PYTHON, "tests/play_tokenizers.py", "build/release/tests/token_driver"]),
            ("release play_tokenizer_files.py",
             [PYTHON, "tests/play_tokenizer_files.py", "build/release/tests/token_driver"]),
            ("release play_worst_cases.py", [PYTHON, "tests/play_worst_cases.py", "build/release/tests/bench_worst_cases"]
             + ["--long"] * long),
            player("release", "play_runaway.py"), faults("release", long),
            player("release", "play_cycles.py", *(["--long"] if long else [])), chaos("release", long),
            player("release", "play_processes.py", *(["--long"] if long else [])),
            ("release play_normalize.py",
             [PYTHON, "tests/play_normalize.py", "build/release/tests/normalize_driver"]),
            ("release docs", ["tools/docs", "--check", "build/release/ftpipe"])]
            + long * (in_full("release") + [
                full("release", "test_cycles", FT_TORTURE=1000),
                ("release fuzz_tokenizers.py, in full", [PYTHON, "tests/fuzz_tokenizers.py",
                                                         "build/release/tests/token_driver", "--count", "1000000"])])),
        ("asan", unit_tests("asan", all_rooms) + [
            player("asan", "play_stages.py"), player("asan", "play_broken.py"), player("asan", "play_cli.py"),
            player("asan", "play_pipelines.py"), player("asan", "play_bad_input.py"), player("asan", "play_infer.py"),
            player("asan", "play_embed.py"), player("asan", "play_generate.py"), player("asan", "play_models.py"),
            player("asan", "play_plugins.py"), player("asan", "play_cycles.py"), player("asan", "play_processes.py"),
            faults("asan", long), player("asan", "play_failures.py", *(["--all"] if long else [])),
            ("asan fuzz_tokenize.py", [PYTHON, "tests/fuzz_tokenize.py", "build/asan/tests/ids_driver"]),
            ("asan play_tokenizers.py", [PYTHON, "tests/play_tokenizers.py", "build/asan/tests/token_driver"]),
            ("asan fuzz_tokenizers.py", [PYTHON, "tests/fuzz_tokenizers.py", "build/asan/tests/token_driver"]),
            ("asan fuzz_normalize.py",
             [PYTHON, "tests/fuzz_normalize.py", "build/asan/tests/normalize_driver"] + ["--count", "200000"] * long),
            ("asan fuzz_pretokenize.py", [PYTHON, "tests/fuzz_pretokenize.py", "build/asan/tests/bench_pretokenize"]
             + ["--count", "1000000"] * long),
            ("asan fuzz_model.py", [PYTHON, "tests/fuzz_model.py", "build/asan/tests/bench_model",
                                    *(["--count", "1000000"] if long else [])])]
            + long * in_full("asan")),
        ("tsan", unit_tests("tsan", ["engine", "runtime"]) + [
            player("tsan", "play_stages.py"), player("tsan", "play_pipelines.py"),
            player("tsan", "play_plugins.py"), player("tsan", "play_cycles.py"), player("tsan", "play_processes.py"),
            chaos("tsan", long)]
            + long * in_full("tsan")),
        ("fuzz", [("fuzz fuzz_readers.py", [PYTHON, "tests/fuzz_readers.py", "build/fuzz"] + ["--long"] * long)]),
        ("fuzz-coverage", [("fuzz-coverage fuzz_readers.py",
                            [PYTHON, "tests/fuzz_readers.py", "build/fuzz-coverage", "--coverage"])] * long),
    ]


def main():
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    os.makedirs(LOGS, exist_ok=True)
    os.makedirs(os.path.join(ROOT, "build"), exist_ok=True)
    start = time.monotonic()
    for preset, group in steps("--long" in sys.argv):
        group = [step for step in group if not words or any(word in step[0] for word in words)]
        if "--list" in sys.argv:
            print("\n".join(name for name, _ in group))
            continue
        if not group or (preset and not build(preset)):
            continue
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            limit = LONG_S if "--long" in sys.argv else STEP_S
            pending = {pool.submit(run, name, command, limit): name for name, command in group}
            for done in concurrent.futures.as_completed(pending):
                report(pending[done], done.result())
    if "--list" in sys.argv:
        return 0
    print("%d min %d s, %d skipped" % (*divmod(int(time.monotonic() - start), 60), Totals.skipped))
    print("%d passed, %d failed" % (Totals.passed, Totals.failed))
    return 1 if Totals.failed or not Totals.passed else 0


if __name__ == "__main__":
    sys.exit(main())
