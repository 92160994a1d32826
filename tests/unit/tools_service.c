/* What `serve` and `scan` have of their own: the token, the service manager, the progress line. */
#include "notify.h"
#include "progress.h"
#include "token.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct folder {
    char path[64];
    char file[96];
    unsigned warnings;
};

static int make_folder(void **state) {
    struct folder *folder = calloc(1, sizeof *folder);
    strcpy(folder->path, "/tmp/regsweep-tools-XXXXXX");
    if (mkdtemp(folder->path) == NULL) {
        return -1;
    }
    snprintf(folder->file, sizeof folder->file, "%s/file", folder->path);
    *state = folder;
    return 0;
}

static int remove_folder(void **state) {
    struct folder *folder = *state;
    unlink(folder->file);
    rmdir(folder->path);
    free(folder);
    return 0;
}

static void count_warning(void *arg, enum rsw_log_level level, const char *line) {
    (void)line;
    ((struct folder *)arg)->warnings += level == RSW_LOG_WARNING;
}

static void write_file(struct folder *folder, const char *text, mode_t mode) {
    int fd = open(folder->file, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

/* The token, or NULL with the message in err. */
static char *load(struct folder *folder, enum rsw_source file_source, const char *variable,
                  struct rsw_error *err) {
    struct rsw_log log = {RSW_LOG_WARNING, count_warning, folder};
    RSW_AUTO_OPTIONS options = {.sources = NULL};
    char *token = NULL;
    assert_int_equal(rsw_options_init(&options, err), 0);
    if (file_source != RSW_SOURCE_DEFAULT) {
        rsw_option_set(&options, rsw_option_find("token-file"), file_source, "", folder->file, err);
    }
    if (variable != NULL) {
        rsw_option_set(&options, rsw_option_find("token"), RSW_SOURCE_ENVIRONMENT, "", variable, err);
    }
    if (rsw_token_load(&token, &options, &log, err) != 0) {
        assert_null(token);
    }
    return token;
}

static void expect_token(struct folder *folder, enum rsw_source source, const char *variable,
                         const char *expected) {
    struct rsw_error err = RSW_ERROR_INIT;
    char *token = load(folder, source, variable, &err);
    if (expected == NULL) {
        assert_null(token);
    } else {
        assert_non_null(token);
        assert_string_equal(token, expected);
    }
    assert_int_equal(err.code, RSW_OK);
    free(token);
}

static void the_token_is_the_file_without_its_last_newline(void **state) {
    struct folder *folder = *state;
    write_file(folder, "s3cret\n", 0600);
    expect_token(folder, RSW_SOURCE_FLAG, NULL, "s3cret");
    write_file(folder, "s3cret", 0640);
    expect_token(folder, RSW_SOURCE_FLAG, NULL, "s3cret");
    write_file(folder, "s3cret\r\n", 0600);
    expect_token(folder, RSW_SOURCE_FLAG, NULL, "s3cret");
    assert_int_equal(folder->warnings, 0);
}

static void a_token_that_everybody_can_read_is_warned_of(void **state) {
    struct folder *folder = *state;
    write_file(folder, "s3cret\n", 0644);
    expect_token(folder, RSW_SOURCE_FLAG, NULL, "s3cret");
    assert_int_equal(folder->warnings, 1);
}

static void the_greater_source_gives_the_token(void **state) {
    struct folder *folder = *state;
    write_file(folder, "from-file\n", 0600);
    expect_token(folder, RSW_SOURCE_FLAG, "from-variable", "from-file");
    expect_token(folder, RSW_SOURCE_CONFIG, "from-variable", "from-variable");
    expect_token(folder, RSW_SOURCE_DEFAULT, "from-variable", "from-variable");
    expect_token(folder, RSW_SOURCE_DEFAULT, NULL, NULL);
}

static void expect_bad_token(struct folder *folder, const char *text, const char *message) {
    struct rsw_error err = RSW_ERROR_INIT;
    write_file(folder, text, 0600);
    assert_null(load(folder, RSW_SOURCE_FLAG, NULL, &err));
    assert_int_equal(err.code, RSW_EINVAL);
    assert_non_null(strstr(err.message, message));
}

static void a_token_that_could_never_match_is_an_error(void **state) {
    struct folder *folder = *state;
    expect_bad_token(folder, "", "the token is empty");
    expect_bad_token(folder, "\n", "the token is empty");
    expect_bad_token(folder, "one\ntwo\n", "one line");
    expect_bad_token(folder, "two words\n", "without blanks");
    struct rsw_error err = RSW_ERROR_INIT;
    unlink(folder->file);
    assert_null(load(folder, RSW_SOURCE_FLAG, NULL, &err));
    assert_int_equal(err.code, RSW_EINVAL); /* a configuration that names what cannot be read */
    assert_non_null(strstr(err.message, folder->file));
}

static void expect_notice(const char *path, const struct sockaddr_un *address, socklen_t len) {
    char text[64] = "";
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)address, len), 0);
    assert_int_equal(rsw_notify(path, "READY=1"), 0);
    assert_int_equal(recv(fd, text, sizeof text - 1, 0), 7);
    assert_string_equal(text, "READY=1");
    close(fd);
}

