// The catalogue of diagnostics: what `ftpipe explain` prints and docs/errors.md holds. Sorted by
// number; a test compares it with the numbers that are reported.
#include "dsl/diagnostic.h"

#define WRONG "\n\nWrong:\n"
#define RIGHT "\nRight:\n"

const ft_explanation ft_explanations[] = {
#include "dsl/explain_keys.h"
#include "dsl/explain_plan.h"
    {0, NULL, NULL},
};

const ft_explanation *ft_explanation_find(int number)
{
    for (const ft_explanation *one = ft_explanations; one->number; one++)
        if (one->number == number)
            return one;
    return NULL;
}
