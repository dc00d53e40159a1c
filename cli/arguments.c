// Parsing against the table: --name VALUE, --name=VALUE, -n VALUE, -nVALUE, switches, operands,
// `--`.
#include "cli/arguments.h"

#include <stdio.h>
#include <string.h>

enum { NAMES_MAX = 48, HELP_COLUMN = 26 };

static const char *const color_words[] = {"auto", "always", "never", NULL};

const ft_flag ft_common_flags[] = {
    {"color", 0, "WHEN", color_words, "auto, always or never; NO_COLOR is honoured too"},
    {"help", 'h', NULL, NULL, "show this"},
    {NULL},
};

static const ft_flag *find_in(const ft_flag *flags, ft_slice name, char letter)
{
    for (; flags->name; flags++)
        if (letter ? flags->letter == letter : ft_slice_is(name, flags->name))
            return flags;
    return NULL;
}

static const ft_flag *find_flag(const ft_command *command, ft_slice name, char letter)
{
    const ft_flag *flag = find_in(command->flags, name, letter);
    return flag ? flag : find_in(ft_common_flags, name, letter);
}

static size_t add_names(const ft_flag *flags, const char **names, size_t count)
{
    for (; flags->name && count < NAMES_MAX - 1; flags++)
        if (flags->help)
            names[count++] = flags->name;
    return count;
}

static bool unrecognized(const ft_command *command, const char *word, ft_slice name, ft_error *err)
{
    const char *names[NAMES_MAX];
    size_t count = add_names(command->flags, names, 0);

    count = add_names(ft_common_flags, names, count);
    names[count] = NULL;
    ft_fail(err, FT_ERROR_USAGE, "unrecognized option `%s`", word);
    const char *nearest = ft_nearest(name, names);
    if (nearest)
        ft_hint(err, "Did you mean `--%s`?", nearest);
    else
        ft_hint(err, "`ftpipe %s --help` shows what there is.", command->name);
    return false;
}

static bool check_choice(const ft_flag *flag, const char *text, ft_error *err)
{
    if (!flag->choices)
        return true;
    for (const char *const *choice = flag->choices; *choice; choice++)
        if (strcmp(*choice, text) == 0)
            return true;
    ft_fail(err, FT_ERROR_USAGE, "`--%s` cannot be `%s`", flag->name, text);
    const char *nearest = ft_nearest(ft_slice_of(text), flag->choices);
    if (nearest)
        ft_hint(err, "Did you mean `%s`?", nearest);
    char all[128] = "";
    for (size_t i = 0, size = 0; flag->choices[i] && size < sizeof(all); i++)
        size += (size_t)snprintf(all + size, sizeof(all) - size, "%s%s", i ? ", " : "",
                                 flag->choices[i]);
    ft_hint(err, "It is one of %s.", all);
    return false;
}

typedef struct {
    ft_arguments *out;
    char **argv;
    int argc, at;
} reader;

static void add(reader *r, const ft_flag *flag, const char *text)
{
    r->out->items[r->out->count++] = (ft_argument){flag, text};
    if (!flag)
        r->out->operands[r->out->operand_count++] = text;
    else if (strcmp(flag->name, "help") == 0)
        r->out->wants_help = true;
}

// A flag with its value, which stands behind it: `joined` in the same word, else in the next.
static bool add_flag(reader *r, const ft_flag *flag, const char *word, const char *joined,
                     ft_error *err)
{
    if (!flag->value) {
        if (joined)
            return ft_fail(err, FT_ERROR_USAGE, "`--%s` takes no value", flag->name);
        add(r, flag, NULL);
        return true;
    }
    if (!joined && flag->is_optional) {
        add(r, flag, NULL);
        return true;
    }
    if (!joined && r->at == r->argc) {
        ft_fail(err, FT_ERROR_USAGE, "`%s` needs a value: %s", word, flag->value);
        return false;
    }
    const char *text = joined ? joined : r->argv[r->at++];
    if (!check_choice(flag, text, err))
        return false;
    add(r, flag, text);
    return true;
}

static bool read_long(reader *r, const char *word, ft_error *err)
{
    const char *equals = strchr(word, '=');
    ft_slice name = ft_slice_of(word + 2);

    if (equals)
        name.size = (size_t)(equals - word) - 2;
    const ft_flag *flag = find_flag(r->out->command, name, 0);
    if (!flag)
        return unrecognized(r->out->command, word, name, err);
    return add_flag(r, flag, word, equals ? equals + 1 : NULL, err);
}

