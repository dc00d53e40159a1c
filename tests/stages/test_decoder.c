// Language models against transformers: logits of whole prompts, greedy continuations token by
// token, the same bits in any company, and broken models.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/data/json.h"
#include "runtime/system/file.h"
#include "stages/nn/decoder.h"
#include "tests/check.h"

enum { PROMPTS_MAX = 64, CONTEXT = 512, NAME_BYTES = 2000 };

typedef struct prompt {
    int32_t ids[CONTEXT], greedy[CONTEXT];
    double margins[CONTEXT];
    size_t count, greedy_count;
} prompt;

typedef struct fixture {
    ft_arena *arena;
    ft_lm *lm;
    ft_team *team;
    ft_account account;
    ft_safetensors *logits;
    prompt *prompts;
    size_t count;
} fixture;

// "<checkout>/tests/models/<name><end>": the checkout is known from this file's place.
static void put_path(char path[NAME_BYTES], const char *name, const char *end)
{
    snprintf(path, NAME_BYTES, "%.*smodels/%s%s",
             (int)(strlen(__FILE__) - strlen("stages/test_decoder.c")), __FILE__, name, end);
}

static size_t read_ints(const ft_json_node *node, int32_t *out)
{
    check_true(node && node->kind == FT_JSON_ARRAY && node->count <= CONTEXT);
    for (size_t i = 0; i < node->count; i++) {
        int64_t value;
        check_true(ft_json_get_int(&node->children[i], &value));
        out[i] = (int32_t)value;
    }
    return node->count;
}

static void read_prompt(fixture *f, ft_slice line)
{
    ft_error err = FT_ERROR_INIT;
    ft_json_node *root;
    prompt *p = &f->prompts[f->count++];

    check_true(f->count <= PROMPTS_MAX);
    check_ok(ft_json_parse(line, f->arena, &root, &err), &err);
    p->count = read_ints(ft_json_find(root, "prompt_ids"), p->ids);
    p->greedy_count = read_ints(ft_json_find(root, "greedy_ids"), p->greedy);
    const ft_json_node *margins = ft_json_find(root, "margins");
    if (!margins)
        margins = ft_json_find(root, "top1_top2_margin");
    check_true(margins && margins->count == p->greedy_count);
    for (size_t i = 0; i < margins->count; i++)
        check_true(ft_json_get_float(&margins->children[i], &p->margins[i]));
}

// `model`: a folder or a GGUF file.
static ft_lm *load_model(ft_arena *arena, const char *model, bool keeps_stored)
{
    ft_error err = FT_ERROR_INIT;
    ft_encoder_config config;
    ft_lm *lm;

    check_ok(ft_encoder_config_read(model, arena, &config, &err), &err);
    config.keeps_stored = keeps_stored;
    check_ok(ft_lm_check(model, &config, arena, &err), &err);
    check_ok(ft_lm_load(model, &config, arena, &lm, &err), &err);
    return lm;
}

// `reference`: lines of prompts; `logits`: of each of them.
static void load(fixture *f, const char *model, const char *reference, const char *logits)
{
    ft_error err = FT_ERROR_INIT;
    ft_slice text, line;

    *f = (fixture){.arena = ft_arena_create()};
    check_true(f->arena != NULL);
    ft_account_init(&f->account, INT64_C(1) << 32);
    f->lm = load_model(f->arena, model, true);
    f->team = ft_team_create(3, &err);
    check_ok(f->team != NULL, &err);
    check_ok(ft_safetensors_open(logits, f->arena, &f->logits, &err), &err);
    check_ok(ft_file_read(reference, f->arena, 1 << 24, &text, &err), &err);
    f->prompts = ft_arena_zero(f->arena, PROMPTS_MAX, sizeof(*f->prompts));
    while (ft_slice_cut(&text, '\n', &line))
        if (line.size > 0)
            read_prompt(f, line);
    check_true(f->count > 0);
}

static void drop(fixture *f)
{
    ft_team_destroy(f->team);
    check_int_eq(ft_account_used_bytes(&f->account), 0);
    ft_arena_destroy(f->arena);
}

