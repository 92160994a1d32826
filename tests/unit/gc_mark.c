/* The rules of what is live, one sentence a test. docs/safety.md has the rules. */
#include "gc_help.h"

#include <stdio.h>
#include <string.h>

/* ---- roots: tags, pins, untagged ---- */

static void an_empty_index_lets_nothing_go(void **state) {
    struct world *w = *state;
    goes(w, NULL);
    assert_int_equal(plan_of(w)->totals[RSW_ITEM_BLOB], 0);
}

static void nothing_goes_when_every_manifest_is_tagged(void **state) {
    struct world *w = *state;
    w->options.untagged_remove = true;
    image(w, "a/b", "v1", "one", "base x");
    image(w, "a/b", "v2", "two", "base y");
    image(w, "c", "v1", "one", "base x");
    goes(w, NULL);
    assert_int_equal(plan_of(w)->totals[RSW_ITEM_REVISION], 3);
    assert_int_equal(plan_of(w)->kept_blobs, 7);
    struct rsw_why base = why(w, NULL, "base");
    assert_string_equal(path_text(&base), "tag child");
    assert_int_equal(base.also_repos, 1);
}

static void untagged_revisions_stay_by_default(void **state) {
    struct world *w = *state;
    image(w, "a", NULL, "m", "l");
    goes(w, NULL);
    struct rsw_why l = why(w, "a", "l");
    assert_string_equal(path_text(&l), "untagged child");
}

static void an_untagged_revision_goes_with_all_that_it_alone_needs_when_told_so(void **state) {
    struct world *w = *state;
    w->options.untagged_remove = true;
    image(w, "a", "v1", "kept", "base");
    image(w, "a", NULL, "m", "base own");
    goes(w, "revision a m untagged", "link a m.config", "link a own", "blob m", "blob m.config", "blob own",
         NULL);
}

static void of_two_manifests_that_carried_one_tag_the_untagged_one_goes(void **state) {
    struct world *w = *state;
    w->options.untagged_remove = true;
    image(w, "a/b/c", "latest", "old", "base x");
    image(w, "a/b/c", "latest", "new", "base y");
    goes(w, "revision a/b/c old untagged", "link a/b/c old.config", "link a/b/c x", "blob old",
         "blob old.config", "blob x", NULL);
}

static void a_pinned_digest_stays_with_all_that_it_needs(void **state) {
    struct world *w = *state;
    w->options.untagged_remove = true;
    image(w, "a", NULL, "m", "l");
    image(w, "a", NULL, "n", "k");
    image(w, "b", NULL, "m", "l");
    pin(w, "a", "m");
    goes(w, "revision a n untagged", "link a n.config", "link a k", "blob n", "blob n.config", "blob k",
         "revision b m untagged", "link b m.config", "link b l", "repository b", NULL);
    struct rsw_why l = why(w, NULL, "l");
    assert_string_equal(path_text(&l), "pin child");
}

static void a_pin_without_a_repository_holds_everywhere(void **state) {
    struct world *w = *state;
    w->options.untagged_remove = true;
    image(w, "a", NULL, "m", "l");
    image(w, "b", NULL, "m", "l");
    pin(w, NULL, "m");
    goes(w, NULL);
}

static void a_pinned_layer_stays_with_its_link(void **state) {
    struct world *w = *state;
    blob(w, "l");
    layer_link(w, "a", "l");
    layer_link(w, "b", "l");
    pin(w, "a", "l");
    goes(w, "link b l", "repository b", NULL);
}

static void a_pinned_blob_that_nobody_links_keeps_its_bytes(void **state) {
    struct world *w = *state;
    blob(w, "l");
    pin(w, "nowhere", "l");
    goes(w, NULL);
    struct rsw_why l = why(w, NULL, "l");
    assert_string_equal(path_text(&l), "pin");
}

static void a_pin_of_an_unknown_digest_harms_nothing(void **state) {
    struct world *w = *state;
    image(w, "a", "v", "m", "l");
    pin(w, NULL, "never seen");
    goes(w, NULL);
    struct rsw_why out = why(w, NULL, "never seen");
    assert_int_equal(out.verdict, RSW_WHY_UNKNOWN);
}

static void a_pinned_tag_keeps_what_it_points_at_and_nothing_else(void **state) {
    struct world *w = *state;
    w->options.untagged_remove = true;
    image(w, "a", "v", "m", "l");
    image(w, "a", NULL, "n", "k");
    tag(w, "a", "v", "m");
    pin_tag(w, "a", "v");
    pin_tag(w, "a", "never");
    pin_tag(w, "never", "v");
    goes(w, "revision a n untagged", "link a n.config", "link a k", "blob n", "blob n.config", "blob k",
         NULL);
}

static void a_pinned_weak_tag_outlives_its_subject(void **state) {
    struct world *w = *state;
    w->options.untagged_remove = true;
    image(w, "a", NULL, "m", "l");
    pushed(w, "a", weak("m", ".sig"), "s", "");
    pin_tag(w, "a", weak("m", ".sig"));
    goes(w, "revision a m untagged", "link a m.config", "link a l", "blob m", "blob m.config", "blob l",
         NULL);
}

/* Before any tag that keeps it too: who asks wants to know who uses it. */
static void why_tells_of_the_pin_and_who_it_is_of(void **state) {
    struct world *w = *state;
    image(w, "a", "v", "m", "l");
    image(w, "b", "latest", "m", "l");
    image(w, "b", "old", "n", "k");
    struct rsw_pin pins[] = {{.repo = "b", .tag = "latest", .why = "Pod x"},
                             {.repo = "a", .digest = digest_named("m"), .why = "Pod y"},
                             {.digest = digest_named("k"), .why = "Image z"}};
    w->options.pins = pins;
    w->options.pin_count = 3;
    struct rsw_why out = why(w, "b", "l");
    assert_string_equal(path_text(&out), "pin child");
    assert_string_equal(out.steps[0].pinned_by, "Pod x");
    assert_string_equal(out.steps[0].tag, "latest");
    assert_null(out.steps[1].pinned_by);
    out = why(w, "a", "m");
    assert_string_equal(path_text(&out), "pin");
    assert_string_equal(out.steps[0].pinned_by, "Pod y");
    assert_string_equal(out.steps[0].tag, "");
    out = why(w, NULL, "k");
    assert_string_equal(out.steps[0].pinned_by, "Image z");
    out = why(w, "b", "n");
    assert_string_equal(path_text(&out), "tag");
}

static void adding_a_tag_keeps_what_untagged_remove_would_let_go(void **state) {
    struct world *w = *state;
    w->options.untagged_remove = true;
    image(w, "a", NULL, "m", "l");
    tag(w, "a", "v", "m");
    goes(w, NULL);
}

static void a_tag_keeps_an_image_that_has_no_revision_at_all(void **state) {
    struct world *w = *state;
    w->options.untagged_remove = true;
    manifest(w, "m", "c:c l:l");
    blob(w, "c");
    blob(w, "l");
    layer_link(w, "old", "c");
    layer_link(w, "old", "l");
    tag(w, "old", "v", "m");
    goes(w, NULL);
}

/* ---- children ---- */

static void a_tagged_index_keeps_its_untagged_children(void **state) {
    struct world *w = *state;
    w->options.untagged_remove = true;
    image(w, "a", NULL, "amd64", "base x");
    image(w, "a", NULL, "arm64", "base y");
    pushed(w, "a", "v", "index", "m:amd64 m:arm64");
    goes(w, NULL);
    struct rsw_why y = why(w, NULL, "y");
    assert_string_equal(path_text(&y), "tag child child");
}

