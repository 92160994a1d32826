#include "feed/tally.h"

#include "util/clock.h"
#include "util/useragent.h"

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
    if (rsw_instance_get(txn, of->id, &record) != RSW_FOUND) {
        return; /* rsw_tally_event has made it */
    }
    memcpy(record.addr, of->addr, sizeof record.addr);
    record.last_ms = of->last_ms;
    record.last_seq = of->last_seq;
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

/* A process that nobody heard before follows on one that has ended, or was not heard either: what that one
 * had still to send went with it. */
static void meet(struct rsw_txn *txn, const struct rsw_event *event, int64_t now_ms) {
    uint64_t seq = rsw_txn_seq(txn);
    struct rsw_instance record = {.first_ms = now_ms, .last_ms = now_ms, .first_seq = seq, .last_seq = seq};
    char reason[256];
    memcpy(record.id, event->instance_id, sizeof record.id);
    memcpy(record.addr, event->addr, sizeof record.addr);
    rsw_instance_put(txn, &record);
    snprintf(
        reason, sizeof reason,
        "a registry process that was not heard before (%.64s at %.64s): events of the one before it may be "
        "lost",
        record.id, record.addr);
    rsw_state_gap(txn, now_ms, reason);
}

/* The event of a request of our own that was to show that all before it has come in. The record is there, and
 * rsw_tally_write changes nothing of this in it. True: it was one, and then what else was counted must be
 * durable with it, for whoever waits looks at when others were heard last. */
static bool pass_fence(struct rsw_txn *txn, const struct rsw_event *event) {
    struct rsw_instance record;
    char mark[RSW_FENCE_MAX];
    if (event->action != RSW_EVENT_PULL || event->problem[0] != 0 ||
        !rsw_useragent_word(event->useragent, "fence", mark, sizeof mark) ||
        rsw_instance_get(txn, event->instance_id, &record) != RSW_FOUND) {
        return false;
    }
    memcpy(rsw_event_is_manifest(event) ? record.fence_manifest : record.fence_layer, mark, sizeof mark);
    rsw_instance_put(txn, &record);
    return true;
}

/* Its place among those that are counted; NULL: there is none now. */
static struct rsw_tally_instance *get_instance(struct rsw_tally *tally, struct rsw_txn *txn,
                                               const struct rsw_event *event, int64_t now_ms) {
    struct rsw_tally_instance *of = find(tally, event->instance_id);
    struct rsw_instance record;
    if (of != NULL) {
        return of;
    }
    int answer = rsw_instance_get(txn, event->instance_id, &record);
    if (answer == RSW_ABSENT) {
        meet(txn, event, now_ms);
    }
    of = place(tally);
    if (of != NULL) {
        memset(of, 0, sizeof *of);
        memcpy(of->id, event->instance_id, sizeof of->id);
        of->known = answer == RSW_FOUND;
    }
    return of;
}

bool rsw_tally_event(struct rsw_tally *tally, struct rsw_txn *txn, const struct rsw_event *event,
                     int64_t now_ms) {
    tally->batch_events++;
    tally->batch_unusable += event->problem[0] != 0 ? 1 : 0;
    tally->batch_ms = now_ms;
    if (event->instance_id[0] == 0) {
        return false;
    }
    struct rsw_tally_instance *of = get_instance(tally, txn, event, now_ms);
    bool passed = pass_fence(txn, event);
    if (of == NULL) {
        return true; /* makes room; this event is not counted for its instance */
    }
    memcpy(of->addr, event->addr, sizeof of->addr);
    of->last_ms = now_ms;
    of->last_seq = rsw_txn_seq(txn);
    of->used_ms = rsw_monotonic_ms();
    of->batch++;
    return passed || !of->known;
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
