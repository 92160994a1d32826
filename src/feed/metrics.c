/* GET /metrics: Prometheus text format 0.0.4. */
#include "feed/server.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct text {
    struct rsw_buf *buf;
    struct rsw_error *err;
    int rc;
};

static void head(struct text *text, const char *name, const char *type, const char *help) {
    if (text->rc == 0) {
        text->rc = rsw_buf_addf(text->buf, text->err, "# HELP regsweep_%s %s\n# TYPE regsweep_%s %s\n", name,
                                help, name, type);
    }
}

/* `labels` with its braces, "" for none. */
static void value(struct text *text, const char *name, const char *labels, double number) {
    if (text->rc == 0) {
        text->rc = rsw_buf_addf(text->buf, text->err, "regsweep_%s%s %.15g\n", name, labels, number);
    }
}

static void single(struct text *text, const char *name, const char *type, double number, const char *help) {
    head(text, name, type, help);
    value(text, name, "", number);
}

static void tell_events(struct text *text, const struct rsw_writer_stats *stats) {
    char labels[64];
    head(text, "events_total", "counter", "Events taken in, by what they tell of.");
    for (unsigned i = 0; i < RSW_EVENT_ACTIONS; i++) {
        snprintf(labels, sizeof labels, "{action=\"%s\"}", rsw_event_action_name((enum rsw_event_action)i));
        value(text, "events_total", labels, (double)stats->by_action[i]);
    }
    single(text, "events_unusable_total", "counter", (double)stats->unusable,
           "Events that were acknowledged and kept, but not understood.");
    single(text, "events_unchanged_total", "counter", (double)stats->unchanged,
           "Events that told nothing new and cost no write.");
    single(text, "feed_lag_seconds", "gauge", (double)stats->lag_ms / 1000,
           "Time between the last event's own timestamp and its arrival.");
}

static void tell_requests(struct text *text, struct rsw_feed *feed) {
    static const struct {
        enum rsw_answer_kind kinds[2];
        const char *labels;
    } codes[] = {
        {{RSW_ANSWER_OK, RSW_ANSWER_OK}, "{code=\"200\"}"},
        {{RSW_ANSWER_UNAUTHORIZED, RSW_ANSWER_UNAUTHORIZED}, "{code=\"401\"}"},
        {{RSW_ANSWER_FAULT, RSW_ANSWER_FAULT}, "{code=\"500\"}"},
        {{RSW_ANSWER_LATER, RSW_ANSWER_BUSY}, "{code=\"503\"}"},
    };
    head(text, "feed_requests_total", "counter", "POST /events answered, by status.");
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        uint64_t count = atomic_load(&feed->answered[codes[i].kinds[0]]);
        count += codes[i].kinds[0] == codes[i].kinds[1] ? 0 : atomic_load(&feed->answered[codes[i].kinds[1]]);
        value(text, "feed_requests_total", codes[i].labels, (double)count);
    }
}

static void tell_refused(struct text *text, struct rsw_feed *feed) {
    char labels[80];
    head(text, "requests_refused_total", "counter", "Requests that did not carry the right token, by path.");
    value(text, "requests_refused_total", "{path=\"/events\"}", (double)atomic_load(&feed->token.refused));
    if (feed->further_paths != NULL) {
        snprintf(labels, sizeof labels, "{path=\"%s\"}", feed->further_paths[0]);
        value(text, "requests_refused_total", labels, (double)atomic_load(&feed->further_token.refused));
    }
}

