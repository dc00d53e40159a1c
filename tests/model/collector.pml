/* The cycle collector (runtime/memory/collector.h).
 *
 * OBJECTS objects with FIELDS fields each, one root slot, MUTATORS mutators with two hands that hold
 * counted references. A mutator does up to OPS operations, each in steps as small as the program's:
 * borrow from the root or a field inside a section, follow a field, turn the pointer into a reference
 * if the count is not 0; copy a reference; exchange a hand with a field (then bump the container) or
 * with the root; drop. At the end it drops what it holds. Every graph that OBJECTS, FIELDS, root and
 * first hands can make is a start. The collector examines one object at any time meanwhile, and all
 * of them when the mutators have ended. What is done with local variables alone belongs to the step
 * before.
 *
 * Checked in every state: what is freed is in no hand, field or root and borrowed by nobody; nobody
 * follows or counts what was freed. At every end: what cannot be reached from the root is gone.
 *
 * The word of an object is count[v] and seq[v]. A grace period is over when every section that was
 * open at its begin has ended. Not in the model: memory order, pins and claims (what died by counting
 * stays memory), several collectors.
 *
 *   spin -DFIELDS=1 -a collector.pml && gcc -O2 -DSAFETY -o pan pan.c && ./pan -m200000   no errors
 *   -DFIELDS=1 -DOPS=2               14.1 million states
 *   -DFIELDS=2 -DOPS=1               24.9 million states
 *   -DOBJECTS=3 -DFIELDS=1 -DOPS=1   21.7 million states
 * Each of these leaves out what the proof needs, and must be caught:
 *   -DNO_SEQ    what is moved out of a field is not noted in its container
 *   -DNO_CAS    step 3 marks the words whatever they have come to be
 *   -DNO_GRACE  step 4 does not wait
 *   -DNO_CHECK  step 5 does not look
 */
#ifndef OBJECTS
#define OBJECTS 2
#endif
#ifndef FIELDS
#define FIELDS 2
#endif
#ifndef OPS
#define OPS 2
#endif
#define MUTATORS 2
#define LAST (OBJECTS - 1)
#define NIL 15

#define BEGIN 0
#define TRACE 1
#define LIVE 2
#define RECOUNT 3
#define MARK 4
#define GRACE 5
#define WAIT 6
#define CHECK 7
#define FREE 8
#define DONE 9

#define FIELD(v, f) field[(v) * FIELDS + (f)]
#define HAND(m, h) hand[(m) * 2 + (h)]

byte count[OBJECTS], seq[OBJECTS];
byte field[OBJECTS * FIELDS];
byte hand[MUTATORS * 2];
byte root = NIL;
byte borrowed[MUTATORS];
bool in_section[MUTATORS];
bool waited_for[MUTATORS];  /* By the grace period. */
bool freed[OBJECTS];
byte over = MUTATORS + 1;  /* Processes that have not ended. */

inline ref(v)
{
    count[v]++;
    seq[v]++
}

/* What has died drops its fields, in one step. */
inline reap(v, f, u, more)
{
    more = true;
    do
    :: more ->
        more = false;
        v = 0;
        do
        :: v < OBJECTS ->
            f = 0;
            do
            :: f < FIELDS ->
                u = FIELD(v, f);
                if
                :: count[v] == 0 && u != NIL ->
                    FIELD(v, f) = NIL;
                    if
                    :: count[u] > 0 -> count[u]--; seq[u]++; more = true
                    :: else
                    fi
                :: else
                fi;
                f++
            :: else -> break
            od;
            v++
        :: else -> break
        od
    :: else -> break
    od;
    v = 0; f = 0; u = 0
}

inline unref(h)
{
    if
    :: HAND(me, h) != NIL ->
        count[HAND(me, h)]--;
        seq[HAND(me, h)]++;
        HAND(me, h) = NIL;
        reap(i, f, t, more)
    :: else
    fi
}

