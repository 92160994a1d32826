/* Tidying up after a purge: what the index still remembers of things that are gone, and the empty directories
 * that stood for them. */
#ifndef REGSWEEP_GC_TIDY_H
#define REGSWEEP_GC_TIDY_H

#include "index/index.h"
#include "storage/storage.h"
#include "util/clock.h"

/* Forgets tombstones of links and revisions with their empty directories, except where a referrer or weak tag
 * still needs the evidence that its subject was there; repositories that storage no longer has; blobs without
 * bytes that nothing names. Settles deletion records (deletions.h), which the sweep decided about by the
 * sight `decided`. Beside a running registry a client that is about to write into a directory which is empty
 * now gets a 500, and tries again. Needs the lock "sweep" and no transaction. May be repeated. 0, or -1 on an
 * index error; what storage keeps is no error. */
int rsw_tidy(struct rsw_index *index, struct rsw_storage *storage, uint64_t decided,
             const struct rsw_clock *clock, struct rsw_error *err);

#endif
