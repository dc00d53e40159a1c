// Plug-ins that are wrong in one way each, chosen by -D, for tests/play_plugins.py. Two stages that
// fail when two threads are in the library at once are the whole of the good case.
#include <ftpipe/stage.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>

#ifndef CONCURRENCY
#define CONCURRENCY FT_CONCURRENCY_UNDECLARED
#endif
#ifndef ABI
#define ABI FT_STAGE_ABI
#endif
#ifndef LOOPS
#define LOOPS 2000
#endif

typedef struct alone_config {
    int64_t size;
} alone_config;

#ifdef BAD_DEFAULT
#define DEFAULT "many"
#else
#define DEFAULT "1"
#endif

static const ft_option options[] = {
#ifdef OUTSIDE
    {.type = FT_OPTION_INT, .name = "size", .offset = 8, .doc = "Behind the end."},
#else
    FT_OPT_INT(alone_config, size, .fallback = DEFAULT, .doc = "Nothing."),
#endif
    FT_OPT_END,
};

#ifdef ENDLESS
static bool alone_process(ft_stage *self, ft_batch **in, ft_error *err)
{
    (void)in;
    fprintf(stderr, "endless\n");
#ifdef DEAF
    self = NULL;
#endif
    while (!self || !ft_is_cancelled(self))
        sched_yield();
    return ft_fail(err, FT_ERROR_CANCELLED, "stopped");
}
#else
static atomic_int inside;

// Fails when somebody else is in the library.
static bool alone_process(ft_stage *self, ft_batch **in, ft_error *err)
{
    int others = atomic_fetch_add(&inside, 1);

    for (int i = 0; i < LOOPS && others == 0; i++) {
        others = atomic_load(&inside) - 1;
        if (i % 500 == 0)
            sched_yield();
    }
    atomic_fetch_sub(&inside, 1);
    if (others > 0)
        return ft_fail(err, FT_ERROR_DATA, "two threads at once");
    return ft_emit(self, ft_take(in), err);
}
#endif

#ifdef CRASH
static bool crash_plan(ft_stage_plan *plan, void *config, ft_error *err)
{
    volatile int *nowhere = NULL;

    (void)plan, (void)config, (void)err;
    return *nowhere == 0;
}
#endif

static const ft_stage_def first = {
    .abi = ABI,
    .name = "first",
    .summary = "be alone in the library",
    .kind = FT_STAGE_TRANSFORM,
    .concurrency = CONCURRENCY,
    .options = options,
    .config_size = sizeof(alone_config),
#ifdef CRASH
    .plan = crash_plan,
#endif
#ifndef NO_PROCESS
    .process = alone_process,
#endif
};

#ifdef ONE_STAGE
FT_PLUGIN(&first);
#elif !defined(NO_SYMBOL)
static const ft_stage_def second = {
    .abi = ABI,
#ifdef SAME_NAME
    .name = "first",
#else
    .name = "second",
#endif
    .summary = "be alone in the library too",
    .kind = FT_STAGE_TRANSFORM,
    .concurrency = CONCURRENCY,
    .process = alone_process,
};
#ifdef OTHER_ABI
static const ft_stage_def *const all[] = {&first, &second, NULL};
FT_API extern const ft_plugin ftpipe_plugin;
const ft_plugin ftpipe_plugin = {.abi = 999, .stages = all};
#else
FT_PLUGIN(&first, &second);
#endif
#else
FT_API const ft_stage_def *first_of_all(void);
const ft_stage_def *first_of_all(void)
{
    return &first;
}
#endif
