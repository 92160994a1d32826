#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "util/text.h"

#include <stdio.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void durations_are_read_and_written(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
        const char *shortest;
    } good[] = {{"0", 0, "0s"},
                {"90s", 90000, "90s"},
                {"10m", 600000, "10m"},
                {"24h", 86400000, "1d"},
                {"7d", 604800000, "7d"},
                {"1h30m", 5400000, "90m"},
                {"0s", 0, "0s"},
                {"1500ms", 1500, "1500ms"},
                {"168h", 604800000, "7d"},
                {"1m1ms", 60001, "60001ms"}};
    for (size_t i = 0; i < COUNT(good); i++) {
        int64_t ms = -1;
        char text[32];
        assert_true(rsw_duration_parse(&ms, good[i].text));
        assert_int_equal(ms, good[i].ms);
        assert_string_equal(rsw_duration_format(ms, text, sizeof text), good[i].shortest);
        int64_t again = -1;
        assert_true(rsw_duration_parse(&again, text));
        assert_int_equal(again, ms);
    }
}

static void what_is_no_duration_is_refused(void **state) {
    (void)state;
    static const char *const bad[] = {"",
                                      "5",
                                      "-5s",
                                      "+5s",
                                      "1.5h",
                                      "s",
                                      "5 s",
                                      " 5s",
                                      "5s ",
                                      "5x",
                                      "5sx",
                                      "1h30",
                                      "5S",
                                      "00",
                                      "1e3s",
                                      "h1",
                                      "99999999999999999999s",
                                      "9223372036854775807d",
                                      "9000000000000000d",
                                      "1844674407370955162s"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        int64_t ms;
        if (rsw_duration_parse(&ms, bad[i])) {
            fail_msg("'%s' was taken for a duration", bad[i]);
        }
    }
    /* A sum that wraps is none either. */
    char text[512] = "";
    for (int i = 0; i < 20; i++) {
        strcat(text, "26000000000d");
    }
    int64_t ms;
    assert_false(rsw_duration_parse(&ms, text));
}

static void times_are_read_as_go_writes_them(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {{"1970-01-01T00:00:00Z", 0},
                {"2026-11-24T03:07:00Z", INT64_C(1795489620000)},
                {"2026-11-24T03:07:00.123456789Z", INT64_C(1795489620123)},
                {"2026-11-24T03:07:00.1Z", INT64_C(1795489620100)},
                {"2026-11-24T04:07:00+01:00", INT64_C(1795489620000)},
                {"2026-11-23T19:37:00.5-07:30", INT64_C(1795489620500)},
                {"2024-02-29T00:00:00Z", INT64_C(1709164800000)},
                {"1969-12-31T23:59:59.999Z", -1},
                {"2016-12-31T23:59:60Z", INT64_C(1483228800000)}};
    for (size_t i = 0; i < COUNT(good); i++) {
        int64_t ms = -7;
        if (!rsw_time_parse(&ms, good[i].text, strlen(good[i].text)) || ms != good[i].ms) {
            fail_msg("'%s': got %lld", good[i].text, (long long)ms);
        }
    }
}

static void what_is_no_time_is_refused(void **state) {
    (void)state;
    static const char *const bad[] = {"",
                                      "2026-11-24",
                                      "2026-11-24 03:07:00Z",
                                      "2026-11-24T03:07:00",
                                      "2026-11-24T03:07:00.Z",
                                      "2026-11-24T03:07:00.5",
                                      "2026-11-24T03:07:00Z ",
                                      "2026-11-24T03:07:00Zx",
                                      "2026-11-24T03:07:00+0100",
                                      "2026-11-24T03:07:00+99:00",
                                      "2026-11-24T03:07:00+01:60",
                                      "2026-11-24T03:07:00+0a:00",
                                      "2026-13-24T03:07:00Z",
                                      "2026-00-24T03:07:00Z",
                                      "2026-02-30T03:07:00Z",
                                      "2026-02-29T03:07:00Z",
                                      "2026-11-31T03:07:00Z",
                                      "2026-11-24T24:07:00Z",
                                      "2026-11-24T03:60:00Z",
                                      "2026-11-24T03:07:61Z",
                                      "2o26-11-24T03:07:00Z",
                                      "-026-11-24T03:07:00Z"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        int64_t ms;
        if (rsw_time_parse(&ms, bad[i], strlen(bad[i]))) {
            fail_msg("'%s' was taken for a time", bad[i]);
        }
    }
    /* The length counts, not a NUL. */
    int64_t ms;
    assert_true(rsw_time_parse(&ms, "2026-11-24T03:07:00Zjunk", 20));
    assert_false(rsw_time_parse(&ms, "2026-11-24T03:07:00Z", 19));
}

static void times_are_written_and_read_back(void **state) {
    (void)state;
    static const int64_t times[] = {
        0, 1, -1, 999, -999, -1000, INT64_C(1795489620123), INT64_C(253402300799999)};
    char text[32];
    assert_string_equal(rsw_time_format(INT64_C(1795489620123), text, sizeof text),
                        "2026-11-24T03:07:00.123Z");
    assert_string_equal(rsw_time_format(-1, text, sizeof text), "1969-12-31T23:59:59.999Z");
    for (size_t i = 0; i < COUNT(times); i++) {
        int64_t ms;
        rsw_time_format(times[i], text, sizeof text);
        assert_true(rsw_time_parse(&ms, text, strlen(text)));
        assert_int_equal(ms, times[i]);
    }
    rsw_time_format(INT64_MAX, text, sizeof text); /* no crash, some text */
    assert_true(strlen(text) > 0);
    rsw_time_format(INT64_MIN, text, sizeof text);
    assert_true(strlen(text) > 0);
}

