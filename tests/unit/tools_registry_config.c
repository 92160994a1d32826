/* What the registry's own configuration tells, and what of it is warned of or refused. */
#include "cli.h"
#include "registry_config.h"
#include "registry_schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct rsw_registry_config *load(const char *name) {
    char path[512];
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_registry_config *config = NULL;
    snprintf(path, sizeof path, "%s/registry-config/%s", REGSWEEP_TEST_DATA, name);
    if (rsw_registry_config_load(&config, path, &err) != 0) {
        fail_msg("%s", err.message);
    }
    return config;
}

/* The finding with this text in it. */
static const struct rsw_registry_finding *finding(const struct rsw_registry_config *config,
                                                  const char *text) {
    for (size_t i = 0; i < config->finding_count; i++) {
        if (strstr(config->findings[i].what, text) != NULL) {
            return &config->findings[i];
        }
    }
    return NULL;
}

static void expect_finding(const struct rsw_registry_config *config, unsigned long line, const char *text) {
    const struct rsw_registry_finding *found = finding(config, text);
    if (found == NULL) {
        fail_msg("no finding with: %s", text);
        return;
    }
    assert_int_equal(found->line, line);
    assert_false(found->refuse);
    assert_true(strlen(found->remedy) > 10);
}

static void expect_storage(const struct rsw_registry_config *config, const char *url) {
    char text[512];
    struct rsw_error err = RSW_ERROR_INIT;
    assert_int_equal(rsw_registry_config_storage(config, text, sizeof text, &err), 0);
    assert_string_equal(text, url);
}

static void the_shipped_configuration_is_read_and_its_traps_named(void **state) {
    (void)state;
    struct rsw_registry_config *config = load("stock-2.8.yml");
    struct rsw_error err = RSW_ERROR_INIT;
    expect_storage(config, "/var/lib/registry");
    assert_int_equal(rsw_registry_config_allows(config, &err), 0);
    assert_int_equal(config->cache, RSW_CONFIG_CACHE_MEMORY);
    assert_int_equal(config->finding_count, 3);
    expect_finding(config, 5, "storage.delete.enabled is not true");
    expect_finding(config, 6, "caches in memory");
    expect_finding(config, 0, "no notification endpoint is in use");
    rsw_registry_config_free(config);
}

static void a_good_configuration_gives_no_warning(void **state) {
    (void)state;
    struct rsw_registry_config *config = load("good.yml");
    expect_storage(config, "/srv/registry");
    assert_int_equal(config->finding_count, 0);
    assert_true(config->delete_enabled);
    assert_true(config->include_references);
    assert_true(config->upload_purging);
    assert_string_equal(config->upload_purging_age, "168h");
    assert_int_equal(config->endpoint_count, 2);
    assert_true(config->endpoints[0].disabled);
    assert_true(config->endpoints[1].ours);
    assert_false(config->endpoints[1].deaf);
    rsw_registry_config_free(config);
}

static void an_endpoint_that_leaves_things_out_is_deaf(void **state) {
    (void)state;
    struct rsw_registry_config *config = load("deaf.yml");
    expect_storage(config, "/var/lib/registry");
    assert_true(config->delete_enabled);
    assert_true(config->endpoints[0].deaf);
    assert_int_equal(config->finding_count, 1);
    expect_finding(config, 8,
                   "leaves out application/octet-stream, application/vnd.oci.image.index.v1+json, pull");
    rsw_registry_config_free(config);
}

static void an_endpoint_of_somebody_else_does_not_count(void **state) {
    (void)state;
    struct rsw_registry_config *config = load("elsewhere.yml");
    expect_storage(config, "/data");
    assert_int_equal(config->finding_count, 1);
    expect_finding(config, 6, "no notification endpoint has a url that ends in /events");
    rsw_registry_config_free(config);
}

