// ftpipe graph: the plan as a picture, field types on the edges.
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/graph_shapes.h"
#include "cli/pipeline_file.h"

enum { OUTPUT_BYTES_MAX = 64 << 20 };

static const char *const formats[] = {"text", "dot", "mermaid", "svg", NULL};

static const ft_flag flags[] = {
    {"format", 0, "FORMAT", formats, "text, dot, mermaid or svg"},
    {"param", 'p', "NAME=VALUE", NULL, "give a parameter of the pipeline"},
    {"exec", 'e', "LINE", NULL, "a pipeline in one line instead of a file"},
    {NULL},
};

static bool draw(const ft_plan *plan, const char *format, ft_arena *arena, ft_error *err)
{
    ft_graph_picture picture;
    ft_text out;

    if (!ft_graph_picture_make(plan, arena, &picture))
        return ft_fail_nomem(err, plan->node_count * sizeof(ft_graph_box));
    ft_text_init(&out, OUTPUT_BYTES_MAX);
    if (strcmp(format, "dot") == 0)
        ft_graph_put_dot(&picture, &out);
    else if (strcmp(format, "mermaid") == 0)
        ft_graph_put_mermaid(&picture, &out);
    else if (strcmp(format, "svg") == 0)
        ft_graph_put_svg(&picture, arena, &out);
    else
        ft_graph_put_text(&picture, &out);
    bool ok = ft_text_check(&out, err);
    if (ok && out.size > 0)
        fwrite(out.data, 1, out.size, stdout);
    ft_text_finish(&out);
    return ok;
}

static int graph(const ft_arguments *arguments)
{
    const char *format = ft_arguments_get(arguments, "format"),
               *line = ft_arguments_get(arguments, "exec");
    const char *path = arguments->operand_count > 0 ? arguments->operands[0] : NULL;
    ft_error err = FT_ERROR_INIT;
    ft_pipeline_file file;

    if (!path == !line) {
        ft_fail(&err, FT_ERROR_USAGE, "`ftpipe graph` needs a file, or a line behind `-e`");
        return ft_command_fail(FT_EXIT_USAGE, &err);
    }
    if (!ft_pipeline_file_read(&file, arguments->arena, path, line, &err) ||
        !ft_pipeline_file_take_params(&file, arguments, &err))
        return ft_command_fail(FT_EXIT_USAGE, &err);
    ft_diagnostics *diagnostics = ft_diagnostics_create();
    if (!diagnostics) {
        ft_fail_nomem(&err, 4096);
        return ft_command_fail(FT_EXIT_FAILED, &err);
    }
    int status = FT_EXIT_DONE;
    ft_plan *plan = ft_pipeline_file_compile(&file, diagnostics);
    if (!plan) {
        ft_terminal terminal = ft_terminal_find(ft_arguments_get(arguments, "color"));
        ft_diagnostics_print(diagnostics, FT_FORMAT_TEXT, terminal.color, stderr);
        status = FT_EXIT_INVALID;
    } else if (!draw(plan, format ? format : "text", arguments->arena, &err)) {
        status = ft_command_fail(FT_EXIT_FAILED, &err);
    }
    ft_plan_destroy(plan);
    ft_diagnostics_destroy(diagnostics);
    return status;
}

const ft_command ft_command_graph = {
    .name = "graph",
    .operands = "FILE",
    .summary = "draw a pipeline, with the fields' types on its edges",
    .flags = flags,
    .operands_max = 1,
    .run = graph,
};
