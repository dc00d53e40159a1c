// From a path to a tokenizer: which file it is, what the files beside it say of the model's length.
#include "stages/text/tokenizer.h"

#include <errno.h>
#include <string.h>

#include "runtime/data/json.h"
#include "runtime/system/file.h"
#include "stages/text/tokenizer_parts.h"

enum { CONFIG_FILE_MAX = 1 << 24 };
// tokenizer_config.json says 1e30 for "no limit".
#define LENGTH_SAID_MAX INT64_C(1000000000)

static const char *folder_of(const char *path, ft_arena *arena)
{
    const char *slash = strrchr(path, '/');

    if (!slash)
        return ".";
    return ft_arena_text(arena, (ft_slice){path, (size_t)(slash - path) + (slash == path)});
}

const char *const ft_tokenizer_files_beside[] = {
    "tokenizer_config.json",   "sentence_bert_config.json", "config.json",
    "special_tokens_map.json", "added_tokens.json",         NULL};

const char *ft_tokenizer_path_beside(const char *path, const char *name, ft_arena *arena)
{
    const char *folder = folder_of(path, arena);

    return folder ? ft_path_join(arena, folder, name) : NULL;
}

static bool is_beside(const char *name)
{
    size_t i = 0;

    while (ft_tokenizer_files_beside[i] && strcmp(ft_tokenizer_files_beside[i], name) != 0)
        i++;
    return ft_tokenizer_files_beside[i] != NULL;
}

bool ft_tokenizer_read_beside(const char *path, const char *name, ft_arena *arena,
                              const ft_json_node **out, ft_error *err)
{
    const char *file = ft_tokenizer_path_beside(path, name, arena);
    const ft_json_node *node;

    FT_ASSERT(is_beside(name));
    *out = NULL;
    if (!file)
        return ft_fail_nomem(err, strlen(path) + strlen(name) + 2);
    if (ft_file_find(file) == FT_FILE_MISSING)
        return true;
    if (!ft_json_parse_file(file, arena, CONFIG_FILE_MAX, &node, err)) {
        if (err->code == FT_ERROR_DATA && !err->number)
            err->number = FT_TOKENIZER_ERROR;
        return false;
    }
    if (node->kind != FT_JSON_OBJECT)
        return ft_tokenizer_fault(err, file, NULL, "not an object");
    *out = node;
    return true;
}

// The length that `member` of a file beside the tokenizer says; unchanged when it says none or "no
// limit".
static bool read_length(const char *path, const char *name, const char *member, ft_arena *arena,
                        size_t *length, ft_error *err)
{
    const ft_json_node *config;
    int64_t said;

    if (!ft_tokenizer_read_beside(path, name, arena, &config, err))
        return false;
    const ft_json_node *node = config ? ft_json_find(config, member) : NULL;
    if (!node || node->kind != FT_JSON_NUMBER || !ft_json_get_int(node, &said))
        return true;
    if (said > 0 && said < LENGTH_SAID_MAX && (*length == 0 || (size_t)said < *length))
        *length = (size_t)said;
    return true;
}

// What sentence-transformers cuts at comes first, then the shorter of what tokenizer and model say.
static bool find_length(ft_tokenizer_info *info, ft_arena *arena, ft_error *err)
{
    if (!read_length(info->path, "sentence_bert_config.json", "max_seq_length", arena,
                     &info->max_length, err))
        return false;
    if (info->max_length > 0)
        return true;
    return read_length(info->path, "tokenizer_config.json", "model_max_length", arena,
                       &info->max_length, err) &&
           read_length(info->path, "config.json", "max_position_embeddings", arena,
                       &info->max_length, err);
}

static bool is_file(const char *folder, const char *name, ft_arena *arena, const char **out,
                    bool *out_found, ft_error *err)
{
    *out = ft_path_join(arena, folder, name);
    if (!*out)
        return ft_fail_nomem(err, strlen(folder) + strlen(name) + 2);
    *out_found = ft_file_find(*out) != FT_FILE_MISSING;
    return true;
}

bool ft_tokenizer_find_file(const char *path, ft_arena *arena, const char **out, ft_error *err)
{
    // The first of which all are there is read, by its first.
    static const struct {
        const char *name, *other;
    } names[] = {{"tokenizer.json", NULL},
                 {"tokenizer.model", NULL},
                 {"vocab.json", "merges.txt"},
                 {"vocab.txt", NULL}};
    ft_file_kind kind = ft_file_find(path);
    bool found;

    *out = path;
    if (kind == FT_FILE_UNKNOWN)
        return ft_fail_errno(err, errno, "cannot look at `%s`", path);
    if (kind != FT_FILE_FOLDER)
        return ft_definition_find_merges(out, &found, arena, err);
    for (size_t i = 0; i < FT_COUNT_OF(names); i++) {
        const char *other;
        if (!is_file(path, names[i].name, arena, out, &found, err))
            return false;
        if (found && names[i].other && !is_file(path, names[i].other, arena, &other, &found, err))
            return false;
        if (found)
            return true;
    }
    ft_tokenizer_fault(err, path, NULL, "no tokenizer in this folder");
    ft_hint(err, "A tokenizer.json, a tokenizer.model, a vocab.json with merges.txt or a vocab.txt "
                 "is read.");
    return false;
}

