/* What replicas answer that are not as they should be. tests/e2e/replicas.bats has real ones. */
#include "registry_mock.h"

#include "gc/caches.h"

#include <stdio.h>
#include <string.h>

static struct rsw_replicas *open_memory(struct mock *mock, const char *second) {
    const char *urls[] = {mock->url, second};
    const struct rsw_replicas_options options = {.urls = urls,
                                                 .count = second != NULL ? 2 : 1,
                                                 .cache = RSW_CACHE_MEMORY,
                                                 .user = MOCK_USER,
                                                 .password = MOCK_PASSWORD,
                                                 .clock = &mock->clock};
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_replicas *replicas = NULL;
    if (rsw_replicas_open(&replicas, &options, &err) != 0) {
        fail_msg("%s", err.message);
    }
    return replicas;
}

static int forget(struct rsw_replicas *replicas, const char *repo, bool manifest, struct rsw_error *err) {
    struct rsw_digest digest = mock_digest("x");
    struct rsw_cached cached = {.repo = repo, .digest = &digest, .manifest = manifest};
    replicas->ops->forget(replicas, &cached, 1);
    *err = cached.err;
    return cached.answer;
}

static void what_is_known_after_every_delete_is_an_error(void **state) {
    struct mock *mock = *state;
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_replicas *replicas = open_memory(mock, NULL);
    assert_int_equal(forget(replicas, "found", false, &err), RSW_FAILED);
    expect_words(&err, RSW_EIO, "still knows sha256:");
    assert_int_equal(mock_count(mock, "DELETE /v2/found/blobs/sha256:"), 5);
    assert_int_equal(mock_count(mock, "DELETE /v2/found/manifests/"), 0); /* that would untag */
    rsw_replicas_close(replicas);
}

static void what_none_knows_is_not_deleted(void **state) {
    struct mock *mock = *state;
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_replicas *replicas = open_memory(mock, NULL);
    assert_int_equal(forget(replicas, "absent", true, &err), RSW_ABSENT);
    assert_int_equal(mock_count(mock, "HEAD /v2/absent/blobs/"), 1);
    assert_int_equal(mock_count(mock, "HEAD /v2/absent/manifests/"), 1);
    assert_int_equal(mock_count(mock, "DELETE"), 0);
    assert_int_equal(forget(replicas, "absent", false, &err), RSW_ABSENT);
    assert_int_equal(mock_count(mock, "HEAD /v2/absent/manifests/"),
                     1); /* a layer is asked for as one alone */
    rsw_replicas_close(replicas);
}

static void one_that_is_not_sure_is_never_absence(void **state) {
    static const char *const repos[] = {"broken", "html", "gateway", "nowhere", "unrouted",
                                        "busy",   "page", "denied",  "moved",   "https"};
    struct mock *mock = *state;
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_replicas *replicas = open_memory(mock, NULL);
    for (size_t i = 0; i < sizeof repos / sizeof *repos; i++) {
        if (forget(replicas, repos[i], true, &err) != RSW_FAILED) {
            fail_msg("%s", repos[i]);
        }
        assert_non_null(strstr(err.message, mock->url));
    }
    rsw_replicas_close(replicas);
}

static void one_that_is_away_for_a_moment_is_looked_at_again(void **state) {
    struct mock *mock = *state;
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_replicas *replicas = open_memory(mock, NULL);
    mock->hung_up = "HEAD";
    mock->hang_ups = 3;
    assert_int_equal(forget(replicas, "absent", true, &err), RSW_ABSENT);
    assert_int_equal(mock->hang_ups, 0);
    mock->hang_ups = 100;
    assert_int_equal(forget(replicas, "absent", true, &err), RSW_FAILED);
    expect_words(&err, RSW_EIO, "no answer to HEAD");
    rsw_replicas_close(replicas);
}

/* Nobody knows whether it is still under way. */
static void a_delete_without_an_answer_is_an_error(void **state) {
    struct mock *mock = *state;
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_replicas *replicas = open_memory(mock, NULL);
    mock->hung_up = "DELETE";
    mock->hang_ups = 1;
    assert_int_equal(forget(replicas, "found", false, &err), RSW_FAILED);
    expect_words(&err, RSW_EIO, "the connection was lost");
    assert_int_equal(mock_count(mock, "DELETE"), 1);
    rsw_replicas_close(replicas);
}

