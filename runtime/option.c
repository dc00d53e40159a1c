// Option tables: defaults, one scalar or list into its member, and the type in words.
//
// Errors name the option and quote what the user wrote; dsl/ puts place and stage around them.
#include "runtime/option.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

size_t ft_option_count(const ft_option *options)
{
    size_t count = 0;

    while (options && options[count].name)
        count++;
    return count;
}

const ft_option *ft_option_find(const ft_option *options, ft_slice name)
{
    for (; options && options->name; options++)
        if (ft_slice_is(name, options->name))
            return options;
    return NULL;
}

const ft_option *ft_option_find_main(const ft_option *options)
{
    for (; options && options->name; options++)
        if (options->is_main)
            return options;
    return NULL;
}

static void *member(const ft_option *option, void *config)
{
    return (char *)config + option->offset;
}

static bool refuse(const ft_option *option, ft_slice text, const char *wanted, ft_error *err)
{
    int shown = text.size < 80 ? (int)text.size : 80;

    ft_fail(err, FT_ERROR_USAGE, "`%s` is %s, not `%.*s`", option->name, wanted, shown,
            text.data ? text.data : "");
    return ft_error_at(err, option->name, 0, 0);
}

static bool set_text(const ft_option *option, void *config, ft_slice text, ft_arena *arena,
                     ft_error *err)
{
    const char *copy = ft_arena_text(arena, text);

    if (!copy)
        return ft_fail_nomem(err, text.size);
    if (text.size > 0 && memchr(text.data, 0, text.size))
        return refuse(option, text, "text without NUL", err);
    memcpy(member(option, config), &copy, sizeof(copy));
    return true;
}

static bool set_choice(const ft_option *option, void *config, ft_slice text, ft_error *err)
{
    char names[160];
    size_t size = 0;

    for (int i = 0; option->choices[i]; i++) {
        if (ft_slice_is(text, option->choices[i])) {
            memcpy(member(option, config), &i, sizeof(i));
            return true;
        }
        const char *separator = i == 0 ? "" : option->choices[i + 1] ? ", " : " or ";
        if (size < sizeof(names))
            size += (size_t)snprintf(names + size, sizeof(names) - size, "%s%s", separator,
                                     option->choices[i]);
    }
    refuse(option, text, names, err);
    const char *nearest = ft_nearest(text, option->choices);
    if (nearest)
        ft_hint(err, "Did you mean `%s`?", nearest);
    return false;
}

static bool set_bool(const ft_option *option, void *config, ft_slice text, ft_error *err)
{
    static const char *const other_words[] = {"yes",   "no", "on", "off", "True",
                                              "False", "1",  "0",  NULL};
    bool value = ft_slice_is(text, "true");

    if (value || ft_slice_is(text, "false")) {
        memcpy(member(option, config), &value, sizeof(value));
        return true;
    }
    refuse(option, text, "true or false", err);
    for (int i = 0; other_words[i]; i++)
        if (ft_slice_is(text, other_words[i]))
            ft_hint(err, "Write `%s: %s`.", option->name, i % 2 ? "false" : "true");
    return false;
}

// "INT, COUNT, SIZE, DURATION" in the words of their unit; `out` as a user would write `value`.
static void print_bound(ft_option_type type, int64_t value, char out[FT_NUMBER_BYTES])
{
    static const struct {
        ft_option_type type;
        int64_t factor;
        const char *unit;
    } units[] = {
        {FT_OPTION_COUNT, 1000000000, "G"}, {FT_OPTION_COUNT, 1000000, "M"},
        {FT_OPTION_COUNT, 1000, "k"},       {FT_OPTION_SIZE, INT64_C(1) << 40, "TiB"},
        {FT_OPTION_SIZE, 1 << 30, "GiB"},   {FT_OPTION_SIZE, 1 << 20, "MiB"},
        {FT_OPTION_SIZE, 1 << 10, "KiB"},   {FT_OPTION_DURATION, 3600000, "h"},
        {FT_OPTION_DURATION, 60000, "m"},   {FT_OPTION_DURATION, 1000, "s"},
        {FT_OPTION_DURATION, 1, "ms"},
    };

    for (size_t i = 0; i < FT_COUNT_OF(units); i++) {
        if (units[i].type != type || value == 0 || value % units[i].factor != 0)
            continue;
        size_t size = ft_print_int(value / units[i].factor, out);
        snprintf(out + size, FT_NUMBER_BYTES - size, "%s", units[i].unit);
        return;
    }
    ft_print_int(value, out);
}

