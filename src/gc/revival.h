/* One run of giving back: what it has gathered, and putting its files in their places. Internal to revive.c
 * and revive_place.c. */
#ifndef REGSWEEP_GC_REVIVAL_H
#define REGSWEEP_GC_REVIVAL_H

#include "gc/removal.h"
#include "gc/revive.h"

#define RSW_REVIVE_ROUND_MAX 100 /* entries of the queue at once: a round has two write transactions */

struct rsw_touched {
    struct rsw_item item;
    uint64_t queued;
    size_t at;     /* in the batch, if it is an item of a generation */
    bool layer;    /* a revision whose manifest was uploaded as a layer too */
    uint32_t head; /* of a tag that was pushed again since: what it points at by now; else 0 */
    struct rsw_digest head_digest;
    int answer; /* FOUND: done with; ABSENT: lost; FAILED: try again later */
    bool ended; /* taken out of the queue: nobody touched it since it was gathered */
};

struct rsw_revival {
    struct rsw_index *index;
    struct rsw_storage *storage;
    const struct rsw_clock *clock;
    const struct rsw_log *log;
    struct rsw_revive_result *result;
    struct rsw_removal_batch *batch;     /* the items, with their keys */
    size_t owners[RSW_REVIVE_ROUND_MAX]; /* entries of the items in the batch */
    struct rsw_touched entries[RSW_REVIVE_ROUND_MAX];
    size_t count;
    struct rsw_touched *failed; /* owned, in the order of the queue: not tried again in the same run */
    size_t failed_count, failed_room;
};

/* Puts the files of all items of the batch back that are not in place, parts before what makes them one; each
 * entry gets its answer. 0, or -1: out of memory. No transaction may be open. */
int rsw_revival_place(struct rsw_revival *revival, struct rsw_error *err);

#endif
