/* Time that goes by. The clock on the wall can be set while we wait for something to be over, so nothing that
 * must have gone by is measured with it. The index counts time of its own, the steady time: by a clock that
 * nobody sets, and never more than really went by. It stands still while nobody knows how long that was: from
 * the last that an earlier start of the machine, or another machine, wrote here, to the first that this one
 * does. */
#ifndef REGSWEEP_INDEX_TIME_H
#define REGSWEEP_INDEX_TIME_H

#include "index/index.h"
#include "util/clock.h"

#define RSW_JUMPS_MAX 8
#define RSW_JUMP_MS 1000 /* what the clock on the wall gains in less is no jump */

struct rsw_jump {
    int64_t at_ms; /* steady time when it was noticed */
    int64_t by_ms; /* ahead; 0: none */
};

struct rsw_time {
    int64_t now_ms;          /* on the wall */
    int64_t steady_ms;       /* since the index was made */
    struct rsw_steady clock; /* as it was read for that */
    struct rsw_jump
        jumps[RSW_JUMPS_MAX]; /* the last ones, the latest last; older ones are added to the next */
};

/* As it is now. RSW_FOUND or RSW_FAILED. Read or write. */
int rsw_time_look(struct rsw_txn *txn, const struct rsw_clock *clock, struct rsw_time *out);
/* The same, and writes it down; `out` may be NULL. If this is another start of the machine, or another
 * machine, than wrote here last, it records a gap: nobody knows how long `serve` did not run. Who waits for
 * something must do so before and while it waits, for else time stands still after a restart. */
int rsw_time_keep(struct rsw_txn *txn, const struct rsw_clock *clock, struct rsw_time *out);
/* The same in a transaction of its own, which writes in any case. 0 or -1. No transaction may be open. */
int rsw_time_note(struct rsw_index *index, const struct rsw_clock *clock, struct rsw_time *out,
                  struct rsw_error *err);
/* By how much the clock on the wall went ahead of time within the last `window_ms` of steady time: what looks
 * older than window + that by the wall is older than the window. */
int64_t rsw_time_ahead_ms(const struct rsw_time *time, int64_t window_ms);

/* How long nothing more happens to it; not above 0: it is due. INT64_MAX on failure. Read or write. */
int64_t rsw_generation_left_ms(struct rsw_txn *txn, const struct rsw_generation *generation,
                               const struct rsw_clock *clock);

#endif
