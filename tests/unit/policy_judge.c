/* What a policy makes of tags and revisions, each rule alone and in pairs, in simulated time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "policy/policy.h"

#include <stdio.h>
#include <string.h>

#define DAY_MS INT64_C(86400000)
#define NOW_MS (20000 * DAY_MS)
#define TAGS_MAX 16

struct given {
    const char *name;
    int pushed, pulled; /* days ago; -1: not known, never */
};

static int64_t days_ago(int days) {
    return days < 0 ? 0 : NOW_MS - days * DAY_MS - 1;
}

static size_t judged_of(struct rsw_judged *out, const struct given *given) {
    size_t count = 0;
    for (; given[count].name != NULL; count++) {
        out[count] = (struct rsw_judged){.name = given[count].name,
                                         .pushed_ms = days_ago(given[count].pushed),
                                         .pulled_ms = days_ago(given[count].pulled)};
    }
    return count;
}

/* "name:ground name:ground …" */
static const char *grounds(const struct rsw_judged *judged, size_t count) {
    static char text[1024];
    size_t len = 0;
    text[0] = 0;
    for (size_t i = 0; i < count; i++) {
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%s:%s", i > 0 ? " " : "", judged[i].name,
                                rsw_ground_name(judged[i].ground));
    }
    return text;
}

/* `section`: what stands below `match` of the one repository, or (with `untagged`) behind "untagged: ". */
static void judged_as(const char *section, bool untagged, int pulls_known_days, const struct given *given,
                      const char *expected) {
    char text[1024];
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_policy *policy;
    struct rsw_judged judged[TAGS_MAX];
    const struct rsw_judge judge = {.now_ms = NOW_MS, .pulls_since_ms = days_ago(pulls_known_days)};
    snprintf(text, sizeof text,
             untagged ? "repositories:\n  - match: r\n    untagged: %s\n"
                      : "protect: prod\nrepositories:\n  - match: r\n%s\n",
             section);
    if (rsw_policy_parse(&policy, "p", text, strlen(text), &err) != 0) {
        fail_msg("%s", err.message);
    }
    size_t count = judged_of(judged, given);
    const struct rsw_repository_rules *rules = rsw_policy_find(policy, "r");
    assert_int_equal(untagged ? rsw_judge_untagged(rules, &judge, judged, count, &err)
                              : rsw_judge_tags(policy, rules, &judge, judged, count, &err),
                     0);
    if (strcmp(grounds(judged, count), expected) != 0) {
        fail_msg("%s\n  gives %s\n  not   %s", section, grounds(judged, count), expected);
    }
    rsw_policy_free(policy);
}

#define TAGS(...) ((const struct given[]){__VA_ARGS__, {NULL, 0, 0}})
#define RULE(match, keep) "    tags:\n      - {match: \"" match "\", keep: " keep "}\n"
#define AND(match, keep) "      - {match: \"" match "\", keep: " keep "}\n"

static void what_no_rule_speaks_of_stays(void **state) {
    (void)state;
    judged_as("", false, 90, TAGS({"a", 99, -1}), "a:no rule");
    judged_as("    tags: []\n", false, 90, TAGS({"a", 99, -1}), "a:no rule");
    judged_as(RULE("pr-*", "none"), false, 90, TAGS({"a", 99, -1}, {"pr-1", 99, -1}),
              "a:no rule pr-1:let go");
}

static void the_first_rule_that_fits_decides(void **state) {
    (void)state;
    judged_as(RULE("v*", "all") AND("*", "none"), false, 90, TAGS({"v1", 99, -1}, {"x", 1, 0}),
              "v1:keep all x:let go");
    judged_as(RULE("*", "none") AND("v*", "all"), false, 90, TAGS({"v1", 99, -1}, {"x", 1, 0}),
              "v1:let go x:let go");
}

static void protected_names_stay_whatever_a_rule_says(void **state) {
    (void)state;
    judged_as("    protect: [\"lts-*\"]\n" RULE("*", "none"), false, 90,
              TAGS({"lts-1", 99, -1}, {"prod", 99, -1}, {"x", 99, -1}),
              "lts-1:protected prod:protected x:let go");
}

static void the_newest_by_push_stay(void **state) {
    (void)state;
    judged_as(RULE("*", "{newest: 2}"), false, 90,
              TAGS({"a", 5, 0}, {"b", 1, -1}, {"c", 3, -1}, {"d", 9, -1}),
              "a:let go b:newest c:newest d:let go");
    judged_as(RULE("*", "{newest: 9}"), false, 90, TAGS({"a", 5, 0}), "a:newest");
}

static void of_the_same_time_the_first_by_name_stays(void **state) {
    (void)state;
    judged_as(RULE("*", "{newest: 1}"), false, 90, TAGS({"a", 5, -1}, {"b", 5, -1}), "a:newest b:let go");
}

