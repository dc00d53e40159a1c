#!/usr/bin/env python3
"""Stages in child processes: `--processes N`, `isolate: process`, `on_runaway: process`. The same bytes as with threads,
whatever a stage does to its process, and nothing left behind. Ends with "N passed, N failed".

    tests/play_processes.py PROGRAM [NAME | --long]
"""

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import threading

from play_plugins import build
from program import ROOT, Player, is_sanitized, need_minilm

DONE, FAILED, USAGE, INVALID = 0, 1, 2, 3
LONG = "--long" in sys.argv
# A signal ends the process, and is not reported by a sanitizer.
CRASHES = {name: "handle_segv=0:handle_abort=0:exitcode=86" for name in ("ASAN_OPTIONS", "TSAN_OPTIONS")}


# ---- what runs ----

def processes():
    """(pid, parent, name, state) of all processes there are."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % pid, encoding="utf-8", errors="replace") as file:
                text = file.read()
        except OSError:
            continue
        name, rest = text[text.index("(") + 1:text.rindex(")")], text[text.rindex(")") + 2:].split()
        found.append((int(pid), int(rest[1]), name, rest[0]))
    return found


def below(root):
    """Processes that descend from `root`."""
    all_of_them, ids = processes(), {root}
    for _ in range(4):
        ids |= {pid for pid, parent, _, _ in all_of_them if parent in ids}
    return [each for each in all_of_them if each[0] in ids and each[0] != root]


def containers(root):
    return [pid for pid, _, name, state in below(root) if name.startswith("ft:") and name != "ft:zygote" and state != "Z"]


def start(player, *arguments):
    return subprocess.Popen([player.program, *arguments], cwd=player.folder, stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


class Feed:
    """A run that reads standard input and prints each item as it comes: what it prints says how far it is."""

    def __init__(self, player, text, *flags):
        player.write("p.yaml", text)
        self.child = start(player, "run", "p.yaml", "--json", *flags)
        self.lines = []

    def give(self, *items):
        self.child.stdin.write("".join(json.dumps(item) + "\n" for item in items).encode())
        self.child.stdin.flush()

    def take(self):
        line = self.child.stdout.readline()
        assert line, "it has ended: %s" % (self.end(),)
        self.lines.append(json.loads(line))
        return self.lines[-1]

    def end(self, timeout=120):
        out, err = self.child.communicate(timeout=timeout)
        self.lines += [json.loads(line) for line in out.splitlines()]
        lines = err.decode(errors="replace").splitlines()
        reports = [line for line in lines if not line.startswith("{")]
        assert not reports, "\n".join(reports[:60])
        return self.child.returncode, [json.loads(line) for line in lines]


def end_of(result):
    events = result if isinstance(result, list) else [
        json.loads(line) for line in result.err.decode().splitlines() if line.startswith("{")]
    return next(event for event in events if event["event"] == "end")


def check_sums(end):
    assert end["read"] == end["written"] + end["dropped"] + end["failed"] + end["unfinished"], end


def lines_of(player, name):
    return [json.loads(line) for line in player.read(name).splitlines()]


# ---- the same bytes ----

TEXTS = ["", "Grüße aus München", "a" * 3000, "the global interpreter lock", "日本語のテキスト", "x\ty \"quoted\""]

PIPELINES = {
    "words": """
      - tokenize: words
      - map: {n: len(tokens)}
    """,
    "script": """
      - lua: |
          item.n = math.random(1, 1000) + #item.text
          item.where = item.source.offset
          if item.n % 7 == 0 then return false end
          if item.n % 11 == 0 then return {item, item} end
        adds: {n: int, where: int}
      - filter: n % 5 != 0
    """,
    "tensors": """
      - lua: |
          local v = {}
          for i = 1, 8 do v[i] = #item.text * i end
          item.v = ft.tensor("f32", v)
        adds: {v: "f32[8]"}
      - map: {first: 1}
        when: len(text) > 10
      - lua: item.sum = item.first
        adds: {sum: int}
    """,
    "isolated": """
      - map: {n: len(text)}
        isolate: process
      - lua: item.n = item.n + 1
        isolate: process
        workers: 2
      - map: {m: n * 2}
        on_runaway: process
    """,
    "one": """
      - lua: one.lua
        isolate: process
    """,
    "failures": """
      - lua: |
          if #item.text > 2000 then error("too long") end
          item.n = #item.text
        adds: {n: int}
        on_error: skip
      - map: {k: 100 / n}
        name: divide
      - write: failed.jsonl
        input: divide.errors
        mode: replace
      - map: {j: k}
        input: divide
    """,
}


def pipeline_of(middle, source="read: in.jsonl\n    fields: {id: int, text: string}"):
    body = "\n".join(line[4:] for line in middle.strip("\n").splitlines())
    return "stages:\n  - %s\n%s\n  - write: out.jsonl\n    mode: replace\n" % (source, body)


def write_items(player, count, seed=1):
    rng = random.Random(seed)
    player.write("in.jsonl", "".join(json.dumps({"id": i, "text": rng.choice(TEXTS) + " %d" % rng.randrange(1000)},
                                                ensure_ascii=False) + "\n" for i in range(count)))


ONE = """local seen = 0
return { parallel = "one", output = {seen = "int"},
         process = function(item) seen = seen + 1; item.seen = seen; return item end }
