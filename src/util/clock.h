/* Time comes in from outside, so that tests can simulate it. */
#ifndef REGSWEEP_UTIL_CLOCK_H
#define REGSWEEP_UTIL_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* What a clock that nobody can set says. It stands still while the machine sleeps: what would have ended
 * meanwhile may have slept as well. */
#define RSW_BOOT_MAX 64
struct rsw_steady {
    int64_t ms;
    char boot[RSW_BOOT_MAX]; /* from which start of which machine on; times of two cannot be compared. "":
                                nobody knows */
};

/* Milliseconds since 1970-01-01T00:00:00Z; everywhere in regsweep a name in _ms has this unit. */
struct rsw_clock {
    int64_t (*now_ms)(void *arg); /* on the wall: it may be set, ahead and back */
    void *arg;
    void (*steady)(void *arg, struct rsw_steady *out); /* NULL: nobody sets this clock, now_ms says it too */
};

/* The clocks of the system. Static storage. */
const struct rsw_clock *rsw_clock_system(void);
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
