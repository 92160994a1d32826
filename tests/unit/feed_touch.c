/* Events and what is condemned: what touches, what does not; fences, new instances, the heartbeat. */
#include "feed_help.h"

#include "feed/apply.h"
#include "feed/beat.h"
#include "feed/tally.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define OCTETS "application/octet-stream"
#define MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define RUN "0123456789abcdef"
#define OURS "regsweep/1.0 (run " RUN ")"

static struct rsw_event event_of(enum rsw_event_action action, const char *type, uint64_t number) {
    struct rsw_event event = {.action = action, .digest = digest_number(number), .size = 10};
    strcpy(event.repository, "a/b");
    strcpy(event.media_type, type);
    strcpy(event.instance_id, "one");
    strcpy(event.addr, "registry:5000");
    return event;
}

static struct rsw_applied apply(struct place *place, const struct rsw_event *event) {
    struct rsw_txn *txn = begin_write(place);
    struct rsw_applied applied = rsw_event_apply(txn, event, NULL, 0, place->now_ms);
    commit(&txn);
    return applied;
}

/* An open generation with a link, its bytes and a tag of a/b; blob `number` is in storage and condemned. */
static void condemn(struct place *place, uint64_t number) {
    struct rsw_txn *txn = begin_write(place);
    struct rsw_generation generation = {.state = RSW_GENERATION_UNLINKED, .run = RUN};
    struct rsw_digest digest = digest_number(number);
    uint32_t blob = rsw_fact_blob(txn, &digest, 10, place->now_ms);
    uint32_t repo = rsw_fact_repo(txn, "a/b", place->now_ms);
    rsw_generation_add(txn, &generation);
    struct rsw_item item = {.generation = generation.id,
                            .kind = RSW_ITEM_LINK,
                            .repo = repo,
                            .blob = blob,
                            .state = RSW_ITEM_ASIDE};
    rsw_item_put(txn, &item);
    item = (struct rsw_item){
        .generation = generation.id, .kind = RSW_ITEM_BLOB, .blob = blob, .state = RSW_ITEM_PENDING};
    rsw_item_put(txn, &item);
    item = (struct rsw_item){.generation = generation.id,
                             .kind = RSW_ITEM_TAG,
                             .repo = repo,
                             .blob = blob,
                             .state = RSW_ITEM_ASIDE};
    strcpy(item.name, "weak");
    rsw_item_put(txn, &item);
    commit(&txn);
}

/* What waits to be given back: kinds as bits. */
static unsigned waiting(struct place *place) {
    RSW_AUTO_TXN txn = begin_read(place);
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_item item;
    uint64_t queued;
    unsigned kinds = 0;
    rsw_iter_touched(&iter, txn);
    while (rsw_touched_next(&iter, &item, &queued) == RSW_FOUND) {
        kinds |= 1u << item.kind;
    }
    return kinds;
}
#define LINK (1u << RSW_ITEM_LINK)
#define BLOB (1u << RSW_ITEM_BLOB)
#define TAG (1u << RSW_ITEM_TAG)
#define REVISION (1u << RSW_ITEM_REVISION)

static void drop_waiting(struct place *place) {
    struct rsw_txn *txn = begin_write(place);
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_item item;
    uint64_t queued;
    rsw_iter_touched(&iter, txn);
    while (rsw_touched_next(&iter, &item, &queued) == RSW_FOUND) {
        rsw_touched_drop(txn, &item, queued);
    }
    rsw_iter_end(&iter);
    commit(&txn);
}

static void a_push_a_mount_and_a_pull_touch(void **state) {
    static const enum rsw_event_action actions[] = {RSW_EVENT_PUSH, RSW_EVENT_MOUNT, RSW_EVENT_PULL};
    struct place *place = *state;
    condemn(place, 1);
    for (size_t i = 0; i < 3; i++) {
        struct rsw_event event = event_of(actions[i], OCTETS, 1);
        assert_true(apply(place, &event).touched);
        assert_int_equal(waiting(place), LINK | BLOB);
        drop_waiting(place);
        /* Again at once: what the first touch found in its place may be gone by now. */
        assert_true(apply(place, &event).touched);
        assert_int_equal(waiting(place), LINK | BLOB);
        drop_waiting(place);
    }
}

static void elsewhere_only_the_bytes_are_touched(void **state) {
    struct place *place = *state;
    condemn(place, 1);
    struct rsw_event event = event_of(RSW_EVENT_MOUNT, OCTETS, 1);
    strcpy(event.repository, "other");
    assert_true(apply(place, &event).touched);
    assert_int_equal(waiting(place), BLOB);
}

