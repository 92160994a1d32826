/* What mark makes of a policy: what it lets go of goes with all that it alone needs, unless anything else
 * keeps it. tests/unit/policy_judge.c has the rules themselves. docs/policy.md describes both. */
#include "gc_help.h"

#include "gc/explain.h"

#include <stdio.h>
#include <string.h>

#define POLICY(section) "repositories:\n  - match: \"**\"\n" section
#define RULE(match, keep) "    tags:\n      - {match: \"" match "\", keep: " keep "}\n"
#define REVISIONS(n) "    tags:\n      - {match: \"*\", keep: all, revisions: " n "}\n"

static void days_ago(struct world *w, int days) {
    w->touched_ms = NOW_MS - days * DAY_MS;
}

/* Events came in since then, and serve runs. */
static void fed_since(struct world *w, int days) {
    struct rsw_state state;
    assert_int_equal(rsw_state_get(w->txn, &state), RSW_FOUND);
    state.first_event_ms = NOW_MS - days * DAY_MS;
    state.beat_ms = NOW_MS;
    rsw_state_put(w->txn, &state);
}

/* And somebody has pulled something else since. */
static void events_since(struct world *w, int days) {
    fed_since(w, days);
    rsw_pull_note(w->txn, 99, 99, NOW_MS - DAY_MS);
}

/* serve ran until then. */
static void heard_until(struct world *w, int64_t beat_ms) {
    struct rsw_state state;
    assert_int_equal(rsw_state_get(w->txn, &state), RSW_FOUND);
    state.beat_ms = beat_ms;
    rsw_state_put(w->txn, &state);
    policy(w, POLICY(RULE("*", "{pulled-within: 30d}")));
}

static void nothing_configured_lets_nothing_go(void **state) {
    struct world *w = *state;
    policy(w, "repositories: []\n");
    image(w, "a", "v1", "m", "l");
    image(w, "a", NULL, "n", "k");
    goes(w, NULL);
    policy(w, POLICY(""));
    goes(w, NULL);
}

static void a_tag_that_is_let_go_goes_with_its_image(void **state) {
    struct world *w = *state;
    policy(w, POLICY(RULE("pr-*", "none")));
    image(w, "a", "v1", "kept", "base");
    image(w, "a", "pr-1", "m", "base own");
    goes(w, "tag a pr-1 policy", "revision a m policy", "link a m.config", "link a own", "blob m",
         "blob m.config", "blob own", NULL);
}

static void another_repository_is_not_spoken_of(void **state) {
    struct world *w = *state;
    policy(w, "repositories:\n  - match: a\n" RULE("*", "none"));
    image(w, "a", "v1", "m", "l");
    image(w, "b", "v1", "m", "l");
    goes(w, "tag a v1 policy", "revision a m policy", "link a m.config", "link a l", "repository a", NULL);
}

static void the_first_section_that_fits_counts(void **state) {
    struct world *w = *state;
    policy(w, "repositories:\n  - match: a\n  - match: \"*\"\n" RULE("*", "none"));
    image(w, "a", "v1", "m", "l");
    goes(w, NULL);
}

static void a_manifest_that_a_kept_tag_points_at_stays(void **state) {
    struct world *w = *state;
    policy(w, POLICY(RULE("pr-*", "none")));
    image(w, "a", "pr-1", "m", "l");
    tag(w, "a", "v1", "m");
    goes(w, "tag a pr-1 policy", NULL);
}

static void what_a_kept_tag_once_pointed_at_goes_with_the_last_tag_that_is_let_go(void **state) {
    struct world *w = *state;
    policy(w, POLICY(RULE("build-*", "{newest: 1}")));
    days_ago(w, 20);
    image(w, "a", "latest", "one", "x");
    tag(w, "a", "build-1", "one");
    days_ago(w, 10);
    image(w, "a", "latest", "two", "y");
    tag(w, "a", "build-2", "two");
    goes(w, "tag a build-1 policy", "revision a one policy", "link a one.config", "link a x", "blob one",
         "blob one.config", "blob x", NULL);
}

static void a_tag_touched_within_grace_stays(void **state) {
    struct world *w = *state;
    policy(w, POLICY(RULE("*", "none")));
    w->touched_ms = NOW_MS - HOUR_MS;
    image(w, "a", "v1", "m", "l");
    goes(w, NULL);
}

