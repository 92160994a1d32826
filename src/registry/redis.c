#include "registry/redis.h"

#include "registry/redis_wire.h"
#include "util/cleanup.h"
#include "util/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct rsw_redis {
    struct rsw_redis_address address;
    char *name; /* owned; "host:port" */
    int64_t timeout_ms;
    struct rsw_redis_wire wire;
};

static int no_memory(struct rsw_error *err) {
    return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
}

/* ---- errors of the server ---- */

/* By the first word: https://redis.io/docs/latest/develop/reference/protocol-spec/ "Simple errors", and
 * server.c, acl.c and cluster.c of Redis 7. */
static const struct {
    const char *word;
    enum rsw_code code;
    int errnum;
    const char *remedy;
} words[] = {
    {"NOAUTH", RSW_EACCESS, 0, "it wants a password: give --redis-password-file"},
    {"WRONGPASS", RSW_EACCESS, 0, "user or password are wrong: see --redis and --redis-password-file"},
    {"NOPERM", RSW_EACCESS, 0,
     "its user may not do that: allow SREM, DEL, PING and SELECT on the keys blobs::* and repository::*"},
    {"LOADING", RSW_EIO, EAGAIN, "it is still loading its data: try again"},
    {"BUSY", RSW_EIO, EAGAIN, "it is busy with a script: try again"},
    {"MASTERDOWN", RSW_EIO, EAGAIN, "its primary is down: try again"},
    {"CLUSTERDOWN", RSW_EUNSUPPORTED, 0, "it is a cluster, which regsweep does not speak: sweep --offline"},
    {"MOVED", RSW_EUNSUPPORTED, 0, "it is a cluster, which regsweep does not speak: sweep --offline"},
    {"READONLY", RSW_EREFUSED, 0, "it is a replica that takes no writes: give the address of the primary"},
    {"MISCONF", RSW_EREFUSED, 0, "it takes no writes until it can save its data: see its own log"},
};

/* What the server says can have in it what it was sent: of what we said to it about ourselves, only the first
 * word is told. */
static int refused(const struct rsw_redis *redis, const char *command, const char *text,
                   struct rsw_error *err) {
    size_t len = strcspn(text, " ");
    bool secret = strcmp(command, "AUTH") == 0;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strlen(words[i].word) == len && strncmp(words[i].word, text, len) == 0) {
            return rsw_error_set(err, words[i].code, words[i].errnum, "Redis at %s answers %.*s to %s: %s",
                                 redis->name, (int)len, text, command, words[i].remedy);
        }
    }
    if (secret) {
        return rsw_error_set(err, RSW_EACCESS, 0,
                             "Redis at %s does not take our password (%.*s): has it none set, or no users?",
                             redis->name, (int)len, text);
    }
    return rsw_error_set(err, RSW_EIO, 0, "Redis at %s answers to %s: %s", redis->name, command, text);
}

static int strange(const struct rsw_redis *redis, const char *command, struct rsw_error *err) {
    return rsw_error_set(err, RSW_EIO, 0, "Redis at %s answers to %s with what that never gives", redis->name,
                         command);
}

/* ---- exchanges ---- */

/* Reads the answer to a command that gives a number; what else it may be is told in *said. 0; -1: none can be
 * read any more. */
static int read_number(struct rsw_redis *redis, const char *command, long long *out, struct rsw_error *said,
                       int64_t until_ms, struct rsw_error *err) {
    struct rsw_redis_reply reply;
    *out = 0;
    if (rsw_redis_wire_read(&redis->wire, &reply, until_ms, err) != 0) {
        return -1;
    }
    if (reply.kind == RSW_REDIS_ERROR) {
        refused(redis, command, reply.text, said);
    } else if (reply.kind != RSW_REDIS_INTEGER || reply.number < 0) {
        strange(redis, command, said);
    } else {
        *out = reply.number;
    }
    return 0;
}

/* One command that is answered by this word. 0 or -1. */
static int ask(struct rsw_redis *redis, int argc, const char **argv, const char *expected, int64_t until_ms,
               struct rsw_error *err) {
    struct rsw_redis_reply reply;
    if (rsw_redis_wire_send(&redis->wire, argc, argv, until_ms, err) != 0 ||
        rsw_redis_wire_read(&redis->wire, &reply, until_ms, err) != 0) {
        return -1;
    }
    if (reply.kind == RSW_REDIS_ERROR) {
        return refused(redis, argv[0], reply.text, err);
    }
    return reply.kind == RSW_REDIS_TEXT && strcmp(reply.text, expected) == 0 ? 0
                                                                             : strange(redis, argv[0], err);
}

