#include "gc/revive.h"

#include "gc/revival.h"
#include "index/deletion.h"
#include "index/facts.h"
#include "oci/reference.h"
#include "util/cleanup.h"
#include "util/grow.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- what follows from a touch ---- */

static void touch(struct rsw_txn *txn, enum rsw_item_kind kind, uint32_t repo, uint32_t blob) {
    rsw_touch_kind(txn, kind, repo, blob, false);
}

/* Bytes again and again: nothing follows from them, so that ends. */
static void touch_bytes(struct rsw_txn *txn, uint32_t blob) {
    rsw_touch_kind(txn, RSW_ITEM_BLOB, 0, blob, true);
}

static void touch_link(struct rsw_txn *txn, uint32_t repo, uint32_t blob) {
    struct rsw_member member;
    touch(txn, RSW_ITEM_LINK, repo, blob);
    touch_bytes(txn, blob);
    if (rsw_member_get(txn, RSW_LINK, repo, blob, &member) == RSW_FOUND && member.target != 0 &&
        member.target != blob) {
        touch(txn, RSW_ITEM_LINK, repo, member.target);
        touch_bytes(txn, member.target);
    }
}

static int touch_references(struct rsw_txn *txn, uint32_t repo, uint32_t manifest, struct rsw_error *err) {
    struct rsw_refs refs;
    if (rsw_refs_get(txn, manifest, &refs) != RSW_FOUND) {
        return 0;
    }
    /* Copied: what is borrowed ends with the first write. */
    RSW_AUTO_FREE uint32_t *children = malloc(((size_t)refs.count + 1) * sizeof *children);
    uint32_t count = 0;
    if (children == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory for giving back");
    }
    for (uint32_t i = 0; i < refs.count; i++) {
        if (rsw_refs_kind(&refs, i) != RSW_REF_SUBJECT) {
            children[count++] = rsw_refs_child(&refs, i);
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        touch_link(txn, repo, children[i]);
        touch(txn, RSW_ITEM_REVISION, repo, children[i]);
    }
    return 0;
}

/* One that a deletion record names goes though what it follows is wanted, until it is touched itself. */
static bool is_forgotten(struct rsw_txn *txn, enum rsw_item_kind kind, uint32_t repo, uint32_t blob,
                         const char *name) {
    struct rsw_forgotten forgotten = {.kind = kind, .repo = repo, .blob = blob};
    memcpy(forgotten.name, name, strlen(name) + 1);
    return rsw_forgotten_get(txn, &forgotten) == RSW_FOUND;
}

static void touch_referrers(struct rsw_txn *txn, uint32_t repo, uint32_t subject) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    uint32_t referrer;
    enum rsw_ref_kind kind;
    rsw_iter_named_by(&iter, txn, subject);
    while (rsw_named_by_next(&iter, &referrer, &kind) == RSW_FOUND) {
        if (kind == RSW_REF_SUBJECT && !is_forgotten(txn, RSW_ITEM_REVISION, repo, referrer, "")) {
            touch(txn, RSW_ITEM_REVISION, repo, referrer);
        }
    }
}

static void touch_tag(struct rsw_txn *txn, const struct rsw_item *item) {
    if (!is_forgotten(txn, RSW_ITEM_TAG, item->repo, 0, item->name)) {
        rsw_touch_item(txn, item, false);
    }
}

static void touch_heads(struct rsw_txn *txn, uint64_t generation, uint32_t repo, uint32_t manifest) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_item item;
    rsw_iter_items_of(&iter, txn, generation, RSW_ITEM_TAG, repo, manifest);
    while (rsw_item_next(&iter, &item) == RSW_FOUND) {
        touch_tag(txn, &item);
    }
}

static void touch_weak(struct rsw_txn *txn, uint64_t generation, uint32_t repo,
                       const struct rsw_digest *subject) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_item item;
    struct rsw_digest of;
    char name[RSW_DIGEST_TEXT_MAX];
    rsw_digest_format(subject, name);
    name[strcspn(name, ":")] = '-';
    rsw_iter_tag_items(&iter, txn, generation, repo, name, false);
    while (rsw_tag_item_next(&iter, &item) == RSW_FOUND) {
        if (rsw_tag_weak(&of, item.name, strlen(item.name)) && rsw_digest_equal(&of, subject)) {
            touch_tag(txn, &item);
        }
    }
}