proctype mutator(byte me)
{
    byte ops = 0, h, f, t, i;
    bool more;

    do
    /* Borrow; perhaps follow; keep. */
    :: atomic { ops < OPS && HAND(me, 1) == NIL ->
           ops++;
           in_section[me] = true;
           if
           :: borrowed[me] = root
           :: HAND(me, 0) != NIL ->
               select(f : 0 .. FIELDS - 1);
               borrowed[me] = FIELD(HAND(me, 0), f);
               f = 0
           fi };
       if
       :: atomic { borrowed[me] != NIL ->
              assert(!freed[borrowed[me]]);
              select(f : 0 .. FIELDS - 1);
              t = FIELD(borrowed[me], f);
              borrowed[me] = t;
              t = 0; f = 0 }
       :: true
       fi;
       d_step {
           if
           :: borrowed[me] != NIL ->
               assert(!freed[borrowed[me]]);
               if
               :: count[borrowed[me]] > 0 -> ref(borrowed[me]); HAND(me, 1) = borrowed[me]
               :: else
               fi
           :: else
           fi;
           borrowed[me] = NIL; in_section[me] = false; waited_for[me] = false
       }
    /* Copy. */
    :: d_step { ops < OPS && HAND(me, 0) != NIL && HAND(me, 1) == NIL ->
           ops++;
           ref(HAND(me, 0));
           HAND(me, 1) = HAND(me, 0) }
    /* Exchange with a field; then the container's seq. */
    :: atomic { ops < OPS && (HAND(me, 0) != NIL || HAND(me, 1) != NIL) ->
           ops++;
           if
           :: HAND(me, 0) != NIL -> h = 0
           :: HAND(me, 1) != NIL -> h = 1
           fi;
           select(f : 0 .. FIELDS - 1);
           t = FIELD(HAND(me, h), f);
           FIELD(HAND(me, h), f) = HAND(me, 1 - h);
           HAND(me, 1 - h) = t;
           t = 0; f = 0 };
#ifndef NO_SEQ
       d_step { seq[HAND(me, h)]++; h = 0 }
#endif
    /* Exchange with the root. */
    :: d_step { ops < OPS -> ops++; t = root; root = HAND(me, 1); HAND(me, 1) = t; t = 0 }
    :: d_step { ops < OPS && HAND(me, 0) != NIL -> ops++; unref(0) }
    :: d_step { ops < OPS && HAND(me, 1) != NIL -> ops++; unref(1) }
    :: ops == OPS -> break
    od;
    skip;
    d_step { unref(0) };
    d_step { unref(1); over-- }
}

/* Nothing outside of the members has one of them. */
inline assert_garbage()
{
    v = 0;
    do
    :: v < OBJECTS ->
        assert(!member[v] || root != v);
        u = 0;
        do
        :: u < MUTATORS ->
            assert(!member[v] || (HAND(u, 0) != v && HAND(u, 1) != v && borrowed[u] != v));
            u++
        :: else -> break
        od;
        u = 0;
        do
        :: u < OBJECTS * FIELDS ->
            assert(!member[v] || member[u / FIELDS] || field[u] != v);
            u++
        :: else -> break
        od;
        v++
    :: else -> break
    od
}

/* What cannot be reached from the root is gone. */
inline assert_clean()
{
    v = 0;
    do
    :: v < OBJECTS -> member[v] = (root == v); v++
    :: else -> break
    od;
    more = true;
    do
    :: more ->
        more = false;
        v = 0;
        do
        :: v < OBJECTS * FIELDS ->
            u = field[v];
            if
            :: member[v / FIELDS] && u != NIL ->
                more = more || !member[u];
                member[u] = true
            :: else
            fi;
            v++
        :: else -> break
        od
    :: else -> break
    od;
    v = 0;
    do
    :: v < OBJECTS -> assert(member[v] == (count[v] > 0) && !(member[v] && freed[v])); v++
    :: else -> break
    od
}

/* The next object that is `what`, and is to be gone through: in `v`; OBJECTS: there is none. */
#define FIND(what) \
    v = 0; \
    f = 0; \
    do \
    :: v < OBJECTS && !(what) -> v++ \
    :: else -> break \
    od; \
    skip

inline read_word(object)
{
    w_count[object] = count[object];
    w_seq[object] = seq[object]
}

#define EACH(do_it) \
    v = 0; \
    do \
    :: v < OBJECTS -> do_it; v++ \
    :: else -> break \
    od; \
    skip

inline begin(candidate)
{
    EACH(member[v] = false; live[v] = false; traced[v] = false; inside[v] = 0; w_count[v] = 0;
         w_seq[v] = 0);
    some = false; ok = true;
    if
    :: count[candidate] > 0 -> member[candidate] = true; read_word(candidate); phase = TRACE
    :: else -> phase = DONE
    fi;
    FIND(member[v])
}

/* One field of `v` after the other. Whatever is local happens in the same step. */
#define NEXT_FIELD(what, then) \
    f++; \
    if \
    :: f == FIELDS -> \
        traced[v] = true; \
        FIND(what && !traced[v]); \
        if \
        :: v == OBJECTS -> then \
        :: else \
        fi \
    :: else \
    fi; \
    u = NIL

/* 2: who has references from outside. */
inline judge()
{
    EACH(traced[v] = false; live[v] = member[v] && inside[v] != w_count[v]; some = some || live[v]);
    phase = (some -> LIVE : MARK);
    v = 0; f = 0;
    if
    :: some -> FIND(live[v])
    :: else
    fi
}

/* What is left is counted again, from its own fields alone. */
inline leave_live()
{
    some = false;
    EACH(traced[v] = false; inside[v] = 0; member[v] = member[v] && !live[v];
         some = some || member[v]);
    phase = (some -> RECOUNT : DONE);
    FIND(member[v])
}

