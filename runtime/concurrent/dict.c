// Each operation is one change of the table.
#include "runtime/concurrent/dict.h"

#include "runtime/memory/alloc.h"
#include "runtime/memory/collector.h"

struct ft_dict {
    ft_cyclic cyclic;
    ft_table table;
    ft_account *account;
};

static ft_lock_class dict_lock = {.name = "dict"};

static void dict_destroy(ft_object *object)
{
    ft_dict *dict = (ft_dict *)(void *)object;

    ft_table_finish(&dict->table);
    ft_account_release(dict->account, (int64_t)sizeof(*dict));
    ft_free(dict);
}

static void dict_trace(ft_object *object, void (*visit)(ft_object *child, void *host), void *host)
{
    ft_table_trace(&((ft_dict *)(void *)object)->table, visit, host);
}

static void dict_clear(ft_object *object)
{
    ft_table_clear(&((ft_dict *)(void *)object)->table);
}

static size_t dict_bytes(const ft_object *object)
{
    return sizeof(ft_dict) + ft_table_bytes(&((const ft_dict *)(const void *)object)->table);
}

const ft_object_type ft_dict_type = {.name = "dict",
                                     .destroy = dict_destroy,
                                     .trace = dict_trace,
                                     .is_cyclic = true,
                                     .clear = dict_clear,
                                     .size_bytes = dict_bytes};

ft_dict *ft_dict_create(int64_t cap, ft_account *account, ft_error *err)
{
    if (!ft_shared_reserve(account, sizeof(ft_dict), err))
        return NULL;
    ft_dict *dict = ft_alloc_zero(1, sizeof(*dict));
    if (!dict) {
        ft_account_release(account, (int64_t)sizeof(*dict));
        ft_ignore(ft_fail_nomem(err, sizeof(*dict)));
        return NULL;
    }
    ft_cyclic_init(&dict->cyclic, &ft_dict_type);
    dict->account = account;
    ft_table_init(&dict->table, &dict->cyclic.object.lock, &dict_lock, cap, 0, account);
    return dict;
}

// ---- reading ----

bool ft_dict_borrow(const ft_dict *dict, const ft_key *key, ft_value *out)
{
    ft_word word = ft_table_find(&dict->table, key, ft_key_hash(key));

    *out = ft_word_borrow(word);
    return word != FT_WORD_NONE;
}

bool ft_dict_get(const ft_dict *dict, const ft_key *key, ft_value *out)
{
    uint64_t hash = ft_key_hash(key);
    ft_word word;

    ft_read_begin();
    // What is dying has been replaced: look again.
    do
        word = ft_table_find(&dict->table, key, hash);
    while (word != FT_WORD_NONE && !ft_word_keep(word, out));
    ft_read_end();
    return word != FT_WORD_NONE;
}

int64_t ft_dict_count(const ft_dict *dict)
{
    return ft_table_count(&dict->table);
}

bool ft_dict_next(const ft_dict *dict, size_t *at, ft_key *out_key, ft_value *out)
{
    ft_word word;

    if (!ft_table_next(&dict->table, at, out_key, &word))
        return false;
    *out = ft_word_borrow(word);
    return true;
}

// ---- changing ----

// `offer`: what the change has offered in the end; it is the table's then or, if it was not taken,
// dropped here.
FT_ALWAYS_INLINE bool update(ft_dict *dict, const ft_key *key, ft_table_change change, void *host,
                             ft_word *offer, ft_error *err)
{
    ft_table_result result;
    bool ok = ft_table_update(&dict->table, key, ft_key_hash(key), change, host, &result, err);

    // In front of whatever becomes of the old word (runtime/memory/collector.h).
    ft_word_note_move(&dict->cyclic.object, result.old);
    if (result.has_taken)
        ft_word_note_move(&dict->cyclic.object, *offer);
    else
        ft_word_drop(*offer);
    *offer = FT_WORD_NONE;
    ft_word_retire(result.old);
    return ok;
}

static bool put_word(void *host, ft_word there, ft_word *out)
{
    (void)there;
    *out = *(const ft_word *)host;
    return true;
}

static bool set_value(ft_dict *dict, const ft_key *key, const ft_value *value, ft_error *err)
{
    ft_word word;

    return ft_word_make(value, dict->account, &word, err) &&
           update(dict, key, put_word, &word, &word, err);
}

bool ft_dict_set(ft_dict *dict, const ft_key *key, const ft_value *value, ft_error *err)
{
    bool ok = set_value(dict, key, value, err);

    while (!ok && ft_shared_make_room(dict->account, err))
        ok = set_value(dict, key, value, err);
    return ok;
}

static bool delete_word(void *host, ft_word there, ft_word *out)
{
    *(bool *)host = there != FT_WORD_NONE;
    *out = FT_WORD_NONE;
    return true;
}

