/* Transactions, iterators, facts. */
#include "index_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void an_error_sticks_and_commit_gives_it_back(void **state) {
    struct rsw_index *index = open_index(*state);
    struct rsw_txn *txn = begin_write(index);
    struct rsw_digest digest = digest_number(1);
    char name[RSW_TAG_NAME_MAX + 2];
    memset(name, 't', sizeof name - 1);
    name[sizeof name - 1] = 0;
    struct rsw_tag tag;
    struct rsw_blob blob;
    uint32_t id = rsw_fact_blob(txn, &digest, 1, 1);
    assert_int_equal(rsw_tag_get(txn, 1, name, &tag), RSW_FAILED);
    expect_stuck(txn, RSW_EINVAL);
    assert_int_equal(rsw_blob_get(txn, id, &blob), RSW_FAILED); /* which is there, but nobody asks any more */
    assert_int_equal(rsw_blob_intern(txn, &digest, 1), 0);
    assert_int_equal(rsw_fact_repo(txn, "a", 1), 0);
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    rsw_iter_blobs(&iter, txn);
    assert_int_equal(rsw_blob_next(&iter, &blob), RSW_FAILED);
    struct rsw_error err = RSW_ERROR_INIT;
    assert_int_equal(rsw_txn_commit(&txn, &err), -1);
    assert_null(txn);
    assert_int_equal(err.code, RSW_EINVAL);
    txn = begin_read(index);
    assert_int_equal(rsw_blob_find(txn, &digest, &blob), RSW_ABSENT);
    rsw_txn_abort(&txn);
    rsw_index_close(index);
}

static void names_that_cannot_be_are_refused(void **state) {
    struct rsw_index *index = open_index(*state);
    char name[RSW_REPO_NAME_MAX + 2];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = 0;
    for (int way = 0; way < 8; way++) {
        struct rsw_txn *txn = begin_write(index);
        struct rsw_repo repo;
        struct rsw_upload upload;
        struct rsw_instance instance;
        struct rsw_check check;
        const char *bad = way % 2 == 0 ? name : "";
        if (way < 2) {
            assert_int_equal(rsw_repo_find(txn, bad, &repo), RSW_FAILED);
        } else if (way < 4) {
            assert_int_equal(rsw_upload_get(txn, 1, bad, &upload), RSW_FAILED);
        } else if (way < 6) {
            assert_int_equal(rsw_instance_get(txn, bad, &instance), RSW_FAILED);
        } else {
            assert_int_equal(rsw_check_get(txn, RSW_CHECK_TAG, 1, 1, name, &check), RSW_FAILED);
        }
        expect_stuck(txn, RSW_EINVAL);
        rsw_txn_abort(&txn);
    }
    rsw_index_close(index);
}

static void a_read_transaction_does_not_write(void **state) {
    struct rsw_index *index = open_index(*state);
    struct rsw_txn *txn = begin_read(index);
    rsw_fact_repo(txn, "a", 1);
    expect_stuck(txn, RSW_EINVAL);
    rsw_txn_abort(&txn);
    rsw_index_close(index);
}

static void a_second_write_transaction_of_a_thread_is_refused_not_waited_for(void **state) {
    struct rsw_index *index = open_index(*state);
    struct rsw_txn *txn = begin_write(index);
    struct rsw_txn *second = NULL;
    struct rsw_error err = RSW_ERROR_INIT;
    assert_int_equal(rsw_txn_begin_write(&second, index, &err), -1);
    assert_int_equal(err.code, RSW_EINVAL);
    rsw_txn_abort(&txn);
    rsw_index_close(index);
}

