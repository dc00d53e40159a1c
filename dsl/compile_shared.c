// What only one stage may have: standard input is read once, and a file is written by one sink.
// Paths are compared as they are written, without `./` in front; what a path leads to is not looked
// up, except that devices and pipes may be written by several.
#include <string.h>

#include "dsl/compilation.h"
#include "runtime/system/file.h"

enum { NUMBER_ONE_READER = 213, NUMBER_ONE_WRITER = 214 };

// The path of a `read` or `write`; NULL: another stage, or one with a fault.
static const char *path_of(const ft_stage_entry *entry, const char *type)
{
    const ft_option *option;
    const char *path;

    if (entry->failed || !entry->node || strcmp(entry->def->name, type) != 0)
        return NULL;
    option = ft_option_find_main(entry->def->options);
    if (!option || option->type != FT_OPTION_PATH)
        return NULL;
    memcpy(&path, (const char *)entry->node->config + option->offset, sizeof(path));
    while (path && path[0] == '.' && path[1] == '/')
        path += 2;
    return path;
}

// Where the path is written: behind the stage's key, or by its own name.
static ft_mark place_of(const ft_stage_entry *entry)
{
    const ft_option *option = ft_option_find_main(entry->def->options);
    const ft_yaml_pair *by_name = ft_yaml_find(entry->yaml, option->name);

    return by_name          ? by_name->value->mark
           : entry->is_long ? entry->type_at->mark
                            : entry->type->value->mark;
}

static bool is_standard_input(const char *path)
{
    return strcmp(path, "-") == 0 || strcmp(path, "/dev/stdin") == 0;
}

static const ft_stage_entry *find_same(const ft_compiler *c, size_t at, const char *type)
{
    const char *path = path_of(&c->entries[at], type);

    if (!path || (strcmp(type, "read") == 0) != is_standard_input(path))
        return NULL;
    for (size_t i = 0; i < at; i++) {
        const char *other = path_of(&c->entries[i], type);
        if (other &&
            (strcmp(type, "read") == 0 ? is_standard_input(other) : strcmp(path, other) == 0))
            return ft_file_find(path) == FT_FILE_OTHER && strcmp(type, "write") == 0
                       ? NULL
                       : &c->entries[i];
    }
    return NULL;
}

static void refuse_second(ft_compiler *c, const ft_stage_entry *entry, const ft_stage_entry *first,
                          ft_diagnostic fault)
{
    fault.mark = place_of(entry);
    fault.has_other = true;
    fault.other = place_of(first);
    fault.label = "again here";
    fault.other_label = "first here";
    ft_compiler_refuse(c, &fault);
}

void ft_compile_shared(ft_compiler *c)
{
    for (size_t i = 0; i < c->entry_count && !ft_compiler_has_enough(c); i++) {
        const ft_stage_entry *entry = &c->entries[i], *first = find_same(c, i, "read");

        if (first)
            refuse_second(c, entry, first,
                          (ft_diagnostic){.number = NUMBER_ONE_READER,
                                          .message = "two stages read standard input, and each "
                                                     "would get a part of it",
                                          .help = FT_SAY(c,
                                                         "read it once; other stages can have "
                                                         "`input: %s`",
                                                         first->name)});
        first = find_same(c, i, "write");
        if (first)
            refuse_second(
                c, entry, first,
                (ft_diagnostic){
                    .number = NUMBER_ONE_WRITER,
                    .message = FT_SAY(c, "two stages write `%s`",
                                      ft_compiler_quote(c, ft_slice_of(path_of(entry, "write")))),
                    .help = "give each a file of its own, or let one of them read from "
                            "both: `input: [A, B]`"});
    }
}
