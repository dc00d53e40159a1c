// Finds a model's files and makes one table of their tensors.
//
// The index is the authority for sharded models: only the tensors that it names count, each from
// the file that it names for it, as transformers writes them.
#include "stages/nn/weights.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/data/json.h"
#include "runtime/system/file.h"

enum { INDEX_BYTES_MAX = 16 << 20, SHOWN_BYTES = 100 };

static int shown(ft_slice text)
{
    return (int)(text.size < SHOWN_BYTES ? text.size : SHOWN_BYTES);
}

static int compare_weights(const void *a, const void *b)
{
    return ft_slice_compare(((const ft_weight *)a)->name, ((const ft_weight *)b)->name);
}

static bool put_weights(const char *path, const ft_gguf *gguf, const ft_weight *tensors,
                        size_t count, ft_arena *arena, ft_weights **out, ft_error *err)
{
    ft_weights *weights = ft_arena_zero(arena, 1, sizeof(*weights));
    const char **files = ft_arena_zero(arena, 1, sizeof(*files));

    if (!weights || !files)
        return ft_fail_nomem(err, sizeof(*weights));
    files[0] = path;
    *weights = (ft_weights){.path = path,
                            .files = files,
                            .file_count = 1,
                            .gguf = gguf,
                            .count = count,
                            .tensors = tensors};
    *out = weights;
    return true;
}

// ---- GGUF ----

// By ggml's numbers (ggml.h, enum ggml_type).
static bool kind_of_ggml(uint32_t type, ft_weight_kind *out)
{
    static const struct {
        uint32_t type;
        ft_weight_kind kind;
    } kinds[] = {{0, FT_WEIGHT_F32},  {1, FT_WEIGHT_F16},  {2, FT_WEIGHT_Q4_0}, {8, FT_WEIGHT_Q8_0},
                 {24, FT_WEIGHT_I8},  {25, FT_WEIGHT_I16}, {26, FT_WEIGHT_I32}, {27, FT_WEIGHT_I64},
                 {28, FT_WEIGHT_F64}, {30, FT_WEIGHT_BF16}};

    for (size_t i = 0; i < FT_COUNT_OF(kinds); i++)
        if (kinds[i].type == type) {
            *out = kinds[i].kind;
            return true;
        }
    return false;
}

static bool weight_of_gguf(const ft_gguf *gguf, const ft_gguf_tensor *from, ft_arena *arena,
                           ft_weight *out, ft_error *err)
{
    ft_weight_kind kind = FT_WEIGHT_F32;
    uint64_t *shape = ft_arena_zero(arena, from->rank + 1, sizeof(*shape));
    uint64_t elements = 1;

    if (!shape)
        return ft_fail_nomem(err, (from->rank + 1) * sizeof(*shape));
    if (!kind_of_ggml(from->type, &kind)) {
        ft_fail(err, FT_ERROR_DATA, "`%s`: tensor `%.*s` is %s, which is not supported", gguf->path,
                shown(from->name), from->name.data, ft_gguf_type_name(from->type));
        ft_hint(err, "This version reads F32, F16, BF16, Q8_0 and Q4_0.");
        return false;
    }
    // That the product does not overflow has been checked with the head.
    for (size_t i = 0; i < from->rank; i++) {
        shape[i] = from->shape[from->rank - 1 - i];
        elements *= shape[i];
    }
    *out = (ft_weight){
        .name = from->name,
        .kind = kind,
        .rank = from->rank,
        .shape = shape,
        .elements = (size_t)elements,
        .end = from->bytes.size,
        .data = from->bytes.data,
        .is_mapped = true,
    };
    return true;
}

bool ft_weights_of_gguf(const ft_gguf *gguf, ft_arena *arena, ft_weights **out, ft_error *err)
{
    ft_weight *tensors = ft_arena_zero(arena, gguf->tensor_count + 1, sizeof(*tensors));
    int64_t parts = 1;

    if (!tensors)
        return ft_fail_nomem(err, gguf->tensor_count * sizeof(*tensors));
    if (!ft_gguf_get_int(gguf, "split.count", &parts, err))
        return false;
    if (parts > 1) {
        ft_fail(err, FT_ERROR_DATA, "`%s`: GGUF in several files is not supported", gguf->path);
        ft_hint(err, "Join them with llama-gguf-split --merge.");
        return false;
    }
    for (size_t i = 0; i < gguf->tensor_count; i++)
        if (!weight_of_gguf(gguf, &gguf->tensors[i], arena, &tensors[i], err))
            return false;
    if (gguf->tensor_count > 1)
        qsort(tensors, gguf->tensor_count, sizeof(*tensors), compare_weights);
    return put_weights(gguf->path, gguf, tensors, gguf->tensor_count, arena, out, err);
}

static bool open_file(const char *path, ft_arena *arena, ft_weights **out, ft_error *err)
{
    ft_safetensors *file;
    ft_gguf *gguf;
    ft_slice bytes;

    if (!ft_file_map(path, arena, &bytes, err))
        return false;
    if (ft_slice_starts_with(bytes, FT_SLICE("GGUF")))
        return ft_gguf_parse(bytes, path, arena, &gguf, err) &&
               ft_weights_of_gguf(gguf, arena, out, err);
    return ft_safetensors_open(path, arena, &file, err) &&
           put_weights(path, NULL, file->tensors, file->count, arena, out, err);
}

// ---- shards ----

typedef struct shards {
    const char *folder, *index;
    ft_arena *arena;
    const ft_json_node *map;  // Tensor's name to file's name.
    size_t count;
    ft_slice names[FT_WEIGHTS_SHARDS_MAX];
    const ft_safetensors *files[FT_WEIGHTS_SHARDS_MAX];
    const char *paths[1 + FT_WEIGHTS_SHARDS_MAX];  // The index first.
} shards;