static void what_is_not_condemned_is_not_touched(void **state) {
    struct place *place = *state;
    condemn(place, 1);
    struct rsw_event event = event_of(RSW_EVENT_PUSH, OCTETS, 2);
    assert_false(apply(place, &event).touched);
    assert_int_equal(waiting(place), 0);
}

static void a_delete_touches_nothing(void **state) {
    struct place *place = *state;
    condemn(place, 1);
    struct rsw_event event = event_of(RSW_EVENT_DELETE, "", 1);
    struct rsw_applied applied = apply(place, &event);
    assert_true(applied.asked);
    assert_false(applied.touched);
    strcpy(event.useragent, OURS);
    assert_true(apply(place, &event).asked);
}

static void a_tag_that_is_pushed_or_pulled_is_touched(void **state) {
    static const enum rsw_event_action actions[] = {RSW_EVENT_PUSH, RSW_EVENT_PULL};
    struct place *place = *state;
    condemn(place, 1);
    for (size_t i = 0; i < 2; i++) {
        struct rsw_event event = event_of(actions[i], MANIFEST, 2);
        strcpy(event.tag, "weak");
        assert_true(apply(place, &event).touched);
        assert_int_equal(waiting(place) & TAG, TAG);
        drop_waiting(place);
    }
}

/* An open generation with so many tags of a/b, each with a head of its own. */
static void condemn_tags(struct place *place, uint32_t count) {
    struct rsw_txn *txn = begin_write(place);
    struct rsw_generation generation = {.state = RSW_GENERATION_UNLINKED, .run = RUN};
    rsw_generation_add(txn, &generation);
    struct rsw_item item = {.generation = generation.id,
                            .kind = RSW_ITEM_TAG,
                            .repo = rsw_fact_repo(txn, "a/b", place->now_ms),
                            .state = RSW_ITEM_ASIDE};
    for (uint32_t i = 1; i <= count; i++) {
        item.blob = i;
        snprintf(item.name, sizeof item.name, "v%u", i);
        rsw_item_put(txn, &item);
    }
    commit(&txn);
}

/* Microseconds, the quickest of some. */
static int64_t cost_of_a_touch(struct place *place, const char *tag) {
    int64_t best = INT64_MAX;
    struct rsw_txn *txn = begin_write(place);
    uint32_t repo = rsw_fact_repo(txn, "a/b", place->now_ms);
    for (int i = 0; i < 10; i++) {
        struct timespec begin;
        struct timespec end;
        clock_gettime(CLOCK_MONOTONIC, &begin);
        assert_true(rsw_touch_tag(txn, repo, tag));
        clock_gettime(CLOCK_MONOTONIC, &end);
        int64_t us = (end.tv_sec - begin.tv_sec) * INT64_C(1000000) + (end.tv_nsec - begin.tv_nsec) / 1000;
        best = us < best ? us : best;
    }
    commit(&txn);
    return best;
}

static void a_touch_of_a_tag_costs_the_same_however_many_are_condemned(void **state) {
    struct place *place = *state;
    condemn_tags(place, 20000);
    int64_t us = cost_of_a_touch(place, "v10000");
    print_message("a touch among 20,000 condemned tags: %lld us\n", (long long)us);
    assert_true(us < 2000); /* a walk past all of them takes five times that, with sanitizers */
    assert_int_equal(waiting(place), TAG);
    struct rsw_txn *txn = begin_read(place);
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_item item;
    uint64_t queued;
    rsw_iter_touched(&iter, txn);
    assert_int_equal(rsw_touched_next(&iter, &item, &queued), RSW_FOUND);
    assert_string_equal(item.name, "v10000"); /* no other one that begins so */
    assert_int_equal(rsw_touched_next(&iter, &item, &queued), RSW_ABSENT);
    rsw_iter_end(&iter);
    rsw_txn_abort(&txn);
}

static void our_own_pull_touches_nothing(void **state) {
    struct place *place = *state;
    condemn(place, 1);
    struct rsw_event event = event_of(RSW_EVENT_PULL, OCTETS, 1);
    strcpy(event.useragent, OURS);
    struct rsw_applied applied = apply(place, &event);
    assert_false(applied.touched || applied.asked || applied.changed);
    assert_false(has_member(place, RSW_LINK, "a/b", 1)); /* not even believed: it can come out of a cache */
    assert_int_equal(waiting(place), 0);
    strcpy(event.useragent, "regsweep/1.0 (run 0123456789abcdee)");
    assert_true(apply(place, &event).touched);
}