static void one_that_does_not_delete_is_refused(void **state) {
    struct mock *mock = *state;
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_replicas *replicas = open_memory(mock, NULL);
    assert_int_equal(forget(replicas, "kept", false, &err), RSW_FAILED);
    expect_words(&err, RSW_EREFUSED, "storage.delete.enabled");
    rsw_replicas_close(replicas);
}

/* ---- many ---- */

#define MANY 40

/* What the first is of is repeated to the end. */
static void make_list(struct rsw_cached *list, struct rsw_digest *digests, size_t count,
                      const char *const *repos, size_t repo_count) {
    for (size_t i = 0; i < count; i++) {
        char text[16];
        snprintf(text, sizeof text, "%zu", i);
        digests[i] = mock_digest(text);
        list[i] = (struct rsw_cached){
            .repo = repos[i < repo_count ? i : repo_count - 1], .digest = &digests[i], .answer = RSW_FAILED};
    }
}

static void many_are_asked_for_at_once_but_not_too_many(void **state) {
    static const char *const repos[] = {"absent"};
    struct mock *mock = *state;
    struct rsw_cached list[MANY];
    struct rsw_digest digests[MANY];
    struct rsw_replicas *replicas = open_memory(mock, NULL);
    make_list(list, digests, MANY, repos, 1);
    mock_forget(mock);
    mock->pause_ms = 30;
    replicas->ops->forget(replicas, list, MANY);
    assert_true(mock->most > 1 && mock->most <= RSW_CACHES_AT_ONCE);
    for (size_t i = 0; i < MANY; i++) {
        char line[128];
        char digest[RSW_DIGEST_TEXT_MAX];
        snprintf(line, sizeof line, "HEAD /v2/absent/blobs/%s", rsw_digest_format(&digests[i], digest));
        assert_int_equal(mock_count(mock, line), 1);
        assert_int_equal(list[i].answer, RSW_ABSENT);
    }
    rsw_replicas_close(replicas);
}

static void what_one_repository_denies_is_no_answer_of_the_others(void **state) {
    static const char *const repos[] = {"absent", "denied", "absent", "denied", "absent"};
    struct mock *mock = *state;
    struct rsw_cached list[MANY];
    struct rsw_digest digests[MANY];
    struct rsw_replicas *replicas = open_memory(mock, NULL);
    make_list(list, digests, MANY, repos, 5);
    replicas->ops->forget(replicas, list, MANY);
    for (size_t i = 0; i < MANY; i++) {
        bool denied = i == 1 || i == 3;
        assert_int_equal(list[i].answer, denied ? RSW_FAILED : RSW_ABSENT);
        assert_int_equal(list[i].err.code, denied ? RSW_EACCESS : RSW_OK);
    }
    rsw_replicas_close(replicas);
}

static void after_a_failure_nothing_more_is_begun(void **state) {
    static const char *const repos[] = {"broken", "absent"};
    struct mock *mock = *state;
    struct rsw_cached list[MANY];
    struct rsw_digest digests[MANY];
    struct rsw_replicas *replicas = open_memory(mock, NULL);
    make_list(list, digests, MANY, repos, 2);
    mock_forget(mock);
    mock->pause_ms = 30;
    replicas->ops->forget(replicas, list, MANY);
    assert_int_equal(list[0].answer, RSW_FAILED);
    assert_int_equal(list[1].answer, RSW_ABSENT); /* was under way */
    assert_int_equal(list[MANY - 1].answer, RSW_FAILED);
    expect_words(&list[MANY - 1].err, RSW_EIO, "/v2/broken/");
    assert_true(mock_count(mock, "HEAD") < MANY);
    rsw_replicas_close(replicas);
}

