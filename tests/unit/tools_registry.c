/* The running registry as options and the registry's configuration tell of it. */
#include "registry_mock.h"

#include "parse.h"
#include "registry.h"
#include "registry_config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct talk {
    char *text;
    size_t len;
    FILE *file;
};

static void to_talk(void *arg, enum rsw_log_level level, const char *line) {
    struct talk *talk = arg;
    fprintf(talk->file, "%s%s\n", level == RSW_LOG_WARNING ? "warning: " : "", line);
    fflush(talk->file);
}

struct given {
    struct rsw_cli cli;
    struct talk talk;
    struct rsw_error err;
};

static const struct rsw_command sweep = {.name = "sweep", .bit = RSW_FOR_SWEEP};
static const struct rsw_command serve = {.name = "serve", .bit = RSW_FOR_SERVE};

/* Options as on the command line, and a registry's configuration; either may be NULL. */
static void give(struct given *given, const char *flags, const char *yaml) {
    char *argv[24] = {(char *)"regsweep"};
    int argc = 1;
    char *text = strdup(flags != NULL ? flags : "");
    char *rest = NULL;
    RSW_AUTO_WORDS words = {NULL, 0};
    memset(given, 0, sizeof *given);
    given->talk.file = open_memstream(&given->talk.text, &given->talk.len);
    rsw_cli_init(&given->cli);
    given->cli.command = &sweep;
    given->cli.log = (struct rsw_log){RSW_LOG_INFO, to_talk, &given->talk};
    for (char *word = strtok_r(text, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        argv[argc++] = word;
    }
    if (rsw_options_init(&given->cli.options, &given->err) != 0 ||
        rsw_parse_flags(&given->cli.options, &words, argc, argv, &given->err) != 0 ||
        (yaml != NULL && rsw_registry_config_parse(&given->cli.registry_config, "config.yml", yaml,
                                                   strlen(yaml), &given->err) != 0)) {
        fail_msg("%s", given->err.message);
    }
    free(text);
}

static void done(struct given *given) {
    rsw_cli_release(&given->cli);
    fclose(given->talk.file);
    free(given->talk.text);
}

static void expect_open(const char *flags, const char *yaml, enum rsw_cache cache, const char *url) {
    struct given given;
    struct rsw_replicas *replicas = NULL;
    give(&given, flags, yaml);
    assert_true(rsw_cli_has_registry(&given.cli));
    if (rsw_cli_open_replicas(&replicas, &given.cli, &given.err) != 0) {
        fail_msg("%s", given.err.message);
    }
    assert_int_equal(replicas->cache, cache);
    assert_int_equal(replicas->count, 1);
    assert_string_equal(replicas->urls[0], url);
    rsw_replicas_close(replicas);
    done(&given);
}

static void expect_refused(const char *flags, const char *yaml, enum rsw_code code, const char *words) {
    struct given given;
    struct rsw_replicas *replicas = NULL;
    give(&given, flags, yaml);
    assert_int_equal(rsw_cli_open_replicas(&replicas, &given.cli, &given.err), -1);
    assert_null(replicas);
    if (given.err.code != code || strstr(given.err.message, words) == NULL) {
        fail_msg("code %d: %s", given.err.code, given.err.message);
    }
    done(&given);
}

#define STORAGE "storage:\n  filesystem:\n  delete:\n    enabled: true\n"

static void the_cache_is_what_is_told_by_option_then_by_configuration(void **state) {
    struct mock *mock = *state;
    char flags[160];
    static const char in_memory[] = STORAGE "  cache:\n    blobdescriptor: inmemory\n";
    snprintf(flags, sizeof flags, "--registry %s", mock->url);
    expect_open(flags, NULL, RSW_CACHE_MEMORY, mock->url);
    expect_open(flags, STORAGE, RSW_CACHE_NONE, mock->url);
    expect_open(flags, in_memory, RSW_CACHE_MEMORY, mock->url);
    expect_refused(flags, STORAGE "  cache:\n    blobdescriptor: memcached\n", RSW_EREFUSED,
                   "config.yml: storage.cache.blobdescriptor is neither inmemory nor redis");
    snprintf(flags, sizeof flags, "--cache none --registry %s", mock->url);
    expect_open(flags, in_memory, RSW_CACHE_NONE, mock->url);
}

static void expect_cache(const char *flags, const char *yaml, int rc, const char *words) {
    struct given given;
    give(&given, flags, yaml);
    assert_int_equal(rsw_cli_check_cache(&given.cli, &given.err), rc);
    assert_true(rc == 0 || given.err.code == RSW_EREFUSED);
    if (strstr(given.err.message, words) == NULL) {
        fail_msg("%s: it says: %s", flags, given.err.message);
    }
    done(&given);
}

/* What is not cleared, though it is cached, costs images. */
static void an_option_that_contradicts_the_configuration_stops_a_sweep(void **state) {
    static const char in_memory[] = STORAGE "  cache:\n    blobdescriptor: inmemory\n";
    static const char in_redis[] =
        STORAGE "  cache:\n    blobdescriptor: redis\nredis:\n  addr: 127.0.0.1:1\n";
    static const char elsewhere[] = STORAGE "  cache:\n    blobdescriptor: memcached\n";
    (void)state;
    expect_cache("--cache none", in_memory, -1,
                 "--cache none, but storage.cache.blobdescriptor in config.yml");
    expect_cache("--cache none", in_redis, -1, "leave --cache out");
    expect_cache("--cache memory", in_redis, -1, "--cache memory");
    expect_cache("--cache redis", in_memory, -1, "--cache redis");
    expect_cache("--cache none", elsewhere, -1, "neither inmemory nor redis");
    expect_cache("--cache memory", in_memory, 0, "");
    expect_cache("--cache memory", STORAGE, 0, ""); /* no harm */
    expect_cache("--cache none", STORAGE, 0, "");
    expect_cache("--cache none", NULL, 0, "");
    expect_cache("", in_redis, 0, "");
}

static void without_a_configuration_the_cautious_choice_is_told(void **state) {
    struct given given;
    enum rsw_cache cache;
    (void)state;
    give(&given, "--registry http://127.0.0.1:1", NULL);
    assert_int_equal(rsw_cli_cache(&given.cli, &cache, &given.err), 0);
    assert_int_equal(cache, RSW_CACHE_MEMORY);
    assert_non_null(strstr(given.talk.text, "is taken for one that caches in memory"));
    done(&given);
}

static void the_address_comes_from_the_configuration_where_none_is_given(void **state) {
    struct mock *mock = *state;
    char yaml[300];
    const char *port = strrchr(mock->url, ':');
    static const char *const hosts[] = {"", "0.0.0.0", "127.0.0.1", "[::]"};
    for (size_t i = 0; i < 4; i++) {
        snprintf(yaml, sizeof yaml, STORAGE "http:\n  addr: \"%s%s\"\n  prefix: /\n", hosts[i], port);
        expect_open(NULL, yaml, RSW_CACHE_NONE, mock->url);
    }
    expect_refused(NULL, STORAGE "http:\n  addr: :5000\n  tls:\n    certificate: /c.pem\n", RSW_EINVAL,
                   "its certificate's name is not told");
    expect_refused(NULL, STORAGE "http:\n  addr: \":1\"\n", RSW_EIO,
                   "http.addr of config.yml (or give --registry)");
    struct given given;
    give(&given, NULL, STORAGE "http:\n  net: unix\n  addr: /run/registry.sock\n");
    assert_false(rsw_cli_has_registry(&given.cli));
    done(&given);
    give(&given, NULL, NULL);
    assert_false(rsw_cli_has_registry(&given.cli));
    done(&given);
}

static void what_redis_must_be_is_told(void **state) {
    struct mock *mock = *state;
    char flags[160];
    snprintf(flags, sizeof flags, "--registry %s", mock->url);
#define IN_REDIS STORAGE "  cache:\n    blobdescriptor: redis\n"
    expect_refused(flags, IN_REDIS, RSW_EINVAL, "Give --redis HOST:PORT");
    expect_refused(flags, IN_REDIS "redis:\n  addrs: [a:1, b:2]\n", RSW_EUNSUPPORTED, "a cluster");
    expect_refused(flags, IN_REDIS "redis:\n  addrs: [a:1]\n  mastername: m\n", RSW_EUNSUPPORTED,
                   "sentinels");
    expect_refused(flags, IN_REDIS "redis:\n  addrs: [a:1]\n  tls:\n    certificate: /c\n", RSW_EUNSUPPORTED,
                   "speaks TLS");
    expect_refused(flags, IN_REDIS "redis:\n  addr: 127.0.0.1:1\n", RSW_EIO, "Redis at 127.0.0.1:1");
    snprintf(flags, sizeof flags, "--redis 127.0.0.1:2 --registry %s", mock->url);
    expect_refused(flags, IN_REDIS "redis:\n  addrs: [a:1, b:2]\n", RSW_EIO, "Redis at 127.0.0.1:2");
}

static void user_and_password_go_together_and_are_used(void **state) {
    struct mock *mock = *state;
    struct given given;
    struct rsw_replicas *replicas = NULL;
    char flags[160];
    mock->auth = MOCK_BASIC;
    snprintf(flags, sizeof flags, "--registry-user " MOCK_USER " --registry %s", mock->url);
    expect_refused(flags, NULL, RSW_EINVAL, "--registry-user and its password go together");
    give(&given, flags, NULL);
    assert_int_equal(rsw_option_set(&given.cli.options, rsw_option_find("registry-password"),
                                    RSW_SOURCE_ENVIRONMENT, "REGSWEEP_REGISTRY_PASSWORD", MOCK_PASSWORD,
                                    &given.err),
                     0);
    if (rsw_cli_open_replicas(&replicas, &given.cli, &given.err) != 0) {
        fail_msg("%s", given.err.message);
    }
    rsw_replicas_close(replicas);
    done(&given);
}

static void a_registry_that_must_not_be_swept_is_not_even_asked(void **state) {
    struct mock *mock = *state;
    char flags[160];
    snprintf(flags, sizeof flags, "--registry %s", mock->url);
    expect_refused(flags, STORAGE "proxy:\n  remoteurl: https://registry-1.docker.io\n", RSW_EREFUSED,
                   "pull-through cache");
    assert_int_equal(mock_count(mock, "GET"), 0);
}

/* ---- times ---- */

static void expect_times(const struct rsw_command *command, const char *flags, int rc, const char *words) {
    struct given given;
    give(&given, flags, NULL);
    given.cli.command = command;
    assert_int_equal(rsw_cli_check_times(&given.cli, &given.err), rc);
    fflush(given.talk.file);
    const char *said = rc == 0 ? given.talk.text : given.err.message;
    if (words == NULL ? *said != 0 : strstr(said, words) == NULL) {
        fail_msg("%s: it says: %s", flags, said);
    }
    assert_true(rc == 0 || given.err.code == RSW_EINVAL);
    done(&given);
}

static void times_that_lose_something_are_refused_and_small_ones_warned_of(void **state) {
    (void)state;
    expect_times(&sweep, "", 0, NULL);
    expect_times(&sweep, "--grace 10m", 0, NULL);
    expect_times(&sweep, "--grace 9m", -1, "--grace 9m is shorter than --settle 10m");
    expect_times(&serve, "--settle 30h", -1, "--grace 1d is shorter than --settle 30h");
    expect_times(&sweep, "--settle 1s --grace 1s", 0, "warning: --settle 1s is for tests");
    expect_times(&sweep, "--quarantine 0", 0, "warning: --quarantine 0s is for tests");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_cache_is_what_is_told_by_option_then_by_configuration, mock_setup,
                                        mock_teardown),
        cmocka_unit_test(an_option_that_contradicts_the_configuration_stops_a_sweep),
        cmocka_unit_test(without_a_configuration_the_cautious_choice_is_told),
        cmocka_unit_test_setup_teardown(the_address_comes_from_the_configuration_where_none_is_given,
                                        mock_setup, mock_teardown),
        cmocka_unit_test_setup_teardown(what_redis_must_be_is_told, mock_setup, mock_teardown),
        cmocka_unit_test_setup_teardown(user_and_password_go_together_and_are_used, mock_setup,
                                        mock_teardown),
        cmocka_unit_test_setup_teardown(a_registry_that_must_not_be_swept_is_not_even_asked, mock_setup,
                                        mock_teardown),
        cmocka_unit_test(times_that_lose_something_are_refused_and_small_ones_warned_of),
    };
    return cmocka_run_group_tests_name("registry options", tests, NULL, NULL);
}
