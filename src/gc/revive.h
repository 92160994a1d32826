/* Giving back: what was touched since it was condemned goes back to its place, with all that it needs.
 *
 * A touch (index.h) marks an item and puts it into a queue. Whoever empties the queue finds what follows from
 * each item: for a link its bytes; for a revision its bytes, its signatures and history, and then what the
 * manifest names: links, bytes, children and all of theirs; tags that were set aside with that head;
 * referrers and weak tags of it. All of that is touched in turn, so no later step of its generation takes it,
 * and is put in place from the quarantine if it is not there. What is in place is left alone. The copies in
 * quarantine stay until the generation is purged.
 *
 * `serve` does it as touches come in; a sweep does it as well, before every step that would take or purge
 * anything. Both may do it at once: every step may be repeated.
 */
#ifndef REGSWEEP_GC_REVIVE_H
#define REGSWEEP_GC_REVIVE_H

#include "index/index.h"
#include "storage/storage.h"
#include "util/clock.h"
#include "util/log.h"

struct rsw_revive_result {
    uint64_t items;  /* given back, or found in place */
    uint64_t placed; /* of these: files that had to be put back */
    uint64_t failed; /* could not be: they stay in the queue */
    uint64_t lost;   /* are neither in place nor in quarantine */
};

/* Empties the queue. 0, or -1 on an index error. No transaction may be open. */
int rsw_revive(struct rsw_revive_result *result, struct rsw_index *index, struct rsw_storage *storage,
               const struct rsw_clock *clock, const struct rsw_log *log, struct rsw_error *err);

#endif
