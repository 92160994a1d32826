#include "gc/reviver.h"

#include "util/worker.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#define IDLE_MS 5000 /* other processes touch, and cannot wake this one */
#define PAUSE_FIRST_MS 100
#define PAUSE_MAX_MS 60000
#define TELL_MS 60000 /* between two log lines about the same trouble */

const double rsw_reviver_buckets[RSW_REVIVER_BUCKETS] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                                         0.25,  0.5,    1.0,   2.5,  5.0,   10.0};

struct rsw_reviver {
    struct rsw_index *index;
    struct rsw_storage *storage;
    const struct rsw_clock *clock;
    const struct rsw_log *log;
    struct rsw_worker worker;
    /* Under the worker's lock. */
    double told_at; /* seconds, monotonic, of the first touch that was not given back yet; 0: none */
    struct rsw_reviver_stats sum;
    /* The thread's own. */
    int64_t failed_ms; /* pause after the last run, which failed; 0: it did not */
    int64_t logged_ms; /* monotonic; of the last line about trouble, 0: none yet */
};

static double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* What was told so far is taken over. */
static double take_told_at(struct rsw_reviver *reviver) {
    pthread_mutex_lock(&reviver->worker.lock);
    double told_at = reviver->told_at;
    reviver->told_at = 0;
    pthread_mutex_unlock(&reviver->worker.lock);
    return told_at;
}

static void count(struct rsw_reviver *reviver, const struct rsw_revive_result *result, bool failed,
                  double told_at) {
    struct rsw_reviver_stats *sum = &reviver->sum;
    pthread_mutex_lock(&reviver->worker.lock);
    sum->items += result->items;
    sum->placed += result->placed;
    sum->lost += result->lost;
    if (failed) {
        sum->failures += result->failed > 0 ? result->failed : 1;
        reviver->told_at = told_at != 0 ? told_at : reviver->told_at;
    } else if (told_at != 0) {
        double took = seconds_now() - told_at;
        sum->runs++;
        sum->seconds += took;
        for (size_t i = 0; i < RSW_REVIVER_BUCKETS; i++) {
            sum->buckets[i] += took <= rsw_reviver_buckets[i] ? 1 : 0;
        }
    }
    pthread_mutex_unlock(&reviver->worker.lock);
}

static void tell(struct rsw_reviver *reviver, const struct rsw_revive_result *result,
                 const struct rsw_error *err) {
    int64_t now_ms = rsw_monotonic_ms();
    if (reviver->logged_ms != 0 && now_ms - reviver->logged_ms < TELL_MS) {
        return;
    }
    reviver->logged_ms = now_ms;
    if (err->code != RSW_OK) {
        rsw_log(reviver->log, RSW_LOG_ERROR,
                "what was touched could not be given back, it is tried again: %s", err->message);
    } else {
        rsw_log(reviver->log, RSW_LOG_ERROR,
                "%" PRIu64
                " objects that were touched could not be put back in their places, it is tried again",
                result->failed);
    }
}

static void *work(void *arg) {
    struct rsw_reviver *reviver = arg;
    int64_t pause_ms = 0;
    while (!rsw_worker_wait(&reviver->worker, pause_ms)) {
        double told_at = take_told_at(reviver);
        struct rsw_revive_result result = {0};
        struct rsw_error err = RSW_ERROR_INIT;
        int rc = rsw_revive(&result, reviver->index, reviver->storage, reviver->clock, reviver->log, &err);
        bool failed = rc != 0 || result.failed > 0;
        count(reviver, &result, failed, told_at);
        if (failed) {
            int64_t longer_ms = reviver->failed_ms == 0 ? PAUSE_FIRST_MS : 2 * reviver->failed_ms;
            reviver->failed_ms = longer_ms < PAUSE_MAX_MS ? longer_ms : PAUSE_MAX_MS;
            pause_ms = reviver->failed_ms;
            tell(reviver, &result, &err);
        } else {
            reviver->failed_ms = 0;
            reviver->logged_ms = 0;
            pause_ms = IDLE_MS;
        }
    }
    return NULL;
}

int rsw_reviver_start(struct rsw_reviver **out, struct rsw_index *index, struct rsw_storage *storage,
                      const struct rsw_clock *clock, const struct rsw_log *log, struct rsw_error *err) {
    struct rsw_reviver *reviver = calloc(1, sizeof *reviver);
    if (reviver == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    reviver->index = index;
    reviver->storage = storage;
    reviver->clock = clock;
    reviver->log = log;
    if (rsw_worker_start(&reviver->worker, work, reviver, err) != 0) {
        free(reviver);
        return -1;
    }
    *out = reviver;
    return 0;
}

void rsw_reviver_wake(struct rsw_reviver *reviver) {
    double now = seconds_now();
    pthread_mutex_lock(&reviver->worker.lock);
    reviver->told_at = reviver->told_at != 0 ? reviver->told_at : now;
    pthread_mutex_unlock(&reviver->worker.lock);
    rsw_worker_wake(&reviver->worker);
}

void rsw_reviver_stats(struct rsw_reviver *reviver, struct rsw_reviver_stats *out) {
    pthread_mutex_lock(&reviver->worker.lock);
    *out = reviver->sum;
    pthread_mutex_unlock(&reviver->worker.lock);
}

void rsw_reviver_stop(struct rsw_reviver *reviver) {
    if (reviver == NULL) {
        return;
    }
    rsw_worker_stop(&reviver->worker);
    rsw_worker_release(&reviver->worker);
    free(reviver);
}
