/* Bodies without end, servers that do not answer, TLS, and many threads. */
#include "registry_mock.h"

#include "registry/server.h"
#include "util/buf.h"
#include "util/cleanup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int open_at(struct rsw_registry **out, const char *url, const char *ca_file, int64_t total_ms) {
    struct rsw_error err = RSW_ERROR_INIT;
    const struct rsw_registry_options options = {
        .nonce = "n1", .ca_file = ca_file, .connect_timeout_ms = 2000, .total_timeout_ms = total_ms};
    if (rsw_registry_open(out, url, &options, &err) != 0) {
        fail_msg("%s", err.message);
    }
    return 0;
}

/* ---- limits ---- */

static void a_body_without_end_is_read_up_to_the_maximum(void **state) {
    struct mock *mock = *state;
    RSW_AUTO_REGISTRY registry = mock_open(mock, false);
    struct rsw_digest digest = mock_digest("x");
    struct rsw_error err = RSW_ERROR_INIT;
    expect_answer(rsw_registry_get_blob(registry, "endless", &digest, NULL, &err), RSW_FOUND, &err);
    expect_answer(rsw_registry_get_manifest(registry, "endless-error", "t", NULL, &err), RSW_FAILED, &err);
    expect_words(&err, RSW_EIO, "answer 500, without an error of the registry's");
    expect_answer(rsw_registry_put_manifest(registry, "endless-error", "t", "a/b", "x", 1, &err), -1, &err);
    /* The connection that was broken off is not in the way of the next. */
    expect_answer(rsw_registry_head_blob(registry, "found", &digest, &err), RSW_FOUND, &err);
}

static void a_body_that_drips_ends_in_a_timeout(void **state) {
    struct mock *mock = *state;
    RSW_AUTO_REGISTRY registry = NULL;
    struct rsw_digest digest = mock_digest("x");
    struct rsw_error err = RSW_ERROR_INIT;
    int64_t begun_ms = rsw_monotonic_ms();
    open_at(&registry, mock->url, NULL, 300);
    expect_answer(rsw_registry_get_blob(registry, "slow", &digest, NULL, &err), RSW_FAILED, &err);
    expect_words(&err, RSW_EIO, "no answer to GET http://127.0.0.1:");
    assert_int_equal(err.errnum, ETIMEDOUT);
    assert_true(rsw_monotonic_ms() - begun_ms < 20000);
}

static int listen_somewhere(char url[64]) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    snprintf(url, 64, "http://127.0.0.1:%u", ntohs(address.sin_port));
    return fd;
}

static void a_server_that_says_nothing_ends_in_a_timeout_and_none_in_a_refusal(void **state) {
    RSW_AUTO_REGISTRY registry = NULL;
    struct rsw_digest digest = mock_digest("x");
    struct rsw_error err = RSW_ERROR_INIT;
    char url[64];
    int status = -1;
    int fd = listen_somewhere(url);
    (void)state;
    open_at(&registry, url, NULL, 200);
    expect_answer(rsw_registry_clear(registry, "a", &digest, &status, &err), -1, &err);
    assert_int_equal(err.errnum, ETIMEDOUT);
    assert_int_equal(status, 0);
    close(fd);
    expect_answer(rsw_registry_head_blob(registry, "a", &digest, &err), RSW_FAILED, &err);
    expect_words(&err, RSW_EIO, url);
    assert_int_equal(err.errnum, ECONNREFUSED);
}

static void proxies_of_the_environment_are_not_asked(void **state) {
    struct mock *mock = *state;
    struct rsw_error err = RSW_ERROR_INIT;
    RSW_AUTO_REGISTRY registry = NULL;
    RSW_AUTO_REGISTRY proxied = NULL;
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    setenv("all_proxy", "http://127.0.0.1:1", 1);
    open_at(&registry, mock->url, NULL, 0);
    expect_answer(rsw_registry_ping(registry, &err), 0, &err);
    unsetenv("http_proxy");
    unsetenv("all_proxy");
    /* One that is asked for is, whatever the environment takes out. */
    setenv("no_proxy", "*", 1);
    const struct rsw_registry_options options = {.nonce = "n1", .proxy = mock->url};
    assert_int_equal(rsw_registry_open(&proxied, "http://registry.example", &options, &err), 0);
    expect_answer(rsw_registry_head_manifest(proxied, "found", "t", &err), RSW_ABSENT, &err);
    unsetenv("no_proxy");
    assert_int_equal(mock_count(mock, "HEAD http://registry.example/v2/found/manifests/t"), 1);
}

