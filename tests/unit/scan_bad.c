/* Bad input: kept, counted, told; never the end of a scan, never believed. */
#include "scan_help.h"

#include "oci/manifest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_unreadable(struct world *w, const struct rsw_digest *digest) {
    struct rsw_blob blob = blob_of(w, digest);
    return (blob.flags & RSW_BLOB_UNREADABLE) != 0 && (blob.flags & RSW_BLOB_PARSED) == 0 &&
           (blob.flags & RSW_BLOB_PRESENT) != 0;
}

static void damaged_manifests_are_kept_as_unreadable(void **state) {
    struct world *w = *state;
    struct rsw_digest whole = tree_image(&w->tree, "app", "whole", "seed", 1).manifest;
    struct rsw_digest cut = tree_image(&w->tree, "app", "cut", "cut", 1).manifest;
    struct rsw_digest empty = tree_image(&w->tree, "app", "empty", "empty", 1).manifest;
    struct rsw_digest binary = tree_blob_bytes(&w->tree, "\x1f\x8b\0\xff\xfe", 5);
    struct rsw_digest other = tree_manifest_json(&w->tree, "app", "list", "[1,2,3]");
    tree_revision(&w->tree, "app", &binary);
    tree_blob_as(&w->tree, &cut, "{\"schemaVersion\":2,\"mediaType\":", 31);
    tree_blob_as(&w->tree, &empty, "", 0);
    scan(w);
    assert_true(is_unreadable(w, &cut));
    assert_true(is_unreadable(w, &empty));
    assert_true(is_unreadable(w, &binary));
    assert_true(is_unreadable(w, &other));
    assert_false(is_unreadable(w, &whole));
    assert_int_equal(w->result.problems, 4);
    assert_true(w->result.complete);
    assert_non_null(strstr(w->said, text(&cut)));
}

static void valid_json_under_the_wrong_digest_is_not_believed(void **state) {
    struct world *w = *state;
    struct tree_image image = tree_image(&w->tree, "app", "1", "seed", 1);
    tree_blob_as(&w->tree, &image.manifest, "{\"schemaVersion\":2,\"layers\":[]}", 31);
    scan(w);
    assert_true(is_unreadable(w, &image.manifest));
}

static void a_huge_manifest_is_unreadable_and_not_read_whole(void **state) {
    struct world *w = *state;
    size_t size = RSW_MANIFEST_MAX + 100;
    char *bytes = malloc(size);
    memset(bytes, ' ', size);
    struct rsw_digest digest = tree_blob_bytes(&w->tree, bytes, size);
    free(bytes);
    tree_revision(&w->tree, "app", &digest);
    scan(w);
    assert_true(is_unreadable(w, &digest));
    assert_int_equal(blob_of(w, &digest).size, size);
}

static void damaged_links_are_kept_and_marked(void **state) {
    struct world *w = *state;
    char key[RSW_KEY_MAX];
    char line[RSW_DIGEST_TEXT_MAX + 1];
    struct rsw_digest empty = tree_blob(&w->tree, "a");
    struct rsw_digest newline = tree_blob(&w->tree, "b");
    struct rsw_digest wrong = tree_blob(&w->tree, "c");
    struct rsw_digest folder = tree_blob(&w->tree, "d");
    struct rsw_digest huge = tree_blob(&w->tree, "e");
    char *bytes = calloc(1, 100000);
    snprintf(line, sizeof line, "%s\n", text(&newline));
    tree_put(&w->tree, rsw_key_layer_link(key, "app", &empty), "", 0);
    tree_put_text(&w->tree, rsw_key_layer_link(key, "app", &newline), line);
    tree_link_alias(&w->tree, "app", &wrong, &newline);
    rsw_key_layer_link(key, "app", &folder);
    strcat(key, "/inside");
    tree_put_text(&w->tree, key, "x");
    tree_put(&w->tree, rsw_key_layer_link(key, "app", &huge), bytes, 100000);
    free(bytes);
    scan(w);
    expect(w, "link app %s present bad", text(&empty));
    expect(w, "link app %s present bad", text(&newline));
    expect(w, "link app %s present bad -> %s", text(&wrong), text(&newline));
    expect(w, "link app %s present bad", text(&huge));
    expect(w, "link app %s present bad", text(&folder));
    assert_true(w->result.complete);
    assert_int_equal(w->result.problems, 5);
}

