// Lock domains: stages of which at most one may be at work at a time (those of a plug-in that does
// not say how many threads it can stand).
#pragma once

#include "engine/graph.h"

// The domain of all nodes whose plan names `key`, made with the first of them, in the run's arena.
// NULL without memory.
ft_domain *ft_domain_get(ft_run *run, const void *key, ft_error *err) FT_MUST_CHECK;
// Whether `task` may run now; else it is kept, and dispatched when its turn has come.
bool ft_domain_enter(ft_domain *domain, ft_task *task);
// The task that ran is done. Returns the one that comes next, to be dispatched; or NULL.
ft_task *ft_domain_leave(ft_domain *domain);
// Hands the tasks that a stopped run left to `drop`; its threads have ended.
void ft_domains_drain(ft_run *run, void (*drop)(ft_task *task));
void ft_domains_finish(ft_run *run);
