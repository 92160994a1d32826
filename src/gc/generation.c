#include "gc/generation.h"

#include "gc/decide.h"
#include "gc/online.h"

#include "gc/deletions.h"
#include "gc/removal.h"
#include "gc/tidy.h"
#include "util/clock.h"
#include "util/log.h"

#include <errno.h>
#include <string.h>

#define DIRTY_MAX ((uint64_t)64 * 1024 * 1024)
#define STUCK_SETTLES 10
#define STUCK_MIN_MS (3600 * INT64_C(1000))
#define STUCK_MAX_MS (24 * 3600 * INT64_C(1000))
#define GENERATIONS_LISTED 10 /* of so many the items stay, for people to look at */

/* Which items a generation removes on its way into a state, in this order: what a client can name goes before
 * what it would lead to, so that a registry started in between never serves half an image by its name. */
static const struct rsw_step {
    enum rsw_generation_state from;
    enum rsw_generation_state to;
    enum rsw_item_kind kinds[4]; /* 0 ends them */
} steps[] = {
    {RSW_GENERATION_CONDEMNED, RSW_GENERATION_UNLINKED, {RSW_ITEM_TAG, RSW_ITEM_REVISION, RSW_ITEM_LINK}},
    {RSW_GENERATION_UNLINKED, RSW_GENERATION_PURGED, {RSW_ITEM_BLOB, RSW_ITEM_UPLOAD, RSW_ITEM_REPOSITORY}},
};

/* ---- begin ---- */

/* Those of an online one can be gone on with, or are undone first. */
static void abandon_earlier(struct rsw_txn *txn, int64_t now_ms) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    rsw_iter_generations(&iter, txn);
    struct rsw_generation earlier;
    while (rsw_generation_next(&iter, &earlier) == RSW_FOUND) {
        if (earlier.offline && earlier.state != RSW_GENERATION_PURGED &&
            earlier.state != RSW_GENERATION_ABANDONED) {
            earlier.state = RSW_GENERATION_ABANDONED;
            earlier.changed_ms = now_ms;
            rsw_generation_put(txn, &earlier);
        }
    }
}

int rsw_generation_abandon(struct rsw_index *index, int64_t now_ms, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_write(&txn, index, err) != 0) {
        return -1;
    }
    abandon_earlier(txn, now_ms);
    return rsw_txn_commit(&txn, err);
}

/* Of all but the last few that ended. */
static void drop_listed(struct rsw_txn *txn) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_state state;
    struct rsw_generation earlier;
    rsw_state_get(txn, &state);
    rsw_iter_generations(&iter, txn);
    while (rsw_generation_next(&iter, &earlier) == RSW_FOUND &&
           earlier.id + GENERATIONS_LISTED <= state.next_generation) {
        if (earlier.state == RSW_GENERATION_PURGED || earlier.state == RSW_GENERATION_ABANDONED) {
            rsw_items_drop(txn, earlier.id);
        }
    }
}

static int add_record(struct rsw_run *run, const struct rsw_plan *plan, const struct rsw_mark_options *mark,
                      struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_write(&txn, run->index, err) != 0) {
        return -1;
    }
    abandon_earlier(txn, mark->now_ms);
    drop_listed(txn);
    char nonce[RSW_RUN_MAX];
    memcpy(nonce, run->generation.run, sizeof nonce);
    run->generation = (struct rsw_generation){
        .state = RSW_GENERATION_CONDEMNED,
        .settle_ms = rsw_sweep_settle_ms(run->options),
        .quarantine_ms =
            run->options->quarantine_ms < 0 ? RSW_QUARANTINE_DEFAULT_MS : run->options->quarantine_ms,
        .offline = mark->offline,
        .untagged = mark->untagged_remove,
        .grace_ms = mark->grace_ms,
        .created_ms = mark->now_ms,
        .changed_ms = mark->now_ms,
        .seq = plan->seq,
        .bytes = plan->bytes,
    };
    memcpy(run->generation.counts, plan->counts, sizeof plan->counts);
    memcpy(run->generation.run, nonce, sizeof nonce);
    rsw_generation_add(txn, &run->generation);
    return rsw_txn_commit(&txn, err);
}

