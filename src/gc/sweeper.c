#include "gc/sweeper.h"

#include "gc/lease.h"
#include "index/time.h"
#include "util/worker.h"

#include <stdlib.h>
#include <string.h>

#define LOOK_MS 1000 /* others begin generations, and cannot wake this one */
#define BREATH_MS 50 /* never busier than this, whatever is due */
#define PAUSE_FIRST_MS 5000
#define PAUSE_MAX_MS 60000
#define LEASE_PAUSE_MS 5000
#define TELL_MS 60000 /* between two log lines about the same trouble */

struct rsw_sweeper {
    struct rsw_sweeper_options options;
    struct rsw_worker worker;
    struct rsw_sweeper_stats stats; /* under the worker's lock */
    /* The thread's own. */
    struct rsw_replicas *replicas; /* NULL: not open */
    int64_t failed_ms;             /* pause after the last run, which failed; 0: it did not */
    int64_t told_ms;               /* monotonic; of the last line about trouble, 0: none yet */
};

static bool is_stopping(void *arg) {
    struct rsw_sweeper *sweeper = arg;
    return rsw_worker_is_stopping(&sweeper->worker);
}

/* How long until the first open generation is due; INT64_MAX: none is open. 0 or -1. */
static int first_left(struct rsw_sweeper *sweeper, int64_t *left_ms, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    uint64_t ids[RSW_GENERATIONS_OPEN_MAX];
    *left_ms = INT64_MAX;
    if (rsw_txn_begin_read(&txn, sweeper->options.index, err) != 0) {
        return -1;
    }
    size_t count = rsw_generations_open(txn, ids, RSW_GENERATIONS_OPEN_MAX);
    for (size_t i = 0; i < count; i++) {
        struct rsw_generation generation;
        if (rsw_generation_get(txn, ids[i], &generation) == RSW_FOUND) {
            int64_t own_ms = rsw_generation_left_ms(txn, &generation, sweeper->options.clock);
            *left_ms = own_ms < *left_ms ? own_ms : *left_ms;
        }
    }
    return rsw_txn_failed(txn, err) ? -1 : 0;
}

static int advance(struct rsw_sweeper *sweeper, struct rsw_error *err) {
    const struct rsw_sweeper_options *options = &sweeper->options;
    RSW_AUTO_AUDIT audit = RSW_AUDIT_INIT;
    struct rsw_sweep_result result = {.generation = 0};
    struct rsw_sweep_options sweep = {
        .confirm = true,
        .settle_ms = options->settle_ms,
        .quarantine_ms = -1,
        .grace_ms = -1,
        .upload_max_age_ms = -1,
        .fence_timeout_ms = options->fence_timeout_ms,
        .lease = options->lease,
        .clock = options->clock,
        .log = options->log,
        .stopped = is_stopping,
        .arg = sweeper,
    };
    int64_t left_ms;
    if (options->pins != NULL && options->pins(options->arg, &sweep.pins, &sweep.pin_count, err) != 0) {
        return -1;
    }
    if (sweeper->replicas == NULL && options->open(options->arg, &sweeper->replicas, err) != 0) {
        return -1;
    }
    struct rsw_online online = {.index = options->index,
                                .storage = options->storage,
                                .replicas = sweeper->replicas,
                                .options = &sweep,
                                .audit = &audit,
                                .result = &result};
    return rsw_audit_open(&audit, options->audit_file, err) == 0 ? rsw_online_advance(&online, &left_ms, err)
                                                                 : -1;
}

static void count(struct rsw_sweeper *sweeper, bool failed, const struct rsw_error *err) {
    int64_t now_ms = rsw_monotonic_ms();
    pthread_mutex_lock(&sweeper->worker.lock);
    sweeper->stats.runs++;
    sweeper->stats.failures += failed ? 1 : 0;
    memcpy(sweeper->stats.last_error, failed ? err->message : "", failed ? sizeof err->message : 1);
    pthread_mutex_unlock(&sweeper->worker.lock);
    if (!failed) {
        sweeper->told_ms = 0;
    } else if (sweeper->told_ms == 0 || now_ms - sweeper->told_ms >= TELL_MS) {
        sweeper->told_ms = now_ms;
        rsw_log(sweeper->options.log, RSW_LOG_ERROR, "the sweep does not go on, it is tried again: %s",
                err->message);
    }
}

