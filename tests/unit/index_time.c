/* Time that goes by, whatever becomes of clocks and machines. */
#include "index_support.h"

#include "index/time.h"

#include <stdio.h>
#include <string.h>

#define HOUR_MS (3600 * INT64_C(1000))
#define MORNING_MS INT64_C(1800000000000)

/* A machine with a clock on its wall. */
struct machine {
    int64_t now_ms;
    struct rsw_steady steady;
};

static int64_t wall(void *arg) {
    return ((const struct machine *)arg)->now_ms;
}

static void steady(void *arg, struct rsw_steady *out) {
    *out = ((const struct machine *)arg)->steady;
}

static struct machine machine = {.now_ms = 0};
static const struct rsw_clock its_clock = {wall, &machine, steady};

static void start(const char *boot, int64_t steady_ms) {
    machine.steady.ms = steady_ms;
    snprintf(machine.steady.boot, sizeof machine.steady.boot, "%s", boot);
}

static void pass(int64_t ms) {
    machine.now_ms += ms;
    machine.steady.ms += ms;
}

static struct rsw_time look(struct rsw_index *index) {
    RSW_AUTO_TXN txn = begin_read(index);
    struct rsw_time time;
    assert_int_equal(rsw_time_look(txn, &its_clock, &time), RSW_FOUND);
    return time;
}

static struct rsw_time keep(struct rsw_index *index) {
    RSW_AUTO_TXN txn = begin_write(index);
    struct rsw_time time;
    assert_int_equal(rsw_time_keep(txn, &its_clock, &time), RSW_FOUND);
    commit(&txn);
    return time;
}

static struct rsw_state state_of(struct rsw_index *index) {
    RSW_AUTO_TXN txn = begin_read(index);
    struct rsw_state state;
    assert_int_equal(rsw_state_get(txn, &state), RSW_FOUND);
    return state;
}

static struct rsw_index *begin(void **state) {
    machine.now_ms = MORNING_MS;
    start("one", 5000);
    return open_index(*state);
}

static void time_goes_by_between_two_looks(void **state) {
    struct rsw_index *index = begin(state);
    assert_int_equal(look(index).steady_ms, 0);
    pass(HOUR_MS);
    assert_int_equal(look(index).steady_ms, 0); /* nobody has written down when it began */
    keep(index);
    pass(1500);
    assert_int_equal(look(index).steady_ms, 1500);
    assert_int_equal(keep(index).steady_ms, 1500);
    pass(500);
    assert_int_equal(look(index).steady_ms, 2000);
    assert_int_equal(look(index).now_ms, MORNING_MS + HOUR_MS + 2000);
    rsw_index_close(index);
    index = open_index(*state);
    assert_int_equal(look(index).steady_ms, 2000);
    assert_string_equal(state_of(index).gap_reason, "");
    rsw_index_close(index);
}

static void a_clock_that_is_set_does_not_move_it(void **state) {
    struct rsw_index *index = begin(state);
    keep(index);
    pass(1000);
    machine.now_ms += 24 * HOUR_MS;
    assert_int_equal(look(index).steady_ms, 1000);
    assert_int_equal(keep(index).steady_ms, 1000);
    machine.now_ms -= 48 * HOUR_MS;
    pass(1000);
    assert_int_equal(look(index).steady_ms, 2000);
    rsw_index_close(index);
}

/* How long the machine was down nobody knows: it may have been no time at all. */
static void it_stands_while_the_machine_is_down_and_goes_on(void **state) {
    struct rsw_index *index = begin(state);
    keep(index);
    pass(1000);
    keep(index);
    machine.now_ms += 9 * HOUR_MS;
    start("two", 900000);
    assert_int_equal(look(index).steady_ms, 1000);
    assert_string_equal(state_of(index).gap_reason, "");
    assert_int_equal(keep(index).steady_ms, 1000);
    assert_non_null(strstr(state_of(index).gap_reason, "started anew"));
    assert_int_equal(state_of(index).gap_ms, machine.now_ms);
    pass(50);
    assert_int_equal(keep(index).steady_ms, 1050);
    rsw_index_close(index);
}

static void it_stands_where_nobody_can_tell_one_start_from_another(void **state) {
    struct rsw_index *index = begin(state);
    start("", 0);
    keep(index);
    pass(HOUR_MS);
    assert_int_equal(keep(index).steady_ms, 0);
    pass(HOUR_MS);
    assert_int_equal(look(index).steady_ms, 0);
    rsw_index_close(index);
}