/* Claimed between the mark and now: a touch that found no item yet. */
static bool is_newer(struct rsw_txn *txn, const struct rsw_item *item, uint64_t seq) {
    struct rsw_member member = {.seq = 0};
    struct rsw_blob blob = {.seq = 0};
    struct rsw_tag tag = {.seq = 0};
    switch (item->kind) {
    case RSW_ITEM_BLOB:
        rsw_blob_get(txn, item->blob, &blob);
        return blob.seq > seq;
    case RSW_ITEM_LINK:
        rsw_member_get(txn, RSW_LINK, item->repo, item->blob, &member);
        return member.seq > seq;
    case RSW_ITEM_REVISION:
        rsw_member_get(txn, RSW_REVISION, item->repo, item->blob, &member);
        return member.seq > seq;
    case RSW_ITEM_TAG:
        rsw_tag_get(txn, item->repo, item->name, &tag);
        return tag.seq > seq;
    case RSW_ITEM_REPOSITORY:
    case RSW_ITEM_UPLOAD:
        return false;
    }
    return false;
}

static int add_items(struct rsw_run *run, const struct rsw_plan *plan, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    for (size_t i = 0; i < plan->count; i++) {
        if (txn == NULL && rsw_txn_begin_write(&txn, run->index, err) != 0) {
            return -1;
        }
        const struct rsw_condemned *from = &plan->condemned[i];
        struct rsw_item item = {
            .generation = run->generation.id,
            .kind = (enum rsw_item_kind)from->kind,
            .repo = from->repo,
            .blob = from->blob,
            .reason = (enum rsw_reason)from->reason,
            .state = RSW_ITEM_PENDING,
            .size = from->size,
        };
        const char *name = rsw_plan_name(plan, from);
        size_t len = strlen(name);
        if (len >= sizeof item.name) {
            return rsw_error_set(err, RSW_ECORRUPT, 0, "the index holds a name of %zu bytes", len);
        }
        memcpy(item.name, name, len + 1);
        rsw_item_put(txn, &item);
        rsw_deletions_carry(txn, &item);
        if (!run->generation.offline && is_newer(txn, &item, plan->seq)) {
            rsw_touch_item(txn, &item, false);
        }
        if (rsw_txn_dirty(txn) > DIRTY_MAX && rsw_txn_commit(&txn, err) != 0) {
            return -1;
        }
    }
    return txn != NULL ? rsw_txn_commit(&txn, err) : 0;
}

int rsw_generation_begin(struct rsw_run *run, const struct rsw_plan *plan,
                         const struct rsw_mark_options *mark, struct rsw_error *err) {
    if (add_record(run, plan, mark, err) != 0 || add_items(run, plan, err) != 0) {
        return rsw_error_prefix(err, "writing the generation");
    }
    run->result->generation = run->generation.id;
    return 0;
}

/* ---- run ---- */

/* The lines of a whole batch, synced once, before any of it is removed. */
static int audit_batch(struct rsw_run *run, const struct rsw_removal_batch *batch, struct rsw_error *err) {
    int64_t now_ms = rsw_clock_now_ms(run->options->clock);
    for (size_t i = 0; i < batch->count; i++) {
        struct rsw_sweep_item item;
        rsw_removal_describe(&item, &batch->items[i]);
        if (rsw_audit_item(run->audit, "delete", run->generation.id, now_ms, &item, 0, err) != 0) {
            return -1;
        }
    }
    return rsw_audit_sync(run->audit, err);
}

static int count_batch(struct rsw_run *run, const struct rsw_removal_batch *batch, struct rsw_error *err) {
    struct rsw_generation *generation = &run->generation;
    for (size_t i = 0; i < batch->count; i++) {
        const struct rsw_removal_item *item = &batch->items[i];
        if (item->answer != RSW_FAILED) {
            generation->done++;
            generation->freed += item->answer == RSW_FOUND ? item->item.size : 0;
            continue;
        }
        bool spared = rsw_removal_spared(item->errnum);
        generation->spared += spared;
        generation->failed += !spared;
        struct rsw_sweep_item words;
        rsw_removal_describe(&words, item);
        if (rsw_audit_item(run->audit, "failed", generation->id, rsw_clock_now_ms(run->options->clock),
                           &words, item->errnum, err) != 0) {
            return -1;
        }
        char name[RSW_REMOVAL_NAME_MAX];
        rsw_log(run->options->log, RSW_LOG_WARNING, "%s not removed: %s",
                rsw_removal_name(item, name, sizeof name),
                item->errnum == EBUSY ? "a link to it could not be removed"
                                      : rsw_storage_reason(item->errnum));
    }
    return 0;
}

