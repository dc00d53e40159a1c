#!/usr/bin/env python3
"""Every system call fails: once each, with each error that it may well give. Ends with "N passed, N failed".

    play_faults.py PROGRAM INJECTOR MALLOC            a seeded sample of the points
    play_faults.py PROGRAM INJECTOR MALLOC --all      every point of every pipeline

INJECTOR is tests/faults/fault_injector, MALLOC tests/faults/fail_malloc.so. Each run must succeed with the right bytes, or
say why it did not and end with a status for it; the files it was to write are then the old ones or whole. It may not hang,
crash, leave scratch files, or lose items. Interruptions (EINTR) by the hundred, and a container's seccomp profile
(no membarrier, no io_uring), must change nothing at all.
"""

import collections
import concurrent.futures
import errno
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile

import play_failures
from program import SANITIZER

SAMPLE, SAMPLE_SANITIZED, STORMS, STORMS_ALL, HANG_S = 400, 200, 20, 300, 60
NOT_ALLOWED, BROKEN = 124, 125

# What each call may well give. A call that is made and is not here fails the test.
ERRORS = {
    "access": "EACCES EIO", "clone": "EAGAIN ENOMEM", "clone3": "EAGAIN ENOMEM EPERM ENOSYS", "close": "EIO EINTR ENOSPC",
    "clock_nanosleep": "EINTR", "close_range": "ENOSYS", "dup": "EMFILE", "dup2": "EMFILE EINTR", "dup3": "EMFILE",
    "epoll_create1": "EMFILE ENOMEM", "epoll_ctl": "ENOSPC ENOMEM", "epoll_pwait": "EINTR", "epoll_wait": "EINTR",
    "eventfd2": "EMFILE ENOMEM",
    "faccessat2": "EACCES EIO ENOSYS", "fallocate": "ENOSPC EOPNOTSUPP EINTR", "fcntl": "EMFILE EINTR EPERM", "fdatasync": "EIO ENOSPC", "fadvise64": "EINVAL",
    "fchmod": "EPERM EIO", "flock": "EINTR ENOLCK EWOULDBLOCK", "fstat": "EIO ENOMEM", "fsync": "EIO ENOSPC EINTR EINVAL",
    "ftruncate": "EIO EINTR EPERM ENOSPC", "futex": "EAGAIN EINTR", "getcwd": "ENOENT ENOMEM", "getdents64": "EIO ENOMEM",
    "getrandom": "EAGAIN EINTR ENOSYS", "getrusage": "EPERM", "ioctl": "ENOTTY EIO", "io_uring_setup": "EPERM ENOSYS ENOMEM",
    "lseek": "ESPIPE EIO", "madvise": "ENOMEM EINVAL EPERM ENOSYS EAGAIN",
    "membarrier": "ENOSYS EPERM EINVAL ENOMEM",  # Asking and registering; after that only ENOMEM.

    "memfd_create": "EMFILE ENOMEM ENOSYS", "mkdir": "ENOSPC EACCES", "mkdirat": "ENOSPC EACCES", "mlock": "ENOMEM EPERM",
    "mmap": "ENOMEM EAGAIN EPERM", "mprotect": "ENOMEM", "mremap": "ENOMEM", "munmap": "ENOMEM",
    "newfstatat": "EIO EACCES ENOMEM", "open": "EMFILE EACCES EIO", "openat": "EMFILE ENFILE EACCES EIO ENOMEM EINTR",
    "pidfd_open": "EMFILE ENOSYS", "pipe2": "EMFILE ENFILE", "poll": "EINTR ENOMEM", "ppoll": "EINTR ENOMEM",
    "prctl": "EPERM EINVAL ENOSYS", "pread64": "EIO EINTR", "prlimit64": "EPERM", "pwrite64": "ENOSPC EIO EINTR",
    "kill": "EPERM", "read": "EIO EINTR EAGAIN ENOMEM", "readlink": "EACCES ENOENT", "readlinkat": "EACCES",
    "readv": "EIO EINTR", "recvmsg": "EINTR ENOMEM",
    "rename": "EIO ENOSPC EACCES EPERM", "renameat": "EIO ENOSPC", "renameat2": "EIO ENOSPC EINVAL", "stat": "EIO EACCES",
    "sched_getaffinity": "EPERM ENOSYS", "sched_getparam": "EPERM", "sched_getscheduler": "EPERM",
    "sched_setaffinity": "EPERM", "sched_setscheduler": "EPERM", "setpriority": "EPERM EACCES",
    "shutdown": "EINVAL", "socketpair": "EMFILE", "statfs": "ENOSYS EIO",
    "statx": "EIO ENOSYS EPERM", "sysinfo": "EPERM", "tgkill": "EPERM EAGAIN", "unlink": "EACCES EIO",
    "unlinkat": "EACCES EIO", "wait4": "EINTR", "write": "ENOSPC EIO EINTR EAGAIN", "writev": "ENOSPC EIO EINTR",
    "get_mempolicy": "EPERM ENOSYS", "mbind": "EPERM", "rmdir": "EIO", "mkdtemp": "ENOSPC",
}
# Under a sanitizer its own runtime makes most of these, and ends the program where they fail.
OF_SANITIZERS = {"mmap", "munmap", "madvise", "mprotect", "mremap", "prlimit64", "sched_getaffinity", "prctl"}

