// Stages that do harm at some items, for tests/play_processes.py: what an item's `do` says. Built
// with the public header only, as any plug-in.
//
//   crash      writes to no memory           abort   calls abort
//   exit       ends the process              loop    never comes back
//   sleep      waits for ever, idle          wild    overwrites what the process shares with ftpipe
//   kill       kills itself, as somebody else might
#include <ftpipe/stage.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef struct perilous_config {
    const char *at_open;
    size_t column;
} perilous_config;

static const ft_option options[] = {
    FT_OPT_STRING(perilous_config, at_open, .fallback = "", .doc = "What to do when it is opened."),
    FT_OPT_END,
};

static bool perilous_plan(ft_stage_plan *plan, void *config, ft_error *err)
{
    perilous_config *own = config;

    return ft_plan_read(plan, NULL, "do", FT_TYPE(STRING), &own->column, err);
}

// Every byte of the memory that is mapped from a memfd, and may be written.
static void overwrite_shared(void)
{
    char line[512];
    FILE *maps = fopen("/proc/self/maps", "re");

    while (maps && fgets(line, sizeof(line), maps)) {
        unsigned long from, to;
        if (!strstr(line, "memfd:ftpipe") || sscanf(line, "%lx-%lx rw", &from, &to) != 2)
            continue;
        memset((void *)from, 0xA5, to - from);
    }
    if (maps)
        fclose(maps);
}

static void harm(ft_slice what)
{
    volatile int *nowhere = NULL;

    if (ft_slice_is(what, "crash"))
        *nowhere = 1;
    if (ft_slice_is(what, "abort"))
        abort();
    if (ft_slice_is(what, "exit"))
        _exit(3);
    if (ft_slice_is(what, "kill"))
        kill(getpid(), SIGKILL);
    if (ft_slice_is(what, "wild"))
        overwrite_shared();
    while (ft_slice_is(what, "loop"))
        *(volatile char *)&what;
    while (ft_slice_is(what, "sleep"))
        pause();
}

static bool perilous_open(ft_stage *self, ft_error *err)
{
    const perilous_config *config = self->config;

    (void)err;
    harm(ft_slice_of(config->at_open));
    return true;
}

static bool perilous_process(ft_stage *self, ft_batch **in, ft_error *err)
{
    const perilous_config *config = self->config;
    const ft_column *what = &(*in)->columns[config->column];

    for (size_t i = 0; i < (*in)->count; i++) {
        ft_slice text = ft_column_text(what, i);
        ft_count(self, 0, 1);
        if (ft_slice_is(text, "wild")) {
            // Only once its answer is there, so that it is the answer that is damaged.
            ft_batch *out = ft_take(in);
            bool ok = ft_emit(self, out, err);
            overwrite_shared();
            return ok;
        }
        harm(text);
    }
    return ft_emit(self, ft_take(in), err);
}

static bool held_process(ft_stage *self, ft_batch **in, ft_error *err);
static bool held_flush(ft_stage *self, ft_error *err);

static const char *const counters[] = {"seen", NULL};

static const ft_stage_def perilous = {
    .abi = FT_STAGE_ABI,
    .name = "perilous",
    .summary = "do harm where the item says so",
    .kind = FT_STAGE_TRANSFORM,
    .concurrency = FT_CONCURRENCY_ANY,
    .options = options,
    .counters = counters,
    .config_size = sizeof(perilous_config),
    .plan = perilous_plan,
    .open = perilous_open,
    .process = perilous_process,
};

// Keeps the first batches that it is given, and gives their columns at the end: what it was given
// must stay what it was.
enum { HELD_MAX = 16 };

typedef struct held_state {
    ft_batch *batches[HELD_MAX];
    size_t count;
} held_state;

static bool held_process(ft_stage *self, ft_batch **in, ft_error *err)
{
    held_state *state = self->state;

    if (state->count == HELD_MAX)
        return ft_emit(self, ft_take(in), err);
    state->batches[state->count++] = ft_take(in);
    return true;
}

static bool held_flush(ft_stage *self, ft_error *err)
{
    held_state *state = self->state;

    // Of no lineage: they come from several items each, for all that anybody knows.
    for (size_t i = 0; i < state->count; i++) {
        const ft_batch *kept = state->batches[i];
        ft_batch *out = ft_batch_create(self->account, kept->count, kept->width, NULL, err);
        for (size_t j = 0; out && j < kept->width; j++) {
            ft_column column = ft_column_ref(&kept->columns[j]);
            ft_batch_set(out, j, &column);
        }
        if (!out || !ft_emit(self, out, err))
            return false;
    }
    return true;
}

static void held_close(ft_stage *self)
{
    held_state *state = self->state;

    for (size_t i = 0; i < state->count; i++)
        ft_batch_unref(state->batches[i]);
}

static const ft_stage_def held = {
    .abi = FT_STAGE_ABI,
    .name = "held",
    .summary = "keep what it is given to the end",
    .kind = FT_STAGE_TRANSFORM,
    .concurrency = FT_CONCURRENCY_ONE,
    .state_size = sizeof(held_state),
    .process = held_process,
    .flush = held_flush,
    .close = held_close,
};

// As perilous, with a state that a crash loses.
static const ft_stage_def keeping = {
    .abi = FT_STAGE_ABI,
    .name = "keeping",
    .summary = "do harm where the item says so, and remember",
    .kind = FT_STAGE_TRANSFORM,
    .concurrency = FT_CONCURRENCY_ONE,
    .options = options,
    .counters = counters,
    .config_size = sizeof(perilous_config),
    .state_size = sizeof(int),
    .plan = perilous_plan,
    .process = perilous_process,
};

// Plans a field and does not make it.
static bool omits_plan(ft_stage_plan *plan, void *config, ft_error *err)
{
    perilous_config *own = config;

    return ft_plan_add(plan, "made", FT_TYPE(STRING), &own->column, err);
}

static bool omits_process(ft_stage *self, ft_batch **in, ft_error *err)
{
    return ft_batch_make_writable(in, self->output_width, err) && ft_emit(self, ft_take(in), err);
}

static const ft_stage_def omits = {
    .abi = FT_STAGE_ABI,
    .name = "omits",
    .summary = "leave out what it said it would make",
    .kind = FT_STAGE_TRANSFORM,
    .concurrency = FT_CONCURRENCY_ANY,
    .config_size = sizeof(perilous_config),
    .plan = omits_plan,
    .process = omits_process,
};

// As perilous, on a thread of its own, as stages have that wait for the outside.
static const ft_stage_def waiting = {
    .abi = FT_STAGE_ABI,
    .name = "waiting",
    .summary = "do harm where the item says so, and wait",
    .kind = FT_STAGE_TRANSFORM,
    .concurrency = FT_CONCURRENCY_ANY,
    .blocks = true,
    .options = options,
    .counters = counters,
    .config_size = sizeof(perilous_config),
    .plan = perilous_plan,
    .process = perilous_process,
};

FT_PLUGIN(&perilous, &held, &keeping, &omits, &waiting);
