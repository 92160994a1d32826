#include "serve_metrics.h"

#include <inttypes.h>
#include <stdio.h>

static void single(rsw_serve_write *write, void *to, const char *name, const char *type, uint64_t value,
                   const char *help) {
    char text[512];
    snprintf(text, sizeof text, "# HELP regsweep_%s %s\n# TYPE regsweep_%s %s\nregsweep_%s %" PRIu64 "\n",
             name, help, name, type, name, value);
    write(to, text);
}

void rsw_serve_checks(const struct rsw_check_result *checks, rsw_serve_write *write, void *to) {
    single(write, to, "checks_total", "counter", checks->done,
           "Questions of the feed that storage has answered.");
    single(write, to, "check_failures_total", "counter", checks->failed,
           "Times that storage could not tell; asked again later.");
    single(write, to, "checks_waiting", "gauge", checks->left, "Questions that storage has yet to answer.");
}

static void seconds(const struct rsw_reviver_stats *revived, rsw_serve_write *write, void *to) {
    char text[160];
    write(to, "# HELP regsweep_give_back_seconds Time from a durable touch until all that was touched was in "
              "its place.\n# TYPE regsweep_give_back_seconds histogram\n");
    for (size_t i = 0; i < RSW_REVIVER_BUCKETS; i++) {
        snprintf(text, sizeof text, "regsweep_give_back_seconds_bucket{le=\"%g\"} %" PRIu64 "\n",
                 rsw_reviver_buckets[i], revived->buckets[i]);
        write(to, text);
    }
    snprintf(text, sizeof text,
             "regsweep_give_back_seconds_bucket{le=\"+Inf\"} %" PRIu64
             "\nregsweep_give_back_seconds_sum %.9g\n"
             "regsweep_give_back_seconds_count %" PRIu64 "\n",
             revived->runs, revived->seconds, revived->runs);
    write(to, text);
}

void rsw_serve_revived(const struct rsw_reviver_stats *revived, rsw_serve_write *write, void *to) {
    single(write, to, "given_back_total", "counter", revived->items,
           "Condemned objects that were touched, and are in their places again.");
    single(write, to, "given_back_files_total", "counter", revived->placed,
           "Files that had to be put back for that.");
    single(write, to, "give_back_failures_total", "counter", revived->failures,
           "Tries to give back that failed; they are repeated.");
    single(write, to, "give_back_lost_total", "counter", revived->lost,
           "Touched objects that were neither in their places nor in quarantine.");
    seconds(revived, write, to);
}
