/* The checker: an index from events and answers equals one from a scan. */
#include "scan_help.h"

#include <errno.h>
#include <string.h>

static void push(struct world *w, const char *repo, const char *tag, const struct tree_image *image) {
    for (size_t i = 0; i < image->layer_count; i++) {
        struct rsw_look look = {0};
        char key[RSW_KEY_MAX];
        look.key = rsw_key_blob(key, &image->layers[i]);
        rsw_storage_look(w->storage, &look, 1);
        event_layer(w, repo, &image->layers[i], look.size);
    }
    struct rsw_look look = {0};
    char key[RSW_KEY_MAX];
    look.key = rsw_key_blob(key, &image->config);
    rsw_storage_look(w->storage, &look, 1);
    event_layer(w, repo, &image->config, look.size);
    event_push(w, repo, tag, &image->manifest);
}

static void a_push_is_settled_and_its_manifest_read(void **state) {
    struct world *w = *state;
    struct tree_image image = tree_image(&w->tree, "app", "1", "seed", 2);
    push(w, "app", "1", &image);
    expect(w, "tag app 1 = %s unsettled", text(&image.manifest));
    struct rsw_check_result result = check(w);
    assert_int_equal(result.done, 2);
    assert_int_equal(result.left, 0);
    assert_true(result.next_due_ms == INT64_MAX);
    expect(w, "tag app 1 = %s", text(&image.manifest));
    expect(w, "reference %s -layer-> %s", text(&image.manifest), text(&image.layers[1]));
    expect_equal_to_fresh_scan(w);
}

static void what_is_not_due_waits(void **state) {
    struct world *w = *state;
    struct tree_image image = tree_image(&w->tree, "app", "1", "seed", 1);
    push(w, "app", "1", &image);
    w->now_ms -= 10;
    struct rsw_check_result result = check(w);
    assert_int_equal(result.done, 0);
    assert_int_equal(result.left, 2);
    assert_int_equal(result.next_due_ms, T0);
}

static void current_link_decides_between_two_pushes_of_a_tag(void **state) {
    struct world *w = *state;
    struct tree_image second = tree_image(&w->tree, "app", "1", "second", 1);
    struct tree_image third = tree_image(&w->tree, "app", "1", "third", 1);
    tree_tag(&w->tree, "app", "1",
             &second.manifest); /* events say second, third; the tag says third, second */
    push(w, "app", "1", &second);
    push(w, "app", "1", &third);
    check(w);
    expect(w, "tag app 1 = %s", text(&second.manifest));
    expect(w, "history app 1: %s", text(&third.manifest));
    expect_equal_to_fresh_scan(w);
}

static void a_deleted_manifest_leaves_a_tombstone_and_no_tag(void **state) {
    struct world *w = *state;
    struct tree_image image = tree_image(&w->tree, "app", "1", "seed", 1);
    struct tree_image other = tree_image(&w->tree, "app", "2", "other", 1);
    push(w, "app", "1", &image);
    push(w, "app", "2", &other);
    check(w);
    tree_revision_remove(&w->tree, "app", &image.manifest);
    tree_tag_remove(&w->tree, "app", "1", &image.manifest, 1);
    event_delete(w, "app", &image.manifest);
    event_tag_deleted(w, "app", "1");
    check(w);
    expect(w, "revision app %s deleted", text(&image.manifest));
    expect_not(w, "tag app 1 = %s", text(&image.manifest));
    expect_not(w, "history app 1: %s", text(&image.manifest));
    expect(w, "tag app 2 = %s", text(&other.manifest));
    expect_equal_to_fresh_scan(w);
}

static void a_deleted_layer_leaves_a_tombstone(void **state) {
    struct world *w = *state;
    struct tree_image image = tree_image(&w->tree, "app", "1", "seed", 2);
    push(w, "app", "1", &image);
    check(w);
    tree_link_remove(&w->tree, "app", &image.layers[0]);
    event_delete(w, "app", &image.layers[0]);
    check(w);
    expect(w, "link app %s deleted", text(&image.layers[0]));
    expect(w, "link app %s present", text(&image.layers[1]));
    expect_equal_to_fresh_scan(w);
}

