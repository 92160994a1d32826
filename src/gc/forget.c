#include "gc/forget.h"

#include "gc/decide.h"
#include "storage/layout.h"
#include "util/grow.h"
#include "util/log.h"

#include <stdlib.h>

#define FORGET_BATCH 64 /* pairs between two looks at what was touched meanwhile */

struct pair {
    struct rsw_item item;
    struct rsw_repo repo;
    struct rsw_digest digest;
    bool stays;
};

struct batch {
    struct pair pairs[FORGET_BATCH];
    size_t count;
    struct rsw_cached asked[FORGET_BATCH]; /* those that do not stay, in their order */
    struct rsw_look looks[FORGET_BATCH];
    char keys[FORGET_BATCH][RSW_KEY_MAX];
};

/* The next links and revisions that were taken and that nobody touched: a DELETE would take what was given
 * back. */
static int load(struct batch *batch, struct rsw_online *online, uint64_t id, enum rsw_item_kind kind,
                struct rsw_item *last, bool *begun, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_item item;
    struct rsw_blob blob;
    batch->count = 0;
    if (rsw_txn_begin_read(&txn, online->index, err) != 0) {
        return -1;
    }
    if (*begun) {
        rsw_iter_items_after(&iter, txn, last);
    } else {
        rsw_iter_items(&iter, txn, id, kind);
    }
    while (batch->count < FORGET_BATCH && rsw_item_next(&iter, &item) == RSW_FOUND) {
        struct pair *to = &batch->pairs[batch->count];
        *last = item;
        *begun = true;
        if (item.state == RSW_ITEM_ASIDE && (item.flags & RSW_ITEM_TOUCHED) == 0 &&
            rsw_repo_get(txn, item.repo, &to->repo) == RSW_FOUND &&
            rsw_blob_get(txn, item.blob, &blob) == RSW_FOUND) {
            to->item = item;
            to->digest = blob.digest;
            batch->count++;
        }
    }
    return rsw_txn_failed(txn, err) ? -1 : 0;
}

/* What was touched while we asked may have been in place, and gone with our DELETE: it is given back anew. */
static int give_back_after(struct rsw_online *online, const struct batch *batch, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_write(&txn, online->index, err) != 0) {
        return -1;
    }
    bool any = false;
    for (size_t i = 0; i < batch->count; i++) {
        struct rsw_item current = batch->pairs[i].item;
        bool found = rsw_item_get(txn, &current) == RSW_FOUND;
        if (found && (batch->pairs[i].stays || (current.flags & RSW_ITEM_TOUCHED) != 0)) {
            any = rsw_touch_item(txn, &current, true) || any;
        }
    }
    if (rsw_txn_commit(&txn, err) != 0) {
        return -1;
    }
    return any ? rsw_online_give_back(online, err) : 0;
}

/* A DELETE removes the layer link, also that of a manifest which somebody pushed as a layer: that one is no
 * item of the generation. While a link is in place, or nobody knows, nothing is asked for, and it stays. One
 * that is pushed between this look and the DELETE is written anew when its event comes in (revive.c). */
static void look_for_links(struct batch *batch, struct rsw_online *online) {
    size_t count = 0;
    for (size_t i = 0; i < batch->count; i++) {
        struct pair *pair = &batch->pairs[i];
        const char *key = rsw_key_layer_link(batch->keys[count], pair->repo.name, &pair->digest);
        pair->stays = key == NULL;
        if (key != NULL) {
            batch->looks[count++] = (struct rsw_look){.key = key};
        }
    }
    rsw_storage_look_listed(online->storage, batch->looks, count);
    const struct rsw_look *look = batch->looks;
    for (size_t i = 0; i < batch->count; i++) {
        if (!batch->pairs[i].stays) {
            batch->pairs[i].stays = look++->answer != RSW_ABSENT;
        }
    }
}

static void count_known(struct rsw_known *known, const struct rsw_online *online,
                        const struct rsw_cached *asked) {
    char name[RSW_REPLICA_NAME_MAX];
    char digest[RSW_DIGEST_TEXT_MAX];
    known->count++;
    if (known->to_name > 0) {
        known->to_name--;
        rsw_log(online->options->log, RSW_LOG_WARNING, "%s knew %s@%s",
                rsw_replica_name(online->replicas, asked->knower, name, sizeof name), asked->repo,
                rsw_digest_format(asked->digest, digest));
    }
}

/* 0 or -1: whether it still knows it cannot be told. */
static int judge(struct pair *pair, const struct rsw_cached *asked, struct rsw_online *online,
                 struct rsw_known *known, struct rsw_error *err) {
    if (asked->answer == RSW_FOUND) {
        count_known(known, online, asked);
    }
    if (asked->answer != RSW_FAILED) {
        return 0;
    }
    pair->stays = asked->err.code == RSW_EACCESS;
    if (!pair->stays) {
        return rsw_error_set(err, asked->err.code, asked->err.errnum, "%s", asked->err.message);
    }
    rsw_log(online->options->log, RSW_LOG_WARNING,
            "%s: what it caches there cannot be cleared, so it stays: %s", asked->repo, asked->err.message);
    return 0;
}

static int ask(struct batch *batch, struct rsw_online *online, struct rsw_known *known,
               struct rsw_error *err) {
    size_t count = 0;
    int rc = 0;
    look_for_links(batch, online);
    for (size_t i = 0; i < batch->count; i++) {
        const struct pair *pair = &batch->pairs[i];
        if (!pair->stays) {
            batch->asked[count++] = (struct rsw_cached){.repo = pair->repo.name,
                                                        .digest = &pair->digest,
                                                        .manifest = pair->item.kind == RSW_ITEM_REVISION};
        }
    }
    if (count > 0) {
        online->replicas->ops->forget(online->replicas, batch->asked, count);
    }
    const struct rsw_cached *asked = batch->asked;
    for (size_t i = 0; i < batch->count; i++) {
        if (!batch->pairs[i].stays && judge(&batch->pairs[i], asked++, online, known, err) != 0) {
            rc = -1;
        }
    }
    return rc;
}

int rsw_forget(struct rsw_online *online, uint64_t id, enum rsw_item_kind kind, struct rsw_known *known,
               struct rsw_error *err) {
    struct batch *batch = calloc(1, sizeof *batch);
    struct rsw_item last;
    int rc = 0;
    if (batch == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    for (bool begun = false; rc == 0;) {
        rc = load(batch, online, id, kind, &last, &begun, err);
        if (rc != 0 || batch->count == 0) {
            break;
        }
        struct rsw_error first = RSW_ERROR_INIT;
        int asked = ask(batch, online, known, &first);
        rc = give_back_after(online, batch, err); /* whatever became of it */
        if (asked != 0 && rc == 0) {
            *err = first;
            rc = -1;
        }
        rc = rc == 0 ? rsw_sweep_go_on(online->options, err) : rc;
    }
    free(batch);
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
