/* A scan is not alone: pushes claim things while it reads, others scan too, somebody stops it. */
#include "scan_help.h"

#include "scan/reconcile.h"
#include "scan/repository.h"

#include <string.h>
#include <unistd.h>

/* ---- claims that are newer than what was read ---- */

static void a_push_after_the_listing_is_not_taken_back(void **state) {
    struct world *w = *state;
    struct tree_image old = tree_image(&w->tree, "app", "1", "old", 1);
    scan(w);
    /* Noted, then claimed by an event: storage does not have it (yet). */
    struct rsw_reading reading;
    uint64_t noted;
    struct rsw_digest pushed = tree_digest_of("{\"pushed\":true}");
    rsw_reading_init(&reading, w->index, w->storage);
    reading.clock = &w->clock;
    assert_int_equal(rsw_reading_seq(w->index, &noted, &w->err), 0);
    event_push(w, "app", "1", &pushed);
    event_layer(w, "app", &old.manifest, 3);
    bool lacked;
    assert_int_equal(rsw_reconcile_repository(&reading, "app", noted, &lacked, &w->err), 0);
    assert_false(lacked);
    assert_int_equal(rsw_reconcile_gone(&reading, "app", noted, &w->err), 0);
    assert_int_equal(rsw_reconcile_blobs(&reading, 1, state_of(w).next_blob, noted, &w->err), 0);
    rsw_reading_release(&reading);
    expect(w, "repository app");
    expect(w, "revision app %s present", text(&pushed));
    expect(w, "tag app 1 = %s unsettled", text(&pushed));
    expect(w, "history app 1: %s", text(&pushed));
    expect(w, "link app %s present", text(&old.manifest));
}

static void what_was_seen_before_a_push_does_not_overwrite_its_tag(void **state) {
    struct world *w = *state;
    struct tree_image old = tree_image(&w->tree, "app", "1", "old", 1);
    struct rsw_digest pushed = tree_digest_of("{\"pushed\":true}");
    scan(w);
    struct rsw_error *err = &w->err;
    uint64_t noted;
    assert_int_equal(rsw_reading_seq(w->index, &noted, err), 0);
    struct rsw_batch *batch = rsw_batch_new("app", noted, err);
    struct rsw_seen_tag *tag = rsw_batch_tag(batch, err);
    strcpy(tag->name, "1");
    tag->head = old.manifest;
    event_push(w, "app", "1", &pushed);
    struct rsw_txn *txn = NULL;
    struct rsw_apply apply = {.now_ms = w->now_ms};
    assert_int_equal(rsw_txn_begin_write(&txn, w->index, err), 0);
    rsw_batch_apply(txn, batch, &apply);
    assert_int_equal(rsw_txn_commit(&txn, err), 0);
    rsw_batch_free(batch);
    expect(w, "tag app 1 = %s unsettled", text(&pushed));
}

static void a_deletion_while_the_scan_reads_is_found_out_in_the_end(void **state) {
    struct world *w = *state;
    struct tree_image image = tree_image(&w->tree, "app", "1", "old", 1);
    scan(w);
    /* What the scan saw is written after a checker has seen the deletion. */
    tree_revision_remove(&w->tree, "app", &image.manifest);
    event_delete(w, "app", &image.manifest);
    check(w);
    expect(w, "revision app %s deleted", text(&image.manifest));
    struct rsw_batch *batch = rsw_batch_new("app", 0, &w->err);
    struct rsw_seen_member *member = rsw_batch_member(batch, &w->err);
    member->kind = RSW_REVISION;
    member->digest = member->target = image.manifest;
    struct rsw_txn *txn = NULL;
    struct rsw_apply apply = {.now_ms = w->now_ms};
    assert_int_equal(rsw_txn_begin_write(&txn, w->index, &w->err), 0);
    rsw_batch_apply(txn, batch, &apply);
    assert_int_equal(rsw_txn_commit(&txn, &w->err), 0);
    rsw_batch_free(batch);
    expect(w, "revision app %s present", text(&image.manifest));
    check(w);
    expect(w, "revision app %s deleted", text(&image.manifest));
}

/* ---- stopping ---- */

struct countdown {
    int left;
};

static bool count_down(void *arg) {
    struct countdown *countdown = arg;
    return countdown->left-- <= 0;
}

