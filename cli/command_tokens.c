// ftpipe tokens: how many tokens files have, as `wc` counts words.
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/surroundings.h"
#include "runtime/system/file.h"
#include "stages/text/tokenizer_store.h"

static const ft_flag flags[] = {
    {"model", 'm', "MODEL", NULL,
     "whose tokens: a tokenizer's file, a folder that holds one, or a name in the model store"},
    {"add-special", 0, NULL, NULL, "count the model's special tokens around each file, too"},
    {NULL},
};

typedef struct token_counter {
    ft_token_coder *coder;
    ft_ids ids;
    uint64_t tokens, bytes;  // Of all files.
} token_counter;

// A path that is there, else a name in the model store.
static const char *find_model(const char *name, ft_arena *arena, ft_error *err)
{
    const char *store = ft_surroundings_store(arena);

    if (ft_file_find(name) != FT_FILE_MISSING)
        return name;
    const char *path =
        store && !strchr(name, '/') && name[0] != '.' ? ft_path_join(arena, store, name) : NULL;
    if (path && ft_file_find(path) != FT_FILE_MISSING)
        return path;
    ft_fail(err, FT_ERROR_USAGE, "no model `%s`", name);
    ft_hint(err, "A path, or a name in the model store: `ftpipe pull --list` shows those that can "
                 "be fetched.");
    return NULL;
}

static void print_count(uint64_t tokens, uint64_t bytes, const char *name)
{
    printf("%10llu %10llu%s%s\n", (unsigned long long)tokens, (unsigned long long)bytes,
           name ? " " : "", name ? name : "");
}

static bool read_text(const char *name, ft_arena *arena, ft_slice *out, ft_error *err)
{
    bool is_stdin = strcmp(name, "-") == 0;

    if (!ft_file_read(is_stdin ? "/dev/stdin" : name, arena, INT32_MAX, out, err))
        return false;
    size_t valid = ft_utf8_valid_prefix(*out);
    if (valid == out->size)
        return true;
    ft_fail(err, FT_ERROR_DATA, "`%s` is not UTF-8 at byte %zu", name, valid);
    ft_hint(err, "Tokens are counted of text; `iconv -t UTF-8` makes it of other encodings.");
    return false;
}

static bool count_file(token_counter *counter, const char *name, bool is_alone, ft_error *err)
{
    ft_arena *arena = ft_arena_create();
    ft_slice text;
    bool was_cut;

    if (!arena)
        return ft_fail_nomem(err, 4096);
    counter->ids.count = 0;
    bool ok = read_text(name, arena, &text, err) &&
              ft_token_coder_add(counter->coder, text, &counter->ids, &was_cut, err);
    if (ok) {
        counter->tokens += counter->ids.count;
        counter->bytes += text.size;
        print_count(counter->ids.count, text.size,
                    is_alone && strcmp(name, "-") == 0 ? NULL : name);
    }
    ft_arena_destroy(arena);
    return ok;
}

// As `wc`: a file that cannot be counted is told, and the others are.
static int count_files(token_counter *counter, const ft_arguments *arguments)
{
    static const char *const standard[] = {"-"};
    size_t count = arguments->operand_count > 0 ? arguments->operand_count : 1;
    const char *const *names = arguments->operand_count > 0 ? arguments->operands : standard;
    int status = FT_EXIT_DONE;

    for (size_t i = 0; i < count; i++) {
        ft_error err = FT_ERROR_INIT;
        if (!count_file(counter, names[i], count == 1, &err))
            status = ft_command_fail(FT_EXIT_FAILED, &err);
    }
    if (count > 1)
        print_count(counter->tokens, counter->bytes, "total");
    return status;
}

static int tokens(const ft_arguments *arguments)
{
    ft_error err = FT_ERROR_INIT;
    const char *model = ft_arguments_get(arguments, "model");
    ft_token_settings settings = {.truncation = FT_TRUNCATE_NONE,
                                  .special_tokens = FT_SPECIAL_PARSE,
                                  .add_special = ft_arguments_has(arguments, "add-special")};
    const ft_tokenizer *tokenizer;
    token_counter counter = {0};

    if (!model) {
        ft_fail(&err, FT_ERROR_USAGE, "whose tokens? `-m MODEL` is missing");
        ft_hint(&err, "`ftpipe tokens -m all-MiniLM-L6-v2 FILE`.");
        return ft_command_fail(FT_EXIT_USAGE, &err);
    }
    const char *path = find_model(model, arguments->arena, &err);
    if (!path)
        return ft_command_fail(FT_EXIT_USAGE, &err);
    if (!ft_tokenizer_open(path, ft_surroundings_tokenizers(arguments->arena), arguments->arena,
                           &tokenizer, &err))
        return ft_command_fail(FT_EXIT_FAILED, &err);
    counter.coder = ft_token_coder_create(tokenizer, settings, NULL, &err);
    if (!counter.coder)
        return ft_command_fail(FT_EXIT_FAILED, &err);
    int status = count_files(&counter, arguments);
    ft_token_coder_destroy(counter.coder);
    ft_ids_finish(&counter.ids);
    return status;
}

const ft_command ft_command_tokens = {
    .name = "tokens",
    .operands = "[FILE...]",
    .summary = "count the tokens of files, as a model's tokenizer cuts them",
    .details = "Prints tokens, bytes and name of each file, and the total of several. Without a "
               "file, or for\n`-`, it reads standard input. Each file is one text of UTF-8.\n",
    .flags = flags,
    .operands_max = 4096,
    .run = tokens,
};
