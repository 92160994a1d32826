/* The lease: of two that want it one has it, whatever happens in between. Time is the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gc/lease.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define LENGTH_MS 1000

static int64_t now_ms;

static int64_t steady(void) {
    return now_ms;
}

struct place {
    struct rsw_storage *storage;
    struct rsw_lease *a, *again, *b; /* `again`: another process on the index of `a` */
};

static struct rsw_lease *open_lease(struct place *place, const char *holder) {
    struct rsw_lease *lease;
    struct rsw_error err = RSW_ERROR_INIT;
    const struct rsw_lease_options options = {
        .storage = place->storage, .holder = holder, .length_ms = LENGTH_MS, .steady_ms = steady};
    assert_int_equal(rsw_lease_open(&lease, &options, &err), 0);
    return lease;
}

static int place_open(void **state) {
    static struct place place;
    struct rsw_error err = RSW_ERROR_INIT;
    now_ms = 1000000;
    assert_int_equal(rsw_storage_open_memory(&place.storage, &err), 0);
    place.a = open_lease(&place, "aaaa");
    place.again = open_lease(&place, "aaaa");
    place.b = open_lease(&place, "bbbb");
    *state = &place;
    return 0;
}

static int place_close(void **state) {
    struct place *place = *state;
    rsw_lease_close(place->a);
    rsw_lease_close(place->again);
    rsw_lease_close(place->b);
    rsw_storage_close(place->storage);
    return 0;
}

static bool takes(struct rsw_lease *lease) {
    struct rsw_error err = RSW_ERROR_INIT;
    int rc = rsw_lease_take(lease, &err);
    assert_true(rc == 0 || err.code == RSW_EBUSY);
    assert_true(rc != 0 || rsw_lease_is_held(lease));
    return rc == 0;
}

static void of_two_one_has_it(void **state) {
    struct place *place = *state;
    assert_false(rsw_lease_is_held(place->a));
    assert_true(takes(place->a));
    assert_false(takes(place->b));
    assert_false(rsw_lease_is_held(place->b));
    assert_true(takes(place->a));
}

static void one_that_is_given_back_is_free_at_once(void **state) {
    struct place *place = *state;
    assert_true(takes(place->a));
    rsw_lease_give_back(place->a);
    assert_false(rsw_lease_is_held(place->a));
    assert_true(takes(place->b));
    assert_false(takes(place->a));
    rsw_lease_give_back(place->a); /* not ours: nothing */
    assert_true(rsw_lease_is_held(place->b));
    assert_false(takes(place->a));
}

static void one_who_says_nothing_is_dead_after_the_length_seen_by_the_other(void **state) {
    struct place *place = *state;
    assert_true(takes(place->a));
    now_ms += 10 * LENGTH_MS; /* nobody looked */
    assert_false(rsw_lease_is_held(place->a));
    assert_false(takes(place->b));
    now_ms += LENGTH_MS;
    assert_false(takes(place->b));
    now_ms += 1;
    assert_true(takes(place->b));
    assert_false(takes(place->a));
}

/* They should have the same, and nobody makes them. */
static void one_with_a_longer_lease_is_not_taken_for_dead_before_it_is_over(void **state) {
    struct place *place = *state;
    struct rsw_error err = RSW_ERROR_INIT;
    const struct rsw_lease_options options = {
        .storage = place->storage, .holder = "long", .length_ms = 10 * LENGTH_MS, .steady_ms = steady};
    struct rsw_lease *lease;
    assert_int_equal(rsw_lease_open(&lease, &options, &err), 0);
    assert_true(takes(lease));
    bool taken = false;
    while (rsw_lease_is_held(lease) && !taken) {
        taken = takes(place->b);
        now_ms += LENGTH_MS / 2;
    }
    rsw_lease_close(lease);
    assert_false(taken);
}

static void one_who_renews_lives(void **state) {
    struct place *place = *state;
    assert_true(takes(place->a));
    for (int i = 0; i < 20; i++) {
        assert_false(takes(place->b));
        now_ms += LENGTH_MS / 2;
        assert_true(rsw_lease_is_held(place->a));
        assert_true(takes(place->a));
    }
    assert_false(takes(place->b));
    assert_true(rsw_lease_other_lives(place->b));
}

static void a_holder_knows_when_its_time_is_over_before_anybody_takes_over(void **state) {
    struct place *place = *state;
    assert_true(takes(place->a));
    assert_false(takes(place->b));
    while (!takes(place->b)) {
        now_ms += 50;
    }
    assert_false(rsw_lease_is_held(place->a));
}

static void one_that_was_stopped_and_goes_on_has_it_no_more(void **state) {
    struct place *place = *state;
    assert_true(takes(place->a));
    assert_false(takes(place->b));
    now_ms += LENGTH_MS + 1;
    assert_true(takes(place->b));
    assert_false(takes(place->a)); /* its renewal */
    assert_false(rsw_lease_is_held(place->a));
    assert_true(rsw_lease_is_held(place->b));
}

