#include "gc/folders.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void climb(struct rsw_storage *storage, char key[RSW_KEY_MAX], const char *top) {
    while (strlen(key) > strlen(top)) {
        struct rsw_removal removal = {.key = key};
        rsw_storage_rmdir(storage, &removal, 1);
        if (removal.answer == RSW_FAILED) {
            return; /* holds something else */
        }
        *strrchr(key, '/') = 0;
    }
}

void rsw_folders_link(struct rsw_storage *storage, char key[RSW_KEY_MAX]) {
    char layers[RSW_KEY_MAX];
    *strrchr(key, '/') = 0;
    memcpy(layers, key, RSW_KEY_MAX);
    *strrchr(layers, '/') = 0; /* to the folder of the algorithm */
    *strrchr(layers, '/') = 0;
    climb(storage, key, layers);
}

int rsw_folders_repository(struct rsw_storage *storage, const char *name, int *errnum) {
    static const char *const subs[] = {"_layers", "_manifests", "_uploads"};
    char key[RSW_KEY_MAX];
    int rc = RSW_FOUND;
    for (size_t i = 0; i < sizeof subs / sizeof *subs; i++) {
        struct rsw_error err = RSW_ERROR_INIT;
        if (rsw_key_repository_sub(key, name, subs[i]) == NULL) {
            *errnum = EINVAL;
            return RSW_FAILED;
        }
        int left = rsw_storage_prune(storage, key, &err);
        if (left == RSW_FAILED) {
            *errnum = err.errnum != 0 ? err.errnum : EIO;
            return RSW_FAILED;
        }
        if (left == RSW_FOUND) {
            *errnum = ENOTEMPTY;
            rc = RSW_FAILED;
        }
    }
    if (rc == RSW_FOUND && !storage->flat && rsw_key_repository(key, name) != NULL) {
        climb(storage, key, RSW_LAYOUT_REPOSITORIES);
    }
    return rc;
}

/* ---- after a run that was cut short ---- */

#define MEND_BATCH 200

struct left {
    enum rsw_item_kind kind;
    char key[RSW_KEY_MAX];
};

static const char *key_of(char key[RSW_KEY_MAX], const struct rsw_item *item, const char *repo,
                          const struct rsw_digest *digest) {
    switch (item->kind) {
    case RSW_ITEM_BLOB:
        return rsw_key_blob(key, digest);
    case RSW_ITEM_LINK:
        return rsw_key_layer_link(key, repo, digest);
    case RSW_ITEM_REVISION: /* its own directory is evidence; it stood in the history of any tag */
    case RSW_ITEM_TAG:
        return rsw_key_repository_sub(key, repo, "_manifests/tags");
    case RSW_ITEM_UPLOAD:
        return rsw_key_repository_sub(key, repo, "_uploads");
    case RSW_ITEM_REPOSITORY:
        return rsw_key_repository(key, repo);
    }
    return NULL;
}

/* False: the index has forgotten it since, or there is nothing to look at. */
static bool describe(struct left *out, struct rsw_txn *txn, const struct rsw_item *item) {
    struct rsw_repo repo = {.id = 0};
    struct rsw_blob blob = {.id = 0};
    if ((item->repo != 0 && rsw_repo_get(txn, item->repo, &repo) != RSW_FOUND) ||
        (item->blob != 0 && rsw_blob_get(txn, item->blob, &blob) != RSW_FOUND)) {
        return false;
    }
    out->kind = item->kind;
    return key_of(out->key, item, repo.name, &blob.digest) != NULL;
}

/* What makes a repository (`_layers`) stays: it goes as one, with a line in the audit. */
static void mend(struct rsw_storage *storage, struct left *left) {
    switch (left->kind) {
    case RSW_ITEM_BLOB:
        *strrchr(left->key, '/') = 0;
        climb(storage, left->key, RSW_LAYOUT_BLOBS);
        break;
    case RSW_ITEM_LINK:
        rsw_folders_link(storage, left->key);
        break;
    case RSW_ITEM_REPOSITORY: /* no more than its own empty folder: what still is one is decided on anew */
        climb(storage, left->key, RSW_LAYOUT_REPOSITORIES);
        break;
    default:
        rsw_storage_prune(storage, left->key, NULL);
        break;
    }
}

static bool unfinished(const struct rsw_generation *generation) {
    return generation->state != RSW_GENERATION_PURGED && generation->state != RSW_GENERATION_ABANDONED;
}

/* The next items of a generation behind `after` that were not done; the number, or -1. */
static int load(struct left lefts[MEND_BATCH], struct rsw_index *index, uint64_t generation,
                enum rsw_item_kind kind, struct rsw_item *after, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_read(&txn, index, err) != 0) {
        return -1;
    }
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    if (after->generation != 0) {
        rsw_iter_items_after(&iter, txn, after);
    } else {
        rsw_iter_items(&iter, txn, generation, kind);
    }
    int count = 0;
    struct rsw_item item;
    while (count < MEND_BATCH && rsw_item_next(&iter, &item) == RSW_FOUND) {
        *after = item;
        bool again = count > 0 && kind != RSW_ITEM_BLOB && kind != RSW_ITEM_LINK; /* one look a repository */
        if (item.state == RSW_ITEM_PENDING && describe(&lefts[count], txn, &item) &&
            !(again && strcmp(lefts[count].key, lefts[count - 1].key) == 0)) {
            count++;
        }
    }
    return rsw_txn_failed(txn, err) ? -1 : count;
}

static int mend_generation(struct rsw_index *index, struct rsw_storage *storage, uint64_t generation,
                           struct left lefts[MEND_BATCH], struct rsw_error *err) {
    static const enum rsw_item_kind kinds[] = {RSW_ITEM_BLOB, RSW_ITEM_LINK,   RSW_ITEM_REVISION,
                                               RSW_ITEM_TAG,  RSW_ITEM_UPLOAD, RSW_ITEM_REPOSITORY};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct rsw_item after = {.generation = 0};
        int count;
        while ((count = load(lefts, index, generation, kinds[i], &after, err)) > 0) {
            for (int j = 0; j < count; j++) {
                mend(storage, &lefts[j]);
            }
        }
        if (count < 0) {
            return -1;
        }
    }
    return 0;
}

static int find_unfinished(uint64_t *out, struct rsw_index *index, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    *out = 0;
    if (rsw_txn_begin_read(&txn, index, err) != 0) {
        return -1;
    }
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    rsw_iter_generations(&iter, txn);
    struct rsw_generation generation;
    while (rsw_generation_next(&iter, &generation) == RSW_FOUND) {
        if (unfinished(&generation)) {
            *out = generation.id; /* each run abandons those before it: there is one */
        }
    }
    return rsw_txn_failed(txn, err) ? -1 : 0;
}

int rsw_folders_mend(struct rsw_index *index, struct rsw_storage *storage, struct rsw_error *err) {
    uint64_t generation;
    if (storage->flat) {
        return 0;
    }
    if (find_unfinished(&generation, index, err) != 0) {
        return -1;
    }
    if (generation == 0) {
        return 0;
    }
    struct left *lefts = malloc(MEND_BATCH * sizeof *lefts);
    if (lefts == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory while tidying up");
    }
    int rc = mend_generation(index, storage, generation, lefts, err);
    free(lefts);
    return rc;
}
