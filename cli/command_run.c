// ftpipe run: compile, pull a model that is missing, run, report.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/pipeline_file.h"
#include "cli/pull.h"
#include "cli/report.h"
#include "cli/report_locks.h"
#include "runtime/memory/alloc.h"

enum { PROCESSES_MAX = 256, MODEL_MISSING = 604, LOCKS_BYTES_MAX = 1 << 20 };

static const char *const orders[] = {"input", "any", NULL};

static const ft_flag flags[] = {
    {"param", 'p', "NAME=VALUE", NULL,
     "give a parameter of the pipeline; may stand more than once"},
    {"exec", 'e', "LINE", NULL,
     "run a pipeline in one line instead of a file: 'read a.txt ! print'"},
    {"threads", 0, "N", NULL,
     "workers (as many as cores); pool, spares, monitor and collector come on top"},
    {"memory", 0, "SIZE", NULL, "cap on what is in flight: 512MiB (a quarter of the memory)"},
    {"order", 0, "ORDER", orders, "input: as it was read; any: faster"},
    {"limit", 0, "N", NULL, "stop after the first N items of each source"},
    {"json", 0, NULL, NULL, "events as JSON lines on stderr"},
    {"quiet", 'q', NULL, NULL, "no progress, no summary"},
    {"verbose", 'v', NULL, NULL, "what each stage has to say"},
    {"fail-on-errors", 0, NULL, NULL, "exit with 4 when items failed"},
    {"offline", 0, NULL, NULL, "never fetch a model"},
    {"global-lock", 0, NULL, NULL, "one lock around all stages, to compare with"},
    {"processes", 0, "N", NULL,
     "run parallel transforms in N processes, with pipes between, to compare with"},
    {"trace", 0, "FILE", NULL, "write a trace for chrome://tracing or Perfetto"},
    {"profile-locks", 0, "FILE", NULL, "tell which locks were waited for, and who held them",
     .is_optional = true},
    {"stress", 0, "MODES", NULL, NULL},
    {NULL},
};

typedef struct {
    const ft_arguments *arguments;
    ft_pipeline_file file;
    ft_run_options options;  // Of the command line.
    ft_run_settings settings;
    ft_diagnostics *diagnostics;
    ft_plan *plan;
    ft_report report;
} runner;

static bool read_stress(const char *text, unsigned *out, ft_error *err)
{
    static const struct {
        const char *name;
        unsigned flag;
    } modes[] = {{"one-item", FT_STRESS_ONE_ITEM},
                 {"shared", FT_STRESS_SHARED},
                 {"one-batch", FT_STRESS_ONE_BATCH},
                 {"long-trains", FT_STRESS_LONG_TRAINS}};
    ft_slice rest = ft_slice_of(text), part;

    while (ft_slice_cut(&rest, ',', &part)) {
        unsigned found = 0;
        for (size_t i = 0; i < FT_COUNT_OF(modes); i++)
            if (ft_slice_is(part, modes[i].name))
                found = modes[i].flag;
        if (!found)
            return ft_fail(err, FT_ERROR_USAGE,
                           "`--stress` takes one-item, shared, one-batch, long-trains, not `%.*s`",
                           (int)part.size, part.data);
        *out |= found;
    }
    return true;
}

static bool read_arguments(runner *r, ft_error *err)
{
    const ft_arguments *a = r->arguments;
    const char *line = ft_arguments_get(a, "exec"), *order = ft_arguments_get(a, "order");
    const char *stress = ft_arguments_get(a, "stress");
    const char *path = a->operand_count > 0 ? a->operands[0] : NULL;

    if (!path == !line) {
        ft_fail(err, FT_ERROR_USAGE,
                path ? "`run` takes a file or `-e`, not both" : "`ftpipe run` needs a file");
        ft_hint(
            err,
            "`ftpipe run FILE`, or a pipeline in one line: `ftpipe run -e 'read a.txt ! print'`.");
        return false;
    }
    r->settings.global_lock = ft_arguments_has(a, "global-lock");
    r->options.order_any = order && strcmp(order, "any") == 0;
    if (!ft_arguments_get_count(a, "threads", 1, &r->options.threads, err) ||
        !ft_arguments_get_size(a, "memory", 16 << 20, &r->options.memory_bytes, err) ||
        !ft_arguments_get_count(a, "processes", 1, &r->settings.processes, err) ||
        !ft_arguments_get_count(a, "limit", 1, &r->settings.limit_items, err) ||
        (stress && !read_stress(stress, &r->settings.stress, err)))
        return false;
    if (r->settings.global_lock && r->settings.processes > 0) {
        ft_fail(err, FT_ERROR_USAGE, "`--global-lock` and `--processes` exclude each other");
        ft_hint(err,
                "Each is one way to run a pipeline, to compare with threads: give one of them.");
        return false;
    }
    if (r->settings.processes > PROCESSES_MAX)
        return ft_fail(err, FT_ERROR_USAGE, "`--processes` is at most %d", PROCESSES_MAX);
    if (r->options.threads == 0)
        r->options.threads = r->settings.processes;  // Those that serve them, beside.
    if (r->options.threads > FT_RUN_THREADS_MAX)
        return ft_fail(err, FT_ERROR_USAGE, "`--threads` is at most %d", FT_RUN_THREADS_MAX);
    return true;
}