"""


def same_bytes(player, name):
    player.write("one.lua", ONE)
    write_items(player, 2000)
    player.write("p.yaml", pipeline_of(PIPELINES[name]))
    results = []
    for flags in ([], ["--processes", "1"], ["--processes", "2"], ["--processes", "4"],
                  ["--processes", "2", "--stress", "one-item"], ["--processes", "2", "--stress", "shared,one-batch"]):
        result = player.run("run", "p.yaml", "--json", *flags)
        assert result.status == DONE, result
        end = end_of(result)
        check_sums(end)
        counts = [(s["name"], s["in"], s["out"], s["failed"]) for s in end["stages"]]
        failed = player.read("failed.jsonl") if name == "failures" else b""
        results.append((player.read("out.jsonl"), failed, counts))
    for result in results[1:]:
        assert result == results[0], "%s: other bytes or counts\n%s\n%s" % (name, results[0][2], result[2])
    assert results[0][0], "nothing came out"


def same_vectors(player):
    """The pipelines that the house ships, with a model in each process."""
    need_minilm(player)
    for name in ("pipelines", "docs"):
        shutil.copytree(os.path.join(ROOT, name), os.path.join(player.folder, name))
    outs = set()
    for flags in ([], ["--processes", "2"]):
        out = os.path.join(player.folder, "v.jsonl")
        if os.path.exists(out):
            os.remove(out)
        result = player.run("run", "-e", "read docs/*.md ! tokenize all-MiniLM-L6-v2 ! embed all-MiniLM-L6-v2 ! write v.jsonl", "-q", *flags, timeout=600)
        assert result.status == DONE, result
        outs.add(player.read("v.jsonl"))
    assert len(outs) == 1, "other vectors in processes"


def big_batches(player):
    """Batches larger than any pipe and than the memory that a channel keeps, and a bound on memory that they must share."""
    player.write("in.jsonl", "".join(json.dumps({"id": i, "text": "%05d " % i * 20000}) + "\n" for i in range(40)))
    player.write("p.yaml", pipeline_of("""
      - lua: item.text = item.text .. item.text
        isolate: process
      - lua: item.n = item.text:len()
        adds: {n: int}
        isolate: process
    """))
    outs = []
    for flags in (["--memory", "64MiB"], ["--memory", "64MiB", "--stress", "one-batch"], []):
        result = player.run("run", "p.yaml", "--json", *flags)
        assert result.status == DONE, result
        end = end_of(result)
        assert end["memory_peak_bytes"] <= end["memory_limit_bytes"], end
        outs.append(player.read("out.jsonl"))
    player.write("p.yaml", player.read("p.yaml").replace(b"isolate: process", b"batch: 8"))
    for flags in ([], ["--processes", "2"]):
        assert player.run("run", "p.yaml", "-q", *flags).status == DONE
        outs.append(player.read("out.jsonl"))
    assert len(set(outs)) == 1, [len(out) for out in outs]


def kept_batches(player):
    """A stage that keeps what it was given keeps it as it was, though the channel's memory is used again."""
    build(player, "perilous.c", "x.so")
    write_items(player, 4000)
    for isolate in ("", "    isolate: process\n"):
        player.write("p.yaml", "stages:\n  - read: in.jsonl\n    fields: {id: int, text: string}\n"
                     "  - plugin: ./x.so#held\n    batch: 100\n%s  - write: %s.jsonl\n" % (isolate, "isolated" if isolate else "here"))
        result = player.run("run", "p.yaml", "-q")
        assert result.status == DONE, result
    want = sorted(item["id"] for item in lines_of(player, "here.jsonl"))
    assert want == list(range(4000))
    assert sorted(map(json.dumps, lines_of(player, "here.jsonl"))) == \
        sorted(map(json.dumps, lines_of(player, "isolated.jsonl"))), "what was kept has changed"