/* ---- TLS ---- */

struct place {
    char dir[64];
};

static void read_file(struct rsw_buf *out, const char *path) {
    char bytes[8192];
    RSW_AUTO_FILE *file = fopen(path, "re");
    assert_non_null(file);
    assert_int_equal(rsw_buf_add(out, bytes, fread(bytes, 1, sizeof bytes, file), NULL), 0);
}

static void make_certificate(const struct place *place, const char *name, const char *subject) {
    char command[512];
    snprintf(command, sizeof command,
             "cd '%s' && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
             "-subj /CN=%s -addext subjectAltName=%s -keyout %s.key -out %s.pem 2>/dev/null",
             place->dir, name, subject, name, name);
    assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): a test, and the text is ours */
}

static int place_setup(void **state) {
    struct place *place = calloc(1, sizeof *place);
    assert_non_null(place);
    snprintf(place->dir, sizeof place->dir, "/tmp/regsweep-registry-XXXXXX");
    assert_non_null(mkdtemp(place->dir));
    make_certificate(place, "good", "IP:127.0.0.1");
    make_certificate(place, "other", "IP:127.0.0.1");
    make_certificate(place, "named", "DNS:registry.example");
    *state = place;
    return 0;
}

static int place_teardown(void **state) {
    struct place *place = *state;
    char command[128];
    snprintf(command, sizeof command, "rm -r '%s'", place->dir);
    int rc = system(command); /* NOLINT(cert-env33-c): as above */
    free(place);
    return rc;
}

static void start_tls(struct mock *mock, const struct place *place, const char *name) {
    RSW_AUTO_BUF cert = RSW_BUF_INIT;
    RSW_AUTO_BUF key = RSW_BUF_INIT;
    char path[128];
    snprintf(path, sizeof path, "%s/%s.pem", place->dir, name);
    read_file(&cert, path);
    snprintf(path, sizeof path, "%s/%s.key", place->dir, name);
    read_file(&key, path);
    mock_start(mock, (const char *)cert.data, (const char *)key.data);
}

static int ping_with(struct mock *mock, const struct place *place, const char *ca, struct rsw_error *err) {
    RSW_AUTO_REGISTRY registry = NULL;
    char path[128];
    snprintf(path, sizeof path, "%s/%s", place->dir, ca != NULL ? ca : "");
    open_at(&registry, mock->url, ca != NULL ? path : NULL, 0);
    return rsw_registry_ping(registry, err);
}

static void only_the_authorities_of_the_given_file_are_trusted(void **state) {
    const struct place *place = *state;
    struct mock mock;
    struct mock named;
    struct rsw_error err = RSW_ERROR_INIT;
    start_tls(&mock, place, "good");
    start_tls(&named, place, "named");
    expect_answer(ping_with(&mock, place, "good.pem", &err), 0, &err);
    expect_answer(ping_with(&mock, place, "other.pem", &err), -1, &err);
    expect_words(&err, RSW_EIO, "certificate");
    expect_answer(ping_with(&mock, place, NULL, &err), -1, &err);
    expect_words(&err, RSW_EIO, "certificate");
    expect_answer(ping_with(&mock, place, "good.key", &err), -1, &err);
    expect_words(&err, RSW_EINVAL, "good.key");
    expect_answer(ping_with(&mock, place, "missing.pem", &err), -1, &err);
    expect_words(&err, RSW_EINVAL, "missing.pem");
    expect_answer(ping_with(&named, place, "named.pem", &err), -1, &err);
    expect_words(&err, RSW_EIO, "certificate");
    assert_int_equal(mock_count(&named, ""), 0);
    mock_stop(&mock);
    mock_stop(&named);
}

static void credentials_of_an_https_registry_never_go_over_http(void **state) {
    const struct place *place = *state;
    struct mock mock;
    struct mock plain;
    RSW_AUTO_REGISTRY registry = NULL;
    struct rsw_error err = RSW_ERROR_INIT;
    char challenge[256];
    char ca[128];
    start_tls(&mock, place, "good");
    mock_start(&plain, NULL, NULL);
    mock.auth = MOCK_BEARER;
    mock.challenge = challenge;
    snprintf(challenge, sizeof challenge, "Bearer realm=\"%s/token\"", plain.url);
    snprintf(ca, sizeof ca, "%s/good.pem", place->dir);
    const struct rsw_registry_options options = {
        .nonce = "n1", .user = MOCK_USER, .password = MOCK_PASSWORD, .ca_file = ca};
    assert_int_equal(rsw_registry_open(&registry, mock.url, &options, &err), 0);
    expect_answer(rsw_registry_ping(registry, &err), -1, &err);
    expect_words(&err, RSW_EREFUSED, "is https");
    assert_int_equal(mock_count(&plain, ""), 0);
    mock_stop(&mock);
    mock_stop(&plain);
}

