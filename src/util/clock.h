/* Time comes in from outside, so that tests can simulate it. */
#ifndef REGSWEEP_UTIL_CLOCK_H
#define REGSWEEP_UTIL_CLOCK_H

#include <stdint.h>

/* Milliseconds since 1970-01-01T00:00:00Z; everywhere in regsweep a name in _ms has this unit. */
struct rsw_clock {
    int64_t (*now_ms)(void *arg);
    void *arg;
};

/* The wall clock of the system. Static storage. */
const struct rsw_clock *rsw_clock_system(void);
/* Now by this clock; NULL means the system's. */
int64_t rsw_clock_now_ms(const struct rsw_clock *clock);
/* Milliseconds of a clock that never jumps, for rates and timeouts. */
int64_t rsw_monotonic_ms(void);

#endif
