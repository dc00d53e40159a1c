// Floats: shortest, nearest and back again, against printf and strtod of the C library.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/random.h"
#include "runtime/slice.h"
#include "tests/check.h"

static ft_slice slice(const char *text)
{
    return (ft_slice){text, strlen(text)};
}

static const char *print(double value)
{
    static char out[FT_NUMBER_BYTES];
    const size_t size = ft_print_f64(value, out);
    check_int_eq(size, strlen(out));
    return out;
}

TEST(number_forms)
{
    check_text_eq(print(0), "0");
    check_text_eq(print(-0.0), "-0");
    check_text_eq(print(100), "100");
    check_text_eq(print(-3.25), "-3.25");
    check_text_eq(print(0.1 + 0.2), "0.30000000000000004");
    check_text_eq(print(0.0001), "0.0001");
    check_text_eq(print(0.00001), "1e-5");
    check_text_eq(print(1e15), "1000000000000000");
    check_text_eq(print(1e16), "1e16");
    check_text_eq(print(9007199254740993.0), "9007199254740992");
    check_text_eq(print(5e-324), "5e-324");
    check_text_eq(print(1.7976931348623157e308), "1.7976931348623157e308");
    check_text_eq(print(2.2250738585072014e-308), "2.2250738585072014e-308");
    check_text_eq(print(2e-44), "2e-44");
    check_text_eq(print(9.5367431640625e-7), "9.5367431640625e-7");
    check_text_eq(print((double)INFINITY), "inf");
    check_text_eq(print(-(double)INFINITY), "-inf");
    check_text_eq(print((double)NAN), "nan");
    char out[FT_NUMBER_BYTES];
    ft_print_f32(0.1f, out);
    check_text_eq(out, "0.1");
    ft_print_f32(3.4028235e38f, out);
    check_text_eq(out, "3.4028235e38");
    ft_print_f32(-1e-45f, out);
    check_text_eq(out, "-1e-45");
}

// Significant digits of a text, without leading and trailing zeros.
static void keep_digits(const char *text, char out[40])
{
    size_t count = 0, kept = 0;
    for (; *text && *text != 'e'; text++) {
        if (*text < '0' || *text > '9' || (*text == '0' && count == 0))
            continue;
        out[count++] = *text;
        if (*text != '0')
            kept = count;
    }
    out[kept] = '\0';
}

// The text reads back equal, and no shorter one, nor a nearer one of its length, does.
static void check_shortest(double value, const char *text, bool single)
{
    char want[40], got_digits[40], want_digits[40];
    const bool same = single ? strtof(text, NULL) == (float)value : strtod(text, NULL) == value;
    check_true(same);
    int digits = 0;
    for (;; digits++) {
        snprintf(want, sizeof(want), "%.*e", digits, value);
        if (single ? strtof(want, NULL) == (float)value : strtod(want, NULL) == value)
            break;
    }
    keep_digits(text, got_digits);
    keep_digits(want, want_digits);
    check_text_eq(got_digits, want_digits);
}

TEST(number_f64_shortest)
{
    ft_random random;
    ft_random_init(&random, 1, 0);
    for (int i = 0; i < 200000; i++) {
        uint64_t bits = ft_random_next(&random);
        if (i % 2)
            bits = (bits & UINT64_C(0x800fffffffffffff)) | (1000 + ft_random_next(&random) % 60)
                                                               << 52;
        double value, back;
        char text[FT_NUMBER_BYTES];
        memcpy(&value, &bits, sizeof(value));
        if (!isfinite(value))
            continue;
        const size_t size = ft_print_f64(value, text);
        check_shortest(value, text, false);
        check_true(ft_parse_float((ft_slice){text, size}, &back) && memcmp(&back, &value, 8) == 0);
    }
}

