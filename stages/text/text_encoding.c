// Templates, windows, padding: all lengths are found first, then columns are written once.
//
// Windows of a text are never made: where each begins follows from its number (find_window).
#include "stages/text/text_encoding.h"

#include <string.h>

#include "stages/text/tokenizer_parts.h"

enum { COLUMN_COUNT = 7 };

// How one text is cut: windows of at most `size` tokens, `step` from one to the next.
typedef struct cutting {
    const ft_tokens *tokens;
    size_t size, step;
    size_t count;  // Windows.
    bool left;     // From the end to the front.
} cutting;

typedef struct encoder {
    const ft_tokenizer *tokenizer;
    const ft_encode_settings *settings;
    cutting texts[2];
    bool is_pair;
    ft_encodings *out;
} encoder;

static void list_columns(ft_encodings *e, ft_ids *columns[COLUMN_COUNT])
{
    ft_ids *all[COLUMN_COUNT] = {&e->ids,     &e->type_ids,  &e->offsets, &e->word_ids,
                                 &e->special, &e->attention, &e->sequence};

    memcpy(columns, all, sizeof(all));
}

void ft_encodings_init(ft_encodings *encodings, ft_account *account)
{
    ft_ids *columns[COLUMN_COUNT];

    memset(encodings, 0, sizeof(*encodings));
    list_columns(encodings, columns);
    for (size_t i = 0; i < COLUMN_COUNT; i++)
        columns[i]->account = account;
    encodings->ends.account = account;
}

void ft_encodings_finish(ft_encodings *encodings)
{
    ft_ids *columns[COLUMN_COUNT];

    list_columns(encodings, columns);
    for (size_t i = 0; i < COLUMN_COUNT; i++)
        ft_ids_finish(columns[i]);
    ft_ids_finish(&encodings->ends);
}

// ---- templates ----

// What stands around the texts; without a template just the texts.
static const ft_template_part *find_template(const ft_tokenizer *tokenizer, bool pair,
                                             size_t *out_count)
{
    static const ft_template_part plain[] = {{FT_PART_A, 0, 0}, {FT_PART_B, 0, 1}};
    const ft_post_definition *post = &tokenizer->definition.post;
    size_t count = pair ? post->pair_count : post->single_count;

    *out_count = count > 0 ? count : pair ? 2 : 1;
    return count == 0 ? plain : pair ? post->pair : post->single;
}

static size_t count_special(const ft_tokenizer *tokenizer, const ft_encode_settings *settings,
                            bool pair)
{
    size_t count, special = 0;
    const ft_template_part *parts = find_template(tokenizer, pair, &count);

    for (size_t i = 0; settings->add_special && i < count; i++)
        special += parts[i].kind == FT_PART_SPECIAL;
    return special;
}

// ---- cutting ----

static bool is_cut(const ft_encode_settings *settings)
{
    return settings->max_length > 0 && settings->truncation != FT_TRUNCATE_NONE;
}

bool ft_encode_check(const ft_tokenizer *tokenizer, const ft_encode_settings *settings, bool pair,
                     ft_error *err)
{
    size_t special = count_special(tokenizer, settings, pair);

    if (!is_cut(settings))
        return true;
    if (settings->max_length < special)
        return ft_fail(err, FT_ERROR_USAGE, "%zu ids a text leave no room for the %zu special ones",
                       settings->max_length, special);
    if (settings->windows && settings->stride >= settings->max_length - special)
        return ft_fail(err, FT_ERROR_USAGE,
                       "windows of %zu ids, %zu of them special, cannot have %zu in common",
                       settings->max_length, special, settings->stride);
    return true;
}

static bool cut_fails(ft_error *err)
{
    ft_fail(err, FT_ERROR_DATA, "the text that is to be cut is too short for that");
    ft_hint(err, "Cut the longer text first, or set a larger `max_length`.");
    return false;
}