static void a_damaged_tag_has_no_head_and_keeps_its_history(void **state) {
    struct world *w = *state;
    char key[RSW_KEY_MAX];
    struct tree_image image = tree_image(&w->tree, "app", "1", "seed", 1);
    tree_put(&w->tree, rsw_key_tag_current(key, "app", "1"), "", 0);
    tree_put_text(&w->tree, rsw_key_tag_current(key, "app", "2"), "sha256:short");
    scan(w);
    expect(w, "tag app 1 = nothing bad");
    expect(w, "tag app 2 = nothing bad");
    expect(w, "history app 1: %s", text(&image.manifest));
}

static void names_that_break_the_grammar_are_kept_as_odd(void **state) {
    struct world *w = *state;
    struct tree_image odd = tree_image(&w->tree, "Upper/Case", "1", "odd", 1);
    struct tree_image image = tree_image(&w->tree, "app", "no good tag!", "seed", 1);
    scan(w);
    expect(w, "repository Upper/Case odd");
    expect(w, "tag Upper/Case 1 = %s", text(&odd.manifest));
    expect(w, "tag app no good tag! = %s", text(&image.manifest));
    assert_true(w->result.complete);
}

static void what_is_no_digest_is_left_alone(void **state) {
    struct world *w = *state;
    tree_image(&w->tree, "app", "1", "seed", 1);
    tree_put_text(&w->tree, RSW_LAYOUT_REPOSITORIES "/app/_layers/sha256/nonsense/link", "sha256:1");
    tree_put_text(&w->tree, RSW_LAYOUT_BLOBS "/sha256/ab/nonsense/data", "x");
    tree_put_text(&w->tree, RSW_LAYOUT_BLOBS "/stray", "x");
    scan(w);
    assert_true(w->result.complete);
    assert_int_equal(w->result.problems, 2);
    assert_int_equal(w->result.blobs, 3);
}

static void a_name_too_long_for_the_index_makes_the_scan_incomplete(void **state) {
    struct world *w = *state;
    char key[RSW_KEY_MAX + 100];
    char part[101];
    memset(part, 'a', 100);
    part[100] = 0;
    snprintf(key, sizeof key, RSW_LAYOUT_REPOSITORIES "/%s/%s/%s/%s/%s/_layers/sha256/x", part, part, part,
             part, part);
    tree_put_text(&w->tree, key, "x");
    tree_image(&w->tree, "app", "1", "seed", 1);
    scan(w);
    assert_false(w->result.complete);
    assert_int_equal(w->result.folders_unread, 1);
    assert_int_equal(state_of(w).scan_seq, 0);
    assert_int_equal(state_of(w).scan_ended_ms, 0);
}

static void an_unreadable_folder_makes_the_scan_incomplete_and_is_named(void **state) {
    struct world *w = *state;
    static const char *const folders[] = {
        RSW_LAYOUT_BLOBS,
        RSW_LAYOUT_REPOSITORIES,
        RSW_LAYOUT_REPOSITORIES "/group",
        RSW_LAYOUT_REPOSITORIES "/group/app/_layers",
        RSW_LAYOUT_REPOSITORIES "/group/app/_layers/sha256",
        RSW_LAYOUT_REPOSITORIES "/group/app/_manifests",
        RSW_LAYOUT_REPOSITORIES "/group/app/_manifests/tags",
        RSW_LAYOUT_REPOSITORIES "/group/app/_manifests/tags/1",
        RSW_LAYOUT_REPOSITORIES "/group/app/_manifests/revisions/sha256",
    };
    struct tree_image image = tree_image(&w->tree, "group/app", "1", "seed", 1);
    scan(w);
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        rsw_memory_fail_key(w->storage, folders[i], EACCES);
        w->said[0] = 0;
        scan(w);
        if (w->result.complete || strstr(w->said, folders[i]) == NULL) {
            fail_msg("%s: %s", folders[i], w->said);
        }
        rsw_memory_fail_key(w->storage, folders[i], 0);
        /* nothing that was known before is given up */
        expect(w, "repository group/app");
        expect(w, "tag group/app 1 = %s", text(&image.manifest));
        expect(w, "history group/app 1: %s", text(&image.manifest));
        expect(w, "revision group/app %s present", text(&image.manifest));
        expect(w, "link group/app %s present", text(&image.config));
        expect(w, "blob %s present size=12 types=layer", text(&image.layers[0]));
        assert_int_equal(w->result.vanished, 0);
    }
    scan(w);
    assert_true(w->result.complete);
}

