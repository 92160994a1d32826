/* The checker as a thread: runs when woken, and when something comes due. */
#include "scan/checker.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

/* Entries are put by other processes too, which cannot wake this one. */
#define IDLE_MS 2000
/* After a failed run, which is one of the index: not at once. */
#define FAILED_MS 5000
/* Never busier than this, whatever is due. */
#define BREATH_MS 20

struct rsw_checker {
    struct rsw_index *index;
    struct rsw_storage *storage;
    struct rsw_checker_options options;
    pthread_t thread;
    pthread_mutex_t lock; /* for all below */
    pthread_cond_t changed;
    bool woken;
    bool stopping;
    struct rsw_check_result sum;
};

static void add_time(struct timespec *at, int64_t ms) {
    clock_gettime(CLOCK_MONOTONIC, at);
    at->tv_sec += (time_t)(ms / 1000);
    at->tv_nsec += (long)(ms % 1000) * 1000000L;
    at->tv_sec += at->tv_nsec / 1000000000L;
    at->tv_nsec %= 1000000000L;
}

/* True: stop. */
static bool wait_for(struct rsw_checker *checker, int64_t ms) {
    struct timespec until;
    struct timespec breath;
    add_time(&until, ms);
    add_time(&breath, BREATH_MS);
    pthread_mutex_lock(&checker->lock);
    while (!checker->stopping && pthread_cond_timedwait(&checker->changed, &checker->lock, &breath) == 0) {
    }
    while (!checker->stopping && !checker->woken &&
           pthread_cond_timedwait(&checker->changed, &checker->lock, &until) == 0) {
    }
    bool stop = checker->stopping;
    checker->woken = false;
    pthread_mutex_unlock(&checker->lock);
    return stop;
}

static int64_t pause_after(const struct rsw_checker *checker, const struct rsw_check_result *result) {
    int64_t until_due = result->next_due_ms == INT64_MAX
                            ? IDLE_MS
                            : result->next_due_ms - rsw_clock_now_ms(checker->options.clock);
    return until_due < 0 ? 0 : until_due > IDLE_MS ? IDLE_MS : until_due;
}

static void *work(void *arg) {
    struct rsw_checker *checker = arg;
    int64_t pause = 0;
    while (!wait_for(checker, pause)) {
        struct rsw_check_result result;
        struct rsw_error err = RSW_ERROR_INIT;
        if (rsw_check_run(&result, checker->index, checker->storage, checker->options.clock,
                          checker->options.log, &err) != 0) {
            rsw_log(checker->options.log, RSW_LOG_ERROR, "the check queue could not be worked off: %s",
                    err.message);
            pause = FAILED_MS;
            continue;
        }
        if (result.touched && result.done > 0 && checker->options.touched != NULL) {
            checker->options.touched(checker->options.arg);
        }
        pause = pause_after(checker, &result);
        pthread_mutex_lock(&checker->lock);
        checker->sum.done += result.done;
        checker->sum.failed += result.failed;
        checker->sum.left = result.left;
        checker->sum.next_due_ms = result.next_due_ms;
        pthread_mutex_unlock(&checker->lock);
    }
    return NULL;
}

static void checker_free(struct rsw_checker *checker) {
    pthread_cond_destroy(&checker->changed);
    pthread_mutex_destroy(&checker->lock);
    free(checker);
}

int rsw_checker_start(struct rsw_checker **out, struct rsw_index *index, struct rsw_storage *storage,
                      const struct rsw_checker_options *options, struct rsw_error *err) {
    struct rsw_checker *checker = calloc(1, sizeof *checker);
    if (checker == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    checker->index = index;
    checker->storage = storage;
    checker->options = *options;
    checker->sum.next_due_ms = INT64_MAX;
    pthread_mutex_init(&checker->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&checker->changed, &attr);
    pthread_condattr_destroy(&attr);
    int errnum = pthread_create(&checker->thread, NULL, work, checker);
    if (errnum != 0) {
        checker_free(checker);
        return rsw_error_set(err, RSW_ENOMEM, errnum, "cannot start a thread");
    }
    *out = checker;
    return 0;
}

void rsw_checker_wake(struct rsw_checker *checker) {
    pthread_mutex_lock(&checker->lock);
    checker->woken = true;
    pthread_cond_signal(&checker->changed);
    pthread_mutex_unlock(&checker->lock);
}

void rsw_checker_result(struct rsw_checker *checker, struct rsw_check_result *out) {
    pthread_mutex_lock(&checker->lock);
    *out = checker->sum;
    pthread_mutex_unlock(&checker->lock);
}

void rsw_checker_stop(struct rsw_checker *checker) {
    if (checker == NULL) {
        return;
    }
    pthread_mutex_lock(&checker->lock);
    checker->stopping = true;
    pthread_cond_signal(&checker->changed);
    pthread_mutex_unlock(&checker->lock);
    pthread_join(checker->thread, NULL);
    checker_free(checker);
}