# ---- stages that do harm ----

PERILOUS = """
run: {max_errors: 1000}
stages:
  - read: in.jsonl
    fields: {id: int, do: string}
  - plugin: ./x.so#perilous
    name: risky
    %s
  - write: out.jsonl
    mode: replace
  - write: failed.jsonl
    input: risky.errors
    mode: replace
"""


def harm(player, what, says, count=300, every=37, more="isolate: process"):
    """Items that end their process fail, by name; all others come out once and in order."""
    build(player, "perilous.c", "x.so")
    bad = [i for i in range(count) if i % every == every - 1]
    player.write("in.jsonl", "".join('{"id":%d,"do":"%s"}\n' % (i, what if i in bad else "") for i in range(count)))
    player.write("p.yaml", PERILOUS % more)
    result = player.run("run", "p.yaml", "--json", env=CRASHES)
    assert result.status == DONE, result
    end = end_of(result)
    check_sums(end)
    assert end["failed"] == len(bad) and end["written"] == count - len(bad), end
    assert [item["id"] for item in lines_of(player, "out.jsonl")] == [i for i in range(count) if i not in bad], result
    failed = lines_of(player, "failed.jsonl")
    assert [item["id"] for item in failed] == bad, failed
    for item in failed:
        assert says in item["error"] and "risky" in item["error"] and item["stage"] == "risky", item
        assert "in.jsonl, byte" in item["place"], item
    stage = next(s for s in end["stages"] if s["name"] == "risky")
    assert stage["counters"]["seen"] == count - len(bad), stage  # Counted once, in calls that ended well.
    assert not [e for e in below(os.getpid()) if e[2].startswith("ft:")], below(os.getpid())


def crash(player):
    harm(player, "crash", "signal 11 (Segmentation fault)")


def ends(player):
    harm(player, "exit", "ended its process, with status 3")
    harm(player, "abort", "signal 6 (Aborted)")


def wild(player):
    """It overwrites the memory that it shares with the engine: what comes of it is refused, not believed."""
    build(player, "perilous.c", "x.so")
    player.write("in.jsonl", "".join('{"id":%d,"do":"%s"}\n' % (i, "wild" if i == 50 else "") for i in range(100)))
    player.write("p.yaml", PERILOUS % "isolate: process\n    batch: 10")
    result = player.run("run", "p.yaml", "--json")
    assert result.status == DONE, result
    ids = [item["id"] for item in lines_of(player, "out.jsonl")]
    assert sorted(set(ids)) == ids and set(range(100)) - set(ids) <= {50}, ids


def in_chain(player):
    """--processes: the crash is the stage's, at its place in the chain, by its own `on_error`."""
    build(player, "perilous.c", "x.so")
    player.write("in.jsonl", "".join('{"id":%d,"do":"%s"}\n' % (i, "crash" if i % 50 == 7 else "") for i in range(200)))
    player.write("p.yaml", (PERILOUS % "on_error: skip").replace("  - plugin", "  - map: {n: id + 1}\n  - plugin")
                 .split("  - write: failed")[0])
    result = player.run("run", "p.yaml", "--json", "--processes", "2",
                        env=CRASHES)
    assert result.status == DONE, result
    assert [item["id"] for item in lines_of(player, "out.jsonl")] == [i for i in range(200) if i % 50 != 7]
    stages = {s["name"]: s for s in end_of(result)["stages"]}
    assert stages["risky"]["failed"] == 4 and stages["map"]["failed"] == 0, stages


def stops(player):
    """Without anybody who reads them, a crash stops the run and names signal, stage and item."""
    build(player, "perilous.c", "x.so")
    player.write("in.jsonl", '{"id":0,"do":""}\n{"id":1,"do":"crash"}\n')
    text = (PERILOUS % "isolate: process").split("  - write: failed")[0].replace("run: {max_errors: 1000}\n", "")
    player.write("p.yaml", text)
    result = player.run("run", "p.yaml", env=CRASHES)
    said = result.err.decode()
    assert result.status == FAILED and "`risky` crashed: signal 11" in said and "in.jsonl, byte 17" in said, result
    assert not os.path.exists(os.path.join(player.folder, "out.jsonl"))