static void every_commit_has_the_next_number_and_an_aborted_one_none(void **state) {
    struct rsw_index *index = open_index(*state);
    struct rsw_txn *txn = begin_read(index);
    uint64_t seq = rsw_txn_seq(txn);
    rsw_txn_abort(&txn);
    txn = begin_write(index);
    assert_int_equal(rsw_txn_seq(txn), seq + 1);
    rsw_fact_repo(txn, "a", 1);
    rsw_txn_abort(&txn);
    txn = begin_write(index);
    assert_int_equal(rsw_txn_seq(txn), seq + 1);
    rsw_fact_repo(txn, "a", 1);
    commit(&txn);
    txn = begin_read(index);
    assert_int_equal(rsw_txn_seq(txn), seq + 1);
    rsw_txn_abort(&txn);
    rsw_index_close(index);
}

/* ---- iterators ---- */

#define MANY 5000

static void put_many(struct rsw_txn *txn, uint32_t repo) {
    for (uint32_t blob = 1; blob <= MANY; blob++) {
        struct rsw_member member = {.repo = repo, .blob = blob, .target = blob, .touched_ms = blob};
        rsw_member_put(txn, RSW_LINK, &member);
    }
}

static void every_record_is_met_once_while_each_is_dropped(void **state) {
    struct rsw_index *index = open_index(*state);
    struct rsw_txn *txn = begin_write(index);
    put_many(txn, 1);
    put_many(txn, 2);
    commit(&txn);
    txn = begin_write(index);
    struct rsw_member member;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    rsw_iter_members(&iter, txn, RSW_LINK, 1);
    for (uint32_t blob = 1; blob <= MANY; blob++) {
        assert_int_equal(rsw_member_next(&iter, &member), RSW_FOUND);
        assert_int_equal(member.blob, blob);
        rsw_member_drop(txn, RSW_LINK, 1, blob);
    }
    assert_int_equal(rsw_member_next(&iter, &member), RSW_ABSENT);
    commit(&txn);
    rsw_iter_end(&iter);
    txn = begin_read(index);
    rsw_iter_members(&iter, txn, RSW_LINK, 0);
    for (uint32_t blob = 1; blob <= MANY; blob++) {
        assert_int_equal(rsw_member_next(&iter, &member), RSW_FOUND);
        assert_int_equal(member.repo, 2);
    }
    assert_int_equal(rsw_member_next(&iter, &member), RSW_ABSENT);
    rsw_txn_abort(&txn);
    rsw_index_close(index);
}

static void changes_at_random_while_walking_lose_and_double_nothing(void **state) {
    struct rsw_index *index = open_index(*state);
    struct rsw_txn *txn = begin_write(index);
    static bool there[3 * MANY];
    unsigned random = 12345;
    memset(there, 0, sizeof there);
    for (uint32_t blob = 1; blob < 3 * MANY; blob += 2) {
        struct rsw_member member = {.repo = 1, .blob = blob, .target = blob};
        rsw_member_put(txn, RSW_LINK, &member);
        there[blob] = true;
    }
    struct rsw_member met;
    uint32_t last = 0;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    rsw_iter_members(&iter, txn, RSW_LINK, 1);
    while (rsw_member_next(&iter, &met) == RSW_FOUND) {
        for (uint32_t blob = last + 1; blob < met.blob; blob++) {
            assert_false(there[blob]); /* nothing was passed over */
        }
        assert_true(met.blob > last && there[met.blob]);
        last = met.blob;
        random = random * 1103515245 + 12345;
        uint32_t other = 1 + (random >> 8) % (3 * MANY - 1);
        struct rsw_member member = {.repo = 1, .blob = other, .target = other, .touched_ms = 7};
        if (random >> 30 == 0) {
            rsw_member_put(txn, RSW_LINK, &member);
            there[other] = true;
        } else if (random >> 30 == 1) {
            rsw_member_drop(txn, RSW_LINK, 1, other);
            there[other] = false;
        } else if (random >> 30 == 2) {
            rsw_member_drop(txn, RSW_LINK, 1, met.blob);
            there[met.blob] = false;
        }
    }
    for (uint32_t blob = last + 1; blob < 3 * MANY; blob++) {
        assert_false(there[blob]);
    }
    for (uint32_t blob = 1; blob < 3 * MANY; blob++) {
        assert_int_equal(rsw_member_get(txn, RSW_LINK, 1, blob, &met), there[blob] ? RSW_FOUND : RSW_ABSENT);
    }
    commit(&txn);
    struct rsw_error err = RSW_ERROR_INIT;
    assert_int_equal(rsw_index_check(index, &err), 0);
    rsw_index_close(index);
}

