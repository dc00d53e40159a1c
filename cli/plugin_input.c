// Input for a plug-in that nobody has seen: its options from their defaults and from the plain
// `key: value` lines of its example, its fields by asking its `plan` until it misses none, and
// random items of those types, one in sixteen of them null.
#include <string.h>

#include "cli/plugin_test.h"
#include "runtime/memory/alloc.h"

enum { FIELDS_MAX = 32, DIM = 8, LIST_MAX = 6, WORDS_MAX = 8, NULL_IN = 16, CONFIG_SEED = 7 };
static const int64_t account_bytes = INT64_C(1) << 30;

// ---- options ----

// The value that the example gives: "  field: title". Quotes are taken off. Empty: none.
static ft_slice find_in_example(const char *example, const char *name)
{
    ft_slice rest = ft_slice_of(example), line, key;

    while (ft_slice_cut(&rest, '\n', &line)) {
        line = ft_slice_trim(line);
        if (!ft_slice_cut(&line, ':', &key) || !ft_slice_is(key, name))
            continue;
        line = ft_slice_trim(line);
        bool quoted = line.size > 1 && (line.data[0] == '"' || line.data[0] == '\'');
        return quoted ? (ft_slice){line.data + 1, line.size - 2} : line;
    }
    return FT_SLICE("");
}

// Something that the option takes, for one that must be given.
static ft_slice guess(const ft_option *option)
{
    switch (option->type) {
    case FT_OPTION_CHOICE:
        return ft_slice_of(option->choices[0]);
    case FT_OPTION_FIELD:
    case FT_OPTION_FIELDS:
        return FT_SLICE("text");
    case FT_OPTION_STRING:
    case FT_OPTION_STRINGS:
        return FT_SLICE("x");
    case FT_OPTION_INT:
    case FT_OPTION_COUNT:
    case FT_OPTION_FLOAT:
        return FT_SLICE("1");
    case FT_OPTION_SIZE:
        return FT_SLICE("1KiB");
    case FT_OPTION_DURATION:
        return FT_SLICE("1ms");
    case FT_OPTION_BOOL:
        return FT_SLICE("true");
    case FT_OPTION_PATH:
    case FT_OPTION_MODEL:
    case FT_OPTION_EXPR:
    case FT_OPTION_MAP:
        break;
    }
    return FT_SLICE("");
}

static bool set_options(ft_test_subject *s, ft_error *err)
{
    const ft_stage_def *def = s->def;

    if (def->options && !ft_option_defaults(def->options, s->config, s->arena, err))
        return false;
    for (const ft_option *option = def->options; option && option->name; option++) {
        ft_slice text = find_in_example(def->example, option->name);
        if (text.size == 0 && option->required)
            text = guess(option);
        if (text.size == 0 && option->required)
            return ft_fail(err, FT_ERROR_USAGE, "give `%s` in its example", option->name);
        if (text.size && option->type != FT_OPTION_MAP &&
            !ft_option_set(option, s->config, text, s->arena, err))
            return false;
    }
    return true;
}

// ---- plan ----

typedef struct {
    const char *name;
    ft_type type;
} wanted;

static void note_missing(ft_stage_plan *plan, const char *name, ft_type want)
{
    wanted *out = plan->missing_host;

    out->name = ft_arena_text(plan->arena, ft_slice_of(name));
    out->type = want;
    if (want.kind == FT_KIND_ANY && !want.list)
        out->type = FT_TYPE(STRING);
    for (int i = 0; i < FT_RANK_MAX; i++)
        if (out->type.shape[i] < 0)
            out->type.shape[i] = DIM;
}

