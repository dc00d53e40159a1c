// Loading and unloading a plug-in, over and over: resident memory must stay where it is. The
// library is examples/plugin, built beside this program. FT_TORTURE=1000 for the long run.
//
// The bound is 1 % and one page of the allocator (64 KiB), which comes or does not whatever the
// number of cycles; blocks that are alive must be exactly as many as before.
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dsl/compile.h"
#include "runtime/system/plugin_library.h"
#include "stages/builtin.h"
#include "tests/check.h"

enum { CYCLES = 120, WARM = 80, WINDOW = 40, ALLOCATOR_KIB = 64 };

static long resident_kib(void)
{
    long pages = 0, all = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    if (file) {
        if (fscanf(file, "%ld %ld", &all, &pages) != 2)
            pages = 0;
        fclose(file);
    }
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static bool compile_once(const char *yaml)
{
    const ft_environment environment = {.pipeline_folder = ""};
    const ft_compile_settings settings = {.stages = ft_builtin_stages, .environment = &environment};
    const ft_source source = {"test.yaml", ft_slice_of(yaml)};
    ft_diagnostics *diagnostics = ft_diagnostics_create();
    ft_plan *plan = ft_compile(&source, &settings, diagnostics);
    bool ok = plan != NULL;
    if (!ok)
        ft_diagnostics_print(diagnostics, FT_FORMAT_TEXT, false, stderr);

    ft_plan_destroy(plan);
    ft_diagnostics_destroy(diagnostics);
    return ok;
}

TEST(cycles_keep_resident_memory)
{
    const char *torture = getenv("FT_TORTURE");
    long cycles = torture ? strtol(torture, NULL, 10) : CYCLES;
    // The least of a window: what the allocator holds back for some milliseconds comes and goes.
    long before = LONG_MAX, after = LONG_MAX;
    int64_t blocks = 0;
    char yaml[600];

    snprintf(yaml, sizeof(yaml),
             "stages:\n  - generate: 1\n    fields: {text: 'words(1, 2)'}\n  - plugin: %s#upper\n"
             "  - drop:\n",
             PLUGIN_PATH);
    for (long i = 0; i < cycles + WARM; i++) {
        long *least = i < WARM ? &before : i >= cycles + WARM - WINDOW ? &after : NULL;
        if (i == WARM)
            blocks = ft_alloc_get_stats().live_blocks;
        check_true(compile_once(yaml));
        if (least && i >= WARM - WINDOW && resident_kib() < *least)
            *least = resident_kib();
    }
    check_int_eq(ft_alloc_get_stats().live_blocks, blocks);
    printf("resident: %ld KiB, after %ld more cycles %ld KiB\n", before, cycles, after);
#ifndef FT_SANITIZED
    check_true(after <= before + before / 100 + ALLOCATOR_KIB);
#endif
}

TEST(finds_stages_by_name)
{
    ft_error err = FT_ERROR_INIT;
    ft_plugin_library *library = ft_plugin_library_open(PLUGIN_PATH, &err);

    check_true(library != NULL);
    check_true(ft_plugin_library_find(library, FT_SLICE("upper"), &err) != NULL);
    check_true(ft_plugin_library_find(library, FT_SLICE("nobody"), &err) == NULL);
    check_int_eq(err.number, FT_PLUGIN_NO_STAGE);
    ft_plugin_library *again = ft_plugin_library_open(PLUGIN_PATH, &err);
    check_true(again && ft_plugin_library_get(again) == ft_plugin_library_get(library));
    ft_plugin_library_close(again);
    ft_plugin_library_close(library);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
