#include "s3_mock.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define EMPTY_LIST                                                                                           \
    "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n<ListBucketResult><IsTruncated>false</IsTruncated>"         \
    "<KeyCount>0</KeyCount></ListBucketResult>"

/* The whole request: head, and as much of a body as it says. */
static void receive(int fd, char note[S3_MOCK_NOTE_MAX]) {
    size_t len = 0;
    size_t whole = SIZE_MAX;
    while (len < whole && len + 1 < S3_MOCK_NOTE_MAX) {
        ssize_t got = recv(fd, note + len, S3_MOCK_NOTE_MAX - 1 - len, 0);
        if (got <= 0) {
            break;
        }
        len += (size_t)got;
        note[len] = 0;
        const char *end = strstr(note, "\r\n\r\n");
        const char *said = strcasestr(note, "\r\ncontent-length: ");
        if (end != NULL) {
            whole =
                (size_t)(end - note) + 4 + (said != NULL && said < end ? strtoul(said + 18, NULL, 10) : 0);
        }
    }
    note[len] = 0;
}

static void give(int fd, const char *text, size_t len) {
    while (len > 0) {
        ssize_t sent = send(fd, text, len, MSG_NOSIGNAL);
        if (sent <= 0) {
            return;
        }
        text += sent;
        len -= (size_t)sent;
    }
}

/* A list says again which prefix it was asked for, unless the script has it say another. */
static void give_list(int fd, const char *answer, const char *begin, const char *note) {
    const char *prefix = strstr(note, "prefix=");
    prefix = prefix == NULL ? "" : prefix + 7;
    give(fd, answer, (size_t)(begin - answer));
    give(fd, "<Prefix>", 8);
    give(fd, prefix, strcspn(prefix, "& "));
    give(fd, "</Prefix>", 9);
    give(fd, begin, strlen(begin));
}

static void answer_with(int fd, const char *answer, const char *note) {
    static const char *const lists[] = {"<ListBucketResult>", "<ListVersionsResult>"};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        const char *list = strstr(answer, lists[i]);
        if (list != NULL && strstr(list, "<Prefix>") == NULL) {
            give_list(fd, answer, list + strlen(lists[i]), note);
            return;
        }
    }
    give(fd, answer, strlen(answer));
}

static void *serve(void *arg) {
    struct s3_mock *mock = arg;
    int fd;
    while ((fd = accept(mock->listening, NULL, NULL)) >= 0) {
        char *note = mock->notes[mock->count % S3_MOCK_NOTES];
        receive(fd, note);
        mock->count++;
        const char *const *script = mock->script;
        const char *answer = *script;
        mock->script = script[1] != NULL ? script + 1 : script;
        if (answer[0] == 0) {
            const struct linger reset = {.l_onoff = 1};
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        }
        answer_with(fd, answer, note);
        close(fd);
    }
    return NULL;
}

void s3_mock_answers(struct s3_mock *mock, const char *const *script) {
    mock->script = script;
    mock->count = 0;
}

void s3_mock_asked(const struct s3_mock *mock, size_t number, const char *text) {
    assert_true(number < mock->count);
    if (strstr(mock->notes[number], text) == NULL) {
        fail_msg("not \"%s\" but: %s", text, mock->notes[number]);
    }
}

int s3_mock_setup(void **state) {
    static const char *const empty[] = {EMPTY_LIST, NULL};
    struct s3_mock *mock = calloc(1, sizeof *mock);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    struct rsw_error err = RSW_ERROR_INIT;
    assert_non_null(mock);
    mock->listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(mock->listening, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(mock->listening, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(listen(mock->listening, 16), 0);
    snprintf(mock->endpoint, sizeof mock->endpoint, "http://127.0.0.1:%u", ntohs(address.sin_port));
    s3_mock_answers(mock, empty);
    assert_int_equal(pthread_create(&mock->thread, NULL, serve, mock), 0);
    const struct rsw_s3_options options = {.endpoint = mock->endpoint,
                                           .region = "eu-test-1",
                                           .access_key = "access",
                                           .secret_key = S3_MOCK_SECRET,
                                           .session_token = "token-of-the-mock"};
    if (rsw_storage_open_s3(&mock->storage, "s3://bucket/root/", &options, &err) != 0) {
        fail_msg("%s", err.message);
    }
    rsw_s3_set_patience(mock->storage, 3, 1, RSW_REMOVAL_SENT_MS);
    *state = mock;
    return 0;
}

int s3_mock_teardown(void **state) {
    struct s3_mock *mock = *state;
    rsw_storage_close(mock->storage);
    shutdown(mock->listening, SHUT_RDWR);
    pthread_join(mock->thread, NULL);
    close(mock->listening);
    free(mock);
    return 0;
}