static void whoever_pushes_is_never_taken_for_us(void **state) {
    static const enum rsw_event_action actions[] = {RSW_EVENT_PUSH, RSW_EVENT_MOUNT};
    struct place *place = *state;
    condemn(place, 1);
    for (size_t i = 0; i < 2; i++) {
        struct rsw_event event = event_of(actions[i], OCTETS, 1);
        strcpy(event.useragent, OURS);
        assert_true(apply(place, &event).touched);
        drop_waiting(place);
    }
}

static void the_nonce_of_what_has_ended_is_nobodys(void **state) {
    struct place *place = *state;
    condemn(place, 1);
    struct rsw_txn *txn = begin_write(place);
    struct rsw_generation generation;
    assert_int_equal(rsw_generation_get(txn, 1, &generation), RSW_FOUND);
    generation.state = RSW_GENERATION_PURGED;
    rsw_generation_put(txn, &generation);
    commit(&txn);
    struct rsw_event event = event_of(RSW_EVENT_PULL, OCTETS, 1);
    strcpy(event.useragent, OURS);
    assert_false(apply(place, &event).touched);
    assert_true(has_member(place, RSW_LINK, "a/b", 1));
}

/* The push of a manifest that the registry took out of a stale cache: it names a link that is gone. */
static void a_known_manifest_in_a_new_place_has_what_it_names_looked_at(void **state) {
    struct place *place = *state;
    struct rsw_digest digest = digest_number(7);
    const struct rsw_ref ref = {.digest = digest_number(1), .kind = RSW_REF_LAYER};
    condemn(place, 1);
    struct rsw_txn *txn = begin_write(place);
    uint32_t manifest = rsw_fact_blob(txn, &digest, 10, place->now_ms);
    rsw_refs_put(txn, manifest, RSW_TYPE_MANIFEST, true, &ref, 1, place->now_ms);
    commit(&txn);
    struct rsw_event event = event_of(RSW_EVENT_PUSH, MANIFEST, 7);
    assert_true(apply(place, &event).touched);
    assert_int_equal(waiting(place), REVISION);
    drop_waiting(place);
    event.action = RSW_EVENT_PULL;
    assert_false(apply(place, &event).touched); /* a moment later: nothing new */
    place->now_ms += RSW_TOUCH_STEP_MS;
    assert_true(apply(place, &event).touched);
}

/* ---- what is read after its push ---- */

static uint32_t intern(struct rsw_txn *txn, uint64_t number) {
    struct rsw_digest digest = digest_number(number);
    return rsw_blob_intern(txn, &digest, 1);
}

static void put_manifest(struct rsw_txn *txn, uint64_t number, uint64_t names, enum rsw_ref_kind kind) {
    const struct rsw_ref ref = {.digest = digest_number(names), .kind = (uint8_t)kind};
    rsw_refs_put(txn, intern(txn, number), RSW_TYPE_MANIFEST, true, &ref, 1, 1);
}

static void a_manifest_that_is_read_is_touched_where_it_is_and_where_an_index_names_it(void **state) {
    struct place *place = *state;
    condemn(place, 1);
    struct rsw_txn *txn = begin_write(place);
    const char *const names[] = {"with/revision", "with/link", "with/index", "with/nothing",
                                 "with/tombstone"};
    uint32_t repos[5];
    for (size_t i = 0; i < 5; i++) {
        repos[i] = rsw_fact_repo(txn, names[i], 1);
    }
    put_manifest(txn, 10, 1, RSW_REF_LAYER);
    put_manifest(txn, 11, 10, RSW_REF_CHILD);
    put_manifest(txn, 12, 11, RSW_REF_CHILD);
    put_manifest(txn, 13, 10, RSW_REF_SUBJECT);
    struct rsw_member member = {
        .blob = intern(txn, 10), .target = intern(txn, 10), .flags = RSW_MEMBER_PRESENT};
    member.repo = repos[0];
    rsw_member_put(txn, RSW_REVISION, &member);
    member.repo = repos[1];
    rsw_member_put(txn, RSW_LINK, &member);
    member.repo = repos[4];
    member.flags = RSW_MEMBER_SEEN;
    rsw_member_put(txn, RSW_REVISION, &member);
    member = (struct rsw_member){.repo = repos[2], .blob = intern(txn, 12), .target = intern(txn, 12)};
    member.flags = RSW_MEMBER_PRESENT;
    rsw_member_put(txn, RSW_REVISION, &member);
    member = (struct rsw_member){.repo = repos[3], .blob = intern(txn, 13), .target = intern(txn, 13)};
    member.flags = RSW_MEMBER_PRESENT;
    rsw_member_put(txn, RSW_REVISION, &member);
    rsw_touch_read(txn, intern(txn, 10));
    commit(&txn);
    RSW_AUTO_TXN reading = begin_read(place);
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_item item;
    uint64_t queued;
    unsigned seen = 0;
    rsw_iter_touched(&iter, reading);
    while (rsw_touched_next(&iter, &item, &queued) == RSW_FOUND) {
        for (unsigned i = 0; i < 5; i++) {
            seen |= item.repo == repos[i] ? 1u << i : 0;
        }
    }
    assert_int_equal(seen, 7);
}

