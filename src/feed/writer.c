#include "feed/writer.h"

#include "feed/apply.h"
#include "feed/tally.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WAITING_MAX 512   /* jobs; half of the connections, so that the others can be told to come back */
#define BATCH_EVENTS 4096 /* of one transaction */
#define TALLY_PAUSE_MS 1000

#define GATHER_SECONDS 0.002 /* longest wait for others to join a transaction */
#define SLOW_MS 10000        /* a transaction that takes longer makes the feed not ready */

const double rsw_commit_buckets[RSW_COMMIT_BUCKETS] = {0.001, 0.0025, 0.005, 0.01, 0.025,
                                                       0.05,  0.1,    0.25,  1.0};

struct rsw_writer {
    struct rsw_index *index;
    struct rsw_writer_options options;
    pthread_t thread;
    pthread_mutex_t mutex; /* over what follows, up to the next note */
    pthread_cond_t wake;
    struct rsw_job *first;
    struct rsw_job **end;
    bool stopping;
    int64_t began_ms; /* monotonic; of the transaction under way, 0: none */
    struct rsw_writer_stats stats;
    /* The thread's own. */
    struct rsw_tally tally;
    int64_t tallied_ms;       /* monotonic */
    int64_t told_ms;          /* monotonic; of the last line about trouble, 0: none yet */
    int64_t unusable_told_ms; /* monotonic; of the last line about unusable events */
    bool trouble;
    uint64_t expected;   /* jobs that will come together after the last commit */
    double last_seconds; /* that the last transaction took */
};

/* What one transaction did, before it counts. */
struct batch {
    struct rsw_job *jobs;
    uint64_t events;
    uint64_t by_action[RSW_EVENT_ACTIONS];
    uint64_t unusable;
    uint64_t unchanged;
    bool asked;
    bool touched;
    bool tally;
    bool wrote;
    int64_t last_event_ms;
    int64_t lag_ms;
};

/* ---- one transaction ---- */

static void apply_event(struct rsw_writer *writer, struct rsw_txn *txn, struct batch *batch,
                        const struct rsw_job *job, size_t i, int64_t now_ms) {
    const struct rsw_event *event = &job->events[i];
    bool unusable = event->problem[0] != 0;
    bool has_body = unusable && i + 1 == job->count;
    struct rsw_applied applied =
        rsw_event_apply(txn, event, has_body ? job->body : NULL, has_body ? job->body_len : 0, now_ms);
    batch->asked = batch->asked || applied.asked;
    batch->touched = batch->touched || applied.touched;
    batch->tally = rsw_tally_event(&writer->tally, txn, event, now_ms) || unusable || batch->tally;
    batch->events++;
    batch->by_action[event->action]++;
    batch->unusable += unusable ? 1 : 0;
    batch->unchanged += applied.changed || unusable ? 0 : 1;
    batch->last_event_ms = now_ms;
    batch->lag_ms = event->sent_ms > 0 ? now_ms - event->sent_ms : 0;
}

/* All or nothing of the jobs becomes durable. Without jobs: what was counted. `probe`: something is written
 * even if there is nothing to say, to see whether it can be. */
static int write_batch(struct rsw_writer *writer, struct batch *batch, bool probe, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    struct rsw_state state;
    if (rsw_txn_begin_write(&txn, writer->index, err) != 0) {
        return -1;
    }
    int64_t now_ms = rsw_clock_now_ms(writer->options.clock);
    for (struct rsw_job *job = batch->jobs; job != NULL; job = job->next) {
        for (size_t i = 0; i < job->count; i++) {
            apply_event(writer, txn, batch, job, i, now_ms);
        }
    }
    batch->tally = batch->tally || rsw_monotonic_ms() - writer->tallied_ms >= TALLY_PAUSE_MS;
    if (batch->tally) {
        rsw_tally_write(&writer->tally, txn);
    }
    if (probe && rsw_state_get(txn, &state) == RSW_FOUND) {
        rsw_state_put(txn, &state);
    }
    batch->wrote = rsw_txn_dirty(txn) > 0;
    return rsw_txn_commit(&txn, err);
}

/* ---- what is told of it ---- */

