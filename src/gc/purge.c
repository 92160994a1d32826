#include "gc/purge.h"

#include "gc/decide.h"
#include "gc/quarantine.h"
#include "gc/removal.h"
#include "gc/tidy.h"
#include "storage/layout.h"
#include "util/clock.h"
#include "util/grow.h"
#include "util/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PURGE_MAX 100 /* items of a batch: events wait for each */
#define EMPTIED_MAX 32
#define PASSES_MAX 8 /* over what is touched meanwhile, before it waits for the next run */

struct purge {
    struct rsw_online *online;
    struct rsw_generation *generation;
    struct rsw_removal_batch *batch;
    enum rsw_item_state state; /* of the items that are wanted */
    struct rsw_item last;
    bool begun;
    bool missed;                   /* some were touched since they were loaded: they want another pass */
    bool late;                     /* some may go yet, and nobody saw them go: they want another settle */
    uint64_t emptied[EMPTIED_MAX]; /* generations that a copy was taken from besides, each once */
    size_t emptied_count;
};

static bool is_touched(const struct rsw_item *item) {
    return (item->flags & RSW_ITEM_TOUCHED) != 0;
}

/* ---- batches ---- */

/* The next items of a kind in the wanted state, touched or not. */
static int load(struct purge *purge, enum rsw_item_kind kind, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_item item;
    rsw_removal_batch_clear(purge->batch);
    if (rsw_sweep_go_on(purge->online->options, err) != 0 ||
        rsw_txn_begin_read(&txn, purge->online->index, err) != 0) {
        return -1;
    }
    if (purge->begun) {
        rsw_iter_items_after(&iter, txn, &purge->last);
    } else {
        rsw_iter_items(&iter, txn, purge->generation->id, kind);
    }
    while (purge->batch->count < purge->batch->limit && rsw_item_next(&iter, &item) == RSW_FOUND) {
        purge->last = item;
        purge->begun = true;
        if (item.state == purge->state && rsw_removal_batch_add(purge->batch, txn, &item, err) != 0) {
            return -1;
        }
    }
    return rsw_txn_failed(txn, err) ? -1 : 0;
}

static void report(struct purge *purge) {
    struct rsw_sweep_result *result = purge->online->result;
    result->generation = purge->generation->id;
    result->done = purge->generation->done;
    result->spared = purge->generation->spared;
    result->failed = purge->generation->failed;
    result->freed = purge->generation->freed;
}

/* All of a kind that are in this state, batch by batch. */
static int each_batch(struct purge *purge, enum rsw_item_kind kind, enum rsw_item_state state,
                      int (*act)(struct purge *purge, struct rsw_error *err), struct rsw_error *err) {
    purge->state = state;
    purge->begun = false;
    purge->missed = false;
    for (;;) {
        if (load(purge, kind, err) != 0) {
            return -1;
        }
        if (purge->batch->count == 0) {
            return 0;
        }
        if (act(purge, err) != 0) {
            return -1;
        }
        report(purge);
    }
}

static int audit(struct purge *purge, const char *action, struct rsw_error *err) {
    int64_t now_ms = rsw_clock_now_ms(purge->online->options->clock);
    for (size_t i = 0; i < purge->batch->count; i++) {
        const struct rsw_removal_item *item = &purge->batch->items[i];
        struct rsw_sweep_item words;
        rsw_removal_describe(&words, item);
        if (!is_touched(&item->item) && item->answer != RSW_FAILED &&
            rsw_audit_item(purge->online->audit, action, purge->generation->id, now_ms, &words, 0, err) !=
                0) {
            return -1;
        }
    }
    return rsw_audit_sync(purge->online->audit, err);
}

/* The item as it ends. Needs a write transaction. */
static void end_item(struct purge *purge, struct rsw_txn *txn, const struct rsw_item *item,
                     enum rsw_item_state state) {
    struct rsw_item ended = *item;
    ended.state = state;
    rsw_item_put(txn, &ended);
    purge->generation->done += state == RSW_ITEM_DONE ? 1 : 0;
    purge->generation->spared += state == RSW_ITEM_SPARED ? 1 : 0;
}

