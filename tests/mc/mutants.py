"""Bugs that ftmc must find: each is put into a copy of the source, and its target must fail.

`old` must stand exactly once in `file`; `only`: the configuration that sees it, where the short ones are
too small.
"""

STACK, RING, IDLE = "runtime/concurrent/stack.c", "engine/ring.c", "engine/idle.c"
QUEUE, TABLE, DICT = "runtime/concurrent/queue.c", "runtime/concurrent/table.c", "runtime/concurrent/dict.c"
TABLE_H = "runtime/concurrent/table.h"
LIST, COUNTER = "runtime/concurrent/shared_list.c", "runtime/concurrent/counter.c"
PARKING, ELIDE = "runtime/concurrent/parking.c", "runtime/concurrent/elide.c"
EPOCH, COUNTS = "runtime/memory/epoch.c", "runtime/memory/refcount.c"
GATE, ACCOUNT = "engine/gate.c", "runtime/memory/account.c"
COLLECTOR, GRAPH = "runtime/memory/collector.c", "runtime/memory/collector_graph.c"
MONITOR, RUNAWAY, SOURCES = "engine/monitor.c", "engine/runaway.c", "engine/sources.c"
POOL, LEASE = "runtime/memory/pool.c", "runtime/system/lease.c"

MUTANTS = []


def mutant(target, what, file, old, new, only=None, also=()):
    """`also`: more pairs (old, new) in the same file."""
    MUTANTS.append({"target": target, "what": what, "file": file, "edits": [(old, new), *also], "only": only})


mutant("stack", "no tag in the head: ABA", STACK,
       "return ((head >> INDEX_BITS) + 1) << INDEX_BITS | next;", "return (head & 0) | next;")
# Either alone is harmless here: (tag, index) comes back only if neither raises the tag.
mutant("stack", "pops alone raise the tag, and taking all does not (ck_stack until 2026)", STACK,
       "(values, &head, head_with(head, 0))", "(values, &head, head & ~INDEX_MASK)",
       also=[("head_with(head, h.index + 1)))", "(head & ~INDEX_MASK) | (h.index + 1)))")])
mutant("stack", "a push does not release", STACK,
       "ft_atomic_cas_weak_acquire(&l->head, &head, head_with(head, h.index + 1))",
       "ft_atomic_cas_weak(&l->head, &head, head_with(head, h.index + 1), FT_ACQUIRE)",
       also=[("(uint32_t)(head & INDEX_MASK), FT_RELEASE)", "(uint32_t)(head & INDEX_MASK), FT_RELAXED)")])
mutant("stack", "a pop does not acquire", STACK,
       "next and word are there.\n    uint64_t head = ft_atomic_load(&l->head, FT_ACQUIRE);",
       "next and word are there.\n    uint64_t head = ft_atomic_load(&l->head, FT_RELAXED);")
mutant("stack", "one node more than the cap", STACK, "while (index < most)", "while (index <= most)", "stack-full")

mutant("ring", "the tail is not released", RING,
       "ft_atomic_store(&ring->tail, tail + 1, FT_RELEASE);", "ft_atomic_store(&ring->tail, tail + 1, FT_RELAXED);")
mutant("ring", "the head moves by a store", RING,
       "ft_atomic_cas(&ring->head, &head, head + *count, FT_ACQ_REL)",
       "(ft_atomic_store(&ring->head, head + *count, FT_RELEASE), true)")
mutant("ring", "full one too late", RING, "if (tail - head == FT_RING_SLOTS)", "if (tail - head == FT_RING_SLOTS + 1)")
mutant("ring", "what is taken is read after the swap", RING,
       """    for (uint32_t i = 0; i < *count; i++)
        out[i] = ft_atomic_load(slot_of(ring, head + i), FT_RELAXED);
    // Acquire and release: the owner may write the slots from here on.
    return *count == 0 || ft_atomic_cas(&ring->head, &head, head + *count, FT_ACQ_REL);
""", """    if (*count > 0 && !ft_atomic_cas(&ring->head, &head, head + *count, FT_ACQ_REL))
        return false;
    for (uint32_t i = 0; i < *count; i++)
        out[i] = ft_atomic_load(slot_of(ring, head + i), FT_RELAXED);
    return true;
""")