// A plain name: what a link of that name points to is the user's own doing.
static bool is_file_name(ft_slice name)
{
    return name.size > 0 && name.size < 256 && !ft_slice_is(name, ".") &&
           !ft_slice_is(name, "..") && !memchr(name.data, '/', name.size) &&
           !memchr(name.data, 0, name.size);
}

static bool open_shard(shards *s, ft_slice name, ft_error *err)
{
    ft_safetensors *file;

    if (!is_file_name(name))
        return ft_fail(err, FT_ERROR_DATA, "%s: `%.*s` is not the name of a file beside it",
                       s->index, shown(name), name.data);
    if (s->count == FT_WEIGHTS_SHARDS_MAX)
        return ft_fail(err, FT_ERROR_LIMIT, "%s: it names more than %d files", s->index,
                       FT_WEIGHTS_SHARDS_MAX);
    const char *text = ft_arena_text(s->arena, name);
    const char *path = text ? ft_path_join(s->arena, s->folder, text) : NULL;
    if (!path)
        return ft_fail_nomem(err, name.size);
    if (!ft_safetensors_open(path, s->arena, &file, err))
        return false;
    s->names[s->count] = name;
    s->files[s->count++] = file;
    s->paths[s->count] = path;
    return true;
}

static bool find_in_shard(shards *s, size_t entry, size_t *last, ft_weight *out, ft_error *err)
{
    const ft_slice name = s->map->keys[entry];
    const ft_json_node *value = &s->map->children[entry];
    size_t at = 0;

    if (value->kind != FT_JSON_STRING)
        return ft_fail(err, FT_ERROR_DATA, "%s: the file of tensor `%.*s` is not a string",
                       s->index, shown(name), name.data);
    // Neighbours in the index mostly lie in one file.
    if (*last < s->count && ft_slice_equal(s->names[*last], value->text))
        at = *last;
    while (at < s->count && !ft_slice_equal(s->names[at], value->text))
        at++;
    if (at == s->count && !open_shard(s, value->text, err))
        return false;
    *last = at;
    const char *text = memchr(name.data, 0, name.size) ? NULL : ft_arena_text(s->arena, name);
    const ft_weight *found = text ? ft_safetensors_find(s->files[at], text) : NULL;
    if (!found)
        return ft_fail(err, FT_ERROR_DATA, "%s: tensor `%.*s` is not in `%.*s`", s->index,
                       shown(name), name.data, shown(value->text), value->text.data);
    *out = *found;
    return true;
}

static bool open_shards(const char *folder, const char *index, ft_arena *arena, ft_weights **out,
                        ft_error *err)
{
    shards *s = ft_arena_zero(arena, 1, sizeof(*s));
    const ft_json_node *root;
    size_t last = 0;

    if (!s)
        return ft_fail_nomem(err, sizeof(*s));
    *s = (shards){.folder = folder, .index = index, .arena = arena};
    if (!ft_json_parse_file(index, arena, INDEX_BYTES_MAX, &root, err))
        return false;
    s->map = ft_json_find(root, "weight_map");
    if (!s->map || s->map->kind != FT_JSON_OBJECT)
        return ft_fail(err, FT_ERROR_DATA, "%s: `weight_map` is not there, or not an object",
                       index);
    ft_weight *tensors = ft_arena_zero(arena, s->map->count + 1, sizeof(*tensors));
    if (!tensors)
        return ft_fail_nomem(err, s->map->count * sizeof(*tensors));
    for (size_t i = 0; i < s->map->count; i++)
        if (!find_in_shard(s, i, &last, &tensors[i], err))
            return false;
    if (s->map->count > 1)
        qsort(tensors, s->map->count, sizeof(*tensors), compare_weights);
    if (!put_weights(index, NULL, tensors, s->map->count, arena, out, err))
        return false;
    s->paths[0] = index;
    (*out)->files = s->paths;
    (*out)->file_count = 1 + s->count;
    return true;
}

// ---- whichever it is ----

static bool fail_missing(const char *folder, const char *path, ft_arena *arena, ft_error *err)
{
    const char *pickle = ft_path_join(arena, folder, "pytorch_model.bin");

    ft_fail(err, FT_ERROR_IO, "no weights: `%s` is missing", path);
    err->number = 604;
    if (pickle && ft_file_find(pickle) != FT_FILE_MISSING)
        ft_hint(err, "pytorch_model.bin is not read: save the model as safetensors.");
    else
        ft_hint(err,
                "Get the model with `ftpipe pull`, or name a folder that holds all its files.");
    return false;
}

bool ft_weights_open(const char *path, ft_arena *arena, ft_weights **out, ft_error *err)
{
    const ft_file_kind kind = ft_file_find(path);
    if (kind == FT_FILE_UNKNOWN)
        return ft_fail_errno(err, errno, "cannot look at `%s`", path);
    if (kind != FT_FILE_FOLDER)
        return open_file(path, arena, out, err);
    const char *whole = ft_path_join(arena, path, "model.safetensors");
    const char *index = ft_path_join(arena, path, "model.safetensors.index.json");
    if (!whole || !index)
        return ft_fail_nomem(err, strlen(path));
    if (ft_file_find(whole) != FT_FILE_MISSING)
        return open_file(whole, arena, out, err);
    if (ft_file_find(index) != FT_FILE_MISSING)
        return open_shards(path, index, arena, out, err);
    return fail_missing(path, whole, arena, err);
}

const ft_weight *ft_weights_find(const ft_weights *weights, const char *name)
{
    const ft_weight want = {.name = ft_slice_of(name)};

    if (weights->count == 0)
        return NULL;
    return bsearch(&want, weights->tensors, weights->count, sizeof(want), compare_weights);
}