PIPELINES = dict(play_failures.PIPELINES, shared="""
run: {threads: 3}
stages:
  - read: "*.jsonl"
    fields: {id: int, text: string}
    batch: 2
  - lua: |
      local counts = ctx.shared.dict("counts")
      counts:incr("items")
      ctx.shared.set("texts"):add(item.text)
      ctx.shared.queue("queue", 64):push(item.id)
  - write: out.jsonl.gz
    mode: replace
  - gather:
    fields: {n: count()}
  - lua: |
      item.counted = ctx.shared.dict("counts"):get("items")
    adds: {counted: int}
  - write: out.csv
    mode: replace
  - print:
""", isolated="""
stages:
  - read: in.jsonl
    fields: {id: int, text: string}
    batch: 4
  - lua: |
      item.n = #item.text
    adds: {n: int}
    isolate: process
    workers: 1
  - write: out.csv
    mode: replace
""", contained="""
stages:
  - read: in.jsonl
    fields: {id: int, text: string}
    batch: 4
  - lua: |
      item.n = #item.text
    adds: {n: int}
  - map: {m: n * 2}
  - write: out.csv
    mode: replace
""")
FLAGS = {"contained": ["--processes", "2"]}  # A chain of three: the second half of `read`, `lua`, `map`.
INPUTS = ("tiny", "in.jsonl")
SAYS_WHY = re.compile(r"(error\[|^ftpipe: ).*(cannot|could not|memory|is being written)", re.M)
OLD = b"what was there before\n"

Run = collections.namedtuple("Run", "status out err files injected")


