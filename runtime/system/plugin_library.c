// dlopen, and what is asked of a library before anything of it is called.
//
// The symbol is data, not a function: abi and layout are read without running code of a library
// that may have been made for another program. RTLD_NOW, so that a function which this program does
// not export is told at once and by name; RTLD_LOCAL, so that two plug-ins never see each other's
// symbols. The dynamic linker counts openings, and gives the same addresses for the same file: two
// stages of one library therefore have the same ft_plugin, by which the engine knows their domain.
#include "runtime/system/plugin_library.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "runtime/concurrent/atomic.h"
#include "runtime/system/file.h"

enum { PATH_BYTES = 4096, NAMES_BYTES = 160 };

struct ft_plugin_library {
    void *handle;
    const ft_plugin *plugin;
};

static ft_atomic_u32 keeps;  // ft_plugin_library_keep was called.

static bool refuse(ft_error *err, int number, const char *hint)
{
    err->number = number;
    ft_hint(err, "%s", hint);
    return false;
}

// What dlerror says, without the path in front that the message has already.
static const char *reason(const char *path)
{
    const char *text = dlerror();
    size_t size = strlen(path);

    if (!text)
        return "not known why";
    if (strncmp(text, path, size) == 0 && text[size] == ':')
        text += size + 1;
    return text + strspn(text, " ");
}

static bool open_handle(ft_plugin_library *library, const char *path, ft_error *err)
{
    char place[PATH_BYTES];

    // Without a slash dlopen would search the system's folders.
    if ((size_t)snprintf(place, sizeof(place), "%s%s", strchr(path, '/') ? "" : "./", path) >=
        sizeof(place)) {
        ft_fail(err, FT_ERROR_USAGE, "the path of the plug-in is too long");
        return refuse(err, FT_PLUGIN_NOT_OPENED, "Give a shorter path.");
    }
    if (ft_file_find(place) == FT_FILE_MISSING) {
        ft_fail(err, FT_ERROR_USAGE, "there is no plug-in `%s`", path);
        return refuse(
            err, FT_PLUGIN_NOT_OPENED,
            "Paths are relative to the pipeline's folder, then to the working directory.");
    }
    library->handle = dlopen(place, RTLD_NOW | RTLD_LOCAL);
    if (library->handle)
        return true;
    ft_fail(err, FT_ERROR_USAGE, "cannot load the plug-in `%s`: %s", path, reason(place));
    bool missing = strstr(err->message, "undefined symbol") != NULL;
    return refuse(err, FT_PLUGIN_NOT_OPENED,
                  missing ? "It calls what this program does not export: functions of "
                            "<ftpipe/stage.h> marked FT_API, and those of its own libraries."
                          : "It must be a shared library for this machine: `cc -shared -fPIC`.");
}

static bool check_versions(const ft_plugin *plugin, const char *path, ft_error *err)
{
    if (plugin->abi != FT_STAGE_ABI) {
        ft_fail(err, FT_ERROR_USAGE, "the plug-in `%s` has abi %u, and this program has abi %u",
                path, (unsigned)plugin->abi, (unsigned)FT_STAGE_ABI);
        return refuse(err, FT_PLUGIN_OTHER_ABI, "Build it anew with this version's headers.");
    }
    if (plugin->layout != FT_PLUGIN_LAYOUT) {
        ft_fail(err, FT_ERROR_USAGE,
                "the plug-in `%s` has layout %u of abi %u, and this program has layout %u", path,
                (unsigned)plugin->layout, (unsigned)plugin->abi, (unsigned)FT_PLUGIN_LAYOUT);
        return refuse(err, FT_PLUGIN_OTHER_ABI, "Build it anew with this version's headers.");
    }
    return true;
}

