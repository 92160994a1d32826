/* A confirmed sweep, from scan to tidied index, over memory and a directory. */
#include "gc/removal.h"
#include "gc_registry.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static uint64_t condemned_in_all(const struct registry *r) {
    uint64_t total = 0;
    for (int kind = 0; kind < RSW_ITEM_KINDS; kind++) {
        total += r->result.counts[kind];
    }
    return total;
}

/* ---- what a sweep does ---- */

static void what_must_go_is_gone_and_what_must_stay_is_unchanged(void **state) {
    struct registry *r = *state;
    put_what_stays(&r->tree);
    put_what_goes(&r->tree);
    sweep_well(r);
    expect_swept_clean(r);
    assert_int_equal(r->result.failed, 0);
    assert_int_equal(r->result.spared, 0);
    assert_true(r->result.done == condemned_in_all(r));
    assert_true(r->result.done == r->items);
    assert_true(r->result.generation == 1);
}

static void after_a_sweep_the_index_equals_a_fresh_scan(void **state) {
    struct registry *r = *state;
    put_what_stays(&r->tree);
    put_what_goes(&r->tree);
    sweep_well(r);
    expect_index_equals_fresh_scan(r);
}

static void a_second_run_finds_nothing(void **state) {
    struct registry *r = *state;
    put_what_stays(&r->tree);
    put_what_goes(&r->tree);
    sweep_well(r);
    sweep_well(r);
    assert_int_equal(condemned_in_all(r), 0);
    assert_int_equal(r->result.generation, 0);
    expect_swept_clean(r);
    expect_index_equals_fresh_scan(r);
}

static void a_dry_run_changes_nothing_and_counts_the_same(void **state) {
    struct registry *r = *state;
    put_what_stays(&r->tree);
    put_what_goes(&r->tree);
    scan_registry(r);
    struct picture before, after;
    picture_take(&before, r, true);
    r->options.confirm = false;
    sweep_well(r);
    uint64_t shown = condemned_in_all(r);
    assert_int_equal(r->result.generation, 0);
    assert_int_equal(r->result.done, 0);
    picture_take(&after, r, true);
    same_pictures(&before, &after);
    assert_int_not_equal(access(r->audit, F_OK), 0);
    r->options.confirm = true;
    sweep_well(r);
    assert_true(shown == r->result.done);
    picture_release(&before);
    picture_release(&after);
}

static void freed_bytes_are_those_of_blobs_and_uploads(void **state) {
    struct registry *r = *state;
    put_what_stays(&r->tree);
    tree_blob(&r->tree, "12345");
    tree_blob(&r->tree, "1234567");
    tree_upload(&r->tree, "library/app", "stale", "2023-11-20T00:00:00Z", 1000);
    sweep_well(r);
    /* startedat is a file of the upload too: 20 bytes */
    assert_int_equal(r->result.freed, 5 + 7 + 1000 + 20);
    assert_true(r->result.freed == r->result.bytes);
}

static void nothing_to_do_is_no_error(void **state) {
    struct registry *r = *state;
    put_what_stays(&r->tree);
    sweep_well(r);
    assert_int_equal(r->result.generation, 0);
    expect_swept_clean(r);
}

static json_t *audit_lines(struct registry *r) {
    json_t *all = json_array();
    FILE *file = fopen(r->audit, "r");
    assert_non_null(file);
    char *line = NULL;
    size_t room = 0;
    while (getline(&line, &room, file) > 0) {
        json_error_t error;
        json_t *one = json_loads(line, JSON_REJECT_DUPLICATES, &error);
        if (one == NULL) {
            fail_msg("not JSON: %s (%s)", line, error.text);
        }
        json_array_append_new(all, one);
    }
    free(line);
    fclose(file);
    return all;
}

