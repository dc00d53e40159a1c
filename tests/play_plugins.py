#!/usr/bin/env python3
"""Plug-ins from their C source to a run: built with the public header alone, loaded, refused, kept apart.

    tests/play_plugins.py PROGRAM [NAME]

Needs a C compiler (CC, else cc); without one every case is skipped."""

import ctypes
import json
import os
import platform
import shutil
import subprocess
import sys

from program import ROOT, Player

CC = os.environ.get("CC", "cc")
GOOD, INVALID = 0, 3


def build(player, source, name, *defines):
    """Builds tests/plugins/SOURCE or examples/plugin/SOURCE into the case's folder."""
    if not shutil.which(CC):
        raise Player.Skip("no C compiler")
    include = os.path.join(os.path.dirname(player.program), "include")
    folder = "examples/plugin" if source == "letters.c" else "tests/plugins"
    path = os.path.join(player.folder, name)
    subprocess.run([CC, "-std=c17", "-D_POSIX_C_SOURCE=200809L", "-O2", "-Wall", "-Wextra", "-Werror", "-fPIC",
                    "-shared", "-I", include, *("-D" + define for define in defines),
                    os.path.join(ROOT, folder, source), "-o", path], check=True, timeout=120)
    return path


def pipeline(player, *stages, head=""):
    lines = ["stages:", "  - generate: 300", "    batch: 1", "    fields:", "      text: words(1, 3)"]
    for stage in stages:
        lines += ["  - " + stage]
    player.write("p.yaml", head + "\n".join(lines + ["  - write: out.jsonl", ""]))


def refused(player, number, *parts, stage="plugin: ./x.so"):
    pipeline(player, stage)
    result = player.run("check", "p.yaml")
    said = result.err.decode()
    assert result.status == INVALID, result
    for part in ("E%04d" % number, *parts):
        assert part in said, "`%s` is missing\n%s" % (part, result)


# ---- cases ----

def example(player):
    build(player, "letters.c", "letters.so")
    shutil.copy(os.path.join(ROOT, "examples/plugin/letters.yaml"), player.folder)
    result = player.run("run", "letters.yaml", "--quiet")
    items = [json.loads(line) for line in result.out.splitlines()]
    assert result.status == GOOD and len(items) == 3, result
    for at, item in enumerate(items):
        assert item["number"] == at + 1 and item["text"] == item["text"].upper() and item["text"].strip(), result
    assert not result.err, result  # Both stages declare: no warning.


def options_and_line(player):
    build(player, "letters.c", "letters.so")
    player.write("in.jsonl", '{"title":"Abc é","text":"x"}\n{"title":null,"text":"y"}\n')
    result = player.run("run", "-q", "-e", "read in.jsonl ! plugin ./letters.so#upper field=title ! write -")
    assert [json.loads(line) for line in result.out.splitlines()] == [
        {"title": "ABC é", "text": "x"}, {"title": None, "text": "y"}], result
    player.write("p.yaml", "stages:\n  - read: in.jsonl\n  - plugin: ./letters.so#upper\n    feild: title\n  - drop:\n")
    result = player.run("check", "p.yaml")
    assert result.status == INVALID and b"E0106" in result.err and b"did you mean `field`" in result.err, result


def order_and_threads(player):
    build(player, "letters.c", "letters.so")
    pipeline(player, "plugin: ./letters.so#upper", "plugin: ./letters.so#numbered")
    for stress in ("one-item", "shared", "one-batch"):
        result = player.run("run", "p.yaml", "-q", "--threads", "4", "--stress", stress)
        assert result.status == GOOD, result
        numbers = [json.loads(line)["number"] for line in player.read("out.jsonl").splitlines()]
        assert numbers == list(range(1, 301)), numbers[:10]
        os.unlink(os.path.join(player.folder, "out.jsonl"))


def broken_text(player):
    """Every stage that has a tokenizer looks at the UTF-8 of what comes."""
    build(player, "broken_text.c", "x.so")
    player.write("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n")
    player.write("in.jsonl", '{"text":"aé","b":"a"}\n{"text":"a a","b":"a"}\n')
    for stage in ("tokenize vocab.txt to=made", "tokenize vocab.txt outputs=[offsets] to=made", "count vocab.txt to=made",
                  "tokenize vocab.txt prompt=a to=made", "tokenize vocab.txt from=b pair=text to=made",
                  "tokenize words to=made", "chunk 9 tokenizer=vocab.txt to=made"):
        line = "read in.jsonl ! plugin ./x.so ! %s%s ! write -"
        stopped = player.run("run", "-q", "-e", line % (stage, ""))
        assert stopped.status not in (GOOD, INVALID) and b"the text is not UTF-8 at byte 1" in stopped.err, (stage, stopped)
        result = player.run("run", "-q", "-e", line % (stage, " on_error=skip"))
        assert len(result.out.splitlines()) == 1, (stage, result)