static void a_forged_delete_takes_nothing_back(void **state) {
    struct world *w = *state;
    struct tree_image image = tree_image(&w->tree, "app", "1", "seed", 1);
    push(w, "app", "1", &image);
    event_delete(w, "app", &image.manifest);
    event_delete(w, "app", &image.layers[0]);
    event_tag_deleted(w, "app", "1");
    check(w);
    expect_equal_to_fresh_scan(w);
    expect(w, "tag app 1 = %s", text(&image.manifest));
}

static void a_tag_event_for_what_was_never_written_is_taken_back(void **state) {
    struct world *w = *state;
    struct tree_image image = tree_image(&w->tree, "app", "1", "seed", 1);
    push(w, "app", "1", &image);
    event_push(w, "app", "forged", &image.manifest);
    check(w);
    expect_not(w, "tag app forged = %s", text(&image.manifest));
    expect_equal_to_fresh_scan(w);
}

/* What a sweep takes in the moment in which it is pushed anew is gone with what was pushed, where storage
 * cannot move a file in one step; and nothing but the event tells what is to be put back. */
static void a_tag_that_is_to_be_put_back_has_the_head_that_was_told_of(void **state) {
    struct world *w = *state;
    struct tree_image old = tree_image(&w->tree, "app", "1", "old", 1);
    push(w, "app", "1", &old);
    check(w);
    RSW_AUTO_TXN txn = NULL;
    struct rsw_generation generation = {.state = RSW_GENERATION_CONDEMNED};
    struct rsw_item item = {.kind = RSW_ITEM_TAG,
                            .repo = repo_id(w, "app"),
                            .blob = blob_id(w, &old.manifest),
                            .state = RSW_ITEM_ASIDE,
                            .name = "1"};
    struct tree_image new = tree_image(&w->tree, "app", "1", "new", 1);
    tree_remove(&w->tree, RSW_LAYOUT_ROOT "/repositories/app/_manifests/tags/1/current/link");
    assert_int_equal(rsw_txn_begin_write(&txn, w->index, &w->err), 0);
    rsw_generation_add(txn, &generation);
    item.generation = generation.id;
    rsw_item_put(txn, &item);
    rsw_tag_drop(txn, item.repo, "1");
    assert_int_equal(rsw_txn_commit(&txn, &w->err), 0);
    push(w, "app", "1", &new);
    assert_int_equal(rsw_txn_begin_write(&txn, w->index, &w->err), 0);
    assert_true(rsw_touch_tag(txn, item.repo, "1"));
    uint64_t queued = rsw_txn_seq(txn);
    assert_int_equal(rsw_txn_commit(&txn, &w->err), 0);
    assert_int_equal(check(w).failed, 1); /* it is asked for again */
    expect(w, "tag app 1 = %s unsettled", text(&new.manifest));
    assert_int_equal(rsw_txn_begin_write(&txn, w->index, &w->err), 0);
    assert_true(rsw_touched_drop(txn, &item, queued)); /* it was put back, and somebody removed it */
    assert_int_equal(rsw_txn_commit(&txn, &w->err), 0);
    w->now_ms += MINUTE;
    assert_int_equal(check(w).failed, 0);
    expect_not(w, "tag app 1 = %s", text(&new.manifest));
}

/* ---- the registry tells of a push before it writes the tag ---- */

#define SETTLE (10 * MINUTE)

static void a_tag_that_is_written_late_is_found(void **state) {
    struct world *w = *state;
    struct tree_image image = tree_image(&w->tree, "app", NULL, "seed", 1);
    push(w, "app", "late", &image);
    check(w);
    expect_not(w, "tag app late = %s", text(&image.manifest));
    expect_equal_to_fresh_scan(w);
    tree_tag(&w->tree, "app", "late", &image.manifest);
    w->now_ms += SETTLE - 1;
    assert_int_equal(check(w).left, 1);
    w->now_ms++;
    assert_int_equal(check(w).left, 0);
    expect(w, "tag app late = %s", text(&image.manifest));
    expect(w, "history app late: %s", text(&image.manifest));
    expect_equal_to_fresh_scan(w);
}

static void a_scan_does_not_end_the_wait_for_it(void **state) {
    struct world *w = *state;
    struct tree_image image = tree_image(&w->tree, "app", NULL, "seed", 1);
    push(w, "app", "late", &image);
    scan(w); /* the first to ask */
    w->now_ms += MINUTE;
    scan(w);
    tree_tag(&w->tree, "app", "late", &image.manifest);
    w->now_ms += SETTLE;
    assert_int_equal(check(w).left, 0);
    expect(w, "tag app late = %s", text(&image.manifest));
}

