/* What another index left in the quarantine, or one of ours before it was built anew: it is back before
 * anything is taken. */
#include "storage_help.h"
#include "tree.h"

#include "gc/others.h"
#include "gc/quarantine.h"
#include "index/time.h"
#include "storage/layout.h"

#include <regsweep/scan.h>
#include <regsweep/sweep.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DAY_MS (24 * INT64_C(3600000))
#define SETTLE_MS 500 /* where something is to happen meanwhile */
#define LATE_MS 100
#define REQUESTS_MAX 200 /* more than giving back an image takes */
#define NOW_MS (TREE_MTIME_MS + 100 * DAY_MS)

struct world {
    struct rsw_storage *storage;
    const char *root; /* NULL: in memory */
    char dir[64];     /* of our index */
    struct rsw_index *index;
    struct tree tree;
    struct rsw_clock clock;
    struct rsw_sweep_options options;
    struct rsw_sweep_result result;
    struct rsw_error err;
    const char
        *late_key;   /* its owner asked for its removal, which is carried out once it is back for a while */
    int64_t late_ms; /* then; 0: it is not back */
};

static int64_t now_of(void *arg) {
    (void)arg;
    return NOW_MS;
}

static int open_world(void **state, bool in_directory, bool loose) {
    static const struct rsw_log silent = {.level = RSW_LOG_ERROR};
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
    if (loose) {
        rsw_memory_loose(w->storage);
    }
    strcpy(w->dir, "/tmp/regsweep-others-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    const struct rsw_index_options how = {.create = true};
    assert_int_equal(rsw_index_open(&w->index, w->dir, &how, NULL), 0);
    w->options = (struct rsw_sweep_options){.confirm = true,
                                            .settle_ms = 1,
                                            .grace_ms = -1,
                                            .upload_max_age_ms = -1,
                                            .max_delete = 100,
                                            .threads = 1,
                                            .audit_file = "/dev/null",
                                            .log = w->root == NULL ? NULL : &silent,
                                            .clock = &w->clock};
    *state = w;
    return 0;
}

static int open_memory(void **state) {
    return open_world(state, false, false);
}

static int open_store(void **state) {
    return open_world(state, false, true);
}

static int open_versions(void **state) {
    open_world(state, false, true);
    rsw_memory_versions(((struct world *)*state)->storage);
    return 0;
}

static int open_directory(void **state) {
    return open_world(state, true, false);
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

/* ---- what the other one took ---- */

static void take(struct world *w, const char *key) {
    struct rsw_setting setting = {.key = key};
    rsw_quarantine_copy(w->storage, 7, &setting, 1);
    rsw_quarantine_take(w->storage, 7, &setting, 1);
    assert_int_equal(setting.answer, RSW_FOUND);
}

static void take_blob(struct world *w, const struct rsw_digest *digest) {
    char key[RSW_KEY_MAX];
    take(w, rsw_key_blob(key, digest));
}

/* Its names alone: the bytes of what is only unlinked are in their places. */
static void unlink_image(struct world *w, const char *repo, const char *tag, const struct tree_image *image) {
    char key[RSW_KEY_MAX];
    if (tag != NULL) {
        take(w, rsw_key_tag_history(key, repo, tag, &image->manifest));
        take(w, rsw_key_tag_current(key, repo, tag));
    }
    take(w, rsw_key_revision_link(key, repo, &image->manifest));
    take(w, rsw_key_layer_link(key, repo, &image->config));
    for (size_t i = 0; i < image->layer_count; i++) {
        take(w, rsw_key_layer_link(key, repo, &image->layers[i]));
    }
}

static void hide_image(struct world *w, const struct tree_image *image) {
    take_blob(w, &image->manifest);
    take_blob(w, &image->config);
    for (size_t i = 0; i < image->layer_count; i++) {
        take_blob(w, &image->layers[i]);
    }
}

static bool is_there(struct world *w, const char *key) {
    return help_look(w->storage, key).answer == RSW_FOUND;
}

static bool is_aside(struct world *w, const char *key) {
    char copy[RSW_QUARANTINE_KEY_MAX];
    return is_there(w, rsw_quarantine_key(copy, 7, key));
}

static void expect_whole(struct world *w, const char *repo, const struct tree_image *image) {
    char key[RSW_KEY_MAX];
    assert_true(is_there(w, rsw_key_revision_link(key, repo, &image->manifest)));
    assert_true(is_there(w, rsw_key_blob(key, &image->manifest)));
    assert_true(is_there(w, rsw_key_layer_link(key, repo, &image->config)));
    assert_true(is_there(w, rsw_key_blob(key, &image->config)));
    for (size_t i = 0; i < image->layer_count; i++) {
        assert_true(is_there(w, rsw_key_layer_link(key, repo, &image->layers[i])));
        assert_true(is_there(w, rsw_key_blob(key, &image->layers[i])));
    }
}

static int count_page(void *arg, const struct rsw_entry *entries, size_t count, struct rsw_error *err) {
    (void)entries;
    (void)err;
    *(size_t *)arg += count;
    return 0;
}

static size_t files_aside(struct world *w) {
    size_t count = 0;
    const struct rsw_listing listing = {.prefix = RSW_QUARANTINE "/7", .page = count_page, .arg = &count};
    assert_int_not_equal(rsw_storage_list(w->storage, &listing, NULL), RSW_FAILED);
    return count;
}

static void remove_now(struct world *w) {
    struct rsw_removal removal = {.key = w->late_key};
    rsw_storage_remove(w->storage, &removal, 1);
    assert_int_equal(removal.answer, RSW_FOUND);
    w->late_key = NULL;
}

/* As `stopped`, which is asked again and again. */
static bool remove_late(void *arg) {
    struct world *w = arg;
    if (w->late_key != NULL && w->late_ms == 0) {
        w->late_ms = is_there(w, w->late_key) ? rsw_monotonic_ms() + LATE_MS : 0;
    } else if (w->late_key != NULL && rsw_monotonic_ms() >= w->late_ms) {
        remove_now(w);
    }
    return false;
}

static void removal_comes_late(struct world *w, const char *key) {
    w->late_key = key;
    w->options.stopped = remove_late;
    w->options.arg = w;
    w->options.settle_ms = SETTLE_MS;
}

static struct rsw_online online_of(struct world *w) {
    return (struct rsw_online){
        .index = w->index, .storage = w->storage, .options = &w->options, .result = &w->result};
}

static void give_back(struct world *w) {
    struct rsw_online online = online_of(w);
    if (rsw_others_give_back(&online, &w->err) != 0) {
        fail_msg("%s", w->err.message);
    }
}

static bool has_gap(struct world *w) {
    RSW_AUTO_TXN txn = NULL;
    struct rsw_state state;
    assert_int_equal(rsw_txn_begin_read(&txn, w->index, NULL), 0);
    assert_int_equal(rsw_state_get(txn, &state), RSW_FOUND);
    return state.gap_seq > state.scan_seq;
}

static void sweep_offline(struct world *w) {
    w->options.offline = true;
    if (rsw_sweep(&w->result, w->index, w->storage, &w->options, &w->err) != 0) {
        fail_msg("%s", w->err.message);
    }
}

/* ---- tests ---- */

static void what_another_index_took_is_back_and_storage_is_read_then(void **state) {
    struct world *w = *state;
    char key[RSW_KEY_MAX];
    struct tree_image image = tree_image(&w->tree, "team/app", "1.0", "one", 2);
    unlink_image(w, "team/app", "1.0", &image);
    hide_image(w, &image);
    size_t folders = 0;
    assert_int_equal(rsw_others_count(&folders, w->index, w->storage, &w->err), 0);
    assert_int_equal(folders, 1);
    give_back(w);
    expect_whole(w, "team/app", &image);
    assert_true(is_there(w, rsw_key_tag_current(key, "team/app", "1.0")));
    assert_int_equal(files_aside(w), 0);
    assert_true(has_gap(w));
}

static void with_nothing_of_others_there_is_no_gap(void **state) {
    struct world *w = *state;
    tree_image(&w->tree, "team/app", "1.0", "one", 2);
    give_back(w);
    assert_false(has_gap(w));
}

/* The other one was killed between its touch and the giving back: an index was pushed that names an image
 * whose revision and links it had taken. To us nothing names those layers. */
static void an_image_that_a_foreign_sweep_had_unlinked_is_not_swept_with_the_registry_stopped(void **state) {
    struct world *w = *state;
    struct tree_image image = tree_image(&w->tree, "team/app", NULL, "one", 2);
    unlink_image(w, "team/app", NULL, &image);
    tree_index(&w->tree, "team/app", "all", &image.manifest, 1);
    sweep_offline(w);
    expect_whole(w, "team/app", &image);
}

static void what_nothing_needs_goes_all_the_same(void **state) {
    struct world *w = *state;
    char key[RSW_KEY_MAX];
    struct tree_image old = tree_image(&w->tree, "team/app", NULL, "old", 2);
    struct tree_image image = tree_image(&w->tree, "team/app", "1.0", "one", 2);
    unlink_image(w, "team/app", NULL, &old);
    hide_image(w, &old);
    w->options.untagged_remove = true;
    sweep_offline(w);
    expect_whole(w, "team/app", &image);
    assert_false(is_there(w, rsw_key_blob(key, &old.manifest)));
    assert_false(is_there(w, rsw_key_blob(key, &old.layers[0])));
    assert_int_equal(files_aside(w), 0);
}

/* Those that its owner holds for a cache, while it lives. */
static void bytes_alone_stay_beside_a_running_registry(void **state) {
    struct world *w = *state;
    char key[RSW_KEY_MAX];
    struct rsw_digest blob = tree_blob(&w->tree, "{}");
    take_blob(w, &blob);
    give_back(w);
    assert_true(is_aside(w, rsw_key_blob(key, &blob)));
    assert_false(has_gap(w));
    w->options.offline = true;
    give_back(w);
    assert_true(is_there(w, rsw_key_blob(key, &blob)));
    assert_int_equal(files_aside(w), 0);
}

/* What it had held before it was built anew: nobody else will take care of it. */
static void bytes_alone_that_our_index_has_lost_are_back_beside_a_running_registry(void **state) {
    struct world *w = *state;
    char key[RSW_KEY_MAX];
    char owner[RSW_IDENTITY_MAX];
    struct rsw_digest blob = tree_blob(&w->tree, "{}");
    assert_int_equal(rsw_index_identity(w->index, owner, &w->err), 0);
    assert_int_equal(rsw_quarantine_claim(w->storage, 7, owner, &w->err), RSW_FOUND);
    take_blob(w, &blob);
    give_back(w);
    assert_true(is_there(w, rsw_key_blob(key, &blob)));
    assert_int_equal(files_aside(w), 0);
    assert_false(is_there(w, RSW_QUARANTINE "/7.owner"));
    assert_true(has_gap(w));
}

static void what_is_in_place_stays_and_of_a_tag_its_new_head(void **state) {
    struct world *w = *state;
    char key[RSW_KEY_MAX];
    struct tree_image old = tree_image(&w->tree, "team/app", "1.0", "old", 1);
    unlink_image(w, "team/app", "1.0", &old);
    struct tree_image image = tree_image(&w->tree, "team/app", "1.0", "one", 1);
    give_back(w);
    struct rsw_read read = {
        .key = rsw_key_tag_current(key, "team/app", "1.0"), .max = RSW_LINK_MAX, .content = RSW_BUF_INIT};
    char text[RSW_DIGEST_TEXT_MAX];
    rsw_storage_read(w->storage, &read, 1);
    assert_memory_equal(read.content.data, rsw_digest_format(&image.manifest, text), read.content.len);
    rsw_buf_release(&read.content);
    expect_whole(w, "team/app", &old);
    assert_int_equal(files_aside(w), 0);
}

/* A registry that was killed had cut it. */
static void the_copy_of_a_link_that_is_cut_short_stays(void **state) {
    struct world *w = *state;
    char key[RSW_KEY_MAX];
    struct tree_image image = tree_image(&w->tree, "team/app", "1.0", "one", 1);
    rsw_key_layer_link(key, "team/app", &image.layers[0]);
    take(w, key);
    tree_put(&w->tree, key, "", 0);
    give_back(w);
    assert_true(is_aside(w, key));
    assert_int_equal(files_aside(w), 1);
    assert_false(has_gap(w)); /* or each sweep would read all of storage for it */
}

static void with_a_link_that_is_cut_short_all_else_is_back_and_storage_is_read(void **state) {
    struct world *w = *state;
    char key[RSW_KEY_MAX];
    struct tree_image image = tree_image(&w->tree, "team/app", "1.0", "one", 1);
    unlink_image(w, "team/app", "1.0", &image);
    tree_put(&w->tree, rsw_key_layer_link(key, "team/app", &image.layers[0]), "", 0);
    give_back(w);
    expect_whole(w, "team/app", &image);
    assert_int_equal(files_aside(w), 1);
    assert_true(has_gap(w));
}

/* A run that was killed had put it back, and not lived to say so. */
static void what_is_in_place_already_makes_storage_be_read(void **state) {
    struct world *w = *state;
    char key[RSW_KEY_MAX];
    struct tree_image image = tree_image(&w->tree, "team/app", "1.0", "one", 1);
    take(w, rsw_key_layer_link(key, "team/app", &image.layers[0]));
    tree_link(&w->tree, "team/app", &image.layers[0]);
    give_back(w);
    assert_int_equal(files_aside(w), 0);
    assert_true(has_gap(w));
}

static void nothing_is_taken_where_something_cannot_be_put_back(void **state) {
    struct world *w = *state;
    struct tree_image image = tree_image(&w->tree, "team/app", NULL, "one", 2);
    unlink_image(w, "team/app", NULL, &image);
    size_t aside = files_aside(w);
    struct rsw_online online = online_of(w);
    for (int request = 1; request < 20; request++) {
        rsw_error_clear(&w->err);
        rsw_memory_fail_after(w->storage, request, EIO);
        int rc = rsw_others_give_back(&online, &w->err);
        rsw_memory_fail_after(w->storage, 0, 0);
        if (rc == 0) {
            break;
        }
        assert_int_equal(files_aside(w), aside);
    }
    give_back(w);
    expect_whole(w, "team/app", &image);
}

static void what_the_owner_has_the_registry_delete_late_is_put_back_again(void **state) {
    struct world *w = *state;
    char key[RSW_KEY_MAX];
    struct rsw_replicas replicas = {.cache = RSW_CACHE_MEMORY, .count = 1};
    struct rsw_online online = online_of(w);
    struct tree_image image = tree_image(&w->tree, "team/app", "1.0", "one", 2);
    unlink_image(w, "team/app", "1.0", &image);
    removal_comes_late(w, rsw_key_layer_link(key, "team/app", &image.layers[0]));
    online.replicas = &replicas;
    assert_int_equal(rsw_others_give_back(&online, &w->err), 0);
    if (w->late_key != NULL) {
        remove_now(w);
    }
    expect_whole(w, "team/app", &image);
    assert_int_equal(files_aside(w), 0);
}

static void what_storage_removes_late_is_put_back_again_with_the_registry_stopped(void **state) {
    struct world *w = *state;
    char key[RSW_KEY_MAX];
    struct tree_image image = tree_image(&w->tree, "team/app", "1.0", "one", 2);
    unlink_image(w, "team/app", "1.0", &image);
    removal_comes_late(w, rsw_key_layer_link(key, "team/app", &image.layers[0]));
    sweep_offline(w);
    assert_null(w->late_key);
    expect_whole(w, "team/app", &image);
    assert_int_equal(files_aside(w), 0);
}

static struct tree_image take_image(struct world *w) {
    struct tree_image image = tree_image(&w->tree, "team/app", "1.0", "one", 2);
    unlink_image(w, "team/app", "1.0", &image);
    hide_image(w, &image);
    return image;
}

/* Bytes alone would be taken for those that a cache may need, and stay. */
static void expect_no_bytes_alone(struct world *w, const struct tree_image *image, int rc) {
    char key[RSW_KEY_MAX];
    size_t bytes = is_aside(w, rsw_key_blob(key, &image->manifest)) ? 1 : 0;
    bytes += is_aside(w, rsw_key_blob(key, &image->config)) ? 1 : 0;
    for (size_t i = 0; i < image->layer_count; i++) {
        bytes += is_aside(w, rsw_key_blob(key, &image->layers[i])) ? 1 : 0;
    }
    size_t files = files_aside(w);
    assert_true(bytes == 0 || files > bytes);
    assert_true(rc != 0 || files == 0);
}

/* Whichever request it is that fails. */
static void a_failure_in_the_midst_leaves_no_bytes_alone(void **state) {
    struct world *w = *state;
    struct tree_image image = take_image(w);
    struct rsw_online online = online_of(w);
    for (int request = 0; request < REQUESTS_MAX; request++) {
        rsw_error_clear(&w->err);
        rsw_memory_fail_after(w->storage, request, EIO);
        int rc = rsw_others_give_back(&online, &w->err);
        rsw_memory_fail_after(w->storage, 0, 0);
        expect_no_bytes_alone(w, &image, rc);
        give_back(w);
        expect_whole(w, "team/app", &image);
        image = take_image(w);
    }
}

static bool stop_in_time(void *arg) {
    return (*(int *)arg)-- == 0;
}

static void a_run_that_is_stopped_in_the_midst_leaves_no_bytes_alone(void **state) {
    struct world *w = *state;
    struct tree_image image = take_image(w);
    struct rsw_online online = online_of(w);
    int rc = -1;
    for (int pages = 0; rc != 0 && pages < 1000; pages++) {
        int left = pages;
        w->options.stopped = stop_in_time;
        w->options.arg = &left;
        rsw_error_clear(&w->err);
        rc = rsw_others_give_back(&online, &w->err);
        expect_no_bytes_alone(w, &image, rc);
    }
    assert_int_equal(rc, 0);
    expect_whole(w, "team/app", &image);
}

/* Its owner was killed while it purged. */
static void a_note_of_bytes_that_are_gone_is_in_nobodys_way(void **state) {
    struct world *w = *state;
    char key[RSW_KEY_MAX];
    char record[RSW_QUARANTINE_KEY_MAX];
    struct tree_image image = tree_image(&w->tree, "team/app", "1.0", "one", 1);
    unlink_image(w, "team/app", "1.0", &image);
    const struct rsw_digest gone = {.alg = RSW_SHA256};
    rsw_quarantine_key(record, 7, rsw_key_blob(key, &gone));
    strcpy(strrchr(record, '/'), "/version");
    tree_put_text(&w->tree, record, "1");
    give_back(w);
    expect_whole(w, "team/app", &image);
    assert_int_equal(files_aside(w), 0);
}

static uint64_t next_number(struct world *w) {
    RSW_AUTO_TXN txn = NULL;
    struct rsw_state state;
    struct rsw_online online = online_of(w);
    if (rsw_others_pass_by(&online, &w->err) != 0) {
        fail_msg("%s", w->err.message);
    }
    assert_int_equal(rsw_txn_begin_read(&txn, w->index, NULL), 0);
    assert_int_equal(rsw_state_get(txn, &state), RSW_FOUND);
    return state.next_generation;
}

/* One that has begun and taken nothing yet has no folder: its number is its own all the same. */
static void no_two_indexes_have_one_folder(void **state) {
    struct world *w = *state;
    struct rsw_digest blob = tree_blob(&w->tree, "{}");
    take_blob(w, &blob);
    assert_int_equal(rsw_quarantine_claim(w->storage, 8, "another index", &w->err), RSW_FOUND);
    assert_int_equal(rsw_quarantine_claim(w->storage, 8, "another index", &w->err), RSW_FOUND);
    assert_int_equal(next_number(w), 9);
    assert_int_equal(next_number(w), 9); /* it had begun nothing yet */
    rsw_quarantine_leave(w->storage, 7); /* has files */
    rsw_quarantine_leave(w->storage, 8);
    assert_int_equal(rsw_quarantine_claim(w->storage, 8, "ours", &w->err), RSW_FOUND);
}

static void a_claim_of_ours_that_came_to_nothing_is_given_up(void **state) {
    struct world *w = *state;
    char owner[RSW_IDENTITY_MAX];
    assert_int_equal(rsw_index_identity(w->index, owner, &w->err), 0);
    assert_int_equal(rsw_quarantine_claim(w->storage, 7, owner, &w->err), RSW_FOUND);
    assert_int_equal(rsw_quarantine_claim(w->storage, 8, "another index", &w->err), RSW_FOUND);
    give_back(w);
    assert_false(is_there(w, RSW_QUARANTINE "/7.owner"));
    assert_true(is_there(w, RSW_QUARANTINE "/8.owner"));
}

#define IN_MEMORY(test) cmocka_unit_test_setup_teardown(test, open_memory, close_world)
#define IN_ALL(test)                                                                                         \
    IN_MEMORY(test), cmocka_unit_test_setup_teardown(test, open_store, close_world),                         \
        cmocka_unit_test_setup_teardown(test, open_directory, close_world)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_ALL(what_another_index_took_is_back_and_storage_is_read_then),
        IN_MEMORY(with_nothing_of_others_there_is_no_gap),
        IN_ALL(an_image_that_a_foreign_sweep_had_unlinked_is_not_swept_with_the_registry_stopped),
        IN_ALL(what_nothing_needs_goes_all_the_same),
        IN_ALL(bytes_alone_stay_beside_a_running_registry),
        IN_ALL(bytes_alone_that_our_index_has_lost_are_back_beside_a_running_registry),
        IN_ALL(what_is_in_place_stays_and_of_a_tag_its_new_head),
        IN_ALL(the_copy_of_a_link_that_is_cut_short_stays),
        IN_MEMORY(nothing_is_taken_where_something_cannot_be_put_back),
        IN_ALL(what_the_owner_has_the_registry_delete_late_is_put_back_again),
        cmocka_unit_test_setup_teardown(what_storage_removes_late_is_put_back_again_with_the_registry_stopped,
                                        open_store, close_world),
        IN_ALL(with_a_link_that_is_cut_short_all_else_is_back_and_storage_is_read),
        IN_ALL(what_is_in_place_already_makes_storage_be_read),
        IN_MEMORY(a_failure_in_the_midst_leaves_no_bytes_alone),
        IN_ALL(a_run_that_is_stopped_in_the_midst_leaves_no_bytes_alone),
        cmocka_unit_test_setup_teardown(a_note_of_bytes_that_are_gone_is_in_nobodys_way, open_versions,
                                        close_world),
        IN_ALL(a_claim_of_ours_that_came_to_nothing_is_given_up),
        IN_ALL(no_two_indexes_have_one_folder),
    };
    return cmocka_run_group_tests_name("others", tests, NULL, NULL);
}
