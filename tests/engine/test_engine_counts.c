// Ownership while an engine runs: no locked operation on what travels, models that cannot be
// written, memory that goes with its run.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/memory/refcount.h"
#include "tests/engine/toy_stages.h"

enum { MODEL_BYTES = 3 * 1024 * 1024, CYCLES = 200, WARM_CYCLES = 200, STAGES = 5 };
enum { NOISE_BYTES = 256 * 1024 };  // The process is small: one page of the allocator is 2 %.

// ---- a stage that loads a model ----

typedef struct {
    ft_object object;
    uint8_t weights[MODEL_BYTES];
} toy_model;

static const ft_object_type model_type = {.name = "model"};

static bool load_model(ft_stage_load *load, const void *config, void **out_shared, ft_error *err)
{
    toy_model *model = ft_arena_alloc(load->arena, sizeof(*model));
    char *small = ft_arena_alloc(load->arena, 100);

    (void)config;
    if (!model || !small)
        return ft_fail_nomem(err, sizeof(*model));
    ft_object_init_immortal(&model->object, &model_type);
    memset(model->weights, 3, sizeof(model->weights));
    memset(small, 1, 100);
    *out_shared = model;
    return true;
}

// Every worker counts it and reads it; none may change it.
static bool model_process(ft_stage *self, ft_batch **batch, ft_error *err)
{
    toy_model *model = (toy_model *)(uintptr_t)self->shared;

    ft_object_ref(&model->object);
    for (size_t i = 0; i < MODEL_BYTES; i += 65536)
        if (model->weights[i] != 3)
            return ft_fail(err, FT_ERROR_DATA, "the model has changed");
    ft_object_unref(&model->object);
    ft_object_unref(&model->object);
    return ft_emit(self, ft_take(batch), err);
}

// Without the handlers of sanitizers.
static void expect_fault(void)
{
    struct sigaction action = {.sa_handler = SIG_DFL};

    sigaction(SIGSEGV, &action, NULL);
}

static bool model_scribbles(ft_stage *self, ft_batch **batch, ft_error *err)
{
    toy_model *model = (toy_model *)(uintptr_t)self->shared;

    expect_fault();
    model->weights[5] = 1;
    return ft_emit(self, ft_take(batch), err);
}

static bool header_scribbles(ft_stage *self, ft_batch **batch, ft_error *err)
{
    toy_model *model = (toy_model *)(uintptr_t)self->shared;

    expect_fault();
    ft_atomic_add(&model->object.shared, FT_SHARED_ONE, FT_RELAXED);
    return ft_emit(self, ft_take(batch), err);
}

// ---- a stage that gives the batch another column array, and keeps its values ----

static bool passes_process(ft_stage *self, ft_batch **batch, ft_error *err)
{
    ft_column again;

    if (!ft_batch_make_writable(batch, (*batch)->width, err))
        return false;
    again = ft_column_ref(&(*batch)->columns[0]);
    ft_column_finish(&again);
    return ft_emit(self, ft_take(batch), err);
}

#define LOADER(name_, load_, process_)     \
    static const ft_stage_def name_ = {    \
        .abi = FT_STAGE_ABI,               \
        .name = #name_,                    \
        .summary = "model",                \
        .kind = FT_STAGE_TRANSFORM,        \
        .concurrency = FT_CONCURRENCY_ANY, \
        .config_size = 1,                  \
        .state_size = 1,                   \
        .plan = toy_scatter_plan,          \
        .load = load_,                     \
        .process = process_,               \
    }
LOADER(with_model, load_model, model_process);
LOADER(with_scribbler, load_model, model_scribbles);
LOADER(with_header_scribbler, load_model, header_scribbles);
LOADER(passes, NULL, passes_process);

static void run_line(const ft_stage_def *def, int stages, int64_t threads, int64_t items)
{
    toy t;
    toy_record got = {0};
    toy_count_config *source;
    toy_record_config *sink;
    void *unused;

    toy_init(&t, threads);
    int at = toy_add(&t, &toy_count, -1, &source);
    for (int i = 0; i < stages; i++)
        at = toy_add(&t, def, at, &unused);
    toy_add(&t, &toy_recorder, at, &sink);
    *source = (toy_count_config){.items = items, .batch_most = 10, .seed = 5};
    sink->record = &got;
    check_ok(toy_run(&t), &t.err);
    check_int_eq(got.count, items);
    toy_check_accounts(&t);
    toy_finish(&t);
    toy_record_finish(&got);
}

TEST(a_model_is_counted_and_read_but_never_written)
{
    run_line(&with_model, 2, 3, 1000);
}

static void check_faults(const ft_stage_def *def)
{
    int status;
    pid_t child = fork();

    FT_ASSERT(child >= 0);
    if (child == 0) {
        run_line(def, 1, 2, 100);
        _exit(0);
    }
    FT_ASSERT(waitpid(child, &status, 0) == child);
    check_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

TEST(a_write_to_a_model_faults)
{
    check_faults(&with_scribbler);
    check_faults(&with_header_scribbler);
}

// ---- no locked operation ----

static uint64_t all_rmws(void)
{
    uint64_t sum = 0;

    for (uint32_t i = 1; i <= ft_lease_highest_id(); i++)
        sum += ft_atomic_load(&ft_lease_get(i)->header_rmws, FT_RELAXED);
    return sum;
}

// What the source, the sink and the reports of their turns need does not depend on how many stages
// are in between: each of the five adds nothing.
TEST(five_stages_add_no_locked_operation_on_what_travels)
{
    for (int64_t threads = 1; threads <= 4; threads *= 2) {
        uint64_t before = all_rmws();
        run_line(&passes, 0, threads, 20000);
        uint64_t without = all_rmws() - before;
        run_line(&passes, STAGES, threads, 20000);
        uint64_t with = all_rmws() - before - without;
        check_int_eq(with, without);
    }
}

// ---- memory goes with the run ----

static int64_t resident_bytes(void)
{
    long long size, resident;
    FILE *file = fopen("/proc/self/statm", "r");

    if (!file || fscanf(file, "%lld %lld", &size, &resident) != 2)
        check_skip("no /proc/self/statm");
    fclose(file);
    return (int64_t)resident * sysconf(_SC_PAGESIZE);
}

TEST(runs_that_come_and_go_leave_no_memory)
{
    const char *asked = getenv("FT_TORTURE");
    int cycles = asked ? 1000 : CYCLES;

    for (int i = 0; i < WARM_CYCLES; i++)
        run_line(&with_model, 2, 2, 50);
    int64_t before = resident_bytes();
    int64_t blocks = ft_alloc_get_stats().live_blocks;
    for (int i = 0; i < cycles; i++)
        run_line(&with_model, 2, 2, 50);
    check_int_eq(ft_alloc_get_stats().live_blocks, blocks);
#ifndef FT_SANITIZED  // Their shadow and quarantine grow.
    int64_t grown = resident_bytes() - before;
    if (getenv("FT_VERBOSE"))
        fprintf(stderr, "resident %lld, grown by %lld\n", (long long)before, (long long)grown);
    check_true(grown * 100 <= before || grown <= NOISE_BYTES);
#else
    (void)before;
#endif
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
