/* The reviver's thread around a stand-in for rsw_revive, which does what the test says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gc/reviver.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static struct {
    pthread_mutex_t lock;
    unsigned runs;
    int64_t at_ms[64];   /* monotonic, when each run began */
    unsigned fail;       /* so many runs give an error */
    unsigned fail_items; /* so many leave an item behind */
    unsigned sleep_ms;   /* each run takes so long */
} script = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void pause_ms(unsigned ms) {
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000}, NULL);
}

int rsw_revive(struct rsw_revive_result *result, struct rsw_index *index, struct rsw_storage *storage,
               const struct rsw_clock *clock, const struct rsw_log *log, struct rsw_error *err) {
    (void)index, (void)storage, (void)clock, (void)log;
    pthread_mutex_lock(&script.lock);
    script.at_ms[script.runs++ % 64] = rsw_monotonic_ms();
    bool fail = script.fail > 0;
    bool fail_item = !fail && script.fail_items > 0;
    script.fail -= fail ? 1 : 0;
    script.fail_items -= fail_item ? 1 : 0;
    unsigned sleep_ms = script.sleep_ms;
    pthread_mutex_unlock(&script.lock);
    pause_ms(sleep_ms);
    memset(result, 0, sizeof *result);
    if (fail) {
        return rsw_error_set(err, RSW_EIO, 0, "the disk is on fire");
    }
    result->items = 2;
    result->placed = 1;
    result->lost = 1;
    result->failed = fail_item ? 3 : 0;
    return 0;
}

static unsigned runs(void) {
    pthread_mutex_lock(&script.lock);
    unsigned count = script.runs;
    pthread_mutex_unlock(&script.lock);
    return count;
}

static void wait_for_runs(unsigned count) {
    for (unsigned i = 0; i < 3000 && runs() < count; i++) {
        pause_ms(2);
    }
    assert_true(runs() >= count);
}

struct told {
    pthread_mutex_t lock;
    unsigned lines;
};

static void count_line(void *arg, enum rsw_log_level level, const char *line) {
    struct told *told = arg;
    assert_int_equal(level, RSW_LOG_ERROR);
    assert_non_null(strstr(line, "it is tried again"));
    pthread_mutex_lock(&told->lock);
    told->lines++;
    pthread_mutex_unlock(&told->lock);
}

static struct told told = {.lock = PTHREAD_MUTEX_INITIALIZER};
static const struct rsw_log heard = {RSW_LOG_INFO, count_line, &told};

static struct rsw_reviver *start(unsigned fail, unsigned fail_items, unsigned sleep_ms) {
    struct rsw_reviver *reviver = NULL;
    struct rsw_error err = RSW_ERROR_INIT;
    script.runs = 0;
    script.fail = fail;
    script.fail_items = fail_items;
    script.sleep_ms = sleep_ms;
    told.lines = 0;
    assert_int_equal(rsw_reviver_start(&reviver, NULL, NULL, NULL, &heard, &err), 0);
    return reviver;
}

static struct rsw_reviver_stats stats_of(struct rsw_reviver *reviver) {
    struct rsw_reviver_stats stats;
    rsw_reviver_stats(reviver, &stats);
    return stats;
}

static void wait_for_counted(struct rsw_reviver *reviver, uint64_t count) {
    for (unsigned i = 0; i < 3000 && stats_of(reviver).runs < count; i++) {
        pause_ms(2);
    }
    assert_int_equal(stats_of(reviver).runs, count);
}

static void it_looks_at_the_start_and_whenever_it_is_woken(void **state) {
    struct rsw_reviver *reviver = start(0, 0, 0);
    (void)state;
    wait_for_runs(1);
    for (unsigned i = 0; i < 10; i++) {
        rsw_reviver_wake(reviver);
        wait_for_counted(reviver, i + 1);
    }
    struct rsw_reviver_stats stats = stats_of(reviver);
    assert_true(stats.items >= 20 && stats.placed >= 10 && stats.lost >= 10);
    assert_int_equal(stats.failures, 0);
    assert_int_equal(stats.buckets[RSW_REVIVER_BUCKETS - 1], 10);
    rsw_reviver_stop(reviver);
    rsw_reviver_stop(NULL);
    assert_int_equal(told.lines, 0);
}

/* The time of the first of them counts, for it waited longest. */
static void touches_that_come_while_it_works_are_one_more_run(void **state) {
    struct rsw_reviver *reviver = start(0, 0, 60);
    (void)state;
    wait_for_runs(1);
    rsw_reviver_wake(reviver);
    wait_for_runs(2);
    for (unsigned i = 0; i < 5; i++) {
        rsw_reviver_wake(reviver);
    }
    wait_for_counted(reviver, 2);
    struct rsw_reviver_stats stats = stats_of(reviver);
    assert_int_equal(runs(), 3);
    assert_true(stats.seconds >= 0.12);
    assert_int_equal(stats.buckets[4], 0); /* none took less than 25 ms */
    rsw_reviver_stop(reviver);
}

static void what_fails_is_tried_again_with_growing_pauses(void **state) {
    struct rsw_reviver *reviver = start(2, 2, 0);
    (void)state;
    rsw_reviver_wake(reviver);
    wait_for_counted(reviver, 1);
    struct rsw_reviver_stats stats = stats_of(reviver);
    assert_int_equal(stats.failures, 2 + 2 * 3);
    assert_true(script.runs >= 5);
    for (unsigned i = 1; i < 4; i++) {
        assert_true(script.at_ms[i + 1] - script.at_ms[i] > script.at_ms[i] - script.at_ms[i - 1]);
    }
    assert_true(stats.seconds >= 1.3); /* from the touch on, all tries together */
    rsw_reviver_stop(reviver);
    assert_int_equal(told.lines, 1); /* the same trouble is told of once a minute */
}

static void a_touch_does_not_wait_for_the_pause_of_another(void **state) {
    struct rsw_reviver *reviver = start(6, 0, 0);
    (void)state;
    wait_for_runs(4); /* the next pause is 800 ms */
    int64_t before_ms = rsw_monotonic_ms();
    rsw_reviver_wake(reviver);
    wait_for_runs(5);
    assert_true(rsw_monotonic_ms() - before_ms < 700);
    rsw_reviver_stop(reviver);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_looks_at_the_start_and_whenever_it_is_woken),
        cmocka_unit_test(touches_that_come_while_it_works_are_one_more_run),
        cmocka_unit_test(what_fails_is_tried_again_with_growing_pauses),
        cmocka_unit_test(a_touch_does_not_wait_for_the_pause_of_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
