/* Deletion records on their way: made of what the index knows, carried by generations, done when nothing of
 * them is left. docs/safety.md says what they may take, and src/gc/marker.h how mark goes by them. */
#ifndef REGSWEEP_GC_DELETIONS_H
#define REGSWEEP_GC_DELETIONS_H

#include "index/deletion.h"
#include "util/clock.h"

struct rsw_deletion_request {
    enum rsw_deletion_kind kind;
    const char *target; /* NAME; NAME:TAG or NAME@DIGEST; NAME:TAG; NAME@DIGEST or DIGEST */
    const char *note;   /* NULL: none */
};

/* Makes a record of what the index knows of the target now; nothing else is done. 0, or -1: RSW_EINVAL (the
 * target is none, the index does not know it, or all of it stands in earlier records), or an index error. No
 * transaction may be open. */
int rsw_deletion_make(struct rsw_deletion *out, struct rsw_index *index,
                      const struct rsw_deletion_request *request, const struct rsw_clock *clock,
                      struct rsw_error *err);
/* The same within a write transaction, which is to be thrown away if it fails. */
int rsw_deletion_write(struct rsw_deletion *out, struct rsw_txn *txn,
                       const struct rsw_deletion_request *request, const struct rsw_clock *clock,
                       struct rsw_error *err);
/* Calls it off: what of it stands in a generation that has only begun is touched, and stays. 0, or -1:
 * RSW_EINVAL (there is no such record, or it has ended), RSW_EREFUSED (something of it was taken already), or
 * an index error. */
int rsw_deletion_cancel(struct rsw_deletion *out, struct rsw_index *index, uint64_t id,
                        const struct rsw_clock *clock, struct rsw_error *err);

/* An item enters a generation: the record that names it is carried. Needs a write transaction. */
void rsw_deletions_carry(struct rsw_txn *txn, const struct rsw_item *item);
/* What is gone leaves its record, and records whose generation has ended wait for the next, or are done.
 * `decided`: seq of the sight by which the last sweep decided. 0, or -1 on an index error. No transaction may
 * be open. */
int rsw_deletions_settle(struct rsw_index *index, uint64_t decided, const struct rsw_clock *clock,
                         struct rsw_error *err);

#endif