static void expect_refusal(const char *name, unsigned line, const char *text) {
    struct rsw_registry_config *config = load(name);
    struct rsw_error err = RSW_ERROR_INIT;
    char where[64];
    assert_int_equal(rsw_registry_config_allows(config, &err), -1);
    assert_int_equal(err.code, RSW_EREFUSED);
    snprintf(where, sizeof where, "%s:%u: ", name, line);
    assert_non_null(strstr(err.message, where));
    assert_non_null(strstr(err.message, text));
    rsw_registry_config_free(config);
}

static void a_pull_through_cache_is_refused(void **state) {
    (void)state;
    expect_refusal("proxy.yml", 10, "pull-through cache of https://registry-1.docker.io");
}

static void repository_middleware_is_refused(void **state) {
    (void)state;
    expect_refusal("openshift.yml", 19, "repository middleware \"openshift\"");
}

static void expect_unsupported(const char *name, const char *text) {
    struct rsw_registry_config *config = load(name);
    struct rsw_error err = RSW_ERROR_INIT;
    char url[256];
    assert_int_equal(rsw_registry_config_storage(config, url, sizeof url, &err), -1);
    assert_int_equal(err.code, RSW_EINVAL);
    assert_non_null(strstr(err.message, text));
    rsw_registry_config_free(config);
}

static void storage_that_is_neither_filesystem_nor_s3_is_named_and_not_supported(void **state) {
    (void)state;
    expect_unsupported("bare.yml",
                       "bare.yml:2: storage driver \"inmemory\" is none that regsweep can work on");
}

static void a_bucket_is_named_with_its_root_directory_and_how_to_get_there(void **state) {
    (void)state;
    static const char text[] = "storage:\n  s3aws:\n    bucket: images\n    rootdirectory: //a/b/\n"
                               "    regionendpoint: minio:9000\n    secure: false\n    skipverify: yes\n"
                               "    forcepathstyle: true\n";
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_registry_config *config = load("s3.yml");
    expect_storage(config, "s3://registry/images");
    assert_string_equal(config->s3->region, "us-west-1");
    assert_string_equal(config->s3->secretkey, "awssecretkey");
    assert_false(config->s3_plain || config->s3_unverified || config->s3_path);
    rsw_registry_config_free(config);
    assert_int_equal(rsw_registry_config_parse(&config, "c.yml", text, sizeof text - 1, &err), 0);
    expect_storage(config, "s3://images/a/b/");
    assert_true(config->s3_plain && config->s3_unverified && config->s3_path);
    rsw_registry_config_free(config);
}

static void how_the_driver_keeps_its_objects_is_read(void **state) {
    (void)state;
    static const char text[] = "storage:\n  s3:\n    bucket: b\n    encrypt: yes\n    keyid: k-1\n"
                               "    storageclass: intelligent_tiering\n    objectacl: public-read\n";
    static const char odd[] = "storage:\n  s3:\n    bucket: b\n    encrypt: perhaps\n";
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_registry_config *config = load("s3.yml");
    assert_true(config->s3_encrypts);
    assert_string_equal(config->s3_class, "");
    rsw_registry_config_free(config);
    assert_int_equal(rsw_registry_config_parse(&config, "c.yml", text, sizeof text - 1, &err), 0);
    assert_true(config->s3_encrypts);
    assert_string_equal(config->s3_class, "INTELLIGENT_TIERING");
    assert_string_equal(config->s3->keyid, "k-1");
    assert_string_equal(config->s3->objectacl, "public-read");
    rsw_registry_config_free(config);
    assert_int_equal(rsw_registry_config_parse(&config, "c.yml", odd, sizeof odd - 1, &err), -1);
    assert_non_null(strstr(err.message, "c.yml:4: storage.s3.encrypt: \"perhaps\" is not true or false"));
}