static void a_push_counts_as_a_pull_for_the_newest_by_pull(void **state) {
    (void)state;
    judged_as(RULE("*", "{newest: 2, by: pull}"), false, 90,
              TAGS({"a", 50, 2}, {"b", 1, -1}, {"c", 3, -1}, {"d", 4, 40}),
              "a:newest b:newest c:let go d:let go");
}

static void where_nobody_hears_of_pulls_the_newest_by_pull_are_not_known(void **state) {
    (void)state;
    judged_as(RULE("*", "{newest: 1, by: pull}"), false, -1, TAGS({"a", 50, 40}, {"b", 60, -1}),
              "a:newest b:time unknown");
    judged_as(RULE("*", "{newest: 1}"), false, -1, TAGS({"a", 50, 40}, {"b", 60, -1}), "a:newest b:let go");
}

static void the_newest_are_counted_rule_by_rule(void **state) {
    (void)state;
    judged_as(RULE("v*", "{newest: 1}") AND("*", "{newest: 1}"), false, 90,
              TAGS({"v1", 9, -1}, {"v2", 8, -1}, {"x", 7, -1}, {"y", 6, -1}),
              "v1:let go v2:newest x:let go y:newest");
}

static void protected_names_do_not_count_among_the_newest(void **state) {
    (void)state;
    judged_as(RULE("*", "{newest: 1}"), false, 90, TAGS({"prod", 1, -1}, {"x", 7, -1}, {"y", 8, -1}),
              "prod:protected x:newest y:let go");
}

static void what_was_pushed_within_the_time_stays(void **state) {
    (void)state;
    judged_as(RULE("*", "{pushed-within: 7d}"), false, 90, TAGS({"a", 6, -1}, {"b", 7, -1}, {"c", 8, 1}),
              "a:pushed-within b:let go c:let go");
}

static void what_was_pulled_within_the_time_stays(void **state) {
    (void)state;
    judged_as(RULE("*", "{pulled-within: 7d}"), false, 90, TAGS({"a", 60, 6}, {"b", 60, 8}, {"c", 60, -1}),
              "a:pulled-within b:let go c:let go");
}

static void that_nobody_pulled_it_is_known_only_after_as_long(void **state) {
    (void)state;
    judged_as(RULE("*", "{pulled-within: 7d}"), false, 6, TAGS({"a", 60, -1}, {"b", 60, 3}),
              "a:time unknown b:pulled-within");
    judged_as(RULE("*", "{pulled-within: 7d}"), false, -1, TAGS({"a", 60, -1}), "a:time unknown");
    judged_as(RULE("*", "{pulled-within: 7d}"), false, 7, TAGS({"a", 60, -1}), "a:let go");
}

static void one_reason_to_keep_is_enough(void **state) {
    (void)state;
    judged_as(RULE("*", "{newest: 1, pushed-within: 3d, pulled-within: 3d}"), false, 90,
              TAGS({"a", 60, 2}, {"b", 2, -1}, {"c", 1, -1}, {"d", 60, -1}),
              "a:pulled-within b:pushed-within c:pushed-within d:let go");
    judged_as(RULE("*", "{newest: 1, pulled-within: 3d}"), false, 90, TAGS({"a", 60, -1}, {"b", 61, -1}),
              "a:newest b:let go");
}

/* ---- in pairs ---- */

#define AGES 9
struct kept {
    bool tags[AGES * AGES + 2];
};

/* Tags of every age, pulled at every time, one of no known time and one that is protected: those that stay.
 */
static struct kept kept_by(const char *above, const char *keep) {
    static const int ages[AGES] = {0, 1, 2, 3, 6, 7, 8, 30, 90};
    struct rsw_judged judged[AGES * AGES + 2];
    struct kept kept;
    char text[512];
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_policy *policy;
    const struct rsw_judge judge = {.now_ms = NOW_MS, .pulls_since_ms = days_ago(99)};
    snprintf(text, sizeof text, "%srepositories:\n  - {match: r, tags: [{match: \"*\", keep: %s}]}\n", above,
             keep);
    assert_int_equal(rsw_policy_parse(&policy, "p", text, strlen(text), &err), 0);
    size_t count = 0;
    for (size_t i = 0; i < AGES * AGES; i++) {
        judged[count++] = (struct rsw_judged){
            .name = "x", .pushed_ms = days_ago(ages[i / AGES]), .pulled_ms = days_ago(ages[i % AGES])};
    }
    judged[count++] = (struct rsw_judged){.name = "x"};
    judged[count++] = (struct rsw_judged){.name = "prod", .pushed_ms = days_ago(90)};
    assert_int_equal(rsw_judge_tags(policy, rsw_policy_find(policy, "r"), &judge, judged, count, &err), 0);
    for (size_t i = 0; i < count; i++) {
        kept.tags[i] = judged[i].ground != RSW_GROUND_LET_GO;
    }
    rsw_policy_free(policy);
    return kept;
}

