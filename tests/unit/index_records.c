/* Records: what is put comes back, what is refused, what goes along with what. */
#include "index_support.h"

#include "index/pin.h"

#include <stdio.h>
#include <string.h>

static const char elsewhere = 0; /* in the program itself, far from any map */

static void close_all(struct rsw_txn **txn, struct rsw_index *index) {
    rsw_txn_abort(txn);
    rsw_index_close(index);
}

static struct rsw_index *reopen(struct rsw_index *index, const struct place *place) {
    rsw_index_close(index);
    return open_index(place);
}

static void state_comes_back_after_reopening(void **state) {
    struct rsw_index *index = open_index(*state);
    struct rsw_txn *txn = begin_write(index);
    struct rsw_state put;
    assert_int_equal(rsw_state_get(txn, &put), RSW_FOUND);
    assert_true(put.created_ms > 0);
    assert_string_equal(put.storage_url, "");
    put.scan_seq = 3;
    put.scan_started_ms = 4;
    put.scan_ended_ms = 5;
    put.events = 6;
    put.events_unusable = 7;
    put.first_event_ms = 8;
    put.last_event_ms = -9;
    memset(put.storage_url, 'u', sizeof put.storage_url - 1);
    rsw_state_put(txn, &put);
    rsw_state_gap(txn, 99, "serve was down");
    uint64_t seq = rsw_txn_seq(txn);
    commit(&txn);
    index = reopen(index, *state);
    txn = begin_read(index);
    struct rsw_state got;
    assert_int_equal(rsw_state_get(txn, &got), RSW_FOUND);
    assert_int_equal(got.scan_seq, 3);
    assert_int_equal(got.scan_started_ms, 4);
    assert_int_equal(got.scan_ended_ms, 5);
    assert_int_equal(got.events, 6);
    assert_int_equal(got.events_unusable, 7);
    assert_int_equal(got.first_event_ms, 8);
    assert_int_equal(got.last_event_ms, -9);
    assert_string_equal(got.storage_url, put.storage_url);
    assert_string_equal(got.gap_reason, "serve was down");
    assert_int_equal(got.gap_ms, 99);
    assert_int_equal(got.gap_seq, seq);
    assert_int_equal(got.next_blob, 1);
    assert_int_equal(got.next_generation, 1);
    close_all(&txn, index);
}

static void blobs_of_every_algorithm_come_back_by_id_and_by_digest(void **state) {
    struct rsw_index *index = open_index(*state);
    struct rsw_txn *txn = begin_write(index);
    struct rsw_digest digests[3];
    for (unsigned wide = RSW_SHA256; wide <= RSW_SHA512; wide++) {
        uint8_t alg = (uint8_t)wide;
        struct rsw_digest *digest = &digests[alg - 1];
        assert_int_equal(rsw_digest_of(digest, alg, "x", 1, NULL), 0);
        struct rsw_blob blob;
        uint32_t id = rsw_blob_intern(txn, digest, 10);
        assert_int_equal(id, alg);
        assert_int_equal(rsw_blob_intern(txn, digest, 20), id);
        assert_int_equal(rsw_blob_get(txn, id, &blob), RSW_FOUND);
        blob.types = RSW_TYPES_ALL;
        blob.flags = RSW_BLOB_PRESENT | RSW_BLOB_GONE;
        blob.size = UINT64_MAX - alg;
        blob.missing_since_ms = 30 + alg;
        blob.seq = 40 + alg;
        rsw_blob_put(txn, &blob);
    }
    commit(&txn);
    index = reopen(index, *state);
    txn = begin_read(index);
    for (unsigned wide = RSW_SHA256; wide <= RSW_SHA512; wide++) {
        uint8_t alg = (uint8_t)wide;
        struct rsw_blob blob;
        memset(&blob, 0xff, sizeof blob);
        assert_int_equal(rsw_blob_find(txn, &digests[alg - 1], &blob), RSW_FOUND);
        assert_int_equal(blob.id, alg);
        assert_memory_equal(&blob.digest, &digests[alg - 1], sizeof blob.digest);
        assert_int_equal(blob.types, RSW_TYPES_ALL);
        assert_int_equal(blob.flags, RSW_BLOB_PRESENT | RSW_BLOB_GONE);
        assert_true(blob.size == UINT64_MAX - alg);
        assert_int_equal(blob.first_seen_ms, 10);
        assert_int_equal(blob.missing_since_ms, 30 + alg);
        assert_int_equal(blob.seq, 40 + alg);
    }
    close_all(&txn, index);
}

static void pulls_are_written_down_now_and_then_and_go_with_their_revision(void **state) {
    struct rsw_index *index = open_index(*state);
    struct rsw_txn *txn = begin_write(index);
    int64_t at_ms = 0;
    assert_int_equal(rsw_pull_get(txn, 1, 2, &at_ms), RSW_ABSENT);
    rsw_pull_note(txn, 1, 2, 1000);
    rsw_pull_note(txn, 1, 2, 1000 + RSW_PULL_STEP_MS - 1);
    rsw_pull_note(txn, 1, 3, 7);
    commit(&txn);
    index = reopen(index, *state);
    txn = begin_write(index);
    assert_int_equal(rsw_pull_get(txn, 1, 2, &at_ms), RSW_FOUND);
    assert_int_equal(at_ms, 1000);
    rsw_pull_note(txn, 1, 2, 1000 + RSW_PULL_STEP_MS);
    assert_int_equal(rsw_pull_get(txn, 1, 2, &at_ms), RSW_FOUND);
    assert_int_equal(at_ms, 1000 + RSW_PULL_STEP_MS);
    rsw_member_put(txn, RSW_REVISION, &(struct rsw_member){.repo = 1, .blob = 2, .target = 2});
    rsw_member_drop(txn, RSW_REVISION, 1, 2);
    assert_int_equal(rsw_pull_get(txn, 1, 2, &at_ms), RSW_ABSENT);
    assert_int_equal(rsw_pull_get(txn, 1, 3, &at_ms), RSW_FOUND);
    close_all(&txn, index);
}

