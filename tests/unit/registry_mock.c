#include "registry_mock.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- answers ---- */

struct answer {
    unsigned status;
    const char *type;
    const char *body;
    const char *location;
    bool plain; /* no registry's */
    bool endless;
    bool slow;
};

#define JSON "application/json; charset=utf-8"
#define ERRORS(code, message)                                                                                \
    "{\"errors\":[{\"code\":\"" code "\",\"message\":\"" message "\",\"detail\":null}]}\n"

/* By repository; method NULL: any. The first that fits. */
static const struct {
    const char *repo;
    const char *method;
    struct answer answer;
} answers[] = {
    {"found", "DELETE", {202, NULL, "", .location = NULL}},
    {"found", NULL, {200, "application/octet-stream", "bytes", .location = NULL}},
    {"absent", NULL, {404, JSON, ERRORS("BLOB_UNKNOWN", "blob unknown to registry"), .location = NULL}},
    {"revision", NULL, {500, JSON, ERRORS("UNKNOWN", "unknown error"), .location = NULL}},
    {"busy", NULL, {429, JSON, ERRORS("TOOMANYREQUESTS", "slow down"), .location = NULL}},
    {"broken", NULL, {500, JSON, ERRORS("UNKNOWN", "disk\\u0007 on fire"), .location = NULL}},
    {"html", NULL, {500, "text/html", "<html>Internal Server Error</html>", .plain = true}},
    {"gateway", NULL, {502, "text/html", "<html>Bad Gateway</html>", .plain = true}},
    {"nowhere", NULL, {404, "text/html", "<html>Not Found</html>", .plain = true}},
    {"unrouted", NULL, {404, "text/plain; charset=utf-8", "404 page not found\n", .location = NULL}},
    {"page", NULL, {200, "text/html", "<html>Welcome</html>", .plain = true}},
    {"storage", NULL, {307, NULL, "", .location = "https://bucket.example/blob?signature=shh"}},
    {"https", NULL, {307, NULL, "", .location = "https://proxy.example/v2/", .plain = true}},
    {"moved", NULL, {301, NULL, "", .location = "https://proxy.example/v2/"}},
    {"kept", "DELETE", {405, JSON, ERRORS("UNSUPPORTED", "The operation is unsupported."), .location = NULL}},
    {"kept", NULL, {200, "application/octet-stream", "bytes", .location = NULL}},
    {"writable", "PATCH", {404, JSON, ERRORS("BLOB_UPLOAD_UNKNOWN", "unknown"), .location = NULL}},
    {"readonly", "PATCH", {405, "text/plain", "Method Not Allowed", .location = NULL}},
    {"readonly", "DELETE", {405, "text/plain", "Method Not Allowed", .location = NULL}},
    {"denied", NULL, {403, JSON, ERRORS("DENIED", "requested access is denied"), .location = NULL}},
    {"strange", NULL, {400, JSON, "[1,2", .location = NULL}},
    {"endless", NULL, {200, "application/octet-stream", NULL, .endless = true}},
    {"endless-error", NULL, {500, JSON, NULL, .endless = true}},
    {"slow", NULL, {200, "application/octet-stream", NULL, .slow = true}},
};

static ssize_t drip(void *cls, uint64_t pos, char *to, size_t max) {
    const struct answer *answer = cls;
    (void)pos;
    if (answer->slow) {
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
        max = 1;
    }
    memset(to, 'x', max);
    return (ssize_t)max;
}

static enum MHD_Result send_answer(struct mock *mock, struct MHD_Connection *connection,
                                   const struct answer *answer) {
    struct MHD_Response *response =
        answer->body != NULL
            ? MHD_create_response_from_buffer(strlen(answer->body), (void *)(uintptr_t)answer->body,
                                              MHD_RESPMEM_MUST_COPY)
            : MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 65536, drip, (void *)(uintptr_t)answer,
                                                NULL);
    if (!answer->plain && !mock->plain) {
        MHD_add_response_header(response, "Docker-Distribution-Api-Version", "registry/2.0");
    }
    if (answer->type != NULL) {
        MHD_add_response_header(response, "Content-Type", answer->type);
    }
    if (answer->location != NULL) {
        MHD_add_response_header(response, "Location", answer->location);
    }
    enum MHD_Result rc = MHD_queue_response(connection, answer->status, response);
    MHD_destroy_response(response);
    return rc;
}