mutant("idle", "who has work only loads `sleeping`", IDLE,
       "ft_atomic_add(&idle->sleeping, 0, FT_ACQ_REL) == 0", "ft_atomic_load(&idle->sleeping, FT_ACQUIRE) == 0")
mutant("idle", "who has work only loads `tokens`", IDLE,
       "ft_atomic_add(&idle->tokens, 0, FT_ACQ_REL) > 0)", "ft_atomic_load(&idle->tokens, FT_ACQUIRE) > 0)")
mutant("idle", "an announcement does not acquire", IDLE,
       "ft_atomic_add(&idle->sleeping, 1, FT_ACQ_REL);", "ft_atomic_add(&idle->sleeping, 1, FT_RELAXED);")
mutant("idle", "no second look before the sleep", "tests/mc/targets/target_idle.c",
       "        if (has_work()) {\n            ft_idle_retract(&idle);\n            continue;\n        }\n", "")
mutant("idle", "who retracts leaves its token", IDLE,
       "bool told = ft_atomic_load(&idle->sleeping, FT_RELAXED) == 0;", "bool told = false;")

mutant("queue", "a push does not release its cell", QUEUE,
       "ft_atomic_store(&c->sequence, at + 1, FT_RELEASE);", "ft_atomic_store(&c->sequence, at + 1, FT_RELAXED);")
mutant("queue", "a popped cell is free for the wrong round", QUEUE,
       "at + queue->mask + 1, FT_RELEASE", "at + 1, FT_RELEASE")
mutant("queue", "a claim does not acquire the cell", QUEUE,
       "ft_atomic_load(&c->sequence, FT_ACQUIRE)", "ft_atomic_load(&c->sequence, FT_RELAXED)")
mutant("queue", "a position is claimed by a store", QUEUE,
       "ft_atomic_cas_weak(position, &at, at + 1, FT_RELAXED)", "(ft_atomic_store(position, at + 1, FT_RELAXED), true)")

mutant("dict", "a slot's key is not released", TABLE,
       "ft_atomic_store(&s->key, key, FT_RELEASE);", "ft_atomic_store(&s->key, key, FT_RELAXED);")
mutant("dict", "a new table is not released", TABLE,
       "ft_atomic_store(&table->slots, made, FT_RELEASE);", "ft_atomic_store(&table->slots, made, FT_RELAXED);")
mutant("dict", "a new value is not released", TABLE_H,
       "ft_atomic_cas_weak_acquire(&s->value, &there, wanted)",
       "ft_atomic_cas_weak(&s->value, &there, wanted, FT_ACQUIRE)")
mutant("dict", "a replaced value is dropped at once", DICT, "ft_word_retire(result.old);", "ft_word_drop(result.old);")
mutant("dict", "the old table is freed at once", TABLE,
       "ft_retire(old, slots_destroy, slots_bytes(old->mask + 1));", "slots_destroy(old);")
mutant("dict", "a reader looks at the key twice", TABLE_H,
       "        if (there == 0)\n            return NULL;",
       "        if (there == 0)\n            return ft_atomic_load(&s->key, FT_ACQUIRE) ? s : NULL;")
mutant("dict", "a change does not heed the mark", TABLE_H, "FT_UNLIKELY(there & FT_WORD_MOVED)", "false",
       also=[("ft_atomic_load(&s->value, FT_ACQUIRE), wanted;",
              "ft_atomic_load(&s->value, FT_ACQUIRE) & ~(ft_word)FT_WORD_MOVED, wanted;"),
             ("!ft_atomic_cas_weak_acquire(&s->value, &there, wanted)",
              "(ft_atomic_exchange(&s->value, wanted, FT_ACQ_REL), false)")])
mutant("dict", "values are copied without a mark", TABLE,
       "ft_atomic_or(&s->value, FT_WORD_MOVED, FT_ACQ_REL)", "ft_atomic_load(&s->value, FT_ACQUIRE)")
mutant("dict", "an add does not look whether the value is still the same", TABLE_H,
       "!ft_atomic_cas_weak_acquire(&s->value, &there, wanted)",
       "(there = ft_atomic_exchange(&s->value, wanted, FT_ACQ_REL), false)")

