#!/usr/bin/env python3
"""Cycles that scripts make through ctx.shared are collected while the run goes on. Ends with "N passed, N failed".

    play_cycles.py PROGRAM            some thousands of rings
    play_cycles.py PROGRAM --long     a million

All of it would be many times `run.memory`; what is alive must stay.
"""

import json
import sys

from program import Player, is_sanitized

RING = """
    for i = 1, 10 do
      local d, l, s, q = ctx.shared.dict(), ctx.shared.list(), ctx.shared.stack(), ctx.shared.queue(nil, 4)
      d:set("next", l)
      d:set("self", d)
      d:set("text", string.rep("x", 500))
      l:append(s)
      s:push(q)
      q:push(d)
      q:push(l)
    end
"""
# What one worker drops the other holds: rings through a place that all share.
PASS = """
    local shelf = ctx.shared.dict("shelf")
    for i = 1, 10 do
      local mine = ctx.shared.list()
      local other = shelf:get(item.index % 7)
      if other then
        mine:append(other)
        other:append(mine)
      end
      mine:append(string.rep("y", 200))
      shelf:set(item.index % 7, mine)
      if item.index % 3 == 0 then shelf:delete((item.index + i) % 7) end
    end
"""
ALIVE = """
    local tree = ctx.shared.dict("tree")
    local node = ctx.shared.list()
    node:append(tree)
    node:append(item.index)
    tree:set(item.index % 1000, node)
    for i = 1, 10 do
      local ring = ctx.shared.dict()
      ring:set("self", ring)
      ring:set("tree", tree)
    end
    local seen = tree:get((item.index * 7) % 1000)
    if seen and (seen:get(2) % 1000 ~= (item.index * 7) % 1000 or seen:get(1) ~= tree) then error("not the same") end
"""


def run(player, body, items):
    player.write("p.yaml", "run: {memory: 16MiB, threads: 2}\nstages:\n  - generate: %d\n    batch: 50\n"
                           "  - lua: |\n%s  - drop:\n" % (items, "".join("    %s\n" % line for line in body.splitlines())))
    result = player.run("run", "p.yaml", "--json", timeout=600)
    assert result.status == 0, str(result)
    end = [json.loads(line) for line in result.err.decode().splitlines() if line.startswith("{")][-1]
    assert end["memory_peak_bytes"] <= 16 << 20, end
    print("%d items: peak %.1f MiB" % (items, end["memory_peak_bytes"] / (1 << 20)))


def main():
    player = Player()
    items = 100000 if "--long" in player.arguments else 300 if is_sanitized(player) else 10000
    for name, body in (("rings", RING), ("passed_on", PASS), ("beside_what_is_alive", ALIVE)):
        player.case(name, run, body, items)
    return player.end()


if __name__ == "__main__":
    sys.exit(main())
