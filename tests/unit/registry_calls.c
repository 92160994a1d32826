/* The calls, and what each answer means. */
#include "registry_mock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void what_is_there_is_found_and_what_is_not_is_absent(void **state) {
    struct mock *mock = *state;
    RSW_AUTO_REGISTRY registry = mock_open(mock, false);
    struct rsw_digest digest = mock_digest("x");
    struct rsw_error err = RSW_ERROR_INIT;
    expect_answer(rsw_registry_ping(registry, &err), 0, &err);
    expect_answer(rsw_registry_head_blob(registry, "found", &digest, &err), RSW_FOUND, &err);
    expect_answer(rsw_registry_get_blob(registry, "found", &digest, NULL, &err), RSW_FOUND, &err);
    expect_answer(rsw_registry_head_manifest(registry, "found", "1.0", &err), RSW_FOUND, &err);
    expect_answer(rsw_registry_get_manifest(registry, "found", "_uploads", NULL, &err), RSW_FOUND, &err);
    expect_answer(rsw_registry_head_blob(registry, "absent", &digest, &err), RSW_ABSENT, &err);
    expect_answer(rsw_registry_get_blob(registry, "absent", &digest, NULL, &err), RSW_ABSENT, &err);
    expect_answer(rsw_registry_head_manifest(registry, "absent", "1.0", &err), RSW_ABSENT, &err);
    expect_answer(rsw_registry_get_manifest(registry, "absent", "1.0", NULL, &err), RSW_ABSENT, &err);
    assert_int_equal(err.code, RSW_OK);
    mock_last(mock,
              "HEAD /v2/found/blobs/sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881");
}

static void a_registry_says_what_time_it_has(void **state) {
    struct mock *mock = *state;
    RSW_AUTO_REGISTRY registry = mock_open(mock, false);
    struct rsw_error err = RSW_ERROR_INIT;
    int64_t ms = 0;
    int64_t before_ms = rsw_clock_now_ms(NULL) / 1000 * 1000;
    expect_answer(rsw_registry_clock(registry, &ms, &err), 0, &err);
    assert_true(ms >= before_ms - 1000 && ms <= rsw_clock_now_ms(NULL));
    assert_int_equal(ms % 1000, 0);
    mock->plain = true;
    expect_answer(rsw_registry_clock(registry, &ms, &err), -1, &err);
}

static void no_other_answer_is_taken_for_found_or_absent(void **state) {
    static const struct {
        const char *repo;
        int errnum;
        const char *words; /* of a GET */
    } cases[] = {
        {"busy", EAGAIN, "answer 429: TOOMANYREQUESTS, slow down, to "},
        {"broken", 0, "answer 500: UNKNOWN, disk? on fire, to "},
        {"html", 0, "answer 500, which is no answer of a registry"},
        {"gateway", EAGAIN, "answer 502, which is no answer of a registry"},
        {"nowhere", 0, "answer 404, which is no answer of a registry"},
        {"unrouted", 0, "answer 404, without an error of the registry's"},
        {"page", 0, "answer 200, which is no answer of a registry"},
        {"https", 0, "is redirected (307) to https://proxy.example:443"},
        {"moved", 0, "is redirected (301) to https://proxy.example:443"},
        {"strange", 0, "answer 400, without an error of the registry's"},
    };
    struct mock *mock = *state;
    RSW_AUTO_REGISTRY registry = mock_open(mock, true);
    struct rsw_digest digest = mock_digest("x");
    struct rsw_error err = RSW_ERROR_INIT;
    for (size_t i = 0; i < COUNT(cases); i++) {
        expect_answer(rsw_registry_head_blob(registry, cases[i].repo, &digest, &err), RSW_FAILED, &err);
        assert_int_equal(err.code, RSW_EIO);
        expect_answer(rsw_registry_head_manifest(registry, cases[i].repo, "t", &err), RSW_FAILED, &err);
        expect_answer(rsw_registry_get_manifest(registry, cases[i].repo, "t", NULL, &err), RSW_FAILED, &err);
        expect_words(&err, RSW_EIO, cases[i].words);
        expect_words(&err, RSW_EIO, cases[i].repo);
        assert_int_equal(err.errnum, cases[i].errnum);
    }
    mock->plain = true;
    expect_answer(rsw_registry_ping(registry, &err), -1, &err);
    expect_words(&err, RSW_EIO, "no answer of a registry");
    expect_answer(rsw_registry_head_blob(registry, "absent", &digest, &err), RSW_FAILED, &err);
    expect_answer(rsw_registry_head_blob(registry, "found", &digest, &err), RSW_FAILED, &err);
}