/* libcurl's own second try, on a connection that was kept open, is among those that must not be. */
static void of_many_each_delete_is_sent_once(void **state) {
    static const char *const repos[] = {"found"};
    struct mock *mock = *state;
    struct rsw_cached list[RSW_CACHES_AT_ONCE];
    struct rsw_digest digests[RSW_CACHES_AT_ONCE];
    struct rsw_replicas *replicas = open_memory(mock, NULL);
    make_list(list, digests, RSW_CACHES_AT_ONCE, repos, 1);
    mock_forget(mock);
    mock->hung_up = "DELETE";
    mock->hang_ups = 1000;
    replicas->ops->forget(replicas, list, RSW_CACHES_AT_ONCE);
    for (size_t i = 0; i < RSW_CACHES_AT_ONCE; i++) {
        char line[128];
        char digest[RSW_DIGEST_TEXT_MAX];
        snprintf(line, sizeof line, "DELETE /v2/found/blobs/%s", rsw_digest_format(&digests[i], digest));
        assert_true(mock_count(mock, line) <= 1);
        assert_int_equal(list[i].answer, RSW_FAILED);
        assert_int_equal(list[i].err.code, RSW_EIO);
    }
    assert_true(mock_count(mock, "DELETE") >= 1);
    rsw_replicas_close(replicas);
}

static void all_must_be_there_and_be_registries(void **state) {
    struct mock *mock = *state;
    struct mock other;
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_replicas *replicas = NULL;
    mock_start(&other, NULL, NULL);
    const char *urls[] = {mock->url, other.url};
    struct rsw_replicas_options options = {.urls = urls, .count = 2, .cache = RSW_CACHE_NONE};
    other.plain = true; /* something answers, but no registry */
    assert_int_equal(rsw_replicas_open(&replicas, &options, &err), -1);
    assert_null(replicas);
    expect_words(&err, RSW_EIO, other.url);
    mock_stop(&other);
    rsw_error_clear(&err);
    assert_int_equal(rsw_replicas_open(&replicas, &options, &err), -1);
    assert_non_null(strstr(err.message, other.url));
    options.count = 0;
    rsw_error_clear(&err);
    assert_int_equal(rsw_replicas_open(&replicas, &options, &err), -1);
    expect_words(&err, RSW_EINVAL, "--registry");
}

static void every_run_has_a_nonce_of_its_own(void **state) {
    struct mock *mock = *state;
    struct rsw_error err = RSW_ERROR_INIT;
    char agent[300];
    char word[RSW_RUN_MAX];
    struct rsw_replicas *one = open_memory(mock, NULL);
    struct rsw_replicas *other = open_memory(mock, NULL);
    assert_int_equal(strspn(one->run, "0123456789abcdef"), strlen(one->run));
    assert_true(strlen(one->run) >= 20);
    assert_string_not_equal(one->run, other->run);
    assert_int_equal(forget(one, "absent", false, &err), RSW_ABSENT);
    snprintf(agent, sizeof agent, "%s", mock_last(mock, "HEAD /v2/absent/blobs/")->agent);
    assert_true(rsw_useragent_word(agent, "run", word, sizeof word));
    assert_string_equal(word, one->run);
    rsw_replicas_close(one);
    rsw_replicas_close(other);
}

static void a_fence_that_cannot_be_asked_for_is_an_error(void **state) {
    struct mock *mock = *state;
    struct rsw_error err = RSW_ERROR_INIT;
    const char *urls[] = {mock->url};
    const struct rsw_replicas_options options = {
        .urls = urls, .count = 1, .cache = RSW_CACHE_NONE, .fence_repo = "gateway"};
    struct rsw_replicas *replicas = NULL;
    assert_int_equal(rsw_replicas_open(&replicas, &options, &err), 0);
    const struct rsw_patience patience = {.until_ms = rsw_monotonic_ms() + 30000};
    assert_int_equal(replicas->ops->fence(replicas, "mark", &patience, &err), -1);
    expect_words(&err, RSW_EIO, "no fence: ");
    assert_int_equal(mock_count(mock, "POST"), 0);
    rsw_replicas_close(replicas);
}

static struct rsw_replicas *open_fence(struct mock *mock, const char *second) {
    const char *urls[] = {mock->url, second};
    const struct rsw_replicas_options options = {
        .urls = urls, .count = second != NULL ? 2 : 1, .cache = RSW_CACHE_NONE, .fence_repo = "found"};
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_replicas *replicas = NULL;
    if (rsw_replicas_open(&replicas, &options, &err) != 0) {
        fail_msg("%s", err.message);
    }
    return replicas;
}