def at_open(player):
    build(player, "perilous.c", "x.so")
    player.write("in.jsonl", '{"id":0,"do":""}\n')
    for flags, more in (([], "isolate: process"), (["--processes", "2"], "batch: 1")):
        player.write("p.yaml", PERILOUS % (more + "\n    at_open: crash"))
        result = player.run("run", "p.yaml", *flags, env=CRASHES)
        assert result.status == FAILED and b"`risky` crashed while it was opened: signal 11" in result.err, result


def crash_loop(player):
    """A stage that ends its process with every item is given up at some time."""
    build(player, "perilous.c", "x.so")
    player.write("in.jsonl", '{"id":0,"do":"exit"}\n' * 500)
    player.write("p.yaml", PERILOUS % "isolate: process")
    result = player.run("run", "p.yaml")
    assert result.status == FAILED and b"64 times in a row" in result.err and b"with status 3" in result.err, result


def keeps_state(player):
    build(player, "perilous.c", "x.so")
    player.write("in.jsonl", '{"id":0,"do":""}\n{"id":1,"do":"exit"}\n')
    player.write("p.yaml", (PERILOUS % "isolate: process").replace("#perilous", "#keeping"))
    result = player.run("run", "p.yaml")
    assert result.status == FAILED and b"What it kept of earlier items is lost" in result.err, result


def endless(player):
    harm(player, "loop", "did not come back within 100 ms", count=60, every=29,
         more="on_runaway: process\n    budget: 100ms")
    # In Lua, with a limit that would come much later.
    player.write("p.yaml", """
stages:
  - generate: 200
    fields: {id: index}
  - lua: if item.id == 77 then while true do end end
    name: loops
    limits: {time: 60s}
    on_runaway: process
    budget: 200ms
    on_error: skip
  - write: out.jsonl
    mode: replace
""")
    result = player.run("run", "p.yaml", "--json")
    assert result.status == DONE and b"did not come back within 200 ms" in result.err, result
    assert [item["id"] for item in lines_of(player, "out.jsonl")] == [i for i in range(200) if i != 77]


def omits(player):
    """A field that was planned and is not made is an error with its name, wherever the stage runs; unread it may be missing."""
    build(player, "perilous.c", "x.so")
    player.write("in.jsonl", '{"id":0}\n{"id":1}\n')
    for flags, more in (([], "batch: 1"), ([], "isolate: process"), (["--processes", "2"], "batch: 1")):
        for last, status in (("made", FAILED), ("id", DONE)):
            player.write("p.yaml", "stages:\n  - read: in.jsonl\n    fields: {id: int}\n  - plugin: ./x.so#omits\n    name: risky\n"
                         "    %s\n  - map: {n: '%s'}\n  - print: n\n" % (more, last))
            result = player.run("run", "p.yaml", *flags)
            assert result.status == status, (more, last, result)
            assert status == DONE or b"`risky` gives items without their field `made`" in result.err, result


# ---- from outside ----

FEED = """
stages:
  - read: "-"
    format: jsonl
    fields: {id: int, do: string}
  - plugin: ./x.so#perilous
    name: risky
    isolate: process
    workers: 1
    on_error: skip
  - print: id
"""


def killed_idle(player):
    """SIGKILL between two items: the next one is done in another process, nothing is lost or repeated."""
    build(player, "perilous.c", "x.so")
    feed = Feed(player, FEED, "--threads", "2")
    for i in range(12 if LONG else 4):
        feed.give({"id": i, "do": ""})
        assert feed.take() == i
        found = containers(feed.child.pid)
        assert len(found) == 1, below(feed.child.pid)
        os.kill(found[0], signal.SIGKILL)
    feed.give({"id": 99, "do": ""})
    assert feed.take() == 99
    status, events = feed.end()
    assert status == DONE and end_of(events)["failed"] == 0, events