/* Tags that were set aside with this manifest as their head, and weak tags of it. */
static void touch_tags(struct rsw_txn *txn, uint32_t repo, uint32_t manifest) {
    uint64_t ids[RSW_GENERATIONS_OPEN_MAX];
    size_t count = rsw_generations_open(txn, ids, RSW_GENERATIONS_OPEN_MAX);
    struct rsw_digest digest;
    if (rsw_blob_digest(txn, manifest, &digest) != RSW_FOUND) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        touch_heads(txn, ids[i], repo, manifest);
        touch_weak(txn, ids[i], repo, &digest);
    }
}

static int touch_manifest(struct rsw_txn *txn, uint32_t repo, uint32_t manifest, struct rsw_error *err) {
    touch(txn, RSW_ITEM_REVISION, repo, manifest);
    touch_bytes(txn, manifest);
    touch_referrers(txn, repo, manifest);
    touch_tags(txn, repo, manifest);
    return touch_references(txn, repo, manifest, err);
}

static bool is_parsed(struct rsw_txn *txn, uint32_t id) {
    struct rsw_blob blob;
    return rsw_blob_get(txn, id, &blob) == RSW_FOUND && (blob.flags & RSW_BLOB_PARSED) != 0;
}

/* Links here that lead to this blob under another name. */
static void touch_aliases(struct rsw_txn *txn, uint32_t repo, uint32_t target) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_alias alias;
    rsw_iter_aliases(&iter, txn, target);
    while (rsw_alias_next(&iter, &alias) == RSW_FOUND) {
        if (alias.kind == RSW_LINK && alias.repo == repo) {
            touch(txn, RSW_ITEM_LINK, repo, alias.blob);
        }
    }
}

static int touch_what_follows(struct rsw_txn *txn, const struct rsw_item *item, struct rsw_error *err) {
    switch (item->kind) {
    case RSW_ITEM_LINK:
        touch_link(txn, item->repo, item->blob);
        touch_aliases(txn, item->repo, item->blob);
        return is_parsed(txn, item->blob) ? touch_manifest(txn, item->repo, item->blob, err) : 0;
    case RSW_ITEM_REVISION:
        return touch_manifest(txn, item->repo, item->blob, err);
    case RSW_ITEM_TAG:
        touch(txn, RSW_ITEM_REVISION, item->repo, item->blob);
        touch_bytes(txn, item->blob);
        return 0;
    case RSW_ITEM_BLOB:
    case RSW_ITEM_REPOSITORY:
    case RSW_ITEM_UPLOAD:
        return 0;
    }
    return 0;
}

/* ---- one round ---- */

/* As the queue has them: by the keys of the items. */
static int compare(const struct rsw_item *a, const struct rsw_item *b) {
    const uint64_t of_a[] = {a->generation, (uint64_t)a->kind, a->repo, a->blob};
    const uint64_t of_b[] = {b->generation, (uint64_t)b->kind, b->repo, b->blob};
    for (size_t i = 0; i < sizeof of_a / sizeof *of_a; i++) {
        if (of_a[i] != of_b[i]) {
            return of_a[i] < of_b[i] ? -1 : 1;
        }
    }
    return strcmp(a->name, b->name);
}

