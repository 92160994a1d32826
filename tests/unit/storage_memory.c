/* The faults that the memory backend can be told to have: other tests rely on them. */
#include "storage_help.h"

#include <errno.h>
#include <string.h>

static int set_up(void **state) {
    struct rsw_storage *storage = NULL;
    assert_int_equal(rsw_storage_open_memory(&storage, NULL), 0);
    static const char *const keys[] = {"d/a/link", "d/b/link", "d/c/link"};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(rsw_memory_put(storage, keys[i], "content", 7, 5, NULL), 0);
    }
    *state = storage;
    return 0;
}

static int tear_down(void **state) {
    rsw_storage_close(*state);
    return 0;
}

static void a_key_can_be_made_to_fail_and_to_work_again(void **state) {
    struct rsw_storage *s = *state;
    char text[256];
    int errnum;
    rsw_memory_fail_key(s, "d/a/link", EIO);
    rsw_memory_fail_key(s, "d/none", ENOENT);
    assert_int_equal(help_look(s, "d/a/link").answer, RSW_FAILED);
    assert_int_equal(help_look(s, "d/a/link").errnum, EIO);
    assert_int_equal(help_read(s, "d/a/link", text, &errnum), RSW_FAILED);
    assert_int_equal(errnum, EIO);
    assert_string_equal(text, "");
    assert_int_equal(help_remove(s, "d/a/link", &errnum), RSW_FAILED);
    assert_int_equal(help_look(s, "d/none").answer,
                     RSW_FAILED); /* whatever the errno: a fault is no absence */
    assert_int_equal(help_look(s, "d/b/link").answer, RSW_FOUND);
    rsw_memory_fail_key(s, "d/a/link", 0);
    assert_int_equal(help_read(s, "d/a/link", text, &errnum), RSW_FOUND);
    assert_string_equal(text, "content");
    assert_int_equal(help_remove(s, "d/a/link", &errnum), RSW_FOUND);
}

static void a_failing_file_shows_in_listings_and_probes(void **state) {
    struct rsw_storage *s = *state;
    rsw_memory_fail_key(s, "d/a/link", EIO);
    for (int probe = 0; probe < 2; probe++) {
        struct seen seen = {.probe = probe != 0 ? "d/a" : NULL, .leaf = "link"};
        assert_int_equal(help_list(&seen, s, "d", 100), RSW_FOUND);
        assert_int_equal(seen.count, 3);
        assert_int_equal(help_find(&seen, "d/a/link")->answer, RSW_FAILED);
        assert_int_equal(help_find(&seen, "d/a/link")->errnum, EIO);
        assert_int_equal(help_find(&seen, "d/b/link")->answer, RSW_FOUND);
        help_forget(&seen);
    }
}

static void a_failing_directory_hides_what_is_in_it(void **state) {
    struct rsw_storage *s = *state;
    rsw_memory_fail_key(s, "d/a", EACCES);
    struct seen seen = {.count = 0};
    assert_int_equal(help_list(&seen, s, "d", 100), RSW_FOUND);
    assert_int_equal(seen.count, 3);
    assert_int_equal(help_find(&seen, "d/a")->kind, RSW_ENTRY_DIR);
    assert_int_equal(help_find(&seen, "d/a")->answer, RSW_FAILED);
    assert_int_equal(help_find(&seen, "d/a")->errnum, EACCES);
    help_forget(&seen);
    struct rsw_error err = RSW_ERROR_INIT;
    assert_int_equal(help_list(&seen, s, "d/a", 100), RSW_FAILED);
    assert_int_equal(seen.err.code, RSW_EACCESS);
    assert_int_equal(rsw_storage_prune(s, "d/a", &err), RSW_FAILED);
    assert_int_equal(err.code, RSW_EACCESS);
}

static void the_nth_request_fails_once(void **state) {
    struct rsw_storage *s = *state;
    for (int n = 0; n < 4; n++) {
        struct rsw_look looks[] = {{.key = "d/a/link"}, {.key = "d/b/link"}, {.key = "d/none"}};
        rsw_memory_fail_after(s, n, EIO);
        rsw_storage_look(s, looks, 3);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(looks[i].answer, i == n ? RSW_FAILED : i == 2 ? RSW_ABSENT : RSW_FOUND);
            assert_int_equal(looks[i].errnum, i == n ? EIO : i == 2 ? ENOENT : 0);
        }
    }
    /* The fourth request was not made yet. */
    assert_int_equal(help_remove(s, "d/a/link", NULL), RSW_FAILED);
    assert_int_equal(help_look(s, "d/a/link").answer, RSW_FOUND);
    rsw_memory_fail_after(s, 0, 0);
    assert_int_equal(help_remove(s, "d/a/link", NULL), RSW_FOUND);
    rsw_memory_fail_after(s, 0, EIO);
    assert_int_equal(rsw_storage_prune(s, "d/a", NULL), RSW_FAILED);
    assert_int_equal(rsw_storage_prune(s, "d/a", NULL), RSW_ABSENT);
}

static void a_fault_at_either_end_fails_a_move_and_a_copy_and_is_no_absence(void **state) {
    struct rsw_storage *s = *state;
    struct rsw_move move = {.from = "d/a/link", .to = "e/link"};
    for (int end = 0; end < 2; end++) {
        const char *key = end == 0 ? move.from : move.to;
        rsw_memory_fail_key(s, key, ENOENT);
        rsw_storage_move(s, &move, 1);
        assert_int_equal(move.answer, RSW_FAILED);
        rsw_storage_copy(s, &move, 1);
        assert_int_equal(move.answer, RSW_FAILED);
        rsw_memory_fail_key(s, key, 0);
    }
    rsw_memory_fail_after(s, 0, ENOSPC);
    rsw_storage_copy(s, &move, 1);
    assert_int_equal(move.errnum, ENOSPC);
    assert_int_equal(help_look(s, "e/link").answer, RSW_ABSENT);
    rsw_storage_copy(s, &move, 1);
    assert_int_equal(move.answer, RSW_FOUND);
}

static void a_listing_can_be_cut_short(void **state) {
    struct rsw_storage *s = *state;
    struct seen seen = {.count = 0};
    rsw_memory_fail_after(s, 0, EIO);
    assert_int_equal(help_list(&seen, s, "d", 0), RSW_FAILED);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.err.code, RSW_EIO);
    help_forget(&seen);
    assert_int_equal(help_list(&seen, s, "d", 0), RSW_FOUND);
    assert_int_equal(seen.count, 3);
    help_forget(&seen);
}

static void a_file_can_be_replaced(void **state) {
    struct rsw_storage *s = *state;
    char text[256];
    assert_int_equal(rsw_memory_put(s, "d/a/link", "new", 3, 9, NULL), 0);
    assert_int_equal(help_read(s, "d/a/link", text, NULL), RSW_FOUND);
    assert_string_equal(text, "new");
    assert_int_equal(help_look(s, "d/a/link").mtime_ms, 9);
    assert_int_equal(rsw_memory_put(s, "d/../a", "new", 3, 9, NULL), -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_key_can_be_made_to_fail_and_to_work_again),
        TEST(a_failing_file_shows_in_listings_and_probes),
        TEST(a_failing_directory_hides_what_is_in_it),
        TEST(the_nth_request_fails_once),
        TEST(a_fault_at_either_end_fails_a_move_and_a_copy_and_is_no_absence),
        TEST(a_listing_can_be_cut_short),
        TEST(a_file_can_be_replaced),
    };
    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