/* ---- threads ---- */

#define THREADS 8
#define ROUNDS 25

struct worker {
    pthread_t thread;
    struct rsw_registry *registry;
    int wrong;
};

static void *work(void *arg) {
    struct worker *worker = arg;
    struct rsw_digest digest = mock_digest("x");
    for (int i = 0; i < ROUNDS; i++) {
        int status = 0;
        worker->wrong += rsw_registry_head_blob(worker->registry, "found", &digest, NULL) != RSW_FOUND;
        worker->wrong += rsw_registry_head_manifest(worker->registry, "absent", "t", NULL) != RSW_ABSENT;
        worker->wrong +=
            rsw_registry_clear(worker->registry, "absent", &digest, &status, NULL) != 0 || status != 404;
    }
    return NULL;
}

static void run_workers(struct mock *mock, enum mock_auth auth) {
    struct worker workers[THREADS];
    int wrong = 0;
    mock->auth = auth;
    RSW_AUTO_REGISTRY registry = mock_open(mock, true);
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.registry = registry};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        wrong += workers[i].wrong;
    }
    assert_int_equal(wrong, 0);
}

static void many_threads_share_one_registry(void **state) {
    run_workers(*state, MOCK_OPEN);
    run_workers(*state, MOCK_BASIC);
    run_workers(*state, MOCK_BEARER);
}

/* ---- serve, asked over HTTP ---- */

static void what_serve_answers_is_had_whole(void **state) {
    struct mock *mock = *state;
    char url[80];
    RSW_AUTO_SERVER *server = NULL;
    RSW_AUTO_RESPONSE response = {.status = 0};
    struct rsw_error err = RSW_ERROR_INIT;
    snprintf(url, sizeof url, "%s/behind/", mock->url);
    assert_int_equal(rsw_server_open(&server, url, "the-token", NULL, &err), 0);
    assert_int_equal(rsw_server_ask(&response, server, "POST", "/sweeps", "{}", &err), 0);
    const struct mock_note *note = mock_last(mock, "POST /behind/sweeps");
    assert_string_equal(note->authorization, "Bearer the-token");
    assert_string_equal(note->type, "application/json");
    assert_int_equal(note->body_len, 2);
}

static void a_server_that_repeats_the_token_brings_it_into_no_message(void **state) {
    struct mock *mock = *state;
    RSW_AUTO_SERVER *server = NULL;
    RSW_AUTO_RESPONSE response = {.status = 0};
    struct rsw_error err = RSW_ERROR_INIT;
    assert_int_equal(rsw_server_open(&server, mock->url, "the-token", NULL, &err), 0);
    assert_int_equal(rsw_server_ask(&response, server, "GET", "/v2/echo/x", NULL, &err), 0);
    assert_int_equal(response.status, 500);
    assert_non_null(strstr((const char *)response.body.data, "you said"));
    assert_null(strstr((const char *)response.body.data, "the-token"));
}

static void a_server_has_a_plain_url(void **state) {
    static const char *const bad[] = {"", "serve", "ftp://a", "http://", "http://a/?b", "http://u:p@a/"};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct rsw_server *server;
        struct rsw_error err = RSW_ERROR_INIT;
        assert_int_equal(rsw_server_open(&server, bad[i], "the-token", NULL, &err), -1);
        expect_words(&err, RSW_EINVAL, "the server's URL");
        assert_null(server);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, mock_setup, mock_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_body_without_end_is_read_up_to_the_maximum),
        TEST(a_body_that_drips_ends_in_a_timeout),
        cmocka_unit_test(a_server_that_says_nothing_ends_in_a_timeout_and_none_in_a_refusal),
        TEST(proxies_of_the_environment_are_not_asked),
        cmocka_unit_test_setup_teardown(only_the_authorities_of_the_given_file_are_trusted, place_setup,
                                        place_teardown),
        cmocka_unit_test_setup_teardown(credentials_of_an_https_registry_never_go_over_http, place_setup,
                                        place_teardown),
        TEST(many_threads_share_one_registry),
        TEST(what_serve_answers_is_had_whole),
        TEST(a_server_that_repeats_the_token_brings_it_into_no_message),
        cmocka_unit_test(a_server_has_a_plain_url),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