/* The first that failed and is not before this one. */
static size_t find_failed(const struct rsw_revival *revival, const struct rsw_item *item) {
    size_t low = 0;
    size_t high = revival->failed_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(&revival->failed[middle].item, item) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool has_failed(const struct rsw_revival *revival, const struct rsw_touched *entry) {
    size_t at = find_failed(revival, &entry->item);
    return at < revival->failed_count && compare(&revival->failed[at].item, &entry->item) == 0 &&
           revival->failed[at].queued == entry->queued;
}

static int add_failed(struct rsw_revival *revival, const struct rsw_touched *entry, struct rsw_error *err) {
    size_t at = find_failed(revival, &entry->item);
    if (at == revival->failed_count || compare(&revival->failed[at].item, &entry->item) != 0) {
        struct rsw_touched *failed = rsw_grown(revival->failed, &revival->failed_room,
                                               revival->failed_count + 1, sizeof *revival->failed);
        if (failed == NULL) {
            return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory for giving back");
        }
        revival->failed = failed;
        memmove(failed + at + 1, failed + at, (revival->failed_count - at) * sizeof *failed);
        revival->failed_count++;
    }
    revival->failed[at] = *entry;
    return 0;
}

static int gather(struct rsw_revival *revival, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    revival->count = 0;
    if (rsw_txn_begin_read(&txn, revival->index, err) != 0) {
        return -1;
    }
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    rsw_iter_touched(&iter, txn);
    struct rsw_touched entry = {.answer = RSW_FOUND};
    while (revival->count < RSW_REVIVE_ROUND_MAX &&
           rsw_touched_next(&iter, &entry.item, &entry.queued) == RSW_FOUND) {
        if (!has_failed(revival, &entry)) {
            revival->entries[revival->count++] = entry;
        }
    }
    return rsw_txn_failed(txn, err) ? -1 : 0;
}

static int spread(struct rsw_revival *revival, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_write(&txn, revival->index, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < revival->count; i++) {
        if (touch_what_follows(txn, &revival->entries[i].item, err) != 0) {
            return -1;
        }
    }
    return rsw_txn_commit(&txn, err);
}

/* Where a file is moved in one step, its copy has what was written last. */
static void name_head(const struct rsw_revival *revival, struct rsw_txn *txn, struct rsw_touched *entry) {
    struct rsw_tag tag;
    entry->head = 0;
    if (revival->storage->loose && entry->item.kind == RSW_ITEM_TAG &&
        rsw_tag_get(txn, entry->item.repo, entry->item.name, &tag) == RSW_FOUND && tag.head != 0 &&
        tag.head != entry->item.blob && rsw_blob_digest(txn, tag.head, &entry->head_digest) == RSW_FOUND) {
        entry->head = tag.head;
    }
}

static int name(struct rsw_revival *revival, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    rsw_removal_batch_clear(revival->batch);
    if (rsw_txn_begin_read(&txn, revival->index, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < revival->count; i++) {
        struct rsw_touched *entry = &revival->entries[i];
        if (entry->item.generation == 0) {
            continue;
        }
        revival->owners[revival->batch->count] = i;
        entry->at = revival->batch->count;
        struct rsw_member link;
        entry->layer = entry->item.kind == RSW_ITEM_REVISION &&
                       rsw_member_get(txn, RSW_LINK, entry->item.repo, entry->item.blob, &link) == RSW_FOUND;
        name_head(revival, txn, entry);
        if (rsw_removal_batch_add(revival->batch, txn, &entry->item, err) != 0) {
            return -1;
        }
    }
    return rsw_txn_failed(txn, err) ? -1 : 0;
}

/* ---- the index ---- */

static void claim_member(struct rsw_txn *txn, enum rsw_member_kind kind, const struct rsw_item *item,
                         int64_t now_ms) {
    struct rsw_member member = {.repo = item->repo,
                                .blob = item->blob,
                                .target = item->blob,
                                .flags = RSW_MEMBER_SEEN,
                                .touched_ms = now_ms};
    struct rsw_member old;
    if (rsw_member_get(txn, kind, item->repo, item->blob, &old) == RSW_FOUND) {
        member.target = old.target;
        member.touched_ms =
            old.touched_ms; /* whoever touched it has said so; what follows is as old as it was */
        member.flags |= old.flags & (uint32_t)RSW_MEMBER_BAD;
    }
    rsw_fact_member(txn, kind, &member);
}

/* Storage has it again. `head`: of a tag, where it is another one by now; else 0. */
static void claim(struct rsw_txn *txn, const struct rsw_removal_item *from, uint32_t head, int64_t now_ms) {
    const struct rsw_item *item = &from->item;
    switch (item->kind) {
    case RSW_ITEM_BLOB:
        rsw_fact_blob(txn, &from->digest, RSW_SIZE_UNKNOWN, now_ms);
        break;
    case RSW_ITEM_LINK:
    case RSW_ITEM_REVISION:
        rsw_fact_repo(txn, from->repo.name, now_ms);
        claim_member(txn, item->kind == RSW_ITEM_LINK ? RSW_LINK : RSW_REVISION, item, now_ms);
        break;
    case RSW_ITEM_TAG:
        rsw_fact_repo(txn, from->repo.name, now_ms);
        rsw_fact_tag_event(txn, item->repo, item->name, head != 0 ? head : item->blob, 0, now_ms);
        break;
    case RSW_ITEM_REPOSITORY:
    case RSW_ITEM_UPLOAD:
        break;
    }
}

static void tell_lost(struct rsw_revival *revival, const struct rsw_removal_item *item) {
    char name[RSW_REMOVAL_NAME_MAX];
    revival->result->lost++;
    rsw_log(revival->log, RSW_LOG_WARNING,
            "%s was touched, but is neither in place nor in quarantine: somebody else removed it",
            rsw_removal_name(item, name, sizeof name));
}

/* A claim is a touch too, and queues what it is about: that is out again before anybody sees it. What others
 * queued since it was gathered stays, for what was put in place may be gone again. */
static int record(struct rsw_revival *revival, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_write(&txn, revival->index, err) != 0) {
        return -1;
    }
    int64_t now_ms = rsw_clock_now_ms(revival->clock);
    for (size_t i = 0; i < revival->count; i++) {
        struct rsw_touched *entry = &revival->entries[i];
        entry->ended = entry->answer != RSW_FAILED && rsw_touched_drop(txn, &entry->item, entry->queued);
    }
    for (size_t i = 0; i < revival->count; i++) {
        const struct rsw_touched *entry = &revival->entries[i];
        if (entry->item.generation != 0 && entry->answer == RSW_FOUND) {
            claim(txn, &revival->batch->items[entry->at], entry->head, now_ms);
        }
    }
    for (size_t i = 0; i < revival->count; i++) {
        const struct rsw_touched *entry = &revival->entries[i];
        if (entry->ended) {
            rsw_touched_drop(txn, &entry->item, rsw_txn_seq(txn));
        }
    }
    return rsw_txn_commit(&txn, err);
}

static int tally(struct rsw_revival *revival, struct rsw_error *err) {
    for (size_t i = 0; i < revival->count; i++) {
        const struct rsw_touched *entry = &revival->entries[i];
        if (entry->item.generation == 0) {
            continue;
        }
        revival->result->items += entry->answer == RSW_FOUND ? 1 : 0;
        if (entry->answer == RSW_FAILED) {
            if (add_failed(revival, entry, err) != 0) {
                return -1;
            }
            revival->result->failed = revival->failed_count;
        }
        if (entry->answer == RSW_ABSENT) {
            tell_lost(revival, &revival->batch->items[entry->at]);
        }
    }
    return 0;
}

/* What follows is touched before anything is put back, so that nothing of it is taken meanwhile, and is
 * queued in turn: hence the rounds, until one finds nothing. */
static int run(struct rsw_revival *revival, struct rsw_error *err) {
    for (;;) {
        if (gather(revival, err) != 0) {
            return -1;
        }
        if (revival->count == 0) {
            return 0;
        }
        if (spread(revival, err) != 0 || name(revival, err) != 0) {
            return -1;
        }
        if (rsw_revival_place(revival, err) != 0 || record(revival, err) != 0 || tally(revival, err) != 0) {
            return -1;
        }
    }
}

int rsw_revive(struct rsw_revive_result *result, struct rsw_index *index, struct rsw_storage *storage,
               const struct rsw_clock *clock, const struct rsw_log *log, struct rsw_error *err) {
    *result = (struct rsw_revive_result){.items = 0};
    struct rsw_revival *revival = calloc(1, sizeof *revival);
    if (revival != NULL) {
        revival->batch = rsw_removal_batch_new();
    }
    int rc = -1;
    if (revival == NULL || revival->batch == NULL) {
        rsw_error_set(err, RSW_ENOMEM, 0, "out of memory for giving back");
    } else {
        revival->index = index;
        revival->storage = storage;
        revival->clock = clock;
        revival->log = log;
        revival->result = result;
        rc = run(revival, err);
    }
    if (revival != NULL) {
        rsw_removal_batch_free(revival->batch);
        free(revival->failed);
    }
    free(revival);
    return rc;
}
