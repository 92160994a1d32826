/* A sweep that is asked for over HTTP: the body that asks, the answer read back, and the runs of serve. */
#include "cli.h"
#include "sweep.h"
#include "sweep_answer.h"
#include "sweep_print.h"
#include "sweep_request.h"
#include "sweep_runs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DIGEST "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

/* ---- the body ---- */

static void read_good(struct rsw_options *options, const char *body) {
    struct rsw_error err = RSW_ERROR_INIT;
    assert_int_equal(rsw_options_init(options, &err), 0);
    if (rsw_sweep_request_read(options, body, strlen(body), &err) != 0) {
        fail_msg("%s: %s", body, err.message);
    }
}

static void every_member_sets_its_option(void **state) {
    (void)state;
    RSW_AUTO_OPTIONS options = {.sources = NULL};
    read_good(&options,
              "{\"confirm\": true, \"untagged\": \"remove\", \"grace\": \"1h30m\", \"max_delete\": 55,"
              " \"settle\": \"2m\", \"quarantine\": \"7d\", \"upload_max_age\": \"3d\", \"wait\": true,"
              " \"pin\": [\"" DIGEST "\", \"a@" DIGEST "\"]}");
    assert_true(options.confirm);
    assert_true(options.wait);
    assert_string_equal(options.untagged, "remove");
    assert_int_equal(options.grace_ms, 5400000);
    assert_int_equal(options.max_delete, 55);
    assert_int_equal(options.settle_ms, 120000);
    assert_int_equal(options.quarantine_ms, 7 * 86400000);
    assert_int_equal(options.upload_max_age_ms, 3 * 86400000);
    assert_int_equal(options.pins.count, 2);
    assert_string_equal(options.pins.items[1], "a@" DIGEST);
}

/* Of a dead owner's deletions one can come within it, with the registry stopped too. */
static void every_kind_of_sweep_has_the_settle_that_was_asked_for(void **state) {
    static const char *const given[] = {"confirm", "offline"};
    (void)state;
    for (size_t i = 0; i < sizeof given / sizeof *given; i++) {
        struct rsw_error err = RSW_ERROR_INIT;
        struct rsw_sweep_options options;
        struct rsw_cli cli;
        rsw_cli_init(&cli);
        assert_int_equal(rsw_options_init(&cli.options, &err), 0);
        assert_int_equal(
            rsw_option_set(&cli.options, rsw_option_find(given[i]), RSW_SOURCE_FLAG, given[i], NULL, &err),
            0);
        assert_int_equal(
            rsw_option_set(&cli.options, rsw_option_find("settle"), RSW_SOURCE_FLAG, "settle", "2m", &err),
            0);
        assert_int_equal(rsw_sweep_read_options(&options, &cli, &err), 0);
        assert_int_equal(options.settle_ms, 120000);
        rsw_cli_release(&cli);
    }
}

static void without_a_body_it_is_a_dry_run_by_the_options_of_serve(void **state) {
    static const char *const bodies[] = {"", "{}", " {\n} "};
    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        RSW_AUTO_OPTIONS options = {.sources = NULL};
        read_good(&options, bodies[i]);
        assert_false(options.confirm);
        assert_int_equal(options.grace_ms, 86400000);
    }
}

static void the_pins_of_serve_stay(void **state) {
    (void)state;
    struct rsw_error err = RSW_ERROR_INIT;
    RSW_AUTO_OPTIONS serve = {.sources = NULL};
    RSW_AUTO_OPTIONS asked = {.sources = NULL};
    const char body[] = "{\"grace\": \"1h\", \"pin\": [\"b@" DIGEST "\"]}";
    read_good(&serve, "{}");
    assert_int_equal(
        rsw_option_set(&serve, rsw_option_find("pin"), RSW_SOURCE_CONFIG, "pin", "a@" DIGEST, &err), 0);
    assert_int_equal(rsw_option_set(&serve, rsw_option_find("grace"), RSW_SOURCE_FLAG, "grace", "48h", &err),
                     0);
    assert_int_equal(rsw_options_copy(&asked, &serve, &err), 0);
    assert_int_equal(rsw_sweep_request_read(&asked, body, sizeof body - 1, &err), 0);
    assert_int_equal(asked.pins.count, 2);
    assert_string_equal(asked.pins.items[0], "a@" DIGEST);
    assert_int_equal(asked.grace_ms, 3600000);
    assert_int_equal(serve.pins.count, 1);
    assert_int_equal(serve.grace_ms, 2 * 86400000);
}