static void every_deletion_has_one_audit_line_with_its_reason(void **state) {
    struct registry *r = *state;
    put_what_stays(&r->tree);
    put_what_goes(&r->tree);
    sweep_well(r);
    json_t *lines = audit_lines(r);
    assert_int_equal(json_array_size(lines), r->result.done);
    uint64_t kinds[RSW_ITEM_KINDS] = {0};
    size_t i;
    json_t *line;
    json_array_foreach(lines, i, line) {
        const char *kind = json_string_value(json_object_get(line, "kind"));
        const char *reason = json_string_value(json_object_get(line, "reason"));
        assert_non_null(kind);
        assert_non_null(reason);
        assert_string_equal(json_string_value(json_object_get(line, "action")), "delete");
        assert_int_equal(json_integer_value(json_object_get(line, "generation")), 1);
        for (int k = 1; k < RSW_ITEM_KINDS; k++) {
            kinds[k] += strcmp(kind, rsw_item_kind_name((enum rsw_item_kind)k)) == 0;
        }
        bool blob = strcmp(kind, "blob") == 0;
        assert_true(blob == (json_object_get(line, "repo") == NULL));
        assert_true(blob == (json_object_get(line, "types") != NULL));
        if (strcmp(kind, "tag") == 0) {
            assert_string_equal(reason, "subject_gone");
            assert_non_null(json_object_get(line, "tag"));
            assert_non_null(json_object_get(line, "digest"));
        }
        if (strcmp(kind, "upload") == 0) {
            assert_string_equal(reason, "stale");
            assert_non_null(json_object_get(line, "id"));
        }
    }
    kinds[0] = r->result.counts[0];
    assert_memory_equal(kinds, r->result.counts, sizeof kinds);
    json_decref(lines);
}

static void the_audit_is_added_to_never_overwritten(void **state) {
    struct registry *r = *state;
    tree_blob(&r->tree, "first");
    tree_image(&r->tree, "a", "v", "one", 1);
    sweep_well(r);
    tree_blob(&r->tree, "second");
    sweep_well(r);
    json_t *lines = audit_lines(r);
    assert_int_equal(json_array_size(lines), 2);
    json_decref(lines);
}

static void many_batches_go_in_one_run(void **state) {
    struct registry *r = *state;
    put_what_stays(&r->tree);
    for (int i = 0; i < 1203; i++) {
        char text[32];
        snprintf(text, sizeof text, "garbage %d", i);
        struct rsw_digest digest = tree_blob(&r->tree, text);
        tree_link(&r->tree, "a/b", &digest);
    }
    sweep_well(r);
    assert_int_equal(r->result.counts[RSW_ITEM_LINK], 1203);
    assert_int_equal(r->result.counts[RSW_ITEM_BLOB], 1203);
    assert_int_equal(r->result.done, 2406);
    expect_swept_clean(r);
}

static void a_moved_tag_loses_its_old_history_entry_and_nothing_else(void **state) {
    struct registry *r = *state;
    struct tree_image old = tree_image(&r->tree, "a", "v", "old", 1);
    struct tree_image new = tree_image(&r->tree, "a", "v", "new", 1);
    sweep_well(r);
    char key[RSW_KEY_MAX];
    char other[RSW_KEY_MAX];
    struct rsw_look looks[] = {{.key = rsw_key_tag_history(key, "a", "v", &old.manifest)},
                               {.key = rsw_key_tag_history(other, "a", "v", &new.manifest)}};
    rsw_storage_look(r->real, looks, 2);
    assert_int_equal(looks[0].answer, RSW_ABSENT);
    assert_int_equal(looks[1].answer, RSW_FOUND);
    expect_index_equals_fresh_scan(r);
}

static void evidence_of_a_subject_stays_while_a_referrer_needs_it(void **state) {
    struct registry *r = *state;
    struct tree_image subject = tree_image(&r->tree, "a", NULL, "subject", 1);
    struct rsw_digest ref =
        tree_referrer(&r->tree, "a", "mine", &subject.manifest, "application/spdx+json", "an sbom");
    sweep_well(r);
    assert_int_equal(r->result.counts[RSW_ITEM_REVISION], 1);
    /* Without its tag it goes in the next run: the index, or the empty directory, still knows its subject. */
    tree_tag_remove(&r->tree, "a", "mine", &ref, 1);
    r->options.untagged_remove = false;
    sweep_well(r);
    assert_int_equal(r->result.counts[RSW_ITEM_REVISION], 1);
    struct picture left;
    picture_take(&left, r, true);
    assert_int_equal(left.count, r->backend == IN_MEMORY ? 0 : left.count);
    for (size_t i = 0; i < left.count; i++) {
        assert_null(strstr(left.lines[i], "/repositories/a"));
    }
    picture_release(&left);
    expect_index_equals_fresh_scan(r);
}