/* What it leaves empty. The folder of a revision is evidence, and goes with its tombstone. */
static void remove_folders(struct purge *purge) {
    if (purge->online->storage->flat) {
        return;
    }
    for (size_t i = 0; i < purge->batch->plan_count; i++) {
        const struct rsw_removal_key *key = &purge->batch->plan[i];
        const struct rsw_removal_item *item = &purge->batch->items[key->item];
        if (key->turn == RSW_TURN_DIR && !is_touched(&item->item)) {
            struct rsw_removal dir = {.key = purge->batch->keys + key->key};
            rsw_storage_rmdir(purge->online->storage, &dir, 1); /* one that stays is no failure */
        }
    }
    for (size_t i = 0; i < purge->batch->count; i++) {
        char key[RSW_KEY_MAX];
        const struct rsw_removal_item *item = &purge->batch->items[i];
        if (item->item.kind == RSW_ITEM_TAG && !is_touched(&item->item) &&
            rsw_key_tag(key, item->repo.name, item->item.name) != NULL) {
            rsw_storage_prune(purge->online->storage, key, NULL);
        }
    }
}

/* ---- bytes ---- */

/* Proven by a manifest that names it, and by nothing that ever took it for one. */
static bool is_no_manifest(struct rsw_txn *txn, const struct rsw_blob *blob) {
    const uint32_t named = RSW_TYPE_LAYER | RSW_TYPE_CONFIG;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    uint32_t repo;
    rsw_iter_members_of(&iter, txn, RSW_REVISION, blob->id);
    return (blob->types & named) != 0 && (blob->types & (RSW_TYPE_MANIFEST | RSW_TYPE_INDEX)) == 0 &&
           (blob->flags & (RSW_BLOB_PARSED | RSW_BLOB_UNREADABLE)) == 0 &&
           rsw_member_of_next(&iter, &repo) == RSW_ABSENT;
}

static bool is_to_be_held(const struct purge *purge, struct rsw_txn *txn, const struct rsw_item *item) {
    struct rsw_blob blob;
    return !is_touched(item) && purge->online->replicas->cache == RSW_CACHE_MEMORY &&
           item->size <= RSW_MANIFEST_BYTES_MAX && rsw_blob_get(txn, item->blob, &blob) == RSW_FOUND &&
           !is_no_manifest(txn, &blob);
}

static const char *data_key(const struct rsw_removal_batch *batch, size_t item) {
    for (size_t i = 0; i < batch->plan_count; i++) {
        if (batch->plan[i].item == item && batch->plan[i].turn == RSW_TURN_PART) {
            return batch->keys + batch->plan[i].key;
        }
    }
    return NULL;
}

/* Those that will be held are not told of as deletions. */
static int note_held(struct purge *purge, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_read(&txn, purge->online->index, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < purge->batch->count; i++) {
        struct rsw_removal_item *item = &purge->batch->items[i];
        if (is_to_be_held(purge, txn, &item->item)) {
            item->answer = RSW_FAILED;
            item->errnum = EBUSY;
        }
    }
    return rsw_txn_failed(txn, err) ? -1 : 0;
}

/* One that was touched must be in place before its copy goes. False: the copy stays. */
static bool is_in_place(struct purge *purge, const char *key) {
    struct rsw_setting setting = {.key = key};
    rsw_quarantine_return(purge->online->storage, purge->generation->id, &setting, 1);
    if (setting.answer == RSW_FAILED) {
        rsw_log(purge->online->options->log, RSW_LOG_ERROR, "%s was touched and cannot be put back: %s", key,
                rsw_storage_reason(setting.errnum));
    }
    return setting.answer != RSW_FAILED; /* absent at both places: somebody else removed it */
}

/* Folders alone: what else that generation holds stays. */
static void prune_emptied(struct purge *purge) {
    for (size_t i = 0; i < purge->emptied_count && !purge->online->storage->flat; i++) {
        char dir[RSW_QUARANTINE_KEY_MAX];
        struct rsw_error ignored = RSW_ERROR_INIT; /* a folder that stays is no failure */
        rsw_quarantine_key(dir, purge->emptied[i], RSW_LAYOUT_ROOT);
        *strstr(dir, "/" RSW_LAYOUT_ROOT) = 0;
        rsw_storage_prune(purge->online->storage, dir, &ignored);
    }
    purge->emptied_count = 0;
}