static void expect_no_bucket(const char *text) {
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_registry_config *config = NULL;
    char url[64];
    assert_int_equal(rsw_registry_config_parse(&config, "c.yml", text, strlen(text), &err), 0);
    assert_int_equal(rsw_registry_config_storage(config, url, sizeof url, &err), -1);
    assert_non_null(strstr(err.message, "c.yml:2: storage.s3 names no bucket"));
    rsw_registry_config_free(config);
}

static void a_bucket_that_is_not_named_is_missed(void **state) {
    (void)state;
    expect_no_bucket("storage:\n  s3:\n    region: us-east-1\n");
    expect_no_bucket("storage:\n  s3:\n");
}

static void a_cache_in_redis_is_warned_of_with_its_address(void **state) {
    (void)state;
    struct rsw_registry_config *config = load("redis.yml");
    assert_int_equal(config->cache, RSW_CONFIG_CACHE_REDIS);
    assert_int_equal(config->finding_count, 1);
    expect_finding(config, 7, "caches in Redis at redis.example.org:6379");
    assert_string_equal(config->redis_password, "secret");
    assert_int_equal(config->redis_db, 0);
    assert_true(config->redis_tls);
    assert_false(config->redis_several);
    rsw_registry_config_free(config);
}

static void a_read_only_registry_needs_no_delete_and_aliases_are_followed(void **state) {
    (void)state;
    struct rsw_registry_config *config = load("readonly-3.yml");
    assert_true(config->read_only);
    assert_false(config->upload_purging);
    assert_string_equal(config->redis_address, "localhost:6379");
    assert_int_equal(config->endpoint_count, 2);
    assert_string_equal(config->endpoints[1].name, "one");
    assert_int_equal(config->finding_count, 0);
    rsw_registry_config_free(config);
}

static void expect_error(const char *text, const char *message) {
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_registry_config *config = NULL;
    assert_int_equal(rsw_registry_config_parse(&config, "c.yml", text, strlen(text), &err), -1);
    assert_null(config);
    assert_int_equal(err.code, RSW_EINVAL);
    if (strstr(err.message, message) == NULL) {
        fail_msg("\"%s\" instead of \"%s\"", err.message, message);
    }
}

static void bad_files_are_told_with_line_and_reason(void **state) {
    (void)state;
    expect_error("", "c.yml:1: this is no registry configuration");
    expect_error("- a\n", "c.yml:1: this is no registry configuration");
    expect_error("storage:\n  filesystem: [\n", "c.yml:3: ");
    expect_error("version: 0.1\nstorage:\n  filesystem:\n  s3:\n",
                 "c.yml:4: storage has more than one driver: filesystem and s3");
    expect_error("storage:\n  filesystem: {}\n  delete:\n    enabled: maybe\n",
                 "c.yml:4: storage.delete.enabled: \"maybe\" is not true or false");
    expect_error("storage:\n  filesystem: nonsense\n", "c.yml:2: filesystem: a value of another shape");
    expect_error("storage:\n  filesystem: {}\nproxy: [a]\n", "c.yml:3: proxy: a value of another shape");
    expect_error("storage: [filesystem]\n", "c.yml:1: storage: a value of another shape");
    expect_error("a: &x\n  b: c\nproxy:\n  <<: *x\n", "merge keys (<<) are not read");
    expect_error("\xff\xfe\xfd", "c.yml");
}

static void a_merge_key_is_no_way_to_hide_a_proxy(void **state) {
    (void)state;
    char path[512];
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_registry_config *config = NULL;
    snprintf(path, sizeof path, "%s/registry-config/merge-key.yml", REGSWEEP_TEST_DATA);
    assert_int_equal(rsw_registry_config_load(&config, path, &err), -1);
    assert_non_null(strstr(err.message, "merge keys"));
}

static void a_root_that_depends_on_the_working_directory_is_not_guessed(void **state) {
    (void)state;
    static const char text[] = "storage:\n  filesystem:\n    rootdirectory: data\n";
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_registry_config *config = NULL;
    char url[64];
    assert_int_equal(rsw_registry_config_parse(&config, "c.yml", text, sizeof text - 1, &err), 0);
    assert_int_equal(rsw_registry_config_storage(config, url, sizeof url, &err), -1);
    assert_int_equal(err.code, RSW_EINVAL);
    assert_non_null(strstr(err.message, "c.yml:2: rootdirectory \"data\""));
    rsw_registry_config_free(config);
}

