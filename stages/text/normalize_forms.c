// Normal forms, Unicode Standard Annex 15: decompose, sort marks by their class, compose.
//
// Letters outside of the form's set need nothing; what is between them goes character by character,
// with the change that tells where its span comes from: 0 of the first part of a decomposition, 1
// of the others, and of a composition the sum less one, as the reference has it.
#include "stages/text/normalize_steps.h"

enum { HELD_INLINE = 32, CLASSES = 256 };

typedef struct mark {
    uint32_t c;
    int16_t change;
    uint8_t class;
} mark;

// Marks since the last letter of class 0, which `starter` is.
typedef struct mark_run {
    ft_rewrite rewrite;
    bool compatible, composes;
    bool has_starter;
    uint32_t starter;
    int64_t starter_change;
    bool is_sorted;
    size_t held_count, held_capacity;
    mark *held;  // `few`, or the data of `many`.
    mark few[HELD_INLINE];
    ft_buffer *many;
    ft_error *err;
} mark_run;

static bool hold(mark_run *run, mark next)
{
    if (run->held_count == run->held_capacity) {
        size_t bytes = 2 * run->held_capacity * sizeof(mark);
        if (run->many) {
            if (!ft_buffer_resize(run->many, bytes, run->err))
                return false;
        } else {
            run->many = ft_buffer_create(run->rewrite.in->account, bytes, run->err);
            if (!run->many)
                return false;
            memcpy(run->many->data, run->few, sizeof(run->few));
        }
        run->held = run->many->data;
        run->held_capacity *= 2;
    }
    if (run->held_count > 0 && run->held[run->held_count - 1].class > next.class)
        run->is_sorted = false;
    run->held[run->held_count++] = next;
    return true;
}

static void insert_marks(mark *held, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        mark one = held[i];
        size_t to = i;
        for (; to > 0 && held[to - 1].class > one.class; to--)
            held[to] = held[to - 1];
        held[to] = one;
    }
}

static bool count_marks(mark_run *run)
{
    size_t at[CLASSES] = {0}, sum = 0;
    ft_buffer *sorted =
        ft_buffer_create(run->rewrite.in->account, run->held_capacity * sizeof(mark), run->err);

    if (!sorted)
        return false;
    for (size_t i = 0; i < run->held_count; i++)
        at[run->held[i].class]++;
    for (size_t class = 0; class < CLASSES; class ++) {
        size_t here = at[class];
        at[class] = sum;
        sum += here;
    }
    mark *out = sorted->data;
    for (size_t i = 0; i < run->held_count; i++)
        out[at[run->held[i].class]++] = run->held[i];
    ft_buffer_unref(run->many);
    run->many = sorted;
    run->held = out;
    return true;
}

// By class, equal ones in their order. Few are inserted one by one, many are counted, so that a
// text of nothing but marks takes linear time.
static bool sort_held(mark_run *run)
{
    run->is_sorted = true;
    if (run->held_count > HELD_INLINE)
        return count_marks(run);
    insert_marks(run->held, run->held_count);
    return true;
}

// Composes the starter with the marks behind it; those that stay are held on.
static void compose_held(mark_run *run)
{
    size_t kept = 0;
    uint8_t last_class = 0;

    for (size_t i = 0; i < run->held_count; i++) {
        mark one = run->held[i];
        // A mark is blocked by one of its own class that stays before it.
        uint32_t composed = last_class < one.class ? ft_unicode_compose(run->starter, one.c) : 0;
        if (composed) {
            run->starter = composed;
            run->starter_change += one.change - 1;
        } else {
            run->held[kept++] = one;
            last_class = one.class;
        }
    }
    run->held_count = kept;
}

enum { UTF8_MAX = 4 };

// Writes what is held.
static bool put_run(mark_run *run)
{
    if (!ft_rewrite_room(&run->rewrite, (run->held_count + 1) * UTF8_MAX, run->err))
        return false;
    if (run->has_starter)
        ft_rewrite_put(&run->rewrite, run->starter, run->starter_change);
    for (size_t i = 0; i < run->held_count; i++)
        ft_rewrite_put(&run->rewrite, run->held[i].c, run->held[i].change);
    run->has_starter = false;
    run->held_count = 0;
    return true;
}

static bool finish_marks(mark_run *run)
{
    if (!run->is_sorted && !sort_held(run))
        return false;
    if (run->composes && run->has_starter)
        compose_held(run);
    return true;
}

