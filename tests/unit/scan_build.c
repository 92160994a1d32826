/* A scan of an empty index: what is in storage is in the index, and nothing else. */
#include "scan_help.h"

#include "oci/manifest.h"

#include <string.h>

static void an_image_is_indexed_with_all_its_parts(void **state) {
    struct world *w = *state;
    struct tree_image image = tree_image(&w->tree, "library/app", "1.0", "seed", 2);
    scan(w);
    expect(w, "repository library/app");
    expect(w, "tag library/app 1.0 = %s", text(&image.manifest));
    expect(w, "history library/app 1.0: %s", text(&image.manifest));
    expect(w, "revision library/app %s present", text(&image.manifest));
    expect(w, "link library/app %s present", text(&image.config));
    expect(w, "link library/app %s present", text(&image.layers[0]));
    expect(w, "link library/app %s present", text(&image.layers[1]));
    expect(w, "blob %s present size=12 types=layer", text(&image.layers[0]));
    expect(w, "blob %s present size=15 types=config", text(&image.config));
    expect(w, "reference %s -config-> %s", text(&image.manifest), text(&image.config));
    expect(w, "reference %s -layer-> %s", text(&image.manifest), text(&image.layers[1]));
    assert_true(w->result.complete);
    assert_int_equal(w->result.blobs, 4);
    assert_int_equal(w->result.links, 3);
    assert_int_equal(w->result.revisions, 1);
    assert_int_equal(w->result.tags, 1);
    assert_int_equal(w->result.repositories, 1);
    assert_int_equal(w->result.manifests_read, 1);
    assert_int_equal(w->result.problems, 0);
    assert_true(state_of(w).scan_seq != 0 || state_of(w).scan_ended_ms == T0);
}

static void times_of_links_are_those_of_their_files(void **state) {
    struct world *w = *state;
    w->tree.mtime_ms = T0 - 5000;
    struct tree_image image = tree_image(&w->tree, "app", "1", "seed", 1);
    scan(w);
    RSW_AUTO_TXN txn = NULL;
    assert_int_equal(rsw_txn_begin_read(&txn, w->index, &w->err), 0);
    struct rsw_member member;
    struct rsw_blob blob;
    struct rsw_repo repo;
    assert_int_equal(rsw_repo_find(txn, "app", &repo), RSW_FOUND);
    assert_int_equal(rsw_blob_find(txn, &image.layers[0], &blob), RSW_FOUND);
    assert_int_equal(rsw_member_get(txn, RSW_LINK, repo.id, blob.id, &member), RSW_FOUND);
    assert_int_equal(member.touched_ms, T0 - 5000);
    assert_int_equal(blob.first_seen_ms, T0);
}

static void nested_repository_names_are_told_apart(void **state) {
    struct world *w = *state;
    struct tree_image outer = tree_image(&w->tree, "a", "1", "outer", 1);
    struct tree_image inner = tree_image(&w->tree, "a/b", "1", "inner", 1);
    struct tree_image deep = tree_image(&w->tree, "a/b-c/d.e", "_uploads", "deep", 1);
    scan(w);
    assert_int_equal(w->result.repositories, 3);
    expect(w, "tag a 1 = %s", text(&outer.manifest));
    expect(w, "tag a/b 1 = %s", text(&inner.manifest));
    expect(w, "tag a/b-c/d.e _uploads = %s", text(&deep.manifest));
    expect_not(w, "revision a %s present", text(&inner.manifest));
}

static void a_child_linked_as_a_layer_is_read_and_so_are_its_children(void **state) {
    struct world *w = *state;
    struct tree_image image = tree_image(&w->tree, "app", NULL, "seed", 1);
    struct rsw_digest inner = tree_index(&w->tree, "app", NULL, &image.manifest, 1);
    struct rsw_digest outer = tree_index(&w->tree, "app", "all", &inner, 1);
    tree_revision_remove(&w->tree, "app", &inner);
    tree_revision_remove(&w->tree, "app", &image.manifest);
    tree_link(&w->tree, "app", &inner);
    scan(w);
    expect(w, "reference %s -child-> %s", text(&outer), text(&inner));
    expect(w, "reference %s -child-> %s", text(&inner), text(&image.manifest));
    expect(w, "reference %s -layer-> %s", text(&image.manifest), text(&image.layers[0]));
    assert_int_equal(w->result.manifests_read, 3);
}