static void a_tagged_index_with_a_deleted_child_lets_go_of_what_the_child_needed(void **state) {
    struct world *w = *state;
    image(w, "a", NULL, "amd64", "base x");
    image(w, "a", NULL, "arm64", "base y");
    pushed(w, "a", "v", "index", "m:amd64 m:arm64");
    member(w, RSW_REVISION, "a", "arm64", "arm64", 0);
    goes(w, "link a arm64.config", "link a y", "blob arm64.config", "blob y", NULL);
}

static void an_untagged_index_goes_and_its_tagged_child_stays(void **state) {
    struct world *w = *state;
    w->options.untagged_remove = true;
    image(w, "a", "amd64", "amd64", "base x");
    image(w, "a", NULL, "arm64", "base y");
    pushed(w, "a", NULL, "index", "m:amd64 m:arm64");
    goes(w, "revision a index untagged", "blob index", "revision a arm64 untagged", "blob arm64",
         "link a arm64.config", "blob arm64.config", "link a y", "blob y", NULL);
}

static void children_stay_at_any_depth(void **state) {
    struct world *w = *state;
    w->options.untagged_remove = true;
    char name[32] = "deep0";
    image(w, "a", NULL, "deep0", "bottom");
    for (int i = 1; i < 200; i++) {
        char refs[64];
        snprintf(refs, sizeof refs, "m:%s", name);
        snprintf(name, sizeof name, "deep%d", i);
        pushed(w, "a", i == 199 ? "v" : NULL, name, refs);
    }
    goes(w, NULL);
}

static void indexes_that_share_children_are_read_once_and_end(void **state) {
    struct world *w = *state;
    w->options.untagged_remove = true;
    image(w, "a", NULL, "leaf", "l");
    pushed(w, "a", NULL, "left", "m:leaf");
    pushed(w, "a", NULL, "right", "m:leaf m:left");
    pushed(w, "a", "v", "top", "m:left m:right m:leaf");
    goes(w, NULL);
}

static void a_child_that_is_readable_through_a_layer_link_alone_keeps_all_that_it_needs(void **state) {
    struct world *w = *state;
    w->options.untagged_remove = true;
    image(w, "a", NULL, "child", "l");
    member(w, RSW_REVISION, "a", "child", "child", 0);
    layer_link(w, "a", "child");
    pushed(w, "a", "v", "index", "m:child");
    goes(w, NULL);
}

static void a_child_that_is_not_readable_here_keeps_its_bytes_only(void **state) {
    struct world *w = *state;
    w->options.untagged_remove = true;
    manifest(w, "child", "c:c l:l");
    blob(w, "c");
    blob(w, "l");
    layer_link(w, "a", "l");
    pushed(w, "a", "v", "index", "m:child");
    goes(w, "link a l", "blob c", "blob l", NULL);
}

static void a_child_that_is_readable_in_another_repository_only_keeps_nothing_here(void **state) {
    struct world *w = *state;
    w->options.untagged_remove = true;
    image(w, "b", NULL, "child", "l");
    layer_link(w, "a", "l");
    pushed(w, "a", "v", "index", "m:child");
    goes(w, "link a l", "revision b child untagged", "link b child.config", "link b l", "repository b",
         "blob child.config", "blob l", NULL);
}

static void a_manifest_as_a_layer_is_a_layer(void **state) {
    struct world *w = *state;
    w->options.untagged_remove = true;
    manifest(w, "inner", "l:innermost");
    blob(w, "innermost");
    layer_link(w, "a", "inner");
    layer_link(w, "a", "innermost");
    pushed(w, "a", "v", "outer", "l:inner");
    goes(w, "link a innermost", "blob innermost", NULL);
}

/* ---- links, layers, repositories side by side ---- */

static void shared_layers_stay_while_one_image_lives(void **state) {
    struct world *w = *state;
    w->options.untagged_remove = true;
    image(w, "a", "v", "stays", "shared");
    image(w, "a", NULL, "goes", "shared mine");
    goes(w, "revision a goes untagged", "link a goes.config", "link a mine", "blob goes", "blob goes.config",
         "blob mine", NULL);
}

static void a_config_that_is_also_a_layer_stays_while_either_needs_it(void **state) {
    struct world *w = *state;
    w->options.untagged_remove = true;
    blob(w, "empty");
    layer_link(w, "a", "empty");
    pushed(w, "a", "v", "m", "c:empty l:empty");
    pushed(w, "a", NULL, "n", "l:empty");
    goes(w, "revision a n untagged", "blob n", NULL);
}

static void an_image_in_two_repositories_lives_while_one_of_them_needs_it(void **state) {
    struct world *w = *state;
    w->options.untagged_remove = true;
    image(w, "a", "v", "m", "l");
    image(w, "b", NULL, "m", "l");
    goes(w, "revision b m untagged", "link b m.config", "link b l", "repository b", NULL);
}

static void a_live_manifest_does_not_keep_a_link_in_another_repository(void **state) {
    struct world *w = *state;
    image(w, "a", "v", "m", "l");
    layer_link(w, "b", "l");
    image(w, "b", "v", "n", "k");
    goes(w, "link b l", NULL);
}

static void a_layer_link_keeps_no_other_one_and_goes_when_nothing_names_it(void **state) {
    struct world *w = *state;
    image(w, "a", "v", "m", "l");
    blob(w, "lone");
    layer_link(w, "a", "lone");
    goes(w, "link a lone", "blob lone", NULL);
}

static void a_layer_link_without_bytes_goes_too(void **state) {
    struct world *w = *state;
    image(w, "a", "v", "m", "l");
    layer_link(w, "a", "dangling");
    goes(w, "link a dangling", NULL);
    struct rsw_why out = why(w, NULL, "dangling");
    assert_int_equal(out.verdict, RSW_WHY_ABSENT);
}

static void a_foreign_layer_that_storage_has_stays(void **state) {
    struct world *w = *state;
    blob(w, "windows");
    layer_link(w, "a", "windows");
    pushed(w, "a", "v", "m", "f:windows f:elsewhere");
    goes(w, NULL);
    assert_int_equal(plan_of(w)->warning_count, 0);
}

static void a_sha512_name_keeps_its_alias_the_canonical_link_and_the_target(void **state) {
    struct world *w = *state;
    blob(w, "data");
    alias_link(w, "a", "512/data", "data");
    layer_link(w, "a", "data");
    pushed(w, "a", "v", "m", "l:512/data");
    blob(w, "other");
    alias_link(w, "a", "512/other", "other");
    layer_link(w, "a", "other");
    goes(w, "link a 512/other", "link a other", "blob other", NULL);
    struct rsw_why out = why(w, NULL, "data");
    assert_string_equal(path_text(&out), "tag child alias");
}

static void a_manifest_named_by_sha512_keeps_what_it_needs(void **state) {
    struct world *w = *state;
    w->options.untagged_remove = true;
    image(w, "a", NULL, "child", "l");
    alias_link(w, "a", "512/child", "child");
    layer_link(w, "a", "child");
    pushed(w, "a", "v", "index", "m:512/child");
    goes(w, NULL);
}

