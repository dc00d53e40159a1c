// ftpipe explain: what a diagnostic's number means, from the catalogue of dsl/.
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "dsl/diagnostic.h"

enum { WARNINGS_FROM = 9000 };

static const ft_flag flags[] = {{NULL}};

static void print_number(int number)
{
    printf("E%04d", number);
}

static int list_all(void)
{
    for (const ft_explanation *e = ft_explanations; e->number; e++) {
        print_number(e->number);
        printf("  %s\n", e->title);
    }
    return FT_EXIT_DONE;
}

// "E0311", "e311", "W0101" or "311".
static bool read_number(const char *text, int *out)
{
    ft_slice digits = ft_slice_of(text);
    int64_t value;

    if (digits.size > 0 && strchr("EeWw", digits.data[0])) {
        digits.data++;
        digits.size--;
    }
    if (!ft_parse_int(digits, &value) || value < 1 || value > WARNINGS_FROM)
        return false;
    *out = (int)value;
    return true;
}

static int explain(const ft_arguments *arguments)
{
    ft_error err = FT_ERROR_INIT;
    int number;

    if (arguments->operand_count == 0)
        return list_all();
    const char *text = arguments->operands[0];
    const ft_explanation *found = read_number(text, &number) ? ft_explanation_find(number) : NULL;
    if (!found) {
        ft_fail(&err, FT_ERROR_USAGE, "there is no diagnostic `%s`", text);
        ft_hint(&err, "`ftpipe explain` lists all of them.");
        return ft_command_fail(FT_EXIT_USAGE, &err);
    }
    print_number(found->number);
    printf(": %s\n\n%s", found->title, found->text);
    size_t size = strlen(found->text);
    if (size == 0 || found->text[size - 1] != '\n')
        printf("\n");
    return FT_EXIT_DONE;
}

const ft_command ft_command_explain = {
    .name = "explain",
    .operands = "[E0311]",
    .summary = "say what a diagnostic means and how to mend it",
    .details = "Without a number it lists all of them.\n",
    .flags = flags,
    .operands_max = 1,
    .run = explain,
};