static void expect_bad(const char *body, const char *words) {
    struct rsw_error err = RSW_ERROR_INIT;
    RSW_AUTO_OPTIONS options = {.sources = NULL};
    assert_int_equal(rsw_options_init(&options, &err), 0);
    if (rsw_sweep_request_read(&options, body, strlen(body), &err) == 0) {
        fail_msg("%s was taken", body);
    }
    if (err.code != RSW_EINVAL || strstr(err.message, words) == NULL) {
        fail_msg("%s: %s", body, err.message);
    }
}

static void what_is_wrong_is_named(void **state) {
    (void)state;
    expect_bad("{\"grase\": \"1h\"}", "unknown member \"grase\"");
    expect_bad("{\"offline\": true}", "unknown member \"offline\"");
    expect_bad("{\"index\": \"/\"}", "unknown member \"index\"");
    expect_bad("{\"max-delete\": 30}", "unknown member \"max-delete\"");
    expect_bad("{\"grace\": 3600}", "grace: expected a text such as \"24h\"");
    expect_bad("{\"grace\": \"3600\"}", "grace: \"3600\" is not a duration");
    expect_bad("{\"grace\": null}", "grace: expected");
    expect_bad("{\"confirm\": \"true\"}", "confirm: expected true or false");
    expect_bad("{\"confirm\": 1}", "confirm: expected true or false");
    expect_bad("{\"max_delete\": \"30\"}", "max_delete: expected a number");
    expect_bad("{\"max_delete\": 30.5}", "max_delete: expected a number");
    expect_bad("{\"max_delete\": -1}", "max_delete: \"-1\" is not a percentage");
    expect_bad("{\"max_delete\": 101}", "max_delete: \"101\" is not a percentage");
    expect_bad("{\"untagged\": \"all\"}", "untagged: \"all\" is not one of keep|remove");
    expect_bad("{\"untagged\": true}", "untagged: expected keep|remove");
    expect_bad("{\"pin\": \"" DIGEST "\"}", "pin: expected a list");
    expect_bad("{\"pin\": [7]}", "pin: expected a list");
    expect_bad("{\"confirm\": false, \"confirm\": true}", "duplicate");
    expect_bad("[]", "no JSON object");
    expect_bad("{", "not JSON");
    expect_bad("confirm=true", "not JSON");
}

static void what_was_given_is_asked_for_and_nothing_else(void **state) {
    (void)state;
    struct rsw_error err = RSW_ERROR_INIT;
    RSW_AUTO_OPTIONS options = {.sources = NULL};
    const char body[] = "{\"confirm\":true,\"untagged\":\"remove\",\"grace\":\"90m\",\"pin\":[\"" DIGEST
                        "\"],\"max_delete\":7}";
    read_good(&options, body);
    rsw_option_set(&options, rsw_option_find("index"), RSW_SOURCE_FLAG, "index", "/secret", &err);
    json_t *root = rsw_sweep_request_write(&options);
    char *text = json_dumps(root, JSON_COMPACT);
    assert_string_equal(text, body);
    free(text);
    json_decref(root);
}

/* ---- the answer ---- */

struct printed {
    struct rsw_cli cli;
    char *out;  /* owned */
    char *talk; /* owned */
    size_t out_len;
    FILE *talk_file;
    size_t talk_len;
};

static void on_talk(void *arg, enum rsw_log_level level, const char *line) {
    struct printed *printed = arg;
    fprintf(printed->talk_file, "%d %s\n", (int)level, line);
}

static void begin_print(struct printed *printed, bool json) {
    memset(printed, 0, sizeof *printed);
    rsw_cli_init(&printed->cli);
    assert_int_equal(rsw_options_init(&printed->cli.options, NULL), 0);
    printed->cli.options.json = json;
    printed->cli.options.verbose = true;
    printed->cli.out = open_memstream(&printed->out, &printed->out_len);
    printed->talk_file = open_memstream(&printed->talk, &printed->talk_len);
    printed->cli.log = (struct rsw_log){RSW_LOG_INFO, on_talk, printed};
}

static void end_print(struct printed *printed) {
    fclose(printed->cli.out);
    fclose(printed->talk_file);
    rsw_cli_release_options(&printed->cli);
}