static bool read_pipeline(runner *r, ft_error *err)
{
    const ft_arguments *a = r->arguments;

    if (!ft_pipeline_file_read(&r->file, a->arena, a->operand_count > 0 ? a->operands[0] : NULL,
                               ft_arguments_get(a, "exec"), err) ||
        !ft_pipeline_file_take_params(&r->file, a, err))
        return false;
    r->file.environment.will_run = true;
    r->file.run = &r->options;
    return true;
}

// The name of a model that the diagnostics miss and that `pull` knows; NULL: none.
static const char *find_missing_model(const runner *r)
{
    for (size_t i = 0; i < ft_diagnostics_count(r->diagnostics, FT_SEVERITY_ERROR) +
                               ft_diagnostics_count(r->diagnostics, FT_SEVERITY_WARNING);
         i++) {
        const ft_diagnostic *d = ft_diagnostics_get(r->diagnostics, i);
        // The message quotes the name after parameters were filled in; the place in the file may
        // only say ${params.x}.
        ft_slice rest = ft_slice_of(d ? d->message : NULL), before, name;
        if (!d || d->number != MODEL_MISSING)
            continue;
        if (!ft_slice_cut(&rest, '`', &before) || !ft_slice_cut(&rest, '`', &name) || !rest.data)
            continue;
        const char *copy = ft_arena_text(r->arguments->arena, name);
        if (copy && ft_pull_knows(copy))
            return copy;
    }
    return NULL;
}

static bool compile(runner *r)
{
    r->diagnostics = ft_diagnostics_create();
    if (!r->diagnostics)
        return false;
    r->plan = ft_pipeline_file_compile(&r->file, r->diagnostics);
    return r->plan != NULL;
}

// Compiles; fetches what is missing, once for each model. Returns the exit status.
static int compile_with_pull(runner *r)
{
    ft_error err = FT_ERROR_INIT;
    const char *pulled = "";

    while (!compile(r)) {
        const char *model = r->diagnostics ? find_missing_model(r) : NULL;
        bool again =
            model && strcmp(model, pulled) != 0 && !ft_arguments_has(r->arguments, "offline");
        if (again) {
            fprintf(stderr,
                    "ftpipe: `%s` is not in the model store: fetching it (`--offline` does not)\n",
                    model);
            again = ft_pull(r->file.environment.model_store, model, &err);
            if (!again)
                ft_command_fail(FT_EXIT_FAILED, &err);
        }
        if (!again)
            break;
        pulled = model;
        ft_diagnostics_destroy(r->diagnostics);
    }
    if (!r->diagnostics) {
        ft_fail_nomem(&err, 4096);
        return ft_command_fail(FT_EXIT_FAILED, &err);
    }
    bool json = ft_arguments_has(r->arguments, "json");
    if (!r->plan || !ft_arguments_has(r->arguments, "quiet"))
        if (!r->plan || ft_diagnostics_count(r->diagnostics, FT_SEVERITY_WARNING) > 0)
            ft_diagnostics_print(r->diagnostics, json ? FT_FORMAT_JSON : FT_FORMAT_TEXT,
                                 r->report.terminal.color, stderr);
    return r->plan ? FT_EXIT_DONE : FT_EXIT_INVALID;
}

// Does a sink print to the terminal that the progress block would stand on?
static bool prints_to_terminal(const ft_plan *plan)
{
    for (size_t i = 0; isatty(STDOUT_FILENO) && i < plan->node_count; i++) {
        const ft_plan_node *node = plan->nodes[i];
        const ft_option *option = ft_option_find_main(node->def->options);
        const char *path = NULL;
        if (node->def->kind != FT_STAGE_SINK)
            continue;
        if (option && option->type == FT_OPTION_PATH)
            memcpy(&path, (const char *)node->config + option->offset, sizeof(path));
        if (strcmp(node->def->name, "print") == 0 || (path && strcmp(path, "-") == 0))
            return true;
    }
    return false;
}

static const char *pipeline_name(const runner *r)
{
    if (r->plan->name && *r->plan->name)
        return r->plan->name;
    const char *slash = strrchr(r->file.source.path, '/');
    return slash ? slash + 1 : r->file.source.path;
}

// To the file that was named, as JSON; else to stderr.
static bool tell_locks(const runner *r, const ft_run_stats *stats, ft_error *err)
{
    const char *path = ft_arguments_get(r->arguments, "profile-locks");
    ft_text text;

    if (!path)
        return true;
    ft_text_init(&text, LOCKS_BYTES_MAX);
    if (*path || r->report.json)
        ft_report_locks_put_json(stats, &text);
    else
        ft_report_locks_put_text(stats, &text);
    bool ok = ft_text_check(&text, err);
    FILE *file = ok && *path ? fopen(path, "we") : stderr;
    if (ok && !file)
        ok = ft_fail_errno(err, errno, "cannot write `%s`", path);
    if (ok)
        fwrite(text.data, 1, text.size, file);
    if (ok && *path && fclose(file) != 0)
        ok = ft_fail_errno(err, errno, "cannot write `%s`", path);
    ft_text_finish(&text);
    return ok;
}

