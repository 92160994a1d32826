/* The heartbeat: as long as `serve` runs, its index says so, in state.beat_ms. So whoever looks at the index
 * knows whether events are taken in, and a start whether they were not for a while. */
#ifndef REGSWEEP_FEED_BEAT_H
#define REGSWEEP_FEED_BEAT_H

#include "index/index.h"
#include "util/clock.h"
#include "util/log.h"

/* The first beat. If the last one is older than RSW_BEAT_OLD_MS, or lies in the future (the clock has
 * jumped), it records a gap: a registry that ended meanwhile took the events with it that it kept. One
 * transaction of its own. 0 or -1. */
int rsw_beat_first(struct rsw_index *index, const struct rsw_clock *clock, const struct rsw_log *log,
                   struct rsw_error *err);

struct rsw_beat; /* a thread that beats every RSW_BEAT_STEP_MS */
/* After rsw_beat_first. */
int rsw_beat_start(struct rsw_beat **out, struct rsw_index *index, const struct rsw_clock *clock,
                   const struct rsw_log *log, struct rsw_error *err);
/* Ends the thread with a last beat. NULL is allowed. */
void rsw_beat_stop(struct rsw_beat *beat);

#endif
