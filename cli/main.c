// ftpipe: finds the command in the table, parses its arguments, runs it.
//
// SIGPIPE and SIGXFSZ are ignored, so that a closed stdout and a file that grows too large are
// errors of the stage that writes there and the run can drain. A standard stream that is closed is
// opened on /dev/null, so that no file of a pipeline gets its number.
#define _XOPEN_SOURCE 700  // SIGXFSZ
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/surroundings.h"

static const ft_command *const commands[] = {
    &ft_command_run,    &ft_command_check,   &ft_command_doctor,  &ft_command_graph,
    &ft_command_stages, &ft_command_explain, &ft_command_pull,    &ft_command_new,
    &ft_command_tokens, &ft_command_bench,   &ft_command_version,
};

int ft_command_fail(int status, const ft_error *err)
{
    if (err->code == FT_ERROR_NOMEM)
        status = FT_EXIT_FAILED;  // Whatever was being done, it was not the user's mistake.
    fprintf(stderr, "ftpipe: %s\n", err->message);
    if (err->hint[0])
        fprintf(stderr, "  %s\n", err->hint);
    return status;
}

static int print_help(void)
{
    printf("ftpipe - pipelines of typed stages: read, tokenize, embed, infer, script, write\n\n"
           "usage: ftpipe COMMAND [options] ...\n\n");
    for (size_t i = 0; i < FT_COUNT_OF(commands); i++)
        printf("  %-10s %s\n", commands[i]->name, commands[i]->summary);
    printf("\n`ftpipe COMMAND --help` shows a command's options; start with\n\n"
           "  ftpipe run pipelines/hello.yaml\n");
    return FT_EXIT_DONE;
}

static const ft_command *find_command(const char *name)
{
    for (size_t i = 0; i < FT_COUNT_OF(commands); i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

static int unrecognized(const char *word)
{
    const char *names[FT_COUNT_OF(commands) + 1];
    ft_error err = FT_ERROR_INIT;
    ft_slice text = ft_slice_of(word);

    for (size_t i = 0; i < FT_COUNT_OF(commands); i++)
        names[i] = commands[i]->name;
    names[FT_COUNT_OF(commands)] = NULL;
    ft_fail(&err, FT_ERROR_USAGE, "unrecognized command `%s`", word);
    const char *nearest = ft_nearest(text, names);
    if (nearest)
        ft_hint(&err, "Did you mean `ftpipe %s`?", nearest);
    if (ft_slice_ends_with(text, FT_SLICE(".yaml")) || ft_slice_ends_with(text, FT_SLICE(".yml")))
        ft_hint(&err, "To run a pipeline: `ftpipe run %s`.", word);
    ft_hint(&err, "`ftpipe --help` shows what there is.");
    return ft_command_fail(FT_EXIT_USAGE, &err);
}

static int run_command(const ft_command *command, int argc, char **argv)
{
    ft_error err = FT_ERROR_INIT;
    ft_arguments arguments = {.command = command, .arena = ft_arena_create()};
    int status = FT_EXIT_USAGE;

    if (!arguments.arena) {
        ft_fail_nomem(&err, 4096);
        return ft_command_fail(FT_EXIT_FAILED, &err);
    }
    if (!ft_arguments_parse(&arguments, argc, argv, &err)) {
        status = ft_command_fail(status, &err);
    } else if (arguments.wants_help) {
        ft_command_print_help(command);
        status = FT_EXIT_DONE;
    } else {
        status = command->run(&arguments);
    }
    ft_arena_destroy(arguments.arena);
    return status;
}

// What went to stdout may fail only now, when it is flushed: a full disk must not look like
// success.
static int end(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    if (status != FT_EXIT_DONE)
        return status;
    fprintf(stderr, "ftpipe: cannot write to stdout\n");
    return FT_EXIT_FAILED;
}

static void prepare_process(void)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};

    sigaction(SIGPIPE, &ignore, NULL);
    sigaction(SIGXFSZ, &ignore, NULL);
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) < 0)
            break;  // Then there is no file to mix up either.
}

int main(int argc, char **argv)
{
    ft_error err = FT_ERROR_INIT;

    prepare_process();
    if (!ft_surroundings_apply(&err))
        return ft_command_fail(FT_EXIT_USAGE, &err);
    if (argc < 2) {
        print_help();
        return end(FT_EXIT_USAGE);
    }
    const char *word = argv[1];
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0) {
        const ft_command *about = argc > 2 ? find_command(argv[2]) : NULL;
        if (about)
            ft_command_print_help(about);
        else
            print_help();
        return end(FT_EXIT_DONE);
    }
    if (strcmp(word, "--version") == 0)
        word = "version";
    const ft_command *command = find_command(word);
    return end(command ? run_command(command, argc - 2, argv + 2) : unrecognized(word));
}
