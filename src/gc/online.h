/* The generation beside a running registry. docs/safety.md argues why it loses nothing.
 *
 *     condemned ──unlink──► unlinked ──hide──► hidden ──purge──► purged
 *         └────────────────────┴─────────────────┴── any touch: given back
 *
 * - condemned: its objects are in the index; storage has been asked about each. Unlinking moves tags,
 * revisions and layer links into the quarantine, in batches, each within one index transaction with the look
 * at its touches; then every replica forgets them (rsw_replicas_ops.forget).
 * - unlinked: until `settle` has gone by, so that no request is still under way that looked before. Then the
 *   replicas are asked again; what one of them knew again begins the settle anew. Fence. What was touched is
 *   given back. Recheck. Then the bytes of what nobody touched move into the quarantine in the same way.
 * - hidden: until `quarantine`, and at least `settle`, has gone by. A scan of every link begun after the
 * bytes were hidden, fence, give back, recheck. No link is asked to be forgotten here, for that is an unlink
 * of its own; of bytes a shared cache is. Then it ends: tags, revisions, links, then bytes, so that a touch
 * meanwhile gives back all of an image or nothing; then uploads and emptied repositories.
 * - purged: but for what may be a manifest that a cache still knows, and for copies that could not be
 * removed: those bytes are held (index.h).
 *
 * These waits are in steady time (index/time.h): a clock that is set ends none of them.
 *
 * Every state is durable, every step may be repeated; who finds a generation in any state goes on with it.
 */
#ifndef REGSWEEP_GC_ONLINE_H
#define REGSWEEP_GC_ONLINE_H

#include "gc/audit.h"
#include "gc/mark.h"
#include "gc/replicas.h"
#include "storage/storage.h"

#define RSW_SETTLE_DEFAULT_MS (10 * 60 * INT64_C(1000))
#define RSW_QUARANTINE_DEFAULT_MS (24 * 3600 * INT64_C(1000))
#define RSW_FENCE_TIMEOUT_DEFAULT_MS (60 * INT64_C(1000))

struct rsw_online {
    struct rsw_index *index;
    struct rsw_storage *storage;
    struct rsw_replicas *replicas;
    const struct rsw_sweep_options *options;
    struct rsw_audit *audit;
    struct rsw_sweep_result *result; /* of the generation begun or advanced last */
};

/* Takes every open generation as far as is due, the oldest first, once what another index took meanwhile is
 * back (others.h), and purges held bytes that no cache can need any more. *left_ms: after how long there is
 * more to do, if the machine keeps running; INT64_MAX: all are purged. 0, or -1: RSW_EREFUSED (a fence
 * failed, a gap that no scan closes: nothing was taken since), RSW_EPARTIAL, RSW_ESTOPPED, or what index,
 * storage and registry answer; then what is done is done, and a later call goes on. Needs the lock "sweep"
 * and no transaction. */
int rsw_online_advance(struct rsw_online *online, int64_t *left_ms, struct rsw_error *err);
/* Is there one that is not over? 0 or -1. */
int rsw_online_is_open(struct rsw_index *index, bool *open, struct rsw_error *err);
/* As long as one is open nobody else is to begin another, so `lease` (NULL is allowed) is given back only
 * once none is. Needs the lock "sweep". 0 or -1. */
int rsw_online_settle_lease(struct rsw_index *index, struct rsw_lease *lease, struct rsw_error *err);
/* Is there one that has not hidden its bytes yet, or are there too many? No other may be begun then. 0 or -1.
 */
int rsw_online_is_busy(struct rsw_index *index, bool *busy, struct rsw_error *err);
/* Fence, a scan if there is a gap, mark, guards; begins a generation and takes it as far as is due. As above.
 * With nothing to let go no generation is made: result->generation is 0. */
int rsw_online_begin(struct rsw_online *online, int64_t *left_ms, struct rsw_error *err);
/* For begin.c. The feed is drained, and nothing was lost since the last complete scan: a fence, and a scan
 * where there is a gap. As rsw_online_advance. */
int rsw_online_drain(struct rsw_online *online, struct rsw_error *err);
/* The same with one generation alone. */
int rsw_online_advance_one(struct rsw_online *online, uint64_t id, int64_t *left_ms, struct rsw_error *err);
/* Brings online->result up to what its generation is by now, whoever has worked on it. 0 or -1. Needs no
 * transaction. */
int rsw_online_look(struct rsw_online *online, struct rsw_error *err);
/* Gives back what was touched (revive.h). 0 or -1: RSW_EPARTIAL if some of it cannot be put back yet. Needs
 * no transaction. */
int rsw_online_give_back(struct rsw_online *online, struct rsw_error *err);
/* The registry is stopped: gives back all that open generations took, and held bytes, drops the copies
 * and ends the generations; what is garbage is found anew. 0 or -1. Needs the lock "sweep". `online` needs
 * no replicas. */
int rsw_online_undo(struct rsw_online *online, struct rsw_error *err);

#endif
