// Facts about stages: how many threads may be in each, who says so, and what that costs.
#include <string.h>

#include "cli/doctor.h"
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

static const char *describe(ft_facts *facts, const ft_plan_node *node)
{
    const char *where = node->blocks ? ", on threads of its own" : "";

    if (node->def->kind == FT_STAGE_SOURCE)
        return ft_facts_text(facts, "source: one thread at a time%s", where);
    if (node->def->concurrency == FT_CONCURRENCY_UNDECLARED)
        return "undeclared: serial, in the lock domain of its library; at most one core";
    if (node->concurrency == FT_CONCURRENCY_ANY)
        return ft_facts_text(facts, "declared any: all workers at once%s", where);
    if (node->def->concurrency == FT_CONCURRENCY_ANY)
        return ft_facts_text(facts, "one here, by its options; any otherwise%s", where);
    return ft_facts_text(facts, "declared one: one thread at a time, in order%s", where);
}

void ft_doctor_plan(ft_facts *facts, const ft_plan *plan)
{
    for (size_t i = 0; i < plan->node_count; i++) {
        const ft_plan_node *node = plan->nodes[i];
        bool undeclared = node->def->concurrency == FT_CONCURRENCY_UNDECLARED;
        if (node->is_hidden)
            continue;
        ft_facts_add(facts,
                     (ft_fact){"pipeline", node->name, undeclared ? FT_FACT_POOR : FT_FACT_GOOD,
                               describe(facts, node),
                               undeclared ? "Test it with `ftpipe doctor --plugin FILE`, then set "
                                            "`.concurrency` in its source."
                                          : NULL});
    }
}