static int record_batch(struct rsw_run *run, const struct rsw_removal_batch *batch, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_write(&txn, run->index, err) != 0) {
        return -1;
    }
    rsw_removal_batch_record(batch, txn);
    rsw_generation_put(txn, &run->generation);
    return rsw_txn_commit(&txn, err);
}

static void report(struct rsw_run *run, enum rsw_item_kind kind) {
    struct rsw_generation *generation = &run->generation;
    run->result->done = generation->done;
    run->result->failed = generation->failed;
    run->result->spared = generation->spared;
    run->result->freed = generation->freed;
    if (run->options->progress == NULL) {
        return;
    }
    struct rsw_sweep_progress progress = {
        .kind = kind,
        .done = generation->done + generation->failed + generation->spared,
        .freed = generation->freed,
        .elapsed_ms = rsw_monotonic_ms() - run->begun_ms,
    };
    for (unsigned i = 0; i < RSW_ITEM_KINDS; i++) {
        progress.total += generation->counts[i];
    }
    run->options->progress(run->options->arg, &progress);
}

static int load_batch(struct rsw_run *run, struct rsw_removal_batch *batch, enum rsw_item_kind kind,
                      struct rsw_item *last, bool *first, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_read(&txn, run->index, err) != 0 ||
        rsw_removal_batch_load(batch, txn, &run->generation, kind, *first ? NULL : last, err) != 0) {
        return -1;
    }
    if (batch->count > 0) {
        *last = batch->items[batch->count - 1].item;
        *first = false;
    }
    return 0;
}

static int remove_kind(struct rsw_run *run, struct rsw_removal_batch *batch, enum rsw_item_kind kind,
                       struct rsw_error *err) {
    struct rsw_item last;
    for (bool first = true;;) {
        if (rsw_sweep_go_on(run->options, err) != 0) {
            return -1;
        }
        if (load_batch(run, batch, kind, &last, &first, err) != 0) {
            return -1;
        }
        if (batch->count == 0) {
            return 0;
        }
        if (audit_batch(run, batch, err) != 0) {
            return -1;
        }
        rsw_removal_batch_remove(batch, run->storage);
        rsw_removal_link_folders(batch, run->storage);
        run->late |= batch->late;
        if (count_batch(run, batch, err) != 0 || record_batch(run, batch, err) != 0) {
            return -1;
        }
        report(run, kind);
    }
}

static int enter_state(struct rsw_run *run, enum rsw_generation_state state, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_write(&txn, run->index, err) != 0) {
        return -1;
    }
    run->generation.state = state;
    run->generation.changed_ms = rsw_clock_now_ms(run->options->clock);
    rsw_generation_put(txn, &run->generation);
    return rsw_txn_commit(&txn, err);
}

static int run_step(struct rsw_run *run, const struct rsw_step *step, struct rsw_error *err) {
    struct rsw_removal_batch *batch = rsw_removal_batch_new();
    if (batch == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory for a batch of removals");
    }
    int rc = 0;
    for (unsigned i = 0; rc == 0 && i < sizeof step->kinds / sizeof *step->kinds && step->kinds[i] != 0;
         i++) {
        rc = remove_kind(run, batch, step->kinds[i], err);
    }
    rsw_removal_batch_free(batch);
    return rc == 0 ? enter_state(run, step->to, err) : -1;
}

int rsw_generation_finish(struct rsw_run *run, struct rsw_error *err) {
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        if (run->generation.state == steps[i].from && run_step(run, &steps[i], err) != 0) {
            return rsw_error_prefix(err, "generation %llu", (unsigned long long)run->generation.id);
        }
    }
    return rsw_tidy(run->index, run->storage, run->generation.seq, run->options->clock, err);
}

bool rsw_generation_is_stuck(const struct rsw_generation *generation, int64_t now_ms) {
    int64_t late_ms = STUCK_SETTLES * generation->settle_ms;
    late_ms = late_ms < STUCK_MIN_MS ? STUCK_MIN_MS : late_ms;
    late_ms = late_ms > STUCK_MAX_MS ? STUCK_MAX_MS : late_ms;
    return !generation->offline &&
           (generation->state == RSW_GENERATION_CONDEMNED || generation->state == RSW_GENERATION_UNLINKED) &&
           now_ms - generation->changed_ms > generation->settle_ms + late_ms;
}