class Faults:
    def __init__(self, program, injector, malloc, folder):
        self.program, self.injector, self.malloc, self.folder = program, injector, malloc, folder
        self.is_sanitized = "/asan/" in program or "/tsan/" in program

    def play(self, name, how, env=None, threads=2):
        """One run in a folder of its own; `how`: the injector's arguments, {} stands for its report."""
        work = tempfile.mkdtemp(dir=self.folder)
        report = work + ".report"
        for link in INPUTS:
            os.symlink(os.path.join(self.folder, link), os.path.join(work, link))
        for output in outputs_of(name):
            with open(os.path.join(work, output), "wb") as file:
                file.write(OLD)
        command = [self.program, "run", os.path.join(self.folder, name + ".yaml"), "--threads", str(threads)]
        command += FLAGS.get(name, [])
        if how:
            command = [self.injector] + [part.replace("{}", report) for part in how] + ["--"] + command
        own = dict(env or {}, NO_COLOR="1")
        if self.is_sanitized:  # The search for leaks is made of system calls itself; play_failures.py looks for them.
            own["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
        child = subprocess.Popen(command, cwd=work, env=dict(os.environ, **own),
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                 start_new_session=True)
        try:
            out, err = child.communicate(timeout=HANG_S)
            status = child.returncode
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            out, err = child.communicate()
            status = "hangs"
        files = {}
        for found in sorted(set(os.listdir(work)) - set(INPUTS)):
            with open(os.path.join(work, found), "rb") as file:
                files[found] = file.read()
        injected = ""
        if os.path.exists(report):
            with open(report, encoding="ascii") as file:
                injected = file.read()
            os.unlink(report)
        shutil.rmtree(work)
        return Run(status, out, err.decode(errors="replace"), files, injected)


def outputs_of(name):
    return [word for word in PIPELINES[name].split() if word.startswith(("out.", "bad.")) and word != "out.jsonl"
            or word == "out.jsonl" and name == "embed"]


def judge(result, whole, call):
    """What is wrong with this run, or None."""
    if result.status in ("hangs", SANITIZER, NOT_ALLOWED, BROKEN) or (isinstance(result.status, int) and (
            result.status < 0 or result.status > 127)):
        return "status %s" % result.status
    if result.status == 0:
        if result.out != whole.out or result.files != whole.files:
            return "succeeds with other output"
        return None
    if result.status not in (1, 2, 3):
        return "status %s" % result.status
    if not SAYS_WHY.search(result.err) and call != "write":  # What is to be said may be what cannot be written.
        return "does not say why"
    if not whole.out.startswith(result.out):
        return "other output"
    for path, content in result.files.items():
        if path not in whole.files:
            # With a lock that another seems to have, the .part is not ours to remove.
            if call not in ("unlink", "unlinkat", "flock"):
                return "leaves `%s`" % path
        elif content not in (OLD, whole.files[path]):
            return "half of `%s`" % path
    return None


def points_of(faults, name):
    """Every (call, occurrence, errno) of an undisturbed run."""
    counted = faults.play(name, ["count", "{}"])
    points, strange = [], []
    for line in counted.injected.splitlines():
        call, count = line.split()
        if call not in ERRORS:
            strange.append(call)
            continue
        if faults.is_sanitized and call in OF_SANITIZERS:
            continue
        points += [(call, n, getattr(errno, error), error) for n in range(1, int(count) + 1)
                   for error in (ERRORS[call] if call != "membarrier" or n <= 2 else "ENOMEM").split()]
    return points, strange


def count_malloc(faults, name):
    report = os.path.join(faults.folder, "malloc.count")
    faults.play(name, None, {"LD_PRELOAD": faults.malloc, "FT_COUNT_MALLOC": report})
    with open(report, encoding="ascii") as file:
        return int(file.read())


def cases_of(faults, name, whole, every):
    """[(what, call, arguments, environment, must succeed)]"""
    points, strange = points_of(faults, name)
    cases = [("%s: %s %d gives %s" % (name, call, n, error), call, ["fail", call, str(n), str(number), "{}"], None, False)
             for call, n, number, error in points]
    if not faults.is_sanitized:  # They replace malloc themselves.
        cases += [("%s: malloc %d gives NULL" % (name, n), "malloc", None,
                   {"LD_PRELOAD": faults.malloc, "FT_FAIL_MALLOC": str(n)}, False)
                  for n in range(1, count_malloc(faults, name) + 1)]
    sample = SAMPLE_SANITIZED if faults.is_sanitized else SAMPLE
    if not every:
        cases = random.Random(5).sample(cases, min(len(cases), sample // len(PIPELINES)))
    storms = (STORMS_ALL if every else STORMS) // len(PIPELINES)
    cases += [("%s: storm of interruptions %d" % (name, seed), "storm", ["storm", str(seed), "3"], None, True)
              for seed in range(1, storms + 1)]
    cases.append((name + ": a container's profile", "deny", ["deny"], None, True))
    return cases, ["%s: `%s` is not in the table of errors" % (name, call) for call in strange], whole


def main():
    program, injector, malloc = (os.path.abspath(path) for path in sys.argv[1:4])
    failures, passed, hits, calls = [], 0, 0, collections.Counter()
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(2) as pool:
        play_failures.prepare(folder)
        faults = Faults(program, injector, malloc, folder)
        for name, yaml in PIPELINES.items():
            with open(os.path.join(folder, name + ".yaml"), "w", encoding="utf-8") as file:
                file.write(yaml)
            whole = faults.play(name, None)
            if whole.status != 0:
                failures.append("%s does not run undisturbed:\n%s" % (name, whole.err))
                continue
            if faults.play(name, ["deny"]).status == NOT_ALLOWED or \
                    faults.play(name, ["count", "{}"]).status == NOT_ALLOWED:
                print("skipped: seccomp's user notification is not allowed here")
                print("0 passed, 0 failed, 1 skipped")
                return 0
            cases, strange, whole = cases_of(faults, name, whole, "--all" in sys.argv)
            failures += strange
            results = pool.map(lambda case: faults.play(name, *case[2:4]), cases)
            for (what, call, _, _, must), result in zip(cases, results):
                calls[call] += 1
                hits += result.injected.startswith("hit")
                fault = judge(result, whole, call)
                if must and not fault and result.status != 0:
                    fault = "status %s" % result.status
                passed += fault is None
                if fault:
                    failures.append("%s: %s\n%s" % (what, fault, result.err[-600:]))
    print("\n".join(failures[:40]))
    print("%d points, %d of them system calls that came and failed: %s" % (
        sum(calls.values()), hits, ", ".join("%s %d" % pair for pair in sorted(calls.items()))))
    print("%d passed, %d failed" % (passed, len(failures)))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