static void a_pinned_tag_stays_whatever_the_policy_says(void **state) {
    struct world *w = *state;
    policy(w, POLICY(RULE("*", "none")));
    image(w, "a", "v1", "m", "l");
    image(w, "a", "v2", "n", "k");
    pin_tag(w, "a", "v1");
    goes(w, "tag a v2 policy", "revision a n policy", "link a n.config", "link a k", "blob n",
         "blob n.config", "blob k", NULL);
}

static void a_pinned_digest_stays_but_its_tag_goes(void **state) {
    struct world *w = *state;
    policy(w, POLICY(RULE("*", "none")));
    image(w, "a", "v1", "m", "l");
    pin(w, "a", "m");
    goes(w, "tag a v1 policy", NULL);
    struct rsw_why l = why(w, NULL, "l");
    assert_string_equal(path_text(&l), "pin child");
}

static void a_tag_whose_manifest_cannot_be_read_stays(void **state) {
    struct world *w = *state;
    policy(w, POLICY(RULE("*", "none")));
    image(w, "a", "v1", "m", "l");
    blob(w, "broken");
    revision(w, "a", "broken");
    tag(w, "a", "bad", "broken");
    blob_flags(w, "broken", RSW_BLOB_UNREADABLE, 0);
    assert_false(lets_go(w, RSW_ITEM_TAG, "a", "bad"));
    assert_true(lets_go(w, RSW_ITEM_TAG, "a", "v1"));
    assert_false(lets_go(w, RSW_ITEM_LINK, "a", "l")); /* the broken one may need it */
}

static void a_tag_that_is_not_settled_stays_with_its_history(void **state) {
    struct world *w = *state;
    policy(w, POLICY(RULE("*", "none")));
    image(w, "a", "v1", "one", "x");
    image(w, "a", "v1", "two", "y");
    tag_flags(w, "a", "v1", RSW_TAG_UNSETTLED);
    goes(w, NULL);
}

static void signatures_and_referrers_follow_their_subject(void **state) {
    struct world *w = *state;
    policy(w, POLICY(RULE("pr-*", "none") "      - {match: \"*\", keep: none}\n"));
    image(w, "a", "pr-1", "m", "l");
    pushed(w, "a", weak("m", ".sig"), "sig", "");
    pushed(w, "a", NULL, "ref", "s:m");
    char line[RSW_TAG_NAME_MAX + 8];
    snprintf(line, sizeof line, "tag a %s", weak("m", ".sig"));
    goes(w, "tag a pr-1 policy", line, "revision a m policy", "link a m.config", "link a l", "blob m",
         "blob m.config", "blob l", "revision a sig subject_gone", "blob sig", "revision a ref subject_gone",
         "blob ref", "repository a", NULL);
}

static void an_index_takes_its_children_along_but_for_one_that_has_a_tag_of_its_own(void **state) {
    struct world *w = *state;
    policy(w, POLICY(RULE("pr-*", "none")));
    image(w, "a", NULL, "amd", "x");
    image(w, "a", "amd64", "arm", "y");
    pushed(w, "a", "pr-1", "list", "m:amd m:arm");
    goes(w, "tag a pr-1 policy", "revision a list policy", "blob list", "revision a amd policy",
         "link a amd.config", "link a x", "blob amd", "blob amd.config", "blob x", NULL);
}

static void what_an_index_that_stays_names_does_not_go_with_another(void **state) {
    struct world *w = *state;
    policy(w, POLICY(RULE("pr-*", "none") "      - {match: latest, keep: all, revisions: 1}\n"));
    image(w, "a", NULL, "amd", "x");
    image(w, "a", NULL, "arm-old", "y");
    image(w, "a", NULL, "arm", "z");
    image(w, "a", NULL, "alone", "own"); /* without a tag, and of no index: it stays, as ever */
    pushed(w, "a", "latest", "list-old", "m:amd m:arm-old");
    days_ago(w, 20);
    pushed(w, "a", "latest", "list", "m:amd m:arm");
    pushed(w, "a", NULL, "inner", "m:amd");
    pushed(w, "a", "pr-1", "outer", "m:inner");
    goes(w, "revision a list-old policy", "blob list-old", "revision a arm-old policy",
         "link a arm-old.config", "link a y", "blob arm-old", "blob arm-old.config", "blob y",
         "tag a pr-1 policy", "revision a outer policy", "blob outer", "revision a inner policy",
         "blob inner", NULL);
}

