/* Reconciling: what the index holds and a reading did not see is looked at once more, one by one, and only
 * then taken back. A look that fails takes nothing back. Nor is anything taken back that was claimed since.
 */
#ifndef REGSWEEP_SCAN_RECONCILE_H
#define REGSWEEP_SCAN_RECONCILE_H

#include "scan/reading.h"
#include "scan/repository.h"

/* All of one repository, after its batches are in the index. `noted` is the seq noted before it was listed:
 * what is above it was seen, or claimed by somebody else. Reads the signatures of schema 1 revisions too.
 * *lacked: the list left something out (rsw_reading_lacks). No transaction may be open. */
int rsw_reconcile_repository(struct rsw_reading *reading, const char *name, uint64_t noted, bool *lacked,
                             struct rsw_error *err);
/* The repository was listed, and nothing of it was there: it is no longer PRESENT. */
int rsw_reconcile_gone(struct rsw_reading *reading, const char *name, uint64_t noted, struct rsw_error *err);

/* Both, and whether something in it is nobody's, of one that was read (`seen`). *lacked: its list cannot be
 * relied on, so that nothing more is concluded from it. */
int rsw_reconcile_seen(struct rsw_reading *reading, const char *name, uint64_t noted,
                       const struct rsw_repository_seen *seen, bool *lacked, struct rsw_error *err);

/* Settling single objects, at most RSW_READING_PAGE a call, of any repositories: storage is asked for each,
 * and the index brought to what it says. `failed` is set on those of which storage could not tell, and on a
 * tag that is not there but about to be put back: they are as they were. */
struct rsw_member_item {
    enum rsw_member_kind kind;
    uint32_t repo;
    uint32_t blob;
    bool failed;
    bool unseen; /* in: a list that should have had it did not … */
    bool lacked; /* … out: and it is there, as rsw_reading_lacks has it */
};
int rsw_settle_members(struct rsw_reading *reading, struct rsw_member_item *items, size_t count,
                       struct rsw_error *err);
struct rsw_tag_item {
    uint32_t repo;
    char name[RSW_TAG_NAME_MAX + 1];
    bool wait_if_empty; /* an empty link may be one that is just being written: counts as failed */
    bool failed;
    bool unseen, lacked; /* likewise */
};
int rsw_settle_tags(struct rsw_reading *reading, struct rsw_tag_item *items, size_t count,
                    struct rsw_error *err);
struct rsw_history_item {
    uint32_t repo;
    uint32_t manifest;
    char tag[RSW_TAG_NAME_MAX + 1];
    bool failed;
};
int rsw_settle_history(struct rsw_reading *reading, struct rsw_history_item *items, size_t count,
                       struct rsw_error *err);
/* Drops an upload that storage does not have any more, unless it was claimed above `seq`, which was read
 * before. Where storage cannot tell it stays. No transaction may be open. 0 or -1. */
int rsw_settle_upload(struct rsw_index *index, struct rsw_storage *storage, const struct rsw_repo *repo,
                      const char *id, uint64_t seq, struct rsw_error *err);
/* Looks for the signatures of these revisions, adds what is there, drops what is not. */
int rsw_settle_signatures(struct rsw_reading *reading, const struct rsw_repo *repo, const uint32_t *revisions,
                          size_t count, struct rsw_error *err);
/* True for a revision that may have schema 1 signatures. Needs a transaction. */
bool rsw_may_have_signatures(struct rsw_txn *txn, uint32_t revision);

/* Blobs with these ids, first … end - 1: those not seen since `noted`, if blobs were listed, and those that
 * something names but whose data is missing. */
int rsw_reconcile_blobs(struct rsw_reading *reading, uint32_t first, uint32_t end, uint64_t noted,
                        struct rsw_error *err);

#endif
