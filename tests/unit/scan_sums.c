/* Heads that a list tells by the MD5 of their links, and those that must be read all the same. */
#include "scan_help.h"

#include "scan/sums.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

/* ---- the table ---- */

static struct rsw_entry entry_of(const char *link) {
    return (struct rsw_entry){.key = "link",
                              .kind = RSW_ENTRY_FILE,
                              .answer = RSW_FOUND,
                              .size = strlen(link),
                              .md5 = rsw_md5_of(link, strlen(link))};
}

static void what_is_told_is_the_revision_with_that_very_text(void **state) {
    struct rsw_sums sums = {0};
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_digest digests[100], found;
    (void)state;
    for (size_t i = 0; i < 100; i++) {
        char seed[8];
        snprintf(seed, sizeof seed, "%zu", i);
        digests[i] = tree_digest_of(seed);
        assert_int_equal(rsw_sums_add(&sums, &digests[i], &err), 0);
        struct rsw_entry entry = entry_of(text(&digests[i / 2])); /* asked for between the others, too */
        assert_true(rsw_sums_find(&found, &sums, &entry));
        assert_true(rsw_digest_equal(&found, &digests[i / 2]));
    }
    struct rsw_digest other = tree_digest_of("other");
    struct rsw_entry entry = entry_of(text(&other));
    assert_false(rsw_sums_find(&found, &sums, &entry));
    rsw_sums_release(&sums);
}

static void nothing_is_told_by_an_odd_entry(void **state) {
    struct rsw_sums sums = {0};
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_digest digest = tree_digest_of("seed"), found;
    const struct rsw_entry good = entry_of(text(&digest));
    struct rsw_entry odd[] = {good, good, good, good, good, good};
    (void)state;
    assert_false(rsw_sums_find(&found, &sums, &good)); /* there is none yet */
    assert_int_equal(rsw_sums_add(&sums, &digest, &err), 0);
    assert_true(rsw_sums_find(&found, &sums, &good));
    odd[0].size++; /* and so it is not this text, whatever its MD5 is said to be */
    odd[1].md5.known = false;
    odd[2].md5.bytes[RSW_MD5_BYTES - 1] ^= 1;
    odd[3].answer = RSW_FAILED;
    odd[4].kind = RSW_ENTRY_OTHER;
    memset(odd[5].md5.bytes, 0, RSW_MD5_BYTES);
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        assert_false(rsw_sums_find(&found, &sums, &odd[i]));
    }
    rsw_sums_release(&sums);
}

/* Nobody can: that is what a store is believed. */
static void an_md5_that_is_that_of_another_revision_is_believed(void **state) {
    struct rsw_sums sums = {0};
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_digest said = tree_digest_of("said"), there = tree_digest_of("there"), found;
    (void)state;
    assert_int_equal(rsw_sums_add(&sums, &said, &err), 0);
    assert_int_equal(rsw_sums_add(&sums, &there, &err), 0);
    struct rsw_entry entry = entry_of(text(&there));
    entry.md5 = rsw_md5_of(text(&said), strlen(text(&said)));
    assert_true(rsw_sums_find(&found, &sums, &entry));
    assert_true(rsw_digest_equal(&found, &said));
    rsw_sums_release(&sums);
}

static void a_digest_that_no_registry_tags_is_left_out(void **state) {
    struct rsw_sums sums = {0};
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_digest digest, found;
    (void)state;
    assert_int_equal(rsw_digest_of(&digest, RSW_SHA512, "seed", 4, &err), 0);
    assert_int_equal(rsw_sums_add(&sums, &digest, &err), 0);
    struct rsw_entry entry = entry_of(text(&digest));
    assert_false(rsw_sums_find(&found, &sums, &entry));
    rsw_sums_release(&sums);
}

/* ---- scans ---- */

static atomic_int heads_read;
static void (*read_really)(struct rsw_storage *storage, struct rsw_read *reads, size_t count);

static void read_and_count(struct rsw_storage *storage, struct rsw_read *reads, size_t count) {
    for (size_t i = 0; i < count; i++) {
        heads_read += strstr(reads[i].key, "/current/link") != NULL;
    }
    read_really(storage, reads, count);
}