static struct rsw_deletion a_deletion(struct rsw_txn *txn, uint64_t named) {
    struct rsw_deletion deletion = {.kind = RSW_DELETION_IMAGE,
                                    .state = RSW_DELETION_WAITING,
                                    .created_ms = 7,
                                    .created_steady_ms = 8,
                                    .named = named,
                                    .target = "a/b:1",
                                    .note = "why"};
    rsw_deletion_add(txn, &deletion);
    return deletion;
}

static void deletions_come_back_with_what_they_name(void **state) {
    struct rsw_index *index = open_index(*state);
    struct rsw_txn *txn = begin_write(index);
    assert_false(rsw_forgotten_any(txn));
    struct rsw_deletion made = a_deletion(txn, 2);
    struct rsw_forgotten tag = {
        .kind = RSW_ITEM_TAG, .repo = 3, .head = 9, .deletion = made.id, .name = "latest"};
    struct rsw_forgotten revision = {.kind = RSW_ITEM_REVISION, .repo = 3, .blob = 9, .deletion = made.id};
    assert_true(rsw_forgotten_add(txn, &tag) && rsw_forgotten_add(txn, &revision));
    tag.deletion = 99; /* the first one has it */
    assert_false(rsw_forgotten_add(txn, &tag));
    commit(&txn);
    index = reopen(index, *state);
    txn = begin_read(index);
    struct rsw_deletion deletion;
    struct rsw_forgotten forgotten = {.kind = RSW_ITEM_TAG, .repo = 3, .name = "latest"};
    assert_int_equal(rsw_deletion_get(txn, 1, &deletion), RSW_FOUND);
    assert_int_equal(rsw_deletion_get(txn, 2, &deletion), RSW_ABSENT);
    assert_int_equal(deletion.kind, RSW_DELETION_IMAGE);
    assert_int_equal(deletion.seq, made.seq);
    assert_int_equal(deletion.created_ms, 7);
    assert_int_equal(deletion.created_steady_ms, 8);
    assert_string_equal(deletion.target, "a/b:1");
    assert_string_equal(deletion.note, "why");
    assert_int_equal(rsw_forgotten_get(txn, &forgotten), RSW_FOUND);
    assert_int_equal(forgotten.head, 9);
    assert_int_equal(forgotten.deletion, 1);
    assert_true(rsw_forgotten_any(txn));
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    rsw_iter_forgotten(&iter, txn, RSW_ITEM_REVISION, 3);
    assert_int_equal(rsw_forgotten_next(&iter, &forgotten), RSW_FOUND);
    assert_int_equal(forgotten.blob, 9);
    assert_int_equal(rsw_forgotten_next(&iter, &forgotten), RSW_ABSENT);
    close_all(&txn, index);
}

static void a_deletion_is_done_with_the_last_that_it_names(void **state) {
    struct rsw_index *index = open_index(*state);
    struct rsw_txn *txn = begin_write(index);
    struct rsw_deletion deletion = a_deletion(txn, 3);
    const struct rsw_forgotten revision = {
        .kind = RSW_ITEM_REVISION, .repo = 3, .blob = 9, .deletion = deletion.id};
    const struct rsw_forgotten repo = {.kind = RSW_ITEM_REPOSITORY, .repo = 3, .deletion = deletion.id};
    const struct rsw_forgotten tag = {.kind = RSW_ITEM_TAG, .repo = 3, .deletion = deletion.id, .name = "1"};
    rsw_forgotten_add(txn, &revision);
    rsw_forgotten_add(txn, &repo);
    rsw_forgotten_add(txn, &tag);
    rsw_forgotten_end(txn, &revision, true, 100);
    assert_int_equal(rsw_deletion_get(txn, 1, &deletion), RSW_FOUND);
    assert_int_equal(deletion.state, RSW_DELETION_WAITING);
    assert_int_equal(rsw_deletion_left(&deletion), 2);
    assert_false(rsw_forgotten_spare(txn, RSW_ITEM_REVISION, 4, 9, NULL, 150)); /* of another repository */
    assert_true(rsw_forgotten_spare(txn, RSW_ITEM_TAG, 3, 0, "1", 200));        /* and the repository */
    assert_int_equal(rsw_deletion_get(txn, 1, &deletion), RSW_FOUND);
    assert_int_equal(deletion.state, RSW_DELETION_DONE);
    assert_int_equal(deletion.changed_ms, 200);
    assert_int_equal(deletion.gone, 1);
    assert_int_equal(deletion.spared, 2);
    assert_false(rsw_forgotten_any(txn));
    close_all(&txn, index);
}

static void of_deletions_that_ended_the_last_are_remembered(void **state) {
    struct rsw_index *index = open_index(*state);
    struct rsw_txn *txn = begin_write(index);
    struct rsw_deletion deletion;
    for (int i = 0; i < RSW_DELETIONS_KEPT + 2; i++) {
        deletion = a_deletion(txn, 1);
        deletion.state = i == 0 ? RSW_DELETION_DONE : RSW_DELETION_WAITING;
        rsw_deletion_put(txn, &deletion);
    }
    assert_int_equal(rsw_deletion_get(txn, 1, &deletion), RSW_ABSENT);
    assert_int_equal(rsw_deletion_get(txn, 2, &deletion), RSW_FOUND); /* it waits */
    close_all(&txn, index);
}

