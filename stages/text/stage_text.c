// Texts of items as they come, whether their type was known before or not.
#include "stages/text/stage_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "runtime/data/json.h"
#include "runtime/memory/alloc.h"
#include "stages/text/tokenizer_parts.h"
#include "stages/text/tokenizer_store.h"
#include "stages/text/vocabulary.h"

enum { LIST_BYTES = 128 };  // Names in a message.

static bool create_tokenizer(ft_stage_load *load, const void *host, void **out, ft_error *err)
{
    const char *store = load->environment ? load->environment->tokenizer_store : NULL;
    const ft_tokenizer *tokenizer;

    if (!ft_tokenizer_open(host, store, load->arena, &tokenizer, err))
        return false;
    memcpy(out, &tokenizer, sizeof(tokenizer));
    return true;
}

bool ft_stage_load_tokenizer(ft_stage_load *load, const char *path, void **out, ft_error *err)
{
    const char *key = ft_arena_format(load->arena, "tokenizer %s", path);

    if (!key)
        return ft_fail_nomem(err, strlen(path));
    return ft_load_share(load, key, create_tokenizer, path, out, err);
}

bool ft_stage_room(ft_stage *self, ft_buffer **buffer, size_t bytes, ft_error *err)
{
    if (*buffer && (*buffer)->size_bytes >= bytes)
        return true;
    ft_buffer_unref(ft_take(buffer));
    *buffer = ft_buffer_create(self->account, bytes, err);
    return *buffer != NULL;
}

static bool unescape(ft_stage *self, ft_buffer **unescaped, ft_slice json, ft_slice *out,
                     ft_error *why)
{
    if (json.size < 2 || json.data[0] != '"')
        return ft_fail(why, FT_ERROR_DATA, "the field is not a text");
    if (!ft_stage_room(self, unescaped, json.size, why))
        return false;
    out->data = (*unescaped)->data;
    return ft_json_unescape((ft_slice){json.data + 1, json.size - 2}, (*unescaped)->data,
                            &out->size, why);
}

bool ft_stage_text(ft_stage *self, ft_buffer **unescaped, const ft_column *column, size_t item,
                   ft_slice *out, ft_error *why)
{
    if (ft_column_is_null(column, item))
        return ft_fail(why, FT_ERROR_DATA, "the item has no text");
    *out = ft_column_text(column, item);
    if (column->type.kind == FT_KIND_ANY && !unescape(self, unescaped, *out, out, why))
        return false;
    // A plug-in may have made it; tokenizers rely on it.
    size_t valid = ft_utf8_valid_prefix(*out);
    return valid == out->size ||
           ft_fail(why, FT_ERROR_DATA, "the text is not UTF-8 at byte %zu", valid);
}

bool ft_stage_leave_out(ft_stage *self, const ft_batch *in, size_t item, const ft_error *why,
                        ft_error *err)
{
    if (why->code != FT_ERROR_DATA) {
        *err = *why;
        return false;
    }
    return ft_item_fail(self, in, item, why, err);
}

static bool refuse_name(const char *name, const char *option, const char *const *names,
                        ft_error *err)
{
    const char *nearest = ft_nearest(ft_slice_of(name), names);
    char list[LIST_BYTES] = "";
    size_t size = 0;

    for (size_t i = 0; names[i] && size < sizeof(list); i++)
        size += (size_t)snprintf(list + size, sizeof(list) - size, "%s%s", i ? ", " : "", names[i]);
    ft_fail(err, FT_ERROR_USAGE, "`%s` has no `%s`", option, name);
    if (nearest)
        ft_hint(err, "Did you mean `%s`?", nearest);
    ft_hint(err, "There is %s.", list);
    return ft_error_at(err, option, 0, 0);
}

bool ft_stage_read_names(const ft_strings *given, const char *option, const char *const *names,
                         unsigned *out, ft_error *err)
{
    *out = 0;
    for (size_t i = 0; i < given->count; i++) {
        const char *name = given->items[i];
        unsigned bit = 1;
        size_t at = 0;
        for (; names[at] && strcmp(names[at], name) != 0; at++)
            bit <<= 1;
        if (!names[at])
            return refuse_name(name, option, names, err);
        if (*out & bit) {
            ft_fail(err, FT_ERROR_USAGE, "`%s` is there twice", name);
            return ft_error_at(err, option, 0, 0);
        }
        *out |= bit;
    }
    return true;
}

// ---- a new column ----

