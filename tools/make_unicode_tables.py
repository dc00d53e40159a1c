#!/usr/bin/env python3
"""Makes stages/text/unicode_tables.h by asking the reference, code point by code point.

    python3 tools/make_unicode_tables.py > stages/text/unicode_tables.h
    python3 tools/make_unicode_tables.py --check     fails when the file is not what it would make

Needs the package tokenizers 0.23.3 (its tables are those that the tokenizers of published
models were made with: categories of Unicode 8, normal forms of Unicode 9, letter case and
words of its compiler's and its regex library's Unicode). Two things it cannot be asked:

- the number of a combining class comes from Python's own unicodedata; that the reference has the
  same classes is asked: of two marks it moves the one with the lower class to the front;
- how grapheme clusters are cut (Unicode 17): from the source of the crate that the reference uses,
  which cargo fetches.

Look-ups: block number -> 64 record numbers -> record, for BERT; block number -> one 64-bit word for
each set, and how many code points with a form of their own come before the block, for the rest.
Hangul syllables are decomposed by rule and have no pool entries.
"""

import glob
import os
import re
import subprocess
import sys
import tempfile
import unicodedata

import tokenizers
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

WANTED_VERSION = "0.23.3"
BLOCK = 64
FLAGS = ["CONTROL", "WHITE", "CJK", "MARK", "PUNCTUATION", "WORD", "CASED", "IGNORABLE",
         "HANGUL", "DECOMPOSES", "LOWERS", "LOWERS_TO_MANY"]
FLAG = {name: 1 << index for index, name in enumerate(FLAGS)}
TABLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../stages/text/unicode_tables.h")
SEGMENTATION = ("unicode-segmentation", "1.13.3")
# The order of ft_unicode_set; the last is those with an entry in ft_unicode_forms.
SETS = ["NFC", "NFD", "NFKC", "NFKD", "MARKS", "LOWERS", "FORMS"]
# The order of ft_unicode_grapheme, by the crate's names without GC_.
GRAPHEMES = ["Any", "CR", "LF", "Control", "Extend", "ZWJ", "SpacingMark", "Prepend", "L", "V", "T", "LV",
             "LVT", "Regional_Indicator", "Extended_Pictographic", "InCB_Consonant"]
GRAPHEME_LINKER, GRAPHEME_INCB_EXTEND = 16, 32


def code_points():
    return (c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF)


def bert(**on):
    flags = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False,
                 lowercase=False)
    return normalizers.BertNormalizer(**{**flags, **on}).normalize_str


CLEAN = bert(clean_text=True)
CJK = bert(handle_chinese_chars=True)
STRIP = bert(strip_accents=True)
NFC = normalizers.NFC().normalize_str
NFD = normalizers.NFD().normalize_str
NFKC = normalizers.NFKC().normalize_str
NFKD = normalizers.NFKD().normalize_str
STRIP_MARKS = normalizers.StripAccents().normalize_str
LOWER = normalizers.Lowercase().normalize_str
SPLIT = pre_tokenizers.BertPreTokenizer().pre_tokenize_str


def word_probe():
    """Is a character a word character (\\w) for `single_word` added tokens?"""
    tokenizer = Tokenizer(models.WordLevel({"?": 0}, unk_token="?"))
    tokenizer.add_tokens([AddedToken("\x01", single_word=True, normalized=False)])
    wanted = tokenizer.token_to_id("\x01")
    encode = tokenizer.encode_batch

    def probe(chars):
        return [wanted not in one.ids for one in encode([c + "\x01" for c in chars])]
    return probe