static void a_deletion_that_ended_late_is_remembered_for_a_while(void **state) {
    struct rsw_index *index = open_index(*state);
    struct rsw_txn *txn = begin_write(index);
    struct rsw_deletion deletion;
    for (int i = 0; i < RSW_DELETIONS_KEPT + 3; i++) {
        a_deletion(txn, 1);
    }
    for (uint64_t id = 1; id <= 4; id++) {
        assert_int_equal(rsw_deletion_get(txn, id, &deletion), RSW_FOUND);
        deletion.state = id == 2 ? RSW_DELETION_WAITING : RSW_DELETION_DONE;
        deletion.changed_ms = 5;
        rsw_deletion_put(txn, &deletion);
    }
    rsw_deletions_drop_old(txn, RSW_DELETIONS_KEPT_MS);
    assert_int_equal(rsw_deletion_get(txn, 1, &deletion), RSW_FOUND);
    rsw_deletions_drop_old(txn, RSW_DELETIONS_KEPT_MS + 6);
    assert_int_equal(rsw_deletion_get(txn, 1, &deletion), RSW_ABSENT);
    assert_int_equal(rsw_deletion_get(txn, 2, &deletion), RSW_FOUND); /* it waits */
    assert_int_equal(rsw_deletion_get(txn, 3, &deletion), RSW_ABSENT);
    assert_int_equal(rsw_deletion_get(txn, 4, &deletion), RSW_FOUND); /* one of the last thousand */
    close_all(&txn, index);
}

static void pins_come_back_until_they_are_dropped(void **state) {
    struct rsw_index *index = open_index(*state);
    struct rsw_txn *txn = begin_write(index);
    const struct rsw_kept_pin put = {.text = "a/b:1", .created_ms = 5, .until_ms = 6, .note = "why"};
    const struct rsw_kept_pin other = {.text = "a/b:10"};
    struct rsw_kept_pin pin;
    rsw_kept_pin_put(txn, &put);
    rsw_kept_pin_put(txn, &other);
    commit(&txn);
    index = reopen(index, *state);
    txn = begin_write(index);
    assert_int_equal(rsw_kept_pin_get(txn, "a/b:1", &pin), RSW_FOUND);
    assert_int_equal(pin.created_ms, 5);
    assert_int_equal(pin.until_ms, 6);
    assert_string_equal(pin.note, "why");
    rsw_kept_pin_drop(txn, "a/b:1");
    assert_int_equal(rsw_kept_pin_get(txn, "a/b:1", &pin), RSW_ABSENT);
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    rsw_iter_kept_pins(&iter, txn);
    assert_int_equal(rsw_kept_pin_next(&iter, &pin), RSW_FOUND);
    assert_string_equal(pin.text, "a/b:10");
    assert_int_equal(rsw_kept_pin_next(&iter, &pin), RSW_ABSENT);
    rsw_iter_end(&iter);
    close_all(&txn, index);
}

static void repositories_come_back_by_id_and_by_name(void **state) {
    struct rsw_index *index = open_index(*state);
    struct rsw_txn *txn = begin_write(index);
    char longest[RSW_REPO_NAME_MAX + 1];
    memset(longest, 'r', RSW_REPO_NAME_MAX);
    longest[RSW_REPO_NAME_MAX] = 0;
    assert_int_equal(rsw_repo_intern(txn, longest, 1), 1);
    assert_int_equal(rsw_repo_intern(txn, "a/b", 2), 2);
    assert_int_equal(rsw_repo_intern(txn, longest, 3), 1);
    struct rsw_repo repo;
    assert_int_equal(rsw_repo_get(txn, 2, &repo), RSW_FOUND);
    repo.flags = RSW_REPO_PRESENT | RSW_REPO_ODD;
    repo.seq = 77;
    rsw_repo_put(txn, &repo);
    commit(&txn);
    index = reopen(index, *state);
    txn = begin_read(index);
    assert_int_equal(rsw_repo_find(txn, "a/b", &repo), RSW_FOUND);
    assert_int_equal(repo.flags, RSW_REPO_PRESENT | RSW_REPO_ODD);
    assert_int_equal(repo.seq, 77);
    assert_int_equal(repo.first_seen_ms, 2);
    assert_int_equal(rsw_repo_find(txn, longest, &repo), RSW_FOUND);
    assert_string_equal(repo.name, longest);
    assert_int_equal(rsw_repo_find(txn, "a", &repo), RSW_ABSENT);
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    rsw_iter_repo_names(&iter, txn);
    assert_int_equal(rsw_repo_name_next(&iter, &repo), RSW_FOUND);
    assert_int_equal(repo.id, 2);
    assert_int_equal(rsw_repo_name_next(&iter, &repo), RSW_FOUND);
    assert_int_equal(repo.id, 1);
    assert_int_equal(rsw_repo_name_next(&iter, &repo), RSW_ABSENT);
    close_all(&txn, index);
}

static void links_and_revisions_come_back_and_do_not_mix(void **state) {
    struct rsw_index *index = open_index(*state);
    struct rsw_txn *txn = begin_write(index);
    struct rsw_member link = {
        .repo = 3, .blob = 5, .target = 6, .flags = RSW_MEMBER_BAD, .touched_ms = -1, .seq = 9};
    rsw_member_put(txn, RSW_LINK, &link);
    commit(&txn);
    index = reopen(index, *state);
    txn = begin_read(index);
    struct rsw_member got;
    memset(&got, 0, sizeof got);
    assert_int_equal(rsw_member_get(txn, RSW_LINK, 3, 5, &got), RSW_FOUND);
    assert_int_equal(got.repo, 3);
    assert_int_equal(got.blob, 5);
    assert_int_equal(got.target, 6);
    assert_int_equal(got.flags, RSW_MEMBER_BAD);
    assert_int_equal(got.touched_ms, -1);
    assert_int_equal(got.seq, 9);
    assert_int_equal(rsw_member_get(txn, RSW_REVISION, 3, 5, &got), RSW_ABSENT);
    assert_int_equal(rsw_member_get(txn, RSW_LINK, 5, 3, &got), RSW_ABSENT);
    uint32_t repo = 0;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    rsw_iter_members_of(&iter, txn, RSW_LINK, 5);
    assert_int_equal(rsw_member_of_next(&iter, &repo), RSW_FOUND);
    assert_int_equal(repo, 3);
    assert_int_equal(rsw_member_of_next(&iter, &repo), RSW_ABSENT);
    rsw_iter_members_of(&iter, txn, RSW_LINK, 6); /* the target is linked nowhere itself */
    assert_int_equal(rsw_member_of_next(&iter, &repo), RSW_ABSENT);
    close_all(&txn, index);
}

