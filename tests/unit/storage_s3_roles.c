/* Credentials that are lent: to a token of web identity, to a container, to an instance. */
#include "s3_mock.h"

#include "storage/s3_credentials.h"
#include "util/clock.h"
#include "util/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAID(body) "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" body
#define NOT_FOUND "HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n"
#define LENT                                                                                                 \
    "{\"Code\":\"Success\",\"AccessKeyId\":\"lent\",\"SecretAccessKey\":\"hush\",\"Token\":\"brief\","       \
    "\"Expiration\":\"2026-11-28T08:00:00Z\"}"
#define UNTIL_MS INT64_C(1795852800000)

/* Name, value, name, value …, NULL. */
static const char *const *environment;

static char *get(const char *name) {
    for (const char *const *at = environment; *at != NULL; at += 2) {
        if (strcmp(at[0], name) == 0) {
            return (char *)(uintptr_t)at[1];
        }
    }
    return NULL;
}

static void expect_lent(struct s3_mock *mock, const char *const *script) {
    struct rsw_s3_credentials found;
    struct rsw_error err = RSW_ERROR_INIT;
    s3_mock_answers(mock, script);
    if (rsw_s3_credentials_load(&found, get, "eu-1", &err) != 0) {
        fail_msg("%s", err.message);
    }
    assert_string_equal(found.access_key, "lent");
    assert_string_equal(found.secret_key, "hush");
    assert_string_equal(found.token, "brief");
    assert_true(found.until_ms == UNTIL_MS);
    rsw_s3_credentials_release(&found);
}

static void expect_error(struct s3_mock *mock, const char *const *script, const char *words) {
    struct rsw_s3_credentials found;
    struct rsw_error err = RSW_ERROR_INIT;
    s3_mock_answers(mock, script);
    assert_int_equal(rsw_s3_credentials_load(&found, get, "eu-1", &err), -1);
    assert_null(found.access_key);
    if (strstr(err.message, words) == NULL || strstr(err.message, "hush") != NULL ||
        strstr(err.message, "paper") != NULL) {
        fail_msg("not \"%s\" but: %s", words, err.message);
    }
}

static void an_instance_has_a_role(void **state) {
    struct s3_mock *mock = *state;
    const char *const here[] = {"AWS_EC2_METADATA_SERVICE_ENDPOINT", mock->endpoint, NULL};
    static const char *const script[] = {SAID("ticket"), SAID("the-role\n"), SAID(LENT), NULL};
    environment = here;
    expect_lent(mock, script);
    s3_mock_asked(mock, 0, "PUT /latest/api/token ");
    s3_mock_asked(mock, 0, "x-aws-ec2-metadata-token-ttl-seconds: 300");
    s3_mock_asked(mock, 1, "GET /latest/meta-data/iam/security-credentials/ ");
    s3_mock_asked(mock, 1, "x-aws-ec2-metadata-token: ticket");
    s3_mock_asked(mock, 2, "GET /latest/meta-data/iam/security-credentials/the-role ");
    s3_mock_asked(mock, 2, "x-aws-ec2-metadata-token: ticket");
    static const char *const none[] = {SAID("ticket"), NOT_FOUND, NULL};
    expect_error(mock, none, "answered 404");
    static const char *const odd[] = {SAID("ticket"), SAID("the-role"),
                                      SAID("{\"SecretAccessKey\":\"hush\"}"), NULL};
    expect_error(mock, odd, "answered something else");
}

static void without_anybody_who_lends_it_is_said_what_to_do(void **state) {
    struct s3_mock *mock = *state;
    static const char *const script[] = {SAID("ticket"), NULL};
    const char *const disabled[] = {"AWS_EC2_METADATA_SERVICE_ENDPOINT", mock->endpoint,
                                    "AWS_EC2_METADATA_DISABLED", "true", NULL};
    environment = disabled;
    expect_error(mock, script, "no credentials for S3");
    assert_int_equal(mock->count, 0);
    static const char *const refused[] = {"HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n", NULL};
    const char *const other[] = {"AWS_EC2_METADATA_SERVICE_ENDPOINT", mock->endpoint, NULL};
    environment = other;
    expect_error(mock, refused, "no credentials for S3");
    const char *const nobody[] = {"AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1", NULL};
    environment = nobody;
    expect_error(mock, script, "or this machine, pod or job a role");
}

static void a_container_has_one(void **state) {
    struct s3_mock *mock = *state;
    char url[128];
    static const char *const script[] = {SAID(LENT), NULL};
    static const char *const gone[] = {NOT_FOUND, NULL};
    snprintf(url, sizeof url, "%s/v2/credentials/1", mock->endpoint);
    const char *const here[] = {"AWS_CONTAINER_CREDENTIALS_FULL_URI", url,
                                "AWS_CONTAINER_AUTHORIZATION_TOKEN", "paper", NULL};
    environment = here;
    expect_lent(mock, script);
    s3_mock_asked(mock, 0, "GET /v2/credentials/1 ");
    s3_mock_asked(mock, 0, "Authorization: paper");
    expect_error(mock, gone, "answered 404");
}