static bool plan_once(ft_test_subject *s, const ft_environment *environment, wanted *miss,
                      ft_error *err)
{
    size_t capacity = s->input.count + 4;
    ft_stage_plan plan = {.arena = s->arena,
                          .environment = environment,
                          .stage_name = s->def->name,
                          .input = &s->input,
                          .memory_bytes = account_bytes,
                          .concurrency = s->def->concurrency,
                          .blocks = s->def->blocks,
                          .missing = note_missing,
                          .missing_host = miss,
                          .output_count = s->input.count,
                          .output_capacity = capacity};

    plan.output_fields = ft_arena_zero(s->arena, capacity, sizeof(ft_field));
    plan.reads = ft_arena_zero(s->arena, capacity, sizeof(bool));
    if (!plan.output_fields || !plan.reads)
        return ft_fail_nomem(err, capacity * sizeof(ft_field));
    if (s->input.count)
        memcpy(plan.output_fields, s->input.fields, s->input.count * sizeof(ft_field));
    if (s->def->plan && !s->def->plan(&plan, s->config, err))
        return false;
    s->output = (ft_schema){.count = plan.output_count, .fields = plan.output_fields};
    s->live = ft_arena_zero(s->arena, plan.output_count + 1, sizeof(bool));
    if (!s->live)
        return ft_fail_nomem(err, plan.output_count);
    memset(s->live, true, plan.output_count);
    return true;
}

// Adds the fields that it misses until it misses none. Each attempt begins with fresh options, as
// `plan` may change them.
static bool plan(ft_test_subject *s, ft_error *err)
{
    static const ft_environment environment = {.pipeline_folder = ""};
    ft_field *fields = ft_arena_zero(s->arena, FIELDS_MAX, sizeof(*fields));

    if (!fields)
        return ft_fail_nomem(err, sizeof(*fields));
    s->input.fields = fields;
    if (s->def->kind != FT_STAGE_SOURCE)
        fields[s->input.count++] = (ft_field){.name = "text", .type = FT_TYPE(STRING)};
    for (;;) {
        wanted miss = {0};
        *err = (ft_error)FT_ERROR_INIT;
        memset(s->config, 0, s->def->config_size);
        if (!set_options(s, err))
            return false;
        if (plan_once(s, &environment, &miss, err))
            return true;
        bool is_text = miss.name && strcmp(miss.name, "text") == 0;
        if (!miss.name || is_text || s->input.count == FIELDS_MAX)
            return false;
        fields[s->input.count++] = (ft_field){.name = miss.name, .type = miss.type};
    }
}

// ---- items ----

static ft_slice make_text(ft_random *random, char out[128])
{
    static const char *const words[] = {"wind", "Stone", "of", "Öl", "seven", "x", "river", "1984"};
    size_t size = 0;

    for (int64_t i = ft_random_between(random, 0, WORDS_MAX); i > 0; i--) {
        const char *word = words[ft_random_between(random, 0, 7)];
        memcpy(out + size, word, strlen(word));
        size += strlen(word);
        out[size++] = ' ';
    }
    return (ft_slice){out, size};
}

// `count` small numbers of the dtype; a half-precision one is 1.0 to below 2.0.
static void make_numbers(ft_random *random, ft_dtype dtype, size_t count, void *out)
{
    for (size_t i = 0; i < count; i++) {
        int64_t small = ft_random_between(random, 0, 100);
        float single = (float)ft_random_float(random);
        double twice = ft_random_float(random);
        size_t bytes = ft_dtype_size_bytes(dtype);
        const void *from = &small;  // Little-endian integers of any width.
        if (dtype == FT_DTYPE_F32)
            from = &single;
        else if (dtype == FT_DTYPE_F64)
            from = &twice;
        else if (dtype == FT_DTYPE_F16)
            small += 0x3c00;
        else if (dtype == FT_DTYPE_BF16)
            small += 0x3f80;
        memcpy((char *)out + i * bytes, from, bytes);
    }
}

static bool add_numbers(ft_builder *builder, ft_random *random, ft_error *err)
{
    ft_type type = builder->type;
    size_t elements = (size_t)ft_type_elements(type);
    double block[DIM * DIM * LIST_MAX];

    if (type.list)
        elements *= (size_t)ft_random_between(random, 0, LIST_MAX);
    if (elements > FT_COUNT_OF(block))
        return ft_fail(err, FT_ERROR_LIMIT, "its tensors are too large to be made up");
    make_numbers(random, ft_type_dtype(type), elements, block);
    if (type.kind == FT_KIND_BOOL)
        for (size_t i = 0; i < elements; i++)
            ((uint8_t *)(void *)block)[i] &= 1;
    return ft_builder_add_numbers(builder, block, elements, err);
}

