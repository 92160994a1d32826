#include "feed/beat.h"

#include "index/time.h"
#include "util/text.h"
#include "util/worker.h"

#include <stdio.h>
#include <stdlib.h>

struct rsw_beat {
    struct rsw_index *index;
    const struct rsw_clock *clock;
    const struct rsw_log *log;
    struct rsw_worker worker;
};

/* In words, "" if there was none. By either clock: that on the wall may have been set, the steady one stood
 * still while the machine slept. */
static void find_gap(char *reason, size_t size, const struct rsw_state *state, const struct rsw_time *time) {
    int64_t last_ms = state->beat_ms;
    int64_t now_ms = time->now_ms;
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
    } else if (last_ms != 0 && (now_ms - last_ms > RSW_BEAT_OLD_MS ||
                                time->steady_ms - state->beat_steady_ms > RSW_BEAT_OLD_MS)) {
        snprintf(reason, size, "serve did not run from %s to %s", from, to);
    }
}

static void beat_at(struct rsw_txn *txn, struct rsw_state *state, const struct rsw_time *time) {
    state->beat_ms = time->now_ms;
    state->beat_steady_ms = time->steady_ms;
    rsw_state_put(txn, state);
}

int rsw_beat_first(struct rsw_index *index, const struct rsw_clock *clock, const struct rsw_log *log,
                   struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    struct rsw_state state;
    char reason[sizeof state.gap_reason] = "";
    if (rsw_txn_begin_write(&txn, index, err) != 0) {
        return -1;
    }
    struct rsw_time time;
    if (rsw_time_keep(txn, clock, &time) == RSW_FOUND && rsw_state_get(txn, &state) == RSW_FOUND) {
        find_gap(reason, sizeof reason, &state, &time);
        beat_at(txn, &state, &time);
    }
    if (reason[0] != 0) {
        rsw_state_gap(txn, time.now_ms, reason);
        rsw_log(log, RSW_LOG_WARNING, "%s: a registry that ended meanwhile took its events with it", reason);
    }
    return rsw_txn_commit(&txn, err);
}

static int beat_once(const struct rsw_beat *beat, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    struct rsw_state state;
    struct rsw_time time;
    if (rsw_txn_begin_write(&txn, beat->index, err) != 0) {
        return -1;
    }
    if (rsw_time_keep(txn, beat->clock, &time) == RSW_FOUND && rsw_state_get(txn, &state) == RSW_FOUND) {
        beat_at(txn, &state, &time);
    }
    return rsw_txn_commit(&txn, err);
}

static void *work(void *arg) {
    struct rsw_beat *beat = arg;
    bool stop;
    bool told = false;
    do {
        struct rsw_error err = RSW_ERROR_INIT;
        stop = rsw_worker_wait(&beat->worker, RSW_BEAT_STEP_MS);
        bool failed = beat_once(beat, &err) != 0;
        if (failed && !told) {
            rsw_log(beat->log, RSW_LOG_ERROR, "the index cannot be told that serve runs: %s", err.message);
        }
        told = failed;
    } while (!stop);
    return NULL;
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
    if (rsw_worker_start(&beat->worker, work, beat, err) != 0) {
        free(beat);
        return -1;
    }
    *out = beat;
    return 0;
}

void rsw_beat_stop(struct rsw_beat *beat) {
    if (beat == NULL) {
        return;
    }
    rsw_worker_stop(&beat->worker);
    rsw_worker_release(&beat->worker);
    free(beat);
}
