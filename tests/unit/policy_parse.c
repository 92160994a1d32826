/* The policy file: what is read of it, and what is said of what is wrong in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "policy/policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct rsw_policy *parsed(const char *text) {
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_policy *policy;
    if (rsw_policy_parse(&policy, "p", text, strlen(text), &err) != 0) {
        fail_msg("%s", err.message);
    }
    return policy;
}

static void all_that_a_policy_can_say_is_read(void **state) {
    (void)state;
    struct rsw_policy *policy =
        parsed("protect: [prod, \"lts-*\"]\n"
               "younger-than: 1h\n"
               "repositories:\n"
               "  - match: [\"team/**\", {regex: \"other/[a-z]+\"}]\n"
               "    protect: keep-me\n"
               "    younger-than: 2h\n"
               "    tags:\n"
               "      - match: \"pr-*\"\n"
               "        keep: none\n"
               "      - match: {regex: \"v[0-9]+\"}\n"
               "        keep: {newest: 10, by: pull, pushed-within: 30d, pulled-within: 14d}\n"
               "        revisions: 3\n"
               "    untagged: {newest: 5}\n"
               "  - match: \"**\"\n"
               "    untagged: all\n");
    assert_int_equal(policy->protect.count, 2);
    assert_int_equal(policy->repository_count, 2);
    const struct rsw_repository_rules *rules = rsw_policy_find(policy, "team/a/b");
    assert_ptr_equal(rules, &policy->repositories[0]);
    assert_ptr_equal(rsw_policy_find(policy, "other/abc"), rules);
    assert_ptr_equal(rsw_policy_find(policy, "other/abc/d"), &policy->repositories[1]);
    assert_int_equal(rules->younger_than_ms, 7200000);
    assert_int_equal(rules[1].younger_than_ms, 3600000);
    assert_int_equal(rules->tag_count, 2);
    assert_false(rules->tags[0].keep.all);
    assert_int_equal(rules->tags[0].line, 8);
    assert_int_equal(rules->tags[1].keep.newest, 10);
    assert_true(rules->tags[1].keep.by_pull);
    assert_int_equal(rules->tags[1].keep.pushed_within_ms, 30 * INT64_C(86400000));
    assert_int_equal(rules->tags[1].keep.pulled_within_ms, 14 * INT64_C(86400000));
    assert_int_equal(rules->tags[1].revisions, 3);
    assert_true(rules->untagged_said);
    assert_int_equal(rules->untagged.newest, 5);
    assert_true(rules[1].untagged.all);
    rsw_policy_free(policy);
}

static void what_is_wrong_is_told_with_line_and_column(void **state) {
    (void)state;
    static const struct {
        const char *text;
        const char *told;
    } cases[] = {
        {"", "there is nothing in it"},
        {"# only a remark\n", "there is nothing in it"},
        {"- a\n", "p:1:1: expected lines of"},
        {"repositories: [\n", "p:2"},
        {"younger-than: 1h\n", "p:1:1: repositories is missing"},
        {"repositories: {}\n", "p:1:15: expected a list"},
        {"repositories:\n", "p:1:1: repositories: nothing is said"},
        {"repositories: []\nrepositories: []\n", "p:2:1: repositories is there twice"},
        {"repositories: []\nkeep: all\n",
         "p:2:1: keep: expected one of: protect, younger-than, repositories"},
        {"repositories:\n  - tags: []\n", "p:2:5: match is missing"},
        {"repositories:\n  - match: a\n    tag: []\n", "p:3:5: tag: expected one of: match, protect"},
        {"repositories:\n  - match: []\n", "p:2:12: an empty list fits nothing"},
        {"repositories:\n  - match: ''\n", "p:2:12: expected a name"},
        {"repositories:\n  - match: {regex: \"a(\"}\n", "p:2:20: no regular expression"},
        {"repositories:\n  - match: {regex: \"a(b\"}\n", "p:2:20: no regular expression"},
        {"repositories:\n  - match: {regex: \"a)(b\"}\n", "p:2:20: a ')' without its '('"},
        {"repositories:\n  - match: {regex: \"a)++++++++++++++++++++++++++++\"}\n", "a ')' without its '('"},
        {"repositories:\n  - match: {regex: \"(a{1,99}){1,99}\"}\n",
         "p:2:20: this expression repeats too much"},
        {"repositories:\n  - match: {regex: \"a{1,255}b{1,255}c{1,255}\"}\n",
         "p:2:20: this expression repeats too much"},
        {"repositories:\n  - match: {regex: \"a+++b\"}\n", "p:2:20: this expression repeats too much"},
        {"repositories:\n  - match: {regex: \"((((((((((a+)+)+)+)+)+)+)+)+)+)\"}\n", "repeats too much"},
        {"repositories:\n  - match: {regex: '(a)\\1'}\n", "p:2:20: back references"},
        {"repositories:\n  - match: a\n    younger-than: 10\n", "p:3:19: expected a duration"},
        {"repositories:\n  - match: a\n    tags:\n      - match: b\n", "p:4:9: keep is missing"},
        {"repositories:\n  - match: a\n    tags:\n      - {match: b, keep: some}\n",
         "p:4:26: expected all, none"},
        {"repositories:\n  - match: a\n    tags:\n      - {match: b, keep: {}}\n", "p:4:26: nothing is kept"},
        {"repositories:\n  - match: a\n    tags:\n      - {match: b, keep: {newest: 0}}\n",
         "p:4:35: expected a number from 1"},
        {"repositories:\n  - match: a\n    tags:\n      - {match: b, keep: {newest: -1}}\n",
         "p:4:35: expected a number from 1"},
        {"repositories:\n  - match: a\n    tags:\n      - {match: b, keep: {newest: 1, by: age}}\n",
         "p:4:42: expected push or pull"},
        {"repositories:\n  - match: a\n    tags:\n      - {match: b, keep: {by: pull, pushed-within: 1h}}\n",
         "p:4:26: by says nothing"},
        {"repositories:\n  - match: a\n    tags:\n      - {match: b, keep: all, revisions: many}\n",
         "p:4:42: expected a number from 1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rsw_error err = RSW_ERROR_INIT;
        struct rsw_policy *policy;
        assert_int_equal(rsw_policy_parse(&policy, "p", cases[i].text, strlen(cases[i].text), &err), -1);
        assert_null(policy);
        assert_int_equal(err.code, RSW_EINVAL);
        if (strstr(err.message, cases[i].told) == NULL) {
            fail_msg("%s\n  told: %s\n  and not: %s", cases[i].text, err.message, cases[i].told);
        }
    }
}

/* Lists of lists by aliases: a thousand lines that would be a billion values. */
static void a_small_file_that_says_very_much_is_refused(void **state) {
    (void)state;
    char *text = malloc(200000);
    size_t len = (size_t)sprintf(text, "protect: &p [");
    for (int i = 0; i < 1000; i++) {
        len += (size_t)sprintf(text + len, "a,");
    }
    len += (size_t)sprintf(text + len, "a]\nrepositories:\n  - &r {match: *p}\n");
    for (int i = 0; i < 1000; i++) {
        len += (size_t)sprintf(text + len, "  - *r\n");
    }
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_policy *policy;
    assert_int_equal(rsw_policy_parse(&policy, "p", text, len, &err), -1);
    assert_non_null(strstr(err.message, "more than 100000 values"));
    free(text);
}