/* Number i, of one algorithm or another, so that digests of several lengths share a record. */
static struct rsw_digest mixed_digest(uint32_t i) {
    struct rsw_digest digest = digest_number(i);
    struct rsw_digest more = digest_number(i + 100000);
    digest.alg = i % 3 == 0 ? RSW_SHA512 : i % 3 == 1 ? RSW_SHA256 : RSW_SHA384;
    memcpy(digest.bytes + 32, more.bytes, rsw_alg_size(digest.alg) - 32);
    return digest;
}

static void expect_blob(struct rsw_txn *txn, uint32_t i, const struct rsw_blob *blob) {
    struct rsw_digest digest = mixed_digest(i);
    struct rsw_digest alone;
    assert_true(rsw_digest_equal(&blob->digest, &digest));
    assert_int_equal(blob->size, i * 7);
    assert_int_equal(rsw_blob_digest(txn, blob->id, &alone), RSW_FOUND);
    assert_true(rsw_digest_equal(&alone, &digest));
}

static void blobs_come_and_go_while_walking_without_harm_to_their_neighbours(void **state) {
    struct rsw_index *index = open_index(*state);
    struct rsw_txn *txn = begin_write(index);
    struct rsw_blob blob;
    for (uint32_t i = 1; i <= 500; i++) {
        struct rsw_digest digest = mixed_digest(i);
        assert_int_equal(rsw_blob_intern(txn, &digest, 1), i);
        assert_int_equal(rsw_blob_get(txn, i, &blob), RSW_FOUND);
        blob.size = i * 7;
        rsw_blob_put(txn, &blob);
    }
    uint32_t met = 0;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    rsw_iter_blobs(&iter, txn);
    while (rsw_blob_next(&iter, &blob) == RSW_FOUND) {
        met++;
        assert_int_equal(blob.id, met);
        expect_blob(txn, met, &blob);
        if (met % 4 != 0 || (met > 100 && met < 200)) { /* whole records too */
            rsw_blob_drop(txn, met);
        }
        if (met == 500) { /* one more, behind */
            struct rsw_digest digest = mixed_digest(501);
            assert_int_equal(rsw_blob_intern(txn, &digest, 1), 501);
            assert_int_equal(rsw_blob_get(txn, 501, &blob), RSW_FOUND);
            blob.size = 501 * 7;
            rsw_blob_put(txn, &blob);
        }
    }
    assert_int_equal(met, 501);
    commit(&txn);
    struct rsw_error err = RSW_ERROR_INIT;
    assert_int_equal(rsw_index_check(index, &err), 0);
    txn = begin_read(index);
    for (uint32_t i = 1; i <= 501; i++) {
        bool gone = i % 4 != 0 || (i > 100 && i < 200);
        struct rsw_digest digest = mixed_digest(i);
        assert_int_equal(rsw_blob_find(txn, &digest, &blob), gone ? RSW_ABSENT : RSW_FOUND);
        assert_int_equal(rsw_blob_get(txn, i, &blob), gone ? RSW_ABSENT : RSW_FOUND);
        if (gone) {
            assert_int_equal(rsw_blob_digest(txn, i, &digest), RSW_ABSENT);
        } else {
            expect_blob(txn, i, &blob);
        }
    }
    rsw_txn_abort(&txn);
    rsw_index_close(index);
}