static bool add_item(ft_builder *builder, ft_random *random, ft_error *err)
{
    ft_type type = builder->type;
    char text[128];

    if (ft_random_between(random, 1, NULL_IN) == 1)
        return ft_builder_add_null(builder, err);
    switch (ft_type_layout(type)) {
    case FT_LAYOUT_TEXT:
        if (type.kind == FT_KIND_JSON || type.kind == FT_KIND_ANY)
            return ft_builder_add_text(builder, FT_SLICE("{\"a\":1}"), err);
        return ft_builder_add_text(builder, make_text(random, text), err);
    case FT_LAYOUT_TEXTS:
        for (int64_t i = ft_random_between(random, 0, LIST_MAX); i > 0; i--)
            if (!ft_builder_add_element(builder, make_text(random, text), err))
                return false;
        return ft_builder_end_list(builder, err);
    case FT_LAYOUT_FIXED:
    case FT_LAYOUT_NUMBERS:
        return add_numbers(builder, random, err);
    }
    return true;
}

static bool make_column(ft_test_subject *s, ft_type type, size_t count, ft_random *random,
                        ft_column *out, ft_error *err)
{
    ft_builder builder;

    if (!ft_builder_init(&builder, type, &s->account, count, 0, err))
        return false;
    bool ok = true;
    for (size_t i = 0; ok && i < count; i++)
        ok = add_item(&builder, random, err);
    ok = ok && ft_builder_take(&builder, out, err);
    ft_builder_finish(&builder);
    return ok;
}

static bool make_batch(ft_test_subject *s, size_t index, ft_error *err)
{
    ft_random random;

    ft_random_init(&random, (uint64_t)s->seed, index);
    size_t count = (size_t)ft_random_between(&random, 1, FT_TEST_ITEMS_MAX);
    ft_lineage *lineage = ft_lineage_create(&s->account, count, false, err);
    if (!lineage)
        return false;
    lineage->sequence = index;
    ft_batch *batch = ft_batch_create(&s->account, count, s->input.count, lineage, err);
    ft_lineage_unref(lineage);
    if (!batch)
        return false;
    s->batches[s->batch_count++] = batch;
    for (size_t i = 0; i < s->input.count; i++) {
        ft_column column = {0};
        if (!make_column(s, s->input.fields[i].type, count, &random, &column, err))
            return false;
        ft_batch_set(batch, i, &column);
    }
    return true;
}

// ---- all of it ----

uint64_t ft_test_digest_inputs(const ft_test_subject *subject)
{
    uint64_t digest = 0;

    for (size_t i = 0; i < subject->batch_count; i++)
        digest = ft_test_digest_batch(digest, subject->batches[i]);
    return digest;
}

static bool load(ft_test_subject *s, ft_error *err)
{
    static const ft_environment environment = {.pipeline_folder = ""};
    ft_stage_load loading = {.arena = s->arena, .environment = &environment, .threads = 8};
    void *shared = NULL;

    if (s->def->load && !s->def->load(&loading, s->config, &shared, err))
        return false;
    s->shared = shared;
    return true;
}

bool ft_test_subject_open(ft_test_subject *subject, const ft_stage_def *def, ft_error *err)
{
    *subject = (ft_test_subject){.def = def, .arena = ft_arena_create(), .seed = 1};
    subject->config =
        subject->arena ? ft_arena_zero(subject->arena, 1, def->config_size + 1) : NULL;
    if (!subject->config)
        return ft_fail_nomem(err, def->config_size);
    ft_account_init(&subject->account, account_bytes);
    if (!plan(subject, err) || !load(subject, err))
        return false;
    for (size_t i = 0; def->kind != FT_STAGE_SOURCE && i < FT_TEST_BATCHES; i++)
        if (!make_batch(subject, i, err))
            return false;
    subject->config_digest = ft_hash((ft_slice){subject->config, def->config_size}, CONFIG_SEED);
    subject->input_digest = ft_test_digest_inputs(subject);
    return true;
}

void ft_test_subject_close(ft_test_subject *subject)
{
    for (size_t i = 0; i < subject->batch_count; i++)
        ft_batch_unref(subject->batches[i]);
    ft_arena_destroy(subject->arena);
    *subject = (ft_test_subject){0};
}