def beside_the_pipeline(player):
    build(player, "letters.c", "letters.so")
    os.makedirs(os.path.join(player.folder, "deep"))
    shutil.move(os.path.join(player.folder, "letters.so"), os.path.join(player.folder, "deep", "letters.so"))
    player.write("deep/p.yaml", "stages:\n  - generate: 1\n  - plugin: letters.so#numbered\n  - print:\n")
    result = player.run("run", "deep/p.yaml", "-q")
    assert result.status == GOOD and b'"number":1' in result.out, result


def missing(player):
    refused(player, 701, "there is no plug-in `./x.so`")


def not_a_library(player):
    player.write("x.so", "#!/bin/sh\necho no\n")
    refused(player, 701, "cannot load the plug-in")
    player.write("x.so", b"\x7fELF" + b"\0" * 60)
    refused(player, 701, "cannot load the plug-in")
    player.write("x.so", "")
    refused(player, 701, "cannot load the plug-in")


def undefined_symbol(player):
    player.write("u.c", "int ft_batch_assert_valid_not(void);\nint f(void) { return ft_batch_assert_valid_not(); }\n")
    if not shutil.which(CC):
        raise Player.Skip("no C compiler")
    subprocess.run([CC, "-fPIC", "-shared", "u.c", "-o", "x.so"], cwd=player.folder, check=True, timeout=60)
    refused(player, 701, "undefined symbol", "does not export")


def no_symbol(player):
    build(player, "faulty.c", "x.so", "NO_SYMBOL")
    refused(player, 702, "without `ftpipe_plugin`")


def other_abi(player):
    build(player, "faulty.c", "x.so", "OTHER_ABI")
    refused(player, 703, "has abi 999, and this program has abi 1")


def bad_definitions(player):
    for define, part in (("NO_PROCESS", "needs `process`"), ("OUTSIDE", "outside of `config_size`"),
                         ("BAD_DEFAULT", "the default of its option `size` is wrong"),
                         ("SAME_NAME", "two stages `first`"), ("ABI=7", "abi 7, and this program has abi 1")):
        build(player, "faulty.c", "x.so", define)
        refused(player, 704, part, stage="plugin: ./x.so#first")


def stage_names(player):
    build(player, "faulty.c", "x.so", "CONCURRENCY=FT_CONCURRENCY_ONE")
    refused(player, 705, "has several stages", "`first`, `second`")
    refused(player, 705, "has no stage `third`", stage="plugin: ./x.so#third")
    build(player, "faulty.c", "x.so", "CONCURRENCY=FT_CONCURRENCY_ONE", "ONE_STAGE")
    pipeline(player, "plugin: ./x.so")
    assert player.run("check", "p.yaml").status == GOOD
    refused(player, 102, "needs the path", stage="plugin: [a]")


def undeclared(player):
    """The stages of a library that declares nothing are never at work at once; a declared one's are."""
    build(player, "faulty.c", "x.so")
    pipeline(player, "plugin: ./x.so#first", "plugin: ./x.so#second")
    result = player.run("run", "p.yaml", "--threads", "4", "--color", "never")
    said = result.err.decode()
    assert result.status == GOOD and said.count("warning[W0902]") + said.count("warning[E0902]") == 2, result
    assert "at most one core" in said, result
    assert len(player.read("out.jsonl").splitlines()) == 300
    build(player, "faulty.c", "y.so", "CONCURRENCY=FT_CONCURRENCY_ANY", "LOOPS=100000")
    os.unlink(os.path.join(player.folder, "out.jsonl"))
    pipeline(player, "plugin: ./y.so#first", "plugin: ./y.so#second")
    result = player.run("run", "p.yaml", "--threads", "4", "-q")
    assert result.status == 1 and b"two threads at once" in result.err, result


