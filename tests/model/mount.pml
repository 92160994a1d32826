/* A layer L shared by two repositories. Repository A has it linked, and nothing there needs it any more. Clients upload L to either
 * repository, mount it from A into B, ask for it in B, and put an image N into B that names it. The index does not know that B has
 * L, nor what N is, before an event tells it.
 *
 * -DNO_CACHE: a registry without a cache.
 * -DSILENT: an upload can fail after its link is written, which sends no event. A link that no event and no scan has told of is
 *   found by reading every link only: hence -DSCAN_BEFORE_PURGE.
 */
#include "feed.pml"

/* Storage. */
bool data = true, held; /* L under blobs/, and in quarantine */
bool link_a = true, link_b;
bool revision; /* (B,N); N's own bytes are always written, nothing here ever condemns them */

/* The cache: {A,L}, {B,L}, {L}; nothing ever clears the last. */
bool known_a, known_b, known;
#ifdef NO_CACHE
#define REMEMBER(repository)
#else
#define REMEMBER(repository) repository = true; known = true;
#endif

/* The index: a generation is under way; what was touched since; what it has heard of. */
bool condemned, touched_a, touched_b;
bool heard_b, heard_n;

mtype = { layer_a, layer_b, manifest, fence };
chan feed = [QUEUE] of { mtype };
bool fenced;

/* For the check alone. */
bool promised, linked[3], clearing;
#define WHOLE (revision && link_b && data)

/* ---- the registry ---- */

/* Is (repository,L) there? */
inline look(link, known_here)
{
    atomic {
        if
        :: known_here -> found = true
        :: else -> found = link; fill = found
        fi
    }
    if
    :: fill -> atomic { found = known || data; fill = found }
        if
        :: fill -> atomic { REMEMBER(known_here) fill = false }
        :: else
        fi
    :: else
    fi
}

inline upload(link, known_here, event)
{
    data = true;
    link = true;
#ifdef SILENT
    if
    :: atomic { true -> answered() }
    :: atomic { REMEMBER(known_here) feed ! event; answered() }
    fi
#else
    atomic { REMEMBER(known_here) skip }
    atomic { feed ! event; answered() }
#endif
}

proctype client(byte me)
{
    bool found, fill, stale;
end:
    do
    :: REQUEST(true) -> upload(link_a, known_a, layer_a)
    :: REQUEST(true) -> upload(link_b, known_b, layer_b)

    :: REQUEST(true) -> /* mount: looks in A, links in B */
        look(link_a, known_a);
        if
        :: atomic { !found -> answered() }
        :: atomic { found -> found = false }
            link_b = true;
            atomic { REMEMBER(known_b) skip }
            atomic { feed ! layer_b; answered() }
        fi

    :: REQUEST(true) -> /* PUT of N into B */
        look(link_b, known_b);
        if
        :: atomic { !found -> answered() }
        :: atomic { found -> found = false; answered() } /* refused for another reason: no event */
        :: atomic { found -> found = false; stale = !data || !link_b }
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

    :: REQUEST(true) -> /* DELETE of N */
        atomic { revision = false; promised = false; linked[0] = false; linked[1] = false; linked[2] = false; answered() }
    od
}

/* ---- regsweep ---- */

/* What was touched gets its links and its bytes back. */
inline give_back()
{
#ifdef REACH_REVIVED
    assert(data || !held);
#endif
    link_a = link_a || touched_a;
    link_b = link_b || touched_b;
    data = data || held
}

inline touch(touched_here)
{
    if
    :: condemned -> touched_here = true; give_back()
    :: else
    fi
}

active proctype serve()
{
end:
    do
    :: atomic { feed ? layer_a -> touch(touched_a) }
    :: atomic { feed ? layer_b -> heard_b = true; touch(touched_b) }
    :: atomic { feed ? manifest -> heard_b = true; heard_n = true; touch(touched_b) }
    :: atomic { feed ? fence -> fenced = true }
    od
}

/* DELETE /v2/…/blobs/L, of a link that the index has heard of and that was not touched. */
inline clear(link, known_here, may)
{
    if
    :: atomic { (may) -> clearing = true }
        known_here = false;
        link = false;
        atomic {
            if
            :: touched_a || touched_b -> give_back()
            :: else
            fi;
            clearing = false
        }
    :: else
    fi
}
#define MAY_A (!touched_a)
#define MAY_B (heard_b && !touched_b)

inline look_again(scan)
{
#ifndef MUTANT_NO_FENCE
    atomic { fenced = false; feed ! fence }
    fenced;
#endif
#ifndef MUTANT_NO_RECHECK
    /* Links and revisions of which the index has heard; a scan finds the others as well. */
    atomic {
        if
        :: link_a -> touch(touched_a)
        :: else
        fi
    }
    atomic {
        if
        :: (link_b && (heard_b || scan)) || (revision && (heard_n || scan)) -> touch(touched_b)
        :: else
        fi
    }
#endif
    atomic {
        if
        :: touched_a || touched_b -> give_back()
        :: else
        fi
    }
}

proctype sweeper()
{
    byte generation;
end:
    do
    :: atomic {
           generation < GENERATIONS && !(revision && heard_n) ->
           generation++; condemned = true; touched_a = false; touched_b = false
       }
        atomic {
            if
            :: MAY_A -> link_a = false
            :: else
            fi
        }
        atomic {
            if
            :: MAY_B -> link_b = false
            :: else
            fi
        }
#ifndef NO_CACHE
        clear(link_a, known_a, MAY_A);
        clear(link_b, known_b, MAY_B);
#endif
        settle();
#if !defined NO_CACHE && !defined MUTANT_NO_SECOND_CLEAR
        do
        :: known_a && MAY_A -> clear(link_a, known_a, MAY_A); settle()
        :: known_b && MAY_B -> clear(link_b, known_b, MAY_B); settle()
        :: else -> break
        od;
#endif
        look_again(false);
        atomic {
            if
            :: !touched_a && !touched_b -> held = held || data; data = false
            :: else
            fi
        }
#ifndef MUTANT_NO_SECOND_LOOK
        settle();
#ifdef SCAN_BEFORE_PURGE
        look_again(true);
#else
        look_again(false);
#endif
#endif
        atomic {
#ifdef REACH_PURGED
            assert(data || !held);
#endif
            held = false;
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
        :: true -> known_a = true; known = true
        :: true -> known = true
        :: true
        fi;
#endif
        begin()
    }
}
