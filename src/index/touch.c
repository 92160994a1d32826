/* Touching a manifest whose contents became known after its push. */
#include "index/txn.h"

#include "util/bitmap.h"
#include "util/grow.h"

/* Is anything condemned or held, that a touch could give back? In doubt it is. */
static bool may_touch(struct rsw_txn *txn) {
    uint64_t id;
    return rsw_generations_open(txn, &id, 1) > 0 ||
           rsw_txn_has_prefix(txn, RSW_T_HELD, rsw_span_of("", 0)) != RSW_ABSENT;
}

/* Where `of` is: as a revision, or uploaded as a blob, for the registry reads a manifest through its layer
 * link too. */
static void touch_where(struct rsw_txn *txn, enum rsw_member_kind kind, uint32_t of, uint32_t manifest) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_member member;
    uint32_t repo;
    rsw_iter_members_of(&iter, txn, kind, of);
    while (rsw_member_of_next(&iter, &repo) == RSW_FOUND) {
        if (rsw_member_get(txn, kind, repo, of, &member) == RSW_FOUND &&
            (member.flags & RSW_MEMBER_PRESENT) != 0) {
            rsw_touch(txn, repo, manifest);
        }
    }
}

/* A manifest, and the indexes that lead to it. */
struct family {
    uint32_t *ids; /* owned */
    size_t count, room;
    struct rsw_bitmap seen; /* owned */
};

static void family_release(struct family *family) {
    free(family->ids);
    rsw_bitmap_release(&family->seen);
}
#define AUTO_FAMILY __attribute__((cleanup(family_release))) struct family

static int out_of_memory(struct rsw_txn *txn) {
    return rsw_txn_refuse(txn, RSW_ENOMEM, "out of memory");
}

static int add(struct rsw_txn *txn, struct family *family, uint32_t id) {
    uint32_t *grown = rsw_grown(family->ids, &family->room, family->count + 1, sizeof *grown);
    if (grown == NULL) {
        return out_of_memory(txn);
    }
    family->ids = grown;
    family->ids[family->count++] = id;
    rsw_bitmap_add(&family->seen, id);
    return 0;
}

static int add_parents(struct rsw_txn *txn, struct family *family, uint32_t of) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    uint32_t parent;
    enum rsw_ref_kind kind;
    rsw_iter_named_by(&iter, txn, of);
    while (rsw_named_by_next(&iter, &parent, &kind) == RSW_FOUND) {
        if (kind == RSW_REF_CHILD && !rsw_bitmap_has(&family->seen, parent) &&
            add(txn, family, parent) != 0) {
            return -1;
        }
    }
    return 0;
}

void rsw_touch_read(struct rsw_txn *txn, uint32_t manifest) {
    AUTO_FAMILY family = {.ids = NULL};
    if (!may_touch(txn)) {
        return;
    }
    if (!rsw_bitmap_init(&family.seen, txn->counters.next_blob)) {
        out_of_memory(txn);
        return;
    }
    if (add(txn, &family, manifest) != 0) {
        return;
    }
    for (size_t i = 0; i < family.count; i++) {
        touch_where(txn, RSW_REVISION, family.ids[i], manifest);
        touch_where(txn, RSW_LINK, family.ids[i], manifest);
        if (add_parents(txn, &family, family.ids[i]) != 0) {
            return;
        }
    }
}