static void an_alias_leads_nowhere_in_another_repository(void **state) {
    struct world *w = *state;
    blob(w, "data");
    alias_link(w, "a", "512/data", "data");
    layer_link(w, "a", "data");
    pushed(w, "b", "v", "m", "l:512/data");
    goes(w, "link a 512/data", "link a data", "repository a", "blob data", NULL);
}

static void an_alias_within_grace_keeps_link_and_bytes_of_its_target(void **state) {
    struct world *w = *state;
    blob(w, "data");
    layer_link(w, "a", "data");
    w->touched_ms = NOW_MS - HOUR_MS;
    alias_link(w, "a", "512/data", "data");
    goes(w, NULL);
}

/* ---- referrers ---- */

static void a_referrer_lives_with_its_subject_whatever_untagged_says(void **state) {
    struct world *w = *state;
    w->options.untagged_remove = true;
    image(w, "a", "v", "m", "l");
    blob(w, "sbom");
    layer_link(w, "a", "sbom");
    pushed(w, "a", NULL, "ref", "s:m l:sbom");
    goes(w, NULL);
    struct rsw_why out = why(w, NULL, "sbom");
    assert_string_equal(path_text(&out), "tag referrer child");
}

static void a_referrer_goes_with_its_subject_though_untagged_is_kept(void **state) {
    struct world *w = *state;
    image(w, "a", "v", "other", "l");
    blob(w, "sbom");
    layer_link(w, "a", "sbom");
    pushed(w, "a", NULL, "ref", "s:m l:sbom");
    member(w, RSW_REVISION, "a", "m", "m", 0);
    goes(w, "revision a ref subject_gone", "link a sbom", "blob ref", "blob sbom", NULL);
}

static void a_referrer_never_keeps_its_subject(void **state) {
    struct world *w = *state;
    w->options.untagged_remove = true;
    image(w, "a", NULL, "m", "l");
    pushed(w, "a", "mine", "ref", "s:m");
    goes(w, "revision a m untagged", "link a m.config", "link a l", "blob m", "blob m.config", "blob l",
         NULL);
}

static void a_referrer_without_evidence_of_its_subject_is_an_ordinary_revision(void **state) {
    struct world *w = *state;
    pushed(w, "signatures", NULL, "ref", "s:m");
    image(w, "images", "v", "m", "l");
    goes(w, NULL);
    w->options.untagged_remove = true;
    repo(w, "images"); /* marks anew */
    goes(w, "revision signatures ref untagged", "repository signatures", "blob ref", NULL);
}

static void a_referrer_with_an_ordinary_tag_of_its_own_outlives_its_subject(void **state) {
    struct world *w = *state;
    w->options.untagged_remove = true;
    pushed(w, "a", "mine", "ref", "s:m");
    member(w, RSW_REVISION, "a", "m", "m", 0);
    goes(w, NULL);
}

static void a_referrer_that_is_a_child_of_a_live_index_outlives_its_subject(void **state) {
    struct world *w = *state;
    pushed(w, "a", NULL, "ref", "s:m");
    member(w, RSW_REVISION, "a", "m", "m", 0);
    pushed(w, "a", "v", "index", "m:ref");
    goes(w, NULL);
}

static void a_referrer_of_a_referrer_lives_and_dies_with_the_first_subject(void **state) {
    struct world *w = *state;
    image(w, "a", "v", "m", "l");
    pushed(w, "a", NULL, "ref", "s:m");
    pushed(w, "a", NULL, "refref", "s:ref");
    goes(w, NULL);
    w->options.untagged_remove = true;
    image(w, "b", NULL, "m", "l");
    pushed(w, "b", NULL, "ref", "s:m");
    pushed(w, "b", NULL, "refref", "s:ref");
    goes(w, "revision b m untagged", "link b m.config", "link b l", "revision b ref subject_gone",
         "revision b refref subject_gone", "repository b", NULL);
}

static void a_referrer_of_a_child_that_is_read_through_a_layer_link_lives_with_it(void **state) {
    struct world *w = *state;
    w->options.untagged_remove = true;
    manifest(w, "child", "l:x");
    layer_link(w, "a", "child");
    blob(w, "x");
    layer_link(w, "a", "x");
    pushed(w, "a", "v", "index", "m:child");
    pushed(w, "a", NULL, "ref", "s:child");
    goes(w, NULL);
    struct rsw_why out = why(w, "a", "ref");
    assert_string_equal(path_text(&out), "tag child referrer");
}

static void a_revision_that_an_index_names_under_any_type_is_its_child(void **state) {
    struct world *w = *state;
    w->options.untagged_remove = true;
    image(w, "a", NULL, "one", "x");
    image(w, "a", NULL, "two", "y");
    pushed(w, "a", "v", "index", "u:one l:two");
    goes(w, NULL);
}

static void what_a_tag_pointed_at_before_and_was_deleted_leaves_its_history(void **state) {
    struct world *w = *state;
    image(w, "a", "latest", "old", "x");
    image(w, "a", "latest", "new", "y");
    member(w, RSW_REVISION, "a", "old", "old", 0);
    goes(w, "revision a old unreferenced", "link a old.config", "link a x", "blob old", "blob old.config",
         "blob x", NULL);
    tag_flags(w, "a", "latest", RSW_TAG_UNSETTLED); /* it may be the head again */
    goes(w, NULL);
}

static void a_tag_without_a_current_link_is_reported(void **state) {
    struct world *w = *state;
    image(w, "a", NULL, "m", "l");
    history(w, "a", "v", "m");
    struct rsw_tag record = {.repo = repo(w, "a"), .name = "v"};
    rsw_tag_put(w->txn, &record);
    goes(w, NULL);
    assert_true(warned(w, "a", NULL, "tag without a current link"));
}

static void a_referrer_of_an_index_child_lives_with_that_child(void **state) {
    struct world *w = *state;
    w->options.untagged_remove = true;
    image(w, "a", NULL, "amd64", "x");
    pushed(w, "a", "v", "index", "m:amd64");
    pushed(w, "a", NULL, "ref", "s:amd64");
    goes(w, NULL);
}

static void a_referrer_within_grace_outlives_its_subject(void **state) {
    struct world *w = *state;
    member(w, RSW_REVISION, "a", "m", "m", 0);
    w->touched_ms = NOW_MS - HOUR_MS;
    pushed(w, "a", NULL, "ref", "s:m");
    goes(w, NULL);
}

static void subjects_in_another_repository_are_no_evidence(void **state) {
    struct world *w = *state;
    pushed(w, "a", NULL, "ref", "s:m");
    member(w, RSW_REVISION, "b", "m", "m", 0);
    image(w, "b", "v", "other", "l");
    goes(w, NULL);
}

/* ---- weak tags ---- */

static void weak_tags_live_while_their_subject_does(void **state) {
    static const char *const suffixes[] = {".sig", ".att", ".sbom", ""};
    struct world *w = *state;
    w->options.untagged_remove = true;
    image(w, "a", "v", "m", "l");
    for (size_t i = 0; i < 4; i++) {
        char name[16];
        snprintf(name, sizeof name, "carried%zu", i);
        image(w, "a", weak("m", suffixes[i]), name, name + 7);
    }
    goes(w, NULL);
    struct rsw_why out = why(w, NULL, "carried0");
    assert_string_equal(path_text(&out), "tag weak-tag");
    assert_string_equal(out.steps[1].tag, weak("m", ".sig"));
}