static void unreadable_uploads_count_as_young_and_no_more(void **state) {
    struct world *w = *state;
    tree_image(&w->tree, "app", "1", "seed", 1);
    tree_upload(&w->tree, "app", "u1", "2026-11-01T00:00:00Z", 10);
    rsw_memory_fail_key(w->storage, RSW_LAYOUT_REPOSITORIES "/app/_uploads", EACCES);
    scan(w);
    assert_true(w->result.complete);
    assert_int_equal(w->result.problems, 1);
    RSW_AUTO_TXN txn = NULL;
    struct rsw_repo repo;
    assert_int_equal(rsw_txn_begin_read(&txn, w->index, &w->err), 0);
    assert_int_equal(rsw_repo_find(txn, "app", &repo), RSW_FOUND);
    assert_true((repo.flags & RSW_REPO_UPLOADS_UNKNOWN) != 0);
    rsw_txn_abort(&txn);
    rsw_memory_fail_key(w->storage, RSW_LAYOUT_REPOSITORIES "/app/_uploads", 0);
    scan(w);
    assert_int_equal(rsw_txn_begin_read(&txn, w->index, &w->err), 0);
    assert_int_equal(rsw_repo_find(txn, "app", &repo), RSW_FOUND);
    assert_true((repo.flags & RSW_REPO_UPLOADS_UNKNOWN) == 0);
}

/* A bucket has its folders in one list: what cannot be listed may be any of them. */
static void of_a_bucket_a_list_that_fails_leaves_all_as_it_was_and_uploads_young(void **state) {
    struct world *w = *state;
    struct tree_image image = tree_image(&w->tree, "group/app", "1", "seed", 1);
    tree_image(&w->tree, "group/app/below", "1", "seed", 2);
    tree_put_text(&w->tree, RSW_LAYOUT_REPOSITORIES "/group/_none/of/ours", "x");
    tree_put_text(&w->tree, RSW_LAYOUT_REPOSITORIES "/group/app/_none", "x");
    scan(w);
    assert_true(w->result.complete);
    expect(w, "repository group/app");
    expect(w, "repository group/app/below");
    expect_not(w, "repository group");
    rsw_memory_fail_key(w->storage, RSW_LAYOUT_REPOSITORIES "/group/app", EACCES);
    scan(w);
    assert_false(w->result.complete);
    assert_int_equal(w->result.vanished, 0);
    expect(w, "tag group/app 1 = %s", text(&image.manifest));
    expect(w, "link group/app %s present", text(&image.config));
    RSW_AUTO_TXN txn = NULL;
    struct rsw_repo repo;
    assert_int_equal(rsw_txn_begin_read(&txn, w->index, &w->err), 0);
    assert_int_equal(rsw_repo_find(txn, "group/app", &repo), RSW_FOUND);
    assert_true((repo.flags & RSW_REPO_UPLOADS_UNKNOWN) != 0);
}

/* ---- lists that leave something out ---- */

static const struct rsw_storage_ops *honest;
static const char *hidden; /* what keys begin with that lists leave out */

struct leaving_out {
    const struct rsw_listing *listing;
};

static int leave_out(void *arg, const struct rsw_entry *entries, size_t count, struct rsw_error *err) {
    const struct rsw_listing *listing = ((const struct leaving_out *)arg)->listing;
    for (size_t i = 0; i < count; i++) {
        bool out = strncmp(entries[i].key, hidden, strlen(hidden)) == 0;
        if (!out && listing->page(listing->arg, &entries[i], 1, err) != 0) {
            return -1;
        }
    }
    return 0;
}

