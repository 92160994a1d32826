/* What workloads use becomes pins: by files, here or for a server elsewhere. */
#include "in_use.h"
#include "sweep_request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DATA REGSWEEP_TEST_DATA "/workload/"
#define DIGEST "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

struct frame {
    struct rsw_cli cli;
    char log[8192]; /* what was said, with its level in front */
    char dir[64];
    char file[80];
};

static void keep_log(void *arg, enum rsw_log_level level, const char *line) {
    struct frame *frame = arg;
    size_t len = strlen(frame->log);
    snprintf(frame->log + len, sizeof frame->log - len, "%d %s\n", (int)level, line);
}

static int setup(void **state) {
    struct frame *frame = calloc(1, sizeof *frame);
    struct rsw_error err = RSW_ERROR_INIT;
    assert_non_null(frame);
    rsw_cli_init(&frame->cli);
    frame->cli.log = (struct rsw_log){RSW_LOG_DEBUG, keep_log, frame};
    assert_int_equal(rsw_options_init(&frame->cli.options, &err), 0);
    snprintf(frame->dir, sizeof frame->dir, "/tmp/regsweep-in-use-XXXXXX");
    assert_non_null(mkdtemp(frame->dir));
    snprintf(frame->file, sizeof frame->file, "%s/list", frame->dir);
    *state = frame;
    return 0;
}

static int teardown(void **state) {
    struct frame *frame = *state;
    unlink(frame->file);
    rmdir(frame->dir);
    rsw_cli_release(&frame->cli);
    free(frame);
    return 0;
}

static void give(struct frame *frame, const char *option, const char *text) {
    struct rsw_error err = RSW_ERROR_INIT;
    if (rsw_option_set(&frame->cli.options, rsw_option_find(option), RSW_SOURCE_FLAG, option, text, &err) !=
        0) {
        fail_msg("%s", err.message);
    }
}

static void write_list(struct frame *frame, const char *text) {
    FILE *file = fopen(frame->file, "we");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
    give(frame, "in-use", frame->file);
    give(frame, "registry-name", "r.io");
}

/* 0 or -1, as it came. */
static int read_all(struct frame *frame, struct rsw_error *err) {
    struct rsw_mark_options mark;
    *err = (struct rsw_error)RSW_ERROR_INIT;
    return rsw_cli_mark_options(&frame->cli, &mark, err) != 0 ? -1 : rsw_in_use_read(&frame->cli, err);
}

static const char *why_of(const struct frame *frame, const char *text) {
    for (size_t i = 0; i < frame->cli.pins.count; i++) {
        if (strcmp(frame->cli.pins.words[i].text, text) == 0) {
            return frame->cli.pins.items[i].why;
        }
    }
    return "";
}

static void what_files_name_is_pinned_with_who_names_it(void **state) {
    struct frame *frame = *state;
    struct rsw_error err;
    give(frame, "pin", "own:1");
    give(frame, "in-use", DATA "pods.json");
    give(frame, "in-use", DATA "controllers.json");
    give(frame, "registry-name", "registry.example.com:5000");
    if (read_all(frame, &err) != 0) {
        fail_msg("%s", err.message);
    }
    assert_string_equal(why_of(frame, "shop/search:latest"), "Pod shop/search-5c9f7-k8l2m container search");
    assert_string_equal(why_of(frame, "shop/asleep:1"), "Deployment shop/asleep container asleep");
    assert_string_equal(why_of(frame, "own:1"), "--pin");
    assert_int_equal(frame->cli.pins.objects, 16);
    assert_non_null(
        strstr(frame->log, "in use: shop/asleep:1, by Deployment shop/asleep container asleep\n"));
}

static void nothing_asked_for_nothing_read(void **state) {
    struct frame *frame = *state;
    struct rsw_error err;
    give(frame, "registry-name", "r.io");
    assert_int_equal(read_all(frame, &err), 0);
    assert_int_equal(frame->cli.pins.count, 0);
}

static void the_names_of_the_registry_must_be_told(void **state) {
    struct frame *frame = *state;
    struct rsw_error err;
    give(frame, "in-use", DATA "pods.json");
    assert_int_equal(read_all(frame, &err), -1);
    assert_int_equal(err.code, RSW_EINVAL);
    assert_non_null(strstr(err.message, "Give --registry-name HOST[:PORT]"));
    give(frame, "registry-name", "https://r.io/");
    assert_int_equal(read_all(frame, &err), -1);
    assert_string_equal(err.message, "--registry-name: \"https://r.io/\" is not HOST or HOST:PORT");
}

static void a_file_that_cannot_be_read_whole_refuses(void **state) {
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"", "there is nothing in it"},
        {"{\"kind\":\"List\",\"items\":[", "it ends too early"},
        {"error: You must be logged in to the server", "it is not JSON"},
    };
    struct frame *frame = *state;
    struct rsw_error err;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_list(frame, cases[i].text);
        assert_int_equal(read_all(frame, &err), -1);
        assert_int_equal(err.code, RSW_EREFUSED);
        assert_int_equal(rsw_cli_exit_of(&err), RSW_EXIT_REFUSED);
        assert_non_null(strstr(err.message, frame->file));
        if (strstr(err.message, cases[i].words) == NULL) {
            fail_msg("%s", err.message);
        }
    }
    unlink(frame->file);
    assert_int_equal(read_all(frame, &err), -1);
    assert_int_equal(err.code, RSW_EREFUSED);
    assert_non_null(strstr(err.message, "No such file"));
    give(frame, "in-use", frame->dir);
    assert_int_equal(read_all(frame, &err), -1);
    assert_int_equal(err.code, RSW_EREFUSED);
}

