// ftpipe new weights: a feed-forward network's weights, seeded, as PyTorch saves an nn.Sequential
// to safetensors: "0.weight" [out, in], "0.bias" [out], "2.weight" ... (the odd numbers are the
// activations between the layers).
//
// The values are those of torch.nn.Linear's start: uniform in +-1/sqrt(in), from the seed and the
// layer's number, so that one command gives the same file everywhere.
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/command.h"
#include "runtime/random.h"

enum { LAYERS_MAX = 64, WIDTH_MAX = 1 << 20, HEADER_BYTES_MAX = 64 * 1024 };

static const ft_flag flags[] = {
    {"layers", 0, "SIZES", NULL, "sizes from input to output: 512,10 is one layer"},
    {"seed", 0, "N", NULL, "of the random numbers (0)"},
    {NULL},
};

typedef struct {
    int64_t sizes[LAYERS_MAX + 1];
    size_t count;  // Of layers: one less than there are sizes.
} network;

static bool read_layers(const char *text, network *out, ft_error *err)
{
    ft_slice rest = ft_slice_of(text), part;
    size_t count = 0;
    bool ok = text != NULL;

    while (ok && ft_slice_cut(&rest, ',', &part)) {
        ok = count <= LAYERS_MAX && ft_parse_int(ft_slice_trim(part), &out->sizes[count]) &&
             out->sizes[count] >= 1 && out->sizes[count] <= WIDTH_MAX;
        count++;
    }
    if (!ok || count < 2) {
        ft_fail(err, FT_ERROR_USAGE, "`--layers` takes sizes such as 512,10, not `%s`",
                text ? text : "");
        return false;
    }
    out->count = count - 1;
    return true;
}

static void put_tensor(ft_text *header, size_t layer, const char *what, const int64_t *shape,
                       size_t rank, int64_t *at)
{
    int64_t bytes = 4;

    ft_text_format(header, "%s\"%zu.%s\":{\"dtype\":\"F32\",\"shape\":[",
                   header->size > 1 ? "," : "", layer * 2, what);
    for (size_t i = 0; i < rank; i++) {
        ft_text_format(header, "%s%lld", i ? "," : "", (long long)shape[i]);
        bytes *= shape[i];
    }
    ft_text_format(header, "],\"data_offsets\":[%lld,%lld]}", (long long)*at,
                   (long long)(*at + bytes));
    *at += bytes;
}

static bool write_header(FILE *file, const network *net, ft_error *err)
{
    ft_text header;
    int64_t at = 0;
    uint8_t size[8];

    ft_text_init(&header, HEADER_BYTES_MAX);
    ft_text_append_char(&header, '{');
    for (size_t i = 0; i < net->count; i++) {
        const int64_t shape[2] = {net->sizes[i + 1], net->sizes[i]};
        put_tensor(&header, i, "weight", shape, 2, &at);
        put_tensor(&header, i, "bias", shape, 1, &at);
    }
    ft_text_append_char(&header, '}');
    while (!header.failed && header.size % 8 != 0)
        ft_text_append_char(&header, ' ');
    bool ok = ft_text_check(&header, err);
    for (size_t i = 0; ok && i < sizeof(size); i++)
        size[i] = (uint8_t)((uint64_t)header.size >> (8 * i));
    if (ok) {
        fwrite(size, 1, sizeof(size), file);
        fwrite(header.data, 1, header.size, file);
    }
    ft_text_finish(&header);
    return ok;
}

static void write_numbers(FILE *file, ft_random *random, int64_t count, int64_t inputs)
{
    double bound = 1.0 / sqrt((double)inputs);

    for (int64_t i = 0; i < count; i++) {
        float value = (float)((2 * ft_random_float(random) - 1) * bound);
        fwrite(&value, sizeof(value), 1, file);
    }
}

// Makes the folders above the file, as `write` does.
static void make_folders(ft_arena *arena, const char *path)
{
    char *part = ft_arena_text(arena, ft_slice_of(path));

    for (char *slash = part ? strchr(part + 1, '/') : NULL; slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(part, 0777);  // Failing shows when the file is opened.
        *slash = '/';
    }
}

static bool write_weights(ft_arena *arena, const char *path, const network *net, uint64_t seed,
                          ft_error *err)
{
    make_folders(arena, path);
    FILE *file = fopen(path, "wb");
    if (!file)
        return ft_fail_errno(err, errno, "cannot write `%s`", path);
    bool ok = write_header(file, net, err);
    for (size_t i = 0; ok && i < net->count; i++) {
        ft_random random;
        ft_random_init(&random, seed, i);
        write_numbers(file, &random, net->sizes[i] * net->sizes[i + 1], net->sizes[i]);
        write_numbers(file, &random, net->sizes[i + 1], net->sizes[i]);
    }
    struct stat found;
    bool is_file = fstat(fileno(file), &found) == 0 && S_ISREG(found.st_mode);
    bool failed = ferror(file) != 0;
    if ((fclose(file) != 0 || failed) && ok) {
        ft_fail_errno(err, errno, "cannot write `%s`", path);
        ok = false;
    }
    // Half a file is taken away; a device or a pipe is not ours to remove.
    if (!ok && is_file)
        unlink(path);
    return ok;
}

static int new_file(const ft_arguments *arguments)
{
    const char *seed_text = ft_arguments_get(arguments, "seed");
    ft_error err = FT_ERROR_INIT;
    int64_t seed = 0;
    network net;

    if (strcmp(arguments->operands[0], "weights") != 0) {
        ft_fail(&err, FT_ERROR_USAGE, "`ftpipe new` makes weights, not `%s`",
                arguments->operands[0]);
        return ft_command_fail(FT_EXIT_USAGE, &err);
    }
    if (seed_text && !ft_parse_int(ft_slice_of(seed_text), &seed)) {
        ft_fail(&err, FT_ERROR_USAGE, "`--seed` is a whole number, not `%s`", seed_text);
        return ft_command_fail(FT_EXIT_USAGE, &err);
    }
    if (!read_layers(ft_arguments_get(arguments, "layers"), &net, &err))
        return ft_command_fail(FT_EXIT_USAGE, &err);
    if (!write_weights(arguments->arena, arguments->operands[1], &net, (uint64_t)seed, &err))
        return ft_command_fail(FT_EXIT_FAILED, &err);
    return FT_EXIT_DONE;
}

const ft_command ft_command_new = {
    .name = "new",
    .operands = "weights FILE.safetensors",
    .summary = "make the weights of a network, random but always the same",
    .details = "example: ftpipe new weights out/linear.safetensors --layers 512,10 --seed 7\n",
    .flags = flags,
    .operands_min = 2,
    .operands_max = 2,
    .run = new_file,
};
