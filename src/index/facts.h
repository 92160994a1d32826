/* Facts: what events and scans claim about storage, written into the index in one way, so that an index from
 * events equals an index from a scan. All need a write transaction; errors are sticky in it. */
#ifndef REGSWEEP_INDEX_FACTS_H
#define REGSWEEP_INDEX_FACTS_H

#include "index/index.h"

#define RSW_SIZE_UNKNOWN UINT64_MAX

/* Storage has this blob's data. Sets PRESENT and size, clears missing_since and GONE. Gives its id, 0 on
 * failure. */
uint32_t rsw_fact_blob(struct rsw_txn *txn, const struct rsw_digest *digest, uint64_t size, int64_t now_ms);
/* Storage has this repository. */
uint32_t rsw_fact_repo(struct rsw_txn *txn, const char *name, int64_t now_ms);
/* Storage has this link or revision: sets PRESENT, moves touched_ms forward (never back), renews the seq.
 * From storage itself with SEEN in its flags; without it, from an event, what storage said of the link's
 * content (target, BAD) stays. One that was not there before is a touch (index.h), whoever finds it. */
void rsw_fact_member(struct rsw_txn *txn, enum rsw_member_kind kind, const struct rsw_member *member);
/* A client was told that it exists: moves touched_ms forward if that is at least `step_ms`; a record that is
 * absent or a tombstone becomes PRESENT. True if anything was written. A repeat within the step does not
 * renew the seq either, so an absence found since the last renewal takes the record back: pass step 0 for a
 * push or mount, which may have made the link anew, and a step only for what finds it in place, as a pull
 * does. */
bool rsw_fact_touch(struct rsw_txn *txn, enum rsw_member_kind kind, uint32_t repo, uint32_t blob,
                    int64_t now_ms, int64_t step_ms);
/* An event says that this tag was set to that manifest: head, history, UNSETTLED, and a check due at due_ms.
 */
void rsw_fact_tag_event(struct rsw_txn *txn, uint32_t repo, const char *tag, uint32_t manifest,
                        int64_t now_ms, int64_t due_ms);
/* Storage was asked and has no such link or revision: clears PRESENT unless the record was claimed after seq
 * `looked`. A tombstone remains if storage ever was seen to have it, or has its empty folder still
 * (`folder`); what only an event told of is dropped, for whoever can send events must not be able to make
 * evidence. */
void rsw_fact_member_absent(struct rsw_txn *txn, enum rsw_member_kind kind, uint32_t repo, uint32_t blob,
                            uint64_t looked, bool folder);
/* Storage was asked and does not have this blob's data: clears PRESENT unless claimed after `looked`; notes
 * since when. `final`: the registry is stopped, or this is the second look a settle later: sets GONE on one
 * wanted as a manifest. */
void rsw_fact_blob_absent(struct rsw_txn *txn, uint32_t blob_id, uint64_t looked, int64_t now_ms, bool final);
/* Storage was asked and could not tell: clears GONE, for a lookup that failed is no absence. */
void rsw_fact_blob_unknown(struct rsw_txn *txn, uint32_t blob_id);

#endif
