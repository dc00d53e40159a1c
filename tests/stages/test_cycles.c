// A program that runs pipelines for ever stays as it is: compiling, loading (a vocabulary and
// weights into the immortal arena, a plug-in), running on two threads, and dropping it all, over
// and over. Resident memory within 1 %, descriptors, leases and live blocks exactly as after the
// warm-up. The same with a real model, of 90 MB. FT_TORTURE=1000 for the long run.
//
// Resident memory is the most that is left after any cycle of a window: behind the warm-up, and
// again at the end.
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dsl/compile.h"
#include "engine/run.h"
#include "runtime/memory/alloc.h"
#include "runtime/memory/epoch.h"
#include "runtime/random.h"
#include "runtime/system/lease.h"
#include "stages/builtin.h"
#include "stages/nn/safetensors_write.h"
#include "tests/check.h"

#ifdef FT_SANITIZED
enum { IS_SANITIZED = true };  // Quarantine and shadow memory grow by design.
#else
enum { IS_SANITIZED = false };
#endif

enum {
    CYCLES = 100,
    WARM = 200,
    WINDOW = 50,
    MODEL_SHARE = 10,  // Of these numbers, where there is a model and not the long run.
    WIDTH = 256,
    OUT = 10,
    WORDS = 2000,
    PATH_BYTES = 64,
    LINE_BYTES = 256
};

typedef struct {
    long most_kib, descriptors, leases;
    int64_t blocks;
} footprint;

// Not statm, which is off by up to 64 pages for each CPU: proc(5), "inaccurate because of a
// kernel-internal scalability optimization".
static long resident_kib(void)
{
    char line[LINE_BYTES];
    long kib = 0;
    FILE *file = fopen("/proc/self/smaps_rollup", "r");

    while (file && kib == 0 && fgets(line, sizeof(line), file))
        if (strncmp(line, "Rss:", 4) == 0)
            kib = strtol(line + 4, NULL, 10);
    if (file)
        fclose(file);
    return kib;
}

static long count_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    long count = 0;

    while (folder && readdir(folder))
        count++;
    if (folder)
        closedir(folder);
    return count;
}

static long count_leases(void)
{
    long count = 0;

    for (uint32_t id = 1; id <= ft_lease_highest_id(); id++)
        // Relaxed: nobody else runs.
        count += ft_atomic_load(&ft_lease_get(id)->state, FT_RELAXED) != FT_LEASE_RETIRED;
    return count;
}

// ---- what is loaded ----

static void write_weights(const char *path)
{
    static float weights[OUT * WIDTH], bias[OUT];
    static const uint64_t shape[] = {OUT, WIDTH};
    const ft_weight_source sources[] = {
        {.name = "0.weight", .kind = FT_WEIGHT_F32, .rank = 2, .shape = shape, .data = weights},
        {.name = "0.bias", .kind = FT_WEIGHT_F32, .rank = 1, .shape = shape, .data = bias}};
    ft_error err = FT_ERROR_INIT;

    for (size_t i = 0; i < FT_COUNT_OF(weights); i++)
        weights[i] = (float)(i % 7) - 3;
    check_ok(ft_safetensors_write(path, sources, FT_COUNT_OF(sources), &err), &err);
}

static void write_vocabulary(const char *path)
{
    FILE *file = fopen(path, "w");

    check_true(file != NULL);
    fputs("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n", file);
    for (int i = 0; i < WORDS; i++)
        fprintf(file, "%c%c%c\n", 'a' + i % 26, 'a' + i / 26 % 26, 'a' + i / 676);
    check_int_eq(fclose(file), 0);
}

static void cycle(const char *yaml)
{
    const ft_environment environment = {.pipeline_folder = "", .will_run = true};
    const ft_compile_settings settings = {.stages = ft_builtin_stages, .environment = &environment};
    const ft_source source = {"test.yaml", ft_slice_of(yaml)};
    const ft_run_settings how = {0};
    const ft_plan_node *node;
    ft_diagnostics *diagnostics = ft_diagnostics_create();
    ft_plan *plan = ft_compile(&source, &settings, diagnostics);
    ft_error err = FT_ERROR_INIT;

    if (!plan)
        ft_diagnostics_print(diagnostics, FT_FORMAT_TEXT, false, stderr);
    check_true(plan != NULL);
    ft_run *run = ft_run_create(plan, &how, &node, &err);
    check_ok(run != NULL, &err);
    check_ok(ft_run_wait(run, &node, &err), &err);
    ft_run_destroy(run);
    ft_plan_destroy(plan);
    ft_diagnostics_destroy(diagnostics);
    ft_epoch_drain();
}

