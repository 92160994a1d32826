/* Making the replicas forget what was unlinked, a batch after the other, and giving back what a DELETE of
 * ours took from somebody who pushed it meanwhile. */
#ifndef REGSWEEP_GC_FORGET_H
#define REGSWEEP_GC_FORGET_H

#include "gc/online.h"

/* What a replica still knew. */
struct rsw_known {
    uint64_t count;
    unsigned to_name; /* so many more of it are named in the log, with who knew it */
};

/* The items of a kind, LINK or REVISION, that were taken and that nobody touched. Adds to *known. 0 or -1:
 * RSW_ESTOPPED, or what replicas and index answer; whatever was touched by then is given back. Needs no
 * transaction. */
int rsw_forget(struct rsw_online *online, uint64_t id, enum rsw_item_kind kind, struct rsw_known *known,
               struct rsw_error *err);

/* Bytes that Redis vouches for would not be written when they are pushed again: after they are hidden it must
 * forget them, and what it learns anew it learns from storage; and again a settle later, for a request that
 * had looked before can have told it once more. Clears no link. 0 or
 * -1. Needs no transaction. */
int rsw_forget_hidden(struct rsw_online *online, uint64_t generation, struct rsw_error *err);

#endif
