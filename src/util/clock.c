#include "util/clock.h"

#include <stddef.h>
#include <time.h>

static int64_t read_ms(clockid_t id) {
    struct timespec ts;
    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int64_t system_now_ms(void *arg) {
    (void)arg;
    return read_ms(CLOCK_REALTIME);
}

const struct rsw_clock *rsw_clock_system(void) {
    static const struct rsw_clock clock = {system_now_ms, NULL};
    return &clock;
}

int64_t rsw_clock_now_ms(const struct rsw_clock *clock) {
    return clock == NULL ? system_now_ms(NULL) : clock->now_ms(clock->arg);
}

int64_t rsw_monotonic_ms(void) {
    return read_ms(CLOCK_MONOTONIC);
}
