// Growth of lists of ids and of tokens: by half, bounded.
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

void ft_tokens_init(ft_tokens *tokens, ft_account *account)
{
    *tokens = (ft_tokens){.ids.account = account,
                          .spans.account = account,
                          .words.account = account,
                          .spaces.account = account};
}

void ft_tokens_clear(ft_tokens *tokens)
{
    tokens->ids.count = tokens->spans.count = tokens->words.count = tokens->spaces.count = 0;
}

void ft_tokens_finish(ft_tokens *tokens)
{
    ft_ids_finish(&tokens->ids);
    ft_ids_finish(&tokens->spans);
    ft_ids_finish(&tokens->words);
    ft_ids_finish(&tokens->spaces);
}

bool ft_tokens_reserve(ft_tokens *tokens, size_t more, ft_error *err)
{
    return ft_ids_reserve(&tokens->ids, more, err) &&
           (!tokens->has_places || ft_ids_reserve(&tokens->spans, 2 * more, err)) &&
           (!tokens->has_words || ft_ids_reserve(&tokens->words, more + FT_TOKENS_SLACK, err)) &&
           (!tokens->has_spaces || ft_ids_reserve(&tokens->spaces, more, err));
}