static enum rsw_descend descend_as_asked(void *arg, const char *dir_key, const char **leaf) {
    const struct rsw_listing *listing = ((const struct leaving_out *)arg)->listing;
    return listing->descend == NULL ? RSW_DESCEND : listing->descend(listing->arg, dir_key, leaf);
}

static int list_but(struct rsw_storage *storage, const struct rsw_listing *listing, struct rsw_error *err) {
    struct leaving_out arg = {listing};
    struct rsw_listing all = *listing;
    all.page = leave_out;
    all.descend = descend_as_asked;
    all.arg = &arg;
    return honest->list(storage, &all, err);
}

/* As `scan`, of a store whose lists leave out the keys that begin so. */
static void scan_without(struct world *w, const char *key) {
    honest = w->storage->ops;
    struct rsw_storage_ops ops = *honest;
    ops.list = list_but;
    hidden = key;
    w->storage->ops = &ops;
    w->said[0] = 0;
    scan(w);
    w->storage->ops = honest;
}

static void of_a_bucket_a_repository_that_only_one_list_shows_makes_the_scan_incomplete(void **state) {
    struct world *w = *state;
    tree_image(&w->tree, "app", "1", "seed", 1);
    tree_image(&w->tree, "other", "1", "seed", 2);
    /* That the repository is there its folders tell; in them nothing is shown. */
    scan_without(w, RSW_LAYOUT_REPOSITORIES "/app/_");
    assert_false(w->result.complete);
    assert_int_equal(w->result.folders_unread, 1);
    assert_non_null(strstr(w->said, "a list of 'app' left out"));
    scan(w);
    assert_true(w->result.complete);
}

static void of_a_bucket_what_is_old_and_in_no_list_makes_the_scan_incomplete(void **state) {
    struct world *w = *state;
    char key[3][RSW_KEY_MAX];
    struct tree_image image = tree_image(&w->tree, "app", "1", "seed", 1);
    rsw_key_layer_link(key[0], "app", &image.layers[0]);
    rsw_key_tag_current(key[1], "app", "1");
    rsw_key_blob(key[2], &image.layers[0]);
    scan(w);
    w->now_ms += MINUTE;
    for (size_t i = 0; i < 3; i++) {
        scan_without(w, key[i]);
        if (w->result.complete || w->result.vanished != 0 || strstr(w->said, "left out") == NULL) {
            fail_msg("%s: %s", key[i], w->said);
        }
        expect(w, "link app %s present", text(&image.layers[0]));
        expect(w, "tag app 1 = %s", text(&image.manifest));
        scan(w);
        assert_true(w->result.complete);
    }
}

/* What is written while they are listed can come behind them. */
static void of_a_bucket_what_is_new_and_in_no_list_does_not(void **state) {
    struct world *w = *state;
    char key[RSW_KEY_MAX];
    struct tree_image image = tree_image(&w->tree, "app", "1", "seed", 1);
    scan(w);
    w->tree.mtime_ms = w->now_ms;
    tree_link(&w->tree, "app", &image.layers[0]); /* again */
    scan_without(w, rsw_key_layer_link(key, "app", &image.layers[0]));
    assert_true(w->result.complete);
    expect(w, "link app %s present", text(&image.layers[0]));
}

static void an_unreadable_manifest_is_neither_parsed_nor_damaged(void **state) {
    struct world *w = *state;
    char key[RSW_KEY_MAX];
    struct tree_image image = tree_image(&w->tree, "app", "1", "seed", 1);
    rsw_memory_fail_key(w->storage, rsw_key_blob(key, &image.manifest), EIO);
    scan(w);
    struct rsw_blob blob = blob_of(w, &image.manifest);
    assert_int_equal(blob.flags & (RSW_BLOB_PARSED | RSW_BLOB_UNREADABLE | RSW_BLOB_GONE), 0);
    assert_int_equal(blob.missing_since_ms, 0);
    assert_true(w->result.problems > 0);
    rsw_memory_fail_key(w->storage, rsw_key_blob(key, &image.manifest), 0);
    scan(w);
    assert_true((blob_of(w, &image.manifest).flags & RSW_BLOB_PARSED) != 0);
}