static void a_container_is_lent_to_over_plain_http_from_near_alone(void **state) {
    static const char *const far[] = {
        "http://lender.example:80/hush?hush",
        "http://169.254.170.3/hush",
        "http://128.0.0.1/hush",
        "http://127.0.0.1.example/hush",
        "http://[fd00:ec2::24]/hush",
        "http://[::2]/hush",
        "HTTP://Example/hush",
        "http:///127.example/hush",
    };
    struct s3_mock *mock = *state;
    static const char *const script[] = {SAID(LENT), NULL};
    char url[128];
    for (size_t i = 0; i < sizeof far / sizeof *far; i++) {
        const char *const there[] = {"AWS_CONTAINER_CREDENTIALS_FULL_URI", far[i],
                                     "AWS_CONTAINER_AUTHORIZATION_TOKEN", "paper", NULL};
        environment = there;
        expect_error(mock, script, "credentials go over plain HTTP to loopback, 169.254.170.2");
        assert_int_equal(mock->count, 0);
    }
    snprintf(url, sizeof url, "http://localhost%s/x", strrchr(mock->endpoint, ':'));
    const char *const name[] = {"AWS_CONTAINER_CREDENTIALS_FULL_URI", url, NULL};
    environment = name;
    expect_lent(mock, script);
    static const char *const odd[] = {"hush", "ftp://127.0.0.1/hush", "http://hush@127.0.0.1/hush",
                                      "http://"};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        const char *const there[] = {"AWS_CONTAINER_CREDENTIALS_FULL_URI", odd[i], NULL};
        environment = there;
        expect_error(mock, script, "AWS_CONTAINER_CREDENTIALS_FULL_URI must be http://HOST or https://HOST");
    }
    static const char *const near[] = {"http://127.9.8.7:1/hush", "http://[::1]:1/hush",
                                       "https://127.0.0.1:1/hush"};
    for (size_t i = 0; i < sizeof near / sizeof *near; i++) {
        const char *const there[] = {"AWS_CONTAINER_CREDENTIALS_FULL_URI", near[i], NULL};
        environment = there;
        expect_error(mock, script, "credentials for S3: no answer from http");
    }
}

