/* Who we are to S3: the environment, and the files of the AWS tools. */
#include "storage_help.h"

#include "storage/s3_credentials.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *root;

/* The environment of a test: name, value, name, value …, NULL. */
static const char *const *environment;

/* Nobody asks for the role of the machine that the tests run on. */
static char *get(const char *name) {
    static char disabled[] = "true";
    if (strcmp(name, "AWS_EC2_METADATA_DISABLED") == 0) {
        return disabled;
    }
    for (const char *const *at = environment; *at != NULL; at += 2) {
        if (strcmp(at[0], name) == 0) {
            return (char *)(uintptr_t)at[1];
        }
    }
    return NULL;
}

static int set_up(void **state) {
    (void)state;
    root = help_make_root();
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    help_remove_root(root);
    return 0;
}

static void expect(const char *access, const char *secret, const char *token) {
    struct rsw_s3_credentials found;
    struct rsw_error err = RSW_ERROR_INIT;
    if (rsw_s3_credentials_load(&found, get, "eu-1", &err) != 0) {
        fail_msg("%s", err.message);
    }
    assert_string_equal(found.access_key, access);
    assert_string_equal(found.secret_key, secret);
    assert_string_equal(found.token == NULL ? "none" : found.token, token);
    rsw_s3_credentials_release(&found);
}

static void expect_error(const char *words) {
    struct rsw_s3_credentials found;
    struct rsw_error err = RSW_ERROR_INIT;
    assert_int_equal(rsw_s3_credentials_load(&found, get, "eu-1", &err), -1);
    assert_null(found.access_key);
    if (strstr(err.message, words) == NULL || strstr(err.message, "hush") != NULL) {
        fail_msg("not \"%s\" but: %s", words, err.message);
    }
}

static void put(const char *name, const char *text) {
    help_put(root, name, text, strlen(text), 0);
}

static void the_environment_comes_first(void **state) {
    (void)state;
    put(".aws/credentials", "[default]\naws_access_key_id=file\naws_secret_access_key=file\n");
    const char *const both[] = {"HOME", root, "AWS_ACCESS_KEY_ID", "key", "AWS_SECRET_ACCESS_KEY",
                                "hush", NULL};
    environment = both;
    expect("key", "hush", "none");
    const char *const token[] = {
        "AWS_ACCESS_KEY_ID", "key", "AWS_SECRET_ACCESS_KEY", "hush", "AWS_SESSION_TOKEN", "brief", NULL};
    environment = token;
    expect("key", "hush", "brief");
}

static void half_of_a_pair_is_none(void **state) {
    (void)state;
    const char *const half[] = {"HOME", root, "AWS_SECRET_ACCESS_KEY", "hush", NULL};
    environment = half;
    expect_error("AWS_SECRET_ACCESS_KEY is set, but AWS_ACCESS_KEY_ID is not");
    put(".aws/credentials", "[default]\naws_access_key_id = hush\n");
    const char *const home[] = {"HOME", root, NULL};
    environment = home;
    expect_error("profile \"default\" has an aws_access_key_id without aws_secret_access_key");
}

static void a_profile_is_found_in_either_file(void **state) {
    (void)state;
    put(".aws/credentials",
        "# the usual\r\n[default]\r\naws_access_key_id = one\r\naws_secret_access_key = s=1/+\r\n"
        "\n[ other ]\naws_secret_access_key=2\n  aws_access_key_id=of the line before\n"
        "aws_access_key_id=two\naws_session_token = brief\n");
    put(".aws/config", "[default]\nregion = eu-1\n[profile third]\naws_access_key_id=three\n"
                       "aws_secret_access_key=3\nregion=eu-3\n");
    const char *const home[] = {"HOME", root, NULL};
    const char *const other[] = {"HOME", root, "AWS_PROFILE", "other", NULL};
    const char *const third[] = {"HOME", root, "AWS_PROFILE", "third", NULL};
    const char *const none[] = {"HOME", root, "AWS_PROFILE", "none", NULL};
    environment = home;
    expect("one", "s=1/+", "none");
    environment = other;
    expect("two", "2", "brief");
    environment = third;
    expect("three", "3", "none");
    environment = none;
    expect_error("profile \"none\"");
}

