#!/usr/bin/env python3
"""Makes stages/text/unicode_tables.h by asking the reference, code point by code point.

    python3 tools/make_unicode_tables.py > stages/text/unicode_tables.h

Needs the package tokenizers 0.23.3 (its tables are those that the tokenizers of published
models were made with: categories of Unicode 8, decompositions of Unicode 9, letter case and
words of its compiler's and its regex library's Unicode). What it cannot be asked comes from
Python's own unicodedata: the combining class of a mark that the reference reorders.

The result is a two-stage table: block number -> 64 record numbers -> record. Hangul syllables
are decomposed by rule and have no pool entries.
"""

import sys
import unicodedata

import tokenizers
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

WANTED_VERSION = "0.23.3"
BLOCK = 64
FLAGS = ["CONTROL", "WHITE", "CJK", "MARK", "PUNCTUATION", "WORD", "CASED", "IGNORABLE",
         "HANGUL", "DECOMPOSES", "LOWERS", "LOWERS_TO_MANY"]
FLAG = {name: 1 << index for index, name in enumerate(FLAGS)}


def code_points():
    return (c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF)


def bert(**on):
    flags = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False,
                 lowercase=False)
    return normalizers.BertNormalizer(**{**flags, **on}).normalize_str


CLEAN = bert(clean_text=True)
CJK = bert(handle_chinese_chars=True)
STRIP = bert(strip_accents=True)
NFD = normalizers.NFD().normalize_str
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


def collect():
    pool, pool_at, records, numbers = [], {}, {}, []
    word = word_probe()

    def place(text):
        if text not in pool_at:
            pool_at[text] = len(pool)
            pool.extend(map(ord, text))
        return pool_at[text]

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
                at, count = place(decomposed), len(decomposed)
            if flags & FLAG["LOWERS"]:
                lower = ord(lowered) - code
            elif flags & FLAG["LOWERS_TO_MANY"]:
                assert char == "\u0130" and lowered == "i\u0307"
            record = (lower, flags, at, combining_class(char), count)
        numbers.append(records.setdefault(record, len(records)))
    blocks, block_of = {}, []
    for start in range(0, 0x110000, BLOCK):
        block_of.append(blocks.setdefault(tuple(numbers[start:start + BLOCK]), len(blocks)))
    return pool, list(records), list(blocks), block_of


def table(kind, name, numbers, per_line=24):
    lines = [f"const {kind} {name}[{len(numbers)}] = {{"]
    for start in range(0, len(numbers), per_line):
        lines.append("    " + ",".join(map(str, numbers[start:start + per_line])) + ",")
    return "\n".join(lines + ["};", ""])


def main():
    assert tokenizers.__version__ == WANTED_VERSION, tokenizers.__version__
    pool, records, blocks, block_of = collect()
    assert len(pool) < 1 << 16 and len(records) < 1 << 16 and len(blocks) < 1 << 16
    out = [
        "// What each code point is and becomes. Generated by tools/make_unicode_tables.py from",
        f"// tokenizers {WANTED_VERSION} and Python {sys.version_info.major}.{sys.version_info.minor}:"
        " do not edit. Included by unicode.c only.",
        "",
        f'static_assert(FT_UNICODE_BLOCK == {BLOCK}, "table and look-up agree");',
        "",
        "const ft_code_point ft_unicode_records[%d] = {" % len(records),
    ]
    for lower, flags, at, ccc, count in records:
        out.append(f"    {{{lower}, {flags}, {at}, {ccc}, {count}}},")
    out += ["};", ""]
    out.append(table("uint32_t", "ft_unicode_pool", pool, 14))
    out.append(table("uint16_t", "ft_unicode_block_of", block_of))
    out.append(table("uint16_t", "ft_unicode_blocks", [n for block in blocks for n in block]))
    print("\n".join(out).rstrip())
    print({name: FLAG[name] for name in FLAGS}, len(records), len(blocks), len(pool),
          file=sys.stderr)


if __name__ == "__main__":
    main()
