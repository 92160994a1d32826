/* Basic and Bearer, and where credentials never go. */
#include "registry_mock.h"

#include <stdio.h>
#include <string.h>

static struct rsw_registry *open_with_realm(struct mock *mock, const char *realm) {
    const struct rsw_registry_options options = {
        .nonce = "n1", .user = MOCK_USER, .password = MOCK_PASSWORD, .realm = realm, .clock = &mock->clock};
    struct rsw_registry *registry = NULL;
    struct rsw_error err = RSW_ERROR_INIT;
    expect_answer(rsw_registry_open(&registry, mock->url, &options, &err), 0, &err);
    return registry;
}

static void a_registry_without_authentication_gets_no_credentials(void **state) {
    struct mock *mock = *state;
    RSW_AUTO_REGISTRY registry = mock_open(mock, true);
    struct rsw_error err = RSW_ERROR_INIT;
    expect_answer(rsw_registry_head_manifest(registry, "found", "t", &err), RSW_FOUND, &err);
    assert_string_equal(mock_last(mock, "HEAD")->authorization, "");
}

static void basic_credentials_are_given_when_asked_for_and_then_at_once(void **state) {
    struct mock *mock = *state;
    RSW_AUTO_REGISTRY registry = mock_open(mock, true);
    struct rsw_error err = RSW_ERROR_INIT;
    mock->auth = MOCK_BASIC;
    expect_answer(rsw_registry_ping(registry, &err), 0, &err);
    assert_int_equal(mock_count(mock, "GET /v2/"), 2);
    expect_answer(rsw_registry_head_manifest(registry, "found", "t", &err), RSW_FOUND, &err);
    assert_int_equal(mock_count(mock, "HEAD"), 1);
    assert_string_equal(mock_last(mock, "HEAD")->authorization, MOCK_BASIC_HEADER);
}

static void wrong_basic_credentials_are_tried_once_and_the_missing_scope_is_named(void **state) {
    struct mock *mock = *state;
    RSW_AUTO_REGISTRY registry = NULL;
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_digest digest = mock_digest("x");
    const struct rsw_registry_options options = {.nonce = "n1", .user = "eve", .password = "wrong"};
    int status = 0;
    mock->auth = MOCK_BASIC;
    assert_int_equal(rsw_registry_open(&registry, mock->url, &options, &err), 0);
    expect_answer(rsw_registry_clear(registry, "found", &digest, &status, &err), -1, &err);
    expect_words(&err, RSW_EACCESS,
                 "denies the user eve a DELETE, which needs the scope repository:found:delete");
    expect_words(&err, RSW_EACCESS, "401: UNAUTHORIZED, authentication required");
    assert_int_equal(status, 401);
    assert_int_equal(mock_count(mock, "DELETE"), 2);
    expect_answer(rsw_registry_clear(registry, "found", &digest, &status, &err), -1, &err);
    assert_int_equal(mock_count(mock, "DELETE"), 3);
}

static void without_a_user_a_registry_that_wants_one_denies(void **state) {
    struct mock *mock = *state;
    RSW_AUTO_REGISTRY registry = mock_open(mock, false);
    struct rsw_error err = RSW_ERROR_INIT;
    mock->auth = MOCK_BASIC;
    expect_answer(rsw_registry_head_manifest(registry, "found", "t", &err), RSW_FAILED, &err);
    expect_words(&err, RSW_EACCESS, "denies access without a user for a HEAD");
    assert_int_equal(mock_count(mock, "HEAD"), 1);
    mock->challenge = "Digest realm=\"x\"";
    expect_answer(rsw_registry_ping(registry, &err), -1, &err);
    expect_words(&err, RSW_EACCESS, "names no way to authenticate that we know");
}