static void known_data_and_links_that_cannot_be_looked_at_stay(void **state) {
    struct world *w = *state;
    char blob[RSW_KEY_MAX], link[RSW_KEY_MAX], revision[RSW_KEY_MAX], head[RSW_KEY_MAX], entry[RSW_KEY_MAX];
    struct tree_image image = tree_image(&w->tree, "app", "1", "seed", 1);
    scan(w);
    rsw_memory_fail_key(w->storage, rsw_key_blob(blob, &image.layers[0]), EIO);
    rsw_memory_fail_key(w->storage, rsw_key_layer_link(link, "app", &image.layers[0]), EIO);
    rsw_memory_fail_key(w->storage, rsw_key_revision_link(revision, "app", &image.manifest), EIO);
    rsw_memory_fail_key(w->storage, rsw_key_tag_current(head, "app", "1"), EIO);
    rsw_memory_fail_key(w->storage, rsw_key_tag_history(entry, "app", "1", &image.manifest), EIO);
    w->options.registry_stopped = true;
    scan(w);
    assert_int_equal(w->result.vanished, 0);
    assert_true(w->result.problems >= 5);
    expect(w, "blob %s present size=12 types=layer", text(&image.layers[0]));
    expect(w, "link app %s present bad", text(&image.layers[0]));
    expect(w, "revision app %s present bad", text(&image.manifest));
    expect(w, "tag app 1 = nothing bad");
    expect(w, "history app 1: %s", text(&image.manifest));
}

/* As what it is, not as the errno that stands for it. */
static void what_lies_in_an_archive_is_told_as_such(void **state) {
    struct world *w = *state;
    char key[5][RSW_KEY_MAX];
    struct tree_image image = tree_image(&w->tree, "app", "1", "seed", 1);
    scan(w);
    rsw_key_blob(key[0], &image.layers[0]);
    rsw_key_layer_link(key[1], "app", &image.layers[0]);
    rsw_key_revision_link(key[2], "app", &image.manifest);
    rsw_key_tag_current(key[3], "app", "1");
    rsw_key_tag_history(key[4], "app", "1", &image.manifest);
    for (size_t i = 0; i < 5; i++) {
        rsw_memory_fail_key(w->storage, key[i], RSW_EARCHIVED);
    }
    w->said[0] = 0;
    scan(w);
    assert_non_null(strstr(w->said, "keeps it in an archive"));
    assert_null(strstr(w->said, strerror(RSW_EARCHIVED)));
}

static void symbolic_links_are_not_followed_and_make_the_scan_incomplete(void **state) {
    struct world *w = *state;
    char target[400];
    char path[400];
    tree_image(&w->tree, "app", "1", "seed", 1);
    snprintf(target, sizeof target, "%s/" RSW_LAYOUT_REPOSITORIES "/app", w->root);
    snprintf(path, sizeof path, "%s/" RSW_LAYOUT_REPOSITORIES "/linked", w->root);
    assert_int_equal(symlink(target, path), 0);
    scan(w);
    assert_false(w->result.complete);
    assert_int_equal(w->result.folders_unread, 1);
    expect_not(w, "repository linked");
}

static void what_hides_signatures_makes_the_scan_incomplete(void **state) {
    struct world *w = *state;
    struct rsw_digest layer = tree_blob(&w->tree, "layer"), signature;
    struct rsw_digest manifest = tree_schema1(&w->tree, "app", "1", &layer, 1, &signature);
    char path[RSW_KEY_MAX + 200];
    char aside[200];
    tree_link(&w->tree, "app", &layer);
    scan(w);
    assert_true(w->result.complete);
    for (int up = 1; up <= 2; up++) { /* the folder of one signature, and the one of all */
        char key[RSW_KEY_MAX];
        rsw_key_signature_link(key, "app", &manifest, &signature);
        for (int i = 0; i < up; i++) {
            *strrchr(key, '/') = 0;
        }
        snprintf(path, sizeof path, "%s/%s", w->root, key);
        snprintf(aside, sizeof aside, "%s/aside", w->root);
        assert_int_equal(rename(path, aside), 0);
        assert_int_equal(symlink(aside, path), 0);
        w->said[0] = 0;
        scan(w);
        assert_false(w->result.complete);
        assert_non_null(strstr(w->said, key));
        expect(w, "signature app %s: %s", text(&manifest), text(&signature));
        assert_int_equal(unlink(path), 0);
        assert_int_equal(rename(aside, path), 0);
    }
    scan(w);
    assert_true(w->result.complete);
}

