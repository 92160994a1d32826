/* What mark makes of deletion records: what somebody asked to be forgotten goes, unless something else needs
 * it. */
#include "gc_help.h"

#include "gc/deletions.h"
#include "util/clock.h"

#include <stdio.h>
#include <string.h>

static void hours_ago(struct world *w, int hours) {
    w->touched_ms = NOW_MS - hours * HOUR_MS;
}

static void nothing_forgotten_lets_nothing_go(void **state) {
    struct world *w = *state;
    image(w, "a", "v1", "m", "l");
    goes(w, NULL);
}

static void an_image_goes_with_all_tags_that_point_at_it_and_no_other(void **state) {
    struct world *w = *state;
    image(w, "a", "v1", "m", "base own");
    tag(w, "a", "latest", "m");
    image(w, "a", "v2", "n", "base");
    forget(w, RSW_DELETION_IMAGE, "a:v1");
    goes(w, "tag a v1 forgotten", "tag a latest forgotten", "revision a m forgotten", "link a m.config",
         "link a own", "blob m", "blob m.config", "blob own", NULL);
}

static void a_tag_goes_alone(void **state) {
    struct world *w = *state;
    image(w, "a", "v1", "m", "l");
    tag(w, "a", "latest", "m");
    forget(w, RSW_DELETION_TAG, "a:latest");
    goes(w, "tag a latest forgotten", NULL);
}

static void without_its_tag_an_image_is_untagged(void **state) {
    struct world *w = *state;
    image(w, "a", "v1", "m", "l");
    image(w, "a", "v2", "n", "k");
    forget(w, RSW_DELETION_TAG, "a:v1");
    goes(w, "tag a v1 forgotten", NULL);
    w->options.untagged_remove = true;
    forget(w, RSW_DELETION_TAG, "a:v2");
    goes(w, "tag a v1 forgotten", "revision a m untagged", "link a m.config", "link a l", "blob m",
         "blob m.config", "blob l", "tag a v2 forgotten", "revision a n untagged", "link a n.config",
         "link a k", "blob n", "blob n.config", "blob k", "repository a", NULL);
}

static void a_repository_goes_whole_and_another_one_stays(void **state) {
    struct world *w = *state;
    image(w, "a", "v1", "m", "l");
    image(w, "a", NULL, "n", "k");
    image(w, "b", "v1", "m", "l");
    forget(w, RSW_DELETION_REPO, "a");
    goes(w, "tag a v1 forgotten", "revision a m forgotten", "revision a n forgotten", "link a m.config",
         "link a l", "link a n.config", "link a k", "blob n", "blob n.config", "blob k",
         "repository a forgotten", NULL);
}

static void neither_youth_nor_pulls_keep_what_was_forgotten_but_links_have_their_grace(void **state) {
    struct world *w = *state;
    hours_ago(w, 1);
    image(w, "a", "v1", "m", "l");
    forget(w, RSW_DELETION_REPO, "a");
    goes(w, "tag a v1 forgotten", "revision a m forgotten", "blob m", NULL);
}

static void what_a_tag_that_stays_points_at_stays(void **state) {
    struct world *w = *state;
    image(w, "a", "v1", "m", "l");
    forget(w, RSW_DELETION_IMAGE, "a:v1");
    tag(w, "a", "later", "m");
    goes(w, "tag a v1 forgotten", NULL);
}

static void what_an_index_names_stays_while_the_index_does(void **state) {
    struct world *w = *state;
    image(w, "a", "amd64", "amd", "x");
    pushed(w, "a", "v1", "list", "m:amd");
    forget(w, RSW_DELETION_IMAGE, "a:amd64");
    goes(w, "tag a amd64 forgotten", NULL);
    forget(w, RSW_DELETION_IMAGE, "a:v1");
    goes(w, "tag a amd64 forgotten", "revision a amd forgotten", "link a amd.config", "link a x", "blob amd",
         "blob amd.config", "blob x", "tag a v1 forgotten", "revision a list forgotten", "blob list",
         "repository a", NULL);
}