/* All of a folder is gone through to prune it, so that is done at the end. */
static void note_emptied(struct purge *purge, uint64_t generation) {
    for (size_t i = 0; i < purge->emptied_count; i++) {
        if (purge->emptied[i] == generation) {
            return;
        }
    }
    if (purge->emptied_count == EMPTIED_MAX) {
        prune_emptied(purge);
    }
    purge->emptied[purge->emptied_count++] = generation;
}

/* Bytes that are held already, were pushed again and are garbage again lie in quarantine for two generations:
 * the younger one's are enough, and the record, of which there is one, is about them. Of what is hidden only
 * the older note goes, never a version: both can name the same, and the younger one's purge deletes what it
 * names with all that is older. False: the item is not to be held now, for it has nothing of its own, or the
 * other could not be removed. */
static bool drop_older_copy(struct purge *purge, struct rsw_txn *txn, const struct rsw_item *item,
                            const char *key) {
    struct rsw_storage *storage = purge->online->storage;
    struct rsw_held held;
    struct rsw_setting setting = {.key = key};
    if (rsw_held_get(txn, item->blob, &held) != RSW_FOUND || held.generation == item->generation) {
        return true;
    }
    int has = rsw_quarantine_has(storage, item->generation, key);
    bool stays = has == RSW_ABSENT || held.generation > item->generation;
    uint64_t older = stays ? item->generation : held.generation;
    if (has != RSW_FAILED) {
        rsw_quarantine_leave_to_younger(storage, older, &setting, 1);
    }
    if (has == RSW_FAILED || setting.answer == RSW_FAILED) {
        rsw_log(purge->online->options->log, RSW_LOG_WARNING,
                "the older copy of %s in quarantine is not removed: %s", key,
                rsw_storage_reason(has == RSW_FAILED ? EIO : setting.errnum));
        return false;
    }
    struct rsw_item gone = {.generation = older, .kind = RSW_ITEM_BLOB, .blob = item->blob};
    if (rsw_item_get(txn, &gone) == RSW_FOUND) {
        gone.state = RSW_ITEM_SPARED;
        rsw_item_put(txn, &gone);
        purge->generation->spared += stays ? 1 : 0;
    }
    note_emptied(purge, older);
    return !stays;
}

/* `seq` 0: no cache needs it, and it goes as soon as that can be. */
static void hold(struct purge *purge, struct rsw_txn *txn, const struct rsw_item *item, uint64_t seq) {
    struct rsw_held held = {.blob = item->blob,
                            .generation = purge->generation->id,
                            .since_ms = rsw_clock_now_ms(purge->online->options->clock),
                            .seq = seq};
    rsw_held_put(txn, &held);
    end_item(purge, txn, item, RSW_ITEM_HELD);
}

static void tell_stays(struct purge *purge, const char *key, int errnum) {
    rsw_log(purge->online->options->log, RSW_LOG_WARNING, "the copy of %s in quarantine is not removed: %s",
            key, rsw_storage_reason(errnum));
}

/* Does its copy go? */
static bool is_purged(struct purge *purge, struct rsw_txn *txn, struct rsw_item *item, const char *key) {
    if (item->state == RSW_ITEM_PENDING && !is_touched(item)) {
        return false;
    }
    if (is_touched(item) && !is_in_place(purge, key)) {
        end_item(purge, txn, item, RSW_ITEM_ASIDE); /* the generation does not end yet */
        return false;
    }
    if (is_to_be_held(purge, txn, item)) {
        if (drop_older_copy(purge, txn, item,
                            key)) { /* else with both copies kept; the next run tries again */
            hold(purge, txn, item, rsw_txn_seq(txn));
        }
        return false;
    }
    return true;
}

static void end_blob(struct purge *purge, struct rsw_txn *txn, const struct rsw_item *item,
                     const struct rsw_setting *setting) {
    if (setting->answer == RSW_FAILED) {
        tell_stays(purge, setting->key, setting->errnum);
        if (setting->late && !is_touched(item)) {
            purge->late = true; /* it stays as it is, and is asked for once more after a settle */
        } else if (drop_older_copy(purge, txn, item, setting->key)) {
            purge->generation->failed++;
            hold(purge, txn, item, 0); /* no later generation would find it */
        }
        return;
    }
    if (!is_touched(item) && setting->answer == RSW_FOUND) {
        purge->generation->freed += item->size;
    }
    end_item(purge, txn, item, is_touched(item) ? RSW_ITEM_SPARED : RSW_ITEM_DONE);
}