static const char *number_words(ft_option_type type)
{
    return type == FT_OPTION_COUNT      ? "a count such as 64 or 10k"
           : type == FT_OPTION_SIZE     ? "a size such as 64KiB or 1GiB"
           : type == FT_OPTION_DURATION ? "a duration such as 200ms or 5s"
                                        : "a whole number";
}

static bool set_number(const ft_option *option, void *config, ft_slice text, ft_error *err)
{
    int64_t value = 0;
    bool ok = option->type == FT_OPTION_COUNT      ? ft_parse_count(text, &value)
              : option->type == FT_OPTION_SIZE     ? ft_parse_size(text, &value)
              : option->type == FT_OPTION_DURATION ? ft_parse_duration(text, &value)
                                                   : ft_parse_int(text, &value);
    if (!ok)
        return refuse(option, text, number_words(option->type), err);
    if ((option->min != 0 || option->max != 0) && (value < option->min || value > option->max)) {
        char low[FT_NUMBER_BYTES], high[FT_NUMBER_BYTES];
        print_bound(option->type, option->min, low);
        print_bound(option->type, option->max, high);
        ft_fail(err, FT_ERROR_USAGE, "`%s` is between %s and %s, not %.*s", option->name, low, high,
                text.size < 80 ? (int)text.size : 80, text.data);
        return ft_error_at(err, option->name, 0, 0);
    }
    memcpy(member(option, config), &value, sizeof(value));
    return true;
}

static bool set_float(const ft_option *option, void *config, ft_slice text, ft_error *err)
{
    double value;

    if (!ft_parse_float(text, &value) || isnan(value))
        return refuse(option, text, "a number", err);
    bool bounded = option->min_float < option->max_float;
    if (bounded && (value < option->min_float || value > option->max_float)) {
        ft_fail(err, FT_ERROR_USAGE, "`%s` is between %g and %g, not %.*s", option->name,
                option->min_float, option->max_float, text.size < 80 ? (int)text.size : 80,
                text.data);
        return ft_error_at(err, option->name, 0, 0);
    }
    memcpy(member(option, config), &value, sizeof(value));
    return true;
}

bool ft_option_set(const ft_option *option, void *config, ft_slice text, ft_arena *arena,
                   ft_error *err)
{
    switch (option->type) {
    case FT_OPTION_STRING:
    case FT_OPTION_PATH:
    case FT_OPTION_MODEL:
    case FT_OPTION_FIELD:
    case FT_OPTION_EXPR:
        return set_text(option, config, text, arena, err);
    case FT_OPTION_CHOICE:
        return set_choice(option, config, text, err);
    case FT_OPTION_BOOL:
        return set_bool(option, config, text, err);
    case FT_OPTION_INT:
    case FT_OPTION_COUNT:
    case FT_OPTION_SIZE:
    case FT_OPTION_DURATION:
        return set_number(option, config, text, err);
    case FT_OPTION_FLOAT:
        return set_float(option, config, text, err);
    case FT_OPTION_STRINGS:
    case FT_OPTION_FIELDS:
        return ft_option_set_strings(option, config, &text, 1, arena, err);
    case FT_OPTION_MAP:
        break;
    }
    return refuse(option, text, "a mapping of names to values", err);
}

static const char **copy_texts(const ft_slice *items, size_t count, ft_arena *arena)
{
    const char **copies = ft_arena_zero(arena, count, sizeof(*copies));

    for (size_t i = 0; copies && i < count; i++) {
        copies[i] = ft_arena_text(arena, items[i]);
        if (!copies[i])
            return NULL;
    }
    return copies;
}

