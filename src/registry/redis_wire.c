#include "registry/redis_wire.h"

#include "util/clock.h"
#include "util/library.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Answers to what we ask are a few bytes. */
#define READ_MAX ((size_t)65536)

#if HIREDIS_MAJOR >= 1
typedef size_t elements_t;
#else
typedef int elements_t;
#endif

/* Each as hiredis.h and read.h have it. */
struct hiredis {
    __typeof__(&redisReaderCreateWithFunctions) redisReaderCreateWithFunctions;
    __typeof__(&redisReaderFree) redisReaderFree;
    __typeof__(&redisReaderFeed) redisReaderFeed;
    __typeof__(&redisReaderGetReply) redisReaderGetReply;
    __typeof__(&redisFormatCommandArgv) redisFormatCommandArgv;
    __typeof__(&redisFreeCommand) redisFreeCommand;
};

static const struct rsw_function functions[] = {
    RSW_FUNCTION(struct hiredis, redisReaderCreateWithFunctions),
    RSW_FUNCTION(struct hiredis, redisReaderFree),
    RSW_FUNCTION(struct hiredis, redisReaderFeed),
    RSW_FUNCTION(struct hiredis, redisReaderGetReply),
    RSW_FUNCTION(struct hiredis, redisFormatCommandArgv),
    RSW_FUNCTION(struct hiredis, redisFreeCommand),
};

static struct hiredis hiredis;
static struct rsw_library library = RSW_LIBRARY(REGSWEEP_LIBHIREDIS, hiredis, functions);

/* ---- what hiredis finds becomes the caller's struct, which is the reader's `privdata` ---- */

static struct rsw_redis_reply *made(const redisReadTask *task, enum rsw_redis_kind kind) {
    struct rsw_redis_reply *reply = task->privdata;
    *reply = (struct rsw_redis_reply){.kind = kind};
    return reply;
}

static void *make_string(const redisReadTask *task, char *text, size_t len) {
    struct rsw_redis_reply *reply =
        made(task, task->type == REDIS_REPLY_ERROR ? RSW_REDIS_ERROR : RSW_REDIS_TEXT);
    size_t fits = len < sizeof reply->text ? len : sizeof reply->text - 1;
    memcpy(reply->text, text, fits);
    return reply;
}

/* Nothing that we ask for is answered so; and a server could make it as large as it likes. */
static void *refuse_array(const redisReadTask *task, elements_t count) {
    (void)task;
    (void)count;
    return NULL;
}

static void *make_integer(const redisReadTask *task, long long number) {
    struct rsw_redis_reply *reply = made(task, RSW_REDIS_INTEGER);
    reply->number = number;
    return reply;
}

static void *make_nil(const redisReadTask *task) {
    return made(task, RSW_REDIS_NIL);
}

static void free_nothing(void *reply) {
    (void)reply;
}

static redisReplyObjectFunctions makers = {.createString = make_string,
                                           .createArray = refuse_array,
                                           .createInteger = make_integer,
                                           .createNil = make_nil,
                                           .freeObject = free_nothing};

/* ---- the socket ---- */

static int failed(const struct rsw_redis_wire *wire, int errnum, const char *doing, struct rsw_error *err) {
    return rsw_error_set(err, RSW_EIO, errnum, "Redis at %s: %s: %s", wire->name, doing, strerror(errnum));
}

/* Until the socket can do that, or time is up. 0, or -1 with errno. */
static int wait_for(int fd, short what, int64_t until_ms) {
    for (;;) {
        int64_t left_ms = until_ms - rsw_monotonic_ms();
        struct pollfd one = {.fd = fd, .events = what};
        int rc = left_ms > 0 ? poll(&one, 1, left_ms > INT32_MAX ? INT32_MAX : (int)left_ms) : 0;
        if (rc == 0) {
            errno = ETIMEDOUT;
            return -1;
        }
        if (rc > 0 || errno != EINTR) {
            return rc > 0 ? 0 : -1;
        }
    }
}

