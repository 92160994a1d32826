/* The checker as a thread: runs when woken, and when something comes due. */
#include "scan/checker.h"

#include "util/worker.h"

#include <stdlib.h>

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
    struct rsw_worker worker;
    struct rsw_check_result sum; /* under the worker's lock */
};

/* True: stop. */
static bool wait_for(struct rsw_checker *checker, int64_t ms) {
    return rsw_worker_pause(&checker->worker, BREATH_MS) ||
           rsw_worker_wait(&checker->worker, ms > BREATH_MS ? ms - BREATH_MS : 0);
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
        if (rsw_check_run(&result, checker->index, checker->storage, &checker->options, &err) != 0) {
            rsw_log(checker->options.log, RSW_LOG_ERROR, "the check queue could not be worked off: %s",
                    err.message);
            pause = FAILED_MS;
            continue;
        }
        if (result.touched && result.done > 0 && checker->options.touched != NULL) {
            checker->options.touched(checker->options.arg);
        }
        pause = pause_after(checker, &result);
        pthread_mutex_lock(&checker->worker.lock);
        checker->sum.done += result.done;
        checker->sum.failed += result.failed;
        checker->sum.left = result.left;
        checker->sum.late = result.late;
        checker->sum.next_due_ms = result.next_due_ms;
        pthread_mutex_unlock(&checker->worker.lock);
    }
    return NULL;
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
    if (rsw_worker_start(&checker->worker, work, checker, err) != 0) {
        free(checker);
        return -1;
    }
    *out = checker;
    return 0;
}

void rsw_checker_wake(struct rsw_checker *checker) {
    rsw_worker_wake(&checker->worker);
}

void rsw_checker_result(struct rsw_checker *checker, struct rsw_check_result *out) {
    pthread_mutex_lock(&checker->worker.lock);
    *out = checker->sum;
    pthread_mutex_unlock(&checker->worker.lock);
}

void rsw_checker_stop(struct rsw_checker *checker) {
    if (checker == NULL) {
        return;
    }
    rsw_worker_stop(&checker->worker);
    rsw_worker_release(&checker->worker);
    free(checker);
}
