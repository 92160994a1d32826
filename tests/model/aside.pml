/* A tag that is to go itself (a weak tag, or by policy): its current/link is renamed aside, looked at again after settle, and put back
 * if it changed or was touched, but never over a newer one.
 *
 * Registry 2.8 writes a link in place: it opens the file, which empties it, and writes a moment later. Where the file was renamed
 * in between, what is written lands aside. A registry tells of a push before any of that.
 *
 * A request is known by its number, 1 and up, which is what it writes; same[n]: it writes the digest that was there before (0).
 */
#include "feed.pml"
#define NONE 9
#define EMPTY 8

byte content[5]; /* of every file that there ever was; file 0 was there in the beginning, request n may make file n */
byte current = 0, aside = NONE;
bool same[9];
byte number;

bool condemned, touched;
mtype = { push, fence };
chan feed = [QUEUE] of { mtype };
bool fenced;

/* For the check alone: as sets of numbers, who was answered, and what the tag may say (nobody began after these were answered and
 * was answered himself). */
byte done, valid;

proctype client(byte me)
{
    byte mine, file, before;
end:
    do
    :: atomic {
           requests > 0 -> requests--; busy[me] = true; number++; mine = number; before = done;
           if
           :: same[mine] = true
           :: skip
           fi
       }
        feed ! push;
        atomic {
            if
            :: current == NONE -> current = mine; file = mine
            :: else -> file = current
            fi;
            content[file] = EMPTY
        }
        content[file] = mine;
        atomic {
            done = done | (1 << mine);
            valid = (valid & ~before) | (1 << mine);
            mine = 0; file = 0; before = 0;
            answered()
        }
    od
}

/* Put back, but never over a newer one. */
inline put_back()
{
    if
    :: aside != NONE && current == NONE ->
#ifdef REACH_PUT_BACK
        assert(false);
#endif
        current = aside
    :: else
    fi;
    aside = NONE
}

active proctype serve()
{
end:
    do
    :: atomic { feed ? push -> touched = true; if :: condemned -> put_back() :: else fi }
    :: atomic { feed ? fence -> fenced = true }
    od
}

#ifdef MUTANT_ONLY_IF_CHANGED
#define TOUCHED false
#else
#define TOUCHED touched
#endif
#ifdef MUTANT_ONLY_IF_TOUCHED
#define CHANGED false
#else
#define CHANGED (content[aside] != 0 && !same[content[aside]])
#endif

proctype sweeper()
{
    /* Grace is not shorter than settle: of whom the feed told us before, the request has ended. */
#ifndef MUTANT_NO_GRACE
    touched = false;
    settle();
#else
    touched = false;
#endif
end:
    atomic { !touched && current != NONE && content[current] == 0 -> condemned = true }
    atomic {
        if
        :: !touched -> aside = current; current = NONE
        :: else
        fi
    }
    settle();
#ifndef MUTANT_NO_FENCE
    atomic { fenced = false; feed ! fence }
    fenced;
#endif
    atomic {
        if
        :: aside != NONE && (TOUCHED || CHANGED) -> put_back()
        :: else
        fi;
#ifdef REACH_GONE
        assert(aside == NONE);
#endif
        aside = NONE;
        condemned = false
    }
}

/* Once the feed is handled and nobody is in the middle of a request, the tag says what was promised last. */
#define WRONG (current == NONE || !(valid & (1 << content[current])))
active proctype check()
{
end:
    atomic { valid != 0 && empty(feed) && !busy[0] && !busy[1] && !busy[2] && WRONG -> assert(false) }
}

init
{
    atomic { begin() }
}