static void release_print(struct printed *printed) {
    free(printed->out);
    free(printed->talk);
}

static void print_sweep(struct printed *printed, const struct rsw_sweep_result *result,
                        const struct rsw_sweep_options *options) {
    struct rsw_digest digest;
    struct rsw_sweep_print print;
    assert_true(rsw_digest_parse(&digest, DIGEST, strlen(DIGEST)));
    const struct rsw_sweep_item items[] = {
        {RSW_ITEM_BLOB, RSW_REASON_UNREFERENCED, NULL, &digest, NULL, RSW_TYPE_LAYER | RSW_TYPE_CONFIG, 1234},
        {RSW_ITEM_BLOB, RSW_REASON_FORGOTTEN, NULL, &digest, NULL, 0, 0},
        {RSW_ITEM_LINK, RSW_REASON_UNREFERENCED, "a/b", &digest, NULL, 0, 0},
        {RSW_ITEM_REVISION, RSW_REASON_UNTAGGED, "a/b", &digest, NULL, 0, 0},
        {RSW_ITEM_TAG, RSW_REASON_SUBJECT_GONE, "a/b", &digest, "sha256-x.sig", 0, 0},
        {RSW_ITEM_REPOSITORY, RSW_REASON_EMPTY, "a/b", NULL, NULL, 0, 0},
        {RSW_ITEM_UPLOAD, RSW_REASON_STALE, "a/b", NULL, "id-1", 0, 77},
    };
    const struct rsw_sweep_warning warnings[] = {
        {"a/b", &digest, "manifest unreadable"}, {NULL, &digest, "odd"}, {NULL, NULL, "odder"}};
    rsw_sweep_print_init(&print, &printed->cli);
    for (size_t i = 0; i < sizeof items / sizeof *items; i++) {
        rsw_sweep_print_item(&print, &items[i]);
    }
    for (size_t i = 0; i < sizeof warnings / sizeof *warnings; i++) {
        rsw_sweep_print_warning(&print, &warnings[i]);
    }
    assert_int_equal(rsw_sweep_print_result(&print, result, options), RSW_EXIT_DONE);
    rsw_sweep_print_release(&print);
}

static void expect_told_alike(const struct rsw_sweep_result *result,
                              const struct rsw_sweep_options *options) {
    struct printed here;
    struct printed json;
    struct printed there;
    struct rsw_error err = RSW_ERROR_INIT;
    begin_print(&here, false);
    print_sweep(&here, result, options);
    end_print(&here);
    begin_print(&json, true);
    print_sweep(&json, result, options);
    end_print(&json);
    json_t *root = json_loads(json.out, 0, NULL);
    begin_print(&there, false);
    if (rsw_sweep_answer_tell(&there.cli, root, &err) != 0) {
        fail_msg("%s: %s", err.message, json.out);
    }
    end_print(&there);
    json_decref(root);
    assert_string_equal(there.out, here.out);
    assert_string_equal(there.talk, here.talk);
    assert_true(here.out_len > 100);
    release_print(&here);
    release_print(&json);
    release_print(&there);
}

/* A server gives a name that is no UTF-8 with three bytes for one. */
static void lines_of_the_longest_names_are_all_told(void **state) {
    (void)state;
    enum { LINES = 300, NAME = 255 };
    char name[3 * NAME + 1] = "";
    for (size_t i = 0; i < NAME; i++) {
        memcpy(name + 3 * i, "\xef\xbf\xbd", 4);
    }
    const struct rsw_sweep_result result = {.generation = 0};
    const struct rsw_sweep_options options = {.confirm = false};
    const struct rsw_sweep_item item = {
        .kind = RSW_ITEM_UPLOAD, .reason = RSW_REASON_STALE, .repo = "a/b", .name = name, .size = 77};
    char line[sizeof name + 64];
    snprintf(line, sizeof line, "upload\ta/b/%s\t77 B\tstale\n", name);
    struct printed printed;
    struct rsw_sweep_print print;
    begin_print(&printed, false);
    rsw_sweep_print_init(&print, &printed.cli);
    for (size_t i = 0; i < LINES; i++) {
        rsw_sweep_print_item(&print, &item);
    }
    assert_int_equal(rsw_sweep_print_result(&print, &result, &options), RSW_EXIT_DONE);
    rsw_sweep_print_release(&print);
    end_print(&printed);
    for (size_t i = 0; i < LINES; i++) {
        assert_memory_equal(printed.out + i * strlen(line), line, strlen(line));
    }
    assert_memory_equal(printed.out + LINES * strlen(line), "would remove 0 blobs", 20);
    release_print(&printed);
}