static void a_token_is_fetched_for_the_scope_at_hand_and_kept(void **state) {
    struct mock *mock = *state;
    RSW_AUTO_REGISTRY registry = mock_open(mock, true);
    struct rsw_digest digest = mock_digest("x");
    struct rsw_error err = RSW_ERROR_INIT;
    mock->auth = MOCK_BEARER;
    expect_answer(rsw_registry_head_blob(registry, "found", &digest, &err), RSW_FOUND, &err);
    assert_int_equal(mock_count(mock, "HEAD"), 2);
    const struct mock_note *token = mock_last(mock, "GET /token");
    assert_string_equal(token->line, "GET /token?v=1&service=the+mock&scope=repository%3afound%3apull");
    assert_string_equal(token->authorization, MOCK_BASIC_HEADER);
    assert_string_equal(token->agent, "regsweep/" REGSWEEP_VERSION " (run n1)");
    assert_string_equal(mock_last(mock, "HEAD")->authorization, "Bearer token-1");
    expect_answer(rsw_registry_head_manifest(registry, "found", "t", &err), RSW_FOUND, &err);
    assert_int_equal(mock_count(mock, "HEAD"), 3);
    assert_int_equal(mock_count(mock, "GET /token"), 1);
}

static void of_several_challenges_the_token_is_chosen(void **state) {
    struct mock *mock = *state;
    char challenge[256];
    struct rsw_error err = RSW_ERROR_INIT;
    static const char *const forms[] = {"Basic realm=\"x\", ", "Bearer realm=\"", "Digest realm=\"x\", "};
    mock->auth = MOCK_BEARER;
    mock->challenge = challenge;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        RSW_AUTO_REGISTRY registry = mock_open(mock, true);
        bool bearer_first = i == 1;
        snprintf(challenge, sizeof challenge, "%s%s%s/token\"%s", forms[i],
                 bearer_first ? "" : "Bearer realm=\"", mock->url, bearer_first ? ", Basic realm=\"x\"" : "");
        expect_answer(rsw_registry_ping(registry, &err), 0, &err);
    }
    assert_int_equal(mock_count(mock, "GET /token"), 3);
}

static void another_scope_has_a_token_of_its_own_fetched_without_being_asked_again(void **state) {
    struct mock *mock = *state;
    RSW_AUTO_REGISTRY registry = mock_open(mock, true);
    struct rsw_digest digest = mock_digest("x");
    struct rsw_error err = RSW_ERROR_INIT;
    int status = 0;
    mock->auth = MOCK_BEARER;
    expect_answer(rsw_registry_ping(registry, &err), 0, &err);
    assert_string_equal(mock_last(mock, "GET /token")->line, "GET /token?v=1&service=the+mock");
    expect_answer(rsw_registry_clear(registry, "found", &digest, &status, &err), 0, &err);
    assert_int_equal(mock_count(mock, "DELETE"), 1);
    assert_non_null(strstr(mock_last(mock, "GET /token")->line, "scope=repository%3afound%3adelete"));
    expect_answer(rsw_registry_put_blob(registry, "push", &digest, "x", 1, &err), 0, &err);
    assert_non_null(strstr(mock_last(mock, "GET /token")->line, "scope=repository%3apush%3apull%2cpush"));
    assert_int_equal(mock_count(mock, "GET /token"), 3);
}

static void a_token_is_fetched_anew_when_its_time_is_over(void **state) {
    struct mock *mock = *state;
    RSW_AUTO_REGISTRY registry = mock_open(mock, true);
    struct rsw_error err = RSW_ERROR_INIT;
    mock->auth = MOCK_BEARER;
    mock->expires_in = 0; /* not said: a minute */
    expect_answer(rsw_registry_head_manifest(registry, "found", "t", &err), RSW_FOUND, &err);
    mock->now_ms += 53000;
    expect_answer(rsw_registry_head_manifest(registry, "found", "t", &err), RSW_FOUND, &err);
    assert_int_equal(mock_count(mock, "GET /token"), 1);
    mock->now_ms += 2000;
    expect_answer(rsw_registry_head_manifest(registry, "found", "t", &err), RSW_FOUND, &err);
    assert_int_equal(mock_count(mock, "GET /token"), 2);
    assert_int_equal(mock_count(mock, "HEAD"), 4); /* none was refused but the first */
}