def flags_of(char, decomposed, lowered):
    flags = 0
    cleaned = CLEAN(char)
    if cleaned == "":
        flags |= FLAG["CONTROL"]
    if CJK(char) != char:
        flags |= FLAG["CJK"]
    if decomposed == char and STRIP(char) == "":
        flags |= FLAG["MARK"]
    pieces = [piece for piece, _ in SPLIT("a" + char + "a")]
    if pieces == ["a", char, "a"]:
        flags |= FLAG["PUNCTUATION"]
    elif pieces == ["a", "a"]:
        flags |= FLAG["WHITE"]
    else:
        assert pieces == ["a" + char + "a"], (char, pieces)
    if not flags & FLAG["CONTROL"]:
        assert (cleaned == " ") == bool(flags & FLAG["WHITE"]), hex(ord(char))
    # Final sigma looks through ignorable characters for a cased one: asked of str.lower itself.
    if (char + "Σ").lower()[-1] == "ς":
        flags |= FLAG["CASED"]
    elif ("A" + char + "Σ").lower()[-1] == "ς":
        flags |= FLAG["IGNORABLE"]
    if "가" <= char <= "힣":
        assert NFD(char) == unicodedata.normalize("NFD", char)
        flags |= FLAG["HANGUL"]
    elif decomposed != char:
        flags |= FLAG["DECOMPOSES"]
    if len(lowered) > 1:
        flags |= FLAG["LOWERS_TO_MANY"]
    elif lowered != char:
        flags |= FLAG["LOWERS"]
    return flags


def combining_class(char):
    """0 unless the reference moves the mark; U+0345 has the highest class there is, 240."""
    if char == "\u0345" or NFD("\u0345" + char) != "\u0345" + char and NFD(char) == char:
        return unicodedata.combining(char)
    return 0


class Pool:
    """Decompositions one after the other; equal ones once."""

    def __init__(self):
        self.codes, self.at = [], {}

    def place(self, text):
        if text not in self.at:
            self.at[text] = len(self.codes)
            self.codes.extend(map(ord, text))
        return self.at[text]


def two_stage(numbers, size=BLOCK):
    blocks, block_of = {}, []
    for start in range(0, len(numbers), size):
        block_of.append(blocks.setdefault(tuple(numbers[start:start + size]), len(blocks)))
    return list(blocks), block_of


def collect(pool):
    records, numbers = {}, []
    word = word_probe()
    chars = [chr(c) for c in code_points()]
    words = {}
    for start in range(0, len(chars), 4096):
        part = chars[start:start + 4096]
        words.update(zip(part, word(part)))
    for code in range(0x110000):
        if 0xD800 <= code <= 0xDFFF:
            record = (0, 0, 0, 0, 0)
        else:
            char = chr(code)
            decomposed, lowered = NFD(char), LOWER(char)
            flags = flags_of(char, decomposed, lowered)
            if words[char]:
                flags |= FLAG["WORD"]
            at = count = lower = 0
            if flags & FLAG["DECOMPOSES"]:
                at, count = pool.place(decomposed), len(decomposed)
            if flags & FLAG["LOWERS"]:
                lower = ord(lowered) - code
            elif flags & FLAG["LOWERS_TO_MANY"]:
                assert char == "\u0130" and lowered == "i\u0307"
            record = (lower, flags, at, combining_class(char), count)
        numbers.append(records.setdefault(record, len(records)))
    blocks, block_of = two_stage(numbers)
    return list(records), blocks, block_of


def check_classes(classes):
    """The reference has these classes: of two marks it sorts the lower one to the front."""
    one_of = {}
    for char, number in classes.items():
        one_of.setdefault(number, char)
    numbers = sorted(one_of)
    for char, number in classes.items():
        if NFD(char) != char:
            continue
        at = numbers.index(number)
        for other in numbers[max(0, at - 1):at + 2]:
            mark = one_of[other]
            if NFD(mark) != mark:
                continue
            low, high = (mark, char) if other < number else (char, mark)
            assert NFD(low + high) == low + high, (low, high)
            assert NFD(high + low) == (high + low if other == number else low + high), (low, high)


def pairs_of(chars):
    """{first: {second: composed}}: every character that is composed of two, by its decomposition."""
    pairs = {}
    for char in chars:
        parts = NFD(char)
        if len(parts) < 2 or "가" <= char <= "힣" or NFC(char) != char:
            continue
        first = NFC(parts[:-1])
        assert len(first) == 1 and NFC(first + parts[-1]) == char, hex(ord(char))
        pairs.setdefault(first, {})[parts[-1]] = char
    return pairs