static void strange_files_in_a_repository_that_goes_stay_and_keep_it(void **state) {
    struct registry *r = *state;
    tree_image(&r->tree, "a", NULL, "m", 1);
    tree_put_text(&r->tree, RSW_LAYOUT_REPOSITORIES "/a/_layers/README", "not ours");
    tree_put_text(&r->tree, RSW_LAYOUT_REPOSITORIES "/a/_uploads-of-mine", "not ours");
    sweep_well(r);
    struct rsw_look looks[] = {{.key = RSW_LAYOUT_REPOSITORIES "/a/_layers/README"},
                               {.key = RSW_LAYOUT_REPOSITORIES "/a/_uploads-of-mine"}};
    rsw_storage_look(r->real, looks, 2);
    assert_int_equal(looks[0].answer, RSW_FOUND);
    assert_int_equal(looks[1].answer, RSW_FOUND);
    assert_int_equal(r->result.failed, 0);
}

/* ---- refusals: nothing is touched ---- */

static void expect_refused(struct registry *r, enum rsw_code code) {
    struct picture before, after;
    picture_take(&before, r, true);
    assert_int_equal(sweep(r), -1);
    assert_int_equal(r->err.code, code);
    assert_true(r->err.message[0] != 0);
    assert_int_equal(r->result.done, 0);
    picture_take(&after, r, true);
    same_pictures(&before, &after);
    picture_release(&before);
    picture_release(&after);
}

static void a_dry_run_without_a_complete_scan_is_refused(void **state) {
    struct registry *r = *state;
    put_what_goes(&r->tree);
    r->options.confirm = false;
    expect_refused(r, RSW_EREFUSED);
}

static void confirm_without_offline_is_refused(void **state) {
    struct registry *r = *state;
    put_what_goes(&r->tree);
    scan_registry(r);
    r->options.offline = false;
    expect_refused(r, RSW_EREFUSED);
}

/* Nobody may start the registry and push the same again before. */
static void a_deletion_without_an_answer_is_outlasted(void **state) {
    struct registry *r = *state;
    put_what_stays(&r->tree);
    put_what_goes(&r->tree);
    scan_registry(r);
    r->late = true;
    r->options.settle_ms = 300;
    int64_t began_ms = rsw_monotonic_ms();
    sweep_well(r);
    bool waited = rsw_monotonic_ms() - began_ms >= 300;
    assert_int_equal(waited, r->backend == IN_STORE); /* a version that is deleted late is ours */
}

static bool waits(void *arg) {
    return ((struct registry *)arg)->calls > 0;
}

static void note_waiting(void *arg, const struct rsw_sweep_progress *progress) {
    ((struct registry *)arg)->calls += progress->wait_ms > 0;
}

static void who_is_stopped_then_says_when_the_registry_may_start(void **state) {
    struct registry *r = *state;
    put_what_goes(&r->tree);
    scan_registry(r);
    r->late = true;
    r->options.settle_ms = 10 * 60 * 1000;
    r->options.progress = note_waiting;
    r->options.stopped = waits;
    r->options.arg = r;
    assert_int_equal(sweep(r), -1);
    assert_int_equal(r->err.code, RSW_ESTOPPED);
    assert_non_null(strstr(r->err.message, "do not start the registry for another "));
}

static void confirm_without_an_audit_file_is_refused(void **state) {
    struct registry *r = *state;
    put_what_goes(&r->tree);
    r->options.audit_file = NULL;
    expect_refused(r, RSW_EINVAL);
    r->options.audit_file = "/nowhere/at/all";
    expect_refused(r, RSW_EIO);
}

static void a_sweep_beside_another_sweep_is_refused(void **state) {
    struct registry *r = *state;
    put_what_goes(&r->tree);
    RSW_AUTO_LOCK lock = RSW_LOCK_INIT;
    assert_int_equal(rsw_lock_take(&lock, r->index, "sweep", &r->err), 0);
    expect_refused(r, RSW_EBUSY);
    rsw_lock_release(&lock);
    sweep_well(r);
}