static int introduce(struct rsw_redis *redis, int64_t until_ms, struct rsw_error *err) {
    const struct rsw_redis_address *address = &redis->address;
    const char *auth[] = {"AUTH", address->user != NULL ? address->user : address->password,
                          address->password};
    const char *ping[] = {"PING"};
    char db[16];
    const char *select[] = {"SELECT", db};
    snprintf(db, sizeof db, "%u", address->db);
    if (address->password != NULL &&
        ask(redis, address->user != NULL ? 3 : 2, auth, "OK", until_ms, err) != 0) {
        return -1;
    }
    if (address->db != 0 && ask(redis, 2, select, "OK", until_ms, err) != 0) {
        return -1;
    }
    return ask(redis, 1, ping, "PONG", until_ms, err);
}

static int connect_anew(struct rsw_redis *redis, struct rsw_error *err) {
    int64_t until_ms = rsw_monotonic_ms() + redis->timeout_ms;
    rsw_redis_wire_close(&redis->wire);
    if (rsw_redis_wire_connect(&redis->wire, &redis->address, until_ms, err) != 0) {
        return -1;
    }
    if (introduce(redis, until_ms, err) != 0) {
        rsw_redis_wire_close(&redis->wire);
        return -1;
    }
    return 0;
}

/* ---- forget ---- */

struct keys {
    char *set;
    char *in_repo;
    char *digest_key;
    char digest[RSW_DIGEST_TEXT_MAX];
};

static void keys_release(struct keys *keys) {
    free(keys->set);
    free(keys->in_repo);
    free(keys->digest_key);
}

static int keys_make(struct keys *keys, const char *repo, const struct rsw_digest *digest,
                     struct rsw_error *err) {
    rsw_digest_format(digest, keys->digest);
    if (asprintf(&keys->set, "repository::%s::blobs", repo) < 0) {
        keys->set = NULL;
        return no_memory(err);
    }
    if (asprintf(&keys->in_repo, "repository::%s::blobs::%s", repo, keys->digest) < 0) {
        keys->in_repo = NULL;
        return no_memory(err);
    }
    if (asprintf(&keys->digest_key, "blobs::%s", keys->digest) < 0) {
        keys->digest_key = NULL;
        return no_memory(err);
    }
    return 0;
}

/* The set first: without its member nothing of the rest is looked at. */
static int send_pair(struct rsw_redis *redis, const struct rsw_redis_pair *pair, int64_t until_ms,
                     struct rsw_error *err) {
    __attribute__((cleanup(keys_release))) struct keys keys = {.set = NULL};
    if (keys_make(&keys, pair->repo, pair->digest, err) != 0) {
        return -1;
    }
    const char *leave_set[] = {"SREM", keys.set, keys.digest};
    const char *drop_in_repo[] = {"DEL", keys.in_repo};
    const char *drop_digest[] = {"DEL", keys.digest_key};
    return rsw_redis_wire_send(&redis->wire, 3, leave_set, until_ms, err) == 0 &&
                   rsw_redis_wire_send(&redis->wire, 2, drop_in_repo, until_ms, err) == 0 &&
                   rsw_redis_wire_send(&redis->wire, 2, drop_digest, until_ms, err) == 0
               ? 0
               : -1;
}

static int read_pair(struct rsw_redis *redis, struct rsw_redis_pair *pair, int64_t until_ms,
                     struct rsw_error *err) {
    long long members;
    long long dropped;
    if (read_number(redis, "SREM", &members, &pair->err, until_ms, err) != 0 ||
        read_number(redis, "DEL", &dropped, &pair->err, until_ms, err) != 0 ||
        read_number(redis, "DEL", &dropped, &pair->err, until_ms, err) != 0) {
        return -1;
    }
    pair->answer = pair->err.code != RSW_OK ? RSW_FAILED : members > 0 ? RSW_FOUND : RSW_ABSENT;
    return 0;
}

/* All is sent before the first answer is read. 0; -1: the connection is of no use any more. */
static int take_out(struct rsw_redis *redis, struct rsw_redis_pair *list, size_t count,
                    struct rsw_error *err) {
    int64_t until_ms = rsw_monotonic_ms() + redis->timeout_ms;
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++) {
        list[i].answer = RSW_FAILED;
        rsw_error_clear(&list[i].err);
        rc = send_pair(redis, &list[i], until_ms, err);
    }
    for (size_t i = 0; i < count && rc == 0; i++) {
        rc = read_pair(redis, &list[i], until_ms, err);
    }
    if (rc != 0) {
        rsw_redis_wire_close(&redis->wire); /* what is still on its way would answer the next question */
    }
    return rc;
}