static void an_image_in_two_repositories_stays_in_the_other(void **state) {
    struct world *w = *state;
    policy(w, "repositories:\n  - match: a\n" RULE("*", "none"));
    image(w, "a", "v1", "m", "l");
    image(w, "b", NULL, "m", "l");
    goes(w, "tag a v1 policy", "revision a m policy", "link a m.config", "link a l", "repository a", NULL);
}

static void a_config_that_is_also_a_layer_of_what_stays_stays(void **state) {
    struct world *w = *state;
    policy(w, POLICY(RULE("pr-*", "none")));
    image(w, "a", "pr-1", "m", "l");
    image(w, "a", "v1", "n", "m.config");
    goes(w, "tag a pr-1 policy", "revision a m policy", "link a l", "blob m", "blob l", NULL);
}

/* ---- revisions of a tag ---- */

static void of_a_tags_history_so_many_stay(void **state) {
    struct world *w = *state;
    policy(w, POLICY(REVISIONS("2")));
    for (int day = 40; day > 10; day -= 10) {
        const char *names[] = {"three", "two", "one"};
        const char *layers[] = {"z", "y", "x"};
        days_ago(w, day);
        image(w, "a", "v", names[day / 10 - 2], layers[day / 10 - 2]);
    }
    goes(w, "revision a one policy", "link a one.config", "link a x", "blob one", "blob one.config", "blob x",
         NULL);
    struct rsw_why two = why(w, "a", "two");
    assert_string_equal(path_text(&two), "policy");
}

static void the_head_is_the_first_of_a_tags_revisions_whenever_it_was_pushed(void **state) {
    struct world *w = *state;
    policy(w, POLICY(REVISIONS("1")));
    days_ago(w, 20);
    image(w, "a", "v", "newer", "x");
    days_ago(w, 30);
    image(w, "a", "v", "head", "y");
    goes(w, "revision a newer policy", "link a newer.config", "link a x", "blob newer", "blob newer.config",
         "blob x", NULL);
}

static void what_one_tag_keeps_of_its_history_another_does_not_let_go(void **state) {
    struct world *w = *state;
    policy(w, POLICY("    tags:\n      - {match: keeper, keep: all, revisions: 2}\n"
                     "      - {match: \"*\", keep: none}\n"));
    days_ago(w, 30);
    image(w, "a", "keeper", "one", "x");
    tag(w, "a", "other", "one");
    days_ago(w, 20);
    image(w, "a", "keeper", "two", "y");
    goes(w, "tag a other policy", NULL);
}

static void an_unsettled_tag_keeps_all_of_its_history(void **state) {
    struct world *w = *state;
    policy(w, POLICY(REVISIONS("1")));
    days_ago(w, 30);
    image(w, "a", "v", "one", "x");
    days_ago(w, 20);
    image(w, "a", "v", "two", "y");
    tag_flags(w, "a", "v", RSW_TAG_UNSETTLED);
    goes(w, NULL);
}

/* Pushed over each other, the first `first` days ago, the others ten days later each. */
static void pushed_over(struct world *w, const char *tag_name, int first, const char *const *names) {
    for (size_t i = 0; names[i] != NULL; i++) {
        char layer[64];
        days_ago(w, first - 10 * (int)i);
        snprintf(layer, sizeof layer, "%s.layer", names[i]);
        image(w, "a", tag_name, names[i], layer);
    }
}
#define NAMES(...) ((const char *const[]){__VA_ARGS__, NULL})

static bool stays(struct world *w, const char *name) {
    return !lets_go(w, RSW_ITEM_REVISION, "a", name);
}

static void what_is_gone_or_forgotten_takes_no_others_place_in_a_tags_history(void **state) {
    struct world *w = *state;
    policy(w, POLICY(REVISIONS("2")));
    pushed_over(w, "v", 50, NAMES("one", "two", "three", "four", "five"));
    assert_false(stays(w, "three"));
    member(w, RSW_REVISION, "a", "four", "four", 0); /* deleted through the registry */
    assert_true(stays(w, "three"));
    assert_false(stays(w, "two"));
    char target[RSW_DIGEST_TEXT_MAX + 8] = "a@";
    struct rsw_digest digest = digest_named("three");
    rsw_digest_format(&digest, target + 2);
    forget(w, RSW_DELETION_IMAGE, target);
    assert_false(stays(w, "three"));
    assert_true(stays(w, "two"));
    assert_false(stays(w, "one"));
}

