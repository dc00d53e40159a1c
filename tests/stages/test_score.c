// Scores of a tokenizer.json, to the bit. What is wanted is what tokenizers 0.23.3 wrote after it
// had read a file with the score in it.
#include <string.h>

#include "stages/text/score.h"
#include "tests/check.h"

TEST(scores_are_rounded_as_the_reference_does)
{
    static const struct {
        const char *text;
        double wanted;
    } rows[] = {
        // Pieces of t5-small: the nearest double is another.
        {"-2.0122928619384766", -0x1.0192d00000001p+1},
        {"-12.130167007446289", -0x1.842a53fffffffp+3},
        {"-7.4351983070373535", -0x1.dbda4a0000000p+2},
        {"-9.70123456789012345678901234567890", -0x1.36708379fd356p+3},
        {"0", 0},
        {"-0", -0.0},
        {"-1", -1},
        {"1E+2", 100},
        {"0.1", 0x1.999999999999ap-4},
        {"0.30000000000000004", 0x1.3333333333334p-2},
        {"18446744073709551616.5", 0x1p+64},
        {"1844674407370955161699.25e-3", 0x1.999999999999ap+60},
        {"1e308", 0x1.1ccf385ebc8a0p+1023},
        {"123e-330", 0},
        {"1e-99999999999", 0},
        {"0e99999999999", 0},
        {"-4.9e-324", -0x0.0000000000001p-1022},
        {"2.2250738585072011e-308", 0x1p-1022},
    };

    for (size_t i = 0; i < FT_COUNT_OF(rows); i++) {
        double found;
        check_true(ft_score_parse(ft_slice_of(rows[i].text), &found));
        // Zeros of either sign are not the same here.
        check_true(memcmp(&found, &rows[i].wanted, sizeof(found)) == 0);
    }
}

TEST(scores_that_are_none)
{
    static const char *const rows[] = {"", "-", ".5", "1e309", "-1e99999999999", "1x", "1e2x", "x"};
    double found;

    for (size_t i = 0; i < FT_COUNT_OF(rows); i++)
        check_true(!ft_score_parse(ft_slice_of(rows[i]), &found));
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
