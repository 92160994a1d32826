#include "serve_schedule.h"

#include "gc/lease.h"
#include "gc/online.h"
#include "util/text.h"
#include "util/worker.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define LOOK_MS 10000 /* the clock may be set while we wait */
#define EVERY_MIN_MS 60000
#define DAY_MAX_MS (25 * 3600 * INT64_C(1000))
#define LEASE_PAUSE_MS 1000
#define PAUSE_LEAST_MS 1000
#define PAUSE_MAX 6 /* times the first */
#define TRIES_MAX 7 /* with a settle of 10 minutes, within some four hours */
#define RUNS (-1)

struct rsw_schedule {
    struct rsw_cli *serve;
    struct rsw_sweep_runs *runs;
    struct rsw_schedule_time time;
    struct rsw_worker worker;
    int status;                      /* of the run, RUNS: it runs; under the worker's lock */
    struct rsw_schedule_stats stats; /* likewise */
    int64_t begun_ms;                /* of the run; not written while it runs */
};

static bool read_two(int *out, const char *text, int below) {
    if (text[0] < '0' || text[0] > '9' || text[1] < '0' || text[1] > '9') {
        return false;
    }
    *out = (text[0] - '0') * 10 + text[1] - '0';
    return *out < below;
}

int rsw_schedule_parse(struct rsw_schedule_time *out, const char *text, struct rsw_error *err) {
    *out = (struct rsw_schedule_time){.every_ms = 0};
    if (strlen(text) == 5 && text[2] == ':' && read_two(&out->hour, text, 24) &&
        read_two(&out->minute, text + 3, 60)) {
        return 0;
    }
    if (rsw_duration_parse(&out->every_ms, text) && out->every_ms >= EVERY_MIN_MS) {
        return 0;
    }
    return rsw_error_set(err, RSW_EINVAL, 0,
                         "--schedule: \"%s\" is no time of day such as 03:00, and no duration from 1m on",
                         text);
}

int64_t rsw_schedule_next_ms(const struct rsw_schedule_time *time, int64_t after_ms) {
    if (time->every_ms != 0) {
        return (after_ms / time->every_ms + 1) * time->every_ms;
    }
    time_t after = (time_t)(after_ms / 1000);
    struct tm day;
    localtime_r(&after, &day);
    for (int more = 0;; more++) {
        struct tm at = {.tm_year = day.tm_year,
                        .tm_mon = day.tm_mon,
                        .tm_mday = day.tm_mday + more,
                        .tm_hour = time->hour,
                        .tm_min = time->minute,
                        .tm_isdst = -1};
        int64_t next_ms = (int64_t)mktime(&at) * 1000;
        if (next_ms > after_ms || more > 2) {
            return next_ms;
        }
    }
}

/* No two of its times are further apart: on a day on which the clocks are set back there are 25 hours. */
static int64_t longest_ms(const struct rsw_schedule_time *time) {
    return time->every_ms != 0 ? time->every_ms : DAY_MAX_MS;
}

bool rsw_schedule_is_astray(const struct rsw_schedule_time *time, int64_t slot_ms, int64_t now_ms) {
    return slot_ms - now_ms > longest_ms(time);
}

static int64_t by_chance(int64_t most_ms) {
    uint64_t random = 0;
    if (most_ms <= 0 || getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random) {
        return 0;
    }
    return (int64_t)(random % (uint64_t)most_ms);
}

/* ---- a sweep ---- */

/* Under the index's lock. Has somebody swept since? If not, the lease is ours. 0; 1: somebody has; -1. */
static int claim(struct rsw_schedule *schedule, int64_t slot_ms, struct rsw_error *err) {
    RSW_AUTO_LOCK lock = RSW_LOCK_INIT;
    struct rsw_lease *lease = schedule->serve->lease;
    if (lease == NULL) {
        return 0;
    }
    if (rsw_lock_take(&lock, schedule->serve->index, "sweep", err) != 0) {
        return -1;
    }
    if (rsw_lease_take(lease, err) != 0) {
        return rsw_lease_swept_ms(lease) >= slot_ms ? 1 : -1;
    }
    if (rsw_lease_swept_ms(lease) >= slot_ms) {
        return rsw_online_settle_lease(schedule->serve->index, lease, err) == 0 ? 1 : -1;
    }
    return 0;
}

/* Who has it may have died long ago: nobody has looked since the last time. If it says nothing for the length
 * of a lease, it has. */
