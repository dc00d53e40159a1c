#!/usr/bin/env python3
"""Normal forms against the conformance test of Unicode 15, without the characters that came after Unicode 9.

    tests/play_normalize.py PROGRAM

PROGRAM is normalize_driver. The rows of part 1 and the characters that it does not list are tested as the file's head
says. Skips (exit status 0, and says so) without the data folder.
"""

import lzma
import os
import sys

from fuzz_normalize import Driver
from fuzz_tokenize import DATA

# Marks and characters with a decomposition that Unicode 10 to 15 brought.
NEWER = [(0x07FD, 0x07FD), (0x0898, 0x089F), (0x08CA, 0x08D3), (0x09FE, 0x09FE), (0x0C3C, 0x0C3C), (0x0D3B, 0x0D3C),
         (0x0EBA, 0x0EBA), (0x1715, 0x1715), (0x1ABF, 0x1ACE), (0x1DF6, 0x1DFA), (0x32FF, 0x32FF), (0xA7F2, 0xA7F4),
         (0xA82C, 0xA82C), (0xAB69, 0xAB69), (0x10781, 0x10785), (0x10787, 0x107B0), (0x107B2, 0x107BA),
         (0x10D24, 0x10D27), (0x10EAB, 0x10EAC), (0x10EFD, 0x10EFF), (0x10F46, 0x10F50), (0x10F82, 0x10F85),
         (0x11070, 0x11070), (0x1133B, 0x1133B), (0x1145E, 0x1145E), (0x11839, 0x1183A), (0x11938, 0x11938),
         (0x1193D, 0x1193E), (0x11943, 0x11943), (0x119E0, 0x119E0), (0x11A34, 0x11A34), (0x11A47, 0x11A47),
         (0x11A99, 0x11A99), (0x11D42, 0x11D42), (0x11D44, 0x11D45), (0x11D97, 0x11D97), (0x11F41, 0x11F42),
         (0x16FF0, 0x16FF1), (0x1E030, 0x1E06D), (0x1E08F, 0x1E08F), (0x1E130, 0x1E136), (0x1E2AE, 0x1E2AE),
         (0x1E2EC, 0x1E2EF), (0x1E4EC, 0x1E4EF), (0x1F16C, 0x1F16C), (0x1FBF0, 0x1FBF9)]
# Form -> (column with the result, columns from which it is made); columns count from 0.
WANTED = {"nfc": [(1, (0, 1, 2)), (3, (3, 4))], "nfd": [(2, (0, 1, 2)), (4, (3, 4))],
          "nfkc": [(3, (0, 1, 2, 3, 4))], "nfkd": [(4, (0, 1, 2, 3, 4))]}


def is_newer(text):
    return any(first <= ord(char) <= last for char in text for first, last in NEWER)


def rows(path):
    with lzma.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            if line[0] not in "#@":
                yield ["".join(chr(int(code, 16)) for code in field.split()) for field in line.split(";")[:5]]


def check(driver, form, texts, wanted):
    wrong = 0
    for text, want, (got, _) in zip(texts, wanted, driver.answer([form], [text.encode() for text in texts])):
        if got.decode() != want:
            wrong += 1
            if wrong <= 5:
                print(f"{form} of {text!a}: {got.decode()!a}, wanted {want!a}", file=sys.stderr)
    return wrong


def main():
    path = os.path.join(DATA, "conformance/unicode-15.0/NormalizationTest.txt.xz")
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    if not os.path.exists(path):
        print("skipped: no test data")
        print("0 passed, 0 failed, 1 skipped")
        return 0
    driver = Driver(os.path.abspath(sys.argv[1]))
    found = [row for row in rows(path) if not any(map(is_newer, row))]
    listed = {row[0] for row in found}
    rest = [chr(code) for code in range(0x110000) if not 0xD800 <= code <= 0xDFFF]
    newer = {chr(code) for first, last in NEWER for code in range(first, last + 1)}
    rest = [char for char in rest if char not in listed and char not in newer]
    # Many in one text: nothing composes with an end of line.
    many = ["\n".join(rest[start:start + 1000]) for start in range(0, len(rest), 1000)]
    failed = 0
    for form, columns in WANTED.items():
        wrong = check(driver, form, many, many)
        for result, sources in columns:
            for source in sources:
                wrong += check(driver, form, [row[source] for row in found], [row[result] for row in found])
        print(f"{form}: {len(found)} rows and {len(rest)} other characters, {wrong} wrong")
        failed += wrong > 0
    print(f"{len(WANTED) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