static void weak_tags_go_with_their_subject_though_untagged_is_kept(void **state) {
    static const char *const suffixes[] = {".sig", ".att", ".sbom", ""};
    struct world *w = *state;
    for (size_t i = 0; i < 4; i++) {
        char name[16];
        snprintf(name, sizeof name, "carried%zu", i);
        pushed(w, "a", weak("m", suffixes[i]), name, "");
    }
    member(w, RSW_REVISION, "a", "m", "m", 0);
    char tags[4][300];
    for (size_t i = 0; i < 4; i++) {
        snprintf(tags[i], sizeof tags[i], "tag a %s", weak("m", suffixes[i]));
    }
    goes(w, tags[0], tags[1], tags[2], tags[3], "revision a carried0 subject_gone",
         "revision a carried1 subject_gone", "revision a carried2 subject_gone",
         "revision a carried3 subject_gone", "repository a", "blob carried0", "blob carried1",
         "blob carried2", "blob carried3", NULL);
}

static void a_weak_tag_goes_in_the_run_in_which_its_subject_goes(void **state) {
    struct world *w = *state;
    w->options.untagged_remove = true;
    image(w, "a", NULL, "m", "l");
    pushed(w, "a", weak("m", ".sig"), "sig", "l:payload");
    blob(w, "payload");
    layer_link(w, "a", "payload");
    char line[300];
    snprintf(line, sizeof line, "tag a %s", weak("m", ".sig"));
    goes(w, line, "revision a m untagged", "revision a sig subject_gone", "link a m.config", "link a l",
         "link a payload", "repository a", "blob m", "blob m.config", "blob l", "blob sig", "blob payload",
         NULL);
}

static void a_weak_tag_without_evidence_of_its_subject_is_an_ordinary_tag(void **state) {
    struct world *w = *state;
    w->options.untagged_remove = true;
    pushed(w, "signatures", weak("m", ".sig"), "sig", "");
    pushed(w, "signatures", weak("never pushed", ""), "other", "");
    image(w, "images", "v", "m", "l");
    goes(w, NULL);
}

/* Whoever can send events must not be able to make a signature follow what never was there. */
static void what_only_an_event_told_of_is_no_evidence(void **state) {
    struct world *w = *state;
    pushed(w, "signatures", weak("m", ".sig"), "sig", "");
    pushed(w, "signatures", NULL, "ref", "s:m");
    rsw_fact_touch(w->txn, RSW_REVISION, repo(w, "signatures"), id_of(w, "m"), LONG_AGO_MS, 0);
    goes(w, NULL);
}

static void an_alias_that_was_never_read_keeps_every_link_of_its_repository(void **state) {
    struct world *w = *state;
    pushed(w, "a", "v", "m", "l:512/x");
    blob(w, "x");
    layer_link(w, "a", "x");
    member(w, RSW_LINK, "a", "512/x", "512/x", RSW_MEMBER_PRESENT | RSW_MEMBER_BAD);
    goes(w, NULL);
    assert_true(warned(w, "a", "512/x", "layer link unreadable"));
}

static void a_tag_that_only_looks_like_a_weak_one_is_an_ordinary_tag(void **state) {
    struct world *w = *state;
    w->options.untagged_remove = true;
    member(w, RSW_REVISION, "a", "m", "m", 0);
    char name[300];
    snprintf(name, sizeof name, "%s-v1", weak("m", ".sig"));
    pushed(w, "a", name, "x", "");
    snprintf(name, sizeof name, "%s.signature", weak("m", ""));
    pushed(w, "a", name, "y", "");
    goes(w, NULL);
}

/* As mirroring tools tag images, before a referrer makes the same name the fallback tag. */
static void an_image_whose_own_digest_tag_became_its_fallback_tag_follows_nobody(void **state) {
    struct world *w = *state;
    image(w, "a", weak("m", ""), "m", "l");
    pushed(w, "a", NULL, "ref", "s:m");
    pushed(w, "a", weak("m", ""), "fallback", "m:ref");
    goes(w, NULL);
}

static void images_that_follow_each_other_in_a_ring_stay_while_untagged_is_kept(void **state) {
    struct world *w = *state;
    pushed(w, "a", weak("two", ".sig"), "one", "l:x");
    pushed(w, "a", weak("one", ".att"), "two", "l:y");
    pushed(w, "a", NULL, "outside", "s:one");
    blob(w, "x");
    blob(w, "y");
    goes(w, NULL);
}

static void a_ring_through_a_deleted_subject_goes_with_it(void **state) {
    struct world *w = *state;
    pushed(w, "a", weak("two", ".sig"), "one", "");
    pushed(w, "a", NULL, "two", "s:one");
    member(w, RSW_REVISION, "a", "two", "two", 0);
    char line[300];
    snprintf(line, sizeof line, "tag a %s", weak("two", ".sig"));
    goes(w, line, "revision a one subject_gone", "repository a", "blob one", "blob two", NULL);
}

static void a_weak_tag_of_its_own_image_is_an_ordinary_tag(void **state) {
    struct world *w = *state;
    /* Mirroring tools tag an image `sha256-<its own digest>` so that it stays. */
    w->options.untagged_remove = true;
    image(w, "mirror", weak("m", ""), "m", "l");
    goes(w, NULL);
    w->options.untagged_remove = false;
    repo(w, "mirror"); /* marks anew */
    goes(w, NULL);
}

static void what_a_weak_tag_carries_stays_with_an_ordinary_tag_of_its_own(void **state) {
    struct world *w = *state;
    w->options.untagged_remove = true;
    member(w, RSW_REVISION, "a", "m", "m", 0);
    pushed(w, "a", weak("m", ".sig"), "sig", "");
    tag(w, "a", "mine", "sig");
    char line[300];
    snprintf(line, sizeof line, "tag a %s", weak("m", ".sig"));
    goes(w, line, NULL);
}

static void what_once_had_an_ordinary_tag_does_not_go_with_a_weak_one(void **state) {
    struct world *w = *state;
    member(w, RSW_REVISION, "a", "m", "m", 0);
    pushed(w, "a", weak("m", ".sig"), "x", "");
    history(w, "a", "v", "x");
    pushed(w, "a", "v", "y", "");
    char line[300];
    snprintf(line, sizeof line, "tag a %s", weak("m", ".sig"));
    goes(w, line, NULL);
}

static void replaced_signatures_in_the_history_of_a_weak_tag_live_with_the_subject(void **state) {
    struct world *w = *state;
    image(w, "a", "v", "m", "l");
    pushed(w, "a", weak("m", ".sig"), "first", "");
    pushed(w, "a", weak("m", ".sig"), "second", "");
    goes(w, NULL);
}

static void replaced_signatures_go_with_the_subject(void **state) {
    struct world *w = *state;
    member(w, RSW_REVISION, "a", "m", "m", 0);
    pushed(w, "a", weak("m", ".sig"), "first", "");
    pushed(w, "a", weak("m", ".sig"), "second", "");
    char line[300];
    snprintf(line, sizeof line, "tag a %s", weak("m", ".sig"));
    goes(w, line, "revision a first subject_gone", "revision a second subject_gone", "repository a",
         "blob first", "blob second", NULL);
}

static void a_replaced_signature_is_untagged_like_any_other(void **state) {
    struct world *w = *state;
    w->options.untagged_remove = true;
    image(w, "a", "v", "m", "l");
    pushed(w, "a", weak("m", ".sig"), "first", "");
    pushed(w, "a", weak("m", ".sig"), "second", "");
    goes(w, "revision a first untagged", "blob first", NULL);
}

