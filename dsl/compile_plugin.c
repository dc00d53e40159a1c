// `plugin: PATH` or `plugin: PATH#STAGE`: a stage from a shared library. The path is looked for
// beside the pipeline, then in the working directory, as scripts are; what stands behind the last
// `#` names the stage, and may be left out when the library has only one. All options of the stage,
// the main one too, are further keys.
//
// Compiling loads the library, in `check` too: without its definitions neither options nor types
// are known. It is unloaded with the plan, behind all that stages have put into the plan's arena.
#include <string.h>

#include "dsl/compilation.h"
#include "runtime/system/file.h"
#include "runtime/system/plugin_library.h"

enum { NUMBER_UNDECLARED = 902, NUMBER_FAILED = 903 };

static void close_library(void *library)
{
    ft_plugin_library_close(library);
}

static bool refuse(ft_compiler *c, const ft_yaml_node *at, const ft_error *err)
{
    if (err->code == FT_ERROR_NOMEM)
        return ft_compiler_nomem(c);
    return ft_compiler_refuse(c, &(ft_diagnostic){.number = err->number,
                                                  .mark = at->mark,
                                                  .message = FT_SAY(c, "%s", err->message),
                                                  .help = ft_compiler_help(c, err->hint)});
}

// Beside the pipeline if it is there, else as it is written. NULL without memory.
static const char *resolve(ft_compiler *c, const char *path)
{
    const ft_environment *environment = c->settings->environment;
    const char *folder = environment ? environment->pipeline_folder : NULL;

    if (!folder || !*folder)
        return path;
    const char *beside = ft_path_join(c->plan->arena, folder, path);
    return !beside || ft_file_find(beside) != FT_FILE_MISSING ? beside : path;
}

// Cuts "x.so#upper" at the last `#`.
static const char *cut(ft_compiler *c, ft_slice text, ft_slice *out_name)
{
    size_t size = text.size;

    while (size > 0 && text.data[size - 1] != '#')
        size--;
    *out_name = size > 0 ? (ft_slice){text.data + size, text.size - size} : FT_SLICE("");
    if (size > 0)
        text.size = size - 1;
    return ft_arena_text(c->plan->arena, text);
}

static void warn(ft_compiler *c, const ft_stage_entry *entry, const char *path)
{
    ft_plugin_verdict verdict =
        c->settings->plugin_verdict ? c->settings->plugin_verdict(path) : FT_PLUGIN_UNTESTED;
    ft_diagnostic fault = {.severity = FT_SEVERITY_WARNING, .mark = entry->type->value->mark};
    bool declared = entry->def->concurrency != FT_CONCURRENCY_UNDECLARED;
    const char *name = entry->def->name;

    if (verdict == FT_PLUGIN_FAILED) {
        fault.number = NUMBER_FAILED;
        fault.message = FT_SAY(c, "the plug-in of `%s` failed its test with many threads", name);
        fault.help = FT_SAY(c, "`ftpipe doctor --plugin %s` shows what was found", path);
    } else if (!declared && verdict == FT_PLUGIN_UNTESTED) {
        fault.number = NUMBER_UNDECLARED;
        fault.message = FT_SAY(c,
                               "`%s` does not say how many threads it can stand: serial, at most "
                               "one core works in all such stages of its library",
                               name);
        fault.help = FT_SAY(
            c, "set `.concurrency` in the plug-in; `ftpipe doctor --plugin %s` tests it", path);
    } else {
        return;
    }
    ft_compiler_refuse(c, &fault);
}

static bool open_stage(ft_compiler *c, ft_stage_entry *entry, const char *path, ft_slice name,
                       ft_error *err)
{
    ft_plugin_library *library = ft_plugin_library_open(path, err);

    if (!library)
        return false;
    if (!ft_arena_defer(c->plan->arena, close_library, library)) {
        ft_plugin_library_close(library);
        return ft_fail_nomem(err, sizeof(library));
    }
    entry->def = ft_plugin_library_find(library, name, err);
    if (entry->def && entry->def->concurrency == FT_CONCURRENCY_UNDECLARED)
        entry->domain = ft_plugin_library_get(library);
    return entry->def != NULL;
}

bool ft_compile_plugin(ft_compiler *c, ft_stage_entry *entry, const ft_yaml_pair *pair)
{
    const ft_yaml_node *value = ft_params_fill(c, pair->value);
    ft_error err = FT_ERROR_INIT;
    ft_slice name;

    if (!value)
        return false;
    if (value->kind != FT_YAML_SCALAR || value->text.size == 0 ||
        memchr(value->text.data, 0, value->text.size))
        return ft_compiler_refuse(c, &(ft_diagnostic){.number = 102,
                                                      .mark = pair->key->mark,
                                                      .message = "`plugin` needs the path of a "
                                                                 "shared library",
                                                      .help = "write `plugin: ./x.so`, or "
                                                              "`plugin: ./x.so#stage`"});
    const char *given = cut(c, value->text, &name), *path = given ? resolve(c, given) : NULL;
    if (!path)
        return ft_compiler_nomem(c);
    entry->type = pair;
    entry->type_at = pair->key;
    entry->is_long = true;
    entry->library = path;
    if (!open_stage(c, entry, path, name, &err))
        return refuse(c, pair->value, &err);
    warn(c, entry, path);
    return true;
}
