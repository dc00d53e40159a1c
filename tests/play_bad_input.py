#!/usr/bin/env python3
"""Bad input and a hostile outside through the whole program: files, disks, pipes, scripts; ends with "N passed, N failed".

Every case wants a clear message that names the file or the stage, the right exit status, and no lost item: what the
summary says must add up.
"""

import gzip
import json
import os
import re
import resource
import signal
import struct
import subprocess
import sys
import time

from program import Player, is_sanitized, need_data

READ_WRITE = "stages:\n  - read: %s\n  - write: %s\n"


def run_file(player, yaml, *arguments, **more):
    player.write("p.yaml", yaml)
    return player.run("run", "p.yaml", *arguments, **more)


def expect(result, status, *patterns):
    assert result.status == status, str(result)
    for pattern in patterns:
        assert re.search(pattern, result.err.decode(errors="replace")), "no %r in\n%s" % (pattern, result)
    return result


# ---- sources ----

def missing_file(player):
    for command in ("check", "run"):
        player.write("p.yaml", READ_WRITE % ("nowhere.txt", "'-'"))
        result = player.run(command, "p.yaml")
        assert result.status in (1, 3), str(result)
        assert b"nowhere.txt" in result.err and b"no file" in result.err, str(result)


def folder_for_file(player):
    os.mkdir(os.path.join(player.folder, "somewhere"))
    result = run_file(player, READ_WRITE % ("somewhere", "'-'"))
    assert result.status in (1, 3) and b"somewhere" in result.err, str(result)
    assert re.search(rb"folder|directory", result.err), str(result)


def empty_glob(player):
    result = run_file(player, READ_WRITE % ("'*.nothing'", "'-'"))
    assert result.status in (1, 3) and b"*.nothing" in result.err, str(result)


def unreadable_file(player):
    path = player.write("secret.txt", "x\n")
    os.chmod(path, 0)
    if os.access(path, os.R_OK):
        raise Player.Skip("root reads everything")
    expect(run_file(player, READ_WRITE % ("secret.txt", "'-'")), 1, "secret.txt", "Permission denied")


def empty_file(player):
    player.write("empty.txt", "")
    assert expect(run_file(player, READ_WRITE % ("empty.txt", "'-'")), 0).out == b""


