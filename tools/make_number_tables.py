#!/usr/bin/env python3
"""Makes runtime/number_tables.h: the powers of ten that printing and parsing floats stand on.

For each exponent n the 128 leading bits of 10^n, cut off (not rounded), as two words, high first.
Usage: tools/make_number_tables.py > runtime/number_tables.h
"""

FIRST, LAST = -342, 324  # Parsing needs -342..308, printing -292..324.
LAST_EXACT = 55          # 5^55 is the last that fits 128 bits.


def leading_bits(exponent):
    """The 128 leading bits of 10**exponent, and whether nothing follows them."""
    if exponent >= 0:
        power = 10**exponent
        shift = power.bit_length() - 128
        bits = power >> shift if shift > 0 else power << -shift
        return bits, shift <= 0 or bits << shift == power
    power = 10**-exponent
    shift = 127 + power.bit_length()
    bits = (1 << shift) // power
    if bits.bit_length() > 128:
        bits = (1 << (shift - 1)) // power
    return bits, False


def main():
    print("// Made by tools/make_number_tables.py.")
    print("// The 128 leading bits of 10^n, cut off, high word")
    print(f"// first, for n from {FIRST} to {LAST}.")
    print("#pragma once")
    print()
    print("#include <stdint.h>")
    print()
    print(f"enum {{ FT_TENS_FIRST = {FIRST}, FT_TENS_LAST = {LAST} }};")
    print(f"enum {{ FT_TENS_LAST_EXACT = {LAST_EXACT} }};  // Nothing was cut off from 0 to here.")
    print()
    print("static const uint64_t ft_tens[FT_TENS_LAST - FT_TENS_FIRST + 1][2] = {")
    for exponent in range(FIRST, LAST + 1):
        bits, exact = leading_bits(exponent)
        assert bits.bit_length() == 128
        assert exact == (0 <= exponent <= LAST_EXACT)
        assert bits & (2**64 - 1) != 2**64 - 1  # So that adding one never carries.
        print(f"    {{0x{bits >> 64:016x}, 0x{bits & (2**64 - 1):016x}}},")
    print("};")


if __name__ == "__main__":
    main()
