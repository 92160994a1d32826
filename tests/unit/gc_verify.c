/* Verify: each kind of finding, and no finding where nothing is wrong. */
#include "gc_registry.h"

#include <regsweep/verify.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

static char found[8192]; /* one line a finding: kind repo tag digest needs */
static struct rsw_verify_result verified;

static int note_finding(void *arg, const struct rsw_finding *finding) {
    (void)arg;
    char digest[RSW_DIGEST_TEXT_MAX] = "-";
    char needs[RSW_DIGEST_TEXT_MAX] = "-";
    if (finding->digest != NULL) {
        rsw_digest_format(finding->digest, digest);
    }
    if (finding->needs != NULL) {
        rsw_digest_format(finding->needs, needs);
    }
    assert_non_null(finding->problem);
    size_t len = strlen(found);
    snprintf(found + len, sizeof found - len, "%s %s %s %s %s\n", rsw_finding_name(finding->kind),
             finding->repo != NULL ? finding->repo : "-", finding->tag != NULL ? finding->tag : "-", digest,
             needs);
    return 0;
}

static void verify(struct registry *r) {
    struct rsw_verify_options options = {.finding = note_finding};
    struct picture before, after;
    picture_take(&before, r, true);
    found[0] = 0;
    if (rsw_verify(&verified, r->index, r->storage, &options, &r->err) != 0) {
        fail_msg("%s", r->err.message);
    }
    picture_take(&after, r, true);
    same_pictures(&before, &after);
    picture_release(&before);
    picture_release(&after);
    uint64_t total = 0;
    for (int kind = 0; kind < RSW_FINDING_KINDS; kind++) {
        total += verified.findings[kind];
    }
    assert_true(total == verified.total);
}

static bool finds(enum rsw_finding_kind kind, const char *repo, const char *tag,
                  const struct rsw_digest *digest, const struct rsw_digest *needs) {
    char line[1024];
    char a[RSW_DIGEST_TEXT_MAX];
    char b[RSW_DIGEST_TEXT_MAX];
    snprintf(line, sizeof line, "%s %s %s %s %s\n", rsw_finding_name(kind), repo, tag,
             rsw_digest_format(digest, a), needs != NULL ? rsw_digest_format(needs, b) : "-");
    return strstr(found, line) != NULL;
}

static struct tree_image put_image(struct registry *r) {
    put_what_stays(&r->tree);
    return tree_image(&r->tree, "broken", "v1", "broken", 2);
}

static void a_clean_tree_has_no_finding(void **state) {
    struct registry *r = *state;
    put_what_stays(&r->tree);
    scan_registry(r);
    verify(r);
    assert_string_equal(found, "");
    assert_int_equal(verified.total, 0);
    assert_true(verified.blobs > 10 && verified.links > 10 && verified.images > 5);
}

static void an_empty_index_has_no_finding(void **state) {
    verify(*state);
    assert_int_equal(verified.total, 0);
}

static void garbage_is_no_finding_but_for_a_dangling_link(void **state) {
    struct registry *r = *state;
    put_what_stays(&r->tree);
    put_what_goes(&r->tree);
    scan_registry(r);
    verify(r);
    struct rsw_digest never = tree_digest_of("a layer that never came");
    assert_true(finds(RSW_FINDING_DANGLING_LINK, "a/b", "-", &never, NULL));
    assert_int_equal(verified.total, 1);
}

static void a_sweep_leaves_nothing_to_find(void **state) {
    struct registry *r = *state;
    put_what_stays(&r->tree);
    put_what_goes(&r->tree);
    sweep_well(r);
    verify(r);
    assert_string_equal(found, "");
}

static void missing_bytes_are_found_with_the_link_and_the_image_that_need_them(void **state) {
    struct registry *r = *state;
    struct tree_image image = put_image(r);
    scan_registry(r);
    tree_blob_remove(&r->tree, &image.layers[1]);
    verify(r);
    assert_true(finds(RSW_FINDING_MISSING_BYTES, "-", "-", &image.layers[1], NULL));
    assert_true(finds(RSW_FINDING_DANGLING_LINK, "broken", "-", &image.layers[1], NULL));
    assert_true(finds(RSW_FINDING_BROKEN_IMAGE, "broken", "v1", &image.manifest, &image.layers[1]));
    assert_int_equal(verified.total, 3);
}

