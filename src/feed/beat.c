#include "feed/beat.h"

#include "util/text.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct rsw_beat {
    struct rsw_index *index;
    const struct rsw_clock *clock;
    const struct rsw_log *log;
    pthread_t thread;
    pthread_mutex_t lock; /* for all below */
    pthread_cond_t changed;
    bool stopping;
};

/* In words, "" if there was none. */
static void find_gap(char *reason, size_t size, int64_t last_ms, int64_t now_ms) {
    char from[32];
    char to[32];
    rsw_time_format(last_ms, from, sizeof from);
    rsw_time_format(now_ms, to, sizeof to);
    reason[0] = 0;
    if (last_ms > now_ms) {
        snprintf(reason, size,
                 "the clock has jumped back: serve ran at %s, and now it is %s: nobody knows how long it did "
                 "not run",
                 from, to);
    } else if (last_ms != 0 && now_ms - last_ms > RSW_BEAT_OLD_MS) {
        snprintf(reason, size, "serve did not run from %s to %s", from, to);
    }
}

int rsw_beat_first(struct rsw_index *index, const struct rsw_clock *clock, const struct rsw_log *log,
                   struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    struct rsw_state state;
    char reason[sizeof state.gap_reason] = "";
    if (rsw_txn_begin_write(&txn, index, err) != 0) {
        return -1;
    }
    int64_t now_ms = rsw_clock_now_ms(clock); /* behind the wait for the transaction */
    if (rsw_state_get(txn, &state) == RSW_FOUND) {
        find_gap(reason, sizeof reason, state.beat_ms, now_ms);
        state.beat_ms = now_ms;
        rsw_state_put(txn, &state);
    }
    if (reason[0] != 0) {
        rsw_state_gap(txn, now_ms, reason);
        rsw_log(log, RSW_LOG_WARNING, "%s: a registry that ended meanwhile took its events with it", reason);
    }
    return rsw_txn_commit(&txn, err);
}

static int beat_once(const struct rsw_beat *beat, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    struct rsw_state state;
    if (rsw_txn_begin_write(&txn, beat->index, err) != 0) {
        return -1;
    }
    if (rsw_state_get(txn, &state) == RSW_FOUND) {
        state.beat_ms = rsw_clock_now_ms(beat->clock);
        rsw_state_put(txn, &state);
    }
    return rsw_txn_commit(&txn, err);
}

/* True: stop. */
static bool wait_step(struct rsw_beat *beat) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(RSW_BEAT_STEP_MS / 1000);
    pthread_mutex_lock(&beat->lock);
    while (!beat->stopping && pthread_cond_timedwait(&beat->changed, &beat->lock, &until) == 0) {
    }
    bool stop = beat->stopping;
    pthread_mutex_unlock(&beat->lock);
    return stop;
}

static void *work(void *arg) {
    struct rsw_beat *beat = arg;
    bool stop;
    bool told = false;
    do {
        struct rsw_error err = RSW_ERROR_INIT;
        stop = wait_step(beat);
        bool failed = beat_once(beat, &err) != 0;
        if (failed && !told) {
            rsw_log(beat->log, RSW_LOG_ERROR, "the index cannot be told that serve runs: %s", err.message);
        }
        told = failed;
    } while (!stop);
    return NULL;
}

static void beat_free(struct rsw_beat *beat) {
    pthread_cond_destroy(&beat->changed);
    pthread_mutex_destroy(&beat->lock);
    free(beat);
}

int rsw_beat_start(struct rsw_beat **out, struct rsw_index *index, const struct rsw_clock *clock,
                   const struct rsw_log *log, struct rsw_error *err) {
    struct rsw_beat *beat = calloc(1, sizeof *beat);
    if (beat == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    beat->index = index;
    beat->clock = clock;
    beat->log = log;
    pthread_mutex_init(&beat->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&beat->changed, &attr);
    pthread_condattr_destroy(&attr);
    int errnum = pthread_create(&beat->thread, NULL, work, beat);
    if (errnum != 0) {
        beat_free(beat);
        return rsw_error_set(err, RSW_ENOMEM, errnum, "cannot start a thread: %s", strerror(errnum));
    }
    *out = beat;
    return 0;
}

void rsw_beat_stop(struct rsw_beat *beat) {
    if (beat == NULL) {
        return;
    }
    pthread_mutex_lock(&beat->lock);
    beat->stopping = true;
    pthread_cond_signal(&beat->changed);
    pthread_mutex_unlock(&beat->lock);
    pthread_join(beat->thread, NULL);
    beat_free(beat);
}
