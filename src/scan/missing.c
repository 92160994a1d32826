/* Blobs whose data a scan did not see: those that the index held for there, and those that something names.
 */
#include "scan/reconcile.h"

#include "index/facts.h"
#include "storage/layout.h"

#include <stdlib.h>
#include <string.h>

struct page {
    size_t count;
    uint64_t looked;
    uint32_t ids[RSW_READING_PAGE];
    struct rsw_digest digests[RSW_READING_PAGE];
    bool unseen[RSW_READING_PAGE]; /* known before, and not in the list */
    struct rsw_look looks[RSW_READING_PAGE];
    char keys[RSW_READING_PAGE][RSW_KEY_MAX];
};

/* A referrer's subject, or a layer that clients fetch elsewhere, is no reason to miss something. */
static bool is_named(struct rsw_txn *txn, uint32_t id) {
    RSW_AUTO_ITER named = RSW_ITER_INIT;
    uint32_t manifest;
    enum rsw_ref_kind kind;
    rsw_iter_named_by(&named, txn, id);
    while (rsw_named_by_next(&named, &manifest, &kind) == RSW_FOUND) {
        if (kind != RSW_REF_SUBJECT && kind != RSW_REF_FOREIGN) {
            return true;
        }
    }
    return false;
}

static bool is_linked(struct rsw_txn *txn, enum rsw_member_kind kind, uint32_t id) {
    return rsw_member_anywhere(txn, kind, id, RSW_MEMBER_PRESENT) == RSW_FOUND;
}

static bool is_doubtful(struct rsw_txn *txn, const struct rsw_blob *blob, const struct rsw_reading *reading,
                        uint64_t noted) {
    if ((blob->flags & RSW_BLOB_PRESENT) != 0) {
        return reading->blobs_listed && blob->seq <= noted;
    }
    return is_named(txn, blob->id) || is_linked(txn, RSW_LINK, blob->id) ||
           is_linked(txn, RSW_REVISION, blob->id);
}

/* Goes on from *at; ends with a full page or at `end`. */
static int gather(struct rsw_reading *reading, struct page *page, uint32_t *at, uint32_t end, uint64_t noted,
                  struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_read(&txn, reading->index, err) != 0) {
        return -1;
    }
    page->looked = rsw_txn_seq(txn);
    page->count = 0;
    for (; *at < end && page->count < RSW_READING_PAGE; (*at)++) {
        struct rsw_blob blob;
        if (rsw_blob_get(txn, *at, &blob) != RSW_FOUND || !is_doubtful(txn, &blob, reading, noted)) {
            continue;
        }
        size_t i = page->count++;
        page->ids[i] = blob.id;
        page->digests[i] = blob.digest;
        page->unseen[i] = (blob.flags & RSW_BLOB_PRESENT) != 0 && blob.seq <= noted;
        memset(&page->looks[i], 0, sizeof page->looks[i]);
        page->looks[i].key = rsw_key_blob(page->keys[i], &blob.digest);
    }
    return rsw_txn_failed(txn, err) ? -1 : 0;
}

static void settle(struct rsw_txn *txn, struct rsw_reading *reading, const struct page *page, size_t i,
                   const struct rsw_apply *apply) {
    struct rsw_blob blob;
    const struct rsw_look *look = &page->looks[i];
    if (look->answer == RSW_FOUND && look->kind == RSW_ENTRY_FILE) {
        rsw_fact_blob(txn, &page->digests[i], look->size, apply->now_ms);
    } else if (look->answer == RSW_ABSENT) {
        if (rsw_blob_get(txn, page->ids[i], &blob) == RSW_FOUND && (blob.flags & RSW_BLOB_PRESENT) != 0 &&
            blob.seq <= page->looked) {
            rsw_count(&reading->vanished, 1);
        }
        rsw_apply_blob_absent(txn, page->ids[i], page->looked, apply);
    } else {
        rsw_reading_problem(reading, "'%s' could not be looked at (%s): what the index knows of it stays",
                            look->key == NULL ? "?" : look->key,
                            look->answer == RSW_FAILED ? rsw_storage_reason(look->errnum) : "not a file");
        rsw_fact_blob_unknown(txn, page->ids[i]);
    }
}

static int settle_page(struct rsw_reading *reading, struct page *page, struct rsw_error *err) {
    rsw_storage_look(reading->storage, page->looks, page->count);
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_write(&txn, reading->index, err) != 0) {
        return -1;
    }
    struct rsw_apply apply = rsw_reading_apply(reading);
    bool lacked = false;
    for (size_t i = 0; i < page->count; i++) {
        const struct rsw_look *look = &page->looks[i];
        lacked = lacked || (page->unseen[i] && rsw_reading_lacks(reading, look->answer, look->mtime_ms));
        settle(txn, reading, page, i, &apply);
    }
    if (lacked) {
        rsw_reading_lacked(reading, RSW_LAYOUT_BLOBS);
    }
    return rsw_txn_commit(&txn, err);
}

int rsw_reconcile_blobs(struct rsw_reading *reading, uint32_t first, uint32_t end, uint64_t noted,
                        struct rsw_error *err) {
    struct page *page = malloc(sizeof *page);
    if (page == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    int rc = 0;
    for (uint32_t at = first; rc == 0 && at < end;) {
        rc = rsw_reading_stopped(reading, err) ? -1 : gather(reading, page, &at, end, noted, err);
        if (rc == 0 && page->count > 0) {
            rc = settle_page(reading, page, err);
        }
    }
    free(page);
    return rc;
}
