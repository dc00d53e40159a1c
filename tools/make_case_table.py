#!/usr/bin/env python3
"""Makes runtime/expr/expr_case_tables.h from Unicode's UnicodeData.txt.

    python3 tools/make_case_table.py UnicodeData.txt > runtime/expr/expr_case_tables.h

Simple mappings (fields 12 and 13) of everything outside of ASCII, as runs of code points with one distance.
"""
import sys


def read(path, field):
    pairs = {}
    for line in open(path, encoding="ascii"):
        parts = line.rstrip("\n").split(";")
        point = int(parts[0], 16)
        if parts[field] and point > 127:
            pairs[point] = int(parts[field], 16) - point
    return pairs


def runs(pairs):
    out = []
    for point in sorted(pairs):
        distance = pairs[point]
        if out:
            first, last, step, known = out[-1]
            gap = point - last
            if known == distance and gap in (1, 2) and step in (0, gap):
                out[-1] = (first, point, gap, known)
                continue
        out.append((point, point, 0, distance))
    return out


def show(name, table):
    print(f"static const case_run {name}[] = {{")
    for first, last, step, distance in table:
        print(f"    {{0x{first:04X}, 0x{last:04X}, {max(step, 1)}, {distance}}},")
    print("};")


print("// Made by tools/make_case_table.py from UnicodeData.txt; not edited by hand.")
print("// Code points first, first + step ... last are mapped to themselves plus distance.")
print("#pragma once\n")
print("#include <stdint.h>\n")
print("typedef struct case_run {\n    uint32_t first, last, step;\n    int32_t distance;\n} case_run;\n")
show("upper_runs", runs(read(sys.argv[1], 12)))
print()
show("lower_runs", runs(read(sys.argv[1], 13)))
