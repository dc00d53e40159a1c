"""What the players share: running the program in a scratch folder, and counting cases."""

import os
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SANITIZER = 86  # The status of a sanitizer's report; see run.py.


class Result:
    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err

    def __str__(self):
        return "status %d\n--- stdout\n%s\n--- stderr\n%s" % (
            self.status, self.out[-2000:].decode(errors="replace"), self.err[-4000:].decode(errors="replace"))


class Player:
    """Runs cases: functions of (player, scratch folder) that raise AssertionError, or Skip."""

    class Skip(Exception):
        pass

    def __init__(self):
        self.program = os.path.abspath(sys.argv[1])
        self.arguments = sys.argv[2:]
        self.passed = self.failed = self.skipped = 0
        self.folder = None

    def run(self, *arguments, stdin=b"", env=None, timeout=120, folder=None, preexec_fn=None, stdout=None):
        done = subprocess.run([self.program, *arguments], cwd=folder or self.folder, timeout=timeout,
                              env=dict(os.environ, **(env or {})), input=stdin, preexec_fn=preexec_fn,
                              stdout=stdout or subprocess.PIPE, stderr=subprocess.PIPE)
        result = Result(done.returncode, done.stdout or b"", done.stderr)
        assert done.returncode >= 0 or -done.returncode in (2, 15), "died of signal %d\n%s" % (-done.returncode, result)
        assert done.returncode != SANITIZER, "a sanitizer reports\n%s" % result
        return result

    def write(self, name, content):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        return path

    def read(self, name):
        with open(os.path.join(self.folder, name), "rb") as file:
            return file.read()

    def case(self, name, function, *arguments):
        if self.arguments and not self.arguments[0].startswith("--") and self.arguments[0] not in name:
            return
        self.folder = tempfile.mkdtemp(prefix="ftpipe-test-")
        try:
            function(self, *arguments)
            self.passed += 1
        except Player.Skip as why:
            self.skipped += 1
            print("skipped: %s: %s" % (name, why))
        except (AssertionError, subprocess.TimeoutExpired) as why:
            self.failed += 1
            print("FAILED %s: %s" % (name, why))
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def end(self):
        print("%d passed, %d failed, %d skipped" % (self.passed, self.failed, self.skipped))
        return 1 if self.failed else 0


def data_folder():
    """The shared test data, or None."""
    for path in (os.environ.get("FTPIPE_TEST_DATA", ""), os.path.join(ROOT, "..", "shared", "data")):
        if path and os.path.isdir(path):
            return os.path.abspath(path)
    return None


def need_data(*parts):
    folder = data_folder()
    path = folder and os.path.join(folder, *parts)
    if not path or not os.path.exists(path):
        raise Player.Skip("no test data %s" % "/".join(parts))
    return path


def need_minilm(player):
    """The folder of all-MiniLM-L6-v2: pulled into the model store the first time."""
    store = os.environ.get("FTPIPE_STORE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "ftpipe", "models")
    path = os.path.join(store, "all-MiniLM-L6-v2")
    if not os.path.isdir(path):
        result = player.run("pull", "all-MiniLM-L6-v2", timeout=600)
        if result.status != 0:
            raise Player.Skip("all-MiniLM-L6-v2 cannot be pulled: no network?")
    return path


def need_numpy():
    try:
        import numpy
    except ImportError:
        raise Player.Skip("no NumPy") from None
    return numpy


def is_sanitized(player):
    return "/asan/" in player.program or "/tsan/" in player.program