static void tags_of_one_name_do_not_show_the_history_of_a_longer_one(void **state) {
    struct rsw_index *index = open_index(*state);
    struct rsw_txn *txn = begin_write(index);
    struct rsw_history entries[] = {{.repo = 1, .manifest = 7, .touched_ms = 5, .seq = 6, .tag = "v1"},
                                    {.repo = 1, .manifest = 8, .touched_ms = 5, .seq = 6, .tag = "v1"},
                                    {.repo = 1, .manifest = 7, .touched_ms = 5, .seq = 6, .tag = "v1.2"},
                                    {.repo = 2, .manifest = 7, .touched_ms = 5, .seq = 6, .tag = "v1"}};
    for (size_t i = 0; i < 4; i++) {
        rsw_history_put(txn, &entries[i]);
    }
    struct rsw_history got;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    rsw_iter_history(&iter, txn, 1, "v1");
    assert_int_equal(rsw_history_next(&iter, &got), RSW_FOUND);
    assert_int_equal(got.manifest, 7);
    assert_string_equal(got.tag, "v1");
    assert_int_equal(got.touched_ms, 5);
    assert_int_equal(rsw_history_next(&iter, &got), RSW_FOUND);
    assert_int_equal(got.manifest, 8);
    assert_int_equal(rsw_history_next(&iter, &got), RSW_ABSENT);
    rsw_iter_history_of(&iter, txn, 1, 7);
    assert_int_equal(rsw_history_of_next(&iter, &got), RSW_FOUND);
    assert_string_equal(got.tag, "v1");
    assert_int_equal(rsw_history_of_next(&iter, &got), RSW_FOUND);
    assert_string_equal(got.tag, "v1.2");
    assert_int_equal(rsw_history_of_next(&iter, &got), RSW_ABSENT);
    struct rsw_tag tag = {
        .repo = 1, .head = 7, .flags = RSW_TAG_BAD, .touched_ms = 1, .seq = 2, .name = "v1"};
    rsw_tag_put(txn, &tag);
    rsw_tag_drop(txn, 1, "v1");
    rsw_iter_history(&iter, txn, 0, NULL);
    assert_int_equal(rsw_history_next(&iter, &got), RSW_ABSENT); /* repository 0 has none */
    rsw_iter_history(&iter, txn, 1, NULL);
    assert_int_equal(rsw_history_next(&iter, &got), RSW_FOUND);
    assert_string_equal(got.tag, "v1.2");
    assert_int_equal(rsw_history_next(&iter, &got), RSW_ABSENT);
    assert_int_equal(rsw_tag_get(txn, 1, "v1", &tag), RSW_ABSENT);
    assert_int_equal(rsw_history_get(txn, 2, "v1", 7, &got), RSW_FOUND);
    commit(&txn);
    rsw_index_close(index);
}

static void uploads_checks_and_instances_come_back(void **state) {
    struct rsw_index *index = open_index(*state);
    struct rsw_txn *txn = begin_write(index);
    struct rsw_upload upload = {.repo = 4, .started_ms = 5, .size = 6, .seq = 7, .id = "0-1-2"};
    struct rsw_check check = {
        .kind = RSW_CHECK_TAG, .repo = 4, .due_ms = 8, .tries = 9, .seq = 10, .tag = "t"};
    struct rsw_instance instance = {.id = "i", .addr = "h:5000", .first_ms = 1, .last_ms = 2, .events = 3};
    rsw_upload_put(txn, &upload);
    rsw_check_put(txn, &check);
    check.kind = RSW_CHECK_REPOSITORY;
    check.tag[0] = 0;
    rsw_check_put(txn, &check);
    rsw_instance_put(txn, &instance);
    commit(&txn);
    index = reopen(index, *state);
    txn = begin_write(index);
    struct rsw_upload got_upload;
    assert_int_equal(rsw_upload_get(txn, 4, "0-1-2", &got_upload), RSW_FOUND);
    assert_int_equal(got_upload.started_ms, 5);
    assert_int_equal(got_upload.size, 6);
    assert_int_equal(got_upload.seq, 7);
    assert_int_equal(rsw_upload_get(txn, 4, "0-1", &got_upload), RSW_ABSENT);
    struct rsw_check got_check;
    assert_int_equal(rsw_check_get(txn, RSW_CHECK_TAG, 4, 0, "t", &got_check), RSW_FOUND);
    assert_int_equal(got_check.due_ms, 8);
    assert_int_equal(got_check.tries, 9);
    assert_int_equal(got_check.seq, 10);
    assert_string_equal(got_check.tag, "t");
    rsw_check_drop(txn, &got_check);
    assert_int_equal(rsw_check_get(txn, RSW_CHECK_TAG, 4, 0, "t", &got_check), RSW_ABSENT);
    assert_int_equal(rsw_check_get(txn, RSW_CHECK_REPOSITORY, 4, 0, NULL, &got_check), RSW_FOUND);
    struct rsw_instance got;
    assert_int_equal(rsw_instance_get(txn, "i", &got), RSW_FOUND);
    assert_string_equal(got.addr, "h:5000");
    assert_int_equal(got.events, 3);
    close_all(&txn, index);
}