inline compare()
{
    EACH(ok = ok && (!member[v] || inside[v] == w_count[v]));
    phase = (ok -> MARK : DONE);
    v = 0; f = 0
}

proctype collector()
{
    byte v, u = NIL, f, looks, phase = BEGIN;
    bool member[OBJECTS], live[OBJECTS], traced[OBJECTS], ok, some, more;
    byte inside[OBJECTS], w_count[OBJECTS], w_seq[OBJECTS];

    /* Once beside the mutators: the first object, since every graph is a start. Then all of them,
       and again, since what hangs from one that is freed is found after it. */
    do
    :: d_step { phase == BEGIN && looks == 0 -> begin(0) }
    :: d_step { phase == BEGIN && looks > 0 && looks <= OBJECTS * OBJECTS && over == 1 ->
           begin(looks % OBJECTS) }
    /* 1: the subgraph. An object's word is read before its fields. */
    :: d_step { phase == TRACE && u == NIL ->
           u = FIELD(v, f);
           if
           :: u != NIL && !member[u]
           :: else ->
               if
               :: u != NIL -> inside[u]++
               :: else
               fi;
               NEXT_FIELD(member[v], judge())
           fi }
    :: d_step { phase == TRACE && u != NIL ->
           if
           :: count[u] > 0 -> member[u] = true; read_word(u); inside[u] = 1
           :: else
           fi;
           NEXT_FIELD(member[v], judge()) }
    :: d_step { phase == LIVE ->
           u = FIELD(v, f);
           if
           :: u != NIL && member[u] -> live[u] = true
           :: else
           fi;
           NEXT_FIELD(live[v], leave_live()) }
    :: d_step { phase == RECOUNT ->
           u = FIELD(v, f);
           if
           :: u != NIL && member[u] -> inside[u]++
           :: else
           fi;
           NEXT_FIELD(member[v], compare()) }
    /* 3: mark. */
    :: d_step { phase == MARK ->
#ifdef NO_CAS
           read_word(v);
#else
           ok = ok && (!member[v] || (w_count[v] == count[v] && w_seq[v] == seq[v]));
#endif
           v++;
           if
           :: !ok -> phase = DONE
           :: ok && v == OBJECTS -> phase = GRACE; v = 0
           :: else
           fi }
    /* 4: a grace period. */
    :: d_step { phase == GRACE ->
#ifndef NO_GRACE
           waited_for[0] = in_section[0];
           waited_for[1] = in_section[1];
#endif
           phase = WAIT }
    :: d_step { phase == WAIT && !waited_for[0] && !waited_for[1] -> phase = CHECK }
    /* 5: look again. */
    :: d_step { phase == CHECK ->
#ifndef NO_CHECK
           ok = ok && (!member[v] || (w_count[v] == count[v] && w_seq[v] == seq[v]));
#endif
           v++;
           if
           :: !ok -> phase = DONE
           :: ok && v == OBJECTS -> phase = FREE
           :: else
           fi }
    /* 6: free; what members refer to loses a reference. */
    :: d_step { phase == FREE ->
           assert_garbage();
           EACH(freed[v] = freed[v] || member[v]; count[v] = (member[v] -> 0 : count[v]));
           reap(v, f, u, more);
           phase = DONE }
    :: d_step { phase == DONE ->
           looks++;
           EACH(member[v] = false; live[v] = false; traced[v] = false; inside[v] = 0;
                w_count[v] = 0; w_seq[v] = 0);
           some = false; ok = false; v = 0; f = 0; u = NIL;
           phase = BEGIN }
    :: d_step { phase == BEGIN && looks > OBJECTS * OBJECTS -> assert_clean(); over-- } -> break
    od
}

init
{
    byte i, x, u;
    bool more;

    atomic {
        i = 0;
        do
        :: i < OBJECTS * FIELDS ->
            if
            :: field[i] = NIL
            :: select(x : 0 .. LAST); field[i] = x; count[x]++
            fi;
            i++
        :: else -> break
        od;
        if
        :: root = NIL
        :: select(x : 0 .. LAST); root = x; count[x]++
        fi;
        i = 0;
        do
        :: i < MUTATORS ->
            HAND(i, 1) = NIL; borrowed[i] = NIL;
            if
            :: HAND(i, 0) = NIL
            :: select(x : 0 .. LAST); HAND(i, 0) = x; count[x]++
            fi;
            i++
        :: else -> break
        od;
        reap(i, x, u, more);
        /* The mutators are alike. */
        if
        :: HAND(0, 0) <= HAND(1, 0) ->
            run mutator(0);
            run mutator(1);
            run collector()
        :: else
        fi
    }
}