static void a_token_that_is_refused_is_renewed_once(void **state) {
    struct mock *mock = *state;
    RSW_AUTO_REGISTRY registry = mock_open(mock, true);
    struct rsw_error err = RSW_ERROR_INIT;
    mock->auth = MOCK_BEARER;
    expect_answer(rsw_registry_head_manifest(registry, "found", "t", &err), RSW_FOUND, &err);
    mock_revoke(mock);
    mock_forget(mock);
    expect_answer(rsw_registry_head_manifest(registry, "found", "t", &err), RSW_FOUND, &err);
    assert_int_equal(mock_count(mock, "HEAD"), 2);
    assert_int_equal(mock_count(mock, "GET /token"), 1);
    mock->token_answer = "{\"access_token\":\"of-no-use\",\"expires_in\":300}";
    mock_revoke(mock);
    mock_forget(mock);
    expect_answer(rsw_registry_head_manifest(registry, "found", "t", &err), RSW_FAILED, &err);
    expect_words(&err, RSW_EACCESS, "needs the scope repository:found:pull");
    assert_int_equal(mock_count(mock, "HEAD"), 2);
    assert_int_equal(mock_count(mock, "GET /token"), 1);
}

static void many_scopes_do_not_grow_the_cache_without_end(void **state) {
    struct mock *mock = *state;
    RSW_AUTO_REGISTRY registry = mock_open(mock, true);
    struct rsw_error err = RSW_ERROR_INIT;
    char repo[32];
    mock->auth = MOCK_BEARER;
    for (int i = 0; i < 150; i++) {
        snprintf(repo, sizeof repo, "absent/%d", i);
        expect_answer(rsw_registry_head_manifest(registry, repo, "t", &err), RSW_ABSENT, &err);
    }
}

static void a_realm_elsewhere_is_refused_and_named_before_anything_is_sent(void **state) {
    struct mock *mock = *state;
    struct mock other;
    char challenge[256];
    char realm[128];
    char wrong_path[160];
    struct rsw_error err = RSW_ERROR_INIT;
    mock_start(&other, NULL, NULL);
    snprintf(realm, sizeof realm, "%s/token", other.url);
    snprintf(challenge, sizeof challenge, "Bearer realm=\"%s?x=1\",service=\"s\"", realm);
    mock->auth = MOCK_BEARER;
    mock->challenge = challenge;
    RSW_AUTO_REGISTRY registry = mock_open(mock, true);
    expect_answer(rsw_registry_head_manifest(registry, "found", "t", &err), RSW_FAILED, &err);
    expect_words(&err, RSW_EREFUSED, realm);
    expect_words(&err, RSW_EREFUSED, mock->url);
    expect_words(&err, RSW_EREFUSED, "registry-realm");
    RSW_AUTO_REGISTRY misled = open_with_realm(mock, "http://127.0.0.1:1/token");
    expect_answer(rsw_registry_head_manifest(misled, "found", "t", &err), RSW_FAILED, &err);
    expect_words(&err, RSW_EREFUSED, "http://127.0.0.1:1/token");
    snprintf(wrong_path, sizeof wrong_path, "%s/", realm);
    RSW_AUTO_REGISTRY beside = open_with_realm(mock, wrong_path);
    expect_answer(rsw_registry_head_manifest(beside, "found", "t", &err), RSW_FAILED, &err);
    expect_words(&err, RSW_EREFUSED, wrong_path);
    assert_int_equal(mock_count(&other, ""), 0);
    /* Named by the options it is asked, with the credentials. */
    RSW_AUTO_REGISTRY allowed = open_with_realm(mock, realm);
    expect_answer(rsw_registry_head_manifest(allowed, "found", "t", &err), RSW_FOUND, &err);
    assert_string_equal(mock_last(&other, "GET /token")->authorization, MOCK_BASIC_HEADER);
    mock_stop(&other);
}