static footprint measure(const char *yaml, long window)
{
    long most = 0;

    for (long i = 0; i < window; i++) {
        cycle(yaml);
        long now = resident_kib();
        most = now > most ? now : most;
    }
    return (footprint){most, count_descriptors(), count_leases(), ft_alloc_get_stats().live_blocks};
}

static void check_flat(const char *yaml, long warm, long window, long cycles)
{
    for (long i = 0; i < warm; i++)
        cycle(yaml);
    footprint before = measure(yaml, window);
    for (long i = 0; i < cycles; i++)
        cycle(yaml);
    footprint after = measure(yaml, window);
    printf("resident: %ld KiB, after %ld more cycles %ld KiB; %ld descriptors, %ld leases\n",
           before.most_kib, cycles, after.most_kib, after.descriptors, after.leases);
    check_int_eq(after.blocks, before.blocks);
    check_int_eq(after.descriptors, before.descriptors);
    check_int_eq(after.leases, before.leases);
    if (!IS_SANITIZED)
        check_true(after.most_kib <= before.most_kib + before.most_kib / 100);
}

static long cycles_wanted(void)
{
    const char *torture = getenv("FT_TORTURE");

    return torture ? strtol(torture, NULL, 10) : CYCLES;
}

TEST(cycles_leave_nothing_behind)
{
    char folder[] = "/tmp/ftpipe-cycles-XXXXXX", weights[PATH_BYTES], words[PATH_BYTES], yaml[1024];

    check_true(mkdtemp(folder) != NULL);
    snprintf(weights, sizeof(weights), "%s/weights.safetensors", folder);
    snprintf(words, sizeof(words), "%s/vocab.txt", folder);
    write_weights(weights);
    write_vocabulary(words);
    snprintf(yaml, sizeof(yaml),
             "run: {threads: 2}\n"
             "stages:\n"
             "  - generate: 64\n"
             "    batch: 8\n"
             "    fields: {text: 'words(2, 9)', input: 'normal(1, %d)'}\n"
             "  - tokenize: %s\n"
             "  - plugin: %s#upper\n"
             "  - infer: %s\n"
             "  - lua: |\n"
             "      ctx.shared.dict('d'):incr(item.text)\n"
             "      ctx.shared.stack('s'):push(item.text)\n"
             "  - drop:\n",
             WIDTH, words, PLUGIN_PATH, weights);
    check_flat(yaml, WARM, WINDOW, cycles_wanted());
    unlink(weights);
    unlink(words);
    rmdir(folder);
}

// The folder of MiniLM, as in test_encoder.c; false: there is none.
static bool find_minilm(char *out, size_t out_bytes)
{
    const char *told = getenv("FTPIPE_TEST_MINILM"), *home = getenv("HOME");
    char path[2 * PATH_MAX];

    snprintf(out, out_bytes, "%s%s",
             told   ? told
             : home ? home
                    : "",
             told ? "" : "/.cache/ftpipe/models/all-MiniLM-L6-v2");
    snprintf(path, sizeof(path), "%s/model.safetensors", out);
    return access(path, R_OK) == 0;
}

TEST(cycles_of_a_model_leave_nothing_behind)
{
    char model[PATH_MAX], yaml[3 * PATH_MAX];
    long share = getenv("FT_TORTURE") ? 1 : MODEL_SHARE;

    if (!find_minilm(model, sizeof(model)))
        check_skip("no MiniLM: FTPIPE_TEST_MINILM names its folder, `ftpipe pull all-MiniLM-L6-v2` "
                   "fetches it");
    snprintf(yaml, sizeof(yaml),
             "run: {threads: 2}\n"
             "stages:\n"
             "  - generate: 4\n"
             "    batch: 2\n"
             "    fields: {text: 'words(2, 9)'}\n"
             "  - tokenize: %s\n"
             "  - embed: %s\n"
             "  - drop:\n",
             model, model);
    check_flat(yaml, WARM / share, WINDOW / share, cycles_wanted() / share);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
