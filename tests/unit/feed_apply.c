/* What each event tells the index, against a real index. */
#include "feed_help.h"

#include "feed/apply.h"
#include "index/deletion.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OCTETS "application/octet-stream"
#define MANIFEST "application/vnd.oci.image.manifest.v1+json"

struct applying {
    struct place *place;
    struct rsw_txn *txn;
    unsigned changed;
};

static bool on_event(void *arg, const struct rsw_event *event) {
    struct applying *a = arg;
    struct rsw_applied applied = rsw_event_apply(a->txn, event, "body", 4, a->place->now_ms);
    a->changed += applied.changed ? 1 : 0;
    return false;
}

/* One envelope in a transaction of its own. True if it changed anything. */
static bool apply_text(struct place *place, const char *text, size_t len) {
    struct rsw_envelope *envelope = malloc(sizeof *envelope);
    struct applying a = {.place = place, .txn = begin_write(place)};
    struct rsw_event end;
    assert_non_null(envelope);
    rsw_envelope_init(envelope, on_event, &a);
    rsw_envelope_feed(envelope, text, len);
    if (!rsw_envelope_end(envelope, &end)) {
        on_event(&a, &end);
    }
    free(envelope);
    commit(&a.txn);
    return a.changed > 0;
}

static bool apply(struct place *place, const struct body *body) {
    const char *text = body_text(body);
    return apply_text(place, text, strlen(text));
}

static uint32_t repo_id(struct rsw_txn *txn, const char *name) {
    struct rsw_repo repo;
    return rsw_repo_find(txn, name, &repo) == RSW_FOUND ? repo.id : 0;
}

static uint32_t blob_id(struct rsw_txn *txn, uint64_t number) {
    struct rsw_blob blob;
    struct rsw_digest digest = digest_number(number);
    return rsw_blob_find(txn, &digest, &blob) == RSW_FOUND ? blob.id : 0;
}

static struct rsw_blob blob_of(struct place *place, uint64_t number) {
    RSW_AUTO_TXN txn = begin_read(place);
    struct rsw_blob blob;
    assert_int_equal(rsw_blob_get(txn, blob_id(txn, number), &blob), RSW_FOUND);
    return blob;
}

static struct rsw_member member_of(struct place *place, enum rsw_member_kind kind, const char *repo,
                                   uint64_t number) {
    RSW_AUTO_TXN txn = begin_read(place);
    struct rsw_member member;
    assert_int_equal(rsw_member_get(txn, kind, repo_id(txn, repo), blob_id(txn, number), &member), RSW_FOUND);
    return member;
}

/* RSW_FOUND, and *out, if storage will be asked; digest 0: none. */
static int check_of(struct place *place, enum rsw_check_kind kind, const char *repo, uint64_t number,
                    const char *tag, struct rsw_check *out) {
    RSW_AUTO_TXN txn = begin_read(place);
    struct rsw_check check;
    return rsw_check_get(txn, kind, repo == NULL ? 0 : repo_id(txn, repo),
                         number == 0 ? 0 : blob_id(txn, number), tag, out == NULL ? &check : out);
}

/* As the checker does when storage has answered. */
static void drop_checks(struct place *place) {
    struct rsw_txn *txn = begin_write(place);
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_check check;
    rsw_iter_checks(&iter, txn);
    while (rsw_check_next(&iter, &check) == RSW_FOUND) {
        rsw_check_drop(txn, &check);
    }
    rsw_iter_end(&iter);
    commit(&txn);
}

static void forget_member(struct place *place, enum rsw_member_kind kind, const char *repo, uint64_t number) {
    struct rsw_txn *txn = begin_write(place);
    rsw_fact_member_absent(txn, kind, repo_id(txn, repo), blob_id(txn, number), UINT64_MAX, true);
    commit(&txn);
}

static void parse_manifest(struct place *place, uint64_t number) {
    struct rsw_txn *txn = begin_write(place);
    rsw_refs_put(txn, blob_id(txn, number), RSW_TYPE_MANIFEST, true, NULL, 0, place->now_ms);
    commit(&txn);
}

