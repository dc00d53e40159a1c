// Growth of lists of ids and of tokens: by half, bounded.
#include "stages/text/ids.h"

#include "stages/text/token.h"

enum { GROWTH_MAX = 1 << 22 };

// Room for `more` entries behind `count` in `*buffer`.
static bool reserve(ft_buffer **buffer, ft_account *account, size_t count, size_t more,
                    size_t entry_bytes, ft_error *err)
{
    size_t wanted;
    size_t have = *buffer ? (*buffer)->size_bytes / entry_bytes : 0;

    if (FT_ADD_OVERFLOWS(count, more, &wanted) || wanted > INT32_MAX)
        return ft_fail(err, FT_ERROR_LIMIT, "more than %d ids in a batch", INT32_MAX);
    if (wanted <= have)
        return true;
    // By half, but not so much that the slack of a long text counts.
    size_t step = have / 2 < GROWTH_MAX ? have / 2 : GROWTH_MAX;
    wanted = wanted > have + step ? wanted : have + step;
    if (*buffer)
        return ft_buffer_resize(*buffer, wanted * entry_bytes, err);
    *buffer = ft_buffer_create(account, wanted * entry_bytes, err);
    return *buffer != NULL;
}

bool ft_ids_reserve(ft_ids *ids, size_t more, ft_error *err)
{
    return reserve(&ids->buffer, ids->account, ids->count, more, sizeof(int32_t), err);
}

void ft_ids_finish(ft_ids *ids)
{
    ft_buffer_unref(ids->buffer);
    ids->buffer = NULL;
    ids->count = 0;
}

bool ft_tokens_reserve(ft_tokens *tokens, size_t more, ft_error *err)
{
    return reserve(&tokens->buffer, tokens->account, tokens->count, more, sizeof(ft_token), err);
}

void ft_tokens_finish(ft_tokens *tokens)
{
    ft_buffer_unref(tokens->buffer);
    tokens->buffer = NULL;
    tokens->count = 0;
}