static void a_manifest_in_many_repositories_is_read_once(void **state) {
    struct world *w = *state;
    for (char name[] = "repo-a"; name[5] <= 'z'; name[5]++) {
        tree_image(&w->tree, name, "1", "the same", 2);
    }
    scan(w);
    assert_int_equal(w->result.repositories, 26);
    assert_int_equal(w->result.manifests_read, 1);
}

static void a_referrer_shows_its_subject(void **state) {
    struct world *w = *state;
    struct tree_image image = tree_image(&w->tree, "app", "1", "seed", 1);
    struct rsw_digest sbom =
        tree_referrer(&w->tree, "app", NULL, &image.manifest, "application/spdx+json", "{\"sbom\":1}");
    struct rsw_digest cosign = tree_cosign(&w->tree, "app", &image.manifest);
    char tag[256];
    scan(w);
    expect(w, "reference %s -subject-> %s", text(&sbom), text(&image.manifest));
    expect(w, "tag app %s = %s", tree_weak_tag(tag, &image.manifest, ".sig"), text(&cosign));
}

static void schema_1_signatures_are_found(void **state) {
    struct world *w = *state;
    struct rsw_digest layer = tree_blob(&w->tree, "old layer");
    struct rsw_digest signature;
    struct rsw_digest manifest = tree_schema1(&w->tree, "old", "1", &layer, 1, &signature);
    scan(w);
    expect(w, "signature old %s: %s", text(&manifest), text(&signature));
    expect(w, "reference %s -layer-> %s", text(&manifest), text(&layer));
    assert_true((blob_of(w, &signature).types & RSW_TYPE_SIGNATURE) != 0);
}

static void a_sha512_alias_names_its_target(void **state) {
    struct world *w = *state;
    struct rsw_digest target = tree_blob(&w->tree, "content");
    struct rsw_digest alias;
    assert_int_equal(rsw_digest_of(&alias, RSW_SHA512, "content", 7, NULL), 0);
    tree_link(&w->tree, "app", &target);
    tree_link_alias(&w->tree, "app", &alias, &target);
    scan(w);
    expect(w, "link app %s present -> %s", text(&alias), text(&target));
    expect(w, "link app %s present", text(&target));
    assert_int_equal(w->result.problems, 0);
}

static void uploads_have_age_and_size(void **state) {
    struct world *w = *state;
    tree_upload(&w->tree, "app", "8a4f", "2026-11-01T00:00:00Z", 1000);
    tree_upload(&w->tree, "app", "9b5e", NULL, 50);
    tree_upload(&w->tree, "app", "broken", "yesterday", 1);
    tree_upload(&w->tree, "app", "empty", "", 1);
    scan(w);
    assert_int_equal(w->result.uploads, 4);
    RSW_AUTO_TXN txn = NULL;
    assert_int_equal(rsw_txn_begin_read(&txn, w->index, &w->err), 0);
    struct rsw_repo repo;
    struct rsw_upload upload;
    assert_int_equal(rsw_repo_find(txn, "app", &repo), RSW_FOUND);
    assert_int_equal(rsw_upload_get(txn, repo.id, "8a4f", &upload), RSW_FOUND);
    assert_int_equal(upload.started_ms, INT64_C(1793491200000));
    assert_int_equal(upload.size, 1020);
    assert_int_equal(rsw_upload_get(txn, repo.id, "9b5e", &upload), RSW_FOUND);
    assert_int_equal(upload.started_ms, 0);
    /* What a registry that was killed left of the time: that of the file. */
    static const char *const torn[] = {"broken", "empty"};
    for (size_t i = 0; i < sizeof torn / sizeof *torn; i++) {
        char key[RSW_KEY_MAX];
        snprintf(key, sizeof key, RSW_LAYOUT_REPOSITORIES "/app/_uploads/%s/startedat", torn[i]);
        struct rsw_look look = {.key = key};
        rsw_storage_look(w->storage, &look, 1);
        assert_true(look.answer == RSW_FOUND && look.mtime_ms != 0);
        assert_int_equal(rsw_upload_get(txn, repo.id, torn[i], &upload), RSW_FOUND);
        assert_int_equal(upload.started_ms, look.mtime_ms);
    }
}

