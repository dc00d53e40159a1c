// Verdicts are files "passed\n..." or "failed\n..." in $XDG_CACHE_HOME/ftpipe/verdicts (else
// ~/.cache/ftpipe/verdicts). 128 bits of hash: two libraries with one name will not be met. It is
// no protection: who can write to the cache folder can run programs as this user anyway.
#include "cli/verdict.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/surroundings.h"
#include "runtime/memory/arena.h"
#include "runtime/system/file.h"

enum { LIBRARY_BYTES_MAX = 1 << 30, FIRST_BYTES = 16 };
static const uint64_t seeds[2] = {0x9e3779b97f4a7c15u, 0xd1b54a32d192ed03u};

// The verdict's path; NULL when the library cannot be read or there is no cache folder.
static const char *path_of(ft_arena *arena, const char *library)
{
    ft_error err = FT_ERROR_INIT;
    const char *folder = ft_surroundings_cache(arena, "verdicts");
    ft_slice content;

    if (!folder || !ft_file_map(library, arena, &content, &err))
        return NULL;
    return ft_arena_format(arena, "%s/%016llx%016llx", folder,
                           (unsigned long long)ft_hash(content, seeds[0]),
                           (unsigned long long)ft_hash(content, seeds[1]));
}

ft_plugin_verdict ft_verdict_find(const char *path)
{
    ft_plugin_verdict found = FT_PLUGIN_UNTESTED;
    ft_arena *arena = ft_arena_create();
    const char *place = arena ? path_of(arena, path) : NULL;
    FILE *file = place ? fopen(place, "re") : NULL;
    char first[FIRST_BYTES];

    if (file && fgets(first, sizeof(first), file))
        found = strcmp(first, "passed\n") == 0   ? FT_PLUGIN_PASSED
                : strcmp(first, "failed\n") == 0 ? FT_PLUGIN_FAILED
                                                 : FT_PLUGIN_UNTESTED;
    if (file)
        fclose(file);
    ft_arena_destroy(arena);
    return found;
}

// Beside the place and then in it, so that a reader sees a whole one.
static bool write_whole(ft_arena *arena, const char *place, ft_plugin_verdict verdict,
                        ft_slice text, ft_error *err)
{
    const char *beside = ft_arena_format(arena, "%s.%ld", place, (long)getpid());
    FILE *file = beside ? fopen(beside, "we") : NULL;

    if (!file)
        return ft_fail_errno(err, errno, "cannot write `%s`", beside ? beside : place);
    fprintf(file, "%s\n", verdict == FT_PLUGIN_PASSED ? "passed" : "failed");
    fwrite(text.data, 1, text.size, file);
    bool ok = !ferror(file);
    ok = fclose(file) == 0 && ok;
    if (ok && rename(beside, place) == 0)
        return true;
    int saved = errno;
    unlink(beside);
    return ft_fail_errno(err, saved, "cannot write `%s`", place);
}

bool ft_verdict_write(const char *path, ft_plugin_verdict verdict, ft_slice text, ft_error *err)
{
    ft_arena *arena = ft_arena_create();
    const char *place = arena ? path_of(arena, path) : NULL;
    char *folders = place ? ft_arena_text(arena, ft_slice_of(place)) : NULL;
    bool ok = true;

    if (folders) {
        ft_file_make_folders(folders);
        ok = write_whole(arena, place, verdict, text, err);
    }
    ft_arena_destroy(arena);
    return ok;
}
