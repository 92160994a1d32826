/* Removal: takes a batch of condemned objects out of storage, then out of the index. Internal to gc.
 *
 * A batch goes through four steps, so that storage is never asked inside a transaction and the index never
 * says more than storage has done: load (read transaction), the audit by the caller, remove (storage alone),
 * record (the caller's write transaction). Every step may be repeated: what is gone is gone.
 */
#ifndef REGSWEEP_GC_REMOVAL_H
#define REGSWEEP_GC_REMOVAL_H

#include "index/index.h"
#include "storage/storage.h"

#include <regsweep/sweep.h>

#include <errno.h>

#define RSW_BATCH_MAX 1000

/* An object can be several files, and a run can end between any two of them. What tells a later scan that the
 * object is still to be removed goes after the rest of it, and only if all the rest went: the link of a
 * revision, the `current` of a tag (without it everything in the tag's history counts as its head), the
 * `startedat` of an upload (without it the upload stays for ever). */
enum rsw_removal_turn {
    RSW_TURN_PART,
    RSW_TURN_NAME,
    RSW_TURN_DIR, /* an emptied directory: removed if it is empty, and no matter if not */
};

struct rsw_removal_item {
    struct rsw_item item;
    struct rsw_repo repo;     /* id 0 for a blob */
    struct rsw_digest digest; /* alg 0 for repository and upload */
    uint32_t types;
    int answer; /* of the removal: RSW_FOUND removed, RSW_ABSENT was gone, RSW_FAILED see errnum; ENOTEMPTY:
                   left because something else lies there */
    int errnum;
};

struct rsw_removal_batch {
    struct rsw_removal_item items[RSW_BATCH_MAX];
    size_t count;
    size_t limit; /* of count, when it is loaded: RSW_BATCH_MAX, or fewer */
    bool late;    /* storage may carry out a removal yet (storage.h), of this batch or one before */
    char *keys;   /* owned: keys to remove, each with its NUL */
    size_t keys_len, keys_room;
    struct rsw_removal_key {
        size_t key;    /* offset into keys */
        uint32_t item; /* whose */
        enum rsw_removal_turn turn;
    } * plan;
    size_t plan_count, plan_room;
};

/* An item in words, borrowed from it. */
void rsw_removal_describe(struct rsw_sweep_item *out, const struct rsw_removal_item *item);
/* "revision a/b@sha256:…", "tag a/b@sha256:…:1", for messages. Returns `text`. */
#define RSW_REMOVAL_NAME_MAX (RSW_REPO_NAME_MAX + RSW_DIGEST_TEXT_MAX + RSW_TAG_NAME_MAX + 32)
const char *rsw_removal_name(const struct rsw_removal_item *item, char *text, size_t size);
/* Storage does not show it any more: the index says so. Needs a write transaction (sticky errors). */
void rsw_removal_absent(struct rsw_txn *txn, const struct rsw_item *item);
/* What the index still knows of a revision that is gone for good: signatures, its entries in the history of
 * tags. Likewise. */
void rsw_removal_forget_revision(struct rsw_txn *txn, const struct rsw_item *item);
/* A fresh, empty one. NULL: out of memory. */
struct rsw_removal_batch *rsw_removal_batch_new(void);
void rsw_removal_batch_free(struct rsw_removal_batch *batch);

void rsw_removal_batch_clear(struct rsw_removal_batch *batch);
/* Adds one item, whatever its state, to a batch that has fewer than RSW_BATCH_MAX, with names and keys. Needs
 * a transaction. */
int rsw_removal_batch_add(struct rsw_removal_batch *batch, struct rsw_txn *txn, const struct rsw_item *from,
                          struct rsw_error *err);
/* Fills the batch with the next pending items of a kind behind `after` (NULL: from the first), with names and
 * keys. Needs a read transaction. Of an online generation those that were touched are passed over. -1 with
 * RSW_EREFUSED: an object of an offline one was claimed by an event after the mark: somebody pushes. An empty
 * batch: none is left. A blob that the index still has linked somewhere (its link or revision could not be
 * removed) gets its answer here: RSW_FAILED, EBUSY. */
int rsw_removal_batch_load(struct rsw_removal_batch *batch, struct rsw_txn *txn,
                           const struct rsw_generation *generation, enum rsw_item_kind kind,
                           const struct rsw_item *after, struct rsw_error *err);
/* Removes from storage; each item gets its answer. No transaction may be open. */
void rsw_removal_batch_remove(struct rsw_removal_batch *batch, struct rsw_storage *storage);
/* The folders that removed links leave empty in repositories that stay: rsw_folders_link. For a registry that
 * is stopped: one that runs may be about to use them. */
void rsw_removal_link_folders(const struct rsw_removal_batch *batch, struct rsw_storage *storage);
/* Writes into the index what storage answered, items' states included. Needs a write transaction (sticky
 * errors). */
void rsw_removal_batch_record(const struct rsw_removal_batch *batch, struct rsw_txn *txn);

/* Kept rather than failed: something else lies in it, or a link to it is still there. */
static inline bool rsw_removal_spared(int errnum) {
    return errnum == ENOTEMPTY || errnum == EBUSY;
}

#endif
