#!/usr/bin/env python3
"""Narrow weights as the program keeps them: laid out by the first run, mapped by the next, made anew when they are not what
they should be, and never in the way. Ends with "N passed, N failed, N skipped".

    tests/play_weights.py build/release/ftpipe [CASE]
"""

import array
import json
import os
import random
import shutil
import subprocess
import sys
import time

from program import ROOT, Player

HIDDEN, MIDDLE, LAYERS, WORDS, POSITIONS = 128, 512, 2, 64, 64  # Large enough to be kept.
TOKENS = 2048  # Of the language model: its head is large enough too.
IDS = [[7, 8, 9], [10], list(range(5, 60))]
FILES = {"embed": 1, "generate": 2}  # What is kept of a model: the layers; of a language model the head too.


def encoder():
    """Shapes of the tensors, and config.json."""
    shapes = {"embeddings.word_embeddings.weight": (WORDS, HIDDEN), "embeddings.position_embeddings.weight": (POSITIONS, HIDDEN),
              "embeddings.token_type_embeddings.weight": (2, HIDDEN), "embeddings.LayerNorm.weight": (HIDDEN,)}
    for layer in range(LAYERS):
        for name, shape in {"attention.self.query": (HIDDEN, HIDDEN), "attention.self.key": (HIDDEN, HIDDEN),
                            "attention.self.value": (HIDDEN, HIDDEN), "attention.output.dense": (HIDDEN, HIDDEN),
                            "attention.output.LayerNorm": (HIDDEN,), "intermediate.dense": (MIDDLE, HIDDEN),
                            "output.dense": (HIDDEN, MIDDLE), "output.LayerNorm": (HIDDEN,)}.items():
            shapes["encoder.layer.%d.%s.weight" % (layer, name)] = shape
    shapes.update({name[:-6] + "bias": shape[:1] for name, shape in shapes.items() if "embeddings." not in name or "Norm" in name})
    return shapes, {"model_type": "bert", "hidden_size": HIDDEN, "num_hidden_layers": LAYERS, "num_attention_heads": 4,
                    "intermediate_size": MIDDLE, "vocab_size": WORDS, "max_position_embeddings": POSITIONS}