static void generations_get_numbers_that_are_never_given_twice(void **state) {
    struct rsw_index *index = open_index(*state);
    struct rsw_txn *txn = begin_write(index);
    struct rsw_generation first = {
        .state = RSW_GENERATION_CONDEMNED, .offline = true, .grace_ms = 5, .bytes = 6};
    first.counts[RSW_ITEM_UPLOAD] = 11;
    rsw_generation_add(txn, &first);
    assert_int_equal(first.id, 1);
    for (uint32_t i = 0; i < 300; i++) {
        struct rsw_item item = {
            .generation = 1, .kind = RSW_ITEM_TAG, .repo = i, .blob = 2, .state = RSW_ITEM_PENDING};
        item.reason = RSW_REASON_SUBJECT_GONE;
        item.size = i;
        snprintf(item.name, sizeof item.name, "t%u", i);
        rsw_item_put(txn, &item);
        item.generation = 2;
        rsw_item_put(txn, &item);
    }
    commit(&txn);
    index = reopen(index, *state);
    txn = begin_write(index);
    struct rsw_generation second = {.state = RSW_GENERATION_PURGED};
    rsw_generation_add(txn, &second);
    assert_int_equal(second.id, 2);
    struct rsw_generation got;
    assert_int_equal(rsw_generation_get(txn, 1, &got), RSW_FOUND);
    assert_true(got.offline);
    assert_false(got.untagged);
    assert_int_equal(got.grace_ms, 5);
    assert_int_equal(got.bytes, 6);
    assert_int_equal(got.counts[RSW_ITEM_UPLOAD], 11);
    struct rsw_item item;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    rsw_iter_items(&iter, txn, 1, RSW_ITEM_TAG);
    for (uint32_t i = 0; i < 300; i++) {
        assert_int_equal(rsw_item_next(&iter, &item), RSW_FOUND);
        assert_int_equal(item.repo, i);
        assert_int_equal(item.size, i);
        assert_int_equal(item.reason, RSW_REASON_SUBJECT_GONE);
    }
    assert_int_equal(rsw_item_next(&iter, &item), RSW_ABSENT);
    rsw_iter_items(&iter, txn, 1, RSW_ITEM_BLOB);
    assert_int_equal(rsw_item_next(&iter, &item), RSW_ABSENT);
    rsw_iter_tag_items(&iter, txn, 1, 5, "t5", true);
    assert_int_equal(rsw_tag_item_next(&iter, &item), RSW_FOUND);
    assert_int_equal(item.size, 5);
    rsw_items_drop(txn, 1);
    rsw_iter_tag_items(&iter, txn, 1, 5, "t5", true);
    assert_int_equal(rsw_tag_item_next(&iter, &item), RSW_ABSENT);
    rsw_iter_items(&iter, txn, 1, 0);
    assert_int_equal(rsw_item_next(&iter, &item), RSW_ABSENT);
    rsw_iter_items(&iter, txn, 2, 0);
    uint32_t left = 0;
    while (rsw_item_next(&iter, &item) == RSW_FOUND) {
        left++;
    }
    assert_int_equal(left, 300);
    rsw_iter_tag_items(&iter, txn, 2, 21, "t2", false); /* that one alone: another is of another repository */
    assert_int_equal(rsw_tag_item_next(&iter, &item), RSW_FOUND);
    assert_string_equal(item.name, "t21");
    assert_int_equal(rsw_tag_item_next(&iter, &item), RSW_ABSENT);
    commit(&txn);
    struct rsw_error err = RSW_ERROR_INIT;
    assert_int_equal(rsw_index_check(index, &err), 0);
    rsw_index_close(index);
}

static void items_behind_one_go_on_where_it_stood_even_if_it_is_gone(void **state) {
    struct rsw_index *index = open_index(*state);
    struct rsw_txn *txn = begin_write(index);
    for (uint32_t i = 1; i <= 3; i++) {
        struct rsw_item item = {.generation = 1, .kind = RSW_ITEM_BLOB, .blob = i * 10};
        rsw_item_put(txn, &item);
        item.kind = RSW_ITEM_LINK;
        rsw_item_put(txn, &item);
    }
    struct rsw_item after = {.generation = 1, .kind = RSW_ITEM_BLOB, .blob = 10};
    struct rsw_item item;
    for (uint32_t step = 0; step < 2; step++) { /* behind one that is there, and behind one that is not */
        after.blob = 10 + step;
        RSW_AUTO_ITER iter = RSW_ITER_INIT;
        rsw_iter_items_after(&iter, txn, &after);
        assert_int_equal(rsw_item_next(&iter, &item), RSW_FOUND);
        assert_int_equal(item.blob, 20);
        assert_int_equal(rsw_item_next(&iter, &item), RSW_FOUND);
        assert_int_equal(item.blob, 30);
        assert_int_equal(rsw_item_next(&iter, &item), RSW_ABSENT); /* links are of another kind */
    }
    close_all(&txn, index);
}

static void of_kept_events_the_oldest_go_first(void **state) {
    struct rsw_index *index = open_index(*state);
    struct rsw_txn *txn = begin_write(index);
    char body[RSW_KEPT_BYTES + 10];
    memset(body, 'x', sizeof body);
    for (int i = 1; i <= RSW_KEPT_MAX + 5; i++) {
        rsw_kept_event_add(txn, i, "no JSON", body, i == RSW_KEPT_MAX + 5 ? sizeof body : 3);
    }
    commit(&txn);
    txn = begin_read(index);
    struct rsw_kept_event event;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    rsw_iter_kept_events(&iter, txn);
    for (int i = 6; i <= RSW_KEPT_MAX + 5; i++) {
        assert_int_equal(rsw_kept_event_next(&iter, &event), RSW_FOUND);
        assert_int_equal(event.number, i);
        assert_int_equal(event.received_ms, i);
        assert_string_equal(event.reason, "no JSON");
        assert_int_equal(event.body_len, i == RSW_KEPT_MAX + 5 ? RSW_KEPT_BYTES : 3);
        assert_memory_equal(event.body, body, event.body_len);
    }
    assert_int_equal(rsw_kept_event_next(&iter, &event), RSW_ABSENT);
    close_all(&txn, index);
}

