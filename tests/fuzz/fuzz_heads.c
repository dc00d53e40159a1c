// The head behind an encoder: config.json, and the tensors of a model.safetensors that it needs.
#include <string.h>

#include "runtime/memory/arena.h"
#include "stages/nn/heads_read.h"
#include "tests/fuzz/fuzz.h"

enum { HIDDEN = 2, WORDS = 3 };  // The seeds are made for them.

static void check_matrix(const ft_weight *weight, const ft_weight *bias, size_t rows)
{
    FUZZ_CHECK(weight->rank == 2 && weight->shape[0] == rows && weight->shape[1] == HIDDEN);
    FUZZ_CHECK(!bias || (bias->rank == 1 && bias->elements == rows));
    for (size_t i = 0; i < weight->elements; i++) {
        float value;  // Within the file: the sanitizers look on.
        ft_weight_read(weight, i, 1, &value);
    }
}

static void check_head(const ft_head_config *head, const ft_head_tensors *found, size_t size)
{
    const bool has_labels = head->kind != FT_HEAD_VOCABULARY;
    const size_t longest = size > 32 ? size : 32;  // Or a name that is made: LABEL_7.

    FUZZ_CHECK(head->outputs > 0 && (has_labels || head->outputs == WORDS));
    FUZZ_CHECK(head->labels.count == (has_labels ? head->outputs : 0));
    for (size_t i = 0; i < head->labels.count; i++)
        FUZZ_CHECK(head->labels.items[i] && strlen(head->labels.items[i]) <= longest);
    check_matrix(found->out, found->out_bias, head->outputs);
    if (found->dense)
        check_matrix(found->dense, found->dense_bias, HIDDEN);
    FUZZ_CHECK(!found->norm || found->norm->elements == HIDDEN);
    FUZZ_CHECK(!found->norm_bias || found->norm_bias->elements == HIDDEN);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"config.json", "model.safetensors", NULL};
    const ft_encoder_config encoder = {.hidden = HIDDEN, .vocabulary = WORDS, .epsilon = 1e-12F};
    ft_error err = FT_ERROR_INIT;
    ft_arena *arena = ft_arena_create();
    ft_head_config head;
    ft_head_tensors found;

    FUZZ_CHECK(arena);
    fuzz_set_files(names, (ft_slice){(const char *)data, size});
    if (ft_head_find("fuzz", &encoder, arena, &head, &found, &err))
        check_head(&head, &found, size);
    else
        fuzz_check_model_error(&err);
    ft_arena_destroy(arena);
    return 0;
}
