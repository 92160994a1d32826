#include "gc/tidy.h"

#include "gc/deletions.h"
#include "storage/layout.h"
#include "util/bitmap.h"
#include "util/grow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIDY_BATCH 500

/* (repository, blob) pairs, or ids alone. */
struct pairs {
    struct pair {
        uint32_t repo;
        uint32_t blob;
    } * at; /* owned */
    size_t count, room;
};

static void pairs_release(struct pairs *pairs) {
    free(pairs->at);
}
#define AUTO_PAIRS __attribute__((cleanup(pairs_release))) struct pairs

static int add_pair(struct pairs *pairs, uint32_t repo, uint32_t blob, struct rsw_error *err) {
    struct pair *at = rsw_grown(pairs->at, &pairs->room, pairs->count + 1, sizeof *at);
    if (at == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory while tidying up");
    }
    pairs->at = at;
    at[pairs->count++] = (struct pair){repo, blob};
    return 0;
}

/* ---- tombstones ---- */

/* Does a referrer, or a weak tag, that is still here need to show that this was here? Without the evidence it
 * would become an ordinary revision or tag, which nothing lets go. */
static bool is_evidence(struct rsw_txn *txn, uint32_t repo, uint32_t subject) {
    static const char *const suffixes[] = {"", ".sig", ".att", ".sbom"};
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    rsw_iter_named_by(&iter, txn, subject);
    uint32_t referrer;
    enum rsw_ref_kind kind;
    struct rsw_member member;
    while (rsw_named_by_next(&iter, &referrer, &kind) == RSW_FOUND) {
        if (kind == RSW_REF_SUBJECT &&
            rsw_member_get(txn, RSW_REVISION, repo, referrer, &member) == RSW_FOUND &&
            (member.flags & RSW_MEMBER_PRESENT) != 0) {
            return true;
        }
    }
    struct rsw_blob blob;
    if (rsw_blob_get(txn, subject, &blob) != RSW_FOUND) {
        return true;
    }
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        char hex[RSW_DIGEST_TEXT_MAX];
        char name[RSW_TAG_NAME_MAX + 1];
        struct rsw_tag tag;
        snprintf(name, sizeof name, "%s-%s%s", rsw_alg_name(blob.digest.alg),
                 rsw_digest_hex(&blob.digest, hex), suffixes[i]);
        if (rsw_tag_get(txn, repo, name, &tag) == RSW_FOUND) {
            return true;
        }
    }
    return false;
}

static bool is_forgettable(struct rsw_txn *txn, enum rsw_member_kind kind, const struct rsw_member *member) {
    struct rsw_repo repo;
    if ((member->flags & RSW_MEMBER_PRESENT) != 0 || rsw_repo_get(txn, member->repo, &repo) != RSW_FOUND ||
        (repo.flags & RSW_REPO_ODD) != 0) {
        return false; /* of an odd repository nothing is touched, empty directories included */
    }
    enum rsw_item_kind as = kind == RSW_LINK ? RSW_ITEM_LINK : RSW_ITEM_REVISION;
    if (rsw_condemned_get(txn, as, member->repo, member->blob, "", NULL) != RSW_ABSENT) {
        return false; /* it may be given back yet */
    }
    return kind == RSW_LINK || !is_evidence(txn, member->repo, member->blob);
}

static int find_tombstones(struct pairs *out, struct rsw_index *index, enum rsw_member_kind kind,
                           struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_read(&txn, index, err) != 0) {
        return -1;
    }
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    rsw_iter_members(&iter, txn, kind, 0);
    struct rsw_member member;
    while (rsw_member_next(&iter, &member) == RSW_FOUND) {
        if (is_forgettable(txn, kind, &member) && add_pair(out, member.repo, member.blob, err) != 0) {
            return -1;
        }
    }
    return rsw_txn_failed(txn, err) ? -1 : 0;
}

