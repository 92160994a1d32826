/* What a sweep and a schedule ask of the lease (regsweep/lease.h). */
#ifndef REGSWEEP_GC_LEASE_H
#define REGSWEEP_GC_LEASE_H

#include "index/index.h"
#include "storage/storage.h"
#include "util/clock.h"
#include "util/log.h"

#include <regsweep/lease.h>

/* A client of NFS believes for up to a minute (acdirmax, acregmax) what it has seen of a folder. Who looks at
 * a row that is so old must find the number taken that he makes next: the records of the last length of a
 * lease are kept. */
#define RSW_LEASE_LEAST_MS (60 * INT64_C(1000))

/* Has anybody ever taken the lease of this storage? 0 or -1. */
int rsw_lease_is_known(struct rsw_lease *lease, bool *known, struct rsw_error *err);
/* Has whoever has it said something since we asked first? Then there is nothing to wait for. */
bool rsw_lease_other_lives(struct rsw_lease *lease);
/* Is it certainly nobody else's? Any thread; asks nobody. */
bool rsw_lease_is_held(struct rsw_lease *lease);
/* When the last sweep by schedule that went well began, by whoever: the wall's time, 0 for never. Known after
 * a try to take it, as far as storage could be read. */
int64_t rsw_lease_swept_ms(struct rsw_lease *lease);
/* To be written with the next record. */
void rsw_lease_set_swept(struct rsw_lease *lease, int64_t now_ms);

#define RSW_AUTO_LEASE __attribute__((cleanup(rsw_lease_cleanup))) struct rsw_lease *
static inline void rsw_lease_cleanup(struct rsw_lease **lease) {
    rsw_lease_close(*lease);
    *lease = NULL;
}

#endif