static void a_scan_stopped_anywhere_is_completed_by_the_next(void **state) {
    struct world *w = *state;
    char name[32];
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "repo-%d", i);
        struct tree_image image = tree_image(&w->tree, name, "1", name, 2);
        tree_index(&w->tree, name, "all", &image.manifest, 1);
    }
    bool finished = false;
    for (int stop = 0; !finished && stop < 3000; stop += 7) {
        char index[32];
        snprintf(index, sizeof index, "index-%d", stop);
        rsw_index_close(w->index);
        w->index = open_index(w, index);
        struct countdown countdown = {stop};
        w->options.stopped = count_down;
        w->options.arg = &countdown;
        finished = try_scan(w) == 0;
        if (!finished) {
            assert_int_equal(w->err.code, RSW_ESTOPPED);
            assert_false(w->result.complete);
            assert_int_equal(state_of(w).scan_ended_ms, 0);
        }
        w->options.stopped = NULL;
        scan(w);
        assert_true(w->result.complete);
        assert_int_equal(w->result.vanished, 0);
        expect_equal_to_fresh_scan(w);
    }
    assert_true(finished);
}

/* ---- two at once ---- */

static void *scan_thread(void *arg) {
    struct world *w = arg;
    struct rsw_scan_result result;
    struct rsw_scan_options options = w->options;
    struct rsw_error err = RSW_ERROR_INIT;
    options.progress = NULL;
    options.stopped = NULL;
    static int answers[3];
    int *answer = &answers[0];
    *answer = rsw_scan(&result, w->index, w->storage, &options, &err);
    return *answer == 0 ? (void *)0 : (void *)(uintptr_t)err.code;
}

static void *second_result;
static bool second_done;

static bool scan_meanwhile(void *arg) {
    if (!second_done) {
        second_done = true;
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, scan_thread, arg), 0);
        pthread_join(thread, &second_result);
    }
    return false;
}

static void a_second_scan_at_once_is_busy(void **state) {
    struct world *w = *state;
    tree_image(&w->tree, "app", "1", "seed", 1);
    second_done = false;
    w->options.stopped = scan_meanwhile;
    w->options.arg = w;
    scan(w);
    assert_true(second_done);
    assert_int_equal((uintptr_t)second_result, RSW_EBUSY);
    assert_true(w->result.complete);
}

/* ---- pushes by somebody else all the time ---- */

struct pusher {
    struct world *world;
    atomic_bool stop;
    atomic_int pushed;
};

static void *push_all_the_time(void *arg) {
    struct pusher *pusher = arg;
    char seed[32];
    while (!atomic_load(&pusher->stop) && atomic_load(&pusher->pushed) < 300) {
        snprintf(seed, sizeof seed, "push %d", atomic_fetch_add(&pusher->pushed, 1));
        struct tree_image image = tree_image(&pusher->world->tree, "busy", "latest", seed, 1);
        event_layer(pusher->world, "busy", &image.layers[0], strlen(seed) + 8);
        event_layer(pusher->world, "busy", &image.config, strlen(seed) + 11);
        event_push(pusher->world, "busy", "latest", &image.manifest);
        usleep(500);
    }
    return NULL;
}

static void nothing_pushed_while_scans_run_is_lost(void **state) {
    struct world *w = *state;
    char name[32];
    for (int i = 0; i < 10; i++) {
        snprintf(name, sizeof name, "repo-%d", i);
        tree_image(&w->tree, name, "1", name, 2);
    }
    struct pusher pusher = {.world = w};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, push_all_the_time, &pusher), 0);
    for (int i = 0; i < 10 || (i < 1000 && atomic_load(&pusher.pushed) <= 5);
         i++) { /* a slow disk takes more */
        scan(w);
        assert_true(w->result.complete);
        assert_int_equal(w->result.vanished, 0);
    }
    atomic_store(&pusher.stop, true);
    pthread_join(thread, NULL);
    check(w);
    assert_true(atomic_load(&pusher.pushed) > 5);
    expect_equal_to_fresh_scan(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        test_memory(a_push_after_the_listing_is_not_taken_back),
        test_memory(what_was_seen_before_a_push_does_not_overwrite_its_tag),
        test_in(a_deletion_while_the_scan_reads_is_found_out_in_the_end, in_directory),
        test_memory(a_scan_stopped_anywhere_is_completed_by_the_next),
        test_everywhere(a_second_scan_at_once_is_busy),
        test_memory(nothing_pushed_while_scans_run_is_lost),
        test_in(nothing_pushed_while_scans_run_is_lost, in_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
