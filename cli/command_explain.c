// ftpipe explain: what a diagnostic's number means, from the catalogue of dsl/, and which functions
// expressions have, from the table of runtime/expr.
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "dsl/diagnostic.h"
#include "runtime/expr/expr.h"

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

static void list_functions_for(ft_expr_use use, const char *title)
{
    printf("%s\n", title);
    for (const ft_expr_function *f = ft_expr_functions; f->name; f++)
        if (f->use == use)
            printf("  %-28s %s\n", f->signature, f->doc);
}

static int list_functions(void)
{
    list_functions_for(FT_EXPR_ITEM, "everywhere:");
    list_functions_for(FT_EXPR_GATHER, "\nin `gather:`, over all items:");
    list_functions_for(FT_EXPR_GENERATE,
                       "\nin `generate:`, the same for a seed and an item's index:");
    return FT_EXIT_DONE;
}

static int explain(const ft_arguments *arguments)
{
    ft_error err = FT_ERROR_INIT;
    int number;

    if (arguments->operand_count == 0)
        return list_all();
    const char *text = arguments->operands[0];
    if (strcmp(text, "functions") == 0)
        return list_functions();
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
    .operands = "[E0311 | functions]",
    .summary = "say what a diagnostic means and how to mend it",
    .details = "Without a number it lists all of them; `functions` are those of expressions.\n",
    .flags = flags,
    .operands_max = 1,
    .run = explain,
};
