// Facts about stages: how many threads may be in each, who says so, and what that costs.
#include <string.h>

#include "cli/doctor.h"
#include "cli/verdict.h"
#include "stages/builtin.h"

enum { NAMES_BYTES = 256 };

// "filter, map, tokenize": those with that concurrency.
static const char *names_of(ft_facts *facts, ft_concurrency concurrency)
{
    const char *names = "";

    for (size_t i = 0; ft_builtin_stages[i]; i++)
        if (ft_builtin_stages[i]->concurrency == concurrency)
            names = ft_facts_text(facts, "%s%s%s", names, *names ? ", " : "",
                                  ft_builtin_stages[i]->name);
    return names;
}

void ft_doctor_stages(ft_facts *facts)
{
    const char *any = names_of(facts, FT_CONCURRENCY_ANY);
    const char *one = names_of(facts, FT_CONCURRENCY_ONE);
    const char *none = names_of(facts, FT_CONCURRENCY_UNDECLARED);

    ft_facts_add(facts, (ft_fact){"stages", "any threads", FT_FACT_GOOD, any, NULL});
    ft_facts_add(facts, (ft_fact){"stages", "one, in order", FT_FACT_GOOD, one, NULL});
    if (*none)
        ft_facts_add(facts, (ft_fact){"stages", "undeclared", FT_FACT_POOR, none,
                                      "Set `.concurrency` in the definition."});
}

// What is known of a plug-in's file; "" for what is built in.
static const char *tested(ft_facts *facts, const ft_plan_node *node)
{
    if (!node->library)
        return "";
    switch (ft_verdict_find(node->library)) {
    case FT_PLUGIN_PASSED:
        return ft_facts_text(facts, "; %s passed its test", node->library);
    case FT_PLUGIN_FAILED:
        return ft_facts_text(facts, "; %s failed its test", node->library);
    case FT_PLUGIN_UNTESTED:
        break;
    }
    return ft_facts_text(facts, "; %s was not tested", node->library);
}

static const char *describe(ft_facts *facts, const ft_plan_node *node)
{
    bool is_contained = node->isolate || node->on_runaway == FT_ON_RUNAWAY_PROCESS;
    const char *where = is_contained   ? ", each in a process of its own"
                        : node->blocks ? ", on threads of its own"
                                       : "";

    if (node->def->kind == FT_STAGE_SOURCE)
        return ft_facts_text(facts, "source: one thread at a time%s", where);
    if (node->def->concurrency == FT_CONCURRENCY_UNDECLARED && is_contained)
        return "undeclared: one at a time, in a process of its own";
    if (node->def->concurrency == FT_CONCURRENCY_UNDECLARED)
        return "undeclared: serial, in the lock domain of its library; at most one core";
    if (node->concurrency == FT_CONCURRENCY_ANY)
        return ft_facts_text(facts, "declared any: all workers at once%s", where);
    if (node->def->concurrency == FT_CONCURRENCY_ANY)
        return ft_facts_text(facts, "one here, by its options; any otherwise%s", where);
    return ft_facts_text(facts, "declared one: one thread at a time, in order%s", where);
}

static void add_stage(ft_facts *facts, const ft_plan_node *node)
{
    bool undeclared = node->def->concurrency == FT_CONCURRENCY_UNDECLARED;
    bool failed = node->library && ft_verdict_find(node->library) == FT_PLUGIN_FAILED;
    bool untested = node->library && ft_verdict_find(node->library) == FT_PLUGIN_UNTESTED;
    const char *advice = NULL;

    if (undeclared)
        advice =
            "Test it with `ftpipe doctor --plugin FILE`, then set `.concurrency` in its source.";
    else if (failed || untested)
        advice = "`ftpipe doctor --plugin FILE` tests it from many threads.";
    ft_facts_add(facts,
                 (ft_fact){"pipeline", node->name,
                           undeclared || failed ? FT_FACT_POOR
                           : untested           ? FT_FACT_NOTE
                                                : FT_FACT_GOOD,
                           ft_facts_text(facts, "%s%s", describe(facts, node), tested(facts, node)),
                           advice});
}

void ft_doctor_plan(ft_facts *facts, const ft_plan *plan)
{
    for (size_t i = 0; i < plan->node_count; i++)
        if (!plan->nodes[i]->is_hidden)
            add_stage(facts, plan->nodes[i]);
}