static void another_push_of_the_tag_does_not_either(void **state) {
    struct world *w = *state;
    struct tree_image first = tree_image(&w->tree, "app", NULL, "first", 1);
    struct tree_image second = tree_image(&w->tree, "app", "1", "second", 1);
    push(w, "app", "1", &first);
    push(w, "app", "1", &second);
    check(w);
    expect(w, "tag app 1 = %s", text(&second.manifest));
    tree_tag(&w->tree, "app", "1", &first.manifest); /* the slower request */
    w->now_ms += SETTLE;
    assert_int_equal(check(w).left, 0);
    expect(w, "tag app 1 = %s", text(&first.manifest));
    expect_equal_to_fresh_scan(w);
}

static void it_is_waited_for_until_storage_can_tell(void **state) {
    struct world *w = *state;
    char key[RSW_KEY_MAX];
    struct tree_image image = tree_image(&w->tree, "app", NULL, "seed", 1);
    push(w, "app", "late", &image);
    check(w);
    tree_tag(&w->tree, "app", "late", &image.manifest);
    rsw_memory_fail_key(w->storage, rsw_key_tag_history(key, "app", "late", &image.manifest), EIO);
    w->now_ms += SETTLE;
    assert_int_equal(check(w).failed, 1);
    rsw_memory_fail_key(w->storage, key, 0);
    w->now_ms += MINUTE;
    assert_int_equal(check(w).left, 0);
    expect(w, "history app late: %s", text(&image.manifest));
}

static int64_t set_ahead_ms; /* by so much the clock on the wall; the steady one is not */

static int64_t wall_now(void *arg) {
    return ((const struct world *)arg)->now_ms + set_ahead_ms;
}

static void steady_now(void *arg, struct rsw_steady *out) {
    *out = (struct rsw_steady){.ms = ((const struct world *)arg)->now_ms, .boot = "one"};
}

static void a_clock_that_is_set_ahead_does_not_end_the_wait(void **state) {
    struct world *w = *state;
    struct tree_image image = tree_image(&w->tree, "app", NULL, "seed", 1);
    set_ahead_ms = 0;
    w->clock = (struct rsw_clock){wall_now, w, steady_now};
    scan(w);
    push(w, "app", "late", &image);
    check(w);
    set_ahead_ms = 100 * MINUTE;
    assert_int_equal(check(w).left, 1);
    tree_tag(&w->tree, "app", "late", &image.manifest);
    w->now_ms += SETTLE - 1;
    assert_int_equal(check(w).left, 1);
    w->now_ms += 1;
    assert_int_equal(check(w).left, 0);
    expect(w, "tag app late = %s", text(&image.manifest));
}

static void what_was_forgotten_is_not_waited_for(void **state) {
    struct world *w = *state;
    struct tree_image image = tree_image(&w->tree, "app", "1", "seed", 1);
    struct rsw_digest nothing = tree_digest_of("nothing");
    scan(w);
    queue(w, RSW_CHECK_TAGGING, "app", &nothing);
    queue(w, RSW_CHECK_OBJECT, "nobody", &image.manifest);
    RSW_AUTO_TXN txn = NULL;
    assert_int_equal(rsw_txn_begin_write(&txn, w->index, &w->err), 0);
    struct rsw_repo repo;
    assert_int_equal(rsw_repo_find(txn, "nobody", &repo), RSW_FOUND);
    rsw_blob_drop(txn, blob_of(w, &nothing).id);
    rsw_repo_drop(txn, repo.id);
    assert_int_equal(rsw_txn_commit(&txn, &w->err), 0);
    struct rsw_check_result result = check(w);
    assert_int_equal(result.failed, 0);
    assert_int_equal(result.left, 0);
    assert_null(strstr(w->said, "could not be looked at"));
}

static void with_the_registry_stopped_nothing_is_written_late(void **state) {
    struct world *w = *state;
    struct tree_image image = tree_image(&w->tree, "app", NULL, "seed", 1);
    push(w, "app", "late", &image);
    check(w);
    w->options.registry_stopped = true;
    scan(w);
    assert_int_equal(check(w).left, 0);
}