static void another_process_on_the_same_index_goes_on_at_once(void **state) {
    struct place *place = *state;
    assert_true(takes(place->a));
    assert_true(takes(place->again));
    assert_true(takes(place->a));
    assert_false(takes(place->b));
}

/* A command ends the last generation and gives the lease back, while serve, on the same index, still renews
 * what it had taken. */
static void what_one_process_gave_back_another_on_its_index_does_not_keep(void **state) {
    struct place *place = *state;
    struct rsw_error err = RSW_ERROR_INIT;
    const struct rsw_lease_options options = {.storage = place->storage, .holder = "aaaa", .length_ms = 400};
    struct rsw_lease *serve;
    assert_int_equal(rsw_lease_open(&serve, &options, &err), 0);
    assert_int_equal(rsw_lease_take(serve, &err), 0);
    assert_int_equal(rsw_lease_keep(serve, &err), 0);
    assert_true(takes(place->again));
    rsw_lease_give_back(place->again);
    struct timespec time = {1, 0}; /* it works on nothing */
    nanosleep(&time, NULL);
    bool taken = takes(place->b);
    rsw_lease_close(serve);
    assert_true(taken);
}

/* ---- two processes on one index at once ---- */

static struct rsw_storage_ops slow; /* of the storage, with something in between … */
static void (*plain_read)(struct rsw_storage *storage, struct rsw_read *reads, size_t count);
static void (*plain_write)(struct rsw_storage *storage, struct rsw_write *writes, size_t count);
static struct rsw_lease *gives_back; /* … after the next read of a thread; NULL: nothing */
static bool rests;                   /* … before the next write of the main one */
static pthread_t main_thread;

static void read_slowly(struct rsw_storage *storage, struct rsw_read *reads, size_t count) {
    plain_read(storage, reads, count);
    struct rsw_lease *lease = gives_back;
    if (lease != NULL && !pthread_equal(pthread_self(), main_thread)) {
        gives_back = NULL;
        rsw_lease_give_back(lease);
    }
}

static void write_slowly(struct rsw_storage *storage, struct rsw_write *writes, size_t count) {
    struct timespec time = {0, 300000000};
    if (rests && pthread_equal(pthread_self(), main_thread)) {
        rests = false;
        nanosleep(&time, NULL);
    }
    plain_write(storage, writes, count);
}

/* serve, on the index of `again`, keeps what it has taken. */
static struct rsw_lease *begin_to_keep(struct place *place) {
    struct rsw_error err = RSW_ERROR_INIT;
    const struct rsw_lease_options options = {.storage = place->storage, .holder = "aaaa", .length_ms = 400};
    struct rsw_lease *serve;
    assert_int_equal(rsw_lease_open(&serve, &options, &err), 0);
    assert_int_equal(rsw_lease_take(serve, &err), 0);
    assert_true(takes(place->again));
    main_thread = pthread_self();
    slow = *place->storage->ops;
    plain_read = slow.read;
    plain_write = slow.write;
    return serve;
}

static void expect_free_soon(struct place *place, struct rsw_lease *serve) {
    struct rsw_error err = RSW_ERROR_INIT;
    struct timespec time = {1, 0};
    nanosleep(&time, NULL);
    bool taken = rsw_lease_take(place->b, &err) == 0;
    rsw_lease_close(serve);
    assert_true(taken);
}

static void what_is_given_back_while_another_process_looks_is_not_taken_again(void **state) {
    struct place *place = *state;
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_lease *serve = begin_to_keep(place);
    slow.read = read_slowly;
    gives_back = place->again;
    place->storage->ops = &slow;
    assert_int_equal(rsw_lease_keep(serve, &err), 0);
    expect_free_soon(place, serve);
}

static void what_is_given_back_while_another_process_keeps_it_is_free_all_the_same(void **state) {
    struct place *place = *state;
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_lease *serve = begin_to_keep(place);
    slow.write = write_slowly;
    rests = true;
    place->storage->ops = &slow;
    assert_int_equal(rsw_lease_keep(serve, &err), 0);
    rsw_lease_give_back(place->again);
    expect_free_soon(place, serve);
}

static void storage_that_does_not_answer_gives_no_lease_and_takes_none(void **state) {
    struct place *place = *state;
    struct rsw_error err = RSW_ERROR_INIT;
    assert_true(takes(place->a));
    for (int request = 0; request < 3; request++) {
        rsw_memory_fail_after(place->storage, request, EIO);
        rsw_lease_take(place->a, &err);
        assert_true(rsw_lease_is_held(place->a));
        rsw_memory_fail_after(place->storage, 0, 0);
    }
    rsw_memory_fail_after(place->storage, 0, EIO);
    assert_int_equal(rsw_lease_take(place->b, &err), -1);
    assert_false(rsw_lease_is_held(place->b));
}