mutant("list", "an item is not released", LIST,
       "ft_atomic_store(item, word, FT_RELEASE);", "ft_atomic_store(item, word, FT_RELAXED);")
mutant("list", "a replaced item is dropped at once", LIST, "ft_word_retire(old);", "ft_word_drop(old);")
mutant("list", "what was taken out is replaced all the same", LIST,
       """    while (old != FT_WORD_NONE && !ft_atomic_cas_weak(item, &old, word, FT_ACQ_REL))
        continue;
""", """    if (old != FT_WORD_NONE)
        ft_atomic_exchange(item, word, FT_ACQ_REL);
""")
mutant("list", "the length does not know of the last append", LIST,
       "return count + (word_at(list, count) != FT_WORD_NONE);", "return count;")

mutant("set", "changes take no lock", TABLE,
       """    ft_lock_acquire(table->lock, table->class_of);
    bool ok = update_locked(table, &u, err);
    ft_lock_release(table->lock);
""", "    bool ok = update_locked(table, &u, err);\n")
mutant("set", "a slot's key is not released", TABLE,
       "ft_atomic_store(&s->key, key, FT_RELEASE);", "ft_atomic_store(&s->key, key, FT_RELAXED);")
mutant("set", "the new table is seen before it is filled", TABLE,
       "    if (old)\n        copy_slots(old, made);\n",
       "    ft_atomic_store(&table->slots, made, FT_RELEASE);\n    if (old)\n        copy_slots(old, made);\n")

mutant("counter", "a block of cells is not released", COUNTER,
       "&expected, made, FT_ACQ_REL)", "&expected, made, FT_RELAXED)")
mutant("counter", "two leases share a cell", "runtime/concurrent/counter.h",
       "&block[lease->id % FT_COUNTER_CELLS].value", "&block[lease->id % 2].value")
mutant("counter", "who comes second keeps its own block", COUNTER,
       "return ft_atomic_load(&counter->blocks[index], FT_ACQUIRE);\n}",
       "return ft_alloc_zero(CELLS, sizeof(cell));\n}")

mutant("parking", "a waiter does not say that it is parked", PARKING,
       "ft_atomic_cas_weak(lock, &word, word | PARKED, FT_RELAXED)", "word")
mutant("parking", "the lock is taken without acquire", "runtime/concurrent/parking.h",
       "!ft_atomic_cas(lock, &expected, 1, FT_ACQUIRE)", "!ft_atomic_cas(lock, &expected, 1, FT_RELAXED)")
mutant("parking", "the lock is let go without release", "runtime/concurrent/parking.h",
       "!ft_atomic_cas(lock, &expected, 0, FT_RELEASE)", "!ft_atomic_cas(lock, &expected, 0, FT_RELAXED)")
mutant("parking", "the second waiter is forgotten", PARKING,
       "uint8_t parked = more ? PARKED : 0;", "uint8_t parked = more ? 0 : 0;", "parking-3")
mutant("parking", "who is handed the lock takes it again", PARKING,
       "bool owns = own->state == OWNS;", "bool owns = false;")

mutant("elide", "the end of a write is not released", ELIDE,
       "ft_atomic_add(&lock->sequence, 1, FT_RELEASE);", "ft_atomic_add(&lock->sequence, 1, FT_RELAXED);")
mutant("elide", "a reader begins in the middle of a write", ELIDE, "return !(reader->sequence & 1) &&", "return")
mutant("elide", "a reader begins without acquire", ELIDE,
       "reader->sequence = ft_atomic_load(&reader->lock->sequence, FT_ACQUIRE);",
       "reader->sequence = ft_atomic_load(&reader->lock->sequence, FT_RELAXED);")
mutant("elide", "a write has no beginning", ELIDE,
       "ft_atomic_add(&lock->sequence, 1, FT_ACQ_REL);", "ft_atomic_add(&lock->sequence, 0, FT_ACQ_REL);")

mutant("epoch", "the tag is read by a plain load (crossbeam-epoch#53)", EPOCH,
       "e.epoch = ft_epoch_tag();", "e.epoch = ft_atomic_load(&ft_epoch_current, FT_RELAXED);")