/* ---- instances and fences ---- */

static void tally(struct place *place, struct rsw_tally *t, const struct rsw_event *event) {
    struct rsw_txn *txn = begin_write(place);
    if (rsw_tally_event(t, txn, event, place->now_ms)) {
        rsw_tally_write(t, txn);
        commit(&txn);
        rsw_tally_settle(t, true);
    } else {
        commit(&txn);
        rsw_tally_settle(t, false);
    }
}

static struct rsw_instance instance_of(struct place *place, const char *id) {
    RSW_AUTO_TXN txn = begin_read(place);
    struct rsw_instance record;
    assert_int_equal(rsw_instance_get(txn, id, &record), RSW_FOUND);
    return record;
}

static void a_process_not_heard_before_is_a_gap_once(void **state) {
    struct place *place = *state;
    struct rsw_tally *t = calloc(1, sizeof *t);
    struct rsw_event event = event_of(RSW_EVENT_PULL, OCTETS, 1);
    tally(place, t, &event);
    struct rsw_state first = state_of(place);
    assert_true(first.gap_seq > 0);
    assert_string_equal(first.gap_reason,
                        "a registry process that was not heard before (one at registry:5000): "
                        "events of the one before it may be lost");
    tally(place, t, &event);
    memset(t, 0, sizeof *t); /* serve is started anew: the index knows it */
    tally(place, t, &event);
    assert_int_equal(state_of(place).gap_seq, first.gap_seq);
    assert_int_equal(instance_of(place, "one").events, 1);
    strcpy(event.instance_id, "two");
    tally(place, t, &event);
    assert_true(state_of(place).gap_seq > first.gap_seq);
    free(t);
}

static void a_batch_that_failed_leaves_a_new_process_new(void **state) {
    struct place *place = *state;
    struct rsw_tally *t = calloc(1, sizeof *t);
    struct rsw_event event = event_of(RSW_EVENT_PULL, OCTETS, 1);
    struct rsw_txn *txn = begin_write(place);
    assert_true(rsw_tally_event(t, txn, &event, place->now_ms));
    rsw_txn_abort(&txn);
    rsw_tally_forget(t);
    tally(place, t, &event);
    assert_true(state_of(place).gap_seq > 0);
    assert_int_equal(instance_of(place, "one").events, 1);
    free(t);
}

static void more_processes_than_places_are_gaps_too(void **state) {
    struct place *place = *state;
    struct rsw_tally *t = calloc(1, sizeof *t);
    struct rsw_txn *txn = begin_write(place);
    struct rsw_event event = event_of(RSW_EVENT_PULL, OCTETS, 1);
    for (unsigned i = 0; i <= RSW_TALLY_INSTANCES; i++) {
        snprintf(event.instance_id, sizeof event.instance_id, "process %u", i);
        snprintf(event.useragent, sizeof event.useragent, "regsweep/1.0 (fence mark-%u)", i);
        rsw_tally_event(t, txn, &event, place->now_ms);
    }
    rsw_tally_write(t, txn);
    commit(&txn);
    assert_string_equal(instance_of(place, event.instance_id).fence_layer, "mark-64");
    assert_non_null(strstr(state_of(place).gap_reason, "process 64"));
    free(t);
}

static void a_fence_stands_in_its_instance_beside_the_counts(void **state) {
    struct place *place = *state;
    struct rsw_tally *t = calloc(1, sizeof *t);
    struct rsw_event layer = event_of(RSW_EVENT_PULL, OCTETS, 1);
    struct rsw_event manifest = event_of(RSW_EVENT_PULL, MANIFEST, 2);
    struct rsw_event plain = event_of(RSW_EVENT_PUSH, OCTETS, 3);
    strcpy(layer.useragent, "regsweep/1.0 (fence abc-0)");
    strcpy(manifest.useragent, "regsweep/1.0 (fence def-0)");
    strcpy(plain.useragent, "regsweep/1.0 (fence forged-0)"); /* only a pull passes a fence */
    tally(place, t, &plain);
    tally(place, t, &layer);
    assert_string_equal(instance_of(place, "one").fence_layer, "abc-0");
    assert_string_equal(instance_of(place, "one").fence_manifest, "");
    tally(place, t, &manifest);
    struct rsw_txn *txn = begin_write(place);
    rsw_tally_write(t, txn);
    commit(&txn);
    struct rsw_instance record = instance_of(place, "one");
    assert_string_equal(record.fence_layer, "abc-0");
    assert_string_equal(record.fence_manifest, "def-0");
    assert_int_equal(record.events, 3);
    free(t);
}

