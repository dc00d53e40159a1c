// A list that any thread may read and change: reads by index take no lock, changes take the list's
// own, but for replacing an item.
#pragma once

#include "runtime/concurrent/shared_value.h"

typedef struct ft_list ft_list;

ft_list *ft_list_create(int64_t cap, ft_account *account, ft_error *err) FT_MUST_CHECK;
static inline ft_object *ft_list_object(ft_list *list)
{
    return (ft_object *)(void *)list;
}
int64_t ft_list_count(const ft_list *list);
// Indices from 0. False: the list is not that long. The value comes with a reference of its own.
bool ft_list_get(const ft_list *list, int64_t index, ft_value *out);
// Puts it behind the last; `*out_index` (may be NULL) is where it stands.
bool ft_list_append(ft_list *list, const ft_value *value, int64_t *out_index,
                    ft_error *err) FT_MUST_CHECK;
// Fails with DATA when the list is not that long.
bool ft_list_set(ft_list *list, int64_t index, const ft_value *value, ft_error *err) FT_MUST_CHECK;
// Takes the last one out; false: it is empty.
bool ft_list_pop(ft_list *list, ft_value *out);