static void tell_commits(struct text *text, const struct rsw_writer_stats *stats) {
    char labels[64];
    head(text, "feed_commit_seconds", "histogram",
         "Time of a transaction of the feed, from its begin until it was durable.");
    for (unsigned i = 0; i < RSW_COMMIT_BUCKETS; i++) {
        snprintf(labels, sizeof labels, "{le=\"%g\"}", rsw_commit_buckets[i]);
        value(text, "feed_commit_seconds_bucket", labels, (double)stats->commit_buckets[i]);
    }
    value(text, "feed_commit_seconds_bucket", "{le=\"+Inf\"}", (double)stats->commits);
    value(text, "feed_commit_seconds_sum", "", stats->commit_seconds);
    value(text, "feed_commit_seconds_count", "", (double)stats->commits);
    single(text, "feed_commits_total", "counter", (double)stats->commits, "Transactions of the feed.");
    single(text, "feed_commit_failures_total", "counter", (double)stats->failures,
           "Transactions of the feed that failed; the registry sends their events again.");
    single(text, "feed_queue_length", "gauge", (double)stats->waiting,
           "Requests that wait for their commit.");
    single(text, "feed_ready", "gauge", stats->ready ? 1 : 0, "1 if the last write to the index succeeded.");
}

static double later_of(int64_t a_ms, int64_t b_ms) {
    return (double)(a_ms > b_ms ? a_ms : b_ms) / 1000;
}

static void tell_index(struct text *text, struct rsw_feed *feed, const struct rsw_writer_stats *stats) {
    RSW_AUTO_TXN txn = NULL;
    struct rsw_state state;
    struct rsw_index_stat index;
    int64_t now_ms = rsw_clock_now_ms(feed->clock);
    struct rsw_error err = RSW_ERROR_INIT;
    bool read = rsw_txn_begin_read(&txn, feed->index, &err) == 0 && rsw_state_get(txn, &state) == RSW_FOUND &&
                rsw_index_stat(txn, &index) == RSW_FOUND;
    single(text, "index_readable", "gauge", read ? 1 : 0, "1 if the index could be read for these metrics.");
    if (!read) {
        return; /* the others still count, and an index that cannot be read is worth an alarm of its own */
    }
    double last = later_of(state.last_event_ms, stats->last_event_ms);
    single(text, "index_used_bytes", "gauge", (double)index.used, "Bytes of the index in use.");
    single(text, "index_file_bytes", "gauge", (double)index.file_size, "Size of the index's file.");
    single(text, "index_map_bytes", "gauge", (double)index.map_size,
           "Size that the index can grow to before it is mapped anew.");
    single(text, "open_gap", "gauge", state.gap_seq > state.scan_seq ? 1 : 0,
           "1 if events may have been missed since the last complete scan.");
    single(text, "last_event_timestamp_seconds", "gauge", last, "When the last event came; 0: never.");
    if (last > 0) {
        single(text, "last_event_age_seconds", "gauge", (double)now_ms / 1000 - last,
               "Time since the last event came.");
    }
    single(text, "last_scan_timestamp_seconds", "gauge", (double)state.scan_ended_ms / 1000,
           "When the last complete scan ended; 0: never.");
    for (size_t i = 0; i < index.table_count; i++) {
        if (strcmp(index.tables[i].name, "check") == 0) {
            single(text, "check_queue_length", "gauge", (double)index.tables[i].entries,
                   "Questions in the index that storage has yet to answer.");
        }
    }
}

static void write_more(void *to, const char *more) {
    struct text *text = to;
    if (text->rc == 0) {
        text->rc = rsw_buf_add(text->buf, more, strlen(more), text->err);
    }
}

int rsw_feed_metrics(struct rsw_feed *feed, struct rsw_buf *out, struct rsw_error *err) {
    struct text text = {.buf = out, .err = err};
    struct rsw_writer_stats stats;
    rsw_writer_stats(feed->writer, &stats);
    tell_events(&text, &stats);
    tell_requests(&text, feed);
    tell_refused(&text, feed);
    tell_commits(&text, &stats);
    tell_index(&text, feed, &stats);
    head(&text, "build_info", "gauge", "The version that runs, as a label.");
    value(&text, "build_info", "{version=\"" REGSWEEP_VERSION "\"}", 1);
    if (feed->metrics != NULL) {
        feed->metrics(feed->arg, write_more, &text);
    }
    return text.rc;
}