def killed_at_work(player):
    """SIGKILL in the middle of an item: it is reported, once, and the run goes on."""
    build(player, "perilous.c", "x.so")
    feed = Feed(player, FEED, "--threads", "2")
    feed.give({"id": 0, "do": ""})
    feed.take()
    feed.give({"id": 1, "do": "sleep"})
    victim = containers(feed.child.pid)[0]
    wait_for(lambda: state_of(victim) == "S" and "pause" in wchan_of(victim))
    os.kill(victim, signal.SIGKILL)
    feed.give({"id": 2, "do": ""})
    assert feed.take() == 2
    status, events = feed.end()
    end = end_of(events)
    check_sums(end)
    assert status == DONE and end["failed"] == 1 and end["written"] == 2, events
    assert feed.lines == [0, 2]


def state_of(pid):
    return next((state for each, _, _, state in processes() if each == pid), None)


def wchan_of(pid):
    """The system call that the process is in, as a name if the number is known here."""
    try:
        with open("/proc/%s/syscall" % pid, encoding="ascii") as file:
            number = file.read().split()[0]
    except (OSError, IndexError):
        return "pause"  # Not shown: then its state must do.
    return {"34": "pause", "73": "pause"}.get(number, number)


def is_pending(pid, number):
    with open("/proc/%d/status" % pid, encoding="ascii") as file:
        return any(int(line.split()[1], 16) & 1 << (number - 1) for line in file if line.startswith(("SigPnd", "ShdPnd")))


def wait_for(holds, timeout_s=60):
    """Yields the processor until it holds; a child of ours says nothing when it gets somewhere."""
    done = threading.Event()
    for _ in range(timeout_s * 100):
        if holds():
            return
        done.wait(0.01)
    raise AssertionError("did not come true in %d s" % timeout_s)


def parent_killed(player):
    """Nobody is left when the parent is killed, idle or at work."""
    build(player, "perilous.c", "x.so")
    for item in ({"id": 1, "do": ""}, {"id": 1, "do": "sleep"}):
        feed = Feed(player, FEED, "--threads", "2")
        feed.give({"id": 0, "do": ""})
        feed.take()
        feed.give(item)
        children = [pid for pid, _, _, _ in below(feed.child.pid)]
        assert len(children) == 2, children  # The zygote and a container.
        feed.child.kill()
        feed.child.communicate()
        wait_for(lambda: not [p for p in processes() if p[0] in children and p[3] != "Z"])


