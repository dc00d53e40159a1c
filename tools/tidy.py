#!/usr/bin/env python3
"""The rules of the house that a machine can check; each ban names its replacement.

    tools/tidy.py            checks the whole tree; ends with "N passed, N failed" (files)

Rooms and their one-way includes, sizes of files, functions and lines, banned calls, unique names of files and
functions, a test beside every stage, leftovers, commit subjects. Generated tables are exempt from sizes.
"""

import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# What a room may include, besides itself.
ROOMS = {
    "runtime": set(),
    "include": {"runtime"},
    "stages": {"runtime"},
    "engine": {"runtime"},
    "dsl": {"engine", "runtime"},
    "cli": {"dsl", "engine", "stages", "runtime"},
    "tests": {"cli", "dsl", "engine", "stages", "runtime"},
}
GENERATED = re.compile(r"_tables\.h$")
FILE_LINES, FUNCTION_LINES, LINE_COLUMNS = 800, 70, 100

# Function names, where they may stand, and what to use elsewhere.
BANS = [
    (r"malloc|calloc|realloc|free|strdup|strndup|aligned_alloc|posix_memalign", r"^runtime/memory/alloc\.c$|^tests/",
     "ft_alloc, ft_free"),
    (r"printf|fprintf|puts|fputs|putchar|vprintf|vfprintf|perror", r"^cli/|^tests/|^dsl/diagnostic|^engine/trace"
     r"|^runtime/error\.c$", "ft_log, or cli/"),
    (r"atoi|atol|atof|strtol|strtoll|strtoul|strtoull|strtod|strtof|sscanf|scanf", r"^runtime/number\.c$|^tests/",
     "ft_parse_int, ft_parse_float"),
    (r"strcpy|strcat|sprintf|vsprintf|strncpy|strncat|gets", r"^$", "ft_text_append, snprintf"),
    (r"strtok|strtok_r", r"^$", "ft_slice_cut"),
    (r"exit|abort|_Exit|quick_exit", r"^cli/|^runtime/error\.c$|^tests/", "return false, FT_ASSERT"),
    (r"getenv|secure_getenv|setenv|putenv", r"^cli/|^tests/", "cli/ reads the environment"),
    (r"time|gettimeofday|clock_gettime", r"^runtime/system/clock\.c$|^runtime/concurrent/lock\.c$|^tests/bench/|^tests/plugins/",
     "ft_clock_ns"),
    (r"rand|srand|random|drand48", r"^$", "ft_random"),
    (r"sleep|usleep|nanosleep", r"^$", "a condition with a time limit; in tests the harness"),
    (r"alloca", r"^$", "an arena"),
    (r"system|popen", r"^tests/", "ft_process_run"),
    (r"signal", r"^$", "sigaction"),
    (r"no_sanitize|__tsan_\w+", r"^tests/mc/", "no way round the sanitizers: there are no suppressions"),
]
THREADS = re.compile(r"^(runtime/(memory|concurrent|system)/|engine/|tests/)")
FUNCTION = re.compile(r"^[A-Za-z_][A-Za-z0-9_ *]*?\b([a-z_0-9]+)\(.*$")


def tracked():
    out = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True,
                         capture_output=True, text=True).stdout.split("\n")
    return [path for path in out if path and os.path.exists(os.path.join(ROOT, path))]


def without_comments(text):
    """Code with comments and the inside of literals blanked; lines stay."""
    pattern = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)

    def blank(match):
        found = match.group()
        if found.startswith("/"):
            return "\n" * found.count("\n")
        return found[0] + found[0]
    return pattern.sub(blank, text)


def check_includes(path, text, fail):
    room = path.split("/")[0]
    for number, line in enumerate(text.split("\n"), 1):
        found = re.match(r'\s*#\s*include\s+(["<])([^">]+)[">]', line)
        if not found:
            continue
        kind, name = found.groups()
        if kind == "<":
            if name in ("pthread.h", "stdatomic.h", "threads.h") and not THREADS.match(path):
                fail(number, "<%s> belongs to runtime/{memory,concurrent,system} and engine/" % name)
            continue
        target = name.split("/")[0]
        if "/" not in name:
            fail(number, 'includes are rooted: "room/%s"' % name)
        elif target not in ROOMS:
            fail(number, "`%s` is no room" % target)
        elif target != room and target not in ROOMS[room]:
            fail(number, "%s/ may not include %s/" % (room, target))


def check_bans(path, code, fail):
    for names, allowed, instead in BANS:
        if re.search(allowed, path) and allowed != r"^$":
            continue
        for found in re.finditer(r"(?<![A-Za-z0-9_.>])(%s)\s*\(" % names, code):
            line = code.count("\n", 0, found.start()) + 1
            fail(line, "`%s`: use %s" % (found.group(1), instead))