/* A socket, or -1 with errno. */
static int connect_one(const struct addrinfo *at, int64_t until_ms) {
    int fd = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, at->ai_protocol);
    int error = 0;
    socklen_t size = sizeof error;
    if (fd < 0) {
        return -1;
    }
    if (connect(fd, at->ai_addr, at->ai_addrlen) == 0) {
        return fd;
    }
    if (errno != EINPROGRESS || wait_for(fd, POLLOUT, until_ms) != 0 ||
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) {
        error = error != 0 ? error : errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

int rsw_redis_wire_connect(struct rsw_redis_wire *wire, const struct rsw_redis_address *address,
                           int64_t until_ms, struct rsw_error *err) {
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    if (rsw_library_load(&library, err) != 0) {
        return -1;
    }
    int rc = getaddrinfo(address->host, address->port, &hints, &list);
    if (rc != 0) {
        return rsw_error_set(err, RSW_EIO, 0, "Redis at %s: %s", wire->name, gai_strerror(rc));
    }
    for (struct addrinfo *at = list; at != NULL && wire->fd < 0; at = at->ai_next) {
        wire->fd = connect_one(at, until_ms);
    }
    int errnum = errno;
    freeaddrinfo(list);
    if (wire->fd < 0) {
        return failed(wire, errnum, "no connection", err);
    }
    wire->reader = hiredis.redisReaderCreateWithFunctions(&makers);
    if (wire->reader == NULL) {
        rsw_redis_wire_close(wire);
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    return 0;
}

void rsw_redis_wire_close(struct rsw_redis_wire *wire) {
    if (wire->fd >= 0) {
        close(wire->fd);
    }
    if (wire->reader != NULL) {
        hiredis.redisReaderFree(wire->reader);
    }
    wire->fd = -1;
    wire->reader = NULL;
}

bool rsw_redis_wire_is_open(const struct rsw_redis_wire *wire) {
    char byte;
    return wire->fd >= 0 && recv(wire->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

/* ---- commands and answers ---- */

static int send_all(struct rsw_redis_wire *wire, const char *bytes, size_t len, int64_t until_ms,
                    struct rsw_error *err) {
    while (len > 0) {
        ssize_t sent = send(wire->fd, bytes, len, MSG_NOSIGNAL);
        if (sent >= 0) {
            bytes += sent;
            len -= (size_t)sent;
        } else if (errno != EINTR && (errno != EAGAIN || wait_for(wire->fd, POLLOUT, until_ms) != 0)) {
            return failed(wire, errno, "it does not take what is sent", err);
        }
    }
    return 0;
}

int rsw_redis_wire_send(struct rsw_redis_wire *wire, int argc, const char **argv, int64_t until_ms,
                        struct rsw_error *err) {
    char *bytes = NULL;
    int len = (int)hiredis.redisFormatCommandArgv(&bytes, argc, argv, NULL);
    if (len < 0) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    int rc = send_all(wire, bytes, (size_t)len, until_ms, err);
    explicit_bzero(bytes, (size_t)len); /* it may have been a password */
    hiredis.redisFreeCommand(bytes);
    return rc;
}

static int read_some(struct rsw_redis_wire *wire, size_t *total, int64_t until_ms, struct rsw_error *err) {
    char bytes[4096];
    for (;;) {
        ssize_t got = recv(wire->fd, bytes, sizeof bytes, 0);
        if (got > 0) {
            *total += (size_t)got;
            return hiredis.redisReaderFeed(wire->reader, bytes, (size_t)got) == REDIS_OK
                       ? 0
                       : rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
        }
        if (got == 0) {
            return rsw_error_set(err, RSW_EIO, ECONNRESET,
                                 "Redis at %s closed the connection instead of answering", wire->name);
        }
        if (errno != EINTR && (errno != EAGAIN || wait_for(wire->fd, POLLIN, until_ms) != 0)) {
            return failed(wire, errno, "no answer", err);
        }
    }
}

int rsw_redis_wire_read(struct rsw_redis_wire *wire, struct rsw_redis_reply *out, int64_t until_ms,
                        struct rsw_error *err) {
    redisReader *reader = wire->reader;
    size_t total = 0;
    reader->privdata = out;
    for (;;) {
        void *reply = NULL;
        if (hiredis.redisReaderGetReply(reader, &reply) != REDIS_OK) {
            return rsw_error_set(err, RSW_EIO, 0,
                                 "what answers at %s is no Redis, or nothing that was asked for", wire->name);
        }
        if (reply != NULL) {
            return 0;
        }
        if (total > READ_MAX) {
            return rsw_error_set(err, RSW_EIO, 0, "an answer of Redis at %s has no end", wire->name);
        }
        if (read_some(wire, &total, until_ms, err) != 0) {
            return -1;
        }
    }
}
