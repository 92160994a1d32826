/* One image in one repository R: manifest M names layer L. One registry with its cache, clients that overlap.
 *
 * In the beginning the image has been pushed and its manifest deleted: L and the bytes of M are garbage, and the caches still
 * know them. From then on clients push the layer, ask for it (HEAD), put the manifest and delete it, in any order.
 *
 * -DNO_CACHE: a registry without a cache.
 */
#include "feed.pml"

/* Storage. */
bool data_m = true, data_l = true; /* bytes under blobs/ */
bool held_m, held_l;               /* the copy in quarantine */
bool revision;                     /* (R,M) */
bool link = true;                  /* (R,L) */

/* The registry's cache: {R,L}, and by digest alone {L} and {M}. Nothing ever clears the latter two. */
#ifdef NO_CACHE
#define known_rl false
#define known_l false
#define known_m false
#define REMEMBER_RL
#define REMEMBER_L
#define REMEMBER_M
#define FORGET_RL
#else
bool known_rl, known_l, known_m; /* in the beginning: any of them */
#define REMEMBER_RL known_rl = true; known_l = true;
#define REMEMBER_M known_m = true;
#define FORGET_RL known_rl = false;
#endif

/* The index: is a generation under way, what was touched since it was condemned. */
bool condemned, touched_m, touched_l;

/* Feed, first in, first out. */
mtype = { layer, manifest, fence };
chan feed = [QUEUE] of { mtype };
bool fenced;

/* For the check alone: PUT was answered 201 and no DELETE took effect since its link was written. */
bool promised, linked[3];
bool clearing; /* a DELETE of ours is under way */

#define WHOLE (revision && data_m && link && data_l)

/* ---- the registry ---- */

/* Is (R,L) there? From the cache, else link, then bytes; what is found goes into the cache, a step later. */
inline look_for_layer()
{
    atomic {
        if
        :: known_rl -> found = true
        :: else -> found = link; fill = found
        fi
    }
    if
    :: fill -> atomic { found = known_l || data_l; fill = found }
        if
        :: fill -> atomic { REMEMBER_RL fill = false }
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
        data_l = true; /* what is there already is not written again */
        link = true;
        atomic { REMEMBER_RL skip }
        if
        :: atomic { feed ! layer; answered() }
        :: atomic { true -> answered() } /* failed after linking: no event */
        fi

    :: REQUEST(true) -> /* HEAD of the layer */
        look_for_layer();
        if
        :: atomic { found -> feed ! layer; found = false; answered() }
        :: atomic { !found -> answered() }
        fi

    :: REQUEST(true) -> /* PUT of the manifest */
        look_for_layer();
        if
        :: atomic { !found -> answered() } /* MANIFEST_BLOB_UNKNOWN: the client pushes the layer and tries again */
        :: atomic { found -> found = false; answered() } /* refused all the same, for a blob that M also names: no event */
        :: atomic { found -> found = false; stale = !data_l || !link }
            if
            :: atomic { known_m || data_m -> REMEMBER_M skip } /* bytes that are there are not written again */
            :: atomic { else -> data_m = true; REMEMBER_M skip }
            fi;
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

    :: REQUEST(true) -> /* DELETE of the manifest; its event changes nothing here */
        atomic { revision = false; promised = false; linked[0] = false; linked[1] = false; linked[2] = false; answered() }
    od
}

/* ---- regsweep ---- */

/* What a touched, condemned object gets back. What is in place is left alone. */
inline give_back_layer()
{
#ifdef REACH_REVIVED
    assert(data_l || !held_l);
#endif
    link = true;
    data_l = data_l || held_l
}

inline give_back_manifest()
{
    data_m = data_m || held_m;
    give_back_layer()
}

active proctype serve()
{
end:
    do
    :: atomic {
           feed ? layer ->
           if
           :: condemned -> touched_l = true; give_back_layer()
           :: else
           fi
       }
    :: atomic {
           feed ? manifest ->
           if
           :: condemned -> touched_m = true; touched_l = true; give_back_manifest()
           :: else -> data_m = data_m || held_m /* the quarantine outlives generations for what may be a manifest */
           fi
       }
    :: atomic { feed ? fence -> fenced = true }
    od
}

/* DELETE /v2/R/blobs/L, to clear {R,L}. It also removes the link, should a client have written it again: so afterwards what
 * is touched is given back. */
inline clear()
{
    if
    :: atomic { !touched_l -> clearing = true }
        atomic { FORGET_RL skip }
        link = false;
#ifndef MUTANT_CLEAR_AND_FORGET
        atomic {
            if
            :: touched_l -> give_back_layer()
            :: else
            fi;
            clearing = false
        }
#else
        clearing = false
#endif
    :: else
    fi
}

inline look_again()
{
#ifndef MUTANT_NO_FENCE
    atomic { fenced = false; feed ! fence }
    fenced;
#endif
#ifndef MUTANT_NO_RECHECK
    atomic {
        if
        :: revision -> touched_m = true; touched_l = true; give_back_manifest()
        :: else
        fi
    }
    atomic {
        if
        :: link || touched_l -> touched_l = true; give_back_layer()
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
end:
    do
    :: atomic { generation < GENERATIONS && !revision -> generation++; condemned = true; touched_m = false; touched_l = false }

        /* unlinked */
        atomic {
            if
            :: !touched_l -> link = false
            :: else
            fi
        }
#ifndef NO_CACHE
        clear();
#endif
        settle();
#if !defined NO_CACHE && !defined MUTANT_NO_SECOND_CLEAR
        do
        :: known_rl && !touched_l -> clear();
#ifndef MUTANT_NO_NEW_SETTLE
            settle()
#endif
        :: else -> break
        od;
#endif
        look_again();

        /* hidden: each move and the look at the touch in one index transaction */
        atomic {
            if
            :: !touched_m -> held_m = held_m || data_m; data_m = false
            :: else
            fi
        }
        atomic {
            if
            :: !touched_l -> held_l = held_l || data_l; data_l = false
            :: else
            fi
        }
#ifndef MUTANT_NO_SECOND_LOOK
        settle();
#ifdef MUTANT_CLEAR_BEFORE_PURGE
        clear();
#endif
        look_again();
#endif
        /* purged: but for bytes that a cache may make the registry not write again */
        atomic {
#ifdef REACH_PURGED
            assert(data_l || !held_l);
#endif
            held_l = false;
#ifdef NO_CACHE
            held_m = false;
#endif
            condemned = false
        }
    :: atomic { generation == GENERATIONS -> break }
    od
}

/* Once the feed is handled, what was promised is whole. */
active proctype check()
{
end:
    atomic { promised && empty(feed) && !clearing && !WHOLE -> assert(false) }
}

init
{
    atomic {
#ifndef NO_CACHE
        if
        :: true -> known_rl = true; known_l = true
        :: true -> known_l = true
        :: true
        fi;
        if
        :: true -> known_m = true
        :: true
        fi;
#endif
        begin()
    }
}
