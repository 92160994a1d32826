/* Checks of the index, and of what it says about the feed and the generations. */
#include "gc/checks.h"

#include "gc/generation.h"
#include "index/time.h"
#include "util/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>

#define SCAN_OLD_MS (30 * 24 * 3600 * INT64_C(1000))
#define LATE_MS (3600 * INT64_C(1000)) /* of a generation that is due */
#define HELD_LONG_MS (7 * 24 * 3600 * INT64_C(1000))
#define TOUCHED_WAIT_MS 2000 /* so long serve may take to give back what was touched just now */

static int64_t now(const struct rsw_doctor *doctor) {
    return rsw_clock_now_ms(doctor->clock);
}

static void unreadable(struct rsw_diagnosis *out, const struct rsw_error *err) {
    rsw_say_error(out, RSW_HEALTH_ERROR,
                  "if the index is damaged, build it anew with: regsweep scan --rebuild", err);
}

/* For a check that reads the index: NULL, and it has said why, if there is none. The caller aborts it. */
static struct rsw_txn *begin(struct rsw_diagnosis *out, const struct rsw_doctor *doctor) {
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_txn *txn = NULL;
    if (doctor->index == NULL) {
        rsw_say(out, RSW_HEALTH_UNKNOWN, NULL, "there is no index to look at");
        return NULL;
    }
    if (rsw_txn_begin_read(&txn, doctor->index, &err) != 0) {
        unreadable(out, &err);
        return NULL;
    }
    return txn;
}

/* Did reading go well? Else it says why not. */
static bool good(struct rsw_diagnosis *out, const struct rsw_txn *txn) {
    struct rsw_error err = RSW_ERROR_INIT;
    if (rsw_txn_failed(txn, &err)) {
        unreadable(out, &err);
        return false;
    }
    return true;
}

static bool get_state(struct rsw_state *state, struct rsw_diagnosis *out, const struct rsw_doctor *doctor) {
    RSW_AUTO_TXN txn = begin(out, doctor);
    if (txn == NULL) {
        return false;
    }
    rsw_state_get(txn, state);
    return good(out, txn);
}

/* ---- the index itself ---- */

void rsw_doctor_index(struct rsw_diagnosis *out, const struct rsw_doctor *doctor) {
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_state state;
    if (doctor->index_error != NULL) {
        rsw_say_error(out, RSW_HEALTH_ERROR, "name the index with --index; regsweep scan makes one",
                      doctor->index_error);
    }
    if (!get_state(&state, out, doctor)) {
        return;
    }
    if (doctor->replicas != NULL) { /* then it is open for writing */
        RSW_AUTO_TXN txn = NULL;
        if (rsw_txn_begin_write(&txn, doctor->index, &err) != 0) {
            rsw_say_error(out, RSW_HEALTH_ERROR,
                          "serve and sweep cannot write either until that is put right", &err);
            return;
        }
    }
    rsw_say(out, RSW_HEALTH_OK, NULL, "%s can be %s", rsw_index_dir(doctor->index),
            doctor->replicas != NULL ? "read and written" : "read");
}

static void check_limit(struct rsw_diagnosis *out, uint64_t used, uint64_t limit) {
    char used_text[32];
    char limit_text[32];
    rsw_size_format(used, used_text, sizeof used_text);
    rsw_size_format(limit, limit_text, sizeof limit_text);
    if (used > limit / 100 * 80) {
        rsw_say(out, used > limit / 100 * 95 ? RSW_HEALTH_ERROR : RSW_HEALTH_WARNING,
                "raise --map-size for serve, scan and sweep, or give none: then the index grows by itself",
                "the index uses %s of the %s that --map-size allows", used_text, limit_text);
    }
}

void rsw_doctor_index_room(struct rsw_diagnosis *out, const struct rsw_doctor *doctor) {
    struct rsw_index_stat stat;
    struct statvfs disk;
    RSW_AUTO_TXN txn = begin(out, doctor);
    if (txn == NULL || (rsw_index_stat(txn, &stat) != RSW_FOUND && !good(out, txn))) {
        return;
    }
    if (doctor->map_limit != 0) {
        check_limit(out, stat.used, doctor->map_limit);
    }
    if (statvfs(rsw_index_dir(doctor->index), &disk) != 0) {
        rsw_say(out, RSW_HEALTH_UNKNOWN, NULL, "the disk of the index does not tell how much room it has");
        return;
    }
    rsw_say_room(out, (uint64_t)disk.f_bavail * disk.f_frsize, "the index",
                 "make some room there, or move the index: a full disk makes serve refuse events, which the "
                 "registry then keeps in memory");
}

