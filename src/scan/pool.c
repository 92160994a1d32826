#include "scan/pool.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Batches that wait for the writer. Few, for they are large, and readers that are ahead gain nothing. */
#define QUEUE_MAX 32
#define TICK_MS 50

struct rsw_pool {
    struct rsw_reading *reading;
    unsigned threads;
    void (*tick)(void *arg);
    void *tick_arg;

    pthread_mutex_t lock; /* for all below */
    pthread_cond_t filled;
    pthread_cond_t drained;
    struct rsw_batch *queue[QUEUE_MAX]; /* a ring */
    size_t first, queued;
    unsigned active;        /* threads with work */
    struct rsw_error error; /* the first */

    int (*task)(void *arg, size_t i, struct rsw_error *err);
    void *task_arg;
    size_t next, count;
    struct rsw_apply apply;
};

/* The first error is the one that is told; the others end because of it. */
static void fail(struct rsw_pool *pool, const struct rsw_error *err) {
    pthread_mutex_lock(&pool->lock);
    if (pool->error.code == RSW_OK) {
        pool->error = *err;
        if (err->code == RSW_OK) {
            rsw_error_set(&pool->error, RSW_EIO, 0, "failed for a reason that nobody told");
        }
    }
    atomic_store(&pool->reading->cancelled, true);
    pthread_cond_broadcast(&pool->drained);
    pthread_mutex_unlock(&pool->lock);
}

static int emit(void *to, struct rsw_batch *batch, struct rsw_error *err) {
    struct rsw_pool *pool = to;
    pthread_mutex_lock(&pool->lock);
    while (pool->queued == QUEUE_MAX && !atomic_load(&pool->reading->cancelled)) {
        pthread_cond_wait(&pool->drained, &pool->lock);
    }
    bool taken = pool->queued < QUEUE_MAX;
    if (taken) {
        pool->queue[(pool->first + pool->queued++) % QUEUE_MAX] = batch;
        pthread_cond_signal(&pool->filled);
    }
    pthread_mutex_unlock(&pool->lock);
    if (!taken) {
        rsw_batch_free(batch);
        return rsw_error_set(err, RSW_ESTOPPED, 0, "stopped");
    }
    return 0;
}

/* ---- the writer ---- */

static int commit(struct rsw_txn **txn, struct rsw_error *err) {
    if (*txn == NULL) {
        return 0;
    }
    int rc = rsw_txn_commit(txn, err);
    /* LMDB's lock is not fair: without a breath whoever waits for it would hardly ever get it. */
    struct timespec breath = {.tv_sec = 0, .tv_nsec = 1000000};
    nanosleep(&breath, NULL);
    return rc;
}

static int write_batch(struct rsw_pool *pool, struct rsw_txn **txn, int64_t *began_ms,
                       const struct rsw_batch *batch, struct rsw_error *err) {
    if (*txn == NULL) {
        if (rsw_txn_begin_write(txn, pool->reading->index, err) != 0) {
            return -1;
        }
        *began_ms = rsw_monotonic_ms();
    }
    pool->apply = rsw_reading_apply(pool->reading);
    rsw_batch_apply(*txn, batch, &pool->apply);
    rsw_count(&pool->reading->appeared, pool->apply.appeared);
    if (rsw_txn_failed(*txn, err)) {
        return -1;
    }
    int64_t most_ms = rsw_index_fresh(pool->reading->index) ? RSW_WRITE_FRESH_MS : RSW_WRITE_MS;
    bool enough = rsw_txn_dirty(*txn) > RSW_WRITE_BYTES || rsw_monotonic_ms() - *began_ms >= most_ms;
    return enough ? commit(txn, err) : 0;
}

/* The next batch, NULL after a while without one. *ended: there will be none any more. */
static struct rsw_batch *take(struct rsw_pool *pool, bool *ended) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += TICK_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    struct rsw_batch *batch = NULL;
    pthread_mutex_lock(&pool->lock);
    while (pool->queued == 0 && pool->active > 0 &&
           pthread_cond_timedwait(&pool->filled, &pool->lock, &until) == 0) {
    }
    if (pool->queued > 0) {
        batch = pool->queue[pool->first];
        pool->first = (pool->first + 1) % QUEUE_MAX;
        pool->queued--;
        pthread_cond_signal(&pool->drained);
    }
    *ended = batch == NULL && pool->active == 0;
    pthread_mutex_unlock(&pool->lock);
    return batch;
}