static const struct body push_layer = {.action = "push", .type = OCTETS, .repository = "a/b", .size = 10};

/* The body with digest `number`. */
static struct body with(const struct body *body, uint64_t number) {
    struct body copy = *body;
    copy.digest = digest_text(number);
    return copy;
}

static void a_pushed_blob_has_data_and_a_link(void **state) {
    struct place *place = *state;
    struct body body = with(&push_layer, 1);
    assert_true(apply(place, &body));
    assert_true(has_blob(place, 1));
    assert_int_equal(blob_of(place, 1).size, 10);
    assert_true(has_member(place, RSW_LINK, "a/b", 1));
    assert_false(has_member(place, RSW_REVISION, "a/b", 1));
    assert_true(member_of(place, RSW_LINK, "a/b", 1).touched_ms == place->now_ms);
    assert_int_equal(count_checks(place, RSW_CHECK_OBJECT), 0);
}

static void a_repeated_push_renews_the_claim(void **state) {
    struct place *place = *state;
    struct body body = with(&push_layer, 1);
    apply(place, &body);
    uint64_t seq = member_of(place, RSW_LINK, "a/b", 1).seq;
    assert_true(apply(place, &body));
    assert_true(member_of(place, RSW_LINK, "a/b", 1).seq > seq);
    assert_true(blob_of(place, 1).seq > seq);
}

static void a_push_without_a_media_type_is_looked_at(void **state) {
    struct place *place = *state;
    struct body body = with(&push_layer, 1);
    body.type = NULL;
    apply(place, &body);
    assert_true(has_member(place, RSW_LINK, "a/b", 1));
    assert_int_equal(check_of(place, RSW_CHECK_OBJECT, "a/b", 1, "", NULL), RSW_FOUND);
}

static void a_mount_links_the_blob_in_the_repository_it_names(void **state) {
    struct place *place = *state;
    struct body push = with(&push_layer, 1);
    struct body mount = push;
    mount.action = "mount";
    mount.repository = "c";
    mount.from = "a/b";
    apply(place, &push);
    assert_true(apply(place, &mount));
    assert_true(has_member(place, RSW_LINK, "c", 1));
    assert_int_equal(count_checks(place, RSW_CHECK_OBJECT), 0);
    /* Of a blob that the index does not know, a cache may have spoken. */
    mount.digest = digest_text(2);
    apply(place, &mount);
    assert_int_equal(check_of(place, RSW_CHECK_OBJECT, "c", 2, "", NULL), RSW_FOUND);
}

static void a_pushed_manifest_has_a_revision_and_is_read(void **state) {
    struct place *place = *state;
    struct rsw_check check;
    struct body body = with(&push_layer, 1);
    body.type = MANIFEST;
    apply(place, &body);
    assert_true(has_member(place, RSW_REVISION, "a/b", 1));
    assert_false(has_member(place, RSW_LINK, "a/b", 1));
    assert_int_equal(check_of(place, RSW_CHECK_MANIFEST, NULL, 1, "", &check), RSW_FOUND);
    assert_true(check.due_ms == place->now_ms);
    assert_int_equal(count_checks(place, RSW_CHECK_TAG), 0);
}

static void a_manifest_is_read_once_in_each_repository(void **state) {
    struct place *place = *state;
    struct body body = with(&push_layer, 1);
    body.type = MANIFEST;
    apply(place, &body);
    parse_manifest(place, 1);
    drop_checks(place);
    apply(place, &body);
    assert_int_equal(count_checks(place, RSW_CHECK_MANIFEST), 0);
    body.repository = "c";
    apply(place, &body);
    assert_int_equal(count_checks(place, RSW_CHECK_MANIFEST), 1);
    /* Believed gone: the registry may not have written it again. */
    drop_checks(place);
    struct rsw_txn *txn = begin_write(place);
    rsw_fact_blob_absent(txn, blob_id(txn, 1), UINT64_MAX, place->now_ms, true);
    commit(&txn);
    apply(place, &body);
    assert_int_equal(count_checks(place, RSW_CHECK_MANIFEST), 1);
}