// Both are cut: the longer one as far as the shorter one, then both to a half.
static void share_length(size_t max, size_t *a, size_t *b)
{
    size_t *shorter = *a <= *b ? a : b, *longer = shorter == a ? b : a;

    if (*shorter > max)
        *longer = *shorter;
    else
        *longer = *shorter > max - *shorter ? *shorter : max - *shorter;
    if (*shorter + *longer > max) {
        *shorter = max / 2;
        *longer = max / 2 + max % 2;
    }
}

// How many tokens of each text stay.
static bool find_lengths(const encoder *e, size_t max, size_t *a, size_t *b, ft_error *err)
{
    size_t total = *a + *b;

    if (total <= max)
        return true;
    if (e->settings->truncation == FT_TRUNCATE_ERROR) {
        ft_fail(err, FT_ERROR_DATA, "the text has more than %zu tokens", e->settings->max_length);
        ft_hint(err, "Set `truncation: right` to cut it, or a larger `max_length`.");
        return false;
    }
    if (max == 0) {
        *a = *b = 0;
        return true;
    }
    if (e->settings->pair_truncation == FT_PAIR_LONGEST_FIRST) {
        if (e->is_pair)
            share_length(max, a, b);
        else
            *a = max;
        return true;
    }
    size_t *target = e->settings->pair_truncation == FT_PAIR_ONLY_FIRST ? a : b;
    if (*target <= total - max)
        return cut_fails(err);
    *target -= total - max;
    return true;
}

static bool set_cutting(const encoder *e, cutting *c, size_t size, ft_error *err)
{
    size_t count = c->tokens ? c->tokens->ids.count : 0;

    c->size = size;
    c->count = 1;
    c->left = e->settings->truncation == FT_TRUNCATE_LEFT;
    if (size >= count || !e->settings->windows)
        return true;
    if (size == 0) {
        // Nothing fits: all of it is the one further window.
        c->count = 2;
        return true;
    }
    if (e->settings->stride >= size)
        return ft_fail(err, FT_ERROR_DATA, "windows of %zu tokens cannot have %zu in common", size,
                       e->settings->stride);
    c->step = size - e->settings->stride;
    c->count = 1 + (count - size + c->step - 1) / c->step;
    return true;
}

// The tokens of window `index`: [from, to).
static void find_window(const cutting *c, size_t index, size_t *from, size_t *to)
{
    size_t count = c->tokens ? c->tokens->ids.count : 0;

    if (c->size >= count || (c->size == 0 && index > 0)) {
        *from = 0;
        *to = count;
    } else if (c->size == 0) {
        *from = *to = 0;
    } else if (c->left) {
        *to = count - index * c->step;
        *from = *to > c->size ? *to - c->size : 0;
    } else {
        *from = index * c->step;
        *to = *from + c->size < count ? *from + c->size : count;
    }
}

// ---- columns ----

static bool reserve(encoder *e, size_t more, ft_error *err)
{
    unsigned columns = e->settings->columns;
    ft_encodings *out = e->out;

    return ft_ids_reserve(&out->ids, more, err) &&
           (!(columns & FT_ENCODE_TYPE_IDS) || ft_ids_reserve(&out->type_ids, more, err)) &&
           (!(columns & FT_ENCODE_OFFSETS) || ft_ids_reserve(&out->offsets, 2 * more, err)) &&
           (!(columns & FT_ENCODE_WORD_IDS) || ft_ids_reserve(&out->word_ids, more, err)) &&
           (!(columns & FT_ENCODE_SPECIAL_MASK) || ft_ids_reserve(&out->special, more, err)) &&
           (!(columns & FT_ENCODE_ATTENTION) || ft_ids_reserve(&out->attention, more, err)) &&
           (!(columns & FT_ENCODE_SEQUENCE) || ft_ids_reserve(&out->sequence, more, err));
}

static void fill(ft_ids *column, size_t count, int32_t number)
{
    if (count == 0)
        return;
    int32_t *to = ft_ids_data(column) + column->count;
    for (size_t i = 0; i < count; i++)
        to[i] = number;
    column->count += count;
}