/* What both together keep is what each of them does. `above`: what stands over the rules, or "". */
static void pair_is(const char *above, const char *one, const char *other) {
    char both[256];
    bool same = strcmp(one, other) == 0;
    snprintf(both, sizeof both, "{%s%s%s}", one, same ? "" : ", ", same ? "" : other);
    char alone[2][128];
    snprintf(alone[0], sizeof alone[0], "{%s}", one);
    snprintf(alone[1], sizeof alone[1], "{%s}", other);
    struct kept together = kept_by(above, both);
    struct kept first = kept_by("", alone[0]);
    struct kept second = kept_by("", alone[1]);
    struct kept over = kept_by(above, "none");
    size_t stay = 0;
    for (size_t i = 0; i < AGES * AGES + 2; i++) {
        if (together.tags[i] != (first.tags[i] || second.tags[i] || over.tags[i])) {
            fail_msg("%s%s: tag %zu", above, both, i);
        }
        stay += together.tags[i];
    }
    assert_in_range(stay, 2, AGES * AGES + 1); /* something stays, and something goes */
}

static void of_two_reasons_each_keeps_what_it_keeps_alone(void **state) {
    (void)state;
    static const char *const reasons[] = {"newest: 3", "pushed-within: 7d", "pulled-within: 2d"};
    static const char *const aboves[] = {"", "younger-than: 3d\n"};
    for (size_t a = 0; a < sizeof aboves / sizeof *aboves; a++) {
        for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
            for (size_t j = i; j < sizeof reasons / sizeof *reasons; j++) {
                pair_is(aboves[a], reasons[i], reasons[j]);
            }
            pair_is(aboves[a], "newest: 3, by: pull", i > 0 ? reasons[i] : "newest: 3, by: pull");
        }
    }
}

static void what_is_protected_stays_beside_every_reason(void **state) {
    (void)state;
    static const char *const reasons[] = {"none", "{newest: 3}", "{pushed-within: 7d}",
                                          "{pulled-within: 2d}"};
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        struct kept without = kept_by("", reasons[i]);
        struct kept with = kept_by("protect: prod\n", reasons[i]);
        assert_memory_equal(without.tags, with.tags, AGES * AGES + 1);
        assert_true(with.tags[AGES * AGES + 1]);
        assert_false(without.tags[AGES * AGES + 1]);
    }
}

static void a_tag_without_a_known_time_stays_and_does_not_count(void **state) {
    (void)state;
    judged_as(RULE("*", "{newest: 1}"), false, 90, TAGS({"a", -1, -1}, {"b", 8, -1}, {"c", 9, -1}),
              "a:time unknown b:newest c:let go");
    judged_as(RULE("*", "none"), false, 90, TAGS({"a", -1, -1}), "a:time unknown");
}

static void what_is_younger_than_the_repositorys_limit_stays(void **state) {
    (void)state;
    judged_as("    younger-than: 2d\n" RULE("*", "none"), false, 90, TAGS({"a", 1, -1}, {"b", 2, -1}),
              "a:younger-than b:let go");
}

static void untagged_revisions_go_by_number_and_age(void **state) {
    (void)state;
    judged_as("none", true, 90, TAGS({"a", 1, -1}), "a:let go");
    judged_as("all", true, 90, TAGS({"a", 99, -1}), "a:keep all");
    judged_as("{newest: 1, pushed-within: 3d}", true, 90, TAGS({"a", 1, -1}, {"b", 2, -1}, {"c", 9, -1}),
              "a:pushed-within b:pushed-within c:let go");
    judged_as("{newest: 2}", true, 90, TAGS({"a", 30, -1}, {"b", 20, -1}, {"c", 10, -1}),
              "a:let go b:newest c:newest");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_no_rule_speaks_of_stays),
        cmocka_unit_test(the_first_rule_that_fits_decides),
        cmocka_unit_test(protected_names_stay_whatever_a_rule_says),
        cmocka_unit_test(the_newest_by_push_stay),
        cmocka_unit_test(of_the_same_time_the_first_by_name_stays),
        cmocka_unit_test(a_push_counts_as_a_pull_for_the_newest_by_pull),
        cmocka_unit_test(where_nobody_hears_of_pulls_the_newest_by_pull_are_not_known),
        cmocka_unit_test(the_newest_are_counted_rule_by_rule),
        cmocka_unit_test(protected_names_do_not_count_among_the_newest),
        cmocka_unit_test(what_was_pushed_within_the_time_stays),
        cmocka_unit_test(what_was_pulled_within_the_time_stays),
        cmocka_unit_test(that_nobody_pulled_it_is_known_only_after_as_long),
        cmocka_unit_test(one_reason_to_keep_is_enough),
        cmocka_unit_test(of_two_reasons_each_keeps_what_it_keeps_alone),
        cmocka_unit_test(what_is_protected_stays_beside_every_reason),
        cmocka_unit_test(a_tag_without_a_known_time_stays_and_does_not_count),
        cmocka_unit_test(what_is_younger_than_the_repositorys_limit_stays),
        cmocka_unit_test(untagged_revisions_go_by_number_and_age),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
