// Prompts of sentence-transformers: see prompts.h.
#include "stages/text/prompts.h"

#include <errno.h>
#include <string.h>

#include "runtime/data/json.h"
#include "runtime/system/file.h"
#include "stages/text/tokenizer_parts.h"

enum { PROMPTS_FILE_MAX = 1 << 20, LIST_BYTES_MAX = 160, MORE_BYTES = 30, NAME_SHOWN = 60 };

static const char file_name[] = "config_sentence_transformers.json";

// `*out_prompts` is an object of texts and nulls, NULL when there are none; so is `*out_default`.
static bool check_prompts(const char *path, const ft_json_node *root,
                          const ft_json_node **out_prompts, const ft_json_node **out_default,
                          ft_error *err)
{
    const ft_json_node *prompts = ft_json_find(root, "prompts");
    const ft_json_node *by_default = ft_json_find(root, "default_prompt_name");

    *out_prompts = prompts && prompts->kind != FT_JSON_NULL ? prompts : NULL;
    *out_default = by_default && by_default->kind != FT_JSON_NULL ? by_default : NULL;
    if (root->kind != FT_JSON_OBJECT)
        return ft_fail(err, FT_ERROR_DATA, "%s: not an object", path);
    if (*out_prompts && prompts->kind != FT_JSON_OBJECT)
        return ft_fail(err, FT_ERROR_DATA, "%s: `prompts` is not an object", path);
    if (*out_default && by_default->kind != FT_JSON_STRING)
        return ft_fail(err, FT_ERROR_DATA, "%s: `default_prompt_name` is not a text", path);
    for (size_t i = 0; *out_prompts && i < prompts->count; i++) {
        const ft_json_node *text = &prompts->children[i];
        const ft_slice name = prompts->keys[i];
        const int shown = (int)(name.size < NAME_SHOWN ? name.size : NAME_SHOWN);
        if (text->kind != FT_JSON_STRING && text->kind != FT_JSON_NULL)
            return ft_fail(err, FT_ERROR_DATA, "%s: the prompt `%.*s` is not a text", path, shown,
                           name.data);
        if (text->kind == FT_JSON_STRING && text->text.size > 0 &&
            memchr(text->text.data, 0, text->text.size))
            return ft_fail(err, FT_ERROR_DATA, "%s: the prompt `%.*s` has a NUL in it", path, shown,
                           name.data);
    }
    return true;
}

static bool read_prompts(const char *model, ft_arena *arena, const char **out_path,
                         const ft_json_node **out_prompts, const ft_json_node **out_default,
                         ft_error *err)
{
    const ft_file_kind kind = ft_file_find(model);

    *out_path = NULL;
    *out_prompts = *out_default = NULL;
    if (kind == FT_FILE_UNKNOWN)
        return ft_fail_errno(err, errno, "cannot look at `%s`", model);
    const char *path = kind == FT_FILE_FOLDER ? ft_path_join(arena, model, file_name)
                                              : ft_tokenizer_path_beside(model, file_name, arena);
    const ft_json_node *root;

    *out_path = path;
    if (!path)
        return ft_fail_nomem(err, strlen(model) + sizeof(file_name) + 1);
    if (ft_file_find(path) == FT_FILE_MISSING)
        return true;
    if (!ft_json_parse_file(path, arena, PROMPTS_FILE_MAX, &root, err))
        return false;
    return check_prompts(path, root, out_prompts, out_default, err);
}

static const ft_json_node *find_prompt(const ft_json_node *prompts, ft_slice name)
{
    for (size_t i = 0; prompts && i < prompts->count; i++)
        if (ft_slice_equal(prompts->keys[i], name))
            return &prompts->children[i];
    return NULL;
}

static bool refuse_name(const char *model, const char *name, const ft_json_node *prompts,
                        ft_error *err)
{
    ft_text list;

    if (!prompts || prompts->count == 0) {
        ft_fail(err, FT_ERROR_USAGE, "the model in `%s` has no prompts", model);
        ft_hint(err, "Write the text itself: `prompt: \"query: \"`.");
        return ft_error_at(err, "prompt_name", 0, 0);
    }
    ft_text_init(&list, LIST_BYTES_MAX);
    for (size_t i = 0; i < prompts->count; i++) {
        if (list.size + prompts->keys[i].size + MORE_BYTES > LIST_BYTES_MAX) {
            ft_text_format(&list, "%s%zu more", i > 0 ? " and " : "", prompts->count - i);
            break;
        }
        ft_text_append_string(&list, i > 0 ? ", " : "");
        ft_text_append(&list, prompts->keys[i]);
    }
    ft_fail(err, FT_ERROR_USAGE, "the model has no prompt `%s`", name);
    ft_hint(err, "There is %.*s.", (int)list.size, list.data ? list.data : "");
    ft_text_finish(&list);
    return ft_error_at(err, "prompt_name", 0, 0);
}

bool ft_prompt_find(const char *model, const char *prompt, const char *name, ft_arena *arena,
                    const char **out, ft_error *err)
{
    const ft_json_node *prompts, *by_default, *found;
    const char *path;

    *out = prompt;
    if (prompt && name) {
        ft_fail(err, FT_ERROR_USAGE, "`prompt` and `prompt_name` both say what stands before");
        ft_hint(err, "Leave one of them out.");
        return ft_error_at(err, "prompt_name", 0, 0);
    }
    if (prompt)
        return true;
    if (!read_prompts(model, arena, &path, &prompts, &by_default, err))
        return ft_error_at(err, "model", 0, 0);
    if (!name && !by_default)
        return true;
    found = find_prompt(prompts, name ? ft_slice_of(name) : by_default->text);
    if (!found && name)
        return refuse_name(model, name, prompts, err);
    if (!found) {
        ft_fail(err, FT_ERROR_DATA, "%s: `default_prompt_name` is `%.*s`, and no prompt is", path,
                (int)(by_default->text.size < NAME_SHOWN ? by_default->text.size : NAME_SHOWN),
                by_default->text.data);
        return ft_error_at(err, "model", 0, 0);
    }
    // None is an empty one there too.
    *out = found->kind == FT_JSON_NULL ? "" : ft_arena_text(arena, found->text);
    return *out ? true : ft_fail_nomem(err, found->text.size + 1);
}
