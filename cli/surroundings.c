// The environment.
#include "cli/surroundings.h"

#include <stdlib.h>

#include "runtime/memory/alloc.h"
#include "runtime/system/file.h"
#include "stages/nn/kernel/isa.h"

const char *ft_surroundings_variable(const char *name)
{
    return getenv(name);
}

static const char *variable_or_null(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

const char *ft_surroundings_cache(ft_arena *arena, const char *name)
{
    const char *cache = variable_or_null("XDG_CACHE_HOME");
    const char *home = variable_or_null("HOME");

    if (cache && cache[0] == '/')
        return ft_arena_format(arena, "%s/ftpipe/%s", cache, name);
    return home ? ft_arena_format(arena, "%s/.cache/ftpipe/%s", home, name) : NULL;
}

// NULL also when HOME is not there, which is not made.
static const char *kept_folder(ft_arena *arena, const char *name)
{
    const char *home = variable_or_null("HOME");

    if (!variable_or_null("XDG_CACHE_HOME") && (!home || ft_file_find(home) != FT_FILE_FOLDER))
        return NULL;
    return ft_surroundings_cache(arena, name);
}

const char *ft_surroundings_tokenizers(ft_arena *arena)
{
    return kept_folder(arena, "tokenizers");
}

const char *ft_surroundings_weights(ft_arena *arena)
{
    return kept_folder(arena, "weights");
}

const char *ft_surroundings_store(ft_arena *arena)
{
    const char *store = variable_or_null("FTPIPE_STORE");

    return store ? store : ft_surroundings_cache(arena, "models");
}

const char *ft_surroundings_peers(ft_arena *arena)
{
    const char *peers = variable_or_null("FTPIPE_PEERS");
    const char *home = variable_or_null("HOME");

    if (peers)
        return peers;
    return home ? ft_arena_format(arena, "%s/.cache/ftpipe-peers", home) : NULL;
}

bool ft_surroundings_apply(ft_error *err)
{
    const char *isa = variable_or_null("FTPIPE_ISA");
    const char *fail = variable_or_null("FT_FAIL_ALLOC");
    ft_slice rest = ft_slice_of(fail), number;
    int64_t nth;

    if (isa && !ft_isa_force(isa, err)) {
        ft_error_while(err, "FTPIPE_ISA");
        return false;
    }
    if (!fail)
        return true;
    bool sticky = false;
    if (ft_slice_cut(&rest, ',', &number) && rest.data)
        sticky = ft_slice_is(rest, "sticky");
    if (!ft_parse_int(number, &nth) || nth < 0 || (rest.data && !sticky))
        return ft_fail(err, FT_ERROR_USAGE,
                       "FT_FAIL_ALLOC is a number or `number,sticky`, not `%s`", fail);
    ft_alloc_fail_at((uint64_t)nth, sticky);
    return true;
}
