/* Untagged manifests are removed. Tag t pointed at M and points at another manifest now, so revision M is condemned, while clients
 * put M by tag t, move t to the other manifest, or delete t. A registry tells of a push before it writes the tag.
 */
#include "feed.pml"

/* Storage; the tag's current/link is written in one step here (aside.pml has what is finer). The cache: {M}. */
bool data = true, held, revision = true;
bool tag; /* t points at M */
bool known = true;

bool condemned, touched;
mtype = { manifest, fence };
chan feed = [QUEUE] of { mtype };
bool fenced;

/* For the check alone: PUT of M by tag was answered 201, and the tag was not moved since it was written. */
bool promised, tagged[3];
#define WHOLE (tag && revision && data)

proctype client(byte me)
{
    bool stale;
end:
    do
    :: REQUEST(true) -> /* PUT of M by tag t */
        atomic {
            stale = !data;
            if
            :: known || data
            :: else -> data = true
            fi;
            known = true
        }
        revision = true;
        feed ! manifest;
        atomic { tag = true; tagged[me] = true }
        atomic {
#ifdef REACH_STALE
            assert(!stale);
#endif
            promised = promised || tagged[me]; tagged[me] = false; stale = false; answered()
        }
    :: REQUEST(true) -> /* t moves to another manifest, or is deleted */
        atomic { tag = false; promised = false; tagged[0] = false; tagged[1] = false; tagged[2] = false; answered() }
    od
}

inline give_back()
{
#ifdef REACH_REVIVED
    assert(data && revision);
#endif
    revision = revision || condemned;
    data = data || held
}

active proctype serve()
{
end:
    do
    :: atomic { feed ? manifest -> touched = true; give_back() }
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
        :: tag || revision || touched -> touched = true; give_back()
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
    :: atomic { generation < GENERATIONS && !tag -> generation++; touched = false }
        /* Grace is not shorter than settle: who was told of before has ended by now, and who was told of since is a touch. */
#ifndef MUTANT_NO_GRACE
        settle();
#else
        touched = false;
#endif
        atomic {
            if
            :: tag -> touched = true
            :: else
            fi;
            condemned = !touched
        }
        atomic {
            if
            :: !touched -> revision = false
            :: else
            fi
        }
        settle();
        look_again();
        atomic {
            if
            :: !touched -> held = held || data; data = false
            :: else
            fi
        }
#ifndef MUTANT_NO_SECOND_LOOK
        settle();
        look_again();
#endif
        atomic {
#ifdef REACH_HIDDEN_FOR_GOOD
            assert(touched);
#endif
#ifdef MUTANT_NO_KEEPING
            held = false;
#endif
            condemned = false
        }
    :: atomic { generation == GENERATIONS -> break }
    od
}

active proctype check()
{
end:
    atomic { promised && empty(feed) && !WHOLE -> assert(false) }
}

init
{
    atomic { begin() }
}
