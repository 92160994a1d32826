#include "gc/aside.h"

#include "gc/decide.h"
#include "gc/quarantine.h"
#include "storage/layout.h"
#include "util/clock.h"
#include "util/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define TAKE_MAX 32 /* items of a batch: their moves are synced while events wait */

static int load(struct rsw_aside *aside, struct rsw_removal_batch *batch, enum rsw_item_kind kind,
                struct rsw_item *last, bool *begun, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    struct rsw_generation generation;
    if (rsw_txn_begin_read(&txn, aside->index, err) != 0) {
        return -1;
    }
    if (rsw_generation_get(txn, aside->generation, &generation) != RSW_FOUND) {
        rsw_txn_failed(txn, err);
        return rsw_error_set(err, RSW_ECORRUPT, 0, "the index has no record of generation %" PRIu64,
                             aside->generation);
    }
    if (rsw_removal_batch_load(batch, txn, &generation, kind, *begun ? last : NULL, err) != 0) {
        return -1;
    }
    if (batch->count > 0) {
        *last = batch->items[batch->count - 1].item;
        *begun = true;
    }
    return 0;
}

static int audit(struct rsw_aside *aside, const struct rsw_removal_batch *batch, struct rsw_error *err) {
    int64_t now_ms = rsw_clock_now_ms(aside->options->clock);
    for (size_t i = 0; i < batch->count; i++) {
        const struct rsw_removal_item *item = &batch->items[i];
        struct rsw_sweep_item words;
        rsw_removal_describe(&words, item);
        if (item->answer != RSW_FAILED &&
            rsw_audit_item(aside->audit, item->item.kind == RSW_ITEM_BLOB ? "hide" : "unlink",
                           aside->generation, now_ms, &words, 0, err) != 0) {
            return -1;
        }
    }
    return rsw_audit_sync(aside->audit, err);
}

/* What was touched since it was loaded stays where it is. */
static void leave_touched(struct rsw_removal_batch *batch, struct rsw_txn *txn) {
    for (size_t i = 0; i < batch->count; i++) {
        struct rsw_removal_item *item = &batch->items[i];
        if (rsw_item_get(txn, &item->item) != RSW_FOUND || item->item.state != RSW_ITEM_PENDING ||
            (item->item.flags & RSW_ITEM_TOUCHED) != 0) {
            item->answer = RSW_FAILED;
            item->errnum = ECANCELED;
        }
    }
}

/* The files of a batch. */
struct files {
    struct rsw_setting *settings; /* owned; those of parts first, then those of names */
    uint32_t *owners;             /* owned: items of the batch */
    size_t parts, count;
};

static void files_release(struct files *files) {
    free(files->settings);
    free(files->owners);
}
#define AUTO_FILES __attribute__((cleanup(files_release))) struct files

static void add_files(struct files *files, const struct rsw_removal_batch *batch,
                      enum rsw_removal_turn turn) {
    for (size_t i = 0; i < batch->plan_count; i++) {
        if (batch->plan[i].turn == turn) {
            files->settings[files->count] = (struct rsw_setting){.key = batch->keys + batch->plan[i].key};
            files->owners[files->count++] = batch->plan[i].item;
        }
    }
}

static int gather_files(struct files *files, const struct rsw_removal_batch *batch, struct rsw_error *err) {
    files->settings = calloc(batch->plan_count + 1, sizeof *files->settings);
    files->owners = calloc(batch->plan_count + 1, sizeof *files->owners);
    if (files->settings == NULL || files->owners == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory for a batch of moves");
    }
    add_files(files, batch, RSW_TURN_PART);
    files->parts = files->count;
    add_files(files, batch, RSW_TURN_NAME);
    return 0;
}

/* What failed of these decides over their items. */
static void take_answers(struct rsw_removal_batch *batch, const struct files *files, size_t from, size_t to) {
    for (size_t i = from; i < to; i++) {
        struct rsw_removal_item *item = &batch->items[files->owners[i]];
        if (files->settings[i].answer == RSW_FAILED && item->answer != RSW_FAILED) {
            item->answer = RSW_FAILED;
            item->errnum = files->settings[i].errnum;
        }
    }
}