/* The copies that go, at once. */
static void purge_blobs_of(struct purge *purge, struct rsw_txn *txn) {
    struct rsw_setting settings[PURGE_MAX];
    size_t owners[PURGE_MAX];
    size_t count = 0;
    for (size_t i = 0; i < purge->batch->count; i++) {
        struct rsw_item *item = &purge->batch->items[i].item;
        const char *key = data_key(purge->batch, i);
        uint32_t flags = item->flags;
        if (rsw_item_get(txn, item) != RSW_FOUND) {
            continue;
        }
        if (item->flags != flags) {
            purge->missed = true;
        } else if (is_purged(purge, txn, item, key)) {
            settings[count] = (struct rsw_setting){.key = key};
            owners[count++] = i;
        }
    }
    rsw_quarantine_purge(purge->online->storage, purge->generation->id, settings, count);
    for (size_t i = 0; i < count; i++) {
        end_blob(purge, txn, &purge->batch->items[owners[i]].item, &settings[i]);
    }
}

/* What was touched since it was loaded, and is in the audit as purged, comes back in the next pass. */
static int write_blobs(struct purge *purge, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_write(&txn, purge->online->index, err) != 0) {
        return -1;
    }
    struct rsw_generation before = *purge->generation;
    purge_blobs_of(purge, txn);
    rsw_generation_put(txn, purge->generation);
    if (rsw_txn_commit(&txn, err) != 0) {
        *purge->generation = before;
        return -1;
    }
    return 0;
}

static int purge_batch(struct purge *purge, struct rsw_error *err) {
    if (note_held(purge, err) != 0 || audit(purge, "purge", err) != 0 || write_blobs(purge, err) != 0) {
        return -1;
    }
    remove_folders(purge);
    return 0;
}

/* `state`: ASIDE; or PENDING, for a kill between a move and its record leaves a copy of what is in its place
 * as far as the index knows. If that was touched, nobody takes it again. A touch is never unset, so there is
 * an end. */
static int purge_blobs(struct purge *purge, enum rsw_item_state state, struct rsw_error *err) {
    int rc;
    do {
        rc = each_batch(purge, RSW_ITEM_BLOB, state, purge_batch, err);
    } while (rc == 0 && purge->missed);
    prune_emptied(purge);
    return rc;
}

static int put(struct purge *purge, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_write(&txn, purge->online->index, err) != 0) {
        return -1;
    }
    rsw_generation_put(txn, purge->generation);
    return rsw_txn_commit(&txn, err);
}

/* What is hidden is purged under its own key, and a deletion that comes late takes it from whoever it was
 * given back to meanwhile. The generation says so, while storage is asked, and as long as one was not
 * answered. */
static int purge_all_blobs(struct purge *purge, struct rsw_error *err) {
    bool says = purge->online->storage->versions;
    if (says) {
        purge->generation->clearing = true;
        if (put(purge, err) != 0) {
            return -1;
        }
    }
    int rc = purge_blobs(purge, RSW_ITEM_ASIDE, err) == 0 && purge_blobs(purge, RSW_ITEM_PENDING, err) == 0
                 ? 0
                 : -1;
    purge->generation->clearing = purge->late;
    return (says || purge->late) && put(purge, rc == 0 ? err : NULL) != 0 ? -1 : rc;
}

/* ---- links, revisions, tags ---- */