TEST(number_f64_powers)
{
    char text[FT_NUMBER_BYTES];
    for (int e = -1074; e < 1024; e++) {
        ft_print_f64(ldexp(1, e), text);
        check_true(strtod(text, NULL) == ldexp(1, e));
    }
    for (int e = -323; e <= 308; e++) {
        char want[16];
        snprintf(want, sizeof(want), "1e%d", e);
        ft_print_f64(strtod(want, NULL), text);
        check_true(strtod(text, NULL) == strtod(want, NULL));
        if (e >= 16 || e < -4)
            check_text_eq(text, want);
    }
}

TEST(number_f32_shortest)
{
    ft_random random;
    ft_random_init(&random, 2, 0);
    for (int i = 0; i < 200000; i++) {
        const uint32_t bits = (uint32_t)ft_random_next(&random);
        float value;
        char text[FT_NUMBER_BYTES];
        memcpy(&value, &bits, sizeof(value));
        if (!isfinite(value))
            continue;
        ft_print_f32(value, text);
        check_shortest((double)value, text, true);
    }
}

TEST(number_parse_like_strtod)
{
    ft_random random;
    ft_random_init(&random, 3, 0);
    for (int i = 0; i < 300000; i++) {
        char text[64];
        size_t size = 0;
        if (ft_random_next(&random) & 1)
            text[size++] = '-';
        const uint64_t digits = 1 + ft_random_next(&random) % 25;
        const uint64_t point = ft_random_next(&random) % (digits + 2);
        for (uint64_t d = 0; d < digits; d++) {
            if (d == point)
                text[size++] = '.';
            text[size++] = (char)('0' + ft_random_next(&random) % 10);
        }
        text[size] = '\0';
        if (ft_random_next(&random) & 1)
            size += (size_t)snprintf(text + size, 20, "e%d",
                                     (int)(ft_random_next(&random) % 680) - 340);
        double got = 0;
        const double want = strtod(text, NULL);
        const bool ok = ft_parse_float((ft_slice){text, size}, &got);
        check_true(ok == isfinite(want));
        if (ok)
            check_true(memcmp(&got, &want, sizeof(got)) == 0);
    }
}

TEST(number_parse_hard)
{
    // Halves between two floats, and just off them, longer than any fixed number of digits.
    static char text[1400];
    double got;
    memset(text, '0', sizeof(text));
    memcpy(text, "9007199254740993.", 17);
    check_true(ft_parse_float((ft_slice){text, 1300}, &got) && got == 9007199254740992.0);
    text[1299] = '1';
    check_true(ft_parse_float((ft_slice){text, 1300}, &got) && got == 9007199254740994.0);
    const char *const hard[] = {"2.2250738585072011e-308",
                                "2.4703282292062327e-324",
                                "4.9e-324",
                                "1.7976931348623158e308",
                                "8.41e21",
                                "9214843084008499",
                                "0.500000000000000166533453693773481063544750213623046875",
                                "3.518437208883201171875e13",
                                "0.000000000000000000000000000000000000000000000001e60"};
    for (size_t i = 0; i < FT_COUNT_OF(hard); i++)
        check_true(ft_parse_float(slice(hard[i]), &got) && got == strtod(hard[i], NULL));
}

TEST(number_parse_refuses)
{
    double got = 7;
    const char *const bad[] = {"",      "-",      ".",        "e5",   "1e",    "1e+",
                               "1x",    " 1",     "1 ",       "0x10", "1.2.3", "--1",
                               "1e999", "-1e999", "infinite", "+-1",  "1,5",   "nano"};
    for (size_t i = 0; i < FT_COUNT_OF(bad); i++)
        check_true(!ft_parse_float(slice(bad[i]), &got));
    check_true(got == 7);
    check_true(ft_parse_float(slice("1e-999"), &got) && got == 0);
    check_true(ft_parse_float(slice("1."), &got) && got == 1);
    check_true(ft_parse_float(slice("+.5"), &got) && got == 0.5);
    check_true(ft_parse_float(slice("-inf"), &got) && isinf(got) && got < 0);
    check_true(ft_parse_float(slice(".nan"), &got) && isnan(got));
    check_true(ft_parse_float(slice("0e99999999999999999999"), &got) && got == 0);
    check_true(!ft_parse_float(slice("1e99999999999999999999"), &got));
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