static void an_iterator_may_be_ended_twice_and_after_its_transaction(void **state) {
    struct rsw_index *index = open_index(*state);
    struct rsw_txn *txn = begin_write(index);
    put_many(txn, 1);
    struct rsw_member member;
    RSW_AUTO_ITER first = RSW_ITER_INIT;
    RSW_AUTO_ITER second = RSW_ITER_INIT;
    rsw_iter_members(&first, txn, RSW_LINK, 1);
    rsw_iter_members(&second, txn, RSW_LINK, 1);
    assert_int_equal(rsw_member_next(&first, &member), RSW_FOUND);
    rsw_iter_members(&first, txn, RSW_LINK, 1); /* opened anew without an end */
    assert_int_equal(rsw_member_next(&first, &member), RSW_FOUND);
    assert_int_equal(member.blob, 1);
    rsw_iter_end(&first);
    rsw_iter_end(&first);
    commit(&txn);
    assert_int_equal(rsw_member_next(&second, &member), RSW_FAILED); /* which is not the end of the table */
    rsw_iter_end(&second);
    rsw_iter_end(&second);
    txn = begin_read(index);
    rsw_iter_members(&second, txn, RSW_LINK, 1);
    rsw_txn_abort(&txn);
    rsw_index_close(index);
}

/* ---- facts ---- */

static struct rsw_member link_of(struct rsw_txn *txn, uint32_t repo, uint32_t blob) {
    struct rsw_member member = {0};
    assert_int_equal(rsw_member_get(txn, RSW_LINK, repo, blob, &member), RSW_FOUND);
    return member;
}

static void an_absence_does_not_take_back_what_was_claimed_since_the_look(void **state) {
    struct rsw_index *index = open_index(*state);
    struct rsw_digest digest = digest_number(1);
    struct rsw_txn *txn = begin_write(index);
    uint32_t blob = rsw_fact_blob(txn, &digest, 5, 10);
    rsw_fact_touch(txn, RSW_LINK, 1, blob, 10, 0);
    commit(&txn);
    txn = begin_read(index);
    uint64_t looked = rsw_txn_seq(txn);
    rsw_txn_abort(&txn);
    /* Storage was asked, and said no. Before that answer is written down, a push comes. */
    txn = begin_write(index);
    rsw_fact_blob(txn, &digest, RSW_SIZE_UNKNOWN, 20);
    rsw_fact_touch(txn, RSW_LINK, 1, blob, 20, 0);
    commit(&txn);
    struct rsw_blob record;
    txn = begin_write(index);
    rsw_fact_member_absent(txn, RSW_LINK, 1, blob, looked, true);
    rsw_fact_blob_absent(txn, blob, looked, 30, true);
    assert_int_equal(link_of(txn, 1, blob).flags, RSW_MEMBER_PRESENT);
    assert_int_equal(rsw_blob_get(txn, blob, &record), RSW_FOUND);
    assert_int_equal(record.flags, RSW_BLOB_PRESENT);
    assert_int_equal(record.size, 5);
    commit(&txn);
    txn = begin_read(index);
    looked = rsw_txn_seq(txn);
    rsw_txn_abort(&txn);
    txn = begin_write(index);
    rsw_fact_member_absent(txn, RSW_LINK, 1, blob, looked, true);
    rsw_fact_blob_absent(txn, blob, looked, 30, false);
    assert_int_equal(link_of(txn, 1, blob).flags, RSW_MEMBER_SEEN);
    assert_int_equal(link_of(txn, 1, blob).touched_ms, 20); /* a tombstone remains */
    assert_int_equal(rsw_blob_get(txn, blob, &record), RSW_FOUND);
    assert_int_equal(record.flags, 0);
    assert_int_equal(record.missing_since_ms, 30);
    rsw_fact_blob_absent(txn, blob, looked, 40, true);
    assert_int_equal(rsw_blob_get(txn, blob, &record), RSW_FOUND);
    assert_int_equal(record.missing_since_ms, 30);
    assert_int_equal(record.flags, 0); /* wanted as a layer only: not GONE */
    commit(&txn);
    rsw_index_close(index);
}