static struct rsw_ref ref_to(uint64_t number, enum rsw_ref_kind kind, uint32_t types) {
    return (struct rsw_ref){.digest = digest_number(number), .kind = (uint8_t)kind, .types = types};
}

static void references_stand_both_ways_and_are_written_once(void **state) {
    struct rsw_index *index = open_index(*state);
    struct rsw_txn *txn = begin_write(index);
    struct rsw_digest digest = digest_number(1);
    struct rsw_refs refs;
    struct rsw_blob blob;
    uint32_t manifest = rsw_fact_blob(txn, &digest, 100, 1);
    assert_int_equal(rsw_refs_get(txn, manifest, &refs), RSW_ABSENT);
    struct rsw_ref named[] = {ref_to(2, RSW_REF_CONFIG, RSW_TYPE_CONFIG),
                              ref_to(3, RSW_REF_LAYER, RSW_TYPE_LAYER),
                              ref_to(2, RSW_REF_LAYER, RSW_TYPE_LAYER), ref_to(4, RSW_REF_SUBJECT, 0)};
    rsw_refs_put(txn, manifest, RSW_TYPE_MANIFEST, false, named, 4, 5);
    rsw_refs_put(txn, manifest, RSW_TYPE_SBOM, true, named, 1, 5); /* changes nothing any more */
    commit(&txn);
    txn = begin_read(index);
    assert_int_equal(rsw_blob_get(txn, manifest, &blob), RSW_FOUND);
    assert_int_equal(blob.types, RSW_TYPE_MANIFEST);
    assert_int_equal(blob.flags, RSW_BLOB_PRESENT | RSW_BLOB_PARSED | RSW_BLOB_ODD);
    assert_int_equal(rsw_refs_get(txn, manifest, &refs), RSW_FOUND);
    assert_int_equal(refs.count, 4);
    assert_int_equal(rsw_refs_kind(&refs, 0), RSW_REF_CONFIG);
    assert_int_equal(rsw_refs_kind(&refs, 3), RSW_REF_SUBJECT);
    assert_int_equal(rsw_refs_child(&refs, 0), rsw_refs_child(&refs, 2));
    assert_int_equal(rsw_blob_get(txn, rsw_refs_child(&refs, 0), &blob), RSW_FOUND);
    assert_true(rsw_digest_equal(&blob.digest, &named[0].digest));
    assert_int_equal(blob.types, RSW_TYPE_CONFIG | RSW_TYPE_LAYER);
    assert_int_equal(blob.flags, 0);
    assert_int_equal(blob.first_seen_ms, 5);
    uint32_t by = 0;
    enum rsw_ref_kind kind;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    rsw_iter_named_by(&iter, txn, blob.id);
    assert_int_equal(rsw_named_by_next(&iter, &by, &kind), RSW_FOUND);
    assert_int_equal(by, manifest);
    assert_int_equal(kind, RSW_REF_CONFIG);
    assert_int_equal(rsw_named_by_next(&iter, &by, &kind), RSW_FOUND);
    assert_int_equal(kind, RSW_REF_LAYER);
    assert_int_equal(rsw_named_by_next(&iter, &by, &kind), RSW_ABSENT);
    rsw_iter_refs(&iter, txn);
    assert_int_equal(rsw_refs_next(&iter, &by, &refs), RSW_FOUND);
    assert_int_equal(by, manifest);
    assert_int_equal(refs.count, 4);
    assert_int_equal(rsw_refs_next(&iter, &by, &refs), RSW_ABSENT);
    close_all(&txn, index);
}

static void a_manifest_that_names_nothing_is_found_with_no_references(void **state) {
    struct rsw_index *index = open_index(*state);
    struct rsw_txn *txn = begin_write(index);
    struct rsw_digest digest = digest_number(1);
    uint32_t manifest = rsw_blob_intern(txn, &digest, 1);
    struct rsw_refs refs = {.count = 9};
    rsw_refs_put(txn, manifest, RSW_TYPE_MANIFEST, true, NULL, 0, 1);
    assert_int_equal(rsw_refs_get(txn, manifest, &refs), RSW_FOUND);
    assert_int_equal(refs.count, 0);
    close_all(&txn, index);
}

