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
#define LEASE_PAUSE_MS 1000

struct rsw_schedule {
    struct rsw_cli *serve;
    struct rsw_sweep_runs *runs;
    struct rsw_schedule_time time;
    struct rsw_worker worker;
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
        return after_ms + time->every_ms;
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

static int64_t by_chance(int64_t most_ms) {
    uint64_t random = 0;
    if (most_ms <= 0 || getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random) {
        return 0;
    }
    return (int64_t)(random % (uint64_t)most_ms);
}

/* Under the index's lock. Has somebody swept since? If not, it is written down that we do. 0; 1: somebody
 * has; -1. */
static int claim(struct rsw_schedule *schedule, int64_t slot_ms, struct rsw_error *err) {
    RSW_AUTO_LOCK lock = RSW_LOCK_INIT;
    struct rsw_lease *lease = schedule->serve->lease;
    if (lease == NULL) {
        return 0;
    }
    if (rsw_lock_take(&lock, schedule->serve->index, "sweep", err) != 0 || rsw_lease_take(lease, err) != 0) {
        return -1;
    }
    if (rsw_lease_swept_ms(lease) >= slot_ms) {
        return rsw_online_settle_lease(schedule->serve->index, lease, err) == 0 ? 1 : -1;
    }
    rsw_lease_set_swept(lease, rsw_clock_now_ms(schedule->serve->clock));
    return rsw_lease_take(lease, err);
}

/* Who has it may have died long ago: nobody has looked since the last time. If it says nothing for the length
 * of a lease, it has. */
static int claim_from_dead(struct rsw_schedule *schedule, int64_t slot_ms, struct rsw_error *err) {
    int claimed = claim(schedule, slot_ms, err);
    if (claimed >= 0 || err->code != RSW_EBUSY ||
        rsw_worker_wait(&schedule->worker, schedule->serve->options.lease_ms + LEASE_PAUSE_MS)) {
        return claimed;
    }
    rsw_error_clear(err);
    return claim(schedule, slot_ms, err);
}

static void sweep(struct rsw_schedule *schedule, int64_t slot_ms) {
    const struct rsw_log *log = &schedule->serve->log;
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_options options;
    char id[RSW_SWEEP_ID_MAX];
    int claimed = claim_from_dead(schedule, slot_ms, &err);
    if (claimed != 0) {
        rsw_log(log, RSW_LOG_INFO, "no scheduled sweep now: %s",
                claimed > 0 ? "another regsweep has swept this storage since it was due" : err.message);
        return;
    }
    if (rsw_options_copy(&options, &schedule->serve->options, &err) != 0) {
        rsw_log(log, RSW_LOG_ERROR, "no scheduled sweep now: %s", err.message);
        rsw_cli_settle_lease(schedule->serve);
        return;
    }
    options.confirm = true;
    if (rsw_sweep_runs_begin(schedule->runs, &options, id, &err) != 0) {
        rsw_log(log, err.code == RSW_EBUSY ? RSW_LOG_INFO : RSW_LOG_ERROR, "no scheduled sweep now: %s",
                err.message);
        if (err.code != RSW_EBUSY) { /* then the one that runs gives it back */
            rsw_cli_settle_lease(schedule->serve);
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
        for (int64_t left_ms; (left_ms = due_ms - rsw_clock_now_ms(clock)) > 0;) {
            if (rsw_worker_wait(&schedule->worker, left_ms < LOOK_MS ? left_ms : LOOK_MS)) {
                return NULL;
            }
        }
        sweep(schedule, slot_ms);
        int64_t now_ms = rsw_clock_now_ms(clock);
        slot_ms = now_ms > slot_ms + 2 * schedule->time.every_ms + schedule->serve->options.schedule_delay_ms
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

void rsw_schedule_stop(struct rsw_schedule *schedule) {
    if (schedule == NULL) {
        return;
    }
    rsw_worker_stop(&schedule->worker);
    rsw_worker_release(&schedule->worker);
    free(schedule);
}
