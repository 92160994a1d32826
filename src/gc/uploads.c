#include "gc/uploads.h"

#include "storage/layout.h"
#include "util/grow.h"

#include <stdlib.h>

struct known {
    struct rsw_upload upload;
    struct rsw_repo repo;
};

static int gather(struct rsw_index *index, struct known **out, size_t *count, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_upload upload;
    size_t room = 0;
    if (rsw_txn_begin_read(&txn, index, err) != 0) {
        return -1;
    }
    rsw_iter_uploads(&iter, txn, 0);
    while (rsw_upload_next(&iter, &upload) == RSW_FOUND) {
        struct known *more = rsw_grown(*out, &room, *count + 1, sizeof *more);
        if (more == NULL) {
            return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory for uploads");
        }
        *out = more;
        more[*count].upload = upload;
        if (rsw_repo_get(txn, upload.repo, &more[*count].repo) == RSW_FOUND) {
            ++*count;
        }
    }
    return rsw_txn_failed(txn, err) ? -1 : 0;
}

static int any_entry(void *arg, const struct rsw_entry *entries, size_t count, struct rsw_error *err) {
    (void)arg, (void)entries, (void)count, (void)err;
    return 0;
}

static int forget_if_ended(struct rsw_index *index, struct rsw_storage *storage, const struct known *known,
                           struct rsw_error *err) {
    char key[RSW_KEY_MAX];
    struct rsw_upload upload;
    struct rsw_listing listing = {.prefix = rsw_key_upload(key, known->repo.name, known->upload.id),
                                  .page = any_entry};
    if (listing.prefix == NULL || rsw_storage_list(storage, &listing, NULL) != RSW_ABSENT) {
        return 0; /* still there, or nobody knows */
    }
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_write(&txn, index, err) != 0) {
        return -1;
    }
    if (rsw_upload_get(txn, known->upload.repo, known->upload.id, &upload) == RSW_FOUND &&
        upload.seq == known->upload.seq) {
        rsw_upload_drop(txn, upload.repo, upload.id);
    }
    return rsw_txn_commit(&txn, err);
}

int rsw_uploads_forget_ended(struct rsw_index *index, struct rsw_storage *storage, struct rsw_error *err) {
    struct known *known = NULL;
    size_t count = 0;
    int rc = gather(index, &known, &count, err);
    for (size_t i = 0; i < count && rc == 0; i++) {
        rc = forget_if_ended(index, storage, &known[i], err);
    }
    free(known);
    return rc;
}