def undeclared_with_little_memory(player):
    """Who waits for memory inside of a domain is helped, although others wait for the domain."""
    build(player, "faulty.c", "x.so")
    player.write("p.yaml", "run: {memory: 16MiB}\nstages:\n  - generate: 100k\n    fields: {text: 'words(20, 40)'}\n"
                 "  - plugin: ./x.so#first\n  - map: {more: text .. text}\n  - plugin: ./x.so#second\n  - drop: more\n")
    result = player.run("run", "p.yaml", "-q", "--threads", "4")
    assert result.status == GOOD, result


def endless(player):
    """A stage that never ends but asks whether the run is cancelled goes with the second signal."""
    build(player, "faulty.c", "x.so", "ENDLESS", "CONCURRENCY=FT_CONCURRENCY_ANY")
    pipeline(player, "plugin: ./x.so#first")
    run = subprocess.Popen([player.program, "run", "p.yaml", "-q"], cwd=player.folder, stderr=subprocess.PIPE)
    try:
        assert b"endless" in run.stderr.readline()
        run.send_signal(2)
        run.send_signal(15)  # Two of one kind might be seen as one.
        assert run.wait(30) in (130, 143), run.returncode
    finally:
        run.kill()
        run.stderr.close()


def endless_and_deaf(player):
    """One that never asks is left behind, then abandoned: its library stays, the trace is whole."""
    build(player, "faulty.c", "x.so", "ENDLESS", "DEAF")
    pipeline(player, "plugin: ./x.so#first")
    run = subprocess.Popen([player.program, "run", "p.yaml", "-q", "--trace", "t.json"], cwd=player.folder,
                           stderr=subprocess.PIPE)
    try:
        for line in run.stderr:
            if b"left behind" in line:
                break
        run.send_signal(2)
        run.send_signal(15)
        assert b"abandoned" in run.stderr.read()
        assert run.wait(60) in (130, 143), run.returncode
        assert json.loads(player.read("t.json")), "no trace"
    finally:
        run.kill()
        run.stderr.close()


def crash_in_plan(player):
    """A plug-in that crashes while the pipeline is compiled takes the program with it."""
    build(player, "faulty.c", "x.so", "CRASH")
    pipeline(player, "plugin: ./x.so#first")
    done = subprocess.run([player.program, "check", "p.yaml"], cwd=player.folder, capture_output=True, timeout=60)
    assert done.returncode != GOOD, done


def exports(player):
    """Exactly what the header declares as FT_API is exported."""
    if not shutil.which("nm"):
        raise Player.Skip("no nm")
    with open(os.path.join(os.path.dirname(player.program), "include/ftpipe/stage.h"), encoding="utf-8") as file:
        text = file.read().replace("\\\n", " ")
    import re
    declared = set(re.findall(r"^FT_API [\w\s*]*?\b(ft_\w+)\(", text, re.M))
    out = subprocess.run(["nm", "-D", "--defined-only", player.program], capture_output=True, text=True, check=True)
    exported = {line.split()[-1] for line in out.stdout.splitlines() if re.search(r" [TDBR] ft_", line)}
    assert declared and declared == exported, "only declared: %s\nonly exported: %s" % (
        sorted(declared - exported), sorted(exported - declared))


# ---- profile ----

def seeded(player, stages, *defines, threads="4", count=400, arguments=()):
    build(player, "seeded.c", "s.so", *defines)
    player.write("p.yaml", "stages:\n  - generate: %d\n    batch: 1\n    fields: {text: '\"x\"'}\n%s  - drop:\n" % (
        count, "".join("  - plugin: ./s.so#%s\n" % stage for stage in stages)))
    return player.run("run", "p.yaml", "--threads", threads, *arguments)


def bottleneck_is_named(player):
    """A global lock in one stage: named with stage and share; what is reported is what was waited."""
    result = seeded(player, ["slow"], "LOCK_US=2000", arguments=["--profile-locks=l.json", "--json"])
    assert result.status == GOOD, result
    report = json.loads(player.read("l.json"))
    lock = report["locks"][0]
    assert lock["lock"] == "cache" and lock["holder"] == "slow", report
    assert report["bottleneck"] and report["bottleneck"]["stage"] == "slow", report
    end = [json.loads(line) for line in result.err.splitlines() if b'"end"' in line][-1]
    injected = [stage for stage in end["stages"] if stage["name"] == "slow"][0]["counters"]
    elapsed_us = report["elapsed_ns"] / 1000
    told = {"waited": lock["wait_ns"] / 1000 / injected["waited_us"],
            "share": report["bottleneck"]["share"] * elapsed_us * report["threads"] / injected["waited_us"]}
    assert all(0.9 <= ratio <= 1.1 for ratio in told.values()), "reported to injected: %s, %s" % (told, report)
    # Holds that nobody waited for are sampled, so this one is an estimate.
    held = min(1, injected["held_us"] / elapsed_us)
    assert held / 2 <= lock["utilization"] <= held * 2, (held, report)
    result = seeded(player, ["slow"], "LOCK_US=2000", arguments=["--profile-locks"])
    assert b"`slow` makes the run queue for `cache`" in result.err, result


