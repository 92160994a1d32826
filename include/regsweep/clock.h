/* Time comes in from outside, so that whoever tests can simulate it. */
#ifndef REGSWEEP_CLOCK_H
#define REGSWEEP_CLOCK_H

#include <regsweep/error.h>

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

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
RSW_API const struct rsw_clock *rsw_clock_system(void);

#ifdef __cplusplus
}
#endif

#endif