static ft_lm_run *start(fixture *f, size_t tokens)
{
    ft_error err = FT_ERROR_INIT;
    ft_lm_run *run = ft_lm_run_create(f->lm, tokens, CONTEXT, f->team, &f->account, &err);

    check_ok(run != NULL, &err);
    return run;
}

static ft_lm_sequence begin(ft_lm_run *run, size_t tokens)
{
    ft_error err = FT_ERROR_INIT;
    ft_lm_sequence sequence;
    bool fits;

    check_ok(ft_lm_begin(run, tokens, &sequence, &fits, &err), &err);
    check_true(fits);
    return sequence;
}

typedef struct taken {
    size_t vocabulary;
    float *logits;  // [vocabulary] of each piece.
} taken;

static void take(void *host, size_t piece, float *logits)
{
    taken *t = host;
    memcpy(t->logits + piece * t->vocabulary, logits, t->vocabulary * sizeof(float));
}

static int32_t greatest(const float *logits, size_t count)
{
    size_t best = 0;

    for (size_t i = 1; i < count; i++)
        best = logits[i] > logits[best] ? i : best;
    return (int32_t)best;
}

// Where the reference has them: returns whether it does.
static bool check_logits(const fixture *f, size_t number, const char *which, size_t row,
                         const float *got)
{
    const size_t size = f->lm->encoder->config.vocabulary;
    char name[40];
    float want;

    snprintf(name, sizeof(name), "p%zu.%s", number, which);
    const ft_weight *tensor = ft_safetensors_find(f->logits, name);
    if (!tensor)
        tensor = ft_safetensors_find(f->logits, name + 1);
    if (!tensor)
        return false;
    for (size_t i = 0; i < size; i++) {
        ft_weight_read(tensor, row * size + i, 1, &want);
        check_float_near(got[i], want, 1e-4);
    }
    return true;
}

// Goes on with what the reference has, up to the first step that rounding may decide otherwise.
static size_t check_greedy(ft_lm_run *run, const prompt *p, ft_lm_sequence *s, taken *t)
{
    size_t compared = 0;

    for (size_t i = 0; i < p->greedy_count && p->margins[i] >= 0.01; i++) {
        check_int_eq(greatest(t->logits, t->vocabulary), p->greedy[i]);
        compared++;
        if (s->length == s->page_count * FT_LM_PAGE_TOKENS)
            break;
        ft_lm_step(run, &(ft_lm_piece){s, &p->greedy[i], 1, true}, 1, take, t);
    }
    return compared;
}

static void check_parity_here(const char *model, const char *reference, const char *logits)
{
    fixture f;
    size_t compared = 0, rows = 0;

    load(&f, model, reference, logits);
    ft_lm_run *run = start(&f, CONTEXT);
    taken t = {.vocabulary = f.lm->encoder->config.vocabulary};
    t.logits = ft_arena_zero(f.arena, t.vocabulary, sizeof(float));
    for (size_t i = 0; i < f.count; i++) {
        const prompt *p = &f.prompts[i];
        ft_lm_sequence sequence = begin(run, CONTEXT);
        // Token by token: every row of the prompt.
        for (size_t k = 0; k < p->count; k++) {
            ft_lm_step(run, &(ft_lm_piece){&sequence, &p->ids[k], 1, true}, 1, take, &t);
            rows += check_logits(&f, i, "all_logits", k, t.logits);
        }
        ft_lm_end(run, &sequence);
        sequence = begin(run, CONTEXT);
        ft_lm_step(run, &(ft_lm_piece){&sequence, p->ids, p->count, true}, 1, take, &t);
        rows += check_logits(&f, i, "last_logits", 0, t.logits);
        compared += check_greedy(run, p, &sequence, &t);
        ft_lm_end(run, &sequence);
    }
    check_true(compared > f.count && rows >= f.count);
    ft_lm_run_destroy(run);
    drop(&f);
}