/* A connection that the server has closed since: once more on a new one. */
static int take_out_anew(struct rsw_redis *redis, struct rsw_redis_pair *list, size_t count, bool kept,
                         struct rsw_error *err) {
    if (connect_anew(redis, err) != 0 || take_out(redis, list, count, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        if (kept && list[i].answer == RSW_ABSENT) {
            list[i].answer = RSW_FOUND; /* the first try may have taken it out before it was lost */
        }
    }
    return 0;
}

void rsw_redis_forget_all(struct rsw_redis *redis, struct rsw_redis_pair *list, size_t count) {
    struct rsw_error first = RSW_ERROR_INIT;
    struct rsw_error second = RSW_ERROR_INIT;
    const struct rsw_error *why = &first;
    bool kept = rsw_redis_wire_is_open(&redis->wire);
    int rc = kept ? take_out(redis, list, count, &first) : -1;
    if (rc != 0 && (!kept || first.errnum == ECONNRESET || first.errnum == EPIPE)) {
        for (size_t i = 0; i < count; i++) {
            rsw_error_clear(&list[i].err);
        }
        rc = take_out_anew(redis, list, count, kept, &second);
        why = &second;
    }
    for (size_t i = 0; rc != 0 && i < count; i++) {
        list[i].answer = RSW_FAILED;
        rsw_error_set(&list[i].err, why->code, why->errnum, "%s", why->message);
    }
}

int rsw_redis_forget(struct rsw_redis *redis, const char *repo, const struct rsw_digest *digest,
                     struct rsw_error *err) {
    struct rsw_redis_pair pair = {.repo = repo, .digest = digest};
    rsw_redis_forget_all(redis, &pair, 1);
    if (pair.answer == RSW_FAILED) {
        rsw_error_set(err, pair.err.code, pair.err.errnum, "%s", pair.err.message);
    }
    return pair.answer;
}

/* ---- open and close ---- */

static int replace(char **to, const char *text, struct rsw_error *err) {
    if (text != NULL) {
        free(*to);
        *to = strdup(text);
    }
    return text == NULL || *to != NULL ? 0 : no_memory(err);
}

static int fill(struct rsw_redis *redis, const struct rsw_redis_options *options, struct rsw_error *err) {
    struct rsw_redis_address *address = &redis->address;
    if (rsw_redis_address_parse(address, options->address, err) != 0 ||
        replace(&address->user, options->user, err) != 0 ||
        replace(&address->password, options->password, err) != 0) {
        return -1;
    }
    if (!address->has_db) {
        address->db = options->db;
    }
    if (address->user != NULL && address->password == NULL) {
        return rsw_error_set(err, RSW_EINVAL, 0,
                             "the user of Redis has no password: give --redis-password-file");
    }
    bool bare = strchr(address->host, ':') == NULL;
    if (asprintf(&redis->name, bare ? "%s:%s" : "[%s]:%s", address->host, address->port) < 0) {
        redis->name = NULL;
        return no_memory(err);
    }
    redis->wire.name = redis->name;
    redis->timeout_ms = options->timeout_ms > 0 ? options->timeout_ms : RSW_REDIS_TIMEOUT_MS;
    return connect_anew(redis, err);
}

int rsw_redis_open(struct rsw_redis **out, const struct rsw_redis_options *options, struct rsw_error *err) {
    *out = NULL;
    struct rsw_redis *redis = calloc(1, sizeof *redis);
    if (redis == NULL) {
        return no_memory(err);
    }
    redis->wire = (struct rsw_redis_wire)RSW_REDIS_WIRE_INIT(NULL);
    if (fill(redis, options, err) != 0) {
        rsw_redis_close(redis);
        return -1;
    }
    *out = redis;
    return 0;
}

void rsw_redis_close(struct rsw_redis *redis) {
    if (redis == NULL) {
        return;
    }
    rsw_redis_wire_close(&redis->wire);
    rsw_redis_address_release(&redis->address);
    free(redis->name);
    free(redis);
}

const char *rsw_redis_name(const struct rsw_redis *redis) {
    return redis->name;
}
