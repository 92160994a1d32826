#include "util/worker.h"

#include <string.h>
#include <time.h>

int rsw_worker_start(struct rsw_worker *worker, void *(*work)(void *arg), void *arg, struct rsw_error *err) {
    pthread_condattr_t monotonic;
    worker->woken = false;
    worker->stopping = false;
    pthread_mutex_init(&worker->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&worker->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    int errnum = pthread_create(&worker->thread, NULL, work, arg);
    if (errnum != 0) {
        rsw_worker_release(worker);
        return rsw_error_set(err, RSW_ENOMEM, errnum, "cannot start a thread: %s", strerror(errnum));
    }
    return 0;
}

static bool wait_until(struct rsw_worker *worker, int64_t ms, const bool *woken) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(ms / 1000);
    until.tv_nsec += (long)(ms % 1000) * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    while (!worker->stopping && (woken == NULL || !*woken) &&
           pthread_cond_timedwait(&worker->changed, &worker->lock, &until) == 0) {
    }
    return worker->stopping;
}

bool rsw_worker_wait(struct rsw_worker *worker, int64_t ms) {
    pthread_mutex_lock(&worker->lock);
    bool stop = wait_until(worker, ms, &worker->woken);
    worker->woken = false;
    pthread_mutex_unlock(&worker->lock);
    return stop;
}

bool rsw_worker_pause(struct rsw_worker *worker, int64_t ms) {
    pthread_mutex_lock(&worker->lock);
    bool stop = wait_until(worker, ms, NULL);
    pthread_mutex_unlock(&worker->lock);
    return stop;
}

void rsw_worker_wake(struct rsw_worker *worker) {
    pthread_mutex_lock(&worker->lock);
    worker->woken = true;
    pthread_cond_signal(&worker->changed);
    pthread_mutex_unlock(&worker->lock);
}

bool rsw_worker_is_stopping(struct rsw_worker *worker) {
    pthread_mutex_lock(&worker->lock);
    bool stopping = worker->stopping;
    pthread_mutex_unlock(&worker->lock);
    return stopping;
}

void rsw_worker_stop(struct rsw_worker *worker) {
    pthread_mutex_lock(&worker->lock);
    worker->stopping = true;
    pthread_cond_signal(&worker->changed);
    pthread_mutex_unlock(&worker->lock);
    pthread_join(worker->thread, NULL);
}

void rsw_worker_release(struct rsw_worker *worker) {
    pthread_cond_destroy(&worker->changed);
    pthread_mutex_destroy(&worker->lock);
}