mutant("epoch", "one grace period too few", EPOCH, "GRACE = 2,", "GRACE = 1,")
mutant("epoch", "the scan only loads, the entry is only an exchange", EPOCH,
       "ft_atomic_add(line, 0, FT_ACQ_REL);", "ft_atomic_load(line, FT_SEQ_CST);")
mutant("epoch", "the entry is a plain store (Garnet#2015)", EPOCH,
       "ft_atomic_exchange(&lease->epoch, line, FT_ACQ_REL);", "ft_atomic_store(&lease->epoch, line, FT_RELEASE);")
mutant("epoch", "the exit is not released", "runtime/memory/epoch.h",
       "ft_atomic_store(&lease->epoch, 0, FT_RELEASE);", "ft_atomic_store(&lease->epoch, 0, FT_RELAXED);")
mutant("epoch", "the epoch advances past a reader", EPOCH, "if ((line & 1) && line >> 1 != current)", "if (line == 1)")

mutant("counts", "owner and local are written after the merge (cpython#119999)", COUNTS,
       """    ft_atomic_store(&object->owner, FT_OWNER_NONE, FT_RELAXED);
    ft_atomic_store(&object->local, 0, FT_RELAXED);
    do {
        count = ft_shared_count(word) + local;
        changed = drops ? dropped_word(object, word, count, FT_SHARED_MERGED, &candidate)
                        : word_with(word, count, FT_SHARED_MERGED);
    } while (!change_shared(object, &word, changed));
""", """    do {
        count = ft_shared_count(word) + local;
        changed = drops ? dropped_word(object, word, count, FT_SHARED_MERGED, &candidate)
                        : word_with(word, count, FT_SHARED_MERGED);
    } while (!change_shared(object, &word, changed));
    ft_atomic_store(&object->owner, FT_OWNER_NONE, FT_RELAXED);
    ft_atomic_store(&object->local, 0, FT_RELAXED);
""")
mutant("counts", "drops do not order what was done before them", COUNTS,
       "return ft_atomic_cas_weak(&object->shared, old, changed, FT_ACQ_REL);",
       "return ft_atomic_cas_weak(&object->shared, old, changed, FT_RELAXED);")
mutant("counts", "the queued drop counts down as well", COUNTS,
       "word_with(word, 0, FT_SHARED_QUEUED)", "word_with(word, -1, FT_SHARED_QUEUED)")
mutant("counts", "a merged object's last drop does not acquire", COUNTS,
       "word = ft_atomic_sub(&object->shared, FT_SHARED_ONE, FT_ACQ_REL);",
       "word = ft_atomic_sub(&object->shared, FT_SHARED_ONE, FT_RELAXED);")
mutant("counts", "no second look at strays before the wait", LEASE,
       "    if (FT_LIKELY(!has_strays(lease)))\n        return true;\n    ft_lease_resume();\n    return false;\n",
       "    return true;\n")
mutant("counts", "who queues a stray looks at the state without order", LEASE,
       "if (added && ft_atomic_load(&lease->state, FT_SEQ_CST) == FT_LEASE_DETACHED)",
       "if (added && ft_atomic_load(&lease->state, FT_RELAXED) == FT_LEASE_DETACHED)")
mutant("counts", "strays are merged while the owner may wake", LEASE,
       "!ft_atomic_cas(&lease->state, &detached, FT_LEASE_SUSPENDED, FT_SEQ_CST)",
       "ft_atomic_load(&lease->state, FT_SEQ_CST) != detached")

mutant("pool", "what came home is taken by a load and a store", POOL,
       "return ft_atomic_exchange(&lease->returned, NULL, FT_ACQ_REL);",
       "block *first = ft_atomic_load(&lease->returned, FT_ACQUIRE);\n"
       "    ft_atomic_store(&lease->returned, NULL, FT_RELEASE);\n    return first;")
mutant("pool", "no second look whether the home sleeps", POOL,
       "    if (FT_UNLIKELY(!is_at_home(home)))\n        ft_pool_rescue(home);\n", "")
mutant("pool", "a train is delivered without release", POOL,
       "ft_atomic_cas_weak(&home->returned, &top, first, FT_SEQ_CST)",
       "ft_atomic_cas_weak(&home->returned, &top, first, FT_RELAXED)")
