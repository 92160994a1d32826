/* Restore, over both backends: a registry is scanned, a generation is built by hand and taken into the
 * quarantine, and what an operator names comes back. */
#include "storage_help.h"
#include "tree.h"

#include "gc/quarantine.h"
#include "gc/restore.h"
#include "index/facts.h"
#include "storage/layout.h"

#include <regsweep/scan.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOW_MS (TREE_MTIME_MS + INT64_C(1000000000))

struct world {
    struct rsw_storage *storage;
    const char *root; /* NULL: in memory */
    char dir[64];     /* of the index */
    struct rsw_index *index;
    struct tree tree;
    struct rsw_clock clock;
    uint64_t generation;
    struct rsw_txn *txn; /* while the generation is built */
    struct rsw_restore_result result;
    struct rsw_error err;
    char told[8192]; /* lines "outcome kind repo tag" of the last restore */
};

static int64_t now_of(void *arg) {
    (void)arg;
    return NOW_MS;
}

static int open_world(void **state, bool in_directory) {
    struct world *w = calloc(1, sizeof *w);
    w->clock.now_ms = now_of;
    if (in_directory) {
        w->root = help_make_root();
        assert_int_equal(rsw_storage_open(&w->storage, w->root, NULL), 0);
        w->tree = tree_in_directory(w->root);
    } else {
        assert_int_equal(rsw_storage_open_memory(&w->storage, NULL), 0);
        w->tree = tree_in_memory(w->storage);
    }
    strcpy(w->dir, "/tmp/regsweep-restore-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    const struct rsw_index_options how = {.create = true};
    assert_int_equal(rsw_index_open(&w->index, w->dir, &how, NULL), 0);
    *state = w;
    return 0;
}

static int open_memory(void **state) {
    return open_world(state, false);
}

static int open_directory(void **state) {
    return open_world(state, true);
}

static int close_world(void **state) {
    struct world *w = *state;
    rsw_index_close(w->index);
    rsw_storage_close(w->storage);
    help_remove_root(w->dir);
    if (w->root != NULL) {
        help_remove_root(w->root);
    }
    free(w);
    return 0;
}

static void scan(struct world *w) {
    const struct rsw_scan_options options = {.registry_stopped = true, .clock = &w->clock};
    struct rsw_scan_result result;
    if (rsw_scan(&result, w->index, w->storage, &options, &w->err) != 0 || !result.complete) {
        fail_msg("scan: %s", w->err.message);
    }
}

/* ---- a generation by hand ---- */

static void begin_generation(struct world *w) {
    struct rsw_generation generation = {.state = RSW_GENERATION_HIDDEN, .created_ms = NOW_MS - 5};
    assert_int_equal(rsw_txn_begin_write(&w->txn, w->index, &w->err), 0);
    rsw_generation_add(w->txn, &generation);
    w->generation = generation.id;
}

static void end_generation(struct world *w, enum rsw_generation_state state) {
    struct rsw_generation generation;
    assert_int_equal(rsw_generation_get(w->txn, w->generation, &generation), RSW_FOUND);
    generation.state = state;
    rsw_generation_put(w->txn, &generation);
    assert_int_equal(rsw_txn_commit(&w->txn, &w->err), 0);
}

static uint32_t repo_id(struct rsw_txn *txn, const char *name) {
    struct rsw_repo repo;
    assert_int_equal(rsw_repo_find(txn, name, &repo), RSW_FOUND);
    return repo.id;
}

static uint32_t blob_id(struct rsw_txn *txn, const struct rsw_digest *digest) {
    struct rsw_blob blob;
    assert_int_equal(rsw_blob_find(txn, digest, &blob), RSW_FOUND);
    return blob.id;
}

static void take(struct world *w, const char *key) {
    struct rsw_setting setting = {.key = key};
    rsw_quarantine_take(w->storage, w->generation, &setting, 1);
    assert_int_equal(setting.answer, RSW_FOUND);
}

static void take_item(struct world *w, enum rsw_item_kind kind, uint32_t repo, uint32_t blob,
                      const char *name) {
    struct rsw_item item = {.generation = w->generation,
                            .kind = kind,
                            .repo = repo,
                            .blob = blob,
                            .reason = RSW_REASON_UNREFERENCED,
                            .state = RSW_ITEM_ASIDE};
    snprintf(item.name, sizeof item.name, "%s", name);
    rsw_item_put(w->txn, &item);
}

static void take_blob(struct world *w, const struct rsw_digest *digest) {
    char key[RSW_KEY_MAX];
    uint32_t blob = blob_id(w->txn, digest);
    take(w, rsw_key_blob(key, digest));
    take_item(w, RSW_ITEM_BLOB, 0, blob, "");
    rsw_fact_blob_absent(w->txn, blob, rsw_txn_seq(w->txn), NOW_MS, false);
}

static void take_link(struct world *w, const char *repo, const struct rsw_digest *digest) {
    char key[RSW_KEY_MAX];
    uint32_t blob = blob_id(w->txn, digest);
    take(w, rsw_key_layer_link(key, repo, digest));
    take_item(w, RSW_ITEM_LINK, repo_id(w->txn, repo), blob, "");
    rsw_fact_member_absent(w->txn, RSW_LINK, repo_id(w->txn, repo), blob, rsw_txn_seq(w->txn), false);
}

static void take_revision(struct world *w, const char *repo, const struct rsw_digest *digest) {
    char key[RSW_KEY_MAX];
    uint32_t blob = blob_id(w->txn, digest);
    take(w, rsw_key_revision_link(key, repo, digest));
    take_item(w, RSW_ITEM_REVISION, repo_id(w->txn, repo), blob, "");
    rsw_fact_member_absent(w->txn, RSW_REVISION, repo_id(w->txn, repo), blob, rsw_txn_seq(w->txn), false);
}

/* With its history. The index knows no such tag any more. */
static void take_tag(struct world *w, const char *repo, const char *tag, const struct rsw_digest *head) {
    char key[RSW_KEY_MAX];
    uint32_t id = repo_id(w->txn, repo);
    take(w, rsw_key_tag_history(key, repo, tag, head));
    take(w, rsw_key_tag_current(key, repo, tag));
    take_item(w, RSW_ITEM_TAG, id, blob_id(w->txn, head), tag);
    rsw_tag_drop(w->txn, id, tag);
}

static void take_layers(struct world *w, const char *repo, const struct tree_image *image) {
    take_link(w, repo, &image->config);
    take_blob(w, &image->config);
    for (size_t i = 0; i < image->layer_count; i++) {
        take_link(w, repo, &image->layers[i]);
        take_blob(w, &image->layers[i]);
    }
}

static void take_image(struct world *w, const char *repo, const char *tag, const struct tree_image *image) {
    if (tag != NULL) {
        take_tag(w, repo, tag, &image->manifest);
    }
    take_revision(w, repo, &image->manifest);
    take_link(w, repo, &image->manifest);
    take_blob(w, &image->manifest);
    take_layers(w, repo, image);
}

/* An image whose manifest has a layer link too, as clients make none, but a mount can. */
static struct tree_image put_image(struct world *w, const char *repo, const char *tag, const char *seed) {
    struct tree_image image = tree_image(&w->tree, repo, tag, seed, 2);
    tree_link(&w->tree, repo, &image.manifest);
    return image;
}

/* ---- restoring ---- */

static void on_item(void *arg, const struct rsw_restored_item *item) {
    static const char *const outcomes[] = {"put_back", "in_place", "failed", "lost"};
    struct world *w = arg;
    size_t len = strlen(w->told);
    snprintf(w->told + len, sizeof w->told - len, "%s %s %s %s\n", outcomes[item->outcome],
             rsw_item_kind_name(item->kind), item->repo != NULL ? item->repo : "-",
             item->tag != NULL ? item->tag : "-");
}

static int restore(struct world *w, struct rsw_restore_options options) {
    static const struct rsw_log silent = {.level = RSW_LOG_ERROR};
    options.clock = &w->clock;
    options.log = w->root == NULL ? NULL : &silent;
    options.item = on_item;
    options.arg = w;
    w->told[0] = 0;
    rsw_error_clear(&w->err);
    return rsw_restore(&w->result, w->index, w->storage, &options, &w->err);
}

static void counts(struct world *w, unsigned put_back, unsigned in_place, unsigned failed, unsigned lost) {
    const uint64_t *have = w->result.counts;
    if (have[RSW_RESTORED_PUT_BACK] != put_back || have[RSW_RESTORED_IN_PLACE] != in_place ||
        have[RSW_RESTORED_FAILED] != failed || have[RSW_RESTORED_LOST] != lost) {
        fail_msg("not %u put back, %u in place, %u failed, %u lost, but:\n%s", put_back, in_place, failed,
                 lost, w->told);
    }
}

static void restores(struct world *w, struct rsw_restore_options options) {
    if (restore(w, options) != 0) {
        fail_msg("restore: %s", w->err.message);
    }
}

static void refuses(struct world *w, struct rsw_restore_options options, const char *words) {
    assert_int_equal(restore(w, options), -1);
    if (strstr(w->err.message, words) == NULL) {
        fail_msg("it does not say \"%s\" but: %s", words, w->err.message);
    }
    counts(w, 0, 0, 0, 0);
}

static bool blob_is_there(struct world *w, const struct rsw_digest *digest) {
    char key[RSW_KEY_MAX];
    return help_look(w->storage, rsw_key_blob(key, digest)).answer == RSW_FOUND;
}

static bool link_is_there(struct world *w, const char *repo, const struct rsw_digest *digest) {
    char key[RSW_KEY_MAX];
    return help_look(w->storage, rsw_key_layer_link(key, repo, digest)).answer == RSW_FOUND;
}

static bool revision_is_there(struct world *w, const char *repo, const struct rsw_digest *digest) {
    char key[RSW_KEY_MAX];
    return help_look(w->storage, rsw_key_revision_link(key, repo, digest)).answer == RSW_FOUND;
}

static bool tag_is_there(struct world *w, const char *repo, const char *tag) {
    char key[RSW_KEY_MAX];
    return help_look(w->storage, rsw_key_tag_current(key, repo, tag)).answer == RSW_FOUND;
}

static void expect_whole(struct world *w, const char *repo, const struct tree_image *image) {
    assert_true(revision_is_there(w, repo, &image->manifest));
    assert_true(blob_is_there(w, &image->manifest));
    assert_true(link_is_there(w, repo, &image->config));
    assert_true(blob_is_there(w, &image->config));
    for (size_t i = 0; i < image->layer_count; i++) {
        assert_true(link_is_there(w, repo, &image->layers[i]));
        assert_true(blob_is_there(w, &image->layers[i]));
    }
}

static void expect_queue_is_empty(struct world *w) {
    RSW_AUTO_TXN txn = NULL;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_item item;
    uint64_t queued;
    assert_int_equal(rsw_txn_begin_read(&txn, w->index, NULL), 0);
    rsw_iter_touched(&iter, txn);
    assert_int_equal(rsw_touched_next(&iter, &item, &queued), RSW_ABSENT);
}

/* ---- tests ---- */

static void a_generation_comes_back_whole(void **state) {
    struct world *w = *state;
    struct tree_image one = put_image(w, "team/app", "1.0", "one");
    struct tree_image two = put_image(w, "team/web", NULL, "two");
    scan(w);
    begin_generation(w);
    take_image(w, "team/app", "1.0", &one);
    take_image(w, "team/web", NULL, &two);
    end_generation(w, RSW_GENERATION_HIDDEN);
    restores(w, (struct rsw_restore_options){.generation = w->generation});
    counts(w, 1 + 2 * 9, 0, 0, 0);
    expect_whole(w, "team/app", &one);
    expect_whole(w, "team/web", &two);
    assert_true(tag_is_there(w, "team/app", "1.0"));
    expect_queue_is_empty(w);
    restores(w, (struct rsw_restore_options){.generation = w->generation});
    counts(w, 0, 1 + 2 * 9, 0, 0);
}

static void what_is_restored_is_touched_so_that_its_generation_does_not_take_it_again(void **state) {
    struct world *w = *state;
    struct tree_image one = put_image(w, "team/app", NULL, "one");
    scan(w);
    begin_generation(w);
    take_image(w, "team/app", NULL, &one);
    end_generation(w, RSW_GENERATION_HIDDEN);
    restores(w, (struct rsw_restore_options){.repo = "team/app", .digest = &one.manifest});
    RSW_AUTO_TXN txn = NULL;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_item item;
    struct rsw_member member;
    assert_int_equal(rsw_txn_begin_read(&txn, w->index, NULL), 0);
    for (rsw_iter_items(&iter, txn, w->generation, 0); rsw_item_next(&iter, &item) == RSW_FOUND;) {
        assert_int_equal(item.flags & RSW_ITEM_TOUCHED, RSW_ITEM_TOUCHED);
    }
    assert_int_equal(
        rsw_member_get(txn, RSW_REVISION, repo_id(txn, "team/app"), blob_id(txn, &one.manifest), &member),
        RSW_FOUND);
    assert_int_equal(member.flags & RSW_MEMBER_PRESENT, RSW_MEMBER_PRESENT);
    assert_int_equal(member.touched_ms, NOW_MS); /* its grace begins anew */
}

static void an_image_comes_back_by_its_tag_and_others_stay_aside(void **state) {
    struct world *w = *state;
    struct tree_image one = put_image(w, "team/app", "1.0", "one");
    struct tree_image two = put_image(w, "team/app", "2.0", "two");
    scan(w);
    begin_generation(w);
    take_image(w, "team/app", "1.0", &one);
    take_image(w, "team/app", "2.0", &two);
    end_generation(w, RSW_GENERATION_HIDDEN);
    restores(w, (struct rsw_restore_options){.repo = "team/app", .tag = "1.0"});
    counts(w, 10, 0, 0, 0);
    expect_whole(w, "team/app", &one);
    assert_true(tag_is_there(w, "team/app", "1.0"));
    assert_false(tag_is_there(w, "team/app", "2.0"));
    assert_false(blob_is_there(w, &two.manifest));
    assert_false(blob_is_there(w, &two.layers[0]));
}

static void a_tag_alone_comes_back(void **state) {
    struct world *w = *state;
    struct tree_image one = put_image(w, "team/app", "1.0", "one");
    tree_tag(&w->tree, "team/app", "kept", &one.manifest);
    scan(w);
    for (int by = 0; by < 2; by++) {
        tree_tag(&w->tree, "team/app", "1.0", &one.manifest);
        begin_generation(w);
        take_tag(w, "team/app", "1.0", &one.manifest);
        end_generation(w, RSW_GENERATION_HIDDEN);
        restores(w, by == 0 ? (struct rsw_restore_options){.generation = w->generation}
                            : (struct rsw_restore_options){.repo = "team/app", .tag = "1.0"});
        assert_int_equal(w->result.counts[RSW_RESTORED_PUT_BACK], 1);
        assert_true(tag_is_there(w, "team/app", "1.0"));
    }
}

/* Else the policy that let it go would take it again tonight. */
static void a_tag_that_comes_back_is_young(void **state) {
    struct world *w = *state;
    struct tree_image one = put_image(w, "team/app", "1.0", "one");
    scan(w);
    begin_generation(w);
    take_image(w, "team/app", "1.0", &one);
    end_generation(w, RSW_GENERATION_HIDDEN);
    restores(w, (struct rsw_restore_options){.repo = "team/app", .tag = "1.0"});
    RSW_AUTO_TXN txn = NULL;
    struct rsw_tag tag;
    assert_int_equal(rsw_txn_begin_read(&txn, w->index, NULL), 0);
    assert_int_equal(rsw_tag_get(txn, repo_id(txn, "team/app"), "1.0", &tag), RSW_FOUND);
    assert_int_equal(tag.head, blob_id(txn, &one.manifest));
    assert_true(tag.touched_ms == NOW_MS);
}

static void an_index_comes_back_with_its_children_and_without_those_that_never_were(void **state) {
    struct world *w = *state;
    struct tree_image arm = put_image(w, "team/app", NULL, "arm");
    struct rsw_digest children[] = {arm.manifest, tree_digest_of("a platform that nobody pushed")};
    struct rsw_digest all = tree_index(&w->tree, "team/app", "all", children, 2);
    scan(w);
    begin_generation(w);
    take_tag(w, "team/app", "all", &all);
    take_revision(w, "team/app", &all);
    take_blob(w, &all);
    take_image(w, "team/app", NULL, &arm);
    end_generation(w, RSW_GENERATION_HIDDEN);
    restores(w, (struct rsw_restore_options){.repo = "team/app", .digest = &all});
    assert_int_equal(w->result.counts[RSW_RESTORED_LOST], 0);
    expect_whole(w, "team/app", &arm);
    assert_true(revision_is_there(w, "team/app", &all));
    assert_true(blob_is_there(w, &all));
    assert_true(tag_is_there(w, "team/app", "all")); /* it was set aside with this head */
}

static void a_digest_comes_back_in_every_repository_and_alone(void **state) {
    struct world *w = *state;
    struct tree_image one = put_image(w, "team/app", NULL, "one");
    struct tree_image same = put_image(w, "team/web", NULL, "one");
    assert_true(rsw_digest_equal(&one.manifest, &same.manifest));
    scan(w);
    begin_generation(w);
    take_image(w, "team/app", NULL, &one);
    take_revision(w, "team/web", &one.manifest);
    take_link(w, "team/web", &one.layers[0]);
    end_generation(w, RSW_GENERATION_UNLINKED);
    restores(w, (struct rsw_restore_options){.digest = &one.layers[0]});
    counts(w, 3, 0, 0, 0);
    assert_true(blob_is_there(w, &one.layers[0]));
    assert_true(link_is_there(w, "team/app", &one.layers[0]));
    assert_true(link_is_there(w, "team/web", &one.layers[0]));
    assert_false(blob_is_there(w, &one.layers[1]));
    assert_false(revision_is_there(w, "team/web", &one.manifest));
}

static void held_bytes_come_back_from_a_generation_that_is_purged(void **state) {
    struct world *w = *state;
    struct tree_image one = put_image(w, "team/app", NULL, "one");
    scan(w);
    for (int by = 0; by < 2; by++) {
        begin_generation(w);
        take_blob(w, &one.manifest);
        struct rsw_item item = {
            .generation = w->generation, .kind = RSW_ITEM_BLOB, .blob = blob_id(w->txn, &one.manifest)};
        struct rsw_held held = {.blob = item.blob, .generation = w->generation, .since_ms = NOW_MS, .seq = 1};
        assert_int_equal(rsw_item_get(w->txn, &item), RSW_FOUND);
        item.state = RSW_ITEM_HELD;
        rsw_item_put(w->txn, &item);
        rsw_held_put(w->txn, &held);
        end_generation(w, RSW_GENERATION_PURGED);
        assert_false(blob_is_there(w, &one.manifest));
        restores(w, by == 0 ? (struct rsw_restore_options){.digest = &one.manifest}
                            : (struct rsw_restore_options){.generation = w->generation});
        counts(w, 1, 0, 0, 0);
        assert_true(blob_is_there(w, &one.manifest));
    }
}

static void what_is_at_neither_place_is_lost(void **state) {
    struct world *w = *state;
    char key[RSW_KEY_MAX];
    struct tree_image one = put_image(w, "team/app", NULL, "one");
    scan(w);
    begin_generation(w);
    take_image(w, "team/app", NULL, &one);
    end_generation(w, RSW_GENERATION_HIDDEN);
    struct rsw_setting copy = {.key = rsw_key_blob(key, &one.layers[1])};
    rsw_quarantine_purge(w->storage, w->generation, &copy, 1);
    restores(w, (struct rsw_restore_options){.repo = "team/app", .digest = &one.manifest});
    counts(w, 8, 0, 0, 1);
    assert_non_null(strstr(w->told, "lost blob - -\n"));
}

static void what_cannot_be_put_back_failed_and_comes_back_later(void **state) {
    struct world *w = *state;
    char key[RSW_KEY_MAX];
    struct tree_image one = put_image(w, "team/app", NULL, "one");
    scan(w);
    begin_generation(w);
    take_image(w, "team/app", NULL, &one);
    end_generation(w, RSW_GENERATION_HIDDEN);
    rsw_memory_fail_key(w->storage, rsw_key_layer_link(key, "team/app", &one.layers[0]), EACCES);
    restores(w, (struct rsw_restore_options){.generation = w->generation});
    counts(w, 8, 0, 1, 0);
    assert_non_null(strstr(w->told, "failed link team/app -\n"));
    rsw_memory_fail_key(w->storage, key, 0);
    restores(w, (struct rsw_restore_options){.generation = w->generation});
    counts(w, 1, 8, 0, 0);
    expect_whole(w, "team/app", &one);
}

static void an_image_that_is_in_place_is_left_alone(void **state) {
    struct world *w = *state;
    put_image(w, "team/app", "1.0", "one");
    scan(w);
    restores(w, (struct rsw_restore_options){.repo = "team/app", .tag = "1.0"});
    counts(w, 0, 9, 0, 0);
}

static void what_was_condemned_and_not_taken_yet_is_in_place_and_is_touched(void **state) {
    struct world *w = *state;
    struct tree_image one = put_image(w, "team/app", NULL, "one");
    scan(w);
    begin_generation(w);
    uint32_t blob = blob_id(w->txn, &one.layers[0]);
    take_item(w, RSW_ITEM_BLOB, 0, blob, "");
    end_generation(w, RSW_GENERATION_CONDEMNED);
    restores(w, (struct rsw_restore_options){.generation = w->generation});
    counts(w, 0, 1, 0, 0);
    RSW_AUTO_TXN txn = NULL;
    struct rsw_item item;
    assert_int_equal(rsw_txn_begin_read(&txn, w->index, NULL), 0);
    assert_int_equal(rsw_condemned_get(txn, RSW_ITEM_BLOB, 0, blob, "", &item), RSW_FOUND);
    assert_int_equal(item.flags & RSW_ITEM_TOUCHED, RSW_ITEM_TOUCHED);
}

static void what_is_not_in_quarantine_is_refused_with_a_remedy(void **state) {
    struct world *w = *state;
    struct tree_image one = put_image(w, "team/app", "1.0", "one");
    struct rsw_digest unknown = tree_digest_of("never pushed");
    scan(w);
    tree_blob_remove(&w->tree, &one.layers[0]);
    begin_generation(w);
    struct rsw_generation generation;
    assert_int_equal(rsw_generation_get(w->txn, w->generation, &generation), RSW_FOUND);
    generation.offline = true;
    rsw_generation_put(w->txn, &generation);
    end_generation(w, RSW_GENERATION_PURGED);
    refuses(w, (struct rsw_restore_options){.digest = &unknown}, "must be pushed again");
    refuses(w, (struct rsw_restore_options){.digest = &one.layers[0]}, "regsweep inspect generations");
    refuses(w, (struct rsw_restore_options){.repo = "team/none", .tag = "1"}, "no repository team/none");
    refuses(w, (struct rsw_restore_options){.repo = "team/app", .tag = "2"}, "no tag 2 in team/app");
    refuses(w, (struct rsw_restore_options){.repo = "team/app", .digest = &unknown}, "does not know sha256:");
    refuses(w, (struct rsw_restore_options){.repo = "team/app", .tag = "1.0"},
            "nothing of team/app:1.0 is in");
    refuses(w, (struct rsw_restore_options){.generation = w->generation}, "with the registry stopped");
    refuses(w, (struct rsw_restore_options){.generation = 99}, "no generation 99");
    begin_generation(w);
    end_generation(w, RSW_GENERATION_PURGED);
    refuses(w, (struct rsw_restore_options){.generation = w->generation}, "any more, it is purged");
}

#define IN_MEMORY(test) cmocka_unit_test_setup_teardown(test, open_memory, close_world)
#define IN_BOTH(test) IN_MEMORY(test), cmocka_unit_test_setup_teardown(test, open_directory, close_world)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_BOTH(a_generation_comes_back_whole),
        IN_MEMORY(what_is_restored_is_touched_so_that_its_generation_does_not_take_it_again),
        IN_BOTH(an_image_comes_back_by_its_tag_and_others_stay_aside),
        IN_BOTH(a_tag_alone_comes_back),
        IN_BOTH(a_tag_that_comes_back_is_young),
        IN_BOTH(an_index_comes_back_with_its_children_and_without_those_that_never_were),
        IN_BOTH(a_digest_comes_back_in_every_repository_and_alone),
        IN_BOTH(held_bytes_come_back_from_a_generation_that_is_purged),
        IN_BOTH(what_is_at_neither_place_is_lost),
        IN_MEMORY(what_cannot_be_put_back_failed_and_comes_back_later),
        IN_MEMORY(an_image_that_is_in_place_is_left_alone),
        IN_MEMORY(what_was_condemned_and_not_taken_yet_is_in_place_and_is_touched),
        IN_MEMORY(what_is_not_in_quarantine_is_refused_with_a_remedy),
    };
    return cmocka_run_group_tests_name("restore", tests, NULL, NULL);
}