def collect_forms(pool):
    """Sets as 64-bit words of each block, and what the members of the last one become."""
    chars = [chr(c) for c in code_points()]
    pairs = pairs_of(chars)
    classes = {char: number for char in chars if (number := combining_class(char))}
    check_classes(classes)
    seconds = {second for found in pairs.values() for second in found}
    seconds |= {chr(c) for c in [*range(0x1161, 0x1176), *range(0x11A8, 0x11C3)]}

    def joins(char):
        return char in classes or char in seconds

    flat_pairs, forms, words = [], [], [[0] * len(SETS) for _ in range(0x110000 // BLOCK)]
    before = [0] * len(words)
    for char in chars:
        nfd, nfkd = NFD(char), NFKD(char)
        is_form = (nfkd != char and not "가" <= char <= "힣") or char in classes or char in pairs
        members = [joins(char) or joins(nfd[0]) or NFC(char) != char,
                   char in classes or nfd != char,
                   joins(char) or joins(nfkd[0]) or NFKC(char) != char,
                   char in classes or nfkd != char,
                   STRIP_MARKS(char) == "", LOWER(char) != char, is_form]
        block, bit = divmod(ord(char), BLOCK)
        for number, member in enumerate(members):
            words[block][number] |= int(member) << bit
        if not is_form:
            continue
        if words[block][-1] == 1 << bit:
            before[block] = len(forms)
        own = sorted(pairs.get(char, {}).items())
        forms.append((pool.place(nfd) if nfd != char else 0, pool.place(nfkd) if nfkd != char else 0,
                      len(flat_pairs), len(nfd) if nfd != char else 0, len(nfkd) if nfkd != char else 0,
                      len(own), classes.get(char, 0)))
        flat_pairs.extend((ord(second), ord(composed)) for second, composed in own)
    rows = [(*word, at) for word, at in zip(words, before)]
    blocks, block_of = two_stage(rows, 1)
    return forms, flat_pairs, [block[0] for block in blocks], block_of


def segmentation_source():
    """tables.rs of the crate: as cargo has it already, or has it now."""
    name = "-".join(SEGMENTATION)
    for home in (os.environ.get("CARGO_HOME", ""), os.path.expanduser("~/.cargo")):
        for path in glob.glob(os.path.join(home, "registry/src/*", name, "src/tables.rs")):
            with open(path, encoding="utf-8") as file:
                return file.read()
    with tempfile.TemporaryDirectory() as scratch:
        with open(os.path.join(scratch, "Cargo.toml"), "w", encoding="utf-8") as file:
            file.write('[package]\nname = "fetch"\nversion = "0.0.0"\n[lib]\npath = "fetch.rs"\n[dependencies]\n'
                       '%s = "=%s"\n' % SEGMENTATION)
        open(os.path.join(scratch, "fetch.rs"), "w", encoding="utf-8").close()
        subprocess.run(["cargo", "vendor", "--quiet", "vendor"], cwd=scratch, check=True, stdout=subprocess.DEVNULL)
        with open(os.path.join(scratch, "vendor", SEGMENTATION[0], "src/tables.rs"), encoding="utf-8") as file:
            return file.read()


def rust_char(text):
    return int(text[3:-1], 16) if text.startswith("\\u{") else ord({"\\n": "\n", "\\r": "\r"}.get(text, text))


def collect_graphemes():
    source = segmentation_source()
    char = r"'([^']+)'"
    numbers = [GRAPHEMES.index("Any")] * 0x110000
    table = source.split("pub mod grapheme {")[1].split("pub mod word {")[0]
    for first, last, name in re.findall(r"\(\s*%s,\s*%s,\s*GC_(\w+)\s*\)" % (char, char), table):
        for code in range(rust_char(first), rust_char(last) + 1):
            numbers[code] = GRAPHEMES.index(name)
    # The crate's own short way for ASCII says the same but for what its table leaves out.
    for code in range(0x20):
        numbers[code] = GRAPHEMES.index({"\r": "CR", "\n": "LF"}.get(chr(code), "Control"))
    assert all(n == 0 for n in numbers[0x20:0x7F])
    extends = source.split("const InCB_Extend_table")[1].split("];")[0]
    for first, last in re.findall(r"\(\s*%s,\s*%s\s*\)" % (char, char), extends):
        for code in range(rust_char(first), rust_char(last) + 1):
            numbers[code] |= GRAPHEME_INCB_EXTEND
    linkers = source.split("pub fn is_incb_linker")[1].split("}\n")[0]
    for one in re.findall(char, linkers):
        numbers[rust_char(one)] |= GRAPHEME_LINKER
    return two_stage(numbers)


def storage(kind):
    """Tables of unicode.c alone are static."""
    return "static const " + kind[len("static "):] if kind.startswith("static ") else "const " + kind


def table(kind, name, numbers, per_line=24):
    lines = [f"{storage(kind)} {name}[{len(numbers)}] = {{"]
    for start in range(0, len(numbers), per_line):
        lines.append("    " + ",".join(map(str, numbers[start:start + per_line])) + ",")
    return "\n".join(lines + ["};", ""])


def row_table(kind, name, rows, per_line=1):
    lines = ["{" + ", ".join(map(str, row)) + "}," for row in rows]
    lines = ["    " + " ".join(lines[start:start + per_line]) for start in range(0, len(lines), per_line)]
    return "\n".join([f"{storage(kind)} {name}[{len(rows)}] = {{", *lines, "};", ""])


def word(number):
    return f"0x{number:x}" if number > 9 else str(number)


def make():
    pool = Pool()
    records, blocks, block_of = collect(pool)
    forms, pairs, set_blocks, set_block_of = collect_forms(pool)
    grapheme_blocks, grapheme_block_of = collect_graphemes()
    assert max(len(pool.codes), len(records), len(blocks), len(forms), len(set_blocks), len(pairs)) < 1 << 16
    kind = "static uint8_t" if len(grapheme_blocks) <= 256 else "static uint16_t"
    out = [
        "// What each code point is and becomes. Generated by tools/make_unicode_tables.py from",
        f"// tokenizers {WANTED_VERSION}, {' '.join(SEGMENTATION)} and Python"
        f" {sys.version_info.major}.{sys.version_info.minor}: do not edit. Included by unicode.c only.",
        "",
        f'static_assert(FT_UNICODE_BLOCK == {BLOCK}, "table and look-up agree");',
        f'static_assert(FT_UNICODE_SETS == {len(SETS)}, "table and look-up agree");',
        f'static_assert(FT_GRAPHEME_INCB_CONSONANT == {GRAPHEMES.index("InCB_Consonant")} &&',
        f'                  FT_GRAPHEME_LINKER == {GRAPHEME_LINKER} &&',
        f'                  FT_GRAPHEME_INCB_EXTEND == {GRAPHEME_INCB_EXTEND},',
        '              "table and look-up agree");',
        "",
        row_table("ft_code_point", "ft_unicode_records", records),
        table("uint32_t", "ft_unicode_pool", pool.codes, 14),
        table("uint16_t", "ft_unicode_block_of", block_of),
        table("uint16_t", "ft_unicode_blocks", [n for block in blocks for n in block]),
        "// Sets: " + ", ".join(SETS) + "; then the number of the block's first form.",
        row_table("ft_unicode_set_block", "ft_unicode_set_blocks",
                  [("{" + ", ".join(map(word, row[:-1])) + "}", row[-1]) for row in set_blocks]),
        table("uint16_t", "ft_unicode_set_block_of", set_block_of),
        row_table("static ft_unicode_form", "forms", forms, 8),
        row_table("static ft_unicode_pair", "all_pairs", pairs, 8),
        table(kind, "grapheme_block_of", grapheme_block_of),
        table("static uint8_t", "grapheme_blocks", [n for block in grapheme_blocks for n in block]),
    ]
    print(f"{len(records)} records, {len(blocks)} blocks, {len(pool.codes)} in the pool, {len(forms)} forms,"
          f" {len(pairs)} pairs, {len(set_blocks)} blocks of sets, {len(grapheme_blocks)} of graphemes", file=sys.stderr)
    return "\n".join(out).rstrip() + "\n"


def main():
    assert tokenizers.__version__ == WANTED_VERSION, tokenizers.__version__
    made = make()
    if sys.argv[1:] != ["--check"]:
        sys.stdout.write(made)
        return 0
    with open(TABLES, encoding="utf-8") as file:
        if file.read() == made:
            return 0
    print("stages/text/unicode_tables.h is not what tools/make_unicode_tables.py makes", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