static void what_was_done_elsewhere_is_told_as_if_it_were_done_here(void **state) {
    (void)state;
    struct rsw_sweep_result result = {.bytes = 999, .kept_blobs = 12, .kept_in_grace = 3};
    for (unsigned kind = 1; kind < RSW_ITEM_KINDS; kind++) {
        result.counts[kind] = 10 + kind;
    }
    expect_told_alike(&result, &(struct rsw_sweep_options){.confirm = false});
    snprintf(result.guard, sizeof result.guard, "too much: %s", "of everything");
    expect_told_alike(&result, &(struct rsw_sweep_options){.confirm = false});
    result.generation = 7;
    result.state = "unlinked";
    result.due_ms = INT64_C(1790000000123);
    result.held = 2;
    result.done = 5;
    result.failed = 1;
    result.spared = 4;
    result.freed = 5000;
    expect_told_alike(&result, &(struct rsw_sweep_options){.confirm = true});
    result.due_ms = 0;
    result.state = NULL;
    expect_told_alike(&result, &(struct rsw_sweep_options){.confirm = true});
}

static void a_run_that_only_waits_says_what_for(void **state) {
    const struct rsw_sweep_options options = {.confirm = true};
    struct rsw_sweep_result result = {
        .generation = 7, .state = "unlinked", .due_ms = INT64_C(1790000000123), .done = 5};
    struct printed printed;
    (void)state;
    begin_print(&printed, false);
    print_sweep(&printed, &result, &options);
    end_print(&printed);
    assert_null(strstr(printed.out, "keeps 0 blobs"));
    assert_non_null(strstr(printed.out, "began no other sweep: generation 7 came first\n"));
    assert_non_null(strstr(printed.out, "generation 7 is unlinked; once no request can be under way"));
    assert_non_null(strstr(printed.talk, "more is due at 2026-09-21T"));
    release_print(&printed);
    result.kept_blobs = 3; /* another one was decided on */
    result.state = "hidden";
    begin_print(&printed, false);
    print_sweep(&printed, &result, &options);
    end_print(&printed);
    assert_non_null(strstr(printed.out, "keeps 3 blobs"));
    assert_non_null(
        strstr(printed.out, "generation 7 is hidden; once the quarantine is over it is purged\n"));
    release_print(&printed);
}

static void of_long_lists_the_first_are_told_and_how_many_more_there_are(void **state) {
    (void)state;
    struct printed json;
    struct printed there;
    const struct rsw_sweep_result result = {.generation = 7, .state = "unlinked"};
    begin_print(&json, true);
    json.cli.list_max = 1;
    print_sweep(&json, &result, &(struct rsw_sweep_options){.confirm = true});
    end_print(&json);
    json_t *root = json_loads(json.out, 0, NULL);
    const json_t *condemned = json_object_get(root, "condemned");
    assert_int_equal(json_array_size(json_object_get(condemned, "blobs")), 1);
    assert_int_equal(json_array_size(json_object_get(condemned, "uploads")), 1);
    assert_int_equal(json_array_size(json_object_get(root, "warnings")), 1);
    assert_int_equal(json_integer_value(json_object_get(root, "left_out")), 3);
    begin_print(&there, false);
    assert_int_equal(rsw_sweep_answer_tell(&there.cli, root, NULL), 0);
    end_print(&there);
    assert_non_null(
        strstr(there.talk, "3 more are not listed here; where the index is: regsweep inspect generations 7"));
    release_print(&json);
    release_print(&there);
    json_decref(root);
}

static void an_answer_of_something_else_is_an_error(void **state) {
    static const char *const texts[] = {
        "{}", "[]", "{\"dry_run\": true}",
        "{\"dry_run\": true, \"refusal\": null, \"totals\": {\"blobs\": -1}}"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct printed printed;
        struct rsw_error err = RSW_ERROR_INIT;
        json_t *root = json_loads(texts[i], 0, NULL);
        begin_print(&printed, false);
        assert_int_equal(rsw_sweep_answer_tell(&printed.cli, root, &err), -1);
        assert_int_equal(err.code, RSW_EIO);
        end_print(&printed);
        assert_string_equal(printed.out, "");
        release_print(&printed);
        json_decref(root);
    }
}

