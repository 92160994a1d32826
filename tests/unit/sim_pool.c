/* The pool of a scan without its threads: tasks one after the other, each batch written where it comes up.
 * With them, which batch is written when would depend on the machine, and a seed would not tell the run. */
#include "scan/pool.h"

#include <stdlib.h>

struct rsw_pool {
    struct rsw_reading *reading;
};

static int emit(void *to, struct rsw_batch *batch, struct rsw_error *err) {
    struct rsw_reading *reading = ((struct rsw_pool *)to)->reading;
    RSW_AUTO_TXN txn = NULL;
    int rc = rsw_txn_begin_write(&txn, reading->index, err);
    if (rc == 0) {
        struct rsw_apply apply = {.now_ms = rsw_clock_now_ms(reading->clock),
                                  .clock = reading->clock,
                                  .registry_stopped = reading->registry_stopped,
                                  .settle_ms = reading->settle_ms};
        rsw_batch_apply(txn, batch, &apply);
        rsw_count(&reading->appeared, apply.appeared);
        rc = rsw_txn_commit(&txn, err);
    }
    rsw_batch_free(batch);
    return rc;
}

struct rsw_pool *rsw_pool_new(struct rsw_reading *reading, unsigned threads, void (*tick)(void *arg),
                              void *arg, struct rsw_error *err) {
    (void)threads;
    (void)tick;
    (void)arg;
    struct rsw_pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL) {
        rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
        return NULL;
    }
    pool->reading = reading;
    reading->emit = emit;
    reading->to = pool;
    return pool;
}

void rsw_pool_free(struct rsw_pool *pool) {
    free(pool);
}

int rsw_pool_run(struct rsw_pool *pool, int (*task)(void *arg, size_t i, struct rsw_error *err), void *arg,
                 size_t count, struct rsw_error *err) {
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = task(arg, i, err);
    }
    if (rc != 0) {
        atomic_store(&pool->reading->cancelled, true);
        return -1;
    }
    return rsw_reading_stopped(pool->reading, err) ? -1 : 0;
}