static void a_dropped_manifest_takes_along_what_only_it_named(void **state) {
    struct rsw_index *index = open_index(*state);
    struct rsw_txn *txn = begin_write(index);
    struct rsw_digest digests[6];
    for (size_t i = 0; i < 6; i++) {
        digests[i] = digest_number(i);
    }
    uint32_t outer = rsw_blob_intern(txn, &digests[0], 1);
    uint32_t inner = rsw_blob_intern(txn, &digests[1], 1);
    uint32_t stored = rsw_fact_blob(txn, &digests[2], 1, 1);
    uint32_t linked = rsw_blob_intern(txn, &digests[3], 1);
    struct rsw_ref inner_refs[] = {ref_to(2, RSW_REF_LAYER, 1), ref_to(3, RSW_REF_LAYER, 1),
                                   ref_to(4, RSW_REF_LAYER, 1)};
    struct rsw_ref outer_refs[] = {ref_to(1, RSW_REF_CHILD, RSW_TYPE_MANIFEST), ref_to(5, RSW_REF_CONFIG, 2)};
    rsw_refs_put(txn, inner, RSW_TYPE_MANIFEST, true, inner_refs, 3, 1);
    rsw_refs_put(txn, outer, RSW_TYPE_INDEX, true, outer_refs, 2, 1);
    rsw_fact_touch(txn, RSW_LINK, 1, linked, 1, 0);
    assert_int_equal(rsw_blob_needless(txn, inner), RSW_ABSENT);
    assert_int_equal(rsw_blob_needless(txn, outer), RSW_FOUND);
    rsw_blob_drop(txn, outer);
    struct rsw_blob blob;
    struct rsw_refs refs;
    assert_int_equal(rsw_blob_find(txn, &digests[0], &blob), RSW_ABSENT);
    assert_int_equal(rsw_blob_find(txn, &digests[1], &blob), RSW_ABSENT);
    assert_int_equal(rsw_refs_get(txn, inner, &refs), RSW_ABSENT);
    assert_int_equal(rsw_blob_get(txn, stored, &blob), RSW_FOUND);
    assert_int_equal(rsw_blob_get(txn, linked, &blob), RSW_FOUND);
    assert_int_equal(rsw_blob_find(txn, &digests[4], &blob), RSW_ABSENT);
    assert_int_equal(rsw_blob_find(txn, &digests[5], &blob), RSW_ABSENT);
    rsw_blob_drop(txn, outer);                                  /* again: no error */
    assert_true(rsw_blob_intern(txn, &digests[0], 1) > linked); /* an id comes never back */
    commit(&txn);
    rsw_index_close(index);
}

/* What stands in the way of dropping blob 1, one way a row. */
static void hold_by(struct rsw_txn *txn, int way) {
    struct rsw_member member = {.repo = 1, .blob = 1, .target = 1};
    struct rsw_digest other = digest_number(99);
    if (way == 0) {
        rsw_member_put(txn, RSW_LINK, &member);
    } else if (way == 1) {
        rsw_member_put(txn, RSW_REVISION, &member);
    } else if (way == 2) {
        member.blob = 2; /* an alias of it */
        rsw_member_put(txn, RSW_LINK, &member);
    } else if (way == 3) {
        struct rsw_tag tag = {.repo = 1, .head = 1, .name = "t"};
        rsw_tag_put(txn, &tag);
    } else if (way == 4) {
        struct rsw_history history = {.repo = 1, .manifest = 1, .tag = "t"};
        rsw_history_put(txn, &history);
    } else if (way == 5) {
        rsw_signature_put(txn, 1, 7, 1);
    } else if (way == 6) {
        rsw_signature_put(txn, 1, 1, 7);
    } else if (way == 7) {
        struct rsw_ref ref = ref_to(1, RSW_REF_SUBJECT, 0);
        rsw_refs_put(txn, rsw_blob_intern(txn, &other, 1), 0, true, &ref, 1, 1);
    } else {
        struct rsw_digest digest = digest_number(1);
        rsw_fact_blob(txn, &digest, 1, 1);
    }
}

static void let_go_by(struct rsw_txn *txn, int way) {
    struct rsw_digest other = digest_number(99);
    struct rsw_blob blob;
    if (way <= 2) {
        rsw_member_drop(txn, way == 1 ? RSW_REVISION : RSW_LINK, 1, way == 2 ? 2 : 1);
    } else if (way <= 4) {
        rsw_tag_drop(txn, 1, "t");
    } else if (way <= 6) {
        rsw_signature_drop(txn, 1, way == 5 ? 7 : 1, way == 5 ? 1 : 7);
    } else if (way == 7) {
        assert_int_equal(rsw_blob_find(txn, &other, &blob), RSW_FOUND);
        rsw_blob_drop(txn, blob.id); /* and with it blob 1 */
    } else {
        rsw_fact_blob_absent(txn, 1, UINT64_MAX, 5, false);
    }
}

static void a_blob_that_anything_holds_is_not_dropped(void **state) {
    struct rsw_index *index = open_index(*state);
    struct rsw_digest digest = digest_number(1);
    for (int way = 0; way < 9; way++) {
        struct rsw_blob blob;
        struct rsw_txn *txn = begin_write(index);
        assert_int_equal(rsw_blob_intern(txn, &digest, 1), 1);
        hold_by(txn, way);
        assert_int_equal(rsw_blob_needless(txn, 1), RSW_ABSENT);
        rsw_blob_drop(txn, 1);
        expect_stuck(txn, RSW_EINVAL);
        rsw_txn_abort(&txn);
        txn = begin_write(index);
        assert_int_equal(rsw_blob_intern(txn, &digest, 1), 1);
        hold_by(txn, way);
        let_go_by(txn, way);
        rsw_blob_drop(txn, 1);
        assert_int_equal(rsw_blob_get(txn, 1, &blob), RSW_ABSENT);
        assert_false(rsw_txn_failed(txn, NULL));
        rsw_txn_abort(&txn);
    }
    rsw_index_close(index);
}

static void a_repository_with_anything_in_it_is_not_dropped(void **state) {
    struct rsw_index *index = open_index(*state);
    for (int way = 0; way < 5; way++) {
        struct rsw_txn *txn = begin_write(index);
        struct rsw_upload upload = {.repo = 1, .id = "u"};
        struct rsw_repo repo;
        assert_int_equal(rsw_fact_repo(txn, "a", 1), 1);
        way < 4 ? hold_by(txn, way == 2 ? 4 : way) : rsw_upload_put(txn, &upload);
        rsw_repo_drop(txn, 1);
        expect_stuck(txn, RSW_EINVAL);
        rsw_txn_abort(&txn);
        txn = begin_write(index);
        assert_int_equal(rsw_fact_repo(txn, "a", 1), 1);
        rsw_repo_drop(txn, 1);
        assert_int_equal(rsw_repo_find(txn, "a", &repo), RSW_ABSENT);
        assert_int_equal(rsw_repo_intern(txn, "a", 1), 2);
        rsw_txn_abort(&txn);
    }
    rsw_index_close(index);
}

