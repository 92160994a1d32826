/* A scan of an index that is there already: both ways, and never against a newer claim. */
#include "scan_help.h"

#include <string.h>

static void what_storage_lost_is_taken_back(void **state) {
    struct world *w = *state;
    struct tree_image kept = tree_image(&w->tree, "app", "kept", "kept", 1);
    struct tree_image lost = tree_image(&w->tree, "app", "lost", "lost", 2);
    scan(w);
    tree_tag_remove(&w->tree, "app", "lost", &lost.manifest, 1);
    tree_revision_remove(&w->tree, "app", &lost.manifest);
    tree_link_remove(&w->tree, "app", &lost.layers[0]);
    tree_blob_remove(&w->tree, &lost.layers[1]);
    scan(w);
    expect(w, "tag app kept = %s", text(&kept.manifest));
    expect_not(w, "tag app lost = %s", text(&lost.manifest));
    expect_not(w, "history app lost: %s", text(&lost.manifest));
    expect(w, "revision app %s deleted", text(&lost.manifest));
    expect(w, "link app %s deleted", text(&lost.layers[0]));
    expect(w, "link app %s present", text(&lost.layers[1]));
    assert_int_equal(blob_of(w, &lost.layers[1]).flags & RSW_BLOB_PRESENT, 0);
    assert_int_equal(w->result.vanished, 4); /* tag, revision, link, blob */
    assert_int_equal(w->result.appeared, 0);
}

static void what_the_index_missed_is_added(void **state) {
    struct world *w = *state;
    struct tree_image first = tree_image(&w->tree, "app", "1", "first", 1);
    scan(w);
    w->tree.mtime_ms = w->now_ms;
    struct tree_image second = tree_image(&w->tree, "app", "1", "second", 1);
    scan(w);
    expect(w, "tag app 1 = %s", text(&second.manifest));
    expect(w, "history app 1: %s", text(&first.manifest));
    expect(w, "history app 1: %s", text(&second.manifest));
    expect_equal_to_fresh_scan(w);
    assert_int_equal(w->result.vanished, 0);
}

/* Each read is a request. To see what is read, something else is put there, as no registry does. */
static void of_a_bucket_what_was_not_written_since_the_last_scan_is_not_read_again(void **state) {
    struct world *w = *state;
    char key[RSW_KEY_MAX];
    int64_t long_ago_ms = w->tree.mtime_ms;
    struct tree_image old = tree_image(&w->tree, "app", "old", "old", 1);
    w->tree.mtime_ms = w->now_ms;
    struct tree_image young = tree_image(&w->tree, "app", "young", "young", 1);
    scan(w);
    tree_put_text(&w->tree, rsw_key_tag_current(key, "app", "young"), text(&old.manifest));
    w->tree.mtime_ms = long_ago_ms;
    tree_put_text(&w->tree, rsw_key_tag_current(key, "app", "old"), text(&young.manifest));
    scan(w);
    expect(w, "tag app old = %s", text(&old.manifest));
    expect(w, "tag app young = %s", text(&old.manifest));
}

/* A link that has another size than its digest may say anything. */
static void of_a_bucket_a_link_of_the_right_size_is_not_read(void **state) {
    struct world *w = *state;
    char key[RSW_KEY_MAX];
    struct tree_image image = tree_image(&w->tree, "app", "1", "seed", 2);
    tree_put_text(&w->tree, rsw_key_layer_link(key, "app", &image.layers[0]), text(&image.config));
    tree_put_text(&w->tree, rsw_key_layer_link(key, "app", &image.layers[1]), "sha256:short");
    scan(w);
    assert_int_equal(w->result.problems, 1);
    expect(w, "link app %s present", text(&image.layers[0]));
    expect(w, "link app %s present bad", text(&image.layers[1]));
}

static void a_link_that_came_back_is_present_again(void **state) {
    struct world *w = *state;
    struct tree_image image = tree_image(&w->tree, "app", "1", "seed", 1);
    scan(w);
    tree_revision_remove(&w->tree, "app", &image.manifest);
    scan(w);
    expect(w, "revision app %s deleted", text(&image.manifest));
    tree_revision(&w->tree, "app", &image.manifest);
    scan(w);
    expect(w, "revision app %s present", text(&image.manifest));
}

static void a_repository_that_went_away_is_no_longer_there(void **state) {
    struct world *w = *state;
    char key[RSW_KEY_MAX];
    tree_image(&w->tree, "kept", "1", "kept", 1);
    struct tree_image image = tree_image(&w->tree, "lost", "1", "lost", 1);
    tree_upload(&w->tree, "lost", "u", "2026-11-01T00:00:00Z", 3);
    scan(w);
    tree_tag_remove(&w->tree, "lost", "1", &image.manifest, 1);
    tree_revision_remove(&w->tree, "lost", &image.manifest);
    tree_link_remove(&w->tree, "lost", &image.layers[0]);
    tree_link_remove(&w->tree, "lost", &image.config);
    snprintf(key, sizeof key, "%s", RSW_LAYOUT_REPOSITORIES "/lost/_uploads/u/startedat");
    tree_remove(&w->tree, key);
    tree_remove(&w->tree, RSW_LAYOUT_REPOSITORIES "/lost/_uploads/u/data");
    assert_int_equal(rsw_storage_prune(w->storage, RSW_LAYOUT_REPOSITORIES "/lost", &w->err), RSW_ABSENT);
    scan(w);
    expect(w, "repository kept");
    expect_not(w, "repository lost");
    expect(w, "revision lost %s deleted", text(&image.manifest));
    assert_int_equal(w->result.repositories, 1);
    RSW_AUTO_TXN txn = NULL;
    struct rsw_upload upload;
    uint32_t repo = repo_id(w, "lost");
    assert_int_equal(rsw_txn_begin_read(&txn, w->index, &w->err), 0);
    assert_int_equal(rsw_upload_get(txn, repo, "u", &upload), RSW_ABSENT);
}

