#include "gc/reviver.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
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
    pthread_t thread;
    pthread_mutex_t lock; /* for all below, up to the next note */
    pthread_cond_t changed;
    bool woken;
    bool stopping;
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

/* Until woken, or that much time has gone by. Takes over what was told so far. True: stop. */
static bool wait_for(struct rsw_reviver *reviver, int64_t ms, double *told_at) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(ms / 1000);
    until.tv_nsec += (long)(ms % 1000) * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    pthread_mutex_lock(&reviver->lock);
    while (!reviver->stopping && !reviver->woken &&
           pthread_cond_timedwait(&reviver->changed, &reviver->lock, &until) == 0) {
    }
    bool stop = reviver->stopping;
    reviver->woken = false;
    *told_at = reviver->told_at;
    reviver->told_at = 0;
    pthread_mutex_unlock(&reviver->lock);
    return stop;
}

static void count(struct rsw_reviver *reviver, const struct rsw_revive_result *result, bool failed,
                  double told_at) {
    struct rsw_reviver_stats *sum = &reviver->sum;
    pthread_mutex_lock(&reviver->lock);
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
    pthread_mutex_unlock(&reviver->lock);
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
    double told_at;
    while (!wait_for(reviver, pause_ms, &told_at)) {
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

static void reviver_free(struct rsw_reviver *reviver) {
    pthread_cond_destroy(&reviver->changed);
    pthread_mutex_destroy(&reviver->lock);
    free(reviver);
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
    pthread_mutex_init(&reviver->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&reviver->changed, &attr);
    pthread_condattr_destroy(&attr);
    int errnum = pthread_create(&reviver->thread, NULL, work, reviver);
    if (errnum != 0) {
        reviver_free(reviver);
        return rsw_error_set(err, RSW_ENOMEM, errnum, "cannot start a thread: %s", strerror(errnum));
    }
    *out = reviver;
    return 0;
}

void rsw_reviver_wake(struct rsw_reviver *reviver) {
    double now = seconds_now();
    pthread_mutex_lock(&reviver->lock);
    reviver->woken = true;
    reviver->told_at = reviver->told_at != 0 ? reviver->told_at : now;
    pthread_cond_signal(&reviver->changed);
    pthread_mutex_unlock(&reviver->lock);
}

void rsw_reviver_stats(struct rsw_reviver *reviver, struct rsw_reviver_stats *out) {
    pthread_mutex_lock(&reviver->lock);
    *out = reviver->sum;
    pthread_mutex_unlock(&reviver->lock);
}

void rsw_reviver_stop(struct rsw_reviver *reviver) {
    if (reviver == NULL) {
        return;
    }
    pthread_mutex_lock(&reviver->lock);
    reviver->stopping = true;
    pthread_cond_signal(&reviver->changed);
    pthread_mutex_unlock(&reviver->lock);
    pthread_join(reviver->thread, NULL);
    reviver_free(reviver);
}