/* In a URL it would be the first of three characters that stand for one. */
static void a_root_with_a_percent_sign_is_that_directory(void **state) {
    (void)state;
    static const char text[] = "storage:\n  filesystem:\n    rootdirectory: /srv/100%25\n";
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_registry_config *config = NULL;
    assert_int_equal(rsw_registry_config_parse(&config, "c.yml", text, sizeof text - 1, &err), 0);
    expect_storage(config, "/srv/100%25");
    rsw_registry_config_free(config);
}

/* Its key is one that cannot be sent, so that no store is asked. */
static void expect_key_of_the_configuration(const char *variable, const char *value, const char *words) {
    static const char text[] = "storage:\n  s3:\n    bucket: images\n    region: here\n    accesskey: a b\n"
                               "    secretkey: c\n";
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_cli cli;
    rsw_cli_init(&cli);
    cli.options.s3_style = strdup("auto");
    cli.options.s3_encryption = strdup("auto");
    assert_int_equal(rsw_registry_config_parse(&cli.registry_config, "c.yml", text, sizeof text - 1, &err),
                     0);
    setenv(variable, value, 1);
    assert_int_equal(rsw_cli_open_storage(&cli, &err), -1);
    unsetenv(variable);
    rsw_cli_release(&cli);
    if (strstr(err.message, words) == NULL) {
        fail_msg("not \"%s\" but: %s", words, err.message);
    }
}

static void its_key_counts_where_the_environment_names_neither_key_nor_profile(void **state) {
    static const char *const names[] = {"AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_DEFAULT_PROFILE"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        unsetenv(names[i]);
    }
    setenv("HOME", "/nowhere", 1);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        expect_key_of_the_configuration(names[i], "", "the access key has a blank");
    }
    expect_key_of_the_configuration("AWS_ACCESS_KEY_ID", "key", "AWS_SECRET_ACCESS_KEY is not");
    expect_key_of_the_configuration("AWS_PROFILE", "mine", "AWS_PROFILE names profile \"mine\"");
    expect_key_of_the_configuration("AWS_DEFAULT_PROFILE", "mine", "AWS_DEFAULT_PROFILE names profile");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_shipped_configuration_is_read_and_its_traps_named),
        cmocka_unit_test(a_good_configuration_gives_no_warning),
        cmocka_unit_test(an_endpoint_that_leaves_things_out_is_deaf),
        cmocka_unit_test(an_endpoint_of_somebody_else_does_not_count),
        cmocka_unit_test(a_pull_through_cache_is_refused),
        cmocka_unit_test(repository_middleware_is_refused),
        cmocka_unit_test(storage_that_is_neither_filesystem_nor_s3_is_named_and_not_supported),
        cmocka_unit_test(a_bucket_is_named_with_its_root_directory_and_how_to_get_there),
        cmocka_unit_test(how_the_driver_keeps_its_objects_is_read),
        cmocka_unit_test(a_bucket_that_is_not_named_is_missed),
        cmocka_unit_test(a_cache_in_redis_is_warned_of_with_its_address),
        cmocka_unit_test(a_read_only_registry_needs_no_delete_and_aliases_are_followed),
        cmocka_unit_test(bad_files_are_told_with_line_and_reason),
        cmocka_unit_test(a_merge_key_is_no_way_to_hide_a_proxy),
        cmocka_unit_test(a_root_that_depends_on_the_working_directory_is_not_guessed),
        cmocka_unit_test(a_root_with_a_percent_sign_is_that_directory),
        cmocka_unit_test(its_key_counts_where_the_environment_names_neither_key_nor_profile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
