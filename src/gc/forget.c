#include "gc/forget.h"

#include "storage/layout.h"
#include "util/grow.h"
#include "util/log.h"

#include <stdlib.h>

#define FORGET_BATCH 64 /* pairs between two looks at what was touched meanwhile */

struct pair {
    struct rsw_item item;
    struct rsw_repo repo;
    struct rsw_digest digest;
};

/* The next links and revisions that were taken and that nobody touched. */
static int load_pairs(struct rsw_online *online, uint64_t id, enum rsw_item_kind kind, struct pair *pairs,
                      size_t *count, struct rsw_item *last, bool *begun, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_blob blob;
    *count = 0;
    if (rsw_txn_begin_read(&txn, online->index, err) != 0) {
        return -1;
    }
    if (*begun) {
        rsw_iter_items_after(&iter, txn, last);
    } else {
        rsw_iter_items(&iter, txn, id, kind);
    }
    struct pair *to = pairs;
    while (*count < FORGET_BATCH && rsw_item_next(&iter, &to->item) == RSW_FOUND) {
        *last = to->item;
        *begun = true;
        if (to->item.state == RSW_ITEM_ASIDE && (to->item.flags & RSW_ITEM_TOUCHED) == 0 &&
            rsw_repo_get(txn, to->item.repo, &to->repo) == RSW_FOUND &&
            rsw_blob_get(txn, to->item.blob, &blob) == RSW_FOUND) {
            to->digest = blob.digest;
            to = &pairs[++*count];
        }
    }
    return rsw_txn_failed(txn, err) ? -1 : 0;
}

static int is_touched(struct rsw_online *online, const struct rsw_item *item, bool *touched,
                      struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    struct rsw_item current = *item;
    if (rsw_txn_begin_read(&txn, online->index, err) != 0 || rsw_item_get(txn, &current) == RSW_FAILED) {
        rsw_txn_failed(txn, err);
        return -1;
    }
    *touched = (current.flags & RSW_ITEM_TOUCHED) != 0;
    return 0;
}

/* What was touched while we asked may have been in place, and gone with our DELETE: it is given back anew. */
static int give_back_after(struct rsw_online *online, const struct pair *pairs, size_t count,
                           struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_write(&txn, online->index, err) != 0) {
        return -1;
    }
    bool any = false;
    for (size_t i = 0; i < count; i++) {
        struct rsw_item current = pairs[i].item;
        if (rsw_item_get(txn, &current) == RSW_FOUND && (current.flags & RSW_ITEM_TOUCHED) != 0) {
            any = rsw_touch_item(txn, &current, true) || any;
        }
    }
    if (rsw_txn_commit(&txn, err) != 0) {
        return -1;
    }
    return any ? rsw_online_give_back(online, err) : 0;
}

/* It stays this time. */
static int keep(struct rsw_online *online, const struct rsw_item *item, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_write(&txn, online->index, err) != 0) {
        return -1;
    }
    rsw_touch_item(txn, item, true);
    return rsw_txn_commit(&txn, err);
}

/* A DELETE removes the layer link, also that of a manifest which somebody pushed as a layer: that one is no
 * item of the generation. While a link is in place, or nobody knows, nothing is asked for. One that is pushed
 * between this look and the DELETE is written anew when its event comes in (revive.c). */
static bool has_link(const struct rsw_online *online, const struct pair *pair) {
    char key[RSW_KEY_MAX];
    struct rsw_look look = {.key = rsw_key_layer_link(key, pair->repo.name, &pair->digest)};
    if (look.key == NULL) {
        return true;
    }
    rsw_storage_look(online->storage, &look, 1);
    return look.answer != RSW_ABSENT;
}

static void count(struct rsw_known *known, const struct rsw_online *online, const struct pair *pair) {
    char name[RSW_REPLICA_NAME_MAX];
    char digest[RSW_DIGEST_TEXT_MAX];
    known->count++;
    if (known->to_name > 0) {
        known->to_name--;
        rsw_log(online->options->log, RSW_LOG_WARNING, "%s knew %s@%s",
                rsw_replica_name(online->replicas, online->replicas->knower, name, sizeof name),
                pair->repo.name, rsw_digest_format(&pair->digest, digest));
    }
}