static void thousands_of_uploads_are_one_record_each(void **state) {
    struct world *w = *state;
    enum { UPLOADS = 1500 }; /* more files than fit a page of a listing */
    for (int i = 0; i < UPLOADS; i++) {
        char id[16];
        snprintf(id, sizeof id, "%04d", i);
        tree_upload(&w->tree, "app", id, "2026-11-01T00:00:00Z", 1000);
    }
    scan(w);
    assert_int_equal(w->result.uploads, UPLOADS);
    RSW_AUTO_TXN txn = NULL;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_upload upload;
    unsigned met = 0;
    assert_int_equal(rsw_txn_begin_read(&txn, w->index, &w->err), 0);
    rsw_iter_uploads(&iter, txn, 0);
    while (rsw_upload_next(&iter, &upload) == RSW_FOUND) {
        met++;
        assert_int_equal(upload.size, 1020);
        assert_int_equal(upload.started_ms, INT64_C(1793491200000));
    }
    assert_int_equal(met, UPLOADS);
}

static void a_repository_may_have_no_tags_or_no_manifests_at_all(void **state) {
    struct world *w = *state;
    struct rsw_digest layer = tree_blob(&w->tree, "just a layer");
    tree_link(&w->tree, "layers-only", &layer);
    struct tree_image image = tree_image(&w->tree, "untagged", NULL, "seed", 1);
    scan(w);
    expect(w, "repository layers-only");
    expect(w, "link layers-only %s present", text(&layer));
    expect(w, "revision untagged %s present", text(&image.manifest));
    assert_true(w->result.complete);
}

static void a_tag_without_a_revision_has_its_manifest_read(void **state) {
    struct world *w = *state;
    struct tree_image image = tree_image(&w->tree, "old", "1", "seed", 1);
    tree_revision_remove(&w->tree, "old", &image.manifest);
    scan(w);
    expect(w, "tag old 1 = %s", text(&image.manifest));
    expect(w, "reference %s -layer-> %s", text(&image.manifest), text(&image.layers[0]));
}

static void history_without_a_head_is_a_tag_that_points_nowhere(void **state) {
    struct world *w = *state;
    char key[RSW_KEY_MAX];
    struct tree_image image = tree_image(&w->tree, "app", "1", "seed", 1);
    tree_remove(&w->tree, rsw_key_tag_current(key, "app", "1"));
    scan(w);
    expect(w, "tag app 1 = nothing");
    expect(w, "history app 1: %s", text(&image.manifest));
}

static void an_empty_registry_is_a_complete_scan_of_nothing(void **state) {
    struct world *w = *state;
    scan(w);
    assert_true(w->result.complete);
    assert_int_equal(w->result.blobs, 0);
    assert_non_null(strstr(w->said, "empty registry"));
}

/* ---- only where there are folders ---- */

