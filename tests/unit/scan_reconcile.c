/* A scan of an index that is there already: both ways, and never against a newer claim. */
#include "scan_help.h"

#include "index/deletion.h"
#include "index/time.h"

#include <errno.h>
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

static void open_gap(struct world *w) {
    struct rsw_txn *txn = NULL;
    assert_int_equal(rsw_txn_begin_write(&txn, w->index, &w->err), 0);
    rsw_state_gap(txn, w->now_ms, "test");
    assert_int_equal(rsw_txn_commit(&txn, &w->err), 0);
}

/* Of a gap: what a client did unheard shows in links. Whoever lists blobs here fails. */
static void a_scan_of_links_finds_what_was_pushed_unheard_and_lists_no_blob(void **state) {
    struct world *w = *state;
    struct tree_image gone = tree_image(&w->tree, "app", "gone", "gone", 1);
    tree_blob_remove(&w->tree, &gone.manifest);
    w->options.registry_stopped = true; /* so that one look is enough */
    scan(w);
    assert_true((blob_of(w, &gone.manifest).flags & RSW_BLOB_GONE) != 0);
    w->options.registry_stopped = false;
    w->tree.mtime_ms = w->now_ms;
    struct tree_image pushed = tree_image(&w->tree, "app", "1", "pushed", 2);
    tree_image(&w->tree, "app", "gone", "gone", 1); /* byte by byte */
    struct rsw_digest stray = tree_blob(&w->tree, "nothing links it");
    w->options.links_only = true;
    rsw_memory_fail_key(w->storage, RSW_LAYOUT_BLOBS, EIO);
    scan(w);
    assert_true(w->result.complete && !w->result.whole);
    assert_int_equal(w->result.blobs, 0);
    expect(w, "tag app 1 = %s", text(&pushed.manifest));
    assert_true((blob_of(w, &pushed.layers[1]).flags & RSW_BLOB_PRESENT) != 0);
    assert_int_equal(blob_of(w, &gone.manifest).flags & (RSW_BLOB_PRESENT | RSW_BLOB_GONE | RSW_BLOB_PARSED),
                     RSW_BLOB_PRESENT | RSW_BLOB_PARSED);
    expect_not(w, "blob %s present", text(&stray));
    rsw_memory_fail_key(w->storage, RSW_LAYOUT_BLOBS, 0);
    w->options.links_only = false;
    scan(w);
    assert_true(w->result.whole && w->result.appeared == 1);
    expect_equal_to_fresh_scan(w);
}

/* It may have been pushed again since; nobody can tell. */
static void a_manifest_that_cannot_be_read_is_not_certainly_gone(void **state) {
    struct world *w = *state;
    char key[RSW_KEY_MAX];
    struct tree_image image = tree_image(&w->tree, "app", "1", "seed", 1);
    tree_blob_remove(&w->tree, &image.manifest);
    w->options.registry_stopped = true; /* so that one look is enough */
    scan(w);
    assert_true((blob_of(w, &image.manifest).flags & RSW_BLOB_GONE) != 0);
    tree_image(&w->tree, "app", "1", "seed", 1);
    rsw_memory_fail_key(w->storage, rsw_key_blob(key, &image.manifest), EACCES);
    w->options.registry_stopped = false;
    w->options.links_only = true;
    scan(w);
    assert_int_equal(blob_of(w, &image.manifest).flags & RSW_BLOB_GONE, 0);
}

static void a_scan_of_links_closes_a_gap_and_takes_no_blob_for_absent(void **state) {
    struct world *w = *state;
    struct tree_image image = tree_image(&w->tree, "app", "1", "seed", 1);
    scan(w);
    int64_t ended_ms = state_of(w).scan_ended_ms;
    tree_blob_remove(&w->tree, &image.layers[0]);
    open_gap(w);
    w->now_ms += MINUTE;
    w->options.links_only = true;
    scan(w);
    assert_true(state_of(w).scan_seq >= state_of(w).gap_seq);
    assert_int_equal(state_of(w).scan_ended_ms, ended_ms); /* of blobs it says nothing */
    assert_int_equal(w->result.vanished, 0);
    assert_true((blob_of(w, &image.layers[0]).flags & RSW_BLOB_PRESENT) != 0);
}