static void a_blob_that_is_redirected_to_storage_is_found_and_a_manifest_is_not(void **state) {
    struct mock *mock = *state;
    RSW_AUTO_REGISTRY registry = mock_open(mock, false);
    struct rsw_digest digest = mock_digest("x");
    struct rsw_error err = RSW_ERROR_INIT;
    expect_answer(rsw_registry_head_blob(registry, "storage", &digest, &err), RSW_FOUND, &err);
    expect_answer(rsw_registry_get_blob(registry, "storage", &digest, NULL, &err), RSW_FOUND, &err);
    expect_answer(rsw_registry_head_manifest(registry, "storage", "t", &err), RSW_FAILED, &err);
    expect_words(&err, RSW_EIO, "https://bucket.example:443");
}

static void clear_reports_what_the_registry_answered(void **state) {
    static const struct {
        const char *repo;
        int rc;
        int status;
        enum rsw_code code;
        const char *words;
    } cases[] = {
        {"found", 0, 202, RSW_OK, ""},
        {"absent", 0, 404, RSW_OK, ""},
        {"revision", 0, 500, RSW_OK, ""},
        {"html", -1, 500, RSW_EIO, "no answer of a registry"},
        {"nowhere", -1, 404, RSW_EIO, "no answer of a registry"},
        {"unrouted", -1, 404, RSW_EIO, "without an error"},
        {"page", -1, 200, RSW_EIO, "no answer of a registry"},
        {"busy", -1, 429, RSW_EIO, "TOOMANYREQUESTS"},
        {"gateway", -1, 502, RSW_EIO, "502"},
        {"storage", -1, 307, RSW_EIO, "redirected"},
        {"endless-error", -1, 500, RSW_EIO, "500"},
        {"kept", -1, 405, RSW_EREFUSED, "storage.delete.enabled"},
        {"readonly", -1, 405, RSW_EREFUSED, "storage.maintenance.readonly"},
        {"denied", -1, 403, RSW_EACCESS, "repository:denied:delete"},
    };
    struct mock *mock = *state;
    RSW_AUTO_REGISTRY registry = mock_open(mock, false);
    struct rsw_digest digest = mock_digest("x");
    struct rsw_error err = RSW_ERROR_INIT;
    for (size_t i = 0; i < COUNT(cases); i++) {
        int status = -1;
        expect_answer(rsw_registry_clear(registry, cases[i].repo, &digest, &status, &err), cases[i].rc, &err);
        assert_int_equal(status, cases[i].status);
        expect_words(&err, cases[i].code, cases[i].words);
    }
    assert_int_equal(mock_count(mock, "DELETE /v2/"), COUNT(cases));
}

static void every_request_says_who_asks(void **state) {
    struct mock *mock = *state;
    RSW_AUTO_REGISTRY registry = mock_open(mock, false);
    struct rsw_digest digest = mock_digest("x");
    struct rsw_error err = RSW_ERROR_INIT;
    expect_answer(rsw_registry_head_manifest(registry, "found", "t", &err), RSW_FOUND, &err);
    assert_string_equal(mock_last(mock, "HEAD")->agent, "regsweep/" REGSWEEP_VERSION " (run n1)");
    assert_non_null(strstr(mock_last(mock, "HEAD")->accept, "application/vnd.oci.image.index.v1+json"));
    expect_answer(rsw_registry_get_blob(registry, "found", &digest, "a fence (1)", &err), RSW_FOUND, &err);
    assert_string_equal(mock_last(mock, "GET")->agent, "a fence (1)");
    expect_answer(rsw_registry_head_blob(registry, "found", &digest, &err), RSW_FOUND, &err);
    assert_string_equal(mock_last(mock, "HEAD /v2/found/blobs")->agent,
                        "regsweep/" REGSWEEP_VERSION " (run n1)");
    expect_answer(rsw_registry_get_blob(registry, "found", &digest, "a\r\nHost: b", &err), RSW_FAILED, &err);
    expect_words(&err, RSW_EINVAL, "User-Agent");
}