static void of_what_time_nobody_knows_stays_in_a_tags_history(void **state) {
    struct world *w = *state;
    policy(w, POLICY(REVISIONS("1")));
    pushed_over(w, "v", 40, NAMES("one", "two", "three"));
    assert_false(stays(w, "one"));
    w->touched_ms = 0;
    history(w, "a", "v", "one");
    days_ago(w, 10);
    image(w, "a", "v", "four", "four.layer");
    assert_true(stays(w, "one"));
    assert_false(stays(w, "two"));
    assert_true(stays(w, "four"));
}

static void what_is_younger_than_the_limit_stays_in_a_tags_history(void **state) {
    struct world *w = *state;
    policy(w, "younger-than: 25d\n" POLICY(REVISIONS("1")));
    pushed_over(w, "v", 40, NAMES("one", "two", "three", "four"));
    assert_false(stays(w, "one"));
    assert_false(stays(w, "two"));
    assert_true(stays(w, "three"));
    days_ago(w, 5);
    image(w, "a", "other", "two", "two.layer"); /* the same, pushed again */
    image(w, "a", "other", "more", "more.layer");
    assert_true(stays(w, "two"));
    assert_false(stays(w, "one"));
}

/* ---- untagged ---- */

static void untagged_revisions_go_where_the_policy_says_so(void **state) {
    struct world *w = *state;
    policy(w, "repositories:\n  - match: a\n    untagged: {newest: 1}\n");
    days_ago(w, 30);
    image(w, "a", NULL, "one", "x");
    image(w, "b", NULL, "three", "z");
    days_ago(w, 20);
    image(w, "a", NULL, "two", "y");
    goes(w, "revision a one policy", "link a one.config", "link a x", "blob one", "blob one.config", "blob x",
         NULL);
    w->options.untagged_remove = true;
    policy(w, "repositories:\n  - match: a\n    untagged: all\n");
    goes(w, "revision b three untagged", "link b three.config", "link b z", "blob three", "blob three.config",
         "blob z", "repository b", NULL);
}

static void children_and_heads_do_not_count_among_the_untagged(void **state) {
    struct world *w = *state;
    policy(w, POLICY("    untagged: {newest: 1}\n"));
    days_ago(w, 30);
    image(w, "a", NULL, "old", "x");
    days_ago(w, 20);
    image(w, "a", NULL, "child", "y");
    pushed(w, "a", "v", "list", "m:child");
    goes(w, NULL);
}

/* ---- pulls ---- */

static void what_is_pulled_stays(void **state) {
    struct world *w = *state;
    events_since(w, 90);
    policy(w, POLICY(RULE("*", "{pulled-within: 30d}")));
    days_ago(w, 80);
    image(w, "a", "v1", "m", "l");
    image(w, "a", "v2", "n", "k");
    days_ago(w, 20);
    pulled(w, "a", "m");
    goes(w, "tag a v2 policy", "revision a n policy", "link a n.config", "link a k", "blob n",
         "blob n.config", "blob k", NULL);
}

static void after_a_gap_nobody_knows_what_was_pulled(void **state) {
    struct world *w = *state;
    events_since(w, 90);
    policy(w, POLICY(RULE("*", "{pulled-within: 30d}")));
    days_ago(w, 80);
    image(w, "a", "v1", "m", "l");
    assert_true(lets_go(w, RSW_ITEM_TAG, "a", "v1"));
    rsw_state_gap(w->txn, NOW_MS - 29 * DAY_MS, "test");
    policy(w, POLICY(RULE("*", "{pulled-within: 30d}")));
    goes(w, NULL);
}

static void what_was_pulled_while_serve_did_not_run_is_not_known(void **state) {
    struct world *w = *state;
    events_since(w, 90);
    policy(w, POLICY(RULE("*", "{pulled-within: 30d}")));
    days_ago(w, 80);
    image(w, "a", "v1", "m", "l");
    assert_true(lets_go(w, RSW_ITEM_TAG, "a", "v1"));
    heard_until(w, NOW_MS - DAY_MS);
    goes(w, NULL);
    heard_until(w, NOW_MS + DAY_MS); /* the clock was set back: nobody knows how long ago that was */
    goes(w, NULL);
    heard_until(w, NOW_MS - RSW_BEAT_OLD_MS);
    assert_true(lets_go(w, RSW_ITEM_TAG, "a", "v1"));
}

static void where_not_one_pull_was_told_of_perhaps_none_ever_is(void **state) {
    struct world *w = *state;
    fed_since(w, 90);
    policy(w, POLICY(RULE("*", "{pulled-within: 30d}")));
    days_ago(w, 80);
    image(w, "a", "v1", "m", "l");
    goes(w, NULL);
    events_since(w, 90);
    policy(w, POLICY(RULE("*", "{pulled-within: 30d}")));
    assert_true(lets_go(w, RSW_ITEM_TAG, "a", "v1"));
}