static void an_index_takes_along_what_it_alone_names(void **state) {
    struct world *w = *state;
    hours_ago(w, 40);
    image(w, "a", NULL, "amd", "x");
    image(w, "a", "arm64", "arm", "y");
    image(w, "a", NULL, "both", "z");
    pushed(w, "a", NULL, "inner", "m:amd");
    pushed(w, "a", "v1", "list", "m:inner m:arm m:both");
    pushed(w, "a", "v2", "other", "m:both");
    forget(w, RSW_DELETION_IMAGE, "a:v1");
    hours_ago(w, 1);
    revision(w, "a", "amd"); /* as the feed does when it is pulled */
    goes(w, "tag a v1 forgotten", "revision a list forgotten", "blob list", "revision a inner forgotten",
         "blob inner", "revision a amd forgotten", "link a amd.config", "link a x", "blob amd",
         "blob amd.config", "blob x", NULL);
}

static void what_is_pinned_stays(void **state) {
    struct world *w = *state;
    image(w, "a", "v1", "m", "l");
    image(w, "a", "v2", "n", "k");
    pin(w, "a", "m");
    pin_tag(w, "a", "v2");
    forget(w, RSW_DELETION_REPO, "a");
    goes(w, "tag a v1 forgotten", NULL);
}

static void a_tag_that_is_not_settled_stays_with_its_history(void **state) {
    struct world *w = *state;
    image(w, "a", "v1", "m", "l");
    image(w, "a", "v1", "n", "k");
    forget(w, RSW_DELETION_REPO, "a");
    tag_flags(w, "a", "v1", RSW_TAG_UNSETTLED);
    goes(w, NULL);
}

static void a_tag_that_points_elsewhere_by_now_is_another_one(void **state) {
    struct world *w = *state;
    image(w, "a", "v1", "m", "l");
    forget(w, RSW_DELETION_IMAGE, "a:v1");
    image(w, "a", "v1", "n", "k");
    goes(w, "revision a m forgotten", "link a m.config", "link a l", "blob m", "blob m.config", "blob l",
         NULL);
}

static void what_cannot_be_read_goes_and_keeps_nothing(void **state) {
    struct world *w = *state;
    image(w, "a", NULL, "gone", "x");
    blob(w, "broken");
    revision(w, "a", "broken");
    tag(w, "a", "bad", "broken");
    blob_flags(w, "broken", RSW_BLOB_UNREADABLE, 0);
    w->options.untagged_remove = true;
    goes(w, NULL);
    forget(w, RSW_DELETION_IMAGE, "a:bad");
    goes(w, "tag a bad forgotten", "revision a broken forgotten", "blob broken", "revision a gone untagged",
         "link a gone.config", "link a x", "blob gone", "blob gone.config", "blob x", "repository a", NULL);
}

static void a_revision_whose_link_cannot_be_read_stays(void **state) {
    struct world *w = *state;
    image(w, "a", NULL, "m", "l");
    member(w, RSW_REVISION, "a", "m", "m", RSW_MEMBER_PRESENT | RSW_MEMBER_SEEN | RSW_MEMBER_BAD);
    forget(w, RSW_DELETION_REPO, "a");
    goes(w, NULL);
}

static void signatures_and_referrers_go_with_their_subject(void **state) {
    struct world *w = *state;
    image(w, "a", "v1", "m", "l");
    pushed(w, "a", weak("m", ".sig"), "sig", "");
    pushed(w, "a", NULL, "ref", "s:m");
    forget(w, RSW_DELETION_IMAGE, "a:v1");
    char line[RSW_TAG_NAME_MAX + 8];
    snprintf(line, sizeof line, "tag a %s", weak("m", ".sig"));
    goes(w, "tag a v1 forgotten", line, "revision a m forgotten", "link a m.config", "link a l", "blob m",
         "blob m.config", "blob l", "revision a sig subject_gone", "blob sig", "revision a ref subject_gone",
         "blob ref", "repository a", NULL);
}

static void a_signature_goes_alone_where_it_was_named(void **state) {
    struct world *w = *state;
    char target[RSW_TAG_NAME_MAX + 8];
    char line[RSW_TAG_NAME_MAX + 32];
    image(w, "a", "v1", "m", "l");
    pushed(w, "a", weak("m", ".sig"), "sig", "");
    snprintf(target, sizeof target, "a:%s", weak("m", ".sig"));
    snprintf(line, sizeof line, "tag a %s forgotten", weak("m", ".sig"));
    forget(w, RSW_DELETION_IMAGE, target);
    goes(w, line, "revision a sig forgotten", "blob sig", NULL);
}