void rsw_doctor_index_clock(struct rsw_diagnosis *out, const struct rsw_doctor *doctor) {
    struct rsw_state state;
    struct rsw_steady steady;
    if (!get_state(&state, out, doctor)) {
        return;
    }
    rsw_clock_steady(doctor->clock, &steady);
    if (steady.boot[0] == 0) {
        rsw_say(out, RSW_HEALTH_ERROR,
                "let regsweep read /proc/sys/kernel/random/boot_id and /proc/self/ns/time",
                "nobody can tell whether this machine was started anew, so no wait of a sweep would end");
    }
    const struct {
        int64_t ms;
        const char *what;
    } times[] = {{state.beat_ms, "the sign of life of serve"},
                 {state.last_event_ms, "the last event"},
                 {state.scan_ended_ms, "the last scan"}};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        char text[32];
        int64_t ahead_ms = times[i].ms - now(doctor);
        if (ahead_ms > RSW_SKEW_LOW_MS) {
            rsw_say(
                out, ahead_ms > RSW_SKEW_MAX_MS ? RSW_HEALTH_ERROR : RSW_HEALTH_WARNING,
                "set the clock right; if it went wrong while serve ran, run regsweep scan --rebuild once it "
                "is right",
                "%s is %s in the future: the clock was set back, or that of another machine is wrong",
                times[i].what, rsw_age_format(ahead_ms, text, sizeof text));
        }
    }
    rsw_say(out, RSW_HEALTH_OK, NULL, "no time in the index is in the future");
}

/* ---- what it knows ---- */

void rsw_doctor_scan(struct rsw_diagnosis *out, const struct rsw_doctor *doctor) {
    struct rsw_state state;
    char text[32];
    if (!get_state(&state, out, doctor)) {
        return;
    }
    if (state.scan_seq == 0) {
        rsw_say(out, RSW_HEALTH_ERROR, "run regsweep scan", "storage was never read whole");
        return;
    }
    int64_t age_ms = now(doctor) - state.scan_ended_ms;
    bool old = age_ms > SCAN_OLD_MS;
    rsw_say(out, old ? RSW_HEALTH_WARNING : RSW_HEALTH_OK,
            old ? "run regsweep scan now and then: it finds what no event tells of" : NULL,
            "the last complete scan ended %s ago", rsw_age_format(age_ms, text, sizeof text));
}

void rsw_doctor_gap(struct rsw_diagnosis *out, const struct rsw_doctor *doctor) {
    struct rsw_state state;
    char text[32];
    if (!get_state(&state, out, doctor)) {
        return;
    }
    if (state.gap_seq > state.scan_seq) {
        rsw_say(out, RSW_HEALTH_WARNING,
                "run regsweep scan, which closes it; a sweep beside the running registry does so by itself",
                "events may have been lost since %s: %s", rsw_time_format(state.gap_ms, text, sizeof text),
                state.gap_reason);
        return;
    }
    rsw_say(out, RSW_HEALTH_OK, NULL, "nothing is known to have been missed since the last scan");
}

void rsw_doctor_serve(struct rsw_diagnosis *out, const struct rsw_doctor *doctor) {
    static const char remedy[] =
        "start regsweep serve on this index, and see that it is started with the machine";
    struct rsw_state state;
    char text[32];
    if (!get_state(&state, out, doctor)) {
        return;
    }
    if (state.beat_ms == 0) {
        rsw_say(out, RSW_HEALTH_ERROR, remedy, "regsweep serve never ran on this index");
        return;
    }
    int64_t age_ms = now(doctor) - state.beat_ms;
    rsw_age_format(age_ms, text, sizeof text);
    if (age_ms > RSW_BEAT_OLD_MS) {
        rsw_say(out, RSW_HEALTH_ERROR, remedy, "regsweep serve does not run: it was heard of last %s ago",
                text);
        return;
    }
    rsw_say(out, RSW_HEALTH_OK, NULL, "regsweep serve runs: it was heard of %s ago", text);
}

void rsw_doctor_events(struct rsw_diagnosis *out, const struct rsw_doctor *doctor) {
    struct rsw_state state;
    char text[32];
    if (!get_state(&state, out, doctor)) {
        return;
    }
    if (state.first_event_ms == 0) {
        rsw_say(out, RSW_HEALTH_WARNING,
                "name regsweep serve in the registry's notifications.endpoints, with its token",
                "no event ever came");
        return;
    }
    rsw_age_format(now(doctor) - state.last_event_ms, text, sizeof text);
    if (state.events_unusable > 0) {
        rsw_say(out, RSW_HEALTH_OK, NULL,
                "%" PRIu64 " events came, the last %s ago; %" PRIu64
                " of them were not understood (regsweep inspect events)",
                state.events, text, state.events_unusable);
    }
    rsw_say(out, RSW_HEALTH_OK, NULL, "%" PRIu64 " events came, the last %s ago", state.events, text);
}

/* ---- generations ---- */

static void check_generation(struct rsw_diagnosis *out, const struct rsw_doctor *doctor, struct rsw_txn *txn,
                             const struct rsw_generation *generation, const char *remedy) {
    const char *state = rsw_generation_state_name(generation->state);
    char since[32];
    char settle[32];
    rsw_time_format(generation->changed_ms, since, sizeof since);
    if (rsw_generation_left_ms(txn, generation, doctor->clock) < -LATE_MS &&
        now(doctor) - generation->changed_ms > LATE_MS) {
        rsw_say(out, RSW_HEALTH_WARNING, remedy,
                "generation %" PRIu64 " is %s since %s, and due, but nobody goes on", generation->id, state,
                since);
    } else if (rsw_generation_is_stuck(generation, now(doctor))) {
        rsw_say(
            out, RSW_HEALTH_WARNING,
            generation->clearing || generation->settling
                ? "look at what serve and the sweeps log: a replica, or what is in front of it, does not "
                  "answer all requests to forget"
                : "look at what serve and the sweeps log: it names what caches learn of again, and which",
            "generation %" PRIu64 " is %s since %s, though a settle is %s: nothing is lost, nothing is freed",
            generation->id, state, since, rsw_duration_format(generation->settle_ms, settle, sizeof settle));
    }
}