static void a_sweep_beside_a_scan_is_refused(void **state) {
    struct registry *r = *state;
    put_what_goes(&r->tree);
    RSW_AUTO_LOCK lock = RSW_LOCK_INIT;
    assert_int_equal(rsw_lock_take(&lock, r->index, "scan", &r->err), 0);
    expect_refused(r, RSW_EBUSY);
}

static void an_unreadable_folder_ends_the_run_before_anything_goes(void **state) {
    struct registry *r = *state;
    put_what_stays(&r->tree);
    put_what_goes(&r->tree);
    rsw_memory_fail_key(r->real, RSW_LAYOUT_REPOSITORIES "/library/app/_manifests", EACCES);
    assert_int_equal(sweep(r), -1);
    assert_int_equal(r->err.code, RSW_EREFUSED);
    assert_int_equal(r->result.done, 0);
    rsw_memory_fail_key(r->real, RSW_LAYOUT_REPOSITORIES "/library/app/_manifests", 0);
    expect_nothing_lost(r);
    sweep_well(r);
    expect_swept_clean(r);
}

static void an_audit_file_that_is_a_link_is_not_followed(void **state) {
    struct registry *r = *state;
    char other[sizeof r->audit + 8];
    put_what_goes(&r->tree);
    snprintf(other, sizeof other, "%s.other", r->audit);
    assert_int_equal(symlink(other, r->audit), 0);
    expect_refused(r, RSW_EREFUSED);
    assert_non_null(strstr(r->err.message, "symbolic link"));
    assert_int_not_equal(access(other, F_OK), 0);
}

/* `kept` tagged images of one layer, and `gone` lone blobs, all of one size. */
static void put_share(struct registry *r, int kept, int gone) {
    struct rsw_digest layers[TREE_LAYERS_MAX];
    char text[32];
    int put = 0;
    for (int image = 0; put < kept; image++) {
        size_t count = 0;
        while (count < 30 && put + 2 < kept) {
            snprintf(text, sizeof text, "kept %08d", put++);
            layers[count++] = tree_blob(&r->tree, text);
        }
        snprintf(text, sizeof text, "config %06d", image);
        struct rsw_digest config = tree_blob(&r->tree, text);
        char name[32];
        snprintf(name, sizeof name, "v%d", image);
        tree_manifest(&r->tree, "a", name, &config, layers, count);
        put += 2;
    }
    assert_int_equal(put, kept);
    for (int i = 0; i < gone; i++) {
        snprintf(text, sizeof text, "gone %08d", i);
        tree_blob(&r->tree, text);
    }
}

static void a_run_over_the_limit_is_refused(void **state) {
    struct registry *r = *state;
    put_share(r, 699, 301);
    r->options.max_delete = 30;
    expect_refused(r, RSW_EREFUSED);
    assert_non_null(strstr(r->result.guard, "301 of 1000 blobs"));
    assert_int_equal(r->result.generation, 0);
    r->options.confirm = false;
    sweep_well(r); /* a dry run warns */
    assert_true(r->result.guard[0] != 0);
}

static void a_run_at_the_limit_or_below_goes(void **state) {
    struct registry *r = *state;
    put_share(r, 700, 300);
    r->options.max_delete = 30;
    sweep_well(r);
    assert_int_equal(r->result.counts[RSW_ITEM_BLOB], 300);
    assert_string_equal(r->result.guard, "");
}

static void a_small_run_is_never_too_much(void **state) {
    struct registry *r = *state;
    put_share(r, 2, 99);
    r->options.max_delete = 30;
    sweep_well(r);
    assert_int_equal(r->result.done, 99);
    put_share(r, 2, 100);
    expect_refused(r, RSW_EREFUSED);
}

static void the_bytes_of_stale_uploads_do_not_count_as_blobs(void **state) {
    struct registry *r = *state;
    put_share(r, 900, 100);
    tree_upload(&r->tree, "a", "stale", "2023-11-20T00:00:00Z", 1000000);
    r->options.max_delete = 30;
    sweep_well(r);
    assert_string_equal(r->result.guard, "");
}