def fat_state_is_named(player):
    result = seeded(player, ["fat"], arguments=["--profile-locks=l.json", "-q"])
    assert result.status == GOOD, result
    report = json.loads(player.read("l.json"))
    fat = [entry for entry in report["memory"] if entry["stage"] == "fat"][0]
    assert fat["instances"] >= 1 and 64 << 20 <= fat["bytes"] / fat["instances"] < 66 << 20, report
    assert fat["overuse"] == (fat["instances"] > 1), report
    assert not [entry for entry in report["memory"] if entry["overuse"] and entry["stage"] != "fat"], report
    assert report["bottleneck"] is None, report
    # Each of its instances is one worker's own: together they are most of what the process has.
    own = [worker for worker in report["workers"] if worker["most"] == "fat"]
    assert len(own) == fat["instances"] and report["worker_overuse"] == (len(own) > 1), report
    assert fat["bytes"] <= sum(worker["bytes"] for worker in own) < fat["bytes"] + (len(own) << 20), report


def big_table_of_one_worker(player):
    """What a script piles up after `open` is told too, of the worker that has it."""
    player.write("p.yaml", """stages:
  - generate: 4000
    batch: 1
    fields: {n: index}
  - lua: |
      local first = ctx.shared.dict("first"):get_or_set("worker", ctx.worker)
      if not pile and ctx.worker == first then
        pile = {}
        for i = 1, 1 << 20 do pile[i] = i end
      end
  - drop:
""")
    result = player.run("run", "p.yaml", "-q", "--threads", "2", "--profile-locks=l.json")
    assert result.status == GOOD, result
    report = json.loads(player.read("l.json"))
    workers = report["workers"]
    # A value is 16 bytes in Lua 5.4.
    large = [worker for worker in workers if worker["bytes"] > 1 << 20]
    assert len(large) == 1 and large[0]["most"] == "lua", report
    assert 16 << 20 <= large[0]["bytes"] < 17 << 20, report
    assert [worker["far_above_others"] for worker in workers] == \
        [len(workers) > 1 and worker is large[0] for worker in workers], report
    assert 0 <= large[0]["free_block_bytes"] <= 1 << 20, report


def profile_of_nothing(player):
    player.write("p.yaml", "stages:\n  - generate: 10\n  - drop:\n")
    result = player.run("run", "p.yaml", "-q", "--profile-locks")
    assert result.status == GOOD and b"kept by each instance" in result.err, result
    result = player.run("run", "p.yaml", "-q", "--profile-locks=/nowhere/l.json")
    assert b"cannot write `/nowhere/l.json`" in result.err, result


def domain_cost_is_told(player):
    build(player, "faulty.c", "x.so", "LOOPS=3000000")
    pipeline(player, "plugin: ./x.so#first", "plugin: ./x.so#second")
    result = player.run("run", "p.yaml", "--threads", "2")
    assert b"is undeclared: its library was at work" in result.err and b"serial fraction" in result.err, result


# ---- doctor ----

def examine(player, *defines, source="unsafe.c", status=GOOD):
    build(player, source, "x.so", *defines)
    result = player.run("doctor", "--plugin", "x.so", "--json", env={"XDG_CACHE_HOME": player.folder})
    assert result.status == status, result
    return {fact["name"]: fact for fact in json.loads(result.out)["facts"]}


def doctor_passes(player):
    facts = examine(player, source="letters.c")
    assert facts["upper"]["value"] == "declared any: verified", facts
    assert facts["numbered"]["value"] == "declared one: verified", facts
    assert examine(player)["unsafe"]["state"] == "good"
    facts = examine(player, "CONCURRENCY=FT_CONCURRENCY_UNDECLARED")
    assert facts["unsafe"]["value"] == "undeclared: it could declare any", facts
    facts = examine(player, "COUNTS", "CONCURRENCY=FT_CONCURRENCY_UNDECLARED")
    assert facts["unsafe"]["value"].startswith("undeclared: it could declare one (as any: other results"), facts