static void an_unreadable_folder_of_signatures_makes_the_scan_incomplete(void **state) {
    struct world *w = *state;
    struct rsw_digest layer = tree_blob(&w->tree, "layer"), signature;
    struct rsw_digest manifest = tree_schema1(&w->tree, "app", "1", &layer, 1, &signature);
    char key[RSW_KEY_MAX];
    rsw_key_signature_link(key, "app", &manifest, &signature);
    *strrchr(key, '/') = 0;
    *strrchr(key, '/') = 0;
    rsw_memory_fail_key(w->storage, key, EACCES);
    scan(w);
    assert_false(w->result.complete);
    assert_non_null(strstr(w->said, key));
    rsw_memory_fail_key(w->storage, key, 0);
    scan(w);
    assert_true(w->result.complete);
    expect(w, "signature app %s: %s", text(&manifest), text(&signature));
}

static void a_repository_may_be_called_signatures(void **state) {
    struct world *w = *state;
    struct rsw_digest layer = tree_blob(&w->tree, "layer"), signature;
    struct rsw_digest manifest = tree_schema1(&w->tree, "a/signatures/b", "1", &layer, 1, &signature);
    scan(w);
    expect(w, "signature a/signatures/b %s: %s", text(&manifest), text(&signature));
}

static bool has_leftover(struct world *w, const char *name) {
    RSW_AUTO_TXN txn = NULL;
    struct rsw_repo repo;
    assert_int_equal(rsw_txn_begin_read(&txn, w->index, &w->err), 0);
    assert_int_equal(rsw_repo_find(txn, name, &repo), RSW_FOUND);
    return (repo.flags & RSW_REPO_LEFTOVER) != 0;
}

/* A registry of version 3 writes link.<uuid>.tmp, and gives it its name in the end. */
static void what_a_killed_registry_leaves_is_told_and_marks_its_repository(void **state) {
    struct world *w = *state;
    struct tree_image image = tree_image(&w->tree, "app", "1", "seed", 1);
    struct rsw_digest never = tree_digest_of("never came");
    static const char *const names[] = {"layer", "revision", "head", "entry", "upload"};
    enum { KEYS = sizeof names / sizeof *names };
    char keys[KEYS][RSW_KEY_MAX + 8];
    rsw_key_layer_link(keys[0], "layer", &never);
    rsw_key_revision_link(keys[1], "revision", &never);
    rsw_key_tag_current(keys[2], "head", "1");
    rsw_key_tag_history(keys[3], "entry", "1", &never);
    rsw_key_upload(keys[4], "upload", "file");
    for (int i = 0; i < KEYS; i++) {
        strcat(keys[i], ".1.tmp");
        tree_put_text(&w->tree, keys[i], "sha256:");
    }
    scan(w);
    assert_true(w->result.complete);
    assert_int_equal(w->result.problems, KEYS);
    for (int i = 0; i < KEYS; i++) {
        assert_non_null(strstr(w->said, keys[i]));
        assert_true(has_leftover(w, names[i]));
        tree_remove(&w->tree, keys[i]);
    }
    assert_non_null(strstr(w->said, "by hand"));
    assert_false(has_leftover(w, "app"));
    expect(w, "tag app 1 = %s", text(&image.manifest));
    scan(w);
    assert_int_equal(w->result.problems, 0);
    for (int i = 0; i < KEYS; i++) {
        assert_false(has_leftover(w, names[i]));
    }
}

