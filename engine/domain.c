// A domain is a lock that no thread waits for: a task that finds it taken is put in its line, and
// the worker does something else. So stages that have nothing to do with the plug-in lose no core
// to it, and whoever waits for memory inside of it can be helped (gate.c: a task in a line is not
// active, so a standstill is seen).
//
// First come, first served: the task in front is given the domain before it is dispatched, so that
// none can be overtaken for ever.
//
// Lock order: domain->lock is taken last and alone.
#include "engine/domain.h"

struct ft_domain {
    ft_domain *next;
    const void *key;
    ft_mutex lock;  // Guards all below.
    bool is_taken;
    ft_task *granted;  // It has been given to this task, which is on its way.
    ft_task *first, *last;
};

ft_domain *ft_domain_get(ft_run *run, const void *key, ft_error *err)
{
    for (ft_domain *domain = run->domains; domain; domain = domain->next)
        if (domain->key == key)
            return domain;
    ft_domain *domain = ft_arena_zero(run->arena, 1, sizeof(*domain));
    if (!domain) {
        ft_ignore(ft_fail_nomem(err, sizeof(*domain)));  // Told by the NULL.
        return NULL;
    }
    domain->key = key;
    domain->next = run->domains;
    ft_mutex_init(&domain->lock);
    run->domains = domain;
    return domain;
}

bool ft_domain_enter(ft_domain *domain, ft_task *task)
{
    ft_mutex_lock(&domain->lock);
    bool may = !domain->is_taken || domain->granted == task;
    if (may) {
        domain->is_taken = true;
        domain->granted = NULL;
    } else {
        task->next = task->prev = NULL;
        *(domain->last ? &domain->last->next : &domain->first) = task;
        domain->last = task;
    }
    ft_mutex_unlock(&domain->lock);
    return may;
}

ft_task *ft_domain_leave(ft_domain *domain)
{
    ft_mutex_lock(&domain->lock);
    ft_task *task = domain->first;
    if (task) {
        domain->first = task->next;
        if (!domain->first)
            domain->last = NULL;
        task->next = NULL;
    }
    domain->is_taken = task != NULL;
    domain->granted = task;
    ft_mutex_unlock(&domain->lock);
    return task;
}

void ft_domains_drain(ft_run *run, void (*drop)(ft_task *task))
{
    for (ft_domain *domain = run->domains; domain; domain = domain->next)
        while (domain->first) {
            ft_task *task = domain->first;
            domain->first = task->next;
            drop(task);
        }
}

void ft_domains_finish(ft_run *run)
{
    for (ft_domain *domain = run->domains; domain; domain = domain->next)
        ft_mutex_finish(&domain->lock);
    run->domains = NULL;
}
