// Floats to the shortest text that reads back equal, and text to the nearest float.
//
// Printing is Giulietti's Schubfach: the interval of numbers that round to the value is scaled by a
// power of ten, kept to 128 bits with rounding to odd, so that at most two candidates of the
// shortest length are left to choose from; no loop over digits, no big numbers. Parsing takes
// Clinger's exact case (a product or quotient of two exact floats), then Eisel and Lemire's (the
// leading 128 bits of the product decide), and for the handful of texts that those leave open,
// strtod, which is given digits and exponent without a point so that no locale can matter.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/number_tables.h"
#include "runtime/slice.h"

typedef struct decimal {
    uint64_t digits;
    int32_t exponent;  // The value is digits x 10^exponent.
} decimal;

// floor(log10(2^q)), or floor(log10(3/4 x 2^q)); exact for |q| <= 1500. Shifts of negative numbers
// are written as floor divisions.
static int32_t floor_shift(int32_t value, int bits)
{
    return value >= 0 ? value >> bits : -((-value + (1 << bits) - 1) >> bits);
}

static int32_t floor_log10_pow2(int32_t q, bool three_quarters)
{
    return floor_shift(q * 1262611 - (three_quarters ? 524031 : 0), 22);
}

static int32_t floor_log2_pow10(int32_t k)
{
    return floor_shift(k * 1741647, 19);
}

// The high 64 bits of `factor` x a 128-bit power, with the lowest bit set when anything is below.
static uint64_t multiply_to_odd(const uint64_t power[2], uint64_t factor)
{
    const uint64_t low = (uint64_t)(((ft_u128)power[1] * factor) >> 64);
    const ft_u128 sum = (ft_u128)power[0] * factor + low;
    return (uint64_t)(sum >> 64) | ((uint64_t)sum > 1);
}

static uint64_t multiply_to_odd_32(uint64_t power, uint64_t factor)
{
    const ft_u128 product = (ft_u128)power * factor;
    return (uint64_t)(product >> 64) | ((uint32_t)((uint64_t)product >> 32) > 1);
}

// The shortest decimal in [lower, upper], nearest to `value`; all three are scaled by four.
static decimal choose(uint64_t lower, uint64_t value, uint64_t upper, int32_t exponent)
{
    const uint64_t floor = value / 4;
    if (floor >= 10) {
        const uint64_t tens = floor / 10;
        const bool down_fits = lower <= 40 * tens, up_fits = 40 * tens + 40 <= upper;
        if (down_fits != up_fits)
            return (decimal){tens + up_fits, exponent + 1};
    }
    const bool down_fits = lower <= 4 * floor, up_fits = 4 * floor + 4 <= upper;
    if (down_fits != up_fits)
        return (decimal){floor + up_fits, exponent};
    const uint64_t middle = 4 * floor + 2;
    const bool up = value > middle || (value == middle && (floor & 1));
    return (decimal){floor + up, exponent};
}

static decimal shortest_f64(uint64_t fraction, uint32_t biased)
{
    const uint64_t c = biased ? fraction | UINT64_C(1) << 52 : fraction;
    const int32_t q = (int32_t)(biased ? biased : 1) - 1075;
    if (q <= 0 && q > -53 && (c & ((UINT64_C(1) << -q) - 1)) == 0)
        return (decimal){c >> -q, 0};
    const bool odd = c & 1, closer_below = fraction == 0 && biased > 1;
    const int32_t k = floor_log10_pow2(q, closer_below);
    const int shift = q + floor_log2_pow10(-k) + 1;
    const uint64_t *cut = ft_tens[-k - FT_TENS_FIRST];
    const bool exact = k <= 0 && -k <= FT_TENS_LAST_EXACT;
    const uint64_t power[2] = {cut[0], cut[1] + !exact};
    const uint64_t lower = multiply_to_odd(power, (4 * c - 2 + closer_below) << shift);
    const uint64_t value = multiply_to_odd(power, (4 * c) << shift);
    const uint64_t upper = multiply_to_odd(power, (4 * c + 2) << shift);
    return choose(lower + odd, value, upper - odd, k);
}

