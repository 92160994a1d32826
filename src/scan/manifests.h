/* Manifests to be read: those that a repository names, and on from there all that indexes name. */
#ifndef REGSWEEP_SCAN_MANIFESTS_H
#define REGSWEEP_SCAN_MANIFESTS_H

#include "scan/reading.h"

struct rsw_manifest_queue {
    struct rsw_digest *digests; /* owned */
    size_t count, room;
};

int rsw_manifest_queue_add(struct rsw_manifest_queue *queue, const struct rsw_digest *digest,
                           struct rsw_error *err);
void rsw_manifest_queue_release(struct rsw_manifest_queue *queue);

/* Empties the queue: reads each manifest that the index has not parsed and this reading has not looked at,
 * puts it into the batch, goes on with the children of indexes, whatever their depth. *batch may be emitted
 * and replaced on the way. `where` names the repository in messages. No transaction of the caller may be
 * open. */
int rsw_manifests_read(struct rsw_reading *reading, struct rsw_manifest_queue *queue,
                       struct rsw_batch **batch, const char *where, struct rsw_error *err);

/* Emits *batch and starts another one for the same repository, if it is full (or if it has anything at all,
 * with `now`). On failure *batch is NULL or as before. */
int rsw_batch_hand_on(struct rsw_reading *reading, struct rsw_batch **batch, bool now, struct rsw_error *err);

#endif