/* docs/policy.md: what was pulled within grace stays, whatever the rule goes by. */
static void a_tag_pulled_within_grace_stays(void **state) {
    struct world *w = *state;
    events_since(w, 90);
    policy(w, POLICY(RULE("*", "{pushed-within: 14d}")));
    days_ago(w, 80);
    image(w, "a", "v1", "m", "l");
    w->touched_ms = NOW_MS - HOUR_MS;
    pulled(w, "a", "m");
    revision(w, "a", "m"); /* as the feed does with a pull */
    goes(w, NULL);
}

/* Nodes pull the image of their own platform by its digest. */
static void an_index_whose_child_is_pulled_stays(void **state) {
    struct world *w = *state;
    events_since(w, 90);
    policy(w, POLICY(RULE("*", "{pulled-within: 30d}") "    untagged: {pulled-within: 30d}\n"));
    w->options.untagged_remove = true;
    days_ago(w, 80);
    image(w, "a", NULL, "amd", "x");
    pushed(w, "a", "v1", "list", "m:amd");
    days_ago(w, 2);
    pulled(w, "a", "amd");
    assert_false(lets_go(w, RSW_ITEM_REVISION, "a", "amd"));
}

/* What a node runs may be known by the digest of its configuration alone. */
static void an_image_that_runs_and_is_known_by_its_configuration_stays(void **state) {
    struct world *w = *state;
    w->options.untagged_remove = true;
    image(w, "a", NULL, "m", "l");
    const struct rsw_pin pinned = {.digest = digest_named("m.config"), .image = true};
    w->options.pins = &pinned;
    w->options.pin_count = 1;
    goes(w, NULL);
}

/* ---- explaining ---- */

struct told {
    char text[1024];
    size_t len;
};

static int tell_repo(void *arg, const struct rsw_explained_repo *repo) {
    struct told *told = arg;
    told->len += (size_t)snprintf(told->text + told->len, sizeof told->text - told->len, "%s:%u ", repo->name,
                                  (unsigned)repo->tags);
    return 0;
}

static int tell_tag(void *arg, const struct rsw_explained_tag *tag) {
    struct told *told = arg;
    told->len +=
        (size_t)snprintf(told->text + told->len, sizeof told->text - told->len, "%s=%s,%u+%u ", tag->name,
                         !tag->kept             ? "goes"
                         : tag->kept_by != NULL ? tag->kept_by
                                                : rsw_ground_name(tag->ground),
                         (unsigned)tag->exclusive, (unsigned)tag->shared);
    return 0;
}

static void explained_as(struct world *w, const char *repo_name, const char *expected, unsigned blobs) {
    struct told told = {.len = 0};
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_explain explain = {.repo = repo_name, .on_repo = tell_repo, .on_tag = tell_tag, .arg = &told};
    if (rsw_explain(&explain, w->txn, &w->options, &err) != 0) {
        fail_msg("%s", err.message);
    }
    assert_string_equal(told.text, expected);
    assert_int_equal(explain.blobs, blobs);
    assert_int_equal(explain.bytes, 100 * blobs);
}

/* Every blob of these worlds has 100 bytes; each image has its manifest and its config to itself. */
static void bytes_that_come_free_are_told_apart(void **state) {
    struct world *w = *state;
    policy(w, "repositories:\n  - match: a\n" RULE("pr-*", "none") "  - match: b\n" RULE("*", "none"));
    image(w, "a", "v1", "kept", "base");
    image(w, "a", "pr-1", "m", "base own both");
    image(w, "a", "pr-2", "n", "base both");
    image(w, "b", "x", "o", "both");
    explained_as(w, NULL, "a:3 pr-1=goes,300+100 pr-2=goes,200+100 v1=no rule,0+0 b:1 x=goes,200+100 ", 8);
    explained_as(w, "b", "b:1 x=goes,200+100 ", 8);
    explained_as(w, "c", "", 8);
}

static void two_tags_of_one_image_share_nothing(void **state) {
    struct world *w = *state;
    policy(w, POLICY(RULE("pr-*", "none")));
    image(w, "a", "pr-1", "m", "l");
    tag(w, "a", "pr-2", "m");
    explained_as(w, NULL, "a:2 pr-1=goes,300+0 pr-2=goes,300+0 ", 3);
}