static void a_whole_repository_is_read_when_events_were_not_understood(void **state) {
    struct world *w = *state;
    struct tree_image image = tree_image(&w->tree, "a/b", "1", "seed", 1);
    tree_index(&w->tree, "a/b", "all", &image.manifest, 1);
    struct rsw_digest layer = tree_blob(&w->tree, "old layer");
    struct rsw_digest signature;
    tree_schema1(&w->tree, "a/b", "old", &layer, 1, &signature);
    queue(w, RSW_CHECK_REPOSITORY, "a/b", NULL);
    assert_int_equal(check(w).left, 0);
    expect(w, "tag a/b 1 = %s", text(&image.manifest));
    expect(w, "reference %s -config-> %s", text(&image.manifest), text(&image.config));
    tree_tag_remove(&w->tree, "a/b", "1", &image.manifest, 1);
    queue(w, RSW_CHECK_REPOSITORY, "a/b", NULL);
    check(w);
    expect_not(w, "tag a/b 1 = %s", text(&image.manifest));
    scan(w); /* of the blobs no link tells the size */
    expect_equal_to_fresh_scan(w);
}

static void a_failed_look_is_tried_again_with_growing_pauses(void **state) {
    struct world *w = *state;
    char key[RSW_KEY_MAX];
    struct tree_image image = tree_image(&w->tree, "app", "1", "seed", 1);
    push(w, "app", "1", &image);
    check(w);
    rsw_memory_fail_key(w->storage, rsw_key_revision_link(key, "app", &image.manifest), EIO);
    event_delete(w, "app", &image.manifest);
    int64_t pause = 1000;
    for (int i = 0; i < 12; i++) {
        struct rsw_check_result result = check(w);
        assert_int_equal(result.failed, 1);
        assert_int_equal(result.left, 1);
        assert_int_equal(result.next_due_ms - w->now_ms, pause);
        w->now_ms = result.next_due_ms;
        pause = pause * 2 > 5 * MINUTE ? 5 * MINUTE : pause * 2;
    }
    expect(w, "revision app %s present", text(&image.manifest));
    rsw_memory_fail_key(w->storage, key, 0);
    assert_int_equal(check(w).left, 0);
    expect(w, "revision app %s present", text(&image.manifest));
}

static void an_empty_tag_link_is_waited_for_before_it_is_bad(void **state) {
    struct world *w = *state;
    char key[RSW_KEY_MAX];
    struct tree_image image = tree_image(&w->tree, "app", "1", "seed", 1);
    tree_put(&w->tree, rsw_key_tag_current(key, "app", "1"), "", 0);
    push(w, "app", "1", &image);
    struct rsw_check_result result = check(w);
    assert_int_equal(result.failed, 1);
    expect(w, "tag app 1 = %s unsettled", text(&image.manifest));
    tree_tag(&w->tree, "app", "1", &image.manifest);
    w->now_ms = result.next_due_ms;
    assert_int_equal(check(w).left, 0);
    expect(w, "tag app 1 = %s", text(&image.manifest));
    tree_put(&w->tree, key, "", 0);
    event_tag_deleted(w, "app", "1");
    for (int i = 0; i < 4; i++) {
        result = check(w);
        w->now_ms += MINUTE;
    }
    assert_int_equal(result.left, 0);
    expect(w, "tag app 1 = nothing bad");
}

static void missing_bytes_of_a_pushed_manifest_are_looked_for_twice(void **state) {
    struct world *w = *state;
    struct tree_image image = tree_image(&w->tree, "app", "1", "seed", 1);
    tree_blob_remove(&w->tree, &image.manifest);
    event_push(w, "app", "1", &image.manifest);
    check(w);
    assert_int_equal(blob_of(w, &image.manifest).flags & RSW_BLOB_PRESENT, 0);
    assert_int_equal(blob_of(w, &image.manifest).flags & RSW_BLOB_GONE, 0);
    w->now_ms += 10 * MINUTE;
    assert_int_equal(check(w).left, 0);
    assert_true((blob_of(w, &image.manifest).flags & RSW_BLOB_GONE) != 0);
}

