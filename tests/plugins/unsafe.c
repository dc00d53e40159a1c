// Plug-ins that are good on one thread and not on several, or only seem good; one fault each,
// chosen by -D, for `ftpipe doctor --plugin`.
#include <ftpipe/stage.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#ifndef CONCURRENCY
#define CONCURRENCY FT_CONCURRENCY_ANY
#endif

typedef struct unsafe_config {
    size_t in, out;
    int64_t calls;
} unsafe_config;

typedef struct unsafe_state {
    int64_t length[2];
} unsafe_state;

#ifdef SHARED
static volatile int64_t scratch;  // What every instance uses.
#endif

#ifdef RACE
static int64_t calls_seen;
#endif

static bool unsafe_plan(ft_stage_plan *plan, void *data, ft_error *err)
{
    unsafe_config *config = data;

    return ft_plan_read(plan, NULL, "text", FT_TYPE(STRING), &config->in, err) &&
           ft_plan_add(plan, "length", FT_TYPE(INT), &config->out, err);
}

static int64_t length_of(unsafe_state *state, ft_slice text)
{
#ifdef SHARED
    volatile int64_t *at = &scratch;
#else
    int64_t *at = &state->length[0];
#endif
    (void)state;
    *at = 0;
    for (size_t i = 0; i < text.size; i++) {
        *at += text.data[i] != ' ';
        if (i % 16 == 15)
            sched_yield();
    }
    return *at;
}

static bool unsafe_process(ft_stage *self, ft_batch **in, ft_error *err)
{
    const unsafe_config *config = self->config;
    const ft_column *texts = &(*in)->columns[config->in];
    ft_column made = {.type = FT_TYPE(INT)};
    unsafe_state *state = self->state;

    made.values = ft_tensor_create_1d(self->account, FT_DTYPE_I64, (*in)->count, err);
    if (!made.values)
        return false;
    for (size_t i = 0; i < (*in)->count; i++)
        ((int64_t *)(void *)made.values->data)[i] =
            ft_column_is_null(texts, i) ? 0 : length_of(state, ft_column_text(texts, i));
#ifdef RACE
    calls_seen++;  // A race that changes no result.
#elif defined(OVERRUN)
    ((volatile char *)self->state)[sizeof(unsafe_state)] = 1;
#elif defined(LEAK)
    if (!ft_alloc(100))
        return false;
#elif defined(CONFIG)
    ((unsafe_config *)(uintptr_t)self->config)->calls++;
#elif defined(IN_PLACE)
    if ((*in)->columns[config->in].values->buffer->size_bytes > 0)
        ((char *)(uintptr_t)(*in)->columns[config->in].values->data)[0]++;
#elif defined(CRASH)
    volatile uintptr_t nowhere = 8;
    *(volatile int *)nowhere = 1;
#elif defined(COUNTS)
    ((int64_t *)(void *)made.values->data)[0] = state->length[1]++;
#endif
    if (!ft_batch_make_writable(in, self->output_width, err)) {
        ft_column_finish(&made);
        return false;
    }
    ft_batch_set(*in, config->out, &made);
    return ft_emit(self, ft_take(in), err);
}

static const ft_stage_def unsafe = {
    .abi = FT_STAGE_ABI,
    .name = "unsafe",
    .summary = "count letters, somehow",
    .kind = FT_STAGE_TRANSFORM,
    .concurrency = CONCURRENCY,
    .config_size = sizeof(unsafe_config),
    .state_size = sizeof(unsafe_state),
    .plan = unsafe_plan,
    .process = unsafe_process,
};

FT_PLUGIN(&unsafe);
