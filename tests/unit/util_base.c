/* Errors, buffers, bitmaps, integers, log and clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "util/bitmap.h"
#include "util/buf.h"
#include "util/bytes.h"
#include "util/clock.h"
#include "util/log.h"

#include <string.h>

static void the_first_error_wins(void **state) {
    (void)state;
    struct rsw_error err = RSW_ERROR_INIT;
    assert_int_equal(rsw_error_set(&err, RSW_EIO, 5, "first %d", 1), -1);
    assert_int_equal(rsw_error_set(&err, RSW_EINVAL, 22, "second"), -1);
    assert_int_equal(err.code, RSW_EIO);
    assert_int_equal(err.errnum, 5);
    assert_string_equal(err.message, "first 1");
    rsw_error_clear(&err);
    assert_int_equal(err.code, RSW_OK);
    assert_string_equal(err.message, "");
    assert_int_equal(rsw_error_set(NULL, RSW_EIO, 0, "nobody listens"), -1);
    assert_int_equal(rsw_error_prefix(NULL, "nobody listens"), -1);
}

static void each_layer_says_what_it_was_doing(void **state) {
    (void)state;
    struct rsw_error err = RSW_ERROR_INIT;
    rsw_error_prefix(&err, "no error yet");
    assert_string_equal(err.message, "");
    rsw_error_set(&err, RSW_EIO, 0, "no space");
    assert_int_equal(rsw_error_prefix(&err, "writing %s", "link"), -1);
    rsw_error_prefix(&err, "repository %s", "a/b");
    assert_string_equal(err.message, "repository a/b: writing link: no space");
}

static void long_errors_are_cut_at_their_end(void **state) {
    (void)state;
    struct rsw_error err = RSW_ERROR_INIT;
    char text[2 * RSW_MESSAGE_MAX];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    rsw_error_set(&err, RSW_EIO, 0, "%s", text);
    assert_int_equal(strlen(err.message), RSW_MESSAGE_MAX - 1);
    rsw_error_prefix(&err, "reading");
    assert_int_equal(strlen(err.message), RSW_MESSAGE_MAX - 1);
    assert_memory_equal(err.message, "reading: xxx", 12);
    rsw_error_prefix(&err, "%s", text); /* a prefix that leaves no room for the message is dropped */
    assert_memory_equal(err.message, "reading: xxx", 12);
    text[RSW_MESSAGE_MAX - 3] = 0;
    for (size_t len = RSW_MESSAGE_MAX - 3; len > RSW_MESSAGE_MAX - 8; len--) {
        text[len] = 0;
        rsw_error_clear(&err);
        rsw_error_set(&err, RSW_EIO, 0, "short");
        rsw_error_prefix(&err, "%s", text);
        assert_true(strlen(err.message) < RSW_MESSAGE_MAX);
    }
}

static void an_error_is_one_clean_line(void **state) {
    (void)state;
    struct rsw_error err = RSW_ERROR_INIT;
    rsw_error_set(&err, RSW_EIO, 0, "bad name '%s'", "a\nb\x1b[2J");
    assert_string_equal(err.message, "bad name 'a?b?[2J'");
    rsw_error_prefix(&err, "in '%s'", "x\ry");
    assert_string_equal(err.message, "in 'x?y': bad name 'a?b?[2J'");
}

static void a_buffer_grows_up_to_its_maximum(void **state) {
    (void)state;
    struct rsw_buf buf = RSW_BUF_INIT;
    struct rsw_error err = RSW_ERROR_INIT;
    buf.max = 100;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(rsw_buf_add(&buf, "0123456789", 10, &err), 0);
        assert_int_equal(buf.data[buf.len], 0);
    }
    assert_int_equal(rsw_buf_add(&buf, "x", 1, &err), -1);
    assert_int_equal(err.code, RSW_EFULL);
    assert_int_equal(buf.len, 100); /* as before */
    assert_int_equal(rsw_buf_addf(&buf, NULL, "%d", 1), -1);
    assert_int_equal(rsw_buf_reserve(&buf, SIZE_MAX, NULL), -1);
    assert_int_equal(rsw_buf_add(&buf, NULL, 0, NULL), 0);
    rsw_buf_clear(&buf);
    assert_int_equal(buf.len, 0);
    assert_string_equal((char *)buf.data, "");
    assert_int_equal(rsw_buf_addf(&buf, &err, "%s-%d", "a", 7), 0);
    assert_string_equal((char *)buf.data, "a-7");
    rsw_buf_release(&buf);
    assert_null(buf.data);
    assert_int_equal(buf.max, 100);
}