static void one_that_does_not_answer_does_not_keep_the_others_from_being_asked(void **state) {
    struct mock *mock = *state;
    struct mock other;
    struct rsw_error err = RSW_ERROR_INIT;
    const struct rsw_patience patience = {.until_ms = rsw_monotonic_ms() + 30000};
    mock_start(&other, NULL, NULL);
    struct rsw_replicas *replicas = open_fence(mock, other.url);
    mock_forget(&other);
    mock->hung_up = "GET";
    mock->hang_ups = 1000;
    assert_int_equal(replicas->ops->fence(replicas, "mark", &patience, &err), -1);
    expect_words(&err, RSW_EIO, mock->url);
    assert_int_equal(mock_count(&other, "GET /v2/found/blobs/"), 1);
    assert_int_equal(mock_count(&other, "GET /v2/found/manifests/"), 1);
    rsw_replicas_close(replicas);
    mock_stop(&other);
}

static bool stop(void *arg) {
    return rsw_monotonic_ms() >= *(int64_t *)arg;
}

/* One that takes a connection and does not answer for a while. */
static void whoever_asks_waits_no_longer_than_its_patience(void **state) {
    struct mock *mock = *state;
    int64_t soon_ms = rsw_monotonic_ms() + 300;
    const struct {
        struct rsw_patience patience;
        enum rsw_code code;
    } table[] = {
        {{.until_ms = soon_ms}, RSW_EIO},
        {{.until_ms = soon_ms + 60000, .each_ms = 100}, RSW_EIO},
        {{.until_ms = soon_ms + 60000, .stopped = stop, .arg = &soon_ms}, RSW_ESTOPPED},
    };
    struct rsw_replicas *replicas = open_fence(mock, NULL);
    mock->pause_ms = 5000;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct rsw_error err = RSW_ERROR_INIT;
        int64_t began_ms = rsw_monotonic_ms();
        assert_int_equal(replicas->ops->fence(replicas, "mark", &table[i].patience, &err), -1);
        expect_words(&err, table[i].code, "/v2/found/blobs/");
        assert_true(rsw_monotonic_ms() - began_ms < 3000);
    }
    rsw_replicas_close(replicas);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_known_after_every_delete_is_an_error, mock_setup,
                                        mock_teardown),
        cmocka_unit_test_setup_teardown(what_none_knows_is_not_deleted, mock_setup, mock_teardown),
        cmocka_unit_test_setup_teardown(one_that_is_not_sure_is_never_absence, mock_setup, mock_teardown),
        cmocka_unit_test_setup_teardown(one_that_is_away_for_a_moment_is_looked_at_again, mock_setup,
                                        mock_teardown),
        cmocka_unit_test_setup_teardown(a_delete_without_an_answer_is_an_error, mock_setup, mock_teardown),
        cmocka_unit_test_setup_teardown(one_that_does_not_delete_is_refused, mock_setup, mock_teardown),
        cmocka_unit_test_setup_teardown(many_are_asked_for_at_once_but_not_too_many, mock_setup,
                                        mock_teardown),
        cmocka_unit_test_setup_teardown(what_one_repository_denies_is_no_answer_of_the_others, mock_setup,
                                        mock_teardown),
        cmocka_unit_test_setup_teardown(after_a_failure_nothing_more_is_begun, mock_setup, mock_teardown),
        cmocka_unit_test_setup_teardown(of_many_each_delete_is_sent_once, mock_setup, mock_teardown),
        cmocka_unit_test_setup_teardown(all_must_be_there_and_be_registries, mock_setup, mock_teardown),
        cmocka_unit_test_setup_teardown(every_run_has_a_nonce_of_its_own, mock_setup, mock_teardown),
        cmocka_unit_test_setup_teardown(a_fence_that_cannot_be_asked_for_is_an_error, mock_setup,
                                        mock_teardown),
        cmocka_unit_test_setup_teardown(one_that_does_not_answer_does_not_keep_the_others_from_being_asked,
                                        mock_setup, mock_teardown),
        cmocka_unit_test_setup_teardown(whoever_asks_waits_no_longer_than_its_patience, mock_setup,
                                        mock_teardown),
    };
    return cmocka_run_group_tests_name("replicas", tests, NULL, NULL);
}
