// Values of one type as another, where inputs with different types meet (error ports, whose items
// come from anywhere). Only `any` is wanted there: JSON text. Tensors and lists have no short text,
// so they become null.
#include "engine/flow.h"
#include "runtime/data/json.h"

enum { TEXT_BYTES_MAX = INT32_MAX };

static void put_item(ft_text *text, const ft_column *column, size_t item)
{
    char number[FT_NUMBER_BYTES];

    switch (column->type.kind) {
    case FT_KIND_BOOL:
        ft_text_append_string(text,
                              ((const uint8_t *)column->values->data)[item] ? "true" : "false");
        break;
    case FT_KIND_INT:
        ft_text_append(
            text, (ft_slice){number, ft_print_int(ft_tensor_i64(column->values)[item], number)});
        break;
    case FT_KIND_FLOAT:
        ft_json_put_float(text, ((const double *)(const void *)column->values->data)[item]);
        break;
    case FT_KIND_STRING:
        ft_json_put_string(text, ft_column_text(column, item));
        break;
    case FT_KIND_JSON:
    case FT_KIND_ANY:
        ft_text_append(text, ft_column_text(column, item));
        break;
    case FT_KIND_BYTES:
    case FT_KIND_TENSOR:
        break;
    }
}

static bool add_item(ft_builder *builder, ft_text *text, const ft_column *column, size_t item,
                     ft_error *err)
{
    text->size = 0;
    if (!ft_column_is_null(column, item) && !column->type.list)
        put_item(text, column, item);
    if (!ft_text_check(text, err))
        return false;
    return text->size ? ft_builder_add_text(builder, ft_text_get(text), err)
                      : ft_builder_add_null(builder, err);
}

bool ft_flow_convert(const ft_column *column, size_t count, ft_type type, ft_account *account,
                     ft_column *out, ft_error *err)
{
    ft_builder builder;
    ft_text text;

    if (ft_type_equal(column->type, type)) {
        *out = ft_column_ref(column);
        return true;
    }
    FT_ASSERT(type.kind == FT_KIND_ANY);
    if (!ft_builder_init(&builder, type, account, count, 0, err))
        return false;
    ft_text_init(&text, TEXT_BYTES_MAX);
    bool ok = true;
    for (size_t i = 0; ok && i < count; i++)
        ok = add_item(&builder, &text, column, i, err);
    ok = ok && ft_builder_take(&builder, out, err);
    ft_text_finish(&text);
    ft_builder_finish(&builder);
    return ok;
}