def interrupted(player):
    """Ctrl-C goes to the whole group: what was read is finished. A second one ends a stage that sleeps."""
    build(player, "perilous.c", "x.so")
    for do, signals in (("", 1), ("sleep", 2)):
        player.write("p.yaml", FEED)
        child = subprocess.Popen([player.program, "run", "p.yaml", "--json"], cwd=player.folder, stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
        child.stdin.write(b'{"id":0,"do":""}\n')
        child.stdin.flush()
        assert json.loads(child.stdout.readline()) == 0
        if do:
            child.stdin.write(b'{"id":1,"do":"sleep"}\n')
            child.stdin.flush()
            victim = containers(child.pid)[0]
            wait_for(lambda: state_of(victim) == "S" and "pause" in wchan_of(victim))
        children = [pid for pid, _, _, _ in below(child.pid)]
        for _ in range(signals):
            os.killpg(child.pid, signal.SIGINT)
            wait_for(lambda: not is_pending(child.pid, signal.SIGINT))  # Else two become one.
        child.communicate(timeout=60)
        assert child.returncode == 130, child.returncode
        wait_for(lambda: not [p for p in processes() if p[0] in children and p[3] != "Z"])


def hung(player):
    """A stage on a thread of the pool that never comes back: the second Ctrl-C ends the run, and it is named."""
    build(player, "perilous.c", "x.so")
    feed = Feed(player, FEED.replace("    isolate: process\n    workers: 1\n", "").replace("#perilous", "#waiting"), "--threads", "2")
    feed.give({"id": 0, "do": ""})
    feed.take()
    feed.give({"id": 1, "do": "sleep"})
    root = feed.child.pid
    wait_for(lambda: any("pause" in wchan_of("%d/task/%s" % (root, task)) and task != str(root)
                         for task in os.listdir("/proc/%d/task" % root)))
    for _ in range(2):
        os.kill(root, signal.SIGINT)
        wait_for(lambda: not is_pending(root, signal.SIGINT))  # Else two become one.
    status, events = feed.end(timeout=20)
    assert status == 130, (status, events)
    named = [e for e in events if e["event"] == "warning" and e["from"] == "risky" and "is abandoned" in e["message"]]
    assert len(named) == 1, events
    check_sums(end_of(events))


def waits(player):
    """on_runaway: process ends what computes for too long; what only waits is named, and goes on."""
    build(player, "perilous.c", "x.so")
    feed = Feed(player, FEED.replace("isolate: process", "on_runaway: process\n    budget: 100ms"), "--threads", "2")
    feed.give({"id": 0, "do": ""})
    feed.take()
    feed.give({"id": 1, "do": "sleep"})
    event = json.loads(feed.child.stderr.readline())
    while event["event"] != "warning":
        event = json.loads(feed.child.stderr.readline())
    assert event["from"] == "risky" and "it waits for something" in event["message"], event
    os.kill(containers(feed.child.pid)[0], signal.SIGKILL)
    feed.give({"id": 2, "do": ""})
    assert feed.take() == 2
    status, events = feed.end()
    assert status == DONE and end_of(events)["failed"] == 1, events


def no_descriptors(player):
    """The process that starts others has no descriptor left: the run says so."""
    build(player, "perilous.c", "x.so")
    feed = Feed(player, FEED, "--threads", "2")
    feed.give({"id": 0, "do": ""})
    feed.take()
    root, victim = feed.child.pid, containers(feed.child.pid)[0]
    zygote = next(pid for pid, parent, _, _ in below(root) if parent == root)
    resource.prlimit(zygote, resource.RLIMIT_NOFILE, (4, 4))
    os.kill(victim, signal.SIGKILL)
    feed.give({"id": 1, "do": ""})
    status, events = feed.end()
    said = [e for e in events if "Too many open files" in e.get("message", "")]
    assert status == FAILED and said, (status, events)


def flat(player):
    """Restart after restart: no descriptor and no zombie is left."""
    build(player, "perilous.c", "x.so")
    feed = Feed(player, FEED, "--threads", "2")
    seen = []
    for i in range(1000 if LONG else 60):
        feed.give({"id": i, "do": "exit" if i % 2 else ""})
        if i % 2 == 0:
            assert feed.take() == i
            root = feed.child.pid
            zygote = next(pid for pid, parent, _, _ in below(root) if parent == root)
            seen.append((len(os.listdir("/proc/%d/fd" % root)), len(os.listdir("/proc/%d/fd" % zygote)),
                         len(below(root))))
    status, events = feed.end()
    assert status == DONE and end_of(events)["failed"] == (500 if LONG else 30), events[-3:]
    # What is ended while we look is missing in some.
    assert max(seen[:len(seen) // 2]) == max(seen[len(seen) // 2:]), seen


# ---- what is refused ----

def refused(player):
    player.write("a.txt", "x\n")
    result = player.run("run", "-e", "read a.txt ! print text", "--processes", "2", "--global-lock")
    assert result.status == USAGE and b"exclude each other" in result.err, result
    result = player.run("run", "-e", "read a.txt ! print text", "--processes", "0")
    assert result.status == USAGE, result
    text = "stages:\n  - read: a.txt\n  - lua: ctx.shared.counter('n'):add(1)\n%s  - print: text\n"
    player.write("p.yaml", text % "")
    result = player.run("run", "p.yaml", "--processes", "2")
    assert result.status == FAILED and b"`lua` uses `ctx.shared`" in result.err, result
    player.write("p.yaml", text % "    isolate: process\n")
    result = player.run("check", "p.yaml")
    assert result.status == INVALID and b"E0315" in result.err + result.out, result


def doctor(player):
    player.write("a.txt", "x\n")
    player.write("p.yaml", "stages:\n  - read: a.txt\n  - map: {n: len(text)}\n    isolate: process\n  - print: n\n")
    result = player.run("doctor", "p.yaml")
    assert b"each in a process of its own" in result.out, result
    graph = player.run("graph", "p.yaml")
    assert b"process" in graph.out, graph


def main():
    player = Player()
    for name in PIPELINES:
        player.case("same-bytes " + name, same_bytes, name)
    if not is_sanitized(player):
        player.case("same-vectors", same_vectors)
    for function in (big_batches, kept_batches, crash, ends, wild, in_chain, stops, at_open, crash_loop, keeps_state,
                     endless, omits, killed_idle, killed_at_work, parent_killed, interrupted, hung, no_descriptors, flat,
                     refused, doctor):
        player.case(function.__name__.replace("_", "-"), function)
    if LONG:  # It takes half a minute.
        player.case("waits", waits)
    return player.end()


if __name__ == "__main__":
    sys.exit(main())