// Runs what was created, to the end. Returns the exit status.
static int wait_and_report(runner *r, ft_run *run)
{
    const ft_plan_node *node = NULL;
    ft_error err = FT_ERROR_INIT, profile_err = FT_ERROR_INIT;
    ft_run_stats stats;

    ft_interrupt_watch(run);
    ft_report_start(&r->report, run);
    bool ok = ft_run_wait(run, &node, &err);
    ft_report_stop(&r->report);
    ft_interrupt_end();
    ft_run_get_stats(run, &stats);
    int signal_number = ft_interrupt_signal();
    ft_report_end(&r->report, &stats, signal_number ? "stopped" : ok ? "done" : "failed");
    if (!tell_locks(r, &stats, &profile_err))
        ft_command_fail(FT_EXIT_FAILED, &profile_err);
    if (signal_number && (ok || err.code == FT_ERROR_CANCELLED))
        return FT_EXIT_SIGNAL + signal_number;
    if (!ok) {
        ft_report_failure(&r->report, r->file.source.path, node, &err);
        return FT_EXIT_FAILED;
    }
    bool strict = ft_arguments_has(r->arguments, "fail-on-errors");
    return strict && (stats.items_failed > 0 || r->report.item_errors > 0) ? FT_EXIT_ITEMS_FAILED
                                                                           : FT_EXIT_DONE;
}

static int run_plan(runner *r)
{
    const char *trace = ft_arguments_get(r->arguments, "trace");
    const ft_plan_node *node = NULL;
    ft_error err = FT_ERROR_INIT;
    int status = FT_EXIT_FAILED;

    r->report.name = pipeline_name(r);
    r->report.plan = r->plan;
    if (prints_to_terminal(r->plan))
        r->report.terminal.is_terminal = false;
    r->settings.ends_program = true;
    r->settings.on_item_error = ft_report_item_error;
    r->settings.host = &r->report;
    if (trace && !(r->settings.trace = fopen(trace, "we"))) {
        ft_fail_errno(&err, errno, "cannot write `%s`", trace);
        return ft_command_fail(FT_EXIT_FAILED, &err);
    }
    if (ft_arguments_has(r->arguments, "profile-locks"))
        ft_report_locks_start();
    ft_run *run = ft_run_create(r->plan, &r->settings, &node, &err);
    if (run)
        status = wait_and_report(r, run);
    else
        ft_report_failure(&r->report, r->file.source.path, node, &err);
    if (ft_run_is_abandoned(run)) {
        // A thread is still inside a stage: nothing that it may use can be let go of.
        ft_run_destroy(run);  // Keeps it, and ends the trace.
        if (trace)
            fflush(r->settings.trace);
        fflush(stdout);
        fflush(stderr);
        _exit(status);
    }
    ft_run_destroy(run);
    ft_report_locks_stop();
    if (trace && fclose(r->settings.trace) != 0) {
        ft_fail_errno(&err, errno, "cannot write `%s`", trace);
        return ft_command_fail(FT_EXIT_FAILED, &err);
    }
    return status;
}

static int run_command(const ft_arguments *arguments)
{
    runner r = {.arguments = arguments};
    ft_error err = FT_ERROR_INIT;

    ft_alloc_begin_passing();  // Until what stages load is loaded: ft_run_create.
    if (!read_arguments(&r, &err))
        return ft_command_fail(FT_EXIT_USAGE, &err);
    if (!read_pipeline(&r, &err))
        return ft_command_fail(FT_EXIT_USAGE, &err);
    r.report.terminal = ft_terminal_find(ft_arguments_get(arguments, "color"));
    r.report.quiet = ft_arguments_has(arguments, "quiet");
    r.report.json = ft_arguments_has(arguments, "json");
    ft_report_init(&r.report);
    bool verbose = ft_arguments_has(arguments, "verbose");
    ft_log_install(ft_report_log, &r.report, verbose ? FT_LOG_DEBUG : FT_LOG_WARN);
    int status = compile_with_pull(&r);
    if (r.plan)
        status = run_plan(&r);
    ft_log_install(NULL, NULL, FT_LOG_ERROR);
    ft_plan_destroy(r.plan);
    ft_diagnostics_destroy(r.diagnostics);
    ft_report_finish(&r.report);
    return status;
}

const ft_command ft_command_run = {
    .name = "run",
    .operands = "FILE",
    .summary = "run a pipeline",
    .details =
        "examples:\n"
        "  ftpipe run pipelines/embed.yaml -p docs='notes/*.md'\n"
        "  ftpipe run -e 'read notes.txt ! tokenize words ! print tokens'\n\n"
        "exit status: 0 done, 1 the run failed, 2 bad command line, 3 the pipeline is not valid,\n"
        "4 items failed and --fail-on-errors was given, 130 or 143 stopped by a signal.\n"
        "The first Ctrl-C lets what is in flight finish, the second stops at once.\n",
    .flags = flags,
    .operands_max = 1,
    .run = run_command,
};
