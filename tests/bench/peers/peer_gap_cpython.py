#!/usr/bin/env python3.13t
"""What a thread that looks at the clock waits while another collects 1.5 million cyclic objects, beyond what it waits
without: {"gap_us": at p99.99, "longest_us": at most}. For a CPython without a GIL; setup_cpython.sh makes one."""

import array
import gc
import json
import sys
import threading
import time

OBJECTS, RING, BASE_NS, GAPS_MAX = 1500000, 3, 1000000000, 1 << 24


def make():
    rings = []
    for _ in range(OBJECTS // RING):
        ring = [[] for _ in range(RING)]
        for at in range(RING):
            ring[at].append(ring[(at + 1) % RING])
        rings.append(ring[0])
    return rings


def gaps(shared, found, until):
    """Fills `found`, whose memory exists: a list that grows would wait for pages of its own. Returns how many."""
    at, before, key = 0, time.perf_counter_ns(), 0
    while not until(before):
        key = (key + 7) % 1024
        shared[key]
        now = time.perf_counter_ns()
        found[at] = now - before
        at += 1
        before = now
    return at


def high(found, count):
    ordered = sorted(found[:count])
    return ordered[int(count * 0.9999)], ordered[-1]


def main():
    if sys._is_gil_enabled():
        sys.exit("this CPython has a GIL")
    gc.disable()
    shared, over, has_base, result = {key: [] for key in range(1024)}, threading.Event(), threading.Event(), []
    found = array.array("q", bytes(8 * GAPS_MAX))

    def work():
        end = time.perf_counter_ns() + BASE_NS
        result.append(high(found, gaps(shared, found, lambda now: now >= end)))
        has_base.set()
        result.append(high(found, gaps(shared, found, lambda now: over.is_set())))

    rings = make()
    thread = threading.Thread(target=work)
    thread.start()
    has_base.wait()
    del rings
    left = OBJECTS - gc.collect()
    over.set()
    thread.join()
    if left > 0:
        sys.exit("garbage was left")
    gap, longest = (max(0, busy - base) / 1e3 for base, busy in zip(*result))
    print(json.dumps({"gap_us": gap, "longest_us": longest}))


main()