static decimal shortest_f32(uint32_t fraction, uint32_t biased)
{
    const uint32_t c = biased ? fraction | UINT32_C(1) << 23 : fraction;
    const int32_t q = (int32_t)(biased ? biased : 1) - 150;
    if (q <= 0 && q > -24 && (c & ((UINT32_C(1) << -q) - 1)) == 0)
        return (decimal){c >> -q, 0};
    const bool odd = c & 1, closer_below = fraction == 0 && biased > 1;
    const int32_t k = floor_log10_pow2(q, closer_below);
    const int shift = q + floor_log2_pow10(-k) + 1;
    const uint64_t *cut = ft_tens[-k - FT_TENS_FIRST];
    const uint64_t power = cut[0] + (cut[1] != 0);
    const uint64_t base = 4 * (uint64_t)c;
    const uint64_t lower = multiply_to_odd_32(power, (base - 2 + closer_below) << shift);
    const uint64_t value = multiply_to_odd_32(power, base << shift);
    const uint64_t upper = multiply_to_odd_32(power, (base + 2) << shift);
    return choose(lower + odd, value, upper - odd, k);
}

static const char pairs[] = "00010203040506070809101112131415161718192021222324252627282930313233"
                            "34353637383940414243444546474849505152535455565758596061626364656667"
                            "6869707172737475767778798081828384858687888990919293949596979899";

// Writes the digits so that they end at `end`; returns how many.
static size_t put_digits(uint64_t digits, char *end)
{
    char *at = end;
    while (digits >= 100) {
        at -= 2;
        memcpy(at, pairs + 2 * (digits % 100), 2);
        digits /= 100;
    }
    if (digits >= 10) {
        at -= 2;
        memcpy(at, pairs + 2 * digits, 2);
    } else {
        *--at = (char)('0' + digits);
    }
    return (size_t)(end - at);
}

// Plain from 0.0001 to below 10^16, else with an exponent.
static size_t put_decimal(decimal number, char *out)
{
    char text[24];
    size_t count = put_digits(number.digits, text + sizeof(text));
    const char *digits = text + sizeof(text) - count;
    const int32_t point = (int32_t)count + number.exponent;  // Digits before the point.
    while (count > 1 && digits[count - 1] == '0')
        count--;
    const int32_t kept = (int32_t)count;
    char *at = out;
    if (point > -4 && point <= 0) {
        memcpy(at, "0.000", (size_t)(2 - point));
        memcpy(at + 2 - point, digits, count);
        return (size_t)(2 - point) + count;
    }
    if (point > 0 && point <= 16) {
        if (kept <= point) {
            memcpy(at, digits, count);
            memset(at + kept, '0', (size_t)(point - kept));
            return (size_t)point;
        }
        memcpy(at, digits, (size_t)point);
        at[point] = '.';
        memcpy(at + point + 1, digits + point, (size_t)(kept - point));
        return count + 1;
    }
    *at++ = digits[0];
    if (count > 1) {
        *at++ = '.';
        memcpy(at, digits + 1, count - 1);
        at += count - 1;
    }
    *at++ = 'e';
    if (point <= 0)
        *at++ = '-';
    const uint64_t exponent = (uint64_t)(point > 0 ? point - 1 : 1 - point);
    const size_t exponent_digits = put_digits(exponent, text + sizeof(text));
    memcpy(at, text + sizeof(text) - exponent_digits, exponent_digits);
    return (size_t)(at - out) + exponent_digits;
}

static size_t put_special(const char *word, char out[FT_NUMBER_BYTES])
{
    const size_t size = strlen(word);
    memcpy(out, word, size + 1);
    return size;
}