static void a_layer_that_is_still_needed_stays(void **state) {
    struct world *w = *state;
    image(w, "a", "v1", "m", "l");
    layer_link(w, "a", "stray");
    blob(w, "stray");
    char target[RSW_DIGEST_TEXT_MAX];
    struct rsw_digest digest = digest_named("l");
    forget(w, RSW_DELETION_BLOB, rsw_digest_format(&digest, target));
    digest = digest_named("stray");
    forget(w, RSW_DELETION_BLOB, rsw_digest_format(&digest, target));
    goes(w, "link a stray forgotten", "blob stray", NULL);
}

static void an_object_stands_in_one_record_the_first(void **state) {
    struct world *w = *state;
    struct rsw_deletion deletion;
    image(w, "a", "v1", "m", "l");
    uint64_t first = forget(w, RSW_DELETION_IMAGE, "a:v1");
    uint64_t second = forget(w, RSW_DELETION_REPO, "a");
    assert_int_equal(rsw_deletion_get(w->txn, first, &deletion), RSW_FOUND);
    assert_int_equal(deletion.named, 2);
    assert_int_equal(rsw_deletion_get(w->txn, second, &deletion), RSW_FOUND);
    assert_int_equal(deletion.named, 1);
}

static void a_policy_does_not_keep_what_was_forgotten_nor_count_it(void **state) {
    struct world *w = *state;
    policy(
        w,
        "repositories:\n  - match: a\n    tags:\n      - {match: \"*\", keep: {newest: 2}, revisions: 3}\n");
    for (int day = 30; day > 0; day -= 10) {
        const char *names[] = {"three", "two", "one"};
        const char *tags[] = {"v3", "v2", "v1"};
        hours_ago(w, 24 * (day + 1));
        image(w, "a", tags[day / 10 - 1], names[day / 10 - 1], names[day / 10 - 1]);
    }
    assert_true(lets_go(w, RSW_ITEM_TAG, "a", "v1"));
    forget(w, RSW_DELETION_IMAGE, "a:v3");
    assert_true(lets_go(w, RSW_ITEM_TAG, "a", "v3"));
    assert_true(lets_go(w, RSW_ITEM_REVISION, "a", "three"));
    assert_false(lets_go(w, RSW_ITEM_TAG, "a", "v1"));
}

/* ---- calling one off ---- */

/* What a generation, as it purges, has made of them: an index of its own, for all of it is committed. */
static struct world *purging(uint64_t *deletion, struct rsw_generation *generation) {
    void *state;
    world_open(&state);
    world_begin(&state);
    struct world *w = state;
    struct rsw_error err = RSW_ERROR_INIT;
    image(w, "a", "v1", "m", "l");
    *deletion = forget(w, RSW_DELETION_TAG, "a:v1");
    *generation = (struct rsw_generation){.state = RSW_GENERATION_HIDDEN};
    rsw_generation_add(w->txn, generation);
    struct rsw_item item = {.generation = generation->id,
                            .kind = RSW_ITEM_TAG,
                            .repo = repo(w, "a"),
                            .blob = id_of(w, "m"),
                            .reason = RSW_REASON_FORGOTTEN,
                            .state = RSW_ITEM_DONE,
                            .name = "v1"};
    rsw_item_put(w->txn, &item);
    rsw_deletions_carry(w->txn, &item);
    rsw_tag_drop(w->txn, item.repo, "v1");
    assert_int_equal(rsw_txn_commit(&w->txn, &err), 0);
    return w;
}

static void cancel_fails(struct world *w, uint64_t id, int code, const char *says) {
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_deletion deletion;
    assert_int_equal(rsw_deletion_cancel(&deletion, w->index, id, rsw_clock_system(), &err), -1);
    assert_int_equal(err.code, code);
    if (strstr(err.message, says) == NULL) {
        fail_msg("%s", err.message);
    }
}