// With every level of kernels that this processor has.
static void check_parity(const char *model, const char *reference, const char *logits)
{
    ft_error err = FT_ERROR_INIT;

    for (int isa = 0; isa < FT_ISA_COUNT; isa++) {
        if (!ft_isa_has((ft_isa)isa))
            continue;
        check_ok(ft_isa_force(ft_isa_name((ft_isa)isa), &err), &err);
        check_parity_here(model, reference, logits);
    }
    check_ok(ft_isa_force("auto", &err), &err);
}

static void check_shared(const char *folder, const char *model, const char *reference,
                         const char *logits)
{
    const char *data = check_data_folder();
    char paths[3][NAME_BYTES];

    if (!data)
        check_skip("no shared test data");
    snprintf(paths[0], NAME_BYTES, "%s/models/%s%s", data, folder, model);
    snprintf(paths[1], NAME_BYTES, "%s/models/%s/%s", data, folder, reference);
    snprintf(paths[2], NAME_BYTES, "%s/models/%s/%s", data, folder, logits);
    check_parity(paths[0], paths[1], paths[2]);
}

TEST(stories_as_transformers)
{
    check_shared("stories260K", "", "reference.jsonl", "reference_logits.safetensors");
}

TEST(stories_gguf_f32)
{
    check_shared("stories260K", "/stories260K-f32.gguf", "reference-gguf-f32.jsonl",
                 "reference_logits-gguf-f32.safetensors");
}

TEST(stories_gguf_f16)
{
    check_shared("stories260K", "/stories260K-f16.gguf", "reference-gguf-f16.jsonl",
                 "reference_logits-gguf-f16.safetensors");
}

TEST(stories_gguf_q8_0)
{
    check_shared("stories260K", "/stories260K-q8_0.gguf", "reference-gguf-q8_0.jsonl",
                 "reference_logits-gguf-q8_0.safetensors");
}

TEST(random_heads_untied)
{
    check_shared("syn-llama-mha", "", "reference.jsonl", "reference_logits.safetensors");
}

// Llama 3's scaling of positions, Mistral's window, Qwen2's biases, Qwen3's norms of heads.
TEST(tiny_models)
{
    static const char *const names[] = {"llama", "mistral", "qwen2", "qwen3"};
    char paths[3][NAME_BYTES];

    for (size_t i = 0; i < FT_COUNT_OF(names); i++) {
        put_path(paths[0], names[i], "");
        put_path(paths[1], names[i], "/reference.jsonl");
        put_path(paths[2], names[i], "/reference.safetensors");
        check_parity(paths[0], paths[1], paths[2]);
    }
}

TEST(tiny_gguf)
{
    static const char *const names[] = {"gguf-llama/llama-f32",  "gguf-llama/llama-f16",
                                        "gguf-llama/llama-bf16", "gguf-llama/llama-q8_0",
                                        "gguf-llama/llama-q4_0", "gguf-qwen2/qwen2-f32",
                                        "gguf-qwen2/qwen2-q8_0"};
    char paths[3][NAME_BYTES];

    for (size_t i = 0; i < FT_COUNT_OF(names); i++) {
        put_path(paths[0], names[i], ".gguf");
        put_path(paths[1], names[i], ".jsonl");
        put_path(paths[2], names[i], ".safetensors");
        check_parity(paths[0], paths[1], paths[2]);
    }
}

// ---- company ----

static void load_llama(fixture *f)
{
    char paths[3][NAME_BYTES];

    put_path(paths[0], "llama", "");
    put_path(paths[1], "llama", "/reference.jsonl");
    put_path(paths[2], "llama", "/reference.safetensors");
    load(f, paths[0], paths[1], paths[2]);
}