static void a_buffer_without_a_maximum_has_the_default_one(void **state) {
    (void)state;
    struct rsw_buf buf = RSW_BUF_INIT;
    struct rsw_error err = RSW_ERROR_INIT;
    assert_int_equal(rsw_buf_reserve(&buf, RSW_BUF_MAX_DEFAULT + 1, &err), -1);
    assert_int_equal(err.code, RSW_EFULL);
    rsw_buf_release(&buf);
}

static void a_size_that_no_machine_has_is_out_of_memory(void **state) {
    (void)state;
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX / 2 + 1, SIZE_MAX / 2, SIZE_MAX / 2 - 64};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct rsw_buf buf = {.max = SIZE_MAX};
        struct rsw_error err = RSW_ERROR_INIT;
        assert_int_equal(rsw_buf_reserve(&buf, sizes[i], &err), -1);
        assert_int_equal(err.code, RSW_ENOMEM);
        assert_null(buf.data);
    }
}

static void a_bitmap_holds_the_ids_that_it_was_made_for(void **state) {
    (void)state;
    static const uint32_t sizes[] = {0, 1, 63, 64, 65, 1000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct rsw_bitmap map;
        assert_true(rsw_bitmap_init(&map, sizes[i]));
        for (uint32_t id = 0; id < sizes[i]; id += 3) {
            rsw_bitmap_add(&map, id);
        }
        rsw_bitmap_add(&map, sizes[i]); /* past the end: nothing happens */
        rsw_bitmap_add(&map, UINT32_MAX);
        for (uint32_t id = 0; id < sizes[i]; id++) {
            assert_int_equal(rsw_bitmap_has(&map, id), id % 3 == 0);
        }
        assert_false(rsw_bitmap_has(&map, sizes[i]));
        assert_false(rsw_bitmap_has(&map, UINT32_MAX));
        rsw_bitmap_release(&map);
        assert_false(rsw_bitmap_has(&map, 0));
    }
}

static void integers_have_a_fixed_byte_order(void **state) {
    (void)state;
    uint8_t bytes[9] = {0};
    rsw_put_be32(bytes + 1, 0x01020304);
    assert_memory_equal(bytes + 1, "\1\2\3\4", 4);
    assert_int_equal(rsw_get_be32(bytes + 1), 0x01020304);
    rsw_put_le32(bytes + 1, 0x01020304);
    assert_memory_equal(bytes + 1, "\4\3\2\1", 4);
    assert_int_equal(rsw_get_le32(bytes + 1), 0x01020304);
    rsw_put_be64(bytes + 1, UINT64_C(0x0102030405060708));
    assert_memory_equal(bytes + 1, "\1\2\3\4\5\6\7\10", 8);
    assert_int_equal(rsw_get_be64(bytes + 1), UINT64_C(0x0102030405060708));
    rsw_put_le64(bytes + 1, UINT64_C(0x0102030405060708));
    assert_memory_equal(bytes + 1, "\10\7\6\5\4\3\2\1", 8);
    assert_int_equal(rsw_get_le64(bytes + 1), UINT64_C(0x0102030405060708));
}

struct heard {
    int lines;
    enum rsw_log_level level;
    char last[2048];
};

