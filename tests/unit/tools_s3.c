/* How a bucket is opened as options and the registry's configuration tell of it. */
#include "s3_mock.h"

#include "cli.h"
#include "parse.h"
#include "registry_config.h"
#include "storage/s3.h"

#include <stdlib.h>
#include <string.h>

#define KEY "x-amz-server-side-encryption-aws-kms-key-id: "

static const char yaml[] =
    "storage:\n  s3:\n    bucket: bucket\n    accesskey: key\n    secretkey: " S3_MOCK_SECRET
    "\n    encrypt: true\n    keyid: k-1\n";

/* What is said of the encryption of all that is written: mode, and key. */
static void expect_kept(struct s3_mock *mock, const char *encryption, const char *key, const char *mode,
                        const char *said_key) {
    struct rsw_cli cli;
    struct rsw_error err = RSW_ERROR_INIT;
    const char *argv[] = {"regsweep",
                          "--storage",
                          "s3://bucket/root",
                          "--s3-endpoint",
                          mock->endpoint,
                          "--s3-encryption",
                          encryption,
                          key != NULL ? "--s3-kms-key" : NULL,
                          key,
                          NULL};
    RSW_AUTO_WORDS words = {NULL, 0};
    rsw_cli_init(&cli);
    cli.log.write = NULL;
    SCRIPT(mock, OK("<ListBucketResult>" LAST "<KeyCount>0</KeyCount></ListBucketResult>"));
    if (rsw_options_init(&cli.options, &err) != 0 ||
        rsw_parse_flags(&cli.options, &words, key != NULL ? 9 : 7, (char **)argv, &err) != 0 ||
        rsw_registry_config_parse(&cli.registry_config, "config.yml", yaml, strlen(yaml), &err) != 0 ||
        rsw_cli_open_storage(&cli, &err) != 0) {
        fail_msg("%s", err.message);
    }
    const struct rsw_s3_kept *kept = &((struct rsw_s3 *)cli.storage)->kept;
    assert_string_equal(kept->encryption, mode);
    assert_string_equal(kept->key, said_key);
    rsw_cli_release(&cli);
}

static void the_registrys_key_stays_unless_another_is_named(void **state) {
    struct s3_mock *mock = *state;
    expect_kept(mock, "auto", NULL, "x-amz-server-side-encryption: aws:kms", KEY "k-1");
    expect_kept(mock, "aws:kms", NULL, "x-amz-server-side-encryption: aws:kms", KEY "k-1");
    expect_kept(mock, "aws:kms:dsse", NULL, "x-amz-server-side-encryption: aws:kms:dsse", KEY "k-1");
    expect_kept(mock, "aws:kms", "k-2", "x-amz-server-side-encryption: aws:kms", KEY "k-2");
    expect_kept(mock, "AES256", NULL, "x-amz-server-side-encryption: AES256", "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_registrys_key_stays_unless_another_is_named, s3_mock_setup,
                                        s3_mock_teardown),
    };
    unsetenv("AWS_ACCESS_KEY_ID");
    unsetenv("AWS_PROFILE");
    return cmocka_run_group_tests_name("tools_s3", tests, NULL, NULL);
}