static void bytes_that_a_scan_knows_to_be_missing_are_told_where_they_are_needed(void **state) {
    struct registry *r = *state;
    struct tree_image image = put_image(r);
    tree_blob_remove(&r->tree, &image.layers[1]);
    scan_registry(r);
    verify(r);
    assert_true(finds(RSW_FINDING_DANGLING_LINK, "broken", "-", &image.layers[1], NULL));
    assert_true(finds(RSW_FINDING_BROKEN_IMAGE, "broken", "v1", &image.manifest, &image.layers[1]));
    assert_int_equal(verified.total, 2);
}

static void a_missing_manifest_breaks_its_image(void **state) {
    struct registry *r = *state;
    struct tree_image image = put_image(r);
    scan_registry(r);
    tree_blob_remove(&r->tree, &image.manifest);
    verify(r);
    assert_true(finds(RSW_FINDING_MISSING_BYTES, "-", "-", &image.manifest, NULL));
    assert_true(finds(RSW_FINDING_BROKEN_IMAGE, "broken", "v1", &image.manifest, NULL));
}

static void bytes_of_another_number_are_found_with_the_image_that_needs_them(void **state) {
    struct registry *r = *state;
    struct tree_image image = put_image(r);
    scan_registry(r);
    tree_blob_as(&r->tree, &image.layers[0], "cut", 3);
    verify(r);
    assert_true(finds(RSW_FINDING_WRONG_SIZE, "-", "-", &image.layers[0], NULL));
    assert_true(finds(RSW_FINDING_BROKEN_IMAGE, "broken", "v1", &image.manifest, &image.layers[0]));
    assert_int_equal(verified.total, 2);
}

/* The index knows them as storage has them then; the manifest says how many there have to be. */
static void bytes_that_a_scan_has_seen_cut_short_break_the_image(void **state) {
    struct registry *r = *state;
    struct tree_image image = put_image(r);
    tree_blob_as(&r->tree, &image.layers[0], "cut", 3);
    scan_registry(r);
    verify(r);
    assert_true(finds(RSW_FINDING_BROKEN_IMAGE, "broken", "v1", &image.manifest, &image.layers[0]));
    assert_int_equal(verified.total, 1);
}

static void a_manifest_of_other_bytes_is_found(void **state) {
    struct registry *r = *state;
    struct tree_image image = put_image(r);
    struct rsw_blob blob;
    char other[4096];
    RSW_AUTO_TXN txn = NULL;
    scan_registry(r);
    assert_int_equal(rsw_txn_begin_read(&txn, r->index, &r->err), 0);
    assert_int_equal(rsw_blob_find(txn, &image.manifest, &blob), RSW_FOUND);
    assert_true(blob.size < sizeof other);
    memset(other, ' ', sizeof other);
    tree_blob_as(&r->tree, &image.manifest, other, blob.size); /* of the same number */
    verify(r);
    assert_true(finds(RSW_FINDING_UNREADABLE, "broken", "v1", &image.manifest, NULL));
    assert_int_equal(verified.total, 1);
}

static void a_link_that_storage_has_lost_is_found(void **state) {
    struct registry *r = *state;
    struct tree_image image = put_image(r);
    scan_registry(r);
    tree_link_remove(&r->tree, "broken", &image.layers[0]);
    verify(r);
    assert_true(finds(RSW_FINDING_MISSING_LINK, "broken", "-", &image.layers[0], NULL));
}

static void a_revision_that_storage_has_lost_is_found(void **state) {
    struct registry *r = *state;
    struct tree_image image = put_image(r);
    scan_registry(r);
    tree_revision_remove(&r->tree, "broken", &image.manifest);
    verify(r);
    assert_true(finds(RSW_FINDING_MISSING_LINK, "broken", "-", &image.manifest, NULL));
}

static void an_image_whose_layer_is_not_linked_here_is_broken(void **state) {
    struct registry *r = *state;
    struct tree_image image = put_image(r);
    tree_link_remove(&r->tree, "broken", &image.layers[0]);
    scan_registry(r);
    verify(r);
    assert_true(finds(RSW_FINDING_BROKEN_IMAGE, "broken", "v1", &image.manifest, &image.layers[0]));
    assert_int_equal(verified.total, 1);
}

static void an_index_without_one_of_its_children_is_broken(void **state) {
    struct registry *r = *state;
    put_what_stays(&r->tree);
    struct rsw_digest children[] = {tree_image(&r->tree, "broken", NULL, "here", 1).manifest,
                                    tree_digest_of("never pushed")};
    struct rsw_digest index = tree_index(&r->tree, "broken", "all", children, 2);
    scan_registry(r);
    verify(r);
    assert_true(finds(RSW_FINDING_BROKEN_IMAGE, "broken", "all", &index, &children[1]));
    assert_int_equal(verified.total, 1);
}

