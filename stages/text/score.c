// Steps are those of the reference, which is what gives its bits.
#include "stages/text/score.h"

#include <math.h>

#include "runtime/compiler.h"

#define TENS(n)                                                                               \
    1e##n##0, 1e##n##1, 1e##n##2, 1e##n##3, 1e##n##4, 1e##n##5, 1e##n##6, 1e##n##7, 1e##n##8, \
        1e##n##9
static const double powers[] = {
    TENS(0),  TENS(1),  TENS(2),  TENS(3),  TENS(4),  TENS(5),  TENS(6),  TENS(7),
    TENS(8),  TENS(9),  TENS(10), TENS(11), TENS(12), TENS(13), TENS(14), TENS(15),
    TENS(16), TENS(17), TENS(18), TENS(19), TENS(20), TENS(21), TENS(22), TENS(23),
    TENS(24), TENS(25), TENS(26), TENS(27), TENS(28), TENS(29), 1e300,    1e301,
    1e302,    1e303,    1e304,    1e305,    1e306,    1e307,    1e308};

// More than any power that leaves a number other than 0 or infinity.
enum { EXPONENT_MAX = 1 << 20 };

typedef struct scanner {
    ft_slice text;
    size_t at;
} scanner;

static bool take(scanner *s, char c)
{
    bool is_there = s->at < s->text.size && s->text.data[s->at] == c;

    s->at += is_there;
    return is_there;
}

// Digits as far as they fit; `*left` counts those that do not.
static size_t take_digits(scanner *s, uint64_t *number, size_t *left)
{
    size_t taken = 0;

    for (*left = 0; s->at < s->text.size; s->at++) {
        unsigned digit = (unsigned char)s->text.data[s->at] - (unsigned)'0';
        uint64_t more;
        if (digit > 9)
            break;
        bool fits = *left == 0 && !FT_MUL_OVERFLOWS(*number, 10u, &more) &&
                    !FT_ADD_OVERFLOWS(more, digit, &more);
        if (fits)
            *number = more;
        taken += fits;
        *left += !fits;
    }
    return taken;
}

static int take_exponent(scanner *s)
{
    uint64_t number = 0;
    size_t left;
    bool negative = take(s, '-');

    if (!negative)
        take(s, '+');
    take_digits(s, &number, &left);
    int exponent = left > 0 || number > EXPONENT_MAX ? EXPONENT_MAX : (int)number;
    return negative ? -exponent : exponent;
}

static double scale(double number, int exponent)
{
    for (; exponent < -308 && number != 0; exponent += 308)
        number /= 1e308;
    if (number == 0)
        return 0;
    if (exponent > 308)
        return (double)INFINITY;
    return exponent < 0 ? number / powers[-exponent] : number * powers[exponent];
}

bool ft_score_parse(ft_slice text, double *out)
{
    scanner s = {.text = text};
    uint64_t number = 0;
    size_t left, ignored;
    bool negative = take(&s, '-');

    if (text.size > EXPONENT_MAX || (take_digits(&s, &number, &left) == 0 && left == 0))
        return false;
    int exponent = (int)left;
    if (take(&s, '.'))
        exponent -= (int)take_digits(&s, &number, &ignored);
    if (take(&s, 'e') || take(&s, 'E'))
        exponent += take_exponent(&s);
    double found = scale((double)number, exponent);
    *out = negative ? -found : found;
    return s.at == text.size && !isinf(found);
}
