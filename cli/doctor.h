// What `ftpipe doctor` finds out: a list of facts, each with what to do where it is not as it could
// be. Filled by doctor_machine.c, doctor_program.c and doctor_stages.c, shown by command_doctor.c.
#pragma once

#include "engine/plan.h"

typedef enum ft_fact_state {
    FT_FACT_GOOD,  // As it should be, or a mere fact.
    FT_FACT_NOTE,  // Not in use, or less than could be; works all the same.
    FT_FACT_POOR,  // Costs something, or is not safe: `advice` says what to do.
} ft_fact_state;

typedef struct ft_fact {
    const char *group, *name;  // Literals or in the arena.
    ft_fact_state state;
    const char *value, *advice;  // In the arena; advice NULL: nothing to do.
} ft_fact;

typedef struct ft_facts {
    ft_arena *arena;
    const char *root;  // In front of /proc and /sys: "" but in tests.
    size_t count, capacity;
    ft_fact *items;
    bool failed;  // No memory for some fact.
} ft_facts;

void ft_facts_add(ft_facts *facts, ft_fact fact);
// The text of a fact, in the arena; "" without memory.
const char *ft_facts_text(ft_facts *facts, const char *format, ...) FT_PRINTF(2, 3);
// First line of a small file under `root`, without its end; NULL when it cannot be read.
const char *ft_facts_line(ft_facts *facts, const char *path);

void ft_doctor_machine(ft_facts *facts);  // Cores, caches, NUMA, quota, memory, kernel.
void ft_doctor_program(ft_facts *facts);  // What of the runtime is active, and why not.
void ft_doctor_stages(ft_facts *facts);   // The stages that are built in, in one line each kind.
void ft_doctor_plan(ft_facts *facts, const ft_plan *plan);  // The stages of a pipeline.