#define TWO_PODS                                                                                             \
    "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"good\"},\"spec\":{\"containers\":[{"   \
    "\"image\":\"r.io/a:1\"}]}}{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"bad\"},"     \
    "\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"r.io/A\"}]}}"

static void references_that_cannot_be_read_refuse_with_a_list(void **state) {
    struct frame *frame = *state;
    struct rsw_error err;
    write_list(frame, TWO_PODS);
    assert_int_equal(read_all(frame, &err), -1);
    assert_int_equal(err.code, RSW_EREFUSED);
    assert_non_null(strstr(err.message, "1 references of workloads cannot be read"));
    assert_non_null(strstr(frame->log, "0 Pod bad container c: image \"r.io/A\": repository 'A'"));
    give(frame, "ignore-bad-references", NULL);
    assert_int_equal(read_all(frame, &err), 0);
    assert_int_equal(frame->cli.pins.count, 1);
    assert_non_null(strstr(frame->log, "1 Pod bad container c: image"));
}

static void a_registry_that_nobody_names_is_noticed(void **state) {
    struct frame *frame = *state;
    struct rsw_error err;
    write_list(frame, "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\"},\"spec\":{"
                      "\"containers\":[{\"image\":\"other.io/a:1\"}]}}");
    assert_int_equal(read_all(frame, &err), 0);
    assert_non_null(
        strstr(frame->log, "1 1 references of workloads are to other registries, and none to this"));
}

/* --server: what was read here goes there, with who names it. */
static void a_server_is_told_what_is_in_use(void **state) {
    struct frame *frame = *state;
    struct rsw_error err;
    struct rsw_mark_options mark;
    struct rsw_cli there;
    give(frame, "pin", "own@" DIGEST);
    write_list(frame, "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\"},\"spec\":{"
                      "\"containers\":[{\"name\":\"c\",\"image\":\"r.io/a:1@" DIGEST "\"}]}}");
    assert_int_equal(read_all(frame, &err), 0);
    assert_int_equal(rsw_pins_to_options(&frame->cli.pins, &frame->cli.options, &err), 0);
    json_t *root = rsw_sweep_request_write(&frame->cli.options);
    assert_int_equal(json_array_size(json_object_get(root, "pin")), 1);
    assert_int_equal(json_array_size(json_object_get(root, "used")), 2);
    assert_null(json_object_get(root, "in_use"));
    char *body = json_dumps(root, 0);
    json_decref(root);

    rsw_cli_init(&there);
    assert_int_equal(rsw_options_init(&there.options, &err), 0);
    assert_int_equal(rsw_sweep_request_read(&there.options, body, strlen(body), &err), 0);
    assert_int_equal(rsw_cli_mark_options(&there, &mark, &err), 0);
    assert_int_equal(mark.pin_count, 3);
    assert_string_equal(mark.pins[2].repo, "a");
    assert_string_equal(mark.pins[2].tag, "1");
    assert_string_equal(mark.pins[2].why, "Pod p container c");
    assert_true(there.pins.words[2].used);
    rsw_cli_release(&there);
    free(body);
}

static void what_is_sent_in_use_must_be_a_pin(void **state) {
    static const char *const bodies[] = {"{\"used\":[\"a:1\"]}", "{\"used\":[\"a Pod p\"]}",
                                         "{\"used\":[\"\"]}", "{\"used\":\"a:1 Pod p\"}"};
    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        struct rsw_cli cli;
        struct rsw_mark_options mark;
        struct rsw_error err = RSW_ERROR_INIT;
        rsw_cli_init(&cli);
        assert_int_equal(rsw_options_init(&cli.options, &err), 0);
        bool taken = rsw_sweep_request_read(&cli.options, bodies[i], strlen(bodies[i]), &err) == 0 &&
                     rsw_cli_mark_options(&cli, &mark, &err) == 0;
        if (taken || err.code != RSW_EINVAL) {
            fail_msg("%s: %s", bodies[i], err.message);
        }
        rsw_cli_release(&cli);
    }
}

static void in_a_cluster_the_server_is_where_the_pod_is_told(void **state) {
    struct frame *frame = *state;
    struct rsw_error err;
    unsetenv("KUBERNETES_SERVICE_HOST");
    give(frame, "in-use-api", "in-cluster");
    give(frame, "registry-name", "r.io");
    assert_int_equal(read_all(frame, &err), -1);
    assert_int_equal(err.code, RSW_EREFUSED);
    assert_non_null(strstr(err.message, "this runs in no pod"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_files_name_is_pinned_with_who_names_it),
        TEST(nothing_asked_for_nothing_read),
        TEST(the_names_of_the_registry_must_be_told),
        TEST(a_file_that_cannot_be_read_whole_refuses),
        TEST(references_that_cannot_be_read_refuse_with_a_list),
        TEST(a_registry_that_nobody_names_is_noticed),
        TEST(a_server_is_told_what_is_in_use),
        cmocka_unit_test(what_is_sent_in_use_must_be_a_pin),
        TEST(in_a_cluster_the_server_is_where_the_pod_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