static void a_steady_clock_that_goes_back_takes_nothing_back(void **state) {
    struct rsw_index *index = begin(state);
    keep(index);
    pass(1000);
    keep(index);
    machine.steady.ms -= 400;
    assert_int_equal(look(index).steady_ms, 1000);
    assert_int_equal(keep(index).steady_ms, 1000);
    rsw_index_close(index);
}

static int64_t ahead(struct rsw_index *index, int64_t window_ms) {
    struct rsw_time time = look(index);
    return rsw_time_ahead_ms(&time, window_ms);
}

/* Something that was touched at the first moment, by the wall, must not look older than it is by more than
 * this says, as long as the window is not over. */
static void what_the_wall_gains_is_known_for_a_while(void **state) {
    struct rsw_index *index = begin(state);
    keep(index);
    pass(1000);
    assert_int_equal(ahead(index, HOUR_MS), 0);
    machine.now_ms += HOUR_MS;
    assert_int_equal(ahead(index, HOUR_MS), HOUR_MS); /* seen before anybody has written it down */
    keep(index);
    pass(HOUR_MS / 2);
    assert_int_equal(ahead(index, HOUR_MS), HOUR_MS);
    machine.now_ms -= 2 * HOUR_MS;
    keep(index);
    assert_int_equal(ahead(index, HOUR_MS), HOUR_MS); /* going back makes up for nothing */
    machine.now_ms += 7000;
    keep(index);
    assert_int_equal(ahead(index, HOUR_MS), HOUR_MS + 7000);
    pass(HOUR_MS / 2);
    assert_int_equal(ahead(index, HOUR_MS), 7000);
    pass(HOUR_MS / 2);
    assert_int_equal(ahead(index, HOUR_MS), 0);
    assert_int_equal(ahead(index, 2 * HOUR_MS), HOUR_MS + 7000);
    rsw_index_close(index);
}

static void a_time_that_nobody_saw_counts_as_a_jump(void **state) {
    struct rsw_index *index = begin(state);
    keep(index);
    machine.now_ms += 9 * HOUR_MS;
    start("two", 0);
    keep(index);
    assert_int_equal(ahead(index, HOUR_MS), 9 * HOUR_MS);
    pass(HOUR_MS);
    assert_int_equal(ahead(index, HOUR_MS), 0);
    rsw_index_close(index);
}

static void no_jump_of_many_is_forgotten_too_early(void **state) {
    struct rsw_index *index = begin(state);
    keep(index);
    for (int i = 0; i < 3 * RSW_JUMPS_MAX; i++) {
        pass(1000);
        machine.now_ms += 2000;
        keep(index);
    }
    assert_int_equal(ahead(index, HOUR_MS), 3 * RSW_JUMPS_MAX * 2000);
    pass(HOUR_MS);
    assert_int_equal(ahead(index, HOUR_MS), 0);
    rsw_index_close(index);
}

static void a_generation_is_due_when_its_time_has_gone_by(void **state) {
    struct rsw_index *index = begin(state);
    struct rsw_generation generation = {.due_ms = keep(index).steady_ms + 600000};
    pass(599999);
    machine.now_ms += 24 * HOUR_MS;
    struct rsw_txn *txn = begin_read(index);
    assert_int_equal(rsw_generation_left_ms(txn, &generation, &its_clock), 1);
    pass(1);
    assert_int_equal(rsw_generation_left_ms(txn, &generation, &its_clock), 0);
    start("two", 99 * HOUR_MS);
    assert_int_equal(rsw_generation_left_ms(txn, &generation, &its_clock), 600000);
    rsw_txn_abort(&txn);
    rsw_index_close(index);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_setup, place_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(time_goes_by_between_two_looks),
        TEST(a_clock_that_is_set_does_not_move_it),
        TEST(it_stands_while_the_machine_is_down_and_goes_on),
        TEST(it_stands_where_nobody_can_tell_one_start_from_another),
        TEST(a_steady_clock_that_goes_back_takes_nothing_back),
        TEST(what_the_wall_gains_is_known_for_a_while),
        TEST(a_time_that_nobody_saw_counts_as_a_jump),
        TEST(no_jump_of_many_is_forgotten_too_early),
        TEST(a_generation_is_due_when_its_time_has_gone_by),
    };
    return cmocka_run_group_tests_name("time", tests, NULL, NULL);
}