/* ---- the heartbeat ---- */

static void beat(struct place *place) {
    struct rsw_error err = RSW_ERROR_INIT;
    assert_int_equal(rsw_beat_first(place->index, &place->clock, NULL, &err), 0);
    assert_int_equal(state_of(place).beat_ms, place->now_ms);
}

static void a_first_start_and_a_quick_one_are_no_gap(void **state) {
    struct place *place = *state;
    beat(place);
    place->now_ms += RSW_BEAT_OLD_MS;
    beat(place);
    assert_int_equal(state_of(place).gap_seq, 0);
}

static void a_late_start_is_a_gap_with_its_times(void **state) {
    struct place *place = *state;
    beat(place);
    place->now_ms += RSW_BEAT_OLD_MS + 1;
    beat(place);
    assert_true(state_of(place).gap_seq > 0);
    assert_string_equal(state_of(place).gap_reason,
                        "serve did not run from 2027-01-15T08:00:00.000Z to 2027-01-15T08:01:00.001Z");
}

static void a_clock_that_jumped_back_is_a_gap(void **state) {
    struct place *place = *state;
    beat(place);
    place->now_ms -= 1;
    beat(place);
    assert_true(state_of(place).gap_seq > 0);
    assert_non_null(strstr(state_of(place).gap_reason, "the clock has jumped back"));
}

static int64_t steady_ms;

static void steady(void *arg, struct rsw_steady *out) {
    (void)arg;
    *out = (struct rsw_steady){.ms = steady_ms, .boot = "one"};
}

/* The clock was set back by as much as serve was down. */
static void a_late_start_is_a_gap_whatever_the_clock_says(void **state) {
    struct place *place = *state;
    place->clock.steady = steady;
    steady_ms = 1000;
    beat(place);
    steady_ms += RSW_BEAT_OLD_MS;
    beat(place);
    assert_int_equal(state_of(place).gap_seq, 0);
    steady_ms += RSW_BEAT_OLD_MS + 1;
    beat(place);
    assert_true(state_of(place).gap_seq > 0);
}

static void the_last_beat_is_written_at_the_end(void **state) {
    struct place *place = *state;
    struct rsw_beat *thread = NULL;
    struct rsw_error err = RSW_ERROR_INIT;
    beat(place);
    assert_int_equal(rsw_beat_start(&thread, place->index, &place->clock, NULL, &err), 0);
    place->now_ms += 5000;
    rsw_beat_stop(thread);
    rsw_beat_stop(NULL);
    assert_int_equal(state_of(place).beat_ms, place->now_ms);
    assert_int_equal(state_of(place).gap_seq, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_setup, place_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_push_a_mount_and_a_pull_touch),
        TEST(elsewhere_only_the_bytes_are_touched),
        TEST(what_is_not_condemned_is_not_touched),
        TEST(a_delete_touches_nothing),
        TEST(a_tag_that_is_pushed_or_pulled_is_touched),
        TEST(a_touch_of_a_tag_costs_the_same_however_many_are_condemned),
        TEST(our_own_pull_touches_nothing),
        TEST(whoever_pushes_is_never_taken_for_us),
        TEST(the_nonce_of_what_has_ended_is_nobodys),
        TEST(a_known_manifest_in_a_new_place_has_what_it_names_looked_at),
        TEST(a_manifest_that_is_read_is_touched_where_it_is_and_where_an_index_names_it),
        TEST(a_process_not_heard_before_is_a_gap_once),
        TEST(a_batch_that_failed_leaves_a_new_process_new),
        TEST(more_processes_than_places_are_gaps_too),
        TEST(a_fence_stands_in_its_instance_beside_the_counts),
        TEST(a_first_start_and_a_quick_one_are_no_gap),
        TEST(a_late_start_is_a_gap_with_its_times),
        TEST(a_clock_that_jumped_back_is_a_gap),
        TEST(a_late_start_is_a_gap_whatever_the_clock_says),
        TEST(the_last_beat_is_written_at_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
