// For tests: text in, diagnostics out, with the stages of fake_stages.h.
#pragma once

#include <string.h>

#include "dsl/compile.h"
#include "tests/check.h"
#include "tests/dsl/fake_stages.h"

typedef struct compiled {
    ft_source *source;
    ft_diagnostics *diagnostics;
    ft_plan *plan;  // NULL when there was an error.
} compiled;

static inline const char *fake_variable(const char *name)
{
    return strcmp(name, "HOST") == 0 ? "db.example" : strcmp(name, "FIVE") == 0 ? "5" : NULL;
}

static inline compiled compile_slice_with(ft_slice text, const char *param, const char *value)
{
    static const ft_environment environment = {.pipeline_folder = ""};
    compiled done = {.diagnostics = ft_diagnostics_create()};
    ft_compile_settings settings = {.stages = fake_stages,
                                    .environment = &environment,
                                    .param_names = &param,
                                    .param_texts = &value,
                                    .param_count = param != NULL,
                                    .environment_variable = fake_variable};

    check_true(done.diagnostics != NULL);
    done.source = ft_arena_alloc(ft_diagnostics_arena(done.diagnostics), sizeof(*done.source));
    check_true(done.source != NULL);
    *done.source = (ft_source){"test.yaml", text};
    done.plan = ft_compile(done.source, &settings, done.diagnostics);
    return done;
}

static inline compiled compile_text(const char *text)
{
    return compile_slice_with(ft_slice_of(text), NULL, NULL);
}

static inline compiled compile_with(const char *text, const char *param, const char *value)
{
    return compile_slice_with(ft_slice_of(text), param, value);
}

static inline void compiled_finish(compiled *done)
{
    ft_plan_destroy(done->plan);
    ft_diagnostics_destroy(done->diagnostics);
}

// The text has exactly one fault: this number, at this place.
static inline void check_one_fault(const char *text, int number, uint32_t line, uint32_t column)
{
    compiled done = compile_text(text);
    const ft_diagnostic *fault = ft_diagnostics_get(done.diagnostics, 0);

    check_true(fault != NULL);
    check_int_eq(fault->number, number);
    check_int_eq(fault->mark.line, line);
    check_int_eq(fault->mark.column, column);
    check_true(ft_diagnostics_get(done.diagnostics, 1) == NULL);
    compiled_finish(&done);
}
