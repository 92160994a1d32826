#include "scan/manifests.h"

#include "util/grow.h"

#include <stdlib.h>
#include <string.h>

int rsw_manifest_queue_add(struct rsw_manifest_queue *queue, const struct rsw_digest *digest,
                           struct rsw_error *err) {
    struct rsw_digest *grown = rsw_grown(queue->digests, &queue->room, queue->count + 1, sizeof *grown);
    if (grown == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    queue->digests = grown;
    queue->digests[queue->count++] = *digest;
    return 0;
}

void rsw_manifest_queue_release(struct rsw_manifest_queue *queue) {
    free(queue->digests);
    memset(queue, 0, sizeof *queue);
}

int rsw_batch_hand_on(struct rsw_reading *reading, struct rsw_batch **batch, bool now,
                      struct rsw_error *err) {
    if ((*batch)->weight < (now ? 1u : RSW_BATCH_RECORDS)) {
        return 0;
    }
    struct rsw_batch *full = *batch;
    struct rsw_batch *next = rsw_batch_new(full->has_repo ? full->repo : NULL, full->looked, err);
    if (next == NULL) {
        return -1;
    }
    next->odd = full->odd;
    *batch = next;
    rsw_batch_sort(full);
    return reading->emit(reading->to, full, err);
}

/* The children of an index that the index of ours knows already: they may be unread all the same, if they
 * were not there when it was parsed. */
static int add_known_children(struct rsw_txn *txn, uint32_t id, struct rsw_manifest_queue *queue,
                              struct rsw_error *err) {
    struct rsw_refs refs;
    if (rsw_refs_get(txn, id, &refs) != RSW_FOUND) {
        return 0;
    }
    for (uint32_t i = 0; i < refs.count; i++) {
        struct rsw_blob child;
        if (rsw_refs_kind(&refs, i) == RSW_REF_CHILD &&
            rsw_blob_get(txn, rsw_refs_child(&refs, i), &child) == RSW_FOUND &&
            rsw_manifest_queue_add(queue, &child.digest, err) != 0) {
            return -1;
        }
    }
    return 0;
}

/* Takes up to RSW_LOOK_MANIFESTS_MAX that need to be read off the end of the queue. The transaction is short.
 */
static int choose(struct rsw_reading *reading, struct rsw_manifest_queue *queue,
                  struct rsw_seen_manifest *seen, size_t *count, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_read(&txn, reading->index, err) != 0) {
        return -1;
    }
    *count = 0;
    while (queue->count > 0 && *count < RSW_LOOK_MANIFESTS_MAX) {
        struct rsw_digest digest = queue->digests[--queue->count];
        int mine = rsw_claims_add(&reading->manifests, &digest, err);
        if (mine < 0) {
            return -1;
        }
        if (mine == 0) {
            continue;
        }
        struct rsw_blob blob;
        if (rsw_blob_find(txn, &digest, &blob) == RSW_FOUND && (blob.flags & RSW_BLOB_PARSED) != 0) {
            if ((blob.types & RSW_TYPE_INDEX) != 0 && add_known_children(txn, blob.id, queue, err) != 0) {
                return -1;
            }
            continue;
        }
        seen[(*count)++].digest = digest;
    }
    return rsw_txn_failed(txn, err) ? -1 : 0;
}

static void tell(struct rsw_reading *reading, const struct rsw_seen_manifest *seen, const char *where) {
    char text[RSW_DIGEST_TEXT_MAX];
    rsw_digest_format(&seen->digest, text);
    if (seen->state == RSW_MANIFEST_FAILED) {
        atomic_store(&reading->manifests_failed, true);
        rsw_reading_problem(
            reading,
            "%s: manifest %s could not be read (%s): it and all that its repository links is kept; "
            "make it readable and scan again",
            where, text, seen->problem);
    } else if (seen->state == RSW_MANIFEST_UNREADABLE) {
        rsw_reading_problem(
            reading,
            "%s: manifest %s is damaged (%s): it and all that its repository links is kept; push "
            "it again or delete it",
            where, text, seen->problem);
    } else if (seen->state == RSW_MANIFEST_READ) {
        rsw_count(&reading->manifests_read, 1);
    }
}

/* Hands what was read over to the batch, and the children of indexes to the queue. */
static int keep(struct rsw_batch *batch, struct rsw_seen_manifest *seen, struct rsw_manifest_queue *queue,
                struct rsw_error *err) {
    for (size_t i = 0; i < seen->manifest.ref_count; i++) {
        const struct rsw_ref *ref = &seen->manifest.refs[i];
        if (ref->kind == RSW_REF_CHILD && rsw_manifest_queue_add(queue, &ref->digest, err) != 0) {
            return -1;
        }
    }
    struct rsw_seen_manifest *kept = rsw_batch_manifest(batch, err);
    if (kept == NULL) {
        return -1;
    }
    batch->weight += seen->manifest.ref_count;
    *kept = *seen;
    memset(&seen->manifest, 0, sizeof seen->manifest); /* the batch owns it now */
    return 0;
}

static int read_some(struct rsw_reading *reading, struct rsw_manifest_queue *queue, struct rsw_batch **batch,
                     struct rsw_seen_manifest *seen, const char *where, struct rsw_error *err) {
    size_t count;
    if (choose(reading, queue, seen, &count, err) != 0) {
        return -1;
    }
    if (count > 0 && rsw_look_manifests(reading->storage, seen, count, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        tell(reading, &seen[i], where);
        if (keep(*batch, &seen[i], queue, err) != 0) {
            return -1;
        }
    }
    return rsw_batch_hand_on(reading, batch, false, err);
}

int rsw_manifests_read(struct rsw_reading *reading, struct rsw_manifest_queue *queue,
                       struct rsw_batch **batch, const char *where, struct rsw_error *err) {
    while (queue->count > 0) {
        if (rsw_reading_stopped(reading, err)) {
            return -1;
        }
        struct rsw_seen_manifest seen[RSW_LOOK_MANIFESTS_MAX];
        memset(seen, 0, sizeof seen);
        int rc = read_some(reading, queue, batch, seen, where, err);
        for (size_t i = 0; i < RSW_LOOK_MANIFESTS_MAX; i++) {
            rsw_manifest_release(&seen[i].manifest);
        }
        if (rc != 0) {
            return -1;
        }
    }
    return 0;
}