static void a_weak_tag_within_grace_keeps_what_it_carries(void **state) {
    struct world *w = *state;
    w->options.untagged_remove = true;
    member(w, RSW_REVISION, "a", "m", "m", 0);
    pushed(w, "a", weak("m", ".att"), "att", "");
    w->touched_ms = NOW_MS - HOUR_MS;
    tag(w, "a", weak("m", ".att"), "att");
    goes(w, NULL);
}

static void the_fallback_tag_goes_and_its_index_lets_its_children_go(void **state) {
    struct world *w = *state;
    member(w, RSW_REVISION, "a", "m", "m", 0);
    pushed(w, "a", NULL, "ref", "s:m");
    pushed(w, "a", weak("m", ""), "list", "m:ref");
    char line[300];
    snprintf(line, sizeof line, "tag a %s", weak("m", ""));
    goes(w, line, "revision a ref subject_gone", "revision a list subject_gone", "repository a", "blob ref",
         "blob list", NULL);
}

static void a_signature_of_a_signature_goes_with_the_image(void **state) {
    struct world *w = *state;
    member(w, RSW_REVISION, "a", "m", "m", 0);
    pushed(w, "a", weak("m", ".sig"), "sig", "");
    pushed(w, "a", weak("sig", ".sig"), "sigsig", "");
    char lines[2][300];
    snprintf(lines[0], sizeof lines[0], "tag a %s", weak("m", ".sig"));
    snprintf(lines[1], sizeof lines[1], "tag a %s", weak("sig", ".sig"));
    goes(w, lines[0], lines[1], "revision a sig subject_gone", "revision a sigsig subject_gone",
         "repository a", "blob sig", "blob sigsig", NULL);
}

/* ---- schema 1 signatures ---- */

static void schema_1_signatures_stay_with_their_revision(void **state) {
    struct world *w = *state;
    image(w, "a", "v", "m", "l");
    blob(w, "jws");
    signature(w, "a", "m", "jws");
    goes(w, NULL);
    struct rsw_why out = why(w, NULL, "jws");
    assert_string_equal(path_text(&out), "tag signature");
}

static void schema_1_signatures_go_with_their_revision(void **state) {
    struct world *w = *state;
    w->options.untagged_remove = true;
    image(w, "a", "v", "m", "l");
    image(w, "a", NULL, "n", "l");
    blob(w, "jws");
    signature(w, "a", "n", "jws");
    goes(w, "revision a n untagged", "link a n.config", "blob n", "blob n.config", "blob jws", NULL);
}

/* ---- grace ---- */

static void a_layer_link_within_grace_stays_and_keeps_its_bytes(void **state) {
    struct world *w = *state;
    w->touched_ms = NOW_MS - DAY_MS + 1;
    blob(w, "l");
    layer_link(w, "a", "l");
    w->touched_ms = NOW_MS - DAY_MS;
    blob(w, "k");
    layer_link(w, "a", "k");
    goes(w, "link a k", "blob k", NULL);
    assert_int_equal(plan_of(w)->kept_in_grace, 1);
    struct rsw_why out = why(w, NULL, "l");
    assert_string_equal(path_text(&out), "young-link");
}

static void a_revision_within_grace_stays_with_all_that_it_needs(void **state) {
    struct world *w = *state;
    w->options.untagged_remove = true;
    blob(w, "l");
    layer_link(w, "a", "l");
    w->touched_ms = NOW_MS - DAY_MS + 1;
    pushed(w, "a", NULL, "young", "l:l");
    w->touched_ms = NOW_MS - DAY_MS;
    pushed(w, "a", NULL, "old", "l:l");
    goes(w, "revision a old untagged", "blob old", NULL);
    struct rsw_why out = why(w, NULL, "l");
    assert_string_equal(path_text(&out), "young-revision child");
}

static void the_age_of_the_data_counts_for_nothing_where_a_link_is_older(void **state) {
    struct world *w = *state;
    w->options.offline = false;
    layer_link(w, "a", "l");
    w->touched_ms = NOW_MS;
    blob(w, "l");
    goes(w, "link a l", "repository a", "blob l", NULL);
}

static void without_grace_only_what_is_touched_in_the_future_is_young(void **state) {
    struct world *w = *state;
    w->options.grace_ms = 0;
    w->touched_ms = NOW_MS;
    blob(w, "now");
    layer_link(w, "a", "now");
    w->touched_ms = NOW_MS + DAY_MS;
    blob(w, "tomorrow");
    layer_link(w, "a", "tomorrow");
    goes(w, "link a now", "blob now", NULL);
}

static void a_touch_far_in_the_future_or_the_past_is_no_trouble(void **state) {
    struct world *w = *state;
    w->touched_ms = INT64_MAX;
    blob(w, "future");
    layer_link(w, "a", "future");
    w->touched_ms = INT64_MIN;
    blob(w, "past");
    layer_link(w, "a", "past");
    goes(w, "link a past", "blob past", NULL);
}

static void an_unlinked_blob_ages_from_when_the_index_first_saw_it(void **state) {
    struct world *w = *state;
    w->options.offline = false;
    blob(w, "old");
    w->touched_ms = NOW_MS - DAY_MS + 1;
    blob(w, "young");
    blob(w, "old"); /* seen again: no younger for it */
    goes(w, "blob old", NULL);
    assert_int_equal(plan_of(w)->kept_in_grace, 1);
}

static void an_unlinked_blob_has_no_grace_offline(void **state) {
    struct world *w = *state;
    w->touched_ms = NOW_MS;
    blob(w, "young");
    goes(w, "blob young", NULL);
}

/* ---- uploads ---- */

static void a_young_upload_holds_every_layer_link_of_its_repository(void **state) {
    struct world *w = *state;
    blob(w, "l");
    layer_link(w, "a", "l");
    layer_link(w, "b", "l");
    upload(w, "a", "u1", NOW_MS - HOUR_MS);
    goes(w, "link b l", "repository b", NULL);
    struct rsw_why out = why(w, NULL, "l");
    assert_string_equal(path_text(&out), "young-upload");
}

static void a_stale_upload_holds_nothing(void **state) {
    struct world *w = *state;
    blob(w, "l");
    layer_link(w, "a", "l");
    upload(w, "a", "u1", LONG_AGO_MS);
    goes(w, "link a l", "blob l", "upload a u1", "repository a", NULL);
    assert_int_equal(plan_of(w)->bytes, 107);
}

static void an_upload_is_stale_only_past_its_age(void **state) {
    struct world *w = *state;
    upload(w, "a", "just", NOW_MS - RSW_UPLOAD_MAX_AGE_DEFAULT_MS);
    upload(w, "a", "past", NOW_MS - RSW_UPLOAD_MAX_AGE_DEFAULT_MS - 1);
    upload(w, "a", "future", NOW_MS + DAY_MS);
    goes(w, "upload a past", NULL);
}

static void an_upload_without_a_readable_beginning_stays_and_holds(void **state) {
    struct world *w = *state;
    upload(w, "a", "u1", 0);
    blob(w, "l");
    layer_link(w, "a", "l");
    goes(w, NULL);
}

static void a_young_upload_holds_no_revision(void **state) {
    struct world *w = *state;
    w->options.untagged_remove = true;
    pushed(w, "a", NULL, "m", "");
    upload(w, "a", "u1", NOW_MS);
    goes(w, "revision a m untagged", "blob m", NULL);
}