static void globs_know_the_parts_of_a_name(void **state) {
    (void)state;
    static const struct {
        const char *glob, *text;
        bool fits;
    } cases[] = {
        {"a", "a", true},
        {"a", "ab", false},
        {"*", "a", true},
        {"*", "a/b", false},
        {"**", "a/b", true},
        {"a/**", "a", false},
        {"a/**", "a/b/c", true},
        {"a/*", "a/b/c", false},
        {"**/c", "a/b/c", true},
        {"a/*/c", "a/b/c", true},
        {"a/**/c", "a/b/d/c", true},
        {"a?c", "abc", true},
        {"a?c", "a/c", false},
        {"*-*", "pr-1", true},
        {"pr-*", "pr-", true},
        {"", "", true},
        {"", "a", false},
        {"*a*a*a", "aaaa", true},
        {"*a*a*a*b", "aaaa", false},
        {"***", "a/b", true},
        {"a.b", "axb", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (rsw_glob_matches(cases[i].glob, cases[i].text) != cases[i].fits) {
            fail_msg("%s against %s", cases[i].glob, cases[i].text);
        }
    }
}

static void an_expression_must_fit_the_whole_name(void **state) {
    (void)state;
    struct rsw_policy *policy =
        parsed("repositories:\n  - match: {regex: \"v([0-9]+[.])+[0-9]{1,4}(-[a-z]*)?\"}\n");
    assert_non_null(rsw_policy_find(policy, "v1.2.3-rc"));
    assert_null(rsw_policy_find(policy, "v1"));
    rsw_policy_free(policy);
    policy = parsed("repositories:\n  - match: {regex: \"a|b\"}\n");
    assert_non_null(rsw_policy_find(policy, "b"));
    assert_null(rsw_policy_find(policy, "ab"));
    assert_null(rsw_policy_find(policy, "bc"));
    rsw_policy_free(policy);
}

/* The library takes minutes over so many. */
static void brackets_without_end_are_refused_at_once(void **state) {
    (void)state;
    char text[200000];
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_policy *policy;
    memset(text, '[', sizeof text);
    memcpy(text, "a:\n", 3);
    assert_int_equal(rsw_policy_parse(&policy, "p", text, sizeof text, &err), -1);
    assert_string_equal(err.message, "p:2: more than 1000 brackets are open");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(brackets_without_end_are_refused_at_once),
        cmocka_unit_test(all_that_a_policy_can_say_is_read),
        cmocka_unit_test(what_is_wrong_is_told_with_line_and_column),
        cmocka_unit_test(a_small_file_that_says_very_much_is_refused),
        cmocka_unit_test(globs_know_the_parts_of_a_name),
        cmocka_unit_test(an_expression_must_fit_the_whole_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