/* ---- the runs ---- */

struct world {
    char dir[64];
    struct rsw_cli cli;
    struct rsw_sweep_runs *runs;
};

static int world_setup(void **state) {
    struct world *world = calloc(1, sizeof *world);
    const struct rsw_index_options how = {.create = true};
    strcpy(world->dir, "/tmp/regsweep-runs-XXXXXX");
    assert_non_null(mkdtemp(world->dir));
    rsw_cli_init(&world->cli);
    world->cli.log.write = NULL;
    assert_int_equal(rsw_options_init(&world->cli.options, NULL), 0);
    assert_int_equal(rsw_index_open(&world->cli.index, world->dir, &how, NULL), 0);
    assert_int_equal(rsw_sweep_runs_start(&world->runs, &world->cli, NULL), 0);
    *state = world;
    return 0;
}

static int world_teardown(void **state) {
    struct world *world = *state;
    char command[128];
    rsw_sweep_runs_stop(world->runs);
    rsw_sweep_runs_free(world->runs);
    rsw_index_close(world->cli.index);
    rsw_cli_release_options(&world->cli);
    snprintf(command, sizeof command, "rm -rf %s", world->dir);
    assert_int_equal(system(command), 0); // NOLINT(cert-env33-c): a name of our own
    free(world);
    return 0;
}

static int ask(struct world *world, const char *body, char id[RSW_SWEEP_ID_MAX], struct rsw_error *err) {
    RSW_AUTO_OPTIONS options = {.sources = NULL};
    assert_int_equal(rsw_options_copy(&options, &world->cli.options, err), 0);
    assert_int_equal(rsw_sweep_request_read(&options, body, strlen(body), err), 0);
    return rsw_sweep_runs_begin(world->runs, &options, (struct rsw_sweep_listener){.ended = NULL}, id, err);
}