static void ids_that_were_never_handed_out_are_absent(void **state) {
    struct rsw_index *index = open_index(*state);
    struct rsw_txn *txn = begin_write(index);
    static const uint32_t ids[] = {0, 1, 4711, UINT32_MAX};
    for (size_t i = 0; i < 4; i++) {
        struct rsw_blob blob;
        struct rsw_repo repo;
        struct rsw_refs refs;
        struct rsw_member member;
        struct rsw_generation generation;
        assert_int_equal(rsw_blob_get(txn, ids[i], &blob), RSW_ABSENT);
        assert_int_equal(rsw_repo_get(txn, ids[i], &repo), RSW_ABSENT);
        assert_int_equal(rsw_refs_get(txn, ids[i], &refs), RSW_ABSENT);
        assert_int_equal(rsw_member_get(txn, RSW_LINK, ids[i], ids[i], &member), RSW_ABSENT);
        assert_int_equal(rsw_generation_get(txn, ids[i], &generation), RSW_ABSENT);
        rsw_blob_drop(txn, ids[i]);
        rsw_repo_drop(txn, ids[i]);
        rsw_member_drop(txn, RSW_REVISION, ids[i], ids[i]);
        rsw_fact_blob_absent(txn, ids[i], 5, 5, true);
    }
    assert_false(rsw_txn_failed(txn, NULL));
    close_all(&txn, index);
}

static void what_does_not_change_is_not_written(void **state) {
    struct rsw_index *index = open_index(*state);
    struct rsw_digest digest = digest_number(1);
    struct rsw_blob blob;
    struct rsw_member member = {.repo = 1, .blob = 1, .target = 1, .touched_ms = 5};
    struct rsw_tag tag = {.repo = 1, .head = 1, .name = "t"};
    struct rsw_txn *txn = begin_write(index);
    rsw_fact_blob(txn, &digest, 1, 1);
    rsw_member_put(txn, RSW_LINK, &member);
    rsw_tag_put(txn, &tag);
    commit(&txn);
    txn = begin_write(index);
    uint64_t seq = rsw_txn_seq(txn);
    assert_int_equal(rsw_blob_get(txn, 1, &blob), RSW_FOUND);
    rsw_blob_put(txn, &blob);
    rsw_member_put(txn, RSW_LINK, &member);
    rsw_tag_put(txn, &tag);
    assert_int_equal(rsw_blob_intern(txn, &digest, 9), 1);
    assert_int_equal(rsw_txn_dirty(txn), 0);
    commit(&txn);
    txn = begin_write(index);
    assert_int_equal(rsw_txn_seq(txn), seq);
    member.touched_ms++;
    rsw_member_put(txn, RSW_LINK, &member);
    assert_true(rsw_txn_dirty(txn) > 4096); /* it dirties the page that it stands on */
    close_all(&txn, index);
}

static void size_and_entries_of_tables_are_told(void **state) {
    struct rsw_index *index = open_index(*state);
    struct rsw_txn *txn = begin_write(index);
    struct rsw_digest digest = digest_number(1);
    rsw_fact_blob(txn, &digest, 1, 1);
    commit(&txn);
    txn = begin_read(index);
    struct rsw_index_stat stat;
    assert_int_equal(rsw_index_stat(txn, &stat), RSW_FOUND);
    assert_int_equal(stat.schema, 5);
    assert_true(stat.used > 0 && stat.used <= stat.file_size && stat.file_size <= stat.map_size);
    size_t seen = 0;
    for (size_t i = 0; i < stat.table_count; i++) {
        if (strcmp(stat.tables[i].name, "blob") == 0) {
            assert_int_equal(stat.tables[i].entries, 1);
            seen++;
        }
    }
    assert_int_equal(seen, 1);
    assert_true(rsw_index_maps(index, NULL) == false && rsw_index_maps(index, &elsewhere) == false);
    close_all(&txn, index);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_setup, place_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(state_comes_back_after_reopening),
        TEST(blobs_of_every_algorithm_come_back_by_id_and_by_digest),
        TEST(pulls_are_written_down_now_and_then_and_go_with_their_revision),
        TEST(deletions_come_back_with_what_they_name),
        TEST(a_deletion_is_done_with_the_last_that_it_names),
        TEST(of_deletions_that_ended_the_last_are_remembered),
        TEST(a_deletion_that_ended_late_is_remembered_for_a_while),
        TEST(pins_come_back_until_they_are_dropped),
        TEST(repositories_come_back_by_id_and_by_name),
        TEST(links_and_revisions_come_back_and_do_not_mix),
        TEST(tags_of_one_name_do_not_show_the_history_of_a_longer_one),
        TEST(uploads_checks_and_instances_come_back),
        TEST(generations_get_numbers_that_are_never_given_twice),
        TEST(items_behind_one_go_on_where_it_stood_even_if_it_is_gone),
        TEST(of_kept_events_the_oldest_go_first),
        TEST(references_stand_both_ways_and_are_written_once),
        TEST(a_manifest_that_names_nothing_is_found_with_no_references),
        TEST(a_dropped_manifest_takes_along_what_only_it_named),
        TEST(a_blob_that_anything_holds_is_not_dropped),
        TEST(a_repository_with_anything_in_it_is_not_dropped),
        TEST(ids_that_were_never_handed_out_are_absent),
        TEST(what_does_not_change_is_not_written),
        TEST(size_and_entries_of_tables_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