static void a_manifest_is_gone_after_the_final_look_and_back_when_it_is_pushed(void **state) {
    struct rsw_index *index = open_index(*state);
    for (uint64_t way = 0; way < 3; way++) {
        struct rsw_txn *txn = begin_write(index);
        struct rsw_digest digest = digest_number(way);
        struct rsw_digest parent_digest = digest_number(100);
        struct rsw_ref ref = {.digest = digest, .kind = RSW_REF_CHILD};
        struct rsw_blob blob;
        uint32_t id = rsw_blob_intern(txn, &digest, 1);
        if (way == 0) {
            rsw_fact_touch(txn, RSW_REVISION, 1, id, 1, 0);
        } else if (way == 1) {
            rsw_refs_put(txn, rsw_blob_intern(txn, &parent_digest, 1), 0, true, &ref, 1, 1);
        } else {
            rsw_refs_put(txn, id, RSW_TYPE_INDEX, true, NULL, 0, 1);
        }
        rsw_fact_blob_absent(txn, id, UINT64_MAX, 5, false);
        assert_int_equal(rsw_blob_get(txn, id, &blob), RSW_FOUND);
        assert_int_equal(blob.flags & RSW_BLOB_GONE, 0);
        rsw_fact_blob_absent(txn, id, UINT64_MAX, 6, true);
        assert_int_equal(rsw_blob_get(txn, id, &blob), RSW_FOUND);
        assert_int_equal(blob.flags & RSW_BLOB_GONE, RSW_BLOB_GONE);
        rsw_fact_blob(txn, &digest, 3, 7);
        assert_int_equal(rsw_blob_get(txn, id, &blob), RSW_FOUND);
        assert_int_equal(blob.flags & (RSW_BLOB_GONE | RSW_BLOB_PRESENT), RSW_BLOB_PRESENT);
        assert_int_equal(blob.missing_since_ms, 0);
        commit(&txn);
    }
    rsw_index_close(index);
}

static void touches_never_go_back_and_repeats_are_not_written(void **state) {
    struct rsw_index *index = open_index(*state);
    struct rsw_txn *txn = begin_write(index);
    assert_true(rsw_fact_touch(txn, RSW_LINK, 1, 2, 1000, 60));
    assert_false(rsw_fact_touch(txn, RSW_LINK, 1, 2, 1059, 60));
    assert_int_equal(link_of(txn, 1, 2).touched_ms, 1000);
    assert_true(rsw_fact_touch(txn, RSW_LINK, 1, 2, 1060, 60));
    assert_int_equal(link_of(txn, 1, 2).touched_ms, 1060);
    assert_true(rsw_fact_touch(txn, RSW_LINK, 1, 2, 500, 0)); /* a push, by a clock that was set back */
    assert_int_equal(link_of(txn, 1, 2).touched_ms, 1060);
    struct rsw_member seen = {.repo = 1, .blob = 2, .target = 3, .touched_ms = 900, .flags = RSW_MEMBER_SEEN};
    rsw_fact_member(txn, RSW_LINK, &seen);
    assert_int_equal(link_of(txn, 1, 2).touched_ms, 1060);
    assert_int_equal(link_of(txn, 1, 2).target, 3);
    rsw_fact_member_absent(txn, RSW_LINK, 1, 2, UINT64_MAX, false);
    assert_int_equal(link_of(txn, 1, 2).flags, RSW_MEMBER_SEEN);
    assert_true(rsw_fact_touch(txn, RSW_LINK, 1, 2, 1061, 60)); /* a tombstone comes back at once */
    assert_int_equal(link_of(txn, 1, 2).flags, RSW_MEMBER_PRESENT | RSW_MEMBER_SEEN);
    commit(&txn);
    rsw_index_close(index);
}