def decoder():
    shapes = {"model.embed_tokens.weight": (TOKENS, HIDDEN)}
    for layer in range(LAYERS):
        for name, shape in {"self_attn.q_proj": (HIDDEN, HIDDEN), "self_attn.k_proj": (HIDDEN, HIDDEN),
                            "self_attn.v_proj": (HIDDEN, HIDDEN), "self_attn.o_proj": (HIDDEN, HIDDEN),
                            "mlp.gate_proj": (MIDDLE, HIDDEN), "mlp.up_proj": (MIDDLE, HIDDEN), "mlp.down_proj": (HIDDEN, MIDDLE),
                            "input_layernorm": (HIDDEN,), "post_attention_layernorm": (HIDDEN,)}.items():
            shapes["model.layers.%d.%s.weight" % (layer, name)] = shape
    shapes.update({"model.norm.weight": (HIDDEN,), "lm_head.weight": (TOKENS, HIDDEN)})
    return shapes, {"model_type": "llama", "hidden_size": HIDDEN, "num_hidden_layers": LAYERS, "num_attention_heads": 4,
                    "num_key_value_heads": 4, "intermediate_size": MIDDLE, "vocab_size": TOKENS, "max_position_embeddings": 128,
                    "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "hidden_act": "silu", "tie_word_embeddings": False}


def make_model(folder, kind):
    source = random.Random(3)
    numbers = array.array("f", [source.gauss(0, 0.1) for _ in range(9973)]) * (TOKENS * HIDDEN // 9973 + 2)
    shapes, config = encoder() if kind == "embed" else decoder()
    head, parts, at = {}, [], 0
    for name, shape in shapes.items():
        count = shape[0] * (shape[1] if len(shape) > 1 else 1)
        first = source.randrange(9973)
        parts.append(numbers[first:first + count].tobytes())
        head[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + 4 * count]}
        at += 4 * count
    os.makedirs(folder)
    with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as file:
        json.dump(config, file)
    head = json.dumps(head).encode()
    with open(os.path.join(folder, "model.safetensors"), "wb") as file:
        file.write(len(head).to_bytes(8, "little") + head + b"".join(parts))


def prepare(player, dtype="int8", name="model"):
    """The model, that is not of just now."""
    folder = os.path.join(player.folder, name)
    if not os.path.exists(folder):
        make_model(folder, player.kind)
    for file in os.listdir(folder):
        os.utime(os.path.join(folder, file), (1000, 1000))
    # What was changed within the last 50 ms is not recorded, and nobody can set that time back.
    while time.time() - max(os.stat(os.path.join(folder, file)).st_ctime for file in os.listdir(folder)) < 0.06:
        pass
    player.write("in.jsonl", "".join(json.dumps({"tokens": ids}) + "\n" for ids in IDS))
    stages = {
        "embed": [{"embed": folder, "pooling": "mean", "dtype": dtype},
                  {"write": "out.npy", "mode": "replace", "fields": ["embedding"]}],
        "generate": [{"infer": folder, "task": "generate", "dtype": dtype, "max_tokens": 20, "tokens_out": True,
                      "tokenizer": os.path.join(ROOT, "tests", "models", "chain-dense")},
                     {"write": "out.npy", "format": "jsonl", "mode": "replace", "fields": ["tokens_out", "finish"]}]}
    player.write("p.yaml", json.dumps({"stages": [{"read": "in.jsonl", "fields": {"tokens": "i32[*]"}}] + stages[player.kind]}))
    return folder


def environment(player, cache="cache"):
    return {"XDG_CACHE_HOME": os.path.join(player.folder, cache)}


def kept(player, end=".ftw", cache="cache"):
    folder = os.path.join(player.folder, cache, "ftpipe", "weights")
    return [os.path.join(folder, name) for name in os.listdir(folder) if end in name] if os.path.isdir(folder) else []


def vectors(player, cache="cache"):
    result = player.run("run", "p.yaml", env=environment(player, cache))
    assert result.status == 0, str(result)
    return player.read("out.npy")


def private(player):
    """What a run gives that keeps nothing: its cache is a file."""
    player.write("file", "")
    return vectors(player, "file")


def version(path):
    found = os.stat(path)
    return found.st_ino, found.st_mtime_ns


def made_once(player):
    for dtype in "int8", "bf16":
        shutil.rmtree(os.path.join(player.folder, "cache"), ignore_errors=True)
        prepare(player, dtype)
        wanted = private(player)
        assert vectors(player) == wanted
        files = kept(player, ".ft")
        assert len(kept(player)) == len(kept(player, ".ftr")) == FILES[player.kind] and len(files) == 2 * FILES[player.kind], files
        before = {file: version(file) for file in files}
        assert all(os.stat(file).st_mode & 0o777 == 0o600 for file in files)
        assert vectors(player) == wanted and {file: version(file) for file in kept(player, ".ft")} == before


def another_isa(player):
    """All instruction sets read the same files."""
    prepare(player)
    vectors(player)
    before = {file: version(file) for file in kept(player, ".ft")}
    for isa in "generic", "avx2":
        result = player.run("run", "p.yaml", env={**environment(player), "FTPIPE_ISA": isa})
        if result.status != 0 and b"FTPIPE_ISA" in result.err:
            continue  # This machine has not that.
        assert result.status == 0, str(result)
        got = player.read("out.npy")
        assert player.run("run", "p.yaml", env={"XDG_CACHE_HOME": player.write("file", ""), "FTPIPE_ISA": isa}).status == 0
        assert player.read("out.npy") == got and {file: version(file) for file in kept(player, ".ft")} == before


def mapped(player):
    """The second run has the file mapped, and not a copy of it in memory of its own."""
    if not os.path.exists("/proc/self/maps"):
        raise Player.Skip("no /proc")
    prepare(player)
    vectors(player)
    path, = kept(player)
    os.mkfifo(os.path.join(player.folder, "pipe"))
    player.write("p.yaml", json.dumps({"stages": [
        {"read": "pipe", "format": "jsonl", "fields": {"tokens": "i32[*]"}},
        {"embed": "model", "pooling": "mean", "dtype": "int8"}, {"write": "-", "format": "jsonl", "fields": ["embedding"]}]}))
    running = subprocess.Popen([player.program, "run", "p.yaml"], cwd=player.folder, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env=dict(os.environ, **environment(player)))
    with open(os.path.join(player.folder, "pipe"), "w", encoding="utf-8") as pipe:
        pipe.write(json.dumps({"tokens": IDS[0]}) + "\n")
        pipe.flush()
        line = running.stdout.readline()
        with open("/proc/%d/maps" % running.pid, encoding="utf-8") as maps:
            lines = [line for line in maps if path in line]
    assert running.wait(timeout=60) == 0 and line.startswith(b"{"), running.stderr.read()
    assert len(lines) == 1 and " r--p " in lines[0], lines
    running.stdout.close()
    running.stderr.close()


def floats_are_not_kept(player):
    prepare(player, "f32")
    vectors(player)
    assert not kept(player) and not kept(player, ".ftr")


def by_content(player):
    """A copy of the model elsewhere uses what the first one left, other weights do not."""
    prepare(player)
    wanted = vectors(player)
    before = {path: version(path) for path in kept(player)}
    prepare(player, name="copy")
    assert vectors(player) == wanted and {path: version(path) for path in kept(player)} == before
    assert len(kept(player, ".ftr")) == 2 * FILES[player.kind]
    changed, = {"embed": ["encoder.layer.1.output.dense.weight"], "generate": ["lm_head.weight"]}[player.kind]
    folder = prepare(player, name="changed")
    weights = os.path.join(folder, "model.safetensors")
    with open(weights, "r+b") as file:
        data = bytearray(file.read())
        head = json.loads(data[8:8 + int.from_bytes(data[:8], "little")])
        at = 8 + int.from_bytes(data[:8], "little") + head[changed]["data_offsets"][0]
        for place in range(at + 2, at + 4 * HIDDEN * 64, 4):
            data[place] ^= 0x40
        file.seek(0)
        file.write(data)
    os.utime(weights, (1000, 1000))
    assert vectors(player) != wanted and vectors(player) == private(player) and len(kept(player)) == len(before) + 1


def changed_in_place(player, seconds):
    """Of the same name and size, and, as it says of itself, of the same or another time."""
    folder = prepare(player)
    first = vectors(player)
    path = os.path.join(folder, "model.safetensors")
    shutil.copy(path, path + ".good")
    with open(path, "r+b") as file:
        file.seek(-HIDDEN * 4 * 300, 2)
        file.write(b"\x3f\x3e\x3d\x3e" * 64)
    os.utime(path, (1000, seconds))
    assert vectors(player) == private(player) != first
    os.replace(path + ".good", path)
    os.utime(path, (1000, 1002))
    assert vectors(player) == first


def damaged(player):
    prepare(player)
    wanted = vectors(player)
    for path in kept(player):
        damaged_file(player, path, wanted)
    for record in kept(player, ".ftr"):
        damaged_record(player, record, wanted)


def damaged_file(player, path, wanted):
    with open(path, "rb") as file:
        good = file.read()
    for size, at in ((len(good), 4096 + (len(good) - 4096) // 2), (len(good), 9), (len(good), 40), (len(good), len(good) - 1),
                     (len(good) - 1, 0), (4096, 0), (100, 0), (0, 0)):
        bad = bytearray(good[:size])
        if bad:
            bad[at] ^= 4
        with open(path, "wb") as file:
            file.write(bad)
        assert vectors(player) == wanted, (size, at)
        with open(path, "rb") as file:
            assert file.read() == good, (size, at)


def damaged_record(player, record, wanted):
    with open(record, encoding="utf-8") as file:
        good = file.read()
    assert any(os.path.basename(path) == good + ".ftw" for path in kept(player))
    for text in "", "0" * 63, "../" + "0" * 61, "0" * 64, "0" * 65, "\0" * 64:
        with open(record, "w", encoding="utf-8") as file:
            file.write(text)
        assert vectors(player) == wanted and len(kept(player)) == FILES[player.kind], repr(text)
        with open(record, encoding="utf-8") as file:
            assert file.read() == good


def of_others(player):
    """Files that others may write to, and links, are not used and are replaced."""
    prepare(player)
    wanted = vectors(player)
    for path in kept(player):
        os.chmod(path, 0o622)
        assert vectors(player) == wanted and os.stat(path).st_mode & 0o777 == 0o600
        os.rename(path, path + ".other")
        os.symlink(path + ".other", path)
        assert vectors(player) == wanted and not os.path.islink(path)


def nowhere_to_keep_it(player):
    prepare(player)
    wanted = private(player)
    folder = os.path.join(player.folder, "cache", "ftpipe", "weights")
    os.makedirs(os.path.dirname(folder))
    player.write("cache/ftpipe/weights", "")
    assert vectors(player) == wanted
    result = player.run("run", "p.yaml", env={"XDG_CACHE_HOME": "", "HOME": player.folder + "/home"})
    assert result.status == 0 and player.read("out.npy") == wanted, str(result)
    assert not os.path.exists(os.path.join(player.folder, "home")), "a home was made"


def at_once(player):
    prepare(player)
    wanted = private(player)
    for index in range(6):
        player.write("p%d.yaml" % index, player.read("p.yaml").replace(b"out.npy", b"out%d.npy" % index))
    env = dict(os.environ, **environment(player))
    running = [subprocess.Popen([player.program, "run", "p%d.yaml" % index], cwd=player.folder, env=env,
                                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for index in range(6)]
    outputs = [one.communicate(timeout=120)[1] for one in running]
    assert all(one.returncode == 0 for one in running), outputs
    assert all(player.read("out%d.npy" % index) == wanted for index in range(6))
    assert len(kept(player)) == FILES[player.kind], kept(player)


def bounded(player):
    """The oldest go."""
    prepare(player)
    vectors(player)
    path, = kept(player)
    for index in range(20):
        other = os.path.join(os.path.dirname(path), "%064x.ftw" % index)
        player.write(other, "x")
        os.utime(other, (2000 + index, 2000 + index))
    os.unlink(path)
    vectors(player)
    names = sorted(os.path.basename(name) for name in kept(player))
    assert len(names) == 16 and os.path.basename(path) in names and "%064x.ftw" % 19 in names, names
    assert "%064x.ftw" % 4 not in names


def check_keeps_nothing(player):
    prepare(player)
    result = player.run("check", "p.yaml", env=environment(player))
    assert result.status == 0 and not kept(player), str(result)


def told_by_doctor(player):
    prepare(player)

    def told(env):
        result = player.run("doctor", "--json", env=env)
        assert result.status == 0, str(result)
        fact, = [fact for fact in json.loads(result.out)["facts"] if fact["name"] == "weights"]
        return fact["state"], fact["value"]

    env = environment(player)
    folder = os.path.join(player.folder, "cache", "ftpipe", "weights")
    assert told(env) == ("good", "none of bf16 or int8 kept yet in " + folder), told(env)
    vectors(player)
    path, = kept(player)
    assert told(env) == ("good", "1 kept, %.1f KiB, in %s" % (os.stat(path).st_size / 1024, folder)), told(env)
    state, value = told({"XDG_CACHE_HOME": "", "HOME": player.folder + "/home"})
    assert state == "note" and value.startswith("not kept"), value


def main():
    player = Player()
    if not json.loads(player.run("version", "--json").out)["libraries"]["libsodium"]:
        print("skipped: this build is without libsodium, and keeps no weights")
        return player.end()
    for player.kind in FILES:
        for function in (made_once, another_isa, floats_are_not_kept, by_content, damaged, of_others, nowhere_to_keep_it, at_once,
                         check_keeps_nothing):
            player.case(player.kind + "_" + function.__name__, function)
    player.kind = "embed"
    for function in mapped, bounded, told_by_doctor:
        player.case(function.__name__, function)
    for seconds in 1000, 1001:
        player.case("changed_in_place_%d" % seconds, changed_in_place, seconds)
    return player.end()


if __name__ == "__main__":
    sys.exit(main())
