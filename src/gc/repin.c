#include "gc/repin.h"

static bool is_condemned(struct rsw_txn *txn, enum rsw_item_kind kind, uint32_t repo, uint32_t blob) {
    return rsw_condemned_get(txn, kind, repo, blob, "", NULL) == RSW_FOUND;
}

/* The bytes alone, where the repository never lost them. */
static bool touch_in(struct rsw_txn *txn, uint32_t repo, uint32_t blob) {
    return (is_condemned(txn, RSW_ITEM_REVISION, repo, blob) ||
            is_condemned(txn, RSW_ITEM_LINK, repo, blob) || is_condemned(txn, RSW_ITEM_BLOB, 0, blob)) &&
           rsw_touch(txn, repo, blob);
}

static bool touch_everywhere(struct rsw_txn *txn, uint32_t blob) {
    static const enum rsw_member_kind kinds[] = {RSW_REVISION, RSW_LINK};
    bool any =
        is_condemned(txn, RSW_ITEM_BLOB, 0, blob) && rsw_touch_kind(txn, RSW_ITEM_BLOB, 0, blob, false);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        RSW_AUTO_ITER iter = RSW_ITER_INIT;
        uint32_t repo;
        rsw_iter_members_of(&iter, txn, kinds[i], blob);
        while (rsw_member_of_next(&iter, &repo) == RSW_FOUND) {
            any = touch_in(txn, repo, blob) || any;
        }
    }
    return any;
}

/* What runs may be known by the digest of its configuration alone. */
static bool touch_images_of(struct rsw_txn *txn, uint32_t config) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    uint32_t manifest;
    enum rsw_ref_kind kind;
    bool any = false;
    rsw_iter_named_by(&iter, txn, config);
    while (rsw_named_by_next(&iter, &manifest, &kind) == RSW_FOUND) {
        any = (kind == RSW_REF_CONFIG && touch_everywhere(txn, manifest)) || any;
    }
    return any;
}

/* True if something has to be given back for it. */
static bool touch(struct rsw_txn *txn, const struct rsw_pin *pin) {
    struct rsw_repo repo;
    struct rsw_blob blob;
    if (pin->repo != NULL && rsw_repo_find(txn, pin->repo, &repo) != RSW_FOUND) {
        return false;
    }
    if (pin->tag != NULL) {
        return rsw_touch_tag(txn, repo.id, pin->tag);
    }
    if (rsw_blob_find(txn, &pin->digest, &blob) != RSW_FOUND) {
        return false;
    }
    if (pin->repo != NULL) {
        return touch_in(txn, repo.id, blob.id);
    }
    bool images = pin->image && touch_images_of(txn, blob.id);
    return touch_everywhere(txn, blob.id) || images;
}

int rsw_repin(uint64_t *count, struct rsw_index *index, const struct rsw_pin *pins, size_t pin_count,
              struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    uint64_t id;
    *count = 0;
    if (pin_count == 0) {
        return 0;
    }
    if (rsw_txn_begin_write(&txn, index, err) != 0) {
        return -1;
    }
    if (rsw_generations_open(txn, &id, 1) == 0) {
        return rsw_txn_failed(txn, err) ? -1 : 0;
    }
    for (size_t i = 0; i < pin_count; i++) {
        *count += touch(txn, &pins[i]);
    }
    return rsw_txn_commit(&txn, err);
}
