/* Envelopes: read whole, byte by byte, and with pauses, they must tell the same; what is called usable must
 * hold to the grammar of names. */
#include "feed/envelope.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct told {
    struct rsw_envelope *envelope;
    size_t count;
    uint64_t sum; /* of all that was told, in order */
    bool pause;
};

static void add(struct told *told, const void *bytes, size_t len) {
    const uint8_t *at = bytes;
    for (size_t i = 0; i < len; i++) {
        told->sum = (told->sum ^ at[i]) * UINT64_C(1099511628211);
    }
}

static void must(bool right) {
    if (!right) {
        abort();
    }
}

static void check_name(const char *name, size_t room, bool (*valid)(const char *name, size_t len)) {
    size_t len = strnlen(name, room);
    must(len < room && (len == 0 || valid(name, len)));
}

static bool on_event(void *arg, const struct rsw_event *event) {
    struct told *told = arg;
    size_t len;
    const uint8_t *head = rsw_envelope_head(told->envelope, &len);
    must(len <= RSW_KEPT_BYTES);
    check_name(event->repository, sizeof event->repository, rsw_repository_valid);
    check_name(event->from_repository, sizeof event->from_repository, rsw_repository_valid);
    check_name(event->tag, sizeof event->tag, rsw_tag_valid);
    must(strnlen(event->problem, sizeof event->problem) < sizeof event->problem);
    must(strnlen(event->instance_id, sizeof event->instance_id) < sizeof event->instance_id);
    if (event->problem[0] == 0) {
        must(event->repository[0] != 0 && event->action != RSW_EVENT_OTHER);
        must(event->action == RSW_EVENT_DELETE || event->digest.alg != 0);
    }
    told->count++;
    add(told, event, sizeof *event);
    add(told, head, len);
    return told->pause;
}

static uint64_t read_in(const uint8_t *data, size_t size, size_t chunk, bool pause) {
    struct rsw_envelope *envelope = malloc(sizeof *envelope);
    struct told told = {.envelope = envelope, .sum = UINT64_C(14695981039346656037), .pause = pause};
    struct rsw_event end;
    must(envelope != NULL);
    rsw_envelope_init(envelope, on_event, &told);
    unsigned idle = 0; /* a pause behind a number comes before the byte that ended it */
    for (size_t at = 0; at < size;) {
        size_t some = size - at < chunk ? size - at : chunk;
        size_t taken = rsw_envelope_feed(envelope, data + at, some);
        idle = taken == 0 ? idle + 1 : 0;
        must(taken <= some && (taken == some || pause) && idle <= 1);
        at += taken;
    }
    bool whole = rsw_envelope_end(envelope, &end);
    if (!whole) {
        must(end.problem[0] != 0 && end.repository[0] == 0);
        add(&told, end.problem, strlen(end.problem));
    }
    free(envelope);
    add(&told, &whole, sizeof whole);
    return told.sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint64_t sum = read_in(data, size, size + 1, false);
    must(read_in(data, size, 1, false) == sum);
    must(read_in(data, size, 7, true) == sum);
    return 0;
}
