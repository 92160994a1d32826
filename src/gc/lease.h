/* The lease: where several regsweep work on one storage, each with an index of its own, one sweeps at a time.
 *
 * It is a row of small files with ascending numbers below regsweep/lease. Who makes the next one has it:
 * storage lets nobody make a file that is there. Who has it makes another before its time is over, again and
 * again. Who finds that a record of somebody else has been the last for as long as a lease, by a clock of its
 * own, takes that one for dead, and makes the next. So no two clocks are compared, and nothing is ever
 * overwritten. Holders are told apart by their index, so that another process on the same index goes on at
 * once. Whoever takes over from another index has to read storage first, for that one may have swept: a gap.
 *
 * A holder that could not renew it knows by itself when its time is over: it asks rsw_lease_is_held before it
 * deletes.
 */
#ifndef REGSWEEP_GC_LEASE_H
#define REGSWEEP_GC_LEASE_H

#include "index/index.h"
#include "storage/storage.h"
#include "util/clock.h"
#include "util/log.h"

#define RSW_LEASE_DEFAULT_MS (300 * INT64_C(1000))
/* A client of NFS believes for up to a minute (acdirmax, acregmax) what it has seen of a folder. Who looks at
 * a row that is so old must find the number taken that he makes next: the records of the last length of a
 * lease are kept. */
#define RSW_LEASE_LEAST_MS (60 * INT64_C(1000))

struct rsw_lease_options {
    struct rsw_index *index; /* NULL, in tests: no gap is written down */
    struct rsw_storage *storage;
    const char *holder; /* of whoever may go on with it: rsw_index_identity. Copied */
    int64_t length_ms;
    int64_t (*steady_ms)(void); /* NULL: rsw_boottime_ms */
    const struct rsw_log *log;
};

struct rsw_lease;

/* Asks nobody yet. 0 or -1 (RSW_ENOMEM). */
int rsw_lease_open(struct rsw_lease **out, const struct rsw_lease_options *options, struct rsw_error *err);
/* Takes it or renews it, if it is ours, was given back, or its holder is dead. 0; or -1: RSW_EBUSY (who has
 * it, and how long it can take at most until it is taken for dead), or what storage answers; then it is held
 * for as long as it was before. Any thread. */
int rsw_lease_take(struct rsw_lease *lease, struct rsw_error *err);
/* Has anybody ever taken the lease of this storage? 0 or -1. */
int rsw_lease_is_known(struct rsw_lease *lease, bool *known, struct rsw_error *err);
/* Has whoever has it said something since we asked first? Then there is nothing to wait for. */
bool rsw_lease_other_lives(struct rsw_lease *lease);
/* Is it certainly nobody else's? Any thread; asks nobody. */
bool rsw_lease_is_held(struct rsw_lease *lease);
/* Others may take it at once. Nothing, if we do not have it. Under the index's lock "sweep", as taking, where
 * other processes on the same index may take it too. */
void rsw_lease_give_back(struct rsw_lease *lease);
/* A thread that renews it in good time for as long as it is held. 0 or -1. */
int rsw_lease_keep(struct rsw_lease *lease, struct rsw_error *err);
/* When the last sweep by schedule that went well began, by whoever: the wall's time, 0 for never. Known after
 * a try to take it, as far as storage could be read. */
int64_t rsw_lease_swept_ms(struct rsw_lease *lease);
/* To be written with the next record. */
void rsw_lease_set_swept(struct rsw_lease *lease, int64_t now_ms);
/* Ends the thread; does not give it back. NULL is allowed. */
void rsw_lease_close(struct rsw_lease *lease);

#define RSW_AUTO_LEASE __attribute__((cleanup(rsw_lease_cleanup))) struct rsw_lease *
static inline void rsw_lease_cleanup(struct rsw_lease **lease) {
    rsw_lease_close(*lease);
    *lease = NULL;
}

#endif