static void manifests_that_were_deleted_already_do_not_count_as_revisions(void **state) {
    struct registry *r = *state;
    struct rsw_digest deleted[120];
    for (int i = 0; i < 120; i++) {
        char text[32];
        snprintf(text, sizeof text, "deleted %d", i);
        deleted[i] = tree_blob(&r->tree, text);
        tree_revision(&r->tree, "a", &deleted[i]);
        tree_tag(&r->tree, "a", "latest", &deleted[i]);
    }
    tree_image(&r->tree, "a", "latest", "head", 1);
    scan_registry(r);
    for (int i = 0; i < 120; i++) {
        tree_revision_remove(&r->tree, "a", &deleted[i]);
        tree_blob_remove(&r->tree, &deleted[i]);
    }
    r->options.max_delete = 30;
    sweep_well(r);
    assert_string_equal(r->result.guard, "");
    assert_int_equal(r->result.counts[RSW_ITEM_REVISION], 120);
    assert_int_equal(r->result.totals[RSW_ITEM_REVISION], 1);
}

/* ---- pushed meanwhile ---- */

static struct rsw_digest pushed;
static void push_when_first_removed(struct registry *r, const char *call, const char *key) {
    (void)key;
    if (strcmp(call, "remove") != 0 || r->calls++ > 0) {
        return;
    }
    RSW_AUTO_TXN txn = NULL;
    assert_int_equal(rsw_txn_begin_write(&txn, r->index, &r->err), 0);
    uint32_t repo = rsw_fact_repo(txn, "gone", NOW_MS);
    uint32_t blob = rsw_blob_intern(txn, &pushed, NOW_MS);
    rsw_fact_touch(txn, RSW_LINK, repo, blob, NOW_MS, 0);
    assert_int_equal(rsw_txn_commit(&txn, &r->err), 0);
}

static void expect_there(struct registry *r, const char *key) {
    struct rsw_look look = {.key = key};
    rsw_storage_look(r->real, &look, 1);
    assert_int_equal(look.answer, RSW_FOUND);
}

static void a_layer_pushed_meanwhile_ends_the_run(void **state) {
    struct registry *r = *state;
    put_what_stays(&r->tree);
    put_what_goes(&r->tree);
    pushed = tree_image(&r->tree, "gone", NULL, "pushed again", 1).layers[0];
    r->before_call = push_when_first_removed;
    assert_int_equal(sweep(r), -1);
    assert_int_equal(r->err.code, RSW_EPARTIAL);
    char key[RSW_KEY_MAX];
    expect_there(r, rsw_key_blob(key, &pushed));
    expect_there(r, rsw_key_layer_link(key, "gone", &pushed));
    expect_nothing_lost(r);
}

static void bytes_that_a_new_link_leads_to_are_not_purged(void **state) {
    struct registry *r = *state;
    put_what_stays(&r->tree);
    put_what_goes(&r->tree);
    pushed = tree_digest_of("linked nowhere"); /* mounted into another repository: a link, no push */
    r->before_call = push_when_first_removed;
    assert_int_equal(sweep(r), -1);
    assert_int_equal(r->err.code, RSW_EPARTIAL);
    char key[RSW_KEY_MAX];
    expect_there(r, rsw_key_blob(key, &pushed));
}

/* It would renew all that it sees, and that would pass for pushed. */
static void scan_when_first_removed(struct registry *r, const char *call, const char *key) {
    (void)key;
    if (strcmp(call, "remove") == 0 && r->calls++ == 0) {
        struct rsw_error err = RSW_ERROR_INIT;
        struct rsw_scan_result scanned;
        assert_int_equal(rsw_scan(&scanned, r->index, r->real, NULL, &err), -1);
        assert_int_equal(err.code, RSW_EBUSY);
    }
}

#define EVENT_MS (NOW_MS + 1)

/* An event comes in, of nothing that is to go. */
static void hear_when_first_listed(struct registry *r, const char *call, const char *key) {
    struct rsw_state state;
    (void)key;
    if (strcmp(call, "list") != 0 || r->calls++ > 0) {
        return;
    }
    RSW_AUTO_TXN txn = NULL;
    assert_int_equal(rsw_txn_begin_write(&txn, r->index, &r->err), 0);
    assert_int_equal(rsw_state_get(txn, &state), RSW_FOUND);
    state.last_event_ms = EVENT_MS;
    rsw_state_put(txn, &state);
    assert_int_equal(rsw_txn_commit(&txn, &r->err), 0);
}