/* The directories of a batch of tombstones, by key; NULL where the index holds no name for it. */
static int key_batch(char (*keys)[RSW_KEY_MAX], struct rsw_index *index, enum rsw_member_kind kind,
                     const struct pair *pairs, size_t count, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_read(&txn, index, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        struct rsw_repo repo;
        struct rsw_blob blob;
        keys[i][0] = 0;
        if (rsw_repo_get(txn, pairs[i].repo, &repo) != RSW_FOUND ||
            rsw_blob_get(txn, pairs[i].blob, &blob) != RSW_FOUND) {
            continue;
        }
        const char *key = kind == RSW_LINK ? rsw_key_layer_link(keys[i], repo.name, &blob.digest)
                                           : rsw_key_revision_link(keys[i], repo.name, &blob.digest);
        if (key == NULL) {
            keys[i][0] = 0;
        } else {
            *strrchr(keys[i], '/') = 0;
        }
    }
    return rsw_txn_failed(txn, err) ? -1 : 0;
}

/* A tombstone goes with its directory; what else lies in there keeps both. Without directories it goes. */
static int forget_batch(char (*keys)[RSW_KEY_MAX], struct rsw_index *index, struct rsw_storage *storage,
                        enum rsw_member_kind kind, const struct pair *pairs, size_t count,
                        struct rsw_error *err) {
    bool gone[TIDY_BATCH];
    for (size_t i = 0; i < count; i++) {
        gone[i] =
            keys[i][0] != 0 && (storage->flat || rsw_storage_prune(storage, keys[i], NULL) == RSW_ABSENT);
    }
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_write(&txn, index, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        struct rsw_member member;
        if (gone[i] && rsw_member_get(txn, kind, pairs[i].repo, pairs[i].blob, &member) == RSW_FOUND &&
            (member.flags & RSW_MEMBER_PRESENT) == 0) {
            rsw_member_drop(txn, kind, pairs[i].repo, pairs[i].blob);
        }
    }
    return rsw_txn_commit(&txn, err);
}

static int forget_tombstones(struct rsw_index *index, struct rsw_storage *storage, enum rsw_member_kind kind,
                             struct rsw_error *err) {
    AUTO_PAIRS pairs = {.at = NULL};
    if (find_tombstones(&pairs, index, kind, err) != 0) {
        return -1;
    }
    char(*keys)[RSW_KEY_MAX] = malloc(TIDY_BATCH * sizeof *keys);
    if (keys == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory while tidying up");
    }
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < pairs.count; i += TIDY_BATCH) {
        size_t count = pairs.count - i < TIDY_BATCH ? pairs.count - i : TIDY_BATCH;
        rc = key_batch(keys, index, kind, pairs.at + i, count, err);
        if (rc == 0) {
            rc = forget_batch(keys, index, storage, kind, pairs.at + i, count, err);
        }
    }
    free(keys);
    return rc;
}

/* ---- repositories and blobs that are gone ---- */

/* Something of it may be given back yet. */
static bool is_condemned(struct rsw_txn *txn, uint32_t repo) {
    uint64_t ids[RSW_GENERATIONS_OPEN_MAX];
    size_t count = rsw_generations_open(txn, ids, RSW_GENERATIONS_OPEN_MAX);
    for (size_t i = 0; i < count; i++) {
        for (enum rsw_item_kind kind = RSW_ITEM_LINK; kind <= RSW_ITEM_UPLOAD; kind++) {
            RSW_AUTO_ITER iter = RSW_ITER_INIT;
            struct rsw_item item;
            rsw_iter_items_in(&iter, txn, ids[i], kind, repo);
            if (rsw_item_next(&iter, &item) != RSW_ABSENT) {
                return true;
            }
        }
    }
    return false;
}

static bool repo_is_empty(struct rsw_txn *txn, uint32_t repo) {
    struct rsw_member member;
    struct rsw_tag tag;
    struct rsw_upload upload;
    struct rsw_history history;
    RSW_AUTO_ITER links = RSW_ITER_INIT;
    RSW_AUTO_ITER revisions = RSW_ITER_INIT;
    RSW_AUTO_ITER tags = RSW_ITER_INIT;
    RSW_AUTO_ITER uploads = RSW_ITER_INIT;
    RSW_AUTO_ITER entries = RSW_ITER_INIT;
    rsw_iter_members(&links, txn, RSW_LINK, repo);
    rsw_iter_members(&revisions, txn, RSW_REVISION, repo);
    rsw_iter_tags(&tags, txn, repo);
    rsw_iter_uploads(&uploads, txn, repo);
    rsw_iter_history(&entries, txn, repo, NULL);
    return rsw_member_next(&links, &member) == RSW_ABSENT &&
           rsw_member_next(&revisions, &member) == RSW_ABSENT && rsw_tag_next(&tags, &tag) == RSW_ABSENT &&
           rsw_upload_next(&uploads, &upload) == RSW_ABSENT &&
           rsw_history_next(&entries, &history) == RSW_ABSENT;
}