static int forget_pair(struct rsw_online *online, const struct pair *pair, struct rsw_known *known,
                       struct rsw_error *err) {
    bool touched;
    if (is_touched(online, &pair->item, &touched, err) != 0) {
        return -1;
    }
    if (touched) {
        return 0; /* a DELETE would take what was given back */
    }
    if (has_link(online, pair)) {
        return keep(online, &pair->item, err);
    }
    struct rsw_error why = RSW_ERROR_INIT;
    int answer = online->replicas->ops->forget(online->replicas, pair->repo.name, &pair->digest,
                                               pair->item.kind == RSW_ITEM_REVISION, &why);
    if (answer == RSW_FAILED && why.code == RSW_EACCESS) {
        rsw_log(online->options->log, RSW_LOG_WARNING,
                "%s: what it caches there cannot be cleared, so it stays: %s", pair->repo.name, why.message);
        return keep(online, &pair->item, err);
    }
    if (answer == RSW_FAILED) {
        *err = why;
        return -1;
    }
    if (answer == RSW_FOUND) {
        count(known, online, pair);
    }
    return 0;
}

static int forget_pairs(struct rsw_online *online, const struct pair *pairs, size_t count,
                        struct rsw_known *known, struct rsw_error *err) {
    for (size_t i = 0; i < count; i++) {
        if (forget_pair(online, &pairs[i], known, err) != 0) {
            return -1;
        }
    }
    return 0;
}

int rsw_forget(struct rsw_online *online, uint64_t id, enum rsw_item_kind kind, struct rsw_known *known,
               struct rsw_error *err) {
    struct pair *pairs = calloc(FORGET_BATCH + 1, sizeof *pairs);
    struct rsw_item last;
    size_t count;
    int rc = 0;
    if (pairs == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    for (bool begun = false; rc == 0;) {
        rc = load_pairs(online, id, kind, pairs, &count, &last, &begun, err);
        if (rc != 0 || count == 0) {
            break;
        }
        struct rsw_error first = RSW_ERROR_INIT;
        int asked = forget_pairs(online, pairs, count, known, &first);
        rc = give_back_after(online, pairs, count, err); /* whatever became of it */
        if (asked != 0 && rc == 0) {
            *err = first;
            rc = -1;
        }
        if (rc == 0 && online->options->stopped != NULL && online->options->stopped(online->options->arg)) {
            rc = rsw_error_set(err, RSW_ESTOPPED, 0, "stopped; the next sweep goes on with what is left");
        }
    }
    free(pairs);
    return rc;
}

/* ---- bytes ---- */

struct hidden {
    struct rsw_digest *digests; /* owned */
    size_t count, room;
};

static int gather_hidden(struct hidden *out, struct rsw_online *online, uint64_t id, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_item item;
    if (rsw_txn_begin_read(&txn, online->index, err) != 0) {
        return -1;
    }
    rsw_iter_items(&iter, txn, id, RSW_ITEM_BLOB);
    while (rsw_item_next(&iter, &item) == RSW_FOUND) {
        struct rsw_digest *more = rsw_grown(out->digests, &out->room, out->count + 1, sizeof *more);
        if (more == NULL) {
            return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
        }
        out->digests = more;
        if (item.state == RSW_ITEM_ASIDE && rsw_blob_digest(txn, item.blob, &more[out->count]) == RSW_FOUND) {
            out->count++;
        }
    }
    return rsw_txn_failed(txn, err) ? -1 : 0;
}

int rsw_forget_hidden(struct rsw_online *online, uint64_t generation, struct rsw_error *err) {
    struct hidden hidden = {.count = 0};
    if (online->replicas->cache != RSW_CACHE_REDIS || online->replicas->ops->forget_bytes == NULL) {
        return 0;
    }
    int rc = gather_hidden(&hidden, online, generation, err);
    for (size_t i = 0; rc == 0 && i < hidden.count; i++) {
        rc = online->replicas->ops->forget_bytes(online->replicas, &hidden.digests[i], err) == RSW_FAILED ? -1
                                                                                                          : 0;
    }
    free(hidden.digests);
    return rc;
}