bool ft_option_set_strings(const ft_option *option, void *config, const ft_slice *items,
                           size_t count, ft_arena *arena, ft_error *err)
{
    FT_ASSERT(option->type == FT_OPTION_STRINGS || option->type == FT_OPTION_FIELDS);
    ft_strings list = {count, copy_texts(items, count, arena)};
    if (!list.items)
        return ft_fail_nomem(err, count * sizeof(*items));
    memcpy(member(option, config), &list, sizeof(list));
    return true;
}

bool ft_option_set_map(const ft_option *option, void *config, const ft_slice *names,
                       const ft_slice *texts, const bool *quoted, size_t count, ft_arena *arena,
                       ft_error *err)
{
    FT_ASSERT(option->type == FT_OPTION_MAP);
    bool *flags = ft_arena_zero(arena, count, sizeof(*flags));
    ft_map map = {count, copy_texts(names, count, arena), copy_texts(texts, count, arena), flags};
    if (!flags || !map.names || !map.texts)
        return ft_fail_nomem(err, count * sizeof(*names));
    if (count > 0)
        memcpy(flags, quoted, count * sizeof(*flags));
    memcpy(member(option, config), &map, sizeof(map));
    return true;
}

bool ft_option_defaults(const ft_option *options, void *config, ft_arena *arena, ft_error *err)
{
    for (; options && options->name; options++) {
        if (!options->fallback)
            continue;
        if (ft_option_set(options, config, ft_slice_of(options->fallback), arena, err))
            continue;
        FT_ASSERT(err->code == FT_ERROR_NOMEM);
        return false;
    }
    return true;
}

static const char *print_choices(const char *const *choices, const char *behind, ft_arena *arena)
{
    const char *text = "";

    for (; *choices && text; choices++)
        text = ft_arena_format(arena, "%s%s%s", text, *text ? "|" : "", *choices);
    if (text && behind)
        text = ft_arena_format(arena, "%s%s%s", text, *text ? "|" : "", behind);
    return text;
}

static const char *print_range(const ft_option *option, const char *word, ft_arena *arena)
{
    char low[FT_NUMBER_BYTES], high[FT_NUMBER_BYTES];

    if (option->min == 0 && option->max == 0)
        return word;
    print_bound(option->type, option->min, low);
    print_bound(option->type, option->max, high);
    if (option->max == INT64_MAX)
        return ft_arena_format(arena, "%s from %s", word, low);
    return ft_arena_format(arena, "%s %s..%s", word, low, high);
}

const char *ft_option_print_type(const ft_option *option, ft_arena *arena)
{
    switch (option->type) {
    case FT_OPTION_STRING:
        return "text";
    case FT_OPTION_PATH:
        return "path";
    case FT_OPTION_MODEL:
        return option->choices ? print_choices(option->choices, "model", arena) : "model";
    case FT_OPTION_FIELD:
        return "field";
    case FT_OPTION_EXPR:
        return "expression";
    case FT_OPTION_CHOICE:
        return print_choices(option->choices, NULL, arena);
    case FT_OPTION_BOOL:
        return "true|false";
    case FT_OPTION_INT:
        return print_range(option, "integer", arena);
    case FT_OPTION_COUNT:
        return print_range(option, "count", arena);
    case FT_OPTION_SIZE:
        return print_range(option, "size", arena);
    case FT_OPTION_DURATION:
        return print_range(option, "duration", arena);
    case FT_OPTION_FLOAT:
        if (option->min_float < option->max_float)
            return ft_arena_format(arena, "number %g..%g", option->min_float, option->max_float);
        return "number";
    case FT_OPTION_STRINGS:
        return "list of texts";
    case FT_OPTION_FIELDS:
        return "list of fields";
    case FT_OPTION_MAP:
        break;
    }
    return "mapping";
}