static void an_event_of_a_registry_that_is_said_to_be_stopped_refuses(void **state) {
    struct registry *r = *state;
    put_what_stays(&r->tree);
    put_what_goes(&r->tree);
    r->before_call = hear_when_first_listed;
    r->options.silent_ms = NOW_MS;
    expect_refused(r, RSW_EREFUSED);
    assert_int_equal(r->calls > 0, true);
    r->options.silent_ms = EVENT_MS; /* it was stopped right after */
    sweep_well(r);
    expect_swept_clean(r);
}

static void events_of_pulls_from_a_read_only_registry_refuse_nothing(void **state) {
    struct registry *r = *state;
    put_what_stays(&r->tree);
    put_what_goes(&r->tree);
    r->before_call = hear_when_first_listed;
    sweep_well(r);
    assert_true(r->calls > 0);
    expect_swept_clean(r);
}

static void no_scan_begins_while_an_offline_sweep_removes(void **state) {
    struct registry *r = *state;
    put_what_stays(&r->tree);
    put_what_goes(&r->tree);
    r->before_call = scan_when_first_removed;
    sweep_well(r);
    assert_true(r->calls > 0);
    expect_swept_clean(r);
}

static char retagged[RSW_TAG_NAME_MAX + 1];

/* Sets the tag anew that the generation has on its list as the last. */
static void retag_when_first_removed(struct registry *r, const char *call, const char *key) {
    (void)key;
    if (strcmp(call, "remove") != 0 || r->calls++ > 0) {
        return;
    }
    RSW_AUTO_TXN txn = NULL;
    assert_int_equal(rsw_txn_begin_write(&txn, r->index, &r->err), 0);
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    rsw_iter_items(&iter, txn, 1, RSW_ITEM_TAG);
    struct rsw_item item;
    struct rsw_item last = {.repo = 0};
    while (rsw_item_next(&iter, &item) == RSW_FOUND) {
        last = item;
    }
    assert_true(last.repo != 0);
    strcpy(retagged, last.name);
    rsw_fact_tag_event(txn, last.repo, last.name, last.blob, NOW_MS, NOW_MS);
    assert_int_equal(rsw_txn_commit(&txn, &r->err), 0);
}

static void a_weak_tag_set_anew_meanwhile_is_not_removed(void **state) {
    struct registry *r = *state;
    tree_image(&r->tree, "stays", "v", "s", 1);
    for (int i = 0; i < RSW_BATCH_MAX + 20; i++) { /* more than one batch */
        char text[32];
        snprintf(text, sizeof text, "subject %d", i);
        struct tree_image subject = tree_image(&r->tree, "gone", NULL, text, 0);
        tree_cosign(&r->tree, "gone", &subject.manifest);
    }
    r->before_call = retag_when_first_removed;
    assert_int_equal(sweep(r), -1);
    assert_int_equal(r->err.code, RSW_EPARTIAL);
    char key[RSW_KEY_MAX];
    expect_there(r, rsw_key_tag_current(key, "gone", retagged));
}

/* ---- deletions that fail ---- */

static const char *failing_key;

/* The fault is set only once removing begins, so that the scan sees all. */
static void fail_when_removed(struct registry *r, const char *call, const char *key) {
    bool now = strcmp(call, "remove") == 0 && strcmp(key, failing_key) == 0;
    rsw_memory_fail_key(r->real, failing_key, now ? EIO : 0);
}

static void sweep_with_failure(struct registry *r, const char *key) {
    failing_key = key;
    r->before_call = fail_when_removed;
    assert_int_equal(sweep(r), -1);
    assert_int_equal(r->err.code, RSW_EPARTIAL);
    assert_true(r->result.failed >= 1);
    r->before_call = NULL;
    rsw_memory_fail_key(r->real, key, 0);
    expect_nothing_lost(r);
    json_t *lines = audit_lines(r);
    size_t i, failed = 0;
    json_t *line;
    json_array_foreach(lines, i, line) {
        failed += strcmp(json_string_value(json_object_get(line, "action")), "failed") == 0;
    }
    assert_true(failed == r->result.failed + r->result.spared);
    json_decref(lines);
}

static void finish_later(struct registry *r) {
    sweep_well(r);
    expect_swept_clean(r);
    expect_index_equals_fresh_scan(r);
}