bool ft_stage_keep(ft_stage *self, ft_batch **in, const uint32_t *kept, size_t count,
                   ft_batch **out, ft_error *err)
{
    ft_batch *batch = count == (*in)->count ? ft_take(in) : ft_batch_select(*in, kept, count, err);

    if (!batch)
        return false;
    if (!ft_batch_make_writable(&batch, self->output_width, err)) {
        ft_batch_unref(batch);
        return false;
    }
    *out = batch;
    return true;
}

static bool repeat_columns(ft_stage *self, const ft_batch *in, const uint32_t *items, ft_batch *out,
                           ft_error *err)
{
    size_t width = in->width < out->width ? in->width : out->width;

    for (size_t i = 0; i < width; i++) {
        if (i < self->output->count && !self->live[i])
            out->columns[i].type = in->columns[i].type;
        else if (!ft_column_select(&in->columns[i], items, out->count, self->account,
                                   &out->columns[i], err))
            return false;
    }
    return true;
}

ft_batch *ft_stage_repeat(ft_stage *self, const ft_batch *in, const uint32_t *items, size_t count,
                          ft_error *err)
{
    ft_batch *out = ft_batch_derive(in, items, count, self->output_width, err);

    if (out && repeat_columns(self, in, items, out, err))
        return out;
    ft_batch_unref(out);
    return NULL;
}

static bool add_items(ft_stage *self, const ft_batch *in, ft_stage_add *add, ft_builder *out,
                      uint32_t *kept, ft_error *err)
{
    for (size_t i = 0; i < in->count; i++) {
        ft_error why = FT_ERROR_INIT;
        if (ft_is_cancelled(self))
            return ft_fail(err, FT_ERROR_CANCELLED, "cancelled");
        if (add(self, in, i, out, &why))
            kept[out->count - 1] = (uint32_t)i;
        else if (!ft_stage_leave_out(self, in, i, &why, err))
            return false;
    }
    return true;
}

bool ft_stage_add_column(ft_stage *self, ft_batch **in, size_t output, ft_stage_add *add,
                         ft_error *err)
{
    size_t items = (*in)->count;
    uint32_t *kept = ft_alloc_array(items, sizeof(*kept));
    ft_builder builder = {0};
    ft_column column = {0};
    ft_batch *batch = NULL;

    bool ok = kept ? true : ft_fail_nomem(err, items * sizeof(*kept));
    ok = ok &&
         ft_builder_init(&builder, self->output->fields[output].type, self->account, items, 0,
                         err) &&
         add_items(self, *in, add, &builder, kept, err);
    size_t count = builder.count;
    if (ok && count > 0 && ft_builder_take(&builder, &column, err) &&
        ft_stage_keep(self, in, kept, count, &batch, err))
        ft_batch_set(batch, output, &column);
    ft_column_finish(&column);
    ft_builder_finish(&builder);
    ft_free(kept);
    return ok && (count == 0 || (batch && ft_emit(self, batch, err)));
}

// ---- plan time ----

bool ft_stage_plan_tokens(ft_stage_plan *plan, size_t *out_index, ft_error *err)
{
    const char *from = plan->from ? plan->from : "tokens", *option = plan->from ? "from" : NULL;

    if (!ft_plan_read(plan, option, from, FT_TYPE_IDS, out_index, err))
        return false;
    if (plan->input->fields[*out_index].type.kind != FT_KIND_ANY)
        return true;
    ft_fail(err, FT_ERROR_USAGE, "needs `%s` as i32[*], and its type is not known", from);
    ft_hint(err, "Make it with `tokenize`, or say `fields: {%s: \"i32[*]\"}` where it is read.",
            from);
    err->number = 312;
    return option ? ft_error_at(err, option, 0, 0) : false;
}

// `*out` NULL: there is none that can be read. False: out of memory.
static bool open_tokenizer(const ft_stage_plan *plan, const char *path, ft_arena *arena,
                           const ft_tokenizer **out, ft_error *err)
{
    const char *store = plan->environment ? plan->environment->tokenizer_store : NULL;
    ft_error why = FT_ERROR_INIT;

    *out = NULL;
    if (!arena)
        return ft_fail_nomem(err, 0);
    if (ft_tokenizer_open(path, store, arena, out, &why))
        return true;
    *out = NULL;
    if (why.code != FT_ERROR_NOMEM)
        return true;
    *err = why;
    return false;
}

static bool check_end(const ft_tokenizer *tokenizer, const char *model, size_t rows, ft_error *err)
{
    const size_t end = ft_tokenizer_id_end(tokenizer);

    return end <= rows || ft_fail(err, FT_ERROR_DATA,
                                  "the tokenizer in `%s` has %zu tokens, and the model in `%s` %zu",
                                  ft_tokenizer_get_info(tokenizer)->path, end, model, rows);
}