static void what_a_killed_registry_leaves_of_a_blob_is_told(void **state) {
    struct world *w = *state;
    char key[RSW_KEY_MAX + 8];
    struct rsw_digest never = tree_digest_of("never came");
    tree_image(&w->tree, "app", "1", "seed", 1);
    rsw_key_blob(key, &never);
    strcat(key, ".1.tmp");
    tree_put_text(&w->tree, key, "half a manif");
    scan(w);
    assert_true(w->result.complete);
    assert_int_equal(w->result.problems, 1);
    assert_non_null(strstr(w->said, key));
}

static void links_without_any_blob_are_no_registry(void **state) {
    struct world *w = *state;
    char blobs[200];
    char away[200];
    struct tree_image image = tree_image(&w->tree, "app", "1", "seed", 2);
    snprintf(blobs, sizeof blobs, "%s/" RSW_LAYOUT_BLOBS, w->root);
    snprintf(away, sizeof away, "%s/away", w->root);
    assert_int_equal(rename(blobs, away), 0);
    assert_int_equal(mkdir(blobs, 0755), 0);
    w->options.registry_stopped = true;
    for (int known = 0; known < 2; known++) { /* to an index that is new, then to one that knew the blobs */
        assert_int_equal(try_scan(w), -1);
        assert_int_equal(w->err.code, RSW_EREFUSED);
        assert_non_null(strstr(w->err.message, "mounted?"));
        assert_false(w->result.complete);
        assert_int_equal(state_of(w).scan_ended_ms != 0, known);
        assert_int_equal(rmdir(blobs), 0);
        assert_int_equal(rename(away, blobs), 0);
        scan(w);
        assert_true(w->result.complete);
        assert_int_equal(blob_of(w, &image.manifest).flags, RSW_BLOB_PRESENT | RSW_BLOB_PARSED);
        assert_int_equal(rename(blobs, away), 0);
        assert_int_equal(mkdir(blobs, 0755), 0);
    }
    assert_int_equal(try_scan(w), -1);
    expect(w, "blob %s present size=12 types=layer", text(&image.layers[0]));
    expect(w, "link app %s present", text(&image.layers[0]));
}

static void missing_bytes_are_gone_only_at_the_second_look(void **state) {
    struct world *w = *state;
    struct tree_image image = tree_image(&w->tree, "app", "1", "seed", 1);
    tree_blob_remove(&w->tree, &image.manifest);
    tree_blob_remove(&w->tree, &image.layers[0]);
    tree_link(&w->tree, "app", &image.layers[0]);
    scan(w);
    assert_int_equal(blob_of(w, &image.manifest).missing_since_ms, T0);
    assert_int_equal(blob_of(w, &image.layers[0]).missing_since_ms, T0);
    assert_int_equal(blob_of(w, &image.manifest).flags, 0);
    w->now_ms += 9 * MINUTE;
    scan(w);
    assert_int_equal(blob_of(w, &image.manifest).flags & RSW_BLOB_GONE, 0);
    w->now_ms += MINUTE;
    scan(w);
    assert_int_equal(blob_of(w, &image.manifest).flags, RSW_BLOB_GONE);
    assert_int_equal(blob_of(w, &image.layers[0]).flags & RSW_BLOB_GONE, 0);
}

static void with_the_registry_stopped_one_look_settles_an_absence(void **state) {
    struct world *w = *state;
    struct tree_image image = tree_image(&w->tree, "app", "1", "seed", 1);
    tree_blob_remove(&w->tree, &image.manifest);
    w->options.registry_stopped = true;
    scan(w);
    assert_int_equal(blob_of(w, &image.manifest).flags, RSW_BLOB_GONE);
}

static void a_link_that_was_empty_for_a_moment_is_good_in_the_end(void **state) {
    struct world *w = *state;
    char key[RSW_KEY_MAX];
    struct tree_image image = tree_image(&w->tree, "app", "1", "seed", 1);
    tree_put(&w->tree, rsw_key_tag_current(key, "app", "1"), "", 0);
    tree_put(&w->tree, rsw_key_revision_link(key, "app", &image.manifest), "", 0);
    scan(w);
    expect(w, "tag app 1 = nothing bad");
    tree_tag(&w->tree, "app", "1", &image.manifest);
    tree_revision(&w->tree, "app", &image.manifest);
    scan(w);
    expect(w, "tag app 1 = %s", text(&image.manifest));
    expect(w, "revision app %s present", text(&image.manifest));
}