static void sizes_are_written_for_people(void **state) {
    (void)state;
    static const struct {
        uint64_t bytes;
        const char *text;
    } table[] = {{0, "0 B"},
                 {999, "999 B"},
                 {1023, "1023 B"},
                 {1024, "1.0 KiB"},
                 {1536, "1.5 KiB"},
                 {10239, "10.0 KiB"},
                 {1048524, "1023.9 KiB"},
                 {1048525, "1.0 MiB"},
                 {1048575, "1.0 MiB"},
                 {(UINT64_C(1) << 30) - 1, "1.0 GiB"},
                 {UINT64_C(999) << 50, "999.0 PiB"},
                 {1048576, "1.0 MiB"},
                 {UINT64_C(1) << 40, "1.0 TiB"},
                 {UINT64_MAX, "16.0 EiB"}};
    for (size_t i = 0; i < COUNT(table); i++) {
        char text[24];
        assert_string_equal(rsw_size_format(table[i].bytes, text, sizeof text), table[i].text);
    }
}

static void sizes_are_read_in_powers_of_1024(void **state) {
    (void)state;
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {{"0", 0},
                {"4096", 4096},
                {"4096B", 4096},
                {"1K", 1024},
                {"64M", 67108864},
                {"1GiB", 1073741824},
                {"2Ki", 2048},
                {"3KB", 3072},
                {"15E", UINT64_C(15) << 60},
                {"18446744073709551615", UINT64_MAX}};
    static const char *const bad[] = {
        "", "M", "-1", "1.5G", "1 G", "1Gx", "1k", "1iB", "16E", "18446744073709551616", "1BB", "B", "1GG"};
    for (size_t i = 0; i < COUNT(good); i++) {
        uint64_t bytes;
        assert_true(rsw_size_parse(&bytes, good[i].text));
        assert_int_equal(bytes, good[i].bytes);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        uint64_t bytes;
        if (rsw_size_parse(&bytes, bad[i])) {
            fail_msg("'%s' was taken for a size", bad[i]);
        }
    }
}

static void numbers_are_digits_up_to_a_limit(void **state) {
    (void)state;
    static const char *const bad[] = {
        "", " 1", "1 ", "+1", "-1", "0x1", "1e1", "101", "18446744073709551616"};
    uint64_t value;
    assert_true(rsw_number_parse(&value, "100", 100));
    assert_int_equal(value, 100);
    assert_true(rsw_number_parse(&value, "007", 100));
    assert_int_equal(value, 7);
    assert_true(rsw_number_parse(&value, "18446744073709551615", UINT64_MAX));
    for (size_t i = 0; i < COUNT(bad); i++) {
        if (rsw_number_parse(&value, bad[i], 100)) {
            fail_msg("'%s' was taken for a number up to 100", bad[i]);
        }
    }
}

static void text_from_storage_cannot_steer_a_terminal(void **state) {
    (void)state;
    static const struct {
        const char *dirty;
        const char *clean;
    } table[] = {{"plain/name:tag", "plain/name:tag"},
                 {"a\nb\r\tc", "a?b??c"},
                 {"\x1b[2J", "?[2J"},
                 {"\x7f\x01", "??"},
                 {"caf\xc3\xa9 \xe2\x82\xac", "caf\xc3\xa9 \xe2\x82\xac"},
                 {"\xc2\x9b"
                  "31m",
                  "??31m"}, /* CSI as one character, U+009B */
                 {"\xc2\xa0", "\xc2\xa0"},
                 {"end \xc2", "end \xc2"},
                 {"", ""}};
    for (size_t i = 0; i < COUNT(table); i++) {
        char text[64];
        snprintf(text, sizeof text, "%s", table[i].dirty);
        rsw_text_clean(text);
        assert_string_equal(text, table[i].clean);
    }
}

/* As snprintf leaves it in 8 bytes. */
static void expect_cut(const char *whole, const char *expected) {
    char text[8] = "";
    memcpy(text, whole, strlen(whole) < sizeof text ? strlen(whole) : sizeof text - 1);
    rsw_text_mark_cut(text, sizeof text, (int)strlen(whole));
    assert_string_equal(text, expected);
}

static void what_was_cut_says_so_and_has_no_half_of_a_letter(void **state) {
    (void)state;
    expect_cut("1234567", "1234567");
    expect_cut("12345678", "1234\xe2\x80\xa6");
    expect_cut("123\xc3\xa4"
               "678",
               "123\xe2\x80\xa6");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_are_read_and_written),
        cmocka_unit_test(what_is_no_duration_is_refused),
        cmocka_unit_test(times_are_read_as_go_writes_them),
        cmocka_unit_test(what_is_no_time_is_refused),
        cmocka_unit_test(times_are_written_and_read_back),
        cmocka_unit_test(sizes_are_written_for_people),
        cmocka_unit_test(sizes_are_read_in_powers_of_1024),
        cmocka_unit_test(numbers_are_digits_up_to_a_limit),
        cmocka_unit_test(what_was_cut_says_so_and_has_no_half_of_a_letter),
        cmocka_unit_test(text_from_storage_cannot_steer_a_terminal),
    };
    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
