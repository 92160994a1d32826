#include "gc/doctor.h"

#include "gc/checks.h"
#include "util/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *rsw_health_name(enum rsw_health level) {
    static const char *const names[] = {"ok", "unknown", "warning", "error"};
    return names[level];
}

/* ---- saying ---- */

void rsw_say(struct rsw_diagnosis *out, enum rsw_health level, const char *remedy, const char *fmt, ...) {
    va_list args;
    if (out->message[0] != 0 && level <= out->level) {
        return;
    }
    out->level = level;
    va_start(args, fmt);
    vsnprintf(out->message, sizeof out->message, fmt, args);
    va_end(args);
    snprintf(out->remedy, sizeof out->remedy, "%s", remedy != NULL ? remedy : "");
}

void rsw_say_error(struct rsw_diagnosis *out, enum rsw_health level, const char *remedy,
                   const struct rsw_error *err) {
    const char *cut = strstr(err->message, "; ");
    if (cut == NULL) {
        rsw_say(out, level, remedy, "%s", err->message);
    } else {
        rsw_say(out, level, cut + 2, "%.*s", (int)(cut - err->message), err->message);
    }
}

const char *rsw_age_format(int64_t ms, char *text, size_t size) {
    static const struct {
        int64_t ms;
        const char *unit;
    } units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"}};
    size_t i = 0;
    while (i < 3 && ms < 2 * units[i].ms) { /* "90m" says more than "1h" */
        i++;
    }
    snprintf(text, size, "%" PRId64 "%s", ms > 0 ? ms / units[i].ms : 0, units[i].unit);
    return text;
}

void rsw_say_skew(struct rsw_diagnosis *out, const char *whose, int64_t ms) {
    char text[32];
    int64_t by_ms = ms < 0 ? -ms : ms;
    rsw_say(out,
            by_ms > RSW_SKEW_MAX_MS   ? RSW_HEALTH_ERROR
            : by_ms > RSW_SKEW_LOW_MS ? RSW_HEALTH_WARNING
                                      : RSW_HEALTH_OK,
            by_ms > RSW_SKEW_LOW_MS
                ? "let NTP (chrony, systemd-timesyncd) set the clocks of all these machines"
                : NULL,
            by_ms > RSW_SKEW_LOW_MS ? "the clock of %s is %s %s ours: ages are wrong by that"
                                    : "the clock of %s is within %s %s ours",
            whose, rsw_age_format(by_ms, text, sizeof text),
            by_ms <= RSW_SKEW_LOW_MS ? "of"
            : ms < 0                 ? "behind"
                                     : "ahead of");
}

void rsw_say_room(struct rsw_diagnosis *out, uint64_t room, const char *where, const char *remedy) {
    char text[32];
    bool low = room < RSW_ROOM_LOW;
    rsw_say(out,
            room < RSW_ROOM_MIN ? RSW_HEALTH_ERROR
            : low               ? RSW_HEALTH_WARNING
                                : RSW_HEALTH_OK,
            low ? remedy : NULL, "%s left on the disk of %s", rsw_size_format(room, text, sizeof text),
            where);
}

/* ---- asking ---- */

static const struct {
    const char *name;
    rsw_doctor_check *ask;
} checks[] = {
    {"index", rsw_doctor_index},
    {"index_room", rsw_doctor_index_room},
    {"index_clock", rsw_doctor_index_clock},
    {"storage", rsw_doctor_storage},
    {"storage_room", rsw_doctor_storage_room},
    {"storage_clock", rsw_doctor_storage_clock},
    {"quarantine", rsw_doctor_quarantine},
    {"permissions", rsw_doctor_permissions},
    {"store", rsw_doctor_store},
    {"proxy", rsw_doctor_proxy},
    {"middleware", rsw_doctor_middleware},
    {"notifications", rsw_doctor_notifications},
    {"includereferences", rsw_doctor_references},
    {"registry", rsw_doctor_registry},
    {"registry_clock", rsw_doctor_registry_clock},
    {"cache", rsw_doctor_cache},
    {"delete", rsw_doctor_delete},
    {"serve", rsw_doctor_serve},
    {"events", rsw_doctor_events},
    {"fence", rsw_doctor_fence},
    {"gap", rsw_doctor_gap}, /* behind the fence, which may find one */
    {"scan", rsw_doctor_scan},
    {"vanished", rsw_doctor_vanished},
    {"missing", rsw_doctor_missing},
    {"generations", rsw_doctor_generations},
    {"touched", rsw_doctor_touched},
    {"held", rsw_doctor_held},
};

size_t rsw_doctor(const struct rsw_doctor *doctor) {
    size_t findings = 0;
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
        struct rsw_diagnosis diagnosis = {.name = checks[i].name};
        checks[i].ask(&diagnosis, doctor);
        findings += diagnosis.level >= RSW_HEALTH_WARNING;
        doctor->tell(doctor->arg, &diagnosis);
    }
    return findings;
}

/* ---- the guard ---- */

int rsw_doctor_guard(struct rsw_index *index, struct rsw_storage *storage, struct rsw_replicas *replicas,
                     const struct rsw_clock *clock, struct rsw_error *err) {
    static rsw_doctor_check *const guards[] = {rsw_doctor_index_clock,    rsw_doctor_storage_clock,
                                               rsw_doctor_registry_clock, rsw_doctor_quarantine_works,
                                               rsw_doctor_delete,         rsw_doctor_vanished};
    const struct rsw_doctor doctor = {
        .index = index, .storage = storage, .replicas = replicas, .clock = clock};
    for (size_t i = 0; i < sizeof guards / sizeof *guards; i++) {
        struct rsw_diagnosis diagnosis = {.level = RSW_HEALTH_OK};
        guards[i](&diagnosis, &doctor);
        if (diagnosis.level == RSW_HEALTH_ERROR) {
            return rsw_error_set(err, RSW_EREFUSED, 0, "nothing was removed: %s; %s", diagnosis.message,
                                 diagnosis.remedy);
        }
    }
    return 0;
}