static void bytes_are_pushed_where_the_registry_says_on_its_own_host(void **state) {
    struct mock *mock = *state;
    RSW_AUTO_REGISTRY registry = mock_open(mock, false);
    struct rsw_digest digest = mock_digest("x");
    struct rsw_error err = RSW_ERROR_INIT;
    static const char *const hosts[] = {NULL, ""};
    for (size_t i = 0; i < COUNT(hosts); i++) {
        mock_forget(mock);
        mock->location_host = hosts[i];
        expect_answer(rsw_registry_put_blob(registry, "push", &digest, "x", 1, &err), 0, &err);
        const struct mock_note *put =
            mock_last(mock, "PUT /v2/push/blobs/uploads/1?_state=a%20secret%3D&digest=sha256");
        assert_string_equal(put->type, "application/octet-stream");
        assert_int_equal(put->body_len, 1);
        assert_int_equal(mock_last(mock, "POST /v2/push/blobs/uploads/")->body_len, 0);
    }
    expect_answer(rsw_registry_put_blob(registry, "push", &digest, "", 0, &err), 0, &err);
    expect_answer(rsw_registry_put_manifest(registry, "push", "t", "application/x+json", "{}", 2, &err), 0,
                  &err);
    assert_string_equal(mock_last(mock, "PUT /v2/push/manifests/t")->type, "application/x+json");
    assert_int_equal(mock_last(mock, "PUT /v2/push/manifests/t")->body_len, 2);
}

static void whether_it_takes_pushes_is_asked_without_an_upload(void **state) {
    struct mock *mock = *state;
    struct rsw_error err = RSW_ERROR_INIT;
    RSW_AUTO_REGISTRY registry = mock_open(mock, false);
    expect_answer(rsw_registry_takes_pushes(registry, "writable", &err), RSW_FOUND, &err);
    expect_answer(rsw_registry_takes_pushes(registry, "readonly", &err), RSW_ABSENT, &err);
    expect_answer(rsw_registry_takes_pushes(registry, "denied", &err), RSW_FAILED, &err);
    expect_words(&err, RSW_EACCESS, "denies");
    expect_answer(rsw_registry_takes_pushes(registry, "gateway", &err), RSW_FAILED, &err);
    expect_words(&err, RSW_EIO, "no answer of a registry");
    expect_answer(rsw_registry_takes_pushes(registry, "absent", &err), RSW_FAILED, &err); /* of an upload */
    assert_int_equal(mock_count(mock, "PATCH /v2/writable/blobs/uploads/"), 1);
    assert_int_equal(mock_count(mock, "POST"), 0);
    assert_int_equal(mock_count(mock, "DELETE"), 0);
}

static void bytes_are_never_pushed_to_another_host(void **state) {
    static const char *const hosts[] = {"http://127.0.0.1:1", "https://127.0.0.1", "//localhost",
                                        "http://127.0.0.2"};
    struct mock *mock = *state;
    RSW_AUTO_REGISTRY registry = mock_open(mock, true);
    struct rsw_digest digest = mock_digest("x");
    struct rsw_error err = RSW_ERROR_INIT;
    for (size_t i = 0; i < COUNT(hosts); i++) {
        mock->location_host = hosts[i];
        expect_answer(rsw_registry_put_blob(registry, "push", &digest, "x", 1, &err), -1, &err);
        expect_words(&err, RSW_EREFUSED, "http.relativeurls");
    }
    mock->location_host = "ftp://127.0.0.1";
    expect_answer(rsw_registry_put_blob(registry, "push", &digest, "x", 1, &err), -1, &err);
    expect_words(&err, RSW_EINVAL, "Location");
    assert_int_equal(mock_count(mock, "PUT"), 0);
    expect_answer(rsw_registry_put_blob(registry, "found", &digest, "x", 1, &err), -1, &err);
    expect_words(&err, RSW_EIO, "answer 200");
    expect_answer(rsw_registry_put_manifest(registry, "busy", "t", "application/x", "{}", 2, &err), -1, &err);
    expect_words(&err, RSW_EIO, "TOOMANYREQUESTS");
}