def doctor_finds(player):
    for define, part in (("SHARED", "other results than on one thread"), ("COUNTS", "other results"),
                         ("OVERRUN", "outside of its state"), ("LEAK", "blocks of memory are left"),
                         ("CONFIG", "changes its config"), ("IN_PLACE", "changes batches"),
                         ("CRASH", "crashed with signal 11")):
        if define in ("CRASH", "LEAK") and "san" in player.program:
            continue  # The sanitizer takes the signal, or finds the leak first.
        value = examine(player, define, status=1)["unsafe"]
        assert value["state"] == "poor" and part in value["value"], "%s: %s" % (define, value)


def doctor_keeps_verdicts(player):
    home = {"XDG_CACHE_HOME": player.folder}
    examine(player, "CONCURRENCY=FT_CONCURRENCY_UNDECLARED")
    pipeline(player, "plugin: ./x.so")
    result = player.run("check", "p.yaml", env=home)
    assert result.status == GOOD and b"0902" not in result.err, result
    result = player.run("check", "p.yaml", env={"XDG_CACHE_HOME": player.folder + "/other"})
    assert result.status == GOOD and b"0902" in result.err, result
    examine(player, "LEAK", status=1)
    result = player.run("check", "p.yaml", env=home)
    assert result.status == GOOD and b"0903" in result.err, result


def doctor_without_a_plugin(player):
    result = player.run("doctor", "--plugin", "x.so")
    assert result.status != GOOD and b"there is no plug-in `x.so`" in result.err, result
    player.write("x.so", "no library")
    result = player.run("doctor", "--plugin", "x.so", env={"XDG_CACHE_HOME": player.folder})
    assert result.status != GOOD and b"cannot load" in result.err, result
    assert not os.path.exists(os.path.join(player.folder, "ftpipe")), "a verdict on nothing"


def doctor_looks_for_races(player):
    """With a ThreadSanitizer build of the program beside it, a race that changes no result is found."""
    if "tsan" not in player.program:
        raise Player.Skip("this program is no ThreadSanitizer build")
    beside = os.path.join(player.folder, "bin")
    os.makedirs(beside)
    for name in ("ftpipe", "ftpipe-tsan"):
        shutil.copy(player.program, os.path.join(beside, name))
    include = os.path.join(os.path.dirname(player.program), "include")
    build(player, "unsafe.c", "x.so")
    for define, status, part in (("RACE", 1, "under ThreadSanitizer: data races"), ("NONE", 0, "none seen")):
        subprocess.run([CC, "-std=c17", "-D_POSIX_C_SOURCE=200809L", "-O1", "-g", "-fsanitize=thread", "-fPIC", "-shared",
                        "-I", include, "-D" + define, os.path.join(ROOT, "tests/plugins/unsafe.c"), "-o", "x.tsan.so"],
                       cwd=player.folder, check=True, timeout=120)
        done = subprocess.run([os.path.join(beside, "ftpipe"), "doctor", "--plugin", "./x.so", "--json"],
                              cwd=player.folder, capture_output=True, timeout=120,
                              env=dict(os.environ, XDG_CACHE_HOME=player.folder, TSAN_OPTIONS=""))
        assert done.returncode == status and part in done.stdout.decode(), (define, done)


def doctor_page(player):
    result = player.run("doctor", "--json")
    facts = json.loads(result.out)["facts"]
    names = {fact["name"] for fact in facts}
    assert result.status == GOOD, result
    for name in ("cores", "affinity", "quota", "workers", "memory", "instructions", "huge pages", "membarrier",
                 "io_uring", "nice limit", "allocator", "BLAS", "reference counts", "cycle collector",
                 "runaway monitor", "lock elision", "global lock", "any threads", "one, in order"):
        assert name in names, name
    for fact in facts:
        assert fact["state"] in ("good", "note", "poor") and fact["value"].strip(), fact
        assert fact["advice"] or fact["state"] != "poor" or fact["group"] == "plugin", fact
    assert b"\x1b[" not in player.run("doctor").out
    assert b"\x1b[" in player.run("doctor", "--color", "always").out