mutant("pool", "a lease ends and looks too early for what came", LEASE,
       """    if (FT_UNLIKELY(ft_atomic_load(&lease->returned, FT_SEQ_CST) != NULL))
        ft_pool_rescue(lease);
    // Relaxed: for reports.
""", "    ft_pool_rescue(lease);\n    // Relaxed: for reports.\n")

mutant("strays", "the owner goes on while others merge for it", LEASE,
       "while (!ft_atomic_cas(&lease->state, &expected, FT_LEASE_RUNNING, FT_SEQ_CST)) {",
       "ft_atomic_store(&lease->state, FT_LEASE_RUNNING, FT_SEQ_CST);\n    while (expected != FT_LEASE_DETACHED) {")
mutant("strays", "who merges for a sleeper does so once", LEASE,
       """    while (has_strays(lease)) {
        uint32_t detached = FT_LEASE_DETACHED;
""", """    if (has_strays(lease)) {
        uint32_t detached = FT_LEASE_DETACHED;
""")
mutant("strays", "a stray is counted without order", LEASE,
       "ft_atomic_store(&lease->stray_count, count + 1, FT_SEQ_CST);",
       "ft_atomic_store(&lease->stray_count, count + 1, FT_RELAXED);")
mutant("strays", "a lease goes to sleep without order", LEASE,
       "ft_atomic_store(&lease->state, FT_LEASE_DETACHED, FT_SEQ_CST);\n    if (",
       "ft_atomic_store(&lease->state, FT_LEASE_DETACHED, FT_RELEASE);\n    if (")
mutant("strays", "a lease ends without a last look", LEASE,
       "done = !has_strays(lease);\n        if (done)", "done = true;\n        if (done)")
mutant("strays", "the lock is let go before the merge for one who has ended", LEASE,
       """        bool dead = ft_object_merge_stray(object);
        ft_mutex_unlock(&lease->lock);
""", """        ft_mutex_unlock(&lease->lock);
        bool dead = ft_object_merge_stray(object);
""")

mutant("gate", "who gives memory back looks for waiters without order", ACCOUNT,
       "ft_atomic_load(&account->waiters, FT_SEQ_CST)", "ft_atomic_load(&account->waiters, FT_RELAXED)")
mutant("gate", "a waiter is counted without order", GATE,
       "ft_atomic_add(&run->account.waiters, 1, FT_SEQ_CST);", "ft_atomic_add(&run->account.waiters, 1, FT_RELAXED);")
mutant("gate", "who waits does not look again", GATE,
       "        settle(run, at, CANCELLED);\n    admit(run);\n", "        settle(run, at, CANCELLED);\n")
mutant("gate", "who waits does not look whether the run stops", GATE,
       "if (ft_atomic_load(&run->stop, FT_SEQ_CST) == FT_STOP_NOW)", "if (false)")
mutant("gate", "who has landed does not let the next one use the reserve", GATE,
       "    if (gate->waiters)\n        admit(run);", "    if (false)\n        admit(run);")
mutant("gate", "who is let on does not count as active", GATE,
       "    ft_active_enter(run);\n    ft_condition_wake_one", "    ft_condition_wake_one")
mutant("gate", "nobody is undone", GATE, "        if (victim)\n", "        if (false)\n")
mutant("gate", "a charge is a load and a store", ACCOUNT,
       "while (!ft_atomic_cas_weak(&account->used_bytes, &used, sum, FT_SEQ_CST));",
       "while (ft_atomic_store(&account->used_bytes, sum, FT_SEQ_CST), false);")

mutant("watch", "a turn is left by a load and a store", RUNAWAY,
       "    if (ft_atomic_cas(&watch->word, &expected, word_of(watch->number, FT_WATCH_ENGINE), FT_RELEASE))\n"
       "        return true;\n",
       "    if (ft_atomic_load(&watch->word, FT_ACQUIRE) == expected) {\n"
       "        ft_atomic_store(&watch->word, word_of(watch->number, FT_WATCH_ENGINE), FT_RELEASE);\n"
       "        return true;\n    }\n")