static int write_ends(struct purge *purge, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_write(&txn, purge->online->index, err) != 0) {
        return -1;
    }
    struct rsw_generation before = *purge->generation;
    for (size_t i = 0; i < purge->batch->count; i++) {
        struct rsw_item *item = &purge->batch->items[i].item;
        if (rsw_item_get(txn, item) != RSW_FOUND || item->state != purge->state) {
            continue;
        }
        bool aside = purge->state == RSW_ITEM_ASIDE;
        if (aside && is_touched(item) && rsw_touched_get(txn, item) != RSW_ABSENT) {
            purge->missed = true; /* nobody has put it back yet, and its copy is all that there is */
            continue;
        }
        if (!is_touched(item) && aside && item->kind == RSW_ITEM_REVISION) {
            rsw_removal_forget_revision(txn, item);
        }
        end_item(purge, txn, item, !is_touched(item) && aside ? RSW_ITEM_DONE : RSW_ITEM_SPARED);
    }
    rsw_generation_put(txn, purge->generation);
    if (rsw_txn_commit(&txn, err) != 0) {
        *purge->generation = before;
        return -1;
    }
    return 0;
}

/* ASIDE: those that were taken; PENDING: those that never were. */
static int end_batch(struct purge *purge, struct rsw_error *err) {
    if (write_ends(purge, err) != 0) {
        return -1;
    }
    if (purge->state == RSW_ITEM_ASIDE) {
        remove_folders(purge);
    }
    return 0;
}

static int end_kind(struct purge *purge, enum rsw_item_kind kind, struct rsw_error *err) {
    for (int i = 0; i < PASSES_MAX; i++) {
        if (rsw_online_give_back(purge->online, err) != 0 ||
            each_batch(purge, kind, RSW_ITEM_ASIDE, end_batch, err) != 0) {
            return -1;
        }
        if (!purge->missed) {
            return each_batch(purge, kind, RSW_ITEM_PENDING, end_batch, err);
        }
    }
    return rsw_error_set(err, RSW_EPARTIAL, 0,
                         "generation %" PRIu64
                         ": something of it is touched again and again; the next run goes on",
                         purge->generation->id);
}

/* What a client can name goes before what it leads to: so a touch that comes while this runs gives back all
 * of an image, or nothing of it. */
static int end_names(struct purge *purge, struct rsw_error *err) {
    static const enum rsw_item_kind kinds[] = {RSW_ITEM_TAG, RSW_ITEM_REVISION, RSW_ITEM_LINK};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (end_kind(purge, kinds[i], err) != 0) {
            return -1;
        }
    }
    return rsw_quarantine_clean(purge->online->storage, purge->generation->id, NULL, err);
}

/* ---- uploads, repositories ---- */

/* Somebody has something in it again. */
static bool is_used(struct rsw_txn *txn, uint32_t repo) {
    RSW_AUTO_ITER links = RSW_ITER_INIT;
    RSW_AUTO_ITER revisions = RSW_ITER_INIT;
    RSW_AUTO_ITER tags = RSW_ITER_INIT;
    struct rsw_member member;
    struct rsw_tag tag;
    rsw_iter_members(&links, txn, RSW_LINK, repo);
    while (rsw_member_next(&links, &member) == RSW_FOUND) {
        if ((member.flags & RSW_MEMBER_PRESENT) != 0) {
            return true;
        }
    }
    rsw_iter_members(&revisions, txn, RSW_REVISION, repo);
    while (rsw_member_next(&revisions, &member) == RSW_FOUND) {
        if ((member.flags & RSW_MEMBER_PRESENT) != 0) {
            return true;
        }
    }
    rsw_iter_tags(&tags, txn, repo);
    return rsw_tag_next(&tags, &tag) == RSW_FOUND;
}

static int leave_used(struct purge *purge, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_read(&txn, purge->online->index, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < purge->batch->count; i++) {
        struct rsw_removal_item *item = &purge->batch->items[i];
        if (is_touched(&item->item) ||
            (item->item.kind == RSW_ITEM_REPOSITORY && is_used(txn, item->repo.id))) {
            item->answer = RSW_FAILED;
            item->errnum = ENOTEMPTY;
        }
    }
    return rsw_txn_failed(txn, err) ? -1 : 0;
}

