"""The gap at p99.99 of a thread that looks at the clock while another collects 1.5 million cyclic objects, beyond that
without: {"gap_us": number}. For a CPython without a GIL."""

import gc
import json
import threading
import time

OBJECTS, RING, BASE_NS = 1500000, 3, 1000000000


def make():
    rings = []
    for _ in range(OBJECTS // RING):
        ring = [[] for _ in range(RING)]
        for at in range(RING):
            ring[at].append(ring[(at + 1) % RING])
        rings.append(ring[0])
    return rings


def gaps(shared, until):
    found, before, key = [], time.perf_counter_ns(), 0
    while not until(before):
        key = (key + 7) % 1024
        shared[key]
        now = time.perf_counter_ns()
        found.append(now - before)
        before = now
    return found


def high(found):
    return sorted(found)[int(len(found) * 0.9999)]


def main():
    gc.disable()
    shared, over, has_base, result = {key: [] for key in range(1024)}, threading.Event(), threading.Event(), []

    def work():
        end = time.perf_counter_ns() + BASE_NS
        result.append(high(gaps(shared, lambda now: now >= end)))
        has_base.set()
        result.append(high(gaps(shared, lambda now: over.is_set())))

    rings = make()
    thread = threading.Thread(target=work)
    thread.start()
    has_base.wait()
    del rings
    gc.collect()
    over.set()
    thread.join()
    print(json.dumps({"gap_us": max(0, result[1] - result[0]) / 1e3}))


main()
