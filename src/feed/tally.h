/* Counting without a write an event: what was taken in, and which processes of the registry it came from, is
 * held in memory and goes into the index with a commit that happens anyway, or once a second.
 *
 * One thread at a time. A batch is counted, then either settled (its commit succeeded) or forgotten (the
 * registry will send it again). */
#ifndef REGSWEEP_FEED_TALLY_H
#define REGSWEEP_FEED_TALLY_H

#include "feed/envelope.h"
#include "index/index.h"

struct rsw_tally_instance {
    char id[RSW_INSTANCE_ID_MAX + 1];
    char addr[128];
    int64_t last_ms;
    uint64_t last_seq;
    int64_t used_ms;  /* monotonic: the one unused longest makes room */
    bool known;       /* the index has a record, durable */
    uint64_t waiting; /* events counted that the index does not have yet */
    uint64_t batch;   /* of the batch at hand */
};

/* More processes than a registry has replicas; past them the one unused longest makes room. */
#define RSW_TALLY_INSTANCES 64

struct rsw_tally {
    uint64_t events; /* waiting, without the batch at hand */
    uint64_t unusable;
    int64_t last_ms;
    uint64_t batch_events;
    uint64_t batch_unusable;
    int64_t batch_ms;
    size_t count;
    struct rsw_tally_instance instances[RSW_TALLY_INSTANCES];
};

/* Counts one event into the batch. Looks instances up in the batch's transaction: one that is new to the
 * index gets its record at once, and a gap; the mark of a fence is written at once too, and durable with the
 * batch. True if the tally must be written with the batch. */
bool rsw_tally_event(struct rsw_tally *tally, struct rsw_txn *txn, const struct rsw_event *event,
                     int64_t now_ms);
/* Writes all that waits, the batch included, into the transaction that is about to be committed. */
void rsw_tally_write(struct rsw_tally *tally, struct rsw_txn *txn);
/* The batch is durable, or told nothing new; `written`: rsw_tally_write was part of the commit. */
void rsw_tally_settle(struct rsw_tally *tally, bool written);
void rsw_tally_forget(struct rsw_tally *tally);
bool rsw_tally_waits(const struct rsw_tally *tally);

#endif