static int record_removed(struct purge *purge, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    struct rsw_generation *generation = purge->generation;
    for (size_t i = 0; i < purge->batch->count; i++) {
        const struct rsw_removal_item *item = &purge->batch->items[i];
        bool failed = item->answer == RSW_FAILED;
        bool spared = failed && rsw_removal_spared(item->errnum);
        generation->done += failed ? 0 : 1;
        generation->spared += spared ? 1 : 0;
        generation->failed += failed && !spared ? 1 : 0;
        generation->freed += item->answer == RSW_FOUND ? item->item.size : 0;
        if (failed && !spared) {
            char name[RSW_REMOVAL_NAME_MAX];
            rsw_log(purge->online->options->log, RSW_LOG_WARNING, "%s not removed: %s",
                    rsw_removal_name(item, name, sizeof name), rsw_storage_reason(item->errnum));
        }
    }
    if (rsw_txn_begin_write(&txn, purge->online->index, err) != 0) {
        return -1;
    }
    rsw_removal_batch_record(purge->batch, txn);
    rsw_generation_put(txn, generation);
    return rsw_txn_commit(&txn, err);
}

static int remove_batch(struct purge *purge, struct rsw_error *err) {
    if (leave_used(purge, err) != 0 || audit(purge, "delete", err) != 0) {
        return -1;
    }
    rsw_removal_batch_remove(purge->batch, purge->online->storage);
    return record_removed(purge, err);
}

/* ---- the whole ---- */

static int count_aside(struct purge *purge, uint64_t *count, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_item item;
    *count = 0;
    if (rsw_txn_begin_read(&txn, purge->online->index, err) != 0) {
        return -1;
    }
    rsw_iter_items(&iter, txn, purge->generation->id, 0);
    while (rsw_item_next(&iter, &item) == RSW_FOUND) {
        *count += item.state == RSW_ITEM_ASIDE ? 1 : 0;
    }
    return rsw_txn_failed(txn, err) ? -1 : 0;
}

static int end_generation(struct purge *purge, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    uint64_t left;
    if (count_aside(purge, &left, err) != 0) {
        return -1;
    }
    if (left > 0) {
        return rsw_error_set(err, RSW_EPARTIAL, 0,
                             "generation %" PRIu64 ": %" PRIu64
                             " objects that were touched are not back in their place yet: see the warnings; "
                             "their copies stay in quarantine until the next run",
                             purge->generation->id, left);
    }
    uint64_t strange = 0;
    if (rsw_quarantine_clean(purge->online->storage, purge->generation->id, &strange, err) != 0) {
        return -1;
    }
    if (strange > 0) {
        rsw_log(purge->online->options->log, RSW_LOG_WARNING,
                "%" PRIu64 " files in quarantine are none of ours, and stay", strange);
    }
    if (rsw_txn_begin_write(&txn, purge->online->index, err) != 0) {
        return -1;
    }
    purge->generation->state = RSW_GENERATION_PURGED;
    purge->generation->changed_ms = rsw_clock_now_ms(purge->online->options->clock);
    purge->generation->due_ms = 0;
    rsw_generation_put(txn, purge->generation);
    if (rsw_txn_commit(&txn, err) != 0) {
        return -1;
    }
    rsw_quarantine_leave(purge->online->storage, purge->generation->id);
    return 0;
}

static int purge_all(struct purge *purge, struct rsw_error *err) {
    if (end_names(purge, err) != 0 || purge_all_blobs(purge, err) != 0) {
        return -1;
    }
    if (purge->late) {
        report(purge);
        return 0;
    }
    if (each_batch(purge, RSW_ITEM_BLOB, RSW_ITEM_PENDING, end_batch, err) != 0 ||
        each_batch(purge, RSW_ITEM_UPLOAD, RSW_ITEM_PENDING, remove_batch, err) != 0 ||
        each_batch(purge, RSW_ITEM_REPOSITORY, RSW_ITEM_PENDING, remove_batch, err) != 0 ||
        end_generation(purge, err) != 0) {
        return -1;
    }
    report(purge);
    return rsw_tidy(purge->online->index, purge->online->storage, purge->generation->seq,
                    purge->online->options->clock, err);
}

int rsw_purge(struct rsw_online *online, struct rsw_generation *generation, struct rsw_error *err) {
    struct purge purge = {.online = online, .generation = generation, .batch = rsw_removal_batch_new()};
    if (purge.batch == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory for a batch of removals");
    }
    purge.batch->limit = PURGE_MAX;
    int rc = purge_all(&purge, err);
    rsw_removal_batch_free(purge.batch);
    return rc;
}

/* ---- held bytes ---- */

/* `all`: the registry is stopped, and storage has not been read yet. Who pushed it since, through a stale
 * cache, may have told nobody: so it is put back like what was touched. *gone: its copy is. */