static void a_sha512_alias_that_no_event_names_is_found(void **state) {
    struct world *w = *state;
    struct rsw_digest config = tree_blob(&w->tree, "{}");
    struct rsw_digest target = tree_blob(&w->tree, "content");
    struct rsw_digest alias;
    assert_int_equal(rsw_digest_of(&alias, RSW_SHA512, "content", 7, NULL), 0);
    struct rsw_digest manifest = tree_manifest(&w->tree, "app", "1", &config, &alias, 1);
    tree_link_alias(&w->tree, "app", &alias, &target);
    tree_link(&w->tree, "app", &target);
    event_layer(w, "app", &target, 7);
    event_layer(w, "app", &config, 2);
    event_push(w, "app", "1", &manifest);
    check(w);
    expect(w, "link app %s present -> %s", text(&alias), text(&target));
    expect_equal_to_fresh_scan(w);
}

/* A storage that lets something happen between its answer and what is made of it. */
static void (*happen)(struct world *w);
static const char *happen_at; /* part of the key that is asked for */
static struct world *interrupted;
static struct rsw_digest claimed;
static const struct rsw_storage_ops *real_ops;

static void happen_now(const char *key) {
    if (happen != NULL && strstr(key, happen_at) != NULL) {
        void (*now)(struct world *) = happen;
        happen = NULL;
        now(interrupted);
    }
}

static void read_and_more(struct rsw_storage *storage, struct rsw_read *reads, size_t count) {
    real_ops->read(storage, reads, count);
    for (size_t i = 0; i < count; i++) {
        happen_now(reads[i].key);
    }
}

static void look_and_more(struct rsw_storage *storage, struct rsw_look *looks, size_t count) {
    real_ops->look(storage, looks, count);
    for (size_t i = 0; i < count; i++) {
        happen_now(looks[i].key);
    }
}

static struct rsw_storage_ops interrupting_ops;

static void interrupt(struct world *w, void (*what)(struct world *), const char *at) {
    real_ops = w->storage->ops;
    interrupting_ops = *real_ops;
    interrupting_ops.read = read_and_more;
    interrupting_ops.look = look_and_more;
    w->storage->ops = &interrupting_ops;
    interrupted = w;
    happen = what;
    happen_at = at;
}

static void end_interrupt(struct world *w) {
    assert_null(happen); /* else the test tested nothing */
    w->storage->ops = real_ops;
}

static void push_claimed(struct world *w) {
    event_push(w, "app", "1", &claimed);
}

static void link_claimed(struct world *w) {
    event_layer(w, "app", &claimed, 7);
}

static void a_question_asked_anew_while_storage_is_asked_stays(void **state) {
    struct world *w = *state;
    struct tree_image image = tree_image(&w->tree, "app", "1", "seed", 1);
    scan(w);
    event_tag_deleted(w, "app", "1");
    claimed = tree_digest_of("{\"newer\":1}");
    interrupt(w, push_claimed, "/current/link");
    struct rsw_check_result result = check(w);
    end_interrupt(w);
    assert_true(result.left >= 1);
    expect(w, "tag app 1 = %s unsettled", text(&claimed));
    check(w); /* storage still says the old one */
    expect(w, "tag app 1 = %s", text(&image.manifest));
}

static void what_is_pushed_after_it_was_found_absent_stays(void **state) {
    struct world *w = *state;
    struct tree_image image = tree_image(&w->tree, "app", "1", "seed", 1);
    scan(w);
    tree_revision_remove(&w->tree, "app", &image.manifest);
    tree_tag_remove(&w->tree, "app", "1", &image.manifest, 1);
    claimed = image.manifest;
    event_delete(w, "app", &image.manifest);
    interrupt(w, push_claimed, "/_manifests/revisions/");
    check(w);
    end_interrupt(w);
    expect(w, "revision app %s present", text(&image.manifest));
    tree_tag_remove(&w->tree, "app", "1", &image.manifest, 1);
    event_tag_deleted(w, "app", "1");
    interrupt(w, push_claimed, "/_manifests/tags/1/index/");
    check(w);
    end_interrupt(w);
    expect(w, "history app 1: %s", text(&image.manifest));
}