/* ---- authentication ---- */

static enum MHD_Result challenge(struct mock *mock, struct MHD_Connection *connection) {
    static const char body[] = ERRORS("UNAUTHORIZED", "authentication required");
    char text[512] = "Basic realm=\"mock\"";
    struct MHD_Response *response =
        MHD_create_response_from_buffer(sizeof body - 1, (void *)(uintptr_t)body, MHD_RESPMEM_PERSISTENT);
    if (mock->auth == MOCK_BEARER) {
        snprintf(text, sizeof text, "Bearer realm=\"%s/token?v=1\",service=\"the mock\",scope=\"anything\"",
                 mock->url);
    }
    MHD_add_response_header(response, "Content-Type", JSON);
    MHD_add_response_header(response, "Docker-Distribution-Api-Version", "registry/2.0");
    MHD_add_response_header(response, "WWW-Authenticate", "Negotiate");
    MHD_add_response_header(response, "WWW-Authenticate", mock->challenge != NULL ? mock->challenge : text);
    enum MHD_Result rc = MHD_queue_response(connection, 401, response);
    MHD_destroy_response(response);
    return rc;
}

static bool may_pass(struct mock *mock, const char *authorization) {
    static const char bearer[] = "Bearer token-";
    if (mock->auth == MOCK_OPEN) {
        return true;
    }
    if (mock->auth == MOCK_BASIC) {
        return authorization != NULL && strcmp(authorization, MOCK_BASIC_HEADER) == 0;
    }
    if (authorization == NULL || strncmp(authorization, bearer, sizeof bearer - 1) != 0) {
        return false;
    }
    unsigned long number = strtoul(authorization + sizeof bearer - 1, NULL, 10);
    pthread_mutex_lock(&mock->mutex);
    bool valid = number > mock->token_revoked;
    pthread_mutex_unlock(&mock->mutex);
    return valid;
}

static enum MHD_Result give_token(struct mock *mock, struct MHD_Connection *connection,
                                  const char *authorization) {
    char text[256];
    bool right = authorization == NULL || strcmp(authorization, MOCK_BASIC_HEADER) == 0;
    pthread_mutex_lock(&mock->mutex);
    snprintf(text, sizeof text, "{\"token\":\"token-%u\",\"expires_in\":%d}", ++mock->token_number,
             mock->expires_in);
    pthread_mutex_unlock(&mock->mutex);
    struct answer answer = {right ? 200 : 401, JSON, text, .plain = true};
    if (mock->token_status != 0) {
        answer.status = (unsigned)mock->token_status;
    }
    if (mock->token_answer != NULL) {
        answer.body = mock->token_answer;
    }
    return send_answer(mock, connection, &answer);
}

/* ---- requests ---- */