/* After an error the rest is thrown away, but taken, so that no reader waits for room for ever. */
static void write_all(struct rsw_pool *pool) {
    RSW_AUTO_TXN txn = NULL;
    int64_t began_ms = 0;
    bool ended = false;
    bool broken = false;
    while (!ended) {
        struct rsw_error err = RSW_ERROR_INIT;
        struct rsw_batch *batch = take(pool, &ended);
        int rc = 0;
        if (!broken && batch != NULL) {
            rc = write_batch(pool, &txn, &began_ms, batch, &err);
        } else if (!broken && (ended || !rsw_index_fresh(pool->reading->index))) {
            rc = commit(&txn, &err); /* nothing to do for now: let others write */
        }
        rsw_batch_free(batch);
        if (rc != 0) {
            broken = true;
            rsw_txn_abort(&txn);
            fail(pool, &err);
        }
        pool->tick(pool->tick_arg);
    }
}

/* ---- the readers ---- */

static bool next_task(struct rsw_pool *pool, size_t *i) {
    pthread_mutex_lock(&pool->lock);
    bool more = pool->next < pool->count && !atomic_load(&pool->reading->cancelled);
    *i = more ? pool->next++ : 0;
    pthread_mutex_unlock(&pool->lock);
    return more;
}

static void *reader(void *arg) {
    struct rsw_pool *pool = arg;
    size_t i;
    while (next_task(pool, &i)) {
        struct rsw_error err = RSW_ERROR_INIT;
        if (pool->task(pool->task_arg, i, &err) != 0) {
            fail(pool, &err);
        }
    }
    pthread_mutex_lock(&pool->lock);
    pool->active--;
    pthread_cond_signal(&pool->filled);
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

int rsw_pool_run(struct rsw_pool *pool, int (*task)(void *arg, size_t i, struct rsw_error *err), void *arg,
                 size_t count, struct rsw_error *err) {
    size_t wanted = count < pool->threads ? count : pool->threads;
    pthread_t *threads = calloc(wanted + 1, sizeof *threads);
    if (threads == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    pool->task = task;
    pool->task_arg = arg;
    pool->next = 0;
    pool->count = count;
    size_t started = 0;
    pthread_mutex_lock(&pool->lock);
    while (started < wanted && pthread_create(&threads[started], NULL, reader, pool) == 0) {
        started++;
        pool->active++;
    }
    pthread_mutex_unlock(&pool->lock);
    if (started == 0 && count > 0) {
        free(threads);
        return rsw_error_set(err, RSW_ENOMEM, 0, "cannot start a thread");
    }
    write_all(pool);
    for (size_t i = 0; i < started; i++) {
        pthread_join(threads[i], NULL);
    }
    free(threads);
    if (pool->error.code != RSW_OK) {
        return rsw_error_set(err, pool->error.code, pool->error.errnum, "%s", pool->error.message);
    }
    return rsw_reading_stopped(pool->reading, err) ? -1 : 0;
}

struct rsw_pool *rsw_pool_new(struct rsw_reading *reading, unsigned threads, void (*tick)(void *arg),
                              void *arg, struct rsw_error *err) {
    struct rsw_pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL) {
        rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
        return NULL;
    }
    pool->reading = reading;
    pool->threads = threads;
    pool->tick = tick;
    pool->tick_arg = arg;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->drained, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&pool->filled, &attr);
    pthread_condattr_destroy(&attr);
    reading->emit = emit;
    reading->to = pool;
    return pool;
}

void rsw_pool_free(struct rsw_pool *pool) {
    if (pool == NULL) {
        return;
    }
    pthread_cond_destroy(&pool->filled);
    pthread_cond_destroy(&pool->drained);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}