static void a_subject_that_is_not_there_is_no_finding(void **state) {
    struct registry *r = *state;
    put_what_stays(&r->tree);
    struct rsw_digest subject = tree_digest_of("never pushed");
    tree_referrer(&r->tree, "signatures", NULL, &subject, "application/spdx+json", "an sbom");
    scan_registry(r);
    verify(r);
    assert_string_equal(found, "");
}

static void a_foreign_layer_that_storage_does_not_have_is_no_finding(void **state) {
    struct registry *r = *state;
    struct rsw_digest config = tree_blob(&r->tree, "{\"os\":\"windows\"}");
    char text[RSW_DIGEST_TEXT_MAX];
    char far_away[RSW_DIGEST_TEXT_MAX];
    char json[2048];
    struct rsw_digest foreign = tree_digest_of("kept by its maker");
    tree_link(&r->tree, "windows", &config);
    snprintf(json, sizeof json,
             "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.docker.distribution.manifest.v2+json\","
             "\"config\":{\"mediaType\":\"application/vnd.docker.container.image.v1+json\",\"size\":16,"
             "\"digest\":\"%s\"},\"layers\":[{\"mediaType\":"
             "\"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip\",\"size\":17,\"digest\":\"%s\","
             "\"urls\":[\"https://example.com/layer\"]}]}",
             rsw_digest_format(&config, text), rsw_digest_format(&foreign, far_away));
    tree_manifest_json(&r->tree, "windows", "v1", json);
    scan_registry(r);
    verify(r);
    assert_string_equal(found, "");
}

static void an_alias_whose_target_is_there_is_whole(void **state) {
    struct registry *r = *state;
    struct rsw_digest layer = tree_blob(&r->tree, "pushed under sha512");
    struct rsw_digest alias;
    assert_int_equal(rsw_digest_of(&alias, RSW_SHA512, "pushed under sha512", 19, NULL), 0);
    tree_link(&r->tree, "a", &layer);
    tree_link_alias(&r->tree, "a", &alias, &layer);
    struct rsw_digest config = tree_blob(&r->tree, "{\"a\":1}");
    tree_link(&r->tree, "a", &config);
    char json[1024];
    char text[RSW_DIGEST_TEXT_MAX];
    char other[RSW_DIGEST_TEXT_MAX];
    snprintf(json, sizeof json,
             "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"config\":"
             "{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"size\":7,\"digest\":\"%s\"},"
             "\"layers\":[{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\",\"size\":19,"
             "\"digest\":\"%s\"}]}",
             rsw_digest_format(&config, text), rsw_digest_format(&alias, other));
    struct rsw_digest manifest = tree_manifest_json(&r->tree, "a", "v1", json);
    scan_registry(r);
    verify(r);
    assert_string_equal(found, "");
    tree_blob_remove(&r->tree, &layer);
    verify(r);
    assert_true(finds(RSW_FINDING_BROKEN_IMAGE, "a", "v1", &manifest, &alias));
}

static void a_manifest_that_cannot_be_understood_is_found(void **state) {
    struct registry *r = *state;
    put_what_stays(&r->tree);
    struct rsw_digest manifest = tree_blob(&r->tree, "{\"schemaVersion\":2,");
    tree_revision(&r->tree, "broken", &manifest);
    tree_tag(&r->tree, "broken", "v1", &manifest);
    scan_registry(r);
    verify(r);
    assert_true(finds(RSW_FINDING_UNREADABLE, "broken", "v1", &manifest, NULL));
    assert_int_equal(verified.total, 1);
}

static void damaged_links_are_found(void **state) {
    struct registry *r = *state;
    put_what_stays(&r->tree);
    struct rsw_digest layer = tree_blob(&r->tree, "a layer");
    char key[RSW_KEY_MAX];
    tree_put_text(&r->tree, rsw_key_layer_link(key, "broken", &layer), "");
    scan_registry(r);
    verify(r);
    assert_true(finds(RSW_FINDING_UNREADABLE, "broken", "-", &layer, NULL));
    assert_int_equal(verified.total, 1);
}