mutant("watch", "who finds itself left behind does not acquire the claim", RUNAWAY,
       "    (void)ft_atomic_load(&watch->word, FT_ACQUIRE);\n    return false;", "    return false;")
mutant("watch", "the monitor claims whichever turn is under way", RUNAWAY,
       "    uint64_t expected = claim->seen;\n",
       "    uint64_t expected = ft_atomic_load(&claim->watch->word, FT_ACQUIRE);\n"
       "    if ((expected & STATE_MASK) != FT_WATCH_STAGE)\n        return false;\n",
       also=[("                         claim->seen - FT_WATCH_STAGE + FT_WATCH_LEFT, FT_ACQ_REL);",
              "                         expected - FT_WATCH_STAGE + FT_WATCH_LEFT, FT_ACQ_REL);")])
mutant("watch", "the word of a turn is not released", RUNAWAY,
       "word_of(watch->number, FT_WATCH_STAGE), FT_RELEASE);", "word_of(watch->number, FT_WATCH_STAGE), FT_RELAXED);")
mutant("watch", "a turn is handed over without release", RUNAWAY,
       "ft_atomic_cas_weak(&monitor->returned, &first, watch, FT_RELEASE)",
       "ft_atomic_cas_weak(&monitor->returned, &first, watch, FT_RELAXED)")
mutant("watch", "who hands over does not ring", RUNAWAY,
       "FT_RELEASE));\n    sem_post(&monitor->bell);", "FT_RELEASE));")
mutant("watch", "what came back is taken by a load and a store", MONITOR,
       "ft_watch *watch = ft_atomic_exchange(&monitor->returned, NULL, FT_ACQUIRE), *next;",
       "ft_watch *watch = ft_atomic_load(&monitor->returned, FT_ACQUIRE), *next;\n"
       "    ft_atomic_store(&monitor->returned, NULL, FT_RELAXED);")
mutant("watch", "a slot is free before its turn is finished", MONITOR,
       "!ft_atomic_load(&watch->is_finished, FT_ACQUIRE) ||\n            ", "")
mutant("watch", "the monitor goes to sleep without order", MONITOR,
       "ft_atomic_store(&monitor->is_asleep, 1, FT_SEQ_CST);", "ft_atomic_store(&monitor->is_asleep, 1, FT_RELEASE);")
mutant("watch", "the monitor does not look again before it sleeps", MONITOR,
       "        ft_atomic_store(&monitor->is_asleep, 1, FT_SEQ_CST);\n"
       "        if (ft_atomic_load(&run->active, FT_SEQ_CST) > 0) {\n",
       "        bool any = ft_atomic_load(&run->active, FT_SEQ_CST) > 0;\n"
       "        ft_atomic_store(&monitor->is_asleep, 1, FT_SEQ_CST);\n        if (any) {\n")
mutant("watch", "who begins is counted without order", "engine/scheduler.c",
       "if (ft_atomic_add(&run->active, 1, FT_SEQ_CST) == 0)", "if (ft_atomic_add(&run->active, 1, FT_ACQ_REL) == 0)")
mutant("watch", "what the close writes is read before its part is done", "engine/abandon.c",
       "    // Acquire and release: the second sees what the first did.\n    if (ft_atomic_sub",
       "    ft_instance *lost = watch->abandoned.lost;\n    if (ft_atomic_sub",
       also=[("    ft_instance *lost = watch->abandoned.lost;  // Not before: the close may be about to write it.\n", "")])
mutant("watch", "the parts are counted without order", "engine/abandon.c",
       "ft_atomic_sub(&watch->abandoned.parts, 1, FT_ACQ_REL)", "ft_atomic_sub(&watch->abandoned.parts, 1, FT_RELAXED)")

mutant("collector", "what is moved out of a field is not noted in its container", COUNTS,
       "    ft_atomic_add(&object->shared, FT_SHARED_SEQ_ONE, FT_ACQ_REL);\n", "")
mutant("collector", "the words are marked whatever they have come to be", GRAPH,
       "        if (!ft_atomic_cas(&v->object.shared, &word, v->word | FT_SHARED_TENTATIVE, FT_ACQ_REL))\n"
       "            return false;\n",
       "        word = ft_atomic_or(&v->object.shared, FT_SHARED_TENTATIVE, FT_ACQ_REL);\n"
       "        v->word = word & ~FT_SHARED_TENTATIVE;\n")