static void count_batch(struct rsw_writer *writer, const struct batch *batch, double seconds) {
    struct rsw_writer_stats *stats = &writer->stats;
    pthread_mutex_lock(&writer->mutex);
    stats->events += batch->events;
    stats->unusable += batch->unusable;
    stats->unchanged += batch->unchanged;
    for (unsigned i = 0; i < RSW_EVENT_ACTIONS; i++) {
        stats->by_action[i] += batch->by_action[i];
    }
    if (batch->events > 0) {
        stats->last_event_ms = batch->last_event_ms;
        stats->lag_ms = batch->lag_ms;
    }
    if (batch->wrote) {
        stats->commits++;
        stats->commit_seconds += seconds;
        for (unsigned i = 0; i < RSW_COMMIT_BUCKETS; i++) {
            stats->commit_buckets[i] += seconds <= rsw_commit_buckets[i] ? 1 : 0;
        }
    }
    stats->ready = true;
    stats->trouble[0] = 0;
    uint64_t unusable = stats->unusable;
    pthread_mutex_unlock(&writer->mutex);
    int64_t now_ms = rsw_monotonic_ms();
    if (batch->unusable > 0 &&
        (writer->unusable_told_ms == 0 || now_ms - writer->unusable_told_ms >= RSW_FEED_TELL_MS)) {
        writer->unusable_told_ms = now_ms;
        rsw_log(
            writer->options.log, RSW_LOG_WARNING,
            "%llu events since the start could not be understood: they are kept, see regsweep inspect events",
            (unsigned long long)unusable);
    }
    if (writer->trouble) {
        writer->trouble = false;
        writer->told_ms = 0;
        rsw_log(writer->options.log, RSW_LOG_WARNING, "the index can be written again: events are taken in");
    }
}

static void tell_trouble(struct rsw_writer *writer, const struct rsw_error *err) {
    int64_t now_ms = rsw_monotonic_ms();
    pthread_mutex_lock(&writer->mutex);
    writer->stats.failures++;
    writer->stats.ready = false;
    memcpy(writer->stats.trouble, err->message, sizeof writer->stats.trouble);
    pthread_mutex_unlock(&writer->mutex);
    writer->trouble = true;
    if (writer->told_ms == 0 || now_ms - writer->told_ms >= RSW_FEED_TELL_MS) {
        writer->told_ms = now_ms;
        rsw_log(writer->options.log, RSW_LOG_ERROR,
                "events are not taken in, the registry keeps them and sends them again: %s", err->message);
    }
}

static double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* As write_batch, counted. */
static int store(struct rsw_writer *writer, struct rsw_job *jobs, bool probe, struct rsw_error *err) {
    struct batch batch = {.jobs = jobs};
    double began = seconds_now();
    pthread_mutex_lock(&writer->mutex);
    writer->began_ms = rsw_monotonic_ms();
    pthread_mutex_unlock(&writer->mutex);
    int rc = write_batch(writer, &batch, probe, err);
    pthread_mutex_lock(&writer->mutex);
    writer->began_ms = 0;
    pthread_mutex_unlock(&writer->mutex);
    if (rc != 0) {
        rsw_tally_forget(&writer->tally);
        tell_trouble(writer, err);
        return -1;
    }
    rsw_tally_settle(&writer->tally, batch.tally);
    if (batch.tally) {
        writer->tallied_ms = rsw_monotonic_ms();
    }
    writer->last_seconds = seconds_now() - began;
    count_batch(writer, &batch, writer->last_seconds);
    if ((batch.asked || batch.touched) && writer->options.committed != NULL) {
        writer->options.committed(writer->options.arg, batch.asked, batch.touched);
    }
    return 0;
}

/* ---- jobs ---- */

static void finish(struct rsw_job *job, bool stored) {
    job->stored = stored;
    job->done(job); /* it may be gone from here on */
}

/* One event that the index refuses must not hold up the others: they would be sent again with it for ever.
 * Where the fault can lie in an event, each body is tried by itself. */
static bool fault_of_event(const struct rsw_error *err) {
    return err->code == RSW_EINVAL || err->code == RSW_ECORRUPT;
}

static void store_alone(struct rsw_writer *writer, struct rsw_job *job) {
    struct rsw_error err = RSW_ERROR_INIT;
    job->next = NULL;
    bool stored = store(writer, job, false, &err) == 0;
    if (!stored && err.code == RSW_EINVAL) {
        /* What we cannot write we do not understand. */
        struct rsw_event event = {.size = 0};
        struct rsw_job instead = {.events = &event, .count = 1, .body = job->body, .body_len = job->body_len};
        snprintf(event.problem, sizeof event.problem, "refused by the index: %.80s", err.message);
        rsw_error_clear(&err);
        stored = store(writer, &instead, false, &err) == 0;
    }
    finish(job, stored);
}

static void store_jobs(struct rsw_writer *writer, struct rsw_job *jobs) {
    struct rsw_error err = RSW_ERROR_INIT;
    bool stored = store(writer, jobs, false, &err) == 0;
    bool alone = !stored && fault_of_event(&err);
    while (jobs != NULL) {
        struct rsw_job *job = jobs;
        jobs = job->next;
        if (alone) {
            store_alone(writer, job);
        } else {
            finish(job, stored);
        }
    }
}

/* Takes a transaction's worth off the queue. The mutex is held. */
static struct rsw_job *take_jobs(struct rsw_writer *writer) {
    struct rsw_job *jobs = writer->first;
    struct rsw_job **next = &writer->first;
    size_t events = 0;
    while (*next != NULL && events < BATCH_EVENTS) {
        events += (*next)->count;
        next = &(*next)->next;
        writer->stats.waiting--;
    }
    writer->first = *next;
    *next = NULL;
    if (writer->first == NULL) {
        writer->end = &writer->first;
    }
    return jobs;
}

