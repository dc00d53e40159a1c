/* Leaving a thread behind with its turn (engine/runaway.c, engine/abandon.c, engine/monitor.c).
 *
 * Two slots at first, one spare; a thread runs turns from a shared pile of work. The monitor looks
 * at the first slot's word and may claim the turn that it has seen: a spare takes the thread's
 * place. A thread that is left behind pushes its turn when its stage returns, and ends; the monitor
 * dispatches what was pushed; a worker finishes it. With policy `fail` a closing takes the turn's
 * place at once, and the second of closing and return lets go of what the turn held. The slot may be
 * used again once its thread has ended and its turn is finished.
 *
 * Checked in every state: a turn is finished exactly once (its place in the order closed exactly
 * once), what it held is let go exactly once and never while the stage may still use it, no two
 * threads have a slot, the monitor claims no turn but the one it looked at. At every end: all turns
 * are finished, and no turn counts as out.
 *
 *   spin -a handoff.pml && gcc -O2 -o pan pan.c && ./pan        no errors
 *   -DFAIL      policy `fail`
 * Each of these breaks one rule, and must be caught:
 *   -DNO_CAS    the thread that comes back looks at the word and then stores it
 *   -DNO_COUNT  the word does not count turns
 *   -DNO_WAIT   the slot is free as soon as its thread has pushed its turn
 *   -DTWO_STEPS (with FAIL) the two parts count down by a load and a store
 */
#define TURNS 3
#define SLOTS 3
#define ENGINE 0
#define STAGE 1
#define LEFT 2

byte work = TURNS;           /* Turns that nobody has begun. */
byte state[SLOTS];           /* The word's state ... */
byte count[SLOTS];           /* ... and the turns that it counts. */
byte turn_of[SLOTS];         /* The turn that the slot's watch holds. */
byte finished[TURNS];        /* How often the turn's place was closed. */
byte released[TURNS];        /* How often what it held was let go. */
bool in_stage[TURNS];        /* The stage may use what the turn holds. */
byte holders[SLOTS];         /* Threads in the slot. */
bool is_free[SLOTS];         /* A new thread may have it. */
bool ended[SLOTS], done_with[SLOTS];
byte parts[SLOTS];           /* Of FAIL. */
bool is_failed[SLOTS];
chan returned = [SLOTS] of { byte };
chan finish = [SLOTS] of { byte };   /* Tasks: RETURNED turns, by slot. */
chan closing = [SLOTS] of { byte };  /* Tasks: ABANDONED turns, by slot. */
chan start = [SLOTS] of { byte };    /* Threads to be started. */
byte left = 0;               /* Turns that are out. */

inline let_go(s)
{
    assert(!in_stage[turn_of[s]]);
    released[turn_of[s]]++;
    assert(released[turn_of[s]] == 1);
    done_with[s] = true
}

inline close_place(t)
{
    finished[t]++;
    assert(finished[t] == 1)
}

inline part_done(s)
{
#ifdef TWO_STEPS
    byte seen_parts;
    seen_parts = parts[s];
    parts[s] = seen_parts - 1;
    if
    :: seen_parts == 1 -> let_go(s)
    :: else
    fi
#else
    atomic { parts[s]--; left_parts = parts[s] };
    if
    :: left_parts == 0 -> let_go(s)
    :: else
    fi
#endif
}

/* A thread of the run: takes tasks, else begins turns. */
proctype thread(byte own)
{
    byte t, s, left_parts;
    bool ok;

    atomic { holders[own]++; assert(holders[own] == 1) };
next:
    do
    :: atomic { finish?s ->
           if
           :: is_failed[s] -> skip
           :: else -> close_place(turn_of[s])
           fi };
       if
       :: is_failed[s] -> part_done(s)
       :: else -> atomic { let_go(s) }
       fi
    :: atomic { closing?s -> close_place(turn_of[s]) };
       part_done(s)
    :: atomic { work > 0 -> work--; t = work; turn_of[own] = t; in_stage[t] = true };
       /* enter */
       atomic {
#ifndef NO_COUNT
           count[own]++;
#endif
           state[own] = STAGE };
       /* The stage runs, and may return at any time; or never, in FAIL: see `threads`. */
       in_stage[t] = false;
#ifdef NO_CAS
       ok = (state[own] == STAGE);
       if
       :: ok -> state[own] = ENGINE
       :: else
       fi;
#else
       atomic {
           ok = (state[own] == STAGE);
           if
           :: ok -> state[own] = ENGINE
           :: else
           fi };
#endif
       if
       :: ok -> atomic { close_place(t); released[t]++; assert(released[t] == 1) }
       :: else ->
           returned!own;   /* The last thing it touches. */
           atomic { holders[own]--; ended[own] = true };
           goto gone
       fi
    :: atomic { work == 0 && empty(finish) && empty(closing) && empty(returned) &&
                (finished[0] && finished[1] && finished[2]) &&
                (released[0] && released[1] && released[2]) -> break }
    od;
gone:
    skip
}

proctype monitor()
{
    byte s, at, seen_turn, claims = 0;

    do
    :: /* Looks at a slot's word, and claims what it has seen. */
       claims < 2 && state[0] == STAGE ->
           atomic { at = count[0]; seen_turn = turn_of[0] };
           atomic {
               if
               :: state[0] == STAGE && count[0] == at && is_free[2] ->
                   assert(turn_of[0] == seen_turn);
                   state[0] = LEFT;
                   claims++;
                   left++;
                   is_free[2] = false; ended[2] = false; done_with[2] = false;
                   start!2
               :: else -> goto again
               fi };
#ifdef FAIL
           atomic { is_failed[0] = true; parts[0] = 2; closing!0 };
#endif
again:     skip
    :: atomic { returned?s -> left--;
#ifdef NO_WAIT
           ended[s] = true; done_with[s] = true;
#endif
           finish!s }
    :: atomic { ended[s] && done_with[s] && !is_free[s] && state[s] == LEFT ->
           state[s] = ENGINE; is_failed[s] = false; ended[s] = false; done_with[s] = false;
           is_free[s] = true;
           /* Used again at once, as a spare would be. */
           if
           :: work > 0 -> is_free[s] = false; start!s
           :: else
           fi }
    :: start?s -> run thread(s)
    :: atomic { work == 0 && (finished[0] && finished[1] && finished[2]) &&
                (released[0] && released[1] && released[2]) && empty(start) && empty(returned) ->
           assert(left == 0);
           break }
    od
}

init
{
    atomic {
        is_free[2] = true;
        run thread(0);
        run thread(1);
        run monitor()
    }
}