static int forget_repositories(struct rsw_index *index, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_write(&txn, index, err) != 0) {
        return -1;
    }
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    rsw_iter_repos(&iter, txn);
    struct rsw_repo repo;
    while (rsw_repo_next(&iter, &repo) == RSW_FOUND) {
        if ((repo.flags & RSW_REPO_PRESENT) == 0 && repo_is_empty(txn, repo.id) &&
            !is_condemned(txn, repo.id)) {
            rsw_repo_drop(txn, repo.id);
        }
    }
    return rsw_txn_commit(&txn, err);
}

/* What tags that are condemned point at: the index has no record of such a tag any more, and its item needs
 * the digest until it ends. */
static int gather_heads(struct rsw_bitmap *out, struct rsw_txn *txn, struct rsw_error *err) {
    struct rsw_state state;
    uint64_t ids[RSW_GENERATIONS_OPEN_MAX];
    size_t count = rsw_generations_open(txn, ids, RSW_GENERATIONS_OPEN_MAX);
    if (rsw_state_get(txn, &state) != RSW_FOUND) {
        rsw_txn_failed(txn, err);
        return -1;
    }
    if (!rsw_bitmap_init(out, state.next_blob)) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory while tidying up");
    }
    for (size_t i = 0; i < count; i++) {
        RSW_AUTO_ITER iter = RSW_ITER_INIT;
        struct rsw_item item;
        rsw_iter_items(&iter, txn, ids[i], RSW_ITEM_TAG);
        while (rsw_item_next(&iter, &item) == RSW_FOUND) {
            rsw_bitmap_add(out, item.blob);
        }
    }
    return rsw_txn_failed(txn, err) ? -1 : 0;
}

/* Blobs without bytes that nothing names any more. A manifest that goes lets go of what it named: they come
 * in the next round. */
static int find_forgettable(struct pairs *out, struct rsw_index *index, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    RSW_AUTO_BITMAP heads = {.words = NULL};
    if (rsw_txn_begin_read(&txn, index, err) != 0 || gather_heads(&heads, txn, err) != 0) {
        return -1;
    }
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    rsw_iter_blobs(&iter, txn);
    struct rsw_blob blob;
    while (rsw_blob_next(&iter, &blob) == RSW_FOUND) {
        if ((blob.flags & RSW_BLOB_PRESENT) == 0 && !rsw_bitmap_has(&heads, blob.id) &&
            rsw_blob_needless(txn, blob.id) == RSW_FOUND && add_pair(out, 0, blob.id, err) != 0) {
            return -1;
        }
    }
    return rsw_txn_failed(txn, err) ? -1 : 0;
}

static int forget_blobs(struct rsw_index *index, struct rsw_error *err) {
    for (;;) {
        AUTO_PAIRS pairs = {.at = NULL};
        if (find_forgettable(&pairs, index, err) != 0) {
            return -1;
        }
        if (pairs.count == 0) {
            return 0;
        }
        RSW_AUTO_TXN txn = NULL;
        if (rsw_txn_begin_write(&txn, index, err) != 0) {
            return -1;
        }
        for (size_t i = 0; i < pairs.count; i++) {
            /* An event may have come in between. */
            if (rsw_blob_needless(txn, pairs.at[i].blob) == RSW_FOUND) {
                rsw_blob_drop(txn, pairs.at[i].blob);
            }
        }
        if (rsw_txn_commit(&txn, err) != 0) {
            return -1;
        }
    }
}

int rsw_tidy(struct rsw_index *index, struct rsw_storage *storage, uint64_t decided,
             const struct rsw_clock *clock, struct rsw_error *err) {
    if (rsw_deletions_settle(index, decided, clock, err) != 0 ||
        forget_tombstones(index, storage, RSW_LINK, err) != 0 ||
        forget_tombstones(index, storage, RSW_REVISION, err) != 0 || forget_repositories(index, err) != 0 ||
        forget_blobs(index, err) != 0) {
        return rsw_error_prefix(err, "tidying up after the sweep");
    }
    return 0;
}
