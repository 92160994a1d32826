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
        "\n[ other ]\naws_secret_access_key=2\ns3 = \n  aws_access_key_id=of the line before\n"
        "aws_access_key_id=two\naws_session_token = brief\n");
    put(".aws/config", "[default]\nregion = eu-1\n[profile third]\naws_access_key_id=three\n"
                       "aws_secret_access_key=3\nregion=eu-3\n");
    const char *const home[] = {"HOME", root, NULL};
    const char *const other[] = {"HOME", root, "AWS_PROFILE", "other", NULL};
    const char *const third[] = {"HOME", root, "AWS_PROFILE", "third", NULL};
    environment = home;
    expect("one", "s=1/+", "none");
    environment = other;
    expect("two", "2", "brief");
    environment = third;
    expect("three", "3", "none");
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

static void a_profile_that_is_named_and_missing_is_no_absence(void **state) {
    char words[512];
    char *region = NULL;
    struct rsw_error err = RSW_ERROR_INIT;
    (void)state;
    put(".aws/credentials", "[default]\naws_access_key_id=a\naws_secret_access_key=b\n");
    put(".aws/config", "[prod]\nregion=eu-1\n");
    snprintf(words, sizeof words,
             "AWS_PROFILE names profile \"prod\", which is neither in %s/.aws/credentials (as [prod]) nor in "
             "%s/.aws/config (as [profile prod]): write it there, or name one that is",
             root, root);
    const char *const named[] = {"HOME", root, "AWS_PROFILE", "prod", NULL};
    environment = named;
    expect_error(words);
    assert_int_equal(rsw_s3_region_load(&region, get, &err), -1);
    assert_string_equal(err.message, words);
    assert_int_equal(err.code, RSW_EINVAL);
    const char *const homeless[] = {"AWS_PROFILE", "prod", NULL};
    environment = homeless;
    expect_error("neither in ~/.aws/credentials");
    const char *const token[] = {"HOME", root,           "AWS_PROFILE", "prod", "AWS_WEB_IDENTITY_TOKEN_FILE",
                                 "t",    "AWS_ROLE_ARN", "r",           NULL};
    environment = token;
    expect_error(words);
}

static void the_name_of_the_profile_is_that_of_the_aws_cli(void **state) {
    (void)state;
    put(".aws/credentials", "[one]\naws_access_key_id=1\naws_secret_access_key=b\n[two]\n"
                            "aws_access_key_id=2\naws_secret_access_key=b\n");
    const char *const other[] = {"HOME", root, "AWS_DEFAULT_PROFILE", "two", NULL};
    environment = other;
    expect("2", "b", "none");
    const char *const both[] = {"HOME", root, "AWS_DEFAULT_PROFILE", "two", "AWS_PROFILE", "one", NULL};
    environment = both;
    expect("2", "b", "none");
    const char *const empty[] = {"HOME", root, "AWS_DEFAULT_PROFILE", "", "AWS_PROFILE", "one", NULL};
    environment = empty;
    expect("1", "b", "none");
    const char *const missing[] = {"HOME", root, "AWS_DEFAULT_PROFILE", "six", "AWS_PROFILE", "one", NULL};
    environment = missing;
    expect_error("AWS_DEFAULT_PROFILE names profile \"six\"");
}

static void a_title_is_read_as_the_tools_do(void **state) {
    static const char *const titles[][2] = {
        {"[profile  prod]", "prod"},          {"[profile\tprod\t]", "prod"},
        {"[profile \"my prod\"]", "my prod"}, {"[profile 'my prod']", "my prod"},
        {"[profile my\\ prod]", "my prod"},   {"[profile default]", "default"},
        {"[default] # usual", "default"},     {"[profile a]b]", "a]b"},
        {"[profile \"a\\\"b\"]", "a\"b"},
    };
    static const char *const others[] = {"[prod]",          "[profile prod one]", "[profile \"prod]",
                                         "[profileprod]",   "[profile proda]",    "[profile pro]",
                                         "[services prod]", "[profile PROD]"};
    char text[256];
    (void)state;
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++) {
        const char *const named[] = {"HOME", root, "AWS_PROFILE", titles[i][1], NULL};
        environment = named;
        snprintf(text, sizeof text, "[x]\na=b\n%s\naws_access_key_id=a\naws_secret_access_key=b\n",
                 titles[i][0]);
        put(".aws/config", text);
        expect("a", "b", "none");
    }
    const char *const prod[] = {"HOME", root, "AWS_PROFILE", "prod", NULL};
    environment = prod;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        snprintf(text, sizeof text, "%s\naws_access_key_id=a\naws_secret_access_key=b\n", others[i]);
        put(".aws/config", text);
        expect_error("AWS_PROFILE names profile \"prod\"");
    }
    environment = NULL;
}