size_t ft_print_f64(double value, char out[FT_NUMBER_BYTES])
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    const bool negative = bits >> 63;
    const uint32_t biased = (uint32_t)(bits >> 52) & 0x7ff;
    const uint64_t fraction = bits & ((UINT64_C(1) << 52) - 1);
    if (biased == 0x7ff)
        return put_special(fraction ? "nan" : negative ? "-inf" : "inf", out);
    if (biased == 0 && fraction == 0)
        return put_special(negative ? "-0" : "0", out);
    out[0] = '-';
    const size_t size = negative + put_decimal(shortest_f64(fraction, biased), out + negative);
    out[size] = '\0';
    return size;
}

size_t ft_print_f32(float value, char out[FT_NUMBER_BYTES])
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    const bool negative = bits >> 31;
    const uint32_t biased = (bits >> 23) & 0xff;
    const uint32_t fraction = bits & ((UINT32_C(1) << 23) - 1);
    if (biased == 0xff)
        return put_special(fraction ? "nan" : negative ? "-inf" : "inf", out);
    if (biased == 0 && fraction == 0)
        return put_special(negative ? "-0" : "0", out);
    out[0] = '-';
    const size_t size = negative + put_decimal(shortest_f32(fraction, biased), out + negative);
    out[size] = '\0';
    return size;
}

// ---- parsing ----

enum {
    MANTISSA_DIGITS = 19,   // As many always fit 64 bits.
    FALLBACK_DIGITS = 800,  // More than 768 significant digits never change a double's rounding.
    EXPONENT_CAP = 100000,  // Keeps sums of exponents small; far outside of what a double holds.
};

typedef struct scan {
    bool negative;
    bool cut;           // There were more non-zero digits than `mantissa` took.
    uint64_t mantissa;  // The first 19 significant digits.
    int64_t exponent;   // Of ten, for `mantissa`.
    ft_slice digits;    // All digits and the point.
    int64_t written;    // The exponent as written.
} scan;

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool scan_exponent(ft_slice text, size_t *at, int64_t *out)
{
    bool negative = false;
    if (*at < text.size && (text.data[*at] == '+' || text.data[*at] == '-'))
        negative = text.data[(*at)++] == '-';
    const size_t start = *at;
    int64_t value = 0;
    for (; *at < text.size && is_digit(text.data[*at]); ++*at)
        if (value < EXPONENT_CAP)
            value = value * 10 + (text.data[*at] - '0');
    *out = negative ? -value : value;
    return *at > start;
}

static bool scan_float(ft_slice text, size_t at, scan *out)
{
    const size_t start = at;
    int taken = 0;
    size_t digits = 0;
    bool point = false;
    for (; at < text.size; at++) {
        const char c = text.data[at];
        if (c == '.' && !point) {
            point = true;
            continue;
        }
        if (!is_digit(c))
            break;
        digits++;
        if (taken < MANTISSA_DIGITS) {
            out->mantissa = out->mantissa * 10 + (uint64_t)(c - '0');
            taken += out->mantissa != 0;
            out->exponent -= point;
        } else {
            out->cut |= c != '0';
            out->exponent += !point;
        }
    }
    out->digits = (ft_slice){text.data + start, at - start};
    if (digits == 0)
        return false;
    if (at < text.size && (text.data[at] == 'e' || text.data[at] == 'E')) {
        at++;
        if (!scan_exponent(text, &at, &out->written))
            return false;
        out->exponent += out->written;
    }
    return at == text.size;
}