void rsw_doctor_generations(struct rsw_diagnosis *out, const struct rsw_doctor *doctor) {
    static const char remedy[] = "let regsweep serve run with --registry, or run regsweep sweep --confirm: "
                                 "either goes on with it, or says "
                                 "why it cannot";
    uint64_t ids[RSW_GENERATIONS_OPEN_MAX];
    struct rsw_generation generation;
    RSW_AUTO_TXN txn = begin(out, doctor);
    if (txn == NULL) {
        return;
    }
    size_t count = rsw_generations_open(txn, ids, RSW_GENERATIONS_OPEN_MAX);
    for (size_t i = 0; i < count && i < RSW_GENERATIONS_OPEN_MAX; i++) {
        if (rsw_generation_get(txn, ids[i], &generation) == RSW_FOUND) {
            check_generation(out, doctor, txn, &generation, remedy);
        }
    }
    if (!good(out, txn)) {
        return;
    }
    if (count >= RSW_GENERATIONS_OPEN_MAX) {
        rsw_say(out, RSW_HEALTH_ERROR, remedy, "%zu generations are open, and no more are begun", count);
    }
    if (count == 0) {
        rsw_say(out, RSW_HEALTH_OK, NULL, "no sweep is under way");
    }
    rsw_say(out, RSW_HEALTH_OK, NULL, "%zu under way, none late", count);
}

void rsw_doctor_held(struct rsw_diagnosis *out, const struct rsw_doctor *doctor) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_held held;
    struct rsw_blob blob;
    uint64_t count = 0;
    uint64_t bytes = 0;
    int64_t oldest_ms = INT64_MAX;
    char size[32];
    char since[32];
    RSW_AUTO_TXN txn = begin(out, doctor);
    if (txn == NULL) {
        return;
    }
    rsw_iter_held(&iter, txn);
    while (rsw_held_next(&iter, &held) == RSW_FOUND) {
        count++;
        bytes += rsw_blob_get(txn, held.blob, &blob) == RSW_FOUND ? blob.size : 0;
        oldest_ms = held.since_ms < oldest_ms ? held.since_ms : oldest_ms;
    }
    if (!good(out, txn)) {
        return;
    }
    if (count == 0) {
        rsw_say(out, RSW_HEALTH_OK, NULL, "no bytes are held for stale caches");
        return;
    }
    bool long_held = now(doctor) - oldest_ms > HELD_LONG_MS;
    rsw_say(
        out, long_held ? RSW_HEALTH_WARNING : RSW_HEALTH_OK,
        long_held ? "restart every replica once, at a quiet hour: then the next sweep deletes them" : NULL,
        "%" PRIu64 " blobs (%s) stay in quarantine because a replica may remember them, the oldest since %s",
        count, rsw_size_format(bytes, size, sizeof size), rsw_time_format(oldest_ms, since, sizeof since));
}

static int count_touched(uint64_t *count, const struct rsw_doctor *doctor, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_item item;
    uint64_t queued;
    *count = 0;
    if (rsw_txn_begin_read(&txn, doctor->index, err) != 0) {
        return -1;
    }
    rsw_iter_touched(&iter, txn);
    while (rsw_touched_next(&iter, &item, &queued) == RSW_FOUND) {
        (*count)++;
    }
    return rsw_txn_failed(txn, err) ? -1 : 0;
}

/* serve empties the queue within milliseconds, so what stays for a while is stuck. */
void rsw_doctor_touched(struct rsw_diagnosis *out, const struct rsw_doctor *doctor) {
    struct rsw_error err = RSW_ERROR_INIT;
    uint64_t count = 0;
    if (doctor->index == NULL) {
        rsw_say(out, RSW_HEALTH_UNKNOWN, NULL, "there is no index to look at");
        return;
    }
    for (int waited_ms = 0; waited_ms <= TOUCHED_WAIT_MS; waited_ms += 100) {
        if (count_touched(&count, doctor, &err) != 0) {
            unreadable(out, &err);
            return;
        }
        if (count == 0) {
            rsw_say(out, RSW_HEALTH_OK, NULL, "nothing that clients asked for waits to be put back");
            return;
        }
        nanosleep(&(struct timespec){.tv_nsec = 100 * 1000000L}, NULL);
    }
    rsw_say(
        out, RSW_HEALTH_WARNING,
        "let regsweep serve run, which puts them back, and look at its warnings; regsweep sweep --confirm "
        "does so too",
        "%" PRIu64 " objects that clients asked for during a sweep wait to be put back", count);
}