static void what_is_called_off_names_who_asked_for_it_as_well(void **state) {
    void *own;
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_deletion deletion;
    const struct rsw_digest layer = digest_named("l");
    char target[RSW_DIGEST_TEXT_MAX];
    (void)state;
    world_open(&own);
    world_begin(&own);
    struct world *w = own;
    image(w, "a", "v1", "m", "l");
    image(w, "a", "v2", "n", "l");
    image(w, "b", "v1", "m", "l");
    uint64_t first = forget(w, RSW_DELETION_IMAGE, "a:v1");
    uint64_t other_tag = forget(w, RSW_DELETION_TAG, "a:v2");
    uint64_t other_repo = forget(w, RSW_DELETION_REPO, "b");
    uint64_t links = forget(w, RSW_DELETION_BLOB, rsw_digest_format(&layer, target));
    const struct rsw_deletion_request request = {.kind = RSW_DELETION_REPO, .target = "a"};
    assert_int_equal(rsw_deletion_write(&deletion, w->txn, &request, rsw_clock_system(), &err), 0);
    assert_int_equal(deletion.named, 2); /* the other revision, and the repository */
    assert_int_equal(deletion.elsewhere, 3);
    assert_int_equal(deletion.other, first);
    uint64_t later = deletion.id;
    assert_int_equal(rsw_txn_commit(&w->txn, &err), 0);

    assert_int_equal(rsw_deletion_cancel(&deletion, w->index, other_repo, rsw_clock_system(), &err), 0);
    assert_int_equal(deletion.other, 0);
    assert_int_equal(rsw_deletion_cancel(&deletion, w->index, links, rsw_clock_system(), &err), 0);
    assert_int_equal(deletion.other, 0);
    assert_int_equal(rsw_deletion_cancel(&deletion, w->index, first, rsw_clock_system(), &err), 0);
    assert_int_equal(deletion.other, later);
    assert_int_equal(rsw_deletion_cancel(&deletion, w->index, later, rsw_clock_system(), &err), 0);
    assert_int_equal(deletion.other, 0);
    assert_int_equal(rsw_deletion_cancel(&deletion, w->index, other_tag, rsw_clock_system(), &err), 0);
    assert_int_equal(deletion.other, 0); /* the later one has ended */
    world_end(&own);
    world_close(&own);
}

static void what_is_gone_cannot_be_called_off(void **state) {
    uint64_t deletion;
    struct rsw_generation generation;
    struct rsw_error err = RSW_ERROR_INIT;
    (void)state;
    void *own = purging(&deletion, &generation);
    struct world *w = own;
    cancel_fails(w, deletion, RSW_EREFUSED, "gone for good");
    assert_int_equal(rsw_txn_begin_write(&w->txn, w->index, &err), 0); /* killed before it tidied up */
    generation.state = RSW_GENERATION_PURGED;
    rsw_generation_put(w->txn, &generation);
    assert_int_equal(rsw_txn_commit(&w->txn, &err), 0);
    cancel_fails(w, deletion, RSW_EREFUSED, "is done already");
    world_end(&own);
    world_close(&own);
}

#define RUN(test) cmocka_unit_test_setup_teardown(test, world_begin, world_end)

int main(void) {
    const struct CMUnitTest tests[] = {
        RUN(nothing_forgotten_lets_nothing_go),
        RUN(an_image_goes_with_all_tags_that_point_at_it_and_no_other),
        RUN(a_tag_goes_alone),
        RUN(without_its_tag_an_image_is_untagged),
        RUN(a_repository_goes_whole_and_another_one_stays),
        RUN(neither_youth_nor_pulls_keep_what_was_forgotten_but_links_have_their_grace),
        RUN(what_a_tag_that_stays_points_at_stays),
        RUN(what_an_index_names_stays_while_the_index_does),
        RUN(an_index_takes_along_what_it_alone_names),
        RUN(what_is_pinned_stays),
        RUN(a_tag_that_is_not_settled_stays_with_its_history),
        RUN(a_tag_that_points_elsewhere_by_now_is_another_one),
        RUN(what_cannot_be_read_goes_and_keeps_nothing),
        RUN(a_revision_whose_link_cannot_be_read_stays),
        RUN(signatures_and_referrers_go_with_their_subject),
        RUN(a_signature_goes_alone_where_it_was_named),
        RUN(a_layer_that_is_still_needed_stays),
        RUN(an_object_stands_in_one_record_the_first),
        RUN(a_policy_does_not_keep_what_was_forgotten_nor_count_it),
        RUN(what_is_called_off_names_who_asked_for_it_as_well),
        RUN(what_is_gone_cannot_be_called_off),
    };
    return cmocka_run_group_tests(tests, world_open, world_close);
}