def doctor_names_the_blas(player):
    def facts(**env):
        return {fact["name"]: fact for fact in json.loads(player.run("doctor", "--json", env=env).out)["facts"]}
    # Prescott's kernels run on every x86-64; OpenBLAS itself says that it took them.
    generic = facts(FTPIPE_ISA="generic", OPENBLAS_CORETYPE="Prescott")
    try:
        ctypes.CDLL("libopenblas.so.0")
    except OSError:
        assert generic["BLAS"]["value"] == "no libopenblas.so.0: own generic kernels", generic["BLAS"]
        return
    assert generic["BLAS"]["value"].startswith("OpenBLAS"), generic["BLAS"]
    assert "Prescott" in generic["BLAS"]["value"] or platform.machine() != "x86_64", generic["BLAS"]
    assert generic["OPENBLAS_CORETYPE"]["state"] == "note" and generic["OPENBLAS_CORETYPE"]["advice"], generic
    best = facts(FTPIPE_ISA="auto", OPENBLAS_CORETYPE="Prescott")
    if best["BLAS"]["value"].startswith("none: own"):
        assert "without effect" in best["OPENBLAS_CORETYPE"]["value"], best
        assert generic["BLAS"]["state"] == "note" and "FTPIPE_ISA" in generic["BLAS"]["advice"], generic["BLAS"]


def doctor_reads_a_fake_machine(player):
    for path, text in (("proc/self/status", "Cpus_allowed_list:\t0-7\n"), ("proc/meminfo", "MemTotal: 1048576 kB\n"),
                       ("proc/cpuinfo", "model name\t: Fake 9000\n"), ("proc/self/cgroup", "0::/a/b\n"),
                       ("proc/self/mountinfo", "1 1 0:1 / /cg rw - cgroup2 cgroup2 rw\n"),
                       ("sys/devices/system/cpu/online", "0-15\n"),
                       ("sys/devices/system/node/node0/cpulist", "0-7\n"),
                       ("sys/devices/system/node/node1/cpulist", "8-15\n"),
                       ("sys/devices/system/cpu/cpu0/cache/index0/level", "1\n"),
                       ("sys/devices/system/cpu/cpu0/cache/index0/size", "48K\n"),
                       ("sys/devices/system/cpu/cpu0/cache/index0/type", "Data\n"),
                       ("sys/devices/system/cpu/cpu0/cache/index0/shared_cpu_list", "0,8\n"),
                       ("sys/kernel/mm/transparent_hugepage/enabled", "always madvise [never]\n")):
        player.write("fake/" + path, text)
    player.write("fake/cg/a/cpu.max", "150000 100000\n")
    result = player.run("doctor", "--json", "--root", os.path.join(player.folder, "fake"))
    facts = {fact["name"]: fact for fact in json.loads(result.out)["facts"] if fact["group"] == "machine"}
    assert facts["cpu"]["value"] == "Fake 9000", facts["cpu"]
    assert facts["quota"]["value"].startswith("1.50 CPUs") and facts["quota"]["state"] == "note", facts["quota"]
    assert facts["workers"]["value"].startswith("2:"), facts["workers"]
    assert facts["cache L1"]["value"] == "48K Data, of CPUs 0,8", facts["cache L1"]
    assert facts["NUMA node 1"]["value"] == "CPUs 8-15" and facts["NUMA binding"]["advice"], facts
    assert facts["huge pages"]["state"] == "note" and facts["huge pages"]["advice"], facts
    assert "1.0 GiB" in facts["memory"]["value"], facts["memory"]


def doctor_of_a_pipeline(player):
    build(player, "faulty.c", "x.so")
    pipeline(player, "plugin: ./x.so#first", "filter: text ~= 'x'")
    result = player.run("doctor", "p.yaml", "--json")
    facts = {fact["name"]: fact for fact in json.loads(result.out)["facts"] if fact["group"] == "pipeline"}
    assert facts["first"]["state"] == "poor" and "lock domain" in facts["first"]["value"], facts
    assert "was not tested" in facts["first"]["value"], facts
    assert facts["write"]["value"].startswith("declared one"), facts


def main():
    player = Player()
    for case in (example, options_and_line, order_and_threads, broken_text, beside_the_pipeline, missing, not_a_library,
                 undefined_symbol, no_symbol, other_abi, bad_definitions, stage_names, undeclared,
                 undeclared_with_little_memory, endless, endless_and_deaf, crash_in_plan, exports, doctor_passes, doctor_finds,
                 doctor_keeps_verdicts, doctor_without_a_plugin, doctor_looks_for_races, doctor_page, doctor_names_the_blas,
                 doctor_reads_a_fake_machine, doctor_of_a_pipeline, bottleneck_is_named, fat_state_is_named,
                 big_table_of_one_worker, profile_of_nothing, domain_cost_is_told):
        player.case(case.__name__, case)
    return player.end()


if __name__ == "__main__":
    sys.exit(main())