static int claim_from_dead(struct rsw_schedule *schedule, int64_t slot_ms, struct rsw_error *err) {
    int claimed = claim(schedule, slot_ms, err);
    if (claimed >= 0 || err->code != RSW_EBUSY ||
        rsw_worker_pause(&schedule->worker, schedule->serve->options.lease_ms + LEASE_PAUSE_MS)) {
        return claimed;
    }
    rsw_error_clear(err);
    return claim(schedule, slot_ms, err);
}

/* What the last run came to; none: it runs. */
static void set_status(struct rsw_schedule *schedule, int status) {
    pthread_mutex_lock(&schedule->worker.lock);
    schedule->status = status;
    pthread_mutex_unlock(&schedule->worker.lock);
}

/* Where single objects could not be removed it may have begun nothing at all: the lease tells. */
static bool went_well(const struct rsw_schedule *schedule, int status) {
    struct rsw_lease *lease = schedule->serve->lease;
    return status == RSW_EXIT_DONE ||
           (status == RSW_EXIT_PARTIAL && (lease == NULL || rsw_lease_swept_ms(lease) >= schedule->begun_ms));
}

/* Only one that went well counts: else another regsweep may do it. */
static void on_ended(void *arg, int status) {
    struct rsw_schedule *schedule = arg;
    if (went_well(schedule, status) && schedule->serve->lease != NULL) {
        rsw_lease_set_swept(schedule->serve->lease, schedule->begun_ms);
    }
    set_status(schedule, status);
    rsw_worker_wake(&schedule->worker);
}

/* 0 or -1 (RSW_ESTOPPED too). */
static int wait_for_end(struct rsw_schedule *schedule, const char *id, struct rsw_error *err) {
    int status;
    do {
        if (rsw_worker_wait(&schedule->worker, LOOK_MS)) {
            return rsw_error_set(err, RSW_ESTOPPED, 0, "serve is being stopped");
        }
        pthread_mutex_lock(&schedule->worker.lock);
        status = schedule->status;
        pthread_mutex_unlock(&schedule->worker.lock);
    } while (status == RUNS);
    return went_well(schedule, status)
               ? 0
               : rsw_error_set(err, RSW_EREFUSED, 0, "sweep %s ended with status %d", id, status);
}

/* 0: this storage is swept, by us or another; -1. */
static int sweep(struct rsw_schedule *schedule, int64_t slot_ms, struct rsw_error *err) {
    struct rsw_options options;
    char id[RSW_SWEEP_ID_MAX];
    int claimed = claim_from_dead(schedule, slot_ms, err);
    if (claimed != 0) {
        if (claimed > 0) {
            rsw_log(&schedule->serve->log, RSW_LOG_INFO,
                    "no scheduled sweep now: another regsweep has swept this storage since it was due");
        }
        return claimed > 0 ? 0 : -1;
    }
    if (rsw_options_copy(&options, &schedule->serve->options, err) != 0) {
        rsw_cli_settle_lease(schedule->serve);
        return -1;
    }
    options.confirm = true;
    schedule->begun_ms = options.swept_ms = rsw_clock_now_ms(schedule->serve->clock);
    set_status(schedule, RUNS);
    const struct rsw_sweep_listener listener = {on_ended, schedule};
    if (rsw_sweep_runs_begin(schedule->runs, &options, listener, id, err) != 0) {
        if (err->code != RSW_EBUSY) { /* then the one that runs gives it back */
            rsw_cli_settle_lease(schedule->serve);
        }
        return -1;
    }
    return wait_for_end(schedule, id, err);
}

/* ---- again and again ---- */

int64_t rsw_schedule_pause_ms(int64_t settle_ms, unsigned tries) {
    int64_t first_ms = settle_ms > PAUSE_LEAST_MS ? settle_ms : PAUSE_LEAST_MS;
    int64_t pause_ms = first_ms;
    for (unsigned i = 1; i < tries && pause_ms < PAUSE_MAX * first_ms; i++) {
        pause_ms *= 2;
    }
    return tries >= TRIES_MAX ? 0 : pause_ms < PAUSE_MAX * first_ms ? pause_ms : PAUSE_MAX * first_ms;
}

static void count(struct rsw_schedule *schedule, bool failed) {
    pthread_mutex_lock(&schedule->worker.lock);
    schedule->stats.tries++;
    schedule->stats.failures += failed ? 1 : 0;
    schedule->stats.failing = failed;
    pthread_mutex_unlock(&schedule->worker.lock);
}