static bool check_stages(const ft_plugin *plugin, const char *path, ft_error *err)
{
    size_t count = 0;

    while (plugin->stages && count <= FT_PLUGIN_STAGES_MAX && plugin->stages[count]) {
        if (!ft_plugin_check(plugin->stages[count], err)) {
            ft_error_while(err, "plug-in `%s`, stage %zu", path, count + 1);
            return refuse(err, FT_PLUGIN_BAD_STAGE, "Mend the plug-in; nothing of it was called.");
        }
        for (size_t i = 0; i < count; i++)
            if (strcmp(plugin->stages[i]->name, plugin->stages[count]->name) == 0) {
                ft_fail(err, FT_ERROR_USAGE, "the plug-in `%s` has two stages `%s`", path,
                        plugin->stages[i]->name);
                return refuse(err, FT_PLUGIN_BAD_STAGE, "Give each a name of its own.");
            }
        count++;
    }
    if (count > 0 && count <= FT_PLUGIN_STAGES_MAX)
        return true;
    ft_fail(err, FT_ERROR_USAGE,
            count ? "the plug-in `%s` lists more than %d stages" : "the plug-in `%s` has no stages",
            path, FT_PLUGIN_STAGES_MAX);
    return refuse(err, FT_PLUGIN_BAD_STAGE,
                  "Write `FT_PLUGIN(&first, &second)` at the end of one of its files.");
}

static bool find_plugin(ft_plugin_library *library, const char *path, ft_error *err)
{
    library->plugin = dlsym(library->handle, FT_PLUGIN_SYMBOL);
    if (!library->plugin) {
        ft_fail(err, FT_ERROR_USAGE, "`%s` is a library without `%s`", path, FT_PLUGIN_SYMBOL);
        return refuse(err, FT_PLUGIN_NOT_ONE,
                      "A plug-in ends in `FT_PLUGIN(&its_stage);` (docs/writing-a-stage.md).");
    }
    return check_versions(library->plugin, path, err) && check_stages(library->plugin, path, err);
}

ft_plugin_library *ft_plugin_library_open(const char *path, ft_error *err)
{
    ft_plugin_library *library = ft_alloc_zero(1, sizeof(*library));

    if (!library) {
        ft_ignore(ft_fail_nomem(err, sizeof(*library)));  // Told by the NULL.
        return NULL;
    }
    if (open_handle(library, path, err) && find_plugin(library, path, err))
        return library;
    if (library->handle)
        dlclose(library->handle);
    ft_free(library);
    return NULL;
}

void ft_plugin_library_close(ft_plugin_library *library)
{
    if (!library)
        return;
    // Acquire pairs with the release in keep.
    if (!library->plugin->stays && !ft_atomic_load(&keeps, FT_ACQUIRE))
        dlclose(library->handle);
    ft_free(library);
}

void ft_plugin_library_keep(void)
{
    ft_atomic_store(&keeps, 1, FT_RELEASE);
}

const ft_plugin *ft_plugin_library_get(const ft_plugin_library *library)
{
    return library->plugin;
}

static const char *print_names(const ft_plugin *plugin, char out[NAMES_BYTES])
{
    size_t size = 0;

    out[0] = 0;
    for (size_t i = 0; plugin->stages[i] && size < NAMES_BYTES; i++)
        size += (size_t)snprintf(out + size, NAMES_BYTES - size, "%s`%s`", i ? ", " : "",
                                 plugin->stages[i]->name);
    return out;
}

const ft_stage_def *ft_plugin_library_find(const ft_plugin_library *library, ft_slice name,
                                           ft_error *err)
{
    const ft_plugin *plugin = library->plugin;
    char names[NAMES_BYTES];

    if (name.size == 0 && !plugin->stages[1])
        return plugin->stages[0];
    for (size_t i = 0; plugin->stages[i]; i++)
        if (ft_slice_is(name, plugin->stages[i]->name))
            return plugin->stages[i];
    if (name.size == 0)
        ft_fail(err, FT_ERROR_USAGE, "the plug-in has several stages, and none is named");
    else
        ft_fail(err, FT_ERROR_USAGE, "the plug-in has no stage `%.*s`",
                name.size < 80 ? (int)name.size : 80, name.data);
    err->number = FT_PLUGIN_NO_STAGE;
    ft_hint(err, "It has %s: write the name behind a `#`, as in `plugin: ./x.so#%s`.",
            print_names(plugin, names), plugin->stages[0]->name);
    return NULL;
}
