/* The sweeper: a thread of `serve` that goes on with open generations when they are due (online.h), as a
 * `sweep` would that came at the right moment. Begins none. */
#ifndef REGSWEEP_GC_SWEEPER_H
#define REGSWEEP_GC_SWEEPER_H

#include "gc/online.h"
#include "util/clock.h"
#include "util/log.h"

struct rsw_sweeper_options {
    struct rsw_index *index;
    struct rsw_storage *storage;
    /* Opens the registry's replicas, when there is something to do, and again after it failed: the registry
     * may start later than `serve`. From the sweeper's thread. */
    int (*open)(void *arg, struct rsw_replicas **out, struct rsw_error *err);
    /* What is pinned or in use by now, asked before anything that is due is done: what a sweep has taken of
     * it is given back. *pins stay good until the next call. 0; or -1, nobody knows: then nothing is done.
     * NULL: nothing is. From the sweeper's thread. */
    int (*pins)(void *arg, const struct rsw_pin **pins, size_t *count, struct rsw_error *err);
    void *arg;
    struct rsw_lease *lease;  /* of the storage; NULL: nobody else sweeps it. Outlives the sweeper */
    const char *audit_file;   /* borrowed until the stop */
    int64_t settle_ms;        /* of what is read on the way; a generation has its own. Below 0: the default */
    int64_t fence_timeout_ms; /* below 0: the default */
    const struct rsw_clock *clock;
    const struct rsw_log *log;
};

struct rsw_sweeper_stats {
    uint64_t runs;                    /* that had something to do */
    uint64_t failures;                /* of these: ended with an error, and come again */
    char last_error[RSW_MESSAGE_MAX]; /* of the last run; "" if it went well */
};

struct rsw_sweeper;
int rsw_sweeper_start(struct rsw_sweeper **out, const struct rsw_sweeper_options *options,
                      struct rsw_error *err);
void rsw_sweeper_stats(struct rsw_sweeper *sweeper, struct rsw_sweeper_stats *out); /* any thread */
/* Ends what is under way at the next moment at which that is safe, then the thread. What takes part in a
 * fence (the feed) must still run. NULL is allowed. */
void rsw_sweeper_stop(struct rsw_sweeper *sweeper);
/* After rsw_sweeper_stop, and when nobody asks for stats any more. NULL is allowed. */
void rsw_sweeper_free(struct rsw_sweeper *sweeper);

#endif