def truncated_gzip(player):
    whole = gzip.compress(b"".join(b"line %d\n" % i for i in range(20000)))
    player.write("x.txt.gz", whole[:len(whole) // 2])
    expect(run_file(player, READ_WRITE % ("x.txt.gz", "out.txt")), 1, "x.txt.gz", "end")
    assert not os.path.exists(os.path.join(player.folder, "out.txt")), "half a file looks whole"


def lying_gzip(player):
    whole = bytearray(gzip.compress(b"".join(b"line %d\n" % i for i in range(20000))))
    whole[-6] ^= 0xFF  # The checksum.
    player.write("x.txt.gz", bytes(whole))
    expect(run_file(player, READ_WRITE % ("x.txt.gz", "out.txt")), 1, "x.txt.gz")


def not_gzip(player):
    player.write("x.txt.gz", "plain text\n")
    expect(run_file(player, READ_WRITE % ("x.txt.gz", "'-'")), 1, "x.txt.gz")


def truncated_zstd(player):
    player.write("x.txt", "".join("line %d\n" % i for i in range(20000)))
    if subprocess.run(["zstd", "-q", "x.txt"], cwd=player.folder, check=False).returncode != 0:
        raise Player.Skip("no zstd program")
    whole = player.read("x.txt.zst")
    player.write("y.txt.zst", whole[:-20])
    expect(run_file(player, READ_WRITE % ("y.txt.zst", "out.txt")), 1, "y.txt.zst")


def malformed_jsonl(player):
    player.write("in.jsonl", '{"id":1,"text":"a"}\n{"id":2,"text":\n{"id":3,"text":"c"}\n')
    expect(run_file(player, "stages:\n  - read: in.jsonl\n    fields: {id: int, text: string}\n"
                    "  - write: out.jsonl\n    fields: [id]\n"), 1, "in.jsonl", r"byte 20|line 2|offset 20")


def malformed_jsonl_is_routed(player):
    bad = ['{"id":2,"text":', '{"id":"x"}', 'nonsense', '{"id":4,"text":"\\ud800"}', '{"id":5,"text":"a"} x']
    good = ['{"id":%d,"text":"t"}' % i for i in range(100, 120)]
    player.write("in.jsonl", "\n".join(good[:10] + bad + good[10:]) + "\n")
    result = expect(run_file(player, """
stages:
  - read: in.jsonl
    fields: {id: int, text: string}
  - filter: len(text) > 0
  - write: out.jsonl
    fields: [id]
  - name: rejected
    input: errors
    write: rejected.jsonl
"""), 0)
    ids = [json.loads(line)["id"] for line in player.read("out.jsonl").splitlines()]
    assert ids == list(range(100, 120)), ids
    rejected = [json.loads(line) for line in player.read("rejected.jsonl").splitlines()]
    assert len(rejected) == len(bad), rejected
    assert all(item["error"] and "in.jsonl" in item["place"] for item in rejected), rejected
    text = result.err.decode()
    assert re.search(r"25.*=.*20.*\+.*0.*\+.*5", text.replace(",", "")), text


def fail_on_errors(player):
    player.write("in.jsonl", '{"id":1}\n{"id":\n{"id":3}\n')
    yaml = "stages:\n  - read: in.jsonl\n    fields: {id: int}\n    on_error: skip\n  - write: out.jsonl\n    fields: [id]\n    mode: replace\n"
    expect(run_file(player, yaml), 0)
    expect(run_file(player, yaml, "--fail-on-errors"), 4)
    assert player.read("out.jsonl") == b'{"id":1}\n{"id":3}\n'


def invalid_utf8(player):
    player.write("in.txt", b"good\nbad \xff\xfe\ngood again\n")
    expect(run_file(player, READ_WRITE % ("in.txt", "out.txt")), 1, "UTF-8", "in.txt")
    expect(run_file(player, "stages:\n  - read: in.txt\n    encoding_errors: replace\n  - write: out.txt\n"
                    "    mode: replace\n"), 0)
    assert player.read("out.txt").decode() == "good\nbad \ufffd\ufffd\ngood again\n"


def malformed_csv(player):
    player.write("in.csv", 'id,text\n1,one\n2,"two\n')
    expect(run_file(player, READ_WRITE % ("in.csv", "out.jsonl")), 1, "in.csv")
    player.write("in.csv", "id,text\n1,one\n2,two,three\n3,three\n")
    expect(run_file(player, "stages:\n  - read: in.csv\n    on_error: skip\n  - write: out.jsonl\n"), 0)
    assert len(player.read("out.jsonl").splitlines()) == 2


def deep_json(player):
    player.write("in.jsonl", '{"a":' + "[" * 100000 + "]" * 100000 + "}\n")
    expect(run_file(player, "stages:\n  - read: in.jsonl\n    fields: {a: json}\n  - write: out.jsonl\n    fields: [a]\n"),
           1, "in.jsonl", "deep|nest")


# ---- models ----

def bad_safetensors(player):
    header = json.dumps({"0.weight": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
                         "0.bias": {"dtype": "F32", "shape": [2], "data_offsets": [24, 32]}}).encode()
    good = struct.pack("<Q", len(header)) + header + bytes(32)
    yaml = "stages:\n  - generate: 3\n    fields: {input: normal(%d)}\n  - infer: m.safetensors\n  - drop:\n"
    player.write("m.safetensors", good)
    expect(run_file(player, yaml % 3), 0)
    expect(run_file(player, yaml % 4), 3, "3", "4")  # The shapes do not fit: both numbers.
    for lie in (good[:7], good[:40], good[:-1], good + b"x", struct.pack("<Q", 2**63) + good[8:],
                good.replace(b"[24, 32]", b"[20, 32]"), good.replace(b"[2, 3]", b"[9, 9]"),
                good.replace(b'"F32"', b'"F99"'), b"", b"\0" * 100):
        player.write("m.safetensors", lie)
        expect(run_file(player, yaml % 3), 3, "m.safetensors")


def bad_tokenizers(player):
    player.write("in.txt", "a b c\n")
    yaml = "stages:\n  - read: in.txt\n  - tokenize: %s\n  - print: tokens\n"
    for name, content in (("tokenizer.json", "{"), ("tokenizer.json", "[]"), ("tokenizer.json", '{"model": 3}'),
                          ("tokenizer.json", '{"model": {"type": "WordPiece", "vocab": {"a": -1}}}'),
                          ("tokenizer.json", '{"model": {"type": "WordPiece", "vocab": {"a": 99999999999}}}'),
                          ("tokenizer.json", '{"model": {"type": "Strange", "vocab": {}}}'),
                          ("vocab.txt", ""), ("vocab.txt", b"\xff\xfe\n"), ("tokenizer.json", "")):
        player.write(name, content)
        result = expect(run_file(player, yaml % name), 3, re.escape(name))
        assert len(result.err) < 3000, str(result)


# ---- sinks ----

def full_device(player):
    player.write("in.txt", "".join("line %d\n" % i for i in range(100000)))
    expect(run_file(player, "stages:\n  - read: in.txt\n  - write: /dev/full\n    format: text\n    mode: append\n"), 1,
           "/dev/full", "No space left")


def full_disk(player):
    mount = os.path.join(player.folder, "small")
    os.mkdir(mount)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", mount], check=False,
                          stderr=subprocess.DEVNULL)
    if done.returncode != 0:
        raise Player.Skip("may not mount a tmpfs here")
    try:
        player.write("in.txt", "".join("line %d\n" % i for i in range(100000)))
        expect(run_file(player, READ_WRITE % ("in.txt", "small/out.txt")), 1, "small/out.txt", "No space left")
        assert not os.path.exists(os.path.join(mount, "out.txt")), "half a file looks whole"
    finally:
        subprocess.run(["umount", mount], check=False)


def file_size_limit(player):
    player.write("in.txt", "".join("line %d\n" % i for i in range(100000)))

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100000, 100000))
    expect(run_file(player, READ_WRITE % ("in.txt", "out.txt"), preexec_fn=limit), 1, "out.txt", "File too large")
    assert not os.path.exists(os.path.join(player.folder, "out.txt"))