static bool read_letter(reader *r, const char *word, ft_error *err)
{
    const ft_flag *flag = find_flag(r->out->command, FT_SLICE(""), word[1]);

    if (!flag)
        return unrecognized(r->out->command, word, ft_slice_of(word + 1), err);
    return add_flag(r, flag, word, word[2] ? word + 2 : NULL, err);
}

static bool check_operands(const ft_arguments *arguments, ft_error *err)
{
    const ft_command *command = arguments->command;

    if (arguments->wants_help)
        return true;
    if (arguments->operand_count > command->operands_max) {
        ft_fail(err, FT_ERROR_USAGE, "`%s` is one argument too many",
                arguments->operands[command->operands_max]);
        ft_hint(err, "usage: ftpipe %s [options] %s", command->name, command->operands);
        return false;
    }
    if (arguments->operand_count < command->operands_min) {
        ft_fail(err, FT_ERROR_USAGE, "`ftpipe %s` needs %s", command->name, command->operands);
        ft_hint(err, "`ftpipe %s --help` shows how.", command->name);
        return false;
    }
    return true;
}

bool ft_arguments_parse(ft_arguments *arguments, int argc, char **argv, ft_error *err)
{
    reader r = {arguments, argv, argc, 0};
    bool flags_ended = false;

    arguments->items = ft_arena_zero(arguments->arena, (size_t)argc + 1, sizeof(ft_argument));
    arguments->operands = ft_arena_zero(arguments->arena, (size_t)argc + 1, sizeof(char *));
    if (!arguments->items || !arguments->operands)
        return ft_fail_nomem(err, (size_t)argc * sizeof(ft_argument));
    while (r.at < argc) {
        const char *word = argv[r.at++];
        bool is_flag = !flags_ended && word[0] == '-' && word[1];
        bool ok = true;
        if (is_flag && strcmp(word, "--") == 0)
            flags_ended = true;
        else if (is_flag)
            ok = word[1] == '-' ? read_long(&r, word, err) : read_letter(&r, word, err);
        else
            add(&r, NULL, word);
        if (!ok)
            return false;
    }
    return check_operands(arguments, err);
}

const char *ft_arguments_get(const ft_arguments *arguments, const char *name)
{
    for (size_t i = arguments->count; i > 0; i--) {
        const ft_argument *item = &arguments->items[i - 1];
        if (item->flag && strcmp(item->flag->name, name) == 0)
            return item->text ? item->text : "";
    }
    return NULL;
}

bool ft_arguments_has(const ft_arguments *arguments, const char *name)
{
    return ft_arguments_get(arguments, name) != NULL;
}

bool ft_arguments_get_count(const ft_arguments *arguments, const char *name, int64_t min,
                            int64_t *out, ft_error *err)
{
    const char *text = ft_arguments_get(arguments, name);
    int64_t value;

    if (!text)
        return true;
    if (!ft_parse_count(ft_slice_of(text), &value) || value < min)
        return ft_fail(err, FT_ERROR_USAGE, "`--%s` is a whole number from %lld on, not `%s`", name,
                       (long long)min, text);
    *out = value;
    return true;
}

bool ft_arguments_get_size(const ft_arguments *arguments, const char *name, int64_t min,
                           int64_t *out, ft_error *err)
{
    const char *text = ft_arguments_get(arguments, name);
    int64_t value;

    if (!text)
        return true;
    if (!ft_parse_size(ft_slice_of(text), &value))
        return ft_fail(err, FT_ERROR_USAGE, "`--%s` is a size such as 512MiB or 2GiB, not `%s`",
                       name, text);
    if (value < min)
        return ft_fail(err, FT_ERROR_USAGE, "`--%s` is at least %lld MiB, not `%s`", name,
                       (long long)(min >> 20), text);
    *out = value;
    return true;
}

static void print_flags(const ft_flag *flags)
{
    for (; flags->name; flags++) {
        char left[64];
        if (!flags->help)
            continue;
        const char *before = flags->is_optional ? "[=" : flags->value ? " " : "";
        int size =
            snprintf(left, sizeof(left), "  %c%c%s--%s%s%s%s", flags->letter ? '-' : ' ',
                     flags->letter ? flags->letter : ' ', flags->letter ? ", " : "  ", flags->name,
                     before, flags->value ? flags->value : "", flags->is_optional ? "]" : "");
        printf("%-*s%s%s\n", HELP_COLUMN, left, size >= HELP_COLUMN ? "  " : "", flags->help);
    }
}

void ft_command_print_help(const ft_command *command)
{
    printf("ftpipe %s - %s\n\nusage: ftpipe %s [options]%s%s\n\n", command->name, command->summary,
           command->name, *command->operands ? " " : "", command->operands);
    print_flags(command->flags);
    print_flags(ft_common_flags);
    if (command->details)
        printf("\n%s", command->details);
}
