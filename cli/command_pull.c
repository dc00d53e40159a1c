// ftpipe pull: models into the model store (pull.h does the work).
#include "cli/command.h"
#include "cli/pull.h"
#include "cli/surroundings.h"

static const ft_flag flags[] = {
    {"list", 0, NULL, NULL, "the models that are known"},
    {NULL},
};

static int pull(const ft_arguments *arguments)
{
    ft_error err = FT_ERROR_INIT;

    if (ft_arguments_has(arguments, "list")) {
        ft_pull_list();
        return FT_EXIT_DONE;
    }
    if (arguments->operand_count == 0) {
        ft_fail(&err, FT_ERROR_USAGE, "`ftpipe pull` needs the name of a model");
        ft_hint(&err, "`ftpipe pull --list` shows those that are known.");
        return ft_command_fail(FT_EXIT_USAGE, &err);
    }
    const char *store = ft_surroundings_store(arguments->arena);
    for (size_t i = 0; i < arguments->operand_count; i++)
        if (!ft_pull(store, arguments->operands[i], &err))
            return ft_command_fail(err.code == FT_ERROR_USAGE ? FT_EXIT_USAGE : FT_EXIT_FAILED,
                                   &err);
    return FT_EXIT_DONE;
}

const ft_command ft_command_pull = {
    .name = "pull",
    .operands = "MODEL...",
    .summary = "fetch a model into the model store, every file verified",
    .details = "The store is FTPIPE_STORE, else XDG_CACHE_HOME/ftpipe/models, else "
               "~/.cache/ftpipe/models.\n",
    .flags = flags,
    .operands_max = 64,
    .run = pull,
};