static void a_signature_that_went_away_is_dropped(void **state) {
    struct world *w = *state;
    char key[RSW_KEY_MAX];
    struct rsw_digest layer = tree_blob(&w->tree, "old layer");
    struct rsw_digest signature;
    struct rsw_digest manifest = tree_schema1(&w->tree, "old", "1", &layer, 1, &signature);
    scan(w);
    expect(w, "signature old %s: %s", text(&manifest), text(&signature));
    tree_remove(&w->tree, rsw_key_signature_link(key, "old", &manifest, &signature));
    scan(w);
    expect_not(w, "signature old %s: %s", text(&manifest), text(&signature));
}

static void a_second_scan_changes_nothing_and_reads_no_manifest(void **state) {
    struct world *w = *state;
    struct tree_image image = tree_image(&w->tree, "a/b", "1", "seed", 3);
    tree_index(&w->tree, "a/b", "all", &image.manifest, 1);
    scan(w);
    w->now_ms += MINUTE;
    scan(w);
    assert_int_equal(w->result.appeared, 0);
    assert_int_equal(w->result.vanished, 0);
    assert_int_equal(w->result.manifests_read, 0);
    assert_int_equal(state_of(w).scan_ended_ms, T0 + MINUTE);
    expect_equal_to_fresh_scan(w);
}

static void a_child_that_arrives_later_is_read_then(void **state) {
    struct world *w = *state;
    struct tree_image image = tree_image(&w->tree, "other", "1", "seed", 1);
    tree_blob_remove(&w->tree, &image.manifest);
    tree_revision_remove(&w->tree, "other", &image.manifest);
    struct rsw_digest all = tree_index(&w->tree, "app", "all", &image.manifest, 1);
    scan(w);
    expect_not(w, "reference %s -layer-> %s", text(&image.manifest), text(&image.layers[0]));
    tree_image(&w->tree, "other", NULL, "seed", 1);
    tree_revision_remove(&w->tree, "other", &image.manifest);
    scan(w);
    expect(w, "reference %s -child-> %s", text(&all), text(&image.manifest));
    expect(w, "reference %s -layer-> %s", text(&image.manifest), text(&image.layers[0]));
}

static void questions_from_before_the_scan_are_answered_by_it(void **state) {
    struct world *w = *state;
    struct tree_image image = tree_image(&w->tree, "app", "1", "seed", 1);
    event_push(w, "app", "1", &image.manifest);
    event_push(w, "app", "2", &image.manifest); /* which storage does not have */
    queue(w, RSW_CHECK_REPOSITORY, "app", NULL);
    w->now_ms -= 1000; /* none of them is due */
    scan(w);
    struct rsw_check_result result = check(w);
    assert_int_equal(result.left, 1); /* tag 2 may be written yet */
    assert_int_equal(result.done, 0);
    expect(w, "tag app 1 = %s", text(&image.manifest));
    expect_not(w, "tag app 2 = %s unsettled", text(&image.manifest));
    expect_equal_to_fresh_scan(w);
}

static void an_index_of_another_storage_is_refused(void **state) {
    struct world *w = *state;
    struct rsw_storage *other = NULL;
    char root[256];
    tree_image(&w->tree, "app", "1", "seed", 1);
    scan(w);
    snprintf(root, sizeof root, "%s", w->dir);
    assert_int_equal(rsw_storage_open_fs(&other, root, &w->err), 0);
    assert_int_equal(rsw_scan(&w->result, w->index, other, &w->options, &w->err), -1);
    assert_int_equal(w->err.code, RSW_EREFUSED);
    assert_non_null(strstr(w->err.message, rsw_storage_url(other)));
    assert_non_null(strstr(w->err.message, rsw_storage_url(w->storage)));
    rsw_storage_close(other);
}

static void a_storage_that_is_not_mounted_empties_no_index(void **state) {
    struct world *w = *state;
    struct tree_image image = tree_image(&w->tree, "app", "1", "seed", 1);
    char from[400], to[400];
    scan(w);
    snprintf(from, sizeof from, "%s/docker", w->root);
    snprintf(to, sizeof to, "%s/elsewhere", w->root);
    assert_int_equal(rename(from, to), 0);
    assert_int_equal(try_scan(w), -1);
    assert_int_equal(w->err.code, RSW_EIO);
    expect(w, "revision app %s present", text(&image.manifest));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        test_everywhere(what_storage_lost_is_taken_back),
        test_everywhere(what_the_index_missed_is_added),
        test_in(of_a_bucket_what_was_not_written_since_the_last_scan_is_not_read_again, in_flat_memory),
        test_in(of_a_bucket_a_link_of_the_right_size_is_not_read, in_flat_memory),
        test_everywhere(a_link_that_came_back_is_present_again),
        test_everywhere(a_repository_that_went_away_is_no_longer_there),
        test_everywhere(a_signature_that_went_away_is_dropped),
        test_everywhere(a_second_scan_changes_nothing_and_reads_no_manifest),
        test_everywhere(a_child_that_arrives_later_is_read_then),
        test_everywhere(questions_from_before_the_scan_are_answered_by_it),
        test_in(an_index_of_another_storage_is_refused, in_directory),
        test_memory(an_index_of_another_storage_is_refused),
        test_in(a_storage_that_is_not_mounted_empties_no_index, in_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