static const char *header(struct MHD_Connection *connection, const char *name) {
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

static void copy(char *to, size_t room, const char *from) {
    snprintf(to, room, "%s", from != NULL ? from : "");
}

struct request {
    char *uri; /* with the query as it came */
    size_t body_len;
    bool begun;
};

/* What it gives becomes *con_cls of the request. */
static void *on_uri(void *cls, const char *uri, struct MHD_Connection *connection) {
    (void)cls;
    (void)connection;
    struct request *request = calloc(1, sizeof *request);
    if (request != NULL) {
        request->uri = strdup(uri);
    }
    return request;
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **con_cls,
                         enum MHD_RequestTerminationCode code) {
    struct request *request = *con_cls;
    (void)cls;
    (void)connection;
    (void)code;
    if (request != NULL) {
        free(request->uri);
        free(request);
    }
}

static void note(struct mock *mock, struct MHD_Connection *connection, const char *method, const char *uri,
                 size_t body_len) {
    pthread_mutex_lock(&mock->mutex);
    struct mock_note *to = &mock->notes[mock->count < MOCK_NOTES ? mock->count++ : MOCK_NOTES - 1];
    snprintf(to->line, sizeof to->line, "%s %s", method, uri);
    copy(to->authorization, sizeof to->authorization, header(connection, "Authorization"));
    copy(to->agent, sizeof to->agent, header(connection, "User-Agent"));
    copy(to->accept, sizeof to->accept, header(connection, "Accept"));
    copy(to->type, sizeof to->type, header(connection, "Content-Type"));
    to->body_len = body_len;
    pthread_mutex_unlock(&mock->mutex);
}

static bool is_repo(const char *url, const char *repo) {
    size_t len = strlen(repo);
    return strncmp(url, "/v2/", 4) == 0 && strncmp(url + 4, repo, len) == 0 && url[4 + len] == '/';
}

static enum MHD_Result push(struct mock *mock, struct MHD_Connection *connection, const char *method) {
    char location[256];
    snprintf(location, sizeof location, "%s/v2/push/blobs/uploads/1?_state=a%%20secret%%3D",
             mock->location_host != NULL ? mock->location_host : mock->url);
    bool begins = strcmp(method, "POST") == 0;
    return send_answer(mock, connection,
                       &(struct answer){begins ? 202 : 201, NULL, "", .location = begins ? location : NULL});
}

static enum MHD_Result answer(struct mock *mock, struct MHD_Connection *connection, const char *url,
                              const char *method) {
    const char *authorization = header(connection, "Authorization");
    char echo[512];
    if (strcmp(url, "/token") == 0) {
        return give_token(mock, connection, authorization);
    }
    if (!may_pass(mock, authorization)) {
        return challenge(mock, connection);
    }
    if (strcmp(url, "/v2/") == 0) {
        return send_answer(mock, connection, &(struct answer){200, JSON, "{}", .location = NULL});
    }
    if (is_repo(url, "push")) {
        return push(mock, connection, method);
    }
    if (is_repo(url, "echo")) { /* tells the world what it was given */
        snprintf(echo, sizeof echo, ERRORS("UNKNOWN", "you said %s"),
                 authorization != NULL ? authorization : "nothing");
        return send_answer(mock, connection, &(struct answer){500, JSON, echo, .location = NULL});
    }
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        if (is_repo(url, answers[i].repo) &&
            (answers[i].method == NULL || strcmp(answers[i].method, method) == 0)) {
            return send_answer(mock, connection, &answers[i].answer);
        }
    }
    return send_answer(mock, connection, &answers[2].answer);
}

static bool hangs_up(struct mock *mock, const char *method) {
    pthread_mutex_lock(&mock->mutex);
    bool now = mock->hang_ups > 0 && mock->hung_up != NULL && strcmp(mock->hung_up, method) == 0;
    mock->hang_ups -= now ? 1 : 0;
    pthread_mutex_unlock(&mock->mutex);
    return now;
}

static void take_time(struct mock *mock) {
    pthread_mutex_lock(&mock->mutex);
    mock->under_way++;
    mock->most = mock->under_way > mock->most ? mock->under_way : mock->most;
    pthread_mutex_unlock(&mock->mutex);
    nanosleep(&(struct timespec){mock->pause_ms / 1000, mock->pause_ms % 1000 * 1000000L}, NULL);
    pthread_mutex_lock(&mock->mutex);
    mock->under_way--;
    pthread_mutex_unlock(&mock->mutex);
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data, size_t *size,
                                  void **con_cls) {
    struct mock *mock = cls;
    struct request *request = *con_cls;
    (void)version;
    (void)data;
    if (!request->begun) { /* the headers; the body follows in pieces, and a last call without one */
        request->begun = true;
        return MHD_YES;
    }
    if (*size > 0) {
        request->body_len += *size;
        *size = 0;
        return MHD_YES;
    }
    note(mock, connection, method, request->uri, request->body_len);
    take_time(mock);
    if (hangs_up(mock, method)) {
        return MHD_NO;
    }
    return answer(mock, connection, url, method);
}

/* ---- start and stop ---- */

static int64_t mock_now(void *arg) {
    return ((struct mock *)arg)->now_ms;
}