/* Who began the generation that waits may have ended since: without anybody who keeps the lease another
 * regsweep would take us for dead, and undo it. If it is another's, that is told once it is due. */
static void keep_lease(struct rsw_sweeper *sweeper) {
    RSW_AUTO_LOCK lock = RSW_LOCK_INIT;
    struct rsw_error ignored = RSW_ERROR_INIT;
    struct rsw_lease *lease = sweeper->options.lease;
    if (lease != NULL && !rsw_lease_is_held(lease) &&
        rsw_lock_take(&lock, sweeper->options.index, "sweep", &ignored) == 0) {
        rsw_lease_take(lease, &ignored);
    }
}

/* One look: what is due is done, unless a sweep of somebody else is at it. Gives the pause to the next. */
static int64_t look(struct rsw_sweeper *sweeper) {
    RSW_AUTO_LOCK lock = RSW_LOCK_INIT;
    struct rsw_error err = RSW_ERROR_INIT;
    int64_t left_ms;
    int rc = first_left(sweeper, &left_ms, &err);
    if (rc == 0) {
        if (left_ms > 0) {
            if (left_ms != INT64_MAX) {
                keep_lease(sweeper);
            }
            return left_ms < LOOK_MS ? left_ms : LOOK_MS;
        }
        rc = rsw_lock_take(&lock, sweeper->options.index, "sweep", &err);
        if (rc != 0 && err.code == RSW_EBUSY) {
            return LOOK_MS;
        }
        if (rc == 0 && sweeper->options.lease != NULL && rsw_lease_take(sweeper->options.lease, &err) != 0) {
            if (err.code == RSW_EBUSY) {
                return LEASE_PAUSE_MS; /* ours waits until the other one is done, or dead */
            }
            rc = -1;
        }
        rc = rc == 0 ? advance(sweeper, &err) : rc;
        if (rc == 0) {
            rc = rsw_online_settle_lease(sweeper->options.index, sweeper->options.lease, &err);
        }
    }
    bool failed = rc != 0 && err.code != RSW_ESTOPPED;
    count(sweeper, failed, &err);
    if (!failed) {
        sweeper->failed_ms = 0;
        return BREATH_MS; /* it may be due again */
    }
    int64_t longer_ms = sweeper->failed_ms == 0 ? PAUSE_FIRST_MS : 2 * sweeper->failed_ms;
    sweeper->failed_ms = longer_ms < PAUSE_MAX_MS ? longer_ms : PAUSE_MAX_MS;
    return sweeper->failed_ms;
}

static void *work(void *arg) {
    struct rsw_sweeper *sweeper = arg;
    int64_t pause_ms = 0;
    while (!rsw_worker_wait(&sweeper->worker, pause_ms)) {
        pause_ms = look(sweeper);
    }
    return NULL;
}

void rsw_sweeper_free(struct rsw_sweeper *sweeper) {
    if (sweeper == NULL) {
        return;
    }
    rsw_replicas_close(sweeper->replicas);
    rsw_worker_release(&sweeper->worker);
    free(sweeper);
}

int rsw_sweeper_start(struct rsw_sweeper **out, const struct rsw_sweeper_options *options,
                      struct rsw_error *err) {
    struct rsw_sweeper *sweeper = calloc(1, sizeof *sweeper);
    if (sweeper == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    sweeper->options = *options;
    if (rsw_worker_start(&sweeper->worker, work, sweeper, err) != 0) {
        free(sweeper);
        return -1;
    }
    *out = sweeper;
    return 0;
}

void rsw_sweeper_stats(struct rsw_sweeper *sweeper, struct rsw_sweeper_stats *out) {
    pthread_mutex_lock(&sweeper->worker.lock);
    *out = sweeper->stats;
    pthread_mutex_unlock(&sweeper->worker.lock);
}

void rsw_sweeper_stop(struct rsw_sweeper *sweeper) {
    if (sweeper == NULL) {
        return;
    }
    rsw_worker_stop(&sweeper->worker);
}