static void names_that_would_reach_out_of_their_place_are_asked_nowhere(void **state) {
    static const char *const repos[] = {"",    "/",   "a/", "/a",    "a//b", "..",   "a/../b", "a/./b",
                                        "a?b", "a#b", "A",  "a%2fb", "a b",  "a/_b", "a\n"};
    static const char *const references[] = {"",           "..",  "a/b",  "a?b",     "-a",
                                             "sha256:abc", "a b", "a%2f", "uploads/"};
    struct mock *mock = *state;
    RSW_AUTO_REGISTRY registry = mock_open(mock, false);
    struct rsw_digest digest = mock_digest("x");
    struct rsw_error err = RSW_ERROR_INIT;
    char long_name[300];
    memset(long_name, 'a', sizeof long_name);
    long_name[256] = 0;
    for (size_t i = 0; i < COUNT(repos); i++) {
        expect_answer(rsw_registry_head_blob(registry, repos[i], &digest, &err), RSW_FAILED, &err);
        expect_words(&err, RSW_EINVAL, "no repository's name");
    }
    expect_answer(rsw_registry_head_blob(registry, long_name, &digest, &err), RSW_FAILED, &err);
    for (size_t i = 0; i < COUNT(references); i++) {
        expect_answer(rsw_registry_head_manifest(registry, "found", references[i], &err), RSW_FAILED, &err);
        expect_words(&err, RSW_EINVAL, "neither a tag nor a digest");
    }
    expect_answer(rsw_registry_put_manifest(registry, "push", "t", "a/b\r\nX: y", "", 0, &err), -1, &err);
    expect_words(&err, RSW_EINVAL, "media type");
    assert_int_equal(mock_count(mock, ""), 0);
    long_name[255] = 0;
    expect_answer(rsw_registry_head_blob(registry, long_name, &digest, &err), RSW_ABSENT, &err);
}

static void a_path_before_v2_is_part_of_every_url(void **state) {
    struct mock *mock = *state;
    char url[128];
    const struct rsw_registry_options options = {.nonce = "n"};
    RSW_AUTO_REGISTRY registry = NULL;
    struct rsw_error err = RSW_ERROR_INIT;
    snprintf(url, sizeof url, "%s/some/where//", mock->url);
    assert_int_equal(rsw_registry_open(&registry, url, &options, &err), 0);
    snprintf(url, sizeof url, "%s/some/where", mock->url);
    assert_string_equal(rsw_registry_url(registry), url);
    rsw_registry_head_manifest(registry, "found", "t", &err);
    mock_last(mock, "HEAD /some/where/v2/found/manifests/t");
}

static void options_that_cannot_work_are_clear_errors(void **state) {
    static const struct {
        const char *url;
        struct rsw_registry_options options;
        const char *words;
    } cases[] = {
        {"localhost:5000", {.nonce = "n"}, "http"},
        {"ftp://a", {.nonce = "n"}, "http"},
        {"", {.nonce = "n"}, "http"},
        {"http://", {.nonce = "n"}, "URL"},
        {"http://a:99999", {.nonce = "n"}, "URL"},
        {"http://user:secret-password@a", {.nonce = "n"}, "URL"},
        {"http://a/?x=1", {.nonce = "n"}, "query"},
        {"http://a/#x", {.nonce = "n"}, "query"},
        {"http://a", {.nonce = NULL}, "nonce"},
        {"http://a", {.nonce = ""}, "nonce"},
        {"http://a", {.nonce = "a b"}, "nonce"},
        {"http://a", {.nonce = "n", .user = "u"}, "go together"},
        {"http://a", {.nonce = "n", .password = "secret-password"}, "go together"},
        {"http://a", {.nonce = "n", .user = "u:v", .password = "secret-password"}, "colon"},
        {"http://a", {.nonce = "n", .realm = "a/token"}, "realm"},
        {"http://a", {.nonce = "n", .realm = "http://a/token?x"}, "realm"},
        {"https://a", {.nonce = "n", .realm = "http://a/token"}, "realm"},
        {"http://a", {.nonce = "n", .total_timeout_ms = -1}, "timeout"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rsw_registry *registry = NULL;
        struct rsw_error err = RSW_ERROR_INIT;
        expect_answer(rsw_registry_open(&registry, cases[i].url, &cases[i].options, &err), -1, &err);
        expect_words(&err, RSW_EINVAL, cases[i].words);
        assert_null(registry);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, mock_setup, mock_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_is_there_is_found_and_what_is_not_is_absent),
        TEST(a_registry_says_what_time_it_has),
        TEST(no_other_answer_is_taken_for_found_or_absent),
        TEST(a_blob_that_is_redirected_to_storage_is_found_and_a_manifest_is_not),
        TEST(clear_reports_what_the_registry_answered),
        TEST(every_request_says_who_asks),
        TEST(bytes_are_pushed_where_the_registry_says_on_its_own_host),
        TEST(whether_it_takes_pushes_is_asked_without_an_upload),
        TEST(bytes_are_never_pushed_to_another_host),
        TEST(names_that_would_reach_out_of_their_place_are_asked_nowhere),
        TEST(a_path_before_v2_is_part_of_every_url),
        cmocka_unit_test(options_that_cannot_work_are_clear_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