static void copy(ft_ids *column, const ft_ids *from, size_t start, size_t count)
{
    if (count == 0)
        return;
    memcpy(ft_ids_data(column) + column->count, ft_ids_data(from) + start, count * sizeof(int32_t));
    column->count += count;
}

// `count` special tokens, or padding.
static void put_others(encoder *e, size_t count, int32_t id, int32_t type_id, bool is_padding)
{
    unsigned columns = e->settings->columns;
    ft_encodings *out = e->out;

    fill(&out->ids, count, id);
    if (columns & FT_ENCODE_TYPE_IDS)
        fill(&out->type_ids, count, type_id);
    if (columns & FT_ENCODE_OFFSETS)
        fill(&out->offsets, 2 * count, 0);
    if (columns & FT_ENCODE_WORD_IDS)
        fill(&out->word_ids, count, -1);
    if (columns & FT_ENCODE_SPECIAL_MASK)
        fill(&out->special, count, 1);
    if (columns & FT_ENCODE_ATTENTION)
        fill(&out->attention, count, !is_padding);
    if (columns & FT_ENCODE_SEQUENCE)
        fill(&out->sequence, count, -1);
}

static bool is_inside(ft_slice text, uint32_t at)
{
    return ((unsigned char)text.data[at] & 0xc0) == 0x80;
}

// White space at the ends of a token is not part of its place; one space in front may be one that
// was added. As many characters of the text are left out as the token has white ones, whatever
// they are: that of an added space is the character behind it.
static void trim(const encoder *e, ft_slice text, bool is_first, uint32_t spaces, int32_t span[2])
{
    uint32_t leading = spaces & FT_SPACES_MOST, trailing = spaces >> FT_SPACES_HALF;
    uint32_t start = (uint32_t)span[0], end = (uint32_t)span[1];

    if (leading == 1 && e->tokenizer->definition.post.add_prefix_space && (is_first || start == 0))
        leading = 0;
    for (; leading > 0 && start < end; leading--) {
        do
            start++;
        while (start < end && is_inside(text, start));
    }
    uint32_t before = end;
    for (; trailing > 0 && before > 0; trailing--) {
        do
            before--;
        while (before > 0 && is_inside(text, before));
    }
    if (trailing == 0)
        end = before > start ? before : start;
    span[0] = (int32_t)start;
    span[1] = (int32_t)end;
}

static void put_text(encoder *e, const ft_template_part *part, size_t index)
{
    int32_t sequence = part->kind == FT_PART_B;
    const cutting *c = &e->texts[sequence];
    const ft_tokens *tokens = c->tokens;
    unsigned columns = e->settings->columns;
    ft_encodings *out = e->out;
    // The reference gives a template's type to the first window only.
    bool is_later = index > 0 && e->tokenizer->definition.post.first_window_types;
    size_t from, to;

    find_window(c, index, &from, &to);
    const size_t count = to - from;
    if (count == 0)
        return;
    copy(&out->ids, &tokens->ids, from, count);
    if (columns & FT_ENCODE_TYPE_IDS)
        fill(&out->type_ids, count, is_later ? sequence : part->type_id);
    if (columns & FT_ENCODE_OFFSETS) {
        int32_t *spans = ft_ids_data(&out->offsets) + out->offsets.count;
        const int32_t *spaces = ft_ids_data(&tokens->spaces);
        copy(&out->offsets, &tokens->spans, 2 * from, 2 * count);
        for (size_t i = 0; tokens->has_spaces && i < count; i++)
            if (spaces[from + i])
                trim(e, tokens->text, i == 0, (uint32_t)spaces[from + i], spans + 2 * i);
    }
    if (columns & FT_ENCODE_WORD_IDS)
        copy(&out->word_ids, &tokens->words, from, count);
    if (columns & FT_ENCODE_SPECIAL_MASK)
        fill(&out->special, count, 0);
    if (columns & FT_ENCODE_ATTENTION)
        fill(&out->attention, count, 1);
    if (columns & FT_ENCODE_SEQUENCE)
        fill(&out->sequence, count, sequence);
}

