/* The one writer of the feed: a thread that takes what has arrived, tells the index all of it in one
 * transaction, and answers once that is durable. While it commits, the next transaction's worth gathers: so
 * the more senders there are, the more events share the two syncs of a commit. */
#ifndef REGSWEEP_FEED_WRITER_H
#define REGSWEEP_FEED_WRITER_H

#include "feed/envelope.h"
#include "index/index.h"
#include "util/clock.h"
#include "util/log.h"

/* Events of one body that wait for their commit. All fields but the last are set by who submits, who keeps it
 * and what it points at until `done`. */
struct rsw_job {
    const struct rsw_event *events;
    size_t count;
    const void *body; /* text of the last event, kept if it is unusable; NULL: none */
    size_t body_len;
    void (*done)(struct rsw_job *job); /* from the writer's thread */
    bool stored;                       /* set before done: durable. False: nothing of it has happened */
    struct rsw_job *next;              /* the writer's own */
};

#define RSW_FEED_TELL_MS 60000 /* between two log lines about the same trouble */
#define RSW_COMMIT_BUCKETS 9
extern const double rsw_commit_buckets[RSW_COMMIT_BUCKETS]; /* upper bounds, seconds */

struct rsw_writer_stats {
    uint64_t events; /* taken in */
    uint64_t by_action[RSW_EVENT_ACTIONS];
    uint64_t unusable;
    uint64_t unchanged;
    uint64_t commits;
    uint64_t failures;                           /* transactions that failed */
    uint64_t commit_buckets[RSW_COMMIT_BUCKETS]; /* commits within each bound, those of lower ones included */
    double commit_seconds;                       /* sum */
    uint64_t waiting;                            /* jobs */
    int64_t last_event_ms;                       /* 0: none since the start */
    int64_t lag_ms;                              /* of the last event, from its sending to its arrival */
    bool ready;                                  /* the last write succeeded, and none takes too long */
    char trouble[RSW_MESSAGE_MAX];               /* if not ready: why */
};

struct rsw_writer;
struct rsw_writer_options {
    const struct rsw_clock *clock;
    const struct rsw_log *log;
    /* May be NULL: after a commit that left something in the check queue (`asked`), or touched something that
     * was condemned. */
    void (*committed)(void *arg, bool asked, bool touched);
    void *arg;
};

int rsw_writer_start(struct rsw_writer **out, struct rsw_index *index,
                     const struct rsw_writer_options *options, struct rsw_error *err);
/* Any thread. False if too many wait already (the index is locked by somebody else for long), or the writer
 * is stopping: the job was not taken, and `done` is not called. */
bool rsw_writer_submit(struct rsw_writer *writer, struct rsw_job *job);
void rsw_writer_stats(struct rsw_writer *writer, struct rsw_writer_stats *out);
/* Takes nothing more, stores what it has taken, writes what it has counted, ends the thread. */
void rsw_writer_close(struct rsw_writer *writer);
/* After rsw_writer_close. */
void rsw_writer_free(struct rsw_writer *writer);

#endif