static void uploads_that_cannot_be_listed_count_as_young(void **state) {
    struct world *w = *state;
    blob(w, "l");
    layer_link(w, "a", "l");
    repo_flags(w, "a", RSW_REPO_UPLOADS_UNKNOWN);
    repo_flags(w, "b", RSW_REPO_UPLOADS_UNKNOWN);
    goes(w, NULL);
    assert_true(warned(w, "a", NULL, "uploads could not be read"));
}

/* ---- what cannot be read or understood ---- */

static void an_unreadable_manifest_stays_with_every_layer_link_of_its_repository(void **state) {
    struct world *w = *state;
    w->options.untagged_remove = true;
    blob(w, "m");
    blob_flags(w, "m", RSW_BLOB_UNREADABLE, 0);
    revision(w, "a", "m");
    blob(w, "l");
    layer_link(w, "a", "l");
    layer_link(w, "b", "l");
    goes(w, "link b l", "repository b", NULL);
    assert_true(warned(w, "a", "m", "manifest unreadable"));
    struct rsw_why out = why(w, NULL, "l");
    assert_string_equal(path_text(&out), "unreadable unreadable");
}

static void an_unreadable_manifest_may_be_an_index_of_any_revision_here(void **state) {
    struct world *w = *state;
    w->options.untagged_remove = true;
    blob(w, "index"); /* its read failed once: nobody knows what it names */
    revision(w, "a", "index");
    tag(w, "a", "multi", "index");
    image(w, "a", NULL, "amd64", "l");
    pushed(w, "a", NULL, "ref", "s:gone");
    member(w, RSW_REVISION, "a", "gone", "gone", 0);
    image(w, "b", NULL, "other", "k");
    goes(w, "revision b other untagged", "link b other.config", "link b k", "repository b", "blob other",
         "blob other.config", "blob k", NULL);
    struct rsw_why l = why(w, NULL, "amd64.config");
    assert_string_equal(path_text(&l), "tag unreadable child");
}

static void a_manifest_that_was_not_read_yet_stays_in_the_same_way(void **state) {
    struct world *w = *state;
    w->options.untagged_remove = true;
    blob(w, "m");
    revision(w, "a", "m");
    blob(w, "l");
    layer_link(w, "a", "l");
    goes(w, NULL);
    assert_true(warned(w, "a", "m", "manifest not read yet"));
}

static void an_unreadable_child_keeps_every_layer_link(void **state) {
    struct world *w = *state;
    w->options.untagged_remove = true;
    blob(w, "child");
    blob_flags(w, "child", RSW_BLOB_UNREADABLE, 0);
    layer_link(w, "a", "child");
    pushed(w, "a", "v", "index", "m:child");
    blob(w, "l");
    layer_link(w, "a", "l");
    goes(w, NULL);
    struct rsw_why out = why(w, NULL, "l");
    assert_string_equal(path_text(&out), "tag child unreadable");
}

static void bytes_missing_at_one_look_count_as_unreadable(void **state) {
    struct world *w = *state;
    w->options.untagged_remove = true;
    revision(w, "a", "m");
    blob(w, "l");
    layer_link(w, "a", "l");
    goes(w, NULL);
    assert_true(warned(w, "a", "m", "manifest bytes missing at one look"));
}

static void bytes_certainly_gone_pin_nothing_that_the_index_does_not_know(void **state) {
    struct world *w = *state;
    blob(w, "l");
    layer_link(w, "a", "l");
    revision(w, "a", "m");
    blob_flags(w, "m", RSW_BLOB_GONE, RSW_BLOB_PRESENT);
    goes(w, "link a l", "blob l", NULL);
    assert_true(warned(w, "a", "m", "manifest bytes missing"));
}

static void a_tagged_manifest_whose_bytes_are_gone_keeps_what_the_index_knows_of_it(void **state) {
    struct world *w = *state;
    w->options.untagged_remove = true;
    image(w, "a", "v", "m", "l");
    blob_flags(w, "m", RSW_BLOB_GONE, RSW_BLOB_PRESENT);
    blob(w, "k");
    layer_link(w, "a", "k");
    goes(w, "link a k", "blob k", NULL);
    assert_true(warned(w, "a", "m", "manifest bytes missing"));
}

static void an_untagged_revision_whose_bytes_are_gone_goes_when_told_so(void **state) {
    struct world *w = *state;
    w->options.untagged_remove = true;
    image(w, "a", "v", "n", "l");
    revision(w, "a", "m");
    blob_flags(w, "m", RSW_BLOB_GONE, RSW_BLOB_PRESENT);
    goes(w, "revision a m untagged", NULL);
}

static void a_weak_tag_whose_signature_is_gone_goes_with_its_subject(void **state) {
    struct world *w = *state;
    image(w, "a", "v", "n", "l");
    member(w, RSW_REVISION, "a", "m", "m", 0);
    revision(w, "a", "sig");
    tag(w, "a", weak("m", ".sig"), "sig");
    blob_flags(w, "sig", RSW_BLOB_GONE, RSW_BLOB_PRESENT);
    char line[300];
    snprintf(line, sizeof line, "tag a %s", weak("m", ".sig"));
    goes(w, line, "revision a sig subject_gone", NULL);
}

static void a_weak_tag_whose_signature_cannot_be_read_stays(void **state) {
    struct world *w = *state;
    member(w, RSW_REVISION, "a", "m", "m", 0);
    blob(w, "sig");
    blob_flags(w, "sig", RSW_BLOB_UNREADABLE, 0);
    revision(w, "a", "sig");
    tag(w, "a", weak("m", ".sig"), "sig");
    goes(w, NULL);
}

static void every_digest_in_a_manifest_of_unknown_type_is_a_reference(void **state) {
    struct world *w = *state;
    w->options.untagged_remove = true;
    image(w, "a", NULL, "image", "l");
    blob(w, "x");
    layer_link(w, "a", "x");
    pushed(w, "a", "v", "odd", "u:image u:x u:never-seen");
    goes(w, NULL);
}

static void a_bad_layer_link_stays_and_is_reported(void **state) {
    struct world *w = *state;
    blob(w, "l");
    member(w, RSW_LINK, "a", "l", "l", RSW_MEMBER_PRESENT | RSW_MEMBER_BAD);
    goes(w, NULL);
    assert_true(warned(w, "a", "l", "layer link unreadable"));
}

static void a_bad_layer_link_keeps_what_it_leads_to_as_well(void **state) {
    struct world *w = *state;
    blob(w, "l");
    blob(w, "other");
    layer_link(w, "a", "other");
    member(w, RSW_LINK, "a", "l", "other", RSW_MEMBER_PRESENT | RSW_MEMBER_BAD);
    goes(w, NULL);
}

static void a_bad_revision_link_stays_with_both_manifests_and_is_reported(void **state) {
    struct world *w = *state;
    w->options.untagged_remove = true;
    image(w, "a", NULL, "m", "l");
    image(w, "a", NULL, "n", "k");
    member(w, RSW_REVISION, "a", "m", "n", RSW_MEMBER_PRESENT | RSW_MEMBER_BAD);
    goes(w, NULL);
    assert_true(warned(w, "a", "m", "revision link unreadable"));
}

