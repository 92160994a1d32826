#include "progress.h"

#include "util/clock.h"
#include "util/text.h"

#include <inttypes.h>
#include <unistd.h>

#define PLAIN_INTERVAL_MS 30000
#define WIPE "\r\033[K"

const char *rsw_progress_format(const struct rsw_scan_progress *seen, char *text, size_t size) {
    char left[48] = "";
    char requests[48] = "";
    char time[32];
    uint64_t objects = seen->blobs + seen->links;
    int64_t elapsed = seen->elapsed_ms > 0 ? seen->elapsed_ms : 1;
    uint64_t rate = objects * 1000 / (uint64_t)elapsed;
    /* By repositories: their number is known long before that of what they hold. */
    if (seen->repositories > 0 && seen->repositories < seen->repositories_known && elapsed >= 1000) {
        double share = (double)(seen->repositories_known - seen->repositories) / (double)seen->repositories;
        int64_t seconds = (int64_t)((double)elapsed * share / 1000) + 1;
        int64_t rounded = seconds > 600 ? seconds / 60 * 60 : seconds;
        snprintf(left, sizeof left, ", about %s left",
                 rsw_duration_format(rounded * 1000, time, sizeof time));
    }
    if (seen->requests > 0) {
        snprintf(requests, sizeof requests, ", %" PRIu64 " requests", seen->requests);
    }
    snprintf(text, size,
             "%" PRIu64 " of %" PRIu64 " repositories, %" PRIu64 " blobs, %" PRIu64 " links, %" PRIu64
             "/s%s%s",
             seen->repositories, seen->repositories_known, seen->blobs, seen->links, rate, requests, left);
    return text;
}

static void write_log(void *arg, enum rsw_log_level level, const char *line) {
    struct rsw_progress *progress = arg;
    if (atomic_exchange(&progress->shown, false)) {
        fputs(WIPE, progress->talk);
        fflush(progress->talk);
    }
    progress->below.write(progress->below.arg, level, line);
}

void rsw_progress_init(struct rsw_progress *progress, const struct rsw_cli *cli) {
    progress->talk = cli->talk;
    progress->terminal = isatty(fileno(cli->talk)) == 1;
    progress->silent = cli->options.quiet;
    atomic_init(&progress->shown, false);
    progress->last_ms = 0;
    progress->begun_ms = rsw_monotonic_ms();
    progress->below = cli->log;
    progress->log = (struct rsw_log){cli->log.level, write_log, progress};
}

static void show(struct rsw_progress *progress, const char *what, const char *text, int64_t now_ms) {
    if (progress->terminal) {
        fprintf(progress->talk, WIPE "%s: %s", what, text);
        fflush(progress->talk);
        atomic_store(&progress->shown, true);
    } else if (now_ms - progress->last_ms >= PLAIN_INTERVAL_MS) {
        progress->last_ms = now_ms;
        fprintf(progress->talk, "regsweep: %s: %s\n", what, text);
    }
}

void rsw_progress_show(struct rsw_progress *progress, const struct rsw_scan_progress *seen) {
    char text[256];
    if (!progress->silent) {
        show(progress, "scan", rsw_progress_format(seen, text, sizeof text), seen->elapsed_ms);
    }
}

void rsw_progress_show_sweep(struct rsw_progress *progress, const struct rsw_sweep_progress *seen) {
    char text[256];
    char size[32];
    char time[32];
    if (progress->silent) {
        return;
    }
    if (seen->phase != NULL) {
        if (seen->wait_ms > 0) {
            snprintf(text, sizeof text, "%s, %s left", seen->phase,
                     rsw_duration_format((seen->wait_ms / 1000 + 1) * 1000, time, sizeof time));
        } else {
            snprintf(text, sizeof text, "%s, %" PRIu64 " objects", seen->phase, seen->total);
        }
        show(progress, "sweep", text, rsw_monotonic_ms() - progress->begun_ms);
        return;
    }
    uint64_t left = seen->total > seen->done ? seen->total - seen->done : 0;
    int64_t left_ms =
        seen->done > 0 ? (int64_t)((double)seen->elapsed_ms / (double)seen->done * (double)left) : 0;
    snprintf(text, sizeof text, "%" PRIu64 " of %" PRIu64 " objects, %s freed, about %s left", seen->done,
             seen->total, rsw_size_format(seen->freed, size, sizeof size),
             rsw_duration_format((left_ms / 1000 + 1) * 1000, time, sizeof time));
    show(progress, "sweep", text, seen->elapsed_ms);
}

void rsw_progress_end(struct rsw_progress *progress) {
    if (atomic_exchange(&progress->shown, false)) {
        fputs(WIPE, progress->talk);
        fflush(progress->talk);
    }
}
