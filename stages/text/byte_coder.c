// Blocks of words: their ends, then their bytes copied to where 64 more may be read, then their
// ids.
#include "stages/text/byte_coder.h"

#include <string.h>

#include "runtime/memory/alloc.h"

enum { BLOCK_WORDS = 512, BLOCK_BYTES = 4096, SLACK = 64, PART_MAX = 1 << 30 };
enum { CACHE_BYTES = 1 << 24 };

struct ft_byte_coder {
    const ft_token_model *model;
    const ft_grammar *grammar;
    ft_account *account;
    ft_model_scratch *scratch;
    ft_buffer *bytes;  // Of the words at work.
};

ft_byte_coder *ft_byte_coder_create(const ft_token_model *model, const ft_grammar *grammar,
                                    ft_account *account, ft_error *err)
{
    ft_byte_coder *coder = ft_alloc_zero(1, sizeof(*coder));

    if (!coder) {
        ft_fail_nomem(err, sizeof(*coder));
        return NULL;
    }
    coder->model = model;
    coder->grammar = grammar;
    coder->account = account;
    coder->scratch = ft_model_scratch_create(model, CACHE_BYTES, account, err);
    coder->bytes = coder->scratch ? ft_buffer_create(account, BLOCK_BYTES + SLACK, err) : NULL;
    if (!coder->bytes)
        ft_byte_coder_destroy(ft_take(&coder));
    return coder;
}

void ft_byte_coder_destroy(ft_byte_coder *coder)
{
    if (!coder)
        return;
    ft_model_scratch_destroy(coder->scratch);
    ft_buffer_unref(coder->bytes);
    ft_free(coder);
}

static bool make_room(ft_byte_coder *coder, size_t size, ft_error *err)
{
    if (coder->bytes->size_bytes >= size + SLACK)
        return true;
    ft_buffer *larger = ft_buffer_create(coder->account, size + SLACK, err);
    if (!larger)
        return false;
    ft_buffer_unref(coder->bytes);
    coder->bytes = larger;
    return true;
}

bool ft_byte_coder_add(ft_byte_coder *coder, ft_slice part, size_t at, size_t enough, ft_ids *ids,
                       ft_placer *placer, ft_error *err)
{
    uint32_t ends[BLOCK_WORDS], counts[BLOCK_WORDS];
    size_t from = 0;

    if (part.size > PART_MAX)
        return ft_fail(err, FT_ERROR_LIMIT, "a text of %zu bytes between two added tokens",
                       part.size);
    while (from < part.size && ids->count < enough) {
        size_t added, count = ft_grammar_cut(coder->grammar, part, from, ends, BLOCK_WORDS);
        size_t end = ends[count - 1], size = end - from;
        size_t room = ft_token_model_room(coder->model, size);
        for (size_t i = 0; i < count; i++)
            ends[i] -= (uint32_t)from;
        if (!make_room(coder, size, err) || !ft_ids_reserve(ids, room, err))
            return false;
        memcpy(coder->bytes->data, part.data + from, size);
        const ft_slice words = {coder->bytes->data, size};
        if (!ft_token_model_byte_words(coder->model, coder->scratch, words, ends, counts, count,
                                       ft_ids_data(ids) + ids->count, room, &added, err))
            return false;
        ids->count += added;
        if (placer &&
            !ft_placer_add_cut(placer, coder->bytes->data, at + from, ends, counts, count, err))
            return false;
        from = end;
    }
    return true;
}