/* Waits until there are jobs, it is time for something else, or the end. The mutex is held. */
static void wait_for_jobs(struct rsw_writer *writer) {
    bool due = writer->trouble || rsw_tally_waits(&writer->tally);
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += 1;
    int rc = 0;
    while (writer->first == NULL && !writer->stopping && rc == 0) {
        rc = due ? pthread_cond_timedwait(&writer->wake, &writer->mutex, &until)
                 : pthread_cond_wait(&writer->wake, &writer->mutex);
    }
}

static void add_ns(struct timespec *time, long ns) {
    time->tv_nsec += ns;
    if (time->tv_nsec >= 1000000000) {
        time->tv_sec++;
        time->tv_nsec -= 1000000000;
    }
}

/* Senders wait for their answers, so after a commit all of them come again at almost the same moment. Without
 * a short wait the first of them would get a commit of its own, and the others wait for two. The wait is a
 * small part of what a commit takes, and a single sender never has it. The mutex is held. */
static void wait_for_others(struct rsw_writer *writer) {
    struct timespec until;
    double wait = writer->last_seconds / 4 < GATHER_SECONDS ? writer->last_seconds / 4 : GATHER_SECONDS;
    clock_gettime(CLOCK_MONOTONIC, &until);
    add_ns(&until, (long)(wait * 1e9));
    int rc = 0;
    while (writer->first != NULL && writer->stats.waiting < writer->expected && !writer->stopping &&
           rc == 0) {
        rc = pthread_cond_timedwait(&writer->wake, &writer->mutex, &until);
    }
}

static void *run(void *arg) {
    struct rsw_writer *writer = arg;
    pthread_mutex_lock(&writer->mutex);
    for (;;) {
        wait_for_jobs(writer);
        wait_for_others(writer);
        uint64_t count = writer->stats.waiting;
        struct rsw_job *jobs = take_jobs(writer);
        count -= writer->stats.waiting;
        bool stopping = writer->stopping;
        pthread_mutex_unlock(&writer->mutex);
        if (jobs != NULL) {
            store_jobs(writer, jobs);
        } else if (writer->trouble || rsw_tally_waits(&writer->tally)) {
            struct rsw_error err = RSW_ERROR_INIT;
            writer->tallied_ms = rsw_monotonic_ms() - TALLY_PAUSE_MS;
            store(writer, NULL, writer->trouble, &err);
        }
        if (jobs == NULL && stopping) {
            return NULL;
        }
        pthread_mutex_lock(&writer->mutex);
        writer->expected = count + writer->stats.waiting;
    }
}

/* ---- the handle ---- */

int rsw_writer_start(struct rsw_writer **out, struct rsw_index *index,
                     const struct rsw_writer_options *options, struct rsw_error *err) {
    struct rsw_writer *writer = calloc(1, sizeof *writer);
    pthread_condattr_t monotonic;
    if (writer == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    writer->index = index;
    writer->options = *options;
    writer->end = &writer->first;
    writer->stats.ready = true;
    pthread_mutex_init(&writer->mutex, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&writer->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    int rc = pthread_create(&writer->thread, NULL, run, writer);
    if (rc != 0) {
        pthread_cond_destroy(&writer->wake);
        pthread_mutex_destroy(&writer->mutex);
        free(writer);
        return rsw_error_set(err, RSW_EIO, rc, "cannot start a thread: %s", strerror(rc));
    }
    *out = writer;
    return 0;
}

bool rsw_writer_submit(struct rsw_writer *writer, struct rsw_job *job) {
    pthread_mutex_lock(&writer->mutex);
    bool taken = !writer->stopping && writer->stats.waiting < WAITING_MAX;
    if (taken) {
        job->next = NULL;
        job->stored = false;
        *writer->end = job;
        writer->end = &job->next;
        writer->stats.waiting++;
        pthread_cond_signal(&writer->wake);
    }
    pthread_mutex_unlock(&writer->mutex);
    return taken;
}

void rsw_writer_stats(struct rsw_writer *writer, struct rsw_writer_stats *out) {
    pthread_mutex_lock(&writer->mutex);
    *out = writer->stats;
    int64_t began_ms = writer->began_ms;
    pthread_mutex_unlock(&writer->mutex);
    if (out->ready && began_ms != 0 && rsw_monotonic_ms() - began_ms > SLOW_MS) {
        out->ready = false;
        snprintf(out->trouble, sizeof out->trouble,
                 "waiting for another process that writes to the index, or for a slow disk");
    }
}

void rsw_writer_close(struct rsw_writer *writer) {
    pthread_mutex_lock(&writer->mutex);
    writer->stopping = true;
    pthread_cond_signal(&writer->wake);
    pthread_mutex_unlock(&writer->mutex);
    pthread_join(writer->thread, NULL);
}

void rsw_writer_free(struct rsw_writer *writer) {
    pthread_cond_destroy(&writer->wake);
    pthread_mutex_destroy(&writer->mutex);
    free(writer);
}
