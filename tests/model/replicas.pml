/* Two replicas before one storage, each with its own cache and its own queue of events; client n asks replica n. A replica can be
 * killed at any moment: its queue and its cache are lost, the request that it was in is cut off without an answer, and it comes
 * back as a new instance, or never. We notice at the next fence, and read every link: a scan.
 *
 * The image is that of image.pml. What is added: bytes of the manifest stay in quarantine until every instance that can have
 * them in its cache is gone and a scan was complete after that.
 *
 * -DCLIENTS=1: a single replica.
 */
#include "feed.pml"
#ifndef KILLS
#define KILLS 1
#endif

/* Storage. */
bool data_m = true, data_l = true, held_m, held_l;
bool revision, link = true;

/* The caches of replica n: {R,L}, {L}, {M}. */
bool known_rl[2], known_l[2], known_m[2];

/* The index. may_know[n]: the instance that we know at replica n can have {M} in its cache, while the bytes are hidden. */
bool condemned, touched_m, touched_l;
bool may_know[2];
bool gap; /* seen, not closed */

mtype = { layer, manifest, fence };
chan feed0 = [QUEUE] of { mtype };
chan feed1 = [QUEUE] of { mtype };
bool fenced[2];

byte kills = KILLS;
bool cut[3];   /* the request of this client is cut off */
bool gone[2];  /* the replica never comes back */
bool other[2]; /* it is not the instance that we know: a gap */

/* For the check alone. */
bool promised, linked[3], clearing;
#define WHOLE (revision && data_m && link && data_l)

/* ---- the registry ---- */

#define SEND(event) \
    if \
    :: me == 0 -> feed0 ! event \
    :: else -> feed1 ! event \
    fi

inline look_for_layer()
{
    atomic {
        if
        :: known_rl[me] -> found = true
        :: else -> found = link; fill = found
        fi
    }
    if
    :: fill -> atomic { found = known_l[me] || data_l; fill = found }
        if
        :: fill -> atomic { known_rl[me] = true; known_l[me] = true; fill = false }
        :: else
        fi
    :: else
    fi
}

proctype client(byte me)
{
    bool found, fill, stale;
again:
    {
        do
        :: requests == 0 || gone[me] -> goto done
        :: REQUEST(!gone[me]) -> /* the layer is uploaded */
            data_l = true;
            link = true;
            atomic { known_rl[me] = true; known_l[me] = true; SEND(layer); answered() }

        :: REQUEST(!gone[me]) -> /* PUT of the manifest */
            look_for_layer();
            if
            :: atomic { !found -> answered() }
            :: atomic { found -> found = false; answered() } /* refused for another reason */
            :: atomic { found -> found = false; stale = !data_l || !link }
                atomic {
                    if
                    :: known_m[me] || data_m
                    :: else -> data_m = true
                    fi;
                    known_m[me] = true
                }
                if
                :: atomic { true -> stale = false; answered() } /* could not write the link: no event */
                :: atomic { revision = true; linked[me] = true }
                    atomic {
                        SEND(manifest);
#ifdef REACH_STALE
                        assert(!stale);
#endif
                        promised = promised || linked[me];
                        linked[me] = false;
                        stale = false;
                        answered()
                    }
                fi
            fi

        :: REQUEST(!gone[me]) -> /* DELETE of the manifest */
            atomic { revision = false; promised = false; linked[0] = false; linked[1] = false; answered() }
        od
    } unless {
        atomic { cut[me] -> cut[me] = false; found = false; fill = false; stale = false; linked[me] = false; answered() }
    };
    goto again;
done:
    skip
}

/* ---- a replica dies ---- */

inline kill(n, feed)
{
    atomic {
        n < CLIENTS && kills > 0 && !gone[n] && !cut[n] -> kills--;
        do
        :: feed ? _
        :: empty(feed) -> break
        od;
        known_rl[n] = false; known_l[n] = false; known_m[n] = false;
        cut[n] = busy[n]; busy[n] = false; awaited[n] = false; /* nothing of the request goes on */
        other[n] = true;
        if
        :: gone[n] = true
        :: skip
        fi
    }
}

active proctype killer()
{
    do
    :: kill(0, feed0)
    :: kill(1, feed1)
    :: kills == 0 || (gone[0] && (gone[1] || CLIENTS == 1)) -> break
    od
}

/* ---- regsweep ---- */

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

inline touch_layer()
{
    if
    :: condemned -> touched_l = true; give_back_layer()
    :: else
    fi
}

