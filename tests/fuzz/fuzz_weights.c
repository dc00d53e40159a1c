// A model's tensors: safetensors, shards that an index names, GGUF. All that can be read is read.
//
// The first byte of an input says which files there are: G a GGUF file, I an index and two shards,
// anything else model.safetensors.
#include <string.h>

#include "runtime/memory/arena.h"
#include "stages/nn/weights.h"
#include "tests/fuzz/fuzz.h"

enum { AT_ONCE = 64 };

static void read_all(const ft_weight *weight)
{
    float part[AT_ONCE];

    for (size_t at = 0; at < weight->elements; at += AT_ONCE) {
        const size_t left = weight->elements - at;
        ft_weight_read(weight, at, left < AT_ONCE ? left : AT_ONCE, part);
    }
}

// The tensor is found by its name and lies in the file.
static void check(const ft_weights *weights, size_t i)
{
    const ft_weight *weight = &weights->tensors[i];
    char name[256], shape[256];
    size_t elements = 1;

    for (size_t axis = 0; axis < weight->rank; axis++)
        elements *= (size_t)weight->shape[axis];
    FUZZ_CHECK(elements == weight->elements && weight->begin <= weight->end);
    FUZZ_CHECK(ft_weight_print_shape(weight, shape, sizeof(shape)) == shape);
    if (weight->name.size < sizeof(name) && !memchr(weight->name.data, 0, weight->name.size)) {
        memcpy(name, weight->name.data, weight->name.size);
        name[weight->name.size] = '\0';
        const ft_weight *found = ft_weights_find(weights, name);
        FUZZ_CHECK(found && ft_slice_equal(found->name, weight->name));
    }
    if (ft_weight_kind_is_float(weight->kind))
        read_all(weight);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const gguf[] = {"model.gguf", NULL};
    static const char *const shards[] = {"model.safetensors.index.json", "a.safetensors",
                                         "b.safetensors", NULL};
    static const char *const whole[] = {"model.safetensors", NULL};
    const char kind = size > 0 ? (char)data[0] : 0;
    ft_error err = FT_ERROR_INIT;
    ft_arena *arena = ft_arena_create();
    ft_weights *weights;

    FUZZ_CHECK(arena);
    fuzz_set_files(kind == 'G'   ? gguf
                   : kind == 'I' ? shards
                                 : whole,
                   (ft_slice){(const char *)data + (size > 0), size - (size > 0)});
    if (ft_weights_open(kind == 'G' ? FUZZ_FOLDER "model.gguf" : "fuzz", arena, &weights, &err)) {
        for (size_t i = 0; i < weights->count; i++)
            check(weights, i);
        FUZZ_CHECK(!ft_weights_find(weights, "no such tensor, whatever is there"));
    } else {
        fuzz_check_model_error(&err);
    }
    ft_arena_destroy(arena);
    return 0;
}
