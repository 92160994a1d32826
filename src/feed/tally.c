#include "feed/tally.h"

#include "util/clock.h"

#include <stdio.h>
#include <string.h>

static struct rsw_tally_instance *find(struct rsw_tally *tally, const char *id) {
    for (size_t i = 0; i < tally->count; i++) {
        if (strcmp(tally->instances[i].id, id) == 0) {
            return &tally->instances[i];
        }
    }
    return NULL;
}

static void write_instance(struct rsw_tally_instance *of, struct rsw_txn *txn) {
    struct rsw_instance record;
    int answer = rsw_instance_get(txn, of->id, &record);
    if (answer == RSW_FAILED) {
        return;
    }
    if (answer == RSW_ABSENT) {
        memset(&record, 0, sizeof record);
        memcpy(record.id, of->id, sizeof record.id);
        record.first_ms = of->last_ms;
    }
    memcpy(record.addr, of->addr, sizeof record.addr);
    record.last_ms = of->last_ms;
    record.events += of->waiting + of->batch;
    rsw_instance_put(txn, &record);
}

/* A place for one more: if there is none left, that of the one unused longest of which nothing waits. NULL:
 * something waits of all, which the next write ends. */
static struct rsw_tally_instance *place(struct rsw_tally *tally) {
    if (tally->count < RSW_TALLY_INSTANCES) {
        return &tally->instances[tally->count++];
    }
    struct rsw_tally_instance *oldest = NULL;
    for (size_t i = 0; i < tally->count; i++) {
        struct rsw_tally_instance *one = &tally->instances[i];
        if (one->batch == 0 && one->waiting == 0 && (oldest == NULL || one->used_ms < oldest->used_ms)) {
            oldest = one;
        }
    }
    return oldest;
}

bool rsw_tally_event(struct rsw_tally *tally, struct rsw_txn *txn, const struct rsw_event *event,
                     int64_t now_ms) {
    tally->batch_events++;
    tally->batch_unusable += event->problem[0] != 0 ? 1 : 0;
    tally->batch_ms = now_ms;
    if (event->instance_id[0] == 0) {
        return false;
    }
    struct rsw_tally_instance *of = find(tally, event->instance_id);
    if (of == NULL) {
        struct rsw_instance record;
        of = place(tally);
        if (of == NULL) {
            return true; /* makes room; this instance gets its record with its next event */
        }
        memset(of, 0, sizeof *of);
        memcpy(of->id, event->instance_id, sizeof of->id);
        of->known = rsw_instance_get(txn, of->id, &record) == RSW_FOUND;
    }
    memcpy(of->addr, event->addr, sizeof of->addr);
    of->last_ms = now_ms;
    of->used_ms = rsw_monotonic_ms();
    of->batch++;
    return !of->known;
}

void rsw_tally_write(struct rsw_tally *tally, struct rsw_txn *txn) {
    struct rsw_state state;
    if (tally->events + tally->batch_events > 0 && rsw_state_get(txn, &state) == RSW_FOUND) {
        int64_t last_ms = tally->batch_events > 0 ? tally->batch_ms : tally->last_ms;
        state.events += tally->events + tally->batch_events;
        state.events_unusable += tally->unusable + tally->batch_unusable;
        state.first_event_ms = state.first_event_ms == 0 ? last_ms : state.first_event_ms;
        state.last_event_ms = last_ms > state.last_event_ms ? last_ms : state.last_event_ms;
        rsw_state_put(txn, &state);
    }
    for (size_t i = 0; i < tally->count; i++) {
        if (tally->instances[i].waiting + tally->instances[i].batch > 0) {
            write_instance(&tally->instances[i], txn);
        }
    }
}

void rsw_tally_settle(struct rsw_tally *tally, bool written) {
    tally->events = written ? 0 : tally->events + tally->batch_events;
    tally->unusable = written ? 0 : tally->unusable + tally->batch_unusable;
    tally->last_ms = tally->batch_events > 0 ? tally->batch_ms : tally->last_ms;
    tally->batch_events = 0;
    tally->batch_unusable = 0;
    for (size_t i = 0; i < tally->count; i++) {
        struct rsw_tally_instance *of = &tally->instances[i];
        of->waiting = written ? 0 : of->waiting + of->batch;
        of->known = of->known || (written && of->batch > 0);
        of->batch = 0;
    }
}

void rsw_tally_forget(struct rsw_tally *tally) {
    size_t kept = 0;
    tally->batch_events = 0;
    tally->batch_unusable = 0;
    for (size_t i = 0; i < tally->count; i++) {
        tally->instances[i].batch = 0;
        if (tally->instances[i].known) { /* whether it is in the index is asked again for the others */
            tally->instances[kept++] = tally->instances[i];
        }
    }
    tally->count = kept;
}

bool rsw_tally_waits(const struct rsw_tally *tally) {
    return tally->events > 0;
}