static void a_tag_is_looked_at_once_it_had_time_to_be_written(void **state) {
    struct place *place = *state;
    struct rsw_check check;
    struct rsw_tag tag;
    struct body body = with(&push_layer, 1);
    body.type = MANIFEST;
    body.tag = "v1";
    apply(place, &body);
    assert_int_equal(check_of(place, RSW_CHECK_TAG, "a/b", 0, "v1", &check), RSW_FOUND);
    assert_true(check.due_ms == place->now_ms + RSW_TAG_SETTLE_MS);
    RSW_AUTO_TXN txn = begin_read(place);
    assert_int_equal(rsw_tag_get(txn, repo_id(txn, "a/b"), "v1", &tag), RSW_FOUND);
    assert_int_equal(tag.head, blob_id(txn, 1));
    assert_true((tag.flags & RSW_TAG_UNSETTLED) != 0);
}

static void a_tag_makes_a_manifest_of_octets(void **state) {
    struct place *place = *state;
    struct body body = with(&push_layer, 1);
    body.tag = "v1";
    apply(place, &body);
    assert_true(has_member(place, RSW_REVISION, "a/b", 1));
    assert_int_equal(count_checks(place, RSW_CHECK_TAG), 1);
}

static void a_delete_does_not_hurry_a_tag_that_settles(void **state) {
    struct place *place = *state;
    struct rsw_check check;
    struct body push = with(&push_layer, 1);
    struct body delete = {.action = "delete", .repository = "a/b", .tag = "v1"};
    push.type = MANIFEST;
    push.tag = "v1";
    apply(place, &push);
    place->now_ms += 100;
    apply(place, &delete);
    assert_int_equal(check_of(place, RSW_CHECK_TAG, "a/b", 0, "v1", &check), RSW_FOUND);
    assert_true(check.due_ms == place->now_ms - 100 + RSW_TAG_SETTLE_MS);
    /* A pause after failed looks does end. */
    struct rsw_txn *txn = begin_write(place);
    check.tries = 3;
    check.due_ms = place->now_ms + 60000;
    rsw_check_put(txn, &check);
    commit(&txn);
    apply(place, &delete);
    assert_int_equal(check_of(place, RSW_CHECK_TAG, "a/b", 0, "v1", &check), RSW_FOUND);
    assert_true(check.due_ms == place->now_ms);
    assert_int_equal(check.tries, 0);
}

static void pulls_touch_now_and_then(void **state) {
    struct place *place = *state;
    struct body push = with(&push_layer, 1);
    struct body pull = push;
    pull.action = "pull";
    apply(place, &push);
    place->now_ms += RSW_TOUCH_STEP_MS - 1;
    assert_false(apply(place, &pull));
    place->now_ms += 1;
    assert_true(apply(place, &pull));
    assert_true(member_of(place, RSW_LINK, "a/b", 1).touched_ms == place->now_ms);
    assert_false(apply(place, &pull));
    assert_int_equal(count_checks(place, RSW_CHECK_OBJECT), 0);
}

static void when_a_manifest_was_pulled_is_written_down(void **state) {
    struct place *place = *state;
    struct body push = with(&push_layer, 1);
    push.type = MANIFEST;
    struct body pull = push;
    struct body pull_layer = with(&push_layer, 2);
    int64_t at_ms = 0;
    pull.action = pull_layer.action = "pull";
    apply(place, &push);
    place->now_ms += 10 * RSW_PULL_STEP_MS;
    apply(place, &pull);
    apply(place, &pull_layer);
    struct rsw_txn *txn = begin_write(place);
    struct rsw_repo repo;
    struct rsw_blob blob;
    assert_int_equal(rsw_repo_find(txn, "a/b", &repo), RSW_FOUND);
    struct rsw_digest digest = digest_number(1);
    assert_int_equal(rsw_blob_find(txn, &digest, &blob), RSW_FOUND);
    assert_int_equal(rsw_pull_get(txn, repo.id, blob.id, &at_ms), RSW_FOUND);
    assert_true(at_ms == place->now_ms);
    digest = digest_number(2);
    assert_int_equal(rsw_blob_find(txn, &digest, &blob), RSW_FOUND);
    assert_int_equal(rsw_pull_get(txn, repo.id, blob.id, &at_ms), RSW_ABSENT);
    commit(&txn);
}

