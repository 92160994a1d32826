#include "serve_metrics.h"

#include "index/deletion.h"
#include "index/time.h"

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
    single(write, to, "checks_waiting", "gauge", checks->left - checks->late,
           "Questions that storage has yet to answer.");
    single(write, to, "late_tags_waiting", "gauge", checks->late,
           "Tags that were pushed and are not in storage: asked for once more after a settle.");
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

/* ---- generations ---- */

struct generations {
    uint64_t states[RSW_GENERATION_ABANDONED + 1];
    uint64_t waiting; /* items of open ones */
    int64_t due_ms;   /* of the first open one; 0: none is open */
};

static int count_generations(struct generations *counted, struct rsw_index *index,
                             const struct rsw_clock *clock) {
    RSW_AUTO_TXN txn = NULL;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_generation one;
    int answer;
    if (rsw_txn_begin_read(&txn, index, NULL) != 0) {
        return -1;
    }
    rsw_iter_generations(&iter, txn);
    while ((answer = rsw_generation_next(&iter, &one)) == RSW_FOUND) {
        counted->states[one.state <= RSW_GENERATION_ABANDONED ? one.state : 0]++;
        if (one.offline || one.state == RSW_GENERATION_PURGED || one.state == RSW_GENERATION_ABANDONED) {
            continue;
        }
        uint64_t all = 0;
        uint64_t over = one.done + one.spared + one.failed;
        for (size_t kind = 0; kind < RSW_ITEM_KINDS; kind++) {
            all += one.counts[kind];
        }
        counted->waiting += all > over ? all - over : 0;
        int64_t left_ms = rsw_generation_left_ms(txn, &one, clock);
        int64_t due_ms = rsw_clock_now_ms(clock) + (left_ms > 0 ? left_ms : 0);
        counted->due_ms = counted->due_ms == 0 || due_ms < counted->due_ms ? due_ms : counted->due_ms;
    }
    return answer == RSW_ABSENT ? 0 : -1;
}

void rsw_serve_generations(struct rsw_index *index, const struct rsw_clock *clock, rsw_serve_write *write,
                           void *to) {
    struct generations counted = {.due_ms = 0};
    char text[96];
    if (count_generations(&counted, index, clock) != 0) {
        return;
    }
    write(to, "# HELP regsweep_generations Sweeps that removed something, by state.\n"
              "# TYPE regsweep_generations gauge\n");
    for (size_t state = RSW_GENERATION_CONDEMNED; state <= RSW_GENERATION_ABANDONED; state++) {
        snprintf(text, sizeof text, "regsweep_generations{state=\"%s\"} %" PRIu64 "\n",
                 rsw_generation_state_name((enum rsw_generation_state)state), counted.states[state]);
        write(to, text);
    }
    single(write, to, "generation_items_waiting", "gauge", counted.waiting,
           "Objects of sweeps under way that are neither gone nor spared yet.");
    single(write, to, "generation_due_timestamp_seconds", "gauge", (uint64_t)(counted.due_ms / 1000),
           "When a sweep under way goes on; 0: none is.");
}

void rsw_serve_deletions(struct rsw_index *index, rsw_serve_write *write, void *to) {
    uint64_t states[RSW_DELETION_STATES] = {0};
    char text[96];
    RSW_AUTO_TXN txn = NULL;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_deletion deletion;
    if (rsw_txn_begin_read(&txn, index, NULL) != 0) {
        return;
    }
    rsw_iter_deletions(&iter, txn);
    while (rsw_deletion_next(&iter, &deletion) == RSW_FOUND) {
        states[deletion.state < RSW_DELETION_STATES ? deletion.state : 0]++;
    }
    if (rsw_txn_failed(txn, NULL)) {
        return;
    }
    write(to, "# HELP regsweep_deletions Deletions that were asked for and are remembered, by state.\n"
              "# TYPE regsweep_deletions gauge\n");
    for (size_t state = RSW_DELETION_WAITING; state < RSW_DELETION_STATES; state++) {
        snprintf(text, sizeof text, "regsweep_deletions{state=\"%s\"} %" PRIu64 "\n",
                 rsw_deletion_state_name((enum rsw_deletion_state)state), states[state]);
        write(to, text);
    }
}

void rsw_serve_told(const struct rsw_callback_stats *told, rsw_serve_write *write, void *to) {
    single(write, to, "deletion_callbacks_total", "counter", told->sent,
           "Deletions that have ended of which --deletion-callback was told, and answered.");
    single(write, to, "deletion_callback_failures_total", "counter", told->failures,
           "Times that it did not answer with 2xx; it is told again.");
    single(write, to, "deletion_callbacks_waiting", "gauge", told->waiting,
           "Deletions that have ended of which it has yet to be told.");
}

void rsw_serve_runs(const struct rsw_sweep_runs_stats *runs, rsw_serve_write *write, void *to) {
    single(write, to, "asked_sweeps_total", "counter", runs->begun, "Sweeps that POST /sweeps asked for.");
    single(write, to, "asked_sweep_failures_total", "counter", runs->failed,
           "Of these, those that ended with another status than 0.");
    single(write, to, "asked_sweep_failed", "gauge", runs->last_failed ? 1 : 0,
           "1 if the last of them did; the log says why.");
    single(write, to, "asked_sweep_running", "gauge", runs->running ? 1 : 0, "1 while one of them runs.");
}

void rsw_serve_scheduled(const struct rsw_schedule_stats *tried, rsw_serve_write *write, void *to) {
    single(write, to, "schedule_tries_total", "counter", tried->tries,
           "Times that a sweep was tried because --schedule says so.");
    single(write, to, "schedule_failures_total", "counter", tried->failures,
           "Of these, those after which nobody had swept; most are tried again.");
    single(write, to, "schedule_failed", "gauge", tried->failing ? 1 : 0,
           "1 if the last of them did; the log says why.");
}

void rsw_serve_swept(const struct rsw_sweeper_stats *swept, rsw_serve_write *write, void *to) {
    single(write, to, "sweeper_runs_total", "counter", swept->runs,
           "Times that serve went on with a sweep that was due.");
    single(write, to, "sweeper_failures_total", "counter", swept->failures,
           "Of these, those that ended with an error; they come again.");
    single(write, to, "sweeper_failed", "gauge", swept->last_error[0] != 0 ? 1 : 0,
           "1 if the last of them did; the log says why.");
}