static void what_was_forgotten_is_an_image_that_goes_too(void **state) {
    struct world *w = *state;
    policy(w, POLICY(RULE("pr-*", "none")));
    image(w, "a", "v1", "kept", "base");
    image(w, "a", "v2", "m", "base own both");
    image(w, "a", "pr-1", "n", "base both mine");
    forget(w, RSW_DELETION_IMAGE, "a:v2");
    explained_as(w, NULL, "a:3 pr-1=goes,300+100 v1=no rule,0+0 v2=no rule,300+100 ", 7);
}

static void an_index_shares_nothing_with_its_own_children(void **state) {
    struct world *w = *state;
    policy(w, POLICY(RULE("pr-*", "none")));
    image(w, "a", NULL, "amd", "x");
    image(w, "a", NULL, "arm", "y");
    pushed(w, "a", "pr-1", "list", "m:amd m:arm");
    w->options.untagged_remove = true;
    explained_as(w, NULL, "a:1 pr-1=goes,700+0 ", 7);
    forget(w, RSW_DELETION_REPO, "a");
    explained_as(w, NULL, "a:1 pr-1=no rule,700+0 ", 7);
}

static void what_grace_or_a_pin_keeps_is_told(void **state) {
    struct world *w = *state;
    policy(w, POLICY(RULE("*", "none")));
    image(w, "a", "pinned", "m", "l");
    pin_tag(w, "a", "pinned");
    w->touched_ms = NOW_MS - HOUR_MS;
    image(w, "a", "young", "n", "k");
    explained_as(w, NULL, "a:2 pinned=pin,0+0 young=grace,0+0 ", 0);
}

#define RUN(test) cmocka_unit_test_setup_teardown(test, world_begin, world_end)

int main(void) {
    const struct CMUnitTest tests[] = {
        RUN(nothing_configured_lets_nothing_go),
        RUN(a_tag_that_is_let_go_goes_with_its_image),
        RUN(another_repository_is_not_spoken_of),
        RUN(the_first_section_that_fits_counts),
        RUN(a_manifest_that_a_kept_tag_points_at_stays),
        RUN(what_a_kept_tag_once_pointed_at_goes_with_the_last_tag_that_is_let_go),
        RUN(a_tag_touched_within_grace_stays),
        RUN(a_pinned_tag_stays_whatever_the_policy_says),
        RUN(a_pinned_digest_stays_but_its_tag_goes),
        RUN(a_tag_whose_manifest_cannot_be_read_stays),
        RUN(a_tag_that_is_not_settled_stays_with_its_history),
        RUN(signatures_and_referrers_follow_their_subject),
        RUN(an_index_takes_its_children_along_but_for_one_that_has_a_tag_of_its_own),
        RUN(what_an_index_that_stays_names_does_not_go_with_another),
        RUN(an_image_in_two_repositories_stays_in_the_other),
        RUN(a_config_that_is_also_a_layer_of_what_stays_stays),
        RUN(of_a_tags_history_so_many_stay),
        RUN(the_head_is_the_first_of_a_tags_revisions_whenever_it_was_pushed),
        RUN(what_one_tag_keeps_of_its_history_another_does_not_let_go),
        RUN(an_unsettled_tag_keeps_all_of_its_history),
        RUN(what_is_gone_or_forgotten_takes_no_others_place_in_a_tags_history),
        RUN(of_what_time_nobody_knows_stays_in_a_tags_history),
        RUN(what_is_younger_than_the_limit_stays_in_a_tags_history),
        RUN(untagged_revisions_go_where_the_policy_says_so),
        RUN(children_and_heads_do_not_count_among_the_untagged),
        RUN(what_is_pulled_stays),
        RUN(after_a_gap_nobody_knows_what_was_pulled),
        RUN(what_was_pulled_while_serve_did_not_run_is_not_known),
        RUN(where_not_one_pull_was_told_of_perhaps_none_ever_is),
        RUN(a_tag_pulled_within_grace_stays),
        RUN(an_index_whose_child_is_pulled_stays),
        RUN(an_image_that_runs_and_is_known_by_its_configuration_stays),
        RUN(bytes_that_come_free_are_told_apart),
        RUN(two_tags_of_one_image_share_nothing),
        RUN(what_was_forgotten_is_an_image_that_goes_too),
        RUN(an_index_shares_nothing_with_its_own_children),
        RUN(what_grace_or_a_pin_keeps_is_told),
    };
    return cmocka_run_group_tests(tests, world_open, world_close);
}