static void a_layer_pushed_after_a_scan_found_it_absent_stays(void **state) {
    struct world *w = *state;
    char key[RSW_KEY_MAX];
    struct tree_image image = tree_image(&w->tree, "app", "1", "seed", 1);
    scan(w);
    claimed = image.layers[0];
    tree_link_remove(&w->tree, "app", &claimed);
    interrupt(w, link_claimed, "/_layers/");
    scan(w);
    end_interrupt(w);
    expect(w, "link app %s present", text(&claimed));
    tree_blob_remove(&w->tree, &claimed);
    interrupt(w, link_claimed, rsw_key_blob(key, &claimed));
    scan(w);
    end_interrupt(w);
    assert_true((blob_of(w, &claimed).flags & RSW_BLOB_PRESENT) != 0);
}

static void thousands_of_questions_are_answered_in_one_run(void **state) {
    struct world *w = *state;
    char name[64];
    struct rsw_txn *txn = NULL;
    assert_int_equal(rsw_txn_begin_write(&txn, w->index, &w->err), 0);
    for (int i = 0; i < 2500; i++) {
        snprintf(name, sizeof name, "blob %d", i);
        struct rsw_digest digest = tree_digest_of(name);
        struct rsw_check entry = {.kind = RSW_CHECK_OBJECT, .due_ms = T0, .seq = rsw_txn_seq(txn)};
        entry.repo = rsw_repo_intern(txn, "app", T0);
        entry.blob = rsw_blob_intern(txn, &digest, T0);
        rsw_check_put(txn, &entry);
    }
    assert_int_equal(rsw_txn_commit(&txn, &w->err), 0);
    struct rsw_check_result result = check(w);
    assert_int_equal(result.done, 2500);
    assert_int_equal(result.left, 0);
}

static void the_thread_answers_when_woken_and_stops(void **state) {
    struct world *w = *state;
    struct rsw_checker *checker = NULL;
    struct tree_image image = tree_image(&w->tree, "app", "1", "seed", 1);
    const struct rsw_checker_options options = {.log = &w->log};
    assert_int_equal(rsw_checker_start(&checker, w->index, w->storage, &options, &w->err), 0);
    w->now_ms = 1; /* long due by the system's clock */
    push(w, "app", "1", &image);
    rsw_checker_wake(checker);
    struct rsw_check_result result = {0};
    for (int i = 0; i < 1000 && result.done < 2; i++) {
        rsw_checker_result(checker, &result);
        struct timespec moment = {.tv_sec = 0, .tv_nsec = 10000000};
        nanosleep(&moment, NULL);
    }
    rsw_checker_stop(checker);
    rsw_checker_stop(NULL);
    assert_int_equal(result.done, 2);
    expect(w, "tag app 1 = %s", text(&image.manifest));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        test_everywhere(a_push_is_settled_and_its_manifest_read),
        test_memory(what_is_not_due_waits),
        test_everywhere(current_link_decides_between_two_pushes_of_a_tag),
        test_in(a_deleted_manifest_leaves_a_tombstone_and_no_tag, in_directory),
        test_in(a_deleted_layer_leaves_a_tombstone, in_directory),
        test_everywhere(a_forged_delete_takes_nothing_back),
        test_everywhere(a_tag_event_for_what_was_never_written_is_taken_back),
        test_everywhere(a_tag_that_is_to_be_put_back_has_the_head_that_was_told_of),
        test_everywhere(a_tag_that_is_written_late_is_found),
        test_everywhere(a_scan_does_not_end_the_wait_for_it),
        test_everywhere(what_was_forgotten_is_not_waited_for),
        test_everywhere(a_clock_that_is_set_ahead_does_not_end_the_wait),
        test_everywhere(another_push_of_the_tag_does_not_either),
        test_memory(it_is_waited_for_until_storage_can_tell),
        test_everywhere(with_the_registry_stopped_nothing_is_written_late),
        test_everywhere(a_whole_repository_is_read_when_events_were_not_understood),
        test_memory(a_failed_look_is_tried_again_with_growing_pauses),
        test_everywhere(an_empty_tag_link_is_waited_for_before_it_is_bad),
        test_everywhere(missing_bytes_of_a_pushed_manifest_are_looked_for_twice),
        test_everywhere(a_sha512_alias_that_no_event_names_is_found),
        test_memory(a_question_asked_anew_while_storage_is_asked_stays),
        test_memory(what_is_pushed_after_it_was_found_absent_stays),
        test_memory(a_layer_pushed_after_a_scan_found_it_absent_stays),
        test_memory(thousands_of_questions_are_answered_in_one_run),
        test_everywhere(the_thread_answers_when_woken_and_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