// Prompts of a model in pieces of random size beside each other, with three threads: each last row
// has the bits that it has alone and with one.
TEST(same_bits_in_any_company)
{
    static const size_t cuts[] = {1, 3, 31, 32, 33, 7, 100, 2};
    fixture f;

    load_llama(&f);
    enum { SEQUENCES = 8, LONG = 150 };
    ft_error err = FT_ERROR_INIT;
    ft_lm_run *run = ft_lm_run_create(f.lm, 160, CONTEXT, NULL, &f.account, &err);
    check_ok(run != NULL, &err);
    const size_t vocabulary = f.lm->encoder->config.vocabulary;
    taken alone = {vocabulary, ft_arena_zero(f.arena, SEQUENCES * vocabulary, sizeof(float))};
    taken beside = {vocabulary, ft_arena_zero(f.arena, SEQUENCES * vocabulary, sizeof(float))};
    int32_t ids[SEQUENCES][LONG];
    size_t counts[SEQUENCES];
    ft_lm_sequence sequences[SEQUENCES];
    for (size_t i = 0; i < SEQUENCES; i++) {
        counts[i] = LONG - 17 * i;
        for (size_t k = 0; k < LONG; k++)
            ids[i][k] = (int32_t)((k * (31 + i) + i * 7) % vocabulary);
        taken one = {vocabulary, alone.logits + i * vocabulary};
        sequences[i] = begin(run, LONG);
        ft_lm_step(run, &(ft_lm_piece){&sequences[i], ids[i], counts[i], true}, 1, take, &one);
        ft_lm_end(run, &sequences[i]);
    }
    ft_lm_run_destroy(run);
    run = start(&f, SEQUENCES * 160);
    for (size_t i = 0; i < SEQUENCES; i++)
        sequences[i] = begin(run, LONG);
    for (size_t left = SEQUENCES, step = 0; left > 0; step++) {
        ft_lm_piece pieces[SEQUENCES];
        size_t which[SEQUENCES], count = 0, rows = 0;
        left = 0;
        for (size_t i = 0; i < SEQUENCES; i++) {
            const size_t done = sequences[i].length, cut = cuts[(i + step) % FT_COUNT_OF(cuts)];
            size_t some = counts[i] - done < cut ? counts[i] - done : cut;
            some = some < FT_LM_ROWS_MAX - rows ? some : FT_LM_ROWS_MAX - rows;
            if (some == 0)
                continue;
            which[count] = i;
            pieces[count++] =
                (ft_lm_piece){&sequences[i], ids[i] + done, some, done + some == counts[i]};
            rows += some;
            left++;
        }
        taken now = {vocabulary, ft_arena_zero(f.arena, SEQUENCES * vocabulary, sizeof(float))};
        if (count > 0)
            ft_lm_step(run, pieces, count, take, &now);
        for (size_t i = 0; i < count; i++)
            if (pieces[i].wants_logits)
                memcpy(beside.logits + which[i] * vocabulary, now.logits + i * vocabulary,
                       vocabulary * sizeof(float));
    }
    for (size_t i = 0; i < SEQUENCES; i++)
        ft_lm_end(run, &sequences[i]);
    check_true(memcmp(alone.logits, beside.logits, SEQUENCES * vocabulary * sizeof(float)) == 0);
    ft_lm_run_destroy(run);
    drop(&f);
}

