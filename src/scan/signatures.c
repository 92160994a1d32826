/* Schema 1 signatures: links below a revision, which only few and old manifests have. */
#include "scan/reconcile.h"

#include "storage/layout.h"

#include <string.h>

/* A schema 1 manifest names layers and no config; all newer images name one. What could not be parsed may be
 * a schema 1 manifest too. */
bool rsw_may_have_signatures(struct rsw_txn *txn, uint32_t revision) {
    struct rsw_blob blob;
    struct rsw_refs refs;
    if (rsw_blob_get(txn, revision, &blob) != RSW_FOUND || (blob.types & RSW_TYPE_INDEX) != 0) {
        return false;
    }
    if (rsw_refs_get(txn, revision, &refs) != RSW_FOUND) {
        return true;
    }
    for (uint32_t i = 0; i < refs.count; i++) {
        if (rsw_refs_kind(&refs, i) == RSW_REF_CONFIG) {
            return false;
        }
    }
    return true;
}

/* ---- reading them ---- */

struct signatures {
    struct rsw_reading *reading;
    const char *prefix; /* of the listing */
    struct rsw_batch *batch;
    struct rsw_error *err;
};

static enum rsw_descend descend(void *arg, const char *dir_key, const char **leaf) {
    const struct signatures *s = arg;
    *leaf = "link";
    return strchr(dir_key + strlen(s->prefix) + 1, '/') == NULL ? RSW_DESCEND : RSW_DESCEND_PROBE;
}

static int page(void *arg, const struct rsw_entry *entries, size_t count, struct rsw_error *err) {
    struct signatures *s = arg;
    for (size_t i = 0; i < count; i++) {
        struct rsw_path path;
        rsw_path_parse(&path, entries[i].key);
        if (path.place != RSW_PLACE_SIGNATURE_LINK || entries[i].answer == RSW_ABSENT) {
            rsw_reading_unseen(s->reading, &entries[i]); /* a signature may be behind it */
            continue;
        }
        struct rsw_seen_signature *signature = rsw_batch_signature(s->batch, s->err);
        if (signature == NULL) {
            return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
        }
        signature->revision = path.digest;
        signature->signature = path.digest2;
    }
    return 0;
}

/* Into the batch. */
static int read_signatures(struct rsw_reading *reading, struct rsw_batch *batch,
                           const struct rsw_digest *revision, struct rsw_error *err) {
    char key[RSW_KEY_MAX];
    if (rsw_key_revision_link(key, batch->repo, revision) == NULL) {
        return 0;
    }
    char *leaf = strrchr(key, '/');
    if ((size_t)(leaf - key) + sizeof "/signatures" > sizeof key) {
        return 0;
    }
    memcpy(leaf, "/signatures", sizeof "/signatures");
    struct signatures s = {.reading = reading, .prefix = key, .batch = batch, .err = err};
    struct rsw_error why = RSW_ERROR_INIT;
    struct rsw_listing listing = {.prefix = key, .descend = descend, .page = page, .arg = &s};
    if (rsw_storage_list(reading->storage, &listing, &why) == RSW_FAILED) {
        if (why.code == RSW_ENOMEM) {
            return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
        }
        rsw_reading_unread(reading, key, why.message);
    }
    return 0;
}

/* ---- bringing the index to what was read ---- */

static bool was_seen(const struct rsw_batch *batch, const struct rsw_digest *signature) {
    for (size_t i = 0; i < batch->signature_count; i++) {
        if (rsw_digest_equal(&batch->signatures[i].signature, signature)) {
            return true;
        }
    }
    return false;
}

#define KNOWN_MAX 64

/* Signatures that the index has of this revision and the listing did not show. */
static int known_unseen(struct rsw_reading *reading, uint32_t repo, uint32_t revision,
                        const struct rsw_batch *batch, uint32_t ids[KNOWN_MAX],
                        struct rsw_digest digests[KNOWN_MAX], size_t *count, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_read(&txn, reading->index, err) != 0) {
        return -1;
    }
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    rsw_iter_signatures(&iter, txn, repo, revision);
    *count = 0;
    uint32_t of, signature;
    while (*count < KNOWN_MAX && rsw_signature_next(&iter, &of, &signature) == RSW_FOUND) {
        struct rsw_blob blob;
        if (rsw_blob_get(txn, signature, &blob) == RSW_FOUND && !was_seen(batch, &blob.digest)) {
            ids[*count] = signature;
            digests[(*count)++] = blob.digest;
        }
    }
    return rsw_txn_failed(txn, err) ? -1 : 0;
}

static int drop_unseen(struct rsw_reading *reading, const struct rsw_repo *repo, uint32_t revision,
                       const struct rsw_digest *digest, const struct rsw_batch *batch,
                       struct rsw_error *err) {
    uint32_t ids[KNOWN_MAX];
    struct rsw_digest digests[KNOWN_MAX];
    size_t count;
    if (known_unseen(reading, repo->id, revision, batch, ids, digests, &count, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        struct rsw_link_look look;
        if (rsw_key_signature_link(look.key, repo->name, digest, &digests[i]) == NULL) {
            continue;
        }
        if (rsw_look_links(reading->storage, &look, 1, err) != 0) {
            return -1;
        }
        if (look.seen.answer != RSW_ABSENT) {
            continue;
        }
        RSW_AUTO_TXN txn = NULL;
        if (rsw_txn_begin_write(&txn, reading->index, err) != 0) {
            return -1;
        }
        rsw_signature_drop(txn, repo->id, revision, ids[i]);
        if (rsw_txn_commit(&txn, err) != 0) {
            return -1;
        }
    }
    return 0;
}

static int write_seen(struct rsw_reading *reading, const struct rsw_batch *batch, uint32_t repo,
                      struct rsw_error *err) {
    if (batch->signature_count == 0) {
        return 0;
    }
    RSW_AUTO_TXN txn = NULL;
    struct rsw_apply apply = {.now_ms = rsw_clock_now_ms(reading->clock)};
    if (rsw_txn_begin_write(&txn, reading->index, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < batch->signature_count; i++) {
        rsw_apply_signature(txn, repo, &batch->signatures[i], &apply);
    }
    return rsw_txn_commit(&txn, err);
}

static int digest_of(struct rsw_reading *reading, uint32_t id, struct rsw_digest *out,
                     struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    struct rsw_blob blob;
    if (rsw_txn_begin_read(&txn, reading->index, err) != 0) {
        return RSW_FAILED;
    }
    int answer = rsw_blob_get(txn, id, &blob);
    *out = blob.digest;
    return answer == RSW_FAILED ? (rsw_txn_failed(txn, err), RSW_FAILED) : answer;
}

int rsw_settle_signatures(struct rsw_reading *reading, const struct rsw_repo *repo, const uint32_t *revisions,
                          size_t count, struct rsw_error *err) {
    for (size_t i = 0; i < count; i++) {
        struct rsw_digest digest;
        int answer = digest_of(reading, revisions[i], &digest, err);
        if (answer != RSW_FOUND) {
            if (answer == RSW_FAILED) {
                return -1;
            }
            continue;
        }
        if (rsw_reading_stopped(reading, err)) {
            return -1;
        }
        struct rsw_batch *batch = rsw_batch_new(repo->name, 0, err);
        int rc = batch == NULL ? -1 : read_signatures(reading, batch, &digest, err);
        rc = rc == 0 ? write_seen(reading, batch, repo->id, err) : rc;
        rc = rc == 0 ? drop_unseen(reading, repo, revisions[i], &digest, batch, err) : rc;
        rsw_batch_free(batch);
        if (rc != 0) {
            return -1;
        }
    }
    return 0;
}