def check_functions(code, fail):
    """A function begins with `{` in column 0 and ends with `}` in column 0."""
    start = None
    for number, line in enumerate(code.split("\n"), 1):
        if line == "{":
            start = number
        elif line == "}" and start:
            if number - start - 1 > FUNCTION_LINES:
                fail(start, "a function of %d lines; at most %d" % (number - start - 1, FUNCTION_LINES))
            start = None


def check_c(path, text, fail):
    code = without_comments(text)
    check_includes(path, text, fail)
    check_bans(path, code, fail)
    if GENERATED.search(path):
        return
    if text.count("\n") > FILE_LINES:
        fail(1, "%d lines; at most %d" % (text.count("\n"), FILE_LINES))
    check_functions(code, fail)
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > LINE_COLUMNS:
            fail(number, "%d columns; at most %d" % (len(line), LINE_COLUMNS))
    if not re.match(r"//|/\*|#!", text):
        fail(1, "begins without a head comment: what, how, bounds, why")
    if re.search(r"\b(FIXME|TODO)\b", text):
        fail(1, "a leftover: FIXME or TODO")
    if path.endswith(".h") and "#pragma once" not in text and path != "stages/list.h":
        fail(1, "no `#pragma once`")


def check_symbols(path, text, defined, fail):
    """Of two functions of one name in a library the linker takes one, and says nothing."""
    for match in re.finditer(r"^(?!static)\w[\w *]*?\b(ft_\w+)\([^;{]*\)\n\{", without_comments(text), re.M):
        if defined.setdefault(match.group(1), path) != path:
            fail(1, "defines %s, as %s does" % (match.group(1), defined[match.group(1)]))


def check_text(text, fail):
    for number, line in enumerate(text.split("\n"), 1):
        if line != line.rstrip() and not line.startswith(("<", ">", "|")):
            fail(number, "white space at the end")
        if "\t" in line:
            fail(number, "a tab")
    if text and not text.endswith("\n"):
        fail(1, "no end of line at the end of the file")


def check_tree(paths, fail):
    names = {}
    for path in paths:
        if not path.endswith((".c", ".h")) or path.startswith("include/"):
            continue
        name = os.path.basename(path)
        if re.match(r"(util|common|misc|helper|manager)s?\.[ch]$", name):
            fail(path, 1, "name it after what it holds")
        if name in names:
            fail(path, 1, "has the name of %s: a place in a backtrace should be one place" % names[name])
        names[name] = path
    with open(os.path.join(ROOT, "stages/list.h"), encoding="utf-8") as lines:
        stages = re.findall(r"^FT_STAGE\((\w+)\)", lines.read(), re.M)
    if stages != sorted(stages):
        fail("stages/list.h", 1, "keep it sorted")
    for stage in stages:
        if "stages/%s.c" % stage not in paths:
            fail("stages/list.h", 1, "no stages/%s.c" % stage)
        if "tests/stages/%s.test" % stage not in paths:
            fail("stages/%s.c" % stage, 1, "a stage without tests/stages/%s.test" % stage)


def check_commits(fail):
    log = subprocess.run(["git", "log", "--format=%h %s", "-n", "200"], cwd=ROOT, capture_output=True, text=True)
    for line in log.stdout.splitlines():
        commit, _, subject = line.partition(" ")
        if subject.startswith("Merge "):
            continue
        if not re.match(r"[a-z][a-z0-9/,. -]*: \S", subject) or subject.endswith(".") or len(subject) > 72:
            fail("commit " + commit, 1, "`room: what changes`, at most 72 characters, no full stop: " + subject)


def main():
    failures, defined = {}, {}

    def fail(path, line, why):
        failures.setdefault(path, []).append("%s:%d: %s" % (path, line, why))

    paths = tracked()
    for path in paths:
        if not re.search(r"(\.(c|h|py|sh|md|yaml|lua|cmake)|CMakeLists\.txt)$", path) or "/broken/" in path:
            continue
        with open(os.path.join(ROOT, path), encoding="utf-8") as file:
            text = file.read()

        def here(line, why, path=path):
            fail(path, line, why)
        check_text(text, here)
        if path.endswith((".c", ".h")):
            check_c(path, text, here)
        if path.endswith(".c") and not path.startswith("tests/"):
            check_symbols(path, text, defined, here)
    check_tree(set(paths), fail)
    check_commits(fail)
    for lines in failures.values():
        print("\n".join(lines))
    print("%d passed, %d failed" % (max(len(paths) - len(failures), 1), len(failures)))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