static void realms_that_look_like_the_own_host_and_are_not_are_refused(void **state) {
    static const char *const forms[] = {"http://127.0.0.1.example:%s/token",
                                        "https://127.0.0.1:%s/token",
                                        "http://localhost:%s/token",
                                        "http://127.0.0.1:%s@evil.example/token",
                                        "http://evil.example#127.0.0.1:%s/",
                                        "file:///etc/passwd?%s",
                                        "//127.0.0.1:%s/token",
                                        "/token?%s",
                                        "%.0s"};
    struct mock *mock = *state;
    char realm[128];
    char challenge[256];
    const char *port = strrchr(mock->url, ':') + 1;
    mock->auth = MOCK_BEARER;
    mock->challenge = challenge;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct rsw_error err = RSW_ERROR_INIT;
        RSW_AUTO_REGISTRY registry = mock_open(mock, true);
        snprintf(realm, sizeof realm, forms[i], port);
        snprintf(challenge, sizeof challenge, "Bearer realm=\"%s\"", realm);
        expect_answer(rsw_registry_head_manifest(registry, "found", "t", &err), RSW_FAILED, &err);
        assert_true(err.code == RSW_EREFUSED || err.code == RSW_EINVAL || err.code == RSW_EIO);
        assert_int_equal(mock_count(mock, "GET"), 0);
    }
    mock->challenge = NULL;
}

static void token_servers_that_do_not_help_are_told(void **state) {
    static const struct {
        const char *answer;
        int status;
        enum rsw_code code;
        const char *words;
    } cases[] = {
        {NULL, 401, RSW_EACCESS, "as the user user for the scope repository:found:pull: the token server"},
        {NULL, 403, RSW_EACCESS, "answers 403"},
        {NULL, 503, RSW_EIO, "answers 503"},
        {NULL, 307, RSW_EIO, "answers 307"},
        {"{}", 0, RSW_EIO, "no token"},
        {"", 0, RSW_EIO, "no token"},
        {"[]", 0, RSW_EIO, "no token"},
        {"<html>", 0, RSW_EIO, "no token"},
        {"{\"token\":\"\"}", 0, RSW_EIO, "no token"},
        {"{\"token\":7}", 0, RSW_EIO, "no token"},
        {"{\"token\":\"a\\r\\nX: y\"}", 0, RSW_EIO, "fits in no header"},
    };
    struct mock *mock = *state;
    mock->auth = MOCK_BEARER;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rsw_error err = RSW_ERROR_INIT;
        RSW_AUTO_REGISTRY registry = mock_open(mock, true);
        mock->token_answer = cases[i].answer;
        mock->token_status = cases[i].status;
        expect_answer(rsw_registry_head_manifest(registry, "found", "t", &err), RSW_FAILED, &err);
        expect_words(&err, cases[i].code, cases[i].words);
    }
}

static void what_the_registry_says_back_brings_no_secret_into_a_message(void **state) {
    struct mock *mock = *state;
    struct rsw_error err = RSW_ERROR_INIT;
    static const enum mock_auth modes[] = {MOCK_BASIC, MOCK_BEARER};
    for (size_t i = 0; i < 2; i++) {
        RSW_AUTO_REGISTRY registry = mock_open(mock, true);
        mock->auth = modes[i];
        expect_answer(rsw_registry_get_manifest(registry, "echo", "t", NULL, &err), RSW_FAILED, &err);
        expect_words(&err, RSW_EIO, modes[i] == MOCK_BASIC ? "you said Basic ****" : "you said Bearer ****");
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, mock_setup, mock_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_registry_without_authentication_gets_no_credentials),
        TEST(basic_credentials_are_given_when_asked_for_and_then_at_once),
        TEST(wrong_basic_credentials_are_tried_once_and_the_missing_scope_is_named),
        TEST(without_a_user_a_registry_that_wants_one_denies),
        TEST(a_token_is_fetched_for_the_scope_at_hand_and_kept),
        TEST(of_several_challenges_the_token_is_chosen),
        TEST(another_scope_has_a_token_of_its_own_fetched_without_being_asked_again),
        TEST(a_token_is_fetched_anew_when_its_time_is_over),
        TEST(a_token_that_is_refused_is_renewed_once),
        TEST(many_scopes_do_not_grow_the_cache_without_end),
        TEST(a_realm_elsewhere_is_refused_and_named_before_anything_is_sent),
        TEST(realms_that_look_like_the_own_host_and_are_not_are_refused),
        TEST(token_servers_that_do_not_help_are_told),
        TEST(what_the_registry_says_back_brings_no_secret_into_a_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
