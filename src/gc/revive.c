#include "gc/revive.h"

#include "gc/quarantine.h"
#include "gc/removal.h"
#include "index/deletion.h"
#include "index/facts.h"
#include "oci/reference.h"
#include "storage/layout.h"
#include "util/cleanup.h"
#include "util/grow.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define ROUND_MAX 100 /* entries of the queue at once: a round has two write transactions */

struct touched {
    struct rsw_item item;
    uint64_t queued;
    size_t at;  /* in the batch, if it is an item of a generation */
    bool layer; /* a revision whose manifest was uploaded as a layer too */
    int answer; /* FOUND: done with; ABSENT: lost; FAILED: try again later */
    bool ended; /* taken out of the queue: nobody touched it since it was gathered */
};

struct revival {
    struct rsw_index *index;
    struct rsw_storage *storage;
    const struct rsw_clock *clock;
    const struct rsw_log *log;
    struct rsw_revive_result *result;
    struct rsw_removal_batch *batch; /* the items, with their keys */
    size_t owners[ROUND_MAX];        /* entries of the items in the batch */
    struct touched entries[ROUND_MAX];
    size_t count;
    struct touched *failed; /* owned, in the order of the queue: not tried again in the same run */
    size_t failed_count, failed_room;
};

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

/* Tags that were set aside with this manifest as their head, and weak tags of it. */
static void touch_tags(struct rsw_txn *txn, uint32_t repo, uint32_t manifest) {
    uint64_t ids[RSW_GENERATIONS_OPEN_MAX];
    size_t count = rsw_generations_open(txn, ids, RSW_GENERATIONS_OPEN_MAX);
    struct rsw_blob blob;
    if (rsw_blob_get(txn, manifest, &blob) != RSW_FOUND) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        RSW_AUTO_ITER iter = RSW_ITER_INIT;
        struct rsw_item item;
        rsw_iter_items_in(&iter, txn, ids[i], RSW_ITEM_TAG, repo);
        while (rsw_item_next(&iter, &item) == RSW_FOUND) {
            struct rsw_digest subject;
            bool follows = item.blob == manifest || (rsw_tag_weak(&subject, item.name, strlen(item.name)) &&
                                                     rsw_digest_equal(&subject, &blob.digest));
            if (follows && !is_forgotten(txn, RSW_ITEM_TAG, repo, 0, item.name)) {
                rsw_touch_item(txn, &item, false);
            }
        }
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
static size_t find_failed(const struct revival *revival, const struct rsw_item *item) {
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

static bool has_failed(const struct revival *revival, const struct touched *entry) {
    size_t at = find_failed(revival, &entry->item);
    return at < revival->failed_count && compare(&revival->failed[at].item, &entry->item) == 0 &&
           revival->failed[at].queued == entry->queued;
}

static int add_failed(struct revival *revival, const struct touched *entry, struct rsw_error *err) {
    size_t at = find_failed(revival, &entry->item);
    if (at == revival->failed_count || compare(&revival->failed[at].item, &entry->item) != 0) {
        struct touched *failed = rsw_grown(revival->failed, &revival->failed_room, revival->failed_count + 1,
                                           sizeof *revival->failed);
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

static int gather(struct revival *revival, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    revival->count = 0;
    if (rsw_txn_begin_read(&txn, revival->index, err) != 0) {
        return -1;
    }
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    rsw_iter_touched(&iter, txn);
    struct touched entry = {.answer = RSW_FOUND};
    while (revival->count < ROUND_MAX && rsw_touched_next(&iter, &entry.item, &entry.queued) == RSW_FOUND) {
        if (!has_failed(revival, &entry)) {
            revival->entries[revival->count++] = entry;
        }
    }
    return rsw_txn_failed(txn, err) ? -1 : 0;
}

static int spread(struct revival *revival, struct rsw_error *err) {
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

static int name(struct revival *revival, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    rsw_removal_batch_clear(revival->batch);
    if (rsw_txn_begin_read(&txn, revival->index, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < revival->count; i++) {
        struct touched *entry = &revival->entries[i];
        if (entry->item.generation == 0) {
            continue;
        }
        revival->owners[revival->batch->count] = i;
        entry->at = revival->batch->count;
        struct rsw_member link;
        entry->layer = entry->item.kind == RSW_ITEM_REVISION &&
                       rsw_member_get(txn, RSW_LINK, entry->item.repo, entry->item.blob, &link) == RSW_FOUND;
        if (rsw_removal_batch_add(revival->batch, txn, &entry->item, err) != 0) {
            return -1;
        }
    }
    return rsw_txn_failed(txn, err) ? -1 : 0;
}

static void note(struct revival *revival, struct touched *entry, const struct rsw_setting *setting) {
    if (setting->answer == RSW_FAILED) {
        entry->answer = RSW_FAILED;
        rsw_log(revival->log, RSW_LOG_ERROR, "%s was touched and cannot be put back, tried again later: %s",
                setting->key, strerror(setting->errnum));
    }
}

/* What else is in quarantine in the folder of a revision or tag (signatures, history), whether the index
 * still knows of it or not. */
struct folder {
    struct revival *revival;
    struct touched *entry;
};

static int return_page(void *arg, const struct rsw_entry *entries, size_t count, struct rsw_error *err) {
    struct folder *of = arg;
    (void)err;
    for (size_t i = 0; i < count; i++) {
        const char *key = strstr(entries[i].key, RSW_LAYOUT_ROOT "/");
        if (key != NULL && entries[i].kind == RSW_ENTRY_FILE) {
            struct rsw_setting setting = {.key = key};
            rsw_quarantine_return(of->revival->storage, of->entry->item.generation, &setting, 1);
            note(of->revival, of->entry, &setting);
        }
    }
    return 0;
}

static void return_folder(struct revival *revival, struct touched *entry, const char *key) {
    char prefix[RSW_QUARANTINE_KEY_MAX];
    struct folder of = {revival, entry};
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_listing listing = {
        .prefix = rsw_quarantine_key(prefix, entry->item.generation, key), .page = return_page, .arg = &of};
    if (rsw_storage_list(revival->storage, &listing, &err) == RSW_FAILED) {
        entry->answer = RSW_FAILED;
        rsw_log(revival->log, RSW_LOG_ERROR, "what belongs to %s cannot be put back, tried again later: %s",
                key, err.message);
    }
}

/* Before the file that makes it one. */
static void return_parts(struct revival *revival, struct touched *entry,
                         const struct rsw_removal_item *item) {
    char key[RSW_KEY_MAX];
    if (item->item.kind == RSW_ITEM_REVISION &&
        rsw_key_revision_link(key, item->repo.name, &item->digest) != NULL) {
        *strrchr(key, '/') = 0;
        return_folder(revival, entry, key);
    } else if (item->item.kind == RSW_ITEM_TAG &&
               rsw_key_tag(key, item->repo.name, item->item.name) != NULL) {
        return_folder(revival, entry, key);
    }
}

/* A layer link of which there is no copy, for a request of ours to forget it has taken it: what it says is
 * known. One that is in place stays as it is. */
static void write_link(struct revival *revival, struct touched *entry, const struct rsw_removal_item *item) {
    char key[RSW_KEY_MAX];
    char text[RSW_DIGEST_TEXT_MAX];
    struct rsw_write write = {.key = rsw_key_layer_link(key, item->repo.name, &item->digest)};
    if (write.key == NULL || item->digest.alg != RSW_SHA256) { /* an alias: nobody knows what it led to */
        entry->answer = entry->answer == RSW_FOUND ? RSW_ABSENT : entry->answer;
        return;
    }
    write.bytes = rsw_digest_format(&item->digest, text);
    write.len = strlen(text);
    rsw_storage_write(revival->storage, &write, 1);
    if (write.answer == RSW_FOUND) {
        revival->result->placed++;
    } else if (write.errnum != EEXIST) {
        entry->answer = RSW_FAILED;
        rsw_log(revival->log, RSW_LOG_ERROR, "%s was touched and cannot be written, tried again later: %s",
                key, strerror(write.errnum));
    }
}

/* Puts the files of all items back that are not in place. */
static void place(struct revival *revival) {
    const struct rsw_removal_batch *batch = revival->batch;
    for (size_t i = 0; i < batch->plan_count; i++) {
        const struct rsw_removal_key *plan = &batch->plan[i];
        struct touched *entry = &revival->entries[revival->owners[plan->item]];
        struct rsw_setting setting = {.key = batch->keys + plan->key};
        if (plan->turn == RSW_TURN_DIR) {
            continue;
        }
        if (plan->turn == RSW_TURN_NAME) {
            return_parts(revival, entry, &batch->items[plan->item]);
            if (entry->layer) {
                write_link(revival, entry, &batch->items[plan->item]);
            }
        }
        rsw_quarantine_return(revival->storage, entry->item.generation, &setting, 1);
        note(revival, entry, &setting);
        bool itself = plan->turn == RSW_TURN_NAME || entry->item.kind == RSW_ITEM_BLOB ||
                      entry->item.kind == RSW_ITEM_LINK;
        bool lost = itself && setting.answer == RSW_ABSENT;
        if (lost && entry->item.kind == RSW_ITEM_LINK) {
            write_link(revival, entry, &batch->items[plan->item]);
        } else if (lost && entry->answer == RSW_FOUND) {
            entry->answer = RSW_ABSENT;
        }
        revival->result->placed += setting.placed ? 1 : 0;
    }
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

/* Storage has it again. */
static void claim(struct rsw_txn *txn, const struct rsw_removal_item *from, int64_t now_ms) {
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
        rsw_fact_tag_event(txn, item->repo, item->name, item->blob, 0, now_ms);
        break;
    case RSW_ITEM_REPOSITORY:
    case RSW_ITEM_UPLOAD:
        break;
    }
}

static void tell_lost(struct revival *revival, const struct rsw_removal_item *item) {
    char name[RSW_REMOVAL_NAME_MAX];
    revival->result->lost++;
    rsw_log(revival->log, RSW_LOG_WARNING,
            "%s was touched, but is neither in place nor in quarantine: somebody else removed it",
            rsw_removal_name(item, name, sizeof name));
}

/* A claim is a touch too, and queues what it is about: that is out again before anybody sees it. What others
 * queued since it was gathered stays, for what was put in place may be gone again. */
static int record(struct revival *revival, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_write(&txn, revival->index, err) != 0) {
        return -1;
    }
    int64_t now_ms = rsw_clock_now_ms(revival->clock);
    for (size_t i = 0; i < revival->count; i++) {
        struct touched *entry = &revival->entries[i];
        entry->ended = entry->answer != RSW_FAILED && rsw_touched_drop(txn, &entry->item, entry->queued);
    }
    for (size_t i = 0; i < revival->count; i++) {
        const struct touched *entry = &revival->entries[i];
        if (entry->item.generation != 0 && entry->answer == RSW_FOUND) {
            claim(txn, &revival->batch->items[entry->at], now_ms);
        }
    }
    for (size_t i = 0; i < revival->count; i++) {
        const struct touched *entry = &revival->entries[i];
        if (entry->ended) {
            rsw_touched_drop(txn, &entry->item, rsw_txn_seq(txn));
        }
    }
    return rsw_txn_commit(&txn, err);
}

static int tally(struct revival *revival, struct rsw_error *err) {
    for (size_t i = 0; i < revival->count; i++) {
        const struct touched *entry = &revival->entries[i];
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
static int run(struct revival *revival, struct rsw_error *err) {
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
        place(revival);
        if (record(revival, err) != 0 || tally(revival, err) != 0) {
            return -1;
        }
    }
}

int rsw_revive(struct rsw_revive_result *result, struct rsw_index *index, struct rsw_storage *storage,
               const struct rsw_clock *clock, const struct rsw_log *log, struct rsw_error *err) {
    *result = (struct rsw_revive_result){.items = 0};
    struct revival *revival = calloc(1, sizeof *revival);
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