static void a_blob_that_cannot_be_removed_is_counted_and_goes_next_time(void **state) {
    struct registry *r = *state;
    put_what_stays(&r->tree);
    put_what_goes(&r->tree);
    char key[RSW_KEY_MAX];
    struct rsw_digest digest = tree_digest_of("linked nowhere");
    sweep_with_failure(r, rsw_key_blob(key, &digest));
    assert_int_equal(r->result.failed, 1);
    finish_later(r);
}

static void a_link_that_cannot_be_removed_keeps_its_bytes(void **state) {
    struct registry *r = *state;
    put_what_stays(&r->tree);
    put_what_goes(&r->tree);
    char key[RSW_KEY_MAX];
    char data[RSW_KEY_MAX];
    struct rsw_digest digest = tree_digest_of("a layer of nobody");
    sweep_with_failure(r, rsw_key_layer_link(key, "a/b", &digest));
    expect_there(r, rsw_key_blob(data, &digest));
    finish_later(r);
}

static void a_revision_that_cannot_be_removed_keeps_its_bytes(void **state) {
    struct registry *r = *state;
    put_what_stays(&r->tree);
    put_what_goes(&r->tree);
    struct tree_image image = tree_image(&r->tree, "gone", NULL, "stuck", 1);
    char key[RSW_KEY_MAX];
    char data[RSW_KEY_MAX];
    sweep_with_failure(r, rsw_key_revision_link(key, "gone", &image.manifest));
    expect_there(r, rsw_key_blob(data, &image.manifest));
    finish_later(r);
}

static void a_weak_tag_whose_history_cannot_be_removed_keeps_its_head(void **state) {
    struct registry *r = *state;
    put_what_stays(&r->tree);
    put_what_goes(&r->tree);
    struct tree_image subject = tree_image(&r->tree, "gone", NULL, "signed", 1);
    struct rsw_digest signature = tree_cosign(&r->tree, "gone", &subject.manifest);
    char tag[256];
    char key[RSW_KEY_MAX];
    char current[RSW_KEY_MAX];
    tree_weak_tag(tag, &subject.manifest, ".sig");
    sweep_with_failure(r, rsw_key_tag_history(key, "gone", tag, &signature));
    expect_there(r, rsw_key_tag_current(current, "gone", tag));
    finish_later(r);
}

static void an_upload_whose_data_cannot_be_removed_keeps_its_beginning(void **state) {
    struct registry *r = *state;
    put_what_stays(&r->tree);
    put_what_goes(&r->tree);
    sweep_with_failure(r, RSW_LAYOUT_REPOSITORIES "/gone/_uploads/stale/data");
    expect_there(r, RSW_LAYOUT_REPOSITORIES "/gone/_uploads/stale/startedat");
    finish_later(r);
}

static void a_history_entry_that_cannot_be_removed_goes_next_time(void **state) {
    struct registry *r = *state;
    put_what_stays(&r->tree);
    put_what_goes(&r->tree);
    struct tree_image old = tree_image(&r->tree, "a/b", "multi2", "old", 1);
    char key[RSW_KEY_MAX];
    tree_image(&r->tree, "a/b", "multi2", "new", 1);
    sweep_with_failure(r, rsw_key_tag_history(key, "a/b", "multi2", &old.manifest));
    sweep_well(r);
    struct rsw_look look = {.key = key};
    rsw_storage_look(r->real, &look, 1);
    assert_int_equal(look.answer, RSW_ABSENT);
}

/* The client deleted the tag, and pushed it again with another manifest. */
static void old_history_of_a_tag_that_is_there_again_goes(void **state) {
    struct registry *r = *state;
    char key[RSW_KEY_MAX];
    struct tree_image first = tree_image(&r->tree, "app", "1", "first", 1);
    struct tree_image other = tree_image(&r->tree, "app", "2", "other", 1);
    scan_registry(r);
    r->options.version_max_age_ms = 1;
    r->old_key = rsw_key_tag_history(key, "app", "1", &other.manifest);
    sweep_well(r);
    assert_int_equal(r->result.old.removed, 1);
    r->old_key = rsw_key_tag_history(key, "app", "1", &first.manifest);
    sweep_well(r);
    assert_int_equal(r->result.old.removed, 0); /* by the index it should be there */
}

