// ftpipe version: what this program is, what it stands on, what of the machine it uses.
#include <stdio.h>

#include <lua.h>
#include <yaml.h>
#ifndef FT_SANITIZED
#include <mimalloc.h>
#endif
#ifdef FT_HAVE_SODIUM
#include <sodium.h>
#endif
#ifdef FT_HAVE_ZLIB
#include <zlib.h>
#endif
#ifdef FT_HAVE_ZSTD
#include <zstd.h>
#endif

#include "cli/command.h"
#include "runtime/data/json.h"
#include "runtime/system/topology.h"
#include "stages/nn/kernel/isa.h"

enum { TEXT_BYTES = 40, OUTPUT_BYTES_MAX = 16 * 1024 };

static const ft_flag flags[] = {
    {"json", 0, NULL, NULL, "one JSON object"},
    {NULL},
};

typedef struct {
    const char *name;
    char version[TEXT_BYTES];  // Empty: not built in.
} library;

enum { LIBRARY_COUNT = 6 };

static void find_libraries(library out[LIBRARY_COUNT])
{
    int major, minor, patch;

    yaml_get_version(&major, &minor, &patch);
    out[0].name = "libyaml";
    snprintf(out[0].version, TEXT_BYTES, "%d.%d.%d", major, minor, patch);
    out[1].name = "lua";
    snprintf(out[1].version, TEXT_BYTES, "%s.%s.%s", LUA_VERSION_MAJOR, LUA_VERSION_MINOR,
             LUA_VERSION_RELEASE);
    out[2].name = "mimalloc";
#ifndef FT_SANITIZED
    int version = mi_version();
    snprintf(out[2].version, TEXT_BYTES, "%d.%d.%d", version / 100, version / 10 % 10,
             version % 10);
#endif
    out[3].name = "zlib";
#ifdef FT_HAVE_ZLIB
    snprintf(out[3].version, TEXT_BYTES, "%s", zlibVersion());
#endif
    out[4].name = "zstd";
#ifdef FT_HAVE_ZSTD
    snprintf(out[4].version, TEXT_BYTES, "%s", ZSTD_versionString());
#endif
    out[5].name = "libsodium";
#ifdef FT_HAVE_SODIUM
    snprintf(out[5].version, TEXT_BYTES, "%s", sodium_version_string());
#endif
}

static void print_text(const library *libraries, const ft_topology *machine)
{
    char memory[FT_FIGURE_BYTES];

    printf("ftpipe %s\n\n", FT_VERSION);
    for (size_t i = 0; i < LIBRARY_COUNT; i++)
        printf("  %-10s %s\n", libraries[i].name,
               libraries[i].version[0] ? libraries[i].version : "not in this build");
    printf("  %-10s %s\n", "compiler", __VERSION__);
    printf("  %-10s %s, %s kernels\n", "cpu",
           machine->cpu_model[0] ? machine->cpu_model : "not known", ft_isa_name(ft_isa_level()));
    printf("  %-10s %d of %d allowed", "threads", machine->workers, machine->cpus_allowed);
    if (machine->quota > 0)
        printf(", quota %.2f", machine->quota);
    printf("\n  %-10s %s\n", "memory", ft_figure_bytes(machine->memory_limit_bytes, memory));
}

static int print_json(const library *libraries, const ft_topology *machine)
{
    ft_error err = FT_ERROR_INIT;
    ft_text out;

    ft_text_init(&out, OUTPUT_BYTES_MAX);
    ft_text_format(&out, "{\"v\":1,\"ftpipe\":\"%s\",\"libraries\":{", FT_VERSION);
    for (size_t i = 0; i < LIBRARY_COUNT; i++) {
        ft_text_format(&out, "%s\"%s\":", i ? "," : "", libraries[i].name);
        if (libraries[i].version[0])
            ft_json_put_string(&out, ft_slice_of(libraries[i].version));
        else
            ft_text_append_string(&out, "null");
    }
    ft_text_append_string(&out, "},\"compiler\":");
    ft_json_put_string(&out, ft_slice_of(__VERSION__));
    ft_text_append_string(&out, ",\"cpu\":");
    ft_json_put_string(&out, ft_slice_of(machine->cpu_model));
    ft_text_format(&out, ",\"isa\":\"%s\",\"threads\":%d,\"cpus_allowed\":%d,\"quota\":",
                   ft_isa_name(ft_isa_level()), machine->workers, machine->cpus_allowed);
    if (machine->quota > 0)
        ft_json_put_float(&out, machine->quota);
    else
        ft_text_append_string(&out, "null");
    ft_text_format(&out, ",\"memory_bytes\":%lld}\n", (long long)machine->memory_limit_bytes);
    bool ok = ft_text_check(&out, &err);
    if (ok)
        fwrite(out.data, 1, out.size, stdout);
    ft_text_finish(&out);
    return ok ? FT_EXIT_DONE : ft_command_fail(FT_EXIT_FAILED, &err);
}

static int version(const ft_arguments *arguments)
{
    library libraries[LIBRARY_COUNT] = {{0}};
    ft_topology machine;

    find_libraries(libraries);
    ft_topology_read("", &machine);
    if (ft_arguments_has(arguments, "json"))
        return print_json(libraries, &machine);
    print_text(libraries, &machine);
    return FT_EXIT_DONE;
}

const ft_command ft_command_version = {
    .name = "version",
    .operands = "",
    .summary = "what this program stands on and what of the machine it uses",
    .flags = flags,
    .run = version,
};
