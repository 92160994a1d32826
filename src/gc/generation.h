/* The generation: one sweep, from mark to purge, as a state machine that survives a kill at any point.
 *
 *     mark ──► condemned ──unlink──► unlinked ──purge──► purged
 *                  └────────────────────┴── a later sweep ──► abandoned
 *
 * condemned  its objects are in the index, nothing was removed yet
 * unlinked   tags, revisions and layer links are gone from storage; the bytes are still there
 * purged     blobs, uploads and emptied repositories are gone too
 * abandoned  it was interrupted; a later sweep has read storage again and decided anew about all that was
 * left
 *
 * Offline, nobody can touch an object between mark and purge, so one run goes through all of it, and an
 * interrupted one is never gone on with by its old list: the registry may have run in between.
 * RSW_GENERATION_HIDDEN is for generations beside a running registry.
 *
 * Every step may be repeated. Items are done in batches; each is in the audit before it is asked of storage,
 * and durable in the index before the next batch begins.
 */
#ifndef REGSWEEP_GC_GENERATION_H
#define REGSWEEP_GC_GENERATION_H

#include "gc/audit.h"
#include "gc/mark.h"
#include "storage/storage.h"

struct rsw_run {
    struct rsw_index *index;
    struct rsw_storage *storage;
    const struct rsw_sweep_options *options;
    struct rsw_audit *audit;
    struct rsw_sweep_result *result;
    struct rsw_generation generation;
    int64_t begun_ms; /* by rsw_monotonic_ms */
    bool late;        /* out: storage may carry out a removal yet (storage.h) */
};

/* Writes the plan as a generation, condemned, and abandons earlier ones that did not come to their end. Needs
 * the lock "sweep" and no transaction. 0, or -1: nothing was removed, and what was written of it is abandoned
 * by the next. */
int rsw_generation_begin(struct rsw_run *run, const struct rsw_plan *plan,
                         const struct rsw_mark_options *mark, struct rsw_error *err);
/* Abandons those that did not come to their end, where a later run found nothing to do. 0 or -1. Needs as
 * above. */
int rsw_generation_abandon(struct rsw_index *index, int64_t now_ms, struct rsw_error *err);
/* Takes it from its state to purged. 0; or -1: RSW_EREFUSED (an event tells of something condemned, and
 * nothing was removed yet), RSW_EPARTIAL (the same, later), RSW_ESTOPPED, an error of audit or index. Objects
 * that could not be removed are counted in the result, they end nothing. */
int rsw_generation_finish(struct rsw_run *run, struct rsw_error *err);
/* Beside a running registry: are its bytes not hidden yet, ten settles (an hour at least, a day at most)
 * after they could have been? It settled anew again and again, or no run came to its end. By the clock on the
 * wall: for people to look at. */
bool rsw_generation_is_stuck(const struct rsw_generation *generation, int64_t now_ms);

#endif