static void what_storage_cannot_tell_is_found_and_breaks_no_image(void **state) {
    struct registry *r = *state;
    struct tree_image image = put_image(r);
    scan_registry(r);
    char key[RSW_KEY_MAX];
    rsw_memory_fail_key(r->real, rsw_key_blob(key, &image.layers[0]), EIO);
    found[0] = 0;
    struct rsw_verify_options options = {.finding = note_finding};
    assert_int_equal(rsw_verify(&verified, r->index, r->storage, &options, &r->err), 0);
    assert_true(finds(RSW_FINDING_UNREADABLE, "-", "-", &image.layers[0], NULL));
    assert_int_equal(verified.total, 1);
}

static void a_tag_of_a_manifest_that_is_not_linked_here_is_found(void **state) {
    struct registry *r = *state;
    struct tree_image image = put_image(r);
    tree_revision_remove(&r->tree, "broken", &image.manifest);
    scan_registry(r);
    verify(r);
    assert_true(finds(RSW_FINDING_BROKEN_IMAGE, "broken", "v1", &image.manifest, NULL));
}

static void a_tag_that_cannot_be_read_is_found(void **state) {
    struct registry *r = *state;
    struct tree_image image = put_image(r);
    char key[RSW_KEY_MAX];
    tree_put_text(&r->tree, rsw_key_tag_current(key, "broken", "v1"), "");
    (void)image;
    scan_registry(r);
    verify(r);
    assert_int_equal(verified.findings[RSW_FINDING_UNREADABLE], 1);
    assert_non_null(strstr(found, "unreadable broken v1"));
}

static int stop_at_once(void *arg, const struct rsw_finding *finding) {
    (void)finding;
    (*(int *)arg)++;
    return 1;
}

static void a_finding_may_end_the_run(void **state) {
    struct registry *r = *state;
    struct tree_image image = put_image(r);
    scan_registry(r);
    tree_blob_remove(&r->tree, &image.layers[0]);
    tree_blob_remove(&r->tree, &image.layers[1]);
    int calls = 0;
    struct rsw_verify_options options = {.finding = stop_at_once, .arg = &calls};
    assert_int_equal(rsw_verify(&verified, r->index, r->storage, &options, &r->err), -1);
    assert_int_equal(r->err.code, RSW_ESTOPPED);
    assert_int_equal(calls, 1);
}

static void more_objects_than_one_batch_are_all_looked_at(void **state) {
    struct registry *r = *state;
    struct rsw_digest last = {.alg = 0};
    for (int i = 0; i < 2001; i++) {
        char text[32];
        snprintf(text, sizeof text, "layer number %d", i);
        last = tree_blob(&r->tree, text);
        tree_link(&r->tree, "a", &last);
    }
    scan_registry(r);
    tree_blob_remove(&r->tree, &last);
    verify(r);
    assert_int_equal(verified.blobs, 2001);
    assert_int_equal(verified.links, 2001);
    assert_true(finds(RSW_FINDING_MISSING_BYTES, "-", "-", &last, NULL));
    assert_true(finds(RSW_FINDING_DANGLING_LINK, "a", "-", &last, NULL));
    assert_int_equal(verified.total, 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        in_both(a_clean_tree_has_no_finding),
        in_both(an_empty_index_has_no_finding),
        in_both(garbage_is_no_finding_but_for_a_dangling_link),
        in_both(a_sweep_leaves_nothing_to_find),
        in_both(missing_bytes_are_found_with_the_link_and_the_image_that_need_them),
        in_both(bytes_that_a_scan_knows_to_be_missing_are_told_where_they_are_needed),
        in_both(a_missing_manifest_breaks_its_image),
        in_both(bytes_of_another_number_are_found_with_the_image_that_needs_them),
        in_both(bytes_that_a_scan_has_seen_cut_short_break_the_image),
        in_both(a_manifest_of_other_bytes_is_found),
        in_both(a_link_that_storage_has_lost_is_found),
        in_both(a_revision_that_storage_has_lost_is_found),
        in_both(an_image_whose_layer_is_not_linked_here_is_broken),
        in_both(an_index_without_one_of_its_children_is_broken),
        in_both(a_subject_that_is_not_there_is_no_finding),
        in_both(a_foreign_layer_that_storage_does_not_have_is_no_finding),
        in_both(an_alias_whose_target_is_there_is_whole),
        in_both(a_manifest_that_cannot_be_understood_is_found),
        in_both(damaged_links_are_found),
        in_memory_alone(what_storage_cannot_tell_is_found_and_breaks_no_image),
        in_both(a_tag_of_a_manifest_that_is_not_linked_here_is_found),
        in_both(a_tag_that_cannot_be_read_is_found),
        in_both(a_finding_may_end_the_run),
        in_memory_alone(more_objects_than_one_batch_are_all_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