static int release(struct purge *purge, const struct rsw_held *held, bool all, bool *gone,
                   struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    struct rsw_item item = {.generation = held->generation, .kind = RSW_ITEM_BLOB, .blob = held->blob};
    if (!all && held->seq >= purge->online->replicas->oldest_seq) {
        return 0; /* a cache may need it */
    }
    if (rsw_txn_begin_write(&txn, purge->online->index, err) != 0) {
        return -1;
    }
    if (rsw_item_get(txn, &item) != RSW_FOUND ||
        rsw_generation_get(txn, held->generation, purge->generation) != RSW_FOUND) {
        rsw_held_drop(txn, held->blob); /* its generation is not listed any more */
        return rsw_txn_commit(&txn, err);
    }
    item.flags |= all ? RSW_ITEM_TOUCHED : 0;
    rsw_removal_batch_clear(purge->batch);
    if (rsw_removal_batch_add(purge->batch, txn, &item, err) != 0 || audit(purge, "purge", err) != 0) {
        return -1;
    }
    struct rsw_setting setting = {.key = data_key(purge->batch, 0)};
    if (is_touched(&item) && !is_in_place(purge, setting.key)) {
        return all ? rsw_error_set(err, RSW_EPARTIAL, 0,
                                   "%s is held in quarantine and cannot be put back, so nobody can tell what "
                                   "needs it; nothing is taken until it is",
                                   setting.key)
                   : 0;
    }
    rsw_quarantine_purge(purge->online->storage, held->generation, &setting, 1);
    if (setting.answer != RSW_FAILED) {
        *gone = true;
        purge->generation->freed += is_touched(&item) ? 0 : item.size;
        end_item(purge, txn, &item, is_touched(&item) ? RSW_ITEM_SPARED : RSW_ITEM_DONE);
        rsw_held_drop(txn, held->blob);
        rsw_generation_put(txn, purge->generation);
    } else {
        tell_stays(purge, setting.key, setting.errnum);
    }
    return rsw_txn_commit(&txn, err);
}

/* So that the folder of each is gone through once. */
static int by_generation(const void *a, const void *b) {
    const struct rsw_held *one = a;
    const struct rsw_held *other = b;
    return one->generation < other->generation ? -1 : one->generation > other->generation ? 1 : 0;
}

static int gather_held(struct rsw_online *online, struct rsw_held **out, size_t *count,
                       struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_held held;
    size_t room = 0;
    if (rsw_txn_begin_read(&txn, online->index, err) != 0) {
        return -1;
    }
    rsw_iter_held(&iter, txn);
    while (rsw_held_next(&iter, &held) == RSW_FOUND) {
        struct rsw_held *more = rsw_grown(*out, &room, *count + 1, sizeof *more);
        if (more == NULL) {
            return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory for held bytes");
        }
        *out = more;
        more[(*count)++] = held;
    }
    if (*count > 0) {
        qsort(*out, *count, sizeof **out, by_generation);
    }
    return rsw_txn_failed(txn, err) ? -1 : 0;
}

int rsw_purge_held(struct rsw_online *online, bool all, uint64_t *left, struct rsw_error *err) {
    struct rsw_held *held = NULL;
    size_t count = 0;
    struct rsw_generation generation;
    struct purge purge = {.online = online, .generation = &generation, .batch = rsw_removal_batch_new()};
    int rc = purge.batch != NULL ? gather_held(online, &held, &count, err)
                                 : rsw_error_set(err, RSW_ENOMEM, 0, "out of memory for held bytes");
    bool gone = false; /* something of this generation */
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = release(&purge, &held[i], all, &gone, err);
        if (rc == 0 && gone && (i + 1 == count || held[i + 1].generation != held[i].generation)) {
            rc = rsw_quarantine_clean(online->storage, held[i].generation, NULL, err);
            rsw_quarantine_leave(online->storage, held[i].generation);
            gone = false;
        }
    }
    free(held);
    held = NULL;
    count = 0;
    if (rc == 0) {
        rc = gather_held(online, &held, &count, err);
    }
    *left = count;
    free(held);
    rsw_removal_batch_free(purge.batch);
    return rc;
}
