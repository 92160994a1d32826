/* A thread that does the same again and again: it waits until it is woken, or some time has gone by, or it is
 * to end. What it shares with others can be kept under the same lock. */
#ifndef REGSWEEP_UTIL_WORKER_H
#define REGSWEEP_UTIL_WORKER_H

#include <regsweep/error.h>

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct rsw_worker {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool woken; /* both under the lock */
    bool stopping;
};

/* Begins the thread with `work`, which returns once a wait has said so. 0; or -1 (RSW_ENOMEM), and there is
 * nothing to stop or to release. The worker stays where it is. */
int rsw_worker_start(struct rsw_worker *worker, void *(*work)(void *arg), void *arg, struct rsw_error *err);
/* From the thread. True: it is to end. A pause is not cut short by waking, which is for the next wait. */
bool rsw_worker_wait(struct rsw_worker *worker, int64_t ms);
bool rsw_worker_pause(struct rsw_worker *worker, int64_t ms);
/* Any thread, cheap. */
void rsw_worker_wake(struct rsw_worker *worker);
bool rsw_worker_is_stopping(struct rsw_worker *worker);
/* Has the thread end, and waits for that. The lock can be used until it is released. */
void rsw_worker_stop(struct rsw_worker *worker);
void rsw_worker_release(struct rsw_worker *worker);

#endif
