// Reading and compiling a pipeline. A file may be 16 MiB: more is no pipeline.
#include "cli/pipeline_file.h"

#include <string.h>

#include "cli/pull.h"
#include "cli/surroundings.h"
#include "cli/verdict.h"
#include "runtime/system/file.h"
#include "stages/builtin.h"

enum { PIPELINE_BYTES_MAX = 16 << 20 };

// The folder that `path` is in; "" for the working directory.
static const char *folder_of(ft_arena *arena, const char *path)
{
    const char *slash = strrchr(path, '/');

    if (!slash)
        return "";
    return ft_arena_text(arena, (ft_slice){path, slash == path ? 1 : (size_t)(slash - path)});
}

bool ft_pipeline_file_place(ft_pipeline_file *file, ft_arena *arena, const char *path,
                            ft_error *err)
{
    *file = (ft_pipeline_file){.arena = arena};
    file->environment.model_store = ft_surroundings_store(arena);
    file->environment.tokenizer_store = ft_surroundings_tokenizers(arena);
    file->environment.weight_store = ft_surroundings_weights(arena);
    file->environment.can_pull = ft_pull_knows;
    file->environment.pipeline_folder = path ? folder_of(arena, path) : "";
    return file->environment.pipeline_folder || ft_fail_nomem(err, strlen(path));
}

bool ft_pipeline_file_read(ft_pipeline_file *file, ft_arena *arena, const char *path,
                           const char *line, ft_error *err)
{
    if (!ft_pipeline_file_place(file, arena, path, err))
        return false;
    file->source.path = path ? path : "-e";
    if (!path)
        return ft_compile_line(ft_slice_of(line), arena, &file->source.text, err);
    const char *opened = strcmp(path, "-") == 0 ? "/dev/stdin" : path;
    return ft_file_read(opened, arena, PIPELINE_BYTES_MAX, &file->source.text, err);
}

bool ft_pipeline_file_take_params(ft_pipeline_file *file, const ft_arguments *arguments,
                                  ft_error *err)
{
    file->param_names = ft_arena_zero(file->arena, arguments->count, sizeof(char *));
    file->param_texts = ft_arena_zero(file->arena, arguments->count, sizeof(char *));
    if (!file->param_names || !file->param_texts)
        return ft_fail_nomem(err, arguments->count * sizeof(char *));
    for (size_t i = 0; i < arguments->count; i++) {
        const ft_argument *item = &arguments->items[i];
        if (!item->flag || strcmp(item->flag->name, "param") != 0)
            continue;
        ft_slice rest = ft_slice_of(item->text), name;
        if (!ft_slice_cut(&rest, '=', &name) || !rest.data || name.size == 0) {
            ft_fail(err, FT_ERROR_USAGE, "`-p` takes NAME=VALUE, not `%s`", item->text);
            return false;
        }
        const char *copy = ft_arena_text(file->arena, name);
        if (!copy)
            return ft_fail_nomem(err, name.size);
        file->param_names[file->param_count] = copy;
        file->param_texts[file->param_count++] = rest.data;
    }
    return true;
}

ft_plan *ft_pipeline_file_compile(const ft_pipeline_file *file, ft_diagnostics *diagnostics)
{
    return ft_pipeline_file_compile_source(file, &file->source, diagnostics);
}

ft_plan *ft_pipeline_file_compile_source(const ft_pipeline_file *file, const ft_source *source,
                                         ft_diagnostics *diagnostics)
{
    const ft_compile_settings settings = {
        .stages = ft_builtin_stages,
        .environment = &file->environment,
        .param_names = file->param_names,
        .param_texts = file->param_texts,
        .param_count = file->param_count,
        .environment_variable = ft_surroundings_variable,
        .plugin_verdict = ft_verdict_find,
        .run = file->run,
    };
    return ft_compile(source, &settings, diagnostics);
}
