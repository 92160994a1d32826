/* The webhook over TLS, with the openssl program as certificate maker and client. */
#include "feed_help.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs a command line of the shell in the place's folder; its first bytes of output into `out`. The status.
 */
static int shell(struct place *place, char *out, size_t room, const char *command) {
    char text[2048];
    size_t len;
    snprintf(text, sizeof text, "cd '%s' && { %s; } 2>&1", place->dir, command);
    FILE *pipe = popen(text, "re"); /* NOLINT(cert-env33-c): a test, and the text is ours */
    assert_non_null(pipe);
    len = fread(out, 1, room - 1, pipe);
    out[len] = 0;
    while (fgetc(pipe) != EOF) {
    }
    int status = pclose(pipe);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void make_certificate(struct place *place, const char *name) {
    char out[4096];
    char command[512];
    snprintf(
        command, sizeof command,
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost "
        "-addext subjectAltName=IP:127.0.0.1 -keyout %s.key -out %s.pem",
        name, name);
    if (shell(place, out, sizeof out, command) != 0) {
        fail_msg("openssl: %s", out);
    }
}

static int start(struct rsw_feed **feed, struct place *place, const char *cert, const char *key,
                 struct rsw_error *err) {
    char cert_path[256];
    char key_path[256];
    snprintf(cert_path, sizeof cert_path, "%s/%s", place->dir, cert);
    snprintf(key_path, sizeof key_path, "%s/%s", place->dir, key);
    const struct rsw_feed_options options = {
        .listen = "127.0.0.1:0", .token = "t", .tls_cert_file = cert_path, .tls_key_file = key_path};
    *feed = NULL;
    return rsw_feed_start(feed, place->index, &options, err);
}

static void events_come_in_over_tls(void **state) {
    struct place *place = *state;
    struct rsw_feed *feed;
    struct rsw_error err = RSW_ERROR_INIT;
    char out[8192];
    char command[512];
    const struct body body = {
        .action = "push", .type = "application/octet-stream", .repository = "a", .digest = digest_text(1)};
    make_certificate(place, "good");
    if (start(&feed, place, "good.pem", "good.key", &err) != 0) {
        fail_msg("%s", err.message);
    }
    snprintf(command, sizeof command, "%s/request", place->dir);
    FILE *file = fopen(command, "we");
    assert_non_null(file);
    fprintf(file,
            "POST /events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t\r\nConnection: close\r\n"
            "Content-Length: %zu\r\n\r\n%s",
            strlen(body_text(&body)), body_text(&body));
    fclose(file);
    snprintf(command, sizeof command,
             "openssl s_client -quiet -verify_return_error -ign_eof -CAfile good.pem -connect %s <request",
             rsw_feed_address(feed));
    shell(place, out, sizeof out, command);
    if (strstr(out, "HTTP/1.1 200") == NULL) {
        fail_msg("%s", out);
    }
    assert_true(has_blob(place, 1));
    /* Neither plain HTTP nor an old protocol is spoken. */
    assert_int_not_equal(http_post(rsw_feed_address(feed), "t", body_text(&body)), 200);
    snprintf(
        command, sizeof command,
        "openssl s_client -quiet -tls1_1 -cipher DEFAULT@SECLEVEL=0 -CAfile good.pem -connect %s <request",
        rsw_feed_address(feed));
    shell(place, out, sizeof out, command);
    assert_null(strstr(out, "HTTP/1.1"));
    snprintf(command, sizeof command,
             "openssl s_client -quiet -tls1_2 -ign_eof -CAfile good.pem -connect %s <request",
             rsw_feed_address(feed));
    shell(place, out, sizeof out, command);
    assert_non_null(strstr(out, "HTTP/1.1 200"));
    rsw_feed_stop(feed);
}

static void certificates_that_do_not_work_are_clear_errors(void **state) {
    static const struct {
        const char *cert;
        const char *key;
        const char *words;
    } cases[] = {
        {"missing.pem", "good.key", "missing.pem"},
        {"good.pem", "missing.key", "missing.key"},
        {"empty", "good.key", "empty"},
        {"garbage", "good.key", "garbage is no certificate"},
        {"broken.pem", "good.key", "broken.pem"},
        {"good.pem", "other.key", "other.key"},
        {"folder", "good.key", "folder"},
        {"good.pem", "good.pem", "is no private key"},
        {"good.pem", "secret.key", "pass phrase"},
    };
    struct place *place = *state;
    struct rsw_feed *feed;
    char out[1024];
    make_certificate(place, "good");
    make_certificate(place, "other");
    assert_int_equal(shell(place, out, sizeof out,
                           "openssl ec -in good.key -aes128 -passout pass:x -out secret.key;"
                           "touch empty; echo nothing >garbage; mkdir folder; "
                           "{ echo '-----BEGIN CERTIFICATE-----'; echo AAAA; "
                           "echo '-----END CERTIFICATE-----'; } >broken.pem"),
                     0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rsw_error err = RSW_ERROR_INIT;
        assert_int_equal(start(&feed, place, cases[i].cert, cases[i].key, &err), -1);
        assert_int_equal(err.code, RSW_EINVAL);
        assert_non_null(strstr(err.message, cases[i].words));
    }
    struct rsw_error err = RSW_ERROR_INIT;
    const struct rsw_feed_options half = {.listen = "127.0.0.1:0", .tls_cert_file = "x"};
    assert_int_equal(rsw_feed_start(&feed, place->index, &half, &err), -1);
    assert_int_equal(err.code, RSW_EINVAL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_setup, place_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(events_come_in_over_tls),
        TEST(certificates_that_do_not_work_are_clear_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
