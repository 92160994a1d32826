/* Every request to storage fails once: no fact is lost, and no scan calls itself whole that is not. */
#include "scan_help.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct parts {
    struct tree_image image, other;
    struct rsw_digest index, referrer, signature, schema1, layer;
};

static struct parts build(struct world *w) {
    struct parts p;
    p.image = tree_image(&w->tree, "group/app", "1", "seed", 2);
    p.other = tree_image(&w->tree, "other", "1", "other", 1);
    p.index = tree_index(&w->tree, "group/app", "all", &p.image.manifest, 1);
    p.referrer =
        tree_referrer(&w->tree, "group/app", NULL, &p.image.manifest, "application/spdx+json", "{}x");
    p.layer = tree_blob(&w->tree, "old layer");
    p.schema1 = tree_schema1(&w->tree, "old", "1", &p.layer, 1, &p.signature);
    tree_upload(&w->tree, "other", "u", "2026-11-01T00:00:00Z", 5);
    return p;
}

/* Every line that a clean index says of what storage has is still said, or says that it is damaged: never
 * less. */
static void expect_nothing_lost(struct world *w, struct rsw_index *clean, int fault) {
    char *lines = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&lines, &size);
    assert_true(compare_indexes(clean, w->index, out, 1000, &w->err) >= 0);
    fclose(out);
    for (char *save = NULL, *line = strtok_r(lines, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        bool lost = line[0] == '-' && (strstr(line, " present") != NULL || strncmp(line, "- tag", 5) == 0 ||
                                       strncmp(line, "- ref", 5) == 0 || strncmp(line, "- hist", 6) == 0 ||
                                       strncmp(line, "- repo", 6) == 0 || strncmp(line, "- sig", 5) == 0);
        if (!lost) {
            continue;
        }
        /* the same object, marked as damaged, is kept too */
        char damaged[512];
        snprintf(damaged, sizeof damaged, "%.*s", (int)strcspn(line + 2, "="), line + 2);
        if (strncmp(line, "- tag", 5) == 0 && says(w, "%s= nothing bad", damaged)) {
            continue;
        }
        if (strstr(line, " present") != NULL && says(w, "%s bad", line + 2)) {
            continue;
        }
        fail_msg("request %d failed, and this was lost: %s\n%s", fault, line, w->said);
    }
    free(lines);
}

static void no_single_failed_request_loses_a_known_fact(void **state) {
    struct world *w = *state;
    build(w);
    scan(w);
    struct rsw_index *clean = open_index(w, "clean");
    assert_int_equal(rsw_scan(&w->result, clean, w->storage, &w->options, &w->err), 0);
    uint64_t problems = w->result.problems;
    assert_int_equal(problems, 0);
    int fault = 0;
    bool passed = false;
    for (; !passed && fault < 2000; fault++) {
        w->said[0] = 0;
        rsw_memory_fail_after(w->storage, fault, EIO);
        int rc = try_scan(w);
        passed = rc == 0 && w->result.complete && w->result.problems == 0;
        expect_nothing_lost(w, clean, fault);
        if (!passed && rc == 0 && w->result.complete && w->result.problems == 0) {
            fail_msg("request %d failed and nobody heard of it", fault);
        }
        rsw_memory_fail_after(w->storage, 0, 0);
    }
    assert_true(passed);
    assert_true(fault > 8);
    rsw_index_close(clean);
}

static void a_first_scan_with_one_failed_request_is_not_complete_or_tells_a_problem(void **state) {
    struct world *w = *state;
    build(w);
    bool passed = false;
    int fault = 0;
    for (; !passed && fault < 2000; fault++) {
        char name[32];
        snprintf(name, sizeof name, "index-%d", fault);
        struct rsw_index *index = open_index(w, name);
        rsw_memory_fail_after(w->storage, fault, EIO);
        int rc = rsw_scan(&w->result, index, w->storage, &w->options, &w->err);
        bool quiet = rc == 0 && w->result.complete && w->result.problems == 0;
        rsw_memory_fail_after(w->storage, 0, 0);
        rsw_error_clear(&w->err);
        if (quiet) {
            scan(w);
            int differences = compare_indexes(w->index, index, stderr, 20, &w->err);
            if (differences != 0) {
                fail_msg("request %d failed unheard: %d differences", fault, differences);
            }
            passed = true;
        } else { /* and the next scan makes it whole */
            assert_int_equal(rsw_scan(&w->result, index, w->storage, &w->options, &w->err), 0);
            assert_true(w->result.complete);
            assert_int_equal(w->result.problems, 0);
        }
        rsw_index_close(index);
    }
    assert_true(passed);
    assert_true(fault > 15);
}

static void the_checker_loses_nothing_when_storage_fails(void **state) {
    struct world *w = *state;
    struct parts p = build(w);
    scan(w);
    struct rsw_index *clean = open_index(w, "clean");
    assert_int_equal(rsw_scan(&w->result, clean, w->storage, &w->options, &w->err), 0);
    int fault = 0;
    bool passed = false;
    for (; !passed && fault < 500; fault++) {
        event_push(w, "group/app", "1", &p.image.manifest);
        event_push(w, "group/app", "all", &p.index);
        event_delete(w, "group/app", &p.image.layers[0]);
        event_delete(w, "other", &p.other.manifest);
        queue(w, RSW_CHECK_REPOSITORY, "old", NULL);
        rsw_memory_fail_after(w->storage, fault, EIO);
        struct rsw_check_result result = check(w);
        rsw_memory_fail_after(w->storage, 0, 0);
        passed = result.left == 0 && result.failed == 0;
        w->now_ms += 10 * MINUTE; /* what failed is due again */
        result = check(w);
        assert_int_equal(result.left, 0);
        if (compare_indexes(clean, w->index, stderr, 20, &w->err) != 0) {
            fail_msg("request %d failed", fault);
        }
    }
    assert_true(passed);
    assert_true(fault > 5);
    rsw_index_close(clean);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        test_memory(no_single_failed_request_loses_a_known_fact),
        test_in(no_single_failed_request_loses_a_known_fact, in_flat_memory),
        test_memory(a_first_scan_with_one_failed_request_is_not_complete_or_tells_a_problem),
        test_in(a_first_scan_with_one_failed_request_is_not_complete_or_tells_a_problem, in_flat_memory),
        test_memory(the_checker_loses_nothing_when_storage_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
