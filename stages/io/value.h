// JSON values into columns: one value of a known type, checked, added to its builder.
#pragma once

#include "runtime/data/column.h"
#include "runtime/data/json.h"

// Whether items of this type can be read from JSON and CSV (f16 and bf16 cannot). False with `err`.
bool ft_value_can_read(ft_type type, ft_error *err) FT_MUST_CHECK;

// Memory for the numbers of one item, kept from item to item.
typedef struct ft_value_scratch {
    ft_account *account;
    ft_buffer *numbers;
} ft_value_scratch;
void ft_value_scratch_finish(ft_value_scratch *scratch);

// Adds `value`: a scalar as read, or an array or object with all of its text. null adds a null.
// With FT_ERROR_DATA the value does not fit the type; the builder has then one item more or not.
bool ft_value_add(ft_builder *builder, const ft_json_value *value, ft_value_scratch *scratch,
                  ft_error *err) FT_MUST_CHECK;
