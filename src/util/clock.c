#include "util/clock.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int64_t read_ms(clockid_t id) {
    struct timespec ts;
    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int64_t system_now_ms(void *arg) {
    (void)arg;
    return read_ms(CLOCK_REALTIME);
}

/* One word. False: it cannot be read. */
static bool read_word(char *out, size_t size, const char *path) {
    FILE *file = fopen(path, "re");
    bool good = file != NULL && fgets(out, (int)size, file) != NULL;
    if (file != NULL) {
        fclose(file);
    }
    out[good ? strcspn(out, "\n") : 0] = 0;
    return good && out[0] != 0;
}

/* Every start of a kernel has an id, which containers see too. A time namespace has clocks of its own, and a
 * number that follows the id; kernels before 5.6 have none. */
static void find_boot(char out[RSW_BOOT_MAX]) {
    char id[40];
    char space[RSW_BOOT_MAX - sizeof id];
    ssize_t len = readlink("/proc/self/ns/time", space, sizeof space - 1);
    bool good = len >= 0 || errno == ENOENT;
    space[len >= 0 ? len : 0] = 0;
    out[0] = 0;
    if (good && read_word(id, sizeof id, "/proc/sys/kernel/random/boot_id")) {
        snprintf(out, RSW_BOOT_MAX, "%s %s", id, space);
    }
}

static void system_steady(void *arg, struct rsw_steady *out) {
    (void)arg;
    find_boot(out->boot);
    out->ms = read_ms(CLOCK_MONOTONIC);
}

const struct rsw_clock *rsw_clock_system(void) {
    static const struct rsw_clock clock = {system_now_ms, NULL, system_steady};
    return &clock;
}

int64_t rsw_clock_now_ms(const struct rsw_clock *clock) {
    return clock == NULL ? system_now_ms(NULL) : clock->now_ms(clock->arg);
}

void rsw_clock_steady(const struct rsw_clock *clock, struct rsw_steady *out) {
    if (clock == NULL) {
        clock = rsw_clock_system();
    }
    if (clock->steady != NULL) {
        clock->steady(clock->arg, out);
    } else {
        *out = (struct rsw_steady){.ms = clock->now_ms(clock->arg), .boot = "one"};
    }
}

int64_t rsw_monotonic_ms(void) {
    return read_ms(CLOCK_MONOTONIC);
}

int64_t rsw_boottime_ms(void) {
    return read_ms(CLOCK_BOOTTIME);
}