/* ---- what somebody asked to be forgotten ---- */

static bool is_forgotten(struct rsw_txn *txn, enum rsw_item_kind kind, uint32_t blob, const char *tag) {
    struct rsw_forgotten forgotten = {.kind = kind, .repo = repo_id(txn, "a/b"), .blob = blob};
    memcpy(forgotten.name, tag, strlen(tag) + 1);
    return rsw_forgotten_get(txn, &forgotten) == RSW_FOUND;
}

/* Manifest 1 under v1, layer 2, the repository: all in one record. */
static void forget_all(struct place *place) {
    struct body push = with(&push_layer, 1);
    struct body layer = with(&push_layer, 2);
    push.type = MANIFEST;
    push.tag = "v1";
    apply(place, &push);
    apply(place, &layer);
    struct rsw_txn *txn = begin_write(place);
    struct rsw_deletion deletion = {.kind = RSW_DELETION_REPO, .state = RSW_DELETION_WAITING, .named = 4};
    uint32_t repo = repo_id(txn, "a/b");
    uint32_t manifest = blob_id(txn, 1);
    rsw_deletion_add(txn, &deletion);
    const struct rsw_forgotten objects[] = {
        {.kind = RSW_ITEM_REVISION, .repo = repo, .blob = manifest, .deletion = deletion.id},
        {.kind = RSW_ITEM_LINK, .repo = repo, .blob = blob_id(txn, 2), .deletion = deletion.id},
        {.kind = RSW_ITEM_TAG, .repo = repo, .head = manifest, .deletion = deletion.id, .name = "v1"},
        {.kind = RSW_ITEM_REPOSITORY, .repo = repo, .deletion = deletion.id},
    };
    for (size_t i = 0; i < sizeof objects / sizeof *objects; i++) {
        assert_true(rsw_forgotten_add(txn, &objects[i]));
    }
    commit(&txn);
    drop_checks(place);
}

/* Which of manifest, layer, tag and repository are still in the record, as letters. */
static void expect_forgotten(struct place *place, const char *letters) {
    char left[5] = "";
    RSW_AUTO_TXN txn = begin_read(place);
    struct rsw_deletion deletion;
    snprintf(left, sizeof left, "%s%s%s%s",
             is_forgotten(txn, RSW_ITEM_REVISION, blob_id(txn, 1), "") ? "m" : "",
             is_forgotten(txn, RSW_ITEM_LINK, blob_id(txn, 2), "") ? "l" : "",
             is_forgotten(txn, RSW_ITEM_TAG, 0, "v1") ? "t" : "",
             is_forgotten(txn, RSW_ITEM_REPOSITORY, 0, "") ? "r" : "");
    assert_string_equal(left, letters);
    assert_int_equal(rsw_deletion_get(txn, 1, &deletion), RSW_FOUND);
    assert_int_equal(rsw_deletion_left(&deletion), strlen(letters));
    assert_int_equal(deletion.state, letters[0] != 0 ? RSW_DELETION_WAITING : RSW_DELETION_DONE);
}

static void what_is_pushed_again_leaves_its_deletion_record_with_its_repository(void **state) {
    struct place *place = *state;
    struct body push = with(&push_layer, 1);
    struct body layer = with(&push_layer, 2);
    push.type = MANIFEST;
    forget_all(place);
    expect_forgotten(place, "mltr");
    apply(place, &push); /* by its digest */
    expect_forgotten(place, "lt");
    layer.action = "mount";
    apply(place, &layer);
    expect_forgotten(place, "t");
    push.tag = "v1";
    apply(place, &push);
    expect_forgotten(place, "");
}

static void a_push_of_something_else_keeps_the_repository_alone(void **state) {
    struct place *place = *state;
    struct body push = with(&push_layer, 3);
    push.type = MANIFEST;
    push.tag = "v2";
    forget_all(place);
    apply(place, &push);
    expect_forgotten(place, "mlt");
}