/* Where a bucket was swept by copies before. */
static void old_copies_of_ours_go_but_not_while_their_generation_is_open(void **state) {
    struct registry *r = *state;
    tree_image(&r->tree, "app", "1", "first", 1);
    scan_registry(r);
    r->options.version_max_age_ms = 1;
    r->old_key = "regsweep/quarantine/7/docker/registry/v2/blobs/sha256/ab/x/data";
    assert_int_equal(rsw_memory_put(r->real, "regsweep/quarantine/7/docker/registry/v2/other", "x", 1,
                                    TREE_MTIME_MS, &r->err),
                     0);
    r->options.confirm = false;
    sweep_well(r);
    assert_int_equal(r->result.old.removed, 0);
    r->old_key = "regsweep/quarantine/8/docker/registry/v2/blobs/sha256/ab/x/data";
    sweep_well(r);
    assert_int_equal(r->result.old.removed, 1);
    r->old_key = "regsweep.bak/thing";
    sweep_well(r);
    assert_int_equal(r->result.old.versions, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        in_memory_alone(old_history_of_a_tag_that_is_there_again_goes),
        in_memory_alone(old_copies_of_ours_go_but_not_while_their_generation_is_open),
        in_both(what_must_go_is_gone_and_what_must_stay_is_unchanged),
        in_both(after_a_sweep_the_index_equals_a_fresh_scan),
        in_both(a_second_run_finds_nothing),
        in_both(a_dry_run_changes_nothing_and_counts_the_same),
        in_both(freed_bytes_are_those_of_blobs_and_uploads),
        in_both(nothing_to_do_is_no_error),
        in_both(every_deletion_has_one_audit_line_with_its_reason),
        in_both(the_audit_is_added_to_never_overwritten),
        in_both(many_batches_go_in_one_run),
        in_both(a_moved_tag_loses_its_old_history_entry_and_nothing_else),
        in_both(evidence_of_a_subject_stays_while_a_referrer_needs_it),
        in_both(strange_files_in_a_repository_that_goes_stay_and_keep_it),
        in_both(a_dry_run_without_a_complete_scan_is_refused),
        in_both(confirm_without_offline_is_refused),
        in_backend(a_deletion_without_an_answer_is_outlasted, in_store),
        in_backend(a_deletion_without_an_answer_is_outlasted, with_versions),
        in_backend(who_is_stopped_then_says_when_the_registry_may_start, in_store),
        in_both(confirm_without_an_audit_file_is_refused),
        in_both(a_sweep_beside_another_sweep_is_refused),
        in_both(a_sweep_beside_a_scan_is_refused),
        in_memory_alone(an_unreadable_folder_ends_the_run_before_anything_goes),
        in_memory_alone(an_audit_file_that_is_a_link_is_not_followed),
        in_memory_alone(a_run_over_the_limit_is_refused),
        in_memory_alone(a_run_at_the_limit_or_below_goes),
        in_memory_alone(a_small_run_is_never_too_much),
        in_memory_alone(the_bytes_of_stale_uploads_do_not_count_as_blobs),
        in_both(manifests_that_were_deleted_already_do_not_count_as_revisions),
        in_memory_alone(no_scan_begins_while_an_offline_sweep_removes),
        in_memory_alone(an_event_of_a_registry_that_is_said_to_be_stopped_refuses),
        in_memory_alone(events_of_pulls_from_a_read_only_registry_refuse_nothing),
        in_memory_alone(a_layer_pushed_meanwhile_ends_the_run),
        in_memory_alone(bytes_that_a_new_link_leads_to_are_not_purged),
        in_memory_alone(a_weak_tag_set_anew_meanwhile_is_not_removed),
        in_memory_alone(a_blob_that_cannot_be_removed_is_counted_and_goes_next_time),
        in_memory_alone(a_link_that_cannot_be_removed_keeps_its_bytes),
        in_memory_alone(a_revision_that_cannot_be_removed_keeps_its_bytes),
        in_memory_alone(a_weak_tag_whose_history_cannot_be_removed_keeps_its_head),
        in_memory_alone(an_upload_whose_data_cannot_be_removed_keeps_its_beginning),
        in_memory_alone(a_history_entry_that_cannot_be_removed_goes_next_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