static void a_bad_tag_keeps_everything_in_its_history(void **state) {
    struct world *w = *state;
    w->options.untagged_remove = true;
    image(w, "a", "v", "m", "l");
    image(w, "a", "v", "n", "k");
    image(w, "a", NULL, "other", "j");
    tag_flags(w, "a", "v", RSW_TAG_BAD);
    goes(w, "revision a other untagged", "link a other.config", "link a j", "blob other", "blob other.config",
         "blob j", NULL);
    assert_true(warned(w, "a", NULL, "tag unreadable"));
}

static void a_bad_tag_without_history_keeps_every_revision(void **state) {
    struct world *w = *state;
    w->options.untagged_remove = true;
    image(w, "a", NULL, "m", "l");
    pushed(w, "a", NULL, "ref", "s:gone");
    member(w, RSW_REVISION, "a", "gone", "gone", 0);
    tag_flags(w, "a", "v", RSW_TAG_BAD);
    goes(w, NULL);
}

static void an_unsettled_tag_keeps_what_it_may_point_at(void **state) {
    struct world *w = *state;
    w->options.untagged_remove = true;
    image(w, "a", "v", "before", "l");
    image(w, "a", NULL, "after", "k");
    rsw_fact_tag_event(w->txn, repo(w, "a"), "v", id_of(w, "after"), LONG_AGO_MS, LONG_AGO_MS);
    goes(w, NULL);
}

static void an_unsettled_weak_tag_is_an_ordinary_one(void **state) {
    struct world *w = *state;
    w->options.untagged_remove = true;
    member(w, RSW_REVISION, "a", "m", "m", 0);
    pushed(w, "a", weak("m", ".sig"), "sig", "");
    tag_flags(w, "a", weak("m", ".sig"), RSW_TAG_UNSETTLED);
    goes(w, NULL);
}

static void a_repository_with_an_odd_name_is_left_alone(void **state) {
    struct world *w = *state;
    w->options.untagged_remove = true;
    image(w, "Odd Name", NULL, "m", "l");
    pushed(w, "Odd Name", weak("gone", ".sig"), "sig", "s:gone");
    member(w, RSW_REVISION, "Odd Name", "gone", "gone", 0);
    blob(w, "x");
    layer_link(w, "Odd Name", "x");
    upload(w, "Odd Name", "u", LONG_AGO_MS);
    repo_flags(w, "Odd Name", RSW_REPO_ODD);
    goes(w, NULL);
}

static void one_bad_object_spoils_no_other_repository(void **state) {
    struct world *w = *state;
    w->options.untagged_remove = true;
    blob(w, "bad");
    blob_flags(w, "bad", RSW_BLOB_UNREADABLE, 0);
    revision(w, "a", "bad");
    image(w, "b", NULL, "m", "l");
    goes(w, "revision b m untagged", "link b m.config", "link b l", "repository b", "blob m", "blob m.config",
         "blob l", NULL);
}

/* ---- repositories ---- */

static void an_empty_repository_goes(void **state) {
    struct world *w = *state;
    repo(w, "empty");
    goes(w, "repository empty", NULL);
}

static void a_repository_with_nothing_but_tombstones_goes(void **state) {
    struct world *w = *state;
    member(w, RSW_REVISION, "a", "m", "m", 0);
    member(w, RSW_LINK, "a", "l", "l", 0);
    goes(w, "repository a", NULL);
}

/* Condemned, it would be spared for its folder that is not empty, night after night. */
static void a_repository_in_which_something_lies_that_is_nobodys_stays_and_is_reported(void **state) {
    struct world *w = *state;
    member(w, RSW_REVISION, "a", "m", "m", 0);
    repo_flags(w, "a", RSW_REPO_LEFTOVER);
    goes(w, NULL);
    assert_true(warned(w, "a", NULL, "something lies in it that is nobody's: its folders stay"));
}

static void a_repository_that_storage_no_longer_has_is_no_matter(void **state) {
    struct world *w = *state;
    rsw_repo_intern(w->txn, "gone", LONG_AGO_MS);
    goes(w, NULL);
    assert_int_equal(plan_of(w)->totals[RSW_ITEM_REPOSITORY], 0);
}

static void a_young_repository_has_grace_beside_a_running_registry_only(void **state) {
    struct world *w = *state;
    w->options.offline = false;
    w->touched_ms = NOW_MS - HOUR_MS;
    repo(w, "new");
    goes(w, NULL);
    w->options.offline = true;
    repo(w, "new"); /* marks anew */
    goes(w, "repository new", NULL);
}

static void a_repository_stays_for_a_link_that_stays(void **state) {
    struct world *w = *state;
    w->touched_ms = NOW_MS;
    blob(w, "l");
    layer_link(w, "a", "l");
    goes(w, NULL);
}

static void repositories_without_tags_or_without_manifests_are_no_error(void **state) {
    struct world *w = *state;
    image(w, "without-tags", NULL, "m", "l");
    w->touched_ms = NOW_MS;
    blob(w, "k");
    layer_link(w, "without-manifests", "k");
    goes(w, NULL);
}

static void a_repository_below_another_one_is_one_of_its_own(void **state) {
    struct world *w = *state;
    blob(w, "l");
    layer_link(w, "a", "l");
    image(w, "a/b", "v", "m", "k");
    goes(w, "link a l", "repository a", "blob l", NULL);
}

/* ---- not of the rules, but of the function ---- */

static void a_mark_in_a_read_transaction_says_the_same(void **state) {
    struct world *w = *state;
    w->options.untagged_remove = true;
    image(w, "a", "v", "m", "l");
    image(w, "a", NULL, "n", "l k");
    struct rsw_error err = RSW_ERROR_INIT;
    assert_int_equal(rsw_txn_commit(&w->txn, &err), 0);
    assert_int_equal(rsw_txn_begin_read(&w->txn, w->index, &err), 0);
    goes(w, "revision a n untagged", "link a n.config", "link a k", "blob n", "blob n.config", "blob k",
         NULL);
    assert_true(plan_of(w)->seq == rsw_txn_seq(w->txn));
}

#define MARK(test) cmocka_unit_test_setup_teardown(test, world_begin, world_end)