static void a_tag_that_is_set_anew_leaves_its_record_and_its_old_head_does_not(void **state) {
    struct place *place = *state;
    struct body push = with(&push_layer, 3);
    push.type = MANIFEST;
    push.tag = "v1";
    forget_all(place);
    apply(place, &push);
    expect_forgotten(place, "ml");
}

static void a_pull_of_what_was_forgotten_is_written_down_and_touches_nothing(void **state) {
    struct place *place = *state;
    struct body pull = with(&push_layer, 1);
    pull.type = MANIFEST;
    pull.action = "pull";
    pull.tag = "v1";
    forget_all(place);
    int64_t touched_ms = member_of(place, RSW_REVISION, "a/b", 1).touched_ms;
    uint64_t seq = member_of(place, RSW_REVISION, "a/b", 1).seq;
    place->now_ms += 10 * RSW_PULL_STEP_MS;
    apply(place, &pull);
    expect_forgotten(place, "mltr");
    assert_true(member_of(place, RSW_REVISION, "a/b", 1).touched_ms == touched_ms);
    assert_true(member_of(place, RSW_REVISION, "a/b", 1).seq == seq);
    int64_t at_ms = 0;
    struct rsw_txn *txn = begin_write(place);
    assert_int_equal(rsw_pull_get(txn, repo_id(txn, "a/b"), blob_id(txn, 1), &at_ms), RSW_FOUND);
    assert_true(at_ms == place->now_ms);
    commit(&txn);
    assert_int_equal(count_checks(place, RSW_CHECK_OBJECT), 0);
    forget_member(place, RSW_REVISION, "a/b", 1); /* a cache has answered, or somebody pushed it unheard */
    apply(place, &pull);
    assert_int_equal(count_checks(place, RSW_CHECK_OBJECT), 1);
    assert_false((member_of(place, RSW_REVISION, "a/b", 1).flags & RSW_MEMBER_PRESENT) != 0);
}

static void a_pull_of_a_layer_touches_it_whatever_was_forgotten(void **state) {
    struct place *place = *state;
    struct body pull = with(&push_layer, 2);
    pull.action = "pull";
    forget_all(place);
    place->now_ms += 10 * RSW_PULL_STEP_MS;
    apply(place, &pull);
    expect_forgotten(place, "mltr");
    assert_true(member_of(place, RSW_LINK, "a/b", 2).touched_ms == place->now_ms);
}

static void a_pull_of_what_the_index_does_not_know_is_believed_and_looked_at(void **state) {
    struct place *place = *state;
    struct body pull = with(&push_layer, 1);
    pull.action = "pull";
    assert_true(apply(place, &pull));
    assert_true(has_blob(place, 1));
    assert_true(has_member(place, RSW_LINK, "a/b", 1));
    assert_int_equal(check_of(place, RSW_CHECK_OBJECT, "a/b", 1, "", NULL), RSW_FOUND);
    drop_checks(place);
    assert_false(apply(place, &pull));
    /* Nor what it believes gone. */
    forget_member(place, RSW_LINK, "a/b", 1);
    assert_false(has_member(place, RSW_LINK, "a/b", 1));
    assert_true(apply(place, &pull));
    assert_true(has_member(place, RSW_LINK, "a/b", 1));
    assert_int_equal(check_of(place, RSW_CHECK_OBJECT, "a/b", 1, "", NULL), RSW_FOUND);
    /* A manifest is read, too, and its tag looked at. */
    pull = with(&pull, 2);
    pull.type = MANIFEST;
    pull.tag = "v1";
    assert_true(apply(place, &pull));
    assert_int_equal(check_of(place, RSW_CHECK_MANIFEST, NULL, 2, "", NULL), RSW_FOUND);
    assert_int_equal(check_of(place, RSW_CHECK_TAG, "a/b", 0, "v1", NULL), RSW_FOUND);
}