static void a_setting_is_read_as_the_tools_do(void **state) {
    const char *const home[] = {"HOME", root, NULL};
    (void)state;
    environment = home;
    put(".aws/credentials",
        "\xEF\xBB\xBF[default]\n  AWS_Access_Key_ID : a=b\n  aws_secret_access_key= s:t \n"
        "  s3 =\n    aws_access_key_id = of s3\n\n    a = b\n  aws_security_token = old\n"
        "  aws_session_token = new\n");
    expect("a=b", "s:t", "old");
    put(".aws/credentials", "[default]\naws_access_key_id = hush hush\naws_secret_access_key=b\n");
    expect_error(".aws/credentials: profile \"default\": aws_access_key_id has a blank");
    put(".aws/credentials", "[default]\naws_access_key_id=a\naws_secret_access_key = hush\n  hush\n");
    expect_error("aws_secret_access_key has a blank or a control character in it");
    put(".aws/credentials",
        "[default]\naws_access_key_id=a\naws_secret_access_key=b\naws_session_token=hu\x7fsh\n");
    expect_error("aws_session_token has a blank or a control character in it");
}

static void what_is_no_file_of_profiles_is_an_error(void **state) {
    static const struct {
        const char *text;
        const char *words;
    } odd[] = {
        {"aws_access_key_id=hush\n[default]\n", "line 1 is neither"},
        {"[default]\n# c\n\nhush\n", "line 4 is neither"},
        {"[default\n", "line 1 is neither"},
        {"[]\n", "line 1 is neither"},
        {"[other]\n= hush\n", "line 2 is neither"},
        {"{\"hush\": 1}\n", "line 1 is neither a [title] nor, below one, NAME = VALUE"},
        {"[default]\na=b\n[default]\n", "line 3 begins profile \"default\" a second time"},
        {"[default]\naws_access_key_id=hush\naws_access_key_id=hush\n",
         "line 3: profile \"default\" has aws_access_key_id twice"},
    };
    const char *const home[] = {"HOME", root, NULL};
    char path[256];
    (void)state;
    environment = home;
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        put(".aws/credentials", odd[i].text);
        expect_error(odd[i].words);
        snprintf(path, sizeof path, "%s/.aws/credentials: ", root);
        expect_error(path);
    }
    help_put(root, ".aws/credentials", "\xFF\xFE[\0d\0", 6, 0);
    expect_error(".aws/credentials: not a file of profiles: there are zero bytes in it");
}

static void a_path_can_begin_at_home(void **state) {
    (void)state;
    put("keys", "[p]\naws_access_key_id=a\naws_secret_access_key=b\n");
    put("conf", "[profile q]\naws_access_key_id=c\naws_secret_access_key=d\n");
    const char *const keys[] = {"HOME", root, "AWS_SHARED_CREDENTIALS_FILE", "~/keys", "AWS_PROFILE",
                                "p",    NULL};
    environment = keys;
    expect("a", "b", "none");
    const char *const conf[] = {"HOME", root, "AWS_CONFIG_FILE", "~/conf", "AWS_PROFILE", "q", NULL};
    environment = conf;
    expect("c", "d", "none");
    const char *const homeless[] = {"AWS_CONFIG_FILE", "~/conf", NULL};
    environment = homeless;
    expect_error("AWS_CONFIG_FILE is ~/conf, and HOME is not set");
}