int main(void) {
    const struct CMUnitTest tests[] = {
        MARK(an_empty_index_lets_nothing_go),
        MARK(nothing_goes_when_every_manifest_is_tagged),
        MARK(untagged_revisions_stay_by_default),
        MARK(an_untagged_revision_goes_with_all_that_it_alone_needs_when_told_so),
        MARK(of_two_manifests_that_carried_one_tag_the_untagged_one_goes),
        MARK(a_pinned_digest_stays_with_all_that_it_needs),
        MARK(a_pin_without_a_repository_holds_everywhere),
        MARK(a_pinned_layer_stays_with_its_link),
        MARK(a_pinned_blob_that_nobody_links_keeps_its_bytes),
        MARK(a_pin_of_an_unknown_digest_harms_nothing),
        MARK(a_pinned_tag_keeps_what_it_points_at_and_nothing_else),
        MARK(a_pinned_weak_tag_outlives_its_subject),
        MARK(why_tells_of_the_pin_and_who_it_is_of),
        MARK(adding_a_tag_keeps_what_untagged_remove_would_let_go),
        MARK(a_tag_keeps_an_image_that_has_no_revision_at_all),
        MARK(a_tagged_index_keeps_its_untagged_children),
        MARK(an_image_whose_own_digest_tag_became_its_fallback_tag_follows_nobody),
        MARK(images_that_follow_each_other_in_a_ring_stay_while_untagged_is_kept),
        MARK(a_ring_through_a_deleted_subject_goes_with_it),
        MARK(a_referrer_of_a_child_that_is_read_through_a_layer_link_lives_with_it),
        MARK(a_revision_that_an_index_names_under_any_type_is_its_child),
        MARK(what_a_tag_pointed_at_before_and_was_deleted_leaves_its_history),
        MARK(a_tag_without_a_current_link_is_reported),
        MARK(what_only_an_event_told_of_is_no_evidence),
        MARK(an_alias_that_was_never_read_keeps_every_link_of_its_repository),
        MARK(a_tagged_index_with_a_deleted_child_lets_go_of_what_the_child_needed),
        MARK(an_untagged_index_goes_and_its_tagged_child_stays),
        MARK(children_stay_at_any_depth),
        MARK(indexes_that_share_children_are_read_once_and_end),
        MARK(a_child_that_is_readable_through_a_layer_link_alone_keeps_all_that_it_needs),
        MARK(a_child_that_is_not_readable_here_keeps_its_bytes_only),
        MARK(a_child_that_is_readable_in_another_repository_only_keeps_nothing_here),
        MARK(a_manifest_as_a_layer_is_a_layer),
        MARK(shared_layers_stay_while_one_image_lives),
        MARK(a_config_that_is_also_a_layer_stays_while_either_needs_it),
        MARK(an_image_in_two_repositories_lives_while_one_of_them_needs_it),
        MARK(a_live_manifest_does_not_keep_a_link_in_another_repository),
        MARK(a_layer_link_keeps_no_other_one_and_goes_when_nothing_names_it),
        MARK(a_layer_link_without_bytes_goes_too),
        MARK(a_foreign_layer_that_storage_has_stays),
        MARK(a_sha512_name_keeps_its_alias_the_canonical_link_and_the_target),
        MARK(a_manifest_named_by_sha512_keeps_what_it_needs),
        MARK(an_alias_leads_nowhere_in_another_repository),
        MARK(an_alias_within_grace_keeps_link_and_bytes_of_its_target),
        MARK(a_referrer_lives_with_its_subject_whatever_untagged_says),
        MARK(a_referrer_goes_with_its_subject_though_untagged_is_kept),
        MARK(a_referrer_never_keeps_its_subject),
        MARK(a_referrer_without_evidence_of_its_subject_is_an_ordinary_revision),
        MARK(a_referrer_with_an_ordinary_tag_of_its_own_outlives_its_subject),
        MARK(a_referrer_that_is_a_child_of_a_live_index_outlives_its_subject),
        MARK(a_referrer_of_a_referrer_lives_and_dies_with_the_first_subject),
        MARK(a_referrer_of_an_index_child_lives_with_that_child),
        MARK(a_referrer_within_grace_outlives_its_subject),
        MARK(subjects_in_another_repository_are_no_evidence),
        MARK(weak_tags_live_while_their_subject_does),
        MARK(weak_tags_go_with_their_subject_though_untagged_is_kept),
        MARK(a_weak_tag_goes_in_the_run_in_which_its_subject_goes),
        MARK(a_weak_tag_without_evidence_of_its_subject_is_an_ordinary_tag),
        MARK(a_tag_that_only_looks_like_a_weak_one_is_an_ordinary_tag),
        MARK(a_weak_tag_of_its_own_image_is_an_ordinary_tag),
        MARK(what_a_weak_tag_carries_stays_with_an_ordinary_tag_of_its_own),
        MARK(what_once_had_an_ordinary_tag_does_not_go_with_a_weak_one),
        MARK(replaced_signatures_in_the_history_of_a_weak_tag_live_with_the_subject),
        MARK(replaced_signatures_go_with_the_subject),
        MARK(a_replaced_signature_is_untagged_like_any_other),
        MARK(a_weak_tag_within_grace_keeps_what_it_carries),
        MARK(the_fallback_tag_goes_and_its_index_lets_its_children_go),
        MARK(a_signature_of_a_signature_goes_with_the_image),
        MARK(schema_1_signatures_stay_with_their_revision),
        MARK(schema_1_signatures_go_with_their_revision),
        MARK(a_layer_link_within_grace_stays_and_keeps_its_bytes),
        MARK(a_revision_within_grace_stays_with_all_that_it_needs),
        MARK(the_age_of_the_data_counts_for_nothing_where_a_link_is_older),
        MARK(without_grace_only_what_is_touched_in_the_future_is_young),
        MARK(a_touch_far_in_the_future_or_the_past_is_no_trouble),
        MARK(an_unlinked_blob_ages_from_when_the_index_first_saw_it),
        MARK(an_unlinked_blob_has_no_grace_offline),
        MARK(a_young_upload_holds_every_layer_link_of_its_repository),
        MARK(a_stale_upload_holds_nothing),
        MARK(an_upload_is_stale_only_past_its_age),
        MARK(an_upload_without_a_readable_beginning_stays_and_holds),
        MARK(a_young_upload_holds_no_revision),
        MARK(uploads_that_cannot_be_listed_count_as_young),
        MARK(an_unreadable_manifest_stays_with_every_layer_link_of_its_repository),
        MARK(an_unreadable_manifest_may_be_an_index_of_any_revision_here),
        MARK(a_manifest_that_was_not_read_yet_stays_in_the_same_way),
        MARK(an_unreadable_child_keeps_every_layer_link),
        MARK(bytes_missing_at_one_look_count_as_unreadable),
        MARK(bytes_certainly_gone_pin_nothing_that_the_index_does_not_know),
        MARK(a_tagged_manifest_whose_bytes_are_gone_keeps_what_the_index_knows_of_it),
        MARK(an_untagged_revision_whose_bytes_are_gone_goes_when_told_so),
        MARK(a_weak_tag_whose_signature_is_gone_goes_with_its_subject),
        MARK(a_weak_tag_whose_signature_cannot_be_read_stays),
        MARK(every_digest_in_a_manifest_of_unknown_type_is_a_reference),
        MARK(a_bad_layer_link_stays_and_is_reported),
        MARK(a_bad_layer_link_keeps_what_it_leads_to_as_well),
        MARK(a_bad_revision_link_stays_with_both_manifests_and_is_reported),
        MARK(a_bad_tag_keeps_everything_in_its_history),
        MARK(a_bad_tag_without_history_keeps_every_revision),
        MARK(an_unsettled_tag_keeps_what_it_may_point_at),
        MARK(an_unsettled_weak_tag_is_an_ordinary_one),
        MARK(a_repository_with_an_odd_name_is_left_alone),
        MARK(one_bad_object_spoils_no_other_repository),
        MARK(an_empty_repository_goes),
        MARK(a_repository_with_nothing_but_tombstones_goes),
        MARK(a_repository_in_which_something_lies_that_is_nobodys_stays_and_is_reported),
        MARK(a_repository_that_storage_no_longer_has_is_no_matter),
        MARK(a_young_repository_has_grace_beside_a_running_registry_only),
        MARK(a_repository_stays_for_a_link_that_stays),
        MARK(repositories_without_tags_or_without_manifests_are_no_error),
        MARK(a_repository_below_another_one_is_one_of_its_own),
        MARK(a_mark_in_a_read_transaction_says_the_same), /* the last: it leaves its world behind */
    };
    return cmocka_run_group_tests(tests, world_open, world_close);
}
