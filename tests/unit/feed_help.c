#include "feed_help.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ftw.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

const char *const recorded[4] = {
    "distribution-2.8.2.jsonl",
    "distribution-3.0.0.jsonl",
    "distribution-2.8.2-index-referrer.jsonl",
    "distribution-3.0.0-index-referrer.jsonl",
};

static int64_t place_now(void *arg) {
    return ((struct place *)arg)->now_ms;
}

int place_setup(void **state) {
    struct place *place = calloc(1, sizeof *place);
    const struct rsw_index_options options = {.create = true};
    struct rsw_error err = RSW_ERROR_INIT;
    assert_non_null(place);
    snprintf(place->dir, sizeof place->dir, "/tmp/regsweep-feed-XXXXXX");
    assert_non_null(mkdtemp(place->dir));
    snprintf(place->index_dir, sizeof place->index_dir, "%s/index", place->dir);
    if (rsw_index_open(&place->index, place->index_dir, &options, &err) != 0) {
        fail_msg("%s", err.message);
    }
    place->now_ms = INT64_C(1800000000000);
    place->clock = (struct rsw_clock){place_now, place, NULL};
    *state = place;
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

int place_teardown(void **state) {
    struct place *place = *state;
    rsw_index_close(place->index);
    int rc = nftw(place->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(place);
    return rc;
}

struct rsw_txn *begin_read(struct place *place) {
    struct rsw_txn *txn = NULL;
    assert_int_equal(rsw_txn_begin_read(&txn, place->index, NULL), 0);
    return txn;
}

struct rsw_txn *begin_write(struct place *place) {
    struct rsw_txn *txn = NULL;
    assert_int_equal(rsw_txn_begin_write(&txn, place->index, NULL), 0);
    return txn;
}

void commit(struct rsw_txn **txn) {
    struct rsw_error err = RSW_ERROR_INIT;
    if (rsw_txn_commit(txn, &err) != 0) {
        fail_msg("%s", err.message);
    }
}

struct rsw_digest digest_number(uint64_t i) {
    struct rsw_digest digest;
    assert_int_equal(rsw_digest_of(&digest, RSW_SHA256, &i, sizeof i, NULL), 0);
    return digest;
}

const char *digest_text(uint64_t i) {
    static __thread char texts[8][RSW_DIGEST_TEXT_MAX];
    static __thread unsigned turn;
    struct rsw_digest digest = digest_number(i);
    return rsw_digest_format(&digest, texts[turn++ % 8]);
}

static void add_field(char *text, size_t room, const char *key, const char *value) {
    size_t len = strlen(text);
    if (value != NULL) {
        snprintf(text + len, room - len, ",\"%s\":\"%s\"", key, value);
    }
}

const char *body_text(const struct body *body) {
    static __thread char texts[4][4096];
    static __thread unsigned turn;
    char *text = texts[turn++ % 4];
    char target[2048] = "";
    add_field(target, sizeof target, "mediaType", body->type);
    add_field(target, sizeof target, "digest", body->digest);
    add_field(target, sizeof target, "repository", body->repository);
    add_field(target, sizeof target, "fromRepository", body->from);
    add_field(target, sizeof target, "tag", body->tag);
    if (body->size > 0) {
        size_t len = strlen(target);
        snprintf(target + len, sizeof target - len, ",\"size\":%llu", (unsigned long long)body->size);
    }
    snprintf(text, sizeof texts[0],
             "{\"events\":[{\"id\":\"e\",\"timestamp\":\"2026-01-02T03:04:05.678Z\",\"action\":\"%s\","
             "\"target\":{\"url\":\"http://registry/\"%s},\"request\":{\"method\":\"PUT\"},"
             "\"source\":{\"addr\":\"registry:5000\",\"instanceID\":\"%s\"}}]}",
             body->action, target, body->instance == NULL ? "instance-1" : body->instance);
    return text;
}

unsigned each_recorded(const char *name, void (*each)(void *arg, const char *line, size_t len), void *arg) {
    char path[512];
    char *line = NULL;
    size_t room = 0;
    ssize_t len;
    unsigned count = 0;
    snprintf(path, sizeof path, "%s/%s", FEED_EVENTS, name);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    while ((len = getline(&line, &room, file)) > 0) {
        len -= line[len - 1] == '\n' ? 1 : 0;
        each(arg, line, (size_t)len);
        count++;
    }
    free(line);
    fclose(file);
    return count;
}

bool has_blob(struct place *place, uint64_t digest) {
    RSW_AUTO_TXN txn = begin_read(place);
    struct rsw_digest wanted = digest_number(digest);
    struct rsw_blob blob;
    int answer = rsw_blob_find(txn, &wanted, &blob);
    assert_int_not_equal(answer, RSW_FAILED);
    return answer == RSW_FOUND && (blob.flags & RSW_BLOB_PRESENT) != 0;
}

bool has_member(struct place *place, enum rsw_member_kind kind, const char *repo, uint64_t digest) {
    RSW_AUTO_TXN txn = begin_read(place);
    struct rsw_digest wanted = digest_number(digest);
    struct rsw_blob blob;
    struct rsw_repo record;
    struct rsw_member member;
    return rsw_blob_find(txn, &wanted, &blob) == RSW_FOUND &&
           rsw_repo_find(txn, repo, &record) == RSW_FOUND &&
           rsw_member_get(txn, kind, record.id, blob.id, &member) == RSW_FOUND &&
           (member.flags & RSW_MEMBER_PRESENT) != 0;
}

struct rsw_state state_of(struct place *place) {
    RSW_AUTO_TXN txn = begin_read(place);
    struct rsw_state state;
    assert_int_equal(rsw_state_get(txn, &state), RSW_FOUND);
    return state;
}

uint64_t count_checks(struct place *place, enum rsw_check_kind kind) {
    RSW_AUTO_TXN txn = begin_read(place);
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_check check;
    uint64_t count = 0;
    rsw_iter_checks(&iter, txn);
    while (rsw_check_next(&iter, &check) == RSW_FOUND) {
        count += check.kind == kind ? 1 : 0;
    }
    return count;
}

uint64_t resident_bytes(void) {
    unsigned long long all;
    unsigned long long resident;
    FILE *file = fopen("/proc/self/statm", "re");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%llu %llu", &all, &resident), 2);
    fclose(file);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* ---- HTTP ---- */

int http_connect(const char *address) {
    char host[128];
    struct addrinfo *info;
    const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    const char *colon = strrchr(address, ':');
    bool v6 = address[0] == '[';
    snprintf(host, sizeof host, "%.*s", (int)(colon - address) - (v6 ? 2 : 0), address + (v6 ? 1 : 0));
    assert_int_equal(getaddrinfo(host, colon + 1, &hints, &info), 0);
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    const struct timeval limit = {.tv_sec = 60};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    int rc = connect(fd, info->ai_addr, info->ai_addrlen);
    freeaddrinfo(info);
    if (rc != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

bool http_try_send(int fd, const void *bytes, size_t len) {
    const char *at = bytes;
    while (len > 0) {
        ssize_t sent = send(fd, at, len, MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        at += sent;
        len -= (size_t)sent;
    }
    return true;
}

void http_send(int fd, const void *bytes, size_t len) {
    assert_true(http_try_send(fd, bytes, len));
}

void http_read(int fd, struct reply *reply) {
    static __thread char text[sizeof reply->head + sizeof reply->body];
    size_t len = 0;
    ssize_t got;
    memset(reply, 0, sizeof *reply);
    while (len < sizeof text - 1 && (got = recv(fd, text + len, sizeof text - 1 - len, 0)) > 0) {
        len += (size_t)got;
    }
    text[len] = 0;
    char *end = strstr(text, "\r\n\r\n");
    if (end == NULL || sscanf(text, "HTTP/1.1 %d", &reply->status) != 1) {
        return;
    }
    *end = 0;
    snprintf(reply->head, sizeof reply->head, "%.2047s", text);
    snprintf(reply->body, sizeof reply->body, "%.32767s", end + 4);
}

void http_request(const char *address, const char *method, const char *path, const char *token,
                  const void *body, size_t len, struct reply *reply) {
    char head[1024];
    char bearer[512] = "";
    int fd = http_connect(address);
    memset(reply, 0, sizeof *reply);
    if (fd < 0) {
        return;
    }
    if (token != NULL) {
        snprintf(bearer, sizeof bearer, "Authorization: Bearer %s\r\n", token);
    }
    int head_len = snprintf(head, sizeof head,
                            "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%sContent-Length: %zu\r\n\r\n",
                            method, path, bearer, len);
    if (http_try_send(fd, head, (size_t)head_len)) {
        http_try_send(fd, body, len);
    }
    http_read(fd, reply);
    close(fd);
}

int http_post(const char *address, const char *token, const char *body) {
    struct reply reply;
    http_request(address, "POST", "/events", token, body, strlen(body), &reply);
    return reply.status;
}
