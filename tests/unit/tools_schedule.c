/* When serve sweeps by itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "serve_schedule.h"
#include "util/text.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static void what_a_schedule_can_be(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool taken;
    } cases[] = {{"03:00", true},  {"23:59", true},  {"00:00", true},  {"24h", true},  {"1m", true},
                 {"24:00", false}, {"3:00", false},  {"03:60", false}, {"59s", false}, {"", false},
                 {"daily", false}, {"-1:00", false}, {"03:0", false},  {"0", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rsw_schedule_time time;
        struct rsw_error err = RSW_ERROR_INIT;
        if ((rsw_schedule_parse(&time, cases[i].text, &err) == 0) != cases[i].taken) {
            fail_msg("%s", cases[i].text);
        }
    }
}

static int64_t at(const char *text) {
    int64_t ms;
    assert_true(rsw_time_parse(&ms, text, strlen(text)));
    return ms;
}

static void next_is(const char *zone, const char *schedule, const char *after, const char *expected) {
    struct rsw_schedule_time time;
    struct rsw_error err = RSW_ERROR_INIT;
    char text[40];
    assert_int_equal(setenv("TZ", zone, 1), 0);
    tzset();
    assert_int_equal(rsw_schedule_parse(&time, schedule, &err), 0);
    int64_t next_ms = rsw_schedule_next_ms(&time, at(after));
    if (next_ms != at(expected)) {
        fail_msg("%s after %s in %s: %s, not %s", schedule, after, zone,
                 rsw_time_format(next_ms, text, sizeof text), expected);
    }
}

static void the_next_time_of_day_is_today_or_tomorrow(void **state) {
    (void)state;
    next_is("UTC", "03:00", "2026-11-28T02:59:59Z", "2026-11-28T03:00:00Z");
    next_is("UTC", "03:00", "2026-11-28T03:00:00Z", "2026-11-29T03:00:00Z");
    next_is("UTC", "03:00", "2026-12-31T23:00:00Z", "2027-01-01T03:00:00Z");
}

/* Those who share a storage were started at different times, and a serve may be started anew every day. */
static void every_so_often_is_at_the_same_times_for_all(void **state) {
    (void)state;
    next_is("UTC", "12h", "2026-11-28T02:59:59Z", "2026-11-28T12:00:00Z");
    next_is("UTC", "12h", "2026-11-28T11:17:00Z", "2026-11-28T12:00:00Z");
    next_is("UTC", "12h", "2026-11-28T12:00:00Z", "2026-11-29T00:00:00Z");
    next_is("CET-1", "24h", "2026-11-28T12:00:00Z", "2026-11-29T00:00:00Z");
}

/* CET and CEST by their rule, so that no table of zones need be installed. */
static void on_days_on_which_the_clocks_are_set_there_is_one_too(void **state) {
    (void)state;
    const char *zone = "CET-1CEST,M3.5.0,M10.5.0/3";
    next_is(zone, "03:00", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z");
    next_is(zone, "03:00", "2026-10-24T12:00:00Z", "2026-10-25T02:00:00Z");
    next_is(zone, "03:00", "2026-10-25T02:00:00Z", "2026-10-26T02:00:00Z");
}

static void a_time_that_was_found_while_the_clock_was_years_ahead_is_dropped(void **state) {
    (void)state;
    struct rsw_schedule_time daily = {.hour = 3};
    struct rsw_schedule_time hourly = {.every_ms = 3600000};
    int64_t now_ms = at("2026-11-28T03:00:00Z");
    assert_true(rsw_schedule_is_astray(&daily, at("2030-11-28T03:00:00Z"), now_ms));
    assert_false(rsw_schedule_is_astray(&daily, at("2026-11-29T03:00:00Z"), now_ms));
    assert_false(rsw_schedule_is_astray(&daily, now_ms, now_ms + 60000)); /* it is late by chance */
    assert_true(rsw_schedule_is_astray(&hourly, at("2026-11-28T05:00:00Z"), now_ms));
    assert_false(rsw_schedule_is_astray(&hourly, at("2026-11-28T04:00:00Z"), now_ms));
}

static void what_failed_is_tried_again_for_some_hours(void **state) {
    (void)state;
    static const int64_t minutes[] = {10, 20, 40, 60, 60, 60, 0, 0};
    for (unsigned i = 0; i < sizeof minutes / sizeof *minutes; i++) {
        assert_int_equal(rsw_schedule_pause_ms(600000, i + 1), minutes[i] * 60000);
    }
    assert_int_equal(rsw_schedule_pause_ms(0, 1), 1000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_schedule_can_be),
        cmocka_unit_test(the_next_time_of_day_is_today_or_tomorrow),
        cmocka_unit_test(a_time_that_was_found_while_the_clock_was_years_ahead_is_dropped),
        cmocka_unit_test(every_so_often_is_at_the_same_times_for_all),
        cmocka_unit_test(what_failed_is_tried_again_for_some_hours),
        cmocka_unit_test(on_days_on_which_the_clocks_are_set_there_is_one_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