/* Whatever else was missed since. */
static void what_another_regsweep_has_taken_only_a_whole_scan_tells(void **state) {
    struct world *w = *state;
    struct tree_image image = tree_image(&w->tree, "app", "1", "seed", 1);
    scan(w);
    tree_blob_remove(&w->tree, &image.layers[0]);
    assert_int_equal(rsw_index_gap(w->index, w->now_ms, RSW_LEASE_GAP, &w->err), 0);
    open_gap(w);
    w->options.links_only = true;
    scan(w);
    assert_true(w->result.whole);
    assert_int_equal(blob_of(w, &image.layers[0]).flags & RSW_BLOB_PRESENT, 0);
    open_gap(w);
    scan(w);
    assert_false(w->result.whole);
}

static void a_first_scan_lists_blobs_whatever_it_was_told(void **state) {
    struct world *w = *state;
    tree_image(&w->tree, "app", "1", "seed", 1);
    w->options.links_only = true;
    scan(w);
    assert_true(w->result.whole);
    assert_int_equal(w->result.blobs, 3);
    expect_equal_to_fresh_scan(w);
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

/* ---- what somebody asked to be forgotten ---- */

static struct rsw_forgotten objects[2]; /* revision and tag of the image at hand */

/* Now, as somebody would who has the index alone. `heard`: the registry's events have come in until now. */
static void forget(struct world *w, const struct tree_image *image, bool heard) {
    struct rsw_txn *txn = NULL;
    struct rsw_deletion deletion = {.kind = RSW_DELETION_IMAGE, .state = RSW_DELETION_WAITING, .named = 2};
    struct rsw_time time;
    struct rsw_state state;
    uint32_t repo = repo_id(w, "app");
    uint32_t manifest = blob_id(w, &image->manifest);
    assert_int_equal(rsw_txn_begin_write(&txn, w->index, &w->err), 0);
    rsw_time_keep(txn, &w->clock, &time);
    rsw_state_get(txn, &state);
    state.first_event_ms = heard ? 1 : 0;
    rsw_state_put(txn, &state);
    deletion.created_ms = time.now_ms;
    deletion.created_steady_ms = time.steady_ms;
    rsw_deletion_add(txn, &deletion);
    objects[0] = (struct rsw_forgotten){
        .kind = RSW_ITEM_REVISION, .repo = repo, .blob = manifest, .deletion = deletion.id};
    objects[1] = (struct rsw_forgotten){
        .kind = RSW_ITEM_TAG, .repo = repo, .head = manifest, .deletion = deletion.id, .name = "1"};
    assert_true(rsw_forgotten_add(txn, &objects[0]) && rsw_forgotten_add(txn, &objects[1]));
    assert_int_equal(rsw_txn_commit(&txn, &w->err), 0);
}

/* How many of the two are still to go, after a scan. */
static int left_after_scan(struct world *w) {
    scan(w);
    RSW_AUTO_TXN txn = NULL;
    assert_int_equal(rsw_txn_begin_read(&txn, w->index, &w->err), 0);
    return (rsw_forgotten_get(txn, &objects[0]) == RSW_FOUND) +
           (rsw_forgotten_get(txn, &objects[1]) == RSW_FOUND);
}

static struct tree_image image_of(struct world *w, int64_t mtime_ms) {
    w->tree.mtime_ms = mtime_ms;
    struct tree_image image = tree_image(&w->tree, "app", "1", "seed", 1);
    scan(w);
    return image;
}

static void what_was_written_after_it_was_forgotten_is_spared(void **state) {
    struct world *w = *state;
    struct tree_image image = image_of(w, T0 - 60 * MINUTE);
    forget(w, &image, true);
    assert_int_equal(left_after_scan(w), 2);
    w->tree.mtime_ms = T0 + MINUTE;
    tree_tag(&w->tree, "app", "1", &image.manifest);
    assert_int_equal(left_after_scan(w), 1);
    tree_revision(&w->tree, "app", &image.manifest);
    assert_int_equal(left_after_scan(w), 0);
}

static void a_tag_that_was_set_to_something_else_is_spared(void **state) {
    struct world *w = *state;
    struct tree_image image = image_of(w, T0 - 60 * MINUTE);
    forget(w, &image, true);
    w->tree.mtime_ms = T0 - 10 * MINUTE; /* no time tells of it; what is older is not read again on S3 */
    tree_image(&w->tree, "app", "1", "other", 1);
    assert_int_equal(left_after_scan(w), 1);
}

static void what_is_hardly_older_is_spared_where_an_event_may_be_lost(void **state) {
    struct world *w = *state;
    struct tree_image image = image_of(w, T0 - 2 * MINUTE);
    forget(w, &image, true);
    assert_int_equal(left_after_scan(w), 2);
    open_gap(w);
    assert_int_equal(left_after_scan(w), 0);
}

static void what_is_hardly_older_is_spared_where_no_event_ever_came(void **state) {
    struct world *w = *state;
    struct tree_image image = image_of(w, T0 - 2 * MINUTE);
    forget(w, &image, false);
    assert_int_equal(left_after_scan(w), 0);
}

static void what_is_hardly_older_is_spared_with_the_registry_stopped(void **state) {
    struct world *w = *state;
    struct tree_image image = image_of(w, T0 - 2 * MINUTE);
    forget(w, &image, true);
    w->options.registry_stopped = true;
    assert_int_equal(left_after_scan(w), 0);
}

static void what_is_long_older_goes_all_the_same(void **state) {
    struct world *w = *state;
    struct tree_image image = image_of(w, T0 - 6 * MINUTE);
    forget(w, &image, false);
    open_gap(w);
    w->options.registry_stopped = true;
    assert_int_equal(left_after_scan(w), 2);
}

static void a_clock_that_was_set_back_makes_nothing_old(void **state) {
    struct world *w = *state;
    struct tree_image image = image_of(w, T0 - 600 * MINUTE);
    forget(w, &image, true);
    w->now_ms -= 60 * MINUTE;
    w->tree.mtime_ms = T0 - 59 * MINUTE; /* a minute later */
    tree_revision(&w->tree, "app", &image.manifest);
    assert_int_equal(left_after_scan(w), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        test_everywhere(what_storage_lost_is_taken_back),
        test_everywhere(what_the_index_missed_is_added),
        test_in(of_a_bucket_what_was_not_written_since_the_last_scan_is_not_read_again, in_flat_memory),
        test_in(of_a_bucket_a_link_of_the_right_size_is_not_read, in_flat_memory),
        test_in(a_scan_of_links_finds_what_was_pushed_unheard_and_lists_no_blob, in_memory),
        test_in(a_scan_of_links_finds_what_was_pushed_unheard_and_lists_no_blob, in_flat_memory),
        test_in(a_manifest_that_cannot_be_read_is_not_certainly_gone, in_memory),
        test_in(a_manifest_that_cannot_be_read_is_not_certainly_gone, in_flat_memory),
        test_everywhere(a_scan_of_links_closes_a_gap_and_takes_no_blob_for_absent),
        test_everywhere(what_another_regsweep_has_taken_only_a_whole_scan_tells),
        test_everywhere(a_first_scan_lists_blobs_whatever_it_was_told),
        test_everywhere(a_link_that_came_back_is_present_again),
        test_everywhere(a_repository_that_went_away_is_no_longer_there),
        test_everywhere(a_signature_that_went_away_is_dropped),
        test_everywhere(a_second_scan_changes_nothing_and_reads_no_manifest),
        test_everywhere(a_child_that_arrives_later_is_read_then),
        test_everywhere(questions_from_before_the_scan_are_answered_by_it),
        test_everywhere(what_was_written_after_it_was_forgotten_is_spared),
        test_everywhere(a_tag_that_was_set_to_something_else_is_spared),
        test_memory(what_is_hardly_older_is_spared_where_an_event_may_be_lost),
        test_memory(what_is_hardly_older_is_spared_where_no_event_ever_came),
        test_memory(what_is_hardly_older_is_spared_with_the_registry_stopped),
        test_memory(what_is_long_older_goes_all_the_same),
        test_memory(a_clock_that_was_set_back_makes_nothing_old),
        test_in(an_index_of_another_storage_is_refused, in_directory),
        test_memory(an_index_of_another_storage_is_refused),
        test_in(a_storage_that_is_not_mounted_empties_no_index, in_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