inline touch_manifest()
{
    if
    :: condemned -> touched_m = true; touched_l = true; give_back_manifest()
    :: else -> data_m = data_m || held_m
    fi
}

active proctype serve()
{
end:
    do
    :: atomic { feed0 ? layer -> touch_layer() }
    :: atomic { feed1 ? layer -> touch_layer() }
    :: atomic { feed0 ? manifest -> touch_manifest() }
    :: atomic { feed1 ? manifest -> touch_manifest() }
    :: atomic { feed0 ? fence -> fenced[0] = true }
    :: atomic { feed1 ? fence -> fenced[1] = true }
    od
}

/* Of condemned objects: what does storage link? A scan closes a gap by the same, for every object that there is. */
inline read_links()
{
    atomic {
        if
        :: revision -> touch_manifest()
        :: else
        fi
    }
    atomic {
        if
        :: link || touched_l -> touch_layer()
        :: else
        fi
    }
}

/* Fence through every replica. Whoever does not answer, or is not who we know: a gap. */
inline fence_one(n, feed)
{
    atomic {
        fenced[n] = false;
        if
        :: !other[n] -> feed ! fence
        :: else
        fi
    }
    if
    :: atomic { fenced[n] && !other[n] }
    :: atomic {
           other[n] -> gap = true; other[n] = false;
           if
           :: !counted -> may_know[n] = false
           :: else
           fi
       }
    fi
}

inline fence_all()
{
#ifndef MUTANT_NO_FENCE
    fence_one(0, feed0);
    if
    :: CLIENTS > 1 -> fence_one(1, feed1)
    :: else
    fi
#else
    skip
#endif
}

inline look_again()
{
    fence_all();
#ifndef MUTANT_NO_RECHECK
    read_links();
#endif
    gap = false
}

inline clear(n)
{
    if
    :: atomic { !touched_l -> clearing = true }
        known_rl[n] = false;
        link = false;
        atomic {
            if
            :: touched_l -> give_back_layer()
            :: else
            fi;
            clearing = false
        }
    :: else
    fi
}

/* Until now an instance that we had not heard of can have seen the bytes: whoever answered the second fence counts. */
#define COUNT may_know[0] = true; may_know[1] = (CLIENTS > 1)

proctype sweeper()
{
    bool counted = true;
end:
    /* one generation */
    atomic { !revision -> condemned = true }
    atomic {
        if
        :: !touched_l -> link = false
        :: else
        fi
    }
    clear(0);
#ifndef MUTANT_CLEAR_ONE
    clear(1);
#endif
    settle();
#ifndef MUTANT_NO_SECOND_CLEAR
    do
    :: known_rl[0] && !touched_l -> clear(0); settle()
#ifndef MUTANT_CLEAR_ONE
    :: known_rl[1] && !touched_l -> clear(1); settle()
    :: !known_rl[0] && !known_rl[1] || touched_l -> break
#else
    :: !known_rl[0] || touched_l -> break
#endif
    od;
#endif
    look_again();
    atomic {
        if
        :: !touched_m -> held_m = held_m || data_m; data_m = false
        :: else
        fi
    }
#ifdef MUTANT_COUNT_AT_HIDE
    atomic { counted = false; COUNT }
#endif
    atomic {
        if
        :: !touched_l -> held_l = held_l || data_l; data_l = false
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
        condemned = false;
#ifdef MUTANT_NO_KEEPING
        held_m = false;
#endif
#ifndef MUTANT_COUNT_AT_HIDE
        counted = false;
        COUNT
#else
        held_m = held_m && (may_know[0] || may_know[1])
#endif
    }

    /* Later, again and again: a gap is closed, and the bytes of the manifest go when nobody can know them. */
end_tend:
    do
    :: other[0] || other[1] -> fence_all();
#ifndef MUTANT_NO_SCAN
        read_links();
#endif
        atomic {
            gap = false;
            if
            :: !may_know[0] && !may_know[1] ->
#ifdef REACH_MANIFEST_PURGED
                assert(data_m || !held_m);
#endif
                held_m = false
            :: else
            fi
        }
    od
}

/* Once the feed is handled and gaps are closed, what was promised is whole. */
active proctype check()
{
end:
    atomic {
        promised && empty(feed0) && empty(feed1) && !other[0] && !other[1] && !gap && !clearing && !WHOLE ->
        assert(false)
    }
}

init
{
    atomic {
        known_rl[0] = true; known_l[0] = true; known_m[0] = true; known_l[1] = true; known_m[1] = true;
        begin()
    }
}
