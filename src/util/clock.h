/* Asking clocks, and how long whoever asks would wait. */
#ifndef REGSWEEP_UTIL_CLOCK_H
#define REGSWEEP_UTIL_CLOCK_H

#include <regsweep/clock.h>

#include <stdbool.h>
#include <stdint.h>

/* Now by this clock; NULL means the system's. */
int64_t rsw_clock_now_ms(const struct rsw_clock *clock);
void rsw_clock_steady(const struct rsw_clock *clock, struct rsw_steady *out);
/* Milliseconds of a clock that never jumps, for rates and timeouts within this process. */
int64_t rsw_monotonic_ms(void);
/* The same, and goes on while the machine sleeps: others do not. */
int64_t rsw_boottime_ms(void);

/* How long whoever asks would wait for an answer. */
struct rsw_patience {
    int64_t until_ms;           /* by rsw_monotonic_ms */
    int64_t each_ms;            /* of one exchange; 0: no less than is left */
    bool (*stopped)(void *arg); /* asked about once a second; may be NULL */
    void *arg;
};

#endif