/* Those between `from` and `to` whose item goes. The others are put behind them, and lose their place. */
static void take_files(struct rsw_aside *aside, struct rsw_removal_batch *batch, struct files *files,
                       size_t from, size_t to) {
    size_t end = from;
    for (size_t i = from; i < to; i++) {
        if (batch->items[files->owners[i]].answer != RSW_FAILED) {
            struct rsw_setting setting = files->settings[i];
            uint32_t owner = files->owners[i];
            files->settings[i] = files->settings[end];
            files->owners[i] = files->owners[end];
            files->settings[end] = setting;
            files->owners[end++] = owner;
        }
    }
    rsw_quarantine_take(aside->storage, aside->generation, files->settings + from, end - from);
    take_answers(batch, files, from, end);
    for (size_t i = from; i < end; i++) {
        aside->late |= files->settings[i].late;
    }
}

static void tell_failed(const struct rsw_aside *aside, const struct rsw_removal_item *item) {
    char name[RSW_REMOVAL_NAME_MAX];
    rsw_log(aside->options->log, RSW_LOG_WARNING, "%s stays, with all that it needs: %s",
            rsw_removal_name(item, name, sizeof name),
            item->errnum == EBUSY ? "something links it by now" : rsw_storage_reason(item->errnum));
}

/* Whoever writes to it is no failure of storage. */
static bool is_failure(int errnum) {
    return !rsw_removal_spared(errnum) && errnum != EAGAIN && errnum != EEXIST;
}

/* One that could not be taken, or only in part, is touched: so its parts are given back, and what it needs is
 * not taken. */
static void record(struct rsw_aside *aside, struct rsw_removal_batch *batch, struct rsw_txn *txn) {
    for (size_t i = 0; i < batch->count; i++) {
        struct rsw_removal_item *item = &batch->items[i];
        if (item->answer != RSW_FAILED) {
            rsw_removal_absent(txn, &item->item);
            item->item.state = RSW_ITEM_ASIDE;
            rsw_item_put(txn, &item->item);
        } else if (item->errnum != ECANCELED) {
            rsw_touch_item(txn, &item->item, true);
            tell_failed(aside, item);
            aside->failed += is_failure(item->errnum) ? 1 : 0;
        }
    }
}

static int take(struct rsw_aside *aside, struct rsw_removal_batch *batch, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    AUTO_FILES files = {.count = 0};
    if (gather_files(&files, batch, err) != 0) {
        return -1;
    }
    rsw_quarantine_copy(aside->storage, aside->generation, files.settings, files.count);
    take_answers(batch, &files, 0, files.count);
    if (rsw_txn_begin_write(&txn, aside->index, err) != 0) {
        return -1;
    }
    leave_touched(batch, txn);
    if (rsw_txn_failed(txn, err) || rsw_sweep_go_on(aside->options, err) != 0) { /* the copies can last */
        return -1;
    }
    take_files(aside, batch, &files, 0, files.parts);
    take_files(aside, batch, &files, files.parts, files.count);
    record(aside, batch, txn);
    return rsw_txn_commit(&txn, err);
}

/* The registry lists a tag for its empty folder. */
static void remove_tag_folders(struct rsw_aside *aside, const struct rsw_removal_batch *batch) {
    for (size_t i = 0; i < batch->count && !aside->storage->flat; i++) {
        char key[RSW_KEY_MAX];
        const struct rsw_removal_item *item = &batch->items[i];
        if (item->item.kind == RSW_ITEM_TAG && item->item.state == RSW_ITEM_ASIDE &&
            rsw_key_tag(key, item->repo.name, item->item.name) != NULL) {
            rsw_storage_prune(aside->storage, key, NULL);
        }
    }
}

static int take_all(struct rsw_aside *aside, struct rsw_removal_batch *batch, enum rsw_item_kind kind,
                    struct rsw_error *err) {
    struct rsw_item last;
    for (bool begun = false;;) {
        if (rsw_sweep_go_on(aside->options, err) != 0) {
            return -1;
        }
        if (load(aside, batch, kind, &last, &begun, err) != 0) {
            return -1;
        }
        if (batch->count == 0) {
            return 0;
        }
        if (aside->storage->versions && rsw_storage_still_versions(aside->storage, err) != 0) {
            return -1;
        }
        if (audit(aside, batch, err) != 0 || take(aside, batch, err) != 0) {
            return -1;
        }
        remove_tag_folders(aside, batch);
    }
}

int rsw_aside_take(struct rsw_aside *aside, enum rsw_item_kind kind, struct rsw_error *err) {
    struct rsw_removal_batch *batch = rsw_removal_batch_new();
    if (batch == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory for a batch of moves");
    }
    batch->limit = TAKE_MAX;
    int rc = take_all(aside, batch, kind, err);
    rsw_removal_batch_free(batch);
    return rc;
}