def closed_stdout(player):
    player.write("in.txt", "".join("line %d\n" % i for i in range(200000)))
    player.write("p.yaml", READ_WRITE % ("in.txt", "'-'"))
    reader, writer = os.pipe()
    os.close(reader)
    try:
        result = player.run("run", "p.yaml", stdout=writer)
    finally:
        os.close(writer)
    expect(result, 1, "Broken pipe")


def existing_output(player):
    player.write("in.txt", "new\n")
    player.write("out.txt", "old\n")
    result = run_file(player, READ_WRITE % ("in.txt", "out.txt"))
    assert result.status in (1, 3) and b"out.txt" in result.err and b"mode" in result.err, str(result)
    assert player.read("out.txt") == b"old\n"


def unwritable_folder(player):
    player.write("in.txt", "x\n")
    player.write("file", "")
    expect(run_file(player, READ_WRITE % ("in.txt", "file/out.txt")), 1, "file")


# ---- Lua ----

def lua(player, body, *patterns, status=1, timeout=30):
    player.write("in.jsonl", '{"id":1}\n')
    indented = "".join("      %s\n" % line for line in body.strip().splitlines())
    start = time.monotonic()
    result = run_file(player, "stages:\n  - read: in.jsonl\n    fields: {id: int}\n  - lua: |\n%s"
                      "    limits: {time: 300ms, memory: 32MiB}\n  - drop:\n" % indented, timeout=timeout)
    took = time.monotonic() - start
    expect(result, status, *patterns)
    assert took < (20 if is_sanitized(player) else 3), "took %.1f s" % took


def lua_error(player):
    lua(player, 'error("on purpose")\nitem.x = 1', "on purpose", "in.jsonl")


def lua_endless(player):
    for body in ("while true do end", "repeat until pcall(function() while true do end end) and false",
                 "local c = coroutine.wrap(function() while true do end end) c()",
                 "while true do pcall(error) end",
                 "local t = setmetatable({}, {__index = function(t, k) while true do end end}) local x = t.a",
                 "table.sort({3,1,2,5,4,9,8}, function(a, b) while true do end end)"):
        lua(player, body + "\n", "time|long|limit")


def lua_patterns(player):
    for body in ('local s = ("a"):rep(100000) s:find((".-"):rep(20) .. "b")',
                 'local s = ("a"):rep(200000) s:gsub("(.-)%1-b", "")',
                 'for w in (("x"):rep(100000)):gmatch(".-.-.-.-y") do end'):
        lua(player, body + "\n", "time|long|limit|complex|steps")