static bool say_own(ft_error *err)
{
    ft_hint(err, "They are not of one model: bring the tokenizer that the model was made with.");
    return false;
}

bool ft_stage_check_vocabulary(const ft_stage_plan *plan, const char *folder, const char *model,
                               size_t rows, ft_error *err)
{
    ft_arena *arena = ft_arena_create();
    const ft_tokenizer *tokenizer;

    const bool ok = open_tokenizer(plan, folder, arena, &tokenizer, err) &&
                    (!tokenizer || check_end(tokenizer, model, rows, err) || say_own(err));
    ft_arena_destroy(arena);
    return ok;
}

static bool check_special(const ft_tokenizer *tokenizer, const char *model, size_t rows,
                          ft_error *err)
{
    const ft_special_ids special = ft_tokenizer_get_special(tokenizer);

    for (size_t i = 0; i < special.before_count + special.after_count; i++) {
        const int32_t id =
            i < special.before_count ? special.before[i] : special.after[i - special.before_count];
        if ((size_t)id >= rows)
            return ft_fail(err, FT_ERROR_DATA,
                           "token %" PRId32 ", which the tokenizer in `%s` puts around each text, "
                           "is outside the vocabulary of %zu of the model in `%s`",
                           id, ft_tokenizer_get_info(tokenizer)->path, rows, model);
    }
    return true;
}

// Whether `folder` has a tokenizer, in another file than this one's.
static bool has_other_tokenizer(const char *folder, const ft_tokenizer *tokenizer, ft_arena *arena)
{
    ft_error why = FT_ERROR_INIT;
    const char *file;

    return ft_tokenizer_find_file(folder, arena, &file, &why) &&
           strcmp(file, ft_tokenizer_get_info(tokenizer)->path) != 0;
}

bool ft_stage_check_tokens(const ft_stage_plan *plan, size_t field, const char *folder,
                           const char *model, size_t rows, ft_error *err)
{
    const ft_token_origin *origin = plan->input->fields[field].origin;

    if (!origin)
        return ft_stage_check_vocabulary(plan, folder, model, rows, err);
    ft_arena *arena = ft_arena_create();
    const ft_tokenizer *tokenizer;
    bool ok = open_tokenizer(plan, origin->tokenizer, arena, &tokenizer, err);
    if (ok && tokenizer &&
        !(check_end(tokenizer, model, rows, err) &&
          (!origin->has_special || check_special(tokenizer, model, rows, err)))) {
        if (has_other_tokenizer(folder, tokenizer, arena))
            ft_hint(err, "`%s` is made with it: use `tokenize: %s`.",
                    plan->input->fields[field].name, folder);
        ok = say_own(err);
    }
    ft_arena_destroy(arena);
    return ok;
}

static bool check_ids(const ft_tokenizer *tokenizer, const char *model, size_t rows,
                      const char *prompt, ft_special_tokens special, ft_error *err)
{
    const ft_token_settings settings = {.truncation = FT_TRUNCATE_NONE, .special_tokens = special};
    ft_token_coder *coder = ft_token_coder_create(tokenizer, settings, NULL, err);
    ft_ids ids = {0};
    bool was_cut;

    bool ok = coder && ft_token_coder_add(coder, ft_slice_of(prompt), &ids, &was_cut, err);
    for (size_t i = 0; ok && i < ids.count; i++) {
        const int32_t id = ft_ids_data(&ids)[i];
        if ((size_t)id < rows)
            continue;
        const ft_slice shown = ft_shown(ft_slice_of(prompt));
        ok = ft_fail(err, FT_ERROR_DATA,
                     "token %" PRId32 " of the prompt `%.*s` is outside the vocabulary of %zu of "
                     "the model in `%s`",
                     id, (int)shown.size, shown.data, rows, model);
    }
    ft_ids_finish(&ids);
    ft_token_coder_destroy(coder);
    return ok;
}

bool ft_stage_check_prompt(const ft_stage_plan *plan, const char *model, size_t rows,
                           const char *prompt, ft_special_tokens special, ft_error *err)
{
    ft_arena *arena = ft_arena_create();
    const ft_tokenizer *tokenizer;

    const bool ok = open_tokenizer(plan, model, arena, &tokenizer, err) &&
                    (!tokenizer || check_ids(tokenizer, model, rows, prompt, special, err));
    ft_arena_destroy(arena);
    return ok;
}