// A JSON file begins with a brace; a vocab.txt is known by its name, since a token may be one.
static bool is_json(const char *path, ft_slice text)
{
    ft_slice trimmed = ft_slice_trim(text);

    if (ft_slice_ends_with(ft_slice_of(path), FT_SLICE(".txt")))
        return false;
    return ft_slice_ends_with(ft_slice_of(path), FT_SLICE(".json")) ||
           (trimmed.size > 0 && trimmed.data[0] == '{');
}

// Of files that are not JSON, by the ends of their names.
static const struct {
    const char *ending;
    bool (*read)(const ft_definition_reader *r, ft_slice text, ft_error *err);
} formats[] = {
    {".txt", ft_definition_read_vocab},
    {".model", ft_definition_read_sentencepiece},
    {".tiktoken", ft_definition_read_tiktoken},
    {".gguf", ft_definition_read_gguf},
};

static bool read_file(const ft_definition_reader *r, ft_error *err)
{
    // The weights are in a .gguf too, so that it is not read whole.
    bool is_gguf = ft_slice_ends_with(ft_slice_of(r->path), FT_SLICE(".gguf")), is_merges;
    const char *path = r->path;
    ft_slice text;

    if (!ft_definition_find_merges(&path, &is_merges, r->scratch, err))
        return false;

    if (!(is_gguf ? ft_file_map(r->path, r->scratch, &text, err)
                  : ft_file_read(r->path, r->scratch, FT_TOKENIZER_FILE_MAX, &text, err))) {
        err->number = err->number ? err->number : FT_TOKENIZER_ERROR;
        return false;
    }
    if (is_merges) {
        if (ft_definition_read_merges(r, text, err))
            return true;
        // What the JSON reader finds fault with knows no file yet.
        if (err->number == 0 && err->code == FT_ERROR_DATA) {
            ft_error_while(err, "reading `%s`", r->path);
            err->number = FT_TOKENIZER_ERROR;
        }
        return false;
    }
    if (!is_gguf && is_json(r->path, text))
        return ft_definition_read_json(r, text, err);
    for (size_t i = 0; i < FT_COUNT_OF(formats); i++) {
        if (ft_slice_ends_with(ft_slice_of(r->path), ft_slice_of(formats[i].ending)))
            return formats[i].read(r, text, err);
    }
    ft_tokenizer_fault(err, r->path, NULL, "not a tokenizer that this version reads");
    ft_hint(err,
            "A tokenizer.json, a SentencePiece .model, a .tiktoken, a .gguf, a vocab.json with "
            "merges.txt or a vocab.txt is read, or a folder that holds one.");
    return false;
}

static bool read_tokenizer(const char *path, bool with_vocabulary, ft_arena *arena,
                           ft_tokenizer **out, ft_error *err)
{
    ft_tokenizer *tokenizer = ft_arena_zero(arena, 1, sizeof(*tokenizer));
    const char *own_path = ft_arena_text(arena, ft_slice_of(path));
    ft_arena *scratch = ft_arena_create();

    bool done = tokenizer && own_path && scratch ? true : ft_fail_nomem(err, sizeof(*tokenizer));
    if (done && ft_tokenizer_find_file(own_path, arena, &tokenizer->info.path, err)) {
        ft_definition_reader r = {.path = tokenizer->info.path,
                                  .with_vocabulary = with_vocabulary,
                                  .scratch = scratch,
                                  .arena = arena,
                                  .out = &tokenizer->definition};
        done = read_file(&r, err) && find_length(&tokenizer->info, scratch, err) &&
               (!with_vocabulary || ft_tokenizer_compile(tokenizer, arena, err));
    } else {
        done = false;
    }
    if (done) {
        ft_tokenizer_count_special(tokenizer);
        // They are in the scratch arena, and compiled into the model.
        tokenizer->definition.model.pieces = NULL;
        tokenizer->definition.model.merges = NULL;
        *out = tokenizer;
    }
    if (scratch)
        ft_arena_destroy(scratch);
    return done;
}

bool ft_tokenizer_describe(const char *path, ft_arena *arena, ft_tokenizer_info *out, ft_error *err)
{
    ft_tokenizer *tokenizer;

    if (!read_tokenizer(path, false, arena, &tokenizer, err))
        return false;
    *out = tokenizer->info;
    return true;
}

bool ft_tokenizer_load(const char *path, ft_arena *arena, const ft_tokenizer **out, ft_error *err)
{
    ft_tokenizer *tokenizer;

    if (!read_tokenizer(path, true, arena, &tokenizer, err))
        return false;
    *out = tokenizer;
    return true;
}

const ft_tokenizer_info *ft_tokenizer_get_info(const ft_tokenizer *tokenizer)
{
    return &tokenizer->info;
}