/* So many heads were read one by one by a scan of what is now in storage. */
static int heads_read_by_scan(struct world *w) {
    static struct rsw_storage_ops ops;
    const struct rsw_storage_ops *before = w->storage->ops;
    ops = *before;
    read_really = ops.read;
    ops.read = read_and_count;
    w->storage->ops = &ops;
    heads_read = 0;
    scan(w);
    w->storage->ops = before;
    return heads_read;
}

static void no_head_is_read_that_a_list_tells(void **state) {
    struct world *w = *state;
    enum { TAGS = 1500 }; /* more than a page of a list */
    struct rsw_digest manifests[3];
    char tag[16];
    for (size_t i = 0; i < 3; i++) {
        snprintf(tag, sizeof tag, "first-%zu", i);
        manifests[i] = tree_image(&w->tree, "app", tag, tag, 1).manifest;
    }
    for (size_t i = 0; i < TAGS; i++) {
        snprintf(tag, sizeof tag, "%zu", i);
        tree_tag(&w->tree, "app", tag, &manifests[i % 3]);
    }
    assert_int_equal(heads_read_by_scan(w), 0);
    assert_int_equal(w->result.tags, TAGS + 3);
    assert_int_equal(w->result.problems, 0);
    for (size_t i = 0; i < TAGS; i += 97) {
        expect(w, "tag app %zu = %s", i, text(&manifests[i % 3]));
    }
    struct rsw_digest moved = tree_image(&w->tree, "app", "7", "moved", 1).manifest; /* no time tells of it */
    assert_int_equal(heads_read_by_scan(w), 0);
    expect(w, "tag app 7 = %s", text(&moved));
    expect_equal_to_fresh_scan(w);
}

static void a_head_that_is_no_revision_of_its_repository_is_read(void **state) {
    struct world *w = *state;
    struct tree_image there = tree_image(&w->tree, "app", "1", "seed", 1);
    struct tree_image elsewhere = tree_image(&w->tree, "other", "1", "elsewhere", 1);
    struct tree_image gone = tree_image(&w->tree, "app", "gone", "gone", 1);
    tree_revision_remove(&w->tree, "app", &gone.manifest);
    tree_tag(&w->tree, "app", "elsewhere", &elsewhere.manifest);
    assert_int_equal(heads_read_by_scan(w), 2);
    expect(w, "tag app 1 = %s", text(&there.manifest));
    expect(w, "tag app gone = %s", text(&gone.manifest));
    expect(w, "tag app elsewhere = %s", text(&elsewhere.manifest));
}

static void a_head_that_a_registry_did_not_write_is_read(void **state) {
    struct world *w = *state;
    char key[RSW_KEY_MAX], link[RSW_DIGEST_TEXT_MAX + 1];
    struct tree_image image = tree_image(&w->tree, "app", "1", "seed", 1);
    snprintf(link, sizeof link, "%s\n", text(&image.manifest));
    tree_put_text(&w->tree, rsw_key_tag_current(key, "app", "by-hand"), link);
    tree_put_text(&w->tree, rsw_key_tag_current(key, "app", "broken"), "sha256:what");
    assert_int_equal(heads_read_by_scan(w), 4); /* what is bad is looked at once more */
    expect(w, "tag app 1 = %s", text(&image.manifest));
    assert_int_equal(w->result.problems, 2);
}

static void of_a_store_that_tells_no_md5_every_head_is_read(void **state) {
    struct world *w = *state;
    tree_image(&w->tree, "app", "1", "seed", 1);
    struct tree_image image = tree_image(&w->tree, "app", "2", "other", 1);
    assert_int_equal(heads_read_by_scan(w), 2);
    expect(w, "tag app 2 = %s", text(&image.manifest));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_told_is_the_revision_with_that_very_text),
        cmocka_unit_test(nothing_is_told_by_an_odd_entry),
        cmocka_unit_test(an_md5_that_is_that_of_another_revision_is_believed),
        cmocka_unit_test(a_digest_that_no_registry_tags_is_left_out),
        test_in(no_head_is_read_that_a_list_tells, in_summed_memory),
        test_in(a_head_that_is_no_revision_of_its_repository_is_read, in_summed_memory),
        test_in(a_head_that_a_registry_did_not_write_is_read, in_summed_memory),
        test_in(of_a_store_that_tells_no_md5_every_head_is_read, in_flat_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
