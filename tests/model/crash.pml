/* `serve` and the sweeper can be killed at any step and start again; only storage and the index outlive them. One repository, one
 * registry with a cache; of the image, its layer and its revision.
 *
 * A DELETE of ours that the registry has begun goes on when we are killed. It is a request as any other: the settle after the
 * restart waits for it, and then gives back what was touched.
 */
#include "feed.pml"
#ifndef CRASHES
#define CRASHES 1
#endif

/* Storage, and the cache. */
bool data = true, held, revision, link = true;
bool known_rl, known_l = true;

/* The index. A transaction of the sweeper keeps `serve` waiting. */
mtype = { nothing, condemned, unlinked, away }; /* away: the bytes are hidden */
mtype stage = nothing;
bool touched, locked;

mtype = { layer, manifest, fence };
chan feed = [QUEUE] of { mtype };
bool fenced;

byte crashes = CRASHES;
bool kill_sweeper, kill_serve;
bool asked;   /* a DELETE of ours is in the registry */
bool handled; /* `serve` has nothing half done */

/* For the check alone. */
bool promised, linked[3];
bool clearing; /* a DELETE of ours was sent, and we have not looked at what it did */
#define WHOLE (revision && link && data)

/* ---- the registry ---- */

inline look_for_layer()
{
    atomic {
        if
        :: known_rl -> found = true
        :: else -> found = link; fill = found
        fi
    }
    if
    :: fill -> atomic { found = known_l || data; fill = found }
        if
        :: fill -> atomic { known_rl = true; known_l = true; fill = false }
        :: else
        fi
    :: else
    fi
}

proctype client(byte me)
{
    bool found, fill, stale;
end:
    do
    :: REQUEST(true) -> /* the layer is uploaded */
        data = true;
        link = true;
        atomic { known_rl = true; known_l = true; feed ! layer; answered() }

    :: REQUEST(true) -> /* PUT of the manifest */
        look_for_layer();
        if
        :: atomic { !found -> answered() }
        :: atomic { found -> found = false; answered() } /* refused for another reason */
        :: atomic { found -> found = false; stale = !data || !link }
            atomic { revision = true; linked[me] = true }
            atomic {
                feed ! manifest;
#ifdef REACH_STALE
                assert(!stale);
#endif
                promised = promised || linked[me];
                linked[me] = false;
                stale = false;
                answered()
            }
        fi

    :: REQUEST(true) -> /* DELETE of the manifest */
        atomic { revision = false; promised = false; linked[0] = false; linked[1] = false; linked[2] = false; answered() }
    od
}

/* Our DELETE /v2/R/blobs/L: clears {R,L}, and removes the link. */
active proctype deletion()
{
end:
    do
    :: asked -> known_rl = false; atomic { link = false; asked = false }
    od
}

active proctype killer()
{
end:
    do
    :: atomic { crashes > 0 -> crashes--; kill_sweeper = true }
    :: atomic { crashes > 0 -> crashes--; kill_serve = true }
    od
}

/* ---- regsweep ---- */

inline give_back()
{
#ifdef REACH_REVIVED
    assert(data || !held);
#endif
    data = data || held;
    link = true
}

/* An event is written down, acknowledged, and then acted on. Whoever starts again acts on all that was written down. */
active proctype serve()
{
    bool act;
again:
    {
#ifndef MUTANT_NO_REPLAY
        atomic {
            if
            :: touched && stage != nothing -> give_back()
            :: else
            fi
        }
#endif
        handled = true;
end:
        do
        :: atomic {
               !locked && feed ? [layer] -> feed ? layer; act = stage != nothing;
               if
               :: act -> handled = false; touched = true
               :: else
               fi
           }
            atomic {
                if
                :: act && stage != nothing -> give_back()
                :: else
                fi;
                act = false; handled = true
            }
        :: atomic {
               !locked && feed ? [manifest] -> feed ? manifest; act = stage != nothing;
               if
               :: act -> handled = false; touched = true
               :: else
               fi
           }
            atomic {
                if
                :: act && stage != nothing -> give_back()
                :: else
                fi;
                act = false; handled = true
            }
        :: atomic { feed ? [fence] -> feed ? fence; fenced = true }
        od
    } unless {
        atomic { kill_serve -> kill_serve = false; act = false; handled = false }
    };
    goto again
}

inline clear()
{
    if
    :: atomic { !touched -> asked = true; clearing = true }
        !asked;
        atomic {
            if
            :: touched -> give_back()
            :: else
            fi;
            clearing = false
        }
    :: else
    fi
}

inline look_again()
{
#ifndef MUTANT_NO_FENCE
    atomic { fenced = false; feed ! fence }
    fenced && handled;
#endif
#ifndef MUTANT_NO_RECHECK
    atomic {
        if
        :: revision || link || touched -> touched = true; give_back()
        :: else
        fi
    }
#else
    skip
#endif
}

proctype sweeper()
{
    byte generation;
again:
    {
        /* What the last one of us left behind. */
#ifndef MUTANT_NO_CARE_AFTER_CRASH
        settle();
        !asked;
#endif
        atomic {
            if
            :: stage != nothing && touched -> give_back()
            :: else
            fi;
            clearing = false
        }
end:
        do
        :: atomic { stage == nothing && !revision && generation < GENERATIONS -> generation++; stage = condemned; touched = false }
        :: stage == condemned ->
            atomic {
                if
                :: !touched -> link = false
                :: else
                fi
            }
            clear();
            settle();
#ifndef MUTANT_NO_SECOND_CLEAR
            do
            :: known_rl && !touched -> clear(); settle()
            :: else -> break
            od;
#endif
            stage = unlinked
        :: stage == unlinked ->
            look_again();
            atomic { !locked -> locked = true } /* a transaction: the bytes move, then it is committed, or we are killed */
            if
            :: !touched -> atomic { held = held || data; data = false }
            :: else
            fi;
            atomic { stage = away; locked = false }
        :: stage == away ->
#ifndef MUTANT_NO_SECOND_LOOK
            settle();
            look_again();
#endif
            atomic { !locked -> locked = true }
            atomic {
                if
                :: touched -> give_back()
                :: else
                fi
            }
            atomic {
#ifdef REACH_PURGED
                assert(data || !held);
#endif
                held = false
            }
            atomic { stage = nothing; locked = false }
        od
    } unless {
        atomic { kill_sweeper -> kill_sweeper = false; locked = false }
    };
    goto again
}

/* Once the feed is handled and we are up, what was promised is whole. */
active proctype check()
{
end:
    atomic { promised && empty(feed) && handled && !kill_sweeper && !clearing && !WHOLE -> assert(false) }
}

init
{
    atomic {
        if
        :: known_rl = true
        :: skip
        fi;
        begin()
    }
}