static void an_error_names_the_host_of_a_lender_and_no_more(void **state) {
    struct s3_mock *mock = *state;
    static const char *const refused[] = {"HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n", NULL};
    static const char *const senseless[] = {SAID("hush"), NULL};
    char url[128];
    snprintf(url, sizeof url, "%s/hush/%%68?token=hush#hush", mock->endpoint);
    const char *const full[] = {"AWS_CONTAINER_CREDENTIALS_FULL_URI", url, NULL};
    environment = full;
    expect_error(mock, refused, "credentials for S3: http://127.0.0.1 answered 403: ");
    expect_error(mock, senseless, "credentials for S3: http://127.0.0.1 answered something else");
    const char *const relative[] = {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "hush", NULL};
    environment = relative;
    expect_error(mock, refused, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI must begin with '/'");
    const char *const instance[] = {"AWS_EC2_METADATA_SERVICE_ENDPOINT", "hush://hush", NULL};
    environment = instance;
    expect_error(mock, refused, "AWS_EC2_METADATA_SERVICE_ENDPOINT must be http://HOST or https://HOST");
}

static void what_no_header_can_carry_is_refused_by_its_name(void **state) {
    struct s3_mock *mock = *state;
    char url[128];
    static const char *const odd[] = {
        SAID("{\"AccessKeyId\":\"lent\",\"SecretAccessKey\":\"hush\",\"Token\":\"brief\\r\\nx: hush\","
             "\"Expiration\":\"2026-11-28T08:00:00Z\"}"),
        NULL};
    snprintf(url, sizeof url, "%s/x", mock->endpoint);
    const char *const here[] = {"AWS_CONTAINER_CREDENTIALS_FULL_URI", url, NULL};
    environment = here;
    expect_error(mock, odd, "what http://127.0.0.1 answered: Token has a blank or a control character in it");
    const char *const split[] = {"AWS_CONTAINER_CREDENTIALS_FULL_URI", url,
                                 "AWS_CONTAINER_AUTHORIZATION_TOKEN", "paper\r\nx: y", NULL};
    environment = split;
    expect_error(mock, odd, "the token of AWS_CONTAINER_AUTHORIZATION_TOKEN has a control character in it");
    assert_int_equal(mock->count, 0);
}

#define ASSUMED                                                                                              \
    SAID("<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">"           \
         "<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>lent</AccessKeyId>"                     \
         "<SecretAccessKey>hush</SecretAccessKey><SessionToken>brief</SessionToken>"                         \
         "<Expiration>2026-11-28T08:00:00Z</Expiration></Credentials>"                                       \
         "</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>")

static void a_token_of_web_identity_has_one(void **state) {
    struct s3_mock *mock = *state;
    const char *root = help_make_root();
    char path[256];
    static const char *const script[] = {ASSUMED, NULL};
    static const char *const cut[] = {SAID("<A><AccessKeyId>lent</AccessKeyId><SecretAccessKey>hush"), NULL};
    static const char *const denied[] = {"HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n", NULL};
    help_put(root, "token", "pa/per\n", 7, 0);
    snprintf(path, sizeof path, "%s/token", root);
    const char *const here[] = {"AWS_WEB_IDENTITY_TOKEN_FILE",
                                path,
                                "AWS_ROLE_ARN",
                                "arn:aws:iam::1:role/r",
                                "AWS_ENDPOINT_URL_STS",
                                mock->endpoint,
                                NULL};
    environment = here;
    expect_lent(mock, script);
    s3_mock_asked(mock, 0, "POST / ");
    s3_mock_asked(
        mock, 0,
        "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr"
        "&RoleSessionName=regsweep&WebIdentityToken=pa%2Fper");
    expect_error(mock, cut, "answered something else");
    expect_error(mock, denied, "answered 403");
    const char *const missing[] = {"AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere/token", "AWS_ROLE_ARN", "r",
                                   NULL};
    environment = missing;
    expect_error(mock, script, "there is no token in '/nowhere/token'");
    help_remove_root(root);
}

static void a_profile_can_name_the_token_and_the_role(void **state) {
    struct s3_mock *mock = *state;
    const char *root = help_make_root();
    char text[512];
    static const char *const script[] = {ASSUMED, NULL};
    help_put(root, "token", "pa/per\n", 7, 0);
    snprintf(text, sizeof text,
             "[profile pod]\nrole_arn = arn:of:the:profile\nweb_identity_token_file = %s/token\n"
             "role_session_name = night\n",
             root);
    help_put(root, ".aws/config", text, strlen(text), 0);
    const char *const here[] = {"HOME",         root, "AWS_PROFILE", "pod", "AWS_ENDPOINT_URL_STS",
                                mock->endpoint, NULL};
    environment = here;
    expect_lent(mock, script);
    s3_mock_asked(mock, 0,
                  "&RoleArn=arn%3Aof%3Athe%3Aprofile&RoleSessionName=night&WebIdentityToken=pa%2Fper");
    help_remove_root(root);
}

static void what_is_lent_is_asked_for_again_before_it_ends(void **state) {
    struct s3_mock *mock = *state;
    const char *root = help_make_root();
    char url[128];
    struct rsw_storage *storage = NULL;
    struct rsw_error err = RSW_ERROR_INIT;
    static const char *const script[] = {
        SAID("{\"AccessKeyId\":\"old\",\"SecretAccessKey\":\"hush\",\"Token\":\"brief\","
             "\"Expiration\":\"2026-01-01T00:00:00Z\"}"),
        SAID("{\"AccessKeyId\":\"new\",\"SecretAccessKey\":\"hush\",\"Token\":\"brief\","
             "\"Expiration\":\"2096-01-01T00:00:00Z\"}"),
        SAID("<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"),
        SAID("<VersioningConfiguration/>"),
        SAID("<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"),
        NULL};
    snprintf(url, sizeof url, "%s/lend", mock->endpoint);
    setenv("HOME", root, 1);
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url, 1);
    unsetenv("AWS_ACCESS_KEY_ID");
    unsetenv("AWS_SECRET_ACCESS_KEY");
    unsetenv("AWS_PROFILE");
    unsetenv("AWS_DEFAULT_PROFILE");
    unsetenv("AWS_WEB_IDENTITY_TOKEN_FILE");
    s3_mock_answers(mock, script);
    const struct rsw_s3_options options = {.endpoint = mock->endpoint, .region = "eu-test-1"};
    if (rsw_storage_open_s3(&storage, "s3://bucket/root", &options, &err) != 0) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(mock->count, 4);
    s3_mock_asked(mock, 1, "GET /lend ");
    s3_mock_asked(mock, 2, "Credential=new/");
    struct seen seen = {.count = 0};
    assert_int_equal(help_list(&seen, storage, "a", 0), RSW_ABSENT);
    help_forget(&seen);
    assert_int_equal(mock->count, 5);
    s3_mock_asked(mock, 4, "Credential=new/");
    rsw_storage_close(storage);
    unsetenv("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    help_remove_root(root);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, s3_mock_setup, s3_mock_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(an_instance_has_a_role),
        TEST(without_anybody_who_lends_it_is_said_what_to_do),
        TEST(a_container_has_one),
        TEST(a_container_is_lent_to_over_plain_http_from_near_alone),
        TEST(an_error_names_the_host_of_a_lender_and_no_more),
        TEST(what_no_header_can_carry_is_refused_by_its_name),
        TEST(a_token_of_web_identity_has_one),
        TEST(a_profile_can_name_the_token_and_the_role),
        TEST(what_is_lent_is_asked_for_again_before_it_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