mutant("collector", "no grace period", COLLECTOR, "if (ft_epoch_is_past(first->tag))", "if (true)")
mutant("collector", "no second look at the words", GRAPH, "if (is_unchanged(first))", "if (true)")
mutant("collector", "what is to be looked at again is known to the same look", GRAPH,
       "            cyclic->by = 0;  // Not known to this collection either, if it meets it again.\n", "")
mutant("collector", "a claim does not acquire the notes of the one before", GRAPH,
       "ft_atomic_cas(&cyclic->claim, &nobody, self, FT_ACQUIRE)",
       "ft_atomic_cas(&cyclic->claim, &nobody, self, FT_RELAXED)")
mutant("collector", "what another has claimed is forgotten", COLLECTOR, "while (c->kept) {", "while (false) {")
mutant("collector", "fields are read outside a section", GRAPH,
       "    ft_read_begin();\n    v->object.type->trace(&v->object, visitor, c);\n    ft_read_end();\n",
       "    v->object.type->trace(&v->object, visitor, c);\n", "collector-freed")
mutant("collector", "a candidate is put into its list without order", COLLECTOR,
       "while (!ft_atomic_cas_weak(list, &head, cyclic, FT_SEQ_CST));",
       "while (!ft_atomic_cas_weak(list, &head, cyclic, FT_RELAXED));")
mutant("collector", "a look takes the lists before it lowers the counts", COLLECTOR,
       """        if (ft_atomic_load(&lease->candidate_count, FT_SEQ_CST) > 0)
            ft_atomic_exchange(&lease->candidate_count, 0, FT_SEQ_CST);
        examine_list(&c, take_all(&lease->candidates));
""", """        examine_list(&c, take_all(&lease->candidates));
        if (ft_atomic_load(&lease->candidate_count, FT_SEQ_CST) > 0)
            ft_atomic_exchange(&lease->candidate_count, 0, FT_SEQ_CST);
""", "collector-unpaid")
mutant("collector", "a look is no longer wanted once it is over", COLLECTOR,
       "level what = (level)ft_atomic_exchange(&wanted, NOTHING, FT_SEQ_CST);",
       "level what = (level)ft_atomic_load(&wanted, FT_SEQ_CST);", "collector-wanted",
       also=[("    is_looking = false;\n    done = serves;",
              "    is_looking = false;\n    ft_atomic_store(&wanted, NOTHING, FT_SEQ_CST);\n    done = serves;")])
mutant("collector", "a list is taken by a load and a store", COLLECTOR,
       "    return ft_atomic_exchange(list, NULL, FT_SEQ_CST);",
       "    ft_cyclic *taken = ft_atomic_load(list, FT_SEQ_CST);\n"
       "    ft_atomic_store(list, NULL, FT_SEQ_CST);\n    return taken;", "collector-two-looks")

mutant("source", "a train has landed without order", SOURCES,
       "ft_atomic_sub(&node->source->in_flight, 1, FT_SEQ_CST);", "ft_atomic_sub(&node->source->in_flight, 1, FT_RELAXED);")
mutant("source", "who has ended a turn looks for what has landed without order", SOURCES,
       "ft_atomic_load(&source->in_flight, FT_SEQ_CST) < most", "ft_atomic_load(&source->in_flight, FT_RELAXED) < most")
mutant("source", "who has ended a turn does not look again", SOURCES,
       "FT_SOURCE_IDLE, FT_SEQ_CST);\n    ft_source_poke(node->run);", "FT_SOURCE_IDLE, FT_SEQ_CST);")
mutant("source", "a source is claimed by a load and a store", SOURCES,
       "return ft_atomic_cas(&node->source->state, &idle, FT_SOURCE_RUNNING, FT_SEQ_CST);",
       "if (ft_atomic_load(&node->source->state, FT_SEQ_CST) != idle)\n        return false;\n"
       "    ft_atomic_store(&node->source->state, FT_SOURCE_RUNNING, FT_SEQ_CST);\n    return true;")
