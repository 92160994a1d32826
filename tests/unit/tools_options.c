/* Where an option's value comes from, and what a bad one is told. */
#include "config.h"
#include "help.h"
#include "parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#define FOR RSW_FOR_SWEEP

struct given {
    const char *flag;     /* words split at blanks; NULL: none */
    const char *variable; /* "NAME=value" */
    const char *file;     /* YAML */
};

/* As the program does it: flags, environment, file. */
static int read_all(struct rsw_options *options, const struct given *given, struct rsw_error *err) {
    char *argv[16] = {(char *)"regsweep", (char *)"sweep"};
    char *environment[] = {(char *)"PATH=/bin", (char *)(uintptr_t)given->variable, NULL};
    int argc = 2;
    char *words = strdup(given->flag != NULL ? given->flag : "");
    char *rest = NULL;
    for (char *word = strtok_r(words, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        argv[argc++] = word;
    }
    RSW_AUTO_WORDS found = {NULL, 0};
    int result = rsw_options_init(options, err);
    if (result == 0) {
        result = rsw_parse_flags(options, &found, argc, argv, err);
    }
    if (result == 0) {
        result = rsw_check_flags(options, "sweep", FOR, err);
    }
    if (result == 0) {
        result = rsw_parse_environment(options, FOR, environment, err);
    }
    if (result == 0 && given->file != NULL) {
        result = rsw_config_parse(options, "f.yml", given->file, strlen(given->file), err);
    }
    free(words);
    return result;
}

static void expect_grace(const struct given *given, int64_t ms, enum rsw_source source) {
    struct rsw_error err = RSW_ERROR_INIT;
    RSW_AUTO_OPTIONS options = {.sources = NULL};
    if (read_all(&options, given, &err) != 0) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(options.grace_ms, ms);
    assert_int_equal(rsw_option_source(&options, "grace"), source);
}

static void flag_wins_over_environment_over_file_over_default(void **state) {
    (void)state;
    const char *flag = "--grace 1h";
    const char *variable = "REGSWEEP_GRACE=2h";
    const char *file = "grace: 3h\n";
    const int64_t hour = 3600 * 1000;
    expect_grace(&(struct given){NULL, NULL, NULL}, 24 * hour, RSW_SOURCE_DEFAULT);
    expect_grace(&(struct given){NULL, NULL, file}, 3 * hour, RSW_SOURCE_CONFIG);
    expect_grace(&(struct given){NULL, variable, NULL}, 2 * hour, RSW_SOURCE_ENVIRONMENT);
    expect_grace(&(struct given){NULL, variable, file}, 2 * hour, RSW_SOURCE_ENVIRONMENT);
    expect_grace(&(struct given){flag, NULL, NULL}, hour, RSW_SOURCE_FLAG);
    expect_grace(&(struct given){flag, NULL, file}, hour, RSW_SOURCE_FLAG);
    expect_grace(&(struct given){flag, variable, NULL}, hour, RSW_SOURCE_FLAG);
    expect_grace(&(struct given){flag, variable, file}, hour, RSW_SOURCE_FLAG);
}

static void empty_values_in_environment_and_file_count_as_not_given(void **state) {
    (void)state;
    expect_grace(&(struct given){NULL, "REGSWEEP_GRACE=", NULL}, 24 * 3600 * 1000, RSW_SOURCE_DEFAULT);
    expect_grace(&(struct given){NULL, NULL, "grace:\n"}, 24 * 3600 * 1000, RSW_SOURCE_DEFAULT);
    expect_grace(&(struct given){NULL, NULL, ""}, 24 * 3600 * 1000, RSW_SOURCE_DEFAULT);
    expect_grace(&(struct given){NULL, NULL, "# nothing\n"}, 24 * 3600 * 1000, RSW_SOURCE_DEFAULT);
}

static void expect_message(const struct given *given, const char *message) {
    struct rsw_error err = RSW_ERROR_INIT;
    RSW_AUTO_OPTIONS options = {.sources = NULL};
    assert_int_equal(read_all(&options, given, &err), -1);
    assert_int_equal(err.code, RSW_EINVAL);
    assert_string_equal(err.message, message);
}

static void a_bad_value_names_its_source_itself_and_what_is_expected(void **state) {
    (void)state;
    static const struct {
        struct given given;
        const char *message;
    } cases[] = {
        {{"--grace 10", NULL, NULL}, "--grace: \"10\" is not a duration such as 90s, 10m, 24h or 7d"},
        {{"--grace=-1h", NULL, NULL}, "--grace: \"-1h\" is not a duration such as 90s, 10m, 24h or 7d"},
        {{NULL, "REGSWEEP_GRACE=soon", NULL},
         "REGSWEEP_GRACE: \"soon\" is not a duration such as 90s, 10m, 24h or 7d"},
        {{NULL, NULL, "\n# x\ngrace: 1 day\n"},
         "f.yml:3: grace: \"1 day\" is not a duration such as 90s, 10m, 24h or 7d"},
        {{"--max-delete 101", NULL, NULL}, "--max-delete: \"101\" is not a percentage from 0 to 100"},
        {{"--max-delete=", NULL, NULL}, "--max-delete: \"\" is not a percentage from 0 to 100"},
        {{"--untagged kee", NULL, NULL}, "--untagged: \"kee\" is not one of keep|remove"},
        {{"--untagged keep|remove", NULL, NULL}, "--untagged: \"keep|remove\" is not one of keep|remove"},
        {{"--map-size much", NULL, NULL}, "--map-size: \"much\" is not a size such as 512M or 4G"},
        {{"--json=perhaps", NULL, NULL}, "--json: \"perhaps\" is not true or false"},
        {{"--index=", NULL, NULL}, "--index: \"\" is not a text that is not empty"},
        {{NULL, NULL, "max-delete: [1, 2]\n"}, "f.yml:1: max-delete: expected a single value"},
        {{NULL, NULL, "pin: {a: b}\n"}, "f.yml:1: pin: expected a text, or a list of texts"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        expect_message(&cases[i].given, cases[i].message);
    }
}

static void wrong_flags_are_told_with_the_closest_one(void **state) {
    (void)state;
    static const struct {
        const char *flag;
        const char *message;
    } cases[] = {
        {"--gracee 1h", "unknown option --gracee; did you mean --grace?"},
        {"--confrim", "unknown option --confrim; did you mean --confirm?"},
        {"--conf", "unknown option --conf; did you mean --config?"},
        {"--confir", "unknown option --confir; did you mean --confirm?"},
        {"--nonsense=1", "unknown option --nonsense"},
        {"-x", "unknown option -x"},
        {"--grace", "--grace needs a value"},
        {"--listen 127.0.0.1:1", "sweep takes no --listen"},
        {"--token abc", "unknown option --token; did you mean --token-file?"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        expect_message(&(struct given){cases[i].flag, NULL, NULL}, cases[i].message);
    }
}

static void wrong_files_are_told_with_line_and_reason(void **state) {
    (void)state;
    static const struct {
        const char *file;
        const char *message;
    } cases[] = {
        {"json: true\ngarce: 1h\n", "f.yml:2: unknown option \"garce\"; did you mean \"grace\"?"},
        {"grace: 1h\ngrace: 2h\n", "f.yml:2: grace is there twice"},
        {"- grace\n", "f.yml:1: expected lines of \"option: value\""},
        {"just a text\n", "f.yml:1: expected lines of \"option: value\""},
        {"config: other.yml\n", "f.yml:1: config cannot be set in a file, only on the command line"},
        {"token: secret\n", "f.yml:1: token cannot be set in a file, only in the environment"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        expect_message(&(struct given){NULL, NULL, cases[i].file}, cases[i].message);
    }
    struct rsw_error err = RSW_ERROR_INIT;
    RSW_AUTO_OPTIONS options = {.sources = NULL};
    assert_int_equal(read_all(&options, &(struct given){NULL, NULL, "a: 1\nb: [1\nc: }\n"}, &err), -1);
    assert_memory_equal(err.message, "f.yml:3: ", 9);
}

static void what_lets_a_run_delete_is_taken_from_the_command_line_alone(void **state) {
    (void)state;
    expect_message(&(struct given){NULL, "REGSWEEP_CONFIRM=true", NULL},
                   "REGSWEEP_CONFIRM: --confirm cannot be set in the environment, only on the command line");
    expect_message(&(struct given){NULL, NULL, "confirm: true\n"},
                   "f.yml:1: confirm cannot be set in a file, only on the command line");
    expect_message(&(struct given){NULL, "REGSWEEP_OFFLINE=1", NULL},
                   "REGSWEEP_OFFLINE: --offline cannot be set in the environment, only on the command line");
    struct rsw_error err = RSW_ERROR_INIT;
    RSW_AUTO_OPTIONS options = {.sources = NULL};
    assert_int_equal(read_all(&options, &(struct given){"--confirm", NULL, NULL}, &err), 0);
    assert_true(options.confirm);
    assert_false(options.offline);
}

static void variables_of_others_do_not_disturb(void **state) {
    (void)state;
    static const char *const others[] = {"REGSWEEP_SERVICE_HOST=10.0.0.1",
                                         "REGSWEEP_PORT=tcp://10.0.0.1:5050", "REGSWEEP_VERSION=1.0",
                                         "REGSWEEP_LISTEN=nonsense", "REGSWEEP_GRACEFUL=x"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        expect_grace(&(struct given){NULL, others[i], NULL}, 24 * 3600 * 1000, RSW_SOURCE_DEFAULT);
    }
}

static void a_flag_can_switch_off_what_the_file_switches_on(void **state) {
    (void)state;
    struct rsw_error err = RSW_ERROR_INIT;
    RSW_AUTO_OPTIONS options = {.sources = NULL};
    assert_int_equal(
        read_all(&options, &(struct given){"--json=false -q", NULL, "json: yes\nverbose: on\n"}, &err), 0);
    assert_false(options.json);
    assert_true(options.quiet);
    assert_true(options.verbose);
}

static void repeated_options_add_up_and_a_greater_source_replaces_them(void **state) {
    (void)state;
    struct rsw_error err = RSW_ERROR_INIT;
    RSW_AUTO_OPTIONS options = {.sources = NULL};
    assert_int_equal(
        read_all(&options, &(struct given){"--pin a --pin b", "REGSWEEP_PIN=c", "pin: [d, e, f]\n"}, &err),
        0);
    assert_int_equal(options.pins.count, 2);
    assert_string_equal(options.pins.items[1], "b");
    rsw_options_release(&options);
    assert_int_equal(read_all(&options, &(struct given){NULL, NULL, "pin: [d, e, f]\n"}, &err), 0);
    assert_int_equal(options.pins.count, 3);
    assert_string_equal(options.pins.items[2], "f");
}

static void words_keep_their_order_among_flags_and_behind_two_dashes(void **state) {
    (void)state;
    struct rsw_error err = RSW_ERROR_INIT;
    RSW_AUTO_OPTIONS options = {.sources = NULL};
    RSW_AUTO_WORDS words = {NULL, 0};
    char *argv[] = {(char *)"regsweep", (char *)"--json", (char *)"inspect",
                    (char *)"--index",  (char *)"d",      (char *)"blob",
                    (char *)"--",       (char *)"--json", NULL};
    assert_int_equal(rsw_options_init(&options, &err), 0);
    assert_int_equal(rsw_parse_flags(&options, &words, 8, argv, &err), 0);
    assert_int_equal(words.count, 3);
    assert_string_equal(words.items[0], "inspect");
    assert_string_equal(words.items[1], "blob");
    assert_string_equal(words.items[2], "--json");
    assert_string_equal(options.index, "d");
}

static void expect_hint(const struct rsw_options *options, const char *text, const char *expected) {
    char hinted[128];
    assert_string_equal(rsw_hint_index(hinted, sizeof hinted, text, options), expected);
}

static void a_remedy_names_the_index_where_it_is_not_in_its_usual_place(void **state) {
    (void)state;
    static const char *const others[] = {"run regsweep scan --index e", "name it as regsweep scan was told",
                                         "with: regsweep scan --rebuild --index e", ""};
    struct rsw_error err = RSW_ERROR_INIT;
    RSW_AUTO_OPTIONS options = {.sources = NULL};
    assert_int_equal(read_all(&options, &(struct given){NULL, NULL, NULL}, &err), 0);
    expect_hint(&options, "build it with: regsweep scan --rebuild", "build it with: regsweep scan --rebuild");
    rsw_options_release(&options);
    assert_int_equal(read_all(&options, &(struct given){"--index d", NULL, NULL}, &err), 0);
    expect_hint(&options, "build it with: regsweep scan --rebuild",
                "build it with: regsweep scan --rebuild --index d");
    expect_hint(&options, "run regsweep scan, which closes it",
                "run regsweep scan --index d, which closes it");
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        expect_hint(&options, others[i], others[i]);
    }
}

static void a_word_for_a_shell_is_quoted_where_it_must_be(void **state) {
    (void)state;
    static const char *const table[][2] = {{"/var/lib/regsweep-1_a", "/var/lib/regsweep-1_a"},
                                           {"/my files/a", "'/my files/a'"},
                                           {"it's $HOME", "'it'\\''s $HOME'"},
                                           {"~/a", "'~/a'"},
                                           {"", "''"}};
    char word[24];
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        assert_string_equal(rsw_shell_word(word, sizeof word, table[i][0]), table[i][1]);
    }
    assert_string_equal(rsw_shell_word(word, 6, "a b"), "'a b'");
    assert_string_equal(rsw_shell_word(word, 5, "a b"), "a b");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flag_wins_over_environment_over_file_over_default),
        cmocka_unit_test(empty_values_in_environment_and_file_count_as_not_given),
        cmocka_unit_test(a_bad_value_names_its_source_itself_and_what_is_expected),
        cmocka_unit_test(wrong_flags_are_told_with_the_closest_one),
        cmocka_unit_test(wrong_files_are_told_with_line_and_reason),
        cmocka_unit_test(what_lets_a_run_delete_is_taken_from_the_command_line_alone),
        cmocka_unit_test(variables_of_others_do_not_disturb),
        cmocka_unit_test(a_flag_can_switch_off_what_the_file_switches_on),
        cmocka_unit_test(repeated_options_add_up_and_a_greater_source_replaces_them),
        cmocka_unit_test(a_remedy_names_the_index_where_it_is_not_in_its_usual_place),
        cmocka_unit_test(a_word_for_a_shell_is_quoted_where_it_must_be),
        cmocka_unit_test(words_keep_their_order_among_flags_and_behind_two_dashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