static void the_files_can_lie_elsewhere(void **state) {
    (void)state;
    char path[256];
    snprintf(path, sizeof path, "%s/mine", root);
    put("mine", "[default]\naws_access_key_id=mine\naws_secret_access_key=m");
    const char *const moved[] = {"AWS_SHARED_CREDENTIALS_FILE", path, NULL};
    environment = moved;
    expect("mine", "m", "none");
    const char *const nothing[] = {NULL};
    environment = nothing;
    expect_error("no credentials for S3");
}

/* Never passed over in silence for what comes after it. */
static void what_is_not_followed_is_refused_by_name_with_a_remedy(void **state) {
    static const char *const settings[] = {"role_arn", "sso_session", "sso_start_url", "login_session",
                                           "credential_process"};
    const char *const home[] = {"HOME", root, "AWS_PROFILE", "deep", NULL};
    char text[256];
    char words[512];
    (void)state;
    environment = home;
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        snprintf(text, sizeof text,
                 "[profile deep]\n%s = hush\nsource_profile = default\naws_access_key_id=a\n"
                 "aws_secret_access_key=b\n[default]\naws_access_key_id=c\naws_secret_access_key=d\n",
                 settings[i]);
        put(".aws/config", text);
        snprintf(words, sizeof words, "%s/.aws/config: profile \"deep\" has %s,", root, settings[i]);
        expect_error(words);
        expect_error("eval \"$(aws configure export-credentials --profile deep --format env)\"");
    }
    /* A command comes behind the keys of the other file, all else before them. */
    put(".aws/credentials", "[deep]\naws_access_key_id=e\naws_secret_access_key=f\n");
    expect("e", "f", "none");
    put(".aws/config", "[profile deep]\nrole_arn = r\ncredential_source = Environment\n");
    expect_error("profile \"deep\" has role_arn");
    put(".aws/credentials", "[deep]\naws_access_key_id=e\naws_secret_access_key=f\nrole_arn=r\n");
    put(".aws/config", "[default]\nregion = eu-1\n");
    expect_error(".aws/credentials: profile \"deep\" has role_arn");
}

static void expect_region(const char *region) {
    char *found = NULL;
    struct rsw_error err = RSW_ERROR_INIT;
    assert_int_equal(rsw_s3_region_load(&found, get, &err), 0);
    assert_string_equal(found == NULL ? "none" : found, region);
    free(found);
}

static void the_region_is_told_by_the_environment_or_the_profile(void **state) {
    (void)state;
    put(".aws/config", "[default]\nregion = eu-1\n[profile third]\nregion=eu-3\n");
    const char *const home[] = {"HOME", root, NULL};
    const char *const third[] = {"HOME", root, "AWS_PROFILE", "third", NULL};
    const char *const said[] = {"HOME", root, "AWS_REGION", "eu-4", "AWS_DEFAULT_REGION", "eu-5", NULL};
    const char *const usual[] = {"AWS_DEFAULT_REGION", "eu-5", NULL};
    const char *const nothing[] = {NULL};
    environment = home;
    expect_region("eu-1");
    environment = third;
    expect_region("eu-3");
    environment = said;
    expect_region("eu-4");
    environment = usual;
    expect_region("eu-5");
    environment = nothing;
    expect_region("none");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(the_environment_comes_first),
        TEST(half_of_a_pair_is_none),
        TEST(a_profile_is_found_in_either_file),
        TEST(the_files_can_lie_elsewhere),
        TEST(what_is_not_followed_is_refused_by_name_with_a_remedy),
        TEST(the_region_is_told_by_the_environment_or_the_profile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
