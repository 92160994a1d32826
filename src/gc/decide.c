#include "gc/decide.h"

#include "gc/lease.h"
#include "gc/online.h"
#include "gc/plan.h"
#include "gc/tell.h"

#include "util/clock.h"
#include "util/log.h"

#include <regsweep/scan.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SMALL_RUN 100 /* fewer objects than this are never too many */

void rsw_decide_options(struct rsw_mark_options *out, const struct rsw_sweep_options *options) {
    *out = (struct rsw_mark_options){
        .now_ms = rsw_clock_now_ms(options->clock),
        .grace_ms = options->grace_ms < 0 ? RSW_GRACE_DEFAULT_MS : options->grace_ms,
        .upload_max_age_ms =
            options->upload_max_age_ms < 0 ? RSW_UPLOAD_MAX_AGE_DEFAULT_MS : options->upload_max_age_ms,
        .untagged_remove = options->untagged_remove,
        .offline = options->offline,
        .pins = options->pins,
        .pin_count = options->pin_count,
        .policy = options->policy,
    };
}

int64_t rsw_sweep_settle_ms(const struct rsw_sweep_options *options) {
    return options->settle_ms < 0 ? RSW_SETTLE_DEFAULT_MS : options->settle_ms;
}

int rsw_sweep_go_on(const struct rsw_sweep_options *options, struct rsw_error *err) {
    if (options->lease != NULL && !rsw_lease_is_held(options->lease)) {
        return rsw_error_set(
            err, RSW_EREFUSED, 0,
            "this run has lost the lease of the storage, which another regsweep may sweep by now; "
            "nothing more is taken before it is ours again");
    }
    return options->stopped != NULL && options->stopped(options->arg)
               ? rsw_error_set(err, RSW_ESTOPPED, 0, "stopped; the next sweep goes on with what is left")
               : 0;
}

/* ---- guards ---- */

/* More than `percent` of `total`? Without overflow, and without rounding in favour of deletion. */
static bool too_much(uint64_t part, uint64_t total, unsigned percent) {
    return (double)part * 100 > (double)total * percent;
}

/* Of the blobs alone: uploads, which are no part of the total, cannot be too much. */
static uint64_t blob_bytes(const struct rsw_plan *plan) {
    uint64_t bytes = 0;
    for (size_t i = 0; i < plan->count; i++) {
        bytes += plan->condemned[i].kind == RSW_ITEM_BLOB ? plan->condemned[i].size : 0;
    }
    return bytes;
}

/* What was deleted already is no part of the total either. */
static uint64_t deleted_revisions(const struct rsw_plan *plan) {
    uint64_t deleted = 0;
    for (size_t i = 0; i < plan->count; i++) {
        deleted += plan->condemned[i].deleted;
    }
    return deleted;
}

static void guard_share(struct rsw_sweep_result *result, const struct rsw_plan *plan, unsigned percent) {
    uint64_t deleted = deleted_revisions(plan);
    const struct {
        const char *what;
        uint64_t part;
        uint64_t total;
    } shares[] = {
        {"blobs", plan->counts[RSW_ITEM_BLOB], plan->totals[RSW_ITEM_BLOB]},
        {"bytes", blob_bytes(plan), plan->total_bytes},
        {"tags", plan->counts[RSW_ITEM_TAG], plan->totals[RSW_ITEM_TAG]},
        {"revisions", plan->counts[RSW_ITEM_REVISION] - deleted, plan->totals[RSW_ITEM_REVISION]},
    };
    if (plan->count - deleted < SMALL_RUN || percent >= 100) {
        return;
    }
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
        if (too_much(shares[i].part, shares[i].total, percent)) {
            snprintf(result->guard, sizeof result->guard,
                     "it would let go %" PRIu64 " of %" PRIu64
                     " %s, more than %u %%; if that is right, say so with "
                     "--max-delete",
                     shares[i].part, shares[i].total, shares[i].what, percent);
            return;
        }
    }
}

static int guard_scanned(struct rsw_txn *txn, const struct rsw_log *log, struct rsw_error *err) {
    struct rsw_state state;
    if (rsw_state_get(txn, &state) != RSW_FOUND) {
        rsw_txn_failed(txn, err);
        return -1;
    }
    if (state.scan_seq == 0) {
        return rsw_error_set(
            err, RSW_EREFUSED, 0,
            "there was no complete scan yet, so what the index does not know is not known to be "
            "needless: run regsweep scan first");
    }
    if (state.gap_seq > state.scan_seq) {
        rsw_log(log, RSW_LOG_WARNING,
                "the feed has a gap (%s), so some of this may be out of date: run regsweep scan",
                state.gap_reason);
    }
    return 0;
}

static void fill_result(struct rsw_sweep_result *result, const struct rsw_plan *plan) {
    memcpy(result->counts, plan->counts, sizeof result->counts);
    memcpy(result->totals, plan->totals, sizeof result->totals);
    result->bytes = plan->bytes;
    result->total_bytes = plan->total_bytes;
    result->kept_blobs = plan->kept_blobs;
    result->kept_in_grace = plan->kept_in_grace;
    result->warnings = plan->warning_count;
}

static int leave_or_add_open(struct rsw_plan *plan, struct rsw_txn *txn, const struct rsw_mark_options *mark,
                             const struct rsw_log *log, struct rsw_error *err) {
    uint64_t unsure;
    if (!mark->offline) {
        return rsw_plan_leave_open(plan, txn, err);
    }
    if (rsw_plan_add_open(plan, txn, mark, &unsure, err) != 0) {
        return -1;
    }
    if (unsure != 0) {
        rsw_log(log, RSW_LOG_WARNING,
                "generation %" PRIu64 " let go of more than these options do (--untagged, --policy, --grace, "
                "--pin): its objects are given "
                "back first, and which of them go again is known only then",
                unsure);
    }
    return 0;
}

int rsw_decide(struct rsw_plan *plan, struct rsw_sweep_result *result, struct rsw_index *index,
               const struct rsw_mark_options *mark, const struct rsw_sweep_options *options,
               struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_read(&txn, index, err) != 0 || guard_scanned(txn, options->log, err) != 0 ||
        rsw_mark(plan, txn, mark, err) != 0 || leave_or_add_open(plan, txn, mark, options->log, err) != 0) {
        return -1;
    }
    fill_result(result, plan);
    guard_share(result, plan, options->max_delete);
    return rsw_tell(txn, plan, options, err);
}

/* ---- reading storage before ---- */

int rsw_decide_scan(struct rsw_index *index, struct rsw_storage *storage,
                    const struct rsw_sweep_options *options, enum rsw_decide_scan what,
                    struct rsw_error *err) {
    struct rsw_scan_options scan = {
        .threads = options->threads,
        .registry_stopped = what == RSW_SCAN_STOPPED,
        .links_only = what == RSW_SCAN_LINKS && storage->flat,
        .settle_ms = options->settle_ms,
        .clock = options->clock,
        .log = options->log,
        .progress = options->scan_progress,
        .stopped = options->stopped,
        .arg = options->arg,
    };
    struct rsw_scan_result scanned;
    if (rsw_scan(&scanned, index, storage, &scan, err) != 0) {
        return -1;
    }
    if (!scanned.complete) {
        return rsw_error_set(err, RSW_EREFUSED, 0,
                             "%" PRIu64
                             " %s of storage could not be read, and what is in there may need anything: "
                             "see the warnings, do as they say, and run the sweep again",
                             scanned.folders_unread, scanned.folders_unread == 1 ? "folder" : "folders");
    }
    return 0;
}