static void a_manifest_pulled_through_its_layer_link_touches_that(void **state) {
    struct place *place = *state;
    struct body push = with(&push_layer, 1);
    struct body pull = push;
    pull.action = "pull";
    pull.type = MANIFEST;
    apply(place, &push);
    parse_manifest(place, 1);
    place->now_ms += RSW_TOUCH_STEP_MS;
    assert_true(apply(place, &pull));
    assert_false(has_member(place, RSW_REVISION, "a/b", 1));
    assert_true(member_of(place, RSW_LINK, "a/b", 1).touched_ms == place->now_ms);
    assert_int_equal(check_of(place, RSW_CHECK_OBJECT, "a/b", 1, "", NULL), RSW_FOUND);
    drop_checks(place);
    assert_false(apply(place, &pull));
}

static void a_delete_takes_nothing_away(void **state) {
    struct place *place = *state;
    struct body push = with(&push_layer, 1);
    struct body delete = {.action = "delete", .repository = "a/b", .digest = digest_text(1)};
    apply(place, &push);
    apply(place, &delete);
    assert_true(has_blob(place, 1));
    assert_true(has_member(place, RSW_LINK, "a/b", 1));
    assert_int_equal(check_of(place, RSW_CHECK_OBJECT, "a/b", 1, "", NULL), RSW_FOUND);
}

static void a_delete_of_what_nobody_knows_changes_nothing(void **state) {
    struct place *place = *state;
    struct body push = with(&push_layer, 1);
    struct body delete = {.action = "delete", .repository = "never/seen", .digest = digest_text(1)};
    apply(place, &push);
    assert_false(apply(place, &delete));
    delete.repository = "a/b";
    delete.digest = digest_text(99);
    assert_false(apply(place, &delete));
    delete.digest = NULL;
    delete.tag = "unknown";
    assert_false(apply(place, &delete));
    /* Of a whole repository. */
    delete.tag = NULL;
    assert_true(apply(place, &delete));
    assert_int_equal(check_of(place, RSW_CHECK_REPOSITORY, "a/b", 0, "", NULL), RSW_FOUND);
}

static void an_unusable_event_is_kept_and_its_repository_read(void **state) {
    struct place *place = *state;
    struct body body = with(&push_layer, 1);
    body.action = "rename";
    assert_true(apply(place, &body));
    assert_int_equal(check_of(place, RSW_CHECK_REPOSITORY, "a/b", 0, "", NULL), RSW_FOUND);
    assert_int_equal(state_of(place).gap_seq, 0);
    assert_false(has_blob(place, 1));
    RSW_AUTO_TXN txn = begin_read(place);
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_kept_event kept;
    rsw_iter_kept_events(&iter, txn);
    assert_int_equal(rsw_kept_event_next(&iter, &kept), RSW_FOUND);
    assert_string_equal(kept.reason, "action 'rename' is unknown");
    assert_int_equal(kept.body_len, 4);
}

static void an_unusable_event_without_a_repository_opens_a_gap(void **state) {
    struct place *place = *state;
    struct body body = with(&push_layer, 1);
    body.repository = "No/Name";
    apply(place, &body);
    assert_true(state_of(place).gap_seq > state_of(place).scan_seq);
    assert_string_equal(state_of(place).gap_reason, "target.repository breaks the grammar of names");
    apply_text(place, "no json", 7);
    assert_string_equal(state_of(place).gap_reason, "the body is no JSON: an unknown word");
}

struct counts {
    uint64_t events, repos, blobs, links, revisions, tags, history, objects, manifests;
};

static void count_members(struct rsw_txn *txn, enum rsw_member_kind kind, uint64_t *count) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_member member;
    rsw_iter_members(&iter, txn, kind, 0);
    while (rsw_member_next(&iter, &member) == RSW_FOUND) {
        *count += (member.flags & RSW_MEMBER_PRESENT) != 0 ? 1 : 0;
    }
}

