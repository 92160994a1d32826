/* Taking condemned objects out of the registry's sight: into the quarantine, batch by batch.
 *
 * Each batch is one index transaction, with the look at its touches and the moves inside: an exception, as
 * in purge.c, to "storage is never asked inside a write transaction". So a touch comes either before, and the
 * object stays, or after, and whoever gives it back finds the index to say that it was taken. Batches are
 * small, for events wait meanwhile. Where a move is a copy and a removal, the copies are made before: these
 * can last, and what is touched meanwhile stays in its place, copy or not.
 */
#ifndef REGSWEEP_GC_ASIDE_H
#define REGSWEEP_GC_ASIDE_H

#include "gc/audit.h"
#include "gc/removal.h"

struct rsw_aside {
    struct rsw_index *index;
    struct rsw_storage *storage;
    struct rsw_audit *audit;
    const struct rsw_sweep_options *options; /* clock, log, stopped */
    uint64_t generation;
    bool late;       /* out: storage may carry out a removal yet (storage.h) */
    uint64_t failed; /* out: so many were not taken because storage refused or did not answer */
};

/* Takes every pending item of this kind (blob, link, revision, tag) that nobody touched; one that cannot be
 * taken is touched, so that it and what it needs stay. A line in the audit for each before, "unlink" or
 * "hide". Where storage keeps versions it is asked before each batch whether it still does. 0, or -1:
 * RSW_EREFUSED: it does not, or the lease is lost; RSW_ESTOPPED, or an error of audit or index; what was
 * taken is taken, and a later call goes on. No transaction may be open. */
int rsw_aside_take(struct rsw_aside *aside, enum rsw_item_kind kind, struct rsw_error *err);

#endif
