/* One event, told to the index. What an event means stands with each function in apply.c. */
#ifndef REGSWEEP_FEED_APPLY_H
#define REGSWEEP_FEED_APPLY_H

#include "feed/envelope.h"
#include "index/index.h"

/* A manifest push by tag is sent before the tag is written, and of two at once the later event may be the
 * earlier write: storage is asked so much later. */
#define RSW_TAG_SETTLE_MS 1500
/* A touch younger than this is not written again by a pull. */
#define RSW_TOUCH_STEP_MS (10 * 60 * INT64_C(1000))

struct rsw_applied {
    bool changed; /* something was written */
    bool asked;   /* something was put into the check queue */
    bool touched; /* something that was condemned has to be given back */
};

/* Writes what the event says. `body` (it may be NULL) is kept if the event is unusable. Needs a write
 * transaction; errors are sticky in it. Applying the same event again is harmless. Nothing in here ever takes
 * a claim away: events can be forged, lost, doubled and reordered, so a delete only asks storage. A pull of
 * our own, known by the nonce of an open generation, tells nothing. */
struct rsw_applied rsw_event_apply(struct rsw_txn *txn, const struct rsw_event *event, const void *body,
                                   size_t body_len, int64_t now_ms);

#endif
