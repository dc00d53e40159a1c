// The list of facts. All of it lives in one arena; without memory a fact is left out and `failed`
// says so at the end.
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/doctor.h"

enum { TEXT_BYTES = 320, PATH_BYTES = 512, LINE_BYTES = 512 };

void ft_facts_add(ft_facts *facts, ft_fact fact)
{
    if (facts->count == facts->capacity) {
        size_t capacity = facts->capacity ? 2 * facts->capacity : 64;
        ft_fact *items = ft_arena_zero(facts->arena, capacity, sizeof(*items));
        if (!items) {
            facts->failed = true;
            return;
        }
        if (facts->count)
            memcpy(items, facts->items, facts->count * sizeof(*items));
        facts->items = items;
        facts->capacity = capacity;
    }
    facts->items[facts->count++] = fact;
}

const char *ft_facts_text(ft_facts *facts, const char *format, ...)
{
    char text[TEXT_BYTES];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    const char *copy = ft_arena_text(facts->arena, ft_slice_of(text));
    if (!copy)
        facts->failed = true;
    return copy ? copy : "";
}

const char *ft_facts_line(ft_facts *facts, const char *path)
{
    char full[PATH_BYTES], line[LINE_BYTES];

    snprintf(full, sizeof(full), "%s%s", facts->root, path);
    FILE *file = fopen(full, "re");
    if (!file)
        return NULL;
    bool read = fgets(line, sizeof(line), file) != NULL;
    fclose(file);
    if (!read)
        return NULL;
    line[strcspn(line, "\n")] = 0;
    return ft_facts_text(facts, "%s", line);
}