def lua_memory(player):
    for body in ("local t = {} for i = 1, 1e9 do t[i] = i end", 'local s = ("x"):rep(1e9)',
                 'local s = "x" while true do s = s .. s end',
                 'local t = {} for i = 1, 1e8 do t[i] = ("x"):rep(1000) .. i end',
                 'string.format("%" .. ("9"):rep(2) .. "d", 1) local t = {} for i = 1, 1e9 do t[i] = {} end'):
        lua(player, body + "\n", "memory|limit|time|long")


def lua_gc(player):
    lua(player, "setmetatable({}, {__gc = function() while true do end end})\ncollectgarbage()\n", "__gc")


def lua_sandbox(player):
    for body in ('io.open("/etc/passwd")', 'os.execute("true")', 'os.remove("in.jsonl")', 'load("\\27Lua")()',
                 'debug.getregistry()', 'require("os").exit()', 'package.loadlib("x", "y")', 'dofile("x")',
                 'string.dump(print)'):
        lua(player, body + "\n", "in.jsonl|lua")


def lua_syntax(player):
    lua(player, "if then\n", "E05", status=3)


# ---- signals ----

def interrupt(player):
    player.write("in.txt", "".join("line %d\n" % i for i in range(200)))
    os.mkfifo(os.path.join(player.folder, "pipe"))
    player.write("p.yaml", "stages:\n  - read: pipe\n    format: text\n    batch: 1\n  - write: out.txt\n")
    process = subprocess.Popen([player.program, "run", "p.yaml", "--json"], cwd=player.folder,
                               stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    with open(os.path.join(player.folder, "pipe"), "wb") as pipe:
        pipe.write(b"one\ntwo\n")
        pipe.flush()
        # Both lines are in when the program has emptied the pipe; the part file grows at the end at the latest.
        wait_until(lambda: is_empty(pipe))
        process.send_signal(signal.SIGINT)
        pipe.close()
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130, (process.returncode, err[-2000:])
    end = [json.loads(line) for line in err.splitlines() if line.startswith(b"{")][-1]
    assert end["event"] == "end" and end["read"] == end["written"], "a clean drain writes what was read: %s" % end
    assert player.read("out.txt") == b"one\ntwo\n"[:4 * end["read"]], end


def is_empty(pipe):
    import fcntl
    import termios
    return struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))[0] == 0


def wait_until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited %d s in vain" % seconds
        os.sched_yield()


def yaml_suite_and_json_suite(player):
    """JSON's own conformance suite as JSONL: what must be refused is refused, what must be read is read."""
    folder = need_data("conformance", "JSONTestSuite", "test_parsing")
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), "rb") as file:
            text = file.read()
        text = text.strip(b"\r\n")
        if name[0] == "i" or b"\n" in text or b"\r" in text:
            continue
        player.write("in.jsonl", b'{"a":' + text + b"}\n")
        result = run_file(player, "stages:\n  - read: in.jsonl\n    fields: {a: json}\n  - write: out.jsonl\n"
                          "    fields: [a]\n    mode: replace\n")
        # Inside an object some lies become truths ("1," is a bad value but `{"a":1,}` is bad too): only y is certain.
        if name[0] == "y":
            assert result.status == 0, "%s: %s" % (name, result)
        else:
            assert result.status == 1, "%s: %s" % (name, result)


CASES = (missing_file, folder_for_file, empty_glob, unreadable_file, empty_file, truncated_gzip, lying_gzip, not_gzip,
         truncated_zstd, malformed_jsonl, malformed_jsonl_is_routed, fail_on_errors, invalid_utf8, malformed_csv, deep_json,
         bad_safetensors, bad_tokenizers, full_device, full_disk, file_size_limit, closed_stdout, existing_output,
         unwritable_folder, lua_error, lua_endless, lua_patterns, lua_memory, lua_gc, lua_sandbox, lua_syntax, interrupt,
         yaml_suite_and_json_suite)


def main():
    player = Player()
    for function in CASES:
        player.case(function.__name__, function)
    return player.end()


if __name__ == "__main__":
    sys.exit(main())