static void a_tag_event_keeps_the_old_head_in_the_history_until_storage_is_asked(void **state) {
    struct rsw_index *index = open_index(*state);
    struct rsw_txn *txn = begin_write(index);
    struct rsw_tag seen = {.repo = 1, .head = 7, .touched_ms = 5, .name = "t"};
    rsw_tag_put(txn, &seen); /* a scan saw current/link, but no entry in the history */
    rsw_fact_tag_event(txn, 1, "t", 8, 10, 20);
    struct rsw_tag tag;
    struct rsw_history entry;
    struct rsw_check check;
    assert_int_equal(rsw_tag_get(txn, 1, "t", &tag), RSW_FOUND);
    assert_int_equal(tag.head, 8);
    assert_int_equal(tag.flags, RSW_TAG_UNSETTLED);
    assert_int_equal(tag.touched_ms, 10);
    assert_int_equal(tag.seq, rsw_txn_seq(txn));
    assert_int_equal(rsw_history_get(txn, 1, "t", 7, &entry), RSW_FOUND);
    assert_int_equal(rsw_history_get(txn, 1, "t", 8, &entry), RSW_FOUND);
    assert_int_equal(entry.touched_ms, 10);
    assert_int_equal(rsw_check_get(txn, RSW_CHECK_TAG, 1, 0, "t", &check), RSW_FOUND);
    assert_int_equal(check.due_ms, 20);
    assert_int_equal(check.tries, 0);
    commit(&txn);
    rsw_index_close(index);
}

static void what_only_events_told_of_leaves_no_tombstone_and_changes_no_link(void **state) {
    struct rsw_index *index = open_index(*state);
    struct rsw_txn *txn = begin_write(index);
    struct rsw_member member;
    assert_true(rsw_fact_touch(txn, RSW_REVISION, 1, 2, 1000, 60));
    rsw_fact_member_absent(txn, RSW_REVISION, 1, 2, UINT64_MAX, false);
    assert_int_equal(rsw_member_get(txn, RSW_REVISION, 1, 2, &member), RSW_ABSENT);
    struct rsw_member seen = {.repo = 1, .blob = 2, .target = 3, .flags = RSW_MEMBER_SEEN | RSW_MEMBER_BAD};
    struct rsw_member event = {.repo = 1, .blob = 2, .target = 2, .touched_ms = 900};
    rsw_fact_member(txn, RSW_LINK, &seen);
    rsw_fact_member(txn, RSW_LINK, &event);
    assert_int_equal(link_of(txn, 1, 2).target, 3);
    assert_int_equal(link_of(txn, 1, 2).touched_ms, 900);
    assert_int_equal(link_of(txn, 1, 2).flags, RSW_MEMBER_PRESENT | RSW_MEMBER_SEEN | RSW_MEMBER_BAD);
    commit(&txn);
    rsw_index_close(index);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_setup, place_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(an_error_sticks_and_commit_gives_it_back),
        TEST(names_that_cannot_be_are_refused),
        TEST(a_read_transaction_does_not_write),
        TEST(a_second_write_transaction_of_a_thread_is_refused_not_waited_for),
        TEST(every_commit_has_the_next_number_and_an_aborted_one_none),
        TEST(every_record_is_met_once_while_each_is_dropped),
        TEST(changes_at_random_while_walking_lose_and_double_nothing),
        TEST(blobs_come_and_go_while_walking_without_harm_to_their_neighbours),
        TEST(an_iterator_may_be_ended_twice_and_after_its_transaction),
        TEST(an_absence_does_not_take_back_what_was_claimed_since_the_look),
        TEST(a_manifest_is_gone_after_the_final_look_and_back_when_it_is_pushed),
        TEST(touches_never_go_back_and_repeats_are_not_written),
        TEST(what_only_events_told_of_leaves_no_tombstone_and_changes_no_link),
        TEST(a_tag_event_keeps_the_old_head_in_the_history_until_storage_is_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
