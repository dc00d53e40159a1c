#!/usr/bin/env python3
"""Tokenizers against what the reference libraries made of the same texts: ids, places, special tokens, decoded texts,
pairs, windows, padding. Ends with "N passed, N failed".

    tests/play_tokenizers.py DRIVER         build/release/tests/token_driver

The texts and results are those of the data folder (tokenizers 0.23.3, kitoken, llama.cpp); without it all is skipped.
"""

import json
import lzma
import os
import sys
import tempfile

import token_driver as driver

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.environ.get("FTPIPE_TEST_DATA", os.path.join(HERE, "../../shared/data"))
SHOWN = 5


class Play:
    def __init__(self, program, scratch):
        self.program, self.scratch = program, scratch
        self.passed = self.failed = 0

    def tokenizer(self, name):
        path = os.path.join(DATA, "tokenizers", name, "tokenizer.json")
        if os.path.exists(path):
            return path
        unpacked = os.path.join(self.scratch, name + ".json")
        if not os.path.exists(unpacked):
            with lzma.open(path + ".xz") as packed, open(unpacked, "wb") as out:
                out.write(packed.read())
        return unpacked

    def compare(self, what, rows, wanted, found):
        differ = [(row, want, got) for row, want, got in zip(rows, wanted, found) if want != got]
        self.passed += len(wanted) - len(differ)
        self.failed += len(differ)
        for row, want, got in differ[:SHOWN]:
            print("FAILED %s: %s\n  wanted %.300s\n  found  %.300s" % (what, json.dumps(row)[:200], want, got))
        if len(differ) > SHOWN:
            print("  and %d more" % (len(differ) - SHOWN))

    def texts(self, name, rows):
        path = self.tokenizer(name)
        columns = driver.OFFSETS
        plain = driver.ask(self.program, path, [driver.encode(row["text"], columns=columns) for row in rows])
        shown = [row["text"] for row in rows]
        self.compare(name + " ids", shown, [row["ids"] for row in rows], [got[0]["ids"] for got in plain])
        self.compare(name + " places", shown, [row["offsets_bytes"] for row in rows],
                     [got[0]["offsets"] for got in plain])
        special = driver.ask(self.program, path, [driver.encode(row["text"], add_special=True) for row in rows])
        self.compare(name + " ids with special ones", shown, [row["ids_special"] for row in rows],
                     [got[0]["ids"] for got in special])
        coded = driver.ask(self.program, path, [driver.ids(row["text"], add_special=True) for row in rows])
        self.compare(name + " ids by the coder", shown, [row["ids_special"] for row in rows], coded)
        decoded = driver.ask(self.program, path, [driver.decode(row["ids"]) for row in rows])
        self.compare(name + " decoded", shown, [row["decoded"] for row in rows], decoded)

    def pairs(self, name, rows):
        columns = driver.TYPE_IDS | driver.ATTENTION | driver.SPECIAL_MASK
        requests = []
        for row in rows:
            cut = row["truncation"] or {}
            requests.append(driver.pair(
                row["a"], row["b"], columns=columns, add_special=True, max_length=cut.get("max_length", 0),
                truncation=cut.get("direction", "right") if cut else None, strategy=cut.get("strategy", "longest_first"),
                windows=True, stride=cut.get("stride", 0), pad_to=row["pad_to"] or 0))
        found = driver.ask(self.program, self.tokenizer(name), requests)
        names = ["ids", "type_ids", "attention_mask", "special_tokens_mask"]
        self.compare(name + " pairs that cannot be cut", rows, [bool(row.get("error")) for row in rows],
                     [isinstance(got, driver.Error) for got in found])
        good = [(row, got) for row, got in zip(rows, found) if not row.get("error") and not isinstance(got, driver.Error)]
        for key in names:
            self.compare("%s pairs, %s" % (name, key), [row for row, _ in good], [row[key] for row, _ in good],
                         [got[0][key] for _, got in good])
        self.compare(name + " pairs, windows", [row for row, _ in good],
                     [[over["ids"] if isinstance(over, dict) else over for over in row["overflowing"]] for row, _ in good],
                     [[window["ids"] for window in got[1:]] for _, got in good])


def read_rows(path):
    opener = lzma.open if path.endswith(".xz") else open
    with opener(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def main():
    if not os.path.isdir(DATA):
        print("skipped: no test data\n0 passed, 0 failed, 1 skipped")
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        play = Play(sys.argv[1], scratch)
        for folder, run in (("tokenizers", play.texts), ("pairs", play.pairs)):
            for file in sorted(os.listdir(os.path.join(DATA, "vectors", folder))):
                try:
                    run(file.split(".")[0], read_rows(os.path.join(DATA, "vectors", folder, file)))
                except RuntimeError as error:
                    play.failed += 1
                    print("FAILED %s %s: %s" % (folder, file, error))
    print("%d passed, %d failed" % (play.passed, play.failed))
    return 1 if play.failed or not play.passed else 0


if __name__ == "__main__":
    sys.exit(main())