/* The run once it has ended; the caller's. */
static json_t *end_of(struct world *world, const char *id) {
    for (int tries = 0; tries < 6000; tries++) {
        char *text;
        size_t len;
        assert_int_equal(rsw_sweep_runs_tell(world->runs, id, &text, &len), RSW_FOUND);
        json_t *root = json_loadb(text, len, 0, NULL);
        free(text);
        assert_non_null(root);
        if (strcmp(json_string_value(json_object_get(root, "state")), "ended") == 0) {
            return root;
        }
        json_decref(root);
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    fail_msg("%s does not end", id);
    return NULL;
}

static void a_run_ends_as_the_command_would(void **state) {
    struct world *world = *state;
    struct rsw_error err = RSW_ERROR_INIT;
    char id[RSW_SWEEP_ID_MAX];
    assert_int_equal(ask(world, "", id, &err), 0);
    json_t *run = end_of(world, id);
    assert_string_equal(json_string_value(json_object_get(run, "id")), id);
    assert_int_equal(json_integer_value(json_object_get(run, "exit")), RSW_EXIT_REFUSED);
    assert_non_null(strstr(json_string_value(json_object_get(run, "error")), "no complete scan yet"));
    assert_true(json_is_null(json_object_get(run, "result")));
    assert_true(json_is_null(json_object_get(run, "progress")));
    json_decref(run);
    struct rsw_sweep_runs_stats stats;
    rsw_sweep_runs_stats(world->runs, &stats);
    assert_int_equal(stats.begun, 1);
    assert_int_equal(stats.failed, 1);
    assert_true(stats.last_failed);
    assert_false(stats.running);
}

static void only_the_last_runs_are_remembered(void **state) {
    struct world *world = *state;
    struct rsw_error err = RSW_ERROR_INIT;
    char ids[RSW_SWEEP_RUNS + 1][RSW_SWEEP_ID_MAX];
    char *text;
    size_t len;
    for (size_t i = 0; i <= RSW_SWEEP_RUNS; i++) {
        assert_int_equal(ask(world, "{}", ids[i], &err), 0);
        json_decref(end_of(world, ids[i]));
    }
    assert_int_equal(rsw_sweep_runs_tell(world->runs, ids[0], &text, &len), RSW_ABSENT);
    json_decref(end_of(world, ids[1]));
    assert_int_equal(rsw_sweep_runs_tell(world->runs, "", &text, &len), RSW_ABSENT);
    assert_int_equal(rsw_sweep_runs_tell(world->runs, "0123", &text, &len), RSW_ABSENT);
}

static void expect_refused(struct world *world, const char *body, enum rsw_code code, const char *words) {
    struct rsw_error err = RSW_ERROR_INIT;
    char id[RSW_SWEEP_ID_MAX];
    if (ask(world, body, id, &err) == 0) {
        fail_msg("%s was begun", body);
    }
    if (err.code != code || strstr(err.message, words) == NULL) {
        fail_msg("%s: %s", body, err.message);
    }
}

static void set_for_serve(struct world *world, const char *name, const char *value) {
    assert_int_equal(
        rsw_option_set(&world->cli.options, rsw_option_find(name), RSW_SOURCE_FLAG, name, value, NULL), 0);
}

static void what_cannot_be_is_refused_before_it_begins(void **state) {
    struct world *world = *state;
    expect_refused(world, "{\"confirm\": true}", RSW_EREFUSED, "--registry URL");
    expect_refused(world, "{\"pin\": [\"latest\"]}", RSW_EINVAL, "pin: \"latest\"");
    set_for_serve(world, "registry", "http://127.0.0.1:1");
    expect_refused(world, "{\"confirm\": true, \"settle\": \"25h\"}", RSW_EINVAL,
                   "--grace 1d is shorter than --settle 25h");
    rsw_sweep_runs_stop(world->runs);
    expect_refused(world, "{}", RSW_ESTOPPED, "stopped");
    rsw_sweep_runs_free(world->runs);
    world->runs = NULL;
}

static void no_run_goes_beyond_what_serve_was_started_with(void **state) {
    struct world *world = *state;
    set_for_serve(world, "registry", "http://127.0.0.1:1");
    expect_refused(world, "{\"confirm\": true, \"grace\": \"23h\"}", RSW_EINVAL,
                   "grace: 23h is shorter than the 1d of serve");
    expect_refused(world, "{\"confirm\": true, \"settle\": \"9m\"}", RSW_EINVAL,
                   "settle: 9m is shorter than the 10m of serve");
    expect_refused(world, "{\"confirm\": true, \"quarantine\": \"0\"}", RSW_EINVAL,
                   "quarantine: 0s is shorter than the 1d of serve");
    expect_refused(world, "{\"confirm\": true, \"upload_max_age\": \"0\"}", RSW_EINVAL,
                   "upload_max_age: 0s is shorter than the 7d of serve");
    expect_refused(world, "{\"confirm\": true, \"max_delete\": 31}", RSW_EINVAL,
                   "max_delete: 31 is more than the 30 of serve");
    expect_refused(world, "{\"confirm\": true, \"untagged\": \"remove\"}", RSW_EINVAL,
                   "untagged: serve keeps them");
    set_for_serve(world, "untagged", "remove");
    set_for_serve(world, "max-delete", "50");
    /* These it may have now; it is the rest that is wrong. */
    expect_refused(world,
                   "{\"confirm\": true, \"untagged\": \"remove\", \"max_delete\": 50, \"settle\": \"25h\"}",
                   RSW_EINVAL, "--grace 1d is shorter than --settle 25h");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_member_sets_its_option),
        cmocka_unit_test(every_kind_of_sweep_has_the_settle_that_was_asked_for),
        cmocka_unit_test(without_a_body_it_is_a_dry_run_by_the_options_of_serve),
        cmocka_unit_test(the_pins_of_serve_stay),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(what_was_given_is_asked_for_and_nothing_else),
        cmocka_unit_test(lines_of_the_longest_names_are_all_told),
        cmocka_unit_test(what_was_done_elsewhere_is_told_as_if_it_were_done_here),
        cmocka_unit_test(a_run_that_only_waits_says_what_for),
        cmocka_unit_test(of_long_lists_the_first_are_told_and_how_many_more_there_are),
        cmocka_unit_test(an_answer_of_something_else_is_an_error),
        TEST(a_run_ends_as_the_command_would),
        TEST(only_the_last_runs_are_remembered),
        TEST(what_cannot_be_is_refused_before_it_begins),
        TEST(no_run_goes_beyond_what_serve_was_started_with),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