static void count_all(struct place *place, struct counts *counts) {
    RSW_AUTO_TXN txn = begin_read(place);
    RSW_AUTO_ITER blobs = RSW_ITER_INIT;
    RSW_AUTO_ITER repos = RSW_ITER_INIT;
    RSW_AUTO_ITER tags = RSW_ITER_INIT;
    struct rsw_blob blob;
    struct rsw_repo repo;
    struct rsw_tag tag;
    struct rsw_history history;
    rsw_iter_blobs(&blobs, txn);
    while (rsw_blob_next(&blobs, &blob) == RSW_FOUND) {
        counts->blobs += (blob.flags & RSW_BLOB_PRESENT) != 0 ? 1 : 0;
    }
    rsw_iter_repos(&repos, txn);
    while (rsw_repo_next(&repos, &repo) == RSW_FOUND) {
        RSW_AUTO_ITER entries = RSW_ITER_INIT;
        counts->repos += (repo.flags & RSW_REPO_PRESENT) != 0 ? 1 : 0;
        rsw_iter_history(&entries, txn, repo.id, NULL);
        while (rsw_history_next(&entries, &history) == RSW_FOUND) {
            counts->history++;
        }
    }
    rsw_iter_tags(&tags, txn, 0);
    while (rsw_tag_next(&tags, &tag) == RSW_FOUND) {
        counts->tags++;
    }
    count_members(txn, RSW_LINK, &counts->links);
    count_members(txn, RSW_REVISION, &counts->revisions);
}

static void apply_line(void *arg, const char *line, size_t len) {
    apply_text(arg, line, len);
}

/* Counted from the files by hand: what was pushed, mounted or pulled, each once, and what was deleted. */
static void recorded_events_give_the_facts_that_they_tell(void **state) {
    static const struct counts wanted[4] = {
        {44, 3, 6, 9, 4, 3, 4, 5, 2},
        {44, 3, 6, 9, 4, 3, 4, 5, 2},
        {15, 1, 13, 8, 5, 2, 2, 1, 5},
        {15, 1, 13, 8, 5, 2, 2, 1, 5},
    };
    for (size_t i = 0; i < 4; i++) {
        struct place *place;
        struct counts counts = {0};
        assert_int_equal(place_setup((void **)&place), 0);
        /* Twice: as the registry does when an answer was lost. */
        for (unsigned round = 0; round < 2; round++) {
            memset(&counts, 0, sizeof counts);
            counts.events = each_recorded(recorded[i], apply_line, place);
            count_all(place, &counts);
            counts.objects = count_checks(place, RSW_CHECK_OBJECT);
            counts.manifests = count_checks(place, RSW_CHECK_MANIFEST);
            assert_memory_equal(&counts, &wanted[i], sizeof counts);
            assert_int_equal(count_checks(place, RSW_CHECK_TAG), counts.tags);
        }
        assert_int_equal(state_of(place).gap_seq, 0);
        place_teardown((void **)&place);
    }
    (void)state;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_setup, place_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_pushed_blob_has_data_and_a_link),
        TEST(a_repeated_push_renews_the_claim),
        TEST(a_push_without_a_media_type_is_looked_at),
        TEST(a_mount_links_the_blob_in_the_repository_it_names),
        TEST(a_pushed_manifest_has_a_revision_and_is_read),
        TEST(a_manifest_is_read_once_in_each_repository),
        TEST(a_tag_is_looked_at_once_it_had_time_to_be_written),
        TEST(a_tag_makes_a_manifest_of_octets),
        TEST(a_delete_does_not_hurry_a_tag_that_settles),
        TEST(pulls_touch_now_and_then),
        TEST(when_a_manifest_was_pulled_is_written_down),
        TEST(what_is_pushed_again_leaves_its_deletion_record_with_its_repository),
        TEST(a_push_of_something_else_keeps_the_repository_alone),
        TEST(a_tag_that_is_set_anew_leaves_its_record_and_its_old_head_does_not),
        TEST(a_pull_of_what_was_forgotten_is_written_down_and_touches_nothing),
        TEST(a_pull_of_a_layer_touches_it_whatever_was_forgotten),
        TEST(a_pull_of_what_the_index_does_not_know_is_believed_and_looked_at),
        TEST(a_manifest_pulled_through_its_layer_link_touches_that),
        TEST(a_delete_takes_nothing_away),
        TEST(a_delete_of_what_nobody_knows_changes_nothing),
        TEST(an_unusable_event_is_kept_and_its_repository_read),
        TEST(an_unusable_event_without_a_repository_opens_a_gap),
        cmocka_unit_test(recorded_events_give_the_facts_that_they_tell),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