// Weights that stay as the file has them give the logits of floats, bit by bit. OpenBLAS, which
// takes the place of the plain C products, has an order of its own.
TEST(stored_weights_are_floats)
{
    static const char *const kinds[] = {"f16", "bf16", "q8_0", "q4_0"};
    static const int32_t ids[] = {1, 5, 9, 2, 44, 3, 17, 8, 60, 31};
    static const char base[] = "gguf-llama/llama-";
    ft_error err = FT_ERROR_INIT;

    for (size_t i = 0; i < 2 * FT_COUNT_OF(kinds); i++) {
        const ft_isa isa = i % 2 ? ft_isa_level() : FT_ISA_AVX2;
        ft_arena *arena = ft_arena_create();
        ft_account account;
        char path[NAME_BYTES], name[60];
        taken logits[2];
        if (isa == FT_ISA_GENERIC || !ft_isa_has(isa))
            continue;
        check_ok(ft_isa_force(ft_isa_name(isa), &err), &err);
        snprintf(name, sizeof(name), "%s%s.gguf", base, kinds[i / 2]);
        put_path(path, name, "");
        ft_account_init(&account, INT64_C(1) << 32);
        for (int keeps = 0; keeps < 2; keeps++) {
            const ft_lm *lm = load_model(arena, path, keeps);
            ft_lm_run *run = ft_lm_run_create(lm, 64, 64, NULL, &account, &err);
            check_ok(run != NULL, &err);
            check_true(keeps == (lm->encoder->layers[0].up.stored != FT_STORED_NONE));
            check_true(keeps == (lm->head.stored != FT_STORED_NONE));
            const size_t size = lm->encoder->config.vocabulary;
            logits[keeps] = (taken){size, ft_arena_zero(arena, size, sizeof(float))};
            ft_lm_sequence sequence = begin(run, 10);
            ft_lm_step(run, &(ft_lm_piece){&sequence, ids, 10, true}, 1, take, &logits[keeps]);
            ft_lm_end(run, &sequence);
            ft_lm_run_destroy(run);
        }
        check_true(
            memcmp(logits[0].logits, logits[1].logits, logits[0].vocabulary * sizeof(float)) == 0);
        check_ok(ft_isa_force("auto", &err), &err);
        ft_arena_destroy(arena);
    }
}

// What a sequence whose numbers are none leaves in the pages does nothing to the next one.
TEST(pages_of_broken_sequences)
{
    static const int32_t broken_ids[] = {5, 5, 5, 5, 5}, ids[] = {1, 2, 3};
    fixture f;

    load_llama(&f);
    const size_t vocabulary = f.lm->encoder->config.vocabulary;
    const size_t hidden = f.lm->encoder->config.hidden;
    ft_encoder encoder = *f.lm->encoder;
    ft_weight words = *encoder.words;
    ft_lm lm = {&encoder, f.lm->head};
    float *rows = ft_arena_zero(f.arena, vocabulary * hidden, sizeof(float));
    check_true(words.kind == FT_WEIGHT_F32);
    ft_weight_read(&words, 0, vocabulary * hidden, rows);
    rows[5 * hidden] = NAN;
    words.data = (const char *)rows;
    encoder.words = &words;
    f.lm = &lm;
    taken alone = {vocabulary, ft_arena_zero(f.arena, vocabulary, sizeof(float))};
    taken behind = {vocabulary, ft_arena_zero(f.arena, vocabulary, sizeof(float))};
    ft_lm_run *run = start(&f, FT_LM_PAGE_TOKENS);  // One page.
    ft_lm_sequence sequence = begin(run, 5);
    ft_lm_step(run, &(ft_lm_piece){&sequence, ids, 3, true}, 1, take, &alone);
    check_true(isfinite(alone.logits[0]));
    ft_lm_end(run, &sequence);
    sequence = begin(run, 5);
    ft_lm_step(run, &(ft_lm_piece){&sequence, broken_ids, 5, true}, 1, take, &behind);
    check_true(isnan(behind.logits[0]));
    ft_lm_end(run, &sequence);
    sequence = begin(run, 5);
    ft_lm_step(run, &(ft_lm_piece){&sequence, ids, 3, true}, 1, take, &behind);
    check_true(memcmp(alone.logits, behind.logits, vocabulary * sizeof(float)) == 0);
    ft_lm_end(run, &sequence);
    ft_lm_run_destroy(run);
    drop(&f);
}

TEST(cache_is_bounded)
{
    ft_error err = FT_ERROR_INIT;
    ft_lm_sequence first, second;
    fixture f;
    bool fits;

    load_llama(&f);
    ft_lm_run *run = start(&f, 100);  // Four pages.
    first = begin(run, 65);           // Three.
    check_ok(ft_lm_begin(run, 33, &second, &fits, &err), &err);
    check_true(!fits);
    check_ok(ft_lm_begin(run, 32, &second, &fits, &err), &err);
    check_true(fits);
    ft_lm_end(run, &second);
    ft_lm_end(run, &first);
    first = begin(run, 128);
    ft_lm_end(run, &first);
    ft_lm_run_destroy(run);
    drop(&f);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