static void the_service_manager_hears_by_path_and_by_abstract_name(void **state) {
    struct folder *folder = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char name[100];
    snprintf(address.sun_path, sizeof address.sun_path, "%s", folder->file);
    expect_notice(folder->file, &address, sizeof address);
    snprintf(name, sizeof name, "@%s", folder->path + 5);
    memset(&address.sun_path, 0, sizeof address.sun_path);
    memcpy(address.sun_path + 1, name + 1, strlen(name) - 1);
    expect_notice(name, &address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name)));
    assert_int_equal(rsw_notify(NULL, "READY=1"), 0);
    assert_int_equal(rsw_notify("", "READY=1"), 0);
    assert_int_equal(rsw_notify("relative", "READY=1"), -1);
    assert_int_equal(rsw_notify("/nonexistent/notify", "READY=1"), -1);
}

static void the_watchdog_is_patted_twice_as_often_as_asked_and_only_if_meant_for_us(void **state) {
    (void)state;
    assert_int_equal(rsw_notify_watchdog_ms("30000000", NULL, 7), 15000);
    assert_int_equal(rsw_notify_watchdog_ms("30000000", "7", 7), 15000);
    assert_int_equal(rsw_notify_watchdog_ms("30000000", "8", 7), 0);
    assert_int_equal(rsw_notify_watchdog_ms("1", NULL, 7), 1);
    assert_int_equal(rsw_notify_watchdog_ms("0", NULL, 7), 0);
    assert_int_equal(rsw_notify_watchdog_ms("soon", NULL, 7), 0);
    assert_int_equal(rsw_notify_watchdog_ms(NULL, NULL, 7), 0);
}

static void progress_tells_rate_and_time_left(void **state) {
    (void)state;
    char text[256];
    struct rsw_scan_progress seen = {
        .blobs = 9000, .links = 1000, .repositories = 100, .repositories_known = 400, .elapsed_ms = 10000};
    assert_string_equal(rsw_progress_format(&seen, text, sizeof text),
                        "100 of 400 repositories, 9000 blobs, 1000 links, 1000/s, about 31s left");
    seen.repositories = 400;
    assert_string_equal(rsw_progress_format(&seen, text, sizeof text),
                        "400 of 400 repositories, 9000 blobs, 1000 links, 1000/s");
    seen.requests = 1234;
    assert_string_equal(rsw_progress_format(&seen, text, sizeof text),
                        "400 of 400 repositories, 9000 blobs, 1000 links, 1000/s, 1234 requests");
    seen = (struct rsw_scan_progress){.blobs = 0};
    assert_string_equal(rsw_progress_format(&seen, text, sizeof text),
                        "0 of 0 repositories, 0 blobs, 0 links, 0/s");
}

static void without_a_terminal_progress_is_a_line_every_30_seconds_unless_quiet(void **state) {
    (void)state;
    for (int quiet = 0; quiet < 2; quiet++) {
        struct rsw_cli cli;
        struct rsw_progress progress;
        rsw_cli_init(&cli);
        cli.talk = tmpfile();
        assert_non_null(cli.talk);
        cli.options.quiet = quiet == 1;
        rsw_progress_init(&progress, &cli);
        for (int64_t ms = 0; ms <= 65000; ms += 200) {
            rsw_progress_show(&progress, &(struct rsw_scan_progress){.elapsed_ms = ms});
        }
        rsw_progress_end(&progress);
        unsigned lines = 0;
        rewind(cli.talk);
        for (int c; (c = fgetc(cli.talk)) != EOF;) {
            lines += c == '\n';
            assert_true(c != '\r' && c != 033);
        }
        assert_int_equal(lines, quiet == 1 ? 0 : 2);
        fclose(cli.talk);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_token_is_the_file_without_its_last_newline, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(a_token_that_everybody_can_read_is_warned_of, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(the_greater_source_gives_the_token, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_token_that_could_never_match_is_an_error, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(the_service_manager_hears_by_path_and_by_abstract_name, make_folder,
                                        remove_folder),
        cmocka_unit_test(the_watchdog_is_patted_twice_as_often_as_asked_and_only_if_meant_for_us),
        cmocka_unit_test(progress_tells_rate_and_time_left),
        cmocka_unit_test(without_a_terminal_progress_is_a_line_every_30_seconds_unless_quiet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
