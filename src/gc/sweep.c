/* Sweep: one run, of one of its three kinds. */
#include <regsweep/sweep.h>

#include "gc/decide.h"
#include "gc/folders.h"
#include "gc/generation.h"
#include "gc/lease.h"
#include "gc/old_versions.h"
#include "gc/online.h"
#include "gc/others.h"
#include "gc/tidy.h"
#include "gc/uploads.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/text.h"

#include <inttypes.h>
#include <time.h>

#define LEASE_PAUSE_MS 1000
#define WAIT_STEP_MS 200

static bool is_stopped(const struct rsw_sweep_options *options) {
    return options->stopped != NULL && options->stopped(options->arg);
}

static void pause_ms(int64_t ms) {
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

static void tell_wait(const struct rsw_online *online, int64_t wait_ms) {
    struct rsw_sweep_progress progress = {.phase = "waiting", .wait_ms = wait_ms};
    if (online->options->progress != NULL) {
        online->options->progress(online->options->arg, &progress);
    }
}

/* Under the lock. Where another regsweep, on another index, has it, we wait until we know whether that one
 * lives: then it works, perhaps for hours. */
static int take_lease(const struct rsw_online *online, struct rsw_error *err) {
    struct rsw_lease *lease = online->options->lease;
    if (lease == NULL) {
        return 0;
    }
    for (bool told = false;; told = true) {
        struct rsw_error busy = RSW_ERROR_INIT;
        if (rsw_lease_take(lease, &busy) == 0) {
            return 0;
        }
        if (busy.code != RSW_EBUSY || rsw_lease_other_lives(lease) || is_stopped(online->options)) {
            *err = busy;
            return -1;
        }
        if (!told) {
            rsw_log(online->options->log, RSW_LOG_INFO, "%s", busy.message);
        }
        pause_ms(LEASE_PAUSE_MS);
    }
}

/* ---- beside a registry that is stopped ---- */

static int tell_failed(const struct rsw_sweep_result *result, struct rsw_error *err) {
    uint64_t failed = result->failed + result->old.failed;
    return failed == 0 ? 0
                       : rsw_error_set(err, RSW_EPARTIAL, 0,
                                       "%" PRIu64 " objects could not be removed: see the warnings; the next "
                                       "run tries again",
                                       failed);
}

static int remove_planned(struct rsw_run *run, const struct rsw_plan *plan,
                          const struct rsw_mark_options *mark, struct rsw_error *err) {
    if (plan->count > 0) {
        return rsw_generation_begin(run, plan, mark, err) == 0 ? rsw_generation_finish(run, err) : -1;
    }
    return rsw_generation_abandon(run->index, mark->now_ms, err) == 0
               ? rsw_tidy(run->index, run->storage, plan->seq, run->options->clock, err)
               : -1;
}

/* What sweeps beside the running registry had taken comes back, ours and that of others; then all of storage
 * is read. */
static int begin_offline(struct rsw_online *online, struct rsw_error *err) {
    return rsw_online_undo(online, err) != 0 || rsw_others_give_back(online, err) != 0 ||
                   rsw_folders_mend(online->index, online->storage, err) != 0
               ? -1
               : rsw_decide_scan(online->index, online->storage, online->options, RSW_SCAN_STOPPED, err);
}

/* Whoever has the registry started and pushes the same again before the store has carried out a deletion that
 * it never answered loses it. Where versions are deleted, no other than ours. */
static int outlast_removals(const struct rsw_online *online, struct rsw_error *err) {
    char text[32];
    int64_t settle_ms = rsw_sweep_settle_ms(online->options);
    int64_t until_ms = rsw_monotonic_ms() + settle_ms;
    rsw_log(online->options->log, RSW_LOG_WARNING,
            "a deletion was not answered, and the store may carry it out for %s yet: waiting so long; the "
            "registry must not be started before",
            rsw_duration_format(settle_ms, text, sizeof text));
    for (int64_t left_ms; (left_ms = until_ms - rsw_monotonic_ms()) > 0;) {
        if (is_stopped(online->options)) {
            return rsw_error_set(
                err, RSW_ESTOPPED, 0,
                "stopped; do not start the registry for another %s: the store may carry out a "
                "deletion until then",
                rsw_duration_format(left_ms, text, sizeof text));
        }
        tell_wait(online, left_ms);
        pause_ms(left_ms < WAIT_STEP_MS ? left_ms : WAIT_STEP_MS);
    }
    return 0;
}

/* What is stopped sends no events: it was another one that was asked whether it is. */
static int check_silence(const struct rsw_online *online, struct rsw_error *err) {
    struct rsw_state state;
    char when[32];
    int64_t silent_ms = online->options->silent_ms;
    if (silent_ms == 0 || rsw_index_state(online->index, &state, err) != 0) {
        return silent_ms == 0 ? 0 : -1;
    }
    return state.last_event_ms <= silent_ms
               ? 0
               : rsw_error_set(
                     err, RSW_EREFUSED, 0,
                     "nothing was removed: a registry that uses this storage is running, for its event "
                     "came in at %s, when what was asked (--registry, --registry-config) was found to "
                     "be stopped: stop it, or make it read-only, and name it",
                     rsw_time_format(state.last_event_ms, when, sizeof when));
}

static int decide_and_remove(struct rsw_sweep_result *result, struct rsw_online *online,
                             struct rsw_error *err) {
    struct rsw_index *index = online->index;
    struct rsw_storage *storage = online->storage;
    const struct rsw_sweep_options *options = online->options;
    struct rsw_mark_options mark;
    rsw_decide_options(&mark, options);
    RSW_AUTO_PLAN plan = {.count = 0};
    RSW_AUTO_LOCK scan = RSW_LOCK_INIT; /* what another one saw anew would pass for pushed */
    if (rsw_lock_take(&scan, index, "scan", err) != 0 || rsw_index_check(index, err) != 0 ||
        rsw_decide(&plan, result, index, &mark, options, err) != 0) {
        return -1;
    }
    if (result->guard[0] != 0) {
        return rsw_error_set(err, RSW_EREFUSED, 0, "nothing was removed: %s", result->guard);
    }
    if (check_silence(online, err) != 0) {
        return -1;
    }
    struct rsw_run run = {.index = index,
                          .storage = storage,
                          .options = options,
                          .audit = online->audit,
                          .result = result,
                          .begun_ms = rsw_monotonic_ms()};
    if (rsw_uploads_call_off(storage, mark.now_ms - mark.upload_max_age_ms, online->audit, options, err) !=
        0) {
        return -1;
    }
    int rc = remove_planned(&run, &plan, &mark, err);
    if (run.late && !storage->versions && outlast_removals(online, rc == 0 ? err : NULL) != 0) {
        return -1;
    }
    return rc == 0 && rsw_old_versions_purge(result, index, storage, online->audit, options, err) == 0
               ? tell_failed(result, err)
               : -1;
}

static int sweep_offline(struct rsw_sweep_result *result, struct rsw_index *index,
                         struct rsw_storage *storage, const struct rsw_sweep_options *options,
                         struct rsw_error *err) {
    RSW_AUTO_LOCK lock = RSW_LOCK_INIT;
    RSW_AUTO_AUDIT audit = RSW_AUDIT_INIT;
    struct rsw_sweep_result undone = {.generation = 0};
    struct rsw_online online = {
        .index = index, .storage = storage, .options = options, .audit = &audit, .result = &undone};
    if (rsw_lock_take(&lock, index, "sweep", err) != 0 || take_lease(&online, err) != 0) {
        return -1;
    }
    int rc = rsw_audit_open(&audit, options->audit_file, err) == 0 && begin_offline(&online, err) == 0
                 ? decide_and_remove(result, &online, err)
                 : -1;
    return rsw_online_settle_lease(index, options->lease, rc == 0 ? err : NULL) == 0 ? rc : -1;
}

/* ---- beside a running registry ---- */

#define BUSY_PAUSE_MS 200
#define BUSY_MAX_MS 10000 /* serve works on a generation for so long at most, as a rule */

/* serve takes it as well, for as long as it works on a generation. */
static int take_lock(struct rsw_lock *lock, const struct rsw_online *online, struct rsw_error *err) {
    int64_t until_ms = rsw_monotonic_ms() + BUSY_MAX_MS;
    for (;;) {
        struct rsw_error busy = RSW_ERROR_INIT;
        if (rsw_lock_take(lock, online->index, "sweep", &busy) == 0) {
            return 0;
        }
        if (busy.code != RSW_EBUSY || rsw_monotonic_ms() > until_ms || is_stopped(online->options)) {
            *err = busy;
            return -1;
        }
        pause_ms(BUSY_PAUSE_MS);
    }
}

/* Goes on with what is open, and begins another if nothing is in its way. */
static int advance_and_begin(struct rsw_online *online, int64_t *left_ms, struct rsw_error *err) {
    RSW_AUTO_LOCK lock = RSW_LOCK_INIT;
    bool busy;
    if (take_lock(&lock, online, err) != 0 || take_lease(online, err) != 0 ||
        rsw_online_advance(online, left_ms, err) != 0 || rsw_online_is_busy(online->index, &busy, err) != 0) {
        return -1;
    }
    if (busy) {
        rsw_log(online->options->log, RSW_LOG_INFO,
                "generation %" PRIu64 " has not hidden its bytes yet: no other is begun",
                online->result->generation);
        return 0;
    }
    /* What came of an older one is told where no other is begun. */
    struct rsw_sweep_result older = *online->result;
    *online->result = (struct rsw_sweep_result){.held = older.held};
    int rc = rsw_online_begin(online, left_ms, err);
    struct rsw_sweep_result *result = online->result;
    if (result->generation == 0) {
        result->generation = older.generation;
        result->state = older.state;
        result->done = older.done;
        result->failed = older.failed;
        result->spared = older.spared;
        result->freed = older.freed;
    }
    if (rc == 0) {
        rc = rsw_old_versions_purge(result, online->index, online->storage, online->audit, online->options,
                                    err);
    }
    if (rc == 0 && online->options->swept_ms != 0 && online->options->lease != NULL) {
        rsw_lease_set_swept(online->options->lease, online->options->swept_ms);
    }
    return rsw_online_settle_lease(online->index, online->options->lease, rc == 0 ? err : NULL) == 0 ? rc
                                                                                                     : -1;
}

static int advance(struct rsw_online *online, int64_t *left_ms, struct rsw_error *err) {
    RSW_AUTO_LOCK lock = RSW_LOCK_INIT;
    struct rsw_sweep_options options = *online->options;
    struct rsw_online now = *online;
    now.options = &options;
    if (take_lock(&lock, online, err) != 0 || take_lease(online, err) != 0) {
        return -1;
    }
    if (options.pins_again != NULL &&
        options.pins_again(options.arg, &options.pins, &options.pin_count, err) != 0) {
        return -1;
    }
    return rsw_online_advance(&now, left_ms, err) == 0 &&
                   rsw_online_settle_lease(online->index, options.lease, err) == 0
               ? 0
               : -1;
}

/* Until the generation that was begun, or was in the way, is purged. The lock is free while it waits. */
static int see_through(struct rsw_online *online, int64_t left_ms, struct rsw_error *err) {
    int64_t from_ms = rsw_monotonic_ms();
    while (left_ms != INT64_MAX) {
        int64_t wait_ms = left_ms - (rsw_monotonic_ms() - from_ms);
        if (is_stopped(online->options)) {
            return rsw_error_set(err, RSW_ESTOPPED, 0, "stopped; the next sweep goes on with what is left");
        }
        if (wait_ms > 0) {
            tell_wait(online, wait_ms);
            pause_ms(wait_ms < WAIT_STEP_MS ? wait_ms : WAIT_STEP_MS);
        } else {
            if (advance(online, &left_ms, err) != 0) {
                if (err == NULL || err->code != RSW_EBUSY) {
                    return -1;
                }
                rsw_error_clear(err); /* serve works on it, perhaps for long: it is looked at again */
                left_ms = BUSY_PAUSE_MS;
            }
            from_ms = rsw_monotonic_ms();
        }
    }
    return rsw_online_look(online, err); /* serve may have been the one that purged it */
}

static int sweep_online(struct rsw_sweep_result *result, struct rsw_index *index, struct rsw_storage *storage,
                        const struct rsw_sweep_options *options, struct rsw_error *err) {
    RSW_AUTO_AUDIT audit = RSW_AUDIT_INIT;
    struct rsw_online online = {.index = index,
                                .storage = storage,
                                .replicas = options->replicas,
                                .options = options,
                                .audit = &audit,
                                .result = result};
    int64_t left_ms = INT64_MAX;
    if (rsw_audit_open(&audit, options->audit_file, err) != 0 ||
        advance_and_begin(&online, &left_ms, err) != 0 ||
        (options->wait && see_through(&online, left_ms, err) != 0)) {
        return -1;
    }
    result->due_ms = options->wait || left_ms == INT64_MAX ? 0 : rsw_clock_now_ms(options->clock) + left_ms;
    return tell_failed(result, err);
}

/* A client is told of something, and acts on it, within a settle: what it was told of must still be young. So
 * must what it uploads. */
static int check_times(const struct rsw_sweep_options *options, struct rsw_error *err) {
    struct rsw_mark_options mark;
    rsw_decide_options(&mark, options);
    if (mark.grace_ms < rsw_sweep_settle_ms(options)) {
        return rsw_error_set(err, RSW_EINVAL, 0, "grace must not be shorter than settle");
    }
    return mark.upload_max_age_ms >= mark.grace_ms
               ? 0
               : rsw_error_set(err, RSW_EINVAL, 0,
                               "the maximum age of uploads must not be shorter than grace");
}

int rsw_sweep(struct rsw_sweep_result *result, struct rsw_index *index, struct rsw_storage *storage,
              const struct rsw_sweep_options *options, struct rsw_error *err) {
    *result = (struct rsw_sweep_result){.generation = 0};
    if (!options->confirm) {
        struct rsw_mark_options mark;
        rsw_decide_options(&mark, options);
        RSW_AUTO_PLAN plan = {.count = 0};
        return rsw_decide(&plan, result, index, &mark, options, err) != 0 ? -1
               : storage != NULL && rsw_old_versions_purge(result, index, storage, NULL, options, err) != 0
                   ? -1
                   : 0;
    }
    if (storage == NULL || options->audit_file == NULL) {
        return rsw_error_set(err, RSW_EINVAL, 0, "a confirmed sweep needs storage and an audit file");
    }
    if (options->offline) {
        return sweep_offline(result, index, storage, options, err);
    }
    if (options->replicas == NULL) {
        return rsw_error_set(
            err, RSW_EREFUSED, 0,
            "nothing was removed: the registry must be stopped or read-only (--offline), or its "
            "replicas must be known (--registry)");
    }
    return check_times(options, err) == 0 ? sweep_online(result, index, storage, options, err) : -1;
}