static size_t round_up(const ft_encode_settings *settings, size_t count)
{
    size_t wanted = settings->pad_to > 0 ? settings->pad_to : count;

    if (settings->pad_multiple > 0 && wanted % settings->pad_multiple > 0)
        wanted += settings->pad_multiple - wanted % settings->pad_multiple;
    return wanted > count ? wanted : count;
}

// One window: tokens `a` and `b` are the windows of each text.
static bool put_window(encoder *e, size_t a, size_t b, ft_error *err)
{
    const ft_encode_settings *settings = e->settings;
    size_t part_count, from, to, count = count_special(e->tokenizer, settings, e->is_pair);
    const ft_template_part *parts = find_template(e->tokenizer, e->is_pair, &part_count);

    find_window(&e->texts[0], a, &from, &to);
    count += to - from;
    find_window(&e->texts[1], b, &from, &to);
    count += e->is_pair ? to - from : 0;
    size_t padded = round_up(settings, count);
    if (!reserve(e, padded, err) || !ft_ids_reserve(&e->out->ends, 1, err))
        return false;
    if (settings->pad_left)
        put_others(e, padded - count, settings->pad_id, settings->pad_type_id, true);
    for (size_t i = 0; i < part_count; i++) {
        if (parts[i].kind != FT_PART_SPECIAL)
            put_text(e, &parts[i], parts[i].kind == FT_PART_B ? b : a);
        else if (settings->add_special)
            put_others(e, 1, parts[i].id, parts[i].type_id, false);
    }
    if (!settings->pad_left)
        put_others(e, padded - count, settings->pad_id, settings->pad_type_id, true);
    fill(&e->out->ends, 1, (int32_t)e->out->ids.count);
    return true;
}

// All windows of the first text with all of the second, in the reference's order: the first of
// both, those of the first text with each of the second, the first with the others of the second.
static bool put_windows(encoder *e, ft_error *err)
{
    size_t as = e->texts[0].count, bs = e->is_pair ? e->texts[1].count : 1;

    if (!put_window(e, 0, 0, err))
        return false;
    for (size_t a = 1; a < as; a++) {
        for (size_t b = 0; b < bs; b++) {
            if (!put_window(e, a, b, err))
                return false;
        }
    }
    for (size_t b = 1; b < bs; b++) {
        if (!put_window(e, 0, b, err))
            return false;
    }
    return true;
}

bool ft_encode(const ft_tokenizer *tokenizer, const ft_encode_settings *settings,
               const ft_tokens *a, const ft_tokens *b, ft_encodings *out, bool *out_cut,
               ft_error *err)
{
    encoder e = {.tokenizer = tokenizer,
                 .settings = settings,
                 .texts = {{.tokens = a}, {.tokens = b}},
                 .is_pair = b != NULL,
                 .out = out};
    size_t lengths[2] = {a->ids.count, b ? b->ids.count : 0};
    size_t special = count_special(tokenizer, settings, e.is_pair);
    ft_encodings before = *out;
    ft_ids *columns[COLUMN_COUNT], *old[COLUMN_COUNT];

    if (is_cut(settings) &&
        !find_lengths(&e, settings->max_length - special, &lengths[0], &lengths[1], err))
        return false;
    *out_cut = lengths[0] < a->ids.count || (b && lengths[1] < b->ids.count);
    if (set_cutting(&e, &e.texts[0], lengths[0], err) &&
        set_cutting(&e, &e.texts[1], lengths[1], err) && put_windows(&e, err))
        return true;
    list_columns(out, columns);
    list_columns(&before, old);
    for (size_t i = 0; i < COLUMN_COUNT; i++)
        columns[i]->count = old[i]->count;
    out->ends.count = before.ends.count;
    return false;
}