void mock_start(struct mock *mock, const char *cert, const char *key) {
    const struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct MHD_OptionItem secure[] = {{MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)cert},
                                      {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)key},
                                      {MHD_OPTION_END, 0, NULL}};
    struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION;
    memset(mock, 0, sizeof *mock);
    pthread_mutex_init(&mock->mutex, NULL);
    mock->expires_in = 300;
    mock->now_ms = INT64_C(1800000000000);
    mock->clock = (struct rsw_clock){mock_now, mock, NULL};
    mock->daemon = MHD_start_daemon(flags | (cert != NULL ? MHD_USE_TLS : 0u), 0, NULL, NULL, on_request,
                                    mock, MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_URI_LOG_CALLBACK, on_uri,
                                    NULL, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_ARRAY,
                                    cert != NULL ? secure : none, MHD_OPTION_END);
    assert_non_null(mock->daemon);
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(mock->daemon, MHD_DAEMON_INFO_BIND_PORT);
    assert_non_null(info);
    snprintf(mock->url, sizeof mock->url, "http%s://127.0.0.1:%u", cert != NULL ? "s" : "", info->port);
}

void mock_stop(struct mock *mock) {
    MHD_stop_daemon(mock->daemon);
    pthread_mutex_destroy(&mock->mutex);
}

int mock_setup(void **state) {
    struct mock *mock = calloc(1, sizeof *mock);
    assert_non_null(mock);
    mock_start(mock, NULL, NULL);
    *state = mock;
    return 0;
}

int mock_teardown(void **state) {
    mock_stop(*state);
    free(*state);
    return 0;
}

/* ---- for the tests ---- */

void mock_forget(struct mock *mock) {
    pthread_mutex_lock(&mock->mutex);
    mock->count = 0;
    pthread_mutex_unlock(&mock->mutex);
}

void mock_revoke(struct mock *mock) {
    pthread_mutex_lock(&mock->mutex);
    mock->token_revoked = mock->token_number;
    pthread_mutex_unlock(&mock->mutex);
}

size_t mock_count(struct mock *mock, const char *prefix) {
    size_t count = 0;
    pthread_mutex_lock(&mock->mutex);
    for (size_t i = 0; i < mock->count; i++) {
        count += strncmp(mock->notes[i].line, prefix, strlen(prefix)) == 0;
    }
    pthread_mutex_unlock(&mock->mutex);
    return count;
}

const struct mock_note *mock_last(struct mock *mock, const char *prefix) {
    const struct mock_note *last = NULL;
    pthread_mutex_lock(&mock->mutex);
    for (size_t i = 0; i < mock->count; i++) {
        if (strncmp(mock->notes[i].line, prefix, strlen(prefix)) == 0) {
            last = &mock->notes[i];
        }
    }
    pthread_mutex_unlock(&mock->mutex);
    assert_non_null(last);
    return last;
}

struct rsw_registry *mock_open(struct mock *mock, bool user) {
    const struct rsw_registry_options options = {.nonce = "n1",
                                                 .user = user ? MOCK_USER : NULL,
                                                 .password = user ? MOCK_PASSWORD : NULL,
                                                 .clock = &mock->clock};
    struct rsw_registry *registry = NULL;
    struct rsw_error err = RSW_ERROR_INIT;
    if (rsw_registry_open(&registry, mock->url, &options, &err) != 0) {
        fail_msg("%s", err.message);
    }
    return registry;
}

struct rsw_digest mock_digest(const char *text) {
    struct rsw_digest digest;
    assert_int_equal(rsw_digest_of(&digest, RSW_SHA256, text, strlen(text), NULL), 0);
    return digest;
}

void expect_words_at(const struct rsw_error *err, enum rsw_code code, const char *words, int line) {
    static const char *const secrets[] = {MOCK_PASSWORD, "dXNlcjpzZWNyZXQtcGFzc3dvcmQ", "token-", "_state",
                                          "signature"};
    if (err->code != code || strstr(err->message, words) == NULL) {
        fail_msg("line %d: code %d, not %d, or not \"%s\" in: %s", line, err->code, code, words,
                 err->message);
    }
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++) {
        if (strstr(err->message, secrets[i]) != NULL) {
            fail_msg("line %d: a secret in: %s", line, err->message);
        }
    }
}