static double from_bits(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

// Clinger: both factors are exact floats, so one rounding is the right one.
static bool parse_exact(uint64_t mantissa, int64_t exponent, double *out)
{
    static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                  1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                  1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (mantissa > UINT64_C(1) << 53 || exponent < -22 || exponent > 22)
        return false;
    const double value = (double)mantissa;
    *out = exponent < 0 ? value / tens[-exponent] : value * tens[exponent];
    return true;
}

// Eisel and Lemire: false where the leading bits leave the rounding open, and for results that are
// subnormal or out of range.
static bool parse_leading_bits(uint64_t mantissa, int64_t exponent, double *out)
{
    if (exponent < FT_TENS_FIRST || exponent > FT_TENS_LAST)
        return false;
    const uint64_t *power = ft_tens[exponent - FT_TENS_FIRST];
    const unsigned zeros = FT_LEADING_ZEROS_64(mantissa);
    mantissa <<= zeros;
    int32_t exponent2 = floor_shift((int32_t)exponent * 217706, 16) + 64 + 1023 - (int32_t)zeros;
    ft_u128 product = (ft_u128)mantissa * power[0];
    uint64_t high = (uint64_t)(product >> 64), low = (uint64_t)product;
    if ((high & 0x1ff) == 0x1ff && low + mantissa < mantissa) {
        const ft_u128 rest = (ft_u128)mantissa * power[1];
        product += (uint64_t)(rest >> 64);
        high = (uint64_t)(product >> 64);
        low = (uint64_t)product;
        if ((high & 0x1ff) == 0x1ff && low + 1 == 0 && (uint64_t)rest + mantissa < mantissa)
            return false;
    }
    const unsigned top = (unsigned)(high >> 63);
    uint64_t bits = high >> (top + 9);
    exponent2 -= (int32_t)(1 ^ top);
    if (low == 0 && (high & 0x1ff) == 0 && (bits & 3) == 1)
        return false;
    bits = (bits + (bits & 1)) >> 1;
    if (bits >> 53) {
        bits >>= 1;
        exponent2++;
    }
    if (exponent2 < 1 || exponent2 > 0x7fe)
        return false;
    *out = from_bits((uint64_t)exponent2 << 52 | (bits & ((UINT64_C(1) << 52) - 1)));
    return true;
}

// Any digits at all: as an integer and an exponent, cut to a length that cannot matter.
static double parse_slowly(const scan *in)
{
    char text[FALLBACK_DIGITS + 32];
    size_t size = 0;
    int64_t exponent = in->written;
    bool point = false, cut = false;
    for (size_t i = 0; i < in->digits.size; i++) {
        const char c = in->digits.data[i];
        if (c == '.') {
            point = true;
        } else if (size < FALLBACK_DIGITS) {
            if (size || c != '0')
                text[size++] = c;
            exponent -= point;
        } else {
            cut |= c != '0';
            exponent += !point;
        }
    }
    if (cut) {  // Something non-zero follows: enough to break a tie.
        text[size++] = '1';
        exponent--;
    }
    text[size++] = 'e';
    size += ft_print_int(exponent, text + size);
    text[size] = '\0';
    return strtod(text, NULL);
}

static bool parse_special(ft_slice text, bool negative, double *out)
{
    static const char *const infinities[] = {"inf", ".inf", ".Inf", ".INF"};
    static const char *const nans[] = {"nan", ".nan", ".NaN", ".NAN"};
    for (size_t i = 0; i < FT_COUNT_OF(infinities); i++) {
        if (ft_slice_is(text, infinities[i])) {
            *out = negative ? -(double)INFINITY : (double)INFINITY;
            return true;
        }
        if (ft_slice_is(text, nans[i])) {
            *out = (double)NAN;
            return true;
        }
    }
    return false;
}

bool ft_parse_float(ft_slice text, double *out)
{
    scan in = {.negative = text.size > 0 && text.data[0] == '-'};
    const size_t at = text.size > 0 && (text.data[0] == '-' || text.data[0] == '+');
    if (!scan_float(text, at, &in))
        return parse_special((ft_slice){text.data + at, text.size - at}, in.negative, out);
    double value = 0, above = 0;
    if (in.mantissa != 0) {
        bool done = !in.cut && parse_exact(in.mantissa, in.exponent, &value);
        if (!done)
            done = parse_leading_bits(in.mantissa, in.exponent, &value) &&
                   (!in.cut ||
                    (parse_leading_bits(in.mantissa + 1, in.exponent, &above) && value == above));
        if (!done)
            value = parse_slowly(&in);
    }
    if (isinf(value))
        return false;
    *out = in.negative ? -value : value;
    return true;
}