// One character, fully decomposed.
static bool take_part(mark_run *run, uint32_t c, int change)
{
    const ft_unicode_form *form = c < 0x80 ? NULL : ft_unicode_form_of(c);
    uint8_t class = form ? form->combining_class : 0;

    if (class != 0)
        return hold(run, (mark){c, (int16_t)change, class});
    if (!finish_marks(run))
        return false;
    if (run->composes && run->has_starter && run->held_count == 0) {
        uint32_t composed = ft_unicode_compose(run->starter, c);
        if (composed) {
            run->starter = composed;
            run->starter_change += change - 1;
            return true;
        }
    }
    if ((run->has_starter || run->held_count > 0) && !put_run(run))
        return false;
    run->has_starter = true;
    run->starter = c;
    run->starter_change = change;
    return true;
}

static bool take(mark_run *run, uint32_t c)
{
    uint32_t hangul[3];
    const uint32_t *parts;
    size_t count = c < 0x80 ? 0 : ft_unicode_parts(c, run->compatible, hangul, &parts);

    if (count == 0)
        return take_part(run, c, FT_CHANGE_REPLACES);
    for (size_t i = 0; i < count; i++) {
        if (!take_part(run, parts[i], i > 0 ? FT_CHANGE_ADDS : FT_CHANGE_REPLACES))
            return false;
    }
    return true;
}

// Where the first character of the set begins, from `at` on; ASCII is in none of them. What
// precedes it begins at `*out_before` (`at`, when there is none).
static size_t find_member(ft_unicode_set form, const uint8_t *bytes, size_t size, size_t at,
                          size_t *out_before)
{
    static const uint64_t high = UINT64_C(0x8080808080808080);
    size_t before = at;
    uint64_t word;

    while (at < size) {
        if (bytes[at] < 0x80) {
            for (; at + sizeof(word) <= size; at += sizeof(word)) {
                memcpy(&word, bytes + at, sizeof(word));
                if (word & high)
                    break;
            }
            while (at < size && bytes[at] < 0x80)
                at++;
            before = at - 1;
            continue;
        }
        size_t start = at;
        uint32_t c = ft_unicode_next(bytes, &at);
        if (ft_unicode_in(form, c)) {
            *out_before = before;
            return start;
        }
        before = start;
    }
    *out_before = before;
    return size;
}

// From the letter at `from` to the next one outside of the set behind `member`, or the end.
static bool rewrite_run(mark_run *run, ft_unicode_set form, size_t from, size_t member,
                        size_t *out_end)
{
    ft_aligned *in = run->rewrite.in;
    size_t at = from;

    while (at < in->size) {
        size_t start = at;
        uint32_t c = ft_unicode_next(in->bytes, &at);
        if (start > member && !ft_unicode_in(form, c)) {
            at = start;
            break;
        }
        if (!take(run, c))
            return false;
    }
    *out_end = at;
    if (!finish_marks(run) || !put_run(run))
        return false;
    // With spans it is there already: the parts stood for all that was read.
    FT_DEBUG_ASSERT(!in->has_spans || run->rewrite.at == at);
    run->rewrite.at = at;
    return true;
}

static bool rewrite_all(mark_run *run, ft_unicode_set form, size_t before, size_t member)
{
    ft_aligned *in = run->rewrite.in;
    size_t at = 0;

    while (member < in->size) {
        // The letter before may compose with what follows.
        size_t from = run->composes ? before : member;
        if (!ft_rewrite_room(&run->rewrite, from - at, run->err))
            return false;
        ft_rewrite_keep(&run->rewrite, from);
        if (!rewrite_run(run, form, from, member, &at))
            return false;
        member = find_member(form, in->bytes, in->size, at, &before);
    }
    if (!ft_rewrite_room(&run->rewrite, in->size - at, run->err))
        return false;
    ft_rewrite_keep(&run->rewrite, in->size);
    return true;
}

bool ft_normalize_form(ft_unicode_set form, ft_aligned *text, ft_aligned *spare, ft_error *err)
{
    size_t before, member = find_member(form, text->bytes, text->size, 0, &before);

    if (member == text->size)
        return true;
    mark_run run = {.compatible = form == FT_UNICODE_NFKC || form == FT_UNICODE_NFKD,
                    .composes = form == FT_UNICODE_NFC || form == FT_UNICODE_NFKC,
                    .is_sorted = true,
                    .held = run.few,
                    .held_capacity = HELD_INLINE,
                    .err = err};
    ft_rewrite_begin(&run.rewrite, text, spare);
    bool is_done = rewrite_all(&run, form, before, member);
    ft_buffer_unref(run.many);
    if (is_done)
        ft_aligned_swap(text, spare);
    return is_done;
}