static const struct rsw_storage_ops *real_ops;
static struct world *mended;
static struct tree_image mended_image;

/* The registry has written it by the time that it is read again. */
static void read_after_writing(struct rsw_storage *storage, struct rsw_read *reads, size_t count) {
    if (mended != NULL) {
        tree_tag(&mended->tree, "app", "1", &mended_image.manifest);
        tree_revision(&mended->tree, "app", &mended_image.manifest);
        mended = NULL;
    }
    real_ops->read(storage, reads, count);
}

static void a_link_that_is_written_while_it_is_listed_is_read_again(void **state) {
    struct world *w = *state;
    char key[RSW_KEY_MAX];
    mended_image = tree_image(&w->tree, "app", "1", "seed", 1);
    tree_put(&w->tree, rsw_key_tag_current(key, "app", "1"), "", 0);
    tree_put(&w->tree, rsw_key_revision_link(key, "app", &mended_image.manifest), "", 0);
    real_ops = w->storage->ops;
    struct rsw_storage_ops ops = *real_ops;
    ops.read = read_after_writing;
    w->storage->ops = &ops;
    mended = w;
    scan(w);
    w->storage->ops = real_ops;
    assert_null(mended);
    assert_int_equal(w->result.problems, 0);
    expect(w, "tag app 1 = %s", text(&mended_image.manifest));
    expect(w, "revision app %s present", text(&mended_image.manifest));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        test_everywhere(damaged_manifests_are_kept_as_unreadable),
        test_everywhere(valid_json_under_the_wrong_digest_is_not_believed),
        test_everywhere(a_huge_manifest_is_unreadable_and_not_read_whole),
        test_in(damaged_links_are_kept_and_marked, in_directory),
        test_memory(damaged_links_are_kept_and_marked),
        test_everywhere(a_damaged_tag_has_no_head_and_keeps_its_history),
        test_everywhere(names_that_break_the_grammar_are_kept_as_odd),
        test_everywhere(what_is_no_digest_is_left_alone),
        test_everywhere(a_name_too_long_for_the_index_makes_the_scan_incomplete),
        test_memory(an_unreadable_folder_makes_the_scan_incomplete_and_is_named),
        test_memory(unreadable_uploads_count_as_young_and_no_more),
        test_in(of_a_bucket_a_list_that_fails_leaves_all_as_it_was_and_uploads_young, in_flat_memory),
        test_in(of_a_bucket_a_repository_that_only_one_list_shows_makes_the_scan_incomplete, in_flat_memory),
        test_in(of_a_bucket_what_is_old_and_in_no_list_makes_the_scan_incomplete, in_flat_memory),
        test_in(of_a_bucket_what_is_new_and_in_no_list_does_not, in_flat_memory),
        test_memory(an_unreadable_manifest_is_neither_parsed_nor_damaged),
        test_memory(known_data_and_links_that_cannot_be_looked_at_stay),
        test_in(known_data_and_links_that_cannot_be_looked_at_stay, in_flat_memory),
        test_memory(what_lies_in_an_archive_is_told_as_such),
        test_in(symbolic_links_are_not_followed_and_make_the_scan_incomplete, in_directory),
        test_in(what_hides_signatures_makes_the_scan_incomplete, in_directory),
        test_memory(an_unreadable_folder_of_signatures_makes_the_scan_incomplete),
        test_everywhere(a_repository_may_be_called_signatures),
        test_everywhere(what_a_killed_registry_leaves_is_told_and_marks_its_repository),
        test_in(what_a_killed_registry_leaves_of_a_blob_is_told, in_directory),
        test_memory(what_a_killed_registry_leaves_of_a_blob_is_told),
        test_in(links_without_any_blob_are_no_registry, in_directory),
        test_everywhere(missing_bytes_are_gone_only_at_the_second_look),
        test_everywhere(with_the_registry_stopped_one_look_settles_an_absence),
        test_everywhere(a_link_that_was_empty_for_a_moment_is_good_in_the_end),
        test_everywhere(a_link_that_is_written_while_it_is_listed_is_read_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