static void folders_without_links_are_tombstones_and_make_a_repository(void **state) {
    struct world *w = *state;
    struct tree_image image = tree_image(&w->tree, "app", "1", "seed", 1);
    tree_tag_remove(&w->tree, "app", "1", &image.manifest, 1);
    tree_revision_remove(&w->tree, "app", &image.manifest);
    tree_link_remove(&w->tree, "app", &image.layers[0]);
    tree_mkdir(&w->tree, RSW_LAYOUT_REPOSITORIES "/empty/_layers");
    tree_mkdir(&w->tree, RSW_LAYOUT_REPOSITORIES "/space/only");
    scan(w);
    expect(w, "revision app %s deleted", text(&image.manifest));
    expect(w, "link app %s deleted", text(&image.layers[0]));
    expect(w, "repository empty");
    expect_not(w, "repository space");
    expect_not(w, "repository space/only");
    expect_not(w, "tag app 1 = %s", text(&image.manifest));
    /* its bytes are still there, and tell what its parts are */
    expect(w, "reference %s -layer-> %s", text(&image.manifest), text(&image.layers[0]));
}

struct told {
    unsigned calls;
    struct rsw_scan_progress last;
};

static void tell(void *arg, const struct rsw_scan_progress *progress) {
    struct told *told = arg;
    told->calls++;
    told->last = *progress;
}

static void progress_is_told_and_ends_finished(void **state) {
    struct world *w = *state;
    struct told told = {0};
    tree_image(&w->tree, "app", "1", "seed", 1);
    w->options.progress = tell;
    w->options.arg = &told;
    scan(w);
    assert_true(told.calls > 0);
    assert_true(told.last.finished);
    assert_int_equal(told.last.blobs, 3);
    assert_int_equal(told.last.repositories, 1);
    assert_int_equal(told.last.repositories_known, 1);
}

static void more_objects_than_fit_a_page_or_a_batch(void **state) {
    struct world *w = *state;
    char name[64];
    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof name, "blob %d", i);
        struct rsw_digest blob = tree_blob(&w->tree, name);
        tree_link(&w->tree, "big", &blob);
        if (i % 3 == 0) {
            snprintf(name, sizeof name, "tag-%d", i);
            tree_tag(&w->tree, "big", name, &blob);
        }
    }
    scan(w);
    assert_int_equal(w->result.blobs, 3000);
    assert_int_equal(w->result.links, 3000);
    assert_int_equal(w->result.tags, 1000);
    expect_equal_to_fresh_scan(w);
}

/* More than are read while folders are looked for. */
static void of_a_bucket_every_blob_is_found_however_many(void **state) {
    struct world *w = *state;
    char name[64];
    for (int i = 0; i < 12000; i++) {
        snprintf(name, sizeof name, "blob %d", i);
        tree_blob(&w->tree, name);
    }
    scan(w);
    assert_int_equal(w->result.blobs, 12000);
    assert_int_equal(w->result.appeared, 12000);
    expect_equal_to_fresh_scan(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        test_everywhere(an_image_is_indexed_with_all_its_parts),
        test_everywhere(times_of_links_are_those_of_their_files),
        test_everywhere(nested_repository_names_are_told_apart),
        test_everywhere(a_child_linked_as_a_layer_is_read_and_so_are_its_children),
        test_everywhere(a_manifest_in_many_repositories_is_read_once),
        test_everywhere(a_referrer_shows_its_subject),
        test_everywhere(schema_1_signatures_are_found),
        test_everywhere(a_sha512_alias_names_its_target),
        test_everywhere(uploads_have_age_and_size),
        test_everywhere(thousands_of_uploads_are_one_record_each),
        test_everywhere(a_repository_may_have_no_tags_or_no_manifests_at_all),
        test_everywhere(a_tag_without_a_revision_has_its_manifest_read),
        test_everywhere(history_without_a_head_is_a_tag_that_points_nowhere),
        test_everywhere(an_empty_registry_is_a_complete_scan_of_nothing),
        test_in(folders_without_links_are_tombstones_and_make_a_repository, in_directory),
        test_everywhere(progress_is_told_and_ends_finished),
        test_everywhere(more_objects_than_fit_a_page_or_a_batch),
        test_in(of_a_bucket_every_blob_is_found_however_many, in_flat_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