static int why;

static void write_nothing(struct rsw_storage *storage, struct rsw_write *writes, size_t count) {
    (void)storage;
    for (size_t i = 0; i < count; i++) {
        writes[i].answer = RSW_FAILED;
        writes[i].errnum = why;
    }
}

/* It is on a full disk that a sweep is wanted most. */
static void a_lease_that_cannot_be_written_tells_the_remedy(void **state) {
    struct place *place = *state;
    static const struct {
        int errnum;
        const char *remedy;
    } cases[] = {{ENOSPC, "--lease 0"}, {EDQUOT, "--lease 0"}, {EROFS, "read-only"}, {EACCES, "user"}};
    slow = *place->storage->ops;
    slow.write = write_nothing;
    place->storage->ops = &slow;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rsw_error err = RSW_ERROR_INIT;
        why = cases[i].errnum;
        assert_int_equal(rsw_lease_take(place->a, &err), -1);
        assert_non_null(strstr(err.message, cases[i].remedy));
    }
}

static void a_record_that_cannot_be_read_is_somebody_elses(void **state) {
    struct place *place = *state;
    struct rsw_error err = RSW_ERROR_INIT;
    assert_int_equal(rsw_memory_put(place->storage, "regsweep/lease/00000000000000000007", "{", 1, 1, &err),
                     0);
    assert_int_equal(rsw_memory_put(place->storage, "regsweep/lease/strange", "{", 1, 1, &err), 0);
    assert_false(takes(place->a));
    now_ms += LENGTH_MS + 1;
    assert_true(takes(place->a));
    assert_false(takes(place->b));
}

static size_t records(struct place *place) {
    size_t count = 0;
    for (unsigned i = 1; i < 200; i++) {
        char key[64];
        snprintf(key, sizeof key, "regsweep/lease/%020u", i);
        struct rsw_look look = {.key = key};
        rsw_storage_look(place->storage, &look, 1);
        count += look.answer == RSW_FOUND ? 1 : 0;
    }
    return count;
}

static void old_records_go(void **state) {
    struct place *place = *state;
    for (int i = 0; i < 100; i++) {
        assert_true(takes(place->a));
    }
    assert_true(records(place) <= 5);
}

static void when_the_last_scheduled_sweep_began_is_handed_on(void **state) {
    struct place *place = *state;
    assert_true(takes(place->a));
    assert_int_equal(rsw_lease_swept_ms(place->a), 0);
    rsw_lease_set_swept(place->a, 77);
    assert_true(takes(place->a));
    assert_false(takes(place->b)); /* who has it not knows all the same */
    assert_int_equal(rsw_lease_swept_ms(place->b), 77);
    rsw_lease_set_swept(place->a, 88);
    rsw_lease_give_back(place->a);
    assert_true(takes(place->b));
    assert_int_equal(rsw_lease_swept_ms(place->b), 88);
}

/* Of a clock that was years ahead, before somebody put it right. */
static void a_sweep_in_the_future_is_not_believed(void **state) {
    struct place *place = *state;
    int64_t real_ms = rsw_clock_now_ms(NULL);
    rsw_lease_set_swept(place->a, real_ms + 1000 * LENGTH_MS);
    assert_true(takes(place->a));
    assert_false(takes(place->b));
    assert_int_equal(rsw_lease_swept_ms(place->b), 0);
    rsw_lease_set_swept(place->a, real_ms);
    rsw_lease_give_back(place->a);
    assert_true(takes(place->b));
    assert_int_equal(rsw_lease_swept_ms(place->b), real_ms);
    assert_int_equal(rsw_lease_swept_ms(place->a), real_ms);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_open, place_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(of_two_one_has_it),
        TEST(one_that_is_given_back_is_free_at_once),
        TEST(one_who_says_nothing_is_dead_after_the_length_seen_by_the_other),
        TEST(one_with_a_longer_lease_is_not_taken_for_dead_before_it_is_over),
        TEST(one_who_renews_lives),
        TEST(a_holder_knows_when_its_time_is_over_before_anybody_takes_over),
        TEST(one_that_was_stopped_and_goes_on_has_it_no_more),
        TEST(another_process_on_the_same_index_goes_on_at_once),
        TEST(what_one_process_gave_back_another_on_its_index_does_not_keep),
        TEST(what_is_given_back_while_another_process_looks_is_not_taken_again),
        TEST(what_is_given_back_while_another_process_keeps_it_is_free_all_the_same),
        TEST(storage_that_does_not_answer_gives_no_lease_and_takes_none),
        TEST(a_lease_that_cannot_be_written_tells_the_remedy),
        TEST(a_record_that_cannot_be_read_is_somebody_elses),
        TEST(old_records_go),
        TEST(when_the_last_scheduled_sweep_began_is_handed_on),
        TEST(a_sweep_in_the_future_is_not_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
