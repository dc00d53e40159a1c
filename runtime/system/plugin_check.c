// Is a definition from outside one that the parser and the engine can use? What a wrong one in
// stages/ would show in the first test (a default that is not in range, an offset behind the
// config) would be a crash far from its cause here, so all of it is looked at before use.
//
// Bounds: a table that has no end within them is refused without being followed further. A pointer
// to nowhere cannot be told from a good one; abi and layout were compared before this.
#include <string.h>

#include "runtime/system/plugin_library.h"

enum {
    NAME_BYTES_MAX = 64,
    TEXT_BYTES_MAX = 4096,
    OPTIONS_MAX = 256,
    NAMES_MAX = 256,
    PORTS_MAX = 62,  // The engine's 64, less the main one and `errors`.
    STRUCT_BYTES_MAX = 16 << 20,
    THEN_MAX = 8,
};

static bool bad(ft_error *err, const char *stage, const char *what)
{
    return ft_fail(err, FT_ERROR_USAGE, "`%s`: %s", stage, what);
}

static bool is_name(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_";

    if (!name || !memchr(name, 0, NAME_BYTES_MAX + 1) || !name[0])
        return false;
    return name[strspn(name, letters)] == 0 && !(name[0] >= '0' && name[0] <= '9');
}

static bool is_text(const char *text)
{
    return text && memchr(text, 0, TEXT_BYTES_MAX);
}

// Bytes of the member that an option of that type is stored in; 0: there is no such type.
static size_t member_bytes(ft_option_type type)
{
    switch (type) {
    case FT_OPTION_STRING:
    case FT_OPTION_PATH:
    case FT_OPTION_MODEL:
    case FT_OPTION_FIELD:
    case FT_OPTION_EXPR:
        return sizeof(const char *);
    case FT_OPTION_CHOICE:
        return sizeof(int);
    case FT_OPTION_BOOL:
        return sizeof(bool);
    case FT_OPTION_INT:
    case FT_OPTION_COUNT:
    case FT_OPTION_SIZE:
    case FT_OPTION_DURATION:
        return sizeof(int64_t);
    case FT_OPTION_FLOAT:
        return sizeof(double);
    case FT_OPTION_STRINGS:
    case FT_OPTION_FIELDS:
        return sizeof(ft_strings);
    case FT_OPTION_MAP:
        return sizeof(ft_map);
    }
    return 0;
}

static bool check_names(const char *const *names, size_t most)
{
    size_t count = 0;

    while (names && count <= most && names[count])
        if (!is_text(names[count++]))
            return false;
    return count <= most;
}

// The default is read as a user's text would be; ft_option_defaults would abort at a wrong one.
static bool check_default(const ft_option *option, const ft_stage_def *def, ft_error *err)
{
    ft_error why = FT_ERROR_INIT;
    ft_arena *arena = option->fallback ? ft_arena_create() : NULL;

    if (!option->fallback)
        return true;
    void *config = arena ? ft_arena_zero(arena, 1, def->config_size) : NULL;
    bool ok = config && ft_option_set(option, config, ft_slice_of(option->fallback), arena, &why);
    bool nomem = !config || why.code == FT_ERROR_NOMEM;
    ft_arena_destroy(arena);
    if (ok)
        return true;
    if (nomem)
        return ft_fail_nomem(err, def->config_size);
    return ft_fail(err, FT_ERROR_USAGE, "`%s`: the default of its option `%s` is wrong: %s",
                   def->name, option->name, why.message);
}

static bool check_option(const ft_option *option, const ft_stage_def *def, ft_error *err)
{
    const char *fault = NULL;
    size_t bytes = member_bytes(option->type), end;

    if (!is_name(option->name))
        return bad(err, def->name, "an option's name is not of small letters, digits and `_`");
    if (bytes == 0)
        fault = "there is no such type";
    else if (FT_ADD_OVERFLOWS(option->offset, bytes, &end) || end > def->config_size)
        fault = "it lies outside of `config_size`";
    else if (option->type == FT_OPTION_CHOICE && (!option->choices || !option->choices[0]))
        fault = "it has no choices";
    else if (option->choices && !check_names(option->choices, NAMES_MAX))
        fault = "its choices have no end";
    else if (option->min > option->max || option->min_float > option->max_float)
        fault = "its least value is above its greatest";
    else if ((option->fallback && !is_text(option->fallback)) ||
             (option->doc && !is_text(option->doc)))
        fault = "a text of it has no end";
    if (!fault)
        return check_default(option, def, err);
    return ft_fail(err, FT_ERROR_USAGE, "`%s`: its option `%s` cannot be: %s", def->name,
                   option->name, fault);
}

static bool check_options(const ft_stage_def *def, ft_error *err)
{
    const ft_option *options = def->options;
    size_t mains = 0, count = 0;

    for (; options && options[count].name; count++) {
        if (count == OPTIONS_MAX)
            return bad(err, def->name, "its options have no end: FT_OPT_END is missing");
        if (!check_option(&options[count], def, err))
            return false;
        mains += options[count].is_main;
        for (size_t i = 0; i < count; i++)
            if (strcmp(options[i].name, options[count].name) == 0)
                return bad(err, def->name, "two of its options have one name");
    }
    return mains <= 1 || bad(err, def->name, "more than one of its options is the main one");
}

static bool check_functions(const ft_stage_def *def, ft_error *err)
{
    if (def->kind == FT_STAGE_SOURCE)
        return def->produce || bad(err, def->name, "a source needs `produce`");
    if (!def->process)
        return bad(err, def->name, "a transform or sink needs `process`");
    return !def->produce || bad(err, def->name, "only a source has `produce`");
}

static bool check_one(const ft_stage_def *def, ft_error *err)
{
    if (def->abi != FT_STAGE_ABI)
        return ft_fail(err, FT_ERROR_USAGE, "abi %u, and this program has abi %u",
                       (unsigned)def->abi, (unsigned)FT_STAGE_ABI);
    if (!is_name(def->name))
        return ft_fail(err, FT_ERROR_USAGE,
                       "its name is not of small letters, digits and `_`, at most %d",
                       NAME_BYTES_MAX);
    if (!is_text(def->summary) || (def->example && !is_text(def->example)))
        return bad(err, def->name, "it has no summary, or a text of it has no end");
    if ((unsigned)def->kind > FT_STAGE_SINK)
        return bad(err, def->name, "its kind is none of source, transform and sink");
    if ((unsigned)def->concurrency > FT_CONCURRENCY_ONE)
        return bad(err, def->name, "its concurrency is none of undeclared, any and one");
    if (def->config_size > STRUCT_BYTES_MAX || def->state_size > STRUCT_BYTES_MAX)
        return bad(err, def->name, "its config or its state is larger than 16 MiB");
    if (def->batch_items < 0)
        return bad(err, def->name, "`batch_items` is below 0");
    if (!check_names(def->ports, PORTS_MAX) || !check_names(def->counters, NAMES_MAX))
        return bad(err, def->name, "its ports or counters have no end");
    return check_functions(def, err) && check_options(def, err);
}

bool ft_plugin_check(const ft_stage_def *def, ft_error *err)
{
    const ft_stage_def *first = def;

    for (int i = 0; def; i++, def = def->then) {
        if (i == THEN_MAX)
            return bad(err, first->name, "`then` has no end");
        if (i > 0 && def->config_size != first->config_size)
            return bad(err, first->name, "what is behind it (`then`) has another config");
        if (!check_one(def, err))
            return false;
    }
    return true;
}