static void what_no_header_can_carry_is_refused_by_its_name(void **state) {
    static const char *const names[] = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
                                        "AWS_SECURITY_TOKEN"};
    static const char *const values[] = {"hush\n", "hu sh", "hush\r\nx: y", "\thush"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        for (size_t j = 0; j < sizeof values / sizeof *values; j++) {
            const char *const given[] = {names[i],
                                         values[j],
                                         "AWS_ACCESS_KEY_ID",
                                         "a",
                                         "AWS_SECRET_ACCESS_KEY",
                                         "b",
                                         "AWS_SESSION_TOKEN",
                                         "c",
                                         NULL};
            environment = given;
            expect_error(names[i]);
            expect_error("has a blank or a control character in it");
        }
    }
}

/* Never passed over in silence for what comes after it. */
static void what_is_not_followed_is_refused_by_name_with_a_remedy(void **state) {
    static const char *const settings[] = {"role_arn", "login_session", "credential_process"};
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
    /* A command and a login come behind the keys of the other file. */
    put(".aws/credentials", "[deep]\naws_access_key_id=e\naws_secret_access_key=f\n");
    expect("e", "f", "none");
    put(".aws/config", "[profile deep]\nlogin_session = hush\n");
    expect("e", "f", "none");
    put(".aws/config", "[profile deep]\nrole_arn = r\ncredential_source = Environment\n");
    expect_error("profile \"deep\" has role_arn");
    put(".aws/credentials", "[deep]\naws_access_key_id=e\naws_secret_access_key=f\nrole_arn=r\n");
    put(".aws/config", "[default]\nregion = eu-1\n");
    expect_error(".aws/credentials: profile \"deep\" has role_arn");
}

static void a_single_sign_on_is_refused_where_it_would_be_used(void **state) {
    const char *const home[] = {"HOME", root, NULL};
    (void)state;
    environment = home;
    put(".aws/config", "[default]\nsso_session = s\nsso_account_id = 1\nsso_role_name = r\n[sso-session s]\n"
                       "sso_region = eu-1\n");
    expect_error("profile \"default\" has sso_account_id");
    put(".aws/config", "[default]\nsso_start_url = https://hush\nsso_role_name = r\n");
    expect_error("profile \"default\" has sso_role_name");
    put(".aws/config", "[default]\nsso_session = s\nsso_start_url = https://hush\n");
    expect_error("no credentials for S3"); /* it is for other things than S3 */
    put(".aws/config", "[default]\nsso_account_id = 1\nsso_role_name = r\n");
    put(".aws/credentials", "[default]\naws_access_key_id=e\naws_secret_access_key=f\n");
    expect("e", "f", "none");
}

static void a_role_of_the_profile_comes_before_the_token_of_the_environment(void **state) {
    const char *const pod[] = {"HOME", root, "AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere/token", "AWS_ROLE_ARN",
                               "r",    NULL};
    (void)state;
    environment = pod;
    put(".aws/config", "[default]\nrole_arn = r\nsource_profile = x\n");
    expect_error("profile \"default\" has role_arn");
    put(".aws/config", "[default]\naws_access_key_id = a\naws_secret_access_key = b\n");
    expect_error("there is no token in '/nowhere/token'");
    const char *const half[] = {"HOME", root, "AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere/token", NULL};
    environment = half;
    expect_error("no role for it: set AWS_ROLE_ARN");
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
    put(".aws/credentials", "[third]\nRegion : eu-6\n");
    environment = third;
    expect_region("eu-6"); /* that of the credentials first, as to the AWS CLI */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(the_environment_comes_first),
        TEST(half_of_a_pair_is_none),
        TEST(a_profile_is_found_in_either_file),
        TEST(the_files_can_lie_elsewhere),
        TEST(a_profile_that_is_named_and_missing_is_no_absence),
        TEST(the_name_of_the_profile_is_that_of_the_aws_cli),
        TEST(a_title_is_read_as_the_tools_do),
        TEST(a_setting_is_read_as_the_tools_do),
        TEST(what_is_no_file_of_profiles_is_an_error),
        TEST(a_path_can_begin_at_home),
        TEST(what_no_header_can_carry_is_refused_by_its_name),
        TEST(a_single_sign_on_is_refused_where_it_would_be_used),
        TEST(a_role_of_the_profile_comes_before_the_token_of_the_environment),
        TEST(what_is_not_followed_is_refused_by_name_with_a_remedy),
        TEST(the_region_is_told_by_the_environment_or_the_profile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