/* What could not be done at its time is tried again, until it is given up for the next time. */
static void see_to(struct rsw_schedule *schedule, int64_t slot_ms) {
    const struct rsw_cli *serve = schedule->serve;
    int64_t end_ms = rsw_schedule_next_ms(&schedule->time, slot_ms);
    for (unsigned tries = 1;; tries++) {
        struct rsw_error err = RSW_ERROR_INIT;
        char text[32];
        int rc = sweep(schedule, slot_ms, &err);
        if (rsw_worker_is_stopping(&schedule->worker)) {
            return;
        }
        count(schedule, rc != 0);
        if (rc == 0) {
            return;
        }
        int64_t pause_ms = rsw_schedule_pause_ms(serve->options.settle_ms, tries);
        if (pause_ms == 0 || rsw_clock_now_ms(serve->clock) + pause_ms >= end_ms) {
            rsw_log(&serve->log, RSW_LOG_ERROR, "no scheduled sweep now, nor before the next time: %s",
                    err.message);
            return;
        }
        rsw_log(&serve->log, err.code == RSW_EBUSY ? RSW_LOG_INFO : RSW_LOG_WARNING,
                "no scheduled sweep now: %s; it is tried again in %s", err.message,
                rsw_duration_format(pause_ms, text, sizeof text));
        if (rsw_worker_pause(&schedule->worker, pause_ms)) {
            return;
        }
    }
}

/* 0: it is due. 1: the clock was set back so far that this is none of the next times. -1: serve is stopped.
 */
static int wait_for(struct rsw_schedule *schedule, int64_t slot_ms, int64_t due_ms) {
    for (;;) {
        int64_t now_ms = rsw_clock_now_ms(schedule->serve->clock);
        int64_t left_ms = due_ms - now_ms;
        if (left_ms <= 0) {
            return 0;
        }
        if (rsw_schedule_is_astray(&schedule->time, slot_ms, now_ms)) {
            return 1;
        }
        if (rsw_worker_wait(&schedule->worker, left_ms < LOOK_MS ? left_ms : LOOK_MS)) {
            return -1;
        }
    }
}

static void *work(void *arg) {
    struct rsw_schedule *schedule = arg;
    const struct rsw_clock *clock = schedule->serve->clock;
    char text[40];
    for (int64_t slot_ms = rsw_clock_now_ms(clock);;) {
        slot_ms = rsw_schedule_next_ms(&schedule->time, slot_ms);
        int64_t due_ms = slot_ms + by_chance(schedule->serve->options.schedule_delay_ms);
        rsw_log(&schedule->serve->log, RSW_LOG_INFO, "the next scheduled sweep is at %s",
                rsw_time_format(due_ms, text, sizeof text));
        int waited = wait_for(schedule, slot_ms, due_ms);
        if (waited < 0) {
            return NULL;
        }
        if (waited == 0) {
            see_to(schedule, slot_ms);
        }
        int64_t now_ms = rsw_clock_now_ms(clock);
        slot_ms = waited > 0 || now_ms > slot_ms + 2 * schedule->time.every_ms +
                                             schedule->serve->options.schedule_delay_ms
                      ? now_ms /* asleep, or the clock was set: what was missed is not made up for */
                      : slot_ms;
    }
}

int rsw_schedule_start(struct rsw_schedule **out, struct rsw_cli *serve, struct rsw_sweep_runs *runs,
                       struct rsw_error *err) {
    struct rsw_schedule *schedule = calloc(1, sizeof *schedule);
    if (schedule == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    *schedule = (struct rsw_schedule){.serve = serve, .runs = runs};
    if (rsw_schedule_parse(&schedule->time, serve->options.schedule, err) != 0 ||
        rsw_worker_start(&schedule->worker, work, schedule, err) != 0) {
        free(schedule);
        return -1;
    }
    *out = schedule;
    return 0;
}

void rsw_schedule_stats(struct rsw_schedule *schedule, struct rsw_schedule_stats *out) {
    pthread_mutex_lock(&schedule->worker.lock);
    *out = schedule->stats;
    pthread_mutex_unlock(&schedule->worker.lock);
}

void rsw_schedule_stop(struct rsw_schedule *schedule) {
    if (schedule == NULL) {
        return;
    }
    rsw_worker_stop(&schedule->worker);
}

void rsw_schedule_free(struct rsw_schedule *schedule) {
    if (schedule == NULL) {
        return;
    }
    rsw_worker_release(&schedule->worker);
    free(schedule);
}
