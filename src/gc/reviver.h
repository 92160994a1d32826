/* The reviver: a thread of `serve` that gives back what was touched (revive.h), the moment it is told of a
 * touch. Looks by itself too, for other processes touch as well, and tries again what could not be given
 * back, with growing pauses. */
#ifndef REGSWEEP_GC_REVIVER_H
#define REGSWEEP_GC_REVIVER_H

#include "gc/revive.h"

#define RSW_REVIVER_BUCKETS 13
extern const double rsw_reviver_buckets[RSW_REVIVER_BUCKETS]; /* upper bounds, seconds */

/* Sums since the start. */
struct rsw_reviver_stats {
    uint64_t items;    /* given back, or found in place */
    uint64_t placed;   /* files that had to be put back */
    uint64_t failures; /* tries at an item that failed, and runs that did */
    uint64_t lost;     /* neither in place nor in quarantine */
    /* Runs that gave back all there was, by the time from the first touch that they were told of, once it was
     * durable, until everything was in its place: each bucket with those of lower ones. */
    uint64_t buckets[RSW_REVIVER_BUCKETS];
    uint64_t runs;
    double seconds; /* sum */
};

struct rsw_reviver;
/* Gives back at once what was touched before. */
int rsw_reviver_start(struct rsw_reviver **out, struct rsw_index *index, struct rsw_storage *storage,
                      const struct rsw_clock *clock, const struct rsw_log *log, struct rsw_error *err);
void rsw_reviver_wake(struct rsw_reviver *reviver); /* a touch is durable; any thread, cheap */
void rsw_reviver_stats(struct rsw_reviver *reviver, struct rsw_reviver_stats *out); /* any thread */
/* Ends the run under way, then the thread. NULL is allowed. */
void rsw_reviver_stop(struct rsw_reviver *reviver);

#endif