static void hear(void *arg, enum rsw_log_level level, const char *line) {
    struct heard *heard = arg;
    heard->lines++;
    heard->level = level;
    strncpy(heard->last, line, sizeof heard->last - 1);
}

static void the_log_drops_what_is_above_its_level_and_cleans_the_rest(void **state) {
    (void)state;
    struct heard heard = {.lines = 0};
    struct rsw_log log = {.level = RSW_LOG_WARNING, .write = hear, .arg = &heard};
    rsw_log(&log, RSW_LOG_INFO, "not heard");
    assert_int_equal(heard.lines, 0);
    rsw_log(&log, RSW_LOG_WARNING, "repository '%s'", "a\nregsweep: error: forged\x1b[1A");
    assert_int_equal(heard.lines, 1);
    assert_int_equal(heard.level, RSW_LOG_WARNING);
    assert_string_equal(heard.last, "repository 'a?regsweep: error: forged?[1A'");
    rsw_log(&log, RSW_LOG_ERROR, "%0*d", 5000, 1); /* longer than a line may be: cut */
    assert_int_equal(heard.lines, 2);
    assert_true(strlen(heard.last) < 1100);
    rsw_log(NULL, RSW_LOG_ERROR, "silence");
    log.write = NULL;
    rsw_log(&log, RSW_LOG_ERROR, "silence");
    assert_int_equal(heard.lines, 2);
}

static int64_t noon(void *arg) {
    return *(int64_t *)arg;
}

static void time_comes_from_the_clock_that_is_handed_in(void **state) {
    (void)state;
    int64_t now = 42;
    struct rsw_clock clock = {noon, &now, NULL};
    assert_int_equal(rsw_clock_now_ms(&clock), 42);
    now = 43;
    assert_int_equal(rsw_clock_now_ms(&clock), 43);
    assert_true(rsw_clock_now_ms(NULL) > INT64_C(1700000000000));
    assert_true(rsw_clock_now_ms(rsw_clock_system()) > INT64_C(1700000000000));
    int64_t before = rsw_monotonic_ms();
    assert_true(rsw_monotonic_ms() >= before);
}

static void noon_too(void *arg, struct rsw_steady *out) {
    *out = (struct rsw_steady){.ms = *(int64_t *)arg - 40, .boot = "noon"};
}

static void a_steady_clock_tells_from_which_start_on_it_counts(void **state) {
    (void)state;
    int64_t now = 42;
    struct rsw_clock clock = {noon, &now, NULL};
    struct rsw_steady first, second;
    rsw_clock_steady(&clock, &first);
    assert_int_equal(first.ms, 42);
    assert_true(first.boot[0] != 0);
    clock.steady = noon_too;
    rsw_clock_steady(&clock, &first);
    assert_int_equal(first.ms, 2);
    assert_string_equal(first.boot, "noon");
    rsw_clock_steady(NULL, &first);
    rsw_clock_steady(rsw_clock_system(), &second);
    assert_true(second.ms >= first.ms && second.ms < first.ms + 60000);
    assert_true(strlen(first.boot) >= 36);
    assert_string_equal(first.boot, second.boot);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_error_wins),
        cmocka_unit_test(each_layer_says_what_it_was_doing),
        cmocka_unit_test(long_errors_are_cut_at_their_end),
        cmocka_unit_test(an_error_is_one_clean_line),
        cmocka_unit_test(a_buffer_grows_up_to_its_maximum),
        cmocka_unit_test(a_buffer_without_a_maximum_has_the_default_one),
        cmocka_unit_test(a_size_that_no_machine_has_is_out_of_memory),
        cmocka_unit_test(a_bitmap_holds_the_ids_that_it_was_made_for),
        cmocka_unit_test(integers_have_a_fixed_byte_order),
        cmocka_unit_test(the_log_drops_what_is_above_its_level_and_cleans_the_rest),
        cmocka_unit_test(time_comes_from_the_clock_that_is_handed_in),
        cmocka_unit_test(a_steady_clock_tells_from_which_start_on_it_counts),
    };
    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