bool ft_dict_delete(ft_dict *dict, const ft_key *key, bool *out_was, ft_error *err)
{
    bool was = false;
    ft_word nothing = FT_WORD_NONE;
    bool ok = update(dict, key, delete_word, &was, &nothing, err);

    if (out_was)
        *out_was = was;
    return ok;
}

// ---- add ----

typedef struct {
    const ft_value *by;
    ft_value sum;
    ft_word offer;
    ft_account *account;
    ft_error *err;
    bool failed;
} adding;

static bool add_values(const ft_value *a, const ft_value *b, ft_value *out, ft_error *err)
{
    if (a->kind == FT_VALUE_INT && b->kind == FT_VALUE_INT) {
        out->kind = FT_VALUE_INT;
        if (!FT_ADD_OVERFLOWS(a->integer, b->integer, &out->integer))
            return true;
        return ft_fail(err, FT_ERROR_DATA, "the sum passes the largest integer");
    }
    double x = a->kind == FT_VALUE_INT ? (double)a->integer : a->number;
    double y = b->kind == FT_VALUE_INT ? (double)b->integer : b->number;
    *out = (ft_value){FT_VALUE_FLOAT, {.number = x + y}};
    return true;
}

static bool add_word(void *host, ft_word there, ft_word *out)
{
    adding *a = host;
    ft_value before = {FT_VALUE_INT, {.integer = 0}};

    ft_word_drop(a->offer);  // Of an attempt before.
    a->offer = FT_WORD_NONE;
    if (there)
        before = ft_word_borrow(there);
    if (before.kind != FT_VALUE_INT && before.kind != FT_VALUE_FLOAT)
        a->failed =
            !ft_fail(a->err, FT_ERROR_DATA, "cannot add to a %s", ft_value_kind_name(before.kind));
    else
        a->failed = !add_values(&before, a->by, &a->sum, a->err) ||
                    !ft_word_make(&a->sum, a->account, &a->offer, a->err);
    *out = a->offer;
    return !a->failed;
}

bool ft_dict_add(ft_dict *dict, const ft_key *key, const ft_value *by, ft_value *out, ft_error *err)
{
    adding a = {.by = by, .account = dict->account, .err = err};
    bool ok = update(dict, key, add_word, &a, &a.offer, err);

    while (!ok && ft_shared_make_room(dict->account, err))
        ok = update(dict, key, add_word, &a, &a.offer, err);
    *out = a.sum;
    return ok && !a.failed;
}

// ---- cas, get_or_set ----

typedef struct {
    const ft_value *expected;
    ft_word wanted;
    bool done;
} swapping;

static bool swap_word(void *host, ft_word there, ft_word *out)
{
    swapping *s = host;
    ft_value value = ft_word_borrow(there);

    s->done = there ? ft_value_equals(&value, s->expected) : s->expected->kind == FT_VALUE_NIL;
    if (!s->done)
        return false;
    *out = s->wanted;
    return true;
}

static bool swap_values(ft_dict *dict, const ft_key *key, const ft_value *expected,
                        const ft_value *wanted, bool *out_done, ft_error *err)
{
    swapping s = {.expected = expected};

    if (wanted->kind != FT_VALUE_NIL && !ft_word_make(wanted, dict->account, &s.wanted, err))
        return false;
    bool ok = update(dict, key, swap_word, &s, &s.wanted, err);
    *out_done = ok && s.done;
    return ok;
}

bool ft_dict_cas(ft_dict *dict, const ft_key *key, const ft_value *expected, const ft_value *wanted,
                 bool *out_done, ft_error *err)
{
    bool ok = swap_values(dict, key, expected, wanted, out_done, err);

    while (!ok && ft_shared_make_room(dict->account, err))
        ok = swap_values(dict, key, expected, wanted, out_done, err);
    return ok;
}

typedef struct {
    ft_word offered;
    ft_value found;
    bool has_found;
} offering;

static bool offer_word(void *host, ft_word there, ft_word *out)
{
    offering *o = host;

    // What is dying has been replaced: offer, and be asked again.
    o->has_found = there && ft_word_keep(there, &o->found);
    *out = o->offered;
    return !o->has_found;
}

static bool offer_value(ft_dict *dict, const ft_key *key, const ft_value *value, ft_value *out,
                        ft_error *err)
{
    offering o = {.has_found = false};

    if (!ft_word_make(value, dict->account, &o.offered, err) ||
        !update(dict, key, offer_word, &o, &o.offered, err))
        return false;
    *out = o.has_found ? o.found : *value;
    if (!o.has_found && ft_value_has_object(out->kind))
        ft_object_ref(out->object);
    return true;
}

bool ft_dict_get_or_set(ft_dict *dict, const ft_key *key, const ft_value *value, ft_value *out,
                        ft_error *err)
{
    bool ok = ft_dict_get(dict, key, out) || offer_value(dict, key, value, out, err);

    while (!ok && ft_shared_make_room(dict->account, err))
        ok = offer_value(dict, key, value, out, err);
    return ok;
}
