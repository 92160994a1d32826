/* An index I names a manifest M, which names a layer. Untagged manifests are removed: M is condemned, its revision and its layer with
 * it. Registry 3.x keeps revisions in its cache: who puts I is told that M is there, and nobody looks at the layer. What was
 * touched brings back all that it names, at any depth.
 *
 * DELETE /v2/R/blobs/M clears {R,M}; it touches neither the revision nor a tag.
 */
#include "feed.pml"

/* Storage. The cache: {R,M} and {M}; what it knows of the layer is for image.pml. */
bool data_m = true, held_m, revision_m = true;
bool data_l = true, held_l, link = true;
bool revision_i;
bool known_rm, known_m = true;

bool condemned, touched_m, touched_layer;
mtype = { event_layer, event_m, event_i, fence };
chan feed = [QUEUE] of { mtype };
bool fenced;

/* For the check alone. */
bool promised, linked[3];
#define WHOLE (revision_i && revision_m && data_m && link && data_l)

/* Can M be read in R? */
inline look_for_manifest()
{
    atomic {
        if
        :: known_rm -> found = true
        :: else -> found = revision_m; fill = found
        fi
    }
    if
    :: fill -> atomic { found = known_m || data_m; fill = found }
        if
        :: fill -> atomic { known_rm = true; known_m = true; fill = false }
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
        data_l = true;
        link = true;
        atomic { feed ! event_layer; answered() }

    :: REQUEST(true) -> /* PUT of M by digest */
        if
        :: atomic { !link || !data_l -> answered() }
        :: link && data_l ->
            atomic {
                if
                :: known_m || data_m
                :: else -> data_m = true
                fi;
                known_m = true
            }
            /* The cache knows a moment before the link is written. What that breaks, it breaks without us: one step here. */
            atomic { known_rm = true; revision_m = true }
            atomic { feed ! event_m; answered() }
        fi

    :: REQUEST(true) -> /* PUT of I */
        look_for_manifest();
        if
        :: atomic { !found -> answered() }
        :: atomic { found -> found = false; answered() } /* refused for another reason: no event */
        :: atomic { found -> found = false; stale = !revision_m || !data_m || !link || !data_l }
            atomic { revision_i = true; linked[me] = true }
            atomic {
                feed ! event_i;
#ifdef REACH_STALE
                assert(!stale);
#endif
                promised = promised || linked[me];
                linked[me] = false;
                stale = false;
                answered()
            }
        fi

    :: REQUEST(true) -> /* DELETE of I */
        atomic { revision_i = false; promised = false; linked[0] = false; linked[1] = false; linked[2] = false; answered() }
    od
}

inline give_back_layer()
{
    link = true;
    data_l = data_l || held_l
}

inline give_back_manifest()
{
#ifdef REACH_REVIVED
    assert(data_m || !held_m);
#endif
    revision_m = true;
    data_m = data_m || held_m;
#ifndef MUTANT_NO_DEPTH
    give_back_layer()
#endif
}

inline touch_manifest()
{
    if
    :: condemned -> touched_m = true;
#ifndef MUTANT_NO_DEPTH
        touched_layer = true;
#endif
        give_back_manifest()
    :: else -> data_m = data_m || held_m
    fi
}

inline touch_layer()
{
    if
    :: condemned -> touched_layer = true; give_back_layer()
    :: else
    fi
}

active proctype serve()
{
end:
    do
    :: atomic { feed ? event_layer -> touch_layer() }
    :: atomic { feed ? event_m -> touch_manifest() }
    :: atomic { feed ? event_i -> touch_manifest() }
    :: atomic { feed ? fence -> fenced = true }
    od
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
        :: revision_i || revision_m || touched_m -> touch_manifest()
        :: else
        fi
    }
    atomic {
        if
        :: link || touched_layer -> touch_layer()
        :: else
        fi
    }
#else
    skip
#endif
}

proctype sweeper()
{
end:
    atomic { !revision_i -> condemned = true }
    atomic {
        if
        :: !touched_m -> revision_m = false
        :: else
        fi
    }
    atomic {
        if
        :: !touched_layer -> link = false
        :: else
        fi
    }
    known_rm = false;
    settle();
#ifndef MUTANT_NO_SECOND_CLEAR
    do
    :: known_rm && !touched_m -> known_rm = false;
#ifndef MUTANT_NO_NEW_SETTLE
        settle()
#endif
    :: else -> break
    od;
#endif
    look_again();
    atomic {
        if
        :: !touched_m -> held_m = data_m; data_m = false
        :: else
        fi
    }
    atomic {
        if
        :: !touched_layer -> held_l = data_l; data_l = false
        :: else
        fi
    }
#ifndef MUTANT_NO_SECOND_LOOK
    settle();
    look_again();
#endif
    atomic {
#ifdef REACH_PURGED
        assert(data_l || !held_l);
#endif
        held_l = false;
        condemned = false
    }
}

active proctype check()
{
end:
    atomic { promised && empty(feed) && !WHOLE -> assert(false) }
}

init
{
    atomic {
        if
        :: known_rm = true
        :: skip
        fi;
        begin()
    }
}
